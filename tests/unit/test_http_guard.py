"""What FreeSWITCH is given of a back end's answer."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest

from callcenter.onhost.http_guard import Refused, answer

DOCS = Path(__file__).resolve().parents[2] / "docs/applications.md"
HERE = "https://calls.example.net/survey/start?language=en"
BASE = "http://127.0.0.1:8089/survey"
TONE = "tone_stream://%(500,0,880)"


def made(work: str) -> ElementTree.Element:
    """Return the ``<work>`` that is passed on."""
    content = f"<document><work>{work}</work></document>".encode()
    leads_to, notices = {"sales": "queue-sales"}, {"closed": "/sounds/1.wav"}
    passed_on = ElementTree.fromstring(answer(content, HERE, BASE, leads_to, notices))
    (found,) = passed_on
    return found


@pytest.mark.parametrize(
    ("action", "asked"),
    [
        ("next", "/survey/next"),
        ("/next?a=1&amp;b=2", "/next?a=1&b=2"),
        ("https://calls.example.net", "/"),
        ("/${system(id)}@evil.test/", "/${system(id)}@evil.test/"),
        ("?step=2", "/survey/start?step=2"),
    ],
)
def test_addresses_lead_back_to_us(action: str, asked: str) -> None:
    (pause,) = made(f'<pause action="{action}"/>')
    address = pause.attrib["action"]
    assert address.startswith(f"{BASE}?to=")
    assert not set(address) & set("${}@\\")
    assert parse_qs(urlsplit(address).query) == {"to": [asked]}


def test_sounds_and_keys() -> None:
    (playback,) = made(
        f'<playback file="notice:closed" error-file="{TONE}" loops="2" terminators="#">'
        '<bind strip="#">~\\d{2}#</bind><bind action="b">1</bind></playback>'
    )
    assert playback.attrib["file"] == "/sounds/1.wav"
    assert [bind.text for bind in playback] == ["~\\d{2}#", "1"]


def test_what_comes_after_dial_is_not_done() -> None:
    work = made("<dial>sales</dial><hangup/>")
    assert [tag.tag for tag in work] == ["dial", "break"]
    assert work[0].text == "queue-sales"
    assert work[0].attrib == {"dialplan": "XML", "context": "services"}


@pytest.mark.parametrize(
    "work",
    [
        "",
        "<dial>queue-sales</dial>",
        "<dial>1000</dial>",
        '<dial context="default">sales</dial>',
        '<execute application="system" data="id"/>',
        '<sms to="1000">Hello</sms>',
        '<conference profile="default">room</conference>',
        '<recordCall name="http://evil.test/"/>',
        '<playback file="shell_stream://id"/>',
        '<playback file="{a=b}/etc/passwd"/>',
        f'<playback file="{TONE}" name="put_file"/>',
        f'<playback file="{TONE}" asr-engine="x" asr-grammar="y"/>',
        f'<playback file="{TONE}" action="https://calls.example.net:8443/"/>',
        f'<playback file="{TONE}" action="https://u@calls.example.net/"/>',
        f'<playback file="{TONE}" action="http://calls.example.net/"/>',
        f'<playback file="{TONE}" action="file:///etc/passwd"/>',
        f'<playback file="{TONE}" action="/a b"/>',
        f'<playback file="{TONE}"><bind action="dial:default:XML">1</bind></playback>',
        f'<playback file="{TONE}"><execute/></playback>',
        "<playback><bind>1</bind></playback>",
        "<bind>1</bind>",
        '<pause milliseconds="-1"/>',
        "<pause/><!-- a -->",
        "</work><params><url>x</url></params><work>",
        "</work></document><document><work>",
        "<pause>",
    ],
)
def test_all_else_is_refused(work: str) -> None:
    with pytest.raises(Refused):
        made(work)


def test_the_docs_example_is_allowed() -> None:
    (example,) = re.findall(r"^```xml\n(.*?)^```", DOCS.read_text(), re.M | re.S)
    assert b"/sounds/1.wav" in answer(example.encode(), HERE, BASE, {}, {"closed": "/sounds/1.wav"})


def test_no_entities() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "c">]><document><work><dial>&b;</dial></work></document>'
    with pytest.raises(Refused):
        answer(bomb, HERE, BASE, {"c": "d"}, {})
