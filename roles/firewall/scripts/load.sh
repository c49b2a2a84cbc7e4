#!/bin/sh
# Loads new rules beside a timer that loads the former ones again.
# Arguments: the folder that came; that of what goes on; the timer's name; its seconds; the file of
# rules; our table.
set -eu
d=$1 work=$2 undo=$3 seconds=$4 rules=$5 table=$6

command -v nft >/dev/null ||
    DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o DPkg::Lock::Timeout=300 install \
        --no-install-recommends nftables
new="$d/files$rules"
nft -c -f "$new"
# A run that was cut short has left rules which nobody confirmed: they are not what to go back to.
if systemctl is-active --quiet "$undo.timer" && [ -e "$work/before.nft" ]; then
    nft -f "$work/before.nft"
fi
systemctl stop "$undo.timer" 2>/dev/null || true
rm -rf "$work"
mkdir -m 700 "$work"
printf 'table inet %s\ndelete table inet %s\n' "$table" "$table" >"$work/before.nft"
nft -s -t list table inet "$table" >>"$work/before.nft" 2>/dev/null || true
cp -a "$d/files/." "$work/files"
systemd-run --quiet --collect --on-active="$seconds" --timer-property=AccuracySec=1s \
    --unit="$undo" nft -f "$work/before.nft"
nft -f "$new"
