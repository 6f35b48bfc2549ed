"""The evaluation page shows figures of a test, and where there is none it says so in words."""

from __future__ import annotations

import copy
import json
import re
import sys
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QFont, QGuiApplication
from PySide6.QtWidgets import QLabel, QPushButton

from core.budget_curve import BudgetCurve
from ui.appearance import own_palette
from ui.evaluation_page import EvaluationPage, SeenAgreement
from ui.figure_table import Column, Dot, FigureTable, Row


@pytest.fixture(scope="module")
def real(finished_run) -> dict[str, Any]:
    return json.loads((finished_run[1] / "report.json").read_text(encoding="utf-8"))


@pytest.fixture
def report(real: dict[str, Any]) -> dict[str, Any]:
    """A report that a test may change."""
    return copy.deepcopy(real)


@pytest.fixture
def page(qtbot) -> EvaluationPage:
    made = EvaluationPage()
    qtbot.addWidget(made)
    made.resize(1000, 700)
    made.show()
    return made


def said(page: EvaluationPage) -> str:
    """All words that are seen."""
    labels = [label for label in page.findChildren(QLabel) if label.isVisible()]
    return "\n".join(label.text() for label in labels)


def opponent(report: dict[str, Any], title: str, **changes: Any) -> dict[str, Any]:
    row = copy.deepcopy(report["evaluation"]["opponents"][0])
    row.update(title=title, **changes)
    report["evaluation"]["opponents"].append(row)
    return row


# ---------------------------------------------------------------- a test


def test_macro_f1_stands_in_front_with_its_interval_and_how_it_came_about(
    page: EvaluationPage, report: dict[str, Any]
) -> None:
    page.set_report(report)
    found = report["evaluation"]
    low, high = found["ci95"]
    assert page.is_test
    assert page.macro_f1.text() == f"{found['macro_f1']:.3f}"
    assert f"{low:.3f}–{high:.3f}" in page.macro_interval.text()
    assert page.macro_f1.font().pointSizeF() > 2 * page.font().pointSizeF()
    assert "5 people in 2 folds: each was held out once" in page.tested_says.text()
    assert "2 to 3 others" in page.tested_says.text()
    assert f"{found['windows']} labelled windows" in page.tested_says.text()
    assert f"accuracy {found['accuracy']:.3f} (" in page.others_say.text(), "with its interval"


def test_locked_people_are_named(page: EvaluationPage, report: dict[str, Any]) -> None:
    found = report["evaluation"]
    found["per_subject"] = {"s1": {**found["per_subject"]["s1"], "fold": "locked"}}
    found["folds"] = [
        {"fold": "locked", "test_subjects": ["s1"], "train_subjects": ["s2", "s3"],
         "pretrain_subjects": ["s2", "s3"]}
    ]  # fmt: skip
    page.set_report(report)
    assert "Tested on 1 person locked away for it (s1)" in page.tested_says.text()
    assert "Learned from: 2 others" in page.tested_says.text()


def test_confusion_classes_people_and_bins_are_those_of_the_report(
    page: EvaluationPage, report: dict[str, Any]
) -> None:
    page.set_report(report)
    found = report["evaluation"]
    assert page.confusion.item(0, 0).text().startswith(str(found["confusion"][0][0]))
    assert [row[0] for row in page.classes.texts()] == found["classes"]
    rows = page.people.texts()
    assert sorted(row[0] for row in rows) == sorted(found["per_subject"])
    figures = [float(row[3]) for row in rows]
    assert figures == sorted(figures), "the weakest first"
    assert all(row[1] == found["per_subject"][row[0]]["fold"] for row in rows)
    known = [entry for entry in found["reliability"] if entry["windows"]]
    assert [row[1] for row in page.bins.texts()] == [str(entry["windows"]) for entry in known]


def test_a_cell_and_a_person_lead_on_by_mouse_and_keyboard(
    qtbot, page: EvaluationPage, report: dict[str, Any]
) -> None:
    page.set_report(report)
    page.confusion.setFocus()
    qtbot.keyClick(page.confusion, Qt.Key.Key_Right)
    with qtbot.waitSignal(page.cell_chosen) as chosen:
        qtbot.keyClick(page.confusion, Qt.Key.Key_Return)
    assert chosen.args == ["rest", "walk"]
    weakest = page.people.texts()[0][0]
    page.people.setCurrentCell(0, 0)
    with qtbot.waitSignal(page.subject_chosen) as person:
        qtbot.keyClick(page.people, Qt.Key.Key_Return)
    assert person.args == [weakest]
    place = page.people.visualItemRect(page.people.item(1, 0)).center()
    with qtbot.waitSignal(page.subject_chosen) as person:
        qtbot.mouseClick(page.people.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert person.args == [page.people.texts()[1][0]]


def test_opponents_stand_beside_and_a_better_one_is_not_passed_over(
    page: EvaluationPage, report: dict[str, Any]
) -> None:
    own = report["evaluation"]["macro_f1"]
    opponent(report, "Forest", macro_f1=own + 0.01, ci95=[own - 0.1, own + 0.1])
    opponent(report, "Forest, adapted", macro_f1=1.0, transductive=True)
    page.set_report(report)
    titles = [row[0] for row in page.methods.texts()]
    assert titles[0] == "This model (CroSSL)"
    assert titles[1:] == ["Majority class", "Forest", "Forest, adapted (transductive)"]
    words = said(page)
    assert "Forest does better than this model here, by 0.010." in words
    assert "The intervals overlap." in words
    assert page.methods.item(3, 0).font().italic()
    assert "without labels" in page.methods.item(3, 0).toolTip()


def test_the_budget_curve_has_every_method_and_one_of_now(
    page: EvaluationPage, report: dict[str, Any]
) -> None:
    page.set_report(report)
    assert [line.title for line in page.budget_plot.lines] == [
        "This model (CroSSL)", "Majority class"
    ]  # fmt: skip
    own = report["evaluation"]["label_efficiency"][0]
    now = (
        {**own, "budget": 0.1, "labels": 12.0, "macro_f1": 0.5, "macro_f1_sd": 0.02},
        {**own, "labels": 120.0, "macro_f1": 0.6, "macro_f1_sd": None},
    )
    page.set_budget_busy(True)
    assert not page.budget_button.isEnabled()
    page.set_live_budget(BudgetCurve(now, 130, 5, ("A note.",), 1.23))
    assert page.budget_button.isEnabled()
    assert "130 labels of 5 people" in page.budget_says.text()
    assert "1.2 s" in page.budget_says.text()
    assert "A note." in page.budget_says.text()
    assert page.budgets.texts()[-1] == [
        "This model, labels as they are now",
        "0.500 ± 0.020",
        "0.600",
    ]
    assert page.budget_plot.lines[-1].style.live
    page.set_report(report)
    assert len(page.budget_plot.lines) == 2, "another run has another curve"


def test_a_curve_of_counts_has_columns_of_counts(
    page: EvaluationPage, report: dict[str, Any]
) -> None:
    page.set_report(report)
    own = report["evaluation"]["label_efficiency"][0]
    now = tuple({**own, "budget": float(n), "labels": float(n)} for n in (10, 20))
    page.set_live_budget(BudgetCurve(now, 130, 5, (), 1.0))
    heads = [page.budgets.horizontalHeaderItem(k).text() for k in range(4)]
    assert heads[2:] == ["10 labels", "20 labels"]


def test_the_curve_of_now_is_asked_for_by_a_button(
    qtbot, page: EvaluationPage, report: dict[str, Any]
) -> None:
    page.set_report(report)
    with qtbot.waitSignal(page.budget_requested):
        page.budget_button.click()
    page.set_budget_busy(False, "This run has not kept its folds' embeddings.")
    assert page.budget_button.isEnabled()
    assert "not kept" in said(page)


def test_notes_say_what_the_figures_depend_on(page: EvaluationPage, report: dict[str, Any]) -> None:
    report["evaluation"]["notes"] = ["Fold 0: no training subject has walk."]
    report["evaluation"]["left_out"] = 3
    report["simulated"] = True
    page.set_report(report)
    assert "Fold 0: no training subject has walk." in page.notes.text()
    assert "3 labelled windows had no prediction" in page.notes.text()
    assert "So few" not in page.notes.text()
    assert "With so few people (5)" in page.notes.text()
    assert "not for diagnosis" in page.notes.text()
    assert "Simulated data" in page.warning.text()


# ---------------------------------------------------------------- no test


def no_figures(page: EvaluationPage) -> None:
    """Not one figure of accuracy is seen."""
    assert not page.is_test
    assert page.no_test_title.isVisible()
    assert not page.macro_f1.isVisible()
    assert not page.confusion.isVisible()
    assert not page.people.isVisible()
    assert not re.search(r"\b[01]\.\d", said(page))


def test_a_run_without_evaluation_is_no_test_whatever_else_it_holds(
    page: EvaluationPage, report: dict[str, Any]
) -> None:
    page.set_report(report)
    report["evaluation"] = None
    report["config"]["steps"] = ["pretrain", "finetune", "predict", "robustness"]
    page.set_report(report)
    no_figures(page)
    assert "nobody was held out" in page.why.text()
    assert "seen everybody (5)" in page.why.text()
    assert "'evaluate'" in page.what_to_do.text()
    assert not page.not_a_test.isVisible()


def test_agreement_with_people_who_were_seen_is_marked_as_no_test(
    page: EvaluationPage, report: dict[str, Any]
) -> None:
    report["evaluation"] = None
    page.set_report(report)
    page.set_seen_agreement(SeenAgreement(97, 100, 1))
    assert page.not_a_test.isVisible()
    assert page.not_a_test.text().startswith("Not a test: on 100 labelled windows of 1 person")
    assert "97 %" in page.not_a_test.text()
    assert "accuracy" not in said(page).lower()
    page.set_seen_agreement(None)
    assert not page.not_a_test.isVisible()


def test_people_whom_the_model_has_seen_are_refused_as_a_test(
    page: EvaluationPage, report: dict[str, Any]
) -> None:
    report["evaluation"]["folds"][0]["pretrain_subjects"].append("s1")
    page.set_report(report)
    no_figures(page)
    assert "has seen people on whom it was scored: s1" in page.why.text()
    everybody = [f"s{k}" for k in range(1, 6)]
    for fold in report["evaluation"]["folds"]:
        fold["train_subjects"] = everybody
    page.set_report(report)
    no_figures(page)
    assert "s1, s2, s3, s4, s5" in page.why.text()
    page.set_seen_agreement(SeenAgreement(9, 10, 5))
    assert "Not a test" in said(page)


@pytest.mark.parametrize(
    ("changes", "why", "what"),
    [
        ({"config": None}, "saved model", "evaluate"),
        ({"error": "disk full"}, "not come to its evaluation. disk full", "Resume"),
        ({"error": "interrupted"}, "not come to its evaluation.", "Resume"),
    ],
)
def test_other_reasons_are_told_with_what_to_do(
    page: EvaluationPage, report: dict[str, Any], changes: dict, why: str, what: str
) -> None:
    page.set_report({**report, "evaluation": None, **changes})
    no_figures(page)
    assert why in page.why.text()
    assert what in page.what_to_do.text()


def test_without_a_run_the_page_says_what_is_the_matter(page: EvaluationPage) -> None:
    page.set_report(None)
    no_figures(page)
    assert "No run is chosen" in page.why.text()
    page.set_report(None, "report.json: cannot be read.")
    assert page.why.text() == "report.json: cannot be read."
    assert "Train page" in page.what_to_do.text()


def test_a_test_after_no_test_is_shown_again(page: EvaluationPage, report: dict[str, Any]) -> None:
    page.set_report(None)
    page.set_report(report)
    assert page.macro_f1.isVisible()
    assert not page.no_test_title.isVisible()


# ---------------------------------------------------------------- looks


@pytest.mark.parametrize("size", [(1000, 700), (1800, 1000)])
def test_nothing_is_cut_at_usual_sizes(
    qtbot, page: EvaluationPage, report: dict[str, Any], size: tuple[int, int]
) -> None:
    page.set_report(report)
    page.resize(*size)
    bars = [page.scroll.horizontalScrollBar(), page.methods.horizontalScrollBar()]
    bars += [t.verticalScrollBar() for t in (page.people, page.classes, page.confusion)]
    qtbot.waitUntil(lambda: all(bar.maximum() == 0 for bar in bars), timeout=2000)
    wide = size[0] == 1800
    qtbot.waitUntil(lambda: (page.classes.mapTo(page, QPoint()).x() > 400) == wide)


def test_text_of_twice_the_size_fits_across(
    qtbot, page: EvaluationPage, report: dict[str, Any]
) -> None:
    page.set_report(report)
    font = QFont(page.font())
    font.setPointSizeF(2 * font.pointSizeF())
    page.setFont(font)
    bar = page.scroll.horizontalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() == 0, timeout=2000)
    rows = page.people.rowCount()
    qtbot.waitUntil(lambda: page.people.height() > rows * page.people.fontMetrics().lineSpacing())
    assert page.people.verticalScrollBar().maximum() == 0


def test_it_follows_light_and_dark_and_the_colours_of_classes(
    page: EvaluationPage, report: dict[str, Any]
) -> None:
    page.set_report(report)
    page.set_colours({"rest": "#ff0000"})
    chip = page.classes.item(0, 0).icon().pixmap(14, 14).toImage()
    assert chip.pixelColor(chip.width() // 2, chip.height() // 2).name() == "#ff0000"
    page.setPalette(own_palette(dark=True))
    dark = own_palette(dark=True).base().color()
    assert page.budget_plot.backgroundBrush().color() == dark
    assert page.is_test


def test_every_control_has_a_name_and_is_reached_by_tab(
    qtbot, page: EvaluationPage, report: dict[str, Any]
) -> None:
    page.set_report(report)
    tables = (page.confusion, page.classes, page.methods, page.budgets, page.people, page.bins)
    for table in tables:
        assert table.accessibleName()
        assert table.focusPolicy() & Qt.FocusPolicy.TabFocus
        assert not table.tabKeyNavigation(), "Tab leaves a table"
    for button in page.findChildren(QPushButton):
        assert button.toolTip()
        assert button.accessibleName()
    assert page.budget_plot.accessibleDescription()


def test_a_section_can_be_added_before_the_notes(
    page: EvaluationPage, report: dict[str, Any]
) -> None:
    more = QLabel("a night")
    page.add_section("Sleep", more)
    page.set_report(report)
    assert more.isVisible()
    assert more.mapTo(page, more.pos()).y() < page.notes.mapTo(page, page.notes.pos()).y()


def test_the_page_is_made_without_torch() -> None:
    import subprocess

    code = "import sys, ui.evaluation_page, ui.sleep_table; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---------------------------------------------------------------- tables


def test_tables_are_copied_as_text_with_tabs(page: EvaluationPage, report: dict[str, Any]) -> None:
    page.set_report(report)
    page.methods.copy_action.trigger()
    lines = QGuiApplication.clipboard().text().split("\n")
    assert lines[0] == "Method\tMacro F1\t95 %\tBalanced\tAccuracy\tKappa\tECE\tSD"
    assert lines[1].startswith("This model (CroSSL)\t")
    assert len(lines) == 3
    assert page.methods.copy_action.shortcut().toString() == "Ctrl+C"


def test_a_long_table_scrolls_and_a_short_one_does_not(qtbot) -> None:
    table = FigureTable("Figures", (Column("Name", kind="text"), Column("0 to 1", kind="dot")))
    qtbot.addWidget(table)
    table.fill([Row(("a", Dot(0.5, 0.4, 0.6))), Row(("b", Dot(None)))])
    table.resize(300, table.sizeHint().height())
    table.show()
    assert table.verticalScrollBar().maximum() == 0
    assert table.texts() == [["a", "0.500"], ["b", "–"]]
    table.grab()
    short = table.sizeHint().height()
    table.fill([Row((str(k), Dot(k / 500))) for k in range(500)])
    assert table.sizeHint().height() < 40 * short
    assert table.rowCount() == 500
    assert table.as_lines()[1] == "0", "dots have their figures beside them"
