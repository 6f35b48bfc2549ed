"""What is painted of traces: all lanes as one item, in pixels of the device, and their headers.

Painting in pixels is what makes it fast: no path of Qt's is made, a column of pixels is one thin
rectangle, and nothing is drawn that has no pixel of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from pyqtgraph.GraphicsScene.mouseEvents import HoverEvent, MouseClickEvent
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QFontMetrics, QPainter, QPen
from PySide6.QtWidgets import QGraphicsSceneWheelEvent, QStyleOptionGraphicsItem, QWidget
from shiboken6 import Shiboken

from core.envelope import Columns
from ui.time_plot import WHEEL_NOTCH

FAR_PX = 20_000.0
"""Traces that leave their lane by more are cut off: Qt slows down on numbers it cannot hold."""
NARROWEST_HATCH_PX = 8
"""Of what is narrower, hatching would leave a few dots."""
CLOSEST_GUIDES_PX = 8.0
"""Guide lines closer together than this are left out."""


@dataclass(frozen=True)
class Frame:
    """What is visible, in pixels of the device.

    edges_s: times of the edges of the columns of pixels, float64 (columns + 1,).
    left_px: place of the first column. A time t lies at origin_px + scale * t.
    """

    edges_s: np.ndarray
    left_px: int
    origin_px: float
    scale: float

    @property
    def columns(self) -> int:
        return len(self.edges_s) - 1

    @property
    def start_s(self) -> float:
        return float(self.edges_s[0])

    @property
    def end_s(self) -> float:
        return float(self.edges_s[-1])

    def x(self, times_s: np.ndarray) -> np.ndarray:
        return self.origin_px + self.scale * times_s

    def has_place_of(self, other: Frame | None) -> bool:
        """Whether the other one shows the same at the same place."""
        return (
            other is not None
            and self.left_px == other.left_px
            and self.columns == other.columns
            and self.scale == other.scale
            and self.origin_px == other.origin_px
        )


@dataclass(frozen=True)
class Points:
    """Samples of a lane; NaN breaks the line. Times float64 and values float32."""

    times: np.ndarray
    values: np.ndarray


Strokes = Points | Columns | None
"""What is drawn in a lane; None: it is not there yet."""


@dataclass(frozen=True)
class LaneLook:
    """How one lane is drawn.

    centre, height: value in its middle, and units from its lower to its upper edge. guide: units
    from the centre to each guide line; 0: none. source: place of its file, for gaps; -1: none.
    note: words in the middle of the lane, for one that is absent.
    """

    name: str
    modality: str
    colour: QColor
    centre: float = 0.0
    height: float = 1.0
    inverted: bool = False
    guide: float = 0.0
    source: int = -1
    absent: bool = False
    note: str = ""


@dataclass(frozen=True)
class Selection:
    """A chosen stretch, in all lanes or in those of one modality."""

    start_s: float
    end_s: float
    modality: str = ""


@dataclass(frozen=True)
class Ground:
    """Colours of what lies around the traces."""

    text: QColor
    soft: QColor
    faint: QColor
    selection: QColor


Spans = tuple[np.ndarray, np.ndarray]
"""Starts and ends in seconds, float64, in order of the starts."""


class TraceItem(pg.GraphicsObject):
    """All visible lanes. Lane k lies between y = -k - 0.5 and -k + 0.5.

    `read` is asked for the strokes of all lanes when a stretch is painted that was not painted
    before, so once a frame, whatever happened between two frames.
    """

    painted = Signal()
    """With strokes that were asked for anew."""

    def __init__(self, read: Callable[[Frame], Sequence[Strokes]]) -> None:
        super().__init__()
        self._read = read
        self._frame: Frame | None = None
        self._strokes: Sequence[Strokes] = ()
        self._lanes: tuple[LaneLook, ...] = ()
        self._gaps: Mapping[int, Spans] = {}
        self._absent: Mapping[str, Spans] = {}
        self._selection: Selection | None = None
        self._cursor_s: float | None = None
        grey = QColor(Qt.GlobalColor.gray)
        self._ground = Ground(grey, grey, grey, grey)
        self._duration_s = 1.0

    # -- what is drawn

    def set_lanes(self, lanes: Sequence[LaneLook]) -> None:
        """Lanes from top to bottom; their strokes are asked for anew."""
        self.prepareGeometryChange()
        self._lanes = tuple(lanes)
        self._strokes = ()
        self.read_again()

    def restyle(self, lanes: Sequence[LaneLook]) -> None:
        """The same lanes, drawn differently."""
        self._lanes = tuple(lanes)
        self.update()

    def read_again(self) -> None:
        """Ask for strokes with the next painting."""
        self._frame = None
        self.update()

    def set_duration(self, duration_s: float) -> None:
        self.prepareGeometryChange()
        self._duration_s = duration_s

    def set_ground(self, ground: Ground) -> None:
        self._ground = ground
        self.update()

    def set_gaps(self, gaps: Mapping[int, Spans]) -> None:
        """Stretches to hatch, by place of the source."""
        self._gaps = gaps
        self.update()

    def set_absent(self, absent: Mapping[str, Spans]) -> None:
        """Stretches to shade, by modality."""
        self._absent = absent
        self.update()

    def set_selection(self, selection: Selection | None) -> None:
        if selection != self._selection:
            self._selection = selection
            self.update()

    def set_time_cursor(self, time_s: float | None) -> None:
        """A line at a time."""
        if time_s != self._cursor_s:
            self._cursor_s = time_s
            self.update()

    @property
    def selection(self) -> Selection | None:
        return self._selection

    @property
    def time_cursor_s(self) -> float | None:
        return self._cursor_s

    @property
    def frame(self) -> Frame | None:
        """What was painted last."""
        return self._frame

    @property
    def strokes(self) -> Sequence[Strokes]:
        """The strokes of each lane, as painted last."""
        return self._strokes

    # -- painting

    def boundingRect(self) -> QRectF:
        count = max(len(self._lanes), 1)
        return QRectF(0.0, -count + 0.5, self._duration_s, float(count))

    def dataBounds(self, ax: int, frac: float = 1.0, orthoRange: object = None) -> None:
        return None

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionGraphicsItem,
        widget: QWidget | None = None,
    ) -> None:
        view = self.getViewBox()
        if view is None:
            return
        painter.save()
        transform = painter.worldTransform()
        ratio = painter.device().devicePixelRatioF()
        painter.resetTransform()
        if ratio != 1.0:
            painter.scale(1 / ratio, 1 / ratio)
        scale, origin = transform.m11() * ratio, transform.dx() * ratio
        lane_px, top = transform.m22() * ratio, transform.dy() * ratio
        (low, high), _ = view.viewRange()
        frame = _frame(low, high, origin, scale)
        if not frame.has_place_of(self._frame):
            self._strokes = self._read(frame)
            self._frame = frame
            self.painted.emit()
        canvas = _Canvas(painter, frame, abs(lane_px), top, ratio)
        self._paint_ground(canvas)
        for k, (lane, strokes) in enumerate(zip(self._lanes, self._strokes, strict=True)):
            _paint_lane(canvas, k, lane, strokes, self._ground)
        if self._cursor_s is not None and low <= self._cursor_s <= high:
            x = np.floor(frame.x(np.array([self._cursor_s]))[0])
            canvas.fill(x, 0, 1, len(self._lanes), self._ground.text)
        painter.restore()

    def _paint_ground(self, canvas: _Canvas) -> None:
        """Below the traces: selection, gaps, absent stretches, absent lanes, guides, borders."""
        lanes, ground = self._lanes, self._ground
        chosen = self._selection
        if chosen is not None:
            spans = (np.array([chosen.start_s]), np.array([chosen.end_s]))
            for first, last in _runs([chosen.modality in ("", n.modality) for n in lanes]):
                canvas.fill_spans(spans, first, last, QBrush(ground.selection))
        shade = QColor(ground.text)
        shade.setAlpha(45)
        for modality, spans in self._absent.items():
            for first, last in _runs([modality in ("", n.modality) for n in lanes]):
                canvas.fill_spans(spans, first, last, QBrush(shade))
        hatch = QColor(ground.text)
        hatch.setAlpha(90)
        for source, spans in self._gaps.items():
            for first, last in _runs([n.source == source for n in lanes]):
                brush = QBrush(hatch, Qt.BrushStyle.BDiagPattern)
                canvas.fill_spans(spans, first, last, brush)
        for k, lane in enumerate(lanes):
            if lane.absent:
                canvas.fill(canvas.frame.left_px, k, canvas.frame.columns, 1, shade)
                canvas.say(k, lane.note, ground.text)
            if k and lane.modality != lanes[k - 1].modality:
                canvas.line(canvas.y(k - 0.5), ground.faint)
            away = lane.guide / lane.height * canvas.lane_px
            if 2 * away >= CLOSEST_GUIDES_PX and not lane.absent:
                for y in (canvas.y(k) - away, canvas.y(k) + away):
                    canvas.line(y, ground.soft, Qt.PenStyle.DashLine)


class _Canvas:
    """A painter in pixels of the device, with the frame it paints and the height of a lane."""

    def __init__(
        self, painter: QPainter, frame: Frame, lane_px: float, top: float, ratio: float
    ) -> None:
        self.painter = painter
        self.frame = frame
        self.lane_px = lane_px
        self.ratio = ratio
        self._top = top  # of y = 0, the middle of the first lane

    def y(self, lane: float) -> float:
        """Middle of a lane."""
        return self._top + lane * self.lane_px

    def line(self, y: float, colour: QColor, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> None:
        """A level line from edge to edge."""
        pen = QPen(colour, 1, style)
        pen.setCosmetic(True)
        self.painter.setPen(pen)
        left = self.frame.left_px
        self.painter.drawLine(
            QPointF(left, np.floor(y)), QPointF(left + self.frame.columns, np.floor(y))
        )

    def fill(
        self, left: float, first: int, width: float, count: int, brush: QBrush | QColor
    ) -> None:
        """A rectangle over `count` lanes."""
        top, bottom = np.floor(self.y(first - 0.5)), np.floor(self.y(first + count - 0.5))
        self.painter.fillRect(QRectF(left, top, width, bottom - top), brush)

    def say(self, lane: int, text: str, colour: QColor) -> None:
        """Words in the middle of a lane."""
        left, width = self.frame.left_px / self.ratio, self.frame.columns / self.ratio
        height = self.lane_px / self.ratio
        box = QRectF(left, self.y(lane) / self.ratio - height / 2, width, height)
        self.painter.save()
        self.painter.scale(self.ratio, self.ratio)
        self.painter.setPen(colour)
        self.painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
        self.painter.restore()

    def fill_spans(self, spans: Spans, first: int, last: int, brush: QBrush) -> None:
        """Stretches of time in lanes `first` to `last`, that one excluded; each at least two
        pixels wide."""
        starts, ends = spans
        visible = (ends > self.frame.start_s) & (starts < self.frame.end_s)
        if not visible.any():
            return
        edge = self.frame.left_px
        left = np.floor(self.frame.x(starts[visible])).clip(edge - 8, edge + self.frame.columns)
        right = np.ceil(self.frame.x(ends[visible])).clip(edge, edge + self.frame.columns + 8)
        right = np.maximum.accumulate(np.maximum(right, left + 2 * np.ceil(self.ratio)))
        # Those that touch become one: there may be thousands.
        begins = np.concatenate(([True], left[1:] > right[:-1]))
        stops = np.append(np.flatnonzero(begins)[1:], len(left)) - 1
        for x, end in zip(left[begins], right[stops], strict=True):
            narrow = end - x < NARROWEST_HATCH_PX
            self.fill(x, first, end - x, last - first, brush.color() if narrow else brush)


def _frame(low: float, high: float, origin: float, scale: float) -> Frame:
    left = int(np.floor(origin + scale * low + 1e-6))
    right = max(int(np.ceil(origin + scale * high - 1e-6)), left + 1)
    edges_s = (np.arange(left, right + 1) - origin) / scale
    return Frame(edges_s, left, origin, scale)


def _runs(chosen: Sequence[bool]) -> list[tuple[int, int]]:
    """Start and end of each run of True."""
    edges = np.flatnonzero(np.diff(np.array([False, *chosen, False]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _paint_lane(
    canvas: _Canvas, number: int, lane: LaneLook, strokes: Strokes, ground: Ground
) -> None:
    if lane.absent or strokes is None:
        return
    middle = canvas.y(number)
    factor = canvas.lane_px / lane.height * (1 if lane.inverted else -1)
    if isinstance(strokes, Points):
        y = middle + (strokes.values.astype(np.float64) - lane.centre) * factor
        _paint_points(canvas, strokes.times, y.clip(middle - FAR_PX, middle + FAR_PX), lane.colour)
        return
    if strokes.pending is not None:
        for first, last in _runs(strokes.pending.tolist()):
            x, half = canvas.frame.left_px + first, canvas.lane_px / 4
            canvas.painter.fillRect(QRectF(x, middle - half, last - first, 2 * half), ground.faint)
    upper, lower = (strokes.low, strokes.high) if lane.inverted else (strokes.high, strokes.low)
    top = np.floor(middle + (upper.astype(np.float64) - lane.centre) * factor)
    bottom = np.floor(middle + (lower.astype(np.float64) - lane.centre) * factor)
    top = top.clip(middle - FAR_PX, middle + FAR_PX)
    bottom = bottom.clip(middle - FAR_PX, middle + FAR_PX)
    # Neighbours that do not touch are joined, as a line would; this adds nothing beyond them.
    upwards, downwards = bottom[:-1] + 1, top[:-1] - 1
    top[1:] = np.where(top[1:] > upwards, upwards, top[1:])
    bottom[1:] = np.where(bottom[1:] < downwards, downwards, bottom[1:])
    there = ~np.isnan(top)
    if not there.any():
        return
    boxes = np.empty((int(there.sum()), 4))
    boxes[:, 0] = canvas.frame.left_px + np.flatnonzero(there)
    boxes[:, 1] = top[there]
    boxes[:, 2] = 1
    boxes[:, 3] = (bottom - top)[there] + 1
    canvas.painter.setPen(Qt.PenStyle.NoPen)
    canvas.painter.setBrush(lane.colour)
    # The rows lie in memory as QRectF do: Qt reads them without a copy.
    canvas.painter.drawRects(Shiboken.wrapInstance(boxes.ctypes.data, QRectF), len(boxes))


def _paint_points(canvas: _Canvas, times: np.ndarray, y: np.ndarray, colour: QColor) -> None:
    if not len(times):
        return
    x = canvas.frame.x(times)
    pen = QPen(colour, 1)  # wider pens cost Qt ten times as much
    pen.setCosmetic(True)
    canvas.painter.setPen(pen)
    for first, last in _runs((~np.isnan(y)).tolist()) if np.isnan(y).any() else [(0, len(y))]:
        if last - first == 1:
            canvas.painter.drawPoint(QPointF(x[first], y[first]))
        else:
            line = pg.functions.arrayToQPolygonF(x[first:last], y[first:last])
            canvas.painter.drawPolyline(line)


# ---------------------------------------------------------------- headers


@dataclass(frozen=True)
class LaneHeader:
    """What stands left of a lane: its name, and how much its height is; `says` on hovering."""

    name: str
    amount: str
    colour: QColor
    says: str = ""
    selected: bool = False
    absent: bool = False


class LaneAxis(pg.AxisItem):
    """Headers of the lanes in place of ticks. A click chooses a lane, the wheel scrolls."""

    lane_clicked = Signal(int)
    scrolled = Signal(int)
    """By how many lanes downwards."""

    BAR_PX = 4

    def __init__(self) -> None:
        super().__init__("left")
        self._headers: tuple[LaneHeader, ...] = ()
        self._chosen = QColor(Qt.GlobalColor.gray)
        self._wheel = 0

    def set_headers(self, headers: Sequence[LaneHeader], chosen: QColor) -> None:
        """Headers from top to bottom; `chosen` is the ground of the one that is selected."""
        self._headers = tuple(headers)
        self._chosen = chosen
        self.update()

    def paint(self, p: QPainter, opt: object, widget: QWidget | None = None) -> None:
        metrics = QFontMetrics(self.font())
        area = QRectF(0, 0, self.size().width(), self.size().height())
        low, high = self.range
        lane_px = area.height() / max(high - low, 1e-9)
        p.setFont(self.font())
        p.setPen(self.pen())
        p.drawLine(QPointF(area.right() - 1, area.top()), QPointF(area.right() - 1, area.bottom()))
        for k, header in enumerate(self._headers):
            top = (high + k - 0.5) * lane_px
            box = QRectF(0, top, area.width() - 1, lane_px)
            if header.selected:
                p.fillRect(box, self._chosen)
            bar = box.adjusted(1, 1, 0, -1)
            bar.setWidth(self.BAR_PX)
            p.fillRect(bar, header.colour)
            text = box.adjusted(self.BAR_PX + 5, 0, -6, 0)
            colour = QColor(self.textPen().color())
            if header.absent:
                colour.setAlpha(140)
            p.setPen(colour)
            _draw_header(p, text, header, metrics)

    def _lane_at(self, position: QPointF) -> int:
        low, high = self.range
        place = position.y() / max(self.size().height(), 1.0) * (high - low)
        number = int(np.floor(place - high + 0.5))
        return number if 0 <= number < len(self._headers) else -1

    def mouseClickEvent(self, event: MouseClickEvent) -> None:
        number = self._lane_at(event.pos())
        if event.button() == Qt.MouseButton.LeftButton and number >= 0:
            event.accept()
            self.lane_clicked.emit(number)

    def hoverEvent(self, event: HoverEvent) -> None:
        number = -1 if event.isExit() else self._lane_at(event.pos())
        self.setToolTip(self._headers[number].says if number >= 0 else "")

    def wheelEvent(self, event: QGraphicsSceneWheelEvent) -> None:
        self._wheel -= event.delta()
        notches = int(self._wheel / WHEEL_NOTCH)
        self._wheel -= notches * WHEEL_NOTCH
        event.accept()
        if notches:
            self.scrolled.emit(notches)


def _draw_header(p: QPainter, box: QRectF, header: LaneHeader, metrics: QFontMetrics) -> None:
    """Name above amount where there is room for two lines, else side by side."""
    left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
    right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
    elide = Qt.TextElideMode.ElideRight
    if box.height() >= 2 * metrics.height():
        lines = QRectF(box.left(), box.center().y() - metrics.height(), box.width(), 0)
        lines.setHeight(metrics.height())
        p.drawText(lines, left, metrics.elidedText(header.name, elide, int(lines.width())))
        p.drawText(lines.translated(0, metrics.height()), left, header.amount)
        return
    if box.height() < metrics.height() * 0.8:
        return
    amount_px = metrics.horizontalAdvance(header.amount)
    has_amount = amount_px + 5 * metrics.averageCharWidth() < box.width()
    room = box.width() - (amount_px + 6 if has_amount else 0)
    p.drawText(box, left, metrics.elidedText(header.name, elide, int(room)))
    if has_amount:
        p.drawText(box, right, header.amount)
