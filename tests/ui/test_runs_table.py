"""The table of runs says what each came to, and offers what can be done with it."""

from __future__ import annotations

import time

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QApplication, QLineEdit, QMenu

from core.run_comparison import RunRow, run_row
from core.study_runs import runs_of
from tests.conftest import RATER
from ui.runs_table import (
    INTERVAL,
    KAPPA,
    MACRO_F1,
    MADE,
    PRESET,
    PRETRAINED,
    RATERS,
    STATE,
    TITLE,
    TOOK,
    WINDOWS,
    WORST,
    RunsTable,
)

DONE = RunRow(
    "001_first",
    "First",
    "train",
    "finished",
    created_at="2026-01-01T10:00:00.000+00:00",
    macro_f1=0.8,
    ci95=(0.7, 0.9),
    balanced_accuracy=0.75,
    cohen_kappa=-0.1,
    worst_removed="emg",
    worst_macro_f1=0.5,
    mean_macro_f1=0.6,
    windows=1200,
    subjects=10,
    preset="fast",
    raters=("AB", "CD"),
    seconds=200.0,
    has_windows=True,
    has_model=True,
    has_report=True,
)
STOPPED = RunRow(
    "002_second",
    "Second",
    "train",
    "stopped",
    created_at="2026-01-02T10:00:00.000+00:00",
    preset="recommended",
    pretrained_from="001_first",
    raters=("AB",),
    can_resume=True,
)
FAILED = RunRow(
    "003_third",
    "Third",
    "train",
    "failed",
    problem="The disk is full.",
    created_at="2026-01-03T10:00:00.000+00:00",
    macro_f1=0.9,
    can_resume=True,
    has_report=True,
)
BROUGHT = RunRow("004_given", "Given", "model", "finished", preset="fast", has_model=True)
RUNNING = RunRow("005_now", "Now", "train", "running", created_at="2026-01-05T10:00:00+00:00")
ROWS = (DONE, STOPPED, FAILED, BROUGHT, RUNNING)


@pytest.fixture
def table(qtbot) -> RunsTable:
    table = RunsTable()
    qtbot.addWidget(table)
    table.resize(1000, 300)
    table.show()
    table.set_rows(ROWS)
    return table


def column(table: RunsTable, number: int) -> list[str]:
    model = table.model
    return [model.index(row, number).data() for row in range(model.rowCount())]


def cell(table: RunsTable, name: str, number: int) -> str:
    names = [row.name for row in table.model.shown_rows]
    return table.model.index(names.index(name), number).data()


def can(table: RunsTable) -> set[str]:
    return {
        action.text()
        for action in table.more.menu().actions()
        if not action.isSeparator() and action.isEnabled()
    }


def action(table: RunsTable, text: str) -> QAction:
    (found,) = (a for a in table.more.menu().actions() if a.text() == text)
    return found


def test_without_runs_it_says_what_to_do(qtbot) -> None:
    table = RunsTable()
    qtbot.addWidget(table)
    table.show()
    assert table.empty.isVisible()
    assert "No runs yet" in table.empty.text()
    assert can(table) == {"Import model…"}


def test_a_row_says_what_a_run_came_to(table: RunsTable) -> None:
    assert column(table, TITLE)[0] == "Now", "the newest first"
    assert cell(table, "001_first", STATE) == "finished"
    assert cell(table, "001_first", MACRO_F1) == "0.800"
    assert cell(table, "001_first", INTERVAL) == "0.700–0.900"
    assert cell(table, "001_first", KAPPA) == "−0.100"
    assert cell(table, "001_first", WORST) == "0.500 without emg"
    assert cell(table, "001_first", WINDOWS) == "1200"
    assert cell(table, "001_first", RATERS) == "AB, CD"
    assert cell(table, "001_first", PRETRAINED) == "here"
    assert cell(table, "001_first", TOOK) == "3 min"
    assert cell(table, "002_second", STATE) == "stopped; can be resumed"
    assert cell(table, "002_second", MACRO_F1) == "–"
    assert cell(table, "002_second", PRETRAINED) == "from First"
    assert cell(table, "004_given", STATE) == "model, brought in"
    assert cell(table, "004_given", MADE) == "–"
    for row in range(5):
        icon = table.model.index(row, STATE).data(Qt.ItemDataRole.DecorationRole)
        assert not icon.isNull()


def test_a_real_run_is_shown(qtbot, table: RunsTable, trained_study) -> None:
    (run,) = runs_of(trained_study)
    row = run_row(run)
    table.set_rows([row])
    assert column(table, TITLE) == ["First run"]
    assert column(table, MACRO_F1) == [f"{row.macro_f1:.3f}"]
    assert column(table, RATERS) == [RATER]
    assert column(table, PRESET) == ["fast"]


def test_columns_sort_by_value_and_what_is_missing_comes_last(table: RunsTable) -> None:
    table.table.sortByColumn(MACRO_F1, Qt.SortOrder.AscendingOrder)
    assert column(table, MACRO_F1) == ["0.800", "0.900", "–", "–", "–"]
    table.table.sortByColumn(MACRO_F1, Qt.SortOrder.DescendingOrder)
    assert column(table, MACRO_F1) == ["0.900", "0.800", "–", "–", "–"]
    table.table.sortByColumn(TITLE, Qt.SortOrder.AscendingOrder)
    assert column(table, TITLE) == ["First", "Given", "Now", "Second", "Third"]
    for number in range(table.model.columnCount()):
        table.table.sortByColumn(number, Qt.SortOrder.AscendingOrder)
        assert len(column(table, number)) == 5


def test_the_chosen_runs_stay_chosen_when_sorted_and_set_anew(table: RunsTable) -> None:
    table.choose(["001_first", "003_third"])
    table.table.sortByColumn(TITLE, Qt.SortOrder.AscendingOrder)
    assert table.chosen == ("001_first", "003_third")
    table.set_rows([*ROWS, RunRow("006_new", "New", "train", "waiting", can_resume=True)])
    assert table.chosen == ("001_first", "003_third")
    table.set_rows(ROWS[1:])
    assert table.chosen == ("003_third",)
    table.set_row(RunRow("003_third", "Third", "train", "finished"))
    assert cell(table, "003_third", STATE) == "finished"
    assert table.chosen == ("003_third",)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), set()),
        (
            ("001_first",),
            {
                "Show results",
                "Report…",
                "Fine-tune from this",
                "Copy as batch command",
                "Rename",
                "Export model…",
                "Delete…",
            },
        ),
        (("002_second",), {"Resume", "Copy as batch command", "Rename", "Delete…"}),
        (("003_third",), {"Resume", "Report…", "Copy as batch command", "Rename", "Delete…"}),
        (
            ("004_given",),
            {"Show results", "Fine-tune from this", "Rename", "Export model…", "Delete…"},
        ),
        (("005_now",), {"Copy as batch command", "Rename"}),
        (("001_first", "002_second"), {"Compare", "Delete…"}),
        (("001_first", "005_now"), {"Compare"}),
    ],
)
def test_only_what_can_be_done_is_offered(
    table: RunsTable, names: tuple[str, ...], expected: set[str]
) -> None:
    table.choose(names)
    assert can(table) == expected | {"Import model…", "Copy lines"}


def test_what_cannot_be_done_says_what_to_do_first(table: RunsTable) -> None:
    table.choose(())
    for button in table.buttons:
        assert button.isEnabled() == (button.text() == "Import model…")
        assert button.toolTip()
    compare = next(button for button in table.buttons if button.text() == "Compare")
    assert "two runs or more" in compare.toolTip()
    table.choose(["001_first", "002_second"])
    assert compare.isEnabled()
    assert "two runs or more" not in compare.toolTip()


def test_each_command_is_asked_for_with_the_runs_it_is_for(qtbot, table: RunsTable) -> None:
    table.choose(["001_first"])
    for text, signal, arguments in (
        ("Show results", table.show_requested, ["001_first"]),
        ("Report…", table.report_requested, ["001_first"]),
        ("Fine-tune from this", table.finetune_from_requested, ["001_first"]),
        ("Copy as batch command", table.copy_command_requested, ["001_first"]),
        ("Export model…", table.export_requested, ["001_first"]),
        ("Import model…", table.import_requested, []),
        ("Delete…", table.delete_requested, [["001_first"]]),
    ):
        with qtbot.waitSignal(signal) as asked:
            action(table, text).trigger()
        assert asked.args == arguments
    table.choose(["002_second"])
    with qtbot.waitSignal(table.resume_requested) as asked:
        action(table, "Resume").trigger()
    assert asked.args == ["002_second"]
    table.choose(["003_third", "001_first"])
    with qtbot.waitSignal(table.compare_requested) as asked:
        action(table, "Compare").trigger()
    assert asked.args == [["003_third", "001_first"]], "from top to bottom"


def test_keys_show_resume_rename_and_delete(qtbot, table: RunsTable) -> None:
    table.choose(["001_first"])
    table.table.setFocus()
    with qtbot.waitSignal(table.show_requested):
        qtbot.keyClick(table.table, Qt.Key.Key_Return)
    with qtbot.waitSignal(table.delete_requested):
        qtbot.keyClick(table.table, Qt.Key.Key_Delete)
    table.choose(["002_second"])
    with qtbot.waitSignal(table.resume_requested):
        qtbot.keyClick(table.table, Qt.Key.Key_Return)
    with qtbot.assertNotEmitted(table.show_requested):
        table.choose(["001_first", "002_second"])
        qtbot.keyClick(table.table, Qt.Key.Key_Return)


def test_a_title_is_typed_over_and_the_row_waits_for_the_answer(qtbot, table: RunsTable) -> None:
    table.choose(["001_first"])
    table.table.setFocus()
    qtbot.keyClick(table.table, Qt.Key.Key_F2)
    (editor,) = table.table.findChildren(QLineEdit)
    assert editor.text() == "First"
    editor.setText("  Better name ")
    with qtbot.waitSignal(table.rename_requested) as asked:
        qtbot.keyClick(editor, Qt.Key.Key_Return)
    assert asked.args == ["001_first", "Better name"]
    assert cell(table, "001_first", TITLE) == "First"
    index = table.model.index(0, TITLE)
    with qtbot.assertNotEmitted(table.rename_requested):
        assert not table.model.setData(index, "  ")
        assert not table.model.setData(index, index.data())


def test_a_double_click_shows_the_results(qtbot, table: RunsTable) -> None:
    table.choose(["001_first"])
    names = [row.name for row in table.model.shown_rows]
    place = table.table.visualRect(table.model.index(names.index("001_first"), TITLE)).center()
    with qtbot.waitSignal(table.show_requested):
        qtbot.mouseClick(table.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        qtbot.mouseDClick(table.table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_a_menu_offers_the_same(qtbot, table: RunsTable) -> None:
    table.choose(["001_first"])
    before = set(table.findChildren(QMenu))
    table.table.customContextMenuRequested.emit(table.table.rect().center())
    (menu,) = set(table.findChildren(QMenu)) - before
    assert menu.actions()[0].text() == "Show results"
    menu.close()


def test_the_problem_of_the_chosen_run_is_said_in_full(table: RunsTable) -> None:
    table.choose(["003_third"])
    assert table.problem.isVisible()
    assert table.problem.text() == "The disk is full."
    table.choose(["001_first"])
    assert not table.problem.isVisible()
    index = table.model.index([r.name for r in table.model.shown_rows].index("003_third"), STATE)
    assert index.data(Qt.ItemDataRole.ToolTipRole) == "The disk is full."


def test_a_run_that_is_no_test_any_more_is_not_called_damaged(table: RunsTable) -> None:
    row = RunRow("006_s", "S", "train", "finished", "Seen: A.", has_report=True, seen=("A",))
    assert table.model.state_text(row) == "finished; no test"
    broken = RunRow("006_s", "S", "train", "finished", "report.json: damaged")
    assert table.model.state_text(broken) == "finished; its report is damaged"


def test_the_run_that_is_looked_at_is_bold(table: RunsTable) -> None:
    table.set_shown("001_first")
    fonts = {
        row.name: table.model.index(place, TITLE).data(Qt.ItemDataRole.FontRole)
        for place, row in enumerate(table.model.shown_rows)
    }
    assert [name for name, font in fonts.items() if font is not None] == ["001_first"]
    assert fonts["001_first"].bold()


def test_chosen_lines_are_copied_and_all_where_none_is_chosen(qtbot, table: RunsTable) -> None:
    table.choose(())
    table.copy_action.trigger()
    assert len(QGuiApplication.clipboard().text().splitlines()) == 6
    table.choose(["001_first"])
    table.table.setFocus()
    qtbot.keyClick(table.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    head, line = QGuiApplication.clipboard().text().splitlines()
    assert dict(zip(head.split("\t"), line.split("\t"), strict=True))["Macro F1"] == "0.800"


def test_a_thousand_runs_are_shown_within_a_blink(qtbot) -> None:
    table = RunsTable()
    qtbot.addWidget(table)
    table.show()
    rows = [
        RunRow(f"{k:03d}_r", f"Run {k}", "train", "finished", macro_f1=k / 1000)
        for k in range(1000)
    ]
    started = time.perf_counter()
    table.set_rows(rows)
    QApplication.processEvents()
    table.table.sortByColumn(MACRO_F1, Qt.SortOrder.DescendingOrder)
    assert time.perf_counter() - started < 1.0  # 0.05 s on a machine that is not busy
    assert column(table, TITLE)[0] == "Run 999"


def test_controls_have_names_and_tooltips(table: RunsTable) -> None:
    for control in (*table.buttons, table.more):
        assert control.accessibleName()
        assert control.toolTip()
    assert table.table.accessibleName()
    for number in range(table.model.columnCount()):
        for role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            assert table.model.headerData(number, Qt.Orientation.Horizontal, role)
