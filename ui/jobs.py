"""Core work in a background thread.

A `Job` knows nothing of what it runs. Results are taken in the window's thread: connect its
signals to methods of QObjects, never to lambdas, which would run in the job's thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QThread, Signal

from core.progress import Cancelled, Progress, RunContext

Work = Callable[[RunContext], Any]
REPORT_EVERY_S = 0.1


class Job(QThread):
    """One call of a core function in a thread of its own.

    Emits exactly one of `succeeded` (with the result), `failed` (with the exception) and
    `cancelled`; Qt's own `finished` follows. `progressed` comes at most about ten times a second,
    but every message is passed on.
    """

    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    progressed = Signal(object)

    def __init__(self, work: Work, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._work = work
        self._stop = threading.Event()
        self._reported = 0.0

    def stop(self) -> None:
        """Ask the work to end; it does so at its next step."""
        self._stop.set()

    def run(self) -> None:
        try:
            result = self._work(RunContext(report=self._report, should_stop=self._stop.is_set))
        except Cancelled:
            self.cancelled.emit()
        except Exception as error:  # what it is, is for the receiver to tell and show
            self.failed.emit(error)
        else:
            self.succeeded.emit(result)

    def _report(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.message or now - self._reported >= REPORT_EVERY_S:
            self._reported = now
            self.progressed.emit(progress)


class LatestJob(QObject):
    """Runs one job at a time; of several requests only the newest counts.

    A request stops the running job, whose result is then dropped, and starts when it has ended.
    """

    succeeded = Signal(object)
    failed = Signal(object)
    progressed = Signal(object)
    busy_changed = Signal(bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._job: Job | None = None
        self._waiting: Work | None = None
        self._dropped = False

    @property
    def is_busy(self) -> bool:
        return self._job is not None

    def start(self, work: Work) -> None:
        """Run `work`, after the job that is running has been stopped."""
        if self._job is not None:
            self._waiting = work
            self._dropped = True
            self._job.stop()
            return
        self._dropped = False
        self._job = Job(work, self)
        self._job.succeeded.connect(self._on_succeeded)
        self._job.failed.connect(self._on_failed)
        self._job.progressed.connect(self._on_progressed)
        self._job.finished.connect(self._on_finished)
        self._job.start()
        self.busy_changed.emit(True)

    def drop(self) -> None:
        """Stop what is running and forget what waits; nothing more is announced for them."""
        self._waiting = None
        self._dropped = True
        if self._job is not None:
            self._job.stop()

    def shut_down(self) -> None:
        """Stop, and wait until the thread has ended. Before a window closes."""
        self.drop()
        if self._job is not None:
            self._job.wait()

    def _on_succeeded(self, result: object) -> None:
        if not self._dropped:
            self.succeeded.emit(result)

    def _on_failed(self, error: Exception) -> None:
        if not self._dropped:
            self.failed.emit(error)

    def _on_progressed(self, progress: object) -> None:
        if not self._dropped:
            self.progressed.emit(progress)

    def _on_finished(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.wait()
            job.deleteLater()
        work, self._waiting = self._waiting, None
        if work is not None:
            self.start(work)
        else:
            self.busy_changed.emit(False)
