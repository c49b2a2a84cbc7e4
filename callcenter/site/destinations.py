"""Where a call goes: an extension, a queue, an IVR …, always by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, fields, is_dataclass, replace
from typing import Annotated, Any, ClassVar, get_args

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from callcenter.site._model import composite, model
from callcenter.site._types import Name, Number, dialled, grammar

__all__ = [
    "KEYS",
    "SERVICES",
    "Destination",
    "DialledOutside",
    "OpenDuring",
    "ToApplication",
    "ToConference",
    "ToExtension",
    "ToFax",
    "ToHangUp",
    "ToHttpApplication",
    "ToIvr",
    "ToNotice",
    "ToOutside",
    "ToQueue",
    "ToRingGroup",
    "ToScript",
    "ToVoicemail",
    "application",
    "conference",
    "destinations_in",
    "extension",
    "fax",
    "hang_up",
    "http_application",
    "ivr",
    "notice",
    "open_during",
    "outside",
    "owned",
    "queue",
    "ring_group",
    "script",
    "target_of",
    "voicemail",
    "word_of",
]


@model
class ToExtension:
    """Rings an extension's phones."""

    names: ClassVar = "extensions"
    extension: Number
    """Number of one of the Site's extensions."""


@model
class ToIvr:
    """Plays an IVR menu."""

    names: ClassVar = "ivrs"
    ivr: Name
    """Name of one of the Site's IVR menus."""


@model
class ToQueue:
    """Waits in a queue."""

    names: ClassVar = "queues"
    queue: Name
    """Name of one of the Site's queues."""
    _: KW_ONLY
    priority: Annotated[int, Field(strict=True, ge=0, le=86_400)] = 0
    """Seconds that callers who come this way count as having waited already."""


@model
class ToRingGroup:
    """Rings the members of a ring group."""

    names: ClassVar = "ring_groups"
    ring_group: Name
    """Name of one of the Site's ring groups."""


@model
class ToVoicemail:
    """Takes a message for an extension."""

    names: ClassVar = "mailboxes"
    voicemail: Number
    """Number of an extension that has a mailbox."""


@model
class ToNotice:
    """Plays a notice."""

    names: ClassVar = "notices"
    notice: Name
    """Name of one of the Site's notices."""


@model
class ToConference:
    """Talks in a conference."""

    names: ClassVar = "conferences"
    conference: Name
    """Name of one of the Site's conferences."""


@model
class ToFax:
    """Receives a fax."""

    names: ClassVar = "faxes"
    fax: Name
    """Name of one of the Site's faxes."""


@model
class ToApplication:
    """Hands the call to an application."""

    names: ClassVar = "applications"
    application: Name
    """Name of one of the Site's applications."""


@model
class ToHttpApplication:
    """Does what an HTTP application answers."""

    names: ClassVar = "http_applications"
    http_application: Name
    """Name of one of the Site's HTTP applications."""


@model
class ToScript:
    """Runs a script with the call."""

    names: ClassVar = "scripts"
    script: Name
    """Name of one of the Site's scripts."""


_DIALLED_OUTSIDE = r"\+?[0-9]{3,20}"


def _dialled_outside(text: str) -> str:
    if not re.fullmatch(_DIALLED_OUTSIDE, text):
        raise ValueError(
            "is no number that leads outside; use digits as an extension dials them, such as "
            "'0170123456'"
        )
    return text


DialledOutside = Annotated[
    str,
    BeforeValidator(dialled),
    AfterValidator(_dialled_outside),
    grammar(_DIALLED_OUTSIDE, number=True),
]
"""Number outside, as an extension dials it."""


@model
class ToOutside:
    """Calls a number outside, as one of the Site's extensions would."""

    outside: DialledOutside
    """Number outside, as the extension dials it. Its routes, limits and caller ID hold, and its
    account pays. Emergency numbers and the Site's own are refused."""
    _: KW_ONLY
    by: Number | None = None
    """Extension in whose name it is called. Default: the one whose field it is; elsewhere it must
    be named."""


CAUSES = ("NORMAL_CLEARING", "USER_BUSY", "NO_ANSWER", "CALL_REJECTED", "UNALLOCATED_NUMBER")


@model
class ToHangUp:
    """Ends the call."""

    hang_up: Annotated[
        str, AfterValidator(lambda cause: _cause(cause)), grammar("|".join(CAUSES))
    ] = "NORMAL_CLEARING"
    """Cause that the caller is told, by FreeSWITCH's name."""


@model
class OpenDuring:
    """One destination while opening hours are open, another while they are closed."""

    names: ClassVar = "hours"
    hours: Name
    """Name of one of the Site's opening hours."""
    _: KW_ONLY
    open: Destination
    """Destination of calls while the hours are open."""
    closed: Destination
    """Destination of calls outside the hours, on holidays, and while the night switch is on."""


def _cause(cause: str) -> str:
    if cause not in CAUSES:
        raise ValueError(f"is no cause; use one of {', '.join(CAUSES)}")
    return cause


def _kind(given: Any) -> str | None:
    """Return the model that a destination is of, by its type, or in YAML by the key that it has."""
    if isinstance(given, Mapping):
        return next((name for name, key in KEYS.items() if key in given), None)
    return type(given).__name__ if type(given).__name__ in KEYS else None


Destination = Annotated[
    Annotated[ToExtension, Tag("ToExtension")]
    | Annotated[ToIvr, Tag("ToIvr")]
    | Annotated[ToQueue, Tag("ToQueue")]
    | Annotated[ToRingGroup, Tag("ToRingGroup")]
    | Annotated[ToVoicemail, Tag("ToVoicemail")]
    | Annotated[ToNotice, Tag("ToNotice")]
    | Annotated[ToConference, Tag("ToConference")]
    | Annotated[ToFax, Tag("ToFax")]
    | Annotated[ToApplication, Tag("ToApplication")]
    | Annotated[ToHttpApplication, Tag("ToHttpApplication")]
    | Annotated[ToScript, Tag("ToScript")]
    | Annotated[ToOutside, Tag("ToOutside")]
    | Annotated[ToHangUp, Tag("ToHangUp")]
    | Annotated[OpenDuring, Tag("OpenDuring")],
    Discriminator(
        _kind,
        custom_error_type="destination",
        custom_error_message="is no destination; use one such as extension(1000) or ivr('main'), "
        "in YAML {extension: 1000}",
    ),
]
"""Way of a call. In YAML one key: ``{ivr: main}``, ``{hours: office, open: …, closed: …}``."""

_MODELS: tuple[Any, ...] = tuple(get_args(arm)[0] for arm in get_args(get_args(Destination)[0]))

KEYS: dict[str, str] = {one.__name__: fields(one)[0].name for one in _MODELS}
"""Field by which each model is known."""

SERVICES: Mapping[str, type[Any]] = {
    one.names: one
    for one in sorted((m for m in _MODELS if hasattr(m, "names")), key=lambda m: str(m.names))
    if one.names not in ("extensions", "mailboxes", "hours")
}
"""Fields of the Site whose members are services, and the destination that names one of each."""


def word_of(kind: str) -> str:
    """Return the word for a service of one of these fields, such as ``ring-group``."""
    return KEYS[SERVICES[kind].__name__].replace("_", "-")


def extension(number: str | int) -> ToExtension:
    """Ring an extension: ``extension(1000)``."""
    return ToExtension(number)  # type: ignore[arg-type]


def ivr(name: str) -> ToIvr:
    """Play an IVR menu: ``ivr("main")``."""
    return ToIvr(name)


def queue(name: str, *, priority: int = 0) -> ToQueue:
    """Wait in a queue: ``queue("sales")``."""
    return ToQueue(name, priority=priority)


def ring_group(name: str) -> ToRingGroup:
    """Ring a group: ``ring_group("sales")``."""
    return ToRingGroup(name)


def voicemail(number: str | int) -> ToVoicemail:
    """Take a message for an extension: ``voicemail(2000)``."""
    return ToVoicemail(number)  # type: ignore[arg-type]


def notice(name: str) -> ToNotice:
    """Play a notice: ``notice("closed")``."""
    return ToNotice(name)


def conference(name: str) -> ToConference:
    """Talk in a conference: ``conference("weekly")``."""
    return ToConference(name)


def fax(name: str) -> ToFax:
    """Receive a fax: ``fax("office")``."""
    return ToFax(name)


def application(name: str) -> ToApplication:
    """Hand the call to an application: ``application("survey")``."""
    return ToApplication(name)


def http_application(name: str) -> ToHttpApplication:
    """Do what an HTTP application answers: ``http_application("survey")``."""
    return ToHttpApplication(name)


def script(name: str) -> ToScript:
    """Run a script with the call: ``script("greeting")``."""
    return ToScript(name)


def outside(number: str | int, *, by: str | int | None = None) -> ToOutside:
    """Call a number outside: ``outside("0170123456", by=1000)``."""
    return ToOutside(number, by=by)  # type: ignore[arg-type]


def hang_up(cause: str = "NORMAL_CLEARING") -> ToHangUp:
    """End the call."""
    return ToHangUp(cause)


def open_during(hours: str, open: Destination, *, otherwise: Destination) -> OpenDuring:
    """Go one way while the hours are open, another while they are closed."""
    return OpenDuring(hours, open=open, closed=otherwise)


def destinations_in(value: object, path: str = "") -> Iterator[tuple[str, Destination]]:
    """Yield every destination below a model with the path of its field, outermost first."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from destinations_in(item, f"{path}[{key!r}]")
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from destinations_in(item, f"{path}[{index}]")
    elif is_dataclass(value):
        if type(value).__name__ in KEYS:
            yield path, value  # type: ignore[misc]
        for name, item in composite(value):
            yield from destinations_in(item, f"{path}.{name}" if path else name)


def owned(destination: Destination, by: str) -> Destination:
    """Return the destination with its numbers outside in the name of an extension, where they name
    none."""
    if isinstance(destination, ToOutside) and destination.by is None:
        return replace(destination, by=by)
    if isinstance(destination, OpenDuring):
        return replace(
            destination, open=owned(destination.open, by), closed=owned(destination.closed, by)
        )
    return destination


def target_of(destination: Destination) -> tuple[str, str]:
    """Return the field by which a destination is known, and its value."""
    field = KEYS[type(destination).__name__]
    return field, str(getattr(destination, field))
