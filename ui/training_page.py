"""The Train page: setting up a run, watching it learn, and the runs there are."""

from __future__ import annotations

from PySide6.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from ui.live_curves import LiveCurves
from ui.runs_table import RunsTable
from ui.train_setup import TrainSetup


class TrainingPage(QWidget):
    """Lays the parts out; `TrainingCommands` fills them and does what they ask for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setup = TrainSetup()
        self.curves = LiveCurves()
        self.runs = RunsTable()
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName(self.tr("New run, curves and runs"))
        for part, title in (
            (self.setup, self.tr("New run")),
            (self.curves, self.tr("Curves")),
            (self.runs, self.tr("Runs")),
        ):
            self.tabs.addTab(part, title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tabs)

    def show_part(self, part: QWidget) -> None:
        """Bring the setup, the curves or the runs to the front."""
        self.tabs.setCurrentWidget(part)

    def shut_down(self) -> None:
        """End background work; returns when it has ended."""
        self.setup.shut_down()
