"""What to label next in a run: from the labels so far to a list of windows with reasons."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from core.config import RunConfig
from core.errors import DataError
from core.progress import RunContext
from core.run_results import AllWindows, RunResults
from core.suggest import Places, suggest, two_likeliest


@dataclass(frozen=True, eq=False)
class Suggestion:
    """Windows to label, one recording after the other and in the order of time: they are walked
    through, and another recording takes a moment to open.

    Attributes
    ----------
    rows: int64, ascending, among all windows of the run.
    doubts: for each the two classes between which the model is torn, empty without a model.
    """

    rows: np.ndarray
    doubts: tuple[tuple[str, ...], ...]


def suggest_next(
    results: RunResults,
    windows: AllWindows,
    labels: Mapping[str, np.ndarray],
    done: Mapping[str, np.ndarray],
    count: int,
    context: RunContext,
    *,
    only: Collection[str] | None = None,
) -> Suggestion:
    """The `count` windows that teach most, with a head trained on the labels so far.

    `labels` by recording, int64 (windows,), -1 unlabelled: what the head learns from. `done` by
    recording, the labels of whoever labels now: windows with one are not suggested. Left alone are
    locked test subjects, and recordings that are not in `only`, where it is given. Without labels
    of two classes the choice goes by the embeddings alone.
    """
    laid = np.concatenate([done[name] for name in windows.recordings])
    probabilities = _probabilities(results, windows, labels, context)
    is_allowed = np.array([only is None or name in only for name in windows.recordings], bool)
    locked = set(results.config.evaluate.test_subjects) if results.config is not None else set()
    chosen = suggest(
        windows.embedding,
        probabilities,
        laid >= 0,
        ~np.isin(windows.subject, sorted(locked)) & is_allowed[windows.recording_index],
        count,
        places=Places(windows.recording_index, windows.starts_s, windows.length_s),
        context=context,
    )
    rows = np.sort(chosen)
    if probabilities is None:
        return Suggestion(rows, ((),) * len(rows))
    torn = two_likeliest(probabilities[rows])
    doubts = tuple(tuple(windows.classes[k] for k in pair if k >= 0) for pair in torn.tolist())
    return Suggestion(rows, doubts)


def _probabilities(
    results: RunResults,
    windows: AllWindows,
    labels: Mapping[str, np.ndarray],
    context: RunContext,
) -> np.ndarray | None:
    """Of a head that knows the labels so far; None where they do not make one."""
    from core.budget_curve import refit_and_predict

    config: RunConfig | None = results.config
    if config is None or not results.has_model:
        return None
    subjects = dict(zip(windows.recordings, windows.subjects, strict=True))
    try:
        found = refit_and_predict(
            results.folder, config, labels, subjects, windows.classes, context
        )
    except DataError:  # fewer than two classes have labels: nothing can be said yet
        return None
    return np.concatenate([found[name] for name in windows.recordings])
