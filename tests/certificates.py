"""Certificates for tests, made by the authority that a test wants."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Authority"]


@dataclass(frozen=True)
class Authority:
    """Signs certificates that hold for two days. Its own is ``file``."""

    folder: Path
    file: Path
    _name: x509.Name
    _key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, folder: Path, name: str = "authority") -> Authority:
        """Return a new one, with a folder of its own for what it makes."""
        key, subject = ec.generate_private_key(ec.SECP256R1()), _named(name)
        folder.mkdir(exist_ok=True)
        file = folder / "authority.pem"
        file.write_bytes(_certificate(subject, subject, key, key, None))
        return cls(folder, file, subject, key)

    def below(self, folder: Path, name: str) -> Authority:
        """Return another one, which this one vouches for."""
        key, subject = ec.generate_private_key(ec.SECP256R1()), _named(name)
        folder.mkdir(exist_ok=True)
        file = folder / "authority.pem"
        file.write_bytes(_certificate(subject, self._name, key, self._key, None))
        return Authority(folder, file, subject, key)

    def certificate(self, name: str, *, days: tuple[int, int] = (-1, 1)) -> tuple[Path, Path]:
        """Return the files of a certificate for this name, and of its key. ``days``: from today,
        on which it begins and ends."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, private = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(_certificate(_named(name), self._name, key, self._key, name, days))
        private.touch(0o600)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, private


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    by: ec.EllipticCurvePrivateKey,
    host: str | None,
    days: tuple[int, int] = (-1, 1),
) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
    )
    if host is not None:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    return made.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
