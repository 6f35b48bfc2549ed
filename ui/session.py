"""What is open now. Views ask for a change; the session makes it and announces it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from core.config import CsvConfig
from core.errors import CrosslError, StudyError
from core.label_journal import LabelJournal
from core.label_scheme import LabelScheme
from core.modalities import ModalityScheme
from core.montage import Montage
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
from core.study import Rater, Study, StudyRecording, StudySettings
from core.study_file import STUDY_FILE, is_study
from core.study_view import modality_scheme_of, montage_of, why_empty
from ui.jobs import LatestJob, Work
from ui.labelling import Labelling


@dataclass(frozen=True)
class Shown:
    """One recording with its predictions. Either may be missing; `problem` then says why.

    `scheme` and `montage` say how its channels are grouped and drawn; `entry` is the study's.
    """

    recording: Recording | None
    predictions: PredictionTable | None
    classes: tuple[str, ...]
    problem: str = ""
    entry: StudyRecording | None = None
    scheme: ModalityScheme | None = None
    montage: Montage | None = None


class Session(QObject):
    """Holds the open study or results folder, the chosen recording, and its labelling."""

    study_changed = Signal()
    """Another study with its recordings and rater, or none, or other settings of it."""
    recordings_changed = Signal()
    """Recordings of the study came, went, or are labelled further."""
    rater_changed = Signal()
    results_changed = Signal()
    shown_changed = Signal()
    montage_changed = Signal()
    busy_changed = Signal(bool)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._study: Study | None = None
        self._recordings: tuple[StudyRecording, ...] = ()
        self._rater: Rater | None = None
        self._rater_name = ""
        self._results: BatchResults | None = None
        self._selected: str | None = None
        self._shown: Shown | None = None
        self._roots: tuple[Path, ...] = ()
        self._epoch_to_come: int | None = None
        self._coming: int | None = None  # id of the study's recording that is being opened
        self.labelling = Labelling(self)
        self._opening = LatestJob(self)
        self._opening.succeeded.connect(self._take)
        self._opening.failed.connect(self._fail)
        self._opening.busy_changed.connect(self.busy_changed)

    # -- what is open

    @property
    def study(self) -> Study | None:
        return self._study

    @property
    def recordings(self) -> tuple[StudyRecording, ...]:
        """The study's recordings, by name."""
        return self._recordings

    @property
    def subjects(self) -> dict[str, str]:
        """Whose the study's recordings are, by recording."""
        return {entry.name: entry.subject for entry in self._recordings}

    @property
    def rater(self) -> Rater | None:
        """Who labels; with id 0 as long as the study has nothing of them."""
        journal = self.labelling.journal
        return journal.rater if journal is not None else self._rater

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

    # -- opening

    def open_path(self, path: Path) -> None:
        """Open a recording file, a study, or a results folder."""
        if path.name == STUDY_FILE:
            path = path.parent
        if path.is_dir() and is_study(path):
            self.open_study(path)
        elif path.is_dir():
            self.open_results(path)
        else:
            self.open_recording(path)

    def open_recording(self, path: Path, csv: CsvConfig | None = None) -> None:
        """Open one file by itself; `csv` says how a CSV file is read, where the guess is wrong."""
        self._open(partial(_open_file, path, csv))

    def open_results(self, folder: Path) -> None:
        """Open an output folder of batch mode, and its first recording."""
        self._open(partial(_open_results, folder))

    def open_study(self, folder: Path, read_only: bool = False) -> None:
        """Open a study, and its first recording; the one that is open is closed."""
        same = self._study is not None and self._study.folder.resolve() == folder.resolve()
        if same and not self.close_study():
            return
        self._open(partial(_open_study, folder, read_only))

    def _open(self, work: Work, recording_id: int | None = None) -> None:
        self._coming = recording_id
        self._opening.start(work)

    def close_study(self) -> bool:
        """Close the study; False where labels could not be saved, which then stay open."""
        if self._study is None:
            return True
        if not self.labelling.save():
            self.failed.emit(
                StudyError(
                    f"{self.labelling.waiting} edits are not saved yet. {self.labelling.problem} "
                    "Make room, or export the labels elsewhere, before you close the study."
                )
            )
            return False
        self._drop_study()
        self.study_changed.emit()
        self.recordings_changed.emit()
        self.shown_changed.emit()
        return True

    def close_recording(self) -> None:
        """Close a recording, or results, that belong to no study."""
        self._opening.drop()
        self._results, self._selected, self._shown = None, None, None
        self.labelling.open(None, None)
        self.results_changed.emit()
        self.shown_changed.emit()

    def discard_and_close(self) -> None:
        """Close the study even where edits could not be saved: the user has said so."""
        self._drop_study()

    def _drop_study(self) -> None:
        self._opening.drop()
        self.labelling.open(None, None)
        if self._study is not None:
            self._study.close()
        self._study = None
        self._recordings = ()
        self._rater = None
        self._shown = None

    # -- the study

    def choose(self, recording_id: int) -> None:
        """Show another recording of the study."""
        self._epoch_to_come = None
        shown = self._shown
        if shown is None or shown.entry is None or shown.entry.id != recording_id:
            self._show_entry(recording_id)
        elif self._coming not in (None, recording_id):  # back to the one that is still there
            self._coming = None
            self._opening.drop()

    def show_again(self) -> None:
        """Open the shown recording again: its files, or how they are read, have changed."""
        if self._shown is not None and self._shown.entry is not None:
            self._show_entry(self._shown.entry.id)

    def choose_rater(self, name: str) -> None:
        """Label as somebody else; whom the study does not know is added with the first label.

        As long as labels cannot be saved, it is still the same one who labels.
        """
        name = name.strip() or self._rater_name
        if self._study is not None and name:
            if self.saved_or_said():
                self._rater_name = name
                self._rater = self._known_or_new(name)
                # First, so that whoever hears of the rater is not told of the one before.
                self._open_labelling()
            self.rater_changed.emit()
        else:
            self._rater_name = name

    def _known_or_new(self, name: str) -> Rater:
        assert self._study is not None
        known = {r.name.casefold(): r for r in self._study.raters()}
        return known.get(name.casefold()) or Rater(0, name, "person")

    def refresh_recordings(self) -> None:
        """Ask the study again which recordings it has."""
        if self._study is not None:
            self._recordings = self._study.recordings()
            self.recordings_changed.emit()

    def change_study(self, change: Callable[[Study], object]) -> bool:
        """Make a change of the study by one of its methods, and announce it; whether it was made.

        What goes wrong is announced too.
        """
        if self._study is None or not self.saved_or_said():
            return False
        try:
            change(self._study)
        except CrosslError as error:
            self.failed.emit(error)
            return False
        self._recordings = self._study.recordings()
        self.study_changed.emit()
        self.recordings_changed.emit()
        self._open_labelling()
        return True

    def reload_labels(self) -> None:
        """Read the labels again, after something else than the labelling has written them."""
        self._open_labelling()
        self.recordings_changed.emit()

    def set_montage(self, montage: Montage, for_study: bool) -> None:
        """Draw channels in another way; kept with the study where it is for all recordings."""
        if self._shown is None:
            return
        self._shown = replace(self._shown, montage=montage)
        self.montage_changed.emit()
        if for_study and self._study is not None and not self._study.read_only:
            settings = replace(self._study.settings, montage=montage.to_document())
            self.keep_settings(settings)

    def keep_settings(self, settings: StudySettings) -> None:
        """Keep other settings of the study, without opening anything again."""
        if self._study is None or not self.saved_or_said():
            return
        try:
            self._study.change_settings(settings, self._rater.name if self._rater else "")
        except CrosslError as error:
            self.failed.emit(error)
            return
        self.study_changed.emit()
        self._open_labelling()

    def set_blinded(self, blinded: bool) -> None:
        """Choose whether raters see each other's labels."""
        if self._study is not None:
            self.keep_settings(replace(self._study.settings, blinded=blinded))

    def show_epoch(self, recording_id: int, epoch: int) -> None:
        """Go to an epoch, in another recording if need be."""
        shown = self._shown
        if shown is not None and shown.entry is not None and shown.entry.id == recording_id:
            self.labelling.go_to(epoch)
        else:
            self._epoch_to_come = epoch
            self._show_entry(recording_id)

    def change_scheme(self, scheme: LabelScheme, renamed: dict[str, str]) -> None:
        """Label with other classes."""
        who = self._rater.name if self._rater else ""
        self.change_study(lambda study: study.change_scheme(scheme, renamed, who))

    def _show_entry(self, recording_id: int) -> None:
        study = self._study
        if study is None or not self.saved_or_said():
            return
        entry = next((r for r in self._recordings if r.id == recording_id), None)
        if entry is None:
            return
        self._open(partial(_open_entry, _Reading.of(study, entry)), recording_id)

    def saved_or_said(self) -> bool:
        """Whether no label waits to be saved: another journal would not know of those that do."""
        saved = self.labelling.save()
        if not saved:
            self.failed.emit(StudyError(self.labelling.problem))
        return saved

    def _open_labelling(self) -> None:
        if not self.saved_or_said():
            return
        study, shown, rater = self._study, self._shown, self._rater
        if study is None or shown is None or shown.entry is None or rater is None:
            self.labelling.open(None, None)
            return
        entry = next((r for r in self._recordings if r.id == shown.entry.id), None)
        if entry is None:  # it was removed
            self._shown = None
            self.labelling.open(None, None)
            self.shown_changed.emit()
            return
        if shown.recording is None:  # nobody labels what cannot be seen
            self.labelling.open(None, None, shown.problem)
            return
        rater = next((r for r in study.raters() if r.name == rater.name), rater)
        self.labelling.open(LabelJournal(study, entry, rater), study.scheme)
        others = {}
        if not study.settings.blinded:
            for other in study.raters():
                if other.id != rater.id and other.kind != "model":
                    labels = study.labels(entry.id, other.id)
                    if labels.states:
                        others[other.name] = labels
        self.labelling.set_others(others)

    # -- results of batch mode

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
        """End background work, and close the study; returns when that is done."""
        self._opening.shut_down()
        self.labelling.shut_down()
        if self._study is not None:
            self._study.close()
            self._study = None

    def _show_selected(self) -> None:
        assert self._results is not None
        assert self._selected is not None
        self._open(partial(_show, self._results, self._selected, self._roots))

    # -- taking what was opened

    def _take(self, result: object) -> None:
        if isinstance(result, _OpenedStudy):
            self._take_study(result.study, result.recordings)
        elif isinstance(result, BatchResults):
            if self._study is not None and not self.close_study():
                return
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
            self._take_recording(result)

    def _take_study(self, study: Study, recordings: tuple[StudyRecording, ...]) -> None:
        if self._study is not None and not self.close_study():
            study.close()
            return
        self._study = study
        if self._results is not None:
            self._results, self._selected = None, None
            self.results_changed.emit()
        self._shown = None
        self._recordings = recordings
        self._rater = self._known_or_new(self._rater_name) if self._rater_name else None
        # Said once: a list of thousands of recordings takes its time.
        self.study_changed.emit()
        self.shown_changed.emit()
        if self._recordings:
            self._show_entry(self._recordings[0].id)

    def _take_recording(self, opened: _Opened) -> None:
        self._coming = None
        # Labels may have been made while it was opened, and the disk may have refused them.
        if not self.saved_or_said():
            return
        if opened.shown.entry is None and self._study is not None and not self.close_study():
            return
        self._shown = opened.shown
        if opened.of is None and self._results is not None:
            self._results = None
            self._selected = None
            self.results_changed.emit()
        self._open_labelling()
        if self._epoch_to_come is not None:
            self.labelling.go_to(self._epoch_to_come)
            self._epoch_to_come = None
        self.shown_changed.emit()

    def _fail(self, error: Exception) -> None:
        self._coming = None
        self.failed.emit(error)


@dataclass(frozen=True)
class _Opened:
    """`of` is the results folder that the recording belongs to."""

    shown: Shown
    of: Path | None


@dataclass(frozen=True)
class _OpenedStudy:
    study: Study
    recordings: tuple[StudyRecording, ...]


@dataclass(frozen=True)
class _Reading:
    """What a background job needs of a study to open a recording: it never touches the study."""

    entry: StudyRecording
    open: Callable[[], Recording]
    modalities: Any
    montage: dict[str, Any] | None

    @classmethod
    def of(cls, study: Study, entry: StudyRecording) -> _Reading:
        settings = study.settings
        return cls(
            entry,
            study.opener(entry),
            settings.engine.get("modalities", "auto"),
            settings.montage,
        )


def _open_study(folder: Path, read_only: bool, context: RunContext) -> _OpenedStudy:
    del context
    study = Study.open(folder, read_only)
    try:
        return _OpenedStudy(study, study.recordings())
    except BaseException:
        study.close()
        raise


def _open_entry(reading: _Reading, context: RunContext) -> _Opened:
    del context
    try:
        recording = reading.open()
    except CrosslError as error:
        return _Opened(Shown(None, None, (), str(error), reading.entry), None)
    scheme = modality_scheme_of(reading.modalities, recording)
    montage = montage_of(reading.montage, recording, scheme)
    problem = why_empty(recording)
    return _Opened(Shown(recording, None, (), problem, reading.entry, scheme, montage), None)


def _looked_at(recording: Recording | None) -> dict[str, Any]:
    """How the channels of a recording outside a study are grouped and drawn."""
    if recording is None:
        return {}
    scheme = modality_scheme_of("auto", recording)
    return {"scheme": scheme, "montage": montage_of(None, recording, scheme)}


def _open_file(path: Path, csv: CsvConfig | None, context: RunContext) -> _Opened:
    del context
    recording = open_file(path, csv)
    return _Opened(Shown(recording, None, (), why_empty(recording), **_looked_at(recording)), None)


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
    shown = Shown(recording, predictions, results.classes, problem, **_looked_at(recording))
    return _Opened(shown, results.folder)


def _first(recordings: tuple[ReportedRecording, ...]) -> ReportedRecording | None:
    """The first recording with predictions, or else the first of all."""
    with_predictions = [r for r in recordings if r.predictions is not None]
    return next(iter(with_predictions or recordings), None)
