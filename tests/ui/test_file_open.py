"""Files that the system hands to the running program are opened as dropped ones are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent
from PySide6.QtGui import QFileOpenEvent
from PySide6.QtWidgets import QApplication

from ui.file_open import FileOpener


@pytest.fixture
def opener(qapp: QApplication) -> Iterator[FileOpener]:
    made = FileOpener(qapp)
    yield made
    qapp.removeEventFilter(made)
    made.deleteLater()


def test_files_that_come_together_are_handed_on_together(qapp, opener, qtbot) -> None:
    with qtbot.waitSignal(opener.asked) as caught:
        for name in ("/data/one.edf", "/data/two.edf"):
            assert qapp.sendEvent(qapp, QFileOpenEvent(name))
    assert caught.args == [[Path("/data/one.edf"), Path("/data/two.edf")]]


def test_other_events_pass(qapp: QApplication, opener: FileOpener) -> None:
    assert not opener.eventFilter(qapp, QEvent(QEvent.Type.User))


def test_the_window_opens_the_file(qapp, opener, make_window, edf: Path, qtbot) -> None:
    window = make_window()
    opener.asked.connect(window.commands.take_dropped)
    with qtbot.waitSignal(window.view.drawn, timeout=10_000):
        qapp.sendEvent(qapp, QFileOpenEvent(str(edf)))
    assert edf.name in window.windowTitle() or edf.stem in window.windowTitle()
