"""Faxes of a host: those that have arrived are taken on and mailed, and those that are to be sent
are prepared.

This file alone travels to the host and runs there as ``fax``, with the settings in ``fax.json``
beside it: it needs Python 3.11, libtiff's tools, and Ghostscript. FreeSWITCH, what converts and
what mails are three users of one group.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import syslog
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

__all__ = ["Arrived", "Faxes", "Kept", "No", "Settings", "letter", "main"]

LEFT_SECONDS = 3600
"""Age of a fax whose call's end nobody saw: FreeSWITCH or the host went down."""
MAILER_SECONDS = 600.0
MOST_BYTES = 4096
"""Size that what FreeSWITCH tells of a call never has."""
WIDTH = re.compile(r"Image Width: (1728|2048|2432) ")
"""Line of tiffinfo about a page whose lines are as long as a fax's, by ITU-T T.4."""


@dataclass(frozen=True)
class Kept:
    """How the faxes of one name are kept."""

    format: str
    """``pdf`` or ``tiff``."""
    mail: str | None
    """Address that they are mailed to."""


@dataclass(frozen=True)
class Settings:
    """Settings that come from the Site."""

    root: str
    """Folder with a folder of each name."""
    faxes: Mapping[str, Kept]
    """Ways that they are kept, by name."""
    sender: str
    """Address that mails are from."""
    mailer: Sequence[str]
    """The program that is handed a mail, with its arguments but for the recipient."""

    @classmethod
    def read(cls, text: str) -> Settings:
        """Read what was rendered."""
        found = json.loads(text)
        faxes = {name: Kept(**one) for name, one in found.pop("faxes").items()}
        return cls(faxes=faxes, **found)


class No(Exception):
    """A document cannot be sent, in words for whoever gave it."""


@dataclass(frozen=True)
class Arrived:
    """A fax whose call has ended."""

    name: str
    file: str
    """Name of its file, without the ending."""
    caller: str
    result: str = "none"
    """Result of T.30; 0 where it is complete."""
    mode: str = "audio"
    """``T.38`` or ``audio``."""

    @property
    def quality(self) -> str:
        """Tell whether all of it has come."""
        return "complete" if self.result == "0" else "not complete"

    @classmethod
    def parse(cls, text: str, names: Mapping[str, Kept]) -> Arrived | None:
        """Read what FreeSWITCH has written of a call; nothing of it is believed."""
        name, file, caller, result, t38 = [*text.split("\n"), *[""] * 5][:5]
        if name not in names or not re.fullmatch(r"[0-9a-fT-]+", file):
            return None
        return cls(
            name,
            file,
            caller if re.fullmatch(r"[0-9+]+", caller) else "unknown",
            result if re.fullmatch(r"[0-9]+", result) else "none",
            "T.38" if t38 == "negotiated" else "audio",
        )


def say(line: str) -> None:
    """Write a line into the host's journal."""
    syslog.syslog(line)


def _said(file: Path) -> str:
    """Read what the converter has written down. A document may have taken it over, so nothing of it
    is believed."""
    with file.open(encoding="ascii", errors="replace") as opened:
        answer = opened.read(MOST_BYTES).strip()
    return answer if answer.isascii() and answer.isprintable() else ""


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a tool that reads what a stranger has sent."""
    return subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )


def _widths(file: Path) -> list[str]:
    """Return what libtiff says of the size of each page."""
    return [
        line for line in _run("tiffinfo", str(file)).stdout.splitlines() if "Image Width" in line
    ]


def letter(name: str, file: Path, about: str, to: str, sender: str) -> EmailMessage:
    """Write the mail that a fax is sent with. ``about`` is what is known of it."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, to, f"Fax for {name}"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(about)
    kind = ("application", "pdf") if file.suffix == ".pdf" else ("image", "tiff")
    made.add_attachment(file.read_bytes(), maintype=kind[0], subtype=kind[1], filename=file.name)
    return made


class Faxes:
    """The faxes of a host."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.root = Path(settings.root)

    def intake(self) -> None:
        """Take on what has arrived."""
        for job in sorted((self.root / ".arrived").glob("[!.]*")):
            if not job.is_file():
                continue
            with job.open(encoding="utf-8", errors="replace") as opened:
                text = opened.read(MOST_BYTES)
            # First, or one that cannot be taken on would be tried again and again.
            job.unlink()
            if (one := Arrived.parse(text, self.settings.faxes)) is not None:
                self._try(one)
        for left in self._left():
            self._try(Arrived(left.parent.parent.name, left.stem, "unknown"))

    def _try(self, one: Arrived) -> None:
        """Take on a fax that keeps no other from being taken on."""
        try:
            self.take(one)
        except OSError as wrong:
            say(f"fax {one.file} to {one.name} cannot be taken on now: {wrong}; it is tried again")

    def _left(self) -> Iterator[Path]:
        """Yield faxes of calls whose end nobody saw."""
        for name in self.settings.faxes:
            for file in sorted((self.root / name / "incoming").glob("*.tif")):
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - file.stat().st_mtime > LEFT_SECONDS:
                        yield file

    def take(self, one: Arrived) -> None:
        """Keep a fax as its name says, with what is known of it."""
        kept = self.settings.faxes[one.name]
        came = self.root / one.name / "incoming" / f"{one.file}.tif"
        pages = len(_widths(came))
        about = (
            f"fax {one.file} to {one.name} from {one.caller}: pages {pages}, {one.quality} "
            f"(T.30 result {one.result}), by {one.mode}"
        )
        if not pages:
            came.unlink(missing_ok=True)
            say(f"{about}; there is nothing to keep")
            return
        to = self.root / one.name
        if kept.mail:
            to /= "unsent"
        file = came
        if kept.format == "pdf":
            # Named at the end, so nobody takes on the half of one.
            made = to / f".{one.file}"
            done = _run("tiff2pdf", "-o", str(made), str(came))
            if done.returncode == 0 and made.exists() and made.stat().st_size:
                file = made
            else:
                made.unlink(missing_ok=True)
                say(
                    f"fax {one.file} to {one.name} cannot be made a PDF (disk full?); it is kept "
                    "as TIFF"
                )
        # The fax counts, where the disk has no place for more.
        with contextlib.suppress(OSError):
            (to / f"{one.file}.txt").write_text(
                f"From: {one.caller}\nPages: {pages}\n"
                f"Result: {one.quality} (T.30 result {one.result})\nBy: {one.mode}\n"
            )
        last = to / f"{one.file}{'.tif' if file is came else '.pdf'}"
        file.rename(last)
        came.unlink(missing_ok=True)
        say(f"{about}; kept as {last}")

    def send(self) -> None:
        """Mail what waits."""
        for folder in sorted(self.root.glob("[!.]*/unsent")):
            name = folder.parent.name
            # Of a fax that the Site has no more, nobody is told.
            to = kept.mail if (kept := self.settings.faxes.get(name)) else None
            for file in sorted([*folder.glob("[!.]*.pdf"), *folder.glob("[!.]*.tif")]):
                text = file.with_suffix(".txt")
                if to:
                    if (why := self._mail(name, file, text, to)) is not None:
                        say(
                            f"fax {file.stem} to {name} cannot be mailed now: {why}; it is kept "
                            "and tried again"
                        )
                        continue
                    say(f"fax {file.stem} to {name} is mailed")
                file.rename(folder.parent / file.name)
                with contextlib.suppress(FileNotFoundError):
                    text.rename(folder.parent / text.name)

    def _mail(self, name: str, file: Path, text: Path, to: str) -> str | None:
        """Mail a fax; why that did not work, or None."""
        program = self.settings.mailer[0]
        try:
            about = text.read_text() if text.exists() else ""
            made = letter(name, file, about, to, self.settings.sender).as_bytes()
            done = subprocess.run(
                [*self.settings.mailer, "--", to],
                input=made,
                capture_output=True,
                timeout=MAILER_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return f"{program} has not come back for {MAILER_SECONDS:.0f} s"
        except (OSError, MemoryError) as wrong:
            return str(wrong) or type(wrong).__name__
        if done.returncode == 0:
            return None
        said = done.stderr.decode(errors="replace").split("\n")
        return "; ".join(filter(None, said)) or f"{program} ended with {done.returncode}"

    # What is sent. An operator gives a document to prepare, which has a unit that can do nothing
    # else convert it.

    def _outgoing(self, identifier: str, ending: str = "") -> Path:
        return self.root / ".outgoing" / f"{identifier}{ending}"

    def prepare(self, identifier: str) -> int:
        """Make a fax of the document on standard input; return its pages. Raises :class:`No`."""
        given, said = self._outgoing(identifier), self._outgoing(identifier, ".said")
        try:
            with given.open("wb") as opened:
                while part := sys.stdin.buffer.read(1 << 20):
                    opened.write(part)
            _run("systemctl", "start", f"callcenter-fax-prepare@{identifier}.service")
            answer = _said(said) if said.exists() else ""
        except OSError as wrong:
            answer = wrong.strerror or "the document cannot be kept"
        given.unlink(missing_ok=True)
        said.unlink(missing_ok=True)
        if not re.fullmatch(r"[0-9]+", answer):
            self.forget(identifier)
            raise No(answer or "the document cannot be converted")
        return int(answer)

    def convert(self, identifier: str) -> None:
        """Convert a document, and write down its pages, or why not."""
        try:
            answer = str(self._converted(identifier))
        except No as refused:
            answer = str(refused)
        self._outgoing(identifier, ".said").write_text(f"{answer}\n")

    def _converted(self, identifier: str) -> int:
        given, made = self._outgoing(identifier), self._outgoing(identifier, ".tif")
        with given.open("rb") as opened:
            mark = opened.read(4)
        if mark == b"%PDF":
            # A4 in fine resolution, as ITU-T T.4 has it.
            done = _run(
                *("gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=tiffg4", "-g1728x2292"),
                *("-r204x196", "-dPDFFitPage", f"-sOutputFile={made}", str(given)),
            )
            if done.returncode:
                raise No("the PDF cannot be read")
        elif mark in (b"II*\0", b"MM\0*"):
            if not all(map(WIDTH.search, _widths(given))):
                raise No("the TIFF is not 1728, 2048 or 2432 dots wide, as a fax is; give a PDF")
            if _run("tiffcp", "-c", "g4", str(given), str(made)).returncode:
                raise No("the TIFF cannot be read as black and white; give a PDF")
        else:
            raise No("the file is neither PDF nor TIFF")
        if not (pages := len(_widths(made))):
            raise No("the document has no page")
        return pages

    def forget(self, identifier: str) -> None:
        """Remove what was prepared."""
        for ending in ("", ".tif", ".said"):
            self._outgoing(identifier, ending).unlink(missing_ok=True)


USAGE = "usage: fax intake | send | convert ID | prepare ID | forget ID"


def main(words: Sequence[str]) -> int:
    """Do what the words say; return the exit code."""
    os.umask(0o007)
    os.environ["LC_ALL"] = "C"
    syslog.openlog("callcenter-fax")
    faxes = Faxes(Settings.read(Path(f"{__file__}.json").read_text(encoding="utf-8")))
    match words:
        case ["intake"]:
            faxes.intake()
        case ["send"]:
            faxes.send()
        case ["convert" | "prepare" | "forget" as command, identifier] if re.fullmatch(
            r"[0-9a-f-]+", identifier
        ):
            try:
                if (pages := getattr(faxes, command)(identifier)) is not None:
                    print(pages)
            except No as refused:
                print(refused, file=sys.stderr)
                return 1
        case _:
            print(USAGE, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
