"""The spectrogram shows what is in a channel, where it is, and nothing where nothing is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from core.errors import DataError
from core.progress import Cancelled, Progress, RunContext
from core.spectrogram import spectrogram

RATE = 128.0


def reader(values: np.ndarray) -> Callable[[int, int], np.ndarray]:
    values = values.astype(np.float32)

    def read(start: int, stop: int) -> np.ndarray:
        assert 0 <= start < stop <= len(values)
        return values[start:stop]

    return read


def sine(hz: float, seconds: float, rate: float = RATE) -> np.ndarray:
    return 20 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)


def test_a_10_hz_sine_is_a_ridge_at_10_hz():
    values = sine(10, 600) + np.random.default_rng(0).normal(size=int(600 * RATE))
    result = spectrogram(reader(values), RATE, len(values), columns=100)
    ridge = result.frequencies_hz[result.power_db.argmax(axis=0)]
    assert (ridge == 10.0).all()
    # The density of a sine integrates to its power, half of the amplitude's square.
    inside = np.abs(result.frequencies_hz - 10) <= 2
    power = (10 ** (result.power_db[inside] / 10)).sum(axis=0) * result.step_hz
    assert power == pytest.approx(200.0, rel=0.05)


def test_each_half_has_its_own_frequency():
    values = np.concatenate([sine(5, 300), sine(20, 300)])
    result = spectrogram(reader(values), RATE, len(values), columns=60)
    ridge = result.frequencies_hz[result.power_db.argmax(axis=0)]
    assert (ridge[result.times_s < 295] == 5.0).all()
    assert (ridge[result.times_s > 305] == 20.0).all()
    assert result.edges_s[0] == 0.0
    assert result.edges_s[-1] == 600.0
    assert (np.diff(result.edges_s) > 0).all()


def test_a_gap_stays_empty_and_takes_nothing_from_its_neighbours():
    values = sine(10, 600)
    values[int(200 * RATE) : int(300 * RATE)] = np.nan
    result = spectrogram(reader(values), RATE, len(values), columns=100)
    empty = np.isnan(result.power_db).all(axis=0)
    assert empty[(result.edges_s[:-1] >= 202) & (result.edges_s[1:] <= 298)].all()
    assert not empty[(result.edges_s[1:] <= 198) | (result.edges_s[:-1] >= 302)].any()
    assert np.isfinite(result.power_db[:, ~empty]).all()
    assert np.isfinite(result.limits_db).all()


@pytest.mark.parametrize("chunk", [1, 1000, 12_345, 1 << 30])
def test_the_result_does_not_depend_on_how_much_is_read_at_a_time(chunk: int):
    rng = np.random.default_rng(1)
    values = rng.normal(size=50_001).astype(np.float32)
    values[20_000:20_100] = np.nan
    whole = spectrogram(reader(values), RATE, len(values), columns=77)
    parts = spectrogram(reader(values), RATE, len(values), columns=77, chunk_samples=chunk)
    np.testing.assert_array_equal(parts.edges_s, whole.edges_s)
    np.testing.assert_allclose(parts.power_db, whole.power_db, atol=1e-4)


def test_no_read_is_much_longer_than_a_chunk():
    values = np.zeros(1_000_000)
    lengths = []

    def read(start: int, stop: int) -> np.ndarray:
        lengths.append(stop - start)
        return values[start:stop]

    spectrogram(read, RATE, len(values), columns=500, chunk_samples=50_000)
    assert max(lengths) <= 50_000 + 2 * 256
    assert sum(lengths) <= 1.1 * len(values)


@pytest.mark.parametrize(("max_hz", "top"), [(15.0, 15.0), (30.0, 30.0), (None, 64.0), (99, 64.0)])
def test_frequencies_end_where_asked_or_at_half_the_rate(max_hz: float | None, top: float):
    values = np.random.default_rng(0).normal(size=10_000)
    result = spectrogram(reader(values), RATE, len(values), max_hz=max_hz, columns=10)
    assert result.frequencies_hz[-1] == top
    assert result.power_db.shape == (len(result.frequencies_hz), len(result.edges_s) - 1)
    assert result.power_db.dtype == np.float32


@pytest.mark.parametrize("rate", [1.0, 4.0, 20_000.0])
def test_slow_and_fast_channels_have_a_useful_number_of_frequencies(rate: float):
    values = np.random.default_rng(0).normal(size=int(max(100 * rate, 4000)))
    result = spectrogram(reader(values), rate, len(values), max_hz=None, columns=50)
    assert 32 <= len(result.frequencies_hz) <= 512


def test_colour_limits_are_not_ruled_by_one_outburst():
    values = np.random.default_rng(0).normal(size=int(600 * RATE))
    quiet = spectrogram(reader(values), RATE, len(values), columns=300)
    values[: int(2 * RATE)] *= 1e6
    loud = spectrogram(reader(values), RATE, len(values), columns=300)
    assert loud.limits_db == pytest.approx(quiet.limits_db, abs=1.5)


@pytest.mark.parametrize("value", [0.0, 37.0, np.nan])
def test_flat_and_empty_channels_have_finite_limits(value: float):
    result = spectrogram(reader(np.full(5000, value)), RATE, 5000, columns=10)
    low, high = result.limits_db
    assert np.isfinite([low, high]).all()
    assert low < high


def test_a_channel_that_is_too_short_says_so():
    with pytest.raises(DataError, match="too few"):
        spectrogram(reader(np.zeros(100)), RATE, 100, columns=10)


def test_it_reports_and_stops():
    seen: list[Progress] = []
    context = RunContext(report=seen.append, should_stop=lambda: len(seen) >= 3)
    values = np.zeros(1_000_000)
    with pytest.raises(Cancelled):
        spectrogram(
            reader(values), RATE, len(values), columns=100, context=context, chunk_samples=10_000
        )
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert len(seen) == 3
