"""A list of windows to walk through: suggested ones, those of a cell of a matrix, of a lasso."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from PySide6.QtGui import QFont, QGuiApplication, QKeyEvent, QKeySequence, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStackedLayout,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from ui.icons import keep_icon
from ui.study_panel import percent_text

NUMBER, RECORDING, TIME, LABEL, PREDICTION, CONFIDENCE, FRAGILITY, WHY = range(8)
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_FIGURES = (NUMBER, TIME, CONFIDENCE, FRAGILITY)
_LONGEST_SAMPLE = "STANDING_UP_"
"""Columns take no more room at first; they can be dragged wider."""
_LOOKED_AT = 200
"""Lines of which the texts say how wide a column is."""

Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class ListedWindow:
    """One window as the list shows it.

    Attributes
    ----------
    recording: its name. start_s: seconds from the recording's start, which sorts. time: the same
        as it is written, of the clock or elapsed.
    label, predicted: names of classes; empty for none.
    confidence, fragility: 0 to 1; None where not known.
    why: why it is listed, in a few words.
    """

    recording: str
    start_s: float
    time: str
    label: str = ""
    predicted: str = ""
    confidence: float | None = None
    fragility: float | None = None
    why: str = ""


class WindowList(QWidget):
    """Lists windows and says which one is meant; whoever owns the labels shows and labels it.

    Windows are numbered by their place in what `set_rows` was given, however they are sorted.
    """

    window_chosen = Signal(int)
    """A window by its place in the rows that were set."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = _says()
        font = QFont(self.title.font())
        font.setBold(True)
        self.title.setFont(font)
        self.progress = _says()
        self.reason = _says()
        self.reason.setAccessibleName(self.tr("Why this window is listed"))
        self.model = WindowModel(self)
        self.table = _Table()
        self.table.setModel(self.model)
        self.table.setAccessibleName(self.tr("Windows"))
        self.table.setAccessibleDescription(
            self.tr("Enter goes to the window, Ctrl+C copies the list.")
        )
        self.table.chosen.connect(self._go)
        self.table.clicked.connect(self._go)
        self.table.copied.connect(self.copy_text)
        self._widths = [self.table.columnWidth(column) for column in range(WHY)]
        self._size_columns()
        self.previous = self._button(
            self.tr("Previous"), self.tr("Go to the window before in the list"), "previous"
        )
        self.next = self._button(
            self.tr("Next"), self.tr("Go to the next window in the list"), "next"
        )
        self.unlabelled = self._button(
            self.tr("Next unlabelled"), self.tr("Go to the next window without a label"), "label"
        )
        self.copy = self._button(
            self.tr("Copy"), self.tr("Copy the list, columns apart by tabs (Ctrl+C)"), "copy"
        )
        self.previous.clicked.connect(partial(self.step, -1))
        self.next.clicked.connect(partial(self.step, 1))
        self.unlabelled.clicked.connect(self.next_unlabelled)
        self.copy.clicked.connect(self.copy_text)
        # In two rows, so that the dock need not be wider than the one of labels.
        walk = QGridLayout()
        for place, button in enumerate((self.previous, self.next, self.unlabelled, self.copy)):
            walk.addWidget(button, *divmod(place, 2))

        self.message = _says()
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.title)
        column.addWidget(self.progress)
        column.addWidget(self.reason)
        column.addWidget(self.table, 1)
        column.addLayout(walk)
        self._stack = QStackedLayout()
        self._stack.addWidget(whole)
        self._stack.addWidget(self.message)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(6, 6, 6, 6)
        outer.addLayout(self._stack)
        self.set_rows((), "")

    def _button(self, text: str, tip: str, icon: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.setAutoDefault(False)
        # In a narrow dock the buttons give way before the table does.
        button.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        keep_icon(button, icon)
        return button

    def _size_columns(self) -> None:
        metrics = self.table.fontMetrics()
        widest = metrics.horizontalAdvance(_LONGEST_SAMPLE)
        for column, heading in enumerate(self.model.headings()[:WHY]):
            texts = self.model.column_texts(column, _LOOKED_AT)
            wanted = min(max(map(metrics.horizontalAdvance, (heading, *texts))), widest) + 14
            # What the user has set stays; a hidden column has no width.
            if self.table.columnWidth(column) in (0, self._widths[column]):
                self.table.setColumnWidth(column, wanted)
                self._widths[column] = wanted
        self.table.verticalHeader().setDefaultSectionSize(metrics.lineSpacing() + 8)

    # -- what is shown

    def set_rows(self, rows: Sequence[ListedWindow], title: str, empty: str = "") -> None:
        """List these windows, in this order; none of them is the current one.

        `empty`: what is said where there are none, in place of what the list is for.
        """
        self.model.set_rows(rows)
        self._size_columns()
        self.table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.table.scrollToTop()
        self.title.setText(title)
        for place, is_used in (
            (RECORDING, len({row.recording for row in rows}) > 1),
            (PREDICTION, any(row.predicted for row in rows)),
            (CONFIDENCE, any(row.confidence is not None for row in rows)),
            (FRAGILITY, any(row.fragility is not None for row in rows)),
            (WHY, any(row.why for row in rows)),
        ):
            self.table.setColumnHidden(place, not is_used)
        self.message.setText(
            empty
            or self.tr(
                "Windows are listed here to be walked through: those that are best labelled next, "
                "those of a cell of the confusion matrix, or those chosen on the map."
            )
        )
        self._stack.setCurrentIndex(0 if rows else 1)
        self._show_progress()

    def set_current(self, index: int | None) -> None:
        """Mark the window that the traces show, without asking for it; None for none."""
        self.model.set_current(index)
        self._show_current()

    def mark_done(self, index: int, label: str) -> None:
        """Show the label that a window has got; an empty one takes it away."""
        self.model.set_label(index, label)
        self._show_progress()

    @property
    def rows(self) -> tuple[ListedWindow, ...]:
        """All windows with their present labels, in the order in which they were set."""
        return self.model.rows

    @property
    def current(self) -> int | None:
        """The current window, by its place in `rows`."""
        return self.model.current

    @property
    def labelled(self) -> int:
        """How many windows have a label."""
        return self.model.labelled

    # -- walking

    def step(self, by: int) -> None:
        """Go so many lines on, as the list is sorted; the first step leads into it."""
        count = self.model.rowCount()
        if not count:
            return
        line = self.model.line_of(self.model.current)
        start = line if line is not None else -1 if by > 0 else count
        wanted = min(max(start + by, 0), count - 1)
        if wanted != line:
            self._go_to_line(wanted)

    def next_unlabelled(self) -> bool:
        """Go to the next window without a label, from the end on to the beginning; False where all
        have one."""
        line = self.model.line_of(self.model.current)
        wanted = self.model.next_unlabelled(line)
        if wanted is None:
            return False
        self._go_to_line(wanted)
        return True

    def _go_to_line(self, line: int) -> None:
        self._go(self.model.index(line, 0))

    def _go(self, index: Index) -> None:
        place = self.model.place(index.row())
        if place is None:
            return
        self.model.set_current(place)
        self._show_current()
        self.window_chosen.emit(place)

    def _show_current(self) -> None:
        line = self.model.line_of(self.model.current)
        if line is None:
            self.table.clearSelection()
        else:
            self.table.selectRow(line)
            self.table.scrollTo(self.model.index(line, 0))
        self._show_progress()

    def _show_progress(self) -> None:
        count, labelled = self.model.rowCount(), self.model.labelled
        text = self.tr("{labelled} of {count} labelled").format(
            labelled=f"{labelled:,}", count=f"{count:,}"
        )
        line = self.model.line_of(self.model.current)
        if line is not None:
            text += " · " + self.tr("line {line}").format(line=f"{line + 1:,}")
        self.progress.setText(text)
        current = self.model.current
        self.reason.setText("" if current is None else self.model.cell(current, WHY))
        self.reason.setVisible(bool(self.reason.text()))
        self.previous.setEnabled(count > 0 and line != 0)
        self.next.setEnabled(count > 0 and line != count - 1)
        self.unlabelled.setEnabled(labelled < count)

    # -- copying

    def as_text(self) -> str:
        """The list as it is sorted, with its headings; columns apart by tabs."""
        return self.model.as_text()

    def copy_text(self) -> None:
        QGuiApplication.clipboard().setText(self.as_text())

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange and hasattr(self, "table"):
            font = QFont(self.font())
            font.setBold(True)
            self.title.setFont(font)
            self._size_columns()


class WindowModel(QAbstractTableModel):
    """Windows line by line; sorting orders numbers, and 20,000 lines are no more work than ten."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[ListedWindow, ...] = ()
        self._labels: list[str] = []
        self._done: set[int] = set()
        self._order = np.empty(0, np.int64)
        self._lines = np.empty(0, np.int64)
        self.current: int | None = None

    @property
    def rows(self) -> tuple[ListedWindow, ...]:
        """As they were set, with their present labels."""
        return tuple(
            row if row.label == label else replace(row, label=label)
            for row, label in zip(self._rows, self._labels, strict=True)
        )

    @property
    def labelled(self) -> int:
        return sum(map(bool, self._labels))

    def set_rows(self, rows: Sequence[ListedWindow]) -> None:
        self.beginResetModel()
        self._rows = tuple(rows)
        self._labels = [row.label for row in rows]
        self._done.clear()
        self._set_order(np.arange(len(self._rows)))
        self.current = None
        self.endResetModel()

    def _set_order(self, order: np.ndarray) -> None:
        self._order = order
        self._lines = np.empty_like(order)
        self._lines[order] = np.arange(len(order))

    def set_current(self, index: int | None) -> None:
        """Mark a window by its place in the rows."""
        if index is not None and not 0 <= index < len(self._rows):
            index = None
        before, self.current = self.current, index
        for place in {before, index} - {None}:
            self._tell(place)

    def set_label(self, index: int, label: str) -> None:
        """Another label for a window; it then counts as done in this walk."""
        if not 0 <= index < len(self._rows):
            raise IndexError(f"there is no window {index} in the list")
        self._labels[index] = label
        (self._done.add if label else self._done.discard)(index)
        self._tell(index)

    def _tell(self, place: int | None) -> None:
        line = self.line_of(place)
        if line is not None:
            self.dataChanged.emit(self.index(line, 0), self.index(line, WHY))

    def line_of(self, index: int | None) -> int | None:
        """The line of a window, as the list is sorted."""
        return None if index is None else int(self._lines[index])

    def place(self, line: int) -> int | None:
        """The window of a line."""
        return int(self._order[line]) if 0 <= line < len(self._order) else None

    def next_unlabelled(self, line: int | None) -> int | None:
        """The next line without a label after this one, from the end on to the beginning."""
        count = len(self._order)
        start = -1 if line is None else line
        for step in range(1, count + 1):
            wanted = (start + step) % count
            if not self._labels[int(self._order[wanted])]:
                return wanted
        return None

    # -- for the table

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else WHY + 1

    def headings(self) -> tuple[str, ...]:
        return (
            self.tr("No."),
            self.tr("Recording"),
            self.tr("Time"),
            self.tr("Label"),
            self.tr("Prediction"),
            self.tr("Confidence"),
            self.tr("Fragility"),
            self.tr("Why"),
        )

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.headings()[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.tr("A click sorts by this column")
        return None

    def cell(self, place: int, column: int) -> str:
        """The text of a window in a column."""
        row = self._rows[place]
        if column == NUMBER:
            return str(place + 1)
        if column == CONFIDENCE:
            return "–" if row.confidence is None else percent_text(row.confidence)
        if column == FRAGILITY:
            return "–" if row.fragility is None else percent_text(row.fragility)
        if column == LABEL:
            return self._labels[place] or "–"
        return {RECORDING: row.recording, TIME: row.time, PREDICTION: row.predicted or "–"}.get(
            column, row.why
        )

    def column_texts(self, column: int, most: int) -> list[str]:
        """All that the first lines of a column may show, marks included."""
        marks = "▶ {} ✓" if column == NUMBER else "{}"
        places = self._order[:most].tolist()
        return [marks.format(self.cell(place, column)) for place in places]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        place = self.place(index.row()) if index.isValid() else None
        if place is None:
            return None
        column = index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            text = self.cell(place, column)
            if column == NUMBER:
                mark = "▶ " if place == self.current else ""
                return mark + text + (" ✓" if place in self._done else "")
            return text
        if role == Qt.ItemDataRole.TextAlignmentRole and column in _FIGURES:
            return _RIGHT
        if role == Qt.ItemDataRole.FontRole and place == self.current:
            font = QFont()
            font.setBold(True)
            return font
        if role == Qt.ItemDataRole.ForegroundRole and self.cell(place, column) == "–":
            return QGuiApplication.palette().color(QPalette.ColorRole.PlaceholderText)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._describe(place)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{self.headings()[column]}: {self.cell(place, column)}"
        return None

    def _describe(self, place: int) -> str:
        row = self._rows[place]
        parts = [f"{row.recording}, {row.time}", row.why]
        if place == self.current:
            parts.append(self.tr("shown in the traces"))
        if place in self._done:
            parts.append(self.tr("labelled in this walk"))
        parts.append(self.tr("A click, or Enter, goes there"))
        return "\n".join(part for part in parts if part)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order the lines; a negative column takes the order in which they were set."""
        count = len(self._rows)
        falls = order == Qt.SortOrder.DescendingOrder
        if column <= NUMBER:
            keys = np.arange(count, dtype=float)
        elif column == TIME:
            keys = np.array([row.start_s for row in self._rows])
        elif column in (CONFIDENCE, FRAGILITY):
            values = [
                row.confidence if column == CONFIDENCE else row.fragility for row in self._rows
            ]
            # What is not known comes last, either way.
            last = -np.inf if falls else np.inf
            keys = np.array([last if value is None else value for value in values])
        else:
            texts = [self.cell(place, column).casefold() for place in range(count)]
            keys = np.unique(np.array(texts, dtype=str), return_inverse=True)[1].astype(float)
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        places = [self.place(index.row()) for index in before]
        self._set_order(np.argsort(-keys if falls else keys, kind="stable").astype(np.int64))
        after = [
            self.index(int(self._lines[place]), index.column()) if place is not None else index
            for place, index in zip(places, before, strict=True)
        ]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def as_text(self) -> str:
        """Headings and lines as they are sorted, columns apart by tabs."""
        lines = ["\t".join(self.headings())]
        for place in self._order.tolist():
            cells = (self.cell(place, column) for column in range(WHY + 1))
            # A tab or a new line inside a text would break the table.
            lines.append("\t".join(" ".join(cell.split()) for cell in cells))
        return "\n".join(lines)


class _Table(QTableView):
    """A table in which Enter says which line is meant; Tab leaves it."""

    chosen = Signal(QModelIndex)
    copied = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setAlternatingRowColors(True)
        self.setSortingEnabled(True)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        header.setSortIndicatorClearable(True)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.currentIndex().isValid():
                self.chosen.emit(self.currentIndex())
        elif event.matches(QKeySequence.StandardKey.Copy):
            self.copied.emit()
        else:
            super().keyPressEvent(event)


def _says() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label
