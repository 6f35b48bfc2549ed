"""Work runs in a thread of its own and says once how it ended."""

from __future__ import annotations

import threading

import pytest
from PySide6.QtCore import QThread

from core.errors import CrosslError
from core.progress import Cancelled, Progress, RunContext
from ui.jobs import Job, LatestJob


def counted(job: Job) -> dict[str, list]:
    """What a job's signals brought, by name; filled in the window's thread."""
    ends: dict[str, list] = {"succeeded": [], "failed": [], "cancelled": []}
    job.succeeded.connect(ends["succeeded"].append)
    job.failed.connect(ends["failed"].append)
    job.cancelled.connect(lambda: ends["cancelled"].append(None))
    return ends


def test_work_runs_in_another_thread_and_its_result_arrives(qtbot):
    here = threading.get_ident()
    job = Job(lambda context: threading.get_ident())
    ends = counted(job)
    with qtbot.waitSignal(job.finished):
        job.start()
    qtbot.waitUntil(lambda: len(ends["succeeded"]) == 1)
    assert ends["succeeded"][0] != here
    assert (ends["failed"], ends["cancelled"]) == ([], [])


@pytest.mark.parametrize("error", [CrosslError("no"), RuntimeError("bug"), MemoryError("big")])
def test_every_exception_arrives_as_failed(qtbot, error: Exception):
    def work(context: RunContext) -> None:
        raise error

    job = Job(work)
    ends = counted(job)
    with qtbot.waitSignal(job.finished):
        job.start()
    qtbot.waitUntil(lambda: ends["failed"] == [error])
    assert (ends["succeeded"], ends["cancelled"]) == ([], [])


def test_a_stopped_job_ends_as_cancelled(qtbot):
    begun = threading.Event()

    def work(context: RunContext) -> None:
        while True:
            begun.set()
            context.step("loop")

    job = Job(work)
    ends = counted(job)
    job.start()
    assert begun.wait(5)
    with qtbot.waitSignal(job.finished):
        job.stop()
    qtbot.waitUntil(lambda: len(ends["cancelled"]) == 1)
    assert (ends["succeeded"], ends["failed"]) == ([], [])


def test_progress_is_throttled_but_no_message_is_lost(qtbot):
    def work(context: RunContext) -> None:
        for k in range(2000):
            context.step("loop", k, 2000)
        for k in range(5):
            context.say(f"message {k}")

    job = Job(work)
    seen: list[Progress] = []
    job.progressed.connect(seen.append)
    with qtbot.waitSignal(job.finished):
        job.start()
    qtbot.waitUntil(lambda: sum(bool(p.message) for p in seen) == 5)
    assert sum(not p.message for p in seen) < 100


def test_of_several_requests_only_the_newest_is_announced(qtbot):
    latest = LatestJob()
    results: list[str] = []
    latest.succeeded.connect(results.append)
    begun = threading.Event()

    def slow(context: RunContext) -> str:
        begun.set()
        while not context.should_stop():
            QThread.msleep(1)
        raise Cancelled

    latest.start(slow)
    assert begun.wait(5)
    latest.start(lambda context: "dropped")
    with qtbot.waitSignal(latest.succeeded):
        latest.start(lambda context: "newest")
    qtbot.waitUntil(lambda: not latest.is_busy)
    assert results == ["newest"]


def test_shutting_down_waits_for_the_thread_and_announces_nothing(qtbot):
    latest = LatestJob()
    begun, ended = threading.Event(), threading.Event()
    announced: list[object] = []
    latest.succeeded.connect(announced.append)

    def work(context: RunContext) -> str:
        begun.set()
        while not context.should_stop():
            QThread.msleep(1)
        ended.set()
        return "too late"

    latest.start(work)
    assert begun.wait(5)
    latest.shut_down()
    assert ended.is_set()
    qtbot.waitUntil(lambda: not latest.is_busy)
    assert announced == []
