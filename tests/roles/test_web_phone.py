"""A phone in a browser: Chromium, the page that the switch serves, and WebRTC."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.support.audio import assert_heard
from tests.acceptance.support.phones import Exchange
from tests.browsers import Page, browser
from tests.certificates import Authority
from tests.roles.conftest import SITE, Operator
from tests.roles.support import CALLEE_HZ, CALLER_HZ, phone_of

HOST = "web1"
DOMAIN = "roles.callcenter.test"
QUEUE = "7000"
BOX = "1010"
ONE, TWO = "1020", "1021"
HZ = {ONE: 500, TWO: 900}
"""Tone of each browser's microphone, by its extension."""


MORE = f"""web_phone=WebPhone(), agents=[Agent({TWO}, skills={{"sales": 1}})],
    queues=[Queue("sales", number={QUEUE})], """
# Whoever presses a button has a minute for it.
EXTENSIONS = f"""extensions=[Extension({ONE}, name="O'Neill & Söhne", ring_seconds=60),
    Extension({TWO}, ring_seconds=60, busy=extension(1003)), Extension({BOX}, voicemail=True), """


@dataclass(frozen=True)
class Served:
    """A switch that serves the page, and the authority of its certificate."""

    operator: Operator
    authority: Authority

    @property
    def address(self) -> str:
        """The switch's."""
        return next(one.address for one in self.operator.lab.hosts if one.name == HOST)

    def describe(self, tls: str = ", wss=Wss()", more: str = MORE) -> None:
        """Give the Site a new certificate, and say more of it."""
        certificate, key = self.authority.certificate(DOMAIN)
        kept = json.loads(self.operator.secrets.read_text())
        self.operator.secrets.write_text(json.dumps(kept | {"phones-key": key.read_text()}))
        given = f"PhoneTls('{certificate}', secret('phones-key'){tls})"
        site = SITE.replace("Network(", f"Network(edge=True, tls={given}, ")
        site = site.replace("extensions=[", EXTENSIONS)
        self.operator.describe(site.replace("media=", f"{more}media="))

    def password(self, number: str) -> str:
        """An extension's."""
        known: str = json.loads(self.operator.secrets.read_text())[f"extension/{number}"]
        return known


@pytest.fixture(scope="module")
def switch(
    operator_of: Callable[..., Operator], tmp_path_factory: pytest.TempPathFactory
) -> Served:
    """A switch that serves the page."""
    made = Served(operator_of(HOST), Authority.make(tmp_path_factory.mktemp("web") / "own"))
    made.operator.secrets.write_text("{}")
    made.operator.secrets.chmod(0o600)
    made.describe()
    made.operator.succeed()
    return made


@pytest.fixture
def exchange(switch: Served) -> Iterator[Exchange]:
    """Desk phones."""
    with Exchange(switch.operator.lab.gateway, ca_file=switch.authority.file) as made:
        yield made


@pytest.fixture(scope="module")
def pages(switch: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Page]]:
    """Two browsers that are logged in, by extension."""
    home = tmp_path_factory.mktemp("browsers")
    url = f"https://{DOMAIN}/"
    with ExitStack() as stack:
        made = {}
        for number, hz in HZ.items():
            page = stack.enter_context(
                browser(home / number, url, switch.address, switch.authority.file, hz)
            )
            page.log_in(number, switch.password(number))
            page.ready()
            made[number] = page
        yield made


def test_two_browsers_talk(pages: dict[str, Page]) -> None:
    one, other = pages[ONE], pages[TWO]
    one.dial(TWO)
    other.shows(f"{ONE}: ringing")
    other.click("answer")
    one.shows(f"{TWO}: talking")
    one.hears(HZ[TWO])
    other.hears(HZ[ONE])
    one.click("hangup")
    other.shows()
    one.shows()


def test_a_desk_phone_calls_a_browser(
    switch: Served, pages: dict[str, Page], exchange: Exchange
) -> None:
    page = pages[ONE]
    desk = phone_of(switch.operator, HOST, exchange, "1001")
    call = desk.call(ONE)
    page.shows("1001: ringing")
    page.click("answer")
    call.wait_established()
    call.play(CALLER_HZ)
    page.hears(CALLER_HZ)
    assert_heard(call, HZ[ONE], 0.5)
    page.click("hold")
    page.shows("1001: held")
    page.click("resume")
    page.shows("1001: talking")
    page.hears(CALLER_HZ)
    call.hangup()
    page.shows()


def test_a_browser_calls_a_desk_phone(
    switch: Served, pages: dict[str, Page], exchange: Exchange
) -> None:
    page = pages[ONE]
    desk = phone_of(switch.operator, HOST, exchange, "1001")
    page.dial("1001")
    call = desk.incoming().answer()
    call.play(CALLEE_HZ)
    page.shows("1001: talking")
    page.hears(CALLEE_HZ)
    assert_heard(call, HZ[ONE], 0.5)
    call.hangup()
    page.shows()


def test_a_browser_transfers(switch: Served, pages: dict[str, Page], exchange: Exchange) -> None:
    """To a number, and by connecting the two whom it has in calls of its own."""
    page, other = pages[ONE], pages[TWO]
    desk = phone_of(switch.operator, HOST, exchange, "1001")
    call = desk.call(ONE)
    page.click("answer")
    call.wait_established()
    call.play(CALLER_HZ)
    page.hears(CALLER_HZ)
    page.type(TWO)
    page.click("transfer")
    other.click("answer")
    other.hears(CALLER_HZ)
    page.shows()
    call.hangup()
    other.shows()

    call = desk.call(ONE)
    page.click("answer")
    call.wait_established()
    call.play(CALLER_HZ)
    page.hears(CALLER_HZ)
    page.dial(TWO)
    other.click("answer")
    page.shows("1001: held", f"{TWO}: talking")
    page.hears(HZ[TWO])
    page.click("join", 0)
    other.hears(CALLER_HZ)
    page.shows()
    assert_heard(call, HZ[TWO], 0.5)
    call.hangup()
    other.shows()


def test_keys_are_heard(switch: Served, pages: dict[str, Page], exchange: Exchange) -> None:
    page = pages[ONE]
    desk = phone_of(switch.operator, HOST, exchange, "1001")
    page.dial("1001")
    call = desk.incoming().answer()
    page.shows("1001: talking")
    page.hears_no(HZ[TWO])
    for key in "5#":
        page.press(key)
    call.wait_digits("5#")
    call.hangup()
    page.shows()


def test_who_is_not_let_in(switch: Served, pages: dict[str, Page], tmp_path: Path) -> None:
    """A wrong password, and a page of somebody else's."""
    url = f"https://{DOMAIN}/"
    with browser(tmp_path / "stranger", url, switch.address, switch.authority.file, 440) as page:
        page.log_in("1003", "not-the-password-of-anybody")
        page.says("wrong")
        assert page.calls == []
