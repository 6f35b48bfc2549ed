"""The dialog says what a report is to hold, asks before it replaces one, and shows the writing."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox

from core.errors import OutputError
from core.progress import RunContext
from core.report_options import PARTS, ReportOptions
from tests.ui.dialog_checks import check_controls
from ui.report_dialog import ReportDialog, ReportRequest, write_report
from ui.wizard_page import choose


@pytest.fixture
def dialog(qtbot, tmp_path: Path):
    made = ReportDialog(tmp_path / "first.html", about="Run: First")
    made.show()
    yield made
    qtbot.waitUntil(lambda: not made.work.is_busy)
    made.reject()


def wanted(qtbot, dialog: ReportDialog) -> ReportRequest:
    with qtbot.waitSignal(dialog.wanted) as caught:
        qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    return caught.args[0]


def page(options: ReportOptions, context: RunContext) -> str:
    return f"<html><body><h1>{len(options.parts)} parts</h1></body></html>"


def test_what_is_asked_for_is_said_in_plain_values(qtbot, dialog, tmp_path) -> None:
    request = wanted(qtbot, dialog)
    assert request == ReportRequest(tmp_path / "first.html", "html", "A4", ReportOptions())
    assert request.options.parts == PARTS
    dialog.parts.setFocus()
    dialog.parts.setCurrentRow(1)
    QTest.keyClick(dialog.parts, Qt.Key.Key_Space)
    dialog.with_paths.click()
    assert "evaluation" not in dialog.request.options.parts
    assert dialog.request.options.with_paths
    dialog.anonymous.click()
    assert not dialog.with_paths.isEnabled()
    assert dialog.request.options == ReportOptions(
        tuple(part for part in PARTS if part != "evaluation"), anonymous=True
    )
    dialog.no.click()
    assert dialog.request.options.parts == ()
    assert dialog.go.isEnabled()  # a summary is always there


def test_only_parts_with_something_to_show_are_offered(qtbot, tmp_path) -> None:
    dialog = ReportDialog(tmp_path / "x.pdf", available=("settings", "study"))
    assert dialog.parts.count() == 2
    assert dialog.request.options.parts == ("study", "settings")
    assert dialog.request.form == "pdf"
    dialog.reject()


def test_form_and_ending_of_the_name_go_together(dialog, tmp_path) -> None:
    assert not dialog.page_size.isEnabled()
    choose(dialog.form, "pdf")
    assert dialog.page_size.isEnabled()
    assert dialog.path.path == tmp_path / "first.pdf"
    choose(dialog.page_size, "Letter")
    assert (dialog.request.form, dialog.request.page_size) == ("pdf", "Letter")
    dialog.path.line.setText(str(tmp_path / "other.html"))
    dialog.path.line.editingFinished.emit()
    assert dialog.form.currentData() == "html"
    dialog.path.line.setText(str(tmp_path / "v1.2 final"))
    dialog.path.line.editingFinished.emit()
    assert dialog.path.path == tmp_path / "v1.2 final.html"
    dialog.path.set_path(None)
    assert dialog.request is None
    assert not dialog.go.isEnabled()


@pytest.mark.parametrize("form", ["html", "pdf"])
def test_the_report_is_written_and_said_to_be(qtbot, dialog, tmp_path, form) -> None:
    choose(dialog.form, form)
    request = wanted(qtbot, dialog)
    with qtbot.waitSignal(dialog.written, timeout=20_000) as caught:
        dialog.run(partial(write_report, request, page))
    path = tmp_path / f"first.{form}"
    assert caught.args == [path]
    assert path.read_bytes()[:5] in (b"<html", b"%PDF-")
    assert str(path) in dialog.reason.text()
    assert dialog.isVisible()


def test_a_report_that_is_there_is_replaced_only_after_a_question(qtbot, dialog, tmp_path) -> None:
    (tmp_path / "first.html").write_text("mine")
    asked = []
    dialog.wanted.connect(asked.append)
    qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    box = dialog.findChild(QMessageBox)
    assert "first.html" in box.text()
    box.reject()
    assert asked == []
    qtbot.waitUntil(lambda: dialog.findChild(QMessageBox) is None)
    qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    box = dialog.findChild(QMessageBox)
    next(b for b in box.buttons() if "Replace" in b.text()).click()
    assert [request.path for request in asked] == [tmp_path / "first.html"]


def test_a_folder_is_no_place_for_a_report(qtbot, dialog, tmp_path) -> None:
    (tmp_path / "folder.html").mkdir()
    dialog.path.set_path(tmp_path / "folder.html")
    qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    assert "is a folder" in dialog.reason.text()


def test_what_cannot_be_written_is_said_in_the_dialog(qtbot, dialog, tmp_path) -> None:
    def fail(options: ReportOptions, context: RunContext) -> str:
        raise OutputError("first.html: the disk is full.")

    request = wanted(qtbot, dialog)
    dialog.run(partial(write_report, request, fail))
    qtbot.waitUntil(lambda: "disk is full" in dialog.reason.text())
    assert not (tmp_path / "first.html").exists()
    qtbot.waitUntil(lambda: dialog.go.isEnabled())


def test_writing_can_be_stopped(qtbot, dialog, tmp_path) -> None:
    def slow(options: ReportOptions, context: RunContext) -> str:
        while True:
            context.step("report", 1, 3)
            time.sleep(0.01)

    request = wanted(qtbot, dialog)
    dialog.run(partial(write_report, request, slow))
    qtbot.waitUntil(dialog.work.stop.isVisible)
    with qtbot.waitSignal(dialog.work.cancelled, timeout=5000):
        qtbot.mouseClick(dialog.work.stop, Qt.MouseButton.LeftButton)
    assert "Stopped" in dialog.reason.text()
    assert list(tmp_path.iterdir()) == []


def test_every_control_has_a_name_and_a_key_of_its_own(dialog) -> None:
    check_controls(dialog)
