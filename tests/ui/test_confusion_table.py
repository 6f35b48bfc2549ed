"""The confusion matrix shows counts and shares, and each cell leads to its classes."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QPalette

from ui.appearance import contrast, own_palette
from ui.confusion_table import ConfusionTable

CLASSES = ("rest", "walk", "run")
COUNTS = ((8, 2, 0), (1, 29, 0), (0, 0, 0))


@pytest.fixture
def table(qtbot) -> ConfusionTable:
    made = ConfusionTable()
    qtbot.addWidget(made)
    made.set_confusion(CLASSES, COUNTS, {"rest": "#123456"})
    made.resize(made.sizeHint())
    made.show()
    return made


def click(qtbot, table: ConfusionTable, row: int, column: int) -> None:
    place = table.visualItemRect(table.item(row, column)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_counts_stand_with_their_share_of_the_true_class(table: ConfusionTable) -> None:
    assert table.item(0, 0).text() == "8\n80 %"
    assert table.item(1, 0).text() == "1\n3 %"
    assert table.item(0, 2).text() == "·"
    assert table.item(2, 2).text() == "0\n–", "a class without windows has no share"
    assert [table.item(row, 3).text() for row in range(4)] == ["10", "30", "0", "40"]
    assert [table.item(3, column).text() for column in range(3)] == ["9", "31", "0"]


def test_cells_are_told_in_words(table: ConfusionTable) -> None:
    assert table.item(0, 1).toolTip() == "rest taken for walk: 2 windows, 20 % of rest"
    spoken = table.item(1, 1).data(Qt.ItemDataRole.AccessibleTextRole)
    assert spoken == "walk found: 29 windows, 97 % of walk"


def test_a_click_names_the_classes_and_a_sum_stands_for_any(qtbot, table: ConfusionTable) -> None:
    for place, names in (((0, 1), ["rest", "walk"]), ((1, 3), ["walk", ""]),
                         ((3, 2), ["", "run"]), ((3, 3), ["", ""])):  # fmt: skip
        with qtbot.waitSignal(table.cell_chosen) as chosen:
            click(qtbot, table, *place)
        assert chosen.args == names


def test_cells_are_reached_and_chosen_by_keyboard(qtbot, table: ConfusionTable) -> None:
    table.setFocus()
    qtbot.keyClick(table, Qt.Key.Key_Right)
    qtbot.keyClick(table, Qt.Key.Key_Down)
    with qtbot.waitSignal(table.cell_chosen) as chosen:
        qtbot.keyClick(table, Qt.Key.Key_Return)
    assert chosen.args == ["walk", "walk"]


def test_counts_are_copied_as_text_with_tabs(qtbot, table: ConfusionTable) -> None:
    table.setFocus()
    table.copy_action.trigger()
    lines = QGuiApplication.clipboard().text().split("\n")
    assert lines[0] == "true / predicted\trest\twalk\trun\tall"
    assert lines[1] == "rest\t8\t2\t0\t10"
    assert lines[-1] == "all\t9\t31\t0\t40"
    assert table.copy_action.shortcut().toString() == "Ctrl+C"


@pytest.mark.parametrize("dark", [False, True])
def test_counts_read_on_their_shades(table: ConfusionTable, dark: bool) -> None:
    table.setPalette(own_palette(dark=dark))
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        item = table.item(row, column)
        assert contrast(item.foreground().color(), item.background().color()) >= 4.5
    base = table.palette().color(QPalette.ColorRole.Base)
    assert contrast(table.item(1, 1).background().color(), base) > contrast(
        table.item(1, 0).background().color(), base
    ), "a larger share has the stronger shade"


def test_it_is_as_high_as_it_needs_and_empty_without_classes(table: ConfusionTable) -> None:
    assert table.verticalScrollBar().maximum() == 0
    assert table.horizontalScrollBar().maximum() == 0
    table.resize(150, table.height())
    assert table.sizeHint().height() > table.horizontalHeader().height() + 4 * 20
    table.set_confusion((), ())
    assert table.rowCount() == 0


def test_fifty_classes_are_shown(table: ConfusionTable) -> None:
    names = [f"a class with a long name {k}" for k in range(50)]
    table.set_confusion(names, [[1] * 50 for _ in names])
    assert table.item(50, 50).text() == "2500"
    assert table.horizontalHeaderItem(49).toolTip() == names[49]
    assert table.columnWidth(0) < table.verticalHeader().width()
