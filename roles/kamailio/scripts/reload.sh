#!/bin/sh
# Has Kamailio read files anew.
# Arguments: its commands for that, each with blanks between its words.
set -e

for command in "$@"; do
    # shellcheck disable=SC2086  # its words
    kamcmd $command >/dev/null
done
