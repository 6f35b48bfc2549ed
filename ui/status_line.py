"""The status bar: what is shown, what lies under the mouse, what is locked, what is saved."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QLabel, QStatusBar, QToolButton

from core.errors import CrosslError
from core.recording import Recording
from ui.icons import keep_icon
from ui.session import Session
from ui.time_plot import clock_text

REFUSED_SHOWN_MS = 6000
_ALARM = "QToolButton { color: white; background: #B00020; }"


class StatusLine(QObject):
    """Fills a status bar with what the session and its labelling say."""

    failed = Signal(object)
    stop_wanted = Signal()
    """Long work shall end."""

    def __init__(self, session: Session, bar: QStatusBar) -> None:
        super().__init__(bar)
        self._session = session
        self._bar = bar
        self.text = QLabel()
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.read_out = QLabel()
        self.read_out.setTextFormat(Qt.TextFormat.PlainText)
        self.read_out.setAccessibleName(self.tr("Values under the mouse"))
        self.locked = QLabel()
        self.locked.setTextFormat(Qt.TextFormat.PlainText)
        self.findings = QToolButton()
        self.findings.setAutoRaise(True)
        self.findings.setAccessibleName(self.tr("Findings"))
        self.findings.setToolTip(self.tr("What the readers met or assumed (Ctrl+I)"))
        self.progress = QLabel()
        self.progress.setTextFormat(Qt.TextFormat.PlainText)
        self.progress.setAccessibleName(self.tr("What is read in the background"))
        self.progress.hide()
        self.stop = QToolButton()
        self.stop.setText(self.tr("Stop"))
        self.stop.setToolTip(self.tr("Stop what is under way; what it has written is taken away"))
        self.stop.setAccessibleName(self.tr("Stop what is under way"))
        self.stop.clicked.connect(self.stop_wanted)
        self.stop.hide()
        self.saved = QToolButton()
        self.saved.setAutoRaise(True)
        self.saved.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.saved.setAccessibleName(self.tr("Whether all labels are saved"))
        self.saved.clicked.connect(self._on_saved_clicked)
        bar.addWidget(self.text, 1)
        parts = (self.stop, self.progress, self.read_out, self.locked, self.findings, self.saved)
        for part in parts:
            bar.addPermanentWidget(part)
        session.study_changed.connect(self._show_locked)
        session.busy_changed.connect(self._show_busy)
        session.shown_changed.connect(self.progress.hide)  # of the recording before
        session.shown_changed.connect(self.show_recording)
        labelling = session.labelling
        labelling.opened.connect(self._show_locked)
        labelling.opened.connect(self._show_saved)
        labelling.saved_changed.connect(self._show_saved)
        labelling.refused.connect(self._show_refused)
        self.show_recording()
        self._show_locked()
        self._show_saved()

    def say(self, text: str) -> None:
        """Show a text until the next one comes."""
        self.text.setText(text)

    def show_work(self, text: str) -> None:
        """Show what long work is doing, with a way to stop it; nothing for an empty text."""
        self.say(text)
        self.stop.setVisible(bool(text))
        if not text:
            self.show_recording()

    def show_reading(self, done: int, total: int) -> None:
        """Show how much of the recording was read through for zooming out."""
        self.progress.setVisible(done < total)
        if total:
            share = f"{100 * done // total} %"
            self.progress.setText(self.tr("Reading: {share}").format(share=share))

    def show_recording(self) -> None:
        """Say which recording is shown, and how much was found in it."""
        shown = self._session.shown
        recording = shown.recording if shown is not None else None
        if recording is not None:
            channels = sum(len(source.file.channels) for source in recording.sources)
            names = ", ".join(path.name for path in recording.paths)
            self.say(
                self.tr("{names} · {duration} · {channels} channels").format(
                    names=names, duration=clock_text(recording.duration_s), channels=channels
                )
            )
        else:
            gone = self.tr("The recording itself could not be opened.")
            self.say(gone if shown is not None else "")
        self._show_findings(recording)

    def _show_findings(self, recording: Recording | None) -> None:
        count = len(recording.findings) if recording is not None else 0
        text = self.tr("1 finding") if count == 1 else self.tr("{n} findings").format(n=count)
        self.findings.setText(text)
        self.findings.setVisible(count > 0)

    def _show_busy(self, busy: bool) -> None:
        if busy:
            self.say(self.tr("Opening…"))
        else:
            self.show_recording()

    def _show_locked(self) -> None:
        study, journal = self._session.study, self._session.labelling.journal
        text = tip = ""
        if study is not None and study.read_only:
            text, tip = self.tr("read-only"), study.why_read_only
        elif journal is not None and journal.signed_at:
            text, tip = self.tr("signed off"), journal.why_locked
        self.locked.setText(text)
        self.locked.setToolTip(tip)
        self.locked.setVisible(bool(text))

    def _show_saved(self) -> None:
        study, labelling = self._session.study, self._session.labelling
        writable = study is not None and not study.read_only
        self.saved.setVisible(writable and labelling.journal is not None)
        if labelling.is_saved:
            keep_icon(self.saved, "saved")
            self.saved.setText(self.tr("Saved"))
            self.saved.setToolTip(self.tr("Every label is in the study file on the disk."))
            if self.saved.styleSheet():
                self.saved.setStyleSheet("")
                self.show_recording()  # the problem is over
            return
        keep_icon(self.saved, "warning")
        count = labelling.waiting
        self.saved.setText(
            self.tr("NOT SAVED: 1 edit")
            if count == 1
            else self.tr("NOT SAVED: {n} edits").format(n=count)
        )
        self.saved.setToolTip(
            self.tr("{problem} The edits are kept in memory, and saving is tried again.").format(
                problem=labelling.problem
            )
        )
        self.saved.setStyleSheet(_ALARM)
        self.say(labelling.problem)

    def _on_saved_clicked(self) -> None:
        if not self._session.labelling.save():
            self.failed.emit(CrosslError(self.saved.toolTip()))

    def _show_refused(self, error: Exception) -> None:
        """What cannot be done now is said where one looks, without a box to close."""
        self._bar.showMessage(str(error), REFUSED_SHOWN_MS)
