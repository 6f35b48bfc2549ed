"""Samples with uneven stamps put on an even grid by linear interpolation; jumps stay gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.recording import Gap


@dataclass(frozen=True)
class Segment:
    """Samples `start` to `start + count` of the grid lie from `place` on in the stored values."""

    start: int
    count: int
    place: int

    @property
    def end(self) -> int:
        return self.start + self.count


def merge_equal_times(seconds: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the same time become one, with the mean of what was recorded.

    seconds: shape (rows,), rising; values: float32, shape (channels, rows).
    """
    first = np.concatenate(([True], np.diff(seconds) > 0))
    if first.all():
        return seconds, values
    starts = np.flatnonzero(first)
    merged = np.empty((len(values), len(starts)), np.float32)
    for row, signal in zip(merged, values, strict=True):
        known = np.isfinite(signal)
        sums = np.add.reduceat(np.where(known, signal, 0).astype(np.float64), starts)
        counts = np.add.reduceat(known.astype(np.float64), starts)
        with np.errstate(invalid="ignore"):
            row[:] = sums / counts
    return seconds[starts], merged


def to_grid(
    seconds: np.ndarray, signals: np.ndarray, rate_hz: float, max_gap_s: float
) -> tuple[np.ndarray, list[Segment], tuple[Gap, ...]]:
    """Values at k / rate_hz, float32 of shape (channels, samples), without those in gaps.

    seconds: shape (rows,), strictly rising from 0; signals: float32, shape (channels, rows). A
    sample next to a missing one is missing, unless it lies on a recorded one.
    """
    position = seconds * rate_hz
    nearest = np.rint(position)
    # Stamps within a hundredth of a sample of the grid are on it: decimal fractions are not exact.
    on_grid = np.abs(position - nearest) <= 0.01
    position = np.where(on_grid, nearest, position)
    jumps = np.flatnonzero(np.diff(seconds) > max_gap_s)
    if not len(jumps) and np.abs(position - np.arange(len(position))).max() <= 0.25:
        # Evenly sampled with rounded stamps: interpolation would only blur the samples.
        return signals, [Segment(0, len(position), 0)], ()
    run_first = np.concatenate(([0], jumps + 1))
    run_last = np.concatenate((jumps, [len(seconds) - 1]))
    firsts = np.ceil(position[run_first]).astype(np.int64)
    # A sample counts until the next is due: the grid point after the last one holds its value.
    lasts = np.ceil(position[run_last]).astype(np.int64)
    lasts[:-1] = np.minimum(lasts[:-1], firsts[1:] - 1)
    counts = np.maximum(lasts - firsts + 1, 0)
    places = np.concatenate(([0], np.cumsum(counts)[:-1]))
    segments = [
        Segment(int(start), int(count), int(place))
        for start, count, place in zip(firsts, counts, places, strict=True)
        if count
    ]
    total = int(counts.sum())
    gaps = tuple(
        Gap(
            float(seconds[jump] + 1 / rate_hz),
            float(seconds[jump + 1] - seconds[jump] - 1 / rate_hz),
        )
        for jump in jumps
        if seconds[jump + 1] - seconds[jump] > 1 / rate_hz
    )
    if total == len(position) and bool(on_grid.all()):
        return signals, segments, gaps
    points = np.repeat(firsts - places, counts) + np.arange(total)
    left = np.clip(np.searchsorted(position, points, side="right") - 1, 0, len(position) - 1)
    right = np.minimum(left + 1, len(position) - 1)
    width = position[right] - position[left]
    weight = np.where(width > 0, (points - position[left]) / np.where(width > 0, width, 1), 0)
    weight = weight.astype(np.float32)
    weight[points > np.repeat(position[run_last], counts)] = 0
    exact = weight == 0
    values = np.empty((len(signals), total), np.float32)
    for row, signal in zip(values, signals, strict=True):
        low = signal[left]
        np.subtract(signal[right], low, out=row)
        row *= weight
        row += low
        row[exact] = low[exact]
    return values, segments, gaps


def round_rate(rate_hz: float) -> float:
    """The nearest whole rate, or rate with a whole period, if it is within half a per cent."""
    for near in (float(round(rate_hz)), 1 / max(round(1 / rate_hz), 1)):
        if near > 0 and abs(near - rate_hz) <= 0.005 * rate_hz:
            return near
    return rate_hz
