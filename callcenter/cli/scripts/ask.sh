#!/bin/sh
# Runs commands, and prints a line after what each has said.
# Arguments: the line; the commands.
mark=$1
shift

for command in "$@"; do
    sh -c "$command" || exit 3
    printf '\n%s\n' "$mark"
done
