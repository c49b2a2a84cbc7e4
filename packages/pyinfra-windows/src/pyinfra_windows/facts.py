"""What a Windows host holds now, read without PowerShell."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pyinfra.api import FactBase

from pyinfra_windows.connectors import DIGESTS, digests_in
from pyinfra_windows.powershell import cmd_quote, path, question

__all__ = ["FirewallRule", "FirewallRules", "Look", "MsiPackages", "OpenProfiles", "PowerShell"]
__all__ += ["Product", "Service", "ServiceState", "Task", "Texts", "TreeDigests", "WindowsHost"]
__all__ += ["Word"]

_UNINSTALL = "SOFTWARE{}\\Microsoft\\Windows\\CurrentVersion\\Uninstall"
_UNINSTALL_KEYS = (
    "HKLM\\" + _UNINSTALL.format(""),
    "HKLM\\" + _UNINSTALL.format("\\WOW6432Node"),
    "HKCU\\" + _UNINSTALL.format(""),
)
_VALUE = re.compile(r"    (.+?)    (REG_[A-Z_]+)(?:    (.*))?")


def registry(output: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return values by key in what ``reg query`` prints: the types are English in every
    language."""
    keys: dict[str, dict[str, str]] = {}
    values: dict[str, str] = {}
    for line in output:
        if line.startswith("HKEY_"):
            values = keys.setdefault(line.strip(), {})
        elif match := _VALUE.fullmatch(line.rstrip()):
            values[match[1]] = match[3] or ""
    return keys


@dataclass(frozen=True)
class Look:
    """A host, before anything is done to it."""

    system: str = ""
    """Text of ``ver``; empty where the host could not be asked."""
    architecture: str = ""
    digests: bool = False
    """Fact that its tar.exe names SHA-256 digests."""
    administrator: bool = False
    free_megabytes: int = 0
    """Megabytes that are free on drive C:."""
    addresses: frozenset[str] = frozenset()
    listeners: frozenset[tuple[str, str, int]] = frozenset()
    """Protocol, address and port."""


class WindowsHost(FactBase[Look]):
    """The host as it is, in one command that needs no PowerShell."""

    def command(self) -> str:
        parts = {
            "system": "ver",
            "architecture": "echo %PROCESSOR_ARCHITECTURE%",
            "digests": f"cd /d %SystemRoot%&& {DIGESTS} win.ini",
            # LocalService's, which only administrators may read.
            "administrator": "reg query HKU\\S-1-5-19",
            "free": "dir /-c C:\\",
            "addresses": "ipconfig",
            "listeners": "netstat -an",
        }
        asked = (f"echo pyinfra-{name}& {line} 2>nul" for name, line in parts.items())
        return "& ".join([*asked, "exit 0"])

    @staticmethod
    def default() -> Look:
        return Look()

    def process(self, output: list[str]) -> Look:
        found: dict[str, list[str]] = {}
        lines: list[str] = []
        for line in output:
            if line.startswith("pyinfra-"):
                lines = found.setdefault(line.removeprefix("pyinfra-").strip(), [])
            elif line.strip():
                lines.append(line)

        def part(name: str) -> list[str]:
            return found.get(name, [])

        # The words around the last number are in the host's language.
        free = re.findall(r"\d{4,}", part("free")[-1]) if part("free") else []
        return Look(
            system=" ".join(part("system")).strip(),
            architecture="".join(part("architecture")).strip(),
            digests=bool(digests_in(part("digests"))),
            administrator=any(line.startswith("HKEY_") for line in part("administrator")),
            free_megabytes=int(free[-1]) // 1_000_000 if free else 0,
            addresses=frozenset(_addresses(" ".join(part("addresses")).split())),
            listeners=frozenset(_listeners(part("listeners"))),
        )


def _addresses(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        try:
            # Windows adds a zone to some, and (Preferred) to others.
            yield str(ipaddress.ip_address(re.split(r"[%(]", word)[0]))
        except ValueError:
            continue


def _listeners(lines: Iterable[str]) -> Iterator[tuple[str, str, int]]:
    for line in lines:
        match = re.match(r"\s*(TCP|UDP)\s+(\S+):(\d+)\s+(\S+)", line)
        # What listens has port 0, or *, at its other end; the state's name is localised.
        if match and match[4].rpartition(":")[2] in ("0", "*"):
            yield match[1].lower(), match[2].strip("[]").partition("%")[0], int(match[3])


class PowerShell(FactBase[bool]):
    """The guard: whether powershell.exe is one. Only a real one knows the digest of a word."""

    def command(self) -> str:
        return question(
            [
                "$h=[Security.Cryptography.SHA256]::Create()",
                "$b=$h.ComputeHash([Text.Encoding]::ASCII.GetBytes('pyinfra'))",
                "-join ($b | ForEach-Object { $_.ToString('x2') })",
            ]
        )

    @staticmethod
    def default() -> bool:
        return False

    def process(self, output: list[str]) -> bool:
        return hashlib.sha256(b"pyinfra").hexdigest() in [line.strip() for line in output]


@dataclass(frozen=True)
class Product:
    """One entry of the list of installed programs."""

    name: str
    version: str
    location: str = ""


class MsiPackages(FactBase[dict[str, Product]]):
    """Installed programs by their key: for an MSI, its product code in braces."""

    def command(self) -> str:
        return "& ".join(f'reg query "{key}" /s 2>nul' for key in _UNINSTALL_KEYS) + "& exit 0"

    @staticmethod
    def default() -> dict[str, Product]:
        return {}

    def process(self, output: list[str]) -> dict[str, Product]:
        return {
            key.rpartition("\\")[2].upper(): Product(
                values.get("DisplayName", ""),
                values.get("DisplayVersion", ""),
                values.get("InstallLocation", ""),
            )
            for key, values in registry(output).items()
            if "DisplayName" in values
        }


@dataclass(frozen=True)
class ServiceState:
    """A service that exists."""

    running: bool
    stopped: bool
    """State that is not the opposite of running: neither is true while it starts or stops."""
    automatic: bool
    recovers: bool
    """Fact that Windows does something when it fails."""
    program: str = ""


class Service(FactBase[ServiceState | None]):
    """A service, or None where there is none (yet)."""

    def command(self, service: str) -> str:
        key = cmd_quote(f"HKLM\\SYSTEM\\CurrentControlSet\\Services\\{service}")
        return f"reg query {key} 2>nul& sc query {cmd_quote(service)} 2>nul& exit 0"

    @staticmethod
    def default() -> None:
        return None

    def process(self, output: list[str]) -> ServiceState | None:
        values = next(iter(registry(output).values()), None)
        if values is None or "ImagePath" not in values:
            return None
        # The word after the digit is in the host's language.
        states = [match[1] for line in output if (match := _STATE.match(line))]
        return ServiceState(
            running=states == ["4"],
            stopped=states == ["1"],
            automatic=values.get("Start") == "0x2",
            recovers="FailureActions" in values,
            program=values["ImagePath"],
        )


_STATE = re.compile(r"\s+[^:]*STAT[^:]*:\s+([1-7])\s", re.IGNORECASE)


class TreeDigests(FactBase[dict[str, str]]):
    """SHA-256 by path of every file below a folder, in one command."""

    def command(self, folder: str) -> str:
        return f"if exist {path(folder)} (cd /d {path(folder)}&& {DIGESTS} .)"

    @staticmethod
    def default() -> dict[str, str]:
        return {}

    def process(self, output: list[str]) -> dict[str, str]:
        return digests_in(output)


class Word(FactBase[str]):
    """The first line of a small file, or nothing."""

    def command(self, file: str) -> str:
        return f"type {path(file)} 2>nul& exit 0"

    @staticmethod
    def default() -> str:
        return ""

    def process(self, output: list[str]) -> str:
        return output[0].strip() if output else ""


class Task(FactBase[bool]):
    """Whether there is a scheduled task of this name."""

    def command(self, task: str) -> str:
        tree = "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache\\Tree"
        return f"reg query {cmd_quote(f'{tree}{chr(92)}{task}')} 2>nul& exit 0"

    @staticmethod
    def default() -> bool:
        return False

    def process(self, output: list[str]) -> bool:
        return any(line.startswith("HKEY_") for line in output)


class Texts(FactBase[dict[str, str]]):
    """Contents of some text files below a folder. For files without secrets."""

    def command(self, folder: str, names: Iterable[str]) -> str:
        parts = []
        for name in names:
            file = path(f"{folder}\\{name}".replace("/", "\\"))
            parts.append(f"if exist {file} (echo pyinfra-file {name}& type {file}& echo.)")
        return "& ".join([*parts, "exit 0"])

    @staticmethod
    def default() -> dict[str, str]:
        return {}

    def process(self, output: list[str]) -> dict[str, str]:
        texts: dict[str, list[str]] = {}
        lines: list[str] = []
        for line in output:
            if line.startswith("pyinfra-file "):
                lines = texts.setdefault(line.split(" ", 1)[1].strip(), [])
            else:
                lines.append(line)
        return {name: "\n".join(lines) for name, lines in texts.items()}


@dataclass(frozen=True)
class FirewallRule:
    """One rule of Windows' firewall that lets something in."""

    name: str
    protocol: str
    """``udp`` or ``tcp``."""
    ports: tuple[str, ...] = ()
    """Numbers and ranges such as ``16384-32767``."""
    program: str = ""
    remote: tuple[str, ...] = ()
    """Networks in CIDR; empty for any."""
    group: str = ""
    active: bool = field(default=True)


_PROTOCOLS = {"6": "tcp", "17": "udp"}


def parse_rule(name: str, text: str) -> FirewallRule | None:
    """Read one rule as the registry holds it ([MS-GPFAS] 2.2.2.19), or None where it lets nothing
    in."""
    fields = [part.partition("=") for part in text.split("|") if "=" in part]
    single = {key: value for key, _, value in fields}
    if single.get("Dir") != "In" or single.get("Action") != "Allow":
        return None
    ports = tuple(value for key, _, value in fields if key in ("LPort", "LPort2_10"))
    remote = tuple(value for key, _, value in fields if key in ("RA4", "RA6", "RA42", "RA62"))
    return FirewallRule(
        name,
        _PROTOCOLS.get(single.get("Protocol", ""), single.get("Protocol", "")),
        ports,
        single.get("App", ""),
        tuple(_cidr(one) for one in remote),
        single.get("EmbedCtxt", ""),
        single.get("Active") == "TRUE",
    )


def _cidr(text: str) -> str:
    """Return a mask by its length, as networks are given; the registry writes it out, or leaves out
    that of one address."""
    address, slash, mask = text.partition("/")
    if slash and "." in mask:
        bits = sum(int(part).bit_count() for part in mask.split("."))
        return f"{address}/{bits}"
    if not slash and "-" not in text and ("." in text or ":" in text):
        return f"{text}/{128 if ':' in text else 32}"
    return text


class FirewallRules(FactBase[dict[str, FirewallRule]]):
    """The incoming rules of one group, by name."""

    def command(self, group: str) -> str:
        key = (
            "HKLM\\SYSTEM\\CurrentControlSet\\Services\\SharedAccess\\Parameters\\FirewallPolicy"
            "\\FirewallRules"
        )
        self.group = group
        return f'reg query "{key}" 2>nul& exit 0'

    @staticmethod
    def default() -> dict[str, FirewallRule]:
        return {}

    def process(self, output: list[str]) -> dict[str, FirewallRule]:
        found = {}
        for values in registry(output).values():
            for name, text in values.items():
                rule = parse_rule(name, text)
                if rule is not None and rule.group == self.group:
                    found[name] = rule
        return found


class OpenProfiles(FactBase[tuple[str, ...]]):
    """The network profiles, by the registry's names, in which Windows' firewall is off, or lets in
    what no rule names."""

    def command(self) -> str:
        keys = [f"{root}\\{profile}" for root in _FIREWALL for profile in _PROFILES]
        return "".join(f'reg query "{key}" 2>nul& ' for key in keys) + "exit 0"

    @staticmethod
    def default() -> tuple[str, ...]:
        return _PROFILES[:3]

    def process(self, output: list[str]) -> tuple[str, ...]:
        told: dict[str, dict[str, str]] = {}
        # What a domain's policy says comes second, and counts.
        for key, values in registry(output).items():
            name = key.rpartition("\\")[2]
            told.setdefault("StandardProfile" if name == "PrivateProfile" else name, {}).update(
                values
            )
        return tuple(
            one
            for one in _PROFILES[:3]
            if told.get(one, {}).get("EnableFirewall") != "0x1"
            or told[one].get("DefaultInboundAction") == "0x0"
        )


_FIREWALL = (
    r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy",
    r"HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall",
)
_PROFILES = ("DomainProfile", "StandardProfile", "PublicProfile", "PrivateProfile")
"""Names of the profiles; a policy may call the second by the last."""
