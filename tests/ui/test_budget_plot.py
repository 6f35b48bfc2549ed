"""The label-budget curve has a line for each method, told apart without colour."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pyqtgraph as pg
import pytest
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from ui.appearance import VISIBLE, contrast, own_palette
from ui.budget_plot import BudgetLine, BudgetPlot
from ui.figure_plot import LineStyle


def rows(*points: tuple[float, float, float | None, float | None]) -> tuple[dict, ...]:
    return tuple(
        {"budget": budget, "labels": labels, "macro_f1": f1, "macro_f1_sd": sd, "seeds": 3}
        for budget, labels, f1, sd in points
    )


OURS = rows((0.01, 18.0, 0.70, 0.05), (0.05, 89.2, 0.77, 0.004), (1.0, 1776.8, 0.81, None))
FOREST = rows((0.01, 18.0, 0.72, 0.03), (0.05, 89.2, None, None), (1.0, 1776.8, 0.9, None))


@pytest.fixture
def plot(qtbot) -> Iterator[BudgetPlot]:
    page = QWidget()
    qtbot.addWidget(page)
    made = BudgetPlot(page)
    made.resize(700, made.height())
    page.show()
    made.set_lines(
        [
            BudgetLine("This model", LineStyle(0, strong=True), OURS),
            BudgetLine("Forest", LineStyle(1, dashed=True), FOREST),
        ]
    )
    yield made  # while it is looked at, its page stays alive
    page.close()


def scatters(plot: BudgetPlot) -> list[pg.ScatterPlotItem]:
    return [i for i in plot.getPlotItem().items if isinstance(i, pg.ScatterPlotItem)]


def marks(plot: BudgetPlot) -> list[str]:
    return [text for _, text in plot.getAxis("bottom")._tickLevels[0]]


def test_points_lie_at_the_number_of_labels_and_undefined_figures_are_left_out(
    plot: BudgetPlot,
) -> None:
    forest, ours = scatters(plot)
    np.testing.assert_allclose(ours.getData()[0], np.log10([18.0, 89.2, 1776.8]))
    np.testing.assert_allclose(ours.getData()[1], [0.70, 0.77, 0.81])
    assert len(forest.getData()[0]) == 2


def test_marks_below_give_labels_and_share_of_this_model(plot: BudgetPlot) -> None:
    assert marks(plot) == ["18\n1 %", "89\n5 %", "1777\n100 %"]
    close = rows((0.5, 18.0, 0.7, None), (0.6, 20.0, 0.7, None), (1.0, 1776.8, 0.8, None))
    plot.set_lines([BudgetLine("One", LineStyle(0), close)])
    assert marks(plot) == ["18\n50 %", "1777\n100 %"], "no more than stand apart"


def test_points_are_told_in_words(plot: BudgetPlot) -> None:
    line = plot.lines[0]
    assert plot.describe(line, OURS[0]) == "This model: 0.700 ± 0.050 with 18 labels"
    assert plot.describe(line, OURS[2]) == "This model: 0.810 with 1777 labels"
    assert "Forest: 0.720 with 18 labels, 0.900 with 1777 labels" in plot.accessibleDescription()


def test_all_points_and_deviations_are_seen(plot: BudgetPlot) -> None:
    (x0, x1), (y0, y1) = plot.viewRange()
    assert x0 < math.log10(18)
    assert x1 > math.log10(1776.8)
    assert y0 < 0.65
    assert y1 > 0.9


def test_lines_differ_in_more_than_colour(plot: BudgetPlot) -> None:
    assert len({LineStyle(k).symbol for k in range(10)}) == 10
    assert LineStyle(0, live=True).symbol not in {LineStyle(k).symbol for k in range(10)}
    white = QColor("white")
    assert LineStyle(0, dashed=True).pen(white).style() != LineStyle(0).pen(white).style()
    for dark in (False, True):
        ground = own_palette(dark=dark).base().color()
        for number in range(10):
            assert contrast(LineStyle(number).colour(ground), ground) >= VISIBLE
        assert not LineStyle(3).icon(ground).isNull()


def test_nothing_and_a_single_point_are_drawn(plot: BudgetPlot) -> None:
    plot.set_lines([])
    assert not scatters(plot)
    plot.set_lines([BudgetLine("One", LineStyle(0), rows((1.0, 40.0, 1.0, None)))])
    assert len(scatters(plot)) == 1
    assert marks(plot) == ["40\n100 %"]


def test_it_draws_again_in_other_colours(plot: BudgetPlot) -> None:
    plot.setPalette(own_palette(dark=True))
    assert plot.backgroundBrush().color() == own_palette(dark=True).base().color()
    assert len(scatters(plot)) == 2
