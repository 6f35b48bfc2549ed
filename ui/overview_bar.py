"""A whole recording at a glance: its labels, its gaps, and which part of it is looked at.

`StateTimeline`, the states of one rater as arrays, is here because it was made for this bar; every
other view of states over time uses it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from itertools import compress, count
from operator import is_not
from zoneinfo import ZoneInfo

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QBrush,
    QColor,
    QEnterEvent,
    QFontMetrics,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPixmap,
    QPolygonF,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QSizePolicy, QToolTip, QWidget

from core.label_scheme import BAD_SIGNAL, LabelClass, LabelScheme
from core.study_labels import NS, EpochGrid, RecordingLabels, StudyLabel
from ui.time_plot import clock_text

OTHER_COLOUR = "#999999"
"""States whose class the scheme does not have."""
LEAST_CONTRAST = 1.8
"""Of a class's colour with what it is drawn on."""
FRAME_WIDTH_PX = 9
"""The frame is at least so wide, so that it can be taken hold of."""
WHEEL_ZOOM = 0.8
"""What one notch of the wheel leaves of the visible range."""
_TICK_STEPS_S = (1, 2, 5, 10, 30, *(60 * m for m in (1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720)))


# ---------------------------------------------------------------- states as arrays


class StateTimeline:
    """The states of one rater as arrays, kept up to date edit by edit.

    Attributes
    ----------
    classes: the states of the scheme in order; codes are places in it.
    starts_ns, ends_ns: float64 (states,), in order of time.
    codes: int64 (states,), -1 for classes that the scheme does not have.
    """

    def __init__(self) -> None:
        self.classes: tuple[LabelClass, ...] = ()
        self.states: tuple[StudyLabel, ...] = ()
        self.starts_ns = np.empty(0)
        self.ends_ns = np.empty(0)
        self.codes = np.empty(0, np.int64)

    def update(
        self, states: tuple[StudyLabel, ...], classes: tuple[LabelClass, ...]
    ) -> tuple[float, float] | None:
        """Take over states; only what differs from those before is looked at.

        Returns the stretch of time that has changed, in nanoseconds, or None. Labels are never
        changed in place, so those that stay are the same objects.
        """
        if classes != self.classes:
            everything = self.update((), self.classes)
            self.classes = classes
            changed = self.update(states, classes)
            return _joined(everything, changed)
        if states is self.states:
            return None
        before, after = self.states, states
        shorter = min(len(before), len(after))
        first = next(compress(count(), map(is_not, before, after)), shorter)
        same_end = next(compress(count(), map(is_not, reversed(before), reversed(after))), shorter)
        same_end = min(same_end, shorter - first)
        gone = before[first : len(before) - same_end]
        new = after[first : len(after) - same_end]
        numbers = {entry.name: number for number, entry in enumerate(classes)}
        tail = slice(len(before) - same_end, None)

        def spliced(old: np.ndarray, values: list[float] | list[int]) -> np.ndarray:
            return np.concatenate([old[:first], np.array(values, old.dtype), old[tail]])

        self.starts_ns = spliced(self.starts_ns, [label.start_ns for label in new])
        self.ends_ns = spliced(self.ends_ns, [label.end_ns for label in new])
        self.codes = spliced(self.codes, [numbers.get(label.class_name, -1) for label in new])
        self.states = states
        return _joined(_span(gone), _span(new))

    def between(self, start_ns: float, end_ns: float) -> slice:
        """The states that overlap a stretch of time, found by bisection."""
        first = int(np.searchsorted(self.ends_ns, start_ns, side="right"))
        return slice(first, int(np.searchsorted(self.starts_ns, end_ns, side="left")))

    def cover(self, edges_ns: np.ndarray) -> np.ndarray:
        """How much of each column each class covers, 0 to 1: (classes + 1, columns).

        `edges_ns` are the borders of the columns, (columns + 1,). The last row is for classes
        that the scheme does not have.
        """
        part = self.between(edges_ns[0], edges_ns[-1])
        starts, ends, codes = self.starts_ns[part], self.ends_ns[part], self.codes[part]
        rows = len(self.classes) + 1
        result = np.zeros((rows, len(edges_ns) - 1))
        codes = np.where(codes < 0, rows - 1, codes)
        for row in range(rows):
            chosen = codes == row
            if not chosen.any():
                continue
            # The time spent in this class so far rises during its states and rests between them.
            times = np.stack([starts[chosen], ends[chosen]], axis=1).ravel()
            spent = np.zeros(len(times))
            np.cumsum(times[1::2] - times[0::2], out=spent[1::2])
            spent[2::2] = spent[1:-1:2]
            result[row] = np.diff(np.interp(edges_ns, times, spent))
        return result / np.diff(edges_ns)

    def leading(self, edges_ns: np.ndarray) -> np.ndarray:
        """The class that covers most of each column, int64 (columns,).

        len(classes) for classes that the scheme does not have, -1 where most is unlabelled.
        """
        cover = self.cover(edges_ns)
        best = cover.argmax(axis=0)
        most = np.take_along_axis(cover, best[None], axis=0)[0]
        return np.where(most + 1e-9 < 1 - cover.sum(axis=0), -1, np.where(most > 0, best, -1))

    def colours(self, ground: QColor) -> list[QColor]:
        """Of each class, and of the classes that the scheme does not have, to be seen on
        `ground`."""
        names = (*(entry.colour for entry in self.classes), OTHER_COLOUR)
        return [seen_on(QColor(name), ground) for name in names]


def _span(states: tuple[StudyLabel, ...]) -> tuple[float, float] | None:
    return (states[0].start_ns, states[-1].end_ns) if states else None


def _joined(
    a: tuple[float, float] | None, b: tuple[float, float] | None
) -> tuple[float, float] | None:
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), max(a[1], b[1])


def text_on(ground: QColor) -> QColor:
    """Black or white, whichever is easier to read on a colour."""
    is_light = _luminance(ground) > 0.179  # where both have the same contrast
    return QColor(Qt.GlobalColor.black if is_light else Qt.GlobalColor.white)


def seen_on(colour: QColor, ground: QColor) -> QColor:
    """The colour, or one just so much lighter or darker that thin lines of it can be seen."""
    target = text_on(ground)
    for step in range(8):
        share = step / 10
        mixed = QColor.fromRgbF(
            *(
                (1 - share) * a + share * b
                for a, b in zip(colour.getRgbF()[:3], target.getRgbF()[:3], strict=True)
            )
        )
        lighter, darker = sorted((_luminance(mixed), _luminance(ground)), reverse=True)
        if (lighter + 0.05) / (darker + 0.05) >= LEAST_CONTRAST:
            break
    return mixed


def _luminance(colour: QColor) -> float:
    """Relative luminance by WCAG 2, 0 to 1."""
    parts = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in colour.getRgbF()[:3]
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def column_image(codes: np.ndarray, colours: Sequence[QColor]) -> QImage:
    """One row of pixels in the colours of `codes`; clear where a code is negative."""
    table = np.array([*(colour.rgb() for colour in colours), 0], np.uint32)
    return row_image(table[np.where(codes < 0, len(colours), codes)])


def row_image(argb: np.ndarray) -> QImage:
    """One row of pixels from premultiplied ARGB numbers, uint32 (columns,)."""
    row = np.ascontiguousarray(argb, np.uint32)
    image_format = QImage.Format.Format_ARGB32_Premultiplied
    # The copy owns its pixels: an image over numpy's memory would outlive it.
    return QImage(row.data, len(row), 1, 4 * len(row), image_format).copy()


# ---------------------------------------------------------------- the bar


class OverviewBar(QWidget):
    """The whole recording: states in their colours, events and marks above, gaps hatched.

    The frame is what the traces show. A click goes there, dragging the frame moves along, dragging
    elsewhere chooses a stretch, the wheel zooms.
    """

    went_to = Signal(float)
    """A time in seconds that should come to the middle of what is visible."""
    range_chosen = Signal(float, float)
    """Start and end in seconds of what should become visible."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._duration_s = 0.0
        self._clock_start_s: float | None = None
        self._zone: tzinfo = UTC
        self._timeline = StateTimeline()
        self._labels = RecordingLabels()
        self._scheme: LabelScheme | None = None
        self._bounds: tuple[float, float] | None = None
        self._others: tuple[object, ...] = ((), (), None, None)
        self._bad: tuple[StudyLabel, ...] = ()
        self._gaps: tuple[tuple[float, float], ...] = ()
        self._range = (0.0, 0.0)
        self._cursor: tuple[float, float] | None = None
        self._content: QPixmap | None = None
        self._event_row: tuple[object, QImage] | None = None
        self._pressed_at: QPointF | None = None
        self._holds_frame = False
        self._is_dragging = False
        self._grip_s = 0.0
        self._chosen: tuple[float, float] | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Overview of the recording"))
        self.setAccessibleDescription(
            self.tr(
                "Left and Right move by a page, Home and End go to the ends, plus and minus zoom."
            )
        )

    # -- what is shown

    def set_duration(self, duration_s: float) -> None:
        """Length of the recording in seconds."""
        if duration_s != self._duration_s:
            self._duration_s = max(duration_s, 0.0)
            self._redraw()

    def set_clock_start(self, start_s: float | None, time_zone: str | None = None) -> None:
        """When the recording began, in unix seconds, and where: ticks show time of day. None for
        elapsed time."""
        zone = ZoneInfo(time_zone) if time_zone is not None else UTC
        if (start_s, zone) != (self._clock_start_s, self._zone):
            self._clock_start_s, self._zone = start_s, zone
            self._redraw()

    def set_labels(
        self, labels: RecordingLabels, scheme: LabelScheme, grid: EpochGrid | None = None
    ) -> None:
        """Labels of the rater who is looked at. `grid` shades what lies outside the epochs."""
        bounds = None
        if grid is not None:
            bounds = (grid.span(0)[0] / NS, grid.span(max(grid.epochs - 1, 0))[1] / NS)
        others = (labels.events, labels.marks, scheme, bounds)
        changed = self._timeline.update(labels.states, scheme.states)
        if any(a is not b and a != b for a, b in zip(others, self._others, strict=True)):
            events = labels.events
            self._bad = tuple(label for label in events if label.class_name == BAD_SIGNAL)
            self._redraw()
        elif changed is not None:
            self._redraw_states(changed[0] / NS, changed[1] / NS)
        self._labels, self._scheme, self._bounds, self._others = labels, scheme, bounds, others

    def set_gaps(self, gaps: Sequence[tuple[float, float]]) -> None:
        """Stretches in which nothing was recorded, start and end in seconds."""
        wanted = tuple((float(a), float(b)) for a, b in gaps)
        if wanted != self._gaps:
            self._gaps = wanted
            self._redraw()

    def set_range(self, start_s: float, end_s: float) -> None:
        """What the traces show, in seconds."""
        if (start_s, end_s) != self._range:
            before = self._frame().toAlignedRect()
            self._range = (start_s, end_s)
            self._update_around(before, self._frame().toAlignedRect())

    def set_cursor(self, span_s: tuple[float, float] | None) -> None:
        """Start and end of the epoch of the cursor in seconds; None for none."""
        if span_s != self._cursor:
            before = self._cursor_rect().toAlignedRect()
            self._cursor = span_s
            self._update_around(before, self._cursor_rect().toAlignedRect())

    @property
    def range_s(self) -> tuple[float, float]:
        """What the frame shows, in seconds."""
        return self._range

    def describe(self, time_s: float) -> str:
        """What lies at a time, in words."""
        parts = [self._time_text(time_s)]
        label = self._labels.state_at(round(time_s * NS))
        if any(a <= time_s < b for a, b in self._gaps):
            parts.append(self.tr("nothing recorded"))
        parts.append(label.class_name if label is not None else self.tr("unlabelled"))
        reach = 2 / max(self._per_second(), 1e-9)
        for mark in self._labels.marks:
            if abs(mark.start_s - time_s) <= reach:
                parts.append(mark.class_name)
        return " · ".join(parts)

    def sizeHint(self) -> QSize:
        return QSize(600, self._lanes_height() + self._text_height() + 2)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, self.sizeHint().height())

    # -- geometry

    def _text_height(self) -> int:
        return QFontMetrics(self.font()).height()

    def _lanes_height(self) -> int:
        return self._marks_height() + 34

    def _marks_height(self) -> int:
        """Above the states: flags of marks, and under them the ticks of events."""
        return 8 + 6

    def _states_rect(self) -> QRectF:
        top = self._marks_height()
        return QRectF(0, top, self.width(), max(self.height() - self._text_height() - 2 - top, 8))

    def _per_second(self) -> float:
        return self.width() / self._duration_s if self._duration_s > 0 else 0.0

    def _x(self, time_s: float) -> float:
        return time_s * self._per_second()

    def _time(self, x: float) -> float:
        per_second = self._per_second()
        return min(max(x / per_second, 0.0), self._duration_s) if per_second else 0.0

    def _frame(self) -> QRectF:
        left, right = self._x(self._range[0]), self._x(self._range[1])
        if right - left < FRAME_WIDTH_PX:
            middle = (left + right) / 2
            left, right = middle - FRAME_WIDTH_PX / 2, middle + FRAME_WIDTH_PX / 2
        states = self._states_rect()
        return QRectF(left, states.top() - 3, right - left, states.height() + 5)

    def _cursor_rect(self) -> QRectF:
        if self._cursor is None:
            return QRectF()
        states = self._states_rect()
        left = self._x(self._cursor[0])
        width = max(self._x(self._cursor[1]) - left, 1.0)
        return QRectF(left, states.top(), width, states.height())

    def _update_around(self, *rects: QRect) -> None:
        """Only these parts need painting again, with the width of their lines."""
        for rect in rects:
            if rect.isValid():
                self.update(rect.adjusted(-3, -3, 3, 3))

    # -- painting

    def _base(self) -> QColor:
        return self.palette().color(QPalette.ColorRole.Base)

    def _text(self) -> QColor:
        return self.palette().color(QPalette.ColorRole.Text)

    def _redraw(self) -> None:
        self._content = None
        self.update()

    def _redraw_states(self, start_s: float, end_s: float) -> None:
        """Paint the states of a stretch anew, in what is there already."""
        if self._content is None or self._duration_s <= 0:
            return
        states = self._states_rect()
        left = int(np.floor(self._x(start_s))) - 1
        right = int(np.ceil(self._x(end_s))) + 1
        stretch = QRect(left, int(states.top()), right - left, int(np.ceil(states.height())))
        stretch &= self.rect()
        painter = QPainter(self._content)
        painter.setClipRect(stretch)
        self._draw_states(painter, self._content.devicePixelRatio(), left, right)
        self._draw_marks(painter)
        painter.end()
        self.update(stretch)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            if event.type() == QEvent.Type.FontChange:
                self.updateGeometry()
            self._redraw()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size() != event.oldSize():
            self._redraw()

    def paintEvent(self, event: QPaintEvent) -> None:
        ratio = self.devicePixelRatioF()
        if self._content is None or self._content.devicePixelRatio() != ratio:
            self._content = self._drawn_content(ratio)
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._content)
        if self._duration_s <= 0:
            return
        text = self._text()
        if self._cursor is not None:
            painter.setPen(QPen(text, 1))
            rect = self._cursor_rect()
            x = round(rect.center().x())
            painter.drawLine(x, round(rect.top()) - 5, x, round(rect.bottom()) + 3)
        accent = self.palette().color(QPalette.ColorRole.Highlight)
        if self._range[1] > self._range[0]:
            self._draw_frame(painter, self._frame(), accent)
        if self._chosen is not None:
            left, right = self._x(self._chosen[0]), self._x(self._chosen[1])
            states = self._states_rect()
            rect = QRectF(left, 0, right - left, states.bottom())
            painter.setPen(QPen(accent, 1, Qt.PenStyle.DashLine))
            painter.setBrush(_faint(accent, 70))
            painter.drawRect(rect.adjusted(0.5, 0.5, -0.5, -0.5))
        if self.hasFocus():
            painter.setPen(QPen(accent, 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _draw_frame(self, painter: QPainter, rect: QRectF, accent: QColor) -> None:
        """Light outside the accent: seen on labels of any colour."""
        base = self._base()
        painter.setBrush(_faint(accent, 40))
        painter.setPen(QPen(accent, 1))
        inner = QRectF(rect.toRect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.drawRect(inner)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(inner.adjusted(1, 1, -1, -1))
        painter.setPen(QPen(base, 1))
        painter.drawRect(inner.adjusted(-1, -1, 1, 1))

    def _drawn_content(self, ratio: float) -> QPixmap:
        """Everything but the frame and the cursor."""
        pixmap = QPixmap(self.size() * ratio)
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(self._base())
        if self._duration_s <= 0 or self.width() < 1:
            return pixmap
        painter = QPainter(pixmap)
        self._draw_states(painter, ratio, 0, self.width())
        if self._labels.events and self._scheme is not None:
            row = QRectF(0, self._states_rect().top() - 6, self.width(), 5)
            painter.drawImage(row, self._events_image(max(1, round(self.width() * ratio))))
        self._draw_ticks(painter)
        self._draw_marks(painter)
        painter.end()
        return pixmap

    def _draw_states(self, painter: QPainter, ratio: float, left: int, right: int) -> None:
        """The lane of the states from one x to another, and what lies over it."""
        left, right = max(left, 0), min(right, self.width())
        if right <= left:
            return
        text = self._text()
        whole = self._states_rect()
        states = QRectF(left, whole.top(), right - left, whole.height())
        painter.fillRect(states, self._base())
        painter.fillRect(states, _faint(text, 20))
        painter.fillRect(states, QBrush(_faint(text, 60), Qt.BrushStyle.Dense7Pattern))
        columns = max(1, round((right - left) * ratio))
        scale = NS / self._per_second()
        edges = np.linspace(left * scale, right * scale, columns + 1)
        image = column_image(self._timeline.leading(edges), self._timeline.colours(self._base()))
        painter.drawImage(states, image)
        self._draw_outside(painter, whole, text)
        self._draw_stretches(painter, whole, text)

    def _draw_outside(self, painter: QPainter, states: QRectF, text: QColor) -> None:
        """What no epoch covers cannot be labelled."""
        if self._bounds is None:
            return
        first, last = self._x(self._bounds[0]), self._x(self._bounds[1])
        for left, right in ((0.0, first), (last, float(self.width()))):
            if right - left >= 1:
                painter.fillRect(
                    QRectF(left, states.top(), right - left, states.height()), _faint(text, 50)
                )

    def _draw_stretches(self, painter: QPainter, states: QRectF, text: QColor) -> None:
        """Gaps hatched over the whole height, bad signal along the lower edge."""
        base = self._base()
        for start, end in self._gaps:
            rect = QRectF(self._x(start), states.top(), 0, states.height())
            rect.setWidth(max(self._x(end) - rect.left(), 2.0))
            painter.fillRect(rect, base)
            painter.fillRect(rect, QBrush(_faint(text, 150), Qt.BrushStyle.BDiagPattern))
        for label in self._bad:
            rect = QRectF(self._x(label.start_s), states.bottom() - 6, 0, 6)
            rect.setWidth(max(self._x(label.end_s) - rect.left(), 2.0))
            painter.fillRect(rect, base)
            painter.fillRect(rect, QBrush(text, Qt.BrushStyle.DiagCrossPattern))

    def _events_image(self, columns: int) -> QImage:
        """In each column the class of most events there; never lost, however short."""
        assert self._scheme is not None
        events, classes = self._labels.events, self._scheme.events
        key = (events, classes, columns, self._duration_s)
        if self._event_row is not None and self._event_row[0] == key:
            return self._event_row[1]
        numbers = {entry.name: number for number, entry in enumerate(classes)}
        codes = np.array([numbers.get(label.class_name, len(classes)) for label in events], int)
        scale = columns / (self._duration_s * NS)
        first = (np.array([label.start_ns for label in events]) * scale).astype(int)
        last = np.ceil(np.array([label.end_ns for label in events]) * scale).astype(int)
        first = np.clip(first, 0, columns - 1)
        last = np.clip(np.maximum(last, first + 1), 1, columns)
        steps = np.zeros((len(classes) + 1, columns + 1), np.int64)
        np.add.at(steps, (codes, first), 1)
        np.add.at(steps, (codes, last), -1)
        there = steps.cumsum(axis=1)[:, :-1]
        leading = np.where(there.any(axis=0), there.argmax(axis=0), -1)
        colours = [*(QColor(entry.colour) for entry in classes), QColor(OTHER_COLOUR)]
        image = column_image(leading, colours)
        self._event_row = (key, image)
        return image

    def _since_midnight(self) -> float:
        """Time of day at the recording's start, in seconds; 0 for elapsed time."""
        if self._clock_start_s is None:
            return 0.0
        began = datetime.fromtimestamp(self._clock_start_s, self._zone)
        return (began.hour * 60 + began.minute) * 60 + self._clock_start_s % 60

    def _draw_ticks(self, painter: QPainter) -> None:
        text = self._text()
        metrics = QFontMetrics(self.font())
        offset = self._since_midnight()
        most = max(1.0, self.width() / (metrics.horizontalAdvance("00:00:00") + 24))
        step = next((s for s in _TICK_STEPS_S if self._duration_s / s <= most), None)
        if step is None:
            step = 86400 * int(np.ceil(self._duration_s / 86400 / most))
        bottom = round(self._states_rect().bottom())
        first = int(np.ceil(offset / step))
        last = int(np.floor((offset + self._duration_s) / step))
        painter.setPen(QPen(text, 1))
        painter.setFont(self.font())
        for number in range(first, last + 1):
            time_s = number * step - offset
            x = round(self._x(time_s))
            painter.drawLine(x, bottom, x, bottom + 3)
            label = self._time_text(time_s)
            if x + 4 + metrics.horizontalAdvance(label) <= self.width():
                painter.drawText(x + 4, bottom + 2 + metrics.ascent(), label)

    def _draw_marks(self, painter: QPainter) -> None:
        text = self._text()
        colours = (
            {entry.name: QColor(entry.colour) for entry in self._scheme.marks}
            if self._scheme is not None
            else {}
        )
        bottom = self._states_rect().bottom()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for mark in self._labels.marks:
            x = round(self._x(mark.start_s))
            colour = colours.get(mark.class_name, QColor(OTHER_COLOUR))
            painter.setPen(QPen(text, 1))
            painter.drawLine(x, 0, x, round(bottom))
            # Near the right end the flag flies to the left.
            side = -9 if x > self.width() - 12 else 9
            painter.setBrush(colour)
            painter.drawPolygon(QPolygonF([QPointF(x, 0), QPointF(x + side, 4), QPointF(x, 8)]))

    def _time_text(self, time_s: float) -> str:
        if self._clock_start_s is None:
            return clock_text(time_s)
        whole = round(self._clock_start_s + time_s)
        return datetime.fromtimestamp(whole, self._zone).strftime("%H:%M:%S")

    # -- mouse and keys

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or self._duration_s <= 0:
            super().mousePressEvent(event)
            return
        self._pressed_at = event.position()
        self._is_dragging = False
        self._holds_frame = self._is_on_frame(event.position())
        middle = (self._range[0] + self._range[1]) / 2
        self._grip_s = middle - self._time(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed_at is None:
            on_frame = self._is_on_frame(event.position())
            shape = Qt.CursorShape.OpenHandCursor if on_frame else Qt.CursorShape.ArrowCursor
            self.setCursor(shape)
            return
        far = abs(event.position().x() - self._pressed_at.x())
        if not self._is_dragging and far < QApplication.startDragDistance():
            return
        self._is_dragging = True
        here = self._time(event.position().x())
        if self._holds_frame:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            half = (self._range[1] - self._range[0]) / 2
            middle = min(max(here + self._grip_s, half), max(self._duration_s - half, half))
            self.went_to.emit(middle)
        else:
            there = self._time(self._pressed_at.x())
            self._choose((min(here, there), max(here, there)))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or self._pressed_at is None:
            super().mouseReleaseEvent(event)
            return
        self._pressed_at = None
        chosen, self._chosen = self._chosen, None
        self.update()
        if not self._is_dragging:
            self.went_to.emit(self._time(event.position().x()))
        elif chosen is not None and chosen[1] > chosen[0]:
            self.range_chosen.emit(*chosen)
        self.mouseMoveEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        start, end = self._range
        turned = event.angleDelta()
        if self._duration_s <= 0 or end <= start or turned.isNull():
            event.ignore()
            return
        if abs(turned.x()) > abs(turned.y()):
            self._move(-turned.x() / 120 * 0.1)
        else:
            here = self._time(event.position().x())
            anchor = here if start <= here <= end else (start + end) / 2
            self._zoom(WHEEL_ZOOM ** (turned.y() / 120), anchor)
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        start, end = self._range
        middle, span = (start + end) / 2, end - start
        key = event.key()
        if key == Qt.Key.Key_Escape and self._chosen is not None:
            self._chosen, self._pressed_at = None, None
            self.update()
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_PageUp):
            self._move(-1.0)
        elif key in (Qt.Key.Key_Right, Qt.Key.Key_PageDown):
            self._move(1.0)
        elif key == Qt.Key.Key_Home:
            self.went_to.emit(span / 2)
        elif key == Qt.Key.Key_End:
            self.went_to.emit(self._duration_s - span / 2)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self._zoom(0.5, middle)
        elif key == Qt.Key.Key_Minus:
            self._zoom(2.0, middle)
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            if self._duration_s > 0:
                words = self.describe(self._time(event.pos().x()))
                QToolTip.showText(event.globalPos(), words, self, self._around(event.pos()))
            return True
        return super().event(event)

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self._update_around(self._frame().toAlignedRect())

    def _around(self, position: QPoint) -> QRect:
        """A tooltip goes as soon as the mouse leaves this."""
        return QRect(position.x() - 2, 0, 5, self.height())

    def _is_on_frame(self, position: QPointF) -> bool:
        whole = self._range[0] <= 0 and self._range[1] >= self._duration_s
        return not whole and self._frame().adjusted(-2, -4, 2, 4).contains(position)

    def _choose(self, span: tuple[float, float]) -> None:
        self._chosen = span
        self.update()

    def _move(self, pages: float) -> None:
        start, end = self._range
        half = (end - start) / 2
        middle = start + half + pages * (end - start)
        self.went_to.emit(min(max(middle, half), max(self._duration_s - half, half)))

    def _zoom(self, factor: float, anchor: float) -> None:
        start, end = self._range
        span = min((end - start) * factor, self._duration_s)
        low = anchor - (anchor - start) * span / max(end - start, 1e-9)
        low = min(max(low, 0.0), self._duration_s - span)
        self.range_chosen.emit(low, low + span)


def _faint(colour: QColor, alpha: int) -> QColor:
    return QColor(colour.red(), colour.green(), colour.blue(), alpha)
