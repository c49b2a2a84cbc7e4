#!/bin/sh
# Ends what asks for certificates, and removes what was given.
# Arguments: its unit, without its kind; its user; the folders of what was given.
set -e
unit=$1 user=$2
shift 2

systemctl stop "$unit.timer" "$unit.service" 2>/dev/null || :
rm -f "/etc/systemd/system/timers.target.wants/$unit.timer"
systemctl daemon-reload
rm -rf "$@" "/var/lib/systemd/timers/stamp-$unit.timer"
userdel "$user" 2>/dev/null || :
