"""The strip shows each epoch's state, and asks for exactly the epochs that the mouse went over."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import replace

import pyqtgraph as pg
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QContextMenuEvent, QImage, QMouseEvent, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core.label_scheme import LabelScheme, load_scheme
from core.study_labels import NS, RecordingLabels, StudyLabel, make_grid, make_recording_labels
from ui.step_strip import StepStrip
from ui.time_plot import TimePlot

SCHEME = load_scheme("sleep_aasm")
BLOCKS = replace(SCHEME, ordered=False)
ROW = {entry.name: k for k, entry in enumerate(SCHEME.states)}
COLOUR = {entry.name: QColor(entry.colour) for entry in SCHEME.states}
LEFT = Qt.MouseButton.LeftButton
NO_KEY = Qt.KeyboardModifier.NoModifier
CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture(autouse=True)
def _every_move_counts() -> Iterator[None]:
    """pyqtgraph leaves out moves that follow each other within milliseconds."""
    before = pg.getConfigOption("mouseRateLimit")
    pg.setConfigOption("mouseRateLimit", 0)
    yield
    pg.setConfigOption("mouseRateLimit", before)


def labelled(names: list[str], epoch_s: float = 30.0) -> RecordingLabels:
    length = round(epoch_s * NS)
    return make_recording_labels(
        StudyLabel(k + 1, k * length, (k + 1) * length, name)
        for k, name in enumerate(names)
        if name
    )


NIGHT = labelled(["W"] * 4 + ["N1", "N2", "N2", "", "N3", "R"] * 2)


def make(qtbot, scheme: LabelScheme = SCHEME) -> StepStrip:
    """Sixteen epochs; all are visible."""
    strip = StepStrip()
    qtbot.addWidget(strip)
    strip.resize(1000, 100)
    strip.set_duration(480)
    strip.set_labels(NIGHT, scheme, make_grid(480, 30))
    strip.plot.setXRange(0, 480, padding=0)
    strip.show()
    qtbot.waitExposed(strip)
    return strip


@pytest.fixture
def strip(qtbot) -> StepStrip:
    return make(qtbot)


def place(strip: StepStrip, epoch: float, row: float = 2.5) -> QPoint:
    """Pixel of the plot's viewport; whole epochs are their starts, whole rows their tops."""
    box = strip.plot.getViewBox()
    at = strip.plot.mapFromScene(box.mapViewToScene(QPointF(epoch * 30, -row)))
    return QPoint(at.x(), at.y())


def colour_at(strip: StepStrip, epoch: float, row: float) -> QColor:
    image: QImage = strip.plot.grab().toImage()
    return image.pixelColor(place(strip, epoch, row))


def click(strip: StepStrip, epoch: float, row: float = 2.5, keys=NO_KEY, button=LEFT) -> None:
    QTest.mouseClick(strip.plot.viewport(), button, keys, place(strip, epoch, row))


def move(strip: StepStrip, to: QPoint, keys=NO_KEY) -> None:
    viewport = strip.plot.viewport()
    event = QMouseEvent(
        QMouseEvent.Type.MouseMove,
        QPointF(to),
        QPointF(viewport.mapToGlobal(to)),
        Qt.MouseButton.NoButton,
        LEFT,
        keys,
    )
    QApplication.sendEvent(viewport, event)


def press(strip: StepStrip, start: QPoint, keys=NO_KEY) -> None:
    QTest.mousePress(strip.plot.viewport(), LEFT, keys, start)


def release(strip: StepStrip, at: QPoint, keys=NO_KEY) -> None:
    QTest.mouseRelease(strip.plot.viewport(), LEFT, keys, at)


def drag(strip: StepStrip, a: float, b: float, row: float = 2.5, keys=NO_KEY) -> None:
    start, end = place(strip, a, row), place(strip, b, row)
    press(strip, start, keys)
    for share in (0.3, 0.7, 1.0):
        move(strip, QPoint(round(start.x() + share * (end.x() - start.x())), end.y()), keys)
    release(strip, end, keys)


class Asked:
    """What a strip asked for, in order."""

    def __init__(self, strip: StepStrip) -> None:
        self.all: list[tuple] = []
        strip.epoch_clicked.connect(self._clicked)
        strip.epochs_selected.connect(self._selected)
        strip.painted.connect(self._painted)

    def _clicked(self, epoch: int) -> None:
        self.all.append(("click", epoch))

    def _selected(self, first: int, last: int) -> None:
        self.all.append(("select", first, last))

    def _painted(self, first: int, last: int, name: str) -> None:
        self.all.append(("paint", first, last, name))


# ---------------------------------------------------------------- drawing


def test_each_state_is_drawn_at_the_height_of_its_class(strip: StepStrip):
    for epoch, name in ((1, "W"), (4, "N1"), (5, "N2"), (8, "N3"), (9, "R")):
        assert colour_at(strip, epoch + 0.1, ROW[name] + 0.5) == COLOUR[name]
        other = (ROW[name] + 2) % 5
        assert colour_at(strip, epoch + 0.1, other + 0.5) not in COLOUR.values()


def test_zoomed_out_every_state_is_still_drawn(qtbot):
    names = ["N2"] * 20_000
    names[7777] = "R"
    strip = make(qtbot)
    strip.set_duration(40_000)
    strip.set_labels(labelled(names, 2.0), SCHEME, make_grid(40_000, 2))
    strip.plot.setXRange(0, 40_000, padding=0)
    image = strip.plot.grab().toImage()
    box = strip.plot.getViewBox()
    at = strip.plot.mapFromScene(box.mapViewToScene(QPointF(7777.5 * 2, -ROW["R"] - 0.5)))
    ground = strip.plot.soft_colour(0.06)
    drawn = [image.pixelColor(at.x() + dx, at.y()) != ground for dx in (-3, -2, -1, 0, 1, 2, 3)]
    assert any(drawn)
    assert not all(drawn)


def test_unordered_classes_are_blocks_over_the_whole_height(qtbot):
    strip = make(qtbot, BLOCKS)
    assert strip.plot.getViewBox().viewRange()[1] == [-1, 0]
    for epoch, name in ((1, "W"), (5, "N2"), (8, "N3")):
        assert colour_at(strip, epoch + 0.1, 0.3) == COLOUR[name]
    assert colour_at(strip, 7.5, 0.3) not in COLOUR.values()


def test_rem_is_drawn_thicker_than_the_others(strip: StepStrip):
    strip.plot.setXRange(0, 4800, padding=0)  # narrow epochs: steps without names

    def thickness(epoch: float, name: str) -> int:
        image = strip.plot.grab().toImage()
        x = place(strip, epoch).x()
        column = [image.pixelColor(x, y) for y in range(image.height())]
        return sum(colour == COLOUR[name] for colour in column)

    strip.set_duration(4800)
    strip.set_labels(labelled(["R"] * 30 + ["N2"] * 30), SCHEME, make_grid(4800, 30))
    strip.plot.setXRange(0, 4800, padding=0)
    assert thickness(15, "R") >= 2 * thickness(45, "N2") > 0


def test_it_says_what_is_under_the_mouse(strip: StepStrip):
    assert strip.describe(15) == "0:00:00–0:00:30 · epoch 1 · W · by a person"
    assert strip.describe(215) == "0:03:30–0:04:00 · epoch 8 · unlabelled"
    found = StudyLabel(1, 0, 30 * NS, "N2", "state", "", "model", 0.87)
    strip.set_labels(make_recording_labels([found]), SCHEME, make_grid(480, 30))
    assert strip.describe(3).endswith("N2 · accepted from a model · confidence 0.87")
    move_to = place(strip, 0.5)
    QTest.mouseMove(strip.plot.viewport(), place(strip, 9.5))
    QTest.mouseMove(strip.plot.viewport(), move_to)
    assert strip._steps.toolTip() == strip.describe(15)


def test_it_moves_along_with_the_traces_and_moves_them(strip: StepStrip, qtbot):
    traces = TimePlot()
    qtbot.addWidget(traces)
    traces.resize(1000, 200)
    traces.show()
    strip.link_to(traces)
    traces.setXRange(60, 180, padding=0)
    assert strip.plot.getViewBox().viewRange()[0] == pytest.approx([60, 180], abs=1)
    strip.plot.setXRange(90, 120, padding=0)
    assert traces.getViewBox().viewRange()[0] == pytest.approx([90, 120], abs=1)


def test_colours_follow_the_palette(strip: StepStrip):
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Base, QColor("#101010"))
    palette.setColor(QPalette.ColorRole.Text, QColor("#f0f0f0"))
    strip.setPalette(palette)
    assert colour_at(strip, 1.5, 4.5).lightness() < 60


def test_the_epoch_of_the_cursor_is_outlined_and_told_to_screen_readers(strip: StepStrip):
    strip.set_cursor(7)
    assert colour_at(strip, 7, 2.5).lightness() < 128
    assert strip.accessibleDescription().startswith("0:03:30–0:04:00 · epoch 8 · unlabelled")
    strip.set_cursor(None)
    assert colour_at(strip, 7, 2.5).lightness() > 200


def test_30000_labels_are_drawn_fast(qtbot):
    names = [("N2", "N2", "N3", "R", "W")[k * 7 // 11 % 5] for k in range(30_000)]
    strip = make(qtbot)
    strip.resize(1600, 110)
    strip.set_duration(60_000)
    strip.set_labels(labelled(names, 2.0), SCHEME, make_grid(60_000, 2))
    for span in (60_000, 5_000, 60):
        taken = []
        for k in range(7):
            strip.plot.setXRange(k, k + span, padding=0)
            start = time.perf_counter()
            strip.plot.viewport().repaint()
            taken.append(time.perf_counter() - start)
        # Measured 2 to 5 ms; the machine that tests may be busy.
        assert statistics.median(taken) < 0.03, f"{span} s: {1000 * statistics.median(taken):.1f}"


# ---------------------------------------------------------------- mouse


def test_a_click_goes_to_the_epoch_and_paints_nothing(strip: StepStrip):
    asked = Asked(strip)
    click(strip, 5.5, ROW["R"] + 0.5)
    click(strip, 15.9)
    assert asked.all == [("click", 5), ("click", 15)]


def test_a_plain_drag_chooses_epochs_once(strip: StepStrip):
    asked = Asked(strip)
    drag(strip, 2.5, 6.5)
    drag(strip, 9.5, 3.5)
    assert asked.all == [("select", 2, 6), ("select", 3, 9)]


def test_with_control_the_height_says_which_class(strip: StepStrip):
    asked = Asked(strip)
    click(strip, 5.5, ROW["R"] + 0.5, CONTROL)
    drag(strip, 1.5, 4.5, ROW["N3"] + 0.5, CONTROL)
    assert asked.all == [("paint", 5, 5, "R"), ("paint", 1, 4, "N3")]


def test_with_control_unordered_classes_have_no_height(qtbot):
    strip = make(qtbot, BLOCKS)
    asked = Asked(strip)
    click(strip, 5.5, 0.5, CONTROL)
    assert asked.all == [("click", 5)]


def test_painting_asks_once_when_the_mouse_is_let_go(strip: StepStrip):
    strip.set_paint_class("N3")
    asked = Asked(strip)
    press(strip, place(strip, 1.5))
    move(strip, place(strip, 3.5))
    move(strip, place(strip, 6.5))
    assert asked.all == []
    assert colour_at(strip, 4.5, ROW["N3"] + 0.3) == COLOUR["N3"]  # what it would be
    assert colour_at(strip, 2.5, ROW["W"] + 0.5) not in COLOUR.values()
    release(strip, place(strip, 6.5))
    assert asked.all == [("paint", 1, 6, "N3")]
    assert colour_at(strip, 2.1, ROW["W"] + 0.5) == COLOUR["W"]  # nobody has painted it
    click(strip, 9.5, ROW["W"] + 0.5)
    assert asked.all[-1] == ("paint", 9, 9, "N3")
    strip.set_paint_class("")
    click(strip, 9.5)
    assert asked.all[-1] == ("paint", 9, 9, "")
    strip.set_paint_class(None)
    click(strip, 9.5)
    assert asked.all[-1] == ("click", 9)


def test_a_drag_beyond_the_ends_stays_within_the_epochs(strip: StepStrip):
    asked = Asked(strip)
    drag(strip, 14.5, 25.0)
    drag(strip, 1.5, -3.0)
    assert asked.all == [("select", 14, 15), ("select", 0, 1)]


def test_a_recording_that_is_signed_off_is_not_painted(strip: StepStrip):
    strip.set_paint_class("N3")
    strip.set_editable(False)
    asked = Asked(strip)
    click(strip, 5.5)
    click(strip, 5.5, 0.5, CONTROL)
    drag(strip, 1.5, 3.5)
    assert asked.all == [("click", 5), ("click", 5), ("select", 1, 3)]


def test_the_right_button_and_the_menu_key_ask_for_a_menu(strip: StepStrip, qtbot):
    with qtbot.waitSignal(strip.menu_requested) as asked:
        click(strip, 6.5, button=Qt.MouseButton.RightButton)
    assert asked.args[0] == 6
    assert asked.args[1] == strip.plot.viewport().mapToGlobal(place(strip, 6.5))
    strip.set_cursor(3)
    with qtbot.waitSignal(strip.menu_requested) as asked:
        keyboard = QContextMenuEvent.Reason.Keyboard
        QApplication.sendEvent(strip, QContextMenuEvent(keyboard, QPoint(1, 1), QPoint(1, 1)))
    assert asked.args[0] == 3


def test_without_epochs_the_mouse_asks_for_nothing(strip: StepStrip):
    asked = Asked(strip)
    strip.set_labels(RecordingLabels(), SCHEME, None)
    click(strip, 5.5)
    strip.set_labels(RecordingLabels(), SCHEME, make_grid(0, 30))
    click(strip, 5.5)
    drag(strip, 2.5, 5.5)
    strip.plot.grab()
    assert asked.all == []


# ---------------------------------------------------------------- keys


def test_keys_do_what_the_mouse_does(strip: StepStrip):
    asked = Asked(strip)
    strip.set_cursor(5)
    click(strip, 5.5)  # takes the focus
    assert strip.hasFocus() or strip.plot.focusProxy() is strip
    asked.all.clear()
    shift = Qt.KeyboardModifier.ShiftModifier
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End):
        QTest.keyClick(strip, key)
    assert asked.all == [("click", 4), ("click", 6), ("click", 0), ("click", 15)]
    asked.all.clear()
    QTest.keyClick(strip, Qt.Key.Key_Right, shift)
    strip.set_selection((5, 6))
    QTest.keyClick(strip, Qt.Key.Key_Right, shift)
    strip.set_selection((5, 7))
    QTest.keyClick(strip, Qt.Key.Key_Left, shift)
    assert asked.all == [("select", 5, 6), ("select", 5, 7), ("select", 5, 6)]
    asked.all.clear()
    QTest.keyClick(strip, Qt.Key.Key_Return)
    assert asked.all == []
    strip.set_paint_class("R")
    QTest.keyClick(strip, Qt.Key.Key_Return)
    strip.set_selection(None)
    QTest.keyClick(strip, Qt.Key.Key_Return)
    assert asked.all == [("paint", 5, 7, "R"), ("paint", 5, 5, "R")]
