"""What a difference between two configurations costs, and the gentlest actions that apply it.

Actions are words of ``callcenter/onhost/release.py``, ordered from harmless to harsh. Only
the last two can end a call, so only they wait for :class:`~callcenter.site.Maintenance`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from xml.etree import ElementTree

from callcenter.render._actions import DISTRIBUTOR, RELOADXML, RESTART, VOICEMAIL, Action, Severity
from callcenter.render.services import SERVICES

__all__ = ["COMPARED", "RESTART", "Action", "Severity", "plan", "restarted", "undo"]


MODULES = "autoload_configs/modules.conf.xml"
SWITCH = "autoload_configs/switch.conf.xml"
PROFILES = "sip_profiles/"

QUEUES = "autoload_configs/callcenter.conf.xml"

COMPARED = (MODULES, SWITCH, QUEUES, PROFILES)
"""Files (or folders) whose old content is asked of the host, since the cost of a change depends on
which of their parameters it touches. None of them holds a secret."""

# reloadxml alone makes FreeSWITCH read these; the others are read once, by what is named. What is a
# service's is said in its module.
_BY_PATH: tuple[tuple[str, Action | None], ...] = (
    ("freeswitch.xml", None),
    ("dialplan/", None),
    ("directory/", None),
    (".fs_cli_conf", None),
    ("autoload_configs/sofia.conf.xml", None),
    # mod_lua reads it when it loads, and never again.
    ("autoload_configs/lua.conf.xml", None),
    ("sounds/", None),
    ("scripts/", None),
    ("lang/", None),
    ("autoload_configs/acl.conf.xml", Action(Severity.RELOAD, "reloadacl")),
    ("autoload_configs/opus.conf.xml", Action(Severity.MODULE, "reload mod_opus")),
    ("autoload_configs/logfile.conf.xml", Action(Severity.MODULE, "reload mod_logfile")),
    ("autoload_configs/event_socket.conf.xml", Action(Severity.MODULE, "reload mod_event_socket")),
    *(pair for service in SERVICES for pair in service.costs.items()),
)

_SWITCH_AT_RUN_TIME = {
    "max-sessions": "fsctl max_sessions",
    "sessions-per-second": "fsctl sps",
    "loglevel": "fsctl loglevel",
}

# A rescan parses a profile's settings again but neither binds again nor forgets what was removed.
_PROFILE_BY_RESCAN = frozenset(
    {
        "aggressive-nat-detection",
        "context",
        "enable-chat",
        "inbound-codec-negotiation",
        "inbound-codec-prefs",
        "liberal-dtmf",
        "local-network-acl",
        "log-auth-failures",
        "max-registrations-per-extension",
        "nonce-ttl",
        "outbound-codec-prefs",
        "session-timeout",
    }
)

_KEPT = frozenset({"mod_httapi", "mod_lua", "mod_valet_parking"})
"""Modules that FreeSWITCH never unloads while it runs, and mod_httapi, which is still called at the
end of each call that has been with it."""

_PARAM = re.compile(r'<param name="([^"]+)" value="([^"]*)"')
_LOAD = re.compile(r'<load module="(mod_[a-z0-9_]+)"')
_GATEWAY = re.compile(r"gateways/(tls/)?([a-z0-9-]+)\.xml")
_CERTIFICATES = re.compile(r"certificates/([a-z0-9-]+)/[a-z]+\.pem")
_PROFILE_NAME = re.compile(r"sip_profiles/([a-z0-9_-]+)\.xml")


def plan(
    paths: Iterable[str], before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[Action, ...]:
    """List the actions that apply a change of ``paths`` to a running FreeSWITCH: reloadxml, then
    the gentlest first.

    ``before`` and ``after`` hold the contents of the :data:`COMPARED` files by path.
    """
    paths = tuple(paths)
    actions = {RELOADXML} if paths else set()
    actions |= _needed(paths, before, after)
    if RESTART in actions:
        return (RELOADXML, RESTART)
    return tuple(sorted(actions, key=lambda one: (one != RELOADXML, _late(one), one)))


def restarted(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """Return the actions of a :func:`plan` where FreeSWITCH has to start anew as well, which makes
    all but reloadxml needless."""
    return (*actions[:1], RESTART)


def _late(action: Action) -> tuple[Severity, bool]:
    """Return a key that puts mod_nibblebill last: it connects when it loads, by the module that is
    before it or not at all."""
    return action.severity, action.command == "load mod_nibblebill"


def undo(
    paths: Iterable[str], before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[Action, ...]:
    """List the actions that take back the gentle actions of a :func:`plan` that was not accepted,
    once FreeSWITCH has read the old configuration again."""
    back = _needed(paths, after, before)
    # A profile that was started has no calls yet.
    gentle = (one for one in back if one.severity <= Severity.MODULE or "stop " in one.command)
    return tuple(sorted(gentle))


def _needed(
    paths: Iterable[str], before: Mapping[str, str], after: Mapping[str, str]
) -> set[Action]:
    actions = {
        action for path in paths for action in _for_path(path, before.get(path), after.get(path))
    }
    # A module that comes or goes reads its file then, or never again.
    moved = {
        one.command.split()[1] for one in actions if one.command.startswith(("load", "unload"))
    }
    read = {f"reload {m}" for m in moved}
    if "mod_voicemail" in moved:
        read.add(VOICEMAIL.command)
    if "mod_distributor" in moved:
        read.add(DISTRIBUTOR.command)
    # So does a profile with its gateways and certificates.
    for word, _, profile in [one.command.partition(" ") for one in actions]:
        if word in ("start", "stop", "profile"):
            read |= {
                one.command for one in actions if one.command.startswith(f"gateway {profile} ")
            }
        if word in ("start", "stop"):
            read.add(f"profile {profile}")
    return {one for one in actions if one.command not in read}


def _for_path(path: str, before: str | None, after: str | None) -> Iterator[Action]:
    if path == MODULES and before is not None and after is not None:
        running, wanted = _LOAD.findall(before), _LOAD.findall(after)
        yield from (Action(Severity.MODULE, f"load {m}") for m in wanted if m not in running)
        for module in running:
            if module in _KEPT and module not in wanted:
                yield RESTART
            elif module not in wanted:
                yield Action(Severity.MODULE, f"unload {module}")
    elif path == SWITCH and before is not None and after is not None:
        old, new = dict(_PARAM.findall(before)), dict(_PARAM.findall(after))
        for name in sorted(_differing(old, new)):
            if name in _SWITCH_AT_RUN_TIME and name in new:
                yield Action(Severity.RELOAD, f"{_SWITCH_AT_RUN_TIME[name]} {new[name]}")
            else:
                yield RESTART
    elif path == QUEUES:
        # Without it before or after, the module comes or goes, and reads all or lets go of all.
        if before is not None and after is not None:
            for command in _queues(ElementTree.fromstring(before), ElementTree.fromstring(after)):
                yield Action(Severity.RELOAD, f"callcenter_config {command}")
    elif (trunk := _GATEWAY.fullmatch(path)) is not None:
        profile_name = f"tls-{trunk[2]}" if trunk[1] else "external"
        yield Action(Severity.RELOAD, f"gateway {profile_name} {trunk[2]}")
    elif (own := _CERTIFICATES.fullmatch(path)) is not None:
        yield Action(Severity.PROFILE, f"profile tls-{own[1]}")
    elif (profile := _PROFILE_NAME.fullmatch(path)) is not None:
        old, new = dict(_PARAM.findall(before or "")), dict(_PARAM.findall(after or ""))
        if not old:
            yield Action(Severity.MODULE, f"start {profile[1]}")
        elif not new:
            yield Action(Severity.PROFILE, f"stop {profile[1]}")
        elif _differing(old, new) <= _PROFILE_BY_RESCAN & new.keys():
            yield Action(Severity.RELOAD, f"rescan {profile[1]}")
        else:
            yield Action(Severity.PROFILE, f"profile {profile[1]}")
    else:
        for prefix, action in _BY_PATH:
            if path == prefix or (prefix.endswith("/") and path.startswith(prefix)):
                if action is not None:
                    yield action
                return
        # A file nobody thought of is applied harshly rather than never.
        yield RESTART


def _queues(before: ElementTree.Element, after: ElementTree.Element) -> Iterator[str]:
    """Yield commands of mod_callcenter. In alphabetical order agents and queues are there before
    their tiers, so no caller is lost and nobody is logged out who is not taken out."""
    old, new = _by_name(before, "agents/agent", "name"), _by_name(after, "agents/agent", "name")
    for (name,), agent in new.items():
        if (name,) not in old:
            yield f"agent add {name} {agent.get('type')}"
        if old.get((name,)) is None or old[name,].attrib != agent.attrib:
            yield f"agent reload {name}"
    yield from (f"agent del {name}" for (name,) in old.keys() - new.keys())
    old, new = _by_name(before, "queues/queue", "name"), _by_name(after, "queues/queue", "name")
    for (name,), queue in new.items():
        if (name,) not in old:
            yield f"queue load {name}"
        elif ElementTree.tostring(old[name,]) != ElementTree.tostring(queue):
            yield f"queue reload {name}"
    yield from (f"queue unload {name}" for (name,) in old.keys() - new.keys())
    keys = ("queue", "agent")
    old, new = _by_name(before, "tiers/tier", *keys), _by_name(after, "tiers/tier", *keys)
    for (queue_name, agent_name), tier in new.items():
        if (queue_name, agent_name) not in old:
            place = f"{tier.get('level')} {tier.get('position')}"
            yield f"tier add {queue_name} {agent_name} {place}"
        elif old[queue_name, agent_name].attrib != tier.attrib:
            yield f"tier reload {queue_name} {agent_name}"
    yield from (f"tier del {' '.join(key)}" for key in old.keys() - new.keys())


def _by_name(
    configuration: ElementTree.Element, path: str, *keys: str
) -> dict[tuple[str, ...], ElementTree.Element]:
    return {tuple(one.get(key, "") for key in keys): one for one in configuration.iterfind(path)}


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> set[str]:
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
