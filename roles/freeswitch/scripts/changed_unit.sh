#!/bin/sh
# Has systemd read a changed unit, and marks that what runs was started by another.
# Arguments: the unit; the mark.
set -e
unit=$1 mark=$2

systemctl daemon-reload
! systemctl is-active --quiet "$unit" || touch "$mark"
