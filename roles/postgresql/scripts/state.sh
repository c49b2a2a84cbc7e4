#!/bin/sh
# Tells whether PostgreSQL comes up at boot and has a database that its owner can reach.
# Arguments: the database; its owner.
database=$1 owner=$2

systemctl is-enabled --quiet postgresql 2>/dev/null || exit 0
[ "$(runuser -u "$owner" -- psql -qAtc 'SELECT 1' "$database" 2>/dev/null)" = 1 ] && echo ready
true
