"""FreeSWITCH on Debian: its packages, its unit, its configuration."""

from __future__ import annotations

from pyinfra import host, logger
from pyinfra.api import deploy

from callcenter import render
from callcenter.onhost import bans
from callcenter.render import Tree, paths
from callcenter.render.debian import closure, index_of
from callcenter.site import LocalPackages, Site, Switch
from roles import files
from roles.freeswitch import operations
from roles.freeswitch.facts import ReleaseState
from roles.host import State
from roles.host.operations import passed, refuse

__all__ = ["ReleaseState", "activate", "configure", "install", "operations", "preflight"]

HOST_PACKAGES = ("logrotate",)
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
FAX_TOOLS = ("libtiff-tools", "ghostscript")
"""Packages that make PDF of what arrives, and of PDF what is sent."""


def packages(site: Site, found: State) -> tuple[str, ...]:
    """List everything that must be installed on a switch."""
    clock = () if any(name in found.packages for name in CLOCKS) else CLOCKS[-1:]
    mail: list[str] = []
    if site.mailboxes and not any(name in found.packages for name in MAIL_SERVERS):
        mail += MAIL_SERVERS[-1:]
    if render.system.sends_mail(site):
        mail += [render.freeswitch.MAILER, "ca-certificates"]
    fax = FAX_TOOLS if site.faxes else ()
    calls = ["python3"] if site.cdr is not None or render.system.sends_mail(site) else []
    if site.shuts_out:
        calls += ["python3", "nftables"]
    if site.database is not None:
        calls += ["python3-psycopg2", "ca-certificates"]
    http = ("python3", "ca-certificates") if site.http_applications else ()
    tls = (render.system.TLS,) if site.event_socket.tls is not None else ()
    others = (*clock, *mail, *fax, *calls, *http, *tls)
    return (*render.freeswitch.packages(site), *HOST_PACKAGES, *others)


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
            source=render.system.package_source(site, found.codename),
            wanted=wanted,
            installed=found.packages,
            version=source.version,
        )
    if switch.stun is not None:
        operations.stun_answers(name="The STUN server answers", switch=switch, known=found.public)
    passed(name="For every host")


def lacking(site: Site, source: LocalPackages, found: State) -> list[str]:
    """Tell why a folder of packages cannot serve the Site, or nothing."""
    ways = (
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
        return [f"there are no FreeSWITCH packages in {source.path}: give {ways}"]
    except KeyError as name:
        return [
            f"{source.index} has no {name.args[0]} of version {source.version} for "
            f"{found.codename} on {found.architecture}: check packages.version, or give {ways}"
        ]
    files = [package.filename.removeprefix("./") for package in needed if package.filename]
    for file in files:
        if not (source.path / file).is_file():
            return [f"{source.index} names {file}, which is not there: mend it, or give {ways}"]
    return []


@deploy("FreeSWITCH: install")
def install(site: Site, found: State) -> None:
    """Install the packages that the Site needs, at one version."""
    source = render.system.package_source(site, found.codename)
    files.tree(
        name="Package source",
        group="freeswitch-apt",
        wanted=render.system.apt(site, found.codename),
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
def configure(site: Site, switch: Switch, found: State) -> None:
    """Configure the unit's drop-in, log rotation, the tool that changes releases, and what learns
    the public address."""
    wanted = packages(site, found)
    gone = [name for name in (*FAX_TOOLS, render.freeswitch.MAILER) if name not in wanted]
    no_tls = operations.spare(render.system.TLS)
    mailer = render.freeswitch.MAILER
    no_mail = operations.spare(mailer) if mailer in gone else "true"
    files.tree(
        name="Unit and log rotation",
        group="freeswitch",
        wanted=Tree(
            [
                *render.system.unit(site, realtime=found.realtime),
                *render.system.public_address(switch),
            ]
        ),
        # Files that follow belong to them.
        first={paths.USERS: f"systemd-sysusers {paths.USERS}"},
        after={
            paths.UNIT_DROP_IN: "systemctl daemon-reload; "
            f"! systemctl is-active --quiet {paths.UNIT} || touch {paths.RESTART_NEEDED}",
            **operations.timer(paths.RETENTION),
            **operations.timer(paths.VOICEMAIL_RETENTION),
            paths.FAX_FOLDERS: f"! [ -e {paths.FAX_FOLDERS} ] || "
            f"systemd-tmpfiles --create {paths.FAX_FOLDERS}",
            **operations.timer(paths.FAX_TIMER),
            **operations.service(f"{paths.FAX_TIMER}.path", ()),
            **dict.fromkeys((paths.FAX_INTAKE, paths.FAX_PREPARE), "systemctl daemon-reload"),
            paths.FAX_TOOL: f"[ -e {paths.FAX_TOOL} ] || "
            f"{{ {'; '.join(['true', *map(operations.spare, gone)])}; }}",
            **{
                path: f"{command}; [ -e {paths.VOICEMAIL_MAIL_UNIT} ] || "
                f"rm -rf {paths.VOICEMAIL_MAIL}"
                for path, command in operations.service(
                    paths.VOICEMAIL_MAIL_UNIT,
                    (paths.VOICEMAIL_MAIL_CONFIG, paths.VOICEMAIL_MAIL_TOOL),
                ).items()
            },
            **operations.service(
                paths.CALLS_UNIT,
                (paths.CALLS_CONFIG, paths.CALLS_TOOL, paths.CALLS_PASSWORD, paths.CALLS_CA),
            ),
            **{
                path: command if site.event_socket.tls else f"{command}; {no_tls}"
                for path, command in operations.service(
                    paths.EVENT_SOCKET_UNIT,
                    (
                        paths.EVENT_SOCKET_CONFIG,
                        paths.EVENT_SOCKET_CERTIFICATE,
                        paths.EVENT_SOCKET_KEY,
                        paths.EVENT_SOCKET_CLIENTS,
                    ),
                ).items()
            },
            # Both units run it.
            paths.ALARM_TOOL: "systemctl try-restart "
            f"{_name(paths.ALARM_UNIT)} {_name(paths.BANS_ALARM_UNIT)} 2>/dev/null || :",
            **{
                path: f"{command}; [ -e {unit} ] || {{ rm -rf {folder}; {no_mail}; }}"
                for unit, folder in (
                    (paths.ALARM_UNIT, paths.ALARM),
                    (paths.BANS_ALARM_UNIT, paths.BANS_ALARM),
                )
                for path, command in operations.service(unit, ()).items()
            },
            # What needs it restarts with it.
            **operations.service(
                paths.BANS_FILTER_UNIT, (paths.BANS_RULES, paths.BANS_TOOL, paths.BANS_CONFIG)
            ),
            **{
                path: f"{command}; [ -e {paths.BANS_UNIT} ] || {{ rm -rf {paths.BANS}; "
                f"nft delete table inet {bans.TABLE} 2>/dev/null || :; }}"
                for path, command in operations.service(
                    paths.BANS_UNIT, (paths.BANS_PASSWORD,)
                ).items()
            },
            **operations.service(paths.HTTP_GUARD_UNIT, (paths.HTTP_GUARD_TOOL,)),
            **operations.timer(paths.STUN),
            paths.STUN_DROP_IN: operations.stun(switch),
        },
    )


def _name(path: str) -> str:
    return path.rpartition("/")[2]


@deploy("FreeSWITCH: activate")
def activate(site: Site, switch: Switch, found: State) -> None:
    """Make the running FreeSWITCH accept what differs of the configuration; then remove the
    packages of modules that it has let go of."""
    operations.release(
        name="Configuration",
        wanted=render.freeswitch.configuration(site, switch),
        profiles=render.freeswitch.profiles(site),
        modules=render.freeswitch.modules(site),
        maintenance=site.maintenance,
    )
    if switch.stun is None:
        operations.no_answer(name="No STUN server's answer", known=found.public)
    operations.no_other_modules(
        name="No other modules", wanted=packages(site, found), installed=found.packages
    )
