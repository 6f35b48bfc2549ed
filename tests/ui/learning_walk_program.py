"""What a walk through learning needs beside `walk_program`: a small study, looks at the screen, and
what the program has put on the clipboard."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.progress import RunContext
from core.sample_studies import create_sample_study
from core.study import Study
from core.study_runs import StudyRun, runs_of
from tests.ui.walk_program import PATIENCE_S, wait_for

WIDTH, HEIGHT = 1600, 1000
"""Pixels of the screen."""
TRAINED_WITHIN_S = 420.0
"""So long is waited for a training that takes half a minute on an idle machine."""
PEOPLE = 4
"""Recordings of the sample study that are kept, one of each person."""
TINY = {
    "model": {
        "preset": "fast",
        "encoder": {"code": 8, "widths": [8, 8, 8], "scales_s": [0.25], "latent_steps": 5},
        "aggregator": {"hidden": [16], "output": 8},
    },
    "pretrain": {"epochs": 20, "batch_size": 64, "loss": {"expander": [16]}},
    "evaluate": {"folds": 2, "budgets": [1.0], "opponents": ["majority"], "bootstrap": 100},
}
"""Settings that train for long enough to be stopped, and are good for nothing."""
STILL_S = 0.4
LOOK_EVERY_S = 0.1


def make_small_sample_study(folder: Path) -> None:
    """The sample study with fewer people, and with settings that are soon through."""
    create_sample_study(folder, RunContext())
    study = Study.open(folder)
    try:
        for entry in study.recordings()[PEOPLE:]:
            study.remove_recording(entry.id)
        settings = study.settings
        study.change_settings(replace(settings, engine={**settings.engine, **TINY}))
    finally:
        study.close()


def only_run(folder: Path) -> StudyRun | None:
    """The run of a study, as it is on the disk; None while there is none."""
    runs = runs_of(folder)
    assert len(runs) < 2, [run.title for run in runs]
    return runs[0] if runs else None


def wait_for_state(folder: Path, *states: str, patience_s: float = TRAINED_WITHIN_S) -> StudyRun:
    """Wait until the run of a study is in one of these states."""
    found = wait_for(
        lambda: (run := only_run(folder)) is not None and run.state in states and run,
        f"the run is {' or '.join(states)}",
        patience_s,
    )
    assert isinstance(found, StudyRun)
    return found


# ---------------------------------------------------------------- the screen


@contextmanager
def x_server_with_a_screen(folder: Path) -> Iterator[tuple[str, Screen]]:
    """An X server whose screen is a file in `folder`; yields its DISPLAY, and the screen."""
    reads, writes = os.pipe()
    server = subprocess.Popen(
        [
            *("Xvfb", "-displayfd", str(writes), "-screen", "0", f"{WIDTH}x{HEIGHT}x24"),
            *("-nolisten", "tcp", "-noreset", "-r", "-fbdir", str(folder)),
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
        yield f":{number}", Screen(folder / "Xvfb_screen0")
    finally:
        server.terminate()
        server.wait(PATIENCE_S)


class Screen:
    """What is to be seen, from the file in which Xvfb keeps it: an X window dump."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def look(self) -> np.ndarray:
        """The pixels now, uint8 (height, width, 3): red, green, blue."""
        content = self._path.read_bytes()
        header = np.frombuffer(content, ">u4", 25)
        start = int(header[0]) + 12 * int(header[19])  # behind the name and the colours
        width, height, line = int(header[4]), int(header[5]), int(header[12])
        assert header[11] == 32, "pixels are expected to have 32 bits"
        rows = np.frombuffer(content, np.uint8, height * line, start).reshape(height, line)
        pixels = rows[:, : 4 * width].reshape(height, width, 4)
        # Least significant byte first: blue, green, red, nothing.
        return pixels[:, :, 2::-1].copy() if header[7] == 0 else pixels[:, :, 1:].copy()

    def still(self, patience_s: float = PATIENCE_S) -> np.ndarray:
        """The pixels, as soon as they have not changed for a while."""
        until = time.monotonic() + patience_s
        before, since = self.look(), time.monotonic()
        while time.monotonic() - since < STILL_S:
            time.sleep(LOOK_EVERY_S)
            now = self.look()
            if not np.array_equal(now, before):
                before, since = now, time.monotonic()
            assert time.monotonic() < until, f"the screen was never still within {patience_s:g} s"
        return before

    def changed_from(self, before: np.ndarray) -> np.ndarray:
        """The pixels, as soon as they are others than before, and still."""
        wait_for(lambda: not np.array_equal(self.look(), before), "something changes on the screen")
        return self.still()

    def save(self, path: Path, pixels: np.ndarray) -> Path:
        """Write a picture, for whoever looks into a failed test."""
        from PySide6.QtGui import QImage

        pixels = np.ascontiguousarray(pixels)
        height, width, _ = pixels.shape
        image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
        assert image.save(str(path)), f"{path} could not be written"
        return path


def check_not_blank(path: Path) -> None:
    """A window is on the picture: many colours, and none of them nearly everywhere."""
    from PySide6.QtGui import QImage

    image = QImage(str(path)).convertToFormat(QImage.Format.Format_RGB32)
    assert (image.width(), image.height()) == (WIDTH, HEIGHT), path
    pixels = np.frombuffer(image.constBits(), np.uint32)
    colours, counts = np.unique(pixels, return_counts=True)
    assert len(colours) > 30, f"{path}: {len(colours)} colours"
    assert counts.max() < 0.9 * len(pixels), f"{path}: nearly all of it has one colour"


# ---------------------------------------------------------------- the clipboard

READ_CLIPBOARD = """
import sys
from PySide6.QtGui import QGuiApplication
application = QGuiApplication([])
sys.stdout.buffer.write(application.clipboard().text().encode())
"""


def clipboard_text(display: str) -> str:
    """What another program would paste now."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", READ_CLIPBOARD],
        env={**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb"},
        capture_output=True,
        timeout=PATIENCE_S,
        check=True,
    )
    return done.stdout.decode()
