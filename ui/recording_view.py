"""One recording as stacked traces, each channel at its own rate, read where it is looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PySide6.QtCore import QPoint, QPointF, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QColor, QKeySequence, QPalette
from PySide6.QtWidgets import QHBoxLayout, QScrollBar, QWidget

from core.envelope import ChannelEnvelope, Columns, Lane, build_envelopes
from core.envelope_cache import EnvelopeCache
from core.errors import CrosslError
from core.montage import DisplayChannel, Montage, TraceSettings, display_channels, montage_for
from core.progress import Cancelled, Progress, RunContext
from core.recording import Recording
from ui.jobs import LatestJob
from ui.time_plot import TimeMode, TimePlot, class_colour, clock_text, readable
from ui.trace_item import (
    Frame,
    Ground,
    LaneAxis,
    LaneHeader,
    LaneLook,
    Points,
    Selection,
    Spans,
    Strokes,
    TraceItem,
)

MOST_LANES = 16
"""Lanes that are shown at first, where there are as many."""
SHORTEST_S = 0.02
READ_AT_ONCE_S = 0.02
"""What should be read in less than this is read with the redraw, the rest in the background."""
REPORT_EVERY_S = 0.05
READ_OUT_EVERY_MS = 30
"""The mouse moves more often than anybody can read values."""
_VOLTS = {"v": 1.0, "mv": 1e-3, "uv": 1e-6, "µv": 1e-6, "nv": 1e-9}

Key = tuple[Any, ...]
"""What a channel's values are made of: `DisplayChannel.reads`."""


class LanePlace(NamedTuple):
    """A lane on the screen, with its lower and upper edge in coordinates of the plot."""

    name: str
    modality: str
    low: float
    high: float


class LaneValue(NamedTuple):
    """The sample of a lane nearest to the mouse; NaN where nothing was recorded."""

    label: str
    value: float
    unit: str


@dataclass(frozen=True)
class CursorReading:
    """What lies under the mouse: the time, the lane, and the values of all lanes at that time."""

    time_s: float
    clock: str
    lane: str
    values: tuple[LaneValue, ...]

    @property
    def text(self) -> str:
        """In words: the time, and the value of the lane that the mouse is on."""
        parts = [clock_text(self.time_s, 0.01)]
        if self.clock:
            parts.append(self.clock)
        for label, value, unit in self.values:
            if label == self.lane:
                parts.append(f"{label} {amount(value, unit)}" if np.isfinite(value) else label)
        return "  ·  ".join(parts)


class RecordingView(QWidget):
    """Traces over time, in lanes.

    The wheel zooms at the mouse and with Shift pans, the middle button pans, dragging with Ctrl
    zooms to a stretch; keys do all of it. Dragging and clicking with the left button choose a
    stretch or a moment, which the view only reports.
    """

    failed = Signal(object)
    drawn = Signal()
    """The visible range has been read and is on the screen."""
    envelope_progress = Signal(int, int)
    """How much of what is needed to zoom out has been built: done, total."""
    montage_changed = Signal(object)
    """The montage, changed by keys or by `set_montage`."""
    lanes_changed = Signal()
    lane_selected = Signal(str)
    """Name of the lane that keys act on; empty: all."""
    cursor_moved = Signal(object)
    """A CursorReading; None when the mouse has left."""
    clicked = Signal(float, str)
    """Time, and modality of the lane."""
    stretch_dragged = Signal(float, float, str)
    """Start and end so far, and modality of the lane in which the drag began."""
    stretch_selected = Signal(float, float, str)
    """The same, when the button is let go."""
    menu_requested = Signal(float, str, QPoint)
    """Time, modality of the lane, and place on the screen."""

    _trouble = Signal(object)
    _built = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._recording: Recording | None = None
        self._montage: Montage | None = None
        self._cache_folder: Path | None = None
        self._channels: tuple[DisplayChannel, ...] = ()
        self._envelopes: dict[Key, ChannelEnvelope] = {}
        self._ranges: dict[Key, Lane] = {}
        self._broken: set[Key] = set()
        self._said: set[str] = set()
        self._steps_to_come: dict[str, int] = {}
        self._asked: object = None
        self._is_whole = False
        self._has_built = False
        self._looked_at: tuple[Sequence[ChannelEnvelope], float, float] = ((), 0.0, 0.0)
        self._shown_lanes: tuple[LanePlace, ...] = ()
        self._selected = ""
        self._most_lanes = MOST_LANES
        self._guide_uv: float | None = None
        self._duration_s = 1.0
        self._mouse: QPointF | None = None

        self._axis = LaneAxis()
        self.plot = TimePlot(left=self._axis, selects=True)
        self.plot.setAccessibleName(self.tr("Signals over time"))
        self._item = TraceItem(self._read)
        self.plot.addItem(self._item, ignoreBounds=True)
        self._scroll = QScrollBar(Qt.Orientation.Vertical)
        self._scroll.setAccessibleName(self.tr("Channels shown"))
        self._scroll.setToolTip(self.tr("Other channels (Up, Down)"))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.plot)
        layout.addWidget(self._scroll)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFocusProxy(self.plot)

        self._reading = LatestJob(self)
        self._building = LatestJob(self)
        self._read_out = QTimer(self)
        self._read_out.setSingleShot(True)
        self._read_out.setInterval(READ_OUT_EVERY_MS)
        self._connect()
        self._make_actions()
        self._take_palette()
        self._show_scroll()

    def _connect(self) -> None:
        self._reading.succeeded.connect(self._on_read)
        self._reading.failed.connect(self._on_reading_failed)
        self._building.failed.connect(self._say)
        queued = Qt.ConnectionType.QueuedConnection  # none of these while a frame is painted
        self._item.painted.connect(self._on_painted, queued)
        self._trouble.connect(self._say, queued)
        self._built.connect(self._on_built, queued)
        self._read_out.timeout.connect(self._tell_cursor)
        self._scroll.valueChanged.connect(self._on_scroll)
        self._axis.lane_clicked.connect(self._on_lane_clicked)
        self._axis.scrolled.connect(self._scroll_by)
        box = self.plot.getViewBox()
        box.dragged.connect(self._on_dragged)
        box.clicked.connect(self._on_clicked)
        box.menu_wanted.connect(self._on_menu)
        self.plot.keyboard_menu_wanted.connect(self._on_keyboard_menu)
        self.plot.palette_changed.connect(self._take_palette)
        self.plot.scene().sigMouseMoved.connect(self._on_mouse)
        self.plot.mouse_left.connect(self._on_mouse_left)

    # -- what is shown

    @property
    def lines(self) -> tuple[tuple[str, np.ndarray, np.ndarray], ...]:
        """Name, times and values of each line on the screen, from top to bottom. Of columns there
        are two points each, the smallest and the largest value."""
        result = []
        for channel, strokes in zip(self._shown(), self._item.strokes, strict=False):
            if isinstance(strokes, Points):
                result.append((channel.name, strokes.times, strokes.values))
            elif isinstance(strokes, Columns):
                envelope = self._envelopes[channel.reads]
                result.append((channel.name, *envelope.zigzag(strokes)))
        return tuple(result)

    @property
    def lanes(self) -> tuple[LanePlace, ...]:
        """The lanes on the screen from top to bottom: lane k lies between y = -k - 0.5 and
        -k + 0.5 of `plot`."""
        return self._shown_lanes

    @property
    def range_s(self) -> tuple[float, float]:
        """Start and end of the visible stretch, in seconds from the recording's start."""
        low, high = self.plot.getViewBox().viewRange()[0]
        return float(low), float(high)

    @property
    def duration_s(self) -> float:
        """Where panning and zooming end."""
        return self._duration_s

    @property
    def montage(self) -> Montage | None:
        """What is drawn and how; None without a recording."""
        return self._montage

    def set_recording(
        self,
        recording: Recording | None,
        montage: Montage | None = None,
        cache_folder: Path | None = None,
    ) -> None:
        """Show a recording from its start; nothing for None.

        Without a montage every channel is shown, in file order. What is built for zooming out is
        kept in `cache_folder`, or in the user's cache folder.
        """
        self._reading.drop()
        self._building.drop()
        self._recording = recording
        self._montage = None
        self._cache_folder = cache_folder
        self._channels = ()
        self._envelopes, self._ranges, self._broken, self._said = {}, {}, set(), set()
        self._steps_to_come = {}
        self._selected = ""
        self._item.set_selection(None)
        self._item.set_time_cursor(None)
        self._item.set_absent({})
        self._item.set_gaps(_gaps(recording) if recording is not None else {})
        clock = recording.start_s if recording is not None and recording.has_clock else None
        zone = recording.sources[0].time_zone if clock is not None and recording else None
        self.plot.getAxis("bottom").set_clock(clock, zone)
        self._scroll.setValue(0)
        if recording is None:
            self._show_scroll()
            return
        self._take_montage(montage if montage is not None else montage_for(recording))
        self.set_duration(recording.duration_s)

    def set_montage(self, montage: Montage) -> None:
        """Draw by another montage. Where values change, with their derivation or filter, what was
        built for them is built anew."""
        if self._recording is not None and montage != self._montage:
            self._take_montage(montage)
            self.montage_changed.emit(montage)

    def set_duration(self, duration_s: float) -> None:
        """Limits of pan and zoom; the strip below may last longer than the recording."""
        self._duration_s = max(duration_s, SHORTEST_S)
        self._item.set_duration(self._duration_s)
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

    def set_time_mode(self, mode: TimeMode) -> None:
        """Show `elapsed` time, `clock` time or `both` on the axis; only elapsed time where the
        recording has no clock."""
        self.plot.getAxis("bottom").set_mode(mode)

    def set_guides(self, guide_uv: float | None) -> None:
        """Dashed lines so far from the middle of lanes in volts, such as 37.5; None: none."""
        self._guide_uv = guide_uv
        self._show_lanes(read=False)

    def set_absent_stretches(self, stretches: Mapping[str, Iterable[tuple[float, float]]]) -> None:
        """Shade stretches, start and end in seconds, in the lanes of a modality."""
        self._item.set_absent({name: _spans(list(each)) for name, each in stretches.items()})

    def set_selection(self, start_s: float, end_s: float | None, modality: str = "") -> None:
        """Show a stretch as chosen, in all lanes or those of a modality; no end: none is."""
        chosen = None if end_s is None else Selection(start_s, end_s, modality)
        self._item.set_selection(chosen)

    def set_time_cursor(self, time_s: float | None) -> None:
        """Show a line at a time; None: no line."""
        self._item.set_time_cursor(time_s)

    def set_lanes_shown(self, count: int) -> None:
        """How many lanes share the height; the others are reached by scrolling."""
        self._most_lanes = max(1, count)
        self._show_scroll()

    @property
    def lanes_shown(self) -> int:
        """Lanes that are on the screen at a time."""
        return min(self._most_lanes, len(self._channels))

    def set_sensitivity(self, name: str, value: float | None) -> None:
        """Units over the height of the lane of that name; None: chosen from the signal."""
        if self._montage is not None:
            self.set_montage(self._montage.changed(name, sensitivity=value))

    def select_lane(self, name: str | None) -> None:
        """Let keys act on one lane only; None: on all."""
        names = [channel.name for channel in self._channels]
        chosen = name if name in names else ""
        if chosen == self._selected:
            return
        self._selected = chosen or ""
        if chosen:
            place, first = names.index(chosen), self._scroll.value()
            self._scroll.setValue(min(max(first, place - self.lanes_shown + 1), place))
        self._show_lanes(read=False)
        self.lane_selected.emit(self._selected)

    @property
    def selected_lane(self) -> str:
        """Name of the lane that keys act on; empty: all."""
        return self._selected

    def shut_down(self) -> None:
        """End background work; returns when it has ended."""
        self._read_out.stop()
        self._reading.shut_down()
        self._building.shut_down()

    # -- actions

    def _make_actions(self) -> None:
        def action(text: str, keys: Sequence[str], slot: Callable[[], None]) -> QAction:
            made = QAction(text, self)
            made.setShortcuts([QKeySequence(k) for k in keys])
            key = made.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            made.setToolTip(f"{text} ({key})")
            # Only while the traces have the focus: lists need the arrow keys themselves.
            made.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            made.triggered.connect(slot)
            self.addAction(made)
            return made

        self.actions_for_menu = (
            action(self.tr("Zoom in"), ["+", "=", "Ctrl++"], self.zoom_in),
            action(self.tr("Zoom out"), ["-", "Ctrl+-"], self.zoom_out),
            action(self.tr("Whole recording"), ["Ctrl+0"], self.show_all),
            action(self.tr("Next page"), ["PgDown"], self.next_page),
            action(self.tr("Previous page"), ["PgUp"], self.previous_page),
            action(self.tr("To the start"), ["Home"], self.to_start),
            action(self.tr("To the end"), ["End"], self.to_end),
            action(self.tr("Larger traces"), ["Ctrl+Up"], self.larger),
            action(self.tr("Smaller traces"), ["Ctrl+Down"], self.smaller),
            action(self.tr("Height of traces from the signal"), ["Ctrl+H"], self.automatic_heights),
            action(self.tr("Choose the lane above"), ["Alt+Up"], self.select_above),
            action(self.tr("Choose the lane below"), ["Alt+Down"], self.select_below),
            action(self.tr("Channels further up"), ["Up"], self.channels_up),
            action(self.tr("Channels further down"), ["Down"], self.channels_down),
            action(self.tr("Fewer lanes"), ["Ctrl+Shift+Up"], self.fewer_lanes),
            action(self.tr("More lanes"), ["Ctrl+Shift+Down"], self.more_lanes),
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
        self._step_heights(-1)

    def smaller(self) -> None:
        self._step_heights(1)

    def automatic_heights(self) -> None:
        """Choose the height of all lanes, or of the selected one, from their signals."""
        self._steps_to_come = {}
        if self._montage is not None:
            names = self._acted_on()
            self.set_montage(
                Montage(
                    tuple(
                        replace(t, sensitivity=None) if t.name in names else t
                        for t in self._montage.traces
                    )
                )
            )

    def select_above(self) -> None:
        self._select_next(-1)

    def select_below(self) -> None:
        self._select_next(1)

    def channels_up(self) -> None:
        self._scroll_by(-1)

    def channels_down(self) -> None:
        self._scroll_by(1)

    def fewer_lanes(self) -> None:
        self.set_lanes_shown(self.lanes_shown - 1)

    def more_lanes(self) -> None:
        self.set_lanes_shown(min(self.lanes_shown + 1, max(len(self._channels), 1)))

    def _scroll_by(self, lanes: int) -> None:
        self._scroll.setValue(self._scroll.value() + lanes)

    def _select_next(self, step: int) -> None:
        """Go through the lanes; before the first and after the last, none is selected."""
        names = ["", *(channel.name for channel in self._channels)]
        self.select_lane(names[(names.index(self._selected) + step) % len(names)])

    def _zoom(self, factor: float) -> None:
        low, high = self.range_s
        # The time cursor stays where it is on the screen: keys label the epoch that it is in.
        cursor = self._item.time_cursor_s
        fixed = cursor if cursor is not None and low <= cursor <= high else (low + high) / 2
        self.show_range(fixed - (fixed - low) * factor, fixed + (high - fixed) * factor)

    def _move(self, pages: float) -> None:
        low, high = self.range_s
        step = pages * (high - low)
        self.show_range(low + step, high + step)

    # -- heights

    def _acted_on(self) -> set[str]:
        return {self._selected} if self._selected else {c.name for c in self._channels}

    def _height(self, channel: DisplayChannel) -> float | None:
        """Units over the height of a lane; None while it is not known."""
        if channel.settings.sensitivity is not None:
            return channel.settings.sensitivity
        lane = self._ranges.get(channel.reads)
        return None if lane is None else lane.height

    def _step_heights(self, step: int) -> None:
        names = self._acted_on()
        for channel in self._channels:
            if channel.name in names and not channel.absent:
                come = self._steps_to_come.get(channel.name, 0)
                self._steps_to_come[channel.name] = come + step
        self._take_steps()

    def _take_steps(self) -> None:
        """Turn steps into heights, where heights are known; the others wait for their signal."""
        if self._montage is None or not self._steps_to_come:
            return
        heights = {}
        for channel in self._channels:
            height = self._height(channel)
            if channel.name in self._steps_to_come and height is not None:
                heights[channel.name] = stepped(height, self._steps_to_come.pop(channel.name))
        if heights:
            self.set_montage(
                Montage(
                    tuple(
                        replace(t, sensitivity=heights[t.name]) if t.name in heights else t
                        for t in self._montage.traces
                    )
                )
            )

    # -- lanes

    def _take_montage(self, montage: Montage) -> None:
        assert self._recording is not None
        before = self._montage
        self._montage = montage
        if before is not None and _readings(before) == _readings(montage):
            settings = {trace.name: trace for trace in montage.traces}
            if {c.name for c in self._channels} == {t.name for t in montage.traces if not t.hidden}:
                self._channels = tuple(
                    replace(channel, settings=settings[channel.name]) for channel in self._channels
                )
                self._show_lanes(read=False)
                return
        channels = display_channels(montage, self._recording)
        self._channels = tuple(c for c in channels if not c.settings.hidden)
        there = {c.reads: c for c in self._channels if not c.absent}
        self._envelopes = {
            key: self._envelopes.get(key) or ChannelEnvelope(channel)
            for key, channel in there.items()
        }
        if self._selected not in {channel.name for channel in self._channels}:
            self._selected = ""
        self._asked = None
        self._has_built = False
        self._show_scroll()

    def _shown(self) -> tuple[DisplayChannel, ...]:
        first = self._scroll.value()
        return self._channels[first : first + self.lanes_shown]

    def _show_scroll(self) -> None:
        more = max(0, len(self._channels) - self.lanes_shown)
        self._scroll.blockSignals(True)
        self._scroll.setRange(0, more)
        self._scroll.setPageStep(max(self.lanes_shown, 1))
        self._scroll.setVisible(more > 0)
        self._scroll.blockSignals(False)
        self._show_lanes()

    def _on_scroll(self) -> None:
        self._show_lanes()

    def _show_lanes(self, read: bool = True) -> None:
        """Lay the shown channels out in lanes; `read`: others than before, or read differently."""
        shown = self._shown()
        looks = [self._look(channel) for channel in shown]
        if read:
            self._item.set_lanes(looks)
        else:
            self._item.restyle(looks)
        headers = [self._header(c, look) for c, look in zip(shown, looks, strict=True)]
        chosen = self.plot.soft_colour(0.18)
        self._axis.set_headers(headers, chosen)
        count = max(len(shown), 1)
        self.plot.setYRange(-(count - 0.5), 0.5, padding=0)
        self.plot.setAccessibleDescription(
            ", ".join(f"{header.name} {header.amount}".strip() for header in headers)
        )
        lanes = tuple(
            LanePlace(channel.name, channel.modality, -k - 0.5, -k + 0.5)
            for k, channel in enumerate(shown)
        )
        if lanes != self._shown_lanes:
            self._shown_lanes = lanes
            self.lanes_changed.emit()

    def _look(self, channel: DisplayChannel) -> LaneLook:
        lane = self._ranges.get(channel.reads)
        height = self._height(channel) or 1.0
        volts = _VOLTS.get(channel.unit.casefold())
        guide = 0.0
        if self._guide_uv is not None and volts is not None:
            guide = self._guide_uv * 1e-6 / volts
        return LaneLook(
            name=channel.name,
            modality=channel.modality,
            colour=self._colour(channel),
            centre=lane.centre if lane is not None else 0.0,
            height=height,
            inverted=channel.settings.inverted,
            guide=guide,
            source=channel.source,
            absent=channel.absent,
            note=self.tr("{name}: absent").format(name=channel.modality) if channel.absent else "",
        )

    def _header(self, channel: DisplayChannel, look: LaneLook) -> LaneHeader:
        height = self._height(channel)
        text = ""
        if channel.absent:
            text = self.tr("absent")
        elif height is not None:
            text = amount(height, channel.unit)
        return LaneHeader(
            name=channel.modality if channel.absent else channel.name,
            amount=text,
            colour=look.colour,
            says=self._describe(channel, text),
            selected=bool(self._selected) and channel.name == self._selected,
            absent=channel.absent,
        )

    def _describe(self, channel: DisplayChannel, height: str) -> str:
        """A lane in words, for the tip of its header."""
        settings = channel.settings
        if channel.absent:
            names = ", ".join(settings.channel)
            return self.tr("{modality}: this recording has none of {names}").format(
                modality=channel.modality, names=names
            )
        parts = [channel.name]
        if channel.modality:
            parts.append(self.tr("modality {name}").format(name=channel.modality))
        parts.append(self.tr("{rate} Hz").format(rate=f"{channel.rate_hz:g}"))
        if height:
            parts.append(self.tr("{amount} from edge to edge").format(amount=height))
        for text, edge in (
            (self.tr("from {x} Hz"), settings.low_hz),
            (self.tr("up to {x} Hz"), settings.high_hz),
            (self.tr("without {x} Hz"), settings.notch_hz),
        ):
            if edge is not None and channel.filter is not None:
                parts.append(text.format(x=f"{edge:g}"))
        if settings.inverted:
            parts.append(self.tr("negative up"))
        if channel.problem:
            parts.append(channel.problem)
        return "\n".join(parts)

    def _colour(self, channel: DisplayChannel) -> QColor:
        """Channels by modality; without modalities those of several files by file."""
        ground = self.plot.palette().color(QPalette.ColorRole.Base)
        if channel.absent:
            return self.plot.soft_colour(0.4)
        names = [t.modality for t in self._montage.traces] if self._montage is not None else []
        modalities = [name for name in dict.fromkeys(names) if name]
        if channel.modality:
            return readable(class_colour(modalities.index(channel.modality)), ground)
        if not modalities and self._recording is not None and len(self._recording.sources) > 1:
            return readable(class_colour(channel.source), ground)
        return self.plot.soft_colour(0.7)

    def _take_palette(self) -> None:
        selection = self.plot.palette().color(QPalette.ColorRole.Highlight)
        selection.setAlpha(70)
        self._item.set_ground(
            Ground(
                text=self.plot.text_colour(),
                soft=self.plot.soft_colour(0.45),
                faint=self.plot.soft_colour(0.15),
                selection=selection,
            )
        )
        self._show_lanes(read=False)

    # -- reading

    def _read(self, frame: Frame) -> list[Strokes]:
        """The strokes of the shown lanes: called once a frame, while it is painted.

        Lanes that would take too long are left out and read in the background.
        """
        start, end, columns = frame.start_s, frame.end_s, frame.columns
        strokes: list[Strokes] = []
        wanted: list[Key] = []
        looked_at = []
        left_s = READ_AT_ONCE_S
        for channel in self._shown():
            key = channel.reads
            drawn: Strokes = None
            if not channel.absent and key not in self._broken:
                envelope = self._envelopes[key]
                looked_at.append(envelope)
                cost = self._cost_s(key, start, end, columns)
                if cost <= left_s:
                    left_s -= cost
                    drawn = self._try_to_read(key, frame)
                else:
                    wanted.append(key)
            strokes.append(drawn)
        self._looked_at = (tuple(looked_at), start, end)
        pending = any(isinstance(s, Columns) and s.pending is not None for s in strokes)
        self._is_whole = not wanted and not pending
        if wanted:
            self._read_later(wanted, start, end, columns)
        elif not self._has_built:
            self._start_building()
        return strokes

    def _cost_s(self, key: Key, start_s: float, end_s: float, columns: int) -> float:
        """How long it should take to read a stretch; for ever where that is not known."""
        if key not in self._ranges:
            return float("inf")
        return self._envelopes[key].cost_s(start_s, end_s, columns)

    def _try_to_read(self, key: Key, frame: Frame) -> Strokes:
        envelope = self._envelopes[key]
        try:
            if envelope.shows_samples(frame.start_s, frame.end_s, frame.columns):
                return Points(*envelope.points(frame.start_s, frame.end_s))
            return envelope.columns(frame.edges_s)
        except CrosslError as error:
            self._broken.add(key)
            self._trouble.emit(error)
            return None

    def _read_later(self, keys: list[Key], start_s: float, end_s: float, columns: int) -> None:
        asked = (tuple(keys), start_s, end_s, columns)
        if asked == self._asked:
            return  # under way
        self._asked = asked
        wanted = [(key, self._envelopes[key], key not in self._ranges) for key in keys]
        self._reading.start(partial(_read_ahead, wanted, start_s, end_s, columns))

    def _on_read(self, found: _Found) -> None:
        self._asked = None
        self._ranges.update(found.ranges)
        for key, error in found.errors.items():
            self._broken.add(key)
            self._say(error)
        self._take_steps()
        self._show_lanes()

    def _on_reading_failed(self, error: BaseException) -> None:
        self._broken.update(self._asked[0] if isinstance(self._asked, tuple) else ())
        self._say(error)
        self._item.read_again()

    def _say(self, error: BaseException) -> None:
        """Announce an error, once a recording: every channel of a lost file has the same."""
        if str(error) not in self._said:
            self._said.add(str(error))
            self.failed.emit(error)

    def _start_building(self) -> None:
        """Build what zooming out needs, in the background."""
        self._has_built = True
        envelopes = [e for key, e in self._envelopes.items() if key not in self._broken]
        if all(envelope.is_built for envelope in envelopes):
            return
        self._building.start(
            partial(_build, envelopes, self._focus, self._cache_folder, self._built.emit)
        )

    def _focus(self) -> tuple[Sequence[ChannelEnvelope], float, float]:
        """What is looked at; asked in the background."""
        return self._looked_at

    def _on_built(self, done: int, total: int) -> None:
        self.envelope_progress.emit(done, total)
        if not self._is_whole:
            self._item.read_again()

    def _on_painted(self) -> None:
        frame = self._item.frame
        if frame is None or not self._is_whole or self._recording is None:
            return
        # Since it was painted the range may have changed again.
        low, high = self.range_s
        near_s = 1.5 / frame.scale
        if abs(frame.start_s - low) <= near_s and abs(frame.end_s - high) <= near_s:
            self.drawn.emit()

    # -- mouse

    def _modality_at(self, y: float) -> str:
        lane = self._lane_at(y)
        return lane.modality if lane is not None else ""

    def _lane_at(self, y: float) -> LanePlace | None:
        number = int(np.floor(0.5 - y))
        return self._shown_lanes[number] if 0 <= number < len(self._shown_lanes) else None

    def _on_dragged(self, began_s: float, now_s: float, y: float, ended: bool) -> None:
        start, end = sorted(min(max(t, 0.0), self._duration_s) for t in (began_s, now_s))
        self._item.set_selection(Selection(start, end))
        signal = self.stretch_selected if ended else self.stretch_dragged
        signal.emit(start, end, self._modality_at(y))

    def _on_clicked(self, time_s: float, y: float) -> None:
        if 0 <= time_s <= self._duration_s:
            self.clicked.emit(time_s, self._modality_at(y))

    def _on_menu(self, time_s: float, y: float, place: QPoint) -> None:
        self.menu_requested.emit(time_s, self._modality_at(y), place)

    def _on_keyboard_menu(self, place: QPoint) -> None:
        chosen = [lane.modality for lane in self._shown_lanes if lane.name == self._selected]
        low, high = self.range_s
        time = (low + high) / 2
        selection, cursor = self._item.selection, self._item.time_cursor_s
        if selection is not None:
            time = (selection.start_s + selection.end_s) / 2
        elif cursor is not None and low <= cursor <= high:
            time = cursor
        self.menu_requested.emit(time, chosen[0] if chosen else "", place)

    def _on_lane_clicked(self, number: int) -> None:
        name = self._shown_lanes[number].name
        self.select_lane(None if name == self._selected else name)

    def _on_mouse(self, position: QPointF) -> None:
        box = self.plot.getViewBox()
        inside = box.sceneBoundingRect().contains(position)
        self._mouse = box.mapSceneToView(position) if inside else None
        if not self._read_out.isActive():
            self._read_out.start()

    def _on_mouse_left(self) -> None:
        self._mouse = None
        self._read_out.stop()
        self.cursor_moved.emit(None)

    def _tell_cursor(self) -> None:
        place = self._mouse
        if place is None or self._recording is None:
            self.cursor_moved.emit(None)
            return
        time_s = place.x()
        lane = self._lane_at(place.y())
        left_s = READ_AT_ONCE_S
        values = []
        for channel in self._shown():
            key = channel.reads
            if channel.absent:
                continue
            value = float("nan")
            cost = self._cost_s(key, time_s, time_s, 1) if key not in self._broken else left_s + 1
            if cost <= left_s:
                left_s -= cost
                try:
                    value = self._envelopes[key].value_at(time_s)
                except CrosslError as error:
                    self._broken.add(key)
                    self._say(error)
            values.append(LaneValue(channel.name, value, channel.unit))
        axis = self.plot.getAxis("bottom")
        self.cursor_moved.emit(
            CursorReading(
                time_s=time_s,
                clock=axis.clock_text(time_s),
                lane=lane.name if lane is not None else "",
                values=tuple(values),
            )
        )


# ---------------------------------------------------------------- amounts


def amount(value: float, unit: str) -> str:
    """A value with its unit, short: volts in the prefix that suits."""
    volts = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "µV": 1e-6}.get(unit)
    if volts is not None:
        value *= volts
        factor, unit = next(
            ((f, u) for f, u in ((1.0, "V"), (1e-3, "mV")) if abs(value) >= f * 0.9999),
            (1e-6, "µV"),
        )
        value /= factor
    value = float(f"{value:.4g}")
    text = f"{value:g}" if 1e-3 <= abs(value) < 1e5 or not value else f"{value:.0e}"
    return f"{text} {unit}".rstrip()


def stepped(value: float, steps: int) -> float:
    """So many steps further in 1, 2, 5, 10, 20 …; a value between two of them goes to the next."""
    power = int(np.floor(np.log10(value) + 1e-9))
    ladder = [m * 10.0**p for p in range(power - 1, power + 2) for m in (1, 2, 5)]
    if steps == 0:
        return value
    if steps > 0:
        return stepped(next(x for x in ladder if x > value * (1 + 1e-6)), steps - 1)
    return stepped(next(x for x in reversed(ladder) if x < value * (1 - 1e-6)), steps + 1)


# ---------------------------------------------------------------- gaps


def _spans(stretches: Sequence[tuple[float, float]]) -> Spans:
    ordered = sorted(stretches)
    return np.array([a for a, _ in ordered]), np.array([b for _, b in ordered])


def _gaps(recording: Recording) -> dict[int, Spans]:
    """Where each source recorded nothing, also before it began and after it ended."""
    gaps = {}
    for place, source in enumerate(recording.sources):
        begin, end = source.offset_s, source.offset_s + source.file.duration_s
        stretches = [
            (begin + gap.start_s, begin + gap.start_s + gap.duration_s) for gap in source.file.gaps
        ]
        slowest = min((c.rate_hz for c in source.file.channels if c.rate_hz > 0), default=1.0)
        if begin > 1 / slowest:
            stretches.append((0.0, begin))
        if recording.duration_s - end > 1 / slowest:
            stretches.append((end, recording.duration_s))
        gaps[place] = _spans(stretches)
    return gaps


def _readings(montage: Montage) -> list[TraceSettings]:
    """The traces without what is a matter of drawing."""
    return [replace(t, inverted=False, sensitivity=None, hidden=False) for t in montage.traces]


# ---------------------------------------------------------------- in the background


@dataclass(frozen=True)
class _Found:
    """Ranges of channels that were not known, and errors of channels that cannot be read."""

    ranges: Mapping[Key, Lane]
    errors: Mapping[Key, CrosslError]


def _read_ahead(
    wanted: Sequence[tuple[Key, ChannelEnvelope, bool]],
    start_s: float,
    end_s: float,
    columns: int,
    context: RunContext,
) -> _Found:
    """Read the visible stretch of channels, and half a page more on each side for panning."""
    ranges: dict[Key, Lane] = {}
    errors: dict[Key, CrosslError] = {}
    margin = (end_s - start_s) / 2
    for key, envelope, needs_range in wanted:
        if context.should_stop():
            raise Cancelled
        try:
            if needs_range:
                ranges[key] = envelope.lane(context.should_stop)
            if envelope.samples_to_read(start_s, end_s, columns):
                envelope.read_ahead(start_s - margin, end_s + margin)
        except CrosslError as error:
            errors[key] = error
    return _Found(ranges, errors)


def _build(
    envelopes: Sequence[ChannelEnvelope],
    focus: Callable[[], tuple[Sequence[ChannelEnvelope], float, float]],
    folder: Path | None,
    announce: Callable[[int, int], None],
    context: RunContext,
) -> None:
    announced = 0.0

    def report(progress: Progress) -> None:
        nonlocal announced
        now = time.monotonic()
        if now - announced >= REPORT_EVERY_S or progress.done == progress.total:
            announced = now
            announce(progress.done, progress.total)

    own = RunContext(report=report, should_stop=context.should_stop)
    build_envelopes(envelopes, own, focus, EnvelopeCache(folder))
