"""The list of jobs shows how far each is, and every button works by key and by mouse."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt, QThread
from PySide6.QtWidgets import QMenu, QPushButton

from core.errors import OutputError
from core.progress import RunContext
from ui.job_panel import JOB, LEFT, PROGRESS, SHARE_ROLE, STATE, JobPanel
from ui.run_queue import RunQueue


@pytest.fixture
def queue(qtbot) -> Iterator[RunQueue]:
    queue = RunQueue()
    yield queue
    queue.shut_down()


@pytest.fixture
def panel(qtbot, queue: RunQueue) -> JobPanel:
    panel = JobPanel(queue)
    qtbot.addWidget(panel)
    panel.resize(900, 220)
    panel.show()
    return panel


class Held:
    """Work that reports, says something, and goes on until it is let go or stopped."""

    def __init__(self) -> None:
        self.may_end = threading.Event()

    def __call__(self, context: RunContext) -> str:
        context.say("It has begun.")
        while not self.may_end.is_set():
            context.step("fold 0: pretraining", 3, 10)
            QThread.msleep(1)
        return "done"


def quick(context: RunContext) -> str:
    return "done"


def fail(context: RunContext) -> None:
    raise OutputError("The disk is full.")


def cell(panel: JobPanel, row: int, column: int) -> str:
    return panel.table.item(row, column).text()


def button(panel: JobPanel, text: str) -> QPushButton:
    (found,) = (button for button in panel.buttons if button.text() == text)
    return found


def can(panel: JobPanel) -> set[str]:
    return {button.text() for button in panel.buttons if button.isEnabled()}


def wait_idle(qtbot, queue: RunQueue) -> None:
    qtbot.waitUntil(lambda: not queue.is_busy, timeout=5000)


def test_without_jobs_it_says_what_comes_here(panel: JobPanel) -> None:
    assert panel.empty.isVisible()
    assert "No jobs" in panel.empty.text()
    assert panel.chosen is None
    assert can(panel) == set()
    assert panel.headline() == ""


def test_each_job_says_where_it_is(qtbot, queue: RunQueue, panel: JobPanel) -> None:
    held = Held()
    queue.add("First", "train", held, expected_s=180)
    queue.add("Second", "score", quick)
    qtbot.waitUntil(lambda: cell(panel, 0, STATE) == "fold 0: pretraining")
    assert [cell(panel, row, JOB) for row in range(2)] == ["First", "Second"]
    assert cell(panel, 1, STATE) == "waiting"
    assert cell(panel, 0, PROGRESS) == "30 %"
    assert panel.table.item(0, PROGRESS).data(SHARE_ROLE) == 0.3
    assert panel.table.item(1, PROGRESS).data(SHARE_ROLE) is None
    assert cell(panel, 1, LEFT) == ""
    assert panel.headline().startswith("First: fold 0: pretraining · 30 %")
    assert panel.headline().endswith("1 waiting")
    held.may_end.set()
    wait_idle(qtbot, queue)
    assert [cell(panel, row, STATE) for row in range(2)] == ["finished", "finished"]
    assert cell(panel, 0, PROGRESS) == "100 %"


def test_the_time_left_that_was_estimated_is_shown_at_once(
    qtbot, queue: RunQueue, panel: JobPanel
) -> None:
    held = threading.Event()
    queue.add("First", "train", lambda context: held.wait(5), expected_s=180)
    assert cell(panel, 0, LEFT) == "about 3 min"
    assert cell(panel, 0, STATE) == "starting…"
    held.set()
    wait_idle(qtbot, queue)


def test_the_log_of_the_chosen_job_is_shown_and_grows(
    qtbot, queue: RunQueue, panel: JobPanel
) -> None:
    held = Held()
    queue.add("First", "train", held)
    second = queue.add("Second", "train", lambda context: context.say("The second says this."))
    qtbot.waitUntil(lambda: panel.lines.toPlainText() == "It has begun.")
    panel.choose(second)
    assert panel.lines.toPlainText() == ""
    held.may_end.set()
    qtbot.waitUntil(lambda: panel.lines.toPlainText() == "The second says this.")
    assert "The second says this." in panel.table.item(1, STATE).toolTip()
    panel.table.selectRow(0)
    assert panel.lines.toPlainText() == "It has begun."
    wait_idle(qtbot, queue)


def test_a_running_job_stops_by_button_and_resumes(qtbot, queue: RunQueue, panel: JobPanel) -> None:
    held = Held()
    job_id = queue.add("First", "train", held)
    qtbot.waitUntil(lambda: cell(panel, 0, STATE) == "fold 0: pretraining")
    assert can(panel) == {"Stop"}
    button(panel, "Stop").click()
    assert cell(panel, 0, STATE) == "stopping…"
    assert cell(panel, 0, LEFT) == ""
    assert can(panel) == set()
    wait_idle(qtbot, queue)
    assert cell(panel, 0, STATE) == "stopped; can be resumed"
    assert can(panel) == {"Resume", "Remove"}
    button(panel, "Resume").setFocus()
    qtbot.keyClick(button(panel, "Resume"), Qt.Key.Key_Space)
    assert queue.job(job_id).is_going_on
    held.may_end.set()
    wait_idle(qtbot, queue)
    assert cell(panel, 0, STATE) == "finished"


def test_a_job_that_is_slow_to_stop_says_why(qtbot, queue: RunQueue, panel: JobPanel) -> None:
    may_end, begun = threading.Event(), threading.Event()

    def deaf(context: RunContext) -> None:
        begun.set()
        may_end.wait(10)

    queue._slow.setInterval(5)
    job_id = queue.add("First", "train", deaf)
    assert begun.wait(5)
    queue.stop(job_id)
    qtbot.waitUntil(lambda: cell(panel, 0, STATE).startswith("still stopping…"))
    may_end.set()
    wait_idle(qtbot, queue)


def test_a_failure_is_said_in_full_where_it_is_chosen(
    qtbot, queue: RunQueue, panel: JobPanel
) -> None:
    queue.add("First", "train", fail)
    wait_idle(qtbot, queue)
    assert cell(panel, 0, STATE) == "failed: The disk is full."
    assert panel.problem.isVisible()
    assert panel.problem.text() == "The disk is full."
    queue.add("Second", "train", quick)
    wait_idle(qtbot, queue)
    panel.table.selectRow(1)
    assert not panel.problem.isVisible()


def test_jobs_that_wait_change_places_and_go_by_key(
    qtbot, queue: RunQueue, panel: JobPanel
) -> None:
    held = Held()
    queue.add("a", "train", held)
    queue.add("b", "train", quick)
    last = queue.add("c", "train", quick)
    panel.choose(last)
    assert can(panel) == {"Stop", "Remove", "Earlier"}
    panel.table.setFocus()
    qtbot.keyClick(panel.table, Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
    assert [cell(panel, row, JOB) for row in range(3)] == ["a", "c", "b"]
    assert panel.chosen.title == "c", "it stays chosen"
    qtbot.keyClick(panel.table, Qt.Key.Key_Down, Qt.KeyboardModifier.ControlModifier)
    assert [cell(panel, row, JOB) for row in range(3)] == ["a", "b", "c"]
    qtbot.keyClick(panel.table, Qt.Key.Key_Delete)
    assert [job.title for job in queue.jobs()] == ["a", "b"]
    assert panel.chosen is not None
    held.may_end.set()
    wait_idle(qtbot, queue)


def test_the_job_that_starts_is_chosen_unless_another_is_going_to(
    qtbot, queue: RunQueue, panel: JobPanel
) -> None:
    queue.add("a", "train", quick)
    wait_idle(qtbot, queue)
    held = Held()
    queue.add("b", "train", held)
    assert panel.chosen.title == "b"
    held.may_end.set()
    wait_idle(qtbot, queue)


def test_a_menu_offers_what_the_buttons_do(qtbot, queue: RunQueue, panel: JobPanel) -> None:
    queue.add("a", "train", fail)
    wait_idle(qtbot, queue)
    panel.table.customContextMenuRequested.emit(panel.table.rect().center())
    (menu,) = panel.findChildren(QMenu)
    assert [action.text() for action in menu.actions()] == [b.text() for b in panel.buttons]
    menu.close()


def test_the_list_is_empty_after_the_queue_was_shut_down(
    qtbot, queue: RunQueue, panel: JobPanel
) -> None:
    queue.add("a", "train", Held())
    queue.add("b", "train", quick)
    queue.shut_down()
    assert panel.table.rowCount() == 0
    assert panel.empty.isVisible()
    assert panel.lines.toPlainText() == ""


def test_controls_have_names_and_tooltips(panel: JobPanel) -> None:
    for control in (*panel.buttons, panel.lines, panel.table):
        assert control.accessibleName()
        assert control.toolTip() or control is panel.table
    assert "(Del" in button(panel, "Remove").toolTip()
