"""How long work reports where it is and learns that it should stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


class Cancelled(Exception):
    """Raised inside long work when the caller asked it to stop. Not an error."""


@dataclass(frozen=True)
class Progress:
    """One report: `done` of `total` steps of `stage`; `total` 0 when it is not known.

    `message` is a finished sentence for the log; most reports carry none. `values` are figures
    for live curves, such as the terms of a loss. A `milestone` brings figures that come once, such
    as those of an epoch: whoever thins out reports passes it on all the same.
    """

    stage: str
    done: int = 0
    total: int = 0
    message: str = ""
    values: dict[str, float] = field(default_factory=dict)
    milestone: bool = False


def _ignore(progress: Progress) -> None:
    del progress


def _never() -> bool:
    return False


@dataclass(frozen=True)
class RunContext:
    """The two callables that core work gets from whoever runs it; it knows no threads."""

    report: Callable[[Progress], None] = _ignore
    should_stop: Callable[[], bool] = _never

    def step(
        self, stage: str, done: int = 0, total: int = 0, message: str = "", **values: float
    ) -> None:
        """Report, and raise `Cancelled` when the caller wants to stop. Called once a batch."""
        self.report(Progress(stage, done, total, message, values))
        self.look(stage)

    def milestone(self, stage: str, done: int = 0, total: int = 0, **values: float) -> None:
        """As `step`, with figures that no receiver may drop: one point of a curve."""
        self.report(Progress(stage, done, total, values=values, milestone=True))
        self.look(stage)

    def look(self, stage: str = "") -> None:
        """Raise `Cancelled` when the caller wants to stop, without a report.

        For places inside a batch: work looks at least about once a second.
        """
        if self.should_stop():
            raise Cancelled(stage)

    def say(self, message: str) -> None:
        """Put one finished sentence into the log."""
        self.report(Progress(stage="", message=message))
