"""From predictions of windows to labels of epochs, for somebody who accepts them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from core.study_labels import NS, EpochGrid, Stretch
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
    for row in rows.tolist():
        start, end, code = max(int(starts[row]), 0), int(ends[row]), int(view.assigned[row])
        probability = float(view.probabilities[row, code])
        for epoch in range(start // epoch_ns, -(-end // epoch_ns)):
            shared = min(end, (epoch + 1) * epoch_ns) - max(start, epoch * epoch_ns)
            cover[epoch, code] += shared
            weighted[epoch, code] += shared * probability
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
