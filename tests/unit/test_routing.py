"""``python -m callcenter route``: the way of a call and why, without a host."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from callcenter.__main__ import main
from callcenter.render.routing import explain, moment
from callcenter.render.services.trunks import expression
from callcenter.site import Did, Site, SiteError, extension

SITE = """
domain: cc.example.net
timezone: Europe/Berlin
extensions: [1000-1003, {number: 2000, no_answer: {ring_group: sales}}]
hours: [{name: office, weekly: ["Mon-Fri 09:00-18:00"], holidays: ["12-25"], night: "*28"}]
ring_groups:
  - name: sales
    members: [1000, 1001]
    number: 6100
    otherwise: {hours: office, open: {extension: 2001}, closed: {hang_up: USER_BUSY}}
ivrs:
  - name: main
    greeting: {say: Welcome.}
    number: 6000
    options:
      "1": {ring_group: sales}
      "2": {hours: office, open: {extension: 1000}, closed: {ivr: main}}
    otherwise: {extension: 1002}
""".replace("[1000-1003, ", "[1000-1003, 2001, ")


def route(tmp_path: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str]]:
    file = tmp_path / "site.yaml"
    file.write_text(SITE)
    code = main(["route", *words[:2], str(file), *words[2:]])
    said = capsys.readouterr()
    return code, (said.out + said.err).splitlines()


def test_an_extension_leads_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = route(tmp_path, capsys, "2026-11-23T10:00", "2000")
    assert code == 0
    assert lines == [
        "2000 is extension 2000 (extensions)",
        "extension 2000 rings for 30 s",
        "else ring group sales:",
        "ring group sales rings 1000, 1001 together",
        "else hours office:",
        "hours office: open by the week's Mon",
        "extension 2001 rings for 30 s",
        "else the call ends",
    ]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("2026-12-25T10:00", "6100"), "hours office: closed by the holiday 12-25"),
        (("2026-11-23T18:00", "6100"), "hours office: closed by the week's Mon"),
        (("2026-11-23T18:00+03:00", "6100"), "hours office: open by the week's Mon"),
        (("2026-11-23T10:00", "6100", "--night", "office"), "hours office: closed by the night"),
    ],
)
def test_hours_and_the_night_switch(
    words: tuple[str, ...], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, lines = route(tmp_path, capsys, *words)
    assert any(line.startswith(why) for line in lines)
    if "closed" in why:
        assert lines[-1] == "the call ends (USER_BUSY)"


def test_an_ivr_waits_for_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, lines = route(tmp_path, capsys, "2026-11-23T10:00", "6000")
    assert lines[1:4] == [
        "IVR main plays its greeting",
        "  1: ring group sales",
        "  2: hours office",
    ]
    assert lines[4] == "else extension 1002:"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("noon", "6000"), "'noon' is no moment; use one such as '2026-12-25T10:00'"),
        (("2026-11-23T10:00", "77"), "77 is nothing that can be dialled"),
        (("2026-11-23T10:00", "6000", "--night", "x"), "--night: 'x' is none of the hours office"),
    ],
)
def test_what_cannot_be_told(
    words: tuple[str, ...], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = route(tmp_path, capsys, *words)
    assert code == 1
    assert lines[0].startswith(line)


def test_feature_codes_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert route(tmp_path, capsys, "2026-11-23T10:00", "9196")[1] == ["9196 is features.echo"]
    assert route(tmp_path, capsys, "2026-11-23T10:00", "*28")[1] == ["*28 is hours[0].night"]


FEATURES = """
domain: cc.example.net
extensions: [1000-1003]
features: {forward: "*72", forward_off: "*73", intercom: "*80"}
notices: [{name: storm, announcement: {say: Stay at home.}, number: 6200}]
"""


def explained(tmp_path: Path, dialled: str) -> list[str]:
    """Tell the way of a call by extension 1000."""
    file = tmp_path / "site.yaml"
    file.write_text(FEATURES)
    site = Site.load(file)
    return list(explain(site, dialled, moment("2026-11-23T10:00", site)))


@pytest.mark.parametrize(
    ("dialled", "then"),
    [
        ("*721002", "calls to 1000 go to 1002 from then on"),
        ("*726200", "calls to 1000 go to 6200 from then on"),
        ("*721000", "1000 is told that its calls cannot be forwarded to 1000"),
        ("*720301234567", "1000 is told that its calls cannot be forwarded to 0301234567"),
        ("*801003", "extension 1003 answers by itself, where its phone is willing to"),
        ("*801999", "the call is refused (404): 1999 is no extension"),
    ],
)
def test_a_code_that_takes_a_number(dialled: str, then: str, tmp_path: Path) -> None:
    first, second = explained(tmp_path, dialled)
    name = "forward" if dialled.startswith("*72") else "intercom"
    assert first == f"{dialled} is features.{name} with {dialled[3:]}"
    assert second == then


@pytest.mark.parametrize("dialled", ["*721", "*72*73", "*80a", "*73100", "*72" + "1" * 21])
def test_a_code_without_its_number_is_nothing(dialled: str, tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="nothing that can be dialled"):
        explained(tmp_path, dialled)


def test_a_code_that_takes_a_number_is_refused_alone(tmp_path: Path) -> None:
    assert explained(tmp_path, "*72") == [
        "*72 is features.forward",
        "the call is refused (404): a number is dialled after it",
    ]


PAGES = """
domain: cc.example.net
extensions: [1000-1003]
paging_groups:
  - {name: hall, members: [1000, 1001, 1002], number: 7900, from_extensions: [1000, 1003]}
  - {name: alone, members: [1001], number: 7901, max_seconds: 30}
"""


@pytest.mark.parametrize(
    ("dialled", "caller", "then"),
    [
        (
            "7900",
            "1000",
            "1000 pages 1001, 1002 for 60 s: each that is in no call answers by itself, where its "
            "phone is willing to",
        ),
        ("7900", "1001", "the call is refused (403): extension 1001 is not in from_extensions"),
        ("7901", "1001", "the call is refused (486): the group has nobody but 1001"),
    ],
)
def test_pages(dialled: str, caller: str, then: str, tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(PAGES)
    site = Site.load(file)
    lines = list(explain(site, dialled, moment("2026-11-23T10:00", site), caller=caller))
    name, index = ("hall", 0) if dialled == "7900" else ("alone", 1)
    assert lines == [f"{dialled} is paging group {name} (paging_groups[{index}].number)", then]


CODES = """
domain: cc.example.net
extensions: [{number: 1000, voicemail: true}, 1001]
queues: [{name: sales}]
agents: [{extension: 1000, skills: {sales: 1}}]
"""


@pytest.mark.parametrize(
    ("dialled", "caller", "then"),
    [
        ("*97", "1000", []),
        ("*97", "1001", ["the call is refused (603): extension 1001 has no mailbox"]),
        ("*22", "1000", []),
        ("*22", "1001", ["1001 is told that it is no agent"]),
    ],
)
def test_a_code_of_who_may_not(dialled: str, caller: str, then: list[str], tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(CODES)
    site = Site.load(file)
    lines = list(explain(site, dialled, moment("2026-11-23T10:00", site), caller=caller))
    assert lines[1:] == then


OUTSIDE = """
domain: cc.example.net
extensions:
  - {number: 1000, routes: [national, abroad, spread]}
  - 1001
trunks:
  - {name: c, host: 198.51.100.9}
  - {name: a, host: 198.51.100.7, national: "+49", channels: 4, calls_per_hour: 90,
     caller_id: "+4930123400"}
  - {name: b, host: b.example, networks: [198.51.100.8/32]}
inbound:
  - {number: "+4930123400", last: "+4930123457", to: {extension: 1001}, trunk: a}
outbound:
  - {name: national, pattern: '^0[1-9]\\d{5,10}$', strip: 1, prefix: "+49", trunks: [b, a]}
  - {name: abroad, pattern: '^00[1-9]\\d{6,12}$', strip: 2, prefix: "+", trunks: [a]}
  - {name: spread, pattern: '^7\\d{8}$', strip: 1, prefix: "+49", trunks: [a, b, c],
     weights: [0, 3, 1]}
emergency: [{number: 112, trunks: [a], notify: [1000]}]
outbound_limits: {countries: ["+49"]}
"""


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            ("030555123",),
            [
                "030555123 fits the route national (outbound[0])",
                "+4930555123 is called over b (b.example), then a (198.51.100.7)",
                "it is refused (403) where its caller has 2 calls outside, or has had 60 within "
                "the hour",
                "b is passed over where it has 30 calls",
                "a is passed over where it has 4 calls, or has had 90 out within the hour",
            ],
        ),
        (
            ("030555123", "--from", "1001"),
            [
                "030555123 fits the route national (outbound[0])",
                "the call is refused (403): extension 1001 has not the route national",
            ],
        ),
        (
            ("0033612345678",),
            [
                "0033612345678 fits the route abroad (outbound[1])",
                "the call is refused (403): outbound_limits.countries has no beginning of it",
            ],
        ),
        (
            ("711111111",),
            [
                "711111111 fits the route spread (outbound[2])",
                "+4911111111 is called over b (b.example) 75%, c (198.51.100.9) 25% (the others "
                "where one fails), then a (198.51.100.7)",
                "it is refused (403) where its caller has 2 calls outside, or has had 60 within "
                "the hour",
                "a is passed over where it has 4 calls, or has had 90 out within the hour",
                "b is passed over where it has 30 calls",
                "c is passed over where it has 30 calls",
            ],
        ),
        (
            ("112", "--from", "1001"),
            [
                "112 is emergency[0], which nothing limits",
                "112 is called over a (198.51.100.7)",
                "it is shown +4930123400",
                "extensions 1000 ring and tell of it",
            ],
        ),
        (
            ("030123457", "--trunk", "a"),
            [
                "030123457 by trunk a is +4930123400 to +4930123457 (inbound[0]): extension 1001",
                "extension 1001 rings for 30 s",
                "else the call ends",
            ],
        ),
        (
            ("+4930123457", "--trunk", "b"),
            ["+4930123457 by trunk b is none of inbound: the call is refused (603)"],
        ),
    ],
)
def test_calls_to_and_from_outside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], lines: list[str]
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(OUTSIDE)
    number, *rest = words
    assert main(["route", "2026-11-23T10:00", number, str(file), *rest]) == 0
    assert capsys.readouterr().out.splitlines() == lines


PREPAID = (
    OUTSIDE.replace("spread]}", "spread], account: family}").replace('["+49"]', '["+49", "+43"]')
    + """
database: {source: local}
billing:
  currency: EUR
  rates:
    - {prefix: "+49", minute: "0.02"}
    - {prefix: "+4930", minute: 0.0100}
    - {prefix: "+431", minute: 1}
"""
)


@pytest.mark.parametrize(
    ("number", "last"),
    [
        (
            "030555123",
            "a minute costs account family 0.01 EUR (rate +4930), as long as its balance is above "
            "zero",
        ),
        (
            "040555123",
            "a minute costs account family 0.02 EUR (rate +49), as long as its balance is above "
            "zero",
        ),
        (
            "00432555123",
            "the call is refused (403): billing.rates has no beginning of +432555123",
        ),
        ("112", "extensions 1000 ring and tell of it"),
    ],
)
def test_what_a_call_costs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: str, last: str
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(PREPAID)
    assert main(["route", "2026-11-23T10:00", number, str(file)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == last


@pytest.mark.parametrize("seed", range(60))
def test_the_expression_of_a_range_is_the_range(seed: int) -> None:
    pick = random.Random(seed)
    width = pick.randint(1, 5)
    first, last = sorted(pick.sample(range(10**width), 2))
    head = "+4930" + "1" * (5 - width) + "2"
    did = Did(f"{head}{first:0{width}}", last=f"{head}{last:0{width}}", to=extension(1000))
    found = re.compile(expression(did, []))
    matched = [n for n in range(10**width) if found.fullmatch(f"{head}{n:0{width}}")]
    assert matched == list(range(first, last + 1))


SENT_OUTSIDE = """
domain: cc.example.net
extensions:
  - {number: 1000, routes: [national, tiny], no_answer: {outside: "01701234567"}}
  - 1001
features: {forward: "*72", forward_off: "*73"}
trunks: [{name: a, host: 192.0.2.1, caller_id: "+4930123456"}]
inbound:
  - {number: "+4930123456", to: {outside: "01701234567", by: 1000}}
  - {number: "+4930123457", to: {extension: 1000}}
outbound:
  - {name: national, pattern: '^0[1-9]\\d{5,11}$', strip: 1, prefix: "+49", trunks: [a]}
  - {name: tiny, pattern: '^7\\d{3,4}$', strip: 1, prefix: "+49", trunks: [a]}
outbound_limits: {countries: ["+49"]}
emergency: [{number: 112, trunks: [a]}]
speed_dials: {"*01": "01701234567"}
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("1000",), ["else outside 01701234567:",
                     "01701234567 is called outside as if extension 1000 called it",
                     "+491701234567 is called over a (192.0.2.1)"]),
        (("+4930123456", "--trunk", "a"), ["+491701234567 is called over a (192.0.2.1)"]),
        (("*01",), ["*01 is 01701234567 (speed_dials['*01'])",
                    "+491701234567 is called over a (192.0.2.1)"]),
        (("*01", "--from", "1001"), ["the call is refused (403): extension 1001 has not the route "
                                     "national"]),
        (("*7201701234567",), ["calls to 1000 go outside to 01701234567 from then on, as if 1000 "
                               "called it:", "+491701234567 is called over a (192.0.2.1)"]),
        (("*721001",), ["calls to 1000 go to 1001 from then on"]),
        (("*72030123457",), ["1000 is told that its calls cannot be forwarded to 030123457"]),
        (("*720900123456",), ["1000 is told that its calls cannot be forwarded to 0900123456"]),
        (("*727123",), ["1000 is told that its calls cannot be forwarded to 7123"]),
        (("*72112",), ["1000 is told that its calls cannot be forwarded to 112"]),
        (("*7201701234567", "--from", "1001"),
         ["1001 is told that its calls cannot be forwarded to 01701234567"]),
    ],
)  # fmt: skip
def test_numbers_outside_as_destinations(
    words: tuple[str, ...], said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(SENT_OUTSIDE)
    number, *options = words
    assert main(["route", "2026-11-23T10:00", number, str(file), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line in said] == said
