#!/bin/sh
# Gets a certificate, or says why there is none.
# Arguments: the unit that asks, without its kind.
unit=$1

since=$(date +%s)
if ! systemctl start "$unit.service"; then
    journalctl -u "$unit" "--since=@$since" -o cat --no-pager >&2
    exit 1
fi
