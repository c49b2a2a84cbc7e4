"""The roles' pure half: what facts read, what preflight refuses, what logs may show."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callcenter.render import apt, beside, freeswitch, kamailio, paths, services
from callcenter.render.debian import read_index
from callcenter.render.hidden import HIDDEN
from callcenter.site import (
    EventSocket,
    Extension,
    Firewall,
    LocalPackages,
    Network,
    PhoneTls,
    SignalWire,
    Site,
    Switch,
    Trunk,
)
from callcenter.site.secrets import Secret
from roles.files.facts import MASK_SED, ManagedFiles, MaskedContents, Present
from roles.files.operations import masked
from roles.firewall.facts import Filter, FirewallState
from roles.freeswitch import lacking
from roles.freeswitch.facts import Release, ReleaseState
from roles.freeswitch.operations import local_archive, outdated, unwanted
from roles.host.checks import problems
from roles.host.facts import FreeSwitchProcess, HostState, Listener, State
from tests.certificates import Authority
from tests.forks import COMMAND, ROOT

DIGEST = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

SITE = Site(
    "cc.example.net",
    extensions=(Extension("1000", password=Secret(literal="correct-Horse-7battery")),),
    event_socket=EventSocket(password=Secret(literal="third-Horse-7battery")),
    packages=SignalWire(token=Secret(literal="pat_Horse7battery")),
    network=Network(sip_from="anywhere"),
    firewall=Firewall(ssh_from="anywhere"),
)
SWITCH = Switch("cc1.example.net", public_ip="203.0.113.10")


def lines(text: str) -> list[str]:
    return text.strip("\n").split("\n")


HOST = """
time {now:.9f}
os debian bookworm
root 0
systemd
realtime
address 127.0.0.1
address 203.0.113.10
address ::1
address fe80::5054:ff:fe12:3456
listen udp   UNCONN 0      0            127.0.0.1:323       0.0.0.0:*    users:(("chronyd",pid=512,fd=5))
listen udp   UNCONN 0      0       0.0.0.0%eth0:68          0.0.0.0:*    users:(("dhclient",pid=400,fd=7))
listen udp   UNCONN 0      0       203.0.113.10:5060        0.0.0.0:*    users:(("freeswitch",pid=900,fd=30))
listen tcp   LISTEN 0      128          0.0.0.0:2222        0.0.0.0:*    users:(("sshd",pid=600,fd=3),("sshd",pid=599,fd=3))
listen tcp   LISTEN 0      511                *:80                *:*    users:(("apache2",pid=700,fd=4))
listen tcp   LISTEN 0      128             [::]:22             [::]:*
listen tcp   LISTEN 0      10  [::ffff:127.0.0.1]:8021            *:*    users:(("java",pid=800,fd=9))
listen nonsense
ssh 198.51.100.7 51234 203.0.113.10 2222
freeswitch yes yes /usr/bin/freeswitch
freeswitch no no /usr/local/free switch/bin/freeswitch
architecture amd64
free 10240
package ii |freeswitch|1.10.12~release~23~abc-1~bookworm+1
package rc |freeswitch-mod-gsm|1.10.11-1
package ii |libc6|2.36-9+deb12u10
"""  # noqa: E501


class TestHostState:
    """One look at a host."""

    state = HostState().process(lines(HOST.format(now=time.time() + 120)))

    def test_reads_what_the_host_is(self) -> None:
        assert (self.state.os, self.state.codename) == ("debian", "bookworm")
        assert self.state.root
        assert self.state.systemd
        assert self.state.realtime
        assert self.state.free_megabytes == 10240

    def test_reads_its_addresses(self) -> None:
        assert self.state.addresses == {
            "127.0.0.1", "203.0.113.10", "::1", "fe80::5054:ff:fe12:3456",
        }  # fmt: skip

    def test_reads_who_listens_where(self) -> None:
        assert self.state.listeners == (
            Listener("udp", "127.0.0.1", 323, "chronyd"),
            Listener("udp", "0.0.0.0", 68, "dhclient"),
            Listener("udp", "203.0.113.10", 5060, "freeswitch"),
            Listener("tcp", "0.0.0.0", 2222, "sshd"),
            Listener("tcp", "*", 80, "apache2"),
            Listener("tcp", "::", 22, "?"),
            Listener("tcp", "::ffff:127.0.0.1", 8021, "java"),
        )

    def test_reads_each_freeswitch_that_runs(self) -> None:
        assert self.state.architecture == "amd64"
        assert self.state.freeswitch == (
            FreeSwitchProcess("/usr/bin/freeswitch", unit=True, described=True),
            FreeSwitchProcess("/usr/local/free switch/bin/freeswitch", unit=False, described=False),
        )

    def test_passes_over_a_freeswitch_that_has_ended(self, tmp_path: Path) -> None:
        """Its parent has not asked how it ended, so it is in the process list still."""
        for name, program in (("lives", "sleep"), ("ended", "true")):
            (tmp_path / name).mkdir()
            shutil.copy(shutil.which(program) or "", tmp_path / name / "freeswitch")
        with (
            subprocess.Popen([tmp_path / "lives/freeswitch", "1000"]) as lives,
            subprocess.Popen([tmp_path / "ended/freeswitch"]) as ended,
        ):
            try:
                os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
                assert Path(f"/proc/{ended.pid}/comm").read_text() == "freeswitch\n"
                said = subprocess.run(
                    ["sh", "-c", HostState().command()], capture_output=True, text=True, check=True
                ).stdout
            finally:
                lives.kill()
        programs = [one.program for one in HostState().process(lines(said)).freeswitch]
        # This machine may have others.
        assert str(tmp_path / "lives/freeswitch") in programs
        assert "" not in programs

    def test_reads_the_port_of_its_own_connection(self) -> None:
        assert self.state.ssh_port == 2222
        assert HostState().process(["ssh "]).ssh_port is None

    def test_reads_how_far_the_clock_is_off(self) -> None:
        assert 110 < self.state.clock_offset <= 120

    def test_reads_packages_that_are_installed_and_not_those_that_were(self) -> None:
        assert self.state.packages == {
            "freeswitch": "1.10.12~release~23~abc-1~bookworm+1",
            "libc6": "2.36-9+deb12u10",
        }

    def test_of_a_silent_host_claims_nothing(self) -> None:
        assert HostState().process([]) == HostState.default() == State()

    def test_is_a_command_that_this_machine_can_run(self) -> None:
        done = subprocess.run(
            ["sh", "-c", HostState().command()], capture_output=True, text=True, check=True
        )
        state = HostState().process(done.stdout.splitlines())
        assert abs(state.clock_offset) < 60
        assert state.os
        assert state.free_megabytes > 0


class TestManagedFiles:
    """Files of a group."""

    output = f"""
managed /etc/a
managed /etc/gone
file 640 {DIGEST}  /etc/a
file 1755 {DIGEST}  /etc/with two  spaces
"""

    def test_reads_digests_modes_and_what_was_put_there(self) -> None:
        assert ManagedFiles().process(lines(self.output)) == Present(
            digests={"/etc/a": DIGEST, "/etc/with two  spaces": DIGEST},
            modes={"/etc/a": 0o640, "/etc/with two  spaces": 0o1755},
            managed=frozenset({"/etc/a", "/etc/gone"}),
        )

    def test_is_a_command_that_this_machine_can_run(self, tmp_path: Path) -> None:
        file = tmp_path / "it's a file"
        file.write_text("foo")
        file.chmod(0o604)
        command = ManagedFiles().command(
            "no-such-group", [str(file), str(tmp_path / "none"), "/etc/hostname'; false"]
        )
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        assert ManagedFiles().process(done.stdout.splitlines()) == Present(
            digests={str(file): DIGEST}, modes={str(file): 0o604}
        )


class TestReleaseState:
    """The accepted release."""

    output = f"""
unit active enabled
settled
file {DIGEST}  dialplan/default.xml
file {DIGEST}  .fs_cli_conf
text autoload_configs/switch.conf.xml
| <configuration name="switch.conf">
|
|   <param name="loglevel" value="info"/>
text sip_profiles/internal.xml
| <profile name="internal">
"""

    def test_reads_the_release_and_the_service(self) -> None:
        assert ReleaseState().process(lines(self.output)) == Release(
            digests={"dialplan/default.xml": DIGEST, ".fs_cli_conf": DIGEST},
            contents={
                "autoload_configs/switch.conf.xml": (
                    '<configuration name="switch.conf">\n\n'
                    '  <param name="loglevel" value="info"/>\n'
                ),
                "sip_profiles/internal.xml": '<profile name="internal">\n',
            },
            running=True,
            enabled=True,
            settled=True,
        )

    @pytest.mark.parametrize(
        ("line", "running", "enabled"),
        [
            ("unit active enabled", True, True),
            ("unit inactive disabled", False, False),
            ("unit failed enabled", False, True),
            ("unit activating masked-runtime", False, False),
            ("unit inactive", False, False),
        ],
    )
    def test_reads_the_units_state(self, line: str, running: bool, enabled: bool) -> None:
        state = ReleaseState().process([line, "restart"])
        assert (state.running, state.enabled) == (running, enabled)
        assert state.restart_needed
        assert not state.settled

    def test_of_a_bare_host_is_empty(self) -> None:
        assert ReleaseState().process([]) == ReleaseState.default() == Release()


class TestFirewallState:
    """Our table."""

    def test_reads_table_files_and_unit(self) -> None:
        output = [f"file {DIGEST}  {paths.FIREWALL_RULES}", "present", "loaded", "enabled"]
        assert FirewallState().process(output) == Filter(
            {paths.FIREWALL_RULES: DIGEST}, loaded=True, present=True, enabled=True
        )

    def test_of_a_bare_host_is_empty(self) -> None:
        assert FirewallState().process([]) == FirewallState.default() == Filter()


class TestMasks:
    """What ``--diff`` may show."""

    trees = (
        freeswitch.configuration(SITE, SWITCH),
        apt.configuration(SITE, "bookworm"),
        beside.configuration(SITE, realtime=False),
    )

    def test_hide_every_secret_of_every_file(self) -> None:
        secrets = [SITE.reveal(one) for _, one in SITE.secrets()]
        secrets.append(services.a1_hash(SITE, SITE.extensions[0]))
        everything = "".join(file.text for tree in self.trees for file in tree)
        # The phone's password is nowhere to begin with; all others must be hidden.
        assert [one in everything for one in secrets] == [False, True, True, True, True]
        shown = "".join(masked(file.content) for tree in self.trees for file in tree)
        assert [one for one in secrets if one in shown] == []

    def test_private_keys_are_not_shown_at_all(self, tmp_path: Path) -> None:
        """Where FreeSWITCH reads one, and where Kamailio does."""
        authority = Authority.make(tmp_path / "own")
        certificate, key = authority.certificate("cc.example.net")
        known: dict[str, Any] = {
            "certificate": certificate,
            "key": Secret(literal=key.read_text()),
        }
        site = replace(
            SITE,
            domain="cc.example.net",
            network=Network(sip_from="anywhere", tls=PhoneTls(**known)),
            trunks=(
                Trunk("a", host="sip.a.net", networks=["192.0.2.1"], transport="tls",
                      ca_file=authority.file, **known),
            ),
        )  # fmt: skip
        trees = (
            freeswitch.configuration(site, SWITCH),
            kamailio.configuration(site, SWITCH, SWITCH),
        )
        holding = [one.path for tree in trees for one in tree if b"PRIVATE KEY" in one.content]
        assert len(holding) == 2
        assert all(path.endswith(tuple(HIDDEN)) for path in holding)

    def test_leave_all_else_as_it_is(self) -> None:
        dialplan = self.trees[0]["dialplan/default.xml"].content
        assert masked(dialplan) == dialplan.decode()
        assert "effective_caller_id_name" in masked(
            self.trees[0]["directory/users/10xx.xml"].content
        )

    def test_are_the_same_on_the_host_and_here(self, tmp_path: Path) -> None:
        for tree in self.trees:
            for file in tree:
                if file.path.endswith(tuple(HIDDEN)):
                    continue
                done = subprocess.run(
                    ["sed", "-E", MASK_SED], input=file.content, capture_output=True, check=True
                )
                assert done.stdout.decode() == masked(file.content), file.path

    def test_are_applied_before_a_text_leaves_the_host(self, tmp_path: Path) -> None:
        tree = self.trees[0]
        (tmp_path / "a b").write_bytes(tree[".fs_cli_conf"].content)
        (tmp_path / "c").write_text("<x/>\n")
        command = MaskedContents().command(["a b", "c", "none"], below=f"{tmp_path}/")
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        assert "Horse" not in done.stdout
        texts = MaskedContents().process(done.stdout.splitlines())
        assert texts[f"{tmp_path}/a b"].endswith("password => ***\n")
        assert texts[f"{tmp_path}/c"] == "<x/>\n"
        assert len(texts) == 2


GOOD = State(
    os="debian",
    codename="bookworm",
    architecture="amd64",
    root=True,
    systemd=True,
    addresses=frozenset({"127.0.0.1", "203.0.113.10"}),
    freeswitch=(FreeSwitchProcess("/usr/bin/freeswitch", unit=True, described=True),),
    listeners=(
        Listener("tcp", "0.0.0.0", 22, "sshd"),
        Listener("udp", "203.0.113.10", 5060, "freeswitch"),
        Listener("udp", "127.0.0.1", 8021, "snmpd"),
        Listener("udp", "192.0.2.1", 5060, "asterisk"),
    ),
    free_megabytes=10_000,
)

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("another system", {"os": "ubuntu", "codename": "noble"},
     "it runs ubuntu noble; use Debian 12 and Debian 13"),
    ("an old Debian", {"codename": "bullseye"},
     "it runs debian bullseye; use Debian 12 and Debian 13"),
    ("an unknown system", {"os": "", "codename": ""},
     "it runs an unknown system; use Debian 12 and Debian 13"),
    ("no root", {"root": False},
     "the login is not root; set ssh_user='root' or _sudo=True for the host, or run pyinfra with "
     "--sudo"),
    ("no systemd", {"systemd": False},
     "systemd does not run on it; the services need it"),
    ("a public address of a router", {"addresses": frozenset({"127.0.0.1", "10.0.0.5"})},
     "public_ip 203.0.113.10 is on no interface (it has 10.0.0.5): set address='10.0.0.5' and "
     "keep public_ip, if the host is behind NAT"),
    ("no address at all", {"addresses": frozenset({"127.0.0.1"})},
     "address 203.0.113.10 is on no interface; it has none"),
    ("another SIP server", {"listeners": (Listener("udp", "0.0.0.0", 5060, "asterisk"),)},
     "port 5060/udp (network.sip_port) is taken by asterisk; stop that service, or choose another "
     "port in the Site"),
    ("another SIP server on IPv6", {"listeners": (Listener("tcp", "::", 5060, "kamailio"),)},
     "port 5060/tcp (network.sip_port) is taken by kamailio; stop that service, or choose another "
     "port in the Site"),
    ("another on the Event Socket", {"listeners": (Listener("tcp", "127.0.0.1", 8021, "java"),)},
     "port 8021/tcp (event_socket.port) is taken by java; stop that service, or choose another "
     "port in the Site"),
    ("FreeSWITCH from source",
     {"freeswitch": (FreeSwitchProcess("/usr/local/freeswitch/bin/freeswitch", False, True),)},
     "a FreeSWITCH that Debian's packages did not bring runs on it "
     "(/usr/local/freeswitch/bin/freeswitch): move it to another host, or stop it and keep it from "
     "starting"),
    ("FreeSWITCH in a container",
     {"freeswitch": (FreeSwitchProcess("/usr/bin/freeswitch", False, False),)},
     "a FreeSWITCH runs on it outside freeswitch.service, as in a container: move it to another "
     "host, or stop it and keep it from starting"),
    ("vanilla, or FusionPBX's",
     {"freeswitch": (FreeSwitchProcess("/usr/bin/freeswitch", True, False),)},
     "a FreeSWITCH that no deploy of this project has described runs on it: move it to another "
     "host, or stop it and keep it from starting (systemctl disable --now freeswitch.service)"),
    ("ufw", {"filters": ("ufw",)},
     "ufw is active on it, and what it drops the Site's own filter cannot let in: run ufw disable, "
     "and name what else it let in by firewall.tcp_ports and udp_ports; or keep it, set "
     "firewall.enabled to False, and let it open 5060/udp, 5060/tcp, 16384-32767/udp"),
    ("firewalld", {"filters": ("firewalld",)},
     "firewalld is active on it, and what it drops the Site's own filter cannot let in: run "
     "systemctl disable --now firewalld, and name what else it let in by firewall.tcp_ports and "
     "udp_ports; or keep it, set firewall.enabled to False, and let it open 5060/udp, 5060/tcp, "
     "16384-32767/udp"),
    ("no room", {"free_megabytes": 499}, "/var has 499 MB free; 500 are needed: make room"),
    ("a clock ahead", {"clock_offset": 3600.2},
     "its clock is 3600 s ahead of this machine's; set the one that is wrong, e.g. with "
     "timedatectl set-ntp true"),
    ("a clock behind", {"clock_offset": -61.0},
     "its clock is 61 s behind this machine's; set the one that is wrong, e.g. with timedatectl "
     "set-ntp true"),
]  # fmt: skip


class TestPreflight:
    """What makes a host unfit."""

    def test_a_good_host_has_no_problem(self) -> None:
        assert problems(SITE, SWITCH, GOOD) == []
        assert problems(SITE, SWITCH, replace(GOOD, codename="trixie")) == []

    @pytest.mark.parametrize(
        ("found", "sentence"), [pytest.param(f, s, id=name) for name, f, s in REFUSED]
    )
    def test_each_problem_is_one_sentence(self, found: dict[str, Any], sentence: str) -> None:
        assert problems(SITE, SWITCH, replace(GOOD, **found)) == [sentence]

    def test_an_address_that_is_elsewhere_is_refused(self) -> None:
        switch = Switch("cc1", address="10.0.0.9", public_ip="203.0.113.10")
        assert problems(SITE, switch, GOOD) == [
            "address 10.0.0.9 is on no interface; it has 203.0.113.10"
        ]

    @pytest.mark.parametrize(
        ("inside", "outside", "sentence"),
        [
            ({"host": "sip.vpn.example", "networks": ["10.9.0.0/24"]}, {"host": "198.51.100.7"},
             "Site.trunks[0].host: sip.vpn.example is a name, for which FreeSWITCH does not look "
             "into network.local_networks, and other trunks are outside of these; give its "
             "address"),
            ({"host": "10.9.0.7"}, {"host": "2.0.0.1"},
             "Site.trunks[1].host: FreeSWITCH takes 2.0.0.1 for a local address, and other trunks "
             "are in network.local_networks; give its name"),
        ],
    )  # fmt: skip
    def test_carriers_that_would_be_misled(
        self, inside: dict[str, Any], outside: dict[str, Any], sentence: str
    ) -> None:
        both = [Trunk("inside", **inside), Trunk("outside", **outside)]
        behind = Switch("cc1", address="10.0.0.9", public_ip="203.0.113.10")
        good = replace(GOOD, addresses=frozenset({"10.0.0.9"}))
        made = replace(SITE, trunks=both)
        assert problems(made, behind, good) == [sentence]
        # Nobody is, without a NAT, or alone.
        assert problems(made, SWITCH, GOOD) == []
        for one in both:
            assert problems(replace(SITE, trunks=[one]), behind, good) == []

    def test_who_asks_a_stun_server_needs_python(self) -> None:
        switch = Switch("cc1", address="203.0.113.10", stun="stun.example.net")
        assert problems(SITE, switch, GOOD) == [
            "stun is asked by a program in Python: install python3 on it"
        ]
        assert problems(SITE, switch, replace(GOOD, packages={"python3": "3.11.2-1"})) == []

    def test_a_port_taken_twice_is_one_problem(self) -> None:
        twice = (Listener("udp", "0.0.0.0", 5060, "asterisk"),) * 2
        assert len(problems(SITE, SWITCH, replace(GOOD, listeners=twice))) == 1

    def test_every_problem_is_told_at_once(self) -> None:
        assert len(problems(SITE, SWITCH, State(root=True))) >= 4


class TestPackages:
    """Which packages must come and which must go."""

    installed = {  # noqa: RUF012
        "freeswitch": "1.10.12~release-1",
        "freeswitch-mod-opus": "1.10.11~release-1",
        "freeswitch-mod-gsm": "1.10.12~release-1",
        "freeswitch-sounds-en": "1",
        "logrotate": "3.21",
    }

    def test_missing_and_of_another_version_are_outdated(self) -> None:
        wanted = ["freeswitch", "freeswitch-mod-opus", "freeswitch-mod-sofia", "logrotate"]
        assert outdated(wanted, self.installed, "1.10.12") == wanted[1:3]

    def test_modules_that_nobody_wants_are_unwanted(self) -> None:
        assert unwanted(["freeswitch-mod-opus"], self.installed) == ["freeswitch-mod-gsm"]

    def test_a_folder_without_packages_says_the_three_ways(self, tmp_path: Path) -> None:
        [line] = lacking(SITE, LocalPackages(path=tmp_path), GOOD)
        for word in (str(tmp_path), "SignalWire(", "AptRepository(", "FREESWITCH_APT"):
            assert word in line

    def test_a_folder_without_a_module_names_it(self, tmp_path: Path) -> None:
        names = freeswitch.packages(SITE)
        index = "\n\n".join(f"Package: {name}\nVersion: 1.10.12-1" for name in names)
        (tmp_path / "Packages").write_text(index)
        assert lacking(SITE, LocalPackages(path=tmp_path), GOOD) == []
        (tmp_path / "Packages").write_text(index.replace("freeswitch-mod-opus", "other"))
        [line] = lacking(SITE, LocalPackages(path=tmp_path), GOOD)
        assert f"{tmp_path}/Packages has no freeswitch-mod-opus of version 1.10.12" in line

    def test_a_folder_travels_as_a_repository_of_its_own(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "a.deb").write_bytes(b"deb")
        (tmp_path / "sub" / "a.deb").chmod(0o600)
        chosen = read_index("Package: aa\nFilename: ./sub/a.deb\n")
        with tarfile.open(fileobj=io.BytesIO(local_archive(chosen, tmp_path))) as tar:
            assert [(one.name, one.mode, one.uid) for one in tar] == [
                ("Packages", 0o644, 0),
                ("sub/a.deb", 0o644, 0),
            ]
            index = tar.extractfile("Packages")
            assert index is not None
            assert read_index(index.read().decode()) == chosen


@pytest.mark.skipif(not shutil.which("apt-get"), reason="apt is not installed")
def test_apt_understands_the_sources(tmp_path: Path) -> None:
    for file in apt.configuration(SITE, "bookworm"):
        (tmp_path / Path(file.path).name).write_bytes(file.content)
    # It only prints what it would fetch.
    done = subprocess.run(
        [
            *("apt-get", "update", "--print-uris"),
            *("-o", "Dir::Etc::SourceList=/dev/null"),
            *("-o", f"Dir::Etc::SourceParts={tmp_path}"),
            *("-o", f"Dir::State::Lists={tmp_path}"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    where = "https://freeswitch.signalwire.com/repo/deb/debian-release/dists/bookworm"
    assert f"'{where}/InRelease'" in done.stdout
    assert f"'{where}/main/binary-" in done.stdout
    assert "pat_" not in done.stdout


def test_a_deploy_file_is_a_module_for_inspect(tmp_path: Path) -> None:
    """What is no module's costs a look through all modules, at each operation.

    In a process of pyinfra's own: its command has gevent take the place of Python's threads and
    processes, for every test that comes after.
    """
    (tmp_path / "deploy.py").write_text(
        "import inspect\n"
        "from roles.host.stack import name_executed_files\n"
        "frame = inspect.currentframe()\n"
        "print('before:', inspect.getmodule(frame))\n"
        "name_executed_files()\n"
        "print('after:', inspect.getmodule(frame).__file__)\n"
    )
    done = subprocess.run(
        [COMMAND, "-y", "@local", "deploy.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[:2] == ["before: None", "after: deploy.py"], done.stderr
