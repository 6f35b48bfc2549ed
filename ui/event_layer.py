"""Events as boxes and marks as flags, drawn over the traces and moved with the mouse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Literal

import numpy as np
from pyqtgraph.GraphicsScene.mouseEvents import HoverEvent, MouseClickEvent, MouseDragEvent
from PySide6.QtCore import QLineF, QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QFontMetrics, QPainter, QPen, QPolygonF

from core.label_scheme import BAD_SIGNAL, LabelScheme
from core.study_labels import NS, EpochGrid, RecordingLabels, StudyLabel
from ui.epoch_layer import View, ViewItem, shortened, translucent
from ui.overview_bar import OTHER_COLOUR, text_on
from ui.time_plot import clock_text

EDGE_PX = 5
"""So near to an edge, the mouse takes hold of it."""
SHORTEST_EVENT_S = 0.01
NARROW_PX = 3
"""Narrower events are drawn as lines without a name."""
STAGGER_PX = 4
"""How much lower each further event begins where several overlap."""
MOST_LEVELS = 6
HANDLE_PX = 7
LEFT = Qt.MouseButton.LeftButton
ALT = Qt.KeyboardModifier.AltModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier

LaneBox = tuple[str, str, float, float]
"""A lane of the traces: name, modality, y of its lower and of its upper edge."""
Part = Literal["start", "end", "middle"]
Spans = tuple[tuple[float, float], ...]
"""Upper and lower edge of rectangles, in pixels."""


@dataclass(frozen=True)
class _Box:
    """One event or mark on the screen, in pixels; several rectangles where lanes are apart."""

    label: StudyLabel
    left: float
    right: float
    spans: Spans

    def has(self, x: float, y: float) -> bool:
        """Whether a place is in it, or so near to an edge that the edge can be taken."""
        in_time = self.left - EDGE_PX <= x <= self.right + EDGE_PX
        return in_time and any(top <= y <= bottom for top, bottom in self.spans)


@dataclass(frozen=True)
class _Drag:
    """An event or mark on its way; the mouse took `part` of it at `grabbed_s`."""

    label: StudyLabel
    part: Part
    grabbed_s: float
    start_s: float
    end_s: float


class EventLayer(ViewItem):
    """Events over the lanes they are about, and marks as lines with a flag.

    The mouse moves edges and marks; with Alt it moves whole events. Shift snaps to epochs. All
    other dragging is left to the traces.
    """

    # Ids have up to 63 bits: `object` keeps them whole, where `int` would keep 32.
    event_selected = Signal(object)
    """Id (int) of the event or mark that was clicked; 0 for a click beside all of them."""
    event_moved = Signal(object, float, float)
    """Id, new start and new end in seconds; for a mark both are the same."""
    event_edit_requested = Signal(object, QPoint)
    """Id of what was clicked twice, and the place on the screen."""
    event_menu_requested = Signal(object, QPoint)
    """Id of what was clicked with the right button, and the place on the screen."""

    def __init__(self) -> None:
        super().__init__()
        self._scheme: LabelScheme | None = None
        self._grid: EpochGrid | None = None
        self._colours: dict[str, QColor] = {}
        self._marks: tuple[StudyLabel, ...] = ()
        self._lanes: tuple[LaneBox, ...] = ()
        self._duration_s = 0.0
        self._selected = 0
        self._is_editable = True
        self._drag: _Drag | None = None
        self._take_events(())
        self.setZValue(10)

    # -- what is shown

    def set_labels(
        self, labels: RecordingLabels, scheme: LabelScheme, grid: EpochGrid | None = None
    ) -> None:
        """Labels of the rater who is looked at; edges snap to `grid` while Shift is held."""
        if scheme != self._scheme:
            self._scheme = scheme
            self._colours = {entry.name: QColor(entry.colour) for entry in scheme.classes}
            self.update()
        if labels.events is not self._events:
            self._take_events(labels.events)
            self.update()
        if labels.marks is not self._marks:
            self._marks = labels.marks
            self.update()
        self._grid = grid
        if self._drag is not None and labels.find(self._drag.label.id) != self._drag.label:
            self._drag = None  # what is being dragged was changed or taken away meanwhile

    def set_lanes(self, lanes: Sequence[LaneBox]) -> None:
        """The lanes on the screen. Events of a modality lie over its lanes only, and are not
        shown where it has none."""
        if tuple(lanes) != self._lanes:
            self._lanes = tuple(lanes)
            self.update()

    def set_duration(self, duration_s: float) -> None:
        """Length of the recording: no edge is moved beyond it."""
        self._duration_s = duration_s

    def set_selected(self, label_id: int) -> None:
        """The event or mark to emphasise; 0 for none."""
        if label_id != self._selected:
            self._selected = label_id
            self.update()

    def set_editable(self, editable: bool) -> None:
        """Whether anything can be moved; not in a recording that is signed off."""
        if editable != self._is_editable:
            self._is_editable = editable
            self._drag = None
            self.unsetCursor()
            self.update()

    def describe(self, label: StudyLabel) -> str:
        """An event or mark in words."""
        start_s, end_s = self._place(label)
        if label.kind == "mark":
            return f"{clock_text(start_s)} · {label.class_name}"
        seconds = f"{end_s - start_s:.2f}".rstrip("0").rstrip(".")
        parts = [
            f"{clock_text(start_s, 0.1)}–{clock_text(end_s, 0.1)}",
            label.class_name,
            self.tr("{x} s").format(x=seconds),
        ]
        if label.modality:
            parts.append(label.modality)
        return " · ".join(parts)

    def _take_events(self, events: tuple[StudyLabel, ...]) -> None:
        self._events = events
        self._starts_s = np.array([label.start_s for label in events])
        self._ends_s = np.array([label.end_s for label in events])
        # Ends are in no order; the latest end so far is, and can be searched.
        self._latest_end_s = np.maximum.accumulate(self._ends_s) if len(events) else self._ends_s
        self._levels = _levels(events)
        self._looks = sorted({(label.class_name, label.modality) for label in events})
        number = {look: k for k, look in enumerate(self._looks)}
        self._look_of = np.array([number[x.class_name, x.modality] for x in events], np.int64)

    # -- where things are

    def _view(self) -> View:
        """What is visible, in pixels of the scene, where the mouse is."""
        rect = self.boundingRect()
        area = self.mapRectToScene(rect)
        return View((rect.left(), rect.right()), (rect.top(), rect.bottom()), area)

    def _overlapping(self, start_s: float, end_s: float) -> np.ndarray:
        """Numbers of the events that overlap a stretch, but for the one that is dragged."""
        first = int(np.searchsorted(self._latest_end_s, start_s, side="left"))
        last = int(np.searchsorted(self._starts_s, end_s, side="right"))
        numbers = np.arange(first, max(last, first))
        numbers = numbers[self._ends_s[numbers] >= start_s]
        if self._drag is not None:
            dragged = self._drag.label.id
            keep = [self._events[k].id != dragged for k in numbers]
            numbers = numbers[np.array(keep, bool)]
        return numbers

    def _place(self, label: StudyLabel) -> tuple[float, float]:
        """Start and end in seconds, as dragged."""
        if self._drag is not None and self._drag.label.id == label.id:
            return self._drag.start_s, self._drag.end_s
        return label.start_s, label.end_s

    def _box(self, label: StudyLabel, level: int, view: View) -> _Box:
        start_s, end_s = self._place(label)
        left, right = view.x(start_s), view.x(end_s)
        if label.kind == "event":
            right = max(right, left + 2)
            lower = STAGGER_PX * level
            spans = self._spans(label.modality, view)
            spans = tuple((top + lower, bottom) for top, bottom in spans if bottom > top + lower)
        else:
            spans = ((self._top(view), view.area.bottom()),)
        return _Box(label, left, right, spans)

    def _top(self, view: View) -> float:
        """The upper edge, without the bar of states and its names."""
        return view.area.top() + QFontMetrics(self.plot.font()).height() + 2

    def _spans(self, modality: str, view: View) -> Spans:
        """The rectangles of a modality's lanes, or of all; lanes side by side make one."""
        area = view.area
        top = self._top(view)
        if not modality:
            return ((top, area.bottom()),)
        own = sorted(
            ((low, high) for _, name, low, high in self._lanes if name == modality), reverse=True
        )
        joined: list[tuple[float, float]] = []
        for low, high in own:
            upper, lower = view.y(high), view.y(low)
            if joined and upper <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], lower)
            else:
                joined.append((upper, lower))
        cut = ((max(upper + 1, top), min(lower - 1, area.bottom())) for upper, lower in joined)
        return tuple((upper, lower) for upper, lower in cut if lower - upper > 2)

    def _boxes(self, numbers: Iterable[int], view: View) -> list[_Box]:
        """These events from the longest to the shortest, then marks; the selected one and the
        dragged one on top."""
        labels = [(self._events[k], int(self._levels[k])) for k in numbers]
        if self._drag is not None and self._drag.label.kind == "event":
            labels.append((self._drag.label, 0))
        labels.sort(key=lambda entry: entry[0].start_ns - entry[0].end_ns)
        start, end = view.range_s
        labels += [(mark, 0) for mark in self._marks if start <= self._place(mark)[0] <= end]
        labels.sort(key=lambda entry: entry[0].id == self._selected)
        boxes = (self._box(label, level, view) for label, level in labels)
        return [box for box in boxes if box.spans]

    def _under(self, position: QPointF) -> tuple[StudyLabel, Part] | None:
        """The topmost event or mark at a place of the scene, and which part of it."""
        view = self._view()
        if view.area.width() <= 0 or not view.area.contains(position):
            return None
        x, y = position.x(), position.y()
        time_s = self._time(position)
        reach_s = (EDGE_PX + 2) / view.per_second
        near = self._overlapping(time_s - reach_s, time_s + reach_s)
        inside_of = None
        for box in reversed(self._boxes(near, view)):
            if not box.has(x, y):
                continue
            if box.label.kind == "mark":
                return box.label, "middle"
            # A third of a narrow event is left in the middle, for clicks.
            inner = min(EDGE_PX, (box.right - box.left) / 3)
            if x <= box.left + inner:
                return box.label, "start"
            if x >= box.right - inner:
                return box.label, "end"
            # The edge of another event, inside this one, can still be taken hold of.
            inside_of = inside_of or box.label
        return (inside_of, "middle") if inside_of is not None else None

    def _time(self, position: QPointF) -> float:
        """Of a place of the scene, in seconds."""
        return float(self.mapFromScene(position).x())

    # -- mouse

    def hoverEvent(self, event: HoverEvent) -> None:
        found = None if event.isExit() else self._under(event.scenePos())
        if found is None:
            if self._drag is None:
                self.unsetCursor()
                self.setToolTip("")
            return
        label, part = found
        self.setToolTip(self.describe(label))
        is_edge = part != "middle" or label.kind == "mark"
        has_alt = bool(event.modifiers() & ALT)
        if self._is_editable and (is_edge or has_alt) and event.acceptDrags(LEFT):
            shape = Qt.CursorShape.SizeHorCursor if not has_alt else Qt.CursorShape.SizeAllCursor
            self.setCursor(shape)
        else:
            self.unsetCursor()

    def mouseDragEvent(self, event: MouseDragEvent) -> None:
        if event.isStart():
            self._drag = self._begun(event)
        drag = self._drag
        if drag is None:
            event.ignore()
            return
        event.accept()
        snaps = bool(event.modifiers() & SHIFT)
        start_s, end_s = self._dragged(drag, self._time(event.scenePos()), snaps)
        self._update_between(min(drag.start_s, start_s), max(drag.end_s, end_s))
        if not event.isFinish():
            self._drag = replace(drag, start_s=start_s, end_s=end_s)
            return
        self._drag = None
        self.unsetCursor()
        self.update()
        if (start_s, end_s) != (drag.label.start_s, drag.label.end_s):
            self.event_moved.emit(drag.label.id, start_s, end_s)

    def mouseClickEvent(self, event: MouseClickEvent) -> None:
        found = self._under(event.scenePos())
        button = event.button()
        if found is None:
            event.ignore()
            if button == LEFT and self._selected:
                self.event_selected.emit(0)
            return
        label_id = found[0].id
        place = event.screenPos().toPoint()
        if button == Qt.MouseButton.RightButton:
            event.accept()
            self.event_menu_requested.emit(label_id, place)
        elif button == LEFT and event.double():
            event.accept()
            self.event_edit_requested.emit(label_id, place)
        elif button == LEFT:
            event.accept()
            self.event_selected.emit(label_id)
        else:
            event.ignore()

    def _begun(self, event: MouseDragEvent) -> _Drag | None:
        """What a drag takes hold of; None leaves it to the traces."""
        if event.button() != LEFT or not self._is_editable:
            return None
        found = self._under(event.buttonDownScenePos())
        if found is None:
            return None
        label, part = found
        if event.modifiers() & ALT:
            part = "middle"
        elif part == "middle" and label.kind != "mark":
            return None
        grabbed_s = self._time(event.buttonDownScenePos())
        return _Drag(label, part, grabbed_s, label.start_s, label.end_s)

    def _dragged(self, drag: _Drag, to_s: float, snaps: bool) -> tuple[float, float]:
        """Start and end when the mouse has gone to a time."""
        by = to_s - drag.grabbed_s
        start, end = drag.label.start_s, drag.label.end_s
        last = max(self._duration_s, end) if self._duration_s > 0 else float("inf")
        moved = (end if drag.part == "end" else start) + by
        if snaps and self._grid is not None:
            offset, length = self._grid.offset_ns / NS, self._grid.epoch_ns / NS
            moved = offset + round((moved - offset) / length) * length
        if drag.part == "start":
            return max(min(moved, end - SHORTEST_EVENT_S), 0.0), end
        if drag.part == "end":
            return start, min(max(moved, start + SHORTEST_EVENT_S), last)
        moved = max(min(moved, last - (end - start)), 0.0)
        return moved, moved + (end - start)

    def _update_between(self, start_s: float, end_s: float) -> None:
        """Paint a stretch anew, with room for a name beside it; the traces are painted too."""
        rect = self.boundingRect()
        beside = 200 / max(self._view().per_second, 1e-12)
        left, right = start_s - beside, end_s + beside
        self.update(QRectF(left, rect.top(), right - left, rect.height()) & rect)

    # -- painting

    def draw(self, painter: QPainter, view: View) -> None:
        numbers = self._overlapping(*view.range_s)
        width = (self._ends_s[numbers] - self._starts_s[numbers]) * view.per_second
        is_narrow = width < NARROW_PX
        if self._selected and is_narrow.any():
            is_narrow &= np.array([self._events[k].id != self._selected for k in numbers], bool)
        self._draw_narrow(painter, numbers[is_narrow], view)
        boxes = self._boxes(numbers[~is_narrow], view)
        metrics = QFontMetrics(self.plot.font())
        painter.setFont(self.plot.font())
        for box in boxes:
            if box.label.kind == "event":
                self._draw_box(painter, box, view)
        # Names in order of time: they keep their places when another event is selected.
        tags: list[QRectF] = []
        for box in sorted(boxes, key=lambda box: box.left):
            if box.label.kind == "event":
                self._draw_name(painter, box, view, metrics, tags)
        for box in boxes:
            if box.label.kind == "mark":
                self._draw_mark(painter, box, view, metrics)

    def _colour(self, class_name: str) -> QColor:
        return self._colours.get(class_name, QColor(OTHER_COLOUR))

    def _draw_narrow(self, painter: QPainter, numbers: np.ndarray, view: View) -> None:
        """One line per column of pixels, class and modality, however many events there are."""
        columns = np.round((self._starts_s[numbers] - view.range_s[0]) * view.per_second)
        looks = self._look_of[numbers]
        for look in np.unique(looks):
            class_name, modality = self._looks[look]
            painter.setPen(QPen(translucent(self._colour(class_name), 170), 1))
            xs = round(view.area.left()) + np.unique(columns[looks == look])
            for top, bottom in self._spans(modality, view):
                painter.drawLines([QLineF(x, top, x, bottom) for x in xs])

    def _draw_box(self, painter: QPainter, box: _Box, view: View) -> None:
        colour = self._colour(box.label.class_name)
        is_selected = box.label.id == self._selected
        # Qt fails at rectangles of millions of pixels: what lies outside is cut off.
        left = max(round(box.left), round(view.area.left()) - 2)
        right = min(round(box.right), round(view.area.right()) + 2)
        for top, bottom in box.spans:
            rect = QRectF(left, round(top), max(right - left, 2), round(bottom) - round(top))
            painter.fillRect(rect, translucent(colour, 80 if is_selected else 40))
            if box.label.class_name == BAD_SIGNAL:
                pattern = Qt.BrushStyle.BDiagPattern
                painter.fillRect(rect, QBrush(translucent(colour, 150), pattern))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(colour, 1))
            painter.drawRect(rect.adjusted(0, 0, -1, -1))
            if is_selected:
                painter.setPen(QPen(self.plot.text_colour(), 1))
                painter.drawRect(rect.adjusted(1, 1, -2, -2))
                if self._is_editable:
                    self._draw_handles(painter, box, rect)

    def _draw_handles(self, painter: QPainter, box: _Box, rect: QRectF) -> None:
        painter.setBrush(self.plot.soft_colour(0.0))
        for x in (round(box.left), round(box.right) - 1):
            handle = QRectF(0, 0, HANDLE_PX, 2 * HANDLE_PX)
            handle.moveCenter(QPointF(x, round(rect.center().y())))
            painter.drawRect(handle)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _draw_name(
        self, painter: QPainter, box: _Box, view: View, metrics: QFontMetrics, tags: list[QRectF]
    ) -> None:
        """The class on its colour at the upper edge, below the names that are there already."""
        name = box.label.class_name
        left = max(round(box.left), round(view.area.left()))
        room = min(box.right, view.area.right()) - left
        text = shortened(name, room - 6, metrics)
        if not text and box.label.id == self._selected:
            text = name
        if not text:
            return
        top, bottom = box.spans[0]
        tag = QRectF(left, round(top), metrics.horizontalAdvance(text) + 6, metrics.height())
        while any(tag.intersects(other) for other in tags):
            tag.translate(0, metrics.height())
        if tag.bottom() > bottom:
            return
        tags.append(tag)
        colour = self._colour(name)
        painter.fillRect(tag, colour)
        painter.setPen(text_on(colour))
        painter.drawText(tag, Qt.AlignmentFlag.AlignCenter, text)

    def _draw_mark(self, painter: QPainter, box: _Box, view: View, metrics: QFontMetrics) -> None:
        """A line with the name on a flag, low where no names of events are."""
        colour = self._colour(box.label.class_name)
        text_colour = self.plot.text_colour()
        x, (top, bottom) = round(box.left), box.spans[0]
        painter.setPen(QPen(text_colour, 1))
        painter.drawLine(x, round(top), x, round(bottom))
        if box.label.id == self._selected:
            painter.setPen(QPen(colour, 1))
            for beside in (x - 1, x + 1):
                painter.drawLine(beside, round(top), beside, round(bottom))
        height = metrics.height()
        width = metrics.horizontalAdvance(box.label.class_name) + 8
        notch = height // 3
        side = 1 if x + width + notch <= view.area.right() else -1
        low = round(bottom) - height - 4
        end = x + side * width
        shape = QPolygonF(
            [
                QPointF(x, low),
                QPointF(end + side * notch, low),
                QPointF(end, low + height / 2),
                QPointF(end + side * notch, low + height),
                QPointF(x, low + height),
            ]
        )
        painter.setPen(QPen(text_colour, 1))
        painter.setBrush(colour)
        painter.drawPolygon(shape)
        painter.setPen(text_on(colour))
        place = QRectF(min(x, end), low, width, height)
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, box.label.class_name)
        painter.setBrush(Qt.BrushStyle.NoBrush)


def _levels(events: Sequence[StudyLabel]) -> np.ndarray:
    """A level for each event, so that events that overlap differ while levels last: int64.

    `events` are in order of start. The same look at the same place whatever is visible.
    """
    levels = np.zeros(len(events), np.int64)
    free = list(range(MOST_LEVELS))
    busy: list[tuple[int, int]] = []
    for k, label in enumerate(events):
        while busy and busy[0][0] <= label.start_ns:
            heappush(free, heappop(busy)[1])
        if free:
            levels[k] = heappop(free)
            heappush(busy, (label.end_ns, int(levels[k])))
        else:
            levels[k] = MOST_LEVELS - 1
    return levels
