"""A label scheme is edited in place, says what is wrong, and never loses a class with labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication, QColorDialog, QDialogButtonBox, QLineEdit
from shiboken6 import isValid

from core.label_scheme import BAD_SIGNAL, LabelScheme, load_scheme
from tests.ui.dialog_checks import check_controls
from ui.scheme_dialog import COLOUR, KEYS, KIND, LABELS, NAME, SchemeDialog

SLEEP = load_scheme("sleep_aasm")


@pytest.fixture
def dialog(qtbot) -> Iterator[SchemeDialog]:
    dialog = SchemeDialog(SLEEP, {"N2": 300, "Arousal": 4})
    dialog.open()
    qtbot.waitExposed(dialog)
    yield dialog
    if isValid(dialog):
        dialog.close()


def names(dialog: SchemeDialog) -> list[str]:
    return [dialog.table.item(row, NAME).text() for row in range(dialog.table.rowCount())]


def type_into(qtbot, dialog: SchemeDialog, row: int, column: int, text: str) -> None:
    dialog.table.setCurrentCell(row, column)
    dialog.table.setFocus()
    qtbot.keyClick(dialog.table, Qt.Key.Key_F2)
    editor = dialog.table.viewport().findChildren(QLineEdit)[-1]
    editor.selectAll()
    qtbot.keyClicks(editor, text)
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    QApplication.processEvents()  # Qt takes the text over after the key


def press_ok(dialog: SchemeDialog) -> None:
    dialog._buttons.button(QDialogButtonBox.StandardButton.Ok).click()


def accepted(qtbot, dialog: SchemeDialog) -> tuple[LabelScheme, dict[str, str]]:
    with qtbot.waitSignal(dialog.scheme_accepted) as signal:
        press_ok(dialog)
    assert not dialog.isVisible()
    return signal.args[0], signal.args[1]


def test_an_unchanged_scheme_comes_back_as_it_was(qtbot, dialog) -> None:
    assert accepted(qtbot, dialog) == (SLEEP, {})


def test_a_class_with_labels_is_renamed_and_the_renaming_is_told(qtbot, dialog) -> None:
    type_into(qtbot, dialog, names(dialog).index("N2"), NAME, " NREM 2 ")
    scheme, renamed = accepted(qtbot, dialog)
    assert renamed == {"N2": "NREM 2"}
    assert [c.name for c in scheme.states] == ["W", "R", "N1", "NREM 2", "N3"]


def test_a_class_with_labels_cannot_be_removed_nor_become_another_kind(qtbot, dialog) -> None:
    row = names(dialog).index("N2")
    dialog.table.setCurrentCell(row, NAME)
    assert not dialog.remove.isEnabled()
    assert "N2 has labels (300)" in dialog.remove.toolTip()
    assert not dialog.table.cellWidget(row, KIND).isEnabled()
    assert dialog.table.item(row, LABELS).text() == "300"
    qtbot.keyClick(dialog.table, Qt.Key.Key_Delete)
    assert "N2" in names(dialog)


def test_bad_signal_belongs_to_every_study(qtbot, dialog) -> None:
    row = names(dialog).index(BAD_SIGNAL)
    dialog.table.setCurrentCell(row, NAME)
    assert not dialog.remove.isEnabled()
    assert not dialog.table.item(row, NAME).flags() & Qt.ItemFlag.ItemIsEditable
    dialog.preset.setCurrentText("stress")
    dialog.take.click()
    assert names(dialog).count(BAD_SIGNAL) == 1


def test_classes_are_added_removed_and_moved_by_keys(qtbot, dialog) -> None:
    dialog.table.setCurrentCell(names(dialog).index("N1"), NAME)
    qtbot.keyClick(dialog.table, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    assert names(dialog)[:3] == ["W", "N1", "R"]
    qtbot.keyClick(dialog.table, Qt.Key.Key_Delete)
    assert "N1" not in names(dialog)
    qtbot.keyClick(dialog.table, Qt.Key.Key_Insert)
    editor = dialog.table.viewport().findChildren(QLineEdit)[-1]
    editor.selectAll()
    qtbot.keyClicks(editor, "Movement")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    scheme, renamed = accepted(qtbot, dialog)
    added = scheme.find("Movement")
    assert added is not None
    assert added.colour not in {c.colour for c in SLEEP.classes if c.name != "N1"}
    assert renamed == {}


@pytest.mark.parametrize(
    ("row", "column", "text", "says"),
    [
        (0, NAME, "R", "class 'R' is there twice."),
        (0, NAME, " ", "a class needs a name"),
        (0, KEYS, "R", "key 'R' is there twice."),
        (0, KEYS, "F1", "'F1' is no key; use single letters and digits."),
    ],
)
def test_what_is_wrong_is_said_at_once_in_the_schemes_own_words(
    qtbot, dialog, row: int, column: int, text: str, says: str
) -> None:
    type_into(qtbot, dialog, row, column, text)
    assert says in dialog.problem.text()
    button = dialog._buttons.button(QDialogButtonBox.StandardButton.Ok)
    assert not button.isEnabled()
    type_into(qtbot, dialog, row, column, "Wake" if column == NAME else "w, 0")
    assert dialog.problem.text() == ""
    assert button.isEnabled()


def test_a_colour_is_chosen_in_a_dialog(qtbot, dialog) -> None:
    dialog.table.cellWidget(0, COLOUR).click()
    chooser = dialog.findChild(QColorDialog)
    chooser.setCurrentColor(QColor("#123456"))
    chooser.accept()
    assert dialog.table.cellWidget(0, COLOUR).text() == "#123456"
    assert accepted(qtbot, dialog)[0].find("W").colour == "#123456"


def test_lengths_order_and_lines_are_set(qtbot, dialog) -> None:
    dialog.epoch.setValue(20)
    assert "stay where they are" in dialog.problem.text()
    dialog.ordered.setChecked(False)
    dialog.page.setValue(0)
    dialog.guide.setValue(75)
    scheme, _ = accepted(qtbot, dialog)
    assert scheme == replace(SLEEP, epoch_s=20, ordered=False, page_s=None, guide_uv=75)


def test_a_preset_takes_the_place_of_all_but_classes_with_labels(qtbot, dialog) -> None:
    dialog.preset.setCurrentText("wake_nrem_rem")
    assert "rodents" in dialog.about.text()
    dialog.take.click()
    assert names(dialog) == [
        "wake", "REM", "NREM", "Artefact", BAD_SIGNAL, "Lights off", "Lights on", "N2", "Arousal"
    ]  # fmt: skip
    scheme, renamed = accepted(qtbot, dialog)
    assert scheme.epoch_s == 10
    assert scheme.find("N2").keys == (), "the key belongs to NREM now"
    assert scheme.find("Arousal").keys == ("A",)
    assert renamed == {}


def test_a_refused_scheme_stays_open_with_the_reason(qtbot, dialog) -> None:
    dialog.scheme_accepted.connect(lambda *_: dialog.show_problem("The disk is full."))
    press_ok(dialog)
    assert dialog.isVisible()
    assert dialog.problem.text() == "The disk is full."


def test_what_is_being_typed_counts_when_ok_is_pressed(qtbot, dialog) -> None:
    dialog.table.setCurrentCell(0, NAME)
    qtbot.keyClick(dialog.table, Qt.Key.Key_F2)
    editor = dialog.table.viewport().findChildren(QLineEdit)[-1]
    editor.selectAll()
    qtbot.keyClicks(editor, "Wake")
    dialog.accept()
    assert dialog.renamed() == {"W": "Wake"}


def test_controls_have_names_and_keys_and_fit(dialog) -> None:
    check_controls(dialog)
