"""WS-Management over HTTPS with NTLM: what WinRM's shell needs, its commands run by wine.

python wsman.py FOLDER RUNNER: prints its port, then serves until standard input ends. FOLDER holds
certificate.pem, key.pem and users (pyspnego's NTLM_USER_FILE).
"""

from __future__ import annotations

import base64
import os
import re
import ssl
import subprocess
import sys
import threading
import uuid
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, ClassVar

import spnego

S = "{http://www.w3.org/2003/05/soap-envelope}"
WSA = "{http://schemas.xmlsoap.org/ws/2004/08/addressing}"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
RSP = f"{{{SHELL}}}"
TIMED_OUT = 2150858793
NO_SHELL = 2150858843


class Command:
    """One line, running under wine."""

    def __init__(self, runner: str, line: str) -> None:
        self.code_file = Path(os.environ["CALLCENTER_WINE"]) / f"{uuid.uuid4()}.code"
        self.process = subprocess.Popen(
            [runner, line, str(self.code_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.changed = threading.Condition()
        self.output: list[tuple[str, bytes]] = []
        self.open_streams = 2
        for name in ("stdout", "stderr"):
            stream = getattr(self.process, name)
            threading.Thread(target=self._read, args=(name, stream), daemon=True).start()

    def _read(self, name: str, stream: IO[bytes]) -> None:
        while data := os.read(stream.fileno(), 65536):
            with self.changed:
                self.output.append((name, data))
                self.changed.notify_all()
        with self.changed:
            self.open_streams -= 1
            self.changed.notify_all()

    def feed(self, data: bytes, end: bool) -> None:
        """Standard input."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
            if end:
                self.process.stdin.close()
        except (BrokenPipeError, ValueError):
            pass

    def receive(self, seconds: float) -> tuple[list[tuple[str, bytes]], int | None] | None:
        """Output so far and the exit code at the end; None if nothing happens in time."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.output or not self.open_streams, seconds):
                return None
            # No more than an envelope holds.
            taken, size = [], 0
            while self.output and size < 300_000:
                taken.append(self.output.pop(0))
                size += len(taken[-1][1])
            done = not self.output and not self.open_streams
        if not done:
            return taken, None
        self.process.wait()
        text = self.code_file.read_text() if self.code_file.exists() else "1"
        return taken, int(text)


class Handler(BaseHTTPRequestHandler):
    """One connection: NTLM authenticates it once, as WinRM does."""

    protocol_version = "HTTP/1.1"
    shells: ClassVar[set[str]] = set()
    commands: ClassVar[dict[str, Command]] = {}
    runner = ""

    def setup(self) -> None:
        super().setup()
        self.context = spnego.server(protocol="ntlm")
        self.known = False

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.known and not self._authenticated():
            return
        try:
            answer = self._answer(body)
        except KeyError:
            self._send(500, _fault(NO_SHELL, "The shell was not found on the server."))
            return
        if answer is None:
            self._send(500, _fault(TIMED_OUT, "The operation timed out."))
        else:
            asked = ET.fromstring(body).findtext(f"{S}Header/{WSA}MessageID", "")
            self._send(200, _envelope(answer, asked))

    def _authenticated(self) -> bool:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        reply = b""
        if scheme in ("Negotiate", "NTLM") and token:
            try:
                reply = self.context.step(base64.b64decode(token)) or b""
            except spnego.exceptions.SpnegoError:
                self.context = spnego.server(protocol="ntlm")
            else:
                self.known = self.context.complete
        if self.known:
            return True
        offer = "Negotiate" + (f" {base64.b64encode(reply).decode()}" if reply else "")
        self._send(401, b"", ("WWW-Authenticate", offer))
        return False

    def _answer(self, body: bytes) -> ET.Element | None:
        envelope = ET.fromstring(body)
        action = envelope.findtext(f"{S}Header/{WSA}Action", "").rpartition("/")[2]
        shell = envelope.findtext(".//{*}Selector[@Name='ShellId']", "")
        if action == "Create":
            name = str(uuid.uuid4()).upper()
            self.shells.add(name)
            made = ET.Element(f"{RSP}Shell")
            ET.SubElement(made, f"{RSP}ShellId").text = name
            created = ET.Element("{http://schemas.xmlsoap.org/ws/2004/09/transfer}ResourceCreated")
            wsman = "{http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd}"
            parameters = ET.SubElement(created, f"{WSA}ReferenceParameters")
            selectors = ET.SubElement(parameters, f"{wsman}SelectorSet")
            ET.SubElement(selectors, f"{wsman}Selector", Name="ShellId").text = name
            both = ET.Element("both")
            both.extend([made, created])
            return both
        if shell not in self.shells:
            raise KeyError(shell)
        if action == "Delete":
            self.shells.discard(shell)
            return ET.Element("nothing")
        if action == "Command":
            name = str(uuid.uuid4()).upper()
            line = envelope.findtext(f".//{RSP}Command", "")
            self.commands[name] = Command(self.runner, line)
            made = ET.Element(f"{RSP}CommandResponse")
            ET.SubElement(made, f"{RSP}CommandId").text = name
            return made
        if action == "Send":
            stream = envelope.find(f".//{RSP}Stream")
            assert stream is not None
            data = base64.b64decode(stream.text or "")
            command = self.commands[stream.attrib["CommandId"]]
            command.feed(data, stream.attrib.get("End", "").lower() == "true")
            return ET.Element(f"{RSP}SendResponse")
        if action == "Receive":
            wanted = envelope.find(f".//{RSP}DesiredStream")
            assert wanted is not None
            timeout = re.search(r"PT([0-9.]+)S", body.decode())
            return self._receive(wanted.attrib["CommandId"], float(timeout[1]) if timeout else 20)
        return ET.Element(f"{RSP}SignalResponse")

    def _receive(self, name: str, seconds: float) -> ET.Element | None:
        got = self.commands[name].receive(seconds)
        if got is None:
            return None
        streams, code = got
        out = ET.Element(f"{RSP}ReceiveResponse")
        for stream, data in streams:
            element = ET.SubElement(out, f"{RSP}Stream", Name=stream, CommandId=name)
            element.text = base64.b64encode(data).decode()
        state = "Running" if code is None else "Done"
        said = ET.SubElement(
            out, f"{RSP}CommandState", CommandId=name, State=f"{SHELL}/CommandState/{state}"
        )
        if code is not None:
            ET.SubElement(said, f"{RSP}ExitCode").text = str(code)
        return out

    def _send(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        self.send_header("Content-Type", "application/soap+xml;charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _envelope(answer: ET.Element, asked: str = "") -> bytes:
    envelope = ET.Element(f"{S}Envelope")
    header = ET.SubElement(envelope, f"{S}Header")
    ET.SubElement(header, f"{WSA}RelatesTo").text = asked
    body = ET.SubElement(envelope, f"{S}Body")
    body.extend(list(answer) if answer.tag == "both" else [answer])
    return ET.tostring(envelope)


def _fault(code: int, text: str) -> bytes:
    fault = ET.Element(f"{S}Fault")
    reason = ET.SubElement(ET.SubElement(fault, f"{S}Reason"), f"{S}Text")
    reason.text = text
    wsman = "{http://schemas.microsoft.com/wbem/wsman/1/wsmanfault}"
    detail = ET.SubElement(ET.SubElement(fault, f"{S}Detail"), f"{wsman}WSManFault", Code=str(code))
    ET.SubElement(detail, f"{wsman}Message").text = text
    return _envelope(fault)


def main(folder: str, runner: str) -> None:
    """Serve until standard input ends."""
    os.environ["NTLM_USER_FILE"] = f"{folder}/users"
    Handler.runner = runner
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/certificate.pem", f"{folder}/key.pem")
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
