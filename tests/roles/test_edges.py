"""A site without a switch: Kamailio registers its phones and connects them. No FreeSWITCH."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from callcenter import paths
from tests.acceptance.support.phones import Exchange, RegistrationRefused
from tests.roles.conftest import ROOT, SITE, Operator
from tests.roles.support import connected, refused, sentence, still_talking

pytestmark = pytest.mark.switchless

HOST = "edge1"
SWITCHLESS = SITE.replace(
    "media=Media(max_calls=100)",
    'media=Media(mode="bypass", max_calls=100), features=FeatureCodes(echo=None, tone=None)',
)


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    made = operator_of(HOST)
    made.describe(SWITCHLESS, group="edges")
    made.succeed()
    return made


@pytest.fixture
def described(operator: Operator) -> Iterator[Operator]:
    """An operator whose site is the first one again after the test."""
    yield operator
    operator.repository = ROOT
    operator.describe(SWITCHLESS, group="edges")
    operator.succeed()


def process(operator: Operator) -> str:
    return operator.ssh(HOST, "cat /run/kamailio/kamailio.pid").strip()


def test_second_run_changes_nothing(operator: Operator) -> None:
    again = operator.succeed()
    assert again.changes == 0, again.output
    assert again.commands <= 12


def test_an_extension_costs_no_call_and_no_restart(described: Operator, exchange: Exchange) -> None:
    call, answered = connected(described, HOST, exchange)
    before = process(described)
    wider = SWITCHLESS.replace("range(1000, 1009", "range(1000, 1010")
    described.describe(wider, group="edges")
    assert described.succeed().changes == 2  # its files, and the reload
    still_talking(call, answered)
    assert process(described) == before
    secret = json.loads(described.secrets.read_text())["extension/1010"]
    server = next(one.address for one in described.lab.hosts if one.name == HOST)
    new = exchange.phone("1010", secret, domain="roles.callcenter.test", server=server)
    new.register()
    new.unregister()

    described.describe(SWITCHLESS, group="edges")
    described.succeed()
    with pytest.raises(RegistrationRefused) as gone:
        new.register()
    assert gone.value.code == 403
    still_talking(call, answered)


def test_a_restart_costs_no_call(described: Operator, exchange: Exchange) -> None:
    call, answered = connected(described, HOST, exchange)
    before = process(described)
    described.describe(
        SWITCHLESS.replace("Network(", 'Network(transports=("udp",), '), group="edges"
    )
    described.succeed()
    assert process(described) != before
    assert ":5060" not in described.ssh(HOST, "ss -Hlnt src :5060")
    still_talking(call, answered)
    call.hangup()
    assert answered.wait_ended().by == "them"


def test_a_configuration_that_kamailio_refuses_stops_nothing(described: Operator) -> None:
    before = process(described)
    template = described.own_repository() / "templates/kamailio/kamailio.cfg.j2"
    text = template.read_text()
    template.write_text(text.replace("request_route {", "request_route { nonsense("))
    run = described.deploy("-y")
    assert run.code != 0
    assert "parse error in config file" in run.output
    assert process(described) == before
    assert "active" in described.ssh(HOST, f"systemctl is-active {paths.KAMAILIO_UNIT}")


def test_what_needs_a_switch_is_refused(described: Operator) -> None:
    described.describe(SITE, group="edges")
    run = refused(described)
    for field in ("Site.features.echo", "Site.features.tone", "Site.media.mode"):
        line = sentence(run, HOST, field)
        assert "needs a switch" in line
