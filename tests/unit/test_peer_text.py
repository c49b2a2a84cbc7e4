"""No rendered line expands what a peer can write, unless an expression of ours has matched it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from callcenter import site as m
from callcenter.render import Tree, freeswitch
from callcenter.site import Site, Switch
from callcenter.site.secrets import Secret
from tests.unit.peer_text import APIS, INTERNAL, PEER_APIS, filled
from tests.unit.test_names import Preprocessor

SWITCH = Switch("cc1.example.net", public_ip="203.0.113.10")

CLOSED = re.compile(
    r"\^(?:[A-Za-z0-9_/ :*#-]|\[(?:[0-9]-[0-9]|[a-z]-[a-z]|[A-Z]-[A-Z]|[A-Za-z0-9_*#+-])+\]|\\[d*+]"
    r"|\(\?:|\(\?=|\(\?!|[()|?+*]|\{\d+(?:,\d*)?\})*\\z"
)
"""An expression that nothing matches but words, digits and the signs of a number, whole."""


SIGN = re.compile(r"\[ \((?:\)\.\\-)?\]\*")
"""Signs between digits, which are passed over."""


PARAMETERS = "(?:;[A-Za-z0-9=+.-]{1,60}){1,8}"
"""Pattern of what stands behind a carrier's number, which is passed over."""


FORWARDERS = {
    r"^(?:.*,)?[^<,]*<(?:sip|sips|tel):(\+?[0-9]{3,20})[@;>][^,]*,[^,]*\z",
    r"^[^<]*<(?:sip|sips|tel):(\+?[0-9]{3,20})[@;>].*\z",
}
"""Expressions of headers of which a number is taken, and nothing else."""


def captures_words(expression: str) -> bool:
    """Tell whether an expression matches words, signs between them and parameters, and takes the
    words."""
    if expression in FORWARDERS:
        return True
    expression = expression.replace(PARAMETERS, "")
    rest, depth = "", 0
    for part in re.split(r"(?<!\\)([()])(?![^\[]*\])", expression):
        depth += {"(": 1, ")": -1}.get(part, 0)
        rest += SIGN.sub("", part) if depth == 0 else part
    return CLOSED.fullmatch(rest) is not None and not expression.startswith("^(?!")


LIST = re.compile(r"\^\[[A-Za-z0-9_.@,-]*\]\*\\z")
"""An expression of a list of codecs: a value for another variable, and for nothing else."""

ADDRESS = r"^([0-9a-f.:]{2,45})\z"
"""The expression of an address, of whose signs none separates, quotes or expands."""

_CONTACT = "[A-Za-z0-9_.~!*&=+;?/%@-]*"
CONTACTS = (
    rf"^((?:,?\[[^\]]*\]sofia/[a-z]+/sip:{_CONTACT}(?:\[[0-9A-Fa-f:.]+\]{_CONTACT})?"
    rf"(?::(?!_:){_CONTACT})*)+)\z"
)
"""The expression of a list of phones' Contacts, each behind variables of our own: of a Contact no
sign passes that separates, quotes, brackets or expands in a dial string."""


def expansions(text: str) -> Iterator[tuple[str, str | None]]:
    """Every ``${…}`` of a text, the inner ones too: a name, and what an API command is given."""
    for at in re.finditer(r"(?<!\$)\$\\*\{", text):
        depth, end = 1, at.end()
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        inner = text[at.end() : end - 1]
        name, bracket, given_ = inner.partition("(")
        yield name.partition(":")[0], given_.rpartition(")")[0] if bracket else None


def own_names(root: etree._Element) -> set[str]:
    """Variables that our own lines set. What they are set to is looked at where they are."""
    names = {
        "trunk",
        "sent_on_by",
    }  # the first where there are none, the second from freeswitch.xml
    for action in root.iter("action", "anti-action"):
        if action.get("application") in ("set", "export", "set_profile_var"):
            names.add(action.get("data", "").partition("=")[0])
        if action.get("application") == "read":
            # A key is a digit, a star or a pound; what is done with them is looked at all the same.
            names.add(action.get("data", "").split()[3])
        names |= set(re.findall(r"[;,{]([a-z_0-9]+)=", action.get("data", "")))
        names |= set(re.findall(r"uuid_setvar\(\S+ ([a-z_]+) ", action.get("data", "")))
    names |= {one.get("name", "") for one in root.iter("variable")}
    for one in root.iter("param"):
        if one.get("name") == "dial-string":
            names |= set(re.findall(r"[,{]([a-z_]+)=", one.get("value", "")))
    return names


def wrong_in(text: str, own: set[str], matched: set[str], *, is_field: bool = False) -> list[str]:
    """List what a text expands and must not."""
    out = []
    for name, command in expansions(text):
        if command is not None:
            if name in PEER_APIS or name not in APIS:
                out.append(f"${{{name}(…)}}: {PEER_APIS.get(name, 'is no command that is known')}")
        elif (one := filled(name)) is not None:
            # As a condition's whole field it is compared and goes nowhere.
            compared = is_field and one.checked and text == f"${{{name}}}"
            if name not in matched and not compared:
                out.append(f"${{{name}}}: a peer fills it ({one.where})")
        elif name not in own and name not in INTERNAL:
            out.append(f"${{{name}}}: is in no table; who fills it?")
    return out


def wrong_in_extension(extension: etree._Element, own: set[str], known: set[str]) -> list[str]:
    """List what is wrong in an extension's conditions and actions, in their order."""
    out, matched = [], set(known)
    lists: set[str] = set()
    for condition in extension.iter("condition"):
        field, expression = condition.get("field", ""), condition.get("expression", "")
        name = re.sub(r"\$\{([a-z_A-Z-]+)\}", r"\1", field)
        if "$" in field:
            found = wrong_in(field, own, matched, is_field=True)
            if expression == CONTACTS:
                found = [one for one in found if one not in LEFT]
            out += found
        out += wrong_in(expression, own, matched)
        if re.search(r"\$(?!\\*\{)", expression):
            out.append(f"{expression}: lets a line break follow; end it by \\z")
        is_closed = CLOSED.fullmatch(expression) is not None and not expression.startswith("^(?!")
        here = matched | {name} if is_closed else matched
        if LIST.fullmatch(expression) is not None:
            lists.add(name)
        if is_closed and condition.get("break") != "never":
            matched = here
        # Where it fails, a default condition goes no further.
        peers = filled(name) is not None and name not in known
        for action in condition:
            if action.tag not in ("action", "anti-action"):
                continue
            data = action.get("data", "")
            may = here if action.tag == "action" else known
            out += wrong_in(data, own, may | lists if action.get("application") == "set" else may)
            closed = captures_words(expression) or expression == ADDRESS
            if re.search(r"\$\d", data) and peers and not closed:
                out.append(f"{data}: {name} is a peer's, and {expression} lets anything pass")
            if action.get("application") in ("system", "bgsystem", "eval", "python", "perl"):
                out.append(f"{action.get('application')}: runs what it is given")
    return [f"{extension.get('name')}: {one}" for one in out]


def refuses_all_but_a_word(extension: etree._Element) -> bool:
    """Tell whether an extension hangs up each call whose number is not a plain word."""
    condition = next(extension.iter("condition"))
    found = re.fullmatch(r"\^\(\?!(.*\\z)\)", condition.get("expression", ""))
    return (
        condition.get("field") == "destination_number"
        and found is not None
        and CLOSED.fullmatch(f"^{found[1]}") is not None
        and [one.get("application") for one in condition] == ["hangup"]
        and extension.get("continue") is None
    )


def lint(tree: Tree) -> list[str]:
    """Return all that a tree expands and must not."""
    root = etree.fromstring(Preprocessor(tree).merged())
    own = own_names(root)
    out: list[str] = []
    for context in root.iter("context"):
        known: set[str] = set()
        for extension in context.iter("extension"):
            out += wrong_in_extension(extension, own, known)
            if refuses_all_but_a_word(extension):
                known = {"destination_number"}
    for one in root.iter("param", "variable", "headers", "body", "entry"):
        text = one.get("value") or one.get("param") or one.text or ""
        # The mail's own two; closed where the call comes in, as the test below says.
        mailed = {"voicemail_caller_id_number", "voicemail_caller_id_name"}
        out += wrong_in(text, own, mailed if one.tag in ("headers", "body") else set())
    for file in tree:
        if file.path.endswith(".lua") and not file.path.startswith("scripts/own/"):
            for name in re.findall(r'getVariable\("([^"]+)"\)', file.text):
                if filled(name) is not None:
                    out.append(f"{file.path}: {name} is a peer's")
    return out


LEFT = [f"${{sofia_contact(…)}}: {PEER_APIS['sofia_contact']}"]
"""Findings that FreeSWITCH alone cannot close: a phone's Contact is put in the dial string."""


def password(number: int) -> Secret:
    return Secret(literal=f"Horse-battery-{number}-x")


def described(pick: Any) -> Site:
    """Return a Site with everything in it that was picked."""
    mode = pick("media", ["default", "default", "proxy", "bypass"])
    is_default = mode == "default"
    record = is_default and pick("record", [True, False])
    prepaid = is_default and pick("prepaid", [True, False])
    mailboxes = pick("mailboxes", [True, False])
    mail = pick("mail", [True, False])
    outside = pick("outside", [True, True, False])
    codecs = pick("codecs", [("OPUS", "PCMA"), ("PCMA", "G729"), ("G722", "PCMU")])
    routes = ["r"] if outside else []
    picks_up = pick("features", [False, True])
    asks = outside and is_default and pick("asks", [False, True])
    extensions = [
        m.Extension(
            number,
            name=pick(f"name {number}", ["", "Ann ${x}"]),
            password=password(number),
            record=record and number == 1001,
            routes=routes,
            account="a" if prepaid and outside and number == 1000 else None,
            caller_id="+4930123401" if outside and number == 1000 else None,
            pickup_groups=["g"] if picks_up else [],
            no_answer=m.outside("017012345") if outside and number == 1003 else None,
            voicemail=m.Mailbox(
                pin=Secret(literal=f"83719{number}"),
                email="a@example.net" if mail else None,
            ) if mailboxes else False,
        )
        for number in range(1000, 1004)
    ]  # fmt: skip
    more: dict[str, Any] = {}
    if outside:
        more |= {
            "trunks": [
                m.Trunk("a", host="192.0.2.1", channels=2, caller_id="+4930123400",
                        codecs=pick("trunk", [None, ["PCMA"]]) if is_default else None,
                        caller_id_in=pick("cid", ["from", "p-asserted-identity",
                                                  "p-preferred-identity", "remote-party-id"]),
                        number_format=pick("format", ["+", "00", "digits", "national"]),
                        caller_id_format=pick("cid-format", ["+", "00", "digits", "national"]),
                        national=pick("national", ["+49", "+1"]),
                        number_prefix=pick("prefix", ["", "99*"]),
                        shows_callers=pick("shows", [False, True]),
                        calls_per_hour=pick("hour", [None, 9]), record=record,
                        dtmf=pick("dtmf", ["rfc2833", "info", "in-band"])
                        if is_default else "rfc2833",
                        session_seconds=pick("session", [1800, None, 600]),
                        longest_call=pick("longest", [None, 3600]),
                        headers=pick("headers", [{}, {"X-A": "<sip:1@a.example> b"}]),
                        called_out=pick("called", [[], [m.Rewrite(r"^\+49(\d+)$", "0$1")]]),
                        caller_in=pick("caller", [[], [m.Rewrite(r"^9(\d{3,9})$", "$1")]]),
                        ringback=pick("ringback", [None, "de"]) if is_default else None),
                m.Trunk("b", host="192.0.2.2", national="+49"),
            ],
            "callers": pick("callers", [None, m.Callers(
                national="+49", number_format="national", number_prefix="0",
                rules=[m.CallerRule("bad", prefixes=["+4990"], anonymous=True, to=m.hang_up()),
                       m.CallerRule("vip", numbers=["+4930555100"], shown_as="Ann")])]),
            "outbound": [
                m.Route("r", pattern=r"^0\d{6,11}$", strip=1, prefix="+49", trunks=["a", "b"],
                        weights=pick("weights", [None, [1, 2]])),
            ],
            "outbound_limits": m.OutboundLimits(countries=["+49"]),
            "caps": pick("caps", [[], [m.Cap("night", per="hour", calls=0, hours="office"),
                                       m.Cap("day", per="day", minutes=9, each="extension")]]),
            "inbound": [m.Did("+4930123401", last="+4930123450", to=m.extension(1001))],
            "emergency": pick("emergency", [[], [m.Emergency("112", trunks=["a"],
                                                             notify=["1002"])]]),
        }  # fmt: skip
    if prepaid and outside:
        more |= {
            "database": m.LocalPostgres(),
            "billing": m.Billing(currency="EUR", rates=[m.Rate("+49", "6.00")]),
        }
    if mail:
        more["smtp"] = m.Smtp("mail.example.net", sender="pbx@example.net")
    if is_default:
        more |= {
            "parking": pick("parking", [None, m.Parking("5901", "5920", number="5900")]),
            "recording": m.Recording(pause=pick("pause", [None, 5]), resume=6)
            if record and pick("masked", [True, False]) else m.Recording(),
        }  # fmt: skip
    return Site(
        "cc.example.net",
        extensions=extensions,
        event_socket=m.EventSocket(password=password(9)),
        media=m.Media(codecs=codecs, mode=mode),
        features=m.FeatureCodes(forward="*72", forward_off="*73", do_not_disturb="*78",
                                do_not_disturb_off="*79", pickup="*85", intercom="*80")
        if picks_up else m.FeatureCodes(),
        conferences=[m.Conference("c", number="3000", pin=Secret(literal="847261"),
                                  moderator_pin=Secret(literal="518273")),
                     m.Conference("open", number="3001")],
        ivrs=[m.Ivr("main", m.say("Welcome."), number="6000", options={"9": m.extension(1000)},
                    direct_dial=pick("direct", [True, False]))],
        hours=[m.Hours("office", ["Mon-Fri 09:00-18:00"], night="*280")],
        queues=[m.Queue("sales", number="7000", announce_position=True, record=record)],
        agents=[m.Agent("1002", skills={"sales": 1},
                        outside="017012345" if asks else None)],
        ring_groups=[m.RingGroup("g", ["1000", "1001"], number="6100",
                                 outside=[m.outside("017012345", by=1000)] if asks else [],
                                 strategy=pick("ring", ["together", "in-turn"]))],
        paging_groups=[m.PagingGroup("p", ["1000", "1001"], number="7900",
                                     from_extensions=pick("page", [None, ["1000"]]))],
        faxes=[m.Fax("office", number="3200")] if is_default else [],
        applications=[m.Application("own", port=8084, number="6300")],
        notices=[m.Notice("storm", m.say("Stay at home."), number="6200")],
        speed_dials={"*01": "1000", **({"*02": "017012345"} if outside else {})},
        cdr=m.Cdr("json"),
        **more,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(24))
def test_no_rendered_line_expands_what_a_peer_fills(seed: int) -> None:
    draw = random.Random(seed)
    site = described(lambda _, of: draw.choice(of))
    assert lint(freeswitch.configuration(site, SWITCH)) == []


@pytest.mark.parametrize("last", [0, -1])
def test_the_least_and_the_most(last: int) -> None:
    site = described(lambda _, of: of[last])
    assert lint(freeswitch.configuration(site, SWITCH)) == []


@pytest.mark.parametrize("seed", range(8))
def test_without_an_edge_contacts_are_left(seed: int) -> None:
    """A phone's Contact comes to FreeSWITCH."""
    draw = random.Random(seed)
    site = replace(described(lambda _, of: draw.choice(of)), network=m.Network(edge=False))
    assert lint(freeswitch.configuration(site, SWITCH)) == LEFT


def test_callers_are_closed_where_they_come_in() -> None:
    """Mails, bridges and records take them as they are then."""
    tree = freeswitch.configuration(described(lambda _, of: of[0]), SWITCH)
    root = etree.fromstring(Preprocessor(tree).merged())
    for name, extension in (("public", "caller without a number"), ("default", "dialled")):
        [context] = [one for one in root.iter("context") if one.get("name") == name]
        names = [one.get("name") for one in context.iter("extension")]
        assert extension in names
        # Nothing is done for a call before it.
        for one in list(context.iter("extension"))[: names.index(extension)]:
            done = [
                action.get("data", "")
                for action in one.iter("action")
                if action.get("application") != "hangup"
            ]
            # But that signs are taken out of what is dialled: what is left is looked at after it.
            known = {"who has logged in": LOGGED_IN}.get(one.get("name", ""), NUMBER)
            assert [data for data in done if not re.fullmatch(known, data)] == [], one.get("name")


NUMBER = r"(?:destination|caller_id)_number=(?:\$\d)+"
LOGGED_IN = r"\$1@cc\.example\.net|(?:sip_auth_username|phone_address)=\$1"
"""Variables that are set of Kamailio's own headers. The conditions before each are closed."""


@pytest.mark.parametrize(
    "contact",
    [
        "1001@192.0.2.1:5060;transport=udp;fs_nat=yes;fs_path=sip%3A1001%40192.0.2.1%3A5060",
        "1001-0x7f3c@[2001:db8::1]:41234;ob;+sip.instance=%22x%22",
        "q7f0k2@h2ab.invalid;transport=ws,[phone_of=1001]sofia/internal/sip:1001@192.0.2.2",
    ],
)
def test_a_phones_contact_is_dialled(contact: str) -> None:
    expression = CONTACTS.replace(r"\z", r"\Z")
    assert re.fullmatch(expression, f"[phone_of=1001]sofia/internal/sip:{contact}")


@pytest.mark.parametrize("sign", [*",|$'\"\\{}<>^()[] \n", ":_:", ",sofia/gateway/a/1"])
def test_what_a_dial_string_gives_a_meaning_to_is_no_contact(sign: str) -> None:
    expression = CONTACTS.replace(r"\z", r"\Z")
    for text in (f"1001{sign}@192.0.2.1", f"1001@192.0.2.1;x={sign}", f"1001@192.0.2.1:5060{sign}"):
        assert not re.fullmatch(expression, f"[phone_of=1001]sofia/internal/sip:{text}"), text


BAD = {
    "a capture of signs": (
        '<condition field="destination_number" expression="^([0-9 ()]*+)\\z">'
        '<action application="set" data="a=$1"/></condition>', "anything"),
    "a capture of a sign among words": (
        '<condition field="destination_number" expression="^(\\d*[ ().\\-]*)\\z">'
        '<action application="set" data="a=$1"/></condition>', "anything"),
    "a capture of parameters": (
        '<condition field="caller_id_number" expression="^(\\d*;[a-z=]*)\\z">'
        '<action application="set" data="a=$1"/></condition>', "anything"),
    "what has signs in it": (
        '<condition field="caller_id_number" expression="^[ (]*+(\\d*)\\z">'
        '<action application="set" data="a=${caller_id_number}"/></condition>',
        "caller_id_number"),
    "a transferred call's source": (
        '<condition field="${transfer_source}" expression="^\\z"/>', "transfer_source"),
    "what was dialled, in a dial string": (
        '<condition><action application="bridge" data="user/${destination_number}@x"/></condition>',
        "destination_number"),
    "a header in a command": (
        '<condition><action application="set" data="a=${user_data(${sip_h_X-A}@x var b)}"/>'
        "</condition>", "sip_h_X-A"),
    "a header beside another text": (
        '<condition field="a${sip_h_X-A}" expression="^b\\z"/>', "sip_h_X-A"),
    "an end that is none": (
        '<condition field="destination_number" expression="^\\d+$"/>', "line break"),
    "a capture of anything": (
        '<condition field="destination_number" expression="^(.+)\\z">'
        '<action application="transfer" data="$1 XML services"/></condition>', "anything"),
    "what was matched, after a break that is none": (
        '<condition field="caller_id_number" expression="^\\d+\\z" break="never"/>'
        '<condition><action application="set" data="a=${caller_id_number}"/></condition>',
        "caller_id_number"),
    "what was not matched": (
        '<condition field="caller_id_number" expression="^\\d+\\z">'
        '<anti-action application="set" data="a=${caller_id_number}"/></condition>',
        "caller_id_number"),
    "a command that nobody knows": (
        '<condition><action application="set" data="a=${sofia_dig(x)}"/></condition>', "sofia_dig"),
    "a variable that nobody knows": (
        '<condition><action application="set" data="a=${other}"/></condition>', "other"),
    "a shell": ('<condition><action application="system" data="true"/></condition>', "system"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_the_lint_sees(what: str) -> None:
    text, word = BAD[what]
    found = wrong_in_extension(etree.fromstring(f"<extension>{text}</extension>"), set(), set())
    assert len(found) == 1
    assert word in found[0]


@pytest.mark.parametrize(
    "text",
    [
        '<condition field="caller_id_number" expression="^\\+?\\d+\\z"/>'
        '<condition><action application="set" data="a=${caller_id_number}"/></condition>',
        '<condition field="${switch_r_sdp}" expression="m=audio [1-9]"/>',
        '<condition field="destination_number" expression="^x-(\\d{2,15})\\z">'
        '<action application="transfer" data="y-$1 XML services"/></condition>',
        '<condition field="destination_number" expression="^[ (]*+(\\d*+)[ ().\\-]*+(\\d*+)\\z">'
        '<action application="set_profile_var" data="destination_number=$1$2"/></condition>',
    ],
)
def test_the_lint_lets_pass(text: str) -> None:
    extension = etree.fromstring(f"<extension>{text}</extension>")
    assert wrong_in_extension(extension, set(), set()) == []


def test_the_old_look_at_a_transfer_is_seen(tmp_path: Path) -> None:
    """The lint finds a condition that templates once had: with it a carrier's 302 ran a shell."""
    old = '<condition field="${transfer_source}" expression="^$"/>'
    found = wrong_in_extension(etree.fromstring(f"<extension>{old}</extension>"), set(), set())
    assert [one for one in found if "transfer_source" in one]
    assert [one for one in found if "line break" in one]
