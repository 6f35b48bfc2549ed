"""What to draw of a channel: its samples, or their smallest and largest per pixel column.

Peaks are never lost, at any zoom. Zoomed out, columns come from a pyramid: the extremes of every
8, 64, 512 … samples. It is built in the background, and can be used while it is half built.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from core.montage import DisplayChannel, display_channels, montage_for
from core.progress import Cancelled, RunContext
from core.recording import Recording

if TYPE_CHECKING:
    from core.envelope_cache import EnvelopeCache

FACTOR = 8
"""Samples, or bins of the level below, whose extremes become one bin."""
LEVELS = 6
CHUNK = FACTOR**LEVELS
"""Samples that are built at a time: 1 MB of float32, one bin of the highest level."""
FEWEST_BINS = 4
"""A column of a level is made of at least so many bins: its edges are off by an eighth at most."""
FEWEST_BINS_FILTERED = 2
"""The same where samples have to be filtered first, and bins come cheaper."""
SAMPLES_PER_COLUMN = 2
"""With fewer samples than this in a column, the samples themselves are drawn."""
LARGE_READ = 4096
"""Samples from which on a read tells what samples cost, rather than asking for them."""
TOGETHER = 4
"""Channels that are built side by side, which is what has to fit into memory."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Lane:
    """The range of a channel that is drawn from the bottom of its lane to the top, in its unit."""

    centre: float
    height: float


@dataclass(frozen=True, eq=False)
class Pyramid:
    """Smallest and largest values per bin; levels[k]: float32 (2, bins of 8 ** (k + 1) samples)."""

    levels: tuple[np.ndarray, ...]

    @staticmethod
    def bins(samples: int) -> tuple[int, ...]:
        """Bins of each level of a channel with so many samples; the last bin may hold fewer."""
        return tuple(-(-samples // FACTOR ** (k + 1)) for k in range(LEVELS))

    @classmethod
    def empty(cls, samples: int) -> Pyramid:
        """A pyramid to be built. It takes memory where it is written, and gives back all of it."""
        size = 8 * sum(cls.bins(samples))
        return cls.cut(np.frombuffer(mmap.mmap(-1, max(size, 1)), np.float32, size // 4), samples)

    @classmethod
    def cut(cls, values: np.ndarray, samples: int) -> Pyramid:
        """The pyramid whose levels lie one behind the other in `values`, float32."""
        levels = []
        place = 0
        for count in cls.bins(samples):
            levels.append(values[place : place + 2 * count].reshape(2, count))
            place += 2 * count
        return cls(tuple(levels))


@dataclass(frozen=True)
class Columns:
    """Smallest and largest value of every column of a stretch; float32 (columns,).

    NaN where nothing was recorded. Column k holds the samples edges[k] to edges[k + 1] (int64,
    columns + 1). `pending`: bool (columns,), columns that are not built yet and NaN for that;
    None where there are none.
    """

    low: np.ndarray
    high: np.ndarray
    edges: np.ndarray
    pending: np.ndarray | None = None


class ChannelEnvelope:
    """A channel to be drawn. One thread builds while another one draws.

    All times are in seconds from the recording's start.
    """

    def __init__(self, channel: DisplayChannel) -> None:
        self.channel = channel
        self.rate_hz = channel.rate_hz
        self.samples = channel.samples
        self.offset_s = channel.offset_s
        self.chunks = -(-self.samples // CHUNK)
        self.built = np.zeros(self.chunks, bool)
        self._asking_s: float | None = None  # what a small read takes
        self._sample_s = 0.0  # and each sample of a large one
        self._fewest = FEWEST_BINS if channel.filter is None else FEWEST_BINS_FILTERED
        self._pyramid = Pyramid.empty(self.samples)
        self._held: tuple[int, np.ndarray] = (0, np.empty(0, np.float32))

    @property
    def name(self) -> str:
        return self.channel.name

    @property
    def unit(self) -> str:
        return self.channel.unit

    @property
    def is_built(self) -> bool:
        return bool(self.built.all())

    # -- looking

    def shows_samples(self, start_s: float, end_s: float, columns: int) -> bool:
        """Whether so few samples fall on a column that they are drawn themselves."""
        return (end_s - start_s) * self.rate_hz <= SAMPLES_PER_COLUMN * max(columns, 1)

    def samples_to_read(self, start_s: float, end_s: float, columns: int) -> int:
        """Samples that `points` or `columns` would have to read, with those a filter needs.

        0 where they come from the pyramid, or have been read ahead.
        """
        first, stop = self._range(start_s, end_s)
        if stop <= first or self._level((end_s - start_s) * self.rate_hz / max(columns, 1)):
            return 0
        held, values = self._held
        if held <= first and stop <= held + len(values):
            return 0
        return stop - first + 2 * self.channel.margin

    def cost_s(self, start_s: float, end_s: float, columns: int) -> float:
        """How long `points` or `columns` should take to read, going by the reads before; infinite
        before the first."""
        if self._asking_s is None:
            return float("inf")
        count = self.samples_to_read(start_s, end_s, columns)
        return self._asking_s + self._sample_s * count if count else 0.0

    def read_ahead(self, start_s: float, end_s: float) -> None:
        """Read a stretch and keep it until another one is read ahead."""
        first, stop = self._range(start_s, end_s)
        self._held = (first, self._timed_read(first, stop))

    def points(self, start_s: float, end_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Every sample of a stretch and one more on each side: times float64, values float32."""
        first, stop = self._range(start_s, end_s)
        values = self._read(first, stop)
        return self.offset_s + np.arange(first, stop) / self.rate_hz, values

    def columns(self, edges_s: np.ndarray) -> Columns:
        """Extremes of the columns between edges, float64 (columns + 1,), rising.

        A column has the samples from its left edge up to its right one. Where columns come from
        the pyramid their edges are moved to whole bins, by an eighth of a column at most (a
        quarter where the channel is filtered): neighbours move together, so that no sample is
        lost.
        """
        positions = (edges_s - self.offset_s) * self.rate_hz
        edges = np.ceil(np.clip(positions, 0, self.samples) - 1e-6).astype(np.int64)
        width = (positions[-1] - positions[0]) / (len(edges_s) - 1)
        level = self._level(width)
        first, stop = int(edges[0]), int(edges[-1])
        if level == 0:
            values = self._read(first, stop)
            low, high = _extremes(values, values, edges - first)
            return Columns(low, high, edges)
        size = FACTOR**level
        places = np.minimum((edges + size // 2) // size, -(-self.samples // size))
        places[edges == self.samples] = -(-self.samples // size)
        edges = np.minimum(places * size, self.samples)
        pending = self._pending(edges)  # before the bins: another thread may put in whole ones
        bins = self._pyramid.levels[level - 1]
        a, b = int(places[0]), int(places[-1])
        low, high = _extremes(bins[0, a:b], bins[1, a:b], places - a)
        if pending is not None:
            low[pending] = high[pending] = np.nan
        return Columns(low, high, edges, pending)

    def line(
        self,
        start_s: float,
        end_s: float,
        columns: int,
        should_stop: Callable[[], bool] = _never,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Points of a line from `start_s` to `end_s`: times float64 and values float32.

        With few samples the points are the samples; with many there are two points for each of
        `columns` columns, the smallest and the largest. NaN breaks the line where nothing was
        recorded. What is not built is built first. Raises Cancelled when `should_stop` says so.
        """
        columns = max(1, columns)
        if self.shows_samples(start_s, end_s, columns):
            return self.points(start_s, end_s)
        if self._level((end_s - start_s) * self.rate_hz / columns):
            first, stop = self._range(start_s, end_s)
            for chunk in range(first // CHUNK, min(-(-stop // CHUNK), self.chunks)):
                if should_stop():
                    raise Cancelled
                self.build(chunk)
        edges_s = np.linspace(start_s, end_s, columns + 1)
        return self.zigzag(self.columns(edges_s))

    def zigzag(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        """Columns as points of a line; columns without any sample, as outside the file, left
        out."""
        there = columns.edges[1:] > columns.edges[:-1]
        first, stop = columns.edges[:-1][there], columns.edges[1:][there]
        times = np.empty(2 * len(first))
        times[0::2] = first
        times[1::2] = (first + stop - 1) / 2
        values = np.empty(2 * len(first), np.float32)
        values[0::2] = columns.low[there]
        values[1::2] = columns.high[there]
        return self.offset_s + times / self.rate_hz, values

    def value_at(self, time_s: float) -> float:
        """The sample nearest to a time; NaN where there is none."""
        number = int(np.floor((time_s - self.offset_s) * self.rate_hz + 0.5))
        if not 0 <= number < self.samples:
            return float("nan")
        return float(self._read(number, number + 1)[0])

    def lane(self, should_stop: Callable[[], bool] = _never) -> Lane:
        """A range that shows what is usual in this channel, from a few stretches of it."""
        length = int(min(self.samples, max(64, 8 * self.rate_hz)))
        starts = np.linspace(0, self.samples - length, 9).astype(int)
        parts = []
        for start in np.unique(starts):
            if should_stop():
                raise Cancelled
            parts.append(self._timed_read(int(start), int(start) + length))
        values = np.concatenate(parts) if parts else np.empty(0, np.float32)
        values = values[np.isfinite(values)]
        if not len(values):
            return Lane(0.0, 1.0)
        low, centre, high = np.percentile(values.astype(np.float64), [0.5, 50, 99.5])
        spread = float(high - low)
        if spread <= 1e-6 * max(abs(float(centre)), 1e-30):
            return Lane(float(centre), max(abs(float(centre)), 1.0))
        return Lane(float(low + high) / 2, _round_up(1.2 * spread))

    # -- building

    def build(self, chunk: int) -> None:
        """Work out the bins over one chunk of samples, if that has not been done."""
        if self.built[chunk]:
            return
        start = chunk * CHUNK
        values = self.channel.read(start, min(start + CHUNK, self.samples))
        low = high = values
        for k, bins in enumerate(self._pyramid.levels):
            low, high = _eighths(low, np.fmin), _eighths(high, np.fmax)
            place = start // FACTOR ** (k + 1)
            bins[0, place : place + len(low)] = low
            bins[1, place : place + len(high)] = high
        self.built[chunk] = True  # last: another thread may be drawing

    def chunks_of(self, start_s: float, end_s: float) -> range:
        """The chunks that hold a stretch."""
        first, stop = self._range(start_s, end_s)
        return range(first // CHUNK, max(-(-stop // CHUNK), first // CHUNK))

    @property
    def pyramid(self) -> Pyramid | None:
        """The whole pyramid; None while it is not built."""
        return self._pyramid if self.is_built else None

    def take_pyramid(self, pyramid: Pyramid) -> None:
        """Draw from a pyramid that was built before. It must be of the same channel."""
        self._pyramid = pyramid
        self.built[:] = True

    # -- reading

    def _level(self, per_column: float) -> int:
        """The level of the pyramid for columns of so many samples; 0: the samples themselves."""
        level = 0
        while level < LEVELS and self._fewest * FACTOR ** (level + 1) <= per_column:
            level += 1
        return level

    def _range(self, start_s: float, end_s: float) -> tuple[int, int]:
        """The samples of a stretch, and one more on each side."""
        first = int(np.floor((start_s - self.offset_s) * self.rate_hz))
        stop = int(np.ceil((end_s - self.offset_s) * self.rate_hz)) + 1
        first = min(max(first, 0), self.samples)
        return first, min(max(stop, first), self.samples)

    def _read(self, first: int, stop: int) -> np.ndarray:
        held, values = self._held
        if held <= first and stop <= held + len(values):
            return values[first - held : stop - held]
        return self._timed_read(first, stop)

    def _timed_read(self, first: int, stop: int) -> np.ndarray:
        if stop <= first:
            return np.empty(0, np.float32)
        began = time.perf_counter()
        values = self.channel.read(first, stop)
        took = time.perf_counter() - began
        count = stop - first + 2 * self.channel.margin
        if self._asking_s is None:
            self._asking_s = took
        elif count < LARGE_READ:
            self._asking_s = (self._asking_s + took) / 2
        else:
            # One slow read is soon forgotten: the file may just have been fetched from the disk.
            self._asking_s = min(self._asking_s, took)
            self._sample_s = (self._sample_s + (took - self._asking_s) / count) / 2
        return values

    def _pending(self, edges: np.ndarray) -> np.ndarray | None:
        first, last = int(edges[0]) // CHUNK, -(-int(edges[-1]) // CHUNK)
        if self.built[first:last].all():
            return None
        missing = np.concatenate(([0], np.cumsum(~self.built)))
        pending: np.ndarray = missing[-(-edges[1:] // CHUNK)] > missing[edges[:-1] // CHUNK]
        return pending & (edges[1:] > edges[:-1])


def envelopes_of(channels: Sequence[DisplayChannel]) -> tuple[ChannelEnvelope, ...]:
    """An envelope for each channel."""
    return tuple(ChannelEnvelope(channel) for channel in channels)


def recording_envelopes(recording: Recording) -> tuple[ChannelEnvelope, ...]:
    """Every channel of a recording in the order of its files; named by source where several."""
    return envelopes_of(display_channels(montage_for(recording), recording))


# ---------------------------------------------------------------- building all


class Focus(Protocol):
    """What is looked at now: the channels, and the stretch in seconds. Asked by the builder."""

    def __call__(self) -> tuple[Sequence[ChannelEnvelope], float, float]: ...


def build_envelopes(
    envelopes: Sequence[ChannelEnvelope],
    context: RunContext,
    focus: Focus | None = None,
    cache: EnvelopeCache | None = None,
) -> None:
    """Build the pyramids of all channels, first what is looked at, chunk by chunk.

    With a cache, pyramids come from there where they fit, and are put there when they are whole,
    after which they lie in memory no longer. Raises Cancelled when asked to stop; what is built
    stays, and another call goes on with the rest.
    """
    keys: dict[int, str | None] = {}
    total = sum(envelope.chunks for envelope in envelopes)

    def report() -> None:
        done = sum(int(envelope.built.sum()) for envelope in envelopes)
        context.step("envelope", done, total)

    def keep(envelope: ChannelEnvelope) -> None:
        key = keys.get(id(envelope))
        if cache is not None and envelope.pyramid is not None and key is not None:
            stored = cache.store(key, envelope.pyramid)
            if stored is not None:
                envelope.take_pyramid(stored)

    def build(envelope: ChannelEnvelope, chunk: int) -> None:
        envelope.build(chunk)
        if envelope.is_built:
            keep(envelope)
        report()

    def look_closer() -> None:
        """Build what is looked at; that may change meanwhile."""
        while focus is not None:
            shown, start_s, end_s = focus()
            wanted = [
                (chunk, envelope)
                for envelope in shown
                for chunk in envelope.chunks_of(start_s, end_s)
                if not envelope.built[chunk]
            ]
            if not wanted:
                return
            # All channels of a stretch before the next stretch: they lie together in the file.
            chunk, envelope = min(wanted, key=lambda entry: entry[0])
            build(envelope, chunk)

    for envelope in envelopes:
        if cache is not None and not envelope.is_built:
            keys[id(envelope)] = key = cache.key(envelope.channel)
            pyramid = None if key is None else cache.load(key, envelope.samples)
            if pyramid is not None:
                envelope.take_pyramid(pyramid)
        report()
    for group in _groups(envelopes):
        for chunk in range(max(envelope.chunks for envelope in group)):
            for envelope in group:
                look_closer()
                if chunk < envelope.chunks and not envelope.built[chunk]:
                    build(envelope, chunk)


def _groups(envelopes: Sequence[ChannelEnvelope]) -> list[list[ChannelEnvelope]]:
    """Channels to be built side by side: a few, or all that have their average subtracted."""
    groups: dict[object, list[ChannelEnvelope]] = {}
    plain = 0
    for envelope in envelopes:
        key: object = id(envelope.channel.average)
        if envelope.channel.average is None:
            key = ("plain", plain // TOGETHER)
            plain += 1
        groups.setdefault(key, []).append(envelope)
    return list(groups.values())


# ---------------------------------------------------------------- arithmetic


def _extremes(
    low: np.ndarray, high: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Smallest of `low` and largest of `high` between each two edges. NaN where there is nothing,
    or nothing but NaN."""
    count = len(edges) - 1
    smallest = np.full(count, np.nan, np.float32)
    largest = np.full(count, np.nan, np.float32)
    there = edges[1:] > edges[:-1]
    starts = edges[:-1][there]  # the next start is where a column ends: nothing lies between
    if len(starts):
        smallest[there] = np.fmin.reduceat(low[: edges[-1]], starts)
        largest[there] = np.fmax.reduceat(high[: edges[-1]], starts)
    return smallest, largest


def _eighths(values: np.ndarray, smaller: np.ufunc) -> np.ndarray:
    """Of every 8 values the smallest or largest; the last may have fewer. NaN counts only where
    there is nothing else."""
    whole = len(values) // FACTOR * FACTOR
    table = values[:whole].reshape(-1, FACTOR)
    # Column by column, which is eight times as fast as row by row.
    result: np.ndarray = smaller(table[:, 0], table[:, 1])
    for k in range(2, FACTOR):
        smaller(result, table[:, k], out=result)
    if whole < len(values):
        result = np.append(result, smaller.reduce(values[whole:]))
    return result


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(m * power for m in (1, 2, 5, 10) if m * power >= value * (1 - 1e-9)))
