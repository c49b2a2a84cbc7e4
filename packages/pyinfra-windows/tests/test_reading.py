"""Answers of Windows' own programs, read as they print them in any language."""

from __future__ import annotations

from pyinfra_windows import operations
from pyinfra_windows.connectors import digests_in, sftp_path
from pyinfra_windows.facts import (
    FirewallRule,
    Look,
    OpenProfiles,
    WindowsHost,
    parse_rule,
    registry,
)


def test_a_rule_of_the_registry_is_read() -> None:
    text = (
        "v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=5060|LPort2_10=16384-32767|"
        "RA4=10.0.0.0/255.0.0.0|App=C:\\Program Files\\FreeSWITCH\\FreeSwitchConsole.exe|"
        "Name=x|EmbedCtxt=FreeSWITCH|"
    )
    assert parse_rule("r", text) == FirewallRule(
        "r",
        "udp",
        ("5060", "16384-32767"),
        "C:\\Program Files\\FreeSWITCH\\FreeSwitchConsole.exe",
        ("10.0.0.0/8",),
        "FreeSWITCH",
    )
    assert parse_rule("r", text.replace("Allow", "Block")) is None
    # One address stands there with its mask or without.
    for one in ("10.0.0.20", "10.0.0.20/255.255.255.255"):
        alone = parse_rule("r", text.replace("10.0.0.0/255.0.0.0", one))
        assert alone is not None
        assert alone.remote == ("10.0.0.20/32",)


def test_a_firewall_that_is_off_is_told() -> None:
    own = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\FirewallPolicy\\"
    policy = "HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\WindowsFirewall\\"
    on, off = (f"    EnableFirewall    REG_DWORD    {value}" for value in ("0x1", "0x0"))
    names = ("DomainProfile", "StandardProfile", "PublicProfile")
    lines = [line for name in names for line in (own + name, on)]
    fact = OpenProfiles()
    assert fact.process(lines) == ()
    assert fact.process([]) == names
    assert fact.process(lines[:-1]) == ("PublicProfile",)
    assert fact.process([*lines, policy + "PrivateProfile", off]) == ("StandardProfile",)
    allows = "    DefaultInboundAction    REG_DWORD    0x0"
    assert fact.process([*lines, policy + "DomainProfile", allows]) == ("DomainProfile",)
    mended = [*lines[:-1], off, policy + "PublicProfile", on]
    assert fact.process(mended) == ()


def test_the_registry_is_read() -> None:
    assert registry(["HKEY_LOCAL_MACHINE\\A", "    Display Name    REG_SZ    a  b", ""]) == {
        "HKEY_LOCAL_MACHINE\\A": {"Display Name": "a  b"}
    }


def test_versions_are_compared_as_windows_installer_does() -> None:
    assert operations.fields_of("1.10.12.0") == operations.fields_of("1.10.12") == (1, 10, 12)


def test_what_windows_prints_of_itself_is_read() -> None:
    said = """pyinfra-system

Microsoft Windows [Version 10.0.20348.2966]
pyinfra-architecture
AMD64
pyinfra-digests
#mtree
win.ini type=file sha256=DIGEST
pyinfra-administrator
HKEY_USERS\\S-1-5-19\\Control Panel
pyinfra-free
 Datenträger in Laufwerk C: ist System
               1 Datei(en),           4096 Bytes
               9 Verzeichnis(se), 68936388608 Bytes frei
pyinfra-addresses
   Verbindungslokale IPv6-Adresse  . : fe80::fc:ff:fe00:1%4(Bevorzugt)
   IPv4-Adresse  . . . . . . . . . . : 10.0.0.5(Bevorzugt)
pyinfra-listeners
  TCP    0.0.0.0:445            0.0.0.0:0              ABHÖREN
  TCP    10.0.0.5:5986          10.0.0.9:50000         HERGESTELLT
  TCP    [::]:135               [::]:0                 ABHÖREN
  UDP    10.0.0.5:5060          *:*
""".replace("DIGEST", "0" * 64).replace("\\\\", "\\")
    assert WindowsHost().process(said.splitlines()) == Look(
        system="Microsoft Windows [Version 10.0.20348.2966]",
        architecture="AMD64",
        digests=True,
        administrator=True,
        free_megabytes=68936,
        addresses=frozenset({"fe80::fc:ff:fe00:1", "10.0.0.5"}),
        listeners=frozenset(
            {("tcp", "0.0.0.0", 445), ("tcp", "::", 135), ("udp", "10.0.0.5", 5060)}
        ),
    )


def test_paths_for_sftp() -> None:
    assert sftp_path(r"C:\a b\c") == "/C:/a b/c"


def test_digests_are_read_from_the_listing() -> None:
    digest = "0" * 64
    assert digests_in(
        [
            "#mtree",
            f"./a type=file sha256digest={digest}",
            r"./b\040c type=file \\"[:-1],
            "    sha256=" + digest,
        ]
    ) == {"a": digest, "b c": digest}
