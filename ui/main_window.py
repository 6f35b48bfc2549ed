"""The main window: pages, docks, menus and status bar, put together. It holds no results."""

from __future__ import annotations

import base64
from collections import Counter
from functools import partial
from pathlib import Path

from PySide6.QtCore import QByteArray, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QKeySequence
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QDockWidget,
    QListWidget,
    QListWidgetItem,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from core.errors import CrosslError
from core.progress import RunContext
from core.study import StudyRecording, missing_paths
from core.study_labels import NS
from ui.actions import ActionRegistry
from ui.appearance import PALETTES, Appearance
from ui.context_menus import ContextMenus
from ui.dropping import take_files, welcome_files
from ui.exchange_commands import ExchangeCommands
from ui.help_commands import HelpCommands
from ui.jobs import LatestJob
from ui.label_actions import LabelActions
from ui.label_palette import LabelPalette
from ui.learning_part import LearningPart
from ui.menus import MainMenus
from ui.messages import show_error
from ui.page_bar import PageBar
from ui.predicting import Predicting
from ui.preferences import PreferenceStore, RecentStudy
from ui.rater_commands import RaterCommands
from ui.recording_page import RecordingPage
from ui.session import Session
from ui.status_line import StatusLine
from ui.study_commands import StudyCommands
from ui.study_panel import RecordingRow, StudyPanel
from ui.time_plot import use_series
from ui.welcome_page import WelcomePage, find_entries

WARM_UP_AFTER_MS = 400
VIEW_COMMANDS = (
    *("view.zoom_in", "view.zoom_out", "view.all", "view.next_page", "view.previous_page"),
    *("view.to_start", "view.to_end", "view.larger", "view.smaller", "view.automatic"),
    *("view.lane_above", "view.lane_below", "view.up", "view.down", "view.fewer", "view.more"),
)
"""Ids of the commands that the traces bring along, in their order."""
PALETTE_COMMANDS = {
    "clear": "label.clear",
    "fill": "label.fill",
    "next_unlabelled": "go.unlabelled",
    "next_disagreement": "go.disagreement",
    "auto_advance": "label.advance",
}
"""Commands that have a button in the palette."""
VIEW_ICONS = {"view.zoom_in": "zoom-in", "view.zoom_out": "zoom-out"}


class MainWindow(QMainWindow):
    """Shows what the session holds, and asks it for changes."""

    shown = Signal()
    """The chosen recording is on the screen, as far as it could be opened."""

    def __init__(
        self,
        session: Session,
        preferences: PreferenceStore | None = None,
        appearance: Appearance | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        session.setParent(self)
        self._preferences = preferences or PreferenceStore(parent=self)
        self._preferences.setParent(self)
        self._missing: dict[int, str] = {}
        self._series_shown = ""
        self._recent_shown: tuple[RecentStudy, ...] | None = None
        self._finding = LatestJob(self)
        self._looking = LatestJob(self)
        self._looking.succeeded.connect(self._take_missing)
        self._looking.failed.connect(self._show_error)
        self.setAcceptDrops(True)
        self.resize(1440, 900)

        self.predicting = Predicting(session, self)
        self.page = RecordingPage(session, self.predicting)
        self.view, self.strip = self.page.view, self.page.strip
        self.welcome = WelcomePage()
        self._make_centre()
        self.registry = ActionRegistry(self)
        self._appearance = appearance or Appearance(application(), self)
        self.commands = StudyCommands(
            session, self.registry, self._preferences, self._appearance, self
        )
        self.rater_commands = RaterCommands(session, self.registry, self._preferences, self)
        self.exchange = ExchangeCommands(session, self.registry, self._preferences, self)
        self.help = HelpCommands(session, self.registry, self._preferences, self)
        self.status = StatusLine(session, self.statusBar())
        self._make_docks()
        self.learning = LearningPart(
            *(session, self.page, self.page_bar, self._pages, self.registry, self._preferences),
            *(self.predicting, self, self.palette_dock),
        )
        self._make_commands()
        self._menus = MainMenus(self, self.registry)
        self._context_menus = ContextMenus(session, self.registry, self)
        self._connect()
        self._take_preferences()
        session.choose_rater(self.commands.first_rater())
        self._restore_window()
        self._show_study()
        self._show_results()
        self._show()
        # What opening a recording needs takes a second to load: it is fetched while the user looks
        # at the welcome page.
        self._warming = QTimer(self)
        self._warming.setSingleShot(True)
        self._warming.timeout.connect(self._warm_up)
        self._warming.start(WARM_UP_AFTER_MS)
        QTimer.singleShot(0, self, self._say_preferences)

    # -- parts

    def _make_centre(self) -> None:
        tr = self.tr
        self.page_bar = PageBar(
            (
                ("recording", tr("Recording")),
                ("train", tr("Train")),
                ("evaluation", tr("Evaluation")),
                ("sensors", tr("Sensors")),
            )
        )
        self._pages = QStackedWidget()
        self._pages.addWidget(self.welcome)
        self._pages.addWidget(self.page)
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.page_bar)
        column.addWidget(self._pages, 1)
        self.setCentralWidget(centre)

    def _make_docks(self) -> None:
        self.panel = StudyPanel()
        self.recordings_dock = self._dock(
            "recordings", self.tr("Recordings"), self.panel, Qt.DockWidgetArea.LeftDockWidgetArea
        )
        self._list = QListWidget()
        self._list.setObjectName("results")
        self._list.setAccessibleName(self.tr("Recordings of the results"))
        self.results_dock = self._dock(
            "results_dock", self.tr("Results"), self._list, Qt.DockWidgetArea.LeftDockWidgetArea
        )
        self.palette_panel = LabelPalette()
        self.palette_dock = self._dock(
            "labels", self.tr("Labels"), self.palette_panel, Qt.DockWidgetArea.RightDockWidgetArea
        )
        self.resizeDocks(
            [self.recordings_dock, self.palette_dock], [300, 240], Qt.Orientation.Horizontal
        )

    def _dock(self, name: str, title: str, part: QWidget, area: Qt.DockWidgetArea) -> QDockWidget:
        dock = QDockWidget(title, self)
        dock.setObjectName(name)
        dock.setWidget(part)
        self.addDockWidget(area, dock)
        return dock

    # -- commands

    def _make_commands(self) -> None:
        add, tr, view = self.registry.add, self.tr, self.view
        self.commands.add_commands()
        self.exchange.add_commands()
        self.rater_commands.add_commands()
        self.label_actions = LabelActions(self.registry, self._session.labelling, self.page, self)
        self.label_actions.watch(self.page)
        self.label_actions.watch(self.palette_panel)
        group = tr("View")
        for id, action in zip(VIEW_COMMANDS, view.actions_for_menu, strict=True):
            if id in ("view.to_start", "view.to_end"):
                view.removeAction(action)  # first and last epoch have their keys
            else:
                self.registry.adopt(id, action, group=group, widget=self.page,
                                    icon=VIEW_ICONS.get(id))  # fmt: skip
        add("view.page", tr("One &page"), "Ctrl+1", self.page.show_page, group=group)
        add("view.channels", tr("&Channels and montage…"), "Ctrl+Shift+C",
            self.commands.edit_channels, group=group, icon="channels")  # fmt: skip
        self._spectrogram = add(
            "view.spectrogram", tr("Spectro&gram"), "Ctrl+Shift+G", self._show_spectrogram,
            group=group, icon="spectrum", checkable=True,
        )  # fmt: skip
        self._clock = add(
            "view.clock", tr("Clock &time on the axis"), "Ctrl+T", self._choose_time_mode,
            group=group, checkable=True,
        )  # fmt: skip
        self._whole = add(
            "view.whole_strip", tr("&Hypnogram of the whole recording"), "Ctrl+Shift+H",
            self._choose_whole_strip, group=group, checkable=True,
            tooltip=tr("Show ordered classes of the whole recording, or of the page alone"),
        )  # fmt: skip
        add("view.go_to", tr("&Go to a time…"), "Ctrl+G", self.commands.ask_for_time,
            group=tr("Go"), icon="search")  # fmt: skip
        add("view.findings", tr("&Findings…"), "Ctrl+I", self.commands.show_findings, group=group,
            icon="list")  # fmt: skip
        for name, dock in (("recordings", self.recordings_dock), ("labels", self.palette_dock)):
            add(f"view.dock_{name}", tr("Panel: {name}").format(name=dock.windowTitle()), [],
                partial(self._toggle_dock, dock), group=group)  # fmt: skip
        self._full = add("view.full", tr("F&ull screen"), "F11", self._show_full, group=group,
                         checkable=True)  # fmt: skip
        self.learning.add_commands()
        self.help.add_commands()
        leave = add("file.quit", tr("&Quit"), QKeySequence.StandardKey.Quit, self.close,
                    group=tr("File"))  # fmt: skip
        if leave.shortcut().isEmpty():  # Windows has no standard key for it
            leave.setShortcut(QKeySequence("Ctrl+Q"))
        leave.setMenuRole(QAction.MenuRole.QuitRole)

    # -- signals

    def _connect(self) -> None:
        session, labelling = self._session, self._session.labelling
        session.study_changed.connect(self._show_study)
        session.recordings_changed.connect(self._show_recordings)
        session.rater_changed.connect(self._show_raters)
        session.results_changed.connect(self._show_results)
        session.shown_changed.connect(self._show)
        session.busy_changed.connect(self._show_busy)
        session.failed.connect(self._show_error)
        labelling.opened.connect(self._show_scheme)
        labelling.labels_changed.connect(self._show_counts)
        labelling.position_changed.connect(self._show_current)
        self.page.failed.connect(self._show_error)
        self.page.read_out.connect(self.status.read_out.setText)
        self.page.event_menu_requested.connect(self._context_menus.for_event)
        self.page.epoch_menu_requested.connect(self._context_menus.for_epoch)
        self.page.stretch_menu_requested.connect(self._context_menus.for_stretch)
        self.page.window_menu_requested.connect(self._show_window_menu)
        self.page.drawn.connect(self._note_page_length)
        self.status.findings.clicked.connect(self.commands.show_findings)
        self._list.currentItemChanged.connect(self._on_chosen)
        welcome, commands = self.welcome, self.commands
        self._finding.succeeded.connect(welcome.set_recent)
        self._finding.failed.connect(self._show_error)
        welcome.set_keys(
            {
                name: ", ".join(self.registry.command(f"file.{name}").keys[:1])
                for name in ("new_study", "open_study", "open_recording", "open_results")
            }
        )
        welcome.new_study.connect(commands.new_study)
        welcome.open_study.connect(commands.ask_for_study)
        welcome.open_recording.connect(commands.ask_for_recording)
        welcome.open_results.connect(commands.ask_for_results)
        welcome.sample_study.connect(commands.make_sample_study)
        welcome.simulated_night.connect(commands.make_night_study)
        welcome.recent_chosen.connect(session.open_study)
        welcome.recent_removed.connect(self._preferences.forget_study)
        commands.busy.connect(welcome.set_busy)
        commands.busy.connect(self.status.show_work)
        self.status.stop_wanted.connect(commands.stop)
        self.view.envelope_progress.connect(self.status.show_reading)
        commands.went_to.connect(self.page.go_to_time)
        commands.save_elsewhere_wanted.connect(self.exchange.save_labels_elsewhere)
        commands.unpack_wanted.connect(self.exchange.unpack)
        self.exchange.unpacked.connect(session.open_study)
        groups = (commands, self.exchange, self.rater_commands, *self.learning.groups)
        for group in (*groups, self.status):
            group.failed.connect(self._show_error)
        for group in groups:
            group.said.connect(self.status.say)
        self.predicting.failed.connect(self._show_error)
        panel, palette = self.panel, self.palette_panel
        panel.recording_chosen.connect(session.choose)
        panel.rater_chosen.connect(commands.choose_rater)
        panel.rater_chosen.connect(self.view.plot.setFocus)  # keys are labels again
        panel.menu_requested.connect(self._context_menus.for_recording)
        palette.class_chosen.connect(labelling.give)
        palette.clear_requested.connect(labelling.clear)
        palette.fill_requested.connect(labelling.fill_to_next)
        palette.next_unlabelled.connect(self.label_actions.next_unlabelled)
        palette.next_disagreement.connect(self.label_actions.next_disagreement)
        palette.auto_advance_changed.connect(self._set_auto_advance)
        palette.paint_class_changed.connect(self.page.steps.set_paint_class)
        self.label_actions.advance.toggled.connect(self._set_auto_advance)
        palette.set_keys(
            {
                name: ", ".join(self.registry.command(id).keys[:1])
                for name, id in PALETTE_COMMANDS.items()
            }
        )
        self._preferences.changed.connect(self._take_preferences)
        self._preferences.failed.connect(self._show_error)

    # -- the study

    def _show_study(self) -> None:
        study = self._session.study
        self.recordings_dock.setVisible(study is not None)
        self.palette_dock.setVisible(study is not None)
        if study is not None:
            self._preferences.note_study(study.folder)
            self.panel.set_blinded(study.settings.blinded)
        self._show_raters()
        self._show_title()
        self.palette_panel.set_locked(self._session.labelling.why_locked)
        self.commands.show_state()

    def _show_recordings(self) -> None:
        study, rater = self._session.study, self._session.rater
        rows = []
        if study is not None:
            labelled = study.labelled_ns()
            signed = study.all_signed_off()
            for entry in self._session.recordings:
                key = (entry.id, rater.id if rater is not None else 0)
                share = labelled.get(key, 0) / NS / entry.duration_s if entry.duration_s else 0.0
                rows.append(
                    RecordingRow(
                        entry.id,
                        entry.name,
                        entry.subject,
                        entry.duration_s,
                        min(share, 1.0),
                        key in signed,
                        self._problem_of(entry.id),
                    )
                )
            self._looking.start(partial(_missing_files, study.folder, self._session.recordings))
        self.panel.set_recordings(rows)

    def _problem_of(self, recording_id: int) -> str:
        name = self._missing.get(recording_id)
        return self.tr("{file} is not there.").format(file=name) if name else ""

    def _take_missing(self, missing: dict[int, str]) -> None:
        if missing == self._missing:
            return
        self._missing = missing
        self._show_recordings()

    def _show_raters(self) -> None:
        study, rater = self._session.study, self._session.rater
        if study is None:
            return
        names = [r.name for r in study.raters() if r.kind in ("person", "consensus", "file")]
        self.panel.set_raters(names, rater.name if rater is not None else "")
        if rater is not None and rater.kind == "person":
            self._preferences.update(rater=rater.name)
        self._show_recordings()
        self.palette_panel.set_locked(self._session.labelling.why_locked)

    def _show_scheme(self) -> None:
        scheme = self._session.labelling.scheme
        if scheme is not None:
            self.palette_panel.set_scheme(scheme)
            self.palette_panel.restart_pace()
        self._menus.classes.clear()
        for entry in scheme.classes if scheme is not None else ():
            action = self._menus.classes.addAction(
                f"{entry.name}\t{' '.join(entry.keys)}" if entry.keys else entry.name
            )
            action.setData(entry.name)
            action.triggered.connect(self._on_class_action)
        self._menus.classes.setEnabled(scheme is not None)
        self.page.steps.set_paint_class(None)
        self._show_counts()
        self.palette_panel.set_locked(self._session.labelling.why_locked)
        self.commands.show_state()

    def _on_class_action(self) -> None:
        self._session.labelling.give(self.sender().data())

    def _show_counts(self) -> None:
        labelling, study = self._session.labelling, self._session.study
        scheme, journal = labelling.scheme, labelling.journal
        if scheme is None or journal is None or study is None:
            return
        codes = labelling.codes_of(labelling.labels)
        counts: Counter[str] = Counter()
        for number, entry in enumerate(scheme.states):
            counts[entry.name] = int((codes == number).sum())
        for label in (*labelling.labels.events, *labelling.labels.marks):
            counts[label.class_name] += 1
        done = int((codes >= 0).sum())
        self.palette_panel.set_counts(counts, done, len(codes))
        self._show_current()
        entry = journal.recording
        share = labelling.labels.labelled_ns() / NS / entry.duration_s if entry.duration_s else 0.0
        row = RecordingRow(
            entry.id,
            entry.name,
            entry.subject,
            entry.duration_s,
            min(share, 1.0),
            journal.signed_at is not None,
            self._problem_of(entry.id),
        )
        if any(known.id == entry.id for known in self._session.recordings):
            self.panel.set_recording(row)

    def _show_window_menu(self, row: int, place: QPoint) -> None:
        self.learning.predicts.go_to_row(row)
        self._context_menus.for_window(place)

    def _show_current(self) -> None:
        labelling = self._session.labelling
        if labelling.scheme is None or not labelling.grid.epochs:
            self.palette_panel.set_current(None)
            return
        self.palette_panel.set_current(labelling.state_here())

    def _set_auto_advance(self, on: bool) -> None:
        self._session.labelling.auto_advance = on
        self.label_actions.advance.setChecked(on)
        self.palette_panel.set_auto_advance(on)
        self._preferences.update(auto_advance=on)

    # -- the recording

    def _show(self) -> None:
        session = self._session
        shown, results = session.shown, session.results
        self._show_title()
        if shown is None:
            problem = ""
            if results is not None and not results.recordings:
                problem = results.error or self.tr("These results hold no recording.")
            elif session.study is not None and not session.recordings:
                problem = self.tr("This study has no recordings yet: Study → Add recordings.")
            self.page.problem.setText(problem)
            self.page.problem.setVisible(bool(problem))
            at_welcome = results is None and session.study is None
            self._show_centre(at_welcome)
            self.panel.set_current(None)
            self.commands.show_state()
            return
        self._show_centre(False)
        self.panel.set_current(shown.entry.id if shown.entry is not None else None)
        self.commands.show_state()
        self._show_counts()
        if shown.entry is not None:
            if self._pages.currentWidget() is self.page:
                self.view.plot.setFocus()
            if shown.recording is None:
                self._show_recordings()  # a file may have vanished meanwhile
        self.shown.emit()

    def _show_centre(self, at_welcome: bool) -> None:
        """The welcome page, or the page that was looked at last."""
        if at_welcome:
            self._pages.setCurrentIndex(0)
        elif self._pages.currentIndex() == 0:
            self.learning.show_page("recording")

    def _show_title(self) -> None:
        parts = ["crossl-app"]
        session = self._session
        if session.study is not None:
            parts.insert(0, session.study.settings.name)
        elif session.results is not None:
            parts.insert(0, session.results.name)
        if session.shown is not None and session.results is None:
            shown = session.shown
            name = shown.entry.name if shown.entry is not None else None
            if name is None and shown.recording is not None:
                name = shown.recording.id
            if name is not None:
                parts.insert(0, name)
        self.setWindowTitle(" – ".join(parts))

    def _show_results(self) -> None:
        results = self._session.results
        self._list.blockSignals(True)
        self._list.clear()
        for recording in results.recordings if results is not None else ():
            text = recording.id
            if recording.status not in ("ok", ""):
                text += f" – {recording.status}"
            item = QListWidgetItem(text)
            item.setData(Qt.ItemDataRole.UserRole, recording.id)
            if recording.error:
                item.setToolTip(recording.error)
            self._list.addItem(item)
            if recording.id == self._session.selected:
                self._list.setCurrentItem(item)
        self._list.blockSignals(False)
        self.results_dock.setVisible(results is not None)
        self.registry.action("file.recordings_folder").setEnabled(results is not None)

    def _on_chosen(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self._session.select(item.data(Qt.ItemDataRole.UserRole))

    def _show_busy(self, busy: bool) -> None:
        self.welcome.set_busy(self.tr("Opening…") if busy else "")

    # -- menus on things

    # -- view

    def _show_spectrogram(self, on: bool) -> None:
        self.page.spectrogram.setVisible(on)

    def _choose_whole_strip(self, whole: bool) -> None:
        self._preferences.update(whole_strip=whole)

    def _choose_time_mode(self, clock: bool) -> None:
        self._preferences.update(time_mode="clock" if clock else "elapsed")

    def _toggle_dock(self, dock: QDockWidget) -> None:
        dock.setVisible(not dock.isVisible())

    def _show_full(self, on: bool) -> None:
        if on:
            self.showFullScreen()
        else:
            self.showNormal()

    def _note_page_length(self) -> None:
        low, high = self.view.range_s
        self.label_actions.set_page_length(high - low)

    # -- help

    # -- preferences

    def _take_preferences(self) -> None:
        values = self._preferences.value
        self._appearance.apply(values)
        self.page.set_time_mode(values.time_mode)
        self._clock.setChecked(values.time_mode == "clock")
        self.page.set_whole_strip(values.whole_strip)
        self._whole.setChecked(values.whole_strip)
        if self._session.labelling.auto_advance != values.auto_advance:
            self._set_auto_advance(values.auto_advance)
        if values.palette != self._series_shown:
            self._series_shown = values.palette
            use_series(PALETTES[values.palette])
            for plot in (self.view.plot, self.strip.plot):
                plot.palette_changed.emit()
        if self._recent_shown == values.recent_studies:
            return
        self._recent_shown = values.recent_studies
        self._finding.start(partial(find_entries, values.recent_studies))
        self._menus.recent.clear()
        for study in values.recent_studies:
            action = self._menus.recent.addAction(f"{study.name}  ({study.path})")
            action.setData(study.path)
            action.triggered.connect(self._on_recent)
        self._menus.recent.setEnabled(bool(values.recent_studies))

    def _say_preferences(self) -> None:
        """What was met when the preferences were read."""
        if self._preferences.messages:
            self._show_error(CrosslError(" ".join(self._preferences.messages)))

    def _on_recent(self) -> None:
        self._session.open_study(Path(self.sender().data()))

    def _restore_window(self) -> None:
        values = self._preferences.value
        if values.window_geometry:
            self.restoreGeometry(QByteArray(base64.b64decode(values.window_geometry)))
        if values.window_state:
            self.restoreState(QByteArray(base64.b64decode(values.window_state)))

    def _warm_up(self) -> None:
        if not self._looking.is_busy and self._session.study is None:
            self._looking.start(_load_readers)

    # -- errors

    def _show_error(self, error: BaseException) -> None:
        show_error(error, self)

    # -- opening and closing

    def open_csv(self, path: Path) -> None:
        """Show how a CSV file is read, let the user change it, and open the file."""
        self.commands.open_csv(path)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        welcome_files(event)

    def dropEvent(self, event: QDropEvent) -> None:
        paths = take_files(event)
        if paths:
            self.commands.take_dropped(paths)

    def closeEvent(self, event: QCloseEvent) -> None:
        labelling = self._session.labelling
        if not labelling.save() and not self.commands.may_lose_labels:
            event.ignore()
            self.commands.ask_about_unsaved()
            return
        self._preferences.update(
            window_geometry=base64.b64encode(self.saveGeometry().data()).decode(),
            window_state=base64.b64encode(self.saveState().data()).decode(),
        )
        self._warming.stop()
        self._looking.shut_down()
        self._finding.shut_down()
        self.commands.shut_down()
        self.rater_commands.shut_down()
        for dialog in self.findChildren(QDialog):
            dialog.close()  # each ends its own work
        self.learning.shut_down()
        self.page.shut_down()
        self._session.shut_down()
        super().closeEvent(event)


def application() -> QApplication:
    """The one QApplication."""
    found = QApplication.instance()
    assert isinstance(found, QApplication)
    return found


def _missing_files(
    folder: Path, recordings: tuple[StudyRecording, ...], context: RunContext
) -> dict[int, str]:
    """The first file of each recording that is not where it was; in the background."""
    missing = {}
    for entry in recordings:
        if context.should_stop():
            break
        paths = missing_paths(folder, entry)
        if paths:
            missing[entry.id] = paths[0].name
    return missing


def _load_readers(context: RunContext) -> dict[int, str]:
    """Import what opening and filtering a recording needs."""

    import core.read_edf
    import core.spectrogram  # noqa: F401

    del context
    return {}
