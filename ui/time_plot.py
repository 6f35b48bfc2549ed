"""What plots over time share: an axis in h:mm:ss, wheel and drag along time, hatched stretches,
colours of the palette."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import pyqtgraph as pg
from pyqtgraph.GraphicsScene.mouseEvents import MouseClickEvent, MouseDragEvent
from PySide6.QtCore import QEvent, QPoint, QRectF, Qt, Signal
from PySide6.QtGui import (
    QBrush,
    QColor,
    QContextMenuEvent,
    QFontMetrics,
    QPainter,
    QPalette,
)
from PySide6.QtWidgets import QGraphicsRectItem, QGraphicsSceneWheelEvent, QWidget

from core.report_charts import PALETTE

TimeMode = Literal["elapsed", "clock", "both"]

LEFT_AXIS_WIDTH = 128
WHEEL_NOTCH = 120
"""What Qt calls one notch of the wheel."""
PAN_PER_NOTCH = 0.1
"""Of the visible stretch, for one notch with Shift."""
SHORTEST_BAND_PX = 4
"""A stretch dragged with Ctrl that is narrower was no drag."""
READABLE_CONTRAST = 3.0
"""Of lines on the background, as for graphics in WCAG 2.1."""

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)
_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720, 1440)
_STEPS_S = (*_SECONDS, *(60 * minutes for minutes in _MINUTES))


_series: list[str] = list(PALETTE)


def use_series(colours: Sequence[str]) -> None:
    """Colour modalities and predicted classes by another series, `#rrggbb`; the user's choice
    for all windows. Plots show it after their next `palette_changed`."""
    _series[:] = colours


def class_colour(number: int) -> QColor:
    """Colour of a modality or of a predicted class, by its place in the list of them."""
    return QColor(_series[number % len(_series)])


def clock_text(seconds: float, spacing_s: float = 1.0) -> str:
    """h:mm:ss, with as many decimals as ticks `spacing_s` apart need."""
    decimals = _decimals(spacing_s)
    scale = 10**decimals
    units = round(abs(seconds) * scale)
    whole, rest = divmod(units, scale)
    text = f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    if decimals:
        text += f".{rest:0{decimals}d}"
    return f"−{text}" if seconds < 0 and units else text


def _decimals(spacing_s: float) -> int:
    return 0 if spacing_s >= 1 else max(1, int(np.ceil(-np.log10(spacing_s) - 1e-9)))


def readable(colour: QColor, ground: QColor) -> QColor:
    """The colour, made lighter or darker until it stands out from the background."""
    hue, saturation, lightness, _ = colour.getHslF()
    step, limit = (-0.02, 0.0) if _luminance(ground) > 0.18 else (0.02, 1.0)
    result = colour
    while _contrast(result, ground) < READABLE_CONTRAST and lightness != limit:
        lightness = min(max(lightness + step, 0.0), 1.0)
        result = QColor.fromHslF(max(hue, 0.0), saturation, lightness)
    return result


def _luminance(colour: QColor) -> float:
    parts = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.getRgbF()[:3]
    )
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def _contrast(one: QColor, other: QColor) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


class TimeAxis(pg.AxisItem):
    """Seconds as h:mm:ss since the start, as time of day, or as both, at round times."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self._start_s: float | None = None
        self._zone: tzinfo = UTC
        self._mode: TimeMode = "both"
        self.setStyle(autoExpandTextSpace=False)
        self.fit_height()

    @property
    def mode(self) -> TimeMode:
        """What is shown: `elapsed` where there is no clock."""
        return self._mode if self._start_s is not None else "elapsed"

    def set_clock(self, start_s: float | None, time_zone: str | None = None) -> None:
        """When the recording began, in unix seconds, and where; None: it has no clock."""
        self._start_s = start_s
        self._zone = ZoneInfo(time_zone) if time_zone is not None else UTC
        self._changed()

    def set_mode(self, mode: TimeMode) -> None:
        """Show elapsed time, time of day, or both beneath each other."""
        self._mode = mode
        self._changed()

    def clock_text(self, time_s: float, spacing_s: float = 1.0) -> str:
        """Time of day as hh:mm:ss; empty where the recording has no clock."""
        if self._start_s is None:
            return ""
        decimals = _decimals(spacing_s)
        whole, rest = divmod(round((self._start_s + time_s) * 10**decimals), 10**decimals)
        text = datetime.fromtimestamp(whole, self._zone).strftime("%H:%M:%S")
        return f"{text}.{rest:0{decimals}d}" if decimals else text

    def fit_height(self) -> None:
        """Leave room for one or two lines of text."""
        lines = 2 if self.mode == "both" else 1
        self.setHeight(lines * QFontMetrics(self.font()).height() + 8)

    def _changed(self) -> None:
        self.fit_height()
        self.picture = None
        self.update()

    def tickSpacing(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, float]]:
        span = max(maxVal - minVal, 1e-9)
        most = max(2.0, size / 90)
        step = next((s for s in _STEPS_S if span / s <= most), None)
        if step is None:
            step = 86400 * float(np.ceil(span / 86400 / most))
        if self.mode != "clock" or self._start_s is None:
            return [(step, 0.0)]
        began = datetime.fromtimestamp(self._start_s, self._zone)
        since_midnight = (began.hour * 60 + began.minute) * 60 + self._start_s % 60
        return [(step, -since_midnight % step)]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        texts = []
        for value in values:
            elapsed = clock_text(value * scale, spacing)
            clock = self.clock_text(value * scale, spacing)
            texts.append(
                {"elapsed": elapsed, "clock": clock, "both": f"{elapsed}\n{clock}"}[self.mode]
            )
        return texts


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


class TimeViewBox(pg.ViewBox):
    """Wheel and drag along time.

    The wheel zooms at the mouse, with Shift it pans; dragging with the middle button pans, with
    Ctrl and the left button it zooms to the stretch. The left button alone pans too, or, where
    the view `selects`, chooses a stretch: `dragged` and `clicked` say which.
    """

    dragged = Signal(float, float, float, bool)
    """Time where the drag began and where it is, y where it began, and whether it has ended."""
    clicked = Signal(float, float)
    """Time and y."""
    menu_wanted = Signal(float, float, QPoint)
    """Time, y and place on the screen of a click with the right button."""

    def __init__(self, selects: bool = False) -> None:
        super().__init__(enableMenu=False)
        self._selects = selects
        self._drag: Literal["pan", "zoom", "select", ""] = ""
        self._band = QGraphicsRectItem(self)
        self._band.setZValue(1e9)
        self._band.hide()
        self.sigRangeChanged.connect(self._settle)

    def _settle(self, *_: object) -> None:
        # pyqtgraph waits with this until it paints, and then everything is painted twice.
        self.updateMatrix()

    def set_band_colour(self, colour: QColor) -> None:
        """Colour of the band that is dragged open to zoom."""
        self._band.setPen(pg.mkPen(colour, width=1))
        soft = QColor(colour)
        soft.setAlpha(50)
        self._band.setBrush(soft)

    def wheelEvent(self, ev: QGraphicsSceneWheelEvent, axis: int | None = None) -> None:
        if axis == 1:
            ev.ignore()
            return
        sideways = ev.orientation() == Qt.Orientation.Horizontal
        if not sideways and not ev.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            super().wheelEvent(ev, axis=0)
            return
        low, high = self.viewRange()[0]
        self.translateBy(x=-ev.delta() / WHEEL_NOTCH * PAN_PER_NOTCH * (high - low))
        ev.accept()

    def mouseDragEvent(self, ev: MouseDragEvent, axis: int | None = None) -> None:
        if axis == 1 or ev.button() == Qt.MouseButton.RightButton:
            ev.ignore()
            return
        if ev.isStart():
            self._drag = self._kind_of(ev, axis)
        if self._drag == "pan":
            super().mouseDragEvent(ev, axis=0)
            return
        ev.accept()
        began, now = ev.buttonDownPos(), ev.pos()
        start = self.mapToView(began)
        if self._drag == "select":
            self.dragged.emit(start.x(), self.mapToView(now).x(), start.y(), ev.isFinish())
            return
        left, right = sorted((began.x(), now.x()))
        self._band.setRect(left, 0, right - left, self.height() - 1)
        self._band.setVisible(not ev.isFinish())
        if ev.isFinish() and right - left >= SHORTEST_BAND_PX:
            times = (start.x(), self.mapToView(now).x())
            self.setXRange(min(times), max(times), padding=0)

    def mouseClickEvent(self, ev: MouseClickEvent) -> None:
        place = self.mapToView(ev.pos())
        if ev.button() == Qt.MouseButton.RightButton:
            ev.accept()
            self.menu_wanted.emit(place.x(), place.y(), ev.screenPos().toPoint())
        elif ev.button() == Qt.MouseButton.LeftButton and not ev.double():
            ev.accept()
            self.clicked.emit(place.x(), place.y())

    def _kind_of(self, ev: MouseDragEvent, axis: int | None) -> Literal["pan", "zoom", "select"]:
        if ev.button() != Qt.MouseButton.LeftButton or axis is not None:
            return "pan"
        if ev.modifiers() & Qt.KeyboardModifier.ControlModifier:
            return "zoom"
        return "select" if self._selects else "pan"


class TimePlot(pg.PlotWidget):
    """A plot over time: wheel and drag zoom and pan along time only; see TimeViewBox."""

    palette_changed = Signal()
    mouse_left = Signal()
    keyboard_menu_wanted = Signal(QPoint)
    """The key for a context menu was pressed; a place on the screen inside the plot."""
    _is_made = False

    def __init__(
        self,
        parent: QWidget | None = None,
        *,
        left: pg.AxisItem | None = None,
        selects: bool = False,
    ) -> None:
        axes = {"bottom": TimeAxis("bottom"), "left": left or pg.AxisItem("left")}
        super().__init__(parent, viewBox=TimeViewBox(selects), axisItems=axes)
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
        self.getViewBox().set_band_colour(palette.color(QPalette.ColorRole.Highlight))
        text = palette.color(QPalette.ColorRole.Text)
        for name in ("left", "bottom"):
            self.getAxis(name).setPen(pg.mkPen(text, width=1))
            self.getAxis(name).setTextPen(pg.mkPen(text, width=1))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if not self._is_made:
            return
        # Its parent hears of a new palette before this plot has it.
        if event.type() == QEvent.Type.PaletteChange:
            self.take_palette()
            self.palette_changed.emit()
        elif event.type() == QEvent.Type.FontChange:
            self.getAxis("bottom").fit_height()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.mouse_left.emit()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        # The mouse's own come as clicks, after what lies on top of the plot had its say.
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            self.keyboard_menu_wanted.emit(self.mapToGlobal(self.rect().center()))
        event.accept()

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
