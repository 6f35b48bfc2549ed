"""Reading the predictions of one recording, as batch mode writes them, for reports and views."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import CrosslError


@dataclass(frozen=True)
class PredictionTable:
    """The windows of one recording in order of time; every field has one entry per window.

    Times are seconds from the recording's start. A text is empty and a figure NaN where the file
    leaves the cell empty: an unlabelled window, or one with no modality present.
    """

    start_s: np.ndarray
    end_s: np.ndarray
    label: tuple[str, ...]
    predicted: tuple[str, ...]
    confidence: np.ndarray
    fragility: np.ndarray
    present: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.start_s)

    def shown_until_s(self) -> np.ndarray:
        """Where each window's cell ends in a strip: its end, or the start of an overlapping next
        one. Shape (windows,)."""
        ends = self.end_s.copy()
        if len(ends) > 1:
            ends[:-1] = np.minimum(ends[:-1], np.maximum(self.start_s[1:], self.start_s[:-1]))
        return ends


def read_prediction_table(path: Path) -> PredictionTable:
    """Read `predictions/<recording id>.csv`.

    Raises CrosslError where the file is missing or is not such a table.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
            known = True
    except FileNotFoundError:
        raise CrosslError(f"{path}: there is no such predictions file.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CrosslError(f"{path}: the predictions cannot be read ({error}).") from None
    if rows:
        known = {"start_s", "end_s", "predicted"} <= set(rows[0])
    if not known:
        raise CrosslError(
            f"{path}: not a table of predictions: it needs the columns start_s, end_s, predicted."
        )
    start = _figures(rows, "start_s", path)
    end = _figures(rows, "end_s", path)
    if not (np.isfinite(start).all() and np.isfinite(end).all()):
        raise CrosslError(f"{path}: a window has no start or end.")
    order = np.argsort(start, kind="stable")

    def texts(column: str) -> tuple[str, ...]:
        return tuple(rows[i].get(column) or "" for i in order)

    return PredictionTable(
        start_s=start[order],
        end_s=end[order],
        label=texts("label"),
        predicted=texts("predicted"),
        confidence=_figures(rows, "confidence", path)[order],
        fragility=_figures(rows, "fragility", path)[order],
        present=texts("present"),
    )


def _figures(rows: list[dict[str, str]], column: str, path: Path) -> np.ndarray:
    """A column as float64, NaN where it is empty or not there."""
    values = np.full(len(rows), np.nan)
    for i, row in enumerate(rows):
        text = row.get(column)
        if text:
            try:
                values[i] = float(text)
            except ValueError:
                raise CrosslError(
                    f"{path}: line {i + 2}: '{text}' in column {column} is not a number."
                ) from None
    return values
