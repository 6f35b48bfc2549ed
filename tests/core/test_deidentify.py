"""A de-identified copy names nobody, keeps every sample, and moves all dates of a study alike."""

from __future__ import annotations

import json
import stat
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from core.deidentify import (
    deidentify,
    plan_deidentification,
    random_shift_days,
    study_shift_days,
)
from core.errors import ConfigError, OutputError, RecordingError
from core.read_edf import open_edf
from core.recording import Annotation
from core.write_edf import EdfContents, EdfSignal, write_edf

START = datetime(2021, 3, 4, 22, 15, 30)
SECRETS = ("Doe", "MCH-0815", "06-MAY-1961", "Ward7", "Smith", "Recorder42", "phoned", "Jürgen")


def write_night(path: Path, *, onsets: np.ndarray | None = None, is_bdf: bool = False) -> Path:
    generator = np.random.default_rng(2)
    samples = generator.integers(-2000, 2000, (20, 100))
    contents = EdfContents(
        START,
        1.0,
        np.arange(20.0) if onsets is None else onsets,
        (EdfSignal("EEG C3", "uV", "-250", "250", -2048, 2047, 100, "AgAgCl electrode"),),
        lambda signal, record: samples[record],
        (
            Annotation(0.0, 30.0, "Sleep stage N2"),
            Annotation(4.5, 0.0, "Dr Smith phoned Jürgen"),
            Annotation(7.0, 2.0, "Arousal"),
        ),
        is_bdf,
        patient="MCH-0815 F 06-MAY-1961 Jane_Doe",
        recording="Ward7 Smith Recorder42",
    )
    write_edf(path, contents)
    return path


@pytest.mark.parametrize("is_bdf", [False, True])
@pytest.mark.parametrize("gaps", [False, True])
def test_the_copy_names_nobody_and_keeps_every_sample(
    tmp_path: Path, is_bdf: bool, gaps: bool
) -> None:
    onsets = np.arange(20.0) + 50.0 * (np.arange(20) > 9) if gaps else None
    path = write_night(tmp_path / ("in.bdf" if is_bdf else "in.edf"), onsets=onsets, is_bdf=is_bdf)
    original = path.read_bytes()
    out = tmp_path / "out.edf"
    deidentify(path, out, -70)
    data = out.read_bytes()
    for secret in SECRETS:
        assert secret.encode() not in data, secret
    assert path.read_bytes() == original
    before, after = open_edf(path), open_edf(out)
    assert after.start == START - timedelta(days=70)
    assert after.findings == before.findings
    assert after.gaps == before.gaps
    np.testing.assert_array_equal(after.read(0, 0, 8000), before.read(0, 0, 8000))
    assert [(a.onset_s, a.duration_s, a.text) for a in after.annotations] == [
        (0.0, 30.0, "Sleep stage N2"),
        (4.5, 0.0, "X"),
        (7.0, 2.0, "Arousal"),
    ]
    assert after.signals[0].transducer == "AgAgCl electrode"


def test_the_plan_shows_every_field_before_and_after(tmp_path: Path) -> None:
    plan = plan_deidentification(write_night(tmp_path / "in.edf"), 7)
    shown = {change.field: (change.before, change.after) for change in plan.fields}
    assert shown["patient name"] == ("Jane_Doe", "X")
    assert shown["birth date"] == ("06-MAY-1961", "X")
    assert shown["hospital code"] == ("Ward7", "X")
    assert shown["start date"] == ("04.03.21", "11.03.21")
    assert shown["start date in full"] == ("04-MAR-2021", "11-MAR-2021")
    assert shown["transducer of signal 1"] == ("AgAgCl electrode", "AgAgCl electrode")
    assert {text.text: text.kept for text in plan.texts} == {
        "Sleep stage N2": True,
        "Dr Smith phoned Jürgen": False,
        "Arousal": True,
    }


def test_texts_that_the_user_names_are_kept(tmp_path: Path) -> None:
    path = write_night(tmp_path / "in.edf")
    deidentify(path, tmp_path / "out.edf", 0, ["dr smith *"])
    texts = [entry.text for entry in open_edf(tmp_path / "out.edf").annotations]
    assert texts[1] == "Dr Smith phoned Jürgen"


def test_reserved_fields_trailing_bytes_and_damaged_lists_do_not_survive(tmp_path: Path) -> None:
    path = write_night(tmp_path / "in.edf")
    data = bytearray(path.read_bytes())
    data[197:212] = b"Jane Doe MCH-99"  # after EDF+C
    place = 256 + 2 * 224
    data[place : place + 8] = b"Jane Doe"  # reserved field of the first signal
    end = data.rindex(b"+19\x14\x14")
    data[end + 5 : end + 14] = b"\x00Jane Doe"  # no time-stamped list
    path.write_bytes(bytes(data) + b"Jane Doe")
    out = tmp_path / "out.edf"
    plan = deidentify(path, out, 0)
    assert plan.damaged_entries == 1
    assert b"Jane" not in out.read_bytes()
    assert open_edf(out).findings == ()


def test_a_standard_text_about_a_signal_is_kept_and_nothing_else_after_it(tmp_path: Path) -> None:
    path = tmp_path / "in.edf"
    texts = ("Arousal@@EEG C3", "Arousal@@Jane Doe", "Lights off@ Jane Doe")
    notes = tuple(Annotation(float(k), 0.0, text) for k, text in enumerate(texts))
    signals = (EdfSignal("EEG C3", "uV", "-250", "250", -2048, 2047, 10),)
    contents = EdfContents(
        START, 1.0, np.arange(5.0), signals, lambda signal, record: np.zeros(10, np.int16), notes
    )
    write_edf(path, contents)
    deidentify(path, tmp_path / "out.edf", 0)
    kept = [entry.text for entry in open_edf(tmp_path / "out.edf").annotations]
    assert kept == ["Arousal@@EEG C3", "X", "X"]


def test_annotations_under_another_label_lose_their_texts_too(tmp_path: Path) -> None:
    path = write_night(tmp_path / "in.edf")
    data = path.read_bytes().replace(b"EDF Annotations ", b"Events          ")
    path.write_bytes(data)
    plan = deidentify(path, tmp_path / "out.edf", 0)
    assert "annotations" in {found.field for found in plan.findings}
    assert {text.text: text.kept for text in plan.texts}["Dr Smith phoned Jürgen"] is False
    for secret in SECRETS:
        assert secret.encode() not in (tmp_path / "out.edf").read_bytes(), secret


def test_a_name_among_the_samples_of_a_damaged_file_stops_the_copy(tmp_path: Path) -> None:
    path = write_night(tmp_path / "in.edf")
    data = bytearray(path.read_bytes())
    data[256 * 3 + 40 : 256 * 3 + 45] = b"Smith"
    path.write_bytes(bytes(data))
    with pytest.raises(RecordingError, match="among the samples"):
        deidentify(path, tmp_path / "out.edf", 0)
    assert not (tmp_path / "out.edf").exists()


def test_dates_that_the_format_cannot_say_are_refused(tmp_path: Path) -> None:
    path = write_night(tmp_path / "in.edf")
    for days in (-40000, 10**9):
        with pytest.raises(RecordingError, match="choose another shift"):
            deidentify(path, tmp_path / "out.edf", days)
    assert not (tmp_path / "out.edf").exists()


def test_originals_and_other_files_are_never_replaced_unasked(tmp_path: Path) -> None:
    path = write_night(tmp_path / "in.edf")
    with pytest.raises(ConfigError, match="name of its own"):
        deidentify(path, path, 0, force=True)
    (tmp_path / "out.edf").touch()
    with pytest.raises(OutputError, match="already"):
        deidentify(path, tmp_path / "out.edf", 0)
    deidentify(path, tmp_path / "out.edf", 0, force=True)


def test_a_study_keeps_one_shift(tmp_path: Path) -> None:
    days = study_shift_days(tmp_path / "study")
    assert study_shift_days(tmp_path / "study") == days
    kept = tmp_path / "study" / "deidentification.json"
    assert json.loads(kept.read_text()) == {"shift_days": days}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    kept.write_text("{}")
    with pytest.raises(ConfigError, match="cannot be read"):
        study_shift_days(tmp_path / "study")


def test_random_shifts_are_whole_weeks_within_the_years_of_the_format() -> None:
    shifts = {random_shift_days(START) for _ in range(200)}
    assert len(shifts) > 50
    assert all(days % 7 == 0 and -3654 < days <= -364 for days in shifts)
    assert all(random_shift_days(datetime(1989, 4, 24)) > 0 for _ in range(50))
