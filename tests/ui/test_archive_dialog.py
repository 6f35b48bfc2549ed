"""Packing says what goes in and what does not; unpacking gives a study or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox

from core.study import Study
from core.study_archive import pack
from tests.core.study_makers import make_study, put, stage_labels
from tests.ui.dialog_checks import check_controls
from ui.archive_dialog import PackDialog, UnpackDialog


@pytest.fixture
def study(tmp_path: Path):
    made = make_study(tmp_path)
    put(made, made.recordings()[0], made.rater("AB"), stage_labels())
    yield made
    made.close()


def wait(qtbot, dialog) -> None:
    qtbot.waitUntil(lambda: not dialog.work.is_busy, timeout=10_000)


def test_a_study_is_packed_and_unpacked_through_the_dialogs(qtbot, study, tmp_path) -> None:
    dialog = PackDialog(study.folder)
    dialog.show()
    wait(qtbot, dialog)
    assert dialog.path == tmp_path / "study.crossl.zip"
    assert dialog.size_says.text().startswith("Files to pack: 3,")
    assert not dialog.missing.isVisible()
    check_controls(dialog)
    with qtbot.waitSignal(dialog.packed, timeout=10_000) as caught:
        qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    assert caught.args == [tmp_path / "study.crossl.zip"]
    wait(qtbot, dialog)
    assert "Packed into" in dialog.reason.text()
    dialog.reject()

    other = UnpackDialog(tmp_path / "study.crossl.zip")
    other.show()
    check_controls(other)
    assert other.place.path == tmp_path / "study-2"
    got: list[Path] = []
    other.unpacked.connect(got.append)
    with qtbot.waitSignal(other.accepted, timeout=10_000):
        qtbot.mouseClick(other.go, Qt.MouseButton.LeftButton)
    assert got == [tmp_path / "study-2"]
    again = Study.open(tmp_path / "study-2")
    assert len(again.labels(again.recordings()[0].id, again.rater("AB").id)) == 19
    again.close()


def test_missing_recordings_are_named_before_packing(qtbot, study, tmp_path) -> None:
    (tmp_path / "data" / "n2.edf").unlink()
    dialog = PackDialog(study.folder)
    dialog.show()
    wait(qtbot, dialog)
    assert dialog.missing.isVisible()
    assert dialog.missing.texts()[0][0].startswith("n2: ")
    dialog.recordings.setChecked(False)
    wait(qtbot, dialog)
    assert not dialog.missing.isVisible()
    assert dialog.size_says.text().startswith("Files to pack: 1,")
    dialog.reject()


def test_an_archive_is_replaced_only_after_a_question(qtbot, study, tmp_path) -> None:
    (tmp_path / "mine.zip").write_text("mine")
    dialog = PackDialog(study.folder)
    dialog.show()
    dialog.place.set_path(tmp_path / "mine.zip")
    wait(qtbot, dialog)
    dialog.start()
    box = dialog.findChild(QMessageBox)
    assert "mine.zip" in box.text()
    box.reject()
    assert (tmp_path / "mine.zip").read_text() == "mine"
    assert not dialog.work.is_busy
    dialog.reject()


def test_what_is_no_archive_is_refused_in_words_and_nothing_made(qtbot, study, tmp_path) -> None:
    (tmp_path / "bad.crossl.zip").write_text("hello")
    dialog = UnpackDialog(tmp_path / "bad.crossl.zip")
    dialog.show()
    dialog.start()
    qtbot.waitUntil(lambda: "no archive of a study" in dialog.reason.text(), timeout=10_000)
    assert not (tmp_path / "bad").exists()
    wait(qtbot, dialog)
    pack(study.folder, tmp_path / "good.zip", False)
    dialog.archive.set_path(tmp_path / "good.zip")
    assert dialog.place.path == tmp_path / "good"
    dialog.place.set_path(study.folder)
    dialog.archive.set_path(tmp_path / "good.zip")
    dialog.start()
    qtbot.waitUntil(lambda: "a study in it already" in dialog.reason.text(), timeout=10_000)
    wait(qtbot, dialog)
    dialog.reject()


def test_esc_stops_packing_first_and_leaves_then(qtbot, study, tmp_path, monkeypatch) -> None:
    import time

    def slowly(folder, archive, with_recordings, context, force=False):
        while True:
            context.step("packing", 1, 10)
            time.sleep(0.005)

    monkeypatch.setattr("ui.archive_dialog.pack", slowly)
    dialog = PackDialog(study.folder)
    dialog.show()
    wait(qtbot, dialog)
    dialog.start()
    qtbot.waitUntil(lambda: dialog.work.bar.value() == 100, timeout=10_000)
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: "Stopped" in dialog.reason.text(), timeout=10_000)
    assert dialog.isVisible()
    wait(qtbot, dialog)
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
