"""Help opens without a network, and every link in it leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

import pytest
import shiboken6
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QGuiApplication, QImage, QTextDocument
from PySide6.QtWidgets import QApplication, QWidget

from ui.appearance import Appearance
from ui.help_window import PAGES, HelpWindow, anchor_of, page_text, page_title
from ui.preferences import DEFAULTS, Preferences

LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")


@pytest.fixture
def help_window(qtbot) -> Iterator[HelpWindow]:
    owner = QWidget()
    qtbot.addWidget(owner)
    window = HelpWindow(owner)
    with qtbot.waitActive(window):
        window.show()
    yield window
    if shiboken6.isValid(window):  # it goes when it is closed
        window.close()


def marked(window: HelpWindow) -> list[str]:
    return [mark.cursor.selectedText() for mark in window.browser.extraSelections()]


def listed(window: HelpWindow) -> list[str]:
    return [window.contents.item(row).text() for row in range(window.contents.count())]


# ---------------------------------------------------------------- the pages


def test_every_page_in_the_folder_is_in_the_contents_and_the_reverse() -> None:
    folder = files("resources") / "help"
    there = {e.name.removesuffix(".md") for e in folder.iterdir() if e.name.endswith(".md")}
    assert there == set(PAGES)
    titles = [page_title(name) for name in PAGES]
    assert len(set(titles)) == len(titles)
    with pytest.raises(KeyError, match="nowhere"):
        page_text("nowhere")


@pytest.mark.parametrize("name", PAGES)
def test_every_link_inside_the_help_leads_somewhere(name: str) -> None:
    folder = files("resources") / "help"
    for picture, target in LINK.findall(page_text(name)):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        if picture:
            assert folder.joinpath(*path.split("/")).is_file(), target
            continue
        page = path.removesuffix(".md") or name
        assert page in PAGES, target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", page_text(page), re.MULTILINE)
            assert anchor in [anchor_of(heading) for heading in headings], target


def test_every_page_can_be_reached_from_the_first() -> None:
    reached, to_do = set(), ["index"]
    while to_do:
        name = to_do.pop()
        if name not in reached:
            reached.add(name)
            links = [target for picture, target in LINK.findall(page_text(name)) if not picture]
            to_do += [t.partition("#")[0].removesuffix(".md") for t in links if ":" not in t]
    assert reached - {""} == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_pages_have_one_title_and_lines_of_a_hundred_signs(name: str) -> None:
    text = page_text(name)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert len(re.findall(r"^# ", prose, re.MULTILINE)) == 1
    assert max(map(len, prose.splitlines())) <= 100


# ---------------------------------------------------------------- the window


def test_it_opens_beside_the_window_on_the_first_page(help_window) -> None:
    assert not help_window.isModal()
    assert help_window.page == "index"
    assert help_window.browser.toPlainText().startswith("Help\n")
    assert listed(help_window) == [page_title(name) for name in PAGES]
    for part in (help_window.line, help_window.contents, help_window.browser):
        assert part.accessibleName()


def test_links_lead_to_pages_and_back_and_forward_again(qtbot, help_window) -> None:
    assert not help_window.back.isEnabled()
    help_window.browser.anchorClicked.emit(QUrl("labelling.md"))
    assert help_window.page == "labelling"
    assert help_window.contents.currentItem().text() == page_title("labelling")
    help_window.browser.anchorClicked.emit(QUrl("privacy.md"))
    help_window.browser.setFocus()
    qtbot.keyClick(help_window.browser, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert help_window.page == "labelling"
    help_window.back.click()
    assert help_window.page == "index"
    assert not help_window.back.isEnabled()
    qtbot.keyClick(help_window, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert help_window.page == "labelling"
    help_window.show_page("raters")
    assert not help_window.forward.isEnabled()


def test_a_link_to_a_heading_scrolls_there_and_back_to_where_one_was(help_window) -> None:
    help_window.resize(700, 300)
    bar = help_window.browser.verticalScrollBar()
    help_window.show_page("labelling", "the-saved-indicator")
    assert bar.value() > 0
    at = bar.value()
    help_window.show_page("privacy")
    assert bar.value() == 0
    help_window.go_back()
    assert bar.value() == at


def test_the_contents_open_pages(qtbot, help_window) -> None:
    help_window.contents.setFocus()
    qtbot.keyClick(help_window.contents, Qt.Key.Key_Down)
    assert help_window.page == PAGES[1]
    with pytest.raises(KeyError):
        help_window.show_page("nowhere")
    assert help_window.page == PAGES[1]


def test_a_link_to_outside_is_shown_and_copied_not_opened(help_window, monkeypatch) -> None:
    opened: list[QUrl] = []
    monkeypatch.setattr("PySide6.QtGui.QDesktopServices.openUrl", opened.append)
    help_window.browser.anchorClicked.emit(QUrl("https://example.org/a?b=1"))
    assert QGuiApplication.clipboard().text() == "https://example.org/a?b=1"
    assert "https://example.org/a?b=1" in help_window.outside.text()
    assert help_window.outside.isVisible()
    assert help_window.page == "index"
    assert opened == []
    help_window.show_page("start")
    assert not help_window.outside.isVisible()


def test_search_lists_pages_with_counts_and_marks_every_hit(qtbot, help_window) -> None:
    qtbot.keyClick(help_window, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert help_window.line.hasFocus()
    qtbot.keyClicks(help_window.line, "Unlabelled")
    counts = {}
    for text in listed(help_window):
        title, _, count = text.rpartition(" (")
        counts[title] = int(count.rstrip(")"))
    assert page_title("labelling") in counts
    assert page_title(help_window.page) in counts
    total = sum(counts.values())
    assert help_window.found.text() == f"Hits: {total}, pages: {len(counts)}"
    seen = []
    for _ in range(total):
        assert len(marked(help_window)) == counts[page_title(help_window.page)]
        assert {text.casefold() for text in marked(help_window)} == {"unlabelled"}
        seen.append((help_window.page, help_window.browser.textCursor().position()))
        qtbot.keyClick(help_window.line, Qt.Key.Key_Return)
    assert len(set(seen)) == total
    assert (help_window.page, help_window.browser.textCursor().position()) == seen[0]
    qtbot.keyClick(help_window, Qt.Key.Key_F3, Qt.KeyboardModifier.ShiftModifier)
    assert (help_window.page, help_window.browser.textCursor().position()) == seen[-1]


def test_counts_are_those_of_the_hits_on_the_page(help_window) -> None:
    help_window.line.setText("label")
    for row in range(help_window.contents.count()):
        help_window.contents.setCurrentRow(row)
        assert listed(help_window)[row].endswith(f"({len(marked(help_window))})")


def test_nothing_found_is_said_and_an_empty_search_lists_all_pages(help_window) -> None:
    help_window.line.setText("qqqq")
    assert listed(help_window) == []
    assert help_window.found.text() == "Nothing found"
    help_window.next_hit()
    help_window.line.clear()
    assert len(listed(help_window)) == len(PAGES)
    assert help_window.found.text() == ""
    assert marked(help_window) == []


def test_pages_are_drawn_anew_in_the_colours_of_dark(
    qtbot, qapp: QApplication, help_window
) -> None:
    def link_colour() -> str:
        block = help_window.browser.document().begin()
        while block.isValid():
            pieces = block.begin()
            while not pieces.atEnd():
                form = pieces.fragment().charFormat()
                if form.isAnchor():
                    return form.foreground().color().name()
                pieces += 1
            block = block.next()
        return ""

    appearance = Appearance(qapp)
    try:
        before = link_colour()
        with qtbot.waitSignal(appearance.changed):
            appearance.apply(Preferences(appearance="dark"))
        assert link_colour() == help_window.palette().link().color().name() != before
        assert help_window.page == "index"
    finally:
        appearance.apply(DEFAULTS)
        appearance.deleteLater()


def test_pictures_come_from_beside_the_pages_and_may_be_missing(
    help_window, tmp_path, monkeypatch
) -> None:
    (tmp_path / "help" / "images").mkdir(parents=True)
    picture = QImage(1600, 400, QImage.Format.Format_RGB32)
    picture.fill(Qt.GlobalColor.red)
    picture.save(str(tmp_path / "help" / "images" / "page.png"))
    monkeypatch.setattr("ui.help_window.files", lambda package: tmp_path)
    kind = QTextDocument.ResourceType.ImageResource.value
    assert help_window.browser.loadResource(kind, QUrl("images/page.png")).width() <= 720
    assert help_window.browser.loadResource(kind, QUrl("images/none.png")).isNull()


def test_escape_closes(qtbot, help_window) -> None:
    with qtbot.waitSignal(help_window.finished):
        qtbot.keyClick(help_window.browser, Qt.Key.Key_Escape)
