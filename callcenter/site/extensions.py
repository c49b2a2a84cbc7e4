"""Extensions: who can be called, and with which phone password."""

from __future__ import annotations

from dataclasses import KW_ONLY, replace
from typing import TYPE_CHECKING, Annotated, TypedDict

from pydantic import Field, field_validator

from callcenter.site._model import SiteError, model
from callcenter.site._types import DisplayName, Many, Name, Number
from callcenter.site.destinations import Destination, ToVoicemail, owned
from callcenter.site.provisioning import DeskPhone
from callcenter.site.secrets import Secret, secret
from callcenter.site.trunks import E164
from callcenter.site.voicemail import Mailbox

if TYPE_CHECKING:
    from typing import Unpack

__all__ = ["UNANSWERED", "Extension"]

MAXIMUM_RANGE = 20_000

OWN = ("name", "password", "caller_id", "phones")
"""Fields that no two extensions have in common."""


UNANSWERED = ("no_answer", "busy", "not_registered")
"""Fields that say where callers go who are not answered."""


class Alike(TypedDict, total=False):
    """What the extensions of a range may have in common."""

    ring_seconds: int
    no_answer: Destination | None
    busy: Destination | None
    not_registered: Destination | None
    voicemail: bool
    record: bool
    pickup_groups: Many[str]
    routes: Many[str]
    emergency_caller_id: str | None
    account: str | None


@model
class Extension:
    """One SIP account that phones register with, and the number that calls it."""

    number: Number
    """Number that is dialled, and the phone's user name: digits only. In YAML also a range, such as
    ``1000-1019``: the other fields hold for each, and name, password, caller_id and phones, which
    are one extension's, are left out."""
    _: KW_ONLY
    name: DisplayName = ""
    """Name that is shown to whom it calls. Default: the number itself."""
    password: Secret = Secret("extension/default")
    """Password of the phone. Default: a secret of its own, ``extension/<number>``. The switch
    stores it as a1-hash only. At least 12 characters, and no two extensions share one."""
    ring_seconds: Annotated[int, Field(strict=True, ge=5, le=300)] = 30
    """Seconds that a call rings before the caller hears that nobody answers, 5 to 300."""

    no_answer: Destination | None = None
    """Destination of callers when nobody answers, it is busy, or it has no phone. Default: its
    mailbox where it has one; else they are told, and the call ends."""
    busy: Destination | None = None
    """Destination of callers whom its phone tells that it is busy, or that it declines the call.
    Default: as no_answer."""
    not_registered: Destination | None = None
    """Destination of callers while it has no phone, and while it asks not to be disturbed. With
    ``network.edge`` also of those whose call its phones do not answer at all, or as temporarily
    unavailable (480). Default: as no_answer."""
    voicemail: Mailbox | Annotated[bool, Field(strict=True)] = False
    """Mailbox of the extension: true, false, or a Mailbox that says more about it."""

    record: Annotated[bool, Field(strict=True)] = False
    """Recording of its calls: those that ring it, those that it makes to extensions and ring
    groups, and those of ring groups that it is a member of. A queue says so for itself. See
    Site.recording."""
    pickup_groups: Many[Name] = ()
    """Groups whose extensions answer each other's ringing calls by features.pickup."""
    routes: Many[Name] = ()
    """Names of the Site's outbound routes that it may use. Default: it calls nobody outside, but
    emergency numbers."""
    caller_id: E164 | None = None
    """Number that it shows outside. Default: that of the trunk."""
    emergency_caller_id: E164 | None = None
    """Number that it shows to emergency numbers, by which help is sent to the place of its phone
    and calls back. Default: caller_id, else that of the trunk."""
    account: Name | None = None
    """Prepaid account that pays for its calls by routes; several extensions may share one. See
    Site.billing. Default: its calls are not billed."""
    phones: Many[DeskPhone] = ()
    """Desk phones that configure themselves as this extension; see Site.provisioning."""

    @field_validator("number")
    @classmethod
    def _digits(cls, number: str) -> str:
        if not number.isdigit():
            raise ValueError("must be digits only; * and # belong to feature codes")
        return number

    if TYPE_CHECKING:
        # The same as below, but numbers may be written as numbers.
        def __init__(
            self,
            number: str | int,
            *,
            name: str = "",
            password: Secret = ...,
            ring_seconds: int = 30,
            no_answer: Destination | None = None,
            busy: Destination | None = None,
            not_registered: Destination | None = None,
            voicemail: Mailbox | bool = False,
            record: bool = False,
            pickup_groups: Many[str] = (),
            routes: Many[str] = (),
            caller_id: str | None = None,
            emergency_caller_id: str | None = None,
            account: str | None = None,
            phones: Many[DeskPhone] = (),
        ) -> None: ...

    def __post_init__(self) -> None:
        if self.password == Secret("extension/default"):
            object.__setattr__(self, "password", secret(f"extension/{self.number}"))
        mailbox = Mailbox() if self.voicemail is True else self.voicemail
        if isinstance(mailbox, Mailbox) and mailbox.pin == Secret("voicemail/default"):
            mailbox = replace(mailbox, pin=Secret(f"voicemail/{self.number}"))
        object.__setattr__(self, "voicemail", mailbox)
        for field in UNANSWERED:
            if (to := getattr(self, field)) is not None:
                object.__setattr__(self, field, owned(to, self.number))

    @property
    def mailbox(self) -> Mailbox | None:
        """Mailbox of the extension, where it has one."""
        return self.voicemail if isinstance(self.voicemail, Mailbox) else None

    @property
    def called_back_at(self) -> str | None:
        """Number of the extension's own for emergency calls, if any."""
        return self.emergency_caller_id or self.caller_id

    @property
    def unanswered(self) -> Destination | None:
        """Destination of its callers when nobody answers, if any."""
        if self.no_answer is None and self.mailbox is not None:
            return ToVoicemail(self.number)
        return self.no_answer

    @property
    def leads_on(self) -> bool:
        """Tell whether a call that it does not answer goes anywhere."""
        return any(one is not None for one in (self.unanswered, self.busy, self.not_registered))

    @classmethod
    def range(cls, first: int, last: int, **alike: Unpack[Alike]) -> list[Extension]:
        """Return extensions ``first`` to ``last``, both included, each with a password of its own,
        and what else is given for all of them."""
        if last < first:
            raise SiteError([f"Extension.range: {first} is above {last}; put the lower one first"])
        if last - first >= MAXIMUM_RANGE:
            raise SiteError([f"Extension.range: holds more than {MAXIMUM_RANGE} numbers"])
        own = [field for field in OWN if field in alike]
        if not isinstance(alike.get("voicemail", False), bool):
            own.append("voicemail")
        if own:
            words = "is one extension's; write that one by itself"
            raise SiteError(f"Extension.range.{field}: {words}" for field in own)
        return [cls(str(number), **alike) for number in range(first, last + 1)]
