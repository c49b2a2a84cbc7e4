"""FreeSWITCH's configuration, whole: what is not rendered here is not on the switch."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator

from callcenter.onhost import bans, release, voicemail_page
from callcenter.render import from_carriers, from_phones, paths, phrases, sounds
from callcenter.render._files import File, Tree
from callcenter.render._templates import plain, xml
from callcenter.render.services import (
    SERVICES,
    a1_hash,
    leads_on,
    legs,
    name_of,
    pin_hash,
    records,
    trunks,
    voices,
)
from callcenter.site import CODECS, Extension, Say, Site, Switch
from callcenter.site.web_phone import MESSAGES

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

CARRIERS = "carriers"
"""The access list of all that trunks come from."""

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


def heard_at(switch: Switch, edge: Switch) -> str:
    """Return the address at which FreeSWITCH hears Kamailio: loopback, where both are on one
    host."""
    return switch.loopback if edge == switch else switch.bind_address


def configuration(site: Site, switch: Switch, edge: Switch | None = None) -> Tree:
    """Render the tree below FreeSWITCH's configuration folder. The same Site gives the same bytes.
    ``edge``: Kamailio's host, where that is another one."""
    rendered = list(_files(site, switch, edge or switch))
    return Tree([*rendered, *sounds.files(site, rendered)])


def _files(site: Site, switch: Switch, edge: Switch) -> Iterator[File]:
    values = {
        "site": site,
        "switch": switch,
        "edge": edge,
        "profile": PROFILE,
        "modules": modules(site),
        "leads_on": leads_on(site),
        "records": records(site),
        "stun_answer": paths.STUN_ANSWER,
        "voices": voices(site),
        "legs": legs,
        "alarm_log": paths.ALARM_LOG,
    }

    def rendered(path: str, **more: object) -> File:
        return File(path, xml(f"freeswitch/{path}.j2", **values, **more), 0o640)

    said = {m: phrases.PHRASES[m][site.language] for m in modules(site) if m in phrases.PHRASES}
    hold_music = sounds.HOLD_MUSIC if site.hold_music is not None else "silence"
    yield rendered("freeswitch.xml", said=said, hold_music=hold_music)
    if said:
        sound = functools.partial(sounds.path, site)
        yield rendered("lang/phrases.xml", said=said, prompts=sounds.PROMPTS, sound=sound, Say=Say)
    for name in ("acl", "event_socket", "logfile", "modules", "sofia", "switch"):
        more = (
            {"password": site.reveal(site.event_socket.password)} if name == "event_socket" else {}
        )
        yield rendered(f"autoload_configs/{name}.conf.xml", acl=CARRIERS, **more)
    if LUA in modules(site):
        yield rendered("autoload_configs/lua.conf.xml", said=LUA_IS_UP)
    if "OPUS" in site.media.codecs:
        yield rendered("autoload_configs/opus.conf.xml")
    host = f"[{edge.bind_address}]" if ":" in edge.bind_address else edge.bind_address
    yield rendered(
        f"sip_profiles/{PROFILE}.xml",
        acl=CARRIERS,
        heard_at=heard_at(switch, edge),
        proxy=f"{host}:{site.network.sip_port}",
    )
    for name, trunk in trunks.profiles(site).items():
        yield File(
            f"sip_profiles/{name}.xml",
            xml(
                f"freeswitch/sip_profiles/{trunks.PROFILE}.xml.j2",
                **values,
                name=name,
                trunk=trunk,
                scope=trunks.advertised_scope(site, name),
                acl=trunk.name if trunk else CARRIERS,
                certificates=f"{paths.CURRENT}/certificates",
            ),
            0o640,
        )
    yield from_phones.file(site, PROFILE)
    yield from_carriers.file(site)
    yield rendered("dialplan/services.xml")
    for service in SERVICES:
        yield from service.files(site)
    yield rendered("directory/default.xml")
    if users := _logins(site, switch):
        yield rendered("directory/event_socket.xml", users=users)
    agents = frozenset(agent.extension for agent in site.agents)
    for block, extensions in _blocks(site):
        yield File(
            f"directory/users/{block}.xml",
            xml(
                "freeswitch/directory/users.xml.j2",
                **values,
                name_of=name_of,
                agents=agents,
                users=[(one, a1_hash(site, one), pin_hash(site, one)) for one in extensions],
            ),
            0o640,
        )
    yield File(
        CLI_CONFIG,
        plain(
            "freeswitch/fs_cli.conf.j2",
            port=site.event_socket.port,
            password=site.reveal(site.event_socket.password),
        ),
        0o640,
    )


def _logins(site: Site, switch: Switch) -> list[tuple[str, str, str, str]]:
    """List name, password, events and commands of each program that has a login at the Event
    Socket."""
    out = [
        (one.name, site.reveal(one.password), _events(one.events), " ".join(one.commands))
        for one in site.event_socket.users
    ]
    if site.shuts_out and not switch.is_windows:
        out.append((bans.LOGIN, site.reveal(site.guessers.password), _events(bans.EVENTS), ""))
    if site.shows_messages:
        commands = " ".join(voicemail_page.COMMANDS)
        out.append((voicemail_page.LOGIN, site.reveal(MESSAGES), "", commands))
    return out


def _events(names: Iterable[str]) -> str:
    """Render events as FreeSWITCH reads them: after CUSTOM come subclasses alone."""
    custom = [event for event in names if "::" in event]
    own = [event for event in names if "::" not in event]
    return " ".join([*own, *(["CUSTOM", *custom] if custom else [])])


def _blocks(site: Site) -> Iterator[tuple[str, list[Extension]]]:
    """Yield a file for each hundred numbers: one new extension uploads a hundred, not ten
    thousand."""
    ordered = sorted(site.extensions, key=lambda one: (len(one.number), one.number))
    for prefix, members in itertools.groupby(
        ordered, key=lambda one: one.number[:-2] + "x" * min(2, len(one.number))
    ):
        yield prefix, list(members)
