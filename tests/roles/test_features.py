"""Every service on, then off: its numbers, its modules, its files and its ports are gone."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from callcenter.render import freeswitch, paths
from callcenter.site import Site, Switch
from tests.acceptance.support.audio import assert_heard, assert_not_heard
from tests.acceptance.support.ladder import Message
from tests.acceptance.support.phones import Exchange, Phone
from tests.acceptance.support.waiting import PATIENCE
from tests.roles.conftest import EDGE, SITE, Operator
from tests.roles.support import (
    CALLEE_HZ,
    CALLER_HZ,
    connected,
    phone_of,
    put_through,
    still_talking,
    until,
)

HOST = "features1"

# What the Site is given, and what is dialled for it.
SERVICES = {
    "applications": (
        'applications=[Application("a", 8084, number=6300, otherwise=hang_up("USER_BUSY"))]',
        "6300",
    ),
    "HTTP applications": (
        'http_applications=[HttpApplication("a", "http://127.0.0.1:8080/", number=6500)]',
        "6500",
    ),
    "users of the Event Socket": (
        'event_socket=EventSocket(users=[EventSocketUser("a", commands=["status"])]), '
        'notices=[Notice("a", say("Hello."), number=6200)]',
        "6200",
    ),
    "scripts": ('scripts=[LuaScript("a", "examples/lua/ask.lua", number=6400)]', "6400"),
    "conferences": ('conferences=[Conference("a", number=3000)]', "3000"),
    "parking": ("parking=Parking(5901, 5903, number=5900)", "5901"),
    "forward": ('features=FeatureCodes(forward="*72", forward_off="*73")', "*721001"),
    "do not disturb": (
        'features=FeatureCodes(do_not_disturb="*78", do_not_disturb_off="*79")',
        "*79",
    ),
    "pickup": ('features=FeatureCodes(pickup="*85")', "*85"),
    "intercom": ('features=FeatureCodes(intercom="*80")', "*801001"),
    "speed dials": ('speed_dials={"*01": "1001"}', "*01"),
    "ring groups": ('ring_groups=[RingGroup("a", ["1001"], number=6100)]', "6100"),
    "paging groups": ('paging_groups=[PagingGroup("a", ["1001"], number=7900)]', "7900"),
    "IVR": ('ivrs=[Ivr("a", say("Hello."), number=6000, direct_dial=True)]', "6000"),
    "notices": ('notices=[Notice("a", say("Hello."), number=6200)]', "6200"),
    "hours": ('hours=[Hours("a", ["Mon-Fri 09:00-18:00"], night="*280")]', "*280"),
    "faxes": ('faxes=[Fax("a", number=3100)]', "3100"),
    "queues": (
        'queues=[Queue("a", number=7000, announce_position=True)], '
        'agents=[Agent("1001", skills={"a": 1})]',
        "7000",
    ),
    "voicemail": ('voicemail=Voicemail(check="*97")', "*97"),
    "trunks": (
        'trunks=[Trunk("a", host="192.0.2.9", ping_seconds=None)], outbound=[Route("a", '
        'pattern="^0[1-9]\\\\d{5}$", strip=1, prefix="+49", trunks=["a"])], '
        'outbound_limits=OutboundLimits(countries=["+49"])',
        "0301234",
    ),
    "recordings": ("recording=Recording(keep_days=7)", "1020"),
    "call detail records": ("cdr=Cdr()", "1022"),
    "billing": (
        'database=LocalPostgres(), billing=Billing(currency="EUR", rates=[Rate("+49", 1)])',
        "1023",
    ),
}
OWN = {
    "applications": (None, "dialplan/services/applications.xml"),
    "HTTP applications": ("mod_httapi", "http_applications/applications.json"),
    # A file that is always there, for the users of our own programs.
    "users of the Event Socket": (None, None),
    "scripts": ("mod_lua", "scripts/own/a.lua"),
    "conferences": ("mod_conference", "dialplan/services/conferences.xml"),
    "parking": ("mod_valet_parking", "dialplan/services/parking.xml"),
    "forward": ("mod_db", "dialplan/services/features.xml"),
    "do not disturb": ("mod_db", "dialplan/services/features.xml"),
    "pickup": ("mod_lua", "dialplan/services/features.xml"),
    "intercom": (None, "dialplan/services/features.xml"),
    "speed dials": (None, None),
    "ring groups": (None, "dialplan/services/ring_groups.xml"),
    "paging groups": ("mod_conference", "dialplan/services/paging_groups.xml"),
    "IVR": (None, "dialplan/services/ivrs.xml"),
    "notices": (None, "dialplan/services/notices.xml"),
    "hours": ("mod_db", "dialplan/services/hours.xml"),
    "faxes": (None, "dialplan/services/faxes.xml"),
    "queues": ("mod_callcenter", "dialplan/services/queues.xml"),
    "voicemail": ("mod_voicemail", "dialplan/services/voicemails.xml"),
    "trunks": (None, "dialplan/services/outbound.xml"),
    "recordings": (None, "dialplan/services/recordings.xml"),
    "call detail records": ("mod_json_cdr", "autoload_configs/json_cdr.conf.xml"),
    "billing": ("mod_nibblebill", "autoload_configs/nibblebill.conf.xml"),
}
"""The module and the file that are there for it alone."""
RANGE = "*Extension.range(1000, 1009, ring_seconds=5)"
EXTENSIONS = {
    "voicemail": "Extension(1021, voicemail=True)",
    "recordings": "Extension(1020, record=True)",
    "call detail records": "Extension(1022)",
    "billing": 'Extension(1023, account="family")',
}
"""Extensions, where the service is one of extensions."""
PICKUP = 'Extension(1000, pickup_groups=["a"]), *Extension.range(1001, 1009, ring_seconds=5)'

GROUPS = (
    (
        "applications",
        "HTTP applications",
        "scripts",
        "conferences",
        "parking",
        "forward",
        "ring groups",
        "notices",
        "trunks",
        "recordings",
    ),
    ("pickup", "hours", "IVR", "voicemail", "call detail records"),
    ("do not disturb", "faxes", "users of the Event Socket", "billing"),
    ("intercom", "speed dials", "queues"),
    ("paging groups",),
)
"""Services that are deployed together: none brings a module or a file that another one needs, so
each has to bring all of its own."""


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    made = operator_of(HOST)
    made.succeed()
    return made


def described(*services: str) -> str:
    """Return the Site with some services."""
    fields = [SERVICES[one][0] for one in services]
    people = [PICKUP if "pickup" in services else RANGE]
    people += [EXTENSIONS[one] for one in services if one in EXTENSIONS]
    site = SITE.replace("media=", ",\n    ".join([*fields, "media="]))
    return site.replace(RANGE, ", ".join(people))


def rendered(operator: Operator, text: str) -> tuple[set[str], set[str]]:
    """Return the modules and files that a Site asks for."""
    scope: dict[str, object] = {}
    exec(text.replace("{secrets}", str(operator.secrets)), scope)
    site = scope["site"]
    assert isinstance(site, Site)
    tree = freeswitch.configuration(site, Switch("a", address="192.0.2.1"))
    return set(freeswitch.modules(site)), {file.path for file in tree}


def present(operator: Operator) -> tuple[set[str], set[str]]:
    """Return the modules and files that are there. FreeSWITCH's table of modules is a moment
    late."""
    modules = operator.ssh(HOST, "fs_cli -x 'show modules as json'")
    loaded = {row["ikey"] for row in json.loads(modules)["rows"]}
    files = operator.ssh(HOST, f"cd {paths.CURRENT}/ && find . -type f -printf '%P\\n'")
    return loaded - {"CORE_SOFTTIMER_MODULE", "CORE_PCM_MODULE", ""}, set(files.split())


def ports(operator: Operator) -> str:
    """Return where FreeSWITCH and what stands before it listen."""
    return operator.ssh(
        HOST, "ss -Hlntup | grep -E 'freeswitch|http-guard' | awk '{print $1, $5}' | sort"
    )


class Turn:
    """The host, with the services of one group on, or off again."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.plain_ports = ports(operator)
        self._off: tuple[str, ...] = ()

    def on(self, group: tuple[str, ...]) -> None:
        """Deploy the group's services, unless they are what was deployed last."""
        self._deploy(described(*group))

    def off(self, group: tuple[str, ...]) -> None:
        """Deploy the plain Site where they were on, unless nothing else was on since."""
        if self._off != group:
            self.on(group)
        self._deploy(SITE)
        self._off = group

    def _deploy(self, site: str) -> None:
        data = self.operator.inventory.parent / "group_data/site.py"
        if data.read_text() != site.replace("{secrets}", str(self.operator.secrets)):
            self.operator.describe(site)
            self.operator.succeed()


@pytest.fixture(scope="module")
def turn(operator: Operator) -> Turn:
    operator.describe()
    operator.succeed()
    return Turn(operator)


def test_services_that_are_deployed_together_share_nothing(operator: Operator) -> None:
    """Else one could lack what another one brings, and nobody would notice."""
    assert sorted(one for group in GROUPS for one in group) == sorted(SERVICES)
    plain = rendered(operator, SITE)
    for group in GROUPS:
        for kind in (0, 1):
            brought = [rendered(operator, described(one))[kind] - plain[kind] for one in group]
            assert sum(map(len, brought)) == len(set().union(*brought)), group


@pytest.mark.parametrize(
    ("service", "state"),
    [(service, state) for group in GROUPS for state in ("on", "off") for service in group],
)
def test_on_and_off(turn: Turn, exchange: Exchange, service: str, state: str) -> None:
    operator = turn.operator
    _, number = SERVICES[service]
    module, file = OWN[service]
    modules, files = rendered(operator, described(service))
    plain_modules, plain_files = rendered(operator, SITE)
    (group,) = (group for group in GROUPS if service in group)
    if state == "on":
        turn.on(group)
        assert {module} - {None} <= modules
        assert {file} - {None} <= files
        all_files = rendered(operator, described(*group))[1]
        assert files <= all_files
        until(
            lambda: present(operator), lambda found: modules <= found[0] and all_files == found[1]
        )
        call = phone_of(operator, HOST, exchange, "1000").call(number)
        # Nobody has registered 1001: 480 is an answer of the service, and 404 would be none.
        exchange._wait(lambda: call.established or call.ended, PATIENCE, "an answer")
        assert not (call.ended and call.wait_ended().code == 404)
        call.hangup()
    else:
        turn.off(group)
        gone = {module} | (modules - plain_modules)
        until(
            lambda: present(operator),
            lambda found: not gone & found[0] and found[1] == plain_files,
        )
        assert file not in plain_files
        # FreeSWITCH closes the port of a profile in the background, after it has said that it is
        # gone.
        until(lambda: ports(operator), turn.plain_ports)
        assert phone_of(operator, HOST, exchange, "1000").call(number).wait_ended().code == 404


KEPT = 'features=FeatureCodes(forward="*72", forward_off="*73", do_not_disturb="*78", '
KEPT += 'do_not_disturb_off="*79"), ring_groups=[RingGroup("a", ["1002"], number=6100)]'


def test_kept_through_deploys_and_restarts(operator: Operator, exchange: Exchange) -> None:
    operator.describe(SITE.replace("media=", f"{KEPT},\n    media="))
    operator.succeed()
    phones = [phone_of(operator, HOST, exchange, str(number)) for number in range(1000, 1004)]
    for phone, code in ((phones[1], "*721003"), (phones[2], "*78")):
        assert phone.call(code).wait_ended().by == "them"
    operator.describe(SITE.replace("media=", f"{KEPT}, speed_dials={{'*01': 1001}},\n    media="))
    operator.succeed()
    operator.ssh(HOST, f"systemctl restart {paths.UNIT}; fs_cli -t 30000 -x status")
    for phone in () if EDGE else phones:
        # Before an edge nobody need register anew.
        phone.register()
    call = phones[0].call("*01")
    phones[3].incoming().reject()
    call.wait_ended()
    # Neither by its number nor in a group.
    for number in ("1002", "6100"):
        assert phones[0].call(number).wait_ended().code == 480


def test_conference_through_deploys(operator: Operator, exchange: Exchange) -> None:
    one = 'conferences=[Conference("a", number=3000)],\n    media='
    operator.describe(SITE.replace("media=", one))
    operator.succeed()
    phones = [phone_of(operator, HOST, exchange, str(number)) for number in (1000, 1001)]
    calls = [phone.call("3000") for phone in phones]
    for call, tone in zip(calls, (CALLER_HZ, CALLEE_HZ), strict=True):
        call.wait_established()
        call.play(tone)
    operator.describe(
        SITE.replace("media=", one.replace(")]", '), Conference("b", max_members=5)]'))
    )
    operator.succeed()
    still_talking(*calls)
    operator.describe()
    run = operator.deploy("-y")
    assert run.code != 0
    assert "failed: unload mod_conference" in run.output
    still_talking(*calls)
    calls[0].hangup()
    calls[1].hangup()
    operator.succeed()


def test_transfers_reach_no_code(operator: Operator, exchange: Exchange) -> None:
    operator.describe(SITE.replace("media=", f"{KEPT},\n    media="))
    operator.succeed()
    for number in ("1000", "1001"):
        operator.ssh(HOST, f"fs_cli -x 'db delete/forward/{number}'")
    call, answered = connected(operator, HOST, exchange)
    # Else whoever is called could forward the caller's calls.
    answered.transfer("*721003")
    assert call.wait_ended().by == "them"
    assert operator.ssh(HOST, "fs_cli -x 'db exists/forward/1000'").strip() == "false"


def test_pickup_of_a_group_call(operator: Operator, exchange: Exchange) -> None:
    text = SITE.replace(
        "media=",
        'features=FeatureCodes(pickup="*85"), '
        'ring_groups=[RingGroup("a", ["1001", "1002"], number=6100)],\n    media=',
    )
    members = "*(Extension(n, pickup_groups=['a'] if n in (1001, 1003) else []) for n in "
    operator.describe(
        text.replace("*Extension.range(1000, 1009, ring_seconds=5)", members + "range(1000, 1004))")
    )
    operator.succeed()
    caller, first, second, colleague = (
        phone_of(operator, HOST, exchange, str(number)) for number in range(1000, 1004)
    )
    call = caller.call("6100")
    ringing = [first.incoming(), second.incoming()]
    call.wait_ringing()
    picked = colleague.call("*85")
    picked.wait_established()
    call.wait_established()
    for one in ringing:
        assert one.wait_ended().by == "them"
    call.play(CALLER_HZ)
    picked.play(CALLEE_HZ)
    still_talking(call, picked)


PAGING = """
    cdr=Cdr("json"),
    features=FeatureCodes(do_not_disturb="*78", do_not_disturb_off="*79"),
    paging_groups=[
        PagingGroup("hall", ["1000", "1001", "1002", "1003", "1004"], number=7900,
                    from_extensions=["1000", "1005"]),
        PagingGroup("office", ["1003", "1005"], number=7901, max_seconds=5),
        PagingGroup("bells", ["1006"], number=7902),
    ],
    media="""
BEEP_HZ = 640


@pytest.fixture
def paging(operator: Operator) -> None:
    operator.describe(SITE.replace("media=", PAGING.lstrip("\n "), 1))
    operator.succeed()
    # Earlier tests have left some so.
    for number in range(1000, 1007):
        operator.ssh(HOST, f"fs_cli -x 'db delete/do-not-disturb/{number}'")


def asked(phone: Phone) -> list[Message]:
    """Return the calls that came to a phone, each once: what is not answered at once is said
    again."""
    found = [m for m in phone.messages if m.method == "INVITE" and m.status is None and not m.sent]
    return list({one.header("call-id"): one for one in found}.values())


def records(operator: Operator) -> list[tuple[str, str, bool]]:
    """List who called what, and whether it was answered, of each call that has a record."""
    said = operator.ssh(HOST, f"cat {paths.CALLS}/*.jsonl 2>/dev/null || true")
    found = [json.loads(line) for line in said.splitlines()]
    return [(one["caller"], one["dialled"], one["answered"] is not None) for one in found]


def test_a_page_reaches_who_is_free(operator: Operator, exchange: Exchange, paging: None) -> None:
    """A phone that talks, or is not to be disturbed, is left alone; the caller alone is heard"""
    caller, first, second = (
        phone_of(operator, HOST, exchange, number, answers_itself=True)
        for number in ("1000", "1001", "1002")
    )
    quiet = phone_of(operator, HOST, exchange, "1004", answers_itself=True)
    assert quiet.call("*78").wait_ended().by == "them"
    talking = phone_of(operator, HOST, exchange, "1003", answers_itself=True)
    others = [phone_of(operator, HOST, exchange, number) for number in ("1005", "1006")]
    talks, answered = put_through(others[1], talking, "1003")
    before = len(records(operator))
    page = caller.call("7900")
    paged = [first.incoming(), second.incoming()]
    page.wait_established()
    # It lasts half a second.
    assert_heard(page, BEEP_HZ, 0.2)
    for one in paged:
        one.wait_established()
        one.play(CALLEE_HZ)
    page.play(CALLER_HZ)
    page.forget()
    for one in paged:
        assert_heard(one, CALLER_HZ, 1)
        assert one.number == "1000"
        assert_not_heard(one, CALLEE_HZ)
    assert_not_heard(page, CALLEE_HZ)
    # One page at a time, by those who may.
    assert others[0].call("7900").wait_ended().code == 486
    assert others[1].call("7900").wait_ended().code == 403
    # All of this group are in a call: this is the caller's.
    assert others[0].call("7901").wait_ended().code == 486
    still_talking(talks, answered)
    page.hangup()
    for one in paged:
        assert one.wait_ended().by == "them"
    for phone in (first, second):
        (invite,) = asked(phone)
        assert "answer-after=0" in invite.header("call-info")
        assert "alert-autoanswer" in invite.header("alert-info")
    assert [len(asked(phone)) for phone in (caller, quiet, talking)] == [0, 0, 1]
    talks.hangup()
    answered.wait_ended()
    # One record of the page, none of its phones'; the talk has ended last.
    talk = ("1006", "1003", True)
    made = until(lambda: records(operator)[before:], lambda found: talk in found)
    assert sorted(one for one in made if one[1] != "*78") == [
        ("1000", "7900", True),
        ("1005", "7900", False),
        ("1005", "7901", False),
        talk,
        ("1006", "7900", False),
    ]


def test_a_page_ends_by_itself(operator: Operator, exchange: Exchange, paging: None) -> None:
    """After max_seconds, and where no phone is willing to answer by itself"""
    caller = phone_of(operator, HOST, exchange, "1000")
    willing = phone_of(operator, HOST, exchange, "1003", answers_itself=True)
    page = caller.call("7901")
    one = willing.incoming()
    one.wait_established()
    assert page.wait_ended().by == "them"
    assert one.wait_ended().by == "them"
    assert 3 <= one.final_stats.seconds <= 7
    unwilling = phone_of(operator, HOST, exchange, "1006")
    page = caller.call("7902")
    ringing = unwilling.incoming()
    page.wait_established()
    assert ringing.wait_ended().by == "them"
    assert not ringing.established
    assert page.wait_ended().by == "them"


def test_a_page_takes_its_bells_back(operator: Operator, exchange: Exchange, paging: None) -> None:
    """A phone that is not willing stops ringing when the caller hangs up"""
    caller = phone_of(operator, HOST, exchange, "1000")
    unwilling = phone_of(operator, HOST, exchange, "1006")
    page = caller.call("7902")
    ringing = unwilling.incoming()
    page.wait_established()
    page.hangup()
    assert ringing.wait_ended().by == "them"
    assert not ringing.established


def test_nothing_but_an_extension_pages(
    operator: Operator, exchange: Exchange, paging: None
) -> None:
    """A call that is transferred to the number ends"""
    member = phone_of(operator, HOST, exchange, "1002", answers_itself=True)
    call, answered = connected(operator, HOST, exchange)
    answered.transfer("7900")
    assert call.wait_ended().by == "them"
    assert asked(member) == []
