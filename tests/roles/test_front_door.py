"""What an operator is told of a host before anything of it is changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callcenter.render import paths
from tests.roles.conftest import ALONE, BEHIND, ROOT, SITE, Operator

HOST = "door1"
WHOLE = SITE.replace(ALONE, BEHIND)
"""A Site with all that a host has beside FreeSWITCH."""

TRUNK = """trunks=[Trunk("carrier", host="192.0.2.1", caller_id="+4930123456", ping_seconds=None)],
    """


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    return operator_of(HOST)


def told(
    operator: Operator, command: str, *words: str, within: Path = ROOT
) -> tuple[int, list[str], list[str]]:
    """Return a command's exit code, and the lines that it prints and complains with."""
    done = operator.callcenter.typed(command, operator.inventory, *words, cwd=within)
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


def planned(operator: Operator, site: str = WHOLE) -> list[str]:
    """Return what ``plan`` prints of a Site."""
    operator.describe(site)
    code, out, err = told(operator, "plan")
    assert (code, err) == (0, [])
    return out


def steps(plan: list[str]) -> list[str]:
    """Return what applies a plan's files."""
    return [line for line in plan if line[0] not in "+~-"]


def test_a_plan_asks_the_host_and_changes_nothing(operator: Operator) -> None:
    assert planned(operator) == ["nothing is there yet; a deploy installs and starts FreeSWITCH"]
    operator.succeed()
    assert planned(operator) == ["nothing would change"]

    secrets = operator.secrets.read_bytes()
    extension = planned(operator, WHOLE.replace("ring_seconds=5", "ring_seconds=9"))
    assert "~ directory/users/10xx.xml" in extension
    assert steps(extension) == ["reloadxml: no call notices", RELOADED]
    assert "~ /etc/kamailio/callcenter/ring" in extension
    carrier = planned(operator, WHOLE.replace("media=", TRUNK + "media="))
    assert "+ sip_profiles/external.xml" in carrier
    assert "start external: calls that do not use the module go on" in steps(carrier)
    # A password is made when it is needed, and not for a plan.
    another = planned(operator, WHOLE.replace("1009,", "1010,"))
    assert steps(another) == ["reloadxml: no call notices", RELOADED]
    ssh = planned(operator, WHOLE.replace('ssh_from="anywhere"', 'ssh_from=["10.0.0.0/8"]'))
    assert ssh == ["~ /etc/callcenter/firewall.nft", "load the packet filter: no call notices"]
    assert operator.secrets.read_bytes() == secrets
    assert planned(operator) == ["nothing would change"]

    operator.ssh(HOST, f"echo '<!-- by hand -->' >>{paths.APPLIED}/dialplan/default.xml")
    operator.ssh(HOST, f"chmod 750 {paths.RELEASE_TOOL}; rm {paths.BANS_RULES}; "
                       f"echo '# by hand' >>{paths.KAMAILIO_CONFIG}")  # fmt: skip
    mended = planned(operator)
    assert mended[0] == "~ dialplan/default.xml"
    assert {f"~ {paths.RELEASE_TOOL}", f"+ {paths.BANS_RULES}"} < set(mended)
    assert "restart callcenter-bans-filter.service: no call notices" in steps(mended)
    assert any(line.startswith("restart kamailio.service: ") for line in steps(mended))
    operator.succeed()
    assert planned(operator) == ["nothing would change"]


RELOADED = "reload kamailio.service: no call notices"
GONE = "10.77.0.240"


@pytest.fixture
def plain(operator: Operator) -> Operator:
    """An operator at a host that has a user who is not root."""
    operator.ssh(HOST, "id plain || { useradd -m -s /bin/sh plain; cp -r /root/.ssh /home/plain/; "
                       "chown -R plain: /home/plain/.ssh; usermod -aG sudo plain; }")  # fmt: skip
    return operator


def test_a_plan_does_not_take_what_it_may_not_see_for_nothing(plain: Operator) -> None:
    plain.describe(ssh_user="plain")
    code, out, (line,) = told(plain, "plan")
    assert (code, out) == (1, [])
    assert line.startswith(f"{HOST}: who logs in must be root there; set _sudo=True")


@pytest.mark.parametrize(
    ("data", "says", "do"),
    [
        ({"ssh_hostname": GONE}, "", "is it up, and reached from here?"),
        ({"ssh_user": "stranger"}, "Permission denied", "ssh_user, ssh_key and ssh_password say"),
        ({"ssh_user": "plain"}, "must be root there", "set _sudo=True, or log in as root"),
        ({"ssh_user": "plain", "_sudo": True}, "a password is required", "_sudo_password is that"),
        ({"ssh_user": "plain", "_sudo": True, "_sudo_password": "guessed"}, "sudo: ", "_sudo_"),
    ],
    ids=["not there", "wrong login", "not root", "sudo asks", "wrong password"],
)
def test_a_deploy_that_cannot_begin_says_what_to_do(
    data: dict[str, Any], says: str, do: str, plain: Operator
) -> None:
    plain.describe(**data)
    code, out, err = told(plain, "deploy", "-y")
    assert (code, out) == (1, [])
    line, last = err
    assert line.startswith(f"{HOST}: ")
    assert says in line
    assert do in line
    assert last == "No host was changed."


def test_how_a_login_becomes_root_may_stand_in_pyinfras_config(
    plain: Operator, tmp_path: Path
) -> None:
    plain.ssh(HOST, "echo 'plain ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/plain")
    (tmp_path / "config.py").write_text("from pyinfra import config\n\nconfig.SUDO = True\n")
    plain.describe(ssh_user="plain")
    code, _, err = told(plain, "deploy", "--dry", within=tmp_path)
    assert code == 0, "\n".join(err)
    assert not [line for line in err if "root there" in line]
