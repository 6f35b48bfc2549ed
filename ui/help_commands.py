"""Commands that explain: help, keys, finding a command, about."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from ui.about_dialog import AboutDialog
from ui.actions import ActionRegistry
from ui.command_palette import CommandPalette
from ui.commands import Commands
from ui.help_window import HelpWindow
from ui.preferences import PreferenceStore
from ui.session import Session
from ui.shortcuts_window import ClassKeys, Gesture, ShortcutsWindow


class HelpCommands(Commands):
    """Opens the windows that explain the program."""

    def __init__(
        self,
        session: Session,
        registry: ActionRegistry,
        preferences: PreferenceStore,
        window: QWidget,
    ) -> None:
        super().__init__(session, registry, preferences, window)
        self._help: HelpWindow | None = None

    def add_commands(self) -> None:
        """Put the commands into the registry."""
        add, tr, group = self._registry.add, self.tr, self.tr("Help")
        add("help.contents", tr("&Help"), "F1", self.show_help, group=group, icon="help")
        add("help.shortcuts", tr("&Keys and mouse"), "Ctrl+/", self.show_shortcuts, group=group)
        add("help.palette", tr("&Find a command…"), "Ctrl+K", self.show_palette, group=group,
            icon="search")  # fmt: skip
        about = add("help.about", tr("&About crossl-app"), [], self.show_about, group=group)
        about.setMenuRole(QAction.MenuRole.AboutRole)

    def show_help(self) -> None:
        """Open the help, or bring it to the front."""
        if self._help is None:
            self._help = HelpWindow(self._window)
            self._help.destroyed.connect(self._forget_help)
        self._help.show()
        self._help.raise_()
        self._help.activateWindow()

    def _forget_help(self) -> None:
        self._help = None

    def show_shortcuts(self) -> None:
        """List all keys."""
        scheme = self._session.labelling.scheme
        classes = [
            ClassKeys(entry.name, entry.keys, entry.colour)
            for entry in (scheme.classes if scheme is not None else ())
            if entry.keys
        ]
        tr = self.tr
        gestures = [
            Gesture(tr("Zoom"), tr("Wheel over traces or overview")),
            Gesture(tr("Move along time"), tr("Shift+wheel, or middle button and drag")),
            Gesture(
                tr("Zoom to a stretch"), tr("Ctrl+drag over the traces, drag over the overview")
            ),
            Gesture(tr("Select a stretch, for events and bad signal"), tr("Drag over the traces")),
            Gesture(tr("Select epochs"), tr("Drag over the label strip")),
            Gesture(tr("Paint epochs"), tr("Ctrl+drag over the label strip, or with a brush")),
            Gesture(tr("Move an edge of an event"), tr("Drag it; with Shift, epoch by epoch")),
            Gesture(tr("Move an event"), tr("Alt+drag")),
            Gesture(tr("What can be done here"), tr("Right click")),
        ]
        ShortcutsWindow(self._registry, classes, gestures, self._window).show()

    def show_palette(self) -> None:
        """Let the user find a command by typing."""
        palette = CommandPalette(self._registry, self._window)
        palette.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        palette.set_recent(self._preferences.value.recent_commands)
        palette.ran.connect(self._preferences.note_command)
        palette.open()

    def show_about(self) -> None:
        """What the program is, which build, and the licences of its parts."""
        AboutDialog(self._window).open()
