"""One host from bare Debian to the Site, and what each further run costs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from callcenter.render import paths
from callcenter.render.services import a1_hash
from callcenter.site import Extension, Site
from tests.acceptance.support.phones import Exchange
from tests.acceptance.support.waiting import PATIENCE, eventually
from tests.forks import Started
from tests.roles.conftest import EDGE, ROOT, SITE, Operator
from tests.roles.support import connected, still_talking, until

HOST = "deploy1"
MOST_COMMANDS = 12
MOST_FOR_AN_EXTENSION = 4


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    made = operator_of(HOST, bare=True)
    made.succeed()
    return made


@pytest.fixture(autouse=True)
def _as_described(operator: Operator) -> None:
    """Each test begins with the plain Site, deployed."""
    operator.describe()
    operator.succeed()


def is_paused(operator: Operator) -> bool:
    """Tell whether FreeSWITCH takes no new calls."""
    return operator.ssh(HOST, "fs_cli -x 'fsctl pause_check inbound'").strip() == "true"


def until_it_drains(operator: Operator, running: Started) -> None:
    """Wait until a deploy keeps new calls out. As long as it goes on, it may still come to that."""
    eventually(
        lambda: is_paused(operator) or running.poll() is not None,
        bool,
        "the deploy to keep new calls out",
        seconds=10 * PATIENCE,
    )
    assert running.poll() is None, running.communicate()[0]


def test_second_run_changes_nothing(operator: Operator) -> None:
    run = operator.succeed(counted=True)
    assert run.changes == 0, run.output
    assert run.commands <= MOST_COMMANDS


def test_dry_run_costs_no_more_and_finds_nothing(operator: Operator) -> None:
    run = operator.succeed("--dry", "--json", counted=True)
    assert run.commands <= MOST_COMMANDS
    assert all(not operation["hosts_with_change"] for operation in run.plan)


def test_dry_run_names_what_would_change(operator: Operator) -> None:
    operator.describe(SITE.replace("range(1000, 1009", "range(1000, 1010"))
    plan = operator.succeed("--dry", "--json").plan
    changing = [one["name"] for one in plan if one["hosts_with_change"]]
    assert changing == [
        *(["Kamailio: configure | Configuration"] if EDGE else []),
        "FreeSWITCH: activate | Configuration",
        *(["Kamailio: activate | Service"] if EDGE else []),
    ]


def test_two_thousand_extensions_cost_the_same(operator: Operator) -> None:
    few = operator.succeed(counted=True).commands
    large = SITE.replace("range(1000, 1009", "range(1000, 2999")
    operator.describe(large)
    operator.succeed()
    run = operator.succeed(counted=True)
    assert run.changes == 0
    assert run.commands == few
    operator.describe(large.replace("2999", "3000"))
    more = operator.succeed(counted=True)
    assert more.changes == (3 if EDGE else 1)
    assert more.commands - few <= MOST_FOR_AN_EXTENSION
    # 2000 -> 3000 holds 2,001 users, and FreeSWITCH knows the last.
    known = operator.ssh(HOST, "fs_cli -x 'user_exists id 3000 roles.callcenter.test'")
    assert known.strip() == "true"


@pytest.mark.parametrize(
    ("was", "becomes", "question", "answer"),
    [
        pytest.param(
            "range(1000, 1009",
            "range(1000, 1010",
            "fs_cli -x 'user_exists id 1010 roles.callcenter.test'",
            "true",
            id="an extension",
        ),
        pytest.param(
            "media=Media(",
            'media=Media(codecs=("PCMA", "PCMU"), ',
            "fs_cli -x 'sofia status profile internal' | grep 'CODECS IN'",
            "CODECS IN        \tPCMA,PCMU",
            id="codecs",
        ),
        pytest.param(
            "max_calls=100",
            "max_calls=120",
            "fs_cli -x 'fsctl max_sessions'",
            "+OK max sessions: 240",
            id="more calls",
        ),
        pytest.param(
            "media=",
            "features=FeatureCodes(tone=None), media=",
            "fs_cli -x 'module_exists mod_tone_stream'",
            "false",
            id="a module less",
        ),
        pytest.param(
            "media=",
            "event_socket=EventSocket(port=8022), media=",
            "fs_cli -P 8022 -x 'module_exists mod_event_socket'",
            "true",
            id="event socket",
        ),
        pytest.param(
            "Network(",
            'Network(local_networks=("10.0.0.0/8",), ',
            "fs_cli -x 'acl 192.168.7.7 local'",
            "false",
            id="acl",
        ),
    ],
)
def test_change_spares_live_calls(
    operator: Operator, exchange: Exchange, was: str, becomes: str, question: str, answer: str
) -> None:
    call, answered = connected(operator, HOST, exchange)
    assert was in SITE
    operator.describe(SITE.replace(was, becomes))
    assert operator.succeed().changes >= 1
    assert operator.ssh(HOST, question).strip() == answer
    still_talking(call, answered)
    # The phones are still registered, so a further call goes through.
    call.hangup()
    answered.wait_ended()
    again = call.phone.call("1001")
    answered.phone.incoming().answer()
    again.wait_established()
    assert operator.succeed().changes == 0


def test_a_restart_finds_the_key_of_the_first_start(operator: Operator) -> None:
    """To make one takes FreeSWITCH seconds, in which nobody is heard; it is both of its keys."""
    look = f"sha256sum {paths.CERTS}/*.pem"
    before = operator.ssh(HOST, look)
    one, other = (line.split() for line in before.splitlines())
    assert one[0] == other[0]
    assert one[1] != other[1]
    operator.ssh(HOST, f"systemctl restart {paths.UNIT}; fs_cli -t 30000 -x status")
    assert operator.ssh(HOST, look) == before


HARSH = SITE.replace("Network(", "Network(rtp_ports=(20000, 29999), ")


def test_stop_changes_nothing_while_a_call_is_up(operator: Operator, exchange: Exchange) -> None:
    call, answered = connected(operator, HOST, exchange)
    operator.describe(HARSH)
    run = operator.deploy()
    assert run.code != 0
    assert "1 calls are up" in run.output
    assert "nothing was changed" in run.output
    still_talking(call, answered)
    call.hangup()
    operator.succeed()
    assert operator.succeed().changes == 0


def test_drain_waits_for_the_last_call_and_takes_no_new_one(
    operator: Operator, exchange: Exchange
) -> None:
    call, answered = connected(operator, HOST, exchange)
    operator.describe(HARSH.replace('live_calls="stop"', 'live_calls="drain"'))
    running = operator.start("-y")
    until_it_drains(operator, running)
    assert answered.phone.call("8888").wait_ended().code == 503
    still_talking(call, answered)
    call.hangup()
    output, _ = running.communicate()
    assert running.returncode == 0, output
    assert operator.succeed().changes == 0


def test_killed_drain_does_not_keep_calls_out(operator: Operator, exchange: Exchange) -> None:
    call, answered = connected(operator, HOST, exchange)
    patient = HARSH.replace('live_calls="stop"', 'live_calls="drain", drain_seconds=20')
    operator.describe(patient)
    running = operator.start("-y")
    until_it_drains(operator, running)
    # The tool on the host is killed, so nothing of it can tidy up.
    operator.ssh(HOST, "pkill -KILL -f 'freeswitch-release apply'")
    running.communicate()
    assert running.returncode != 0
    until(lambda: is_paused(operator), False)
    # Nobody has this number, and that is what the caller is told.
    assert answered.phone.call("8888").wait_ended().code == 404
    still_talking(call, answered)


def test_broken_template_leaves_the_old_release_and_names_its_origin(
    operator: Operator, exchange: Exchange
) -> None:
    call, answered = connected(operator, HOST, exchange)
    before = operator.ssh(HOST, "readlink /etc/freeswitch/applied")
    template = operator.own_repository() / "templates/freeswitch/directory/users.xml.j2"
    whole = template.read_text()
    template.write_text(whole.replace("</variables>", "", 1))
    try:
        run = operator.deploy()
        assert run.code != 0
        said = " ".join(line for line in run.output.splitlines() if "callcenter:" in line)
        assert "FreeSWITCH refused the configuration" in said
        assert "templates/freeswitch/directory/users.xml.j2" in said
        assert "extensions[1000]" in said
        assert operator.ssh(HOST, "readlink /etc/freeswitch/applied") == before
        assert operator.ssh(HOST, "readlink /etc/freeswitch/current") == before
        still_talking(call, answered)
        # What is mended is applied by the next run.
        template.write_text(whole)
        operator.succeed()
    finally:
        operator.repository = ROOT


def test_refused_change_of_the_port_leaves_phones_the_old_one(
    operator: Operator, exchange: Exchange
) -> None:
    template = operator.own_repository() / "templates/freeswitch/directory/users.xml.j2"
    whole = template.read_text()
    template.write_text(whole.replace("</variables>", "", 1))
    operator.describe(SITE.replace("Network(", "Network(sip_port=5070, "))
    try:
        assert operator.deploy().code != 0
        connected(operator, HOST, exchange)[0].hangup()
        template.write_text(whole)
        operator.succeed()
    finally:
        operator.repository = ROOT
    # What comes in: phones' own ports, to which FreeSWITCH may go, are others.
    rules = operator.ssh(HOST, "nft list chain inet callcenter input")
    assert "dport 5070" in rules
    assert "dport 5060" not in rules
    assert operator.succeed().changes == 0


def test_release_that_was_never_accepted_is_not_started(operator: Operator) -> None:
    good = operator.ssh(HOST, "readlink /etc/freeswitch/applied")
    # As if the power had failed between the switch and FreeSWITCH's answer.
    operator.ssh(
        HOST,
        "cd /etc/freeswitch && cp -a $(readlink -f applied) releases/broken && "
        "echo '<broken' >>releases/broken/dialplan/default.xml && ln -sfn releases/broken current "
        "&& systemctl restart freeswitch",
    )
    assert operator.ssh(HOST, "readlink /etc/freeswitch/current") == good
    assert "RUNNING" in operator.ssh(HOST, "fs_cli -x 'sofia status'")


@pytest.mark.parametrize("applied", ["the release before", "none"])
def test_a_deploy_that_died_before_the_end_is_finished(operator: Operator, applied: str) -> None:
    """FreeSWITCH hears at the new port already, and nobody has written down that it accepted it."""
    old = operator.ssh(HOST, "readlink /etc/freeswitch/applied").strip()
    operator.describe(SITE.replace("media=", "event_socket=EventSocket(port=8022), media="))
    operator.succeed()
    operator.ssh(HOST, "rm /etc/freeswitch/applied")
    if applied != "none":
        operator.ssh(HOST, f"ln -s {old} /etc/freeswitch/applied")
    operator.succeed()
    assert "UP" in operator.ssh(HOST, "fs_cli -P 8022 -x status")
    assert operator.succeed().changes == 0


def test_a_refused_change_leaves_freeswitch_the_old_port(
    operator: Operator, exchange: Exchange
) -> None:
    """Its Event Socket was at the new one already when FreeSWITCH lacked something."""
    call, answered = connected(operator, HOST, exchange)
    role = operator.own_repository() / "roles/freeswitch/operations.py"
    whole = role.read_text()
    role.write_text(whole.replace("in modules)", 'in (*modules, "mod_bogus"))'))
    operator.describe(SITE.replace("media=", "event_socket=EventSocket(port=8022), media="))
    try:
        run = operator.deploy()
    finally:
        operator.repository = ROOT
    assert run.code != 0
    assert "mod_bogus is not loaded" in run.output
    assert "UP" in operator.ssh(HOST, "fs_cli -P 8021 -x status")
    operator.describe()
    operator.succeed()
    still_talking(call, answered)


def test_a_young_profile_is_waited_for(operator: Operator) -> None:
    """FreeSWITCH restarts none in its first ten seconds; the second of two finds it so."""
    operator.ssh(
        HOST,
        "mkdir -p /run/again && cd /etc/freeswitch/applied/ && "
        "find . -type f -printf '%P\\0' | xargs -0 sha256sum >/run/again/manifest && "
        "cd /run/again && : >removed && : >undo && : >modules && echo internal >profiles && "
        "echo 'profile internal' >actions && printf 'live_calls=stop\\ndrain_seconds=1\\n' >policy",
    )
    process = f"systemctl show --property MainPID --value {paths.UNIT}"
    before = operator.ssh(HOST, process)
    again = f"{paths.RELEASE_TOOL} apply /run/again"
    operator.ssh(HOST, f"{again} && {again} && rm -r /run/again")
    assert operator.ssh(HOST, process) == before
    assert operator.succeed().changes == 0


def test_killed_deploy_leaves_the_service_and_the_next_run_finishes(operator: Operator) -> None:
    operator.describe(SITE.replace("range(1000, 1009", "range(1000, 1500"))
    running = operator.start("-y", "-vvv")
    assert running.stdout is not None
    # Killed when the first fact has come: before, between or in the middle of what follows.
    for line in running.stdout:
        if "Configuration" in line:
            break
    running.kill()
    running.wait()
    assert "RUNNING" in operator.ssh(HOST, "fs_cli -x 'sofia status'")
    operator.succeed()
    known = operator.ssh(HOST, "fs_cli -x 'user_exists id 1500 roles.callcenter.test'")
    assert known.strip() == "true"
    assert operator.succeed().changes == 0


def test_edit_by_hand_is_undone(operator: Operator) -> None:
    operator.ssh(
        HOST,
        "sed -i 's/UNALLOCATED_NUMBER/USER_BUSY/' /etc/freeswitch/current/dialplan/default.xml",
    )
    assert operator.succeed().changes == 1
    text = operator.ssh(HOST, "cat /etc/freeswitch/current/dialplan/default.xml")
    assert "UNALLOCATED_NUMBER" in text
    assert operator.succeed().changes == 0


def test_feature_off_takes_its_module_and_its_package(operator: Operator) -> None:
    loaded = "fs_cli -x 'module_exists mod_tone_stream'"
    assert operator.ssh(HOST, loaded).strip() == "true"
    operator.describe(SITE.replace("media=", "features=FeatureCodes(tone=None), media="))
    operator.succeed()
    assert operator.ssh(HOST, loaded).strip() == "false"
    assert "install ok installed" not in operator.ssh(
        HOST, "dpkg-query -W -f '${Status}' freeswitch-mod-tone-stream"
    )


def test_firewall_off_takes_its_table(operator: Operator) -> None:
    assert "policy drop" in operator.ssh(HOST, "nft list ruleset")
    operator.describe(SITE.replace("Firewall(", "Firewall(enabled=False, "))
    operator.succeed()
    assert operator.ssh(HOST, "nft list ruleset").strip() == ""
    assert operator.succeed().changes == 0


def test_no_secret_is_shown(operator: Operator) -> None:
    operator.describe(SITE.replace("range(1000, 1009", "range(1000, 1012"))
    shown = operator.deploy("--dry", "--diff", "-vvv").output
    shown += operator.deploy("-y", "--diff", "-vvv").output
    shown += operator.ssh(HOST, "journalctl --no-pager")
    secrets = json.loads(operator.secrets.read_text())
    assert len(secrets) >= 14
    assert [name for name, value in secrets.items() if value in shown] == []
    site = Site(
        "roles.callcenter.test",
        extensions=Extension.range(1000, 1012),
        secret_file=operator.secrets,
    )
    assert [e.number for e in site.extensions if a1_hash(site, e) in shown] == []
    # Yet the diff says what changes.
    assert "1012" in shown


def test_logs_are_rotated_and_written_on(operator: Operator) -> None:
    rotated = operator.ssh(HOST, "logrotate --force /etc/logrotate.d/freeswitch")
    assert rotated == ""
    # A refused login is a line in the log, so it must appear in the new file.
    operator.ssh(HOST, "fs_cli -x 'originate user/nobody@roles.callcenter.test &echo'")
    log = "/var/log/freeswitch/freeswitch.log"
    until(lambda: operator.ssh(HOST, f"cat {log}"), lambda said: "nobody" in said)
    assert operator.ssh(HOST, f"stat -c '%U %a' {log}").split() == ["freeswitch", "640"]
    assert "Started" in operator.ssh(HOST, f"cat {log}.1")


def test_transport_that_is_not_enabled_is_closed(operator: Operator) -> None:
    own = next(one.address for one in operator.lab.hosts if one.name == HOST)
    listening = f"ss -Hlntu 'src {own}:5060' | awk '{{print $1}}' | xargs"
    assert sorted(operator.ssh(HOST, listening).split()) == ["tcp", "udp"]
    for transport, other in (("udp", "tcp"), ("tcp", "udp")):
        operator.describe(SITE.replace("Network(", f'Network(transports=("{transport}",), '))
        operator.succeed()
        # Kamailio hears FreeSWITCH by UDP, too.
        wanted = [transport, *(["udp"] if EDGE and other == "udp" else [])]
        until(lambda: sorted(operator.ssh(HOST, listening).split()), wanted)
        rules = operator.ssh(HOST, "nft list ruleset")
        assert re.search(rf"{transport} dport 5060 [^\n]*accept", rules)
        assert not re.search(rf"{other} dport 5060 [^\n]*accept", rules)
