"""What is written is strict EDF+ or BDF+: pyedflib and edfio accept it, and nothing is lost."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import edfio
import numpy as np
import pyedflib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import OutputError
from core.read_edf import open_edf
from core.recording import Annotation
from core.write_edf import EdfContents, EdfSignal, limit_text, write_edf

START = datetime(2021, 3, 4, 22, 15, 30)


def make_contents(
    records: int = 6,
    *,
    rates: tuple[int, ...] = (100, 10),
    onsets: list[float] | None = None,
    annotations: tuple[Annotation, ...] = (),
    is_bdf: bool = False,
    start: datetime | None = START,
    record_s: float = 1.0,
) -> tuple[EdfContents, list[np.ndarray]]:
    generator = np.random.default_rng(0)
    top = (1 << 23) if is_bdf else (1 << 15)
    samples = [generator.integers(-top, top, (records, rate)) for rate in rates]
    signals = tuple(
        EdfSignal(f"EEG {k}", "uV", "-500", "500", -top, top - 1, rate)
        for k, rate in enumerate(rates)
    )
    times = np.arange(records) * record_s if onsets is None else np.array(onsets)
    contents = EdfContents(
        start, record_s, times, signals, lambda s, r: samples[s][r], annotations, is_bdf
    )
    return contents, samples


@pytest.mark.parametrize("is_bdf", [False, True])
def test_other_readers_find_the_samples_and_annotations(tmp_path: Path, is_bdf: bool) -> None:
    annotations = (Annotation(0.0, 30.0, "Sleep stage W"), Annotation(2.5, 0.0, "Ärger, 'quoted'"))
    contents, samples = make_contents(annotations=annotations, is_bdf=is_bdf)
    path = tmp_path / ("night.bdf" if is_bdf else "night.edf")
    write_edf(path, contents)
    with pyedflib.EdfReader(str(path)) as reader:
        assert reader.getSignalLabels() == ["EEG 0", "EEG 1"]
        assert reader.getStartdatetime() == START
        for number, values in enumerate(samples):
            read = reader.readSignal(number, digital=True)
            np.testing.assert_array_equal(read, values.ravel())
        onsets, durations, texts = reader.readAnnotations()
        assert list(onsets) == [0.0, 2.5]
        assert durations[0] == 30.0
        assert list(texts) == ["Sleep stage W", "Ärger, 'quoted'"]
    read_edf = edfio.read_bdf if is_bdf else edfio.read_edf
    assert [s.label for s in read_edf(path).signals] == ["EEG 0", "EEG 1"]
    file = open_edf(path)
    assert file.findings == ()
    assert file.annotations == annotations


def test_gaps_and_a_fraction_of_a_second_come_back(tmp_path: Path) -> None:
    contents, samples = make_contents(onsets=[0.25, 1.25, 2.25, 10.25, 11.25, 20.75])
    path = tmp_path / "night.edf"
    write_edf(path, contents)
    file = open_edf(path)
    assert file.format == "EDF+D"
    assert file.start == START.replace(microsecond=250000)
    assert [(gap.start_s, gap.duration_s) for gap in file.gaps] == [(3.0, 7.0), (12.0, 8.5)]
    digital, recorded = file.read_digital(0, 0, 2150)
    np.testing.assert_array_equal(digital[recorded], samples[0].ravel())


def test_more_annotations_than_their_records_would_hold_are_kept(tmp_path: Path) -> None:
    crowd = tuple(
        Annotation((5000 + k) / 1000, 0.0, f"event {k} " + "x" * (k % 40)) for k in range(300)
    )
    contents, _ = make_contents(annotations=crowd)
    path = tmp_path / "night.edf"
    write_edf(path, contents)
    assert open_edf(path).annotations == crowd


def test_annotations_alone_are_one_record_of_no_duration(tmp_path: Path) -> None:
    annotations = tuple(Annotation(30.0 * k, 30.0, f"Sleep stage {k % 5}") for k in range(900))
    contents, _ = make_contents(1, rates=(), annotations=annotations, record_s=0.0)
    path = tmp_path / "hypnogram.edf"
    write_edf(path, contents)
    file = open_edf(path)
    assert (file.format, file.channels, file.findings) == ("EDF+C", (), ())
    assert file.annotations == annotations


def test_a_file_without_a_date_says_so(tmp_path: Path) -> None:
    contents, _ = make_contents(start=None)
    path = tmp_path / "night.edf"
    write_edf(path, contents)
    assert open_edf(path).header.fields["recording"].startswith(b"Startdate X X X X")


def test_nothing_is_replaced_unasked_or_left_half_written(tmp_path: Path) -> None:
    contents, _ = make_contents()
    path = tmp_path / "night.edf"
    path.write_text("mine")
    with pytest.raises(OutputError, match="already"):
        write_edf(path, contents)
    assert path.read_text() == "mine"

    def broken(signal: int, record: int) -> np.ndarray:
        raise RuntimeError

    bad = EdfContents(START, 1.0, np.arange(3.0), contents.signals, broken)
    with pytest.raises(RuntimeError):
        write_edf(tmp_path / "other.edf", bad)
    assert [entry.name for entry in tmp_path.iterdir()] == ["night.edf"]
    with pytest.raises(OutputError, match="cannot be written"):
        write_edf(tmp_path / "no folder" / "night.edf", contents)


@given(st.floats(-1e7, 1e8, allow_nan=False))
def test_limits_fit_eight_characters_and_stay_near(value: float) -> None:
    text = limit_text(value)
    assert text is not None
    assert len(text) <= 8
    assert float(text) == pytest.approx(value, rel=1.1e-2, abs=1e-9)


@pytest.mark.parametrize(("value", "text"), [(-32768.0, "-32768"), (0.5, "0.5"), (1e-3, "0.001"),
                                             (-0.00327, "-0.00327"), (3276.75, "3276.75"),
                                             (float("nan"), None)])  # fmt: skip
def test_limits_are_written_plainly(value: float, text: str | None) -> None:
    assert limit_text(value) == text
