"""The window's application object: name, icon, what happens to unexpected errors, signals and
crashes, event loop."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

if sys.platform == "win32":
    # There torch cannot load its libraries any more once Qt has loaded its own (pytorch #169429).
    # Everywhere else it comes later, since it takes longer than all of the window.
    import torch  # noqa: F401
from PySide6.QtCore import QObject, QSocketNotifier, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from core.version import __version__
from crossl_app import crash_log
from crossl_app.stop_signals import asked_to_end
from ui.app_icon import app_icon
from ui.appearance import Appearance
from ui.closing import Closing
from ui.collector import Collector
from ui.ended_note import crash_box, killed_text
from ui.file_open import FileOpener
from ui.main_window import MainWindow
from ui.messages import keep_reports_with, show_error
from ui.preferences import PreferenceStore
from ui.session import Session


class UnexpectedErrors(QObject):
    """Brings errors that nobody caught, from whatever thread, into the window's thread."""

    happened = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.happened.connect(self._show, Qt.ConnectionType.QueuedConnection)
        self._before = sys.excepthook, threading.excepthook
        sys.excepthook = self._hook
        threading.excepthook = self._thread_hook

    def remove(self) -> None:
        """Put the hooks back that were there before."""
        sys.excepthook, threading.excepthook = self._before

    def _hook(
        self,
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QGuiApplication.exit(130)
            return
        self._before[0](kind, error, trace)
        self.happened.emit(error.with_traceback(trace))

    def _thread_hook(self, details: threading.ExceptHookArgs) -> None:
        self._before[1](details)
        if details.exc_value is not None:
            self.happened.emit(details.exc_value)

    def _show(self, error: BaseException) -> None:
        show_error(error)


def make_application(argv: list[str]) -> QApplication:
    """The one QApplication, named, with version and icon."""
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(argv)
    application.setApplicationName("crossl-app")
    application.setApplicationDisplayName("crossl-app")
    application.setApplicationVersion(__version__)
    application.setDesktopFileName("crossl-app")
    application.setWindowIcon(app_icon())
    return application


class StopSignals(QObject):
    """Brings signals that ask the program to end into the event loop, which wakes up for them."""

    arrived = Signal(int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._number = 0

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """As long as the block lasts."""
        # Python calls handlers only when it has the word, and Qt waits without giving it: but the
        # signal itself writes a byte, which wakes Qt up.
        reads, writes = socket.socketpair()
        with reads, writes:
            reads.setblocking(False)
            writes.setblocking(False)
            notifier = QSocketNotifier(reads.fileno(), QSocketNotifier.Type.Read, self)
            notifier.activated.connect(lambda: self._on_byte(reads))
            before = signal.set_wakeup_fd(writes.fileno(), warn_on_full_buffer=False)
            try:
                # Qt waits for threads without Python, too.
                with asked_to_end(self._note, hard=True):
                    yield
            finally:
                signal.set_wakeup_fd(before)
                notifier.setEnabled(False)
                notifier.deleteLater()

    def _note(self, number: int) -> None:
        self._number = self._number or number

    def _on_byte(self, reads: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            reads.recv(4096)
        if self._number:
            self.arrived.emit(self._number)


def run_gui(argv: list[str]) -> int:
    """Open the window, with the first of the named files or folders in it; returns the exit
    status when it has been closed: 0, or 128 and the number of the signal that closed it."""
    application = make_application(["crossl-app", *argv])
    collector = Collector(application)
    errors = UnexpectedErrors()
    keep_reports_with(crash_log.note)
    preferences = PreferenceStore()
    appearance = Appearance(application)
    appearance.apply(preferences.value)
    session = Session()
    window = MainWindow(session, preferences, appearance)
    opener = FileOpener(application)
    opener.asked.connect(window.commands.take_dropped)
    closing = Closing(application, window, session.labelling)
    signals = StopSignals(window)
    signals.arrived.connect(lambda number: closing.end(128 + number))
    window.show()
    if argv:
        window.commands.take_dropped([Path(name).absolute() for name in argv])
    say_how_it_ended(window)
    try:
        with signals.heeded():
            return application.exec()
    finally:
        keep_reports_with(None)
        errors.remove()
        collector.stop()


def say_how_it_ended(window: MainWindow) -> None:
    """What became of programs that did not end well, once: a box for a crash, else a line."""
    ended = crash_log.take_ended()
    crashes = [one for one in ended if one.how == "crash"]
    if crashes:
        last = crashes[0]
        was_window = last.command == "window"
        crash_box(was_window, last.when, last.path, last.report(), len(crashes), window).show()
    elif any(one.command == "window" for one in ended):
        window.status.say(killed_text())
