"""The lane computes what is chosen, in the background, once, and stops when it is asked to."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtTest import QTest

from core.montage import DisplayChannel, Montage, TraceSettings, display_channels
from core.recording import Channel, Recording, SignalFile, Source
from ui.spectrogram_lane import SpectrogramLane
from ui.time_plot import TimePlot

RATE = 64.0
SECONDS = 300


class Signal:
    """A sine in memory; counts how often it is read and can be held up."""

    def __init__(self, name: str, hz: float, rate_hz: float = RATE, seconds: int = SECONDS) -> None:
        self.name, self.unit, self.rate_hz = name, "µV", rate_hz
        self.samples = int(seconds * rate_hz)
        self.offset_s = 0.0
        self.values = np.sin(2 * np.pi * hz * np.arange(self.samples) / rate_hz).astype(np.float32)
        self.values += 0.01 * np.random.default_rng(0).normal(size=self.samples)
        self.reads_made = 0
        self.goes_on = threading.Event()
        self.goes_on.set()

    def read(self, start: int, stop: int) -> np.ndarray:
        self.reads_made += 1
        assert self.goes_on.wait(10)
        return self.values[start:stop]


class Broken(Signal):
    def read(self, start: int, stop: int) -> np.ndarray:
        raise RuntimeError("a bug")


@pytest.fixture
def lane(qtbot):
    made = SpectrogramLane()
    qtbot.addWidget(made)
    made.resize(900, 200)
    made.set_duration(SECONDS)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.shut_down()


def show(lane: SpectrogramLane, qtbot, *channels: object) -> None:
    with qtbot.waitSignal(lane.drawn):
        lane.set_channels(channels)


def ridge_hz(lane: SpectrogramLane) -> float:
    result = lane.result
    assert result is not None
    return float(result.frequencies_hz[result.power_db.mean(axis=1).argmax()])


def test_the_chosen_channel_is_shown(lane: SpectrogramLane, qtbot):
    show(lane, qtbot, Signal("C3", 10), Signal("C4", 20))
    assert ridge_hz(lane) == 10
    lane.plot.setXRange(0, SECONDS, padding=0)
    box = lane.plot.getViewBox()
    image = lane.plot.grab().toImage()

    def lightness(hz: float) -> int:
        at = lane.plot.mapFromScene(box.mapViewToScene(QPointF(150, hz)))
        return image.pixelColor(at.x(), at.y()).lightness()

    assert lightness(10) > lightness(20) + 40
    with qtbot.waitSignal(lane.drawn), qtbot.waitSignal(lane.channel_chosen) as chosen:
        lane.channel_choice.setFocus()
        QTest.keyClick(lane.channel_choice, Qt.Key.Key_Down)
    assert chosen.args == ["C4"]
    assert ridge_hz(lane) == 20


def test_a_channel_can_be_chosen_by_name_before_it_is_there(lane: SpectrogramLane, qtbot):
    lane.choose("C4")
    show(lane, qtbot, Signal("C3", 10), Signal("C4", 20))
    assert ridge_hz(lane) == 20
    show(lane, qtbot, Signal("F3", 5), Signal("C3", 10), Signal("C4", 21))
    assert ridge_hz(lane) == 21


def test_the_highest_frequency_can_be_chosen(lane: SpectrogramLane, qtbot):
    show(lane, qtbot, Signal("C3", 10))
    for place, top in ((0, 15), (2, 32), (3, 32)):
        with qtbot.waitSignal(lane.drawn):
            lane.top_choice.setCurrentIndex(place)
            lane.top_choice.activated.emit(place)
        assert lane.result.frequencies_hz[-1] == top
        low, high = lane.plot.getViewBox().viewRange()[1]
        assert low <= 0 < top <= high < 1.2 * top


def test_nothing_is_computed_while_it_is_hidden(lane: SpectrogramLane, qtbot):
    channel = Signal("C3", 10)
    lane.hide()
    lane.set_channels([channel])
    assert channel.reads_made == 0
    with qtbot.waitSignal(lane.drawn):
        lane.show()
    assert channel.reads_made > 0


def test_the_same_channel_is_not_computed_twice(lane: SpectrogramLane, qtbot):
    channel = Signal("C3", 10)
    show(lane, qtbot, channel)
    reads, result = channel.reads_made, lane.result
    with qtbot.assertNotEmitted(lane.drawn, wait=50):
        lane.set_channels([Signal("O1", 5), channel])  # it stays chosen, further down
        lane.choose("C3")
        lane.hide()
        lane.show()
    assert channel.reads_made == reads
    assert lane.result is result
    assert lane.channel_choice.currentText() == "C3"


class ArrayFile(SignalFile):
    def __init__(self, values: np.ndarray) -> None:
        self.path, self.format = Path("array"), "array"
        self.start_s, self.has_clock, self.duration_s = 0.0, False, len(values) / RATE
        self.channels = (Channel("C3", "uV", RATE, len(values)),)
        self.gaps = self.annotations = self.findings = ()
        self.values = values

    def read(self, channel: int, start: int, stop: int) -> np.ndarray:
        result = np.full(stop - start, np.nan, np.float32)
        low, high = max(start, 0), min(stop, len(self.values))
        result[low - start : high - start] = self.values[low:high]
        return result


def display_channel(values: np.ndarray, **settings: object) -> DisplayChannel:
    file = ArrayFile(values.astype(np.float32))
    recording = Recording("r", "s", {}, (Source("main", file, 0.0),), 0.0, False, file.duration_s)
    return display_channels(Montage((TraceSettings("C3", ("C3",), **settings),)), recording)[0]


def test_a_new_filter_is_computed_anew_but_new_looks_are_not(lane: SpectrogramLane, qtbot):
    values = Signal("C3", 10).values + Signal("C3", 20).values
    channel = display_channel(values)
    show(lane, qtbot, channel)
    first = lane.result
    louder = replace(channel, settings=replace(channel.settings, sensitivity=50.0, inverted=True))
    with qtbot.assertNotEmitted(lane.drawn, wait=50):
        lane.set_channels([louder])
    assert lane.result is first
    filtered = display_channel(values, high_hz=15.0)
    show(lane, qtbot, filtered)
    assert lane.result is not first
    # Another recording with the same montage is another signal.
    show(lane, qtbot, display_channel(Signal("C3", 5).values, high_hz=15.0))
    assert ridge_hz(lane) == 5


def test_a_gap_is_hatched_and_said(lane: SpectrogramLane, qtbot):
    channel = Signal("C3", 10)
    channel.values[int(100 * RATE) : int(200 * RATE)] = np.nan
    channel.offset_s = 20.0
    show(lane, qtbot, channel)
    assert lane.describe(150, 10).endswith("nothing recorded")
    assert lane.describe(60, 10).startswith("0:01:00 · 10 Hz · ")
    assert lane.describe(60, 10).endswith(" dB")
    assert lane.describe(5, 10) == ""  # before the channel begins
    assert len(lane._gaps._start_s) == 1
    assert lane._gaps._start_s[0] == pytest.approx(120, abs=3)
    assert lane._gaps._end_s[0] == pytest.approx(220, abs=3)
    lane.plot.grab()


def test_progress_is_said_and_shutting_down_stops(lane: SpectrogramLane, qtbot):
    channel = Signal("C3", 10, 256, 3 * 3600)
    channel.goes_on.clear()
    lane.set_channels([channel])
    qtbot.waitUntil(lambda: channel.reads_made == 1)
    assert lane.says.startswith("Computing")
    channel.goes_on.set()
    qtbot.waitUntil(lambda: "%" in lane.says or lane.result is not None)
    lane.set_channels([Signal("C4", 20, 256, 3 * 3600)])
    lane.shut_down()
    job = lane._work._job
    assert job is None or not job.isRunning()


def test_of_two_requests_only_the_newest_is_shown(lane: SpectrogramLane, qtbot):
    slow = Signal("C3", 10)
    slow.goes_on.clear()
    lane.set_channels([slow])
    qtbot.waitUntil(lambda: slow.reads_made == 1)
    with qtbot.waitSignal(lane.drawn):
        lane.set_channels([Signal("C3", 20)])
        slow.goes_on.set()
    assert ridge_hz(lane) == 20


def test_a_channel_that_is_too_short_says_so_in_the_lane(lane: SpectrogramLane, qtbot):
    with qtbot.assertNotEmitted(lane.failed):
        lane.set_channels([Signal("C3", 10, RATE, 1)])
        qtbot.waitUntil(lambda: "too few" in lane.says)
    assert lane.result is None
    show(lane, qtbot, Signal("C3", 10))


def test_a_bug_is_passed_on(lane: SpectrogramLane, qtbot):
    with qtbot.waitSignal(lane.failed) as failed:
        lane.set_channels([Broken("C3", 10)])
    assert isinstance(failed.args[0], RuntimeError)


def test_without_channels_the_lane_is_empty(lane: SpectrogramLane, qtbot):
    show(lane, qtbot, Signal("C3", 10))
    lane.set_channels([])
    assert lane.result is None
    assert not lane.channel_choice.isEnabled()
    assert lane.says == ""
    lane.plot.grab()


def test_it_moves_along_with_the_traces(lane: SpectrogramLane, qtbot):
    traces = TimePlot()
    qtbot.addWidget(traces)
    traces.resize(900, 200)
    traces.show()
    lane.link_to(traces)
    traces.setXRange(60, 180, padding=0)
    assert lane.plot.getViewBox().viewRange()[0] == pytest.approx([60, 180], abs=1)


def test_controls_have_names_and_tooltips_with_their_keys(lane: SpectrogramLane):
    for control in (lane.channel_choice, lane.top_choice):
        assert control.accessibleName()
        assert "Alt+" in control.toolTip()
        assert control.focusPolicy() & Qt.FocusPolicy.TabFocus


def test_it_follows_the_palette(lane: SpectrogramLane, qtbot):
    channel = Signal("C3", 10)
    channel.values[int(100 * RATE) : int(200 * RATE)] = np.nan
    show(lane, qtbot, channel)
    lane.plot.setXRange(0, SECONDS, padding=0)
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Base, QColor("#101010"))
    palette.setColor(QPalette.ColorRole.Text, QColor("#f0f0f0"))
    lane.setPalette(palette)
    image = lane.plot.grab().toImage()
    at = lane.plot.mapFromScene(lane.plot.getViewBox().mapViewToScene(QPointF(150, 20)))
    gap = [image.pixelColor(at.x() + dx, at.y()).lightness() for dx in range(-20, 20)]
    assert min(gap) < 40 < max(gap)
