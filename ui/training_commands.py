"""Training by point and click: from what the Train page asks for to runs in the queue.

The study is read here, in the window's thread; a job gets plain values and the run's folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication, Qt, QTimer, Signal
from PySide6.QtWidgets import QApplication, QFileDialog, QInputDialog, QMessageBox, QWidget

from core.errors import CrosslError, StudyError
from core.progress import Cancelled, Progress, RunContext
from core.run_comparison import RunRow, compare_runs, run_rows
from core.splits import Fold
from core.study import Rater, Study, engine_config
from core.study_labels import NS, StudyLabel
from core.study_runs import (
    StudyRun,
    create_run,
    delete_run,
    export_model,
    find_model,
    import_model,
    recover_runs,
    rename_run,
)
from core.training_plan import PlannedRecording, TrainingPlan, plan_training
from ui.actions import ActionRegistry
from ui.commands import Commands
from ui.jobs import LatestJob
from ui.made_later import MadeLater
from ui.predicting import Predicting
from ui.preferences import PreferenceStore
from ui.run_comparison import RunComparisonWindow
from ui.run_queue import QueuedJob, RunQueue, rough_duration_text, training_parts
from ui.session import Session
from ui.train_plan_table import PlanRow, PlanView
from ui.train_setup import TrainRecording, TrainRequest
from ui.training_page import TrainingPage

PLAN_AFTER_MS = 200
"""Settings rest for so long before they are planned anew."""
FIT = ("pretrain", "finetune", "predict", "robustness")
"""The steps where one person alone has labels, so that nobody is left to test on."""
SMALL_SHARE = 0.05
"""Stages of an estimate that take less of the time are not named."""


class TrainingCommands(Commands):
    """Fills the Train page from the study, and carries out what it asks for."""

    report_wanted = Signal(str)
    """Name of a run of which a report is wanted."""
    shown = Signal(str)
    """Name of a run whose results are to be looked at."""

    def __init__(
        self,
        session: Session,
        predicting: Predicting,
        queue: RunQueue,
        page: MadeLater[TrainingPage],
        registry: ActionRegistry,
        preferences: PreferenceStore,
        window: QWidget,
    ) -> None:
        super().__init__(session, registry, preferences, window)
        self._predicting = predicting
        self._queue = queue
        self._pages = page
        self._folder_of_runs: Path | None = None
        self._curves_of = ""  # name of the run whose curves are shown
        self._is_stale = True
        self._must_recover = False
        self._engine_given: dict[str, Any] | None = None
        self._expected: tuple[TrainRequest, float] | None = None  # what was estimated last
        self._doomed: tuple[StudyRun, ...] = ()  # asked about, to be deleted
        self._planning = LatestJob(self)
        self._planning.succeeded.connect(self._take_plan)
        self._planning.failed.connect(self._take_refusal)
        self._estimating = LatestJob(self)
        self._estimating.succeeded.connect(self._take_estimate)
        self._estimating.failed.connect(self._say_no_estimate)
        self._listing = LatestJob(self)
        self._listing.succeeded.connect(self._take_rows)
        self._listing.failed.connect(self.failed)
        self._bringing: tuple[Study, str] | None = None  # into what, and the title
        self._reading_model = LatestJob(self)
        self._reading_model.succeeded.connect(self._bring_in)
        self._reading_model.failed.connect(self.failed)
        self._looking = LatestJob(self)  # which devices there are
        self._looking.succeeded.connect(self._take_devices)
        self._looking.failed.connect(self.failed)
        self._plan_soon = QTimer(self)
        self._plan_soon.setSingleShot(True)
        self._plan_soon.setInterval(PLAN_AFTER_MS)
        self._plan_soon.timeout.connect(self._plan)

    def connect_parts(self) -> None:
        """Listen to the study, the page and the queue."""
        session, queue = self._session, self._queue
        session.study_changed.connect(self._on_study)
        session.recordings_changed.connect(self._note_change)
        session.rater_changed.connect(self._note_change)
        session.labelling.labels_changed.connect(self._note_labels)
        self._predicting.runs_changed.connect(self._show_runs)
        self._predicting.run_changed.connect(self._mark_shown)
        queue.milestone.connect(self._on_milestone)
        queue.progressed.connect(self._on_progress)
        queue.changed.connect(self._on_queue)
        queue.ended.connect(self._on_ended)
        self._pages.when_made(self._connect_page)

    @property
    def _page(self) -> TrainingPage:
        """The page; made by this where it is not there yet."""
        return self._pages()

    def _connect_page(self, page: TrainingPage) -> None:
        setup, runs = page.setup, page.runs
        setup.settings_changed.connect(self._on_settings)
        setup.start_requested.connect(self.start)
        setup.estimate_requested.connect(self.estimate)
        setup.copy_command_requested.connect(self.copy_command_of_setup)
        setup.failed.connect(self.failed)
        runs.show_requested.connect(self.show_results)
        runs.resume_requested.connect(self.resume)
        runs.delete_requested.connect(self.delete)
        runs.rename_requested.connect(self.rename)
        runs.export_requested.connect(self.export_model)
        runs.import_requested.connect(self.import_model)
        runs.compare_requested.connect(self.compare)
        runs.copy_command_requested.connect(self.copy_command)
        runs.finetune_from_requested.connect(self.finetune_from)
        runs.report_requested.connect(self.report_wanted)

    # -- what there is to learn from

    def _on_study(self) -> None:
        study = self._session.study
        folder = study.folder if study is not None else None
        if folder != self._folder_of_runs:
            # Runs belong to the study that was open: they stop, and can be resumed there.
            self._queue.shut_down()
            self._folder_of_runs = folder
            self._clear_curves("")
            if study is not None and not study.read_only:
                self._recover(study)
        self._note_change()

    def _clear_curves(self, run: str) -> None:
        """Empty the curves; what comes next is of this run."""
        self._curves_of = run
        if self._pages.is_made:
            self._page.clear_curves()

    def _recover(self, study: Study) -> None:
        try:
            stopped = recover_runs(study.folder)
        except CrosslError as error:
            self._must_recover = True  # tried again when the page comes to the front
            self.failed.emit(error)
            return
        self._must_recover = False
        if stopped:
            self._predicting.refresh_runs()
            self.said.emit(
                self.tr("A run was stopped with the program: Train → Runs goes on with it.")
            )

    def _note_labels(self) -> None:
        self._is_stale = True  # keys come quickly: it is looked at with the page

    def _note_change(self) -> None:
        self._is_stale = True
        if self._pages.is_seen:
            self.refresh()

    def refresh(self) -> None:
        """Show what there is to learn from; when the page comes to the front."""
        study = self._session.study
        if study is None:
            return
        if self._must_recover and not self._queue.is_busy:
            self._recover(study)
        if self._is_stale:
            self._is_stale = False
            self._fill(study)
            self._looking.start(_devices)
        self._show_runs()

    def _fill(self, study: Study) -> None:
        labelled = study.labelled_ns()
        raters = [rater for rater in study.raters() if rater.kind != "model"]
        with_labels = [
            r for r in raters if any(key[1] == r.id and ns for key, ns in labelled.items())
        ]
        mine = self._who()
        with_labels.sort(key=lambda rater: (rater.name != mine, rater.kind != "consensus"))
        recordings = [
            TrainRecording(
                entry.name,
                entry.subject,
                entry.duration_s,
                {
                    rater.name: min(
                        labelled.get((entry.id, rater.id), 0) / NS / entry.duration_s, 1
                    )
                    for rater in with_labels
                    if entry.duration_s
                },
            )
            for entry in self._session.recordings
        ]
        runs = self._predicting.runs
        self._page.setup.set_study(
            recordings,
            [rater.name for rater in with_labels],
            [entry.name for entry in study.scheme.states],
            self._engine_to_start_with(study, labelled, with_labels),
            [(run.title, str(run.model)) for run in runs if run.has_model],
            [(run.title, run.name) for run in runs if run.kind == "train"],
        )
        shown = self._session.shown
        if shown is not None and shown.scheme is not None:
            self._page.setup.set_modalities(shown.scheme.names)

    def _engine_to_start_with(
        self,
        study: Study,
        labelled: Mapping[tuple[int, int], int],
        with_labels: Sequence[Rater],
    ) -> dict[str, Any]:
        """The study's settings; where one person alone has labels, without a test, which could not
        be made. What the user has changed stays."""
        engine = study.settings.engine
        count = {rater.id for rater in with_labels}
        people = {
            entry.subject
            for entry in self._session.recordings
            if any(labelled.get((entry.id, rater)) for rater in count)
        }
        if len(people) == 1 and "steps" not in engine:
            engine = {**engine, "steps": list(FIT)}
        given, draft = self._engine_given, self._page.setup.draft
        if given is not None and draft.is_touched and _but_steps(given) == _but_steps(engine):
            return given
        self._engine_given = engine
        return engine

    # -- plan and estimate

    def _on_settings(self, engine: dict[str, Any]) -> None:
        del engine
        self._page.setup.set_estimate("")
        self._estimating.drop()
        self._expected = None
        if self._pages.is_seen:
            self._plan_soon.start()

    def _plan(self) -> None:
        study = self._session.study
        if study is None:
            return
        wanted = self._to_plan(study, self._page.setup.request())
        if wanted is not None:
            self._planning.start(partial(_plan, wanted))

    def _to_plan(self, study: Study, request: TrainRequest) -> _ToPlan | None:
        """What a plan of this request is made of; None where it cannot be read, which is said."""
        try:
            planned = self._planned(study, request)
        except CrosslError as error:
            self._take_refusal(error)
            return None
        return _ToPlan(
            self._engine_of(request),
            planned,
            tuple(entry.name for entry in study.scheme.states),
            study.scheme.epoch_s,
            study.settings.min_cover,
        )

    def _planned(self, study: Study, request: TrainRequest) -> tuple[PlannedRecording, ...]:
        """The recordings of a request, each with the labels that will count."""
        raters = {rater.name: rater for rater in study.raters()}
        chosen = [raters[name] for name in request.raters if name in raters]
        found = []
        for entry in self._session.recordings:
            if entry.name not in request.recordings:
                continue
            states: tuple[StudyLabel, ...] = ()
            for rater in chosen:
                states = study.labels(entry.id, rater.id).states
                if states:
                    break
            found.append(PlannedRecording(entry.name, entry.subject, entry.duration_s, states))
        return tuple(found)

    def _take_plan(self, view: PlanView) -> None:
        study = self._session.study
        self._page.setup.set_plan(view, study.why_read_only if study is not None else "")

    def _take_refusal(self, error: Exception) -> None:
        if not isinstance(error, CrosslError):
            self.failed.emit(error)
        self._page.setup.set_plan(None, str(error))

    def estimate(self) -> None:
        """Train for a second, and tell from it how long the whole will take."""
        study, request = self._session.study, self._page.setup.request()
        wanted = self._to_plan(study, request) if study is not None else None
        run_file = self._written_aside() if wanted is not None else None
        if wanted is None or run_file is None:
            return
        self._expected = (request, 0.0)
        self._page.setup.set_estimate(self.tr("Training for a second…"))
        self._estimating.start(partial(_estimate, run_file, wanted, bool(request.reuse)))

    def _take_estimate(self, stages: Mapping[str, float]) -> None:
        if self._expected is None:
            return
        request = self._expected[0]
        self._expected = (request, sum(stages.values()))
        text = estimate_text(stages)
        if request.reuse:
            text += " " + self.tr(
                "Where the pretraining of the other run does not fit, it takes longer."
            )
        self._page.setup.set_estimate(text)

    def _say_no_estimate(self, error: Exception) -> None:
        self._page.setup.set_estimate("")
        self.failed.emit(error)

    def _take_devices(self, found: tuple[str, tuple[str, ...]]) -> None:
        self._page.setup.set_device(*found)

    # -- starting and resuming

    def start(self, request: TrainRequest) -> None:
        """Make a run and put it into the queue."""
        run = self._create(request)
        if run is None:
            return
        expected_s = None
        if self._expected is not None and replace(self._expected[0], title="") == replace(
            request, title=""
        ):
            expected_s = self._expected[1] or None
        self._predicting.refresh_runs()
        self._page.setup.set_title("")
        self._enqueue(run, expected_s)

    def _may_write(self) -> Study | None:
        """The study, where it can be changed; else it is said why not."""
        study = self._session.study
        if study is not None and study.read_only:
            self.failed.emit(StudyError(study.why_read_only))
            return None
        return study

    def _create(self, request: TrainRequest) -> StudyRun | None:
        study = self._may_write()
        if study is None or not self._session.saved_or_said():
            return None
        reuse = self._predicting.run_named(request.reuse) if request.reuse else None
        try:
            return create_run(
                study,
                request.title,
                self._engine_of(request),
                request.raters if "finetune" in request.engine.get("steps", ["finetune"]) else (),
                only=request.recordings,
                who=self._who(),
                reuse=reuse,
            )
        except CrosslError as error:
            self.failed.emit(error)
            return None

    def _engine_of(self, request: TrainRequest) -> dict[str, Any]:
        """The settings of a request, with what a run in the window needs: a core left for it, and
        embeddings to go on with."""
        engine = dict(request.engine)
        engine.setdefault("threads", window_threads())
        engine["predict"] = {"keep_embeddings": True, **engine.get("predict", {})}
        return engine

    def _enqueue(self, run: StudyRun, expected_s: float | None = None) -> None:
        try:
            parts = training_parts(run.config())
        except CrosslError as error:
            self.failed.emit(error)
            return
        self._queue.add(
            run.title, "train", partial(_train, run), run.name, parts=parts, expected_s=expected_s
        )
        self._clear_curves(run.name)
        self._page.show_curves()

    def resume(self, name: str) -> None:
        """Go on with a run that was stopped, or try one again that failed."""
        run = self._predicting.run_named(name)
        if run is not None and run.can_resume and self._may_write() is not None:
            self._enqueue(run)

    # -- the queue

    def _run_of(self, job: QueuedJob | None) -> StudyRun | None:
        return self._predicting.run_named(job.key) if job is not None else None

    def _on_queue(self, job_id: int) -> None:
        job = self._queue.job(job_id)
        if job is not None and job.kind == "train" and job.state == "running":
            self._clear_curves(job.key)

    def _on_milestone(self, job_id: int, progress: Progress) -> None:
        job = self._queue.job(job_id)
        if job is not None and job.key and job.key == self._curves_of:
            self._page.curves.add(progress)

    def _on_progress(self, job_id: int, progress: Progress) -> None:
        job = self._queue.job(job_id)
        if job is not None and job.key == self._curves_of and progress.message:
            self._page.curves.add(progress)

    def _on_ended(self, job_id: int, outcome: object) -> None:
        job = self._queue.job(job_id)
        if job is None:
            return
        if isinstance(outcome, Exception) and not isinstance(outcome, (CrosslError, Cancelled)):
            self.failed.emit(outcome)
        if job.kind != "train":
            return
        study = self._session.study
        if isinstance(outcome, Exception) and study is not None and not study.read_only:
            self._recover(study)  # a full disk took not even the state of the run
        self._predicting.refresh_runs()
        self._is_stale = True  # it may be started from now
        run = self._run_of(job)
        if run is not None and run.state in ("finished", "partial"):
            self._look_at(run)
        elif run is not None and run.state == "failed":
            self.said.emit(
                self.tr("{title} failed: {reason}").format(title=run.title, reason=run.error)
            )
        if self._pages.is_seen:
            self.refresh()

    def _look_at(self, run: StudyRun) -> None:
        """Show what a run that has just finished says, unless somebody is busy with another."""
        text = self.tr("{title} has finished.").format(title=run.title)
        if run.has_windows and self._predicting.is_hidden:
            text += " " + self.hidden_words()
        elif run.has_windows and self._predicting.is_walked:
            text += " " + self.tr("Choose it above the traces when the list is done.")
        elif run.has_windows:
            self._predicting.choose(run.name)
        self.said.emit(text)

    def hidden_words(self) -> str:
        """Why nothing of a run is shown in a blinded study."""
        return self.tr("This study is blinded: predictions are hidden while people label.")

    # -- runs

    def _show_runs(self) -> None:
        if self._pages.is_seen:
            self._listing.start(partial(run_rows, self._predicting.runs, self._session.subjects))

    def _take_rows(self, rows: list[RunRow]) -> None:
        self._page.runs.set_rows(rows)
        self._mark_shown()

    def _mark_shown(self) -> None:
        run = self._predicting.run
        if self._pages.is_made:
            self._page.runs.set_shown(run.name if run is not None else "")

    def show_results(self, name: str) -> None:
        """Look at the results and curves of a run."""
        run = self._predicting.run_named(name)
        if run is None:
            return
        self._show_curves(run)
        if self._predicting.is_hidden and run.has_windows:
            self.said.emit(self.hidden_words())
            self._page.show_curves()
        elif run.has_windows:
            self._predicting.choose(name)
            self.shown.emit(name)
        else:
            self.said.emit(
                self.tr("{title} has no predictions: here is how it learnt.").format(
                    title=run.title
                )
            )
            self._page.show_curves()

    def _show_curves(self, run: StudyRun) -> None:
        self._curves_of = run.name
        try:
            report = run.report()
        except CrosslError as error:
            self.failed.emit(error)
            return
        history = ((report or {}).get("pretraining") or {}).get("runs") or []
        self._page.curves.set_history(history)

    def delete(self, names: list[str]) -> None:
        """Ask, then remove runs with everything in them."""
        runs = [run for name in names if (run := self._predicting.run_named(name)) is not None]
        busy = [run for run in runs if self._is_busy(run)]
        if busy:
            self.said.emit(self.tr("{title} is in the queue: stop it first.").format(
                title=busy[0].title))  # fmt: skip
            return
        if not runs or self._may_write() is None:
            return
        titles = ", ".join(run.title for run in runs)
        box = QMessageBox(
            QMessageBox.Icon.Warning,
            self.tr("Delete runs"),
            self.tr("Delete {titles}, with model, predictions and figures?").format(titles=titles),
            QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.Cancel,
            self._window,
        )
        box.setDefaultButton(QMessageBox.StandardButton.Cancel)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._doomed = tuple(runs)
        box.button(QMessageBox.StandardButton.Yes).clicked.connect(self._delete_doomed)
        box.open()

    def _is_busy(self, run: StudyRun) -> bool:
        job = self._queue.job_for(run.name)
        return job is not None and not job.has_ended

    def _delete_doomed(self) -> None:
        study = self._session.study
        doomed, self._doomed = self._doomed, ()
        for run in doomed:
            job = self._queue.job_for(run.name)
            if study is not None and self._try(partial(delete_run, study, run, self._who())):
                if job is not None:  # it cannot be resumed any more
                    self._queue.remove(job.id)
                if run.name == self._curves_of:
                    self._clear_curves("")
        self._predicting.refresh_runs()
        self._note_change()

    def rename(self, name: str, title: str) -> None:
        """Give a run another title."""
        run = self._predicting.run_named(name)
        if run is None:
            return
        if self._may_write() is not None and self._try(partial(rename_run, run, title)):
            self._queue.retitle(name, title)
            self._predicting.refresh_runs()
            self._note_change()
        else:
            self._show_runs()  # the row has the new title already

    def export_model(self, name: str) -> None:
        """Copy a run's model folder elsewhere."""
        run = self._predicting.run_named(name)
        if run is None:
            return
        place, _ = QFileDialog.getSaveFileName(
            self._window,
            self.tr("Export model"),
            str((self._folder("models") or Path.home()) / f"{run.name}_model"),
        )
        if place and self._try(partial(export_model, run, Path(place))):
            self._preferences.note_folder("models", Path(place).parent)
            self.said.emit(self.tr("The model was copied to {folder}.").format(folder=place))

    def import_model(self) -> None:
        """Bring a model folder in."""
        study = self._may_write()
        if study is None:
            return
        start = self._folder("models")
        place = QFileDialog.getExistingDirectory(
            self._window, self.tr("Folder of a model"), str(start or "")
        )
        if not place:
            return
        title, given = QInputDialog.getText(
            self._window, self.tr("Import model"), self.tr("Title"), text=Path(place).name
        )
        if given:
            self._preferences.note_folder("models", Path(place).parent)
            self._bringing = study, title
            self.said.emit(self.tr("Reading the model…"))
            self._reading_model.start(partial(_read_model, Path(place)))

    def _bring_in(self, place: Path) -> None:
        """The model is one: put it into the study that was open when it was asked for."""
        assert self._bringing is not None
        study, title = self._bringing
        self._bringing = None
        if study is not self._session.study:
            return
        if self._try(partial(import_model, study, place, title, self._who())):
            self._predicting.refresh_runs()
            self._note_change()
            self.said.emit(self.tr("{title} was brought in.").format(title=title))

    def compare(self, names: list[str]) -> None:
        """Show runs side by side."""
        runs = [run for name in names if (run := self._predicting.run_named(name)) is not None]
        window = RunComparisonWindow(compare_runs(runs, self._session.subjects), self._window)
        window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        window.show()

    def finetune_from(self, name: str) -> None:
        """Set up a run that starts from the model of another."""
        run = self._predicting.run_named(name)
        if run is None or not run.has_model:
            return
        draft = self._page.setup.draft
        steps = [step for step in draft.value("steps") if step != "pretrain"]
        if "finetune" not in steps:  # nothing but pretraining was set up
            steps = ["finetune", "evaluate", "predict", "robustness"]
        draft.set_values({"steps": steps, "finetune.from": str(run.model)})
        self._page.show_setup()

    # -- batch mode

    def copy_command(self, name: str) -> None:
        """Put the command that repeats a run on the clipboard."""
        run = self._predicting.run_named(name)
        if run is None or run.kind != "train":
            return
        self._copy(run.batch_command())

    def copy_command_of_setup(self) -> None:
        """Write the run file of the settings as they are, and copy its command."""
        run_file = self._written_aside()
        if run_file is not None:
            from core.study_run_file import shell_quoted

            output = shell_quoted(run_file.with_name("results"))
            self._copy(f"crossl-app --batch {shell_quoted(run_file)} --output {output}")

    def _copy(self, command: str) -> None:
        QApplication.clipboard().setText(command)
        self.said.emit(self.tr("Copied: {command}").format(command=command))

    def _written_aside(self) -> Path | None:
        """A run file of the settings as they are, in the study's folder for batch mode."""
        study = self._may_write()
        if study is None or not self._session.saved_or_said():
            return None
        from core.study_run_file import export_run_file

        request = self._page.setup.request()
        path = study.folder / "batch" / "run.json"
        try:
            path.parent.mkdir(exist_ok=True)
            finetunes = "finetune" in request.engine.get("steps", ["finetune"])
            raters = request.raters if finetunes else ()
            export_run_file(
                study, path, raters, force=True, engine=self._engine_of(request),
                only=request.recordings,
            )  # fmt: skip
        except OSError as error:
            self.failed.emit(error)
            return None
        except CrosslError as error:
            self.failed.emit(error)
            return None
        return path

    # -- the rest

    def _try(self, change: Callable[[], object]) -> bool:
        """Make a change; what goes wrong is said. Whether it was made."""
        try:
            change()
        except CrosslError as error:
            self.failed.emit(error)
            return False
        return True

    def shut_down(self) -> None:
        """Stop the queue and what else runs; what was finished is kept."""
        self._plan_soon.stop()
        for job in (
            *(self._planning, self._estimating, self._listing),
            *(self._looking, self._reading_model),
        ):
            job.shut_down()
        self._queue.shut_down()
        if self._pages.is_made:
            self._page.shut_down()


def plan_view(plan: TrainingPlan) -> PlanView:
    """A plan as the table shows it."""
    budgets = [
        QCoreApplication.translate(
            "TrainingCommands", "{share} % of the labels: {n} windows"
        ).format(share=f"{100 * share:g}", n=count)
        for share, count in plan.budgets.items()
    ]
    notes = plan.notes
    if budgets:
        text = QCoreApplication.translate(
            "TrainingCommands",
            "Labelled windows to learn from in each fold, by share of the labels: {list}.",
        )
        notes = (*notes, text.format(list="; ".join(budgets)))
    return PlanView(
        plan.classes,
        tuple(_fold_title(fold) for fold in plan.folds)
        or (QCoreApplication.translate("TrainingCommands", "final fit"),),
        tuple(
            PlanRow(one.name, one.recordings, one.windows, one.labelled, one.roles)
            for one in plan.subjects
        ),
        notes,
        plan.refusal,
    )


def _fold_title(fold: Fold) -> str:
    if fold.is_locked:
        return QCoreApplication.translate("TrainingCommands", "locked test")
    return QCoreApplication.translate("TrainingCommands", "fold {n}").format(n=fold.index + 1)


@dataclass(frozen=True)
class _ToPlan:
    """What a plan is made of, as plain values."""

    engine: dict[str, Any]
    recordings: tuple[PlannedRecording, ...]
    classes: tuple[str, ...]
    epoch_s: float
    min_cover: float


def _plan(wanted: _ToPlan, context: RunContext) -> PlanView:
    del context
    engine = {**wanted.engine}
    engine.setdefault("windows", {"length_s": wanted.epoch_s})
    return plan_view(
        plan_training(engine_config(engine), wanted.recordings, wanted.classes, wanted.min_cover)
    )


def _estimate(
    run_file: Path, wanted: _ToPlan, pretraining_done: bool, context: RunContext
) -> Mapping[str, float]:
    """Seconds by stage, in a job's thread."""
    from core.config import load_run_file
    from core.estimate import StudySize, estimate_run

    config = load_run_file(run_file)
    if config.finetune.start_from is not None:
        start = (run_file.parent / Path(config.finetune.start_from).expanduser()).resolve()
        finetune = config.finetune.model_copy(update={"start_from": str(start)})
        config = config.model_copy(update={"finetune": finetune})
    plan = plan_training(config, wanted.recordings, wanted.classes, wanted.min_cover)
    return estimate_run(
        config,
        run_file.parent,
        context,
        size=StudySize.of_plan(plan, config),
        pretraining_done=pretraining_done,
    ).stages


def estimate_text(stages: Mapping[str, float]) -> str:
    """An estimate in words: the whole, and what takes most of it."""
    translate = QCoreApplication.translate
    if not stages:
        return translate("TrainingCommands", "There is nothing to do.")
    total = sum(stages.values())
    parts = [
        f"{name} {rough_duration_text(seconds)}"
        for name, seconds in stages.items()
        if seconds >= SMALL_SHARE * total
    ]
    return translate(
        "TrainingCommands",
        "About {time}: {parts}. An estimate, from trying each step for a moment on this machine, "
        "as busy as it is now.",
    ).format(time=rough_duration_text(total), parts=", ".join(parts))


def window_threads() -> int:
    """Threads for torch beside a window: one core is left for drawing, at least one is taken."""
    return max(1, (os.cpu_count() or 1) - 1)


def _but_steps(engine: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in engine.items() if key != "steps"}


def _read_model(source: Path, context: RunContext) -> Path:
    del context
    return find_model(source)


def _devices(context: RunContext) -> tuple[str, tuple[str, ...]]:
    """Why a GPU is or is not used, and the values of `device` that can be used."""
    from core.device import choose_device, usable_devices

    del context
    return choose_device("auto").reason, usable_devices()


def _train(run: StudyRun, context: RunContext) -> StudyRun:
    """Carry out a run, in a job's thread."""
    from core.train_run import train

    return train(run, context)
