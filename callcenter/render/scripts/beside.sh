#!/bin/sh
# Tells what a host's files depend on.
# Arguments: the mark of a PostgreSQL that a deploy has installed.
postgres_ours=$1

# shellcheck source=/dev/null
. /etc/os-release
echo "codename ${VERSION_CODENAME:-}"
chrt -r 1 true 2>/dev/null && echo realtime
echo "sshd ${SSH_CONNECTION##* }"
ss -Hlntp 2>/dev/null | sed -n 's/^[^:]*:\([0-9]*\) .*(("sshd",.*/sshd \1/p'
ss -Hlntp 2>/dev/null | sed -n 's/^.*\]:\([0-9]*\) .*(("sshd",.*/sshd \1/p'
[ -e "$postgres_ours" ] ||
    dpkg-query -W -f 'postgres ${db:Status-Abbrev}\n' postgresql 2>/dev/null
true
