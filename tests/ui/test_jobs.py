"""Work runs in a thread of its own and says once how it ended."""

from __future__ import annotations

import os
import sys
import threading

import pytest
from PySide6.QtCore import QThread

from core.errors import CrosslError
from core.progress import Cancelled, Progress, RunContext
from ui.jobs import NICENESS, SWITCH_EVERY_S, Job, LatestJob


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


def test_no_milestone_is_lost_however_fast_they_come(qtbot):
    def work(context: RunContext) -> None:
        for epoch in range(300):
            context.step("training", epoch, 300)
            context.milestone("training", epoch, 300, epoch=epoch, loss=1.0)

    job = Job(work)
    seen: list[Progress] = []
    job.progressed.connect(seen.append)
    with qtbot.waitSignal(job.finished):
        job.start()
    qtbot.waitUntil(lambda: sum(p.milestone for p in seen) == 300)
    points = [p.values["epoch"] for p in seen if p.milestone]
    assert points == list(range(300))
    assert sum(not p.milestone for p in seen) < 100


def test_a_milestone_is_a_place_to_stop_at(qtbot):
    def work(context: RunContext) -> None:
        while True:
            context.milestone("training", loss=1.0)

    job = Job(work)
    ends = counted(job)
    job.start()
    with qtbot.waitSignal(job.finished):
        job.stop()
    qtbot.waitUntil(lambda: len(ends["cancelled"]) == 1)


def priority() -> tuple[float, int]:
    """How often Python takes turns, and how nice the calling thread is."""
    nice = 0
    if sys.platform == "linux":
        nice = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    return sys.getswitchinterval(), nice


@pytest.mark.parametrize("end", ["result", "stop", "error"])
def test_a_job_that_gives_way_leaves_everything_as_it_was(qtbot, end: str):
    before = priority()
    during: list[tuple[float, int]] = []

    def work(context: RunContext) -> None:
        during.append(priority())
        if end == "stop":
            raise Cancelled
        if end == "error":
            raise ValueError("bug")

    job = Job(work, gives_way=True)
    with qtbot.waitSignal(job.finished):
        job.start()
    job.wait()
    (interval, nice), (usual, own) = during[0], before
    assert interval == pytest.approx(SWITCH_EVERY_S)
    assert nice == (min(own + NICENESS, 19) if sys.platform == "linux" else own)
    assert priority() == before
    assert usual > SWITCH_EVERY_S


def test_threads_take_turns_often_until_the_last_job_that_gives_way_has_ended(qtbot):
    usual = sys.getswitchinterval()
    go_on = [threading.Event(), threading.Event()]
    begun = [threading.Event(), threading.Event()]

    def work(number: int):
        def wait(context: RunContext) -> None:
            begun[number].set()
            assert go_on[number].wait(10)

        return wait

    jobs = [Job(work(number), gives_way=True) for number in range(2)]
    for number, job in enumerate(jobs):
        job.start()
        assert begun[number].wait(10)
    for number, expected in ((0, SWITCH_EVERY_S), (1, usual)):
        with qtbot.waitSignal(jobs[number].finished):
            go_on[number].set()
        jobs[number].wait()
        assert sys.getswitchinterval() == pytest.approx(expected)


def test_other_jobs_run_as_before(qtbot):
    job = Job(lambda context: priority())
    ends = counted(job)
    with qtbot.waitSignal(job.finished):
        job.start()
    qtbot.waitUntil(lambda: len(ends["succeeded"]) == 1)
    assert ends["succeeded"][0] == priority()


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
