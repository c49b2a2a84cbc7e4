"""FreeSWITCH on Debian: its packages, its unit, its configuration."""

from __future__ import annotations

import shlex

from pyinfra import host, logger
from pyinfra.api import deploy

from callcenter import render
from callcenter.render import Tree, paths
from callcenter.render.debian import closure, index_of
from callcenter.render.services import SERVICES
from callcenter.site import LocalPackages, Site, Switch
from roles import files
from roles.freeswitch import operations
from roles.freeswitch.facts import ReleaseState
from roles.host import State
from roles.host.operations import passed, refuse

__all__ = ["ReleaseState", "activate", "configure", "install", "operations", "preflight", "retire"]

HOST_PACKAGES = ("logrotate", "python3-minimal")
"""Packages of every switch: what rotates its logs, and what its release tool runs by."""
CLOCKS = ("chrony", "ntpsec", "ntp", "openntpd", "systemd-timesyncd")
"""Packages of which one keeps the clock right already; the last is added where there is none."""
MAIL_SERVERS = (
    "postfix",
    "exim4-daemon-light",
    "exim4-daemon-heavy",
    "sendmail-bin",
    "opensmtpd",
    "nullmailer",
    "dma",
    "esmtp-run",
    "ssmtp",
    "courier-mta",
    "msmtp-mta",
)
"""mod_voicemail's package asks for one; the last is added where there is none."""


def packages(site: Site, found: State) -> tuple[str, ...]:
    """List everything that must be installed on a switch."""
    clock = () if any(name in found.packages for name in CLOCKS) else CLOCKS[-1:]
    there = any(name in found.packages for name in MAIL_SERVERS)
    mail = MAIL_SERVERS[-1:] if site.mailboxes and not there else ()
    programs = (name for service in SERVICES for name in service.packages(site))
    wanted = (*render.freeswitch.packages(site), *HOST_PACKAGES, *clock, *mail, *programs)
    return tuple(dict.fromkeys(wanted))


@deploy("FreeSWITCH: preflight")
def preflight(site: Site, switch: Switch, found: State) -> None:
    """Make sure that the package source is there, lets us in, and holds the pinned version, and
    that a STUN server answers where the host is to ask one."""
    wanted = packages(site, found)
    source = site.packages
    wrong: list[str] = []
    outdated = operations.outdated(wanted, found.packages, source.version)
    if isinstance(source, LocalPackages) and outdated:
        wrong = lacking(site, source, found)
    for line in wrong:
        logger.error(f"{host.print_prefix}{line}")
    refuse(name="The packages are there", problems=wrong)
    if not isinstance(source, LocalPackages):
        operations.source_answers(
            name="The package source answers",
            source=render.apt.package_source(site, found.codename),
            wanted=wanted,
            installed=found.packages,
            version=source.version,
        )
    if switch.stun is not None:
        operations.stun_answers(name="The STUN server answers", switch=switch, known=found.public)
    passed(name="For every host")


def lacking(site: Site, source: LocalPackages, found: State) -> list[str]:
    """Tell why a folder of packages cannot serve the Site, or nothing."""
    sources = (
        "packages=SignalWire(token=…), packages=AptRepository(url=…, key=…), or put a flat apt "
        "repository (.deb files and their Packages index) there or where FREESWITCH_APT says"
    )
    try:
        needed = closure(
            index_of(source.path),
            render.freeswitch.packages(site),
            source.version,
            found.architecture,
            found.codename,
        )
    except FileNotFoundError:
        return [f"there are no FreeSWITCH packages in {source.path}: give {sources}"]
    except KeyError as name:
        return [
            f"{source.index} has no {name.args[0]} of version {source.version} for "
            f"{found.codename} on {found.architecture}: check packages.version, or give {sources}"
        ]
    files = [package.filename.removeprefix("./") for package in needed if package.filename]
    for file in files:
        if not (source.path / file).is_file():
            return [f"{source.index} names {file}, which is not there: mend it, or give {sources}"]
    return []


@deploy("FreeSWITCH: install")
def install(site: Site, found: State) -> None:
    """Install the packages that the Site needs, at one version."""
    source = render.apt.package_source(site, found.codename)
    files.tree(
        name="Package source",
        group="freeswitch-apt",
        wanted=render.apt.configuration(site, found.codename),
    )
    operations.packages(
        name="Packages",
        wanted=packages(site, found),
        installed=found.packages,
        version=site.packages.version,
        architecture=found.architecture,
        codename=found.codename,
        local=site.packages.path if isinstance(site.packages, LocalPackages) else None,
        key=(source.key_url, paths.APT_KEY) if source.key_url else None,
    )


@deploy("FreeSWITCH: configure")
def configure(site: Site, switch: Switch, found: State, edge: Switch | None = None) -> None:
    """Configure the unit's drop-in, log rotation, the tool that changes releases, and what learns
    the public address. ``edge``: Kamailio's host, where that is another one."""
    inside = None if edge is None else (switch, edge)
    wanted = packages(site, found)
    files.tree(
        name="Unit and log rotation",
        group="freeswitch",
        wanted=Tree(
            [
                *render.beside.configuration(site, realtime=found.realtime, inside=inside),
                *render.public_address.configuration(switch),
            ]
        ),
        # Files that follow belong to them.
        first={paths.USERS: shlex.join(["systemd-sysusers", paths.USERS])},
        after={
            paths.UNIT_DROP_IN: operations.changed_unit(),
            **operations.followed(SERVICES, wanted),
            **operations.timer(paths.STUN),
            **operations.stun(switch),
        },
    )


@deploy("FreeSWITCH: activate")
def activate(
    site: Site, switch: Switch, edge: Switch | None = None, closing: bytes | None = None
) -> None:
    """Make the running FreeSWITCH accept what differs of the configuration. ``edge``: Kamailio's
    host, where that is another one. ``closing``: the packet filter's rules of the moment in which
    Kamailio of this host makes room, where it does."""
    operations.release(
        name="Configuration",
        wanted=render.freeswitch.configuration(site, switch, edge),
        profiles=render.freeswitch.profiles(site),
        modules=render.freeswitch.modules(site),
        maintenance=site.maintenance,
        closing=closing,
    )


@deploy("FreeSWITCH: retire")
def retire(site: Site, switch: Switch, found: State) -> None:
    """Take away what FreeSWITCH has let go of: the last answer of a STUN server, and the packages
    of modules."""
    if switch.stun is None:
        operations.forget_stun_answer(name="No STUN server's answer", known=found.public)
    operations.no_other_modules(
        name="No other modules", wanted=packages(site, found), installed=found.packages
    )
