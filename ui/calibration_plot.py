"""Whether confidence can be believed: how often windows are right, by how sure the model is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from ui.figure_plot import FigurePlot, LineStyle
from ui.study_panel import percent_text

QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


class CalibrationPlot(QWidget):
    """Bins of confidence: share right against mean confidence, and below it how many windows."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bins: list[dict[str, Any]] = []
        self.curve = FigurePlot("", self.tr("share right"))
        self.counts = FigurePlot(self.tr("confidence"), self.tr("windows"))
        self.curve.setAccessibleName(self.tr("Calibration curve"))
        self.counts.setAccessibleName(self.tr("Windows by confidence"))
        for plot in (self.curve, self.counts):
            plot.palette_changed.connect(self._draw)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.curve, 5)
        column.addWidget(self.counts, 3)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._draw()

    def set_bins(self, bins: Sequence[Mapping[str, Any]], ece: float | None) -> None:
        """Show the report's `reliability` and `ece`; empty bins are left out."""
        self._bins = [dict(entry) for entry in bins if entry.get("windows")]
        says = (
            self.tr("Expected calibration error {ece}, {bins} bins with windows").format(
                ece=f"{ece:.3f}", bins=len(self._bins)
            )
            if ece is not None
            else self.tr("No windows")
        )
        self.curve.setAccessibleDescription(says)
        self._draw()

    def _draw(self) -> None:
        metrics = self.fontMetrics()
        self.setFixedHeight(23 * metrics.lineSpacing())
        axis_width = 8 * metrics.averageCharWidth() + metrics.lineSpacing()
        for plot in (self.curve, self.counts):
            plot.clear()
            plot.getAxis("left").setWidth(axis_width)
            lines = 2 if plot is self.counts else 0
            plot.getAxis("bottom").setHeight(lines * metrics.lineSpacing() + 12)
            plot.setXRange(-0.02, 1.02, padding=0)
        quarters = [[(value, percent_text(value)) for value in QUARTERS]]
        for plot, axis in ((self.curve, "left"), (self.counts, "bottom")):
            plot.getAxis(axis).setTicks(quarters)
        self.curve.getAxis("bottom").setTicks([[(value, "") for value in QUARTERS]])
        self.curve.getAxis("bottom").showLabel(False)
        self.curve.setYRange(-0.03, 1.03, padding=0)
        self.curve.grid(QUARTERS, QUARTERS)
        diagonal = pg.mkPen(self.curve.soft(0.6), width=1, style=Qt.PenStyle.DashLine)
        self.curve.plot([0, 1], [0, 1], pen=diagonal)
        style = LineStyle(0, strong=True)
        colour = style.colour(self.curve.ground())
        known = [entry for entry in self._bins if entry.get("confidence") is not None]
        if known:
            self.curve.plot(
                [entry["confidence"] for entry in known],
                [entry["accuracy"] for entry in known],
                pen=style.pen(self.curve.ground()),
            )
            points = pg.ScatterPlotItem(
                [entry["confidence"] for entry in known],
                [entry["accuracy"] for entry in known],
                symbol=style.symbol, size=9,
                pen=pg.mkPen(self.curve.ground(), width=1), brush=pg.mkBrush(colour),
                data=[self.describe(entry) for entry in known],
                hoverable=True, hoverSize=12, tip=_tip,
            )  # fmt: skip
            self.curve.addItem(points)
        most = max((entry["windows"] for entry in self._bins), default=1)
        self.counts.setYRange(0, most * 1.2, padding=0)
        self.counts.getAxis("left").setTicks([[(0, "0"), (most, str(most))]])
        self.counts.grid(QUARTERS, ())
        if self._bins:
            centres = [(entry["lower"] + entry["upper"]) / 2 for entry in self._bins]
            width = 0.9 * (self._bins[0]["upper"] - self._bins[0]["lower"])
            bars = pg.BarGraphItem(
                x=centres, height=[entry["windows"] for entry in self._bins], width=width,
                pen=pg.mkPen(self.counts.soft(0.6), width=1),
                brush=pg.mkBrush(self.counts.soft(0.35)),
            )  # fmt: skip
            self.counts.addItem(bars)

    def describe(self, entry: Mapping[str, Any]) -> str:
        """A bin in words."""
        return self.tr(
            "{count} windows at a confidence of {sure} on average: {right} of them right"
        ).format(
            count=entry["windows"],
            sure=percent_text(entry["confidence"]),
            right=percent_text(entry["accuracy"]),
        )


def _tip(x: float, y: float, data: str) -> str:
    return data
