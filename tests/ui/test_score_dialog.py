"""Recordings are ticked, scored in the background, and what came of each stands in its row."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from core.errors import ModelError
from core.progress import RunContext
from core.study_scoring import ScoredRecording, ScoreSummary
from tests.ui.dialog_checks import check_controls
from ui.score_dialog import (
    CLASSES,
    FINDINGS,
    STATUS,
    ScoreDialog,
    ScoreRequest,
    ScoreRow,
)

SUMMARY = ScoreSummary(120, 118, {"rest": 0.25, "walk": 0.75, "run": 0.0}, 0.83, 0.1)
RUNS = [("001_First", "First"), ("002_Again", "Again")]
ROWS = [
    ScoreRow("n1", "anna", "predicted already", summary=SUMMARY),
    ScoreRow("n2", "anna", "scored", "Check the gain.", SUMMARY),
    ScoreRow("n3", "bert"),
    ScoreRow("n4", "cleo"),
]


@pytest.fixture
def dialog(qtbot):
    made = ScoreDialog(RUNS, "001_First", ROWS, ("rest", "walk", "run"), {"walk": "#112233"})
    made.show()
    yield made
    qtbot.waitUntil(lambda: not made.work.is_busy)
    made.reject()


def texts(dialog: ScoreDialog, name: str) -> list[str]:
    return next(row for row in dialog.table.texts() if row[0] == name)


def wanted(qtbot, dialog: ScoreDialog) -> ScoreRequest:
    with qtbot.waitSignal(dialog.wanted) as caught:
        qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    return caught.args[0]


def test_recordings_without_predictions_are_ticked(qtbot, dialog) -> None:
    assert dialog.ticked == ("n3", "n4")
    assert texts(dialog, "n1")[STATUS] == "predicted by the run"
    assert texts(dialog, "n1")[3:7] == ["120", "rest 25 %, walk 75 %", "0.83", "10 %"]
    assert texts(dialog, "n3")[STATUS:] == ["no predictions yet", "", "", "", "", ""]
    request = wanted(qtbot, dialog)
    assert request == ScoreRequest("001_First", ("n3", "n4"))


def test_ticks_are_set_by_key_but_not_for_what_the_run_predicted(dialog) -> None:
    dialog.no.click()
    assert dialog.ticked == ()
    assert not dialog.go.isEnabled()
    dialog.table.setFocus()
    for row in (0, 1, 3):
        dialog.table.setCurrentCell(row, STATUS)
        QTest.keyClick(dialog.table, Qt.Key.Key_Space)
    assert dialog.ticked == ("n2", "n4")
    QTest.keyClick(dialog.table, Qt.Key.Key_Space)
    assert dialog.ticked == ("n2",)
    dialog.new.click()
    assert dialog.ticked == ("n3", "n4")


def test_each_row_is_filled_as_its_recording_is_done(qtbot, dialog) -> None:
    go_on = threading.Event()

    def work(done, context: RunContext) -> list[ScoredRecording]:
        context.step("scoring n3", 30, 60)
        first = ScoredRecording("n3", "bert", "scored", "", ("acc is unlike.",), SUMMARY, {})
        done(first)
        go_on.wait(10)
        second = ScoredRecording("n4", "cleo", "failed", "n4.edf: there is no such file.")
        done(second)
        return [first, second]

    wanted(qtbot, dialog)
    with qtbot.waitSignal(dialog.scored, timeout=10_000) as caught:
        dialog.run(partial(work, dialog.recording_done.emit))
        qtbot.waitUntil(lambda: texts(dialog, "n3")[STATUS] == "scored")
        assert texts(dialog, "n3")[FINDINGS] == "acc is unlike."
        assert texts(dialog, "n4")[STATUS] == "scoring…"
        assert not dialog.go.isEnabled()
        assert "Scoring n3 (1 of 2)" in dialog.work.words.text()
        go_on.set()
    assert len(caught.args[0]) == 2
    assert texts(dialog, "n4")[STATUS] == "failed"
    assert "no such file" in texts(dialog, "n4")[FINDINGS]
    assert "1 of 2 recordings scored, 1 failed" in dialog.reason.text()
    assert dialog.ticked == ()
    assert dialog.isVisible()


def test_stopping_keeps_what_was_done(qtbot, dialog) -> None:
    def work(done, context: RunContext) -> list[ScoredRecording]:
        done(ScoredRecording("n3", "bert", "scored", "", (), SUMMARY, {}))
        while True:
            context.step("scoring n4", 1, 60)
            threading.Event().wait(0.01)

    wanted(qtbot, dialog)
    dialog.run(partial(work, dialog.recording_done.emit))
    qtbot.waitUntil(lambda: texts(dialog, "n3")[STATUS] == "scored")
    with qtbot.waitSignal(dialog.stopped, timeout=5000):
        QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert texts(dialog, "n3")[STATUS] == "scored"
    assert texts(dialog, "n4")[STATUS] == "stopped"
    assert "kept" in dialog.reason.text()
    assert dialog.isVisible()


def test_what_fails_as_a_whole_is_said_in_the_dialog(qtbot, dialog) -> None:
    def work(context: RunContext) -> list[ScoredRecording]:
        raise ModelError("model: damaged.")

    wanted(qtbot, dialog)
    dialog.run(work)
    qtbot.waitUntil(lambda: "damaged" in dialog.reason.text())
    assert texts(dialog, "n3")[STATUS] == "stopped"


def test_a_recording_with_predictions_is_shown_on_return_or_double_click(qtbot, dialog) -> None:
    dialog.table.setFocus()
    dialog.table.setCurrentCell(1, 0)
    assert dialog.detail.text() == "Check the gain."
    with qtbot.waitSignal(dialog.recording_chosen) as caught:
        QTest.keyClick(dialog.table, Qt.Key.Key_Return)
    assert caught.args == ["n2"]
    assert dialog.isVisible()
    place = dialog.table.visualItemRect(dialog.table.item(0, STATUS)).center()
    qtbot.mouseClick(dialog.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    with qtbot.waitSignal(dialog.recording_chosen) as caught:
        qtbot.mouseDClick(dialog.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert caught.args == ["n1"]
    dialog.table.setCurrentCell(2, 0)
    QTest.keyClick(dialog.table, Qt.Key.Key_Return)
    assert "n3 has no predictions yet" in dialog.reason.text()


def test_another_model_shows_its_own_predictions(qtbot, dialog) -> None:
    with qtbot.waitSignal(dialog.run_chosen) as caught:
        dialog.run_box.setCurrentIndex(1)
    assert caught.args == ["002_Again"]
    dialog.show_recordings([ScoreRow("n1", "anna"), ScoreRow("n2", "anna")], ("rest",))
    assert dialog.ticked == ("n1", "n2")
    assert wanted(qtbot, dialog).run == "002_Again"


def test_files_outside_of_the_study_get_rows_of_their_own(qtbot, dialog) -> None:
    with qtbot.waitSignal(dialog.wanted) as caught:
        dialog.score_files(["a.edf", "b.edf"])
    assert caught.args[0] == ScoreRequest("001_First", files=(Path("a.edf"), Path("b.edf")))
    dialog.recording_done.emit(ScoredRecording("a", "a", "scored", "", (), SUMMARY, {}))
    assert texts(dialog, "a")[STATUS] == "scored"
    assert dialog.ticked == ("n3", "n4")


def test_shares_are_drawn_in_the_colours_of_the_study(qtbot, dialog) -> None:
    assert dialog.bars.colour("walk").name() == "#112233"
    rect = dialog.table.visualItemRect(dialog.table.item(0, CLASSES))
    image = dialog.table.viewport().grab(rect).toImage()
    middle = image.height() // 2 + 6  # below the name
    ratio = image.devicePixelRatio()
    at = image.pixelColor(int(0.9 * image.width()), min(int(middle * ratio), image.height() - 5))
    assert at.name() == "#112233"


def test_a_dialog_without_models_or_recordings_opens(qtbot) -> None:
    dialog = ScoreDialog([], "", [])
    dialog.show()
    assert not dialog.go.isEnabled()
    assert not dialog.files.isEnabled()
    QTest.keyClick(dialog.table, Qt.Key.Key_Space)
    dialog.reject()


def test_every_control_has_a_name_and_a_key_of_its_own(dialog) -> None:
    check_controls(dialog)
