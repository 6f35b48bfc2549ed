"""Opponents on hand-made features: what any model here has to beat.

They see the same windows, folds and label draws. Missing values are filled with the training
mean, which is how an absent or removed modality looks to them; a dedicated opponent is trained
on the columns of one subset alone. Trees are grown a few at a time, so that a training can be
stopped; the result is that of growing them all at once.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from core.errors import DataError
from core.features import FeatureTable
from core.progress import RunContext
from core.robustness import SubsetPlan, SubsetPredictions, predict_subsets

FeatureOpponent = Literal["majority", "random_forest", "logistic_regression", "gradient_boosting"]
FEATURE_OPPONENTS: tuple[FeatureOpponent, ...] = (
    "majority",
    "random_forest",
    "logistic_regression",
    "gradient_boosting",
)

TREES = 400
MAX_ITERATIONS = 3000
MANY_WINDOWS = 20_000
STEP_S = 0.3
"""Trees are grown for about so long between two looks at whether to stop."""
PREDICTED_AT_ONCE = 1000
"""Windows that trees answer for between two looks."""


@dataclass(frozen=True, eq=False)
class FittedOpponent:
    """A trained opponent.

    `fill` are the training means of the features, `scale` their deviations (1 where constant).
    `shares` are the classes' shares among the labels it was trained on. `notes` are sentences
    about the training.
    """

    kind: FeatureOpponent
    n_classes: int
    shares: np.ndarray
    fill: np.ndarray
    scale: np.ndarray
    model: Any | None
    notes: tuple[str, ...] = ()

    def predict(self, features: np.ndarray, context: RunContext | None = None) -> np.ndarray:
        """Class probabilities, float32 (windows, classes), from features that may hold NaN."""
        if self.model is None:
            return np.tile(self.shares.astype(np.float32), (len(features), 1))
        result = np.zeros((len(features), self.n_classes), dtype=np.float32)
        # A tree answers for each window alone; a matrix product may round otherwise in parts.
        size = len(features) if self.kind == "logistic_regression" else PREDICTED_AT_ONCE
        for start in range(0, len(features), max(size, 1)):
            if context is not None:
                context.look()
            ready = _standardised(features[start : start + size], self.fill, self.scale)
            with threadpool_limits(limits=1):
                answer = self.model.predict_proba(ready)
            result[start : start + size, self.model.classes_] = answer
        return result


def _standardised(features: np.ndarray, fill: np.ndarray, scale: np.ndarray) -> np.ndarray:
    # In float64: variances of minute features vanish in float32. Beyond ±50 deviations lies
    # nothing but artefacts that would make a linear model useless.
    values = np.asarray(features, dtype=np.float64)
    values = np.where(np.isfinite(values), values, fill)
    return np.clip((values - fill) / scale, -50.0, 50.0)


def fit(
    kind: FeatureOpponent,
    features: np.ndarray,
    labels: np.ndarray,
    n_classes: int,
    *,
    reference_features: np.ndarray | None = None,
    seed: int = 0,
    n_jobs: int = 1,
    trees: int = TREES,
    context: RunContext | None = None,
) -> FittedOpponent:
    """Train an opponent.

    The forest weighs classes within each tree's draw; logistic regression and boosting weigh
    them inversely to how often they occur. With a single class in training every opponent is the
    majority class, and a note says so.

    Parameters
    ----------
    features: (windows, features), may hold NaN. labels: int64 (windows,); -1 is not used.
    reference_features: all training windows, labelled or not, for means and deviations; the
        labelled ones when not given. Never pass test windows here.
    n_jobs: workers of the forest; the result does not depend on it.
    context: asked about every `STEP_S` seconds whether to stop, but not inside a logistic
        regression, which is one call of the library.

    Raises
    ------
    DataError: no label at all.
    """
    if kind not in FEATURE_OPPONENTS:
        raise ValueError(f"no such opponent: {kind}")
    labels = np.asarray(labels, dtype=np.int64)
    labelled = labels >= 0
    if not labelled.any():
        raise DataError(
            "The training windows of an opponent have no labels; check the label settings."
        )
    basis = np.asarray(features if reference_features is None else reference_features)
    fill, scale = _means(basis)
    train = _standardised(np.asarray(features)[labelled], fill, scale)
    truth = labels[labelled]
    shares = np.bincount(truth, minlength=n_classes) / len(truth)
    notes: list[str] = []
    model: Any | None = None
    if kind != "majority":
        n_present = int(np.count_nonzero(shares))
        if n_present < 2:
            notes.append(
                f"{kind}: the training labels hold one class only, so it always predicts it."
            )
        else:
            context = context or RunContext()
            model = _model(kind, len(truth), n_present, seed, n_jobs, trees)
            # Matrices this small are slowed down up to a hundredfold by threads that wait for
            # each other on a busy machine; the forest's own workers are not meant.
            threads = n_jobs if len(truth) > MANY_WINDOWS else 1
            with threadpool_limits(limits=threads), warnings.catch_warnings():
                # Said in a note below instead, where a report can show it.
                warnings.simplefilter("ignore", ConvergenceWarning)
                if kind == "random_forest":
                    _grow_forest(model, train, truth, n_jobs, context)
                elif kind == "gradient_boosting":
                    _boost(model, train, truth, context)
                else:
                    context.look()
                    model.fit(train, truth)
            if kind == "logistic_regression" and np.max(model.n_iter_) >= MAX_ITERATIONS:
                notes.append(
                    f"logistic_regression: not fully converged in {MAX_ITERATIONS} iterations."
                )
    return FittedOpponent(kind, n_classes, shares, fill, scale, model, tuple(notes))


def _grow_forest(
    forest: RandomForestClassifier,
    train: np.ndarray,
    truth: np.ndarray,
    n_jobs: int,
    context: RunContext,
) -> None:
    """Fit a forest a few trees at a time. Each tree draws from a seed that depends on its number
    alone, so that the steps leave no trace in the result."""
    # The advice is for data that change between the steps.
    warnings.filterwarnings("ignore", message="class_weight presets", category=UserWarning)
    values = train.astype(np.float32)  # what trees are grown on: once, not in every step
    wanted, grown, step = forest.n_estimators, 0, n_jobs
    while grown < wanted:
        context.look()
        began = time.perf_counter()
        grown = min(wanted, grown + step)
        forest.set_params(n_estimators=grown, warm_start=True).fit(values, truth)
        step = _next_step(step, time.perf_counter() - began, n_jobs)
    # Several workers would add the trees' answers up in the order in which they are ready.
    forest.set_params(n_jobs=1)


def _next_step(step: int, seconds: float, least: int) -> int:
    """How many trees to grow next, so that it takes about STEP_S; a multiple of `least`."""
    wanted = int(step * min(4.0, STEP_S / max(seconds, 1e-6)))
    return max(least, wanted - wanted % least)


def _boost(
    boosting: HistGradientBoostingClassifier,
    train: np.ndarray,
    truth: np.ndarray,
    context: RunContext,
) -> None:
    """Fit a boosting, and look after each round: as the score of an early stop that never comes,
    on no validation windows, so that nothing in the result is other than without it."""

    def look(
        estimator: Any, features: np.ndarray, labels: np.ndarray, sample_weight: Any = None
    ) -> float:
        del estimator, features, labels, sample_weight
        context.look()
        return 0.0

    boosting.set_params(
        early_stopping=True,
        validation_fraction=None,
        n_iter_no_change=boosting.max_iter + 1,
        scoring=look,
    ).fit(train, truth)


def _means(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each column over its finite values; 0 and 1 where there are none."""
    values = np.asarray(features, dtype=np.float64)
    finite = np.isfinite(values)
    count = np.maximum(finite.sum(axis=0), 1)
    mean = np.where(finite, values, 0.0).sum(axis=0) / count
    variance = (np.where(finite, values - mean, 0.0) ** 2).sum(axis=0) / count
    scale = np.sqrt(variance)
    # Rounding leaves a constant column a deviation of about 1e-16 of its size.
    constant = scale <= 1e-9 * np.maximum(np.abs(mean), 1e-30)
    return mean, np.where(constant, 1.0, scale)


def _model(
    kind: FeatureOpponent, n_labels: int, n_present: int, seed: int, n_jobs: int, trees: int
) -> Any:
    if kind == "random_forest":
        return RandomForestClassifier(
            n_estimators=trees,
            # Leaves of one window make class weights pointless, every leaf being pure; leaves of
            # more than half an average class cannot tell the classes apart.
            min_samples_leaf=int(np.clip(n_labels // (2 * n_present), 1, 3)),
            class_weight="balanced_subsample",
            random_state=seed,
            n_jobs=n_jobs,
        )
    if kind == "logistic_regression":
        return LogisticRegression(C=0.1, class_weight="balanced", max_iter=MAX_ITERATIONS)
    return HistGradientBoostingClassifier(
        class_weight="balanced",
        # With the library's 20, fewer than 40 labels could not be split even once.
        min_samples_leaf=int(np.clip(n_labels // 20, 1, 20)),
        early_stopping=False,
        random_state=seed,
    )


def fit_predict(
    kind: FeatureOpponent,
    features_train: np.ndarray,
    labels_train: np.ndarray,
    features_test: np.ndarray,
    n_classes: int,
    *,
    reference_features: np.ndarray | None = None,
    seed: int = 0,
    n_jobs: int = 1,
    trees: int = TREES,
    context: RunContext | None = None,
) -> np.ndarray:
    """Train an opponent and predict: class probabilities, float32 (test windows, classes).

    See `fit` for the parameters and errors.
    """
    fitted = fit(
        kind,
        features_train,
        labels_train,
        n_classes,
        reference_features=reference_features,
        seed=seed,
        n_jobs=n_jobs,
        trees=trees,
        context=context,
    )
    return fitted.predict(features_test, context)


def predict_filled_in(
    fitted: FittedOpponent, table: FeatureTable, windows: np.ndarray, kept: Sequence[int]
) -> np.ndarray:
    """Predict with all modalities outside `kept` replaced by their training means.

    Rows that have none of the kept modalities are NaN.
    """
    columns = table.columns(kept)
    values = np.full((len(windows), table.values.shape[1]), np.nan, dtype=np.float32)
    values[:, columns] = table.values[np.ix_(windows, columns)]
    result = fitted.predict(values)
    result[~np.isfinite(values).any(axis=1)] = np.nan
    return result


def fill_in_subsets(
    fitted: FittedOpponent,
    table: FeatureTable,
    windows: np.ndarray,
    present: np.ndarray,
    plan: SubsetPlan | None = None,
) -> SubsetPredictions:
    """Predictions under every subset with training means filled in.

    `windows` are rows of the table; `present` is bool (len(windows), modalities).
    """
    values = table.values[windows]

    def predict(keep: np.ndarray) -> np.ndarray:
        return fitted.predict(np.where(keep[:, table.modality], values, np.nan))

    return predict_subsets(predict, present, fitted.n_classes, plan)


def dedicated(
    kind: FeatureOpponent,
    table: FeatureTable,
    labels: np.ndarray,
    train_windows: np.ndarray,
    test_windows: np.ndarray,
    kept: Sequence[int],
    n_classes: int,
    *,
    seed: int = 0,
    n_jobs: int = 1,
    trees: int = TREES,
    context: RunContext | None = None,
) -> np.ndarray:
    """Train and test on the modalities in `kept` alone: the upper bound for that subset.

    Windows that have none of the kept modalities are not trained on, and their probabilities are
    NaN. `labels` has one entry per row of the table.

    Raises
    ------
    DataError: no labelled training window has any of the modalities.
    """
    columns = table.columns(kept)
    train = table.values[np.ix_(train_windows, columns)]
    test = table.values[np.ix_(test_windows, columns)]
    known = np.isfinite(train).any(axis=1)
    truth = np.asarray(labels)[train_windows]
    if not (known & (truth >= 0)).any():
        names = ", ".join(table.modalities[m] for m in kept)
        raise DataError(
            f"No labelled training window has {names}, so no model can be trained on it alone."
        )
    result = fit_predict(
        kind, train[known], truth[known], test, n_classes,
        seed=seed, n_jobs=n_jobs, trees=trees, context=context,
    )  # fmt: skip
    result[~np.isfinite(test).any(axis=1)] = np.nan
    return result


def adapt_to_person(features: np.ndarray, subjects: Sequence[str] | np.ndarray) -> np.ndarray:
    """Z-score each feature over all windows of the same subject, labelled or not; float32.

    This sees the test person's unlabelled windows (transductive), so results belong in a row of
    their own. A feature that is constant within a subject becomes 0; NaN stays NaN.
    """
    features = np.asarray(features)
    names = np.asarray(subjects, dtype=str)
    result = np.empty(features.shape, dtype=np.float32)
    for name in np.unique(names):
        own = names == name
        mean, scale = _means(features[own])
        result[own] = (features[own].astype(np.float64) - mean) / scale
    return result
