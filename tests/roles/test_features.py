"""Every service on, then off: its numbers, its modules, its files and its ports are gone."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from callcenter.render import freeswitch, paths
from callcenter.site import Site, Switch
from tests.acceptance.support.phones import Exchange
from tests.acceptance.support.waiting import PATIENCE
from tests.roles.conftest import EDGE, SITE, Operator
from tests.roles.support import (
    CALLEE_HZ,
    CALLER_HZ,
    connected,
    phone_of,
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
"""Where the service is one of extensions."""
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
)
"""Services that are deployed together: none brings a module or a file that another one needs, so
each has to bring all of its own."""


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    made = operator_of(HOST)
    made.succeed()
    return made


def described(*services: str) -> str:
    """The Site with some services."""
    fields = [SERVICES[one][0] for one in services]
    people = [PICKUP if "pickup" in services else RANGE]
    people += [EXTENSIONS[one] for one in services if one in EXTENSIONS]
    site = SITE.replace("media=", ",\n    ".join([*fields, "media="]))
    return site.replace(RANGE, ", ".join(people))


def rendered(operator: Operator, text: str) -> tuple[set[str], set[str]]:
    """The modules and files that a Site asks for."""
    scope: dict[str, object] = {}
    exec(text.replace("{secrets}", str(operator.secrets)), scope)
    site = scope["site"]
    assert isinstance(site, Site)
    tree = freeswitch.configuration(site, Switch("a", address="192.0.2.1"))
    return set(freeswitch.modules(site)), {file.path for file in tree}


def present(operator: Operator) -> tuple[set[str], set[str]]:
    """The modules and files that are there. FreeSWITCH's table of modules is a moment late."""
    modules = operator.ssh(HOST, "fs_cli -x 'show modules as json'")
    loaded = {row["ikey"] for row in json.loads(modules)["rows"]}
    files = operator.ssh(HOST, f"cd {paths.CURRENT}/ && find . -type f -printf '%P\\n'")
    return loaded - {"CORE_SOFTTIMER_MODULE", "CORE_PCM_MODULE", ""}, set(files.split())


def ports(operator: Operator) -> str:
    """Where FreeSWITCH and what stands before it listen."""
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
