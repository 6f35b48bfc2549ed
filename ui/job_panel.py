"""The jobs of a queue as a list: how far each is, what it says, and buttons to stop and resume."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import (
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    Qt,
)
from PySide6.QtGui import QAction, QKeySequence, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QStackedLayout,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.progress import Progress
from ui.dialog_parts import PlainTable
from ui.icons import keep_icon
from ui.run_queue import KEPT_LINES, QueuedJob, RunQueue, time_left_text
from ui.share_delegate import SHARE_ROLE, ShareDelegate
from ui.study_panel import percent_text
from ui.wizard_page import Words, describe

JOB, PROGRESS, LEFT, STATE = range(4)
_NEAR_THE_END = 4
"""Pixels from its end within which a log follows what is added."""

Index = QModelIndex | QPersistentModelIndex


class JobPanel(QWidget):
    """Shows a `RunQueue` and asks it to stop, resume, remove and move the job that is chosen."""

    def __init__(self, queue: RunQueue, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self._ids: list[int] = []
        self._titles: set[str] = set()
        self._shown: int | None = None  # whose log is shown

        heads = (self.tr("Job"), self.tr("Progress"), self.tr("Time left"), self.tr("State"))
        self.table = PlainTable(self.tr("Jobs"), heads, STATE)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setItemDelegateForColumn(PROGRESS, ShareDelegate(self.table))
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.table.customContextMenuRequested.connect(self._show_menu)
        self.table.itemSelectionChanged.connect(self._on_selection)
        header = self.table.horizontalHeader()
        for column in range(len(heads)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)

        self.stop_action = self._action(
            self.tr("Stop"), self.tr("Stop this job; what it has finished is kept"), self._stop
        )
        self.resume_action = self._action(
            self.tr("Resume"), self.tr("Go on with this job when its turn comes"), self._resume
        )
        self.remove_action = self._action(
            self.tr("Remove"), self.tr("Take this job off the list"), self._remove, "Delete"
        )
        self.earlier_action = self._action(
            self.tr("Earlier"), self.tr("Let this job run earlier"), self._earlier, "Ctrl+Up"
        )
        self.later_action = self._action(
            self.tr("Later"), self.tr("Let this job run later"), self._later, "Ctrl+Down"
        )
        keep_icon(self.remove_action, "remove")
        self._actions = (
            *(self.stop_action, self.resume_action, self.remove_action),
            *(self.earlier_action, self.later_action),
        )
        buttons = QHBoxLayout()
        self.buttons = tuple(_ActionButton(action) for action in self._actions)
        for button in self.buttons:
            buttons.addWidget(button)
        buttons.addStretch(1)

        self.problem = Words()
        self.problem.setAccessibleName(self.tr("What went wrong"))
        self.lines = QPlainTextEdit()
        self.lines.setReadOnly(True)
        self.lines.setMaximumBlockCount(KEPT_LINES)
        self.lines.setLineWrapMode(QPlainTextEdit.LineWrapMode.WidgetWidth)
        self.lines.setTabChangesFocus(True)
        self.lines.setPlaceholderText(self.tr("What the job says comes here."))
        describe(self.lines, self.tr("Log of the job"), self.tr("What the chosen job has said"))

        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.table, 1)
        column.addWidget(self.problem)
        column.addLayout(buttons)
        self.parts = QSplitter(Qt.Orientation.Horizontal)
        self.parts.addWidget(left)
        self.parts.addWidget(self.lines)
        self.parts.setStretchFactor(0, 3)
        self.parts.setStretchFactor(1, 2)
        self.parts.setChildrenCollapsible(False)
        self.parts.splitterMoved.connect(self._fit)
        self.empty = QLabel(self.tr("No jobs. Training and scoring show here how far they are."))
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        whole = QWidget()
        inside = QVBoxLayout(whole)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.parts)
        self._stack = QStackedLayout()
        self._stack.addWidget(whole)
        self._stack.addWidget(self.empty)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(4, 4, 4, 4)
        outside.addLayout(self._stack)

        queue.changed.connect(self._on_changed)
        queue.progressed.connect(self._on_progressed)
        self._fill()

    # -- what is shown

    @property
    def chosen(self) -> QueuedJob | None:
        """The job that buttons act on, and whose log is shown."""
        rows = self.table.selectionModel().selectedRows()
        return self._queue.job(self._ids[rows[0].row()]) if rows else None

    def choose(self, job_id: int) -> None:
        """Show the log of a job."""
        if job_id in self._ids:
            self._select(self._ids.index(job_id))

    def headline(self) -> str:
        """The running job in one line, for a status bar; empty where none runs."""
        job = self._queue.running
        if job is None:
            return ""
        waiting = sum(other.state == "waiting" for other in self._queue.jobs())
        parts = [f"{job.title}: {self.state_text(job)}"]
        if job.share is not None:
            parts.append(percent_text(job.share))
        if job.left_s is not None:
            parts.append(time_left_text(job.left_s, job.left_at_least))
        if waiting:
            parts.append(self.tr("{count} waiting").format(count=waiting))
        return " · ".join(parts)

    def state_text(self, job: QueuedJob) -> str:
        """Where a job is, in words."""
        if job.state == "running":
            return job.stage or self.tr("starting…")
        if job.state == "stopping":
            if job.stops_slowly:
                return self.tr("still stopping… it ends with what it is doing just now")
            return self.tr("stopping…")
        names = {
            "waiting": self.tr("waiting"),
            "finished": self.tr("finished"),
            "stopped": self.tr("stopped; can be resumed"),
            "failed": self.tr("failed"),
        }
        if job.problem:
            return f"{names[job.state]}: {job.problem}"
        return names[job.state]

    def _on_changed(self, job_id: int) -> None:
        job = self._queue.job(job_id)
        self._fill()
        chosen = self.chosen
        if job is not None and job.state == "running" and (chosen is None or chosen.has_ended):
            self.choose(job_id)

    def _on_progressed(self, job_id: int, progress: Progress) -> None:
        job = self._queue.job(job_id)
        if job is None or job_id not in self._ids:
            return
        self._show_job(self._ids.index(job_id), job)
        if progress.message and job_id == self._shown:
            self._add_line(progress.message)

    def _fill(self) -> None:
        """All jobs, with the chosen one still chosen."""
        jobs = self._queue.jobs()
        chosen = self.chosen
        self._ids = [job.id for job in jobs]
        self.table.blockSignals(True)
        self.table.clearSelection()
        self.table.setRowCount(len(jobs))
        for row, job in enumerate(jobs):
            self._show_job(row, job)
        titles = {job.title for job in jobs}
        if titles != self._titles:  # what the user has made wider stays so
            self._titles = titles
            self._fit()
        self.table.blockSignals(False)
        self._stack.setCurrentIndex(0 if jobs else 1)
        if chosen is not None and chosen.id in self._ids:
            self._select(self._ids.index(chosen.id))
        elif jobs:
            going_on = [k for k, job in enumerate(jobs) if not job.has_ended]
            self._select(going_on[0] if going_on else len(jobs) - 1)
        self._on_selection()

    def _show_job(self, row: int, job: QueuedJob) -> None:
        left = time_left_text(job.left_s, job.left_at_least) if job.is_going_on else ""
        share = job.share if job.state != "waiting" else None
        percent = "" if share is None else percent_text(share)
        state = self.state_text(job)
        said = f"{state}\n{job.message}" if job.message and not job.problem else state
        self._put(row, JOB, job.title, job.title)
        self._put(row, PROGRESS, percent, percent).setData(SHARE_ROLE, share)
        self._put(row, LEFT, left, left)
        self._put(row, STATE, state, said)

    def _put(self, row: int, column: int, text: str, tip: str) -> QTableWidgetItem:
        item = self.table.item(row, column)
        if item is None:
            item = QTableWidgetItem()
            self.table.setItem(row, column, item)
        if item.text() != text:
            item.setText(text)
        if item.toolTip() != tip:
            item.setToolTip(tip)
        return item

    def _fit(self, *_: object) -> None:
        metrics = self.fontMetrics()
        widest = max((metrics.horizontalAdvance(title) for title in self._titles), default=0)
        a_third = max(self.table.viewport().width() // 3, metrics.horizontalAdvance("x" * 12))
        widths = {
            JOB: min(widest + 16, a_third),
            PROGRESS: round(2.6 * metrics.horizontalAdvance("100 %")),
            LEFT: metrics.horizontalAdvance("about 1 h 20 min") + 14,
        }
        rest = self.table.viewport().width() - sum(widths.values())
        widths[STATE] = max(rest, metrics.horizontalAdvance("stopped; can be resumed"))
        for column, width in widths.items():
            self.table.setColumnWidth(column, width)

    def _select(self, row: int) -> None:
        flags = QItemSelectionModel.SelectionFlag
        self.table.selectionModel().setCurrentIndex(
            self.table.model().index(row, JOB), flags.ClearAndSelect | flags.Rows
        )

    def _on_selection(self) -> None:
        job = self.chosen
        waiting = [x.id for x in self._queue.jobs() if x.state == "waiting"]
        place = waiting.index(job.id) if job is not None and job.id in waiting else -1
        for action, enabled in (
            (self.stop_action, job is not None and job.can_stop),
            (self.resume_action, job is not None and job.can_resume),
            (self.remove_action, job is not None and not job.is_going_on),
            (self.earlier_action, place > 0),
            (self.later_action, 0 <= place < len(waiting) - 1),
        ):
            action.setEnabled(enabled)
        self._show_log(job)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self.table.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
            self._fit()

    # -- the log

    def _show_log(self, job: QueuedJob | None) -> None:
        wanted = None if job is None else job.id
        self.problem.say("" if job is None else job.problem)
        if wanted == self._shown:
            return
        self._shown = wanted
        self.lines.setPlainText("" if wanted is None else "\n".join(self._queue.log(wanted)))
        bar = self.lines.verticalScrollBar()
        bar.setValue(bar.maximum())

    def _add_line(self, text: str) -> None:
        bar = self.lines.verticalScrollBar()
        follows = bar.value() >= bar.maximum() - _NEAR_THE_END
        self.lines.appendPlainText(text)
        if follows:
            bar.setValue(bar.maximum())

    # -- asking

    def _stop(self) -> None:
        self._ask(self._queue.stop)

    def _resume(self) -> None:
        self._ask(self._queue.resume)

    def _remove(self) -> None:
        self._ask(self._queue.remove)

    def _earlier(self) -> None:
        job = self.chosen
        if job is not None:
            self._queue.move(job.id, -1)

    def _later(self) -> None:
        job = self.chosen
        if job is not None:
            self._queue.move(job.id, 1)

    def _ask(self, what: Callable[[int], None]) -> None:
        job = self.chosen
        if job is not None:
            what(job.id)

    def _show_menu(self, place: QPoint) -> None:
        if self.chosen is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addActions(self._actions)
        menu.popup(self.table.viewport().mapToGlobal(place))

    def _action(self, text: str, tip: str, slot: Callable[[], None], keys: str = "") -> QAction:
        action = QAction(text, self)
        if keys:
            action.setShortcut(QKeySequence(keys))
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
            shown = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            tip = f"{tip} ({shown})"
        action.setToolTip(tip)
        action.triggered.connect(slot)
        self.table.addAction(action)
        return action


class _ActionButton(QPushButton):
    """A button for an action: it is enabled with it."""

    def __init__(self, action: QAction) -> None:
        super().__init__(action.icon(), action.text())
        self._action = action
        self.setAutoDefault(False)
        self.setToolTip(action.toolTip())
        self.setAccessibleName(action.text())
        self.clicked.connect(action.trigger)
        action.changed.connect(self._follow)
        self._follow()

    def _follow(self) -> None:
        self.setEnabled(self._action.isEnabled())
        self.setIcon(self._action.icon())
