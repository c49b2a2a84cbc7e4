#!/bin/sh
# Runs a command that installs packages, with the lists of what their sources have. A deploy that has
# read them within ten minutes does not read them again, which takes apt seconds: of its own packages,
# where these changed, it reads the list alone.
# Arguments: the mark of when they were read; the folder of a deploy's own packages; the file of their
# source; the command and its arguments.
set -e
mark=$1 own=$2 source=$3
shift 3

# Tells whether something there came after the lists.
newer() { [ -n "$(find "$@" 2>/dev/null | head -n 1)" ]; }

lists() { DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" update; }

own_mark=$mark
[ ! -e "$mark.own" ] || own_mark=$mark.own
# Sources, keys and settings may lead to other lists.
if [ -z "$(find "$mark" -mmin -10 2>/dev/null)" ] || newer /etc/apt -cnewer "$mark"; then
    rm -f "$mark" "$mark.own"
    : >"$mark.new"
    lists
    mv "$mark.new" "$mark"
elif newer "$own" -cnewer "$own_mark"; then
    : >"$mark.new"
    lists -o Dir::Etc::sourcelist="$source" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0
    mv "$mark.new" "$mark.own"
fi
# It may have failed since the lists are old: the next deploy reads them anew.
"$@" || {
    code=$?
    rm -f "$mark"
    exit "$code"
}
