"""Hands out, once, what a phone configures itself by.

``phones serve`` answers the web server at a socket. ``phones used`` prints what links were used,
when and from where; ``phones again NUMBER`` lets an extension's link be used once more.

This file alone travels to the host, and needs Python 3.11. A link is known by its digest alone, so
neither the index nor what is noted of it opens anything.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import re
import socket
import socketserver
import sys
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

__all__ = ["Links", "again", "main", "serve", "used"]

INDEX = "/etc/callcenter/phones.json"
_PATH = re.compile(r"/([a-z2-7]{32}(/[0-9A-Za-z.-]{1,40})?)")


@dataclass(frozen=True)
class Links:
    """Links of a deploy, read anew for each request: a deploy costs no restart."""

    folder: Path
    """Folder of what phones are given."""
    state: Path
    """Folder of the links that were used, a file each."""
    socket: str
    links: dict[str, str]
    """Settings that are given once, by digest of their path: an extension's number, and after a dot
    the MAC address where they are a desk phone's."""
    shown: dict[str, str]
    """Files that are no secret, and given as often as they are asked for, by digest of their
    path."""

    @classmethod
    def read(cls, index: str = INDEX) -> Links:
        """Read the index."""
        given = json.loads(Path(index).read_text())
        return cls(
            Path(given["folder"]),
            Path(given["state"]),
            given["socket"],
            given["links"],
            given.get("shown", {}),
        )

    def take(self, path: str, source: str) -> bytes | None:
        """Return what the link's phone is given, and make the link void; None where there is no
        such link, or where it was used."""
        if (asked := _PATH.fullmatch(path)) is None:
            return None
        # Phones differ in how they write their MAC address.
        digest = hashlib.sha256(asked[1].lower().encode()).hexdigest()
        if (name := self.shown.get(digest)) is not None:
            return (self.folder / f"{name}.phone").read_bytes()
        if (name := self.links.get(digest)) is None:
            _say(f"{source} asked for a {'file' if asked[2] else 'link'} that there is not")
            return None
        given = (self.folder / f"{name}.phone").read_bytes()
        note = json.dumps({"at": int(time.time()), "from": source})
        try:
            # Whoever makes the file is the one.
            made = os.open(self.state / digest, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            _say(f"{source} asked for the settings of {name}, which were given before")
            return None
        with open(made, "w") as stream:
            stream.write(note)
        _say(f"{source} was given the settings of {name}")
        return given


def used(links: Links) -> dict[str, dict[str, object]]:
    """Return when and from where each link was used."""
    out = {}
    for digest, name in links.links.items():
        note = links.state / digest
        if note.exists():
            text = note.read_text()
            out[name] = json.loads(text) if text else {}
    return out


def again(links: Links, number: str) -> bool:
    """Let an extension's links be used once more; False where there is no such extension."""
    known = [digest for digest, one in links.links.items() if one.partition(".")[0] == number]
    for digest in known:
        (links.state / digest).unlink(missing_ok=True)
    return bool(known)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


class _Answer(BaseHTTPRequestHandler):
    timeout = 10
    server_version = "callcenter"
    sys_version = ""

    def do_GET(self) -> None:
        try:
            source = str(ipaddress.ip_address(self.headers.get("X-Source", "")))
            given = Links.read().take(self.path, source)
        except (OSError, ValueError) as wrong:
            _say(f"{type(wrong).__name__}: {wrong}")
            self._refuse(503)
            return
        if given is None:
            self._refuse(404)
            return
        self.send_response(200)
        kind = "application/xml" if given.startswith(b"<?xml") else "text/plain"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(given)))
        self.end_headers()
        self.wfile.write(given)

    def _refuse(self, status: int) -> None:
        # The web server has words of its own, and does not wait for any of ours.
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        # A request's line holds the link.
        pass


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def get_request(self) -> tuple[socket.socket, str]:
        # The handler wants an address; a peer at a socket has none.
        return super().get_request()[0], "web"


def serve(path: str) -> None:
    """Answer at a socket until the process ends."""
    Path(path).unlink(missing_ok=True)
    with _Server(path, _Answer) as server:
        _ready()
        server.serve_forever()


def _ready() -> None:
    """Tell systemd that requests can come."""
    if (path := os.environ.get("NOTIFY_SOCKET")) is not None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.sendto(b"READY=1", path.replace("@", "\0", 1) if path[0] == "@" else path)


def main(words: list[str]) -> int:
    """Run one of the three commands."""
    links = Links.read()
    if words == ["serve"]:
        serve(links.socket)
    elif words == ["used"]:
        print(json.dumps(used(links)))
    elif len(words) == 2 and words[0] == "again":
        if not again(links, words[1]):
            print(f"{words[1]} is no extension of it", file=sys.stderr)
            return 1
    else:
        print("usage: phones serve | used | again NUMBER", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
