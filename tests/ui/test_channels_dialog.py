"""The montage is edited as a table: derivations, filters, order, presets, for one or for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from edfio import Edf, EdfSignal
from PySide6.QtCore import QMimeData, QPointF, Qt
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication, QComboBox, QDialogButtonBox, QLineEdit
from shiboken6 import isValid

from core.modalities import load_preset
from core.montage import Montage, montage_for
from core.open_recording import open_file
from core.recording import Recording
from core.study_view import modality_scheme_of
from tests.ui.dialog_checks import check_controls
from ui.channels_dialog import (
    ABOUT,
    AVERAGE,
    CHANNEL,
    HIGH,
    INVERTED,
    LOW,
    MINUS,
    MODALITY,
    NAME,
    NOTCH,
    SENSITIVITY,
    ChannelsDialog,
)

RAW = ("EEG C3", "EEG M2", "EOG L", "EMG chin", "Temp")
CHECK = Qt.ItemDataRole.CheckStateRole


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    rng = np.random.default_rng(0)
    signals = [
        EdfSignal(
            rng.normal(size=60 * rate), rate, label=label, physical_dimension=unit
        )
        for label, rate, unit in zip(
            RAW, (128, 128, 128, 64, 1), ("uV", "uV", "uV", "uV", "degC"), strict=True
        )
    ]  # fmt: skip
    path = tmp_path / "n1.edf"
    Edf(signals).write(path)
    return open_file(path)


@pytest.fixture
def open_dialog(qtbot, recording: Recording) -> Iterator[Callable[..., ChannelsDialog]]:
    made: list[ChannelsDialog] = []

    def open_it(montage: Montage | None = None, **options) -> ChannelsDialog:
        dialog = ChannelsDialog(recording, montage or montage_for(recording), **options)
        made.append(dialog)
        dialog.show()
        qtbot.waitExposed(dialog)
        settle(qtbot, dialog)
        return dialog

    yield open_it
    for dialog in made:
        if isValid(dialog):
            dialog.close()


def settle(qtbot, dialog: ChannelsDialog) -> None:
    qtbot.waitUntil(
        lambda: not dialog._making.is_busy and not dialog._looking.is_busy, timeout=10_000
    )


def names(dialog: ChannelsDialog) -> list[str]:
    return [trace.name for trace in dialog.model.traces]


def put(dialog: ChannelsDialog, row: int, column: int, text: str) -> bool:
    return dialog.model.setData(dialog.model.index(row, column), text)


def tick(dialog: ChannelsDialog, row: int, column: int, on: bool) -> None:
    state = Qt.CheckState.Checked if on else Qt.CheckState.Unchecked
    dialog.model.setData(dialog.model.index(row, column), state, CHECK)


def chosen(qtbot, dialog: ChannelsDialog) -> tuple[Montage, bool]:
    with qtbot.waitSignal(dialog.montage_chosen) as signal:
        dialog._buttons.button(QDialogButtonBox.StandardButton.Ok).click()
    return signal.args[0], signal.args[1]


def test_an_unchanged_montage_comes_back_as_it_was(qtbot, open_dialog, recording) -> None:
    dialog = open_dialog()
    assert names(dialog) == list(RAW)
    assert dialog.model.index(0, ABOUT).data() == "128 Hz uV"
    assert chosen(qtbot, dialog) == (montage_for(recording), True)
    assert not dialog.isVisible()


def test_a_derivation_is_made_with_the_keyboard(qtbot, open_dialog) -> None:
    dialog = open_dialog()
    table = dialog.table
    table.setCurrentIndex(dialog.model.index(0, MINUS))
    qtbot.keyClick(table, Qt.Key.Key_F2)
    editor = table.viewport().findChildren(QComboBox)[-1]
    assert [editor.itemText(k) for k in range(editor.count())] == ["", *RAW]
    editor.setEditText("EEG M2")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    QApplication.processEvents()
    qtbot.keyClick(table, Qt.Key.Key_Home)
    qtbot.keyClick(table, Qt.Key.Key_F2)
    direct = Qt.FindChildOption.FindDirectChildrenOnly
    line = table.viewport().findChildren(QLineEdit, options=direct)[-1]
    line.setText("C3-M2")
    settle(qtbot, dialog)  # looking what the recording has must not undo what is being typed
    qtbot.keyClick(line, Qt.Key.Key_Return)
    QApplication.processEvents()
    montage, _ = chosen(qtbot, dialog)
    assert montage["C3-M2"].channel == ("EEG C3",)
    assert montage["C3-M2"].minus == ("EEG M2",)


def test_every_setting_can_be_made(qtbot, open_dialog) -> None:
    dialog = open_dialog()
    tick(dialog, 0, NAME, False)
    tick(dialog, 0, INVERTED, True)
    tick(dialog, 0, AVERAGE, True)
    assert put(dialog, 0, MODALITY, "eeg_central")
    assert put(dialog, 0, LOW, "0,5")
    assert put(dialog, 0, HIGH, "30 Hz")
    assert put(dialog, 0, NOTCH, "50")
    assert put(dialog, 0, SENSITIVITY, "75")
    assert put(dialog, 0, CHANNEL, "C4, C3")
    trace = chosen(qtbot, dialog)[0].traces[0]
    assert (trace.hidden, trace.inverted, trace.average_reference) == (True, True, True)
    assert (trace.low_hz, trace.high_hz, trace.notch_hz) == (0.5, 30, 50)
    assert (trace.modality, trace.sensitivity) == ("eeg_central", 75)
    assert trace.channel == ("C4", "C3")
    assert trace.name == "EEG C3"


def test_what_is_no_value_is_refused_in_words_and_nothing_changes(qtbot, open_dialog) -> None:
    dialog = open_dialog()
    before = list(dialog.model.traces)
    for column, text in ((LOW, "low"), (SENSITIVITY, "-3"), (CHANNEL, " ")):
        assert not put(dialog, 0, column, text)
        assert dialog.problem.text()
        assert dialog.model.traces == before
    assert "needs a channel" in dialog.problem.text()


def test_a_montage_that_cannot_be_is_not_taken(qtbot, open_dialog) -> None:
    dialog = open_dialog()
    ok = dialog._buttons.button(QDialogButtonBox.StandardButton.Ok)
    put(dialog, 0, NAME, "EEG M2")
    assert "two traces are called 'EEG M2'" in dialog.problem.text()
    assert not ok.isEnabled()
    assert not dialog.apply_button.isEnabled()
    put(dialog, 0, NAME, "EEG C3")
    put(dialog, 0, LOW, "40")
    put(dialog, 0, HIGH, "30")
    assert "EEG C3: the filter's lower edge (40 Hz)" in dialog.problem.text()
    put(dialog, 0, HIGH, "")
    assert dialog.problem.text() == ""
    assert ok.isEnabled()


def test_a_change_is_made_in_all_chosen_lines(qtbot, open_dialog) -> None:
    dialog = open_dialog()
    dialog.table.choose([0, 2])
    put(dialog, 0, LOW, "1")
    tick(dialog, 2, NAME, False)
    put(dialog, 0, CHANNEL, "EMG chin")
    put(dialog, 4, HIGH, "0.3")
    traces = dialog.model.traces
    assert [trace.low_hz for trace in traces] == [1, None, 1, None, None]
    assert [trace.hidden for trace in traces] == [True, False, True, False, False]
    assert traces[0].channel == ("EMG chin",)
    assert traces[2].channel == ("EOG L",), "a channel is each trace's own"
    assert traces[4].high_hz == 0.3


def test_lines_are_moved_by_keys_and_dragged(qtbot, open_dialog) -> None:
    dialog = open_dialog()
    table = dialog.table
    table.choose([3])
    qtbot.keyClick(table, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    qtbot.keyClick(table, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    assert names(dialog) == ["EEG C3", "EMG chin", "EEG M2", "EOG L", "Temp"]
    assert table.chosen_rows() == [1]
    table.choose([0, 1])
    qtbot.keyClick(table, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    assert table.chosen_rows() == [0, 1], "at the top there is nowhere to go"
    place = table.visualRect(dialog.model.index(3, NAME))

    class Drop(QDropEvent):
        def source(self) -> object:
            return table

    for point, wanted in (
        (QPointF(5, place.bottom() - 1), ["EEG M2", "EOG L", "EEG C3", "EMG chin", "Temp"]),
        (QPointF(5, 2), ["EEG C3", "EMG chin", "EEG M2", "EOG L", "Temp"]),
    ):
        table.dropEvent(
            Drop(
                point,
                Qt.DropAction.MoveAction,
                QMimeData(),
                Qt.MouseButton.LeftButton,
                Qt.KeyboardModifier.NoModifier,
            )
        )
        assert names(dialog) == wanted


def test_traces_are_added_and_removed(qtbot, open_dialog) -> None:
    dialog = open_dialog()
    dialog.table.choose([0])
    dialog.add.click()
    assert names(dialog)[:2] == ["EEG C3", "EEG C3 (2)"]
    assert dialog.table.chosen_rows() == [1]
    dialog.table.choose([0, 3])
    qtbot.keyClick(dialog.table, Qt.Key.Key_Delete)
    assert names(dialog) == ["EEG C3 (2)", "EEG M2", "EMG chin", "Temp"]


def test_filters_are_given_to_all_traces_of_a_kind(qtbot, open_dialog) -> None:
    dialog = open_dialog()
    assert dialog.filters["eeg"].text() == "EEG 0.3–35 Hz"
    assert dialog.filters["ecg"].isHidden(), "there is none"
    dialog.filters["eeg"].click()
    dialog.filters["emg"].click()
    dialog.filters["mains50"].click()
    assert [(t.low_hz, t.high_hz, t.notch_hz) for t in dialog.model.traces] == [
        (0.3, 35, 50), (0.3, 35, 50), (None, None, 50), (10, 100, 50), (None, None, None)
    ]  # fmt: skip
    dialog.filters["none"].click()
    assert not any(trace.is_filtered for trace in dialog.model.traces)


def test_electrodes_by_the_10_20_system_count_as_eeg(recording) -> None:
    from core.montage import TraceSettings
    from ui.channels_dialog import kind_of

    kinds = [kind_of(TraceSettings(name, (name,))) for name in ("C3-M2", "Fpz", "O2", "Cough")]
    assert kinds == ["eeg", "eeg", "eeg", "other"]


def test_presets_start_anew(qtbot, open_dialog, recording) -> None:
    scheme = modality_scheme_of(list(load_preset("sleep")), recording)
    dialog = open_dialog(scheme=scheme)
    dialog.by_modality.click()
    settle(qtbot, dialog)
    assert dialog.model.traces == list(montage_for(recording, scheme).traces)
    absent = next(k for k, t in enumerate(dialog.model.traces) if t.modality == "ecg")
    assert dialog.model.index(absent, ABOUT).data() == "not there"
    assert "has no channel ECG" in dialog.model.index(absent, ABOUT).data(
        Qt.ItemDataRole.ToolTipRole
    )
    dialog.as_recorded.click()
    settle(qtbot, dialog)
    assert dialog.model.traces == list(montage_for(recording).traces)


def test_what_cannot_be_followed_is_said_beside_the_trace(qtbot, open_dialog) -> None:
    dialog = open_dialog()
    put(dialog, 4, LOW, "3")
    settle(qtbot, dialog)
    cell = dialog.model.index(4, ABOUT)
    assert "leaves nothing" in cell.data(Qt.ItemDataRole.ToolTipRole)
    assert not cell.data(Qt.ItemDataRole.DecorationRole).isNull()


def test_apply_stays_open_and_says_what_it_is_for(qtbot, open_dialog) -> None:
    dialog = open_dialog()
    dialog.here.setChecked(True)
    with qtbot.waitSignal(dialog.montage_chosen) as signal:
        dialog.apply_button.click()
    assert signal.args[1] is False
    assert dialog.isVisible()


def test_outside_a_study_it_is_for_this_recording_and_the_reason_is_told(
    qtbot, open_dialog
) -> None:
    dialog = open_dialog(why_not_study="No study is open.")
    assert not dialog.everywhere.isEnabled()
    assert dialog.everywhere.toolTip() == "No study is open."
    assert chosen(qtbot, dialog)[1] is False


def test_controls_have_names_and_keys_and_fit(open_dialog) -> None:
    check_controls(open_dialog())
