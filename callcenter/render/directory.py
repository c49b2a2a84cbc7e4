"""FreeSWITCH's directory: how an extension is rung, who it is, and who may log in beside phones."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from markupsafe import Markup

from callcenter.onhost import bans, voicemail_page
from callcenter.render._files import File
from callcenter.render.services import a1_hash, legs, name_of, pin_hash
from callcenter.render.services._dialplan import config
from callcenter.render.services._voice import Voice
from callcenter.site import Extension, Site, Switch
from callcenter.site.web_phone import MESSAGES

__all__ = ["User", "dial_string", "files", "user"]


def files(site: Site, switch: Switch) -> Iterator[File]:
    """Yield the domains, and a file for each hundred extensions."""
    quota = site.voicemail.mailbox_minutes * 60 if site.mailboxes else None
    dialled = dial_string(site)
    yield config("directory/default.xml", site, dial_string=dialled, mailbox_seconds=quota)
    if users := _logins(site, switch):
        yield config("directory/event_socket.xml", site, users=users)
    agents = frozenset(agent.extension for agent in site.agents)
    for block, extensions in _blocks(site):
        users_of = [user(site, one, one.number in agents) for one in extensions]
        made = config("directory/users.xml", site, users=users_of)
        yield File(f"directory/users/{block}.xml", made.content, made.mode)


def dial_string(site: Site) -> Markup:
    """Return what rings the phones of any extension."""
    user, domain = "${dialed_user}", "${dialed_domain}"
    said = [
        # Without it, late negotiation offers the callee the caller's codecs only, and none is
        # transcoded.
        *(["media_mix_inbound_outbound_codecs=true"] if Voice.of(site).is_decoded else []),
        f"phone_of={user}",
        f"sip_invite_domain={domain}",
        f"presence_id={user}@{domain}",
    ]
    # Read here, so that nothing rings such an extension: no group, no queue, no intercom.
    quiet = f"${{db(select/do-not-disturb/{user})}}" if site.features.do_not_disturb else ""
    if site.network.edge:
        rung = legs(site, user, domain, quiet)
    else:
        rung = Markup(f"${{sofia_contact(*/{user}@{domain}{quiet})}}")
    return Markup(f"{{{','.join(said)}}}{rung}")


@dataclass(frozen=True)
class User:
    """An extension, as the directory has it."""

    number: str
    a1_hash: str
    pin_hash: str | None
    """Hash of its mailbox's PIN, where it has one."""
    is_agent: bool
    variables: tuple[tuple[str, str], ...]
    """Variables that its calls have, and that the dialplan asks for."""


def user(site: Site, extension: Extension, is_agent: bool) -> User:
    """Return an extension as the directory has it."""
    variables = tuple(_variables(site, extension, is_agent))
    hashes = a1_hash(site, extension), pin_hash(site, extension)
    return User(extension.number, *hashes, is_agent, variables)


def _variables(site: Site, extension: Extension, is_agent: bool) -> Iterator[tuple[str, str]]:
    yield "user_context", "default"
    yield "effective_caller_id_number", extension.number
    yield "effective_caller_id_name", extension.name or extension.number
    yield "ring_seconds", str(extension.ring_seconds)
    for name, to in (
        ("no_answer", extension.unanswered),
        ("busy", extension.busy),
        ("not_registered", extension.not_registered),
    ):
        if to is not None:
            yield name, name_of(to)
    if extension.routes:
        yield "routes", " ".join(extension.routes)
    if extension.caller_id is not None:
        yield "outside_number", extension.caller_id
    if site.emergency and extension.called_back_at is not None:
        yield "emergency_number", extension.called_back_at
    if extension.account is not None:
        yield "account", extension.account
    if extension.pickup_groups:
        yield "pickup_groups", " ".join(extension.pickup_groups)
    if is_agent:
        yield "agent", extension.number
    if extension.record:
        yield "record_calls", "true"


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
