"""Importing labels shows what every text becomes before it is done, and can be told otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox

from core.errors import StudyError
from core.label_files import write_labels
from core.label_set import Label, make_label_set
from core.label_sources import ImportItem
from core.study import Study
from core.study_import import keep_import, modalities_of
from tests.core.study_makers import START, make_study, put, stage_labels, write_edf
from tests.ui.dialog_checks import check_controls
from ui.import_labels_dialog import ImportLabelsDialog, ImportOutcome, LabelImport
from ui.wizard_page import choose

STAGES = [Label(30 * k, 30, f"Sleep stage {'W1234R'[k % 6]}") for k in range(20)]
OTHERS = [Label(100, 4, "Snore"), Label(300, 5, "Arousal", "EMG"), Label(31, 0, "?")]


@pytest.fixture
def study(tmp_path: Path):
    made = make_study(tmp_path)
    put(made, made.recordings()[0], made.rater("AB"), stage_labels())
    yield made
    made.close()


@pytest.fixture
def hypnogram(tmp_path: Path) -> Path:
    path = tmp_path / "n1-hyp.edf"
    write_labels(path, make_label_set([*STAGES, *OTHERS], START))
    return path


@pytest.fixture
def make_dialog(qtbot, study: Study):
    def keep(one: LabelImport) -> None:
        rater = study.rater(one.rater)
        keep_import(study, one.recording, rater, one.plan, one.what,
                    take_grid_offset=one.take_grid_offset)  # fmt: skip

    def make(recordings=None, rater: str = "AB") -> ImportLabelsDialog:
        chosen = recordings if recordings is not None else study.recordings()[:1]
        dialog = ImportLabelsDialog(
            study.folder,
            [ImportItem(one, study.opener(one)) for one in chosen],
            study.scheme,
            [one.name for one in study.raters()],
            rater,
            keep,
            modalities_of(study.settings.engine),
        )
        dialog.show()
        return dialog

    return make


def wait(qtbot, dialog: ImportLabelsDialog) -> None:
    qtbot.waitUntil(lambda: not dialog.is_looking, timeout=10_000)


def names(dialog: ImportLabelsDialog) -> dict[str, str]:
    return {text: became for text, _, became in dialog.names.texts()}


def test_the_table_shows_what_each_text_becomes_and_the_counts(qtbot, make_dialog, hypnogram):
    dialog = make_dialog()
    assert not dialog.go.isEnabled()
    dialog.set_file(hypnogram)
    wait(qtbot, dialog)
    assert names(dialog)["Sleep stage W"] == "left out: no such class"
    assert dialog.table.texts() == [["n1", "n1-hyp.edf", "1 event"]]
    choose(dialog.mapping, "aasm_from_rk")
    wait(qtbot, dialog)
    assert names(dialog)["Sleep stage 4"] == "N3"
    assert names(dialog)["?"] == "unlabelled"
    assert names(dialog)["Snore"] == "left out: no such class"
    assert dialog.table.texts() == [["n1", "n1-hyp.edf", "20 states, 1 event"]]
    assert dialog.summary.text() == "Labels to put in: 21, in the place of 19."
    assert any("'Snore'" in text for _, text in dialog.findings.texts())
    choose(dialog.unknown, "event")
    wait(qtbot, dialog)
    assert names(dialog)["Snore"] == "Snore (new event)"
    assert "new classes: Snore" in dialog.summary.text()
    choose(dialog.how, "fill")
    wait(qtbot, dialog)
    assert dialog.table.texts()[0][2] == "1 state, 2 events"
    dialog.reject()


def test_a_text_is_given_another_class_by_keyboard(qtbot, make_dialog, hypnogram) -> None:
    dialog = make_dialog()
    dialog.set_file(hypnogram)
    choose(dialog.mapping, "aasm_from_rk")
    wait(qtbot, dialog)
    row = [text for text, *_ in dialog.names.texts()].index("Snore")
    dialog.activateWindow()
    dialog.names.setFocus()
    dialog.names.setCurrentCell(row, 2)
    QTest.keyClick(dialog.names, Qt.Key.Key_F2)
    box = dialog.names.findChild(QComboBox)
    line = box.lineEdit()
    QTest.keyClicks(line, "Apnea")
    QTest.keyClick(line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: names(dialog)["Snore"] == "Apnea")
    wait(qtbot, dialog)
    assert dialog.table.texts()[0][2] == "20 states, 2 events"
    assert dialog.isVisible()
    dialog._on_said("Snore", None)
    wait(qtbot, dialog)
    assert names(dialog)["Snore"] == "unlabelled"
    dialog.reject()


def test_importing_keeps_one_edit_and_closes(qtbot, study, make_dialog, tmp_path) -> None:
    path = tmp_path / "late.edf"
    write_labels(path, make_label_set([Label(12 + 30 * k, 30, "N2") for k in range(10)], START))
    dialog = make_dialog(rater="New")
    dialog.set_file(path)
    wait(qtbot, dialog)
    assert dialog.grid.isVisible()
    assert "12 s" in dialog.grid.text()
    outcomes: list[ImportOutcome] = []
    dialog.imported.connect(outcomes.append)
    with qtbot.waitSignal(dialog.accepted):
        qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    (outcome,) = outcomes
    assert [one.recording.name for one in outcome.kept] == ["n1"]
    assert outcome.rater == "New"
    assert not outcome.refused
    recording, rater = study.recordings()[0], study.rater("New")
    assert len(study.labels(recording.id, rater.id)) == 10
    assert [e.what for e in study.edits(recording.id, rater.id)] == ["import of late.edf"]
    assert recording.grid_offset_ns == 12_000_000_000


def test_many_recordings_are_matched_with_files_and_each_can_be_told_otherwise(
    qtbot, study, make_dialog, tmp_path
) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    for name in ("n1.txt", "n1-b.txt", "other.txt"):
        (folder / name).write_text("W\nN1\n" * 5)
    dialog = make_dialog(study.recordings(), "AB")
    dialog.set_file(folder)
    wait(qtbot, dialog)
    assert dialog.table.texts() == [["n1", "n1-b.txt", "10 states"], ["n2", "–", ""]]
    assert ["n1", "2 files fit; n1-b.txt was taken."] in dialog.findings.texts()
    check_controls(dialog)
    dialog.table.setCurrentCell(1, 0)
    dialog.take_other(str(folder / "other.txt"))
    wait(qtbot, dialog)
    assert dialog.table.texts()[1] == ["n2", "other.txt", "10 states"]
    dialog.pattern.setText("{recording}.txt")
    dialog.pattern.editingFinished.emit()
    wait(qtbot, dialog)
    assert dialog.table.texts() == [["n1", "n1.txt", "10 states"], ["n2", "–", ""]]
    dialog.pattern.setText("{night}.txt")
    dialog.pattern.editingFinished.emit()
    assert "night" in dialog.reason.text()
    dialog.pattern.setText("{recording}.txt")
    dialog.pattern.editingFinished.emit()
    wait(qtbot, dialog)
    dialog.table.setCurrentCell(0, 0)
    qtbot.mouseClick(dialog.none, Qt.MouseButton.LeftButton)
    wait(qtbot, dialog)
    assert not dialog.go.isEnabled()
    dialog.reject()


def test_what_is_signed_off_is_refused_and_the_rest_imported(
    qtbot, study, make_dialog, tmp_path
) -> None:
    for name in ("n1.txt", "n2.txt"):
        (tmp_path / name).write_text("W\nN1\n")
    first, second = study.recordings()
    study.sign_off(first.id, study.rater("AB").id)
    dialog = make_dialog(study.recordings())
    dialog.pattern.setText("{recording}.txt")
    dialog.set_file(tmp_path)
    wait(qtbot, dialog)
    assert dialog.table.texts()[0][2] == "none"
    assert any("signed it off" in text for _, text in dialog.findings.texts())
    # Signed off between looking and writing.
    study.sign_off(second.id, study.rater("AB").id)
    with qtbot.waitSignal(dialog.imported) as caught:
        dialog.start()
    assert caught.args[0].kept == ()
    assert caught.args[0].refused[0][0] == "n2"
    assert dialog.isVisible()
    assert "0 of 1 recordings" in dialog.summary.text()
    dialog.reject()


def test_a_file_that_cannot_be_read_says_why(qtbot, make_dialog, tmp_path) -> None:
    path = tmp_path / "bad.xml"
    path.write_text("<PSGAnnotation><a></PSGAnnotation>")
    dialog = make_dialog()
    dialog.set_file(path)
    wait(qtbot, dialog)
    assert "bad.xml" in dialog.findings.texts()[0][1]
    assert not dialog.go.isEnabled()
    dialog.epoch.setText("long")
    dialog.epoch.editingFinished.emit()
    wait(qtbot, dialog)
    assert "no number" in dialog.reason.text()
    dialog.reject()


def test_annotations_of_the_recording_itself_and_raters_of_a_file(
    qtbot, study, make_dialog, tmp_path
) -> None:
    write_edf(tmp_path / "data" / "n1.edf", annotations=[(0, 30, "W"), (30, 30, "N1")])
    dialog = make_dialog()
    choose(dialog.origin, "annotations")
    wait(qtbot, dialog)
    assert dialog.table.texts() == [["n1", "its own", "2 states"]]
    assert not dialog.place.isVisible()
    path = tmp_path / "both.csv"
    path.write_text("onset,duration,label,rater\n0,30,W,X\n0,30,N1,Y\n30,30,N1,Y\n")
    choose(dialog.origin, "file")
    dialog.set_file(path)
    wait(qtbot, dialog)
    assert dialog.scorer.isVisible()
    choose(dialog.scorer, "Y")
    wait(qtbot, dialog)
    assert names(dialog) == {"N1": "N1"}
    dialog.reject()


def test_an_own_table_of_names_is_taken_or_its_mistake_said(
    qtbot, make_dialog, hypnogram, tmp_path
) -> None:
    good, bad = tmp_path / "own.json", tmp_path / "bad.json"
    good.write_text('{"Sleep stage W": "W", "Snore": "Apnea"}')
    bad.write_text('{"Sleep stage W": 3}')
    dialog = make_dialog()
    dialog.set_file(hypnogram)
    dialog.mapping_choice.take(str(bad))
    assert "bad.json" in dialog.reason.text()
    dialog.mapping_choice.take(str(good))
    wait(qtbot, dialog)
    assert names(dialog)["Snore"] == "Apnea"
    assert dialog.mapping.currentText() == "own.json"
    dialog.reject()


def test_every_control_has_a_name_and_the_keys_are_distinct(qtbot, make_dialog, hypnogram):
    dialog = make_dialog()
    dialog.set_file(hypnogram)
    wait(qtbot, dialog)
    check_controls(dialog)
    dialog.reject()


def test_errors_of_keep_are_listed_and_bugs_are_not_swallowed(qtbot, study, tmp_path) -> None:
    (tmp_path / "n1.txt").write_text("W\nN1\n")

    def refuse(one: LabelImport) -> None:
        raise StudyError(f"{one.recording.name}: no.")

    recording = study.recordings()[0]
    dialog = ImportLabelsDialog(
        study.folder, [ImportItem(recording, study.opener(recording), tmp_path / "n1.txt")],
        study.scheme, [], "X", refuse,
    )  # fmt: skip
    dialog.show()
    wait(qtbot, dialog)
    with qtbot.waitSignal(dialog.imported) as caught:
        dialog.start()
    assert caught.args[0].refused == (("n1", "n1: no."),)
    dialog.reject()
