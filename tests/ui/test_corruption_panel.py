"""Failures are chosen with the keyboard, asked for, stopped, and shown beside removal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from core.corrupted_scoring import CorruptedResult, Sweep
from core.corruption import STRENGTHS, WHOLE, Corruption
from core.window_view import LiveFigures
from ui.corruption_panel import CorruptionPanel


def figures(changed: float, macro_f1: float | None, is_test: bool = False) -> LiveFigures:
    return LiveFigures(40, 2, 0.0, changed, 0.8, 40, is_test, macro_f1, macro_f1, macro_f1)


def result(strength: float = 0.0, changed: float = 0.3, is_test: bool = False) -> CorruptedResult:
    touched = np.ones((40, 2), bool)
    touched[:, 1] = False
    return CorruptedResult(
        corruptions=(Corruption("noise", ("acc",), strength),),
        modalities=("acc",),
        touched=touched,
        caught=np.zeros_like(touched),
        probabilities=np.full((40, 3), 1 / 3, np.float32),
        clean=figures(0.0, 0.9, is_test),
        corrupted=figures(changed, 0.9 - changed, is_test),
        removed=figures(0.2, 0.75, is_test),
    )


def sweep(is_test: bool = False) -> Sweep:
    levels = ((20.0, 0.01), (10.0, 0.05), (5.0, 0.1), (0.0, 0.3), (-5.0, 0.6))
    return Sweep(tuple(result(strength, changed, is_test) for strength, changed in levels))


@pytest.fixture
def panel(qtbot) -> CorruptionPanel:
    made = CorruptionPanel()
    qtbot.addWidget(made)
    made.set_modalities(("acc", "gyro", "temp"))
    made.set_problem("")
    made.resize(900, 700)
    made.show()
    qtbot.waitExposed(made)
    return made


def choose(panel: CorruptionPanel, kind: str) -> None:
    panel.kind.setCurrentIndex(panel.kind.findData(kind))


@pytest.mark.parametrize("kind", list(STRENGTHS))
def test_every_failure_can_be_asked_for_as_it_is_offered(
    qtbot, panel: CorruptionPanel, kind: str
) -> None:
    choose(panel, kind)
    with qtbot.waitSignal(panel.requested) as asked:
        QTest.keyClick(panel.attempt, Qt.Key.Key_Space)
    (corruption,) = asked.args[0]
    limits = STRENGTHS[kind]
    assert corruption == Corruption(kind, ("acc",), 0.0 if limits is None else limits.usual)
    assert panel.strength.isVisible() == (limits is not None)
    assert panel.gap_s.isVisible() == (kind == "gaps")
    assert panel.hum_hz.isVisible() == (kind == "hum")
    assert panel.sweep.isEnabled() == (limits is not None and limits.unit == "dB")


def test_what_is_chosen_is_what_is_asked_for(qtbot, panel: CorruptionPanel) -> None:
    choose(panel, "gaps")
    panel.strength.setValue(35)
    panel.gap_s.setValue(0.25)
    QTest.keyClick(panel.sensors.findChildren(type(panel._boxes[0]))[1], Qt.Key.Key_Space)
    panel.set_stretch((10.0, 40.0), (20.0, 30.0))
    panel.stretch.setCurrentIndex(2)
    assert panel.corruption() == Corruption("gaps", ("acc", "gyro"), 0.35, 20.0, 30.0, gap_s=0.25)
    choose(panel, "hum")
    panel.hum_hz.setCurrentIndex(1)
    panel.strength.setValue(-5)
    assert panel.corruption().hum_hz == 60.0
    assert panel.corruption().strength == -5.0


def test_a_stretch_that_is_not_there_cannot_be_chosen(panel: CorruptionPanel) -> None:
    panel.set_stretch((60.0, 90.0), None)
    assert panel.stretch.itemText(1) == "what is visible, 0:01:00–0:01:30"
    assert panel.stretch.model().item(1).isEnabled()
    assert not panel.stretch.model().item(2).isEnabled()
    panel.stretch.setCurrentIndex(1)
    panel.set_stretch((70.0, 100.0), None)
    assert (panel.corruption().start_s, panel.corruption().end_s) == (70.0, 100.0)
    panel.set_stretch(None, None)
    assert (panel.corruption().start_s, panel.corruption().end_s) == (0.0, WHOLE)


def test_a_sweep_is_asked_for_with_what_is_chosen(qtbot, panel: CorruptionPanel) -> None:
    choose(panel, "pink")
    with qtbot.waitSignal(panel.sweep_requested) as asked:
        QTest.mouseClick(panel.sweep, Qt.MouseButton.LeftButton)
    assert asked.args == [Corruption("pink", ("acc",))]


def test_while_something_is_tried_it_can_be_stopped_and_nothing_else_begun(
    qtbot, panel: CorruptionPanel
) -> None:
    choose(panel, "noise")
    assert not panel.stop.isEnabled()
    panel.set_busy("Scoring s1 with noise…")
    assert not panel.attempt.isEnabled()
    assert not panel.sweep.isEnabled()
    assert panel.reason.text() == "Scoring s1 with noise…"
    with qtbot.waitSignal(panel.stop_requested):
        QTest.keyClick(panel.stop, Qt.Key.Key_Space)
    panel.set_busy("")
    assert panel.attempt.isEnabled()
    assert not panel.reason.isVisible()


def test_why_nothing_can_be_tried_is_said(panel: CorruptionPanel) -> None:
    panel.set_problem("The files of s1 are missing.")
    assert panel.reason.text() == "The files of s1 are missing."
    assert not panel.attempt.isEnabled()
    panel.set_problem("")
    panel._boxes[0].setChecked(False)
    assert panel.reason.text() == "Tick at least one sensor."
    assert not panel.attempt.isEnabled()


def test_a_choice_that_makes_no_sense_is_refused_in_words(qtbot, panel: CorruptionPanel) -> None:
    choose(panel, "swap")
    for box in panel._boxes:
        box.setChecked(True)
    with qtbot.assertNotEmitted(panel.requested):
        panel.attempt.click()
    assert panel.reason.text() == "Channels of two modalities at most can be exchanged."


def test_a_result_stands_beside_the_removal(panel: CorruptionPanel) -> None:
    panel.set_result(result())
    assert panel.table.heads()[0] == ("as recorded", "acc failing", "acc taken away")
    assert panel.table.texts() == [
        ["0 %", "0.80", "0.90", "2"],
        ["30 %", "0.80", "0.60", "2"],
        ["20 %", "0.80", "0.75", "2"],
    ]
    said = panel.says.text()
    assert said.startswith("White noise at 0 dB on acc: 30 % of the 40 windows change their class;")
    assert "without acc 20 % do" in said
    assert "all of it gets through" in said
    assert not panel.curve.isVisible()


def test_people_that_the_model_has_seen_are_marked_as_no_test(panel: CorruptionPanel) -> None:
    panel.set_result(result())
    assert panel.table.heads()[1][2] == "macro F1, no test"
    panel.set_result(result(is_test=True))
    assert panel.table.heads()[1][2] == "macro F1"


@pytest.mark.parametrize(
    ("caught", "said"),
    [(40, "finds all of it out"), (10, "finds it out in 25 % of the windows")],
)
def test_what_the_search_for_missing_signals_found_is_told(
    panel: CorruptionPanel, caught: int, said: str
) -> None:
    one = result()
    found = one.caught.copy()
    found[:caught, 0] = True
    panel.set_result(replace(one, caught=found))
    assert said in panel.says.text()


@pytest.mark.parametrize("is_test", [False, True])
def test_a_sweep_tells_from_where_on_the_sensor_is_better_off(
    panel: CorruptionPanel, is_test: bool
) -> None:
    panel.set_sweep(sweep(is_test))
    said = panel.says.text()
    assert said.startswith(
        "With white noise on acc at 0 dB or less, it is better to switch it off."
    )
    assert ("Judged by the windows that keep their class." in said) == (not is_test)
    heads = panel.table.heads()[0]
    assert heads[0] == "as recorded"
    assert heads[5:] == ("at −5 dB", "acc taken away")
    assert panel.curve.isVisible()
    title = "macro F1" if is_test else "windows that keep their class"
    assert panel.curve.accessibleDescription().startswith(f"{title}: 20 dB ")
    panel.curve.grab()


def test_noise_that_does_no_harm_is_told_too(panel: CorruptionPanel) -> None:
    panel.set_sweep(Sweep(sweep().results[:3]))
    assert panel.says.text().startswith("Down to 5 dB, white noise on acc does no more harm")


def test_another_run_or_an_error_takes_the_result_away(panel: CorruptionPanel) -> None:
    panel.set_result(result())
    panel.tell("s1.edf: cannot be read.")
    assert panel.reason.text() == "s1.edf: cannot be read."
    assert not panel.table.isVisible()
    panel.set_result(result())
    panel.set_modalities(("eeg", "acc"))
    assert not panel.table.isVisible()
    assert panel.modalities == ("acc",)
    panel.set_modalities(("eeg", "eog"))
    assert panel.modalities == ("eeg",)
