"""Files to be, and what differs from those that are there."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Difference", "Fetched", "File", "Tree"]


@dataclass(frozen=True)
class File:
    """One file of a tree. Owner and mode are the tree's business unless given here."""

    path: str
    """Path that is absolute, or relative to the tree's root."""
    content: bytes = field(repr=False)
    mode: int = 0o644
    group: str = "root"
    """Group that may read it, too; root owns it."""

    @property
    def digest(self) -> str:
        """SHA-256 of the content, hexadecimal, as sha256sum prints it."""
        return hashlib.sha256(self.content).hexdigest()

    def load(self) -> bytes:
        """Return the content."""
        return self.content

    @property
    def text(self) -> str:
        """The content as text, as far as it is text."""
        return self.content.decode(errors="replace")


@dataclass(frozen=True)
class Fetched(File):
    """A file that is known by its digest, and fetched only where a host lacks it."""

    known: str = ""
    fetch: Callable[[], bytes] = field(default=bytes, repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 that its content has."""
        return self.known

    def load(self) -> bytes:
        """Fetch the content."""
        return self.fetch()


@dataclass(frozen=True)
class Difference:
    """What must be done to make a host's files those of a tree. Paths are sorted."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths that differ."""
        return tuple(sorted((*self.added, *self.changed, *self.removed)))


class Tree:
    """An ordered set of files, each path once."""

    def __init__(self, files: Iterable[File]) -> None:
        self._files: dict[str, File] = {}
        for file in files:
            if file.path in self._files:
                raise ValueError(f"two files are rendered as {file.path}")
            self._files[file.path] = file

    def __iter__(self) -> Iterator[File]:
        return iter(sorted(self._files.values(), key=lambda file: file.path))

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, path: str) -> File:
        return self._files[path]

    def __contains__(self, path: object) -> bool:
        return path in self._files

    def manifest(self) -> str:
        """Render what ``sha256sum`` would print of the tree, sorted by path."""
        return "".join(f"{file.digest}  {file.path}\n" for file in self)

    @property
    def digest(self) -> str:
        """One digest of all paths and contents: the name of a release."""
        return hashlib.sha256(self.manifest().encode()).hexdigest()[:16]

    def against(self, present: Mapping[str, str]) -> Difference:
        """Return the difference to files that a host has, given as path and digest."""
        return Difference(
            added=tuple(file.path for file in self if file.path not in present),
            changed=tuple(
                file.path for file in self if present.get(file.path, file.digest) != file.digest
            ),
            removed=tuple(sorted(set(present) - set(self._files))),
        )

    def archive(self, paths: Iterable[str], extra: Iterable[File] = ()) -> bytes:
        """Make a gzipped tar of some of the files below ``files/``, and of ``extra`` beside
        them."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz", compresslevel=6) as tar:
            for path in paths:
                _add(tar, "files/" + path.lstrip("/"), self[path])
            for file in extra:
                _add(tar, file.path, file)
        return out.getvalue()


def _add(tar: tarfile.TarFile, name: str, file: File) -> None:
    content = file.load()
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = file.mode
    tar.addfile(entry, io.BytesIO(content))
