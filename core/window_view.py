"""The windows of one recording as views show them: under the chosen modalities, beside the labels
as they are now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.config import LabelsBase
from core.evaluate import confusion_figures, predicted_classes
from core.labels import make_track, window_labels
from core.study_labels import StudyLabel
from core.window_store import RecordingWindows


@dataclass(frozen=True, eq=False)
class WindowView:
    """What strips and read-outs draw.

    Attributes
    ----------
    starts_s, ends_s: float64 (windows,), where each window's cell lies in a strip, in seconds
        from the recording's start. length_s: of a whole window; cells of overlapping windows are
        shorter.
    classes, modalities: names, in the order of all arrays.
    probabilities: float32 (windows, classes) under the kept modalities, NaN where nothing is left.
    full: int64 (windows,), class with all that is present, -1 where nothing is.
    labels: int64 (windows,), as they are now, -1 unlabelled.
    present: bool (windows, modalities). fragility: float32 (windows,); shapley: float32
        (windows, modalities); both of all modalities, NaN where undefined.
    held_out: bool (windows,), whether the model that predicts has not seen the subject.
    kept: numbers of the modalities that are switched on. threshold: confidence below which a
        window is left unassigned, 0 for never.
    """

    starts_s: np.ndarray
    ends_s: np.ndarray
    length_s: float
    classes: tuple[str, ...]
    modalities: tuple[str, ...]
    probabilities: np.ndarray
    full: np.ndarray
    labels: np.ndarray
    present: np.ndarray
    fragility: np.ndarray
    shapley: np.ndarray
    held_out: np.ndarray
    kept: tuple[int, ...]
    threshold: float = 0.0

    def __len__(self) -> int:
        return len(self.starts_s)

    @cached_property
    def predicted(self) -> np.ndarray:
        """Likeliest class, int64 (windows,), -1 where nothing is left; unsure ones included."""
        return predicted_classes(self.probabilities)

    @cached_property
    def confidence(self) -> np.ndarray:
        """Probability of the likeliest class, float32 (windows,), NaN where nothing is left."""
        best = np.maximum(self.predicted, 0)
        values = self.probabilities[np.arange(len(self)), best]
        return np.where(self.predicted >= 0, values, np.float32(np.nan))

    @cached_property
    def unsure(self) -> np.ndarray:
        """Windows with a prediction below the threshold, bool (windows,)."""
        return (self.predicted >= 0) & (self.confidence < self.threshold)

    @cached_property
    def assigned(self) -> np.ndarray:
        """Class of each window, int64, -1 where nothing is left or the model is unsure."""
        return np.where(self.unsure, -1, self.predicted)

    @cached_property
    def differs(self) -> np.ndarray:
        """Windows whose label is another one than assigned, bool (windows,)."""
        return (self.labels >= 0) & (self.assigned >= 0) & (self.labels != self.assigned)

    @cached_property
    def changed(self) -> np.ndarray:
        """Windows whose class is another one than with all modalities, bool (windows,)."""
        return (self.full >= 0) & (self.predicted != self.full)

    def at(self, time_s: float) -> int | None:
        """The window whose cell a time lies in; None outside of all."""
        row = int(np.searchsorted(self.starts_s, time_s, side="right")) - 1
        return row if row >= 0 and time_s < self.ends_s[row] else None


@dataclass(frozen=True)
class LiveFigures:
    """Figures of one recording under the kept modalities; None where undefined.

    Attributes
    ----------
    windows: with an answer. left_out: without one, though something is present.
    unsure: share of the answers below the threshold. changed: share of the windows whose class is
        another one than with all modalities.
    labelled: windows with label and answer, on which the scores stand. is_test: whether the model
        has seen nothing of these windows' subject; otherwise the scores are no test.
    """

    windows: int
    left_out: int
    unsure: float | None
    changed: float | None
    confidence: float | None
    labelled: int
    is_test: bool
    macro_f1: float | None
    accuracy: float | None
    cohen_kappa: float | None


def make_view(
    windows: RecordingWindows,
    kept: tuple[int, ...],
    labels: np.ndarray,
    held_out: np.ndarray,
    threshold: float = 0.0,
    probabilities: np.ndarray | None = None,
) -> WindowView:
    """A recording's windows under a subset of the modalities.

    `labels` int64 (windows,), by `labels_on_windows`; `held_out` bool (windows,). `probabilities`
    (windows, classes) are to be given where the subset was not asked (`windows.row_of`).
    """
    everything = len(kept) == len(windows.modalities)
    if probabilities is None:
        probabilities = windows.probabilities(None if everything else kept)
    return WindowView(
        starts_s=windows.starts_s,
        ends_s=windows.ends_shown_s(),
        length_s=windows.length_s,
        classes=windows.classes,
        modalities=windows.modalities,
        probabilities=probabilities,
        full=windows.predicted(),
        labels=labels,
        present=windows.present,
        fragility=windows.fragility,
        shapley=windows.shapley,
        held_out=held_out,
        kept=kept,
        threshold=threshold,
    )


def labels_on_windows(
    states: Sequence[StudyLabel],
    classes: Sequence[str],
    starts_s: np.ndarray,
    length_s: float,
    min_cover: float,
) -> np.ndarray:
    """Labels of a study laid on windows as learning lays them, int64 (windows,), -1 unlabelled."""
    track = make_track(
        "intervals",
        [state.start_s for state in states],
        [state.end_s - state.start_s for state in states],
        [state.class_name for state in states],
    )
    config = LabelsBase(classes=list(classes), min_cover=min_cover)
    return window_labels(track, starts_s, length_s, classes, config)


def live_figures(view: WindowView) -> LiveFigures:
    """The figures of a view."""
    answered = view.predicted >= 0
    count = int(answered.sum())
    scored = (view.labels >= 0) & (view.assigned >= 0)
    values: dict[str, float | None] = dict.fromkeys(("macro_f1", "accuracy", "cohen_kappa"))
    if scored.any():
        classes = len(view.classes)
        confusion = np.zeros((classes, classes), np.int64)
        np.add.at(confusion, (view.labels[scored], view.assigned[scored]), 1)
        found = confusion_figures(confusion)
        for name in values:
            value = float(found[name])
            values[name] = value if np.isfinite(value) else None
    anything = view.full >= 0
    return LiveFigures(
        windows=count,
        left_out=int((anything & ~answered).sum()),
        unsure=float(view.unsure[answered].mean()) if count else None,
        changed=float(view.changed[anything].mean()) if anything.any() else None,
        confidence=float(view.confidence[answered].mean()) if count else None,
        labelled=int(scored.sum()),
        is_test=bool(view.held_out[scored].all()) if scored.any() else bool(view.held_out.all()),
        **values,
    )
