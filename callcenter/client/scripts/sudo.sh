#!/bin/sh
# Runs a command of sudo's that asks for the password, which is the first line of the standard
# input; what follows there is the command's own.
# Argument: the command.

IFS= read -r CALLCENTER_SUDO_PASSWORD || exit 1
export CALLCENTER_SUDO_PASSWORD
SUDO_ASKPASS=$(mktemp "${TMPDIR:-/tmp}/callcenter-askpass-XXXXXXXXXX") || exit 1
export SUDO_ASKPASS
trap 'rm -f "$SUDO_ASKPASS"' EXIT
trap 'exit 1' HUP INT TERM
# shellcheck disable=SC2016  # what it writes reads the variable
printf '#!/bin/sh\nprintf "%%s\\n" "$CALLCENTER_SUDO_PASSWORD"\n' >"$SUDO_ASKPASS"
chmod 700 "$SUDO_ASKPASS"
eval "$1"
