#!/bin/sh
# Writes a partition table.
# Arguments: the disk; the table, as sfdisk reads it.

sfdisk -q "$1" <"$2"
