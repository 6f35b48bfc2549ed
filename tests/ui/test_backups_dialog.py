"""A backup is restored after a question that says what happens, and nothing is thrown away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QMessageBox
from shiboken6 import isValid

from core.label_scheme import load_scheme
from core.study import Study, StudySettings
from core.study_file import STUDY_FILE, backups_of
from tests.ui.dialog_checks import check_controls
from ui.backups_dialog import BackupsDialog, size_text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study with rater CD, and a backup from before CD came."""
    folder = tmp_path / "study"
    study = Study.create(folder, StudySettings("t"), load_scheme("sleep_aasm"))
    study.rater("AB")
    study.file.backup("daily-2024-05-01")
    study.file.backup("daily-2024-04-30")
    study.rater("CD")
    study.close()
    for day, name in enumerate(("daily-2024-04-30", "daily-2024-05-01")):
        at = 1_714_500_000 + day * 86400
        os.utime(folder / "backups" / f"{name}.sqlite", (at, at))
    return folder


def raters(folder: Path) -> list[str]:
    study = Study.open(folder, read_only=True)
    names = [rater.name for rater in study.raters()]
    study.close()
    return names


def question() -> QMessageBox:
    return next(
        w for w in QApplication.topLevelWidgets() if isinstance(w, QMessageBox) and w.isVisible()
    )


@pytest.fixture
def dialog(qtbot, folder: Path) -> Iterator[BackupsDialog]:
    dialog = BackupsDialog(folder)
    dialog.open()
    yield dialog
    if isValid(dialog):
        dialog.close()


def test_backups_are_listed_the_newest_first_with_time_and_size(dialog, folder: Path) -> None:
    files = [dialog.table.item(row, 2).text() for row in range(dialog.table.rowCount())]
    assert files == ["daily-2024-05-01.sqlite", "daily-2024-04-30.sqlite"]
    assert dialog.chosen == backups_of(folder)[0]
    assert dialog.table.item(0, 0).text().startswith("2024-05-01")
    assert dialog.table.item(0, 1).text().endswith("kB")


def test_restoring_is_asked_for_and_what_was_there_is_kept(qtbot, dialog, folder: Path) -> None:
    closed: list[Path] = []
    dialog.about_to_restore.connect(closed.append)
    dialog.restore.click()
    box = question()
    assert "Nothing is thrown away" in box.informativeText()
    assert "came later are not in it" in box.informativeText()
    go = next(b for b in box.buttons() if box.buttonRole(b) == box.ButtonRole.AcceptRole)
    with qtbot.waitSignal(dialog.restored) as restored:
        go.click()
    assert restored.args == [folder]
    assert closed == [folder]
    assert raters(folder) == ["AB"]
    kept = list(folder.glob("study-replaced-*.sqlite"))
    assert len(kept) == 1
    assert kept[0].name in dialog.state.text()
    dialog.close()
    assert not dialog.isVisible()


def test_without_a_yes_nothing_happens(qtbot, dialog, folder: Path) -> None:
    closed: list[Path] = []
    dialog.about_to_restore.connect(closed.append)
    dialog.restore.click()
    box = question()
    assert box.defaultButton() is box.button(QMessageBox.StandardButton.Cancel)
    box.button(QMessageBox.StandardButton.Cancel).click()
    assert closed == []
    assert raters(folder) == ["AB", "CD"]


def test_a_study_that_is_open_elsewhere_is_left_alone_and_that_is_said(
    qtbot, dialog, folder: Path
) -> None:
    study = Study.open(folder)
    dialog.restore.click()
    box = question()
    go = next(b for b in box.buttons() if box.buttonRole(b) == box.ButtonRole.AcceptRole)
    with qtbot.waitSignal(dialog.not_restored):
        go.click()
    assert "open in another window" in dialog.state.text()
    says = next(
        w
        for w in QApplication.topLevelWidgets()
        if isinstance(w, QMessageBox) and "another window" in w.text()
    )
    says.close()
    assert [rater.name for rater in study.raters()] == ["AB", "CD"]
    study.close()


def test_a_damaged_backup_is_refused(qtbot, dialog, folder: Path) -> None:
    backups_of(folder)[0].write_bytes(b"SQLite format 3\0 and then nothing")
    dialog.look()
    before = (folder / STUDY_FILE).read_bytes()
    row = next(
        row
        for row in range(dialog.table.rowCount())
        if dialog.table.item(row, 2).text() == "daily-2024-05-01.sqlite"
    )
    dialog.table.selectRow(row)
    dialog.restore.click()
    box = question()
    go = next(b for b in box.buttons() if box.buttonRole(b) == box.ButtonRole.AcceptRole)
    with qtbot.waitSignal(dialog.not_restored):
        go.click()
    says = question()
    assert "cannot be read" in says.text()
    says.close()
    assert (folder / STUDY_FILE).read_bytes() == before


def test_a_study_without_backups_says_so(qtbot, tmp_path: Path) -> None:
    dialog = BackupsDialog(tmp_path)
    dialog.open()
    assert "no backup" in dialog.state.text()
    assert not dialog.restore.isEnabled()
    dialog._buttons.button(QDialogButtonBox.StandardButton.Close).click()
    assert not dialog.isVisible()


def test_sizes_are_written_for_people() -> None:
    assert [size_text(n) for n in (12, 4096, 48_000, 1_230_000)] == [
        "12 B", "4.1 kB", "48 kB", "1.2 MB"
    ]  # fmt: skip


def test_controls_have_names_and_keys_and_fit(dialog) -> None:
    check_controls(dialog)
