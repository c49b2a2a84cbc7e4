#!/bin/sh
# Removes users that are not described any more, and gives the web server the key of a certificate
# that came when nobody served.
# Arguments: the description; that key; where the web server reads it; its user; further users.
set -e
description=$1 key=$2 own=$3 user=$4
shift 3

for one in "$@"; do
    grep -qs "^u $one " "$description" || userdel "$one" 2>/dev/null || :
done
if [ -e "$key" ] && getent group "$user" >/dev/null; then
    install -m 640 -g "$user" "$key" "$own"
fi
