"""Every service on, then off: its number, its modules, its files and its timers are gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.acceptance.support.phones import CallFailed, Exchange, Phone
from tests.roles.conftest import SITE, Operator
from tests.roles.support import phone_of

HOST = "services1"


@dataclass(frozen=True)
class Part:
    """What one service adds to a Site, and what it must take along when it goes."""

    fields: str
    number: str = ""
    modules: tuple[str, ...] = ()
    """That no other service needs."""
    files: tuple[str, ...] = ()
    """Words of their paths."""


PARTS = {
    "opening hours": Part(
        "hours=[Hours('office', ['Mon-Fri 09:00-18:00'], night='*280', timezone='Asia/Tokyo')]",
        number="*280",
        modules=("mod_db",),
        files=("hours.xml", "timezones"),
    ),
    "IVR": Part(
        "ivrs=[Ivr('main', say('Press one.'), number=6000, direct_dial=True)]",
        number="6000",
        files=("ivr.conf.xml", "ivrs.xml"),
    ),
    "ring group": Part(
        "ring_groups=[RingGroup('all', ['1001'], number=6100)]",
        number="6100",
        files=("ring_groups.xml",),
    ),
    "notice": Part(
        "notices=[Notice('storm', say('Stay at home.'), number=6200)]",
        number="6200",
        files=("notices.xml",),
    ),
    "queue": Part(
        "queues=[Queue('sales', number=7000, announce_position=True)], "
        "agents=[Agent('1002', skills={'sales': 1})]",
        number="7000",
        modules=("mod_callcenter", "mod_lua", "mod_say_en"),
        files=("queues.xml", "callcenter.conf.xml", "queue-position", "phrases.xml", "prompts/"),
    ),
    "recording": Part(
        "extensions=[*Extension.range(1000, 1009, ring_seconds=5), Extension(1020, record=True)]",
        number="1020",
        files=("recordings.xml", "callcenter-retention"),
    ),
}
EXTENSIONS = "extensions=[*Extension.range(1000, 1009, ring_seconds=5)]"


def site(*names: str) -> str:
    """The plain Site with these services."""
    text = SITE
    for fields in (PARTS[name].fields for name in names):
        if fields.startswith("extensions="):
            text = text.replace(EXTENSIONS, fields)
        else:
            text = text.replace("    media=", f"    {fields},\n    media=")
    return text


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    made = operator_of(HOST)
    made.describe(site(*PARTS))
    made.succeed()
    return made


def there(operator: Operator, part: Part) -> dict[str, bool]:
    """What of a service is on the host."""
    files = operator.ssh(
        HOST, "find /etc/freeswitch/current/ /etc/systemd/system /run/systemd/units"
    )
    found = {word: word in files for word in part.files}
    for module in part.modules:
        found[module] = operator.ssh(HOST, f"fs_cli -x 'module_exists {module}'").strip() == "true"
        package = f"freeswitch-{module.replace('_', '-')}"
        state = operator.ssh(HOST, f"dpkg-query -W -f '${{db:Status-Abbrev}}' {package}")
        found[package] = state.startswith("ii")
    return found


def known(phone: Phone, number: str) -> bool:
    """Whether the number leads anywhere."""
    call = phone.call(number)
    try:
        call.wait_ringing()
    except CallFailed as failed:
        return failed.code != 404
    call.hangup()
    return True


@pytest.mark.parametrize("name", PARTS)
def test_off_it_is_gone(name: str, operator: Operator, exchange: Exchange) -> None:
    part = PARTS[name]
    operator.describe(site(*PARTS))
    operator.succeed()
    phone = phone_of(operator, HOST, exchange, "1000")
    assert all(there(operator, part).values())
    assert known(phone, part.number)
    operator.describe(site(*(other for other in PARTS if other != name)))
    operator.succeed()
    assert not any(there(operator, part).values())
    assert not known(phone, part.number)


def test_all_off_is_the_plain_site(operator: Operator) -> None:
    operator.describe(site(*PARTS))
    operator.succeed()
    operator.describe()
    run = operator.succeed()
    assert run.changes
    again = operator.succeed()
    assert again.changes == 0
    for part in PARTS.values():
        assert not any(there(operator, part).values())
