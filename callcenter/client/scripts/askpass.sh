#!/bin/sh
# Tells ssh what it asks for, and nothing else: each secret only where it is for that.
# Argument: ssh's question.

case $1 in
"$CALLCENTER_SSH_USER@$CALLCENTER_SSH_HOST's password: " | \
    "($CALLCENTER_SSH_USER@$CALLCENTER_SSH_HOST) "*)
    [ -n "$CALLCENTER_SSH_PASSWORD" ] && printf '%s\n' "$CALLCENTER_SSH_PASSWORD"
    ;;
"Enter passphrase for key '$CALLCENTER_SSH_KEY': ")
    [ -n "$CALLCENTER_SSH_KEY_PASSWORD" ] && printf '%s\n' "$CALLCENTER_SSH_KEY_PASSWORD"
    ;;
*) exit 1 ;;
esac
