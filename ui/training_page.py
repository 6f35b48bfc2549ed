"""The Train page: setting up a run, watching it learn, and the runs there are."""

from __future__ import annotations

from PySide6.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from ui.live_curves import LiveCurves
from ui.made_later import MadeLater
from ui.runs_table import RunsTable
from ui.train_setup import TrainSetup


class TrainingPage(QWidget):
    """Lays the parts out; `TrainingCommands` fills them and does what they ask for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setup = TrainSetup()
        self.runs = RunsTable()
        self._curves_place = QWidget()
        place = QVBoxLayout(self._curves_place)
        place.setContentsMargins(0, 0, 0, 0)
        self._curves = MadeLater(LiveCurves)
        self._curves.when_made(place.addWidget)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName(self.tr("New run, curves and runs"))
        for part, title in (
            (self.setup, self.tr("&New run")),
            (self._curves_place, self.tr("C&urves")),
            (self.runs, self.tr("&Runs")),
        ):
            self.tabs.addTab(part, title)
        self.tabs.currentChanged.connect(self._on_tab)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tabs)

    @property
    def curves(self) -> LiveCurves:
        """The curves; six plots, which are made when they are needed first."""
        return self._curves()

    def _on_tab(self, place: int) -> None:
        if self.tabs.widget(place) is self._curves_place:
            self._curves()

    def clear_curves(self) -> None:
        """Show no curves, as before the first run."""
        if self._curves.is_made:
            self._curves().clear()

    def show_setup(self) -> None:
        """Bring the setup to the front."""
        self.tabs.setCurrentWidget(self.setup)

    def show_curves(self) -> None:
        """Bring the curves to the front."""
        self.tabs.setCurrentWidget(self._curves_place)

    def show_runs(self) -> None:
        """Bring the runs to the front."""
        self.tabs.setCurrentWidget(self.runs)

    def show_part(self, part: QWidget) -> None:
        """Bring the setup, the curves or the runs to the front."""
        is_curves = self._curves.is_made and part is self._curves()
        self.tabs.setCurrentWidget(self._curves_place if is_curves else part)

    def shut_down(self) -> None:
        """End background work; returns when it has ended."""
        self.setup.shut_down()
