"""Reading the predictions of one recording, as batch mode writes them, for reports and views."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from core.errors import CrosslError
from core.window_store import FINAL
from core.window_view import WindowView

PROBABILITY = "p_"
SHAPLEY = "shapley_"
"""What the columns of a class and of a modality begin with."""


def _nothing() -> np.ndarray:
    return np.empty((0, 0))


@dataclass(frozen=True)
class PredictionTable:
    """The windows of one recording in order of time.

    Times are seconds from the recording's start. A text is empty and a figure NaN where the file
    leaves the cell empty: an unlabelled window, or one with no modality present.

    Attributes
    ----------
    start_s, end_s, confidence, fragility: float64 (windows,). label, predicted, present: texts,
        one per window; `present` names modalities with `;` between them.
    fold: name of the fold that held the person out; empty where the file does not say.
    classes: those with a column of probabilities, in the order of the file; none in a file
        without them. probabilities: float64 (windows, classes).
    modalities: those with a column of Shapley values. shapley: float64 (windows, modalities).
    """

    start_s: np.ndarray
    end_s: np.ndarray
    label: tuple[str, ...]
    predicted: tuple[str, ...]
    confidence: np.ndarray
    fragility: np.ndarray
    present: tuple[str, ...]
    fold: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    probabilities: np.ndarray = field(default_factory=_nothing)
    modalities: tuple[str, ...] = ()
    shapley: np.ndarray = field(default_factory=_nothing)

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
            reader = csv.DictReader(file)
            rows = list(reader)
            header = list(dict.fromkeys(reader.fieldnames or ()))
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

    def named(prefix: str) -> tuple[tuple[str, ...], np.ndarray]:
        columns = [name for name in header if name.startswith(prefix) and name != prefix]
        values = [_figures(rows, column, path)[order] for column in columns]
        names = tuple(column.removeprefix(prefix) for column in columns)
        return names, np.stack(values, axis=1) if values else np.empty((len(rows), 0))

    classes, probabilities = named(PROBABILITY)
    modalities, shapley = named(SHAPLEY)
    return PredictionTable(
        start_s=start[order],
        end_s=end[order],
        label=texts("label"),
        predicted=texts("predicted"),
        confidence=_figures(rows, "confidence", path)[order],
        fragility=_figures(rows, "fragility", path)[order],
        present=texts("present"),
        fold=texts("fold"),
        classes=classes,
        probabilities=probabilities,
        modalities=modalities,
        shapley=shapley,
    )


@dataclass(frozen=True, eq=False)
class _TableView(WindowView):
    """A view whose classes and confidence are as the table says them: the other probabilities may
    be unknown, which is NaN."""

    said: np.ndarray = field(default_factory=_nothing)
    sure: np.ndarray = field(default_factory=_nothing)

    @cached_property
    def predicted(self) -> np.ndarray:
        return self.said

    @cached_property
    def confidence(self) -> np.ndarray:
        return self.sure


def view_of_table(table: PredictionTable, classes: Sequence[str]) -> WindowView:
    """The windows of a table as strips draw them, under all modalities.

    `classes` come first; classes that only the table has follow. Where the table has no
    probabilities, that of the predicted class is its confidence and the others are NaN. Without a
    column of folds nobody was held out, as far as the table knows.
    """
    names = tuple(dict.fromkeys((*classes, *table.classes, *table.label, *table.predicted, "")))
    names = tuple(name for name in names if name)
    number = {name: k for k, name in enumerate(names)}
    labels = np.array([number.get(text, -1) for text in table.label], np.int64)
    said = np.array([number.get(text, -1) for text in table.predicted], np.int64)
    count = len(table)
    probabilities = np.full((count, len(names)), np.nan, np.float32)
    for k, name in enumerate(table.classes):
        probabilities[:, number[name]] = table.probabilities[:, k]
    confidence = table.confidence.astype(np.float32)
    answered = np.flatnonzero(said >= 0)
    alone = np.isnan(probabilities[answered]).all(axis=1)
    probabilities[answered[alone], said[answered[alone]]] = confidence[answered[alone]]
    there = [text.split(";") if text else [] for text in table.present]
    modalities = tuple(
        dict.fromkeys((*table.modalities, *(name for entry in there for name in entry)))
    )
    present = np.array([[name in entry for name in modalities] for entry in there], bool).reshape(
        count, len(modalities)
    )
    shapley = np.full(present.shape, np.nan, np.float32)
    if table.modalities:
        shapley[:, : len(table.modalities)] = table.shapley
    fold = table.fold or ("",) * count
    return _TableView(
        starts_s=table.start_s,
        ends_s=table.shown_until_s(),
        length_s=float(np.median(table.end_s - table.start_s)) if count else 0.0,
        classes=names,
        modalities=modalities,
        probabilities=probabilities,
        full=said,
        labels=labels,
        present=present,
        fragility=table.fragility.astype(np.float32),
        shapley=shapley,
        held_out=np.array([bool(name) and name != FINAL for name in fold], bool),
        kept=tuple(range(len(modalities))),
        said=said,
        sure=np.where(said >= 0, confidence, np.float32(np.nan)),
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
