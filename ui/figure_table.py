"""Small tables of figures: some cells are dots on a scale, all is copied as text with tabs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from PySide6.QtCore import (
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QAction,
    QBrush,
    QColor,
    QFont,
    QGuiApplication,
    QIcon,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPalette,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from ui.appearance import VISIBLE, readable_on
from ui.icons import keep_icon

Index = QModelIndex | QPersistentModelIndex
ColumnKind = Literal["text", "number", "dot"]
MOST_ROWS = 24
"""Rows that are seen at once; a longer table scrolls."""
QWIDGETSIZE_MAX = (1 << 24) - 1
DOT_WIDTH = 14
"""Width of a column of dots, in letters."""
_DOT_ROLE = Qt.ItemDataRole.UserRole + 1
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_ALIGNMENTS = {"text": _LEFT, "number": _RIGHT, "dot": Qt.AlignmentFlag.AlignCenter}


@dataclass(frozen=True)
class Column:
    """A column: its heading, what it means, and what stands in it."""

    title: str
    tip: str = ""
    kind: ColumnKind = "number"


@dataclass(frozen=True)
class Dot:
    """A figure on a scale from 0 to 1, with an interval, and one to compare with.

    `value` None leaves the scale empty; `band`: interval of all together, drawn behind the dot.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    band: tuple[float, float] | None = None
    line: float | None = None


@dataclass(frozen=True)
class Row:
    """A line of a table. `strong`: ours; `soft`: stands apart from the others."""

    cells: tuple[str | Dot, ...]
    icon: QIcon | None = None
    strong: bool = False
    soft: bool = False
    tip: str = ""
    tips: tuple[str, ...] = field(default=())


class FigureTable(QTableWidget):
    """A table to read, as high as its lines need; Tab leaves it, Ctrl+C copies all of it."""

    row_chosen = Signal(int)
    """A line was clicked, or Enter pressed on it, where lines can be chosen."""

    def __init__(
        self,
        name: str,
        columns: Sequence[Column],
        tip: str = "",
        *,
        choosable: bool = False,
        wide_icons: bool = False,
    ) -> None:
        """`tip`: what the table shows; `choosable`: whether a click on a line means something;
        `wide_icons`: icons are pieces of lines."""
        super().__init__(0, 0)
        self._wide_icons = wide_icons
        self._choosable = choosable
        self._rows: tuple[Row, ...] = ()
        self._columns: tuple[Column, ...] = ()
        self.setAccessibleName(name)
        self.setAccessibleDescription(tip)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setCornerButtonEnabled(False)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self._dots = DotDelegate(self)
        self._plain = QStyledItemDelegate(self)
        self.copy_action = add_copy_action(self, self.copy)
        if choosable:
            self.cellClicked.connect(self._on_click)
        self.set_columns(columns)

    # -- content

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Other columns; the table is empty afterwards."""
        self._columns = tuple(columns)
        self._rows = ()
        self.clear()
        self.setRowCount(0)
        self.setColumnCount(len(columns))
        header = self.horizontalHeader()
        for place, column in enumerate(columns):
            item = QTableWidgetItem(column.title)
            item.setToolTip(column.tip or column.title)
            item.setTextAlignment(_ALIGNMENTS[column.kind])
            self.setHorizontalHeaderItem(place, item)
            dots = column.kind == "dot"
            self.setItemDelegateForColumn(place, self._dots if dots else self._plain)
            header.setSectionResizeMode(place, QHeaderView.ResizeMode.Interactive)
        self._fit()

    def fill(self, rows: Sequence[Row]) -> None:
        """Show these lines; the chosen one stays chosen."""
        chosen = self.currentRow()
        self._rows = tuple(rows)
        self.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for place, (column, cell) in enumerate(zip(self._columns, row.cells, strict=True)):
                self.setItem(number, place, self._item(row, place, column, cell))
        self._fit()
        if 0 <= chosen < len(rows):
            self.setCurrentCell(chosen, 0)

    def _item(self, row: Row, place: int, column: Column, cell: str | Dot) -> QTableWidgetItem:
        item = QTableWidgetItem()
        if isinstance(cell, Dot):
            item.setData(_DOT_ROLE, cell)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, _figure(cell.value))
        else:
            item.setText(cell)
        item.setTextAlignment(_RIGHT if column.kind == "number" else _LEFT)
        tip = row.tips[place] if place < len(row.tips) and row.tips[place] else row.tip
        item.setToolTip(tip or (cell if isinstance(cell, str) else column.tip))
        if place == 0 and row.icon is not None:
            item.setIcon(row.icon)
        font = QFont(self.font())
        font.setBold(row.strong)
        font.setItalic(row.soft)
        item.setFont(font)
        return item

    def texts(self) -> list[list[str]]:
        """All that the table shows, line by line; dots as their figures."""
        return [[_text(cell) for cell in row.cells] for row in self._rows]

    def as_lines(self) -> list[str]:
        """As text, columns apart by tabs; dots are left out, their figures stand beside them."""
        kept = [place for place, column in enumerate(self._columns) if column.kind != "dot"]
        lines = ["\t".join(self._columns[place].title for place in kept)]
        lines += ["\t".join(_text(row.cells[place]) for place in kept) for row in self._rows]
        return lines

    def copy(self) -> None:
        """Put the table on the clipboard."""
        QGuiApplication.clipboard().setText("\n".join(self.as_lines()))

    # -- choosing

    def keyPressEvent(self, event: QKeyEvent) -> None:
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if enter and self._choosable:
            if self.currentRow() >= 0:
                self.row_chosen.emit(self.currentRow())
            return
        super().keyPressEvent(event)

    def _on_click(self, row: int, column: int) -> None:
        self.row_chosen.emit(row)

    # -- size

    def sizeHint(self) -> QSize:
        return QSize(super().sizeHint().width(), self._height())

    def minimumSizeHint(self) -> QSize:
        return QSize(160, self._height())

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange) and self._is_made:
            self.fill(self._rows)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_dots()
        self.updateGeometry()  # a bar to scroll sideways comes and goes

    @property
    def _is_made(self) -> bool:
        return hasattr(self, "copy_action")

    def _fit(self) -> None:
        metrics = self.fontMetrics()
        side = metrics.ascent()
        self.setIconSize(QSize(2 * side if self._wide_icons else side, side))
        self.verticalHeader().setDefaultSectionSize(metrics.lineSpacing() + 8)
        for place, column in enumerate(self._columns):
            if column.kind == "dot":
                continue
            self.resizeColumnToContents(place)
            self.setColumnWidth(place, self.columnWidth(place) + metrics.averageCharWidth())
        scrolls = len(self._rows) > MOST_ROWS
        needed = Qt.ScrollBarPolicy.ScrollBarAsNeeded
        self.setVerticalScrollBarPolicy(
            needed if scrolls else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        )
        # Without a scale that takes all the room, it is as wide as its columns.
        width = self.horizontalHeader().length() + 2 * self.frameWidth()
        if scrolls:
            width += self.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
        self.setMaximumWidth(QWIDGETSIZE_MAX if self._dot_columns else width)
        self._fit_dots()
        self.updateGeometry()

    @property
    def _dot_columns(self) -> list[int]:
        return [place for place, column in enumerate(self._columns) if column.kind == "dot"]

    def _fit_dots(self) -> None:
        """Give columns of dots the room that is left, but never too little."""
        places = self._dot_columns
        if not places:
            return
        header = self.horizontalHeader()
        taken = header.length() - sum(header.sectionSize(place) for place in places)
        least = DOT_WIDTH * self.fontMetrics().averageCharWidth()
        room = (self.viewport().width() - taken) // len(places)
        for place in places:
            header.resizeSection(place, max(room, least))

    def _height(self) -> int:
        shown = min(len(self._rows), MOST_ROWS)
        height = self.horizontalHeader().sizeHint().height() + 2 * self.frameWidth()
        height += shown * self.verticalHeader().defaultSectionSize()
        if self.horizontalHeader().length() > self.viewport().width() > 0:
            height += self.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
        return height


class DotDelegate(QStyledItemDelegate):
    """Draws a `Dot`: a scale from 0 to 1, an interval, and the figures of all behind it."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        super().paint(painter, option, index)
        dot = index.data(_DOT_ROLE)
        if not isinstance(dot, Dot):
            return
        palette = option.palette
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        ground = palette.color(QPalette.ColorRole.Highlight if chosen else QPalette.ColorRole.Base)
        ink = palette.color(
            QPalette.ColorRole.HighlightedText if chosen else QPalette.ColorRole.Text
        )
        accent = ink if chosen else readable_on(QColor("#0072B2"), ground, VISIBLE)
        room = QRectF(option.rect).adjusted(8, 0, -8, 0)
        middle = room.center().y()

        def at(value: float) -> float:
            return room.left() + min(max(value, 0.0), 1.0) * room.width()

        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        faint = QColor(ink)
        if dot.band is not None:
            faint.setAlphaF(0.16)
            low, high = (at(value) for value in dot.band)
            painter.fillRect(QRectF(low, room.top(), high - low, room.height()), faint)
        faint.setAlphaF(0.45)
        painter.setPen(QPen(faint, 1))
        painter.drawLine(QPointF(room.left(), middle), QPointF(room.right(), middle))
        for tick in (0.0, 0.5, 1.0):
            painter.drawLine(QPointF(at(tick), middle - 3), QPointF(at(tick), middle + 3))
        if dot.line is not None:
            painter.setPen(QPen(ink, 1, Qt.PenStyle.DashLine))
            x = at(dot.line)
            painter.drawLine(QPointF(x, room.top()), QPointF(x, room.bottom()))
        painter.setPen(QPen(accent, 2))
        if dot.low is not None and dot.high is not None:
            painter.drawLine(QPointF(at(dot.low), middle), QPointF(at(dot.high), middle))
            for end in (dot.low, dot.high):
                painter.drawLine(QPointF(at(end), middle - 4), QPointF(at(end), middle + 4))
        if dot.value is not None:
            painter.setBrush(QBrush(accent))
            radius = 3.0 if dot.low is not None else 4.0
            painter.drawEllipse(QPointF(at(dot.value), middle), radius, radius)
        painter.restore()


def add_copy_action(widget: QWidget, copy: Callable[[], None]) -> QAction:
    """Ctrl+C on a widget, and 'Copy table' in its menu."""
    action = QAction(widget.tr("Copy table"), widget)
    keep_icon(action, "copy")
    action.setShortcut(QKeySequence(QKeySequence.StandardKey.Copy))
    action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
    action.triggered.connect(copy)
    widget.addAction(action)
    widget.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
    return action


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _text(cell: str | Dot) -> str:
    return _figure(cell.value) if isinstance(cell, Dot) else cell
