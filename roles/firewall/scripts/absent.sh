#!/bin/sh
# Removes our table, its files and its unit.
# Arguments: the file of rules; the unit's name; our table; the file of the table's digest.
rules=$1 unit=$2 table=$3 loaded=$4

systemctl disable --no-reload --quiet --now "$unit" 2>/dev/null
nft delete table inet "$table" 2>/dev/null
rm -f "$rules" "/etc/systemd/system/$unit" "$loaded"
systemctl daemon-reload
systemctl reset-failed "$unit" 2>/dev/null || :
