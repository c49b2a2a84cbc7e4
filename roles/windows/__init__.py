"""FreeSWITCH on Windows: its MSI, its configuration, its service, its logs, its firewall rules."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from pyinfra import host, logger
from pyinfra import state as current
from pyinfra.api import deploy

from callcenter import render
from callcenter.render import windows_paths as paths
from callcenter.render.where import needs_linux
from callcenter.site import Site, Switch
from callcenter.site.families import other_family, out_of_reach
from callcenter.site.named_secrets import ungiven
from callcenter.site.ports import listeners
from callcenter.site.where import behind_edge, misleads, unsaid
from pyinfra_windows import facts, operations
from pyinfra_windows.facts import FirewallRule, Look
from pyinfra_windows.operations import fields_of
from pyinfra_windows.powershell import path
from roles.host.operations import refuse
from roles.host.stack import name_executed_files
from roles.windows.release import quiet, release

__all__ = ["GROUP", "Found", "activate", "configure", "firewall_rules", "install", "preflight"]
__all__ += ["problems", "retention"]

GROUP = "FreeSWITCH"
"""Group of the firewall's rules, by which they are found again."""

FREE_MEGABYTES = 1000
"""The MSI, what it unpacks to, and logs until somebody reads the alarm."""

KEEP_LOGS = 14
"""Days, as on Linux."""

_FEATURES = ("ProductFeature", "ProductFeatureConf", "ProductFeatureSounds")
"""Features of the MSI, but not H264, which it would fetch over plain http while it installs."""


def firewall_rules(site: Site, edge: Switch | None = None) -> list[FirewallRule]:
    """List rules for exactly the Site's ports and FreeSWITCH's program; none where it has none.
    ``edge``: Kamailio's host before it, which alone speaks SIP with it."""
    if not site.firewall.enabled:
        return []
    remote = _remote(site.network.sip_from)
    first, last = site.network.rtp_ports
    spoken = site.network.transports if edge is None else ("udp",)
    heard = remote if edge is None else _remote([edge.bind_address])
    ports = [
        *(
            (f"FreeSWITCH-SIP-{one.upper()}", one, str(site.network.sip_port), heard)
            for one in spoken
        ),
        ("FreeSWITCH-RTP-UDP", "udp", f"{first}-{last}", remote),
    ]
    return [
        *(
            FirewallRule(name, protocol, (port,), paths.PROGRAM, who, GROUP)
            for name, protocol, port, who in ports
        ),
        *(
            FirewallRule(
                f"FreeSWITCH-{kind}-{trunk.name}",
                protocol,
                (port,),
                paths.PROGRAM,
                _remote(trunk.sources),
                GROUP,
            )
            for trunk in site.trunks
            for kind, protocol, port in (
                ("Trunk", trunk.transport, str(site.network.trunk_port)),
                ("Voice", "udp", f"{first}-{last}"),
            )
        ),
        *(
            FirewallRule(
                f"FreeSWITCH-{protocol.upper()}-{one.port}",
                protocol,
                (str(one.port),),
                "",
                _remote(one.sources),
                GROUP,
            )
            for protocol in ("tcp", "udp")
            for one in site.firewall.further(f"{protocol}_ports")
        ),
    ]


def _remote(networks: Iterable[str]) -> tuple[str, ...]:
    """Join networks: Windows takes none twice, nor one inside another; anywhere is none at all."""
    given = [ipaddress.ip_network(one) for one in networks]
    four = ipaddress.collapse_addresses(n for n in given if isinstance(n, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(n for n in given if isinstance(n, ipaddress.IPv6Network))
    both = (*map(str, four), *map(str, six))
    return () if "0.0.0.0/0" in both else both


def retention(site: Site) -> list[str]:
    """List lines of a batch file: old recordings are deleted, and the log is renamed, for which
    FreeSWITCH opens a new one."""
    log = "freeswitch.log"
    older = [
        f"if exist {log}.{day} move /y {log}.{day} {log}.{day + 1} >nul"
        for day in range(KEEP_LOGS - 1, 0, -1)
    ]
    recordings = path(paths.RECORDINGS)
    return [
        # forfiles fails where it finds none, which is no failure here.
        f"if exist {recordings} forfiles /p {recordings} /s /m *.wav "
        f'/d -{site.recording.keep_days} /c "cmd /c del /q @path" >nul 2>&1',
        f"if not exist {path(f'{paths.LOGS}{chr(92)}{log}')} exit /b 0",
        f"cd /d {path(paths.LOGS)}",
        *older,
        f"move /y {log} {log}.1 >nul",
        f'set "HOME={paths.CONFIG[2:]}"'.replace("\\", "/"),
        f'{path(paths.CLI)} -x "fsctl send_sighup"',
    ]


@dataclass(frozen=True)
class Found:
    """The host as it was when the run began, in four commands, or five behind an edge."""

    look: Look
    installed: str | None
    """FreeSWITCH's version."""
    running: bool
    rules: dict[str, FirewallRule]
    open_profiles: tuple[str, ...] = ()
    """Profiles of Windows in which its firewall is off. Asked behind an edge alone."""

    @classmethod
    def on_host(cls, *, apart: bool) -> Found:
        """Ask the host. ``apart``: Kamailio is before it, on another one."""
        look = host.get_fact(facts.WindowsHost)
        product = host.get_fact(facts.MsiPackages).get(paths.PRODUCT_CODE)
        service = host.get_fact(facts.Service, service=paths.SERVICE)
        return cls(
            look,
            None if product is None else product.version,
            service is not None and service.running,
            host.get_fact(facts.FirewallRules, group=GROUP),
            host.get_fact(facts.OpenProfiles) if apart else (),
        )


@deploy("FreeSWITCH on Windows: preflight")
def preflight(site: Site, switch: Switch, found: Found, edge: Switch | None = None) -> None:
    """Refuse the host by name and reason. Changes nothing. ``edge``: Kamailio's host before it."""
    name_executed_files()
    wrong: list[str] = []
    # A host that could not even be looked at has its line already; every rule would add one.
    if not (found.look == Look() and host in current.failed_hosts):
        wrong = problems(site, switch, found, edge)
        if (
            not wrong
            and operations.firewall_script(GROUP, firewall_rules(site, edge), found.rules)
            and not host.get_fact(facts.PowerShell)
        ):
            else_ = (
                "mend it"
                if edge is not None
                else "mend it, or set firewall=Firewall(enabled=False) and open the Site's ports "
                "by other means"
            )
            wrong = [f"its powershell.exe does not work, and firewall rules need it; {else_}"]
    for line in wrong:
        logger.error(f"{host.print_prefix}{line}")
    refuse(name="This host can carry the site", problems=wrong)


def problems(site: Site, switch: Switch, found: Found, edge: Switch | None = None) -> list[str]:
    """List in one sentence each what is wrong with the host, or with the Site on it, and what would
    be right. ``edge``: Kamailio's host before it."""
    look, installed = found.look, found.installed
    right = (
        f"windows=Msi('FreeSWITCH-{site.packages.version}-Release-x64.msi'), or its https address "
        "with sha256"
    )
    if site.windows is None:
        return [f"Site.windows: is missing, and this is a Windows host; give {right}"]
    apart = edge is not None
    out = unsaid(site, windows=True) + ungiven(site) + needs_linux(site, apart=apart)
    out += misleads(site, switch) + behind_edge(site, switch, edge)
    if found.open_profiles:
        out.append(
            f"its firewall is off for {', '.join(found.open_profiles)}, and behind an edge "
            "FreeSWITCH asks nobody for a password; switch it on, blocking what no rule lets in"
        )
    out += site.placed(other_family(site, switch) + out_of_reach(site, look.addresses))
    needed = installed is None or fields_of(installed) != fields_of(site.packages.version)
    file = site.windows.path
    if needed and file is not None and not file.is_file():
        out.append(f"Site.windows.location: {file} is no file of this machine; give {right}")
    if look.architecture != "AMD64":
        out.append(f"its processor is {look.architecture}; FreeSWITCH's MSI is for AMD64")
    if not look.digests:
        out.append("its tar.exe names no SHA-256; use Windows Server 2022 or 2025, or Windows 11")
    if not look.administrator:
        out.append("the login is no administrator; use an account of the group Administrators")
    if switch.bind_address not in look.addresses:
        own = sorted(a for a in look.addresses if not ipaddress.ip_address(a).is_loopback)
        has = ", ".join(own) or "none"
        out.append(f"address {switch.bind_address} is on no interface; it has {has}")
    if switch.trunk_bind_address not in {switch.bind_address, *look.addresses}:
        out.append(f"trunk_address {switch.trunk_address} is on no interface; put it on one")
    wanted = [one for one in listeners(site, apart=apart) if one.program == "freeswitch"]
    for one in wanted if not found.running else ():
        everywhere = (one.address(switch), "0.0.0.0", "::")
        for protocol, bound, number in sorted(look.listeners):
            if number == one.port and protocol in one.kept and bound in everywhere:
                out.append(
                    f"port {one.port}/{protocol} ({one.field}) is taken; stop what listens there, "
                    "or choose another port in the Site"
                )
    if needed and look.free_megabytes < FREE_MEGABYTES:
        out.append(
            f"drive C: has {look.free_megabytes} MB free; {FREE_MEGABYTES} are needed: make room"
        )
    return list(dict.fromkeys(out))


@deploy("FreeSWITCH on Windows: install")
def install(site: Site, found: Found) -> None:
    """Install FreeSWITCH at the Site's version. Another version is uninstalled first, which ends
    calls."""
    # Preflight has refused the host where there is none, and pyinfra still prepares the rest.
    if site.windows is None:
        return
    version = site.packages.version
    if found.installed is not None:
        if fields_of(found.installed) == fields_of(version):
            return
        quiet(name="No calls", maintenance=site.maintenance, why=f"FreeSWITCH {version}")
    operations.package(
        name="FreeSWITCH's MSI",
        product_code=paths.PRODUCT_CODE,
        version=version,
        source=site.windows.path or site.windows.location,
        sha256=site.windows.sha256,
        properties={"INSTALLLOCATION": paths.INSTALLATION},
        features=_FEATURES,
        service=paths.SERVICE,
        work=paths.STATE,
    )


@deploy("FreeSWITCH on Windows: activate")
def activate(site: Site, switch: Switch, edge: Switch | None = None) -> None:
    """Make FreeSWITCH run with what the Site describes. ``edge``: Kamailio's host before it."""
    release(
        name="Configuration",
        wanted=render.windows.configuration(site, switch, edge),
        profiles=(render.freeswitch.PROFILE,),
        modules=render.freeswitch.modules(site),
        maintenance=site.maintenance,
    )


@deploy("FreeSWITCH on Windows: configure")
def configure(site: Site, found: Found, edge: Switch | None = None) -> None:
    """Set what Windows does for it: start and recovery, logs, and who may reach it. The firewall is
    opened last: nobody reaches what is not configured yet. ``edge``: Kamailio's host before it."""
    operations.service(name="Service", service=paths.SERVICE)
    operations.scheduled_task(
        name="Retention of logs and recordings",
        task=paths.RETENTION,
        lines=retention(site),
        work=paths.STATE,
    )
    operations.firewall_rules(
        name="Firewall rules",
        group=GROUP,
        wanted=firewall_rules(site, edge),
        present=found.rules,
    )
