"""All keys on one page: commands by group, classes of labels, the mouse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPixmap, QTextDocument
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLineEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ui.actions import ActionRegistry
from ui.icons import keep_icon

SWATCH = 14


@dataclass(frozen=True)
class ClassKeys:
    """A class of labels with the keys that give it and its colour, `#rrggbb`."""

    name: str
    keys: tuple[str, ...]
    colour: str


@dataclass(frozen=True)
class Gesture:
    """What the mouse does: `how` ("Drag over the strip"), `what` ("Select epochs")."""

    what: str
    how: str


@dataclass(frozen=True)
class _Line:
    what: str
    keys: str
    colour: str = ""


class ShortcutsWindow(QDialog):
    """Lists what keys and mouse do; the window behind it stays usable."""

    def __init__(
        self,
        registry: ActionRegistry,
        classes: Sequence[ClassKeys] = (),
        gestures: Sequence[Gesture] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Keys and mouse"))
        self.resize(560, 720)
        self._registry = registry
        self._classes = tuple(classes)
        self._gestures = tuple(gestures)

        self.line = QLineEdit()
        self.line.setPlaceholderText(self.tr("Show only what contains…"))
        self.line.setAccessibleName(self.tr("Filter"))
        self.line.setToolTip(self.tr("A part of a command, or of a key"))
        self.line.setClearButtonEnabled(True)
        self.line.textChanged.connect(self._filter)
        self.tree = QTreeWidget()
        self.tree.setAccessibleName(self.tr("Commands and their keys"))
        self.tree.setColumnCount(2)
        self.tree.setHeaderLabels([self.tr("Command"), self.tr("Key")])
        self.tree.setRootIsDecorated(False)
        self.tree.setIndentation(12)
        self.tree.setItemsExpandable(False)
        self.tree.setAlternatingRowColors(True)
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.tree.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.copy = buttons.addButton(self.tr("&Copy"), QDialogButtonBox.ButtonRole.ActionRole)
        self.copy.setToolTip(self.tr("Copy what is listed, as text (Alt+C)"))
        self.copy.setAutoDefault(False)
        keep_icon(self.copy, "copy")
        self.copy.clicked.connect(self.copy_text)
        self.print = buttons.addButton(self.tr("&Print…"), QDialogButtonBox.ButtonRole.ActionRole)
        self.print.setToolTip(self.tr("Print what is listed (Alt+P)"))
        self.print.setAutoDefault(False)
        keep_icon(self.print, "print")
        self.print.clicked.connect(self.ask_for_printer)
        # Enter in the field must not close the page.
        buttons.button(QDialogButtonBox.StandardButton.Close).setAutoDefault(False)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        for part in (self.line, self.tree, buttons):
            column.addWidget(part)
        self._fill()

    def set_classes(self, classes: Sequence[ClassKeys]) -> None:
        """Show the keys of another label scheme."""
        self._classes = tuple(classes)
        self._fill()

    def as_text(self) -> str:
        """What is listed now, a section a paragraph, keys after a tab."""
        return "\n\n".join(
            "\n".join([title, *(f"{line.what}\t{line.keys}" for line in lines)])
            for title, lines in self._listed()
        )

    def as_document(self) -> QTextDocument:
        """What is listed now, as a table for a printer."""
        rows = []
        for title, lines in self._listed():
            rows.append(f"<tr><td colspan='2'><br><b>{_escaped(title)}</b></td></tr>")
            rows += [
                f"<tr><td>{_escaped(line.what)}</td><td>{_escaped(line.keys)}</td></tr>"
                for line in lines
            ]
        document = QTextDocument(self)
        document.setHtml(f"<table cellpadding='2' width='100%'>{''.join(rows)}</table>")
        return document

    def copy_text(self) -> None:
        QGuiApplication.clipboard().setText(self.as_text())

    def ask_for_printer(self) -> None:
        """Let the user choose a printer, or a PDF file, and print what is listed."""
        # Imported late: it loads the system's printers.
        from PySide6.QtPrintSupport import QPrintDialog

        dialog = QPrintDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self.as_document().print_(dialog.printer()))
        dialog.setWindowModality(Qt.WindowModality.WindowModal)
        dialog.show()

    # -- what is listed

    def _sections(self) -> list[tuple[str, list[_Line]]]:
        sections = []
        if self._classes:
            lines = [_Line(c.name, self._joined(c.keys), c.colour) for c in self._classes]
            sections.append((self.tr("Classes of labels"), lines))
        for group in self._registry.groups():
            commands = [c for c in self._registry.in_group(group) if c.action.isVisible()]
            lines = [_Line(c.text.rstrip("…"), self._joined(c.keys)) for c in commands]
            if lines:
                sections.append((group, lines))
        if self._gestures:
            lines = [_Line(gesture.what, gesture.how) for gesture in self._gestures]
            sections.append((self.tr("Mouse"), lines))
        return sections

    def _listed(self) -> list[tuple[str, list[_Line]]]:
        wanted = self.line.text().casefold().split()
        found = []
        for title, lines in self._sections():
            kept = [
                line
                for line in lines
                if all(w in f"{title} {line.what} {line.keys}".casefold() for w in wanted)
            ]
            if kept:
                found.append((title, kept))
        return found

    def _filter(self) -> None:
        self._fill()

    def _fill(self) -> None:
        self.tree.clear()
        for title, lines in self._listed():
            head = QTreeWidgetItem([title])
            font = self.tree.font()
            font.setBold(True)
            head.setFont(0, font)
            head.setFlags(Qt.ItemFlag.ItemIsEnabled)
            self.tree.addTopLevelItem(head)
            head.setFirstColumnSpanned(True)
            for line in lines:
                item = QTreeWidgetItem([line.what, line.keys])
                item.setToolTip(0, line.what)
                if line.colour:
                    item.setIcon(0, _swatch(line.colour))
                head.addChild(item)
        self.tree.expandAll()

    def _joined(self, keys: Iterable[str]) -> str:
        return self.tr(" or ").join(keys)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _swatch(colour: str) -> QIcon:
    picture = QPixmap(SWATCH, SWATCH)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setPen(QColor("#808080"))
    painter.setBrush(QColor(colour))
    painter.drawRect(1, 1, SWATCH - 3, SWATCH - 3)
    painter.end()
    return QIcon(picture)
