"""De-identifying shows every field before and after, and writes copies that name nobody."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import edfio
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox

from core.deidentify import STUDY_FILE
from tests.core.study_makers import START, write_edf
from tests.ui.dialog_checks import check_controls
from ui.deidentify_dialog import DeidentifyDialog, SourceFile, WrittenCopy

NOTES = [
    (0, 30, "Sleep stage W"), (30, 30, "Sleep stage 2"), (33, 0, "Anna turned [left]"),
    (50, 2, "Snoring@@EMG chin"), (60, 1, "Anna turned l"),
]  # fmt: skip


@pytest.fixture
def night(tmp_path: Path) -> Path:
    path = write_edf(tmp_path / "Mueller Anna.edf", annotations=NOTES)
    edf = edfio.read_edf(path)
    edf.patient = edfio.Patient(code="4711", name="Mueller_Anna")
    edf.write(path)
    return path


@pytest.fixture
def make_dialog(qtbot):
    made = []

    def make(*files: Path, **more) -> DeidentifyDialog:
        dialog = DeidentifyDialog([SourceFile(path) for path in files], **more)
        dialog.show()
        made.append(dialog)
        wait(qtbot, dialog)
        return dialog

    yield make
    for dialog in made:
        wait(qtbot, dialog)
        dialog.reject()


def wait(qtbot, dialog: DeidentifyDialog) -> None:
    qtbot.waitUntil(lambda: not dialog.work.is_busy, timeout=10_000)


def write(qtbot, dialog: DeidentifyDialog) -> tuple[WrittenCopy, ...]:
    wait(qtbot, dialog)
    with qtbot.waitSignal(dialog.written, timeout=10_000) as caught:
        qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    return caught.args[0]


def tick(dialog: DeidentifyDialog, text: str) -> None:
    row = [shown for _, shown, _ in dialog.texts.texts()].index(text)
    dialog.texts.item(row, 0).setCheckState(Qt.CheckState.Checked)


def test_every_field_is_shown_before_and_after_and_nothing_written(
    qtbot, make_dialog, night, tmp_path
) -> None:
    dialog = make_dialog(night, folder=tmp_path / "out")
    fields = {name: (before, after) for name, before, after in dialog.fields.texts()}
    assert fields["patient name"] == ("Mueller_Anna", "X")
    assert fields["patient code"] == ("4711", "X")
    shifted = START.date() + timedelta(days=dialog.days.value())
    assert fields["start date"] == ("01.03.24", f"{shifted:%d.%m.%y}")
    assert any(before == "EEG C3-M2" for before, _ in fields.values())
    dialog.only_changed.setChecked(True)
    assert all(before != after for _, before, after in dialog.fields.texts())
    assert dialog.table.texts() == [["Mueller Anna.edf", "recording_001.edf", ""]]
    assert not (tmp_path / "out").exists()
    check_controls(dialog)


def test_copies_keep_only_standard_texts_and_those_with_a_tick(
    qtbot, make_dialog, night, tmp_path
) -> None:
    dialog = make_dialog(night, folder=tmp_path / "out")
    texts = dialog.texts.texts()
    ticks = {t: dialog.texts.item(k, 0) for k, (_, t, _) in enumerate(texts)}
    assert ticks["Sleep stage 2"].checkState() == Qt.CheckState.Checked
    assert not ticks["Sleep stage 2"].flags() & Qt.ItemFlag.ItemIsEnabled
    assert ticks["Anna turned [left]"].checkState() == Qt.CheckState.Unchecked
    tick(dialog, "Anna turned [left]")
    wait(qtbot, dialog)
    tick(dialog, "Snoring@@EMG chin")
    (copy,) = write(qtbot, dialog)
    assert not copy.error
    edf = edfio.read_edf(copy.out)
    assert [a.text for a in edf.annotations] == [
        "Sleep stage W", "Sleep stage 2", "Anna turned [left]", "Snoring@@EMG chin", "X"
    ]  # fmt: skip
    assert b"Mueller" not in copy.out.read_bytes()
    assert edf.startdate == START.date() + timedelta(days=dialog.days.value())
    assert dialog.table.texts()[0][2] == "written"
    assert edfio.read_edf(night).patient.name == "Mueller_Anna"


def test_a_studys_dates_move_by_its_own_shift(qtbot, make_dialog, night, tmp_path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / STUDY_FILE).write_text(json.dumps({"shift_days": -700}))
    other = write_edf(tmp_path / "n2.edf")
    dialog = make_dialog(night, other, study_folder=folder, folder=tmp_path / "out")
    assert dialog.days.value() == -700
    assert dialog.days.isReadOnly()
    copies = write(qtbot, dialog)
    dates = {edfio.read_edf(copy.out).startdate for copy in copies}
    assert dates == {date(2024, 3, 1) - timedelta(days=700)}


def test_tables_are_refused_in_words_and_the_rest_is_copied(
    qtbot, make_dialog, night, tmp_path
) -> None:
    table = tmp_path / "watch.csv"
    table.write_text("t,x\n0,1\n")
    dialog = make_dialog(table, night, folder=tmp_path / "out")
    assert dialog.table.texts()[0] == ["watch.csv", "", "not EDF or BDF"]
    assert "watch.csv is no EDF" in dialog.notes.text()
    dialog.table.setCurrentCell(1, 1)
    copies = write(qtbot, dialog)
    assert [copy.source for copy in copies] == [night]


def test_one_file_that_fails_does_not_stop_the_others(qtbot, make_dialog, night, tmp_path) -> None:
    bad = tmp_path / "bad.edf"
    bad.write_bytes(b"0       " + bytes(100))
    dialog = make_dialog(night, bad, folder=tmp_path / "out")
    dialog.table.setCurrentCell(1, 1)
    wait(qtbot, dialog)
    assert "bad.edf" in dialog.notes.text()
    good, failed = write(qtbot, dialog)
    assert not good.error
    assert "bad.edf" in failed.error
    assert not failed.out.exists()
    assert "1 of 2 copies written" in dialog.reason.text()


def test_names_of_copies_are_checked_and_files_replaced_only_after_a_question(
    qtbot, make_dialog, night, tmp_path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    other = write_edf(tmp_path / "n2.edf")
    dialog = make_dialog(night, other, folder=out)
    dialog.table.item(1, 1).setText("Recording_001.edf")
    assert "Two copies" in dialog.wrong_name.text()
    assert not dialog.go.isEnabled()
    dialog.table.item(1, 1).setText("a/b.edf")
    assert "a/b.edf" in dialog.wrong_name.text()
    dialog.table.item(1, 1).setText("n2.edf")
    assert dialog.go.isEnabled()
    (out / "n2.edf").write_text("mine")
    dialog.start()
    box = dialog.findChild(QMessageBox)
    assert "1 of 2 copies" in box.text()
    box.reject()
    assert (out / "n2.edf").read_text() == "mine"


def test_files_of_one_recording_get_names_of_their_own(qtbot, make_dialog, night, tmp_path):
    dialog = make_dialog()
    other = write_edf(tmp_path / "b.edf")
    dialog.add_files([SourceFile(night, "n 1"), SourceFile(other, "n 1")])
    assert [row[1] for row in dialog.table.texts()] == ["n_1.edf", "n_1_2.edf"]


def test_files_are_added_once_and_taken_out_again(qtbot, make_dialog, night, tmp_path) -> None:
    dialog = make_dialog(folder=tmp_path / "out")
    assert not dialog.go.isEnabled()
    dialog.take_files([str(night), str(night)])
    wait(qtbot, dialog)
    assert dialog.table.rowCount() == 1
    qtbot.mouseClick(dialog.drop, Qt.MouseButton.LeftButton)
    wait(qtbot, dialog)
    assert dialog.table.rowCount() == 0
    assert dialog.fields.rowCount() == 0
    assert not dialog.go.isEnabled()
