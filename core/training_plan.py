"""Who will be trained on and who tested, worked out before a run: no file is opened for it.

What a run would refuse after hours is refused here at once, in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.config import FileLabels, RunConfig, check_steps
from core.errors import CrosslError, DataError
from core.label_set import counted, listed
from core.splits import Fold, make_folds
from core.study_labels import StudyLabel
from core.window_view import labels_on_windows
from core.windows import grid_starts

Role = Literal["train", "test", "pretrain", "locked", ""]
_STUDY_LABELS = FileLabels(kind="file", pattern="labels.csv")
"""A run of a study gets its labels when it is made."""
FEW_LABELS = 20
"""Fewer labelled windows of a class than this are pointed out."""


@dataclass(frozen=True)
class PlannedRecording:
    """A recording that is to take part; `states`: the labels that count, in order of time."""

    name: str
    subject: str
    duration_s: float
    states: tuple[StudyLabel, ...] = ()


@dataclass(frozen=True)
class PlannedSubject:
    """What there is of a subject, and what it is in each fold.

    `labelled`: number of labelled windows by class, in the order of the classes.
    """

    name: str
    recordings: int
    windows: int
    labelled: Mapping[str, int]
    roles: tuple[Role, ...]


@dataclass(frozen=True)
class TrainingPlan:
    """A run before it is started.

    Attributes
    ----------
    folds: those of the evaluation; empty where nothing is evaluated.
    subjects: sorted by name.
    budgets: by share of the labels, the number of training windows it means, mean over folds.
    notes: what the user should know, a sentence each.
    refusal: why the run cannot be started; empty where it can.

    Windows are counted from durations and labels: those that touch a bad stretch, or in which
    nothing was recorded, are still among them.
    """

    classes: tuple[str, ...]
    folds: tuple[Fold, ...]
    subjects: tuple[PlannedSubject, ...]
    budgets: Mapping[float, int]
    notes: tuple[str, ...]
    refusal: str


def plan_training(
    config: RunConfig,
    recordings: Sequence[PlannedRecording],
    classes: Sequence[str],
    min_cover: float,
) -> TrainingPlan:
    """The plan of a run over these recordings.

    `classes` in order, `min_cover` as in `LabelsBase`. Never raises CrosslError: what would be
    wrong is the plan's `refusal`.
    """
    counts: dict[str, dict[str, int]] = {}
    windows: dict[str, int] = {}
    short = []
    for recording in recordings:
        first = recording.states[0].start_s if recording.states else None
        starts = grid_starts(recording.duration_s, config.windows, first)
        if not len(starts):
            short.append(recording.name)
        labels = labels_on_windows(
            recording.states, classes, starts, config.windows.length_s, min_cover
        )
        own = counts.setdefault(recording.subject, dict.fromkeys(classes, 0))
        for number, name in enumerate(classes):
            own[name] += int((labels == number).sum())
        windows[recording.subject] = windows.get(recording.subject, 0) + len(starts)
    learns = "finetune" in config.steps
    labelled = sorted(name for name, own in counts.items() if learns and any(own.values()))
    notes: list[str] = []
    if short:
        notes.append(
            f"Shorter than a window of {config.windows.length_s:g} s, and left out: "
            f"{listed(short)}."
        )
    try:
        folds = _folds(config, counts, labelled, sum(windows.values()))
        refusal = ""
    except CrosslError as error:
        folds, refusal = (), str(error)
    if learns:
        notes += _notes_on_classes(counts, classes, folds, config)
    subjects = tuple(
        PlannedSubject(
            name,
            sum(recording.subject == name for recording in recordings),
            windows[name],
            counts[name],
            _roles(name, folds, labelled, config, learns),
        )
        for name in sorted(counts)
    )
    return TrainingPlan(
        tuple(classes), folds, subjects, _budgets(config, folds, counts), tuple(notes), refusal
    )


def _folds(
    config: RunConfig, counts: Mapping[str, Mapping[str, int]], labelled: list[str], windows: int
) -> tuple[Fold, ...]:
    """The folds of the evaluation. Raises CrosslError for what the run would refuse."""
    check_steps(config.model_copy(update={"labels": config.labels or _STUDY_LABELS}))
    if windows < 2:
        raise DataError("There are fewer than two windows to learn from; add recordings.")
    if "finetune" not in config.steps:
        return ()
    if not labelled:
        raise DataError("No window has a label, so there is nothing to fine-tune with.")
    locked = set(config.evaluate.test_subjects)
    met = {
        name
        for subject in labelled
        if subject not in locked
        for name, count in counts[subject].items()
        if count
    }
    if len(met) < 2:
        raise DataError(
            f"The labels to learn from hold {counted(len(met), 'class', 'classes')}; a classifier "
            "needs at least two. Label more, or pretrain only."
        )
    if "evaluate" not in config.steps:
        return ()
    if len(labelled) == 1:
        raise DataError(
            f"Only one person ({labelled[0]}) has labels, so nobody is left to test on. Label "
            "another person, or leave the evaluation out: the run then predicts and shows which "
            "sensors matter, without a test."
        )
    others = sorted(set(counts) - set(labelled))
    return tuple(make_folds(labelled, config.evaluate.folds, config.evaluate.test_subjects, others))


def _roles(
    name: str,
    folds: Sequence[Fold],
    labelled: Sequence[str],
    config: RunConfig,
    learns: bool,
) -> tuple[Role, ...]:
    """What a subject is in each fold; without folds, in the final fit."""
    if not folds:
        if name in config.evaluate.test_subjects:
            return ("locked",)
        return ("train" if learns and name in labelled else "pretrain",)
    return tuple(_role(name, fold) for fold in folds)


def _role(name: str, fold: Fold) -> Role:
    if name in fold.test_subjects:
        return "test"
    if name in fold.train_subjects:
        return "train"
    return "pretrain" if name in fold.pretrain_subjects else "locked"


def _notes_on_classes(
    counts: Mapping[str, Mapping[str, int]],
    classes: Sequence[str],
    folds: Sequence[Fold],
    config: RunConfig,
) -> list[str]:
    notes = []
    total = {name: sum(own[name] for own in counts.values()) for name in classes}
    none = [name for name in classes if not total[name]]
    if none:
        notes.append(f"No window is labelled {listed(none)}, so it will never be predicted.")
    few = [f"{name} ({total[name]})" for name in classes if 0 < total[name] < FEW_LABELS]
    if few:
        notes.append(f"Few labelled windows: {listed(few)}. Their figures will be rough.")
    for name in classes:
        owners = [subject for subject, own in counts.items() if own[name]]
        if folds and len(owners) == 1:
            notes.append(
                f"Only {owners[0]} has {name}: where {owners[0]} is tested, nobody is left to "
                "learn it from."
            )
    share = min(config.evaluate.budgets) if config.evaluate.budgets else 1.0
    if folds and share < 1.0:
        known = sum(1 for name in classes if total[name])
        smallest = share * sum(total.values()) * (1 - 1 / max(len(folds), 2))
        if smallest < 2 * known:
            notes.append(
                f"{100 * share:g} % of the labels are fewer than two windows a class: two of each "
                "class are taken instead."
            )
    return notes


def _budgets(
    config: RunConfig, folds: Sequence[Fold], counts: Mapping[str, Mapping[str, int]]
) -> dict[float, int]:
    if not folds:
        return {}
    sizes = [sum(sum(counts[name].values()) for name in fold.train_subjects) for fold in folds]
    mean = float(np.mean(sizes))
    return {share: round(share * mean) for share in sorted({*config.evaluate.budgets, 1.0})}
