#!/usr/bin/env bash
# Usage: qt_libraries.sh PYTHON
# Makes sure that Qt starts offscreen with PYTHON's PySide6. On Debian or Ubuntu, as root, missing
# system libraries are installed; elsewhere they are named. What one test needs to walk through the
# program under a real X server is installed too where that is possible; nothing else needs it.
set -euo pipefail

python=$1
# What libQt6Gui, libQt6Widgets, libQt6OpenGL and the offscreen plugin link to, as ldd names it.
# libfontconfig1 brings a font along. Newer releases call libglib2.0-0 libglib2.0-0t64; apt knows both.
packages=(libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1 libfreetype6 libglib2.0-0 libx11-6)
# The X server without a screen, the program that presses keys, and what Qt's xcb plugin links to.
x_packages=(
    xvfb xdotool libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-image0 libxcb-render-util0
    libxcb-randr0 libxcb-shape0 libxcb-sync1 libxcb-xfixes0 libxcb-xkb1 libxkbcommon-x11-0 libx11-xcb1
)

qt_error=""
qt_starts() {
    qt_error=$(QT_QPA_PLATFORM=offscreen "$python" -P -c '
from PySide6.QtWidgets import QApplication
import PySide6.QtOpenGLWidgets, PySide6.QtSvg, PySide6.QtTest  # what pyqtgraph and pytest-qt load
QApplication([])' 2>&1 </dev/null)
}

can_install() {
    command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]
}

# Without a word where nothing is missing or can be done: the test says itself what it lacks.
prepare_x() {
    [ "$(uname -s)" = Linux ] && can_install || return 0
    local plugin
    plugin=$("$python" -P -c '
from PySide6.QtCore import QLibraryInfo
print(QLibraryInfo.path(QLibraryInfo.LibraryPath.PluginsPath) + "/platforms/libqxcb.so")' </dev/null)
    if command -v Xvfb >/dev/null 2>&1 && command -v xdotool >/dev/null 2>&1 &&
        ! ldd "$plugin" 2>/dev/null | grep -q "not found"; then
        return 0
    fi
    echo "Installing what the walk under a real X server needs: ${x_packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    {
        apt-get update -qq </dev/null
        apt-get install -y -qq --no-install-recommends "${x_packages[@]}" </dev/null
    } >/dev/null 2>&1 || echo "They could not be installed; only that walk needs them." >&2
}

if qt_starts; then
    prepare_x
    exit 0
fi
if [ "$(uname -s)" != Linux ]; then
    echo "Qt does not start offscreen:" >&2
    echo "$qt_error" >&2
    exit 1
fi
if can_install; then
    echo "Installing the system libraries that offscreen Qt needs: ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq </dev/null || true
    # Where this fails, the message below says what to do.
    apt-get install -y -qq --no-install-recommends "${packages[@]}" </dev/null || true
    if qt_starts; then
        prepare_x
        exit 0
    fi
fi
echo "Qt does not start offscreen:" >&2
echo "$qt_error" >&2
echo "It needs these system libraries (names as on Debian and Ubuntu): ${packages[*]}" >&2
echo "Install them, for example: sudo apt-get install ${packages[*]}; then run make test again." >&2
exit 1
