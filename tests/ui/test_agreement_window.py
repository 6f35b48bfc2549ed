"""Agreement is shown with the epochs behind each figure, and not at all in a blinded study."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from shiboken6 import isValid

from core.label_scheme import load_scheme
from core.study_labels import (
    NS,
    RecordingLabels,
    StudyLabel,
    make_grid,
    make_recording_labels,
    new_id,
)
from tests.ui.dialog_checks import check_controls
from ui.agreement_window import AgreementInput, AgreementWindow, RatedRecording
from ui.raters_dialog import ConsensusDialog, RaterRow

STATES = load_scheme("sleep_aasm").states  # W, R, N1, N2, N3
SIGNS = {"W": "W", "R": "R", "1": "N1", "2": "N2", "3": "N3"}
AB, CD, EF = (RaterRow(name, "person", 300, 1) for name in ("AB", "CD", "EF"))


def labels(text: str) -> RecordingLabels:
    """One sign an epoch of 30 s; a dot for none."""
    return make_recording_labels(
        StudyLabel(new_id(), k * 30 * NS, (k + 1) * 30 * NS, SIGNS[sign])
        for k, sign in enumerate(text)
        if sign != "."
    )


def night(number: int, **texts: str) -> RatedRecording:
    return RatedRecording(
        number, f"night {number}", make_grid(300, 30), {k: labels(t) for k, t in texts.items()}
    )


NIGHTS = (
    night(1, AB="WW1122..33", CD="WW1223..3R"),
    night(2, AB="22222RRRR.", CD="22222RRRRR"),
)


@pytest.fixture
def open_window(qtbot) -> Iterator[Callable[..., AgreementWindow]]:
    made: list[AgreementWindow] = []

    def open_it(
        recordings: tuple[RatedRecording, ...] = NIGHTS,
        raters: tuple[RaterRow, ...] = (AB, CD),
        current: int | None = 1,
        blinded: bool = False,
    ) -> AgreementWindow:
        value = AgreementInput(STATES, recordings, raters, current, blinded)
        window = AgreementWindow(value)
        made.append(window)
        window.show()
        if not blinded:
            with qtbot.waitSignal(window.compared):
                pass
        return window

    yield open_it
    for window in made:
        if isValid(window):
            window.close()


def cell(window: AgreementWindow, row: int, column: int) -> str:
    return window.matrix.item(row, column).text()


def listed(window: AgreementWindow) -> list[tuple[int, int]]:
    return [window.model.place(row) for row in range(window.model.rowCount())]


def press(window: AgreementWindow, qtbot, row: int, column: int) -> None:
    place = window.matrix.visualItemRect(window.matrix.item(row, column)).center()
    qtbot.mouseClick(window.matrix.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_figures_and_matrix_are_those_of_the_open_recording(open_window) -> None:
    window = open_window()
    # 8 epochs in common, 5 alike; by chance 2·2 + 2·1 + 2·2 + 2·2 of 64.
    assert window.epochs.value.text() == "8"
    assert window.differ.value.text() == "3"
    assert window.accuracy.value.text() == "62 %"
    assert window.kappa.value.text() == f"{(5 / 8 - 14 / 64) / (1 - 14 / 64):.2f}"
    assert cell(window, 0, 0) == "2"
    assert cell(window, 2, 3) == "1"
    assert cell(window, 2, 5) == "2", "sum of the row"
    assert cell(window, 5, 3) == "2", "sum of the column"
    assert window.classes.item(2, 1).text() == "0.67"
    assert window.classes.item(2, 2).text() == "2"


def test_all_recordings_can_be_compared_at_once(open_window) -> None:
    window = open_window()
    window.scope.setCurrentIndex(1)
    assert window.epochs.value.text() == "17"
    assert window.differ.value.text() == "3"
    assert not window.list.isColumnHidden(0)


def test_a_click_on_a_cell_lists_its_epochs_and_a_click_on_an_epoch_goes_there(
    qtbot, open_window
) -> None:
    window = open_window()
    press(window, qtbot, 2, 3)
    assert listed(window) == [(1, 3)]
    assert window.list_says.text() == "AB: N1, CD: N2 – epochs: 1"
    assert [window.model.index(0, column).data() for column in range(4)] == [
        "night 1", "4", "0:01:30", "N1 / N2"
    ]  # fmt: skip
    place = window.list.visualRect(window.model.index(0, 1)).center()
    with qtbot.waitSignal(window.epoch_requested) as went:
        qtbot.mouseClick(window.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert went.args == [1, 3]
    press(window, qtbot, 0, 5)
    assert listed(window) == [(1, 0), (1, 1)]


def test_cells_and_epochs_are_reached_by_keyboard(qtbot, open_window) -> None:
    window = open_window()
    window.matrix.setCurrentCell(3, 3)
    qtbot.keyClick(window.matrix, Qt.Key.Key_Right)
    qtbot.keyClick(window.matrix, Qt.Key.Key_Return)
    assert listed(window) == [(1, 5)]
    window.list.selectRow(0)
    with qtbot.waitSignal(window.epoch_requested) as went:
        qtbot.keyClick(window.list, Qt.Key.Key_Return)
    assert went.args == [1, 5]


def test_disagreements_are_walked_through_and_mended_ones_fall_out(qtbot, open_window) -> None:
    window = open_window()
    went: list[tuple[int, int]] = []
    window.epoch_requested.connect(lambda *place: went.append(place))
    window.walk.click()
    window.next.click()
    assert went == [(1, 3), (1, 5)]
    mended = (night(1, AB="WW1123..33", CD="WW1223..3R"), NIGHTS[1])
    with qtbot.waitSignal(window.compared):
        window.set_input(AgreementInput(STATES, mended, (AB, CD), 1))
    assert listed(window) == [(1, 3), (1, 9)]
    assert window.list.currentIndex().row() == 1, "the one after the mended one"
    window.previous.click()
    window.next.click()
    window.next.click()
    assert went[2:] == [(1, 3), (1, 9)]


def test_of_three_raters_all_can_be_compared_and_a_pair_is_chosen_by_a_click(
    qtbot, open_window
) -> None:
    three = (night(1, AB="WW1122..33", CD="WW1223..3R", EF="WW1122W.3R"),)
    window = open_window(three, (AB, CD, EF))
    window.first.setCurrentText("all raters")
    assert window.kappa.title.text() == "Fleiss' kappa"
    assert not window.second.isEnabled()
    assert window.differ.value.text() == "3"
    assert window.accuracy.value.text() == "62 %"
    assert window.model.index(0, 3).data() == "N1 / N2 / N1"
    assert cell(window, 0, 1) == cell(window, 1, 0)
    press(window, qtbot, 2, 1)
    assert (window.first.currentText(), window.second.currentText()) == ("EF", "CD")
    assert window.kappa.title.text() == "Cohen's kappa"


def test_nobody_is_compared_with_themselves(open_window) -> None:
    window = open_window()
    window.first.setCurrentText("CD")
    assert window.second.currentText() == "AB"
    window.second.setCurrentText("CD")
    assert window.first.currentText() == "AB"


def test_unlabelled_epochs_are_no_class_and_nothing_in_common_is_said(open_window) -> None:
    apart = (night(1, AB="WWW.......", CD="...WWW...."),)
    window = open_window(apart)
    assert window.kappa.value.text() == "–"
    assert window.epochs.value.text() == "0"
    assert window.matrix_says.text() == "AB and CD have labelled no epoch in common here."
    assert not window.walk.isEnabled()


def test_one_rater_alone_has_nothing_to_agree_with(open_window) -> None:
    window = open_window((night(1, AB="WW", CD=".."),))
    assert window.message.isVisible()
    assert window.message.text().endswith("So far only AB has labelled.")
    assert not window.consensus.isEnabled()


def test_a_blinded_study_shows_nothing_and_says_so(qtbot, open_window) -> None:
    window = open_window(blinded=True)
    assert window.message.isVisible()
    assert "blinded" in window.message.text()
    assert not window.matrix.isVisible()
    assert not window.consensus.isEnabled()
    assert not window.copy.isEnabled()
    with qtbot.waitSignal(window.compared):
        window.set_input(replace(window._value, blinded=False))
    assert window.matrix.isVisible()
    window.set_input(replace(window._value, blinded=True))
    assert not window.matrix.isVisible()
    assert "blinded" in window.as_text()


def test_figures_and_tables_are_copied_as_text(open_window) -> None:
    window = open_window()
    window.copy.click()
    text = QGuiApplication.clipboard().text()
    assert text.startswith("AB, CD\nnight 1\nCohen's kappa\t0.52\n")
    assert "\tW\tR\tN1\tN2\tN3\tall\n" in text
    assert "\nN1\t0\t0\t1\t1\t0\t2\n" in text


def test_a_consensus_starts_with_what_is_compared(qtbot, open_window) -> None:
    window = open_window()
    window.scope.setCurrentIndex(1)
    window.consensus.click()
    dialog = window.findChild(ConsensusDialog)
    with qtbot.waitSignal(window.consensus_requested) as asked:
        dialog.accept()
    assert asked.args[0].raters == ("AB", "CD")
    assert asked.args[0].all_recordings


def test_controls_have_names_and_keys_and_fit(open_window) -> None:
    check_controls(open_window())
