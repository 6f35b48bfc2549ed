"""Which table of names labels go through: none, a preset, or the user's own."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QPushButton, QWidget

from core.errors import CrosslError
from core.label_mapping import LabelMapping, mapping_about, mapping_names, read_mapping
from ui.dialog_parts import keyed
from ui.wizard_page import choose


class MappingChoice(QWidget):
    """A list of the presets, and a button for a table in a file."""

    chosen = Signal(object)
    """A LabelMapping; an empty one for none."""
    failed = Signal(object)
    """The CrosslError that says why a table cannot be used."""

    def __init__(self, none: str, parent: QWidget | None = None) -> None:
        """`none`: what it says where no table is used."""
        super().__init__(parent)
        self.combo = QComboBox()
        self.combo.addItem(none, "")
        for name in mapping_names():
            self.combo.addItem(name, name)
            self.combo.setItemData(
                self.combo.count() - 1, mapping_about(name), Qt.ItemDataRole.ToolTipRole
            )
        self.combo.currentIndexChanged.connect(self._tell)
        self.load = QPushButton(self.tr("O&wn table…"))
        self.load.setAutoDefault(False)
        keyed(self.load, self.tr("Take a table of names from a JSON file"))
        self.load.clicked.connect(self._ask)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.combo, 1)
        row.addWidget(self.load)

    def take(self, path: str) -> None:
        """Use the table of names in a JSON file."""
        try:
            read_mapping(path)
        except CrosslError as error:
            self.failed.emit(error)
            return
        if self.combo.findData(path) < 0:
            self.combo.addItem(Path(path).name, path)
        choose(self.combo, path)

    def _tell(self) -> None:
        name = self.combo.currentData()
        mapping: LabelMapping = {}
        try:
            mapping = read_mapping(name) if name else {}
        except CrosslError as error:
            self.failed.emit(error)
        self.chosen.emit(mapping)

    def _ask(self) -> None:
        dialog = QFileDialog(self, self.tr("Table of names"), "", self.tr("Tables (*.json)"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.take)
        dialog.open()
