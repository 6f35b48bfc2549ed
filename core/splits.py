"""Who is trained on and who is tested: folds by subject, label budgets, inner splits.

Every split is by subject, so that no person is on both sides. All draws come from a generator
made of their own seed; numpy's global state is neither read nor changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from core.errors import DataError

LOCKED = "locked"
"""Name of the fold that tests the locked subjects."""


@dataclass(frozen=True)
class Fold:
    """One training and test round.

    `name` is the fold's number as text, or `locked`. `train_subjects` and `test_subjects` have
    labels; `pretrain_subjects` are those whose windows may be seen without labels, which is
    everybody but the tested and the locked ones. All three are sorted by name.
    """

    index: int
    name: str
    train_subjects: tuple[str, ...]
    test_subjects: tuple[str, ...]
    pretrain_subjects: tuple[str, ...]

    @property
    def is_locked(self) -> bool:
        return self.name == LOCKED

    def train_windows(self, subjects: Sequence[str] | np.ndarray) -> np.ndarray:
        """Indices of the windows of the training subjects; `subjects` names each window's."""
        return windows_of(subjects, self.train_subjects)

    def test_windows(self, subjects: Sequence[str] | np.ndarray) -> np.ndarray:
        """Indices of the windows of the test subjects."""
        return windows_of(subjects, self.test_subjects)

    def pretrain_windows(self, subjects: Sequence[str] | np.ndarray) -> np.ndarray:
        """Indices of the windows that pretraining may see in this fold."""
        return windows_of(subjects, self.pretrain_subjects)


@dataclass(frozen=True)
class InnerSplit:
    """Training windows cut once more, for early stopping and calibration.

    `train` and `validation` are window indices. `by` says what was kept apart: `subject`,
    `recording`, or `none` when nothing could be (then `validation` is empty). `note` is a
    sentence for the user whenever the split is not by subject, else None.
    """

    train: np.ndarray
    validation: np.ndarray
    by: str
    note: str | None = None


def windows_of(subjects: Sequence[str] | np.ndarray, chosen: Iterable[str]) -> np.ndarray:
    """Indices (int64, ascending) of the windows whose subject is among `chosen`."""
    names = np.asarray(subjects, dtype=str)
    wanted = np.asarray(sorted(set(chosen)), dtype=str)
    return np.flatnonzero(np.isin(names, wanted)).astype(np.int64)


def folds_by_subject(labelled_subjects: Sequence[str], n_folds: int) -> dict[str, int]:
    """The fold of each labelled subject: sorted by name, subject i is in fold i mod `n_folds`.

    With fewer subjects than folds there are as many folds as subjects (leave one subject out).

    Raises
    ------
    DataError: no subject or one subject has labels, or fewer than two folds were asked for.
    """
    names = sorted({str(name) for name in labelled_subjects})
    if not names:
        raise DataError(
            "No subject has a labelled window, so nothing can be trained or tested with labels; "
            "check the label settings, or leave out the steps that need labels."
        )
    if len(names) == 1:
        raise DataError(
            f"Only one subject ({names[0]}) has labels, so no other subject is left to test on; "
            "add recordings of another subject, or leave out the evaluation."
        )
    if n_folds < 2:
        raise DataError(
            f"Evaluation by subject needs at least 2 folds, not {n_folds}; "
            "set the number of folds to 2 or more."
        )
    n_folds = min(n_folds, len(names))
    return {name: i % n_folds for i, name in enumerate(names)}


def make_folds(
    labelled_subjects: Sequence[str],
    n_folds: int,
    locked: Sequence[str] = (),
    unlabelled_subjects: Sequence[str] = (),
    folds_beside_locked: bool = False,
) -> list[Fold]:
    """The folds of a study, in order.

    Where subjects are locked, they are the only test set: one fold that trains on everybody else.
    With `folds_beside_locked` the others are cross-validated as well, where there are at least
    two of them, and the locked fold comes last; locked subjects are in no other fold, neither
    tested, trained nor pretrained on. Unlabelled subjects join the pretraining of every fold
    unless they are locked.

    Raises
    ------
    DataError: a locked name is not a subject, no locked subject has labels, nobody is left to
        train on, or (without locked subjects) see `folds_by_subject`.
    """
    labelled = {str(name) for name in labelled_subjects}
    everybody = labelled | {str(name) for name in unlabelled_subjects}
    kept_out = {str(name) for name in locked}
    _check_locked(kept_out, labelled, everybody)

    open_subjects = sorted(labelled - kept_out)
    seen = everybody - kept_out
    folds: list[Fold] = []
    if not kept_out or (folds_beside_locked and len(open_subjects) >= 2):
        fold_of = folds_by_subject(open_subjects, n_folds)
        for k in range(max(fold_of.values()) + 1):
            test = [name for name in open_subjects if fold_of[name] == k]
            folds.append(
                Fold(
                    index=k,
                    name=str(k),
                    train_subjects=tuple(n for n in open_subjects if fold_of[n] != k),
                    test_subjects=tuple(test),
                    pretrain_subjects=tuple(sorted(seen - set(test))),
                )
            )
    if kept_out:
        folds.append(
            Fold(
                index=len(folds),
                name=LOCKED,
                train_subjects=tuple(open_subjects),
                test_subjects=tuple(sorted(labelled & kept_out)),
                pretrain_subjects=tuple(sorted(seen)),
            )
        )
    return folds


def _check_locked(locked: set[str], labelled: set[str], everybody: set[str]) -> None:
    if not locked:
        return
    unknown = sorted(locked - everybody)
    if unknown:
        parts = []
        for name in unknown:
            near = get_close_matches(name, sorted(everybody), n=1)
            parts.append(f"'{name}'" + (f" (did you mean '{near[0]}'?)" if near else ""))
        raise DataError(
            f"Locked test subjects that no recording belongs to: {', '.join(parts)}; "
            f"the subjects are {', '.join(sorted(everybody)) or 'none'}."
        )
    if not locked & labelled:
        raise DataError(
            f"None of the locked test subjects ({', '.join(sorted(locked))}) has labels, so they "
            "cannot be tested; lock subjects that have labels."
        )
    if not labelled - locked:
        raise DataError(
            "All labelled subjects are locked for the test, so none is left to train on; "
            "lock fewer subjects."
        )


def draw_budget(
    labels: np.ndarray,
    train_indices: np.ndarray,
    share: float,
    seed: int,
    n_classes: int,
    minimum_per_class: int = 2,
    fold: int = 0,
) -> np.ndarray:
    """Draw the training windows whose labels may be used under a label budget.

    Per class, in class order, a random permutation of its labelled training windows (ascending)
    is cut after share * count windows (halves rounded up), but not before `minimum_per_class`
    (or all there are). Larger shares with the same seed therefore contain the smaller ones.

    Parameters
    ----------
    labels: int64, shape (windows,); -1 is unlabelled and never drawn.
    train_indices: windows that may be drawn.
    share: in (0, 1]; 1 takes every labelled training window.
    seed, fold: the draw's number and the fold's, so that folds draw independently; below 1000
        folds no two pairs share a generator.

    Returns
    -------
    Window indices, int64, ascending.
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"a label budget is a share in (0, 1], not {share}")
    labels = np.asarray(labels)
    candidates = np.unique(np.asarray(train_indices, dtype=np.int64))
    rng = np.random.default_rng(1000 * seed + fold)
    drawn: list[np.ndarray] = []
    for c in range(n_classes):
        of_class = candidates[labels[candidates] == c]
        wanted = max(minimum_per_class, int(share * len(of_class) + 0.5))
        # The permutation is drawn even when all are taken, so that the next class's draw does
        # not depend on the share.
        drawn.append(rng.permutation(of_class)[:wanted])
    if not drawn:
        return np.empty(0, dtype=np.int64)
    return np.sort(np.concatenate(drawn)).astype(np.int64)


def validation_subjects(
    subjects: Sequence[str] | np.ndarray,
    recordings: Sequence[str] | np.ndarray,
    labels: np.ndarray,
    train_indices: np.ndarray,
    share: float = 0.2,
    seed: int = 0,
) -> InnerSplit:
    """Set aside whole subjects of the training windows for early stopping and calibration.

    About `share` of the subjects, at least one. Among seeded draws the one is taken that leaves
    most classes in training, then most in validation, then comes nearest to `share` of the
    windows. With one training subject whole recordings are set aside instead, and with one
    recording nothing is; `note` says so.

    Parameters
    ----------
    subjects, recordings: names, shape (windows,).
    labels: int64, shape (windows,).
    train_indices: the labelled windows that may be used (a drawn budget, for instance).
    """
    if not 0.0 < share < 1.0:
        raise ValueError(f"the validation share is in (0, 1), not {share}")
    indices = np.unique(np.asarray(train_indices, dtype=np.int64))
    subject_of = np.asarray(subjects, dtype=str)[indices]
    recording_of = np.asarray(recordings, dtype=str)[indices]
    label_of = np.asarray(labels)[indices]

    if len(np.unique(subject_of)) >= 2:
        groups, by, note = subject_of, "subject", None
    elif len(np.unique(recording_of)) >= 2:
        groups, by = recording_of, "recording"
        note = (
            "All labelled training windows are of one subject, so early stopping and calibration "
            "use other recordings of the same subject and may be too optimistic."
        )
    else:
        note = (
            "All labelled training windows are of one recording, so none were set aside: "
            "training ran its full number of epochs, and confidence is not calibrated."
        )
        return InnerSplit(indices, np.empty(0, dtype=np.int64), "none", note)

    chosen = _choose_groups(groups, label_of, share, seed)
    held_out = np.isin(groups, chosen)
    return InnerSplit(indices[~held_out], indices[held_out], by, note)


def _choose_groups(groups: np.ndarray, labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    names, group_of = np.unique(groups, return_inverse=True)
    classes, class_of = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(names), len(classes)), dtype=np.int64)
    np.add.at(counts, (group_of, class_of), 1)
    total = counts.sum(axis=0)
    n_out = min(max(1, round(share * len(names))), len(names) - 1)

    rng = np.random.default_rng(seed)
    best_key: tuple[int, int, float] | None = None
    best = np.arange(n_out)
    for _ in range(64):
        draw = rng.permutation(len(names))[:n_out]
        out = counts[draw].sum(axis=0)
        key = (
            int(np.count_nonzero(out == total)),  # classes lost from training
            int(np.count_nonzero(out == 0)),  # classes lost from validation
            abs(float(out.sum()) / float(total.sum()) - share),
        )
        if best_key is None or key < best_key:
            best_key, best = key, draw
    return names[np.sort(best)]


def group_folds(
    groups: Sequence[str] | np.ndarray, indices: np.ndarray, n_folds: int = 5
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cut windows into folds of whole groups, for out-of-fold predictions inside the training set.

    Groups are sorted by name; group i is held out in fold i mod n. Fewer groups than folds give
    as many folds as groups; one group gives no fold at all.

    Returns
    -------
    Pairs (train, held out) of window indices.
    """
    indices = np.unique(np.asarray(indices, dtype=np.int64))
    names, group_of = np.unique(np.asarray(groups, dtype=str)[indices], return_inverse=True)
    if len(names) < 2:
        return []
    n_folds = max(2, min(n_folds, len(names)))
    fold_of = group_of % n_folds
    return [(indices[fold_of != k], indices[fold_of == k]) for k in range(n_folds)]
