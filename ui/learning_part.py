"""The part of the window that learns: its pages, docks and commands, put together when needed.

The pages are made when they are looked at for the first time, so that the window starts without
them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QDockWidget, QMainWindow, QSplitter, QStackedWidget, QWidget

from core.embedding_space import umap_available
from core.progress import Progress
from ui.actions import ActionRegistry
from ui.commands import Commands
from ui.embedding_map import EmbeddingMap
from ui.evaluation_page import EvaluationPage
from ui.job_panel import JobPanel
from ui.made_later import MadeLater
from ui.page_bar import PageBar
from ui.predicting import Predicting
from ui.prediction_commands import PredictionCommands
from ui.preferences import PreferenceStore
from ui.recording_page import RecordingPage
from ui.report_commands import ReportCommands
from ui.result_commands import ResultCommands
from ui.run_queue import RunQueue, time_left_text
from ui.sensors_page import SensorsPage
from ui.session import Session
from ui.sleep_table import SleepTable
from ui.suggestion_panel import SuggestionPanel
from ui.training_commands import TrainingCommands
from ui.training_page import TrainingPage
from ui.window_commands import WindowCommands

MAP_WIDTH = 400
"""Pixels that the map gets when it is asked for."""
PAGE_KEYS = {"recording": "F5", "train": "F6", "evaluation": "F7", "sensors": "F8"}


class LearningPart(QObject):
    """Owns pages, docks and commands of training, predictions, sensors, map and reports.

    Attributes
    ----------
    groups: its groups of commands, whose errors and words the window shows.
    jobs_dock, windows_dock, map_dock: hidden until they are wanted.
    """

    said = Signal(str)

    def __init__(
        self,
        session: Session,
        page: RecordingPage,
        pages: PageBar,
        stack: QStackedWidget,
        registry: ActionRegistry,
        preferences: PreferenceStore,
        predicting: Predicting,
        window: QMainWindow,
        beside: QDockWidget,
    ) -> None:
        """`beside`: the dock that the panels of windows and map share their place with."""
        super().__init__(window)
        self._session = session
        self._page = page
        self._pages = pages
        self._stack = stack
        self._registry = registry
        self.predicting = predicting
        self.queue = RunQueue(self)
        self._training = MadeLater(TrainingPage)
        self._evaluation = MadeLater(EvaluationPage)
        self._sensors = MadeLater(SensorsPage)
        self._sleep = MadeLater(SleepTable)
        self._evaluation_parts = QSplitter(Qt.Orientation.Vertical)
        self._widgets: dict[str, QWidget] = {"recording": page}
        self._training.when_made(partial(self._add_page, "train"))
        self._evaluation.when_made(self._add_evaluation)
        self._sensors.when_made(partial(self._add_page, "sensors"))
        self._sleep.when_made(self._add_sleep)
        self.windows = SuggestionPanel()
        self.map = EmbeddingMap(umap_available=umap_available())
        self.jobs = JobPanel(self.queue)
        self._make_docks(window, beside)
        self._make_commands(session, registry, preferences, window)
        self._connect()

    # -- parts

    @property
    def training(self) -> TrainingPage:
        return self._training()

    @property
    def evaluation(self) -> EvaluationPage:
        return self._evaluation()

    @property
    def sensors(self) -> SensorsPage:
        return self._sensors()

    @property
    def sleep(self) -> SleepTable:
        return self._sleep()

    def _add_page(self, id: str, page: QWidget) -> None:
        self._widgets[id] = page
        self._stack.addWidget(page)

    def _add_evaluation(self, evaluation: EvaluationPage) -> None:
        """With figures of sleep below it, for studies that have any."""
        self._evaluation_parts.setChildrenCollapsible(False)
        self._evaluation_parts.insertWidget(0, evaluation)
        self._evaluation_parts.setStretchFactor(0, 1)
        self._add_page("evaluation", self._evaluation_parts)

    def _add_sleep(self, sleep: SleepTable) -> None:
        self._evaluation_parts.addWidget(sleep)

    def _widget_of(self, id: str) -> QWidget:
        """The page; made where it is not there yet."""
        for name, page in (
            ("train", self._training),
            ("evaluation", self._evaluation),
            ("sensors", self._sensors),
        ):
            if id == name:
                page()
        return self._widgets[id]

    def _make_docks(self, window: QMainWindow, beside: QDockWidget) -> None:
        right, bottom = (
            Qt.DockWidgetArea.RightDockWidgetArea,
            Qt.DockWidgetArea.BottomDockWidgetArea,
        )
        self.windows_dock = self._dock(window, "windows", self.tr("Windows"), self.windows, right)
        self.map_dock = self._dock(window, "map", self.tr("Map"), self.map, right)
        self.jobs_dock = self._dock(window, "jobs", self.tr("Jobs"), self.jobs, bottom)
        window.tabifyDockWidget(beside, self.windows_dock)
        window.tabifyDockWidget(self.windows_dock, self.map_dock)
        for dock in (self.windows_dock, self.map_dock, self.jobs_dock):
            dock.hide()

    def _dock(
        self,
        window: QMainWindow,
        name: str,
        title: str,
        part: QWidget,
        area: Qt.DockWidgetArea,
    ) -> QDockWidget:
        dock = QDockWidget(title, window)
        dock.setObjectName(name)
        dock.setWidget(part)
        window.addDockWidget(area, dock)
        return dock

    def _make_commands(
        self,
        session: Session,
        registry: ActionRegistry,
        preferences: PreferenceStore,
        window: QWidget,
    ) -> None:
        predicting, page = self.predicting, self._page
        self.trains = TrainingCommands(
            session, predicting, self.queue, self._training, registry, preferences, window
        )
        self.predicts = PredictionCommands(session, predicting, registry, preferences, page, window)
        self.lists = WindowCommands(
            session, predicting, page, self.windows, self.map, registry, preferences, window
        )
        self.results = ResultCommands(
            *(session, predicting, page, self._evaluation, self._sensors, self._sleep),
            *(registry, preferences, window),
        )
        self.reports = ReportCommands(session, predicting, registry, preferences, window)
        self.groups: tuple[Commands, ...] = (
            *(self.trains, self.predicts, self.lists, self.results, self.reports),
        )

    def add_commands(self) -> None:
        """Put the commands into the registry."""
        add, tr = self._registry.add, self.tr
        group = tr("View")
        titles = {
            "recording": tr("Page: &Recording"),
            "train": tr("Page: Tra&in"),
            "evaluation": tr("Page: E&valuation"),
            "sensors": tr("Page: &Sensors"),
        }
        for id, title in titles.items():
            add(f"page.{id}", title, PAGE_KEYS[id], partial(self.show_page, id), group=group)
            self._pages.set_key(id, self._registry.command(f"page.{id}").keys[0])
        add("view.subsets", tr("Subsets of s&ensors"), "Ctrl+Shift+B",
            self._page.show_subsets, group=group, checkable=True,
            tooltip=tr("Every combination of sensors below the traces, a row each"))  # fmt: skip
        add("view.shares", tr("Sh&ares of sensors"), "Ctrl+Shift+S",
            self._page.show_shares, group=group, checkable=True,
            tooltip=tr("What each sensor adds to the predicted class"))  # fmt: skip
        add("view.map", tr("&Map of windows"), "Ctrl+M", self.show_map, group=group,
            tooltip=tr("Windows that look alike to the model side by side"))  # fmt: skip
        for name, dock in (("windows", self.windows_dock), ("jobs", self.jobs_dock)):
            add(f"view.dock_{name}", tr("Panel: {name}").format(name=dock.windowTitle()), [],
                partial(_toggle, dock), group=group)  # fmt: skip
        self.predicts.add_commands()
        self.lists.add_commands()
        self.reports.add_commands()
        self.trains.connect_parts()
        self.results.connect_parts()
        self.show_state()

    def _connect(self) -> None:
        self._pages.chosen.connect(self._on_page)
        self.lists.page_wanted.connect(partial(self.show_page, "recording"))
        self.trains.shown.connect(self._on_run_shown)
        self.trains.report_wanted.connect(self.reports.report_of)
        self.results.cell_chosen.connect(self._on_cell)
        self.results.recording_wanted.connect(self._on_recording)
        self.reports.recording_wanted.connect(self._on_recording)
        self.map_dock.visibilityChanged.connect(self._on_map_shown)
        self.queue.changed.connect(self._show_queue)
        self.queue.progressed.connect(self._show_progress)
        self.predicting.run_changed.connect(self.show_state)
        self.predicting.view_changed.connect(self.show_state)
        self._session.study_changed.connect(self.show_state)
        self._session.results_changed.connect(self.show_state)
        self._session.shown_changed.connect(self.show_state)

    # -- pages

    def show_page(self, id: str) -> None:
        """Bring a page to the front."""
        if self._pages.current == id:
            self._on_page(id)
        else:
            self._pages.show_page(id)

    def _on_page(self, id: str) -> None:
        widget = self._widget_of(id)
        if self._stack.currentWidget() is not widget:
            self._stack.setCurrentWidget(widget)
        fill: dict[str, Callable[[], None]] = {
            "train": self.trains.refresh,
            "evaluation": self.results.show_evaluation,
            "sensors": self.results.show_sensors,
        }
        if id in fill:
            fill[id]()
        else:
            self._page.view.plot.setFocus()

    def _on_run_shown(self, name: str) -> None:
        del name
        self.show_page("recording")

    def _on_cell(self, true: str, predicted: str) -> None:
        self.lists.list_cell(true, predicted)

    def _on_recording(self, name: str) -> None:
        self.lists.show_recording(name)

    def show_map(self) -> None:
        """Show the map of windows, beside the traces."""
        self.map_dock.show()
        self.map_dock.raise_()
        window = self.map_dock.parentWidget()
        if isinstance(window, QMainWindow) and self.map_dock.width() < MAP_WIDTH:
            window.resizeDocks([self.map_dock], [MAP_WIDTH], Qt.Orientation.Horizontal)
        self.lists.show_map()

    def _on_map_shown(self, visible: bool) -> None:
        if visible:
            self.lists.show_map()

    def show_state(self) -> None:
        """Enable what can be done now."""
        study, view = self._session.study, self.predicting.view
        there = self.predicting.results is not None
        pages = {"train": study is not None, "evaluation": there, "sensors": there}
        if not pages.get(self._pages.current, True):  # first: a tab that is off gives way to any
            self.show_page("recording")
        for number, id in enumerate(("recording", "train", "evaluation", "sensors")):
            on = pages.get(id, True)
            self._pages.setTabEnabled(number, on)
            self._registry.action(f"page.{id}").setEnabled(on)
        self._pages.setVisible(study is not None or there)
        for id in ("view.subsets", "view.shares"):
            self._registry.action(id).setEnabled(view is not None)
        self._registry.action("view.map").setEnabled(there)
        self.predicts.show_state()
        self.lists.show_state()
        self.reports.show_state()

    # -- jobs

    def _show_queue(self, job_id: int) -> None:
        job = self.queue.job(job_id)
        if job is not None and job.is_going_on and not self.jobs_dock.isVisible():
            self.jobs_dock.show()
        if self.queue.running is None:
            self._pages.set_mark("train", "")

    def _show_progress(self, job_id: int, progress: Progress) -> None:
        del progress
        job = self.queue.job(job_id)
        if job is None or job.kind != "train" or not job.is_going_on:
            return
        share = f"{100 * job.share:.0f} %" if job.share is not None else ""
        self._pages.set_mark("train", share or time_left_text(job.left_s) or "…")

    def shut_down(self) -> None:
        """Stop all jobs; what was finished is kept. Returns when they have ended."""
        self.trains.shut_down()
        self.lists.shut_down()
        self.results.shut_down()
        self.reports.shut_down()
        self.predicting.shut_down()


def _toggle(dock: QDockWidget) -> None:
    dock.setVisible(not dock.isVisible())
