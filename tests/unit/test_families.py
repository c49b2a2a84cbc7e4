"""Addresses of a family that a switch does not speak are refused, each by its field."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import callcenter.site
from callcenter.__main__ import main
from callcenter.site import Site, SiteError, Switch
from callcenter.site.families import other_family, out_of_reach
from roles.host.checks import problems
from tests.unit.test_roles_pure import GOOD

m: Any = callcenter.site
FOUR = Switch("cc1", public_ip="203.0.113.10")
SIX = Switch("cc1", address="2001:db8::10")
V4, V6 = "198.51.100.0/24", "2001:db8:5::/48"


def site(**fields: Any) -> Site:
    given = {"network": m.Network(sip_from="anywhere"), **fields}
    made: Site = m.Site("cc.example.net", extensions=[1000, 1001], **given)
    return made


def trunk(host: str, *networks: str) -> dict[str, Any]:
    return {"trunks": [m.Trunk("a", host=host, networks=networks)]}


@pytest.mark.parametrize(
    ("fields", "switch", "path", "words"),
    [
        pytest.param(*case[1:], id=case[0])
        for case in [
            ("an IPv4 carrier of an IPv6 switch", trunk("192.0.2.1"), SIX, "trunks[0].host",
             ["192.0.2.1 is of IPv4", "2001:db8::10 is of IPv6", "its name", "not built yet"]),
            ("an IPv6 carrier of an IPv4 switch", trunk("2001:db8::1"), FOUR, "trunks[0].host",
             ["2001:db8::1 is of IPv6", "203.0.113.10 is of IPv4", "address of IPv4"]),
            ("an IPv6 carrier behind a router",
             trunk("2001:db8::1"), Switch("cc1", address="10.0.0.5", public_ip="203.0.113.10"),
             "trunks[0].host", ["10.0.0.5 is of IPv4"]),
            ("an IPv6 carrier of a switch with STUN", trunk("2001:db8::1"),
             Switch("cc1", address="10.0.0.5", stun="stun.example.net"), "trunks[0].host",
             ["10.0.0.5 is of IPv4"]),
            ("a carrier that sends from IPv6 alone", trunk("sip.a.net", V6), FOUR,
             "trunks[0].networks", ["no network of IPv4", "send nothing"]),
            ("a carrier that sends from IPv4 alone", trunk("sip.a.net", V4), SIX,
             "trunks[0].networks", ["no network of IPv6", "its networks of IPv6"]),
            ("phones of IPv6 alone", {"network": m.Network(sip_from=[V6])}, FOUR,
             "network.sip_from", ["no network of IPv4", "no phone could reach"]),
            ("all of IPv6", {"network": m.Network(sip_from=["::/0"])}, FOUR, "network.sip_from",
             ["no network of IPv4"]),
            ("phones of IPv4 alone", {"network": m.Network(sip_from=[V4])}, SIX,
             "network.sip_from", ["no network of IPv6", "networks of IPv6"]),
            ("phones in RFC 1918", {"network": m.Network(sip_from=["10.0.0.0/8"])}, SIX,
             "network.sip_from", ["no network of IPv6"]),
        ]
    ],
)  # fmt: skip
def test_what_a_switch_cannot_speak_with_is_refused(
    fields: dict[str, Any], switch: Switch, path: str, words: list[str]
) -> None:
    described = site(**fields)
    (line,) = other_family(described, switch)
    assert line.startswith(f"Site.{path}: ")
    assert [word for word in words if word not in line] == []
    # A deploy refuses it before it changes anything.
    found = dataclasses.replace(GOOD, addresses=frozenset({"127.0.0.1", switch.bind_address}))
    assert line in problems(described, switch, found)


def test_the_second_of_two_carriers_is_named() -> None:
    both = [m.Trunk("a", host="192.0.2.1"), m.Trunk("b", host="2001:db8::1")]
    assert [line.partition(":")[0] for line in other_family(site(trunks=both), FOUR)] == [
        "Site.trunks[1].host"
    ]
    assert [line.partition(":")[0] for line in other_family(site(trunks=both), SIX)] == [
        "Site.trunks[0].host"
    ]


@pytest.mark.parametrize(
    ("fields", "switch"),
    [
        (trunk("192.0.2.1"), FOUR),
        (trunk("2001:db8::1"), SIX),
        (trunk("::ffff:192.0.2.1"), FOUR),
        (trunk("sip.a.net", V4, V6), FOUR),
        (trunk("sip.a.net", V4, V6), SIX),
        ({"network": m.Network(sip_from=[V4, V6])}, FOUR),
        ({"network": m.Network(sip_from=[V4, V6])}, SIX),
        # "anywhere" is anybody, of either family.
        ({}, SIX),
        # It says nothing, which is refused elsewhere, in its own words.
        ({"network": m.Network()}, SIX),
    ],
)
def test_what_fits_passes(fields: dict[str, Any], switch: Switch) -> None:
    assert other_family(site(**fields), switch) == []


@pytest.mark.parametrize(
    ("ssh_from", "login", "refused"),
    [
        ([V6], "203.0.113.10", True),
        ([V4], "2001:db8::10", True),
        ([V4], "203.0.113.10", False),
        # A name may lead to either.
        ([V6], "cc1.example.net", False),
        ("anywhere", "2001:db8::10", False),
    ],
)
def test_ssh_is_not_locked_out(ssh_from: Any, login: str, refused: bool) -> None:
    described = site(firewall=m.Firewall(ssh_from=ssh_from))
    lines = other_family(described, FOUR, login)
    assert [line.partition(":")[0] for line in lines] == (
        ["Site.firewall.ssh_from"] if refused else []
    )
    assert other_family(site(firewall=m.Firewall(enabled=False)), FOUR, login) == []


SMTP = m.Smtp("192.0.2.25", sender="pbx@example.net")
HTTP4 = m.HttpApplication("a", "https://192.0.2.80/start")
HTTP6 = m.HttpApplication("a", "https://[2001:db8::80]:8443/start")
HERE6 = m.HttpApplication("a", "http://[::1]:8080/start")


def apt(url: str) -> Any:
    return m.AptRepository(url=url, key=Path("key"))


@pytest.mark.parametrize(
    ("fields", "addresses", "path"),
    [
        ({"smtp": SMTP}, {"::1", "127.0.0.1", "2001:db8::10"}, "smtp.host"),
        ({"http_applications": [HTTP4]}, {"2001:db8::10"}, "http_applications[0].url"),
        ({"http_applications": [HTTP6]}, {"203.0.113.10", "fe80::1"}, "http_applications[0].url"),
        ({"http_applications": [HERE6]}, {"127.0.0.1", "10.0.0.5"}, "http_applications[0].url"),
        ({"packages": apt("https://[2001:db8::9]/apt")}, {"10.0.0.5"}, "packages.url"),
        ({"packages": apt("http://192.0.2.9/apt")}, {"2001:db8::10", "::1"}, "packages.url"),
    ],
)
def test_servers_that_a_host_has_no_address_for(
    fields: dict[str, Any], addresses: set[str], path: str
) -> None:
    (line,) = out_of_reach(site(**fields), addresses)
    assert line.startswith(f"Site.{path}: ")
    assert "IPv" in line
    # A host with both has none of it.
    assert out_of_reach(site(**fields), {*addresses, "10.0.0.5", "2001:db8::10", "::1"}) == []
    four = Switch("cc1", address="10.0.0.5")
    found = dataclasses.replace(GOOD, addresses=frozenset({*addresses, "10.0.0.5"}))
    if "10.0.0.5" in addresses:
        assert line in problems(site(**fields), four, found)


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        ({"address": "10.0.0.5", "public_ip": "2001:db8::10"}, "public_ip",
         ["2001:db8::10 is of IPv6", "10.0.0.5 of IPv4", "an IPv4 address"]),
        ({"address": "fd00::5", "public_ip": "203.0.113.10"}, "public_ip",
         ["203.0.113.10 is of IPv4", "fd00::5 of IPv6", "not built yet"]),
        ({"address": "2001:db8::10", "public_ip": "203.0.113.10"}, "public_ip", ["is of IPv4"]),
        ({"address": "fe80::5"}, "address", ["link-local", "2001:db8::10"]),
        ({"address": "fe80::5", "public_ip": "2001:db8::10"}, "address", ["link-local"]),
    ],
)  # fmt: skip
def test_a_switch_has_addresses_of_one_family(
    given: dict[str, Any], path: str, words: list[str]
) -> None:
    with pytest.raises(SiteError) as refused:
        Switch("cc1", **given)
    (line,) = refused.value.problems
    assert line.startswith(f"Switch.{path}: ")
    assert [word for word in words if word not in line] == []


@pytest.mark.parametrize(
    ("described", "path", "words"),
    [
        (lambda: m.Trunk("a", host="0.0.0.0"), "Trunk.host", ["no host's address"]),
        (lambda: m.Trunk("a", host="::"), "Trunk.host", ["no host's address"]),
        (lambda: m.Trunk("a", host="ff02::1"), "Trunk.host", ["no host's address"]),
        (lambda: m.Trunk("a", host="239.1.2.3"), "Trunk.host", ["no host's address"]),
        (lambda: m.Trunk("a", host="fe80::1"), "Trunk.host", ["link-local"]),
        (lambda: m.Trunk("a", host="fe80::1%eth0"), "Trunk.host", ["zone"]),
        (lambda: m.Network(sip_from=["::ffff:192.0.2.0/120"]), "Network.sip_from[0]",
         ["IPv4 written as IPv6", "'192.0.2.0/24'"]),
        (lambda: m.Network(local_networks=["::ffff:10.0.0.0/104"]), "Network.local_networks[0]",
         ["'10.0.0.0/8'"]),
        (lambda: m.Network(sip_from=["239.0.0.0/8"]), "Network.sip_from[0]", ["multicast"]),
        (lambda: m.Trunk("a", host="sip.a.net", networks=["ff00::/8"]), "Trunk.networks[0]",
         ["multicast"]),
        (lambda: m.Firewall(ssh_from=["224.0.0.0/4"]), "Firewall.ssh_from[0]", ["multicast"]),
        (lambda: m.Firewall(egress_to=["::ffff:192.0.2.1/128"]), "Firewall.egress_to[0]",
         ["'192.0.2.1/32'"]),
    ],
)  # fmt: skip
def test_addresses_that_nobody_has_are_refused(described: Any, path: str, words: list[str]) -> None:
    with pytest.raises(SiteError) as refused:
        described()
    (line,) = refused.value.problems
    assert line.startswith(f"{path}: ")
    assert [word for word in words if word not in line] == []


INVENTORY = """
from callcenter.site import hosts
{group} = hosts(("cc1", {data}))
"""
DATA = """
from callcenter.site import *
site = Site("cc.example.net", extensions=[1000, 1001], network=Network(sip_from={sip_from}),
    firewall=Firewall(ssh_from={ssh_from}), trunks=[{trunks}])
"""


@pytest.mark.parametrize(
    ("data", "fields", "path"),
    [
        ({"public_ip": "203.0.113.10"}, {"trunks": "Trunk('a', host='2001:db8::1')"},
         "Site.trunks[0].host"),
        ({"address": "2001:db8::10"}, {"trunks": "Trunk('a', host='192.0.2.1')"},
         "Site.trunks[0].host"),
        ({"address": "2001:db8::10"}, {"sip_from": "['192.0.2.0/24']"}, "Site.network.sip_from"),
        ({"address": "203.0.113.10", "ssh_hostname": "203.0.113.10"},
         {"ssh_from": "['2001:db8::/32']"}, "Site.firewall.ssh_from"),
    ],
)  # fmt: skip
def test_check_refuses_an_inventory(
    data: dict[str, str],
    fields: dict[str, str],
    path: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    inventory = tmp_path / "prod"
    inventory.write_text(INVENTORY.format(group="switches", data=data))
    (tmp_path / "group_data").mkdir()
    given = {"sip_from": "'anywhere'", "ssh_from": "'anywhere'", "trunks": "", **fields}
    (tmp_path / "group_data" / "prod.py").write_text(DATA.format(**given))
    assert main(["check", str(inventory)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert [line for line in told if line.startswith(f"cc1: {path}: ")] == told
