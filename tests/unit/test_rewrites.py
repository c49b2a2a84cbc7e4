"""Numbers by rule, and short ones: what carriers are sent, and what is refused."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

import callcenter.site
from callcenter.__main__ import main
from callcenter.render import freeswitch
from callcenter.render.outbound import arriving, leaving, met
from callcenter.site import Rewrite, Site, SiteError, Switch
from tests.unit.test_peer_text import lint

m: Any = callcenter.site
SWITCH = Switch("cc1", address="10.0.0.5")

SITE = """
domain: cc.example.net
extensions:
  - {number: 1000, routes: [home, short, local, ten]}
  - {number: 1001, caller_id: "+861012345699", routes: [home]}
trunks:
  - name: ims
    host: 192.0.2.1
    caller_id: "+861012345600"
    national: "+86"
    number_prefix: "9"
    called_out:
      - {pattern: '^\\+8610(\\d{8})$', replacement: "$1"}
      - {pattern: '^\\+86(1[3-9]\\d{9})$', replacement: "12593$1"}
    caller_out:
      - {pattern: '^\\+8610(\\d{8})$', replacement: "0010*$1"}
    called_in:
      - {pattern: '^600(\\d{2})$', replacement: "+8610123456$1"}
    caller_in:
      - {pattern: '^9(0\\d{6,12})$', replacement: "$1"}
      - {pattern: '^9(\\d{3,5})$', replacement: "$1"}
inbound:
  - {number: "+861012345600-610", to: {extension: 1000}}
outbound:
  - {name: short, pattern: '^(?:10086|95588|12345)$', short: true, trunks: [ims]}
  - {name: local, pattern: '^[2-8]\\d{7}$', prefix: "+8610", trunks: [ims]}
  - {name: home, pattern: '^0?[1-9]\\d{9,11}$', prefix: "+86", trunks: [ims]}
  - {name: ten, pattern: '^[2-9]\\d{9}$', prefix: "+1", trunks: [ims]}
outbound_limits: {countries: ["+86", "+1"]}
callers: {national: "+86", number_format: national}
""".replace("+861012345600-610", "+861012345600-10")


@pytest.fixture
def site(own_folder: Path) -> Site:
    Path("site.yaml").write_text(SITE)
    return Site.load("site.yaml")


@pytest.mark.parametrize(
    ("dialled", "called", "sent"),
    [
        ("10086", "10086", "10086"),
        ("95588", "95588", "95588"),
        ("65881234", "+861065881234", "65881234"),
        ("13800138000", "+8613800138000", "1259313800138000"),
        ("2125550199", "+862125550199", "9+862125550199"),
    ],
)
def test_what_the_carrier_is_sent(site: Site, dialled: str, called: str, sent: str) -> None:
    call = leaving(site, "1000", dialled)
    assert (call.number, call.refused) == (called, None)
    [trunk] = call.trunks
    assert (call.number if call.by and getattr(call.by, "short", False) else
            trunk.sent(call.number)) == sent  # fmt: skip


def test_callers_by_rule(site: Site) -> None:
    [trunk] = site.trunks
    assert trunk.shown("+861012345699") == "0010*12345699"
    assert trunk.shown("+8613800138000") == "+8613800138000"
    assert met(site, "ims", "901012345678", None).number == "+861012345678"
    assert met(site, "ims", "910086", None).shown == "10086"


def test_called_numbers_by_rule(site: Site) -> None:
    did = arriving(site, "ims", "60005")
    assert did is not None
    assert "+861012345605" in did
    assert arriving(site, "ims", "60011") is None
    assert arriving(site, "ims", "01012345610") is did


def test_route_tries_them(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["route", "2026-11-23T10:00", "65881234", "site.yaml", "--from", "1000"]
    assert main(command) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1:4] == [
        "+861065881234 is called over ims (192.0.2.1)",
        "ims is sent 65881234",
        "ims is shown 0010*12345600",
    ]
    assert main([*command[:2], "10086", *command[3:]]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [
        "10086 fits the route short (outbound[0])",
        "10086 is called over ims (192.0.2.1)",
    ]


def test_nothing_of_a_peer_is_expanded(site: Site) -> None:
    assert lint(freeswitch.configuration(site, SWITCH)) == []


@pytest.mark.parametrize(
    ("pattern", "replacement", "field", "words"),
    [
        ("0(\\d+)", "$1", "pattern", "must say where the number begins and ends"),
        ("^0(.+)$", "$1", "pattern", "has a ., which is more than digits"),
        ("^0(\\d+)$", "$2", "replacement", "has $2, and pattern has 1 pairs"),
        ("^0(?:\\d+)$", "$1", "replacement", "has $1, and pattern has 0 pairs"),
        ("^0(\\d+)$", "$15", "replacement", "right after such as $1"),
        ("^0(\\d+)$", "sip:$1", "replacement", ""),
        ("^0(\\d+)$", "${x}", "replacement", ""),
        ("^0(\\d+)$", "", "replacement", ""),
        ("^0(\\d+)$", "49+$1", "replacement", ""),
        ("^0(\\d+)$", "$0", "replacement", ""),
        ("^0(\\d+)$", "$1;x=1", "replacement", ""),
        ("^(\\d+)+$", "$1", "pattern", "repeats what is repeated already"),
        ("^(?:\\d{1,9}){1,9}5$", "1", "pattern", "repeats what is repeated already"),
        ("^(?:1|11)+$", "1", "pattern", "repeats alternatives"),
        ("^\\d+\\d+\\d+\\d+\\d+5$", "1", "pattern", "5 parts of any length; use 4"),
        ("^0(\\d+$", "$1", "pattern", "is no regular expression"),
        ("^(\\d*)$", "$1", "pattern", "matches an empty number"),
        ("^0|1$", "1", "pattern", "alternatives outside brackets"),
    ],
)
def test_a_rule_that_is_refused(pattern: str, replacement: str, field: str, words: str) -> None:
    with pytest.raises(SiteError) as refused:
        Rewrite(pattern, replacement)
    [line] = refused.value.problems
    assert line.startswith(f"Rewrite.{field}: ")
    assert words in line


@pytest.mark.parametrize(
    "pattern",
    [r"^0\d{9,11}$", r"^(?:0|\+49)?(\d{2,5})-?(\d+)?$".replace("-?", ""), r"^(00)?\d{4}$"],
)
def test_a_pattern_that_is_allowed_costs_nothing(pattern: str) -> None:
    rule = Rewrite(pattern, "1")
    started = time.perf_counter()
    for digits in range(40):
        rule.of("0" * digits + "x")
    assert time.perf_counter() - started < 1


def test_an_optional_group_is_nothing() -> None:
    assert Rewrite(r"^(0)?(\d{4})$", "$1*$2").of("1234") == "*1234"
    assert Rewrite(r"^(0)?(\d{4})$", "$1*$2").of("01234") == "0*1234"
    assert Rewrite(r"^(0)?(\d{4})$", "$1*$2").of("01234\n") is None


def short(**fields: Any) -> object:
    return m.Route(
        "r", **{"pattern": "^(?:10086|95588)$", "short": True, "trunks": ["a"], **fields}
    )


def billed() -> Site:
    made: Site = m.Site(
        "cc.example.net",
        extensions=[m.Extension(1000, routes=["r"], account="a")],
        trunks=[m.Trunk("a", host="192.0.2.1")],
        outbound=[short()],
        outbound_limits=m.OutboundLimits(countries=["+86"]),
        database=m.LocalPostgres(),
        billing=m.Billing(currency="CNY", rates=[m.Rate("+86", "0.10")]),
    )
    return made


@pytest.mark.parametrize(
    ("made", "path", "words"),
    [
        (lambda: short(pattern=r"^\d{3,11}$"), "Route.pattern", "leaves 3 to 11 digits"),
        (lambda: short(pattern=r"^1\d+$"), "Route.pattern", "make it narrower"),
        (lambda: short(pattern="^11$"), "Route.pattern", "leaves 2 to 2 digits"),
        (lambda: short(strip=3), "Route.pattern", "leaves 2 to 2 digits"),
        (lambda: short(prefix="0010"), "Route.pattern", "leaves 9 to 9 digits"),
        (lambda: short(prefix="+86"), "Route.prefix", "is not short"),
        (lambda: short(short="yes"), "Route.short", ""),
        (lambda: short(pattern=r"^(\d+)+$", short=False), "Route.pattern", "repeats what is"),
        (billed, "Site.extensions[0].routes[0]", "no rate is for"),
        (lambda: m.Trunk("a", host="192.0.2.1", called_out=[{"pattern": "^1$"}]),
         "Trunk.called_out[0].replacement", "is missing"),
        (lambda: m.Trunk("a", host="192.0.2.1", caller_in=[Rewrite("^1$", "x")]), "Rewrite", ""),
    ],
)  # fmt: skip
def test_refused(made: Any, path: str, words: str, own_folder: Path) -> None:
    with pytest.raises(SiteError) as refused:
        made()
    [line] = refused.value.problems
    assert line.startswith(path)
    assert words in line


def test_python_and_the_dialplan_have_the_same_rules(site: Site) -> None:
    """Each rule's extension, read as FreeSWITCH reads it, makes what the model makes."""
    tree = {file.path: file.text for file in freeswitch.configuration(site, SWITCH)}
    text = tree["dialplan/services/outbound.xml"]
    [trunk] = site.trunks
    expressions = re.findall(
        r'expression="\^(called-by-ims-[^"]*)\\z"', text.replace("&#92;", "\\")
    )
    assert len(expressions) == len(trunk.called_out) + 1
    for number in ("+861065881234", "+8613800138000", "+4930555100"):
        plain = [one.replace("&#123;", "{").replace("&#125;", "}") for one in expressions]
        hits = [n for n, one in enumerate(plain) if re.fullmatch(one, f"called-by-ims-{number}")]
        by_model = [n for n, one in enumerate(trunk.called_out) if one.of(number)]
        assert hits[0] == (by_model[0] if by_model else len(trunk.called_out))
