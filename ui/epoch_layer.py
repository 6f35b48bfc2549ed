"""Epochs and their states in the traces: borders, the epoch of the cursor, a bar of colours.

`ViewItem`, an item that draws what is visible of it in pixels, serves the strips below the traces
too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPen
from PySide6.QtWidgets import QWidget

from core.label_scheme import LabelScheme
from core.study_labels import NS, EpochGrid, RecordingLabels
from ui.overview_bar import StateTimeline, column_image, text_on
from ui.time_plot import TimePlot

NARROWEST_EPOCH_PX = 6
"""Narrower epochs have no borders: they would be a grey wall."""
THIN_BAR_PX = 5
SHORTENED = "…"


@dataclass(frozen=True)
class View:
    """What is visible of a plot, in its own units and in pixels of the painter.

    `range_s`: start and end in seconds. `area`: in pixels. `y_range`: values at the lower and the
    upper edge.
    """

    range_s: tuple[float, float]
    y_range: tuple[float, float]
    area: QRectF

    @property
    def columns(self) -> int:
        """Columns of pixels; rather one too few, since of one too many one would be left out."""
        return max(1, int(self.area.width()))

    @property
    def per_second(self) -> float:
        """Pixels of a second."""
        return self.area.width() / (self.range_s[1] - self.range_s[0])

    @property
    def edges_ns(self) -> np.ndarray:
        """Borders of the columns of pixels, float64 (columns + 1,)."""
        return np.linspace(self.range_s[0] * NS, self.range_s[1] * NS, self.columns + 1)

    def x(self, time_s: float) -> float:
        return self.area.left() + (time_s - self.range_s[0]) * self.per_second

    def y(self, value: float) -> float:
        low, high = self.y_range
        return self.area.bottom() - (value - low) / (high - low) * self.area.height()

    def epochs(self, grid: EpochGrid) -> range:
        """The epochs that are visible."""
        first = int((self.range_s[0] * NS - grid.offset_ns) // grid.epoch_ns)
        last = int(-((grid.offset_ns - self.range_s[1] * NS) // grid.epoch_ns))
        return range(max(first, 0), min(last, grid.epochs))

    def epoch_px(self, grid: EpochGrid) -> float:
        return grid.epoch_ns / NS * self.per_second


class ViewItem(pg.GraphicsObject):
    """An item that fills its view and draws in pixels what of it is visible.

    It has no say in the range of a plot, and leaves the mouse alone unless a kind of it does not.
    Add it with `plot.addItem(item, ignoreBounds=True)`. Colours are looked up when it draws, so it
    follows the palette with the plot.
    """

    @property
    def plot(self) -> TimePlot:
        """The plot that the item has been added to."""
        plot = self.getViewWidget()
        assert isinstance(plot, TimePlot)
        return plot

    def boundingRect(self) -> QRectF:
        rect = self.viewRect()
        return QRectF() if rect is None else QRectF(rect)

    def viewTransformChanged(self) -> None:
        super().viewTransformChanged()
        self.prepareGeometryChange()
        self.update()

    def dataBounds(self, ax: int, frac: float = 1.0, orthoRange: object = None) -> None:
        return None

    def paint(self, painter: QPainter, option: object, widget: QWidget | None = None) -> None:
        rect = self.boundingRect()
        if rect.width() <= 0 or rect.height() <= 0:
            return
        area = painter.worldTransform().mapRect(rect)
        view = View((rect.left(), rect.right()), (rect.top(), rect.bottom()), area)
        painter.save()
        # Texts and lines would be stretched along with the view.
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        self.draw(painter, view)
        painter.restore()

    def draw(self, painter: QPainter, view: View) -> None:
        raise NotImplementedError


def shortened(text: str, width: float, metrics: QFontMetrics) -> str:
    """A text that fits a width in pixels; empty where not even its first letter does."""
    if metrics.horizontalAdvance(text) <= width:
        return text
    cut = metrics.elidedText(text, Qt.TextElideMode.ElideRight, int(width))
    return "" if cut in ("", SHORTENED) else cut


def draw_name(
    painter: QPainter, place: QRectF, name: str, ground: QColor, metrics: QFontMetrics
) -> None:
    """A name in the middle of a block of that colour, as much of it as fits."""
    text = shortened(name, place.width() - 4, metrics)
    if text:
        painter.setPen(text_on(ground))
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)


def translucent(colour: QColor, alpha: int) -> QColor:
    """The colour with an alpha of 0 to 255."""
    return QColor(colour.red(), colour.green(), colour.blue(), alpha)


class EpochLayer(ViewItem):
    """Faint borders of epochs, the epoch of the cursor shaded, states along the upper edge.

    It lies over the traces and under the events, and only shows.
    """

    def __init__(self) -> None:
        super().__init__()
        self._timeline = StateTimeline()
        self._grid: EpochGrid | None = None
        self._cursor: int | None = None
        self.setZValue(5)

    def set_labels(
        self, labels: RecordingLabels, scheme: LabelScheme, grid: EpochGrid | None
    ) -> None:
        """Labels of the rater who is looked at; without a grid there are no borders."""
        changed = self._timeline.update(labels.states, scheme.states)
        if changed is not None or grid != self._grid:
            self._grid = grid
            self.update()

    def set_cursor(self, epoch: int | None) -> None:
        """The epoch to shade; None for none."""
        if epoch != self._cursor:
            self._cursor = epoch
            self.update()

    def draw(self, painter: QPainter, view: View) -> None:
        grid = self._grid
        if grid is not None and grid.epochs > 0 and view.epoch_px(grid) >= NARROWEST_EPOCH_PX:
            self._draw_cursor(painter, view, grid)
            self._draw_borders(painter, view, grid)
        if self._timeline.classes:
            self._draw_bar(painter, view)

    def _draw_cursor(self, painter: QPainter, view: View, grid: EpochGrid) -> None:
        if self._cursor is None:
            return
        start, end = grid.span(self._cursor)
        left = max(view.x(start / NS), view.area.left())
        right = min(view.x(end / NS), view.area.right())
        if right > left:
            rect = QRectF(left, view.area.top(), right - left, view.area.height())
            painter.fillRect(rect, translucent(self.plot.text_colour(), 20))

    def _draw_borders(self, painter: QPainter, view: View, grid: EpochGrid) -> None:
        visible = view.epochs(grid)
        top, bottom = view.area.top(), view.area.bottom()
        painter.setPen(QPen(translucent(self.plot.text_colour(), 55), 1))
        xs = [
            round(view.x(grid.span(epoch)[0] / NS))
            for epoch in range(visible.start, visible.stop + 1)
        ]
        painter.drawLines([QLineF(x, top, x, bottom) for x in xs])

    def _draw_bar(self, painter: QPainter, view: View) -> None:
        """Each state's colour, and its name where there is room."""
        timeline, edges = self._timeline, view.edges_ns
        font = self.plot.font()
        metrics = QFontMetrics(font)
        widest = max(metrics.horizontalAdvance(entry.name) for entry in timeline.classes)
        # The bar keeps one height: either all short names have room, or none is shown.
        has_names = self._grid is not None and view.epoch_px(self._grid) >= min(widest, 60) + 8
        height = metrics.height() if has_names else THIN_BAR_PX
        colours = timeline.colours(self.plot.soft_colour(0.0))
        bar = QRectF(view.area.left(), view.area.top(), view.area.width(), height)
        painter.drawImage(bar, column_image(timeline.leading(edges), colours))
        if not has_names:
            return
        painter.setFont(font)
        part = timeline.between(edges[0], edges[-1])
        for k in range(part.start, part.stop):
            left = max(view.x(timeline.starts_ns[k] / NS), bar.left())
            right = min(view.x(timeline.ends_ns[k] / NS), bar.right())
            place = QRectF(left, bar.top(), right - left, height)
            colour = colours[int(timeline.codes[k])]
            draw_name(painter, place, timeline.states[k].class_name, colour, metrics)
            border = round(view.x(timeline.ends_ns[k] / NS))
            painter.setPen(QPen(self.plot.soft_colour(0.0), 1))
            painter.drawLine(border, round(bar.top()), border, round(bar.bottom()) - 1)
