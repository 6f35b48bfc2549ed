"""A crash leaves a report that the next start of the window tells, once; nothing else does."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMessageBox

from core.errors import RecordingError
from core.user_folders import log_folder
from crossl_app import crash_log
from crossl_app.__main__ import give_missing_streams
from crossl_app.cli import command_of
from crossl_app.gui import say_how_it_ended
from ui.main_window import MainWindow
from ui.messages import keep_reports_with, show_error
from ui.session import Session

CHILD = """
import ctypes, os, signal, sys
from crossl_app import crash_log
what, command = sys.argv[1:]
with crash_log.watching(command):
    print("here", flush=True)
    sys.stdin.readline()
    if what == "crash":
        ctypes.string_at(0)
    elif what == "mistake":
        print(crash_log.note("a report"), flush=True)
    elif what == "killed after a mistake":
        crash_log.note("a report")
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "exit":
        sys.exit(3)
"""
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


class Child:
    """A program with a log of its own, which waits to be told to go on."""

    def __init__(self, repository: Path, what: str, command: str, options: tuple[str, ...]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *options, "-P", "-c", CHILD, what, command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(repository)},
        )
        assert self.process.stdout.readline() == "here\n", self.process.communicate()

    def go_on(self) -> tuple[str, str]:
        """Until its end; what it said on stdout and stderr."""
        return self.process.communicate("\n", timeout=60)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


@pytest.fixture
def start(repository: Path) -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def begin(what: str, command: str = "window", options: tuple[str, ...] = ()) -> Child:
        children.append(Child(repository, what, command, options))
        return children[-1]

    yield begin
    for child in children:
        child.kill()


@pytest.fixture
def window(qtbot) -> Iterator[MainWindow]:
    window = MainWindow(Session())
    qtbot.addWidget(window)
    window.show()
    yield window
    window.close()


def logs() -> list[str]:
    """Kinds of the files that lie there."""
    return sorted(path.name.split("-")[0] for path in log_folder().glob("*"))


def told_boxes(window: MainWindow) -> list[QMessageBox]:
    return [box for box in window.findChildren(QMessageBox) if box.isVisible()]


@pytest.mark.parametrize("what", ["end", "exit"])
def test_a_clean_end_leaves_nothing(start, what: str) -> None:
    child = start(what)
    assert logs() == ["session"]
    said = child.go_on()
    assert said == ("", "")
    assert logs() == []


def test_the_file_says_versions_and_names_nothing(start) -> None:
    child = start("end", "batch")
    (path,) = log_folder().glob("*")
    lines = path.read_text("utf-8").splitlines()
    assert lines[0].startswith("crossl-app ")
    assert re.fullmatch(rf"batch, started [-0-9]+ [:0-9]+, process {child.process.pid}", lines[1])
    assert lines[2].startswith("Python 3.")
    assert "PySide6" in lines[3]
    assert "torch" in lines[3]
    assert len(lines) == 5
    for name in (str(Path.home()), os.environ.get("USER") or "/", platform.node()):
        assert name not in path.read_text("utf-8")


def test_a_crash_is_told_once_with_its_report(start, window: MainWindow, qtbot) -> None:
    child = start("crash")
    child.go_on()
    assert child.process.returncode != 0
    say_how_it_ended(window)
    (box,) = told_boxes(window)
    assert not box.isModal()
    assert "ended unexpectedly last time (20" in box.text()
    (path,) = log_folder().glob("crash-*.txt")
    assert str(path) in box.informativeText()
    copy = next(button for button in box.buttons() if "the report" in button.text())
    qtbot.mouseClick(copy, Qt.MouseButton.LeftButton)
    report = QGuiApplication.clipboard().text()
    assert report == path.read_text("utf-8") == box.detailedText()
    assert "Fatal Python error" in report
    assert "ctypes/__init__.py" in report
    files = re.findall(r'File "([^"]*)"', report)
    assert files
    assert not [name for name in files if Path(name).is_absolute()]
    assert box.isVisible()
    box.close()
    say_how_it_ended(window)
    assert told_boxes(window) == []
    assert logs() == ["crash"]


def test_a_crash_of_a_command_is_not_called_one_of_the_window(start, window: MainWindow) -> None:
    start("crash", "batch").go_on()
    say_how_it_ended(window)
    (box,) = told_boxes(window)
    assert box.text().startswith("A command of crossl-app ended unexpectedly")


def test_several_crashes_make_one_box(start, window: MainWindow) -> None:
    for child in [start("crash"), start("crash")]:
        child.go_on()
    say_how_it_ended(window)
    (box,) = told_boxes(window)
    assert "the last of 2 such ends" in box.text()
    assert logs() == ["crash", "crash"]


def test_programs_that_run_are_left_alone(start, window: MainWindow) -> None:
    running, crashed = start("end"), start("crash")
    crashed.go_on()
    ended = crash_log.take_ended()
    assert [one.how for one in ended] == ["crash"]
    assert logs() == ["crash", "session"]
    running.go_on()
    assert logs() == ["crash"]


def test_a_killed_window_is_said_in_the_status_bar_alone(start, window: MainWindow) -> None:
    start("end").kill()
    say_how_it_ended(window)
    assert told_boxes(window) == []
    assert "was ended from outside last time" in window.status.text.text()
    assert logs() == []


def test_a_killed_command_is_not_said(start, window: MainWindow) -> None:
    start("end", "batch").kill()
    before = window.status.text.text()
    say_how_it_ended(window)
    assert told_boxes(window) == []
    assert window.status.text.text() == before
    assert logs() == []


def test_a_mistake_that_was_survived_is_kept_and_not_told(start) -> None:
    said, _ = start("mistake").go_on()
    path = Path(said.strip())
    assert path.read_text("utf-8").endswith("a mistake that the program survived\na report\n")
    assert logs() == ["errors"]
    assert crash_log.take_ended() == ()


@on_posix
def test_a_mistake_before_a_kill_is_kept(start) -> None:
    start("killed after a mistake").go_on()
    (ended,) = crash_log.take_ended()
    assert ended.how == "killed"
    assert "a report" in ended.report()
    assert logs() == ["errors"]


def test_only_the_newest_are_kept(start) -> None:
    folder = log_folder()
    folder.mkdir(parents=True)
    for kind in (crash_log.CRASH, crash_log.ERRORS):
        for number in range(crash_log.KEPT + 3):
            (folder / f"{kind}20260101-0000{number:02d}-1.txt").write_text("old")
    start("crash").go_on()
    crash_log.take_ended()
    crashes = sorted(folder.glob("crash-*.txt"))
    assert len(crashes) == crash_log.KEPT
    assert "Fatal Python error" in crashes[-1].read_text("utf-8")
    assert len(list(folder.glob("errors-*.txt"))) == crash_log.KEPT


def test_a_folder_that_cannot_be_made_stops_nothing(start) -> None:
    folder = log_folder()
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder should be")
    child = start("crash")
    _, said = child.go_on()
    assert child.process.returncode != 0
    assert "Fatal Python error" in said, "the terminal is the next best place"
    assert crash_log.take_ended() == ()


def test_a_full_disk_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, window: MainWindow, capfd
) -> None:
    def full(command: str) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(crash_log, "_header", full)
    monkeypatch.setattr(crash_log, "_report_to_stderr", lambda: None)
    with crash_log.watching("window"):
        assert crash_log.note("a report") is None
    assert logs() == []


def test_the_box_of_a_mistake_names_the_file_that_keeps_it(qtbot, tmp_path: Path) -> None:
    kept: list[str] = []

    def keep(report: str) -> Path:
        kept.append(report)
        return tmp_path / "errors.txt"

    keep_reports_with(keep)
    try:
        box = show_error(ZeroDivisionError("a bug"))
        assert str(tmp_path / "errors.txt") in box.informativeText()
        assert kept == [box.detailedText()]
        expected = show_error(RecordingError("s1.edf: it is empty."))
        assert kept == [box.detailedText()], "what a user can act on is no mistake"
    finally:
        keep_reports_with(None)
    box.close()
    expected.close()


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ([], "window"),
        (["/home/anna/night.edf"], "window"),
        (["--batch", "run.json", "--output", "x"], "batch"),
        (["--model", "m", "--output", "x", "a.edf"], "batch"),
        (["--deidentify", "in.edf", "out.edf"], "deidentify"),
        (["--batch", "--help"], None),
        (["--version"], None),
        (["--doctor"], "doctor"),
        (["--doctor-qt", "x.json"], None),
    ],
)
def test_of_a_command_line_the_command_alone_is_kept(
    arguments: list[str], command: str | None
) -> None:
    assert command_of(arguments) == command


def test_a_program_without_a_console_prints_to_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    give_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        assert stream is not None
        print("nowhere", file=stream, flush=True)
        stream.close()
