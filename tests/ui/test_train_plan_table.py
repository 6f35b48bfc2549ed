"""A plan is read off the table: who is tested, on how much, and why it may not be started."""

from __future__ import annotations

import time

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QFont

from ui.train_plan_table import LABELLED, RECORDINGS, WINDOWS, PlanRow, PlanView, TrainPlanTable

CLASSES = ("W", "N1", "N2")
FOLDS = ("Fold 1", "Fold 2")
ROWS = (
    PlanRow("01", 2, 1200, {"W": 100, "N1": 20, "N2": 380}, ("test", "train")),
    PlanRow("02", 1, 600, {"W": 10, "N2": 90}, ("train", "test")),
    PlanRow("03", 1, 600, {}, ("pretrain", "pretrain")),
    PlanRow("04", 1, 600, {"W": 600}, ("locked", "locked")),
)
PLAN = PlanView(CLASSES, FOLDS, ROWS)
FIRST_FOLD = 3
FIRST_CLASS = FIRST_FOLD + len(FOLDS)


@pytest.fixture
def table(qtbot) -> TrainPlanTable:
    made = TrainPlanTable()
    qtbot.addWidget(made)
    made.resize(900, 400)
    made.show()
    qtbot.waitExposed(made)
    return made


def text(table: TrainPlanTable, row: int, column: int) -> str:
    return table.model.index(row, column).data()


def test_rows_say_what_each_subject_is_in_each_fold(table: TrainPlanTable) -> None:
    table.set_plan(PLAN)
    roles = [[text(table, row, FIRST_FOLD + fold) for fold in range(2)] for row in range(1, 5)]
    assert roles == [
        ["TEST", "train"],
        ["train", "TEST"],
        ["pretrain only", "pretrain only"],
        ["locked", "locked"],
    ]
    heads = [
        table.model.headerData(row, Qt.Orientation.Vertical, Qt.ItemDataRole.DisplayRole)
        for row in range(5)
    ]
    assert heads == ["All subjects", "01", "02", "03", "04"]


def test_windows_are_counted_by_class_and_over_all_subjects(table: TrainPlanTable) -> None:
    table.set_plan(PLAN)
    assert text(table, 1, WINDOWS) == "1,200"
    assert text(table, 1, LABELLED) == "500"
    assert [text(table, 2, FIRST_CLASS + k) for k in range(3)] == ["10", "–", "90"]
    assert [text(table, 0, column) for column in (RECORDINGS, WINDOWS, LABELLED)] == [
        "5",
        "3,000",
        "1,200",
    ]
    assert [text(table, 0, FIRST_CLASS + k) for k in range(3)] == ["710", "20", "470"]
    assert text(table, 0, FIRST_FOLD) == "1 tested"
    assert "Tested subjects: 2, folds: 2" in table.summary.text()


def test_a_tested_subject_stands_out_by_more_than_colour(table: TrainPlanTable) -> None:
    table.set_plan(PLAN)
    tested, trained = (table.model.index(1, FIRST_FOLD + fold) for fold in range(2))
    font = tested.data(Qt.ItemDataRole.FontRole)
    assert isinstance(font, QFont)
    assert font.bold()
    assert trained.data(Qt.ItemDataRole.FontRole) is None
    assert "never seen it" in tested.data(Qt.ItemDataRole.ToolTipRole)


def test_warnings_and_refusals_stand_above_in_words(table: TrainPlanTable) -> None:
    table.set_plan(PLAN)
    assert not table.refusal.isVisibleTo(table)
    assert not table.notes.isVisibleTo(table)
    notes = ("Class N1 has labels of one subject only.", "03 has no labels.")
    table.set_plan(PlanView(CLASSES, FOLDS, ROWS, notes, "No subject is left to test on."))
    assert table.refusal.text() == "No subject is left to test on."
    assert table.refusal.isVisibleTo(table)
    assert table.sign.isVisibleTo(table)
    assert table.notes.text() == "• Class N1 has labels of one subject only.\n• 03 has no labels."


def test_without_a_plan_it_says_why(table: TrainPlanTable) -> None:
    assert "when it is worked out" in table.summary.text()
    table.set_plan(PLAN)
    table.set_plan(None, "A recording cannot be read.")
    assert table.summary.text() == "A recording cannot be read."
    assert not table.table.isVisibleTo(table)
    table.set_plan(PlanView(refusal="There are no recordings."))
    assert not table.table.isVisibleTo(table)
    assert not table.summary.isVisibleTo(table)


def test_a_plan_that_tests_nobody_says_so(table: TrainPlanTable) -> None:
    table.set_plan(PlanView(("W",), (), (PlanRow("01", 1, 10, {"W": 3}, ()),)))
    assert "Nobody is tested" in table.summary.text()
    assert table.model.columnCount() == 4


def test_cells_are_walked_by_key_and_tab_leaves(qtbot, table: TrainPlanTable) -> None:
    table.set_plan(PLAN)
    view = table.table
    view.setFocus()
    view.setCurrentIndex(table.model.index(0, 0))
    qtbot.keyClick(view, Qt.Key.Key_Down)
    qtbot.keyClick(view, Qt.Key.Key_Right)
    assert (view.currentIndex().row(), view.currentIndex().column()) == (1, 1)
    qtbot.keyClick(view, Qt.Key.Key_Tab)
    assert (view.currentIndex().row(), view.currentIndex().column()) == (1, 1)
    assert view.accessibleName()


def test_two_hundred_subjects_with_ten_classes_and_folds_are_shown_at_once(
    qtbot, table: TrainPlanTable
) -> None:
    classes = tuple(f"class {k}" for k in range(10))
    rows = tuple(
        PlanRow(
            f"subject {k:03d}",
            2,
            1000,
            dict.fromkeys(classes, 7),
            tuple("test" if k % 10 == fold else "train" for fold in range(10)),
        )
        for k in range(200)
    )
    plan = PlanView(classes, tuple(f"Fold {k}" for k in range(10)), rows)
    began = time.perf_counter()
    table.set_plan(plan)
    table.grab()
    assert time.perf_counter() - began < 1.0
    assert table.model.rowCount() == 201
    assert text(table, 0, 3) == "20 tested"
    # Subjects stay in sight while one scrolls to the last class.
    table.table.scrollTo(table.model.index(200, table.model.columnCount() - 1))
    assert table.table.verticalHeader().isVisible()
