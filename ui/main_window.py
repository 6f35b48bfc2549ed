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
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMainWindow,
    QMenu,
    QMessageBox,
    QStackedWidget,
    QToolBar,
    QToolButton,
    QWidget,
)

from core.errors import CrosslError
from core.label_scheme import BAD_SIGNAL
from core.progress import RunContext
from core.recording import Recording
from core.study import StudyRecording, missing_paths
from core.study_labels import NS
from core.version import __version__
from ui.actions import ActionRegistry, plain_text
from ui.appearance import Appearance
from ui.command_palette import CommandPalette
from ui.exchange_commands import ExchangeCommands
from ui.help_window import HelpWindow
from ui.icons import keep_icon
from ui.jobs import LatestJob
from ui.label_actions import LabelActions
from ui.label_palette import LabelPalette
from ui.messages import show_error
from ui.preferences import PreferenceStore, RecentStudy
from ui.rater_commands import RaterCommands
from ui.recording_page import RecordingPage
from ui.session import Session
from ui.shortcuts_window import ClassKeys, Gesture, ShortcutsWindow
from ui.study_commands import StudyCommands
from ui.study_panel import RecordingRow, StudyPanel
from ui.time_plot import clock_text
from ui.welcome_page import WelcomePage, find_entries

REFUSED_SHOWN_MS = 6000
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
        self._help: HelpWindow | None = None
        self._recent_shown: tuple[RecentStudy, ...] | None = None
        self._finding = LatestJob(self)
        self._looking = LatestJob(self)
        self._looking.succeeded.connect(self._take_missing)
        self._looking.failed.connect(self._show_error)
        self.setAcceptDrops(True)
        self.resize(1440, 900)

        self.page = RecordingPage(session)
        self.view, self.strip = self.page.view, self.page.strip
        self.welcome = WelcomePage()
        self._pages = QStackedWidget()
        self._pages.addWidget(self.welcome)
        self._pages.addWidget(self.page)
        self.setCentralWidget(self._pages)
        self.registry = ActionRegistry(self)
        self._appearance = appearance or Appearance(application(), self)
        self.commands = StudyCommands(
            session, self.registry, self._preferences, self._appearance, self
        )
        self.rater_commands = RaterCommands(session, self.registry, self)
        self.exchange = ExchangeCommands(session, self.registry, self._preferences, self)
        self._make_docks()
        self._make_status_bar()
        self._make_commands()
        self._make_menus()
        self._connect()
        self._take_preferences()
        self._restore_window()
        self._show_study()
        self._show_results()
        self._show()
        self._show_saved()
        # What opening a recording needs takes a second to load: it is fetched while the user looks
        # at the welcome page.
        self._warming = QTimer(self)
        self._warming.setSingleShot(True)
        self._warming.timeout.connect(self._warm_up)
        self._warming.start(WARM_UP_AFTER_MS)
        QTimer.singleShot(0, self, self._say_preferences)

    # -- parts

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
            [self.recordings_dock, self.palette_dock], [260, 240], Qt.Orientation.Horizontal
        )

    def _dock(self, name: str, title: str, part: QWidget, area: Qt.DockWidgetArea) -> QDockWidget:
        dock = QDockWidget(title, self)
        dock.setObjectName(name)
        dock.setWidget(part)
        self.addDockWidget(area, dock)
        return dock

    def _make_status_bar(self) -> None:
        self._status = QLabel()
        self._status.setTextFormat(Qt.TextFormat.PlainText)
        self._read_out = QLabel()
        self._read_out.setTextFormat(Qt.TextFormat.PlainText)
        self._read_out.setAccessibleName(self.tr("Values under the mouse"))
        self._findings = QToolButton()
        self._findings.setAutoRaise(True)
        self._locked = QLabel()
        self._locked.setTextFormat(Qt.TextFormat.PlainText)
        self._saved = QToolButton()
        self._saved.setAutoRaise(True)
        self._saved.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._saved.setAccessibleName(self.tr("Whether all labels are saved"))
        bar = self.statusBar()
        bar.addWidget(self._status, 1)
        for part in (self._read_out, self._locked, self._findings, self._saved):
            bar.addPermanentWidget(part)

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
        add("view.go_to", tr("&Go to a time…"), "Ctrl+G", self.commands.ask_for_time,
            group=tr("Go"), icon="search")  # fmt: skip
        add("view.findings", tr("&Findings…"), "Ctrl+I", self.commands.show_findings, group=group,
            icon="list")  # fmt: skip
        for name, dock in (("recordings", self.recordings_dock), ("labels", self.palette_dock)):
            add(f"view.dock_{name}", tr("Panel: {name}").format(name=dock.windowTitle()), [],
                partial(self._toggle_dock, dock), group=group)  # fmt: skip
        self._full = add("view.full", tr("&Full screen"), "F11", self._show_full, group=group,
                         checkable=True)  # fmt: skip
        help_ = tr("Help")
        add("help.contents", tr("&Help"), "F1", self.show_help, group=help_, icon="help")
        add("help.shortcuts", tr("&Keys and mouse"), "Ctrl+/", self.show_shortcuts, group=help_)
        add("help.palette", tr("&Find a command…"), "Ctrl+K", self.show_palette, group=help_,
            icon="search")  # fmt: skip
        about = add("help.about", tr("&About crossl-app"), [], self._show_about, group=help_)
        about.setMenuRole(QAction.MenuRole.AboutRole)
        leave = add("file.quit", tr("&Quit"), QKeySequence.StandardKey.Quit, self.close,
                    group=tr("File"))  # fmt: skip
        if leave.shortcut().isEmpty():  # Windows has no standard key for it
            leave.setShortcut(QKeySequence("Ctrl+Q"))
        leave.setMenuRole(QAction.MenuRole.QuitRole)

    def _make_menus(self) -> None:
        tr = self.tr
        menus: tuple[tuple[str, tuple[str, ...]], ...] = (
            (
                tr("&File"),
                (
                    *("file.new_study", "file.open_study", "recent", "file.open_recording"),
                    *("file.open_csv", "file.open_results", "file.recordings_folder", "-"),
                    *("file.export_labels", "file.export_run", "-", "file.pack", "file.unpack"),
                    *("file.restore", "-", "file.preferences", "file.close_study", "file.quit"),
                ),
            ),
            (tr("&Edit"), ("edit.undo", "edit.redo", "-", "label.clear", "label.deselect")),
            (
                tr("&Label"),
                (
                    *("classes", "-", "label.fill", "label.bad", "label.advance", "-"),
                    *("label.extend", "label.shorten", "label.select_from", "label.select_to", "-"),
                    *("label.event_end_later", "label.event_end_earlier"),
                    *("label.event_start_later", "label.event_start_earlier"),
                ),
            ),
            (
                tr("&Go"),
                (
                    *("go.next", "go.previous", "go.first", "go.last", "-", "go.unlabelled"),
                    *("go.unlabelled_before", "go.disagreement", "go.disagreement_before", "-"),
                    *("go.next_event", "go.previous_event", "-", "view.go_to"),
                ),
            ),
            (
                tr("&View"),
                (
                    *("view.zoom_in", "view.zoom_out", "view.page", "view.all", "-"),
                    *("view.next_page", "view.previous_page", "-", "view.larger", "view.smaller"),
                    *("view.automatic", "view.lane_above", "view.lane_below", "view.up"),
                    *("view.down", "view.fewer", "view.more", "-", "view.channels"),
                    *("view.spectrogram", "view.clock"),
                    *("-", "view.findings", "view.dock_recordings", "view.dock_labels"),
                    *("view.full",),
                ),
            ),
            (
                tr("&Study"),
                (
                    *("study.remove", "study.subject", "study.moved", "-"),
                    *("study.import_labels", "study.import_all", "study.scheme", "-"),
                    *("study.raters", "study.agreement", "study.sign_off", "study.reopen", "-"),
                    *("study.audit", "study.deidentify"),
                ),
            ),
            (
                tr("&Help"),
                ("help.contents", "help.shortcuts", "help.palette", "-", "help.about"),
            ),
        )
        for title, ids in menus:
            menu = self.menuBar().addMenu(title)
            for id in ids:
                if id == "-":
                    menu.addSeparator()
                elif id == "recent":
                    self._recent = menu.addMenu(tr("&Recent studies"))
                elif id == "classes":
                    self._classes_menu = menu.addMenu(tr("&Give"))
                else:
                    menu.addAction(self.registry.action(id))
        bar = QToolBar(tr("Tools"), self)
        bar.setObjectName("tools")
        bar.setMovable(False)
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        for id in (
            *("file.new_study", "file.open_study", "file.open_recording", "-", "edit.undo"),
            *("edit.redo", "-", "go.previous", "go.next", "view.zoom_in", "view.zoom_out", "-"),
            *("view.channels", "view.spectrogram", "view.findings", "-", "help.palette"),
            *("help.contents",),
        ):
            if id == "-":
                bar.addSeparator()
                continue
            action = self.registry.action(id)
            bar.addAction(action)
            button = bar.widgetForAction(action)
            if button is not None:
                button.setAccessibleName(plain_text(action.text()))
        self.addToolBar(bar)

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
        labelling.refused.connect(self._show_refused)
        labelling.opened.connect(self._show_scheme)
        labelling.opened.connect(self._show_saved)
        labelling.saved_changed.connect(self._show_saved)
        labelling.labels_changed.connect(self._show_counts)
        labelling.position_changed.connect(self._show_current)
        self.page.failed.connect(self._show_error)
        self.page.read_out.connect(self._read_out.setText)
        self.page.event_menu_requested.connect(self._show_event_menu)
        self.page.epoch_menu_requested.connect(self._show_epoch_menu)
        self.page.stretch_menu_requested.connect(self._show_stretch_menu)
        self.page.drawn.connect(self._note_page_length)
        self._findings.clicked.connect(self.commands.show_findings)
        self._saved.clicked.connect(self._on_saved_clicked)
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
        commands.busy.connect(self._status.setText)
        commands.went_to.connect(self.page.go_to_time)
        commands.save_elsewhere_wanted.connect(self.exchange.save_labels_elsewhere)
        commands.unpack_wanted.connect(self.exchange.unpack)
        self.exchange.unpacked.connect(session.open_study)
        for group in (commands, self.exchange, self.rater_commands):
            group.failed.connect(self._show_error)
        for group in (self.exchange, self.rater_commands):
            group.said.connect(self._status.setText)
        panel, palette = self.panel, self.palette_panel
        panel.recording_chosen.connect(session.choose)
        panel.rater_chosen.connect(commands.choose_rater)
        panel.menu_requested.connect(self._show_recording_menu)
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
        self._show_locked()
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
        self._show_locked()

    def _show_locked(self) -> None:
        study = self._session.study
        reason = ""
        if study is not None and study.read_only:
            reason = self.tr("read-only")
            self._locked.setToolTip(study.why_read_only)
        elif self._session.labelling.journal is not None:
            signed = self._session.labelling.journal.signed_at
            reason = self.tr("signed off") if signed else ""
            self._locked.setToolTip(self._session.labelling.why_locked)
        self._locked.setText(reason)
        self._locked.setVisible(bool(reason))
        self.palette_panel.set_locked(self._session.labelling.why_locked)

    def _show_scheme(self) -> None:
        scheme = self._session.labelling.scheme
        if scheme is not None:
            self.palette_panel.set_scheme(scheme)
            self.palette_panel.restart_pace()
        self._classes_menu.clear()
        for entry in scheme.classes if scheme is not None else ():
            action = self._classes_menu.addAction(
                f"{entry.name}\t{' '.join(entry.keys)}" if entry.keys else entry.name
            )
            action.setData(entry.name)
            action.triggered.connect(self._on_class_action)
        self._classes_menu.setEnabled(scheme is not None)
        self.page.steps.set_paint_class(None)
        self._show_counts()
        self._show_locked()
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

    def _show_current(self) -> None:
        labelling = self._session.labelling
        if labelling.scheme is None or not labelling.grid.epochs:
            self.palette_panel.set_current(None)
            return
        state = labelling.labels.state_at(sum(labelling.grid.span(labelling.epoch)) // 2)
        self.palette_panel.set_current(state.class_name if state is not None else None)

    def _show_saved(self) -> None:
        labelling = self._session.labelling
        self._saved.setVisible(labelling.journal is not None and not self._is_read_only())
        if labelling.is_saved:
            keep_icon(self._saved, "saved")
            self._saved.setText(self.tr("Saved"))
            self._saved.setToolTip(self.tr("Every label is in the study file on the disk."))
            self._saved.setStyleSheet("")
            return
        keep_icon(self._saved, "warning")
        count = labelling.waiting
        self._saved.setText(
            self.tr("NOT SAVED: 1 edit")
            if count == 1
            else self.tr("NOT SAVED: {n} edits").format(n=count)
        )
        self._saved.setToolTip(
            self.tr("{problem} The edits are kept in memory, and saving is tried again.").format(
                problem=labelling.problem
            )
        )
        self._saved.setStyleSheet("QToolButton { color: white; background: #B00020; }")
        self._status.setText(labelling.problem)

    def _is_read_only(self) -> bool:
        return self._session.study is not None and self._session.study.read_only

    def _on_saved_clicked(self) -> None:
        if not self._session.labelling.save():
            self._show_error(CrosslError(self._saved.toolTip()))

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
        empty_results = results is not None and not results.recordings
        if shown is None:
            self.page.problem.setText(
                (results.error or self.tr("These results hold no recording."))
                if results is not None and empty_results
                else ""
            )
            self.page.problem.setVisible(empty_results)
            at_welcome = results is None and session.study is None
            self._pages.setCurrentIndex(0 if at_welcome else 1)
            self._status.setText("")
            self._say_findings(None)
            self.panel.set_current(None)
            self.commands.show_state()
            return
        self._pages.setCurrentIndex(1)
        self.panel.set_current(shown.entry.id if shown.entry is not None else None)
        self._say_what_is_shown()
        self.commands.show_state()
        self._show_counts()
        if shown.entry is not None:
            self.view.plot.setFocus()
        self.shown.emit()

    def _say_what_is_shown(self) -> None:
        shown = self._session.shown
        recording = shown.recording if shown is not None else None
        if recording is None:
            self._status.setText(self.tr("The recording itself could not be opened."))
            self._say_findings(None)
            return
        channels = sum(len(source.file.channels) for source in recording.sources)
        names = ", ".join(path.name for path in recording.paths)
        self._status.setText(
            self.tr("{names} · {duration} · {channels} channels").format(
                names=names, duration=clock_text(recording.duration_s), channels=channels
            )
        )
        self._say_findings(recording)

    def _say_findings(self, recording: Recording | None) -> None:
        count = len(recording.findings) if recording is not None else 0
        text = self.tr("1 finding") if count == 1 else self.tr("{n} findings").format(n=count)
        self._findings.setText(text)
        self._findings.setVisible(count > 0)
        self.registry.action("view.findings").setEnabled(count > 0)

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
        if busy:
            self._status.setText(self.tr("Opening…"))
            self.welcome.set_busy(self.tr("Opening…"))
            return
        self.welcome.set_busy("")
        if self._session.shown is not None:
            self._say_what_is_shown()
        else:
            self._status.setText("")

    # -- menus on things

    def _show_event_menu(self, event_id: object, place: QPoint) -> None:
        labelling = self._session.labelling
        event = labelling.labels.find(int(event_id)) if isinstance(event_id, int) else None
        scheme = labelling.scheme
        if event is None or scheme is None:
            return
        labelling.select_event(event.id)
        menu = self._menu()
        if event.kind == "event":
            for entry in scheme.events:
                action = menu.addAction(entry.name)
                action.setCheckable(True)
                action.setChecked(entry.name == event.class_name)
                action.triggered.connect(partial(labelling.rename_event, event.id, entry.name))
            menu.addSeparator()
        remove = menu.addAction(self.tr("Remove"))
        remove.triggered.connect(partial(labelling.remove_event, event.id))
        menu.setEnabled(not labelling.why_locked)
        menu.popup(place)

    def _show_epoch_menu(self, epoch: int, place: QPoint) -> None:
        labelling = self._session.labelling
        if labelling.scheme is None:
            return
        if labelling.selection is None:
            labelling.go_to(epoch)
        menu = self._menu()
        for entry in labelling.scheme.states:
            menu.addAction(entry.name).triggered.connect(partial(labelling.give, entry.name))
        menu.addSeparator()
        menu.addAction(self.registry.action("label.clear"))
        menu.addAction(self.registry.action("label.fill"))
        menu.popup(place)

    def _show_stretch_menu(self, time_s: float, modality: str, place: QPoint) -> None:
        labelling = self._session.labelling
        scheme = labelling.scheme
        if scheme is None:
            return
        selection = labelling.selection
        if selection is None or not selection.start_ns <= time_s * NS <= selection.end_ns:
            labelling.select(None)
            labelling.go_to_time(time_s)
        menu = self._menu()
        states = menu.addMenu(self.tr("Label"))
        for entry in scheme.states:
            states.addAction(entry.name).triggered.connect(partial(labelling.give, entry.name))
        for entry in scheme.events:
            if entry.name == BAD_SIGNAL:
                continue
            menu.addAction(entry.name).triggered.connect(partial(labelling.give, entry.name))
        menu.addSeparator()
        if modality and scheme.find(BAD_SIGNAL) is not None:
            text = self.tr("Bad signal in {modality}").format(modality=modality)
            menu.addAction(text).triggered.connect(
                partial(labelling.add_event, BAD_SIGNAL, modality)
            )
        if scheme.find(BAD_SIGNAL) is not None:
            menu.addAction(self.tr("Bad signal in every channel")).triggered.connect(
                partial(labelling.add_event, BAD_SIGNAL, "")
            )
        for entry in scheme.marks:
            text = self.tr("{mark} here").format(mark=entry.name)
            menu.addAction(text).triggered.connect(partial(labelling.give, entry.name))
        menu.popup(place)

    def _show_recording_menu(self, recording_id: int, place: QPoint) -> None:
        menu = self._menu()
        self._session.choose(recording_id)
        for id in (
            *("study.import_labels", "file.export_labels", "-", "study.sign_off", "study.reopen"),
            *("-", "study.subject", "study.moved", "study.deidentify", "-", "study.remove"),
        ):
            if id == "-":
                menu.addSeparator()
            else:
                menu.addAction(self.registry.action(id))
        menu.popup(place)

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return menu

    # -- view

    def _show_spectrogram(self, on: bool) -> None:
        self.page.spectrogram.setVisible(on)

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

    def show_help(self) -> None:
        """Open the help, or bring it to the front."""
        if self._help is None:
            self._help = HelpWindow(self)
            self._help.destroyed.connect(self._forget_help)
        self._help.show()
        self._help.raise_()
        self._help.activateWindow()

    def _forget_help(self) -> None:
        self._help = None

    def show_shortcuts(self) -> None:
        """List all keys."""
        scheme = self._session.labelling.scheme
        classes = [
            ClassKeys(entry.name, entry.keys, entry.colour)
            for entry in (scheme.classes if scheme is not None else ())
            if entry.keys
        ]
        tr = self.tr
        gestures = [
            Gesture(tr("Zoom"), tr("Wheel over traces or overview")),
            Gesture(tr("Move along time"), tr("Shift+wheel, or middle button and drag")),
            Gesture(
                tr("Zoom to a stretch"), tr("Ctrl+drag over the traces, drag over the overview")
            ),
            Gesture(tr("Select a stretch, for events and bad signal"), tr("Drag over the traces")),
            Gesture(tr("Select epochs"), tr("Drag over the label strip")),
            Gesture(tr("Paint epochs"), tr("Ctrl+drag over the label strip, or with a brush")),
            Gesture(tr("Move an edge of an event"), tr("Drag it; with Shift, epoch by epoch")),
            Gesture(tr("Move an event"), tr("Alt+drag")),
            Gesture(tr("What can be done here"), tr("Right click")),
        ]
        ShortcutsWindow(self.registry, classes, gestures, self).show()

    def show_palette(self) -> None:
        """Let the user find a command by typing."""
        palette = CommandPalette(self.registry, self)
        palette.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        palette.set_recent(self._preferences.value.recent_commands)
        palette.ran.connect(self._preferences.note_command)
        palette.open()

    def _show_about(self) -> None:
        box = QMessageBox(self)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle(self.tr("About crossl-app"))
        box.setText(
            self.tr(
                "crossl-app {version}\n\nSelf-supervised learning (CroSSL) on multimodal "
                "biomedical time series.\n\nFor research, not for diagnosis."
            ).format(version=__version__)
        )
        box.open()

    # -- preferences

    def _take_preferences(self) -> None:
        values = self._preferences.value
        self._appearance.apply(values)
        self.page.set_time_mode(values.time_mode)
        self._clock.setChecked(values.time_mode == "clock")
        if self._session.labelling.auto_advance != values.auto_advance:
            self._set_auto_advance(values.auto_advance)
        if self._recent_shown == values.recent_studies:
            return
        self._recent_shown = values.recent_studies
        self._finding.start(partial(find_entries, values.recent_studies))
        self._recent.clear()
        for study in values.recent_studies:
            action = self._recent.addAction(f"{study.name}  ({study.path})")
            action.setData(study.path)
            action.triggered.connect(self._on_recent)
        self._recent.setEnabled(bool(values.recent_studies))

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

    def _show_refused(self, error: Exception) -> None:
        """What cannot be done now is said where one looks, without a box to close."""
        self.statusBar().showMessage(str(error), REFUSED_SHOWN_MS)

    def _show_error(self, error: BaseException) -> None:
        show_error(error, self)

    # -- opening and closing

    def open_csv(self, path: Path) -> None:
        """Show how a CSV file is read, let the user change it, and open the file."""
        self.commands.open_csv(path)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [Path(u.toLocalFile()) for u in event.mimeData().urls() if u.isLocalFile()]
        if paths:
            event.acceptProposedAction()
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
    """Import what opening a recording needs."""
    import core.modalities
    import core.read_csv
    import core.read_edf  # noqa: F401

    del context
    return {}
