"""The run file dialog writes what batch mode needs and shows how it is run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMessageBox

from core.config import load_run_file
from tests.core.study_makers import make_study, put, stage_labels
from tests.ui.dialog_checks import check_controls
from ui.run_file_dialog import RunFileDialog


@pytest.fixture
def study(tmp_path: Path):
    made = make_study(tmp_path)
    put(made, made.recordings()[0], made.rater("AB"), stage_labels())
    put(made, made.recordings()[0], made.rater("CD"), stage_labels()[:3])
    made.rater("nobody")
    yield made
    made.close()


@pytest.fixture
def dialog(qtbot, study, tmp_path: Path):
    made = RunFileDialog(study.folder, [r.name for r in study.raters()], tmp_path / "out")
    made.show()
    yield made
    qtbot.waitUntil(lambda: not made.work.is_busy)
    made.reject()


def test_the_run_file_is_written_and_its_command_can_be_copied(qtbot, dialog, tmp_path) -> None:
    assert dialog.path == tmp_path / "out.json"
    assert not dialog.command.isVisible()
    with qtbot.waitSignal(dialog.written, timeout=10_000) as caught:
        qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    assert caught.args[0].path == tmp_path / "out.json"
    load_run_file(tmp_path / "out.json")
    assert dialog.command.isVisible()
    qtbot.mouseClick(dialog.copy, Qt.MouseButton.LeftButton)
    text = QGuiApplication.clipboard().text()
    assert text.startswith("crossl-app --batch ")
    assert "out.json" in text
    assert "'n2'" in dialog.results.texts()[0][0]
    check_controls(dialog)


def test_the_order_of_raters_says_whose_labels_count(qtbot, dialog, tmp_path) -> None:
    dialog.raters.tick_all(True)
    dialog.raters.setCurrentRow(1)
    qtbot.mouseClick(dialog.up, Qt.MouseButton.LeftButton)
    assert dialog.raters.ticked == ("CD", "AB", "nobody")
    with qtbot.waitSignal(dialog.written, timeout=10_000) as caught:
        dialog.start()
    assert caught.args[0].raters == {"n1": "CD"}


def test_what_is_there_is_replaced_only_after_a_question(qtbot, dialog, tmp_path) -> None:
    (tmp_path / "out_labels.csv").write_text("mine")
    dialog.start()
    box = dialog.findChild(QMessageBox)
    assert box.informativeText() == "out_labels.csv"
    button = next(b for b in box.buttons() if "Replace" in b.text())
    with qtbot.waitSignal(dialog.written, timeout=10_000):
        button.click()
    assert json.loads((tmp_path / "out.json").read_text())["name"] == "Nights"


def test_raters_without_labels_are_refused_in_words(qtbot, dialog) -> None:
    dialog.raters.fill(["AB", "nobody"], ["nobody"])
    dialog.start()
    qtbot.waitUntil(
        lambda: "'nobody' labelled no recording" in dialog.reason.text(), timeout=10_000
    )
    dialog.raters.fill(["AB"], [])
    assert not dialog.go.isEnabled()
