"""T3: voicemail is left, the phone's light tells of it, and the PIN alone opens it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from callcenter import render
from callcenter.client.inventory import Host
from callcenter.render import paths, users
from callcenter.render.services import pins
from callcenter.site import Extension, Site, ToVoicemail
from tests.acceptance.support.audio import (
    Pcm,
    assert_heard,
    assert_not_heard,
    describe,
    seconds_of,
)
from tests.acceptance.support.given import Given
from tests.acceptance.support.given import caller as caller_used
from tests.acceptance.support.ladder import Message
from tests.acceptance.support.logs import Log
from tests.acceptance.support.phones import Call, Phone
from tests.acceptance.support.proofs import not_tried
from tests.acceptance.support.uses import Grant, Uses, some, uses
from tests.acceptance.support.waiting import PATIENCE
from tests.acceptance.test_t2_call import CALLER_HZ, MakePhone, press

BEEP_HZ = (640, 1280)
"""FreeSWITCH plays its tones twice as high and half as long to Opus."""
BEEP_SECONDS = 0.2
PROMPT_SECONDS = 40
"""The longest that FreeSWITCH may speak before what is waited for."""
SPOKEN_SECONDS, HEARD_SECONDS = 4, 2
DELETE = "7"


@dataclass(frozen=True)
class Box:
    """The mailbox of a test extension, and what it holds."""

    owner: Extension
    domain: str
    pin: str
    check: str
    ask: Callable[[str], str]

    def messages(self) -> list[str]:
        """Return what the mailbox holds, a line a message."""
        said = self.ask(f"vm_list {self.owner.number}@{self.domain}")
        return [line for line in said.splitlines() if line[:1].isdigit()]


def box_used(given: Given) -> Uses:
    """Return a mailbox, and somebody who calls its owner."""
    owners = [number for number in given.free if given.site.extension_by_number[number].mailbox]
    return some("box", 1, given.extensions(owners))


@pytest.fixture
@uses(box_used)
def box(
    site: Site, granted: Grant, fs_cli: Callable[[str], str], hide: Callable[[str], str]
) -> Iterator[Box]:
    """A mailbox among the extensions that the phones are, empty before and after."""
    owner = next((site.extension_by_number[one] for one in granted.names("box")), None)
    if owner is None or owner.mailbox is None:
        pytest.skip("no extension that --phones names has a mailbox")
    if site.voicemail.check is None:
        pytest.skip("the Site has no number by which a mailbox is heard")
    pin = hide(site.reveal(owner.mailbox.pin))
    made = Box(owner, site.domain, pin, site.voicemail.check, fs_cli)
    if made.messages():
        not_tried(f"the mailbox of {owner.number} holds messages that are not this test's")
    yield made
    # Attempts count for an hour, and however often a Site is proved in it, nobody is kept out.
    fs_cli(f"limit_interval_reset hash pin {pins.OWN}{owner.number}")
    if made.messages():
        fs_cli(f"vm_delete {owner.number}@{site.domain}")


@pytest.fixture
@uses(caller_used)
def caller(box: Box, granted: Grant, phone: MakePhone) -> Phone:
    """Who leaves messages."""
    for number in granted.names("caller"):
        return phone(number)
    not_tried("--phones names nobody but the mailbox's owner")


def light(phone: Phone, on: bool, after: float = 0.0) -> Message:
    """Return the NOTIFY that switched the phone's light on or off, sent after a moment."""
    words = f"Messages-Waiting: {'yes' if on else 'no'}"

    def tells(message: Message) -> bool:
        event = message.header("event").partition(";")[0]
        return (
            message.method == "NOTIFY"
            and message.status is None
            and event == "message-summary"
            and message.at > after
            and words in message.text
        )

    return phone.wait_message(tells)


def await_beep(call: Call, timeout: float = PATIENCE) -> None:
    """Wait until FreeSWITCH has answered and asks to speak."""

    def beeped(pcm: Pcm) -> bool:
        heard = sum(seconds_of(hz, pcm.samples, pcm.rate) for hz in BEEP_HZ)
        return heard >= BEEP_SECONDS

    call.wait_established(timeout)
    heard = call.listen(beeped, PROMPT_SECONDS)
    assert beeped(heard), f"no beep was heard:\n{describe(heard)}"


def speak_after_beep(call: Call, seconds: float) -> None:
    """Wait for the beep, then say something for so long."""
    await_beep(call)
    call.play(CALLER_HZ)
    call.wait_played(seconds)


def leave(caller: Phone, owner: Phone, seconds: float = SPOKEN_SECONDS) -> None:
    """Leave a message with somebody who rejects the call."""
    call = caller.call(owner.user)
    owner.incoming().reject()
    speak_after_beep(call, seconds)
    call.hangup()


def test_left_and_heard(
    box: Box, caller: Phone, phone: MakePhone, fs_cli: Callable[[str], str], host: Any
) -> None:
    """A message lights the light, is heard with the PIN, and deleted it is gone and the light off;
    the PIN is not in the log"""
    owner = phone(box.owner)
    leave(caller, owner)
    lit = light(owner, on=True)
    [message] = box.messages()
    file = message.split(":")[5]
    assert file.startswith(f"{paths.VOICEMAIL}/")
    assert host.file(file).exists

    log = Log(host)
    call = owner.call(box.check)
    press(call, f"{box.pin}#")
    assert_heard(call, CALLER_HZ, HEARD_SECONDS, wait=PROMPT_SECONDS)
    call.send_dtmf(DELETE)
    light(owner, on=False, after=lit.at)
    call.hangup()

    assert box.messages() == []
    assert not host.file(file).exists
    mine = log.of_calls([box.owner.number])
    assert mine, "the call is not in the log at all"
    assert [line for line in mine if "DTMF" in line or box.pin in line] == []


def test_wrong_pin(box: Box, site: Site, caller: Phone, phone: MakePhone) -> None:
    """A wrong PIN opens nothing; the right one opens the mailbox from another phone, too"""
    owner = phone(box.owner)
    leave(caller, owner)
    light(owner, on=True)
    call = owner.call(box.check)
    other = int(box.pin[0]) ^ 1
    press(call, f"{other}{box.pin[1:]}#")
    assert call.wait_ended(timeout=3 * PROMPT_SECONDS).by == "them"
    assert_not_heard(call, CALLER_HZ)
    [message] = box.messages()
    assert message.split(":")[1] == "0", "the message counts as heard"
    if site.voicemail.check_any is not None:
        call = caller.call(site.voicemail.check_any)
        press(call, f"{box.owner.number}#")
        call.forget()
        press(call, f"{box.pin}#")
        assert_heard(call, CALLER_HZ, HEARD_SECONDS, wait=PROMPT_SECONDS)
        call.hangup()


@pytest.mark.parametrize("why", ["nobody answers", "no phone"])
def test_leads_on(site: Site, box: Box, caller: Phone, phone: MakePhone, why: str) -> None:
    """Who is not answered comes to the mailbox"""
    if not isinstance(box.owner.unanswered, ToVoicemail):
        pytest.skip(f"callers of {box.owner.number} are led elsewhere")
    owner = phone(box.owner) if why == "nobody answers" else None
    call = caller.call(box.owner.number)
    if owner is not None:
        owner.incoming()
    await_beep(call, timeout=box.owner.ring_seconds + PATIENCE)
    call.hangup()
    # A busy machine may take a while to hang up, and so long a silence is a message.
    seconds = [int(message.rpartition(":")[2]) for message in box.messages()]
    too_short = [one for one in seconds if one < site.voicemail.min_seconds]
    assert too_short == [], "a caller who hung up left a message"


def without_used(given: Given) -> Uses:
    """Return an extension without a mailbox."""
    without = [one for one in given.free if not given.site.extension_by_number[one].mailbox]
    return some("without", 1, given.extensions(without))


@uses(without_used)
def test_no_mailbox(granted: Grant, phone: MakePhone, box: Box) -> None:
    """Who has no mailbox is refused one"""
    without = granted.names("without")
    if not without:
        pytest.skip("every one of the phones' extensions has a mailbox")
    assert phone(without[0]).call(box.check).wait_ended().code is not None


def test_timer(site: Site, host: Any, node: Host) -> None:
    """Old messages are deleted by a timer, where the Site says so"""
    if node.is_edge or node.switch.is_windows:
        pytest.skip(f"{node.name} is no Linux switch, and has no such timer")
    wanted = bool(site.mailboxes) and site.voicemail.keep_days is not None
    timer = host.service(paths.VOICEMAIL_RETENTION.rpartition("/")[2] + ".timer")
    assert timer.is_running == wanted
    assert timer.is_enabled == wanted


def test_mail_server(site: Site, host: Any) -> None:
    """What mails reaches the mail server, and its certificate is good; the password is closed"""
    if site.smtp is None or not render.services.mail.sends_mail(site):
        pytest.skip("the Site sends no mail")
    asked = host.run(f"runuser -u {users.MAIL} -- msmtp -C {paths.SMTP_CONFIG} --serverinfo")
    assert asked.rc == 0, asked.stderr
    if site.smtp.password is not None:
        file = host.file(paths.SMTP_PASSWORD)
        assert (file.user, file.group, file.mode) == ("root", users.MAIL, 0o640)
