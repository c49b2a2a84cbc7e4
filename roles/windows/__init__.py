"""FreeSWITCH on Windows: its MSI, its service, its configuration, its firewall rules."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, StringCommand, deploy, operation
from pyinfra.api.host import Host
from pyinfra.api.state import State

from callcenter import windows_paths as paths
from callcenter.changes import COMPARED, Severity, plan
from callcenter.render import windows as render
from callcenter.site import Site, Switch
from roles.host.operations import refuse
from roles.windows import facts, operations
from roles.windows.facts import FirewallRule
from roles.windows.powershell import path

__all__ = ["GROUP", "activate", "apply", "configure", "firewall_rules", "install", "preflight"]
__all__ += ["problems"]

GROUP = "FreeSWITCH"
"""Of the firewall's rules, by which they are found again."""

_FEATURES = ("ProductFeature", "ProductFeatureConf", "ProductFeatureSounds")
"""Not H264, which the MSI would fetch over plain http while it installs."""


def firewall_rules(site: Site) -> list[FirewallRule]:
    """Rules for exactly the Site's ports and FreeSWITCH's program; none where it has none."""
    if not site.firewall.enabled:
        return []
    # Anywhere is no address to Windows' firewall, but the absence of one.
    remote = () if "0.0.0.0/0" in site.network.sip_from else tuple(site.network.sip_from)
    first, last = site.network.rtp_ports
    ports = [
        *(
            (f"FreeSWITCH-SIP-{one.upper()}", one, str(site.network.sip_port))
            for one in site.network.transports
        ),
        ("FreeSWITCH-RTP-UDP", "udp", f"{first}-{last}"),
    ]
    return [
        FirewallRule(name, protocol, (port,), paths.PROGRAM, remote, GROUP)
        for name, protocol, port in ports
    ]


@deploy("FreeSWITCH on Windows: preflight")
def preflight(site: Site) -> None:
    """The Site says where FreeSWITCH comes from, and it is there. Changes nothing."""
    wrong = problems(site, _installed() if site.windows is not None else None)
    for line in wrong:
        logger.error(f"{host.print_prefix}{line}")
    refuse(name="FreeSWITCH's MSI is there", problems=wrong)


def problems(site: Site, installed: str | None) -> list[str]:
    """Why a Windows host with this version of FreeSWITCH cannot carry the Site, or nothing."""
    right = (
        f"windows=Msi('FreeSWITCH-{site.packages.version}-Release-x64.msi'), or its https address "
        "with sha256"
    )
    if site.windows is None:
        return [f"Site.windows: is missing, and this is a Windows host; give {right}"]
    needed = installed is None or operations.fields_of(installed) != operations.fields_of(
        site.packages.version
    )
    file = site.windows.path
    if needed and file is not None and not file.is_file():
        return [f"Site.windows.location: {file} is no file of this machine; give {right}"]
    return []


def _installed() -> str | None:
    found = host.get_fact(facts.MsiPackages).get(paths.PRODUCT_CODE)
    return None if found is None else found.version


@deploy("FreeSWITCH on Windows: install")
def install(site: Site) -> None:
    """FreeSWITCH at the Site's version."""
    # Preflight has refused the host where there is none, and pyinfra still prepares the rest.
    if site.windows is None:
        return
    operations.package(
        name="FreeSWITCH's MSI",
        product_code=paths.PRODUCT_CODE,
        version=site.packages.version,
        source=site.windows.path or site.windows.location,
        sha256=site.windows.sha256,
        properties={"INSTALLLOCATION": paths.INSTALLATION},
        features=_FEATURES,
        service=paths.SERVICE,
    )


@deploy("FreeSWITCH on Windows: configure")
def configure(site: Site) -> None:
    """Who may reach it, and how long its logs are kept."""
    operations.firewall_rules(name="Firewall rules", group=GROUP, wanted=firewall_rules(site))
    # forfiles fails where it finds nothing, which is no failure here.
    operations.scheduled_task(
        name="Logs are kept for 30 days",
        task="FreeSWITCH-retention",
        line=f'forfiles /p {path(paths.LOGS)} /m freeswitch.log.* /d -30 /c "cmd /c del @path" '
        ">nul 2>&1 & exit /b 0",
    )


@deploy("FreeSWITCH on Windows: activate")
def activate(site: Site, switch: Switch) -> None:
    """The configuration, the service, and what makes a running FreeSWITCH read the change."""
    wanted = render.configuration(site, switch)
    present = host.get_fact(facts.TreeDigests, folder=paths.CONFIG)
    difference = wanted.against(present)
    found = host.get_fact(facts.Service, service=paths.SERVICE)
    actions: tuple[str, ...] = ()
    if difference and found is not None and found.running:
        compared = [one for one in difference.paths if one.startswith(COMPARED)]
        before = host.get_fact(facts.Texts, folder=paths.CONFIG, names=compared) if compared else {}
        after = {file.path: file.text for file in wanted}
        chosen = plan(difference.paths, before, after)
        actions = tuple(one.command for one in chosen)
        if any(one.severity >= Severity.PROFILE for one in chosen):
            quiet(name="No call is up", policy=site.maintenance.live_calls)
    operations.tree(name="Configuration", folder=paths.CONFIG, wanted=wanted)
    operations.service(name="Service", service=paths.SERVICE)
    apply(name="FreeSWITCH reads it", actions=actions)


def _cli(command: str) -> StringCommand:
    # fs_cli reads its password from .fs_cli_conf below HOME: it is in no command line.
    return StringCommand(f'set "HOME={paths.CONFIG}"&& {path(paths.CLI)} -x "{command}"')


@operation()
def quiet(policy: str):  # type: ignore[no-untyped-def]
    """Before anything changes: may this change end calls? ``drain`` is ``stop`` on Windows."""

    def ask(state: State, host: Host) -> bool:
        _, output = host.run_shell_command(_cli("show calls count"))
        calls = re.search(r"(\d+) total", output.stdout)
        if policy == "drop" or (calls is not None and calls[1] == "0"):
            return True
        logger.error(f"{host.print_prefix}calls are up and this change would end them")
        return False

    yield FunctionCommand(ask, (), {})


@operation()
def apply(actions: Sequence[str]):  # type: ignore[no-untyped-def]
    """Words of :func:`callcenter.changes.plan`, carried out by fs_cli or the service manager."""

    def carry_out(state: State, host: Host) -> bool:
        for action in actions:
            word, _, rest = action.partition(" ")
            if action == "restart":
                service = f'"{paths.SERVICE}"'
                command = StringCommand(f"net stop {service}& net start {service}")
            elif word == "rescan":
                command = _cli(f"sofia profile {rest} rescan")
            elif word == "profile":
                command = _cli(f"sofia profile {rest} restart")
            else:
                command = _cli(action)
            good, output = host.run_shell_command(command)
            # fs_cli exits 0 on -ERR.
            if not good or "-ERR" in output.stdout:
                logger.error(f"{host.print_prefix}failed: {action}: {output.output.strip()}")
                return False
        return True

    if actions:
        yield FunctionCommand(carry_out, (), {})
