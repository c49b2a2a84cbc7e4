#!/bin/sh
# Makes a group's files those that are described. What is to be done is in `steps` beside it.
# Arguments: the folder in which that is; where the group is recorded; the end of the name of the
# record of what was begun.
set -eu
d=$1 record=$2 begun=$2$3

# Puts a file in place. mv within a folder is atomic: a reader sees the old file or the new one.
# Arguments: its path; its mode; its group.
put() {
    [ -d "${1%/*}" ] || (umask 022 && mkdir -p "${1%/*}")
    install -m "$2" -o root -g "$3" "$d/files$1" "$1.new"
    mv "$1.new" "$1"
}

(umask 022 && mkdir -p "$(dirname "$record")")
# A run that dies leaves it to the next, which finds the files themselves as they are wanted.
cp "$d/begun" "$begun.new"
mv "$begun.new" "$begun"
# shellcheck source=/dev/null
. "$d/steps"
cp "$d/managed" "$record"
rm -f "$begun"
