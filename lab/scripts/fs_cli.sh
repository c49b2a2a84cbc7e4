#!/bin/sh
# Opens FreeSWITCH's console.
# Arguments: what is said where there is no FreeSWITCH; fs_cli's own.
refusal=$1
shift

if ! command -v fs_cli >/dev/null; then
    echo "$refusal" >&2
    exit 1
fi
exec fs_cli "$@"
