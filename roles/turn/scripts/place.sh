#!/bin/sh
# Has the certificate that an authority gave before there was TURN placed for it. None is asked for.
# Arguments: TURN's unit; the certificate; its key for TURN; the unit that places them.
turn=$1 certificate=$2 key=$3 unit=$4

if [ -e "$turn" ] && [ -e "$certificate" ] && [ ! -e "$key" ]; then
    systemctl start "$unit"
fi
