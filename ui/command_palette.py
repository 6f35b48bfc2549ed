"""Every command by its name: type a few letters, press Enter."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, QPoint, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QKeyEvent, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ui.actions import ActionRegistry, Command

WIDTH = 640
ROWS = 12
ICON = 16
MOST_RECENT = 10
_ID = Qt.ItemDataRole.UserRole


@dataclass(frozen=True, order=True)
class Rank:
    """How well a text fits what was typed; less is better.

    Attributes
    ----------
    kind: 0 it begins so, 1 a word in it begins so, 2 initials of its words, 3 somewhere inside,
        4 its letters in that order.
    spread: letters between the first and the last that fits, beyond those typed.
    length: letters of the text.
    """

    kind: int
    spread: int
    length: int


def rank(typed: str, text: str) -> Rank | None:
    """How well `text` fits `typed`, case and accents left out; None where it does not.

    Several words may each fit another place; the worst of them counts.
    """
    text = _folded(text)
    words = _folded(typed).split()
    if not words:
        return Rank(0, 0, len(text))
    whole = _rank_word(" ".join(words), text)
    if whole is not None and whole.kind < 4:
        return whole
    each = [_rank_word(word, text) for word in words]
    found = [one for one in each if one is not None]
    if len(found) < len(each):
        return None
    return Rank(max(f.kind for f in found), sum(f.spread for f in found), len(text))


class CommandPalette(QFrame):
    """A field and a list over the window. Enter runs, Esc closes, arrow keys move."""

    ran = Signal(str)
    """The id of the command that is run now."""

    def __init__(self, registry: ActionRegistry, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setFrameStyle(QFrame.Shape.StyledPanel | QFrame.Shadow.Plain)
        self.setAccessibleName(self.tr("Commands"))
        self._registry = registry
        self._recent: tuple[str, ...] = ()

        self.line = QLineEdit()
        self.line.setPlaceholderText(self.tr("What do you want to do?"))
        self.line.setAccessibleName(self.tr("Find a command"))
        self.line.setClearButtonEnabled(True)
        self.line.textChanged.connect(self._fill)
        self.line.installEventFilter(self)
        self.list = QTreeWidget()
        self.list.setAccessibleName(self.tr("Commands that fit"))
        self.list.setColumnCount(3)
        self.list.setHeaderLabels([self.tr("Command"), self.tr("Group"), self.tr("Key")])
        self.list.setHeaderHidden(True)
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setIconSize(QSize(ICON, ICON))
        self.list.setAllColumnsShowFocus(True)
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # The field keeps the focus, so that typing goes on while the list moves.
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        header = self.list.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.list.itemClicked.connect(self._run)
        self.list.currentItemChanged.connect(self._describe)
        self.none = QLabel(self.tr("No command fits."))
        self.none.setContentsMargins(6, 4, 6, 4)
        column_of_parts = QVBoxLayout(self)
        column_of_parts.setContentsMargins(8, 8, 8, 8)
        for part in (self.line, self.none, self.list):
            column_of_parts.addWidget(part)

    @property
    def recent(self) -> tuple[str, ...]:
        """Ids of commands that were run here, newest first."""
        return self._recent

    def set_recent(self, ids: Sequence[str]) -> None:
        """Take over what was run earlier; ids that no command has are left out when shown."""
        self._recent = tuple(ids)[:MOST_RECENT]

    def open(self) -> None:
        """Show the palette at the top of its window, empty."""
        self.line.clear()
        self._fill()
        window = self.parentWidget().window()
        width = min(WIDTH * self.fontMetrics().height() // 16, window.width() - 16)
        margins = self.layout().contentsMargins()
        height = (
            self.line.sizeHint().height()
            + self.layout().spacing()
            + ROWS * self._row_height()
            + 4
            + margins.top()
            + margins.bottom()
        )
        self.resize(width, min(height, window.height() - 16))
        corner = window.mapToGlobal(QPoint((window.width() - width) // 2, 0))
        self.move(corner.x(), corner.y() + min(64, window.height() // 8))
        self.show()
        self.line.setFocus(Qt.FocusReason.PopupFocusReason)

    def shown(self) -> tuple[str, ...]:
        """Ids of the commands in the list, from the top."""
        return tuple(item.data(0, _ID) for item in self._items())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is not self.line or not isinstance(event, QKeyEvent):
            return super().eventFilter(watched, event)
        if event.type() == QEvent.Type.ShortcutOverride:
            # While this is open no key reaches a command behind it.
            event.accept()
            return True
        if event.type() != QEvent.Type.KeyPress:
            return False
        return self._take_key(event)

    def _take_key(self, event: QKeyEvent) -> bool:
        key = event.key()
        steps = {
            Qt.Key.Key_Down: 1,
            Qt.Key.Key_Up: -1,
            Qt.Key.Key_PageDown: ROWS,
            Qt.Key.Key_PageUp: -ROWS,
        }
        if key in steps:
            self._move_by(steps[key])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._run(self.list.currentItem())
        elif key == Qt.Key.Key_Escape or (
            key == Qt.Key.Key_K and event.modifiers() == Qt.KeyboardModifier.ControlModifier
        ):
            self.close()
        else:
            return False
        return True

    # -- the list

    def _row_height(self) -> int:
        return round(1.6 * self.fontMetrics().height())

    def _fill(self) -> None:
        typed = self.line.text()
        self.list.clear()
        # Texts stand below each other, with an icon or without.
        blank = QPixmap(ICON, ICON)
        blank.fill(Qt.GlobalColor.transparent)
        nothing = QIcon(blank)
        for command in self._fitting(typed):
            keys = command.keys
            item = QTreeWidgetItem([command.text, command.group, keys[0] if keys else ""])
            item.setData(0, _ID, command.id)
            item.setToolTip(0, command.action.toolTip())
            item.setTextAlignment(2, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setDisabled(not command.action.isEnabled())
            item.setSizeHint(0, QSize(0, self._row_height()))
            icon = command.action.icon()
            item.setIcon(0, nothing if icon.isNull() else icon)
            if command.action.isCheckable() and command.action.isChecked():
                item.setText(0, self.tr("{command} (on)").format(command=command.text))
            self.list.addTopLevelItem(item)
        items = self._items()
        self.none.setVisible(not items)
        self.list.setVisible(bool(items))
        self.list.setCurrentItem(next((i for i in items if not i.isDisabled()), None))
        self.list.scrollToTop()

    def _fitting(self, typed: str) -> list[Command]:
        commands = [c for c in self._registry.actions() if c.action.isVisible()]
        newest = {id: place for place, id in enumerate(self._recent)}
        if not typed.strip():
            return sorted(commands, key=lambda c: newest.get(c.id, len(newest)))
        ranked = []
        for place, command in enumerate(commands):
            found = rank(typed, command.text)
            in_group = False
            if found is None:
                found = rank(typed, f"{command.group} {command.text}")
                in_group = True
            if found is not None:
                order = (in_group, found.kind, newest.get(command.id, len(newest)), found, place)
                ranked.append((order, command))
        return [command for _, command in sorted(ranked, key=lambda entry: entry[0])]

    def _items(self) -> list[QTreeWidgetItem]:
        return [self.list.topLevelItem(row) for row in range(self.list.topLevelItemCount())]

    def _move_by(self, steps: int) -> None:
        usable = [item for item in self._items() if not item.isDisabled()]
        if not usable:
            return
        current = self.list.currentItem()
        at = usable.index(current) if current in usable else -1
        to = at + steps
        # One step wraps round; a page stops at the end.
        to = to % len(usable) if abs(steps) == 1 else min(max(to, 0), len(usable) - 1)
        self.list.setCurrentItem(usable[to])

    def _describe(self, item: QTreeWidgetItem | None) -> None:
        # What is chosen is said with the field, since the list never has the focus.
        self.line.setAccessibleDescription(item.text(0) if item is not None else "")

    def _run(self, item: QTreeWidgetItem | None) -> None:
        if item is None or item.isDisabled():
            return
        id = item.data(0, _ID)
        self._recent = (id, *(other for other in self._recent if other != id))[:MOST_RECENT]
        # Closed first, so that the command finds the focus where it was.
        self.close()
        self.ran.emit(id)
        self._registry.action(id).trigger()


def _folded(text: str) -> str:
    """Small letters without accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in apart if not unicodedata.combining(sign))


def _rank_word(typed: str, text: str) -> Rank | None:
    length = len(text)
    if text.startswith(typed):
        return Rank(0, 0, length)
    before = " " + text
    starts = [k for k in range(length) if text[k].isalnum() and not before[k].isalnum()]
    if any(text.startswith(typed, start) for start in starts):
        return Rank(1, 0, length)
    initials = "".join(text[start] for start in starts)
    if len(typed) > 1 and typed in initials:
        return Rank(2, 0, length)
    if typed in text:
        return Rank(3, 0, length)
    spread = _shortest_spread(typed, text)
    return None if spread is None else Rank(4, spread, length)


def _shortest_spread(typed: str, text: str) -> int | None:
    """Letters between those of `typed` where they stand closest together in `text`, in order."""
    best = None
    for begin in range(len(text)):
        if text[begin] != typed[0]:
            continue
        at = begin
        for sign in typed[1:]:
            at = text.find(sign, at + 1)
            if at < 0:
                break
        else:
            spread = at - begin + 1 - len(typed)
            best = spread if best is None else min(best, spread)
    return best
