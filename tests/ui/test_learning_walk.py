"""From the welcome page to an answer about sensors, under a real X server: train, stop, resume,
look at predictions, switch a sensor off, accept, and read which sensor can be lost.

The program is driven from outside by keys and mouse. What it has kept is asked of the files alone,
and what it shows is looked at on the screen.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.progress import RunContext
from core.run_results import RunResults
from core.study import Study
from core.study_file import STUDY_FILE
from core.subset_figures import answer_sentence, subset_figures
from tests.ui.learning_walk_program import (
    Screen,
    check_not_blank,
    clipboard_text,
    make_small_sample_study,
    wait_for_state,
    x_server_with_a_screen,
)
from tests.ui.walk_program import Program, missing_programs, program, wait_for

pytestmark = [pytest.mark.slow]

STOPPED_WITHIN_S = 30.0
"""A job stops within 3 s on a machine that has nothing else to do."""
GROWS_WITHIN_S = 90.0
"""So long is waited for the next point of a curve."""
# Without a window manager the window lies in the corner of the screen, at the size of a first
# start. What has no key is clicked on where it is then.
STOP, RESUME = (44, 856), (130, 856)
"""Buttons of the panel of jobs, at the bottom."""
RUNS, FIRST_RUN = (473, 97), (420, 150)
"""On the page Train: the list of runs, and its first line."""
ANSWER = (460, 137)
"""On the page Sensors."""


@pytest.fixture
def display(tmp_path: Path) -> Iterator[tuple[str, Screen]]:
    if not sys.platform.startswith("linux"):
        pytest.skip("X servers are for Linux")
    missing = missing_programs()
    if missing:
        why = f"not installed: {', '.join(missing)} (Debian: apt-get install xvfb xdotool)"
        if os.environ.get("CI", "").casefold() in ("true", "1"):
            pytest.fail(f"continuous integration has to walk through the program, but {why}")
        pytest.skip(why)
    folder = tmp_path / "screen"
    folder.mkdir()
    with x_server_with_a_screen(folder) as found:
        yield found


def labels_of_model(folder: Path) -> list[tuple[int, str]]:
    """Start in nanoseconds and class of every label that a model has given, by another connection
    while the program runs."""
    connection = sqlite3.connect(f"file:{folder / STUDY_FILE}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(
            "SELECT start_ns, label_class.name FROM label JOIN label_class"
            " ON label_class.id = class_id WHERE source = 'model' ORDER BY start_ns"
        ).fetchall()
    finally:
        connection.close()


class Album:
    """Pictures of the screen, which are kept for whoever looks into a failed test."""

    def __init__(self, screen: Screen, folder: Path) -> None:
        self.screen = screen
        self._folder = folder
        self.paths: list[Path] = []

    def keep(self, name: str, pixels: np.ndarray) -> np.ndarray:
        self.paths.append(self.screen.save(self._folder / f"{name}.png", pixels))
        return pixels

    def after(self, name: str, before: np.ndarray) -> np.ndarray:
        """What the screen shows as soon as it is another thing than before, and still."""
        return self.keep(name, self.screen.changed_from(before))


def quit_program(walker: Program) -> None:
    walker.keys("ctrl+q")
    assert walker.wait_until_it_has_ended() == 0
    assert walker.said.strip() == ""


def test_from_the_welcome_page_to_the_sensor_that_can_be_lost(
    display: tuple[str, Screen], tmp_path: Path
) -> None:
    number, screen = display
    home = tmp_path / "home"
    folder = home / "Documents" / "crossl-app" / "Sample study"
    folder.parent.mkdir(parents=True)
    make_small_sample_study(folder)
    album = Album(screen, tmp_path)
    with program(number, home) as walker:
        walker.window("^crossl-app$")
        walker.keys("Tab", "Tab", "Tab", "Tab", "space")
        walker.window("^01 – Sample study.* – crossl-app$")
        seen = album.keep("study", screen.still())

        # Train, stop, go on, and wait for the end.
        walker.keys("F6")
        seen = album.after("train", seen)
        walker.keys("ctrl+Return")
        wait_for_state(folder, "running")
        seen = keep_looking_while_it_trains(album)
        walker.click(*STOP)
        run = wait_for_state(folder, "stopped", patience_s=STOPPED_WITHIN_S)
        assert not run.has_model
        seen = album.after("stopped", seen)
        walker.click(*RESUME)
        wait_for_state(folder, "running")
        run = wait_for_state(folder, "finished", "partial", "failed")
        assert run.state == "finished", run.error
        seen = album.after("finished", seen)

        # Look at it with one sensor less, and accept what it says then.
        walker.keys("F5")
        seen = album.after("predictions", seen)
        assert labels_of_model(folder) == []
        walker.keys("alt+1")
        seen = album.after("switched_off", seen)
        walker.keys("ctrl+Return")
        wait_for(lambda: labels_of_model(folder), "a label of the model on the disk")
        seen = album.after("accepted", seen)

        walker.keys("F8")
        seen = album.after("sensors", seen)
        answer = copied_answer(walker, number)
        quit_program(walker)

    results = RunResults(run.folder)
    windows = results.windows("01")
    others = tuple(range(1, len(windows.modalities)))
    said = windows.classes[int(windows.probabilities(others)[0].argmax())]
    assert labels_of_model(folder) == [(0, said)]
    figures = subset_figures(results.everything(RunContext()), RunContext(), seed=seed_of(results))
    assert answer == answer_sentence(figures)
    study = Study.open(folder)
    try:
        (label,) = study.labels(study.recordings()[0].id, study.rater("AB").id).states
        assert label.source == "model"
        assert 0 < label.confidence < 1
    finally:
        study.close()
    for path in album.paths:
        check_not_blank(path)


def keep_looking_while_it_trains(album: Album) -> np.ndarray:
    """The curves grow: what is seen keeps changing, without a key."""
    before = album.screen.look()
    for name in ("running", "growing"):
        wait_for(
            lambda seen=before: not np.array_equal(album.screen.look(), seen),
            "the curves grow",
            GROWS_WITHIN_S,
        )
        before = album.keep(name, album.screen.look())
    return before


def copied_answer(walker: Program, display: str) -> str:
    """The answer of the page Sensors, as a user copies it; waits until it is there."""

    def copied() -> str:
        walker.click(*ANSWER)
        walker.keys("ctrl+a", "ctrl+c")
        return " ".join(clipboard_text(display).split())

    return str(wait_for(copied, "an answer about sensors"))


def seed_of(results: RunResults) -> int:
    assert results.config is not None
    return results.config.seed


def test_killed_while_it_trains_it_goes_on_after_the_next_start(
    display: tuple[str, Screen], tmp_path: Path
) -> None:
    number, screen = display
    home = tmp_path / "home"
    home.mkdir()
    folder = tmp_path / "Sample study"
    make_small_sample_study(folder)
    album = Album(screen, tmp_path)
    with program(number, home, str(folder)) as walker:
        walker.window("^01 – Sample study.* – crossl-app$")
        seen = screen.still()
        walker.keys("F6")
        album.after("train", seen)
        walker.keys("ctrl+Return")
        wait_for_state(folder, "running")
        keep_looking_while_it_trains(album)
        walker.kill()
    assert wait_for_state(folder, "running").has_model is False

    with program(number, home, str(folder)) as walker:
        walker.window("^01 – Sample study.* – crossl-app$")
        run = wait_for_state(folder, "stopped")
        assert run.can_resume
        seen = screen.still()
        walker.keys("F6")
        album.after("train_again", seen)
        walker.click(*RUNS)
        walker.click(*FIRST_RUN)
        album.keep("runs", screen.still())
        walker.keys("Return")
        wait_for_state(folder, "running")
        run = wait_for_state(folder, "finished", "partial", "failed")
        assert run.state == "finished", run.error
        quit_program(walker)
    for path in album.paths:
        check_not_blank(path)
