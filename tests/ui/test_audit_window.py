"""The audit can be looked through, filtered, copied and kept, also when it is long."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox

from core.study import AuditEntry
from tests.ui.dialog_checks import check_controls
from ui.audit_window import ACTION, DETAIL, WHEN, AuditWindow, local_time

ENTRIES = (
    AuditEntry("2024-05-01T22:00:03.000+00:00", "AB", "night 1", "edit", "N2"),
    AuditEntry("2024-05-01T22:00:02.000+00:00", "CD", "night 2", "undo", "R"),
    AuditEntry("2024-05-01T22:00:01.000+00:00", "AB", "night 2", "edit", "W; 3 epochs"),
    AuditEntry("2024-05-01T22:00:00.000+00:00", "", "", "label scheme", 'W, "R"'),
)


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch):
    if not hasattr(time, "tzset"):
        pytest.skip("this system's zone cannot be set")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def window(qtbot) -> AuditWindow:
    window = AuditWindow("Sleep lab", ENTRIES)
    qtbot.addWidget(window)
    window.show()
    return window


def column(window: AuditWindow, number: int) -> list[str]:
    model = window.model
    return [model.index(row, number).data() for row in range(model.rowCount())]


def test_times_are_those_of_this_computer_and_utc_is_in_the_tooltip(zone, window) -> None:
    assert column(window, WHEN)[0] == "2024-05-02 00:00:03 +0200"
    tip = window.model.index(0, WHEN).data(Qt.ItemDataRole.ToolTipRole)
    assert tip == "2024-05-01T22:00:03.000+00:00 in UTC"
    assert local_time("yesterday") == "yesterday"


def test_filters_leave_what_fits_all_of_them(window) -> None:
    window.recording.setCurrentText("night 2")
    assert column(window, DETAIL) == ["R", "W; 3 epochs"]
    window.rater.setCurrentText("AB")
    assert column(window, DETAIL) == ["W; 3 epochs"]
    assert window.count.text() == "1 of 4 entries"
    window.recording.setCurrentIndex(0)
    window.action.setCurrentText("edit")
    window.text.setText("EPOCHS")
    assert window.shown() == (ENTRIES[2],)
    window.text.clear()
    window.rater.setCurrentIndex(0)
    window.action.setCurrentIndex(0)
    assert window.count.text() == "Entries: 4"


def test_columns_sort(window) -> None:
    window.table.sortByColumn(WHEN, Qt.SortOrder.AscendingOrder)
    assert column(window, ACTION)[0] == "label scheme"
    window.table.sortByColumn(DETAIL, Qt.SortOrder.AscendingOrder)
    assert column(window, DETAIL) == ["N2", "R", 'W, "R"', "W; 3 epochs"]


def test_filters_stay_when_entries_are_read_anew(qtbot, window) -> None:
    window.show_recording("night 2")
    with qtbot.waitSignal(window.refresh_requested):
        window.refresh.click()
    new = AuditEntry("2024-05-01T22:00:04.000+00:00", "AB", "night 2", "signed off", "")
    window.set_entries((new, *ENTRIES))
    assert column(window, ACTION) == ["signed off", "undo", "edit"]


def test_the_export_is_csv_that_reads_back_and_holds_what_is_shown(
    qtbot, window, tmp_path: Path
) -> None:
    window.rater.setCurrentIndex(0)
    window.ask_for_file()
    dialog = window.findChild(QFileDialog)
    path = tmp_path / "audit.csv"
    dialog.fileSelected.emit(str(path))
    dialog.close()
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    assert [row["detail"] for row in rows] == [entry.detail for entry in ENTRIES]
    assert rows[0]["utc"] == ENTRIES[0].at
    assert rows[0]["local_time"] == local_time(ENTRIES[0].at)


def test_a_place_that_cannot_be_written_is_said(qtbot, window, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    window.write_csv(str(tmp_path / "file" / "audit.csv"))
    box = next(w for w in QApplication.topLevelWidgets() if isinstance(w, QMessageBox))
    assert "cannot be written" in box.text()
    box.close()


def test_chosen_lines_are_copied_and_all_where_none_is_chosen(qtbot, window) -> None:
    window.copy.click()
    assert len(QGuiApplication.clipboard().text().splitlines()) == 4
    window.table.selectRow(1)
    qtbot.keyClick(window.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text().split("\t")[1:] == ["CD", "night 2", "undo", "R"]


def test_five_thousand_entries_are_filtered_within_a_blink(qtbot) -> None:
    entries = [
        AuditEntry(f"2024-05-01T10:{k // 60 % 60:02d}:{k % 60:02d}.000+00:00", "AB",
                   f"night {k % 30}", "edit", f"label {k}")
        for k in range(5000)
    ]  # fmt: skip
    window = AuditWindow("long", entries)
    qtbot.addWidget(window)
    window.show()
    started = time.perf_counter()
    window.text.setText("label 49")
    QApplication.processEvents()
    assert time.perf_counter() - started < 0.5  # 0.01 s on a machine that is not busy
    assert window.model.rowCount() == 111


def test_controls_have_names_and_keys_and_fit(window) -> None:
    check_controls(window)
