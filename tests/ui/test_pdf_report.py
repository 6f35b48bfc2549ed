"""The PDF holds all that the page holds: nothing is clipped, cut through, or left alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PySide6.QtCore import QBuffer, QIODevice, QMarginsF
from PySide6.QtGui import QColor, QImage, QPageSize, QPainter, QPdfWriter, QTextBlock, QTextTable

from core.errors import OutputError
from core.progress import Cancelled, Progress, RunContext
from core.report import html_page, html_table, render_html
from tests.core.test_report import make_report, write_predictions
from ui.jobs import LatestJob
from ui.pdf_report import RESOLUTION, ReportPages, render_pdf, write_pdf
from ui.print_html import print_page


@pytest.fixture
def report(tmp_path: Path) -> str:
    predictions = {}
    for name in ("S00_night1", "S01_night1"):
        predictions[name] = tmp_path / f"{name}.csv"
        write_predictions(predictions[name])
    return render_html(make_report(), predictions)


@pytest.fixture
def lay_out(qapp):
    """Lays a page out for A4; the device outlives what is laid out for it."""
    kept = []

    def make(html: str) -> ReportPages:
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        writer = QPdfWriter(buffer)
        writer.setResolution(RESOLUTION)
        writer.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
        writer.setPageMargins(QMarginsF(0, 0, 0, 0))
        pages = ReportPages(html, writer)
        kept.append((buffer, writer, pages))
        return pages

    return make


def plain(block: QTextBlock) -> str:
    return block.text().replace("\N{NO-BREAK SPACE}", " ")


def boxes(pages: ReportPages) -> list[tuple[float, float, str]]:
    """Upper and lower edge of every line that is laid out, with its text."""
    document, found = pages._document, []
    layout = document.documentLayout()
    block = document.begin()
    while block.isValid():
        top = layout.blockBoundingRect(block).top()
        lines = block.layout()
        for k in range(lines.lineCount()):
            line = lines.lineAt(k)
            text = plain(block)[line.textStart() : line.textStart() + line.textLength()]
            if text.strip():
                found.append((top + line.y(), top + line.y() + line.height(), text))
        block = block.next()
    return found


def tables(pages: ReportPages) -> list[QTextTable]:
    frames = pages._document.rootFrame().childFrames()
    return [frame for frame in frames if isinstance(frame, QTextTable)]


def right_of(pages: ReportPages, table: QTextTable) -> float:
    """Where the texts of the last column end."""
    layout = pages._document.documentLayout()
    cells = [table.cellAt(row, table.columns() - 1) for row in range(table.rows())]
    return max(
        layout.blockBoundingRect(cell.lastCursorPosition().block()).right() for cell in cells
    )


def long_table(rows: int, columns: int = 4, text: str = "") -> str:
    heads = [f"head {k}" for k in range(columns)]
    cells = [[f"row {r} cell {k} {text}" for k in range(columns)] for r in range(rows)]
    return html_table(heads, cells)


def test_the_file_is_a_pdf_with_its_fonts_and_no_pictures(report, tmp_path) -> None:
    path = tmp_path / "new" / "report.pdf"
    count = write_pdf(report, path, "A4")
    content = path.read_bytes()
    assert content.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", content)) == count > 3
    assert re.search(rb"/MediaBox \[0 0 595\.?\d* 842", content)
    assert b"/FontFile" in content
    widths = [int(x) for x in re.findall(rb"/Subtype /Image\s+/Width (\d+)", content)]
    assert max(widths, default=0) < 100  # hatching alone: drawings are lines and text
    letter, _ = render_pdf(report, "Letter")
    assert re.search(rb"/MediaBox \[0 0 612\.?\d* 792", letter)


def test_every_line_is_on_one_page_and_within_its_edges(report, lay_out) -> None:
    pages = lay_out(report)
    width = pages._body.width()
    for top, bottom, text in boxes(pages):
        middle = (top + bottom) / 2
        own = [s for s in pages._slices if s.top <= middle <= s.bottom]
        assert len(own) == 1, text
        assert own[0].top <= top + 1, text
        assert bottom <= own[0].bottom + 1, text
    for piece in pages._slices:
        head = piece.head.bottom - piece.head.top if piece.head is not None else 0.0
        assert piece.bottom - piece.top + head <= pages._body.height() + 1
    assert all(right_of(pages, table) <= width + 1 for table in tables(pages))


def test_a_heading_never_stands_alone_at_the_foot(lay_out) -> None:
    for lines in range(30, 60):
        body = "".join(f"<p>line {k}</p>" for k in range(lines))
        pages = lay_out(html_page("x", [body, "<h2>Heading</h2><h3>Below it</h3>", long_table(4)]))
        heading = next(top for top, _, text in boxes(pages) if text == "Heading")
        row = next(top for top, _, text in boxes(pages) if text.startswith("row 1 "))
        own = [k for k, s in enumerate(pages._slices) if s.top <= heading + 1 <= s.bottom]
        assert own == [k for k, s in enumerate(pages._slices) if s.top <= row + 1 <= s.bottom]


def test_a_long_table_shows_its_head_on_every_page(lay_out) -> None:
    pages = lay_out(html_page("x", [long_table(200)]))
    assert pages.count > 3
    assert pages._slices[0].head is None
    for piece in pages._slices[1:-1]:
        assert piece.head is not None
        inside = [
            text for top, _, text in boxes(pages) if piece.head.top <= top < piece.head.bottom
        ]
        assert inside == ["head 0", "head 1", "head 2", "head 3"]


def test_a_wide_table_is_split_by_columns_that_all_keep_their_names(lay_out) -> None:
    columns = 40
    pages = lay_out(html_page("x", [long_table(3, columns, "wide text")]))
    made = tables(pages)
    assert len(made) > 3
    firsts = {plain(table.cellAt(1, 0).firstCursorPosition().block()) for table in made}
    assert firsts == {"row 0 cell 0 wide text"}
    heads = [text for _, _, text in boxes(pages) if text.startswith("head ")]
    assert set(heads) == {f"head {k}" for k in range(columns)}
    assert all(right_of(pages, table) <= pages._body.width() + 1 for table in made)


def test_a_table_that_is_a_little_too_wide_gets_smaller_figures(lay_out) -> None:
    pages = lay_out(html_page("x", [long_table(3, 8, "x")]))
    (table,) = tables(pages)
    fragment = table.cellAt(1, 0).firstCursorPosition().block().begin().fragment()
    assert 6.4 < fragment.charFormat().fontPointSize() < 8.5


def test_a_row_longer_than_a_page_is_cut_between_its_lines(lay_out) -> None:
    words = "word " * 4000
    table = html_table(("name", "text"), [["a", words], ["b", "short"]], wrap_columns=(1,))
    pages = lay_out(html_page("x", [table]))
    assert pages.count > 2
    for top, bottom, text in boxes(pages):
        assert any(s.top <= top + 1 and bottom <= s.bottom + 1 for s in pages._slices), text


def test_folded_parts_are_unfolded_and_nothing_is_lost(report) -> None:
    made = print_page(report, 500.0, lambda text, size, bold: 0.5 * size * len(text))
    plain = re.sub(r"<[^>]+>", " ", made.html)
    for text in ("Sleep stages", "All settings of this run", "What the readers met", "S00_night1"):
        assert text in plain
    assert "<details" not in made.html
    assert "<svg" not in made.html
    assert len(made.drawings) == made.html.count('src="drawing:')
    assert all(b"var(--" not in drawing.svg for drawing in made.drawings)
    assert made.title.endswith("crossl-app report")


def test_names_are_no_markup(qapp) -> None:
    page = html_page("a<b", ["<h1>x &lt;b&gt; &amp; y</h1>", long_table(1, 1, "&lt;i&gt;")])
    made = print_page(page, 500.0, lambda text, size, bold: 10.0)
    assert "x &lt;b&gt; &amp; y" in made.html
    assert "&lt;i&gt;" in made.html
    assert made.title == "a<b"


def test_the_foot_says_page_and_purpose(lay_out, qapp) -> None:
    pages = lay_out(html_page("x", ["<p>one</p>"]))
    image = QImage(4961, 7016, QImage.Format.Format_RGB32)
    image.setDotsPerMeterX(round(RESOLUTION / 0.0254))
    image.setDotsPerMeterY(round(RESOLUTION / 0.0254))
    image.fill(QColor("white"))
    painter = QPainter(image)
    pages.paint(painter, 0)
    painter.end()
    foot = image.copy(0, 6700, 4961, 316).scaledToWidth(400)
    dark = [
        x for x in range(400) for y in range(foot.height()) if foot.pixelColor(x, y).value() < 200
    ]
    assert min(dark) < 60  # what it is for, at the left
    assert max(dark) > 340  # the page's number, at the right


def test_it_can_be_written_in_a_job_and_stopped(qtbot, report, qapp) -> None:
    job = LatestJob()
    with qtbot.waitSignal(job.succeeded, timeout=30_000) as caught:
        job.start(lambda context: render_pdf(report, "A4", context))
    content, count = caught.args[0]
    assert content.startswith(b"%PDF-")
    assert count > 3
    job.shut_down()
    seen: list[Progress] = []
    stop = RunContext(seen.append, lambda: len(seen) > 3)
    with pytest.raises(Cancelled):
        render_pdf(report, "A4", stop)


def test_a_page_without_anything_is_still_a_page(qapp) -> None:
    content, count = render_pdf("<html><body></body></html>")
    assert count == 1
    assert content.startswith(b"%PDF-")


def test_what_cannot_be_written_is_told(qapp, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"report\.pdf"):
        write_pdf("<p>x</p>", tmp_path / "file" / "report.pdf")
