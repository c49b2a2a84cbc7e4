#!/bin/sh
# Removes a table of the packet filter, where it is there.
# Arguments: its name.

nft delete table inet "$1" 2>/dev/null || :
