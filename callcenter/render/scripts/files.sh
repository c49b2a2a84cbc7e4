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
{
    records
    printf '%s' "$files" | base64 -d | gzip -dc
} | sort -u | while read -r file; do
    if [ -n "$file" ] && [ -e "$file" ]; then
        printf 'file %s %s\n' "$(stat -c %a "$file")" "$(sha256sum "$file")"
    fi
done
true
