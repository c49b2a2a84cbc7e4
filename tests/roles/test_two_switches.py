"""Two switches behind one name: whoever comes by it meets the one, and then the other."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from callcenter.cli import main
from callcenter.cli.authority import authority
from callcenter.client import npm
from callcenter.render import paths
from callcenter.site.provisioning import path_of
from tests.acceptance.support.waiting import PATIENCE
from tests.browsers import browser, lacking
from tests.roles.conftest import SITE, Operator

CALLED, OTHER = "turn1", "turn2"
DOMAIN = "roles.callcenter.test"
ECHO = "9196"
HZ = 500


@dataclass(frozen=True)
class Pair:
    """Two switches of one Site, and the root of its authority."""

    operator: Operator
    root: Path

    def secret(self, name: str) -> str:
        """Return one of the Site's."""
        known: str = json.loads(self.operator.secrets.read_text())[name]
        return known

    def address(self, host: str) -> str:
        """Return a switch's."""
        return next(one.address for one in self.operator.lab.hosts if one.name == host)

    def given(self, host: str, path: str, **headers: str) -> tuple[int, bytes]:
        """Return status and body of what a switch answers, if its certificate is good."""
        asks = ssl.create_default_context(cafile=self.root)
        plain = socket.create_connection((self.address(host), 443), timeout=PATIENCE)
        with asks.wrap_socket(plain, server_hostname=DOMAIN) as tls:
            over = http.client.HTTPConnection(DOMAIN)
            over.sock = tls
            over.request("GET", f"/{path}", headers=headers)
            answer = over.getresponse()
            return answer.status, answer.read()


@pytest.fixture(scope="module")
def pair(operator_of: Callable[..., Operator], tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Two switches that serve all that the domain leads to."""
    if reasons := npm.lacking():
        pytest.skip("; ".join(reasons))
    operator = operator_of(CALLED, OTHER)
    tls = "PhoneTls(OwnAuthority(), wss=Wss(turn=Turn()))"
    more = f"web_phone=WebPhone(), provisioning=Provisioning(), network=Network(tls={tls}, "
    operator.describe(SITE.replace("network=Network(", more))
    operator.succeed()
    made = Pair(operator, tmp_path_factory.mktemp("pair") / "root.pem")
    made.root.write_text(authority(operator.inventory))
    return made


def test_a_link_is_good_once_whichever_switch_is_asked(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of them gives, and knows who has asked the other; who asks says nothing of that"""
    ssh = pair.operator.ssh
    for number, first, then in (("1001", OTHER, CALLED), ("1002", CALLED, OTHER)):
        link = path_of(DOMAIN, number, pair.secret(f"provisioning/{number}"))
        status, settings = pair.given(first, link, **{"X-Source": "192.0.2.9"})
        assert status == 200
        assert f"sip:{number}@{DOMAIN}" in settings.decode()
        assert [pair.given(one, link)[0] for one in (then, first)] == [404, 404]
    assert main(["phones", str(pair.operator.inventory), "--used"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [[CALLED, "1001"], [CALLED, "1002"]]
    assert {line.split()[-1] for line in lines} == {pair.operator.lab.gateway}
    # Nothing of phones is where nothing is given, and without who gives nothing is.
    assert ssh(OTHER, f"ls -d {paths.PHONES} {paths.PHONES_UNIT} 2>/dev/null; true") == ""
    link = path_of(DOMAIN, "1003", pair.secret("provisioning/1003"))
    web = paths.WEB_UNIT.rpartition("/")[2]
    assert ssh(CALLED, f"systemctl stop {web}") == ""
    assert pair.given(OTHER, link)[0] == 503
    assert ssh(CALLED, f"systemctl start {web}") == ""
    assert main(["phones", str(pair.operator.inventory), "--again", "1001"]) == 0
    assert pair.given(OTHER, link)[0] == 200


def test_turn_of_the_other_switch_carries_a_call(pair: Pair, tmp_path: Path) -> None:
    if reason := lacking():
        pytest.skip(reason)
    ssh, at = pair.operator.ssh, pair.address
    # As a browser that has asked the DNS twice.
    names = {f"{DOMAIN}:{port}": at(CALLED) for port in (443, 7443)}
    url = f"https://{DOMAIN}/"
    with browser(tmp_path / "home", url, at(OTHER), pair.root, HZ, names) as page:
        page.relays_only()
        page.log_in("1000", pair.secret("extension/1000"))
        page.ready()
        page.dial(ECHO)
        page.hears(HZ)
        called, other = (ssh(host, "fs_cli -x 'show channels count'") for host in (CALLED, OTHER))
        assert "1 total" in called
        assert "0 total" in other
        turned = ssh(OTHER, "ss -Htn state established 'sport = :5349'")
        assert pair.operator.lab.gateway in turned
        page.click("hangup")
        page.shows()
