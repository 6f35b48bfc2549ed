"""Windows of all recordings: the map, the list to walk through, and what to label next.

Map and list show plain values; here they are filled from the chosen run and led to the traces, and
what is chosen on them is labelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QWidget

from core.acceptance import epochs_within
from core.embedding_space import Projection, pca, umap
from core.errors import CrosslError, StudyError
from core.growth import GrowthPoint, growth_point
from core.label_journal import LabelJournal
from core.labels_of_study import LabelSource, read_labels, split_by_recording
from core.next_labels import Suggestion, suggest_next
from core.progress import RunContext
from core.run_results import AllWindows, RunResults
from core.study import StudyRecording
from core.study_labels import RecordingLabels, Stretch, make_grid, to_ns, to_s
from ui.actions import ActionRegistry
from ui.commands import Commands
from ui.embedding_map import EmbeddingMap, MapData
from ui.jobs import LatestJob
from ui.predicting import Predicting
from ui.preferences import PreferenceStore
from ui.recording_page import RecordingPage
from ui.session import Session
from ui.suggestion_panel import SuggestionPanel
from ui.time_plot import clock_text
from ui.window_list import ListedWindow

SUGGESTED = 10
FOLLOW_AFTER_MS = 60
"""The map follows the traces when they have rested for so long."""
NOTE_AFTER_MS = 60
"""Lines of the list get their labels when keys have rested for so long."""


@dataclass(frozen=True)
class _Place:
    """A window to be shown when its recording is on the screen."""

    recording: str
    start_s: float
    end_s: float


@dataclass(frozen=True, eq=False)
class _Found:
    """What to label next; `labels` int64 (all windows,), of whoever labels now."""

    suggestion: Suggestion
    labels: np.ndarray


class WindowCommands(Commands):
    """What can be done with windows, wherever they lie."""

    page_wanted = Signal()
    """The recording page should come to the front."""

    def __init__(
        self,
        session: Session,
        predicting: Predicting,
        page: RecordingPage,
        windows: SuggestionPanel,
        map: EmbeddingMap,
        registry: ActionRegistry,
        preferences: PreferenceStore,
        window: QWidget,
    ) -> None:
        super().__init__(session, registry, preferences, window)
        self._predicting = predicting
        self._page = page
        self._panel = windows
        self._map = map
        self._results: RunResults | None = None  # of which lists and map are
        self._length_s = 0.0  # of a listed window
        self._labels_before: tuple[str, ...] = ()  # of the listed windows, as they were listed
        self._coming: _Place | None = None
        self._is_suggestion = False
        self._is_opening = False  # a recording, or a study
        self._is_quiet = False  # the curve begins by itself
        self._wants_suggestion = False  # as soon as the windows have been read
        self._wanted_cell: tuple[str, str] | None = None
        self._projection = "PCA"
        self._mapped: np.ndarray | None = None  # starts of the windows on the map
        self._projecting = LatestJob(self)
        self._projecting.succeeded.connect(self._take_projection)
        self._projecting.failed.connect(self._on_no_projection)
        self._suggesting = LatestJob(self)
        self._suggesting.succeeded.connect(self._take_suggestion)
        self._suggesting.failed.connect(self._on_no_suggestion)
        self._growing = LatestJob(self)
        self._growing.succeeded.connect(self._take_growth)
        self._growing.failed.connect(self._on_no_growth)
        self._follow = QTimer(self)
        self._follow.setSingleShot(True)
        self._follow.setInterval(FOLLOW_AFTER_MS)
        self._follow.timeout.connect(self._mark_on_map)
        self._note_soon = QTimer(self)
        self._note_soon.setSingleShot(True)
        self._note_soon.setInterval(NOTE_AFTER_MS)
        self._note_soon.timeout.connect(self._note_labels)

    def add_commands(self) -> None:
        """Put the commands into the registry."""
        add, tr = self._registry.add, self.tr
        group = tr("Predictions")
        add("windows.suggest", tr("Label these &10 next"), "Ctrl+Shift+N", self.suggest,
            group=group, icon="label",
            tooltip=tr("List windows that teach most: unsure, and unlike one another"))  # fmt: skip
        add("windows.next", tr("Next window of the &list"), "Ctrl+Shift+.",
            partial(self.step, 1), group=group)  # fmt: skip
        add("windows.previous", tr("Window of the list before"), "Ctrl+Shift+,",
            partial(self.step, -1), group=group)  # fmt: skip
        session, predicting = self._session, self._predicting
        predicting.everything_changed.connect(self._on_everything)
        predicting.run_changed.connect(self._on_run)
        predicting.nothing_there.connect(self._on_nothing)
        predicting.everything_relabelled.connect(self._relabel_map)
        predicting.windows_changed.connect(self._follow.start)
        session.shown_changed.connect(self._on_shown)
        session.busy_changed.connect(self._on_busy)
        session.labelling.labels_changed.connect(self._on_labels)
        session.labelling.position_changed.connect(self._follow.start)
        session.labelling.opened.connect(self._show_locked)
        self._page.view.plot.getViewBox().sigXRangeChanged.connect(self._follow.start)
        panel, map = self._panel, self._map
        panel.windows.window_chosen.connect(self._on_listed)
        panel.more_wanted.connect(self.suggest)
        panel.growth_wanted.connect(self.grow)
        map.window_chosen.connect(self.go_to_row)
        map.list_requested.connect(self._list_lasso)
        map.label_requested.connect(self.label_rows)
        map.projection_requested.connect(self.project)
        self.show_state()

    def show_state(self) -> None:
        """Enable what can be done now."""
        study = self._session.study
        there = self._predicting.results is not None
        self._registry.action("windows.suggest").setEnabled(there and study is not None)
        listed = bool(self._panel.windows.model.rowCount())
        for id in ("windows.next", "windows.previous"):
            self._registry.action(id).setEnabled(listed)
        self._predicting.set_walked(listed)

    # -- all windows

    def _everything(self) -> AllWindows | None:
        """All windows, where they have been read; else they are asked for."""
        if self._predicting.everything is None:
            self._predicting.want_everything()
        return self._predicting.everything

    def _on_run(self) -> None:
        """Another run: nothing of the one before stays."""
        if self._predicting.results is not self._results:
            self._results = self._predicting.results
            for job in (self._projecting, self._suggesting, self._growing):
                job.drop()
            self._wants_suggestion, self._wanted_cell = False, None
            self._mapped = None
            self._list((), "", np.empty(0, np.int64))
            self._panel.set_busy("")
            self._panel.clear_growth()
            self._map.set_points(None, None)
        self.show_state()

    def _on_nothing(self, reason: str) -> None:
        if self._wants_suggestion:
            self._wants_suggestion = False
            self._panel.set_busy("")
            self._panel.windows.set_rows((), "", reason)
        self._wanted_cell = None
        self._map.set_busy("")

    def show_map(self) -> None:
        """Fill the map; when it comes to the front."""
        if self._everything() is not None and not self._is_mapped:
            self.project(self._projection)

    @property
    def _is_mapped(self) -> bool:
        """Whether the map shows the windows that were read last."""
        everything = self._predicting.everything
        return everything is not None and self._mapped is everything.starts_s

    def _on_everything(self) -> None:
        if self._predicting.everything is None:
            return
        if self._map.isVisible() and not self._is_mapped:
            self.project(self._projection)
        if self._wants_suggestion:
            self.suggest()
        if self._wanted_cell is not None:
            self.list_cell(*self._wanted_cell)

    def _relabel_map(self) -> None:
        everything = self._predicting.everything
        if everything is not None and self._is_mapped:
            self._map.set_data(self._map_data(everything))

    def project(self, name: str) -> None:
        """Lay the windows out on the map by `PCA` or `UMAP`."""
        everything = self._everything()
        if everything is None:
            return
        self._map.set_busy(name)
        self._projecting.start(partial(_project, everything, name))

    def _take_projection(self, projection: Projection) -> None:
        everything = self._predicting.everything
        if everything is None or len(projection.points) != len(everything):
            return
        self._projection = projection.name
        self._mapped = everything.starts_s
        self._map.set_points(
            projection.points,
            self._map_data(everything),
            projection=projection.name,
            explained=projection.explained,
        )
        self._show_locked()
        self._mark_on_map()

    def _on_no_projection(self, error: Exception) -> None:
        self._map.set_busy("")
        self.failed.emit(error)

    def _map_data(self, everything: AllWindows) -> MapData:
        predicted = everything.subsets.classes()[0]
        names, subject_index = np.unique(everything.subject, return_inverse=True)
        best = np.maximum(predicted, 0)
        confidence = everything.subsets.full[np.arange(len(everything)), best]
        return MapData(
            labels=everything.labels,
            predicted=predicted,
            subject_index=subject_index,
            subjects=tuple(names.tolist()),
            recording_index=everything.recording_index,
            recordings=everything.recordings,
            fragility=everything.fragility,
            confidence=np.where(predicted >= 0, confidence, np.float32(np.nan)),
            starts_s=everything.starts_s,
            classes=everything.classes,
            colours=self._colours(),
        )

    def _colours(self) -> dict[str, str]:
        scheme = self._session.labelling.scheme
        return {entry.name: entry.colour for entry in scheme.states} if scheme is not None else {}

    def _show_locked(self) -> None:
        if self._session.study is None:
            self._map.set_editable(self.tr("Only windows of a study can be labelled."))
        else:
            self._map.set_editable(self._session.labelling.why_locked)

    # -- between map, list and traces

    def go_to_row(self, row: int) -> None:
        """Show a window in the traces, in another recording if need be."""
        everything = self._predicting.everything
        if everything is not None:
            recording, start = everything.place(row)
            self._go_to(_Place(recording, start, start + everything.length_s))

    def show_recording(self, name: str) -> None:
        """Show a recording from its start."""
        self._go_to(_Place(name, 0.0, 0.0))

    def _go_to(self, place: _Place) -> None:
        recording = place.recording
        self.page_wanted.emit()
        if self._shown_name() == recording:
            self._page.go_to_window(place.start_s, place.end_s)
            return
        self._coming = place
        session = self._session
        if session.study is not None:
            entry = next((e for e in session.recordings if e.name == recording), None)
            if entry is None:
                self._coming = None
                self.said.emit(
                    self.tr("The recording {name} is not in the study.").format(name=recording)
                )
            else:
                # Whoever walks by keys means the window that comes, not the one that is left.
                self._session.labelling.hold(
                    self.tr("{name} is being opened: the key was not taken.").format(name=recording)
                )
                session.choose(entry.id)
                if not self._is_opening:  # it could not be begun
                    self._session.labelling.hold("")
        elif session.results is not None:
            session.select(recording)

    def _shown_name(self) -> str | None:
        shown = self._session.shown
        if shown is None:
            return None
        return shown.entry.name if shown.entry is not None else self._session.selected

    def _on_shown(self) -> None:
        place, self._coming = self._coming, None
        if place is not None and self._shown_name() == place.recording:
            self._page.go_to_window(place.start_s, place.end_s)
        self._follow.start()

    def _on_busy(self, busy: bool) -> None:
        self._is_opening = busy
        if not busy:  # opened, or not
            self._session.labelling.hold("")

    def _rows_of_shown(self) -> tuple[int, int]:
        """First row, and the one after the last, of the shown recording among all windows."""
        everything = self._predicting.everything
        name = self._shown_name()
        if everything is None or name not in everything.recordings:
            return 0, 0
        number = everything.recordings.index(name)
        first, last = np.searchsorted(everything.recording_index, [number, number + 1])
        return int(first), int(last)

    def _mark_on_map(self) -> None:
        """Mark on the map where the cursor is, and which windows are on the screen."""
        everything, view = self._predicting.everything, self._predicting.view
        first, last = self._rows_of_shown()
        if everything is None or view is None or last - first != len(view):
            self._map.set_current(None)
            self._map.set_visible_rows(np.empty(0, np.int64))
            return
        labelling = self._session.labelling
        time = labelling.time_s if labelling.scheme is not None else self._page.middle_s
        row = view.at(time)
        self._map.set_current(first + row if row is not None else None)
        low, high = self._page.view.range_s
        rows = np.flatnonzero((view.ends_s > low) & (view.starts_s < high))
        self._map.set_visible_rows(first + rows)

    # -- the list

    def list_rows(self, rows: Sequence[int] | np.ndarray, title: str) -> None:
        """List windows with the labels that figures stand on, to be walked through."""
        self._is_suggestion = False
        everything = self._predicting.everything
        labels = everything.labels if everything is not None else np.empty(0, np.int64)
        self._list(rows, title, labels)

    def _list(
        self,
        rows: Sequence[int] | np.ndarray,
        title: str,
        labels: np.ndarray,
        why: Sequence[str] = (),
    ) -> None:
        """List windows; `labels` int64 (all windows,), `why` for each listed one."""
        everything = self._predicting.everything
        listed = []
        if everything is not None and len(rows):
            self._length_s = everything.length_s
            predicted = everything.subsets.classes()[0]
            for place, row in enumerate(np.asarray(rows, np.int64).tolist()):
                recording, start = everything.place(row)
                code, label = int(predicted[row]), int(labels[row])
                listed.append(
                    ListedWindow(
                        recording,
                        start,
                        clock_text(start),
                        everything.classes[label] if label >= 0 else "",
                        everything.classes[code] if code >= 0 else "",
                        float(everything.subsets.full[row, code]) if code >= 0 else None,
                        _known(everything.fragility[row]),
                        why[place] if place < len(why) else "",
                    )
                )
        self._labels_before = tuple(window.label for window in listed)
        self._panel.windows.set_rows(listed, title)
        self.show_state()

    def _list_lasso(self, rows: np.ndarray) -> None:
        self.list_rows(rows, self.tr("{n} windows of the map").format(n=len(rows)))
        self._panel.show_list()

    def list_cell(self, true: str, predicted: str) -> None:
        """List the held-out windows behind a cell of the confusion matrix."""
        everything = self._everything()
        self._panel.show_list()
        if everything is None:
            self._wanted_cell = (true, predicted)
            self._panel.set_busy(self.tr("Reading the windows…"))
            return
        if self._wanted_cell is not None:
            self._wanted_cell = None
            self._panel.set_busy("")
        numbers = {name: number for number, name in enumerate(everything.classes)}
        found = (
            everything.held_out
            & (everything.labels == numbers.get(true, -2))
            & (everything.subsets.classes()[0] == numbers.get(predicted, -2))
        )
        title = self.tr("Labelled {true}, predicted {predicted}").format(
            true=true, predicted=predicted
        )
        self.list_rows(np.flatnonzero(found), title)

    def step(self, by: int) -> None:
        """Go to the next or previous window of the list."""
        self._panel.windows.step(by)

    def _on_listed(self, index: int) -> None:
        listed = self._panel.windows.rows
        if 0 <= index < len(listed):
            window = listed[index]
            self._go_to(_Place(window.recording, window.start_s, window.start_s + self._length_s))

    # -- labelling

    def _label_in_shown(self, window: ListedWindow) -> str:
        """The class that a window of the shown recording has, by whoever labels now."""
        middle = to_ns(window.start_s + self._length_s / 2)
        state = self._session.labelling.labels.state_at(middle)
        return state.class_name if state is not None else ""

    def _on_labels(self) -> None:
        """The current window of the list may have a label now: note it, and go on."""
        windows = self._panel.windows
        index, labelling = windows.current, self._session.labelling
        if not windows.model.rowCount() or labelling.scheme is None:
            return
        self._note_soon.start()
        if index is None:
            return
        listed = windows.rows[index]
        if listed.recording != self._shown_name():
            return
        name = self._label_in_shown(listed)
        if name == listed.label or not (name or self._is_suggestion):
            return
        windows.mark_done(index, name)
        if name and labelling.auto_advance and self._is_suggestion:
            # After the cursor has gone on by itself.
            QTimer.singleShot(0, self, self._go_on)

    def _note_labels(self) -> None:
        """Listed windows of the shown recording show the labels that they have now: one may have
        been labelled apart from the list, or its label undone."""
        windows, shown = self._panel.windows, self._shown_name()
        if self._session.labelling.scheme is None:
            return
        for index, listed in enumerate(windows.rows):
            if listed.recording != shown:
                continue
            name = self._label_in_shown(listed)
            if not name and not self._is_suggestion:  # then it has the label of somebody else
                name = self._labels_before[index]
            if name != listed.label:
                windows.mark_done(index, name)

    def _go_on(self) -> None:
        if not self._panel.windows.next_unlabelled():
            self.said.emit(self.tr("All windows of the list have labels."))
            self.grow()

    def label_rows(self, rows: np.ndarray, class_name: str) -> None:
        """Give the epochs of windows a state, in whichever recordings they lie; each recording is
        one step of undo."""
        everything, study = self._predicting.everything, self._session.study
        if everything is None or study is None or not self._session.saved_or_said():
            return
        by_recording: dict[str, list[tuple[float, float]]] = {}
        for row in np.asarray(rows).tolist():
            recording, start = everything.place(row)
            by_recording.setdefault(recording, []).append((start, start + everything.length_s))
        entries = {entry.name: entry for entry in self._session.recordings}
        count, left = 0, []
        for name, spans in by_recording.items():
            if name not in entries:
                left.append(name)
                continue
            try:
                count += self._label(entries[name], spans, class_name)
            except CrosslError as error:
                left.append(name)
                self.failed.emit(error)
        self._session.refresh_recordings()
        text = self.tr("{n} epochs are {name} now.").format(n=count, name=class_name)
        if left:
            text += " " + self.tr("Left out: {names}.").format(names=", ".join(left))
        self.said.emit(text)
        self._predicting.renew_labels()
        self._note_soon.start()

    def _label(
        self, entry: StudyRecording, spans_s: list[tuple[float, float]], class_name: str
    ) -> int:
        study, labelling, rater = self._session.study, self._session.labelling, self._session.rater
        assert study is not None
        if rater is None:
            raise StudyError(self.tr("Say first who labels: Study → Raters."))
        scheme = study.scheme
        grid = make_grid(entry.duration_s, scheme.epoch_s, to_s(entry.grid_offset_ns))
        stretches = [Stretch(*grid.span(e), class_name) for e in epochs_within(grid, spans_s)]
        what = self.tr("{n} epochs: {name}").format(n=len(stretches), name=class_name)
        if not stretches:
            return 0
        if labelling.journal is not None and labelling.journal.recording.id == entry.id:
            return len(stretches) if labelling.accept(stretches, what) else 0
        journal = LabelJournal(study, entry, rater)
        if journal.why_locked:
            raise StudyError(f"{entry.name}: {journal.why_locked}")
        labels: RecordingLabels = journal.labels
        journal.do(labels.painted_all(stretches), what)
        if not journal.is_saved:
            raise StudyError(f"{entry.name}: {journal.problem}")
        return len(stretches)

    # -- what to label next

    def suggest(self) -> None:
        """List the windows that are worth a label most."""
        everything, results = self._everything(), self._predicting.results
        if results is None:
            return
        self._panel.show_list()
        if everything is None:
            self._panel.set_busy(self.tr("Reading the windows…"))
            self._wants_suggestion = True
            return
        self._wants_suggestion = False
        source = self._predicting.label_source()
        if source is None:
            return
        self._panel.set_busy(self.tr("Looking for windows to label…"))
        self._suggesting.start(partial(_suggest, results, everything, source))

    def _take_suggestion(self, found: _Found) -> None:
        self._panel.set_busy("")
        rows, doubts = found.suggestion.rows, found.suggestion.doubts
        torn = self.tr("by the labels so far {a} or {b}")
        why = [torn.format(a=pair[0], b=pair[1]) if len(pair) > 1 else "" for pair in doubts]
        title = self.tr("Label these {n} next").format(n=len(rows))
        self._list(rows, title, found.labels, why)
        self._is_suggestion = True
        if len(rows):
            self._panel.windows.step(1)
            if not self._panel.points:  # what is labelled now is compared with this
                self._is_quiet = True
                self.grow()
        else:
            self._panel.windows.set_rows(
                (), "", self.tr("There is nothing left to label in the recordings of this run.")
            )

    def _on_no_suggestion(self, error: Exception) -> None:
        self._panel.set_busy("")
        self.failed.emit(error)

    def grow(self) -> None:
        """Measure how good heads are that learn from the labels so far: a point of the curve."""
        everything, results = self._everything(), self._predicting.results
        if everything is None or results is None or results.config is None:
            return
        source = self._predicting.label_source()
        if source is None:
            return
        self._panel.set_busy(self.tr("Training heads on the labels so far…"))
        self._growing.start(partial(_grow, results, everything, source))

    def _take_growth(self, point: GrowthPoint) -> None:
        self._is_quiet = False
        self._panel.set_busy("")
        self._panel.add_growth(point)

    def _on_no_growth(self, error: Exception) -> None:
        self._panel.set_busy("")
        if not self._is_quiet:
            self._panel.say_no_growth(str(error))
        self._is_quiet = False

    def shut_down(self) -> None:
        """End background work; returns when it has ended."""
        self._follow.stop()
        self._note_soon.stop()
        for job in (self._projecting, self._suggesting, self._growing):
            job.shut_down()


def _project(everything: AllWindows, name: str, context: RunContext) -> Projection:
    return umap(everything.embedding, context) if name == "UMAP" else pca(everything.embedding)


def _suggest(
    results: RunResults, everything: AllWindows, source: LabelSource, context: RunContext
) -> _Found:
    labels = read_labels(source, context)
    mine = labels.of_rater(everything)
    suggestion = suggest_next(
        results,
        everything,
        split_by_recording(everything, labels.for_learning(everything)),
        split_by_recording(everything, mine),
        SUGGESTED,
        context,
        only=frozenset(labels.files),
    )
    return _Found(suggestion, mine)


def _grow(
    results: RunResults, everything: AllWindows, source: LabelSource, context: RunContext
) -> GrowthPoint:
    assert results.config is not None
    labels = read_labels(source, context).for_learning(everything)
    return growth_point(
        results.folder,
        results.config,
        split_by_recording(everything, labels),
        dict(zip(everything.recordings, everything.subjects, strict=True)),
        everything.classes,
        context,
    )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
