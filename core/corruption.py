"""A recording as it would be with a sensor that fails: signals made worse before anything else.

A corrupted recording reads from the same files; its samples are changed as they are read, before
filters, windows and the search for missing signals. What comes out of that is therefore what
the failure would have done. Every read of a stretch gives the same samples, however reading is cut.
"""

# core.modalities and core.filters bring scipy along, which takes a second to load; the window
# offers corruptions before it needs either.
from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from core.errors import ConfigError, DataError
from core.recording import Channel, Finding, Recording, SignalFile

if TYPE_CHECKING:
    from core.filters import TracePlan
    from core.modalities import ModalityScheme

CorruptionKind = Literal["flat", "noise", "pink", "hum", "clip", "gaps", "swap"]
WHOLE = float("inf")
"""End of a stretch that goes on to the end of the recording."""

BLOCK = 1 << 15
"""Samples that noise is made of at a time."""
PINK_TAPS = 1 << 12
"""Pink noise falls with frequency down to the rate over this; below, it is white."""
MEASURED_AT_ONCE = 1 << 20
QUANTILE_SAMPLES = 1 << 22
"""Quantiles are taken of about so many samples of a channel, evenly spread."""
KEPT_BLOCKS = 4


@dataclass(frozen=True)
class Strength:
    """What the strength of a kind of corruption is: its unit, usual value and limits."""

    unit: Literal["dB", "share"]
    usual: float
    least: float
    most: float


STRENGTHS: Mapping[CorruptionKind, Strength | None] = {
    "flat": None,
    "noise": Strength("dB", 0.0, -40.0, 60.0),
    "pink": Strength("dB", 0.0, -40.0, 60.0),
    "hum": Strength("dB", 0.0, -40.0, 60.0),
    "clip": Strength("share", 0.2, 0.001, 0.99),
    "gaps": Strength("share", 0.2, 0.001, 1.0),
    "swap": None,
}
"""By kind; None where a corruption has no strength. A share is one of samples, or of time."""

_WORDS: Mapping[CorruptionKind, str] = {
    "flat": "flat line",
    "noise": "white noise",
    "pink": "pink noise",
    "hum": "mains hum",
    "clip": "clipping",
    "gaps": "gaps",
    "swap": "swapped channels",
}


@dataclass(frozen=True)
class Corruption:
    """One failure of some modalities in a stretch of time.

    Attributes
    ----------
    kind: `flat` holds the first value; `noise` (white), `pink` and `hum` are added; `clip` cuts
        off what is beyond limits; `gaps` takes samples away; `swap` exchanges the first two
        channels of one modality, or the channels of two modalities one by one.
    modalities: names.
    strength: of noise and hum the ratio of the channel's power to theirs, in dB; of `clip` the
        share of a channel's samples that lie beyond the limits; of `gaps` the share of time.
    start_s, end_s: in seconds from the recording's start.
    seed: of noise, of the hum's phase, and of where gaps lie.
    gap_s: length of each gap. hum_hz: frequency of the mains.

    The power of a channel is that about its mean, in the whole recording, before any filter. What
    is added or exchanged stays within the limits of the device. Of a difference of two electrodes
    the first one fails. Raises ConfigError for values that make no sense.
    """

    kind: CorruptionKind
    modalities: tuple[str, ...]
    strength: float = 0.0
    start_s: float = 0.0
    end_s: float = WHOLE
    seed: int = 0
    gap_s: float = 1.0
    hum_hz: float = 50.0

    def __post_init__(self) -> None:
        if self.kind not in STRENGTHS:
            raise ConfigError(f"There is no corruption '{self.kind}'.")
        if not self.modalities:
            raise ConfigError("Choose at least one modality to corrupt.")
        if not self.start_s < self.end_s:
            raise ConfigError("The stretch to corrupt must end after it starts.")
        limits = STRENGTHS[self.kind]
        if limits is not None and not limits.least <= self.strength <= limits.most:
            raise ConfigError(
                f"The strength of {_WORDS[self.kind]} is between {limits.least:g} and "
                f"{limits.most:g}, not {self.strength:g}."
            )
        if self.kind == "gaps" and not 0 < self.gap_s < WHOLE:
            raise ConfigError("Gaps need a length in seconds above 0.")
        if self.kind == "hum" and not 0 < self.hum_hz < WHOLE:
            raise ConfigError("Hum needs a frequency above 0 Hz.")
        if self.kind == "swap" and len(self.modalities) > 2:
            raise ConfigError("Channels of two modalities at most can be exchanged.")
        if self.seed < 0:
            raise ConfigError("The seed is a whole number from 0.")

    @property
    def words(self) -> str:
        """What it is, for people: `white noise at 5 dB on acc`."""
        limits = STRENGTHS[self.kind]
        amount = ""
        if limits is not None and limits.unit == "dB":
            amount = f" at {self.strength:g} dB"
        elif limits is not None:
            amount = f" of {100 * self.strength:g} %"
        extra = {"hum": f" of {self.hum_hz:g} Hz", "gaps": f", {self.gap_s:g} s each"}
        text = f"{_WORDS[self.kind]}{amount}{extra.get(self.kind, '')}"
        text += f" on {', '.join(self.modalities)}"
        if self.start_s > 0 or self.end_s < WHOLE:
            end = "the end" if self.end_s == WHOLE else f"{self.end_s:g} s"
            text += f", {self.start_s:g} s to {end}"
        return text


# ---------------------------------------------------------------- recordings


def corrupted(
    recording: Recording,
    scheme: ModalityScheme,
    corruptions: Sequence[Corruption],
    measures: Measures | None = None,
) -> Recording:
    """The recording with these failures, one after the other.

    `measures` of the same recording spare measuring it again for another corruption. Channels that
    nothing fails of read as before. Raises DataError where a corruption cannot be made.
    """
    measures = measures if measures is not None else Measures(recording)
    channels = _channels_by_modality(scheme, recording)
    files = [source.file for source in recording.sources]
    findings = []
    for corruption in corruptions:
        finding = Finding("note", "corruption", f"Made worse on purpose: {corruption.words}.")
        effects = _effects(corruption, recording, tuple(files), channels, measures)
        for place, by_channel in effects.items():
            files[place] = CorruptedFile(files[place], by_channel, finding)
        findings.append(finding)
    sources = tuple(
        replace(source, file=file) for source, file in zip(recording.sources, files, strict=True)
    )
    return replace(recording, sources=sources, findings=(*recording.findings, *findings))


def reached(
    scheme: ModalityScheme, recording: Recording, corruptions: Sequence[Corruption]
) -> tuple[tuple[str, ...], ...]:
    """For each corruption, the modalities that read a channel which fails, in scheme order.

    More than those named where another modality subtracts such a channel.
    """
    from core.modalities import resolve

    channels = _channels_by_modality(scheme, recording)
    places = {id(source): place for place, source in enumerate(recording.sources)}
    reads = {
        modality.name: {
            (places[id(trace.source)], trace.channel)
            for channel in modality.channels
            for trace in channel.traces
        }
        for modality in resolve(scheme, recording).modalities
    }
    result = []
    for corruption in corruptions:
        failing = {spot for name in corruption.modalities for spot in channels.get(name, ())}
        if corruption.kind == "swap":
            failing = {spot for pair in _pairs(corruption, channels) for spot in pair}
        result.append(tuple(name for name in scheme.names if reads[name] & failing))
    return tuple(result)


Spot = tuple[int, int]
"""A channel of a recording: place of its source, number in the file."""


def _channels_by_modality(
    scheme: ModalityScheme, recording: Recording
) -> dict[str, tuple[Spot, ...]]:
    """The channels that each modality is made of; of differences the first electrode."""
    from core.modalities import resolve

    places = {id(source): place for place, source in enumerate(recording.sources)}
    return {
        modality.name: tuple(
            dict.fromkeys(
                (places[id(channel.traces[0].source)], channel.traces[0].channel)
                for channel in modality.channels
                if channel.traces
            )
        )
        for modality in resolve(scheme, recording).modalities
    }


def _pairs(
    corruption: Corruption, channels: Mapping[str, Sequence[Spot]]
) -> tuple[tuple[Spot, Spot], ...]:
    """The channels that a swap exchanges."""
    found = [channels.get(name, ()) for name in corruption.modalities]
    if len(found) == 1:
        return ((found[0][0], found[0][1]),) if len(found[0]) > 1 else ()
    shared = set(found[0]) & set(found[1])
    return tuple(
        (one, other)
        for one, other in zip(found[0], found[1], strict=False)
        if one not in shared and other not in shared
    )


class CorruptedFile(SignalFile):
    """A file some of whose channels are changed as they are read."""

    def __init__(
        self, file: SignalFile, effects: Mapping[int, Effect], finding: Finding | None = None
    ) -> None:
        self._file = file
        self._effects = dict(effects)
        self.path = file.path
        self.format = file.format
        self.start_s = file.start_s
        self.has_clock = file.has_clock
        self.duration_s = file.duration_s
        self.channels = file.channels
        self.gaps = file.gaps
        self.annotations = file.annotations
        self.findings = file.findings if finding is None else (*file.findings, finding)

    def read(self, channel: int, start: int, stop: int) -> np.ndarray:
        values = self._file.read(channel, start, stop)
        effect = self._effects.get(channel)
        if effect is None:
            return values
        low, high = max(start, effect.first), min(stop, effect.last)
        if low < high:
            values = values.copy()  # it may be a view of the file
            part = slice(low - start, high - start)
            values[part] = effect.change(values[part], low)
        return values

    def texts(self, column: str) -> tuple[np.ndarray, list[str]]:
        return self._file.texts(column)


# ---------------------------------------------------------------- what is known of the channels


class Measures:
    """Power and limits of a recording's channels as recorded, each measured once, when asked for.

    Safe from several threads.
    """

    def __init__(self, recording: Recording) -> None:
        self._files = tuple(source.file for source in recording.sources)
        self._lock = threading.Lock()
        self._power: dict[Spot, float] = {}
        self._limits: dict[tuple[Spot, float], tuple[float, float]] = {}

    def power(self, spot: Spot) -> float:
        """Mean square about the mean, in the channel's unit squared; 0 where nothing is there."""
        with self._lock:
            if spot not in self._power:
                self._power[spot] = _power(self._blocks(spot))
            return self._power[spot]

    def limits(self, spot: Spot, share: float) -> tuple[float, float]:
        """What a share of the samples lies beyond, half of it on each side."""
        with self._lock:
            key = (spot, share)
            if key not in self._limits:
                step = max(1, self._samples(spot) // QUANTILE_SAMPLES)
                kept = np.concatenate([np.empty(0), *(part[::step] for part in self._blocks(spot))])
                kept = kept[np.isfinite(kept)]
                low, high = (0.0, 0.0)
                if len(kept):
                    low, high = np.quantile(kept, [share / 2, 1 - share / 2])
                self._limits[key] = (float(low), float(high))
            return self._limits[key]

    def _samples(self, spot: Spot) -> int:
        return self._files[spot[0]].channels[spot[1]].samples

    def _blocks(self, spot: Spot) -> Iterator[np.ndarray]:
        file, samples = self._files[spot[0]], self._samples(spot)
        for start in range(0, samples, MEASURED_AT_ONCE):
            yield file.read(spot[1], start, min(start + MEASURED_AT_ONCE, samples))


def _power(blocks: Iterator[np.ndarray]) -> float:
    count, near, total, squares = 0, None, 0.0, 0.0
    for block in blocks:
        values = block[np.isfinite(block)].astype(np.float64)
        if not len(values):
            continue
        if near is None:
            near = float(values.mean())  # sums about it keep their digits
        values -= near
        count += len(values)
        total += float(values.sum())
        squares += float(values @ values)
    return max(0.0, squares / count - (total / count) ** 2) if count else 0.0


# ---------------------------------------------------------------- effects on one channel


class Effect:
    """What happens to the samples `first` to `last` of a channel."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last

    def change(self, values: np.ndarray, start: int) -> np.ndarray:
        """New values for samples from number `start` on; within `first` and `last`.

        What was missing stays missing. The result for a sample does not depend on which others
        are asked with it.
        """
        raise NotImplementedError


class _Flat(Effect):
    """Holds the first value that was recorded in the stretch."""

    def __init__(self, first: int, last: int, read: Callable[[int, int], np.ndarray]) -> None:
        super().__init__(first, last)
        self._read = read
        self._lock = threading.Lock()
        self._value: float | None = None

    def change(self, values: np.ndarray, start: int) -> np.ndarray:
        return np.where(np.isnan(values), values, np.float32(self._held()))

    def _held(self) -> float:
        with self._lock:
            if self._value is None:
                self._value = 0.0
                for low in range(self.first, self.last, MEASURED_AT_ONCE):
                    part = self._read(low, min(low + MEASURED_AT_ONCE, self.last))
                    there = np.flatnonzero(~np.isnan(part))
                    if len(there):
                        self._value = float(part[there[0]])
                        break
            return self._value


class _Added(Effect):
    """Adds a signal of unit power, times a gain, within what the device can record."""

    def __init__(
        self,
        first: int,
        last: int,
        channel: Channel,
        signal: Callable[[int, int], np.ndarray],
        gain: Callable[[], float],
    ) -> None:
        super().__init__(first, last)
        self._channel = channel
        self._signal = signal
        self._gain = gain

    def change(self, values: np.ndarray, start: int) -> np.ndarray:
        added = self._signal(start, start + len(values)) * self._gain()
        return _within((values + added).astype(np.float32), self._channel)


class _Clipped(Effect):
    def __init__(self, first: int, last: int, limits: Callable[[], tuple[float, float]]) -> None:
        super().__init__(first, last)
        self._limits = limits

    def change(self, values: np.ndarray, start: int) -> np.ndarray:
        low, high = self._limits()
        return np.clip(values, np.float32(low), np.float32(high))


class _Gaps(Effect):
    """One gap of fixed length at a random place of every cell of time, the same in all channels."""

    def __init__(
        self, first: int, last: int, corruption: Corruption, rate_hz: float, offset_s: float
    ) -> None:
        super().__init__(first, last)
        self._corruption = corruption
        self._rate_hz, self._offset_s = rate_hz, offset_s

    def change(self, values: np.ndarray, start: int) -> np.ndarray:
        what = self._corruption
        cell_s = what.gap_s / what.strength
        since = np.arange(start, start + len(values)) / self._rate_hz
        since = since + (self._offset_s - what.start_s)
        cell = np.floor(since / cell_s).astype(np.int64)
        numbers, inverse = np.unique(cell, return_inverse=True)
        begins = np.array([_place(what.seed, int(number)) for number in numbers])
        begin = begins[inverse] * (cell_s - what.gap_s)
        inside = since - cell * cell_s
        lost = (inside >= begin) & (inside < begin + what.gap_s)
        if what.strength >= 1.0:
            lost[:] = True
        return np.where(lost, np.float32(np.nan), values)


@lru_cache(maxsize=1 << 16)
def _place(seed: int, cell: int) -> float:
    """Where in its cell a gap lies, 0 to 1."""
    return float(np.random.default_rng([seed, max(cell, 0), 1]).random())


class _Exchanged(Effect):
    """Another channel in place of this one, brought onto its grid and into its unit."""

    def __init__(
        self,
        first: int,
        last: int,
        channel: Channel,
        plan: TracePlan,
        read: Callable[[int, int], np.ndarray],
        factors: tuple[float, float],
    ) -> None:
        super().__init__(first, last)
        self._channel = channel
        self._plan = plan
        self._read = read
        self._factors = factors
        # Resampling adds up in another order for another stretch: always the same ones.
        self._blocks = None if plan.copies else _Blocks(self._resampled)

    def change(self, values: np.ndarray, start: int) -> np.ndarray:
        stop = start + len(values)
        if self._blocks is None:
            begin = self._plan.input_index(start)
            other = self._read(begin, begin + len(values))
        else:
            other = self._blocks.read(start, stop)
        scale, shift = self._factors
        if (scale, shift) != (1.0, 0.0):
            other = other * np.float32(scale) + np.float32(shift)
        return _within(other, self._channel)

    def _resampled(self, block: int) -> np.ndarray:
        start, stop = block * BLOCK, (block + 1) * BLOCK
        first = self._plan.input_index(start) - self._plan.margin
        values = self._read(first, self._plan.input_index(stop) + self._plan.margin + 1)
        return self._plan.apply(values, first, start, stop)


def _within(values: np.ndarray, channel: Channel) -> np.ndarray:
    """What the device records of these values."""
    if channel.minimum is None or channel.maximum is None:
        return values
    low, high = sorted((channel.minimum, channel.maximum))
    return np.clip(values, np.float32(low), np.float32(high))


# ---------------------------------------------------------------- signals by place


class _Blocks:
    """A signal made block by block; a few blocks are kept. Safe from several threads."""

    def __init__(self, make: Callable[[int], np.ndarray]) -> None:
        self._make = make
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, start: int, stop: int) -> np.ndarray:
        """Samples from `start` to `stop`, of blocks of `BLOCK` samples from number 0 on."""
        parts = [np.empty(0, np.float32)]
        for block in range(start // BLOCK, -(-stop // BLOCK)):
            begin = block * BLOCK
            parts.append(self._block(block)[max(start - begin, 0) : stop - begin])
        return np.concatenate(parts)

    def _block(self, block: int) -> np.ndarray:
        with self._lock:
            if block in self._kept:
                self._kept.move_to_end(block)
                return self._kept[block]
        made = self._make(block)
        with self._lock:
            self._kept[block] = made
            while len(self._kept) > KEPT_BLOCKS:
                self._kept.popitem(last=False)
        return made


def _white(seed: int, spot: Spot, block: int) -> np.ndarray:
    """White noise of power 1, float32 (BLOCK,), for a block from -1 on."""
    rng = np.random.default_rng([seed, *spot, block + 1, 2])
    return rng.standard_normal(BLOCK, dtype=np.float32)


def _pink(seed: int, spot: Spot, block: int) -> np.ndarray:
    """Noise of power 1 that falls by 3 dB an octave: white noise, filtered."""
    before = _white(seed, spot, block - 1)[1 - PINK_TAPS :]
    values = np.concatenate([before, _white(seed, spot, block)])
    size = 2 * BLOCK
    whole = np.fft.irfft(np.fft.rfft(values, size) * _pink_response(size), size)
    return whole[PINK_TAPS - 1 : PINK_TAPS - 1 + BLOCK].astype(np.float32)


@lru_cache(maxsize=2)
def _pink_response(size: int) -> np.ndarray:
    """Spectrum of the taps, padded to `size`; the sum of their squares is 1."""
    frequency = np.maximum(np.arange(PINK_TAPS // 2 + 1), 1)
    taps = np.fft.fftshift(np.fft.irfft(1 / np.sqrt(frequency), PINK_TAPS))
    taps *= np.hanning(PINK_TAPS)
    return np.fft.rfft(taps / np.sqrt(np.sum(taps**2)), size)


def _hum(seed: int, hum_hz: float, rate_hz: float, offset_s: float) -> Callable[..., np.ndarray]:
    phase = 2 * np.pi * float(np.random.default_rng([seed, 3]).random())

    def signal(start: int, stop: int) -> np.ndarray:
        time_s = np.arange(start, stop) / rate_hz + offset_s
        return np.sqrt(2.0) * np.sin(2 * np.pi * hum_hz * time_s + phase)

    return signal


# ---------------------------------------------------------------- making effects


def _effects(
    corruption: Corruption,
    recording: Recording,
    files: tuple[SignalFile, ...],
    channels: Mapping[str, Sequence[Spot]],
    measures: Measures,
) -> dict[int, dict[int, Effect]]:
    """Effects by place of the source and number of the channel. `files`: as they are so far."""
    for name in corruption.modalities:
        if not channels.get(name):
            raise DataError(f"{recording.id} has no channel of {name} to corrupt.")
    result: dict[int, dict[int, Effect]] = {}
    if corruption.kind == "swap":
        for one, other in _checked_pairs(corruption, channels):
            for spot, source in ((one, other), (other, one)):
                effect = _exchanged(corruption, recording, files, spot, source)
                result.setdefault(spot[0], {})[spot[1]] = effect
        return result
    slow = []
    for name in corruption.modalities:
        for spot in channels[name]:
            channel = files[spot[0]].channels[spot[1]]
            if corruption.kind == "hum" and channel.rate_hz <= 2 * corruption.hum_hz:
                slow.append(name)
                continue
            made = _effect(corruption, recording, files, spot, measures)
            result.setdefault(spot[0], {})[spot[1]] = made
    if not result:
        raise DataError(
            f"Hum of {corruption.hum_hz:g} Hz cannot be in {', '.join(dict.fromkeys(slow))}, which "
            f"was recorded at no more than twice that rate."
        )
    return result


def _span(
    corruption: Corruption, recording: Recording, files: tuple[SignalFile, ...], spot: Spot
) -> tuple[int, int]:
    """First and past-the-last sample of the stretch in a channel."""
    channel = files[spot[0]].channels[spot[1]]
    offset_s = recording.sources[spot[0]].offset_s
    edges = np.array([corruption.start_s, corruption.end_s]) - offset_s
    samples = np.clip(edges * channel.rate_hz, 0, channel.samples)
    first, last = np.ceil(samples - 1e-6).astype(int).tolist()
    return first, last


def _effect(
    corruption: Corruption,
    recording: Recording,
    files: tuple[SignalFile, ...],
    spot: Spot,
    measures: Measures,
) -> Effect:
    place, number = spot
    channel, offset_s = files[place].channels[number], recording.sources[place].offset_s
    first, last = _span(corruption, recording, files, spot)
    seed = corruption.seed
    if corruption.kind == "flat":
        return _Flat(first, last, lambda low, high: files[place].read(number, low, high))
    if corruption.kind == "clip":
        return _Clipped(first, last, lambda: measures.limits(spot, corruption.strength))
    if corruption.kind == "gaps":
        return _Gaps(first, last, corruption, channel.rate_hz, offset_s)
    if corruption.kind == "hum":
        signal = _hum(seed, corruption.hum_hz, channel.rate_hz, offset_s)
    else:
        make = _white if corruption.kind == "noise" else _pink
        signal = _Blocks(lambda block: make(seed, spot, block)).read

    def gain() -> float:
        return float(np.sqrt(measures.power(spot) / 10 ** (corruption.strength / 10)))

    return _Added(first, last, channel, signal, gain)


def _checked_pairs(
    corruption: Corruption, channels: Mapping[str, Sequence[Spot]]
) -> tuple[tuple[Spot, Spot], ...]:
    pairs = _pairs(corruption, channels)
    if not pairs:
        names = " and ".join(corruption.modalities)
        if len(corruption.modalities) == 1:
            raise DataError(
                f"{names} has one channel only: choose a second modality to exchange it with."
            )
        raise DataError(f"{names} are made of the same channels: there is nothing to exchange.")
    return pairs


def _exchanged(
    corruption: Corruption,
    recording: Recording,
    files: tuple[SignalFile, ...],
    spot: Spot,
    other: Spot,
) -> Effect:
    from core.filters import TracePlan
    from core.modalities import convert

    own, its = (files[s[0]].channels[s[1]] for s in (spot, other))
    try:
        factors = convert(its.unit, own.unit)
    except ValueError:
        raise DataError(
            f"{own.label.strip()} in {own.unit.strip()} and {its.label.strip()} in "
            f"{its.unit.strip()} measure different things and cannot be exchanged."
        ) from None
    sources = recording.sources
    shift_s = sources[other[0]].offset_s - sources[spot[0]].offset_s
    return _Exchanged(
        *_span(corruption, recording, files, spot),
        own,
        TracePlan(its.rate_hz, own.rate_hz, shift_s, None),
        lambda low, high: files[other[0]].read(other[1], low, high),
        factors or (1.0, 0.0),
    )
