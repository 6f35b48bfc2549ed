"""Recordings are added to a study by keys or mouse; what it has already is told, and stays."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget

from core.config import RecordingsConfig, SourceConfig
from core.errors import StudyError
from core.find_recordings import find_recordings, open_recording
from core.study import Study
from core.study_addition import Addition, AdditionOutcome, keep_addition
from tests.core.study_makers import make_study, write_edf
from tests.ui.dialog_checks import check_controls
from ui.add_recordings_dialog import AddRecordingsDialog
from ui.wizard_page import choose

SCORED = [(30.0 * k, 30.0, f"Sleep stage {'W123R'[k % 5]}") for k in range(5)]


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    """Two nights, found by a pattern, and a third file that came later."""
    made = make_study(tmp_path)
    patterns = {"sources": [{"pattern": "data/{subject}.edf"}], "join": "union"}
    made.change_settings(replace(made.settings, recordings=patterns))
    write_edf(tmp_path / "data" / "n3.edf", annotations=SCORED, seed=3)
    yield made
    made.close()


@pytest.fixture
def make_dialog(qtbot, study: Study) -> Iterator[Callable[..., AddRecordingsDialog]]:
    made: list[AddRecordingsDialog] = []

    def make(*paths: Path) -> AddRecordingsDialog:
        dialog = AddRecordingsDialog(study.folder, study.settings, study.scheme, study.recordings())
        made.append(dialog)
        dialog.open()
        qtbot.waitExposed(dialog)
        settle(qtbot, dialog)
        if paths:
            dialog.set_paths(paths)
            settle(qtbot, dialog)
        return dialog

    yield make
    for dialog in made:
        if shiboken6.isValid(dialog):
            dialog.done(0)


def settle(qtbot, dialog: AddRecordingsDialog) -> None:
    qtbot.waitUntil(lambda: not dialog.draft.is_busy() and not dialog.work.is_busy, timeout=20_000)
    QApplication.processEvents()


def rows(dialog: AddRecordingsDialog) -> list[tuple[str, bool, str]]:
    return [(row.id, row.taken, row.problem) for row in dialog.recordings_page.model.rows]


def added(qtbot, dialog: AddRecordingsDialog) -> Addition:
    with qtbot.waitSignal(dialog.addition_ready, timeout=20_000) as signal:
        qtbot.keyClick(dialog, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    return signal.args[0]


def press(qtbot, dialog: QWidget, button: QWidget) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    QApplication.processEvents()


# ---------------------------------------------------------------- what is found


def test_the_studys_patterns_find_what_came_since(qtbot, make_dialog, study):
    dialog = make_dialog()
    assert rows(dialog) == [
        ("n3", True, ""),
        ("n1", False, "It is in the study already."),
        ("n2", False, "It is in the study already."),
    ]
    assert dialog.recordings_page.editor.pattern.text() == "data/{subject}.edf"
    assert dialog.recordings_page.count.text() == "3 recordings were found, the new ones first."
    text = "1 recording will be added. 2 are in the study already."
    assert dialog.summary.text() == text
    addition = added(qtbot, dialog)
    assert dialog.isVisible()  # until it is kept
    assert keep_addition(study, addition, "AB") == AdditionOutcome(1)
    dialog.accept()
    assert not dialog.isVisible()
    assert [entry.name for entry in study.recordings()] == ["n1", "n2", "n3"]


def test_a_tick_leaves_out_a_recording_but_brings_in_none_that_is_there(
    qtbot, make_dialog, tmp_path
):
    write_edf(tmp_path / "data" / "n4.edf", seed=4)
    dialog = make_dialog()
    table = dialog.recordings_page.table
    table.setFocus()
    for row in (0, 3):
        table.setCurrentIndex(dialog.recordings_page.model.index(row, 0))
        qtbot.keyClick(table, Qt.Key.Key_Space)
        settle(qtbot, dialog)
    assert {id: taken for id, taken, _ in rows(dialog)} == {
        "n3": False, "n4": True, "n1": False, "n2": False,
    }  # fmt: skip
    assert [found.id for found, _ in added(qtbot, dialog).opened] == ["n4"]


def test_where_all_recordings_are_there_the_way_on_is_told(qtbot, make_dialog, tmp_path):
    (tmp_path / "data" / "n3.edf").unlink()
    dialog = make_dialog()
    assert not dialog.go.isEnabled()
    assert dialog.reason.text().startswith("The study has all of these recordings already.")
    new = write_edf(tmp_path / "other" / "z9.edf", seed=9)
    dialog.set_paths([new])
    settle(qtbot, dialog)
    assert dialog.reason.text() == ""
    assert rows(dialog)[0] == ("z9", True, "")
    assert [found.id for found, _ in added(qtbot, dialog).opened] == ["z9"]


def test_a_copy_of_a_file_that_is_there_is_refused_with_its_name(make_dialog, tmp_path):
    shutil.copy(tmp_path / "data" / "n1.edf", tmp_path / "data" / "twin.edf")
    dialog = make_dialog()
    assert rows(dialog)[1] == (
        "twin", True, "twin.edf is in the study already, as the recording 'n1'.",
    )  # fmt: skip
    assert dialog.summary.text().endswith("1 cannot be added.")
    assert dialog.go.isEnabled()


def test_without_patterns_files_are_read_as_those_of_the_study(qtbot, make_dialog, study, tmp_path):
    config = RecordingsConfig(
        sources=[SourceConfig(pattern="{subject}.edf", time_zone="Asia/Tokyo")]
    )
    write_edf(tmp_path / "tokyo" / "t1.edf", seed=5)
    (found,) = find_recordings(config, tmp_path / "tokyo")
    for entry in study.recordings():
        study.remove_recording(entry.id)
    study.add_recordings([(found, open_recording(found, config))])
    study.change_settings(replace(study.settings, recordings={"join": "union"}))
    dialog = make_dialog()
    assert not dialog.go.isEnabled()
    assert dialog.reason.text() == "Add files or a folder, or drop them here."
    dialog.set_paths([write_edf(tmp_path / "more" / "t2.edf", seed=6)])
    settle(qtbot, dialog)
    config = dialog.draft.recordings
    assert (config.sources[0].time_zone, config.join) == ("Asia/Tokyo", "union")
    assert not dialog.recordings_page.join.isEnabled()
    press(qtbot, dialog, dialog.recordings_page.start_over)
    settle(qtbot, dialog)
    assert (rows(dialog), dialog.summary.text()) == ([], "")


def test_files_come_by_dropping_and_by_the_button(qtbot, make_dialog, tmp_path, monkeypatch):
    dialog = make_dialog()
    one = write_edf(tmp_path / "other" / "x1.edf", seed=11)
    two = write_edf(tmp_path / "other" / "x2.edf", seed=12)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(one))])
    event = QDropEvent(
        QPoint(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    dialog.dropEvent(event)
    settle(qtbot, dialog)
    assert ("x1", True, "") in rows(dialog)
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(two)], ""))
    press(qtbot, dialog, dialog.recordings_page.add_files)
    settle(qtbot, dialog)
    assert ("x2", True, "") in rows(dialog)


def test_a_pattern_is_typed_and_what_is_wrong_with_it_is_said(qtbot, make_dialog):
    dialog = make_dialog()
    pattern = dialog.recordings_page.editor.pattern
    pattern.setFocus()
    pattern.selectAll()
    qtbot.keyClicks(pattern, "nowhere/{subject}.edf")
    settle(qtbot, dialog)
    assert "matches no file" in dialog.reason.text()
    assert not dialog.go.isEnabled()
    qtbot.keyClick(pattern, Qt.Key.Key_Return)  # finishes typing, and adds nothing
    assert dialog.isVisible()
    pattern.selectAll()
    qtbot.keyClicks(pattern, "data/{subject}.edf")
    settle(qtbot, dialog)
    assert dialog.go.isEnabled()


# ---------------------------------------------------------------- labels, copies


def test_labels_are_brought_in_when_asked_for(qtbot, make_dialog, study):
    dialog = make_dialog()
    dialog.tabs.tabBar().setFocus()
    qtbot.keyClick(dialog.tabs.tabBar(), Qt.Key.Key_Right)
    settle(qtbot, dialog)
    page = dialog.labels_page
    assert page.isVisible()
    assert dialog.draft.labels is None
    assert "annotations" in page.says.text()
    place = page.kind.findData("annotations")
    page.kind.setCurrentIndex(place)
    page.kind.activated.emit(place)
    settle(qtbot, dialog)
    page.rater.setFocus()
    page.rater.selectAll()
    qtbot.keyClicks(page.rater, "EF")
    settle(qtbot, dialog)
    assert dialog.summary.text().endswith("under the name “EF”.")
    # A text may become a class that the study does not have yet.
    becomes = page._boxes[page._texts.index("Sleep stage 3")]
    becomes.setCurrentText("Deep")
    becomes.said.emit()
    settle(qtbot, dialog)
    outcome = keep_addition(study, added(qtbot, dialog), "AB")
    assert (outcome.labels, outcome.problems) == (5, ())
    rater = study.rater("EF")
    labels = study.labels(study.recordings()[2].id, rater.id)
    assert [label.class_name for label in labels.states] == ["W", "N1", "N2", "Deep", "R"]
    assert study.scheme.find("Deep") is not None


def test_labels_need_a_name_under_which_they_are_kept(qtbot, make_dialog):
    dialog = make_dialog()
    dialog.tabs.setCurrentIndex(1)
    settle(qtbot, dialog)
    page = dialog.labels_page
    choose(page.kind, "annotations")
    page.kind.activated.emit(page.kind.currentIndex())
    settle(qtbot, dialog)
    page.rater.setFocus()
    page.rater.selectAll()
    qtbot.keyClick(page.rater, Qt.Key.Key_Delete)
    settle(qtbot, dialog)
    assert dialog.reason.text() == "Say whose labels these are; any name will do."
    assert not dialog.go.isEnabled()
    choose(page.kind, "none")
    page.kind.activated.emit(page.kind.currentIndex())
    settle(qtbot, dialog)
    assert dialog.go.isEnabled()


def test_files_are_copied_into_the_study_when_ticked(qtbot, make_dialog, study):
    dialog = make_dialog()
    dialog.copy.setFocus()
    qtbot.keyClick(dialog.copy, Qt.Key.Key_Space)
    addition = added(qtbot, dialog)
    assert [path.name for path in addition.recordings[0].copies] == ["n3.edf"]
    keep_addition(study, addition)
    assert study.recordings()[2].files[0].relative_path == "recordings/data/n3.edf"


# ---------------------------------------------------------------- going wrong


def test_where_nothing_can_be_opened_the_reason_stays_to_be_read(qtbot, make_dialog, tmp_path):
    (tmp_path / "data" / "n3.edf").write_bytes(b"0       nothing")
    dialog = make_dialog()
    dialog.start()
    settle(qtbot, dialog)
    assert dialog.reason.text().startswith("None of the 1 recordings can be added.")
    assert dialog.tabs.isEnabled()
    write_edf(tmp_path / "data" / "n4.edf", seed=4)
    dialog.set_paths([tmp_path / "data"])
    settle(qtbot, dialog)
    assert dialog.reason.text() == ""
    assert added(qtbot, dialog).problems


def test_esc_stops_the_work_first_and_leaves_then(qtbot, make_dialog, tmp_path, study, monkeypatch):
    waiting, go = threading.Event(), threading.Event()

    def slow(plan, context):
        waiting.set()
        assert go.wait(10)
        context.step("opening recordings", 0, 1)

    monkeypatch.setattr("ui.add_recordings_dialog.open_addition", slow)
    dialog = make_dialog()
    dialog.start()
    assert waiting.wait(10)
    assert not dialog.tabs.isEnabled()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    go.set()
    settle(qtbot, dialog)
    assert dialog.isVisible()
    assert dialog.go.isEnabled()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_while_the_study_takes_them_in_the_dialog_stays_and_tells_what_fails(
    qtbot, make_dialog, study
):
    dialog = make_dialog()
    added(qtbot, dialog)
    dialog.show_keeping(0, 1)
    assert not dialog.tabs.isEnabled()
    assert dialog.work.words.text() == "Adding to the study…"
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert dialog.isVisible()
    dialog.keeping_failed(StudyError("The disk is full."))
    assert dialog.reason.text() == "The disk is full."
    assert dialog.go.isEnabled()


def test_every_control_has_a_name_and_a_key_of_its_own_and_the_dialog_fits(qtbot, make_dialog):
    dialog = make_dialog()
    for section in (dialog.recordings_page.editor.more, dialog.recordings_page.joining):
        section.button.setChecked(True)
    check_controls(dialog)
    dialog.tabs.setCurrentIndex(1)
    settle(qtbot, dialog)
    for kind in ("annotations", "table", "file"):
        choose(dialog.labels_page.kind, kind)
        dialog.labels_page.kind.activated.emit(dialog.labels_page.kind.currentIndex())
        settle(qtbot, dialog)
        check_controls(dialog)
