#!/usr/bin/env bash
# Usage: create_venv.sh PYTHON FOLDER
# Makes a virtual environment with pip in FOLDER, or says in words why that cannot be done here.
set -euo pipefail

python=$1
folder=$2

if ! command -v "$python" >/dev/null 2>&1; then
    echo "No '$python' found. Install Python 3.11 or newer, or name one: make demo PYTHON=/path/to/python3" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "crossl-app needs Python 3.11 or newer, '$python' is $("$python" -V 2>&1)." >&2
    echo "Name a newer one: make demo PYTHON=python3.12" >&2
    exit 1
fi

# Debian and Ubuntu ship Python without the part that puts pip into a virtual environment.
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        echo "Installing $package, which virtual environments need"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq </dev/null || true
        apt-get install -y -qq --no-install-recommends "$package" </dev/null || true
    fi
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        echo "'$python' cannot make virtual environments: its modules venv and ensurepip are missing." >&2
        echo "On Debian or Ubuntu: sudo apt-get install $package; then run make again." >&2
        exit 1
    fi
fi

if [ -x "$folder/bin/python" ] && "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi
echo "Making the virtual environment $folder with $("$python" -V 2>&1)"
"$python" -m venv --clear "$folder"
