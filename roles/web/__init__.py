"""A web server: links by which phones configure themselves, and the page that is a phone."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pyinfra import host, logger
from pyinfra.api import deploy

from callcenter.client import npm
from callcenter.render import Tree, paths, shell, turn, users, web
from callcenter.site import Site, Switch
from callcenter.site.site_hosts import SiteHosts
from callcenter.site.where import one_giver
from roles import files
from roles.freeswitch.operations import service
from roles.host import State, packages
from roles.host.operations import passed, refuse

__all__ = ["activate", "install", "preflight", "retire"]

_UNIT = paths.WEB_UNIT.rpartition("/")[2]
_READ = (paths.WEB_CONFIG, paths.WEB_CERTIFICATE, paths.WEB_KEY, paths.WEB_AUTHORITY)
_RELOAD = files.where(paths.WEB_UNIT, "systemctl", "reload-or-restart", _UNIT)
_FORGET = shell.command(
    __file__, "forget_links", paths.PHONES_UNIT, paths.PHONES_STATE, paths.PHONES
)
_EMPTY = files.where(paths.WEB_PAGES, "rmdir", "--ignore-fail-on-non-empty", paths.WEB_PAGES)


@deploy("Web: preflight")
def preflight(site: Site, switches: Sequence[Switch]) -> None:
    """Make sure that one host can give links out, and that the page's library is at hand."""
    wrong = [*one_giver(site, switches), *(npm.lacking() if site.web_phone is not None else [])]
    for line in wrong:
        logger.error(f"{host.print_prefix}{line}")
    refuse(name="It can be served", problems=wrong)
    passed(name="For every host")


@deploy("Web: install")
def install(site: Site, found: State, hosts: SiteHosts, *, accounts: bool = False) -> None:
    """Install the web server, not started by its own unit.

    + hosts: all of the Site's
    + accounts: whether the host is an edge, which has no users of ours yet
    """
    if site.web_server is not None:
        packages.package(
            name="Package",
            wanted=web.PACKAGE,
            mark=paths.WEB_OURS,
            installed=found.packages,
            further=web.packages(site, hosts),
        )
    if accounts and (wanted := web.accounts(site)):
        # Before a certificate comes, whose key is given to these.
        _accounts(wanted)


@deploy("Web: activate")
def activate(site: Site, switch: Switch, hosts: SiteHosts, behind: Switch | None = None) -> None:
    """Serve what the Site describes.

    + hosts: all of the Site's
    + behind: FreeSWITCH's host, where that is another one
    """
    if site.web_server is not None:
        _tree(web.configuration(site, switch, npm.library, behind, hosts))


@deploy("Web: retire")
def retire(
    site: Site, switch: Switch, found: State, *, accounts: bool = False, shown: bool = True
) -> None:
    """Take all of it away where the Site describes none.

    + accounts: whether the host is an edge, which has users for this and TURN alone
    + shown: whether phones come to this host
    """
    # It never comes without its package, and asking for its files would cost each run a command.
    gone = web.PACKAGE in found.packages and not (site.web_server is not None and shown)
    if gone:
        _tree(Tree([]))
    if accounts and (gone or (turn.PACKAGE in found.packages and site.network.turn is None)):
        _accounts(web.accounts(site))
    if gone:
        packages.no_package(
            name="No package",
            unwanted=web.PACKAGE,
            mark=paths.WEB_OURS,
            installed=found.packages,
            beside=web.BESIDE,
        )


def _accounts(wanted: Tree) -> None:
    keys = (paths.ACME_KAMAILIO_KEY, paths.ACME_WEB_KEY)
    files.tree(
        name="Users",
        group="web-users",
        wanted=wanted,
        first={paths.WEB_USERS: shlex.join(["systemd-sysusers", paths.WEB_USERS])},
        after={
            paths.WEB_USERS: shell.command(
                __file__, "users", paths.WEB_USERS, *keys, users.WEB, users.PHONES, users.TURN
            )
        },
    )


def _tree(wanted: Tree) -> None:
    files.tree(
        name="Pages and links",
        # The record's name on hosts that had links before there were pages.
        group="provisioning",
        wanted=wanted,
        after={
            **service(paths.WEB_UNIT, ()),
            f"{paths.WEB_PAGES}/index.html": _EMPTY,
            # Who is in the midst of an answer has it.
            **dict.fromkeys(_READ, _RELOAD),
            **{
                path: (command, _FORGET)
                for path, command in service(paths.PHONES_UNIT, (paths.PHONES_TOOL,)).items()
            },
        },
    )
