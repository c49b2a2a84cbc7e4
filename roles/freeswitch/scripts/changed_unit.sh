#!/bin/sh
# Marks that what runs was started by another unit.
# Arguments: the unit; the mark.
set -e
unit=$1 mark=$2

! systemctl is-active --quiet "$unit" || touch "$mark"
