#!/bin/sh
# Asks a STUN server by the program that has come.
# Arguments: the folder of it; whom it asks, and from where.
d=$1
shift

said=$(timeout 20 python3 -I "$d/ask" "$@" --soon 2>&1) && exit
echo "stun: ${said:-its name cannot be looked up within 20 s};" \
    "name a STUN server that answers this host, or give public_ip" >&2
exit 1
