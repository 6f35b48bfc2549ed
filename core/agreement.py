"""How far raters agree on epochs, and one row of labels made of several raters' rows.

A row holds the number of a class for each epoch, -1 where there is no label. Unlabelled is never a
class: only epochs that both raters (or, of several, at least two) labelled are compared. A figure
that is not defined is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.labels import UNLABELLED

# ---------------------------------------------------------------- two raters


@dataclass(frozen=True, eq=False)
class Agreement:
    """What two raters have in common; by class in the order of `classes`.

    Attributes
    ----------
    epochs: number of epochs that both labelled; everything else is about these.
    confusion: int64 (classes, classes), epochs by the first rater's class (rows) and the second's.
    accuracy: share of epochs in which they agree.
    kappa: Cohen's; None also where chance alone would make them agree always, since both used one
        and the same class throughout.
    class_kappa: Cohen's kappa of this class against all others.
    class_agreement: positive agreement, 2 × both / (first + second): Dice's coefficient, and the F1
        score of either rater by the other; None where neither used the class.
    disagreements: int64, the epochs in which they differ, rising.
    """

    classes: tuple[str, ...]
    epochs: int
    confusion: np.ndarray
    accuracy: float | None
    kappa: float | None
    class_kappa: tuple[float | None, ...]
    class_agreement: tuple[float | None, ...]
    disagreements: np.ndarray


def agreement(first: np.ndarray, second: np.ndarray, classes: Sequence[str]) -> Agreement:
    """Compare two rows of class numbers, each int (epochs,). ValueError where they do not fit."""
    rows = _checked([first, second], len(classes))
    both = (rows != UNLABELLED).all(axis=0)
    a, b = rows[:, both]
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (a, b), 1)
    agreed = [int(count) for count in np.diag(confusion)]
    # By class: how often the first used it, and the second.
    used = list(zip(confusion.sum(axis=1).tolist(), confusion.sum(axis=0).tolist(), strict=True))
    epochs = len(a)
    return Agreement(
        classes=tuple(classes),
        epochs=epochs,
        confusion=confusion,
        accuracy=sum(agreed) / epochs if epochs else None,
        kappa=_kappa(epochs, sum(agreed), sum(x * y for x, y in used)),
        class_kappa=tuple(
            # Both say this class, or both say another one.
            _kappa(epochs, epochs - x - y + 2 * k, x * y + (epochs - x) * (epochs - y))
            for k, (x, y) in zip(agreed, used, strict=True)
        ),
        class_agreement=tuple(
            2 * k / (x + y) if x + y else None for k, (x, y) in zip(agreed, used, strict=True)
        ),
        disagreements=np.flatnonzero(both & (rows[0] != rows[1])),
    )


def _kappa(epochs: int, agreed: int, by_chance: int) -> float | None:
    """Cohen's kappa from whole numbers; `by_chance` is what chance agrees on, times `epochs`."""
    room = epochs * epochs - by_chance
    return (epochs * agreed - by_chance) / room if room else None


# ---------------------------------------------------------------- several raters


def consensus(
    rows: Sequence[np.ndarray] | np.ndarray,
    order: Sequence[int] | None = None,
    *,
    tie: Literal["unlabelled", "first"] = "unlabelled",
    minimum: int = 2,
) -> np.ndarray:
    """The class that most raters gave each epoch, int64 (epochs,), -1 where there is none.

    `rows` has one row of class numbers per rater, at least two. Epochs with fewer than `minimum`
    labels are unlabelled. In a tie between classes the epoch is unlabelled, or with `tie="first"`
    gets that of the tied classes which the first rater of `order` chose; `order` holds row
    numbers, the most trusted rater first, and left out is the order of the rows.
    """
    votes = _checked(rows)
    if len(votes) < 2:
        raise ValueError("a consensus needs at least two raters")
    if minimum < 1:
        raise ValueError("minimum must be at least 1")
    ranking = range(len(votes)) if order is None else order
    if sorted(ranking) != list(range(len(votes))):
        raise ValueError("order must name each row once")
    counts = _counts(votes)
    most = counts.max(axis=0, initial=0)
    best = (counts == most) & (most > 0)
    result = np.where(best.sum(axis=0) == 1, best.argmax(axis=0), UNLABELLED)
    if tie == "first":
        epochs = np.arange(votes.shape[1])
        for number in ranking:
            row = votes[number]
            # Where the rater has no label, any class will do for looking up: it is not taken.
            takes = (result == UNLABELLED) & (row != UNLABELLED) & best[row, epochs]
            result = np.where(takes, row, result)
    result[counts.sum(axis=0) < minimum] = UNLABELLED
    return result.astype(np.int64)


def fleiss_kappa(rows: Sequence[np.ndarray] | np.ndarray) -> float | None:
    """Fleiss' kappa of several raters over the epochs that at least two of them labelled.

    Where not all raters labelled an epoch, those who did count, and each epoch weighs the same.
    None where there is no such epoch or all labels are of one class.
    """
    counts = _counts(_checked(rows))
    labels = counts.sum(axis=0)
    counts, labels = counts[:, labels >= 2], labels[labels >= 2]
    if not len(labels) or (counts.sum(axis=1) > 0).sum() < 2:
        return None
    agreed = ((counts * (counts - 1)).sum(axis=0) / (labels * (labels - 1))).mean()
    by_chance = ((counts / labels).mean(axis=1) ** 2).sum()
    return float((agreed - by_chance) / (1 - by_chance))


def _counts(rows: np.ndarray) -> np.ndarray:
    """How many raters gave each class, int64 (classes, epochs), classes up to the highest met."""
    return np.stack(
        [(rows == number).sum(axis=0) for number in range(int(rows.max(initial=-1)) + 1)]
        or [np.zeros(rows.shape[1], np.int64)]
    )


def _checked(rows: Sequence[np.ndarray] | np.ndarray, classes: int | None = None) -> np.ndarray:
    """Rows as int64 (raters, epochs); ValueError for other numbers than classes and -1."""
    arrays = [np.asarray(row) for row in rows]
    if any(array.ndim != 1 or array.shape != arrays[0].shape for array in arrays):
        raise ValueError("raters must have one label, or -1, for each of the same epochs")
    if not arrays:
        return np.empty((0, 0), np.int64)
    if any(array.size and array.dtype.kind not in "iu" for array in arrays):
        raise ValueError("labels must be numbers of classes")
    table = np.stack([array.astype(np.int64) for array in arrays])
    if table.min(initial=0) < UNLABELLED:
        raise ValueError("the number of a class is 0 or more, and -1 is unlabelled")
    if classes is not None and table.max(initial=-1) >= classes:
        raise ValueError(f"there are {classes} classes, and a label is {table.max()}")
    return table


# ---------------------------------------------------------------- from labels to epochs


def epoch_codes(
    starts_ns: np.ndarray,
    ends_ns: np.ndarray,
    codes: np.ndarray,
    epoch_ns: int,
    offset_ns: int,
    epochs: int,
) -> np.ndarray:
    """Lay labels on a grid of epochs: the class of each epoch, int64 (epochs,), -1 for none.

    An epoch gets the class that covers most of it, the lowest number in a tie, where labels cover
    at least half of it. Epoch k begins at `offset_ns` + k × `epoch_ns`. Labels are given by start,
    end and class number, int64 (labels,), in order of time and without overlap (ValueError
    otherwise); those of class -1 cover nothing. Times are whole nanoseconds, so nothing is rounded.
    """
    starts, ends, classes = (np.asarray(x, np.int64) for x in (starts_ns, ends_ns, codes))
    if not starts.shape == ends.shape == classes.shape or starts.ndim != 1:
        raise ValueError("labels need a start, an end and a class each")
    if epoch_ns <= 0:
        raise ValueError("an epoch must last longer than nothing")
    if (ends < starts).any() or (starts[1:] < ends[:-1]).any():
        raise ValueError("labels must be in order of time and must not overlap")
    result = np.full(epochs, UNLABELLED, np.int64)
    # Only what lies on the grid.
    grid_end = offset_ns + epochs * epoch_ns
    kept = (classes != UNLABELLED) & (ends > starts) & (ends > offset_ns) & (starts < grid_end)
    if not kept.any():
        return result
    starts = np.maximum(starts[kept], offset_ns) - offset_ns
    ends = np.minimum(ends[kept], grid_end) - offset_ns
    # One piece for each label and each epoch that it touches.
    first = starts // epoch_ns
    pieces = (ends - 1) // epoch_ns - first + 1
    label = np.repeat(np.arange(len(starts)), pieces)
    within = np.arange(len(label)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    epoch = first[label] + within
    begin = epoch * epoch_ns
    length = np.minimum(ends[label], begin + epoch_ns) - np.maximum(starts[label], begin)
    names, number = np.unique(classes[kept], return_inverse=True)
    covered = np.zeros((epochs, len(names)), np.int64)
    np.add.at(covered, (epoch, number[label]), length)
    enough = 2 * covered.sum(axis=1) >= epoch_ns
    result[enough] = names[covered.argmax(axis=1)][enough]
    return result
