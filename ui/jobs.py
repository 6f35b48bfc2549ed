"""Core work in a background thread.

A `Job` knows nothing of what it runs. Results are taken in the window's thread: connect its
signals to methods of QObjects, never to lambdas, which would run in the job's thread.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from PySide6.QtCore import QObject, QThread, Signal
from shiboken6 import isValid

from core.progress import Cancelled, Progress, RunContext

Work = Callable[[RunContext], Any]
REPORT_EVERY_S = 0.1
NICENESS = 10
"""Added to that of a thread that gives way, where threads have one of their own (Linux)."""
SWITCH_EVERY_S = 0.001
"""How soon Python takes turns while a job gives way; by itself it lets a thread have 5 ms each time
that the window wants to go on."""


class Job(QThread):
    """One call of a core function in a thread of its own.

    Emits exactly one of `succeeded` (with the result), `failed` (with the exception) and
    `cancelled`; Qt's own `finished` follows. `progressed` comes at most about ten times a second,
    but every message and every milestone is passed on.

    `gives_way`: for work that takes minutes, such as training. The window and short jobs come
    first: the thread, and those that torch starts from it, run at a lower priority.
    """

    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    progressed = Signal(object)

    def __init__(
        self, work: Work, parent: QObject | None = None, *, gives_way: bool = False
    ) -> None:
        super().__init__(parent)
        self._work = work
        self._gives_way = gives_way
        self._stop = threading.Event()
        self._reported = 0.0

    def stop(self) -> None:
        """Ask the work to end; it does so at its next step."""
        self._stop.set()

    def start(self, *arguments: QThread.Priority) -> None:
        _jobs.add(self)
        super().start(*arguments)

    def run(self) -> None:
        context = RunContext(report=self._report, should_stop=self._stop.is_set)
        try:
            if self._gives_way:
                with _giving_way(self):
                    result = self._work(context)
            else:
                result = self._work(context)
        except Cancelled:
            self.cancelled.emit()
        except Exception as error:  # what it is, is for the receiver to tell and show
            self.failed.emit(error)
        else:
            self.succeeded.emit(result)

    def _report(self, progress: Progress) -> None:
        now = time.monotonic()
        told = progress.message or progress.milestone
        if told or now - self._reported >= REPORT_EVERY_S:
            self._reported = now
            self.progressed.emit(progress)


_jobs: weakref.WeakSet[Job] = weakref.WeakSet()  # all that were started and are still there


def stop_all() -> None:
    """Ask every job to end, whoever has started it; before the program ends without questions."""
    for job in _running():
        job.stop()


def wait_for_all() -> None:
    """Wait until no thread of a job runs."""
    for job in _running():
        job.wait()


def _running() -> list[Job]:
    return [job for job in list(_jobs) if isValid(job) and job.isRunning()]


_giving_way_lock = threading.Lock()
_switch_intervals: list[float] = []  # of each job that gives way, what was set before it


@contextmanager
def _giving_way(thread: QThread) -> Iterator[None]:
    """Lower the priority of the calling thread, and let Python take turns more often meanwhile."""
    thread.setPriority(QThread.Priority.LowPriority)
    if sys.platform == "linux":  # where Qt's priorities mean nothing to ordinary threads
        own = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + NICENESS)
    with _giving_way_lock:
        _switch_intervals.append(sys.getswitchinterval())
        sys.setswitchinterval(SWITCH_EVERY_S)
    try:
        yield
    finally:
        with _giving_way_lock:
            before = _switch_intervals.pop()
            if not _switch_intervals:
                sys.setswitchinterval(before)


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
