"""The user's settings are kept, and a bad file neither stops the program nor is lost."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QComboBox, QDialogButtonBox, QLineEdit, QSpinBox

from core.errors import OutputError
from ui.appearance import PALETTES, Appearance
from ui.preferences import (
    DEFAULTS,
    MOST_RECENT,
    Preferences,
    PreferenceStore,
    RecentStudy,
    palette_title,
    preferences_path,
)
from ui.preferences_dialog import PreferencesDialog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "preferences.json"


def test_without_a_file_the_defaults_hold_and_nothing_is_written(path: Path) -> None:
    store = PreferenceStore(path)
    assert store.value == DEFAULTS == Preferences()
    assert store.messages == ()
    assert not path.parent.exists()


def test_every_setting_is_found_again(qtbot, path: Path) -> None:
    store = PreferenceStore(path)
    everything = {
        "text_scale_percent": 130,
        "appearance": "dark",
        "palette": "tol_bright",
        "time_mode": "clock",
        "auto_advance": False,
        "rater": "Ä. B.",
        "recent_studies": (RecentStudy("/data/näch te", "2024-03-01T22:30:00"),),
        "recent_commands": ("view.all",),
        "last_folders": {"recording": "/data"},
        "window_geometry": "AdnQ",
        "window_state": "AAAA",
    }
    with qtbot.waitSignal(store.changed) as changed:
        store.update(**everything)
    assert changed.args == [Preferences(**everything)]
    assert store.value == replace(DEFAULTS, **everything)
    again = PreferenceStore(path)
    assert again.value == store.value
    assert again.messages == ()
    assert [entry.name for entry in path.parent.iterdir()] == ["preferences.json"]


def test_a_change_to_the_same_is_no_change(qtbot, path: Path) -> None:
    store = PreferenceStore(path)
    with qtbot.assertNotEmitted(store.changed):
        store.update(rater="", auto_advance=True)
    assert not path.exists()


def test_what_cannot_be_set_is_a_mistake_of_the_program(path: Path) -> None:
    store = PreferenceStore(path)
    for wrong in ({"text_scale_percent": 5}, {"appearance": "pink"}, {"rater": 7}):
        with pytest.raises(ValueError):  # noqa: PT011 - pydantic words it
            store.update(**wrong)
    with pytest.raises(ValueError, match="no preference 'colour'"):
        store.update(colour="red")
    assert store.value == DEFAULTS


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1, 2]", b"\xff\xfe\x00", b"null", b"[" * 100_000]
)
def test_a_damaged_file_is_kept_aside_and_said(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    store = PreferenceStore(path)
    assert store.value == DEFAULTS
    (said,) = store.messages
    assert "preferences.json.damaged" in said
    assert path.with_name("preferences.json.damaged").read_bytes() == content
    store.update(rater="AB")
    assert PreferenceStore(path).value.rater == "AB"
    assert PreferenceStore(path).messages == ()


def test_one_bad_value_costs_only_itself_and_unknown_keys_are_left_out(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(
        json.dumps({"schema_version": 1, "rater": "AB", "text_scale_percent": 9000, "colour": 1})
    )
    store = PreferenceStore(path)
    assert store.value == replace(DEFAULTS, rater="AB")
    assert len(store.messages) == 2
    assert any("'text_scale_percent'" in said for said in store.messages)
    assert any("'colour'" in said for said in store.messages)
    store.update(auto_advance=False)
    written = json.loads(path.read_text())
    assert "colour" not in written
    assert written["text_scale_percent"] == 100


def test_a_folder_that_cannot_be_written_is_said_once_and_the_change_holds(
    qtbot, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    store = PreferenceStore(tmp_path / "file" / "preferences.json")
    failures: list[object] = []
    store.failed.connect(lambda error: failures.append(error))
    store.update(rater="AB")
    store.update(rater="CD")
    (failure,) = failures
    assert isinstance(failure, OutputError)
    assert store.value.rater == "CD"


def test_recent_studies_are_newest_first_each_once_and_ten_at_most(path: Path) -> None:
    store = PreferenceStore(path)
    for number in range(13):
        store.note_study(Path(f"/studies/{number}"), datetime(2024, 3, 1, number))
    store.note_study(Path("/studies/../studies/5"), datetime(2024, 3, 2))
    recent = PreferenceStore(path).value.recent_studies
    assert len(recent) == MOST_RECENT
    assert [entry.name for entry in recent[:3]] == ["5", "12", "11"]
    assert recent[0].opened_at == datetime(2024, 3, 2)
    store.forget_study(Path("/studies/5"))
    assert [entry.name for entry in store.value.recent_studies[:2]] == ["12", "11"]
    assert RecentStudy("/x", "yesterday").opened_at is None


def test_folders_and_commands_are_remembered(path: Path) -> None:
    store = PreferenceStore(path)
    assert store.folder_for("recording") == ""
    store.note_folder("recording", Path("/data"))
    store.note_folder("results", Path("/out"))
    for name in ("a", "b", "a"):
        store.note_command(name)
    again = PreferenceStore(path)
    assert (again.folder_for("recording"), again.folder_for("results")) == ("/data", "/out")
    assert again.value.recent_commands == ("a", "b")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have no XDG folder")
def test_settings_lie_in_the_users_folder_for_settings(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert preferences_path() == tmp_path / "crossl-app" / "preferences.json"


def test_every_palette_has_a_title_and_can_be_chosen(path: Path) -> None:
    store = PreferenceStore(path)
    for name in PALETTES:
        assert palette_title(name)
        store.update(palette=name)


# ---------------------------------------------------------------- the dialog


@pytest.fixture
def appearance(qapp: QApplication) -> Iterator[Appearance]:
    made = Appearance(qapp)
    yield made
    made.apply(DEFAULTS)
    made.deleteLater()


@pytest.fixture
def dialog(qtbot, path: Path, appearance: Appearance) -> Iterator[PreferencesDialog]:
    dialog = PreferencesDialog(PreferenceStore(path), appearance)
    with qtbot.waitExposed(dialog):
        dialog.show()
    yield dialog
    if shiboken6.isValid(dialog):  # it goes when it is closed
        dialog.close()


def test_light_and_dark_and_text_are_previewed_and_cancel_takes_them_back(
    qtbot, qapp, dialog: PreferencesDialog, appearance: Appearance, path: Path
) -> None:
    size = qapp.font().pointSizeF()
    dialog.scheme.setCurrentIndex(dialog.scheme.findData("dark"))
    assert appearance.is_dark
    qtbot.keyClick(dialog.scale, Qt.Key.Key_Up)
    assert qapp.font().pointSizeF() == pytest.approx(1.05 * size)
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not appearance.is_dark
    assert qapp.font().pointSizeF() == size
    assert not path.exists()


def test_ok_keeps_what_was_chosen(qtbot, dialog: PreferencesDialog, path: Path) -> None:
    dialog.scheme.setCurrentIndex(dialog.scheme.findData("light"))
    dialog.scale.lineEdit().setText("120")
    dialog.palette_choice.setCurrentIndex(dialog.palette_choice.findData("high_contrast"))
    dialog.time.setCurrentIndex(dialog.time.findData("clock"))
    dialog.advance.setChecked(False)
    qtbot.keyClicks(dialog.rater, " AB ")
    dialog.buttons.button(QDialogButtonBox.StandardButton.Ok).click()
    assert PreferenceStore(path).value == Preferences(
        appearance="light",
        text_scale_percent=120,
        palette="high_contrast",
        time_mode="clock",
        auto_advance=False,
        rater="AB",
    )


def test_defaults_can_be_had_back(qtbot, dialog: PreferencesDialog) -> None:
    dialog.advance.setChecked(False)
    dialog.scale.setValue(200)
    dialog.buttons.button(QDialogButtonBox.StandardButton.RestoreDefaults).click()
    assert dialog.isVisible()
    assert dialog.chosen["auto_advance"]
    assert dialog.chosen["text_scale_percent"] == 100


def test_every_field_has_a_name_and_a_tooltip(dialog: PreferencesDialog) -> None:
    for kind in (QComboBox, QSpinBox, QLineEdit):
        for field in dialog.findChildren(kind):
            if field.objectName() == "qt_spinbox_lineedit":
                continue
            assert field.accessibleName(), field
            assert field.toolTip(), field
