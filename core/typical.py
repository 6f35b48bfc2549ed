"""What training windows look like, so that a model can tell when new recordings are unlike them."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.dataset import WindowSet
from core.progress import RunContext
from core.recording import Finding
from core.scaling import Scaling
from core.splits import Fold

WINDOWS = 2000
"""Windows that are looked at, evenly spread."""
UNLIKE_SHARE = 0.5
"""A modality is unlike the training data when more of its windows than this lie outside."""


def window_levels(values: np.ndarray) -> np.ndarray:
    """Log10 of the deviation and the mean of scaled windows, (windows, 2), over all channels.

    `values` (windows, channels, samples), scaled as for the model.
    """
    flat = values.reshape(len(values), values.shape[1] * values.shape[2])
    return np.stack([np.log10(flat.std(1) + 1e-6), flat.mean(1)], axis=1)


def typical_figures(
    windows: WindowSet, scaling: Scaling, fold: Fold, context: RunContext
) -> dict[str, Any]:
    """By modality: the range, from the 1st to the 99th percentile, of `window_levels`."""
    rows = fold.pretrain_windows(windows.subject)
    rows = rows[:: max(1, len(rows) // WINDOWS)]
    figures: dict[str, Any] = {}
    for number, name in enumerate(windows.scheme.names):
        context.step("training data's range", number, len(windows.scheme.names))
        present = rows[windows.present[rows, number]]
        parts = [
            window_levels(scaling.apply(name, windows.gather(present[start : start + 256], name)))
            for start in range(0, len(present), 256)
        ]
        if not parts:
            continue
        levels = np.concatenate(parts)
        low, high = np.percentile(levels, [1, 99], axis=0)
        figures[name] = {
            "log_deviation": [float(low[0]), float(high[0])],
            "mean": [float(low[1]), float(high[1])],
        }
    return figures


def unlike(figures: dict[str, Any], levels: dict[str, np.ndarray]) -> list[Finding]:
    """A finding for each modality whose windows mostly lie outside the training data's range.

    `levels` by modality: `window_levels` of the windows in which it is present. The range is
    widened by half its width on both sides, and by a factor of 1.6 in deviation.
    """
    findings = []
    for name, values in levels.items():
        if name not in figures or not len(values):
            continue
        outside = np.zeros(len(values), bool)
        for column, key, least in ((0, "log_deviation", 0.2), (1, "mean", 0.5)):
            low, high = figures[name][key]
            slack = max(least, 0.5 * (high - low))
            outside |= (values[:, column] < low - slack) | (values[:, column] > high + slack)
        share = float(outside.mean())
        if share > UNLIKE_SHARE:
            median = np.median(values, axis=0)
            findings.append(
                Finding(
                    "note",
                    name,
                    f"{name} is unlike the data this model was trained on in {share:.0%} of the "
                    f"windows (deviation {10 ** median[0]:.2g} times the training data's, mean "
                    f"{median[1]:.2g} deviations off): check unit, gain and electrode. "
                    "Predictions may be wrong.",
                )
            )
    return findings
