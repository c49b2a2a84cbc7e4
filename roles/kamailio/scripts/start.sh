#!/bin/sh
# Starts Kamailio anew. The old process serves on unless the new configuration can be read.
# Arguments: its unit; its configuration.
unit=$1 config=$2

systemctl unmask --runtime --quiet "$unit"
if ! said=$(kamailio -c -f "$config" 2>&1); then
    printf '%s\n' "$said" | tail -n 20 >&2
    exit 1
fi
if ! { systemctl enable --no-reload --quiet "$unit" && systemctl restart "$unit"; }; then
    journalctl -u "$unit" -n 20 --no-pager >&2
    exit 1
fi
