#!/bin/sh
# Runs a command where a file is there.
# Arguments: the file; the command and its arguments.
file=$1
shift
[ ! -e "$file" ] || exec "$@"
