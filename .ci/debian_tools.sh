#!/usr/bin/env bash
# Usage: debian_tools.sh PROGRAM=PACKAGE ...
# Makes sure that programs are there. On Debian or Ubuntu, as root, the packages of missing ones are
# installed; elsewhere they are named.
set -euo pipefail

programs=() packages=()
for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null 2>&1 && continue
    programs+=("${pair%%=*}")
    packages+=("${pair##*=}")
done
[ "${#programs[@]}" -gt 0 ] || exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq </dev/null
    apt-get install -y -qq --no-install-recommends "${packages[@]}" </dev/null >/dev/null
    exit 0
fi
echo "Missing: ${programs[*]}. On Debian or Ubuntu: sudo apt-get install ${packages[*]}" >&2
exit 1
