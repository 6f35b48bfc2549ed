"""What each sensor adds to the predictions: mean Shapley values as bars, overall or per class."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from core.subset_figures import SubsetFigures
from ui.appearance import readable_on
from ui.subset_table import blend, number_text
from ui.time_plot import class_colour
from ui.wizard_page import describe

WIDEST_NAME = 11
"""Lines of text whose height a name takes at most."""


class ShapleyBars(QWidget):
    """Bars of all windows, or of those that are called one class."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._figures: SubsetFigures | None = None
        self.classes = QComboBox()
        describe(
            self.classes,
            self.tr("Windows called"),
            self.tr("Whether the bars are of all windows, or of those that are called one class"),
        )
        self.classes.currentIndexChanged.connect(self._show)
        says = QLabel(self.tr("windows called"))
        says.setBuddy(self.classes)
        top = QHBoxLayout()
        top.addWidget(says)
        top.addWidget(self.classes, 1)
        self.bars = _Bars()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self.bars)
        column.addStretch(0)

    def set_figures(self, figures: SubsetFigures | None) -> None:
        """Show the shares of these figures; the chosen class stays where it still is one."""
        before = self.classes.currentText()
        self._figures = figures
        self.classes.blockSignals(True)
        self.classes.clear()
        self.classes.addItem(self.tr("anything"))
        if figures is not None:
            self.classes.addItems(list(figures.classes))
        self.classes.setCurrentIndex(max(0, self.classes.findText(before)))
        self.classes.blockSignals(False)
        self._show()

    @property
    def values(self) -> dict[str, float]:
        """What the bars show, by modality; NaN where undefined."""
        return dict(zip(self.bars.names, self.bars.values.tolist(), strict=True))

    def _show(self) -> None:
        figures = self._figures
        if figures is None:
            self.bars.set_bars((), np.empty(0))
            return
        place = self.classes.currentIndex() - 1
        values = figures.shapley if place < 0 else figures.shapley_by_class[place]
        self.bars.set_bars(figures.modalities, values)


class _Bars(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.names: tuple[str, ...] = ()
        self.values = np.empty(0)
        self.setAccessibleName(self.tr("Shapley shares"))
        self.setToolTip(
            self.tr(
                "How much a sensor lifts the probability of the predicted class above the share "
                "of that class in training, on average"
            )
        )
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_bars(self, names: tuple[str, ...], values: np.ndarray) -> None:
        self.names, self.values = names, values
        said = [f"{name} {number_text(float(v))}" for name, v in zip(names, values, strict=True)]
        self.setAccessibleDescription(", ".join(said))
        self.updateGeometry()
        self.update()

    def _row_px(self) -> int:
        return self.fontMetrics().height() + 8

    def sizeHint(self) -> QSize:
        return QSize(420, max(1, len(self.names)) * self._row_px() + 4)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, self.sizeHint().height())

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self.updateGeometry()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        text = self.palette().color(QPalette.ColorRole.Text)
        base = self.palette().color(QPalette.ColorRole.Base)
        painter.fillRect(self.rect(), base)
        finite = self.values[np.isfinite(self.values)]
        if not len(self.names):
            return
        if not len(finite):
            painter.setPen(blend(base, text, 0.6))
            said = self.tr("There is no such window.")
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, said)
            return
        metrics = QFontMetrics(painter.font())
        # A little more than measured: else one of them may lose its end to rounding.
        names = max(metrics.horizontalAdvance(name) for name in self.names) + 2
        names = min(names, WIDEST_NAME * metrics.height(), self.width() // 2)
        values = metrics.horizontalAdvance("−0.00") + 8
        low, high = min(0.0, float(finite.min())), max(0.05, float(finite.max()))
        area = QRectF(names + 18, 0, self.width() - names - values - 30, self.height())

        def x(value: float) -> float:
            return area.left() + (value - low) / (high - low) * area.width()

        middle = Qt.AlignmentFlag.AlignVCenter
        row_px = self._row_px()
        for row, name in enumerate(self.names):
            top = 2 + row * row_px
            painter.setPen(text)
            short = metrics.elidedText(name, Qt.TextElideMode.ElideRight, names)
            place = QRectF(6, top, names, row_px)
            painter.drawText(place, middle | Qt.AlignmentFlag.AlignLeft, short)
            value = float(self.values[row])
            place = QRectF(self.width() - values - 6, top, values, row_px)
            painter.drawText(place, middle | Qt.AlignmentFlag.AlignRight, number_text(value))
            if value == value:
                left, right = sorted((x(0.0), x(value)))
                bar = QRectF(round(left), top + 4, max(1.0, right - left), row_px - 8)
                painter.fillRect(bar, readable_on(class_colour(row), base, 2.0))
        painter.setPen(QPen(blend(base, text, 0.5), 1))
        zero = round(x(0.0))
        painter.drawLine(QPointF(zero, 2), QPointF(zero, self.height() - 3))
