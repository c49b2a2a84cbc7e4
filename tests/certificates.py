"""Certificates of an authority of a test's own."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Authority"]


class Authority:
    """Signs certificates."""

    def __init__(self, name: str, above: Authority | None = None) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = _signed(self.name, self.key, above or self, authority=True)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def made(self, name: str) -> tuple[bytes, bytes]:
        """A certificate for a host's name, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "of a test")])
        certificate = _signed(subject, key, self, names=[name])
        return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def _signed(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    by: Authority,
    *,
    names: list[str] | None = None,
    authority: bool = False,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(by.name, subject, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - datetime.timedelta(days=1))
    made = made.not_valid_after(now + datetime.timedelta(days=2))
    made = made.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        made = made.add_extension(alternative, critical=False)
    return made.sign(by.key, hashes.SHA256())
