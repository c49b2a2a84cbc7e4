"""The world outside: trunks to carriers, numbers that come in, routes that lead out."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import ArgsKwargs

from callcenter.site._model import Problem, SiteError, model
from callcenter.site._types import (
    Email,
    Many,
    Map,
    Name,
    Networks,
    Number,
    Port,
    domain_name,
    grammar,
    mapped,
    no_entries,
)
from callcenter.site.certificates import check_certificates
from callcenter.site.countries import (
    country_of,
    dialling,
    impossible,
    is_beginning,
    is_country,
    premium,
)
from callcenter.site.destinations import Destination, ToExtension, ToHangUp
from callcenter.site.media import Codec, MediaMode, check_codecs, spoken
from callcenter.site.network import Network
from callcenter.site.presets import PRESETS, Preset
from callcenter.site.secrets import GivenSecret, Secret

__all__ = [
    "E164",
    "FAILOVER",
    "Did",
    "Emergency",
    "NumberFormat",
    "OutboundLimits",
    "Rewrite",
    "Route",
    "Trunk",
]


MAXIMUM_BLOCK = 1000
"""Numbers of a block: the dialplan holds each, and is read from the beginning."""


_E164, _BEGINNING = r"\+[1-9][0-9]{5,14}", r"\+[1-9][0-9]{0,14}"


def check_e164(text: str) -> str:
    """Return a number of E.164, or raise the refusal of a text that is none."""
    if not re.fullmatch(_E164, text):
        raise ValueError("is no number of E.164; use one such as '+861012345678'")
    if (wrong := impossible(text)) is not None:
        raise ValueError(f"{text} {wrong}")
    return text


E164 = Annotated[str, AfterValidator(check_e164), grammar(_E164)]
"""A number of the telephone network as ITU-T E.164 writes it: a plus, the country, 15 digits at
most."""


def _prefix(text: str) -> str:
    if not re.fullmatch(_BEGINNING, text):
        raise ValueError("is no beginning of a number; use one such as '+49'")
    if not is_beginning(text):
        raise ValueError(f"{text} begins no country's numbers; use one such as '+49'")
    return text


Prefix = Annotated[str, AfterValidator(_prefix), grammar(_BEGINNING)]
"""Beginning of numbers that belong to a country, an area or a service."""


def _country(text: str) -> str:
    if not is_country(_prefix(text)):
        raise ValueError(f"{text} is no country's code alone; use one such as '+49'")
    return text


Country = Annotated[str, AfterValidator(_country), grammar(_BEGINNING)]
"""A country's code."""

FAILOVER = (
    "DESTINATION_OUT_OF_ORDER",
    "EXCHANGE_ROUTING_ERROR",
    "GATEWAY_DOWN",
    "INVALID_GATEWAY",
    "NETWORK_OUT_OF_ORDER",
    "NORMAL_CIRCUIT_CONGESTION",
    "NORMAL_TEMPORARY_FAILURE",
    "PROGRESS_TIMEOUT",
    "RECOVERY_ON_TIMER_EXPIRE",
    "REQUESTED_CHAN_UNAVAIL",
    "SERVICE_NOT_IMPLEMENTED",
    "SWITCH_CONGESTION",
)
"""Causes that speak of the carrier and not of whom is called: 408, 500, 502, 503, silence."""


TAKEN_FOR_LOCAL = (
    *("0.", "1.", "2.", "10.", "127.", "169.254.", "192.0.2.", "192.168.", "255."),
    *(f"172.{second}." for second in range(16, 32)),
)
"""Beginnings of addresses of carriers that sofia's autonat has for local, whatever a Site says."""


def _host(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return domain_name(text)
    if "%" in text:
        raise ValueError("has a zone, which the switch cannot name; give its global address")
    if address.is_unspecified or address.is_multicast:
        raise ValueError(f"{text} is no host's address; give the carrier's")
    if address.version == 6 and address.is_link_local:
        raise ValueError(f"{text} is link-local, which needs a zone; give its global address")
    return mapped(text)


Host = Annotated[str, AfterValidator(_host)]
"""A name or an address of somebody else's."""


def _is_name(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


_ACCOUNT = r"[A-Za-z0-9_.+-]{1,64}"


def _account(text: str) -> str:
    if "@" in text:
        raise ValueError(
            "holds an @; give what is before it, the rest as host or from_domain, and all of it as "
            "auth_username"
        )
    if not re.fullmatch(_ACCOUNT, text):
        raise ValueError("is no account; use letters, digits and . _ + -, 64 at most")
    return text


NumberFormat = Literal["+", "00", "digits", "national"]
"""Ways to write a number of E.164."""


_CAUSE = r"[A-Z][A-Z_]{3,40}"


def _cause(text: str) -> str:
    if not re.fullmatch(_CAUSE, text):
        raise ValueError("is no cause of FreeSWITCH; use one such as 'NORMAL_TEMPORARY_FAILURE'")
    return text


def _urgent(number: str) -> str:
    if not re.fullmatch(r"[0-9]{2,6}", number):
        raise ValueError("is no emergency number; use 2 to 6 digits, such as 112")
    return number


_DIGITS = r"[0-9]-[0-9]|[0-9*#+]|\\d"
"""Parts that may stand between brackets. Other ranges hold more than can be dialled."""


def _pattern(text: str) -> str:
    if not (text.startswith("^") and text.endswith("$") and not text.endswith(r"\$")):
        raise ValueError(
            r"must say where the number begins and ends; use one such as '^0\d{9,11}$'"
        )
    if "." in re.sub(r"\[[^\]]*\]", "", text):
        raise ValueError(r"has a ., which is more than digits; write \d for any digit")
    # What Python and FreeSWITCH's PCRE read alike, and no digits written in another script.
    if not re.fullmatch(rf"\^(?:[0-9+*#(){{}},?:|]|\[(?:{_DIGITS})+\]|\\d|\\\+|\\\*)*\$", text):
        raise ValueError(
            r"holds what no number does; use digits, \d, [0-9], (), {}, ? and | between ^ and $"
        )
    try:
        compiled = re.compile(text)
    except re.error as wrong:
        right = r"use one such as '^0\d{9,11}$'"
        raise ValueError(f"is no regular expression ({wrong}); {right}") from None
    # Such an alternative would begin or end anywhere.
    depth = 0
    for sign in text:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "|" and depth == 0:
            raise ValueError("has alternatives outside brackets; write '^(?:112|110)$'")
    if compiled.match(""):
        raise ValueError("matches an empty number; name the digits")
    _check_cost(text)
    return text


REPEATS = 4
"""Parts of a pattern at most that may be longer or shorter: each could be tried with each."""


def _check_cost(text: str) -> None:
    """Refuse what a number could keep busy: repetitions within repetitions, and many of them."""
    parsed: Any = re._parser.parse(text)  # type: ignore[attr-defined]
    varying = 0
    waiting = [(part, False) for part in parsed]
    while waiting:
        (kind, given), is_repeated = waiting.pop()
        name = str(kind)
        if name == "MAX_REPEAT":
            least, most, what = given
            if is_repeated and (least, most) != (0, 1):
                raise ValueError(
                    r"repeats what is repeated already; write each once, such as \d{2,9}"
                )
            varying += most > max(least, 1)
            waiting += [(part, is_repeated or most > 1) for part in what]
        elif name == "SUBPATTERN":
            waiting += [(part, is_repeated) for part in given[3]]
        elif name == "BRANCH":
            if is_repeated:
                raise ValueError("repeats alternatives; write them out, or use [0-9]")
            waiting += [(part, is_repeated) for branch in given[1] for part in branch]
    if varying > REPEATS:
        raise ValueError(f"has {varying} parts of any length; use {REPEATS} at most")


Pattern = Annotated[str, AfterValidator(_pattern)]
"""A regular expression of what is dialled, from ``^`` to ``$``, in the part of the language that
Python and FreeSWITCH read alike."""


def _replacement(text: str) -> str:
    if re.search(r"\$[1-9][0-9]", text):
        raise ValueError("has a digit right after such as $1, which would be read as one number")
    if not re.fullmatch(r"\+?(?:[0-9*]|\$[1-9])+", text):
        raise ValueError(
            "holds what no number does; use digits, *, a + in front, and $1 for what stood between "
            "the first brackets"
        )
    return text


_REFERENCE = re.compile(r"\$([1-9])")


Tone = Literal["us", "gb", "de", "fr", "cn", "au", "jp"]

TONES: Mapping[Tone, str] = {
    "us": "%(2000,4000,440,480)",
    "gb": "%(400,200,400,450);%(400,2000,400,450)",
    "de": "%(1000,4000,425)",
    "fr": "%(1500,3500,440)",
    "cn": "%(1000,4000,450)",
    "au": "%(400,200,400,425);%(400,2000,400,425)",
    "jp": "%(1000,2000,384,416)",
}
"""Ringing tones (ITU-T E.180) in FreeSWITCH's words: milliseconds on and off, and hertz."""


_HEADER, _HEADER_TEXT = r"[XP]-[A-Za-z0-9-]{1,60}", r"[A-Za-z0-9 ._:/@+=<>-]{1,120}"


def _header_name(text: str) -> str:
    if not re.fullmatch(_HEADER, text):
        raise ValueError("is no header of your own; use a name that begins with X- or P-")
    if text.lower() in ("p-asserted-identity", "p-preferred-identity"):
        raise ValueError(f"{text} holds the caller's number; use caller_id_in")
    return text


HeaderName = Annotated[str, AfterValidator(_header_name), grammar(_HEADER)]
"""A SIP header's name."""


def _header_value(text: str) -> str:
    if not re.fullmatch(_HEADER_TEXT, text):
        raise ValueError(
            "holds what a call's beginning cannot carry; use letters, digits, spaces and "
            ". _ : / @ + = < > -, 120 at most"
        )
    return text


HeaderValue = Annotated[str, AfterValidator(_header_value), grammar(_HEADER_TEXT)]
"""A SIP header's text."""

PACKED = ("PCMA", "PCMU", "G722")
"""Codecs of which a packet holds as many milliseconds as one likes."""


@model
class Rewrite:
    """A number that is written in another way."""

    pattern: Pattern
    """Pattern of what is rewritten, from ``^`` to ``$``, with brackets around what stays."""
    replacement: Annotated[str, AfterValidator(_replacement)]
    """Text that is written instead: digits, ``*``, a ``+`` in front, and ``$1`` for what stood
    between the first brackets. No digit follows such a sign."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        groups = self._compiled.groups
        for number in _REFERENCE.findall(self.replacement):
            if int(number) > groups:
                raise Problem(
                    "replacement",
                    f"has ${number}, and pattern has {groups} pairs of brackets; add one, or "
                    "write (?:…) around what is dropped",
                )
        return self

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.ASCII)

    def of(self, number: str) -> str | None:
        """Return a number as it is rewritten, or None: it is another."""
        found = self._compiled.fullmatch(number)
        if found is None:
            return None
        return _REFERENCE.sub(lambda sign: found[int(sign[1])] or "", self.replacement)


def rewritten(rules: Sequence[Rewrite], number: str) -> str | None:
    """Return a number by the first rule that is about it, or None."""
    return next((made for one in rules if (made := one.of(number)) is not None), None)


Silence = Annotated[int, Field(strict=True, ge=1, le=32)]
"""Seconds for which a trunk may say nothing. After 32 s without any answer sofia itself gives a
trunk up (RFC 3261's timer B)."""

SILENCE_SECONDS = 20
"""Seconds well above what carriers take until they ring a mobile abroad, and below timer B."""


def written(number: str, form: NumberFormat, country: str | None) -> str:
    """Return a number of E.164 in another form, of which ``national`` is that of a country."""
    if form == "national" and country is not None:
        known = dialling(country)
        if not number.startswith(country):
            return known.abroad + number.removeprefix("+")
        rest = number.removeprefix(country)
        is_bare = known.bare is not None and re.fullmatch(known.bare, rest)
        return rest if is_bare else known.own + rest
    return {"+": "+", "00": "00"}.get(form, "") + number.removeprefix("+")


def spellings(country: str | None) -> list[tuple[str, str]]:
    """List how carriers write a caller's number, in the order in which it is looked for: an
    expression of the whole, and what stands before its first group in E.164. Without a plus a
    number is one of the country where it may be, else it begins with its country."""
    known = dialling(country) if country is not None else None
    abroad = "|".join(dict.fromkeys(["00", *([known.abroad] if known else [])]))
    out = [(rf"(?:\+|{abroad})([1-9][0-9]{{6,14}})", "+")]
    if known is None or country is None:
        return [*out, ("([1-9][0-9]{7,14})", "+")]
    code = country.removeprefix("+")
    if known.own:
        out.append((f"{known.own}([1-9][0-9]{{3,13}})", country))
    if known.bare:
        out.append((f"({known.bare})", country))
    return [*out, (f"({code}[0-9]{{5,12}})", "+"), ("([1-9][0-9]{7,14})", "+")]


def heard(number: str, country: str | None) -> str | None:
    """Return the number of E.164 that a carrier's spelling of a caller means, or None."""
    for expression, before in spellings(country):
        if found := re.fullmatch(expression, number):
            return before + found[1]
    return None


def _word(given: Mapping[Any, Any]) -> Any:
    """Return the preset of what is given, if that is one."""
    word = given.get("preset")
    return word if isinstance(word, str) else None


@model
class Trunk:
    """A way to and from the telephone network: FreeSWITCH's gateway."""

    name: Name
    """Name that routes and DIDs call it by."""
    _: KW_ONLY
    preset: Preset | None = None
    """The carrier, where its public page says what it asks for (docs/carriers.md): fields that are
    not given are set as it says. Default: fields have the defaults below."""
    host: Host = ""
    """The carrier's SIP domain, by name or address. It stands behind the @ of what is called. It
    must be given, unless the preset has it."""
    outbound_proxy: Host | None = None
    """The proxy that all SIP is sent to, by name or address, where it is not ``host``."""
    registrar: Host | None = None
    """The server that registrations are sent to, at the default port of ``transport``. Default: the
    proxy. Not with TLS, which knows one server."""
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] | None = None
    """The proxy's port. Default: what DNS says of a name (NAPTR and SRV, RFC 3263), else 5060.
    With TLS 5061."""
    transport: Literal["udp", "tcp", "tls"] = "udp"
    """Transport of SIP to the carrier. With ``tls`` its certificate must be of ``ca_file``, and
    hold ``host`` word for word, which is a name then: FreeSWITCH knows no wildcards, and no
    addresses."""
    username: Annotated[str, AfterValidator(_account), grammar(_ACCOUNT)] | None = None
    """The account, where the carrier gave one: the switch registers with it. Default: the carrier
    knows the switch by its address."""
    password: GivenSecret | None = None
    """The account's password, which the carrier gave. Whatever realm the carrier names, it is what
    answers."""
    auth_username: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+@-]{1,128}$")] | None = None
    """The name that the password belongs to, where it is not ``username``. It may hold an @."""
    register: Annotated[bool, Field(strict=True)] = True
    """Registration of the account. False where the carrier asks for the password at each call
    and knows the switch's address by itself."""
    register_seconds: Annotated[int, Field(strict=True, ge=60, le=86_400)] | None = None
    """Seconds that a registration is asked for. A carrier may answer with fewer. Default: 3600."""
    from_user: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]{1,64}$")] | None = None
    """Name in From of calls, where the caller's number stands elsewhere. Default: ``username``."""
    from_domain: Host | None = None
    """Domain in From. Default: ``host`` in registrations, and the switch's address in calls."""
    networks: Networks = ()
    """Networks from which the carrier sends calls and voice. Nobody else may send any. Default: the
    proxy, where that is an address. Of several trunks from one address, a call is that of the
    account to which the carrier sends it, else of the first."""
    channels: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 30
    """Calls at a time, in and out together; more are refused with 503."""
    calls_per_hour: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    """Calls out within an hour, those that the carrier refuses included; for more the next trunk is
    tried. Emergency calls pass, and FreeSWITCH counts on each switch by itself. Default: as many as
    come, since a guess of ours would refuse calls in a busy hour; ``outbound_limits`` hold all the
    same."""
    caller_id: E164 | None = None
    """The number shown outside for extensions that have none of their own."""
    caller_id_in: Literal[
        "from", "p-asserted-identity", "p-preferred-identity", "remote-party-id"
    ] = "from"
    """The header in which the carrier looks for the caller's number (RFC 3325)."""
    shows_callers: Annotated[bool, Field(strict=True)] = False
    """Permission of the carrier to show a caller from outside, by the own number, on calls that are
    sent on to a number outside. Else the number of the extension that sends them on is shown."""
    forwarded_in: Literal["diversion", "history-info"] = "diversion"
    """Header that says who has sent a call on to a number outside: Diversion (RFC 5806) or
    History-Info (RFC 7044)."""
    caller_id_format: NumberFormat = "+"
    """The way in which the carrier wants the caller's number to be written; see
    ``number_format``."""
    number_format: NumberFormat = "+"
    """The way in which the carrier wants numbers to be written: ``+49…``, ``0049…``, ``49…``, or
    ``national``: within the country of ``national`` as one dials there, ``030…``, else ``00…``. In
    the North American plan (+1) that is ten digits, and 011 before others; China's mobiles have no
    0 in front. Google's libphonenumber knows each country's digits."""
    number_prefix: Annotated[str, Field(pattern=r"^[0-9*]{0,12}$")] = ""
    """The digits that the carrier wants in front of each number, such as a technical prefix.
    Emergency numbers are sent without."""
    called_out: Many[Rewrite] = ()
    """Rules for numbers that are called, as E.164 with a plus: the first that is about one says how
    the carrier is sent it, without ``number_prefix``. Default: as ``number_format`` says."""
    caller_out: Many[Rewrite] = ()
    """Rules for the caller's number in calls out, as E.164 with a plus. Default: as
    ``caller_id_format`` says."""
    called_in: Many[Rewrite] = ()
    """Rules for called numbers as the carrier sends them, which make those of ``inbound``."""
    caller_in: Many[Rewrite] = ()
    """Rules for callers' numbers as the carrier sends them, before anything looks at them."""
    national: Country | None = None
    """The country whose numbers the carrier sends as one dials them there: with a 0 instead of the
    country, or what is dialled there for it, and in the North American plan (+1) with ten digits.
    Default: it sends the country."""
    early_media: Annotated[bool, Field(strict=True)] = True
    """Sound of the carrier's before the answer, which callers hear. False: they hear ringing."""
    ringback: Tone | None = None
    """The country whose ringing tone callers hear from the switch until the carrier's side answers,
    instead of the carrier's own sound. Default: what the carrier sends, or the phone's own tone."""
    dtmf: Literal["rfc2833", "info", "in-band"] = "rfc2833"
    """The way of keys that are pressed in a call: beside the voice (RFC 2833, now RFC 4733), by
    INFO, or as tones in the voice, which the switch makes and hears. Phones keep RFC 2833."""
    packet_ms: Literal[10, 20, 30, 40, 60] | None = None
    """Milliseconds of voice in a packet (ptime). It needs ``codecs``, of PCMA, PCMU and G722.
    Default: 20."""
    session_seconds: Annotated[int, Field(strict=True, ge=90, le=86_400)] | None = 1800
    """Seconds after which a call that nobody confirms ends (RFC 4028). None: the switch asks for no
    such timer, and agrees to none, for carriers that end calls by it."""
    longest_call: Annotated[int, Field(strict=True, ge=5, le=86_400)] | None = None
    """Seconds after the answer at which a call by it ends, in and out. Default: it may last."""
    headers: Map[HeaderName, HeaderValue] = Field(default_factory=no_entries, kw_only=True)
    """Headers of your own in calls out, such as ``{"X-Account": "42"}``."""
    codecs: Annotated[Many[Codec], Field(min_length=1)] | None = None
    """Codecs that the carrier is offered, best first. ``G729`` only in calls from phones that offer
    it, and where media has it. Default: those of media."""
    ca_file: Path | None = None
    """Certificates (PEM, on this machine) of the authorities that may have signed the carrier's,
    with TLS. Debian's own choice of them is ``/etc/ssl/certs/ca-certificates.crt``."""
    tls_port: Port = 5081
    """Port of the switch for this trunk, with TLS: no two trunks have the same. Nobody can connect
    to it without ``certificate``."""
    certificate: Path | None = None
    """Certificate of the switch with TLS (PEM, on this machine), with those of the authorities
    between after it. The carrier may connect then. Default: its calls come over the connection that
    the switch has opened by registering."""
    key: Annotated[Secret, AfterValidator(Secret.as_key)] | None = None
    """The certificate's private key, as PEM without a passphrase. None is ever made."""
    srtp: Annotated[bool, Field(strict=True)] = False
    """Encryption of voice between the switch and the carrier, with TLS: a call that cannot be
    encrypted does not come about. Its key is in SDP (SDES). Faxes go as encrypted tones, since T.38
    has no keys: a carrier that asks for it is refused it, and the fax goes on."""
    ping_seconds: Annotated[int, Field(strict=True, ge=5, le=3600)] | None = 30
    """Seconds between two questions to the carrier whether it is there (OPTIONS). One that is not
    there is passed over. None: it is never asked."""
    record: Annotated[bool, Field(strict=True)] = False
    """Recording of calls that come by it, and of calls of routes that name it."""

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, given: Any) -> Any:
        """Fill in what the preset says of fields that are not given."""
        if isinstance(given, ArgsKwargs):
            fields = dict(given.kwargs or {})
            return ArgsKwargs(given.args, {**PRESETS.get(_word(fields), {}), **fields})
        if isinstance(given, Mapping):
            return {**PRESETS.get(_word(given), {}), **given}
        return given

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.host:
            raise Problem("host", "is missing; give it a value")
        if self.preset is not None and self.preset != "flowroute" and self.username is None:
            raise Problem("username", f"is missing for {self.preset}; give the account")
        if self.preset == "flowroute" and not self.number_prefix:
            raise Problem(
                "number_prefix", "is missing for flowroute; give its prefix, such as '12345678*'"
            )
        if self.preset == "telekom-companyflex" and self.outbound_proxy is None:
            raise Problem(
                "outbound_proxy",
                "is missing for telekom-companyflex; give the customer's own, which ends in "
                "'.primary.companyflex.de'",
            )
        if self.preset == "twilio" and not self.host.endswith(".twilio.com"):
            raise Problem(
                "host", "is no trunk of twilio; give its name, such as 'acme.pstn.twilio.com'"
            )
        if (self.username is None) != (self.password is None):
            lacking, there = ("password", "username") if self.username else ("username", "password")
            raise Problem(lacking, f"is missing beside {there}; give both, or none")
        self._check_account()
        if self.national is None:
            for field in ("number_format", "caller_id_format"):
                if getattr(self, field) == "national":
                    raise Problem("national", f"is missing beside {field}; name the country")
        if self.codecs is not None:
            check_codecs(self.codecs)
        if self.packet_ms is not None:
            if self.codecs is None:
                raise Problem("codecs", "is missing beside packet_ms; name them, such as PCMA")
            if (one := next((c for c in self.codecs if c not in PACKED), None)) is not None:
                raise Problem(
                    "packet_ms", f"is not for {one}; use {', '.join(PACKED)}, or leave it out"
                )
        if self.ringback is not None and not self.early_media:
            raise Problem("early_media", "is not heard beside ringback anyway; leave it out")
        if self.shows_callers and self.caller_out:
            raise Problem(
                "shows_callers",
                "has no use beside caller_out, which is for own numbers; leave it out",
            )
        if len({name.lower() for name in self.headers}) < len(self.headers):
            raise Problem("headers", "has one twice, written in two ways; keep one of them")
        self._check_tls()
        if "0.0.0.0/0" in self.networks or "::/0" in self.networks:
            raise Problem("networks", "lets anybody in; name the carrier's own networks")
        if not self.sources:
            raise Problem(
                "networks",
                f"is empty, and {self.proxy} is a name, so nobody could send calls; give the "
                "carrier's networks",
            )
        return self

    def _check_account(self) -> None:
        if self.username is None:
            for field in ("auth_username", "registrar", "register_seconds"):
                if getattr(self, field) is not None:
                    raise Problem(field, "is about an account; give username and password")
            if not self.register:
                raise Problem("register", "is about an account; give username and password")
        elif not self.register:
            for field in ("registrar", "register_seconds"):
                if getattr(self, field) is not None:
                    raise Problem(field, "has no use without registration; leave it out")
        if self.from_user is not None and self.caller_id_in == "from":
            raise Problem(
                "from_user", "has no use where the caller's number stands in From; leave it out"
            )

    def _check_tls(self) -> None:
        if self.transport != "tls":
            for field in ("ca_file", "certificate", "key"):
                if getattr(self, field) is not None:
                    raise Problem(field, "is for TLS; set transport='tls', or leave it out")
            if self.srtp:
                raise Problem("srtp", "would show its key to all; set transport='tls'")
            return
        if self.registrar is not None:
            raise Problem(
                "registrar", "is not reached by TLS, which knows one server; leave it out"
            )
        if not self.is_named:
            raise Problem(
                self.proxy_field,
                "is an address, which FreeSWITCH finds in no certificate; give its name",
            )
        if self.ca_file is None:
            raise Problem(
                "ca_file",
                "is missing, so no carrier could be told from an impostor; give the certificate of "
                "its authority, or Debian's /etc/ssl/certs/ca-certificates.crt",
            )
        for field in ("ca_file", "certificate"):
            if (file := getattr(self, field)) is not None:
                check_certificates(field, file)
        if (self.certificate is None) != (self.key is None):
            lacking, there = ("key", "certificate") if self.certificate else ("certificate", "key")
            raise Problem(lacking, f"is missing beside {there}; give both, or none")

    @property
    def proxy(self) -> str:
        """Name or address that SIP is sent to."""
        return self.outbound_proxy or self.host

    @property
    def proxy_field(self) -> str:
        """Name of the field that names the proxy."""
        return "outbound_proxy" if self.outbound_proxy else "host"

    @property
    def registers(self) -> bool:
        """True where the switch registers with the carrier."""
        return self.username is not None and self.register

    @property
    def is_named(self) -> bool:
        """True where its proxy is a name, and not an address."""
        return _is_name(self.proxy)

    @property
    def spoken(self) -> tuple[Codec, ...]:
        """Codecs of its own that the switch itself can speak."""
        return spoken(self.codecs or ())

    @property
    def offered(self) -> str:
        """Codecs of its own in FreeSWITCH's words, but that which the switch cannot speak."""
        packet = f"@{self.packet_ms}i" if self.packet_ms is not None else ""
        return ",".join(f"{codec}{packet}" for codec in self.spoken)

    @property
    def needs_media(self) -> str | None:
        """The field that needs the switch in the voice's way, or None."""
        if self.dtmf != "rfc2833":
            return "dtmf"
        return next((one for one in ("packet_ms", "ringback") if getattr(self, one)), None)

    @property
    def proxy_port(self) -> int:
        """The port that SIP is sent to, where DNS says no other."""
        return self.port or (5061 if self.transport == "tls" else 5060)

    @property
    def is_looked_up(self) -> bool:
        """True where DNS says which port SIP is sent to. With TLS the name in the certificate is
        that of the proxy, and not one that DNS leads to."""
        return self.is_named and self.port is None and self.transport != "tls"

    def listens(self, network: Network) -> tuple[str, int] | None:
        """Return the protocol and the port to which the carrier may connect, or None."""
        if self.transport != "tls":
            return self.transport, network.trunk_port
        return ("tcp", self.tls_port) if self.certificate else None

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The networks that the carrier's calls and voice come from."""
        sources = list(self.networks)
        if not self.is_named:
            sources.insert(0, str(ipaddress.ip_network(self.proxy)))
        return tuple(dict.fromkeys(sources))

    def meets(self, other: Trunk) -> bool:
        """Return True where calls of both may come from one address."""
        theirs = [ipaddress.ip_network(one) for one in other.sources]
        return any(
            one.version == two.version and one.overlaps(two)
            for one in map(ipaddress.ip_network, self.sources)
            for two in theirs
        )

    @property
    def reached_at(self) -> tuple[str, ...]:
        """The networks that its proxy is in: its address, or where that is a name all sources."""
        return self.sources if self.is_named else (str(ipaddress.ip_network(self.proxy)),)

    def sent(self, number: str) -> str:
        """Return a number of E.164 as the carrier wants what is called."""
        if (made := rewritten(self.called_out, number)) is not None:
            return made
        return self.number_prefix + self._written(number, self.number_format)

    def shown(self, number: str) -> str:
        """Return a number of E.164 as the carrier wants the caller's."""
        made = rewritten(self.caller_out, number)
        return made if made is not None else self._written(number, self.caller_id_format)

    def _written(self, number: str, form: NumberFormat) -> str:
        return written(number, form, self.national)


@model
class Did:
    """A number, or a range of them, by which the world reaches the site."""

    number: E164
    """The number, or the first of a range. In a list also a block, such as ``+49301234000-099``:
    ``to`` is the block's, or with ``{extension: 1000-1099}`` each number has its extension."""
    _: KW_ONLY
    to: Destination
    """Destination of its calls."""
    last: E164 | None = None
    """The last of the range, of as many digits. Default: there is one number."""
    trunk: Name | None = None
    """The only trunk by which its calls may come. Default: any."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.last is not None and (
            len(self.last) != len(self.number) or int(self.last) <= int(self.number)
        ):
            raise Problem("last", f"does not come after {self.number}; give one of as many digits")
        return self

    @classmethod
    def block(cls, number: str, last: str, *, first: int, trunk: str | None = None) -> list[Did]:
        """List the numbers from ``number`` to ``last``, both included, each to an extension of its
        own, from ``first`` on."""
        try:
            count = Did(number, to=ToHangUp(), last=last)._count
        except SiteError as refused:
            raise SiteError(
                f"Did.block{line.removeprefix('Did')}" for line in refused.problems
            ) from None
        if count > MAXIMUM_BLOCK:
            raise SiteError([f"Did.block: holds {count} numbers; give {MAXIMUM_BLOCK} at most"])
        if first < 10:
            raise SiteError([f"Did.block.first: {first} is no extension; give two digits or more"])
        return [
            cls(f"+{int(number) + more}", to=ToExtension(str(first + more)), trunk=trunk)
            for more in range(count)
        ]

    @property
    def _count(self) -> int:
        return self.ends[1] - self.ends[0] + 1

    @property
    def ends(self) -> tuple[int, int]:
        """The first and the last number, as integers."""
        return int(self.number), int(self.last or self.number)

    def __contains__(self, number: str) -> bool:
        first, last = self.ends
        return len(number) == len(self.number) and first <= int(number) <= last


@model
class Route:
    """Numbers that extensions may call outside, and over which trunks."""

    name: Name
    """Name that ``Extension.routes`` calls it by."""
    _: KW_ONLY
    pattern: Pattern
    """Pattern of what is dialled: ``^0\\d{9,11}$``. The first route that fits, and that the
    extension has, is taken."""
    trunks: Annotated[Many[Name], Field(min_length=1)]
    """Trunks in the order in which they are tried, so the cheapest first."""
    weights: Many[Annotated[int, Field(strict=True, ge=0, le=100)]] | None = None
    """A share for each trunk: with 3 and 1 three calls of four begin at the first. Where one fails,
    the others are tried, each once. Those of 0 come last, in their order. Default: all in their
    order."""
    short: Annotated[bool, Field(strict=True)] = False
    """Numbers that are none of E.164, such as 10086 and 95588: the carrier is sent what ``strip``
    and ``prefix`` leave, 3 to 8 digits, and ``outbound_limits`` ask no country of it."""
    strip: Annotated[int, Field(strict=True, ge=0, le=15)] = 0
    """Number of digits that are taken away in front."""
    prefix: Annotated[str, Field(pattern=r"^\+?[0-9]{0,14}$")] = ""
    """Prefix that is put in front then: together it must be a number of E.164, as ``+49`` for a 0
    that was stripped."""
    failover: Many[Annotated[str, AfterValidator(_cause), grammar(_CAUSE)]] = FAILOVER
    """FreeSWITCH's causes after which the next trunk is tried. Whoever is busy stays busy."""
    ring_seconds: Annotated[int, Field(strict=True, ge=10, le=300)] = 60
    """Seconds that it rings outside."""
    silence_seconds: Silence = SILENCE_SECONDS
    """Seconds for a trunk to ring or to send sound before the next one is tried, 1 to 32.
    The last one has all of ``ring_seconds``. A carrier that reaches a mobile abroad may take ten
    seconds and more; one that does not answer OPTIONS is passed over at once."""
    media: MediaMode | None = None
    """The way of the voice, as in media.mode. Default: that of the Site."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.short:
            self._check_short()
        if self.weights is None:
            return self
        if len(self.weights) != len(self.trunks):
            raise Problem(
                "weights",
                f"has {len(self.weights)} for {len(self.trunks)} trunks; give one for each",
            )
        if not any(self.weights):
            raise Problem("weights", "is 0 for all, so none would begin; leave it out")
        return self

    def _check_short(self) -> None:
        if self.prefix.startswith("+"):
            raise Problem("prefix", "makes a number of E.164, which is not short; leave it out")
        parsed: Any = re._parser.parse(self.pattern)  # type: ignore[attr-defined]
        least, most = (int(one) - self.strip + len(self.prefix) for one in parsed.getwidth())
        if least < 3 or most > 8:
            raise Problem(
                "pattern",
                f"leaves {least} to {most} digits, and short numbers have 3 to 8; make it narrower",
            )

    @property
    def shares(self) -> dict[str, int]:
        """The trunks that calls are spread over, with their weights."""
        weights = self.weights or ()
        return {name: weight for name, weight in zip(self.trunks, weights, strict=False) if weight}

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.ASCII)

    def matches(self, number: str) -> bool:
        """Tell whether it is the route of what is dialled."""
        return self._compiled.fullmatch(number) is not None

    def called(self, number: str) -> str:
        """Return the number of E.164 that is called for what is dialled."""
        return self.prefix + number[self.strip :]


@model
class Emergency:
    """A number that every extension reaches, whatever its permissions and the limits say."""

    number: Annotated[Number, AfterValidator(_urgent)]
    """Number that is dialled, such as 112."""
    _: KW_ONLY
    trunks: Annotated[Many[Name], Field(min_length=1)]
    """Trunks in the order in which they are tried, channels or not. One that has not answered
    OPTIONS is tried after the others."""
    sent: Annotated[str, Field(pattern=r"^\+?[0-9]{2,15}$")] | None = None
    """Number that the carrier is sent. Default: the number as it is dialled."""
    silence_seconds: Silence = SILENCE_SECONDS
    """Seconds for a trunk to ring or to send sound before the next one is tried, 1 to 32.
    The last one has no such limit."""
    notify: Many[Number] = ()
    """Extensions whose phones ring when it is called, and tell whoever answers; they show who has
    called it. Default: nobody is told."""


@model
class OutboundLimits:
    """What fraud by a stolen phone could cost at most. Emergency numbers are free of all of it."""

    _: KW_ONLY
    countries: Many[Prefix] = ()
    """Beginnings that numbers must have, such as ``+49``. Routes need at least one."""
    denied: Many[Prefix] | None = None
    """Beginnings that numbers must not have, though their country is allowed. Default: in
    ``countries`` premium rate, British personal numbers (0 70), satellites, and the islands within
    +1, which are abroad for everyone else in it, as Google's libphonenumber knows them. A range in
    which ordinary numbers are as well is not among them, such as Ireland's 15 and America's 976:
    the carrier can bar it."""
    calls: Annotated[int, Field(strict=True, ge=1, le=1000)] = 2
    """Calls outside at a time of one extension."""
    calls_per_hour: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 60
    """Calls outside within an hour of one extension. FreeSWITCH counts on each switch by itself."""
    alarm: Email | None = None
    """Address that is told by mail, through the Site's smtp, that a limit was hit, also one of a
    trunk: five seconds after the first hit, and at most once an hour for each limit and each
    extension, fax or trunk. Calls of emergency numbers are mailed each, and at once. What cannot be
    sent is kept and tried again every five minutes. Default: nobody."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for index, country in enumerate(self.countries):
            denied = self.barred if self.denied is not None else premium(country_of(country))
            if (one := next((p for p in denied if country.startswith(p)), None)) is not None:
                raise Problem(
                    f"countries[{index}]",
                    f"{country} is denied by {one}, so nothing of it can be called; give denied "
                    "without that, or leave it out",
                )
        return self

    @cached_property
    def barred(self) -> tuple[str, ...]:
        """Beginnings of numbers that are never called: ``denied``, or what that is by default."""
        if self.denied is not None:
            return tuple(self.denied)
        found = {dear for one in self.countries for dear in premium(country_of(one))}
        return tuple(sorted(found))

    def refused(self, number: str) -> str | None:
        """Return why a number of E.164 may not be called, or None."""
        if (denied := next((p for p in self.barred if number.startswith(p)), None)) is not None:
            return f"outbound_limits.denied has {denied}"
        if not any(number.startswith(prefix) for prefix in self.countries):
            return "outbound_limits.countries has no beginning of it"
        return None
