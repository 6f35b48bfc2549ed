"""The new-study window leads from files to a plan, by keys or mouse, and keeps what is typed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import shiboken6
from edfio import Edf, EdfAnnotation, EdfSignal
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QColor, QDropEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QComboBox,
    QFileDialog,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPlainTextEdit,
    QSpinBox,
    QWidget,
)

from core.errors import StudyError
from core.progress import Progress
from core.study_plan import StudyPlan
from ui.csv_dialog import CsvDialog
from ui.new_study_wizard import NewStudyWizard
from ui.wizard_labels import duration_text
from ui.wizard_page import Section
from ui.wizard_recordings import key_map_of
from ui.wizard_source import values_of, values_text

PAGES = ("Name and folder", "Recordings", "Channels", "Labels you have", "Classes and epochs",
         "Windows for learning", "Summary")  # fmt: skip
STAGES = ("Sleep stage W", "Sleep stage 1", "Sleep stage 2", "Sleep stage 3", "Lights off")


@pytest.fixture
def make_wizard(qtbot) -> Iterator[Callable[..., NewStudyWizard]]:
    """Makes wizards, and closes them at the end."""
    made: list[NewStudyWizard] = []

    def make(*paths: Path) -> NewStudyWizard:
        wizard = NewStudyWizard()
        made.append(wizard)
        wizard.show()
        qtbot.waitExposed(wizard)
        if paths:
            wizard.set_paths(paths)
            settle(qtbot, wizard)
        return wizard

    yield make
    for wizard in made:
        if shiboken6.isValid(wizard):
            wizard.done(0)


def settle(qtbot, wizard: NewStudyWizard) -> None:
    """Wait until nothing runs in the background and the page shows what came of it."""
    qtbot.waitUntil(lambda: not wizard.draft.is_busy(), timeout=20_000)
    QApplication.processEvents()


def press(qtbot, wizard: NewStudyWizard, key: Qt.Key) -> None:
    qtbot.keyClick(QApplication.focusWidget() or wizard, key)


def go_to(qtbot, wizard: NewStudyWizard, number: int) -> None:
    while wizard.number < number:
        settle(qtbot, wizard)
        assert wizard.next.isEnabled(), wizard.page.problem()
        qtbot.mouseClick(wizard.next, Qt.MouseButton.LeftButton)
    settle(qtbot, wizard)


def type_over(qtbot, field: QLineEdit, text: str) -> None:
    """Type a text in place of what stands there, and leave the field."""
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, text) if text else qtbot.keyClick(field, Qt.Key.Key_Delete)
    field.editingFinished.emit()
    QApplication.processEvents()


def night(path: Path, texts: tuple[str, ...] = STAGES) -> Path:
    """150 s of a night with one annotation each 30 s."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    signals = [
        EdfSignal(rng.normal(size=150 * rate), rate, label=label, physical_dimension=unit)
        for label, rate, unit in (
            ("EEG C3-M2", 100, "uV"), ("EOG(L)", 100, "uV"), ("EMG chin", 100, "uV"),
            ("Temp rectal", 1, "degC"),
        )
    ]  # fmt: skip
    annotations = [EdfAnnotation(30 * k, 30, text) for k, text in enumerate(texts)]
    Edf(signals, annotations=annotations or None).write(path)
    return path


@pytest.fixture
def nights(tmp_path: Path) -> Path:
    """Two people with two nights each."""
    for person in (1, 2):
        for number in (1, 2):
            night(tmp_path / "nights" / f"P{person}_night{number}.edf")
    return tmp_path / "nights"


# ---------------------------------------------------------------- all the way


def test_one_night_becomes_a_sleep_study_with_enter_alone(qtbot, make_wizard, edf: Path) -> None:
    wizard = make_wizard(edf)
    plans: list[StudyPlan] = []
    wizard.plan_ready.connect(plans.append)
    for title in PAGES:
        settle(qtbot, wizard)
        assert wizard.title.text() == title
        assert wizard.page.problem() == ""
        press(qtbot, wizard, Qt.Key.Key_Return)
    (plan,) = plans
    assert plan.name == "s1"
    assert plan.folder.name == "s1"
    assert plan.folder.parent.name == "crossl-app"
    assert plan.modalities == "sleep"
    assert [one.paths for one in plan.found] == [(edf,)]
    assert [entry.name for entry in plan.scheme.states] == ["W", "R", "N1", "N2", "N3"]
    assert (plan.scheme.epoch_s, plan.windows.length_s) == (30.0, 30.0)
    assert plan.labels is None
    assert not plan.copy_recordings
    wizard.accept()


def test_a_folder_of_scored_nights_brings_its_labels(qtbot, make_wizard, nights: Path) -> None:
    wizard = make_wizard(nights)
    plans: list[StudyPlan] = []
    wizard.plan_ready.connect(plans.append)
    go_to(qtbot, wizard, 6)
    summary = wizard.summary_page.says.text()
    assert "4 recordings of 2 people" in summary
    assert all(name in summary for name in ("W", "N1", "N2", "N3", "Lights off", "imported"))
    qtbot.mouseClick(wizard.summary_page.copy, Qt.MouseButton.LeftButton, pos=QPoint(8, 8))
    qtbot.mouseClick(wizard.create, Qt.MouseButton.LeftButton)
    (plan,) = plans
    assert plan.recordings.sources[0].pattern == "{subject}_night{night}.edf"
    assert {one.subject for one in plan.found} == {"P1", "P2"}
    assert plan.labels is not None
    assert plan.labels.mapping["Sleep stage 3"] == "N3"
    assert set(plan.labels.classes) == {entry.name for entry in plan.scheme.classes}
    assert plan.windows.anchor == "labels"
    assert plan.copy_recordings
    assert plan.rater == "imported"


def test_the_real_sets_go_through_with_next_alone(qtbot, make_wizard, shared: Path) -> None:
    data = shared / "data"
    for folder, people, modalities, kind, states in (
        ("stress_wristband", 20, "wearable_stress", "table", ["no_stress", "stress"]),
        ("eeg_arithmetic", 12, None, "field", ["1", "2"]),
    ):
        wizard = make_wizard(data / folder)
        plans: list[StudyPlan] = []
        wizard.plan_ready.connect(plans.append)
        go_to(qtbot, wizard, 6)
        qtbot.mouseClick(wizard.create, Qt.MouseButton.LeftButton)
        (plan,) = plans
        assert len({one.subject for one in plan.found}) == people
        assert plan.modalities == modalities or modalities is None
        assert plan.labels is not None
        assert plan.labels.kind == kind
        assert [entry.name for entry in plan.scheme.states] == states
        wizard.accept()
    assert [modality.name for modality in plan.modalities] == [
        "frontal_eeg", "central_eeg", "posterior_eeg", "ecg",
    ]  # fmt: skip


def test_phone_and_watch_go_through_with_next_alone(qtbot, make_wizard, shared: Path) -> None:
    wizard = make_wizard(shared / "data" / "har_phone_watch")
    go_to(qtbot, wizard, 6)
    plan = wizard.draft.plan()
    assert (len(plan.found), plan.modalities) == (145, "body_motion")
    assert plan.labels is not None
    assert plan.labels.kind == "column"
    assert plan.found[0].files[0].label_columns == ("label",)
    assert "Looked into 8 of 145" in wizard.channels_page.looked.text()


# ---------------------------------------------------------------- name, folder, run file


def test_a_name_and_a_usable_folder_are_asked_for(qtbot, make_wizard, tmp_path: Path) -> None:
    wizard = make_wizard()
    page = wizard.start_page
    assert wizard.next.isEnabled()
    type_over(qtbot, page.name, "")
    assert not wizard.next.isEnabled()
    assert wizard.reason.isVisible()
    assert "name" in wizard.reason.text()
    type_over(qtbot, page.name, "Naps / 2026")
    assert page.folder.text().endswith("crossl-app/Naps_2026")
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "study.sqlite").touch()
    type_over(qtbot, page.folder, str(taken))
    assert "already holds a study" in wizard.reason.text()
    type_over(qtbot, page.folder, str(tmp_path / "free"))
    assert wizard.next.isEnabled()
    assert not wizard.reason.isVisible()
    # A folder of the user's own is kept when the name changes.
    type_over(qtbot, page.name, "Other")
    assert wizard.draft.folder == tmp_path / "free"
    page.notes.setPlainText("nap study")
    assert wizard.draft.notes == "nap study"


def test_a_folder_is_chosen_with_a_dialog(
    qtbot, make_wizard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wizard = make_wizard()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "x"))
    qtbot.mouseClick(wizard.start_page.browse, Qt.MouseButton.LeftButton)
    assert wizard.draft.folder == tmp_path / "x"
    assert wizard.start_page.folder.text() == str(tmp_path / "x")


def test_a_run_file_fills_all_pages_in(qtbot, make_wizard, small_study) -> None:
    wizard = make_wizard()
    wizard.set_run_file(small_study.run_file)
    settle(qtbot, wizard)
    assert wizard.start_page.name.text() == "small"
    assert "Filled in from run.json" in wizard.start_page.says.text()
    go_to(qtbot, wizard, 2)
    assert [wizard.channels_page.list.item(k).text() for k in range(2)] == [
        "acc (in 5 of 5)", "gyro (in 5 of 5)",
    ]  # fmt: skip
    go_to(qtbot, wizard, 6)
    plan = wizard.draft.plan()
    assert [modality.name for modality in plan.modalities] == ["acc", "gyro"]
    assert [entry.name for entry in plan.scheme.states] == ["rest", "walk"]
    assert plan.engine["model"] == small_study.document["model"]
    assert plan.windows.length_s == 2
    assert plan.found[0].files[0].label_columns == ("activity",)


def test_a_run_file_asks_where_its_recordings_lie(
    qtbot, make_wizard, small_study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "elsewhere" / "run.json"
    moved.parent.mkdir()
    moved.write_text(json.dumps(small_study.document))
    wizard = make_wizard()
    page = wizard.start_page
    assert not page.open_root.isEnabled()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(moved), ""))
    qtbot.mouseClick(page.open_run_file, Qt.MouseButton.LeftButton)
    settle(qtbot, wizard)
    assert "matches no file" in wizard.reason.text()
    assert not wizard.next.isEnabled()
    folder = str(small_study.folder)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: folder)
    qtbot.mouseClick(page.open_root, Qt.MouseButton.LeftButton)
    settle(qtbot, wizard)
    assert wizard.next.isEnabled()
    assert wizard.draft.preview.taken == 5


# ---------------------------------------------------------------- recordings


def test_the_preview_follows_the_pattern_as_it_is_typed(qtbot, make_wizard, nights: Path) -> None:
    wizard = make_wizard(nights)
    go_to(qtbot, wizard, 1)
    page = wizard.recordings_page
    assert page.count.text() == "4 recordings of 2 people"
    assert page.model.rowCount() == 4
    type_over(qtbot, page.editor.pattern, "{subject}_night{night:d}.edf")
    settle(qtbot, wizard)
    assert wizard.draft.preview.rows[0].id == "P1_1"
    type_over(qtbot, page.editor.values, "subject=P2")
    settle(qtbot, wizard)
    assert page.count.text() == "2 recordings of 1 person"
    type_over(qtbot, page.editor.pattern, "{subject_night{night}.edf")
    settle(qtbot, wizard)
    assert page.count.text() == "No recordings."
    assert not wizard.next.isEnabled()
    assert "brace" in wizard.reason.text()
    assert page.editor.pattern.text() == "{subject_night{night}.edf"


def test_a_tick_taken_off_leaves_a_recording_out(qtbot, make_wizard, nights: Path) -> None:
    wizard = make_wizard(nights)
    go_to(qtbot, wizard, 1)
    table = wizard.recordings_page.table
    table.setFocus()
    table.setCurrentIndex(table.model().index(1, 0))
    qtbot.keyClick(table, Qt.Key.Key_Space)
    settle(qtbot, wizard)
    assert "3 recordings of 2 people; 1 left out" in wizard.recordings_page.count.text()
    # What was said is kept on the way there and back.
    go_to(qtbot, wizard, 3)
    for _ in range(2):
        qtbot.mouseClick(wizard.back, Qt.MouseButton.LeftButton)
    assert not wizard.recordings_page.model.rows[1].taken
    assert len(wizard.draft.plan().found) == 3
    for row in (0, 2, 3):
        table.setCurrentIndex(table.model().index(row, 0))
        qtbot.keyClick(table, Qt.Key.Key_Space)
    settle(qtbot, wizard)
    assert "tick at least one" in wizard.reason.text()


def test_nothing_goes_on_without_recordings(qtbot, make_wizard, tmp_path: Path) -> None:
    wizard = make_wizard()
    qtbot.mouseClick(wizard.next, Qt.MouseButton.LeftButton)
    assert wizard.number == 1
    assert "Add files or a folder" in wizard.reason.text()
    press(qtbot, wizard, Qt.Key.Key_Return)
    assert wizard.number == 1
    (tmp_path / "empty").mkdir()
    wizard.set_paths([tmp_path / "empty"])
    settle(qtbot, wizard)
    assert "no recording in empty" in wizard.reason.text()


def test_files_are_added_with_dialogs_and_forgotten_again(
    qtbot, make_wizard, nights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wizard = make_wizard()
    qtbot.mouseClick(wizard.next, Qt.MouseButton.LeftButton)
    page = wizard.recordings_page
    first = str(nights / "P1_night1.edf")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([first], ""))
    qtbot.mouseClick(page.add_files, Qt.MouseButton.LeftButton)
    settle(qtbot, wizard)
    assert page.count.text() == "1 recording"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(nights))
    qtbot.mouseClick(page.add_folder, Qt.MouseButton.LeftButton)
    settle(qtbot, wizard)
    assert page.count.text() == "4 recordings of 2 people"
    qtbot.mouseClick(page.start_over, Qt.MouseButton.LeftButton)
    settle(qtbot, wizard)
    assert wizard.draft.recordings is None
    assert not wizard.next.isEnabled()


def test_dropped_files_are_taken_in(qtbot, make_wizard, edf: Path) -> None:
    wizard = make_wizard()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(edf))])
    event = QDropEvent(
        QPoint(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    wizard.dropEvent(event)
    settle(qtbot, wizard)
    assert wizard.number == 1
    assert wizard.draft.preview.taken == 1


def test_another_device_and_settings_of_a_source(
    qtbot, make_wizard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"{k / 20},{k % 7}\n" for k in range(400))
    for device in ("one", "two"):
        (tmp_path / device).mkdir()
        for person in ("a", "b"):
            (tmp_path / device / f"{person}.csv").write_text("time,ax\n" + rows)
    wizard = make_wizard(tmp_path / "one")
    go_to(qtbot, wizard, 1)
    page = wizard.recordings_page
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "two"))
    qtbot.mouseClick(page.add_source, Qt.MouseButton.LeftButton)
    settle(qtbot, wizard)
    assert page.source_choice.isVisible()
    assert [len(row.files) for row in wizard.draft.preview.rows] == [2, 2]
    page.source_choice.setCurrentIndex(1)
    page.source_choice.activated.emit(1)
    QApplication.processEvents()
    page.editor.more.button.click()
    assert page.editor.name.text() == "main2"
    type_over(qtbot, page.editor.offset, "-1,5")
    page.editor.optional.click()
    page.editor.zone.setCurrentText("Europe/Berlin")
    page.editor.zone.lineEdit().editingFinished.emit()
    settle(qtbot, wizard)
    second = wizard.draft.recordings.sources[1]
    assert (second.clock_offset_s, second.optional, second.time_zone) == (
        -1.5, True, "Europe/Berlin",
    )  # fmt: skip
    type_over(qtbot, page.editor.offset, "soon")
    assert "'soon' is no number" in wizard.reason.text()
    assert page.editor.offset.text() == "soon"
    type_over(qtbot, page.editor.offset, "2")
    settle(qtbot, wizard)
    assert wizard.draft.recordings.sources[1].clock_offset_s == 2
    page.join.setCurrentIndex(1)
    page.join.activated.emit(1)
    type_over(qtbot, page.subject, "P{subject}")
    settle(qtbot, wizard)
    assert {row.subject for row in wizard.draft.preview.rows} == {"Pa", "Pb"}
    assert wizard.draft.recordings.join == "union"
    qtbot.mouseClick(page.remove_source, Qt.MouseButton.LeftButton)
    settle(qtbot, wizard)
    assert [len(row.files) for row in wizard.draft.preview.rows] == [1, 1]


def test_csv_settings_are_taken_from_the_csv_dialog(qtbot, make_wizard, tmp_path: Path) -> None:
    rows = "".join(f"{20 * k};{k % 7},5;{k % 3}\n" for k in range(300))
    path = tmp_path / "watch.csv"
    path.write_text("t;acc_x;gyro_x\n" + rows)
    wizard = make_wizard(path)
    go_to(qtbot, wizard, 1)
    editor = wizard.recordings_page.editor
    editor.more.button.click()
    assert editor.csv.isEnabled()
    qtbot.mouseClick(editor.csv, Qt.MouseButton.LeftButton)
    (dialog,) = wizard.findChildren(CsvDialog)
    qtbot.waitUntil(lambda: not dialog._looking.is_busy)
    dialog.editors["time_unit"].setCurrentText("ms")
    dialog.editors["time_unit"].activated.emit(0)
    qtbot.waitUntil(lambda: not dialog._looking.is_busy)
    dialog.accept()
    settle(qtbot, wizard)
    assert wizard.draft.recordings.sources[0].csv.time_unit == "ms"
    assert "time_unit ms" in editor.csv_says.text()


def test_listed_recordings_can_be_given_to_one_person(qtbot, make_wizard, tmp_path: Path) -> None:
    paths = [night(tmp_path / "a" / "first.edf"), night(tmp_path / "b c" / "second.bdf.edf")]
    other = tmp_path / "third.rec"
    night(tmp_path / "third.edf").rename(other)
    wizard = make_wizard(*paths, other)
    go_to(qtbot, wizard, 1)
    page = wizard.recordings_page
    assert wizard.draft.recordings.listed is not None
    assert "listed one by one" in page.editor.pattern.placeholderText()
    index = page.model.index(0, 1)
    assert page.model.flags(index) & Qt.ItemFlag.ItemIsEditable
    assert page.model.setData(index, "somebody")
    page.model.setData(page.model.index(1, 1), "somebody")
    settle(qtbot, wizard)
    assert page.count.text() == "3 recordings of 2 people"


def test_names_in_tables_and_values_are_read_as_typed() -> None:
    assert key_map_of("2 = S02\n3=S03\n4\n = x") == {"2": "S02", "3": "S03"}
    values = {"signal": ["ACC", "BVP"], "subject": ["S1"]}
    assert values_of(values_text(values)) == values
    assert values_of("signal=") == {}


# ---------------------------------------------------------------- channels


def test_channels_are_moved_by_typing_a_modality(qtbot, make_wizard, nights: Path) -> None:
    wizard = make_wizard(nights)
    go_to(qtbot, wizard, 2)
    page = wizard.channels_page
    assert page.preset.currentData() == "guess"
    assert "preset 'sleep'" in page.says.text()
    absent = [page.list.item(k) for k in range(page.list.count()) if "no rec" in
              page.list.item(k).text()]  # fmt: skip
    assert absent
    assert absent[0].foreground().color() != page.palette().text().color()
    labels = [page.table.item(k, 0).text() for k in range(page.table.rowCount())]
    box = page.table.cellWidget(labels.index("Temp rectal"), 5)
    assert box.currentText() == "none"
    box.lineEdit().setFocus()
    type_over(qtbot, box.lineEdit(), "Body temp")
    settle(qtbot, wizard)
    assert page.preset.currentData() == "own"
    modalities = {m.name: m for m in wizard.draft.modalities}
    assert list(modalities) == ["eeg_central", "eog", "emg", "body_temp"]
    assert modalities["body_temp"].channels[0].match == ["Temp rectal"]
    assert wizard.next.isEnabled()
    box = page.table.cellWidget(labels.index("EMG chin"), 5)
    box.setCurrentIndex(0)
    box.activated.emit(0)
    settle(qtbot, wizard)
    assert "emg" not in {m.name for m in wizard.draft.modalities}


def test_a_modality_is_edited_and_mistakes_are_told(qtbot, make_wizard, nights: Path) -> None:
    wizard = make_wizard(nights)
    go_to(qtbot, wizard, 2)
    page = wizard.channels_page
    editor = page.editor
    page.list.setCurrentRow(0)
    assert editor.name.text() == "eeg_central"
    type_over(qtbot, editor.low, "40")
    settle(qtbot, wizard)
    assert "low_hz must be below high_hz" in wizard.reason.text()
    assert editor.low.text() == "40"
    type_over(qtbot, editor.low, "0,5")
    type_over(qtbot, editor.name, "central")
    settle(qtbot, wizard)
    assert page.list.currentItem().text().startswith("central")
    editor.average.click()
    editor.scaling.setCurrentIndex(1)
    editor.scaling.activated.emit(1)
    editor.detection_section.button.click()
    type_over(qtbot, editor.detection["max_flat_share"], "0.9")
    type_over(qtbot, editor.valid_low, "-500")
    settle(qtbot, wizard)
    assert "lower and an upper" in wizard.reason.text()
    type_over(qtbot, editor.valid_high, "500")
    editor.channels_section.button.click()
    item = editor.channels.item(0, 0)
    item.setText("C3-M2, C3")
    editor.channels.item(0, 1).setText("M2")
    settle(qtbot, wizard)
    changed = next(m for m in wizard.draft.modalities if m.name == "central")
    assert (changed.filter.low_hz, changed.scaling, changed.average_reference) == (
        0.5, "window", True,
    )  # fmt: skip
    assert changed.detection.model_dump(exclude_unset=True) == {
        "max_flat_share": 0.9, "valid_range": (-500.0, 500.0),
    }  # fmt: skip
    assert (changed.channels[0].match, changed.channels[0].minus) == (["C3-M2", "C3"], ["M2"])
    # What the user said outlives a second look at the recordings.
    wizard.draft.look_into(again=True)
    settle(qtbot, wizard)
    assert "central" in {m.name for m in wizard.draft.modalities}
    page.preset.setCurrentIndex(page.preset.findData("guess"))
    page.preset.activated.emit(0)
    settle(qtbot, wizard)
    assert wizard.draft.modalities == "sleep"


def test_modalities_are_added_moved_and_removed(qtbot, make_wizard, nights: Path) -> None:
    wizard = make_wizard(nights)
    go_to(qtbot, wizard, 2)
    page = wizard.channels_page
    page.table.setCurrentCell(3, 0)
    qtbot.mouseClick(page.add, Qt.MouseButton.LeftButton)
    settle(qtbot, wizard)
    names = [m.name for m in wizard.draft.modalities]
    assert names[-1] == "temp_rectal"
    assert page.list.currentItem().text().startswith("temp_rectal")
    qtbot.mouseClick(page.up, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(page.up, Qt.MouseButton.LeftButton)
    settle(qtbot, wizard)
    assert [m.name for m in wizard.draft.modalities].index("temp_rectal") == len(names) - 3
    for _ in range(len(names)):
        qtbot.mouseClick(page.remove, Qt.MouseButton.LeftButton)
        settle(qtbot, wizard)
    assert "There is no modality" in wizard.reason.text()
    page.preset.setCurrentIndex(page.preset.findData("body_motion"))
    page.preset.activated.emit(0)
    settle(qtbot, wizard)
    assert "No recording has a channel" in wizard.reason.text()
    page.preset.setCurrentIndex(page.preset.findData("sleep"))
    page.preset.activated.emit(0)
    settle(qtbot, wizard)
    assert "Polysomnography" in page.says.text()
    assert wizard.next.isEnabled()


def test_recordings_that_cannot_be_opened_are_told(qtbot, make_wizard, tmp_path: Path) -> None:
    night(tmp_path / "P1_a.edf")
    (tmp_path / "P2_a.edf").write_text("nothing")
    wizard = make_wizard(tmp_path)
    go_to(qtbot, wizard, 2)
    assert "1 cannot be opened" in wizard.channels_page.looked.text()
    (tmp_path / "P1_a.edf").write_text("nothing either")
    wizard.draft.look_into(again=True)
    settle(qtbot, wizard)
    assert "No recording can be opened" in wizard.reason.text()
    assert not wizard.next.isEnabled()


# ---------------------------------------------------------------- labels


def test_what_each_text_becomes_is_shown_and_changed(qtbot, make_wizard, nights: Path) -> None:
    wizard = make_wizard(nights)
    go_to(qtbot, wizard, 3)
    page = wizard.labels_page
    assert page.kind.currentData() == "annotations"
    assert page.mapping.currentData() == "aasm_from_rk"
    table = page.table
    texts = [table.item(k, 0).text() for k in range(table.rowCount())]
    boxes = {text: table.cellWidget(k, 3) for k, text in enumerate(texts)}
    assert set(texts) == set(STAGES)
    assert boxes["Sleep stage 3"].currentText() == "N3"
    assert table.item(texts.index("Sleep stage 3"), 1).text() == "4"
    assert "4 of 4 recordings" in page.counted.text()
    # A text that is a class of the scheme, though no stage, is taken as that class.
    assert boxes["Lights off"].currentText() == "Lights off"
    type_over(qtbot, boxes["Sleep stage 1"].lineEdit(), "Drowsy")
    settle(qtbot, wizard)
    assert page.mapping.currentData() == "own"
    assert wizard.draft.labels.mapping["Sleep stage 1"] == "Drowsy"
    assert wizard.draft.scheme.find("Drowsy") is not None
    boxes["Sleep stage W"].setCurrentIndex(0)
    boxes["Sleep stage W"].activated.emit(0)
    settle(qtbot, wizard)
    assert wizard.draft.labels.mapping["Sleep stage W"] is None
    page.mapping.setCurrentIndex(0)
    page.mapping.activated.emit(0)
    settle(qtbot, wizard)
    assert boxes["Sleep stage 1"].currentText() == "Sleep stage 1"
    assert wizard.draft.scheme.find("Sleep stage 1") is not None
    type_over(qtbot, page.rater, "")
    assert "whose labels" in wizard.reason.text()
    type_over(qtbot, page.rater, "AB")
    assert wizard.draft.plan().rater == "AB"
    page.kind.setCurrentIndex(0)
    page.kind.activated.emit(0)
    settle(qtbot, wizard)
    assert wizard.draft.labels is None
    assert not page.table.isVisible()
    assert wizard.draft.scheme.states[0].name == "W"


def test_a_table_of_labels_is_set_up_by_hand(
    qtbot, make_wizard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    for person in ("p1", "p2"):
        night(folder / f"{person}.edf", ())
    (tmp_path / "diary.csv").write_text("name;from;what\np1;0;rest\np1;60;task\np2;30;rest\n")
    wizard = make_wizard(folder)
    go_to(qtbot, wizard, 3)
    page = wizard.labels_page
    assert wizard.draft.labels is None
    assert "No labels were found" in page.says.text()
    page.kind.setCurrentIndex(page.kind.findData("table"))
    page.kind.activated.emit(0)
    settle(qtbot, wizard)
    assert page.editor.isVisible()
    assert page.kind.currentData() == "table"
    assert not wizard.next.isEnabled()
    editor = page.editor
    type_over(qtbot, editor.table_pattern, "../diary.csv")
    settle(qtbot, wizard)
    assert page.kind.currentData() == "table"
    for box, text in (
        (editor.table_key, "name"), (editor.table_time, "from"), (editor.table_label, "what"),
    ):  # fmt: skip
        type_over(qtbot, box.lineEdit(), text)
        settle(qtbot, wizard)
    assert wizard.next.isEnabled(), wizard.page.problem()
    assert "what" in [editor.table_label.itemText(k) for k in range(editor.table_label.count())]
    rows = {row.text: row.count for row in wizard.draft.counts.rows}
    assert rows == {"rest": 2, "task": 1}
    type_over(qtbot, editor.table_period, "30")
    settle(qtbot, wizard)
    assert wizard.draft.labels.period_s == 30
    type_over(qtbot, editor.cover, "nine")
    assert "no number" in wizard.reason.text()
    type_over(qtbot, editor.cover, "0.8")
    type_over(qtbot, editor.table_time.lineEdit(), "when")
    settle(qtbot, wizard)
    assert "no column 'when'" in wizard.reason.text()
    assert wizard.draft.labels.min_cover == 0.8


def test_files_of_labels_are_chosen_with_a_dialog(
    qtbot, make_wizard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    for number in (1, 2, 3):
        night(folder / f"p{number}_a.edf", ())
        (tmp_path / "other").mkdir(exist_ok=True)
        (tmp_path / "other" / f"p{number}.values.txt").write_text("W\nW\nN1\nN2\nN3\n")
    wizard = make_wizard(folder)
    go_to(qtbot, wizard, 3)
    page, editor = wizard.labels_page, wizard.labels_page.editor
    page.kind.setCurrentIndex(page.kind.findData("epochs"))
    page.kind.activated.emit(0)
    chosen = str(tmp_path / "other" / "p1.values.txt")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (chosen, ""))
    button = editor.epochs_pattern.parent().findChild(QAbstractButton)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    settle(qtbot, wizard)
    assert editor.epochs_pattern.text().endswith("other/{subject}.values.txt")
    assert "how long an epoch is" in wizard.reason.text()
    type_over(qtbot, editor.epochs_length, "30")
    settle(qtbot, wizard)
    assert wizard.next.isEnabled(), wizard.page.problem()
    assert wizard.draft.counts.labelled == 3
    assert (wizard.draft.scheme_preset, wizard.draft.scheme.epoch_s) == ("sleep_aasm", 30)
    page.kind.setCurrentIndex(page.kind.findData("file"))
    page.kind.activated.emit(0)
    type_over(qtbot, editor.file_pattern, str(tmp_path / "other" / "{subject}.values.txt"))
    type_over(qtbot, editor.file_epoch, "30")
    settle(qtbot, wizard)
    assert wizard.draft.labels.kind == "file"
    assert wizard.draft.counts.labelled == 3


def test_a_column_or_a_field_is_chosen_from_what_there_is(qtbot, make_wizard, small_study) -> None:
    wizard = make_wizard(small_study.folder)
    go_to(qtbot, wizard, 3)
    page, editor = wizard.labels_page, wizard.labels_page.editor
    assert wizard.draft.labels.column == "activity"
    assert [editor.column.itemText(k) for k in range(editor.column.count())] == [
        "activity", "ax", "ay", "gx",
    ]  # fmt: skip
    page.kind.setCurrentIndex(page.kind.findData("field"))
    page.kind.activated.emit(0)
    type_over(qtbot, editor.field.lineEdit(), "subject")
    settle(qtbot, wizard)
    assert {row.text for row in wizard.draft.counts.rows} == {"s1", "s2", "s3", "s4", "s5"}
    type_over(qtbot, editor.field.lineEdit(), "colour")
    settle(qtbot, wizard)
    assert "no field 'colour'" in wizard.reason.text()


# ---------------------------------------------------------------- classes, windows, summary


def test_classes_are_edited_and_mistakes_are_told(qtbot, make_wizard, edf: Path) -> None:
    wizard = make_wizard(edf)
    go_to(qtbot, wizard, 4)
    page = wizard.classes_page
    assert page.preset.currentData() == "follow"
    assert page.table.item(0, 0).text() == "W"
    page.table.item(0, 2).setText("1")
    assert "Key '1' is there twice" in wizard.reason.text()
    page.table.item(0, 2).setText("w 8")
    settle(qtbot, wizard)
    assert wizard.draft.scheme.by_key("8").name == "W"
    assert page.preset.currentData() == "own"
    page.table.setCurrentCell(0, 0)
    qtbot.mouseClick(page.down, Qt.MouseButton.LeftButton)
    settle(qtbot, wizard)
    assert [entry.name for entry in wizard.draft.scheme.classes][:2] == ["R", "W"]
    qtbot.mouseClick(page.remove, Qt.MouseButton.LeftButton)
    settle(qtbot, wizard)
    assert wizard.draft.scheme.find("W") is None
    qtbot.mouseClick(page.add, Qt.MouseButton.LeftButton)
    settle(qtbot, wizard)
    assert wizard.draft.scheme.states[-1].name == "New class"
    button = page.table.cellWidget(0, 1)
    page._colouring = button
    page._take_colour(QColor("#123456"))
    kind = page.table.cellWidget(1, 3)
    kind.setCurrentIndex(1)
    kind.activated.emit(1)
    type_over(qtbot, page.epoch, "20")
    type_over(qtbot, page.guide, "")
    page.ordered.click()
    scheme = wizard.draft.scheme
    assert scheme.classes[0].colour == "#123456"
    assert scheme.classes[1].kind == "event"
    assert (scheme.epoch_s, scheme.guide_uv, scheme.ordered) == (20, None, False)
    type_over(qtbot, page.epoch, "")
    assert "how long an epoch is" in wizard.reason.text()
    page.preset.setCurrentIndex(page.preset.findData("wake_nrem_rem"))
    page.preset.activated.emit(0)
    settle(qtbot, wizard)
    assert [entry.name for entry in wizard.draft.scheme.states] == ["wake", "REM", "NREM"]
    assert "rodents" in page.says.text()
    assert wizard.next.isEnabled()


def test_a_class_that_labels_lead_to_cannot_go_unnoticed(qtbot, make_wizard, nights: Path) -> None:
    wizard = make_wizard(nights)
    go_to(qtbot, wizard, 4)
    page = wizard.classes_page
    page.table.setCurrentCell(0, 0)
    qtbot.mouseClick(page.remove, Qt.MouseButton.LeftButton)
    settle(qtbot, wizard)
    assert "leads to W, which is no class" in wizard.reason.text()
    assert not wizard.next.isEnabled()


def test_labels_follow_a_class_that_is_renamed(qtbot, make_wizard, small_study) -> None:
    wizard = make_wizard(small_study.folder)
    go_to(qtbot, wizard, 4)
    page = wizard.classes_page
    assert page.table.item(0, 0).text() == "rest"
    page.table.item(0, 0).setText("pause")
    settle(qtbot, wizard)
    assert {row.text: row.became for row in wizard.draft.shown_counts.rows} == {
        "rest": "pause", "walk": "walk",
    }  # fmt: skip
    assert wizard.draft.plan().labels.mapping == {"rest": "pause"}


def test_windows_are_told_apart_from_epochs(qtbot, make_wizard, edf: Path) -> None:
    wizard = make_wizard(edf)
    go_to(qtbot, wizard, 5)
    page = wizard.windows_page
    assert "Each window is one epoch." in page.relation.text()
    type_over(qtbot, page.length, "10")
    type_over(qtbot, page.hop, "5")
    type_over(qtbot, page.dense, "1")
    page.anchor.setCurrentIndex(1)
    page.anchor.activated.emit(1)
    settle(qtbot, wizard)
    windows = wizard.draft.windows
    assert (windows.length_s, windows.hop_s, windows.pretrain_hop_s, windows.anchor) == (
        10, 5, 1, "labels",
    )  # fmt: skip
    assert "epochs of 30 s" in page.relation.text()
    assert "overlap" in page.relation.text()
    type_over(qtbot, page.length, "0")
    assert "too small" in wizard.reason.text()
    type_over(qtbot, page.length, "500")
    assert "longer than every recording" in wizard.reason.text()
    type_over(qtbot, page.length, "10")
    assert wizard.next.isEnabled()
    qtbot.mouseClick(wizard.back, Qt.MouseButton.LeftButton)
    go_to(qtbot, wizard, 5)
    assert page.hop.text() == "5"


def test_what_failed_can_be_put_right_and_tried_again(qtbot, make_wizard, edf: Path) -> None:
    wizard = make_wizard(edf)
    plans: list[StudyPlan] = []
    wizard.plan_ready.connect(plans.append)
    go_to(qtbot, wizard, 6)
    qtbot.mouseClick(wizard.create, Qt.MouseButton.LeftButton)
    assert len(plans) == 1
    assert not wizard.create.isEnabled()
    wizard.make_plan()
    assert len(plans) == 1
    wizard.show_creating(Progress("opening recordings", 1, 4))
    assert wizard.doing.text() == "Opening recordings (1/4)"
    wizard.creation_failed(StudyError("The disk is full."))
    (box,) = wizard.findChildren(QMessageBox)
    assert box.text() == "The disk is full."
    box.close()
    assert wizard.create.isEnabled()
    qtbot.mouseClick(wizard.create, Qt.MouseButton.LeftButton)
    assert len(plans) == 2
    wizard.accept()
    assert not wizard.isVisible()


# ---------------------------------------------------------------- the window itself


def test_reading_is_in_the_background_and_ends_with_the_window(
    qtbot, make_wizard, nights: Path
) -> None:
    wizard = make_wizard(nights)
    qtbot.mouseClick(wizard.next, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(wizard.next, Qt.MouseButton.LeftButton)
    assert wizard.draft.is_busy("guess")
    assert wizard.doing.text()
    assert not wizard.next.isEnabled()
    wizard.done(0)
    assert not wizard.isVisible()


def test_leaving_asks_once_there_is_something_to_lose(qtbot, make_wizard, edf: Path) -> None:
    empty = make_wizard()
    qtbot.keyClick(empty, Qt.Key.Key_Escape)
    assert not empty.isVisible()
    wizard = make_wizard(edf)
    qtbot.mouseClick(wizard.cancel, Qt.MouseButton.LeftButton)
    assert wizard.isVisible()
    (box,) = wizard.findChildren(QMessageBox)
    box.buttons()[1].click()
    assert wizard.isVisible()
    wizard.close()
    box = wizard.findChildren(QMessageBox)[-1]
    with qtbot.waitSignal(wizard.rejected):
        box.buttons()[0].click()


def test_pages_are_reached_by_the_list_of_steps_and_keys(qtbot, make_wizard, edf: Path) -> None:
    wizard = make_wizard(edf)
    wizard.steps.setCurrentRow(4)
    assert wizard.number == 0
    go_to(qtbot, wizard, 3)
    wizard.steps.setCurrentRow(1)
    assert wizard.number == 1
    wizard.steps.setCurrentRow(3)
    assert wizard.number == 3
    qtbot.keyClick(wizard, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert wizard.number == 2
    qtbot.keyClick(wizard, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert wizard.number == 3


def test_other_recordings_are_looked_into_before_a_study_is_made(
    qtbot, make_wizard, nights: Path, small_study
) -> None:
    wizard = make_wizard(nights)
    go_to(qtbot, wizard, 6)
    assert wizard.create.isEnabled()
    wizard.steps.setCurrentRow(1)
    qtbot.mouseClick(wizard.recordings_page.start_over, Qt.MouseButton.LeftButton)
    wizard.set_paths([small_study.folder])
    settle(qtbot, wizard)
    wizard.steps.setCurrentRow(6)
    assert not wizard.create.isEnabled()
    settle(qtbot, wizard)
    assert wizard.create.isEnabled()
    plan = wizard.draft.plan()
    assert [modality.name for modality in plan.modalities] == ["acc", "gyro"]
    assert [entry.name for entry in plan.scheme.states] == ["rest", "walk"]
    # What stands in the way on another page is told on the last one too.
    wizard.steps.setCurrentRow(3)
    type_over(qtbot, wizard.labels_page.rater, "")
    assert not wizard.next.isEnabled()
    wizard.draft.set_rater("")
    wizard._go(6)
    settle(qtbot, wizard)
    assert wizard.reason.text().startswith("Labels you have: ")


def _mnemonics(wizard: NewStudyWizard) -> list[str]:
    found = []
    for part in (*wizard.findChildren(QLabel), *wizard.findChildren(QAbstractButton)):
        key = re.search(r"&([A-Za-z])", part.text())
        if key and part.isVisible() and not (isinstance(part, QLabel) and part.buddy() is None):
            found.append(key.group(1).lower())
    return found


def test_controls_have_names_tips_and_keys_of_their_own_and_pages_fit(
    qtbot, make_wizard, small_study
) -> None:
    wizard = make_wizard(small_study.folder)
    wizard.resize(1024, 700)
    kinds = (QLineEdit, QComboBox, QAbstractButton, QAbstractItemView, QPlainTextEdit, QSpinBox)
    for number in range(len(PAGES)):
        go_to(qtbot, wizard, number)
        for section in wizard.page.findChildren(Section):
            section.button.setChecked(True)
        QApplication.processEvents()
        keys = _mnemonics(wizard)
        assert len(keys) == len(set(keys)), (PAGES[number], sorted(keys))
        assert (wizard.width(), wizard.height()) == (1024, 700), PAGES[number]
        for part in wizard.page.findChildren(QWidget):
            inner = isinstance(part.parent(), (QComboBox, QSpinBox, QHeaderView))
            if not isinstance(part, kinds) or inner or isinstance(part, QHeaderView):
                continue
            if part.metaObject().className() == "QTableCornerButton":
                continue
            inside = part.parent()
            if inside is not None and type(inside.parent()) is QComboBox:
                continue  # the list of a combo box
            if "QComboBox" in part.metaObject().className() and not isinstance(part, QComboBox):
                continue
            assert part.accessibleName(), (PAGES[number], part)
            assert part.toolTip(), (PAGES[number], part.accessibleName())


def test_durations_are_written_for_people() -> None:
    assert [duration_text(s) for s in (1.5, 90, 600, 27000)] == ["1.5 s", "90 s", "10 min", "7.5 h"]
