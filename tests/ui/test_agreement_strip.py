"""Every epoch on which raters disagree is seen, at any zoom, and can be gone to."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtTest import QTest

from core.label_scheme import load_scheme
from core.study_labels import NS, RecordingLabels, StudyLabel, make_grid, make_recording_labels
from ui.agreement_strip import DISAGREE_COLOUR, AgreementStrip

SCHEME = load_scheme("sleep_aasm")
RED = QColor(DISAGREE_COLOUR)
COLOUR = {entry.name: QColor(entry.colour) for entry in SCHEME.states}


def labelled(names: list[str]) -> RecordingLabels:
    return make_recording_labels(
        StudyLabel(k + 1, k * 30 * NS, (k + 1) * 30 * NS, name)
        for k, name in enumerate(names)
        if name
    )


@pytest.fixture
def strip(qtbot) -> AgreementStrip:
    """Two raters, ten epochs; they disagree on the third and the last."""
    made = AgreementStrip()
    qtbot.addWidget(made)
    made.set_duration(300)
    one = labelled(["W"] * 2 + ["N1"] + ["N2"] * 7)
    other = labelled(["W"] * 3 + ["N2"] * 5 + ["", "R"])
    raters = [("anna", one), ("a rater with a long name", other)]
    made.set_raters(raters, SCHEME, make_grid(300, 30), [2, 9])
    made.resize(1000, made.height())
    made.plot.setXRange(0, 300, padding=0)
    made.show()
    qtbot.waitExposed(made)
    return made


def place(strip: AgreementStrip, time_s: float, row: int) -> QPoint:
    box = strip.plot.getViewBox()
    at = strip.plot.mapFromScene(box.mapViewToScene(QPointF(time_s, -row - 0.5)))
    return QPoint(at.x(), at.y())


def colour_at(strip: AgreementStrip, time_s: float, row: int) -> QColor:
    return strip.plot.grab().toImage().pixelColor(place(strip, time_s, row))


def test_each_rater_has_a_row_in_the_colours_of_the_classes(strip: AgreementStrip):
    assert colour_at(strip, 75, 0) == COLOUR["N1"]
    assert colour_at(strip, 75, 1) == COLOUR["W"]
    assert colour_at(strip, 285, 1) == COLOUR["R"]
    assert colour_at(strip, 255, 1) not in COLOUR.values()  # unlabelled
    ticks = strip.plot.getAxis("left")._tickLevels[0]
    assert [text for _, text in ticks] == ["anna", "a rater with a …", "disagree"]


def test_disagreements_are_red_below(strip: AgreementStrip):
    assert [colour_at(strip, 30 * k + 15, 2) == RED for k in range(10)] == [
        k in (2, 9) for k in range(10)
    ]


def test_zoomed_out_no_disagreement_is_lost(strip: AgreementStrip):
    epochs = 20_000
    strip.set_duration(epochs * 30)
    disagreeing = np.array([17, 5003, 5004, 19_999])
    strip.set_raters(
        [("a", labelled(["W"])), ("b", labelled(["R"]))],
        SCHEME,
        make_grid(epochs * 30, 30),
        disagreeing,
    )
    strip.plot.setXRange(0, epochs * 30, padding=0)
    image = strip.plot.grab().toImage()
    y = place(strip, 0, 2).y()
    is_red = [image.pixelColor(x, y) == RED for x in range(image.width())]
    runs = sum(now and not before for before, now in pairwise([False, *is_red]))
    assert runs == 3
    assert sum(is_red) <= 9


def test_a_click_goes_to_the_epoch(strip: AgreementStrip, qtbot):
    with qtbot.waitSignal(strip.epoch_clicked) as asked:
        QTest.mouseClick(strip.plot.viewport(), Qt.MouseButton.LeftButton, pos=place(strip, 200, 2))
    assert asked.args == [6]


def test_it_says_what_each_rater_says(strip: AgreementStrip):
    text = strip.describe(75)
    assert text == "0:01:00–0:01:30 · anna: N1 · a rater with a long name: W"
    assert strip.describe(255).endswith(": unlabelled")
    assert strip.accessibleDescription() == "2 raters; they disagree on 2 epochs."


def test_other_raters_replace_the_rows(strip: AgreementStrip):
    before = strip.height()
    strip.set_raters([("b", labelled(["R"] * 10))] * 1, SCHEME, make_grid(300, 30), [])
    assert strip.height() < before
    assert colour_at(strip, 75, 0) == COLOUR["R"]
    strip.set_raters([], SCHEME, make_grid(300, 30), [])
    strip.plot.grab()


def test_colours_follow_the_palette_and_the_cursor_is_outlined(strip: AgreementStrip):
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Base, QColor("#101010"))
    palette.setColor(QPalette.ColorRole.Text, QColor("#f0f0f0"))
    strip.setPalette(palette)
    assert colour_at(strip, 45, 2).lightness() < 60
    strip.set_cursor(1)
    assert colour_at(strip, 30, 2).lightness() > 200
