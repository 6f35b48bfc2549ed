"""A queue of long jobs: one runs at a time, the others wait for it; each can be stopped and
resumed, and says how long it still takes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal

from core.config import RunConfig
from core.errors import CrosslError
from core.progress import Cancelled, Progress
from core.splits import LOCKED
from core.study_runs import StudyRun
from ui.jobs import Job, Work

JobKind = Literal["train", "score", "other"]
JobState = Literal["waiting", "running", "stopping", "finished", "stopped", "failed"]

STOPS_WITHIN_S = 3.0
"""A job that takes longer to stop says so."""
KEPT_LINES = 500
"""Lines of the log that a job keeps."""
ENDED: frozenset[JobState] = frozenset({"finished", "stopped", "failed"})


@dataclass(frozen=True)
class QueuedJob:
    """A job as it is now.

    Attributes
    ----------
    kind: what it is for; `train` gives a `StudyRun`, whose state says how it ended.
    work: what is run, again from its beginning when the job is resumed.
    key: what it works on, such as the name of a run; no two waiting or running jobs have the same,
        but the empty one.
    parts: stages that follow each other, such as `fold 0` of `fold 0: pretraining`; they tell the
        time left and how far the job is as a whole.
    expected_s: how long it was estimated to take; None where nobody knows.
    stage: where it is. share: how far, 0 to 1, None while that is not known.
    left_s: how long it still takes, None while that is not known; `left_at_least`: or longer.
    problem: why it failed, or what is to be known of its end, in words.
    stops_slowly: whether it was asked to stop more than `STOPS_WITHIN_S` ago.
    """

    id: int
    title: str
    kind: JobKind
    work: Work
    key: str = ""
    parts: tuple[str, ...] = ()
    expected_s: float | None = None
    state: JobState = "waiting"
    stage: str = ""
    share: float | None = None
    left_s: float | None = None
    left_at_least: bool = False
    message: str = ""
    problem: str = ""
    stops_slowly: bool = False

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @property
    def is_going_on(self) -> bool:
        return self.state in ("running", "stopping")

    @property
    def can_stop(self) -> bool:
        return self.state in ("waiting", "running")

    @property
    def can_resume(self) -> bool:
        return self.state in ("stopped", "failed")


class RunQueue(QObject):
    """Jobs in their order; the first that waits starts when no other runs."""

    changed = Signal(int)
    """A job came, went, moved, or has another state."""
    progressed = Signal(int, object)
    """A job reported a `Progress`; about ten times a second, and every message."""
    milestone = Signal(int, object)
    """A `Progress` with figures for curves, such as one at the end of an epoch."""
    ended = Signal(int, object)
    """A job has ended, with its result or with what was raised: `Cancelled` where it stopped."""

    def __init__(
        self, parent: QObject | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock`: seconds that only go forward; for tests."""
        super().__init__(parent)
        self._clock = clock
        self._jobs: dict[int, QueuedJob] = {}  # in the order in which they run
        self._lines: dict[int, deque[str]] = {}
        self._next_id = 1
        self._running: _Running | None = None
        self._left = TimeLeft()
        self._slow = QTimer(self)
        self._slow.setSingleShot(True)
        self._slow.setInterval(round(1000 * STOPS_WITHIN_S))
        self._slow.timeout.connect(self._on_slow)

    # -- what there is

    def jobs(self) -> tuple[QueuedJob, ...]:
        """All jobs: those that have ended, the running one, those that wait, in this order."""
        return tuple(self._jobs.values())

    def job(self, job_id: int) -> QueuedJob | None:
        return self._jobs.get(job_id)

    def job_for(self, key: str) -> QueuedJob | None:
        """The newest job that works on something; None where there is none."""
        return next((job for job in reversed(self._jobs.values()) if key and job.key == key), None)

    @property
    def running(self) -> QueuedJob | None:
        """The job that is going on, also while it stops."""
        return self._jobs.get(self._running.job_id) if self._running is not None else None

    @property
    def is_busy(self) -> bool:
        """Whether a job is going on or waits."""
        return any(not job.has_ended for job in self._jobs.values())

    def log(self, job_id: int) -> tuple[str, ...]:
        """What a job has said, the last `KEPT_LINES` lines."""
        return tuple(self._lines.get(job_id, ()))

    # -- changing it

    def add(
        self,
        title: str,
        kind: JobKind,
        work: Work,
        key: str = "",
        *,
        parts: Sequence[str] = (),
        expected_s: float | None = None,
    ) -> int:
        """Put a job at the end; returns its number.

        One that waits or runs with the same key already is that job. One that has ended with the
        same key makes room.
        """
        before = self.job_for(key)
        if before is not None and not before.has_ended:
            return before.id
        if before is not None:
            self.remove(before.id)
        job = QueuedJob(
            self._next_id, title, kind, work, key, parts=tuple(parts), expected_s=expected_s
        )
        self._next_id += 1
        self._jobs[job.id] = job
        self._lines[job.id] = deque(maxlen=KEPT_LINES)
        self.changed.emit(job.id)
        self._start_next()
        return job.id

    def stop(self, job_id: int) -> None:
        """Ask a job to stop; one that waits is stopped at once. What it has finished is kept."""
        job = self._jobs.get(job_id)
        if job is None or not job.can_stop:
            return
        if job.state == "waiting":
            self._change(job_id, state="stopped")
            self._sort()
            self.changed.emit(job_id)
            return
        assert self._running is not None
        self._change(job_id, state="stopping", left_s=None)
        self._slow.start()
        self._running.job.stop()
        self.changed.emit(job_id)

    def resume(self, job_id: int) -> None:
        """Let a job that was stopped or failed wait for its turn again."""
        job = self._jobs.get(job_id)
        if job is None or not job.can_resume:
            return
        self._jobs[job_id] = replace(
            job, state="waiting", stage="", share=None, message="", problem="", stops_slowly=False
        )
        self._sort(last=job_id)
        self.changed.emit(job_id)
        self._start_next()

    def remove(self, job_id: int) -> None:
        """Take a job that waits or has ended off the list; one that runs is stopped first."""
        job = self._jobs.get(job_id)
        if job is None or job.is_going_on:
            return
        del self._jobs[job_id]
        del self._lines[job_id]
        self.changed.emit(job_id)

    def move(self, job_id: int, by: int) -> None:
        """Let a job that waits change its place among those that wait; `by` -1 is earlier."""
        waiting = [job.id for job in self._jobs.values() if job.state == "waiting"]
        if job_id not in waiting:
            return
        place = waiting.index(job_id)
        wanted = min(max(place + by, 0), len(waiting) - 1)
        if wanted == place:
            return
        waiting.insert(wanted, waiting.pop(place))
        others = [number for number in self._jobs if number not in waiting]
        self._jobs = {number: self._jobs[number] for number in (*others, *waiting)}
        self.changed.emit(job_id)

    def retitle(self, key: str, title: str) -> None:
        """Call the jobs that work on something otherwise."""
        for job in self.jobs():
            if key and job.key == key and job.title != title:
                self._change(job.id, title=title)
                self.changed.emit(job.id)

    def shut_down(self) -> None:
        """Stop, wait until the job that runs has ended, and forget all; before a study or the
        window closes. No end is announced. The queue can be used again afterwards."""
        gone = tuple(self._jobs)
        running, self._running = self._running, None
        self._jobs.clear()
        self._lines.clear()
        self._slow.stop()
        if running is not None:
            running.drop()
        for job_id in gone:
            self.changed.emit(job_id)

    # -- running

    def _start_next(self) -> None:
        if self._running is not None:
            return
        job = next((job for job in self._jobs.values() if job.state == "waiting"), None)
        if job is None:
            return
        self._left = TimeLeft(job.parts, job.expected_s)
        self._left.begin(self._clock())
        self._change(job.id, state="running", left_s=job.expected_s)
        self._running = _Running(job.id, job.work, self)
        self._running.start()
        self.changed.emit(job.id)

    def on_progress(self, running: _Running, progress: Progress) -> None:
        """A job reported; called by its receiver."""
        if running is not self._running:
            return
        job_id, now = running.job_id, self._clock()
        if progress.message:
            self._lines[job_id].append(progress.message)
            self._change(job_id, message=progress.message)
        if progress.stage:
            if not progress.milestone:  # a resumed run repeats those of the past all at once
                self._left.note(progress.stage, progress.done, progress.total, now)
            stopping = self._jobs[job_id].state == "stopping"
            self._change(
                job_id,
                stage=progress.stage,
                share=self._left.share(now),
                left_s=None if stopping else self._left.left_s(now),
                left_at_least=self._left.is_at_least,
            )
        self.progressed.emit(job_id, progress)
        if progress.milestone:
            self.milestone.emit(job_id, progress)

    def on_end(self, running: _Running, outcome: object) -> None:
        """A job's thread has ended; called by its receiver."""
        if running is not self._running:
            return
        self._running = None
        self._slow.stop()
        job_id = running.job_id
        state, problem = _end_of(outcome)
        self._change(
            job_id,
            state=state,
            problem=problem,
            left_s=None,
            share=1.0 if state == "finished" else self._jobs[job_id].share,
            stops_slowly=False,
        )
        self._sort()
        self.changed.emit(job_id)
        self.ended.emit(job_id, outcome)
        self._start_next()

    def _on_slow(self) -> None:
        job = self.running
        if job is not None and job.state == "stopping":
            self._change(job.id, stops_slowly=True)
            self.changed.emit(job.id)

    def _change(self, job_id: int, **values: object) -> None:
        self._jobs[job_id] = replace(self._jobs[job_id], **values)

    def _sort(self, last: int | None = None) -> None:
        """What has ended first, what waits last; `last` at the very end."""
        order = sorted(
            self._jobs.values(),
            key=lambda job: (not job.has_ended, job.state == "waiting", job.id == last),
        )
        self._jobs = {job.id: job for job in order}


class _Running(QObject):
    """Takes the signals of one job in the window's thread; what comes too late is dropped."""

    def __init__(self, job_id: int, work: Work, queue: RunQueue) -> None:
        super().__init__(queue)
        self.job_id = job_id
        self._queue = queue
        self._outcome: object = None
        self.job = Job(work, self, gives_way=True)
        self.job.succeeded.connect(self._on_outcome)
        self.job.failed.connect(self._on_outcome)
        self.job.cancelled.connect(self._on_cancelled)
        self.job.progressed.connect(self._on_progress)
        self.job.finished.connect(self._on_finished)

    def start(self) -> None:
        self.job.start()

    def drop(self) -> None:
        """Stop the job and wait for its end."""
        self.job.stop()
        self.job.wait()
        self.deleteLater()

    def _on_outcome(self, outcome: object) -> None:
        self._outcome = outcome

    def _on_cancelled(self) -> None:
        self._outcome = Cancelled()

    def _on_progress(self, progress: Progress) -> None:
        self._queue.on_progress(self, progress)

    def _on_finished(self) -> None:
        self.job.wait()
        self._queue.on_end(self, self._outcome)
        self.deleteLater()


def _end_of(outcome: object) -> tuple[JobState, str]:
    """The state that a result or an exception leaves, and what is to be said of it."""
    if isinstance(outcome, Cancelled):
        return "stopped", ""
    if isinstance(outcome, CrosslError):
        return "failed", str(outcome)
    if isinstance(outcome, BaseException):
        return "failed", _tr("A mistake of the program: {name}. The report says more.").format(
            name=type(outcome).__name__
        )
    if isinstance(outcome, StudyRun):
        if outcome.state == "stopped":
            return "stopped", outcome.error
        if outcome.state == "failed":
            return "failed", outcome.error
        if outcome.state == "partial":
            return "finished", outcome.error or _tr("Some recordings could not be read.")
    return "finished", ""


# ---------------------------------------------------------------- time left


@dataclass
class _Phase:
    """A stage from its first report to its last; `total` 0 where its end is not known."""

    began: float
    first_done: int
    total: int
    last: float
    done: int
    has_ended: bool = False

    def note(self, done: int, total: int, now: float) -> None:
        if total != self.total or done < self.done:
            self.total = 0  # it begins again and again, and nobody knows how often
        self.last, self.done = now, done

    @property
    def spent_s(self) -> float:
        return self.last - self.began

    @property
    def step_s(self) -> float | None:
        """Of one step, the mean so far; None before the second report."""
        steps = self.done - self.first_done
        return self.spent_s / steps if self.total and steps > 0 else None

    @property
    def left_s(self) -> float | None:
        """At the time of the last report."""
        return None if self.step_s is None else self.step_s * max(self.total - self.done, 0)

    @property
    def whole_s(self) -> float:
        """Of the whole stage, also where it was resumed in the middle."""
        if self.has_ended:
            rest = self.total - self.first_done
            return self.spent_s * self.total / rest if rest > 0 else self.spent_s
        return self.spent_s if self.step_s is None else self.step_s * self.total


class TimeLeft:
    """Tells from a job's reports how long it still takes, and how far it is.

    A stage takes as long as its steps so far let expect. A part that has been gone through tells
    how long the stages of its like take: fold 1 goes as fold 0 went.
    """

    OF_THE_LIKE = ("pretraining", "encoding")
    """Stages that parts of another kind have in common: a final fit has no opponents."""
    SMOOTHING = 0.3

    def __init__(self, parts: Sequence[str] = (), expected_s: float | None = None) -> None:
        self._parts = tuple(parts)
        self._expected_s = expected_s
        self._began = 0.0
        self._phases: dict[str, dict[str, _Phase]] = {}  # of each part, by stage
        self._part = self._stage = ""
        self._share = 0.0
        self._shown: tuple[float, float] | None = None  # time left, and when it was told

    @property
    def is_at_least(self) -> bool:
        """Whether it may well be longer: nothing like what is to come has been seen yet."""
        later = self._later()
        return self._expected_s is None and bool(later) and self._like(self._part) is None

    def begin(self, now: float) -> None:
        self._began = now

    def note(self, stage: str, done: int, total: int, now: float) -> None:
        """A report has come."""
        part, name = self._placed(stage)
        phases = self._phases.setdefault(part, {})
        present = self._phases.get(self._part, {}).get(self._stage)
        if present is not None and (part, name) != (self._part, self._stage):
            present.last, present.has_ended = now, True  # it has lasted until now
        if name in phases and phases[name] is present:
            phases[name].note(done, total, now)
        elif name in phases:  # come back to
            again = phases[name]
            again.began = now - again.spent_s
            again.total, again.first_done, again.done = 0, 0, done
            again.last, again.has_ended = now, False
        else:
            phases[name] = _Phase(now, done, total, now, done)
        self._part, self._stage = part, name

    def left_s(self, now: float) -> float | None:
        """Seconds, smoothed; None where nothing is known."""
        left = self._estimate(now)
        if self._expected_s is not None and self._like(self._part) is None and self._later():
            left = max(left or 0.0, self._expected_s - (now - self._began))
        if left is None:
            return None
        if self._shown is not None:
            before, when = self._shown
            running_out = max(before - (now - when), 0.0)
            left = running_out + self.SMOOTHING * (left - running_out)
        self._shown = (left, now)
        return left

    def share(self, now: float) -> float | None:
        """How far the job is, 0 to 1, never less than before; None where it cannot be told."""
        phase = self._phases.get(self._part, {}).get(self._stage)
        if phase is None:
            return None
        if not self._parts:
            return phase.done / phase.total if phase.total else None
        place = self._place()
        if place is not None:
            share = (place + self._share_of_part(now)) / len(self._parts)
            self._share = max(self._share, min(share, 1.0))
        return self._share

    # -- parts

    def _placed(self, stage: str) -> tuple[str, str]:
        """The part that a stage belongs to, and its name within; no part: it stands for itself."""
        for part in self._parts:
            if stage == part or stage.startswith(f"{part}: "):
                return part, stage[len(part) + 2 :]
        return "", stage

    def _place(self) -> int | None:
        """Number of the present part; before the first and after the last, of what was there."""
        if self._part in self._parts:
            return self._parts.index(self._part)
        seen = [part for part in self._parts if part in self._phases]
        return self._parts.index(seen[-1]) + 1 if seen else None

    def _later(self) -> tuple[str, ...]:
        """Parts that are still to come."""
        place = self._place()
        if place is None:
            return self._parts
        return self._parts[place + 1 :] if self._part in self._parts else self._parts[place:]

    def _like(self, part: str) -> str | None:
        """The last part of the same kind that has been gone through."""
        found = [
            other
            for other in self._phases
            if other != self._part and other in self._parts and _kind(other) == _kind(part)
        ]
        return found[-1] if found else None

    def _share_of_part(self, now: float) -> float:
        if self._part not in self._parts:
            return 0.0
        spent = sum(phase.spent_s for phase in self._phases[self._part].values())
        left = self._left_in_part() or 0.0
        return spent / (spent + left) if spent + left > 0 else 0.0

    def _left_in_part(self) -> float | None:
        """Of the present part, by its own steps and by one of its like."""
        phases = self._phases[self._part]
        phase = phases[self._stage]
        left = phase.left_s
        if self._part not in self._parts:
            return left
        if left is None:
            earlier = [
                other[self._stage]
                for part, other in self._phases.items()
                if part in self._parts and part != self._part and self._stage in other
            ]
            if earlier:
                left = max(earlier[-1].whole_s - phase.spent_s, 0.0)
        like = self._like(self._part)
        if like is None:
            return left
        rest = (x.whole_s for name, x in self._phases[like].items() if name not in phases)
        return (left or 0.0) + sum(rest)

    def _estimate(self, now: float) -> float | None:
        if self._part not in self._phases:
            return None
        phase = self._phases[self._part][self._stage]
        left = self._left_in_part()
        later = self._later()
        if self._parts and self._part not in self._parts and later:
            return None  # reading recordings tells nothing of training
        if left is None and not later:
            return None
        whole = [self._whole_s(part) for part in later]
        return max((left or 0.0) - (now - phase.last), 0.0) + sum(whole)

    def _whole_s(self, part: str) -> float:
        """How long a part takes that has not begun."""
        alike = [
            phases
            for other, phases in self._phases.items()
            if other in self._parts and _kind(other) == _kind(part)
        ]
        done = [phases for phases in alike if phases is not self._phases.get(self._part)] or alike
        if done:
            whole = [sum(phase.whole_s for phase in phases.values()) for phases in done]
            return sum(whole) / len(whole)
        others = [phases for other, phases in self._phases.items() if other in self._parts]
        if not others:
            return 0.0
        last = others[-1]
        return sum(last[name].whole_s for name in self.OF_THE_LIKE if name in last)


def training_parts(config: RunConfig) -> tuple[str, ...]:
    """The parts that a training with these settings goes through, as its stages name them."""
    folds: tuple[str, ...] = ()
    if "evaluate" in config.steps:
        subjects = {entry.subject for entry in config.recordings.listed or ()}
        count = min(config.evaluate.folds, len(subjects) or config.evaluate.folds)
        folds = tuple(f"fold {number}" for number in range(count))
        if config.evaluate.test_subjects:
            folds = (f"fold {LOCKED}",)
    return (*folds, "final fit")


def _kind(part: str) -> str:
    """`fold` of `fold 3`."""
    return part.split()[0] if part else ""


# ---------------------------------------------------------------- words


def time_left_text(left_s: float | None, at_least: bool = False) -> str:
    """Time left for people: `about 3 min`; empty where it is not known."""
    if left_s is None:
        return ""
    text = rough_duration_text(left_s)
    if at_least:
        return _tr("at least {time}").format(time=text)
    return _tr("about {time}").format(time=text) if left_s >= 5 else _tr("a few seconds")


def rough_duration_text(seconds: float) -> str:
    """A length no finer than anybody can know it: `20 s`, `3 min`, `1 h 20 min`, `2 days`."""
    if seconds < 55:
        step = 5 if seconds < 30 else 10
        return _tr("{count} s").format(count=max(step * round(seconds / step), 5))
    minutes = seconds / 60
    if minutes < 59.5:
        return _tr("{count} min").format(count=max(round(minutes), 1))
    tens = round(minutes / 10)
    if tens < 6 * 24:
        hours, rest = divmod(tens, 6)
        if not rest or hours >= 10:
            return _tr("{count} h").format(count=round(minutes / 60))
        return _tr("{hours} h {minutes} min").format(hours=hours, minutes=10 * rest)
    return _tr("{count} days").format(count=round(minutes / 60 / 24, 1))


def _tr(text: str) -> str:
    return QCoreApplication.translate("RunQueue", text)
