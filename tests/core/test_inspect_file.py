"""The figures of an inspection are those of the samples, gaps left out."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from core import inspect_file as module
from core.config import CsvConfig
from core.inspect_file import as_document, inspect_file
from core.recording import Annotation
from core.write_edf import EdfContents, EdfSignal, write_edf

START = datetime(2021, 3, 4, 22, 15, 30)
KEYS = {"path", "format", "start", "duration_s", "gaps", "channels", "annotations", "findings",
        "error"}  # fmt: skip
CHANNEL_KEYS = {"label", "unit", "rate_hz", "samples", "minimum", "maximum", "mean", "flat",
                "saturated", "calibrated"}  # fmt: skip


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """20 s with a gap of 30 s in the middle: C3 is flat for 5 s, C4 saturated for 2 s."""
    generator = np.random.default_rng(3)
    samples = generator.integers(-1000, 1000, (2, 20, 100))
    samples[0, 5:10] = 100
    samples[1, :2] = 2047
    onsets = np.arange(20.0) + 30.0 * (np.arange(20) >= 10) + 0.5
    signals = tuple(
        EdfSignal(label, "uV", "-204.8", "204.7", -2048, 2047, 100) for label in ("C3-M2", "C4-M1")
    )
    path = tmp_path / "night.edf"
    notes = (Annotation(0.5, 30.0, "Sleep stage W"), Annotation(31.0, 0.0, "Lights off"))
    contents = EdfContents(START, 1.0, onsets, signals, lambda s, r: samples[s, r], notes)
    write_edf(path, contents)
    return path


@pytest.mark.parametrize("block", [1 << 20, 170])
def test_figures_are_those_of_the_recorded_samples(
    night: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK_SAMPLES", block)
    entry = inspect_file(night)
    assert (entry.format, entry.duration_s) == ("EDF+D", 50.0)
    assert entry.start == START.replace(microsecond=500000)
    assert [(gap.start_s, gap.duration_s) for gap in entry.gaps] == [(10.0, 30.0)]
    c3, c4 = entry.channels
    values = entry_samples(night, 0)
    assert c3.samples == c4.samples == 2000
    assert c3.minimum == pytest.approx(values.min(), abs=0.01)
    assert c3.maximum == pytest.approx(values.max(), abs=0.01)
    assert c3.mean == pytest.approx(values.mean(), abs=1e-3)
    assert c3.flat == pytest.approx(0.25)
    assert c4.saturated == pytest.approx(0.1)
    # Held on its limit, a signal is flat as well.
    assert c4.flat == pytest.approx(0.1)
    assert c3.saturated == 0.0
    assert entry.annotation_counts == {"Sleep stage W": 1, "Lights off": 1}
    assert entry.preset == "sleep"
    assert dict(entry.modalities)["eeg_central"] == ("C3-M2", "C4-M1")


def entry_samples(path: Path, channel: int) -> np.ndarray:
    from core.read_edf import open_edf

    file = open_edf(path)
    values = file.read(channel, 0, file.channels[channel].samples)
    return values[np.isfinite(values)]


def test_the_document_has_the_promised_keys_and_nothing_undefined(night: Path) -> None:
    document = as_document([inspect_file(night)])
    (entry,) = json.loads(json.dumps(document, allow_nan=False))["files"]
    assert entry.keys() >= KEYS
    assert entry["channels"][0].keys() == CHANNEL_KEYS
    assert entry["start"] == "2021-03-04T22:15:30.500000"
    assert entry["gaps"] == [{"start_s": 10.0, "duration_s": 30.0}]
    assert entry["annotations"] == {"count": 2, "labels": {"Sleep stage W": 1, "Lights off": 1}}
    assert entry["error"] is None


def test_what_cannot_be_opened_says_why_and_holds_nothing(tmp_path: Path) -> None:
    page = tmp_path / "night.edf"
    page.write_text("<!DOCTYPE html><html>not found</html>")
    (entry,) = as_document([inspect_file(page)])["files"]
    assert "web page" in entry["error"]
    assert (entry["format"], entry["start"], entry["duration_s"]) == (None, None, None)
    assert [found["severity"] for found in entry["findings"]] == ["unreadable"]


def test_a_signal_that_cannot_be_calibrated_says_so(night: Path) -> None:
    data = bytearray(night.read_bytes())
    place = 256 + 3 * 112  # physical maximum of the first of three signals
    data[place : place + 8] = b"-204.8  "
    night.write_bytes(bytes(data))
    entry = inspect_file(night)
    assert [figures.channel.calibrated for figures in entry.channels] == [False, True]
    assert entry.channels[0].saturated is None
    assert "uncalibrated" in {found.severity for found in entry.findings}


def test_a_file_without_samples_has_no_figures(night: Path) -> None:
    night.write_bytes(night.read_bytes()[: 256 * 4])
    entry = inspect_file(night)
    assert entry.error is None
    assert entry.duration_s == 0.0
    assert {figures.mean for figures in entry.channels} == {None}


def test_csv_files_are_inspected_with_what_the_user_says(tmp_path: Path) -> None:
    path = tmp_path / "watch.csv"
    path.write_text("acc\n" + "\n".join(str(k % 7) for k in range(500)))
    assert "csv.rate_hz" in (inspect_file(path).error or "")
    entry = inspect_file(path, CsvConfig(rate_hz=50))
    assert (entry.format, entry.duration_s, entry.start) == ("CSV", 10.0, None)
    assert entry.channels[0].samples == 500
    assert entry.channels[0].saturated is None
