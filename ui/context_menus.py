"""Menus on what lies under the mouse: an event, an epoch, a stretch of the traces, a recording."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject, QPoint, Qt
from PySide6.QtWidgets import QMenu, QWidget

from core.label_scheme import BAD_SIGNAL
from core.study_labels import NS
from ui.actions import ActionRegistry
from ui.session import Session


class ContextMenus(QObject):
    """Shows a menu where it is asked for; what is chosen goes to the labelling."""

    def __init__(self, session: Session, registry: ActionRegistry, window: QWidget) -> None:
        super().__init__(window)
        self._session = session
        self._registry = registry
        self._window = window

    def for_event(self, event_id: object, place: QPoint) -> None:
        """Another class for an event, or none."""
        labelling = self._session.labelling
        event = labelling.labels.find(int(event_id)) if isinstance(event_id, int) else None
        scheme = labelling.scheme
        if event is None or scheme is None:
            return
        labelling.select_event(event.id)
        menu = self._menu()
        if event.kind == "event":
            for entry in scheme.events:
                action = menu.addAction(entry.name)
                action.setCheckable(True)
                action.setChecked(entry.name == event.class_name)
                action.triggered.connect(partial(labelling.rename_event, event.id, entry.name))
            menu.addSeparator()
        remove = menu.addAction(self.tr("Remove"))
        remove.triggered.connect(partial(labelling.remove_event, event.id))
        menu.setEnabled(not labelling.why_locked)
        menu.popup(place)

    def for_epoch(self, epoch: int, place: QPoint) -> None:
        """A class for an epoch, or for the selected ones."""
        labelling = self._session.labelling
        if labelling.scheme is None:
            return
        if labelling.selection is None:
            labelling.go_to(epoch)
        menu = self._menu()
        for entry in labelling.scheme.states:
            menu.addAction(entry.name).triggered.connect(partial(labelling.give, entry.name))
        menu.addSeparator()
        menu.addAction(self._registry.action("label.clear"))
        menu.addAction(self._registry.action("label.fill"))
        menu.popup(place)

    def for_window(self, place: QPoint) -> None:
        """Accept or correct the prediction at the cursor."""
        labelling = self._session.labelling
        if labelling.scheme is None:
            return
        menu = self._menu()
        menu.addAction(self._registry.action("predict.accept"))
        menu.addSeparator()
        for entry in labelling.scheme.states:
            menu.addAction(entry.name).triggered.connect(partial(labelling.give, entry.name))
        menu.addSeparator()
        menu.addAction(self._registry.action("label.clear"))
        menu.popup(place)

    def for_stretch(self, time_s: float, modality: str, place: QPoint) -> None:
        """Labels, events, bad signal and marks for the selection, or for the place."""
        labelling = self._session.labelling
        scheme = labelling.scheme
        if scheme is None:
            return
        selection = labelling.selection
        if selection is None or not selection.start_ns <= time_s * NS <= selection.end_ns:
            labelling.select(None)
            labelling.go_to_time(time_s)
        menu = self._menu()
        states = menu.addMenu(self.tr("Label"))
        for entry in scheme.states:
            states.addAction(entry.name).triggered.connect(partial(labelling.give, entry.name))
        for entry in scheme.events:
            if entry.name == BAD_SIGNAL:
                continue
            menu.addAction(entry.name).triggered.connect(partial(labelling.give, entry.name))
        menu.addSeparator()
        if modality and scheme.find(BAD_SIGNAL) is not None:
            text = self.tr("Bad signal in {modality}").format(modality=modality)
            menu.addAction(text).triggered.connect(
                partial(labelling.add_event, BAD_SIGNAL, modality)
            )
        if scheme.find(BAD_SIGNAL) is not None:
            menu.addAction(self.tr("Bad signal in every channel")).triggered.connect(
                partial(labelling.add_event, BAD_SIGNAL, "")
            )
        for entry in scheme.marks:
            text = self.tr("{mark} here").format(mark=entry.name)
            menu.addAction(text).triggered.connect(partial(labelling.give, entry.name))
        menu.popup(place)

    def for_recording(self, recording_id: int, place: QPoint) -> None:
        """What can be done with a recording, which is shown first."""
        menu = self._menu()
        self._session.choose(recording_id)
        for id in (
            *("study.import_labels", "file.export_labels", "-", "study.sign_off", "study.reopen"),
            *("-", "study.subject", "study.moved", "study.deidentify", "-", "study.remove"),
        ):
            if id == "-":
                menu.addSeparator()
            else:
                menu.addAction(self._registry.action(id))
        menu.popup(place)

    def _menu(self) -> QMenu:
        menu = QMenu(self._window)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return menu
