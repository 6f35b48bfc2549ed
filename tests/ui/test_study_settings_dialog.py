"""A study's settings are changed by keys or mouse, checked in words, and written by nobody here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QTableWidget, QWidget

from core.config import RecordingsConfig, SourceConfig
from core.find_recordings import find_recordings, open_recording
from core.study import Study, StudySettings
from tests.core.study_makers import make_study, write_edf
from tests.ui.dialog_checks import check_controls
from ui.study_settings_dialog import StudySettingsDialog
from ui.study_settings_tables import FIRST_EPOCH, MODALITY, REASON, TO
from ui.wizard_page import choose

GENERAL, CHANNELS, WINDOWS, ENGINE, LEFT_OUT, GRID = range(6)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    made = make_study(tmp_path)
    exclude = [{"recording": "n1", "start_s": 0.0, "end_s": 60.0, "reason": "lights on"}]
    made.change_settings(
        replace(
            made.settings,
            notes="A pilot.",
            engine={**made.settings.engine, "seed": 3},
            recordings={"key_map": {"2": "n2"}, "exclude": exclude},
        )
    )
    yield made
    made.close()


@pytest.fixture
def make_dialog(qtbot, study: Study) -> Iterator[Callable[..., StudySettingsDialog]]:
    made: list[StudySettingsDialog] = []

    def make(page: int = GENERAL, **more: object) -> StudySettingsDialog:
        dialog = StudySettingsDialog(
            study.settings, study.scheme, study.folder, study.recordings(), **more
        )
        made.append(dialog)
        dialog.open()
        qtbot.waitExposed(dialog)
        dialog.tabs.setCurrentIndex(page)
        settle(qtbot, dialog)
        return dialog

    yield make
    for dialog in made:
        if shiboken6.isValid(dialog):
            dialog.done(0)


def settle(qtbot, dialog: StudySettingsDialog) -> None:
    qtbot.waitUntil(lambda: not dialog.draft.is_busy(), timeout=20_000)
    QApplication.processEvents()


def type_over(qtbot, field: QWidget, text: str) -> None:
    field.setFocus()
    field.selectAll()
    qtbot.keyClick(field, Qt.Key.Key_Delete)
    qtbot.keyClicks(field, text)
    if isinstance(field, QLineEdit):
        field.editingFinished.emit()
    QApplication.processEvents()


def type_cell(qtbot, table: QTableWidget, row: int, column: int, text: str) -> None:
    table.setCurrentCell(row, column)
    table.setFocus()
    qtbot.keyClick(table, Qt.Key.Key_F2)
    editor = table.viewport().findChildren(QLineEdit)[-1]
    editor.selectAll()
    qtbot.keyClicks(editor, text) if text else qtbot.keyClick(editor, Qt.Key.Key_Delete)
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    QApplication.processEvents()  # Qt takes the text over after the key


def accepted(qtbot, dialog: StudySettingsDialog) -> StudySettings:
    with qtbot.waitSignal(dialog.settings_accepted) as signal:
        qtbot.mouseClick(dialog.ok, Qt.MouseButton.LeftButton)
    assert not dialog.isVisible()
    return signal.args[0]


# ---------------------------------------------------------------- nothing changed


def test_what_was_only_looked_at_changes_nothing(qtbot, make_dialog, study):
    dialog = make_dialog()
    for page in range(dialog.tabs.count()):
        dialog.tabs.setCurrentIndex(page)
        settle(qtbot, dialog)
    assert dialog.problem() == ""
    assert dialog.settings() == study.settings
    told = []
    dialog.settings_accepted.connect(told.append)
    dialog.grid_offsets_accepted.connect(told.append)
    dialog.accept()
    assert told == []
    assert not dialog.isVisible()


def test_modalities_that_follow_the_channels_go_on_following_them(qtbot, make_dialog, study):
    for chosen in ("auto", "sleep"):
        settings = replace(study.settings, engine={"modalities": chosen})
        study.change_settings(settings)
        dialog = make_dialog(CHANNELS)
        assert dialog.channels.table.rowCount() == 2
        assert dialog.settings() == settings
        dialog.reject()


# ---------------------------------------------------------------- general


def test_general_settings_are_typed(qtbot, make_dialog, study):
    dialog = make_dialog()
    page = dialog.general
    type_over(qtbot, page.name, "  Our nights ")
    type_over(qtbot, page.notes, "Asked by post.")
    type_over(qtbot, page.subject, "P{subject}")
    type_over(qtbot, page.key_map, "3 = n3")
    page.blinded.setFocus()
    qtbot.keyClick(page.blinded, Qt.Key.Key_Space)
    choose(page.join, "union")
    settings = accepted(qtbot, dialog)
    assert (settings.name, settings.notes) == ("Our nights", "Asked by post.")
    assert settings.blinded
    assert settings.engine == study.settings.engine
    assert settings.recordings == {
        **study.settings.recordings,
        "join": "union", "subject": "P{subject}", "key_map": {"3": "n3"},
    }  # fmt: skip
    study.change_settings(settings)


def test_a_study_needs_a_name_and_names_in_tables_a_sign(qtbot, make_dialog):
    dialog = make_dialog()
    type_over(qtbot, dialog.general.name, " ")
    assert dialog.reason.text() == "General: Give the study a name."
    assert not dialog.ok.isEnabled()
    dialog.accept()
    assert dialog.isVisible()
    type_over(qtbot, dialog.general.name, "x")
    type_over(qtbot, dialog.general.key_map, "2 S02")
    assert dialog.reason.text().startswith("General: Names in tables, line 1: write it as")
    type_over(qtbot, dialog.general.key_map, "2 = S02")
    assert dialog.reason.text() == ""


def test_how_several_files_last_is_fixed_while_there_are_such_recordings(
    qtbot, make_dialog, study, tmp_path
):
    for device in ("a", "b"):
        write_edf(tmp_path / "two" / f"m1_{device}.edf", seed=8)
    config = RecordingsConfig(sources=[SourceConfig(pattern="{subject}_{device}.edf")])
    (found,) = find_recordings(config, tmp_path / "two")
    study.add_recordings([(found, open_recording(found, config))])
    dialog = make_dialog()
    assert not dialog.general.join.isEnabled()
    assert "1 recordings have several files" in dialog.general.join_says.text()
    assert dialog.general.join_says.isVisible()


# ---------------------------------------------------------------- channels and windows


def test_modalities_are_changed_and_labels_are_said_to_stay(qtbot, make_dialog, study):
    dialog = make_dialog(CHANNELS, marked=("emg",))
    assert dialog.labels_stay.text().startswith("Labels stay as they are")
    assert "emg" not in dialog.labels_stay.text()
    page = dialog.channels
    assert [page.list.item(k).text() for k in range(2)] == ["eeg (in 2 of 2)", "emg (in 2 of 2)"]
    page.list.setFocus()
    page.list.setCurrentRow(1)
    type_over(qtbot, page.editor.name, "chin")
    settle(qtbot, dialog)
    type_over(qtbot, page.editor.low, "10")
    settle(qtbot, dialog)
    assert "not among these: emg." in dialog.labels_stay.text()
    settings = accepted(qtbot, dialog)
    eeg, chin = settings.engine["modalities"]
    assert (eeg["name"], chin["name"], chin["filter"]["low_hz"]) == ("eeg", "chin", 10)
    assert settings.engine["seed"] == 3
    assert settings.recordings == study.settings.recordings
    study.change_settings(settings)


def test_a_preset_takes_the_place_of_the_list(qtbot, make_dialog):
    dialog = make_dialog(CHANNELS)
    choose(dialog.channels.preset, "sleep")
    dialog.channels.preset.activated.emit(dialog.channels.preset.currentIndex())
    settle(qtbot, dialog)
    assert accepted(qtbot, dialog).engine["modalities"] == "sleep"


def test_what_is_wrong_with_a_modality_keeps_the_settings_from_being_kept(qtbot, make_dialog):
    dialog = make_dialog(CHANNELS)
    page = dialog.channels
    type_over(qtbot, page.editor.name, "e e g")
    settle(qtbot, dialog)
    assert dialog.reason.text().startswith("Channels and modalities: ")
    assert not dialog.ok.isEnabled()


def test_recordings_that_cannot_be_opened_keep_nothing_else_from_being_changed(
    qtbot, make_dialog, tmp_path
):
    for path in (tmp_path / "data").iterdir():
        path.unlink()
    dialog = make_dialog(CHANNELS)
    assert not dialog.channels.preset.isEnabled()
    type_over(qtbot, dialog.general.name, "Moved")
    assert accepted(qtbot, dialog).name == "Moved"


def test_windows_are_changed(qtbot, make_dialog, study):
    dialog = make_dialog(WINDOWS)
    type_over(qtbot, dialog.windows.length, "0")
    assert dialog.reason.text().startswith("Windows: ")
    type_over(qtbot, dialog.windows.length, "10")
    type_over(qtbot, dialog.windows.hop, "5")
    assert dialog.reason.text() == ""
    settings = accepted(qtbot, dialog)
    assert settings.engine["windows"]["length_s"] == 10
    assert settings.engine["windows"]["hop_s"] == 5
    assert settings.engine["modalities"] == study.settings.engine["modalities"]


# ---------------------------------------------------------------- engine


def test_the_engine_is_typed_and_what_is_wrong_is_said_at_once(qtbot, make_dialog):
    dialog = make_dialog(ENGINE)
    page = dialog.engine
    assert json.loads(page.editor.toPlainText()) == {"seed": 3}
    type_over(qtbot, page.editor, '{"pretrain": {"epoch": 5}}')
    assert dialog.reason.text() == (
        "Engine: pretrain.epoch: there is no such key; did you mean 'epochs'?."
    )
    assert not dialog.ok.isEnabled()
    type_over(qtbot, page.editor, '{"pretrain": {"epochs": 5}, "model": {"preset": "fast"}}')
    assert dialog.reason.text() == ""
    assert page._items["pretrain.epochs"].text(1) == "5"
    settings = accepted(qtbot, dialog)
    assert settings.engine["pretrain"] == {"epochs": 5}
    assert "seed" not in settings.engine
    assert "windows" in settings.engine


def test_keys_are_found_explained_and_put_in(qtbot, make_dialog):
    dialog = make_dialog(ENGINE)
    page = dialog.engine
    page.find.setFocus()
    qtbot.keyClicks(page.find, "batch early")
    assert [path for path, item in page._items.items() if not item.isHidden()] == []
    page.find.clear()
    qtbot.keyClicks(page.find, "early stopping")
    shown = [path for path, item in page._items.items() if not item.isHidden()]
    assert shown == ["finetune", "finetune.validation_share"]
    page.tree.setFocus()
    page.tree.setCurrentItem(page._items["finetune.validation_share"])
    assert page.about.text() == (
        "finetune.validation_share: number, above 0, below 1. Share of training subjects for "
        "early stopping."
    )
    qtbot.keyClick(page.tree, Qt.Key.Key_Return)
    assert dialog.isVisible()
    assert page.editor.hasFocus()
    assert page.editor.textCursor().selectedText() == "0.2"
    qtbot.keyClicks(page.editor, "0.3")
    assert accepted(qtbot, dialog).engine["finetune"] == {"validation_share": 0.3}


def test_a_group_cannot_be_put_in_as_it_stands(qtbot, make_dialog):
    dialog = make_dialog(ENGINE)
    dialog.engine.tree.setCurrentItem(dialog.engine._items["pretrain"])
    assert dialog.engine.about.text() == "pretrain: Learning without labels."
    assert not dialog.engine.put.isEnabled()
    dialog.engine.put_key_in()
    assert dialog.engine.said() == {"seed": 3}


def test_the_text_is_tidied_and_that_can_be_undone(qtbot, make_dialog):
    dialog = make_dialog(ENGINE)
    page = dialog.engine
    type_over(qtbot, page.editor, '{"seed":4,"threads":2}')
    qtbot.mouseClick(page.tidy, Qt.MouseButton.LeftButton)
    assert page.editor.toPlainText() == '{\n  "seed": 4,\n  "threads": 2\n}'
    page.editor.undo()
    assert page.editor.toPlainText() == '{"seed":4,"threads":2}'


def test_the_engine_comes_from_a_run_file(qtbot, make_dialog, small_study, study):
    dialog = make_dialog(ENGINE)
    page = dialog.engine
    qtbot.mouseClick(page.load, Qt.MouseButton.LeftButton)
    chooser = page.findChild(QFileDialog)
    chooser.fileSelected.emit(str(small_study.run_file))
    chooser.reject()
    assert page.said()["pretrain"] == small_study.document["pretrain"]
    small_study.run_file.write_text("{")
    page.load_run_file(small_study.run_file)
    assert "not valid JSON" in dialog.reason.text()
    assert dialog.ok.isEnabled()
    settings = accepted(qtbot, dialog)
    assert settings.engine["threads"] == 1
    assert settings.engine["modalities"] == study.settings.engine["modalities"]
    assert "labels" not in settings.engine
    study.change_settings(settings)


def test_an_engine_that_this_version_does_not_know_is_said_and_can_be_mended(
    qtbot, make_dialog, study
):
    engine = {**study.settings.engine, "novelty": 1}
    with study.file.writing() as connection:
        connection.execute(
            "UPDATE setting SET value = ? WHERE name = 'engine'", (json.dumps(engine),)
        )
    dialog = make_dialog()
    assert dialog.reason.text().startswith("Engine: novelty: there is no such key")
    dialog.tabs.setCurrentIndex(ENGINE)
    type_over(qtbot, dialog.engine.editor, "{}")
    assert accepted(qtbot, dialog).engine == {
        key: value for key, value in engine.items() if key not in ("novelty", "seed")
    }


# ---------------------------------------------------------------- left out


def test_stretches_are_added_changed_and_removed(qtbot, make_dialog, study):
    dialog = make_dialog(LEFT_OUT)
    page = dialog.left_out
    table = page.table
    assert [table.cell(0, column) for column in range(5)] == ["n1", "0", "60", "", "lights on"]
    qtbot.mouseClick(page.add, Qt.MouseButton.LeftButton)
    editor = table.viewport().findChildren(QLineEdit)[-1]
    editor.selectAll()
    qtbot.keyClicks(editor, "n2")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    QApplication.processEvents()
    type_cell(qtbot, table, 1, TO, "")
    type_cell(qtbot, table, 1, MODALITY, "eegg")
    assert dialog.reason.text() == (
        "Left out: Row 2: modality: there is no modality 'eegg'; did you mean 'eeg'?"
    )
    type_cell(qtbot, table, 1, MODALITY, "eeg")
    type_cell(qtbot, table, 1, REASON, "loose")
    table.setCurrentCell(0, 0)
    qtbot.keyClick(table, Qt.Key.Key_Delete)
    settings = accepted(qtbot, dialog)
    assert settings.recordings["exclude"] == [
        {"recording": "n2", "start_s": 0.0, "end_s": None, "modality": "eeg", "reason": "loose"}
    ]
    study.change_settings(settings)
    assert study.open_recording(study.recordings()[1]).excluded[0].modality == "eeg"


# ---------------------------------------------------------------- epoch grid


def test_where_epochs_start_is_typed_for_one_recording_or_for_several(qtbot, make_dialog, study):
    dialog = make_dialog(GRID)
    page = dialog.grid
    type_cell(qtbot, page.table, 0, FIRST_EPOCH, "x")
    assert dialog.reason.text() == "Epoch grid: n1: 'x' is no number of seconds."
    type_cell(qtbot, page.table, 0, FIRST_EPOCH, "600")
    assert "within the recording, at 0 s to 600 s" in dialog.reason.text()
    type_cell(qtbot, page.table, 0, FIRST_EPOCH, "0,1")
    assert page.said() == {1: 100_000_000}
    page.table.selectAll()
    type_over(qtbot, page.same, "12.5")
    qtbot.mouseClick(page.set_all, Qt.MouseButton.LeftButton)
    told = []
    dialog.settings_accepted.connect(told.append)
    with qtbot.waitSignal(dialog.grid_offsets_accepted) as signal:
        qtbot.mouseClick(dialog.ok, Qt.MouseButton.LeftButton)
    assert signal.args[0] == {1: 12_500_000_000, 2: 12_500_000_000}
    assert told == []  # the settings are as they were
    for number, offset_ns in signal.args[0].items():
        study.set_grid_offset(number, offset_ns)


def test_epochs_of_a_recording_that_is_signed_off_stay(qtbot, make_dialog):
    dialog = make_dialog(GRID, signed_off={1: "AB"})
    page = dialog.grid
    assert "AB" in page.table.item(0, FIRST_EPOCH).toolTip()
    page.table.selectAll()
    type_over(qtbot, page.same, "3")
    page.set_chosen()
    assert page.said() == {2: 3_000_000_000}


# ---------------------------------------------------------------- the dialog itself


def test_where_nothing_can_be_changed_all_is_shown_with_the_reason(qtbot, make_dialog):
    dialog = make_dialog(ENGINE, read_only="The study is open in another window.")
    assert dialog.reason.text() == "The study is open in another window."
    assert not dialog.ok.isVisible()
    qtbot.keyClicks(dialog.engine.editor, "x")
    dialog.engine.put_key_in()
    assert dialog.engine.said() == {"seed": 3}
    dialog.tabs.setCurrentIndex(LEFT_OUT)
    dialog.left_out.table.setCurrentCell(0, 0)
    qtbot.keyClick(dialog.left_out.table, Qt.Key.Key_Delete)
    assert dialog.left_out.table.rowCount() == 1
    dialog.accept()
    assert dialog.isVisible()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_enter_opens_what_it_is_pressed_on_and_ctrl_enter_keeps_the_settings(
    qtbot, make_dialog, study
):
    dialog = make_dialog(CHANNELS)
    table = dialog.channels.table
    table.setCurrentCell(0, 0)
    table.setFocus()
    qtbot.keyClick(table, Qt.Key.Key_Return)
    popup = QApplication.activePopupWidget()
    assert popup is not None
    popup.close()
    dialog.activateWindow()
    dialog.tabs.setCurrentIndex(GENERAL)
    type_over(qtbot, dialog.general.name, "Nights two")
    qtbot.keyClick(dialog.general.name, Qt.Key.Key_Return)
    assert dialog.isVisible()
    with qtbot.waitSignal(dialog.settings_accepted) as signal:
        qtbot.keyClick(dialog, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert signal.args[0] == replace(study.settings, name="Nights two")


def test_pages_are_reached_by_keys_and_every_control_has_a_name(qtbot, make_dialog):
    dialog = make_dialog()
    for page in range(dialog.tabs.count()):
        assert dialog.tabs.currentIndex() == page
        settle(qtbot, dialog)
        check_controls(dialog)
        qtbot.keyClick(dialog.tabs, Qt.Key.Key_Tab, Qt.KeyboardModifier.ControlModifier)
