"""A list of windows is walked through, whatever order it is shown in."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QAbstractItemModelTester

from tests.ui.dialog_checks import check_controls
from ui.window_list import (
    CONFIDENCE,
    FRAGILITY,
    LABEL,
    NUMBER,
    RECORDING,
    TIME,
    WHY,
    ListedWindow,
    WindowList,
)

ROWS = (
    ListedWindow("night 2", 90.0, "0:01:30", "", "walk", 0.4, 0.5, "unsure: walk or run"),
    ListedWindow("night 1", 30.0, "0:00:30", "rest", "rest", 0.9, 0.0, "typical"),
    ListedWindow("night 1", 600.0, "0:10:00", "", "run", None, None, "unlike the others"),
    ListedWindow("night 1", 0.0, "0:00:00", "", "", 0.6, 1.0, "unsure: rest or run"),
)


@pytest.fixture
def shown(qtbot) -> WindowList:
    widget = WindowList()
    qtbot.addWidget(widget)
    widget.resize(700, 300)
    widget.set_rows(ROWS, "Label these 4 next")
    widget.show()
    qtbot.waitExposed(widget)
    return widget


@pytest.fixture
def heard(shown: WindowList) -> list[int]:
    """Windows that were asked for, in order."""
    asked: list[int] = []
    shown.window_chosen.connect(asked.append)
    return asked


def column(widget: WindowList, number: int) -> list[str]:
    model = widget.model
    return [model.index(line, number).data() for line in range(model.rowCount())]


def test_the_model_keeps_to_qts_rules(shown: WindowList) -> None:
    mode = QAbstractItemModelTester.FailureReportingMode.Fatal
    tester = QAbstractItemModelTester(shown.model, mode)
    shown.model.sort(TIME, Qt.SortOrder.DescendingOrder)
    shown.step(1)
    shown.mark_done(2, "run")
    shown.set_rows(ROWS[:2], "")
    tester.deleteLater()


def test_each_window_says_what_is_known_of_it(shown: WindowList) -> None:
    assert [shown.model.index(0, k).data() for k in range(WHY + 1)] == [
        *("1", "night 2", "0:01:30", "–", "walk", "40 %", "50 %", "unsure: walk or run"),
    ]
    assert column(shown, CONFIDENCE) == ["40 %", "90 %", "–", "60 %"]
    assert shown.title.text() == "Label these 4 next"
    assert shown.progress.text() == "1 of 4 labelled"


def test_a_column_that_the_user_has_made_wider_stays_so(shown: WindowList) -> None:
    narrow = shown.table.columnWidth(LABEL)
    shown.table.setColumnWidth(RECORDING, 300)
    shown.set_rows([ROWS[0], ListedWindow("n", 0.0, "0:00:00", "STANDING_UP")], "")
    assert shown.table.columnWidth(RECORDING) == 300
    assert shown.table.columnWidth(LABEL) > narrow


def test_columns_that_say_nothing_are_hidden(shown: WindowList) -> None:
    assert not shown.table.isColumnHidden(RECORDING)
    shown.set_rows([ListedWindow("night 1", 0.0, "0:00:00"), ListedWindow("night 1", 2.0, "2")], "")
    hidden = [k for k in range(WHY + 1) if shown.table.isColumnHidden(k)]
    assert hidden == [RECORDING, 4, CONFIDENCE, FRAGILITY, WHY]


def test_steps_go_down_the_list_and_stop_at_its_ends(
    shown: WindowList, heard: list[int], qtbot
) -> None:
    assert shown.current is None
    shown.next.click()
    shown.next.click()
    shown.step(1)
    shown.step(1)
    shown.step(1)
    assert heard == [0, 1, 2, 3]
    assert not shown.next.isEnabled()
    shown.previous.click()
    assert heard[-1] == 2
    assert shown.progress.text() == "1 of 4 labelled · line 3"
    shown.step(-9)
    assert heard[-1] == 0
    assert not shown.previous.isEnabled()


def test_steps_follow_the_order_that_is_shown(shown: WindowList, heard: list[int]) -> None:
    shown.table.sortByColumn(TIME, Qt.SortOrder.AscendingOrder)
    assert column(shown, TIME) == ["0:00:00", "0:00:30", "0:01:30", "0:10:00"]
    for _ in range(4):
        shown.step(1)
    assert heard == [3, 1, 0, 2]


@pytest.mark.parametrize("falls", [False, True])
def test_what_is_not_known_comes_last_either_way(shown: WindowList, falls: bool) -> None:
    order = Qt.SortOrder.DescendingOrder if falls else Qt.SortOrder.AscendingOrder
    shown.table.sortByColumn(CONFIDENCE, order)
    known = ["90 %", "60 %", "40 %"] if falls else ["40 %", "60 %", "90 %"]
    assert column(shown, CONFIDENCE) == [*known, "–"]


def test_sorting_leaves_the_current_window_the_current_one(
    shown: WindowList, heard: list[int]
) -> None:
    shown.step(1)
    shown.table.sortByColumn(TIME, Qt.SortOrder.AscendingOrder)
    assert shown.current == 0
    assert shown.table.currentIndex().row() == 2
    assert column(shown, NUMBER) == ["4", "2", "▶ 1", "3"]
    shown.table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
    assert column(shown, NUMBER) == ["▶ 1", "2", "3", "4"]
    assert heard == [0]


def test_a_click_and_enter_go_to_a_window(shown: WindowList, heard: list[int], qtbot) -> None:
    place = shown.table.visualRect(shown.model.index(2, TIME)).center()
    qtbot.mouseClick(shown.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.keyClick(shown.table, Qt.Key.Key_Down)
    assert heard == [2]
    qtbot.keyClick(shown.table, Qt.Key.Key_Return)
    assert heard == [2, 3]


def test_labelled_windows_are_ticked_and_counted(shown: WindowList, heard: list[int]) -> None:
    shown.step(1)
    shown.mark_done(0, "run")
    assert column(shown, LABEL) == ["run", "rest", "–", "–"]
    assert column(shown, NUMBER)[0] == "▶ 1 ✓"
    assert shown.progress.text() == "2 of 4 labelled · line 1"
    assert shown.rows[0].label == "run"
    shown.mark_done(0, "")
    assert (shown.labelled, column(shown, NUMBER)[0]) == (1, "▶ 1")
    with pytest.raises(IndexError):
        shown.mark_done(4, "run")
    assert heard == [0]


def test_next_unlabelled_skips_what_has_a_label_and_goes_round(
    shown: WindowList, heard: list[int]
) -> None:
    for expected in (0, 2, 3, 0):
        assert shown.next_unlabelled()
        assert heard[-1] == expected
    for place in (0, 2, 3):
        shown.mark_done(place, "run")
    assert not shown.next_unlabelled()
    assert not shown.unlabelled.isEnabled()
    assert shown.progress.text().startswith("4 of 4 labelled")


def test_the_traces_say_which_window_is_current(shown: WindowList, heard: list[int]) -> None:
    shown.set_current(2)
    assert column(shown, NUMBER) == ["1", "2", "▶ 3", "4"]
    shown.set_current(None)
    assert column(shown, NUMBER) == ["1", "2", "3", "4"]
    assert heard == []


def test_copying_gives_the_table_as_it_is_sorted(shown: WindowList, qtbot) -> None:
    shown.table.sortByColumn(TIME, Qt.SortOrder.AscendingOrder)
    qtbot.keyClick(shown.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].split("\t")[:4] == ["No.", "Recording", "Time", "Label"]
    assert [line.split("\t")[0] for line in lines[1:]] == ["4", "2", "1", "3"]
    assert lines[4].split("\t")[7] == "unlike the others"


def test_a_text_with_tabs_does_not_break_the_copy(shown: WindowList) -> None:
    shown.set_rows([ListedWindow("a\tb\nc", 0.0, "0", why="x")], "")
    assert shown.as_text().splitlines()[1].split("\t") == ["1", "a b c", "0", *"–––––"[:4], "x"]


def test_an_empty_list_says_what_it_is_for_or_why_it_is_empty(shown: WindowList) -> None:
    shown.set_rows((), "Cell")
    assert shown.message.isVisible()
    assert "best labelled next" in shown.message.text()
    shown.set_rows((), "Cell", empty="No window of REM was taken for N1.")
    assert shown.message.text() == "No window of REM was taken for N1."
    shown.step(1)
    assert not shown.next_unlabelled()
    shown.set_rows(ROWS, "Cell")
    assert not shown.message.isVisible()


def test_twenty_thousand_windows_are_listed_and_sorted_at_once(qtbot) -> None:
    rng = np.random.default_rng(0)
    rows = [
        ListedWindow(f"night {k % 9}", float(k), str(k), "", "walk", float(p), float(p), "why")
        for k, p in enumerate(rng.random(20_000))
    ]
    widget = WindowList()
    qtbot.addWidget(widget)
    widget.show()
    qtbot.waitExposed(widget)
    start = time.perf_counter()
    widget.set_rows(rows, "all")
    widget.table.sortByColumn(CONFIDENCE, Qt.SortOrder.DescendingOrder)
    widget.step(1)
    widget.repaint()
    assert time.perf_counter() - start < 0.5
    best = max(rows, key=lambda row: row.confidence)
    assert rows[widget.current] is best


def test_every_control_has_a_name_and_a_tooltip(shown: WindowList) -> None:
    check_controls(shown)
    assert shown.model.index(0, CONFIDENCE).data(Qt.ItemDataRole.AccessibleTextRole) == (
        "Confidence: 40 %"
    )
    assert "Enter" in shown.model.data(shown.model.index(0, 0), Qt.ItemDataRole.ToolTipRole)
    assert shown.model.data(QModelIndex()) is None
