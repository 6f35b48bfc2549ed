"""A repaired copy opens anywhere, holds the same samples, and every change is named."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pyedflib
import pytest

from core.errors import ConfigError, OutputError, RecordingError
from core.read_edf import open_edf
from core.recording import Annotation
from core.repair import repair_edf
from core.write_edf import EdfContents, EdfSignal, write_edf

RECORDS = 200
START = datetime(2021, 3, 4, 22, 15, 30)
AT = {"patient": (8, 80), "recording": (88, 80), "start date": (168, 8), "start time": (176, 8),
      "header length": (184, 8), "reserved": (192, 44), "record count": (236, 8),
      "record duration": (244, 8)}  # fmt: skip
SIGNAL_AT = {"label": (0, 16), "unit": (96, 8), "physical minimum": (104, 8),
             "physical maximum": (112, 8), "digital minimum": (120, 8),
             "digital maximum": (128, 8)}  # fmt: skip


@pytest.fixture
def night(tmp_path: Path) -> Path:
    generator = np.random.default_rng(1)
    samples = generator.integers(-2000, 2000, (2, RECORDS, 100))
    signals = tuple(
        EdfSignal(label, "uV", "-250", "250", -2048, 2047, 100) for label in ("EEG C3", "EEG C4")
    )
    path = tmp_path / "night.edf"
    contents = EdfContents(
        START, 1.0, np.arange(float(RECORDS)), signals, lambda s, r: samples[s, r],
        (Annotation(3.0, 1.5, "Arousal"),), patient="X F X Somebody",
    )  # fmt: skip
    write_edf(path, contents)
    return path


def spoil(path: Path, field: str, value: bytes, signal: int | None = None) -> None:
    """Write other bytes into a header field; `signal` counts from 0, of three."""
    data = bytearray(path.read_bytes())
    if signal is None:
        place, length = AT[field]
    else:
        before, length = SIGNAL_AT[field]
        place = 256 + 3 * before + signal * length
    data[place : place + length] = value.ljust(length)[:length]
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("field", "value", "signal", "named"),
    [
        ("record count", b"-1", None, "record count"),
        ("header length", b"77", None, "header length"),
        ("start date", b"99.99.99", None, "start date"),
        ("start time", b"25:61:00", None, "start time"),
        ("label", "Impé 1".encode(), 0, "label"),
        ("label", b"EEG C4", 0, "label"),
        ("label", b"", 1, "label"),
        ("unit", "µV".encode("latin-1"), 0, "unit"),
        ("physical minimum", b"-250,0", 1, "physical minimum"),
        ("digital maximum", b"70000", 0, "digital limits"),
        ("physical maximum", b"-250", 0, "calibration"),
        ("patient", b"Somebody Else 1980", None, "patient"),
    ],
)
def test_what_is_odd_is_repaired_and_named(
    tmp_path: Path, night: Path, field: str, value: bytes, signal: int | None, named: str
) -> None:
    spoil(night, field, value, signal)
    original = night.read_bytes()
    before = open_edf(night)
    out = tmp_path / "copy.edf"
    changes = repair_edf(night, out)
    assert named in {change.field for change in changes} | {f.field for f in before.findings}
    assert changes
    assert night.read_bytes() == original
    after = open_edf(out)
    assert after.findings == ()
    with pyedflib.EdfReader(str(out)) as reader:
        assert reader.signals_in_file == 2
    assert after.annotations == before.annotations
    for channel in range(2):
        old, new = before.read(channel, 0, 20000), after.read(channel, 0, 20000)
        step = abs(before.signals[channel].gain)
        np.testing.assert_allclose(new, old, atol=0.01 * step + 1e-4)
        np.testing.assert_array_equal(
            before.read_digital(channel, 0, 20000)[0], after.read_digital(channel, 0, 20000)[0]
        )
    assert not any("Somebody" in change.message for change in changes)


def test_a_sound_file_is_copied_without_a_change(tmp_path: Path, night: Path) -> None:
    out = tmp_path / "copy.edf"
    assert repair_edf(night, out) == ()
    assert out.read_bytes() == night.read_bytes()


def test_line_ends_that_were_changed_are_turned_back_exactly(tmp_path: Path, night: Path) -> None:
    sound = night.read_bytes()
    night.write_bytes(sound.replace(b"\n", b"\r\n"))
    with pytest.raises(RecordingError, match="line feed"):
        open_edf(night)
    out = tmp_path / "copy.edf"
    changes = repair_edf(night, out)
    assert out.read_bytes() == sound
    assert "carriage return" in changes[0].message


def test_line_ends_that_cannot_be_turned_back_exactly_stay_refused(
    tmp_path: Path, night: Path
) -> None:
    night.write_bytes(night.read_bytes().replace(b"\n", b"\r\n")[:-300])
    with pytest.raises(RecordingError):
        repair_edf(night, tmp_path / "copy.edf")
    assert not (tmp_path / "copy.edf").exists()


def test_the_copy_needs_a_name_of_its_own_and_the_right_ending(tmp_path: Path, night: Path) -> None:
    with pytest.raises(ConfigError, match="name of its own"):
        repair_edf(night, night, force=True)
    with pytest.raises(ConfigError, match=r"\.edf"):
        repair_edf(night, tmp_path / "copy.bdf")
    (tmp_path / "there.edf").touch()
    with pytest.raises(OutputError, match="already"):
        repair_edf(night, tmp_path / "there.edf")


def test_the_shared_recordings_are_repaired_to_clean_files(tmp_path: Path, shared: Path) -> None:
    folder = shared / "data" / "recordings"
    for path in sorted([*folder.glob("*.edf"), *folder.glob("*.bdf")]):
        out = tmp_path / path.name
        repair_edf(path, out)
        copy = open_edf(out)
        assert {f.field for f in copy.findings} <= {"gaps", "record count"}, path.name
        if path.name.startswith("corrupt"):
            continue
        file = open_edf(path)
        # Where there is no date, the format's first one stands for it.
        assert copy.start == (file.start or datetime(1985, 1, 1)), path.name
        assert copy.gaps == file.gaps, path.name
        for new, old in zip(copy.annotations, file.annotations, strict=True):
            assert (new.text, new.duration_s) == (old.text, old.duration_s), path.name
            assert new.onset_s == pytest.approx(old.onset_s, abs=1e-9), path.name
        for number, channel in enumerate(file.channels):
            old, new = file.read(number, 0, channel.samples), copy.read(number, 0, channel.samples)
            np.testing.assert_allclose(new, old, atol=0.1 * abs(file.signals[number].gain))
