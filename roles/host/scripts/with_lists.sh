#!/bin/sh
# Runs a command that installs packages, with the lists of what their sources have. These are as old
# as a few minutes where a deploy has read them of the same sources: to read them takes apt seconds.
# Arguments: the mark of when they were read; the folder of a deploy's own packages; the command and
# its arguments.
set -e
mark=$1 own=$2
shift 2

# Where something does not hold, they are read: sources, and what apt is told, are the same.
if [ -z "$(find "$mark" -mmin -10 2>/dev/null)" ] ||
    [ -n "$(find /etc/apt "$own" -newer "$mark" 2>/dev/null | head -n 1)" ]; then
    rm -f "$mark"
    : >"$mark.new"
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 update
    mv "$mark.new" "$mark"
fi
# What fails may fail since they are old.
"$@" || {
    code=$?
    rm -f "$mark"
    exit "$code"
}
