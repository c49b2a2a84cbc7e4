#!/bin/sh
# Starts a host again as often as it reboots, which nspawn leaves to its service manager.
# Arguments: the command that starts it.

"$@"
while [ $? = 133 ]; do
    "$@"
done
