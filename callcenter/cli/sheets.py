"""Sheets of links to print: a phone a card, eight cards a page."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import segno

from callcenter.render.desk_phones import MAKERS
from callcenter.render.provisioning import link
from callcenter.site import Extension, Site, SiteError
from callcenter.site.served import phones_authority

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

__all__ = ["cards", "code", "runs", "sheets"]

COLUMNS, ROWS = 2, 4
MARGIN, GAP = 12, 5
"""Millimetres."""
CODE = 42
"""Millimetres of a QR code, with its quiet zone."""
MASK = 3
"""Pattern that is laid over a code. Any may be chosen (ISO/IEC 18004); to compare all eight takes
seven times as long."""
WESTERN, ALL = "Helvetica", "STSong-Light"
"""Fonts that every reader of PDF has: of Latin letters, and of Chinese and Cyrillic ones, too."""
WORDS = {
    "en": ("Scan with Linphone: it works once.", "Whoever scans it first has this number."),
    "zh": ("请用 Linphone 扫描，只能使用一次。", "先扫描者即得此号码。"),
}
TYPED = {"en": "Type it into the phone, at", "zh": "请在话机网页中填写："}
FIRST = {"en": "Before that, give it this site's root", "zh": "请先在设备上安装本站的根证书"}
"""Words on each card where phones do not know the authority of the site's certificate."""


def code(address: str) -> segno.QRCode:
    """Return the QR code of a link."""
    return segno.make(address, error="m", micro=False, boost_error=False, mask=MASK)


def cards(site: Site) -> int:
    """Count the cards of a Site."""
    return sum(1 + len(one.phones) for one in site.extensions)


def sheets(site: Site, file: Path) -> Iterator[Extension]:
    """Write the cards of all extensions, and of their desk phones, into a PDF that its owner alone
    may read. An extension is yielded when a card of it is drawn, and the file is there after the
    last."""
    try:
        from reportlab.lib.pagesizes import A4
        from reportlab.lib.units import mm
        from reportlab.pdfbase.cidfonts import UnicodeCIDFont
        from reportlab.pdfbase.pdfmetrics import registerFont, stringWidth
        from reportlab.pdfgen.canvas import Canvas
    except ImportError:
        raise SiteError(
            ["--pdf: needs reportlab; run: pip install 'pyinfra-callcenter[sheets]'"]
        ) from None
    registerFont(UnicodeCIDFont(ALL))
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        page = Canvas(stream, pagesize=A4)
        page.setTitle(f"Phones of {site.domain}")
        width = (A4[0] - 2 * MARGIN * mm - (COLUMNS - 1) * GAP * mm) / COLUMNS
        height = (A4[1] - 2 * MARGIN * mm - (ROWS - 1) * GAP * mm) / ROWS

        def write(x: float, y: float, size: float, words: str) -> None:
            page.setFont(_font(words), size)
            page.drawString(x, y, words)

        first = () if phones_authority(site) is None else (FIRST[site.language],)
        every = ((one, phone) for one in site.extensions for phone in (None, *one.phones))
        for index, (one, phone) in enumerate(every):
            place = index % (COLUMNS * ROWS)
            if index and not place:
                page.showPage()
            x = MARGIN * mm + place % COLUMNS * (width + GAP * mm)
            y = A4[1] - MARGIN * mm - height - place // COLUMNS * (height + GAP * mm)
            page.setLineWidth(0.3)
            page.roundRect(x, y, width, height, 2 * mm)
            address = link(site, one, phone)
            right = x + (CODE + 4) * mm
            write(right, y + height - 14 * mm, 22, one.number)
            write(right, y + height - 22 * mm, 10, _fitted(one.name, width - (CODE + 6) * mm))
            write(right, y + height - 30 * mm, 7, _fitted(site.domain, width - (CODE + 6) * mm))
            if phone is None:
                _draw(page, code(address), x + 2 * mm, y + height - (CODE + 2) * mm, CODE * mm)
                for line, words in enumerate((*WORDS[site.language], *first)):
                    write(x + 4 * mm, y + (13 - 5 * line) * mm, 8, words)
            else:
                maker = MAKERS[phone.make]
                write(right, y + height - 38 * mm, 8, f"{maker.name} {phone.mac}")
                # No code: a camera would open the link, and use it up.
                root = (": ".join(filter(None, (words, maker.root))) for words in first)
                typed = (address, TYPED[site.language], maker.where, *root)
                for line, words in enumerate(typed):
                    size = min(8.0, (width - 8 * mm) / stringWidth(words, _font(words), 1))
                    write(x + 4 * mm, y + (18 - 5 * line) * mm, size, words)
            yield one
        page.save()
    part.replace(file)


def _font(words: str) -> str:
    try:
        words.encode("cp1252")
    except UnicodeEncodeError:
        return ALL
    return WESTERN


def _fitted(words: str, width: float) -> str:
    """Return what of a text of ten points fits."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    while words and stringWidth(words, _font(words), 10) > width:
        words = f"{words.removesuffix('…')[:-1].rstrip()}…" if len(words) > 1 else ""
    return words


def _draw(page: Canvas, made: segno.QRCode, x: float, y: float, size: float) -> None:
    """Draw a code as runs of dark modules: as lines of PDF, in whole modules, since a call for each
    of three hundred runs would take most of the time."""
    rows = list(made.matrix)
    quiet = made.default_border_size
    across = len(rows) + 2 * quiet
    drawn = [
        f"{start + quiet} {across - row - quiet - 1} {length} 1 re"
        for row, modules in enumerate(rows)
        for start, length in runs(modules)
    ]
    page.saveState()
    page.translate(x, y)
    page.scale(size / across, size / across)
    page.addLiteral(" ".join([*drawn, "f"]))
    page.restoreState()


def runs(modules: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first column and the length of each run of dark modules."""
    start = None
    column = -1
    for column, dark in enumerate(modules):
        if dark and start is None:
            start = column
        elif not dark and start is not None:
            yield start, column - start
            start = None
    if start is not None:
        yield start, column + 1 - start
