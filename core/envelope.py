"""What to draw of a channel: its samples, or their smallest and largest per pixel column.

Peaks are never lost, at any zoom. A recording is read only where it is looked at; zoomed far out,
the extremes of blocks of samples are kept, so that a stretch is read once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.progress import Cancelled
from core.recording import Recording, SignalFile

BLOCK = 256
"""Samples whose extremes are kept as one."""
CHUNK_BLOCKS = 2048
"""Blocks that are read at a time: 2 MB of float32, between two looks at `should_stop`."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Lane:
    """The range of a channel that is drawn from the bottom of its lane to the top, in its unit."""

    centre: float
    height: float


class ChannelEnvelope:
    """One channel of a file, to be drawn. Used by one thread at a time.

    `offset_s` is the file's start in seconds from the recording's start; all times here are in
    seconds from the recording's start.
    """

    def __init__(self, file: SignalFile, channel: int, name: str, offset_s: float = 0.0) -> None:
        self.name = name
        self.unit = file.channels[channel].unit
        self.rate_hz = file.channels[channel].rate_hz
        self.samples = file.channels[channel].samples
        self.offset_s = offset_s
        self._file = file
        self._channel = channel
        # Made when they are first needed: they take 1/128 of the samples' size.
        self._low: np.ndarray | None = None
        self._high: np.ndarray | None = None
        self._known: np.ndarray | None = None

    def line(
        self,
        start_s: float,
        end_s: float,
        columns: int,
        should_stop: Callable[[], bool] = _never,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Points of a line from `start_s` to `end_s`: times float64 and values float32.

        With few samples the points are the samples; with many there are two points for each of
        about `columns` columns, the smallest and the largest. NaN breaks the line where nothing
        was recorded. Raises Cancelled when `should_stop` says so.
        """
        first = max(0, int(np.floor((start_s - self.offset_s) * self.rate_hz)))
        last = min(self.samples, int(np.ceil((end_s - self.offset_s) * self.rate_hz)) + 1)
        if last <= first:
            return np.empty(0), np.empty(0, np.float32)
        columns = max(1, columns)
        per_column = (last - first) / columns
        if per_column <= 2:
            values = self._file.read(self._channel, first, last)
            return self.offset_s + np.arange(first, last) / self.rate_hz, values
        if per_column < BLOCK:
            step = int(np.ceil(per_column))
            first -= first % step  # the same columns after a small pan: no flicker
            low, high = _extremes(self._file.read(self._channel, first, last), step)
            return self._zigzag(first, step, low, high)
        self._read_blocks(first // BLOCK, -(-last // BLOCK), should_stop)
        assert self._low is not None
        assert self._high is not None
        group = int(np.ceil(per_column / BLOCK))
        a = first // BLOCK // group * group
        b = -(-last // BLOCK)
        low, high = _extremes(self._low[a:b], group)[0], _extremes(self._high[a:b], group)[1]
        return self._zigzag(a * BLOCK, group * BLOCK, low, high)

    def lane(self, should_stop: Callable[[], bool] = _never) -> Lane:
        """A range that shows what is usual in this channel, from a few stretches of it."""
        length = int(min(self.samples, max(64, 8 * self.rate_hz)))
        starts = np.linspace(0, self.samples - length, 9).astype(int)
        parts = []
        for start in np.unique(starts):
            if should_stop():
                raise Cancelled
            parts.append(self._file.read(self._channel, int(start), int(start) + length))
        values = np.concatenate(parts) if parts else np.empty(0, np.float32)
        values = values[np.isfinite(values)]
        if not len(values):
            return Lane(0.0, 1.0)
        low, centre, high = np.percentile(values.astype(np.float64), [0.5, 50, 99.5])
        spread = float(high - low)
        if spread <= 1e-6 * max(abs(float(centre)), 1e-30):
            return Lane(float(centre), max(abs(float(centre)), 1.0))
        return Lane(float(low + high) / 2, _round_up(1.2 * spread))

    def _zigzag(
        self, first: int, step: int, low: np.ndarray, high: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        at = first + step * np.arange(len(low))
        times = np.empty(2 * len(low))
        times[0::2] = at
        times[1::2] = np.minimum(at + step / 2, self.samples - 1)
        values = np.empty(2 * len(low), np.float32)
        values[0::2] = low
        values[1::2] = high
        return self.offset_s + times / self.rate_hz, values

    def _read_blocks(self, first: int, last: int, should_stop: Callable[[], bool]) -> None:
        """Make sure that the extremes of blocks `first` to `last` are known."""
        blocks = -(-self.samples // BLOCK)
        if self._known is None:
            self._low = np.full(blocks, np.nan, np.float32)
            self._high = np.full(blocks, np.nan, np.float32)
            self._known = np.zeros(-(-blocks // CHUNK_BLOCKS), bool)
        assert self._low is not None
        assert self._high is not None
        for chunk in range(first // CHUNK_BLOCKS, -(-last // CHUNK_BLOCKS)):
            if self._known[chunk]:
                continue
            if should_stop():
                raise Cancelled
            a = chunk * CHUNK_BLOCKS
            b = min(a + CHUNK_BLOCKS, blocks)
            values = self._file.read(self._channel, a * BLOCK, min(b * BLOCK, self.samples))
            self._low[a:b], self._high[a:b] = _extremes(values, BLOCK)
            self._known[chunk] = True


def recording_envelopes(recording: Recording) -> tuple[ChannelEnvelope, ...]:
    """Every channel of a recording in the order of its files; named by source where several."""
    several = len(recording.sources) > 1
    return tuple(
        ChannelEnvelope(
            source.file,
            k,
            f"{source.name}: {channel.label}" if several else channel.label,
            source.offset_s,
        )
        for source in recording.sources
        for k, channel in enumerate(source.file.channels)
        if channel.samples > 0 and channel.rate_hz > 0
    )


def _extremes(values: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest of every `step` values; the last may have fewer. NaN counts only
    where there is nothing else."""
    starts = np.arange(0, len(values), step)
    return np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(m * power for m in (1, 2, 5, 10) if m * power >= value * (1 - 1e-9)))
