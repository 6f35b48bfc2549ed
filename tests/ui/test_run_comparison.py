"""Runs stand side by side in a window that says whether that is fair."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from shiboken6 import isValid

from core.run_comparison import (
    MISSING,
    FigureRow,
    RunComparison,
    RunRow,
    SettingDifference,
    compare_runs,
)
from core.study_runs import runs_of
from tests.ui.dialog_checks import check_controls
from ui.run_comparison import RunComparisonWindow, difference_text, figure_text


def row(name: str, title: str, macro_f1: float | None = 0.8, **more: Any) -> RunRow:
    ci95 = None if macro_f1 is None else (macro_f1 - 0.1, macro_f1 + 0.1)
    return RunRow(name, title, "train", "finished", macro_f1=macro_f1, ci95=ci95, **more)


FIGURES = (
    FigureRow("evaluation", "macro F1", (0.8, 0.7), ((0.7, 0.9), (0.6, 0.8)), "higher"),
    FigureRow("evaluation", "windows that were scored", (120, 118), (None, None)),
    FigureRow("classes", "walk: F1", (0.5, None), (None, None), "higher"),
    FigureRow("budgets", "5 % of the labels: number of labels", (89.2, 90.0), (None, None)),
    FigureRow("seconds", "all together", (12.34, 200.0), (None, None), "lower"),
)
TWO = RunComparison(
    rows=(row("001_a", "First"), row("002_b", "Second", 0.7)),
    settings=(
        SettingDifference("pretrain.epochs", ("3", "8")),
        SettingDifference("modalities.temp", (MISSING, "{}")),
    ),
    figures=FIGURES,
    same_data=True,
    same_folds=True,
    unfair=(),
    notes=("'First' has the higher macro F1 for 7 of 10 people, 'Second' for 3.",),
)


@pytest.fixture
def open_window(qtbot) -> Iterator[Callable[[RunComparison], RunComparisonWindow]]:
    made: list[RunComparisonWindow] = []

    def make(comparison: RunComparison) -> RunComparisonWindow:
        window = RunComparisonWindow(comparison)
        made.append(window)
        with qtbot.waitActive(window):
            window.show()
        return window

    yield make
    for window in made:
        if isValid(window):
            window.close()


def test_macro_f1_stands_with_its_interval_and_the_best_is_bold(open_window) -> None:
    window = open_window(TWO)
    assert [cells[:3] for cells in window.chart.texts()] == [
        ["First", "0.800", "0.700–0.900"],
        ["Second", "0.700", "0.600–0.800"],
    ]
    assert [window.chart.item(k, 0).font().bold() for k in range(2)] == [True, False]


def test_all_figures_stand_side_by_side_with_their_difference(open_window) -> None:
    window = open_window(TWO)
    assert window.figures.texts() == [
        ["accuracy · macro F1", "0.800 (0.700–0.900)", "0.700 (0.600–0.800)", "−0.100"],
        ["accuracy · windows that were scored", "120", "118", ""],
        ["by class · walk: F1", "0.500", "–", ""],
        ["with fewer labels · 5 % of the labels: number of labels", "89.2", "90.0", ""],
        ["seconds · all together", "12.3 s", "200.0 s", ""],
    ]
    assert window.figures.item(0, 1).font().bold()
    assert not window.figures.item(0, 2).font().bold()
    assert "best" in window.figures.item(0, 1).toolTip()
    assert window.figures.horizontalHeaderItem(3).toolTip() == "Second less First"


def test_one_group_of_figures_can_be_shown(open_window) -> None:
    window = open_window(TWO)
    names = [window.group.itemText(k) for k in range(window.group.count())]
    assert names == ["all figures", "accuracy", "by class", "with fewer labels", "seconds"]
    window.group.setCurrentIndex(2)
    assert window.figures.texts() == [["walk: F1", "0.500", "–", ""]]


def test_settings_that_differ_are_listed(open_window) -> None:
    window = open_window(TWO)
    assert window.settings.texts() == [
        ["pretrain.epochs", "3", "8"],
        ["modalities.temp", "–", "{}"],
    ]
    assert window.tabs.tabText(1).endswith("(2)")


def test_a_fair_comparison_says_so(open_window) -> None:
    window = open_window(TWO)
    assert not window.notice.warns
    assert window.notice.text().startswith("A fair comparison")
    assert "7 of 10 people" in window.notes.text()


def test_an_unfair_comparison_says_why(open_window) -> None:
    unfair = RunComparison(
        rows=(row("001_a", "First"), row("002_b", "Second", None, problem="No labels.")),
        settings=(),
        figures=(),
        same_data=False,
        same_folds=None,
        unfair=("'Second' has no figures: No labels.", "The windows are not the same."),
        notes=(),
    )
    window = open_window(unfair)
    assert window.notice.warns
    assert window.notice.text().splitlines() == ["This is not a fair comparison.", *unfair.unfair]
    assert window.chart.texts()[1][:3] == ["Second", "–", "–"]
    assert window.figures.rowCount() == 0
    window.tabs.setCurrentIndex(1)
    assert window.same.isVisible()
    assert not window.settings.isVisible()


def test_runs_of_the_same_title_are_told_apart_and_many_have_no_difference(open_window) -> None:
    three = RunComparison(
        rows=(row("001_a", "Run"), row("002_b", "Run"), row("003_c", "Run")),
        settings=(),
        figures=(
            FigureRow("evaluation", "macro F1", (0.8, 0.8, 0.8), (None, None, None), "higher"),
        ),
        same_data=True,
        same_folds=True,
        unfair=(),
        notes=(),
    )
    window = open_window(three)
    heads = [window.figures.horizontalHeaderItem(k).text() for k in range(4)]
    assert heads == ["Figure", "Run", "Run (2)", "Run (3)"]
    assert window.figures.columnCount() == 4
    assert not window.figures.item(0, 1).font().bold(), "none is better than the others"


def test_all_is_copied_with_every_digit_for_a_spreadsheet(qtbot, open_window) -> None:
    window = open_window(TWO)
    window.copy_button.click()
    lines = [line.split("\t") for line in QGuiApplication.clipboard().text().splitlines()]
    assert lines[0] == ["group", "figure", "First", "Second"]
    assert ["evaluation", "macro F1", "0.8", "0.7"] in lines
    assert ["evaluation", "macro F1: 95 % low", "0.7", "0.6"] in lines
    assert ["classes", "walk: F1", "0.5", ""] in lines
    assert ["setting", "pretrain.epochs", "3", "8"] in lines
    assert lines[-1][0] == "note"
    window.figures.setFocus()
    qtbot.keyClick(window.figures, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text().splitlines()[0] == "Figure\tFirst\tSecond\tDifference"
    window.tabs.setCurrentIndex(1)
    window.settings.setFocus()
    qtbot.keyClick(window.settings, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text().splitlines()[1] == "pretrain.epochs\t3\t8"


def test_real_runs_are_compared(open_window, study_copy: Path) -> None:
    (first,) = runs_of(study_copy)
    folder = Path(shutil.copytree(first.folder, first.folder.with_name("002_other")))
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    report["evaluation"]["macro_f1"] /= 2
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    window = open_window(compare_runs(runs_of(study_copy)))
    assert window.figures.rowCount() > 30
    assert {window.group.itemData(k) for k in range(window.group.count())} >= {
        "evaluation", "classes", "subjects", "budgets", "opponents", "subsets", "pretraining",
        "seconds",
    }  # fmt: skip
    assert not window.settings.isVisible()


@pytest.mark.parametrize(
    ("values", "text"),
    [((0.5, 0.5001), "0"), ((0.5, 0.61), "+0.110"), ((0.5, 0.4), "−0.100"), ((None, 0.4), "")],
)
def test_differences_in_words(values: tuple[float | None, float], text: str) -> None:
    figure = FigureRow("classes", "walk: F1", values, (None, None), "higher")
    assert difference_text(figure) == text


def test_negative_figures_have_a_minus_sign() -> None:
    kappa = FigureRow("evaluation", "Cohen's kappa", (-0.1, 0.2), (None, None), "higher")
    assert figure_text(kappa, 0) == "−0.100"


def test_controls_have_names_and_keys_and_fit(open_window) -> None:
    check_controls(open_window(TWO))
