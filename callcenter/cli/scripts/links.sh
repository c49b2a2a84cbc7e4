#!/bin/sh
# Asks the program that gives links.
# Arguments: the program; its arguments.
tool=$1

if [ ! -e "$tool" ]; then
    echo 'it serves no links yet; deploy to it first' >&2
    exit 1
fi
exec python3 -I "$@"
