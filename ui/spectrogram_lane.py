"""The spectrogram of a chosen channel below the traces, computed in the background."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from core.progress import Progress, RunContext
from ui.jobs import LatestJob
from ui.time_plot import HatchItem, TimePlot, clock_text

if TYPE_CHECKING:
    from core.spectrogram import Spectrogram

MOST_COLUMNS = 4000
"""Columns over the whole recording: more than a screen has, so that zooming in shows more."""
FREQUENCIES_HZ = (15.0, 30.0, 50.0)
ROOM = 0.05
"""Beside the lowest and highest frequency, so that their ticks have room."""
COLOURS = "viridis"
"""Light is strong. It is told apart by lightness alone, whatever colours one sees."""


class SpectrogramChannel(Protocol):
    """What is needed of a channel; `core.montage.DisplayChannel` has it.

    Sample k lies `offset_s` + k / `rate_hz` seconds from the recording's start.
    """

    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def rate_hz(self) -> float: ...
    @property
    def samples(self) -> int: ...
    def read(self, start: int, stop: int) -> np.ndarray: ...


class SpectrogramLane(QWidget):
    """Power over time and frequency, linked to the traces.

    Computed when it is visible and a channel is chosen; again when the channel, its filter or the
    highest frequency changes.
    """

    failed = Signal(object)
    """The exception, when a spectrogram could not be computed."""
    drawn = Signal()
    """A spectrogram is on the screen."""
    channel_chosen = Signal(str)
    """Name of the channel that the user chose."""
    _progressed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._channels: tuple[SpectrogramChannel, ...] = ()
        self._wanted = ""
        self._shown: tuple[object, ...] | None = None
        self._result: Spectrogram | None = None
        self._offset_s = 0.0
        self._make_controls()
        self.plot = TimePlot()
        self.plot.setAccessibleName(self.tr("Spectrogram over time"))
        self.plot.hideAxis("bottom")
        self._image = pg.ImageItem(axisOrder="row-major")
        self._image.setColorMap(pg.colormap.get(COLOURS))
        self._gaps = HatchItem()
        for item in (self._gaps, self._image):
            self.plot.addItem(item, ignoreBounds=True)
        self._image.hide()
        self.plot.setYRange(0, FREQUENCIES_HZ[1], padding=ROOM)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(self._controls)
        layout.addWidget(self.plot, 1)
        self.setMinimumHeight(110)
        self._work = LatestJob(self)
        self._work.succeeded.connect(self._take)
        self._work.failed.connect(self._on_failed)
        # Sent from the background; arrives in the window's thread, since the lane lives there.
        self._progressed.connect(self._on_progress)
        self.plot.scene().sigMouseMoved.connect(self._on_mouse)
        self.plot.mouse_left.connect(self._on_left)
        self.plot.palette_changed.connect(self._show_gaps)

    def _make_controls(self) -> None:
        self.channel_choice = QComboBox()
        self.channel_choice.setAccessibleName(self.tr("Channel of the spectrogram"))
        self.channel_choice.setToolTip(self.tr("Channel of the spectrogram (Alt+C)"))
        self.channel_choice.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.channel_choice.setMinimumContentsLength(14)
        self.channel_choice.activated.connect(self._on_channel)
        channel_label = QLabel(self.tr("Spectrogram of &channel"))
        channel_label.setBuddy(self.channel_choice)
        self.top_choice = QComboBox()
        self.top_choice.setAccessibleName(self.tr("Highest frequency of the spectrogram"))
        self.top_choice.setToolTip(self.tr("Highest frequency of the spectrogram (Alt+U)"))
        for top_hz in FREQUENCIES_HZ:
            self.top_choice.addItem(self.tr("{hz} Hz").format(hz=f"{top_hz:g}"), top_hz)
        self.top_choice.addItem(self.tr("half the rate"), None)
        self.top_choice.setCurrentIndex(1)
        self.top_choice.activated.connect(self._compute)
        top_label = QLabel(self.tr("&up to"))
        top_label.setBuddy(self.top_choice)
        self._says = QLabel()
        self._says.setTextFormat(Qt.TextFormat.PlainText)
        self._says.setAccessibleName(self.tr("State of the spectrogram"))
        self._controls = QHBoxLayout()
        self._controls.setContentsMargins(6, 2, 6, 0)
        for widget in (channel_label, self.channel_choice, top_label, self.top_choice):
            self._controls.addWidget(widget)
        self._controls.addWidget(self._says, 1)

    # -- what is shown

    def link_to(self, plot: TimePlot) -> None:
        """Move along with another plot over time, and move it along."""
        self.plot.setXLink(plot)

    def set_duration(self, duration_s: float) -> None:
        """Limits of pan and zoom; the same as those of the traces."""
        whole = max(duration_s, 0.02)
        self.plot.getViewBox().setLimits(xMin=0.0, xMax=whole, minXRange=0.02, maxXRange=whole)

    def set_channels(self, channels: Sequence[SpectrogramChannel]) -> None:
        """The channels to choose from. The one that was chosen stays so where its name is still
        there, and is computed again only where its values have changed."""
        self._channels = tuple(channels)
        names = [channel.name for channel in self._channels]
        known = [n for n in (self._wanted, self.channel_choice.currentText()) if n in names]
        self.channel_choice.clear()
        self.channel_choice.addItems(names)
        self.channel_choice.setEnabled(bool(names))
        if names:
            self.channel_choice.setCurrentIndex(names.index(known[0]) if known else 0)
        self._compute()

    def choose(self, name: str) -> None:
        """Show a channel by its name, now or as soon as there is one called so."""
        self._wanted = name
        place = self.channel_choice.findText(name)
        if place >= 0:
            self.channel_choice.setCurrentIndex(place)
            self._compute()

    @property
    def result(self) -> Spectrogram | None:
        """What is drawn."""
        return self._result

    @property
    def says(self) -> str:
        """Progress, or what lies under the mouse."""
        return self._says.text()

    def shut_down(self) -> None:
        """End what runs in the background; returns when it has ended."""
        self._work.shut_down()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._compute()

    # -- computing

    def _channel(self) -> SpectrogramChannel | None:
        place = self.channel_choice.currentIndex()
        return self._channels[place] if 0 <= place < len(self._channels) else None

    def _on_channel(self) -> None:
        channel = self._channel()
        if channel is not None:
            self._wanted = channel.name
            self.channel_chosen.emit(channel.name)
        self._compute()

    def _compute(self) -> None:
        """Compute what is chosen, unless it is on the screen or on its way already."""
        channel = self._channel()
        if channel is None:
            self._shown = None
            self._work.drop()
            self._clear()
            self._say("")
            return
        if not self.isVisible():
            return
        top_hz = self.top_choice.currentData()
        wanted = (top_hz, *_values_of(channel))
        if wanted == self._shown:
            return
        self._shown = wanted
        self._clear()
        self._offset_s = float(getattr(channel, "offset_s", 0.0))
        self._say(self.tr("Computing …"))
        self._work.start(partial(_compute, channel, top_hz, self._progressed.emit))

    def _on_progress(self, progress: Progress) -> None:
        if self._work.is_busy and self._result is None and progress.total:
            percent = 100 * progress.done // progress.total
            self._say(self.tr("Computing … {percent} %").format(percent=percent))

    def _on_failed(self, error: Exception) -> None:
        from core.errors import CrosslError

        if isinstance(error, CrosslError):
            # Of one channel (too short, a file that is gone): said here, the rest goes on.
            self._say(str(error))
        else:
            self._shown = None
            self._say(self.tr("The spectrogram could not be computed."))
            self.failed.emit(error)

    def _take(self, result: Spectrogram) -> None:
        self._result = result
        edges = result.edges_s
        # Columns are equally wide; only the first and the last one may be cut.
        width = float(edges[2] - edges[1]) if len(edges) > 3 else float(edges[1] - edges[0])
        left = float(edges[1]) - width
        step = result.step_hz
        count, columns = result.power_db.shape
        self._image.setImage(result.power_db, levels=result.limits_db, autoLevels=False)
        self._image.setRect(QRectF(self._offset_s + left, step / 2, width * columns, count * step))
        self._image.show()
        top = float(result.frequencies_hz[-1])
        self.plot.setYRange(0, top, padding=ROOM)
        self._show_gaps()
        self._say_limits()
        self.drawn.emit()

    def _clear(self) -> None:
        self._result = None
        self._image.hide()
        self._image.clear()
        self._show_gaps()

    def _show_gaps(self) -> None:
        """Hatch where nothing was recorded."""
        result = self._result
        if result is None:
            empty, edges = np.empty(0, bool), np.zeros(1)
        else:
            empty, edges = np.isnan(result.power_db).all(axis=0), result.edges_s + self._offset_s
        borders = np.flatnonzero(np.diff(np.concatenate(([False], empty, [False])).astype(np.int8)))
        colour = self.plot.text_colour()
        colour.setAlpha(90)
        high = float(result.frequencies_hz[-1]) if result is not None else 1.0
        self._gaps.set_stretches(edges[borders[0::2]], edges[borders[1::2]], 0.0, high, colour)

    # -- words

    def describe(self, time_s: float, hz: float) -> str:
        """The power at a time and frequency in words; empty beside the spectrogram."""
        result = self._result
        if result is None:
            return ""
        column = int(np.searchsorted(result.edges_s, time_s - self._offset_s, side="right")) - 1
        row = round(hz / result.step_hz) - 1
        rows, columns = result.power_db.shape
        if not (0 <= column < columns and 0 <= row < rows):
            return ""
        where = self.tr("{time} · {hz} Hz").format(
            time=clock_text(time_s), hz=f"{result.frequencies_hz[row]:.3g}"
        )
        power = float(result.power_db[row, column])
        if not np.isfinite(power):
            return self.tr("{where} · nothing recorded").format(where=where)
        return self.tr("{where} · {power} dB").format(where=where, power=_signed(power, 1))

    def _say(self, text: str) -> None:
        self._says.setText(text)
        self._says.setToolTip(text)

    def _say_limits(self) -> None:
        if self._result is None:
            return
        channel = self._channel()
        unit = channel.unit if channel is not None else ""
        low, high = self._result.limits_db
        text = self.tr("dark {low} dB, light {high} dB ({unit}²/Hz)")
        self._say(text.format(low=_signed(low, 0), high=_signed(high, 0), unit=unit or "1"))

    def _on_mouse(self, position: QPointF) -> None:
        if self._result is None:
            return
        box = self.plot.getViewBox()
        text = ""
        if box.sceneBoundingRect().contains(position):
            place = box.mapSceneToView(position)
            text = self.describe(place.x(), place.y())
        if text:
            self._say(text)
        else:
            self._say_limits()

    def _on_left(self) -> None:
        self._say_limits()


def _compute(
    channel: SpectrogramChannel,
    top_hz: float | None,
    report: Callable[[Progress], None],
    context: RunContext,
) -> Spectrogram:
    """In the background. scipy takes a second to load: it is, where it is needed."""
    from core.spectrogram import spectrogram

    return spectrogram(
        channel.read,
        channel.rate_hz,
        channel.samples,
        max_hz=top_hz,
        columns=MOST_COLUMNS,
        context=RunContext(report=report, should_stop=context.should_stop),
    )


def _values_of(channel: SpectrogramChannel) -> tuple[object, ...]:
    """What a channel's values depend on: equal for channels with equal values.

    A display channel is made anew when only its looks have changed; it tells what it reads.
    """
    if hasattr(channel, "reads") and hasattr(channel, "inputs"):
        return (channel.reads, channel.inputs)
    return (channel,)


def _signed(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}".replace("-", "−")
