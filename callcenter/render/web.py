"""The web server: what phones configure themselves by, and the page that is a phone."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Iterator

from callcenter.render import jssip, paths, provisioning, users
from callcenter.render._addresses import bracketed
from callcenter.render._files import Fetched, File, Tree
from callcenter.render._templates import plain, source
from callcenter.render.kamailio import CIPHERS
from callcenter.site import Site, Switch
from callcenter.site.served import certificate_of, phones_authority
from callcenter.site.site_hosts import SiteHosts

__all__ = ["BESIDE", "PACKAGE", "accounts", "configuration", "packages"]

PACKAGE = "nginx"
"""Debian's."""
BESIDE = "nginx-common"
"""Package that comes with it, and may be another web server's as well."""
LIBRARY = f"{paths.WEB_PAGES}/jssip.js"


def configuration(
    site: Site,
    switch: Switch,
    library: Callable[[], bytes],
    behind: Switch | None = None,
    hosts: SiteHosts | None = None,
) -> Tree:
    """Render all that is served, or nothing where the Site serves nothing. ``library`` fetches
    JsSIP where a host lacks it. ``behind``: FreeSWITCH's host, where that is another one.
    ``hosts``: all of the Site's, where it has several."""
    return Tree(_files(site, switch, library, behind, hosts or SiteHosts.of(switch)))


def accounts(site: Site) -> Tree:
    """Render the users of an edge that serves, or has TURN. A switch has them already."""
    web, turn = site.web_server is not None, site.network.turn is not None
    wanted = [plain("web/users.j2", users=users, web=web, turn=turn)] if web or turn else []
    return Tree(File(paths.WEB_USERS, text) for text in wanted)


def packages(site: Site, hosts: SiteHosts) -> tuple[str, ...]:
    """List what is needed beside the web server. ``hosts``: all of the Site's."""
    if site.provisioning is None:
        return ()
    return ("python3",) if hosts.giver is None else ("ca-certificates",)


def _host_port(switch: Switch, port: int) -> str:
    return f"{bracketed(switch.bind_address)}:{port}"


def _messages(site: Site, behind: Switch | None) -> str | None:
    """Return where the program listens that shows voice messages, as nginx names it; None where
    there is none."""
    if site.web_phone is None or not site.shows_messages:
        return None
    if behind is None:
        return f"unix:{paths.VOICEMAIL_PAGE_SOCKET}:"
    return _host_port(behind, site.web_phone.messages_port)


def _files(
    site: Site,
    switch: Switch,
    library: Callable[[], bytes],
    behind: Switch | None,
    hosts: SiteHosts,
) -> Iterator[File]:
    if (web := site.web_server) is None or site.network.tls is None:
        return
    _, port = web
    certificate, key = paths.WEB_CERTIFICATE, paths.WEB_KEY
    if site.acme is not None:
        certificate, key = paths.ACME_CERTIFICATE, paths.ACME_WEB_KEY
    giver, authority = hosts.giver, phones_authority(site)
    config = plain(
        "web/nginx.conf.j2",
        paths=paths,
        site=site,
        address=_host_port(switch, port),
        certificate=certificate,
        key=key,
        ciphers=CIPHERS,
        giver=None if giver is None else _host_port(giver, port),
        askers=[one.bind_address for one in hosts.askers] if site.provisioning else [],
        authorities=paths.AUTHORITIES if authority is None else paths.WEB_AUTHORITY,
        # Desk phones ask for files below their link.
        below="(/[0-9A-Za-z.-]{1,40})?" if any(one.phones for one in site.extensions) else "",
        messages=_messages(site, behind),
        # The first is what the domain itself shows.
        pages={"": "index.html", **{name: name for name in ("phone.css", "phone.js", "jssip.js")}}
        if site.web_phone is not None
        else {},
    )
    yield File(paths.WEB_CONFIG, config)
    if (served := certificate_of(site)) is not None:
        yield File(paths.WEB_CERTIFICATE, served[0])
        yield File(paths.WEB_KEY, served[1], 0o640, users.WEB)
    yield File(
        paths.WEB_UNIT,
        plain(
            "web/web.service.j2",
            paths=paths,
            users=users,
            folder=paths.WEB.rpartition("/")[2],
            low_port=port < 1024,
        ),
    )
    if giver is None:
        yield from provisioning.files(site)
    elif site.provisioning is not None and authority is not None:
        yield File(paths.WEB_AUTHORITY, authority)
    if site.web_phone is not None:
        yield from _page(site, library)


def _page(site: Site, library: Callable[[], bytes]) -> Iterator[File]:
    """Yield the page, its style, its script, and the SIP in it."""
    assert site.network.wss is not None
    mailbox = site.voicemail.check if site.mailboxes else None
    page = plain(
        "web/index.html.j2",
        domain=site.domain,
        language=site.language,
        integrity=base64.b64encode(bytes.fromhex(jssip.DIGEST)).decode(),
        site={
            "domain": site.domain,
            "port": site.network.wss.port,
            "language": site.language,
            "mailbox": mailbox,
            "messages": site.shows_messages,
            **({} if (turn := site.network.turn) is None else {"turn": turn.port}),
        },
    )
    yield File(f"{paths.WEB_PAGES}/index.html", page)
    for name in ("phone.css", "phone.js"):
        yield File(f"{paths.WEB_PAGES}/{name}", source(f"web/{name}"))
    yield Fetched(LIBRARY, b"", known=jssip.DIGEST, fetch=functools.cache(library))
