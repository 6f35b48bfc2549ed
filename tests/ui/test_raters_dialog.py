"""Raters are listed and added, blinding is explained, and a consensus is asked for as set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QDialogButtonBox
from shiboken6 import isValid

from tests.ui.dialog_checks import check_controls
from ui.raters_dialog import ConsensusDialog, ConsensusSettings, RaterRow, RatersDialog

RATERS = (
    RaterRow("AB", "person", 84_000, 4, 2),
    RaterRow("CD", "person", 28_000, 1),
    RaterRow("EF", "person"),
    RaterRow("scoring.xml", "file", 9000, 1),
    RaterRow("Consensus", "consensus", 9000, 1),
)


@pytest.fixture
def dialog(qtbot) -> Iterator[RatersDialog]:
    dialog = RatersDialog(RATERS, blinded=False)
    dialog.open()
    qtbot.waitExposed(dialog)
    yield dialog
    if isValid(dialog):
        dialog.close()


def test_raters_are_listed_with_what_they_labelled(dialog) -> None:
    texts = [
        [dialog.table.item(row, column).text() for column in range(5)] for row in range(len(RATERS))
    ]
    assert texts[0] == ["AB", "person", "23 h 20 min", "4", "2"]
    assert texts[2] == ["EF", "person", "–", "0", "0"]
    assert texts[3][1] == "imported from a file"


def test_enter_adds_a_rater_and_a_known_name_is_refused_in_words(qtbot, dialog) -> None:
    added: list[str] = []
    dialog.rater_added.connect(added.append)
    qtbot.keyClicks(dialog.name, "ab")
    qtbot.keyClick(dialog.name, Qt.Key.Key_Return)
    assert "rater 'AB' already" in dialog.name_problem.text()
    assert dialog.isVisible()
    dialog.name.clear()
    qtbot.keyClicks(dialog.name, " GH ")
    qtbot.keyClick(dialog.name, Qt.Key.Key_Return)
    assert added == ["GH"]
    assert dialog.name.text() == ""
    dialog.set_raters((*RATERS, RaterRow("GH")))
    assert dialog.table.rowCount() == 6


def test_blinding_is_announced_and_stops_the_consensus(qtbot, dialog) -> None:
    changed: list[bool] = []
    dialog.blinded_changed.connect(changed.append)
    assert dialog.make.isEnabled()
    dialog.blinded.click()
    assert changed == [True]
    assert not dialog.make.isEnabled()
    assert "blinded" in dialog.make.toolTip()
    dialog.set_blinded(False)
    assert changed == [True]
    assert dialog.make.isEnabled()


def test_a_consensus_is_asked_for_as_set(qtbot, dialog) -> None:
    form = dialog.consensus
    form.tie.setCurrentIndex(1)
    form.scope.setCurrentIndex(1)
    form.list.setCurrentRow(0)
    qtbot.keyClick(form.list, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    with qtbot.waitSignal(dialog.consensus_requested) as asked:
        dialog.make.click()
    assert asked.args == [ConsensusSettings("Consensus", ("CD", "AB"), 2, "first", True)]
    assert form.says.text() == "What 'Consensus' has labelled there is replaced."
    dialog.set_raters(RATERS)
    assert form.settings().raters == ("CD", "AB"), "what was chosen stays"


def test_settings_that_make_no_consensus_are_refused_in_words(qtbot, dialog) -> None:
    form = dialog.consensus
    form.list.setCurrentRow(0)
    qtbot.keyClick(form.list, Qt.Key.Key_Space)
    QApplication.processEvents()
    assert form.settings().raters == ("CD",)
    assert "at least two raters" in form.says.text()
    assert not dialog.make.isEnabled()
    qtbot.keyClick(form.list, Qt.Key.Key_Space)
    form.minimum.setValue(3)
    assert "No epoch can have 3 labels of 2 raters" in form.says.text()
    form.minimum.setValue(1)
    form.name.setText("ab")
    assert "'AB' is a rater already" in form.says.text()
    form.name.setText("Best of both")
    assert form.says.text() == ""
    assert dialog.make.isEnabled()


def test_a_study_that_cannot_be_written_says_why(qtbot) -> None:
    dialog = RatersDialog(RATERS, False, "The study is open for reading only.")
    qtbot.addWidget(dialog)
    dialog.name.setText("GH")
    for widget in (dialog.add, dialog.blinded, dialog.make):
        assert not widget.isEnabled()
    assert dialog.lock.text() == "The study is open for reading only."


def test_the_consensus_dialog_starts_with_the_raters_it_is_given(qtbot) -> None:
    dialog = ConsensusDialog(RATERS, ("AB", "scoring.xml"), all_recordings=True)
    dialog.open()
    with qtbot.waitSignal(dialog.consensus_requested) as asked:
        dialog._buttons.button(QDialogButtonBox.StandardButton.Ok).click()
    assert asked.args[0].raters == ("AB", "scoring.xml")
    assert asked.args[0].all_recordings
    assert not dialog.isVisible()


def test_controls_have_names_and_keys_and_fit(dialog) -> None:
    check_controls(dialog)
