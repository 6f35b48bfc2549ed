"""The states of several raters below each other, and where they disagree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pyqtgraph.GraphicsScene.mouseEvents import HoverEvent, MouseClickEvent
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QVBoxLayout, QWidget

from core.label_scheme import LabelScheme
from core.study_labels import NS, EpochGrid, RecordingLabels, to_ns
from ui.epoch_layer import View, ViewItem
from ui.overview_bar import StateTimeline, column_image, seen_on
from ui.time_plot import TimePlot, clock_text

DISAGREE_COLOUR = "#D7263D"
ROW_PX = 15
LONGEST_NAME = 16


class AgreementStrip(QWidget):
    """One row of colours per rater; at the bottom, epochs they disagree on are red.

    A click goes to an epoch. Raters are given by name, so that in a blinded study the names can
    be letters.
    """

    epoch_clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = TimePlot()
        self.plot.hideAxis("bottom")
        self.plot.setAccessibleName(self.tr("States of several raters over time"))
        self._rows = _Rows(self)
        self.plot.addItem(self._rows, ignoreBounds=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        self.setAccessibleName(self.tr("Agreement of raters"))
        self.set_raters((), None, None, ())

    def link_to(self, plot: TimePlot) -> None:
        """Move along with another plot over time, and move it along."""
        self.plot.setXLink(plot)

    def set_duration(self, duration_s: float) -> None:
        """Limits of pan and zoom; the same as those of the traces."""
        whole = max(duration_s, 0.02)
        self.plot.getViewBox().setLimits(xMin=0.0, xMax=whole, minXRange=0.02, maxXRange=whole)

    def set_raters(
        self,
        raters: Sequence[tuple[str, RecordingLabels]],
        scheme: LabelScheme | None,
        grid: EpochGrid | None,
        disagreeing: Sequence[int] | np.ndarray,
    ) -> None:
        """Raters with their labels from top to bottom, and the numbers of the epochs on which
        they disagree."""
        rows = self._rows
        old = dict(rows.raters)
        rows.raters = []
        for name, labels in raters:
            timeline = old.pop(name, None) or StateTimeline()
            timeline.update(labels.states, scheme.states if scheme is not None else ())
            rows.raters.append((name, timeline))
        rows.labels = tuple(labels for _, labels in raters)
        rows.grid = grid
        rows.disagreeing = np.unique(np.asarray(disagreeing, np.int64))
        ticks = [(-k - 0.5, _short(name)) for k, (name, _) in enumerate(raters)]
        if raters:
            ticks.append((-len(raters) - 0.5, self.tr("disagree")))
        self.plot.getAxis("left").setTicks([ticks])
        self.plot.setYRange(-len(raters) - 1, 0, padding=0)
        self.setFixedHeight(self.sizeHint().height())
        count = len(rows.disagreeing)
        self.setAccessibleDescription(
            self.tr("{raters} raters; they disagree on {count} epochs.").format(
                raters=len(raters), count=count
            )
        )
        rows.update()

    def set_cursor(self, epoch: int | None) -> None:
        """The epoch to outline; None for none."""
        if epoch != self._rows.cursor:
            self._rows.cursor = epoch
            self._rows.update()

    def describe(self, time_s: float) -> str:
        """What each rater says at a time, in words."""
        rows = self._rows
        parts = [clock_text(time_s)]
        if rows.grid is not None and rows.grid.epochs > 0:
            start, end = rows.grid.span(rows.grid.at(to_ns(time_s)))
            parts = [f"{clock_text(start / NS)}–{clock_text(end / NS)}"]
        for (name, _), labels in zip(rows.raters, rows.labels, strict=True):
            label = labels.state_at(to_ns(time_s))
            said = label.class_name if label is not None else self.tr("unlabelled")
            parts.append(self.tr("{rater}: {label}").format(rater=name, label=said))
        return " · ".join(parts)

    def sizeHint(self) -> QSize:
        return QSize(600, ROW_PX * (len(self._rows.raters) + 1) + 4)


class _Rows(ViewItem):
    def __init__(self, strip: AgreementStrip) -> None:
        super().__init__()
        self.strip = strip
        self.raters: list[tuple[str, StateTimeline]] = []
        self.labels: tuple[RecordingLabels, ...] = ()
        self.grid: EpochGrid | None = None
        self.disagreeing = np.empty(0, np.int64)
        self.cursor: int | None = None

    # -- mouse

    def hoverEvent(self, event: HoverEvent) -> None:
        if event.isExit():
            self.setToolTip("")
            return
        self.setToolTip(self.strip.describe(float(self.mapFromScene(event.scenePos()).x())))

    def mouseClickEvent(self, event: MouseClickEvent) -> None:
        grid = self.grid
        if event.button() != Qt.MouseButton.LeftButton or grid is None or grid.epochs <= 0:
            event.ignore()
            return
        event.accept()
        time_s = float(self.mapFromScene(event.scenePos()).x())
        self.strip.epoch_clicked.emit(grid.at(to_ns(time_s)))

    # -- painting

    def draw(self, painter: QPainter, view: View) -> None:
        edges = view.edges_ns
        base = self.plot.soft_colour(0.0)
        for row, (_, timeline) in enumerate(self.raters):
            place = self._row(view, row)
            painter.fillRect(place, self.plot.soft_colour(0.06))
            painter.drawImage(place, column_image(timeline.leading(edges), timeline.colours(base)))
        if self.raters and self.grid is not None:
            self._draw_disagreeing(painter, view, self.grid)
            self._draw_cursor(painter, view, self.grid)

    def _row(self, view: View, row: int) -> QRectF:
        top, bottom = round(view.y(-row)) + 1, round(view.y(-row - 1)) - 1
        return QRectF(view.area.left(), top, view.area.width(), bottom - top)

    def _draw_disagreeing(self, painter: QPainter, view: View, grid: EpochGrid) -> None:
        """Red in every column of pixels that has a part of such an epoch: none is lost."""
        visible = view.epochs(grid)
        low, high = np.searchsorted(self.disagreeing, (visible.start, visible.stop))
        starts_ns = grid.offset_ns + self.disagreeing[low:high] * float(grid.epoch_ns)
        left = (starts_ns / NS - view.range_s[0]) * view.per_second
        # Two pixels at least: the axis lies over the first one.
        first = np.clip(np.floor(left), 0, max(view.columns - 2, 0)).astype(int)
        last = np.maximum(np.ceil(left + view.epoch_px(grid)).astype(int), first + 2)
        last = np.minimum(last, view.columns)
        steps = np.zeros(view.columns + 1, np.int64)
        np.add.at(steps, first, 1)
        np.add.at(steps, last, -1)
        codes = np.where(steps.cumsum()[:-1] > 0, 0, -1)
        red = seen_on(QColor(DISAGREE_COLOUR), self.plot.soft_colour(0.0))
        painter.drawImage(self._row(view, len(self.raters)), column_image(codes, [red]))

    def _draw_cursor(self, painter: QPainter, view: View, grid: EpochGrid) -> None:
        if self.cursor is None or grid.epochs <= 0:
            return
        start, end = grid.span(self.cursor)
        left = max(view.x(start / NS), view.area.left() - 2)
        right = min(view.x(end / NS), view.area.right() + 2)
        if right <= view.area.left() or left >= view.area.right():
            return
        rect = QRectF(round(left), view.area.top(), max(round(right - left), 4), view.area.height())
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self.plot.text_colour(), 1))
        painter.drawRect(rect.adjusted(0, 0, -1, -1))


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
