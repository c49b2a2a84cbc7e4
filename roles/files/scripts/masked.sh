#!/bin/sh
# Prints texts of files, the name of each after a byte 1, without their secrets.
# Arguments: sed's commands that take secrets out; names of files.
mask=$1
shift

for file in "$@"; do
    [ -r "$file" ] && printf '\001%s\n' "$file" && sed -E "$mask" "$file"
done
true
