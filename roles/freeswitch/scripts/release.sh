#!/bin/sh
# Has a release that came applied.
# Arguments: the folder of it; the program that applies it.

exec "$2" apply "$1"
