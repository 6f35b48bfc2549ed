"""Traces on the screen: true at every zoom, each lane by its settings, moved by keys and mouse."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QImage,
    QMouseEvent,
    QPainter,
    QPalette,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication

from core.errors import RecordingError
from core.montage import Montage, TraceSettings, montage_for
from core.recording import Gap, Recording
from tests.core.memory_file import MemoryFile, make_recording
from ui.recording_view import MOST_LANES, CursorReading, RecordingView, amount, stepped
from ui.time_plot import READABLE_CONTRAST, TimeAxis, TimePlot, readable

SECONDS = 600
LEFT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton
NONE = Qt.KeyboardModifier.NoModifier
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def signals() -> dict[str, tuple]:
    rng = np.random.default_rng(0)
    eeg = 20 * rng.normal(size=SECONDS * 256)
    eeg[400 * 256] = 300.0
    return {
        "EEG C3": (256.0, eeg),
        "EEG M2": (256.0, rng.normal(size=SECONDS * 256)),
        "EMG": (512.0, 10 * rng.normal(size=SECONDS * 512)),
        "Temp": (1.0, 37 + 0.1 * rng.normal(size=SECONDS), "degC"),
    }


def modalities(recording: Recording) -> Montage:
    """EEG referenced, a modality that is not there, and the rest."""
    plain = montage_for(recording)
    return Montage(
        (
            replace(plain["EEG C3"], name="C3-M2", modality="eeg", minus=("EEG M2",)),
            TraceSettings("Pleth", ("Pleth",), modality="bvp"),
            replace(plain["EMG"], modality="emg"),
            plain["Temp"],
        )
    )


@pytest.fixture
def recording() -> Recording:
    return make_recording(MemoryFile(signals()), start_s=1_700_000_000.0)


@pytest.fixture
def make_view(qtbot) -> Iterator[Callable[..., RecordingView]]:
    made = []

    def make(recording: Recording | None = None, montage: Montage | None = None) -> RecordingView:
        view = RecordingView()
        qtbot.addWidget(view)
        made.append(view)
        view.resize(1000, 500)
        view.show()
        qtbot.waitExposed(view)
        if recording is not None:
            with qtbot.waitSignal(view.drawn, timeout=10_000):
                view.set_recording(recording, montage)
                view.show_range(0.0, 30.0)
        return view

    yield make
    for view in made:
        view.shut_down()
        view.close()


@pytest.fixture
def view(make_view, recording: Recording) -> RecordingView:
    return make_view(recording, modalities(recording))


def go(qtbot, view: RecordingView, start_s: float, end_s: float) -> None:
    with qtbot.waitSignal(view.drawn, timeout=10_000):
        view.show_range(start_s, end_s)


def picture(view: RecordingView) -> np.ndarray:
    """The area of the traces as colours, (height, width, 3)."""
    QApplication.processEvents()
    box = view.plot.getViewBox().sceneBoundingRect().toRect()
    image = view.plot.viewport().grab(box).toImage()
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    data = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1, 4)
    colours = data[:, : image.width(), 2::-1].astype(int)
    # Without the axes, whose ticks reach in.
    colours[-8:] = colours[:, :3] = colours[:, -3:] = np.median(colours, axis=(0, 1))
    return colours


def changed_lanes(before: np.ndarray, after: np.ndarray, lanes: int) -> list[int]:
    """Lanes with pixels that differ."""
    rows = np.array_split((before != after).any(axis=(1, 2)), lanes)
    return [k for k, part in enumerate(rows) if part[3:-3].any()]


def place(view: RecordingView, time_s: float, y: float) -> QPointF:
    """A moment in a lane, in pixels of the viewport."""
    box = view.plot.getViewBox()
    return QPointF(view.plot.mapFromScene(box.mapViewToScene(QPointF(time_s, y))))


def press(
    plot: TimePlot,
    kind: QEvent.Type,
    at: QPointF,
    button: Qt.MouseButton,
    held: Qt.MouseButton,
    keys: Qt.KeyboardModifier = NONE,
) -> None:
    port = plot.viewport()
    event = QMouseEvent(kind, at, port.mapToGlobal(at.toPoint()).toPointF(), button, held, keys)
    QApplication.sendEvent(port, event)


def drag_on(
    plot: TimePlot,
    start: QPointF,
    end: QPointF,
    button: Qt.MouseButton = LEFT,
    keys: Qt.KeyboardModifier = NONE,
) -> None:
    none = Qt.MouseButton.NoButton
    press(plot, QEvent.Type.MouseButtonPress, start, button, button, keys)
    for share in (0.3, 0.6, 1.0):
        # pyqtgraph leaves out moves that follow the one before too closely.
        plot.scene()._lastMoveEventTime = 0
        press(plot, QEvent.Type.MouseMove, start + share * (end - start), none, button, keys)
    press(plot, QEvent.Type.MouseButtonRelease, end, button, none, keys)


def drag(
    view: RecordingView,
    start: QPointF,
    end: QPointF,
    button: Qt.MouseButton = LEFT,
    keys: Qt.KeyboardModifier = NONE,
) -> None:
    drag_on(view.plot, start, end, button, keys)


def click(view: RecordingView, at: QPointF, button: Qt.MouseButton = LEFT) -> None:
    press(view.plot, QEvent.Type.MouseButtonPress, at, button, button)
    press(view.plot, QEvent.Type.MouseButtonRelease, at, button, Qt.MouseButton.NoButton)


def wheel(view: RecordingView, at: QPointF, notches: int, keys: Qt.KeyboardModifier = NONE) -> None:
    port = view.plot.viewport()
    event = QWheelEvent(
        at,
        port.mapToGlobal(at.toPoint()).toPointF(),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        keys,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(port, event)


# ---------------------------------------------------------------- what is drawn


def test_lanes_are_laid_out_by_the_montage_and_absent_modalities_keep_theirs(view: RecordingView):
    assert view.lanes == (
        ("C3-M2", "eeg", -0.5, 0.5),
        ("Pleth", "bvp", -1.5, -0.5),
        ("EMG", "emg", -2.5, -1.5),
        ("Temp", "", -3.5, -2.5),
    )
    assert [name for name, _, _ in view.lines] == ["C3-M2", "EMG", "Temp"]
    assert view.plot.getViewBox().viewRange()[1] == pytest.approx([-3.5, 0.5])
    assert "bvp absent" in view.plot.accessibleDescription()
    assert "µV" in view.plot.accessibleDescription()


def test_each_channel_is_drawn_at_its_own_rate(qtbot, view: RecordingView):
    go(qtbot, view, 100.0, 101.0)
    lines = {name: times for name, times, _ in view.lines}
    assert np.diff(lines["C3-M2"]) == pytest.approx(1 / 256)
    assert np.diff(lines["EMG"]) == pytest.approx(1 / 512)
    assert np.diff(lines["Temp"]) == pytest.approx(1.0)


@pytest.mark.parametrize("span_s", [0.5, 2.0, 10.0, 60.0, 240.0, 600.0])
def test_a_peak_of_one_sample_is_on_the_screen_at_every_zoom(
    qtbot, make_view, recording: Recording, span_s: float
):
    plain = Montage((replace(montage_for(recording).traces[0], sensitivity=1000.0),))
    view = make_view(recording, plain)
    start = min(400.0 - span_s / 3, SECONDS - span_s)
    go(qtbot, view, start, start + span_s)
    _, times, values = view.lines[0]
    peak = 300.0
    assert values.max() == peak
    assert times[values.argmax()] == pytest.approx(400.0, abs=span_s / 100)
    image = picture(view)
    trace = (image < 200).all(axis=2)
    rows, columns = np.nonzero(trace)
    height, width = trace.shape
    top = rows.min()
    middle = rows[columns < width // 4].mean()
    assert (middle - top) / height == pytest.approx(peak / 1000.0, abs=0.05)
    assert columns[rows.argmin()] / width == pytest.approx((400.0 - start) / span_s, abs=0.02)


def test_polarity_turns_the_drawing_and_not_the_values(qtbot, make_view, recording: Recording):
    first = replace(montage_for(recording).traces[0], sensitivity=1000.0)
    view = make_view(recording, Montage((first,)))
    go(qtbot, view, 399.0, 401.0)
    before, values = picture(view), view.lines[0][2]
    view.set_montage(Montage((replace(first, inverted=True),)))
    after = picture(view)
    assert view.lines[0][2].max() == values.max()
    top, bottom = (np.nonzero((im < 200).all(axis=(2,)).any(axis=1))[0] for im in (before, after))
    assert abs(top.min() - (before.shape[0] - 1 - bottom.max())) <= 2
    assert top.min() < before.shape[0] * 0.25 < bottom.min()


def test_guides_lie_in_lanes_of_voltage_only(view: RecordingView):
    view.set_sensitivity("C3-M2", 200.0)
    view.set_sensitivity("EMG", 20.0)  # its guides would lie outside its lane
    before = picture(view)
    view.set_guides(37.5)
    lane_px = before.shape[0] / 4
    rows = np.nonzero((before != picture(view)).any(axis=(1, 2)))[0]
    assert {0} <= set(changed_lanes(before, picture(view), 4))
    expected = [lane_px / 2 - 0.1875 * lane_px, lane_px / 2 + 0.1875 * lane_px]
    assert rows[rows < lane_px].min() == pytest.approx(expected[0], abs=4)
    assert rows[rows < lane_px].max() == pytest.approx(expected[1], abs=4)
    view.set_guides(None)
    assert (picture(view) == before).all()


def test_gaps_are_hatched_in_the_lanes_of_their_file(qtbot, make_view):
    one = MemoryFile({"a": (64.0, np.ones(64 * 600)), "b": (64.0, np.ones(64 * 600))})
    two = MemoryFile({"c": (64.0, np.ones(64 * 300))})
    plain = make_recording(one, two, offsets_s=(0.0, 0.0), duration_s=600.0)
    view = make_view(plain)
    go(qtbot, view, 0.0, 600.0)
    before = picture(view)
    one.gaps = (Gap(100.0, 50.0),)
    view.set_recording(make_recording(one, two, offsets_s=(0.0, 0.0), duration_s=600.0))
    go(qtbot, view, 0.0, 599.0)
    go(qtbot, view, 0.0, 600.0)
    after = picture(view)
    assert changed_lanes(before, after, 3) == [0, 1]
    columns = np.nonzero((before != after).any(axis=(0, 2)))[0]
    width = before.shape[1]
    assert columns.min() / width == pytest.approx(100 / 600, abs=0.01)
    assert columns.max() / width == pytest.approx(150 / 600, abs=0.01)
    # The other file ended half way: that is hatched too.
    third = after[-after.shape[0] // 3 + 4 : -4]
    assert len(np.unique(third[:, width * 3 // 4 :].reshape(-1, 3), axis=0)) > 1


def test_stretches_of_a_modality_are_shaded_in_its_lanes(view: RecordingView):
    before = picture(view)
    view.set_absent_stretches({"eeg": [(10.0, 20.0)], "unknown": [(0.0, 5.0)]})
    after = picture(view)
    assert changed_lanes(before, after, 4) == [0]
    view.set_absent_stretches({})
    assert (picture(view) == before).all()


def test_a_selection_is_drawn_in_all_lanes_or_in_those_of_a_modality(view: RecordingView):
    before = picture(view)
    view.set_selection(5.0, 10.0)
    assert changed_lanes(before, picture(view), 4) == [0, 1, 2, 3]
    view.set_selection(5.0, 10.0, "emg")
    assert changed_lanes(before, picture(view), 4) == [2]
    view.set_selection(0.0, None)
    assert (picture(view) == before).all()
    view.set_time_cursor(12.0)
    columns = np.nonzero((before != picture(view)).any(axis=(0, 2)))[0]
    assert np.ptp(columns) <= 1
    view.set_time_cursor(None)
    assert (picture(view) == before).all()


def test_colours_stand_out_on_light_and_dark_and_follow_the_palette(view: RecordingView):
    for ground in (QColor("white"), QColor("#1e1e1e"), QColor("black")):
        for colour in ("#F0E442", "#0072B2", "#6B6B6B", "#000000"):
            found = readable(QColor(colour), ground)
            light, dark = sorted((_luminance(found), _luminance(ground)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= READABLE_CONTRAST - 0.1
    palette = QPalette(view.palette())
    palette.setColor(QPalette.ColorRole.Base, QColor("black"))
    palette.setColor(QPalette.ColorRole.Text, QColor("white"))
    view.setPalette(palette)
    assert view.plot.backgroundBrush().color() == QColor("black")
    assert (picture(view) < 30).all(axis=2).mean() > 0.5


def _luminance(colour: QColor) -> float:
    parts = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.getRgbF()[:3]
    ]
    return float(np.dot(parts, (0.2126, 0.7152, 0.0722)))


def test_on_a_fine_screen_the_same_is_drawn_finer(qtbot, view: RecordingView):
    go(qtbot, view, 380.0, 420.0)
    drawn = []
    for ratio in (1, 2):
        size = view.plot.viewport().size()
        image = QImage(ratio * size, QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(ratio)
        image.fill(QColor("white"))
        painter = QPainter(image)
        item = view._item
        painter.setWorldTransform(item.sceneTransform() * view.plot.viewportTransform())
        item.paint(painter, None)
        painter.end()
        data = np.frombuffer(image.constBits(), np.uint8).reshape(ratio * size.height(), -1, 4)
        drawn.append((data[:, :, :3] < 200).any(axis=2))
        left, columns = item.frame.left_px, item.frame.columns
        assert abs(left - ratio * place(view, 380.0, 0.0).x()) <= ratio
        assert abs(left + columns - ratio * place(view, 420.0, 0.0).x()) <= ratio
    coarse, fine = drawn
    whole = fine.reshape(coarse.shape[0], 2, coarse.shape[1], 2)
    assert (whole.any(axis=(1, 3)) <= _grown(coarse)).mean() > 0.999
    assert whole.all(axis=(1, 3)).sum() < coarse.sum()


def _grown(drawn: np.ndarray) -> np.ndarray:
    """With the neighbours above, below and beside."""
    result = drawn.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            result |= np.roll(drawn, step, axis)
    return result


# ---------------------------------------------------------------- keys


def test_keys_move_zoom_and_scroll(qtbot, view: RecordingView):
    key = Qt.Key
    for pressed, keys, expected in (
        (key.Key_PageDown, NONE, (30, 60)),
        (key.Key_PageUp, NONE, (0, 30)),
        (key.Key_End, NONE, (570, 600)),
        (key.Key_Home, NONE, (0, 30)),
        (key.Key_Plus, NONE, (7.5, 22.5)),
        (key.Key_Minus, NONE, (0, 30)),
        (key.Key_0, CTRL, (0, 600)),
    ):
        qtbot.keyClick(view.plot, pressed, keys)
        assert view.range_s == pytest.approx(expected), pressed


def test_letters_digits_and_level_arrows_are_left_to_labelling(qtbot, view: RecordingView):
    taken = {s.toString() for action in view.actions() for s in action.shortcuts()}
    assert not taken & {*"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "Left", "Right", "Space"}
    for pressed in (Qt.Key.Key_A, Qt.Key.Key_0, Qt.Key.Key_Left, Qt.Key.Key_Right):
        qtbot.keyClick(view.plot, pressed)
        assert view.range_s == pytest.approx((0, 30))


def test_every_action_has_a_key_and_a_name(view: RecordingView):
    assert all(action.text() and action.shortcuts() for action in view.actions_for_menu)


def test_zoom_reaches_from_a_moment_to_the_whole(view: RecordingView):
    for _ in range(20):
        view.zoom_in()
    low, high = view.range_s
    assert high - low == pytest.approx(0.02)
    for _ in range(20):
        view.zoom_out()
    assert view.range_s == pytest.approx((0, SECONDS))


# ---------------------------------------------------------------- heights


def test_gain_keys_act_on_all_lanes_or_on_the_selected_one(qtbot, view: RecordingView):
    changes = []
    view.montage_changed.connect(changes.append)
    view.set_sensitivity("C3-M2", 100.0)
    view.set_sensitivity("EMG", 70.0)
    qtbot.keyClick(view.plot, Qt.Key.Key_Up, CTRL)
    assert view.montage["C3-M2"].sensitivity == 50.0
    assert view.montage["EMG"].sensitivity == 50.0
    assert view.montage["Temp"].sensitivity is not None
    assert "C3-M2 50 µV" in view.plot.accessibleDescription()
    qtbot.keyClick(view.plot, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    assert view.selected_lane == "C3-M2"
    qtbot.keyClick(view.plot, Qt.Key.Key_Down, CTRL)
    assert view.montage["C3-M2"].sensitivity == 100.0
    assert view.montage["EMG"].sensitivity == 50.0
    qtbot.keyClick(view.plot, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    assert view.selected_lane == ""
    qtbot.keyClick(view.plot, Qt.Key.Key_H, CTRL)
    assert {trace.sensitivity for trace in view.montage.traces} == {None}
    assert changes[-1] == view.montage
    assert len(changes) == 5


def test_a_larger_trace_is_taller_on_the_screen(view: RecordingView):
    view.set_sensitivity("Temp", 5.0)
    low = picture(view)
    view.set_sensitivity("Temp", 1.0)
    high = picture(view)
    heights = [np.ptp(np.nonzero((im[-100:-5] < 200).all(axis=2))[0]) for im in (low, high)]
    assert heights[1] > 3 * heights[0]


def test_gain_reaches_lanes_whose_signal_has_not_been_looked_at(qtbot, make_view):
    count = MOST_LANES + 4
    file = MemoryFile({f"c{k}": (50.0, np.sin(np.arange(30_000) / 9) * 10) for k in range(count)})
    view = make_view(make_recording(file))
    view.larger()
    assert view.montage["c0"].sensitivity == 20.0
    assert view.montage[f"c{count - 1}"].sensitivity is None
    with qtbot.waitSignal(view.drawn, timeout=10_000):
        for _ in range(count):
            view.channels_down()
    qtbot.waitUntil(lambda: view.montage[f"c{count - 1}"].sensitivity == 20.0)


@pytest.mark.parametrize(
    ("value", "steps", "expected"),
    [(100, 1, 200), (100, -1, 50), (50, -1, 20), (70, 1, 100), (70, -1, 50), (2, 3, 20),
     (1e-5, -2, 2e-6), (5000, 0, 5000), (99.99999999, 1, 200)],
)  # fmt: skip
def test_heights_step_through_1_2_5(value: float, steps: int, expected: float):
    assert stepped(value, steps) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(20_000, "Ohm", "20000 Ohm"), (-12.3456, "uV", "-12.35 µV"), (0.0, "V", "0 µV"),
     (-3e-3, "V", "-3 mV"), (36.789, "degC", "36.79 degC"), (1e-7, "g", "1e-07 g")],
)  # fmt: skip
def test_amounts_are_short_and_in_a_unit_that_suits(value: float, unit: str, text: str):
    assert amount(value, unit) == text


# ---------------------------------------------------------------- montage


def test_filter_derivation_order_and_hiding_follow_the_montage(qtbot, view: RecordingView):
    raw = {name: values for name, _, values in view.lines}
    kept = dict(view._envelopes)
    before = view.montage
    with qtbot.waitSignal(view.drawn, timeout=10_000):
        view.set_montage(
            Montage(
                (
                    before["Temp"],
                    replace(before["C3-M2"], low_hz=1.0, high_hz=10.0),
                    replace(before["EMG"], hidden=True),
                    before["Pleth"],
                )
            )
        )
    assert [lane.name for lane in view.lanes] == ["Temp", "C3-M2", "Pleth"]
    now = {name: values for name, _, values in view.lines}
    assert now["C3-M2"].std() < raw["C3-M2"].std() / 2
    np.testing.assert_array_equal(now["Temp"], raw["Temp"])
    # What has the same values is not built again, what is filtered is.
    temp = next(key for key, e in view._envelopes.items() if e.name == "Temp")
    assert view._envelopes[temp] is kept[temp]
    assert len(set(view._envelopes) - set(kept)) == 1
    with qtbot.waitSignal(view.drawn, timeout=10_000):
        view.set_montage(before)
    for name, _, values in view.lines:
        np.testing.assert_array_equal(values, raw[name])


def test_what_only_looks_different_is_not_read_again(view: RecordingView):
    kept = dict(view._envelopes)
    view.set_montage(view.montage.changed("EMG", inverted=True, sensitivity=3.0))
    assert view._envelopes == kept
    assert len(view.lines) == 3


def test_the_header_tells_what_could_not_be_followed(qtbot, view: RecordingView):
    with qtbot.waitSignal(view.drawn, timeout=10_000):
        view.set_montage(view.montage.changed("Temp", low_hz=0.6, modality="skin"))
    header = view._axis._headers[3]
    assert "shown without filter" in header.says
    assert "modality skin" in header.says
    assert "has none of Pleth" in view._axis._headers[1].says


def test_lanes_beyond_those_shown_are_scrolled_to(qtbot, make_view):
    count = 20
    file = MemoryFile(
        {f"c{k}": (20.0, np.random.default_rng(k).normal(size=6000)) for k in range(count)}
    )
    view = make_view(make_recording(file))
    assert [lane.name for lane in view.lanes] == [f"c{k}" for k in range(MOST_LANES)]
    seen = []
    view.lanes_changed.connect(lambda: seen.append(len(view.lanes)))
    with qtbot.waitSignal(view.drawn, timeout=10_000):
        qtbot.keyClick(view.plot, Qt.Key.Key_Down)
    assert view.lanes[0] == ("c1", "", -0.5, 0.5)
    assert view.lines[0][0] == "c1"
    with qtbot.waitSignal(view.drawn, timeout=10_000):
        view.set_lanes_shown(4)
    assert [lane.name for lane in view.lanes] == ["c1", "c2", "c3", "c4"]
    assert seen == [16, 4]
    view.set_lanes_shown(99)
    assert len(view.lanes) == count
    view.set_lanes_shown(4)
    view.select_lane("c19")
    assert view.lanes[-1].name == "c19"


# ---------------------------------------------------------------- mouse


def test_the_wheel_zooms_at_the_mouse_and_with_shift_pans(qtbot, view: RecordingView):
    go(qtbot, view, 100.0, 200.0)
    wheel(view, place(view, 125.0, 0.0), 3)
    low, high = view.range_s
    assert high - low < 80
    assert (125.0 - low) / (high - low) == pytest.approx(0.25, abs=0.01)
    wheel(view, place(view, 125.0, 0.0), -1, SHIFT)
    moved, end = view.range_s
    assert moved == pytest.approx(low + 0.1 * (high - low))
    assert end - moved == pytest.approx(high - low)


def test_the_middle_button_pans(qtbot, view: RecordingView):
    go(qtbot, view, 100.0, 200.0)
    drag(view, place(view, 150.0, -1.0), place(view, 120.0, -1.0), MIDDLE)
    assert view.range_s == pytest.approx((130.0, 230.0), abs=0.5)


def test_dragging_with_ctrl_zooms_to_the_stretch(qtbot, view: RecordingView):
    go(qtbot, view, 100.0, 200.0)
    chosen = []
    view.stretch_selected.connect(lambda *args: chosen.append(args))
    drag(view, place(view, 160.0, -1.0), place(view, 130.0, -1.0), LEFT, CTRL)
    assert view.range_s == pytest.approx((130.0, 160.0), abs=0.5)
    assert chosen == []
    assert not view.plot.getViewBox()._band.isVisible()


def test_dragging_chooses_a_stretch_of_the_lane_s_modality(view: RecordingView):
    dragged, chosen, clicks = [], [], []
    view.stretch_dragged.connect(lambda *args: dragged.append(args))
    view.stretch_selected.connect(lambda *args: chosen.append(args))
    view.clicked.connect(lambda *args: clicks.append(args))
    before = picture(view)
    drag(view, place(view, 20.0, -2.1), place(view, 10.0, -0.2))
    (found,) = chosen
    assert found == (pytest.approx(10.0, abs=0.1), pytest.approx(20.0, abs=0.1), "emg")
    assert dragged
    assert all(0 <= start <= end <= 20.1 for start, end, _ in dragged)
    assert view.range_s == pytest.approx((0, 30))
    assert clicks == []
    assert (picture(view) != before).any()


def test_a_plot_beside_the_traces_is_dragged_along_and_leads_them(qtbot, view: RecordingView):
    go(qtbot, view, 100.0, 200.0)
    strip = TimePlot()
    qtbot.addWidget(strip)
    strip.setXLink(view.plot)
    strip.resize(view.size())
    strip.show()
    qtbot.waitExposed(strip)
    low, high = strip.getViewBox().viewRange()[0]
    middle = QPointF(strip.viewport().rect().center())
    drag_on(strip, middle, middle - QPointF(80, 0))
    moved = strip.getViewBox().viewRange()[0]
    assert moved[0] > low
    assert moved[1] - moved[0] == pytest.approx(high - low)
    assert view.range_s[0] > 100.0
    strip.close()


def test_a_click_tells_the_moment_and_the_modality(view: RecordingView):
    clicks = []
    view.clicked.connect(lambda *args: clicks.append(args))
    click(view, place(view, 12.0, 0.1))
    click(view, place(view, 13.0, -2.8))
    assert clicks == [(pytest.approx(12.0, abs=0.1), "eeg"), (pytest.approx(13.0, abs=0.1), "")]


def test_a_menu_is_asked_for_by_mouse_and_by_key(view: RecordingView):
    asked = []
    view.menu_requested.connect(lambda *args: asked.append(args))
    click(view, place(view, 7.0, -1.9), Qt.MouseButton.RightButton)
    time_s, modality, at = asked.pop()
    assert (time_s, modality) == (pytest.approx(7.0, abs=0.1), "emg")
    assert isinstance(at, QPoint)
    view.select_lane("C3-M2")
    event = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, QPoint(5, 5), QPoint(5, 5))
    QApplication.sendEvent(view.plot.viewport(), event)
    assert asked.pop()[:2] == (pytest.approx(15.0), "eeg")
    assert asked == []


def test_a_click_on_a_header_chooses_the_lane(view: RecordingView):
    chosen = []
    view.lane_selected.connect(chosen.append)
    box = view.plot.getViewBox().sceneBoundingRect()
    click(view, QPointF(40, box.top() + box.height() * 5 / 8))
    assert view.selected_lane == "EMG"
    click(view, QPointF(40, box.top() + box.height() * 5 / 8))
    assert chosen == ["EMG", ""]


def test_pointing_reads_out_every_lane(qtbot, view: RecordingView):
    scene, box = view.plot.scene(), view.plot.getViewBox()
    with qtbot.waitSignal(view.cursor_moved) as seen:
        scene.sigMouseMoved.emit(box.mapViewToScene(QPointF(10.0, -2.0)))
    reading = seen.args[0]
    assert isinstance(reading, CursorReading)
    assert reading.time_s == pytest.approx(10.0)
    assert (reading.lane, reading.clock) == ("EMG", "22:13:30")
    file = view._recording.sources[0].file
    values = {label: (value, unit) for label, value, unit in reading.values}
    at = 10 * 256
    assert values["C3-M2"] == (
        pytest.approx(file.read(0, at, at + 1)[0] - file.read(1, at, at + 1)[0]), "uV"
    )  # fmt: skip
    assert values["Temp"] == (pytest.approx(file.read(3, 10, 11)[0]), "degC")
    assert "Pleth" not in values
    assert reading.text.startswith("0:00:10.00  ·  22:13:30  ·  EMG ")
    assert reading.text.endswith("µV")
    with qtbot.waitSignal(view.cursor_moved) as seen:
        QApplication.sendEvent(view.plot, QEvent(QEvent.Type.Leave))
    assert seen.args == [None]


# ---------------------------------------------------------------- time


def test_the_axis_shows_elapsed_time_time_of_day_or_both(qtbot, view: RecordingView):
    axis = view.plot.getAxis("bottom")
    assert axis.tickStrings([60.0], 1.0, 60.0) == ["0:01:00\n22:14:20"]
    tall = axis.height()
    view.set_time_mode("elapsed")
    assert axis.tickStrings([60.0], 1.0, 60.0) == ["0:01:00"]
    qtbot.waitUntil(lambda: axis.height() < tall)
    view.set_time_mode("clock")
    assert axis.tickStrings([40.0], 1.0, 60.0) == ["22:14:00"]
    ((step, offset),) = axis.tickSpacing(0.0, 600.0, 900.0)
    assert axis.tickStrings([offset + step], 1.0, step)[0].endswith(":00")
    view.set_recording(None)
    assert axis.tickStrings([60.0], 1.0, 60.0) == ["0:01:00"]


def test_time_of_day_follows_the_zone_and_its_summer_time():
    axis = TimeAxis("bottom")
    axis.set_clock(1_698_538_200.0, "Europe/Berlin")  # 29 October 2023, 02:10, summer time
    axis.set_mode("clock")
    assert axis.clock_text(0.0) == "02:10:00"
    assert axis.clock_text(3600.0) == "02:10:00"  # an hour later the clock was put back
    assert axis.clock_text(0.25, 0.05) == "02:10:00.25"


# ---------------------------------------------------------------- background


class SlowFile(MemoryFile):
    """A disk that takes its time."""

    DELAY_S = 0.2

    def read(self, channel: int, start: int, stop: int) -> np.ndarray:
        time.sleep(self.DELAY_S)
        return super().read(channel, start, stop)


def test_a_slow_file_never_blocks_the_window(qtbot, make_view):
    values = np.random.default_rng(0).normal(size=64 * 8)
    view = make_view()
    with qtbot.waitSignal(view.drawn, timeout=20_000):
        view.set_recording(make_recording(SlowFile({"a": (64.0, values), "b": (64.0, values)})))
        view.show_range(0.0, 1.0)
    longest = 0.0
    view.show_range(5.0, 6.0)
    limit = time.monotonic() + 20
    # A drawing of what was there before may come first.
    while len(view.lines) < 2 and time.monotonic() < limit:
        began = time.monotonic()
        QApplication.processEvents()
        longest = max(longest, time.monotonic() - began)
    assert longest < SlowFile.DELAY_S  # what one read takes
    assert len(view.lines) == 2


def test_a_channel_that_cannot_be_read_is_said_once_and_the_others_are_drawn(qtbot, make_view):
    class Broken(MemoryFile):
        def read(self, channel: int, start: int, stop: int) -> np.ndarray:
            if channel == 0:
                raise RecordingError("a.edf: the file can no longer be read; was it moved?")
            return super().read(channel, start, stop)

    values = np.random.default_rng(0).normal(size=6000)
    view = make_view()
    errors = []
    view.failed.connect(errors.append)
    with qtbot.waitSignal(view.drawn, timeout=10_000):
        view.set_recording(make_recording(Broken({"a": (50.0, values), "b": (50.0, values)})))
    for start in (10.0, 20.0):
        go(qtbot, view, start, start + 5)
    assert [name for name, _, _ in view.lines] == ["b"]
    assert [str(error) for error in errors] == [
        "a.edf: the file can no longer be read; was it moved?"
    ]


def test_a_file_that_vanishes_while_it_is_looked_at_is_said_once(qtbot, make_view):
    class Vanishing(MemoryFile):
        gone = False

        def read(self, channel: int, start: int, stop: int) -> np.ndarray:
            if self.gone:
                raise RecordingError("a.edf: the file can no longer be read; was it moved?")
            return super().read(channel, start, stop)

    values = np.random.default_rng(0).normal(size=6000)
    file = Vanishing({"a": (50.0, values), "b": (50.0, values), "c": (50.0, values)})
    view = make_view(make_recording(file))
    qtbot.waitUntil(lambda: not view._building.is_busy)
    errors = []
    view.failed.connect(errors.append)
    file.gone = True
    for start in (80.0, 90.0):
        go(qtbot, view, start, start + 5)
    assert len(errors) == 1


def test_building_tells_how_far_it_is_and_reaches_its_end(qtbot, make_view, recording: Recording):
    view = make_view()
    seen: list[tuple[int, int]] = []
    view.envelope_progress.connect(lambda done, total: seen.append((done, total)))
    with qtbot.waitSignal(view.drawn, timeout=10_000):
        view.set_recording(recording)
        view.show_all()
    qtbot.waitUntil(lambda: bool(seen) and seen[-1][0] == seen[-1][1], timeout=10_000)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    qtbot.waitUntil(lambda: not view._building.is_busy)
    assert all(envelope.is_built for envelope in view._envelopes.values())


def test_nothing_is_left_running_when_the_view_is_shut_down_in_the_middle(qtbot, make_view):
    values = np.random.default_rng(0).normal(size=64 * 60)
    view = make_view()
    view.set_recording(make_recording(SlowFile({"a": (64.0, values)})))
    view.show_all()
    qtbot.waitUntil(lambda: view._reading.is_busy)
    view.shut_down()
    assert not view._reading._job.isRunning()


def test_another_recording_takes_the_place_of_one_that_is_being_read(
    qtbot, make_view, recording: Recording
):
    values = np.random.default_rng(0).normal(size=64 * 60)
    view = make_view()
    view.set_recording(make_recording(SlowFile({"slow": (64.0, values)})))
    qtbot.waitUntil(lambda: view._reading.is_busy)
    with qtbot.waitSignal(view.drawn, timeout=10_000):
        view.set_recording(recording)
    assert [name for name, _, _ in view.lines] == ["EEG C3", "EEG M2", "EMG", "Temp"]
    view.set_recording(None)
    assert view.lanes == ()
    assert view.lines == ()
    assert view.montage is None
