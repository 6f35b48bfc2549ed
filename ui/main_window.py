"""The main window: menus, the list of recordings, traces and predictions."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QKeySequence
from PySide6.QtWidgets import (
    QFileDialog,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMainWindow,
    QMessageBox,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.open_recording import CSV_ENDINGS, RECORDING_ENDINGS
from core.recording import Recording
from core.version import __version__
from ui.csv_dialog import CsvDialog
from ui.findings_dialog import FindingsDialog
from ui.messages import show_error
from ui.prediction_strip import PredictionStrip
from ui.recording_view import RecordingView
from ui.session import Session, Shown
from ui.time_plot import clock_text

WINDOWS_AT_FIRST = 10
CSV_NAMES = tuple(ending + packed for packed in ("", ".gz") for ending in CSV_ENDINGS)
SECONDS_AT_FIRST = 30.0


class MainWindow(QMainWindow):
    """Shows what the session holds, and asks it for changes."""

    shown = Signal()
    """The chosen recording is on the screen, as far as it could be opened."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        session.setParent(self)
        self.setAcceptDrops(True)
        self.resize(1280, 800)

        self.view = RecordingView()
        self.strip = PredictionStrip()
        self.strip.link_to(self.view.plot)
        self._list = QListWidget()
        self._list.setAccessibleName(self.tr("Recordings of the results"))
        self._list.currentItemChanged.connect(self._on_chosen)
        self._problem = QLabel()
        self._problem.setTextFormat(Qt.TextFormat.PlainText)
        self._problem.setWordWrap(True)
        self._problem.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._problem.setContentsMargins(8, 6, 8, 6)
        self._problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._lay_out()
        self._make_menus()

        self._status = QLabel()
        self._findings = QToolButton()
        self._findings.setAutoRaise(True)
        self._findings.clicked.connect(self.show_findings)
        self.statusBar().addWidget(self._status, 1)
        self.statusBar().addPermanentWidget(self._findings)

        session.results_changed.connect(self._show_results)
        session.shown_changed.connect(self._show)
        session.busy_changed.connect(self._show_busy)
        session.failed.connect(self._show_error)
        self.view.failed.connect(self._show_error)
        self._show_results()
        self._show()

    # -- parts

    def _lay_out(self) -> None:
        self._drawing = QSplitter(Qt.Orientation.Vertical)
        self._drawing.addWidget(self.view)
        self._drawing.addWidget(self.strip)
        self._drawing.setStretchFactor(0, 3)
        self._drawing.setStretchFactor(1, 1)
        self._drawing.setChildrenCollapsible(False)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._problem)
        column.addWidget(self._drawing, 1)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._empty_page())
        self._pages.addWidget(content)
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.addWidget(self._list)
        parts.addWidget(self._pages)
        parts.setStretchFactor(1, 1)
        parts.setSizes([200, 1080])
        self.setCentralWidget(parts)

    def _empty_page(self) -> QWidget:
        page = QWidget()
        title = QLabel(self.tr("Open a recording, or the results of a batch run"))
        font = title.font()
        font.setPointSizeF(font.pointSizeF() * 1.5)
        title.setFont(font)
        says = QLabel(
            self.tr(
                "A recording is an EDF, BDF or CSV file.\n"
                "Results are the folder that crossl-app --batch was given as --output.\n"
                "You can also drop either of them onto this window."
            )
        )
        recording = QPushButton(self.tr("Open recording…"))
        recording.clicked.connect(self.ask_for_recording)
        results = QPushButton(self.tr("Open results folder…"))
        results.clicked.connect(self.ask_for_results)
        for button in (recording, results):
            button.setMinimumWidth(220)
        note = QLabel(self.tr("For research, not for diagnosis."))
        note.setEnabled(False)
        column = QVBoxLayout(page)
        column.addStretch(2)
        for part in (title, says, recording, results, note):
            column.addWidget(part, 0, Qt.AlignmentFlag.AlignHCenter)
            column.addSpacing(8)
        says.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(3)
        return page

    def _make_menus(self) -> None:
        def action(text: str, keys: object, slot: object) -> QAction:
            made = QAction(text, self)
            if keys is not None:
                made.setShortcuts(keys)
            made.triggered.connect(slot)
            return made

        file = self.menuBar().addMenu(self.tr("&File"))
        standard = QKeySequence.StandardKey
        file.addAction(action(self.tr("&Open recording…"), standard.Open, self.ask_for_recording))
        file.addAction(
            action(
                self.tr("Open &CSV with settings…"),
                [QKeySequence("Ctrl+Alt+O")],
                self.ask_for_csv,
            )
        )
        file.addAction(
            action(
                self.tr("Open &results folder…"),
                [QKeySequence("Ctrl+Shift+O")],
                self.ask_for_results,
            )
        )
        self._look_in = action(self.tr("Recordings &folder…"), None, self.ask_for_root)
        self._look_in.setToolTip(self.tr("Where the recordings of these results lie now"))
        file.addAction(self._look_in)
        file.addSeparator()
        leave = action(self.tr("&Quit"), standard.Quit, self.close)
        if leave.shortcut().isEmpty():  # Windows has no standard key for it
            leave.setShortcut(QKeySequence("Ctrl+Q"))
        leave.setMenuRole(QAction.MenuRole.QuitRole)
        file.addAction(leave)
        view = self.menuBar().addMenu(self.tr("&View"))
        for each in self.view.actions_for_menu:
            view.addAction(each)
        view.addSeparator()
        self._show_findings = action(
            self.tr("&Findings…"), [QKeySequence("Ctrl+I")], self.show_findings
        )
        view.addAction(self._show_findings)
        about = action(self.tr("&About crossl-app"), None, self._show_about)
        about.setMenuRole(QAction.MenuRole.AboutRole)
        self.menuBar().addMenu(self.tr("&Help")).addAction(about)

    # -- asking

    def ask_for_recording(self) -> None:
        endings = " ".join(f"*{ending}" for ending in RECORDING_ENDINGS)
        name, _ = QFileDialog.getOpenFileName(
            self,
            self.tr("Open recording"),
            "",
            self.tr("Recordings ({endings});;All files (*)").format(endings=endings),
        )
        if name:
            self._session.open_recording(Path(name))

    def ask_for_csv(self) -> None:
        endings = " ".join(f"*{ending}" for ending in CSV_NAMES)
        name, _ = QFileDialog.getOpenFileName(
            self,
            self.tr("Open CSV with settings"),
            "",
            self.tr("CSV files ({endings});;All files (*)").format(endings=endings),
        )
        if name:
            self.open_csv(Path(name))

    def open_csv(self, path: Path) -> None:
        """Show how a CSV file is read, let the user change it, and open the file."""
        dialog = CsvDialog(path, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self._session.open_recording(path, dialog.config))
        dialog.open()

    def ask_for_results(self) -> None:
        name = QFileDialog.getExistingDirectory(self, self.tr("Open results folder"))
        if name:
            self._session.open_results(Path(name))

    def ask_for_root(self) -> None:
        name = QFileDialog.getExistingDirectory(self, self.tr("Where the recordings lie"))
        if name:
            self._session.look_in(Path(name))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [Path(u.toLocalFile()) for u in event.mimeData().urls() if u.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self._session.open_path(paths[0])

    def _on_chosen(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self._session.select(item.data(Qt.ItemDataRole.UserRole))

    # -- showing

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
        self._list.setVisible(results is not None)
        self._look_in.setEnabled(results is not None)

    def _show(self) -> None:
        shown = self._session.shown
        results = self._session.results
        self._show_title()
        if shown is None:
            empty = results is not None and not results.recordings
            self._problem.setText(
                (results.error if results is not None else None)
                or self.tr("These results hold no recording.")
                if empty
                else ""
            )
            self._problem.setVisible(empty)
            self.view.set_recording(None)
            self.strip.set_predictions(None, ())
            self._drawing.setVisible(not empty)
            self._pages.setCurrentIndex(0 if results is None else 1)
            self._status.setText("")
            self._say_findings(None)
            return
        self._pages.setCurrentIndex(1)
        self._drawing.setVisible(shown.recording is not None or shown.predictions is not None)
        self._problem.setText(shown.problem)
        self._problem.setVisible(bool(shown.problem))
        self.view.setVisible(shown.recording is not None)
        self.strip.setVisible(shown.predictions is not None)
        self.view.set_recording(shown.recording)
        self.strip.set_predictions(shown.predictions, shown.classes)
        self._show_first_page(shown)
        self._say_what_is_shown(shown)
        self.shown.emit()

    def _show_first_page(self, shown: Shown) -> None:
        table = shown.predictions
        last = float(table.end_s.max()) if table is not None and len(table) else 0.0
        duration = max(shown.recording.duration_s if shown.recording is not None else 0.0, last)
        self.view.set_duration(duration)
        if shown.recording is None:
            self.view.show_range(0.0, duration)
            return
        span = SECONDS_AT_FIRST
        if table is not None and len(table) > 1:
            span = max(span, WINDOWS_AT_FIRST * float(table.start_s[1] - table.start_s[0]))
        self.view.show_range(0.0, span)

    def _say_what_is_shown(self, shown: Shown) -> None:
        recording = shown.recording
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
        self._show_findings.setEnabled(count > 0)

    def show_findings(self) -> None:
        """List what the readers met or assumed in the shown recording."""
        shown = self._session.shown
        if shown is not None and shown.recording is not None and shown.recording.findings:
            FindingsDialog(shown.recording.id, shown.recording.findings, self).show()

    def _show_title(self) -> None:
        parts = ["crossl-app"]
        if self._session.results is not None:
            parts.insert(0, self._session.results.name)
        elif self._session.shown is not None and self._session.shown.recording is not None:
            parts.insert(0, self._session.shown.recording.id)
        self.setWindowTitle(" – ".join(parts))

    def _show_busy(self, busy: bool) -> None:
        if busy:
            self._status.setText(self.tr("Opening…"))
        elif self._session.shown is not None:
            self._say_what_is_shown(self._session.shown)
        else:
            self._status.setText("")

    def _show_error(self, error: BaseException) -> None:
        show_error(error, self)

    def _show_about(self) -> None:
        QMessageBox.about(
            self,
            self.tr("About crossl-app"),
            self.tr(
                "crossl-app {version}\n\nSelf-supervised learning (CroSSL) on multimodal "
                "biomedical time series.\n\nFor research, not for diagnosis."
            ).format(version=__version__),
        )

    def closeEvent(self, event: QCloseEvent) -> None:
        self._session.shut_down()
        self.view.shut_down()
        super().closeEvent(event)
