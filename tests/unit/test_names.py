"""Whatever an operator calls an extension, it is a name and nothing else."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from callcenter.render import File, Tree, freeswitch, sounds
from callcenter.site import EventSocket, Extension, Site, SiteError, Switch
from callcenter.site.secrets import Secret

SWITCH = Switch("cc1.example.net", public_ip="203.0.113.10")


class Preprocessor:
    """FreeSWITCH's own, which works on lines and knows nothing of XML (its src/switch_xml.c)."""

    def __init__(self, tree: Tree) -> None:
        self.files = {file.path: file.text for file in tree}
        self.variables: dict[str, str] = {}

    def merged(self) -> bytes:
        """Return what FreeSWITCH parses."""
        return "".join(self._file("freeswitch.xml", 0)).encode()

    def _file(self, path: str, level: int) -> Iterator[str]:
        assert level < 10
        in_comment = False
        # Lines end at a line feed only: other separators of Unicode are text.
        for raw in re.findall(r"[^\n]*\n|[^\n]+", self.files[path]):
            line = re.sub(r"\$\$\{([^}]*)\}", lambda m: self.variables.get(m[1], ""), raw)
            if any(mark in text for text in (raw, line) for mark in ("<include>", "</include>")):
                continue
            if "<?" in line:
                continue
            if in_comment:
                _, end, line = line.partition("-->")
                if not end:
                    continue
                in_comment = False
            if (at := line.lower().find("x-pre-process")) >= 0:
                if line[at - 1 : at] == "<":
                    yield from self._directive(path, line[at:], level)
                continue
            before, comment, rest = line.partition("<!--#")
            if comment:
                _, end, after = rest.partition("-->")
                yield before + after
                in_comment = not end
                words = rest.partition("-->")[0].split(maxsplit=1)
                if len(words) == 2:
                    yield from self._command(path, words[0], words[1].strip(' "\n'), level)
                continue
            yield line

    def _directive(self, path: str, line: str, level: int) -> Iterator[str]:
        match = re.search(r'cmd[^=]*=[^"]*"([^"]*)".*?data[^=]*=[^"]*"([^"]*)"', line, re.I)
        if match is not None:
            yield from self._command(path, match[1], match[2], level)

    def _command(self, path: str, command: str, data: str, level: int) -> Iterator[str]:
        if command.lower() == "set":
            name, _, value = data.partition("=")
            self.variables[name.strip()] = value.strip()
        elif command.lower() == "include":
            pattern = posixpath.normpath(posixpath.join(posixpath.dirname(path), data))
            for name in sorted(self.files):
                if posixpath.dirname(name) == posixpath.dirname(pattern) and fnmatch(name, pattern):
                    yield from self._file(name, level + 1)
        else:
            # exec, exec-set, stun-set, env-set: none of them is ours.
            pytest.fail(f"the preprocessor is told to {command}")


def site(name: str) -> Site:
    return Site(
        domain="cc.example.net",
        extensions=(
            Extension("1000", name=name, password=Secret(literal="correct-Horse-7battery")),
            Extension("1001", name="Ann", password=Secret(literal="another-Horse-7battery")),
        ),
        event_socket=EventSocket(password=Secret(literal="third-Horse-7battery")),
    )


def elements(name: str) -> list[tuple[str, Mapping[str, str], str]]:
    """Every element that FreeSWITCH sees, as tag, attributes and text."""
    merged = Preprocessor(freeswitch.configuration(site(name), SWITCH)).merged()
    document = etree.fromstring(merged)
    return [
        (str(one.tag), {str(k): str(v) for k, v in one.attrib.items()}, (one.text or "").strip())
        for one in document.iter(etree.Element)
    ]


def expressions(seen: list[tuple[str, Mapping[str, str], str]]) -> list[str]:
    """Every ``${…}`` that FreeSWITCH would expand: variables and API calls."""
    texts = [text for _, attributes, own in seen for text in (*attributes.values(), own)]
    return [found for text in texts for found in re.findall(r"\$\\*\{[^}]*\}?", text)]


def displayed(seen: list[tuple[str, Mapping[str, str], str]]) -> list[str]:
    return [
        attributes["value"]
        for _, attributes, _ in seen
        if attributes.get("name") == "effective_caller_id_name"
    ]


def described(name: str) -> tuple[str, list[str]]:
    """Return the name as the model takes it, or the paths of its refusals."""
    try:
        return Extension("1000", name=name).name, []
    except SiteError as refused:
        return "", [line.partition(":")[0] for line in refused.problems]


HARMLESS = elements("Bob")

HOSTILE = [
    "]]>", "<!--", "-->", "<!--#", "<!--#set a=b-->", '"', "'", "<", ">", "&", "&amp;", "&#36;",
    "${", "$${", "$$", "}", "${system(id)}", "$${domain}", "$\\{", "\\", "\\n", "`", "#", "%{", "%",
    "<?", "?>", "<include>", "</include>", "X-PRE-PROCESS", "x-pre-process", "<X-PRE-PROCESS ",
    'cmd="exec" data="id"', "/>", "<action application=", '" application="system', ",", ";", "=",
    "|", "^", "[a=b]", "{a=b}", "\u2028", "\u0085", "\n", "\r", "\t", "\0", "\ufffe", "\ud800",
    "\U0001f4de", "é", "名", "\u202e", " ",
]  # fmt: skip

names = st.one_of(
    st.text(max_size=90),
    st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=3)), max_size=8).map("".join),
)


@settings(max_examples=200, deadline=None)
@given(names)
@example('Front "desk" <&> ]]>')
@example("${system(rm -rf /)} $${domain} $\\{api}")
@example('<X-PRE-PROCESS cmd="exec" data="id"/>')
@example("<!--#include /etc/passwd")
@example("x-PRE-process <include> <?xml?>")
@example("X-Pre-Process")
@example("${${${")
@example("$" * 80)
def test_any_name_is_refused_or_stays_a_name(name: str) -> None:
    accepted, refusals = described(name)
    if refusals:
        assert refusals == ["Extension.name"]
        return
    assert accepted == name.strip()

    seen = elements(name)

    # The name is the whole difference to a harmless one: no application, variable, parameter,
    # and no expression has come or gone.
    assert [(tag, {**attributes, "value": ""}, text) for tag, attributes, text in seen] == [
        (tag, {**attributes, "value": ""}, text) for tag, attributes, text in HARMLESS
    ]
    different = [
        (now, then) for now, then in zip(seen, HARMLESS, strict=True) if now[1:] != then[1:]
    ]
    assert all(now[1]["name"] == "effective_caller_id_name" for now, _ in different)
    assert expressions(seen) == expressions(HARMLESS)
    shown, ann = displayed(seen)
    assert ann == "Ann"
    # A dollar that would begin an expression is the only sign that may change.
    assert shown == re.sub(r"\$(?=\\*\{)", "%", accepted or "1000")


@pytest.mark.parametrize(
    ("line", "merged"),
    [
        ('<a b="$${domain}"/>', '<a b="cc.example.net"/>'),
        ('<a b="$${unknown}"/>', '<a b=""/>'),
        ("<a>x-pre-process</a>", ""),
        ("<a b='<?'/>", ""),
        ("<include><a/></include>", ""),
        ("<a/><!--#set x=y--><b/>", "<a/><b/>"),
        ("<a/><!--#\n<b/>\n--><c/>", "<a/><c/>"),
        ('<X-PRE-PROCESS cmd="set" data="x=1"/>', ""),
        ('<X-Pre-Process cmd="include" data="b/*.xml"/>', "<b/>"),
    ],
)
def test_the_preprocessor_of_these_tests_does_what_freeswitch_does(line: str, merged: str) -> None:
    first = '<X-PRE-PROCESS cmd="set" data="domain=cc.example.net"/>\n'
    files = [("freeswitch.xml", first + line), ("b/b.xml", "<b/>"), ("b/b.txt", "<no/>")]
    tree = Tree(File(path, text.encode()) for path, text in files)
    assert Preprocessor(tree).merged().decode().replace("\n", "") == merged


def test_a_domain_is_set_before_anything_is_included() -> None:
    looking = Preprocessor(freeswitch.configuration(site("Bob"), SWITCH))
    looking.merged()
    first = list(looking.variables.items())[:3]
    assert first == [
        ("domain", "cc.example.net"),
        ("default_language", "en"),
        ("hold_music", sounds.HOLD_MUSIC),
    ]
