"""The page says first which sensors can be lost, then what that stands on; and refuses in words to
call people whom the model has seen a test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QTableView,
    QWidget,
)

from core.progress import RunContext
from core.robustness import plan_subsets
from core.subset_figures import (
    EVERYTHING,
    Scope,
    SubsetFigures,
    answer_sentence,
    path_sentence,
    subset_figures,
)
from tests.core.test_subset_figures import make_all
from ui.corruption_panel import CorruptionPanel
from ui.removal_path import RemovalPath
from ui.sensors_page import SensorsPage, _Part
from ui.shapley_bars import ShapleyBars

OWN = (SensorsPage, CorruptionPanel, ShapleyBars, _Part)
PEOPLE = [(f"r{k}", f"s{k // 2}") for k in range(6)]


@pytest.fixture
def figures() -> SubsetFigures:
    return subset_figures(make_all(missing=0.1), RunContext())


@pytest.fixture
def page(qtbot, figures: SubsetFigures) -> SensorsPage:
    made = SensorsPage()
    qtbot.addWidget(made)
    made.set_scopes(PEOPLE)
    made.set_figures(figures)
    made.resize(1200, 800)
    made.show()
    qtbot.waitExposed(made)
    return made


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_the_answer_comes_first_and_in_large_type(page: SensorsPage, figures) -> None:
    assert plain(page.answer.text()) == answer_sentence(figures)
    assert page.answer.font().pointSizeF() > 1.2 * page.font().pointSizeF()
    assert page.answer.y() < page.table.mapTo(page, page.table.rect().topLeft()).y()
    assert plain(page.path_says.text()) == path_sentence(figures)
    assert page.damage_says.text() == page.damage.sentence()
    basis = page.basis.text()
    assert f"Scores stand on {figures.tested} labelled windows of 6 people" in basis
    assert f"In {figures.empty} more windows no sensor was recorded." in basis or not figures.empty


def test_people_that_the_model_has_seen_are_refused_as_a_test_in_words(page: SensorsPage) -> None:
    windows = make_all()
    seen = replace(windows, held_out=np.zeros(len(windows), bool))
    page.set_figures(subset_figures(seen, RunContext()))
    assert "scores on them would be no test" in page.answer.text()
    assert "macro F1" not in page.answer.text()
    assert page.basis.text().startswith("Agreement stands on all 360 windows")
    half = replace(windows, held_out=windows.recording_index < 3)
    page.set_figures(subset_figures(half, RunContext()))
    assert "180 labelled windows of people that it has seen are left out" in page.basis.text()
    one = subset_figures(windows, RunContext(), scope=Scope("subject", "s1"))
    page.set_figures(one)
    assert "of one person" in page.basis.text()


def test_a_subset_is_asked_for_from_table_and_path(qtbot, page: SensorsPage) -> None:
    page.table.setFocus()
    page.table.selectRow(1)
    with qtbot.waitSignal(page.subset_chosen) as asked:
        QTest.keyClick(page.table, Qt.Key.Key_Return)
    assert asked.args == [(0, 1)]
    with qtbot.waitSignal(page.subset_chosen) as asked:
        QTest.keyClick(page.path, Qt.Key.Key_Return)
    assert asked.args == [(0, 1, 2)]


def test_the_table_follows_the_switches_and_asks_for_nothing(qtbot, page: SensorsPage) -> None:
    with qtbot.assertNotEmitted(page.subset_chosen):
        page.set_kept((0, 2))
    assert page.table.chosen == (0, 2)
    page.set_kept(())
    assert page.table.chosen is None


def test_one_recording_or_one_person_can_be_asked_for(qtbot, page: SensorsPage) -> None:
    texts = [page.scope.itemText(k) for k in range(page.scope.count())]
    assert texts[:5] == [
        "all recordings",
        "person s0",
        "person s1",
        "person s2",
        "recording r0 of s0",
    ]
    with qtbot.waitSignal(page.scope_changed) as asked:
        page.scope.setCurrentIndex(2)
    assert asked.args == [Scope("subject", "s1")]
    with qtbot.assertNotEmitted(page.scope_changed):
        page.set_scopes([*PEOPLE, ("r9", "s9")])
    assert page.chosen_scope == Scope("subject", "s1")
    with qtbot.waitSignal(page.scope_changed):
        page.set_scopes([("r9", "s9")])
    assert page.chosen_scope == EVERYTHING


def test_people_with_one_recording_each_are_not_offered_twice(page: SensorsPage) -> None:
    page.set_scopes([("a", "a"), ("b", "b")])
    texts = [page.scope.itemText(k) for k in range(page.scope.count())]
    assert texts == ["all recordings", "recording a", "recording b"]


def test_what_is_missing_is_listed_the_worst_recording_first(page: SensorsPage, figures) -> None:
    rows, columns = page.absent.heads()
    assert columns == figures.modalities
    worst = int(figures.absent.sum(axis=1).argmax())
    assert rows[0] == f"r{worst}"
    assert page.absent.texts()[0][0] == f"{100 * figures.absent[worst, 0]:.0f} %"
    tip = page.absent.model().index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert tip.startswith(f"r{worst}: m0 is missing in ")
    page.set_figures(subset_figures(make_all(), RunContext()))
    assert page.absent_says.text() == "Every sensor was recorded in every window."


def test_without_figures_it_says_why(page: SensorsPage) -> None:
    page.set_figures(None, "This run has no predictions yet.")
    assert page.answer.text() == "This run has no predictions yet."
    assert not page.table.isVisible()
    assert not page.corruption.isVisible()
    page.set_figures(None)
    assert page.answer.text().startswith("Train a model, or choose a run")


def test_it_says_that_figures_are_being_worked_out_until_they_are_there(
    page: SensorsPage, figures
) -> None:
    page.set_busy("Working out the figures of 63 subsets…")
    assert page.busy.text().startswith("Working out")
    page.set_figures(figures)
    assert page.busy.text() == ""


def test_of_many_sensors_it_says_what_is_shown(page: SensorsPage) -> None:
    few = subset_figures(make_all(7, each=20), RunContext())
    page.set_figures(few)
    assert "Of all 127 subsets" in page.table_says.text()
    plan = plan_subsets(12, count=64)
    many = subset_figures(make_all(12, each=20, plan=plan), RunContext())
    page.set_figures(many)
    assert f"Of {len(plan.kept)} subsets that were tried" in page.table_says.text()
    assert page.corruption.modalities == ("m0",)
    page.grab()


def test_one_sensor_alone_shows_no_empty_tables(page: SensorsPage) -> None:
    page.set_figures(subset_figures(make_all(1), RunContext()))
    assert page.answer.text() == "There is one sensor only, m0."
    assert not page.table.isVisible()
    assert page.absent.isVisible()


def test_parts_stand_beside_each_other_only_where_there_is_room(page: SensorsPage) -> None:
    def lefts() -> set[int]:
        return {part.mapTo(page, part.rect().topLeft()).x() for part in page._parts}

    assert len(lefts()) == 2
    page.resize(620, 800)
    QApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)
    assert len(lefts()) == 1


def test_every_control_has_a_name_and_can_be_reached_with_the_keyboard(page: SensorsPage) -> None:
    kinds = (QAbstractButton, QComboBox, QDoubleSpinBox, QTableView, RemovalPath)
    controls = [
        widget
        for widget in page.findChildren(QWidget)
        if isinstance(widget, kinds) and type(widget.parent()) in (QWidget, *OWN)
    ]
    assert len(controls) > 10
    for widget in controls:
        assert widget.accessibleName(), widget
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus, widget.accessibleName()
