"""What is left of a program that crashed: a file in the user's folder for logs.

While the program runs, a file with a few lines about versions lies there, open for `faulthandler`;
at a clean end it goes. A file whose program is gone is the report of a crash, or, where nothing was
added to it, the trace of a program that was ended from outside. Nothing here ever keeps the program
from starting: without a folder that can be written there is no log.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

from core.build_info import build_info
from core.licences import versions_of
from core.program_path import program_path
from core.user_folders import log_folder

RUNNING, CRASH, ERRORS = "session-", "crash-", "errors-"
"""How names of files begin: of programs that run or are gone, of crashes that were told, of
mistakes that the program survived."""
KEPT = 10
"""Newest files of each kind."""
RULE = "-" * 72 + "\n"
"""Ends the lines about versions."""
SHOWN = ("PySide6-Essentials", "torch", "numpy")
CRASHED = ("Fatal Python error", "Windows fatal exception")
"""How faulthandler begins."""
_FILE = re.compile(r'^(\s*File )"([^"]*)"', re.MULTILINE)


@dataclass(frozen=True)
class Ended:
    """A program that has not ended well.

    Attributes
    ----------
    how: `crash`: with a report in `path`; `killed`: from outside, and nothing is kept of it.
    command: `window`, or what it did instead.
    when: local time of its last sign of life.
    """

    how: Literal["crash", "killed"]
    command: str
    when: str
    path: Path

    def report(self) -> str:
        """The text of the report; empty where there is none any more."""
        try:
            return self.path.read_text("utf-8", "replace")
        except OSError:
            return ""


@contextlib.contextmanager
def watching(command: str) -> Iterator[None]:
    """Write crashes to a file of this program's own as long as the block lasts."""
    log = _CrashLog.begin(command)
    if log is not None:
        _active.append(log)
    try:
        yield
    finally:
        if log is not None:
            _active.remove(log)
            log.end()


def note(report: str) -> Path | None:
    """Keep the report of a mistake that the program survived; the file that it went into, as it
    will be called, or None where it could not be kept. The text must hold nothing of the user's
    data."""
    return _active[-1].note(report) if _active else None


def take_ended() -> tuple[Ended, ...]:
    """Programs that have ended badly since this was asked last, the newest first.

    Each is told once: its file is renamed, or removed where it says nothing.
    """
    folder = log_folder()
    found = []
    for path in _newest_first(folder, RUNNING):
        ended = _take(path)
        if ended is not None:
            found.append(ended)
    _keep_newest(folder)
    return tuple(found)


class _CrashLog:
    """The file of this program."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._began = os.fstat(file.fileno()).st_size

    @classmethod
    def begin(cls, command: str) -> _CrashLog | None:
        """Make the file; None, and faults go to stderr, where that is not possible."""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        try:
            folder = log_folder()
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{RUNNING}{stamp}-{os.getpid()}.txt"
            file = path.open("a", encoding="utf-8", newline="\n")
        except (OSError, RuntimeError):  # RuntimeError: this user has no home folder
            _report_to_stderr()
            return None
        try:
            _hold(file)
            file.write(_header(command))
            file.flush()
            log = cls(file, path)
            faulthandler.enable(file, all_threads=True)
        except OSError:  # the disk is full
            with contextlib.suppress(OSError):
                file.close()
            _remove(path)
            _report_to_stderr()
            return None
        _keep_newest(folder)
        return log

    def note(self, report: str) -> Path | None:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        try:
            self._file.write(f"{stamp} a mistake that the program survived\n{report}\n")
            self._file.flush()
        except OSError:
            return None
        return self._kept

    @property
    def _kept(self) -> Path:
        """Where mistakes are kept after the end."""
        return self._path.with_name(ERRORS + self._path.name.removeprefix(RUNNING))

    def end(self) -> None:
        faulthandler.disable()
        with contextlib.suppress(OSError):
            added = os.fstat(self._file.fileno()).st_size > self._began
            self._file.close()
            if added:
                os.replace(self._path, self._kept)
            else:
                self._path.unlink()


_active: list[_CrashLog] = []


def _header(command: str) -> str:
    """Versions, without a name of a file or a person."""
    found = [f"{name} {version}" for name, version in versions_of(SHOWN)]
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    return (
        f"{build_info().title()}\n"
        f"{command}, started {now}, process {os.getpid()}\n"
        f"Python {platform.python_version()}, {platform.platform()}\n"
        f"{', '.join(found)}\n{RULE}"
    )


def _report_to_stderr() -> None:
    """The next best place; a program without a terminal has none."""
    with contextlib.suppress(OSError, ValueError, AttributeError, RuntimeError):
        faulthandler.enable()


# ---------------------------------------------------------------- files of others


def _take(path: Path) -> Ended | None:
    """What became of the program that a file belongs to; None while it runs, or where another
    program is just telling it."""
    try:
        with path.open("r+", encoding="utf-8", errors="replace", newline="\n") as file:
            if not _hold(file):
                return None
            text = file.read()
            when = time.localtime(path.stat().st_mtime)
        head, _, added = text.partition(RULE)
        crashed = any(sign in added for sign in CRASHED)
        told = path.with_name((CRASH if crashed else ERRORS) + path.name.removeprefix(RUNNING))
        # Of two windows that start together one gets to rename or remove it, and that one tells.
        if added:
            os.replace(path, told)
            told.write_text(_without_folders(text), encoding="utf-8", newline="\n")
        else:
            path.unlink()
    except OSError:  # gone meanwhile, or (on Windows) still open in its program
        return None
    about = head.splitlines()
    command = about[1].split(",")[0] if len(about) > 1 else "window"
    return Ended(
        "crash" if crashed else "killed", command, time.strftime("%Y-%m-%d %H:%M", when), told
    )


def _hold(file: TextIO) -> bool:
    """Lock a file for as long as it is open; False where another program holds it, or where it
    cannot be told."""
    if sys.platform == "win32":
        return True  # what is open in a program cannot be removed there
    import fcntl

    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _without_folders(text: str) -> str:
    """Files of the program from their package on: what lies before may be a name."""
    return _FILE.sub(lambda found: f'{found[1]}"{program_path(found[2])}"', text)


def _newest_first(folder: Path, kind: str) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(folder.glob(f"{kind}*.txt"), reverse=True)
    return []


def _keep_newest(folder: Path) -> None:
    """Remove all but the newest of what was told; and of what nobody came to tell, too."""
    for kind in (CRASH, ERRORS):
        for path in _newest_first(folder, kind)[KEPT:]:
            _remove(path)
    for path in _newest_first(folder, RUNNING)[KEPT:]:
        _take(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
