"""Exporting writes what is ticked, says what a format cannot hold, and asks before it replaces."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox

from core.label_files import read_labels
from core.study_export import ExportedFile
from tests.core.study_makers import label, make_study, put, stage_labels
from tests.ui.dialog_checks import check_controls
from ui.export_labels_dialog import ExportLabelsDialog
from ui.wizard_page import choose


@pytest.fixture
def study(tmp_path: Path):
    made = make_study(tmp_path)
    for recording in made.recordings():
        put(made, recording, made.rater("AB"),
            [*stage_labels(), label(3, 5, "Arousal", "event", "eeg")])  # fmt: skip
    made.rater("CD")
    yield made
    made.close()


@pytest.fixture
def dialog(qtbot, study, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    made = ExportLabelsDialog(study.folder, ["n1", "n2"], ["AB", "CD"], folder=out)
    made.show()
    yield made
    qtbot.waitUntil(lambda: not made.work.is_busy)
    made.reject()


def export(qtbot, dialog: ExportLabelsDialog) -> tuple[ExportedFile, ...]:
    with qtbot.waitSignal(dialog.exported, timeout=10_000) as caught:
        qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    return caught.args[0]


def test_ticked_recordings_are_written_in_the_format_with_their_findings(
    qtbot, dialog, tmp_path
) -> None:
    assert "the rater" in dialog.holds.text()
    choose(dialog.mapping, "edf_from_aasm")
    assert ["N2", "Sleep stage N2"] in dialog.changes.texts()
    files = export(qtbot, dialog)
    assert [file.path.name for file in files] == ["n1_AB.edf", "n2_AB.edf"]
    found = read_labels(files[0].path)
    assert {x.text for x in found.labels} >= {"Sleep stage N2", "Arousal"}
    rows = dialog.results.texts()
    assert rows[0][:2] == ["n1_AB.edf", "20"]
    assert "'Arousal'" in rows[0][2]
    assert "2 of 2 files written" in dialog.reason.text()
    assert dialog.isVisible()


def test_a_tick_is_set_by_keyboard_and_without_any_nothing_can_be_written(qtbot, dialog) -> None:
    qtbot.mouseClick(dialog.no, Qt.MouseButton.LeftButton)
    assert not dialog.go.isEnabled()
    dialog.recordings.setFocus()
    dialog.recordings.setCurrentRow(1)
    QTest.keyClick(dialog.recordings, Qt.Key.Key_Space)
    assert dialog.recordings.ticked == ("n2",)
    assert dialog.go.isEnabled()
    for box in dialog.kinds.values():
        box.setChecked(False)
    assert not dialog.go.isEnabled()


def test_files_are_replaced_only_after_a_question(qtbot, dialog, tmp_path) -> None:
    mine = tmp_path / "out" / "n1_AB.csv"
    mine.write_text("mine")
    choose(dialog.format, "csv")
    for answer in ("cancel", "replace"):
        dialog.start()
        qtbot.waitUntil(lambda: dialog.findChild(QMessageBox) is not None, timeout=10_000)
        box = dialog.findChild(QMessageBox)
        assert "1 of 2 files" in box.text()
        if answer == "cancel":
            box.reject()
            qtbot.waitUntil(lambda: dialog.findChild(QMessageBox) is None)
            assert mine.read_text() == "mine"
        else:
            button = next(b for b in box.buttons() if "Replace" in b.text())
            with qtbot.waitSignal(dialog.exported, timeout=10_000):
                button.click()
            assert mine.read_text().startswith("onset")


def test_what_cannot_be_is_said_in_the_dialog(qtbot, dialog) -> None:
    dialog.naming.setText("{night}")
    dialog.start()
    qtbot.waitUntil(lambda: "{night}" in dialog.reason.text(), timeout=10_000)
    dialog.naming.setText("{recording}")
    dialog.raters.fill(["AB", "CD"], ["CD"])
    dialog.start()
    qtbot.waitUntil(lambda: "no labels" in dialog.reason.text(), timeout=10_000)
    dialog.mapping_choice.take(str(Path("none.json")))
    assert "none.json" in dialog.reason.text()


def test_a_list_of_epochs_holds_states_alone(qtbot, dialog, tmp_path) -> None:
    choose(dialog.format, "epochs")
    assert not dialog.states.isEnabled()
    assert "'?'" in dialog.holds.text()
    files = export(qtbot, dialog)
    assert files[0].path.read_text().split()[:6] == ["W", "N1", "N2", "N3", "?", "R"]


def test_every_control_has_a_name_and_a_key_of_its_own(qtbot, dialog) -> None:
    check_controls(dialog)
