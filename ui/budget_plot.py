"""How far labels go: macro F1 on held-out people by the number of labels learned from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyqtgraph as pg
from PySide6.QtWidgets import QSizePolicy, QWidget

from core.report import share
from core.report_charts import ticks
from ui.figure_plot import FigurePlot, LineStyle

BEAM = 0.008
"""Half the width of the ends of a deviation bar, of the whole width."""


@dataclass(frozen=True)
class BudgetLine:
    """One method: its name, looks, and rows as in the report's `label_efficiency`."""

    title: str
    style: LineStyle
    rows: tuple[Mapping[str, Any], ...]

    @property
    def points(self) -> list[Mapping[str, Any]]:
        """Rows that can be drawn."""
        return [
            row
            for row in self.rows
            if row.get("macro_f1") is not None and (row.get("labels") or 0) > 0
        ]


class BudgetPlot(FigurePlot):
    """Lines of several methods over numbers of labels, with bars of one standard deviation."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", "", parent)
        self._lines: tuple[BudgetLine, ...] = ()
        self._shares: list[tuple[float, str]] = []
        self.set_title("left", self.tr("macro F1"))
        self.set_title("bottom", self.tr("labelled windows learned from, mean over folds"))
        self.setAccessibleName(self.tr("Label-budget curve"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.palette_changed.connect(self._draw)
        self.getViewBox().sigResized.connect(self._mark_shares)
        self._draw()

    @property
    def lines(self) -> tuple[BudgetLine, ...]:
        return self._lines

    def set_lines(self, lines: Sequence[BudgetLine]) -> None:
        """Show these methods; the first one's shares of the labels are the marks below."""
        self._lines = tuple(lines)
        self.setAccessibleDescription(
            "; ".join(
                f"{line.title}: "
                + ", ".join(
                    self.tr("{f1} with {count} labels").format(
                        f1=f"{row['macro_f1']:.3f}", count=round(row["labels"])
                    )
                    for row in line.points
                )
                for line in self._lines
            )
        )
        self._draw()

    def _draw(self) -> None:
        self.clear()
        metrics = self.metrics()
        self.setFixedHeight(19 * metrics.lineSpacing())
        self.getAxis("left").setWidth(7 * metrics.averageCharWidth() + metrics.lineSpacing())
        self.getAxis("bottom").setHeight(3 * metrics.lineSpacing() + 14)
        known = [(line, row) for line in self._lines for row in line.points]
        self._shares = []
        if not known:
            self.setXRange(0, 1)
            self.setYRange(0, 1)
            for axis in ("left", "bottom"):
                self.getAxis(axis).setTicks([[]])
            return
        xs = [math.log10(row["labels"]) for _, row in known]
        low_x, high_x = min(xs), max(xs)
        room = 0.05 * (high_x - low_x) or 0.3
        self.setXRange(low_x - room, high_x + room, padding=0)
        values = [row["macro_f1"] for _, row in known]
        spreads = [row.get("macro_f1_sd") or 0.0 for _, row in known]
        low = min(value - spread for value, spread in zip(values, spreads, strict=True))
        high = max(value + spread for value, spread in zip(values, spreads, strict=True))
        space = 0.06 * (high - low) or 0.05
        low, high = max(low - space, 0.0), min(high + space, 1.03)
        self.setYRange(low, high, padding=0)
        marks = ticks(low, high, 5)
        self.getAxis("left").setTicks([[(value, f"{value:.2f}") for value in marks]])
        for row in self._lines[0].points or [row for _, row in known]:
            place = math.log10(row["labels"])
            text = f"{round(row['labels'])}"
            budget = row.get("budget")
            if isinstance(budget, float) and budget <= 1.0:
                text += f"\n{share(budget)}"
            self._shares.append((place, text))
        self.grid([place for place, _ in self._shares], marks)
        # Strong lines last, so that they lie on top.
        for line in sorted(self._lines, key=lambda line: line.style.strong):
            self._draw_line(line, BEAM * (high_x - low_x + 2 * room))
        self._mark_shares()

    def _draw_line(self, line: BudgetLine, beam: float) -> None:
        rows = sorted(line.points, key=lambda row: row["labels"])
        if not rows:
            return
        ground = self.ground()
        xs = [math.log10(row["labels"]) for row in rows]
        ys = [row["macro_f1"] for row in rows]
        self.plot(xs, ys, pen=line.style.pen(ground))
        bars: tuple[list[float], list[float]] = ([], [])
        for x, row in zip(xs, rows, strict=True):
            spread = row.get("macro_f1_sd")
            if spread:
                low, high = row["macro_f1"] - spread, row["macro_f1"] + spread
                bars[0].extend([x, x, x - beam, x + beam, x - beam, x + beam])
                bars[1].extend([low, high, low, low, high, high])
        colour = line.style.colour(ground)
        if bars[0]:
            self.plot(*bars, connect="pairs", pen=pg.mkPen(colour, width=1))
        points = pg.ScatterPlotItem(
            xs, ys, symbol=line.style.symbol, size=line.style.symbol_size,
            pen=pg.mkPen(ground, width=1), brush=pg.mkBrush(colour),
            data=[self.describe(line, row) for row in rows],
            hoverable=True, hoverSize=line.style.symbol_size + 4, tip=_tip,
        )  # fmt: skip
        points.setZValue(5)
        self.addItem(points)

    def describe(self, line: BudgetLine, row: Mapping[str, Any]) -> str:
        """A point in words."""
        spread = row.get("macro_f1_sd")
        return self.tr("{name}: {f1}{spread} with {count} labels").format(
            name=line.title,
            f1=f"{row['macro_f1']:.3f}",
            spread="" if spread is None else f" ± {spread:.3f}",
            count=round(row["labels"]),
        )

    def _mark_shares(self, *_: object) -> None:
        """Marks below, as many as stand apart."""
        if not self._shares:
            return
        span = self.viewRange()[0]
        width = max(self.getViewBox().width(), 1.0)
        metrics = self.metrics()
        shown: list[tuple[float, str]] = []
        edge = -math.inf
        for place, text in sorted(self._shares):
            half = max(metrics.horizontalAdvance(part) for part in text.split("\n")) / 2 + 4
            at = (place - span[0]) / (span[1] - span[0]) * width
            if at - half >= edge:
                shown.append((place, text))
                edge = at + half
        self.getAxis("bottom").setTicks([shown])


def _tip(x: float, y: float, data: str) -> str:
    return data
