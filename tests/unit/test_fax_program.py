"""A host's program for faxes: what it believes of a call, and what waits to be mailed."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from callcenter.onhost.fax import Arrived, Faxes, Kept, No, Settings, letter, main

KEPT = {"office": Kept("pdf", "desk@example.net"), "plain": Kept("tiff", None)}
UUID = "0b9f-20260101T000000"


def told(name: str = "office", file: str = UUID, *rest: str) -> Arrived | None:
    return Arrived.parse("\n".join([name, file, *rest]), KEPT)


def test_what_freeswitch_tells_is_read() -> None:
    assert told("office", UUID, "+4930111", "0", "negotiated", "") == Arrived(
        "office", UUID, "+4930111", "0", "T.38"
    )
    assert told("plain", UUID, "+4930111", "2", "") == Arrived("plain", UUID, "+4930111", "2")


@pytest.mark.parametrize("name", ["", "other", "../office", "office/incoming", " office"])
def test_a_fax_that_the_site_has_not_is_none(name: str) -> None:
    assert told(name) is None


@pytest.mark.parametrize("file", ["", "../../etc/passwd", "a b", "-o x", "a\0b", "$(id)"])
def test_a_file_of_another_form_is_none(file: str) -> None:
    assert told(file=file) is None


@pytest.mark.parametrize("caller", ["", "<script>", "1 2", "+49\r", "${x}"])
def test_a_caller_is_a_number_or_unknown(caller: str) -> None:
    one = told("office", UUID, caller, "zero", "negotiated?")
    assert one == Arrived("office", UUID, "unknown", "none", "audio")
    assert one.quality == "not complete"


@pytest.fixture
def faxes(tmp_path: Path) -> Callable[[str], Faxes]:
    """Make the faxes of a host whose mailer is a given program."""
    for name in ("office", "plain", "gone"):
        (tmp_path / name / "unsent").mkdir(parents=True)
    return lambda mailer: Faxes(Settings(str(tmp_path), KEPT, "pbx@example.net", (mailer,)))


def left(folder: Path) -> list[str]:
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*.*") if one.is_file())


def test_what_cannot_be_mailed_waits(faxes: Callable[[str], Faxes], tmp_path: Path) -> None:
    for name in ("office", "gone"):
        (tmp_path / name / "unsent/a.pdf").write_bytes(b"%PDF")
        (tmp_path / name / "unsent/a.txt").write_text("From: +4930111\n")
    (tmp_path / "office/unsent/.b.pdf").write_bytes(b"half of one")
    # Of a fax that the Site has no more, nobody is to be told.
    waiting = ["gone/a.pdf", "gone/a.txt", "office/unsent/.b.pdf"]
    for mailer in ("false", "/nowhere/mailer"):
        faxes(mailer).send()
        assert left(tmp_path) == [*waiting, "office/unsent/a.pdf", "office/unsent/a.txt"]
    faxes("true").send()
    assert left(tmp_path) == [*waiting[:2], "office/a.pdf", "office/a.txt", *waiting[2:]]


def test_one_that_cannot_be_taken_on_keeps_no_other_from_it(
    faxes: Callable[[str], Faxes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that lacks libtiff's tools loses no fax."""
    (tmp_path / ".arrived").mkdir()
    for name in KEPT:
        (tmp_path / name / "incoming").mkdir()
        (tmp_path / name / "incoming" / f"{UUID}.tif").write_bytes(b"II*\0")
        (tmp_path / ".arrived" / name).write_text(f"{name}\n{UUID}\n+4930111\n0\n\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    faxes("true").intake()
    assert left(tmp_path) == [f"office/incoming/{UUID}.tif", f"plain/incoming/{UUID}.tif"]
    assert list((tmp_path / ".arrived").iterdir()) == []


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"the document has no page\n", "the document has no page"),
        (b"\xff\xfe3", "the document cannot be converted"),
        (b"\x1b[2J", "the document cannot be converted"),
    ],
)
def test_what_a_converter_says_is_not_believed(
    said: bytes,
    answer: str,
    faxes: Callable[[str], Faxes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A document that has taken its converter over ends nothing else by what that writes down."""
    outgoing = tmp_path / ".outgoing"
    outgoing.mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/said").write_bytes(said)
    systemctl = tmp_path / "bin/systemctl"
    systemctl.write_text(f"#!/bin/sh\ncat {tmp_path}/bin/said >{outgoing}/{UUID}.said\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=os.pathsep)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"%PDF")))
    with pytest.raises(No, match=f"^{answer}$"):
        faxes("true").prepare(UUID)
    assert list(outgoing.iterdir()) == []


def test_a_letter_holds_the_fax(tmp_path: Path) -> None:
    (file := tmp_path / "a.tif").write_bytes(b"II*\0")
    mail = letter("office", file, "From: +4930111\n", "desk@example.net", "pbx@example.net")
    assert mail["Subject"] == "Fax for office"
    [attached] = mail.iter_attachments()
    assert (attached.get_content_type(), attached.get_content()) == ("image/tiff", b"II*\0")


def test_settings_are_read_as_they_are_written() -> None:
    settings = Settings("/faxes", KEPT, "pbx@example.net", ["msmtp"])
    assert Settings.read(json.dumps(asdict(settings))) == settings


@pytest.mark.parametrize(
    "words", [[], ["intake", "now"], ["convert"], ["convert", "../a"], ["prepare", "A"], ["x", "a"]]
)
def test_other_words_are_refused(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "fax"
    settings = Settings(str(tmp_path), KEPT, "", ())
    Path(f"{file}.json").write_text(json.dumps(asdict(settings)))
    monkeypatch.setattr("callcenter.onhost.fax.__file__", str(file))
    assert main(words) == 1
    assert capsys.readouterr().err.startswith("usage: fax intake | send | ")
