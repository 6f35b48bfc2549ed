"""A place can be written in the ways people write it, and what it means is said first."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox

from core.errors import CrosslError
from core.study_labels import make_grid
from tests.ui.dialog_checks import check_controls
from ui.go_to_dialog import GoToDialog, parse_clock, parse_elapsed, parse_epoch

NIGHT_S = 8 * 3600.0
START = datetime(2024, 5, 1, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2:03:10", 7390),
        ("2:03:10.5", 7390.5),
        ("2:03", 7380),
        ("90", 90),
        ("90 s", 90),
        ("90min", 5400),
        ("1.5 h", 5400),
        ("1,5 h", 5400),
        ("2h3m10s", 7390),
        ("2 hours 3 minutes", 7380),
        (" 0 ", 0),
    ],
)
def test_times_from_the_start_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_elapsed(text, NIGHT_S) == seconds


def test_two_numbers_are_minutes_and_seconds_where_the_recording_has_no_such_hours() -> None:
    assert parse_elapsed("12:30", 1200) == 750


@pytest.mark.parametrize("text", ["soon", "2:70:00", "3 parsec", "-5", "1:2:3:4", "h"])
def test_what_is_no_time_is_refused_with_the_text_in_it(text: str) -> None:
    with pytest.raises(CrosslError, match="is no time"):
        parse_elapsed(text, NIGHT_S)


def test_a_time_after_the_end_is_refused_with_the_length() -> None:
    with pytest.raises(CrosslError, match=r"9:00:00 is after the end.*8:00:00"):
        parse_elapsed("9 h", NIGHT_S)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("23:15", 2700),
        ("23.15", 2700),
        ("23h15", 2700),
        ("11:15 pm", 2700),
        ("11:15PM", 2700),
        ("1 am", 9000),
        ("01:00:00", 9000),
        ("01:00:00.25", 9000.25),
        ("24:00", 5400),
        ("12 am", 5400),
        ("2024-05-02 01:00", 9000),
    ],
)
def test_times_of_day_are_found_in_the_night(text: str, seconds: float) -> None:
    assert parse_clock(text, START, NIGHT_S) == seconds


def test_of_several_days_the_next_one_is_meant_then_the_first_again() -> None:
    days = 3 * 86400.0
    assert parse_clock("23:30", START, days) == 3600
    assert parse_clock("23:30", START, days, 3600) == 3600 + 86400
    assert parse_clock("23:30", START, days, 3600 + 2 * 86400) == 3600
    assert parse_clock("2024-05-03 23:30", START, days) == 3600 + 2 * 86400


def test_the_clock_may_change_in_the_night() -> None:
    start = datetime(2024, 10, 26, 23, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    assert parse_clock("4:00", start, NIGHT_S) == 6 * 3600


@pytest.mark.parametrize("text", ["noon", "25:00", "23:61", "13 pm", "512"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(CrosslError, match="is no time of day"):
        parse_clock(text, START, NIGHT_S)


def test_a_time_of_day_outside_the_recording_is_refused_with_its_limits() -> None:
    for text in ("12:00", "2024-05-03 01:00"):
        with pytest.raises(CrosslError, match=r"from 2024-05-01 22:30:00 to 2024-05-02 06:30:00"):
            parse_clock(text, START, NIGHT_S)
    with pytest.raises(CrosslError, match="no day 2024-02-31"):
        parse_clock("2024-02-31 01:00", START, NIGHT_S)


def test_epochs_count_from_one() -> None:
    grid = make_grid(NIGHT_S, 30, 10)
    assert parse_epoch("1", grid) == 10
    assert parse_epoch(" epoch 512 ", grid) == 10 + 511 * 30
    for text in ("0", "2000"):
        with pytest.raises(CrosslError, match="go from 1 to 960"):
            parse_epoch(text, grid)
    with pytest.raises(CrosslError, match="no number of an epoch"):
        parse_epoch("last", grid)


def test_the_dialog_says_what_the_text_means_and_goes_there(qtbot) -> None:
    dialog = GoToDialog(NIGHT_S, make_grid(NIGHT_S, 30), START)
    dialog.open()
    went: list[float] = []
    dialog.chosen.connect(went.append)
    button = dialog._buttons.button(QDialogButtonBox.StandardButton.Ok)
    assert not button.isEnabled()
    qtbot.keyClicks(dialog.place, "2:03:10")
    assert dialog.meaning.text() == "2:03:10 from the start, 2024-05-02 00:33:10, epoch 247"
    dialog.kinds["clock"].setChecked(True)
    assert "22:30:00 to" in dialog.meaning.text() or "from the start" in dialog.meaning.text()
    dialog.place.setText("later")
    assert "is no time of day" in dialog.meaning.text()
    assert not button.isEnabled()
    qtbot.keyClick(dialog.place, Qt.Key.Key_Return)
    assert dialog.isVisible()
    dialog.place.setText("23:15")
    qtbot.keyClick(dialog.place, Qt.Key.Key_Return)
    assert went == [2700]
    assert not dialog.isVisible()


def test_without_clock_or_epochs_these_cannot_be_chosen(qtbot) -> None:
    dialog = GoToDialog(NIGHT_S, None, None, kind="clock")
    qtbot.addWidget(dialog)
    assert dialog.kind == "elapsed"
    assert not dialog.kinds["clock"].isEnabled()
    assert "no time of day" in dialog.kinds["clock"].toolTip()
    assert not dialog.kinds["epoch"].isEnabled()


def test_controls_have_names_and_keys_and_fit(qtbot) -> None:
    dialog = GoToDialog(NIGHT_S, make_grid(NIGHT_S, 30), START)
    qtbot.addWidget(dialog)
    dialog.show()
    check_controls(dialog)
