#!/bin/sh
# Removes users whose description has gone, or gives the web server the key of a certificate that
# came when nobody served.
# Arguments: the description; that key; where the web server reads it; its user; further users.
set -e
description=$1 key=$2 own=$3 user=$4
shift 3

if [ ! -e "$description" ]; then
    for one in "$@"; do
        userdel "$one" 2>/dev/null || :
    done
elif [ -e "$key" ]; then
    install -m 640 -g "$user" "$key" "$own"
fi
