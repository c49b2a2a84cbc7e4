"""The hosts and the Site come from the pyinfra inventory: what was described is what is proved."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from functools import cache, partial, reduce
from operator import or_
from pathlib import Path
from typing import Any

import pytest

from callcenter.client.advertised import advertised
from callcenter.client.inventory import Host, Inventory, load
from callcenter.client.ssh import Login
from callcenter.render import paths, windows_paths
from callcenter.site import Extension, Site, SiteError, Switch
from callcenter.site.secrets import SecretUnavailable
from callcenter.site.served import certificate_of
from tests.acceptance.support.given import ALL, Given, calls
from tests.acceptance.support.given import numbers as numbers_used
from tests.acceptance.support.given import plain as plain_used
from tests.acceptance.support.logins import logins
from tests.acceptance.support.logs import LOG, of_calls
from tests.acceptance.support.phones import Codec, DtmfMode, Exchange, Phone, Transport
from tests.acceptance.support.proofs import not_tried
from tests.acceptance.support.report import Evidence
from tests.acceptance.support.scheduler import GRANTED, declarations
from tests.acceptance.support.uses import Grant, Uses, uses

pytest.importorskip("testinfra")

LINES = 60
"""Lines of each log that are shown beside a failure."""

CODECS: dict[str, Codec] = {"OPUS": "OPUS", "G722": "G722", "PCMU": "PCMU", "PCMA": "PCMA"}
"""The site's codecs that the phones have, too."""


def pytest_configure(config: pytest.Config) -> None:
    """Load the inventory before anything else, so that one line refuses what is wrong with it."""
    path = config.getoption("--inventory")
    if path and not config.option.help:
        try:
            _ = _inventory(path).site
        except (SiteError, SecretUnavailable) as refused:
            raise pytest.UsageError(str(refused)) from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "node" not in metafunc.fixturenames:
        return
    hosts = _inventory(metafunc.config.getoption("--inventory")).hosts
    if not metafunc.module.__name__.rpartition(".")[2].startswith(("test_t0_", "test_t1_")):
        # Calls and services are those of the switch that it stands before.
        hosts = tuple(host for host in hosts if not (host.is_edge and host.others))
    metafunc.parametrize("node", hosts, ids=[host.name for host in hosts], scope="session")


def pytest_proof_uses(item: pytest.Item) -> Uses | None:
    """Return the uses that a test and its fixtures declare, on the host that it is about."""
    case = getattr(item, "callspec", None)
    node = case.params.get("node") if case is not None else None
    if node is None:
        return None
    given = _given(item.config, node)
    return reduce(or_, (declare(given) for declare in declarations(item)), Uses())


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Log in once to each host, for all tests."""
    path = session.config.getoption("--inventory")
    if not path or session.config.option.collectonly:
        return (yield)
    with logins(_inventory(path)) as entered:
        session.config.stash[LOGINS] = entered
        return (yield)


LOGINS = pytest.StashKey[Mapping[str, Login]]()

_loaded: dict[str, Inventory] = {}


def _inventory(path: str) -> Inventory:
    # Once: a lab's inventory takes the process into the lab's network.
    if path not in _loaded:
        _loaded[path] = load(path)
    return _loaded[path]


_given_on: dict[str, Given] = {}


def _given(config: pytest.Config, node: Host) -> Given:
    if node.name not in _given_on:
        inventory = _inventory(config.getoption("--inventory"))
        named = config.getoption("--phones")
        if named == ALL:
            phones = None
        elif named:
            phones = tuple(named.split(","))
            unknown = [one for one in phones if one not in inventory.site.extension_by_number]
            if unknown or len(phones) < 2:
                raise pytest.UsageError(
                    f"--phones: give two or more extensions of the Site, not {named}"
                )
        else:
            phones = tuple(extension.number for extension in inventory.site.extensions[-3:])

        @cache
        def address() -> str:
            try:
                return local_address(advertised(node))
            except (SiteError, OSError):
                # The fixture `switch` says so in each test.
                return ""

        _given_on[node.name] = Given(inventory.site, node, address, phones)
    return _given_on[node.name]


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest) -> Site:
    """The Site of the inventory."""
    return _inventory(request.config.getoption("--inventory")).site


@pytest.fixture(scope="session")
def switch(node: Host) -> Switch:
    """The addresses of the host under test."""
    return advertised(node)


@pytest.fixture(scope="session")
def door(node: Host, switch: Switch) -> Switch:
    """The addresses of the host that phones speak SIP with."""
    return node.edge or switch


@pytest.fixture(scope="session")
def host(node: Host, request: pytest.FixtureRequest) -> Any:
    """The host as Testinfra sees it."""
    if node.switch.is_windows:
        # Not above: what else it imports is of no use without such a host.
        from tests.acceptance.support.windows import windows_host

        return windows_host(node)
    from tests.acceptance.support.linux import linux_host

    return linux_host(request.config.stash[LOGINS][node.name])


@pytest.fixture(scope="session")
def fs_cli(host: Any, node: Host) -> Callable[[str], str]:
    """Ask FreeSWITCH on the host."""
    if node.is_edge:
        pytest.skip(f"{node.name} is an edge: there is no FreeSWITCH to ask")

    def ask(command: str) -> str:
        if node.switch.is_windows:
            from roles.windows.release import fs_cli

            return str(host.check_output(fs_cli(command).get_raw_value())).strip()
        return str(host.check_output("fs_cli -x %s", command)).strip()

    return ask


@pytest.fixture
def given(node: Host, request: pytest.FixtureRequest) -> Given:
    """Return what the host has for tests to use."""
    return _given(request.config, node)


@pytest.fixture
def granted(request: pytest.FixtureRequest) -> Grant:
    """Return what this test may use of the host while it runs."""
    mine: Grant | None = request.node.stash.get(GRANTED, None)
    if mine is None:
        pytest.fail("nobody has granted this test anything; give --calls-at-once instead of -n")
    return mine


@pytest.fixture
@uses(numbers_used)
def numbers(granted: Grant) -> list[str]:
    """Two extensions that nobody else is at the time: the phones of T2."""
    return granted.names("numbers")


@pytest.fixture
@uses(plain_used)
def plain(given: Given, granted: Grant) -> list[str]:
    """Extensions of whose calls nothing else becomes than what is tested here."""
    if given.node.is_edge:
        pytest.skip(f"{given.node.name} is an edge: there is no FreeSWITCH to hold and to transfer")
    if not (found := granted.names("plain")):
        not_tried("--phones names fewer than four extensions of which nothing else is asked")
    return found


@pytest.fixture
def free(given: Given) -> tuple[str, ...]:
    """The extensions that T3 may be, and may ring."""
    return given.free


@pytest.fixture(scope="session")
def alone(request: pytest.FixtureRequest) -> None:
    """Skips what would reach people who work with the site: their meetings, their opening hours."""
    if request.config.getoption("--phones") != ALL:
        not_tried("reaches what everybody uses; give --phones all where nobody works")


def all_free(free: Collection[str], numbers: Iterable[str]) -> None:
    """Skip a test that would ring somebody's phone."""
    if taken := [number for number in numbers if number not in free]:
        not_tried(f"would ring {', '.join(taken)}, which --phones does not name")


def local_address(switch: Switch) -> str:
    """Return the address of this machine that the switch sees."""
    family = (
        socket.AF_INET6
        if ipaddress.ip_address(switch.advertised_address).version == 6
        else (socket.AF_INET)
    )
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((switch.advertised_address, 9))
        return str(probe.getsockname()[0])


@pytest.fixture
@uses(calls)
def exchange(
    site: Site,
    switch: Switch,
    given: Given,
    granted: Grant,
    evidence: Evidence,
    host: Any,
    node: Host,
    tmp_path: Path,
) -> Iterator[Exchange]:
    """The phones of one test; what they said and the host's journal are kept for a failure."""
    # Only who plays a carrier is called without a registration. The others have ports of their
    # own: FreeSWITCH may lose a contact that goes and comes again in one moment.
    port = next((int(one.name) for one in granted.alone if one.kind == "port"), None)
    trusted = authorities(site, tmp_path / "authorities.pem")
    with Exchange(given.local_address(), port=port, ca_file=trusted) as made:
        evidence.add("SIP ladder", made.ladder)
        if node.is_edge:
            journal = f"journalctl -u {paths.KAMAILIO_UNIT} -n {LINES} -o short-precise --no-pager"
            evidence.add("Kamailio's log", lambda: host.run(journal).stdout)
        else:
            said = partial(logged, host, node)
            evidence.add("FreeSWITCH's log", lambda: "\n".join(said(made.users)[-LINES:]))
        yield made


def authorities(site: Site, file: Path) -> Path | None:
    """Write whom phones of a Site with TLS trust: this machine's authorities, and those that the
    Site's own certificate comes with, or that it names. Return None where nothing comes by TLS."""
    if site.network.tls is None:
        return None
    known = ssl.get_default_verify_paths().cafile
    texts = [Path(known).read_bytes()] if known else []
    if (served := certificate_of(site)) is not None:
        texts.append(served[0])
    if site.acme is not None and site.acme.ca_file is not None:
        texts.append(site.acme.ca_file.read_bytes())
    file.write_bytes(b"\n".join(texts))
    return file


def logged(host: Any, node: Host, users: Collection[str]) -> list[str]:
    """Return what FreeSWITCH has logged lately about the calls of some phones."""
    command = f"tail -n 5000 {LOG}"
    if node.switch.is_windows:
        command = f'type "{windows_paths.LOGS}\\freeswitch.log"'
    return of_calls(host.run(command).stdout.splitlines(), users)


@pytest.fixture(autouse=True)
def what_else_went_on(node: Host, host: Any, evidence: Evidence) -> None:
    """The load of both machines and the host's journal are kept for a failure."""
    evidence.add("load of this machine", Path("/proc/loadavg").read_text)
    if not node.switch.is_windows:
        evidence.add("load of the host", lambda: host.run("cat /proc/loadavg").stdout)
        # Without whom sshd let in, and how sessions end.
        journal = f"journalctl -p notice -n {LINES} -o short-precise --no-pager"
        evidence.add("the host's journal", lambda: host.run(journal).stdout)


@pytest.fixture
def phone(
    exchange: Exchange,
    site: Site,
    door: Switch,
    given: Given,
    granted: Grant,
    hide: Callable[[str], str],
    request: pytest.FixtureRequest,
) -> Callable[..., Phone]:
    """Make a phone of an extension, registered unless told otherwise."""
    services = request.node.path.name.startswith("test_t3_")

    def is_granted(number: str) -> None:
        needed = given.dialled(number)
        if needed is not None and needed not in granted:
            pytest.fail(f"the test does not declare by @uses that it uses {needed}")

    def make(
        extension: Extension | str,
        *,
        register: bool = True,
        transport: Transport | None = None,
        codecs: tuple[Codec, ...] | None = None,
        dtmf: DtmfMode = "rfc2833",
        password: str | None = None,
        answers_itself: bool = False,
    ) -> Phone:
        if isinstance(extension, str):
            extension = site.extension_by_number[extension]
        if services:
            all_free(given.free, [extension.number])
        is_granted(extension.number)
        made = exchange.phone(
            extension.number,
            hide(password or site.reveal(extension.password)),
            domain=site.domain,
            server=door.advertised_address,
            port=dict(site.network.listeners)[transport or site.network.for_all[0]],
            transport=transport or site.network.for_all[0],
            codecs=codecs or tuple(CODECS[name] for name in site.media.codecs if name in CODECS),
            dtmf=dtmf,
            srtp="sdes" if site.network.srtp == "required" else None,
            answers_itself=answers_itself,
            before_dialling=is_granted,
        )
        if register:
            made.register()
        return made

    return make
