"""The path of least loss as stairs: which sensor goes next, and what is left of the score."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFontMetrics,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from core.report_charts import ticks
from core.subset_figures import Interval, SubsetFigure, SubsetFigures, path_sentence
from ui.appearance import readable_on
from ui.subset_table import blend, interval_text, number_text, percents
from ui.time_plot import class_colour

WIDEST_NAME = 11
"""Lines of text whose height a name takes at most."""
LEAST_RANGE = 0.1
"""Of the axis, so that steps of nothing do not look like a fall."""


@dataclass(frozen=True)
class _Step:
    name: str
    value: float
    interval: Interval | None
    text: str
    figure: SubsetFigure


class RemovalPath(QWidget):
    """Rows from all sensors down to one. Up and Down choose a row; Enter or a click asks for its
    subset."""

    subset_chosen = Signal(tuple)
    """Numbers of the modalities to keep, rising."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._steps: tuple[_Step, ...] = ()
        self._is_score = False
        self._current = 0
        self.setAccessibleName(self.tr("Path of least loss"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_figures(self, figures: SubsetFigures | None) -> None:
        """Show the path of these figures; None: nothing."""
        self._steps = ()
        self._current = 0
        self.setAccessibleDescription("")
        if figures is not None and figures.path:
            self._is_score = figures.has_scores
            steps = [self._step(self.tr("all sensors"), figures.everything)]
            for step in figures.path:
                name = figures.modalities[step.removed]
                text = self.tr("− {sensor}").format(sensor=name)
                steps.append(self._step(text, step.figure))
            self._steps = tuple(step for step in steps if step is not None)
            self.setAccessibleDescription(path_sentence(figures))
        self.updateGeometry()
        self.update()

    def _step(self, name: str, figure: SubsetFigure) -> _Step | None:
        value = figure.macro_f1 if self._is_score else figure.agreement
        if value is None:
            return None
        if self._is_score:
            return _Step(name, value, figure.ci95, number_text(value), figure)
        return _Step(name, value, figure.agreement_ci95, percents(value), figure)

    # -- size

    def _row_px(self) -> int:
        return self.fontMetrics().height() + 10

    def sizeHint(self) -> QSize:
        rows = max(len(self._steps), 1)
        return QSize(420, rows * self._row_px() + self.fontMetrics().height() + 12)

    def minimumSizeHint(self) -> QSize:
        return QSize(220, self.sizeHint().height())

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self.updateGeometry()

    # -- keys and mouse

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and self._steps:
            step = 1 if key == Qt.Key.Key_Down else -1
            self._current = min(max(self._current + step, 0), len(self._steps) - 1)
            self.update()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self._steps:
            self._choose(self._current)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        row = self._row_at(event.position().y())
        if event.button() == Qt.MouseButton.LeftButton and row is not None:
            self._current = row
            self._choose(row)
            self.update()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            row = self._row_at(event.pos().y())
            QToolTip.showText(event.globalPos(), "" if row is None else self.describe(row), self)
            return True
        return super().event(event)

    def describe(self, row: int) -> str:
        """A row in words."""
        step = self._steps[row]
        what = self.tr("macro F1") if self._is_score else self.tr("agreement with all")
        lines = [f"{step.name}: {what} {step.text}"]
        if step.interval is not None:
            pair = interval_text(step.interval, as_percent=not self._is_score)
            lines.append(self.tr("95 % interval {interval}").format(interval=pair))
        if step.figure.drop:
            lines.append(
                self.tr("{drop} less than with all").format(drop=number_text(step.figure.drop))
            )
        if step.figure.left_out:
            lines.append(
                self.tr("{count} windows have no other sensor").format(
                    count=f"{step.figure.left_out:,}"
                )
            )
        lines.append(self.tr("A click, or Enter, switches to these modalities"))
        return "\n".join(lines)

    def _row_at(self, y: float) -> int | None:
        row = int(y // self._row_px())
        return row if 0 <= row < len(self._steps) else None

    def _choose(self, row: int) -> None:
        self.subset_chosen.emit(self._steps[row].figure.kept)

    # -- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        palette = self.palette()
        text = palette.color(QPalette.ColorRole.Text)
        base = palette.color(QPalette.ColorRole.Base)
        painter.fillRect(self.rect(), base)
        if not self._steps:
            painter.setPen(blend(base, text, 0.6))
            said = self.tr("There is no second sensor to lose.")
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, said)
            return
        metrics = QFontMetrics(painter.font())
        # A little more than measured: else one of them may lose its end to rounding.
        names = max(metrics.horizontalAdvance(s.name) for s in self._steps) + 2
        names = min(names, WIDEST_NAME * metrics.height(), self.width() // 2)
        values = metrics.horizontalAdvance("100 %") + 8
        area = QRectF(names + 18, 0, self.width() - names - values - 30, self.height())
        low, high = self._range()
        self._draw_axis(painter, area, low, high, blend(base, text, 0.15), text)
        row_px = self._row_px()

        def x(value: float) -> float:
            return area.left() + (value - low) / (high - low) * area.width()

        line = readable_on(class_colour(0), base, 3.0)
        faint = blend(base, line, 0.45)
        points = [
            QPointF(round(x(s.value)), row_px * (row + 0.5)) for row, s in enumerate(self._steps)
        ]
        for row, step in enumerate(self._steps):
            place = QRectF(6, row * row_px, names, row_px)
            painter.setPen(text)
            name = metrics.elidedText(step.name, Qt.TextElideMode.ElideRight, names)
            middle = Qt.AlignmentFlag.AlignVCenter
            painter.drawText(place, middle | Qt.AlignmentFlag.AlignLeft, name)
            place = QRectF(self.width() - values - 6, row * row_px, values, row_px)
            painter.drawText(place, middle | Qt.AlignmentFlag.AlignRight, step.text)
            if step.interval is not None:
                painter.fillRect(
                    QRectF(
                        x(max(step.interval[0], low)),
                        points[row].y() - 3,
                        max(1.0, x(min(step.interval[1], high)) - x(max(step.interval[0], low))),
                        6,
                    ),
                    faint,
                )
        painter.setPen(QPen(line, 2))
        for row, point in enumerate(points):
            top, bottom = row * row_px, (row + 1) * row_px
            painter.drawLine(QPointF(point.x(), top), QPointF(point.x(), bottom))
            if row:
                painter.drawLine(QPointF(points[row - 1].x(), top), QPointF(point.x(), top))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(base, 1))
        painter.setBrush(line)
        for point in points:
            painter.drawEllipse(point, 4.5, 4.5)
        if self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(text, 1, Qt.PenStyle.DotLine))
            painter.drawRect(QRectF(1, self._current * row_px + 1, self.width() - 3, row_px - 2))

    def _range(self) -> tuple[float, float]:
        """Round ends of the axis around all values and intervals."""
        values = [s.value for s in self._steps]
        values += [end for s in self._steps for end in s.interval or ()]
        low, high = max(0.0, min(values)), min(1.0, max(values))
        if high - low < LEAST_RANGE:
            low, high = max(0.0, high - LEAST_RANGE), max(high, LEAST_RANGE)
        low, high = floor(low * 10 + 1e-9) / 10, ceil(high * 10 - 1e-9) / 10
        return low, max(high, low + LEAST_RANGE)

    def _draw_axis(
        self,
        painter: QPainter,
        area: QRectF,
        low: float,
        high: float,
        grid: QColor,
        text: QColor,
    ) -> None:
        metrics = QFontMetrics(painter.font())
        bottom = self._row_px() * len(self._steps)
        room = max(2, int(area.width() / (2.0 * metrics.horizontalAdvance("100 %")))) + 1
        for value in ticks(low, high, room):
            at = round(area.left() + (value - low) / (high - low) * area.width())
            painter.setPen(QPen(grid, 1))
            painter.drawLine(QPointF(at, 2), QPointF(at, bottom + 2))
            painter.setPen(text)
            label = percents(value) if not self._is_score else f"{value:.2g}"
            place = QRectF(at - 60, bottom + 3, 120, metrics.height() + 4)
            painter.drawText(place, Qt.AlignmentFlag.AlignHCenter, label)
