"""The one door to hosts of all commands but deploys: ssh, told pyinfra's own host data.

pyinfra's connector needs threads, which the forks that prove a site do not survive. OpenSSH reads
the operator's configuration (jump hosts, agents, certificates) as it is meant.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from callcenter.client.inventory import Host
from callcenter.render import shell
from callcenter.site import SiteError
from callcenter.site.logins import SUDO

__all__ = ["AM_ROOT", "Login", "answer", "lines", "login", "refusal"]

AM_ROOT = shell.command(__file__, "am_root")
"""Shell command that refuses another login, whom a host would answer in part."""

_FORGET = ("env", "-u", "CALLCENTER_SUDO_PASSWORD", "-u", "SUDO_ASKPASS")
"""Command that keeps from another what sudo alone is to know."""


class Login:
    """A way into one host, as its host data says, while its folder is there."""

    def __init__(self, host: Host, folder: Path, *, shared: bool = False) -> None:
        """Prepare it. ``shared``: sessions go over the login of :meth:`keep` where there is one."""
        name = host.name.removeprefix("@ssh/")
        if name.startswith("@"):
            raise SiteError([f"{host.name}: is not reached by ssh; give a host that is"])
        self.name, self.folder, self._data = host.name, folder, host.data
        self.destination = str(host.data.get("ssh_hostname") or name)
        config = folder / "config"
        config.write_text("\n".join(self._settings(shared)) + "\n", encoding="utf-8")
        self._config = config
        self.environment = {**os.environ, **self._secrets()}

    def command(self, *options: str) -> list[str]:
        """Return the arguments of ssh, to which a remote command may be added."""
        return ["ssh", "-F", str(self._config), *options, self.destination]

    def remote(self, command: str) -> tuple[str, bytes]:
        """Return a command as the host is given it, by sudo where its data says so, and what goes
        before the command's own standard input."""
        words: dict[str, Any] = {name: self._data[name] for name in SUDO if name in self._data}
        if not words:
            return shlex.join(["sh", "-c", command]), b""
        # Not above: what pyinfra imports takes a third of a second, and sudo alone is its own.
        from pyinfra.api import StringCommand
        from pyinfra.connectors.util import make_unix_command

        password = words.get("_sudo_password") if words.get("_sudo") else None
        if password is None:
            made = make_unix_command(StringCommand(command), **words)
            return made.get_raw_value(), b""
        # Without a path of pyinfra's own, the password is used for the choice of options alone.
        own = shlex.join([*_FORGET, "sh", "-c", command])
        made = make_unix_command(StringCommand(own), **words)
        # pyinfra has the password on the command line of the host's shell.
        return shell.command(__file__, "sudo", made.get_raw_value()), f"{password}\n".encode()

    def run(self, command: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command on the host to its end."""
        remote, before = self.remote(command)
        return subprocess.run(
            [*self.command(), remote],
            input=before + given,
            env=self.environment,
            capture_output=True,
            check=False,
        )

    @contextmanager
    def keep(self) -> Iterator[None]:
        """Log in once for all sessions of the time; where that fails, each logs in by itself."""
        # It ends with this process, even if that is killed: there is nothing more to read then.
        process = subprocess.Popen(
            [*self.command("-o", "ControlMaster=yes"), shell.command(__file__, "keep")],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert process.stdin
        assert process.stdout
        try:
            # Before that they would log in all at once, and sshd lets in ten at a time.
            process.stdout.readline()
            yield
        finally:
            _end(process)
            process.stdin.close()
            process.stdout.close()

    def _settings(self, shared: bool) -> Iterator[str]:
        """Yield ssh's configuration: host data first, since the first value counts."""
        data = self._data
        yield f"Host {self.destination}"
        for key, word in (("ssh_user", "User"), ("ssh_port", "Port")):
            if data.get(key):
                yield f"  {word} {data[key]}"
        if data.get("ssh_key"):
            yield f'  IdentityFile "{_path(data["ssh_key"])}"'
            yield "  IdentitiesOnly yes"
        if data.get("ssh_known_hosts_file"):
            yield f'  UserKnownHostsFile "{_path(data["ssh_known_hosts_file"])}"'
        if data.get("ssh_forward_agent"):
            yield "  ForwardAgent yes"
        yield f"  StrictHostKeyChecking {data.get('ssh_strict_host_key_checking', 'accept-new')}"
        if not any(data.get(name) for name in ("ssh_password", "ssh_key_password")):
            yield "  BatchMode yes"
        yield "  NumberOfPasswordPrompts 1"
        yield "  LogLevel ERROR"
        if shared:
            # A short path: that of a socket may not be long.
            yield f'  ControlPath "{self.folder}/s"'
        operators = _path(data.get("ssh_config_file") or "~/.ssh/config")
        yield "Match all"
        yield f'  Include "{operators}"'
        # Unless that says another time: a host that drops what comes is not waited for.
        yield "Match all"
        yield "  ConnectTimeout 15"

    def _secrets(self) -> Mapping[str, str]:
        """Return the environment by which ssh is told passwords, where there are any."""
        names = ("ssh_password", "ssh_key_password")
        given = {name: str(self._data[name]) for name in names if self._data.get(name)}
        if not given:
            return {}
        askpass = self.folder / "askpass"
        askpass.write_text(shell.text(__file__, "askpass"), encoding="utf-8")
        askpass.chmod(0o700)
        printed = subprocess.run(
            self.command("-G"), capture_output=True, text=True, check=False
        ).stdout
        resolved = dict(line.split(" ", 1) for line in printed.splitlines() if " " in line)
        return {
            "SSH_ASKPASS": str(askpass),
            "SSH_ASKPASS_REQUIRE": "force",
            "CALLCENTER_SSH_USER": resolved.get("user", ""),
            "CALLCENTER_SSH_HOST": resolved.get("hostname", ""),
            "CALLCENTER_SSH_KEY": str(_path(self._data.get("ssh_key") or "")),
            "CALLCENTER_SSH_PASSWORD": given.get("ssh_password", ""),
            "CALLCENTER_SSH_KEY_PASSWORD": given.get("ssh_key_password", ""),
        }


@contextmanager
def login(host: Host, *, shared: bool = False) -> Iterator[Login]:
    """Give a way into a host for the time of a command. ``shared``: its sessions are several, and
    go over one login."""
    with tempfile.TemporaryDirectory(prefix="login-") as folder:
        entered = Login(host, Path(folder), shared=shared)
        with entered.keep() if shared else nullcontext():
            yield entered


_ADVICE = (
    ("Could not resolve", "give ssh_hostname, or a name that DNS knows"),
    (
        "(?i)No route to host|timed out|unreachable",
        "is it up, and reached from here? ssh_hostname and ssh_port say where",
    ),
    ("Connection refused", "no ssh listens there; ssh_port says another port"),
    ("Permission denied", "ssh_user, ssh_key and ssh_password say who logs in"),
    (
        "Host key verification",
        "its key is not the one that is known; ask who runs it, and see ssh_known_hosts_file",
    ),
    ("sudo: .*password", "_sudo_password is that of ssh_user"),
    ("not in the sudoers|not allowed to", "let ssh_user use sudo, or log in as another"),
    ("must be root", "set _sudo=True, or log in as root: ssh_user='root'"),
    ("fs_cli: .*not found", "no FreeSWITCH is there; deploy to it first"),
    ("sudo: .*not found", "install sudo, or log in as root: ssh_user='root'"),
)
"""Words of ssh and sudo, each with what to do."""


def refusal(host: Host, said: bytes) -> SiteError:
    """Say why a host gave no answer, and what to do about it."""
    lines = [
        # What a host says moves no cursor.
        "".join(sign if sign.isprintable() else "?" for sign in line)
        for line in said.decode(errors="replace").strip().splitlines()
    ] or ["ssh failed"]
    for words, right in _ADVICE:
        # The line that says it, and none of a banner before.
        for line in lines:
            if re.search(words, line):
                return SiteError([f"{host.name}: {line.rstrip('.')}; {right}"])
    return SiteError([f"{host.name}: {line}" for line in lines[-3:]])


def answer(host: Host, command: str, given: bytes = b"") -> str:
    """Return what a command on a host prints; what it says when it fails is refused."""
    with login(host) as entered:
        done = entered.run(command, given)
    if done.returncode:
        raise refusal(host, done.stderr)
    return done.stdout.decode()


def lines(host: Host, command: str, given: bytes = b"") -> Iterator[str]:
    """Yield what a command on a host prints as it comes, a line each; what it says when it fails is
    refused. The command sees its output closed where nobody goes on reading."""
    with login(host) as entered:
        remote, before = entered.remote(command)
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(
                [*entered.command(), remote],
                env=entered.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            ) as process,
        ):
            assert process.stdin
            assert process.stdout
            try:
                with suppress(BrokenPipeError), process.stdin as stdin:
                    # ssh that could not log in does not read it.
                    stdin.write(before + given)
                for line in process.stdout:
                    yield line.decode(errors="replace").rstrip("\n")
                process.wait()
            finally:
                _end(process)
            if process.returncode:
                errors.seek(0)
                raise refusal(host, errors.read())


def _end(process: subprocess.Popen[bytes]) -> None:
    """End ssh, where it has not ended by itself."""
    # SIGTERM that comes as ssh begins to wait is heeded when something else wakes it: in minutes.
    process.kill()
    process.wait()


def _path(text: str | Path) -> Path:
    # As pyinfra does it: OpenSSH itself does not ask $HOME.
    return Path(text).expanduser().absolute()
