"""What plots of figures share: they follow palette and size of text, and leave the wheel alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyqtgraph as pg
from pyqtgraph.graphicsItems.ScatterPlotItem import drawSymbol
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QIcon, QPainter, QPalette, QPixmap, QWheelEvent
from PySide6.QtWidgets import QWidget

from ui.appearance import VISIBLE, readable_on
from ui.time_plot import class_colour

SYMBOLS = ("o", "s", "t", "d", "t1", "p", "+", "x", "h", "t2")
ICON_WIDTH, ICON_HEIGHT = 28, 14


@dataclass(frozen=True)
class LineStyle:
    """How one of several lines looks: never by colour alone.

    `number`: its place among them; `live`: the same method as of now, dotted with stars.
    """

    number: int
    dashed: bool = False
    strong: bool = False
    live: bool = False

    @property
    def symbol(self) -> str:
        return "star" if self.live else SYMBOLS[self.number % len(SYMBOLS)]

    @property
    def symbol_size(self) -> int:
        return 15 if self.live else 11 if self.strong else 9

    def colour(self, ground: QColor) -> QColor:
        """Its colour, to be seen on a background."""
        return readable_on(class_colour(self.number), ground, VISIBLE)

    def pen(self, ground: QColor) -> object:
        line = Qt.PenStyle.DashLine if self.dashed else Qt.PenStyle.SolidLine
        line = Qt.PenStyle.DotLine if self.live else line
        return pg.mkPen(self.colour(ground), width=2 if self.strong else 1, style=line)

    def icon(self, ground: QColor) -> QIcon:
        """A short piece of the line, for the legend."""
        ratio = 2
        picture = QPixmap(ICON_WIDTH * ratio, ICON_HEIGHT * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self.pen(ground))
        middle = ICON_HEIGHT / 2
        painter.drawLine(QPointF(0, middle), QPointF(ICON_WIDTH, middle))
        painter.translate(ICON_WIDTH / 2, middle)
        colour = self.colour(ground)
        size = 12 if self.live else 9
        drawSymbol(painter, self.symbol, size, pg.mkPen(colour, width=1), pg.mkBrush(colour))
        painter.end()
        made = QIcon(picture)
        made.addPixmap(picture, QIcon.Mode.Selected)
        made.addPixmap(picture, QIcon.Mode.Disabled)
        return made


class FigurePlot(pg.PlotWidget):
    """A plot that is looked at only: its range is set by what it shows."""

    palette_changed = Signal()
    """Colours or fonts have become others: whoever fills the plot draws it again."""
    _is_made = False

    def __init__(self, x_title: str, y_title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._titles = {"bottom": x_title, "left": y_title}
        self.setMenuEnabled(False)
        self.hideButtons()
        self.setMouseEnabled(x=False, y=False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # all it shows stands in a table, too
        self.getViewBox().setDefaultPadding(0.0)
        self.setAntialiasing(True)
        for name in ("left", "bottom"):
            self.getAxis(name).enableAutoSIPrefix(False)
        self._is_made = True
        self.take_looks()

    def set_title(self, axis: str, title: str) -> None:
        """Name an axis, `left` or `bottom`."""
        self._titles[axis] = title
        self.take_looks()

    def take_looks(self) -> None:
        """Follow the palette and the size of text."""
        self.setBackground(self.ground())
        # Room for the last mark below, which is half beyond the end of the axis.
        room = 4 * self.metrics().averageCharWidth()
        self.getPlotItem().setContentsMargins(0, 6, room, 0)
        ink = self.ink()
        for name, title in self._titles.items():
            axis = self.getAxis(name)
            axis.setPen(pg.mkPen(self.soft(0.5), width=1))
            axis.setTextPen(pg.mkPen(ink, width=1))
            axis.setTickFont(self.font())
            axis.setStyle(tickLength=4, autoReduceTextSpace=False, hideOverlappingLabels=room)
            axis.setLabel(title, color=ink.name())
            axis.label.setFont(self.font())

    def ground(self) -> QColor:
        return self.palette().color(QPalette.ColorRole.Base)

    def ink(self) -> QColor:
        return self.palette().color(QPalette.ColorRole.Text)

    def soft(self, strength: float) -> QColor:
        """Between the background (0) and the colour of text (1)."""
        pairs = zip(self.ink().getRgb()[:3], self.ground().getRgb()[:3], strict=True)
        return QColor(*(round(strength * a + (1 - strength) * b) for a, b in pairs))

    def metrics(self) -> QFontMetrics:
        return QFontMetrics(self.font())

    def grid(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        """Faint lines at these places."""
        pen = pg.mkPen(self.soft(0.15), width=1)
        for angle, places in ((90, xs), (0, ys)):
            for place in places:
                line = pg.InfiniteLine(place, angle, pen=pen)
                line.setZValue(-10)
                self.addItem(line, ignoreBounds=True)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()  # the page scrolls

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if self._is_made and event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self.take_looks()
            self.palette_changed.emit()
