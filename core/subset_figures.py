"""Which sensors one can lose: figures of the subsets of the modalities, from what a run has kept.

Scores stand on labelled windows of people whom the predicting model has not seen, as in a run's
report, and come from the same function. Agreement with all modalities, confidence and Shapley
values need no labels and stand on all windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from core.errors import DataError
from core.evaluate import bootstrap_weights, confusion_figures, predicted_classes
from core.progress import RunContext
from core.robustness import SubsetPlan, SubsetPredictions, robustness_report
from core.run_results import AllWindows

SHOW_ALL_UP_TO = 6
"""Modalities up to which figures are given of every subset (63)."""
LITTLE = 0.02
"""A drop of macro F1, with the share of windows that are left without an answer, that is little."""

Interval = tuple[float, float]
Kept = tuple[int, ...]


@dataclass(frozen=True)
class Scope:
    """Whose windows are looked at: of all recordings, of one, or of one subject."""

    kind: Literal["all", "recording", "subject"] = "all"
    name: str = ""


EVERYTHING = Scope()


@dataclass(frozen=True)
class SubsetFigure:
    """Figures of one subset of the modalities; None where undefined.

    Attributes
    ----------
    kept: numbers of the modalities, rising.
    windows: with an answer. left_out: without one, though another modality is present.
    agreement: share of the answered windows with the same class as with all modalities.
    confidence: mean probability of the likeliest class.
    scored: windows that scores stand on. macro_f1, ci95: as in a report.
    drop: macro F1 with all modalities less that with these, both on the windows that these answer;
        drop_ci95 is paired: each resample of subjects is scored with both.

    All intervals are of 95 %, by bootstrap over subjects; None for fewer than two of them.
    """

    kept: Kept
    windows: int
    left_out: int
    agreement: float | None
    agreement_ci95: Interval | None
    confidence: float | None
    scored: int
    macro_f1: float | None
    ci95: Interval | None
    drop: float | None
    drop_ci95: Interval | None

    @property
    def changed(self) -> float | None:
        """Share of the answered windows whose class is another one than with all modalities."""
        return None if self.agreement is None else 1.0 - self.agreement

    @property
    def loss(self) -> float | None:
        """What the subset costs: the drop of macro F1, without scores the share that changes."""
        return self.changed if self.macro_f1 is None else self.drop

    @property
    def left_out_share(self) -> float:
        """Of the windows in which any modality is present, those without an answer."""
        return self.left_out / max(1, self.left_out + self.windows)

    @property
    def loss_ci95(self) -> Interval | None:
        """The interval of `loss`."""
        if self.macro_f1 is not None:
            return self.drop_ci95
        pair = self.agreement_ci95
        return None if pair is None else (1.0 - pair[1], 1.0 - pair[0])


@dataclass(frozen=True)
class PathStep:
    """One step of the path of least loss: the modality that goes, and what is left."""

    removed: int
    figure: SubsetFigure


@dataclass(frozen=True, eq=False)
class ClassDamage:
    """What the removal of each modality does to each class; NaN where undefined.

    Attributes
    ----------
    labelled: int64 (classes,), scored windows of the class. called: int64 (classes,), windows
        called so with all modalities.
    f1: float64 (classes,), with all modalities.
    f1_without, drop: float64 (modalities, classes), F1 without the modality, and what it falls by
        on the same windows. drop_low, drop_high: its 95 % interval over subjects.
    changed: float64 (modalities, classes), of the windows called so with all modalities, the share
        called otherwise without this one.
    """

    labelled: np.ndarray
    called: np.ndarray
    f1: np.ndarray
    f1_without: np.ndarray
    drop: np.ndarray
    drop_low: np.ndarray
    drop_high: np.ndarray
    changed: np.ndarray

    @property
    def has_scores(self) -> bool:
        return bool(np.isfinite(self.drop).any())

    @property
    def loss(self) -> np.ndarray:
        """`drop`, or without scores `changed`; (modalities, classes)."""
        return self.drop if self.has_scores else self.changed

    @property
    def worst(self) -> tuple[int, int] | None:
        """Modality and class of the greatest loss; None where nothing is lost."""
        loss = np.where(np.isfinite(self.loss), self.loss, -np.inf)
        if not loss.size or loss.max() <= 0:
            return None
        modality, number = np.unravel_index(int(loss.argmax()), loss.shape)
        return int(modality), int(number)


@dataclass(frozen=True, eq=False)
class SubsetFigures:
    """What can be said of losing modalities, for some scope.

    Attributes
    ----------
    subjects, recordings: names of those that have windows in the scope.
    windows: all of the scope. empty: those in which no modality is present.
    tested: windows that scores stand on; test_subjects: how many people these are of. seen:
        labelled windows that are no test, for the model has seen the person.
    no_test: why there are no scores, in a sentence; empty where there are.
    subsets: with up to `SHOW_ALL_UP_TO` modalities all; else all of them together, each left out,
        each alone, and those of the path. In the order of the plan, everything first.
    asked: subsets that the run asked, of which the path was chosen. sampled: not every subset was.
    path: the cheapest modality first, down to one.
    shapley: float64 (modalities,), mean share in the probability of the predicted class, over the
        windows that have the modality; shapley_by_class: (classes, modalities), by the class that
        is predicted with all; NaN where there is no window.
    absent: float64 (recordings, modalities), share of the windows without the modality.
    recording_windows: int64 (recordings,).
    report: the part `robustness` of a report, for the windows that scores stand on, or else all.
    """

    scope: Scope
    classes: tuple[str, ...]
    modalities: tuple[str, ...]
    subjects: tuple[str, ...]
    recordings: tuple[str, ...]
    windows: int
    empty: int
    tested: int
    test_subjects: int
    seen: int
    no_test: str
    subsets: tuple[SubsetFigure, ...]
    asked: int
    sampled: bool
    path: tuple[PathStep, ...]
    damage: ClassDamage
    shapley: np.ndarray
    shapley_by_class: np.ndarray
    absent: np.ndarray
    recording_windows: np.ndarray
    report: dict[str, Any]

    @property
    def has_scores(self) -> bool:
        return not self.no_test

    @property
    def everything(self) -> SubsetFigure:
        """Figures with all modalities."""
        return self.subsets[0]

    def of(self, kept: Kept) -> SubsetFigure | None:
        """Figures of a subset; None where there are none."""
        wanted = tuple(sorted(kept))
        return next((figure for figure in self.subsets if figure.kept == wanted), None)

    def without(self, modality: int) -> SubsetFigure | None:
        """Figures of all modalities but one."""
        return self.of(tuple(m for m in self.everything.kept if m != modality))

    def removals(self) -> tuple[tuple[int, SubsetFigure], ...]:
        """Each modality with the figures of losing it alone, the cheapest first.

        Ordered by the loss and the share of windows left without an answer, added up; last comes
        one without which nothing is left, whose loss is None. Empty where there is nothing to lose.
        """
        if self.everything.loss is None or len(self.modalities) < 2:
            return ()
        found = []
        for modality in range(len(self.modalities)):
            figure = self.without(modality)
            if figure is not None:
                loss = float("inf") if figure.loss is None else figure.loss
                found.append((loss + figure.left_out_share, modality, figure))
        return tuple((m, figure) for _, m, figure in sorted(found, key=lambda item: item[:2]))


def subset_figures(
    windows: AllWindows,
    context: RunContext,
    *,
    scope: Scope = EVERYTHING,
    seed: int = 0,
) -> SubsetFigures:
    """Figures of the subsets that a run asked.

    `seed`: of the resamples, that of the run for its report's intervals. Raises DataError where
    the scope has no windows, or the run asked no subsets.
    """
    chosen = _rows(windows, scope)
    plan = windows.subsets.plan
    if not plan.sampled and len(plan.kept) != 2**plan.n_modalities - 1:
        raise DataError(
            "This run has asked for no subsets of the modalities. Train again with the step "
            "'robustness'."
        )
    labelled = windows.labels >= 0
    tested = chosen & labelled & windows.held_out
    seen = int((chosen & labelled & ~windows.held_out).sum())
    context.step("subsets", 0, len(plan.kept))
    base = tested if tested.any() else chosen
    report = robustness_report(
        windows.subsets.select(base),
        windows.modalities,
        labels=windows.labels[base] if tested.any() else None,
        subjects=windows.subject[base],
        shapley_values=windows.shapley[base],
        fragilities=windows.fragility[base],
        seed=seed,
    )
    path = _path(plan, report, windows.modalities)
    table = _Table(windows, chosen, tested, report, seed)
    figures = {}
    shown = _shown(plan, path)
    for number, kept in enumerate(shown):
        context.step("subsets", number, len(shown))
        figures[kept] = table.figure(kept)
    numbers = np.unique(windows.recording_index[chosen])
    parts = [chosen & (windows.recording_index == number) for number in numbers]
    return SubsetFigures(
        scope=scope,
        classes=windows.classes,
        modalities=windows.modalities,
        subjects=tuple(sorted({windows.subjects[number] for number in numbers})),
        recordings=tuple(windows.recordings[number] for number in numbers),
        windows=int(chosen.sum()),
        empty=int((~windows.subsets.present[chosen].any(axis=1)).sum()),
        tested=table.figure(plan.kept[0]).scored,
        test_subjects=len(np.unique(windows.subject[tested])),
        seen=seen,
        no_test=_why_no_test(windows, chosen & labelled, tested),
        subsets=tuple(figures[kept] for kept in shown),
        asked=len(plan.kept),
        sampled=plan.sampled,
        path=tuple(PathStep(removed, figures[kept]) for removed, kept in path),
        damage=table.damage(context),
        shapley=_means(windows.shapley[chosen]),
        shapley_by_class=table.shapley_by_class(),
        absent=np.stack([1.0 - windows.subsets.present[part].mean(axis=0) for part in parts]),
        recording_windows=np.array([int(part.sum()) for part in parts]),
        report=report,
    )


def _rows(windows: AllWindows, scope: Scope) -> np.ndarray:
    """The windows of a scope, bool (windows,). DataError where there are none."""
    names = {"recording": windows.recordings, "subject": windows.subjects}.get(scope.kind)
    if names is None:
        chosen = np.ones(len(windows), bool)
    else:
        chosen = np.array([name == scope.name for name in names], bool)[windows.recording_index]
    if not chosen.any():
        raise DataError(f"This run has no predictions of {scope.name or 'any recording'}.")
    return chosen


def _why_no_test(windows: AllWindows, labelled: np.ndarray, tested: np.ndarray) -> str:
    """Why there are no scores of these windows, in a sentence; empty where there are."""
    if tested.any():
        recorded = windows.subsets.present[tested].any()
        return "" if recorded else "No sensor was recorded in the labelled windows."
    if not labelled.any():
        return "There are no labels here, so that nothing can be said of accuracy."
    people = len(np.unique(windows.subject[labelled]))
    if people == 1:
        return "The model has seen this person: scores on it would be no test."
    return f"The model has seen all {people} labelled people: scores on them would be no test."


# ---------------------------------------------------------------- which subsets


def _path(
    plan: SubsetPlan, report: dict[str, Any], modalities: Sequence[str]
) -> list[tuple[int, Kept]]:
    """The path of least loss: what is removed, and what is kept after it."""
    if plan.sampled:
        return _best_chain(plan, report)
    number = {name: place for place, name in enumerate(modalities)}
    return [
        (number[step["removed"]], tuple(number[name] for name in step["kept"]))
        for step in report["least_loss_path"]
    ]


def _best_chain(plan: SubsetPlan, report: dict[str, Any]) -> list[tuple[int, Kept]]:
    """Of the subsets that were sampled, the chain from all modalities to one whose figures are
    best on average. Each permutation of the plan is such a chain, so there is one."""
    rows = report["subsets"]
    key = "macro_f1" if rows[0]["macro_f1"] is not None else "agreement"
    value = {
        kept: rows[row][key]
        for row, kept in enumerate(plan.kept)
        if rows[row][key] is not None or len(kept) == plan.n_modalities
    }
    best: dict[Kept, tuple[float, list[tuple[int, Kept]]]] = {}
    for kept in sorted(value, key=lambda subset: (len(subset), subset)):
        own = value[kept] or 0.0
        ends: list[tuple[float, list[tuple[int, Kept]]]] = []
        if len(kept) == 1:
            ends.append((own, []))
        for removed in kept:
            rest = tuple(m for m in kept if m != removed)
            if rest in best:
                total, steps = best[rest]
                ends.append((own + total, [(removed, rest), *steps]))
        if ends:
            best[kept] = max(ends, key=lambda end: end[0])
    return best[plan.kept[0]][1] if plan.kept[0] in best else []


def _shown(plan: SubsetPlan, path: Sequence[tuple[int, Kept]]) -> list[Kept]:
    n = plan.n_modalities
    if n <= SHOW_ALL_UP_TO and not plan.sampled:
        return list(plan.kept)
    wanted = {kept for _, kept in path}
    return [kept for kept in plan.kept if len(kept) in (1, n - 1, n) or kept in wanted]


# ---------------------------------------------------------------- figures


class _Table:
    """The windows of a scope, counted by subject so that a resample is a matrix product."""

    def __init__(
        self,
        windows: AllWindows,
        chosen: np.ndarray,
        tested: np.ndarray,
        report: dict[str, Any],
        seed: int,
    ) -> None:
        self._subsets: SubsetPredictions = windows.subsets
        self._plan = windows.subsets.plan
        self._row_of = {kept: row for row, kept in enumerate(self._plan.kept)}
        self._report_rows = report["subsets"]
        self._chosen = chosen
        self._tested = tested[chosen]
        self._labels = windows.labels[chosen]
        self._shapley = windows.shapley[chosen]
        self._classes = len(windows.classes)
        names, self._person = np.unique(windows.subject[chosen], return_inverse=True)
        self._people = len(names)
        self._weights = bootstrap_weights(self._people, seed) if self._people > 1 else None
        # The same resamples as the report's, whose people are those of the tested windows.
        testers, self._tester = np.unique(self._person[self._tested], return_inverse=True)
        self._testers = len(testers)
        self._test_weights = bootstrap_weights(self._testers, seed) if self._testers > 1 else None
        self._full = self._called(self._plan.kept[0])

    def _probabilities(self, kept: Kept) -> np.ndarray:
        return self._subsets.probabilities[self._row_of[kept]][self._chosen]

    def _called(self, kept: Kept) -> np.ndarray:
        """Class of each window of the scope, -1 where nothing is left."""
        return predicted_classes(self._probabilities(kept))

    def figure(self, kept: Kept) -> SubsetFigure:
        probabilities = self._probabilities(kept)
        called = predicted_classes(probabilities)
        answered = called >= 0
        same = answered & (called == self._full)
        sure = probabilities[answered].max(axis=1, initial=0.0)
        row = self._report_rows[self._row_of[kept]]
        scored = int((answered & self._tested).sum())
        drop, drop_ci95 = self._drop(called)
        return SubsetFigure(
            kept=kept,
            windows=int(answered.sum()),
            left_out=int(((self._full >= 0) & ~answered).sum()),
            agreement=float(same.sum() / answered.sum()) if answered.any() else None,
            agreement_ci95=self._share_interval(same, answered),
            confidence=float(sure.mean(dtype=np.float64)) if len(sure) else None,
            scored=scored,
            macro_f1=row["macro_f1"] if self._testers else None,
            ci95=_pair(row["ci95"]) if self._testers else None,
            drop=drop,
            drop_ci95=drop_ci95,
        )

    def _share_interval(self, part: np.ndarray, whole: np.ndarray) -> Interval | None:
        if self._weights is None:
            return None
        counts = [
            np.bincount(self._person[mask], minlength=self._people).astype(np.float64)
            for mask in (part, whole)
        ]
        hits, total = (self._weights @ count for count in counts)
        with np.errstate(invalid="ignore"):
            return _interval(hits / total)

    def _counts(self, called: np.ndarray, among: np.ndarray) -> np.ndarray:
        """Confusion counts of tested windows, float64 (subjects, classes, classes)."""
        counted = self._tested & among
        truth, given = self._labels[counted], called[counted]
        person = self._tester[counted[self._tested]]
        n = self._classes
        flat = (person * n + truth) * n + given
        counts = np.bincount(flat, minlength=self._testers * n * n)
        return counts.reshape(self._testers, n, n).astype(np.float64)

    def _drop(self, called: np.ndarray) -> tuple[float | None, Interval | None]:
        answered = called >= 0
        if not (answered & self._tested).any():
            return None, None
        before = self._counts(self._full, answered)
        after = self._counts(called, answered)
        drop = _macro_f1(before.sum(axis=0)) - _macro_f1(after.sum(axis=0))
        if self._test_weights is None:
            return float(drop), None
        drawn = _macro_f1(self._resampled(before)) - _macro_f1(self._resampled(after))
        return float(drop), _interval(drawn)

    def _resampled(self, counts: np.ndarray) -> np.ndarray:
        assert self._test_weights is not None
        flat = self._test_weights @ counts.reshape(len(counts), -1)
        return flat.reshape(-1, *counts.shape[1:])

    # -- classes

    def damage(self, context: RunContext) -> ClassDamage:
        n, modalities = self._classes, self._plan.n_modalities
        full = self._plan.kept[0]
        everyone = self._full >= 0
        whole = self._counts(self._full, everyone).sum(axis=0)
        shape = (modalities, n)
        without, drop, low, high, changed = (np.full(shape, np.nan) for _ in range(5))
        for modality in range(modalities):
            rest = tuple(m for m in full if m != modality)
            if not rest:
                continue
            context.step("damage per class", modality, modalities)
            called = self._called(rest)
            answered = called >= 0
            after = self._counts(called, answered)
            before = self._counts(self._full, answered)
            without[modality] = _class_f1(after.sum(axis=0))
            drop[modality] = _class_f1(before.sum(axis=0)) - without[modality]
            if self._test_weights is not None:
                drawn = _class_f1(self._resampled(before)) - _class_f1(self._resampled(after))
                for number in range(n):
                    pair = _interval(drawn[:, number])
                    if pair is not None:
                        low[modality, number], high[modality, number] = pair
            for number in range(n):
                mine = answered & (self._full == number)
                if mine.any():
                    changed[modality, number] = (called[mine] != number).mean()
        return ClassDamage(
            labelled=whole.sum(axis=1).astype(np.int64),
            called=np.bincount(self._full[everyone], minlength=n),
            f1=_class_f1(whole),
            f1_without=without,
            drop=drop,
            drop_low=low,
            drop_high=high,
            changed=changed,
        )

    def shapley_by_class(self) -> np.ndarray:
        return np.stack(
            [_means(self._shapley[self._full == number]) for number in range(self._classes)]
        )


def _macro_f1(counts: np.ndarray) -> np.ndarray:
    return confusion_figures(counts)["macro_f1"]


def _class_f1(counts: np.ndarray) -> np.ndarray:
    """F1 of each class, float64 (..., classes), NaN for a class neither true nor predicted."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    total = counts.sum(axis=-1) + counts.sum(axis=-2)
    with np.errstate(invalid="ignore"):
        return 2.0 * hits / total


def _means(values: np.ndarray) -> np.ndarray:
    """Mean of each column over the rows that have it, float64; NaN where none does."""
    there = np.isfinite(values)
    total = np.where(there, values, 0.0).sum(axis=0, dtype=np.float64)
    count = there.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _interval(values: np.ndarray) -> Interval | None:
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _pair(values: Sequence[float] | None) -> Interval | None:
    return None if values is None else (float(values[0]), float(values[1]))


# ---------------------------------------------------------------- in words


def answer_sentence(figures: SubsetFigures) -> str:
    """Which sensors one can lose, in a sentence or two."""
    text = _answer(figures)
    name = figures.scope.name
    return f"In {name}: {text[0].lower()}{text[1:]}" if name else text


def _answer(figures: SubsetFigures) -> str:
    removals = figures.removals()
    if len(figures.modalities) < 2:
        return f"There is one sensor only, {', '.join(figures.modalities)}."
    if not removals:
        return "No sensor was recorded in any window."
    if not figures.has_scores:
        return _agreement_sentence(figures)
    worst, highest = removals[-1]
    most = f"{_cost(highest)}{_left_out(highest)}"
    end = f"losing {figures.modalities[worst]} alone costs most: {most}."
    if _costs_nothing(highest):
        end = "losing a single one costs nothing, whichever it is."
    if highest.loss is None:
        end = f"without {figures.modalities[worst]} nothing is left."
    cheap = _cheap(figures)
    if cheap:
        names = _listed([figures.modalities[step.removed] for step in cheap])
        return f"You can lose {names} {_little_cost(cheap[-1].figure)}; {end}"
    least, lowest = removals[0]
    return (
        f"Every sensor counts: losing {figures.modalities[least]} costs least, "
        f"{_cost(lowest, 'macro F1')}{_left_out(lowest)}; {end}"
    )


def _listed(names: Sequence[str]) -> str:
    """In the order in which they go; many without saying so each time."""
    if len(names) <= 3:
        return ", then ".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _cheap(figures: SubsetFigures) -> list[PathStep]:
    """The first steps of the path whose loss is little."""
    steps: list[PathStep] = []
    for step in figures.path:
        loss = step.figure.loss
        if loss is None or loss + step.figure.left_out_share > LITTLE:
            break
        steps.append(step)
    return steps


def _agreement_sentence(figures: SubsetFigures) -> str:
    removals = figures.removals()
    least, lowest = removals[0]
    worst, highest = removals[-1]
    if highest.loss is None:
        return (
            f"Without {figures.modalities[worst]} nothing is left; without "
            f"{figures.modalities[least]} {_kept_share(lowest)} of the windows keep their class"
            f"{_left_out(lowest)}. {figures.no_test}"
        )
    return (
        f"Without {figures.modalities[least]} {_kept_share(lowest)} of the windows keep "
        f"their class{_left_out(lowest)}; without {figures.modalities[worst]} the fewest do: "
        f"{_kept_share(highest)}{_left_out(highest)}. {figures.no_test}"
    )


def path_sentence(figures: SubsetFigures) -> str:
    """The path of least loss in words; empty where there is none."""
    if not figures.path:
        return ""
    parts = []
    for step in figures.path:
        figure = step.figure
        value = (
            f"{figure.agreement or 0.0:.0%} unchanged"
            if figure.macro_f1 is None
            else f"{figure.macro_f1:.2f}"
        )
        parts.append(f"{figures.modalities[step.removed]} ({value})".replace("%", " %"))
    left = figures.modalities[figures.path[-1].figure.kept[0]]
    start = figures.everything.macro_f1
    head = "Drop " if start is None else f"From macro F1 {start:.2f} with all, drop "
    return f"{head}{', then '.join(parts)}; {left} is left."


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def _cost(figure: SubsetFigure, unit: str = "") -> str:
    text = _signed(figure.drop or 0.0) + (f" {unit}" if unit else "")
    return f"{text}{_in_brackets(figure.drop_ci95, '95 % interval')}"


def _costs_nothing(figure: SubsetFigure) -> bool:
    """To as many decimals as are shown."""
    return figure.loss is not None and not _left_out(figure) and round(figure.drop or 0.0, 2) <= 0


def _little_cost(figure: SubsetFigure) -> str:
    drop = round(figure.drop or 0.0, 2)
    left = _left_out(figure)
    if drop > 0:
        return f"at the cost of {_cost(figure, 'macro F1')}{left}"
    says = f"is even {-drop:.2f} higher" if drop < 0 else "stays what it is"
    pair = _in_brackets(figure.drop_ci95, "95 % interval of the drop")
    return f"at no cost: macro F1 {says}{pair}{left}"


def _in_brackets(pair: Interval | None, what: str) -> str:
    return "" if pair is None else f" ({what} {_signed(pair[0])} to {_signed(pair[1])})"


def _kept_share(figure: SubsetFigure) -> str:
    text = f"{100 * (figure.agreement or 0.0):.0f} %"
    pair = figure.agreement_ci95
    if pair is None:
        return text
    return f"{text} (95 % interval {100 * pair[0]:.0f} to {100 * pair[1]:.0f} %)"


def _left_out(figure: SubsetFigure) -> str:
    if not figure.left_out:
        return ""
    share = figure.left_out_share
    percent = "under 1 %" if share < 0.005 else f"{100 * share:.0f} %"
    return f", and {percent} of the windows have nothing else"
