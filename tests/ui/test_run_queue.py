"""Jobs run one after the other; each stops, resumes, and says how long it still takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, QThread

from core.config import RunConfig
from core.errors import CrosslError, OutputError
from core.progress import Cancelled, Progress, RunContext
from core.study import Study
from core.study_runs import StudyRun, create_run, read_run, runs_of
from tests.conftest import RATER
from ui.run_queue import (
    KEPT_LINES,
    STOPS_WITHIN_S,
    RunQueue,
    TimeLeft,
    rough_duration_text,
    time_left_text,
    training_parts,
)


@pytest.fixture
def queue(qtbot) -> Iterator[RunQueue]:
    queue = RunQueue()
    yield queue
    queue.shut_down()


class Listener(QObject):
    """Notes what a queue says."""

    def __init__(self, queue: RunQueue) -> None:
        super().__init__()
        self.ends: list[tuple[int, object]] = []
        self.states: list[tuple[int, str]] = []
        self.milestones: list[Progress] = []
        self.progress: list[Progress] = []
        self.threads: set[int] = set()
        self._queue = queue
        queue.ended.connect(self._on_end)
        queue.changed.connect(self._on_change)
        queue.milestone.connect(self._on_milestone)
        queue.progressed.connect(self._on_progress)

    def _on_end(self, job_id: int, outcome: object) -> None:
        self.ends.append((job_id, outcome))
        self.threads.add(threading.get_ident())

    def _on_change(self, job_id: int) -> None:
        job = self._queue.job(job_id)
        self.states.append((job_id, job.state if job is not None else "gone"))

    def _on_milestone(self, job_id: int, progress: Progress) -> None:
        self.milestones.append(progress)

    def _on_progress(self, job_id: int, progress: Progress) -> None:
        self.progress.append(progress)


class Held:
    """Work that goes on until it is let go or stopped."""

    def __init__(self, result: object = "done") -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.result = result
        self.calls = 0

    def __call__(self, context: RunContext) -> object:
        self.calls += 1
        self.begun.set()
        while not self.may_end.is_set():
            context.step("working", 1, 2)
            QThread.msleep(1)
        return self.result


def states(queue: RunQueue) -> list[str]:
    return [job.state for job in queue.jobs()]


def quick(context: RunContext) -> str:
    return "done"


def wait_idle(qtbot, queue: RunQueue) -> None:
    qtbot.waitUntil(lambda: not queue.is_busy, timeout=5000)


# ---------------------------------------------------------------- running


def test_one_job_runs_at_a_time_in_the_order_of_the_queue(qtbot, queue: RunQueue) -> None:
    heard = Listener(queue)
    order: list[str] = []
    first = Held()

    def note(name: str) -> Callable[[RunContext], str]:
        return lambda context: order.append(name) or name

    a = queue.add("a", "train", first)
    b = queue.add("b", "score", note("b"))
    c = queue.add("c", "other", note("c"))
    assert first.begun.wait(5)
    assert states(queue) == ["running", "waiting", "waiting"]
    assert queue.running.id == a
    assert order == []
    first.may_end.set()
    wait_idle(qtbot, queue)
    assert order == ["b", "c"]
    assert heard.ends == [(a, "done"), (b, "b"), (c, "c")]
    assert heard.threads == {threading.get_ident()}
    assert states(queue) == ["finished"] * 3
    assert queue.running is None
    assert queue.job(a).share == 1.0


def test_a_job_that_fails_says_why_and_the_next_one_runs(qtbot, queue: RunQueue) -> None:
    heard = Listener(queue)
    told, bug = OutputError("The disk is full."), ZeroDivisionError("x")

    def fail(error: Exception) -> Callable[[RunContext], None]:
        def work(context: RunContext) -> None:
            raise error

        return work

    a = queue.add("a", "train", fail(told))
    b = queue.add("b", "train", fail(bug))
    c = queue.add("c", "train", quick)
    wait_idle(qtbot, queue)
    assert heard.ends == [(a, told), (b, bug), (c, "done")]
    assert states(queue) == ["failed", "failed", "finished"]
    assert queue.job(a).problem == "The disk is full."
    assert "mistake of the program" in queue.job(b).problem
    assert "ZeroDivisionError" in queue.job(b).problem


@pytest.mark.parametrize(
    ("run_state", "error", "state", "problem"),
    [
        ("finished", "", "finished", ""),
        ("partial", "", "finished", "Some recordings could not be read."),
        ("stopped", "", "stopped", ""),
        ("failed", "No labels.", "failed", "No labels."),
    ],
)
def test_a_run_of_a_study_ends_as_it_says_itself(
    qtbot, queue: RunQueue, run_state: str, error: str, state: str, problem: str
) -> None:
    run = StudyRun(Path("001_x"), "x", "train", run_state, error)
    job_id = queue.add("x", "train", lambda context: run)
    wait_idle(qtbot, queue)
    assert (queue.job(job_id).state, queue.job(job_id).problem) == (state, problem)


# ---------------------------------------------------------------- stopping


def test_a_running_job_stops_and_keeps_what_it_had(qtbot, queue: RunQueue) -> None:
    heard = Listener(queue)
    held = Held()
    job_id = queue.add("a", "train", held)
    assert held.begun.wait(5)
    queue.stop(job_id)
    assert queue.job(job_id).state == "stopping"
    queue.stop(job_id)  # asking twice is asking once
    wait_idle(qtbot, queue)
    assert queue.job(job_id).state == "stopped"
    assert isinstance(heard.ends[0][1], Cancelled)
    assert [state for _, state in heard.states] == ["waiting", "running", "stopping", "stopped"]


def test_a_waiting_job_is_stopped_at_once_and_never_runs(qtbot, queue: RunQueue) -> None:
    held, never = Held(), Held()
    queue.add("a", "train", held)
    b = queue.add("b", "train", never)
    queue.stop(b)
    assert queue.job(b).state == "stopped"
    held.may_end.set()
    wait_idle(qtbot, queue)
    assert never.calls == 0


def test_a_job_that_does_not_stop_in_time_says_so(qtbot, queue: RunQueue) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def deaf(context: RunContext) -> None:
        begun.set()
        may_end.wait(10)
        raise Cancelled

    queue._slow.setInterval(10)
    job_id = queue.add("a", "train", deaf)
    assert begun.wait(5)
    queue.stop(job_id)
    assert not queue.job(job_id).stops_slowly
    qtbot.waitUntil(lambda: queue.job(job_id).stops_slowly)
    assert queue.job(job_id).state == "stopping"
    may_end.set()
    wait_idle(qtbot, queue)
    assert queue.job(job_id).state == "stopped"
    assert not queue.job(job_id).stops_slowly


def test_a_stopped_job_resumes_after_those_that_wait(qtbot, queue: RunQueue) -> None:
    heard = Listener(queue)
    first, other = Held(), Held()
    a = queue.add("a", "train", first)
    assert first.begun.wait(5)
    queue.stop(a)
    qtbot.waitUntil(lambda: queue.job(a).state == "stopped")
    queue.add("b", "train", other)
    c = queue.add("c", "train", quick)
    queue.resume(c)  # it has nothing to resume
    queue.resume(a)
    assert [job.title for job in queue.jobs()] == ["b", "c", "a"]
    other.may_end.set()
    first.may_end.set()
    wait_idle(qtbot, queue)
    assert first.calls == 2
    assert [queue.job(number).title for number, _ in heard.ends] == ["a", "b", "c", "a"]
    assert queue.job(a).state == "finished"


def test_a_failed_job_can_be_tried_again(qtbot, queue: RunQueue) -> None:
    calls: list[int] = []

    def once(context: RunContext) -> str:
        calls.append(1)
        if len(calls) == 1:
            raise CrosslError("not yet")
        return "done"

    job_id = queue.add("a", "train", once)
    wait_idle(qtbot, queue)
    queue.resume(job_id)
    assert queue.job(job_id).problem == ""
    wait_idle(qtbot, queue)
    assert queue.job(job_id).state == "finished"


# ---------------------------------------------------------------- order and keys


def test_waiting_jobs_change_places_and_others_stay(qtbot, queue: RunQueue) -> None:
    held = Held()
    a = queue.add("a", "train", held)
    b, c, d = (queue.add(name, "train", quick) for name in "bcd")

    def order() -> str:
        return "".join(job.title for job in queue.jobs())

    queue.move(d, -1)
    assert order() == "abdc"
    queue.move(d, -5)
    assert order() == "adbc"
    queue.move(b, 5)
    assert order() == "adcb"
    queue.move(a, 1)
    queue.move(d, -1)
    queue.move(99, 1)
    assert order() == "adcb"
    queue.remove(c)
    assert order() == "adb"
    held.may_end.set()
    wait_idle(qtbot, queue)


def test_only_what_does_not_run_is_removed(qtbot, queue: RunQueue) -> None:
    held = Held()
    a = queue.add("a", "train", held)
    b = queue.add("b", "train", quick)
    queue.remove(a)
    assert queue.job(a) is not None
    queue.remove(b)
    assert queue.job(b) is None
    held.may_end.set()
    wait_idle(qtbot, queue)
    queue.remove(a)
    assert queue.jobs() == ()
    assert queue.log(a) == ()


def test_nothing_is_worked_on_by_two_jobs_at_once(qtbot, queue: RunQueue) -> None:
    held = Held()
    a = queue.add("a", "train", held, "001_a")
    b = queue.add("b", "train", quick, "002_b")
    assert queue.add("again", "train", quick, "001_a") == a
    assert queue.add("again", "train", quick, "002_b") == b
    assert queue.add("no key", "train", quick) != queue.add("no key", "train", quick)
    assert queue.job_for("002_b").id == b
    assert queue.job_for("") is None
    held.may_end.set()
    wait_idle(qtbot, queue)
    anew = queue.add("a", "train", quick, "001_a")
    assert anew not in (a, b)
    assert queue.job(a) is None, "the one that had ended made room"
    queue.retitle("001_a", "other name")
    assert queue.job(anew).title == "other name"
    wait_idle(qtbot, queue)


def test_shutting_down_waits_forgets_and_announces_no_end(qtbot, queue: RunQueue) -> None:
    heard = Listener(queue)
    held, never = Held(), Held()
    queue.add("a", "train", held)
    queue.add("b", "train", never)
    assert held.begun.wait(5)
    queue.shut_down()
    assert queue.jobs() == ()
    assert not queue.is_busy
    # It can be used again, and what the old job still has to say is not heard.
    c = queue.add("c", "train", quick)
    wait_idle(qtbot, queue)
    assert heard.ends == [(c, "done")]
    assert never.calls == 0
    assert heard.states[-1] == (c, "finished")


# ---------------------------------------------------------------- what a job says


def test_messages_and_milestones_all_arrive(qtbot, queue: RunQueue) -> None:
    heard = Listener(queue)

    def work(context: RunContext) -> None:
        for k in range(KEPT_LINES + 20):
            context.say(f"line {k}")
        for k in range(300):
            context.step("quick", k, 300)
        for epoch in range(3):
            context.milestone("fold 0: pretraining", epoch=float(epoch))

    job_id = queue.add("a", "train", work)
    wait_idle(qtbot, queue)
    assert [p.values["epoch"] for p in heard.milestones] == [0, 1, 2]
    lines = queue.log(job_id)
    assert len(lines) == KEPT_LINES
    assert lines[-1] == f"line {KEPT_LINES + 19}"
    assert queue.job(job_id).message == lines[-1]
    assert sum(p.stage == "quick" for p in heard.progress) < 100


def test_a_job_says_where_it_is(qtbot, queue: RunQueue) -> None:
    heard = Listener(queue)
    held = Held()
    job_id = queue.add("a", "other", held, expected_s=600)
    assert queue.job(job_id).left_s == 600
    qtbot.waitUntil(lambda: bool(heard.progress))
    job = queue.job(job_id)
    assert (job.stage, job.share) == ("working", 0.5)
    held.may_end.set()
    wait_idle(qtbot, queue)
    assert queue.job(job_id).left_s is None


def test_a_real_training_stops_within_three_seconds_and_goes_on_from_its_checkpoint(
    qtbot, queue: RunQueue, study_copy: Path
) -> None:
    study = Study.open(study_copy)
    engine = {**study.settings.engine, "threads": 1}
    engine["pretrain"] = {**engine["pretrain"], "epochs": 400}
    run = create_run(study, "long", engine, [RATER])
    study.close()

    def work(context: RunContext) -> StudyRun:
        from core.train_run import train

        return train(run, context)

    job_id = queue.add(run.title, "train", work, run.name, parts=("fold 0", "fold 1", "final fit"))
    with qtbot.waitSignal(queue.milestone, timeout=30_000):
        pass
    begun = time.monotonic()
    queue.stop(job_id)
    qtbot.waitUntil(lambda: queue.job(job_id).state == "stopped", timeout=10_000)
    assert time.monotonic() - begun < STOPS_WITHIN_S
    assert read_run(run.folder).state == "stopped"
    assert (run.folder / "checkpoints" / "pretrain-own-0.safetensors").is_file()
    queue.resume(job_id)
    qtbot.waitUntil(
        lambda: any("continued after epoch" in line for line in queue.log(job_id)), timeout=30_000
    )
    queue.shut_down()
    assert read_run(run.folder).state == "stopped"


# ---------------------------------------------------------------- time left

PARTS = ("fold 0", "fold 1", "fold 2", "fold 3", "final fit")


def training(resumed_at: int = 0) -> Iterator[tuple[str, int, int, float]]:
    """Reports of a training with their times: folds of 15 s each, a final fit of 12 s."""
    now = 0.0
    for k in range(1, 5):
        yield "reading", k, 4, now
        now += 0.1
    for part in PARTS:
        begin = resumed_at if part == "fold 0" else 0
        for k in range(begin + 1, 101):
            now += 0.1
            yield f"{part}: pretraining", k, 100, now
        for k in range(1, 11):
            now += 0.1
            yield f"{part}: encoding", k, 10, now
        for _ in range(10):
            now += 0.1
            yield f"{part}: fine-tuning", 0, 0, now
        if part != "final fit":
            for k in range(3):
                now += 1.0
                yield f"{part}: forest", k % 2, 2, now
    yield "writing predictions", 1, 1, now


@pytest.mark.parametrize("resumed_at", [0, 60])
def test_time_left_is_right_once_a_fold_has_been_seen(resumed_at: int) -> None:
    reports = list(training(resumed_at))
    end = reports[-1][3]
    left = TimeLeft(PARTS)
    left.begin(0.0)
    shares = []
    for stage, done, total, now in reports:
        left.note(stage, done, total, now)
        told, true = left.left_s(now), end - now
        shares.append(left.share(now))
        if stage == "reading":
            assert told is None, "reading tells nothing of training"
            assert shares[-1] is None or shares[-1] == 0
        elif stage.startswith("fold 0"):
            assert left.is_at_least
        elif stage.startswith(("fold 2", "fold 3")):
            assert not left.is_at_least
            assert told == pytest.approx(true, rel=0.15, abs=3.0)
        elif stage.startswith("final fit: pretraining"):
            assert told == pytest.approx(true, abs=4.0)
    told_shares = [share for share in shares if share is not None]
    assert told_shares == sorted(told_shares), "it never goes back"
    assert told_shares[-1] == 1.0


def test_the_parts_of_a_training_are_those_that_its_stages_name(study_copy: Path) -> None:
    (run,) = runs_of(study_copy)
    config = run.config()
    assert training_parts(config) == ("fold 0", "fold 1", "final fit")

    def evaluate(**more: object) -> RunConfig:
        return config.model_copy(update={"evaluate": config.evaluate.model_copy(update=more)})

    assert len(training_parts(evaluate(folds=20))) == 5 + 1, "no more folds than people"
    assert training_parts(evaluate(test_subjects=["s1"])) == ("fold locked", "final fit")
    bare = config.model_copy(update={"steps": ["pretrain"]})
    assert training_parts(bare) == ("final fit",)


def test_an_estimate_from_before_counts_until_a_fold_has_been_seen() -> None:
    left = TimeLeft(PARTS, expected_s=70.0)
    left.begin(0.0)
    for stage, done, total, now in training():
        left.note(stage, done, total, now)
        told = left.left_s(now)
        assert not left.is_at_least
        if stage.startswith(("reading", "fold 0: pretraining")):
            assert told == pytest.approx(70.0 - now, abs=8.0)


def test_what_a_resumed_run_repeats_of_the_past_is_no_speed(qtbot) -> None:
    now = [0.0]
    queue = RunQueue(clock=lambda: now[0])
    may_end = threading.Event()

    def work(context: RunContext) -> None:
        for epoch in range(1, 6):
            context.milestone("fold 0: pretraining", epoch * 10, 100, epoch=float(epoch))
        context.say("At the beginning.")
        may_end.wait(10)

    job_id = queue.add("a", "train", work)
    qtbot.waitUntil(lambda: bool(queue.log(job_id)))
    assert queue.job(job_id).stage == "fold 0: pretraining"
    assert queue.job(job_id).left_s is None
    may_end.set()
    wait_idle(qtbot, queue)


def test_time_left_does_not_jump_when_a_machine_stalls() -> None:
    left = TimeLeft()
    left.begin(0.0)
    told = []
    now = 0.0
    for k in range(1, 101):
        now += 0.1 if k != 50 else 5.0
        left.note("scoring", k, 100, now)
        told.append(left.left_s(now))
    jumps = [b - a for a, b in pairwise(told[5:])]
    assert max(jumps) < 2.5
    assert told[-1] == pytest.approx(0.0, abs=0.5)


def test_many_recordings_tell_the_time_for_all() -> None:
    parts = [f"scoring n{k}" for k in range(10)]
    left = TimeLeft(parts)
    left.begin(0.0)
    now = 0.0
    for number, part in enumerate(parts):
        for second in range(0, 3600, 360):
            now += 1.0
            left.note(part, second, 3600, now)
            if number > 2:
                assert left.left_s(now) == pytest.approx(100 - now, rel=0.25, abs=6.0)
    assert left.share(now) == pytest.approx(1.0, abs=0.02)


def test_without_steps_nothing_is_made_up() -> None:
    left = TimeLeft()
    left.begin(0.0)
    assert left.left_s(0.0) is None
    assert left.share(0.0) is None
    left.note("thinking", 0, 0, 1.0)
    assert left.left_s(2.0) is None
    assert left.share(2.0) is None
    left.note("working", 0, 10, 3.0)
    assert left.left_s(3.0) is None, "one report has no speed"
    assert left.share(3.0) == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (2, "a few seconds"),
        (11, "about 10 s"),
        (38, "about 40 s"),
        (58, "about 1 min"),
        (170, "about 3 min"),
        (3590, "about 1 h"),
        (4700, "about 1 h 20 min"),
        (7 * 3600, "about 7 h"),
        (15.4 * 3600, "about 15 h"),
        (60 * 3600, "about 2.5 days"),
    ],
)
def test_time_left_in_words(seconds: float | None, text: str) -> None:
    assert time_left_text(seconds) == text


def test_a_time_that_may_be_longer_says_so() -> None:
    assert time_left_text(600, at_least=True) == "at least 10 min"
    assert rough_duration_text(0.2) == "5 s"
