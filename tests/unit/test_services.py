"""Shape of services: what each puts on a host it also takes away."""

from __future__ import annotations

import types
from dataclasses import replace
from pathlib import Path

import pytest

from callcenter.render import paths
from callcenter.render.services import SERVICES, Service
from callcenter.render.services._shape import service_of
from callcenter.site import (
    Extension,
    Firewall,
    Guessers,
    PhoneTls,
    Secret,
    Site,
    WebPhone,
    Wss,
)
from tests.certificates import Authority
from tests.unit import test_site
from tests.unit.test_same_bytes import with_secrets

UNITS = "/etc/systemd/system/"
EVERY = [pytest.param(one, id=one.name) for one in SERVICES]


@pytest.fixture
def whole(certificates: None, own_folder: Path) -> Site:
    """A Site of all services, with made secrets."""
    twin = test_site.twin()
    certificate, key = Authority.make(own_folder / "own").certificate(twin.domain)
    tls = PhoneTls(certificate, Secret(literal=key.read_text()), wss=Wss())
    site = replace(
        twin,
        guessers=Guessers(),
        firewall=Firewall(ssh_from="anywhere"),
        network=replace(twin.network, edge=True, tls=tls),
        web_phone=WebPhone(),
    )
    return with_secrets(site, own_folder)


@pytest.mark.parametrize("service", EVERY)
def test_a_unit_that_comes_can_go(service: Service, whole: Site) -> None:
    """What is in UNITS is stopped and forgotten when its file goes."""
    known = {unit.path for unit in service.units}
    # A timer starts the service of its name, which a path may start as well.
    timed = {path.removesuffix(".timer") + ".service" for path in known if path.endswith(".timer")}
    given = {file.path for file in service.on_host(whole) if file.path.startswith(UNITS)}
    assert given - timed <= known


@pytest.mark.parametrize("service", EVERY)
def test_a_unit_starts_anew_with_what_it_reads(service: Service, whole: Site) -> None:
    """What a service puts into /etc/callcenter is read by a unit, which is told when it differs."""
    if not service.units:
        pytest.skip("it has no unit")
    read = {path for unit in service.units for path in (unit.path, *unit.reads)}
    given = {
        file.path for file in service.on_host(whole) if file.path.startswith("/etc/callcenter/")
    }
    assert given <= read


@pytest.mark.parametrize("service", EVERY)
def test_what_a_site_does_not_ask_for_is_not_there(service: Service) -> None:
    site = Site(
        "example.net",
        extensions=[Extension(1000)],
        guessers=Guessers(enabled=False),
        firewall=Firewall(enabled=False),
    )
    assert [file.path for file in service.on_host(site)] == []
    assert service.packages(site) == ()
    assert list(service.needs_linux(site)) == []


def test_the_site_of_these_tests_has_every_unit(whole: Site) -> None:
    """But for alarms and recordings, or they would prove little."""
    given = {file.path for one in SERVICES for file in one.on_host(whole)}
    units = {unit.path for one in SERVICES for unit in one.units}
    assert units - given <= {
        paths.ALARM_UNIT,
        paths.BANS_ALARM_UNIT,
        f"{paths.RETENTION}.timer",
    }


@pytest.mark.parametrize(
    ("said", "wrong"),
    [({}, "says nothing of a service"), ({"UNITS": 3}, "UNITS is no tuple of units")],
)
def test_a_module_that_is_no_service(said: dict[str, object], wrong: str) -> None:
    module = types.ModuleType("lost")
    vars(module).update(said)
    with pytest.raises(TypeError, match=wrong):
        service_of(module)
