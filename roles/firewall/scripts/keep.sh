#!/bin/sh
# Keeps the new rules: they are written to disk, and the timer that would undo them is stopped.
# Arguments: the folder of what goes on; the timer's name; the file of rules; the unit's name; our
# table; the file of the table's digest.
set -eu
work=$1 undo=$2 rules=$3 unit=$4 table=$5 loaded=$6

if ! systemctl is-active --quiet "$undo.timer"; then
    echo "the new login came too late: the former rules are back" >&2
    exit 1
fi
systemctl stop "$undo.timer"
umask 022
mkdir -p "$(dirname "$rules")" "$(dirname "$loaded")"
for file in "$rules" "/etc/systemd/system/$unit"; do
    cmp -s "$work/files$file" "$file" || {
        install -m 644 "$work/files$file" "$file.new"
        mv "$file.new" "$file"
    }
done
nft -s -t list table inet "$table" | sha256sum >"$loaded"
[ "$(systemctl show --property NeedDaemonReload --value "$unit")" = no ] || systemctl daemon-reload
systemctl enable --no-reload --quiet "$unit"
systemctl start "$unit"
rm -rf "$work"
