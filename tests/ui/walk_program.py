"""The program under a real X server, as its users start it, driven from outside with xdotool."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = ("Xvfb", "xdotool")
PATIENCE_S = 20.0
"""So long is waited for what takes a second on an idle machine."""
LOOK_EVERY_S = 0.05


def missing_programs() -> list[str]:
    """What is needed and not installed."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


def wait_for(what: Callable[[], object], says: str, patience_s: float = PATIENCE_S) -> object:
    """Look again and again until `what` is true; returns it. AssertionError after `patience_s`."""
    until = time.monotonic() + patience_s
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < until, f"waited {patience_s:g} s in vain: {says}"
        time.sleep(LOOK_EVERY_S)


@contextmanager
def x_server() -> Iterator[str]:
    """An X server without a screen; yields its DISPLAY, which the server has chosen itself."""
    reads, writes = os.pipe()
    server = subprocess.Popen(
        [
            *("Xvfb", "-displayfd", str(writes), "-screen", "0", "1600x1000x24"),
            *("-nolisten", "tcp", "-noreset"),
            "-r",  # a key that is down for long, as the machine is busy, is still pressed once
        ],
        pass_fds=[writes],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writes)
    try:
        with os.fdopen(reads) as pipe:
            number = pipe.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(PATIENCE_S)


class Program:
    """One process of the program. Keys go to the window that was named last."""

    def __init__(self, display: str, home: Path, *arguments: str) -> None:
        self._env = {
            **os.environ,
            "DISPLAY": display,
            "QT_QPA_PLATFORM": "xcb",
            "HOME": str(home),
            "LOGNAME": "AB",  # who labels
            "LC_ALL": "C.UTF-8",
        }
        for name, folder in (
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_RUNTIME_DIR", "runtime"),
        ):
            self._env[name] = str(home / folder)
            (home / folder).mkdir(mode=0o700, exist_ok=True)
        for name in ("WAYLAND_DISPLAY", "QT_SCALE_FACTOR"):
            self._env.pop(name, None)
        self._said = home / f"stderr-{time.monotonic_ns()}.txt"
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "crossl_app", *arguments],
                env=self._env,
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        self.ended_by: int | None = None

    # -- windows

    def window(self, title: str) -> str:
        """Wait for a window whose title contains `title`, and let it have the keys."""

        def found() -> str:
            assert self.process.poll() is None, f"the program has ended:\n{self.said}"
            # The newest one: a dialog lies over its window.
            return (self._xdotool("search", "--onlyvisible", "--name", title) or [""])[-1]

        window = str(wait_for(found, f"a window '{title}'"))
        # Without a window manager nobody else hands the keys on.
        self._xdotool("windowfocus", "--sync", window)
        return window

    def is_shown(self, title: str) -> bool:
        """Whether such a window is there now."""
        return bool(self._xdotool("search", "--onlyvisible", "--name", title))

    # -- keys and mouse

    def keys(self, *names: str, pause_ms: int = 30) -> None:
        """Press keys, in xdotool's names: `ctrl+z`, `Tab`."""
        self._xdotool("key", "--clearmodifiers", "--delay", str(pause_ms), *names)

    def text(self, text: str) -> None:
        """Type a text."""
        self._xdotool("type", "--clearmodifiers", "--delay", "5", text)

    def typing(self, keys: str, pause_ms: int) -> subprocess.Popen[bytes]:
        """Type letters; the caller waits for the end of what is returned."""
        return subprocess.Popen(
            ["xdotool", "key", "--delay", str(pause_ms), *keys],
            env=self._env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def click(self, x: int, y: int) -> None:
        """Click at a place of the screen."""
        self._xdotool("mousemove", "--sync", str(x), str(y), "click", "1")

    # -- the end

    def wait_until_it_has_ended(self) -> int:
        """The exit status."""
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """As the computer's end would: without a warning."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    @property
    def said(self) -> str:
        """What it wrote to stdout and stderr."""
        return self._said.read_text("utf-8", "replace")

    def _xdotool(self, *arguments: str) -> list[str]:
        done = subprocess.run(
            ["xdotool", *arguments],
            env=self._env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return done.stdout.split()


@contextmanager
def program(display: str, home: Path, *arguments: str) -> Iterator[Program]:
    """The program, which does not outlive the test."""
    started = Program(display, home, *arguments)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.kill()
