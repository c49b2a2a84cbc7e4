#!/bin/sh
# Ends units, whose files are to go, for good.
# Arguments: their names.

# While systemd still knows what they are: a timer's name would stay in its list otherwise.
systemctl stop "$@" 2>/dev/null || :
for unit; do
    case $unit in
    *@*) ;;
    *) systemctl disable --no-reload --quiet "$unit" 2>/dev/null || : ;;
    esac
done
