"""A host's program for voice messages on a page: who is let in, and what a message is."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.onhost import bans, voicemail_page
from callcenter.onhost.voicemail_page import (
    GUESSES,
    LIFE,
    NONCE,
    SESSIONS,
    SHARE,
    SOUNDS,
    WINDOW,
    Doors,
    Message,
    Places,
    file_of,
    message_of,
    send,
)
from callcenter.render import beside, freeswitch, paths, services, users, web
from callcenter.render._templates import plain
from callcenter.render.hidden import HIDDEN
from callcenter.site import (
    Extension,
    Firewall,
    Network,
    OwnAuthority,
    PhoneTls,
    Site,
    Switch,
    WebPhone,
    Wss,
)
from callcenter.site.named_secrets import secrets_of
from tests.acceptance.support.waiting import PATIENCE

A = "198.51.100.7"
UUID = "0b9f0b9f-0b9f-0b9f-0b9f-0b9f0b9f0b9f"
KEYS = {"1000": "ab" * 32, "1001": "cd" * 32}


def enters(doors: Doors, number: str, key: str, now: float = 100, nonce: str = "") -> str | None:
    nonce = nonce or doors.nonce(now)
    proof = hmac.digest(bytes.fromhex(key), nonce.encode(), "sha256").hex()
    return doors.enter(number, nonce, proof, now)


def test_who_knows_the_password_is_let_in() -> None:
    doors = Doors(KEYS)
    token = enters(doors, "1000", KEYS["1000"])
    assert token is not None
    assert doors.who(token, 100) == "1000"
    assert doors.who(token, 99 + LIFE) == "1000"
    assert doors.who(token, 100 + LIFE) is None
    assert doors.who(token + "A", 100) is None
    doors.leave(token)
    assert doors.who(token, 100) is None


@pytest.mark.parametrize(
    ("number", "key"), [("1000", "cd" * 32), ("1002", "ab" * 32), ("?", "00" * 32)]
)
def test_who_does_not_is_not(number: str, key: str) -> None:
    assert enters(Doors(KEYS), number, key) is None


def test_a_proof_is_good_once_and_for_a_while() -> None:
    doors = Doors(KEYS)
    nonce = doors.nonce(100)
    assert enters(doors, "1000", KEYS["1000"], nonce=nonce) is not None
    assert enters(doors, "1000", KEYS["1000"], nonce=nonce) is None
    nonce = doors.nonce(100)
    assert enters(doors, "1000", KEYS["1000"], 100 + NONCE, nonce) is None
    assert enters(doors, "1000", KEYS["1000"], nonce=Doors(KEYS).nonce(100)) is None
    at, rest = doors.nonce(100).split(".", 1)
    assert enters(doors, "1000", KEYS["1000"], nonce=f"{int(at) + 1}.{rest}") is None
    # What is wrong has had its try.
    nonce = doors.nonce(100)
    assert enters(doors, "1000", KEYS["1001"], nonce=nonce) is None
    assert enters(doors, "1000", KEYS["1000"], nonce=nonce) is None


def test_an_extension_has_so_many_sessions() -> None:
    doors = Doors(KEYS)
    other = enters(doors, "1001", KEYS["1001"])
    tokens = [enters(doors, "1000", KEYS["1000"]) for _ in range(SESSIONS + 1)]
    assert [doors.who(str(one), 100) for one in tokens] == [None, *["1000"] * SESSIONS]
    assert doors.who(str(other), 100) == "1001"


def test_who_guesses_waits() -> None:
    doors = Doors(KEYS)
    for _ in range(GUESSES):
        assert not doors.waits("2001:db8::1", 100)
        doors.failed("2001:db8::1", 100)
    assert doors.waits("2001:db8::2", 99 + WINDOW)
    assert not doors.waits("2001:db8::2", 100 + WINDOW)
    assert not doors.waits("2001:db8:0:1::1", 100)
    assert not doors.waits(A, 100)
    doors.failed("2001:db8::1", 100 + WINDOW)
    assert not doors.waits("2001:db8::1", 100 + WINDOW)


def test_nobody_has_more_than_a_share() -> None:
    places = Places()
    with ExitStack() as held:
        assert all(held.enter_context(places.one("1000", SHARE)) for _ in range(SHARE))
        for _ in range(2):
            with places.one("1000", SHARE) as is_there:
                assert not is_there
        with places.one("1001", SHARE) as is_there:
            assert is_there
    with places.one("1000", SHARE) as is_there:
        assert is_there


def test_lists_have_places_of_their_own() -> None:
    """Sounds of all extensions leave threads for what is short."""
    unit = plain("system/_program.j2").decode()
    assert f"TasksMax={2 * SOUNDS}\n" in unit


@pytest.fixture
def sound(tmp_path: Path) -> Iterator[BinaryIO]:
    """A message that is more than a socket keeps."""
    (file := tmp_path / "msg.wav").write_bytes(bytes(range(256)) * 40_000)
    with file.open("rb") as opened:
        yield opened


@pytest.mark.parametrize("is_dead", [False, True])
def test_a_sound_is_taken_within_its_time(sound: BinaryIO, is_dead: bool) -> None:
    """Neither who reads a little at a time is waited for any longer, nor who reads nothing."""
    one, other = socket.socketpair()
    with one, other, ThreadPoolExecutor(1) as at:
        sending = at.submit(send, sound, one, 0.3)
        while not (is_dead or sending.done()):
            other.recv(1)
        assert isinstance(sending.exception(PATIENCE / 2), TimeoutError)


def test_a_sound_arrives(sound: BinaryIO) -> None:
    one, other = socket.socketpair()
    with one, other, ThreadPoolExecutor(1) as at:
        sending = at.submit(send, sound, one, PATIENCE)
        assert other.recv(10_240_000, socket.MSG_WAITALL) == bytes(range(256)) * 40_000
        sending.result()


def told(**more: object) -> dict[str, object]:
    """Return what FreeSWITCH tells of a message."""
    given = {
        "UUID": UUID,
        "Caller-Name": "Ann",
        "Caller-Number": "+4930111",
        "Received-Epoch": "1790000000",
        "Read-Epoch": "0",
        "Duration": "7",
        "Flags": "",
    }
    return {f"VM-Message-{name.replace('_', '-')}": text for name, text in (given | more).items()}


def test_a_message_is_read() -> None:
    assert message_of(told()) == Message(UUID, "+4930111", "Ann", 1790000000, 7, False)
    heard = message_of(told(Read_Epoch="1790000001", Caller_Name="+4930111"))
    assert heard == Message(UUID, "+4930111", "", 1790000000, 7, True)


@pytest.mark.parametrize(
    "more", [{"UUID": ""}, {"UUID": f"{UUID}\n"}, {"UUID": "../x"}, {"Flags": "delete"}]
)
def test_what_is_no_message(more: dict[str, object]) -> None:
    assert message_of(told(**more)) is None


@pytest.mark.parametrize("number", ["<script>", "1 2", "1\n", "anonymous", "1" * 33, ["1", "2"]])
def test_a_caller_is_a_number_or_unknown(number: object) -> None:
    message = message_of(told(Caller_Number=number, Duration="-1"))
    assert message is not None
    assert (message.number, message.seconds) == ("", 0)


@given(st.text(), st.text())
def test_whatever_a_caller_calls_itself(number: str, name: str) -> None:
    """It is one line."""
    message = message_of(told(Caller_Number=number, Caller_Name=name))
    assert message is not None
    assert len(message.name) <= 80
    assert (message.number + message.name).isprintable()


def test_a_file_is_the_mailboxs_own(tmp_path: Path) -> None:
    own, other = tmp_path / "1000", tmp_path / "10001"
    for folder in (own, other):
        folder.mkdir()
        (folder / "msg.wav").write_bytes(b"RIFF")
    (own / "link.wav").symlink_to(other / "msg.wav")
    assert file_of(told(File_Path=str(own / "msg.wav")), own) == own / "msg.wav"
    for path in (
        str(other / "msg.wav"),
        f"{own}/../10001/msg.wav",
        str(own / "link.wav"),
        str(own / "none.wav"),
        str(own),
        "msg.wav",
        "",
        f"{own}/msg.wav\0",
        [str(own / "msg.wav")],
    ):
        assert file_of(told(File_Path=path), own) is None, path


def test_a_guess_is_counted_as_its_extensions() -> None:
    said = f"refused {A}: wrong password or user, as 1000"
    assert bans.said_by_voicemail(said) == bans.Failure(A, "1000", "page")
    for other in ("", f"x{said}", f"{said}\nx", f"refused {A} x: wrong password or user, as 1"):
        assert bans.said_by_voicemail(other) is None


def described(tmp_path: Path, **more: Any) -> Site:
    given: dict[str, Any] = {
        "network": Network(
            sip_from="anywhere",
            tls=PhoneTls(OwnAuthority(), plain_from=[], srtp="required", wss=Wss()),
        ),
        "firewall": Firewall(ssh_from="anywhere"),
        "secret_file": tmp_path / "secrets.json",
        "extensions": [Extension(1000, voicemail=True), Extension(1001)],
        "web_phone": WebPhone(),
    }
    return Site("cc.example.net", **(given | more))


SWITCH = Switch("cc1", address="192.0.2.7")


def test_the_program_has_what_it_needs(tmp_path: Path) -> None:
    """Keys that are no passwords of phones, and a login with four commands."""
    site = described(tmp_path)
    files = {file.path: file for file in beside.configuration(site, realtime=False)}
    config = files[paths.VOICEMAIL_PAGE_CONFIG]
    assert (config.mode, config.group) == (0o640, users.VOICEMAIL)
    assert [end for end in HIDDEN if config.path.endswith(end)]
    settings = voicemail_page.Settings(**json.loads(config.text))
    assert settings.keys.keys() == {"1000", "1001"}
    assert [*settings.mailboxes] == ["1000"]
    tree = freeswitch.configuration(site, SWITCH)
    known = services.a1_hash(site, site.extensions[0])
    assert known not in config.text
    key = hmac.new(known.encode(), b"callcenter voicemail", hashlib.sha256).hexdigest()
    assert settings.keys["1000"] == key
    login = tree["directory/event_socket.xml"].text.partition("callcenter_voicemail")[2]
    login = login.partition("</user>")[0]
    assert '"esl-allowed-events" value=""' in login
    assert '"esl-allowed-api" value="vm_fsdb_msg_list vm_fsdb_msg_get vm_read vm_delete"' in login
    # The page makes the same key.
    script = next(one for one in _pages(site) if one[0].endswith("phone.js"))[1]
    assert f'"{voicemail_page.PURPOSE}"' in script


def _pages(site: Site) -> list[tuple[str, str]]:
    return [
        (file.path, file.text)
        for file in web.configuration(site, SWITCH, bytes)
        if file.path.endswith((".js", ".conf")) and not file.path.endswith("/jssip.js")
    ]


@pytest.mark.parametrize("more", [{"web_phone": None}, {"extensions": [Extension(1000)]}])
def test_without_page_or_mailbox_there_is_none(tmp_path: Path, more: dict[str, Any]) -> None:
    site = described(tmp_path, **more)
    files = [file.path for file in beside.configuration(site, realtime=False)]
    assert not [path for path in files if "voicemail-page" in path]
    tree = freeswitch.configuration(site, SWITCH)
    assert not [file.path for file in tree if b"callcenter_voicemail" in file.content]
    assert not [path for path, text in _pages(site) if "/voicemail {" in text or "blob:" in text]
    assert "web_phone" not in dict(secrets_of(site))
