"""Moved recordings are searched for in folders, shown, and taken when the user agrees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from core.moved_files import FoundAgain, accept_moved, missing_files
from tests.core.study_makers import make_study, write_edf
from tests.ui.dialog_checks import check_controls
from ui.moved_files_dialog import MovedFilesDialog, Relocation


@pytest.fixture
def study(tmp_path: Path):
    made = make_study(tmp_path)
    yield made
    made.close()


@pytest.fixture
def make_dialog(qtbot, study):
    def relocate(one: Relocation) -> None:
        accept_moved(study, [one.found], "AB", insist=one.insist)

    def make(folders=()) -> MovedFilesDialog:
        dialog = MovedFilesDialog(missing_files(study), relocate, folders)
        dialog.show()
        return dialog

    return make


def wait(qtbot, dialog) -> None:
    qtbot.waitUntil(lambda: not dialog.work.is_busy, timeout=10_000)


def test_files_are_found_in_an_added_folder_and_taken(qtbot, study, make_dialog, tmp_path):
    os.rename(tmp_path / "data" / "n1.edf", tmp_path / "data" / "x.edf")
    os.rename(tmp_path / "data", tmp_path / "moved")
    dialog = make_dialog()
    assert [row[2] for row in dialog.table.texts()] == ["not yet", "not yet"]
    assert not dialog.go.isEnabled()
    dialog.add_folder(str(tmp_path / "moved"))
    wait(qtbot, dialog)
    assert [row[2:] for row in dialog.table.texts()] == [
        ["same content", str(tmp_path / "moved" / "x.edf")],
        ["same content", str(tmp_path / "moved" / "n2.edf")],
    ]
    check_controls(dialog)
    got: list[list[FoundAgain]] = []
    dialog.relocated.connect(got.append)
    with qtbot.waitSignal(dialog.accepted):
        qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    assert [one.missing.recording for one in got[0]] == ["n1", "n2"]
    assert missing_files(study) == ()


def test_other_content_is_taken_only_when_the_user_insists(qtbot, study, make_dialog, tmp_path):
    os.unlink(tmp_path / "data" / "n1.edf")
    write_edf(tmp_path / "new" / "data" / "n1.edf", seed=7)
    dialog = make_dialog([tmp_path / "new"])
    wait(qtbot, dialog)
    assert dialog.table.texts()[0][2] == "same place, other content"
    assert dialog.insist.isVisible()
    assert not dialog.go.isEnabled()
    dialog.insist.setChecked(True)
    with qtbot.waitSignal(dialog.accepted):
        qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    assert study.audit("n1")[0].action == "file replaced"


def test_what_is_not_found_or_went_away_is_said(qtbot, study, make_dialog, tmp_path) -> None:
    os.rename(tmp_path / "data", tmp_path / "moved")
    (tmp_path / "empty").mkdir()
    dialog = make_dialog([tmp_path / "empty", tmp_path / "none"])
    wait(qtbot, dialog)
    assert "Nothing was found" in dialog.reason.text()
    assert "none" in dialog.reason.text()
    dialog.add_folder(str(tmp_path / "moved"))
    wait(qtbot, dialog)
    os.unlink(tmp_path / "moved" / "n1.edf")
    with qtbot.waitSignal(dialog.relocated) as caught:
        dialog.accept_found()
    assert [one.missing.recording for one in caught.args[0]] == ["n2"]
    assert "no longer there" in dialog.reason.text()
    assert [row[0] for row in dialog.table.texts()] == ["n1"]
    wait(qtbot, dialog)
    dialog.reject()


def test_nothing_missing_is_said_too(qtbot, make_dialog, tmp_path) -> None:
    dialog = make_dialog([tmp_path])
    assert "All files" in dialog.says.text()
    assert not dialog.look.isEnabled()
    dialog.reject()
