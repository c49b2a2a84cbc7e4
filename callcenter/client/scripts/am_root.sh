#!/bin/sh
# Refuses a login that is not root's.

if [ "$(id -u)" != 0 ]; then
    echo "who logs in must be root there" >&2
    exit 1
fi
