#!/bin/sh
# Follows the logs of services, and a file where it is there.
# Arguments: what is said where the host has none of them; lines of the past; the file; the units.
refusal=$1 lines=$2 file=$3
shift 3

# The terminal is there so that all ends with it; its line ends are for terminals.
stty -onlcr
if ! systemctl list-unit-files -q "$@" >/dev/null; then
    echo "$refusal" >&2
    exit 1
fi
if [ -e "$file" ]; then
    tail --lines="$lines" --follow=name --retry "$file" &
fi
for unit in "$@"; do
    shift
    set -- "$@" --unit="$unit"
done
exec journalctl --no-pager --follow --lines="$lines" --output=short-precise "$@"
