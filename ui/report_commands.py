"""What leaves a run: reports, predictions and embeddings as files; and scoring more recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from core.errors import CrosslError, ModelError, StudyError
from core.export_windows import WindowsItem, bare_recording
from core.labels_of_study import LateLabels
from core.progress import RunContext
from core.report_options import PARTS, ReportOptions
from core.run_results import RunResults
from core.sleep_figures import is_sleep
from core.study import Study
from core.study_export import note_exports
from core.study_runs import StudyRun
from core.study_scoring import (
    ToScore,
    predicted_by_run,
    score_files_with_run,
    score_study_recordings,
    scored_recordings,
    summarise,
)
from ui.actions import ActionRegistry
from ui.commands import Commands
from ui.export_predictions_dialog import (
    ExportPredictionsDialog,
    PredictionsRequest,
    write_predictions_files,
)
from ui.jobs import LatestJob
from ui.predicting import Predicting
from ui.preferences import PreferenceStore
from ui.report_dialog import ReportDialog, ReportRequest, write_report
from ui.score_dialog import ScoreDialog, ScoreRequest, ScoreRow
from ui.session import Session


class ReportCommands(Commands):
    """Opens the dialogs, and gives them what they need of study and run."""

    recording_wanted = Signal(str)
    """A recording that should be shown."""

    def __init__(
        self,
        session: Session,
        predicting: Predicting,
        registry: ActionRegistry,
        preferences: PreferenceStore,
        window: QWidget,
    ) -> None:
        super().__init__(session, registry, preferences, window)
        self._predicting = predicting
        self._scoring: ScoreDialog | None = None
        self._listing = LatestJob(self)
        self._listing.succeeded.connect(self._show_rows)
        self._listing.failed.connect(self.failed)

    def add_commands(self) -> None:
        """Put the commands into the registry."""
        add, tr = self._registry.add, self.tr
        file = tr("File")
        add("file.report", tr("Report…"), [], self.report, group=file, icon="print",
            tooltip=tr("What the run has found, as HTML or PDF"))  # fmt: skip
        add("file.export_predictions", tr("Export pre&dictions…"), [], self.export_predictions,
            group=file, tooltip=tr("As labels, as a table, or embeddings as Parquet"))  # fmt: skip
        add("predict.score", tr("Sc&ore recordings…"), [], self.score, group=tr("Predictions"),
            tooltip=tr("Apply a run's model to recordings that it has not predicted"))  # fmt: skip

    def show_state(self) -> None:
        """Enable what can be done now."""
        results, study = self._predicting.results, self._session.study
        there = results is not None
        self._registry.action("file.report").setEnabled(there)
        self._registry.action("file.export_predictions").setEnabled(there)
        writable = study is not None and not study.read_only
        with_model = any(run.has_model for run in self._predicting.runs)
        hidden = self._predicting.is_hidden
        self._registry.action("predict.score").setEnabled(writable and with_model and not hidden)

    # -- reports

    def report(self) -> None:
        """Write a report of the run that is looked at."""
        run, results = self._predicting.run, self._predicting.results
        if results is not None:
            self._open_report(run, results)

    def report_of(self, name: str) -> None:
        """Write a report of a run of the study."""
        run = self._predicting.run_named(name)
        if run is None:
            return
        if self._predicting.is_hidden:
            self.failed.emit(
                StudyError(
                    self.tr("This study is blinded: predictions are hidden while people label.")
                )
            )
            return
        try:
            results = RunResults(run.folder)
        except CrosslError as error:
            self.failed.emit(error)
            return
        results.set_subjects(self._session.subjects)
        self._open_report(run, results)

    def _open_report(self, run: StudyRun | None, results: RunResults) -> None:
        study = self._session.study
        title = run.title if run is not None else results.folder.name
        available = list(PARTS)
        sleeps = study is not None and is_sleep([entry.name for entry in study.scheme.states])
        if not sleeps:
            available.remove("tables")
        if study is None:
            available.remove("study")
        folder = self._folder("reports") or (study.folder if study is not None else results.folder)
        dialog = ReportDialog(
            folder / f"{results.folder.name}.html",
            available,
            self.tr("Run: {title}").format(title=title),
            self._window,
        )
        place = study.folder if study is not None else None
        make = partial(_make_report, place, run, results)
        dialog.wanted.connect(partial(self._write_report, dialog, make))
        dialog.written.connect(self._on_report)
        dialog.open()

    def _write_report(
        self,
        dialog: ReportDialog,
        make: Callable[[ReportOptions, RunContext], str],
        request: ReportRequest,
    ) -> None:
        dialog.run(partial(write_report, request, make))

    def _on_report(self, path: Path) -> None:
        self._preferences.note_folder("reports", path.parent)
        study = self._session.study
        if study is not None and not study.read_only:
            self._note(study, "report", path.name)

    def _note(self, study: Study, what: str, detail: str) -> None:
        try:
            study.note(self._who(), "", what, detail)
        except CrosslError as error:
            self.failed.emit(error)

    # -- predictions

    def export_predictions(self) -> None:
        """Write predictions or embeddings of the run that is looked at."""
        results, run = self._predicting.results, self._predicting.run
        if results is None:
            return
        shown = self._session.shown
        current = shown.entry.name if shown is not None and shown.entry is not None else ""
        dialog = ExportPredictionsDialog(
            self._items(results),
            run.title if run is not None else results.folder.name,
            current or (self._session.selected or ""),
            self._folder("predictions"),
            self._predicting.threshold,
            results.modalities,
            self._predicting.kept,
            self._window,
        )
        dialog.wanted.connect(partial(self._write_predictions, dialog, results))
        dialog.exported.connect(self._on_exported)
        dialog.open()

    def _items(self, results: RunResults) -> list[WindowsItem]:
        study = self._session.study
        predicted = set(results.recordings())
        if study is None:
            entries = [e for e in results.report.get("recordings") or () if e["id"] in predicted]
            return [
                WindowsItem(
                    bare_recording(e["id"], e["subject"], float(e.get("duration_s") or 0.0))
                )
                for e in entries
            ]
        epoch_s = study.scheme.epoch_s
        source = self._predicting.label_source()
        assert source is not None
        lay = LateLabels(source).lay
        known = {entry.name for entry in self._session.recordings}
        items = [
            WindowsItem(entry, epoch_s, lay)
            for entry in self._session.recordings
            if entry.name in predicted
        ]
        for name in sorted(predicted - known):  # files that were scored without being added
            try:
                windows = results.windows(name)
            except ModelError as error:
                self.failed.emit(error)
                continue
            last = float(windows.starts_s[-1]) + windows.length_s if len(windows) else 0.0
            items.append(WindowsItem(bare_recording(name, windows.subject, last)))
        return items

    def _write_predictions(
        self, dialog: ExportPredictionsDialog, results: RunResults, request: PredictionsRequest
    ) -> None:
        self._preferences.note_folder("predictions", request.folder)
        dialog.run(partial(write_predictions_files, results, request))

    def _on_exported(self, files: object) -> None:
        study = self._session.study
        if study is None or study.read_only or not isinstance(files, tuple):
            return
        try:
            note_exports(study, files, self._who())
        except CrosslError as error:
            self.failed.emit(error)

    # -- scoring

    def score(self) -> None:
        """Choose recordings that a run's model is to be applied to."""
        runs = [run for run in self._predicting.runs if run.has_model]
        if not runs:
            return
        chosen = self._predicting.run
        name = chosen.name if chosen in runs and chosen is not None else runs[0].name
        scheme = self._session.labelling.scheme
        colours = {e.name: e.colour for e in scheme.states} if scheme is not None else {}
        dialog = ScoreDialog(
            [(run.name, run.title) for run in runs],
            name,
            [ScoreRow(entry.name, entry.subject) for entry in self._session.recordings],
            (),
            colours,
            self._window,
        )
        self._scoring = dialog
        dialog.wanted.connect(self._on_score)
        dialog.run_chosen.connect(self._list_rows)
        dialog.recording_chosen.connect(self.recording_wanted)
        dialog.scored.connect(self._on_scored)
        dialog.stopped.connect(self._on_scored)
        dialog.finished.connect(self._forget_dialog)
        dialog.open()
        self._list_rows(name)

    def _forget_dialog(self) -> None:
        self._scoring = None
        self._listing.drop()

    def _list_rows(self, name: str) -> None:
        run = self._predicting.run_named(name)
        if run is not None:
            names = [(entry.name, entry.subject) for entry in self._session.recordings]
            threshold = self._predicting.threshold
            self._listing.start(partial(_rows_of, run.folder, names, threshold))

    def _show_rows(self, found: tuple[list[ScoreRow], tuple[str, ...]]) -> None:
        if self._scoring is not None:
            self._scoring.show_recordings(*found)

    def _on_score(self, request: ScoreRequest) -> None:
        run, study, dialog = (
            self._predicting.run_named(request.run),
            self._session.study,
            self._scoring,
        )
        if run is None or study is None or dialog is None:
            return
        tell, threshold = dialog.recording_done.emit, self._predicting.threshold
        if request.files:
            dialog.run(partial(_score_files, run.folder, request.files, threshold, tell))
            return
        items = [
            ToScore(entry.name, entry.subject, study.found(entry), study.opener(entry))
            for entry in self._session.recordings
            if entry.name in request.recordings
        ]
        dialog.run(partial(_score_items, run.folder, items, threshold, tell))

    def _on_scored(self, results: object = None) -> None:
        del results
        dialog = self._scoring
        run = self._predicting.run
        if dialog is not None and run is not None and dialog.run_name == run.name:
            self._predicting.renew_windows()
        else:
            self._predicting.refresh_runs()

    def shut_down(self) -> None:
        """End background work; returns when it has ended."""
        self._listing.shut_down()


# ---------------------------------------------------------------- in the background


def _make_report(
    place: Path | None,
    run: StudyRun | None,
    results: RunResults,
    options: ReportOptions,
    context: RunContext,
) -> str:
    from core.sleep_report import sleep_tables
    from core.study_report import study_report, summarise_study

    if place is None:
        return study_report(None, run, results.report, results, options, (), context)
    # A study of its own: the one in the window belongs to the window's thread.
    study = Study.open(place, read_only=True)
    try:
        raters = run.raters if run is not None else ()
        tables = sleep_tables(study, raters, results, context)
        return study_report(
            summarise_study(study), run, results.report, results, options, tables, context
        )
    finally:
        study.close()


def _rows_of(
    folder: Path, names: Sequence[tuple[str, str]], threshold: float, context: RunContext
) -> tuple[list[ScoreRow], tuple[str, ...]]:
    """What the table of scoring shows of a run, and the classes of its model."""
    results = RunResults(folder)
    own = predicted_by_run(folder)
    later = {found.name: found for found in scored_recordings(folder, threshold)}
    rows = []
    for number, (name, subject) in enumerate(names):
        context.step("reading predictions", number, len(names))
        if name in own:
            summary = summarise(results.windows(name), threshold)
            rows.append(ScoreRow(name, subject, "predicted already", summary=summary))
        elif name in later:
            found = later[name]
            said = found.error or " ".join(found.findings)
            state = "failed" if found.state == "failed" else "scored"
            rows.append(ScoreRow(name, subject, state, said, found.summary))
        else:
            rows.append(ScoreRow(name, subject))
    return rows, results.classes


def _score_items(
    folder: Path,
    items: list[ToScore],
    threshold: float,
    tell: Callable[[object], object],
    context: RunContext,
) -> object:
    return score_study_recordings(folder, items, context, threshold=threshold, done=tell)


def _score_files(
    folder: Path,
    files: Sequence[Path],
    threshold: float,
    tell: Callable[[object], object],
    context: RunContext,
) -> object:
    return score_files_with_run(folder, files, context, threshold=threshold, done=tell)
