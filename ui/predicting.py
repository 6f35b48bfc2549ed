"""Which run is looked at, under which modalities, and what it says of the shown recording.

Views ask for a change here, and draw again when it is announced. Nothing is computed here: core
makes views and figures from what the run has kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from core.errors import CrosslError, ModelError
from core.progress import RunContext
from core.run_results import AllWindows, RunResults
from core.study import StudyRecording
from core.study_labels import StudyLabel
from core.study_runs import StudyRun, runs_of
from core.window_store import RecordingWindows
from core.window_view import (
    LiveFigures,
    WindowView,
    labels_on_windows,
    live_figures,
    make_view,
)
from ui.jobs import LatestJob
from ui.session import Session

Kept = tuple[int, ...]


class Predicting(QObject):
    """The chosen run, the modalities that are switched on, and the view of the shown recording."""

    runs_changed = Signal()
    """Runs came, went, or are further."""
    run_changed = Signal()
    """Another run is looked at, or none, or it has new predictions."""
    windows_changed = Signal()
    """Other windows: of another recording or another run."""
    view_changed = Signal()
    """The same windows seen otherwise: modalities, threshold, labels."""
    everything_changed = Signal()
    """The windows of all recordings have been read, or are out of date."""
    everything_relabelled = Signal()
    """The same windows of all recordings have other labels."""
    failed = Signal(object)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._runs: tuple[StudyRun, ...] = ()
        self._run: StudyRun | None = None
        self._results: RunResults | None = None
        self._windows: RecordingWindows | None = None
        self._held_out = np.empty(0, bool)
        self._view: WindowView | None = None
        self._figures: LiveFigures | None = None
        self._kept: Kept | None = None  # None: all
        self._threshold = 0.0
        self._everything: AllWindows | None = None
        self._wants_everything = False
        self._on_demand: dict[Kept, np.ndarray] = {}
        self._reading = LatestJob(self)
        self._reading.succeeded.connect(self._take_everything)
        self._reading.failed.connect(self.failed)
        self._asking = LatestJob(self)
        self._asking.succeeded.connect(self._take_answer)
        self._asking.failed.connect(self.failed)
        # Keys of labels come quicker than anybody reads figures.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(30)
        self._soon.timeout.connect(self._renew_labels)
        session.study_changed.connect(self._on_study)
        session.results_changed.connect(self._on_results)
        session.shown_changed.connect(self._on_shown)
        session.labelling.labels_changed.connect(self._soon.start)
        session.labelling.opened.connect(self._soon.start)

    # -- what is looked at

    @property
    def runs(self) -> tuple[StudyRun, ...]:
        """The runs of the study, the newest first."""
        return self._runs

    @property
    def run(self) -> StudyRun | None:
        """The chosen run of the study; None also for a results folder."""
        return self._run

    @property
    def results(self) -> RunResults | None:
        return self._results

    @property
    def windows(self) -> RecordingWindows | None:
        """What the run says of the shown recording."""
        return self._windows

    @property
    def view(self) -> WindowView | None:
        return self._view

    @property
    def figures(self) -> LiveFigures | None:
        """Figures of the view."""
        return self._figures

    @property
    def modalities(self) -> tuple[str, ...]:
        return self._results.modalities if self._results is not None else ()

    @property
    def kept(self) -> Kept:
        """Numbers of the modalities that are switched on."""
        return self._kept if self._kept is not None else tuple(range(len(self.modalities)))

    @property
    def threshold(self) -> float:
        return self._threshold

    @property
    def everything(self) -> AllWindows | None:
        """All windows of the run with the labels as they are now; None until they are read."""
        return self._everything

    @property
    def is_hidden(self) -> bool:
        """Whether raters of this study are not to see predictions."""
        study = self._session.study
        return study is not None and study.settings.blinded

    def run_named(self, name: str) -> StudyRun | None:
        return next((run for run in self._runs if run.name == name), None)

    # -- changing it

    def choose(self, name: str) -> None:
        """Look at another run of the study; at none for an empty name."""
        self._take_run(self.run_named(name))

    def refresh_runs(self) -> None:
        """Look again which runs there are, and at the chosen one."""
        study = self._session.study
        self._runs = runs_of(study.folder) if study is not None else ()
        self.runs_changed.emit()
        if self._run is not None:
            self._take_run(self.run_named(self._run.name))

    def renew_windows(self) -> None:
        """Read the chosen run's windows again: more recordings were scored."""
        if self._results is not None and self._windows is not None:
            self._results.forget(self._windows.recording)
        self.forget_everything()
        self._on_shown()
        self.run_changed.emit()

    def set_kept(self, kept: Kept) -> None:
        """Switch modalities on and off."""
        self._kept = None if len(kept) == len(self.modalities) else tuple(sorted(kept))
        self._renew_view()

    def set_threshold(self, threshold: float) -> None:
        """Leave windows unassigned whose confidence is below this."""
        self._threshold = threshold
        self._renew_view()

    def want_everything(self) -> None:
        """Read the windows of all recordings in the background, if that has not been done."""
        self._wants_everything = True
        if self._everything is None and self._results is not None and not self.is_hidden:
            self._reading.start(
                partial(_read_everything, self._results, self._labels_by_recording())
            )

    def shut_down(self) -> None:
        """End background work; returns when it has ended."""
        self._soon.stop()
        self._reading.shut_down()
        self._asking.shut_down()

    # -- the study, the results folder

    def _on_study(self) -> None:
        study = self._session.study
        before = self._run.folder if self._run is not None else None
        self._runs = runs_of(study.folder) if study is not None else ()
        self.runs_changed.emit()
        if self.is_hidden:
            self._take_run(None)
            return
        same = next((run for run in self._runs if run.folder == before), None)
        newest = next((run for run in self._runs if run.has_windows), None)
        if same is None or self._results is None:
            self._take_run(newest)

    def _on_results(self) -> None:
        results = self._session.results
        if results is None:
            if self._session.study is None:
                self._take_results(None)
            return
        self._run = None
        folder = results.folder
        there = any((folder / "windows").glob("*.safetensors"))
        self._take_results(self._read_results(folder) if there else None)

    def _take_run(self, run: StudyRun | None) -> None:
        self._run = run
        readable = run is not None and (run.has_model or run.report_path.is_file())
        self._take_results(self._read_results(run.folder) if run and readable else None)

    def _read_results(self, folder: Path) -> RunResults | None:
        try:
            return RunResults(folder)
        except CrosslError as error:
            self.failed.emit(error)
            return None

    def _take_results(self, results: RunResults | None) -> None:
        before = self.modalities
        self._results = results
        if self.modalities != before:
            self._kept = None
        self.forget_everything()
        self._on_shown()
        self.run_changed.emit()

    # -- the shown recording

    def _on_shown(self) -> None:
        self._on_demand = {}
        self._asking.drop()
        self._windows = self._windows_of_shown()
        if self._windows is not None and self._results is not None:
            self._held_out = self._results.held_out(self._windows, self._files_of_shown())
        self._make_view()
        self.windows_changed.emit()
        self.view_changed.emit()

    def _windows_of_shown(self) -> RecordingWindows | None:
        shown, results = self._session.shown, self._results
        if shown is None or results is None or self.is_hidden:
            return None
        name = shown.entry.name if shown.entry is not None else self._session.selected
        if name is None or not results.has(name):
            return None
        try:
            return results.windows(name)
        except ModelError as error:
            self.failed.emit(error)
            return None

    def _files_of_shown(self) -> tuple[str, ...]:
        shown = self._session.shown
        if shown is None or shown.entry is None:
            return ()
        return tuple(file.fingerprint for file in shown.entry.files)

    def _labels_now(self, windows: RecordingWindows) -> np.ndarray:
        labelling = self._session.labelling
        if self._session.study is None or labelling.journal is None:
            return windows.labels
        states = labelling.labels.states
        if not states:  # who has not labelled here yet compares with those whom the run learnt from
            states = self._states_of(labelling.journal.recording, self._raters_of_run())
        return _laid(states, self._session.study.settings.min_cover, windows)

    def _make_view(self) -> None:
        windows = self._windows
        if windows is None:
            self._view, self._figures = None, None
            return
        kept = self.kept
        answer, held_out = None, self._held_out
        if kept and len(kept) < len(windows.modalities) and windows.row_of(kept) is None:
            answer = self._on_demand.get(kept)
            if answer is None:
                self._asking.start(partial(_ask, self._results, windows, kept))
                return  # what was shown stays until the answer is there
            # The final model answers, whatever fold held the person out.
            held_out = held_out & (windows.fold == "final")
        self._view = make_view(
            windows, kept, self._labels_now(windows), held_out, self._threshold, answer
        )
        self._figures = live_figures(self._view)

    def _renew_view(self) -> None:
        self._make_view()
        self.view_changed.emit()

    def _renew_labels(self) -> None:
        if self._windows is None:
            return
        self._relabel_shown()
        self._renew_view()

    def _take_answer(self, answer: _Answer) -> None:
        if answer.windows is self._windows:
            self._on_demand[answer.kept] = answer.probabilities
            self._renew_view()

    # -- all recordings

    def labels_for_learning(self) -> dict[str, np.ndarray]:
        """By recording, the labels of whoever labels now, or else of the run's raters, on the
        windows of `everything`: what a head is to learn from next."""
        return self._laid_labels([*self._name_of_rater(), *self._raters_of_run()])

    def labels_of_rater(self) -> dict[str, np.ndarray]:
        """By recording, the labels of whoever labels now, on the windows of `everything`."""
        return self._laid_labels(self._name_of_rater())

    def _name_of_rater(self) -> list[str]:
        return [self._session.rater.name] if self._session.rater is not None else []

    def _laid_labels(self, names: list[str]) -> dict[str, np.ndarray]:
        """Labels of the first of these raters who labelled a recording, on all windows."""
        everything, study = self._everything, self._session.study
        if everything is None:
            return {}
        found = {}
        ends = np.searchsorted(
            everything.recording_index, np.arange(len(everything.recordings) + 1)
        )
        entries = {entry.name: entry for entry in self._session.recordings}
        for number, name in enumerate(everything.recordings):
            rows = slice(int(ends[number]), int(ends[number + 1]))
            states: tuple[StudyLabel, ...] = ()
            if study is not None and name in entries:
                states = self._states_of(entries[name], names)
            cover = study.settings.min_cover if study is not None else 0.5
            found[name] = labels_on_windows(
                states, everything.classes, everything.starts_s[rows], everything.length_s, cover
            )
        return found

    def forget_everything(self) -> None:
        """Read all windows again when they are wanted: labels of several recordings changed."""
        self._reading.drop()
        self._everything = None
        self.everything_changed.emit()
        if self._wants_everything and self._results is not None:
            self.want_everything()

    def _raters_of_run(self) -> list[str]:
        return list(self._run.raters) if self._run is not None else []

    def _states_of(self, entry: StudyRecording, names: list[str]) -> tuple[StudyLabel, ...]:
        """The states of the first of these raters who gave the recording any, as a run takes
        them."""
        study, labelling = self._session.study, self._session.labelling
        assert study is not None
        known = {rater.name: rater for rater in study.raters()}
        journal = labelling.journal
        for name in dict.fromkeys(names):
            if journal is not None and (journal.recording.id, journal.rater.name) == (
                entry.id,
                name,
            ):
                states = labelling.labels.states
            elif name in known:
                states = study.labels(entry.id, known[name].id).states
            else:
                continue
            if states:
                return states
        return ()

    def _labels_by_recording(self) -> dict[str, _LabelsOf]:
        """Of each recording, the labels that figures stand on: those of the run's raters, or else
        of whoever labels now."""
        study = self._session.study
        if study is None:
            return {}
        names = self._raters_of_run()
        if self._session.rater is not None:
            names.append(self._session.rater.name)
        cover = study.settings.min_cover
        return {
            entry.name: _LabelsOf(
                partial(_laid, self._states_of(entry, names), cover),
                tuple(file.fingerprint for file in entry.files),
            )
            for entry in self._session.recordings
        }

    def label_layers(self) -> dict[str, Callable[[RecordingWindows], np.ndarray]]:
        """By recording, what lays the labels that figures stand on on its windows."""
        return {name: found.lay for name, found in self._labels_by_recording().items()}

    def _relabel_shown(self) -> None:
        """Other labels of the shown recording among all windows."""
        everything, windows, study = self._everything, self._windows, self._session.study
        shown = self._session.shown
        if everything is None or windows is None or study is None:
            return
        if shown is None or shown.entry is None or windows.recording not in everything.recordings:
            return
        number = everything.recordings.index(windows.recording)
        names = self._raters_of_run()
        if self._session.rater is not None:
            names.append(self._session.rater.name)
        rows = everything.recording_index == number
        labels = everything.labels.copy()
        labels[rows] = _laid(self._states_of(shown.entry, names), study.settings.min_cover, windows)
        if not np.array_equal(labels, everything.labels):
            self._everything = replace(everything, labels=labels)
            self.everything_relabelled.emit()

    def _take_everything(self, everything: AllWindows) -> None:
        self._everything = everything
        self.everything_changed.emit()


@dataclass(frozen=True)
class _LabelsOf:
    """How a recording's labels are laid on its windows, and fingerprints of its files."""

    lay: Callable[[RecordingWindows], np.ndarray]
    files: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Answer:
    windows: RecordingWindows
    kept: Kept
    probabilities: np.ndarray


def _laid(
    states: tuple[StudyLabel, ...], min_cover: float, windows: RecordingWindows
) -> np.ndarray:
    return labels_on_windows(states, windows.classes, windows.starts_s, windows.length_s, min_cover)


def _read_everything(
    results: RunResults, labels: dict[str, _LabelsOf], context: RunContext
) -> AllWindows:
    return results.everything(
        context,
        {name: found.lay for name, found in labels.items()},
        {name: found.files for name, found in labels.items()},
    )


def _ask(
    results: RunResults, windows: RecordingWindows, kept: Kept, context: RunContext
) -> _Answer:
    from core.subset_on_demand import subset_probabilities

    del context
    return _Answer(windows, kept, subset_probabilities(results, windows, kept))
