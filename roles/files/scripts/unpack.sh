#!/bin/sh
# Unpacks what comes over standard input into a folder of root's alone, and runs its script `apply`
# with that folder and the arguments.
umask 077
folder=$(mktemp -d) || exit
trap 'rm -rf "$folder"' EXIT
base64 -d | tar -xz -C "$folder" && sh "$folder/apply" "$folder" "$@"
