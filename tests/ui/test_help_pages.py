"""What the help says about menus, keys and pictures is what the window has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QAction, QKeySequence, QTextDocument
from PySide6.QtWidgets import QMenu

from tests import screenshots
from ui.actions import plain_text
from ui.help_window import PAGES, HelpWindow, page_text
from ui.main_window import MainWindow

HELP = screenshots.IMAGES.parent
PICTURE = re.compile(r"!\[([^\]]*)\]\(images/([\w-]+)\.png\)")
MENU_PATH = re.compile(r"\*\*(\w+)\s+→\s+([^*]+)\*\*")
ROW = re.compile(r"^\| (.+?) \| (.+) \|$", re.MULTILINE)


@pytest.fixture
def window(make_window) -> MainWindow:
    return make_window()


def keys_of_the_page() -> set[str]:
    """All keys in the tables of the page, but for those of the help window itself."""
    text = re.sub(r"## In this help\n.*?(?=^## )", "", page_text("keyboard"), flags=re.S | re.M)
    cells = [keys for keys, _ in ROW.findall(text) if keys not in ("key", "---")]
    words = [key for cell in cells for key in cell.split(", ")]
    return {portable(key) for key in words if key not in ("letters", "digits")}


def portable(key: str) -> str:
    sequence = QKeySequence({"Delete": "Del", "PgDn": "PgDown"}.get(key, key))
    assert not sequence.isEmpty(), key
    return sequence.toString(QKeySequence.SequenceFormat.PortableText)


def test_the_page_of_keys_has_every_key_of_the_window_and_no_other(window: MainWindow):
    firsts, others = set(), set()
    for command in window.registry.actions():
        keys = [
            sequence.toString(QKeySequence.SequenceFormat.PortableText)
            for sequence in command.action.shortcuts()
        ]
        firsts.update(keys[:1])
        others.update(keys[1:])
    written = keys_of_the_page()
    assert firsts - written == set(), "not on the page"
    assert written - firsts - others == set(), "on the page alone"


@pytest.mark.parametrize("name", PAGES)
def test_menus_that_a_page_names_are_there(window: MainWindow, name: str):
    menus = {plain_text(a.text()): a.menu() for a in window.menuBar().actions()}
    for title, text in MENU_PATH.findall(page_text(name)):
        wanted = " ".join(text.split())
        assert title in menus, f"{name}: {title} → {wanted}"
        there = [plain_text(action.text()) for action in actions_of(menus[title])]
        assert wanted in there, f"{name}: {title} has no '{wanted}', but {there}"


def actions_of(menu: QMenu) -> list[QAction]:
    return menu.actions()


@pytest.mark.parametrize("name", PAGES)
def test_pictures_of_a_page_are_shown_and_say_what_they_show(qtbot, name: str):
    help_window = HelpWindow()
    qtbot.addWidget(help_window)
    kind = QTextDocument.ResourceType.ImageResource.value
    for says, picture in PICTURE.findall(page_text(name)):
        assert says, f"{name}: {picture} has no words for those who cannot see it"
        image = help_window.browser.loadResource(kind, QUrl(f"images/{picture}.png"))
        assert image.width() > 100, f"{name}: {picture}"


def test_there_are_pictures_of_all_that_is_drawn_and_no_others():
    there = {path.stem for path in screenshots.IMAGES.glob("*")}
    assert there == set(screenshots.PICTURES)
    used = {picture for name in PAGES for _, picture in PICTURE.findall(page_text(name))}
    assert used <= there


def test_pictures_are_small_enough_to_be_shipped():
    sizes = [path.stat().st_size for path in Path(screenshots.IMAGES).glob("*.png")]
    assert max(sizes) <= 1000 * screenshots.LARGEST_KB
    assert sum(sizes) <= 1000 * screenshots.LARGEST_ALL_KB
