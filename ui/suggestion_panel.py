"""The panel of listed windows, and below it the curve that grows as they are labelled."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QDockWidget,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from core.growth import GrowthPoint
from ui.budget_plot import BudgetLine, BudgetPlot
from ui.dialog_parts import Paragraph
from ui.figure_plot import LineStyle
from ui.made_later import MadeLater
from ui.window_list import WindowList


class SuggestionPanel(QWidget):
    """The list, with what asks for more of it."""

    more_wanted = Signal()
    growth_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.windows = WindowList()
        self.says = Paragraph()
        self.says.setAccessibleName(self.tr("What is going on"))
        self.more = QPushButton(self.tr("Label 10 &more"))
        self.more.setToolTip(self.tr("List windows that teach most (Ctrl+Shift+N)"))
        self.measure = QPushButton(self.tr("Ho&w good now?"))
        self.measure.setToolTip(
            self.tr("Train heads on the labels so far, and test them on people they have not seen")
        )
        self._plot = MadeLater(BudgetPlot)
        self._plot.when_made(self._add_plot)
        self._points: list[GrowthPoint] = []
        for button in (self.more, self.measure):
            button.setAutoDefault(False)
            button.setAccessibleName(button.text().replace("&", ""))
        self.more.clicked.connect(self.more_wanted)
        self.measure.clicked.connect(self.growth_wanted)
        buttons = QHBoxLayout()
        buttons.addWidget(self.more)
        buttons.addWidget(self.measure)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.windows, 1)
        layout.addWidget(self.says)
        layout.addLayout(buttons)

    def _add_plot(self, plot: BudgetPlot) -> None:
        plot.setAccessibleName(self.tr("Macro F1 by number of labels, as they grow"))
        # As wide as the dock is: it asks for 600 pixels, which would be taken from the traces.
        plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        layout = self.layout()
        assert layout is not None
        layout.addWidget(plot)

    @property
    def plot(self) -> BudgetPlot:
        """The curve, once there is a point of it."""
        return self._plot()

    @property
    def points(self) -> tuple[GrowthPoint, ...]:
        """The curve so far."""
        return tuple(self._points)

    def show_list(self) -> None:
        """Bring the panel to the front of its dock."""
        dock = self.parentWidget()
        if isinstance(dock, QDockWidget):
            dock.show()
            dock.raise_()

    def set_busy(self, text: str) -> None:
        """Say what is going on; empty when it has ended."""
        self.says.say(text)
        self.more.setEnabled(not text)
        self.measure.setEnabled(not text)

    def add_growth(self, point: GrowthPoint) -> None:
        """Add a point to the curve; one with as many labels takes the place of the one before."""
        if self._points and self._points[-1].labels == point.labels:
            self._points.pop()
        self._points.append(point)
        figure = f"{point.macro_f1:.3f}" if point.macro_f1 is not None else "–"
        self.says.say(
            self.tr("Macro F1 {f1} with {n} labels, tested on {people} people.").format(
                f1=figure, n=round(point.labels), people=point.people
            )
            + "".join(f" {note}" for note in point.notes)
        )
        self._draw()

    def say_no_growth(self, reason: str) -> None:
        """Say why the curve has no further point."""
        self.says.say(reason)

    def clear_growth(self) -> None:
        """Begin a new curve."""
        self._points = []
        self.says.say("")
        self._draw()

    def _draw(self) -> None:
        rows = tuple(point.to_row() for point in self._points)
        if not rows and not self._plot.is_made:
            return
        self.plot.setVisible(bool(rows))
        self.plot.set_lines(
            [BudgetLine(self.tr("so far"), LineStyle(0, strong=True), rows)] if rows else []
        )
