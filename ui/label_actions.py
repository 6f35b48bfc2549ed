"""The commands of labelling, and the keys of the classes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget

from core.label_scheme import BAD_SIGNAL
from ui.actions import ActionRegistry
from ui.labelling import Labelling
from ui.recording_page import RecordingPage

_EPOCHS_ONLY = (
    *("go.unlabelled", "go.unlabelled_before", "go.disagreement", "go.disagreement_before"),
    *("go.next_event", "go.previous_event"),
)
NUDGE_SHARE = 100
"""The time cursor moves by the page divided by this."""


class LabelActions(QObject):
    """Adds the commands to the registry; `watch` makes class keys work in a widget."""

    def __init__(
        self,
        registry: ActionRegistry,
        labelling: Labelling,
        page: RecordingPage,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._registry = registry
        self._labelling = labelling
        self._page = page
        self._page_length_s = 30.0
        self._watched: list[QWidget] = []
        self._shortcuts: list[QShortcut] = []
        self._add_commands()
        labelling.opened.connect(self._renew)
        labelling.labels_changed.connect(self._show_state)
        self._renew()

    def watch(self, widget: QWidget) -> None:
        """The keys of the classes work while the focus is in this widget."""
        self._watched.append(widget)
        self._renew()

    def set_page_length(self, seconds: float) -> None:
        """How long a page is now: fine steps of the time cursor are a part of it."""
        self._page_length_s = seconds

    # -- commands

    def _add_commands(self) -> None:
        label, edit, go = self.tr("Label"), self.tr("Edit"), self.tr("Go")
        here, labelling = self._page, self._labelling

        def on_page(
            id: str, text: str, keys: list[str], slot: object, group: str, icon: str | None = None
        ) -> None:
            # Only while the page has the focus: lists and tables need the arrow keys themselves.
            self._registry.add(
                id, text, keys, slot, group=group, icon=icon, widget=here,
                context=Qt.ShortcutContext.WidgetWithChildrenShortcut,
            )  # fmt: skip

        add = self._registry.add
        add(
            "edit.undo", self.tr("&Undo"), QKeySequence.StandardKey.Undo, labelling.undo,
            group=edit, icon="undo",
        )  # fmt: skip
        add(
            "edit.redo", self.tr("&Redo"), ["Ctrl+Shift+Z", "Ctrl+Y"], labelling.redo,
            group=edit, icon="redo",
        )  # fmt: skip
        on_page(
            "label.clear", self.tr("&Clear label"), ["Del", "Backspace"], labelling.clear, label
        )
        on_page("label.fill", self.tr("&Fill to the next label"), ["Ctrl+F"],
                labelling.fill_to_next, label)  # fmt: skip
        on_page("label.bad", self.tr("&Bad signal on the selection"), ["Ctrl+B"],
                self.mark_bad_signal, label)  # fmt: skip
        on_page("label.select_from", self.tr("Selection &starts at the time cursor"), ["["],
                labelling.select_from_cursor, label)  # fmt: skip
        on_page("label.select_to", self.tr("Selection &ends at the time cursor"), ["]"],
                labelling.select_to_cursor, label)  # fmt: skip
        on_page("label.extend", self.tr("Select one epoch more"), ["Shift+Right"],
                self.extend, label)  # fmt: skip
        on_page("label.shorten", self.tr("Select one epoch less"), ["Shift+Left"],
                self.shorten, label)  # fmt: skip
        on_page("label.deselect", self.tr("Select nothing"), ["Esc"], self.deselect, label)
        on_page("label.event_end_later", self.tr("Time cursor, or end of the event, later"),
                ["Alt+Right"], self.later, label)  # fmt: skip
        on_page("label.event_end_earlier", self.tr("Time cursor, or end of the event, earlier"),
                ["Alt+Left"], self.earlier, label)  # fmt: skip
        on_page("label.event_start_later", self.tr("Start of the event later"),
                ["Ctrl+Alt+Right"], self.start_later, label)  # fmt: skip
        on_page("label.event_start_earlier", self.tr("Start of the event earlier"),
                ["Ctrl+Alt+Left"], self.start_earlier, label)  # fmt: skip
        self.advance = add(
            "label.advance", self.tr("Go on after a label"), "Ctrl+Shift+A", self.set_auto_advance,
            group=label, checkable=True,
        )  # fmt: skip
        self.advance.setChecked(labelling.auto_advance)
        on_page("go.next", self.tr("&Next epoch"), ["Right"], self.next_epoch, go, "next")
        on_page("go.previous", self.tr("&Previous epoch"), ["Left"], self.previous_epoch, go,
                "previous")  # fmt: skip
        on_page("go.first", self.tr("First epoch"), ["Home"], self.first_epoch, go)
        on_page("go.last", self.tr("Last epoch"), ["End"], self.last_epoch, go)
        add("go.unlabelled", self.tr("Next &unlabelled epoch"), "Ctrl+Right",
            self.next_unlabelled, group=go)  # fmt: skip
        add("go.unlabelled_before", self.tr("Unlabelled epoch before"), "Ctrl+Left",
            self.previous_unlabelled, group=go)  # fmt: skip
        add("go.disagreement", self.tr("Next &disagreement"), "Ctrl+D",
            self.next_disagreement, group=go)  # fmt: skip
        add("go.disagreement_before", self.tr("Disagreement before"), "Ctrl+Shift+D",
            self.previous_disagreement, group=go)  # fmt: skip
        add("go.next_event", self.tr("Next &event"), "Ctrl+.", self.next_event, group=go)
        add("go.previous_event", self.tr("Event before"), "Ctrl+,", self.previous_event, group=go)

    def next_epoch(self) -> None:
        self._go(partial(self._labelling.step, 1), self._page.view.next_page)

    def previous_epoch(self) -> None:
        self._go(partial(self._labelling.step, -1), self._page.view.previous_page)

    def first_epoch(self) -> None:
        self._go(partial(self._labelling.go_to, 0), self._page.view.to_start)

    def last_epoch(self) -> None:
        self._go(self._labelling.go_to_end, self._page.view.to_end)

    def _go(self, to_epoch: Callable[[], None], to_page: Callable[[], None]) -> None:
        """A recording that is only looked at has no epochs: pages take their place."""
        if self._labelling.scheme is not None:
            to_epoch()
        else:
            to_page()

    def next_unlabelled(self) -> None:
        self._labelling.next_unlabelled(1)

    def previous_unlabelled(self) -> None:
        self._labelling.next_unlabelled(-1)

    def next_disagreement(self) -> None:
        self._labelling.next_disagreement(1)

    def previous_disagreement(self) -> None:
        self._labelling.next_disagreement(-1)

    def next_event(self) -> None:
        self._labelling.step_event(1)

    def previous_event(self) -> None:
        self._labelling.step_event(-1)

    def extend(self) -> None:
        self._labelling.extend_selection(1)

    def shorten(self) -> None:
        self._labelling.extend_selection(-1)

    def deselect(self) -> None:
        self._labelling.select(None)
        self._labelling.select_event(0)

    def mark_bad_signal(self) -> None:
        self._labelling.give(BAD_SIGNAL)

    def set_auto_advance(self, on: bool) -> None:
        self._labelling.auto_advance = on

    def later(self) -> None:
        self._nudge(0.0, 1.0)

    def earlier(self) -> None:
        self._nudge(0.0, -1.0)

    def start_later(self) -> None:
        self._nudge(1.0, 0.0)

    def start_earlier(self) -> None:
        self._nudge(-1.0, 0.0)

    def _nudge(self, start: float, end: float) -> None:
        step = self._page_length_s / NUDGE_SHARE
        moved = self._labelling.nudge_event(start * step, end * step)
        if not moved and end:
            self._labelling.move_time(end * step)

    # -- class keys

    def _renew(self) -> None:
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._shortcuts = []
        scheme = self._labelling.scheme
        for entry in scheme.classes if scheme is not None else ():
            for key in entry.keys:
                for widget in self._watched:
                    shortcut = QShortcut(QKeySequence(key), widget)
                    shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
                    # A key that is held down would label the night in a second.
                    shortcut.setAutoRepeat(False)
                    shortcut.setObjectName(entry.name)
                    shortcut.activated.connect(self._on_key)
                    self._shortcuts.append(shortcut)
        self._show_state()

    def _on_key(self) -> None:
        self._labelling.give(self.sender().objectName())

    def _show_state(self) -> None:
        labelling, stack = self._labelling, self._labelling.undo_stack
        open_ = labelling.journal is not None
        free = not labelling.why_locked
        action = self._registry.action
        action("edit.undo").setEnabled(free and stack.canUndo())
        action("edit.redo").setEnabled(free and stack.canRedo())
        undo, redo = stack.undoText(), stack.redoText()
        self._registry.set_text(
            "edit.undo",
            self.tr("&Undo"),
            self.tr("Undo: {what}").format(what=undo) if undo else None,
        )
        self._registry.set_text(
            "edit.redo",
            self.tr("&Redo"),
            self.tr("Redo: {what}").format(what=redo) if redo else None,
        )
        for command in self._registry.actions():
            if command.id.startswith("label.") and command.id != "label.advance":
                command.action.setEnabled(free)
            elif command.id in _EPOCHS_ONLY:
                command.action.setEnabled(open_)
