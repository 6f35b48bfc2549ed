"""The panel of recordings: grouped, sorted, filtered, quick, and usable by keyboard."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QApplication

from tests.ui.dialog_checks import check_controls
from ui.study_panel import (
    ID_ROLE,
    LABELLED,
    LENGTH,
    NAME,
    SIGNED,
    SUBJECT,
    RecordingRow,
    StudyPanel,
    duration_text,
    percent_text,
)

ROWS = (
    RecordingRow(1, "night 10", "s1", 8 * 3600, 0.5),
    RecordingRow(2, "night 2", "s1", 7 * 3600, 1.0, signed_off=True),
    RecordingRow(3, "night 1", "s2", 6 * 3600, 0.001, problem="n1.edf is not there."),
)
FLAT = tuple(replace(row, subject=f"p{row.id}") for row in ROWS)


@pytest.fixture
def panel(qtbot) -> StudyPanel:
    panel = StudyPanel()
    qtbot.addWidget(panel)
    panel.resize(340, 400)
    panel.set_recordings(ROWS)
    panel.show()
    qtbot.waitExposed(panel)
    return panel


def listed(panel: StudyPanel) -> list[str]:
    """Names from top to bottom; recordings of a subject are indented."""
    model = panel.model
    names = []
    for row in range(model.rowCount()):
        top = model.index(row, NAME)
        names.append(top.data())
        names += [
            f"  {model.index(k, NAME, top).data()}" for k in range(model.rowCount(top))
        ]  # fmt: skip
    return names


def test_recordings_are_grouped_by_subject_and_names_sort_as_people_count(panel) -> None:
    assert listed(panel) == ["s1", "  night 2", "  night 10", "s2", "  night 1"]
    assert panel.tree.isExpanded(panel.model.index(0, NAME))
    assert panel.summary.text() == "Recordings: 3, subjects: 2"


def test_without_repeated_subjects_the_list_is_flat_and_names_them_in_a_column(panel) -> None:
    panel.set_recordings(FLAT)
    assert listed(panel) == ["night 1", "night 2", "night 10"]
    assert not panel.tree.isColumnHidden(SUBJECT)
    panel.set_recordings([replace(row, subject=row.name) for row in ROWS])
    assert panel.tree.isColumnHidden(SUBJECT)


def test_columns_sort_subjects_and_their_recordings(panel) -> None:
    panel.tree.sortByColumn(LENGTH, Qt.SortOrder.DescendingOrder)
    assert listed(panel) == ["s1", "  night 10", "  night 2", "s2", "  night 1"]
    panel.tree.sortByColumn(LABELLED, Qt.SortOrder.AscendingOrder)
    assert listed(panel) == ["s2", "  night 1", "s1", "  night 10", "  night 2"]


def test_the_filter_finds_names_and_subjects_and_enter_opens_the_first(qtbot, panel) -> None:
    qtbot.keyClicks(panel.filter, "S1 10")
    assert listed(panel) == ["s1", "  night 10"]
    assert panel.summary.text() == "1 of 3 recordings"
    with qtbot.waitSignal(panel.recording_chosen) as chosen:
        qtbot.keyClick(panel.filter, Qt.Key.Key_Return)
    assert chosen.args == [1]
    qtbot.keyClick(panel.filter, Qt.Key.Key_Escape)
    assert len(listed(panel)) == 5


def test_arrows_and_enter_choose_and_a_subject_folds(qtbot, panel) -> None:
    chosen: list[int] = []
    panel.recording_chosen.connect(chosen.append)
    panel.filter.setFocus()
    qtbot.keyClick(panel.filter, Qt.Key.Key_Down)
    assert panel.tree.hasFocus()
    qtbot.keyClick(panel.tree, Qt.Key.Key_Return)
    qtbot.keyClick(panel.tree, Qt.Key.Key_Down)
    qtbot.keyClick(panel.tree, Qt.Key.Key_Return)
    assert chosen == [2, 1]
    panel.tree.setCurrentIndex(panel.model.index(0, NAME))
    qtbot.keyClick(panel.tree, Qt.Key.Key_Return)
    assert not panel.tree.isExpanded(panel.model.index(0, NAME))
    panel.tree.sortByColumn(NAME, Qt.SortOrder.DescendingOrder)
    assert not panel.tree.isExpanded(panel.model.index(1, NAME)), "it stays folded"
    assert chosen == [2, 1]


def click(qtbot, panel: StudyPanel, recording_id: int) -> None:
    place = panel.tree.visualRect(panel.model.index_of(recording_id)).center()
    qtbot.mouseClick(panel.tree.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_a_click_opens_a_recording_but_not_the_open_one_again(qtbot, panel) -> None:
    chosen: list[int] = []
    panel.recording_chosen.connect(chosen.append)
    click(qtbot, panel, 1)
    panel.set_current(1)
    click(qtbot, panel, 1)
    assert chosen == [1]
    assert panel.model.index_of(1).data(Qt.ItemDataRole.FontRole).bold()
    assert panel.tree.currentIndex().data(ID_ROLE) == 1


def test_locks_and_problems_show_as_icons_and_are_said_in_words(panel) -> None:
    signed = panel.model.index_of(2).siblingAtColumn(SIGNED)
    assert not signed.data(Qt.ItemDataRole.DecorationRole).isNull()
    assert signed.data(Qt.ItemDataRole.AccessibleTextRole) == "signed off"
    missing = panel.model.index_of(3)
    assert not missing.data(Qt.ItemDataRole.DecorationRole).isNull()
    assert missing.data(Qt.ItemDataRole.ToolTipRole).endswith("n1.edf is not there.")
    assert panel.model.index_of(1).data(Qt.ItemDataRole.DecorationRole) is None


def test_new_figures_of_a_row_change_that_row_alone(panel) -> None:
    changed: list[str] = []
    panel.model.dataChanged.connect(lambda top, *_: changed.append(top.data()))
    panel.model.modelReset.connect(lambda: changed.append("reset"))
    panel.set_recording(replace(ROWS[0], labelled_share=0.75))
    assert changed == ["night 10", "s1"]
    assert panel.model.index_of(1).siblingAtColumn(LABELLED).data() == "75 %"
    panel.set_recordings([replace(ROWS[0], labelled_share=0.8), *ROWS[1:]])
    assert changed == ["night 10", "s1"] * 2
    panel.set_recordings(ROWS[:2])
    assert "reset" in changed


def test_a_subject_shows_the_share_of_all_its_recordings(panel) -> None:
    share = panel.model.index(0, LABELLED).data()
    assert share == percent_text((0.5 * 8 + 7) / 15)
    assert panel.model.index(0, LENGTH).data() == "15 h 00 min"


def test_a_menu_is_asked_for_by_mouse_and_by_key(qtbot, panel) -> None:
    panel.set_current(3)
    place = panel.tree.visualRect(panel.model.index_of(1)).center()
    for reason, wanted in (
        (QContextMenuEvent.Reason.Mouse, 1),
        (QContextMenuEvent.Reason.Keyboard, 3),
    ):
        event = QContextMenuEvent(reason, place, panel.tree.viewport().mapToGlobal(place))
        with qtbot.waitSignal(panel.menu_requested) as asked:
            QApplication.sendEvent(panel.tree.viewport(), event)
        assert asked.args[0] == wanted
        assert isinstance(asked.args[1], QPoint)


def test_a_rater_is_picked_or_typed_and_half_typed_names_do_not_count(qtbot, panel) -> None:
    chosen: list[str] = []
    panel.rater_chosen.connect(chosen.append)
    panel.set_raters(["AB", "CD"], "AB")
    line = panel.rater.lineEdit()
    panel.rater.setFocus()
    line.selectAll()
    qtbot.keyClicks(panel.rater, "  Eve ")
    qtbot.keyClick(panel.rater, Qt.Key.Key_Return)
    assert chosen == ["Eve"]
    panel.set_raters(["AB", "CD", "Eve"], "Eve")
    line.selectAll()
    qtbot.keyClicks(panel.rater, "CD")
    qtbot.keyClick(panel.rater, Qt.Key.Key_Return)
    assert chosen == ["Eve", "CD"]
    panel.set_raters(["AB", "CD", "Eve"], "CD")
    line.selectAll()
    qtbot.keyClicks(panel.rater, "Fra")
    panel.filter.setFocus()
    assert panel.rater.currentText() == "CD"
    assert chosen == ["Eve", "CD"]


def test_blinded_mode_is_said(panel) -> None:
    assert panel.blinded.isHidden()
    panel.set_blinded(True)
    assert not panel.blinded.isHidden()


@pytest.mark.parametrize("per_subject", [1, 2])
def test_two_thousand_recordings_stay_quick(qtbot, per_subject: int) -> None:
    rows = [
        RecordingRow(k, f"night {k}", f"subject {k // per_subject}", 3600.0 * (7 + k % 3), k / 2000)
        for k in range(2000)
    ]
    panel = StudyPanel()
    qtbot.addWidget(panel)
    panel.show()
    qtbot.waitExposed(panel)

    def took_s(step) -> float:
        started = time.perf_counter()
        step()
        QApplication.processEvents()
        return time.perf_counter() - started

    # About 0.08, 0.06 and 0.0004 s where the machine is not busy.
    assert took_s(lambda: panel.set_recordings(rows)) < 1.0
    assert took_s(lambda: panel.filter.setText("night 19")) < 1.0
    panel.filter.clear()
    changed = replace(rows[7], labelled_share=1.0)
    assert took_s(lambda: panel.set_recording(changed)) < 0.05


def test_lengths_and_shares_are_written_for_people() -> None:
    assert [duration_text(s) for s in (45, 720, 28920)] == ["45 s", "12 min", "8 h 02 min"]
    assert [percent_text(s) for s in (0, 0.001, 0.5, 0.999, 1)] == [
        "0 %", "1 %", "50 %", "99 %", "100 %"
    ]  # fmt: skip


def test_controls_have_names_and_keys(panel) -> None:
    check_controls(panel)
