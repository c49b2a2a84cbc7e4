"""Jinja2 with escaping that cannot be forgotten: every value is escaped where it is printed."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket
from markupsafe import Markup, escape

from callcenter.render import cache

__all__ = ["plain", "source", "text", "xml", "xml_escape"]

_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (_PACKAGE / "templates", _PACKAGE.parent / "templates")

# FreeSWITCH's preprocessor works on lines, before and regardless of XML, and the dialplan expands
# variables after it. What either gives a meaning to is written as a character reference.
_SPECIAL = re.compile(r"[^A-Za-z0-9 ._/:,@()+=;|*?\[\]^~!%\-\u0080-\U0010ffff]")
_DIRECTIVE = re.compile("x-pre-process", re.IGNORECASE)
_EXPANSION = re.compile(r"\$(\\*)\{")


def xml_escape(value: object) -> str:
    """Escape text so that it stays text through FreeSWITCH's preprocessor, XML parser and variable
    expansion."""
    # Character references would be decoded before expansion; FreeSWITCH itself disarms foreign
    # text by turning the dollar into a percent sign.
    text = str(value)
    if "-" not in text and not _SPECIAL.search(text):
        # As most values of thousands of extensions are.
        return text
    text = _EXPANSION.sub(r"%\1{", text)
    text = _SPECIAL.sub(lambda sign: f"&#{ord(sign.group())};", text)
    return _DIRECTIVE.sub(lambda word: word.group().replace("-", "&#45;"), text)


def text(value: object) -> Markup:
    """Escape text for XML that FreeSWITCH does not read: nothing else of it is changed. A line
    break stays one in an attribute, too."""
    return Markup(str(escape(value)).replace("\n", "&#10;"))


def _finalize_xml(value: object) -> object:
    return value if isinstance(value, Markup) else Markup(xml_escape(value))


class _Compiled(jinja2.FileSystemBytecodeCache):
    """Templates as Python code: to compile them would be a fifth of a deploy that changes nothing.

    jinja2 tells by a digest of its source whether a template is the one that was compiled."""

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        # Without the path, or each copy of the repository would leave files of its own.
        return super().get_cache_key(name)

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            super().dump_bytecode(bucket)


def _compiled(kind: str) -> _Compiled | None:
    """Return what this jinja2 has compiled for an environment, with what this file adds to it."""
    try:
        folder = cache.folder("templates")
    except OSError:
        return None
    # It is code, so nobody else may have put it there.
    if folder.stat().st_uid != os.geteuid() or folder.stat().st_mode & 0o022:
        return None
    with_what = jinja2.__version__.encode() + Path(__file__).read_bytes()
    return _Compiled(str(folder), f"{kind}-{hashlib.sha256(with_what).hexdigest()[:16]}-%s")


def _environment(kind: str, **options: object) -> jinja2.Environment:
    return jinja2.Environment(
        bytecode_cache=_compiled(kind),
        loader=jinja2.FileSystemLoader(_FOLDERS),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,  # type: ignore[arg-type]
    )


@functools.cache
def _xml() -> jinja2.Environment:
    return _environment("xml", finalize=_finalize_xml, autoescape=True)


@functools.cache
def _plain() -> jinja2.Environment:
    return _environment("plain")


def xml(template: str, **values: object) -> bytes:
    """Render an XML template. It may hold dialplan expressions; its values may not."""
    return _xml().get_template(template).render(source=template, **values).encode()


def plain(template: str, **values: object) -> bytes:
    """Render a template whose values the models restrict to words, numbers and addresses."""
    return _plain().get_template(template).render(source=template, **values).encode()


def source(name: str) -> bytes:
    """Return a file that lies among the templates and is none."""
    environment = _plain()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0].encode()
