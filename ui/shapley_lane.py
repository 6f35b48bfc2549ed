"""What each modality adds to the predictions over time, as a band of Shapley shares under the
traces."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from PySide6.QtCore import QLineF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from core.window_store import RecordingWindows
from core.window_view import WindowView
from ui.epoch_layer import View
from ui.time_plot import class_colour, clock_text
from ui.window_lane import (
    Cells,
    Columns,
    LaneRow,
    OneLine,
    Picture,
    Totals,
    WindowLane,
    argb,
    blend,
    draw_missing,
    legend_entry,
    missing_rows,
    row_edges,
    visible,
)

BAND_WEIGHT = 7.0
LEAST_SPAN = 0.1
OFF = 0.35
"""Of the colour of a modality that is switched off."""


class ShapleyLane(WindowLane):
    """What adds to the probability of the predicted class is stacked above zero, what takes away
    from it below. A modality that is missing adds nothing; it is hatched where it is missing.

    The shares are of the prediction with all modalities, whatever is switched off.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shares: _Shares | None = None
        self._kept: tuple[int, ...] | None = None
        self.setAccessibleName(self.tr("What each modality adds"))
        self.plot.setAccessibleName(self.tr("Shapley share of each modality over time"))
        self.plot.hideAxis("bottom")
        self._legend = QLabel()
        self._legend.setTextFormat(Qt.TextFormat.RichText)
        self._legend.setWordWrap(True)
        self._legend.setAccessibleName(self.tr("Modalities and what they add in the mean"))
        self._legend.setToolTip(
            self.tr(
                "Mean over the windows in which the modality is present: what it adds to the "
                "probability of the class that all of them predict together"
            )
        )
        self._says = OneLine()
        self._says.setAccessibleName(self.tr("Window under the mouse"))
        head = QHBoxLayout()
        head.setContentsMargins(8, 2, 8, 0)
        head.setSpacing(16)
        head.addWidget(self._legend, 3)
        head.addWidget(self._says, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(head)
        layout.addWidget(self.plot, 1)
        self._take_rows()
        self.show_legend()
        self._say_cursor()

    @property
    def read_out(self) -> str:
        """What lies under the mouse or the cursor."""
        return self._says.whole

    @property
    def means(self) -> dict[str, float]:
        """What each modality adds in the mean over its windows; NaN where it has none."""
        shares = self._shares
        if shares is None:
            return {}
        return dict(zip(shares.modalities, shares.means.tolist(), strict=True))

    # -- what is shown

    def set_windows(self, windows: RecordingWindows | WindowView | None) -> None:
        """Show what a run, or a table of predictions, says of a recording; nothing for None."""
        if windows is None:
            self._shares = None
            self.set_cells(Cells(np.empty(0), np.empty(0)))
        else:
            is_view = isinstance(windows, WindowView)
            ends = windows.ends_s if is_view else windows.ends_shown_s()
            self.set_cells(Cells(windows.starts_s, ends))
            self._shares = _Shares(
                self.cells, windows.modalities, windows.present, windows.shapley, windows.length_s
            )
        self._says.say("")
        self._take_rows()
        self.show_legend()
        self._say_cursor()

    def set_kept(self, kept: Sequence[int]) -> None:
        """Modalities that are switched on; the others are pale."""
        wanted = tuple(sorted(kept))
        if wanted != self._kept:
            self._kept = wanted
            self.show_legend()
            self.item.update()

    def _is_off(self, modality: int) -> bool:
        return self._kept is not None and modality not in self._kept

    # -- rows

    def _take_rows(self) -> None:
        shares = self._shares
        rows = []
        if shares is not None:
            low, high = shares.limits
            marks = [(0.0, f"+{high:.1f}"), (high / (high - low), "0")]
            if low < 0:
                marks.append((1.0, f"−{-low:.1f}"))
            title = self.tr("Shapley")
            rows.append(LaneRow("shares", title, BAND_WEIGHT, "", tuple(marks)))
            rows += missing_rows(shares.present, shares.modalities, self.tr("no {names}"))
        self.axis.set_rows(rows)
        self.plot.setYRange(-max(float(row_edges(rows)[-1]), 1.0), 0.0, padding=0)
        self.on_font()
        self.item.update()

    def on_font(self) -> None:
        weight = max(float(row_edges(self.axis.rows)[-1]), BAND_WEIGHT)
        self.plot.setMinimumHeight(round(0.6 * self.row_px() * weight))
        self.fit_minimum()
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        more = round(0.4 * self.row_px() * float(row_edges(self.axis.rows)[-1]))
        return QSize(600, max(self.minimumSizeHint().height(), self.minimumHeight()) + more)

    # -- words

    def describe(self, time_s: float) -> str:
        """The window at a time in words; empty where there is none."""
        shares, row = self._shares, self.cells.at(time_s)
        if shares is None or row is None:
            return ""
        start = float(self.cells.starts_s[row])
        parts = [f"{clock_text(start)}–{clock_text(start + shares.length_s)}"]
        values = shares.values[row]
        known = [k for k in np.argsort(-np.nan_to_num(values)) if np.isfinite(values[k])]
        parts += [f"{shares.modalities[k]} {_signed(float(values[k]))}" for k in known]
        if not known:
            parts.append(self.tr("nothing to share out"))
        missing = [name for k, name in enumerate(shares.modalities) if not shares.present[row, k]]
        if missing:
            parts.append(self.tr("missing: {names}").format(names=", ".join(missing)))
        return " · ".join(parts)

    def say(self, text: str) -> None:
        self._says.say(text)
        super().say(text)

    def show_legend(self) -> None:
        shares = self._shares
        if shares is None:
            self._legend.setText(self.tr("There are no predictions of this recording."))
            return
        if not np.isfinite(shares.values).any():
            self._legend.setText(self.tr("This run has no Shapley shares of this recording."))
            return
        colours = self._modality_colours(self.palette().color(self.backgroundRole()))
        entries = []
        for k, (name, mean) in enumerate(self.means.items()):
            figure = _signed(mean) if np.isfinite(mean) else "–"
            text = self.tr("{name} {figure} (off)") if self._is_off(k) else f"{name} {figure}"
            entries.append(legend_entry(colours[k], text.format(name=name, figure=figure)))
        text = "&nbsp;&nbsp; ".join(entries)
        if text != self._legend.text():
            self._legend.setText(text)
            self.fit_minimum()

    def _modality_colours(self, ground: QColor) -> list[QColor]:
        assert self._shares is not None
        count = len(self._shares.modalities)
        colours = [visible(class_colour(k), ground) for k in range(count)]
        return [
            blend(colour, ground, OFF) if self._is_off(k) else colour
            for k, colour in enumerate(colours)
        ]

    # -- drawing

    def draw(self, painter: QPainter, view: View) -> None:
        shares = self._shares
        if shares is None or not len(self.cells):
            return
        picture = Picture(view)
        columns = Columns(self.cells, picture.edges_s)
        edges = row_edges(self.axis.rows)
        self._draw_band(picture, columns, shares, picture.rows(-edges[0], -edges[1]))
        for k, row in enumerate(self.axis.rows[1:], start=1):
            missing = ~shares.present[:, int(row.id.split()[1])]
            place = picture.rows(-edges[k], -edges[k + 1])
            draw_missing(picture, columns, place, missing, self)
        picture.draw(painter)
        low, high = shares.limits
        top, bottom = view.y(-edges[0]) + 1, view.y(-edges[1]) - 1
        zero = round(top + high / (high - low) * (bottom - top))
        painter.setPen(QPen(self.plot.text_colour(), 1))
        painter.drawLine(QLineF(view.area.left(), zero, view.area.right(), zero))
        self.draw_cursor(painter, view)

    def _draw_band(self, picture: Picture, columns: Columns, shares: _Shares, rows: slice) -> None:
        known = columns.shares(shares.known)[0]
        there = columns.last > columns.first
        pale = argb(self.soft(0.06))
        picture.fill(rows, pale, there)
        added = columns.shares(shares.added) / np.maximum(known, 1e-12)
        taken = columns.shares(shares.taken) / np.maximum(known, 1e-12)
        low, high = shares.limits
        zero = np.zeros((1, len(columns)))
        # From the uppermost border down: the sums of what adds, zero, the sums of what takes.
        heights = np.concatenate([np.cumsum(added, axis=0)[::-1], zero, -np.cumsum(taken, axis=0)])
        borders = np.concatenate([zero, (high - heights) / (high - low), zero + 1])
        colours = [argb(colour) for colour in self._modality_colours(self.soft(0.0))]
        picture.stack(rows, borders, [pale, *colours[::-1], *colours, pale], known > 0)
        picture.hatch(rows, argb(self.soft(0.55)), there & (known == 0))


class _Shares:
    """The shares of one recording, summed up over time when they are first drawn."""

    def __init__(
        self,
        cells: Cells,
        modalities: tuple[str, ...],
        present: np.ndarray,
        values: np.ndarray,
        length_s: float,
    ) -> None:
        self._cells = cells
        self.modalities = modalities
        self.present = present
        self.values = np.asarray(values, np.float64)
        self.length_s = length_s

    @cached_property
    def means(self) -> np.ndarray:
        """Over the windows in which each has a value, float64 (modalities,)."""
        known = np.isfinite(self.values)
        count = known.sum(axis=0)
        total = np.where(known, self.values, 0.0).sum(axis=0)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """Least and greatest height of the band, in whole tenths."""
        values = np.nan_to_num(self.values)
        high = float(np.maximum(values, 0).sum(axis=1).max(initial=LEAST_SPAN))
        low = float(np.minimum(values, 0).sum(axis=1).min(initial=0.0))
        return float(np.floor(10 * low) / 10), float(np.ceil(10 * high) / 10)

    @cached_property
    def known(self) -> Totals:
        return Totals(self._cells, np.isfinite(self.values).any(axis=1)[None])

    @cached_property
    def added(self) -> Totals:
        return Totals(self._cells, np.maximum(np.nan_to_num(self.values), 0.0).T)

    @cached_property
    def taken(self) -> Totals:
        return Totals(self._cells, np.maximum(-np.nan_to_num(self.values), 0.0).T)


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
