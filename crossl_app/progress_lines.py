"""Progress for people: a moving bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from core.progress import Progress

# Seconds between two plain lines about the same stage.
EVERY_S = 15.0


class ProgressLines:
    """Shows reports of core work; one bar, for the stage that was reported last."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = None
        self._stage = ""
        self._said = 0.0

    def __enter__(self) -> ProgressLines:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Show one report; messages become lines of their own."""
        if progress.message:
            self._console.print(progress.message)
        if not progress.stage:
            return
        if self._console.is_terminal:
            self._move(progress)
        elif progress.total and self._due(progress):
            self._console.print(f"{progress.stage}: {progress.done} of {progress.total}")

    def _move(self, progress: Progress) -> None:
        if self._task is None or progress.stage != self._stage:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(progress.stage, total=progress.total or None)
            self._stage = progress.stage
        self._bar.update(self._task, completed=progress.done, total=progress.total or None)

    def _due(self, progress: Progress) -> bool:
        now = time.monotonic()
        if progress.stage == self._stage and now - self._said < EVERY_S:
            return False
        self._stage, self._said = progress.stage, now
        return True
