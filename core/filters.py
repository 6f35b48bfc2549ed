"""Zero-phase filtering and resampling of a stretch of one channel.

Every filter here is a finite, symmetric, centred FIR, so a sample of the result depends on a known
number of neighbours only. Reading that many more on both sides (`TracePlan.margin`) makes the
result the same wherever reading was cut. Missing samples stay missing: a filter works inside the
stretches between them, and at an end of such a stretch the last value is taken to go on.

Windows of the sinc are Kaiser's (J. F. Kaiser, 1974), as in any textbook of signal processing.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from core.config import FilterConfig
from core.errors import DataError

STOPBAND_DB = 60.0
"""What is left of a frequency in the stop band, below the pass band."""
NOTCH_WIDTH_HZ = 2.0
"""Width of the band that a notch takes out, at half amplitude."""
RESAMPLING_ZEROS = 16
"""Zero crossings of the resampling sinc on each side."""
RESAMPLING_CUTOFF = 0.45
"""Half-amplitude frequency of the resampling filter over the lower of the two rates."""
MAX_DENOMINATOR = 4096
"""Rates whose ratio needs larger numbers than this are resampled point by point."""


def design(config: FilterConfig, rate_hz: float) -> np.ndarray | None:
    """Taps of the whole filter at a rate, float64, odd length, symmetric; None for no filter.

    An edge is the frequency of half amplitude. The transition at the lower edge is as wide as the
    edge's frequency, at the upper edge a quarter of it or up to the Nyquist frequency. An upper
    edge or a notch at or above the Nyquist frequency changes nothing and is left out; a lower edge
    there would leave nothing, and raises DataError.
    """
    return _design(config.low_hz, config.high_hz, config.notch_hz, rate_hz)


@lru_cache(maxsize=256)
def _design(
    low_hz: float | None, high_hz: float | None, notch_hz: float | None, rate_hz: float
) -> np.ndarray | None:
    nyquist = rate_hz / 2
    taps = None
    if low_hz is not None:
        if low_hz >= nyquist:
            raise DataError(
                f"A filter from {low_hz:g} Hz leaves nothing of a channel recorded at "
                f"{rate_hz:g} Hz; lower filter.low_hz."
            )
        taps = _join(taps, _all_but(_lowpass(low_hz, low_hz, rate_hz)))
    if high_hz is not None and high_hz < nyquist:
        width = min(high_hz / 4, 2 * (nyquist - high_hz))
        taps = _join(taps, _lowpass(high_hz, width, rate_hz))
    if notch_hz is not None and notch_hz < nyquist:
        half = min(NOTCH_WIDTH_HZ / 2, notch_hz / 2, (nyquist - notch_hz) / 2)
        upper = _lowpass(notch_hz + half, half, rate_hz)
        lower = _lowpass(notch_hz - half, half, rate_hz)
        taps = _join(taps, _all_but(upper - lower))
    if taps is not None:
        taps.setflags(write=False)
    return taps


def _lowpass(cutoff_hz: float, width_hz: float, rate_hz: float) -> np.ndarray:
    from scipy import signal  # takes most of a second to load

    count, beta = signal.kaiserord(STOPBAND_DB, width_hz / (rate_hz / 2))
    half = count // 2 + 1
    taps: np.ndarray = signal.firwin(
        2 * half + 1, cutoff_hz, window=("kaiser", beta), fs=rate_hz, scale=True
    )
    return taps


def _all_but(taps: np.ndarray) -> np.ndarray:
    rest = -taps
    rest[len(taps) // 2] += 1.0
    return rest


def _join(first: np.ndarray | None, second: np.ndarray) -> np.ndarray:
    return second if first is None else np.convolve(first, second)


@dataclass(frozen=True)
class TracePlan:
    """How a channel at `rate_in` that starts at `offset_s` comes onto the grid k / `rate_out`.

    Attributes
    ----------
    rate_in, rate_out: in Hz.
    offset_s: time of the channel's sample 0; output sample k is at k / rate_out.
    taps: of the filter at `rate_in`, or None.
    """

    rate_in: float
    rate_out: float
    offset_s: float
    taps: np.ndarray | None

    @property
    def resamples(self) -> bool:
        """Whether rates differ; if not, each output sample is the nearest input sample."""
        return abs(self.rate_in - self.rate_out) > 1e-9 * self.rate_out

    @property
    def copies(self) -> bool:
        """Whether the output is just the input, shifted by whole samples."""
        return self.taps is None and not self.resamples

    @property
    def margin(self) -> int:
        """Input samples that a result depends on, on each side."""
        taps = 0 if self.taps is None else len(self.taps) // 2
        return taps + (self._reach + 1 if self.resamples else 0)

    @property
    def _reach(self) -> int:
        return int(np.ceil(RESAMPLING_ZEROS * max(1.0, self.rate_in / self.rate_out)))

    @property
    def _cutoff(self) -> float:
        """Half-amplitude frequency over half the input rate."""
        return 2 * RESAMPLING_CUTOFF * min(1.0, self.rate_out / self.rate_in)

    def input_index(self, output: int) -> int:
        """The input sample nearest to an output sample; rises with `output`."""
        position = (output / self.rate_out - self.offset_s) * self.rate_in
        return int(np.floor(position + 0.5 + 1e-6))

    def apply(self, values: np.ndarray, first: int, start: int, stop: int) -> np.ndarray:
        """Output samples `start` to `stop`, float32, shape (stop - start,).

        `values` are input samples from number `first` on and must reach `margin` beyond the
        samples nearest to the first and last output sample. NaN marks missing samples; an output
        sample is NaN where its nearest input sample is.
        """
        if self.copies:
            begin = self.input_index(start) - first
            return values[begin : begin + stop - start].astype(np.float32, copy=False)
        output = np.full(stop - start, np.nan, np.float32)
        if stop <= start:
            return output
        pad = self.margin
        if not self.resamples:
            begin = self.input_index(start) - first
            end = begin + stop - start
            for a, b in _runs(~np.isnan(values)):
                low, high = max(a, begin), min(b, end)
                if low < high:
                    piece = _held(values, a, b, low - pad, high + pad)
                    output[low - begin : high - begin] = _convolve(piece, self.taps)
            return output
        positions = (np.arange(start, stop) / self.rate_out - self.offset_s) * self.rate_in - first
        nearest = np.floor(positions + 0.5 + 1e-6).astype(np.int64)
        reach = self._reach + 1
        for a, b in _runs(~np.isnan(values)):
            low, high = np.searchsorted(nearest, (a, b))
            if low >= high:
                continue
            left, right = int(nearest[low]) - reach, int(nearest[high - 1]) + reach + 1
            outer = 0 if self.taps is None else len(self.taps) // 2
            piece = _held(values, a, b, left - outer, right + outer)
            if self.taps is not None:
                piece = _convolve(piece, self.taps)
            output[low:high] = self._interpolate(piece, positions[low:high] - left, start + low)
        return output

    def _interpolate(self, values: np.ndarray, positions: np.ndarray, number: int) -> np.ndarray:
        """Values between samples; `number` is the output number of the first position."""
        ratio = Fraction(self.rate_out / self.rate_in).limit_denominator(MAX_DENOMINATOR)
        exact = abs(float(ratio) * self.rate_in / self.rate_out - 1) < 1e-12
        up, down = ratio.numerator, ratio.denominator
        # The fractions of the positions repeat after `up` outputs. Counting from the absolute
        # number keeps the sums the same wherever the stretch was cut.
        if not exact or len(positions) < 2 * up:
            return self._point_by_point(values, positions)
        result = np.empty(len(positions))
        windows = np.lib.stride_tricks.sliding_window_view(values, 2 * self._reach)
        for phase in range(up):
            base = np.floor(positions[phase] + 1e-6)
            taps = _phase_taps(round(positions[phase] - base, 9), self._reach, self._cutoff)
            begin = int(base) - self._reach + 1
            count = len(range(phase, len(positions), up))
            rows = windows[begin : begin + (count - 1) * down + 1 : down]
            result[phase::up] = np.einsum("ij,j->i", rows, taps)
        return result

    def _point_by_point(self, values: np.ndarray, positions: np.ndarray) -> np.ndarray:
        result = np.empty(len(positions))
        windows = np.lib.stride_tricks.sliding_window_view(values, 2 * self._reach)
        for begin in range(0, len(positions), 8192):  # bounds the memory of taps and rows
            part = positions[begin : begin + 8192]
            base = np.floor(part + 1e-6)
            rows = windows[base.astype(np.int64) - self._reach + 1]
            taps = _sinc_taps(part - base, self._reach, self._cutoff)
            result[begin : begin + 8192] = np.einsum("ij,ij->i", rows, taps)
        return result


def _sinc_taps(fractions: np.ndarray, reach: int, cutoff: float) -> np.ndarray:
    """Weights of the 2 · reach samples around each position, shape (n, 2 · reach), sum 1."""
    distance = fractions[:, None] - np.arange(1 - reach, reach + 1)[None, :]
    inside = np.clip(1 - (distance / reach) ** 2, 0, None)
    taps = np.sinc(cutoff * distance) * np.i0(6.0 * np.sqrt(inside))
    return taps / taps.sum(axis=1, keepdims=True)


@lru_cache(maxsize=4096)
def _phase_taps(fraction: float, reach: int, cutoff: float) -> np.ndarray:
    taps = _sinc_taps(np.array([fraction]), reach, cutoff)[0]
    taps.setflags(write=False)
    return taps


def _runs(valid: np.ndarray) -> list[tuple[int, int]]:
    """Start and end of each stretch of True."""
    if valid.all():
        return [(0, len(valid))] if len(valid) else []
    edges = np.flatnonzero(np.diff(np.concatenate(([False], valid, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _held(values: np.ndarray, a: int, b: int, left: int, right: int) -> np.ndarray:
    """`values[left:right]` in float64, with the ends of the stretch a to b going on outside it."""
    inner = values[max(a, left) : min(b, right)].astype(np.float64)
    if left < a or right > b:
        inner = np.pad(inner, (max(0, a - left), max(0, right - b)), mode="edge")
    return inner


def _convolve(values: np.ndarray, taps: np.ndarray | None) -> np.ndarray:
    """The part of the convolution that needs no values outside."""
    if taps is None:
        return values
    from scipy import signal

    if len(values) <= 4 * len(taps) or len(taps) < 64:
        result: np.ndarray = signal.convolve(values, taps, mode="valid")
    else:
        result = signal.oaconvolve(values, taps, mode="valid")
    return result
