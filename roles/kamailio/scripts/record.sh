#!/bin/sh
# Records which files Kamailio has read.
# Arguments: the record; the files.
record=$1
shift

sha256sum "$@" >"$record"
