"""Typing a few letters finds a command, and Enter runs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QWidget

from ui.actions import ActionRegistry
from ui.command_palette import CommandPalette, rank


class Window(QWidget):
    """A window with commands that note that they were run, and a field with the focus."""

    def __init__(self) -> None:
        super().__init__()
        self.resize(1000, 700)
        self.calls: list[str] = []
        self.field = QLineEdit(self)
        self.registry = ActionRegistry(self)
        for id, text, keys, group in (
            ("new", "&New study…", "Ctrl+N", "File"),
            ("undo", "&Undo", "Ctrl+Z", "Edit"),
            ("redo", "Redo", "Ctrl+Shift+Z", "Edit"),
            ("clear", "Clear label", "Del", "Label"),
            ("fill", "Fill to the next label", "Ctrl+F", "Label"),
            ("next", "Next unlabelled", "Ctrl+Right", "Go"),
            ("down", "Scroll down", "Down", "View"),
            ("up", "Höher", "Ctrl+Up", "View"),
        ):
            self.registry.add(id, text, keys, self._noting(id), group=group, enabled=id != "redo")

    def _noting(self, id: str):
        return lambda: self.calls.append(id)


@pytest.fixture
def window(qtbot) -> Iterator[Window]:
    window = Window()
    qtbot.addWidget(window)
    with qtbot.waitActive(window):
        window.show()
    yield window
    window.close()


@pytest.fixture
def palette(qtbot, window: Window) -> Iterator[CommandPalette]:
    palette = CommandPalette(window.registry, window)
    with qtbot.waitExposed(palette):
        palette.open()
    yield palette
    palette.close()


def chosen(palette: CommandPalette) -> str:
    return palette.list.currentItem().text(0)


@pytest.mark.parametrize(
    ("typed", "better", "worse"),
    [
        ("la", "Label all", "Clear label"),  # beginning before a later word
        ("la", "Clear label", "Unlabelled"),  # a word's beginning before its middle
        ("nu", "Next unlabelled", "Sinus"),  # initials before letters inside
        ("pen", "Open", "Previous event"),  # together before apart
        ("nd", "Next disagreement", "Next unlabelled"),
        ("ab", "axb", "axxxb"),  # close before far
        ("un", "Undo", "Undo all of it"),  # short before long
    ],
)
def test_better_fits_rank_first(typed: str, better: str, worse: str) -> None:
    first, second = rank(typed, better), rank(typed, worse)
    assert first is not None
    assert second is not None
    assert first < second


def test_what_does_not_fit_is_left_out_and_case_and_accents_do_not_count() -> None:
    assert rank("xyz", "Next epoch") is None
    assert rank("label xyz", "Clear label") is None
    assert rank("HOH", "Höher") is not None
    assert rank("label clear", "Clear label") is not None


def test_all_commands_are_listed_with_group_and_key(palette, window) -> None:
    assert palette.shown() == tuple(command.id for command in window.registry.actions())
    first = palette.list.topLevelItem(0)
    assert [first.text(k) for k in range(3)] == ["New study…", "File", "Ctrl+N"]
    assert palette.line.hasFocus()
    for part in (palette, palette.line, palette.list):
        assert part.accessibleName()


def test_typing_and_enter_run_a_command_after_the_palette_has_gone(qtbot, palette, window) -> None:
    seen = []
    window.registry.action("next").triggered.connect(lambda: seen.append(palette.isVisible()))
    qtbot.keyClicks(palette.line, "unl")
    assert palette.shown() == ("next",)
    assert palette.line.accessibleDescription() == "Next unlabelled"
    with qtbot.waitSignal(palette.ran) as ran:
        qtbot.keyClick(palette.line, Qt.Key.Key_Return)
    assert ran.args == ["next"]
    assert window.calls == ["next"]
    assert seen == [False]


def test_the_group_finds_commands_too_behind_those_named_so(qtbot, palette) -> None:
    qtbot.keyClicks(palette.line, "label")
    assert palette.shown() == ("clear", "fill", "next")
    palette.line.setText("edit")
    assert palette.shown() == ("undo", "redo")


def test_arrow_keys_move_over_what_can_be_run_and_reach_no_command_behind(
    qtbot, palette, window
) -> None:
    assert chosen(palette) == "New study…"
    for key, text in (
        (Qt.Key.Key_Down, "Undo"),
        (Qt.Key.Key_Down, "Clear label"),  # Redo is off
        (Qt.Key.Key_Up, "Undo"),
        (Qt.Key.Key_Up, "New study…"),
        (Qt.Key.Key_Up, "Höher"),  # round
        (Qt.Key.Key_PageUp, "New study…"),
        (Qt.Key.Key_PageDown, "Höher"),
    ):
        qtbot.keyClick(palette.line, key)
        assert chosen(palette) == text
    qtbot.keyClick(palette.line, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert window.calls == []


def test_a_command_that_is_off_is_shown_grey_and_not_run(qtbot, palette, window) -> None:
    qtbot.keyClicks(palette.line, "redo")
    assert palette.shown() == ("redo",)
    item = palette.list.topLevelItem(0)
    assert item.isDisabled()
    qtbot.keyClick(palette.line, Qt.Key.Key_Return)
    palette.list.itemClicked.emit(item, 0)
    assert window.calls == []
    assert palette.isVisible()


def test_a_click_runs_too(qtbot, palette, window) -> None:
    item = palette.list.topLevelItem(1)
    where = palette.list.visualItemRect(item).center()
    qtbot.mouseClick(palette.list.viewport(), Qt.MouseButton.LeftButton, pos=where)
    assert window.calls == ["undo"]
    assert not palette.isVisible()


@pytest.mark.parametrize(
    ("key", "modifier"),
    [
        (Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier),
    ],
)
def test_escape_and_its_own_key_close_it(qtbot, palette, window, key, modifier) -> None:
    qtbot.keyClick(palette.line, key, modifier)
    assert not palette.isVisible()
    assert window.calls == []


def test_what_was_run_lately_comes_first_when_nothing_is_typed(qtbot, palette) -> None:
    for typed in ("scroll", "clear"):
        palette.open()
        qtbot.keyClicks(palette.line, typed)
        qtbot.keyClick(palette.line, Qt.Key.Key_Return)
    palette.open()
    assert palette.line.text() == ""
    assert palette.shown()[:3] == ("clear", "down", "new")
    assert palette.recent == ("clear", "down")
    palette.set_recent(["gone", "fill"])
    palette.open()
    assert palette.shown()[:2] == ("fill", "new")


def test_nothing_found_is_said(qtbot, palette) -> None:
    qtbot.keyClicks(palette.line, "qqq")
    assert palette.shown() == ()
    assert palette.none.isVisible()
    qtbot.keyClick(palette.line, Qt.Key.Key_Down)
    qtbot.keyClick(palette.line, Qt.Key.Key_Return)
    assert palette.isVisible()
    palette.line.clear()
    assert not palette.none.isVisible()
