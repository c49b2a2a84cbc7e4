#!/bin/sh
# Makes a repository of packages that came as a tar.
# Arguments: its folder; the tar.
set -e
folder=$1 tar=$2

rm -rf "$folder.new"
mkdir -m 755 "$folder.new"
tar -xf "$tar" -C "$folder.new"
rm -rf "$folder"
mv "$folder.new" "$folder"
rm -f "$tar"
