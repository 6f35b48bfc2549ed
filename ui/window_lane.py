"""What the lanes about predictions have in common: windows laid on columns of pixels, rows with
names, one clock with the traces, and a cursor for the keyboard.

A lane is painted in one pass: numpy fills a picture of its rows, column by column, so that its
cost goes by the pixels and not by the windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from html import escape

import numpy as np
import pyqtgraph as pg
from pyqtgraph.GraphicsScene.mouseEvents import HoverEvent, MouseClickEvent
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QFontMetrics,
    QImage,
    QKeyEvent,
    QPainter,
    QPalette,
    QPen,
    QPicture,
    QResizeEvent,
)
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from core.colours import OKABE_ITO
from ui.epoch_layer import View, ViewItem, draw_name
from ui.overview_bar import seen_on
from ui.time_plot import TimePlot, class_colour

FAINTEST = 0.4
"""Opacity of what covers next to nothing of a column of pixels: it is never lost."""
HATCH_PX = 5
"""Between the lines of a hatching."""
ROW_UNIT = 0.6
"""Height of a row of weight 1, of that of a line of text; at least half of that is kept."""
AXIS_MARGIN = 4
ORANGE = OKABE_ITO[5]
"""Of fragility and of what changes."""


# ---------------------------------------------------------------- windows on columns


class Cells:
    """Where the windows of a recording lie in time, in order, without overlap.

    `starts_s` and `ends_s` are float64 (windows,), in seconds from the recording's start.
    """

    def __init__(self, starts_s: np.ndarray, ends_s: np.ndarray) -> None:
        self.starts_s = np.asarray(starts_s, np.float64)
        self.ends_s = np.asarray(ends_s, np.float64)

    def __len__(self) -> int:
        return len(self.starts_s)

    @cached_property
    def lengths_s(self) -> np.ndarray:
        return self.ends_s - self.starts_s

    @cached_property
    def middles_s(self) -> np.ndarray:
        return (self.starts_s + self.ends_s) / 2

    def at(self, time_s: float) -> int | None:
        """The window whose cell a time lies in; None outside of all."""
        row = int(np.searchsorted(self.starts_s, time_s, side="right")) - 1
        return row if row >= 0 and time_s < self.ends_s[row] else None

    def near(self, time_s: float) -> int | None:
        """The window whose cell is nearest to a time; None where there are no windows."""
        if not len(self):
            return None
        row = max(int(np.searchsorted(self.starts_s, time_s, side="right")) - 1, 0)
        after = min(row + 1, len(self) - 1)
        gap = time_s - self.ends_s[row]
        return after if gap > self.starts_s[after] - time_s > 0 else row


class Totals:
    """Values of windows summed up over time, from which the mean of any column is read off.

    `values` are (k, windows); NaN counts as 0.
    """

    def __init__(self, cells: Cells, values: np.ndarray) -> None:
        if values.dtype != bool:
            values = np.where(np.isnan(values), 0.0, values)
        self.values = values
        self.before = np.zeros((len(values), len(cells) + 1))
        np.cumsum(values * cells.lengths_s, axis=1, out=self.before[:, 1:])


class Columns:
    """The windows of some cells on columns of pixels, whose borders are `edges_s` (columns + 1,).

    The windows that have a part in column c are `first[c]` to `last[c]` - 1.
    """

    def __init__(self, cells: Cells, edges_s: np.ndarray) -> None:
        self.cells = cells
        self.edges_s = edges_s
        self.first = np.searchsorted(cells.ends_s, edges_s[:-1], side="right")
        self.last = np.searchsorted(cells.starts_s, edges_s[1:], side="left")

    def __len__(self) -> int:
        return len(self.edges_s) - 1

    @cached_property
    def _inside(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each border: the window that began last before it, and how much of it is before."""
        row = np.searchsorted(self.cells.starts_s, self.edges_s, side="right") - 1
        row = np.maximum(row, 0)
        past = self.edges_s - self.cells.starts_s[row]
        return row, np.clip(past, 0.0, self.cells.lengths_s[row])

    def shares(self, totals: Totals) -> np.ndarray:
        """Mean of each value over each column, nothing counting as 0: (k, columns)."""
        if not len(self.cells):
            return np.zeros((len(totals.values), len(self)))
        row, inside = self._inside
        spent = totals.before[:, row] + totals.values[:, row] * inside
        shares = np.diff(spent, axis=1) / np.diff(self.edges_s)
        # What is left of sums that cancel out is nothing.
        shares[np.abs(shares) < 1e-9] = 0.0
        return shares

    def any(self, chosen: np.ndarray) -> np.ndarray:
        """Columns that have a part of a chosen window, at least two pixels wide: bool (columns,).

        `chosen` is bool (windows,). None is lost, however narrow.
        """
        count = np.concatenate(([0], np.cumsum(chosen)))
        there = count[np.maximum(self.last, self.first)] > count[self.first]
        alone = there.copy()
        alone[1:] &= ~there[:-1]
        alone[:-1] &= ~there[1:]
        there[1:] |= alone[:-1]
        return there

    @cached_property
    def pick(self) -> np.ndarray:
        """The window at the middle of each column, or else one that has a part of it; -1 where
        there is none: int64 (columns,)."""
        if not len(self.cells):
            return np.full(len(self), -1)
        middles = (self.edges_s[:-1] + self.edges_s[1:]) / 2
        row = np.searchsorted(self.cells.starts_s, middles, side="right") - 1
        is_in = (row >= 0) & (middles < self.cells.ends_s[np.maximum(row, 0)])
        return np.where(is_in, row, np.where(self.last > self.first, self.first, -1))

    @cached_property
    def _crowded(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Columns with whole windows in them, in order; those windows; and where each column's
        begin among them."""
        crowded = self.last - self.first >= 3
        low, high = np.searchsorted(self.cells.middles_s, (self.edges_s[0], self.edges_s[-1]))
        windows = np.arange(low, high)
        column = np.searchsorted(self.edges_s, self.cells.middles_s[low:high], side="right") - 1
        column = np.clip(column, 0, len(self) - 1)
        chosen = crowded[column]
        columns, begins = np.unique(column[chosen], return_index=True)
        return columns, windows[chosen], begins

    def leading(self, codes: np.ndarray, classes: int) -> np.ndarray:
        """The code that most windows of each column have, -1 among them and where there is no
        window: (rows, columns), from codes (rows, windows) of -1 to `classes` - 1."""
        result = self._picked(codes, -1)
        columns, windows, begins = self._crowded
        if len(columns):
            there = codes[:, windows]
            most = np.full((len(codes), len(columns)), -1)
            for code in range(-1, classes):
                votes = np.add.reduceat(there == code, begins, axis=1, dtype=np.int32)
                better = votes > most
                most[better] = votes[better]
                result[:, columns] = np.where(better, code, result[:, columns])
        return result

    def average(self, values: np.ndarray) -> np.ndarray:
        """Mean of the known values of each column, NaN where there are none: (rows, columns),
        from (rows, windows)."""
        result = self._picked(np.asarray(values, np.float64), np.nan)
        columns, windows, begins = self._crowded
        if len(columns):
            there = values[:, windows]
            known = np.isfinite(there)
            total = np.add.reduceat(np.where(known, there, 0.0), begins, axis=1)
            count = np.add.reduceat(known, begins, axis=1, dtype=np.int32)
            result[:, columns] = np.where(count, total / np.maximum(count, 1), np.nan)
        return result

    def _picked(self, values: np.ndarray, nothing: float) -> np.ndarray:
        if not len(self.cells):
            return np.full((len(values), len(self)), nothing, values.dtype)
        return np.where(self.pick >= 0, values[:, np.maximum(self.pick, 0)], nothing)


# ---------------------------------------------------------------- colours and pictures


def visible(colour: QColor | str, ground: QColor) -> QColor:
    """The colour, or one just so much lighter or darker that it is seen on a ground. Not to be
    changed by whoever gets it: it is kept."""
    return _visible(QColor(colour).rgb(), ground.rgb())


@lru_cache(maxsize=256)
def _visible(colour: int, ground: int) -> QColor:
    return seen_on(QColor.fromRgb(colour), QColor.fromRgb(ground))


def argb(colour: QColor) -> int:
    """An opaque colour as a pixel."""
    return colour.rgb()


def mixed(colour: QColor, ground: QColor, share: np.ndarray) -> np.ndarray:
    """Pixels of a colour on a ground, by its share of 0 to 1: uint32 of the same shape."""
    result = np.full(share.shape, 0xFF, np.uint32)
    for over, under in zip(colour.getRgb()[:3], ground.getRgb()[:3], strict=True):
        part = np.rint(under + (over - under) * share).astype(np.uint32)
        result = (result << 8) | part
    return result


def blend(colour: QColor, ground: QColor, share: float) -> QColor:
    """A colour on a ground, by its share of 0 to 1."""
    return QColor.fromRgb(int(mixed(colour, ground, np.array(share))))


class Picture:
    """Rows of a lane as pixels, clear at first; drawn in one go.

    `edges_s` are the borders of its columns. Rows are given by their first pixel and the one
    behind their last.
    """

    def __init__(self, view: View) -> None:
        self.left, self.top = round(view.area.left()), round(view.area.top())
        self._view = view
        height = max(1, int(view.area.height()))
        self.edges_s = view.range_s[0] + np.arange(view.columns + 1) / view.per_second
        self.pixels = np.zeros((height, view.columns), np.uint32)

    def rows(self, upper: float, lower: float, inset: int = 1) -> slice:
        """The pixels between two values of y, at least two of them."""
        first = round(self._view.y(upper)) - self.top + inset
        last = round(self._view.y(lower)) - self.top - inset
        last = max(last, first + 2)
        return slice(max(first, 0), max(min(last, len(self.pixels)), 0))

    def fill(self, rows: slice, colour: np.ndarray | int, where: np.ndarray | None = None) -> None:
        """One colour a column, in the columns `where`, else in all."""
        if where is None:
            self.pixels[rows] = colour
        else:
            np.copyto(self.pixels[rows], colour, where=where, casting="unsafe")

    def hatch(
        self, rows: slice, colour: np.ndarray | int, where: np.ndarray, rising: bool = True
    ) -> None:
        """Slanting lines over the columns `where`."""
        if not where.any():
            return
        across = np.arange(len(where)) % HATCH_PX
        part = self.pixels[rows]
        for k in range(min(HATCH_PX, len(part))):
            down = (rows.start + k) % HATCH_PX
            line = across == ((-down) % HATCH_PX if rising else down)
            np.copyto(part[k::HATCH_PX], colour, where=line & where, casting="unsafe")

    def stack(
        self, rows: slice, borders: np.ndarray, colours: Sequence[int], where: np.ndarray
    ) -> None:
        """Parts above each other in the columns `where`: part k of each column lies between
        `borders` k and k + 1, (parts + 1, columns), 0 the upper edge of the row and 1 the lower;
        the first and the last border are these.
        """
        part = self.pixels[rows]
        if not part.size or not where.any():
            return
        places = np.rint(np.clip(borders[:, where], 0.0, 1.0) * len(part)).astype(np.int64)
        places = np.maximum.accumulate(places, axis=0)
        places[0], places[-1] = 0, len(part)
        lengths = np.diff(places, axis=0)
        each = np.tile(np.array(colours, np.uint32), lengths.shape[1])
        part[:, where] = np.repeat(each, lengths.T.ravel()).reshape(-1, len(part)).T

    def draw(self, painter: QPainter) -> None:
        height, width = self.pixels.shape
        # Drawn while the pixels are there: no copy is needed.
        image = QImage(
            self.pixels.data, width, height, 4 * width, QImage.Format.Format_ARGB32_Premultiplied
        )
        painter.drawImage(QPointF(self.left, self.top), image)


# ---------------------------------------------------------------- rows and their names


@dataclass(frozen=True)
class LaneRow:
    """A row of a lane.

    Attributes
    ----------
    id: what it shows. title: its name on the left; note: more about it, below or behind.
    weight: its height beside the others'.
    marks: names of places in it, by their share of the row from its upper edge.
    is_marked: whether its name stands out.
    """

    id: str
    title: str
    weight: float
    note: str = ""
    marks: tuple[tuple[float, str], ...] = ()
    is_marked: bool = False


def row_edges(rows: Sequence[LaneRow]) -> np.ndarray:
    """Where rows lie in a plot: row k from y -edges[k] down to -edges[k + 1]."""
    return np.concatenate(([0.0], np.cumsum([row.weight for row in rows])))


def _spread(
    texts: Sequence[tuple[QRectF, float]], area: QRectF, slack: float
) -> list[float] | None:
    """Upper edges of texts, given by the row each is to be beside and its height, so that none
    lies on another; None where one would be beside another row than its own.

    A text that is no more than `slack` beside its row is still seen to be its name.
    """
    ys = []
    free = area.top()
    for row, height in texts:
        ys.append(max(row.center().y() - height / 2, free))
        free = ys[-1] + height
    end = area.bottom()
    for k in reversed(range(len(ys))):
        ys[k] = end = min(ys[k], end - texts[k][1])
    are_near = all(
        row.top() - slack < y + height and y < row.bottom() + slack
        for (row, height), y in zip(texts, ys, strict=True)
    )
    return ys if are_near and (not ys or ys[0] > area.top() - 2 * slack) else None


class RowAxis(pg.AxisItem):
    """Names of rows left of a lane; shortened where they are too long, moved apart where they
    would lie on each other, and left out of the thinnest rows where that is not enough."""

    row_clicked = Signal(int)

    def __init__(self) -> None:
        super().__init__("left")
        self._rows: tuple[LaneRow, ...] = ()

    @property
    def rows(self) -> tuple[LaneRow, ...]:
        return self._rows

    def set_rows(self, rows: Sequence[LaneRow]) -> None:
        """Name these rows."""
        self._rows = tuple(rows)
        self.picture = None
        self.update()

    def row_at(self, y: float) -> int | None:
        """The row that a value of y lies in."""
        row = int(np.searchsorted(row_edges(self._rows), -y, side="right")) - 1
        return row if 0 <= row < len(self._rows) else None

    def paint(self, p: QPainter, opt: object, widget: QWidget | None) -> None:
        # The base forgets its picture with every change of size, range and colour.
        if self.picture is None:
            self.picture = QPicture()
            painter = QPainter(self.picture)
            self._draw_rows(painter)
            painter.end()
        self.picture.play(p)

    def _draw_rows(self, p: QPainter) -> None:
        rect = self.mapRectFromParent(self.geometry())
        low, high = self.range
        view = self.getViewWidget()
        if not self._rows or high <= low or view is None:
            return
        p.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        p.setClipRect(rect)
        per_unit = rect.height() / (high - low)
        edges = rect.top() + (high + row_edges(self._rows)) * per_unit
        line = QFontMetrics(view.font()).height()
        named: list[tuple[LaneRow, QRectF, float]] = []
        for row, top, bottom in zip(self._rows, edges[:-1], edges[1:], strict=True):
            if bottom > rect.top() + 1 and top < rect.bottom() - 1:
                place = QRectF(rect.left(), top, rect.width() - AXIS_MARGIN, bottom - top)
                two_lines = bool(row.note) and place.height() >= 1.5 * line
                named.append((row, place, line * (2 if two_lines else 1)))
        ys: list[float] | None = []
        while named:
            ys = _spread([(place, high) for _, place, high in named], rect, line / 4)
            if ys is not None:
                break
            # The thinnest rows go without, the lowest first.
            named.pop(min(range(len(named)), key=lambda k: (named[k][0].weight, -k)))
        for (row, place, high), y in zip(named, ys or [], strict=True):
            self._draw_row(p, row, place, y, high > line, view)

    def _draw_row(
        self, p: QPainter, row: LaneRow, place: QRectF, y: float, two_lines: bool, view: QWidget
    ) -> None:
        font = view.font()
        font.setBold(row.is_marked)
        p.setFont(font)
        metrics = QFontMetrics(font)
        line = metrics.height()
        room = place.width()
        text, soft = self.textPen().color(), self.textPen().color()
        soft.setAlpha(170)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        gaps = np.diff([share for share, _ in row.marks])
        if row.marks and gaps.min(initial=1.0) * place.height() >= 0.85 * line:
            p.setPen(soft)
            widest = 0.0
            for share, name in row.marks:
                shown = metrics.elidedText(name, Qt.TextElideMode.ElideRight, int(0.45 * room))
                top = place.top() + share * place.height() - line / 2
                top = min(max(top, place.top()), place.bottom() - line)
                p.drawText(QRectF(place.left(), top, room, line), right, shown)
                widest = max(widest, metrics.horizontalAdvance(shown))
            room -= widest + 8
        lines = [row.title]
        if row.note:
            lines = [row.title, row.note] if two_lines else [f"{row.title} · {row.note}"]
        for k, said in enumerate(lines):
            p.setPen(soft if k else text)
            shown = metrics.elidedText(said, Qt.TextElideMode.ElideRight, int(room))
            p.drawText(QRectF(place.left(), y + k * line, room, line), right, shown)

    def hoverEvent(self, event: HoverEvent) -> None:
        row = None if event.isExit() else self._row_under(event.pos())
        named = self._rows[row] if row is not None else None
        self.setToolTip(" · ".join(filter(None, (named.title, named.note))) if named else "")

    def mouseClickEvent(self, event: MouseClickEvent) -> None:
        row = self._row_under(event.pos())
        if event.button() != Qt.MouseButton.LeftButton or row is None:
            event.ignore()
            return
        event.accept()
        self.row_clicked.emit(row)

    def _row_under(self, position: QPointF) -> int | None:
        rect = self.mapRectFromParent(self.geometry())
        low, high = self.range
        return self.row_at(high - (position.y() - rect.top()) / rect.height() * (high - low))


# ---------------------------------------------------------------- the lane


class _Painted(ViewItem):
    """Lets its lane draw, and hands it the mouse."""

    def __init__(self, lane: WindowLane) -> None:
        super().__init__()
        self._lane = lane

    def draw(self, painter: QPainter, view: View) -> None:
        self._lane.draw(painter, view)

    def mouseClickEvent(self, event: MouseClickEvent) -> None:
        place = self.mapFromScene(event.scenePos())
        if event.button() == Qt.MouseButton.LeftButton:
            event.accept()
            if not event.double():
                self._lane.click(float(place.x()), float(place.y()))
        elif event.button() == Qt.MouseButton.RightButton:
            event.accept()
            self._lane.ask_for_menu(float(place.x()), event.screenPos().toPoint())
        else:
            event.ignore()


class WindowLane(QWidget):
    """A lane about windows, linked to the traces. A kind of it draws, and says what it has drawn.

    A click goes to the place. With the keyboard, Left, Right, Home and End move a cursor from
    window to window, and Return goes there.
    """

    went_to = Signal(float)
    """A time in seconds that should be shown."""
    hovered = Signal(str)
    """What lies under the mouse or the cursor, in words; empty where there is no window."""
    window_clicked = Signal(int)
    menu_requested = Signal(int, QPoint)
    """A window, and the place on the screen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cells = Cells(np.empty(0), np.empty(0))
        self.cursor: int | None = None
        self._soft: dict[float, QColor] = {}  # looking colours up costs more than painting
        self.axis = RowAxis()
        self.plot = TimePlot(left=self.axis)
        self.item = _Painted(self)
        self.plot.addItem(self.item, ignoreBounds=True)
        self.plot.scene().sigMouseMoved.connect(self._on_mouse)
        self.plot.mouse_left.connect(self._on_left)
        self.plot.palette_changed.connect(self._on_palette)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        # The keys are taken here, wherever in the lane the mouse was pressed.
        self.plot.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.plot.setFocusProxy(self)

    # -- for kinds of it

    def draw(self, painter: QPainter, view: View) -> None:
        """Paint what is visible, in pixels."""
        raise NotImplementedError

    def describe(self, time_s: float) -> str:
        """The window at a time, in words; empty where there is none."""
        raise NotImplementedError

    def describe_at(self, time_s: float, y: float) -> str:
        """What lies at a place of the plot, in words."""
        del y
        return self.describe(time_s)

    def say(self, text: str) -> None:
        """Show what lies under the mouse or the cursor."""
        self.hovered.emit(text)

    def show_legend(self) -> None:
        """Show what the colours mean; asked for again with another palette or font."""

    # -- what is shown

    def link_to(self, plot: TimePlot) -> None:
        """Move along with another plot over time, and move it along."""
        self.plot.setXLink(plot)

    def set_duration(self, duration_s: float) -> None:
        """Limits of pan and zoom; the same as those of the traces."""
        whole = max(duration_s, 0.02)
        self.plot.getViewBox().setLimits(xMin=0.0, xMax=whole, minXRange=0.02, maxXRange=whole)

    def set_cells(self, cells: Cells) -> None:
        """Show other windows; the cursor stays where it is if they lie as those before."""
        same = np.array_equal(cells.starts_s, self.cells.starts_s)
        self.cells = cells
        if not same:
            self.cursor = None
            self._say_cursor()
        self.item.update()

    def set_cursor(self, row: int | None) -> None:
        """The window to outline; None for none."""
        row = row if row is not None and 0 <= row < len(self.cells) else None
        if row != self.cursor:
            self.cursor = row
            self._say_cursor()
            self.item.update()

    def row_px(self) -> float:
        """Height of a row of weight 1 for the present size of text."""
        return ROW_UNIT * QFontMetrics(self.font()).height()

    def soft(self, strength: float) -> QColor:
        """Between the background (0) and the colour of text (1)."""
        if strength not in self._soft:
            self._soft[strength] = self.plot.soft_colour(strength)
        return self._soft[strength]

    # -- mouse and keys

    def click(self, time_s: float, y: float) -> None:
        """What a click at a place of the plot asks for."""
        del y
        row = self.cells.at(time_s)
        self.set_cursor(row)
        if row is not None:
            self.window_clicked.emit(row)
        self.went_to.emit(time_s)

    def ask_for_menu(self, time_s: float, place: QPoint) -> None:
        row = self.cells.at(time_s)
        if row is not None:
            self.set_cursor(row)
            self.menu_requested.emit(row, place)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, count = event.key(), len(self.cells)
        row = self.cursor
        if not count or event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            super().keyPressEvent(event)
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            if row is None:
                low, high = self.plot.getViewBox().viewRange()[0]
                self._move_cursor(self.cells.near((low + high) / 2) or 0)
            else:
                by = 1 if key == Qt.Key.Key_Right else -1
                self._move_cursor(min(max(row + by, 0), count - 1))
        elif key == Qt.Key.Key_Home:
            self._move_cursor(0)
        elif key == Qt.Key.Key_End:
            self._move_cursor(count - 1)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and row is not None:
            self.go_to_cursor(row)
        else:
            super().keyPressEvent(event)

    def go_to_cursor(self, row: int) -> None:
        """What Return on a window asks for."""
        self.window_clicked.emit(row)
        self.went_to.emit(float(self.cells.middles_s[row]))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        # The mouse's own come as clicks.
        if event.reason() == QContextMenuEvent.Reason.Keyboard and self.cursor is not None:
            box = self.plot.getViewBox()
            middle = QPointF(self.cells.middles_s[self.cursor], box.viewRect().center().y())
            place = self.plot.mapFromScene(box.mapViewToScene(middle))
            self.menu_requested.emit(self.cursor, self.plot.mapToGlobal(place))

    def _move_cursor(self, row: int) -> None:
        self.set_cursor(row)
        box = self.plot.getViewBox()
        low, high = box.viewRange()[0]
        start, end = float(self.cells.starts_s[row]), float(self.cells.ends_s[row])
        if start < low or end > high:
            span = high - low
            left = start - 0.1 * span if start < low else end + 0.1 * span - span
            box.setXRange(left, left + span, padding=0)
        self.say(self.describe_cursor())

    def describe_cursor(self) -> str:
        """What the cursor is on, in words."""
        if self.cursor is None:
            return ""
        return self.describe(float(self.cells.middles_s[self.cursor]))

    def _say_cursor(self) -> None:
        """For screen readers."""
        keys = self.keys_in_words()
        said = self.describe_cursor()
        self.setAccessibleDescription(f"{said}. {keys}" if said else keys)

    def keys_in_words(self) -> str:
        return self.tr(
            "Left and Right go from window to window, Return shows the window in the traces, the "
            "menu key opens the menu."
        )

    def _on_mouse(self, position: QPointF) -> None:
        box = self.plot.getViewBox()
        text = ""
        if box.sceneBoundingRect().contains(position):
            place = box.mapSceneToView(position)
            text = self.describe_at(float(place.x()), float(place.y()))
        self.say(text)

    def _on_left(self) -> None:
        self.say("")

    def _on_palette(self) -> None:
        self._soft.clear()
        self.show_legend()
        self.item.update()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.item.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.item.update()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self.axis.set_rows(self.axis.rows)
            self.on_font()

    def on_font(self) -> None:
        """The size of text has changed."""

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fit_minimum()

    def fit_minimum(self) -> None:
        """Keep room for all lines of a legend, which are more in a narrow window."""
        layout = self.layout()
        if layout is not None and layout.hasHeightForWidth():
            self.setMinimumHeight(layout.minimumHeightForWidth(self.width()))

    # -- drawing

    def draw_cursor(
        self, painter: QPainter, view: View, top: float | None = None, bottom: float | None = None
    ) -> None:
        """Outline the window of the cursor, over the whole height or between two pixels."""
        if self.cursor is None or self.cursor >= len(self.cells):
            return
        left = max(view.x(float(self.cells.starts_s[self.cursor])), view.area.left() - 2)
        right = min(view.x(float(self.cells.ends_s[self.cursor])), view.area.right() + 2)
        if right <= view.area.left() or left >= view.area.right():
            return
        top = view.area.top() if top is None else top
        bottom = view.area.bottom() if bottom is None else bottom
        rect = QRectF(round(left), top, max(round(right - left), 4), bottom - top)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self.plot.text_colour(), 1))
        painter.drawRect(rect.adjusted(0, 0, -1, -1))
        if self.hasFocus():
            painter.setPen(QPen(self.plot.palette().color(QPalette.ColorRole.Highlight), 1))
            painter.drawRect(rect.adjusted(1, 1, -2, -2))


# ---------------------------------------------------------------- what is missing


def missing_rows(
    present: np.ndarray, modalities: Sequence[str], title: str, weight: float = 1.4
) -> list[LaneRow]:
    """A row for the modalities that are missing somewhere; one for all that are missing in the
    same windows. `present` is bool (windows, modalities), `title` has the place `{names}`.
    """
    groups: dict[bytes, list[int]] = {}
    for k in range(len(modalities)):
        if not present[:, k].all():
            groups.setdefault(present[:, k].tobytes(), []).append(k)
    return [
        LaneRow(
            f"missing {group[0]}",
            title.format(names=", ".join(modalities[k] for k in group)),
            weight,
        )
        for group in groups.values()
    ]


def draw_missing(
    picture: Picture, columns: Columns, rows: slice, missing: np.ndarray, lane: WindowLane
) -> None:
    """Hatch one row where a modality is missing: bool (windows,)."""
    there = columns.last > columns.first
    picture.fill(rows, argb(lane.soft(0.06)), there)
    where = columns.any(missing)
    picture.fill(rows, argb(lane.soft(0.14)), where)
    picture.hatch(rows, argb(lane.soft(0.75)), where)


# ---------------------------------------------------------------- colours and words


def write_names(
    painter: QPainter,
    view: View,
    cells: Cells,
    codes: np.ndarray,
    names: Sequence[str],
    colours: Sequence[QColor],
    place: tuple[float, float],
) -> None:
    """A name in each run of windows of one class that is wide enough.

    `codes` are int (windows,), -1 for no class; `place` is the upper and the lower edge in pixels.
    """
    metrics = QFontMetrics(painter.font())
    top, bottom = place
    if bottom - top < 0.8 * metrics.height():
        return
    low, high = view.range_s
    first = int(np.searchsorted(cells.ends_s, low, side="right"))
    last = int(np.searchsorted(cells.starts_s, high, side="left"))
    codes = codes[first:last]
    starts, ends = cells.starts_s[first:last], cells.ends_s[first:last]
    if not len(codes):
        return
    new = np.ones(len(codes), bool)
    new[1:] = (codes[1:] != codes[:-1]) | (starts[1:] > ends[:-1] + 1e-6)
    begins = np.flatnonzero(new)
    final = np.append(begins[1:], len(codes)) - 1
    left, right = np.maximum(starts[begins], low), np.minimum(ends[final], high)
    wide = (right - left) * view.per_second >= 2 * metrics.averageCharWidth() + 6
    for k in np.flatnonzero(wide & (codes[begins] >= 0)).tolist():
        code = int(codes[begins[k]])
        x = view.x(float(left[k]))
        box = QRectF(x, top, view.x(float(right[k])) - x, bottom - top)
        draw_name(painter, box, names[code], colours[code], metrics)


def class_colours(classes: Sequence[str], chosen: dict[str, str], ground: QColor) -> list[QColor]:
    """Colours of classes on a ground: as chosen by name, else by their place."""
    return [
        visible(chosen[name] if name in chosen else class_colour(k), ground)
        for k, name in enumerate(classes)
    ]


class OneLine(QLabel):
    """A line of text that is shortened to the room there is; the whole of it is its tooltip."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whole = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    @property
    def whole(self) -> str:
        return self._whole

    def say(self, text: str) -> None:
        self._whole = text
        self.setToolTip(text)
        self.setAccessibleDescription(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        metrics = QFontMetrics(self.font())
        self.setText(metrics.elidedText(self._whole, Qt.TextElideMode.ElideRight, self.width()))


def legend_entry(colour: QColor, name: str, mark: str = "■") -> str:
    """A mark in a colour with a name, as HTML that is not broken in the middle."""
    shown = escape(name).replace(" ", "&nbsp;")
    return f'<span style="color:{colour.name()}; font-size:large">{mark}</span>&nbsp;{shown}'
