"""Reading the phones' trace, telling its phones apart, drawing and masking it."""

from __future__ import annotations

import pytest

from tests.acceptance.support.ladder import Ladder, Sdp, Trace, mask

PHONES, SERVER = "10.0.0.5:41000", "10.0.0.1:5060"
SDP = (
    "\r\nv=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
    "m=audio 20000 RTP/SAVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0IGtleSBtYXRlcmlhbA==|2^20\r\n"
)


def message(first: str, cseq: str, branch: str, *more: str, call: str = "c1") -> str:
    head = [first, f"Via: SIP/2.0/UDP x;branch={branch}", f"Call-ID: {call}", f"CSeq: {cseq}"]
    return "\r\n".join([*head, *more]) + "\r\n"


def sent(text: str) -> str:
    return f"TX UDP {PHONES} -> {SERVER}\n{text}"


def received(text: str) -> str:
    return f"RX UDP {SERVER} -> {PHONES}\n{text}"


@pytest.fixture
def call() -> Trace:
    """1001 calls 7000, a queue, and the switch calls 1002 for it."""
    a = ("From: <sip:1001@site.test>;tag=a", "To: <sip:7000@site.test>")
    b = ("From: <sip:1001@site.test>;tag=s", "To: <sip:7000@site.test>")
    credentials = (
        'Authorization: Digest username="1001", realm="site.test", nonce="n0nce",'
        ' uri="sip:site.test", response="5ec4e7", cnonce="c1ient", qop=auth'
    )
    trace = Trace()
    for at, text in enumerate(
        [
            sent(message("INVITE sip:7000@site.test SIP/2.0", "1 INVITE", "b1", *a)),
            received(message("SIP/2.0 401 Unauthorized", "1 INVITE", "b1", *a)),
            sent(
                message("INVITE sip:7000@site.test SIP/2.0", "2 INVITE", "b2", credentials, *a)
                + SDP
            ),
            received(
                message("INVITE sip:1002@10.0.0.5:41000 SIP/2.0", "9 INVITE", "s1", *b, call="c2")
                + SDP
            ),
            sent(message("SIP/2.0 100 Trying", "9 INVITE", "s1", *b, call="c2")),
            sent(message("SIP/2.0 200 OK", "9 INVITE", "s1", b[0], f"{b[1]};tag=b", call="c2")),
            sent(
                message(
                    "BYE sip:mod@10.0.0.1 SIP/2.0",
                    "1 BYE",
                    "b9",
                    "From: <sip:7000@site.test>;tag=b",
                    "To: <sip:1001@site.test>;tag=s",
                    call="c2",
                )
            ),
        ]
    ):
        trace.add(100 + at / 10, text)
    return trace


def test_each_message_belongs_to_its_phone_even_when_to_names_a_queue(call: Trace) -> None:
    phones = [message.phone for message in call.messages]
    assert phones == ["1001", "1001", "1001", "1002", "1002", "1002", "1002"]


def test_phones_calling_each_other_directly_are_told_apart() -> None:
    trace = Trace()
    parties = ("From: <sip:1001@x>;tag=a", "To: <sip:1002@x>")
    invite = message("INVITE sip:1002@10.0.0.5 SIP/2.0", "1 INVITE", "b1", *parties)
    ringing = message("SIP/2.0 180 Ringing", "1 INVITE", "b1", parties[0], f"{parties[1]};tag=b")
    for text in (sent(invite), received(invite), sent(ringing), received(ringing)):
        trace.add(0, text)
    assert [message.phone for message in trace.messages] == ["1001", "1002", "1002", "1001"]


def test_a_message_knows_its_parts(call: Trace) -> None:
    challenge, invite = call.messages[1:3]
    assert (challenge.status, challenge.method, challenge.call_id) == (401, "INVITE", "c1")
    assert (invite.status, invite.method) == (None, "INVITE")
    assert invite.sdp == Sdp("10.0.0.9", 20000, "PCMA/8000")
    assert challenge.sdp is None


def test_a_streams_own_address_goes_before_the_sessions() -> None:
    trace = Trace()
    body = "\nv=0\nc=IN IP4 1.1.1.1\nm=audio 4000 RTP/AVP 0\nc=IN IP6 fd00::1\nm=video 0 RTP/AVP 99"
    trace.add(0, sent(message("SIP/2.0 200 OK", "1 INVITE", "b1") + body))
    assert trace.messages[0].sdp == Sdp("fd00::1", 4000, "PCMU/8000")


def test_a_request_in_compact_form_is_read() -> None:
    trace = Trace()
    text = "INVITE sip:1002@x SIP/2.0\r\nv: x;branch=b\r\ni: c9\r\nCSeq: 1 INVITE\r\nf: y\r\n\r\n"
    trace.add(0, received(text))
    assert trace.messages[0].call_id == "c9"


@pytest.mark.parametrize("text", ["", "nonsense", "TX UDP a -> b\n\r\n\r\n"])
def test_what_is_no_message_is_left_out(text: str) -> None:
    trace = Trace()
    trace.add(0, text)
    assert trace.messages == []


def test_the_ladder_shows_endpoints_arrows_and_times(call: Trace) -> None:
    lines = str(Ladder.of(call.messages)).splitlines()
    assert lines[0].split() == ["1001", SERVER, "1002"]
    assert "+0.000" in lines[1]
    assert "-- INVITE --" in lines[1]
    assert lines[1].index("|") < lines[1].index(">")
    assert "<" in lines[2]
    assert "401 Unauthorized (INVITE)" in lines[2]
    assert "INVITE +SDP" in lines[3]
    assert "+0.400" in lines[5]
    width = len(lines[1])
    assert all(len(line) <= width for line in lines[1:8])
    assert all(line.count("|") >= 2 for line in lines[1:8])


def test_the_messages_below_hold_all_but_their_secrets(call: Trace) -> None:
    text = str(Ladder.of(call.messages))
    assert "--- +0.200 1001 -> 10.0.0.1:5060 UDP ---" in text
    assert 'nonce="n0nce"' in text
    assert 'response="***"' in text
    assert "5ec4e7" not in text
    assert "c1ient" not in text
    assert "inline:***|2^20" in text
    assert "c2VjcmV0" not in text


@pytest.mark.parametrize(
    "line",
    [
        'Proxy-Authorization: Digest username="u", response="5ec4e7"',
        "Authorization: Digest Response=5ec4e7, qop=auth",
        'Authorization: Digest username="u",\r\n  response="5ec4e7"',
    ],
)
def test_a_response_is_masked_however_it_is_written(line: str) -> None:
    assert "5ec4e7" not in mask(line)


def test_an_empty_ladder_says_so() -> None:
    assert str(Ladder.of([])) == "no SIP message was sent or received"
