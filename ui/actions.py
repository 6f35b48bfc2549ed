"""Where every command of the window is made: its text, keys, group, icon and what it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QKeyCombination, QObject, Qt
from PySide6.QtGui import QAction, QIcon, QKeySequence
from PySide6.QtWidgets import QWidget

from ui.icons import keep_icon

Keys = str | QKeySequence.StandardKey | Sequence[str] | None
"""One key (`"Ctrl+K"`), several of which the first is shown, or a standard key of the platform."""

_TYPING = frozenset(
    {
        Qt.Key.Key_Space,
        Qt.Key.Key_Return,
        Qt.Key.Key_Enter,
        Qt.Key.Key_Tab,
        Qt.Key.Key_Backtab,
    }
)
# Backspace is not among them: fields keep it for themselves, and on keyboards of Macs it is the
# only key that deletes.
_MEANS_COMMAND = (
    Qt.KeyboardModifier.ControlModifier
    | Qt.KeyboardModifier.AltModifier
    | Qt.KeyboardModifier.MetaModifier
)
_FUNCTION_KEYS = frozenset(Qt.Key(Qt.Key.Key_F1.value + k) for k in range(12))
_OF_A_WIDGET = (
    Qt.ShortcutContext.WidgetShortcut,
    Qt.ShortcutContext.WidgetWithChildrenShortcut,
)


@dataclass(frozen=True)
class Command:
    """An action with its place among the others.

    Attributes
    ----------
    id: short name that never changes, such as `label.clear`.
    group: the heading it stands under, in the user's language.
    """

    id: str
    action: QAction
    group: str

    @property
    def text(self) -> str:
        """The text without the mark of its menu key."""
        return plain_text(self.action.text())

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of its keys as the platform writes them."""
        return tuple(
            keys.toString(QKeySequence.SequenceFormat.NativeText)
            for keys in self.action.shortcuts()
        )


class ActionRegistry(QObject):
    """All commands in the order in which they were added.

    Menus, command palette and shortcuts page are filled from here. With a window as parent, each
    action belongs to that window, so that its key works although no menu shows it.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._commands: dict[str, Command] = {}
        self._widgets: dict[str, QWidget | None] = {}
        self._tips: dict[str, str | None] = {}

    def add(
        self,
        id: str,
        text: str,
        keys: Keys,
        slot: Callable[..., Any] | None,
        *,
        group: str,
        icon: str | QIcon | None = None,
        tooltip: str | None = None,
        context: Qt.ShortcutContext = Qt.ShortcutContext.WindowShortcut,
        widget: QWidget | None = None,
        checkable: bool = False,
        enabled: bool = True,
    ) -> QAction:
        """Make a command.

        `slot` is called when it is triggered; with `checkable` it may take whether the action is
        on. `icon` is a name of `ui.icons`. `tooltip` takes the text's place in the tooltip, which
        names the key in any case. `widget` is where a key of widget context works, and is needed
        for one.

        Raises ValueError for what would be a mistake of the program: an id or a key that is taken
        where both could be meant, a key that belongs to the classes of labels (letters and digits
        without Ctrl or Alt) or to typing.
        """
        if (context in _OF_A_WIDGET) != (widget is not None):
            raise ValueError(f"action '{id}': a widget goes with keys of widget context, only")
        action = QAction(text, self)
        action.setShortcuts(_sequences(id, keys))
        action.setShortcutContext(context)
        action.setCheckable(checkable)
        action.setEnabled(enabled)
        if isinstance(icon, QIcon):
            action.setIcon(icon)
        if slot is not None:
            action.triggered.connect(slot)
        return self.adopt(
            id, action, group=group, icon=icon if isinstance(icon, str) else None,
            tooltip=tooltip, widget=widget,
        )  # fmt: skip

    def adopt(
        self,
        id: str,
        action: QAction,
        *,
        group: str,
        icon: str | None = None,
        tooltip: str | None = None,
        widget: QWidget | None = None,
    ) -> QAction:
        """Take over an action that a view has made, with its keys. They then work in `widget`,
        or in the window. Raises ValueError as `add` does."""
        if id in self._commands:
            raise ValueError(f"there is an action '{id}' already")
        for sequence in action.shortcuts():
            _refuse_typing(id, sequence)
        self._refuse_taken(id, action.shortcuts(), action.shortcutContext(), widget)
        action.setObjectName(id)
        if icon is not None:
            keep_icon(action, icon)
        maker = action.parent()
        if isinstance(maker, QWidget):
            maker.removeAction(action)
        owner = widget if widget is not None else self.parent()
        if isinstance(owner, QWidget):
            owner.addAction(action)
        self._commands[id] = Command(id, action, group)
        self._widgets[id] = widget
        self._tips[id] = tooltip
        self._show_tip(id)
        action.changed.connect(self._on_changed)
        return action

    def set_text(self, id: str, text: str, tooltip: str | None = None) -> None:
        """Rename a command ("Undo label N2"), with its tooltip."""
        self._tips[id] = tooltip
        self._commands[id].action.setText(text)
        self._show_tip(id)

    def action(self, id: str) -> QAction:
        """The action of that id. Raises KeyError."""
        return self._commands[id].action

    def command(self, id: str) -> Command:
        """The command of that id. Raises KeyError."""
        return self._commands[id]

    def actions(self) -> tuple[Command, ...]:
        """All commands, in the order in which they were added."""
        return tuple(self._commands.values())

    def groups(self) -> tuple[str, ...]:
        """Headings, in the order in which they came up."""
        return tuple(dict.fromkeys(command.group for command in self._commands.values()))

    def in_group(self, group: str) -> tuple[Command, ...]:
        """The commands under a heading."""
        return tuple(command for command in self._commands.values() if command.group == group)

    def _on_changed(self) -> None:
        """Another text or key: the tooltip follows."""
        action = self.sender()
        if isinstance(action, QAction) and action.objectName() in self._commands:
            self._show_tip(action.objectName())

    def _show_tip(self, id: str) -> None:
        command = self._commands[id]
        says = self._tips[id] or command.text.rstrip("…")
        keys = command.keys
        command.action.setToolTip(
            self.tr("{says} ({key})").format(says=says, key=keys[0]) if keys else says
        )

    def _refuse_taken(
        self,
        id: str,
        sequences: Sequence[QKeySequence],
        context: Qt.ShortcutContext,
        widget: QWidget | None,
    ) -> None:
        for other in self._commands.values():
            if not _overlap(
                context, widget, other.action.shortcutContext(), self._widgets[other.id]
            ):
                continue
            for theirs in other.action.shortcuts():
                for ours in sequences:
                    if _clash(ours, theirs):
                        raise ValueError(
                            f"action '{id}': the key {ours.toString()} is taken by '{other.id}'"
                        )


def plain_text(text: str) -> str:
    """A menu text without the mark of its menu key."""
    return text.replace("&&", "\0").replace("&", "").replace("\0", "&")


def _sequences(id: str, keys: Keys) -> list[QKeySequence]:
    if keys is None:
        return []
    if isinstance(keys, QKeySequence.StandardKey):
        # Some platforms have no key for it; then the command has none. Keys such as "Open", which
        # few keyboards have, would only puzzle on the page of keys.
        bindings = QKeySequence.keyBindings(keys)
        return [k for k in bindings if k[0].keyboardModifiers() or k[0].key() in _FUNCTION_KEYS]
    made = []
    for text in (keys,) if isinstance(keys, str) else keys:
        sequence = QKeySequence(text)
        if sequence.isEmpty() or sequence[0].key() == Qt.Key.Key_unknown:
            raise ValueError(f"action '{id}': '{text}' is no key")
        made.append(sequence)
    return made


def _refuse_typing(id: str, sequence: QKeySequence) -> None:
    first: QKeyCombination = sequence[0]
    if first.keyboardModifiers() & _MEANS_COMMAND:
        return
    key = first.key()
    code = key.value
    sign = chr(code) if code < 0x110000 else ""
    if key in _TYPING:
        raise ValueError(f"action '{id}': {sequence.toString()} belongs to typing and buttons")
    if sign.isalnum():
        raise ValueError(f"action '{id}': the key {sequence.toString()} belongs to the labels")


def _overlap(
    one: Qt.ShortcutContext,
    one_widget: QWidget | None,
    other: Qt.ShortcutContext,
    other_widget: QWidget | None,
) -> bool:
    """Whether both could be meant where one widget has the focus."""
    if one_widget is None or other_widget is None:
        # A key of the window works in all its widgets.
        return True
    if one_widget is other_widget:
        return True
    with_children = Qt.ShortcutContext.WidgetWithChildrenShortcut
    return (one == with_children and one_widget.isAncestorOf(other_widget)) or (
        other == with_children and other_widget.isAncestorOf(one_widget)
    )


def _clash(one: QKeySequence, other: QKeySequence) -> bool:
    """Whether the keys are the same, or one begins the other."""
    none = QKeySequence.SequenceMatch.NoMatch
    return one.matches(other) != none or other.matches(one) != none
