"""The menu bar and the tool bar, filled from the registry of commands."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QMainWindow, QMenu, QToolBar

from ui.actions import ActionRegistry, plain_text

TOOLS = (
    *("file.new_study", "file.open_study", "file.open_recording", "-", "edit.undo", "edit.redo"),
    *("-", "go.previous", "go.next", "view.zoom_in", "view.zoom_out", "-", "view.channels"),
    *("view.spectrogram", "view.findings", "-", "help.palette", "help.contents"),
)
"""Ids of the commands in the tool bar; `-` is a line between groups."""


class MainMenus(QObject):
    """Makes the menus of a window.

    Attributes
    ----------
    recent: the menu of recent studies; classes: that of the label classes. Their owner fills them.
    """

    def __init__(self, window: QMainWindow, registry: ActionRegistry) -> None:
        super().__init__(window)
        self._registry = registry
        self.recent = QMenu(self.tr("&Recent studies"), window)
        self.classes = QMenu(self.tr("&Give"), window)
        own = {"recent": self.recent, "classes": self.classes}
        for title, ids in self._menus():
            menu = window.menuBar().addMenu(title)
            for id in ids:
                if id == "-":
                    menu.addSeparator()
                elif id in own:
                    menu.addMenu(own[id])
                else:
                    menu.addAction(registry.action(id))
        window.addToolBar(self._tool_bar(window))

    def _menus(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        tr = self.tr
        return (
            (
                tr("&File"),
                (
                    *("file.new_study", "file.open_study", "recent", "file.open_recording"),
                    *("file.open_csv", "file.open_results", "file.recordings_folder", "-"),
                    *("file.export_labels", "file.export_predictions", "file.report"),
                    *("file.export_run", "-", "file.pack", "file.unpack"),
                    *("file.restore", "-", "file.preferences", "file.close_study", "file.quit"),
                ),
            ),
            (tr("&Edit"), ("edit.undo", "edit.redo", "-", "label.clear", "label.deselect")),
            (
                tr("&Label"),
                (
                    *("classes", "-", "label.fill", "label.bad", "label.advance", "-"),
                    *("label.extend", "label.shorten", "label.select_from", "label.select_to", "-"),
                    *("label.event_end_later", "label.event_end_earlier"),
                    *("label.event_start_later", "label.event_start_earlier"),
                ),
            ),
            (
                tr("&Go"),
                (
                    *("go.next", "go.previous", "go.first", "go.last", "-", "go.unlabelled"),
                    *("go.unlabelled_before", "go.disagreement", "go.disagreement_before", "-"),
                    *(
                        "go.next_event",
                        "go.previous_event",
                        "-",
                        "go.next_recording",
                        "go.previous_recording",
                        "view.go_to",
                    ),
                ),
            ),
            (
                tr("&View"),
                (
                    *("view.zoom_in", "view.zoom_out", "view.page", "view.all", "-"),
                    *("view.next_page", "view.previous_page", "-", "view.larger", "view.smaller"),
                    *("view.automatic", "view.lane_above", "view.lane_below", "view.up"),
                    *("view.down", "view.fewer", "view.more", "-", "view.channels"),
                    *("view.spectrogram", "view.whole_strip", "view.clock"),
                    *("-", "view.subsets", "view.shares", "view.map", "-", "page.recording"),
                    *("page.train", "page.evaluation", "page.sensors", "-", "view.findings"),
                    *("view.dock_recordings", "view.dock_labels", "view.dock_windows"),
                    *("view.dock_jobs", "view.full"),
                ),
            ),
            (
                tr("Predicti&ons"),
                (
                    *("predict.accept", "predict.accept_all", "-", "predict.next_unsure"),
                    *("predict.previous_unsure", "predict.next_differs"),
                    *("predict.previous_differs", "predict.next_fragile"),
                    *("predict.previous_fragile", "predict.next_changed"),
                    *("predict.previous_changed", "-", "windows.suggest", "windows.next"),
                    *("windows.previous", "-", "predict.all_on"),
                    *(f"predict.switch_{number}" for number in range(1, 10)),
                    *("-", "predict.score"),
                ),
            ),
            (
                tr("&Study"),
                (
                    *("study.add", "study.remove", "study.subject", "study.moved", "-"),
                    *("study.import_labels", "study.import_all", "study.scheme", "study.settings"),
                    *("-",),
                    *("study.raters", "study.agreement", "study.sign_off", "study.reopen", "-"),
                    *("study.audit", "study.deidentify"),
                ),
            ),
            (
                tr("&Help"),
                ("help.contents", "help.shortcuts", "help.palette", "-", "help.about"),
            ),
        )

    def _tool_bar(self, window: QMainWindow) -> QToolBar:
        bar = QToolBar(self.tr("Tools"), window)
        bar.setObjectName("tools")
        bar.setMovable(False)
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        for id in TOOLS:
            if id == "-":
                bar.addSeparator()
                continue
            action = self._registry.action(id)
            bar.addAction(action)
            button = bar.widgetForAction(action)
            if button is not None:
                button.setAccessibleName(plain_text(action.text()))
        return bar
