#!/bin/sh
# Runs a command that installs packages, with the lists of what their sources have. A deploy that has
# read them within ten minutes does not read them again, which takes apt seconds.
# Arguments: the mark of when they were read; the folder of a deploy's own packages; the command and
# its arguments.
set -e
mark=$1 own=$2
shift 2

# Sources, keys and settings that came after the lists may lead to other lists.
if [ -z "$(find "$mark" -mmin -10 2>/dev/null)" ] ||
    [ -n "$(find /etc/apt "$own" -cnewer "$mark" 2>/dev/null | head -n 1)" ]; then
    rm -f "$mark"
    : >"$mark.new"
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 update
    mv "$mark.new" "$mark"
fi
# It may have failed since the lists are old: the next deploy reads them anew.
"$@" || {
    code=$?
    rm -f "$mark"
    exit "$code"
}
