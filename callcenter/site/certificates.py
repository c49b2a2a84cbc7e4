"""Certificates that the operator gives as files, and the keys that belong to them."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from callcenter.site._model import Problem

__all__ = ["check_certificates", "fits"]


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


def fits(key: str, certificate: x509.Certificate) -> str | None:
    """Why a private key cannot be used with a certificate, or None."""
    try:
        private = serialization.load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError):
        return "is no private key; give it as PEM without a passphrase"
    kind = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if private.public_key().public_bytes(*kind) != certificate.public_key().public_bytes(*kind):
        return "is not that of the certificate; give the one that it was made with"
    return None
