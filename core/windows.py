"""Where windows lie, and which modalities were really recorded in each.

What is wrong with a channel (missing, flat, saturated samples) is kept as runs of samples on its
own grid. The share of a window that they cover then costs two look-ups, however much windows
overlap, and does not depend on the blocks in which the channel was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.config import DetectionConfig, WindowsConfig
from core.errors import RecordingError
from core.modalities import ResolvedModality, Trace
from core.recording import Recording

TOLERANCE_S = 1e-5
"""Differences in time below this are rounding: clock times are only good to half a microsecond."""
STILL_KINDS = ("acc", "gyro")
"""Kinds whose channels are flat only where all of them are."""


def window_starts(
    recording: Recording,
    windows: WindowsConfig,
    first_label_s: float | None = None,
    hop_s: float | None = None,
) -> np.ndarray:
    """Starts of the windows that lie wholly in the recording, float64 seconds, rising.

    With `anchor: labels` the grid passes through the first label's onset and goes on both ways;
    without labels it starts with the recording. Windows that touch an excluded stretch are left
    out, but not those in a stretch where one modality is bad. `hop_s` replaces the configured hop.
    Raises RecordingError where not one window fits.
    """
    starts = grid_starts(recording.duration_s, windows, first_label_s, hop_s)
    if not len(starts):
        raise RecordingError(
            f"{_name(recording)}: the recording lasts {recording.duration_s:g} s, shorter than a "
            f"window of {windows.length_s:g} s; use a shorter windows.length_s."
        )
    for stretch in recording.excluded:
        if stretch.modality is not None:
            continue  # missing in that modality: `presence` finds it
        apart = (starts + windows.length_s <= stretch.start_s + TOLERANCE_S) | (
            starts >= stretch.end_s - TOLERANCE_S
        )
        starts = starts[apart]
    if not len(starts):
        raise RecordingError(f"{_name(recording)}: every window touches an excluded stretch.")
    return starts


def grid_starts(
    duration_s: float,
    windows: WindowsConfig,
    first_label_s: float | None = None,
    hop_s: float | None = None,
) -> np.ndarray:
    """The whole grid, float64 seconds, rising; empty where not one window fits."""
    hop = hop_s or windows.step_s
    anchor = 0.0
    if windows.anchor == "labels" and first_label_s is not None:
        anchor = first_label_s - hop * np.floor((first_label_s + TOLERANCE_S) / hop)
    room = duration_s - windows.length_s - anchor
    count = max(int(np.floor((room + TOLERANCE_S) / hop)) + 1, 0)
    return np.maximum(anchor + hop * np.arange(count), 0.0)


def _name(recording: Recording) -> str:
    return str(recording.paths[0]) if recording.sources else recording.id


# ---------------------------------------------------------------- defects


class Runs:
    """Disjoint runs of samples, gathered block by block in rising order."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []
        self._edges: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def add(self, runs: np.ndarray) -> None:
        """Append runs, int64, shape (n, 2): first and past-the-last sample."""
        if len(runs):
            self._parts.append(runs)
            self._edges = None

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def count(self, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """Samples of the runs between `start` and `stop`, elementwise."""
        if not self._parts:
            return np.zeros(np.shape(start), np.int64)
        if self._edges is None:
            runs = np.concatenate(self._parts)
            lengths = runs[:, 1] - runs[:, 0]
            self._edges = runs[:, 0], lengths, np.concatenate(([0], np.cumsum(lengths)))
        return self._before(np.asarray(stop)) - self._before(np.asarray(start))

    def _before(self, sample: np.ndarray) -> np.ndarray:
        if self._edges is None:
            raise ValueError("no runs")
        first, lengths, total = self._edges
        index = np.searchsorted(first, sample, side="right") - 1
        inside = np.clip(sample - first[index], 0, lengths[index])
        before: np.ndarray = np.where(index < 0, 0, total[np.maximum(index, 0)] + inside)
        return before


@dataclass
class Defects:
    """What is wrong with one trace."""

    missing: Runs
    flat: Runs
    saturated: Runs

    @classmethod
    def none(cls) -> Defects:
        return cls(Runs(), Runs(), Runs())


def flat_run_samples(rate_hz: float, detection: DetectionConfig) -> int:
    """Equal samples in a row that make a flat run; 0 where the check is off."""
    if detection.max_flat_share >= 1:
        return 0
    return max(2, int(np.ceil(detection.flat_run_s * rate_hz - 1e-6)))


def add_defects(
    defects: Defects,
    trace: Trace,
    detection: DetectionConfig,
    values: np.ndarray,
    first: int,
    start: int,
    stop: int,
) -> None:
    """Look for defects in the input samples `start` to `stop`.

    `values` are samples from number `first` on. Flat runs that cross `start` or `stop` are found
    when `values` reaches `flat_run_samples` beyond them.
    """
    core = values[start - first : stop - first]
    if not len(core):
        return
    # Two reductions tell that nothing is missing or saturated: the usual case, and fast.
    low, high = float(np.min(core)), float(np.max(core))
    if np.isnan(low):
        bad = np.isnan(core)
        defects.missing.add(true_runs(bad) + start)
        if bad.all():
            return
        low, high = float(np.nanmin(core)), float(np.nanmax(core))
    if detection.max_saturated_share < 1 and trace.low is not None and trace.high is not None:
        slack = 1e-6 * (trace.high - trace.low)
        if low <= trace.low + slack or high >= trace.high - slack:
            bad = (core <= trace.low + slack) | (core >= trace.high - slack)
            defects.saturated.add(true_runs(bad) + start)
    run = flat_run_samples(trace.plan.rate_in, detection)
    if run and len(values) >= run:
        runs = equal_runs(values, run) + first
        runs = np.clip(runs, start, stop)
        defects.flat.add(runs[runs[:, 1] > runs[:, 0]])


def true_runs(bad: np.ndarray) -> np.ndarray:
    """Runs of True in a bool array, int64 (n, 2): first and past-the-last index."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], bad.view(np.int8), [0]))))
    return edges.reshape(-1, 2).astype(np.int64)


def equal_runs(values: np.ndarray, length: int) -> np.ndarray:
    """Runs of at least `length` equal values, int64 (n, 2); NaN equals nothing."""
    # A run of `length` holds several samples in a row of a grid with a fifth of that step, so
    # looking at a few samples clears most signals.
    step = max(1, length // 5)
    coarse = values[::step]
    same = coarse[1:] == coarse[:-1]
    for _ in range(length // step - 2):
        same = same[1:] & same[:-1]
    if not same.any():
        return np.empty((0, 2), np.int64)
    runs = true_runs(values[1:] == values[:-1])
    runs[:, 1] += 1
    return runs[runs[:, 1] - runs[:, 0] >= length]


def _trace_state(
    trace: Trace,
    defects: Defects,
    detection: DetectionConfig,
    starts_s: np.ndarray,
    length_s: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Whether a trace was recorded, and whether it is flat, in each window; bool (windows,)."""
    rate = trace.plan.rate_in
    start = np.floor((starts_s - trace.plan.offset_s) * rate + 0.5 + 1e-6).astype(np.int64)
    samples = max(1, round(length_s * rate))
    stop = start + samples
    recorded = np.ones(len(starts_s), bool)
    flat = np.zeros(len(starts_s), bool)
    if len(defects.missing):
        missing = defects.missing.count(start, stop)
        # A window with nothing at all is missing whatever the limit says.
        recorded &= (missing <= detection.max_missing_share * samples + 1e-9) & (missing < samples)
    if len(defects.saturated):
        saturated = defects.saturated.count(start, stop)
        recorded &= saturated <= detection.max_saturated_share * samples + 1e-9
    if len(defects.flat):
        flat = defects.flat.count(start, stop) > detection.max_flat_share * samples + 1e-9
    return recorded, flat


def presence(
    modality: ResolvedModality,
    defects: Sequence[Sequence[Defects]],
    starts_s: np.ndarray,
    length_s: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Which channels, and whether the modality, were recorded in each window.

    `defects` has one entry per channel with one per trace. Returns alive, bool (windows,
    channels), and present, bool (windows,): at least `min_channels_share` of the channels alive.
    """
    detection = modality.config.detection
    alive = np.zeros((len(starts_s), len(modality.channels)), bool)
    flat = np.zeros_like(alive)
    for column, channel in enumerate(modality.channels):
        if channel.traces:
            states = [
                _trace_state(trace, found, detection, starts_s, length_s)
                for trace, found in zip(channel.traces, defects[column], strict=True)
            ]
            alive[:, column] = np.all([recorded for recorded, _ in states], axis=0)
            flat[:, column] = np.any([still for _, still in states], axis=0)
    if modality.config.kind in STILL_KINDS:
        # One axis of a coarse sensor at rest may not change for a minute; all of them do.
        found = [bool(channel.traces) for channel in modality.channels]
        flat &= flat[:, found].all(axis=1, keepdims=True)
    alive &= ~flat
    needed = max(1.0, detection.min_channels_share * len(modality.channels))
    return alive, alive.sum(axis=1) >= needed - 1e-9
