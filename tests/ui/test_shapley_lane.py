"""The band shows what each modality adds to each prediction, and what takes away from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF
from PySide6.QtGui import QColor, QPalette

from tests.ui.window_example import (
    COUNT,
    END_S,
    LENGTH_S,
    NO_EOG,
    NOTHING,
    make_example_view,
    make_windows,
)
from ui.shapley_lane import BAND_WEIGHT, ShapleyLane
from ui.time_plot import TimePlot, class_colour

SHARES = np.array([0.4, 0.3, -0.2])


def windows_with_shares(count: int = COUNT):
    """Each window the same, but for what is missing."""
    windows = make_windows(count=count)
    shares = np.where(windows.present, SHARES, np.nan).astype(np.float32)
    return replace(windows, shapley=shares)


@pytest.fixture
def lane(qtbot) -> ShapleyLane:
    made = ShapleyLane()
    qtbot.addWidget(made)
    made.resize(1200, 300)
    made.set_duration(END_S)
    made.set_windows(windows_with_shares())
    made.plot.setXRange(0, END_S, padding=0)
    made.show()
    qtbot.waitExposed(made)
    return made


def place(lane: ShapleyLane, window: float, y: float) -> QPoint:
    box = lane.plot.getViewBox()
    at = lane.plot.mapFromScene(box.mapViewToScene(QPointF((window + 0.5) * LENGTH_S, y)))
    return QPoint(at.x(), at.y())


def height_of(lane: ShapleyLane, value: float) -> float:
    """Place of a share in the plot."""
    low, high = lane._shares.limits
    return -BAND_WEIGHT * (high - value) / (high - low)


def colour_at(lane: ShapleyLane, window: int, value: float) -> QColor:
    return lane.plot.grab().toImage().pixelColor(place(lane, window, height_of(lane, value)))


def colours_around(lane: ShapleyLane, window: int, y: float) -> set[str]:
    image = lane.plot.grab().toImage()
    at = place(lane, window, y)
    return {image.pixelColor(at.x() + dx, at.y()).name() for dx in range(-10, 11)}


def test_what_adds_is_stacked_above_zero_and_what_takes_away_below(lane: ShapleyLane):
    eeg, eog, emg = (class_colour(k) for k in range(3))
    assert colour_at(lane, 1, 0.2) == eeg
    assert colour_at(lane, 1, 0.55) == eog
    assert colour_at(lane, 1, -0.1) == emg
    assert colour_at(lane, 1, 0.65) == eog
    assert lane._shares.limits == pytest.approx((-0.2, 0.7), abs=0.11)
    marks = lane.axis.rows[0].marks
    assert [text for _, text in marks][1] == "0"


def test_what_is_missing_adds_nothing_and_is_hatched(lane: ShapleyLane):
    ground = colour_at(lane, NO_EOG[0], 0.55)
    assert ground != class_colour(1)
    assert colour_at(lane, NO_EOG[0], 0.2) == class_colour(0)
    assert len(colours_around(lane, NOTHING, height_of(lane, 0.2))) > 1
    assert [row.title for row in lane.axis.rows] == ["Shapley", "no eeg, emg", "no eog"]
    y = -(BAND_WEIGHT + 1.5 * lane.axis.rows[1].weight)
    hatched = [k for k in range(COUNT) if len(colours_around(lane, k, y)) > 1]
    assert hatched == [*NO_EOG, NOTHING]


def test_the_legend_has_the_means_over_windows_that_have_the_modality(lane: ShapleyLane):
    assert lane.means == pytest.approx({"eeg": 0.4, "eog": 0.3, "emg": -0.2})
    text = lane._legend.text()
    for said in ("eeg&nbsp;+0.40", "eog&nbsp;+0.30", "emg&nbsp;−0.20"):
        assert said in text
    assert class_colour(1).name() in text


def test_switched_off_modalities_are_pale_and_named(lane: ShapleyLane):
    lane.set_kept((0, 2))
    assert "eog&nbsp;+0.30&nbsp;(off)" in lane._legend.text()
    pale = colour_at(lane, 1, 0.55)
    assert pale != class_colour(1)
    assert pale.hslHue() == pytest.approx(class_colour(1).hslHue(), abs=12)
    assert colour_at(lane, 1, 0.2) == class_colour(0)
    lane.set_kept((0, 1, 2))
    assert colour_at(lane, 1, 0.55) == class_colour(1)


def test_opposite_shares_in_one_column_do_not_cancel_out(lane: ShapleyLane):
    count = 20_000
    values = np.tile(np.array([0.5, 0.0, 0.0], np.float32), (count, 1))
    values[1::2, 0] = -0.5
    big = replace(
        make_example_view(),
        starts_s=np.arange(count) * 1.0,
        ends_s=np.arange(count) + 1.0,
        present=np.ones((count, 3), bool),
        shapley=values,
    )
    lane.set_duration(float(count))
    lane.set_windows(big)
    lane.plot.setXRange(0, count, padding=0)
    image = lane.plot.grab().toImage()
    for value in (0.1, -0.1):
        at = place(lane, count / 2 / LENGTH_S, height_of(lane, value))
        assert image.pixelColor(at) == class_colour(0)


def test_it_says_each_share_of_a_window(lane: ShapleyLane):
    assert lane.describe(15) == "0:00:10–0:00:20 · eeg +0.40 · eog +0.30 · emg −0.20"
    assert lane.describe(NO_EOG[0] * LENGTH_S).endswith("eeg +0.40 · emg −0.20 · missing: eog")
    assert lane.describe(NOTHING * LENGTH_S) == (
        "0:02:00–0:02:10 · nothing to share out · missing: eeg, eog, emg"
    )
    assert lane.describe(END_S + 1) == ""


def test_a_view_serves_as_well_as_a_run(lane: ShapleyLane):
    lane.set_windows(make_example_view())
    assert set(lane.means) == {"eeg", "eog", "emg"}
    lane.grab()


@pytest.mark.parametrize("count", [0, 1])
def test_very_few_windows_are_drawn(lane: ShapleyLane, count: int):
    windows = make_windows(count=1)
    if not count:
        view = make_example_view()
        names = ("starts_s", "ends_s", "present", "shapley")
        lane.set_windows(replace(view, **{name: getattr(view, name)[:0] for name in names}))
    else:
        lane.set_windows(windows)
    lane.grab()


def test_without_shares_it_says_so(lane: ShapleyLane):
    windows = make_windows()
    lane.set_windows(replace(windows, shapley=np.full((COUNT, 3), np.nan, np.float32)))
    assert lane._legend.text() == "This run has no Shapley shares of this recording."
    lane.grab()
    lane.set_windows(None)
    assert lane._legend.text() == "There are no predictions of this recording."
    assert lane.means == {}
    lane.grab()


def test_a_click_goes_there(lane: ShapleyLane, qtbot):
    with qtbot.waitSignal(lane.went_to) as asked:
        lane.click(33.0, -1.0)
    assert asked.args == [33.0]
    assert lane.cursor == 3


def test_it_moves_along_with_the_traces(lane: ShapleyLane, qtbot):
    traces = TimePlot()
    qtbot.addWidget(traces)
    traces.resize(1200, 200)
    traces.show()
    lane.link_to(traces)
    traces.setXRange(60, 180, padding=0)
    assert lane.plot.getViewBox().viewRange()[0] == pytest.approx([60, 180], abs=1)


def test_colours_follow_the_palette_and_large_text_is_not_cut_off(lane: ShapleyLane, qtbot):
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Base, QColor("#101010"))
    palette.setColor(QPalette.ColorRole.Text, QColor("#f0f0f0"))
    lane.setPalette(palette)
    assert colour_at(lane, NO_EOG[0], 0.55).lightness() < 60
    font = lane.font()
    font.setPointSizeF(2.5 * font.pointSizeF())
    lane.resize(260, lane.minimumHeight())
    lane.setFont(font)
    qtbot.waitUntil(lambda: lane.height() >= lane.layout().minimumHeightForWidth(lane.width()))
    assert lane._legend.height() >= lane._legend.heightForWidth(lane._legend.width())
