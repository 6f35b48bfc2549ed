"""Between windows and the epochs that are labelled: predictions that somebody accepts, and the
epochs that a window stands for."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from core.study_labels import NS, EpochGrid, Stretch, to_ns
from core.window_view import WindowView


def epochs_predicted(view: WindowView, grid: EpochGrid) -> tuple[np.ndarray, np.ndarray]:
    """What a view says of each epoch: class, int64 (epochs,), and confidence, float32 (epochs,).

    The class whose windows' cells cover most of the epoch, -1 where cells that are assigned cover
    less than half of it; confidence is the mean probability of that class over its cells, by
    time, NaN without a class.
    """
    epochs = grid.epochs
    codes = np.full(epochs, -1, np.int64)
    confidence = np.full(epochs, np.nan, np.float32)
    if not epochs or not len(view):
        return codes, confidence
    classes = len(view.classes)
    cover = np.zeros((epochs, classes))
    weighted = np.zeros((epochs, classes))
    first_ns, epoch_ns = grid.offset_ns, grid.epoch_ns
    starts = np.rint(view.starts_s * NS).astype(np.int64) - first_ns
    ends = np.rint(view.ends_s * NS).astype(np.int64) - first_ns
    ends = np.minimum(ends, epochs * epoch_ns)
    rows = np.flatnonzero((view.assigned >= 0) & (ends > 0) & (starts < epochs * epoch_ns))
    first = np.maximum(starts[rows], 0) // epoch_ns
    count = -(-ends[rows] // epoch_ns) - first
    # One line for every pair of a window and an epoch that share time.
    of = np.repeat(rows, count)
    epoch = np.arange(len(of)) + np.repeat(first - np.cumsum(count) + count, count)
    shared = np.minimum(ends[of], (epoch + 1) * epoch_ns) - np.maximum(starts[of], epoch * epoch_ns)
    code = view.assigned[of]
    np.add.at(cover, (epoch, code), shared)
    np.add.at(weighted, (epoch, code), shared * view.probabilities[of, code].astype(np.float64))
    best = cover.argmax(axis=1)
    there = cover.sum(axis=1) >= 0.5 * epoch_ns
    codes[there] = best[there]
    known = np.flatnonzero(there)
    confidence[known] = weighted[known, best[known]] / cover[known, best[known]]
    return codes, confidence


def stretches_of(
    view: WindowView, grid: EpochGrid, epochs: Iterable[int], allowed: Iterable[str]
) -> list[Stretch]:
    """Labels that accept the predictions of these epochs, with the model as their source.

    Left out are epochs without a prediction, and classes that are not `allowed`: the label scheme
    may have lost them since.
    """
    codes, confidence = epochs_predicted(view, grid)
    names = set(allowed)
    stretches = []
    for epoch in epochs:
        code = int(codes[epoch])
        if code < 0 or view.classes[code] not in names:
            continue
        start_ns, end_ns = grid.span(epoch)
        stretches.append(
            Stretch(start_ns, end_ns, view.classes[code], "model", float(confidence[epoch]))
        )
    return stretches


def lost_classes(
    view: WindowView, grid: EpochGrid, epochs: Iterable[int], allowed: Iterable[str]
) -> list[str]:
    """Classes that are predicted in these epochs and are not `allowed`, in the model's order."""
    codes, _ = epochs_predicted(view, grid)
    names = set(allowed)
    predicted = {int(codes[epoch]) for epoch in epochs}
    return [
        name
        for number, name in enumerate(view.classes)
        if number in predicted and name not in names
    ]


def epochs_within(grid: EpochGrid, spans_s: Iterable[tuple[float, float]]) -> list[int]:
    """Epochs whose middle lies in one of these stretches, or which hold a whole stretch."""
    found = set()
    for start, end in spans_s:
        low_ns, high_ns = to_ns(start), to_ns(end)
        for epoch in range(grid.at(low_ns), grid.at(high_ns - 1) + 1):
            first, last = grid.span(epoch)
            if low_ns <= (first + last) // 2 < high_ns or (first <= low_ns and high_ns <= last):
                found.add(epoch)
    return sorted(epoch for epoch in found if 0 <= epoch < grid.epochs)
