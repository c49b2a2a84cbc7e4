"""Faxes between two switches, by T.38 and by tones: what arrives is what was sent, and is kept."""

from __future__ import annotations

import email
import email.policy
import queue
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from callcenter.render import paths
from lab.lab import Lab
from tests.acceptance.support.waiting import PATIENCE
from tests.forks import Started
from tests.roles.conftest import SITE, Operator
from tests.roles.support import until

NEAR, FAR = "fax1", "fax2"
MAIL_PORT = 2526
WIDTH = 1728
Page = npt.NDArray[np.uint8]

EXTENSIONS = "extensions=[*Extension.range(1000, 1009, ring_seconds=5)]"
SENDING = """
    faxes=[
        Fax("office", number=3100, routes=["all"], ident="+49 30 111"),
        Fax("tones", routes=["all"], t38=False),
        Fax("local", number=3101),
    ],
    trunks=[Trunk("far", host="OTHER", port=5080, channels=1, caller_id="+4930111",
                  headers={"X-Account": "with a space"}, ping_seconds=None)],
    outbound=[Route("all", pattern=r"^0\\d{5,10}$", strip=1, prefix="+49", trunks=["far"])],
    outbound_limits=OutboundLimits(countries=["+49"]),
    media="""
RECEIVING = f"""
    faxes=[
        Fax("raw", format="tiff", ident="+49 30 555000"),
        Fax("tones", format="tiff", t38=False),
        Fax("mailed", mail="desk@callcenter.test", keep_days=30),
    ],
    smtp=Smtp("mail.callcenter.test", port={MAIL_PORT}, tls="none", sender="pbx@callcenter.test"),
    trunks=[Trunk("near", host="OTHER", ping_seconds=None)],
    inbound=[
        Did("+4930555000", to=fax("raw")),
        Did("+4930555001", to=fax("tones")),
        Did("+4930555002", to=fax("mailed")),
    ],
    media="""
RAW, TONES, MAILED = "030555000", "030555001", "030555002"


def page(seed: int, rows: int) -> Page:
    """Return a page of bars whose every row differs: 1 is black."""
    made = np.zeros((rows, WIDTH), np.uint8)
    starts = np.random.default_rng(seed).integers(0, WIDTH - 200, (rows, 6))
    for row, line in enumerate(starts):
        for start in line:
            made[row, start : start + 40 + (row % 60)] = 1
    return made


PAGES = [page(1, 280), page(2, 340)]


def tiff(pages: list[Page]) -> bytes:
    """Uncompressed, one strip a page, in a fax's fine resolution."""
    out = bytearray(b"II*\0\0\0\0\0")
    link = 4
    for one in pages:
        rows = np.packbits(one, axis=1).tobytes()
        strip = len(out)
        out += rows
        ratios = len(out)
        out += struct.pack("<4I", 204, 1, 196, 1)
        tags = [
            (256, 4, WIDTH), (257, 4, len(one)), (258, 3, 1), (259, 3, 1), (262, 3, 0),
            (273, 4, strip), (277, 3, 1), (278, 4, len(one)), (279, 4, len(rows)),
            (282, 5, ratios), (283, 5, ratios + 8), (296, 3, 2),
        ]  # fmt: skip
        struct.pack_into("<I", out, link, len(out))
        out += struct.pack("<H", len(tags))
        for tag, kind, value in tags:
            out += struct.pack("<HHII", tag, kind, 1, value)
        link = len(out)
        out += struct.pack("<I", 0)
    return bytes(out)


def pages_of(text: bytes) -> list[Page]:
    """Return the pages of an uncompressed TIFF."""
    order = {b"II": "<", b"MM": ">"}[text[:2]]
    (at,) = struct.unpack_from(f"{order}I", text, 4)
    found = []
    while at:
        (count,) = struct.unpack_from(f"{order}H", text, at)
        tags: dict[int, int] = {}
        for index in range(count):
            place = at + 2 + 12 * index
            tag, kind, many = struct.unpack_from(f"{order}HHI", text, place)
            assert many == 1 or tag not in (273, 279), "more than one strip"
            tags[tag] = struct.unpack_from(order + ("H" if kind == 3 else "I"), text, place + 8)[0]
        assert tags[259] == 1
        assert tags[256] == WIDTH
        row = np.frombuffer(text, np.uint8, tags[279], tags[273]).reshape(tags[257], -1)
        dots = np.unpackbits(row, axis=1)
        # Bits may be stored from the other end, and black may be 0.
        if tags.get(266, 1) == 2:
            dots = dots.reshape(tags[257], -1, 8)[:, :, ::-1].reshape(tags[257], -1)
        found.append(dots if tags[262] == 0 else 1 - dots)
        (at,) = struct.unpack_from(f"{order}I", text, at + 2 + 12 * count)
    return found


def test_the_reader_and_the_writer() -> None:
    assert all(map(np.array_equal, pages_of(tiff(PAGES)), PAGES))


@pytest.fixture(scope="module")
def both(operator_of: Callable[..., Operator], lab: Lab) -> tuple[Operator, Operator]:
    """Two switches that are each other's carrier."""
    near, far = operator_of(NEAR), operator_of(FAR)
    address = {one.name: one.address for one in lab.hosts}
    for operator, text, other in ((near, SENDING, FAR), (far, RECEIVING, NEAR)):
        site = SITE.replace("media=", text, 1).replace("OTHER", address[other])
        operator.describe(site)
        operator.succeed()
        assert operator.succeed().changes == 0
    assert far.ssh(FAR, f"echo '{lab.gateway} mail.callcenter.test' >>/etc/hosts") == ""
    return near, far


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """Two pages."""
    (made := tmp_path / "two.tif").write_bytes(tiff(PAGES))
    return made


def start(near: Operator, number: str, file: Path, *options: str) -> Started:
    """Return the command, as an operator types it."""
    return near.callcenter.begun("fax", "send", near.inventory, number, file, *options)


def send(near: Operator, number: str, file: Path, *options: str) -> tuple[int | None, str]:
    command = start(near, number, file, *options)
    out, wrong = command.communicate()
    return command.returncode, (out + wrong).strip()


def kept(operator: Operator, host: str, folder: str, ending: str, many: int = 1) -> list[str]:
    """Return the files in a folder of faxes, once there are so many."""
    files = f"ls -d {paths.FAXES}/{folder}/*{ending} 2>/dev/null"
    return until(lambda: operator.ssh(host, files).split(), lambda found: len(found) == many)


FS_LOG = "/var/log/freeswitch/freeswitch.log"
LOG = "journalctl -t callcenter-fax -o cat --no-pager"


def decoded(operator: Operator, host: str, file: str) -> list[Page]:
    """Return the pages of a TIFF on a host, as its libtiff decodes them."""
    bare = "/tmp/bare.tif"
    operator.ssh(host, f"tiffcp -c none -r 9999 {file} {bare}")
    done = subprocess.run(operator.lab.ssh(host, [f"cat {bare}"]), capture_output=True, check=True)
    return pages_of(done.stdout)


def same(found: list[Page], sent: list[Page]) -> bool:
    """Tell whether all pages are those, dot by dot."""
    return len(found) == len(sent) and all(map(np.array_equal, found, sent))


@pytest.mark.parametrize(
    ("number", "name", "mode", "sender"),
    [
        (RAW, "raw", "T.38", "office"),
        (TONES, "tones", "audio", "office"),
        (RAW, "raw", "audio", "tones"),
    ],
    ids=["T.38", "tones", "T.38 refused"],
)
def test_two_pages_arrive_as_they_were_sent(
    both: tuple[Operator, Operator],
    document: Path,
    number: str,
    name: str,
    mode: str,
    sender: str,
) -> None:
    near, far = both
    far.ssh(FAR, f"rm -f {paths.FAXES}/{name}/*.*")
    assert send(near, number, document, "--as", sender) == (0, f"2 of 2 pages sent by {mode}: OK")
    [file] = kept(far, FAR, name, ".tif")
    assert same(decoded(far, FAR, file), PAGES)
    about = far.ssh(FAR, f"cat {file.replace('.tif', '.txt')}")
    assert about.splitlines() == [
        "From: +4930111", "Pages: 2", "Result: complete (T.30 result 0)", f"By: {mode}"
    ]  # fmt: skip
    assert far.ssh(FAR, f"stat -c '%U %a' {paths.FAXES}/{name}").split() == ["freeswitch", "2770"]
    assert far.ssh(FAR, f"find {paths.FAXES}/{name}/incoming -type f") == ""
    assert near.ssh(NEAR, f"find {paths.FAXES}/.outgoing -type f") == ""


@contextmanager
def mail_server(lab: Lab) -> Iterator[queue.Queue[tuple[list[str], bytes]]]:
    """Give a mail server beside the hosts."""
    controllers: Any = pytest.importorskip("aiosmtpd.controller", reason="needs aiosmtpd")
    mails: queue.Queue[tuple[list[str], bytes]] = queue.Queue()

    class Handler:
        async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:
            mails.put((envelope.rcpt_tos, envelope.content))
            return "250 OK"

    controller = controllers.Controller(
        Handler(), hostname=lab.gateway, port=MAIL_PORT, ready_timeout=PATIENCE
    )
    controller.start()
    try:
        yield mails
    finally:
        controller.stop()


def test_mailed_and_never_lost(both: tuple[Operator, Operator], document: Path, lab: Lab) -> None:
    """Mail that fails is kept, said, and tried again; so is what nobody took on"""
    near, far = both
    assert send(near, MAILED, document)[0] == 0
    [waiting] = kept(far, FAR, "mailed/unsent", ".pdf")
    # Old, but not mailed yet: it stays.
    far.ssh(FAR, f"touch -d '40 days ago' {waiting}; systemd-tmpfiles --clean {paths.FAX_FOLDERS}")
    far.ssh(FAR, "systemctl start callcenter-fax.service")
    assert kept(far, FAR, "mailed/unsent", ".pdf") == [waiting]
    until(lambda: far.ssh(FAR, LOG), lambda said: "to mailed cannot be mailed now: msmtp: " in said)
    with mail_server(lab) as mails:
        far.ssh(FAR, "systemctl start callcenter-fax.service")
        to, content = mails.get(timeout=PATIENCE)
        assert to == ["desk@callcenter.test"]
        mail = email.message_from_bytes(content, _class=EmailMessage, policy=email.policy.default)
        assert mail["Subject"] == "Fax for mailed"
        body = mail.get_body()
        assert body is not None
        assert "From: +4930111\nPages: 2\n" in body.get_content().replace("\r", "")
        [attached] = mail.iter_attachments()
        assert attached.get_content_type() == "application/pdf"
        [file] = kept(far, FAR, "mailed", ".pdf")
        whole = subprocess.run(lab.ssh(FAR, [f"cat {file}"]), capture_output=True, check=True)
        assert attached.get_content() == whole.stdout
        # The PDF holds the same dots.
        far.ssh(FAR, f"gs -q -dBATCH -dNOPAUSE -sDEVICE=tiffg4 -r204x196 -o /tmp/p.tif {file}")
        assert same([one[:, :WIDTH] for one in decoded(far, FAR, "/tmp/p.tif")], PAGES)
        # A fax whose call's end nobody saw, since the host went down.
        left = f"{paths.FAXES}/mailed/incoming/20260101T000000-left.tif"
        far.ssh(FAR, f"install -o freeswitch /tmp/p.tif {left}; touch -d '2 hours ago' {left}")
        far.ssh(FAR, "systemctl start callcenter-fax.service")
        assert mails.get(timeout=PATIENCE)[0] == ["desk@callcenter.test"]
        assert mails.empty()
    far.ssh(FAR, f"touch -d '40 days ago' {file}; systemd-tmpfiles --clean {paths.FAX_FOLDERS}")
    assert file not in kept(far, FAR, "mailed", ".pdf")


def test_a_full_disk_costs_the_pdf_only(
    both: tuple[Operator, Operator], document: Path, lab: Lab
) -> None:
    """What cannot be converted is mailed as it came"""
    near, far = both
    # Nothing but the TIFF fits.
    far.ssh(FAR, "mv /usr/bin/tiff2pdf /usr/bin/tiff2pdf.away; ln -s /bin/false /usr/bin/tiff2pdf")
    try:
        with mail_server(lab) as mails:
            assert send(near, MAILED, document)[0] == 0
            content = mails.get(timeout=PATIENCE)[1]
    finally:
        far.ssh(FAR, "mv /usr/bin/tiff2pdf.away /usr/bin/tiff2pdf")
    assert b"Content-Type: image/tiff" in content
    [file] = kept(far, FAR, "mailed", ".tif")
    assert same(decoded(far, FAR, file), PAGES)
    until(lambda: far.ssh(FAR, LOG), lambda said: "cannot be made a PDF" in said)


def test_a_caller_who_hangs_up(both: tuple[Operator, Operator], tmp_path: Path) -> None:
    """The pages that have arrived are kept, and the log says that there should be more"""
    near, far = both
    far.ssh(FAR, f"rm -f {paths.FAXES}/raw/*.*")
    (file := tmp_path / "long.tif").write_bytes(tiff([PAGES[0], page(3, 4000)]))
    # The sender's log tells of each page that was confirmed; of an earlier call it may do so now.
    near.ssh(NEAR, f"grep -oE '^[0-9a-f-]{{36}}' {FS_LOG} | sort -u >/tmp/earlier")
    sending = start(near, RAW, file)
    page_log = f"grep 'Page no = ' {FS_LOG} | grep -qvFf /tmp/earlier"
    wait = f'timeout 60 sh -c "until {page_log}; do sleep 0.1; done"'
    near.ssh(NEAR, f"{wait}; fs_cli -x hupall")
    out, _ = sending.communicate()
    assert sending.returncode == 1
    assert out.startswith("1 of 2 pages sent by T.38: ")
    [arrived] = kept(far, FAR, "raw", ".tif")
    assert np.array_equal(decoded(far, FAR, arrived)[0], PAGES[0])
    until(lambda: far.ssh(FAR, LOG).splitlines()[-1], lambda last: "not complete" in last)


def test_limits_hold_for_faxes(
    both: tuple[Operator, Operator], document: Path, tmp_path: Path
) -> None:
    """A fax takes a channel of its trunk, and an hour has so many of them"""
    near, far = both
    used = 'fs_cli -x "limit_usage hash trunk far"'
    (file := tmp_path / "long.tif").write_bytes(tiff([PAGES[0], page(3, 4000)]))
    calls = f"grep -c 'New Channel' {FS_LOG}"
    first = start(near, RAW, file)
    until(lambda: near.ssh(NEAR, used).strip(), "1")
    before = far.ssh(FAR, calls)
    over = "0 of 2 pages sent: "
    assert send(near, RAW, document) == (1, f"{over}NORMAL_CIRCUIT_CONGESTION")
    assert far.ssh(FAR, calls) == before
    full = "(trunk-calls) of trunk far hit by a call of fax office to +4930555000"
    until(lambda: hit(near, full), 1)
    near.ssh(NEAR, "fs_cli -x hupall")
    first.communicate()
    until(lambda: near.ssh(NEAR, used).strip(), "0")
    described = (near.folder / "group_data" / "site.py").read_text()
    near.describe(described.replace('["+49"])', '["+49"], calls_per_hour=1)'))
    try:
        # Nobody is there. Earlier faxes may have counted in the same hour.
        send(near, "030999999", document, "--as", "tones")
        hour = "(hour) of fax tones hit by a call to +4930999999"
        so_far = hit(near, hour)
        assert send(near, "030999999", document, "--as", "tones") == (
            1,
            f"{over}OUTGOING_CALL_BARRED",
        )
        until(lambda: hit(near, hour), so_far + 1)
        # A trunk's own hour.
        near.describe(described.replace("channels=1,", "channels=1, calls_per_hour=1,"))
        send(near, "030999999", document)
        assert send(near, RAW, document) == (1, f"{over}NORMAL_CIRCUIT_CONGESTION")
        until(lambda: hit(near, "(trunk-hour) of trunk far hit by a call of fax office to"), 1)
        until(lambda: near.ssh(NEAR, used).strip(), "0")
    finally:
        near.describe(described)


def hit(operator: Operator, limit: str) -> int:
    """Return how often FreeSWITCH's log says so."""
    said = f"WARNING\\] [a-z_.:0-9]* Outbound limit {limit}"
    return int(operator.ssh(NEAR, f"grep -c '{said}' {FS_LOG}"))


def test_refused(both: tuple[Operator, Operator], document: Path, tmp_path: Path) -> None:
    """Each refusal is one line, and the exit code says it"""
    near, _ = both
    (text := tmp_path / "a.txt").write_text("hello")
    (narrow := tmp_path / "narrow.pdf").write_bytes(b"%PDF-nothing")
    for number, file, *options in (
        (RAW, text),
        (RAW, narrow),
        (RAW, tmp_path / "absent.pdf"),
        ("+1900555", document),
        (RAW, document, "--as", "local"),
        ("3101", document),
        ("1001", document),
    ):
        code, said = send(near, number, Path(file), *map(str, options))
        assert code == 1
        assert len(said.splitlines()) == 1, said
        assert "Traceback" not in said


def test_off(both: tuple[Operator, Operator]) -> None:
    """What it came with goes; what has arrived stays"""
    _, far = both
    before = far.ssh(FAR, f"find {paths.FAXES} -type f")
    far.describe(SITE)
    far.succeed()
    gone = f"{paths.FAX_TOOL} {paths.FAX_FOLDERS} {paths.FAX_TIMER}.* {paths.SMTP_CONFIG}"
    assert far.ssh(FAR, f"ls {gone} 2>/dev/null") == ""
    assert far.ssh(FAR, "systemctl list-timers --all --no-pager | grep callcenter-fax") == ""
    assert far.ssh(FAR, "which gs tiff2pdf msmtp") == ""
    assert far.ssh(FAR, f"find {paths.FAXES} -type f") == before
    assert far.succeed().changes == 0
