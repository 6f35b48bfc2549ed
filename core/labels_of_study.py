"""The labels of a study on the windows of a run, read by a connection of its own.

Whose labels count is said by names in order of preference; a recording's labels are those of the
first who labelled it, as a run takes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from core.progress import RunContext
from core.run_results import AllWindows
from core.study import Study
from core.study_labels import StudyLabel
from core.window_store import RecordingWindows
from core.window_view import labels_on_windows

States = tuple[StudyLabel, ...]


@dataclass(frozen=True)
class LabelSource:
    """Where labels are to be read, from any thread.

    Attributes
    ----------
    folder: of the study.
    mine: who labels now, empty for nobody. of_run: whose labels the run learnt from.
    known: states that need not be read, by recording and rater: the file may not have them yet.
    """

    folder: Path
    mine: str = ""
    of_run: tuple[str, ...] = ()
    known: Mapping[tuple[str, str], States] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Everybody whose labels matter, each once."""
        return tuple(dict.fromkeys((*self.of_run, *((self.mine,) if self.mine else ()))))


@dataclass(frozen=True)
class StudyLabels:
    """What was read: states by recording and rater, with what lays them on windows.

    Attributes
    ----------
    states: by recording, then by rater, of those who gave any.
    files: by recording, fingerprints of its files.
    """

    source: LabelSource
    states: Mapping[str, Mapping[str, States]]
    files: Mapping[str, tuple[str, ...]]
    min_cover: float

    def first_of(self, recording: str, names: Sequence[str]) -> States:
        """The states of the first of these raters who gave the recording any."""
        own = self.states.get(recording, {})
        return next((own[name] for name in names if name in own), ())

    def lay(self, windows: RecordingWindows) -> np.ndarray:
        """Labels that figures stand on, int64 (windows,): of the run's raters, or else of whoever
        labels now."""
        states = self.first_of(windows.recording, self.source.names)
        return labels_on_windows(
            states, windows.classes, windows.starts_s, windows.length_s, self.min_cover
        )

    def for_figures(self, windows: AllWindows) -> np.ndarray:
        """The same on all windows."""
        return self._laid(windows, self.source.names)

    def of_rater(self, windows: AllWindows) -> np.ndarray:
        """Labels of whoever labels now, int64 (all windows,)."""
        return self._laid(windows, (self.source.mine,))

    def for_learning(self, windows: AllWindows) -> np.ndarray:
        """What a head is to learn from next: labels of whoever labels now, and of the run's raters
        where there is none; int64 (all windows,)."""
        mine = self.of_rater(windows)
        return np.where(mine >= 0, mine, self._laid(windows, self.source.of_run))

    def _laid(self, windows: AllWindows, names: Sequence[str]) -> np.ndarray:
        laid = np.full(len(windows), -1, np.int64)
        for recording, rows in rows_by_recording(windows).items():
            states = self.first_of(recording, names)
            if states:
                laid[rows] = labels_on_windows(
                    states,
                    windows.classes,
                    windows.starts_s[rows],
                    windows.length_s,
                    self.min_cover,
                )
        return laid


def read_labels(source: LabelSource, context: RunContext) -> StudyLabels:
    """The labels that the study has now. Raises StudyError where it cannot be read, Cancelled."""
    study = Study.open(source.folder, read_only=True)
    try:
        raters = [rater for rater in study.raters() if rater.name in source.names]
        recordings = study.recordings()
        found: dict[str, dict[str, States]] = {}
        for entry in recordings:
            context.look()
            own = {name: states for (of, name), states in source.known.items() if of == entry.name}
            for rater in raters:
                if rater.name not in own:
                    own[rater.name] = study.labels(entry.id, rater.id).states
            found[entry.name] = {name: states for name, states in own.items() if states}
        return StudyLabels(
            replace(source, known={}),
            found,
            {entry.name: tuple(file.fingerprint for file in entry.files) for entry in recordings},
            study.settings.min_cover,
        )
    finally:
        study.close()


class LateLabels:
    """Labels that are read when the first window wants one, by whatever thread that is in."""

    def __init__(self, source: LabelSource) -> None:
        self._source = source
        self._read: StudyLabels | None = None

    def lay(self, windows: RecordingWindows) -> np.ndarray:
        """As `StudyLabels.lay`. Raises StudyError where the study cannot be read."""
        if self._read is None:
            self._read = read_labels(self._source, RunContext())
        return self._read.lay(windows)


def rows_by_recording(windows: AllWindows) -> dict[str, slice]:
    """The rows of each recording among all windows."""
    numbers = np.arange(len(windows.recordings) + 1)
    ends = np.searchsorted(windows.recording_index, numbers).tolist()
    return {
        name: slice(first, last)
        for name, first, last in zip(windows.recordings, ends[:-1], ends[1:], strict=True)
    }


def split_by_recording(windows: AllWindows, values: np.ndarray) -> dict[str, np.ndarray]:
    """Values of all windows, by recording."""
    return {name: values[rows] for name, rows in rows_by_recording(windows).items()}
