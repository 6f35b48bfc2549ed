"""One recording as stacked traces, each channel at its own rate, read where it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QColor, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QScrollBar, QWidget

from core.envelope import ChannelEnvelope, Lane, recording_envelopes
from core.progress import Cancelled, RunContext
from core.recording import Recording
from ui.jobs import LatestJob
from ui.time_plot import HatchItem, TimePlot, class_colour

MOST_LANES = 16
SHORTEST_S = 0.02
REDRAW_AFTER_MS = 25
"""Wheel and drag send many changes of range; so long is waited for the last of them."""


@dataclass(frozen=True)
class _Line:
    """A channel's points as read, in seconds and in the channel's unit."""

    channel: int
    lane: Lane
    times: np.ndarray
    values: np.ndarray


class RecordingView(QWidget):
    """Traces over time. The wheel zooms, dragging pans, keys do both."""

    failed = Signal(object)
    drawn = Signal()
    """The visible range has been read and is on the screen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._recording: Recording | None = None
        self._channels: tuple[ChannelEnvelope, ...] = ()
        self._source_of: tuple[int, ...] = ()
        self._lanes: dict[int, Lane] = {}
        self._lines: tuple[_Line, ...] = ()
        self._curves: list[pg.PlotCurveItem] = []
        self._gain = 1.0
        self._duration_s = 1.0

        self.plot = TimePlot()
        self.plot.setAccessibleName(self.tr("Signals over time"))
        self._gaps = HatchItem()
        self._gaps.setZValue(-10)
        self.plot.addItem(self._gaps, ignoreBounds=True)
        self._scroll = QScrollBar(Qt.Orientation.Vertical)
        self._scroll.setAccessibleName(self.tr("Channels shown"))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.plot)
        layout.addWidget(self._scroll)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFocusProxy(self.plot)

        self._reading = LatestJob(self)
        self._reading.succeeded.connect(self._take)
        self._reading.failed.connect(self.failed)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(REDRAW_AFTER_MS)
        self._soon.timeout.connect(self._read)
        self.plot.getViewBox().sigXRangeChanged.connect(self._on_range)
        self.plot.palette_changed.connect(self._on_palette)
        self._scroll.valueChanged.connect(self._on_scroll)
        self._make_actions()
        self._show_scroll()

    # -- what is shown

    @property
    def lines(self) -> tuple[tuple[str, np.ndarray, np.ndarray], ...]:
        """Name, times and values of each line on the screen, from top to bottom."""
        return tuple((self._channels[n.channel].name, n.times, n.values) for n in self._lines)

    @property
    def range_s(self) -> tuple[float, float]:
        """Start and end of the visible stretch, in seconds from the recording's start."""
        low, high = self.plot.getViewBox().viewRange()[0]
        return float(low), float(high)

    def set_recording(self, recording: Recording | None) -> None:
        """Show a recording from its start; nothing for None."""
        self._soon.stop()
        self._reading.drop()
        self._recording = recording
        self._channels = recording_envelopes(recording) if recording is not None else ()
        self._lanes = {}
        self._lines = ()
        self._gain = 1.0
        for curve in self._curves:
            self.plot.removeItem(curve)
        self._curves = []
        self._show_gaps()
        self._show_scroll()
        self._label_lanes()
        if recording is not None:
            self.set_duration(recording.duration_s)
            self._soon.start()

    def set_duration(self, duration_s: float) -> None:
        """Limits of pan and zoom; the strip below may last longer than the recording."""
        self._duration_s = max(duration_s, SHORTEST_S)
        self.plot.getViewBox().setLimits(
            xMin=0.0,
            xMax=self._duration_s,
            minXRange=min(SHORTEST_S, self._duration_s),
            maxXRange=self._duration_s,
        )

    def show_range(self, start_s: float, end_s: float) -> None:
        """Move to a stretch, within the recording."""
        span = min(max(end_s - start_s, SHORTEST_S), self._duration_s)
        start = min(max(start_s, 0.0), self._duration_s - span)
        self.plot.getViewBox().setXRange(start, start + span, padding=0)

    def shut_down(self) -> None:
        """End background reading; returns when it has ended."""
        self._soon.stop()
        self._reading.shut_down()

    # -- actions

    def _make_actions(self) -> None:
        def action(text: str, keys: Sequence[QKeySequence | str], slot: object) -> QAction:
            made = QAction(text, self)
            made.setShortcuts([QKeySequence(k) for k in keys])
            # Only while the traces have the focus: lists need the arrow keys themselves.
            made.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            made.triggered.connect(slot)
            self.addAction(made)
            return made

        self.actions_for_menu = (
            action(self.tr("Zoom in"), ["+", "=", "Ctrl++"], self.zoom_in),
            action(self.tr("Zoom out"), ["-", "Ctrl+-"], self.zoom_out),
            action(self.tr("Whole recording"), ["A"], self.show_all),
            action(self.tr("Next page"), ["PgDown", "Right"], self.next_page),
            action(self.tr("Previous page"), ["PgUp", "Left"], self.previous_page),
            action(self.tr("To the start"), ["Home"], self.to_start),
            action(self.tr("To the end"), ["End"], self.to_end),
            action(self.tr("Larger traces"), ["Ctrl+Up"], self.larger),
            action(self.tr("Smaller traces"), ["Ctrl+Down"], self.smaller),
            action(self.tr("Channels further up"), ["Up"], self.channels_up),
            action(self.tr("Channels further down"), ["Down"], self.channels_down),
        )

    def zoom_in(self) -> None:
        self._zoom(0.5)

    def zoom_out(self) -> None:
        self._zoom(2.0)

    def show_all(self) -> None:
        self.show_range(0.0, self._duration_s)

    def next_page(self) -> None:
        self._move(1.0)

    def previous_page(self) -> None:
        self._move(-1.0)

    def to_start(self) -> None:
        low, high = self.range_s
        self.show_range(0.0, high - low)

    def to_end(self) -> None:
        low, high = self.range_s
        self.show_range(self._duration_s - (high - low), self._duration_s)

    def larger(self) -> None:
        self._set_gain(self._gain * 2)

    def smaller(self) -> None:
        self._set_gain(self._gain / 2)

    def channels_up(self) -> None:
        self._scroll.setValue(self._scroll.value() - 1)

    def channels_down(self) -> None:
        self._scroll.setValue(self._scroll.value() + 1)

    def _zoom(self, factor: float) -> None:
        low, high = self.range_s
        middle, half = (low + high) / 2, (high - low) / 2 * factor
        self.show_range(middle - half, middle + half)

    def _move(self, pages: float) -> None:
        low, high = self.range_s
        step = pages * (high - low)
        self.show_range(low + step, high + step)

    def _set_gain(self, gain: float) -> None:
        self._gain = min(max(gain, 2.0**-10), 2.0**10)
        self._label_lanes()
        self._draw()

    # -- reading

    def _shown_channels(self) -> range:
        first = self._scroll.value()
        return range(first, min(first + MOST_LANES, len(self._channels)))

    def _on_range(self) -> None:
        if self._channels:
            self._soon.start()

    def _on_scroll(self) -> None:
        self._label_lanes()
        if self._channels:
            self._read()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._on_range()

    def _read(self) -> None:
        low, high = self.range_s
        # Half a page more on each side, so that panning shows something at once.
        margin = (high - low) / 2
        start, end = max(0.0, low - margin), min(self._duration_s, high + margin)
        pixels = max(100.0, self.plot.getViewBox().width())
        columns = int(pixels * (end - start) / max(high - low, 1e-9))
        wanted = [(k, self._channels[k], self._lanes.get(k)) for k in self._shown_channels()]
        self._reading.start(partial(_read_lines, wanted, start, end, columns))

    def _take(self, lines: tuple[_Line, ...]) -> None:
        self._lines = lines
        self._lanes.update({line.channel: line.lane for line in lines})
        self._label_lanes()
        self._draw()
        self.drawn.emit()

    # -- drawing

    def _draw(self) -> None:
        first = self._scroll.value()
        while len(self._curves) < len(self._lines):
            curve = pg.PlotCurveItem(antialias=False)
            self.plot.addItem(curve, ignoreBounds=True)
            self._curves.append(curve)
        for k, curve in enumerate(self._curves):
            if k >= len(self._lines):
                curve.setData([], [])
                continue
            line = self._lines[k]
            scale = self._gain / line.lane.height
            y = (line.values - line.lane.centre) * scale - (line.channel - first)
            # 1 px: wider pens cost Qt ten times as much.
            curve.setPen(pg.mkPen(self._colour(line.channel), width=1))
            curve.setData(line.times, y, connect="finite")

    def _colour(self, channel: int) -> QColor:
        """Channels of several files by file; of one file in a soft text colour."""
        if self._recording is None or len(self._recording.sources) < 2:
            return self.plot.soft_colour(0.7)
        counts = np.cumsum([len(s.file.channels) for s in self._recording.sources])
        return class_colour(int(np.searchsorted(counts, channel, side="right")))

    def _label_lanes(self) -> None:
        first = self._scroll.value()
        labels = []
        for k in self._shown_channels():
            channel = self._channels[k]
            text = channel.name if len(channel.name) <= 18 else channel.name[:17] + "…"
            if k in self._lanes:
                height = self._lanes[k].height / self._gain
                text += "\n" + amount(height, channel.unit)
            labels.append((-float(k - first), text))
        self.plot.getAxis("left").setTicks([labels])
        shown = max(len(labels), 1)
        self.plot.setYRange(-(shown - 0.4), 0.6, padding=0)

    def _show_gaps(self) -> None:
        stretches = sorted(
            (source.offset_s + gap.start_s, source.offset_s + gap.start_s + gap.duration_s)
            for source in (self._recording.sources if self._recording is not None else ())
            for gap in source.file.gaps
        )
        colour = self.plot.text_colour()
        colour.setAlpha(90)
        self._gaps.set_stretches(
            np.array([start for start, _ in stretches]),
            np.array([end for _, end in stretches]),
            -MOST_LANES - 1.0,
            1.0,
            colour,
        )

    def _on_palette(self) -> None:
        self._show_gaps()
        self._draw()

    def _show_scroll(self) -> None:
        more = max(0, len(self._channels) - MOST_LANES)
        self._scroll.setRange(0, more)
        self._scroll.setPageStep(MOST_LANES)
        self._scroll.setValue(0)
        self._scroll.setVisible(more > 0)


def amount(value: float, unit: str) -> str:
    """A value with its unit, short: volts in the prefix that suits."""
    volts = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "µV": 1e-6}.get(unit)
    if volts is not None:
        value *= volts
        factor, unit = next(
            ((f, u) for f, u in ((1.0, "V"), (1e-3, "mV")) if value >= f * 0.9999), (1e-6, "µV")
        )
        value /= factor
    text = f"{value:g}" if 1e-3 <= abs(value) < 1e5 else f"{value:.0e}"
    return f"{text} {unit}".rstrip()


def _read_lines(
    wanted: Sequence[tuple[int, ChannelEnvelope, Lane | None]],
    start_s: float,
    end_s: float,
    columns: int,
    context: RunContext,
) -> tuple[_Line, ...]:
    """Read the visible stretch of each channel; in the background."""
    lines = []
    for number, channel, lane in wanted:
        if context.should_stop():
            raise Cancelled
        lane = lane or channel.lane(context.should_stop)
        times, values = channel.line(start_s, end_s, columns, context.should_stop)
        lines.append(_Line(number, lane, times, values))
    return tuple(lines)
