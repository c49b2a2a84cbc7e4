#!/bin/sh
# Tells which release FreeSWITCH has accepted, and whether it runs. Changes nothing.
# Arguments: its unit; the mark of a restart that is needed; the link of what it reads; the link of
# what it has accepted; files and folders of the release of which the texts are wanted, too.
unit=$1 restart_needed=$2 current=$3 applied=$4
shift 4

echo "unit $(systemctl is-active "$unit") $(systemctl is-enabled "$unit" 2>/dev/null)"
[ -e "$restart_needed" ] && echo restart
[ "$(readlink "$current")" = "$(readlink "$applied")" ] && echo settled
cd "$applied/" 2>/dev/null || exit 0
find . -type f -printf '%P\0' | xargs -0 -r sha256sum | sed 's/^/file /'
# An empty file has no first line.
find "$@" -type f -exec awk '
    FNR == 1 { print "text " FILENAME; told[FILENAME] = 1 }
    { print "| " $0 }
    END { for (n = 1; n < ARGC; n++) if (!(ARGV[n] in told)) print "text " ARGV[n] }
' {} + 2>/dev/null
true
