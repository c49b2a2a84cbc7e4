"""The command ``callcenter`` as a newcomer types it: what it says, and that it does not say a
traceback."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import click
import pytest

from callcenter.cli import COMMANDS, main
from callcenter.cli.check import check
from callcenter.cli.plan import against
from callcenter.cli.rehearsal import configuration, files, further, rehearsed, unmade
from callcenter.cli.schema import schema
from callcenter.cli.status import REGISTERED
from callcenter.cli.switches import MARK, answers, fs_cli
from callcenter.client.home import HOME
from callcenter.client.inventory import load
from callcenter.render import File, Tree, paths
from callcenter.render.host_files import HostFiles
from callcenter.render.release import Release, compared
from tests.certificates import Authority

ROOT = Path(__file__).parents[2]
SITE = """
from callcenter.site import *

site = Site(
    domain="shop.example.net",
    extensions=[*Extension.range(1000, 1003)],
    network=Network(sip_from="anywhere"),
    firewall=Firewall(ssh_from="anywhere"),
    packages=LocalPackages(),
    MORE
)
"""
HOSTS = """
from callcenter.site import hosts
switches = hosts(("cc1.example.net", {"public_ip": "203.0.113.10"}))
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site's folder, which one stands in."""
    (tmp_path / "inventories/group_data").mkdir(parents=True)
    (tmp_path / "inventories/prod").write_text(HOSTS)
    described(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def described(folder: Path, more: str = "", text: str = SITE) -> None:
    (folder / "inventories/group_data/prod.py").write_text(text.replace("MORE", more))


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_module_that_helps(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert isinstance(import_module(f"callcenter.cli.{name}").command, click.Command)
    assert main([name, "--help"]) == 0
    assert f"Usage: callcenter {name}" in capsys.readouterr().out


def test_help_waits_for_no_model() -> None:
    """Nor does completion of a command's name, which a shell asks at each key."""
    script = (
        "import sys; from callcenter.cli import main; main(['--help']); "
        "print([name for name in sys.modules if name.startswith(('callcenter.site', 'pydantic'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


def test_what_a_new_site_is_told_it_can_be_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--host", "cc1.shop.test", "--domain", "shop.test", "--public-ip", "198.51.100.7"]
    assert main(["new", "shop", *words, "--timezone", "Asia/Shanghai"]) == 0
    shown = capsys.readouterr().out
    assert "callcenter deploy" in shown
    made = {str(path.relative_to(tmp_path)) for path in (tmp_path / "shop").rglob("*.*")}
    assert {"shop/deploy/callcenter.py", "shop/config.py", "shop/.gitignore"} <= made
    monkeypatch.chdir(tmp_path / "shop")
    assert check(Path(), secrets=False) == []
    inventory = Path("inventories/prod").read_text()
    assert '("cc1.shop.test", {"public_ip": "198.51.100.7", "ssh_user": "root"})' in inventory
    site = Path("inventories/group_data/prod.py").read_text()
    assert 'domain="shop.test"' in site
    assert 'timezone="Asia/Shanghai"' in site
    assert main(["phone"]) == 0
    assert "domain       shop.test" in capsys.readouterr().out


def test_a_new_site_may_be_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--host", "10.0.0.5", "--domain", "shop.test", "--timezone", "Asia/Shanghai"]
    assert main(["new", "shop", *words, "--yaml"]) == 0
    assert "edit shop/inventories/group_data/prod.yaml (" in capsys.readouterr().out
    assert main(["new", "twin", *words]) == 0
    monkeypatch.chdir(tmp_path / "shop")
    assert check(Path(), secrets=False) == []
    assert load("inventories/prod").site == load("../twin/inventories/prod").site
    first, second, *_ = Path("inventories/group_data/prod.yaml").read_text().splitlines()
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert Path("inventories/group_data", named).resolve() == Path("site.schema.json").resolve()
    assert json.loads(Path("site.schema.json").read_text()) == json.loads(schema())
    assert second.startswith("# Phones")
    assert "`inventories/group_data/prod.yaml` describes" in Path("README.md").read_text()


def test_a_new_site_overwrites_nothing(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (shop / "inventories/prod").read_text()
    assert main(["new", ".", "--host", "10.0.0.5", "--domain", "a.test"]) == 1
    assert "is there already" in capsys.readouterr().err
    assert (shop / "inventories/prod").read_text() == before


def test_a_new_site_that_was_cut_short_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files that were written half are no obstacle; one that somebody has changed stays."""
    monkeypatch.chdir(tmp_path)
    words = ["new", "shop", "--host", "10.0.0.5", "--domain", "a.test"]
    assert main(words) == 0
    half = tmp_path / "shop/inventories/prod"
    whole = half.read_bytes()
    half.write_bytes(whole[: len(whole) // 2])
    (tmp_path / "shop/README.md").unlink()
    assert main(words) == 0
    assert half.read_bytes() == whole
    half.write_bytes(whole + b"# by hand\n")
    assert main(words) == 1
    assert "is there already" in capsys.readouterr().err
    assert half.read_bytes() == whole + b"# by hand\n"


def test_it_works_as_the_wheel_lays_it_out(tmp_path: Path) -> None:
    """From another folder, with nothing of the clone: a site, its check, its deploy, its proof."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    packages = {path: Path(path).name for path in wheel["packages"]}
    installed = tmp_path / "installed"
    for path, where in {**packages, **wheel["force-include"]}.items():
        (there := installed / where).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / path).is_dir():
            # With what Python has compiled of it, as pip compiles what it installs.
            shutil.copytree(ROOT / path, there)
        else:
            shutil.copy(ROOT / path, there)

    def run(*words: str, within: Path = tmp_path) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", *words],
            cwd=within,
            env={**os.environ, "PYTHONPATH": str(installed), "CALLCENTER_SECRET_SIGNALWIRE": "t"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    shop = tmp_path / "shop"
    run("callcenter", "new", "shop", "--host", "10.0.0.5", "--domain", "shop.test")
    assert run("callcenter", "check", within=shop).endswith("ok\n")
    run("callcenter", "new", "other", "--yaml", "--host", "10.0.0.6", "--domain", "other.test")
    assert run("callcenter", "check", within=tmp_path / "other").endswith("ok\n")
    proofs = run("callcenter", "verify", "--co", "-q", within=shop)
    assert "test_t2_call.py::test_call_and_hang_up[10.0.0.5-caller]" in proofs
    # All that a deploy imports, by the file that an operator's folder has.
    deploys = "from callcenter.client import home; home.enter(); "
    deploys += "import pyinfra_windows; from roles import freeswitch, windows; "
    deploys += "print(pyinfra_windows.__file__, freeswitch.__file__, home.DEPLOY)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", deploys],
        cwd=shop,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(ROOT) not in done.stdout
    assert "shipped/roles/freeswitch" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "10.0.0.5", "--domain", "-"], "Site.domain: is no domain name"),
        (["--host", "cc1", "--domain", "a.test"], "address: is missing"),
        (["--host", "10.0.0.5", "--domain", 'a", x="'], "domain: 'a\", x=\"' is no name"),
        (["--host", "h", "--domain", "a.test", "--public-ip", "10.0.0.1"], "10.0.0.1 is private"),
        (["--host", "10.0.0.5", "--domain", "a.test", "--timezone", "Mars"], "time zone: 'Mars'"),
    ],
)
def test_a_new_site_that_would_be_refused_is_not_written(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "shop", *words]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "shop").exists()


MISTAKES: list[tuple[str, str, str]] = [
    # What was typed, what is wrong with the site, what is said.
    ("chek", "", "'chek' is no command; check is"),
    ("frobnicate", "", "'frobnicate' is no command; there are new, check"),
    ("check --wihout-passwords", "", "No such option"),
    ("check inventories/prdo", "", "inventories/prdo: cannot be read"),
    ("check nowhere/at/all", "", "nowhere/at/all: cannot be read"),
    ("check /etc", "", "/etc: has no folder inventories"),
    ("check prod.yaml", "", "prod.yaml: there is no such file"),
    ("check", "bilingual=True", "Site.bilingual"),
    ("check", "timezone='Mars'", "Site.timezone: 'Mars'"),
    ("check", "timezon='Europe/Berlin'", "timezone"),
    ("check", "extension=[]", "Site.extension"),
    ("check", ")", "is no Python at line"),
    ("check", "language=nope", "NameError"),
    ("check", "features=FeatureCodes(echo='1000')", "1000"),
    (
        "check",
        "smtp=Smtp('mail.example.net', sender='a@b.test', user='a', password=secret('mail'))",
        "CALLCENTER_SECRET_MAIL",
    ),
    # Written into the inventory.
    ("check", "public_ipp", "public_ipp: is read by nobody; did you mean 'public_ip'?"),
    ("phone --number 4711", "", "4711 is no extension of shop.example.net"),
    ("phone --number 1000 --pin", "", "1000 has no mailbox"),
    ("phone prod.yaml", "", "has no hosts"),
    ("route", "", "Missing argument"),
    ("route yesterday 1000", "", "'yesterday' is no moment; use one such as"),
    ("route 2026-12-25T10:00 1000 --night shop", "", "--night: 'shop' is none of the hours"),
    ("route 2026-12-25T10:00 1000 --from 9", "", "--from: 9 is no extension of shop.example.net"),
    ("route 2026-12-25T10:00 1000 --caller +49301", "", "--caller: is who calls from outside"),
    ("route 2026-12-25T10:00 1000 --from 1000 --trunk t", "", "exclude each other"),
    ("billing balance shop", "", "the Site bills nothing"),
    ("billing top-up shop", "", "Missing argument"),
    ("billing top-up shop -5", "", "amount: '-5' is none; give one above 0"),
    ("fax send . 0301 fax.pdf", "", "the Site has no fax"),
    ("fax", "", "Usage: callcenter fax"),
    ("notify . storm numbers.txt", "", "/numbers.txt: cannot be read"),
    ("notify . storm", "", "Missing argument"),
    ("bans cc1.example.net", "", "cc1.example.net: cannot be read"),
    ("bans . cc9.example.net", "", "cc9.example.net is no Linux host"),
    ("bans --lift everybody", "", "'everybody' is no address"),
    ("fs_cli --host cc9 status", "", "cc9 is no Linux switch"),
    ("fs_cli", "", "Missing argument"),
    ("logs", "", "Missing argument"),
    ("logs cc9", "", "cc9 is no Linux host of inventories/prod; there are cc1.example.net"),
    ("logs cc1.example.net --since noon", "", "--since: 'noon' is no time; use one such as 30m"),
    ("siptrace cc9", "", "cc9 is no Linux host of inventories/prod; there are cc1.example.net"),
    ("siptrace cc1.example.net --for 0", "", "0 is not in the range 1<=x<=3600"),
    ("deploy inventories/prdo", "", "inventories/prdo: cannot be read"),
    ("deploy prod.yaml", "", "prod.yaml: there is no such file"),
    ("deploy --limit cc9", "", "--limit: cc9 is no host or group; there are cc1.example.net"),
    ("deploy", "timezone='Mars'", "Site.timezone: 'Mars'"),
    ("verify inventories/prdo", "", "inventories/prdo: cannot be read"),
    ("verify", "timezone='Mars'", "Site.timezone: 'Mars'"),
    ("drift inventories/prdo", "", "inventories/prdo: cannot be read"),
]


@pytest.mark.parametrize(("typed", "more", "said"), MISTAKES)
def test_a_mistake_is_told_in_three_lines(
    typed: str, more: str, said: str, shop: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not 0, what was wrong in the words of who typed it, and no traceback."""
    if more == "public_ipp":
        (shop / "inventories/prod").write_text(HOSTS.replace("public_ip", more))
    else:
        described(shop, more)
    assert main(typed.split()) != 0
    shown = capfd.readouterr()
    lines = [line for line in (shown.out + shown.err).splitlines() if line]
    if not said.startswith("Usage"):
        assert len([line for line in lines if not re.match(r"Usage|Try ", line)]) <= 3, lines
    assert said in " ".join(lines)
    assert "Traceback" not in shown.out + shown.err


def test_code_of_the_operators_own_that_fails_is_told_with_its_line(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "inventories/prod").write_text(f"{HOSTS}\nraise RuntimeError('no\\nway')\n")
    assert main(["check"]) == 1
    assert capsys.readouterr().err == "inventories/prod: fails at line 5: RuntimeError: no way\n"


def test_several_inventories_without_one_for_production(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "inventories/prod").rename(shop / "inventories/berlin")
    (shop / "inventories/paris").write_text(HOSTS)
    assert main(["check"]) == 1
    said = capsys.readouterr().err
    assert said == ".: which inventory is meant? There are: inventories/berlin, inventories/paris\n"


def test_the_wheel_brings_all_that_commands_use_and_no_package_of_a_common_name() -> None:
    """Read from pyproject.toml, which says where each part goes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["callcenter", "packages/pyinfra-windows/src/pyinfra_windows"]
    brought = wheel["force-include"]
    assert all((ROOT / path).exists() for path in brought)
    assert all(where.startswith("callcenter/") for where in brought.values())
    shipped = {path: where for path, where in brought.items() if path != "templates"}
    assert shipped == {path: f"callcenter/shipped/{path}" for path in shipped}
    for path in ("deploy/callcenter.py", "roles/host", "tests/acceptance", "inventories/prod"):
        assert (HOME / path).exists()
        assert any(path == one or path.startswith(f"{one}/") for one in shipped)


def test_the_wheel_offers_the_plugins_connectors() -> None:
    """One name and one place, whether the plugin is installed with the wheel or by itself."""
    ours, plugin = (
        tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
        for folder in (".", "packages/pyinfra-windows")
    )
    assert ours["entry-points"] == plugin["entry-points"]
    assert ours["requires-python"] == plugin["requires-python"]
    assert set(plugin["dependencies"]) <= set(ours["dependencies"])
    extras = (ours["optional-dependencies"], plugin["optional-dependencies"])
    assert extras[0]["windows"] == extras[1]["winrm"]
    assert set(extras[1]["dev"]) <= {*extras[0]["dev"], *extras[0]["verify"]}


SECRET = "not-to-be-shown-7c1f"
TRUNK = """
trunks=[Trunk("carrier", host="sip.carrier.test", networks=["198.51.100.0/24"], username="u",
              password=secret("carrier"))],

"""


def test_rendered_files_show_no_secret_and_make_none(
    shop: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    described(shop, TRUNK, SITE.replace("Network(", "Network("))
    monkeypatch.setenv("CALLCENTER_SECRET_CARRIER", SECRET)
    # The key that Kamailio signs ways with, which is no field.
    monkeypatch.setenv("CALLCENTER_SECRET_EDGE_DIALOGS", SECRET)
    assert main(["render"]) == 0
    assert "dialplan/default.xml" in capsys.readouterr().out
    # Nobody is told to keep a copy of what is there for this moment.
    assert not caplog.messages
    assert main(["render", "--file", "dialplan/default.xml"]) == 0
    assert '<context name="default">' in capsys.readouterr().out
    assert main(["render", "--out", "out"]) == 0
    written = [path.read_bytes() for path in (shop / "out").rglob("*") if path.is_file()]
    assert any(b"sip.carrier.test" in one for one in written)
    assert any(path.name == "kamailio.cfg" for path in (shop / "out").rglob("*"))
    assert not any(SECRET.encode() in one for one in written)
    key = hashlib.sha256(f"cc1.example.net:{SECRET}".encode()).hexdigest()
    assert not any(key.encode() in one for one in written)
    assert not (shop / ".secrets").exists()
    assert os.environ["CALLCENTER_SECRET_CARRIER"] == SECRET


@pytest.mark.parametrize("by", ["file", "variable"])
def test_a_private_key_is_there_and_not_rendered(
    shop: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """It has to fit its certificate, so no stand-in will do."""
    certificate, key = Authority.make(shop / "own").certificate("shop.example.net")
    tls = f"tls=PhoneTls({str(certificate)!r}, secret('phones-key')), "
    described(shop, text=SITE.replace("Network(", f"Network({tls}"))
    if by == "variable":
        monkeypatch.setenv("CALLCENTER_SECRET_PHONES_KEY", key.read_text())
    else:
        kept = shop / ".secrets/shop.example.net.json"
        kept.parent.mkdir(mode=0o700)
        kept.touch(0o600)
        kept.write_text(json.dumps({"phones-key": key.read_text()}))
    assert main(["render", "--out", "out"]) == 0
    written = [path.read_bytes() for path in (shop / "out").rglob("*") if path.is_file()]
    assert b"(a private key)\n" in written
    assert not any(key.read_text().splitlines()[1].encode() in one for one in written)


def test_a_key_that_is_not_there_is_said(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    certificate, _ = Authority.make(shop / "own").certificate("shop.example.net")
    tls = f"tls=PhoneTls({str(certificate)!r}, secret('phones-key')), "
    described(shop, text=SITE.replace("Network(", f"Network({tls}"))
    assert main(["check"]) == 1
    said = capsys.readouterr().err
    assert (
        "Site.network.tls.key: secret('phones-key') is never made and not set; put its key" in said
    )
    assert "into CALLCENTER_SECRET_PHONES_KEY, or into " in said


def test_a_literal_is_not_rendered(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    described(shop, f"event_socket=EventSocket(password=Secret(literal={SECRET!r})),")
    assert main(["render", "--out", "out"]) == 1
    shown = capsys.readouterr()
    assert "Site.event_socket.password: is a literal" in shown.err
    assert SECRET not in shown.out + shown.err


@pytest.mark.parametrize(
    ("old", "new", "steps"),
    [
        ("MORE", "", ["nothing would change"]),
        ("MORE", "ring_groups=[RingGroup('desk', number=6000, members=['1000'])],",
         ["+ dialplan/services/ring_groups.xml", "reloadxml: no call notices"]),
        ("MORE", "media=Media(codecs=('PCMA',)),", ["rescan internal: no call notices"]),
        ("MORE", "cdr=Cdr('json'),",
         ["+ /usr/lib/callcenter/deliver-calls",
          "start callcenter-calls.service: no call notices"]),
        ("MORE", "smtp=Smtp('mail.example.net', sender='a@b.net', user='a', "
         "password=secret('smtp')), guessers=Guessers(alarm='c@d.net'),",
         ["+ /usr/lib/callcenter/limit-alarm",
          "start callcenter-bans-alarm.service: no call notices"]),
        ("1003", "1004",
         ["~ /etc/kamailio/callcenter/ha1", "reload kamailio.service: no call notices"]),
        ('firewall=Firewall(ssh_from="anywhere"', 'firewall=Firewall(ssh_from=("10.0.0.0/8",)',
         ["~ /etc/callcenter/firewall.nft", "load the packet filter: no call notices"]),
        ('sip_from="anywhere"', 'sip_from="anywhere", sip_port=5070',
         ["~ /etc/kamailio/callcenter/kamailio.cfg",
          "restart kamailio.service: calls that are up go on; phones by TCP or TLS and browsers "
          "connect anew"]),
        ("LocalPackages()", "LocalPackages(version='1.10.11')",
         ["~ /etc/apt/preferences.d/freeswitch",
          "install packages: all calls end where FreeSWITCH's version is another"]),
    ],
)  # fmt: skip
def test_what_a_change_costs_is_told_before(
    old: str, new: str, steps: list[str], shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(shop / "inventories", shop / "was/inventories")
    described(shop, text=SITE.replace(old, new))
    assert main(["plan", "was", "."]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert set(steps) <= set(shown), shown
    gone = {line.rpartition("/")[2] for line in shown if line[0] == "-"}
    assert {line.split()[1].rstrip(":") for line in shown if line.startswith("stop ")} <= gone
    # A host that has the one is told the same of the other.
    one = load(shop / "was/inventories/prod")
    with rehearsed(one.site) as site:
        present = accepted(configuration(site, one.hosts[0]))
        there = deployed(further(site, one.hosts[0]))
    now = load(shop / "inventories/prod")
    with rehearsed(now.site) as site:
        wanted, others = configuration(site, now.hosts[0]), further(site, now.hosts[0])
    assert against(present, wanted, there, others) == shown
    # It holds files by the modes that they have there.
    open_to_all = replace(there, modes=there.modes | {paths.RELEASE_TOOL: 0o777})
    assert f"~ {paths.RELEASE_TOOL}" in against(present, wanted, open_to_all, others)


def deployed(tree: Tree) -> HostFiles:
    """Return what a host answers to which a tree was deployed."""
    digests = {file.path: file.digest for file in tree}
    return HostFiles(digests, {file.path: file.mode for file in tree}, frozenset(digests))


def accepted(tree: Tree) -> Release:
    """Return what a host answers on which a tree was deployed, and runs."""
    digests = {file.path: file.digest for file in tree}
    return Release(digests, compared(tree), running=True, enabled=True, settled=True)


def test_what_a_phone_calls_itself_ends_no_answer() -> None:
    named = f"User-Agent: {MARK}"
    assert answers(f"{named}\n\n{MARK}\n\n{MARK}\nlast\n\n{MARK}\n") == [named, "", "last"]


def test_a_plan_tells_what_else_a_deploy_would_do() -> None:
    tree = Tree([File("freeswitch.xml", b"<document/>")])
    well = accepted(tree)
    assert against(well, tree) == ["nothing would change"]
    assert "is there yet" in against(Release(), tree)[0]
    assert against(replace(well, running=False), tree) == [
        "FreeSWITCH does not run; a deploy starts it"
    ]
    assert "does not run as it was deployed" in against(replace(well, settled=False), tree)[0]
    # What a host says moves no cursor.
    strange = replace(well, digests=well.digests | {"a\x1b[2J": "0"})
    assert against(strange, tree)[0] == "- a?[2J"
    below = against(replace(well, restart_needed=True), tree)
    assert below[0].startswith("restart: all calls end")
    assert "packages or the unit have changed" in below[1]


@pytest.mark.skipif(shutil.which("ssh") is None, reason="ssh is not installed")
@pytest.mark.parametrize(
    ("command", "says"),
    [(["deploy", "-y"], "No host was changed."), (["drift"], "No host was looked at.")],
    ids=["deploy", "drift"],
)
def test_a_host_that_is_not_there_is_told_in_our_words(
    command: list[str], says: str, shop: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """And pyinfra is not asked."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (shop / "inventories/prod").write_text(
        "from callcenter.site import hosts\n"
        "switches = hosts(('gone.invalid', {'address': '10.0.0.1'}), ('cc1', {"
        f"'address': '10.0.0.2', 'ssh_hostname': '127.0.0.1', 'ssh_port': {port}}}))\n"
    )
    assert main(command) == 1
    gone, refused, last = capfd.readouterr().err.splitlines()
    assert gone.startswith("gone.invalid: ")
    assert gone.endswith("give ssh_hostname, or a name that DNS knows")
    assert refused.startswith("cc1: ")
    assert refused.endswith("no ssh listens there; ssh_port says another port")
    assert last == says


def test_a_plan_makes_no_secret(shop: Path, caplog: pytest.LogCaptureFixture) -> None:
    described(shop, "event_socket=EventSocket(users=[EventSocketUser('a')]),")
    kept = shop / ".secrets/shop.example.net.json"
    kept.parent.mkdir()
    kept.touch(0o600)
    kept.write_text(json.dumps({"esl": SECRET}))
    inventory = load(shop / "inventories/prod")
    site = inventory.site
    with unmade(site) as safe:
        assert paths.KAMAILIO_CONFIG in files(safe, inventory.hosts[0])
        assert not caplog.records
        assert safe.reveal(site.event_socket.password) == SECRET
        stand_in = safe.reveal(site.event_socket.users[0].password)
        assert stand_in.startswith("masked-")
    assert json.loads(kept.read_text()) == {"esl": SECRET}


CONTACTS = """{
	Domains: {
		Domain: {
			AoRs: {
				Info: {
					AoR: 1000
					Contacts: {
						Contact: {
							Address: sip:1000@10.0.0.9:5060;transport=tcp
							User-Agent: a
							Received: sip:192.0.2.9:41234;transport=TCP
						}
					}
				}
				Info: {
					AoR: 1001
					Contacts: {
						Contact: {
							Address: sip:1001@[2001:db8::7]
							Received: [not set]
						}
					}
				}
			}
		}
	}
}"""


def test_what_a_switch_says_is_a_table_of_printable_signs(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A caller's name is a stranger's: it moves no cursor of the terminal, and ends no line."""
    described(
        shop,
        TRUNK
        + 'queues=[Queue("sales", number=7000)], agents=[Agent("1000", skills={"sales": 1})],',
    )
    monkeypatch.setenv("CALLCENTER_SECRET_CARRIER", SECRET)
    answers = {
        fs_cli("show calls as json"): json.dumps(
            {"rows": [{"cid_num": "\x1b[2J\n7", "dest": "7000", "callstate": "ACTIVE"}]}
        ),
        REGISTERED: CONTACTS,
        fs_cli("sofia status gateway carrier"): "===\nState   \tREGED\nStatus  \tUP\n===",
        fs_cli("callcenter_config agent list"): "name|status|state\n1000|Available|Waiting\n+OK",
        fs_cli("callcenter_config queue list members sales"): (
            "queue|cid_number|state\nsales|1001|Abandoned\n+OK"
        ),
    }
    monkeypatch.setattr(
        "callcenter.cli.status.ask", lambda host, asked: [answers[one] for one in asked]
    )
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    counts = [line for line in lines if not line.startswith(" ")]
    assert counts == ["phones: 2", "calls: 1", "trunks: 1", "agents: 1", "waiting: 0"]
    assert "  1000    192.0.2.9    41234" in lines
    assert "  1001    2001:db8::7  5060" in lines
    assert "  ?[2J?7  7000  ACTIVE" in lines
    assert "  carrier  REGED         UP" in lines
    assert "  1000   Available  Waiting" in lines


def test_a_sites_secrets_are_in_its_folder_wherever_one_stands(
    shop: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (elsewhere := shop / "elsewhere").mkdir()
    within = shop / "inventories"
    words = ["--number", "1000", "--password"]
    said = []
    for stands, site in (
        *((within, "prod"), (within, ".")),
        *((elsewhere, ".."), (elsewhere, "../inventories/prod"), (shop, ".")),
    ):
        monkeypatch.chdir(stands)
        assert main(["phone", site, *words]) == 0
        assert Path.cwd() == stands
        shown = capsys.readouterr()
        said.append(shown.out)
    assert len(set(said)) == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"made 6 secrets in {shop}/.secrets/shop.example.net.json; keep a copy of it"
    ]
    assert (shop / ".secrets/shop.example.net.json").exists()
    assert not (elsewhere / ".secrets").exists()
    assert not (within / ".secrets").exists()


def test_a_secret_file_that_others_read_is_told_by_its_name(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file := shop / ".secrets/shop.example.net.json").parent.mkdir()
    file.write_text("{}")
    file.chmod(0o644)
    assert main(["phone", "--password"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "fails at line" not in line
    assert "chmod 600" in line
