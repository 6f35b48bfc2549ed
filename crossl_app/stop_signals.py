"""Signals that ask the program to end, on this system, and what goes with them."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Ctrl-C; the end of the session or `kill`; a terminal that is closed; on Windows, Ctrl-Break and a
console that is closed."""


@contextlib.contextmanager
def asked_to_end(asked: Callable[[int], None], *, hard: bool = False) -> Iterator[None]:
    """Call `asked` with the number of a signal instead of ending, as long as the block lasts.

    A second signal does what it did before; with `hard` the system ends the program, even where
    Python does not get the word. A hang-up never does: a terminal that is closed sends
    more than one, and so may a session after its SIGTERM. What `nohup` has switched off stays so.
    In other threads than the first one, where Python handles no signals, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    found = (getattr(signal, name, None) for name in NAMES)
    before = {
        number: signal.getsignal(number)
        for number in found
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN
    }
    terminals = _open_terminals()
    hang_up = getattr(signal, "SIGHUP", None)

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        if number == hang_up:
            _let_go_of(terminals)
        for other in before:
            if other != hang_up:
                signal.signal(other, signal.SIG_DFL if hard else before[other])
        asked(number)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _open_terminals() -> tuple[int, ...]:
    """Which of stdout and stderr are terminals; asked before they are gone."""
    found = []
    for number in (1, 2):
        with contextlib.suppress(OSError):
            if os.isatty(number):
                found.append(number)
    return tuple(found)


def _let_go_of(terminals: Sequence[int]) -> None:
    """Write to nowhere instead: a terminal that is gone refuses every line."""
    if not terminals:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in terminals:
        os.dup2(nowhere, number)
    os.close(nowhere)
