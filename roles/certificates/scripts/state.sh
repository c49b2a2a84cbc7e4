#!/bin/sh
# Tells of the certificate that is served, and of its renewal.
# Arguments: the link of what was given; the certificate; the unit that asks, without its kind.
current=$1 certificate=$2 unit=$3

[ -e "$current/applied" ] && readlink "$current" | sed 's/^/name /'
openssl x509 -noout -startdate -enddate -dateopt iso_8601 -in "$certificate" 2>/dev/null
systemctl is-active --quiet "$unit.timer" &&
    systemctl is-enabled --quiet "$unit.timer" 2>/dev/null && echo timer
systemctl is-failed --quiet "$unit.service" && echo failed
true
