"""Certificate that a Site's hosts show to phones, and those that trunks have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from callcenter.site._model import Problem
from callcenter.site.authorities import ACME_PORT, OwnAuthority, ending, issued, root
from callcenter.site.certificates import check_authority, check_certificates, check_served, fits
from callcenter.site.secrets import Secret

if TYPE_CHECKING:
    from callcenter.site.site import Site

__all__ = ["certificate_of", "check_tls", "ending_soon", "phones_authority"]

RENEWED_BEFORE = timedelta(days=21)
"""Time before its end at which a certificate is told of. certbot renews 30 days before."""


def check_tls(site: Site) -> None:
    """Refuse a certificate that is not whole, not for its name, or without its key."""
    for index, trunk in enumerate(site.trunks):
        if trunk.certificate is None or trunk.key is None:
            continue
        path = f"trunks[{index}].key"
        if (key := site.vault.known(trunk.key)) is None:
            raise Problem(path, site.vault.lacking(trunk.key))
        own = check_certificates(f"trunks[{index}].certificate", trunk.certificate)[0]
        if (wrong := fits(key, own)) is not None:
            raise Problem(path, wrong)
    given = None if site.network.tls is None else site.network.tls.certificate
    field = "network.tls.certificate"
    if (file_and_key := _file(site)) is not None:
        shown, wanted = file_and_key
        if (key := site.vault.known(wanted)) is None:
            raise Problem("network.tls.key", site.vault.lacking(wanted))
        if (wrong := fits(key, check_served(field, shown, site.domain))) is not None:
            raise Problem("network.tls.key", wrong)
    if site.acme is not None and (wrong := site.acme.refuses(site.domain)) is not None:
        raise Problem(field, wrong)
    if site.provisioning is not None and (file := site.provisioning.authority) is not None:
        if isinstance(given, OwnAuthority):
            raise Problem(
                "provisioning.authority",
                f"is given to phones already where {field} is OwnAuthority(); leave it out",
            )
        check_authority("provisioning.authority", file, given if isinstance(given, Path) else None)


def certificate_of(site: Site) -> tuple[bytes, bytes] | None:
    """Return what deploys put on the hosts for phones by TLS, as PEM: the certificate with
    those that follow it, and its key. Return None where hosts get it by ACME, or need none."""
    if (file := _file(site)) is not None:
        path, wanted = file
        return path.read_bytes(), f"{site.reveal(wanted).strip()}\n".encode()
    if site.network.tls is None or site.acme is not None:
        return None
    return issued(site.vault, site.domain)


def phones_authority(site: Site) -> bytes | None:
    """Return the certificates (PEM) of the authority that phones have to be given, or None
    where they know it."""
    tls = site.network.tls
    if tls is not None and isinstance(tls.certificate, OwnAuthority):
        return root(site.vault)
    if site.provisioning is not None and site.provisioning.authority is not None:
        return site.provisioning.authority.read_bytes()
    return None


def ending_soon(site: Site) -> list[str]:
    """List the certificates that phones will refuse soon, a line each."""
    path = "network.tls.certificate"
    acme = site.acme
    is_asked = acme is not None and acme.asks_at_host and acme.is_public
    if is_asked and site.network.holds(site.network.sip_from):
        return [
            f"Site.{path}: Let's Encrypt asks at port {ACME_PORT} of {site.domain} from the "
            "internet, and network.sip_from names local networks alone; see that it gets there, "
            "or give dns=DnsHook(…)"
        ]
    if site.network.tls is None or acme is not None:
        return []
    if (given := _file(site)) is None:
        if (made := ending(site.vault)) is None:
            return []
        return [
            f"Site.{path}: that of the Site's own authority ends on {made:%Y-%m-%d}; deploy, "
            "which makes another"
        ]
    file, _ = given
    end = min(one.not_valid_after_utc for one in check_certificates(path, file))
    if end - datetime.now(UTC) > RENEWED_BEFORE:
        return []
    return [f"Site.{path}: {file} ends on {end:%Y-%m-%d}; renew it, or no phone comes by TLS"]


def _file(site: Site) -> tuple[Path, Secret] | None:
    """Certificate for phones by TLS and its key, where the operator gives both."""
    tls = site.network.tls
    if tls is None or tls.key is None or not isinstance(tls.certificate, Path):
        return None
    return tls.certificate, tls.key
