"""From the welcome page to labels that other programs read, and back, under a real X server.

The program is started as its users start it and driven from outside by keys and mouse. What it has
kept is asked of the files alone.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.label_files import read_labels
from core.progress import RunContext
from core.sample_studies import create_night_study
from core.study import Study
from core.study_file import STUDY_FILE
from tests.ui.walk_program import Program, missing_programs, program, wait_for, x_server

pytestmark = [pytest.mark.slow]

EPOCH_S = 2.0
"""Of the sample study."""
KEYS_PAUSE_MS = 40


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    if not sys.platform.startswith("linux"):
        pytest.skip("X servers are for Linux")
    missing = missing_programs()
    if missing:
        why = f"not installed: {', '.join(missing)} (Debian: apt-get install xvfb xdotool)"
        if os.environ.get("CI", "").casefold() in ("true", "1"):
            pytest.fail(f"continuous integration has to walk through the program, but {why}")
        pytest.skip(why)
    with x_server() as number:
        yield number


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


class OnDisk:
    """What the study file holds, read by a connection of its own while the program runs."""

    def __init__(self, folder: Path, rater: str) -> None:
        self.file = folder / STUDY_FILE
        self.rater = rater

    def classes(self) -> list[str]:
        """Classes of the rater's labels, in order of time; empty while there is no such study."""
        if not self.file.exists():
            return []
        connection = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=10)
        try:
            rows = connection.execute(
                "SELECT label_class.name FROM label JOIN label_class ON label_class.id = class_id"
                " JOIN rater ON rater.id = rater_id WHERE rater.name = ? ORDER BY start_ns",
                (self.rater,),
            )
            return [name for (name,) in rows]
        except sqlite3.OperationalError:  # its tables are being made
            return []
        finally:
            connection.close()

    def wait(self, expected: list[str]) -> None:
        """Wait until these classes are there, and no others."""
        try:
            wait_for(lambda: self.classes() == expected, f"{len(expected)} labels on the disk")
        except AssertionError:
            assert self.classes() == expected


def quit_program(walker: Program) -> None:
    walker.keys("ctrl+q")
    assert walker.wait_until_it_has_ended() == 0
    assert walker.said.strip() == ""


def test_from_the_welcome_page_to_labels_in_edf_and_csv_and_back(
    display: str, home: Path, tmp_path: Path
) -> None:
    study_folder = home / "Documents" / "crossl-app" / "Sample study"
    exported = tmp_path / "exported"
    exported.mkdir()
    disk = OnDisk(study_folder, "AB")
    with program(display, home) as walker:
        walker.window("^crossl-app$")
        walker.keys("Tab", "Tab", "Tab", "Tab", "space")
        walker.window("^01 – Sample study.* – crossl-app$")

        study = Study.open(study_folder, read_only=True)
        names = {entry.keys[0].lower(): entry.name for entry in study.scheme.states}
        study.close()
        letters = (sorted(names) * 5)[:30]
        typed = [names[letter] for letter in letters]
        walker.keys(*letters, pause_ms=KEYS_PAUSE_MS)
        disk.wait(typed)
        walker.keys("ctrl+z", "ctrl+z")
        disk.wait(typed[:28])
        export(walker, exported, "csv")
        export(walker, exported, "edf")
        # Back in the window, the next key labels again.
        walker.window("^01 – Sample study")
        walker.keys(letters[28])
        disk.wait(typed[:29])
        walker.keys("ctrl+z")
        disk.wait(typed[:28])
        quit_program(walker)

    check_exported(exported, typed[:28])
    study = Study.open(study_folder)
    try:
        assert not study.read_only
        recording = study.recordings()[0]
        labels = study.labels(recording.id, study.rater("AB").id)
        assert [(x.start_s, x.end_s, x.class_name, x.source) for x in labels.states] == [
            (EPOCH_S * k, EPOCH_S * (k + 1), name, "human") for k, name in enumerate(typed[:28])
        ]
        assert any("export" in entry.action for entry in study.audit())
    finally:
        study.close()

    with program(display, home, str(study_folder)) as walker:
        walker.window("^01 – Sample study.* – crossl-app$")
        walker.keys("ctrl+z")
        disk.wait(typed[:27])
        walker.keys("ctrl+shift+z", "ctrl+shift+z")
        disk.wait(typed[:29])
        quit_program(walker)


def export(walker: Program, folder: Path, format: str) -> None:
    """Write the labels of the shown recording, through the dialog, without the mouse."""
    before = set(folder.iterdir())
    walker.window("– crossl-app$")
    walker.keys("ctrl+shift+e")
    walker.window("^Export labels")
    walker.keys("alt+f")
    walker.text(format)  # chooses what begins with it
    walker.keys("alt+o", "ctrl+a")
    walker.text(str(folder))
    walker.keys("Return")
    wait_for(lambda: set(folder.iterdir()) - before, f"a file with {format}")
    walker.keys("Escape")
    wait_for(lambda: not walker.is_shown("^Export labels"), "the dialog has closed")


def check_exported(folder: Path, expected: list[str]) -> None:
    """The files say what was typed, to this program and to others."""
    import edfio
    import mne

    wanted = [(EPOCH_S * k, EPOCH_S, name) for k, name in enumerate(expected)]
    edf, csv = folder / "01_AB.edf", folder / "01_AB.csv"
    for path in (edf, csv):
        found = read_labels(path)
        assert [(x.onset_s, x.duration_s, x.text) for x in found.labels] == wanted, path
    by_edfio = edfio.read_edf(edf).annotations
    assert [(x.onset, x.duration, x.text) for x in by_edfio] == wanted
    by_mne = mne.read_annotations(edf)
    rows = zip(by_mne.onset, by_mne.duration, by_mne.description, strict=True)
    assert [(float(a), float(b), str(c)) for a, b, c in rows] == wanted
    lines = csv.read_text("utf-8-sig").splitlines()
    assert len(lines) == 1 + len(expected)


def test_killed_in_the_middle_of_typing_it_loses_no_label_that_was_on_the_disk(
    display: str, home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "night"
    create_night_study(folder, RunContext(), hours=1)
    disk = OnDisk(folder, "AB")
    letters = ("w1232r" * 20)[:120]
    names = {"w": "W", "1": "N1", "2": "N2", "3": "N3", "r": "R"}
    typed = [names[letter] for letter in letters]
    with program(display, home, str(folder)) as walker:
        walker.window("^night – Simulated night – crossl-app$")
        typing = walker.typing(letters, pause_ms=15)
        try:
            wait_for(lambda: len(disk.classes()) >= 40, "40 labels on the disk")
            there = disk.classes()
            walker.kill()
        finally:
            typing.wait()  # to its end: else a key of the X server might stay pressed
    kept = disk.classes()
    assert 40 <= len(there) <= len(kept) < len(typed), "it was not killed while typing"
    assert kept == typed[: len(kept)]

    with program(display, home, str(folder)) as walker:
        walker.window("^night – Simulated night – crossl-app$")
        walker.keys("ctrl+z")
        disk.wait(kept[:-1])
        # Undo has gone to where the kill came: the hour is labelled to its end from there.
        walker.keys(*letters[len(kept) - 1 :], pause_ms=KEYS_PAUSE_MS)
        disk.wait(typed)
        quit_program(walker)
