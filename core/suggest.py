"""What to label next: windows that stand for many others the model is unsure of.

A set of suggestions is worth as much as it shortens the squared distance, in the embedding, of
every unlabelled window to the nearest one that is labelled or suggested, each weighed by how unsure
the model is of it: k-means with windows as centres, some of which are fixed. So suggestions are
typical of their surroundings, unlike each other and unlike what is labelled, and crowd where the
model is unsure. They are chosen one by one, then exchanged for better ones as long as there are
any. Before there is a model all windows weigh the same.

This was chosen among a dozen ways by the training subjects of two studies (plain distances, BADGE,
weighted k-means++, the farthest of the most unsure, clusters' typical windows, margins alone);
`tests/benchmarks/bench_suggest.py` measures what it saves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.progress import RunContext
from core.seeding import derive_seed

Method = Literal["uncertain_diverse", "uncertain", "random"]
MOST_COMPARED = 2000
"""Windows that are compared with each other; of more, so many are drawn."""
ROWS_AT_ONCE = 256
"""Rows of a table of distances that are worked out at once, to bound memory."""
EXCHANGE_ROUNDS = 5
"""How often each suggestion may be exchanged for a better one."""


@dataclass(frozen=True, eq=False)
class Places:
    """Where windows lie, so that no two suggestions share time.

    Attributes
    ----------
    recording_index: int64 (windows,). starts_s: float64 (windows,), from the recording's start.
    length_s: of every window.
    """

    recording_index: np.ndarray
    starts_s: np.ndarray
    length_s: float

    def overlapping(self, row: int) -> np.ndarray:
        """Windows that share time with one, itself included; bool (windows,)."""
        apart_s = np.abs(self.starts_s - self.starts_s[row])
        # Neighbours touch; rounding of their starts is no overlap.
        shares: np.ndarray = apart_s < self.length_s * (1 - 1e-6)
        shares &= self.recording_index == self.recording_index[row]
        shares[row] = True
        return shares

    def part(self, rows: np.ndarray) -> Places:
        """These windows alone."""
        return Places(self.recording_index[rows], self.starts_s[rows], self.length_s)


def suggest(
    embedding: np.ndarray,
    probabilities: np.ndarray | None,
    labelled: np.ndarray,
    allowed: np.ndarray,
    count: int = 10,
    *,
    places: Places | None = None,
    method: Method = "uncertain_diverse",
    seed: int = 0,
    context: RunContext = RunContext(),  # noqa: B008 (it is frozen)
) -> np.ndarray:
    """Rows of up to `count` windows that are best labelled next, the best first; int64.

    Parameters
    ----------
    embedding: float32 (windows, g), NaN where nothing is present; such are never suggested.
    probabilities: (windows, classes) by the present model; None while there is none, because
        nothing is labelled yet, or one class only.
    labelled: bool (windows,), those that have a label.
    allowed: bool (windows,), those that may be suggested, labelled or not.
    places: where they lie in time; None where no two can overlap.
    method: `uncertain` takes the smallest margins between the two likeliest classes, once there is
        a model; `random` draws. Both are there to be compared with.

    The same input gives the same rows. Takes up to a second or two. Raises Cancelled.
    """
    pool = np.flatnonzero(np.isfinite(embedding).all(axis=1) & allowed & ~labelled)
    rng = np.random.default_rng(derive_seed(seed, "suggest", method))
    doubt = uncertainty(probabilities) if probabilities is not None else np.ones(len(embedding))
    if method == "random":
        return _first_apart(rng.permutation(pool), count, places)
    if method == "uncertain" and probabilities is not None:
        return _first_apart(pool[np.argsort(-doubt[pool], kind="stable")], count, places)
    if len(pool) > MOST_COMPARED:
        pool = np.sort(rng.choice(pool, MOST_COMPARED, replace=False))
    known = embedding[labelled & np.isfinite(embedding).all(axis=1)]
    coverage = _Coverage(
        embedding[pool],
        doubt[pool],
        known,
        places.part(pool) if places is not None else None,
        context,
    )
    rows: np.ndarray = pool[coverage.choose(min(count, len(pool)))]
    return rows


def uncertainty(probabilities: np.ndarray) -> np.ndarray:
    """1 less the margin between the two likeliest classes: 0 sure, 1 torn; float64 (windows,).

    1 where there is no prediction, and with fewer than two classes.
    """
    if probabilities.shape[1] < 2:
        return np.ones(len(probabilities))
    ordered = np.sort(probabilities.astype(np.float64), axis=1)
    doubt: np.ndarray = 1.0 - (ordered[:, -1] - ordered[:, -2])
    return np.nan_to_num(doubt, nan=1.0)


def two_likeliest(probabilities: np.ndarray) -> np.ndarray:
    """Between which two classes the model is torn: int64 (windows, 2), the likelier one first.

    -1 where there is no prediction, or no second class.
    """
    count = len(probabilities)
    result = np.full((count, 2), -1, np.int64)
    known = np.isfinite(probabilities).all(axis=1)
    order = np.argsort(-probabilities[known], axis=1, kind="stable")[:, :2]
    result[known, : order.shape[1]] = order
    return result


def _first_apart(order: np.ndarray, count: int, places: Places | None) -> np.ndarray:
    """The first rows of an order of which no two share time."""
    if places is None:
        return order[:count].astype(np.int64)
    chosen: list[int] = []
    taken = np.zeros(len(places.starts_s), bool)
    for row in order.tolist():
        if len(chosen) == count:
            break
        if not taken[row]:
            chosen.append(row)
            taken |= places.overlapping(row)
    return np.array(chosen, np.int64)


class _Coverage:
    """How far the windows of a pool lie from the nearest that is labelled or suggested; distances
    are squared."""

    def __init__(
        self,
        rows: np.ndarray,
        weights: np.ndarray,
        known: np.ndarray,
        places: Places | None,
        context: RunContext,
    ) -> None:
        """`rows` float32 (pool, g), `weights` (pool,), `known` (k, g): what is labelled."""
        self._weights = weights.astype(np.float32)
        self._places = places
        self._context = context
        self._apart = _distances(rows, rows, context)
        # With nothing labelled, all are as far away as any two of them.
        self._nearest = np.full(len(rows), self._apart.max(initial=0.0), np.float32)
        for start in range(0, len(known), ROWS_AT_ONCE):
            part = _distances(known[start : start + ROWS_AT_ONCE], rows, context)
            np.minimum(self._nearest, part.min(axis=0), out=self._nearest)

    def choose(self, count: int) -> list[int]:
        """Places in the pool of a good set, what is worth most first."""
        chosen: list[int] = []
        while len(chosen) < count:
            best = self._best_beside(chosen)
            if best is None:
                break
            chosen.append(best)
        for _ in range(EXCHANGE_ROUNDS):
            before = list(chosen)
            for k in range(len(chosen)):
                others = chosen[:k] + chosen[k + 1 :]
                best = self._best_beside(others)
                chosen[k] = chosen[k] if best is None else best
            if chosen == before:
                break
        return self._by_worth(chosen)

    def _best_beside(self, others: Sequence[int]) -> int | None:
        """The window that adds most to others; None where all share time with them."""
        self._context.step("suggesting")
        nearest = self._nearest
        free = np.ones(len(nearest), bool)
        for place in others:
            nearest = np.minimum(nearest, self._apart[place])
            free[place] = False
            if self._places is not None:
                free &= ~self._places.overlapping(place)
        candidates = np.flatnonzero(free)
        if not len(candidates):
            return None
        return int(candidates[self._gains(candidates, nearest).argmax()])

    def _gains(self, candidates: np.ndarray, nearest: np.ndarray) -> np.ndarray:
        """How much each candidate shortens the distances, float32 (candidates,)."""
        gains = np.empty(len(candidates), np.float32)
        for start in range(0, len(candidates), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            shorter = np.maximum(nearest - self._apart[candidates[part]], 0)
            gains[part] = shorter @ self._weights
        return gains

    def _by_worth(self, chosen: Sequence[int]) -> list[int]:
        """The same windows, each time the one first that adds most."""
        left, order = np.array(sorted(chosen), np.int64), []
        nearest = self._nearest
        while len(left):
            best = int(left[self._gains(left, nearest).argmax()])
            order.append(best)
            nearest = np.minimum(nearest, self._apart[best])
            left = left[left != best]
        return order


def _distances(some: np.ndarray, others: np.ndarray, context: RunContext) -> np.ndarray:
    """Squared Euclidean distances, float32 (some, others)."""
    result = np.empty((len(some), len(others)), np.float32)
    if not result.size:
        return result
    # Near the origin, differences of squares lose less to rounding.
    middle = others.mean(axis=0)
    some, others = some - middle, others - middle
    squares = (others * others).sum(axis=1)
    for start in range(0, len(some), ROWS_AT_ONCE):
        context.step("suggesting")
        part = some[start : start + ROWS_AT_ONCE]
        squared = part @ others.T
        squared *= -2
        squared += squares
        squared += (part * part).sum(axis=1)[:, None]
        np.maximum(squared, 0, out=result[start : start + ROWS_AT_ONCE])
    return result
