"""Mails of mailboxes: which messages, once each, and nothing of a caller's in a header."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from callcenter.onhost.voicemail_mail import Message, Messages, Settings, letter

_TABLE = """CREATE TABLE voicemail_msgs (created_epoch INTEGER, read_epoch INTEGER,
username VARCHAR(255), domain VARCHAR(255), uuid VARCHAR(255), cid_name VARCHAR(255),
cid_number VARCHAR(255), in_folder VARCHAR(255), file_path VARCHAR(255), message_len INTEGER,
flags VARCHAR(255), read_flags VARCHAR(255), forwarded_by VARCHAR(255))"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "voicemail").mkdir()
    return Settings(
        database=str(tmp_path / "voicemail.db"),
        folder=str(tmp_path / "voicemail"),
        state=str(tmp_path / "mailed.json"),
        domain="cc.example.net",
        sender="pbx@example.net",
        attach=True,
        check="*97",
        mailer=("true",),
        mailboxes={"1000": "desk@example.net"},
    )


def leave(settings: Settings, uuid: str, owner: str = "1000", created: int = 1_800_000_000) -> None:
    database = sqlite3.connect(settings.database)
    database.execute(_TABLE.replace("TABLE", "TABLE IF NOT EXISTS"))
    file = f"{settings.folder}/msg_{uuid}.wav"
    Path(file).write_bytes(b"RIFF")
    row = (created, 0, owner, settings.domain, uuid, "Ann", "1001", "inbox", file, 4, "", "", "")
    database.execute(f"INSERT INTO voicemail_msgs VALUES ({','.join('?' * len(row))})", row)
    database.commit()
    database.close()


def waiting(messages: Messages) -> list[str]:
    return [one.uuid for one in messages.waiting()]


def test_each_message_is_mailed_once(settings: Settings) -> None:
    messages = Messages(settings)
    assert waiting(messages) == []
    leave(settings, "b", created=1_800_000_002)
    leave(settings, "a")
    leave(settings, "other", owner="1001")
    assert messages.has_changed()
    assert not messages.has_changed()
    assert waiting(messages) == ["a", "b"]
    messages.mailed(messages.waiting()[0])
    assert waiting(messages) == ["b"]
    # As after a restart.
    assert waiting(Messages(settings)) == ["b"]


def test_what_was_there_before_is_no_news(settings: Settings) -> None:
    leave(settings, "old")
    messages = Messages(settings)
    leave(settings, "new")
    assert waiting(messages) == ["new"]


@pytest.mark.parametrize("hostile", ["Bob\nBcc: all@example.net", "Bob\r\n\r\nbody", "\x1b[2J"])
def test_a_caller_is_text_and_no_header(settings: Settings, hostile: str) -> None:
    (file := Path(settings.folder) / "msg_a.wav").write_bytes(b"RIFF")
    message = Message("a", "1000", 0, hostile, hostile, str(file), 4, 1)
    mail = letter(message, settings)
    assert set(mail.keys()) == {
        *("From", "To", "Subject", "Auto-Submitted", "MIME-Version", "Content-Type")
    }
    assert mail["Subject"] == "Voicemail for 1000 from unknown"
    body = mail.get_body()
    assert body is not None
    [first, *_] = body.get_content().splitlines()
    assert first.endswith("(unknown) left a message for 1000.")
    assert "\x1b" not in first


def test_nothing_but_messages_is_attached(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "voicemail" / "link.wav").symlink_to(tmp_path / "secret")
    for file in (tmp_path / "secret", tmp_path / "voicemail" / "link.wav"):
        with pytest.raises(ValueError, match="outside of"):
            letter(Message("a", "1000", 0, "", "", str(file), 4, 1), settings)
