"""What a change of the Site costs: the gentlest actions that apply it, and how much travels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callcenter.render import Difference, Tree, freeswitch
from callcenter.render.costs import COMPARED, Severity, plan
from callcenter.site import (
    Billing,
    EventSocket,
    Extension,
    FeatureCodes,
    Firewall,
    HttpApplication,
    LocalPackages,
    LocalPostgres,
    Maintenance,
    Media,
    Network,
    OutboundLimits,
    Rate,
    Route,
    Site,
    Smtp,
    Switch,
    Trunk,
    Voicemail,
)
from callcenter.site.secrets import Secret
from tests.certificates import Authority

pytestmark = pytest.mark.usefixtures("own_folder")

SWITCH = Switch("cc1.example.net", public_ip="203.0.113.10")


def tree(**fields: Any) -> Tree:
    described: dict[str, Any] = {
        "domain": "cc.example.net",
        "extensions": Extension.range(1000, 1019),
        "media": Media(max_calls=100),
    }
    return freeswitch.configuration(Site(**(described | fields)), SWITCH)


def contents(of: Tree) -> dict[str, str]:
    """Return what is asked of a host: the files whose parameters decide, and no others."""
    return {file.path: file.text for file in of if file.path.startswith(COMPARED)}


def difference(before: Tree, after: Tree) -> Difference:
    return after.against({file.path: file.digest for file in before})


def actions(before: Tree, after: Tree) -> list[str]:
    made = plan(difference(before, after).paths, contents(before), contents(after))
    return [action.command for action in made]


def named(number: int, **fields: Any) -> list[Extension]:
    others = [one for one in Extension.range(1000, 1019) if one.number != str(number)]
    return [*others, Extension(str(number), **fields)]


esl = EventSocket(password=Secret(literal="third-Horse-7battery"))

GENTLE: list[tuple[str, dict[str, Any], list[str]]] = [
    ("nothing", {}, []),
    ("an extension more", {"extensions": Extension.range(1000, 1020)}, ["reloadxml"]),
    ("an extension less", {"extensions": Extension.range(1000, 1018)}, ["reloadxml"]),
    ("a hundred more", {"extensions": Extension.range(1000, 1119)}, ["reloadxml"]),
    ("another name", {"extensions": named(1005, name="Ann")}, ["reloadxml"]),
    ("a longer ring", {"extensions": named(1005, ring_seconds=60)}, ["reloadxml"]),
    (
        "another password",
        {"extensions": named(1005, password=Secret(literal="correct-Horse-7battery"))},
        ["reloadxml"],
    ),
    ("another code", {"features": FeatureCodes(echo="*98")}, ["reloadxml"]),
    ("no echo", {"features": FeatureCodes(echo=None)}, ["reloadxml"]),
    ("no tone", {"features": FeatureCodes(tone=None)}, ["reloadxml", "unload mod_tone_stream"]),
    ("voice past the switch", {"media": Media(max_calls=100, mode="bypass")}, ["reloadxml"]),
    ("voice not decoded", {"media": Media(max_calls=100, mode="proxy")}, ["reloadxml"]),
    ("more calls", {"media": Media(max_calls=200)}, ["reloadxml", "fsctl max_sessions 400"]),
    (
        "more calls a second",
        {"media": Media(max_calls=100, max_calls_per_second=50)},
        ["reloadxml", "fsctl sps 100"],
    ),
    (
        "codecs in another order",
        {"media": Media(max_calls=100, codecs=("PCMA", "PCMU", "G722", "OPUS"))},
        ["reloadxml", "rescan internal"],
    ),
    (
        "a codec of a loaded module more",
        {"media": Media(max_calls=100, codecs=("OPUS", "G722", "PCMU", "PCMA", "GSM"))},
        ["reloadxml", "rescan internal"],
    ),
    (
        "a codec less, and its module",
        {"media": Media(max_calls=100, codecs=("G722", "PCMU", "PCMA"))},
        ["reloadxml", "rescan internal", "unload mod_opus"],
    ),
    (
        "another local network",
        {"network": Network(local_networks=("10.0.0.0/8",))},
        ["reloadxml", "reloadacl"],
    ),
    (
        "another Event Socket port",
        {"event_socket": EventSocket(port=8022)},
        ["reloadxml", "reload mod_event_socket"],
    ),
    (
        "another Event Socket password",
        {"event_socket": esl},
        ["reloadxml", "reload mod_event_socket"],
    ),
    (
        "the first mailbox",
        {"extensions": named(1005, voicemail=True)},
        ["reloadxml", "load mod_say_en", "load mod_voicemail"],
    ),
    ("another network for phones", {"network": Network(sip_from=("192.0.2.0/24",))}, []),
    ("the firewall", {"firewall": Firewall(enabled=False)}, ["reloadxml"]),
    ("the packages", {"packages": LocalPackages(version="1.10.11")}, []),
    ("the maintenance", {"maintenance": Maintenance(live_calls="drop")}, []),
]  # fmt: skip

HARSH: list[tuple[str, dict[str, Any], list[str]]] = [
    ("another SIP port", {"network": Network(sip_port=5080)}, ["reloadxml", "profile internal"]),
    (
        "no edge",
        {"network": Network(edge=False)},
        ["reloadxml", "reloadacl", "profile internal"],
    ),
    (
        "another domain, with the secrets of the present one",
        {
            "domain": "other.example.net",
            "secret_file": Path(".secrets/cc.example.net.json"),
        },
        ["reloadxml", "profile internal"],
    ),
    ("other RTP ports", {"network": Network(rtp_ports=(20000, 30000))}, ["reloadxml", "restart"]),
    (
        "other RTP ports and much else",
        {
            "network": Network(rtp_ports=(20000, 30000), sip_port=5080),
            "features": FeatureCodes(tone=None),
            "event_socket": EventSocket(port=8022),
        },
        ["reloadxml", "restart"],
    ),
    (
        "a SIP port and gentle changes",
        {"network": Network(sip_port=5080), "features": FeatureCodes(tone=None)},
        ["reloadxml", "unload mod_tone_stream", "profile internal"],
    ),
]


@pytest.mark.parametrize(
    ("fields", "commands"), [pytest.param(f, c, id=name) for name, f, c in GENTLE]
)
def test_a_gentle_change_ends_no_call(fields: dict[str, Any], commands: list[str]) -> None:
    before, after = tree(), tree(**fields)
    made = plan(difference(before, after).paths, contents(before), contents(after))
    assert [action.command for action in made] == commands
    assert all(action.severity < Severity.PROFILE for action in made)


def test_voicemail_is_read_anew_without_ending_a_call() -> None:
    boxes = {"extensions": named(1005, voicemail=True)}
    before = tree(**boxes)
    for fields, commands in (
        ({"voicemail": Voicemail(max_seconds=60)}, ["reloadxml", "voicemail reload default"]),
        ({"voicemail": Voicemail(check="*77")}, ["reloadxml"]),
        ({"voicemail": Voicemail(keep_days=1)}, []),
        ({"smtp": Smtp("m.b.net", sender="a@b.net")}, []),
    ):
        after = tree(**boxes, **fields)
        made = plan(difference(before, after).paths, contents(before), contents(after))
        assert [action.command for action in made] == commands
        assert all(action.severity == Severity.RELOAD for action in made)


@pytest.mark.parametrize(
    ("fields", "commands"), [pytest.param(f, c, id=name) for name, f, c in HARSH]
)
def test_a_harsh_change_is_called_harsh(fields: dict[str, Any], commands: list[str]) -> None:
    assert actions(tree(), tree(**fields)) == commands


@pytest.mark.parametrize(
    "fields", [pytest.param(f, id=name) for name, f, _ in GENTLE if name != "nothing"]
)
def test_a_gentle_change_is_gentle_to_undo(fields: dict[str, Any]) -> None:
    assert not {"restart", "profile internal"} & set(actions(tree(**fields), tree()))


def test_a_new_module_is_loaded_and_not_reloaded_besides() -> None:
    small = tree(media=Media(max_calls=100, codecs=("PCMA",)))
    assert actions(small, tree()) == [
        "reloadxml", "rescan internal", "load mod_opus", "load mod_spandsp",
    ]  # fmt: skip


def test_another_address_restarts_the_profile() -> None:
    site = Site("cc.example.net", extensions=tuple(Extension.range(1000, 1001)))
    moved = Switch("cc1.example.net", public_ip="203.0.113.11")
    before, after = (freeswitch.configuration(site, one) for one in (SWITCH, moved))
    assert actions(before, after) == ["reloadxml", "reloadacl", "profile internal"]


def test_a_transport_less_is_kamailios_alone() -> None:
    assert actions(tree(), tree(network=Network(transports=("udp",)))) == []


def test_a_parameter_that_goes_away_restarts_the_profile() -> None:
    # A rescan would keep the old value.
    path = "sip_profiles/internal.xml"
    old, new = '<param name="nonce-ttl" value="60"/>', '<param name="tls" value="false"/>'
    commands = [one.command for one in plan([path], {path: old + new}, {path: new})]
    assert commands == ["reloadxml", "profile internal"]


def outside(*trunks: Trunk, weights: list[int] | None = None) -> Tree:
    route = Route("r", pattern=r"^0\d+$", strip=1, prefix="+49", trunks=["a"], weights=weights)
    limits = OutboundLimits(countries=["+49"])
    return tree(trunks=trunks, outbound=[route], outbound_limits=limits)


def test_a_carrier_by_tls_comes_changes_and_goes_by_itself(certificates: None) -> None:
    def by_tls(**fields: Any) -> Trunk:
        authority = Path("authority.pem")
        given: dict[str, Any] = {"host": "sip.example.net", "networks": ["192.0.2.2"]}
        return Trunk("b", **given, transport="tls", ca_file=authority, **fields)

    plain = Trunk("a", host="192.0.2.1")
    without, there = outside(plain), outside(plain, by_tls())
    assert "start tls-b" in (came := actions(without, there))
    assert not {one for one in came if one.split()[0] in ("gateway", "profile")}
    went = actions(there, without)
    assert "stop tls-b" in went
    assert not {one for one in went if one.split()[0] in ("gateway", "profile")}
    quicker = outside(plain, by_tls(ping_seconds=5))
    assert actions(there, quicker) == ["reloadxml", "gateway tls-b b"]
    Authority.make(Path())
    assert actions(there, outside(plain, by_tls())) == ["reloadxml", "profile tls-b"]


def test_weights_are_read_anew_without_ending_a_call() -> None:
    a = Trunk("a", host="192.0.2.1")
    before, spread = outside(a), outside(a, weights=[2])
    assert actions(before, spread) == ["reloadxml", "load mod_distributor"]
    assert actions(spread, outside(a, weights=[3])) == ["reloadxml", "distributor_ctl reload"]
    assert actions(spread, before) == ["reloadxml", "unload mod_distributor"]


@pytest.mark.parametrize("path", ["autoload_configs/unheard.conf.xml", "elsewhere", "dialplan"])
def test_an_unknown_file_is_applied_harshly_rather_than_never(path: str) -> None:
    assert [one.command for one in plan([path], {}, {})] == ["reloadxml", "restart"]


def test_a_lost_switch_or_module_file_restarts() -> None:
    after = contents(tree())
    for path in COMPARED[:2]:
        assert [one.command for one in plan([path], {}, after)] == ["reloadxml", "restart"]


@pytest.mark.parametrize("total", [10, 2_000, 10_000])
def test_an_extension_more_is_one_file(total: int) -> None:
    # Both end within a hundred.
    before = tree(extensions=Extension.range(10_000, 10_000 + total - 2))
    after = tree(extensions=Extension.range(10_000, 10_000 + total - 1))
    changed = difference(before, after)
    assert changed.paths == (f"directory/users/{(10_000 + total - 1) // 100}xx.xml",)
    assert len(after.archive(changed.paths)) < 10_000
    assert actions(before, after) == ["reloadxml"]


@pytest.mark.parametrize(("total", "files"), [(10, 1), (2_000, 20), (10_000, 100)])
def test_a_file_holds_a_hundred_extensions(total: int, files: int) -> None:
    made = tree(extensions=Extension.range(10_000, 10_000 + total - 1))
    users = [file.path for file in made if file.path.startswith("directory/users/")]
    assert len(users) == files
    assert len(made) == files + 18


def test_numbers_of_any_length_have_a_file() -> None:
    made = tree(
        extensions=[Extension("55"), Extension("123"), Extension("98765"), Extension("4" * 15)]
    )
    users = [file.path.split("/")[-1] for file in made if "users/" in file.path]
    assert users == ["1xx.xml", f"{'4' * 13}xx.xml", "987xx.xml", "xx.xml"]


def test_http_applications_come_and_change_gently_and_go_with_a_restart() -> None:
    none = tree()
    one = tree(http_applications=[HttpApplication("a", "https://a.test/")])
    other = tree(
        http_applications=[
            HttpApplication(
                "a", "https://b.test/", user="u", password=Secret(literal="of-the-back-end")
            )
        ]
    )
    assert actions(none, one) == ["reloadxml", "load mod_httapi"]
    assert actions(one, other) == ["reloadxml"]
    # A call that it has had would end in a module that is no longer there.
    assert actions(one, none) == ["reloadxml", "restart"]


def test_the_files_asked_of_a_host_hold_no_secret() -> None:
    made = Site("cc.example.net", extensions=tuple(Extension.range(1000, 1001)))
    asked = "".join(contents(freeswitch.configuration(made, SWITCH)).values())
    assert asked
    assert [one for _, one in made.secrets() if made.reveal(one) in asked] == []
    assert "a1-hash" not in asked


def test_billing_comes_in_order_and_a_price_costs_a_reload() -> None:
    def billed(**fields: Any) -> Tree:
        given: dict[str, Any] = {"currency": "EUR", "rates": [Rate("+49", 1)], **fields}
        return tree(
            extensions=named(1005, account="family"),
            database=LocalPostgres(),
            billing=Billing(**given),
        )

    off = tree(extensions=named(1005))
    # Each of them while the one that needs the other is not there.
    assert actions(off, billed()) == ["reloadxml", "load mod_pgsql", "load mod_nibblebill"]
    assert actions(billed(), off) == ["reloadxml", "unload mod_nibblebill", "unload mod_pgsql"]
    assert actions(billed(), billed(rates=[Rate("+49", 2)])) == ["reloadxml"]
    assert actions(billed(), billed(low_balance=2)) == ["reloadxml", "reload mod_nibblebill"]
