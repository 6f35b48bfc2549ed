"""The calibration curve shows bins that hold windows, and says each of them in words."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QFont, QWheelEvent

from core.evaluate import calibration_error, reliability
from ui.appearance import own_palette
from ui.calibration_plot import CalibrationPlot


@pytest.fixture
def plot(qtbot) -> CalibrationPlot:
    made = CalibrationPlot()
    qtbot.addWidget(made)
    made.resize(500, made.height())
    return made


def shown(plot: CalibrationPlot) -> pg.ScatterPlotItem | None:
    items = plot.curve.getPlotItem().items
    return next((item for item in items if isinstance(item, pg.ScatterPlotItem)), None)


def bars(plot: CalibrationPlot) -> pg.BarGraphItem | None:
    items = plot.counts.getPlotItem().items
    return next((item for item in items if isinstance(item, pg.BarGraphItem)), None)


def filled(plot: CalibrationPlot) -> list:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1.0, 2000)
    bins = reliability(confidence, rng.random(2000) < confidence)
    plot.set_bins([vars(entry) for entry in bins], calibration_error(bins))
    return [entry for entry in bins if entry.windows]


def test_points_are_the_bins_that_hold_windows(plot: CalibrationPlot) -> None:
    known = filled(plot)
    xs, ys = shown(plot).getData()
    np.testing.assert_allclose(xs, [entry.confidence for entry in known])
    np.testing.assert_allclose(ys, [entry.accuracy for entry in known])
    assert list(bars(plot).opts["height"]) == [entry.windows for entry in known]
    assert len(known) < 15


def test_a_point_is_said_in_words(plot: CalibrationPlot) -> None:
    entry = {"windows": 12, "confidence": 0.7, "accuracy": 0.5}
    assert (
        plot.describe(entry) == "12 windows at a confidence of 70 % on average: 50 % of them right"
    )
    filled(plot)
    assert shown(plot).data["data"][0].endswith("right")
    assert "Expected calibration error" in plot.curve.accessibleDescription()


def test_without_windows_it_is_empty_and_says_so(plot: CalibrationPlot) -> None:
    filled(plot)
    plot.set_bins([], None)
    assert shown(plot) is None
    assert bars(plot) is None
    assert plot.curve.accessibleDescription() == "No windows"


def test_it_follows_the_palette_and_the_size_of_text(qtbot, plot: CalibrationPlot) -> None:
    plot.show()
    filled(plot)
    palette = own_palette(dark=True)
    plot.setPalette(palette)
    assert plot.curve.backgroundBrush().color() == palette.base().color()
    before = plot.height()
    font = QFont(plot.font())
    font.setPointSizeF(2 * font.pointSizeF())
    plot.setFont(font)
    assert plot.height() > 1.5 * before


def test_the_wheel_is_left_to_the_page(plot: CalibrationPlot) -> None:
    filled(plot)
    before = plot.curve.viewRange()
    event = QWheelEvent(
        QPointF(50, 50), QPointF(50, 50), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    plot.curve.wheelEvent(event)
    assert not event.isAccepted()
    assert plot.curve.viewRange() == before
