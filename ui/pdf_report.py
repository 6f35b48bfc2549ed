"""A report as PDF: pages with numbers, drawings as lines and text, not as pictures.

Nothing here needs a window, and no pixmap is made: it may run in a job.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args

from PySide6.QtCore import (
    QBuffer,
    QByteArray,
    QCoreApplication,
    QIODevice,
    QMarginsF,
    QObject,
    QRectF,
    QSizeF,
    Qt,
)
from PySide6.QtGui import (
    QAbstractTextDocumentLayout,
    QColor,
    QFont,
    QFontMetricsF,
    QPageSize,
    QPainter,
    QPalette,
    QPdfWriter,
    QPyTextObject,
    QTextBlock,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextOption,
    QTextTable,
)
from PySide6.QtSvg import QSvgRenderer

from core.atomic_file import write_atomically
from core.progress import RunContext
from ui.print_html import Drawing, print_page

PageSize = Literal["A4", "Letter"]
PAGE_SIZES: tuple[PageSize, ...] = get_args(PageSize)
RESOLUTION = 600
"""Dots per inch of places on the page; lines and letters are as fine as the printer."""

_SIZES = {"A4": QPageSize.PageSizeId.A4, "Letter": QPageSize.PageSizeId.Letter}
_SIDE_MM, _TOP_MM, _BOTTOM_MM = 17.0, 15.0, 20.0
_FOOT_MM = 11.0
"""From the lower edge of the page to the line at its foot."""
_POINTS_PER_INCH = 72.0
_CSS_PX_PER_INCH = 96.0
_MM_PER_INCH = 25.4
_DRAWING = QTextFormat.ObjectTypes.UserObject + 1
_NUMBER = QTextFormat.Property.UserProperty + 1

_OBJECT = "\N{OBJECT REPLACEMENT CHARACTER}"
_ENDLESS = 1e8
_EDGE_PX = 3.5
"""Above the text of a row, with the line over it."""
_LINES_KEPT = 3
_WORDS_KEPT = 3
"""Paragraphs between a heading and its drawing or table that stay with both."""
_TABLE_KEPT = 0.45
"""Share of a page up to which a table is not torn apart."""
_ROW_KEPT = 0.6
"""Share of a page up to which a row is not torn apart."""

_STYLE = """
body { font-size: 9pt; color: #1b1f24; }
h1 { font-size: 17pt; font-weight: 700; margin-top: 0px; margin-bottom: 4px; }
h2 { font-size: 13pt; font-weight: 700; margin-top: 20px; margin-bottom: 6px; }
h3 { font-size: 10.5pt; font-weight: 700; margin-top: 12px; margin-bottom: 4px; }
h4 { font-size: 8pt; font-weight: 400; color: #5b6470; margin-top: 6px; margin-bottom: 0px; }
p { margin-top: 3px; margin-bottom: 3px; }
p.soft, span.soft { color: #5b6470; font-size: 8pt; }
p.head { font-weight: 700; margin-top: 8px; }
p.drawing { margin-top: 4px; margin-bottom: 2px; }
span.figure { font-size: 14pt; font-weight: 700; }
span.badge { font-size: 10pt; font-weight: 400; }
pre.settings { font-family: "DejaVu Sans Mono", "Consolas", "Menlo", monospace; font-size: 6.5pt; }
li { margin-bottom: 2px; }
"""


def write_pdf(
    html: str, path: Path, page_size: PageSize = "A4", context: RunContext | None = None
) -> int:
    """Write a report's page as PDF, whole or not at all; returns the number of its pages.

    Raises OutputError where the file cannot be written, Cancelled between two pages.
    """
    content, pages = render_pdf(html, page_size, context)
    write_atomically(path, content)
    return pages


def render_pdf(
    html: str, page_size: PageSize = "A4", context: RunContext | None = None
) -> tuple[bytes, int]:
    """The content of the PDF file, and the number of its pages."""
    context = context or RunContext()
    context.step("pages", 0, 0)
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(buffer)
    writer.setResolution(RESOLUTION)
    writer.setPageSize(QPageSize(_SIZES[page_size]))
    writer.setPageMargins(QMarginsF(0, 0, 0, 0))
    writer.setCreator("crossl-app")
    pages = ReportPages(html, writer)
    writer.setTitle(pages.title)
    painter = QPainter(writer)
    try:
        for number in range(pages.count):
            context.step("pages", number, pages.count)
            if number:
                writer.newPage()
            pages.paint(painter, number)
    finally:
        painter.end()
    context.step("pages", pages.count, pages.count)
    return bytes(buffer.data().data()), pages.count


class ReportPages:
    """A report laid out on the pages of a device, to be painted one by one."""

    def __init__(self, html: str, device: QPdfWriter) -> None:
        self._dots = device.resolution()
        page = device.pageLayout().fullRectPixels(self._dots)
        side, top = self._mm(_SIDE_MM), self._mm(_TOP_MM)
        self._page = QRectF(page)
        self._body = QRectF(
            side, top, page.width() - 2 * side, page.height() - top - self._mm(_BOTTOM_MM)
        )
        self._scale = self._dots / _CSS_PX_PER_INCH
        self._edge = _EDGE_PX * self._scale
        self._font = QFont(_family())
        width_pt = self._body.width() / self._dots * _POINTS_PER_INCH
        made = print_page(html, width_pt, self._measured)
        self.title = made.title
        self._document = QTextDocument()
        self._drawings = _Drawings(made.drawings, self._dots, self._body.size())
        layout = self._document.documentLayout()
        layout.setPaintDevice(device)
        layout.registerHandler(_DRAWING, self._drawings)
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self._document.setDefaultTextOption(option)
        self._document.setDefaultFont(self._font)
        self._document.setDefaultStyleSheet(_STYLE)
        self._document.setUseDesignMetrics(True)
        self._document.setDocumentMargin(0)
        self._document.setIndentWidth(18)
        self._document.setHtml(made.html)
        self._size_headings()
        self._put_drawings()
        # One long page, which is then cut: Qt itself cuts rows in two, and leaves headings alone.
        self._document.setPageSize(QSizeF(self._body.width(), _ENDLESS))
        self._slices = self._cut()

    @property
    def count(self) -> int:
        """How many pages there are."""
        return len(self._slices)

    def paint(self, painter: QPainter, number: int) -> None:
        """Paint a page, from 0, with what stands at its foot."""
        piece = self._slices[number]
        top = self._body.top()
        if piece.head is not None:
            self._paint_slice(painter, piece.head, top)
            top += piece.head.bottom - piece.head.top
        self._paint_slice(painter, piece, top)
        self._paint_foot(painter, number)

    def _paint_slice(self, painter: QPainter, piece: _Slice, top: float) -> None:
        """Paint a slice of the long page with its upper edge at `top`."""
        painter.save()
        painter.translate(self._body.left(), top - piece.top)
        context = QAbstractTextDocumentLayout.PaintContext()
        context.clip = QRectF(0, piece.top, self._body.width(), piece.bottom - piece.top)
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.Text, QColor("#1b1f24"))
        context.palette = palette
        painter.setClipRect(context.clip)
        self._document.documentLayout().draw(painter, context)
        painter.restore()

    def _paint_foot(self, painter: QPainter, number: int) -> None:
        font = QFont(self._font)
        font.setPointSizeF(7.5)
        line = QRectF(
            self._body.left(),
            self._page.bottom() - self._mm(_FOOT_MM),
            self._body.width(),
            self._mm(5.0),
        )
        painter.save()
        painter.setFont(font)
        painter.setPen(QColor("#5b6470"))
        says = QCoreApplication.translate(
            "PdfReport", "Made by crossl-app. For research, not for diagnosis."
        )
        page = QCoreApplication.translate("PdfReport", "Page {number} of {count}").format(
            number=number + 1, count=self.count
        )
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, says)
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, page)
        painter.restore()

    # -- laying out

    def _mm(self, length_mm: float) -> float:
        return length_mm / _MM_PER_INCH * self._dots

    def _measured(self, text: str, size_pt: float, bold: bool) -> float:
        # At a size where hinting rounds nothing.
        font = QFont(self._font)
        font.setPixelSize(100)
        font.setBold(bold)
        return QFontMetricsF(font).horizontalAdvance(text) * size_pt / 100

    def _size_headings(self) -> None:
        """Headings as large as the style says: Qt enlarges them once more."""
        plain = QTextCharFormat()
        plain.setProperty(QTextFormat.Property.FontSizeAdjustment, 0)
        block = self._document.begin()
        while block.isValid():
            if block.blockFormat().headingLevel():
                cursor = QTextCursor(block)
                cursor.movePosition(
                    QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor
                )
                cursor.mergeCharFormat(plain)
            block = block.next()

    def _put_drawings(self) -> None:
        """Let the handler paint what stands as an image called `drawing:<number>`."""
        found = []
        block = self._document.begin()
        while block.isValid():
            iterator = block.begin()
            while not iterator.atEnd():
                fragment = iterator.fragment()
                form = fragment.charFormat()
                if form.isImageFormat():
                    name = form.toImageFormat().name()
                    found.append((fragment.position(), int(name.partition(":")[2])))
                iterator += 1
            block = block.next()
        cursor = QTextCursor(self._document)
        for position, number in found:
            cursor.setPosition(position)
            cursor.setPosition(position + 1, QTextCursor.MoveMode.KeepAnchor)
            form = QTextCharFormat()
            form.setObjectType(_DRAWING)
            form.setProperty(_NUMBER, number)
            cursor.setCharFormat(form)

    # -- where pages break

    def _cut(self) -> list[_Slice]:
        """The pages, as slices of the one long page that the document is laid out on.

        A page ends where no line, row or drawing is cut, and never after a heading.
        """
        pieces = self._pieces()
        room = self._body.height()
        slices = []
        first = 0
        while first < len(pieces):
            head = pieces[first].head
            space = room - (head.bottom - head.top if head is not None else 0.0)
            start = pieces[first].top
            after = first + 1
            while after < len(pieces) and pieces[after].bottom - start <= space:
                after += 1
            if after < len(pieces):
                last = after
                while last - 1 > first and pieces[last - 1].stays:
                    last -= 1
                # What stays with the next piece goes along, unless nothing would be left here.
                after = after if last - 1 == first and pieces[first].stays else last
            bottom = max(piece.bottom for piece in pieces[first:after])
            # Only a piece that is taller than a page is ever cut through.
            while bottom - start > space + 1:
                slices.append(_Slice(start, start + space, head))
                start += space
            slices.append(_Slice(start, bottom, head))
            first = after
        return slices or [_Slice(0.0, room, None)]

    def _pieces(self) -> list[_Piece]:
        """All that must not be cut, from top to bottom."""
        pieces: list[_Piece] = []
        place = self._document.rootFrame().begin()
        words = 0
        while not place.atEnd():
            frame, block = place.currentFrame(), place.currentBlock()
            place += 1
            before = pieces[-1] if pieces else None
            if isinstance(frame, QTextTable):
                pieces += self._pieces_of_table(frame)
            elif not block.isValid() or not block.text():
                continue
            elif block.blockFormat().headingLevel():
                pieces.append(_Piece(*self._extent(block), stays=True))
                words = _WORDS_KEPT
                continue
            elif _OBJECT in block.text():
                pieces.append(_Piece(*self._extent(block), is_drawing=True))
            elif before is not None and before.is_drawing:
                # Its caption.
                pieces[-1] = _Piece(before.top, self._extent(block)[1])
            else:
                lines = self._lines(block)
                # A few words between a heading and what it heads.
                few = words > 0 and len(lines) <= _LINES_KEPT
                words = words - 1 if few else 0
                pieces += [replace(piece, stays=few) for piece in lines]
                continue
            words = 0
        # Words that were kept for something that does not come.
        for k in range(len(pieces) - 1):
            if pieces[k].is_text and pieces[k].stays and pieces[k + 1].is_text:
                pieces[k] = replace(pieces[k], stays=pieces[k + 1].stays)
        return pieces

    def _extent(self, block: QTextBlock) -> tuple[float, float]:
        rect = self._document.documentLayout().blockBoundingRect(block)
        return rect.top(), rect.bottom()

    def _lines(self, block: QTextBlock) -> list[_Piece]:
        """The lines of a paragraph; the first two stay together, and so do the last two."""
        top, bottom = self._extent(block)
        layout = block.layout()
        count = layout.lineCount()
        edges = [top + layout.lineAt(k).y() for k in range(count)] + [bottom]
        if count <= _LINES_KEPT:
            return [_Piece(top, bottom, is_text=True)]
        del edges[-2], edges[1]
        return [_Piece(a, b, is_text=True) for a, b in pairwise(edges)]

    def _pieces_of_table(self, table: QTextTable) -> list[_Piece]:
        """The rows; a small table is one piece, and the first rows stay with the head."""
        rows = [self._row(table, row) for row in range(table.rows())]
        edges = [rows[0][0] - self._edge]
        for above, below in pairwise(rows):
            edges.append(max(above[1], below[0] - self._edge))
        edges.append(rows[-1][1] + self._edge)
        if edges[-1] - edges[0] <= _TABLE_KEPT * self._body.height():
            return [_Piece(edges[0], edges[-1])]
        heads = table.format().headerRowCount()
        head = _Slice(edges[0], edges[heads], None) if heads else None
        pieces: list[_Piece] = []
        for row in range(heads, len(rows)):
            if edges[row + 1] - edges[row] < _ROW_KEPT * self._body.height():
                pieces.append(_Piece(edges[row], edges[row + 1], head))
            else:
                pieces += self._lines_of_row(table, row, edges[row], edges[row + 1], head)
        if heads:
            last = 1 if len(pieces) > 1 else 0
            return [_Piece(edges[0], pieces[last].bottom), *pieces[last + 1 :]]
        return pieces

    def _row(self, table: QTextTable, row: int) -> tuple[float, float]:
        """Upper and lower edge of the texts of a row."""
        cells = [table.cellAt(row, column) for column in range(table.columns())]
        return (
            min(self._extent(cell.firstCursorPosition().block())[0] for cell in cells),
            max(self._extent(cell.lastCursorPosition().block())[1] for cell in cells),
        )

    def _lines_of_row(
        self, table: QTextTable, row: int, top: float, bottom: float, head: _Slice | None
    ) -> list[_Piece]:
        """Of a row as long as a page, the lines of its longest cell."""
        cells = [table.cellAt(row, column) for column in range(table.columns())]
        longest = max(cells, key=lambda cell: cell.lastPosition() - cell.firstPosition())
        edges = [top]
        block = longest.firstCursorPosition().block()
        while block.isValid() and block.position() <= longest.lastPosition():
            upper, _ = self._extent(block)
            layout = block.layout()
            edges += [upper + layout.lineAt(k).y() for k in range(layout.lineCount())]
            block = block.next()
        edges = sorted({*edges[:1], *(edge for edge in edges[2:] if top < edge < bottom), bottom})
        return [_Piece(a, b, head) for a, b in pairwise(edges)]


@dataclass(frozen=True)
class _Slice:
    """A stretch of the long page, from top to bottom; `head`: of the table it begins within."""

    top: float
    bottom: float
    head: _Slice | None


@dataclass(frozen=True)
class _Piece:
    """What must not be cut: a line, a row, a drawing with its caption.

    `head`: the head of its table, to be shown again where a page begins with it. `stays`: on the
    page of the next piece.
    """

    top: float
    bottom: float
    head: _Slice | None = None
    stays: bool = False
    is_drawing: bool = False
    is_text: bool = False


class _Drawings(QPyTextObject):
    """Paints a report's drawings where they stand in the text."""

    def __init__(
        self,
        drawings: tuple[Drawing, ...],
        dots: int,
        room: QSizeF,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._drawings = drawings
        self._dots = dots
        self._room = room

    def intrinsicSize(self, document: QTextDocument, place: int, form: QTextFormat) -> QSizeF:
        """As wide as in a browser where that fits, else as its share of the page's width."""
        drawing = self._drawings[int(form.property(_NUMBER))]
        wide = min(
            drawing.width / _CSS_PX_PER_INCH * self._dots, drawing.share * self._room.width()
        )
        high = wide * drawing.height / drawing.width
        if high > 0.8 * self._room.height():
            wide *= 0.8 * self._room.height() / high
            high = 0.8 * self._room.height()
        return QSizeF(wide, high)

    def drawObject(
        self,
        painter: QPainter,
        rect: QRectF,
        document: QTextDocument,
        place: int,
        form: QTextFormat,
    ) -> None:
        drawing = self._drawings[int(form.property(_NUMBER))]
        QSvgRenderer(QByteArray(drawing.svg)).render(painter, rect)


def _family() -> str:
    """A font that all systems' readers show alike: it is put into the file."""
    return {"win32": "Segoe UI", "darwin": "Helvetica Neue"}.get(sys.platform, "DejaVu Sans")
