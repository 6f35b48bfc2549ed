"""The program with a study, in which a run is started or a dialog is opened as soon as it is shown:
see `test_session_end.py`. Every step is told on stdout.

`python session_end_program.py STUDY WHAT`: WHAT is `look` (nothing is done), `train` (the newest
run is started, and told when it has reported an epoch), `finish` (started, and the window is closed
when it has ended), `wizard` (a question is open over a wizard), `write` (the study cannot be
written any more, and a label waits), `quit` (the session lets the program quit).
"""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, QTimer

from crossl_app import gui
from ui.main_window import MainWindow


class Driver(QObject):
    """Does what was asked for in the window that the program makes."""

    def __init__(self, window: MainWindow, what: str) -> None:
        super().__init__(window)
        self._window, self._what = window, what
        self._began = False
        window.predicting.run_changed.connect(self._begin)
        window.shown.connect(self._begin)
        window.learning.queue.milestone.connect(self._on_milestone)
        window.learning.queue.ended.connect(self._on_end)

    def _begin(self) -> None:
        if self._began or self._window._session.labelling.journal is None:
            return
        if self._what in ("train", "finish") and not self._window.predicting.runs:
            return
        self._began = True
        QTimer.singleShot(0, self, self._act)

    def _act(self) -> None:
        window = self._window
        if self._what in ("train", "finish"):
            run = max(window.predicting.runs, key=lambda run: run.name)
            window.learning.show_page("train")
            window.learning.trains.resume(run.name)
            return
        if self._what == "wizard":
            window.commands.new_study()
        elif self._what == "write":
            journal = window._session.labelling.journal
            journal._study.file.connection.execute("PRAGMA query_only=1")
            window._session.labelling.label("walk")
            assert not window._session.labelling.is_saved
        tell("ready")
        if self._what == "quit":
            QCoreApplication.exit(0)

    def _on_milestone(self, job_id: int, progress: object) -> None:
        del job_id, progress
        if self._what == "train":
            self._what = "told"
            tell("ready")

    def _on_end(self, job_id: int, outcome: object) -> None:
        del job_id
        tell(f"ended {getattr(outcome, 'state', outcome)}")
        self._window.close()


def tell(text: str) -> None:
    print(text, flush=True)


def main(study: str, what: str) -> int:
    made = gui.MainWindow
    drivers = []

    def make(*arguments: object) -> MainWindow:
        window = made(*arguments)
        drivers.append(Driver(window, what))
        return window

    gui.MainWindow = make
    from crossl_app.crash_log import watching

    with watching("window"):
        return gui.run_gui([str(Path(study))])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
