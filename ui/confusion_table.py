"""The confusion matrix: counts and shares within each true class; a cell leads to its windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QKeyEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QSizePolicy,
    QStyle,
    QTableWidget,
    QTableWidgetItem,
)

from ui.appearance import text_on
from ui.figure_table import add_copy_action
from ui.label_palette import class_chip
from ui.study_panel import percent_text
from ui.time_plot import class_colour

RIGHT, WRONG = QColor("#0072B2"), QColor("#D55E00")
"""Colours on the diagonal, and beside it."""
ANY = ""
"""Class in `cell_chosen` for a row or column of sums."""
WIDEST = 24, 10
"""Letters of a name at rows and above columns; longer ones are cut, whole in the tooltip."""
CHIP_ROOM = 34


class ConfusionTable(QTableWidget):
    """Windows by true class (rows) and predicted class (columns), with sums.

    A click on a cell, or Enter, emits the names of its classes; a sum stands for any class. As high
    and as wide as it needs, at most as wide as there is room.
    """

    cell_chosen = Signal(str, str)
    """True class and predicted class; empty for any."""

    def __init__(self) -> None:
        super().__init__()
        self._classes: tuple[str, ...] = ()
        self._counts: tuple[tuple[int, ...], ...] = ()
        self._colours: dict[str, str] = {}
        self.setAccessibleName(self.tr("Confusion matrix"))
        self.setAccessibleDescription(
            self.tr("Rows are true classes, columns predicted ones. Enter lists a cell's windows.")
        )
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setCornerButtonEnabled(False)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.setHighlightSections(False)
            header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            header.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.cellClicked.connect(self._choose)
        self.copy_action = add_copy_action(self, self.copy)

    def set_confusion(
        self,
        classes: Sequence[str],
        counts: Sequence[Sequence[int]],
        colours: Mapping[str, str] | None = None,
    ) -> None:
        """Show counts, rows true and columns predicted in the order of `classes`.

        `colours`: of the classes, `#rrggbb` by name. An empty table for no classes.
        """
        self._classes = tuple(classes)
        self._counts = tuple(tuple(int(count) for count in row) for row in counts)
        self._colours = dict(colours or {})
        self._draw()

    def as_lines(self) -> list[str]:
        """The counts as text, columns apart by tabs, with sums."""
        total = self.tr("all")
        rows = [*self._counts, tuple(map(sum, zip(*self._counts, strict=True)))]
        lines = ["\t".join([self.tr("true / predicted"), *self._classes, total])]
        for name, row in zip((*self._classes, total), rows, strict=True):
            lines.append("\t".join([name, *map(str, row), str(sum(row))]))
        return lines

    def copy(self) -> None:
        """Put the counts on the clipboard."""
        QGuiApplication.clipboard().setText("\n".join(self.as_lines()))

    # -- drawing

    def _draw(self) -> None:
        chosen = self.currentRow(), self.currentColumn()
        self.clear()
        size = len(self._classes)
        whole = size + 1 if size else 0
        self.setRowCount(whole)
        self.setColumnCount(whole)
        total = self.tr("all")
        for place, name in enumerate((*self._classes, total)[:whole]):
            for horizontal in (True, False):
                item = QTableWidgetItem(name)
                item.setToolTip(name)
                if place < size:
                    default = class_colour(place).name()
                    item.setIcon(class_chip(self._colours.get(name, default)))
                if horizontal:
                    self.setHorizontalHeaderItem(place, item)
                else:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
                    )
                    self.setVerticalHeaderItem(place, item)
        sums = [sum(row) for row in self._counts]
        for row in range(size):
            for column in range(size):
                self._put_count(row, column, self._counts[row][column], sums[row])
            self._put_sum(row, size, sums[row], self._classes[row], ANY)
        everything = sum(sums)
        for column in range(size):
            count = sum(row[column] for row in self._counts)
            self._put_sum(size, column, count, ANY, self._classes[column])
        if size:
            self._put_sum(size, size, everything, ANY, ANY)
            self.setCurrentCell(*(chosen if chosen[0] in range(whole) else (0, 0)))
            self.clearSelection()
        self._fit()

    def _put_count(self, row: int, column: int, count: int, of: int) -> None:
        share = count / of if of else 0.0
        text = f"{count}\n{percent_text(share)}" if of else "0\n–"
        item = QTableWidgetItem(text if count or row == column else "·")
        item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
        says = self.tr("{true} taken for {predicted}") if row != column else self.tr("{true} found")
        says = says.format(true=self._classes[row], predicted=self._classes[column])
        says = self.tr("{what}: {count} windows, {share} of {true}").format(
            what=says, count=count, share=percent_text(share), true=self._classes[row]
        )
        item.setToolTip(says)
        item.setData(Qt.ItemDataRole.AccessibleTextRole, says)
        if count:
            base = self.palette().color(QPalette.ColorRole.Base)
            ground = mixed(base, RIGHT if row == column else WRONG, share)
            item.setBackground(ground)
            item.setForeground(text_on(ground))
        self.setItem(row, column, item)

    def _put_sum(self, row: int, column: int, count: int, true: str, predicted: str) -> None:
        item = QTableWidgetItem(str(count))
        item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
        if true:
            says = self.tr("{count} windows are {true}").format(count=count, true=true)
        elif predicted:
            says = self.tr("{count} windows are said to be {predicted}").format(
                count=count, predicted=predicted
            )
        else:
            says = self.tr("{count} windows in all").format(count=count)
        item.setToolTip(says)
        item.setData(Qt.ItemDataRole.AccessibleTextRole, says)
        item.setBackground(self.palette().color(QPalette.ColorRole.AlternateBase))
        self.setItem(row, column, item)

    # -- choosing

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.currentRow() >= 0:
                self._choose(self.currentRow(), self.currentColumn())
            return
        super().keyPressEvent(event)

    def _choose(self, row: int, column: int) -> None:
        names = (*self._classes, ANY)
        self.cell_chosen.emit(names[row], names[column])

    # -- size

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange) and hasattr(
            self, "_counts"
        ):
            self._draw()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        return QSize(self._width(), self._height())

    def minimumSizeHint(self) -> QSize:
        return QSize(min(self._width(), 260), self._height())

    def _fit(self) -> None:
        metrics = self.fontMetrics()
        letter = metrics.averageCharWidth()
        longest = max([metrics.horizontalAdvance(name) for name in self._classes], default=0)
        row, column = (
            min(max(longest, 5 * letter), widest * letter) + CHIP_ROOM for widest in WIDEST
        )
        self.horizontalHeader().setDefaultSectionSize(column)
        self.verticalHeader().setDefaultSectionSize(2 * metrics.lineSpacing() + 8)
        self.verticalHeader().setFixedWidth(row + 8)
        self.setMaximumWidth(self._width())
        self.updateGeometry()

    def _width(self) -> int:
        return (
            self.horizontalHeader().length() + self.verticalHeader().width() + 2 * self.frameWidth()
        )

    def _height(self) -> int:
        height = self.horizontalHeader().sizeHint().height() + self.verticalHeader().length()
        if self.horizontalHeader().length() > self.viewport().width() > 0:
            height += self.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
        return height + 2 * self.frameWidth()


def mixed(one: QColor, other: QColor, share: float) -> QColor:
    """`one` with some of `other` in it, by a share from 0 to 1; even a small one shows."""
    share = 0.1 + 0.75 * min(max(share, 0.0), 1.0)
    pairs = zip(one.getRgbF()[:3], other.getRgbF()[:3], strict=True)
    return QColor.fromRgbF(*(a + share * (b - a) for a, b in pairs))
