"""Callers from outside: their numbers, their names, and rules about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from phonenumbers import (
    PhoneNumberFormat,
    PhoneNumberType,
    example_number_for_type,
    format_number,
)

import callcenter.site
from callcenter.__main__ import main
from callcenter.render import freeswitch
from callcenter.render.outbound import met
from callcenter.site import Site, SiteError, Switch
from callcenter.site.countries import dialling
from callcenter.site.dialled import without_parameters
from callcenter.site.trunks import heard, written
from callcenter.site.warnings import warnings
from tests.unit.test_peer_text import lint

m: Any = callcenter.site
SWITCH = Switch("cc1", address="10.0.0.5")
BOOK = (
    "number,name,group\n+49 (30) 555-100,Ann Müller,vip\n+8613800138000,李雷,\n+12125550199,,pest\n"
)


def site(**callers: Any) -> Site:
    made: Site = m.Site(
        "cc.example.net",
        extensions=[1000, 2125550101, m.Extension(1001)],
        trunks=[
            m.Trunk("de", host="192.0.2.1", national="+49"),
            m.Trunk("us", host="192.0.2.2", national="+1"),
            m.Trunk("plain", host="192.0.2.3"),
        ],
        inbound=[
            m.Did("+4930123401", to=m.extension(1000)),
            m.Did("+4930123402", to=m.extension(1001)),
        ],
        callers=m.Callers(**callers),
    )
    return made


def book(folder: Path, text: str = BOOK) -> Path:
    file = folder / "book.csv"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("country", "sent", "meant"),
    [
        ("+49", "030555100", "+4930555100"),
        ("+49", "004930555100", "+4930555100"),
        ("+49", "4930555100", "+4930555100"),
        ("+49", "+12125550199", "+12125550199"),
        ("+1", "2125550199", "+12125550199"),
        ("+1", "12125550199", "+12125550199"),
        ("+1", "0114930555100", "+4930555100"),
        ("+86", "01012345678", "+861012345678"),
        ("+86", "13800138000", "+8613800138000"),
        ("+86", "013800138000", "+8613800138000"),
        ("+86", "8613800138000", "+8613800138000"),
        ("+39", "0612345678", "+390612345678"),
        ("+39", "3331234567", "+393331234567"),
        ("+39", "493012345678", "+493012345678"),
        ("+34", "912345678", "+34912345678"),
        ("+7", "89161234567", "+79161234567"),
        ("+7", "8104930555100", "+4930555100"),
        (None, "4930555100", "+4930555100"),
        (None, "030555100", None),
        ("+49", "110", None),
    ],
)
def test_a_number_that_a_carrier_sends(country: str | None, sent: str, meant: str | None) -> None:
    assert heard(sent, country) == meant


@pytest.mark.parametrize("country", ["DE", "US", "CN", "GB", "IT", "ES", "FR", "JP", "AU", "RU"])
@pytest.mark.parametrize("kind", ["FIXED_LINE", "MOBILE"])
def test_what_is_written_nationally_is_heard_so(country: str, kind: str) -> None:
    """And where libphonenumber shows how a number is dialled, it is written so."""
    number = example_number_for_type(country, getattr(PhoneNumberType, kind))
    assert number is not None
    whole, code = format_number(number, PhoneNumberFormat.E164), f"+{number.country_code}"
    national = written(whole, "national", code)
    assert heard(national, code) == whole
    shown = format_number(number, PhoneNumberFormat.NATIONAL)
    assert national == "".join(sign for sign in shown if sign.isdigit())


def test_abroad_is_dialled_as_the_country_says() -> None:
    assert [dialling(one).abroad for one in ("+49", "+1", "+81", "+61", "+7")] == [
        *("00", "011", "010", "0011", "810")
    ]


@pytest.mark.parametrize(
    ("form", "prefix", "trunk", "sent", "shown"),
    [
        ("national", "0", "de", "+4930555100", "0030555100"),
        ("national", "", "de", "4930555100", "030555100"),
        ("national", "0", "de", "0012125550199", "00012125550199"),
        ("+", "", "us", "2125550199", "+12125550199"),
        ("00", "", "us", "2125550199", "0012125550199"),
        ("national", "", "plain", "030555100", "030555100"),
        ("national", "", "de", "sip:x", "anonymous"),
        ("national", "", "de", "1000", "anonymous"),
        ("digits", "", "de", "02125550101", "492125550101"),
    ],
)
def test_what_phones_show(form: str, prefix: str, trunk: str, sent: str, shown: str) -> None:
    made = site(national="+49", number_format=form, number_prefix=prefix)
    assert met(made, trunk, sent, None).shown == shown


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("+4930123401;npdi;rn=+4919912345", "+4930123401"),
        ("030123401;cpc=ordinary", "030123401"),
        ("030123401;a=${x}", "030123401;a=${x}"),
        ("030123401;a=1\n", "030123401;a=1\n"),
        ("x;npdi", "x;npdi"),
        ("030123401", "030123401"),
    ],
)
def test_parameters_behind_a_number(sent: str, meant: str) -> None:
    assert without_parameters(sent) == meant


def test_a_number_that_is_shown_as_an_extension_is_nobodys() -> None:
    made = site(national="+1", number_format="national")
    seen = met(made, "us", "+12125550101", made.inbound[0])
    assert (seen.number, seen.shown) == ("anonymous", "anonymous")


def test_names_and_rules(tmp_path: Path, own_folder: Path) -> None:
    made = site(
        national="+49",
        address_book=book(tmp_path),
        rules=[
            m.CallerRule("vip", groups=["vip"], called=["+4930123401"], to=m.extension(1001)),
            m.CallerRule("pests", groups=["pest"], to=m.hang_up("CALL_REJECTED")),
            m.CallerRule("nobody", anonymous=True, prefixes=["+49900"], to=m.hang_up()),
            m.CallerRule("new", unlisted=True, shown_as="New customer"),
        ],
    )
    first, second = made.inbound
    for trunk, sent, did, name, rule in (
        ("de", "030555100", first, "Ann Müller", "vip"),
        ("de", "030555100", second, "Ann Müller", None),
        ("us", "2125550199", first, "+12125550199", "pests"),
        ("de", "anonymous", first, "anonymous", "nobody"),
        ("de", "0900123456", first, "+49900123456", "nobody"),
        ("de", "+8613800138000", first, "李雷", None),
        ("de", "030999999", first, "New customer", "new"),
    ):
        seen = met(made, trunk, sent, did)
        assert (seen.name, seen.rule and seen.rule.name) == (name, rule), sent
    assert lint(freeswitch.configuration(made, SWITCH)) == []


def test_without_callers_nothing_is_rendered(own_folder: Path) -> None:
    bare = m.Site("cc.example.net", extensions=[1000], trunks=[m.Trunk("a", host="192.0.2.1")])
    tree = freeswitch.configuration(bare, SWITCH)
    assert "dialplan/callers.xml" not in {file.path for file in tree}
    assert not any("caller_number" in file.text for file in tree if file.path.endswith(".xml"))


ROUTED = """
domain: cc.example.net
extensions: [1000, {number: 1001, routes: [out]}]
trunks: [{name: de, host: 192.0.2.1, national: "+49"}]
inbound: [{number: "+4930123401", to: {extension: 1000}}]
outbound: [{name: out, pattern: '^00\\d{5,14}$', strip: 2, prefix: "+", trunks: [de]}]
outbound_limits: {countries: ["+49"]}
callers:
  national: "+49"
  number_format: "00"
  address_book: book.csv
  rules: [{name: vip, groups: [vip], to: {extension: 1001}}]
"""


def test_route_tells_of_the_caller(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book(own_folder)
    Path("site.yaml").write_text(ROUTED)
    call = ["route", "2026-11-23T10:00", "030123401", "site.yaml", "--trunk", "de"]
    assert main([*call, "--caller", "030555100"]) == 0
    assert capsys.readouterr().out.splitlines()[:4] == [
        "caller 030555100 by trunk de is +4930555100, shown as 004930555100, named Ann Müller",
        "caller 030555100 is of rule vip (callers.rules[0])",
        "030123401 by trunk de is +4930123401 (inbound[0]): extension 1000",
        "rule vip sends it elsewhere: extension 1001",
    ]
    assert main([*call[:4], "--caller", "1"]) == 1
    assert "--caller: is who calls from outside" in capsys.readouterr().err
    assert warnings(Site.load("site.yaml")) == []


def test_a_form_that_no_route_calls_back_is_warned_of(own_folder: Path) -> None:
    book(own_folder)
    Path("site.yaml").write_text(ROUTED.replace('number_format: "00"', "number_format: national"))
    [line] = warnings(Site.load("site.yaml"))
    assert line.startswith(
        "site.yaml:8:1: Site.callers: shows +4930123456 as 030123456, which no route calls"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: begin with 'number,name'"),
        ("name,number\nAnn,+4930555100\n", "line 1: begin with"),
        ("number,name\n", "names nobody"),
        ("number,name\n030555100,Ann\n", "line 2: number is no number of E.164"),
        ("number,name\n+4912,Ann\n", "line 2: number is no number of E.164"),
        ("number,name\n+999123456,Ann\n", "line 2: number +999123456 begins with no country"),
        ("number,name\n+4930555100\n", "line 2: has 1 cells; give 2"),
        ("number,name\n+4930555100,Ann,vip\n", "line 2: has 3 cells; give 2"),
        ("number,name\n\n+4930555100,\n", "line 3: has neither name nor group"),
        (
            "number,name\n+4930555100,A\n+49 30 555100,B\n",
            "line 3: +4930555100 is already in line 2",
        ),
        ("number,name,group\n+4930555100,A,Very Important\n", "line 2: group is no name"),
        ("number,name\n+4930555100,${system(x)}\n", "line 2: name holds '$' (U+0024)"),
        ('number,name\n+4930555100,"a ""b"""\n', "line 2: name holds '\"'"),
        ('number,name\n+4930555100,"a\nb"\n', "name holds '\\n' (U+000A)"),
        ("number,name\n+4930555100,<sip:x>\n", "line 2: name holds '<'"),
        ("number,name\n+4930555100," + "x" * 61 + "\n", "line 2: name is no name of 1 to 60"),
        ('number,name\n+4930555100,"a"b\n', "line 2: is no CSV"),
        ("number,name\n=cmd|x,Ann\n", "line 2: number is no number of E.164"),
    ],
)
def test_a_book_that_is_refused(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(SiteError) as refused:
        m.Callers(address_book=book(tmp_path, text))
    [line] = refused.value.problems
    assert line.startswith("Callers.address_book: ")
    assert words in line


def test_a_book_of_other_bytes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "book.csv"
    file.write_bytes("number,name\n+4930555100,Müller\n".encode("latin-1"))
    with pytest.raises(SiteError, match="is no UTF-8 text"):
        m.Callers(address_book=file)
    with pytest.raises(SiteError, match="cannot be read"):
        m.Callers(address_book=tmp_path / "none.csv")


def rule(**fields: Any) -> object:
    return m.CallerRule("r", **{"numbers": ["+4930555100"], "to": m.hang_up(), **fields})


@pytest.mark.parametrize(
    ("made", "path", "words"),
    [
        (lambda: rule(numbers=[]), "CallerRule.numbers", "fits nobody"),
        (lambda: rule(to=None), "CallerRule.to", "nothing would happen"),
        (lambda: rule(unlisted=True), "CallerRule.unlisted", "rules apart"),
        (lambda: rule(numbers=["030"]), "CallerRule.numbers[0]", "no number of E.164"),
        (lambda: rule(prefixes=["0900"]), "CallerRule.prefixes[0]", "no beginning of a number"),
        (lambda: rule(prefixes=["+4930"]), "CallerRule.numbers[0]", "is in prefixes as +4930"),
        (lambda: rule(prefixes=["+1", "+1"]), "CallerRule.prefixes[1]", "listed twice"),
        (lambda: rule(called=["x"]), "CallerRule.called[0]", "no number of E.164"),
        (lambda: rule(shown_as="a;b"), "CallerRule.shown_as", "holds ';'"),
        (lambda: rule(anonymous="yes"), "CallerRule.anonymous", ""),
        (lambda: m.CallerRule("R", anonymous=True, to=m.hang_up()), "CallerRule.name", "no name"),
        (lambda: m.Callers(number_format="national"), "Callers.national", "is missing beside"),
        (lambda: m.Callers(national="+4930"), "Callers.national", "no country's code alone"),
        (lambda: m.Callers(number_prefix="0"), "Callers.number_prefix", "before a +"),
        (lambda: m.Callers(number_prefix="#"), "Callers.number_prefix", ""),
        (lambda: m.Callers(number_format="e164"), "Callers.number_format", ""),
        (lambda: m.Callers(rules=[rule(), rule()]), "Callers.rules[1].name", "given twice"),
        (lambda: m.Callers(rules=[rule(groups=["a"])]), "Callers.rules[0].groups", "address_book"),
        (lambda: m.Callers(rules=[rule(numbers=[], unlisted=True)]), "Callers.rules[0].unlisted",
         "needs an address_book"),
        (lambda: site(rules=[rule(called=["+4930123499"])]), "Site.callers.rules[0].called[0]",
         "nothing in inbound"),
        (lambda: site(rules=[rule(to=m.extension(1999))]), "Site.callers.rules[0].to.extension",
         "no extension of the Site"),
        (lambda: m.Site("cc.example.net", extensions=[1000], callers=m.Callers()), "Site.callers",
         "needs numbers by which they come"),
        (lambda: m.Trunk("a", host="192.0.2.1", national="+4930"), "Trunk.national",
         "no country's code alone"),
    ],
)  # fmt: skip
def test_refused(made: Any, path: str, words: str, own_folder: Path) -> None:
    with pytest.raises(SiteError) as refused:
        made()
    assert any(line.startswith(f"{path}: ") and words in line for line in refused.value.problems), (
        refused.value.problems
    )


def test_a_group_that_is_not_in_the_book(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"Callers\.rules\[0\]\.groups\[0\]: 'no' is no group of"):
        m.Callers(address_book=book(tmp_path), rules=[rule(groups=["no"])])
