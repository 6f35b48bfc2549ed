"""Predictions are written in the chosen form; what would be replaced is asked about first."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

import duckdb
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox

from core.export_windows import WindowsItem, bare_recording
from core.run_results import RunResults
from core.study_export import ExportedFile
from core.window_store import write_windows
from tests.core.test_window_store import MODALITIES, make_windows
from tests.ui.dialog_checks import check_controls
from ui.export_predictions_dialog import (
    ExportPredictionsDialog,
    PredictionsRequest,
    write_predictions_files,
)
from ui.wizard_page import choose


@pytest.fixture
def results(tmp_path: Path) -> RunResults:
    folder = tmp_path / "run"
    for number, name in enumerate(("n1", "n2")):
        write_windows(folder / "windows" / f"{name}.safetensors",
                      make_windows(30, name, "anna", seed=number))  # fmt: skip
    (folder / "report.json").write_text('{"classes": ["rest"], "modalities": ["acc"]}')
    return RunResults(folder)


ITEMS = tuple(WindowsItem(bare_recording(name, "anna", 62.0)) for name in ("n1", "n2"))


@pytest.fixture
def dialog(qtbot, tmp_path: Path, results: RunResults):
    made = ExportPredictionsDialog(ITEMS, "First", "n2", tmp_path / "out", 0.4, MODALITIES, (0, 1))
    made.show()
    yield made
    qtbot.waitUntil(lambda: not made.work.is_busy)
    made.reject()


def wanted(qtbot, dialog: ExportPredictionsDialog) -> PredictionsRequest:
    with qtbot.waitSignal(dialog.wanted, timeout=10_000) as caught:
        qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    return caught.args[0]


def export(qtbot, dialog, results) -> tuple[ExportedFile, ...]:
    request = wanted(qtbot, dialog)
    with qtbot.waitSignal(dialog.exported, timeout=20_000) as caught:
        dialog.run(partial(write_predictions_files, results, request))
    return caught.args[0]


def test_the_shown_recording_is_ticked_and_its_file_named_first(qtbot, dialog) -> None:
    assert dialog.recordings.ticked == ("n2",)
    assert dialog.plan.text() == "n2_First.csv"
    dialog.all.click()
    assert dialog.recordings.ticked == ("n1", "n2")
    assert dialog.plan.text() == "n1_First.csv, n2_First.csv"
    choose(dialog.form, "embeddings")
    assert dialog.plan.text() == "First_embeddings.parquet"
    dialog.this.click()
    assert dialog.plan.text() == "n2_First_embeddings.parquet"


def test_labels_are_written_without_what_the_model_is_unsure_of(
    qtbot, dialog, results, tmp_path
) -> None:
    choose(dialog.states, "as_labelled")
    files = export(qtbot, dialog, results)
    assert [file.path.name for file in files] == ["n2_First.csv"]
    with files[0].path.open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert rows
    assert all(float(row["confidence"]) >= 0.4 for row in rows)
    assert dialog.results.texts()[0][:2] == ["n2_First.csv", str(len(rows))]
    assert "1 of 1 files written" in dialog.reason.text()


def test_fields_that_mean_nothing_for_a_form_cannot_be_set(dialog) -> None:
    assert dialog.threshold.isEnabled()
    assert not dialog.with_codes.isEnabled()
    choose(dialog.form, "predictions")
    assert not dialog.threshold.isEnabled()
    assert dialog.options.threshold == 0.0
    assert not dialog.states.isEnabled()
    choose(dialog.form, "embeddings")
    assert dialog.with_codes.isEnabled()
    choose(dialog.form, "labels edf")
    assert "no place for the rater and confidence" in dialog.says.text()
    choose(dialog.form, "labels epochs")
    assert not dialog.states.isEnabled()


def test_predictions_as_with_the_switches_now(qtbot, dialog, results) -> None:
    assert "acc, gyro" in dialog.only_kept.text()
    choose(dialog.form, "predictions")
    assert dialog.options.kept is None
    dialog.only_kept.click()
    (file,) = export(qtbot, dialog, results)
    with file.path.open(newline="") as table:
        row = next(csv.DictReader(table))
    assert row["present"] == "acc;gyro"
    assert "acc, gyro alone" in dialog.results.texts()[0][2]


def test_embeddings_of_all_recordings_go_into_one_file(qtbot, dialog, results) -> None:
    dialog.all.click()
    choose(dialog.form, "embeddings")
    (file,) = export(qtbot, dialog, results)
    counted = duckdb.sql(f"SELECT recording, count(*) FROM '{file.path}' GROUP BY 1 ORDER BY 1")
    assert counted.fetchall() == [("n1", 30), ("n2", 30)]


def test_files_are_replaced_only_after_a_question(qtbot, dialog, tmp_path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "n2_First.csv").write_text("mine")
    asked = []
    dialog.wanted.connect(asked.append)
    for answer in ("cancel", "replace"):
        dialog.start()
        qtbot.waitUntil(lambda: dialog.findChild(QMessageBox) is not None, timeout=10_000)
        box = dialog.findChild(QMessageBox)
        assert "1 of 1 files" in box.text()
        if answer == "cancel":
            box.reject()
            qtbot.waitUntil(lambda: dialog.findChild(QMessageBox) is None)
            assert asked == []
        else:
            next(b for b in box.buttons() if "Replace" in b.text()).click()
    assert len(asked) == 1


def test_a_recording_that_cannot_be_written_is_said(qtbot, dialog, results) -> None:
    results.path_of("n1").write_bytes(b"?")
    dialog.all.click()
    files = export(qtbot, dialog, results)
    assert [bool(file.error) for file in files] == [True, False]
    assert "1 of 2 files written" in dialog.reason.text()
    assert "damaged" in dialog.results.texts()[0][2]


def test_without_a_recording_or_a_folder_nothing_can_be_written(dialog) -> None:
    dialog.folder.set_path(None)
    assert not dialog.go.isEnabled()
    assert "Choose a folder" in dialog.plan.text()
    dialog.recordings.tick_all(False)
    assert "No recording" in dialog.plan.text()


def test_a_dialog_without_switches_or_recordings_opens(qtbot, tmp_path) -> None:
    dialog = ExportPredictionsDialog((), "First", "n9")
    dialog.show()
    assert not dialog.only_kept.isVisible()
    assert not dialog.go.isEnabled()
    assert not dialog.this.isEnabled()
    dialog.reject()


def test_every_control_has_a_name_and_a_key_of_its_own(qtbot, dialog) -> None:
    check_controls(dialog)
