"""Certificates that the operator gives as files, and the keys that belong to them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from callcenter.site._model import Problem

__all__ = ["check_authority", "check_certificates", "check_served", "fits"]


def check_certificates(field: str, file: Path) -> list[x509.Certificate]:
    """Return the certificates of a PEM file, or refuse its field."""
    try:
        text = file.read_bytes()
    except OSError:
        raise Problem(field, f"{file} cannot be read; give a PEM file") from None
    if b"PRIVATE KEY" in text:
        raise Problem(field, f"{file} holds a private key; keep it as a secret, and give the rest")
    try:
        return x509.load_pem_x509_certificates(text)
    except ValueError:
        raise Problem(field, f"{file} is no certificate; give it as PEM") from None


def check_served(field: str, file: Path, name: str) -> x509.Certificate:
    """Return the first certificate of a file whose holder is called ``name``, or refuse its field
    where a phone would refuse the certificate."""
    chain = check_certificates(field, file)
    own = chain[0]
    try:
        given = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = given.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        names = []
    wildcard = f"*.{name.partition('.')[2]}"
    if not {name, wildcard} & {one.lower() for one in names}:
        raise Problem(
            field,
            f"{file} is for {', '.join(names) or 'no name'}, and phones ask for {name}; give a "
            "certificate of that name",
        )
    now = datetime.now(UTC)
    for one in chain:
        if one.not_valid_after_utc <= now:
            raise Problem(field, f"{file} ended on {one.not_valid_after_utc:%Y-%m-%d}; renew it")
        if one.not_valid_before_utc > now:
            begin = f"{one.not_valid_before_utc:%Y-%m-%d}"
            raise Problem(field, f"{file} is not valid before {begin}; give one that is")
    for one, above in itertools.pairwise(chain):
        try:
            one.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature):
            raise Problem(
                field,
                f"{file} holds certificates of which one is not signed by the next; give its own, "
                "then that of who signed it, and so on",
            ) from None
    return own


def check_authority(field: str, file: Path, served: Path | None) -> None:
    """Refuse an authority's file by which no phone could check the certificate that is served, as
    far as that is a file, too."""
    given = check_certificates(field, file)
    if len(given) > 1:
        raise Problem(field, f"{file} holds {len(given)} certificates; give the authority's alone")
    if served is None:
        return
    last = check_certificates(field, served)[-1]
    if last == given[0]:
        return
    try:
        last.verify_directly_issued_by(given[0])
    except (ValueError, TypeError, InvalidSignature):
        raise Problem(
            field, f"{file} has not signed the last certificate of {served}; give the one that has"
        ) from None


def fits(key: str, certificate: x509.Certificate) -> str | None:
    """Return why a private key cannot be used with a certificate, or None."""
    try:
        private = serialization.load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError):
        return "is no private key; give it as PEM without a passphrase"
    kind = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if private.public_key().public_bytes(*kind) != certificate.public_key().public_bytes(*kind):
        return "is not that of the certificate; give the one that it was made with"
    return None
