"""The states of one rater over time: steps for ordered classes (a hypnogram), blocks for others.

Epochs are chosen and painted here with the mouse or the keys; the strip only asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyqtgraph.GraphicsScene.mouseEvents import HoverEvent, MouseClickEvent, MouseDragEvent
from PySide6.QtCore import QLineF, QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QBrush,
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QFontMetrics,
    QKeyEvent,
    QPainter,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import QVBoxLayout, QWidget

from core.label_scheme import LabelScheme
from core.study_labels import NS, EpochGrid, RecordingLabels, to_ns
from ui.epoch_layer import NARROWEST_EPOCH_PX, View, ViewItem, draw_name, translucent
from ui.overview_bar import StateTimeline, column_image, row_image
from ui.time_plot import TimePlot, clock_text

REM_NAMES = {"R", "REM"}
"""Classes that are drawn thick, as is the custom in hypnograms."""
FAINTEST = 0.4
"""Opacity of a class that covers next to nothing of a column of pixels."""
ROW_PX = 17
LONGEST_NAME = 16
LEFT = Qt.MouseButton.LeftButton
CONTROL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


@dataclass(frozen=True)
class _Drag:
    """Epochs that the mouse goes over; `class_name` None chooses them, else they are painted."""

    pressed: int
    to: int
    class_name: str | None

    @property
    def epochs(self) -> tuple[int, int]:
        return min(self.pressed, self.to), max(self.pressed, self.to)


class StepStrip(QWidget):
    """Labels over time, linked to the traces. It asks; whoever owns the labels changes them.

    A click goes to an epoch, dragging chooses epochs. While a class to paint with is set, both
    paint. With Ctrl held, the height at which the mouse was pressed says which class to paint.
    """

    epoch_clicked = Signal(int)
    epochs_selected = Signal(int, int)
    """First and last epoch, both included."""
    painted = Signal(int, int, str)
    """First and last epoch, and the class that they should have; an empty name clears them."""
    menu_requested = Signal(int, QPoint)
    """An epoch, and the place on the screen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cursor: int | None = None
        self._paint_class: str | None = None
        self._is_editable = True
        self.plot = TimePlot()
        self.plot.setAccessibleName(self.tr("Labels over time"))
        self.plot.hideAxis("bottom")
        self._steps = _Steps(self)
        self.plot.addItem(self._steps, ignoreBounds=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        # The keys are taken here, wherever in the strip the mouse was pressed.
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.plot.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.plot.setFocusProxy(self)
        self.setMinimumHeight(44)
        self.setAccessibleName(self.tr("Labels over time"))
        self._show_rows()
        self._say_cursor()

    # -- what is shown

    def link_to(self, plot: TimePlot) -> None:
        """Move along with another plot over time, and move it along."""
        self.plot.setXLink(plot)

    def set_duration(self, duration_s: float) -> None:
        """Limits of pan and zoom; the same as those of the traces."""
        whole = max(duration_s, 0.02)
        self.plot.getViewBox().setLimits(xMin=0.0, xMax=whole, minXRange=0.02, maxXRange=whole)

    def set_labels(
        self, labels: RecordingLabels, scheme: LabelScheme, grid: EpochGrid | None
    ) -> None:
        """Labels of the rater who is looked at; without a grid there are no epochs to choose."""
        steps = self._steps
        changed = steps.timeline.update(labels.states, scheme.states)
        if changed is not None or scheme != steps.scheme or grid != steps.grid:
            new_rows = steps.scheme is None or scheme != steps.scheme
            steps.scheme, steps.grid = scheme, grid
            steps.drag = None if new_rows else steps.drag
            if new_rows:
                self._show_rows()
            steps.update()
        steps.labels = labels
        self._say_cursor()

    def set_cursor(self, epoch: int | None) -> None:
        """The epoch to outline; None for none."""
        if epoch != self._cursor:
            self._cursor = self._steps.cursor = epoch
            self._steps.update()
            self._say_cursor()

    def set_selection(self, epochs: tuple[int, int] | None) -> None:
        """First and last of the epochs that are chosen; None for none."""
        if epochs != self._steps.selection:
            self._steps.selection = epochs
            self._steps.update()

    def set_paint_class(self, name: str | None) -> None:
        """The class that clicks and drags paint with; an empty name clears, None stops painting."""
        self._paint_class = name
        self._steps.drag = None
        self._steps.update()

    def set_editable(self, editable: bool) -> None:
        """Whether anything can be painted; not in a recording that is signed off."""
        self._is_editable = editable
        self._steps.drag = None
        self._steps.update()

    @property
    def paint_class(self) -> str | None:
        return self._paint_class

    def describe(self, time_s: float) -> str:
        """The epoch and the label at a time, in words."""
        grid = self._steps.grid
        label = self._steps.labels.state_at(to_ns(time_s))
        parts = []
        if grid is not None and grid.epochs > 0:
            epoch = grid.at(to_ns(time_s))
            start, end = grid.span(epoch)
            parts.append(f"{clock_text(start / NS)}–{clock_text(end / NS)}")
            parts.append(self.tr("epoch {number}").format(number=epoch + 1))
        else:
            parts.append(clock_text(time_s))
        if label is None:
            parts.append(self.tr("unlabelled"))
            return " · ".join(parts)
        parts.append(label.class_name)
        sources = {
            "human": self.tr("by a person"),
            "imported": self.tr("imported"),
            "model": self.tr("accepted from a model"),
        }
        parts.append(sources[label.source])
        if label.confidence is not None:
            parts.append(self.tr("confidence {x}").format(x=f"{label.confidence:.2f}"))
        return " · ".join(parts)

    def sizeHint(self) -> QSize:
        return QSize(600, 8 + ROW_PX * self._steps.rows if self._steps.rows > 1 else 44)

    def _show_rows(self) -> None:
        steps = self._steps
        names = [entry.name for entry in steps.timeline.classes] if steps.is_ordered else []
        ticks = [(-k - 0.5, _short(name)) for k, name in enumerate(names)]
        self.plot.getAxis("left").setTicks([ticks])
        self.plot.setYRange(-steps.rows, 0.0, padding=0)
        self.updateGeometry()

    def _say_cursor(self) -> None:
        """For screen readers."""
        keys = self.tr(
            "Left and Right go to other epochs, with Shift they choose epochs. Return paints, the "
            "menu key opens the menu."
        )
        grid = self._steps.grid
        if self._cursor is None or grid is None or grid.epochs <= 0:
            self.setAccessibleDescription(keys)
            return
        start, end = grid.span(self._cursor)
        self.setAccessibleDescription(f"{self.describe((start + end) / 2 / NS)}. {keys}")

    # -- what is asked for

    def brush_at(self, row: int | None, with_control: bool) -> str | None:
        """The class that a press would paint with; None where it paints nothing."""
        if not self._is_editable:
            return None
        if with_control and self._steps.is_ordered and row is not None:
            return self._steps.timeline.classes[row].name
        return self._paint_class

    def click(self, epoch: int, brush: str | None) -> None:
        """What a click on an epoch asks for."""
        if brush is None:
            self.epoch_clicked.emit(epoch)
        else:
            self.painted.emit(epoch, epoch, brush)

    def finish(self, epochs: tuple[int, int], brush: str | None) -> None:
        """What a drag over epochs asks for."""
        if brush is None:
            self.epochs_selected.emit(*epochs)
        else:
            self.painted.emit(*epochs, brush)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        grid, cursor = self._steps.grid, self._cursor
        if grid is None or grid.epochs <= 0 or cursor is None:
            super().keyPressEvent(event)
            return
        brush = self.brush_at(None, False)
        targets = {
            Qt.Key.Key_Left: cursor - 1,
            Qt.Key.Key_Right: cursor + 1,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: grid.epochs - 1,
        }
        target = targets.get(event.key())
        if target is not None and event.modifiers() & SHIFT:
            self._extend_selection(event.key(), cursor, grid)
        elif target is not None:
            self.epoch_clicked.emit(min(max(target, 0), grid.epochs - 1))
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and brush is not None:
            self.painted.emit(*(self._steps.selection or (cursor, cursor)), brush)
        elif event.key() == Qt.Key.Key_Escape and self._steps.drag is not None:
            self._steps.drag = None
            self._steps.update()
        else:
            super().keyPressEvent(event)

    def _extend_selection(self, key: int, cursor: int, grid: EpochGrid) -> None:
        """Move the end of the selection that is not at the cursor."""
        first, last = self._steps.selection or (cursor, cursor)
        moving = first if last == cursor else last
        moving = {
            Qt.Key.Key_Left: moving - 1,
            Qt.Key.Key_Right: moving + 1,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: grid.epochs - 1,
        }[key]
        moving = min(max(moving, 0), grid.epochs - 1)
        self.epochs_selected.emit(min(moving, cursor), max(moving, cursor))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        # The mouse's own come as clicks.
        grid = self._steps.grid
        if event.reason() != QContextMenuEvent.Reason.Keyboard or self._cursor is None:
            return
        if grid is not None and grid.epochs > 0:
            self.menu_requested.emit(self._cursor, self._steps.place_of(self._cursor))

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._steps.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._steps.update()


class _Steps(ViewItem):
    """Draws the visible part, and turns the mouse into epochs and rows."""

    def __init__(self, strip: StepStrip) -> None:
        super().__init__()
        self.strip = strip
        self.timeline = StateTimeline()
        self.labels = RecordingLabels()
        self.scheme: LabelScheme | None = None
        self.grid: EpochGrid | None = None
        self.cursor: int | None = None
        self.selection: tuple[int, int] | None = None
        self.drag: _Drag | None = None

    @property
    def is_ordered(self) -> bool:
        return self.scheme is not None and self.scheme.ordered and bool(self.timeline.classes)

    @property
    def rows(self) -> int:
        return len(self.timeline.classes) if self.is_ordered else 1

    def colours(self) -> list[QColor]:
        return self.timeline.colours(self.plot.soft_colour(0.0))

    # -- mouse

    def epoch_at(self, position: QPointF) -> int | None:
        if self.grid is None or self.grid.epochs <= 0:
            return None
        return self.grid.at(to_ns(float(self.mapFromScene(position).x())))

    def row_at(self, position: QPointF) -> int | None:
        row = int(np.floor(-self.mapFromScene(position).y()))
        return row if 0 <= row < self.rows else None

    def place_of(self, epoch: int) -> QPoint:
        """The middle of an epoch on the screen."""
        assert self.grid is not None
        start, end = self.grid.span(epoch)
        middle = self.mapToScene(QPointF((start + end) / 2 / NS, -self.rows / 2))
        return self.plot.mapToGlobal(self.plot.mapFromScene(middle))

    def hoverEvent(self, event: HoverEvent) -> None:
        if event.isExit():
            self.setToolTip("")
            return
        time_s = float(self.mapFromScene(event.scenePos()).x())
        self.setToolTip(self.strip.describe(time_s))

    def mouseClickEvent(self, event: MouseClickEvent) -> None:
        epoch = self.epoch_at(event.scenePos())
        if epoch is None:
            event.ignore()
        elif event.button() == LEFT:
            event.accept()
            has_control = bool(event.modifiers() & CONTROL)
            row = self.row_at(event.scenePos())
            self.strip.click(epoch, self.strip.brush_at(row, has_control))
        elif event.button() == Qt.MouseButton.RightButton:
            event.accept()
            self.strip.menu_requested.emit(epoch, event.screenPos().toPoint())
        else:
            event.ignore()

    def mouseDragEvent(self, event: MouseDragEvent) -> None:
        if event.isStart():
            self.drag = self._begun(event)
        if self.drag is None:
            event.ignore()
            return
        event.accept()
        to = self.epoch_at(event.scenePos())
        drag = _Drag(self.drag.pressed, self.drag.to if to is None else to, self.drag.class_name)
        self.drag = None if event.isFinish() else drag
        self.update()
        if event.isFinish():
            self.strip.finish(drag.epochs, drag.class_name)

    def _begun(self, event: MouseDragEvent) -> _Drag | None:
        pressed = self.epoch_at(event.buttonDownScenePos())
        if event.button() != LEFT or pressed is None:
            return None
        has_control = bool(event.modifiers() & CONTROL)
        row = self.row_at(event.buttonDownScenePos())
        return _Drag(pressed, pressed, self.strip.brush_at(row, has_control))

    # -- painting

    def draw(self, painter: QPainter, view: View) -> None:
        self._draw_ground(painter, view)
        if self.timeline.classes:
            metrics = QFontMetrics(self.plot.font())
            painter.setFont(self.plot.font())
            names = [metrics.horizontalAdvance(c.name) for c in self.timeline.classes]
            has_names = self.grid is not None and view.epoch_px(self.grid) >= max(names) + 10
            if not self.is_ordered:
                self._draw_blocks(painter, view, metrics)
            elif has_names and metrics.height() <= view.area.height() / self.rows + 4:
                self._draw_named_steps(painter, view, metrics)
            else:
                self._draw_steps(painter, view)
        self._draw_grid(painter, view)
        self._draw_drag(painter, view)
        self._draw_cursor(painter, view)

    def _row(self, view: View, row: int) -> QRectF:
        """The whole width of a row."""
        top, bottom = view.y(-row), view.y(-row - 1)
        return QRectF(view.area.left(), top, view.area.width(), bottom - top)

    def _between(self, view: View, first: int, last: int) -> QRectF:
        """From the first epoch to the last over all rows, as far as it is visible."""
        assert self.grid is not None
        left = max(round(view.x(self.grid.span(first)[0] / NS)), view.area.left() - 2)
        right = min(round(view.x(self.grid.span(last)[1] / NS)), view.area.right() + 2)
        return QRectF(left, view.area.top(), right - left, view.area.height())

    def _draw_ground(self, painter: QPainter, view: View) -> None:
        """Pale where there are epochs, so that unlabelled ones are seen."""
        if self.grid is None or self.grid.epochs <= 0:
            return
        ground = self._between(view, 0, self.grid.epochs - 1)
        if ground.width() > 0:
            painter.fillRect(ground, self.plot.soft_colour(0.06))
        painter.setPen(QPen(self.plot.soft_colour(0.14), 1))
        for row in range(1, self.rows):
            y = round(view.y(-row))
            painter.drawLine(QLineF(view.area.left(), y, view.area.right(), y))

    def _thickness(self, name: str, row_px: float) -> int:
        if name.upper() in REM_NAMES:
            return round(min(max(0.7 * row_px, 5), 12))
        return round(min(max(0.3 * row_px, 3), 5))

    def _draw_steps(self, painter: QPainter, view: View) -> None:
        """A bar for each class in each column of pixels that it has a part of."""
        edges = view.edges_ns
        cover = self.timeline.cover(edges)
        self._draw_risers(painter, view)
        colours = self.colours()
        for row, entry in enumerate(self.timeline.classes):
            part = np.where(cover[row] > 0, FAINTEST + (1 - FAINTEST) * cover[row], 0.0)
            if not part.any():
                continue
            place = self._row(view, row)
            thick = self._thickness(entry.name, place.height())
            top = round(place.center().y() - thick / 2)
            bar = QRectF(place.left(), top, place.width(), thick)
            painter.drawImage(bar, row_image(_premultiplied(colours[row], part)))

    def _draw_risers(self, painter: QPainter, view: View) -> None:
        """A vertical line wherever the state changes, in each column of pixels at most one."""
        timeline, edges = self.timeline, view.edges_ns
        part = timeline.between(edges[0], edges[-1])
        starts, ends, codes = timeline.starts_ns[part], timeline.ends_ns[part], timeline.codes[part]
        changes = (starts[1:] == ends[:-1]) & (codes[1:] != codes[:-1])
        changes &= (codes[1:] >= 0) & (codes[:-1] >= 0)
        if not changes.any():
            return
        at = np.flatnonzero(changes)
        column = np.round((starts[at + 1] / NS - view.range_s[0]) * view.per_second).astype(int)
        column = np.clip(column, 0, view.columns)
        upper = np.full(view.columns + 1, len(timeline.classes))
        lower = np.full(view.columns + 1, -1)
        np.minimum.at(upper, column, np.minimum(codes[at], codes[at + 1]))
        np.maximum.at(lower, column, np.maximum(codes[at], codes[at + 1]))
        painter.setPen(QPen(self.plot.soft_colour(0.45), 1))
        left = round(view.area.left())
        middles = [self._row(view, row).center().y() for row in range(self.rows)]
        painter.drawLines(
            [
                QLineF(left + x, middles[upper[x]], left + x, middles[lower[x]])
                for x in np.flatnonzero(lower >= 0)
            ]
        )

    def _draw_named_steps(self, painter: QPainter, view: View, metrics: QFontMetrics) -> None:
        """Epochs are wide: a block with the name of its class, at the height of its class."""
        timeline, edges, colours = self.timeline, view.edges_ns, self.colours()
        part = timeline.between(edges[0], edges[-1])
        for k in range(part.start, part.stop):
            row = int(timeline.codes[k])
            if row < 0:
                continue
            left = max(view.x(timeline.starts_ns[k] / NS), view.area.left())
            right = min(view.x(timeline.ends_ns[k] / NS), view.area.right())
            whole = self._row(view, row)
            block = QRectF(round(left) + 1, whole.top() + 1, right - left - 1, whole.height() - 2)
            painter.fillRect(block, colours[row])
            draw_name(painter, block, timeline.states[k].class_name, colours[row], metrics)

    def _draw_blocks(self, painter: QPainter, view: View, metrics: QFontMetrics) -> None:
        """Blocks over the whole height; a name for each run of one class that is wide enough."""
        timeline, edges = self.timeline, view.edges_ns
        colours = self.colours()
        place = self._row(view, 0).adjusted(0, 3, 0, -3)
        painter.drawImage(place, column_image(timeline.leading(edges), colours))
        part = timeline.between(edges[0], edges[-1])
        if part.stop <= part.start:
            return
        starts, ends, codes = timeline.starts_ns[part], timeline.ends_ns[part], timeline.codes[part]
        begins = np.ones(len(codes), bool)
        begins[1:] = (codes[1:] != codes[:-1]) | (starts[1:] > ends[:-1]) | (codes[1:] < 0)
        first = np.flatnonzero(begins)
        last = np.append(first[1:], len(codes)) - 1
        low, high = edges[0], edges[-1]
        scale = view.per_second / NS
        left = view.area.left() + (np.maximum(starts[first], low) - low) * scale
        right = view.area.left() + (np.minimum(ends[last], high) - low) * scale
        for k in np.flatnonzero(right - left >= 2 * metrics.averageCharWidth() + 4):
            block = QRectF(left[k], place.top(), right[k] - left[k], place.height())
            state = timeline.states[part.start + int(first[k])]
            colour = colours[int(codes[first[k]])]
            draw_name(painter, block, state.class_name, colour, metrics)

    def _draw_grid(self, painter: QPainter, view: View) -> None:
        """Ticks at the borders of epochs, along the lower edge."""
        if self.grid is None or view.epoch_px(self.grid) < NARROWEST_EPOCH_PX:
            return
        visible = view.epochs(self.grid)
        bottom = view.area.bottom()
        painter.setPen(QPen(self.plot.soft_colour(0.5), 1))
        xs = [
            round(view.x(self.grid.span(epoch)[0] / NS))
            for epoch in range(visible.start, visible.stop + 1)
        ]
        painter.drawLines([QLineF(x, bottom - 4, x, bottom) for x in xs])

    def _draw_drag(self, painter: QPainter, view: View) -> None:
        """What is chosen, and what would be painted if the mouse were let go now."""
        if self.grid is None or self.grid.epochs <= 0:
            return
        accent = self.plot.palette().color(QPalette.ColorRole.Highlight)
        chosen = self.selection
        drag = self.drag
        if drag is not None and drag.class_name is None:
            chosen = drag.epochs
        if chosen is not None:
            rect = self._between(view, *chosen)
            painter.fillRect(rect, translucent(accent, 60))
            painter.setPen(QPen(accent, 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(rect.adjusted(0, 0, -1, -1))
        if drag is None or drag.class_name is None:
            return
        rect = self._between(view, *drag.epochs)
        painter.fillRect(rect, self.plot.soft_colour(0.06))
        row = next(
            (k for k, c in enumerate(self.timeline.classes) if c.name == drag.class_name), None
        )
        if row is None:
            pattern = QBrush(self.plot.soft_colour(0.5), Qt.BrushStyle.BDiagPattern)
            painter.fillRect(rect, pattern)
        else:
            place = self._row(view, row if self.is_ordered else 0)
            block = QRectF(rect.left(), place.top() + 1, rect.width(), place.height() - 2)
            painter.fillRect(block, self.colours()[row])
        painter.setPen(QPen(self.plot.text_colour(), 1, Qt.PenStyle.DashLine))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(rect.adjusted(0, 0, -1, -1))

    def _draw_cursor(self, painter: QPainter, view: View) -> None:
        if self.cursor is None or self.grid is None or self.grid.epochs <= 0:
            return
        rect = self._between(view, self.cursor, self.cursor)
        if rect.right() < view.area.left() or rect.left() > view.area.right():
            return
        if rect.width() < 4:
            rect = QRectF(rect.center().x() - 2, rect.top(), 4, rect.height())
        strong = self.strip.hasFocus()
        accent = self.plot.palette().color(QPalette.ColorRole.Highlight)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self.plot.text_colour(), 1))
        painter.drawRect(rect.adjusted(0, 0, -1, -1))
        if strong:
            painter.setPen(QPen(accent, 1))
            painter.drawRect(rect.adjusted(1, 1, -2, -2))


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _premultiplied(colour: QColor, opacity: np.ndarray) -> np.ndarray:
    """Pixels of a colour by their opacity of 0 to 1: uint32 (columns,)."""
    red, green, blue = (np.round(part * opacity).astype(np.uint32) for part in colour.getRgb()[:3])
    alpha = np.round(255 * opacity).astype(np.uint32)
    return (alpha << 24) | (red << 16) | (green << 8) | blue
