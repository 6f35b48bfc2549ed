"""Labels and predictions of one recording over time, with confidence and fragility."""

from __future__ import annotations

from html import escape

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from core.prediction_table import PredictionTable
from ui.time_plot import HatchItem, TimePlot, class_colour, clock_text

GAP = 0.5
CURVE_HEIGHT = 3.0


class PredictionStrip(QWidget):
    """A step strip: each class has its own height and colour.

    Windows with no modality present are hatched; where there is no window, nothing is drawn.
    """

    hovered = Signal(str)
    """What lies under the mouse, in words; empty where there is no window."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table: PredictionTable | None = None
        self._classes: tuple[str, ...] = ()
        self._until = np.empty(0)
        self._items: list[pg.BarGraphItem] = []
        self._legend = QLabel()
        self._legend.setTextFormat(Qt.TextFormat.RichText)
        self._legend.setWordWrap(True)
        self._legend.setAccessibleName(self.tr("Classes and their colours"))
        self.plot = TimePlot()
        self.plot.setAccessibleName(self.tr("Labels and predictions over time"))
        self._absent = HatchItem()
        self._absent.setZValue(10)
        self.plot.addItem(self._absent, ignoreBounds=True)
        self._read_out = QLabel()
        self._read_out.setTextFormat(Qt.TextFormat.PlainText)
        self._read_out.setAccessibleName(self.tr("Window under the mouse"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self._legend)
        layout.addWidget(self.plot, 1)
        layout.addWidget(self._read_out)
        self.plot.scene().sigMouseMoved.connect(self._on_mouse)
        self.plot.palette_changed.connect(self._draw)
        self.setMinimumHeight(190)

    @property
    def read_out(self) -> str:
        return self._read_out.text()

    def link_to(self, plot: TimePlot) -> None:
        """Move along with another plot over time."""
        self.plot.setXLink(plot)

    def set_predictions(self, table: PredictionTable | None, classes: tuple[str, ...]) -> None:
        """Show the windows of one recording; nothing for None."""
        self._table = table
        known = list(classes)
        for text in (*table.label, *table.predicted) if table is not None else ():
            if text and text not in known:
                known.append(text)
        self._classes = tuple(known)
        self._until = table.shown_until_s() if table is not None else np.empty(0)
        self._draw()
        self._say_legend()
        self._read_out.setText(
            self.tr("Point at a window to read it.") if table is not None else ""
        )

    def describe(self, time_s: float) -> str:
        """The window at a time in words; empty where there is none."""
        table = self._table
        if table is None or not len(table):
            return ""
        k = int(np.searchsorted(table.start_s, time_s, side="right")) - 1
        if k < 0 or time_s >= self._until[k]:
            return ""
        span = f"{clock_text(table.start_s[k])}–{clock_text(table.end_s[k])}"
        parts = [span]
        if table.predicted[k]:
            parts.append(self.tr("predicted {name}").format(name=table.predicted[k]))
        else:
            parts.append(self.tr("no modality present"))
        if table.label[k]:
            parts.append(self.tr("label {name}").format(name=table.label[k]))
        else:
            parts.append(self.tr("no label"))
        if np.isfinite(table.confidence[k]):
            parts.append(self.tr("confidence {x}").format(x=f"{table.confidence[k]:.2f}"))
        if np.isfinite(table.fragility[k]):
            parts.append(self.tr("fragility {x}").format(x=f"{table.fragility[k]:.2f}"))
        if table.present[k]:
            names = table.present[k].replace(";", ", ")
            parts.append(self.tr("present: {names}").format(names=names))
        return " · ".join(parts)

    # -- drawing

    def _draw(self) -> None:
        for item in self._items:
            self.plot.removeItem(item)
        self._items = []
        table = self._table
        if table is None or not len(table):
            self._absent.set_stretches(np.empty(0), np.empty(0), 0, 1, QColor())
            self.plot.getAxis("left").setTicks([[]])
            return
        number = {name: k for k, name in enumerate(self._classes)}
        label = np.array([number[t] if t else -1 for t in table.label], int)
        predicted = np.array([number[t] if t else -1 for t in table.predicted], int)
        height = float(max(len(self._classes), 3))
        ticks = []
        y = 0.0
        if (label >= 0).any():
            self._add_ground(y - height, height)
            self._add_steps(label, y)
            ticks.append((y - height / 2, self.tr("label")))
            y -= height + GAP
            differs = (label >= 0) & (predicted >= 0) & (label != predicted)
            self._add_bars(differs, y - 0.8, np.full(len(label), 0.8), QColor("#D55E00"))
            ticks.append((y - 0.4, self.tr("differs")))
            y -= 0.8 + GAP
        self._add_ground(y - height, height)
        self._add_steps(predicted, y)
        ticks.append((y - height / 2, self.tr("predicted")))
        y -= height
        absent = predicted < 0
        shade = self.plot.text_colour()
        shade.setAlpha(130)
        self._absent.set_stretches(table.start_s[absent], self._until[absent], y, 0.0, shade)
        for title, values, colour in (
            (self.tr("confidence"), table.confidence, QColor("#0072B2")),
            (self.tr("fragility"), table.fragility, QColor("#D55E00")),
        ):
            known = np.isfinite(values)
            if known.any():
                y -= GAP + CURVE_HEIGHT
                self._add_ground(y, CURVE_HEIGHT)
                heights = np.clip(np.where(known, values, 0.0), 0.0, 1.0) * CURVE_HEIGHT
                self._add_bars(known, y, heights, colour)
                ticks.append((y + CURVE_HEIGHT / 2, title))
        self.plot.getAxis("left").setTicks([ticks])
        self.plot.setYRange(y - 0.2, 0.4, padding=0)

    def _add_ground(self, low: float, height: float) -> None:
        """A pale ground wherever there is a window."""
        count = len(self._until)
        colour = self.plot.soft_colour(0.07)
        self._add_bars(np.ones(count, bool), low, np.full(count, height), colour)

    def _add_steps(self, values: np.ndarray, top: float) -> None:
        """One row per class below `top`, the first class uppermost."""
        for k in range(len(self._classes)):
            self._add_bars(
                values == k, top - k - 1 + 0.08, np.full(len(values), 0.84), class_colour(k)
            )

    def _add_bars(self, chosen: np.ndarray, low: float, height: np.ndarray, colour: QColor) -> None:
        """Bars over the chosen windows; equal neighbours as one."""
        assert self._table is not None
        index = np.flatnonzero(chosen)
        if not len(index):
            return
        start, end, high = self._table.start_s[index], self._until[index], height[index]
        new = np.ones(len(index), bool)
        new[1:] = (start[1:] > end[:-1] + 1e-6) | (high[1:] != high[:-1])
        first = np.flatnonzero(new)
        last = np.append(first[1:], len(index)) - 1
        item = pg.BarGraphItem(
            x0=start[first],
            x1=end[last],
            y0=np.full(len(first), low),
            height=high[first],
            # The pen keeps bars visible that are narrower than a pixel.
            pen=pg.mkPen(colour, width=1),
            brush=pg.mkBrush(colour),
        )
        self.plot.addItem(item, ignoreBounds=True)
        self._items.append(item)

    def _say_legend(self) -> None:
        entries = [
            f'<span style="color:{class_colour(k).name()}; font-size:large">■</span>&nbsp;'
            + escape(name).replace(" ", "&nbsp;")
            for k, name in enumerate(self._classes)
        ]
        self._legend.setText("&nbsp;&nbsp; ".join(entries))

    def _on_mouse(self, position: QPointF) -> None:
        inside = self.plot.getViewBox().sceneBoundingRect().contains(position)
        text = ""
        if inside:
            text = self.describe(self.plot.getViewBox().mapSceneToView(position).x())
        self._read_out.setText(text)
        self.hovered.emit(text)
