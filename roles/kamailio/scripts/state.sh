#!/bin/sh
# Tells of Kamailio's service, and of the files that it runs with.
# Arguments: its unit; the record of those files.
unit=$1 applied=$2

systemctl is-active --quiet "$unit" && echo running
systemctl is-enabled --quiet "$unit" 2>/dev/null && echo enabled
sed 's/^/file /' "$applied" 2>/dev/null
true
