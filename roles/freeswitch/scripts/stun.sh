#!/bin/sh
# Learns the public address after it was described anew how. The last answer does where none comes.
# Arguments: the program that asks; where it keeps the answer; whom it asks, and from where.
set -e
tool=$1 kept=$2
shift 2

"$tool" "$@" --soon --keep "$kept" || [ -e "$kept" ]
