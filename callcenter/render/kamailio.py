"""An edge: Kamailio as the registrar and proxy of a site's extensions."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence

from callcenter.render import packet_filter, paths, users
from callcenter.render._files import File, Tree
from callcenter.render._templates import plain
from callcenter.render.edge_addresses import ADVERTISED, EdgeAddresses
from callcenter.render.services import SRTP_SUITES, WEB, a1_hash
from callcenter.render.sip_grammar import Grammar, literal
from callcenter.site import Extension, Site, Switch
from callcenter.site.network import ANYWHERE
from callcenter.site.secrets import Secret
from callcenter.site.served import certificate_of

__all__ = [
    "CIPHERS",
    "DIALOGS",
    "FURTHER",
    "GROUP",
    "PACKAGES",
    "RESTARTED_FOR",
    "TABLES",
    "TLS_FILES",
    "TLS_PACKAGE",
    "WSS_PACKAGE",
    "configuration",
    "packages",
    "turn_password",
    "watched",
]

PACKAGES = ("kamailio", "kamailio-sqlite-modules", "netbase", "sqlite3")
"""Debian's own."""
TLS_PACKAGE = "kamailio-tls-modules"
"""Debian's, where phones come by TLS."""
WSS_PACKAGE = "kamailio-websocket-modules"
"""Debian's, where browsers come."""
FURTHER = (TLS_PACKAGE, WSS_PACKAGE)
"""Packages of ways that not every Site has."""
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Suites of TLS 1.2, by OpenSSL's names: with forward secrecy and authenticated encryption
(RFC 9325, 4.2). Those of 1.3 all have both."""
TLS_FILES = [paths.KAMAILIO_TLS, paths.KAMAILIO_TLS_CERTIFICATE, paths.KAMAILIO_TLS_KEY]
GROUP = users.KAMAILIO
TABLES = {"ha1": "ha1", "ring": "ring", "secrets": "secrets"}
"""Kamailio's tables: a1-hash and milliseconds of ringing by number, and keys by use."""
RESTARTED_FOR = (paths.KAMAILIO_CONFIG, paths.KAMAILIO_DROP_IN)
"""Files for which Kamailio is started anew; it reads the others again while it runs."""
CONNECTIONS = 4096
"""Connections of phones that Kamailio holds at once."""
MEMORY_MB = 128
"""Megabytes that Kamailio's processes share. What is not used is not taken of the host."""
LONGEST_CALL = 14400
"""Seconds that a call is known for."""
TLS_KB = 96
"""Kilobytes more of it for a connection by TLS, of which a phone's was seen to take 75."""
SCHEMA = [f"/usr/share/kamailio/db_sqlite/{name}-create.sql" for name in ("standard", "usrloc")]
"""SQL files of the package that create the database of locations."""
DIALOGS = Secret("edge/dialogs")
"""The secret that what follows in a dialog is known by, and that passwords of TURN are made of."""


def configuration(site: Site, edge: Switch, behind: Switch | None) -> Tree:
    """Render Kamailio's configuration, its extensions, and how its unit starts. ``behind`` is where
    FreeSWITCH is: on the same host, on another one, or nowhere."""
    return Tree(_files(site, edge, behind))


def packages(site: Site) -> tuple[str, ...]:
    """List the packages that the Site needs."""
    tls = () if site.network.tls is None else (TLS_PACKAGE,)
    wss = () if site.network.wss is None else (WSS_PACKAGE,)
    return (*PACKAGES, *tls, *wss)


def watched(site: Site) -> list[str]:
    """List the files that a running Kamailio has read, or was started by."""
    tables = [f"{paths.KAMAILIO}/{name}" for name in TABLES.values()]
    tls = [] if site.network.tls is None else TLS_FILES
    if site.acme is not None:
        # Its certificate comes without a deploy, by who has asked for it.
        tls = [paths.KAMAILIO_TLS]
    return [paths.KAMAILIO_CONFIG, paths.KAMAILIO_DROP_IN, *tables, *tls]


def _files(site: Site, edge: Switch, behind: Switch | None) -> Iterator[File]:
    tls, wss = site.network.tls, site.network.wss
    grammar = Grammar(site.domain, behind is not None, tls is not None, wss is not None)
    at = EdgeAddresses(site, edge, behind)
    transports = {transport for transport, _ in site.network.listeners}
    yield File(
        paths.KAMAILIO_CONFIG,
        plain(
            "kamailio/kamailio.cfg.j2",
            site=site,
            switch=edge,
            behind=behind,
            sip=grammar,
            at=at,
            ours=grammar.route(at.known),
            tls=tls,
            wss=wss,
            # The address of record: a browser's is not that of its extension's phones.
            aor="$var(aor)" if wss else "$tu",
            suites=SRTP_SUITES if behind is not None and site.network.srtp != "off" else (),
            offered=behind is not None and site.network.srtp == "offered",
            udp="udp" in transports,
            streams=bool({"tcp", "tls"} & transports),
            plain_from=_plain_from(site),
            folder=paths.KAMAILIO,
            location=paths.KAMAILIO_LOCATION,
            calls=paths.KAMAILIO_CALLS,
            longest=LONGEST_CALL,
            tables=TABLES,
            loaded=[*TABLES.values(), *([ADVERTISED] if at.is_asked else [])],
            own_networks=packet_filter.own(site),
            connections=CONNECTIONS,
            tls_config=paths.KAMAILIO_TLS,
            web=WEB,
            origins=[literal(one) for one in _origins(site)],
        ),
    )
    yield File(
        paths.KAMAILIO_DROP_IN,
        plain(
            "kamailio/unit.conf.j2",
            config=paths.KAMAILIO_CONFIG,
            watched=watched(site),
            # One for each connection, and its own.
            files=CONNECTIONS + 1024,
            memory=MEMORY_MB + (CONNECTIONS * TLS_KB // 1024 if site.network.tls else 0),
            applied=paths.KAMAILIO_APPLIED,
            location=paths.KAMAILIO_LOCATION,
            schema=SCHEMA,
            udp="udp" in transports,
            low_port=any(port < 1024 for _, port in site.network.listeners),
            asks=edge.stun is not None,
            release_tool=paths.RELEASE_TOOL,
        ),
    )
    if site.network.tls is not None:
        certificate, key = paths.KAMAILIO_TLS_CERTIFICATE, paths.KAMAILIO_TLS_KEY
        if site.acme is not None:
            certificate, key = paths.ACME_CERTIFICATE, paths.ACME_KAMAILIO_KEY
        made = plain("kamailio/tls.cfg.j2", certificate=certificate, key=key, ciphers=CIPHERS)
        yield File(paths.KAMAILIO_TLS, made)
    if (served := certificate_of(site)) is not None:
        yield File(paths.KAMAILIO_TLS_CERTIFICATE, served[0])
        yield File(paths.KAMAILIO_TLS_KEY, served[1], 0o640, GROUP)
    hashes = [(one.number, 0, a1_hash(site, one)) for one in site.extensions]
    yield File(f"{paths.KAMAILIO}/{TABLES['ha1']}", _table(hashes), 0o640, GROUP)
    rings = [(one.number, 1, one.ring_seconds * 1000) for one in site.extensions]
    yield File(f"{paths.KAMAILIO}/{TABLES['ring']}", _table(rings), 0o640, GROUP)
    # Each edge has a key of its own: what one has signed, no other follows.
    key = hashlib.sha256(f"{edge.name}:{site.vault.value(DIALOGS)}".encode()).hexdigest()
    keys = [("dialogs", 0, key)]
    if site.network.turn is not None:
        keys += [(f"turn-{one.number}", 0, turn_password(site, one)) for one in site.extensions]
    yield File(f"{paths.KAMAILIO}/{TABLES['secrets']}", _table(keys), 0o640, GROUP)


def _plain_from(site: Site) -> Sequence[str]:
    """Return the networks whose phones alone come without TLS; nothing where it may be anybody, or
    nobody, for whom nothing listens."""
    tls = site.network.tls
    if tls is None or tls.plain_from is None or tls.plain_from == ANYWHERE:
        return ()
    return tls.plain_from


def turn_password(site: Site, extension: Extension) -> str:
    """Return what an extension logs in to TURN by. It cannot be guessed, whatever the extension's
    own password is, and goes when that does."""
    said = f"turn:{extension.number}:{a1_hash(site, extension)}"
    return hmac.new(site.vault.value(DIALOGS).encode(), said.encode(), hashlib.sha256).hexdigest()


def _origins(site: Site) -> tuple[str, ...]:
    """Return the places of the pages whose scripts may come."""
    if site.network.wss is None:
        return ()
    return (f"https://{site.domain}", *site.network.wss.origins)


def _table(rows: Iterable[tuple[str, int, str | int]]) -> bytes:
    """Render a table as db_text reads it: the types of the columns, then a row a line."""
    head = "key_name(string) key_type(int) value_type(int) key_value(string) expires(int)\n"
    return (head + "".join(f"{key}:0:{kind}:{value}:0\n" for key, kind, value in rows)).encode()
