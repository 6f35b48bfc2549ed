"""Figures of a night are those that the AASM manual defines; what is not defined is None."""

from __future__ import annotations

import numpy as np
import pytest

from core.label_scheme import load_scheme
from core.sleep_figures import (
    is_sleep,
    lights,
    sleep_figures,
    stage_of,
    stages_of_windows,
)
from core.study_labels import NS, StudyLabel, make_recording_labels, new_id

SIGNS = {"W": "W", "R": "R", "1": "N1", "2": "N2", "3": "N3", ".": None}
MIN = 60.0


def night(text: str) -> list[str | None]:
    """One sign an epoch of 30 s; a dot for unscored."""
    return [SIGNS[sign] for sign in text]


#        0         1         2         3
#        0123456789012345678901234567890123456789
NIGHT = "WWWWWW1122W2233..322RRRRWW22RRWWWWWWWWWW"


def test_a_worked_night_comes_to_the_figures_that_were_counted_by_hand() -> None:
    found = sleep_figures(night(NIGHT), 30.0, lights_off_s=2 * 30.0, lights_on_s=36 * 30.0)
    assert found.time_in_bed_s == 34 * 30
    assert found.unscored_s == 2 * 30
    # Asleep: 6-9, 11-14, 17-23, 26-29.
    assert found.total_sleep_s == 19 * 30
    assert found.efficiency == pytest.approx(19 / 34)
    assert found.sleep_onset_s == 6 * 30
    assert found.sleep_latency_s == 4 * 30, "from lights off"
    assert found.rem_latency_s == 14 * 30, "from sleep onset"
    assert found.rem_latency_from_off_s == 18 * 30
    assert found.waso_s == (1 + 2 + 6) * 30, "with the last awakening, up to lights on"
    assert found.awakenings == 2, "without the last one"
    assert (found.lights_off_from, found.lights_on_from) == ("mark", "mark")


def test_time_and_share_are_given_per_stage() -> None:
    found = sleep_figures(night(NIGHT), 30.0, 2 * 30.0, 36 * 30.0)
    assert [stage.name for stage in found.stages] == ["W", "R", "N1", "N2", "N3"]
    rem, wake = found.stage("R"), found.stage("W")
    assert rem.time_s == 6 * 30
    assert rem.share_of_sleep == pytest.approx(6 / 19)
    assert rem.share_of_scored == pytest.approx(6 / 32)
    assert wake.share_of_sleep is None, "wake is no share of sleep"
    assert wake.time_s == (4 + 9) * 30
    assert sum(s.share_of_sleep for s in found.stages[1:]) == pytest.approx(1.0)
    assert found.stage("Arousal") is None


def test_without_marks_the_night_is_the_recording_and_the_figures_say_so() -> None:
    found = sleep_figures(night(NIGHT), 30.0)
    assert (found.lights_off_from, found.lights_on_from) == ("recording", "recording")
    assert found.time_in_bed_s == 40 * 30
    assert found.sleep_latency_s == 6 * 30
    assert found.waso_s == (1 + 2 + 10) * 30


def test_an_epoch_across_lights_off_counts_with_its_part() -> None:
    found = sleep_figures(night("11W"), 30.0, lights_off_s=20.0, lights_on_s=80.0)
    assert found.total_sleep_s == 40.0
    assert found.time_in_bed_s == 60.0
    assert found.sleep_latency_s == 0.0
    assert found.waso_s == 20.0


def test_unscored_epochs_are_neither_sleep_nor_wake() -> None:
    found = sleep_figures(night("2..2W.2"), 30.0)
    assert found.unscored_s == 90.0
    assert found.total_sleep_s == 90.0
    assert found.waso_s == 30.0
    assert found.awakenings == 1
    assert sleep_figures(night("2.2"), 30.0).awakenings == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"total_sleep_s": None, "efficiency": None, "stages": ()}),
        ("....", {"total_sleep_s": None, "efficiency": None, "waso_s": None}),
        ("WWWW", {"total_sleep_s": 0.0, "efficiency": 0.0, "sleep_onset_s": None,
                  "sleep_latency_s": None, "waso_s": None, "awakenings": None,
                  "rem_latency_s": None}),
        ("W222", {"rem_latency_s": None, "rem_latency_from_off_s": None, "awakenings": 0}),
        ("RRRR", {"rem_latency_s": 0.0, "sleep_latency_s": 0.0, "waso_s": 0.0}),
    ],
)  # fmt: skip
def test_what_is_not_defined_is_none_and_not_0(text: str, expected: dict) -> None:
    found = sleep_figures(night(text), 30.0)
    assert {name: getattr(found, name) for name in expected} == expected


def test_stages_that_do_not_occur_are_listed_where_the_scheme_has_them() -> None:
    names = [entry.name for entry in load_scheme("sleep_aasm").states]
    found = sleep_figures(night("W2"), 30.0, classes=names)
    assert [stage.name for stage in found.stages] == ["W", "R", "N1", "N2", "N3"]
    assert found.stage("N3").time_s == 0.0
    assert found.stage("N3").share_of_sleep == 0.0


def test_other_sleep_schemes_and_texts_are_understood() -> None:
    found = sleep_figures(["wake", "NREM", "NREM", "REM", "Artefact"], 10.0)
    assert found.total_sleep_s == 30.0
    assert found.rem_latency_s == 20.0
    assert found.unscored_s == 10.0
    assert [stage.name for stage in found.stages] == ["wake", "REM", "NREM"]
    assert stage_of("Sleep stage N2") == "N2"


def test_only_classes_of_sleep_are_taken_for_sleep() -> None:
    assert is_sleep(entry.name for entry in load_scheme("sleep_aasm").states)
    assert is_sleep(entry.name for entry in load_scheme("wake_nrem_rem").states)
    assert not is_sleep(entry.name for entry in load_scheme("stress").states)
    assert not is_sleep(("W", "R")), "might be walking and running"
    assert not is_sleep(("N1", "N2"))
    assert not is_sleep(())


def mark(start_s: float, name: str) -> StudyLabel:
    return StudyLabel(new_id(), round(start_s * NS), round(start_s * NS), name, "mark")


def test_lights_are_the_marks_of_the_scheme() -> None:
    marks = [mark(100, "Lights off"), mark(60, "Lights off"), mark(900, "Lights on")]
    assert lights(make_recording_labels(marks)) == (60.0, 900.0)
    assert lights(make_recording_labels([])) == (None, None)
    both = make_recording_labels([mark(60, "Lights off"), mark(10, "Lights on")])
    assert lights(both) == (60.0, None), "light that went on before is no end"
    assert {"Lights off", "Lights on"} == {m.name for m in load_scheme("sleep_aasm").marks}


def test_lights_on_before_off_is_refused() -> None:
    with pytest.raises(ValueError, match="after lights off"):
        sleep_figures(night("22"), 30.0, 30.0, 20.0)
    with pytest.raises(ValueError, match="longer"):
        sleep_figures(night("22"), 0.0)


def test_predictions_are_laid_on_epochs_by_their_middles() -> None:
    starts = np.array([0.0, 30.0, 90.0, 105.0])
    ends = np.array([30.0, 60.0, 105.0, 135.0])
    codes = np.array([0, 1, 1, -1])
    found = stages_of_windows(starts, ends, codes, ("W", "N2"), 30.0, 5)
    assert found == ["W", "N2", None, None, None]
    assert stages_of_windows(starts, ends, codes, ("W", "N2"), 30.0, 1, 75.0) == ["N2"]
    nothing = np.empty(0)
    assert stages_of_windows(nothing, nothing, nothing, ("W",), 30.0, 2) == [None, None]
