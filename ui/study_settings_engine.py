"""Page of a study's settings on how it is learnt from: the run file's text, with help for its
keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontDatabase, QTextCursor
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.errors import ConfigError
from core.study_plan import engine_of_run_file
from core.study_settings import (
    EngineKey,
    engine_keys,
    engine_text,
    parse_engine,
    put_in,
)
from ui.dialog_parts import Paragraph, keyed, named

_KEY = Qt.ItemDataRole.UserRole


class EnginePage(QWidget):
    """Edits the rest of the run file as text. What is wrong with it is said while it is typed."""

    changed = Signal()
    refused = Signal(object)
    """Why a run file cannot be used; the text stays as it is."""

    def __init__(self, engine: Mapping[str, Any], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._problem = ""
        self._said: dict[str, Any] = {}
        self._items: dict[str, QTreeWidgetItem] = {}
        self.editor = QPlainTextEdit()
        self.editor.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.editor.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.editor.setTabChangesFocus(True)
        editor_label = named(
            self.tr("&Settings, as in a run file"),
            self.editor,
            self.tr("What is left out stands at what is recommended"),
        )
        self.load = QPushButton(self.tr("&Load from a run file…"))
        self.tidy = QPushButton(self.tr("T&idy up"))
        keyed(
            self.load,
            self.tr("Replace these settings by those of a run file; recordings, channels, windows "
                    "and labels are not taken from it"),
        )  # fmt: skip
        keyed(self.tidy, self.tr("Write the settings anew, one key a line"))
        self.load.clicked.connect(self.ask_for_run_file)
        self.tidy.clicked.connect(self.tidy_up)

        self.find = QLineEdit()
        self.find.setClearButtonEnabled(True)
        self.tree = QTreeWidget()
        self.tree.setHeaderLabels([self.tr("Key"), self.tr("Counts now")])
        self.tree.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.tree.setUniformRowHeights(True)
        find_label = named(
            self.tr("&Find a key"), self.find, self.tr("Words of its name or of what it means")
        )
        tree_label = named(
            self.tr("All &keys"), self.tree, self.tr("Enter puts the chosen key into the text")
        )
        self.about = Paragraph()
        self.about.setAccessibleName(self.tr("What the key means"))
        self.put = QPushButton(self.tr("&Put it in"))
        keyed(self.put, self.tr("Put the chosen key into the text, to be changed there"))
        for button in (self.load, self.tidy, self.put):
            button.setAutoDefault(False)
        self.find.textChanged.connect(self._show_found)
        self.tree.currentItemChanged.connect(self._show_about)
        self.tree.itemActivated.connect(self.put_key_in)
        self.put.clicked.connect(self.put_key_in)

        left, right = QWidget(), QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(editor_label)
        column.addWidget(self.editor, 1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.load)
        buttons.addWidget(self.tidy)
        buttons.addStretch(1)
        column.addLayout(buttons)
        beside = QVBoxLayout(right)
        beside.setContentsMargins(4, 0, 0, 0)
        searching = QHBoxLayout()
        searching.addWidget(find_label)
        searching.addWidget(self.find, 1)
        beside.addLayout(searching)
        beside.addWidget(tree_label)
        beside.addWidget(self.tree, 1)
        beside.addWidget(self.about)
        putting = QHBoxLayout()
        putting.addWidget(self.put)
        putting.addStretch(1)
        beside.addLayout(putting)
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.addWidget(left)
        parts.addWidget(right)
        parts.setSizes([430, 470])
        parts.setChildrenCollapsible(False)
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.addWidget(parts, 1)

        self._fill_tree()
        self.editor.setPlainText(engine_text(engine))
        self.editor.textChanged.connect(self._on_text)
        self._on_text()
        self.tree.setCurrentItem(self.tree.topLevelItem(0))

    # -- values

    def problem(self) -> str:
        """What is wrong with the text, in words."""
        return self._problem

    def said(self) -> dict[str, Any]:
        """The settings. Raises ConfigError where the text cannot be used."""
        return parse_engine(self.editor.toPlainText())

    def set_read_only(self) -> None:
        """Show the text, and let nothing be changed."""
        self.editor.setReadOnly(True)
        for button in (self.load, self.tidy, self.put):
            button.setEnabled(False)

    # -- changes

    def ask_for_run_file(self) -> None:
        """Let the user choose a run file whose settings take the place of these."""
        dialog = QFileDialog(
            self,
            self.tr("Load settings from a run file"),
            "",
            self.tr("Run files (*.json);;All files (*)"),
        )
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self._take_file)
        dialog.open()

    def _take_file(self, name: str) -> None:
        self.load_run_file(Path(name))

    def load_run_file(self, path: Path) -> None:
        """Take over what a run file says about learning; what cannot be is said."""
        try:
            engine = engine_of_run_file(path)
        except ConfigError as error:
            self.refused.emit(error)
            return
        self._write(engine)

    def tidy_up(self) -> None:
        """Write the settings one key a line, as long as they can be read."""
        if not self._problem:
            self._write(self._said)

    def put_key_in(self) -> None:
        """Put the chosen key into the text with what counts now, and choose its value there."""
        key = self._key()
        if key is None or not key.can_be_put_in or self._problem or self.editor.isReadOnly():
            return
        self._write(put_in(self._said, key))
        self._choose_value(key)

    def _write(self, engine: Mapping[str, Any]) -> None:
        cursor = self.editor.textCursor()  # so that it can be undone
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(engine_text(engine))

    def _choose_value(self, key: EngineKey) -> None:
        """Select the value of a key in the text that was just written."""
        document = self.editor.document()
        place = 0
        for part in key.path.split("."):
            found = document.find(f'"{part}":', place)
            if found.isNull():
                return
            place = found.selectionEnd()
        cursor = QTextCursor(document)
        cursor.setPosition(place + 1)
        cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
        if cursor.selectedText().endswith(","):
            cursor.movePosition(QTextCursor.MoveOperation.Left, QTextCursor.MoveMode.KeepAnchor)
        self.editor.setTextCursor(cursor)
        self.editor.setFocus()

    def _on_text(self) -> None:
        try:
            self._said = self.said()
            self._problem = ""
        except ConfigError as error:
            self._problem = str(error)
        else:
            self._show_values()
        self._show_about()
        self.changed.emit()

    # -- the keys

    def _fill_tree(self) -> None:
        for key in engine_keys():
            group, _, _ = key.path.rpartition(".")
            item = QTreeWidgetItem([key.name, ""])
            item.setData(0, _KEY, key)
            self._items[key.path] = item
            parent = self._items.get(group.removesuffix("[]"))
            if parent is None:
                self.tree.addTopLevelItem(item)
            else:
                parent.addChild(item)
        self._show_found()

    def _show_values(self) -> None:
        """What counts now; keys that the text says stand out."""
        for key in engine_keys(self._said):
            item = self._items[key.path]
            item.setData(0, _KEY, key)
            item.setText(1, key.value)
            item.setToolTip(1, key.value)
            font = item.font(0)
            font.setBold(_says(self._said, key.path))
            item.setFont(0, font)

    def _show_found(self) -> None:
        """Show the keys in whose names or meanings all words are found, with their groups."""
        words = self.find.text().casefold().split()
        for item in self._items.values():
            key: EngineKey = item.data(0, _KEY)
            text = f"{key.path} {key.about} {key.allowed}".casefold()
            item.setHidden(not all(word in text for word in words))
        for item in self._items.values():
            parent = item.parent()
            while not item.isHidden() and parent is not None:
                parent.setHidden(False)
                parent.setExpanded(bool(words) or parent.isExpanded())
                parent = parent.parent()

    def _key(self) -> EngineKey | None:
        item = self.tree.currentItem()
        return None if item is None else item.data(0, _KEY)

    def _show_about(self) -> None:
        key = self._key()
        parts = []
        if key is not None:
            parts.append(f"{key.path}:")
            if key.allowed:
                parts.append(self.tr("{values}.").format(values=key.allowed))
            if key.about:
                parts.append(key.about)
        self.about.say(" ".join(parts))
        usable = key is not None and key.can_be_put_in and not self._problem
        self.put.setEnabled(usable and not self.editor.isReadOnly())
        self.tidy.setEnabled(not self._problem and not self.editor.isReadOnly())


def _says(document: Any, path: str) -> bool:
    """Whether a document says the key by itself."""
    place = document
    for part in path.split("."):
        if not isinstance(place, dict) or part not in place:
            return False
        place = place[part]
    return True
