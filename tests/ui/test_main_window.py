"""The window draws a recording and the predictions of a batch run."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QListWidget, QMessageBox

from core.errors import CrosslError
from ui.csv_dialog import CsvDialog
from ui.findings_dialog import FindingsDialog
from ui.messages import bug_report, show_error
from ui.recording_view import amount
from ui.time_plot import TimeAxis, clock_text


def texts(window) -> list[str]:
    found = window.findChild(QListWidget)
    return [found.item(k).text() for k in range(found.count())]


def open_and_draw(qtbot, window, path: Path) -> None:
    with qtbot.waitSignal(window.view.drawn, timeout=10_000):
        window._session.open_path(path)


def test_an_empty_window_says_what_to_do(make_window):
    window = make_window()
    assert window.windowTitle() == "crossl-app"
    page = window._pages.currentWidget()
    assert page is window._pages.widget(0)
    assert not window.findChild(QListWidget).isVisible()


def test_a_recording_is_drawn_each_channel_at_its_own_rate(qtbot, make_window, edf: Path):
    window = make_window()
    open_and_draw(qtbot, window, edf)
    lines = {name: (times, values) for name, times, values in window.view.lines}
    assert list(lines) == ["EEG C3-M2", "EMG chin", "Temp"]
    assert np.diff(lines["Temp"][0]) == pytest.approx(1.0)
    assert window.view.range_s == pytest.approx((0.0, 30.0))
    assert not window.strip.isVisible()
    assert "3 channels" in window.status.text.text()
    assert "0:02:00" in window.status.text.text()


def test_keys_move_through_the_recording_and_no_peak_is_lost(qtbot, make_window, edf: Path):
    window = make_window()
    open_and_draw(qtbot, window, edf)
    plot = window.view.plot
    plot.setFocus()
    for key, expected in (
        (Qt.Key.Key_PageDown, (30, 60)),
        (Qt.Key.Key_Right, (60, 90)),
        (Qt.Key.Key_PageUp, (30, 60)),
        (Qt.Key.Key_End, (90, 120)),
        (Qt.Key.Key_Home, (0, 30)),
        (Qt.Key.Key_Plus, (7.5, 22.5)),
        (Qt.Key.Key_Minus, (0, 30)),
    ):
        qtbot.keyClick(plot, key)
        assert window.view.range_s == pytest.approx(expected), key
    with qtbot.waitSignal(window.view.drawn, timeout=10_000):
        qtbot.keyClick(plot, Qt.Key.Key_0, Qt.KeyboardModifier.ControlModifier)
    assert window.view.range_s == pytest.approx((0, 120))
    _, times, values = window.view.lines[0]
    assert values.max() == pytest.approx(400, abs=1)
    assert times[values.argmax()] == pytest.approx(70, abs=0.5)


def test_results_show_predictions_that_move_along_with_the_traces(
    qtbot, make_window, results: Path
):
    window = make_window()
    open_and_draw(qtbot, window, results)
    assert texts(window) == ["s1", "s2", "s3 – failed"]
    assert window.windowTitle() == "Walks – crossl-app"
    assert window.view.isVisible()
    assert window.strip.isVisible()
    assert window.strip.describe(0.5) == (
        "0:00:00–0:00:02 · predicted walk · label rest · confidence 0.80 · fragility 0.25 · "
        "present: eeg, emg"
    )
    assert "no modality present" in window.strip.describe(11.0)
    assert window.strip.describe(21.0) == ""  # no window there
    window.view.show_range(40.0, 60.0)
    low, high = window.strip.plot.getViewBox().viewRange()[0]
    assert (low, high) == pytest.approx((40.0, 60.0), abs=0.5)


def test_pointing_at_a_window_reads_it_out(qtbot, make_window, results: Path):
    window = make_window()
    open_and_draw(qtbot, window, results)
    box = window.strip.plot.getViewBox()
    # Moving the mouse over an offscreen window is not delivered reliably: the scene's own signal.
    window.strip.plot.scene().sigMouseMoved.emit(box.mapViewToScene(QPointF(7.0, -1.0)))
    assert window.strip.read_out.startswith("0:00:06–0:00:08 · predicted rest")
    window.strip.plot.scene().sigMouseMoved.emit(QPointF(-50.0, -50.0))
    assert window.strip.read_out == ""


def test_a_recording_that_is_gone_is_said_and_its_strip_still_drawn(
    qtbot, make_window, results: Path
):
    window = make_window()
    open_and_draw(qtbot, window, results)
    with qtbot.waitSignal(window.shown):
        window.findChild(QListWidget).setCurrentRow(1)
    assert "data/s2.edf: the recording is not there" in window.page.problem.text()
    assert not window.view.isVisible()
    assert window.strip.isVisible()
    assert window.strip.describe(0.5).startswith("0:00:00")
    # The file turns up elsewhere, and the user names the folder.
    other = results.parent / "elsewhere"
    other.mkdir()
    shutil.copy(results.parent / "data" / "s1.edf", other / "s2.edf")
    with qtbot.waitSignal(window.view.drawn, timeout=10_000):
        window._session.look_in(other)
    assert window.page.problem.text() == ""
    assert window.view.isVisible()


def test_a_failed_recording_says_why(qtbot, make_window, results: Path):
    window = make_window()
    open_and_draw(qtbot, window, results)
    with qtbot.waitSignal(window.shown):
        window.findChild(QListWidget).setCurrentRow(2)
    assert window.page.problem.text() == "s3.edf: it is empty."
    assert not window.view.isVisible()


def test_a_file_opened_after_results_replaces_them(qtbot, make_window, results: Path, edf: Path):
    window = make_window()
    open_and_draw(qtbot, window, results)
    open_and_draw(qtbot, window, edf)
    assert not window.findChild(QListWidget).isVisible()
    assert not window.strip.isVisible()
    assert window.windowTitle() == "s1 – crossl-app"


def test_a_dropped_file_is_opened(qtbot, make_window, edf: Path):
    window = make_window()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(edf))])
    event = QDropEvent(
        QPointF(QPoint(50, 50)),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    with qtbot.waitSignal(window.view.drawn, timeout=10_000):
        window.dropEvent(event)
    assert len(window.view.lines) == 3


def test_an_expected_error_is_a_short_box_and_what_was_open_stays(
    qtbot, make_window, edf: Path, tmp_path: Path
):
    window = make_window()
    open_and_draw(qtbot, window, edf)
    with qtbot.waitSignal(window._session.failed):
        window._session.open_path(tmp_path)
    box = window.findChild(QMessageBox)
    assert "there is no report.json" in box.text()
    assert box.detailedText() == ""
    box.close()
    assert len(window.view.lines) == 3


def test_a_bug_is_a_box_with_a_report_to_copy(qtbot, make_window):
    try:
        raise ZeroDivisionError("oh")
    except ZeroDivisionError as error:
        bug = error
    window = make_window()
    box = show_error(bug, window)
    assert box.detailedText() == bug_report(bug)
    assert "ZeroDivisionError: oh" in box.detailedText()
    copy = next(b for b in box.buttons() if b.text() == "Copy")
    qtbot.mouseClick(copy, Qt.MouseButton.LeftButton)
    assert QApplication.clipboard().text() == bug_report(bug)
    assert box.isVisible()
    box.close()


def test_closing_in_the_middle_of_reading_leaves_no_thread(qtbot, make_window, results: Path):
    window = make_window()
    window._session.open_path(results)
    with qtbot.waitSignal(window._session.shown_changed):
        pass
    window.view.show_all()
    window.close()


def test_colours_follow_the_palette(qtbot, make_window, results: Path):
    window = make_window()
    open_and_draw(qtbot, window, results)
    palette = QPalette(window.palette())
    palette.setColor(QPalette.ColorRole.Base, Qt.GlobalColor.black)
    palette.setColor(QPalette.ColorRole.Text, Qt.GlobalColor.white)
    window.setPalette(palette)
    assert window.view.plot.backgroundBrush().color() == Qt.GlobalColor.black
    assert window.strip.plot.backgroundBrush().color() == Qt.GlobalColor.black


def test_times_are_hours_minutes_seconds():
    assert clock_text(3725.0) == "1:02:05"
    assert clock_text(1.25, 0.05) == "0:00:01.25"
    axis = TimeAxis("bottom")
    assert axis.tickSpacing(0, 7200, 800) == [(900, 0.0)]
    assert axis.tickStrings([0, 900], 1.0, 900) == ["0:00:00", "0:15:00"]
    assert axis.tickStrings([0.5], 1.0, 0.5) == ["0:00:00.5"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (200.0, "uV", "200 µV"),
        (5e-5, "V", "50 µV"),
        (0.5, "mV", "500 µV"),
        (2000.0, "uV", "2 mV"),
        (5000.0, "Ohm", "5000 Ohm"),
        (1.0, "", "1"),
    ],
)
def test_the_height_of_a_lane_is_said_in_a_unit_that_suits(value: float, unit: str, text: str):
    assert amount(value, unit) == text


def test_the_window_does_without_torch(make_window, qtbot, edf: Path):
    import subprocess

    code = (
        "import sys, crossl_app.gui; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_error_from_any_thread_reaches_the_window(qtbot, qapp, monkeypatch):
    import threading

    from crossl_app.gui import UnexpectedErrors

    shown: list[BaseException] = []
    monkeypatch.setattr("crossl_app.gui.show_error", shown.append)
    monkeypatch.setattr(sys, "excepthook", lambda *details: None)
    monkeypatch.setattr(threading, "excepthook", lambda details: None)
    errors = UnexpectedErrors()
    try:
        bug = CrosslError("x")
        sys.excepthook(CrosslError, bug, None)

        def fail() -> None:
            raise ValueError("in a thread")

        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        qtbot.waitUntil(lambda: len(shown) == 2)
        assert shown[0] is bug
        assert str(shown[1]) == "in a thread"
    finally:
        errors.remove()


def test_findings_can_be_listed_and_copied(qtbot, make_window, tmp_path: Path):
    path = tmp_path / "watch.csv"
    path.write_text("t,acc\n" + "".join(f"{20 * k},{k % 5}\n" for k in range(300)))
    window = make_window()
    open_and_draw(qtbot, window, path)
    assert "findings" in window.status.findings.text()
    window.status.findings.click()
    (dialog,) = window.findChildren(FindingsDialog)
    findings = window._session.shown.recording.findings
    assert dialog.table.rowCount() == len(findings) > 1
    dialog.copy_all()
    copied = QGuiApplication.clipboard().text().splitlines()
    assert [line.split("\t")[2] for line in copied] == [found.message for found in findings]
    dialog.close()


def test_a_csv_file_opens_with_what_the_user_says(qtbot, make_window, tmp_path: Path):
    path = tmp_path / "watch.csv"
    path.write_text("acc\n" + "".join(f"{k % 5}\n" for k in range(300)))
    window = make_window()
    window.open_csv(path)
    (dialog,) = window.findChildren(CsvDialog)
    qtbot.waitUntil(lambda: not dialog._looking.is_busy, timeout=10_000)
    assert "csv.rate_hz" in dialog.problem.text()
    dialog.editors["rate_hz"].setCurrentText("50")
    dialog.editors["rate_hz"].lineEdit().editingFinished.emit()
    qtbot.waitUntil(lambda: not dialog._looking.is_busy, timeout=10_000)
    with qtbot.waitSignal(window.shown, timeout=10_000):
        dialog.accept()
    assert window._session.shown.recording.duration_s == pytest.approx(6.0)


def test_making_the_sample_study_can_be_stopped_and_leaves_nothing(
    qtbot, make_window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ui.study_commands.studies_folder", lambda: tmp_path / "studies")
    window = make_window()
    window.commands.make_night_study()
    qtbot.waitUntil(window.status.stop.isVisible, timeout=10_000)
    qtbot.mouseClick(window.status.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not window.status.stop.isVisible(), timeout=10_000)
    assert not (tmp_path / "studies" / "Simulated night").exists()
    assert window._session.study is None
