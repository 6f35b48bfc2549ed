"""The heat map shows each window under each subset, and a click asks for both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtTest import QTest

from core.robustness import SubsetPredictions, plan_subsets
from tests.ui.window_example import (
    ALL,
    CHANGED,
    CLASSES,
    COUNT,
    END_S,
    LENGTH_S,
    NO_EOG,
    NOTHING,
    UNSURE,
    WITHOUT_EEG,
    make_windows,
)
from ui.subset_lane import MARK, MODES, SubsetLane
from ui.time_plot import TimePlot

COLOURS = {"wake": "#d62728", "light": "#1f77b4", "deep": "#2ca02c"}
NAMES = ["all", "without emg", "without eog", "without eeg", "eeg", "eog", "emg"]


@pytest.fixture
def lane(qtbot) -> SubsetLane:
    made = SubsetLane()
    qtbot.addWidget(made)
    made.resize(1200, 260)
    made.set_duration(END_S)
    made.set_windows(make_windows(), COLOURS)
    made.set_kept(ALL)
    made.plot.setXRange(0, END_S, padding=0)
    made.show()
    qtbot.waitExposed(made)
    return made


def place(lane: SubsetLane, window: float, row: int) -> QPoint:
    box = lane.plot.getViewBox()
    # Beside the middle, where a name may stand.
    at = lane.plot.mapFromScene(box.mapViewToScene(QPointF((window + 0.1) * LENGTH_S, -row - 0.5)))
    return QPoint(at.x(), at.y())


def colours_at(lane: SubsetLane, window: int, row: int) -> set[str]:
    """Colours of one line of pixels near the start of a cell."""
    image = lane.plot.grab().toImage()
    at = place(lane, window, row)
    return {image.pixelColor(at.x() + dx, at.y()).name() for dx in range(-2, 8)}


def titles(lane: SubsetLane) -> list[str]:
    return [row.title for row in lane.axis.rows]


def test_rows_go_from_all_over_those_without_one_to_single_ones(lane: SubsetLane):
    assert titles(lane) == [MARK + "all", *NAMES[1:]]


def test_cells_have_the_colour_of_the_class(lane: SubsetLane):
    wake, light = (QColor(COLOURS[name]).name() for name in CLASSES[:2])
    window = CHANGED[0]
    assert [colours_at(lane, window, row) for row in (0, 1, 2, 4)] == [{wake}] * 4
    assert [colours_at(lane, window, row) for row in (3, 5, 6)] == [{light}] * 3


def test_agreement_tells_same_from_changed(lane: SubsetLane):
    lane.set_mode("agreement")
    same, changed = colours_at(lane, CHANGED[0], 1), colours_at(lane, CHANGED[0], 3)
    assert same == colours_at(lane, 1, 0) == colours_at(lane, 1, 3)
    assert len(changed) == 1
    assert QColor(changed.pop()).hslSaturation() > 150
    assert QColor(same.pop()).hslSaturation() < 30


def test_confidence_is_strong_where_the_model_is_sure(lane: SubsetLane):
    lane.set_mode("confidence")
    unsure, sure = colours_at(lane, UNSURE, 0), colours_at(lane, 1, 0)
    assert QColor(unsure.pop()).lightness() > QColor(sure.pop()).lightness() + 40


def test_modes_are_chosen_by_key_and_say_what_colours_mean(lane: SubsetLane):
    lane.mode_choice.setFocus()
    seen = []
    for _ in MODES:
        seen.append((lane.mode, lane._legend.text().split(" · ")[0]))
        QTest.keyClick(lane.mode_choice, Qt.Key.Key_Down)
    assert seen == [
        ("class", "hatched: nothing is present"),
        ("agreement", "strong: another class than with all"),
        ("confidence", "strong: sure"),
    ]
    assert "Alt+B" in lane.mode_choice.toolTip()
    assert lane.mode_choice.accessibleName()


def test_cells_without_an_answer_are_hatched_and_lined_where_a_part_is_missing(lane: SubsetLane):
    def several(window: int) -> list[int]:
        return [row for row in range(len(NAMES)) if len(colours_at(lane, window, row)) > 1]

    assert several(NOTHING) == list(range(len(NAMES)))
    assert several(NO_EOG[0]) == [row for row, name in enumerate(NAMES) if name in (
        "all", "without emg", "without eeg", "eog")]  # fmt: skip
    assert several(1) == []
    wake = QColor(COLOURS["light"]).name()
    assert wake in colours_at(lane, NO_EOG[0], 0)  # lined, with its class
    assert wake not in colours_at(lane, NO_EOG[0], NAMES.index("eog"))  # nothing left


def test_a_click_goes_there_and_chooses_the_subset(lane: SubsetLane, qtbot):
    chosen = []
    lane.subset_chosen.connect(chosen.append)
    with qtbot.waitSignal(lane.went_to) as asked:
        QTest.mouseClick(
            lane.plot.viewport(), Qt.MouseButton.LeftButton, pos=place(lane, CHANGED[0], 3)
        )
    assert chosen == [WITHOUT_EEG]
    assert asked.args == [pytest.approx(CHANGED[0] * LENGTH_S + 1, abs=1)]


def test_a_click_on_a_name_chooses_the_subset_alone(lane: SubsetLane, qtbot):
    at = place(lane, 0, 4)
    with qtbot.assertNotEmitted(lane.went_to), qtbot.waitSignal(lane.subset_chosen) as chosen:
        QTest.mouseClick(lane.plot.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(60, at.y()))
    assert chosen.args == [(0,)]


def test_keys_go_through_subsets_and_windows(lane: SubsetLane, qtbot):
    lane.setFocus()
    QTest.keyClick(lane, Qt.Key.Key_Home)
    for _ in range(3):
        QTest.keyClick(lane, Qt.Key.Key_Down)
    for _ in range(CHANGED[0]):
        QTest.keyClick(lane, Qt.Key.Key_Right)
    assert lane.read_out == (
        "0:00:40–0:00:50 · without eeg: light 0.80 · with all modalities wake 0.80"
    )
    assert lane.read_out in lane.accessibleDescription()
    chosen = []
    lane.subset_chosen.connect(chosen.append)
    with qtbot.waitSignal(lane.went_to) as asked:
        QTest.keyClick(lane, Qt.Key.Key_Return)
    assert (chosen, asked.args) == ([WITHOUT_EEG], [45.0])
    QTest.keyClick(lane, Qt.Key.Key_PageUp)
    QTest.keyClick(lane, Qt.Key.Key_Up)
    assert lane.read_out.startswith("0:00:40–0:00:50 · all: wake")


def test_the_kept_subset_is_marked(lane: SubsetLane):
    lane.set_kept(WITHOUT_EEG)
    assert lane.kept_row == 3
    assert titles(lane) == [*NAMES[:3], MARK + "without eeg", *NAMES[4:]]
    assert [row.is_marked for row in lane.axis.rows] == [k == 3 for k in range(7)]


def test_a_subset_that_was_not_asked_is_said(lane: SubsetLane):
    lane.set_kept(())
    assert "all modalities are off" in lane._legend.text()
    windows = make_windows()
    plan = replace(windows.subsets.plan, kept=windows.subsets.kept[:4])
    few = SubsetPredictions(plan, windows.present, windows.subsets.probabilities[:4])
    lane.set_windows(replace(windows, subsets=few), COLOURS)
    lane.set_kept((0,))
    assert lane.kept_row is None
    assert "the chosen subset was not asked" in lane._legend.text()
    lane.grab()


def many_subsets(windows: int = COUNT):
    """Six modalities: 63 subsets."""
    plan = plan_subsets(6)
    rng = np.random.default_rng(0)
    answers = rng.dirichlet(np.ones(3), (63, windows)).astype(np.float32)
    present = np.ones((windows, 6), bool)
    return replace(
        make_windows(),
        modalities=tuple("abcdef"),
        starts_s=np.arange(windows) * LENGTH_S,
        labels=np.zeros(windows, np.int64),
        subsets=SubsetPredictions(plan, present, answers),
    )


def test_many_subsets_scroll_and_the_kept_one_is_brought(lane: SubsetLane):
    lane.set_windows(many_subsets(), COLOURS)
    assert lane._scroll.isVisible()
    top, shown = lane._scroll.value(), lane._scroll.pageStep()
    assert shown < 63
    assert lane.plot.getViewBox().viewRange()[1] == pytest.approx([-shown, 0])
    lane.set_kept((5,))
    assert lane.kept_row == 62
    assert lane._scroll.value() == 63 - shown > top
    low, high = lane.plot.getViewBox().viewRange()[1]
    assert (low, high) == pytest.approx((-63, -63 + shown))
    lane.setFocus()
    lane._row = 0
    QTest.keyClick(lane, Qt.Key.Key_Down)
    assert lane._scroll.value() == 1


def test_two_modalities_have_three_rows_that_share_the_height(lane: SubsetLane):
    windows = make_windows()
    plan = plan_subsets(2)
    subsets = SubsetPredictions(plan, windows.present[:, :2], windows.subsets.probabilities[:3])
    lane.set_windows(replace(windows, modalities=("acc", "gyro"), subsets=subsets), COLOURS)
    assert titles(lane) == [MARK + "all" if lane.kept_row == 0 else "all", "acc", "gyro"]
    assert not lane._scroll.isVisible()
    assert lane.plot.getViewBox().viewRange()[1] == pytest.approx([-3, 0])


def test_it_says_what_lies_under_the_mouse(lane: SubsetLane, qtbot):
    box = lane.plot.getViewBox()
    with qtbot.waitSignal(lane.hovered) as said:
        lane.plot.scene().sigMouseMoved.emit(box.mapViewToScene(QPointF(85.0, -1.5)))
    assert said.args == ["0:01:20–0:01:30 · without emg: light 0.80 · missing: eog"]
    assert lane.read_out == said.args[0]
    assert lane.describe_at(125.0, -0.5).endswith("all: no answer · missing: eeg, eog, emg")
    assert lane.describe_at(85.0, -99) == ""
    assert lane.describe_at(-5.0, -0.5) == ""


def test_the_picture_is_painted_once_per_change(lane: SubsetLane):
    lane.plot.grab()
    before = lane._picture
    lane.set_kept(WITHOUT_EEG)
    lane.set_cursor(3)
    lane.plot.grab()
    assert lane._picture is before
    lane.plot.setXRange(0, END_S / 2, padding=0)
    lane.plot.grab()
    assert lane._picture is not before


def test_twenty_thousand_windows_are_drawn(lane: SubsetLane):
    lane.set_duration(20_000 * LENGTH_S)
    lane.set_windows(many_subsets(20_000), COLOURS)
    lane.plot.setXRange(0, 20_000 * LENGTH_S, padding=0)
    for mode in MODES:
        lane.set_mode(mode)
        lane.grab()


def test_without_windows_it_says_so(lane: SubsetLane):
    lane.set_windows(None)
    assert lane._legend.text() == "There are no predictions of this recording."
    assert titles(lane) == []
    assert lane.describe(5) == ""
    lane.setFocus()
    QTest.keyClick(lane, Qt.Key.Key_Down)
    lane.grab()
    lane.set_windows(make_windows(count=1), COLOURS)
    lane.grab()


def test_it_moves_along_with_the_traces(lane: SubsetLane, qtbot):
    traces = TimePlot()
    qtbot.addWidget(traces)
    traces.resize(1200, 200)
    traces.show()
    lane.link_to(traces)
    traces.setXRange(60, 180, padding=0)
    assert lane.plot.getViewBox().viewRange()[0] == pytest.approx([60, 180], abs=3)


def test_colours_follow_the_palette(lane: SubsetLane):
    lane.set_mode("agreement")
    before = colours_at(lane, 1, 0)
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Base, QColor("#101010"))
    palette.setColor(QPalette.ColorRole.Text, QColor("#f0f0f0"))
    lane.setPalette(palette)
    after = colours_at(lane, 1, 0)
    assert QColor(after.pop()).lightness() < 80 < QColor(before.pop()).lightness()
