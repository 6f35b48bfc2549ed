"""The strip shows what the model says of each window, how sure it is, and what it cannot know."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QContextMenuEvent, QImage, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core.prediction_table import read_prediction_table
from tests.ui.window_example import (
    CHANGED,
    CLASSES,
    COUNT,
    DIFFERS,
    END_S,
    LENGTH_S,
    NO_EOG,
    NOTHING,
    UNLABELLED,
    UNSURE,
    WITHOUT_EEG,
    make_example_view,
    make_windows,
    seen_by_the_model,
)
from ui.prediction_strip import ROWS, PredictionStrip
from ui.time_plot import TimePlot
from ui.window_lane import row_edges

COLOURS = {"wake": "#d62728", "light": "#1f77b4", "deep": "#2ca02c"}


@pytest.fixture
def strip(qtbot) -> PredictionStrip:
    """The example under all modalities, unsure below 0.5; all of it is visible."""
    made = PredictionStrip()
    qtbot.addWidget(made)
    made.resize(1200, 420)
    made.set_duration(END_S)
    made.set_view(make_example_view(threshold=0.5), COLOURS)
    made.plot.setXRange(0, END_S, padding=0)
    made.show()
    qtbot.waitExposed(made)
    return made


def place(strip: PredictionStrip, window: float, row: str, share: float = 0.5) -> QPoint:
    """The pixel at the middle of a window, and at a share of a row from its top."""
    ids = [each.id.split()[0] for each in strip.axis.rows]
    edges = row_edges(strip.axis.rows)
    k = ids.index(row)
    y = edges[k] + share * (edges[k + 1] - edges[k])
    box = strip.plot.getViewBox()
    at = strip.plot.mapFromScene(box.mapViewToScene(QPointF((window + 0.5) * LENGTH_S, -y)))
    return QPoint(at.x(), at.y())


def colour_at(strip: PredictionStrip, window: float, row: str, share: float = 0.5) -> QColor:
    return strip.plot.grab().toImage().pixelColor(place(strip, window, row, share))


def colours_around(strip: PredictionStrip, window: float, row: str, share: float) -> set[str]:
    """Colours of the pixels of one line within a window."""
    image: QImage = strip.plot.grab().toImage()
    at = place(strip, window, row, share)
    return {image.pixelColor(at.x() + dx, at.y()).name() for dx in range(-12, 13)}


def of_class(number: int) -> float:
    """The middle of a class's part of a row of classes."""
    return (number + 0.5) / len(CLASSES)


# ---------------------------------------------------------------- what is drawn


def test_each_class_has_its_own_height_and_colour(strip: PredictionStrip):
    for window, number in ((1, 0), (6, 1), (13, 2), (17, 0)):
        expected = QColor(COLOURS[CLASSES[number]]).name()
        assert colour_at(strip, window, "predicted", of_class(number)).name() == expected
        other = colour_at(strip, window, "predicted", of_class((number + 1) % 3)).name()
        assert other not in COLOURS.values()


def test_rows_come_in_order_and_those_with_nothing_to_show_are_left_out(strip: PredictionStrip):
    assert strip.rows == ROWS
    assert [row.title for row in strip.axis.rows if row.id.startswith("missing")] == [
        "no eeg, emg",
        "no eog",
    ]
    view = make_example_view()
    unlabelled = replace(view, labels=np.full(COUNT, -1), present=np.ones((COUNT, 3), bool))
    strip.set_view(unlabelled, COLOURS)
    assert strip.rows == ("predicted", "changed", "probabilities", "confidence", "fragility")


def test_rows_can_be_hidden_and_heights_adapt(strip: PredictionStrip):
    before = strip.plot.minimumHeight()
    strip.set_rows(("predicted", "confidence"))
    assert strip.rows == ("predicted", "confidence")
    assert strip.plot.minimumHeight() < before
    assert strip.plot.getViewBox().viewRange()[1][0] == pytest.approx(
        -row_edges(strip.axis.rows)[-1]
    )
    with pytest.raises(ValueError, match="colour"):
        strip.set_rows(("colour",))


def test_an_unsure_window_is_pale_and_hatched(strip: PredictionStrip):
    full = QColor(COLOURS["wake"]).name()
    unsure = colours_around(strip, UNSURE, "predicted", of_class(0))
    assert full in unsure  # the lines
    assert len(unsure) > 1
    assert colours_around(strip, UNSURE - 1, "predicted", of_class(0)) == {full}
    strip.set_view(make_example_view(threshold=0.4), COLOURS)
    assert colours_around(strip, UNSURE, "predicted", of_class(0)) == {full}


def test_probabilities_are_stacked_in_the_order_of_the_classes(strip: PredictionStrip):
    # 0.45, 0.35 and 0.2 of it, from above.
    for share, name in ((0.2, "wake"), (0.6, "light"), (0.9, "deep")):
        expected = QColor(COLOURS[name]).name()
        assert colour_at(strip, UNSURE, "probabilities", share).name() == expected


def test_confidence_is_as_high_as_it_is(strip: PredictionStrip):
    ground = colour_at(strip, 1, "confidence", 0.1)
    assert colour_at(strip, 1, "confidence", 0.3) != ground  # 0.8
    assert colour_at(strip, UNSURE, "confidence", 0.3) == ground  # 0.45
    assert colour_at(strip, UNSURE, "confidence", 0.7) != colour_at(strip, 1, "confidence", 0.7)


def test_the_threshold_is_a_line(strip: PredictionStrip):
    def lightest(row_share: float) -> set[str]:
        return colours_around(strip, NOTHING, "confidence", row_share)

    lines = [share for share in np.linspace(0.3, 0.7, 60) if len(lightest(share)) > 1]
    assert lines
    assert lines == pytest.approx([0.5] * len(lines), abs=0.06)
    note = next(row.note for row in strip.axis.rows if row.id == "confidence")
    assert note == "unsure < 0.50"


def test_only_labelled_windows_can_differ(strip: PredictionStrip):
    red = [colour_at(strip, k, "differs").red() > 180 for k in range(COUNT)]
    red_and_dark = [colour_at(strip, k, "differs").green() < 100 for k in range(COUNT)]
    assert [k for k in range(COUNT) if red[k] and red_and_dark[k]] == [DIFFERS]
    ground = strip.plot.soft_colour(0.0)
    assert colour_at(strip, UNLABELLED, "differs") == ground
    assert colour_at(strip, UNLABELLED - 1, "differs") != ground


def test_windows_that_the_switches_change_are_marked(strip: PredictionStrip):
    text = strip.plot.text_colour()

    def marked() -> list[int]:
        return [k for k in range(COUNT) if colour_at(strip, k, "changed") == text]

    assert marked() == []
    rows = strip.axis.rows
    strip.set_view(make_example_view(WITHOUT_EEG), COLOURS)
    assert strip.axis.rows[1:3] == rows[1:3]  # nothing jumps
    assert marked() == list(CHANGED)


def test_nothing_present_is_hatched_and_so_is_what_is_switched_off(strip: PredictionStrip):
    assert len(colours_around(strip, NOTHING, "predicted", 0.5)) > 1
    assert len(colours_around(strip, NOTHING, "probabilities", 0.5)) > 1
    assert len(colours_around(strip, NOTHING + 1, "predicted", of_class(0))) == 1
    strip.set_view(make_example_view((1,)), COLOURS)  # the EOG alone, which is missing there
    assert len(colours_around(strip, NO_EOG[0], "predicted", of_class(0))) > 1
    assert len(colours_around(strip, NO_EOG[0], "changed", 0.5)) > 1


def test_what_is_missing_is_hatched_where_it_is(strip: PredictionStrip):
    def hatched(row: int) -> list[int]:
        edges = row_edges(strip.axis.rows)
        image = strip.plot.grab().toImage()
        box = strip.plot.getViewBox()
        found = []
        for k in range(COUNT):
            y = -(edges[row] + edges[row + 1]) / 2
            at = strip.plot.mapFromScene(box.mapViewToScene(QPointF((k + 0.5) * LENGTH_S, y)))
            pixels = {image.pixelColor(at.x() + dx, at.y()).name() for dx in range(-12, 13)}
            if len(pixels) > 1:
                found.append(k)
        return found

    titles = [row.title for row in strip.axis.rows]
    assert hatched(titles.index("no eog")) == [*NO_EOG, NOTHING]
    assert hatched(titles.index("no eeg, emg")) == [NOTHING]


def test_many_classes_share_a_row_with_their_names_in_it(strip: PredictionStrip):
    view = make_example_view()
    names = tuple(f"c{k}" for k in range(9))
    wide = np.full((COUNT, 9), 0.02, np.float32)
    wide[np.arange(COUNT), np.arange(COUNT) % 9] = 0.84
    many = replace(
        view, classes=names, probabilities=wide, full=np.arange(COUNT) % 9, kept=view.kept
    )
    strip.set_view(many, {name: "#2ca02c" for name in names})
    assert "c3" in strip.describe(35)
    # All windows have one colour; names are what is left to tell them apart.
    assert len(colours_around(strip, 3, "predicted", 0.5)) > 2
    assert strip.axis.rows[0].weight < 4


def test_a_model_that_has_seen_the_person_is_named(strip: PredictionStrip):
    assert strip.axis.rows[0].note == ""
    assert strip.describe(5).endswith("held out")
    strip.set_view(seen_by_the_model(), COLOURS)
    assert strip.axis.rows[0].note == "seen in training"
    assert strip.describe(5).endswith("seen in training")
    half = replace(make_example_view(), held_out=np.arange(COUNT) < 5)
    strip.set_view(half, COLOURS)
    assert strip.axis.rows[0].note == "partly seen in training"


# ---------------------------------------------------------------- words


def test_it_says_all_that_is_known_of_a_window(strip: PredictionStrip):
    assert strip.describe(UNSURE * LENGTH_S) == (
        "0:00:30–0:00:40 · unsure, likeliest wake · label wake · confidence 0.45 · "
        "wake 0.45, light 0.35, deep 0.20 · fragility 0.00 · present: eeg, eog, emg · held out"
    )
    assert "missing: eog" in strip.describe(NO_EOG[0] * LENGTH_S)
    assert "no modality present" in strip.describe(NOTHING * LENGTH_S)
    assert "no label" in strip.describe(UNLABELLED * LENGTH_S)
    assert strip.describe(-1) == strip.describe(END_S) == ""
    strip.set_view(make_example_view(WITHOUT_EEG), COLOURS)
    text = strip.describe(CHANGED[0] * LENGTH_S)
    assert "predicted light · with all modalities wake" in text
    assert "switched off: eeg" in text
    strip.set_view(make_example_view(()), COLOURS)
    assert "no prediction: what is present is switched off" in strip.describe(5)


def test_the_legend_names_classes_and_signs(strip: PredictionStrip):
    text = strip._legend.text()
    for said in (*CLASSES, "unsure&nbsp;(below&nbsp;0.50)", "no&nbsp;answer"):
        assert said in text
    assert COLOURS["wake"] in text
    assert "unknown" not in text
    strip.set_view(None)
    assert strip._legend.text() == "There are no predictions of this recording."
    assert strip.rows == ()
    assert strip.describe(5) == ""
    strip.grab()


def test_old_tables_are_drawn_too_and_what_they_lack_is_left_out(
    strip: PredictionStrip, tmp_path: Path
):
    path = tmp_path / "p.csv"
    path.write_text(
        "start_s,end_s,label,predicted,confidence,present,fragility\n"
        "0,100,wake,light,0.6,eeg;emg,0.25\n100,200,,wake,0.7,eeg,\n"
    )
    strip.set_predictions(read_prediction_table(path), CLASSES)
    assert strip.rows == (
        *("predicted", "probabilities", "confidence", "label", "differs", "fragility"),
        "missing",
    )
    assert strip.describe(50) == (
        "0:00:00–0:01:40 · predicted light · label wake · confidence 0.60 · fragility 0.25 · "
        "present: eeg, emg"
    )
    assert "other&nbsp;classes,&nbsp;unknown" in strip._legend.text()
    image = strip.plot.grab().toImage()
    known = image.pixelColor(place(strip, 5, "probabilities", 0.3))
    unknown = image.pixelColor(place(strip, 5, "probabilities", 0.8))
    assert known.hslSaturation() > 100  # the predicted class
    assert unknown.hslSaturation() < 20  # the others, of which nothing is known
    strip.set_predictions(None, ())
    assert strip.read_out == ""


# ---------------------------------------------------------------- mouse and keys


def test_pointing_at_a_window_reads_it_out(strip: PredictionStrip, qtbot):
    box = strip.plot.getViewBox()
    with qtbot.waitSignal(strip.hovered) as said:
        strip.plot.scene().sigMouseMoved.emit(box.mapViewToScene(QPointF(71.0, -1.0)))
    assert said.args == [strip.describe(71.0)]
    assert strip.read_out == strip.describe(71.0)
    strip.plot.scene().sigMouseMoved.emit(QPointF(-50.0, -50.0))
    assert strip.read_out == ""


def test_a_click_goes_there(strip: PredictionStrip, qtbot):
    clicked = []
    strip.window_clicked.connect(clicked.append)
    with qtbot.waitSignal(strip.went_to) as asked:
        QTest.mouseClick(
            strip.plot.viewport(),
            Qt.MouseButton.LeftButton,
            pos=place(strip, 7, "probabilities"),
        )
    assert asked.args == [pytest.approx(75, abs=1)]
    assert clicked == [7]
    assert strip.cursor == 7


def test_the_right_button_asks_for_a_menu(strip: PredictionStrip, qtbot):
    with qtbot.waitSignal(strip.menu_requested) as asked:
        QTest.mouseClick(
            strip.plot.viewport(), Qt.MouseButton.RightButton, pos=place(strip, 4, "confidence")
        )
    assert asked.args[0] == 4


def test_keys_move_a_cursor_and_go_there(strip: PredictionStrip, qtbot):
    strip.setFocus()
    QTest.keyClick(strip, Qt.Key.Key_Right)  # none yet: the middle of what is visible
    assert strip.cursor == COUNT // 2
    QTest.keyClick(strip, Qt.Key.Key_Left)
    assert strip.cursor == COUNT // 2 - 1
    assert strip.read_out.startswith("0:01:30")
    QTest.keyClick(strip, Qt.Key.Key_Home)
    QTest.keyClick(strip, Qt.Key.Key_Left)
    assert strip.cursor == 0
    QTest.keyClick(strip, Qt.Key.Key_End)
    QTest.keyClick(strip, Qt.Key.Key_Right)
    assert strip.cursor == COUNT - 1
    with qtbot.waitSignals([strip.went_to, strip.window_clicked]):
        QTest.keyClick(strip, Qt.Key.Key_Return)
    menu = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, QPoint(1, 1), QPoint(9, 9))
    with qtbot.waitSignal(strip.menu_requested) as asked:
        QApplication.sendEvent(strip, menu)
    assert asked.args[0] == COUNT - 1
    assert strip.describe_cursor() in strip.accessibleDescription()


def test_the_cursor_takes_what_is_visible_along(strip: PredictionStrip):
    strip.plot.setXRange(0, 40, padding=0)
    strip.setFocus()
    strip.set_cursor(3)
    QTest.keyClick(strip, Qt.Key.Key_Right)
    low, high = strip.plot.getViewBox().viewRange()[0]
    assert low <= 40
    assert high >= 50
    assert high - low == pytest.approx(40)


def test_the_cursor_stays_while_switches_are_tried(strip: PredictionStrip):
    strip.set_cursor(7)
    strip.set_view(make_example_view(WITHOUT_EEG), COLOURS)
    assert strip.cursor == 7
    strip.set_view(replace(make_example_view(), starts_s=np.arange(COUNT) + 1.0), COLOURS)
    assert strip.cursor is None


def test_it_moves_along_with_the_traces(strip: PredictionStrip, qtbot):
    traces = TimePlot()
    qtbot.addWidget(traces)
    traces.resize(1200, 200)
    traces.show()
    strip.link_to(traces)
    traces.setXRange(60, 180, padding=0)
    assert strip.plot.getViewBox().viewRange()[0] == pytest.approx([60, 180], abs=1)


# ---------------------------------------------------------------- looks


def test_colours_follow_the_palette(strip: PredictionStrip):
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Base, QColor("#101010"))
    palette.setColor(QPalette.ColorRole.Text, QColor("#f0f0f0"))
    strip.setPalette(palette)
    assert colour_at(strip, 1, "predicted", of_class(2)).lightness() < 60
    strip.set_view(make_example_view(WITHOUT_EEG), COLOURS)
    assert colour_at(strip, CHANGED[0], "changed").lightness() > 200


@pytest.mark.parametrize("count", [0, 1, 2])
def test_very_few_windows_are_drawn(strip: PredictionStrip, count: int):
    windows = make_windows(count=count)
    view = replace(make_example_view(), **_first(count))
    strip.set_view(view, COLOURS)
    strip.grab()
    strip.resize(300, strip.minimumSizeHint().height())
    strip.grab()
    assert len(windows) == count


def _first(count: int) -> dict[str, np.ndarray]:
    view = make_example_view()
    names = ("starts_s", "ends_s", "probabilities", "full", "labels", "present", "fragility")
    return {name: getattr(view, name)[:count] for name in (*names, "shapley", "held_out")}


def test_a_window_no_wider_than_a_pixel_is_not_lost(strip: PredictionStrip):
    count = 20_000
    view = make_example_view()
    probabilities = np.tile(np.array([0.8, 0.1, 0.1], np.float32), (count, 1))
    probabilities[9_000] = (0.1, 0.1, 0.8)
    starts = np.arange(count) * 30.0
    strip.set_duration(count * 30.0)
    strip.set_view(
        replace(
            view,
            starts_s=starts,
            ends_s=starts + 30.0,
            probabilities=probabilities,
            full=np.zeros(count, np.int64),
            labels=np.zeros(count, np.int64),
            present=np.ones((count, 3), bool),
            fragility=np.zeros(count, np.float32),
            shapley=np.zeros((count, 3), np.float32),
            held_out=np.ones(count, bool),
        ),
        COLOURS,
    )
    strip.plot.setXRange(0, count * 30.0, padding=0)
    image = strip.plot.grab().toImage()
    at = place(strip, 0, "differs")
    red = [x for x in range(image.width()) if image.pixelColor(x, at.y()).green() < 100
           and image.pixelColor(x, at.y()).red() > 180]  # fmt: skip
    assert 1 <= len(red) <= 3
    deep = place(strip, 0, "predicted", of_class(2))
    ground = image.pixelColor(red[0] - 20, deep.y())
    assert any(image.pixelColor(x, deep.y()) != ground for x in range(red[0] - 2, red[0] + 3))
    times = []
    for _ in range(7):
        began = time.thread_time()
        strip.plot.grab()
        times.append(1000 * (time.thread_time() - began))
    assert statistics.median(times) < 50  # 7 ms where nothing else runs
