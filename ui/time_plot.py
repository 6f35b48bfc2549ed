"""What plots over time share: an axis in h:mm:ss, hatched stretches, colours of the palette."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QPainter, QPalette
from PySide6.QtWidgets import QWidget

from core.report_charts import PALETTE

LEFT_AXIS_WIDTH = 128

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)
_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720, 1440)
_STEPS_S = (*_SECONDS, *(60 * minutes for minutes in _MINUTES))


def class_colour(number: int) -> QColor:
    """Colour of a class by its place in the list of classes, as in the report."""
    return QColor(PALETTE[number % len(PALETTE)])


def clock_text(seconds: float, spacing_s: float = 1.0) -> str:
    """h:mm:ss, with as many decimals as ticks `spacing_s` apart need."""
    decimals = 0 if spacing_s >= 1 else max(1, int(np.ceil(-np.log10(spacing_s) - 1e-9)))
    scale = 10**decimals
    units = round(abs(seconds) * scale)
    whole, rest = divmod(units, scale)
    text = f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    if decimals:
        text += f".{rest:0{decimals}d}"
    return f"−{text}" if seconds < 0 and units else text


class TimeAxis(pg.AxisItem):
    """Seconds as h:mm:ss, at round times."""

    def tickSpacing(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, float]]:
        span = max(maxVal - minVal, 1e-9)
        most = max(2.0, size / 90)
        step = next((s for s in _STEPS_S if span / s <= most), None)
        if step is None:
            step = 86400 * float(np.ceil(span / 86400 / most))
        return [(step, 0.0)]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        return [clock_text(value * scale, spacing) for value in values]


class HatchItem(pg.GraphicsObject):
    """Hatched stretches of time over a range of y; at least two pixels wide, at any zoom."""

    def __init__(self) -> None:
        super().__init__()
        self._start_s = np.empty(0)
        self._end_s = np.empty(0)
        self._low = 0.0
        self._high = 1.0
        self._colour = QColor(Qt.GlobalColor.gray)

    def set_stretches(
        self, start_s: np.ndarray, end_s: np.ndarray, low: float, high: float, colour: QColor
    ) -> None:
        """Stretches by start and end in seconds, in order of time, from y `low` to `high`."""
        self.prepareGeometryChange()
        self._start_s, self._end_s = start_s, end_s
        self._low, self._high = low, high
        self._colour = colour
        self.update()

    def boundingRect(self) -> QRectF:
        if not len(self._start_s):
            return QRectF()
        left, right = float(self._start_s[0]), float(self._end_s.max())
        return QRectF(left, self._low, right - left, self._high - self._low)

    def paint(self, painter: QPainter, option: object, widget: QWidget | None = None) -> None:
        # Qt stretches patterns along with the view: the hatching is drawn in pixels instead.
        transform = painter.worldTransform()
        painter.save()
        painter.resetTransform()
        painter.setPen(Qt.PenStyle.NoPen)
        brush = QBrush(self._colour, Qt.BrushStyle.BDiagPattern)
        for start, end in zip(self._start_s, self._end_s, strict=True):
            rect = transform.mapRect(QRectF(start, self._low, end - start, self._high - self._low))
            if rect.width() < 2:
                rect.setWidth(2)
            painter.fillRect(rect, brush)
        painter.restore()


class TimePlot(pg.PlotWidget):
    """A plot over time: wheel and drag zoom and pan along time only."""

    palette_changed = Signal()
    _is_made = False

    def __init__(self, parent: QWidget | None = None) -> None:
        axes = {"bottom": TimeAxis("bottom"), "left": pg.AxisItem("left")}
        super().__init__(parent, axisItems=axes)
        self.setMenuEnabled(False)
        self.hideButtons()
        self.setMouseEnabled(x=True, y=False)
        self.getAxis("left").setWidth(LEFT_AXIS_WIDTH)
        self.getAxis("left").setStyle(
            tickLength=0, autoExpandTextSpace=False, autoReduceTextSpace=False
        )
        self.getViewBox().setDefaultPadding(0.0)
        self._is_made = True
        self.take_palette()

    def take_palette(self) -> None:
        """Follow the light or dark colours of the system."""
        palette = self.palette()
        self.setBackground(palette.color(QPalette.ColorRole.Base))
        text = palette.color(QPalette.ColorRole.Text)
        for name in ("left", "bottom"):
            self.getAxis(name).setPen(pg.mkPen(text, width=1))
            self.getAxis(name).setTextPen(pg.mkPen(text, width=1))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        # Its parent hears of a new palette before this plot has it.
        if event.type() == QEvent.Type.PaletteChange and self._is_made:
            self.take_palette()
            self.palette_changed.emit()

    def text_colour(self) -> QColor:
        return self.palette().color(QPalette.ColorRole.Text)

    def soft_colour(self, strength: float) -> QColor:
        """Between the background (0) and the colour of text (1)."""
        text = self.text_colour()
        ground = self.palette().color(QPalette.ColorRole.Base)
        mixed = (
            round(strength * a + (1 - strength) * b)
            for a, b in zip(text.getRgb()[:3], ground.getRgb()[:3], strict=True)
        )
        return QColor(*mixed)
