"""Secrets that a Site names: each once, strong, and such as its reader takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import TYPE_CHECKING

from callcenter.site._model import Problem, composite
from callcenter.site.authorities import HOST, ROOT, OwnAuthority
from callcenter.site.provisioning import secret_of
from callcenter.site.secrets import Secret, pin_weakness, weakness
from callcenter.site.web_phone import MESSAGES

if TYPE_CHECKING:
    from callcenter.site.site import Site

__all__ = ["check_secrets", "secrets_of", "ungiven"]


def secrets_of(site: Site) -> list[tuple[str, Secret]]:
    """List every secret of the site with the path of its field."""
    out = list(_secrets_in(site, ""))
    if site.provisioning is not None:
        out += [("provisioning", secret_of(one.number)) for one in site.extensions]
    if site.shows_messages:
        out.append(("web_phone", MESSAGES))
    tls = site.network.tls
    if tls is not None and isinstance(tls.certificate, OwnAuthority):
        out += [("network.tls.certificate", one) for one in (ROOT, HOST)]
    return out


def check_secrets(site: Site) -> None:
    """Refuse a secret that is weak, that two fields share, or that its reader cannot take."""
    owners: dict[object, str] = {}
    numbers = {
        f"extensions[{index}].{field}": extension.number
        for index, extension in enumerate(site.extensions)
        for field in ("password", "voicemail.pin")
    }
    numbers |= {
        f"conferences[{index}].{field}": room.number
        for index, room in enumerate(site.conferences)
        for field in ("pin", "moderator_pin")
        if room.number is not None
    }
    for path, wanted in secrets_of(site):
        if wanted.kind in ("key", "certificate"):
            # Several trunks may have one certificate; see _check_certificates.
            continue
        value = site.vault.known(wanted)
        is_pin = wanted.kind == "pin"
        # One that is still to be made is known by its name. PINs are short enough for two
        # people to have the same by chance.
        is_given = wanted.kind == "given"
        same: object = wanted if value is None or is_pin or is_given else value
        if is_pin and wanted.literal is not None:
            same = path
        if same in owners:
            raise Problem(path, f"the secret is also that of {owners[same]}; give each its own")
        owners[same] = path
        if value is None:
            continue
        if path.startswith("packages.") and " " in value:
            raise Problem(path, "the secret holds a space, which apt's login file cannot")
        if is_given:
            # Of whatever strength: nobody here can change it.
            if not value or not value.isprintable():
                raise Problem(path, "the secret is empty or holds a control character")
            continue
        related = [numbers[path]] if path in numbers else []
        if is_pin:
            if (wrong := pin_weakness(value, related=related)) is not None:
                raise Problem(
                    path,
                    f"the PIN {wrong}; leave the field out, and a random one is made, or use "
                    "6 digits or more that nobody can guess",
                )
            continue
        if (wrong := weakness(value, related=related)) is not None:
            raise Problem(
                path,
                f"the secret {wrong}; leave the field out, and a strong one is made, or use "
                "12 characters or more that nobody can guess",
            )
    logins = [
        *_secrets_in(site.event_socket, "event_socket"),
        ("guessers.password", site.guessers.password),
        *([("web_phone", MESSAGES)] if site.shows_messages else ()),
    ]
    readers = [(*login, "fs_cli's configuration") for login in logins]
    readers += [
        (f"extensions[{index}].password", one.password, "a Yealink's settings")
        for index, one in enumerate(site.extensions)
        if any(phone.make == "yealink" for phone in one.phones)
    ]
    for path, wanted, reader in readers:
        value = site.vault.known(wanted)
        if value is not None and not all(sign.isalnum() or sign in "._~-" for sign in value):
            raise Problem(
                path,
                f"the secret holds signs that {reader} cannot; use letters, digits and . _ ~ -",
            )


def ungiven(site: Site) -> list[str]:
    """List the secrets, a line each, that others give and nobody has set."""
    return site.placed(
        f"Site.{path}: {site.vault.lacking(wanted)}"
        for path, wanted in secrets_of(site)
        if wanted.kind == "given" and site.vault.known(wanted) is None
    )


def _secrets_in(value: object, path: str) -> Iterator[tuple[str, Secret]]:
    if isinstance(value, Secret):
        yield path, value
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _secrets_in(item, f"{path}[{index}]")
    elif is_dataclass(value):
        for name, item in composite(value):
            yield from _secrets_in(item, f"{path}.{name}" if path else name)
