#!/bin/sh
# Puts crossl-app into this user's menu and on this user's path, or takes it out again with --remove.
# The folder stays where it is; nothing needs administrator rights.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
data=${XDG_DATA_HOME:-$HOME/.local/share}
command=$HOME/.local/bin/crossl-app
entry=$data/applications/crossl-app.desktop

tell_desktop() {
    # Where these are not installed, the desktop looks by itself at the next login.
    if command -v update-desktop-database >/dev/null; then
        update-desktop-database "$data/applications"
    fi
    if command -v update-mime-database >/dev/null; then update-mime-database "$data/mime"; fi
}

if [ "${1:-}" = --remove ]; then
    rm -f "$entry" "$data/mime/packages/crossl-app.xml"
    (cd "$here/share/icons" && find . -type f) | while read -r icon; do
        rm -f "$data/icons/$icon"
    done
    if [ "$(readlink "$command" || true)" = "$here/crossl-app" ]; then rm "$command"; fi
    tell_desktop
    echo "crossl-app is out of the menu; its folder and your studies are untouched."
    exit 0
fi

mkdir -p "$data/applications" "$data/icons" "$data/mime/packages" "$(dirname "$command")"
# In an Exec line these signs have a meaning inside quotes.
quoted=$(printf '%s' "$here/crossl-app" | sed 's/[\\"`$]/\\\\&/g; s/%/%%/g; s/[&|]/\\&/g')
sed "s|^Exec=crossl-app |Exec=\"$quoted\" |" "$here/share/applications/crossl-app.desktop" > "$entry"
cp -R "$here/share/icons/." "$data/icons/"
cp "$here/share/mime/packages/crossl-app.xml" "$data/mime/packages/"
ln -sf "$here/crossl-app" "$command"
tell_desktop
echo "crossl-app is in the menu, and as a command in $(dirname "$command")."
