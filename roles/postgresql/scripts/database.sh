#!/bin/sh
# Makes PostgreSQL run and hold a database of a system user's, who needs no password.
# Arguments: the database; its owner.
set -e
database=$1 owner=$2

# Asks with what comes over standard input: a variable of psql's is quoted there, and is not in -c.
ask() { runuser -u postgres -- psql -qAt -v ON_ERROR_STOP=1 -v name="$1" -v owner="$owner"; }

# Its script of System V's would have systemd read all units twice.
SYSTEMCTL_SKIP_SYSV=1 systemctl enable --no-reload --quiet --now postgresql
cd /
# Its unit is a shell around the cluster's own, which may still be at it.
for _ in $(seq 30); do
    runuser -u postgres -- pg_isready -q && break
    sleep 1
done
[ "$(echo "SELECT 1 FROM pg_roles WHERE rolname = :'name'" | ask "$owner")" = 1 ] ||
    echo 'CREATE ROLE :"name" LOGIN' | ask "$owner"
[ "$(echo "SELECT 1 FROM pg_database WHERE datname = :'name'" | ask "$database")" = 1 ] ||
    echo 'CREATE DATABASE :"name" OWNER :"owner"' | ask "$database"
