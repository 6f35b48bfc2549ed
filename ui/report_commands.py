from PySide6.QtCore import *

from ui.commands import Commands


class ReportCommands(Commands):
    def __init__(self, session, predicting, queue, registry, preferences, window):
        super().__init__(session, registry, preferences, window)

    def add_commands(self):
        for id in ("file.export_predictions", "file.report", "predict.score"):
            self._registry.add(id, id, [], self.show_state, group="x")

    def report_of(self, name):
        pass

    def show_state(self):
        pass

    def shut_down(self):
        pass
