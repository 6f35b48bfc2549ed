"""Which run is looked at, under which modalities, and what it says of the shown recording.

Views ask for a change here, and draw again when it is announced. Nothing is computed here: core
makes views and figures from what the run has kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from core.errors import CrosslError, DataError, ModelError
from core.label_scheme import LabelScheme
from core.labels_of_study import LabelSource, read_labels, rows_by_recording
from core.progress import RunContext
from core.run_results import AllWindows, RunResults
from core.study import StudyRecording
from core.study_labels import RecordingLabels, StudyLabel
from core.study_runs import StudyRun, runs_of
from core.window_store import RecordingWindows, read_windows
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
LARGE_BYTES = 16_000_000
"""Larger files of windows are read in the background."""
FIGURES_AFTER_MS = 30
"""Labels rest for so long before figures follow them."""
RELABEL_AFTER_MS = 200


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
    nothing_there = Signal(str)
    """There are no windows of all recordings to be read; carries why."""
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
        self._viewed: RecordingWindows | None = None  # whose windows the view shows
        self._figures: LiveFigures | None = None
        self._scheme: LabelScheme | None = None
        self._is_walked = False
        self._kept: Kept | None = None  # None: all
        self._threshold = 0.0
        self._everything: AllWindows | None = None
        self._wants_everything = False
        self._on_demand: dict[Kept, np.ndarray] = {}
        self._reading = LatestJob(self)
        self._reading.succeeded.connect(self._take_everything)
        self._reading.failed.connect(self._on_no_windows)
        self._relabelling = LatestJob(self)
        self._relabelling.succeeded.connect(self._take_labels)
        self._relabelling.failed.connect(self.failed)
        self._opening = LatestJob(self)
        self._opening.succeeded.connect(self._take_opened)
        self._opening.failed.connect(self.failed)
        self._asking = LatestJob(self)
        self._asking.succeeded.connect(self._take_answer)
        self._asking.failed.connect(self._on_no_answer)
        # Keys of labels come quicker than anybody reads figures.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(FIGURES_AFTER_MS)
        self._soon.timeout.connect(self._renew_labels)
        self._relabel_soon = QTimer(self)
        self._relabel_soon.setSingleShot(True)
        self._relabel_soon.setInterval(RELABEL_AFTER_MS)
        self._relabel_soon.timeout.connect(self._relabel_everything)
        session.study_changed.connect(self._on_study)
        session.results_changed.connect(self._on_results)
        session.shown_changed.connect(self._on_shown)
        session.labelling.labels_changed.connect(self._soon.start)
        session.labelling.opened.connect(self._on_labelling)
        session.recordings_changed.connect(self._relabel_soon.start)
        session.rater_changed.connect(self._relabel_soon.start)

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

    @property
    def is_walked(self) -> bool:
        """Whether somebody goes through a list of windows: no other run is then chosen for
        them."""
        return self._is_walked

    def set_walked(self, walked: bool) -> None:
        self._is_walked = walked

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
        if self._run is None:
            return
        run = self.run_named(self._run.name)
        if run is None or self._results is None or self._results.is_outdated:
            self._take_run(run)
        elif run != self._run:  # only its name or its state
            self._run = run
            self.run_changed.emit()

    def renew_windows(self) -> None:
        """Read the chosen run's windows again: more recordings were scored."""
        if self._results is not None:
            self._results.forget_all()
        self.forget_everything()
        self._on_shown()
        self.run_changed.emit()

    def renew_labels(self) -> None:
        """Lay the labels on the windows of all recordings again: those of several changed."""
        self._soon.start()
        self._relabel_soon.start()

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
            self._reading.start(partial(_read_everything, self._results, self.label_source()))

    def shut_down(self) -> None:
        """End background work; returns when it has ended."""
        self._soon.stop()
        self._relabel_soon.stop()
        for job in (self._reading, self._relabelling, self._opening, self._asking):
            job.shut_down()

    # -- the study, the results folder

    def _on_study(self) -> None:
        study = self._session.study
        before = self._run.folder if self._run is not None else None
        self._runs = runs_of(study.folder) if study is not None else ()
        self.runs_changed.emit()
        same = next((run for run in self._runs if run.folder == before), None)
        if same is None or self._results is None or self.is_hidden:
            self._take_run(next((run for run in self._runs if run.has_windows), None))
        elif self._results.set_subjects(self._session.subjects):
            self._take_run(same)
        else:
            self._relabel_soon.start()

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
        if self.is_hidden:
            run = None
        self._run = run
        readable = run is not None and (run.has_model or run.report_path.is_file())
        self._take_results(self._read_results(run.folder) if run and readable else None)

    def _read_results(self, folder: Path) -> RunResults | None:
        try:
            results = RunResults(folder)
        except CrosslError as error:
            self.failed.emit(error)
            return None
        results.set_subjects(self._session.subjects)
        return results

    def _take_results(self, results: RunResults | None) -> None:
        if results is None and self._results is None:
            self.run_changed.emit()
            return
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
        self._opening.drop()
        self._take_windows(self._windows_of_shown())

    def _take_windows(self, windows: RecordingWindows | None) -> None:
        self._windows = windows
        if windows is not None and self._results is not None:
            self._held_out = self._results.held_out(windows, self._files_of_shown())
        self._make_view()
        self.windows_changed.emit()
        self.view_changed.emit()

    def _windows_of_shown(self) -> RecordingWindows | None:
        """The windows of the shown recording; None also where they are read in the background."""
        shown, results = self._session.shown, self._results
        if shown is None or results is None or self.is_hidden:
            return None
        name = shown.entry.name if shown.entry is not None else self._session.selected
        if name is None or not results.has(name):
            return None
        if not results.is_in_memory(name) and results.bytes_of(name) > LARGE_BYTES:
            self._opening.start(partial(_open_windows, results, name))
            return None
        try:
            return results.windows(name)
        except ModelError as error:
            self.failed.emit(error)
            return None

    def _take_opened(self, opened: tuple[RunResults, RecordingWindows]) -> None:
        results, windows = opened
        if results is self._results:
            results.keep(windows)
            self._take_windows(windows)

    def _files_of_shown(self) -> tuple[str, ...]:
        shown = self._session.shown
        if shown is None or shown.entry is None:
            return ()
        return tuple(file.fingerprint for file in shown.entry.files)

    def labels_compared(self) -> tuple[str, RecordingLabels]:
        """The labels of the shown recording that predictions are compared with, and whose they
        are: who has not labelled here yet compares with those whom the run learnt from."""
        study, labelling = self._session.study, self._session.labelling
        journal = labelling.journal
        if study is None or journal is None:
            return "", RecordingLabels()
        if not labelling.labels.states:
            known = {rater.name: rater for rater in study.raters()}
            for name in self._raters_of_run():
                if name in known and name != journal.rater.name:
                    labels = study.labels(journal.recording.id, known[name].id)
                    if labels.states:
                        return name, labels
        return journal.rater.name, labelling.labels

    def _labels_now(self, windows: RecordingWindows) -> np.ndarray:
        if self._session.study is None or self._session.labelling.journal is None:
            return windows.labels
        states = self.labels_compared()[1].states
        return labels_on_windows(
            states,
            windows.classes,
            windows.starts_s,
            windows.length_s,
            self._session.study.settings.min_cover,
        )

    def _make_view(self) -> None:
        windows = self._windows
        if windows is not self._viewed:  # of another recording: nothing of it may stay
            self._view, self._figures, self._viewed = None, None, windows
        if windows is None:
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

    def _on_labelling(self) -> None:
        """Another recording, rater or scheme; only the last changes colours and all labels."""
        scheme = self._session.labelling.scheme
        if scheme is not None and scheme != self._scheme:
            is_first, self._scheme = self._scheme is None, scheme
            if not is_first and self._windows is not None:
                self.windows_changed.emit()
                self._relabel_soon.start()
        self._soon.start()

    def _renew_labels(self) -> None:
        windows, view = self._windows, self._view
        if windows is None:
            return
        self._relabel_shown()
        if view is not None and np.array_equal(view.labels, self._labels_now(windows)):
            return
        self._renew_view()

    def _take_answer(self, answer: _Answer) -> None:
        if answer.windows is self._windows:
            self._on_demand[answer.kept] = answer.probabilities
            self._renew_view()

    def _on_no_answer(self, error: Exception) -> None:
        """The switches go back to what is shown."""
        self.failed.emit(error)
        self._kept = self._view.kept if self._view is not None else None
        self._renew_view()

    # -- all recordings

    def label_source(self) -> LabelSource | None:
        """Where the labels of all recordings are to be read; None without a study."""
        study, labelling = self._session.study, self._session.labelling
        if study is None:
            return None
        rater, journal = self._session.rater, labelling.journal
        known = {}
        if journal is not None:  # the disk may have refused some of them
            known[journal.recording.name, journal.rater.name] = labelling.labels.states
        return LabelSource(
            study.folder, rater.name if rater is not None else "", self._raters_of_run(), known
        )

    def forget_everything(self) -> None:
        """Read all windows again when they are wanted."""
        self._reading.drop()
        self._relabelling.drop()
        if self._everything is not None:
            self._everything = None
            self.everything_changed.emit()
        if self._wants_everything and self._results is not None:
            self.want_everything()

    def _raters_of_run(self) -> tuple[str, ...]:
        return self._run.raters if self._run is not None else ()

    def _states_of(self, entry: StudyRecording, names: Sequence[str]) -> tuple[StudyLabel, ...]:
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

    def _relabel_everything(self) -> None:
        source = self.label_source()
        if self._everything is not None and source is not None:
            self._relabelling.start(partial(_relabel, self._everything, source))

    def _take_labels(self, relabelled: AllWindows) -> None:
        everything = self._everything
        if everything is None or relabelled.starts_s is not everything.starts_s:
            return  # of other windows
        if not np.array_equal(relabelled.labels, everything.labels):
            self._everything = relabelled
            self.everything_relabelled.emit()
        self._relabel_shown()  # somebody may have labelled meanwhile

    def _relabel_shown(self) -> None:
        """Other labels of the shown recording among all windows."""
        everything, windows, study = self._everything, self._windows, self._session.study
        shown = self._session.shown
        if everything is None or windows is None or study is None:
            return
        if shown is None or shown.entry is None:
            return
        rows = rows_by_recording(everything).get(windows.recording)
        if rows is None:
            return
        source = self.label_source()
        assert source is not None
        laid = labels_on_windows(
            self._states_of(shown.entry, source.names),
            windows.classes,
            windows.starts_s,
            windows.length_s,
            study.settings.min_cover,
        )
        if len(laid) == rows.stop - rows.start and not np.array_equal(
            laid, everything.labels[rows]
        ):
            labels = everything.labels.copy()
            labels[rows] = laid
            self._everything = replace(everything, labels=labels)
            self.everything_relabelled.emit()

    def _take_everything(self, everything: AllWindows) -> None:
        self._everything = everything
        if everything.left_out:
            self.failed.emit(ModelError("\n".join(everything.left_out)))
        self._relabel_shown()
        self.everything_changed.emit()

    def _on_no_windows(self, error: Exception) -> None:
        self.nothing_there.emit(str(error))
        if not isinstance(error, DataError):  # that is a run without predictions
            self.failed.emit(error)


@dataclass(frozen=True, eq=False)
class _Answer:
    windows: RecordingWindows
    kept: Kept
    probabilities: np.ndarray


def _open_windows(
    results: RunResults, name: str, context: RunContext
) -> tuple[RunResults, RecordingWindows]:
    del context
    return results, read_windows(results.path_of(name))


def _read_everything(
    results: RunResults, source: LabelSource | None, context: RunContext
) -> AllWindows:
    if source is None:
        return results.everything(context)
    labels = read_labels(source, context)
    lay = {name: labels.lay for name in labels.files}
    return results.everything(context, lay, labels.files)


def _relabel(everything: AllWindows, source: LabelSource, context: RunContext) -> AllWindows:
    """The same windows with the labels that the study has now."""
    labels = read_labels(source, context)
    laid = labels.for_figures(everything)
    # What is not in the study any more keeps the labels that the run saw.
    for name, rows in rows_by_recording(everything).items():
        if name not in labels.files:
            laid[rows] = everything.labels[rows]
    return replace(everything, labels=laid)


def _ask(
    results: RunResults, windows: RecordingWindows, kept: Kept, context: RunContext
) -> _Answer:
    from core.subset_on_demand import subset_probabilities

    del context
    return _Answer(windows, kept, subset_probabilities(results, windows, kept))
