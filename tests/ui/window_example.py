"""Twenty windows of ten seconds, and what a run says of them: each oddity in one known place."""

from __future__ import annotations

import numpy as np

from core.robustness import SubsetPredictions, fragility, plan_subsets, shapley
from core.window_store import FINAL, RecordingWindows
from core.window_view import WindowView, make_view

CLASSES = ("wake", "light", "deep")
MODALITIES = ("eeg", "eog", "emg")
COUNT, LENGTH_S = 20, 10.0
END_S = COUNT * LENGTH_S
ALL = (0, 1, 2)
WITHOUT_EEG = (1, 2)

UNSURE = 3
CHANGED = (4, 5, 6)
"""Another class without the EEG."""
DIFFERS = 7
NO_EOG = (8, 9)
NOTHING = 12
UNLABELLED = 15


def truth() -> np.ndarray:
    """Class with all modalities where something is present: five windows each, in turns."""
    return np.arange(COUNT) // 5 % 3


def make_windows(fold: str = "0", count: int = COUNT) -> RecordingWindows:
    """The example, or another number of windows like it."""
    plan = plan_subsets(3)
    codes = np.arange(count) // 5 % 3
    present = np.ones((count, 3), bool)
    if count > NOTHING:
        present[NO_EOG, 1] = False
        present[NOTHING] = False
    answers = np.full((len(plan.kept), count, 3), np.nan, np.float32)
    for row, kept in enumerate(plan.kept):
        said = codes.copy()
        if 0 not in kept and count > max(CHANGED):
            said[list(CHANGED)] = (said[list(CHANGED)] + 1) % 3
        answers[row] = 0.1
        answers[row, np.arange(count), said] = 0.8
        if count > UNSURE:
            answers[row, UNSURE] = (0.45, 0.35, 0.2)
        answers[row, ~present[:, kept].any(axis=1)] = np.nan
    subsets = SubsetPredictions(plan, present, answers)
    labels = codes.copy()
    if count > UNLABELLED:
        labels[DIFFERS] = (labels[DIFFERS] + 1) % 3
        labels[UNLABELLED] = -1
    return RecordingWindows(
        recording="n1",
        subject="s1",
        starts_s=np.arange(count) * LENGTH_S,
        length_s=LENGTH_S,
        classes=CLASSES,
        modalities=MODALITIES,
        labels=labels,
        fold=np.full(count, fold, dtype=object),
        subsets=subsets,
        fragility=fragility(subsets),
        shapley=shapley(subsets, np.full(3, 1 / 3)),
        z=np.zeros((count, 3, 2), np.float32),
        embedding=np.zeros((count, 2), np.float32),
    )


def make_example_view(
    kept: tuple[int, ...] = ALL, threshold: float = 0.0, fold: str = "0"
) -> WindowView:
    """The example under a subset of the modalities."""
    windows = make_windows(fold)
    return make_view(windows, kept, windows.labels, windows.held_out, threshold)


def seen_by_the_model() -> WindowView:
    """The example, predicted by a model that has learned from this person."""
    return make_example_view(fold=FINAL)
