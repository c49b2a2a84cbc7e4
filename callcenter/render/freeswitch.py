"""FreeSWITCH's configuration, whole: what is not rendered here is not on the switch."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterator

from callcenter.onhost import release
from callcenter.render import (
    directory,
    from_carriers,
    from_phones,
    paths,
    phrases,
    sip_profiles,
    sounds,
)
from callcenter.render._files import File, Tree
from callcenter.render._templates import plain, xml
from callcenter.render.services import SERVICES, SRTP_SUITES, trunks
from callcenter.site import CODECS, Site, Switch

__all__ = [
    "CLI_CONFIG",
    "LUA_IS_UP",
    "PROFILE",
    "configuration",
    "modules",
    "packages",
    "profiles",
]

PROFILE = "internal"
"""The sofia profile that phones register with."""

LUA_IS_UP = "Lua is up"
"""Line that FreeSWITCH logs once Lua has started, before any call can ask for it."""

CLI_CONFIG = release.CLI_CONFIG
"""Login of fs_cli. It belongs to a release, since a release may change port and password."""

LUA = "mod_lua"

_BASE_MODULES = (
    "mod_logfile",
    "mod_event_socket",
    "mod_commands",
    "mod_dptools",
    "mod_sndfile",
    "mod_dialplan_xml",
    # It counts what a phone may take of the switch.
    "mod_hash",
    "mod_sofia",
)


def modules(site: Site) -> tuple[str, ...]:
    """List the modules that the Site needs, in the order in which they load."""
    wanted = [*_BASE_MODULES]
    if site.features.tone is not None:
        wanted.append("mod_tone_stream")
    wanted += sorted({module for codec in site.media.codecs if (module := CODECS[codec])})
    served = {module for service in SERVICES for module in service.modules(site)}
    # Others connect by it when they load.
    wanted += sorted(served, key=lambda module: (module != "mod_pgsql", module))
    if LUA in served:
        # No call comes before it is up: mod_sofia loads later.
        wanted.insert(1, LUA)
    if any(module in phrases.PHRASES for module in wanted):
        wanted.append(f"mod_say_{site.language}")
    return tuple(dict.fromkeys(wanted))


def profiles(site: Site) -> tuple[str, ...]:
    """List the sofia profiles that run."""
    return (PROFILE, *trunks.profiles(site))


def packages(site: Site) -> tuple[str, ...]:
    """List the Debian packages that hold the daemon and those modules, and no others."""
    return (
        "freeswitch",
        "freeswitch-systemd",
        *(f"freeswitch-{module.replace('_', '-')}" for module in modules(site)),
    )


def configuration(site: Site, switch: Switch, edge: Switch | None = None) -> Tree:
    """Render the tree below FreeSWITCH's configuration folder. The same Site gives the same bytes.
    ``edge``: Kamailio's host, where that is another one."""
    rendered = list(_files(site, switch, edge or switch))
    return Tree([*rendered, *sounds.files(site, rendered)])


def _files(site: Site, switch: Switch, edge: Switch) -> Iterator[File]:
    values = {
        "site": site,
        "switch": switch,
        "edge_network": ipaddress.ip_network(edge.bind_address),
        "modules": modules(site),
        "stun_answer": paths.STUN_ANSWER,
        "alarm_log": paths.ALARM_LOG,
        # A call has two legs, and FreeSWITCH counts legs.
        "legs": site.media.max_calls * 2,
        "legs_per_second": site.media.max_calls_per_second * 2,
    }

    def rendered(path: str, **more: object) -> File:
        return File(path, xml(f"freeswitch/{path}.j2", **values, **more), 0o640)

    said = {m: phrases.PHRASES[m][site.language] for m in modules(site) if m in phrases.PHRASES}
    hold_music = sounds.HOLD_MUSIC if site.hold_music is not None else "silence"
    yield rendered("freeswitch.xml", said=said, hold_music=hold_music, suites=SRTP_SUITES)
    if said:
        sound = functools.partial(sounds.path, site)
        macros = [one for known in said.values() for one in phrases.macros(known, site.language)]
        yield rendered("lang/phrases.xml", macros=macros, prompts=sounds.PROMPTS, sound=sound)
    for name in ("acl", "event_socket", "logfile", "modules", "sofia", "switch"):
        more = (
            {"password": site.reveal(site.event_socket.password)} if name == "event_socket" else {}
        )
        yield rendered(f"autoload_configs/{name}.conf.xml", acl=sip_profiles.CARRIERS, **more)
    if LUA in modules(site):
        yield rendered("autoload_configs/lua.conf.xml", said=LUA_IS_UP)
    if "OPUS" in site.media.codecs:
        yield rendered("autoload_configs/opus.conf.xml")
    yield sip_profiles.phones(site, switch, edge, PROFILE)
    yield from sip_profiles.carriers(site, switch)
    yield from_phones.file(site, PROFILE)
    yield from_carriers.file(site)
    yield rendered("dialplan/services.xml")
    for service in SERVICES:
        yield from service.files(site)
    yield from directory.files(site, switch)
    yield File(
        CLI_CONFIG,
        plain(
            "freeswitch/fs_cli.conf.j2",
            port=site.event_socket.port,
            password=site.reveal(site.event_socket.password),
        ),
        0o640,
    )
