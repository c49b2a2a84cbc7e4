"""A web server: links by which phones configure themselves, and the page that is a phone."""

from __future__ import annotations

from pyinfra import host, logger
from pyinfra.api import deploy

from callcenter.client import npm
from callcenter.render import Tree, paths, users, web
from callcenter.site import Site, Switch
from callcenter.site.where import one_giver
from roles import files
from roles.freeswitch.operations import service
from roles.host import State, packages
from roles.host.operations import passed, refuse

__all__ = ["activate", "install", "preflight", "retire"]

_UNIT = paths.WEB_UNIT.rpartition("/")[2]
_RELOAD = f"[ ! -e {paths.WEB_UNIT} ] || systemctl reload-or-restart {_UNIT}"
_FORGET = (
    f"[ -e {paths.PHONES_UNIT} ] || {{ rm -rf {paths.PHONES_STATE}; "
    f"rmdir {paths.PHONES} 2>/dev/null || :; }}"
)
_EMPTY = f"rmdir {paths.WEB_PAGES} 2>/dev/null || :"


@deploy("Web: preflight")
def preflight(site: Site, switches: int) -> None:
    """Make sure that a link can be known to be used, and that the page's library is at hand."""
    wrong = [*one_giver(site, switches), *(npm.lacking() if site.web_phone is not None else [])]
    for line in wrong:
        logger.error(f"{host.print_prefix}{line}")
    refuse(name="It can be served", problems=wrong)
    passed(name="For every host")


@deploy("Web: install")
def install(site: Site, found: State, *, accounts: bool = False) -> None:
    """Install the web server, not started by its own unit.

    + accounts: whether the host is an edge, which has no users of ours yet
    """
    if site.web_server is not None:
        packages.package(
            name="Package",
            wanted=web.PACKAGE,
            mark=paths.WEB_OURS,
            installed=found.packages,
            further=web.packages(site),
        )
        if accounts:
            # Before a certificate comes, whose key is given to these.
            _accounts(web.accounts(site))


@deploy("Web: activate")
def activate(site: Site, switch: Switch, behind: Switch | None = None) -> None:
    """Serve what the Site describes.

    + behind: FreeSWITCH's host, where that is another one
    """
    if site.web_server is not None:
        _tree(site, switch, behind)


@deploy("Web: retire")
def retire(
    site: Site, switch: Switch, found: State, *, accounts: bool = False, shown: bool = True
) -> None:
    """Take all of it away where the Site describes none.

    + accounts: whether the host is an edge, which has users for nothing else
    + shown: whether phones come to this host
    """
    # It never comes without its package, and asking for its files would cost each run a command.
    if (site.web_server is not None and shown) or web.PACKAGE not in found.packages:
        return
    _tree(site, switch, None, shown=False)
    if accounts:
        _accounts(Tree([]))
    packages.no_package(
        name="No package",
        unwanted=web.PACKAGE,
        mark=paths.WEB_OURS,
        installed=found.packages,
        beside=web.BESIDE,
    )


def _accounts(wanted: Tree) -> None:
    key, own = paths.ACME_KAMAILIO_KEY, paths.ACME_WEB_KEY
    gone = "; ".join(f"userdel {one} 2>/dev/null || :" for one in (users.WEB, users.PHONES))
    files.tree(
        name="Users",
        group="web-users",
        wanted=wanted,
        first={paths.WEB_USERS: f"systemd-sysusers {paths.WEB_USERS}"},
        after={
            paths.WEB_USERS: f"if [ ! -e {paths.WEB_USERS} ]; then {gone}; "
            # Of a certificate that came when nobody served.
            f"elif [ -e {key} ]; then install -m 640 -g {users.WEB} {key} {own}; fi"
        },
    )


def _tree(site: Site, switch: Switch, behind: Switch | None, *, shown: bool = True) -> None:
    files.tree(
        name="Pages and links",
        # The record's name on hosts that had links before there were pages.
        group="provisioning",
        wanted=web.configuration(site, switch, npm.library, behind) if shown else Tree([]),
        after={
            **service(paths.WEB_UNIT, ()),
            f"{paths.WEB_PAGES}/index.html": _EMPTY,
            # Who is in the midst of an answer has it.
            **dict.fromkeys((paths.WEB_CONFIG, paths.WEB_CERTIFICATE, paths.WEB_KEY), _RELOAD),
            **{
                path: f"{command}; {_FORGET}"
                for path, command in service(paths.PHONES_UNIT, (paths.PHONES_TOOL,)).items()
            },
        },
    )
