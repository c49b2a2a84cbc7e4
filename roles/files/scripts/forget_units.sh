#!/bin/sh
# Has systemd forget units that have failed, and whose files are gone.
# Arguments: their names.

# It exits with 1 where one of them had not failed.
systemctl reset-failed "$@" 2>/dev/null || :
