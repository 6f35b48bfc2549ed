"""The end of the window without questions: the session of the desktop ends, or a signal came."""

from __future__ import annotations

import sys

from PySide6.QtCore import QCoreApplication, QObject
from PySide6.QtGui import QSessionManager
from PySide6.QtWidgets import QApplication, QDialog

from ui.jobs import stop_all, wait_for_all
from ui.labelling import Labelling
from ui.main_window import MainWindow


class Closing(QObject):
    """Ends the program as closing its window does, but without asking.

    Labels are on the disk already; what the disk has refused is tried once more. Jobs are asked to
    stop and keep what they have finished. When the window is gone no thread runs, and the study
    can be opened elsewhere.
    """

    def __init__(self, application: QApplication, window: MainWindow, labelling: Labelling) -> None:
        super().__init__(window)
        self._window = window
        self._labelling = labelling
        application.commitDataRequest.connect(self.commit)
        # A session that ends lets the program quit: on Windows without closing its windows.
        application.aboutToQuit.connect(self.close_window)

    def commit(self, manager: QSessionManager) -> None:
        """The session may be about to end: save. Nothing is stopped yet, as somebody may still
        hold it up, or only wants everything saved.

        Labels that cannot be saved hold it up, where the session lets them.
        """
        commands = self._window.commands
        if self._window.isVisible() and not commands.may_lose_labels and not self._labelling.save():
            if manager.allowsInteraction():
                manager.cancel()
                manager.release()
                commands.ask_about_unsaved()
            else:
                commands.may_lose_labels = True

    def end(self, status: int) -> None:
        """Close the window, and leave with an exit status."""
        self.close_window()
        QCoreApplication.exit(status)

    def close_window(self) -> None:
        """Close the window and all that is open over it; returns when no job runs any more."""
        if not self._window.isVisible():
            return
        stop_all()  # all at once, before closing waits for one after the other
        if not self._labelling.save():
            lost, why = self._labelling.waiting, self._labelling.problem
            print(f"crossl-app: {lost} edits of labels were not saved. {why}", file=sys.stderr)
        self._window.commands.may_lose_labels = True
        self._window.close()
        for dialog in self._window.findChildren(QDialog):
            if dialog.isVisible():  # it has a question of its own
                dialog.done(QDialog.DialogCode.Rejected)
        stop_all()  # what closing has started
        wait_for_all()
