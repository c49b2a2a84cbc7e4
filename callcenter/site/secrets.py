"""Where a secret comes from. A :class:`Secret` is a reference: its value is never in its repr.

A value is looked for, in order,

1. in the environment: ``CALLCENTER_SECRET_<NAME>``, upper case, every other sign an underscore;
2. in a file encrypted with sops or age, where the Site names one;
3. in the Site's own secret file, which is created (mode 0600) with strong random values for
   whatever is asked for and found nowhere.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import itertools
import json
import logging
import os
import re
import secrets as _random
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

__all__ = [
    "MINIMUM_PIN",
    "GivenSecret",
    "Secret",
    "SecretUnavailable",
    "Vault",
    "pin_weakness",
    "secret",
    "weakness",
]

MINIMUM_LENGTH = 12
"""Characters. NIST SP 800-63B asks for 8 with a rate limit; SIP digests can be guessed offline."""

MINIMUM_PIN = 6
"""Digits. Three guesses a call at a million PINs: FreeSWITCH counts attempts by call alone."""

KNOWN_DEFAULTS = frozenset(
    {"1234", "12345678", "123456789012", "cluecon", "freeswitch", "password", "secret", "changeme"}
)
"""Values that installers ship, compared in lower case and also when repeated."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")


class SecretUnavailable(RuntimeError):
    """A secret store is configured and cannot be read; says which and how to mend it."""


Kind = Literal["password", "pin", "key", "given", "certificate"]


_NEVER_MADE = ("key", "given")
_MADE_ELSEWHERE = (*_NEVER_MADE, "certificate")
"""Kinds that :meth:`Vault.ensure` makes nothing of."""


_LOG = logging.getLogger(__name__)

VARIABLES = "CALLCENTER_SECRET_"
"""Beginning of the variables of the environment that hold secrets."""


class Secret:
    """A reference by name, or a literal that the operator's own code has fetched."""

    __slots__ = ("_literal", "kind", "name")

    def __init__(
        self, name: str = "", *, literal: str | None = None, kind: Kind = "password"
    ) -> None:
        if literal is None and not _NAME.fullmatch(name):
            raise ValueError(
                "a secret's name is letters, digits and . _ / - (100 at most), e.g. 'carrier-a'"
            )
        self.name = name
        self._literal = literal
        self.kind = kind
        """Kind of value that is made where there is none: a password, the digits of a PIN, or a key
        with its certificate, of an authority of the Site's own. The private key of a certificate
        that comes as a file is never made, nor is what others give. Two secrets of one name are the
        same secret, so it is no part of their equality."""

    def as_pin(self) -> Secret:
        """Return the same secret, where it stands for something that is typed on a phone."""
        return Secret(self.name, literal=self._literal, kind="pin")

    def as_key(self) -> Secret:
        """Return the same secret, where it is the private key of a certificate."""
        return Secret(self.name, literal=self._literal, kind="key")

    def as_given(self) -> Secret:
        """Return the same secret, where others give it, such as a carrier."""
        return Secret(self.name, literal=self._literal, kind="given")

    @property
    def variable(self) -> str:
        """The variable of the environment that its value is looked for in."""
        return VARIABLES + re.sub(r"[^A-Z0-9]", "_", self.name.upper())

    def password_for(self, host: Any) -> str:
        """Return the value as the password of a host's login, which pyinfra-windows asks for.

        The host's data has the Site, whose vault knows it.
        """
        value = self._literal if self._literal is not None else host.data.site.vault.known(self)
        if value is None:
            raise LookupError(f"{self} is not known; set {self.variable}")
        return str(value)

    @property
    def literal(self) -> str | None:
        """The value, where it was given in the description itself."""
        return self._literal

    def __repr__(self) -> str:
        return f"secret({self.name!r})" if self._literal is None else "secret(<given>)"

    def to_json(self) -> str:
        """Return the reference for ``pyinfra … debug-inventory``: never the value."""
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Secret)
            and self.name == other.name
            and self._literal == other._literal
        )

    def __hash__(self) -> int:
        return hash((self.name, self._literal))

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _validated, serialization=core_schema.plain_serializer_function_ser_schema(repr)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _: CoreSchema, __: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return _schema(MINIMUM_LENGTH)


REFERENCE: Mapping[str, Any] = {
    "type": "object",
    "properties": {"secret": {"type": "string", "pattern": f"^{_NAME.pattern}$"}},
    "required": ["secret"],
    "additionalProperties": False,
    "description": "The name of a secret, resolved when the Site is loaded.",
}
"""JSON Schema of a secret that is named."""


def _schema(minimum: int) -> dict[str, Any]:
    """Return the JSON Schema of a reference, or a literal of so many characters."""
    return {"anyOf": [REFERENCE, {"type": "string", "minLength": minimum}]}


GivenSecret = Annotated[Secret, AfterValidator(Secret.as_given), WithJsonSchema(_schema(1))]
"""A secret that others give, such as a carrier: of whatever strength, and never made."""


def _validated(given: object) -> Secret:
    if isinstance(given, Secret):
        return given
    if isinstance(given, str):
        return Secret(literal=given)
    if isinstance(given, Mapping) and set(given) == {"secret"} and isinstance(given["secret"], str):
        return Secret(given["secret"])
    raise ValueError("is no secret; use secret('name'), or in YAML {secret: name}")


def secret(name: str) -> Secret:
    """Refer to a secret by name: ``secret("carrier-a")``."""
    return Secret(name)


def weakness(value: str, *, related: Iterable[str] = ()) -> str | None:
    """Tell why ``value`` must not guard anything, or None. ``related`` are words that it must not
    be made of, such as the extension's number."""
    for word in (*KNOWN_DEFAULTS, *related):
        # Once or repeated: 1000 and 100010001000 are one and the same guess.
        if value and word and not value.lower().replace(word.lower(), ""):
            return "is a well-known default or the extension's own number"
    if len(value) < MINIMUM_LENGTH:
        return f"is shorter than {MINIMUM_LENGTH} characters"
    if not value.isprintable() or not value.isascii():
        return "holds signs other than printable ASCII, which phones cannot be given"
    if len(set(value)) < 5 or value.isdigit():
        return "is digits only or repeats too few signs"
    return None


def pin_weakness(value: str, *, related: Iterable[str] = ()) -> str | None:
    """Tell why ``value`` must not be a PIN, or None. ``related`` are numbers that others know, such
    as the extension's own."""
    if not re.fullmatch(r"[0-9]*", value):
        return "holds signs other than digits, which no phone can type"
    if len(value) < MINIMUM_PIN:
        return f"is shorter than {MINIMUM_PIN} digits"
    if len(value) > 20:
        return "is longer than 20 digits"
    if any(word and (word * len(value)).startswith(value) for word in related):
        return "is made of the extension's own number"
    steps = {(int(after) - int(before)) % 10 for before, after in itertools.pairwise(value)}
    if len(steps) == 1:
        return "is one digit repeated or digits in order"
    if any(value == value[:size] * (len(value) // size) for size in (2, 3)):
        return "repeats itself"
    return None


def _made(name: str, kind: Kind) -> str:
    """Make a strong random value."""
    if kind == "password":
        return _random.token_urlsafe(18)
    numbers = re.findall(r"[0-9]+", name)
    while True:
        made = "".join(_random.choice("0123456789") for _ in range(MINIMUM_PIN))
        if pin_weakness(made, related=numbers) is None:
            return made


class Vault:
    """The secrets of one Site. Use :meth:`open`, so that one file is read once a process."""

    def __init__(self, file: Path, encrypted: Path | None) -> None:
        self.file = file
        """File of the site's own secrets."""
        self._encrypted = encrypted
        self._values: dict[str, str] | None = None
        self._decrypted: dict[str, str] | None = None

    @classmethod
    def open(cls, file: Path, encrypted: Path | None = None) -> Vault:
        """Return the process's one vault over these files."""
        # It is asked for at each secret, and paths are relative to where the process is then.
        return _vault_from(os.getcwd(), file, encrypted)

    def __repr__(self) -> str:
        return f"Vault({str(self.file)!r})"

    def known(self, wanted: Secret) -> str | None:
        """Return the value if it exists already; make none."""
        if wanted.literal is not None:
            return wanted.literal
        if wanted.variable in os.environ:
            return os.environ[wanted.variable]
        if self._encrypted is not None:
            if self._decrypted is None:
                self._decrypted = _decrypt(self._encrypted)
            if wanted.name in self._decrypted:
                return self._decrypted[wanted.name]
        if self._values is None:
            self._values = self._read()
        return self._values.get(wanted.name)

    def value(self, wanted: Secret) -> str:
        """Return the value, made and kept if it was found nowhere, unless others give it."""
        found = self.known(wanted)
        if found is None:
            if wanted.kind in _NEVER_MADE:
                raise SecretUnavailable(self.lacking(wanted))
            self.ensure([wanted])
            found = self.known(wanted)
            assert found is not None
        return found

    def lacking(self, wanted: Secret) -> str:
        """Say what to do about a secret that is not made and not there."""
        what = "its key, as PEM," if wanted.kind == "key" else "its value"
        by = "never made" if wanted.kind == "key" else "given by others"
        return (
            f"{wanted!r} is {by} and not set; put {what} into {wanted.variable}, or into "
            f"{self._encrypted or self.file}"
        )

    def ensure(self, wanted: Iterable[Secret]) -> None:
        """Make what is missing of ``wanted``, in one write."""
        missing = {
            one.name: one.kind
            for one in wanted
            if one.kind not in _MADE_ELSEWHERE and self.known(one) is None
        }
        if not missing:
            return
        with self._changed() as values:
            # Another run may have made some of them while this one waited for the lock.
            made = sorted(missing.keys() - values.keys())
            values |= {name: _made(name, missing[name]) for name in made}
        # By logging, so that whoever has the process decides where it goes: standard error.
        _LOG.warning("made %d secrets in %s; keep a copy of it", len(made), self.file)

    def made(
        self,
        wanted: Secret,
        make: Callable[[], str],
        is_good: Callable[[str], bool] = lambda _: True,
    ) -> str:
        """Return the value, made by ``make`` and kept where there is none that is good."""
        found = self.known(wanted)
        if found is not None and is_good(found):
            return found
        if found is not None and (place := self.place(wanted)) != str(self.file):
            raise SecretUnavailable(
                f"{wanted!r} has to be made anew, and is kept in {place}; take it out there"
            )
        with self._changed() as values:
            # Another run may have made it while this one waited for the lock.
            if wanted.name not in values or not is_good(values[wanted.name]):
                values[wanted.name] = make()
        _LOG.warning("made %r in %s; keep a copy of it", wanted, self.file)
        return values[wanted.name]

    def renew(self, wanted: Secret) -> None:
        """Make another value of a secret that was made here; the old one is gone. That of a
        certificate is made by who needs it next."""
        if wanted.kind in _NEVER_MADE:
            by = "a certificate's" if wanted.kind == "key" else "given by others"
            raise SecretUnavailable(f"{wanted!r} is {by}, and never made; ask for another there")
        if (place := self.place(wanted)) != str(self.file):
            raise SecretUnavailable(
                f"{wanted!r} is {'not made yet' if place is None else f'kept in {place}'}; only "
                f"what is kept in {self.file} is made anew"
            )
        with self._changed() as values:
            del values[wanted.name]
            if wanted.kind not in _MADE_ELSEWHERE:
                values[wanted.name] = _made(wanted.name, wanted.kind)

    def place(self, wanted: Secret) -> str | None:
        """Return where a secret's value is kept, or None where there is none yet."""
        if wanted.literal is not None:
            return "the description"
        if wanted.variable in os.environ:
            return wanted.variable
        if self.known(wanted) is None:
            return None
        if self._decrypted is not None and wanted.name in self._decrypted:
            return str(self._encrypted)
        return str(self.file)

    @contextmanager
    def _changed(self) -> Iterator[dict[str, str]]:
        """Give the values of the file to change, while nobody else does, and write them."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            values = self._read()
            yield values
            temporary = self.file.with_suffix(".new")
            temporary.unlink(missing_ok=True)
            with open(
                os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
            ) as stream:
                json.dump(values, stream, indent=1, sort_keys=True)
                stream.write("\n")
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self.file)
            self._values = values
        finally:
            os.close(lock)

    def fingerprint(self, wanted: Secret) -> str:
        """Return a short digest by which two values can be told apart without showing either."""
        return hashlib.sha256(self.value(wanted).encode()).hexdigest()[:8]

    def _read(self) -> dict[str, str]:
        try:
            mode = self.file.stat().st_mode & 0o777
        except FileNotFoundError:
            return {}
        if mode & 0o077:
            raise SecretUnavailable(
                f"{self.file} is readable by others (mode {mode:04o}); run: chmod 600 {self.file}"
            )
        return _strings(self.file.read_text(), self.file)


@functools.cache
def _vault_from(folder: str, file: Path, encrypted: Path | None) -> Vault:
    return _vault(Path(folder, file), Path(folder, encrypted) if encrypted else None)


@functools.cache
def _vault(file: Path, encrypted: Path | None) -> Vault:
    return Vault(file, encrypted)


def _decrypt(path: Path) -> dict[str, str]:
    if path.suffix == ".age":
        identity = os.environ.get("AGE_IDENTITY", "")
        if not identity:
            raise SecretUnavailable(f"{path}: set AGE_IDENTITY to the file of your age identity")
        command = ["age", "--decrypt", "--identity", identity, str(path)]
    else:
        command = ["sops", "--decrypt", "--output-type", "json", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SecretUnavailable(f"{path}: {command[0]} is not installed on this machine") from None
    if done.returncode:
        raise SecretUnavailable(f"{path}: {command[0]} could not decrypt it: {done.stderr.strip()}")
    return _strings(done.stdout, path)


def _strings(text: str, path: Path) -> dict[str, str]:
    try:
        values = json.loads(text)
    except json.JSONDecodeError as wrong:
        # The decoder's own message would quote the document.
        raise SecretUnavailable(f"{path}: line {wrong.lineno} is no JSON") from None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise SecretUnavailable(f"{path}: must be one JSON object of names and texts")
    return values
