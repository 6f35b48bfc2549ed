"""The backups of a study: what there is, and putting one in the study's place."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QMessageBox,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.progress import RunContext
from core.study_file import BACKUP_FOLDER, STUDY_FILE, backups_of, restore_backup
from ui.jobs import LatestJob
from ui.messages import show_error

_PATH_ROLE = Qt.ItemDataRole.UserRole


class BackupsDialog(QDialog):
    """Lists backups, the newest first, and restores the one that is chosen.

    The study must not be open meanwhile: `about_to_restore` comes first, and whoever holds it
    open closes it there. Then comes either `restored` or `not_restored`.
    """

    about_to_restore = Signal(object)
    """The folder (Path) of a study that must be closed now."""
    restored = Signal(object)
    """The folder (Path) of a study whose backup is in place: it can be opened."""
    not_restored = Signal(object)
    """The folder (Path) of a study that is as it was; the user has been told why."""

    def __init__(self, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Backups – {name}").format(name=folder.name))
        self.resize(640, 420)
        self._folder = folder
        self._restoring = LatestJob(self)
        self._restoring.succeeded.connect(self._on_restored)
        self._restoring.failed.connect(self._on_failed)
        self._busy = False

        says = QLabel(
            self.tr(
                "A backup is made on each day that the study is opened, and before the study's "
                "file is brought to a new version. It holds recordings' places, classes, raters "
                "and labels; not the signals themselves."
            )
        )
        says.setWordWrap(True)
        self.table = QTableWidget(0, 3)
        self.table.setAccessibleName(self.tr("Backups, the newest first"))
        self.table.setHorizontalHeaderLabels([self.tr("Made"), self.tr("Size"), self.tr("File")])
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().setVisible(False)
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self.table.itemSelectionChanged.connect(self._on_selection)
        self.table.doubleClicked.connect(self._on_double_click)
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.state.setTextFormat(Qt.TextFormat.PlainText)
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.restore = self._buttons.addButton(
            self.tr("&Restore…"), QDialogButtonBox.ButtonRole.ActionRole
        )
        self.restore.setToolTip(
            self.tr("Put the chosen backup in the study's place, after a question (Alt+R)")
        )
        self.restore.clicked.connect(self.ask)
        self._buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(says)
        column.addWidget(self.table, 1)
        column.addWidget(self.state)
        column.addWidget(self._buttons)
        self.look()

    @property
    def chosen(self) -> Path | None:
        """The backup that is chosen."""
        rows = self.table.selectionModel().selectedRows()
        return self.table.item(rows[0].row(), 0).data(_PATH_ROLE) if rows else None

    def look(self) -> None:
        """List the backups anew."""
        backups = backups_of(self._folder)
        self.table.setRowCount(len(backups))
        for row, path in enumerate(backups):
            about = path.stat()
            made = datetime.fromtimestamp(about.st_mtime).strftime("%Y-%m-%d %H:%M:%S")
            for place, text in enumerate((made, size_text(about.st_size), path.name)):
                item = QTableWidgetItem(text)
                item.setData(_PATH_ROLE, path)
                self.table.setItem(row, place, item)
            self.table.item(row, 1).setTextAlignment(
                Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            )
        self.state.setText(
            ""
            if backups
            else self.tr("There is no backup in {folder}.").format(
                folder=self._folder / BACKUP_FOLDER
            )
        )
        if backups:
            self.table.selectRow(0)
        self._on_selection()

    def ask(self) -> None:
        """Say what restoring does, and do it when the user agrees."""
        backup = self.chosen
        if backup is None or self._busy:
            return
        made = self.table.item(self.table.currentRow(), 0).text()
        box = QMessageBox(
            QMessageBox.Icon.Warning,
            self.tr("Restore a backup"),
            self.tr("Put the backup of {made} in the study's place?").format(made=made),
            QMessageBox.StandardButton.Cancel,
            self,
        )
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setInformativeText(
            self.tr(
                "The study will be as it was then: labels, raters, classes and recordings that "
                "came later are not in it.\n\n"
                "Nothing is thrown away. The study's file of now stays in its folder, as "
                "study-replaced-(date).sqlite; to go back to it, rename it to {file}.\n\n"
                "Files of recordings are not touched."
            ).format(file=STUDY_FILE)
        )
        go = box.addButton(self.tr("&Restore"), QMessageBox.ButtonRole.AcceptRole)
        go.clicked.connect(self._go)
        box.setDefaultButton(QMessageBox.StandardButton.Cancel)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()

    def _go(self) -> None:
        backup = self.chosen
        if backup is None or self._busy:
            return
        self._busy = True
        self.about_to_restore.emit(self._folder)
        self._restoring.start(partial(_restore, self._folder, backup))
        self.state.setText(self.tr("The backup is being put in place…"))
        self._on_selection()

    def _on_restored(self, aside: Path) -> None:
        self._busy = False
        self.look()
        self.state.setText(
            self.tr("The backup is in place. What was there before is kept as {file}.").format(
                file=aside.name
            )
        )
        self.restored.emit(self._folder)

    def _on_failed(self, error: BaseException) -> None:
        self._busy = False
        self.look()
        self.state.setText(str(error))
        show_error(error, self)
        self.not_restored.emit(self._folder)

    def _on_selection(self) -> None:
        self.restore.setEnabled(self.chosen is not None and not self._busy)

    def _on_double_click(self, index: QModelIndex) -> None:
        self.ask()

    def done(self, result: int) -> None:
        # What is being written is finished first, and its outcome announced.
        if not self._busy:
            self._restoring.shut_down()
            super().done(result)


def _restore(folder: Path, backup: Path, context: RunContext) -> Path:
    del context
    return restore_backup(folder, backup)


def size_text(size_bytes: int) -> str:
    """Bytes for people: `48 kB`, `1.2 MB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= factor:
            amount = size_bytes / factor
            return f"{amount:.0f} {unit}" if amount >= 10 else f"{amount:.1f} {unit}"
    return f"{size_bytes} B"
