#!/bin/sh
# Removes what was given, and who asked for it.
# Arguments: its unit, without its kind; its user; the folders of what was given.
set -e
unit=$1 user=$2
shift 2

rm -rf "$@" "/var/lib/systemd/timers/stamp-$unit.timer"
userdel "$user" 2>/dev/null || :
