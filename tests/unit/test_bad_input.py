"""What is refused before any connection is opened: each with the field's path and what is right."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import callcenter.site
from callcenter.secrets import Secret, weakness
from callcenter.site import Site, SiteError, hosts, secret

m: Any = callcenter.site
"""The models as a file that no type checker has read sees them."""

STRONG = "correct-Horse-7battery"
Described = Callable[[], object]


def site(**fields: object) -> Site:
    made: Site = m.Site(**{"domain": "cc.example.net", "extensions": [1000], **fields})
    return made


def phone(password: str) -> Site:
    return site(extensions=[m.Extension(1000, password=Secret(literal=password))])


def route(**fields: object) -> object:
    given = {"pattern": r"^0\d{5,9}$", "trunks": ["a"], "strip": 1, "prefix": "+49", **fields}
    return m.Route("r", **given)


def outside(**fields: object) -> Site:
    limits = {"countries": ["+49"]}
    return site(**{"trunks": [m.Trunk("a", host="192.0.2.1")], "outbound_limits": limits, **fields})


def secure(name: str = "a", **fields: object) -> object:
    given = {"host": "sip.a.net", "networks": ["192.0.2.1"], "transport": "tls"}
    return m.Trunk(name, **{**given, "ca_file": "authority.pem", **fields})


def mailbox(pin: str) -> Site:
    box = m.Mailbox(pin=Secret(literal=pin))
    return site(extensions=[m.Extension(1000, voicemail=box)])


@pytest.fixture(autouse=True)
def _no_secrets_of_this_machine(certificates: object) -> None:
    """But those of the certificates."""


def prepaid(**fields: object) -> Site:
    """Extension 1000 with an account, and a route to Germany."""
    given = {
        "extensions": [m.Extension(1000, routes=["r"], account="family")],
        "outbound": [route()],
        "database": m.LocalPostgres(),
        "billing": m.Billing(currency="EUR", rates=[m.Rate("+49", "0.02")]),
    }
    return outside(**{**given, **fields})


# What is described, the path of the field, and words of what is wrong and what would be right.
PYTHON: list[tuple[str, Described, str, list[str]]] = [
    ("an empty Site", lambda: m.Site(), "Site.domain", ["is missing", "give it a value"]),
    ("no extensions", lambda: m.Site("cc.example.net"), "Site.extensions", ["is missing"]),
    ("an empty list of extensions", lambda: site(extensions=[]), "Site.extensions",
     ["is empty", "at least one"]),
    ("extensions that are no list", lambda: site(extensions=7), "Site.extensions",
     ["must be a list", "[a, b]"]),
    ("a domain with a space", lambda: site(domain="call center"), "Site.domain",
     ["no domain name", "'cc.example.net'"]),
    ("a domain with an underscore", lambda: site(domain="a_b.net"), "Site.domain",
     ["no domain name"]),
    ("a domain with an empty label", lambda: site(domain="a..net"), "Site.domain",
     ["no domain name"]),
    ("a domain that is a number", lambda: site(domain=5), "Site.domain", ["must be text"]),
    ("a duplicate extension", lambda: site(extensions=[1000, 1001, 1000]),
     "Site.extensions[2].number", ["1000 is already extensions[0]", "give each its own"]),
    ("overlapping ranges",
     lambda: site(extensions=[*m.Extension.range(1000, 1010), *m.Extension.range(1010, 1020)]),
     "Site.extensions[11].number", ["1010 is already extensions[10]"]),
    ("an extension that is a feature code", lambda: site(extensions=[9196]),
     "Site.extensions[0].number", ["feature code 'echo'", "features.echo"]),
    ("a fax to mail without a server", lambda: site(faxes=[m.Fax("a", mail="a@b.net")]),
     "Site.faxes[0].mail", ["needs a mail server", "smtp=Smtp(…)"]),
    ("a fax's ident with letters", lambda: m.Fax("a", ident="Office"), "Fax.ident",
     ["no number", "'+49 30 123456'"]),
    ("a fax's header that it cannot print", lambda: m.Fax("a", header="Büro"), "Fax.header",
     ["cannot print", "plain letters"]),
    ("a fax by a route that is not there", lambda: site(faxes=[m.Fax("a", routes=["b"])]),
     "Site.faxes[0].routes[0]", ["'b' is not in the Site's outbound"]),
    ("a DID to a fax that is not there", lambda: outside(inbound=[
        m.Did("+4930123456", to=m.fax("a"))]),
     "Site.inbound[0].to.fax", ["'a' is not in the Site's faxes"]),
    ("a voicemail number that is an extension",
     lambda: site(extensions=[m.Extension(1000, voicemail=True)],
                  voicemail=m.Voicemail(check=1000)),
     "Site.extensions[0].number", ["1000 is already voicemail.check", "give each its own"]),
    ("a voicemail number that is a feature code",
     lambda: site(extensions=[m.Extension(1000, voicemail=True)],
                  voicemail=m.Voicemail(check="9196")),
     "Site.voicemail.check", ["9196 is already features.echo"]),
    ("two voicemail numbers that are one",
     lambda: site(voicemail=m.Voicemail(check="*97", check_any="*97")),
     "Voicemail.check_any", ["*97 is already check", "another code"]),
    ("messages that are shorter than the shortest",
     lambda: m.Voicemail(min_seconds=20, max_seconds=10), "Voicemail.min_seconds",
     ["not below max_seconds 10"]),
    ("a mailbox that is not there", lambda: site(
        extensions=[m.Extension(1000), m.Extension(1001, no_answer=m.voicemail(1000))]),
     "Site.extensions[1].no_answer.voicemail", ["1000 has no mailbox", "voicemail=True"]),
    ("a mailbox of nobody", lambda: site(
        extensions=[m.Extension(1001, no_answer=m.voicemail(1009))]),
     "Site.extensions[0].no_answer.voicemail", ["1009 has no mailbox", "in extensions"]),
    ("a mailbox that is a number", lambda: site(extensions=[{"number": 1000, "voicemail": 7}]),
     "Site.extensions[0].voicemail", ["Mailbox(…)"]),
    ("records in a database that is not described", lambda: site(cdr=m.Cdr("database")),
     "Site.cdr.to", ["needs one", "LocalPostgres()", "'json'"]),
    ("a database for nothing", lambda: site(database=m.LocalPostgres(), cdr=m.Cdr("csv")),
     "Site.database", ["used by nothing", "leave it out"]),
    ("a database by its address",
     lambda: m.RemotePostgres("192.0.2.1", password=secret("db")), "RemotePostgres.host",
     ["is an address", "give its name"]),
    ("a database whose name needs quotes", lambda: m.LocalPostgres(name="a'b"),
     "LocalPostgres.name", ["no name of PostgreSQL's"]),
    ("a database's authority that is not there",
     lambda: m.RemotePostgres("db.a.net", password=secret("db"), ca_file="no.pem"),
     "RemotePostgres.ca_file", ["no.pem cannot be read"]),
    ("a rate below zero",
     lambda: prepaid(billing={"currency": "EUR", "rates": [{"prefix": "+49", "minute": "-0.01"}]}),
     "Site.billing.rates[0].minute", ["is below zero", "use 0 or more"]),
    ("a rate that is no number", lambda: m.Rate("+49", "NaN"), "Rate.minute", ["is no number"]),
    ("a rate in words", lambda: m.Rate("+49", "two cents"), "Rate.minute", ["is no number"]),
    ("a rate that nobody could pay", lambda: m.Rate("+49", 10_001), "Rate.minute",
     ["is no price", "'0.02'"]),
    ("a rate with too many decimals", lambda: m.Rate("+49", "0.00001"), "Rate.minute",
     ["more than 4 decimals", "round it"]),
    ("a rate for what is no number's beginning", lambda: m.Rate("0049", 1), "Rate.prefix",
     ["no beginning of a number", "'+49'"]),
    ("two rates for one beginning",
     lambda: m.Billing(currency="EUR", rates=[m.Rate("+49", 1), m.Rate("+49", 2)]),
     "Billing.rates[1].prefix", ["already rates[0]", "one price"]),
    ("a currency in words", lambda: m.Billing(currency="Euro", rates=[m.Rate("+49", 1)]),
     "Billing.currency", ["is no currency", "'EUR'"]),
    ("no rates", lambda: m.Billing(currency="EUR", rates=[]), "Billing.rates", ["is empty"]),
    ("a low balance below zero",
     lambda: m.Billing(currency="EUR", rates=[m.Rate("+49", 1)], low_balance=-1),
     "Billing.low_balance", ["below zero"]),
    ("billing without a database", lambda: prepaid(database=None), "Site.billing",
     ["needs a database", "LocalPostgres()"]),
    ("billing of nobody", lambda: prepaid(extensions=[1000]), "Site.billing",
     ["charges nobody", "account='family'"]),
    ("an account without prices", lambda: prepaid(billing=None, database=None),
     "Site.extensions[0].account", ["needs prices", "billing=Billing(…)"]),
    ("a prepaid route without a price",
     lambda: prepaid(billing=m.Billing(currency="EUR", rates=[m.Rate("+43", 1)])),
     "Site.extensions[0].routes[0]", ["'r' calls numbers of +49", "give them a rate"]),
    ("a prepaid route where nobody would hear the announcement",
     lambda: prepaid(outbound=[route(media="bypass")]),
     "Site.extensions[0].routes[0]", ["media 'bypass'", "'default'"]),
    ("an account that is no name", lambda: m.Extension(1000, account="a'b"), "Extension.account",
     ["is no name"]),
    ("records of an unknown kind", lambda: m.Cdr("xml"), "Cdr.to", ["'database', 'json' or 'csv'"]),
    ("records kept for no day", lambda: m.Cdr(keep_days=0), "Cdr.keep_days", ["1 or more"]),
    ("an e-mail address that is none",
     lambda: m.Mailbox(email="desk"), "Mailbox.email", ["no e-mail address", "desk@example.net"]),
    ("an e-mail address that is a command",
     lambda: m.Mailbox(email="-f$(id)@a.b"), "Mailbox.email", ["no e-mail address"]),
    ("mail without a mail server",
     lambda: site(extensions=[m.Extension(1000, voicemail=m.Mailbox(email="a@b.net"))]),
     "Site.extensions[0].voicemail.email", ["needs a mail server", "smtp=Smtp(…)"]),
    ("a mail password in clear text",
     lambda: m.Smtp("m.b.net", sender="a@b.net", tls="none", user="u", password=secret("m")),
     "Smtp.tls", ["clear text", "'starttls'"]),
    ("a mail login without a password",
     lambda: m.Smtp("m.b.net", sender="a@b.net", user="u"), "Smtp.password",
     ["is missing", "or neither"]),
    ("a mail authority that is not there",
     lambda: m.Smtp("m.b.net", sender="a@b.net", ca_file="no.pem"), "Smtp.ca_file",
     ["no.pem cannot be read"]),
    *[
        (f"the PIN {value}", lambda value=value: mailbox(value),
         "Site.extensions[0].voicemail.pin", ["the PIN", *words])
        for value, *words in (
            ("1234", "shorter than 6 digits"),
            ("100010", "the extension's own number"),
            ("777777", "one digit repeated or digits in order"),
            ("234567", "digits in order"),
            ("987654", "digits in order"),
            ("890123", "digits in order"),
            ("121212", "repeats itself"),
            ("48a913", "other than digits"),
            ("4" * 10 + "5" * 11, "longer than 20"),
        )
    ],
    ("one PIN for two mailboxes", lambda: site(extensions=[
        m.Extension(number, voicemail=m.Mailbox(pin=secret("all"))) for number in (1000, 1001)]),
     "Site.extensions[1].voicemail.pin", ["also that of extensions[0].voicemail.pin"]),
    ("an extension that begins with another", lambda: site(extensions=[100, 1005]),
     "Site.extensions[1].number", ["begins with 100", "one length"]),
    ("an extension that begins with a feature code",
     lambda: site(features=m.FeatureCodes(echo="10"), extensions=[1000]),
     "Site.extensions[0].number", ["begins with 10", "one length"]),
    ("two services on one code", lambda: m.FeatureCodes(echo="55", tone="55"), "FeatureCodes.tone",
     ["55 is already echo", "another code"]),
    ("a forward that nobody could undo", lambda: m.FeatureCodes(forward="*72"),
     "FeatureCodes.forward", ["needs forward_off", "both or neither"]),
    ("a do-not-disturb that nobody could begin",
     lambda: m.FeatureCodes(do_not_disturb_off="*79"),
     "FeatureCodes.do_not_disturb", ["needs do_not_disturb_off", "both or neither"]),
    ("a code with digits after it that begins another",
     lambda: site(features=m.FeatureCodes(intercom="*8", forward="*81", forward_off="*82")),
     "Site.features.forward", ["*81 begins with *8"]),
    ("pick-up of nobody's calls", lambda: site(features=m.FeatureCodes(pickup="*85")),
     "Site.features.pickup", ["no extension has pickup_groups"]),
    ("pick-up groups without a code",
     lambda: site(extensions=[m.Extension(1000, pickup_groups=["sales"])]),
     "Site.extensions[0].pickup_groups", ["give features.pickup"]),
    ("a speed dial to nobody", lambda: site(speed_dials={"*01": "1001"}),
     "Site.speed_dials['*01']", ["1001 is no extension", "give one of them"]),
    ("a speed dial to a feature code", lambda: site(speed_dials={"*01": "9196"}),
     "Site.speed_dials['*01']", ["9196 is no extension"]),
    ("a speed dial that is an extension", lambda: site(speed_dials={"1000": "1000"}),
     "Site.extensions[0].number", ["1000 is already speed_dials['1000']"]),
    ("a conference that is not there",
     lambda: site(extensions=[m.Extension(1000, no_answer=m.conference("weekly"))]),
     "Site.extensions[0].no_answer.conference", ["'weekly' is not in the Site's conferences"]),
    ("a moderator without members' PIN",
     lambda: m.Conference("weekly", moderator_pin=secret("chair")),
     "Conference.moderator_pin", ["give pin, too"]),
    ("a conference of one PIN for both",
     lambda: site(conferences=[m.Conference("weekly", pin=secret("c"), moderator_pin=secret("c"))]),
     "Site.conferences[0].moderator_pin", ["is also pin", "another"]),
    ("a conference's PIN that is its number",
     lambda: site(conferences=[m.Conference("weekly", number="3000",
                                            pin=m.Secret(literal="300030"))]),
     "Site.conferences[0].pin", ["the PIN is made of"]),
    ("a conference for one", lambda: m.Conference("weekly", max_members=1),
     "Conference.max_members", ["2 or more"]),
    ("places of a parking in the wrong order", lambda: m.Parking(5920, 5901), "Parking.last",
     ["not be below 5920"]),
    ("places of unlike length", lambda: m.Parking(99, 101), "Parking.last", ["as many digits"]),
    ("a place with a leading zero", lambda: m.Parking("0501", "0509"), "Parking.first",
     ["without a leading zero"]),
    ("too many places", lambda: m.Parking(5000, 5999), "Parking.last", ["more than 100"]),
    ("a place that is an extension", lambda: site(parking=m.Parking(998, 1002)),
     "Parking.last", ["as many digits"]),
    ("places that are extensions", lambda: site(parking=m.Parking(1000, 1002)),
     "Site.extensions[0].number", ["1000 is already parking.first"]),
    ("a mode that is none", lambda: m.Media(mode="proxy-media"), "Media.mode",
     ["not one of the choices", "'default', 'proxy' or 'bypass'"]),
    *(
        (f"{what} with {mode}", lambda mode=mode, fields=fields: site(
            media=m.Media(mode=mode), **fields()), path, ["media.mode", repr(mode), "'default'"])
        for mode in ("proxy", "bypass")
        for what, fields, path in (
            ("a recorded extension", lambda: {"extensions": [m.Extension(1000, record=True)]},
             "Site.extensions[0].record"),
            ("a recorded queue",
             lambda: {"queues": [m.Queue("sales", record=True)],
                      "agents": [m.Agent(1000, skills={"sales": 1})]},
             "Site.queues[0].record"),
            ("a recorded trunk",
             lambda: {"trunks": [m.Trunk("a", host="192.0.2.1", record=True)]},
             "Site.trunks[0].record"),
            ("an encrypted trunk", lambda: {"trunks": [secure(srtp=True)]}, "Site.trunks[0].srtp"),
            ("parking", lambda: {"parking": m.Parking(5901, 5920)}, "Site.parking"),
        )
    ),
    *(
        (f"{what} by a route with {mode}", lambda mode=mode, fields=fields: outside(
            outbound=[route(media=mode)], **fields()), "Site.outbound[0].media",
         [repr(mode), right, "use 'default'"])
        for mode in ("proxy", "bypass")
        for what, fields, right in (
            ("recording an extension",
             lambda: {"extensions": [m.Extension(1000, record=True, routes=["r"])]},
             "nothing can be recorded with"),
            ("recording a trunk",
             lambda: {"trunks": [m.Trunk("a", host="192.0.2.1", record=True)]},
             "trunk 'a' is"),
            ("encryption", lambda: {"trunks": [secure(srtp=True)]},
             "encrypt what trunk 'a' requires"),
            ("other codecs",
             lambda: {"trunks": [m.Trunk("a", host="192.0.2.1", codecs=["PCMA"])]},
             "codecs of its own"),
        )
    ),
    ("other codecs by all routes",
     lambda: outside(media=m.Media(mode="bypass"), outbound=[route()],
                     trunks=[m.Trunk("a", host="192.0.2.1", codecs=["PCMA"])]),
     "Site.outbound[0].media", ["with 'bypass'", "codecs of its own"]),
    ("a prepaid extension where nothing passes the switch decoded",
     lambda: prepaid(media=m.Media(mode="proxy")),
     "Site.extensions[0].routes[0]", ["media 'proxy'", "'default'"]),
    ("a carrier without address", lambda: m.Trunk("a"), "Trunk.host", ["is missing"]),
    ("a carrier that is no host", lambda: m.Trunk("a", host="a b"), "Trunk.host",
     ["no domain name"]),
    ("a carrier known by name only", lambda: m.Trunk("a", host="sip.example.net"),
     "Trunk.networks", ["is a name", "carrier's networks"]),
    ("a carrier that is everybody", lambda: m.Trunk("a", host="192.0.2.1", networks=["0.0.0.0/0"]),
     "Trunk.networks", ["lets anybody in"]),
    ("an account without password", lambda: m.Trunk("a", host="192.0.2.1", username="u"),
     "Trunk.password", ["is missing beside username"]),
    ("a trunk at the phones' port", lambda: outside(network=m.Network(trunk_port=5060)),
     "Site.network.trunk_port", ["is network.sip_port", "5080"]),
    ("TLS with an address", lambda: secure(host="192.0.2.1"), "Trunk.host",
     ["is an address", "give its name"]),
    ("TLS with anybody", lambda: secure(ca_file=None), "Trunk.ca_file",
     ["is missing", "no carrier could be told from an impostor"]),
    ("authorities that are not there", lambda: secure(ca_file="no.pem"), "Trunk.ca_file",
     ["no.pem cannot be read"]),
    ("authorities that are no certificate", lambda: secure(ca_file="/etc/passwd"), "Trunk.ca_file",
     ["is no certificate"]),
    ("authorities without TLS", lambda: secure(transport="tcp"), "Trunk.ca_file",
     ["is for TLS", "transport='tls'"]),
    ("a certificate without key", lambda: secure(certificate="switch.pem"), "Trunk.key",
     ["is missing beside certificate"]),
    ("a key that is nowhere",
     lambda: site(trunks=[secure(certificate="switch.pem", key=secret("nowhere"))]),
     "Site.trunks[0].key", ["there is no secret('nowhere')", "as PEM"]),
    ("a key that is none",
     lambda: site(trunks=[secure(certificate="switch.pem", key=Secret(literal=STRONG))]),
     "Site.trunks[0].key", ["is no private key"]),
    ("another certificate's key",
     lambda: site(trunks=[secure(certificate="authority.pem", key=secret("switch"))]),
     "Site.trunks[0].key", ["not that of the certificate"]),
    ("one port for two carriers by TLS",
     lambda: site(trunks=[secure(), secure("b")]),
     "Site.trunks[1].tls_port", ["is trunks[0].tls_port"]),
    ("the phones' port for a carrier", lambda: site(trunks=[secure(tls_port=5060)]),
     "Site.trunks[0].tls_port", ["is network.sip_port", "5081"]),
    ("SRTP whose key all can read", lambda: m.Trunk("a", host="192.0.2.1", srtp=True),
     "Trunk.srtp", ["show its key"]),
    ("weights for other trunks", lambda: route(weights=[1, 2]), "Route.weights",
     ["has 2 for 1 trunks"]),
    ("weights that are none", lambda: route(weights=[0]), "Route.weights", ["is 0 for all"]),
    ("a weight below nothing", lambda: route(weights=[-1]), "Route.weights[0]", ["0"]),
    ("a DID that is no number", lambda: m.Did("0301234", to=m.extension(1000)), "Did.number",
     ["no number of E.164"]),
    ("overlapping DIDs",
     lambda: outside(inbound=[m.Did("+4930100", last="+4930199", to=m.extension(1000)),
                              m.Did("+4930150", to=m.extension(1000))]),
     "Site.inbound[1].number", ["already in inbound[0]"]),
    ("a range that goes back",
     lambda: m.Did("+4930199", last="+4930100", to=m.extension(1000)), "Did.last",
     ["does not come after"]),
    ("a DID without a trunk",
     lambda: site(inbound=[m.Did("+4930100", to=m.extension(1000))]), "Site.inbound",
     ["needs a trunk"]),
    ("a DID of no trunk",
     lambda: outside(inbound=[m.Did("+4930100", to=m.extension(1000), trunk="b")]),
     "Site.inbound[0].trunk", ["not in the Site's trunks", "use 'a'"]),
    ("a DID of a trunk that cannot be told from another",
     lambda: outside(trunks=[m.Trunk("a", host="192.0.2.1"), m.Trunk("b", host="192.0.2.1")],
                     inbound=[m.Did("+4930100", to=m.extension(1000), trunk="b")]),
     "Site.inbound[0].trunk", ["as those of 'a'", "use 'a'"]),
    ("a route to no trunk", lambda: m.Route("r", pattern="^0\\d+$", trunks=[]), "Route.trunks",
     ["at least one"]),
    ("a route to an unknown trunk", lambda: outside(outbound=[route(trunks=["c"])]),
     "Site.outbound[0].trunks[0]", ["not in the Site's trunks"]),
    ("a pattern that is no regular expression", lambda: route(pattern="^0(\\d$"),
     "Route.pattern", ["no regular expression"]),
    ("a pattern without an end", lambda: route(pattern="^0"), "Route.pattern", ["begins and ends"]),
    ("a pattern with a loose alternative", lambda: route(pattern="^01|.$"), "Route.pattern",
     ["outside brackets"]),
    ("a pattern that no number fits", lambda: route(pattern="^a\\d$"), "Route.pattern",
     ["holds what no number does"]),
    ("a pattern that matches an emergency number",
     lambda: outside(outbound=[route(pattern="^1\\d\\d$")],
                     emergency=[m.Emergency(112, trunks=["a"])]),
     "Site.outbound[0].pattern", ["matches 112", "emergency number"]),
    ("a pattern that matches an extension", lambda: outside(outbound=[route(pattern="^1\\d+$")]),
     "Site.outbound[0].pattern", ["matches 1000", "inside"]),
    ("a route that makes no number of E.164", lambda: outside(outbound=[route(prefix="49")]),
     "Site.outbound[0].prefix", ["E.164", "prefix='+49'"]),
    ("a route without limits", lambda: outside(outbound=[route()], outbound_limits={}),
     "Site.outbound_limits.countries", ["is empty", "'+49'"]),
    ("a country that is denied as a whole",
     lambda: m.OutboundLimits(countries=["+49", "+1876"]), "OutboundLimits.countries[1]",
     ["+1876 is denied by +1876", "give denied without that"]),
    ("a trunk that may never be called over",
     lambda: m.Trunk("a", host="192.0.2.1", calls_per_hour=0), "Trunk.calls_per_hour",
     ["must be 1 or more"]),
    ("an alarm to no address", lambda: m.OutboundLimits(alarm="noc"), "OutboundLimits.alarm",
     ["is no e-mail address", "'desk@example.net'"]),
    ("an alarm to a shell", lambda: m.OutboundLimits(alarm="$(id)@a.net"), "OutboundLimits.alarm",
     ["is no e-mail address"]),
    ("an alarm without a mail server", lambda: outside(outbound_limits={"alarm": "noc@a.net"}),
     "Site.outbound_limits.alarm", ["needs a mail server", "smtp=Smtp(…)"]),
    ("an alarm that nothing rings",
     lambda: site(outbound_limits={"alarm": "noc@a.net"}, smtp=m.Smtp("m.a.net", sender="a@a.net")),
     "Site.outbound_limits.alarm", ["no trunk leads outside", "leave it out"]),
    ("a permission for no route", lambda: site(extensions=[m.Extension(1000, routes=["r"])]),
     "Site.extensions[0].routes[0]", ["not in the Site's outbound"]),
    ("an emergency number that is no number", lambda: m.Emergency("*112", trunks=["a"]),
     "Emergency.number", ["2 to 6 digits"]),
    ("a feature code that is no number", lambda: m.FeatureCodes(echo="echo"), "FeatureCodes.echo",
     ["cannot be dialled", "2 to 15 digits"]),
    ("an IVR's option that leads to nobody",
     lambda: site(ivrs=[m.Ivr("main", m.say("x"), options={"1": m.extension(1001)})]),
     "Site.ivrs[0].options['1'].extension", ["1001 is no extension", "give one in extensions"]),
    ("an IVR's option that leads to a menu which is not there",
     lambda: site(ivrs=[m.Ivr("main", m.say("x"), options={"1": m.ivr("mian")})]),
     "Site.ivrs[0].options['1'].ivr", ["'mian' is not in the Site's ivrs", "'main'"]),
    ("an IVR that leads nowhere", lambda: m.Ivr("main", m.say("x")), "Ivr.options",
     ["leads nowhere", "direct_dial"]),
    ("an IVR in a circle without input",
     lambda: site(ivrs=[m.Ivr("a", m.say("x"), direct_dial=True, otherwise=m.ivr("b")),
                        m.Ivr("b", m.say("x"), direct_dial=True, otherwise=m.ivr("a"))]),
     "Site.ivrs[0].otherwise", ["leads back to itself", "let it end elsewhere"]),
    ("a circle through opening hours",
     lambda: site(hours=[m.Hours("h", ["Mon 09:00-10:00"])],
                  ivrs=[m.Ivr("a", m.say("x"), direct_dial=True, otherwise=m.open_during(
                      "h", m.extension(1000), otherwise=m.ivr("a")))]),
     "Site.ivrs[0].otherwise", ["leads back to itself"]),
    ("an IVR key that is none",
     lambda: m.Ivr("main", m.say("x"), options={"a": m.extension(1000)}), "Ivr.options['a']",
     ["cannot be pressed", "'1'"]),
    ("an IVR key that begins an extension",
     lambda: site(ivrs=[m.Ivr("a", m.say("x"), options={"1": m.hang_up()}, direct_dial=True)]),
     "Site.ivrs[0].options['1']", ["begins extension 1000", "direct_dial"]),
    ("an IVR without a greeting", lambda: m.Ivr("main", options={"1": m.extension(1000)}),
     "Ivr.greeting", ["is missing"]),
    ("a destination that is none", lambda: m.Ivr("main", m.say("x"), options={"1": "1000"}),
     "Ivr.options['1']", ["is no destination", "extension(1000)"]),
    ("a hang-up cause that does not exist", lambda: m.hang_up("BUSY"), "ToHangUp.hang_up",
     ["is no cause", "USER_BUSY"]),
    ("two IVRs of one name",
     lambda: site(ivrs=[m.Ivr("a", m.say("x"), direct_dial=True)] * 2), "Site.ivrs[1].name",
     ["'a' is given twice", "once"]),
    ("a name with a space", lambda: m.Ivr("a b", m.say("x"), direct_dial=True), "Ivr.name",
     ["is no name", "'sales'"]),
    ("overlapping hours", lambda: m.Hours("o", ["Mon-Fri 09:00-18:00", "Fri 17:00-19:00"]),
     "Hours.weekly[1]", ["overlaps another on Fri at 17:00", "each minute"]),
    ("hours that overlap the morning after",
     lambda: m.Hours("o", ["Mon 22:00-02:00", "Tue 01:00-03:00"]), "Hours.weekly[1]",
     ["overlaps another on Tue at 01:00"]),
    ("hours of an unknown day", lambda: m.Hours("o", ["Xyz 09:00-18:00"]), "Hours.weekly[0]",
     ["names a day that is none", "'Mon-Fri 09:00-18:00'"]),
    ("hours without an hour", lambda: m.Hours("o", ["Mon 09:00-09:00"]), "Hours.weekly[0]",
     ["same minute", "00:00-24:00"]),
    ("hours after midnight", lambda: m.Hours("o", ["Mon 09:00-24:30"]), "Hours.weekly[0]",
     ["after 24:00"]),
    ("a queue without agents", lambda: site(queues=[m.Queue("sales")]), "Site.queues[0].name",
     ["nobody would answer", "give it an agent"]),
    ("an agent that is no extension",
     lambda: site(queues=[m.Queue("sales")], agents=[m.Agent(1009, skills={"sales": 1})]),
     "Site.agents[0].extension", ["1009 is no extension"]),
    ("an agent of a queue that is not there",
     lambda: site(queues=[m.Queue("sales")],
                  agents=[m.Agent(1000, skills={"sales": 1, "suport": 1})]),
     "Site.agents[0].skills['suport']", ["not in the Site's queues", "'sales'"]),
    ("an agent twice",
     lambda: site(queues=[m.Queue("sales")], agents=[m.Agent(1000, skills={"sales": 1})] * 2),
     "Site.agents[1].extension", ["1000 is an agent already"]),
    ("an agent without skills", lambda: m.Agent(1000), "Agent.skills", ["no queue would ring it",
     "give it one"]),
    ("a strategy that does not exist", lambda: m.Queue("sales", strategy="fair"), "Queue.strategy",
     ["is not one of the choices", "'longest-idle-agent'"]),
    ("an agent code that is a feature code",
     lambda: site(queues=[m.Queue("sales")], agents=[m.Agent(1000, skills={"sales": 1})],
                  agent_codes=m.AgentCodes(log_in=9196)),
     "Site.agent_codes.log_in", ["9196 is already features.echo"]),
    ("a queue that overflows into itself",
     lambda: site(queues=[m.Queue("sales", otherwise=m.queue("sales"))],
                  agents=[m.Agent(1000, skills={"sales": 1})]),
     "Site.queues[0].otherwise", ["leads back to itself"]),
    ("a pause without an end", lambda: m.Recording(resume=None), "Recording.resume",
     ["no end", "give it a key"]),
    ("one key for pause and resume", lambda: m.Recording(pause=1, resume=1), "Recording.resume",
     ["1 is already pause"]),
    ("recordings kept for ever", lambda: m.Recording(keep_days=0), "Recording.keep_days",
     ["must be 1 or more"]),
    ("no hours", lambda: m.Hours("o", []), "Hours.weekly", ["is empty"]),
    ("a holiday that is no date", lambda: m.Hours("o", ["Mon 09:00-18:00"], holidays=["02-30"]),
     "Hours.holidays[0]", ["is no date", "'12-25'"]),
    ("a holiday with times", lambda: m.Hours("o", ["Mon 09:00-18:00"], holidays=["12-24"],
     exceptions={"12-24": "09:00-12:00"}), "Hours.holidays[0]", ["in exceptions too"]),
    ("an exception that cannot be read",
     lambda: m.Hours("o", ["Mon 09:00-18:00"], exceptions={"12-24": "morning"}),
     "Hours.exceptions['12-24']", ["cannot be read", "'closed'"]),
    ("a clock that does not exist",
     lambda: m.Hours("o", ["Mon 09:00-18:00"], timezone="Mars/Base"), "Hours.timezone",
     ["no IANA time zone"]),
    ("hours that are not there",
     lambda: site(ring_groups=[m.RingGroup("a", [1000], otherwise=m.open_during(
         "office", m.extension(1000), otherwise=m.hang_up()))]),
     "Site.ring_groups[0].otherwise.hours", ["'office' is not in the Site's hours",
                                             "describe it in hours"]),
    ("an application that is not there",
     lambda: site(ring_groups=[m.RingGroup("a", [1000], otherwise=m.application("survey"))]),
     "Site.ring_groups[0].otherwise.application",
     ["'survey' is not in the Site's applications", "describe it in applications"]),
    ("an application where FreeSWITCH listens",
     lambda: site(applications=[m.Application("survey", 8021)]), "Site.applications[0].port",
     ["8021 is event_socket.port", "8084"]),
    ("an application that leads to itself",
     lambda: site(applications=[m.Application("a", 8084, otherwise=m.application("a"))]),
     "Site.applications[0].otherwise", ["leads back to itself"]),
    ("an application's number that is an extension",
     lambda: site(applications=[m.Application("a", 8084, number=1000)]),
     "Site.extensions[0].number", ["1000 is already applications[0].number"]),
    ("an application below the ports of unprivileged programs",
     lambda: m.Application("a", 80), "Application.port", ["must be 1024 or more"]),
    ("an HTTP application that anybody on the way could be",
     lambda: m.HttpApplication("a", "http://calls.example.net/"), "HttpApplication.url",
     ["is http", "use https"]),
    ("an HTTP application elsewhere than on the web",
     lambda: m.HttpApplication("a", "file:///etc/passwd"), "HttpApplication.url",
     ["is no address", "https://"]),
    ("an HTTP application with its login in the address",
     lambda: m.HttpApplication("a", "https://u:p@calls.example.net/"), "HttpApplication.url",
     ["holds a login", "user and password"]),
    ("an HTTP application's user without a password",
     lambda: m.HttpApplication("a", "https://a.test/", user="u"), "HttpApplication.password",
     ["is missing"]),
    ("an HTTP application's user with a colon",
     lambda: m.HttpApplication("a", "https://a.test/", user="u:v", password=secret("p")),
     "HttpApplication.user", ["without ':'"]),
    ("an authority that is none",
     lambda: m.HttpApplication("a", "https://a.test/", ca_file="/dev/null"),
     "HttpApplication.ca_file", ["is no certificate"]),
    ("an authority of plain http",
     lambda: m.HttpApplication("a", "http://127.0.0.1/", ca_file="/dev/null"),
     "HttpApplication.ca_file", ["is for https"]),
    ("an HTTP application that leads nowhere",
     lambda: site(http_applications=[m.HttpApplication("a", "https://a.test/",
                                                       leads_to={"b": m.queue("sales")})]),
     "Site.http_applications[0].leads_to['b'].queue", ["is not in the Site's queues"]),
    ("an HTTP application that falls back on itself",
     lambda: site(http_applications=[m.HttpApplication("a", "https://a.test/",
                                                       otherwise=m.http_application("a"))]),
     "Site.http_applications[0].otherwise", ["leads back to itself"]),
    ("HTTP applications' port that is taken",
     lambda: site(http_applications=[m.HttpApplication("a", "https://a.test/")],
                  network=m.Network(http_port=8021)),
     "Site.network.http_port", ["8021 is event_socket.port", "8089"]),
    ("an application on HTTP applications' port",
     lambda: site(http_applications=[m.HttpApplication("a", "https://a.test/")],
                  applications=[m.Application("b", 8089)]),
     "Site.applications[0].port", ["8089 is network.http_port"]),
    ("two users of one name",
     lambda: m.EventSocket(users=[m.EventSocketUser("a"), m.EventSocketUser("a")]),
     "EventSocket.users[1].name", ["'a' is given twice"]),
    ("a user's event that is none", lambda: m.EventSocketUser("a", events=["answer calls"]),
     "EventSocketUser.events[0]", ["is no event", "'CHANNEL_ANSWER'"]),
    ("a user's command with arguments",
     lambda: m.EventSocketUser("a", commands=["originate user/1000"]),
     "EventSocketUser.commands[0]", ["is no command", "'originate'"]),
    ("a user with the Event Socket's own password",
     lambda: site(event_socket=m.EventSocket(users=[m.EventSocketUser("a",
                                                                      password=secret("esl"))])),
     "Site.event_socket.users[0].password", ["also that of event_socket.password"]),
    ("a user's password that cannot be said",
     lambda: site(event_socket=m.EventSocket(users=[
         m.EventSocketUser("a", password=Secret(literal="a=b;c d#e'f\"g"))])),
     "Site.event_socket.users[0].password", ["letters, digits"]),
    ("a script that is not there", lambda: m.LuaScript("a", "/nowhere/a.lua"), "LuaScript.file",
     ["is not there", "Lua file"]),
    ("a script that is compiled", lambda: m.LuaScript("a", "/bin/true"), "LuaScript.file",
     ["cannot be read as UTF-8"]),
    ("a script without a program", lambda: m.LuaScript("a", "/dev/null"), "LuaScript.file",
     ["holds no program"]),
    ("a script's name that is misspelt",
     lambda: site(scripts=[m.LuaScript("ask", Path(__file__))],
                  ring_groups=[m.RingGroup("a", [1000], otherwise=m.script("aks"))]),
     "Site.ring_groups[0].otherwise.script", ["'aks' is not in the Site's scripts", "'ask'"]),
    ("a ring group of nobody", lambda: m.RingGroup("a", []), "RingGroup.members", ["is empty"]),
    ("a ring group of strangers", lambda: site(ring_groups=[m.RingGroup("a", [1000, 1009])]),
     "Site.ring_groups[0].members[1]", ["1009 is no extension"]),
    ("a ring group with one member twice",
     lambda: site(ring_groups=[m.RingGroup("a", [1000, 1000])]),
     "Site.ring_groups[0].members[1]", ["1000 is listed twice"]),
    ("a ring group's number that is an extension",
     lambda: site(ring_groups=[m.RingGroup("a", [1000], number=1000)]),
     "Site.extensions[0].number", ["1000 is already ring_groups[0].number"]),
    ("feature codes that collide",
     lambda: site(hours=[m.Hours("h", ["Mon 09:00-10:00"], night=9196)]), "Site.hours[0].night",
     ["9196 is already features.echo"]),
    ("an extension with a star", lambda: m.Extension("*100"), "Extension.number",
     ["digits only", "feature codes"]),
    ("an extension of one digit", lambda: m.Extension(5), "Extension.number", ["2 to 15 digits"]),
    ("an extension of 16 digits", lambda: m.Extension("1" * 16), "Extension.number",
     ["2 to 15 digits"]),
    ("an extension in full-width digits", lambda: m.Extension("１０００"), "Extension.number",  # noqa: RUF001
     ["cannot be dialled"]),
    ("an extension that is true", lambda: m.Extension(True), "Extension.number", ["must be text"]),
    ("a negative extension", lambda: m.Extension(-1000), "Extension.number", ["must be text"]),
    ("a name by position", lambda: m.Extension(1000, "Ann"), "Extension",
     ["give the others by name"]),
    ("a range upside down", lambda: m.Extension.range(1019, 1000), "Extension.range",
     ["1019 is above 1000", "lower one first"]),
    ("a range without end", lambda: m.Extension.range(10000, 99999), "Extension.range",
     ["more than 20000"]),
    ("a name for many", lambda: m.Extension.range(1000, 1001, name="Ann"),
     "Extension.range.name", ["one extension's", "by itself"]),
    ("a mailbox for many", lambda: m.Extension.range(1000, 1001, voicemail=m.Mailbox()),
     "Extension.range.voicemail", ["one extension's", "by itself"]),
    ("a misspelt field for many", lambda: m.Extension.range(1000, 1001, route=["all"]),
     "Extension.route", ["did you mean 'routes'"]),
    ("a range without a route of that name",
     lambda: site(extensions=m.Extension.range(1000, 1001, routes=["all"])),
     "Site.extensions[0].routes[0]", ["'all' is not in the Site's outbound"]),
    ("a name with a newline", lambda: m.Extension(1000, name="Front\ndesk"), "Extension.name",
     ["U+000A", "on one line"]),
    ("a name with a lone surrogate", lambda: m.Extension(1000, name="\ud800"), "Extension.name",
     ["surrogate", "printable text"]),
    ("a name with a NUL", lambda: m.Extension(1000, name="a\0b"), "Extension.name",
     ["U+0000", "printable text"]),
    ("a name too long", lambda: m.Extension(1000, name="x" * 81), "Extension.name",
     ["longer than 80", "shorten"]),
    ("a ring too short", lambda: m.Extension(1000, ring_seconds=4), "Extension.ring_seconds",
     ["must be 5 or more"]),
    ("a ring in quotes", lambda: m.Extension(1000, ring_seconds="30"), "Extension.ring_seconds",
     ["whole number", "without quotes"]),
    ("password 1234", lambda: phone("1234"), "Site.extensions[0].password",
     ["well-known default", "leave the field out"]),
    ("password 1234, three times", lambda: phone("123412341234"), "Site.extensions[0].password",
     ["well-known default"]),
    ("password ClueCon",
     lambda: site(event_socket=m.EventSocket(password=Secret(literal="ClueCon"))),
     "Site.event_socket.password", ["well-known default", "12 characters or more"]),
    ("the extension's own number", lambda: phone("100010001000"), "Site.extensions[0].password",
     ["the extension's own number"]),
    ("a short password", lambda: phone("Xy7!pq"), "Site.extensions[0].password",
     ["shorter than 12", "12 characters or more"]),
    ("a password of digits", lambda: phone("830591746205"), "Site.extensions[0].password",
     ["digits only"]),
    ("a password of few signs", lambda: phone("abababababab"), "Site.extensions[0].password",
     ["repeats too few signs"]),
    ("a password that is not ASCII", lambda: phone("pässwörtchen-7"),
     "Site.extensions[0].password", ["ASCII", "phones"]),
    ("one password for two",
     lambda: site(extensions=[m.Extension(n, password=Secret(literal=STRONG)) for n in (10, 20)]),
     "Site.extensions[1].password", ["also that of extensions[0].password", "give each its own"]),
    ("one secret's name for two",
     lambda: site(extensions=[m.Extension(n, password=secret("same")) for n in (10, 20)]),
     "Site.extensions[1].password", ["also that of extensions[0].password"]),
    ("a phone's password for the Event Socket",
     lambda: site(extensions=[m.Extension(10, password=secret("esl"))]),
     "Site.event_socket.password", ["also that of extensions[0].password"]),
    ("an Event Socket password that fs_cli cannot read",
     lambda: site(event_socket=m.EventSocket(password=Secret(literal="a=b;c d#e'f\"g"))),
     "Site.event_socket.password", ["fs_cli", "letters, digits"]),
    ("a password that is a number", lambda: m.EventSocket(password=5), "EventSocket.password",
     ["no secret", "secret('name')"]),
    ("an RTP range too small",
     lambda: site(network=m.Network(rtp_ports=(20000, 20099)), media=m.Media(max_calls=100)),
     "Site.network.rtp_ports",
     ["holds 100 ports", "100 calls need 400", "20399", "media.max_calls"]),
    ("an RTP range upside down", lambda: m.Network(rtp_ports=(30000, 20000)), "Network.rtp_ports",
     ["30000-20000 is no range", "lower port first"]),
    ("an RTP range over the SIP port", lambda: m.Network(rtp_ports=(5000, 9000)),
     "Network.rtp_ports", ["overlaps sip_port 5060", "move one"]),
    ("an RTP range over the Event Socket",
     lambda: site(network=m.Network(rtp_ports=(8000, 12000))), "Site.event_socket.port",
     ["8021 lies in network.rtp_ports 8000-12000"]),
    ("an RTP range of three", lambda: m.Network(rtp_ports=(2000, 3000, 4000)), "Network.rtp_ports",
     ["too many", "2 at most"]),
    ("the Event Socket on the SIP port", lambda: site(event_socket=m.EventSocket(port=5060)),
     "Site.event_socket.port", ["5060 is network.sip_port", "8021"]),
    ("the Event Socket opened to the world",
     lambda: site(firewall=m.Firewall(tcp_ports=(80, 8021))),
     "Site.firewall.tcp_ports[1]", ["Event Socket", "never be opened", "leave it out"]),
    ("a port below 1024", lambda: m.Network(sip_port=506), "Network.sip_port",
     ["must be 1024 or more"]),
    ("a port above 65535", lambda: m.EventSocket(port=65536), "EventSocket.port",
     ["must be 65535 or less"]),
    ("a firewall port of zero", lambda: m.Firewall(tcp_ports=(0,)), "Firewall.tcp_ports[0]",
     ["must be 1 or more"]),
    ("a port that is true", lambda: m.Network(sip_port=True), "Network.sip_port", ["whole number"]),
    ("a firewall that is 'yes'", lambda: m.Firewall(enabled="yes"), "Firewall.enabled",
     ["true or false", "without quotes"]),
    ("no transport", lambda: m.Network(transports=()), "Network.transports", ["at least one"]),
    ("a transport twice", lambda: m.Network(transports=("udp", "udp")), "Network.transports",
     ["names one twice", "each once"]),
    ("an unknown transport", lambda: m.Network(transports=("sctp",)), "Network.transports[0]",
     ["'udp' or 'tcp'"]),
    ("a network with host bits", lambda: m.Network(local_networks=("192.168.1.5/16",)),
     "Network.local_networks[0]", ["host bits", "'192.168.0.0/16'"]),
    ("a network that is none", lambda: m.Firewall(ssh_from=("office",)), "Firewall.ssh_from[0]",
     ["is no network", "'192.168.0.0/16'"]),
    ("an unknown codec", lambda: m.Media(codecs=("OPUS", "OPSU")), "Media.codecs[1]",
     ["choices", "'OPUS', 'G722', 'PCMU', 'PCMA', 'GSM' or 'G729'"]),
    ("a codec that is only passed on", lambda: m.Media(codecs=("G729",)), "Media.codecs",
     ["only G729", "cannot speak", "add PCMA"]),
    ("a trunk's codec that is only passed on",
     lambda: m.Trunk("a", host="10.0.0.1", codecs=("G729",)), "Trunk.codecs",
     ["only G729", "add PCMA"]),
    ("a trunk's codec that no phone is offered",
     lambda: site(trunks=[m.Trunk("a", host="10.0.0.1", codecs=("PCMA", "G729"))]),
     "Site.trunks[0].codecs", ["G729", "media.codecs"]),
    ("a codec twice", lambda: m.Media(codecs=("PCMU", "PCMU")), "Media.codecs",
     ["names one twice", "best first"]),
    ("no codec", lambda: m.Media(codecs=()), "Media.codecs", ["is empty", "at least one"]),
    ("no calls at all", lambda: m.Media(max_calls=0), "Media.max_calls", ["must be 1 or more"]),
    ("an unknown time zone", lambda: site(timezone="Europe/Atlantis"), "Site.timezone",
     ["'Europe/Atlantis' is no IANA time zone", "'Europe/Berlin'"]),
    ("an unknown language", lambda: site(language="tlh"), "Site.language", ["'en' or 'zh'"]),
    ("an unknown key", lambda: site(extention=[2]), "Site.extention",
     ["unknown key", "did you mean 'extensions'"]),
    ("an unknown key like none other", lambda: m.EventSocket(zzz=1), "EventSocket.zzz",
     ["known keys: port, password"]),
    ("a model in another's place", lambda: site(network=m.Media()), "Site.network",
     ["must be Network(…)", "sip_port"]),
    ("packages without a token", lambda: m.SignalWire(), "SignalWire.token", ["is missing"]),
    ("packages of a bad version", lambda: m.LocalPackages(version="1.10"), "LocalPackages.version",
     ["no FreeSWITCH version", "'1.10.12'"]),
    ("packages at a bad URL", lambda: m.AptRepository(url="ftp://x/y", key=Path("k")),
     "AptRepository.url", ["no repository address", "https://host/path"]),
    ("a login in the URL", lambda: m.AptRepository(url="https://u:p@x/y", key=Path("k")),
     "AptRepository.url", ["the login in user and password"]),
    ("shell signs in the URL", lambda: m.AptRepository(url='https://x/$(id)"', key=Path("k")),
     "AptRepository.url", ["no repository address"]),
    ("an MSI over plain http", lambda: m.Msi("http://x/fs.msi", sha256="0" * 64), "Msi.location",
     ["https://host/path", "a file on this machine"]),
    ("an MSI behind a login", lambda: m.Msi("https://u:p@x/a$b.msi", sha256="0" * 64),
     "Msi.location", ["without a login"]),
    ("an MSI that is none", lambda: m.Msi("freeswitch.deb"), "Msi.location",
     ["no MSI", "Release-x64.msi'"]),
    ("an MSI of a bad digest", lambda: m.Msi("fs.msi", sha256="123"), "Msi.sha256",
     ["no SHA-256", "64 hexadecimal digits"]),
    ("an MSI at an address without a digest", lambda: m.Msi("https://x/fs.msi"), "Msi.sha256",
     ["is missing", "sha256sum"]),
    ("a password without a user",
     lambda: m.AptRepository(url="https://x/y", key=Path("k"), password=secret("apt")),
     "AptRepository.user", ["is missing", "a password needs"]),
    ("a user without a password",
     lambda: m.AptRepository(url="https://x/y", key=Path("k"), user="me"),
     "AptRepository.password", ["is missing", "leave user out"]),
    ("a user with a space", lambda: m.AptRepository(url="https://x/y", key=Path("k"), user="a b"),
     "AptRepository.user", ["space or colon", "one word"]),
    ("a suite of two words",
     lambda: m.AptRepository(url="https://x/y", key=Path("k"), suite="a b"), "AptRepository.suite",
     ["no apt suite", "'bookworm'"]),
    ("a token with a space",
     lambda: site(packages=m.SignalWire(token=Secret(literal="pat_Abc Def Ghi"))),
     "Site.packages.token", ["space", "apt's login file"]),
    ("a drain of no time", lambda: m.Maintenance(drain_seconds=0), "Maintenance.drain_seconds",
     ["must be 1 or more"]),
    ("a drain of days", lambda: m.Maintenance(drain_seconds=99_999), "Maintenance.drain_seconds",
     ["must be 14400 or less"]),
    ("an unknown way with calls", lambda: m.Maintenance(live_calls="kill"),
     "Maintenance.live_calls",
     ["'drain', 'stop' or 'drop'"]),
    ("a private address announced as public", lambda: m.Switch("a", public_ip="10.1.2.3"),
     "Switch.public_ip", ["10.1.2.3 is private", "the internet sees"]),
    ("a carrier's private address", lambda: m.Switch("a", public_ip="100.64.0.1"),
     "Switch.public_ip", ["is private"]),
    ("a private IPv6 address", lambda: m.Switch("a", public_ip="fd00::1"), "Switch.public_ip",
     ["is private"]),
    ("a private address in IPv6 clothes", lambda: m.Switch("a", public_ip="::ffff:10.1.2.3"),
     "Switch.public_ip", ["10.1.2.3 is private"]),
    ("a multicast address", lambda: m.Switch("a", public_ip="239.1.1.1"), "Switch.public_ip",
     ["239.1.1.1 is no host's address"]),
    ("an unspecified address", lambda: m.Switch("a", address="0.0.0.0"), "Switch.address",
     ["0.0.0.0 cannot be announced", "the interface's address"]),
    ("a loopback address", lambda: m.Switch("a", address="127.0.0.1"), "Switch.address",
     ["127.0.0.1 cannot be announced"]),
    ("loopback announced as public", lambda: m.Switch("a", public_ip="::1"), "Switch.public_ip",
     ["::1 is no host's address"]),
    ("the broadcast address", lambda: m.Switch("a", address="255.255.255.255"), "Switch.address",
     ["cannot be announced"]),
    ("a name for an address", lambda: m.Switch("a", address="cc1.example.net"), "Switch.address",
     ["no IP address", "'203.0.113.10'"]),
    ("an address with a zone", lambda: m.Switch("a", address="fe80::1%eth0"), "Switch.address",
     ["no IP address"]),
    ("a switch without an address", lambda: m.Switch("a"), "Switch.address",
     ["is missing", "public_ip or both"]),
    ("a STUN server beside a public address",
     lambda: m.Switch("a", address="10.0.0.1", public_ip="203.0.113.1", stun="stun.example.net"),
     "Switch.stun", ["public_ip says already", "keep one"]),
    ("a STUN server and no address to ask from", lambda: m.Switch("a", stun="stun.example.net"),
     "Switch.stun", ["address, which is missing", "the interface's address"]),
    ("a STUN server for IPv6", lambda: m.Switch("a", address="fd00::1", stun="stun.example.net"),
     "Switch.stun", ["NAT of IPv4", "fd00::1", "public_ip instead"]),
    ("a STUN server for a Windows host",
     lambda: m.Switch("@winrm/a", address="10.0.0.1", stun="stun.example.net"),
     "Switch.stun", ["Linux hosts alone", "public_ip"]),
    ("a STUN server for an edge",
     lambda: hosts(("a", {"address": "10.0.0.1", "stun": "stun.example.net"}), group="edges"),
     "edges['a'].stun", ["Kamailio", "public_ip instead"]),
    ("a STUN server that is a command",
     lambda: m.Switch("a", address="10.0.0.1", stun="$(id)"), "Switch.stun",
     ["no STUN server's name", "'stun.example.net:3478'"]),
    ("a STUN server's address of IPv6",
     lambda: m.Switch("a", address="10.0.0.1", stun="[2001:db8::1]:3478"), "Switch.stun",
     ["no STUN server's name or IPv4 address"]),
    ("a STUN server as a URL", lambda: m.Switch("a", address="10.0.0.1", stun="stun:a.example"),
     "Switch.stun", ["no port", "host or host:port"]),
    ("a STUN server's port of 0", lambda: m.Switch("a", address="10.0.0.1", stun="a.example:0"),
     "Switch.stun", ["no port from 1 to 65535"]),
    ("a STUN server's port in other digits",
     lambda: m.Switch("a", address="10.0.0.1", stun="a.example:٣٤٧٨"), "Switch.stun", ["no port"]),
    ("no STUN server's name", lambda: m.Switch("a", address="10.0.0.1", stun=""), "Switch.stun",
     ["no STUN server's name"]),
    ("an inventory without a switch", lambda: hosts(), "switches",
     ["is empty", "at least one host"]),
    ("a switch without a name", lambda: m.Switch("", address="10.0.0.1"), "Switch.name",
     ["is empty", "what ssh connects to"]),
    ("a switch listed twice",
     lambda: hosts(("a", {"address": "10.0.0.1"}), ("a", {"address": "10.0.0.2"})),
     "switches['a']", ["listed twice", "each switch once"]),
    ("two switches with one address",
     lambda: hosts(("a", {"address": "10.0.0.1"}), ("b", {"address": "10.0.0.1"})),
     "switches['b']", ["10.0.0.1 belongs to 'a'", "each switch its own"]),
    ("a wrong switch in an inventory", lambda: hosts(("a", {"public_ip": "10.0.0.1"})),
     "switches['a'].public_ip", ["is private"]),
    ("a secret's name with a space", lambda: secret("my secret"), "",
     ["a secret's name", "'carrier-a'"]),
]  # fmt: skip


YAML: list[tuple[str, str, str, list[str]]] = [
    ("a syntax error", "domain: [\nextensions: {", "", ["is no YAML at line", "indentation"]),
    ("a tab", "domain: a.b\n\textensions: [10]", "", ["is no YAML at line 2"]),
    ("a list", "- domain: a.b", "", ["is a list", "domain: "]),
    ("a word", "hello", "", ["is a str", "domain: "]),
    ("nothing", "# all commented out", "", ["is empty", "domain and extensions"]),
    ("a key twice", "domain: a.b\nextensions: [10]\ndomain: c.d", "",
     ["'domain' twice at line 3; keep one"]),
    ("a number that YAML reads as octal", "domain: a.b\nextensions: [0100]", "",
     ["at line 2", "put quotes around it"]),
    ("a Python object", "domain: !!python/object/apply:os.getcwd []", "", ["is no YAML at line 1"]),
    ("a nested unknown key", "network: {sipport: 5060}", "Site.network.sipport",
     ["did you mean 'sip_port'"]),
    ("a nested unknown key like no other", "maintenance: {zz: 1}", "Site.maintenance.zz",
     ["known keys: live_calls, drain_seconds"]),
    ("an unknown key of an extension", "extensions: [1001, {number: 1000, colour: red}]",
     "Site.extensions[1].colour", ["known keys: number, name, password, ring_seconds"]),
    ("a key that is a number", "media: {5: 3}", "Site.media[5]",
     ["is no key", "known keys: codecs, mode"]),
    ("an unknown packages source", "packages: {source: ppa}", "Site.packages.source",
     ["'signalwire', 'apt', 'local'"]),
    ("packages without a source", "packages: {url: 'https://x/y'}", "Site.packages.source",
     ["is missing", "'signalwire', 'apt', 'local'"]),
    ("packages that are a word", "packages: signalwire", "Site.packages",
     ["SignalWire(…)", "the key source"]),
    ("packages without a token", "packages: {source: signalwire}", "Site.packages.token",
     ["is missing"]),
    ("an unknown key of packages", "packages: {source: local, paht: x}", "Site.packages.paht",
     ["did you mean 'path'"]),
    ("an upside down range", "extensions: [10, '1019-1000']", "Site.extensions[1]",
     ["1019 is above 1000", "lower one first"]),
    ("a range without an end", "extensions: ['1000-']", "Site.extensions[0]",
     ["is no range", "'1000-1019'"]),
    ("a range with a password", "extensions: [10, {number: 20-29, password: {secret: x}}]",
     "Site.extensions[1].password", ["one extension's", "by itself"]),
    ("a range with a wrong field", "extensions: [10, {number: 20-29, ring_seconds: 1}]",
     "Site.extensions[1].ring_seconds", ["must be 5 or more"]),
    ("a range with a misspelt field", "extensions: [{number: 20-29, ring_second: 9}]",
     "Site.extensions[0].ring_second", ["did you mean 'ring_seconds'"]),
    ("a range with a key that is no word", "extensions: [{number: 20-29, 7: 9}]",
     "Site.extensions[0].7", ["unknown key"]),
    ("a range upside down with fields", "extensions: [{number: 29-20, record: true}]",
     "Site.extensions[0]", ["29 is above 20"]),
    ("a range that would lose its zeros", "extensions: ['0100-0119']", "Site.extensions[0]",
     ["is no range"]),
    ("overlapping ranges", "extensions: ['1000-1010', '1010-1020']", "Site.extensions[11].number",
     ["1010 is already extensions[10]"]),
    ("an extension that is nothing", "extensions: [1000, null]", "Site.extensions[1]",
     ["must be Extension(…)", "number, name"]),
    ("an extension without a number", "extensions: [{name: Ann}]", "Site.extensions[0].number",
     ["is missing"]),
    ("a lone surrogate", 'extensions: [{number: 1000, name: "\\ud800"}]',
     "Site.extensions[0].name", ["surrogate"]),
    ("a port in quotes", "network: {sip_port: '5060'}", "Site.network.sip_port",
     ["whole number", "without quotes"]),
    ("a port with a fraction", "network: {sip_port: 5060.5}", "Site.network.sip_port",
     ["whole number"]),
    ("many calls", "media: {max_calls: many}", "Site.media.max_calls", ["whole number"]),
    ("a weak password", "event_socket: {password: ClueCon}", "Site.event_socket.password",
     ["well-known default"]),
    ("a secret of two names", "event_socket: {password: {secret: a, name: b}}",
     "Site.event_socket.password", ["{secret: name}"]),
    ("half a range of ports", "network: {rtp_ports: [20000]}", "Site.network.rtp_ports[1]",
     ["is missing"]),
]  # fmt: skip


def refusal(described: Described) -> str:
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        described()
    return str(refused.value)


def check(refused: str, path: str, words: list[str]) -> None:
    first = refused.splitlines()[0]
    assert first.startswith(f"{path}: " if path else "")
    assert [word for word in words if word not in first] == []
    # None of the checker's own vocabulary reaches the operator.
    assert not re.search(r"input should|validation|pydantic|dataclass|function-", refused)


@pytest.mark.parametrize(
    ("described", "path", "words"),
    [pytest.param(*case[1:], id=case[0]) for case in PYTHON],
)
def test_refused_in_python(described: Described, path: str, words: list[str]) -> None:
    check(refusal(described), path, words)


@pytest.mark.parametrize(
    ("text", "path", "words"), [pytest.param(*case[1:], id=case[0]) for case in YAML]
)
def test_refused_in_yaml(text: str, path: str, words: list[str], tmp_path: Path) -> None:
    lines = [text]
    # Those about one field are otherwise whole.
    if path:
        lines = ["domain: cc.example.net", text]
        if "extensions:" not in text:
            lines.append("extensions: [1000]")
    file = tmp_path / "site.yaml"
    file.write_text("\n".join(lines), encoding="utf-8")
    refused = refusal(lambda: Site.load(file))
    check(refused.removeprefix(f"{file}: ") if not path else refused, path, words)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal(lambda: Site.load(tmp_path / "no.yaml")).endswith(
        "no.yaml: there is no such file"
    )


@pytest.mark.parametrize("content", [None, b"domain: \xff\xfe"], ids=["a folder", "not UTF-8"])
def test_an_unreadable_file_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path
    if content is not None:
        path = tmp_path / "site.yaml"
        path.write_bytes(content)
    assert refusal(lambda: Site.load(path)).startswith(f"{path}: cannot be read as UTF-8")


def test_every_problem_of_a_description_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(
        textwrap.dedent("""\
            domain: a_b
            extensions: [1000, {number: 5}, {number: 2000, ring_seconds: 1}]
            network: {sip_port: 80, transports: []}
            media: {codecs: [AMR]}
            """)
    )
    with pytest.raises(SiteError) as refused:
        Site.load(file)
    assert [line.partition(":")[0] for line in refused.value.problems] == [
        "Site.domain",
        "Site.extensions[1].number",
        "Site.extensions[2].ring_seconds",
        "Site.network.sip_port",
        "Site.network.transports",
        # And not that the list is now too short as well.
        "Site.media.codecs[0]",
    ]


WEAK = ["Xy7!pq", "839205617342", "abcabcabcabcabc", "pässwörtchen-7", "cluecon", "sp ce=d#out'12"]


@pytest.mark.parametrize("value", WEAK)
def test_a_refused_secret_is_never_shown(value: str, tmp_path: Path) -> None:
    given = Secret(literal=value)
    file = tmp_path / "site.yaml"
    file.write_text(f"domain: a.b\nextensions: [1000]\nevent_socket:\n  password: {value!r}\n")
    ways: list[Described] = [
        lambda: site(event_socket=m.EventSocket(password=given)),
        lambda: site(event_socket={"password": value}),
        lambda: Site.load(file),
    ]
    for described in ways:
        with pytest.raises(SiteError) as refused:
            described()
        shown = f"{refused.value}{refused.value!r}{refused.value.problems}{given!r}"
        assert "event_socket.password" in shown
        assert value not in shown


def test_a_secret_in_a_place_of_the_wrong_type_is_never_shown() -> None:
    for described in (
        lambda: site(packages={"source": "apt", "url": STRONG, "key": "k"}),
        lambda: site(event_socket={"port": STRONG}),
        lambda: site(packages={"source": "ppa", "token": STRONG}),
        lambda: m.EventSocket(password=[STRONG]),
        lambda: site(network=STRONG),
    ):
        assert STRONG not in refusal(described)


@pytest.mark.parametrize("value", ["", "1234", "ClueCon", "PASSWORD", "1000", "short"])
def test_the_weak_are_called_weak(value: str) -> None:
    assert weakness(value, related=["1000"]) is not None


@pytest.mark.parametrize("value", [STRONG, "1000-and-more-than-that", "k3v!x" * 3])
def test_the_strong_are_not(value: str) -> None:
    assert weakness(value, related=["1000"]) is None


def test_there_are_enough_cases_to_trust() -> None:
    assert len(PYTHON) + len(YAML) >= 45
