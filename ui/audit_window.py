"""Who did what and when in a study: a table to look through, to copy and to keep as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from core.atomic_file import write_atomically
from core.errors import CrosslError
from core.study import AuditEntry
from ui.icons import keep_icon
from ui.messages import show_error

WHEN, WHO, RECORDING, ACTION, DETAIL = range(5)
Index = QModelIndex | QPersistentModelIndex


class AuditWindow(QDialog):
    """Shows the audit of a study, the newest first; the window behind it stays usable."""

    refresh_requested = Signal()
    """The entries shall be read anew; answer with `set_entries`."""

    def __init__(
        self, study_name: str, entries: Sequence[AuditEntry] = (), parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Audit – {name}").format(name=study_name))
        self.resize(960, 600)
        self._name = study_name
        self.recording = self._choice(
            self.tr("&Recording"), self.tr("Show what was done to this recording only (Alt+R)")
        )
        self.rater = self._choice(self.tr("&Who"), self.tr("Show what this rater did only (Alt+W)"))
        self.action = self._choice(
            self.tr("&Action"), self.tr("Show this kind of action only (Alt+A)")
        )
        self.text = QLineEdit()
        self.text.setPlaceholderText(self.tr("Show only what contains…"))
        self.text.setClearButtonEnabled(True)
        self.text.setAccessibleName(self.tr("Filter"))
        self.text.setToolTip(self.tr("A part of any column, or a day such as 2024-05-01"))
        filters = QHBoxLayout()
        for title, box in (
            (self.tr("&Recording"), self.recording),
            (self.tr("&Who"), self.rater),
            (self.tr("&Action"), self.action),
        ):
            says = QLabel(title)
            says.setBuddy(box)
            filters.addWidget(says)
            filters.addWidget(box, 1)
            box.currentIndexChanged.connect(self._filter)
        self.text.textChanged.connect(self._filter)

        self.model = AuditModel(self)
        self.table = _Table()
        self.table.setModel(self.model)
        self.table.setAccessibleName(self.tr("What was done"))
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setAlternatingRowColors(True)
        self.table.setWordWrap(False)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().setVisible(False)
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(WHEN, Qt.SortOrder.DescendingOrder)
        self.table.copy_wanted.connect(self.copy_chosen)
        header = self.table.horizontalHeader()
        header.setStretchLastSection(True)
        metrics = self.fontMetrics()
        self.table.verticalHeader().setDefaultSectionSize(metrics.lineSpacing() + 8)
        for column, sample in (
            (WHEN, "2024-05-01 22:30:00 +0200"),
            (WHO, "consensus 1"),
            (RECORDING, "recording-01-night-1"),
            (ACTION, "recording removed"),
        ):
            self.table.setColumnWidth(column, metrics.horizontalAdvance(sample) + 16)
        self.count = QLabel()

        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.refresh = buttons.addButton(
            self.tr("Re&fresh"), QDialogButtonBox.ButtonRole.ActionRole
        )
        self.refresh.setToolTip(self.tr("Read the audit anew (Alt+F)"))
        self.copy = buttons.addButton(self.tr("&Copy"), QDialogButtonBox.ButtonRole.ActionRole)
        self.copy.setToolTip(
            self.tr("Copy the chosen lines, or all that are shown (Alt+C; Ctrl+C in the table)")
        )
        self.export = buttons.addButton(
            self.tr("E&xport as CSV…"), QDialogButtonBox.ButtonRole.ActionRole
        )
        self.export.setToolTip(self.tr("Write all that is shown into a file (Alt+X)"))
        keep_icon(self.copy, "copy")
        keep_icon(self.export, "export")
        for button in (self.refresh, self.copy, self.export):
            button.setAutoDefault(False)
        self.refresh.clicked.connect(self.refresh_requested)
        self.copy.clicked.connect(self.copy_chosen)
        self.export.clicked.connect(self.ask_for_file)
        buttons.rejected.connect(self.reject)
        column_of_parts = QVBoxLayout(self)
        column_of_parts.addLayout(filters)
        column_of_parts.addWidget(self.text)
        column_of_parts.addWidget(self.table, 1)
        column_of_parts.addWidget(self.count)
        column_of_parts.addWidget(buttons)
        self.set_entries(entries)
        self.text.setFocus()

    def set_entries(self, entries: Sequence[AuditEntry]) -> None:
        """Show these entries; filters stay as they are."""
        self.model.set_entries(entries)
        for box, names in (
            (self.recording, {entry.recording for entry in entries if entry.recording}),
            (self.rater, {entry.who for entry in entries if entry.who}),
            (self.action, {entry.action for entry in entries}),
        ):
            chosen = box.currentData()
            box.blockSignals(True)
            box.clear()
            box.addItem(self.tr("All"), None)
            for name in sorted(names, key=str.casefold):
                box.addItem(name, name)
            box.setCurrentIndex(max(box.findData(chosen), 0))
            box.blockSignals(False)
        self._filter()

    def show_recording(self, name: str) -> None:
        """Show what was done to one recording."""
        self.recording.setCurrentIndex(max(self.recording.findData(name), 0))

    def shown(self) -> tuple[AuditEntry, ...]:
        """The entries that the filters leave, as sorted."""
        return tuple(self.model.shown)

    def as_csv(self) -> str:
        """What is shown, with times as local time and, exact, in UTC."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["local_time", "utc", "who", "recording", "action", "detail"])
        for entry in self.model.shown:
            writer.writerow(
                [
                    local_time(entry.at),
                    entry.at,
                    entry.who,
                    entry.recording,
                    entry.action,
                    entry.detail,
                ]
            )
        return out.getvalue()

    def write_csv(self, path: str) -> None:
        """Write what is shown into a file; says so where it cannot be written."""
        try:
            # With a mark that it is UTF-8, which spreadsheets need.
            write_atomically(Path(path), self.as_csv().encode("utf-8-sig"))
        except CrosslError as error:
            show_error(error, self)

    def ask_for_file(self) -> None:
        """Let the user say where the table is written."""
        dialog = QFileDialog(self, self.tr("Export the audit"), f"{self._name}-audit.csv")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter(self.tr("Tables (*.csv)"))
        dialog.setDefaultSuffix("csv")
        dialog.selectFile(f"{self._name}-audit.csv")
        dialog.fileSelected.connect(self.write_csv)
        dialog.open()

    def copy_chosen(self) -> None:
        """Put the chosen lines, or else all, on the clipboard, columns apart by tabs."""
        rows = sorted(index.row() for index in self.table.selectionModel().selectedRows())
        entries = [self.model.shown[row] for row in rows] or self.model.shown
        QGuiApplication.clipboard().setText(
            "\n".join("\t".join(_cells(entry)) for entry in entries)
        )

    def _choice(self, title: str, tip: str) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName(title.replace("&", ""))
        box.setToolTip(tip)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(14)
        return box

    def _filter(self, *_: object) -> None:
        self.model.set_filter(
            self.recording.currentData(),
            self.rater.currentData(),
            self.action.currentData(),
            self.text.text(),
        )
        shown, known = len(self.model.shown), len(self.model.entries)
        self.count.setText(
            self.tr("{shown} of {all} entries").format(shown=shown, all=known)
            if shown < known
            else self.tr("Entries: {all}").format(all=known)
        )


class AuditModel(QAbstractTableModel):
    """Entries as a table, sorted and filtered here: thousands in a few milliseconds."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.entries: list[AuditEntry] = []
        self.shown: list[AuditEntry] = []
        self._texts: list[str] = []
        self._filter: tuple[str | None, str | None, str | None, str] = (None, None, None, "")
        self._column, self._order = WHEN, Qt.SortOrder.DescendingOrder

    def set_entries(self, entries: Sequence[AuditEntry]) -> None:
        self.entries = list(entries)
        self._texts = ["\t".join(_cells(entry)).casefold() for entry in self.entries]
        self._arrange()

    def set_filter(
        self, recording: str | None, who: str | None, action: str | None, text: str
    ) -> None:
        self._filter = (recording, who, action, text)
        self._arrange()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._column, self._order = column, order
        self._arrange()

    def _arrange(self) -> None:
        recording, who, action, text = self._filter
        wanted = text.strip().casefold()
        self.beginResetModel()
        self.shown = [
            entry
            for entry, says in zip(self.entries, self._texts, strict=True)
            if (recording is None or entry.recording == recording)
            and (who is None or entry.who == who)
            and (action is None or entry.action == action)
            and wanted in says
        ]
        name = ("at", "who", "recording", "action", "detail")[self._column]
        # Entries come newest first; among equals that order stays.
        if name == "at":
            if self._order == Qt.SortOrder.AscendingOrder:
                self.shown.reverse()
        else:
            self.shown.sort(
                key=lambda entry: str(getattr(entry, name)).casefold(),
                reverse=self._order == Qt.SortOrder.DescendingOrder,
            )
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.shown)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else 5

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation != Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole:
            return None
        return (
            self.tr("Time"),
            self.tr("Who"),
            self.tr("Recording"),
            self.tr("Action"),
            self.tr("Detail"),
        )[section]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        entry = self.shown[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return _cells(entry)[index.column()].replace("\n", " ")
        if role == Qt.ItemDataRole.ToolTipRole:
            if index.column() == WHEN:
                return self.tr("{time} in UTC").format(time=entry.at)
            return _cells(entry)[index.column()]
        return None


class _Table(QTableView):
    """A table whose copy key takes whole lines."""

    copy_wanted = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_wanted.emit()
            return
        super().keyPressEvent(event)


def local_time(at: str) -> str:
    """A time of the study (UTC, ISO) on this computer's clock, with its offset; as it is where it
    is no time."""
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return at
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def _cells(entry: AuditEntry) -> tuple[str, ...]:
    return (local_time(entry.at), entry.who, entry.recording, entry.action, entry.detail)
