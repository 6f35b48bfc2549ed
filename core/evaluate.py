"""Figures for predictions: one protocol for every model, ours and the opponents'.

Labels are int64 with -1 for unlabelled, probabilities have shape (windows, classes). A figure
that is not defined (no labels, a class that never occurs) is None, never a made-up number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

CALIBRATION_BINS = 15
RESAMPLES = 1000
TEMPERATURE_BOUNDS = (0.05, 20.0)


@dataclass(frozen=True)
class ClassFigures:
    """Figures of one class. `support` counts its true windows, `predicted` those given to it."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    predicted: int


@dataclass(frozen=True)
class SubjectFigures:
    """Figures of one subject; macro F1 over the classes that truly occur in it."""

    macro_f1: float | None
    accuracy: float | None
    windows: int


@dataclass(frozen=True)
class ReliabilityBin:
    """Windows whose confidence is in (lower, upper]: how sure, and how often right."""

    lower: float
    upper: float
    windows: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Evaluation:
    """What `score` found. `windows` were scored; `left_out` had a label but no prediction.

    `confusion` counts windows, rows are the true and columns the predicted class, in the order of
    `classes`. `ci95` is the interval of macro F1, `ci95_by_figure` those of the other figures.
    """

    classes: tuple[str, ...]
    windows: int
    left_out: int
    unlabelled: int
    macro_f1: float | None
    balanced_accuracy: float | None
    accuracy: float | None
    cohen_kappa: float | None
    ece: float | None
    per_class: dict[str, ClassFigures]
    confusion: list[list[int]]
    per_subject: dict[str, SubjectFigures]
    macro_f1_subject_sd: float | None
    ci95: tuple[float, float] | None
    ci95_by_figure: dict[str, tuple[float, float] | None]
    reliability: tuple[ReliabilityBin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; undefined figures are None."""
        return as_json(asdict(self))


def as_json(value: Any) -> Any:
    """Turn numpy scalars, arrays, tuples and non-finite numbers into what JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value


def predicted_classes(probabilities: np.ndarray) -> np.ndarray:
    """The likeliest class of each window, int64; the first of equals; -1 where any is NaN.

    `probabilities` has shape (..., classes), the result shape (...).
    """
    probabilities = np.asarray(probabilities)
    missing = np.isnan(probabilities).any(axis=-1)
    best = np.where(np.isnan(probabilities), -np.inf, probabilities).argmax(axis=-1)
    return np.where(missing, -1, best).astype(np.int64)


def score(
    labels: np.ndarray,
    subjects: Sequence[str] | np.ndarray,
    classes: Sequence[str],
    *,
    probabilities: np.ndarray | None = None,
    predicted: np.ndarray | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Score predictions against labels, pooled and by subject.

    Windows with label -1 are not scored (counted in `unlabelled`). Labelled windows with
    predicted -1 or NaN probabilities, where no modality was present or the model abstained, are
    left out and counted in `left_out`.

    Macro F1 is the mean over the classes that occur in truth or prediction, which is scikit-learn's
    `f1_score(average="macro")` with its default labels; a class that occurs in neither has F1
    None. Balanced accuracy is the mean recall over the classes that truly occur. Cohen's kappa is
    None where chance agreement is 1. ECE is the expected calibration error in 15 equal-width
    bins of the confidence (Guo et al. 2017). The 95 % interval is the percentile bootstrap over
    subjects, None with fewer than two.

    Parameters
    ----------
    labels: int64, shape (windows,).
    subjects: the subject of each window.
    classes: names, in the order of the columns of `probabilities`.
    probabilities: shape (windows, classes), rows sum to 1. Needed for ECE.
    predicted: int64, shape (windows,); the likeliest class when not given.
    """
    if probabilities is None and predicted is None:
        raise ValueError("score needs probabilities or predicted classes")
    labels = np.asarray(labels, dtype=np.int64)
    names = np.asarray(subjects, dtype=str)
    n_classes = len(classes)
    if predicted is None:
        assert probabilities is not None
        predicted = predicted_classes(probabilities)
    else:
        predicted = np.asarray(predicted, dtype=np.int64)
    if probabilities is not None:
        probabilities = np.asarray(probabilities, dtype=np.float64)
        if probabilities.shape != (len(labels), n_classes):
            raise ValueError(
                f"probabilities have shape {probabilities.shape}, "
                f"expected {(len(labels), n_classes)}"
            )
        predicted = np.where(np.isnan(probabilities).any(axis=1), -1, predicted)
    if not len(labels) == len(names) == len(predicted):
        raise ValueError("labels, subjects and predictions differ in length")
    if max(labels.max(initial=-1), predicted.max(initial=-1)) >= n_classes:
        raise ValueError(f"a class number is beyond the {n_classes} classes")

    labelled = labels >= 0
    scored = labelled & (predicted >= 0)
    truth, given, names = labels[scored], predicted[scored], names[scored]
    subject_names, by_subject = subject_confusions(truth, given, names, n_classes)
    confusion = by_subject.sum(axis=0)
    figures = confusion_figures(confusion)
    intervals = bootstrap(by_subject, seed=seed, resamples=resamples)

    per_subject = {
        str(name): SubjectFigures(
            macro_f1=_optional(_macro_f1_of_true_classes(matrix)),
            accuracy=_optional(np.trace(matrix) / matrix.sum()),
            windows=int(matrix.sum()),
        )
        for name, matrix in zip(subject_names, by_subject, strict=True)
    }
    subject_f1 = [s.macro_f1 for s in per_subject.values() if s.macro_f1 is not None]

    bins: tuple[ReliabilityBin, ...] = ()
    ece = None
    if probabilities is not None and len(truth):
        confidence = probabilities[scored, given]
        bins = reliability(confidence, given == truth)
        ece = calibration_error(bins)

    return Evaluation(
        classes=tuple(str(name) for name in classes),
        windows=int(scored.sum()),
        left_out=int((labelled & (predicted < 0)).sum()),
        unlabelled=int((~labelled).sum()),
        macro_f1=_optional(figures["macro_f1"]),
        balanced_accuracy=_optional(figures["balanced_accuracy"]),
        accuracy=_optional(figures["accuracy"]),
        cohen_kappa=_optional(figures["cohen_kappa"]),
        ece=ece,
        per_class=_per_class(confusion, classes),
        confusion=confusion.tolist(),
        per_subject=per_subject,
        macro_f1_subject_sd=float(np.std(subject_f1, ddof=1)) if len(subject_f1) > 1 else None,
        ci95=intervals["macro_f1"],
        ci95_by_figure=intervals,
        reliability=bins,
    )


def _optional(value: float | np.ndarray) -> float | None:
    return float(value) if np.isfinite(value) else None


def subject_confusions(
    truth: np.ndarray, predicted: np.ndarray, subjects: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Confusion counts of each subject: names sorted, and int64 (subjects, classes, classes).

    Windows with a negative label or prediction are not counted; a subject without any counted
    window does not appear.
    """
    counted = (truth >= 0) & (predicted >= 0)
    names, subject_of = np.unique(subjects[counted], return_inverse=True)
    flat = (subject_of * n_classes + truth[counted]) * n_classes + predicted[counted]
    counts = np.bincount(flat, minlength=len(names) * n_classes * n_classes)
    return names, counts.reshape(len(names), n_classes, n_classes).astype(np.int64)


def confusion_figures(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Macro F1, balanced accuracy, accuracy and kappa of confusion counts.

    `confusion` has shape (..., classes, classes), rows true; each result has shape (...), NaN
    where the figure is undefined.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    true = counts.sum(axis=-1)
    given = counts.sum(axis=-2)
    total = true.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy = hits.sum(axis=-1) / total
        chance = (true * given).sum(axis=-1) / total**2
        kappa = (accuracy - chance) / (1.0 - chance)
    return {
        "macro_f1": _mean_where(2.0 * hits, true + given),
        "balanced_accuracy": _mean_where(hits, true),
        "accuracy": accuracy,
        "cohen_kappa": np.where(np.isfinite(kappa), kappa, np.nan),
    }


def _mean_where(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Mean over the last axis of numerator / denominator, where the denominator is not 0."""
    defined = denominator > 0
    ratio = np.divide(numerator, denominator, out=np.zeros_like(denominator), where=defined)
    with np.errstate(invalid="ignore"):
        return ratio.sum(axis=-1) / defined.sum(axis=-1)


def _macro_f1_of_true_classes(confusion: np.ndarray) -> float:
    true, given = confusion.sum(axis=1), confusion.sum(axis=0)
    occurs = true > 0
    f1 = 2.0 * np.diagonal(confusion)[occurs] / (true + given)[occurs]
    return float(f1.mean())


def _per_class(confusion: np.ndarray, classes: Sequence[str]) -> dict[str, ClassFigures]:
    figures = {}
    for c, name in enumerate(classes):
        hits = int(confusion[c, c])
        support, given = int(confusion[c].sum()), int(confusion[:, c].sum())
        figures[str(name)] = ClassFigures(
            precision=hits / given if given else None,
            recall=hits / support if support else None,
            f1=2.0 * hits / (support + given) if support + given else None,
            support=support,
            predicted=given,
        )
    return figures


def bootstrap_weights(n_subjects: int, seed: int = 0, resamples: int = RESAMPLES) -> np.ndarray:
    """How often each subject is drawn in each resample: float64 (resamples, subjects)."""
    rng = np.random.default_rng(seed)
    shares = np.full(n_subjects, 1.0 / n_subjects)
    return rng.multinomial(n_subjects, shares, size=resamples).astype(np.float64)


def bootstrap(
    confusions: np.ndarray,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, tuple[float, float] | None]:
    """95 % percentile intervals by drawing subjects with replacement.

    `confusions` has shape (subjects, classes, classes). The figures of a resample are those of
    its summed confusion counts, so all resamples are one matrix product. None with fewer than
    two subjects.
    """
    n_subjects, n_classes = confusions.shape[0], confusions.shape[-1]
    if n_subjects < 2:
        return dict.fromkeys(("macro_f1", "balanced_accuracy", "accuracy", "cohen_kappa"))
    weights = bootstrap_weights(n_subjects, seed, resamples)
    pooled = weights @ confusions.reshape(n_subjects, -1).astype(np.float64)
    figures = confusion_figures(pooled.reshape(-1, n_classes, n_classes))
    return {name: _interval(values) for name, values in figures.items()}


def _interval(values: np.ndarray) -> tuple[float, float] | None:
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def reliability(
    confidence: np.ndarray, correct: np.ndarray, bins: int = CALIBRATION_BINS
) -> tuple[ReliabilityBin, ...]:
    """Equal-width bins (lower, upper] of the confidence; 0 itself is in the first.

    `confidence` in [0, 1] and `correct` (bool) have shape (windows,).
    """
    confidence = np.asarray(confidence, dtype=np.float64)
    correct = np.asarray(correct, dtype=bool)
    edges = np.linspace(0.0, 1.0, bins + 1)
    bin_of = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    sure = np.bincount(bin_of, weights=confidence, minlength=bins)
    right = np.bincount(bin_of, weights=correct.astype(np.float64), minlength=bins)
    return tuple(
        ReliabilityBin(
            lower=float(edges[k]),
            upper=float(edges[k + 1]),
            windows=int(counts[k]),
            confidence=float(sure[k] / counts[k]) if counts[k] else None,
            accuracy=float(right[k] / counts[k]) if counts[k] else None,
        )
        for k in range(bins)
    )


def calibration_error(bins: Iterable[ReliabilityBin]) -> float | None:
    """Expected calibration error: mean |accuracy - confidence| of the bins, by their windows."""
    gap, windows = 0.0, 0
    for b in bins:
        if b.confidence is not None and b.accuracy is not None:
            gap += b.windows * abs(b.accuracy - b.confidence)
            windows += b.windows
    return gap / windows if windows else None


def fit_temperature(
    logits: np.ndarray,
    labels: np.ndarray,
    bounds: tuple[float, float] = TEMPERATURE_BOUNDS,
) -> float:
    """The temperature T that makes softmax(logits / T) the best calibrated on held-out windows.

    Minimises the negative log-likelihood over log T between `bounds` (Guo et al. 2017); it has
    one minimum, being convex in 1 / T. The targets are smoothed by one imagined window per class
    (Platt 1999): a handful of windows that happen to be all right would otherwise ask for T = 0
    and endless certainty. Without a usable window T is 1.

    Parameters
    ----------
    logits: shape (windows, classes). Rows that are not finite are not used.
    labels: int64, shape (windows,); -1 is not used.
    """
    logits = np.asarray(logits, dtype=np.float64)
    labels = np.asarray(labels, dtype=np.int64)
    usable = (labels >= 0) & np.isfinite(logits).all(axis=1)
    if not usable.any():
        return 1.0
    logits, labels = logits[usable], labels[usable]
    logits = logits - logits.max(axis=1, keepdims=True)
    if not np.ptp(logits, axis=1).any():
        return 1.0  # every window says 'no idea': no temperature changes that
    n, n_classes = logits.shape
    # Sum over classes of target * logit, with targets (n + 1) / (n + classes) for the true class
    # and 1 / (n + classes) for each other one.
    true = logits[np.arange(n), labels]
    expected = (n * true + logits.sum(axis=1)) / (n + n_classes)

    # Imported here: a window that shows figures does without scipy.
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    def loss(log_t: float) -> float:
        inverse = np.exp(-log_t)
        return float(np.mean(logsumexp(logits * inverse, axis=1) - expected * inverse))

    low, high = np.log(bounds[0]), np.log(bounds[1])
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-4})
    # A bounded search never quite reaches its bounds; among equals T = 1 changes least.
    candidates = [0.0, float(found.x), low, high]
    return float(np.exp(min(candidates, key=loss)))


def calibrate(logits: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(logits / temperature), float32, shape (windows, classes)."""
    from scipy.special import softmax

    return softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=-1).astype(np.float32)


@dataclass(frozen=True)
class BudgetRun:
    """One label draw: share of the training windows, seed, labels drawn per fold, figures."""

    share: float
    seed: int
    labels: float
    evaluation: Evaluation


def summarise_label_efficiency(runs: Iterable[BudgetRun]) -> list[dict[str, Any]]:
    """Mean and standard deviation over the label draws, one row per share, ascending.

    Each run's evaluation pools the held-out folds of one draw. The standard deviation is that of
    a sample (n - 1), None for a single draw; undefined figures are left out of the mean, and a
    figure undefined in every draw is None.

    Returns
    -------
    Rows `{share, labels, seeds, macro_f1, macro_f1_sd, balanced_accuracy, ...}`; `labels` is the
    mean number of labelled training windows per fold.
    """
    by_share: dict[float, list[BudgetRun]] = {}
    for run in runs:
        by_share.setdefault(run.share, []).append(run)
    rows: list[dict[str, Any]] = []
    for share in sorted(by_share):
        draws = sorted(by_share[share], key=lambda run: run.seed)
        row: dict[str, Any] = {
            "share": share,
            "labels": float(np.mean([run.labels for run in draws])),
            "seeds": [run.seed for run in draws],
        }
        for figure in ("macro_f1", "balanced_accuracy", "accuracy", "cohen_kappa", "ece"):
            values = [getattr(run.evaluation, figure) for run in draws]
            defined = [value for value in values if value is not None]
            row[figure] = float(np.mean(defined)) if defined else None
            row[f"{figure}_sd"] = float(np.std(defined, ddof=1)) if len(defined) > 1 else None
        rows.append(row)
    return rows
