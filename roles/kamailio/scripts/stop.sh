#!/bin/sh
# Stops a unit for good, if it is there.
# Arguments: its name.

systemctl disable --now --quiet "$1" 2>/dev/null || :
