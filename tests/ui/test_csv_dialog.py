"""The preview of a CSV file states its guesses, and the user can say otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox

from ui.csv_dialog import CsvDialog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "watch.csv"
    rows = "".join(f"{20 * k};{k % 7},5;{k}\n" for k in range(300))
    path.write_text("t;acc;other\n" + rows)
    return path


def wait(qtbot, dialog: CsvDialog) -> None:
    qtbot.waitUntil(lambda: not dialog._looking.is_busy, timeout=10_000)


def test_guesses_are_shown_with_their_reasons(qtbot, path: Path) -> None:
    dialog = CsvDialog(path)
    qtbot.addWidget(dialog)
    wait(qtbot, dialog)
    for name, part in (("separator", ";"), ("decimal", ","), ("header", "yes"),
                       ("time_column", "t"), ("time_unit", "ms"), ("rate_hz", "50")):  # fmt: skip
        assert dialog.reasons[name].text().startswith(part), name
    assert dialog.lines.toPlainText().startswith("t;acc;other\n0;0,5;0")
    assert dialog.table.item(1, 1).text() == "1,5"
    assert dialog.table.item(1, 1).toolTip() == "1.5"
    assert dialog.config.model_dump(exclude_defaults=True) == {}
    dialog.reject()


def test_what_the_user_says_takes_the_place_of_the_guess(qtbot, path: Path) -> None:
    dialog = CsvDialog(path)
    qtbot.addWidget(dialog)
    wait(qtbot, dialog)
    dialog.editors["time_unit"].setCurrentText("s")
    dialog.editors["time_unit"].activated.emit(0)
    dialog.editors["time_column"].setCurrentText("other")
    dialog.editors["time_column"].lineEdit().editingFinished.emit()
    wait(qtbot, dialog)
    assert dialog.reasons["time_unit"].text() == "csv.time_unit says so."
    assert dialog.preview.choice("time_column").value == "other"
    dialog.accept()
    assert dialog.config.model_dump(exclude_defaults=True) == {
        "time_column": "other",
        "time_unit": "s",
    }


def test_what_cannot_be_right_is_said_and_cannot_be_opened(qtbot, path: Path) -> None:
    dialog = CsvDialog(path)
    qtbot.addWidget(dialog)
    dialog.show()
    wait(qtbot, dialog)
    button = dialog._buttons.button(QDialogButtonBox.StandardButton.Open)
    assert button.isEnabled()
    for name, text in (("rate_hz", "fast"), ("time_column", "clock"), ("skip_rows", "-3")):
        before = dialog.editors[name].currentText()
        dialog.editors[name].setCurrentText(text)
        dialog.editors[name].lineEdit().editingFinished.emit()
        wait(qtbot, dialog)
        assert dialog.problem.isVisible(), name
        assert text.strip("-") in dialog.problem.text(), name
        assert not button.isEnabled(), name
        dialog.editors[name].setCurrentText(before)
        dialog.editors[name].lineEdit().editingFinished.emit()
        wait(qtbot, dialog)
        assert button.isEnabled(), name
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
