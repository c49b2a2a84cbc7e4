"""Where packages come from, asked by real apt: SignalWire's layout behind its login, any signed
repository, a folder."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from callcenter.render import paths
from callcenter.site import LocalPackages
from lab.lab import Lab
from tests.roles.conftest import SITE, Operator, Run
from tests.roles.support import refused, sentence

BARE, DEPLOYED = "src1", "src2"
TOKEN = "pat_8fK2mZq7Lr4TxW9c"
KEY = "signalwire-freeswitch-repo.gpg"

pytestmark = pytest.mark.skipif(
    shutil.which("gpg") is None, reason="a repository is signed by gpg, which is not installed"
)


class Keyring:
    """Throw-away signing keys."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def gpg(self, *arguments: str, stdin: bytes = b"", clock: str = "") -> bytes:
        faked = ("--faked-system-time", f"{clock}!") if clock else ()
        return subprocess.run(
            [
                *("gpg", "--homedir", str(self.home), "--batch", "--quiet", "--yes", *faked),
                *("--pinentry-mode", "loopback", "--passphrase", "", *arguments),
            ],
            input=stdin,
            capture_output=True,
            check=True,
        ).stdout

    def make(self, name: str, *, expires: str = "never", clock: str = "") -> None:
        self.gpg("--quick-generate-key", name, "ed25519", "sign", expires, clock=clock)

    def public(self, name: str, *options: str) -> bytes:
        return self.gpg(*options, "--export", name)

    def close(self) -> None:
        """gpg leaves an agent behind."""
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=True)


@pytest.fixture(scope="module")
def keyring() -> Iterator[Keyring]:
    # Not pytest's folder: the agent's socket needs a short path.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        made = Keyring(Path(folder))
        made.make("good")
        made.make("other")
        made.make("expired", expires="2020-02-01", clock="20200101T000000")
        yield made
        made.close()


class Watch:
    """Every process of a host with its user and arguments, for as long as the watch lasts."""

    def __init__(self, operator: Operator, host: str) -> None:
        self._process = subprocess.Popen(
            operator.lab.ssh(
                host, ["while echo; do ps -eo user:20,args || exit; sleep 0.02; done"]
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        self._reader = threading.Thread(target=self._read)
        self.seen: set[str] = set()
        self._looks, self._looked = 0, threading.Condition()
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.seen.add(line.rstrip())
            if line == "\n":
                with self._looked:
                    self._looks += 1
                    self._looked.notify_all()

    def look(self) -> None:
        """Wait until every process that is there now has been seen."""
        with self._looked:
            # The one that goes on now may have passed it.
            after = self._looks + 2
            self._looked.wait_for(lambda: self._looks >= after, timeout=30)

    def end(self) -> str:
        self._process.terminate()
        self._reader.join()
        self._process.wait()
        return "\n".join(sorted(self.seen))


@dataclass
class Repository:
    """Repositories on this machine's address in the lab, behind one login."""

    address: str
    folder: Path
    port: int = 0
    logins: set[str] = field(default_factory=set)
    served: list[str] = field(default_factory=list)
    watch: Watch | None = None
    """Sees who asks: nobody gets the key or the release before it has looked."""

    def url(self, name: str = "debian-release") -> str:
        return f"http://{self.address}:{self.port}/{name}"

    def publish(self, name: str, keyring: Keyring, signer: str, clock: str = "") -> None:
        """Lay FreeSWITCH's packages out as SignalWire does."""
        root = self.folder / name
        binary = root / "dists/bookworm/main/binary-amd64"
        binary.mkdir(parents=True)
        (root / "pool").mkdir()
        (root / "pool/main").symlink_to(LocalPackages().path)
        index = re.sub(
            r"^Filename: (\./)?",
            "Filename: pool/main/",
            LocalPackages().index.read_text(),
            flags=re.MULTILINE,
        ).encode()
        release = "Origin: lab\nSuite: bookworm\nCodename: bookworm\nComponents: main\n"
        release += "Architectures: amd64\nDate: Wed, 01 Jan 2020 00:00:00 UTC\nSHA256:\n"
        for file, content in (("Packages", index), ("Packages.gz", gzip.compress(index))):
            (binary / file).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            release += f" {digest} {len(content)} main/binary-amd64/{file}\n"
        text = release.encode()
        suite = binary.parents[1]
        sign = partial(keyring.gpg, "--local-user", signer, stdin=text, clock=clock)
        (suite / "Release").write_bytes(text)
        (suite / "InRelease").write_bytes(sign("--clearsign"))
        (suite / "Release.gpg").write_bytes(sign("--armor", "--detach-sign"))
        (root / KEY).write_bytes(keyring.public(signer))


@pytest.fixture(scope="module")
def repository(
    lab: Lab, keyring: Keyring, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Repository]:
    made = Repository(lab.gateway, tmp_path_factory.mktemp("repositories"))

    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def send_head(self) -> Any:
            scheme, _, given = self.headers.get("Authorization", "").partition(" ")
            login = base64.b64decode(given).decode() if scheme == "Basic" else ""
            if login not in made.logins:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="packages"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return None
            made.served.append(self.path)
            if made.watch is not None and self.path.endswith((KEY, "Release")):
                made.watch.look()
            return super().send_head()

        def log_message(self, *_: Any) -> None:
            pass

    made.publish("debian-release", keyring, "good")
    made.publish("expired", keyring, "expired", clock="20200115T000000")
    made.logins = {f"signalwire:{TOKEN}", f"mirror:{TOKEN}-of-mirror"}
    with ThreadingHTTPServer((lab.gateway, 0), partial(Handler, directory=made.folder)) as server:
        made.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


def site(packages: str, **changes: str) -> str:
    text = SITE.replace("secret_file=", f"packages={packages},\n    secret_file=")
    for was, becomes in changes.items():
        assert was in text
        text = text.replace(was, becomes)
    return text


def signalwire(repository: Repository, name: str = "debian-release", **options: str) -> str:
    further = "".join(f", {key}={value!r}" for key, value in options.items())
    return f'SignalWire(token=secret("signalwire"), url="{repository.url(name)}"{further})'


@pytest.fixture(scope="module")
def operator(operator_of: Callable[..., Operator]) -> Operator:
    made = operator_of(BARE, DEPLOYED, bare=True)
    for host in made.hosts:
        # Debian's packages come through the lab's cache, these from next door.
        made.ssh(
            host,
            f"printf 'Acquire::http::Proxy::%s \"DIRECT\";\\n' {made.lab.gateway} packages.example "
            ">/etc/apt/apt.conf.d/02direct",
        )
    return made


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLCENTER_SECRET_SIGNALWIRE", TOKEN)
    monkeypatch.setenv("CALLCENTER_SECRET_MIRROR", f"{TOKEN}-of-mirror")


@dataclass(frozen=True)
class Install:
    """A run that installs with the token, and all that the host's process list showed of it."""

    run: Run
    arguments: str


@pytest.fixture(scope="module")
def install(operator: Operator, repository: Repository) -> Install:
    operator.describe(site(signalwire(repository)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALLCENTER_SECRET_SIGNALWIRE", TOKEN)
        repository.watch = watch = Watch(operator, DEPLOYED)
        try:
            run = operator.succeed("-y", "-vvv", "--limit", DEPLOYED)
        finally:
            repository.watch = None
            arguments = watch.end()
    return Install(run, arguments)


@pytest.mark.usefixtures("install")
def test_token_installs(operator: Operator, repository: Repository) -> None:
    assert "RUNNING" in operator.ssh(DEPLOYED, "fs_cli -x 'sofia status'")
    assert any(path.endswith(".deb") for path in repository.served)
    policy = operator.ssh(DEPLOYED, "apt-cache policy freeswitch")
    assert f" {repository.url()} " in policy


def test_token_is_seen_by_nobody(operator: Operator, install: Install) -> None:
    # The watch saw what it had to see, apt's own sandbox among it.
    assert re.search(r"^_apt +/usr/lib/apt/methods/http$", install.arguments, re.MULTILINE)
    assert "apt-helper" in install.arguments
    secrets = {TOKEN, base64.b64encode(f"signalwire:{TOKEN}".encode()).decode()}
    assert [one for one in secrets if one in install.arguments] == []
    assert [one for one in secrets if one in install.run.output] == []
    # Nor did the archive that carried it reach the output.
    assert not re.search(r"[A-Za-z0-9+/]{200}", install.run.output)
    holding = operator.ssh(
        DEPLOYED,
        f"grep -rl --devices=skip {TOKEN} /etc /var /tmp /run /root /home /srv /usr/lib/callcenter",
    )
    assert holding.split() == [paths.APT_AUTH]
    stat = f"stat -c '%a %U:%G' {paths.APT_AUTH}"
    assert operator.ssh(DEPLOYED, stat).strip() == "600 root:root"
    assert TOKEN not in operator.ssh(DEPLOYED, "journalctl --no-pager")


@pytest.mark.usefixtures("install", "token")
def test_second_run_with_a_token_changes_nothing(
    operator: Operator, repository: Repository
) -> None:
    operator.describe(site(signalwire(repository)))
    repository.served.clear()
    run = operator.succeed("-y", "--json", "--limit", DEPLOYED)
    assert run.changes == 0, run.output
    assert repository.served == []


@pytest.mark.usefixtures("install")
def test_own_update_of_the_host_goes_on(operator: Operator) -> None:
    # As unattended upgrades would do it, in apt's sandbox.
    said = operator.ssh(DEPLOYED, "rm -rf /var/lib/apt/lists/*; apt-get -eany update; echo $?")
    assert said.splitlines()[-1] == "0", said
    assert "unsandboxed" not in said


@pytest.mark.usefixtures("install")
def test_wrong_token_is_refused_before_any_host_changes(
    operator: Operator, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "pat_this-one-was-withdrawn-7"
    monkeypatch.setenv("CALLCENTER_SECRET_SIGNALWIRE", wrong)
    # The second host has its packages, and would have taken the new extension.
    text = site(signalwire(repository), **{"range(1000, 1009": "range(1000, 1010"})
    operator.describe(text)
    run = refused(operator)
    said = sentence(run, BARE, "package source")
    assert "401" in said
    assert "packages.token" in said
    assert repository.url() in said
    assert wrong not in run.output
    nothing = sentence(run, DEPLOYED, "Nothing was changed")
    assert BARE in nothing


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize(
    ("packages", "words"),
    [
        pytest.param(
            lambda r, k: signalwire(r, "expired"),
            ["signing key has expired", "get the present key"],
            id="expired key",
        ),
        pytest.param(
            lambda r, k: signalwire(r, version="1.10.11"),
            ["has no freeswitch of version 1.10.11", "packages.version"],
            id="version",
        ),
        pytest.param(
            lambda r, k: signalwire(r, "nowhere"),
            ["404", "packages.url"],
            id="url",
        ),
        pytest.param(
            lambda r, k: signalwire(r).replace(str(r.port), "9"),
            ["does not answer", "10.77.0.1:9", "packages.url"],
            id="no server",
        ),
        pytest.param(
            lambda r, k: signalwire(r).replace(r.address, "packages.example"),
            ["cannot resolve packages.example", "DNS"],
            id="no such name",
        ),
        pytest.param(
            lambda r, k: (
                f'AptRepository(url="{r.url()}", key="{k}/other.gpg", user="mirror", '
                'password=secret("mirror"))'
            ),
            ["signature is not by the given key", "packages.key"],
            id="other key",
        ),
        pytest.param(
            lambda r, k: (
                f'AptRepository(url="{r.url()}", key="{k}/good.asc", user="mirror", '
                'password=secret("signalwire"))'
            ),
            ["401", "packages.password"],
            id="wrong password",
        ),
        pytest.param(
            lambda r, k: f'AptRepository(url="{r.url()}", key="{k}/good.asc")',
            ["401", "packages.user", "packages.password"],
            id="no login",
        ),
        pytest.param(
            lambda r, k: (
                f'AptRepository(url="{r.url()}", key="{k}/good.asc", user="mirror", '
                'password=secret("mirror"), components=("main", "extra"))'
            ),
            ["extra", "packages.components"],
            id="component",
        ),
    ],
)
def test_source_that_cannot_serve_is_refused_with_a_sentence(
    operator: Operator,
    repository: Repository,
    keys: Path,
    packages: Callable[[Repository, Path], str],
    words: list[str],
) -> None:
    operator.describe(site(packages(repository, keys)))
    run = refused(operator, only=BARE)
    said = sentence(run, BARE, "package source")
    assert [word for word in words if word not in said] == [], said


@pytest.fixture(scope="module")
def keys(keyring: Keyring, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Public keys as files of the operator."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "good.asc").write_bytes(keyring.public("good", "--armor"))
    (folder / "other.gpg").write_bytes(keyring.public("other"))
    return folder


def test_folder_that_is_not_there_is_refused_with_the_three_ways(
    operator: Operator, tmp_path: Path
) -> None:
    absent = tmp_path / "absent"
    operator.describe(site(f'LocalPackages(path="{absent}")'))
    run = refused(operator, only=BARE)
    said = sentence(run, BARE, str(absent))
    three_ways(said)


def test_folder_without_the_version_is_refused_with_the_three_ways(operator: Operator) -> None:
    operator.describe(site('LocalPackages(version="1.10.11")'))
    run = refused(operator, only=BARE)
    said = sentence(run, BARE, "1.10.11")
    assert "has no freeswitch" in said
    three_ways(said)


def test_folder_whose_index_names_a_missing_file_is_refused(
    operator: Operator, tmp_path: Path
) -> None:
    for file in LocalPackages().path.iterdir():
        if not file.name.startswith("libfreeswitch1_"):
            (tmp_path / file.name).symlink_to(file)
    operator.describe(site(f'LocalPackages(path="{tmp_path}")'))
    run = refused(operator, only=BARE)
    said = sentence(run, BARE, "libfreeswitch1_")
    three_ways(said)


def three_ways(said: str) -> None:
    for way in ("SignalWire(token=", "AptRepository(url=", "FREESWITCH_APT"):
        assert way in said


@pytest.mark.usefixtures("token")
def test_any_repository_with_its_key_and_login(
    operator: Operator, repository: Repository, keys: Path
) -> None:
    operator.describe(
        site(
            f'AptRepository(url="{repository.url()}", key="{keys}/good.asc", user="mirror", '
            'password=secret("mirror"))'
        )
    )
    operator.succeed("-y", "--json", "--limit", BARE)
    assert "RUNNING" in operator.ssh(BARE, "fs_cli -x 'sofia status'")
    assert f" {repository.url()} " in operator.ssh(BARE, "apt-cache policy freeswitch")
    run = operator.succeed("-y", "--json", "--limit", BARE)
    assert run.changes == 0, run.output
