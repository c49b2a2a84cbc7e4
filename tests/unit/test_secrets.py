"""Where secrets come from, in which order, and that they stay where they are."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from callcenter.__main__ import main
from callcenter.cli.check import check
from callcenter.client.inventory import load
from callcenter.site import EventSocket, Extension, Site
from callcenter.site.secrets import Secret, SecretUnavailable, Vault, secret, weakness

pytestmark = pytest.mark.usefixtures("own_folder")

needs_age = pytest.mark.skipif(
    not shutil.which("age"), reason="age is not installed (Debian package age)"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "site.json"


@pytest.fixture
def encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of secrets that really is encrypted, and the way to its identity."""
    identity = tmp_path / "identity"
    subprocess.run(["age-keygen", "-o", str(identity)], check=True, capture_output=True)
    recipient = re.search(r"age1\w+", identity.read_text())
    assert recipient is not None
    path = tmp_path / "secrets.age"
    subprocess.run(
        ["age", "--encrypt", "--recipient", recipient[0], "--output", str(path)],
        input=json.dumps({"esl": "from-the-encrypted-file"}).encode(),
        check=True,
    )
    monkeypatch.setenv("AGE_IDENTITY", str(identity))
    return path


def keep(file: Path, **values: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(values))
    file.chmod(0o600)


@needs_age
def test_the_environment_goes_before_the_encrypted_file_before_the_sites_own(
    file: Path, encrypted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(file, esl="from-the-sites-own-file")
    assert Vault(file, None).value(secret("esl")) == "from-the-sites-own-file"
    assert Vault(file, encrypted).value(secret("esl")) == "from-the-encrypted-file"
    monkeypatch.setenv("CALLCENTER_SECRET_ESL", "from-the-environment")
    assert Vault(file, encrypted).value(secret("esl")) == "from-the-environment"


@needs_age
def test_what_the_encrypted_file_lacks_is_made_and_kept_beside_it(
    file: Path, encrypted: Path
) -> None:
    before = encrypted.read_bytes()
    made = Vault(file, encrypted).value(secret("other"))
    assert json.loads(file.read_text()) == {"other": made}
    assert encrypted.read_bytes() == before


@needs_age
def test_an_identity_that_does_not_fit_is_named_and_nothing_else(
    file: Path, encrypted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    subprocess.run(["age-keygen", "-o", str(other)], check=True, capture_output=True)
    monkeypatch.setenv("AGE_IDENTITY", str(other))
    with pytest.raises(SecretUnavailable, match="age could not decrypt it") as refused:
        Vault(file, encrypted).value(secret("esl"))
    assert "from-the" not in str(refused.value)


def test_no_identity_says_what_to_set(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AGE_IDENTITY", raising=False)
    with pytest.raises(SecretUnavailable, match="set AGE_IDENTITY"):
        Vault(file, tmp_path / "x.age").value(secret("esl"))


def test_a_missing_tool_is_named(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SecretUnavailable, match="sops is not installed on this machine"):
        Vault(file, tmp_path / "x.yaml").value(secret("esl"))


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("esl", "CALLCENTER_SECRET_ESL"),
        ("extension/1000", "CALLCENTER_SECRET_EXTENSION_1000"),
        ("carrier-a.b", "CALLCENTER_SECRET_CARRIER_A_B"),
    ],
)
def test_the_environment_s_names(
    name: str, variable: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "from-the-environment")
    assert Vault(file, None).value(secret(name)) == "from-the-environment"
    assert not file.exists()


def test_what_is_found_nowhere_is_made_strong_and_once(file: Path) -> None:
    value = Vault(file, None).value(secret("esl"))
    assert weakness(value) is None
    assert re.fullmatch(r"[A-Za-z0-9_-]{24}", value)
    assert Vault(file, None).value(secret("esl")) == value


def test_nobody_else_may_read_what_is_made(file: Path) -> None:
    before = os.umask(0)
    try:
        Vault(file, None).value(secret("esl"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in file.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused(mode: int, file: Path) -> None:
    keep(file, esl="from-the-sites-own-file")
    file.chmod(mode)
    with pytest.raises(SecretUnavailable, match=f"mode {mode:04o}.*chmod 600") as refused:
        Vault(file, None).value(secret("esl"))
    assert "from-the" not in str(refused.value)


@pytest.mark.parametrize("text", ['{"esl": "geheim"', '["geheim"]', '{"esl": ["geheim"]}'])
def test_a_broken_file_is_refused_and_not_quoted(text: str, file: Path) -> None:
    keep(file)
    file.write_text(text)
    with pytest.raises(SecretUnavailable) as refused:
        Vault(file, None).value(secret("esl"))
    assert str(file) in str(refused.value)
    assert "geheim" not in str(refused.value)


def _ask(file: Path, out: str) -> None:
    names = [secret(f"extension/{number}") for number in range(200)]
    vault = Vault(file, None)
    vault.ensure(names)
    Path(out).write_text(json.dumps([vault.value(name) for name in names]))


def test_two_runs_at_once_make_one_set_of_secrets(file: Path, tmp_path: Path) -> None:
    processes = multiprocessing.get_context("spawn")
    runs = [
        processes.Process(target=_ask, args=(file, str(tmp_path / f"out{number}")))
        for number in range(4)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    seen = {(tmp_path / f"out{number}").read_text() for number in range(4)}
    assert len(seen) == 1
    assert json.loads(seen.pop()) == [
        json.loads(file.read_text())[f"extension/{number}"] for number in range(200)
    ]


def test_a_second_vault_keeps_what_the_first_has_made(file: Path) -> None:
    early, late = Vault(file, None), Vault(file, None)
    assert early.known(secret("a")) is None
    b = late.value(secret("b"))
    a = early.value(secret("a"))
    assert json.loads(file.read_text()) == {"a": a, "b": b}
    assert early.value(secret("b")) == b


def test_a_site_makes_all_its_secrets_in_one_write(own_folder: Path) -> None:
    made = Site("cc.example.net", extensions=tuple(Extension.range(1000, 1004)))
    assert not (own_folder / ".secrets").exists()
    made.reveal(made.event_socket.password)
    kept = json.loads((own_folder / ".secrets" / "cc.example.net.json").read_text())
    extensions = [f"extension/{number}" for number in range(1000, 1005)]
    assert sorted(kept) == ["esl", *extensions, "guessers"]


def test_a_value_of_the_environment_is_checked_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CALLCENTER_SECRET_EXTENSION_1000", "ClueCon")
    with pytest.raises(ValueError, match=r"extensions\[0\]\.password: the secret is a well-known"):
        Site("cc.example.net", extensions=tuple(Extension.range(1000, 1000)))


def test_no_value_is_shown_by_anything() -> None:
    literal = Secret(literal="given-Horse-7battery")
    made = Site(
        "cc.example.net",
        extensions=(Extension("1000"), Extension("1001", password=literal)),
        event_socket=EventSocket(),
    )
    values = [made.reveal(one) for _, one in made.secrets()]
    assert len(set(values)) == 4
    shown = "".join(
        (repr(made), str(made), json.dumps(made.to_json()), repr(made.vault), repr(literal))
    )
    shown += "".join(f"{one!r}{one}" for one in made.extensions)
    assert [value for value in values if value in shown] == []
    assert "secret('extension/1000')" in shown


def test_a_fingerprint_tells_values_apart_without_showing_them(file: Path) -> None:
    vault = Vault(file, None)
    one, other = vault.fingerprint(secret("a")), vault.fingerprint(secret("b"))
    assert one != other
    assert re.fullmatch(r"[0-9a-f]{8}", one)
    assert one not in vault.value(secret("a"))


def test_one_process_reads_one_file_once(file: Path) -> None:
    assert Vault.open(file) is Vault.open(file)
    assert Vault.open(file) is not Vault.open(file.with_name("other.json"))


GIVEN = {
    "trunks[0].password": 'trunks=[Trunk("a", host="sip.a.net", username="u", '
    'password=secret("carrier-a"), networks=["198.51.100.0/24"])]',
    "smtp.password": 'smtp=Smtp("m.a.net", sender="a@a.net", user="u", '
    'password=secret("carrier-a"))',
    "packages.token": 'packages=SignalWire(token=secret("carrier-a"))',
    "packages.password": 'packages=AptRepository(url="https://a.net/x", key="k", user="u", '
    'password=secret("carrier-a"))',
}
"""Fields of secrets that others give."""


@pytest.fixture(params=GIVEN)
def given(request: pytest.FixtureRequest, own_folder: Path) -> tuple[str, Path]:
    """Such a field, and the inventory whose Site has it."""
    (own_folder / "group_data").mkdir()
    (own_folder / "site").write_text(
        'from callcenter.site import hosts\nswitches = hosts(("a", {"address": "192.0.2.1"}))\n'
    )
    (own_folder / "group_data/site.py").write_text(
        "from callcenter.site import *\n"
        'site = Site(domain="a.net", extensions=[1000], network=Network(sip_from="anywhere"), '
        f'firewall=Firewall(ssh_from="anywhere"), {GIVEN[request.param]})\n'
    )
    return request.param, own_folder / "site"


def test_what_others_give_is_never_made_up(
    given: tuple[str, Path], own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, inventory = given
    assert main(["check", str(inventory)]) == 1
    assert capsys.readouterr().err == (
        f"Site.{path}: secret('carrier-a') is given by others and not set; put its value into "
        f"CALLCENTER_SECRET_CARRIER_A, or into {own_folder}/.secrets/a.net.json\n"
    )
    made = load(inventory).site
    # Ours are made, and it is not, by whoever asks.
    made.reveal(made.event_socket.password)
    assert "carrier-a" not in json.loads((own_folder / ".secrets/a.net.json").read_text())
    wanted = dict(made.secrets())[path]
    with pytest.raises(SecretUnavailable, match="CALLCENTER_SECRET_CARRIER_A"):
        made.reveal(wanted)


@pytest.mark.parametrize("value", ["1234", "secret", "7", "x y" * 3])
def test_what_others_give_is_as_strong_as_they_like(
    given: tuple[str, Path], value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, inventory = given
    if path.startswith("packages."):
        value = value.replace(" ", "-")
    monkeypatch.setenv("CALLCENTER_SECRET_CARRIER_A", value)
    assert check(inventory) == []
    made = load(inventory).site
    assert made.reveal(dict(made.secrets())[path]) == value


@pytest.mark.parametrize("value", ["", "a\nb", "a\0b"])
def test_what_others_give_is_a_line(
    given: tuple[str, Path], value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, inventory = given
    monkeypatch.setattr("os.environ", {**os.environ, "CALLCENTER_SECRET_CARRIER_A": value})
    [line] = check(inventory)
    assert f"site.py:2: Site.{path}: " in line


LISTED = """
from callcenter.site import *

site = Site(
    domain="cc.example.net",
    extensions=[Extension(1000, voicemail=True)],
    network=Network(sip_from="anywhere"),
    firewall=Firewall(ssh_from="anywhere"),
    trunks=[
        Trunk("carrier-a", host="192.0.2.9", username="us", password=secret("carrier-a"))
    ],
)
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site's folder, which one stands in; its secrets."""
    (tmp_path / "inventories/group_data").mkdir(parents=True)
    (tmp_path / "inventories/prod").write_text(
        "from callcenter.site import hosts\n"
        "switches = hosts(('cc1.example.net', {'public_ip': '203.0.113.10'}))\n"
    )
    (tmp_path / "inventories/group_data/prod.py").write_text(LISTED)
    monkeypatch.chdir(tmp_path)
    keep(tmp_path / ".secrets/cc.example.net.json", **{"extension/1000": "correct-Horse-7battery"})
    return tmp_path


def test_secrets_are_listed_without_their_values(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CALLCENTER_SECRET_ESL", "of-the-environment-7")
    assert main(["secrets"]) == 0
    said = capsys.readouterr().out
    lines = dict(re.split(r"  +", line, maxsplit=1) for line in said.splitlines())
    file = str(shop / ".secrets/cc.example.net.json")
    assert lines["extension/1000"].split(maxsplit=2) == ["a", "password", file]
    assert lines["voicemail/1000"].split(maxsplit=2) == ["a", "PIN", "made by the next deploy"]
    assert lines["carrier-a"].endswith("given by others  NOT SET")
    assert lines["esl"].endswith("CALLCENTER_SECRET_ESL")
    assert "7battery" not in said
    assert "environment-7" not in said
    assert list(json.loads(Path(file).read_text())) == ["extension/1000"]


def test_a_secret_is_made_anew(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = shop / ".secrets/cc.example.net.json"
    keep(file, **{"extension/1000": "correct-Horse-7battery", "other": "stays"})
    assert main(["secrets", "--renew", "extension/1000"]) == 0
    said = capsys.readouterr()
    values = json.loads(file.read_text())
    assert values["other"] == "stays"
    assert values["extension/1000"] != "correct-Horse-7battery"
    assert weakness(values["extension/1000"]) is None
    assert values["extension/1000"] not in said.out + said.err
    assert "deploy to make it" in said.out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("carrier-a", "given by others, and never made"),
        ("voicemail/1000", "is not made yet"),
        ("esl", "is kept in CALLCENTER_SECRET_ESL; only what is kept in "),
        ("nobody", "--renew: 'nobody' is no secret of cc.example.net"),
    ],
)
def test_what_is_not_made_here_is_not_made_anew(
    shop: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    said: str,
) -> None:
    monkeypatch.setenv("CALLCENTER_SECRET_ESL", "of-the-environment-7")
    before = (shop / ".secrets/cc.example.net.json").read_text()
    assert main(["secrets", "--renew", name]) == 1
    assert said in capsys.readouterr().err
    assert (shop / ".secrets/cc.example.net.json").read_text() == before


@needs_age
def test_what_is_encrypted_is_not_made_anew(file: Path, encrypted: Path) -> None:
    with pytest.raises(SecretUnavailable, match=r"secrets\.age; only what is kept in"):
        Vault(file, encrypted).renew(Secret("esl"))
