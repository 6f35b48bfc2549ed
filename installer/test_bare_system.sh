#!/usr/bin/env bash
# `make test-installer`: is the .deb all that a bare Debian needs?
#
#   sudo bash installer/test_bare_system.sh dist/crossl-app_*.deb build/demo/report.json OUT
#
# Makes a minimal Debian root (no Python, no Qt), installs the package there and uses it as a user
# without rights would, cut off from every network: doctor, self-test, batch mode on the sample study
# (whose figures must equal those of the source install's report), the window on an X server that runs
# outside. Afterwards it looks for what was left behind. Pictures and logs go to OUT.
#
# Needs debootstrap, unshare, Xvfb, xdotool and ImageMagick's import; `make` installs them.
#
#   SUITE=bookworm   the release;  MIRROR=…   where its packages are, else as on this machine
#   BATCH_SETTINGS="--set pretrain.epochs=2"   for a quick look; SOURCE.json has to be made with the same
#   ROOT_FOLDER=…    where the root is made; it is kept there, and removed by the next run
set -euo pipefail

deb=$(realpath "$1")
[ -f "$deb" ] || { echo "$1 is not there: 'make installer' makes it." >&2; exit 1; }
source_report=$(realpath -m "$2")
mkdir -p "$3"
out=$(realpath "$3")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(dirname "$here")
suite=${SUITE:-bookworm}
root=${ROOT_FOLDER:-$repository/build/bare-$suite}
mirror=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' "Codename: $suite" | sort -u | head -1)}
[ -n "$mirror" ] || { echo "This system knows no packages of $suite: name a MIRROR." >&2; exit 1; }
python=${PYTHON:-$repository/.venv/bin/python}

[ "$(id -u)" = 0 ] || { echo "A root of its own can only be made by root." >&2; exit 1; }

say() { printf '\n== %s\n' "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

# ------------------------------------------------------------------ the bare root
clean_up() {
    local status=$?
    [ -z "${batch:-}" ] || kill "$batch" 2>/dev/null || true
    [ -z "${window:-}" ] || kill "$window" 2>/dev/null || true
    [ -z "${server:-}" ] || kill "$server" 2>/dev/null || true
    for place in tmp/.X11-unix proc dev/shm dev; do
        mountpoint -q "$root/$place" && umount -l "$root/$place"
    done
    exit "$status"
}
trap clean_up EXIT

say "A minimal $suite"
for place in tmp/.X11-unix proc dev/shm dev; do
    if mountpoint -q "$root/$place"; then umount -l "$root/$place"; fi
done
rm -rf "$root"
mkdir -p "$root"
debootstrap --variant=minbase "$suite" "$root" "$mirror" > "$out/debootstrap.log" 2>&1 ||
    { tail -3 "$out/debootstrap.log"; fail "no bare root could be made"; }
if [ -e "$root/usr/bin/python3" ]; then fail "the bare root has a Python"; fi
mount --bind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t proc proc "$root/proc"
cp /etc/resolv.conf "$root/etc/resolv.conf"

say "Installing $(basename "$deb")"
cp "$deb" "$root/crossl-app.deb"
chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
    apt-get install -y --no-install-recommends /crossl-app.deb > "$out/install.log" 2>&1 ||
    { tail -20 "$out/install.log"; fail "apt-get could not install the package"; }
rm "$root/crossl-app.deb"
for name in python3 qmake6 libQt6Core.so.6; do
    if find "$root/usr" -name "$name" | grep -q .; then fail "$name came along"; fi
done
chroot "$root" useradd --create-home --shell /bin/sh tester
touch "$out/installed"
sleep 1  # files of the same second would count as older

# Without any network, as a user without rights.
as_user() {
    unshare --net chroot --userspec=tester "$root" env -i HOME=/home/tester USER=tester \
        PATH=/usr/bin:/bin LC_ALL=C.UTF-8 "$@"
}

# ------------------------------------------------------------------ from a terminal
say "crossl-app --version"
as_user crossl-app --version
say "crossl-app --doctor"
as_user crossl-app --doctor
as_user crossl-app --doctor --json > "$out/doctor.json"
say "crossl-app --selftest"
as_user crossl-app --selftest

say "crossl-app --batch on the sample study"
began=$(date +%s.%N)
as_user sh -c 'cd && crossl-app --batch \
    /opt/crossl-app/_internal/resources/sample_study/run.json --output results '"${BATCH_SETTINGS:-}" \
    > "$out/batch.log" 2>&1 &
batch=$!
until grep -q "pretraining: " "$out/batch.log" || ! kill -0 "$batch" 2>/dev/null; do sleep 0.1; done
echo "$began $(date +%s.%N)" | awk '{printf "The first training step was done after %.1f s,\n", $2 - $1}'
wait "$batch" || { tail -20 "$out/batch.log"; fail "batch mode failed"; }
batch=
echo "$began $(date +%s.%N)" | awk '{printf "all of it after %.0f s\n", $2 - $1}'
cp "$root/home/tester/results/report.json" "$out/report.json"
"$python" -P "$here/compare_reports.py" "$source_report" "$out/report.json"

# ------------------------------------------------------------------ the window
say "The window"
display=:77
Xvfb "$display" -screen 0 1600x1000x24 -nolisten tcp -noreset > "$out/xvfb.log" 2>&1 &
server=$!
for _ in $(seq 100); do
    [ ! -S "/tmp/.X11-unix/X${display#:}" ] || break
    sleep 0.1
done
mkdir -p "$root/tmp/.X11-unix"
mount --bind /tmp/.X11-unix "$root/tmp/.X11-unix"

export DISPLAY=$display
as_user DISPLAY="$display" crossl-app > "$out/window.log" 2>&1 &
window=$!
began=$(date +%s.%N)
id=$(timeout 60 xdotool search --sync --onlyvisible --name crossl-app | head -1)
[ -n "$id" ] || { cat "$out/window.log"; fail "no window within a minute"; }
echo "$began $(date +%s.%N)" | awk '{printf "The window showed after %.1f s\n", $2 - $1}'
# Without a window manager nobody else gives it the keys.
xdotool windowfocus "$id"
import -window root "$out/window-welcome.png"
sleep 2
# The welcome page's button 'Sample study'.
xdotool mousemove --window "$id" 400 282 click 1
study="$root/home/tester/Documents"
for _ in $(seq 240); do
    if find "$study" "$root/home/tester" -name study.sqlite 2>/dev/null | grep -q .; then break; fi
    sleep 0.25
done
find "$root/home/tester" -name study.sqlite | grep -q . || {
    import -window root "$out/window-failed.png"
    fail "the sample study was not made; see window-failed.png"
}
sleep 8  # until the first recording is drawn
import -window root "$out/window-study.png"
xdotool key ctrl+q
for _ in $(seq 100); do
    kill -0 "$window" 2>/dev/null || break
    sleep 0.1
done
if kill -0 "$window" 2>/dev/null; then fail "the window did not close"; fi
status=0
wait "$window" || status=$?
window=
[ "$status" = 0 ] || { cat "$out/window.log"; fail "the window ended with status $status"; }
kill "$server"
server=
umount -l "$root/tmp/.X11-unix"
rmdir "$root/tmp/.X11-unix"

# ------------------------------------------------------------------ what was left behind
say "Left behind"
for process in /proc/[0-9]*; do
    if [ "$(readlink "$process/root" 2>/dev/null || true)" = "$root" ]; then
        fail "a process is left: $(tr '\0' ' ' < "$process/cmdline")"
    fi
done
strange=$(find "$root" -xdev -newer "$out/installed" -not -type d \
    -not -path "$root/home/tester/*" -not -path "$root/dev/*" -not -path "$root/proc/*")
[ -z "$strange" ] || fail "files outside the user's folders: $strange"
crashes=$(find "$root/home/tester/.local/state/crossl-app" -name 'crash*' 2>/dev/null || true)
[ -z "$crashes" ] || fail "a crash was noted: $crashes"
(cd "$root/home/tester" && find . -maxdepth 4 -newer "$out/installed" | sort) | head -60

say "Removing the package"
chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get purge -y crossl-app \
    > "$out/purge.log" 2>&1 || fail "apt-get could not remove the package"
if [ -e "$root/opt/crossl-app" ]; then fail "/opt/crossl-app is still there"; fi
find "$root/home/tester" -name study.sqlite | grep -q . || fail "the user's study is gone"

say "All well on a bare $suite, $(date +%F). Pictures and logs: $out"
