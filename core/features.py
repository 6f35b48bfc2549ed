"""Hand-made features of windows, for opponents that learn without deep networks.

One row per window and modality, from samples at the modality's own rate. Everything is computed
from the window alone, so nothing leaks between subjects. Absent windows give rows of NaN; an
opponent fills them with the training mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import signal

from core.config import Kind
from core.kinds import guess_kind

# Band edges in Hz. Bands above half the rate, or too narrow for the window to resolve, are left
# out.
EEG_BANDS = {
    "delta": (0.5, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 13.0),
    "beta_low": (13.0, 20.0),
    "beta_high": (20.0, 30.0),
    "gamma": (30.0, 45.0),
}
MUSCLE_BANDS = {
    "under_10": (0.5, 10.0),
    "10_20": (10.0, 20.0),
    "20_45": (20.0, 45.0),
    "55_95": (55.0, 95.0),
    "over_95": (95.0, 200.0),
}
MOTION_BANDS = {
    "under_0.5": (0.1, 0.5),
    "0.5_1": (0.5, 1.0),
    "1_2": (1.0, 2.0),
    "2_3": (2.0, 3.0),
    "3_5": (3.0, 5.0),
    "5_10": (5.0, 10.0),
    "10_20": (10.0, 20.0),
    "over_20": (20.0, 50.0),
}
HEART_BANDS = {
    "under_0.5": (0.1, 0.5),
    "0.5_1": (0.5, 1.0),
    "1_1.5": (1.0, 1.5),
    "1.5_2.5": (1.5, 2.5),
    "2.5_5": (2.5, 5.0),
    "5_15": (5.0, 15.0),
    "15_40": (15.0, 40.0),
}
SLOW_BANDS = {
    "under_0.05": (0.015, 0.05),
    "0.05_0.15": (0.05, 0.15),
    "0.15_0.25": (0.15, 0.25),
    "0.25_0.4": (0.25, 0.4),
    "0.4_1": (0.4, 1.0),
    "1_2": (1.0, 2.0),
}
BANDS: dict[Kind, dict[str, tuple[float, float]]] = {
    "acc": MOTION_BANDS,
    "gyro": MOTION_BANDS,
    "eeg": EEG_BANDS,
    "eog": EEG_BANDS,
    "emg": MUSCLE_BANDS,
    "ecg": HEART_BANDS,
    "bvp": HEART_BANDS,
    "eda": SLOW_BANDS,
    "temp": SLOW_BANDS,
    "resp": SLOW_BANDS,
}


_EDGE = 0.5  # share of samples of a window that may be missing before it counts as absent
_CHUNK_SAMPLES = 2_000_000  # samples worked on at once, to bound memory


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features of all modalities side by side.

    values: float32 (windows, features), NaN where a modality is absent or a feature undefined.
    names: `<modality>.<feature>`. modality: int64 (features,), number of each column's modality.
    """

    values: np.ndarray
    names: tuple[str, ...]
    modality: np.ndarray
    modalities: tuple[str, ...]

    def columns(self, kept: Sequence[int]) -> np.ndarray:
        """Numbers of the columns of the modalities in `kept`."""
        return np.flatnonzero(np.isin(self.modality, list(kept)))


def study_features(
    samples: Mapping[str, np.ndarray],
    rates_hz: Mapping[str, float],
    kinds: Mapping[str, Kind] | None = None,
    present: np.ndarray | None = None,
) -> FeatureTable:
    """Features of every modality of a study.

    Parameters
    ----------
    samples: by modality, in scheme order; float32 (windows, channels, samples), in the unit of
        the modality, unscaled where possible (skin conductance peaks are found in µS).
    rates_hz, kinds: by modality; kinds left out are guessed from the name.
    present: bool (windows, modalities); absent entries give NaN whatever `samples` holds.
    """
    tables: list[np.ndarray] = []
    names: list[str] = []
    owners: list[int] = []
    for m, (modality, x) in enumerate(samples.items()):
        kind = (kinds or {}).get(modality) or guess_kind(modality)
        here = None if present is None else np.asarray(present, dtype=bool)[:, m]
        values, own = window_features(x, rates_hz[modality], kind, here)
        tables.append(values)
        names.extend(f"{modality}.{name}" for name in own)
        owners.extend([m] * len(own))
    return FeatureTable(
        values=np.concatenate(tables, axis=1),
        names=tuple(names),
        modality=np.array(owners, dtype=np.int64),
        modalities=tuple(samples),
    )


def window_features(
    x: np.ndarray, rate_hz: float, kind: Kind, present: np.ndarray | None = None
) -> tuple[np.ndarray, list[str]]:
    """Features of one modality.

    Per channel: mean, sd, min, max, median, interquartile range, skewness, excess kurtosis, mean
    absolute difference, zero crossings per second of the mean-removed signal, log band powers,
    dominant frequency, spectral entropy. Also, by kind: cross-axis correlations and the same
    figures of the magnitude (acc, gyro with 3 channels); relative band powers (eeg, eog, emg);
    heart rate and its variability (ecg, bvp); slope (eda, temp, resp); peaks (eda); breathing
    rate (resp).

    Parameters
    ----------
    x: (windows, channels, samples). Single missing samples are interpolated; a window with more
        than half of a channel's samples missing counts as absent.
    present: bool (windows,); others give NaN.

    Returns
    -------
    float32 (windows, features) and the names of the features. A feature that is undefined in a
    window (no heart beat found) is NaN there.
    """
    x = np.asarray(x)
    if x.ndim != 3 or not x.shape[1] or not x.shape[2]:
        raise ValueError(f"windows have shape (windows, channels, samples), not {x.shape}")
    if rate_hz <= 0:
        raise ValueError(f"a rate is above 0 Hz, not {rate_hz}")
    n_windows, n_channels, n_samples = x.shape
    names = _names(n_channels, n_samples, rate_hz, kind)
    values = np.full((n_windows, len(names)), np.nan, dtype=np.float32)
    wanted = np.ones(n_windows, dtype=bool) if present is None else np.asarray(present, dtype=bool)
    step = max(1, _CHUNK_SAMPLES // (n_channels * n_samples))
    chosen = np.flatnonzero(wanted)
    for start in range(0, len(chosen), step):
        part = chosen[start : start + step]
        clean, usable = _filled(x[part])
        if usable.any():
            values[part[usable]] = _features(clean[usable], rate_hz, kind)
    values[~np.isfinite(values)] = np.nan
    return values, names


def _filled(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate missing samples; float64 copy and which windows have enough samples."""
    clean = x.astype(np.float64)
    bad = ~np.isfinite(clean)
    usable = (bad.mean(axis=2) <= _EDGE).all(axis=1)
    grid = np.arange(x.shape[2])
    for w, c in np.argwhere(bad.any(axis=2) & usable[:, None]):
        gone = bad[w, c]
        clean[w, c, gone] = np.interp(grid[gone], grid[~gone], clean[w, c, ~gone])
    return clean, usable


# ---------------------------------------------------------------- what every channel has


def _is_triaxial(n_channels: int, kind: Kind) -> bool:
    return n_channels == 3 and kind in ("acc", "gyro")


def _bands(rate_hz: float, n_samples: int, kind: Kind) -> dict[str, tuple[float, float]]:
    half = rate_hz / 2
    bands = BANDS.get(kind) or _octaves(rate_hz)
    frequencies = np.fft.rfftfreq(n_samples, 1 / rate_hz)
    kept = {name: (low, min(high, half)) for name, (low, high) in bands.items() if low < half}
    return {
        name: (low, high)
        for name, (low, high) in kept.items()
        if ((frequencies >= low) & (frequencies < high)).any()
    }


def _octaves(rate_hz: float) -> dict[str, tuple[float, float]]:
    """Six octaves below half the rate, for signals of which nothing is known."""
    half = rate_hz / 2
    edges = [half / 2**k for k in range(6, -1, -1)]
    return {f"octave{k}": (edges[k], edges[k + 1]) for k in range(6)}


_PLAIN = (
    "mean",
    "sd",
    "min",
    "max",
    "median",
    "iqr",
    "skewness",
    "kurtosis",
    "mean_abs_diff",
    "zero_crossings",
)
_HEART = (
    "heart_rate",
    "rr_median",
    "rr_sd",
    "rr_rmssd",
    "rr_pnn50",
    "rr_iqr",
    "beats_regular",
)
_HAS_RELATIVE: frozenset[Kind] = frozenset(("eeg", "eog", "emg"))
_HAS_HEART: frozenset[Kind] = frozenset(("ecg", "bvp"))
_HAS_SLOPE: frozenset[Kind] = frozenset(("eda", "temp", "resp"))


def _names(n_channels: int, n_samples: int, rate_hz: float, kind: Kind) -> list[str]:
    own = list(_PLAIN)
    bands = _bands(rate_hz, n_samples, kind)
    own += [f"log_power_{band}" for band in bands]
    if kind in _HAS_RELATIVE:
        own += [f"relative_power_{band}" for band in bands]
    own += ["dominant_hz", "spectral_entropy"]
    if kind in _HAS_SLOPE:
        own += ["slope"]
    if kind == "eda":
        own += ["peaks_per_minute", "peak_amplitude", "peak_amplitude_sum"]
    if kind == "resp":
        own += ["breaths_per_minute", "breath_irregularity"]
    if kind in _HAS_HEART:
        own += _HEART
    names = [f"c{c}.{name}" for c in range(n_channels) for name in own]
    if _is_triaxial(n_channels, kind):
        names += [f"magnitude.{name}" for name in own]
        names += [f"correlation_{a}{b}" for a, b in combinations("xyz", 2)]
    return names


def _features(x: np.ndarray, rate_hz: float, kind: Kind) -> np.ndarray:
    """(windows, features) in the order of `_names`; x is finite float64."""
    blocks = []
    if _is_triaxial(x.shape[1], kind):
        magnitude = np.sqrt((x**2).sum(axis=1, keepdims=True))
        own = _channel_features(np.concatenate([x, magnitude], axis=1), rate_hz, kind)
        blocks += [own.reshape(len(x), -1), _axis_correlations(x)]
    else:
        blocks += [_channel_features(x, rate_hz, kind).reshape(len(x), -1)]
    return np.concatenate(blocks, axis=1)


def _channel_features(x: np.ndarray, rate_hz: float, kind: Kind) -> np.ndarray:
    """(windows, channels, features per channel)."""
    parts = [_plain(x, rate_hz), _spectral(x, rate_hz, kind)]
    if kind in _HAS_SLOPE:
        parts.append(_slope(x, rate_hz)[..., None])
    for wanted, function in (
        (kind == "eda", _skin_peaks),
        (kind == "resp", _breaths),
        (kind == "ecg", _heart_of_ecg),
        (kind == "bvp", _heart_of_pulse),
    ):
        if wanted:
            parts.append(function(x, rate_hz))
    return np.concatenate(parts, axis=2)


def _plain(x: np.ndarray, rate_hz: float) -> np.ndarray:
    low, median, high = np.percentile(x, [25, 50, 75], axis=2)
    mean = x.mean(axis=2)
    centred = x - mean[..., None]
    sd = x.std(axis=2)
    # A constant signal has no shape: skewness and kurtosis are 0 there, by convention.
    unit = centred / np.where(sd > 0, sd, 1.0)[..., None]
    cubed = unit**3
    skewness = cubed.mean(axis=2)
    kurtosis = np.where(sd > 0, (cubed * unit).mean(axis=2) - 3.0, 0.0)
    n_samples = x.shape[2]
    if n_samples > 1:
        difference = np.abs(np.diff(x, axis=2)).mean(axis=2)
        signs = centred >= 0
        crossings = (signs[..., 1:] != signs[..., :-1]).sum(axis=2) * rate_hz / n_samples
    else:
        difference = crossings = np.zeros_like(mean)
    figures = [mean, sd, x.min(axis=2), x.max(axis=2), median, high - low]
    return np.stack([*figures, skewness, kurtosis, difference, crossings], axis=2)


def _spectral(x: np.ndarray, rate_hz: float, kind: Kind) -> np.ndarray:
    n_samples = x.shape[2]
    bands = _bands(rate_hz, n_samples, kind)
    taper = signal.windows.hann(n_samples, sym=False) if n_samples > 2 else np.ones(n_samples)
    spectrum = np.fft.rfft((x - x.mean(axis=2, keepdims=True)) * taper, axis=2)
    # One-sided power spectral density; the mean is removed, so bin 0 is left out below.
    density = (spectrum.real**2 + spectrum.imag**2) * (2.0 / (rate_hz * (taper**2).sum()))
    frequencies = np.fft.rfftfreq(n_samples, 1 / rate_hz)
    bin_hz = rate_hz / n_samples
    shape = x.shape[:2]
    powers = np.stack(
        [
            density[..., (frequencies >= low) & (frequencies < high)].sum(axis=2) * bin_hz
            for low, high in bands.values()
        ]
        or [np.zeros((*shape, 0))],
        axis=2,
    ).reshape(*shape, len(bands))
    # The floor keeps the logarithm of a flat signal finite, far below any recorded power.
    parts = [np.log10(powers + 1e-12)]
    if kind in _HAS_RELATIVE:
        total = powers.sum(axis=2, keepdims=True)
        parts.append(np.log10((powers + 1e-12) / (total + 1e-12)))
    if density.shape[2] > 1:
        inner = density[..., 1:]
        total = inner.sum(axis=2)
        dominant = np.where(total > 0, frequencies[1:][inner.argmax(axis=2)], 0.0)
        share = inner / np.where(total > 0, total, 1.0)[..., None]
        logs = np.log(np.where(share > 0, share, 1.0))
        entropy = -(share * logs).sum(axis=2) / max(np.log(inner.shape[2]), 1e-12)
    else:
        dominant = entropy = np.zeros(shape)
    return np.concatenate([*parts, dominant[..., None], entropy[..., None]], axis=2)


# ---------------------------------------------------------------- what some kinds have


def _axis_correlations(x: np.ndarray) -> np.ndarray:
    """Correlation of each pair of axes, 0 where one is constant; (windows, 3)."""
    centred = x - x.mean(axis=2, keepdims=True)
    norm = np.sqrt((centred**2).sum(axis=2))
    pairs = []
    for a, b in combinations(range(3), 2):
        product = norm[:, a] * norm[:, b]
        joint = (centred[:, a] * centred[:, b]).sum(axis=1)
        pairs.append(np.where(product > 0, joint / np.where(product > 0, product, 1.0), 0.0))
    return np.stack(pairs, axis=1)


def _slope(x: np.ndarray, rate_hz: float) -> np.ndarray:
    """Least-squares slope, per second; (windows, channels)."""
    time = np.arange(x.shape[2]) / rate_hz
    time -= time.mean()
    spread = float((time**2).sum())
    return (x * time).sum(axis=2) / spread if spread > 0 else np.zeros(x.shape[:2])


def _each_channel(x: np.ndarray, n_figures: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    out = np.full((*x.shape[:2], n_figures), np.nan)
    return out, [(w, c) for w in range(x.shape[0]) for c in range(x.shape[1])]


def _band_passed(x: np.ndarray, rate_hz: float, low_hz: float, high_hz: float) -> np.ndarray:
    """Zero-phase second-order band-pass along the last axis; high-pass where the rate is low."""
    if high_hz < 0.45 * rate_hz:
        sections = signal.butter(2, [low_hz, high_hz], "bandpass", fs=rate_hz, output="sos")
    else:
        sections = signal.butter(2, low_hz, "highpass", fs=rate_hz, output="sos")
    pad = min(x.shape[-1] - 1, int(rate_hz / low_hz))
    return signal.sosfiltfilt(sections, x, axis=-1, padlen=pad)


def _skin_peaks(x: np.ndarray, rate_hz: float) -> np.ndarray:
    """Skin conductance responses: rises of at least 0.01 µS within the smoothed window."""
    out, pairs = _each_channel(x, 3)
    minutes = x.shape[2] / rate_hz / 60
    width = max(1, round(0.75 * rate_hz))
    padded = np.pad(x, ((0, 0), (0, 0), (width // 2, width - 1 - width // 2)), mode="edge")
    sums = np.cumsum(np.pad(padded, ((0, 0), (0, 0), (1, 0))), axis=2)
    smooth = (sums[..., width:] - sums[..., :-width]) / width
    for w, c in pairs:
        _, found = signal.find_peaks(smooth[w, c], prominence=0.01, distance=max(1.0, rate_hz))
        heights = found["prominences"]
        out[w, c] = (
            len(heights) / minutes,
            heights.mean() if len(heights) else 0.0,
            heights.sum() / minutes,
        )
    return out


def _breaths(x: np.ndarray, rate_hz: float) -> np.ndarray:
    """Breaths per minute and the relative deviation of their length."""
    out, pairs = _each_channel(x, 2)
    if rate_hz < 2 or x.shape[2] < 5 * rate_hz:
        return out
    filtered = _band_passed(x, rate_hz, 0.08, 0.8)
    for w, c in pairs:
        sd = filtered[w, c].std()
        if sd <= 0:
            continue
        peaks, _ = signal.find_peaks(filtered[w, c], prominence=0.5 * sd, distance=1.2 * rate_hz)
        if len(peaks) >= 3:
            lengths = np.diff(peaks) / rate_hz
            out[w, c] = 60.0 / np.median(lengths), lengths.std() / lengths.mean()
    return out


def _heart_of_ecg(x: np.ndarray, rate_hz: float) -> np.ndarray:
    """Heart rate from the steepness of the QRS complex (after Pan and Tompkins 1985)."""
    out, pairs = _each_channel(x, len(_HEART))
    if rate_hz < 30 or x.shape[2] < 3 * rate_hz:
        return out
    filtered = _band_passed(x, rate_hz, 5.0, 18.0)
    steep = np.diff(filtered, axis=2) ** 2
    width = max(1, round(0.1 * rate_hz))
    energy = signal.oaconvolve(steep, np.full((1, 1, width), 1.0 / width), mode="same", axes=2)
    for w, c in pairs:
        # The root brings strong and weak beats nearer to each other; the 98th percentile is the
        # height of a beat, robust against a single artefact.
        strength = np.sqrt(np.maximum(energy[w, c], 0.0))
        height = np.percentile(strength, 98)
        if height > 0:
            peaks, _ = signal.find_peaks(
                strength, height=0.4 * height, prominence=0.3 * height, distance=0.3 * rate_hz
            )
            peaks, upright = _r_peaks(filtered[w, c], peaks, round(0.08 * rate_hz))
            out[w, c] = _beat_figures(peaks, rate_hz, upright)
    return out


def _r_peaks(curve: np.ndarray, rough: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Move rough beats to the tip of the R wave, and turn the curve so that the tips point up."""
    if not len(rough):
        return rough, curve
    around = rough[:, None] + np.arange(-reach, reach + 1)
    around = np.clip(around, 1, len(curve) - 2)
    near = curve[around]
    upright = curve if np.median(near.max(axis=1)) >= np.median(-near.min(axis=1)) else -curve
    tips = around[np.arange(len(rough)), upright[around].argmax(axis=1)]
    return np.unique(tips), upright


def _heart_of_pulse(x: np.ndarray, rate_hz: float) -> np.ndarray:
    """Heart rate from the peaks of a blood volume pulse."""
    out, pairs = _each_channel(x, len(_HEART))
    if rate_hz < 8 or x.shape[2] < 3 * rate_hz:
        return out
    filtered = _band_passed(x, rate_hz, 0.6, 3.5)
    for w, c in pairs:
        sd = filtered[w, c].std()
        if sd > 0:
            peaks, _ = signal.find_peaks(
                filtered[w, c], prominence=0.4 * sd, distance=0.35 * rate_hz
            )
            out[w, c] = _beat_figures(peaks, rate_hz, filtered[w, c])
    return out


def _beat_figures(peaks: np.ndarray, rate_hz: float, curve: np.ndarray) -> np.ndarray:
    """The figures of `_HEART`, NaN with fewer than 4 beats or 3 believable intervals.

    A parabola through each peak of `curve` and its neighbours places it between samples, since
    variability is a matter of milliseconds and slow rates have few samples.
    """
    figures = np.full(len(_HEART), np.nan)
    if len(peaks) < 4:
        return figures
    position = peaks.astype(np.float64)
    left, middle, right = curve[peaks - 1], curve[peaks], curve[peaks + 1]
    bend = left - 2 * middle + right
    tip = (middle >= left) & (middle >= right) & (bend < 0)
    position += np.where(tip, 0.5 * (left - right) / np.where(tip, bend, 1.0), 0.0)
    intervals = np.diff(position) / rate_hz
    median = np.median(intervals)
    believable = (intervals > 0.3) & (intervals < 2.0) & (np.abs(intervals - median) < 0.3 * median)
    if believable.sum() < 3:
        return figures
    good = intervals[believable]
    successive = np.diff(intervals)[believable[1:] & believable[:-1]]
    low, high = np.percentile(good, [25, 75])
    figures[:] = (
        60.0 / good.mean(),
        median,
        good.std(),
        np.sqrt((successive**2).mean()) if len(successive) else np.nan,
        (np.abs(successive) > 0.05).mean() if len(successive) else np.nan,
        high - low,
        believable.mean(),
    )
    return figures
