"""Scaling of modalities by mean and deviation: of the training windows, or of each window.

Figures are taken per channel over all recorded samples of the windows given, in float64, from
moments of each window: any choice of windows costs a sum. Statistics of the
tested subject's own windows (`fit_subjects`) use unlabelled test data: they are transductive, and
only for those who ask for adaptation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

ScalingKind = Literal["train", "window", "none"]

RELATIVE_FLOOR = 1e-6
"""A deviation below this share of the mean is rounding of a constant channel, not a signal."""


CACHE_SAMPLES = 1 << 16


@dataclass(frozen=True)
class Moments:
    """Per window and channel: number of recorded samples, their mean, and their spread about it.

    float64, each (windows, channels); `squares` are sums of squared distances from the window's
    own mean. Nothing in a window's moments depends on another window, so that statistics of
    training windows are the same to the last bit whatever the others hold.
    """

    count: np.ndarray
    mean: np.ndarray
    squares: np.ndarray

    def statistics(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of each channel over windows, float64 (channels,).

        A channel that no window has gets 0 and 1; a constant one its value and 1. Windows are
        joined as Chan, Golub and LeVeque 1983 do.
        """
        count, mean = self.count[indices], self.mean[indices]
        n = np.maximum(count.sum(axis=0), 1)
        whole = (count * mean).sum(axis=0) / n
        between = (count * (mean - whole) ** 2).sum(axis=0)
        deviation = np.sqrt((self.squares[indices].sum(axis=0) + between) / n)
        return whole, floored(whole, deviation)


def floored(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """The deviation, or 1 where it is nothing but rounding."""
    constant = ~(deviation > RELATIVE_FLOOR * np.abs(mean)) | (deviation < 1e-30)
    return np.where(constant, 1.0, deviation)


def moments_of(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count, mean and squares, as of `Moments`, of windows (n, channels, samples) with NaN."""
    missing = np.isnan(windows)
    count = windows.shape[2] - missing.sum(axis=2).astype(np.float64)
    n = np.maximum(count, 1)
    near = np.nansum(windows, axis=2, dtype=np.float64) / n
    distance = windows - near.astype(np.float32)[:, :, None]
    if missing.any():
        distance[missing] = 0
    # `near` was rounded to float32, so what is left about it is taken out again.
    rest = distance.sum(axis=2, dtype=np.float64)
    squares = np.einsum("nct,nct->nc", distance, distance, dtype=np.float64) - rest**2 / n
    return count, near.astype(np.float32) * (count > 0) + rest / n, np.maximum(squares, 0)


def _scale_each(values: np.ndarray, out: np.ndarray) -> None:
    """Each channel of each window by its own mean and deviation."""
    count, mean, squares = moments_of(values)
    deviation = np.sqrt(squares / np.maximum(count, 1))
    np.subtract(values, mean.astype(np.float32)[:, :, None], out=out)
    # Means far from zero lose digits in float32: what is left is taken out again.
    _, rest, _ = moments_of(out)
    out -= rest.astype(np.float32)[:, :, None]
    out *= (1.0 / floored(mean, deviation)).astype(np.float32)[:, :, None]


@dataclass(frozen=True)
class Scaling:
    """How each modality is scaled.

    `kinds` by modality; `means` and `deviations` by modality, float64 (channels,), for those of
    kind `train`.
    """

    kinds: dict[str, ScalingKind]
    means: dict[str, np.ndarray]
    deviations: dict[str, np.ndarray]

    @staticmethod
    def fit(
        kinds: Mapping[str, ScalingKind], moments: Mapping[str, Moments], indices: np.ndarray
    ) -> Scaling:
        """Statistics of the windows `indices`, for modalities of kind `train`."""
        means, deviations = {}, {}
        for name, kind in kinds.items():
            if kind == "train":
                means[name], deviations[name] = moments[name].statistics(indices)
        return Scaling(dict(kinds), means, deviations)

    @staticmethod
    def fit_subjects(
        kinds: Mapping[str, ScalingKind],
        moments: Mapping[str, Moments],
        subjects: np.ndarray,
        wanted: Sequence[str] | None = None,
    ) -> dict[str, Scaling]:
        """One scaling per subject from all its windows (transductive: see above)."""
        names = list(dict.fromkeys(subjects.tolist())) if wanted is None else list(wanted)
        return {
            name: Scaling.fit(kinds, moments, np.flatnonzero(subjects == name)) for name in names
        }

    def apply(self, name: str, values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Scaled windows of a modality, float32, same shape, missing samples 0.

        `values`: float32 (windows, channels, samples), NaN where missing; changed only when it is
        given as `out` too.
        """
        kind = self.kinds[name]
        scaled = np.empty_like(values) if out is None else out
        if kind == "train":
            mean = self.means[name].astype(np.float32)[:, None]
            factor = (1.0 / self.deviations[name]).astype(np.float32)[:, None]
        # A few windows at a time stay in the processor's cache through all passes.
        step = max(1, CACHE_SAMPLES // max(1, values[:1].size))
        for low in range(0, len(values), step):
            part, target = values[low : low + step], scaled[low : low + step]
            if kind == "train":
                np.subtract(part, mean, out=target)
                target *= factor
            elif kind == "window":
                _scale_each(part, target)
            elif target is not part:
                target[:] = part
            if not np.isfinite(target.sum()):
                target[np.isnan(target)] = 0
        return scaled

    def to_json(self) -> dict[str, Any]:
        """Plain values, by modality."""
        return {
            name: {
                "kind": kind,
                "mean": self.means[name].tolist() if name in self.means else None,
                "sd": self.deviations[name].tolist() if name in self.deviations else None,
            }
            for name, kind in self.kinds.items()
        }

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Scaling:
        """The inverse of `to_json`; ValueError or KeyError where the values are not from there."""
        kinds: dict[str, ScalingKind] = {}
        means, deviations = {}, {}
        for name, entry in values.items():
            if entry["kind"] not in ("train", "window", "none"):
                raise ValueError(f"scaling of {name}: unknown kind {entry['kind']!r}")
            kinds[name] = entry["kind"]
            if entry["kind"] == "train":
                means[name] = np.asarray(entry["mean"], np.float64)
                deviations[name] = np.asarray(entry["sd"], np.float64)
        return Scaling(kinds, means, deviations)
