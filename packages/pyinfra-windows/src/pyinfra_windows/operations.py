"""Changes of a Windows host: pyinfra operations, each usable alone."""

from __future__ import annotations

import functools
import hashlib
import io
import re
import tarfile
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Concatenate, ParamSpec

from pyinfra import host, logger
from pyinfra.api import FileUploadCommand, FunctionCommand, StringCommand, operation
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host
from pyinfra.api.state import State

from pyinfra_windows import facts
from pyinfra_windows.connectors import DIGESTS, Refused, digests_in
from pyinfra_windows.powershell import cmd_quote, path, property_value, quote, script

__all__ = ["LOG_TAIL", "WORK", "Files", "exchange", "fields_of", "file", "firewall_rules"]
__all__ += ["firewall_script", "package", "put_back", "refusal_as_one_line", "scheduled_task"]
__all__ += ["service", "service_state", "stop_service", "template", "tree", "work_folder"]

WORK = "C:\\ProgramData\\pyinfra"
"""Folder of a host that uploads pass through, unless an operation is given another."""

STOP_SECONDS = 90
"""Seconds that a service may take to stop."""
LOG_TAIL = 20
"""Lines of an installer's log that a failure shows."""

Commands = Generator[StringCommand | FileUploadCommand | FunctionCommand, None, None]

_REBOOT = (3010, 1641)
_ABSENT = 1605
_BUSY = 1618

# By number, since their names are translated: the system and the administrators.
_CLOSED = '/inheritance:r /grant:r "*S-1-5-18:(OI)(CI)F" "*S-1-5-32-544:(OI)(CI)F"'


P = ParamSpec("P")


class Files(dict[str, bytes]):
    """Contents by path, with forward slashes; shown nowhere, since they may hold secrets."""

    def __repr__(self) -> str:
        return f"<{len(self)} files>"


def refusal_as_one_line(step: Callable[Concatenate[State, Host, P], bool]) -> Callable[..., bool]:
    """Make a step of an operation whose refusal is one line, where pyinfra would show a
    traceback."""

    @functools.wraps(step)
    def run(state: State, host: Host, *words: P.args, **more: P.kwargs) -> bool:
        try:
            return step(state, host, *words, **more)
        except Refused as wrong:
            logger.error(f"{host.print_prefix}{wrong}")
            return False

    return run


def work_folder(work: str) -> StringCommand:
    """Make the folder that uploads pass through: closed, since they may hold secrets."""
    folder = path(work)
    return StringCommand(f"if not exist {folder} (md {folder}&& icacls {folder} {_CLOSED} /q >nul)")


def fields_of(version: str) -> tuple[int, int, int]:
    """Return the three fields that Windows Installer compares; a fourth is for people."""
    numbers = re.findall(r"\d+", version)[:3]
    first, second, third = [*map(int, numbers), 0, 0, 0][:3]
    return first, second, third


@operation()
def package(
    product_code: str,
    version: str,
    source: str | Path,
    sha256: str | None = None,
    properties: Mapping[str, str] | None = None,
    features: Sequence[str] = (),
    service: str | None = None,
    busy_seconds: int = 600,
    present: bool = True,
    work: str = WORK,
) -> Commands:
    """Install an MSI at a version: another one is uninstalled first, since its product code is the
    same.

    + product_code: in braces
    + version: compared by its first three fields
    + source: a file on this machine, or an ``https://`` address that the host fetches itself
    + sha256: of the file; needed with an address
    + properties: public properties, such as ``INSTALLLOCATION``
    + features: ``ADDLOCAL``; empty for the package's own choice
    + service: stopped before anything is uninstalled
    + busy_seconds: how long to wait for another installation to end
    + present: False uninstalls
    + work: a folder that the file and the installer's log lie in
    """
    code = product_code.upper()
    if not re.fullmatch(r"\{[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\}", code):
        raise OperationError(f"{product_code!r} is no product code; give it in braces")
    found = host.get_fact(facts.MsiPackages).get(code)
    if found is None and not present:
        return
    if found is not None and present and fields_of(found.version) == fields_of(version):
        return
    given = [property_value(name, value) for name, value in (properties or {}).items()]
    if features:
        given.append(property_value("ADDLOCAL", ",".join(features)))
    yield work_folder(work)
    msi = f"{work}\\package.msi"
    if present:
        # All that can go wrong with the file goes wrong before the old version is touched.
        yield from _fetched(source, sha256, msi)
    if found is not None:
        if service is not None:
            yield FunctionCommand(_stopped, (service,), {})
        yield FunctionCommand(_msiexec, (f"/x {code}", busy_seconds, work), {})
    if present:
        words = " ".join([f"/i {path(msi)}", "ALLUSERS=1", *given])
        yield FunctionCommand(_msiexec, (words, busy_seconds, work), {})
        yield FunctionCommand(_registered, (code, version, service), {})
        yield StringCommand(f"del /q {path(msi)}")


def _fetched(source: str | Path, sha256: str | None, target: str) -> Commands:
    if isinstance(source, Path) or "://" not in source:
        content = Path(source)
        if not content.is_file():
            raise OperationError(f"{content} is not there; give an MSI or its https address")
        digest = hashlib.sha256(content.read_bytes()).hexdigest()
        if sha256 is not None and digest != sha256.lower():
            raise OperationError(f"{content} has the SHA-256 {digest}, not {sha256}")
        yield FileUploadCommand(str(content), target)
        return
    if not source.startswith("https://") or sha256 is None:
        raise OperationError("an MSI from the network needs https:// and its sha256")
    yield FunctionCommand(_download, (source, sha256.lower(), target), {})


@refusal_as_one_line
def _download(state: State, host: Host, url: str, sha256: str, target: str) -> bool:
    folder, _, name = target.rpartition("\\")
    good, output = host.run_shell_command(
        StringCommand(
            f"cd /d {path(folder)}&& curl.exe -fsSL --proto =https -o {name} {cmd_quote(url)}"
            f"&& {DIGESTS} {name}"
        )
    )
    if good and digests_in(output.stdout_lines).get(name) == sha256:
        return True
    why = "is not the file with that SHA-256" if good else output.stderr.strip()
    logger.error(f"{host.print_prefix}{url}: {why}")
    return False


def service_state(host: Host, service: str) -> facts.ServiceState | None:
    """Return a service as it is now."""
    fact = facts.Service()
    _, output = host.run_shell_command(StringCommand(fact.command(service)))
    return fact.process(output.stdout_lines)


def stop_service(host: Host, service: str) -> None:
    """Stop a service that may run, and wait until it has stopped (:class:`Refused` otherwise)."""
    _, output = host.run_shell_command(StringCommand(f"net stop {cmd_quote(service)}"))
    ends = time.monotonic() + STOP_SECONDS
    # net waits for a while, and not at all for one that is stopping already.
    while (found := service_state(host, service)) is not None and not found.stopped:
        if time.monotonic() > ends:
            said = " ".join(output.output.split())
            raise Refused(f"the service {service} does not stop ({said})")
        time.sleep(0.5)


@refusal_as_one_line
def _stopped(state: State, host: Host, service: str) -> bool:
    stop_service(host, service)
    return True


@refusal_as_one_line
def _msiexec(state: State, host: Host, words: str, busy_seconds: int, work: str) -> bool:
    """Run Windows Installer; say what its exit code means, and show its log where it failed."""
    run, log = f"{work}\\msi.cmd", f"{work}\\msi.log"
    lines = [
        "@echo off",
        # Without start, cmd.exe would not wait for a program with a window.
        f'start /wait "" msiexec {words} /qn /norestart /l*v {path(log)}',
        # The whole number: neither sshd nor cmd.exe's callers pass on more than they know.
        "echo pyinfra-exit %ERRORLEVEL%",
        "exit /b 0",
    ]
    host.put_file(io.BytesIO(_batch(lines)), run)
    step, waited = 2, 0
    while True:
        _, output = host.run_shell_command(StringCommand(f"call {path(run)}"))
        said = re.search(r"pyinfra-exit (-?\d+)", output.stdout)
        code = int(said[1]) if said else -1
        if code != _BUSY or waited >= busy_seconds:
            break
        if not waited:
            logger.info(f"{host.print_prefix}another installation is running; waiting for it")
        # Windows Installer has no way to ask when the other one is done.
        time.sleep(step)
        waited += step
    if code in (0, *_REBOOT) or (code == _ABSENT and words.startswith("/x")):
        if code in _REBOOT:
            logger.warning(f"{host.print_prefix}Windows asks for a restart (exit code {code})")
        return True
    meaning = {
        _BUSY: f"another installation was still running after {busy_seconds} s; try again",
        1638: "another version is there",
        1619: "the MSI cannot be opened",
    }.get(code, "the installation failed")
    logger.error(f"{host.print_prefix}msiexec {code}: {meaning}")
    for line in _tail(host, log):
        logger.error(f"{host.print_prefix}{line}")
    return False


@refusal_as_one_line
def _registered(state: State, host: Host, code: str, version: str, service: str | None) -> bool:
    """Make sure that the MSI held what its name said, or every run would install it again; and that
    it has made its service, whose failure need not be the installer's."""
    fact = facts.MsiPackages()
    _, output = host.run_shell_command(StringCommand(fact.command()))
    found = fact.process(output.stdout_lines).get(code)
    if found is not None and fields_of(found.version) == fields_of(version):
        if service is None or service_state(host, service) is not None:
            return True
        logger.error(
            f"{host.print_prefix}the MSI has not made the service {service}; restart the host, "
            "uninstall the product there, and deploy again"
        )
        return False
    holds = "another product" if found is None else f"version {found.version}"
    logger.error(f"{host.print_prefix}the MSI holds {holds}, not version {version}; give that one")
    return False


def _tail(host: Host, log: str) -> list[str]:
    target = io.BytesIO()
    try:
        host.get_file(log, target)
    except Refused:
        return []
    content = target.getvalue()
    # Windows Installer writes its log in UTF-16, wine in the console's code page.
    text = content.decode("utf-16" if content[:2] == b"\xff\xfe" else "utf-8", "replace")
    return [line for line in text.splitlines() if line.strip()][-LOG_TAIL:]


@operation()
def service(
    service: str, running: bool = True, automatic: bool = True, recover: bool = True
) -> Commands:
    """Set a service that is there already: its start, its recovery, and whether it runs."""
    found = host.get_fact(facts.Service, service=service)
    word = cmd_quote(service)
    if found is None or (automatic and not found.automatic):
        start = "auto" if automatic else "demand"
        yield StringCommand(f"sc.exe config {word} start= {start}")
    if recover and (found is None or not found.recovers):
        yield StringCommand(
            f"sc.exe failure {word} reset= 86400 actions= restart/5000/restart/30000/restart/60000"
        )
    if found is None or found.running != running:
        # net waits until it is done; sc only asks.
        yield StringCommand(f"net {'start' if running else 'stop'} {word}")


@operation()
def file(target: str, content: bytes | str | Path) -> Commands:
    """Write one file with this content."""
    if isinstance(content, Path):
        content = content.read_bytes()
    elif isinstance(content, str):
        content = content.encode()
    folder, _, name = target.rpartition("\\")
    present = host.get_fact(facts.TreeDigests, folder=folder)
    if present.get(name) != hashlib.sha256(content).hexdigest():
        yield FileUploadCommand(io.BytesIO(content), target)


@operation()
def template(target: str, source: Path, **values: object) -> Commands:
    """Write one file from a Jinja2 template whose values are words, numbers and addresses."""
    import jinja2

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    text = environment.from_string(source.read_text(encoding="utf-8")).render(**values)
    yield from file._inner(target=target, content=text)


@operation()
def tree(folder: str, wanted: Files, work: str = WORK) -> Commands:
    """Make a folder hold ``wanted`` and nothing else: one upload of what differs, exchanged as a
    whole. What was there before stays beside it as ``FOLDER.old``.

    + folder: made closed to all but the system and administrators
    + wanted: the files, by paths relative to the folder
    + work: a folder that the upload passes through
    """
    present = host.get_fact(facts.TreeDigests, folder=folder)
    if _differing(wanted, present):
        yield FunctionCommand(_exchanged, (folder, wanted, present, work), {})


@refusal_as_one_line
def _exchanged(
    state: State, host: Host, folder: str, wanted: Files, present: Mapping[str, str], work: str
) -> bool:
    exchange(host, folder, wanted, present, work)
    return True


def _differing(wanted: Files, present: Mapping[str, str]) -> list[str]:
    """List the paths by which a folder's digests are not those of the files."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in wanted.items()}
    return sorted({name for name, _ in digests.items() ^ present.items()})


def exchange(host: Host, folder: str, wanted: Files, present: Mapping[str, str], work: str) -> None:
    """Make a folder hold ``wanted``, given the digests that it has, or change nothing and say
    why (:class:`Refused`)."""
    _must(host, work_folder(work), f"{work} cannot be made")
    archive = f"{work}\\tree.tar"
    host.put_file(io.BytesIO(_packed(folder, wanted, present)), archive)
    unpacked = path(f"{work}\\tree")
    here, new, old = (path(f"{folder}{end}") for end in ("", ".new", ".old"))
    digests = facts.TreeDigests()
    # The host is asked: the exit codes of cmd.exe's own words are no proof of anything.
    _, output = host.run_shell_command(
        StringCommand(
            f"(if exist {unpacked} rd /s /q {unpacked})& md {unpacked}&& cd /d {unpacked}&& "
            "tar.exe -xf ..\\tree.tar&& call .\\build.cmd& cd ..& "
            f"rd /s /q {unpacked}& del tree.tar& " + digests.command(f"{folder}.new")
        )
    )
    if wrong := _differing(wanted, digests.process(output.stdout_lines)):
        raise Refused(
            f"{folder}: nothing changed, since {', '.join(wrong)} did not arrive whole "
            f"({' '.join(output.stderr.split()) or 'without a word'})"
        )
    _, output = host.run_shell_command(
        StringCommand(
            f"(if exist {old} rd /s /q {old})& (if exist {here} move {here} {old} >nul)& "
            f"(if not exist {here} move {new} {here} >nul)& "
            f"(if not exist {here} move {old} {here} >nul)& " + digests.command(folder)
        )
    )
    if _differing(wanted, digests.process(output.stdout_lines)):
        raise Refused(f"{folder} cannot be replaced: does a program hold a file in it open?")


def put_back(host: Host, folder: str) -> bool:
    """Undo :func:`exchange`; False where there was nothing before it."""
    here, new, old = (path(f"{folder}{end}") for end in ("", ".new", ".old"))
    _, output = host.run_shell_command(
        StringCommand(
            f"if exist {old} (move {here} {new} >nul& move {old} {here} >nul& echo back)& exit 0"
        )
    )
    return "back" in output.stdout


def _must(host: Host, command: StringCommand, otherwise: str) -> None:
    good, output = host.run_shell_command(command)
    if not good:
        said = " ".join(output.output.split())
        raise Refused(f"{otherwise} ({said})" if said else otherwise)


def _packed(folder: str, wanted: Files, present: Mapping[str, str]) -> bytes:
    """Pack the files that differ, and a batch file that makes ``FOLDER.new`` of them and of the
    rest."""
    differing = _differing(wanted, present)
    put = [name for name in differing if name in wanted]
    here, new, old = (path(f"{folder}{end}") for end in ("", ".new", ".old"))
    lines = [
        "@echo off",
        # An exchange that was cut off between its two moves.
        f"if not exist {here} if exist {old} move {old} {here} >nul",
        f"if exist {new} rd /s /q {new}",
        f"md {new}",
        "if errorlevel 1 exit /b 1",
        f"icacls {new} {_CLOSED} /q >nul",
        "if errorlevel 1 exit /b 1",
    ]
    if len(put) < len(wanted):
        lines += [f"xcopy {here} {new} /e /i /q /y /h >nul", "if errorlevel 1 exit /b 1"]
        gone = [name for name in differing if name not in wanted]
        lines += [f"del /f /q {_below(f'{folder}.new', name)}" for name in gone]
    folders = {name.rpartition("/")[0] for name in put} - {""}
    lines += [
        f"if not exist {one} md {one}"
        for one in (_below(f"{folder}.new", name) for name in sorted(folders))
    ]
    lines += [
        f"move /y f{number} {_below(f'{folder}.new', name)} >nul" for number, name in enumerate(put)
    ]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        files = {f"f{number}": wanted[name] for number, name in enumerate(put)}
        for name, content in {**files, "build.cmd": _batch([*lines, "exit /b 0"])}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _batch(lines: Iterable[str]) -> bytes:
    return "\r\n".join([*lines, ""]).encode()


def _below(folder: str, name: str) -> str:
    if not name.isascii():
        raise OperationError(
            f"{name!r} is not ASCII, which Windows' tar.exe cannot be trusted with"
        )
    return path(f"{folder}\\{name}".replace("/", "\\"))


@operation()
def firewall_rules(
    group: str,
    wanted: Sequence[facts.FirewallRule],
    present: Mapping[str, facts.FirewallRule] | None = None,
) -> Commands:
    """Make the group's incoming rules ``wanted`` and no others; other groups are left alone.

    + present: as the host has them; asked of it where left out
    """
    if present is None:
        present = host.get_fact(facts.FirewallRules, group=group)
    if lines := firewall_script(group, wanted, present):
        yield script(lines)


def firewall_script(
    group: str, wanted: Sequence[facts.FirewallRule], present: Mapping[str, facts.FirewallRule]
) -> list[str]:
    """Return PowerShell that makes a group's rules ``wanted``, or nothing."""
    names = {rule.name for rule in wanted}
    lines = [f"Remove-NetFirewallRule -Name {quote(name)}" for name in present if name not in names]
    for rule in wanted:
        if _same(rule, present.get(rule.name)):
            continue
        if rule.name in present:
            lines.append(f"Remove-NetFirewallRule -Name {quote(rule.name)}")
        lines.append(_new_rule(group, rule))
    return lines


def _same(wanted: facts.FirewallRule, found: facts.FirewallRule | None) -> bool:
    return found is not None and (
        found.active
        and found.protocol == wanted.protocol
        and set(found.ports) == set(wanted.ports)
        and found.program.lower() == wanted.program.lower()
        and set(found.remote) == set(wanted.remote)
    )


def _new_rule(group: str, rule: facts.FirewallRule) -> str:
    words = [
        f"New-NetFirewallRule -Name {quote(rule.name)} -DisplayName {quote(rule.name)}",
        f"-Group {quote(group)} -Direction Inbound -Action Allow -Enabled True -Profile Any",
        f"-Protocol {rule.protocol.upper()}",
    ]
    if rule.ports:
        words.append(f"-LocalPort {','.join(quote(port) for port in rule.ports)}")
    if rule.program:
        words.append(f"-Program {quote(rule.program)}")
    if rule.remote:
        words.append(f"-RemoteAddress {','.join(quote(one) for one in rule.remote)}")
    return " ".join([*words, "| Out-Null"])


@operation()
def scheduled_task(
    task: str, lines: Sequence[str], at: str = "03:30", work: str = WORK
) -> Commands:
    """Have a batch file run by the system every day at a time.

    + task: its name, letters, digits and ``-``
    + lines: of the batch file
    + at: hours and minutes of the host's own time
    + work: a folder without spaces in its path that the batch file lies in
    """
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", at):
        raise OperationError(f"{at!r} is no time of day; use one such as '03:30'")
    if not re.fullmatch(r"[A-Za-z0-9-]+", task):
        raise OperationError(f"{task!r} is no name of a task; use letters, digits and -")
    # schtasks takes a program's path without spaces alone.
    batch = f"{work}\\{task}.cmd"
    content = _batch(["@echo off", *lines])
    present = host.get_fact(facts.TreeDigests, folder=work)
    if present.get(f"{task}.cmd") != hashlib.sha256(content).hexdigest():
        yield work_folder(work)
        yield FileUploadCommand(io.BytesIO(content), batch)
    if not host.get_fact(facts.Task, task=task):
        yield StringCommand(
            f"schtasks.exe /create /f /ru SYSTEM /rl HIGHEST /sc daily /st {at} /tn {task} "
            f"/tr {batch}"
        )
        yield FunctionCommand(_scheduled, (task,), {})


@refusal_as_one_line
def _scheduled(state: State, host: Host, task: str) -> bool:
    """Make sure that the task is there: a schtasks.exe that does nothing ends well, too."""
    fact = facts.Task()
    _, output = host.run_shell_command(StringCommand(fact.command(task)))
    if fact.process(output.stdout_lines):
        return True
    logger.error(f"{host.print_prefix}schtasks.exe has made no task {task}")
    return False
