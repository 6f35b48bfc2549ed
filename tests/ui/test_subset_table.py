"""The subsets as rows: sorted by any figure, chosen with mouse and keys, told in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtTest import QTest

from core.progress import RunContext
from core.subset_figures import SubsetFigures, subset_figures
from tests.core.test_subset_figures import make_all
from ui.subset_table import (
    AGREEMENT,
    CONFIDENCE,
    DROP,
    KEPT,
    LEFT_OUT,
    MACRO_F1,
    SubsetTable,
    interval_text,
    number_text,
    percents,
)

ROLE = Qt.ItemDataRole


@pytest.fixture
def figures() -> SubsetFigures:
    return subset_figures(make_all(missing=0.1), RunContext())


@pytest.fixture
def table(qtbot, figures: SubsetFigures) -> SubsetTable:
    made = SubsetTable()
    qtbot.addWidget(made)
    made.set_figures(figures)
    made.resize(900, 320)
    made.show()
    qtbot.waitExposed(made)
    return made


def rows(table: SubsetTable) -> list[tuple[int, ...]]:
    model = table.model_of_subsets
    return [model.row(number).kept for number in range(model.rowCount())]


def click_head(table: SubsetTable, column: int) -> None:
    header = table.horizontalHeader()
    place = QPoint(header.sectionViewportPosition(column) + 8, header.height() // 2)
    QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_all_modalities_come_first_and_single_ones_last(table: SubsetTable) -> None:
    assert rows(table) == [(0, 1, 2), (0, 1), (0, 2), (1, 2), (0,), (1,), (2,)]


@pytest.mark.parametrize("column", [MACRO_F1, DROP, AGREEMENT, CONFIDENCE, LEFT_OUT, KEPT])
def test_a_click_on_a_heading_sorts_by_its_figure_and_another_one_the_other_way(
    table: SubsetTable, figures: SubsetFigures, column: int
) -> None:
    name = ("", "macro_f1", "drop", "agreement", "confidence", "left_out")[column]
    value = {f.kept: getattr(f, name) if name else len(f.kept) for f in figures.subsets}
    click_head(table, column)
    once = [value[kept] for kept in rows(table)]
    click_head(table, column)
    twice = [value[kept] for kept in rows(table)]
    assert sorted((once, twice)) == sorted((sorted(once), sorted(once, reverse=True)))


def test_the_chosen_subset_stays_chosen_through_sorting_and_new_figures(
    table: SubsetTable, figures: SubsetFigures
) -> None:
    table.set_chosen((2, 0))
    click_head(table, AGREEMENT)
    assert table.chosen == (0, 2)
    table.set_figures(replace(figures))
    assert table.chosen == (0, 2)
    table.set_chosen((1, 5))
    assert table.chosen is None


def test_a_click_asks_for_a_subset_and_being_told_of_one_does_not(
    qtbot, table: SubsetTable
) -> None:
    with qtbot.assertNotEmitted(table.subset_chosen):
        table.set_chosen((0, 1))
    place = table.visualRect(table.model().index(2, DROP)).center()
    with qtbot.waitSignal(table.subset_chosen) as asked:
        QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert asked.args == [(0, 2)]


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Space])
def test_keys_walk_and_ask(qtbot, table: SubsetTable, key: Qt.Key) -> None:
    table.set_chosen((0, 1, 2))
    QTest.keyClick(table, Qt.Key.Key_Down)
    with qtbot.waitSignal(table.subset_chosen) as asked:
        QTest.keyClick(table, key)
    assert asked.args == [(0, 1)]


def test_rows_are_told_in_words(table: SubsetTable, figures: SubsetFigures) -> None:
    model = table.model()
    assert model.index(0, KEPT).data(ROLE.AccessibleTextRole) == "all: m0, m1, m2"
    assert model.index(3, KEPT).data(ROLE.AccessibleTextRole) == "m1, m2"
    tip = model.index(3, DROP).data(ROLE.ToolTipRole)
    assert "the removal that costs most" in tip
    assert f"drop {figures.without(0).drop:.2f} (95 % interval " in tip
    said = model.index(2, AGREEMENT).data(ROLE.AccessibleTextRole)
    assert said.startswith(percents(figures.without(1).agreement) + ", 95 % interval ")


def test_without_scores_only_agreement_is_shown(qtbot, table: SubsetTable) -> None:
    windows = make_all()
    seen = replace(windows, held_out=np.zeros(len(windows), bool))
    table.set_figures(subset_figures(seen, RunContext()))
    hidden = [table.isColumnHidden(column) for column in range(6)]
    assert hidden == [False, True, True, False, False, True]
    tip = table.model().index(1, AGREEMENT).data(ROLE.ToolTipRole)
    assert "macro F1" not in tip


def test_dots_are_filled_where_a_modality_is_kept(table: SubsetTable) -> None:
    header = table.horizontalHeader()
    image = table.viewport().grab().toImage()
    text = table.palette().color(QPalette.ColorRole.Text)
    for row, kept in enumerate(rows(table)):
        place = table.visualRect(table.model().index(row, KEPT))
        for modality in range(3):
            at = QPoint(place.left() + round(header.centre(modality)), place.center().y())
            is_dark = abs(image.pixelColor(at).lightness() - text.lightness()) < 40
            assert is_dark == (modality in kept), (row, modality)


def test_bars_are_as_long_as_their_figures(table: SubsetTable, figures: SubsetFigures) -> None:
    image = table.viewport().grab().toImage()

    def coloured(row: int) -> int:
        place = table.visualRect(table.model().index(row, AGREEMENT))
        y = place.center().y() - 3
        span = range(place.left() + 2, place.right())
        inside = [x for x in span if image.pixelColor(x, y).saturation() > 100]
        return inside[-1] - inside[0]  # the line of the interval lies over it

    lengths = {kept: coloured(row) for row, kept in enumerate(rows(table))}
    whole = lengths[0, 1, 2]
    for figure in figures.subsets:
        assert lengths[figure.kept] == pytest.approx(figure.agreement * whole, abs=4)


def test_names_are_turned_where_they_do_not_fit(qtbot, table: SubsetTable) -> None:
    header = table.horizontalHeader()
    assert header.is_level
    level = header.sizeHint().height()
    many = replace(make_all(6), modalities=tuple(f"sensor number {k}" for k in range(6)))
    table.set_figures(subset_figures(many, RunContext()))
    assert not header.is_level
    assert header.sizeHint().height() > 2 * level
    assert table.model().rowCount() == 63


def test_without_figures_there_are_no_rows(table: SubsetTable) -> None:
    table.set_figures(None)
    assert table.model().rowCount() == 0
    QTest.keyClick(table, Qt.Key.Key_Return)


def test_a_narrow_table_does_without_confidence_before_it_does_without_bars(
    table: SubsetTable,
) -> None:
    assert not table.isColumnHidden(CONFIDENCE)
    table.resize(480, 320)
    assert table.isColumnHidden(CONFIDENCE)


def test_numbers_are_written_for_people() -> None:
    assert number_text(-0.034) == "−0.03"
    assert number_text(-0.001) == "0.00"
    assert number_text(None) == number_text(float("nan")) == "–"
    assert percents(0.999) == "99 %"
    assert percents(0.001) == "1 %"
    assert percents(1.0) == "100 %"
    assert interval_text((-0.01, 0.2)) == "−0.01 to 0.20"
    assert interval_text((0.5, 1.0), as_percent=True) == "50 % to 100 %"
    assert interval_text(None) == ""


def test_colours_follow_the_palette(table: SubsetTable) -> None:
    palette = QPalette(table.palette())
    palette.setColor(QPalette.ColorRole.Text, QColor("#ff00ff"))
    table.setPalette(palette)
    place = table.visualRect(table.model().index(0, KEPT))
    at = QPoint(place.left() + round(table.horizontalHeader().centre(0)), place.center().y())
    assert table.viewport().grab().toImage().pixelColor(at) == QColor("#ff00ff")
