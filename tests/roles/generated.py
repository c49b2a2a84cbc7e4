"""Sites from a seed, and what can be dialled in each: for test_dialplan.py."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from callcenter.site import (
    Agent,
    Application,
    CallerRule,
    Callers,
    Conference,
    Destination,
    Did,
    Emergency,
    Extension,
    Fax,
    FeatureCodes,
    Firewall,
    Hours,
    HttpApplication,
    Ivr,
    LuaScript,
    Network,
    Notice,
    OutboundLimits,
    PagingGroup,
    Parking,
    Queue,
    Rewrite,
    RingGroup,
    Route,
    Site,
    SiteError,
    ToOutside,
    ToQueue,
    Trunk,
    extension,
    hang_up,
    open_during,
    outside,
    say,
    voicemail,
)
from callcenter.site._plan import dialled_numbers
from callcenter.site.destinations import SERVICES, word_of
from callcenter.site.trunks import NumberFormat

__all__ = ["BOOK", "DOMAIN", "NUMBERS", "TRUNKS", "ZONES", "Dialled", "Generator"]

KINDS: dict[str, Callable[[str], Destination]] = {
    word_of(kind): make for kind, make in SERVICES.items()
}
"""Services, and how a destination names one."""

DOMAIN = "roles.callcenter.test"
TRUNKS = ("a", "b", "c")
NUMBERS = (
    *("1000", "1001", "1002", "1003", "1010", "2000", "2001", "110", "1100", "1101"),
    *("20", "007", "3001", "30012"),
)
ROUTES: tuple[dict[str, Any], ...] = (
    {"name": "national", "pattern": r"^0[1-9]\d{5,11}$", "strip": 1, "prefix": "+49"},
    {"name": "mobile", "pattern": r"^01[5-7]\d{8,9}$", "strip": 1, "prefix": "+49"},
    {"name": "abroad", "pattern": r"^00[1-9]\d{5,13}$", "strip": 2, "prefix": "+"},
    {"name": "plus", "pattern": r"^\+[1-9]\d{5,14}$"},
    {"name": "local", "pattern": r"^[4-8]\d{7}$", "prefix": "+4930"},
    {"name": "ten", "pattern": r"^[2-9]\d{9}$", "prefix": "+1"},
    {"name": "nine", "pattern": r"^9[1-9]\d{5,12}$", "strip": 1, "prefix": "+"},
    {"name": "star", "pattern": r"^\*9\d{5,9}$", "strip": 2, "prefix": "+49"},
    {"name": "tiny", "pattern": r"^7[0-9]{3,5}$", "strip": 1, "prefix": "+49"},
    {"name": "short", "pattern": r"^(?:10086|95588|12345)$", "short": True},
    {"name": "either", "pattern": r"^(?:8|#8)0\d{6}$", "prefix": "+49"},
)
OUTSIDE = (
    *("030123456", "01701234567", "0900123456", "0033123456789", "0014155550100", "001900555123"),
    *("+4930123456", "+14155550100", "+861012345678", "41234567", "4155550100", "2125550100"),
    *("94930123456", "9861012345678", "*91234567", "7123", "712345", "10086", "95588", "12345"),
    *("80123456", "#80123456", "00", "+", "0", "00431234567", "01511234567"),
)
CALLED = ("+4930123400", "+493012345678", "+12125550100", "+14155550199", "+861012345678")
CALLERS = (
    *("+4930555666", "+49900123456", "+8613812345678", "+12125550123", "004930555666"),
    *("4930555666", "030555666", "01112125550123", "2125550123", "13812345678", "013812345678"),
    *("anonymous", "1000", "2000", "99", "+1", "0170555666;cpc=ordinary", "sip-user"),
)
SPANS = ("00:00-24:00", "00:00-00:01", "23:58-23:59")
ZONES = ("Asia/Kolkata", "America/Chicago", "Pacific/Auckland", "Pacific/Honolulu")
BOOK = """number,name,group
+4930555666,Müller & Co.,vip
+8613812345678,王伟,vip
+12125550123,Smith,
+49900123456,Pests,pests
"""


def _may_call(number: str, routes: list[Route], limits: OutboundLimits) -> bool:
    """Tell whether somebody with these routes may call a number that is none of the Site's."""
    route = next((one for one in routes if one.matches(number)), None)
    if route is None or route.short or not re.fullmatch(r"\+?[0-9]{3,20}", number):
        return False
    called = route.called(number)
    return (
        re.fullmatch(r"\+[0-9]{6,15}", called) is not None
        and limits.refused(called) is None
        and not any(called.startswith(one[:8]) for one in CALLED)
    )


@dataclass(frozen=True)
class Dialled:
    """A call that is made."""

    number: str
    caller: str
    """An extension, or where it comes by a trunk the caller's number as the carrier sends it."""
    trunk: str | None = None


class Generator:
    """Draws of one Site. The same seed draws the same, but for opening hours, which are about the
    moment."""

    def __init__(self, seed: int, folder: Path, addresses: tuple[str, ...]) -> None:
        self.pick = random.Random(seed)
        self.folder, self.addresses = folder, addresses
        self.refusals = 0
        """Sites that were drawn and that say what cannot be."""
        while True:
            try:
                self.site = self._site()
            except SiteError:
                self.refusals += 1
                if self.refusals > 200:
                    raise
            else:
                break
        nights = [one.name for one in self.site.hours if one.night]
        self.closed = frozenset(name for name in nights if self._often(0.3))

    def _often(self, share: float) -> bool:
        return self.pick.random() < share

    def _some(self, of: Iterable[Any], least: int = 0) -> list[Any]:
        """Return a few, in some order."""
        known = list(of)
        return self.pick.sample(known, self.pick.randint(least, len(known)))

    def _site(self) -> Site:
        pick = self.pick
        used = pick.sample(NUMBERS, pick.randint(3, 8))
        free = iter(pick.sample([*map(str, range(6000, 6040)), "*60", "#61", "*6*2", "62#"], 44))
        codes = iter(pick.sample([f"*{n}" for n in range(70, 96)], 26))

        def number() -> str | None:
            return next(free) if self._often(0.7) else None

        routes = self._some(ROUTES, 1)
        names = {kind: [f"{kind}{n}" for n in range(pick.choice((0, 1, 1, 2)))] for kind in KINDS}
        hours = [f"hours{n}" for n in range(pick.choice((0, 1, 2)))]
        self._hours_named, self._used, self._boxes = hours, used, self._some(used)
        # Whoever leads on leads to what stands behind it, so that no call goes in a circle.
        self._targets: list[tuple[str, Destination]] = [
            *((one, extension(one)) for one in used),
            *((name, make(name)) for kind, make in KINDS.items() for name in names[kind]),
            *((one, voicemail(one)) for one in self._boxes),
            *(("", hang_up(why)) for why in ("USER_BUSY", "CALL_REJECTED", "UNALLOCATED_NUMBER")),
        ]
        outbound = [self._route(route) for route in routes]
        limits = OutboundLimits(
            countries=self._some(("+49", "+1", "+43", "+86"), 1),
            denied=pick.choice((None, None, ["+4930999", "+4970"])),
            calls=1000,
            calls_per_hour=100_000,
        )
        self._may = {one: {route["name"] for route in self._some(routes)} for one in used}
        self._callable = [
            (number, one)
            for number in OUTSIDE
            for one in used
            if _may_call(number, [way for way in outbound if way.name in self._may[one]], limits)
        ]
        features: dict[str, Any] = {}
        for on in ("forward", "do_not_disturb"):
            if self._often(0.6):
                features |= {on: next(codes), f"{on}_off": next(codes)}
        if self._often(0.5):
            features["intercom"] = next(codes)
        queues = [
            Queue(name, number=number(), otherwise=self._otherwise(name)) for name in names["queue"]
        ]
        script_file = self.folder / "absent.lua"
        return Site(
            domain=DOMAIN,
            # The clock of the switch that they are tried on.
            timezone="UTC",
            secret_file=self.folder / "secrets.json",
            # The test tells FreeSWITCH one Site after the other, and Kamailio none.
            network=Network(edge=False, sip_from=["10.0.0.0/8"]),
            firewall=Firewall(ssh_from="anywhere"),
            extensions=[self._extension(one) for one in used],
            features=FeatureCodes(**features),
            hours=[self._hours(name, next(codes)) for name in hours],
            ring_groups=[
                RingGroup(
                    name,
                    **self._members(),
                    strategy=pick.choice(("together", "in-turn")),
                    number=number(),
                    otherwise=self._otherwise(name),
                )
                for name in names["ring-group"]
            ],
            ivrs=[
                Ivr(
                    name,
                    say("Press."),
                    options={key: self._destination() for key in self._some("1234*", 1)},
                    number=number(),
                    otherwise=self._otherwise(name),
                )
                for name in names["ivr"]
            ],
            queues=queues,
            agents=[Agent(used[0], skills={one.name: 1 for one in queues})] if queues else [],
            conferences=[Conference(name, number=number()) for name in names["conference"]],
            faxes=[Fax(name, number=number()) for name in names["fax"]],
            notices=[
                Notice(name, say("Closed."), number=number(), otherwise=self._otherwise(name))
                for name in names["notice"]
            ],
            applications=[
                Application(name, 8090 + n, number=number(), otherwise=self._otherwise(name))
                for n, name in enumerate(names["application"])
            ],
            http_applications=[
                HttpApplication(
                    name, "http://127.0.0.1:9/", number=number(), otherwise=self._otherwise(name)
                )
                for name in names["http-application"]
            ],
            scripts=[
                LuaScript(name, script_file, number=number(), otherwise=self._otherwise(name))
                for name in names["script"]
            ],
            paging_groups=[
                PagingGroup(
                    name,
                    self._some(used, 2),
                    number=next(free),
                    from_extensions=self._some(used, 1) if self._often(0.5) else None,
                )
                for name in ("page0", "page1")[: pick.randint(0, 2)]
            ],
            parking=Parking("5901", "5903", number=number()) if self._often(0.3) else None,
            speed_dials={next(codes): self._speed_dial() for _ in range(pick.randint(0, 2))},
            trunks=[self._trunk(name, at) for name, at in zip(TRUNKS, self.addresses, strict=True)],
            inbound=self._inbound(),
            outbound=outbound,
            outbound_limits=limits,
            emergency=[
                Emergency(
                    one,
                    trunks=self._some(TRUNKS, 1),
                    sent=pick.choice((None, None, "+49112")),
                    notify=self._some(used) if self._often(0.3) else (),
                )
                for one in self._some(("112", "911", "999"))
            ],
            callers=self._callers() if self._often(0.6) else None,
        )

    def _extension(self, number: str) -> Extension:
        return Extension(
            number,
            ring_seconds=5,
            voicemail=number in self._boxes,
            no_answer=self._destination(number) if self._often(0.4) else None,
            busy=self._destination(number) if self._often(0.1) else None,
            not_registered=self._destination(number) if self._often(0.2) else None,
            routes=sorted(self._may[number]),
            caller_id=self.pick.choice((None, None, "+4930123410", "+12125550110")),
        )

    def _destination(self, after: str | None = None, depth: int = 0) -> Destination:
        """Somewhere behind a service or an extension, or anywhere."""
        pick = self.pick
        names = [name for name, _ in self._targets]
        ways = [to for _, to in self._targets[names.index(after) + 1 if after else 0 :]]
        if self._callable and self._often(0.2):
            return self._outside()
        if self._hours_named and depth < 2 and self._often(0.4):
            name = pick.choice(self._hours_named)
            one, other = (self._destination(after, depth + 1) for _ in range(2))
            return open_during(name, one, otherwise=other)
        to = pick.choice(ways)
        return replace(to, priority=60) if isinstance(to, ToQueue) and self._often(0.3) else to

    def _otherwise(self, name: str) -> Destination | None:
        return self._destination(name) if self._often(0.5) else None

    def _members(self) -> dict[str, Any]:
        """Extensions, a number outside, or both."""
        with_outside = bool(self._callable) and self._often(0.4)
        alone = with_outside and self._often(0.3)
        return {
            "members": [] if alone else self._some(self._used, 1),
            "outside": [self._outside()] if with_outside else [],
        }

    def _outside(self) -> ToOutside:
        number, by = self.pick.choice(self._callable)
        return outside(number, by=by)

    def _speed_dial(self) -> str:
        numbers = [number for number, _ in self._callable]
        return str(self.pick.choice((*self._used, *numbers)))

    def _hours(self, name: str, night: str) -> Hours:
        """Open or closed at this moment, by the week, a holiday, or an exception; nothing changes
        within a quarter of an hour."""
        pick = self.pick
        zone = pick.choice((None, *ZONES))
        weekly = ["Mon-Sun 00:00-24:00"] if self._often(0.5) else []
        today = datetime.now(ZoneInfo(zone or "UTC"))
        if not weekly:
            days = pick.sample(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), 4)
            weekly = [f"{','.join(days)} {pick.choice(SPANS)}"]
        dates = [(today + timedelta(days=n)).strftime("%m-%d") for n in (-1, 0, 1)]
        dates += [(today + timedelta(days=n)).strftime("%Y-%m-%d") for n in (-1, 0, 1)]
        chosen = self._some(dates)[:2] if self._often(0.5) else []
        holidays = [one for one in chosen if self._often(0.5)]
        exceptions = {
            one: pick.choice(("closed", "00:00-24:00")) for one in chosen if one not in holidays
        }
        return Hours(
            name,
            weekly,
            holidays=holidays,
            exceptions=exceptions,
            timezone=zone,
            night=night if self._often(0.5) else None,
        )

    def _route(self, given: dict[str, Any]) -> Route:
        trunks = self._some(TRUNKS, 1)
        weights = [self.pick.randint(0, 3) for _ in trunks]
        spread = weights if any(weights) and self._often(0.3) else None
        return Route(trunks=trunks, weights=spread, **given)

    def _trunk(self, name: str, address: str) -> Trunk:
        pick = self.pick
        national = pick.choice((None, "+49", "+1", "+86"))
        forms: list[NumberFormat] = ["+", "00", "digits"]
        if national:
            forms.append("national")
        rules = self._often(0.3)
        return Trunk(
            name,
            host=address,
            ping_seconds=None,
            caller_id=f"+493012349{TRUNKS.index(name)}0",
            national=national,
            number_format=pick.choice(forms),
            caller_id_format=pick.choice(forms),
            number_prefix=pick.choice(("", "", "9", "12*")),
            caller_id_in=pick.choice(("from", "p-asserted-identity")),
            called_out=[Rewrite(r"^\+4930(\d{6})$", "5*$1")] if rules else [],
            caller_out=[Rewrite(r"^\+1(\d{10})$", "$1")] if rules else [],
            called_in=[Rewrite(r"^5(\d{2})$", "+49301234$1")] if rules else [],
            caller_in=[Rewrite(r"^0(170\d{6})$", "+49$1")] if rules else [],
        )

    def _inbound(self) -> list[Did]:
        out = []
        for number in self._some(CALLED, 1):
            last = f"+{int(number) + 20}" if self._often(0.3) else None
            trunk = self.pick.choice((None, None, *TRUNKS))
            out.append(Did(number, last=last, to=self._destination(), trunk=trunk))
        return out

    def _callers(self) -> Callers:
        pick = self.pick
        national = pick.choice((None, "+49", "+1", "+86"))
        form = pick.choice(("+", "00", "digits", *(("national",) if national else ())))
        rules = [
            CallerRule("vip", groups=["vip"], shown_as="VIP"),
            CallerRule("pests", prefixes=["+49900"], to=hang_up("CALL_REJECTED")),
            CallerRule("nobody", anonymous=True, to=self._destination()),
            CallerRule("numbers", numbers=["+12125550123"], to=self._destination(), shown_as="NY"),
            CallerRule("new", unlisted=True, shown_as="New customer"),
        ]
        return Callers(
            national=national,
            number_format=form,
            number_prefix="" if form == "+" else pick.choice(("", "0", "*9")),
            address_book=self.folder / "book.csv",
            rules=self._some(rules),
        )

    def dialled(self, count: int) -> list[Dialled]:
        """Calls of one Site, from inside and by trunks."""
        pick, site = self.pick, self.site
        callers = [one.number for one in site.extensions]
        inside = [*callers, *(number for _, number in dialled_numbers(site))]
        with_number = [
            code + pick.choice((*inside, *OUTSIDE))
            for name, code in site.features.items()
            if name in ("forward", "intercom")
            for _ in range(6)
        ]
        numbers = [*inside, *with_number, *with_number, *OUTSIDE, "1999", "5900", "a", "*7", "+0"]
        did = [one.number for one in site.inbound]
        out = []
        for _ in range(count):
            if self._often(0.65):
                out.append(Dialled(self._spelled(pick.choice(numbers)), pick.choice(callers)))
                continue
            number = pick.choice((*did, *did, *CALLED, *callers, "112", "501", "+493012349900"))
            out.append(Dialled(self._sent(number), pick.choice(CALLERS), trunk=pick.choice(TRUNKS)))
        return out

    def _spelled(self, number: str) -> str:
        """Return a number as people write it."""
        pick = self.pick
        match pick.randint(0, 7):
            case 0:
                return number + "#"
            case 1 if len(number) > 3:
                return f"({number[:2]}) {number[2:]}"
            case 2 if len(number) > 3:
                return f"{number[:1]}-{number[1:3]}.{number[3:]}"
            case _:
                return number

    def _sent(self, number: str) -> str:
        """Return a number as carriers write it."""
        pick = self.pick
        digits = number.removeprefix("+")
        if pick.randint(0, 5) == 0:
            digits = str(int(digits) + pick.randint(1, 30))
            number = f"+{digits}" if number.startswith("+") else digits
        match pick.randint(0, 6):
            case 0:
                return digits
            case 1:
                return f"00{digits}"
            case 2:
                return "0" + digits[2:]
            case 3:
                return digits[1:]
            case 4:
                return f"{number};npdi;rn=+49199"
            case _:
                return number
