"""Curves of a training while it goes on, or of one that has ended: loss and its terms, figures of
the embedding, validation; and in words whether the model collapses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from core.progress import Progress
from core.report_charts import ticks
from ui.appearance import text_on
from ui.figure_plot import ICON_HEIGHT, ICON_WIDTH, FigurePlot, LineStyle
from ui.icons import pixmap
from ui.wizard_page import Words, describe

TERMS = ("invariance", "variance", "covariance")
MARKED_UP_TO = 40
"""Points of a curve that each get a mark; of more, the line alone is seen."""
DRAW_AFTER_MS = 50
"""Epochs may come quicker than anybody looks."""
LEAST_TERM = 1e-6
"""On a scale of powers of ten there is no zero."""
HEALTHY = "no sign of collapse"
"""What a report says of a pretraining that went well."""

_STAGE = re.compile(r"(?P<part>.+?): (?P<phase>pretraining|fine-tuning)(?: \((?P<of>.+)\))?")
_WARNING = re.compile(rf"{_STAGE.pattern}, epoch (?P<epoch>\d+): (?P<warning>.*collaps.*)", re.S)
WARNING_COLOUR = QColor("#E69F00")


@dataclass
class _Stage:
    """A pretraining, and the heads that were trained on it.

    Attributes
    ----------
    epochs: figures by number of the epoch. of: how many there will be, 0 where nobody knows.
    heads: macro F1 on validation windows by epoch, of one head after the other.
    warning: that it collapses, in words, at epoch `warned_at`; 0: at its end.
    """

    name: str
    epochs: dict[int, Mapping[str, float]] = field(default_factory=dict)
    of: int = 0
    heads: list[dict[int, float]] = field(default_factory=list)
    warning: str = ""
    warned_at: int = 0
    has_ended: bool = False

    def curve(self, figure: str) -> tuple[np.ndarray, np.ndarray]:
        """Epochs and values of a figure; what is not a number is left out."""
        found = [(k, self.epochs[k].get(figure)) for k in sorted(self.epochs)]
        points = [(k, v) for k, v in found if v is not None and np.isfinite(v)]
        return np.array([k for k, _ in points], float), np.array([v for _, v in points], float)

    def validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Macro F1 over the epochs of the newest head; of heads without epochs, one after the
        other."""
        if all(len(head) == 1 and 0 in head for head in self.heads):
            values = [head[0] for head in self.heads]
            return np.arange(1, len(values) + 1, dtype=float), np.array(values, float)
        newest = self.heads[-1]
        steps = sorted(newest)
        return np.array(steps, float), np.array([newest[step] for step in steps], float)

    @property
    def last(self) -> tuple[int, Mapping[str, float]] | None:
        """The last epoch and its figures."""
        return (max(self.epochs), self.epochs[max(self.epochs)]) if self.epochs else None


@dataclass(frozen=True)
class _Curve:
    """One line of a plot, as it is to be drawn."""

    x: np.ndarray
    y: np.ndarray
    style: LineStyle | None
    """None for those that are not looked at now."""


class LiveCurves(QWidget):
    """Draws what milestones bring: a line for each stage, the present one stands out."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stages: dict[str, _Stage] = {}
        self._present = ""
        self._is_history = False
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(DRAW_AFTER_MS)
        self._soon.timeout.connect(self.draw)

        self.notice = Notice(self.tr("Whether the model collapses"))
        self.stage = QComboBox()
        self.stage.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        describe(
            self.stage,
            self.tr("Stage that stands out"),
            self.tr("Which stage stands out from the others; the running one unless you choose"),
        )
        self.stage.currentIndexChanged.connect(self.draw)
        says = QLabel(self.tr("Stage"))
        says.setBuddy(self.stage)
        top = QHBoxLayout()
        top.addWidget(self.notice, 1)
        top.addWidget(says)
        top.addWidget(self.stage)

        self.loss = CurvePlot(
            self.tr("Loss"), self.tr("falls while the model learns"), from_zero=False
        )
        self.terms = CurvePlot(
            self.tr("Terms of the loss"),
            tip=self.tr(
                "Of the stage that stands out, before they are weighted. Invariance: how far two "
                "masked views of a window differ. Variance: how far embeddings spread too little. "
                "Covariance: how far dimensions say the same."
            ),
            names=(self.tr("invariance"), self.tr("variance"), self.tr("covariance")),
            powers_of_ten=True,
        )
        self.rank = CurvePlot(
            self.tr("Effective rank"),
            self.tr("dimensions that are really used"),
            self.tr("How many dimensions of the embedding are really used; a few mean collapse."),
        )
        self.deviation = CurvePlot(
            self.tr("Deviation"),
            self.tr("near 0 means collapse"),
            self.tr("Mean standard deviation of the dimensions; near 0 means collapse."),
        )
        self.cosine = CurvePlot(
            self.tr("Cosine between windows"),
            self.tr("near 1 means collapse"),
            self.tr("How alike different windows look to the model; near 1 means collapse."),
            least_top=1.0,
        )
        self.validation = CurvePlot(
            self.tr("Validation macro F1"),
            self.tr("of people not learnt from"),
            self.tr("While a classifier is trained: macro F1 on people it does not learn from."),
            least_top=1.0,
        )
        self.plots = (
            *(self.loss, self.terms, self.rank),
            *(self.deviation, self.cosine, self.validation),
        )
        self._grid = _Grid(self.plots)
        scroll = QScrollArea()
        scroll.setWidget(self._grid)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        describe(scroll, self.tr("Curves"), self.tr("Curves over the epochs"))
        self.figures = Words()
        self.figures.setAccessibleName(self.tr("Last figures"))
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.addLayout(top)
        column.addWidget(scroll, 1)
        column.addWidget(self.figures)
        self.empty = _Placeholder()
        self._stack = QStackedLayout(self)
        self._stack.addWidget(whole)
        self._stack.addWidget(self.empty)
        self.setAccessibleName(self.tr("Curves of the training"))
        self.clear()

    # -- what comes

    def add(self, progress: Progress) -> None:
        """Take a milestone, or a message that may warn of collapse; anything else is passed
        over."""
        taken = self._take_warning(progress.message)
        found = _STAGE.fullmatch(progress.stage)
        if found is not None and progress.values:
            name = _stage_name(found)
            values = {key: float(value) for key, value in progress.values.items()}
            if found["phase"] == "pretraining" and "loss" in values and "epoch" in values:
                self._take_epoch(name, values)
                taken = True
            elif "validation_macro_f1" in values:
                self._take_validation(name, values)
                taken = True
        if taken and not self._soon.isActive():
            self._soon.start()

    def set_history(self, runs: Sequence[Any]) -> None:
        """Show the pretrainings of a report: `report["pretraining"]["runs"]`."""
        self._forget()
        self._is_history = True
        for entry in runs:
            if not isinstance(entry, Mapping) or not isinstance(entry.get("epochs"), list):
                continue
            stage = self._stage_called(str(entry.get("name") or ""))
            for values in entry["epochs"]:
                number = values.get("epoch") if isinstance(values, Mapping) else None
                if isinstance(number, int):
                    stage.epochs[number] = {k: v for k, v in values.items() if _is_number(v)}
            stage.of = max(stage.epochs, default=0)
            stage.has_ended = True
            verdict = entry.get("verdict")
            stage.warning = verdict if isinstance(verdict, str) and verdict != HEALTHY else ""
        self.draw()

    def clear(self) -> None:
        """Show nothing, until something comes."""
        self._forget()
        self.draw()

    def _forget(self) -> None:
        self._soon.stop()
        self._stages.clear()
        self._present = ""
        self._is_history = False
        self.stage.blockSignals(True)
        self.stage.clear()
        self.stage.addItem(self.tr("the present one"), "")
        self.stage.blockSignals(False)

    def _stage_called(self, name: str) -> _Stage:
        """The stage of that name, which is the present one from now on."""
        if name not in self._stages:
            self._stages[name] = _Stage(name)
            self.stage.blockSignals(True)
            self.stage.addItem(name, name)
            self.stage.blockSignals(False)
        self._present = name
        return self._stages[name]

    def _take_epoch(self, name: str, values: Mapping[str, float]) -> None:
        stage = self._stage_called(name)
        number = int(values["epoch"])
        if number == 1 and len(stage.epochs) > 1:  # it has been started anew
            stage.epochs.clear()
            stage.warning = ""
        stage.epochs[number] = values
        stage.of = int(values.get("epochs", stage.of))

    def _take_validation(self, name: str, values: Mapping[str, float]) -> None:
        stage = self._stage_called(name)
        step = int(values.get("epoch", 0))
        if not stage.heads or step <= max(stage.heads[-1]):  # another head
            stage.heads.append({})
        stage.heads[-1][step] = values["validation_macro_f1"]

    def _take_warning(self, message: str) -> bool:
        found = _WARNING.fullmatch(message)
        if found is None:
            return False
        stage = self._stage_called(_stage_name(found))
        stage.warning, stage.warned_at = found["warning"], int(found["epoch"])
        return True

    # -- what is shown

    @property
    def shown_stage(self) -> str:
        """Name of the stage that stands out; empty where there is none."""
        return self.stage.currentData() or self._present

    def draw(self) -> None:
        """Draw what has come."""
        self._soon.stop()
        shown = self._stages.get(self.shown_stage)
        strong = LineStyle(0, strong=True)
        for plot, figure in (
            (self.loss, "loss"),
            (self.rank, "effective_rank"),
            (self.deviation, "deviation"),
            (self.cosine, "cosine"),
        ):
            curves = [
                _Curve(*stage.curve(figure), strong if stage is shown else None)
                for stage in self._stages.values()
            ]
            plot.show_curves(curves, self._epochs(), self._nothing_yet())
        self.terms.show_curves(
            [
                _Curve(*shown.curve(term), LineStyle(number, strong=True))
                for number, term in enumerate(TERMS)
            ]
            if shown is not None
            else [],
            self._epochs(),
            self._nothing_yet(),
        )
        heads = [stage for stage in self._stages.values() if stage.heads]
        curves = [
            _Curve(*stage.validation(), strong if stage is shown else None) for stage in heads
        ]
        steps = max((int(curve.x[-1]) for curve in curves), default=1)
        in_epochs = any(step > 0 for stage in heads for head in stage.heads for step in head)
        counts_heads = bool(heads) and not in_epochs
        self.validation.name_x(self.tr("Classifier") if counts_heads else self.tr("Epoch"))
        nothing = (
            self.tr("Shown only while a run goes on.")
            if self._is_history
            else self.tr("Comes with fine-tuning, where people are left to validate on.")
        )
        self.validation.show_curves(curves, steps, nothing)
        self._say(shown)

    def _epochs(self) -> int:
        """How many epochs the plots have room for."""
        known = [max(stage.of, *stage.epochs) for stage in self._stages.values() if stage.epochs]
        return max(known, default=1)

    def _nothing_yet(self) -> str:
        if self._is_history:
            return self.tr("This run did not pretrain.")
        return self.tr("Comes with the first epoch of pretraining.")

    def _say(self, shown: _Stage | None) -> None:
        warned = [stage for stage in self._stages.values() if stage.warning]
        if warned:
            first = shown if shown in warned else warned[-1]
            assert first is not None
            if first.has_ended or not first.warned_at:
                where = first.name
            else:
                where = self.tr("{stage}, epoch {epoch}").format(
                    stage=first.name, epoch=first.warned_at
                )
            text = f"{where}: {first.warning}"
            others = [stage.name for stage in warned if stage is not first]
            if others:
                text += " " + self.tr("The same is true of {stages}.").format(
                    stages=", ".join(others)
                )
            self.notice.show_text(text, warns=True)
        elif any(stage.epochs for stage in self._stages.values()):
            self.notice.show_text(
                self.tr("No sign of collapse.")
                if self._is_history
                else self.tr("No sign of collapse so far."),
                warns=False,
            )
        else:
            self.notice.show_text(self._nothing_to_show(), warns=False)
        self.empty.set_text(self._nothing_to_show())
        self._stack.setCurrentIndex(0 if self._stages else 1)
        self.figures.setText(self._figures_text(shown))
        self.setAccessibleDescription(f"{self.notice.text()} {self.figures.text()}".strip())

    def _nothing_to_show(self) -> str:
        if self._is_history:
            return self.tr("This run has no curves: it took its pretraining from elsewhere.")
        return self.tr("No curves yet. They grow here while a run trains.")

    def _figures_text(self, stage: _Stage | None) -> str:
        """The last figures of a stage in words."""
        if stage is None:
            return ""
        parts = []
        if stage.last is not None:
            number, values = stage.last
            figures = {key: _number(values.get(key)) for key in (*TERMS, "loss", "effective_rank",
                                                                "deviation", "cosine")}  # fmt: skip
            parts.append(
                self.tr(
                    "{stage}, epoch {number} of {of}: loss {loss} (invariance {invariance}, "
                    "variance {variance}, covariance {covariance}), effective rank "
                    "{effective_rank}, deviation {deviation}, cosine {cosine}."
                ).format(stage=stage.name, number=number, of=max(stage.of, number), **figures)
            )
        if stage.heads:
            value = stage.heads[-1][max(stage.heads[-1])]
            parts.append(
                self.tr("{stage}, validation macro F1: {value}.").format(
                    stage=stage.name, value=_number(value)
                )
            )
        return " ".join(parts)


class Notice(QFrame):
    """A text on a colour, with a sign before it where it warns."""

    def __init__(self, name: str) -> None:
        """`name`: what it tells, for screen readers."""
        super().__init__()
        self._warns = False
        self.sign = QLabel()
        self.sign.setAccessibleName(self.tr("Warning"))
        self.words = Words()
        self.words.setAccessibleName(name)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 4, 8, 4)
        row.addWidget(self.sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.words, 1)
        self.setAutoFillBackground(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._take_looks()

    def text(self) -> str:
        return self.words.text()

    @property
    def warns(self) -> bool:
        return self._warns

    def show_text(self, text: str, warns: bool) -> None:
        if (text, warns) != (self.words.text(), self._warns):
            self._warns = warns
            self.words.setText(text)
            self._take_looks()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._take_looks()

    def _take_looks(self) -> None:
        self.sign.setVisible(self._warns)
        palette = QPalette()  # what is not set follows the window's
        if self._warns:
            ink = text_on(WARNING_COLOUR)
            palette.setColor(QPalette.ColorRole.Window, WARNING_COLOUR)
            palette.setColor(QPalette.ColorRole.WindowText, ink)
            side = self.fontMetrics().height()
            self.sign.setPixmap(pixmap("warning", side, ink, self.devicePixelRatioF()))
        self.setPalette(palette)


class _Grid(QWidget):
    """Plots in as many columns as there is room for."""

    COLUMNS = 3

    def __init__(self, plots: Sequence[CurvePlot]) -> None:
        super().__init__()
        self._plots = tuple(plots)
        self._columns = 0
        self._layout = QGridLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(10)
        self._arrange(self.COLUMNS)

    def _arrange(self, columns: int) -> None:
        if columns == self._columns:
            return
        self._columns = columns
        for number, plot in enumerate(self._plots):
            self._layout.addWidget(plot, number // columns, number % columns)
        for number in range(len(self._plots)):
            self._layout.setColumnStretch(number, int(number < columns))
            self._layout.setRowStretch(number, int(number * columns < len(self._plots)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        needed = max(plot.least_width() for plot in self._plots) + self._layout.spacing()
        self._arrange(min(max(self.width() // needed, 1), self.COLUMNS))

    def minimumSizeHint(self) -> QSize:
        # One column will do: the plots are arranged by the width that there is.
        height = super().minimumSizeHint().height()
        return QSize(max(plot.least_width() for plot in self._plots), height)


class CurvePlot(QWidget):
    """A small plot over epochs with its title above it; lines that are not looked at are faint."""

    def __init__(
        self,
        title: str,
        says: str = "",
        tip: str = "",
        *,
        names: Sequence[str] = (),
        from_zero: bool = True,
        least_top: float = 0.0,
        powers_of_ten: bool = False,
    ) -> None:
        """`says`: what is good or bad, in a few words. `names`: of several lines, for a legend in
        its place. `least_top`: what the scale goes up to at least. `powers_of_ten`: a logarithmic
        scale."""
        super().__init__()
        self._curves: tuple[_Curve, ...] = ()
        self._drawn: list[tuple[object, ...]] = []
        self._ground = -1  # that the signs of the legend were drawn for
        self._epochs = 1
        self._from_zero, self._least_top = from_zero, least_top
        self._log = powers_of_ten
        self._x_title = self.tr("Epoch")
        self.title = QLabel(title)
        self.says = QLabel(says)
        self.says.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self.says.setVisible(not names)
        self.legend = tuple((QLabel(), QLabel(name)) for name in names)
        below = QHBoxLayout()
        below.setSpacing(4)
        below.addWidget(self.says)
        for sign, words in self.legend:
            below.addWidget(sign)
            below.addWidget(words)
        below.addStretch(1)
        self.plot = FigurePlot(self._x_title, "")
        self.plot.setAntialiasing(False)
        self.plot.setLogMode(x=False, y=powers_of_ten)
        self.plot.setAccessibleName(title)
        self.plot.palette_changed.connect(self._draw)
        self._items: list[pg.PlotDataItem] = []
        self.nothing = _Placeholder()
        self._stack = QStackedLayout()
        self._stack.addWidget(self.plot)
        self._stack.addWidget(self.nothing)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(1)
        column.addWidget(self.title)
        column.addLayout(below)
        column.addLayout(self._stack, 1)
        self.setToolTip(tip or f"{title}: {says}.")
        self.setAccessibleName(title)
        self.setAccessibleDescription(self.toolTip())
        self._take_font()

    def least_width(self) -> int:
        """Below this the words above the plot do not fit."""
        signs = sum(
            ICON_WIDTH + 8 + words.fontMetrics().horizontalAdvance(words.text())
            for _, words in self.legend
        )
        return max(signs, self.title.sizeHint().width(), self.says.sizeHint().width())

    def name_x(self, title: str) -> None:
        """What the axis below counts."""
        if title != self._x_title:
            self._x_title = title
            self.plot.set_title("bottom", title)

    def show_curves(self, curves: Iterable[_Curve], epochs: int, nothing: str) -> None:
        """Draw these, with room for so many epochs; `nothing` is said where there are none."""
        self._curves = tuple(curve for curve in curves if len(curve.x))
        self._epochs = max(epochs, 1)
        self.nothing.set_text(nothing)
        self._stack.setCurrentIndex(0 if self._curves else 1)
        self._draw()

    @property
    def is_empty(self) -> bool:
        return not self._curves

    def lines(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Epochs and values of the lines that are drawn."""
        return [(curve.x, curve.y) for curve in self._curves]

    def _draw(self) -> None:
        while len(self._items) < len(self._curves):
            item = pg.PlotDataItem()
            self._items.append(item)
            self._drawn.append(())
            self.plot.addItem(item)  # which tells it of the scale
        ground = self.plot.ground()
        for number, item in enumerate(self._items):
            seen = number < len(self._curves)
            item.setVisible(seen)
            if not seen:
                continue
            curve = self._curves[number]
            # Most lines are as they were: only one stage learns at a time.
            now = (len(curve.x), curve.x[-1], curve.y[0], curve.y[-1], curve.style, ground.rgba())
            if now != self._drawn[number]:
                self._drawn[number] = now
                self._draw_curve(item, curve, ground)
        if ground.rgba() != self._ground:
            self._ground = ground.rgba()
            for number, (sign, _) in enumerate(self.legend):
                style = LineStyle(number, strong=True)
                sign.setPixmap(style.icon(ground).pixmap(ICON_WIDTH, ICON_HEIGHT))
        self._set_ranges()

    def _draw_curve(self, item: pg.PlotDataItem, curve: _Curve, ground: QColor) -> None:
        y = np.maximum(curve.y, LEAST_TERM) if self._log else curve.y
        marked = len(curve.x) <= MARKED_UP_TO and (curve.style is not None or len(curve.x) == 1)
        if curve.style is None:
            colour = self.plot.soft(0.38)
            pen, symbol, size = pg.mkPen(colour, width=1), "o", 4
        else:
            pen, colour = curve.style.pen(ground), curve.style.colour(ground)
            symbol, size = curve.style.symbol, 6
        item.setZValue(0 if curve.style is None else 1)
        item.setData(
            curve.x,
            y,
            pen=pen,
            symbol=symbol if marked else None,
            symbolSize=size,
            symbolPen=pg.mkPen(colour, width=1),
            symbolBrush=pg.mkBrush(colour),
        )

    def _set_ranges(self) -> None:
        if not self._curves:
            return
        metrics = self.plot.metrics()
        # Half of the uppermost number is above its axis, half of the last one beyond.
        room = metrics.horizontalAdvance(str(self._epochs)) // 2 + 6
        self.plot.getPlotItem().setContentsMargins(0, metrics.height() // 2, room, 0)
        values = np.concatenate([curve.y for curve in self._curves])
        low, high = float(values.min()), float(values.max())
        if self._log:
            self._set_powers(max(low, LEAST_TERM), max(high, LEAST_TERM))
        else:
            if self._from_zero:
                low = min(low, 0.0)
            high = max(high, self._least_top)
            above = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
            bottom = low if self._from_zero and low == 0 else low - above
            top = high if high == self._least_top else high + above
            self.plot.setYRange(bottom, top, padding=0)
        end = self._epochs
        beside = 0.5 if end == 1 else 0.02 * (end - 1)
        self.plot.setXRange(1 - beside, end + beside, padding=0)
        most = max(self.plot.width() // (2 * metrics.horizontalAdvance(f"{end}  ")), 2)
        self.plot.getAxis("bottom").setTicks([_epoch_ticks(end, most)])

    def _set_powers(self, low: float, high: float) -> None:
        first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
        last = max(last, first + 1)
        self.plot.setYRange(first, last, padding=0)
        marks = [(float(power), f"{10.0**power:g}") for power in range(first, last + 1)]
        self.plot.getAxis("left").setTicks([marks])

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._set_ranges()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._take_font()

    def _take_font(self) -> None:
        font = self.font()
        font.setBold(True)
        self.title.setFont(font)
        for part in (self.plot, self.nothing):
            part.setMinimumHeight(9 * self.fontMetrics().lineSpacing())


class _Placeholder(QWidget):
    """A sentence in the middle of an empty place. A label that wraps would ask for the height that
    its width needs, and the whole grid with it."""

    def set_text(self, text: str) -> None:
        self.setAccessibleName(text)
        self.update()

    def text(self) -> str:
        return self.accessibleName()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(self.rect().adjusted(8, 8, -8, -8), flags, self.text())
        painter.end()


def _epoch_ticks(end: int, most: int) -> list[tuple[float, str]]:
    """The first and the last epoch, and round ones between that are apart from both."""
    room = 0.6 * (end - 1) / most
    between = {round(x) for x in ticks(1, end, most) if abs(x - round(x)) < 1e-6}
    kept = sorted({1, end} | {x for x in between if x - 1 >= room and end - x >= room})
    return [(float(x), str(x)) for x in kept]


def _stage_name(found: re.Match[str]) -> str:
    """`fold 0` of `fold 0: pretraining`, `fold 0 (reference)` of an opponent's."""
    return found["part"] if found["of"] is None else f"{found['part']} ({found['of']})"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: float | None) -> str:
    """A figure for people, no longer than it says anything."""
    if value is None or not np.isfinite(value):
        return "–"
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return text.replace("-", "−")
