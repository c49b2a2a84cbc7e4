#!/bin/sh
# Starts Kamailio anew. The old process serves on unless the new configuration can be read.
# Arguments: its unit; its configuration.
unit=$1 config=$2

state=$(systemctl is-enabled "$unit" 2>/dev/null)
case $state in
    masked*) systemctl unmask --runtime --quiet "$unit" ;;
esac
if ! said=$(kamailio -c -f "$config" 2>&1); then
    printf '%s\n' "$said" | tail -n 20 >&2
    exit 1
fi
# Its script of System V's would have systemd read all units twice.
export SYSTEMCTL_SKIP_SYSV=1
if ! { [ "$state" = enabled ] || systemctl enable --no-reload --quiet "$unit"; } ||
    ! systemctl restart "$unit"; then
    journalctl -u "$unit" -n 20 --no-pager >&2
    exit 1
fi
