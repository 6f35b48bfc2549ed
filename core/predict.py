"""Predictions of every window, and the table of them that batch mode writes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.atomic_file import write_atomically
from core.evaluate import predicted_classes
from core.robustness import SubsetPredictions, fragility, shapley


@dataclass(frozen=True, eq=False)
class WindowPredictions:
    """What a classifier says of windows, one entry (row) per window.

    `probabilities` (windows, classes), NaN where nothing was present; `present`
    (windows, modalities) bool; `fragility` (windows,) and `shapley` (windows, modalities), NaN
    where undefined or not asked for; `fold` names the fold that held the window's subject out,
    `final` where the model was fitted on all labelled subjects.
    """

    probabilities: np.ndarray
    present: np.ndarray
    fragility: np.ndarray
    shapley: np.ndarray
    fold: np.ndarray

    @staticmethod
    def from_subsets(
        subsets: SubsetPredictions, class_shares: np.ndarray, fold: str
    ) -> WindowPredictions:
        """All figures of windows whose every subset was predicted by one classifier."""
        return WindowPredictions(
            probabilities=subsets.full,
            present=subsets.present,
            fragility=fragility(subsets),
            shapley=shapley(subsets, class_shares),
            fold=np.full(len(subsets.present), fold, dtype=object),
        )

    @staticmethod
    def plain(probabilities: np.ndarray, present: np.ndarray, fold: str) -> WindowPredictions:
        """Predictions alone, without figures of robustness."""
        nothing = np.full(present.shape, np.nan, np.float32)
        return WindowPredictions(
            probabilities=probabilities,
            present=present,
            fragility=nothing[:, 0],
            shapley=nothing,
            fold=np.full(len(present), fold, dtype=object),
        )

    @property
    def predicted(self) -> np.ndarray:
        """Class of each window, int64, -1 where nothing was present."""
        return predicted_classes(self.probabilities)

    def take(self, rows: np.ndarray) -> WindowPredictions:
        return WindowPredictions(
            self.probabilities[rows],
            self.present[rows],
            self.fragility[rows],
            self.shapley[rows],
            self.fold[rows],
        )


def write_predictions(
    path: Path,
    predictions: WindowPredictions,
    *,
    starts_s: np.ndarray,
    length_s: float,
    labels: np.ndarray,
    classes: Sequence[str],
    modalities: Sequence[str],
) -> None:
    """Write one recording's windows as CSV, atomically; undefined cells are empty.

    Columns: start_s, end_s, fold, label, predicted, confidence, p_<class>…, present, fragility,
    shapley_<modality>…; times in seconds from the recording's start.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["start_s", "end_s", "fold", "label", "predicted", "confidence"]
        + [f"p_{name}" for name in classes]
        + ["present", "fragility"]
        + [f"shapley_{name}" for name in modalities]
    )
    predicted = predictions.predicted
    for row in range(len(starts_s)):
        label, guess = int(labels[row]), int(predicted[row])
        probabilities = predictions.probabilities[row]
        kept = [
            name for name, here in zip(modalities, predictions.present[row], strict=True) if here
        ]
        writer.writerow(
            [
                _time(starts_s[row]),
                _time(starts_s[row] + length_s),
                predictions.fold[row],
                classes[label] if label >= 0 else "",
                classes[guess] if guess >= 0 else "",
                _figure(probabilities[guess]) if guess >= 0 else "",
                *(_figure(value) for value in probabilities),
                ";".join(kept),
                _figure(predictions.fragility[row]),
                *(_figure(value) for value in predictions.shapley[row]),
            ]
        )
    write_atomically(path, text.getvalue().encode("utf-8"))


def _time(seconds: float) -> str:
    """Seconds to the microsecond, without trailing zeros."""
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def _figure(value: float) -> str:
    return f"{value:.6f}" if np.isfinite(value) else ""
