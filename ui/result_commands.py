"""The Evaluation and Sensors pages, filled from the chosen run, and what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from core.acceptance import epochs_predicted
from core.corruption import Corruption
from core.errors import DataError
from core.labels_of_study import split_by_recording
from core.progress import RunContext
from core.recording import Recording
from core.run_results import AllWindows, RunResults
from core.sleep_figures import is_sleep, lights, sleep_figures
from core.study_labels import to_s
from core.subset_figures import Scope, SubsetFigures, subset_figures
from core.window_store import FINAL, RecordingWindows
from ui.actions import ActionRegistry
from ui.commands import Commands
from ui.evaluation_page import EvaluationPage, SeenAgreement
from ui.jobs import LatestJob
from ui.made_later import MadeLater
from ui.predicting import Predicting
from ui.preferences import PreferenceStore
from ui.recording_page import RecordingPage
from ui.sensors_page import SensorsPage
from ui.session import Session
from ui.sleep_table import SleepTable

if TYPE_CHECKING:  # these need torch, which the window starts without
    from core.saved_model import SavedModel
    from core.scaling import Scaling

Opener = Callable[[], Recording]


class ResultCommands(Commands):
    """Fills the two pages as soon as they are looked at."""

    cell_chosen = Signal(str, str)
    """The windows of this label that are predicted so should be listed."""
    recording_wanted = Signal(str)

    def __init__(
        self,
        session: Session,
        predicting: Predicting,
        page: RecordingPage,
        evaluation: MadeLater[EvaluationPage],
        sensors: MadeLater[SensorsPage],
        sleep: MadeLater[SleepTable],
        registry: ActionRegistry,
        preferences: PreferenceStore,
        window: QWidget,
    ) -> None:
        super().__init__(session, registry, preferences, window)
        self._predicting = predicting
        self._page = page
        self._evaluations = evaluation
        self._sensor_pages = sensors
        self._sleeps = sleep
        self._evaluation_of: RunResults | None = None  # whose report is shown
        self._is_report_shown = False
        self._wants_budget = False  # as soon as the windows have been read
        self._figures_of: tuple[AllWindows, Scope] | None = None
        self._counting = LatestJob(self)
        self._counting.succeeded.connect(self._take_figures)
        self._counting.failed.connect(self._on_no_figures)
        self._budgeting = LatestJob(self)
        self._budgeting.succeeded.connect(self._take_budget)
        self._budgeting.failed.connect(self._on_no_budget)
        self._trying = LatestJob(self)
        self._trying.succeeded.connect(self._take_trial)
        self._trying.failed.connect(self._on_no_trial)
        self._trying.busy_changed.connect(self._show_trying)

    def connect_parts(self) -> None:
        """Listen to the run and to the pages."""
        predicting = self._predicting
        predicting.run_changed.connect(self._on_run)
        predicting.everything_changed.connect(self._on_everything)
        predicting.everything_relabelled.connect(self._on_everything)
        predicting.view_changed.connect(self._on_view)
        predicting.windows_changed.connect(self._on_windows)
        predicting.nothing_there.connect(self._on_nothing)
        self._evaluations.when_made(self._connect_evaluation)
        self._sensor_pages.when_made(self._connect_sensors)
        labelling = self._session.labelling
        labelling.selection_changed.connect(self._show_stretch)
        self._page.view.plot.getViewBox().sigXRangeChanged.connect(self._show_stretch)

    @property
    def _evaluation(self) -> EvaluationPage:
        """The page; made by this where it is not there yet. So are the others."""
        return self._evaluations()

    @property
    def _sensors(self) -> SensorsPage:
        return self._sensor_pages()

    @property
    def _sleep(self) -> SleepTable:
        return self._sleeps()

    def _connect_evaluation(self, evaluation: EvaluationPage) -> None:
        evaluation.cell_chosen.connect(self.cell_chosen)
        evaluation.subject_chosen.connect(self._on_subject)
        evaluation.budget_requested.connect(self.compute_budget)

    def _connect_sensors(self, sensors: SensorsPage) -> None:
        predicting = self._predicting
        sensors.subset_chosen.connect(predicting.set_kept)
        sensors.scope_changed.connect(self._on_scope)
        panel = sensors.corruption
        panel.requested.connect(self._on_trial)
        panel.sweep_requested.connect(self._on_sweep)
        panel.stop_requested.connect(self._trying.drop)

    # -- evaluation

    def show_evaluation(self) -> None:
        """Fill the Evaluation page; when it comes to the front."""
        results = self._predicting.results
        if results is not self._evaluation_of or not self._is_report_shown:
            self._evaluation_of, self._is_report_shown = results, True
            self._wants_budget = False
            self._budgeting.drop()
            self._evaluation.set_colours(self._colours())
            problem = "" if results is not None else self._why_no_run()
            if results is not None and not results.report:
                problem = self.tr(
                    "This model was brought in, without the figures of the run that made it."
                )
            self._evaluation.set_report(
                results.report or None if results is not None else None,
                problem,
                results.people if results is not None else None,
            )
        self._predicting.want_everything()
        self._show_agreement()
        self._show_sleep()

    def _why_no_run(self) -> str:
        if self._predicting.is_hidden:
            return self.tr("This study is blinded: predictions are hidden while people label.")
        return self.tr("No run is chosen. Train a model first (F6), or choose a run there.")

    def _colours(self) -> dict[str, str]:
        scheme = self._session.labelling.scheme
        return {entry.name: entry.colour for entry in scheme.states} if scheme is not None else {}

    def _on_run(self) -> None:
        self._counting.drop()
        self._trying.drop()
        self._figures_of = None
        self._wants_budget = False
        if self._sensor_pages.is_made:
            self._sensors.corruption.clear_result()
            self._sensors.set_figures(None)  # those of another run
        if self._evaluations.is_seen:
            self.show_evaluation()
        if self._sensor_pages.is_seen:
            self.show_sensors()

    def _on_nothing(self, reason: str) -> None:
        if self._sensor_pages.is_made:
            self._sensors.set_figures(None, reason)
        if self._wants_budget:
            self._on_no_budget(DataError(reason))

    def _show_agreement(self) -> None:
        """Where nobody was held out: how often labels and predictions agree, which is no test."""
        everything = self._predicting.everything
        if everything is None or self._evaluation.is_test:
            return
        predicted = everything.subsets.classes()[0]
        both = (everything.labels >= 0) & (predicted >= 0)
        agreed = int((everything.labels[both] == predicted[both]).sum())
        people = len({everything.subjects[k] for k in np.unique(everything.recording_index[both])})
        self._evaluation.set_seen_agreement(
            SeenAgreement(agreed, int(both.sum()), people) if both.any() else None
        )

    def _on_subject(self, subject: str) -> None:
        everything = self._predicting.everything
        if everything is not None and subject in everything.subjects:
            self.recording_wanted.emit(everything.recordings[everything.subjects.index(subject)])

    def compute_budget(self) -> None:
        """Train heads on shares of the labels as they are now."""
        everything, results = self._predicting.everything, self._predicting.results
        if results is None or results.config is None:
            return
        self._evaluation.set_budget_busy(True)
        self._wants_budget = everything is None
        if everything is None:
            self._predicting.want_everything()
            return
        self._budgeting.start(partial(_budget, results, everything))

    def _take_budget(self, curve: object) -> None:
        self._evaluation.set_live_budget(curve)

    def _on_no_budget(self, error: Exception) -> None:
        self._wants_budget = False
        self._evaluation.set_budget_busy(False, str(error))

    # -- sleep

    def _show_sleep(self) -> None:
        """Sleep figures of the shown recording, from its labels and from the predictions."""
        labelling, view = self._session.labelling, self._predicting.view
        scheme = labelling.scheme
        names = tuple(entry.name for entry in scheme.states) if scheme is not None else ()
        there = scheme is not None and is_sleep(names) and labelling.journal is not None
        if there or self._sleeps.is_made:
            self._sleep.setVisible(there)
        if not there or scheme is None:
            return
        grid = labelling.grid
        whose, labels = self._predicting.labels_compared()
        marked, others = lights(labelling.labels), lights(labels)
        off_s, on_s = (
            mine if mine is not None else other for mine, other in zip(marked, others, strict=True)
        )
        start_s = to_s(grid.offset_ns)
        known = {
            "epoch_s": scheme.epoch_s,
            "lights_off_s": off_s,
            "lights_on_s": on_s,
            "start_s": start_s,
            "classes": names,
        }
        codes = labelling.codes_of(labels)
        of_labels = None
        if (codes >= 0).any():
            of_labels = sleep_figures([names[k] if k >= 0 else None for k in codes], **known)
        of_predictions = None
        if view is not None:
            said, _ = epochs_predicted(view, grid)
            stages = [view.classes[k] if k >= 0 else None for k in said]
            of_predictions = sleep_figures(stages, **known)
        self._sleep.set_figures(
            of_labels,
            of_predictions,
            (
                self.tr("labels of {name}").format(name=whose) if whose else self.tr("labels"),
                self.tr("predictions"),
            ),
        )

    # -- sensors

    def show_sensors(self) -> None:
        """Fill the Sensors page; when it comes to the front."""
        results = self._predicting.results
        panel = self._sensors.corruption
        panel.set_problem(self._why_no_trial())
        self._show_stretch()
        self._sensors.set_kept(self._predicting.kept)
        if results is None:
            self._sensors.set_figures(None, self._why_no_run())
            return
        if self._predicting.everything is None:
            self._sensors.set_figures(None, self.tr("Reading the predictions…"))
        self._predicting.want_everything()
        self._on_everything()

    def _on_everything(self) -> None:
        everything = self._predicting.everything
        if self._wants_budget and everything is not None:
            self.compute_budget()
        if self._evaluations.is_seen:
            self._show_agreement()
        if everything is None or not self._sensor_pages.is_seen:
            return
        self._sensors.set_scopes(list(zip(everything.recordings, everything.subjects, strict=True)))
        self._on_scope(self._sensors.chosen_scope)

    def _on_scope(self, scope: Scope) -> None:
        everything = self._predicting.everything
        if everything is None or self._figures_of == (everything, scope):
            return
        self._figures_of = (everything, scope)
        self._sensors.set_busy(self.tr("Counting…"))
        config = self._predicting.results.config if self._predicting.results else None
        seed = config.seed if config is not None else 0
        self._counting.start(partial(_figures, everything, scope, seed))

    def _take_figures(self, figures: SubsetFigures) -> None:
        self._sensors.set_busy("")
        self._sensors.set_figures(figures, colours=self._colours())
        self._sensors.set_kept(self._predicting.kept)
        self._sensors.corruption.set_problem(self._why_no_trial())

    def _on_no_figures(self, error: Exception) -> None:
        self._sensors.set_busy("")
        self._sensors.set_figures(None, str(error))

    def _on_view(self) -> None:
        if self._sensor_pages.is_made:
            self._sensors.set_kept(self._predicting.kept)
        if self._evaluations.is_seen:
            self._show_sleep()

    # -- failures

    def _on_windows(self) -> None:
        self._trying.drop()
        if self._sensor_pages.is_made:
            self._sensors.corruption.clear_result()
            self._sensors.corruption.set_problem(self._why_no_trial())

    def _why_no_trial(self) -> str:
        results, shown = self._predicting.results, self._session.shown
        if results is None or not results.has_classifier:
            return self.tr("Failures can be tried with a run that has a trained model.")
        if shown is None or shown.recording is None or self._predicting.windows is None:
            return self.tr("Show a recording that the run has predicted (F5).")
        return ""

    def _show_stretch(self) -> None:
        if not self._sensor_pages.is_seen:
            return
        selection = self._session.labelling.selection
        selected = None
        if selection is not None:
            selected = (to_s(selection.start_ns), to_s(selection.end_ns))
        low, high = self._page.view.range_s
        self._sensors.corruption.set_stretch((low, high), selected)

    def _on_trial(self, corruptions: Sequence[Corruption]) -> None:
        self._try(partial(_trial, list(corruptions)))

    def _on_sweep(self, corruption: Corruption) -> None:
        self._try(partial(_sweep, corruption))

    def _try(self, what: partial) -> None:
        results, windows = self._predicting.results, self._predicting.windows
        shown, view = self._session.shown, self._predicting.view
        if results is None or windows is None or view is None or shown is None:
            return
        if shown.recording is None:
            return
        # Of the final model, whatever fold held the person out.
        is_test = bool((view.held_out & (windows.fold == FINAL)).all())
        trial = Trial(
            results, shown.recording, windows, view.labels, is_test, self._others_of(windows)
        )
        self._trying.start(partial(what, trial))

    def _others_of(self, windows: RecordingWindows) -> tuple[Opener, ...]:
        """The other recordings of the same person, by which a model may scale."""
        study, shown = self._session.study, self._session.shown
        if study is None or shown is None or shown.entry is None:
            return ()
        return tuple(
            study.opener(entry)
            for entry in self._session.recordings
            if entry.subject == windows.subject and entry.id != shown.entry.id
        )

    def _show_trying(self, busy: bool) -> None:
        self._sensors.corruption.set_busy(
            self.tr("Reading, encoding and predicting again…") if busy else ""
        )

    def _take_trial(self, result: object) -> None:
        from core.corrupted_scoring import Sweep

        panel = self._sensors.corruption
        panel.set_busy("")
        if isinstance(result, Sweep):
            panel.set_sweep(result)
        else:
            panel.set_result(result)

    def _on_no_trial(self, error: Exception) -> None:
        self._sensors.corruption.set_busy("")
        self._sensors.corruption.tell(str(error))

    def shut_down(self) -> None:
        """End background work; returns when it has ended."""
        for job in (self._counting, self._budgeting, self._trying):
            job.shut_down()


# ---------------------------------------------------------------- in the background


def _figures(everything: AllWindows, scope: Scope, seed: int, context: RunContext) -> SubsetFigures:
    return subset_figures(everything, context, scope=scope, seed=seed)


def _budget(results: RunResults, everything: AllWindows, context: RunContext) -> object:
    from core.budget_curve import budget_curve

    assert results.config is not None
    labels = split_by_recording(everything, everything.labels)
    evaluate = results.config.evaluate
    return budget_curve(
        results.folder,
        results.config,
        labels,
        dict(zip(everything.recordings, everything.subjects, strict=True)),
        everything.classes,
        evaluate.budgets,
        evaluate.budget_seeds,
        context,
    )


@dataclass(frozen=True, eq=False)
class Trial:
    """What failures are tried on. `others`: further recordings of the same person."""

    results: RunResults
    recording: Recording
    windows: RecordingWindows
    labels: np.ndarray
    is_test: bool
    others: tuple[Opener, ...]


def _trial(corruptions: list[Corruption], trial: Trial, context: RunContext) -> object:
    from core.corrupted_scoring import score_corrupted

    saved, scaling = _model_for(trial, context)
    return score_corrupted(
        saved, trial.recording, corruptions, trial.windows, context,
        labels=trial.labels, is_test=trial.is_test, scaling=scaling,
    )  # fmt: skip


def _sweep(corruption: Corruption, trial: Trial, context: RunContext) -> object:
    from core.corrupted_scoring import sweep_noise

    saved, scaling = _model_for(trial, context)
    return sweep_noise(
        saved, trial.recording, corruption, trial.windows, context,
        labels=trial.labels, is_test=trial.is_test, scaling=scaling,
    )  # fmt: skip


def _model_for(trial: Trial, context: RunContext) -> tuple[SavedModel, Scaling | None]:
    """The run's final model, and the person's own scaling where the model goes by it."""
    from core.saved_model import load_model
    from core.scoring import own_scaling

    saved = load_model(trial.results.folder / "model")
    if not saved.config.predict.adapt_to_subject:
        return saved, None
    own = [trial.recording, *(opened() for opened in trial.others)]
    return saved, own_scaling(own, saved, context)[0]
