"""Two ways into a Windows host: ``@winrm`` and ``@winssh``.

Both run lines of cmd.exe as they are given: nothing is wrapped in ``sh -c``, and POSIX quoting
(pyinfra's QuoteString) has no place in them. Both carry files so that a broken connection leaves
the old file, and believe an upload only when the host's own SHA-256 of it is right.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import math
import re
import secrets
import tarfile
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any, Protocol, TypedDict, TypeVar

from paramiko import SSHException
from paramiko.file import BufferedFile
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import ConnectError, OperationError
from pyinfra.api.output import echo
from pyinfra.api.util import get_file_io
from pyinfra.connectors.base import BaseConnector, DataMeta
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import CommandOutput, OutputLine

from pyinfra_windows.powershell import LONGEST_LINE, SENTINEL, cmd_quote, is_script, path

if TYPE_CHECKING:
    from pyinfra.api.host import Host
    from pypsrp.shell import WinRS

T = TypeVar("T")

__all__ = ["DIGESTS", "Hidden", "Refused", "WinRM", "WinSSH", "digests_in", "sftp_path"]

DIGESTS = 'tar.exe --format=mtree --options="!all,type,sha256" -cf -'
"""Windows has carried bsdtar since 2018: the one program there that hashes many files at once,
and packs and unpacks on its standard streams, without PowerShell."""

_REFUSED = ("_sudo", "_sudo_user", "_su_user", "_doas", "_doas_user", "_dzdo", "_dzdo_user")
_UNIX = "uname -s"
# ssh has no word for a code page, and cmd.exe would answer in the OEM one. Where there is no such
# page, its failure must not become that of the line: (call ) starts nothing and succeeds.
_UTF8 = "chcp 65001>nul||(call )"
_IDLE_SECONDS = 900
"""Seconds after which Windows ends the shell of a connection that was lost, and what runs in it."""
_POLL_SECONDS = 20
_STDIN_PIECE = 90_000
"""Bytes in one WSMan message: a host's smallest envelope is 150 KiB, and base64 takes a third."""


class Refused(OperationError, OSError):
    """A command or file that did not get through. An OSError, so that pyinfra fails this host with
    one line and goes on with the others."""


def digests_in(lines: list[str]) -> dict[str, str]:
    """Return SHA-256 by path (with forward slashes) in what :data:`DIGESTS` prints."""
    found: dict[str, str] = {}
    # Long lines go on after a backslash.
    for line in re.sub(r"\\\r?\n\s*", "", "\n".join(lines)).splitlines():
        match = re.match(r"\./(\S+) .*\bsha256(?:digest)?=([0-9a-f]{64})", line)
        match = match or re.match(r"(\S+) .*\bsha256(?:digest)?=([0-9a-f]{64})", line)
        if match:
            name = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), match[1])
            found[name.encode("latin-1").decode("utf-8", "replace")] = match[2]
    return found


def sftp_path(windows: str) -> str:
    r"""Return ``C:\a b`` as OpenSSH's SFTP server on Windows names it: ``/C:/a b``."""
    path(windows)
    return "/" + windows.replace("\\", "/")


def _split(remote: str) -> tuple[str, str]:
    """Return folder and name, both checked."""
    path(remote)
    folder, _, name = remote.rpartition("\\")
    return (folder + "\\" if folder.endswith(":") else folder), name


class _Windows(BaseConnector):
    """What both connectors have in common."""

    handles_execution = True

    @abstractmethod
    def execute(self, line: str, stdin: bytes, timeout: float | None) -> tuple[int, bytes, bytes]:
        """Run one line; raises :class:`Refused` where the connection does not carry it."""

    @abstractmethod
    def _upload(self, content: IO[bytes], folder: str, name: str) -> None:
        """Put content into a folder that exists, under a plain name."""

    def _check_arguments(self, arguments: Any) -> None:
        for argument in _REFUSED:
            if arguments.get(argument):
                raise Refused(
                    f"{argument} has no meaning on Windows; log in as the user that it shall be"
                )

    def _check_host(self) -> None:
        """Send nothing to a host that would read it in another language."""
        wanted = self.host.data.get("_sudo") or self.host.data.get("_su_user")
        if wanted or self.state.config.SUDO or self.state.config.SU_USER:
            raise ConnectError(
                "sudo and su have no meaning on Windows; log in as the user that it shall be"
            )
        _, out, _ = self.execute("echo %OS%", b"", 60)
        answer = out.decode(errors="replace").strip()
        if answer == "Windows_NT":
            return
        code, out, _ = self.execute(_UNIX, b"", 60)
        if code == 0:
            system = out.decode(errors="replace").strip()
            raise ConnectError(f"is a {system} host, not Windows; leave out the connector's name")
        raise ConnectError("its login shell is not cmd.exe; unset OpenSSH's DefaultShell there")

    def run_shell_command(
        self,
        command: StringCommand | str,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> tuple[bool, CommandOutput]:
        """Run a line of cmd.exe. ``_shell_executable`` and ``_get_pty`` say nothing here."""
        self._check_arguments(arguments)
        if isinstance(command, StringCommand):
            # Facts come without the arguments that their command carries.
            arguments = {**arguments, **command.connector_arguments}
            raw = command.get_raw_value()
        else:
            raw = command
        line = _in_context(raw, arguments)
        if print_input:
            echo(f"{self.host.print_prefix}>>> {command}", err=True)
        code, out, err = self.execute(
            line, _stdin(arguments.get("_stdin")), arguments.get("_timeout")
        )
        lines = [
            *(OutputLine("stdout", text) for text in _lines(out)),
            *(OutputLine("stderr", text) for text in _lines(err)),
        ]
        good = code in (arguments.get("_success_exit_codes") or [0])
        if is_script(raw):
            proved = [one for one in lines if one.line.strip() == SENTINEL]
            lines = [one for one in lines if one not in proved]
            if good and not proved:
                good = False
                lines.append(
                    OutputLine(
                        "stderr",
                        "the script did not reach its end: is powershell.exe there, and real?",
                    )
                )
        if print_output:
            for one in lines:
                echo(f"{self.host.print_prefix}{one.line}", err=True)
        return good, CommandOutput(lines)

    def put_file(  # type: ignore[override]
        self,
        filename_or_io: str | IO[Any],
        remote_filename: str,
        remote_temp_filename: str | None = None,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> bool:
        """Upload beside the target, have the host hash it, and only then let it take its place."""
        self._check_arguments(arguments)
        folder, name = _checked(_split, remote_filename)
        # Plain letters, since tar.exe reads its arguments in the host's own code page.
        arriving = f"pyinfra-{secrets.token_hex(4)}.new"
        with get_file_io(filename_or_io, "rb") as opened:
            content = opened.read()
        if isinstance(content, str):
            content = content.encode()
        wanted = hashlib.sha256(content).hexdigest()
        into = path(folder)
        # What a broken connection has left goes now; a program that hangs on may still hold it.
        self._must(
            f"(if not exist {into} md {into})&& cd /d {into}&& "
            "(del /q pyinfra-????????.new >nul 2>&1 & cd .)",
            f"{folder} cannot be made",
        )
        self._upload(io.BytesIO(content), folder, arriving)
        out = self._must(f"cd /d {into}&& {DIGESTS} {arriving}", f"{remote_filename} is not there")
        found = digests_in(_lines(out))
        if found.get(arriving) != wanted:
            self.execute(f"cd /d {into}&& del {arriving}", b"", 60)
            raise Refused(
                f"{remote_filename} did not arrive whole; the old file is still there"
                if found
                else f"{remote_filename}: the host's tar.exe names no SHA-256; it needs a newer one"
            )
        self._must(
            f"cd /d {into}&& move /y {arriving} {cmd_quote(name)}>nul",
            f"{remote_filename} cannot be replaced",
        )
        if print_output:
            echo(f"{self.host.print_prefix}file uploaded: {remote_filename}", err=True)
        return True

    def get_file(  # type: ignore[override]
        self,
        remote_filename: str,
        filename_or_io: str | IO[Any],
        remote_temp_filename: str | None = None,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> bool:
        """Download, and compare with the host's own SHA-256."""
        self._check_arguments(arguments)
        folder, name = _checked(_split, remote_filename)
        if not name.isascii():
            raise Refused(f"{remote_filename}: only names in ASCII can be fetched")
        into, quoted = path(folder), cmd_quote(name)
        lacking = f"{remote_filename} cannot be read"
        packed = self._must(f"cd /d {into}&& tar.exe --format=ustar -cf - {quoted}", lacking)
        try:
            with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
                member = tar.extractfile(name)
                content = member.read() if member else b""
        except (tarfile.TarError, KeyError) as wrong:
            raise Refused(f"{remote_filename} did not arrive whole ({wrong})") from None
        out = self._must(f"cd /d {into}&& {DIGESTS} {quoted}", lacking)
        if hashlib.sha256(content).hexdigest() not in digests_in(_lines(out)).values():
            raise Refused(f"{remote_filename} did not arrive whole")
        with get_file_io(filename_or_io, "wb") as target:
            target.write(content)
        if print_output:
            echo(f"{self.host.print_prefix}file downloaded: {remote_filename}", err=True)
        return True

    def _must(self, line: str, otherwise: str, stdin: bytes = b"") -> bytes:
        code, out, err = self.execute(line, stdin, None)
        if code:
            said = " ".join(_lines(err)) or f"exit code {code}"
            raise Refused(f"{otherwise} ({said})")
        return out


def _checked(call: Callable[..., T], *values: Any) -> T:
    """Return what a rule about words for Windows says; its refusal fails this host alone."""
    try:
        return call(*values)
    except ValueError as wrong:
        raise Refused(str(wrong)) from None


def _stdin(given: Any) -> bytes:
    if given is None:
        return b""
    if isinstance(given, bytes):
        return given
    if isinstance(given, str):
        return given.encode()
    if hasattr(given, "read"):
        return _stdin(given.read())
    return "".join(f"{line}\n" for line in given).encode()


def _in_context(line: str, arguments: Any) -> str:
    chdir = arguments.get("_chdir")
    before = [f"cd /d {_checked(path, chdir)}"] if chdir else []
    for name, value in (arguments.get("_env") or {}).items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise Refused(f"{name!r} is no name of an environment variable")
        before.append(f"set {_checked(_assigned, name, str(value))}")
    whole = "&& ".join([*before, line])
    for sign in "\n\r\0":
        if sign in whole:
            raise Refused("a command for cmd.exe is one line; give the rest on standard input")
    if len(whole) > LONGEST_LINE:
        raise Refused(f"the line has {len(whole)} characters, and cmd.exe takes {LONGEST_LINE}")
    return whole


def _assigned(name: str, value: str) -> str:
    cmd_quote(value)
    # Unlike a program, ``set`` takes all up to the last quote as it stands.
    return f'"{name}={value}"'


def _lines(output: bytes) -> list[str]:
    if not output:
        return []
    try:
        text = output.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Programs that pay no heed to the console's code page.
        text = output.decode("cp1252", "replace")
    return [line.rstrip("\r") for line in text.split("\n")][: None if text[-1:] != "\n" else -1]


class Hidden(Protocol):
    """A password that no inventory shows: ``pyinfra … debug-inventory`` prints host data as it
    stands, and calls what is a function."""

    def password_for(self, host: Host) -> str:
        """Return the password for a host; a :class:`LookupError` says in one line why there is
        none."""


class WinRMData(TypedDict):
    """Host data of :class:`WinRM`."""

    winrm_hostname: str
    winrm_port: int
    winrm_user: str
    winrm_password: str | Hidden
    winrm_auth: str
    winrm_ca_file: str
    winrm_certificate: str
    winrm_key: str


class WinRM(_Windows):
    """WinRM over HTTPS: the way in that a Windows Server has from the start.

    An inventory names a host ``@winrm/NAME`` and gives its ``winrm_*`` data. Unencrypted HTTP and
    basic authentication are not offered.
    """

    data_cls = WinRMData
    data_meta = {  # noqa: RUF012 - pyinfra's base class has it so
        "winrm_hostname": DataMeta("Name or address; it must stand in the certificate"),
        "winrm_port": DataMeta("Port of the HTTPS listener", 5986),
        "winrm_user": DataMeta("User, such as Administrator or DOMAIN\\user"),
        "winrm_password": DataMeta("Its password: text, or what hides it (Hidden)"),
        "winrm_auth": DataMeta("ntlm, kerberos or certificate", "ntlm"),
        "winrm_ca_file": DataMeta(
            "File of the authority's certificate; default: this machine's own"
        ),
        "winrm_certificate": DataMeta("File of the client certificate, for winrm_auth=certificate"),
        "winrm_key": DataMeta("File of its key"),
    }
    _shell: WinRS | None = None

    @staticmethod
    def make_names_data(name: str) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        """Yield ``@winrm/NAME`` in an inventory or on the command line."""
        yield f"@winrm/{name}", {"winrm_hostname": name}, []

    def connect(self) -> None:
        """Log in and make sure that Windows answers."""
        # Not above: pyinfra imports every connector that it knows, and pypsrp is an extra.
        try:
            import requests
            from pypsrp.exceptions import AuthenticationError, WinRMError, WinRMTransportError
            from pypsrp.shell import WinRS
            from pypsrp.wsman import WSMan
        except ImportError as lacking:
            raise ConnectError(
                f"@winrm needs the Python package {lacking.name}, which is missing; install it "
                "(pip install pypsrp), or use @winssh"
            ) from None
        # They log whole messages, and with them what travels on standard input.
        for name in ("pypsrp", "spnego", "urllib3"):
            logging.getLogger(name).setLevel(logging.WARNING)
        data, where = self.data, f"{self.data['winrm_hostname']}:{self.data['winrm_port']}"
        auth = data["winrm_auth"]
        if auth not in ("ntlm", "kerberos", "certificate"):
            raise ConnectError(f"winrm_auth is {auth!r}; use ntlm, kerberos or certificate")
        needed = ("winrm_certificate", "winrm_key") if auth == "certificate" else ("winrm_user",)
        if auth == "ntlm":
            needed = (*needed, "winrm_password")
        for key in needed:
            if not data[key]:
                raise ConnectError(f"{key} is missing, which winrm_auth={auth} needs")
        more = (
            {"certificate_pem": data["winrm_certificate"], "certificate_key_pem": data["winrm_key"]}
            if auth == "certificate"
            else {}
        )
        seconds = int(self.state.config.CONNECT_TIMEOUT or 10)
        try:
            wsman = WSMan(
                data["winrm_hostname"],
                port=int(data["winrm_port"]),
                username=data["winrm_user"],
                password=self._password(),
                auth=auth,
                ssl=True,
                cert_validation=data["winrm_ca_file"] or True,
                connection_timeout=seconds,
                read_timeout=40,
                operation_timeout=_POLL_SECONDS,
                no_proxy=True,
                **more,
            )
            self._shell = WinRS(wsman, codepage=65001, idle_time_out=_IDLE_SECONDS)
            self._shell.open()
            self._check_host()
        except AuthenticationError:
            raise ConnectError(
                f"{where} does not accept the login; check winrm_user and the password"
                if auth != "certificate"
                else f"{where} does not accept the client certificate; map it to a user there"
            ) from None
        except requests.exceptions.SSLError as wrong:
            raise ConnectError(
                f"the certificate of {where} is not trusted ({_tls(wrong)}); give its authority's "
                "certificate as winrm_ca_file, and the name that stands in it"
            ) from None
        except requests.exceptions.RequestException as wrong:
            raise ConnectError(
                f"{where} cannot be reached ({type(wrong).__name__}); check the address, its HTTPS "
                "listener (winrm quickconfig -transport:https) and the firewall"
            ) from None
        except WinRMTransportError as wrong:
            raise ConnectError(
                f"{where} is no WinRM listener: it answers {wrong.code}; is it a Windows host?"
            ) from None
        except (WinRMError, Refused, OSError, ValueError) as wrong:
            raise ConnectError(f"{where}: {_said(wrong)}") from None
        except SyntaxError:
            # ElementTree's complaint about an answer that is no XML.
            raise ConnectError(f"{where} is no WinRM listener; is it a Windows host?") from None

    def _password(self) -> str | None:
        given: str | Hidden | None = self.data["winrm_password"]
        if given is None or isinstance(given, str):
            return given
        try:
            return given.password_for(self.host)
        except LookupError as wrong:
            raise ConnectError(f"winrm_password: {wrong.args[0]}") from None

    def disconnect(self) -> None:
        """Close the shell; the host would keep it for hours."""
        shell, self._shell = self._shell, None
        if shell is not None:
            import requests
            from pypsrp.exceptions import WinRMError

            # It may be gone already.
            with contextlib.suppress(WinRMError, requests.exceptions.RequestException):
                shell.close()
            shell.wsman.close()

    def execute(self, line: str, stdin: bytes, timeout: float | None) -> tuple[int, bytes, bytes]:
        import requests
        from pypsrp.exceptions import WinRMError, WSManFaultError
        from pypsrp.shell import CommandState, Process, SignalCode

        assert self._shell is not None, "connect() comes first"
        process = Process(self._shell, line)
        try:
            process.begin_invoke()
            # Its end is sent even where there is none of it: a program that reads would wait.
            for start in range(0, max(1, len(stdin)), _STDIN_PIECE):
                piece = stdin[start : start + _STDIN_PIECE]
                try:
                    process.send(piece, end=start + len(piece) == len(stdin))
                except WSManFaultError:
                    # It has ended without reading all; its exit code says why.
                    break
            ends = None if timeout is None else time.monotonic() + timeout
            while process.state != CommandState.DONE:
                if ends is not None and time.monotonic() > ends:
                    process.signal(SignalCode.TERMINATE)
                    raise TimeoutError(f"no end after {timeout} s")
                # The host keeps a poll open until there is output, or so long.
                left = _POLL_SECONDS if ends is None else math.ceil(ends - time.monotonic())
                process.poll_invoke(timeout=max(1, min(_POLL_SECONDS, left)))
            process.signal(SignalCode.TERMINATE)
        except (requests.exceptions.RequestException, WinRMError) as lost:
            raise Refused(f"the connection was lost ({_said(lost)})") from None
        # Unsigned on the wire or not, exit codes such as -1 are one number.
        return (process.rc or 0) & 0xFFFFFFFF, process.stdout, process.stderr

    def _upload(self, content: IO[bytes], folder: str, name: str) -> None:
        data = content.read()
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        self._must(
            f"cd /d {path(folder)}&& tar.exe -xf -",
            f"cannot write to {folder}",
            packed.getvalue(),
        )


class WinSSH(_Windows, SSHConnector):
    """OpenSSH on Windows. Host data is that of pyinfra's own ``@ssh`` (``ssh_user``, ``ssh_key``,
    …); an inventory names a host ``@winssh/NAME``."""

    @staticmethod
    def make_names_data(name: str) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        """Yield ``@winssh/NAME`` in an inventory or on the command line."""
        yield f"@winssh/{name}", {"ssh_hostname": name}, []

    def connect(self) -> None:
        """Log in and make sure that Windows answers."""
        SSHConnector.connect(self)
        try:
            self._check_host()
        except (Refused, OSError, SSHException) as wrong:
            raise ConnectError(_one_line(wrong)) from None

    def disconnect(self) -> None:
        """Forget the file transfer, close the connection."""
        SSHConnector.disconnect(self)
        if self.client is not None:
            self.client.close()

    def execute(self, line: str, stdin: bytes, timeout: float | None) -> tuple[int, bytes, bytes]:
        transport = self.client.get_transport() if self.client else None
        if transport is None or not transport.is_active():
            raise Refused("the connection was lost")
        try:
            channel = transport.open_session(timeout=60)
            channel.exec_command(line if line == _UNIX else f"{_UTF8}& {line}")
            streams = (_Reader(channel.makefile("rb")), _Reader(channel.makefile_stderr("rb")))
            # It may end without reading all; its exit code says why.
            with contextlib.suppress(OSError):
                channel.sendall(stdin)
                channel.shutdown_write()
            ends = None if timeout is None else time.monotonic() + timeout
            for one in streams:
                one.join(None if ends is None else max(0, ends - time.monotonic()))
                if one.is_alive():
                    channel.close()
                    raise TimeoutError(f"no end after {timeout} s")
            code = channel.recv_exit_status()
        except TimeoutError:
            raise
        except (SSHException, OSError, EOFError) as lost:
            raise Refused(f"the connection was lost ({_one_line(lost)})") from None
        if code == -1:
            raise Refused("the connection was lost before the command had ended")
        return code & 0xFFFFFFFF, streams[0].read, streams[1].read

    def _upload(self, content: IO[bytes], folder: str, name: str) -> None:
        try:
            sftp = self.get_file_transfer_connection()
            assert sftp is not None
            sftp.putfo(content, sftp_path(folder).rstrip("/") + f"/{name}")
        except (SSHException, OSError, EOFError) as lost:
            raise Refused(f"the upload broke off ({_one_line(lost)})") from None


class _Reader(threading.Thread):
    """Reads a stream to its end beside the others, with gevent (in pyinfra's command) or without
    (in verification)."""

    def __init__(self, stream: BufferedFile[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream, self.read = stream, b""
        self.start()

    def run(self) -> None:
        """Read until its end; a connection that breaks is one, and the exit code is missing
        then."""
        with contextlib.suppress(OSError, EOFError, SSHException):
            self.read = self._stream.read()


def _said(wrong: BaseException) -> str:
    """Return what is worth reading of a complaint of WinRM's."""
    import requests
    from pypsrp.exceptions import WSManFaultError

    if isinstance(wrong, requests.exceptions.RequestException):
        return type(wrong).__name__
    if isinstance(wrong, WSManFaultError):
        return f"WSMan fault {wrong.code}"
    return _one_line(wrong)


def _one_line(wrong: BaseException) -> str:
    return " ".join(str(wrong).split())[:300] or type(wrong).__name__


def _tls(wrong: Exception) -> str:
    found = re.search(r"certificate verify failed: ([^(\"]+)", str(wrong))
    return found[1].strip() if found else "the handshake failed"
