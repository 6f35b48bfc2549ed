"""The window's application object: name, icon, what happens to unexpected errors, event loop."""

from __future__ import annotations

import sys
import threading
from importlib.resources import files
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication, QIcon, QPixmap
from PySide6.QtWidgets import QApplication

from core.version import __version__
from ui.appearance import Appearance
from ui.main_window import MainWindow
from ui.messages import show_error
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


def app_icon() -> QIcon:
    """The program's own drawing, at several sizes."""
    drawing = (files("resources") / "icons" / "crossl-app.svg").read_bytes()
    picture = QPixmap()
    picture.loadFromData(drawing, "SVG")
    return QIcon(picture)


def run_gui(argv: list[str]) -> int:
    """Open the window, with the first of the named files or folders in it; returns the exit
    status when it has been closed."""
    application = make_application(["crossl-app", *argv])
    errors = UnexpectedErrors()
    preferences = PreferenceStore()
    appearance = Appearance(application)
    appearance.apply(preferences.value)
    session = Session()
    window = MainWindow(session, preferences, appearance)
    window.show()
    if argv:
        window.commands.take_dropped([Path(name).absolute() for name in argv])
    try:
        return application.exec()
    finally:
        errors.remove()
