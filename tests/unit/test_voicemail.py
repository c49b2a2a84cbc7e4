"""Voicemail: PINs that nobody guesses, and what of it is on a host."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from callcenter.render import beside, freeswitch, paths, users
from callcenter.render.routing import explain, moment
from callcenter.site import (
    Extension,
    Guessers,
    Mailbox,
    Site,
    Smtp,
    Switch,
    Voicemail,
    hang_up,
    secret,
)
from callcenter.site.secrets import Secret, pin_weakness
from callcenter.site.where import needs_switch

pytestmark = pytest.mark.usefixtures("own_folder")

SWITCH = Switch("cc1.example.net", public_ip="203.0.113.10")
SMTP = Smtp(
    "m.b.net", sender="a@b.net", user="u", password=Secret(literal="correct-Horse-7battery")
)


def site(*extensions: Extension, **fields: Any) -> Site:
    return Site(
        "cc.example.net", extensions=extensions or [Extension(1000, voicemail=True)], **fields
    )


def text(made: Site) -> str:
    return "".join(file.text for file in freeswitch.configuration(made, SWITCH))


def test_a_pin_is_made_of_digits_and_is_not_weak() -> None:
    made = site(*Extension.range(1000, 1199, voicemail=True))
    pins = [made.reveal(one.mailbox.pin) for one in made.mailboxes if one.mailbox]
    assert len(set(pins)) > 150
    assert all(re.fullmatch(r"\d{6}", pin) and pin_weakness(pin) is None for pin in pins)
    kept = json.loads(Path(".secrets/cc.example.net.json").read_text())
    assert kept["voicemail/1000"] == pins[0]


def test_a_pin_of_another_name_is_made_of_digits_too() -> None:
    made = site(Extension(1000, voicemail=Mailbox(pin=secret("desk"))))
    assert re.fullmatch(r"\d{6}", _pin(made))


def _pin(made: Site) -> str:
    [owner] = made.mailboxes
    assert owner.mailbox is not None
    return made.reveal(owner.mailbox.pin)


def test_two_mailboxes_may_have_one_pin_by_chance() -> None:
    boxes = [
        Extension(number, voicemail=Mailbox(pin=Secret(literal="482915")))
        for number in (1000, 1001)
    ]
    assert len(site(*boxes).mailboxes) == 2


def test_the_switch_has_the_hash_of_a_pin_only() -> None:
    made = site()
    expected = hashlib.md5(f"1000:cc.example.net:{_pin(made)}".encode()).hexdigest()
    assert f'name="vm-a1-hash" value="{expected}"' in text(made)
    assert _pin(made) not in text(made)


def test_it_is_there_with_the_first_mailbox_only() -> None:
    without = site(
        Extension(1000),
        voicemail=Voicemail(check="*1"),
        smtp=SMTP,
        guessers=Guessers(enabled=False),
    )
    assert "mod_voicemail" not in freeswitch.modules(without)
    assert "voicemail" not in text(without)
    assert "*97" not in text(without)
    files = {file.path for file in beside.configuration(without, realtime=True)}
    assert files == {paths.USERS, paths.RELEASE_TOOL, paths.UNIT_DROP_IN, paths.LOGROTATE}
    assert "mod_voicemail" in freeswitch.modules(site())


def test_messages_that_are_kept_for_ever_have_no_timer() -> None:
    kept = beside.configuration(site(voicemail=Voicemail(keep_days=None)), realtime=True)
    assert not {f"{paths.VOICEMAIL_RETENTION}.timer", paths.VOICEMAIL_TOOL} & {
        one.path for one in kept
    }


def test_the_mail_password_is_in_a_file_of_its_own() -> None:
    mailed = site(Extension(1000, voicemail=Mailbox(email="desk@example.net")), smtp=SMTP)
    tree = beside.configuration(mailed, realtime=True)
    holding = [file for file in tree if b"Horse" in file.content]
    assert [(one.path, one.mode, one.group) for one in holding] == [
        (paths.SMTP_PASSWORD, 0o640, users.MAIL)
    ]
    assert "Horse" not in text(mailed)


def test_who_is_not_answered_is_led_to_the_mailbox_unless_the_site_says_otherwise() -> None:
    assert 'name="no_answer" value="voicemail-1000"' in text(site())
    elsewhere = Extension(1000, voicemail=True, no_answer=hang_up("USER_BUSY"))
    assert 'name="no_answer" value="hang-up-USER_BUSY"' in text(site(elsewhere))


def test_the_way_of_a_call_ends_in_the_mailbox() -> None:
    made = site()
    assert list(explain(made, "1000", moment("2026-01-01T10:00", made)))[-1] == (
        "the mailbox of 1000 takes a message"
    )
    assert list(explain(made, "*97", moment("2026-01-01T10:00", made))) == [
        "*97 is voicemail.check"
    ]


def test_edges_refuse_a_mailbox_by_name() -> None:
    lines = needs_switch(site(Extension(1000), Extension(1001, voicemail=True)))
    assert [line.partition(":")[0] for line in lines if "voicemail" in line] == [
        "Site.extensions[1].voicemail"
    ]
