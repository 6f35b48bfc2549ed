"""Files that the system hands to the running program: macOS sends them as events."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QTimer, Signal
from PySide6.QtGui import QFileOpenEvent, QGuiApplication


class FileOpener(QObject):
    """Listens to an application for files to open; made once, when the window is there.

    On macOS a double click in Finder arrives like this, not on the command line.
    """

    asked = Signal(object)
    """A list of paths, as files that are dropped onto the window are."""

    def __init__(self, application: QGuiApplication) -> None:
        super().__init__(application)
        self._waiting: list[Path] = []
        # Files that were chosen together come as an event each.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._hand_on)
        application.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QFileOpenEvent) and event.file():
            self._waiting.append(Path(event.file()))
            self._soon.start()
            return True
        return super().eventFilter(watched, event)

    def _hand_on(self) -> None:
        paths, self._waiting = self._waiting, []
        self.asked.emit(paths)
