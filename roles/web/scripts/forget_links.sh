#!/bin/sh
# Forgets which links were used, where none are given any more.
# Arguments: the unit that gives them; the folder of what it has written down; that of its files.
set -e
unit=$1 state=$2 files=$3

[ ! -e "$unit" ] || exit 0
rm -rf "$state"
rmdir "$files" 2>/dev/null || :
