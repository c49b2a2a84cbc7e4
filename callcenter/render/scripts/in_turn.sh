#!/bin/sh
# Runs its arguments, each a command, until one fails.
set -e
for command in "$@"; do
    sh -c "$command"
done
