"""A signal or the end of the session closes the window without questions, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import SIGNAL
from PySide6.QtWidgets import QApplication, QMessageBox

from core.study import Study
from core.study_runs import create_run, read_run
from core.user_folders import log_folder
from tests.conftest import RATER
from ui.closing import Closing
from ui.main_window import MainWindow

PROGRAM = Path(__file__).with_name("session_end_program.py")
PATIENCE_S = 120

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


class Child:
    """The program in a process of its own."""

    def __init__(self, repository: Path, folder: Path, what: str, **popen: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(PROGRAM), str(folder), what],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(repository)},
            **popen,
        )

    def hear(self) -> str:
        """The next line that it says."""
        line = self.process.stdout.readline().strip()
        assert line, self.process.communicate(timeout=PATIENCE_S)
        return line

    def end(self, complains: str = "") -> int:
        """Its exit status; it must have complained of nothing else."""
        _, said = self.process.communicate(timeout=PATIENCE_S)
        complaints = [
            line for line in said.splitlines() if "does not support propagateSizeHints" not in line
        ]
        assert [line for line in complaints if not complains or complains not in line] == []
        assert bool(complaints) == bool(complains)
        return self.process.returncode


@pytest.fixture
def start(repository: Path) -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def begin(folder: Path, what: str, **popen: Any) -> Child:
        children.append(Child(repository, folder, what, **popen))
        return children[-1]

    yield begin
    for child in children:
        child.process.kill()
        child.process.communicate(timeout=PATIENCE_S)


def assert_free(folder: Path) -> None:
    """Nobody has the study open, and no log was left behind."""
    study = Study.open(folder)
    try:
        assert not study.read_only, study.why_read_only
    finally:
        study.close()
    assert list(log_folder().glob("*")) == []


@on_posix
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_closes_the_window_and_lets_the_study_go(
    study_copy: Path, start: Callable[..., Child], number: signal.Signals
) -> None:
    child = start(study_copy, "look")
    assert child.hear() == "ready"
    child.process.send_signal(number)
    assert child.end() == 128 + number
    assert_free(study_copy)


@on_posix
@pytest.mark.slow
def test_a_window_with_an_open_wizard_closes_as_well(
    study_copy: Path, start: Callable[..., Child]
) -> None:
    child = start(study_copy, "wizard")
    assert child.hear() == "ready"
    child.process.send_signal(signal.SIGTERM)
    assert child.end() == 128 + signal.SIGTERM
    assert_free(study_copy)


@on_posix
@pytest.mark.slow
def test_labels_that_cannot_be_saved_do_not_hold_a_signal_up(
    study_copy: Path, start: Callable[..., Child]
) -> None:
    child = start(study_copy, "write")
    assert child.hear() == "ready"
    child.process.send_signal(signal.SIGTERM)
    assert child.end("1 edits of labels were not saved") == 128 + signal.SIGTERM
    assert_free(study_copy)


@pytest.mark.slow
def test_a_program_that_is_told_to_quit_lets_the_study_go(
    study_copy: Path, start: Callable[..., Child]
) -> None:
    child = start(study_copy, "quit")
    assert child.hear() == "ready"
    assert child.end() == 0
    assert_free(study_copy)


@on_posix
@pytest.mark.slow
def test_what_nohup_has_switched_off_stays_so(
    study_copy: Path, start: Callable[..., Child]
) -> None:
    child = start(
        study_copy, "look", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    assert child.hear() == "ready"
    child.process.send_signal(signal.SIGHUP)
    child.process.send_signal(signal.SIGTERM)
    assert child.end() == 128 + signal.SIGTERM


@on_posix
@pytest.mark.slow
def test_a_training_stops_at_sigterm_and_goes_on_at_the_next_start(
    study_copy: Path, start: Callable[..., Child]
) -> None:
    study = Study.open(study_copy)
    engine = {**study.settings.engine, "threads": 1, "predict": {"keep_embeddings": True}}
    long = {**engine, "pretrain": {**engine["pretrain"], "epochs": 60}}
    run = create_run(study, "cut short", long, [RATER])
    study.close()

    child = start(study_copy, "train")
    assert child.hear() == "ready"
    assert read_run(run.folder).state == "running"
    child.process.send_signal(signal.SIGTERM)
    assert child.end() == 128 + signal.SIGTERM
    stopped = read_run(run.folder)
    assert (stopped.state, stopped.error, stopped.can_resume) == ("stopped", "", True)
    assert list((run.folder / "checkpoints").glob("pretrain-*.safetensors"))
    assert not stopped.has_model
    assert_free(study_copy)

    child = start(study_copy, "finish")
    assert child.hear() == "ended finished"
    assert child.end() == 0
    assert read_run(run.folder).has_model
    assert "continued after epoch" in (run.folder / "run.log").read_text("utf-8")


# ---------------------------------------------------------------- the session of the desktop


class Manager:
    """Stands in for Qt's, which cannot be made: says whether one may ask, and notes answers."""

    def __init__(self, may_ask: bool) -> None:
        self._may_ask = may_ask
        self.done: list[str] = []

    def allowsInteraction(self) -> bool:
        return self._may_ask

    def cancel(self) -> None:
        self.done.append("cancel")

    def release(self) -> None:
        self.done.append("release")


@pytest.fixture
def window(qtbot, make_window, study_folder: Path) -> MainWindow:
    window = make_window()
    window._session.choose_rater("AB")
    window._session.open_path(study_folder)
    qtbot.waitUntil(lambda: window._session.labelling.journal is not None, timeout=20_000)
    return window


def make_unsaved(window: MainWindow) -> Any:
    """Give a label that the disk refuses; returns the connection that refuses."""
    labelling = window._session.labelling
    connection = window._session.study.file.connection
    connection.execute("PRAGMA query_only=1")
    labelling.label("N2")
    assert not labelling.is_saved
    return connection


def closing_of(window: MainWindow, qapp: QApplication) -> Closing:
    return Closing(qapp, window, window._session.labelling)


def test_qt_tells_of_the_end_of_the_session(window: MainWindow, qapp: QApplication) -> None:
    before = qapp.receivers(SIGNAL("commitDataRequest(QSessionManager&)"))
    closing_of(window, qapp)
    assert qapp.receivers(SIGNAL("commitDataRequest(QSessionManager&)")) == before + 1


@pytest.mark.parametrize("may_ask", [True, False])
def test_a_session_that_ends_is_not_held_up_when_all_is_saved(
    window: MainWindow, qapp: QApplication, may_ask: bool
) -> None:
    closing, manager = closing_of(window, qapp), Manager(may_ask)
    window._session.labelling.label("N2")
    closing.commit(manager)
    assert manager.done == []
    assert not window.findChildren(QMessageBox)
    assert window.isVisible(), "the session may go on after all"


def test_labels_that_cannot_be_saved_hold_the_session_up_where_it_lets_them(
    window: MainWindow, qapp: QApplication
) -> None:
    closing, manager = closing_of(window, qapp), Manager(may_ask=True)
    connection = make_unsaved(window)
    closing.commit(manager)
    assert manager.done == ["cancel", "release"]
    (box,) = window.findChildren(QMessageBox)
    assert box.isVisible()
    box.close()
    connection.execute("PRAGMA query_only=0")
    again = Manager(may_ask=True)
    closing.commit(again)
    assert again.done == []
    assert window._session.labelling.is_saved, "saving was tried once more"


def test_a_session_that_lets_nobody_ask_closes_the_window_all_the_same(
    window: MainWindow, qapp: QApplication
) -> None:
    closing, manager = closing_of(window, qapp), Manager(may_ask=False)
    make_unsaved(window)
    closing.commit(manager)
    assert manager.done == []
    assert not window.findChildren(QMessageBox)
    assert window.close()


def test_closing_ends_every_job_and_every_dialog(
    qtbot, window: MainWindow, qapp: QApplication
) -> None:
    window.commands.new_study()
    closing_of(window, qapp).close_window()
    shown = [widget for widget in QApplication.topLevelWidgets() if widget.isVisible()]
    assert shown == []
    assert window._session.study is None
