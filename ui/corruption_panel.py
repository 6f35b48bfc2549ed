"""What if a sensor fails instead of being off? A failure is chosen here, and its figures are shown
beside those of the same sensor taken away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetrics,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QStandardItemModel,
)
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from core.corruption import STRENGTHS, WHOLE, Corruption, CorruptionKind
from core.errors import ConfigError
from ui.appearance import readable_on
from ui.class_damage_table import STRONGEST, HeatTable
from ui.dialog_parts import Paragraph
from ui.subset_table import blend, number_text, percents
from ui.time_plot import class_colour, clock_text
from ui.wizard_page import describe

if TYPE_CHECKING:  # torch is only there once something has been scored
    from core.corrupted_scoring import CorruptedResult, Sweep
    from core.window_view import LiveFigures

Span = tuple[float, float]
BOXES_IN_A_ROW = 4
HUMS_HZ = (50.0, 60.0)


class CorruptionPanel(QWidget):
    """Chooses a failure and asks for its figures; whoever owns model and recording gives them."""

    requested = Signal(object)
    """A list of `Corruption`s to try together."""
    sweep_requested = Signal(object)
    """A `Corruption` of noise or hum to try at several strengths."""
    stop_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._modalities: tuple[str, ...] = ()
        self._boxes: list[QCheckBox] = []
        self._spans: dict[str, Span | None] = {"whole": None, "visible": None, "selected": None}
        self._busy = ""
        self._problem = self.tr("Open a recording, and choose a run that has a model.")

        self.kind = QComboBox()
        for kind, title in self._titles().items():
            self.kind.addItem(title, kind)
        describe(self.kind, self.tr("Failure"), self.tr("How the sensor fails"))
        self.kind.currentIndexChanged.connect(self._on_kind)
        self.strength = QDoubleSpinBox()
        self.strength.setDecimals(0)
        self.strength.setKeyboardTracking(False)
        describe(self.strength, self.tr("Strength"), "")
        self.strength_says = QLabel()
        self.strength_says.setBuddy(self.strength)
        self.gap_s = QDoubleSpinBox()
        self.gap_s.setRange(0.05, 3600.0)
        self.gap_s.setValue(1.0)
        self.gap_s.setSuffix(self.tr(" s each"))
        describe(self.gap_s, self.tr("Length of a gap"), self.tr("How long each gap lasts"))
        self.hum_hz = QComboBox()
        for rate in HUMS_HZ:
            self.hum_hz.addItem(self.tr("{rate:.0f} Hz").format(rate=rate), rate)
        describe(self.hum_hz, self.tr("Mains"), self.tr("Frequency of the mains"))
        self.stretch = QComboBox()
        self.stretch.setMinimumContentsLength(16)
        describe(self.stretch, self.tr("Stretch"), self.tr("Which part of the recording fails"))
        self.attempt = QPushButton(self.tr("Try"))
        describe(
            self.attempt,
            self.tr("Try the failure"),
            self.tr("Score the shown recording with this failure, and with the sensor taken away"),
        )
        self.sweep = QPushButton(self.tr("Try 20 to −5 dB"))
        describe(
            self.sweep,
            self.tr("Try several strengths"),
            self.tr("Score the shown recording with noise from hardly any to more than signal"),
        )
        self.stop = QPushButton(self.tr("Stop"))
        describe(self.stop, self.tr("Stop trying"), self.tr("Stop what is being scored"))
        self.attempt.clicked.connect(self._on_try)
        self.sweep.clicked.connect(self._on_sweep)
        self.stop.clicked.connect(self.stop_requested)

        self.sensors = QWidget()
        self.sensors.setAccessibleName(self.tr("Sensors that fail"))
        self._grid = QGridLayout(self.sensors)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(14)
        self.reason = Paragraph()
        self.reason.setAccessibleName(self.tr("State of the trial"))
        self.says = Paragraph()
        self.says.setAccessibleName(self.tr("Result in words"))
        self.table = HeatTable(self.tr("Figures as recorded, failing and taken away"))
        self.curve = SweepCurve()

        choices = QHBoxLayout()
        for title, box in ((self.tr("Failure"), self.kind), ("", self.strength)):
            label = self.strength_says if box is self.strength else QLabel(title)
            label.setBuddy(box)
            choices.addWidget(label)
            choices.addWidget(box)
        choices.addWidget(self.gap_s)
        choices.addWidget(self.hum_hz)
        choices.addStretch(1)
        where = QHBoxLayout()
        label = QLabel(self.tr("in"))
        label.setBuddy(self.stretch)
        where.addWidget(label)
        where.addWidget(self.stretch)
        where.addSpacing(12)
        where.addWidget(self.attempt)
        where.addWidget(self.sweep)
        where.addWidget(self.stop)
        where.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(choices)
        column.addWidget(self.sensors)
        column.addLayout(where)
        column.addWidget(self.reason)
        column.addWidget(self.says)
        column.addWidget(self.table)
        column.addWidget(self.curve)
        column.addStretch(0)
        self.set_stretch(None, None)
        self._on_kind()
        self.clear_result()

    def _titles(self) -> dict[CorruptionKind, str]:
        return {
            "flat": self.tr("flat line"),
            "noise": self.tr("white noise"),
            "pink": self.tr("pink noise"),
            "hum": self.tr("mains hum"),
            "clip": self.tr("clipping"),
            "gaps": self.tr("gaps"),
            "swap": self.tr("swapped channels"),
        }

    # -- what can be chosen

    def set_modalities(self, names: Sequence[str]) -> None:
        """Offer these sensors; ticks stay at those of the same name."""
        names = tuple(names)
        if names == self._modalities:
            return
        ticked = set(self.modalities)
        for box in self._boxes:
            self._grid.removeWidget(box)
            box.deleteLater()
        self._modalities = names
        self._boxes = []
        for number, name in enumerate(names):
            box = QCheckBox(name.replace("&", "&&"))
            describe(box, name, self.tr("Whether {sensor} fails").format(sensor=name))
            box.setChecked(name in ticked)
            box.toggled.connect(self._show_state)
            self._grid.addWidget(box, number // BOXES_IN_A_ROW, number % BOXES_IN_A_ROW)
            self._boxes.append(box)
        self._grid.setColumnStretch(BOXES_IN_A_ROW, 1)
        if names and not ticked & set(names):
            self._boxes[0].setChecked(True)
        self.clear_result()
        self._show_state()

    def set_stretch(self, visible: Span | None, selected: Span | None) -> None:
        """What is visible and what is selected of the recording, in seconds from its start."""
        spans = {"whole": None, "visible": visible, "selected": selected}
        if spans == self._spans and self.stretch.count():
            return
        self._spans = spans
        model = self.stretch.model()
        assert isinstance(model, QStandardItemModel)
        titles = {
            "whole": self.tr("the whole recording"),
            "visible": self.tr("what is visible"),
            "selected": self.tr("what is selected"),
        }
        for place, (key, title) in enumerate(titles.items()):
            span = spans[key]
            if span is not None:
                title = self.tr("{stretch}, {start}–{end}").format(
                    stretch=title, start=clock_text(span[0]), end=clock_text(span[1])
                )
            if place == self.stretch.count():
                self.stretch.addItem(title, key)
            self.stretch.setItemText(place, title)
            model.item(place).setEnabled(key == "whole" or span is not None)
        if not model.item(self.stretch.currentIndex()).isEnabled():
            self.stretch.setCurrentIndex(0)

    def set_problem(self, problem: str) -> None:
        """Why nothing can be tried, in words; empty where it can."""
        self._problem = problem
        if problem:
            self.clear_result()
        self._show_state()

    def set_busy(self, text: str) -> None:
        """Say what is being done; empty where nothing is."""
        self._busy = text
        self._show_state()

    def tell(self, problem: str) -> None:
        """Say why a trial came to nothing."""
        self.clear_result()
        self.reason.say(problem)

    # -- what is chosen

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the sensors that are ticked."""
        return tuple(
            name for name, box in zip(self._modalities, self._boxes, strict=True) if box.isChecked()
        )

    def corruption(self) -> Corruption:
        """What is chosen. Raises ConfigError where it makes no sense."""
        kind: CorruptionKind = self.kind.currentData()
        limits = STRENGTHS[kind]
        strength = 0.0
        if limits is not None:
            strength = self.strength.value() / (100 if limits.unit == "share" else 1)
        span = self._spans[self.stretch.currentData()]
        start_s, end_s = span if span is not None else (0.0, WHOLE)
        return Corruption(
            kind,
            self.modalities,
            strength,
            start_s,
            end_s,
            gap_s=self.gap_s.value(),
            hum_hz=self.hum_hz.currentData(),
        )

    def _on_kind(self) -> None:
        limits = STRENGTHS[self.kind.currentData()]
        for widget in (self.strength, self.strength_says):
            widget.setVisible(limits is not None)
        if limits is not None:
            share = limits.unit == "share"
            title = self.tr("signal to noise")
            tip = self.tr("Power of the signal over that of the noise; at 0 dB they are equal")
            if share:
                title = self.tr("share")
                tip = self.tr("Share of the time that is lost")
                if self.kind.currentData() == "clip":
                    tip = self.tr("Share of the samples that is cut off, half at each end")
            self.strength_says.setText(title)
            describe(self.strength, title, tip)
            factor = 100 if share else 1
            least = max(limits.least * factor, 1.0) if share else limits.least
            self.strength.setSuffix(" %" if share else " dB")
            self.strength.setRange(least, limits.most * factor)
            self.strength.setSingleStep(5)
            self.strength.setValue(limits.usual * factor)
        self.gap_s.setVisible(self.kind.currentData() == "gaps")
        self.hum_hz.setVisible(self.kind.currentData() == "hum")
        self._show_state()

    def _show_state(self) -> None:
        limits = STRENGTHS[self.kind.currentData()]
        can = not self._problem and not self._busy and bool(self.modalities)
        self.attempt.setEnabled(can)
        self.sweep.setEnabled(can and limits is not None and limits.unit == "dB")
        self.stop.setEnabled(bool(self._busy))
        says = self._busy or self._problem
        if not says and self._modalities and not self.modalities:
            says = self.tr("Tick at least one sensor.")
        self.reason.say(says)

    def _on_try(self) -> None:
        try:
            self.requested.emit([self.corruption()])
        except ConfigError as error:
            self.reason.say(str(error))

    def _on_sweep(self) -> None:
        try:
            self.sweep_requested.emit(self.corruption())
        except ConfigError as error:
            self.reason.say(str(error))

    # -- results

    def clear_result(self) -> None:
        """Show no result: it would be of another recording or model."""
        self.says.say("")
        self.table.setVisible(False)
        self.curve.set_sweep(None)
        self.curve.setVisible(False)

    def set_result(self, result: CorruptedResult) -> None:
        """Show what a trial gave."""
        self.curve.setVisible(False)
        failing = ", ".join(result.modalities)
        rows = [
            (self.tr("as recorded"), result.clean),
            (self.tr("{sensors} failing").format(sensors=failing), result.corrupted),
            (self.tr("{sensors} taken away").format(sensors=failing), result.removed),
        ]
        self._fill(rows)
        self.says.say(f"{self._result_words(result)} {self._caught_words(result)}")

    def set_sweep(self, sweep: Sweep) -> None:
        """Show what several strengths gave."""
        failing = ", ".join(sweep.results[0].modalities)
        rows = [(self.tr("as recorded"), sweep.clean)]
        for result in sweep.results:
            strength = number_text(result.corruptions[0].strength, 0)
            rows.append((self.tr("at {strength} dB").format(strength=strength), result.corrupted))
        rows.append((self.tr("{sensors} taken away").format(sensors=failing), sweep.removed))
        self._fill(rows)
        self.curve.set_sweep(sweep)
        self.curve.setVisible(True)
        kind = self._titles()[sweep.results[0].corruptions[0].kind]
        better = sweep.better_without_db
        if better is None:
            text = self.tr(
                "Down to {least} dB, {kind} on {sensors} does no more harm than taking it away."
            ).format(least=number_text(sweep.strengths_db[-1], 0), kind=kind, sensors=failing)
        else:
            text = self.tr(
                "With {kind} on {sensors} at {better} dB or less, it is better to switch it off."
            ).format(kind=kind, sensors=failing, better=number_text(better, 0))
        if not sweep.has_test:
            text += " " + self.tr("Judged by the windows that keep their class.")
        if not any(result.caught_share for result in sweep.results):
            text += f" {self._caught_words(sweep.results[-1])}"
        self.says.say(text)

    def _result_words(self, result: CorruptedResult) -> str:
        return self.tr(
            "{what}: {changed} of the {windows} windows change their class; without {sensors} "
            "{removed} do."
        ).format(
            what=_capital(result.corruptions[0].words),
            changed=percents(result.corrupted.changed),
            windows=f"{result.windows:,}",
            sensors=", ".join(result.modalities),
            removed=percents(result.removed.changed),
        )

    def _caught_words(self, result: CorruptedResult) -> str:
        share = result.caught_share
        if share is None:
            return ""
        if share >= 1:
            return self.tr("The search for missing signals finds all of it out.")
        if share <= 0:
            return self.tr("The search for missing signals finds nothing: all of it gets through.")
        return self.tr(
            "The search for missing signals finds it out in {share} of the windows; the rest gets "
            "through."
        ).format(share=percents(share))

    def _fill(self, rows: Sequence[tuple[str, LiveFigures]]) -> None:
        seen = any(f.macro_f1 is not None and not f.is_test for _, f in rows)
        heads = [
            self.tr("class changed"),
            self.tr("confidence"),
            self.tr("macro F1, no test") if seen else self.tr("macro F1"),
            self.tr("no answer"),
        ]
        texts = [
            [
                percents(figures.changed),
                number_text(figures.confidence),
                number_text(figures.macro_f1),
                f"{figures.left_out:,}" if figures.left_out else "–",
            ]
            for _, figures in rows
        ]
        shades = np.zeros((len(rows), len(heads)))
        shades[:, 0] = [(figures.changed or 0.0) / STRONGEST for _, figures in rows]
        names = [name for name, _ in rows]
        self.table.show_cells(names, heads, texts, shades, self._score_tip if seen else None)
        self.table.setVisible(True)

    def _score_tip(self, row: int, column: int) -> str:
        return self.tr("No test: the model has seen this person") if column == 2 else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


class SweepCurve(QWidget):
    """A figure over the ratio of signal to noise, beside the lines of the recording as it is and
    of the sensor taken away."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sweep: Sweep | None = None
        self.setAccessibleName(self.tr("Figures over the strength of noise"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_sweep(self, sweep: Sweep | None) -> None:
        self._sweep = sweep
        if sweep is not None:
            points = (
                f"{strength:g} dB {self._text(self._value(result.corrupted))}"
                for strength, result in zip(sweep.strengths_db, sweep.results, strict=True)
            )
            self.setAccessibleDescription(f"{self._title()}: {', '.join(points)}")
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(520, 12 * self.fontMetrics().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(260, self.sizeHint().height())

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self.updateGeometry()

    def _title(self) -> str:
        if self._sweep is not None and self._sweep.has_test:
            return self.tr("macro F1")
        return self.tr("windows that keep their class")

    def _value(self, figures: LiveFigures) -> float | None:
        if self._sweep is not None and self._sweep.has_test:
            return figures.macro_f1
        if figures.changed is None or not figures.windows:
            return None
        return 1.0 - figures.changed

    def _text(self, value: float | None) -> str:
        is_score = self._sweep is not None and self._sweep.has_test
        return number_text(value) if is_score else percents(value)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        text = self.palette().color(QPalette.ColorRole.Text)
        base = self.palette().color(QPalette.ColorRole.Base)
        painter.fillRect(self.rect(), base)
        sweep = self._sweep
        if sweep is None:
            return
        metrics = QFontMetrics(painter.font())
        line = metrics.height()
        lines = [
            (self.tr("as recorded"), self._value(sweep.clean), Qt.PenStyle.DotLine),
            (self.tr("taken away"), self._value(sweep.removed), Qt.PenStyle.DashLine),
            (self.tr("failing"), self._value(sweep.results[-1].corrupted), Qt.PenStyle.NoPen),
        ]
        right = max(metrics.horizontalAdvance(name) for name, _, _ in lines) + 16
        area = QRectF(metrics.horizontalAdvance("100 %") + 14, line + 8, 0, 0)
        area.setRight(self.width() - right)
        area.setBottom(self.height() - 2 * line - 10)
        painter.setPen(text)
        painter.drawText(QPointF(6, line), self._title())

        strengths = sweep.strengths_db
        low, high = strengths[-1], strengths[0]
        span = (high - low) or 1.0

        def x(strength: float) -> float:
            # Noise rises to the right, as what happens to the sensor does.
            return area.left() + 14 + (high - strength) / span * (area.width() - 28)

        def y(value: float) -> float:
            return area.bottom() - value * area.height()

        grid = blend(base, text, 0.15)
        for value in (0.0, 0.5, 1.0):
            painter.setPen(QPen(grid, 1))
            at = round(y(value))
            painter.drawLine(QPointF(area.left(), at), QPointF(area.right(), at))
            painter.setPen(text)
            place = QRectF(0, at - line, area.left() - 6, 2 * line)
            right_side = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(place, right_side, self._text(value))
        for strength in strengths:
            place = QRectF(x(strength) - 60, area.bottom() + 4, 120, line)
            said = self.tr("{strength} dB").format(strength=number_text(strength, 0))
            painter.drawText(place, Qt.AlignmentFlag.AlignHCenter, said)
        place = QRectF(area.left(), area.bottom() + line + 5, area.width(), line)
        painter.drawText(place, Qt.AlignmentFlag.AlignHCenter, self.tr("signal to noise"))
        self._draw_lines(painter, area, lines, y, text, base)
        points = [
            QPointF(x(s), y(value))
            for s, result in zip(strengths, sweep.results, strict=True)
            if (value := self._value(result.corrupted)) is not None
        ]
        colour = readable_on(class_colour(1), base, 3.0)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(colour, 2))
        painter.drawPolyline(points)
        painter.setPen(QPen(base, 1))
        painter.setBrush(colour)
        for point in points:
            painter.drawEllipse(point, 4.5, 4.5)

    def _draw_lines(
        self,
        painter: QPainter,
        area: QRectF,
        lines: Sequence[tuple[str, float | None, Qt.PenStyle]],
        y: object,
        text: QColor,
        base: QColor,
    ) -> None:
        assert callable(y)
        line = QFontMetrics(painter.font()).height()
        taken: list[float] = []
        for name, value, style in lines:
            if value is None:
                continue
            at = round(y(value))
            if style != Qt.PenStyle.NoPen:
                painter.setPen(QPen(blend(base, text, 0.8), 1, style))
                painter.drawLine(QPointF(area.left(), at), QPointF(area.right(), at))
            middle = float(at)
            for other in taken:  # names do not lie on each other
                if abs(middle - other) < line:
                    middle = other + line if middle >= other else other - line
            taken.append(middle)
            painter.setPen(text)
            place = QRectF(area.right() + 6, middle - line, 400, 2 * line)
            painter.drawText(
                place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name
            )
