"""A good description: the same in Python and in YAML, and what it says when it is silent."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from callcenter.__main__ import main
from callcenter.cli.check import check
from callcenter.cli.reference import markdown
from callcenter.cli.schema import schema
from callcenter.site import (
    Agent,
    AgentCodes,
    Application,
    Billing,
    CallerRule,
    Callers,
    Cap,
    Cdr,
    Conference,
    Did,
    Emergency,
    EventSocket,
    EventSocketTls,
    EventSocketUser,
    Extension,
    Fax,
    FeatureCodes,
    Firewall,
    Guessers,
    Hours,
    HttpApplication,
    Ivr,
    LocalPackages,
    LuaScript,
    Mailbox,
    Maintenance,
    Media,
    Msi,
    Network,
    Notice,
    OpenPort,
    OutboundLimits,
    PagingGroup,
    Parking,
    Queue,
    Rate,
    Recording,
    RemotePostgres,
    RingGroup,
    Route,
    SignalWire,
    Site,
    Smtp,
    Speech,
    Switch,
    Trunk,
    Voicemail,
    application,
    conference,
    extension,
    fax,
    hang_up,
    hosts,
    http_application,
    ivr,
    open_during,
    ring_group,
    say,
    script,
    secret,
    voicemail,
)
from callcenter.site.extensions import OWN, Alike
from callcenter.site.secrets import Secret
from tests.certificates import Authority

pytestmark = pytest.mark.usefixtures("certificates")

ROOT = Path(__file__).parents[2]
LUA = ROOT / "examples/lua/ask.lua"
FOLDER = tempfile.TemporaryDirectory()
PEM = Authority.make(Path(FOLDER.name))
CERTIFICATE, KEY = PEM.certificate("switch")

YAML = """\
domain: CC.example.net
timezone: Asia/Shanghai
language: zh
packages:
  source: signalwire
  token: {secret: signalwire}
  version: 1.10.11
windows:
  location: https://files.example.net/fs.msi
  sha256: abababababababababababababababababababababababababababababababab
extensions:
  - 1000-1002
  - {number: 1005-1006, routes: [national], pickup_groups: [desk], ring_seconds: 9,
     voicemail: true, no_answer: {voicemail: 2000}, account: family}
  - 1003
  - "1004"
  - number: 2000
    name: Front desk
    ring_seconds: 20
    password: {secret: front-desk}
    pickup_groups: [desk]
    voicemail: {email: desk@Example.net, pin: {secret: desk-pin}}
    routes: [national]
    caller_id: "+861012345678"
    account: family
  - {number: 2001, voicemail: true, no_answer: {voicemail: 2000}, busy: {hang_up: USER_BUSY},
     not_registered: {voicemail: 2001}}
voicemail: {check: "*97", check_any: null, keep_days: 30, attach: false}
smtp: {host: mail.example.net, sender: pbx@example.net, user: pbx, password: {secret: mail}}
conferences:
  - {name: weekly, number: 3000, pin: {secret: weekly}, moderator_pin: {secret: chair},
     announce: words, max_members: 20}
parking: {first: 5901, last: "5920", number: 5900, max_wait: 60, otherwise: {conference: weekly}}
speed_dials: {"*01": 1000}
database: {source: remote, host: db.example.net, password: {secret: database}, user: calls,
  name: calls, port: 5433}
cdr: {to: database, keep_days: 30}
billing:
  currency: CNY
  rates: [{prefix: "+86", minute: "0.05"}, {prefix: "+8610", minute: 0.1}]
  heartbeat_seconds: 5
  low_balance: 2.5
  low_announcement: {say: Low.}
  used_up_announcement: {say: None left.}
  unavailable_announcement: {say: Later.}
caps_counted_by: site
caps:
  - {name: day, per: day, money: 20.5, each: account, accounts: [family]}
  - {name: night, per: hour, calls: 0, minutes: 5, routes: [national], prefixes: ["+86"],
     hours: office, when: closed, announcement: {say: Tomorrow.}}
trunks:
  - {name: carrier-a, host: sip.carrier.example, port: 5070, transport: tcp, username: acct,
     password: {secret: carrier-a}, networks: [198.51.100.0/24], channels: 10,
     caller_id: "+861012345678", caller_id_in: p-asserted-identity, number_format: "00",
     national: "+86", codecs: [PCMA], ping_seconds: null}
  - {name: carrier-b, host: 198.51.100.7, caller_id: "+861012345679"}
  - {name: carrier-c, host: sip.carrier-c.example, networks: [203.0.113.0/24], transport: tls,
     ca_file: authority.pem, tls_port: 5099, certificate: switch.pem, key: {secret: switch}}
inbound:
  - {number: "+861012345678", to: {extension: 2000}, trunk: carrier-a}
  - {number: "+861012345600", last: "+861012345609", to: {fax: office}}
callers:
  national: "+86"
  number_format: national
  number_prefix: "0"
  rules:
    - {name: pests, prefixes: ["+86168"], numbers: ["+8613800138000"], anonymous: true,
       called: ["+861012345678"], to: {hang_up: CALL_REJECTED}, shown_as: Pest}
outbound:
  - {name: national, pattern: '^0\\d{9,11}$', trunks: [carrier-a, carrier-b], strip: 1,
     weights: [3, 1], prefix: "+86", failover: [NORMAL_TEMPORARY_FAILURE], ring_seconds: 40,
     silence_seconds: 3, media: default}
emergency:
  - {number: 110, trunks: [carrier-b], sent: "+86110", silence_seconds: 10, notify: [2000]}
outbound_limits: {countries: ["+86"], denied: ["+861"], calls: 1, calls_per_hour: 20}
network:
  sip_port: 5080
  trunk_port: 5090
  transports: [tcp]
  rtp_ports: [20000, 30000]
  local_networks: [10.0.0.0/8, "fd00::/8"]
  sip_from: [192.0.2.0/24]
firewall:
  {enabled: false, ssh_from: [192.0.2.0/24], tcp_ports: [9100],
   udp_ports: [{port: 161, sources: [192.0.2.5]}]}
dialling: digit-by-digit
guessers: {enabled: false}
media: {codecs: [PCMA, OPUS], mode: default, max_calls: 100, max_calls_per_second: 10}
event_socket:
  port: 8022
  password: {secret: socket}
  users:
    - {name: listener, events: [ALL], commands: [originate], password: {secret: listens}}
    - {name: watcher, events: ["sofia::register"]}
  tls: {certificate: CERTIFICATE, key: KEY, clients: CLIENTS, networks: [192.0.2.0/28], port: 8032}
applications:
  - {name: survey, port: 8084, number: 6300, asynchronous: false, full: true,
     otherwise: {script: ask}}
http_applications:
  - {name: menu, url: "https://calls.example.net/start", number: 6500, user: switch,
     password: {secret: menu}, wait_seconds: 3, leads_to: {sales: {ivr: main}},
     otherwise: {http_application: local}}
  - {name: local, url: "http://127.0.0.1:8080/"}
scripts:
  - {name: ask, file: LUA, number: 6400, otherwise: {ivr: main}}
  - {name: again, file: LUA, otherwise: {application: survey}}
features:
  echo: "*98"
  tone: null
  forward: "*72"
  forward_off: "*73"
  do_not_disturb: "*78"
  do_not_disturb_off: "*79"
  pickup: "*85"
  intercom: "*80"
hours:
  - {name: office, weekly: ["Mon-Fri 09:00-18:00"], holidays: ["12-25"], night: "*28",
     exceptions: {"2026-12-24": "09:00-12:00"}, timezone: Asia/Tokyo}
ivrs:
  - name: main
    greeting: {say: Welcome.}
    number: 6000
    options:
      "1": {extension: 1000}
      "2": {hours: office, open: {ring_group: sales}, closed: {hang_up: USER_BUSY}}
      "9": {ivr: main}
queues:
  - name: sales
    number: 7000
    strategy: round-robin
    hold_music: {say: Please wait.}
    announcement: {say: Still there.}
    announce_position: true
    announce_seconds: 20
    next_level_seconds: 15
    progressive_seconds: 5
    max_wait: 300
    max_wait_without_agents: 30
    otherwise: {ivr: main}
    record: false
agents:
  - {extension: 1000, skills: {sales: 1}}
  - {extension: "1001", skills: {sales: 2}, ring_seconds: 15, wrap_up: 5, reject_delay: 1,
     busy_delay: 2, no_answer_delay: 3, max_no_answer: 0}
agent_codes: {log_in: "*31", log_out: "*32", pause: null}
faxes:
  - {name: office, number: 3100, mail: fax@Example.net, format: tiff, ident: "+86 10 1234",
     header: Example Ltd, t38: false, keep_days: null, routes: [national],
     caller_id: "+861012345678"}
notices:
  - {name: storm, announcement: {say: Stay at home.}, number: 6200, otherwise: {ivr: main}}
ring_groups:
  - {name: sales, members: [1000, "1001"], strategy: in-turn, otherwise: {ivr: main}}
paging_groups:
  - {name: hall, members: [1001, "1002"], number: 7900, from_extensions: [1000], max_seconds: 30}
speech: {command: [cat, "{language}"]}
hold_music: {say: Please hold., language: en}
recording:
  {keep_days: 30, announcement: {say: Recorded.}, stereo: false, pause: 1, resume: 2}
maintenance: {live_calls: stop, drain_seconds: 60}
secret_file: /nowhere/secrets.json
"""
for word, path in {"LUA": LUA, "CERTIFICATE": CERTIFICATE, "KEY": KEY, "CLIENTS": PEM.file}.items():
    YAML = YAML.replace(word, str(path))


def twin() -> Site:
    """Return what YAML says, in Python."""
    return Site(
        "cc.example.net",
        timezone="Asia/Shanghai",
        language="zh",
        packages=SignalWire(token=secret("signalwire"), version="1.10.11"),
        windows=Msi("https://files.example.net/fs.msi", sha256="ab" * 32),
        extensions=(
            *Extension.range(1000, 1002),
            *Extension.range(
                1005,
                1006,
                routes=["national"],
                pickup_groups=["desk"],
                ring_seconds=9,
                voicemail=True,
                no_answer=voicemail(2000),
                account="family",
            ),
            *Extension.range(1003, 1004),
            Extension(
                "2000",
                name="Front desk",
                ring_seconds=20,
                password=secret("front-desk"),
                pickup_groups=["desk"],
                voicemail=Mailbox(email="desk@example.net", pin=secret("desk-pin")),
                routes=["national"],
                caller_id="+861012345678",
                account="family",
            ),
            Extension(
                2001,
                voicemail=True,
                no_answer=voicemail(2000),
                busy=hang_up("USER_BUSY"),
                not_registered=voicemail(2001),
            ),
        ),
        voicemail=Voicemail(check="*97", check_any=None, keep_days=30, attach=False),
        smtp=Smtp(
            "mail.example.net", sender="pbx@example.net", user="pbx", password=secret("mail")
        ),
        conferences=[
            Conference(
                "weekly",
                number="3000",
                pin=secret("weekly"),
                moderator_pin=secret("chair"),
                announce="words",
                max_members=20,
            )
        ],
        parking=Parking(5901, 5920, number=5900, max_wait=60, otherwise=conference("weekly")),
        speed_dials={"*01": "1000"},
        database=RemotePostgres(
            "db.example.net",
            password=secret("database"),
            user="calls",
            name="calls",
            port=5433,
        ),
        cdr=Cdr("database", keep_days=30),
        billing=Billing(
            currency="CNY",
            rates=[Rate("+86", "0.05"), Rate("+8610", "0.1")],
            heartbeat_seconds=5,
            low_balance="2.5",
            low_announcement=say("Low."),
            used_up_announcement=say("None left."),
            unavailable_announcement=say("Later."),
        ),
        caps_counted_by="site",
        caps=[
            Cap("day", per="day", money="20.5", each="account", accounts=["family"]),
            Cap(
                "night",
                per="hour",
                calls=0,
                minutes=5,
                routes=["national"],
                prefixes=["+86"],
                hours="office",
                when="closed",
                announcement=say("Tomorrow."),
            ),
        ],
        trunks=[
            Trunk(
                "carrier-a",
                host="sip.carrier.example",
                port=5070,
                transport="tcp",
                username="acct",
                password=secret("carrier-a"),
                networks=["198.51.100.0/24"],
                channels=10,
                caller_id="+861012345678",
                caller_id_in="p-asserted-identity",
                number_format="00",
                national="+86",
                codecs=["PCMA"],
                ping_seconds=None,
            ),
            Trunk("carrier-b", host="198.51.100.7", caller_id="+861012345679"),
            Trunk(
                "carrier-c",
                host="sip.carrier-c.example",
                networks=["203.0.113.0/24"],
                transport="tls",
                ca_file=Path("authority.pem"),
                tls_port=5099,
                certificate=Path("switch.pem"),
                key=secret("switch"),
            ),
        ],
        inbound=[
            Did("+861012345678", to=extension(2000), trunk="carrier-a"),
            Did("+861012345600", last="+861012345609", to=fax("office")),
        ],
        callers=Callers(
            national="+86",
            number_format="national",
            number_prefix="0",
            rules=[
                CallerRule(
                    "pests",
                    prefixes=["+86168"],
                    numbers=["+8613800138000"],
                    anonymous=True,
                    called=["+861012345678"],
                    to=hang_up("CALL_REJECTED"),
                    shown_as="Pest",
                )
            ],
        ),
        outbound=[
            Route(
                "national",
                pattern=r"^0\d{9,11}$",
                trunks=["carrier-a", "carrier-b"],
                weights=[3, 1],
                strip=1,
                prefix="+86",
                failover=["NORMAL_TEMPORARY_FAILURE"],
                ring_seconds=40,
                silence_seconds=3,
                media="default",
            )
        ],
        emergency=[
            Emergency(
                "110",
                trunks=["carrier-b"],
                sent="+86110",
                silence_seconds=10,
                notify=["2000"],
            )
        ],
        outbound_limits=OutboundLimits(
            countries=["+86"], denied=["+861"], calls=1, calls_per_hour=20
        ),
        network=Network(
            sip_port=5080,
            trunk_port=5090,
            transports=("tcp",),
            rtp_ports=(20000, 30000),
            local_networks=("10.0.0.0/8", "fd00::/8"),
            sip_from=("192.0.2.0/24",),
        ),
        firewall=Firewall(
            enabled=False,
            ssh_from=("192.0.2.0/24",),
            tcp_ports=(9100,),
            udp_ports=(OpenPort(161, sources=["192.0.2.5"]),),
        ),
        dialling="digit-by-digit",
        guessers=Guessers(enabled=False),
        media=Media(
            codecs=("PCMA", "OPUS"), mode="default", max_calls=100, max_calls_per_second=10
        ),
        event_socket=EventSocket(
            port=8022,
            password=secret("socket"),
            users=[
                EventSocketUser(
                    "listener", events=["ALL"], commands=["originate"], password=secret("listens")
                ),
                EventSocketUser("watcher", events=["sofia::register"]),
            ],
            tls=EventSocketTls(
                CERTIFICATE, KEY, clients=PEM.file, networks=["192.0.2.0/28"], port=8032
            ),
        ),
        applications=[
            Application(
                "survey",
                8084,
                number="6300",
                asynchronous=False,
                full=True,
                otherwise=script("ask"),
            )
        ],
        http_applications=[
            HttpApplication(
                "menu",
                "https://calls.example.net/start",
                number="6500",
                user="switch",
                password=secret("menu"),
                wait_seconds=3,
                leads_to={"sales": ivr("main")},
                otherwise=http_application("local"),
            ),
            HttpApplication("local", "http://127.0.0.1:8080/"),
        ],
        scripts=[
            LuaScript("ask", LUA, number="6400", otherwise=ivr("main")),
            LuaScript("again", LUA, otherwise=application("survey")),
        ],
        features=FeatureCodes(
            echo="*98",
            tone=None,
            forward="*72",
            forward_off="*73",
            do_not_disturb="*78",
            do_not_disturb_off="*79",
            pickup="*85",
            intercom="*80",
        ),
        hours=[
            Hours(
                "office",
                ["Mon-Fri 09:00-18:00"],
                holidays=["12-25"],
                night="*28",
                exceptions={"2026-12-24": "09:00-12:00"},
                timezone="Asia/Tokyo",
            )
        ],
        ivrs=[
            Ivr(
                "main",
                say("Welcome."),
                number="6000",
                options={
                    "1": extension(1000),
                    "2": open_during("office", ring_group("sales"), otherwise=hang_up("USER_BUSY")),
                    "9": ivr("main"),
                },
            )
        ],
        queues=[
            Queue(
                "sales",
                number="7000",
                strategy="round-robin",
                hold_music=say("Please wait."),
                announcement=say("Still there."),
                announce_position=True,
                announce_seconds=20,
                next_level_seconds=15,
                progressive_seconds=5,
                max_wait=300,
                max_wait_without_agents=30,
                otherwise=ivr("main"),
            )
        ],
        agents=[
            Agent("1000", skills={"sales": 1}),
            Agent(
                "1001",
                skills={"sales": 2},
                ring_seconds=15,
                wrap_up=5,
                reject_delay=1,
                busy_delay=2,
                no_answer_delay=3,
                max_no_answer=0,
            ),
        ],
        agent_codes=AgentCodes(log_in="*31", log_out="*32", pause=None),
        faxes=[
            Fax(
                "office",
                number="3100",
                mail="fax@example.net",
                format="tiff",
                ident="+86 10 1234",
                header="Example Ltd",
                t38=False,
                keep_days=None,
                routes=["national"],
                caller_id="+861012345678",
            )
        ],
        notices=[Notice("storm", say("Stay at home."), number="6200", otherwise=ivr("main"))],
        ring_groups=[
            RingGroup("sales", ["1000", "1001"], strategy="in-turn", otherwise=ivr("main"))
        ],
        paging_groups=[
            PagingGroup(
                "hall",
                ["1001", "1002"],
                number="7900",
                from_extensions=["1000"],
                max_seconds=30,
            )
        ],
        speech=Speech(command=["cat", "{language}"]),
        hold_music=say("Please hold.", language="en"),
        recording=Recording(
            keep_days=30, announcement=say("Recorded."), stereo=False, pause=1, resume=2
        ),
        maintenance=Maintenance(live_calls="stop", drain_seconds=60),
        secret_file=Path("/nowhere/secrets.json"),
    )


def loaded(text: str, folder: Path) -> Site:
    file = folder / "site.yaml"
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    return Site.load(file)


def test_yaml_and_python_say_the_same(tmp_path: Path) -> None:
    assert loaded(YAML, tmp_path) == twin()


def test_yaml_takes_what_can_mean_one_thing_only(tmp_path: Path) -> None:
    """Keys of a menu and days as people write them, ranges, and a place for anchors."""
    made = loaded(
        """\
        x-agent: &alike {skills: {sales: 1}, wrap_up: 5}
        domain: cc.example.net
        extensions: [1000-1002, 0100, {number: 0101}]
        outbound_limits: {countries: [+49]}
        hours:
        - name: office
          weekly: ["Mon-Fri 09:00-18:00"]
          holidays: [2026-12-25]
          exceptions: {2026-12-24: closed}
        ivrs:
        - {name: menu, number: 6000, greeting: {say: Welcome}, options: {1: {extension: 1000}}}
        queues: [{name: sales, number: 7000}]
        agents:
        - {extension: 1000-1001, <<: *alike}
        - {extension: 1002, skills: {sales: 2}}
        """,
        tmp_path,
    )
    assert [one.number for one in made.extensions[3:]] == ["0100", "0101"]
    assert made.outbound_limits.countries == ("+49",)
    assert list(made.ivrs[0].options) == ["1"]
    assert made.hours[0].holidays == ("2026-12-25",)
    assert list(made.hours[0].exceptions) == ["2026-12-24"]
    assert [agent.extension for agent in made.agents] == ["1000", "1001", "1002"]
    assert [agent.wrap_up for agent in made.agents] == [5, 5, 10]


def test_a_range_is_the_extensions_that_it_stands_for() -> None:
    alike: Alike = {
        "ring_seconds": 9,
        "no_answer": voicemail(2000),
        "busy": hang_up("USER_BUSY"),
        "not_registered": voicemail(2000),
        "voicemail": True,
        "record": True,
        "pickup_groups": ["desk"],
        "routes": ["national"],
        "emergency_caller_id": "+861012345678",
        "account": "family",
    }
    assert Extension.range(10, 11, **alike) == [Extension(10, **alike), Extension(11, **alike)]
    others = {field.name for field in fields(Extension)} - {"number", *OWN}
    assert set(alike) == others, "a field that many extensions may have in common, or one's own"


def test_equal_sites_are_one_key() -> None:
    assert {twin(): 1}[twin()] == 1


def test_a_site_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="cannot assign"):
        twin().domain = "other.example.net"  # type: ignore[misc]


def test_every_field_of_a_site_is_in_the_example() -> None:
    # So that a field which YAML cannot carry shows here.
    described = {line.split(":")[0] for line in YAML.splitlines() if line[0].isalpha()}
    # Links and the page need a certificate, which is a file.
    lacking = {"encrypted_secrets", "provisioning", "web_phone"}
    assert set(Site.schema()["properties"]) - described == lacking


def test_two_fields_are_enough() -> None:
    made = Site("cc.example.net", extensions=tuple(Extension.range(1000, 1000)))
    assert made.packages == LocalPackages()
    assert made.network.sip_port == 5060
    assert made.event_socket.password == secret("esl")
    assert made.maintenance.live_calls == "drain"
    assert not made.secret_file


def test_each_extension_has_a_secret_of_its_own() -> None:
    made = Site("a.b", extensions=tuple(Extension.range(10, 11)))
    assert [str(one) for _, one in made.secrets()] == [
        "secret('extension/10')",
        "secret('extension/11')",
        "secret('guessers')",
        "secret('esl')",
    ]
    assert [path for path, _ in made.secrets()] == [
        "extensions[0].password",
        "extensions[1].password",
        "guessers.password",
        "event_socket.password",
    ]


def test_an_extension_is_found_by_its_number() -> None:
    made = twin()
    assert made.extension_by_number["2000"].name == "Front desk"
    assert "9999" not in made.extension_by_number


def test_packages_are_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FREESWITCH_APT", raising=False)
    assert LocalPackages().index == Path("/srv/freeswitch-apt/Packages")
    monkeypatch.setenv("FREESWITCH_APT", "/media/stick")
    assert LocalPackages().path == Path("/media/stick")


def test_ten_thousand_extensions_are_no_trouble() -> None:
    made = Site("a.b", extensions=tuple(Extension.range(10_000, 19_999)))
    assert len(made.extensions) == 10_000


@pytest.mark.parametrize(
    ("given", "bound", "announced"),
    [
        ({"public_ip": "203.0.113.10"}, "203.0.113.10", "203.0.113.10"),
        ({"address": "10.0.0.5"}, "10.0.0.5", "10.0.0.5"),
        ({"address": "10.0.0.5", "public_ip": "203.0.113.10"}, "10.0.0.5", "203.0.113.10"),
        ({"public_ip": "2001:DB8:0::1"}, "2001:db8::1", "2001:db8::1"),
    ],
)
def test_a_switch_has_two_addresses_or_one(
    given: dict[str, str], bound: str, announced: str
) -> None:
    switch = Switch.of("cc1", given)
    assert (switch.bind_address, switch.advertised_address) == (bound, announced)


def test_only_its_host_knows_what_a_switch_with_stun_announces() -> None:
    switch = Switch.of("cc1", {"address": "10.0.0.5", "stun": "STUN.example.net"})
    assert (switch.bind_address, switch.is_behind_nat) == ("10.0.0.5", True)
    assert switch.stun_server == ("stun.example.net", 3478)
    with pytest.raises(AssertionError, match="only the host knows"):
        _ = switch.advertised_address
    assert Switch("a", address="10.0.0.5", stun="192.0.2.7:53").stun_server == ("192.0.2.7", 53)


def test_an_inventory_is_what_pyinfra_expects() -> None:
    data = {"public_ip": "203.0.113.10", "ssh_user": "root"}
    assert hosts(("cc1", data), ("cc2", {"address": "10.0.0.1"})) == [
        ("cc1", data),
        ("cc2", {"address": "10.0.0.1"}),
    ]


@pytest.fixture(scope="module")
def validator() -> Any:
    jsonschema = pytest.importorskip(
        "jsonschema", reason="jsonschema is not installed, which checks the schema"
    )
    kind = jsonschema.Draft202012Validator
    kind.check_schema(Site.schema())
    return kind(json.loads(schema()))


class TestSchema:
    """The JSON Schema of the YAML form, for editors and generators."""

    def test_is_the_published_one(self) -> None:
        published = (ROOT / "docs" / "site.schema.json").read_text(encoding="utf-8")
        assert published == schema(), "run: python -m callcenter schema >docs/site.schema.json"

    def test_reference_is_the_published_one(self) -> None:
        published = (ROOT / "docs" / "site.md").read_text(encoding="utf-8")
        assert published == markdown(), "run: python -m callcenter reference >docs/site.md"

    def test_no_field_is_without_a_word(self) -> None:
        schema = Site.schema()
        silent = [
            f"{name}.{field}"
            for name, model in {"Site": schema, **schema["$defs"]}.items()
            for field, about in model["properties"].items()
            if not about.get("description")
        ]
        assert silent == []

    def test_says_of_every_key_what_it_is(self) -> None:
        for name, definition in Site.schema()["$defs"].items():
            assert definition["additionalProperties"] is False, name
            assert definition["description"], name

    def test_holds_no_secret_as_a_default(self) -> None:
        assert "secret(" not in schema()

    def test_accepts_what_the_model_accepts(self, validator: Any) -> None:
        yaml = pytest.importorskip("yaml")
        assert list(validator.iter_errors(yaml.safe_load(YAML))) == []

    @pytest.mark.parametrize(
        "wrong",
        [
            {},
            {"domain": "a.b"},
            {"domain": "a.b", "extensions": []},
            {"domain": "a.b", "extensions": [{"name": "x"}]},
            {"domain": "a.b", "extensions": ["0100-0119"]},
            {"domain": "a.b", "extensions": [5]},
            {"domain": "a.b", "extensions": [10], "colour": "red"},
            {"domain": "a.b", "extensions": [10], "network": {"sip_port": 80}},
            {"domain": "a.b", "extensions": [10], "network": {"sip_port": "5060"}},
            {"domain": "a.b", "extensions": [10], "media": {"codecs": ["AMR"]}},
            {"domain": "a.b", "extensions": [10], "packages": {"source": "ppa"}},
            {"domain": "a.b", "extensions": [10], "packages": {"path": "x"}},
            {"domain": "a.b", "extensions": [10], "windows": {"sha256": "x"}},
            {"domain": "a.b", "extensions": [10], "event_socket": {"password": "short"}},
            {"domain": "a.b", "extensions": [10], "event_socket": {"password": {"name": "x"}}},
        ],
    )
    def test_refuses_what_the_model_refuses(
        self, validator: Any, wrong: dict[str, Any], tmp_path: Path
    ) -> None:
        assert list(validator.iter_errors(wrong))
        # JSON is YAML, too.
        with pytest.raises(ValueError, match=r"Site\.|is empty"):
            loaded(json.dumps(wrong), tmp_path)


class TestCommand:
    """``python -m callcenter``."""

    def test_prints_the_schema(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "callcenter", "schema"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        assert done.stdout == schema()

    def test_is_content_with_a_good_site(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "prod.yaml"
        file.write_text(YAML)
        assert main(["check", "--without-passwords", str(file)]) == 0
        assert capsys.readouterr().out == "ok\n"

    def test_prints_every_refusal(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "prod.yaml"
        file.write_text("domain: a.b\nlanguage: tlh\n")
        assert main(["check", str(file)]) == 1
        assert capsys.readouterr().err.splitlines() == [
            f"{file}:1:1: Site.extensions: is missing; give it a value",
            f"{file}:2:11: Site.language: is not one of the choices; use 'en' or 'zh'",
        ]

    def test_says_that_a_secret_file_is_open_to_others(self, tmp_path: Path) -> None:
        kept = tmp_path / "kept.json"
        kept.write_text("{}")
        kept.chmod(0o644)
        file = tmp_path / "prod.yaml"
        file.write_text(f"domain: a.b\nextensions: [10]\nsecret_file: {kept}\n")
        assert check(file) == [f"{kept} is readable by others (mode 0644); run: chmod 600 {kept}"]


def test_a_literal_secret_shows_nothing() -> None:
    made = Site(
        "a.b",
        extensions=(Extension("10", password=Secret(literal="correct-Horse-7battery")),),
    )
    for shown in (repr(made), str(made), json.dumps(made.to_json())):
        assert "Horse" not in shown
        assert "secret(<given>)" in shown
