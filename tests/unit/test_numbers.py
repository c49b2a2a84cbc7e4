"""Numbers of any length beside each other, as people write them, and in blocks."""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

import callcenter.site
from callcenter.__main__ import main
from callcenter.render import freeswitch
from callcenter.render.outbound import arriving, leaving
from callcenter.site import Did, Site, SiteError, Switch, ToExtension, extension
from callcenter.site.dialled import cleaned
from callcenter.site.warnings import warnings
from tests.unit.test_peer_text import lint

m: Any = callcenter.site
SWITCH = Switch("cc1", address="10.0.0.5")


def site(**fields: Any) -> Site:
    made: Site = m.Site(
        **{"domain": "cc.example.net", "extensions": [110, *range(1100, 1104)], **fields}
    )
    return made


LONG = {
    "emergency beside extensions": {
        "extensions": [*range(1100, 1104)],
        "trunks": [m.Trunk("a", host="192.0.2.1", caller_id="+493012345600")],
        "emergency": [m.Emergency("110", trunks=["a"])],
    },
    "extensions of two lengths": {},
    "a code that begins another": {"features": m.FeatureCodes(echo="*8", tone="*81")},
    "an extension that begins with a code": {
        "features": m.FeatureCodes(echo="11"), "extensions": [1100],
    },
}  # fmt: skip


@pytest.mark.parametrize("fields", LONG.values(), ids=LONG)
def test_numbers_that_begin_others_are_numbers(fields: dict[str, Any]) -> None:
    assert warnings(site(**fields)) == []
    slow = warnings(site(**fields, dialling="digit-by-digit"))
    assert slow
    for line in slow:
        assert re.match(
            r"Site\.(extensions\[\d\]|features)\.\w+: \S+ begins with \S+, which ", line
        )
        assert "digit by digit" in line


def test_the_warning_is_told_and_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(
        "domain: cc.example.net\nextensions: [110, 1100-1103]\ndialling: digit-by-digit\n"
        "network: {sip_from: anywhere}\nfirewall: {ssh_from: anywhere}\n"
    )
    assert main(["check", str(file)]) == 0
    said = capsys.readouterr()
    assert said.out == "ok\n"
    assert said.err.splitlines()[0] == (
        f"warning: {file}:2:19: Site.extensions[1].number: 1100 begins with 110, which phones that "
        "dial digit by digit would call instead; choose numbers of one length"
    )
    file.write_text(file.read_text().replace("dialling: digit-by-digit\n", ""))
    assert main(["check", str(file)]) == 0
    assert "digit by digit" not in capsys.readouterr().err
    assert main(["route", "2026-11-23T10:00", "1100", str(file)]) == 0
    assert "extension 1100 rings" in capsys.readouterr().out
    assert main(["route", "2026-11-23T10:00", "110", str(file)]) == 0
    assert "extension 110 rings" in capsys.readouterr().out


WRITTEN = {
    "1000": "1000",
    "10-00": "1000",
    "(030) 1234-56": "030123456",
    "+49 (30) 1234.56": "+493012345" + "6",
    "(+49) 30 123 45 67": "+49301234567",
    "1000#": "1000",
    "10 00 #": "1000",
    "*72 1001": "*721001",
    "112#": "112",
    # A number of the Site's that ends so is dialled so.
    "*98#": "*98#",
    "*9 8#": "*98#",
    # Nothing that is no number becomes one.
    "10;00": "10;00",
    "1000##": "1000#",
    "${x}": "${x}",
    "10-00@a": "10-00@a",
    "a-1000": "a-1000",
    "1-0-0-0-1-0-0-0-1-0-0": "1-0-0-0-1-0-0-0-1-0-0",
    "10\n00": "10\n00",
    "1000\n": "1000\n",
    "-": "",
    "#": "#",
    "": "",
    "10\u06600-1": "10\u06600-1",
}


@pytest.mark.parametrize(("written", "number"), WRITTEN.items())
def test_what_is_dialled_is_read_as_it_is_meant(written: str, number: str) -> None:
    assert cleaned(site(features=m.FeatureCodes(echo="*98#")), written) == number


def rules(made: Site) -> list[tuple[str, str]]:
    """Conditions and what they set of the dialplan that come before it asks for a number."""
    text = freeswitch.configuration(made, SWITCH)["dialplan/default.xml"].content.decode()
    out: list[tuple[str, str]] = []
    for one in ElementTree.fromstring(text).iter("extension"):
        if one.get("name") == "no number":
            return out
        *unless, condition = one.iter("condition")
        kept = unless[0].get("expression", "") if unless else "^"
        (action,) = condition
        name, _, into = action.get("data", "").partition("=")
        assert (action.get("inline"), name) == ("true", "destination_number")
        expression = kept + condition.get("expression", "").removeprefix("^")
        out.append((expression.replace(r"\z", r"\Z"), into))
    raise AssertionError("nothing asks for a number")


def test_the_dialplan_reads_it_alike() -> None:
    made = site(features=m.FeatureCodes(echo="*98#"))
    (steps := rules(made))
    assert len(steps) == 2
    assert lint(freeswitch.configuration(made, SWITCH)) == []
    pick = random.Random(16)
    signs = ["01289*#+ ()-.;${}@a\n", "0123456789 -()#"] * 4000
    drawn = ["".join(pick.choices(one, k=pick.randint(0, 15))) for one in signs]
    changed = 0
    for text in [*WRITTEN, *drawn]:
        number = text
        for expression, into in steps:
            if found := re.search(expression, number, re.ASCII):
                groups = (found[int(one)] or "" for one in re.findall(r"\$(\d)", into))
                number = "".join(groups)
        assert cleaned(made, text) == number, text
        changed += number != text
    assert changed > 300


def test_route_says_what_it_takes_a_number_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("domain: cc.example.net\nextensions: [1000-1003]\n")
    assert main(["route", "2026-11-23T10:00", "(10) 01#", str(file)]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "(10) 01# is dialled as 1001",
        "1001 is extension 1001 (extensions)",
    ]


def test_a_route_is_found_by_what_is_meant() -> None:
    made = site(
        extensions=[m.Extension(1000, routes=["r"])],
        trunks=[m.Trunk("a", host="192.0.2.1", caller_id="+493012345600")],
        outbound=[m.Route("r", pattern=r"^0\d{5,9}$", trunks=["a"], strip=1, prefix="+49")],
        emergency=[m.Emergency("112", trunks=["a"])],
        outbound_limits=m.OutboundLimits(countries=["+49"]),
    )
    assert leaving(made, "1000", "(030) 12-34 56").number == "+4930123456"
    assert leaving(made, "1000", "112#").number == "112"


BLOCK = """
domain: cc.example.net
extensions: [1000-1099]
trunks: [{name: a, host: 192.0.2.1}]
inbound:
  - {number: "+49301234000-099", to: {extension: "1000-1099"}}
  - {number: "+49301235000-009", to: {extension: 1000}, trunk: a}
  - {number: "+493012360", to: {hang_up: USER_BUSY}}
"""


def test_a_block_of_numbers_is_one_of_extensions(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(BLOCK)
    made = Site.load(file)
    assert len(made.inbound) == 102
    for index in range(100):
        did = arriving(made, "a", f"030{1234000 + index}".replace("030", "+4930", 1))
        assert did is not None
        assert did.to == ToExtension(str(1000 + index))
    group = made.inbound[100]
    assert (group.number, group.last, group.trunk) == ("+49301235000", "+49301235009", "a")
    # In Python it is the same.
    alike = m.Site(
        "cc.example.net",
        extensions=m.Extension.range(1000, 1099),
        trunks=[m.Trunk("a", host="192.0.2.1")],
        inbound=[
            *Did.block("+49301234000", "+49301234099", first=1000),
            Did("+49301235000", last="+49301235009", to=extension(1000), trunk="a"),
            Did("+493012360", to=m.hang_up("USER_BUSY")),
        ],
    )
    assert alike.inbound == made.inbound
    assert (
        freeswitch.configuration(alike, SWITCH)["dialplan/public.xml"]
        == (freeswitch.configuration(made, SWITCH)["dialplan/public.xml"])
    )


@pytest.mark.parametrize(
    ("number", "to", "path", "words"),
    [
        ("+49301234099-000", "{extension: 1000-1099}", "[0].number", ["099-000 is no range"]),
        ("+49301234000-", "{extension: 1000}", "[0].number", ["no range", "+49301234000-099"]),
        ("0301234000-099", "{extension: 1000-1099}", "[0].number", ["no range"]),
        ("+49301234000-099", "{extension: 1000-1098}", "[0].to", ["100 numbers", "99 extensions"]),
        ("+49301234000-099", "{extension: 1099-1000}", "[0].to", ["below", "1099"]),
        ("+49301234000-099", "{extension: 1000-}", "[0].to", ["'1000-1099'"]),
        ("+49301234000-099", "{extension: 0100-0199}", "[0].to", ["'1000-1099'"]),
        ("+49301234000", "{extension: 1000-1099}", "[0].to", ["1 number", "100 extensions"]),
        ("+4930123-9999999", "{extension: 1000}", "[0].number", ["as many digits"]),
        ("+49301230000-9999", "{extension: 10000-19999}", "[0].number", ["1000 at most"]),
        ("+49301234000-099", "{extension: 1050-1149}", "[50].to.extension", ["1100 is no ext"]),
        ("+49301234000-099", "{extension: 1000-1099, queue: x}", "[0].to", ["queue"]),
    ],
)
def test_blocks_that_do_not_fit_are_refused(
    number: str, to: str, path: str, words: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(
        "domain: cc.example.net\nextensions: [1000-1099]\ntrunks: [{name: a, host: 192.0.2.1}]\n"
        f'inbound: [{{number: "{number}", to: {to}}}]\n'
    )
    with pytest.raises(SiteError) as refused:
        Site.load(file)
    line = refused.value.problems[0]
    assert line.startswith(f"{file}:4:")
    assert line.split(": ")[1].startswith(f"Site.inbound{path}")
    assert [word for word in words if word not in line] == []


@pytest.mark.parametrize(
    ("first", "last", "start", "words"),
    [
        ("+49301234000", "+4930123499", 1000, "as many digits"),
        ("+49301234099", "+49301234000", 1000, "does not come after"),
        ("+49301230000", "+49301239999", 10000, "1000 at most"),
        ("+49301234000", "+49301234099", 5, "two digits"),
        ("0301234000", "0301234099", 1000, "no number of E.164"),
    ],
)
def test_blocks_in_python_are_refused(first: str, last: str, start: int, words: str) -> None:
    with pytest.raises(SiteError) as refused:
        Did.block(first, last, first=start)
    line = refused.value.problems[0]
    assert line.startswith("Did.block")
    assert words in line
