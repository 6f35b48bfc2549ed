"""What happens to the predictions when modalities are removed.

A subset of the modalities scores a window with what is in the subset and present in the window;
where that is nothing, the window is left out and counted. The model is seen only through a
function from keep-masks to probabilities, so that any model and any head can be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np

from core.evaluate import as_json, bootstrap_weights, confusion_figures, predicted_classes
from core.progress import RunContext

EXACT_LIMIT = 10
"""Up to this many modalities every subset is asked (1023); above it they are sampled."""

SAMPLED_SUBSETS = 512

Predict = Callable[[np.ndarray], np.ndarray]
"""From keep, bool (windows, modalities), to probabilities (windows, classes)."""


@dataclass(frozen=True)
class SubsetPlan:
    """Which subsets are asked, in order: by size descending, then in scheme order.

    `permutations` is empty when every subset is asked. Otherwise each is an order of the
    modalities whose leading parts are all among `kept`: Shapley values are estimated along them.
    """

    n_modalities: int
    kept: tuple[tuple[int, ...], ...]
    permutations: tuple[tuple[int, ...], ...] = ()

    @property
    def sampled(self) -> bool:
        return bool(self.permutations)


@dataclass(frozen=True, eq=False)
class SubsetPredictions:
    """Class probabilities of every window under every asked subset.

    present: bool (windows, modalities), in scheme order.
    probabilities: float32 (subsets, windows, classes), in the order of `plan.kept`; NaN where the
        subset and the window's present modalities have nothing in common.
    """

    plan: SubsetPlan
    present: np.ndarray
    probabilities: np.ndarray

    @property
    def kept(self) -> tuple[tuple[int, ...], ...]:
        return self.plan.kept

    @property
    def full(self) -> np.ndarray:
        """Probabilities with everything that is present, float32 (windows, classes)."""
        return self.probabilities[0]

    def classes(self) -> np.ndarray:
        """Predicted class under each subset, int64 (subsets, windows); -1 where empty."""
        return predicted_classes(self.probabilities)

    def select(self, windows: np.ndarray) -> SubsetPredictions:
        """The predictions of some windows, by index or bool mask."""
        return SubsetPredictions(
            self.plan, self.present[windows], np.ascontiguousarray(self.probabilities[:, windows])
        )


def subsets(n_modalities: int) -> list[tuple[int, ...]]:
    """All non-empty subsets of modality numbers, by size descending, then in scheme order."""
    if n_modalities < 1:
        raise ValueError("there is no subset of no modality")
    everything = range(n_modalities)
    return [s for size in range(n_modalities, 0, -1) for s in combinations(everything, size)]


def plan_subsets(
    n_modalities: int,
    exact_limit: int = EXACT_LIMIT,
    count: int = SAMPLED_SUBSETS,
    seed: int = 0,
) -> SubsetPlan:
    """Every subset up to `exact_limit` modalities, above it about `count` sampled ones.

    Sampled are the full set, all leave-one-outs, all single modalities and the leading parts of
    random permutations, drawn in pairs of a permutation and its reverse (at least one pair),
    until another pair would exceed `count`.
    """
    if n_modalities <= exact_limit:
        return SubsetPlan(n_modalities, tuple(subsets(n_modalities)))
    rng = np.random.default_rng(seed)
    chosen = {tuple(range(n_modalities))}
    for size in (1, n_modalities - 1):
        chosen.update(combinations(range(n_modalities), size))
    permutations: list[tuple[int, ...]] = []
    # A pair adds at most 2 (n - 3) subsets; the second bound is for few modalities, where pairs
    # soon add nothing new.
    while not permutations or (
        len(chosen) + 2 * (n_modalities - 3) <= count and len(permutations) < 2 * count
    ):
        forward = rng.permutation(n_modalities)
        for order in (forward, forward[::-1]):
            permutations.append(tuple(int(m) for m in order))
            chosen.update(_leading_parts(permutations[-1]))
    kept = sorted(chosen, key=lambda s: (-len(s), s))
    return SubsetPlan(n_modalities, tuple(kept), tuple(permutations))


def sampled_subsets(n_modalities: int, count: int, seed: int) -> list[tuple[int, ...]]:
    """About `count` subsets, with the full set, all leave-one-outs and all single modalities.

    At least as many as these and one pair of permutations need; see `plan_subsets`.
    """
    return list(plan_subsets(n_modalities, exact_limit=0, count=count, seed=seed).kept)


def _leading_parts(order: Sequence[int]) -> list[tuple[int, ...]]:
    return [tuple(sorted(order[:k])) for k in range(1, len(order) + 1)]


def predict_subsets(
    predict: Predict,
    present: np.ndarray,
    n_classes: int,
    plan: SubsetPlan | None = None,
    context: RunContext | None = None,
) -> SubsetPredictions:
    """Ask a model for every subset, once per distinct mask.

    Parameters
    ----------
    predict: called with keep, bool (windows, modalities) = subset and present; rows of its answer
        for windows that keep nothing are ignored. With a context head it sees the whole sequence
        with the modality gone, which is what removing a modality from a recording means.
    present: bool (windows, modalities).
    n_classes: number of columns of the answer.
    context: asked before each subset whether to stop.
    """
    present = np.asarray(present, dtype=bool)
    n_windows, n_modalities = present.shape
    if plan is None:
        plan = plan_subsets(n_modalities)
    if plan.n_modalities != n_modalities:
        raise ValueError(f"the plan has {plan.n_modalities} modalities, not {n_modalities}")
    probabilities = np.full((len(plan.kept), n_windows, n_classes), np.nan, dtype=np.float32)
    # Modalities that no window has make subsets equal; such masks are asked once.
    recorded: np.ndarray = np.any(present, axis=0)
    asked: dict[tuple[int, ...], int] = {}
    for row, kept in enumerate(plan.kept):
        effective = tuple(m for m in kept if recorded[m])
        if not effective:
            continue
        if effective in asked:
            probabilities[row] = probabilities[asked[effective]]
            continue
        if context is not None:
            context.look()
        keep = np.zeros_like(present)
        keep[:, effective] = present[:, effective]
        answer = np.asarray(predict(keep), dtype=np.float32)
        if answer.shape != (n_windows, n_classes):
            raise ValueError(
                f"the model answered with shape {answer.shape}, expected {(n_windows, n_classes)}"
            )
        something = keep.any(axis=1)
        probabilities[row, something] = answer[something]
        asked[effective] = row
    return SubsetPredictions(plan, present, probabilities)


def pool(parts: Sequence[SubsetPredictions]) -> SubsetPredictions:
    """Put the windows of several folds or recordings one after the other."""
    if not parts:
        raise ValueError("nothing to pool")
    if any(part.plan != parts[0].plan for part in parts):
        raise ValueError("the parts were asked for different subsets")
    return SubsetPredictions(
        parts[0].plan,
        np.concatenate([part.present for part in parts]),
        np.concatenate([part.probabilities for part in parts], axis=1),
    )


def fragility(predictions: SubsetPredictions) -> np.ndarray:
    """How easily a window's class changes when modalities go, float32 (windows,).

    The share of the proper non-empty subsets of the window's present modalities whose class
    differs from that of all of them; 0 when one modality is present, NaN when none is. With
    sampled subsets, the share of the distinct sampled ones.
    """
    present = predictions.present
    result = np.full(len(present), np.nan, dtype=np.float32)
    if not len(present):
        return result
    classes = predictions.classes()
    subset_bits = _bits(_membership(predictions.plan))
    patterns, group_of = np.unique(_bits(present), return_inverse=True)
    for g, pattern in enumerate(patterns):
        if pattern == 0:
            continue
        windows = np.flatnonzero(group_of == g)
        effective, first = np.unique(subset_bits & pattern, return_index=True)
        proper = first[(effective != 0) & (effective != pattern)]
        if len(proper):
            changed = classes[np.ix_(proper, windows)] != classes[0, windows]
            result[windows] = changed.mean(axis=0)
        else:
            result[windows] = 0.0
    return result


def _membership(plan: SubsetPlan) -> np.ndarray:
    """bool (subsets, modalities)."""
    members = np.zeros((len(plan.kept), plan.n_modalities), dtype=bool)
    for row, kept in enumerate(plan.kept):
        members[row, list(kept)] = True
    return members


def _bits(masks: np.ndarray) -> np.ndarray:
    """Each row of a bool matrix as one integer; modality m is bit m."""
    if masks.shape[1] > 62:
        raise ValueError("more than 62 modalities do not fit a bit mask")
    return masks.astype(np.int64) @ (np.int64(1) << np.arange(masks.shape[1], dtype=np.int64))


def shapley(predictions: SubsetPredictions, class_shares: np.ndarray) -> np.ndarray:
    """What each present modality adds to the probability of the predicted class.

    The game of a window is v(S) = probability of the class that all present modalities predict,
    given S and present; v(nothing) = that class's share in training. Subsets that have the same
    present modalities count as one, by the largest of them: with a head that sees neighbouring
    windows they may differ by what those have. Absent modalities then add nothing and are NaN.
    The values of a window add up to v(present) - v(nothing).
    Exact when every subset was asked, else the mean over the plan's permutations (Castro, Gomez,
    Tejada 2009), which add up just as well.

    Parameters
    ----------
    class_shares: (classes,), or (windows, classes) where folds were trained on different windows.

    Returns
    -------
    float32 (windows, modalities); NaN for absent modalities and windows with nothing present.
    """
    probabilities, present = predictions.probabilities, predictions.present
    n_windows, n_classes = probabilities.shape[1:]
    shares = np.broadcast_to(np.asarray(class_shares, dtype=np.float64), (n_windows, n_classes))
    given = predicted_classes(predictions.full)
    chosen = np.maximum(given, 0)
    nothing = shares[np.arange(n_windows), chosen]
    values = np.take_along_axis(probabilities, chosen[None, :, None], axis=2)[:, :, 0]
    game = np.concatenate([nothing[None], values.astype(np.float64)])  # (1 + subsets, windows)
    subset_bits = _bits(_membership(predictions.plan))
    patterns, group_of = np.unique(_bits(present), return_inverse=True)
    for g, pattern in enumerate(patterns):
        windows = np.flatnonzero(group_of == g)
        effective, first, same = np.unique(
            subset_bits & pattern, return_index=True, return_inverse=True
        )
        source = np.where(effective == 0, 0, first + 1)[same]
        game[1:, windows] = game[np.ix_(source, windows)]
    result = (_shapley_weights(predictions.plan).T @ game).T
    result[~present | (given < 0)[:, None]] = np.nan
    return result.astype(np.float32)


def _shapley_weights(plan: SubsetPlan) -> np.ndarray:
    """Weight of each v(S) in each modality's value, (1 + subsets, modalities); row 0 is v(∅)."""
    n = plan.n_modalities
    weights = np.zeros((1 + len(plan.kept), n))
    if not plan.sampled:
        # v(S) counts for a member by what it completes, against a non-member by what it starts.
        joins = [factorial(k) * factorial(n - k - 1) / factorial(n) for k in range(n)]
        weights[0] = -joins[0]
        for row, members in enumerate(_membership(plan), start=1):
            size = int(members.sum())
            weights[row, members] = joins[size - 1]
            if size < n:
                weights[row, ~members] = -joins[size]
        return weights
    row_of = {kept: row for row, kept in enumerate(plan.kept, start=1)}
    for order in plan.permutations:
        before = 0
        for m, part in zip(order, _leading_parts(order), strict=True):
            weights[row_of[part], m] += 1.0
            weights[before, m] -= 1.0
            before = row_of[part]
    return weights / len(plan.permutations)


def robustness_report(
    predictions: SubsetPredictions,
    modalities: Sequence[str],
    *,
    labels: np.ndarray | None = None,
    subjects: Sequence[str] | np.ndarray | None = None,
    shapley_values: np.ndarray | None = None,
    fragilities: np.ndarray | None = None,
    seed: int = 0,
    context: RunContext | None = None,
) -> dict[str, Any]:
    """The `robustness` part of a report: plain JSON types, undefined figures None.

    With labels, every figure of a subset stands on the labelled windows; without any, agreement
    stands on all windows and the scores are None. `agreement` is the share of the windows with
    the same class as under the full set; `windows` are those with an answer, `left_out` those
    without. `mean_macro_f1` is the mean over all subsets, the full one included.
    `worst_single_removal` names the leave-one-out with the lowest macro F1; `drop` is the full
    set's macro F1 less that, `drop_same_windows` the same with the full set scored only on the
    windows that the subset answered. `least_loss_path` removes one modality after the other,
    each time the one that costs least macro F1 (agreement without labels); empty when sampled.

    Parameters
    ----------
    modalities: names in scheme order.
    labels: int64 (windows,), -1 unlabelled. subjects: (windows,), for the intervals.
    shapley_values: as from `shapley`. fragilities: as from `fragility`.
    context: asked before each subset whether to stop.
    """
    plan = predictions.plan
    if len(modalities) != plan.n_modalities:
        raise ValueError(f"{len(modalities)} modality names for {plan.n_modalities} modalities")
    n_windows, n_classes = predictions.probabilities.shape[1:]
    truth = (
        np.full(n_windows, -1, dtype=np.int64)
        if labels is None
        else np.asarray(labels, dtype=np.int64)
    )
    has_labels = bool((truth >= 0).any())
    eligible = truth >= 0 if has_labels else np.ones(n_windows, dtype=bool)
    classes = predictions.classes()[:, eligible]
    truth = truth[eligible]
    names, subject_of = _subject_numbers(subjects, eligible)
    intervals = has_labels and len(names) >= 2
    weights = bootstrap_weights(len(names), seed) if intervals else None

    rows: list[dict[str, Any]] = []
    for row, kept in enumerate(plan.kept):
        if context is not None:
            context.look()
        answered = classes[row] >= 0
        same = classes[row, answered] == classes[0, answered]
        entry: dict[str, Any] = {
            "kept": [str(modalities[m]) for m in kept],
            "windows": int(answered.sum()),
            "left_out": int((~answered).sum()),
            "macro_f1": None,
            "balanced_accuracy": None,
            "agreement": float(same.mean()) if len(same) else None,
            "ci95": None,
        }
        if has_labels and answered.any():
            counts = _confusions(
                truth[answered],
                classes[row, answered],
                subject_of[answered],
                len(names),
                n_classes,
            )
            figures = confusion_figures(counts.sum(axis=0))
            entry["macro_f1"] = float(figures["macro_f1"])
            entry["balanced_accuracy"] = float(figures["balanced_accuracy"])
            if weights is not None:
                pooled = (weights @ counts.reshape(len(names), -1)).reshape(
                    -1, n_classes, n_classes
                )
                drawn = confusion_figures(pooled)["macro_f1"]
                drawn = drawn[np.isfinite(drawn)]
                entry["ci95"] = [float(v) for v in np.percentile(drawn, [2.5, 97.5])]
        rows.append(entry)

    scores = [entry["macro_f1"] for entry in rows if entry["macro_f1"] is not None]
    report: dict[str, Any] = {
        "windows": int(eligible.sum()),
        "left_out": int((classes[0] < 0).sum()),
        "sampled": plan.sampled,
        "subsets": rows,
        "mean_macro_f1": float(np.mean(scores)) if scores else None,
        "worst_single_removal": _worst_single_removal(plan, rows, modalities, truth, classes),
        "least_loss_path": _least_loss_path(plan, rows, modalities),
    }
    report.update(_overall_shapley(shapley_values, modalities))
    report["mean_fragility"] = _nanmean(fragilities)
    return as_json(report)


def _subject_numbers(
    subjects: Sequence[str] | np.ndarray | None, eligible: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if subjects is None:
        return np.array(["all"]), np.zeros(int(eligible.sum()), dtype=np.int64)
    names, numbers = np.unique(np.asarray(subjects, dtype=str)[eligible], return_inverse=True)
    return names, numbers.astype(np.int64)


def _confusions(
    truth: np.ndarray, given: np.ndarray, subject_of: np.ndarray, n_subjects: int, n_classes: int
) -> np.ndarray:
    """Confusion counts (subjects, classes, classes), zeros for subjects without a window here."""
    flat = (subject_of * n_classes + truth) * n_classes + given
    counts = np.bincount(flat, minlength=n_subjects * n_classes * n_classes)
    return counts.reshape(n_subjects, n_classes, n_classes).astype(np.float64)


def _worst_single_removal(
    plan: SubsetPlan,
    rows: list[dict[str, Any]],
    modalities: Sequence[str],
    truth: np.ndarray,
    classes: np.ndarray,
) -> dict[str, Any]:
    nothing = {"removed": None, "macro_f1": None, "drop": None, "drop_same_windows": None}
    n = plan.n_modalities
    removals = [
        (row, next(m for m in range(n) if m not in kept))
        for row, kept in enumerate(plan.kept)
        if len(kept) == n - 1 and rows[row]["macro_f1"] is not None
    ]
    if not removals:
        return nothing
    row, removed = min(removals, key=lambda item: (rows[item[0]]["macro_f1"], item[1]))
    answered = classes[row] >= 0
    n_classes = int(max(truth.max(), classes.max())) + 1
    everybody = np.zeros(int(answered.sum()), dtype=np.int64)
    full = _confusions(truth[answered], classes[0, answered], everybody, 1, n_classes)[0]
    lowest = rows[row]["macro_f1"]
    return {
        "removed": str(modalities[removed]),
        "macro_f1": lowest,
        "drop": rows[0]["macro_f1"] - lowest,
        "drop_same_windows": float(confusion_figures(full)["macro_f1"]) - lowest,
    }


def _least_loss_path(
    plan: SubsetPlan, rows: list[dict[str, Any]], modalities: Sequence[str]
) -> list[dict[str, Any]]:
    if plan.sampled:
        return []
    row_of = {kept: row for row, kept in enumerate(plan.kept)}
    figure = "macro_f1" if rows[0]["macro_f1"] is not None else "agreement"
    kept = plan.kept[0]
    path: list[dict[str, Any]] = []
    while len(kept) > 1:
        steps = [(m, tuple(k for k in kept if k != m)) for m in kept]
        scored = [
            (rows[row_of[rest]][figure], m, rest)
            for m, rest in steps
            if rows[row_of[rest]][figure] is not None
        ]
        if not scored:
            break
        _, removed, kept = max(scored, key=lambda item: (item[0], -item[1]))
        entry = rows[row_of[kept]]
        path.append(
            {
                "removed": str(modalities[removed]),
                "kept": entry["kept"],
                "macro_f1": entry["macro_f1"],
                "agreement": entry["agreement"],
            }
        )
    return path


def _overall_shapley(values: np.ndarray | None, modalities: Sequence[str]) -> dict[str, Any]:
    """Mean and mean absolute Shapley value of each modality over the windows that have it."""
    mean: dict[str, float | None] = {}
    absolute: dict[str, float | None] = {}
    windows: dict[str, int] = {}
    for m, name in enumerate(modalities):
        column = None if values is None else values[:, m]
        mean[str(name)] = _nanmean(column)
        absolute[str(name)] = _nanmean(None if column is None else np.abs(column))
        windows[str(name)] = 0 if column is None else int(np.isfinite(column).sum())
    return {"shapley": mean, "shapley_absolute": absolute, "shapley_windows": windows}


def _nanmean(values: np.ndarray | None) -> float | None:
    if values is None:
        return None
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None
