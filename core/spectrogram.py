"""The power of one channel over time and frequency, in columns fit for a screen.

Each column is an average of short windowed spectra (P. D. Welch, 1967). The windows lie on one
grid over the whole channel, so the result does not depend on how much is read at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import signal

from core.errors import DataError
from core.progress import RunContext

SEGMENT_S = 2.0
"""Length of one spectrum: frequencies half a hertz apart."""
FEWEST_SAMPLES = 64
"""Slow channels get longer spectra, so that there are frequencies to tell apart."""
MOST_BINS = 512
"""Frequencies that are kept; more than that no screen shows."""
CHUNK_SAMPLES = 1 << 19
"""Samples read at a time, between two looks at whether to stop: 2 MB of float32."""
LOWEST_POWER = 1e-30
"""Power that stands for none at all, in a flat channel."""
DARK_PERCENT, BRIGHT_PERCENT = 5.0, 99.0

Read = Callable[[int, int], np.ndarray]
"""Samples from a first to before a last one, NaN where nothing was recorded."""


@dataclass(frozen=True)
class Spectrogram:
    """Power over time and frequency.

    Attributes
    ----------
    edges_s: borders of the columns in seconds from the channel's first sample, float64
        (columns + 1,).
    frequencies_hz: float64 (frequencies,), evenly spaced, without 0.
    power_db: float32 (frequencies, columns), dB of the squared unit per Hz; NaN where nothing
        was recorded.
    limits_db: a range that shows what is usual here: the 5th and the 99th percentile.
    """

    edges_s: np.ndarray
    frequencies_hz: np.ndarray
    power_db: np.ndarray
    limits_db: tuple[float, float]

    @property
    def times_s(self) -> np.ndarray:
        """The middle of each column, float64 (columns,)."""
        return (self.edges_s[:-1] + self.edges_s[1:]) / 2

    @property
    def step_hz(self) -> float:
        """How far frequencies are apart."""
        return float(self.frequencies_hz[0])


def spectrogram(
    read: Read,
    rate_hz: float,
    samples: int,
    *,
    max_hz: float | None = 30.0,
    columns: int = 2000,
    context: RunContext | None = None,
    chunk_samples: int = CHUNK_SAMPLES,
) -> Spectrogram:
    """The spectrogram of a whole channel, read piece by piece.

    `max_hz` is the highest frequency, None for half the rate. There are at most `columns` columns,
    and fewer where the channel is so short that they would overlap by more than half a spectrum.
    A spectrum that meets a missing sample is left out of its column. Raises DataError for a
    channel that is too short, and Cancelled.
    """
    context = context or RunContext()
    top_hz = rate_hz / 2 if max_hz is None else min(max_hz, rate_hz / 2)
    length = _segment_samples(rate_hz, top_hz)
    if samples < length:
        raise DataError(
            f"{samples} samples are too few for a spectrogram; it needs {length} at {rate_hz:g} Hz."
        )
    hop = length // 2
    segments = (samples - length) // hop + 1
    per_column = -(-segments // max(columns, 1))
    count = -(-segments // per_column)
    frequencies = np.fft.rfftfreq(length, 1 / rate_hz)
    kept = slice(1, int(np.searchsorted(frequencies, top_hz * (1 + 1e-9), side="right")))
    power = np.full((kept.stop - 1, count), np.nan, np.float32)
    columns_at_once = max(1, chunk_samples // (per_column * hop))
    for first in range(0, count, columns_at_once):
        context.step("spectrogram", first, count)
        last = min(first + columns_at_once, count)
        a, b = first * per_column, min(last * per_column, segments)
        values = read(a * hop, (b - 1) * hop + length)
        power[:, first:last] = _columns(values, b - a, per_column, length, rate_hz, kept)
    context.step("spectrogram", count, count)
    starts = np.arange(count) * (per_column * hop)
    # A column stands for the hops from its first spectrum to the next column's; half a hop is
    # added because a spectrum says most about its middle.
    edges = np.append(starts + hop / 2, segments * hop + hop / 2) / rate_hz
    edges[0], edges[-1] = 0.0, samples / rate_hz
    return Spectrogram(edges, frequencies[kept], power, _limits(power))


def _segment_samples(rate_hz: float, top_hz: float) -> int:
    """Samples of one spectrum, even."""
    wanted = max(SEGMENT_S * rate_hz, FEWEST_SAMPLES)
    most = MOST_BINS * rate_hz / top_hz
    return 2 * max(1, round(min(wanted, most) / 2))


def _columns(
    values: np.ndarray, segments: int, per_column: int, length: int, rate_hz: float, kept: slice
) -> np.ndarray:
    """Mean power of each `per_column` of the spectra, in dB: float32 (frequencies, columns)."""
    rows = np.lib.stride_tricks.sliding_window_view(values, length)[:: length // 2][:segments]
    valid = np.isfinite(rows).all(axis=1)
    power = np.zeros((segments, kept.stop - 1))
    if valid.any():
        _, found = signal.welch(
            rows[valid].astype(np.float64), rate_hz, "hann", length, noverlap=0, axis=1
        )
        power[valid] = found[:, kept]
    starts = np.arange(0, segments, per_column)
    total = np.add.reduceat(power, starts, axis=0)
    count = np.add.reduceat(valid.astype(np.int64), starts)
    result = np.full(total.shape, np.nan, np.float32)
    known = count > 0
    mean = total[known] / count[known, None]
    result[known] = 10 * np.log10(np.maximum(mean, LOWEST_POWER))
    return result.T


def _limits(power_db: np.ndarray) -> tuple[float, float]:
    known = power_db[np.isfinite(power_db)]
    if not len(known):
        return 0.0, 1.0
    low, high = np.percentile(known, [DARK_PERCENT, BRIGHT_PERCENT])
    if high - low < 1.0:  # all the same: the colours would show rounding
        return float(low) - 0.5, float(low) + 0.5
    return float(low), float(high)
