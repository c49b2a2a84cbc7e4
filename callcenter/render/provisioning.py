"""Provisioning: what hands out links' answers, and what each phone is given."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping

from callcenter.onhost import phones
from callcenter.render import desk_phones, paths, users
from callcenter.render._files import File
from callcenter.render._templates import plain, xml
from callcenter.render.desk_phones import EXPIRES
from callcenter.render.services import a1_hash
from callcenter.site import DeskPhone, Extension, Site
from callcenter.site.provisioning import path_of, secret_of

__all__ = ["files", "link"]

CODECS = {
    "OPUS": ("opus", 48000, 2),
    "G722": ("G722", 8000, 1),
    "PCMU": ("PCMU", 8000, 1),
    "PCMA": ("PCMA", 8000, 1),
    "G729": ("G729", 8000, 1),
}
"""Codecs by their names in SDP (RFC 3551, RFC 7587), with clock rate and channels."""


def link(site: Site, extension: Extension, phone: DeskPhone | None = None) -> str:
    """Return the address at which an extension's Linphone configures itself, or one of its desk
    phones."""
    base = _link(site, extension, phone)
    return base if phone is None else desk_phones.address(base, phone)


def _link(site: Site, extension: Extension, phone: DeskPhone | None) -> str:
    assert site.provisioning is not None
    port = site.provisioning.port
    at = site.domain if port == 443 else f"{site.domain}:{port}"
    return f"https://{at}/{_path(site, extension, phone)}"


def _path(site: Site, extension: Extension, phone: DeskPhone | None = None) -> str:
    secret = site.reveal(secret_of(extension.number))
    # A desk phone shows its link to whoever has its pages: it opens no more than that phone's file.
    return path_of(site.domain, extension.number, secret, phone.mac if phone else "")


def _digest(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()


def files(site: Site) -> Iterator[File]:
    """Yield all that hands out links' answers, or nothing where the Site has none."""
    if site.provisioning is None:
        return
    digests = {_digest(_path(site, one)): one.number for one in site.extensions}
    shown: dict[str, str] = {}
    for own, phone in ((one, phone) for one in site.extensions for phone in one.phones):
        path, base = _path(site, own, phone), _link(site, own, phone)
        for file in desk_phones.served(site, own, phone, a1_hash(site, own), base):
            digest, name = _digest(f"{path}/{file.name}"), f"{own.number}.{phone.mac}"
            if file.is_secret:
                digests[digest] = name
            else:
                shown[digest] = name = f"{name}.{file.name}"
            yield File(f"{paths.PHONES}/{name}.phone", file.content, 0o640, users.PHONES)
    index = {
        "folder": paths.PHONES,
        "socket": paths.PHONES_SOCKET,
        "state": paths.PHONES_STATE,
        "links": digests,
        **({"shown": shown} if shown else {}),
    }
    yield File(paths.PHONES_INDEX, (json.dumps(index, indent=1) + "\n").encode(), 0o644)
    text = f"#!/usr/bin/python3 -I\n{inspect.getsource(phones)}"
    yield File(paths.PHONES_TOOL, text.encode(), 0o755)
    yield File(
        paths.PHONES_UNIT,
        plain(
            "provisioning/phones.service.j2",
            paths=paths,
            users=users,
            runtime=paths.PHONES_SOCKET.split("/")[2],
            state=paths.PHONES_STATE.removeprefix("/var/lib/"),
        ),
    )
    for one in site.extensions:
        given = xml("provisioning/linphone.xml.j2", sections=_linphone(site, one))
        yield File(f"{paths.PHONES}/{one.number}.phone", given, 0o640, users.PHONES)


def _linphone(site: Site, extension: Extension) -> Mapping[str, Mapping[str, object]]:
    """Return Linphone's settings, by section and name of its own (Liblinphone's documentation,
    "Provisioning configuration keys")."""
    assert site.network.tls is not None
    address = f"sip:{extension.number}@{site.domain}"
    shown = extension.name or extension.number
    proxy = f"<sip:{site.domain}:{site.network.tls.port};transport=tls>"
    srtp = site.network.srtp
    sections: dict[str, Mapping[str, object]] = {
        "sip": {
            "default_proxy": 0,
            "media_encryption": "none" if srtp == "off" else "srtp",
            "media_encryption_mandatory": int(srtp == "required"),
            "verify_server_certs": 1,
            "verify_server_cn": 1,
        },
        "proxy_0": {
            "reg_identity": f'"{shown}" <{address}>',
            "reg_proxy": proxy,
            "reg_route": proxy,
            "reg_expires": EXPIRES,
            "reg_sendregister": 1,
            "publish": 0,
            "realm": site.domain,
        },
        # The password itself stays here.
        "auth_info_0": {
            "username": extension.number,
            "domain": site.domain,
            "realm": site.domain,
            "algorithm": "MD5",
            "ha1": a1_hash(site, extension),
        },
    }
    known = [CODECS[codec] for codec in site.media.codecs if codec in CODECS]
    for index, (name, rate, channels) in enumerate(known):
        sections[f"audio_codec_{index}"] = {
            "mime": name,
            "rate": rate,
            "channels": channels,
            "enabled": 1,
        }
    return sections
