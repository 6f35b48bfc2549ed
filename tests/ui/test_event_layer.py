"""Events are taken by their edges; everything else is left to the traces."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import pyqtgraph as pg
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core.label_scheme import LabelScheme, load_scheme
from core.study_labels import NS, RecordingLabels, StudyLabel, make_grid, make_recording_labels
from ui.event_layer import SHORTEST_EVENT_S, EventLayer
from ui.time_plot import TimePlot

SCHEME = load_scheme("sleep_aasm")
LANES = (("C3", "EEG", -0.5, 0.5), ("chin", "EMG", -1.5, -0.5), ("C4", "EEG", -2.5, -1.5))
LEFT = Qt.MouseButton.LeftButton
NO_KEY = Qt.KeyboardModifier.NoModifier
ALT = Qt.KeyboardModifier.AltModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
LONG_ID = 2**62 + 5


@pytest.fixture(autouse=True)
def _every_move_counts() -> Iterator[None]:
    """pyqtgraph leaves out moves that follow each other within milliseconds."""
    before = pg.getConfigOption("mouseRateLimit")
    pg.setConfigOption("mouseRateLimit", 0)
    yield
    pg.setConfigOption("mouseRateLimit", before)


def event(
    number: int, start_s: float, end_s: float, name: str = "Arousal", modality: str = ""
) -> StudyLabel:
    return StudyLabel(number, round(start_s * NS), round(end_s * NS), name, "event", modality)


def mark(number: int, time_s: float, name: str = "Lights off") -> StudyLabel:
    return StudyLabel(number, round(time_s * NS), round(time_s * NS), name, "mark")


class Traces(TimePlot):
    """A plot of three lanes in which the left button chooses a stretch."""

    def __init__(self) -> None:
        super().__init__(selects=True)
        self.clicks: list[float] = []
        self.drags: list[tuple[float, float]] = []
        self.getViewBox().clicked.connect(self._clicked)
        self.getViewBox().dragged.connect(self._dragged)

    def _clicked(self, time_s: float, y: float) -> None:
        self.clicks.append(round(time_s))

    def _dragged(self, start_s: float, end_s: float, y: float, ended: bool) -> None:
        if ended:
            self.drags.append((round(start_s), round(end_s)))


class Asked:
    """What the layer asked for, in order."""

    def __init__(self, layer: EventLayer) -> None:
        self.all: list[tuple] = []
        layer.event_selected.connect(self._selected)
        layer.event_moved.connect(self._moved)
        layer.event_edit_requested.connect(self._edit)
        layer.event_menu_requested.connect(self._menu)

    def _selected(self, number: int) -> None:
        self.all.append(("select", number))

    def _moved(self, number: int, start_s: float, end_s: float) -> None:
        self.all.append(("move", number, round(start_s, 1), round(end_s, 1)))

    def _edit(self, number: int, place: QPoint) -> None:
        self.all.append(("edit", number))

    def _menu(self, number: int, place: QPoint) -> None:
        self.all.append(("menu", number))


@pytest.fixture
def plot(qtbot) -> Traces:
    """A hundred seconds, about ten pixels each."""
    made = Traces()
    qtbot.addWidget(made)
    made.resize(1130, 400)
    made.setYRange(-2.5, 0.5, padding=0)
    made.setXRange(0, 100, padding=0)
    made.show()
    qtbot.waitExposed(made)
    return made


def show(layer: EventLayer, *labels: StudyLabel, scheme: LabelScheme = SCHEME) -> RecordingLabels:
    made = make_recording_labels(labels)
    layer.set_labels(made, scheme, make_grid(100, 30))
    return made


@pytest.fixture
def layer(plot: Traces) -> EventLayer:
    """One event from 20 s to 40 s on everything, and one from 60 s to 70 s on the EMG."""
    made = EventLayer()
    plot.addItem(made, ignoreBounds=True)
    made.set_duration(100)
    made.set_lanes(LANES)
    show(made, event(LONG_ID, 20, 40), event(2, 60, 70, "Limb movement", "EMG"))
    return made


def place(plot: TimePlot, time_s: float, y: float = -1.0) -> QPoint:
    at = plot.mapFromScene(plot.getViewBox().mapViewToScene(QPointF(time_s, y)))
    return QPoint(at.x(), at.y())


def move(plot: TimePlot, to: QPoint, keys=NO_KEY, buttons=LEFT) -> None:
    viewport = plot.viewport()
    sent = QMouseEvent(
        QMouseEvent.Type.MouseMove,
        QPointF(to),
        QPointF(viewport.mapToGlobal(to)),
        Qt.MouseButton.NoButton,
        buttons,
        keys,
    )
    QApplication.sendEvent(viewport, sent)


def hover(plot: TimePlot, time_s: float, y: float = -1.0, keys=NO_KEY) -> None:
    move(plot, place(plot, time_s, y), keys, Qt.MouseButton.NoButton)


def drag(plot: TimePlot, a: float, b: float, y: float = -1.0, keys=NO_KEY, let_go=True) -> None:
    start, end = place(plot, a, y), place(plot, b, y)
    hover(plot, a, y, keys)
    QTest.mousePress(plot.viewport(), LEFT, keys, start)
    for share in (0.3, 0.7, 1.0):
        move(plot, QPoint(round(start.x() + share * (end.x() - start.x())), end.y()), keys)
    if let_go:
        QTest.mouseRelease(plot.viewport(), LEFT, keys, end)


def click(plot: TimePlot, time_s: float, y: float = -1.0, button=LEFT) -> None:
    hover(plot, time_s, y)
    QTest.mouseClick(plot.viewport(), button, NO_KEY, place(plot, time_s, y))


def colour_at(plot: TimePlot, time_s: float, y: float) -> QColor:
    return plot.grab().toImage().pixelColor(place(plot, time_s, y))


# ---------------------------------------------------------------- drawing


def test_events_lie_over_the_lanes_of_their_modality_only(plot: Traces, layer: EventLayer):
    ground = plot.soft_colour(0.0)
    for y in (-0.2, -1.0, -2.0):
        assert colour_at(plot, 38, y) != ground
    assert colour_at(plot, 68, -0.2) == ground
    assert colour_at(plot, 68, -1.3) != ground
    assert colour_at(plot, 68, -2.0) == ground
    assert colour_at(plot, 50, -1.0) == ground


def test_lanes_that_are_apart_make_several_boxes(plot: Traces, layer: EventLayer):
    show(layer, event(3, 60, 70, "Arousal", "EEG"))
    ground = plot.soft_colour(0.0)
    assert [colour_at(plot, 68, y) != ground for y in (-0.2, -1.0, -2.0)] == [True, False, True]
    layer.set_lanes(LANES[1:2])  # no EEG on the screen
    assert colour_at(plot, 68, -1.0) == ground


def test_of_events_at_the_same_place_both_outlines_are_seen(plot: Traces, layer: EventLayer):
    show(layer, event(1, 20, 40, "Arousal"), event(2, 20, 40, "Apnea"))
    image = plot.grab().toImage()
    x = place(plot, 38).x()
    colours = {image.pixelColor(x, y).name() for y in range(60)}
    assert {"#cc79a7", "#117733"} <= colours


def test_the_selected_event_has_handles(plot: Traces, layer: EventLayer):
    before = colour_at(plot, 30, -2.2)
    outline = colour_at(plot, 20.3, -0.97)
    layer.set_selected(LONG_ID)
    assert colour_at(plot, 30, -2.2) != before
    assert colour_at(plot, 20.3, -1.0) != outline


def test_marks_have_a_line_and_a_flag(plot: Traces, layer: EventLayer):
    show(layer, mark(1, 50), mark(2, 99, "Lights on"))
    assert colour_at(plot, 50, -1.0) == plot.text_colour()
    image = plot.grab().toImage()
    y = place(plot, 0, -2.43).y()
    flagged = [image.pixelColor(x, y).name() for x in range(image.width())]
    assert "#444444" in flagged
    assert "#b8860b" in flagged  # flies to the left, inside the plot


def test_short_events_are_seen_at_any_zoom(plot: Traces, layer: EventLayer):
    show(layer, event(1, 5000, 5000.2))
    plot.setXRange(0, 36_000, padding=0)
    image = plot.grab().toImage()
    y = place(plot, 0, -1.0).y()
    drawn = {image.pixelColor(x, y).name() for x in range(140, image.width() - 2)}
    assert len(drawn) == 2


def test_long_events_that_began_before_are_found_behind_many_short_ones(
    plot: Traces, layer: EventLayer
):
    shorts = [event(k + 10, 10 * k, 10 * k + 1) for k in range(300)]
    show(layer, event(1, 0, 3500, "Artefact"), *shorts)
    plot.setXRange(3300, 3400, padding=0)
    assert colour_at(plot, 3350, -1.0) != plot.soft_colour(0.0)


def test_30000_events_are_drawn_in_a_moment(plot: Traces, layer: EventLayer):
    names = ("Arousal", "Apnea", "Hypopnea")
    modalities = ("", "EEG", "EMG")
    many = [
        event(k + 1, 2.0 * k, 2.0 * k + 0.5 + k % 5, names[k % 3], modalities[k % 3])
        for k in range(30_000)
    ]
    show(layer, *many)
    for span in (60_000, 1000, 30):
        taken = []
        for k in range(5):
            plot.setXRange(k, k + span, padding=0)
            start = time.perf_counter()
            plot.viewport().repaint()
            taken.append(time.perf_counter() - start)
        # A tenth of that is usual; the machine that tests may be busy.
        assert statistics.median(taken) < 0.15, f"{span} s: {1000 * statistics.median(taken):.1f}"


def test_it_does_not_widen_the_range_of_the_plot(plot: Traces, layer: EventLayer):
    show(layer, event(1, 5000, 6000))
    plot.getViewBox().updateAutoRange()
    assert plot.getViewBox().viewRange()[0] == [0, 100]


def test_colours_follow_the_palette(plot: Traces, layer: EventLayer):
    light = colour_at(plot, 30, -1.0)
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Base, QColor("#101010"))
    palette.setColor(QPalette.ColorRole.Text, QColor("#f0f0f0"))
    plot.setPalette(palette)
    assert colour_at(plot, 30, -1.0).lightness() < 80 < light.lightness()


# ---------------------------------------------------------------- choosing


def test_a_click_selects_and_a_click_beside_deselects(plot: Traces, layer: EventLayer):
    asked = Asked(layer)
    click(plot, 30)
    assert asked.all == [("select", LONG_ID)]
    assert plot.clicks == []
    layer.set_selected(LONG_ID)
    click(plot, 50)
    assert asked.all == [("select", LONG_ID), ("select", 0)]
    assert plot.clicks == [50]  # the traces hear of it too
    layer.set_selected(0)
    click(plot, 80)
    assert len(asked.all) == 2
    assert plot.clicks == [50, 80]


def test_a_click_beside_the_lanes_of_an_event_is_no_click_on_it(plot: Traces, layer: EventLayer):
    asked = Asked(layer)
    click(plot, 65, -0.1)
    assert asked.all == []
    click(plot, 65, -1.0)
    assert asked.all == [("select", 2)]


def test_the_shorter_of_two_events_lies_on_top(plot: Traces, layer: EventLayer):
    show(layer, event(1, 20, 60), event(2, 30, 40, "Apnea"))
    asked = Asked(layer)
    click(plot, 35)
    click(plot, 50)
    assert asked.all == [("select", 2), ("select", 1)]


def test_a_double_click_asks_to_edit_and_the_right_button_for_a_menu(
    plot: Traces, layer: EventLayer, qtbot
):
    asked = Asked(layer)
    click(plot, 30)
    QTest.mouseDClick(plot.viewport(), LEFT, NO_KEY, place(plot, 30))
    QTest.mouseRelease(plot.viewport(), LEFT, NO_KEY, place(plot, 30))
    assert asked.all == [("select", LONG_ID), ("edit", LONG_ID)]
    with qtbot.waitSignal(layer.event_menu_requested) as menu:
        click(plot, 30, button=Qt.MouseButton.RightButton)
    assert menu.args == [LONG_ID, plot.viewport().mapToGlobal(place(plot, 30))]
    with qtbot.waitSignal(plot.getViewBox().menu_wanted):
        click(plot, 50, button=Qt.MouseButton.RightButton)


def test_it_says_what_is_under_the_mouse(plot: Traces, layer: EventLayer):
    hover(plot, 65)
    assert layer.toolTip() == "0:01:00.0–0:01:10.0 · Limb movement · 10 s · EMG"
    hover(plot, 50)
    assert layer.toolTip() == ""


# ---------------------------------------------------------------- moving


def test_edges_have_a_cursor_of_their_own(plot: Traces, layer: EventLayer):
    for time_s, near in ((20, True), (19.7, True), (40.3, True), (30, False), (50, False)):
        hover(plot, time_s)
        assert layer.hasCursor() == near, time_s


def test_dragging_an_edge_moves_it_without_snapping(plot: Traces, layer: EventLayer):
    asked = Asked(layer)
    drag(plot, 40, 47)
    drag(plot, 20, 13)
    assert [entry[:2] for entry in asked.all] == [("move", LONG_ID)] * 2
    assert asked.all[0][2:] == pytest.approx((20, 47), abs=0.15)
    assert asked.all[1][2:] == pytest.approx((13, 40), abs=0.15)
    assert plot.drags == []


def test_a_drag_is_shown_before_and_asked_for_when_let_go(plot: Traces, layer: EventLayer):
    asked = Asked(layer)
    ground = plot.soft_colour(0.0)
    drag(plot, 40, 50, let_go=False)
    assert asked.all == []
    assert colour_at(plot, 48, -2.0) != ground
    QTest.mouseRelease(plot.viewport(), LEFT, NO_KEY, place(plot, 50))
    assert len(asked.all) == 1
    assert colour_at(plot, 48, -2.0) == ground  # nobody has moved it


def test_shift_snaps_to_epochs(plot: Traces, layer: EventLayer):
    asked = Asked(layer)
    drag(plot, 40, 56, keys=SHIFT)
    assert asked.all == [("move", LONG_ID, 20, 60)]


def test_with_alt_the_whole_event_moves(plot: Traces, layer: EventLayer):
    asked = Asked(layer)
    drag(plot, 30, 45, keys=ALT)
    assert asked.all[0][:2] == ("move", LONG_ID)
    assert asked.all[0][2:] == pytest.approx((35, 55), abs=0.15)
    drag(plot, 30, 2, keys=ALT)
    assert asked.all[1][2:] == (0, 20)  # it keeps its length at the start of the recording


def test_a_drag_inside_an_event_is_left_to_the_traces(plot: Traces, layer: EventLayer):
    asked = Asked(layer)
    drag(plot, 25, 35)
    drag(plot, 50, 80, y=-0.1)
    assert asked.all == []
    assert plot.drags == [(25, 35), (50, 80)]


def test_edges_stay_in_order_and_in_the_recording(plot: Traces, layer: EventLayer):
    moved: list[tuple] = []
    layer.event_moved.connect(lambda *values: moved.append(values))
    drag(plot, 40, 10)
    assert moved[-1] == (LONG_ID, 20, pytest.approx(20 + SHORTEST_EVENT_S))
    plot.setXRange(0, 200, padding=0)
    drag(plot, 40, 150)
    assert moved[-1] == (LONG_ID, 20, 100)


def test_the_edges_of_an_event_of_a_few_pixels_can_be_taken(plot: Traces, layer: EventLayer):
    show(layer, event(1, 50, 50.3))
    asked = Asked(layer)
    drag(plot, 50.5, 55)
    assert asked.all[0][2] == 50
    assert asked.all[0][3] == pytest.approx(54.8, abs=0.3)


def test_marks_are_moved_and_stay_moments(plot: Traces, layer: EventLayer):
    show(layer, mark(7, 50))
    asked = Asked(layer)
    drag(plot, 50, 62)
    assert asked.all[0][:2] == ("move", 7)
    assert asked.all[0][2] == asked.all[0][3] == pytest.approx(62, abs=0.15)


def test_nothing_moves_in_a_recording_that_is_signed_off(plot: Traces, layer: EventLayer):
    layer.set_editable(False)
    asked = Asked(layer)
    hover(plot, 40)
    assert not layer.hasCursor()
    drag(plot, 40, 50)
    drag(plot, 30, 45, keys=ALT)
    assert asked.all == []
    assert len(plot.drags) == 2
    click(plot, 30)
    assert asked.all == [("select", LONG_ID)]


def test_what_is_changed_meanwhile_is_no_longer_dragged(plot: Traces, layer: EventLayer):
    asked = Asked(layer)
    drag(plot, 40, 50, let_go=False)
    show(layer, event(2, 60, 70))
    QTest.mouseRelease(plot.viewport(), LEFT, NO_KEY, place(plot, 50))
    assert asked.all == []
    plot.grab()
