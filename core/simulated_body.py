"""The sleeper behind a simulated night: stages, what drives the signals, and the signals.

A textbook sleeper, not a physiological model. Everything is small and made at once for the whole
night (`Night`), except the samples, which `signal_blocks` makes a few minutes at a time. Noise is
filtered with states that are carried on; events and rhythms are functions of absolute time; so no
border between two blocks shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

EPOCH_S = 30
BLOCK_S = 300
STAGES = ("W", "N1", "N2", "N3", "R")
W, N1, N2, N3, R = range(5)
UNSCORED = -1

Kind = Literal["eeg", "eog", "emg", "ecg", "resp"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Unit and largest absolute value, the physical limits in the file.
RANGES: dict[Kind, tuple[str, float]] = {
    "eeg": ("uV", 500.0),
    "eog": ("uV", 1000.0),
    "emg": ("uV", 500.0),
    "ecg": ("mV", 5.0),
    "resp": ("V", 5.0),
}


@dataclass(frozen=True)
class SimulatedChannel:
    """One channel of the file. `kind` chooses what is simulated; `rate_hz` is a whole number."""

    label: str
    kind: Kind
    rate_hz: int


@dataclass(frozen=True)
class Dropout:
    """A stretch in which all channels of one kind carry nothing: constant, or at the limit."""

    kind: Kind
    start_s: float
    end_s: float
    form: Literal["flat", "saturated"]


@dataclass(frozen=True)
class Person:
    """What differs between two seeds; frequencies in Hz, amplitudes relative to the textbook."""

    eeg_gain: float
    delta_gain: float
    alpha_hz: float
    alpha_gain: float
    spindle_hz: float
    spindle_gain: float
    eye_gain: float
    muscle_gain: float
    atonia: float
    heart_hz: float
    heart_swing: float
    ecg_gain: float
    breath_hz: float
    mains_uv: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Person:
        def factor(spread: float) -> float:
            return float(np.exp(rng.normal(0.0, spread)))

        return cls(
            eeg_gain=factor(0.15),
            delta_gain=factor(0.2),
            alpha_hz=float(np.clip(rng.normal(9.8, 0.8), 8.2, 11.8)),
            alpha_gain=factor(0.3),
            spindle_hz=float(np.clip(rng.normal(13.3, 0.6), 12.0, 14.8)),
            spindle_gain=factor(0.3),
            eye_gain=factor(0.2),
            muscle_gain=factor(0.35),
            atonia=float(rng.uniform(0.15, 0.45)),
            heart_hz=float(rng.uniform(48, 72)) / 60,
            heart_swing=float(rng.uniform(0.02, 0.08)),
            ecg_gain=factor(0.25),
            breath_hz=float(rng.uniform(11.5, 17.5)) / 60,
            mains_uv=float(rng.uniform(0.2, 2.0)),
        )


# ---------------------------------------------------------------------------- stage sequence


def stage_sequence(epochs: int, rng: np.random.Generator) -> np.ndarray:
    """Sleep stages of a night, one index into `STAGES` per 30 s epoch, int64 of shape (epochs,).

    A semi-Markov walk through cycles of about 90 minutes: N3 fades from cycle to cycle, REM grows,
    short awakenings and brief returns to lighter stages lie in between. Recordings under 3 hours
    get shorter cycles, two of them, so that every stage has a chance to occur.
    """
    cycle_min = min(90.0, epochs * EPOCH_S / 60 / 2)
    scale = cycle_min / 90.0

    def stretch(minutes: float, spread: float = 0.35) -> int:
        """A dwell time in epochs, log-normal around `minutes` of a 90-minute cycle."""
        return max(1, round(minutes * scale * float(np.exp(rng.normal(0, spread))) * 60 / EPOCH_S))

    walk: list[tuple[int, int]] = [(W, stretch(10, 0.5)), (N1, stretch(4))]
    cycle = 0
    while sum(length for _, length in walk) < epochs:
        deep_min = (32, 20, 10, 4, 1)[min(cycle, 4)]
        rem_min = (8, 16, 22, 28, 32)[min(cycle, 4)]
        walk.append((N2, stretch(14)))
        if rng.random() < min(1.0, deep_min / 6):
            walk.append((N3, stretch(deep_min)))
        walk.append((N2, stretch(20 if cycle < 2 else 34)))
        if rng.random() < 0.35:
            walk += [(W, stretch(1.5, 0.8)), (N1, stretch(2)), (N2, stretch(5))]
        walk.append((R, stretch(rem_min)))
        if rng.random() < 0.6:
            walk.append((W, stretch(2, 1.0)))
        walk.append((N1, stretch(2.5)))
        cycle += 1
    stages = np.concatenate([np.full(length, stage) for stage, length in walk])[:epochs]
    return _interrupted(stages, rng)


def _interrupted(stages: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Single epochs of a neighbouring stage inside the stretches, as arousals make them."""
    neighbours = {N1: (W, N2), N2: (N1, N3), N3: (N2, N2), R: (N1, N2), W: (N1, N1)}
    result = stages.copy()
    interrupted = rng.random(len(stages)) < 0.06
    interrupted[0] = False  # a night begins awake
    for epoch in np.flatnonzero(interrupted):
        result[epoch] = neighbours[int(stages[epoch])][int(rng.random() < 0.4)]
    return result


# ------------------------------------------------------------------- what drives the signals

# Standard deviations in µV of the band-limited parts of the EEG, by stage W, N1, N2, N3, R.
_BANDS: dict[str, tuple[tuple[float, float], tuple[float, float, float, float, float]]] = {
    "slow": ((0.4, 1.6), (4.0, 6.0, 13.0, 36.0, 6.0)),
    "delta": ((1.6, 4.0), (4.0, 6.5, 9.0, 17.0, 6.0)),
    "theta": ((4.0, 7.5), (4.0, 7.5, 6.5, 6.0, 7.0)),
    "alpha": ((-1.0, 1.0), (11.0, 3.5, 2.5, 1.5, 3.0)),  # around the person's own frequency
    "sigma": ((11.5, 15.5), (2.0, 2.0, 3.0, 2.5, 1.8)),
    "beta": ((16.0, 32.0), (5.0, 3.2, 2.2, 1.5, 3.0)),
}

# How strongly a part shows over a region, by the first letter of the electrode.
_TOPOGRAPHY = {
    "F": {"slow": 1.25, "delta": 1.1, "alpha": 0.6, "sigma": 0.9, "eyes": 0.25},
    "C": {"slow": 1.0, "delta": 1.0, "alpha": 0.8, "sigma": 1.1, "eyes": 0.06},
    "P": {"slow": 0.85, "delta": 0.9, "alpha": 1.2, "sigma": 1.0, "eyes": 0.03},
    "O": {"slow": 0.65, "delta": 0.8, "alpha": 1.6, "sigma": 0.6, "eyes": 0.02},
}


def _region(label: str) -> dict[str, float]:
    name = label.removeprefix("EEG ").strip()
    return _TOPOGRAPHY.get(name[:1].upper(), _TOPOGRAPHY["C"])


@dataclass(frozen=True)
class _Events:
    """Short happenings: onset and duration in s, amplitude, and one more figure (a frequency)."""

    onset_s: np.ndarray
    duration_s: np.ndarray
    amplitude: np.ndarray
    extra: np.ndarray

    def add_to(
        self,
        signal: np.ndarray,
        start_s: float,
        rate_hz: int,
        shape: Callable[[np.ndarray, float], np.ndarray],
    ) -> None:
        """Add every event that touches the block. `shape(u, extra_times_duration)` for u in 0..1.

        Events are functions of absolute time, so they go on unbroken over block borders.
        """
        end_s = start_s + len(signal) / rate_hz
        touched = (self.onset_s < end_s) & (self.onset_s + self.duration_s > start_s)
        for k in np.flatnonzero(touched):
            onset, duration = self.onset_s[k], self.duration_s[k]
            first = max(0, int(np.ceil((onset - start_s) * rate_hz)))
            last = min(len(signal), int(np.floor((onset + duration - start_s) * rate_hz)) + 1)
            if first >= last:
                continue
            u = (np.arange(first, last) / rate_hz + (start_s - onset)) / duration
            wave = shape(u, self.extra[k] * duration)
            signal[first:last] += self.amplitude[k] * wave


def _spindle_shape(u: np.ndarray, cycles: float) -> np.ndarray:
    return np.sin(np.pi * u) ** 2 * np.sin(2 * np.pi * cycles * u)


def _k_complex_shape(u: np.ndarray, _: float) -> np.ndarray:
    # A sharp negative wave followed by a slower positive one.
    return -np.exp(-(((u - 0.3) / 0.1) ** 2)) + 0.6 * np.exp(-(((u - 0.62) / 0.17) ** 2))


def _burst_shape(u: np.ndarray, cycles: float) -> np.ndarray:
    del cycles
    return np.sin(np.pi * np.clip(u, 0, 1)) ** 0.5


def _jump_shape(u: np.ndarray, _: float) -> np.ndarray:
    # A saccade: quick deflection, then the amplifier's high-pass lets it decay.
    return (1 - np.exp(-u / 0.03)) * np.exp(-u / 0.35) * (1 - np.clip(u, 0, 1)) ** 0.5


def _roll_shape(u: np.ndarray, cycles: float) -> np.ndarray:
    return np.sin(np.pi * u) * np.sin(2 * np.pi * cycles * u)


def _blink_shape(u: np.ndarray, _: float) -> np.ndarray:
    return np.sin(np.pi * np.clip(u, 0, 1)) ** 2


class Night:
    """Everything about one night that is small: stages, slow gains, events, beats, breaths.

    `seeds` decides all of it; `artefacts` adds body movements, `dropout_share` lost stretches.
    """

    def __init__(
        self, epochs: int, seeds: np.random.SeedSequence, artefacts: bool, dropout_share: float
    ) -> None:
        # One generator per part: a change in one leaves the others as they were.
        names = ("person", "stages", "gains", "events", "heart", "breath", "dropouts", "movement")
        rngs = dict(zip(names, map(np.random.default_rng, seeds.spawn(len(names))), strict=True))
        self.seconds = epochs * EPOCH_S
        self.person = Person.drawn(rngs["person"])
        self.stages = stage_sequence(epochs, rngs["stages"])
        self.movements = self._movements(rngs["movement"], artefacts)
        self.gains = self._slow_gains(rngs["gains"])
        self.events = self._all_events(rngs["events"])
        self.breath = self._breath(rngs["breath"])
        self.beats_s = self._beats(rngs["heart"])
        self.dropouts = self._dropouts(rngs["dropouts"], dropout_share)

    def by_second(self, per_stage: Sequence[float]) -> np.ndarray:
        """A figure per stage as a smooth course over the night, (seconds + 1,)."""
        steps = np.repeat(np.asarray(per_stage, float)[self.stages], EPOCH_S)
        steps = np.append(steps, steps[-1])
        # Stages drift into one another over some seconds; only the scorer sees hard borders.
        width = 29
        padded = np.concatenate([np.full(width // 2, steps[0]), steps])
        padded = np.concatenate([padded, np.full(width // 2, steps[-1])])
        kernel = np.hanning(width + 2)[1:-1]
        return np.convolve(padded, kernel / kernel.sum(), mode="valid")

    def _wander(self, rng: np.random.Generator, spread: float, memory_s: float) -> np.ndarray:
        """A log-normal factor that wanders slowly around 1, (seconds + 1,)."""
        keep = float(np.exp(-1 / memory_s))
        noise = rng.normal(size=self.seconds + 1) * np.sqrt(1 - keep**2)
        noise[0] = rng.normal()
        walk = lfilter([1.0], [1.0, -keep], noise)
        return np.exp(spread * walk - spread**2 / 2)

    def _slow_gains(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        person = self.person
        gains = {}
        for name, (_, levels) in _BANDS.items():
            own = {
                "slow": person.delta_gain,
                "delta": person.delta_gain,
                "alpha": person.alpha_gain,
            }
            wander = self._wander(rng, 0.4, 15.0) * self._wander(rng, 0.35, 240.0)
            gains[name] = self.by_second(levels) * wander * own.get(name, 1.0) * person.eeg_gain
        # Alpha of relaxed wakefulness comes and goes with the eyes closing.
        closed = self._wander(rng, 0.7, 40.0)
        gains["alpha"] = gains["alpha"] * closed / closed.mean()
        tone = self.by_second((14.0, 8.0, 5.5, 4.5, 5.0 * person.atonia))
        gains["muscle"] = tone * self._wander(rng, 0.45, 90.0) * person.muscle_gain
        return gains

    def _times(
        self, rng: np.random.Generator, per_minute: Sequence[float], clustering: float = 0.0
    ) -> np.ndarray:
        """Onsets in s of events with a rate per stage; clustered ones come in bouts."""
        rate = np.asarray(per_minute, float)[self.stages] / 60
        chance = np.repeat(rate, EPOCH_S)
        if clustering > 0:
            factor = self._wander(rng, clustering, 15.0)[:-1]
            chance = chance * factor
        seconds = np.flatnonzero(rng.random(len(chance)) < np.minimum(chance, 0.9))
        return seconds + rng.random(len(seconds))

    def _movements(self, rng: np.random.Generator, artefacts: bool) -> _Events:
        onset = self._times(rng, (0.5, 0.3, 0.08, 0.03, 0.12)) if artefacts else np.empty(0)
        count = len(onset)
        return _Events(
            onset, rng.uniform(3, 14, count), np.exp(rng.normal(0, 0.5, count)), np.ones(count)
        )

    def _all_events(self, rng: np.random.Generator) -> dict[str, _Events]:
        person = self.person

        def made(
            onset: np.ndarray, length: tuple[float, float], size: float, spread: float, extra: float
        ) -> _Events:
            count = len(onset)
            return _Events(
                onset,
                rng.uniform(*length, count),
                size * np.exp(rng.normal(0, spread, count)),
                extra * np.exp(rng.normal(0, 0.04, count)),
            )

        def with_signs(events: _Events) -> _Events:
            signs = rng.choice([-1.0, 1.0], len(events.onset_s))
            return _Events(
                events.onset_s, events.duration_s, events.amplitude * signs, events.extra
            )

        spindle_uv = 22 * person.spindle_gain * person.eeg_gain
        spindles = self._times(rng, (0, 0.3, 4.5, 1.2, 0.1), 0.6)
        complexes = self._times(rng, (0, 0.1, 1.4, 0.4, 0.02))
        saccades = self._times(rng, (5.0, 0.6, 0.1, 0.0, 14.0), 1.1)
        rolls = self._times(rng, (1.2, 7.0, 0.4, 0.0, 0.4))
        blinks = self._times(rng, (11.0, 0.6, 0.0, 0.0, 0.2), 0.7)
        twitches = self._times(rng, (0.5, 0.4, 0.2, 0.1, 4.0), 0.8)
        return {
            "spindle": made(spindles, (0.5, 1.6), spindle_uv, 0.3, person.spindle_hz),
            "k_complex": made(complexes, (0.9, 1.4), 75 * person.eeg_gain, 0.3, 1.0),
            "saccade": with_signs(made(saccades, (0.6, 1.5), 95 * person.eye_gain, 0.5, 1.0)),
            "roll": made(rolls, (3.0, 8.0), 60 * person.eye_gain, 0.4, 0.3),
            "blink": made(blinks, (0.2, 0.4), 150 * person.eye_gain, 0.3, 1.0),
            "twitch": made(twitches, (0.1, 0.8), 10 * person.muscle_gain, 0.6, 1.0),
        }

    def _breath(self, rng: np.random.Generator) -> np.ndarray:
        """Phase of the breath in cycles, and its depth, at 4 Hz: (2, 4 * seconds + 1)."""
        person = self.person
        rate = person.breath_hz * self.by_second((1.08, 1.02, 1.0, 0.97, 1.06))
        irregular = self.by_second((0.16, 0.09, 0.05, 0.02, 0.2))
        walk = np.log(self._wander(rng, 1.0, 5.0)) + 0.5
        rate = rate * np.exp(irregular * walk)
        depth = self.by_second((1.1, 0.95, 0.9, 0.9, 0.75)) * np.exp(
            irregular * (np.log(self._wander(rng, 1.0, 8.0)) + 0.5) * 2
        )
        quarter = np.arange(4 * self.seconds + 1) / 4
        whole = np.arange(self.seconds + 1)
        phase = np.cumsum(np.interp(quarter, whole, rate)) / 4
        return np.stack([phase, np.interp(quarter, whole, depth)])

    def _beats(self, rng: np.random.Generator) -> np.ndarray:
        """Times of the R waves in s, from before the start to after the end."""
        person = self.person
        rate = person.heart_hz * self.by_second((1.18, 1.06, 0.97, 0.94, 1.05))
        swing = person.heart_swing * self.by_second((0.6, 0.9, 1.1, 1.4, 0.5))
        slow = self.by_second((0.05, 0.03, 0.022, 0.01, 0.055))
        drift = np.log(self._wander(rng, 1.0, 9.0)) + 0.5
        quarter = np.arange(4 * self.seconds + 1) / 4
        whole = np.arange(self.seconds + 1)
        # The heart quickens while breathing in.
        course = np.interp(quarter, whole, rate * np.exp(slow * drift)) * (
            1 + np.interp(quarter, whole, swing) * np.sin(2 * np.pi * self.breath[0])
        )
        for onset, size in zip(self.movements.onset_s, self.movements.amplitude, strict=True):
            course *= 1 + 0.12 * size * np.exp(-(((quarter - onset - 6) / 8) ** 2))
        phase = np.concatenate([[0.0], np.cumsum(course[:-1]) / 4])
        times = np.interp(np.arange(1, int(phase[-1]) + 1), phase, quarter)
        times = times + rng.normal(0, 0.004, len(times))
        period = 1 / person.heart_hz
        return np.concatenate([[times[0] - period], times, times[-1] + period * np.arange(1, 4)])

    def _dropouts(self, rng: np.random.Generator, share: float) -> tuple[Dropout, ...]:
        """Stretches without signal for each kind, together about `share` of the night."""
        found: list[Dropout] = []
        for kind in KINDS:
            lost_s = 0.0
            while lost_s < share * self.seconds:
                wanted = float(rng.uniform(120, 1200))
                length = min(wanted, share * self.seconds, self.seconds)
                start = float(rng.uniform(0, self.seconds - length))
                form: Literal["flat", "saturated"] = "flat" if rng.random() < 0.7 else "saturated"
                found.append(Dropout(kind, round(start, 2), round(start + length, 2), form))
                lost_s += length
        return tuple(sorted(found, key=lambda dropout: (dropout.start_s, dropout.kind)))


# -------------------------------------------------------------------------------- the signals


class _Filter:
    """A filter whose state is carried from block to block, scaled to unit output variance."""

    def __init__(self, sos: np.ndarray) -> None:
        self._sos = sos
        self._state = np.zeros((len(sos), 2))
        impulse = np.zeros(1 << 15)
        impulse[0] = 1.0
        self._scale = 1 / np.sqrt(np.sum(sosfilt(sos, impulse) ** 2))

    @classmethod
    def band(cls, low_hz: float, high_hz: float, rate_hz: int) -> _Filter:
        return cls(
            butter(2, (low_hz, min(high_hz, 0.45 * rate_hz)), "bandpass", fs=rate_hz, output="sos")
        )

    @classmethod
    def pink(cls, rate_hz: int) -> _Filter:
        """Roughly 1/f from 0.3 Hz up: three real poles and zeros, an octave and a half apart."""
        corners = np.array([0.3, 2.4, 19.2])
        poles = np.exp(-2 * np.pi * corners / rate_hz)
        zeros = np.exp(-2 * np.pi * np.minimum(corners * 2.83, 0.45 * rate_hz) / rate_hz)
        ones, none = np.ones(3), np.zeros(3)
        return cls(np.stack([ones, -zeros, none, ones, -poles, none], axis=1))

    def __call__(self, white: np.ndarray) -> np.ndarray:
        filtered, self._state = sosfilt(self._sos, white, zi=self._state)
        return filtered * self._scale


class _Course:
    """Samples times of one block at one rate, and the night's slow gains at them."""

    def __init__(self, night: Night, start_s: int, seconds: int, rate_hz: int) -> None:
        self.night = night
        self.start_s = start_s
        self.rate_hz = rate_hz
        self.count = seconds * rate_hz
        self.times = start_s + np.arange(self.count) / rate_hz
        self._whole = np.arange(start_s, start_s + seconds + 1)

    def at(self, by_second: np.ndarray) -> np.ndarray:
        first = self.start_s
        return np.interp(self.times, self._whole, by_second[first : first + len(self._whole)])

    def add(
        self,
        signal: np.ndarray,
        name: str,
        shape: Callable[[np.ndarray, float], np.ndarray],
    ) -> None:
        self.night.events[name].add_to(signal, self.start_s, self.rate_hz, shape)

    def movement(self) -> np.ndarray:
        bursts = np.zeros(self.count)
        self.night.movements.add_to(bursts, self.start_s, self.rate_hz, _burst_shape)
        return bursts


class _Brain:
    """The parts of the EEG that all electrodes share, at one rate; made once per block."""

    def __init__(self, night: Night, rate_hz: int, seed: np.random.SeedSequence) -> None:
        alpha = night.person.alpha_hz
        self._rngs = {}
        self._filters = {}
        for (name, ((low, high), _)), part in zip(
            _BANDS.items(), seed.spawn(len(_BANDS)), strict=True
        ):
            if name == "alpha":
                low, high = alpha - 1.0, alpha + 1.0
            if low < 0.4 * rate_hz:
                self._rngs[name] = np.random.default_rng(part)
                self._filters[name] = _Filter.band(low, high, rate_hz)

    def parts(self, course: _Course) -> dict[str, np.ndarray]:
        """Band-limited signals in µV, each of shape (samples of the block,)."""
        gains = course.night.gains
        parts = {
            name: filtered(self._rngs[name].standard_normal(course.count)) * course.at(gains[name])
            for name, filtered in self._filters.items()
        }
        events = np.zeros(course.count)
        course.add(events, "spindle", _spindle_shape)
        parts["spindle"] = events
        events = np.zeros(course.count)
        course.add(events, "k_complex", _k_complex_shape)
        parts["k_complex"] = events
        return parts


def _eyes(course: _Course) -> tuple[np.ndarray, np.ndarray]:
    """Sideways and up-and-down potentials of the eyes in µV at their source."""
    sideways = np.zeros(course.count)
    course.add(sideways, "saccade", _jump_shape)
    course.add(sideways, "roll", _roll_shape)
    upwards = np.zeros(course.count)
    course.add(upwards, "blink", _blink_shape)
    return sideways, upwards


# Waves of a heart beat: position relative to the R wave in s, width in s, height in mV.
_BEAT = ((-0.17, 0.022, 0.12), (-0.026, 0.008, -0.12), (0.0, 0.010, 1.1), (0.028, 0.009, -0.22))
_BEAT_T = (0.27, 0.045, 0.28)


def _heart(course: _Course) -> np.ndarray:
    """ECG of a block in mV, without noise."""
    beats = course.night.beats_s
    after = np.searchsorted(beats, course.times)
    since = course.times - beats[np.clip(after - 1, 0, len(beats) - 1)]
    until = course.times - beats[np.clip(after, 0, len(beats) - 1)]
    grid = np.arange(-400, 801) / 1000.0  # s around an R wave
    template = sum(
        height * np.exp(-0.5 * ((grid - place) / width) ** 2)
        for place, width, height in (*_BEAT, _BEAT_T)
    )
    beat = np.interp(since, grid, template, right=0.0) + np.interp(until, grid, template, left=0.0)
    return beat * course.night.person.ecg_gain


class _ChannelSignal:
    """Makes one channel block by block. Its noise comes from its own generator."""

    def __init__(
        self, channel: SimulatedChannel, index: int, night: Night, seed: np.random.SeedSequence
    ) -> None:
        self.channel = channel
        self._index = index
        self._night = night
        self._rng = np.random.default_rng(seed)
        rate_hz = channel.rate_hz
        self._pink = _Filter.pink(rate_hz)
        self._muscle = _Filter.band(min(20.0, 0.2 * rate_hz), 90.0, rate_hz)
        # Electrodes differ in place and contact.
        self._weights = {name: float(np.exp(self._rng.normal(0, 0.1))) for name in _BANDS}
        self._ecg_leak = float(self._rng.uniform(0, 3))
        self._phase = float(self._rng.uniform(0, 2 * np.pi))

    def block(self, course: _Course, brain: dict[str, np.ndarray]) -> np.ndarray:
        """Samples of the block in the channel's unit, float64 of shape (samples,)."""
        make = {
            "eeg": self._eeg,
            "eog": self._eog,
            "emg": self._emg,
            "ecg": self._ecg,
            "resp": self._resp,
        }[self.channel.kind]
        signal = make(course, brain)
        self._drop(signal, course)
        return signal

    def _white(self, course: _Course) -> np.ndarray:
        return self._rng.standard_normal(course.count)

    def _mains(self, course: _Course) -> np.ndarray:
        if course.rate_hz <= 100:
            return np.zeros(course.count)
        return self._night.person.mains_uv * np.sin(2 * np.pi * 50 * course.times + self._phase)

    def _eeg(self, course: _Course, brain: dict[str, np.ndarray]) -> np.ndarray:
        person, region = self._night.person, _region(self.channel.label)
        signal = 5.0 * person.eeg_gain * self._pink(self._white(course))
        for name in _BANDS:
            if name in brain:
                signal += brain[name] * (region.get(name, 1.0) * self._weights[name])
        signal += brain["spindle"] * region["sigma"] + brain["k_complex"] * region["slow"]
        sideways, upwards = _eyes(course)
        side = 1.0 if self._index % 2 else -1.0
        signal += region["eyes"] * (upwards + 0.4 * side * sideways)
        signal += self._ecg_leak * _heart(course)
        bursts = course.movement()
        muscle = self._muscle(self._white(course))
        signal += muscle * (0.06 * course.at(self._night.gains["muscle"]) + 25 * bursts)
        signal += 60 * bursts * self._slow_sway(course)
        return signal + self._mains(course)

    def _eog(self, course: _Course, brain: dict[str, np.ndarray]) -> np.ndarray:
        # Both channels lie against the opposite mastoid: eye movements show in opposite
        # directions, slow waves of the frontal brain in the same.
        side = 1.0 if self._index % 2 else -1.0
        sideways, upwards = _eyes(course)
        signal = side * sideways + 0.5 * upwards
        for name in ("slow", "delta", "theta", "alpha"):
            if name in brain:
                signal += 0.5 * brain[name]
        signal += 0.5 * brain["k_complex"]
        signal += 6.0 * self._pink(self._white(course))
        bursts = course.movement()
        signal += bursts * (20 * self._muscle(self._white(course)) + 90 * self._slow_sway(course))
        return signal + self._mains(course)

    def _emg(self, course: _Course, brain: dict[str, np.ndarray]) -> np.ndarray:
        del brain
        twitches = np.zeros(course.count)
        course.add(twitches, "twitch", _burst_shape)
        level = course.at(self._night.gains["muscle"]) + twitches + 45 * course.movement()
        signal = level * self._muscle(self._white(course)) + 0.8 * self._white(course)
        signal += 0.5 * self._ecg_leak * _heart(course)
        return signal + self._mains(course)

    def _ecg(self, course: _Course, brain: dict[str, np.ndarray]) -> np.ndarray:
        del brain
        signal = _heart(course) + 0.02 * self._pink(self._white(course))
        signal += 0.25 * course.movement() * self._slow_sway(course)
        return signal + 0.002 * self._mains(course)

    def _resp(self, course: _Course, brain: dict[str, np.ndarray]) -> np.ndarray:
        del brain
        quarter = np.arange(self._night.breath.shape[1]) / 4
        phase = np.interp(course.times, quarter, self._night.breath[0])
        depth = np.interp(course.times, quarter, self._night.breath[1])
        turn = 2 * np.pi * phase - 0.15 * self._index
        # Breathing out takes longer than breathing in.
        signal = depth * self._weights["slow"] * (np.sin(turn) + 0.22 * np.sin(2 * turn + 0.6))
        signal += 0.05 * self._pink(self._white(course))
        return signal + 0.9 * course.movement() * self._slow_sway(course)

    def _slow_sway(self, course: _Course) -> np.ndarray:
        """The electrode is pulled about: a few slow sines, a function of time alone."""
        times = course.times + 100 * self._phase
        return np.sin(2 * np.pi * 0.41 * times) + 0.6 * np.sin(2 * np.pi * 1.13 * times)

    def _drop(self, signal: np.ndarray, course: _Course) -> None:
        for dropout in self._night.dropouts:
            if dropout.kind == self.channel.kind:
                inside = (course.times >= dropout.start_s) & (course.times < dropout.end_s)
                limit = 2 * RANGES[self.channel.kind][1]  # clipped to the limit when written
                signal[inside] = 0.0 if dropout.form == "flat" else limit


def signal_blocks(
    night: Night, channels: Sequence[SimulatedChannel], seeds: np.random.SeedSequence
) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Start in s and the signals of every channel, block after block."""
    brain_seed, *channel_seeds = seeds.spawn(1 + len(channels))
    of_kind = dict.fromkeys(KINDS, 0)
    makers = []
    for channel, seed in zip(channels, channel_seeds, strict=True):
        makers.append(_ChannelSignal(channel, of_kind[channel.kind], night, seed))
        of_kind[channel.kind] += 1
    needing = {c.rate_hz for c in channels if c.kind in ("eeg", "eog")}
    # Rates get their brains in a fixed order, so that the same channels give the same file.
    brains = {
        rate: _Brain(night, rate, seed)
        for rate, seed in zip(sorted(needing), brain_seed.spawn(len(needing)), strict=True)
    }
    for start_s in range(0, night.seconds, BLOCK_S):
        seconds = min(BLOCK_S, night.seconds - start_s)
        courses = {c.rate_hz: _Course(night, start_s, seconds, c.rate_hz) for c in channels}
        parts = {rate: brain.parts(courses[rate]) for rate, brain in brains.items()}
        yield (
            start_s,
            [
                maker.block(courses[maker.channel.rate_hz], parts.get(maker.channel.rate_hz, {}))
                for maker in makers
            ],
        )
