#!/usr/bin/env bash
# Makes sure that the tools are there that pack the binary on Linux: dpkg-deb, objdump, strip and xz.
# On Debian or Ubuntu, as root, they are installed; elsewhere they are named.
set -euo pipefail

missing=()
for program in dpkg-deb objdump strip xz; do
    command -v "$program" >/dev/null 2>&1 || missing+=("$program")
done
[ "${#missing[@]}" -gt 0 ] || exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq </dev/null
    apt-get install -y -qq --no-install-recommends dpkg binutils xz-utils </dev/null >/dev/null
    exit 0
fi
echo "Missing: ${missing[*]}. On Debian or Ubuntu: sudo apt-get install dpkg binutils xz-utils" >&2
exit 1
