#!/bin/sh
# Tells which files the records of groups name, and of these and further ones what is there.
# Arguments: the folder of records; their names, with blanks between, or * for all; names of files,
# a line each, by gzip and in Base64.
managed=$1 names=$2 files=$3

records() {
    # shellcheck disable=SC2086  # words, and * is what the folder has
    (cd "$managed" && cat -- $names) 2>/dev/null
}

# A record of what was begun has further lines, which say so.
records | sed 's|^/|managed /|'
names=$({
    records
    printf '%s' "$files" | base64 -d | gzip -dc
} | sort -u)

# Those that are not there are told of by nobody.
each() { printf '%s\n' "$names" | xargs -r -d '\n' "$@" 2>/dev/null; }

{
    each stat -c '%a %n'
    each sha256sum
} | awk '
    length($1) < 64 { mode = $1; sub(/^[0-7]+ /, ""); modes[$0] = mode; next }
    substr($0, 67) in modes { print "file " modes[substr($0, 67)] " " $0 }
'
true
