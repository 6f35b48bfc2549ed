"""Generated files beside edfio: the same to one digital step, except where it is known wrong."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import edfio
import numpy as np
import pytest

from core.read_edf import EdfFile, open_edf
from tests.core.edf_bytes import ANNOTATIONS, make_file, make_signal, ramp, stamp

THREE = [[ramp(k)] for k in range(3)]


@pytest.fixture
def both(tmp_path: Path) -> Callable[..., tuple[EdfFile, Any]]:
    def both(blob: bytes, ending: str = ".edf") -> tuple[EdfFile, Any]:
        path = tmp_path / f"night{ending}"
        path.write_bytes(blob)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = (edfio.read_bdf if ending == ".bdf" else edfio.read_edf)(path)
        return open_edf(path), other

    return both


def assert_same(file: EdfFile, other: Any) -> None:
    assert len(file.channels) == len(other.signals)
    for number, (channel, signal) in enumerate(zip(file.channels, other.signals, strict=True)):
        assert channel.label == signal.label
        assert channel.rate_hz == pytest.approx(signal.sampling_frequency, rel=1e-9)
        assert channel.samples == len(signal.data)
        step = abs((signal.physical_max - signal.physical_min)
                   / (signal.digital_max - signal.digital_min))  # fmt: skip
        values = file.read(number, 0, channel.samples)
        np.testing.assert_allclose(values, signal.data, rtol=0, atol=step)
        digital, recorded = file.read_digital(number, 0, channel.samples)
        assert recorded.all()
        np.testing.assert_array_equal(digital, signal.digital)
    assert [(a.onset_s, a.duration_s, a.text) for a in file.annotations] == [
        (pytest.approx(a.onset), pytest.approx(a.duration or 0), a.text)
        for a in other.annotations
        if a.text
    ]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", [".edf", ".bdf"])
def test_files_that_edfio_wrote(
    tmp_path: Path, both: Callable[..., Any], kind: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    record_s = (1.0, 0.5, 2.0, 0.1, 1.0, 4.0)[seed]
    signal_class = edfio.BdfSignal if kind == ".bdf" else edfio.EdfSignal
    signals = []
    for number in range(int(rng.integers(1, 9))):
        rate = int(rng.integers(1, 60)) / record_s
        count = round(20 * rate * record_s)
        scale = 10.0 ** rng.integers(-3, 4)
        signals.append(
            signal_class(
                rng.normal(0, scale, count), rate, label=f"ch{number}", physical_dimension="uV",
                physical_range=(-6 * scale, 5 * scale),
            )
        )  # fmt: skip
    notes = [
        edfio.EdfAnnotation(float(k), 0.5 if k % 2 else None, f"Ton {k} für") for k in range(9)
    ]
    written = (edfio.Bdf if kind == ".bdf" else edfio.Edf)(
        signals, annotations=notes, data_record_duration=record_s
    )
    path = tmp_path / f"written{kind}"
    written.write(path)
    file, other = both(path.read_bytes(), kind)
    assert [f for f in file.findings if f.severity != "note"] == []
    assert_same(file, other)


@pytest.mark.parametrize(
    "blob",
    [
        make_file([make_signal()], THREE, count=-1),
        make_file([make_signal()], THREE, count=9),
        make_file([make_signal()], [*THREE, [b"\x01\x02\x03"]]),
        make_file([make_signal(low=100, high=-100)], THREE),
        make_file([make_signal(digital_low=-40000, digital_high=40000)], THREE),
        make_file([make_signal(), make_signal("b", 3)], [[ramp(k), ramp(k, 3)] for k in range(3)],
                  record_s="0.03"),
        make_file([make_signal()] * 2, [[ramp(k)] * 2 for k in range(3)]),
        make_file([make_signal()], THREE, date="31/01/20", time="12:00:00"),
        make_file([make_signal(), ANNOTATIONS],
                  [[ramp(k), stamp(f"+{k}.25\x14\x14\x00+{k}.5\x151\x14x\x14")] for k in range(3)],
                  reserved="EDF+C", recording="Startdate X X X X"),
    ],
)  # fmt: skip
def test_bent_files_that_edfio_reads_right(both: Callable[..., Any], blob: bytes) -> None:
    assert_same(*both(blob))


# ---------------------------------------------------------------- where edfio is known wrong


def test_edfio_leaves_signals_with_a_decimal_comma_uncalibrated(both: Callable[..., Any]) -> None:
    file, other = both(make_file([make_signal(low="-100,0", high="100,0")], THREE))
    np.testing.assert_allclose(file.read(0, 0, 30), np.arange(30) * 0.1, atol=1e-5)
    np.testing.assert_array_equal(other.signals[0].data, np.arange(30))
    assert file.channels[0].calibrated


def test_edfio_gives_digital_values_in_physical_units(both: Callable[..., Any]) -> None:
    """Where physical limits are equal both give digital values, but edfio in the header's unit."""
    file, other = both(make_file([make_signal(low=5, high=5)], THREE))
    with pytest.warns(UserWarning, match="uncalibrated"):
        theirs = other.signals[0].data
    np.testing.assert_array_equal(file.read(0, 0, 30), theirs)
    assert other.signals[0].physical_dimension == "uV"
    assert file.channels[0].unit == ""
    assert not file.channels[0].calibrated
    assert [finding.severity for finding in file.findings] == ["uncalibrated"]


def test_edfio_closes_gaps_up(both: Callable[..., Any]) -> None:
    records = [[ramp(k), stamp(f"+{4 * k}\x14\x14")] for k in range(3)]
    file, other = both(make_file([make_signal(), ANNOTATIONS], records, reserved="EDF+D"))
    assert len(other.signals[0].data) == 30
    assert (file.channels[0].samples, file.duration_s) == (90, 9)
    values = file.read(0, 0, 90)
    np.testing.assert_allclose(values[np.isfinite(values)], other.signals[0].data, atol=1e-5)
    assert np.isnan(values[10:40]).all()


def test_edfio_reads_no_utf8_in_labels(both: Callable[..., Any]) -> None:
    file, other = both(make_file([make_signal("Impédance".encode())], THREE))
    assert file.channels[0].label == "Impédance"
    assert "\ufffd" in other.signals[0].label


def test_edfio_believes_an_annotation_signal_only_under_its_own_name(
    both: Callable[..., Any],
) -> None:
    notes = {**ANNOTATIONS, "label": "EDF annotations"}
    records = [[ramp(k), stamp(f"+{k}\x14\x14\x00+{k}.5\x14x\x14")] for k in range(3)]
    file, other = both(make_file([make_signal(), notes], records, reserved="EDF+C"))
    assert len(other.signals) == 2
    assert len(file.channels) == 1
    assert len(file.annotations) == 3
