#!/usr/bin/env bash
# Usage: qt_libraries.sh PYTHON
# Makes sure that Qt starts offscreen with PYTHON's PySide6. On Debian or Ubuntu, as root, missing
# system libraries are installed; elsewhere they are named.
set -euo pipefail

python=$1
# What libQt6Gui, libQt6Widgets, libQt6OpenGL and the offscreen plugin link to, as ldd names it.
# libfontconfig1 brings a font along. Newer releases call libglib2.0-0 libglib2.0-0t64; apt knows both.
packages=(libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1 libfreetype6 libglib2.0-0 libx11-6)

qt_error=""
qt_starts() {
    qt_error=$(QT_QPA_PLATFORM=offscreen "$python" -P -c '
from PySide6.QtWidgets import QApplication
import PySide6.QtOpenGLWidgets, PySide6.QtSvg, PySide6.QtTest  # what pyqtgraph and pytest-qt load
QApplication([])' 2>&1 </dev/null)
}

if qt_starts; then
    exit 0
fi
if [ "$(uname -s)" != Linux ]; then
    echo "Qt does not start offscreen:" >&2
    echo "$qt_error" >&2
    exit 1
fi
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "Installing the system libraries that offscreen Qt needs: ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq </dev/null || true
    # Where this fails, the message below says what to do.
    apt-get install -y -qq --no-install-recommends "${packages[@]}" </dev/null || true
    if qt_starts; then
        exit 0
    fi
fi
echo "Qt does not start offscreen:" >&2
echo "$qt_error" >&2
echo "It needs these system libraries (names as on Debian and Ubuntu): ${packages[*]}" >&2
echo "Install them, for example: sudo apt-get install ${packages[*]}; then run make test again." >&2
exit 1
