"""Authorities that give the Site its certificate: one that speaks ACME, and one of the Site's own.

The second's key and its certificates are secrets like others, made at first use and kept.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import KW_ONLY
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import DOMAIN, Email, Many, domain_name, grammar
from callcenter.site.certificates import check_certificates
from callcenter.site.secrets import GivenSecret, Secret, Vault

__all__ = [
    "ACME_PORT",
    "HOST",
    "ROOT",
    "Acme",
    "DnsHook",
    "OwnAuthority",
    "PhoneCertificate",
    "ending",
    "is_late",
    "issued",
    "root",
]

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
ACME_PORT = 80
"""TCP port at which HTTP-01 asks (RFC 8555, 8.3)."""
_NOBODYS = frozenset(
    {"alt", "example", "home.arpa", "internal", "invalid", "lan", "local", "localhost", "onion"}
    | {"corp", "home", "intranet", "localdomain", "mail", "private", "test"}
)
"""Ends of names that nobody owns (RFC 6761, RFC 6762, RFC 8375, and ICANN's list of collisions)."""


def _directory(text: str) -> str:
    address = urlsplit(text)
    if address.scheme != "https" or not address.hostname or not text.isprintable():
        raise ValueError(f"is no directory, which is an address of https; use {LETS_ENCRYPT}")
    if address.username is not None or " " in text:
        raise ValueError("holds a login or a space, which a directory has not; leave it out")
    return text


def _program(path: Path) -> Path:
    path = path.expanduser().absolute()
    try:
        first = path.read_bytes().partition(b"\n")[0]
    except OSError:
        raise ValueError(f"{path} cannot be read; give a program of this machine") from None
    if not first.startswith((b"#!/", b"\x7fELF")):
        raise ValueError(f"{path} is no program; begin it with what runs it, such as #!/bin/sh")
    if first.startswith(b"#!") and first.endswith(b"\r"):
        raise ValueError(f"{path} has lines that end as Windows ends them; end them by LF alone")
    return path


@model
class DnsHook:
    """A program of yours by which a host puts records into your DNS. The host calls it as an
    unprivileged user: with ``present``, the name and the text of a TXT record that an authority is
    about to look for, and later with ``cleanup`` and the same two (docs/certificates.md)."""

    file: Annotated[Path, AfterValidator(_program)]
    """Program on the machine that deploys: a script that says by ``#!`` what runs it, or one that
    is made for the hosts."""
    _: KW_ONLY
    secret: GivenSecret | None = None
    """Secret that it needs, such as a key of your name server's. It reads it from the file that its
    environment names as ``SECRET_FILE``. Default: none."""
    max_seconds: Annotated[int, Field(strict=True, ge=1, le=1800)] = 120
    """Seconds after which a call of it is ended, and has failed."""


def _further(text: str) -> str:
    return "*." * text.startswith("*.") + domain_name(text.removeprefix("*."))


FurtherName = Annotated[str, AfterValidator(_further), grammar(rf"(?:\*\.)?{DOMAIN}")]
"""DNS name, or all names one label below it."""


def _wildcard(name: str) -> str:
    """Return what stands for a name and those beside it."""
    return f"*.{name.partition('.')[2]}"


@model
class Acme:
    """An authority that gives certificates over ACME (RFC 8555), such as Let's Encrypt. It asks for
    the Site's domain at the host itself, by HTTP-01, or in the DNS, by DNS-01; the host asks for a
    new certificate in time (docs/certificates.md)."""

    email: Email
    """Address of the account, which an authority writes to. A renewal that fails is mailed to it,
    where the Site has ``smtp``."""
    _: KW_ONLY
    source: Literal["acme"] = "acme"
    """Key that tells it from other certificates, in YAML."""
    terms_agreed: Annotated[bool, Field(strict=True)] = False
    """Agreement of yours to the authority's terms. Without it there is no account."""
    directory: Annotated[str, AfterValidator(_directory)] = LETS_ENCRYPT
    """Address of the authority's directory (RFC 8555, 7.1.1). Default: Let's Encrypt's."""
    ca_file: Path | None = None
    """Certificates (PEM, on this machine) by which an authority is known that is not among Debian's
    own: that of its directory's server, and its root. Phones have to know the root as well."""
    dns: DnsHook | None = None
    """Program by which the host answers in the DNS. Nobody has to reach the host for it, and
    several may be behind the domain. Default: the authority asks at the host, by HTTP-01."""
    names: Many[FurtherName] = ()
    """Further names of the certificate. One such as ``"*.example.net"`` needs ``dns``."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.terms_agreed:
            raise Problem(
                "terms_agreed",
                "is not said; read the authority's terms, whose address its directory names, and "
                "set it to True",
            )
        if self.ca_file is not None:
            check_certificates("ca_file", self.ca_file)
        for index, name in enumerate(self.names):
            if name in self.names[:index]:
                raise Problem(f"names[{index}]", f"{name} is listed twice; list it once")
            if name.startswith("*.") and self.dns is None:
                raise Problem(
                    f"names[{index}]",
                    f"{name} is asked for in the DNS alone; give dns=DnsHook(…), or leave it out",
                )
            # Authorities refuse to give both.
            if (above := _wildcard(name)) != name and above in self.names:
                raise Problem(f"names[{index}]", f"{name} is one of {above}; leave one of both out")
        return self

    @property
    def asks_at_host(self) -> bool:
        """True where the authority comes to the host, by HTTP-01."""
        return self.dns is None

    def asked(self, domain: str) -> tuple[str, ...]:
        """Return the names that the certificate for a domain has: a wildcard stands for it."""
        own = () if _wildcard(domain) in self.names else (domain,)
        return tuple(dict.fromkeys((*own, *self.names)))

    @property
    def is_public(self) -> bool:
        """True where it is Let's Encrypt, which gives certificates for names of the DNS alone, and
        asks from the internet."""
        return (urlsplit(self.directory).hostname or "").endswith(".letsencrypt.org")

    def refuses(self, domain: str) -> str | None:
        """Return why it would give no certificate for a domain and its further names, or None."""
        if not self.is_public:
            return None
        return next(filter(None, map(_refused, self.asked(domain))), None)


def _refused(name: str) -> str | None:
    domain = name.removeprefix("*.")
    try:
        ipaddress.ip_address(domain)
    except ValueError:
        is_address = False
    else:
        is_address = True
    ends = {domain.rpartition(".")[2], ".".join(domain.split(".")[-2:])}
    if "." in domain and not is_address and not ends & _NOBODYS:
        return None
    return (
        f"{name} is no name of the public DNS, and Let's Encrypt gives certificates for no "
        "other; use OwnAuthority(), or the directory of an authority of your own"
    )


@model
class OwnAuthority:
    """An authority of the Site's own, for networks that no other reaches. Its key is made on this
    machine and stays in the secret store; deploys sign the hosts' certificate and renew it. Phones
    have to be given its root, which ``callcenter authority`` prints (docs/certificates.md)."""

    _: KW_ONLY
    source: Literal["own-authority"] = "own-authority"
    """Key that tells it from other certificates, in YAML."""


_SOURCES = {"acme": "Acme", "own-authority": "OwnAuthority"}


def _known(given: object) -> object:
    if isinstance(given, Mapping) and given.get("source") not in _SOURCES:
        raise Problem("source", f"is not one of the choices; use one of {', '.join(_SOURCES)}")
    return given


def _kind(given: Any) -> str:
    source = given.get("source") if isinstance(given, Mapping) else getattr(given, "source", None)
    return _SOURCES.get(str(source), "file")


PhoneCertificate = Annotated[
    Annotated[Path, Tag("file")]
    | Annotated[Acme, Tag("Acme")]
    | Annotated[OwnAuthority, Tag("OwnAuthority")],
    Discriminator(_kind),
    BeforeValidator(_known),
]
"""A certificate of the operator's as a file, or who gives the Site one."""

ROOT = Secret("certificates/authority", kind="certificate")
"""Secret of the own authority: its key and its certificate, as PEM."""
HOST = Secret("certificates/hosts", kind="certificate")
"""Secret of what the own authority has given the hosts: key and certificate, as PEM."""

_ROOT_BITS, _HOST_BITS = 3072, 2048
"""Lengths of keys that hold for as long as the certificates (NIST SP 800-57, 5.6.3)."""
_ROOT_DAYS = 7300
_HOST_DAYS = 397
"""Days that a certificate holds: those which browsers and phones of Apple's take."""
RENEWED_BEFORE = timedelta(days=90)
"""Time before its end from which on a deploy makes another."""

_Key = rsa.RSAPrivateKey
"""Kind of key that every desk phone reads, whatever its age."""


def root(vault: Vault) -> bytes:
    """Return the certificate (PEM) of the Site's own authority, made where there is none."""
    _, certificate = _parts(vault.made(ROOT, _new_root))
    return certificate.public_bytes(serialization.Encoding.PEM)


def issued(vault: Vault, domain: str) -> tuple[bytes, bytes]:
    """Return what the Site's own authority has given the hosts, as PEM: their certificate with the
    authority's after it, and its key. Another is made where there is none, where it is for another
    domain or of another authority, and well before its end."""
    authority = vault.made(ROOT, _new_root)
    _, own = _parts(authority)

    def is_good(text: str) -> bool:
        _, given = _parts(text)
        names = given.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        left = given.not_valid_after_utc - datetime.now(UTC)
        return (
            given.issuer == own.subject
            and names.get_values_for_type(x509.DNSName) == [domain]
            and left > RENEWED_BEFORE
        )

    key, certificate = _parts(vault.made(HOST, lambda: _new_host(authority, domain), is_good))
    pem = serialization.Encoding.PEM
    return certificate.public_bytes(pem) + own.public_bytes(pem), _private(key)


def ending(vault: Vault) -> datetime | None:
    """Return the end of what the Site's own authority has given the hosts, where it is near enough
    for a deploy to make another."""
    if (found := vault.known(HOST)) is None:
        return None
    end = _parts(found)[1].not_valid_after_utc
    return end if end - datetime.now(UTC) < RENEWED_BEFORE else None


def is_late(begin: datetime, end: datetime) -> bool:
    """Tell whether a certificate should have been renewed long ago by the host that has got it over
    ACME: it asks for another where a third of its time is left."""
    return end - datetime.now(UTC) < (end - begin) / 6


def _parts(text: str) -> tuple[_Key, x509.Certificate]:
    # Made here: to check that its numbers are primes takes 0.2 s, several times a deploy.
    key = serialization.load_pem_private_key(
        text.encode(), password=None, unsafe_skip_rsa_key_validation=True
    )
    assert isinstance(key, _Key)
    return key, x509.load_pem_x509_certificate(text.encode())


def _private(key: _Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _kept(key: _Key, certificate: x509.Certificate) -> str:
    return (_private(key) + certificate.public_bytes(serialization.Encoding.PEM)).decode()


def _new_root() -> str:
    key = rsa.generate_private_key(65537, _ROOT_BITS)
    # Another root has another name: who has trusted both can tell whose a certificate is.
    number = x509.random_serial_number()
    name = f"Call centre's authority {number:040x}"[:48]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    may = dict.fromkeys(_USES, False) | {"key_cert_sign": True, "crl_sign": True}
    made = (
        _begun(subject, subject, key, _ROOT_DAYS)
        .serial_number(number)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**may), critical=True)
    )
    return _kept(key, made.sign(key, hashes.SHA256()))


def _new_host(authority: str, domain: str) -> str:
    by, above = _parts(authority)
    key = rsa.generate_private_key(65537, _HOST_BITS)
    # A name in a subject has 64 characters; those in the extension count.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain[:64])])
    may = dict.fromkeys(_USES, False) | {"digital_signature": True, "key_encipherment": True}
    given = above.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    made = (
        _begun(subject, above.subject, key, _HOST_DAYS)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**may), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(given), critical=False
        )
    )
    return _kept(key, made.sign(by, hashes.SHA256()))


_USES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def _begun(subject: x509.Name, issuer: x509.Name, key: _Key, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        # A phone's clock may be an hour behind.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
