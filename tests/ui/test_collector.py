"""The garbage collector runs in the window's thread."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QThread

from ui.collector import Collector


@pytest.fixture
def collector(qtbot) -> Iterator[Collector]:
    # Few objects count as many, so that it is always due.
    before = gc.get_threshold()
    gc.set_threshold(10, 10, 10)
    made = Collector()
    yield made
    made.stop()
    gc.unfreeze()
    gc.set_threshold(*before)


class Ring:
    """Refers to itself, so that only the collector can free it; tells in which thread it did."""

    freed_in: list[int]

    def __init__(self, freed_in: list[int]) -> None:
        self.itself = self
        self.freed_in = freed_in

    def __del__(self) -> None:
        self.freed_in.append(threading.get_ident())


class Job(QThread):
    """Makes rings."""

    def __init__(self, freed_in: list[int]) -> None:
        super().__init__()
        self._freed_in = freed_in

    def run(self) -> None:
        for _ in range(20_000):
            Ring(self._freed_in)


def test_what_a_job_leaves_is_freed_in_the_windows_thread(qtbot, collector: Collector) -> None:
    freed_in: list[int] = []
    job = Job(freed_in)
    with qtbot.waitSignal(job.finished, timeout=60_000):
        job.start()
    qtbot.waitUntil(lambda: len(freed_in) == 20_000, timeout=60_000)
    assert set(freed_in) == {threading.get_ident()}


def test_imported_things_are_not_looked_through_again(collector: Collector) -> None:
    collector.collect()
    frozen = gc.get_freeze_count()
    assert frozen > len(gc.get_objects())
    collector.collect()
    assert gc.get_freeze_count() <= frozen


def test_python_collects_again_after_the_stop(collector: Collector) -> None:
    assert not gc.isenabled()
    collector.stop()
    assert gc.isenabled()
