#!/bin/sh
# Asks a package source, by apt itself in a folder of its own.
# Arguments: the folder of apt's files; the address; the path of the key in them; the name of the
# file of sources; the key's address, or nothing; what is wrong where the login is refused; the
# version; names of packages.
set -u
d=$1 uri=$2 key=$3 sources=$4 key_url=$5 login=$6 version=$7
shift 7

cd "$d" || exit 1
key_name=${key##*/}
# The folder opens for apt's sandbox, the login does not: apt reads it before it gives up root.
chown root:root netrc && chmod 600 netrc && chmod 644 "$sources" && chmod 755 . || exit 1
mkdir -p lists/partial cache/archives/partial parts
chmod 755 lists cache cache/archives parts
chown _apt lists/partial cache/archives/partial 2>/dev/null
opts="-o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=$d/parts
 -o Dir::State::Lists=$d/lists -o Dir::Cache=$d/cache -o Dir::Etc::Netrc=$d/netrc
 -o Dir::Etc::NetrcParts=/dev/null -o Acquire::Retries=0 -o Acquire::http::Timeout=20
 -o Acquire::https::Timeout=20"
export LC_ALL=C
refuse() {
    echo "package source $uri: $*" >&2
    exit 1
}
part() { sed -n "s/.*\($1\).*/\1/p" log | head -n 1; }
judge() {
    case $(cat log) in
        *' 401  '*) refuse "$login" ;;
        *' 403  '*)
            refuse "the login may not read it (403 Forbidden); ask the repository's owner" ;;
        *'Release file for'*)
            refuse "$(part 'Release file for .*'); the mirror is stale or the host's clock wrong" ;;
        *EXPKEYSIG*|*'xpired on'*|*'key is expired'*)
            refuse "its signing key has expired; get the present key (packages.key)" ;;
        *'unsupported filetype'*)
            refuse "its key is no OpenPGP key; give the key that signs it (packages.key)" ;;
        *NO_PUBKEY*|*BADSIG*|*'Missing key'*|*'not signed'*)
            refuse "its signature is not by the given key; give the key that signs it" \
                "(packages.key)" ;;
        *' 404  '*|*'does not have a Release file'*)
            refuse "it has no such release (404 Not Found);" \
                "check packages.url and packages.suite" ;;
        *"doesn't have the component"*)
            refuse "it has no $(part "component '[^']*'"); check packages.components" ;;
        *'Could not resolve'*|*'failure resolving'*|*'wrong happened resolving'*)
            refuse "the host cannot resolve $(part "'[^']*'" | tr -d "'");" \
                "check packages.url and the host's DNS" ;;
        *'ertificate verif'*)
            refuse "its TLS certificate is not trusted; check packages.url, the host's clock" \
                "and its ca-certificates" ;;
        *)
            why=$(part 'Could not connect.*\|Unable to connect.*\|[0-9][0-9][0-9]  .*')
            refuse "it does not answer (${why:-$(tail -n 1 log)});" \
                "check packages.url and the host's way to it" ;;
    esac
}
# shellcheck disable=SC2086  # of $opts, here and below: words, and no folder's name has a blank
if [ -n "$key_url" ]; then
    /usr/lib/apt/apt-helper $opts download-file "$key_url" "$key_name" >log 2>&1 || judge
fi
sed "s|$key|$d/$key_name|" "$sources" >parts/probe.sources
chmod 644 parts/probe.sources
[ ! -e "$key_name" ] || chmod 644 "$key_name"
# shellcheck disable=SC2086
if ! apt-get $opts --error-on=any update >log 2>&1 || grep -q "doesn't have the component" log; then
    judge
fi
for name in "$@"; do
    # shellcheck disable=SC2086
    apt-cache $opts madison "$name" | awk -F'|' '{gsub(/ /, "", $2); print $2}' |
        grep -qE "^$version(\$|[^0-9.])" ||
        refuse "it has no $name of version $version; check packages.version"
done
