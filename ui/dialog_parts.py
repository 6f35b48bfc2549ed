"""Parts that dialogs of files share: work with progress and a stop, rows for paths, tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from core.errors import CrosslError
from core.progress import Progress
from core.recording import Finding
from ui.dropping import take_files, welcome_files
from ui.jobs import LatestJob, Work
from ui.messages import show_error
from ui.wizard_page import SEEN_BOXES, Words, describe

PathKind = Literal["open", "save", "folder"]
_THOUSAND = 1000


class Paragraph(Words):
    """Words that take just the height that they need at their width."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)


class WorkRow(QWidget):
    """A line at the foot of a dialog that runs core work, shows its progress and can stop it.

    `succeeded` and `failed` carry what the work gave or raised; `cancelled` comes when the user
    has stopped it and it has ended. A newer request takes the place of the one that runs.
    """

    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    busy_changed = Signal(bool)

    def __init__(self, stages: Mapping[str, str], parent: QWidget | None = None) -> None:
        """`stages`: what the core's stages are called here."""
        super().__init__(parent)
        self.stage_names = dict(stages)
        self._stopped = False
        self._job = LatestJob(self)
        self._job.succeeded.connect(self.succeeded)
        self._job.failed.connect(self.failed)
        self._job.progressed.connect(self._on_progress)
        self._job.busy_changed.connect(self._on_busy)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(160)
        self.bar.setMaximumHeight(12)
        self.bar.setAccessibleName(self.tr("Progress"))
        self.words = Words()
        self.words.setWordWrap(False)
        self.stop = QPushButton(self.tr("Sto&p"))
        self.stop.setAutoDefault(False)
        describe(self.stop, self.tr("Stop"), self.tr("Stop what is being done (Alt+P)"))
        self.stop.clicked.connect(self.cancel)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.bar)
        row.addWidget(self.words, 1)
        row.addWidget(self.stop)
        self._on_busy(False)

    @property
    def is_busy(self) -> bool:
        return self._job.is_busy

    def start(self, work: Work, says: str) -> None:
        """Run `work` in the background; `says` is shown until it reports."""
        self._stopped = False
        self.words.setText(says)
        self.bar.setRange(0, 0)
        self._job.start(work)

    def cancel(self) -> None:
        """Ask the work to end; `cancelled` follows when it has."""
        if self.is_busy:
            self._stopped = True
            self.stop.setEnabled(False)
            self._job.drop()

    def show_step(self, says: str, done: int, total: int) -> None:
        """Show how far work is that is done in the window's thread; `total` 0: no more."""
        self.words.setText(says)
        self.bar.setVisible(total > 0)
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(done)

    def shut_down(self) -> None:
        """Stop, and wait until the work has ended. Before the dialog closes."""
        self._job.shut_down()

    def _on_progress(self, progress: Progress) -> None:
        if not progress.stage or self._stopped:
            return
        known = self.stage_names.get(progress.stage, progress.stage)
        self.words.setText(known)
        if progress.total:
            # Bytes of recordings do not fit the bar's 32 bits.
            self.bar.setRange(0, _THOUSAND)
            self.bar.setValue(round(_THOUSAND * progress.done / progress.total))
        else:
            self.bar.setRange(0, 0)

    def _on_busy(self, busy: bool) -> None:
        self.bar.setVisible(busy)
        self.stop.setVisible(busy)
        self.stop.setEnabled(busy)
        if not busy:
            self.words.setText("")
        self.busy_changed.emit(busy)
        if not busy and self._stopped:
            self._stopped = False
            self.cancelled.emit()


class OneByOne(QObject):
    """Calls a function for one value after the other, with the window alive in between.

    For what must be done in the window's thread, such as writing to an open study. `finished`
    carries a list of `(value, problem)`: problem is a sentence, or empty.
    """

    stepped = Signal(int, int)
    finished = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._step)
        self._values: list[Any] = []
        self._results: list[tuple[Any, str]] = []
        self._call: Callable[[Any], object] | None = None

    @property
    def is_busy(self) -> bool:
        return self._timer.isActive()

    def start(self, values: Sequence[Any], call: Callable[[Any], object]) -> None:
        """Begin; the calls come from the event loop."""
        self._values, self._results, self._call = list(values), [], call
        self._timer.start()

    def stop(self) -> None:
        """Leave out what has not been done yet."""
        self._values.clear()

    def _step(self) -> None:
        if not self._values:
            self._timer.stop()
            self.finished.emit(self._results)
            return
        value = self._values.pop(0)
        assert self._call is not None
        problem = ""
        try:
            self._call(value)
        except CrosslError as error:
            problem = str(error)
        except BaseException:
            self._values.clear()
            self._timer.stop()
            self.finished.emit(self._results)
            raise
        self._results.append((value, problem))
        self.stepped.emit(len(self._results), len(self._results) + len(self._values))


class PathRow(QWidget):
    """A path that is typed, or chosen with the button beside it."""

    changed = Signal()

    def __init__(self, name: str, kind: PathKind, filters: str = "", button: str = "") -> None:
        """`name`: what is chosen, in a word or two; `filters`: endings of the files to open."""
        super().__init__()
        self._kind, self._filters, self._name = kind, filters, name
        self._told = ""
        self.line = QLineEdit()
        self.browse = QPushButton(button or self.tr("&Browse…"))
        self.browse.setAutoDefault(False)
        describe(
            self.browse,
            self.tr("{name}: choose").format(name=name),
            with_key(self.tr("Choose in a window"), self.browse.text()),
        )
        self.browse.clicked.connect(self._browse)
        self.line.setAcceptDrops(False)  # it would show a URL
        self.setAcceptDrops(True)
        self.line.editingFinished.connect(self._tell)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line, 1)
        row.addWidget(self.browse)
        self.setFocusProxy(self.line)

    @property
    def path(self) -> Path | None:
        """The path; None while the field is empty."""
        text = self.line.text().strip()
        return Path(text).expanduser() if text else None

    def set_path(self, path: Path | None) -> None:
        """Show a path, and say that it changed."""
        self.line.setText("" if path is None else str(path))
        self._tell()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        welcome_files(event)

    def dropEvent(self, event: QDropEvent) -> None:
        paths = take_files(event)
        if paths:
            self.set_path(paths[0])

    def _browse(self) -> None:
        dialog = QFileDialog(self, self._name, str(self.path or ""), self._filters)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if self._kind == "folder":
            dialog.setFileMode(QFileDialog.FileMode.Directory)
            dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        elif self._kind == "open":
            dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        else:
            dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
            # What is there already is asked about later, with all files together.
            dialog.setOption(QFileDialog.Option.DontConfirmOverwrite)
        dialog.fileSelected.connect(self._take)
        dialog.open()

    def _take(self, path: str) -> None:
        self.set_path(Path(path))

    def _tell(self) -> None:
        if self.line.text() != self._told:
            self._told = self.line.text()
            self.changed.emit()


class PlainTable(QTableWidget):
    """A table to read, by rows; Tab leaves it."""

    def __init__(self, name: str, heads: Sequence[str], stretch: int) -> None:
        """`stretch`: the column that takes the room that is left."""
        super().__init__(0, len(heads))
        self.setAccessibleName(name)
        self.setHorizontalHeaderLabels(list(heads))
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setAlternatingRowColors(True)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        header = self.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        for column in range(len(heads)):
            mode = QHeaderView.ResizeMode.ResizeToContents
            if column == stretch:
                mode = QHeaderView.ResizeMode.Stretch
            header.setSectionResizeMode(column, mode)
        header.setMaximumSectionSize(420)

    def fill(self, rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> None:
        """Show these rows; columns in `numbers` stand to the right. Each text is its tooltip."""
        chosen = self.currentRow()
        self.setUpdatesEnabled(False)
        self.setRowCount(len(rows))
        for row, cells in enumerate(rows):
            for column, text in enumerate(cells):
                item = self.item(row, column) or QTableWidgetItem()
                item.setText(text)
                item.setToolTip(text)
                if column in numbers:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                if self.item(row, column) is None:
                    self.setItem(row, column, item)
        self.setUpdatesEnabled(True)
        if 0 <= chosen < len(rows):
            self.setCurrentCell(chosen, 0)

    def texts(self) -> list[list[str]]:
        """All that the table shows, row by row."""
        return [
            [self.item(row, column).text() for column in range(self.columnCount())]
            for row in range(self.rowCount())
        ]


class TickList(QListWidget):
    """Names with a tick each; Space ticks, and a click on the name does too."""

    changed = Signal()

    def __init__(self, name: str, tip: str) -> None:
        super().__init__()
        describe(self, name, tip)
        self.setStyleSheet(SEEN_BOXES)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.itemChanged.connect(self.changed)

    def fill(self, names: Sequence[str], ticked: Sequence[str]) -> None:
        """Show names in order, some of them ticked."""
        self.blockSignals(True)
        self.clear()
        for name in names:
            item = QListWidgetItem(name)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
                          | Qt.ItemFlag.ItemIsUserCheckable)  # fmt: skip
            self._tick(item, name in ticked)
            self.addItem(item)
        if names:
            self.setCurrentRow(0)
        self.blockSignals(False)
        self.changed.emit()

    @property
    def ticked(self) -> tuple[str, ...]:
        """The names with a tick, in the order in which they stand."""
        items = [self.item(row) for row in range(self.count())]
        return tuple(x.text() for x in items if x.checkState() == Qt.CheckState.Checked)

    def tick_all(self, ticked: bool) -> None:
        self.blockSignals(True)
        for row in range(self.count()):
            self._tick(self.item(row), ticked)
        self.blockSignals(False)
        self.changed.emit()

    def move_current(self, by: int) -> None:
        """Let the current name change places with its neighbour."""
        row = self.currentRow()
        if row < 0 or not 0 <= row + by < self.count():
            return
        self.blockSignals(True)
        item = self.takeItem(row)
        self.insertItem(row + by, item)
        self.setCurrentRow(row + by)
        self.blockSignals(False)
        self.changed.emit()

    @staticmethod
    def _tick(item: QListWidgetItem, ticked: bool) -> None:
        item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)


class FileDialogBase(QDialog):
    """A dialog with background work: it closes only when that has ended."""

    def __init__(self, title: str, stages: Mapping[str, str], parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.work = WorkRow(stages)
        self.work.failed.connect(self.tell)
        self.reason = Paragraph()
        self.reason.setAccessibleName(self.tr("What to look at"))
        self.reason.say("")

    def tell(self, error: BaseException) -> None:
        """Show what went wrong: in the dialog where the user can mend it, else as a report."""
        if isinstance(error, CrosslError):
            self.reason.say(str(error))
        else:
            show_error(error, self)

    def ask(
        self, title: str, question: str, more: str, yes: str, agreed: Callable[[], None]
    ) -> QMessageBox:
        """Ask before something is replaced; `agreed` is a method of the dialog."""
        box = QMessageBox(
            QMessageBox.Icon.Warning, title, question, QMessageBox.StandardButton.Cancel, self
        )
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setInformativeText(more)
        go = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
        go.clicked.connect(agreed)
        box.setDefaultButton(QMessageBox.StandardButton.Cancel)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()
        return box

    def make_foot(
        self,
        text: str,
        tip: str,
        start: Callable[[], None],
        leave: QDialogButtonBox.StandardButton = QDialogButtonBox.StandardButton.Close,
    ) -> QHBoxLayout:
        """What work is doing, a button `go` that starts it, and one to leave."""
        buttons = QDialogButtonBox(leave)
        self.go = buttons.addButton(text, QDialogButtonBox.ButtonRole.ActionRole)
        keyed(self.go, tip)
        self.go.setDefault(True)
        self.go.clicked.connect(start)
        self.leave = buttons.button(leave)
        self.leave.setAutoDefault(False)
        buttons.rejected.connect(self.reject)
        foot = QHBoxLayout()
        foot.addWidget(self.work, 1)
        foot.addWidget(buttons)
        return foot

    @property
    def is_writing(self) -> bool:
        """Whether work is under way that leaves something behind, and not only a preview."""
        return self.work.is_busy

    def reject(self) -> None:
        # The first Esc stops what is being written, the next one leaves.
        if self.is_writing:
            self.work.cancel()
            return
        super().reject()

    def done(self, result: int) -> None:
        self.work.shut_down()
        super().done(result)


def with_key(tip: str, text: str) -> str:
    """A tooltip with the key that a text's mark gives: `… (Alt+F)`."""
    place = text.replace("&&", "").find("&")
    return f"{tip} (Alt+{text.replace('&&', '')[place + 1].upper()})" if place >= 0 else tip


def named(text: str, editor: QWidget, tip: str) -> QLabel:
    """A label whose key leads to an editor, which gets its name and a tooltip with the key."""
    label = QLabel(text)
    target = editor.line if isinstance(editor, PathRow) else editor
    label.setBuddy(target)
    describe(target, text.replace("&", "").rstrip(":"), with_key(tip, text))
    return label


def keyed(button: QAbstractButton, tip: str) -> None:
    """Give a button its name and a tooltip with its key."""
    describe(button, button.text().replace("&", ""), with_key(tip, button.text()))


def findings_rows(found: Iterable[tuple[str, Iterable[Finding]]]) -> list[tuple[str, str]]:
    """Rows of a table of findings by the name of what they are about, each once."""
    return list(
        dict.fromkeys((name, finding.message) for name, findings in found for finding in findings)
    )
