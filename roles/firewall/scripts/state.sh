#!/bin/sh
# Tells of the packet filter: its files, the rules of services on disk, what the kernel has.
# Arguments: the file of rules; the unit's name; our table; the file of the digest of the table when
# it was last confirmed.
rules=$1 unit=$2 table=$3 loaded=$4

sha256sum "$rules" "/etc/systemd/system/$unit" 2>/dev/null | sed 's/^/file /'
# Comments begin so where a rule is for what FreeSWITCH or Kamailio serves.
sed -n 's/^\s*\(.* comment "\(sip\|rtp\|trunk\)\b.*\)/service \1/p' "$rules" 2>/dev/null
# Terse: what the meters hold at a moment is nobody's difference.
if now=$(nft -s -t list table inet "$table" 2>/dev/null); then
    echo present
    [ "$(printf '%s\n' "$now" | sha256sum)" = "$(cat "$loaded" 2>/dev/null)" ] && echo loaded
fi
systemctl is-enabled --quiet "$unit" 2>/dev/null && echo enabled
true
