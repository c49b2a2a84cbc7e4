"""Stands between FreeSWITCH's mod_httapi and the back ends of http_applications.

mod_httapi alone is no wall: it expands ``${…}`` in the addresses that a back end answers, which
runs any command, and sends any file that it is asked for. So it speaks with this program alone,
which asks the back end, and passes on what is named here and nothing else.

This file alone travels to the host and runs there as ``http-guard PORT FOLDER``: it needs Python
3.11. FOLDER is in FreeSWITCH's configuration, and is read for each request.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import sys
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urljoin, urlsplit
from xml.etree import ElementTree

__all__ = ["Refused", "answer", "main", "serve"]

MAX_BYTES = 65_536
SENT = (
    *("session_id", "Caller-Caller-ID-Number", "Caller-Caller-ID-Name"),
    *("dialed_digits", "input_type", "exiting"),
)
"""Values of a call that a back end is told, by mod_httapi's names."""

_NUMBER = re.compile(r"\d{1,6}")
_TONE = r"%\(\d{1,5},\d{1,5}(,\d{1,4}){1,4}\)"
_SOUND = re.compile(rf"tone_stream://{_TONE}(;{_TONE}){{0,15}}|silence_stream://\d{{1,6}}")
_NOTICE = re.compile(r"notice:(.+)")
_KEYS = re.compile(r"[0-9*#]{1,12}")
_ATTRIBUTES = {
    "playback": {
        "digit-timeout": _NUMBER,
        "input-timeout": _NUMBER,
        "loops": _NUMBER,
        "terminators": _KEYS,
    },
    "pause": {"milliseconds": _NUMBER},
    "bind": {"strip": _KEYS},
    "hangup": {"cause": re.compile(r"[A-Z_]{1,40}")},
    "dial": {},
    "break": {},
}
"""The tags that may stand in an answer, and their attributes besides sounds and addresses."""
_SOUNDS = {"playback": ("file", "error-file")}
_ADDRESSES = {"playback": ("action",), "pause": ("action",), "bind": ("action",)}
_BIND = re.compile(r"[0-9*#]{1,15}|~[0-9*#\\d.\[\]{},^$+-]{1,40}")


class Refused(Exception):
    """An answer that is not passed on, and why."""


def answer(
    content: bytes, here: str, base: str, leads_to: Mapping[str, str], notices: Mapping[str, str]
) -> bytes:
    """Return what mod_httapi is given for a back end's answer.

    ``here``: the address that answered. ``base``: our own, which asks that back end.
    ``leads_to`` and ``notices``: what the back end may name, and what FreeSWITCH calls it.
    """
    if b"<!" in content:
        raise Refused("it holds a declaration or a comment")
    try:
        document = ElementTree.fromstring(content)
    except ElementTree.ParseError as wrong:
        raise Refused(f"it is no XML: {wrong}") from None
    if document.tag != "document" or [one.tag for one in document] != ["work"]:
        raise Refused("it is not a <document> with <work> alone in it")
    made = ElementTree.Element("document", {"type": "text/freeswitch-httapi"})
    work = ElementTree.SubElement(made, "work")
    for tag in document[0]:
        if tag.tag == "bind":
            raise Refused("<bind> stands outside of <playback>")
        element = _checked(tag, here, base, notices)
        work.append(element)
        if tag.tag == "dial":
            name = (tag.text or "").strip()
            if name not in leads_to:
                raise Refused(f"<dial> to {name!r}, which is not in leads_to")
            element.attrib |= {"dialplan": "XML", "context": "services"}
            element.text = leads_to[name]
            ElementTree.SubElement(work, "break")
            break
    if not len(work):
        raise Refused("there is nothing in <work>")
    return ElementTree.tostring(made)


def _checked(
    tag: ElementTree.Element, here: str, base: str, notices: Mapping[str, str]
) -> ElementTree.Element:
    if tag.tag not in _ATTRIBUTES:
        raise Refused(f"<{tag.tag}> is not allowed")
    made = ElementTree.Element(tag.tag)
    for name, value in tag.attrib.items():
        if name in _SOUNDS.get(tag.tag, ()):
            made.set(name, _sound(value, notices))
        elif name in _ADDRESSES.get(tag.tag, ()):
            made.set(name, f"{base}?to={quote(_path(here, value), safe='')}")
        elif (pattern := _ATTRIBUTES[tag.tag].get(name)) and pattern.fullmatch(value):
            made.set(name, value)
        else:
            raise Refused(f"{name}={value!r} of <{tag.tag}> is not allowed")
    for child in tag:
        if child.tag != "bind" or tag.tag not in ("playback", "pause"):
            raise Refused(f"<{child.tag}> in <{tag.tag}> is not allowed")
        below = _checked(child, here, base, notices)
        below.text = (child.text or "").strip()
        if not _BIND.fullmatch(below.text):
            raise Refused(f"<bind> of {below.text!r} is not allowed")
        made.append(below)
    if tag.tag == "playback" and "file" not in made.attrib:
        raise Refused("<playback> has no file")
    return made


def _sound(file: str, notices: Mapping[str, str]) -> str:
    if _SOUND.fullmatch(file):
        return file
    if (named := _NOTICE.fullmatch(file)) and named[1] in notices:
        return notices[named[1]]
    raise Refused(f"the sound {file!r} is no tone and no notice of the Site")


def _path(here: str, address: str) -> str:
    """Return an address of the same server, without the server."""
    to, own = urlsplit(urljoin(here, address)), urlsplit(here)
    if (to.scheme, to.netloc) != (own.scheme, own.netloc):
        raise Refused(f"the action {address!r} is on another server")
    path = (to.path or "/") + (f"?{to.query}" if to.query else "")
    if not re.fullmatch(r"[!-~]{1,2000}", path):
        raise Refused(f"the action {address!r} is no address")
    return path


def _asked(
    application: Mapping[str, Any], folder: Path, path: str, call: Mapping[str, str]
) -> tuple[str, bytes]:
    """Ask the back end; the address that answered, and its answer."""
    url = urlsplit(application["url"])
    seconds, name = application["wait_seconds"], application["name"]
    if url.scheme == "https":
        authority = folder / f"{name}.pem"
        trusted = ssl.create_default_context(cafile=str(authority) if authority.exists() else None)
        connection: HTTPConnection = HTTPSConnection(
            url.hostname or "", url.port, timeout=seconds, context=trusted
        )
    else:
        connection = HTTPConnection(url.hostname or "", url.port, timeout=seconds)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/xml"}
    if application["user"] is not None:
        password = (folder / f"{name}.password").read_text()
        password = password.removeprefix("password ").removesuffix("\n")
        login = base64.b64encode(f"{application['user']}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {login}"
    ends = time.monotonic() + seconds
    try:
        connection.request("POST", path, urlencode(call), headers)
        said = connection.getresponse()
        content = b""
        while part := said.read1(MAX_BYTES):
            content += part
            if len(content) > MAX_BYTES:
                raise Refused(f"it is longer than {MAX_BYTES} bytes")
            if time.monotonic() > ends:
                raise TimeoutError("it does not end")
    finally:
        connection.close()
    # A redirection is one of the answers that are none.
    if said.status != 200:
        raise Refused(f"it is {said.status} {said.reason}")
    return f"{url.scheme}://{url.netloc}{path}", content


class _Handler(BaseHTTPRequestHandler):
    folder: Path
    base: str

    def do_POST(self) -> None:
        """Answer one step of a call."""
        asked = urlsplit(self.path)
        name = asked.path.removeprefix("/")
        form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        call = {key: value for key, value in parse_qsl(form) if key in SENT}
        try:
            made = self._made(name, parse_qs(asked.query), call)
        except (Refused, OSError, HTTPException, KeyError, ValueError) as wrong:
            # mod_httapi lets go of the call, and the dialplan leads it on.
            print(f"http_applications[{name}]: the answer is not used: {wrong}", flush=True)
            self.send_error(502)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(made)))
        self.end_headers()
        self.wfile.write(made)

    def _made(self, name: str, query: Mapping[str, list[str]], call: Mapping[str, str]) -> bytes:
        given = json.loads((self.folder / "applications.json").read_text())
        application = given["applications"][name]
        start = urlsplit(application["url"])
        path = start.path or "/"
        path = query.get("to", [path + (f"?{start.query}" if start.query else "")])[0]
        here, content = _asked({**application, "name": name}, self.folder, path, call)
        if "exiting" in call:
            return b"<document/>"
        base = f"{self.base}/{name}"
        return answer(content, here, base, application["leads_to"], given["notices"])

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing of what goes well: it would hold the callers' numbers."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128


def serve(port: int, folder: Path) -> ThreadingHTTPServer:
    """Listen on loopback."""
    handler = type("Handler", (_Handler,), {"folder": folder, "base": f"http://127.0.0.1:{port}"})
    return _Server(("127.0.0.1", port), handler)


def main(port: str, folder: str) -> None:
    """Serve until stopped."""
    serve(int(port), Path(folder)).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
