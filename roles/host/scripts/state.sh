#!/bin/sh
# Tells all that preflight and packages need to know of a host. Changes nothing.
# Arguments: FreeSWITCH's unit; the link of the release that it reads; Kamailio's configuration; the
# last answer of a STUN server.
unit=$1 current=$2 kamailio=$3 stun_answer=$4

echo "time $(date +%s.%N)"
# shellcheck source=/dev/null
. /etc/os-release
echo "os $ID ${VERSION_CODENAME:-unknown}"
echo "root $(id -u)"
[ -d /run/systemd/system ] && echo systemd
[ -e "$kamailio" ] && echo edge
chrt -r 1 true 2>/dev/null && echo realtime
ip -o addr show 2>/dev/null | sed -n 's/.* inet6\{0,1\} \([^/ ]*\).*/address \1/p'
ss -Hlntup 2>/dev/null | sed 's/^/listen /'
echo "ssh ${SSH_CONNECTION:-}"

# Each FreeSWITCH process, whichever name it was started by.
for process in /proc/[0-9]*; do
    read -r name 2>/dev/null <"$process/comm" || continue
    [ "$name" = freeswitch ] || continue
    # One that has ended, and whose parent has not asked how, has no executable.
    program=$(readlink "$process/exe") || continue
    [ -n "$program" ] || continue
    own=no
    grep -qs "/$unit\$" "$process/cgroup" && own=yes
    described=no
    [ -e "$current" ] && described=yes
    echo "freeswitch $own $described $program"
done

# Each packet filter that works now, or will after the next boot.
if grep -qsi '^ENABLED=yes' /etc/ufw/ufw.conf ||
    iptables -w -n -L ufw-user-input >/dev/null 2>&1; then
    echo 'filter ufw'
fi
if { systemctl is-active --quiet firewalld || systemctl is-enabled --quiet firewalld; } \
    2>/dev/null; then
    echo 'filter firewalld'
fi

echo "architecture $(dpkg --print-architecture 2>/dev/null)"
df -Pm /var | awk 'NR==2 {print "free " $4}'
dpkg-query -W -f 'package ${db:Status-Abbrev}|${Package}|${Version}\n' 2>/dev/null
sed 's/^/public /' "$stun_answer" 2>/dev/null
true
