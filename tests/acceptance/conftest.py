"""The hosts and the Site come from the pyinfra inventory: what was described is what is proved."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from callcenter import paths, windows_paths
from callcenter.announced import announced
from callcenter.inventory import Host, Inventory, load
from callcenter.secrets import SecretUnavailable
from callcenter.site import Extension, Site, SiteError, Switch
from callcenter.ssh import ssh_config as ssh_config_of
from lab.system import LabError
from tests.acceptance.support.phones import Codec, DtmfMode, Exchange, Phone, Transport
from tests.acceptance.support.proofs import not_tried
from tests.acceptance.support.report import Evidence

testinfra = pytest.importorskip("testinfra")

ALL = "all"
"""For ``--phones``: nobody works with the site."""

WITH_CARRIER = ("test_t3_trunk.py", "test_t3_billing.py")
"""The tests that play the carrier of a trunk which leads to this machine."""

CODECS: dict[str, Codec] = {"OPUS": "OPUS", "G722": "G722", "PCMU": "PCMU", "PCMA": "PCMA"}
"""The site's codecs that the phones have, too."""


def pytest_configure(config: pytest.Config) -> None:
    """Load the inventory before anything else, so that one line refuses what is wrong with it."""
    path = config.getoption("--inventory")
    if path and not config.option.help:
        try:
            _ = _inventory(path).site
        except (SiteError, SecretUnavailable, LabError) as refused:
            raise pytest.UsageError(str(refused)) from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "node" not in metafunc.fixturenames:
        return
    hosts = _inventory(metafunc.config.getoption("--inventory")).hosts
    metafunc.parametrize("node", hosts, ids=[host.name for host in hosts], scope="session")


_loaded: dict[str, Inventory] = {}


def _inventory(path: str) -> Inventory:
    # Once: a lab's inventory takes the process into the lab's network.
    if path not in _loaded:
        _loaded[path] = load(path)
    return _loaded[path]


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest) -> Site:
    """The Site of the inventory."""
    return _inventory(request.config.getoption("--inventory")).site


@pytest.fixture(scope="session")
def switch(node: Host, request: pytest.FixtureRequest) -> Switch:
    """The addresses of the host under test."""
    return announced(_inventory(request.config.getoption("--inventory")), node)


@pytest.fixture(scope="session")
def ssh_config(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """pyinfra's ssh data of all hosts, as OpenSSH reads it: verification logs in as deploys do."""
    path = tmp_path_factory.mktemp("ssh") / "config"
    path.write_text(ssh_config_of(_inventory(request.config.getoption("--inventory"))))
    return path


@pytest.fixture(scope="session")
def host(node: Host, ssh_config: Path) -> Any:
    """The host as Testinfra sees it."""
    if node.switch.is_windows:
        # Not above: what else it imports is of no use without such a host.
        from tests.acceptance.support.windows import windows_host

        return windows_host(node)
    sudo = bool(node.data.get("_sudo"))
    return testinfra.get_host(f"ssh://{node.name}", ssh_config=str(ssh_config), sudo=sudo)


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


@pytest.fixture(scope="session")
def numbers(site: Site, request: pytest.FixtureRequest) -> list[str]:
    """The extensions that the phones of T2 are."""
    given = request.config.getoption("--phones")
    if given and given != ALL:
        chosen = given.split(",")
        unknown = [number for number in chosen if number not in site.extension_by_number]
        if unknown or len(chosen) < 2:
            pytest.exit(f"--phones: give two or more extensions of the Site, not {given}", 4)
        return list(chosen)
    return [extension.number for extension in site.extensions[-3:]]


@pytest.fixture(scope="session")
def free(site: Site, numbers: list[str], request: pytest.FixtureRequest) -> list[str]:
    """The extensions that T3 may be, and may ring."""
    if request.config.getoption("--phones") == ALL:
        return [extension.number for extension in site.extensions]
    return numbers


@pytest.fixture(scope="session")
def alone(request: pytest.FixtureRequest) -> None:
    """Skips what would reach people who work with the site: their meetings, their opening hours."""
    if request.config.getoption("--phones") != ALL:
        not_tried("reaches what everybody uses; give --phones all where nobody works")


def all_free(free: list[str], numbers: Iterable[str]) -> None:
    """Skip a test that would ring somebody's phone."""
    if taken := [number for number in numbers if number not in free]:
        not_tried(f"would ring {', '.join(taken)}, which --phones does not name")


def local_address(switch: Switch) -> str:
    """The address of this machine that the switch sees."""
    family = (
        socket.AF_INET6
        if ipaddress.ip_address(switch.announced_address).version == 6
        else (socket.AF_INET)
    )
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((switch.announced_address, 9))
        return str(probe.getsockname()[0])


@pytest.fixture
def exchange(
    site: Site,
    switch: Switch,
    evidence: Evidence,
    host: Any,
    node: Host,
    request: pytest.FixtureRequest,
) -> Iterator[Exchange]:
    """The phones of one test; what they said and the host's journal are kept for a failure."""
    address = local_address(switch)
    # A trunk to this machine is a lab's: its carrier is one of the phones. Elsewhere each test has
    # a port of its own: FreeSWITCH may lose a contact that goes and comes again in one moment.
    carriers = site.trunks if request.node.path.name in WITH_CARRIER else ()
    port = next((trunk.port for trunk in carriers if trunk.host == address), None)
    with Exchange(address, port=port) as made:
        evidence.add("SIP ladder", made.ladder)
        name, command = "FreeSWITCH's log", "tail -n 60 /var/log/freeswitch/freeswitch.log"
        if node.is_edge:
            name = "Kamailio's log"
            command = f"journalctl -u {paths.KAMAILIO_UNIT} -n 60 -o short-precise --no-pager"
        elif node.switch.is_windows:
            command = f'type "{windows_paths.LOGS}\\freeswitch.log"'
        evidence.add(name, lambda: "\n".join(host.run(command).stdout.splitlines()[-60:]))
        yield made


@pytest.fixture
def phone(
    exchange: Exchange,
    site: Site,
    switch: Switch,
    free: list[str],
    hide: Callable[[str], str],
    request: pytest.FixtureRequest,
) -> Callable[..., Phone]:
    """Make a phone of an extension, registered unless told otherwise."""
    services = request.node.path.name.startswith("test_t3_")

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
            all_free(free, [extension.number])
        made = exchange.phone(
            extension.number,
            hide(password or site.reveal(extension.password)),
            domain=site.domain,
            server=switch.announced_address,
            port=site.network.sip_port,
            transport=transport or site.network.transports[0],
            codecs=codecs or tuple(CODECS[name] for name in site.media.codecs if name in CODECS),
            dtmf=dtmf,
            answers_itself=answers_itself,
        )
        if register:
            made.register()
        return made

    return make
