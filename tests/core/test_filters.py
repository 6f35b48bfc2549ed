"""Filters act on frequencies, keep time, and do not see where reading was cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import FilterConfig
from core.errors import DataError
from core.filters import TracePlan, design

BAND = FilterConfig(low_hz=0.5, high_hz=30.0, notch_hz=50.0)


def _sine(hz: float, rate: float, seconds: float, phase: float = 0.0) -> np.ndarray:
    t = np.arange(round(rate * seconds)) / rate
    return np.sin(2 * np.pi * hz * t + phase).astype(np.float32)


def _apply(plan: TracePlan, values: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Read with exactly the margin that the plan asks for, NaN outside."""
    first = plan.input_index(start) - plan.margin
    last = plan.input_index(stop) + plan.margin + 1
    if plan.copies:
        last = first + stop - start
    padded = np.full(last - first, np.nan, np.float32)
    low, high = max(first, 0), min(last, len(values))
    if low < high:
        padded[low - first : high - first] = values[low:high]
    return plan.apply(padded, first, start, stop)


@pytest.mark.parametrize(
    ("hz", "gain"), [(0.1, 0.0), (5.0, 1.0), (20.0, 1.0), (45.0, 0.0), (50.0, 0.0)]
)
def test_band_pass_keeps_the_band_without_shifting_it(hz: float, gain: float) -> None:
    x = _sine(hz, 200, 60)
    y = _apply(TracePlan(200, 200, 0.0, design(BAND, 200)), x, 0, len(x))
    middle = slice(4000, 8000)
    np.testing.assert_allclose(y[middle], gain * x[middle], atol=5e-3)


def test_notch_takes_out_mains_and_little_else() -> None:
    plan = TracePlan(250, 250, 0.0, design(FilterConfig(notch_hz=50.0), 250))
    kept, gone = _sine(46, 250, 20), _sine(50, 250, 20)
    y = _apply(plan, kept + gone, 0, len(kept))
    np.testing.assert_allclose(y[1000:4000], kept[1000:4000], atol=5e-3)


def test_edges_beyond_nyquist_are_left_out_or_refused() -> None:
    assert design(FilterConfig(high_hz=60.0, notch_hz=50.0), 100) is None
    with pytest.raises(DataError, match="leaves nothing"):
        design(FilterConfig(low_hz=60.0), 100)


@given(
    rates=st.sampled_from([(200, 200), (500, 100), (50, 100), (64, 100), (99.7, 100), (128, 100)]),
    offset=st.floats(-2, 2),
    cut=st.integers(200, 2500),
    filtered=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=30, deadline=None)
def test_results_do_not_depend_on_where_reading_was_cut(rates, offset, cut, filtered, seed) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 30, round(30 * rates[0])).astype(np.float32)
    for hole in rng.integers(0, len(x), 4):
        x[hole : hole + rng.integers(1, 40)] = np.nan
    taps = design(FilterConfig(low_hz=0.5, high_hz=20.0), rates[0]) if filtered else None
    plan = TracePlan(rates[0], rates[1], offset, taps)
    whole = _apply(plan, x, 0, 2600)
    parts = np.concatenate([_apply(plan, x, 0, cut), _apply(plan, x, cut, 2600)])
    np.testing.assert_array_equal(np.isnan(whole), np.isnan(parts))
    np.testing.assert_allclose(whole, parts, atol=1e-4)


@pytest.mark.parametrize(("rate_in", "rate_out"), [(500, 100), (50, 64), (100, 100.3), (4, 32)])
def test_resampling_lands_on_the_absolute_grid(rate_in: float, rate_out: float) -> None:
    hz, offset = min(rate_in, rate_out) / 8, 0.3137
    x = np.sin(2 * np.pi * hz * (np.arange(round(60 * rate_in)) / rate_in + offset))
    plan = TracePlan(rate_in, rate_out, offset, None)
    start, stop = round(20 * rate_out), round(40 * rate_out)
    y = _apply(plan, x.astype(np.float32), start, stop)
    expected = np.sin(2 * np.pi * hz * np.arange(start, stop) / rate_out)
    np.testing.assert_allclose(y, expected, atol=2e-3)


def test_resampling_down_removes_what_would_fold() -> None:
    y = _apply(TracePlan(500, 100, 0.0, None), _sine(90, 500, 20), 500, 1500)
    assert np.abs(y).max() < 2e-3


def test_missing_samples_stay_missing_and_do_not_spread() -> None:
    x = _sine(5, 200, 20) + 100
    x[2000:2100] = np.nan
    y = _apply(TracePlan(200, 200, 0.0, design(BAND, 200)), x, 0, len(x))
    np.testing.assert_array_equal(np.isnan(y), np.isnan(x))
    # A level of 100 is gone up to the very edge of the gap: nothing rings.
    assert np.nanmax(np.abs(y)) < 1.6


def test_constant_survives_resampling_to_the_edges() -> None:
    y = _apply(TracePlan(32, 100, 0.01, None), np.full(320, 7, np.float32), 5, 990)
    np.testing.assert_allclose(y, 7, rtol=1e-6)


def test_equal_rates_without_filter_are_the_samples_themselves() -> None:
    x = np.arange(100, dtype=np.float32)
    plan = TracePlan(10, 10, 0.52, None)
    assert plan.copies
    np.testing.assert_array_equal(_apply(plan, x, 5, 100), x[:95])
