"""What the readers met or assumed, as a table that can be read and copied."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.recording import Finding


class FindingsDialog(QDialog):
    """Lists findings; the window behind it stays usable."""

    def __init__(
        self, name: str, findings: Sequence[Finding], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Findings – {name}").format(name=name))
        self.resize(900, 400)
        self._findings = tuple(findings)
        self.table = QTableWidget(len(self._findings), 3)
        self.table.setHorizontalHeaderLabels(
            [self.tr("Severity"), self.tr("Field"), self.tr("What was found and assumed")]
        )
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setWordWrap(True)
        self.table.verticalHeader().setVisible(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        for row, found in enumerate(self._findings):
            for column, text in enumerate((found.severity, found.field, found.message)):
                self.table.setItem(row, column, QTableWidgetItem(text))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        copy = buttons.addButton(self.tr("Copy all"), QDialogButtonBox.ButtonRole.ActionRole)
        copy.clicked.connect(self.copy_all)
        buttons.rejected.connect(self.reject)
        column_of_parts = QVBoxLayout(self)
        column_of_parts.addWidget(self.table)
        column_of_parts.addWidget(buttons)

    def copy_all(self) -> None:
        """Put all findings on the clipboard, one line each, columns apart by tabs."""
        QGuiApplication.clipboard().setText(
            "\n".join(f"{f.severity}\t{f.field}\t{f.message}" for f in self._findings)
        )
