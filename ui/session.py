"""What is open now. Views ask for a change; the session makes it and announces it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core.config import CsvConfig
from core.errors import CrosslError
from core.open_recording import (
    BatchResults,
    ReportedRecording,
    open_file,
    open_reported,
    read_results,
)
from core.prediction_table import PredictionTable
from core.progress import RunContext
from core.recording import Recording
from ui.jobs import LatestJob


@dataclass(frozen=True)
class Shown:
    """One recording with its predictions. Either may be missing; `problem` then says why."""

    recording: Recording | None
    predictions: PredictionTable | None
    classes: tuple[str, ...]
    problem: str = ""


class Session(QObject):
    """Holds the open results folder, the chosen recording and its predictions."""

    results_changed = Signal()
    shown_changed = Signal()
    busy_changed = Signal(bool)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._results: BatchResults | None = None
        self._selected: str | None = None
        self._shown: Shown | None = None
        self._roots: tuple[Path, ...] = ()
        self._opening = LatestJob(self)
        self._opening.succeeded.connect(self._take)
        self._opening.failed.connect(self._fail)
        self._opening.busy_changed.connect(self.busy_changed)

    @property
    def results(self) -> BatchResults | None:
        return self._results

    @property
    def selected(self) -> str | None:
        """Id of the chosen recording of the results folder."""
        return self._selected

    @property
    def shown(self) -> Shown | None:
        return self._shown

    def open_path(self, path: Path) -> None:
        """Open a recording file, or a results folder."""
        if path.is_dir():
            self.open_results(path)
        else:
            self.open_recording(path)

    def open_recording(self, path: Path, csv: CsvConfig | None = None) -> None:
        """Open one file by itself; `csv` says how a CSV file is read, where the guess is wrong."""
        self._opening.start(partial(_open_file, path, csv))

    def open_results(self, folder: Path) -> None:
        """Open an output folder of batch mode, and its first recording."""
        self._opening.start(partial(_open_results, folder))

    def select(self, recording_id: str) -> None:
        """Show another recording of the open results folder."""
        if self._results is None or recording_id == self._selected:
            return
        self._selected = recording_id
        self._show_selected()

    def look_in(self, folder: Path) -> None:
        """Look for the recordings of results in this folder too."""
        self._roots = (folder, *(root for root in self._roots if root != folder))
        if self._results is not None and self._selected is not None:
            self._show_selected()

    def shut_down(self) -> None:
        """End background work; returns when it has ended."""
        self._opening.shut_down()

    def _show_selected(self) -> None:
        assert self._results is not None
        assert self._selected is not None
        self._opening.start(partial(_show, self._results, self._selected, self._roots))

    def _take(self, result: object) -> None:
        if isinstance(result, BatchResults):
            self._results = result
            self._selected = None
            self._shown = None
            first = _first(result.recordings)
            if first is not None:
                self._selected = first.id
            self.results_changed.emit()
            self.shown_changed.emit()
            if first is not None:
                self._show_selected()
        elif isinstance(result, _Opened):
            self._shown = result.shown
            if result.of is None and self._results is not None:
                self._results = None
                self._selected = None
                self.results_changed.emit()
            self.shown_changed.emit()

    def _fail(self, error: Exception) -> None:
        self.failed.emit(error)


@dataclass(frozen=True)
class _Opened:
    """`of` is the results folder that the recording belongs to."""

    shown: Shown
    of: Path | None


def _open_file(path: Path, csv: CsvConfig | None, context: RunContext) -> _Opened:
    del context
    return _Opened(Shown(open_file(path, csv), None, ()), None)


def _open_results(folder: Path, context: RunContext) -> BatchResults:
    del context
    return read_results(folder)


def _show(
    results: BatchResults, recording_id: str, roots: tuple[Path, ...], context: RunContext
) -> _Opened:
    """Open a recording of a results folder; what is missing is said, the rest is shown."""
    reported = results.find(recording_id)
    problems = [reported.error] if reported.error else []
    predictions = None
    try:
        predictions = results.read_predictions(recording_id)
    except CrosslError as error:
        problems.append(str(error))
    recording = None
    if context.should_stop():
        return _Opened(Shown(None, predictions, results.classes), results.folder)
    try:
        recording = open_reported(results, recording_id, roots)
    except CrosslError as error:
        if not reported.error:  # which has said why already
            problems.append(str(error))
    problem = "\n".join(dict.fromkeys(problems))
    return _Opened(Shown(recording, predictions, results.classes, problem), results.folder)


def _first(recordings: tuple[ReportedRecording, ...]) -> ReportedRecording | None:
    """The first recording with predictions, or else the first of all."""
    with_predictions = [r for r in recordings if r.predictions is not None]
    return next(iter(with_predictions or recordings), None)
