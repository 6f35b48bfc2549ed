"""Pages of a study's settings with a row for each recording or stretch: where epochs start, and
what is not to be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.config import ExclusionConfig
from core.errors import ConfigError
from core.label_set import decimal_text
from core.study import StudyRecording
from core.study_settings import make_exclusions
from ui.dialog_parts import Paragraph, keyed, named
from ui.wizard_labels import duration_text

RECORDING, SUBJECT, LASTS, FIRST_EPOCH = range(4)
FROM, TO, MODALITY, REASON = range(1, 5)
_BILLION = Decimal(10) ** 9


class _EditTable(QTableWidget):
    """A table with cells to type in; Tab leaves it, Delete asks for a row to go."""

    delete_pressed = Signal()

    def __init__(self, heads: Sequence[str], widths: Sequence[int]) -> None:
        super().__init__(0, len(heads))
        self.setHorizontalHeaderLabels(list(heads))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        header = self.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        for column, width in enumerate(widths):
            self.setColumnWidth(column, width)

    def cell(self, row: int, column: int) -> str:
        """What stands in a cell."""
        item = self.item(row, column)
        return item.text().strip() if item is not None else ""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Delete:
            self.delete_pressed.emit()
        else:
            super().keyPressEvent(event)


# ---------------------------------------------------------------- where epochs start


class GridPage(QWidget):
    """Where the first epoch of each recording starts."""

    changed = Signal()

    def __init__(
        self,
        recordings: Sequence[StudyRecording],
        epoch_s: float,
        signed_off: Mapping[int, str],
        parent: QWidget | None = None,
    ) -> None:
        """`signed_off`: who signed a recording off, by its id; its epochs stay."""
        super().__init__(parent)
        self._recordings = tuple(recordings)
        says = Paragraph(
            self.tr(
                "Epochs of {epoch:g} s follow each other from where the first one starts. Labels "
                "keep their times; those that no longer lie on epochs are shown off the grid."
            ).format(epoch=epoch_s)
        )
        self.table = _EditTable(
            [
                self.tr("Recording"),
                self.tr("Subject"),
                self.tr("Lasts"),
                self.tr("First epoch starts at, s"),
            ],
            (240, 160, 90),
        )
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        table_label = named(
            self.tr("&Recordings"),
            self.table,
            self.tr("F2 changes where the first epoch starts, in seconds from the recording's "
                    "start"),
        )  # fmt: skip
        self.same = QLineEdit()
        self.same.setMaximumWidth(110)
        same_label = named(
            self.tr("First epoch of the &chosen rows at, s"),
            self.same,
            self.tr("Seconds from the recording's start"),
        )
        self.set_all = QPushButton(self.tr("S&et"))
        self.set_all.setAutoDefault(False)
        keyed(self.set_all, self.tr("Let the first epoch of all chosen rows start there"))
        self.set_all.clicked.connect(self.set_chosen)
        self.table.setRowCount(len(self._recordings))
        for row, recording in enumerate(self._recordings):
            who = signed_off.get(recording.id, "")
            texts = (
                recording.name,
                recording.subject,
                duration_text(recording.duration_s),
                seconds_text(recording.grid_offset_ns),
            )
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                if column != FIRST_EPOCH or who:
                    item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                if column == FIRST_EPOCH and who:
                    item.setToolTip(
                        self.tr("{who} has signed it off: reopen it first").format(who=who)
                    )
                    item.setForeground(self.palette().placeholderText())
                self.table.setItem(row, column, item)
        if self._recordings:
            self.table.setCurrentCell(0, FIRST_EPOCH)
        self.table.cellChanged.connect(self.changed)
        setting = QHBoxLayout()
        setting.addWidget(same_label)
        setting.addWidget(self.same)
        setting.addWidget(self.set_all)
        setting.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(says)
        column.addWidget(table_label)
        column.addWidget(self.table, 1)
        column.addLayout(setting)

    def set_read_only(self) -> None:
        """Show the table, and let nothing be changed."""
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.same.setEnabled(False)
        self.set_all.setEnabled(False)

    def set_chosen(self) -> None:
        """Put the time beside the button into all chosen rows that can be changed."""
        text = self.same.text().strip()
        for index in self.table.selectionModel().selectedRows():
            item = self.table.item(index.row(), FIRST_EPOCH)
            if text and item.flags() & Qt.ItemFlag.ItemIsEditable:
                item.setText(text)

    def said(self) -> dict[int, int]:
        """The starts that were changed, in nanoseconds, by the recording's id. Raises ConfigError
        in words."""
        changed = {}
        for row, recording in enumerate(self._recordings):
            text = self.table.cell(row, FIRST_EPOCH)
            if text == seconds_text(recording.grid_offset_ns):
                continue
            offset_ns = self._offset(recording, text)
            if offset_ns != recording.grid_offset_ns:
                changed[recording.id] = offset_ns
        return changed

    def _offset(self, recording: StudyRecording, text: str) -> int:
        try:
            seconds = Decimal(text.replace(",", ".") or "0")
        except InvalidOperation:
            raise ConfigError(
                self.tr("{name}: '{text}' is no number of seconds.").format(
                    name=recording.name, text=text
                )
            ) from None
        if not seconds.is_finite() or not 0 <= seconds < Decimal(recording.duration_s):
            raise ConfigError(
                self.tr(
                    "{name}: the first epoch starts within the recording, at 0 s to {end} s."
                ).format(name=recording.name, end=decimal_text(recording.duration_s))
            )
        return int((seconds * _BILLION).to_integral_value())

    def problem(self) -> str:
        """What is wrong with what was typed, in words."""
        try:
            self.said()
        except ConfigError as error:
            return str(error)
        return ""


def seconds_text(nanoseconds: int) -> str:
    """Seconds as exact as the study holds them."""
    return decimal_text(Decimal(nanoseconds).scaleb(-9))


# ---------------------------------------------------------------- what is not used


class LeftOutPage(QWidget):
    """Stretches, or whole recordings, that a model does not learn from."""

    changed = Signal()

    def __init__(
        self,
        exclusions: Sequence[ExclusionConfig],
        recordings: Sequence[StudyRecording],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._names = [recording.name for recording in recordings]
        self._modalities: tuple[str, ...] | None = None
        says = Paragraph(
            self.tr(
                "Nothing is learnt from these stretches, and they are not scored. With a modality, "
                "only its signal counts as missing there. Bad signal that is marked in the traces "
                "counts beside this list, and needs no row."
            )
        )
        self.table = _EditTable(
            [
                self.tr("Recording"),
                self.tr("From, s"),
                self.tr("To, s"),
                self.tr("Modality"),
                self.tr("Why"),
            ],
            (220, 90, 90, 130),
        )
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table_label = named(
            self.tr("&Left out"),
            self.table,
            self.tr("F2 changes a cell, Delete removes a row. * and ? stand for any text and "
                    "letter; empty times are the recording's start and end"),
        )  # fmt: skip
        self.add = QPushButton(self.tr("&Add"))
        self.remove = QPushButton(self.tr("Remo&ve"))
        keyed(self.add, self.tr("A further stretch"))
        keyed(self.remove, self.tr("Use the chosen stretch again"))
        for button in (self.add, self.remove):
            button.setAutoDefault(False)
        for entry in exclusions:
            self._add_row(entry)
        self.add.clicked.connect(self.on_add)
        self.remove.clicked.connect(self.on_remove)
        self.table.delete_pressed.connect(self.on_remove)
        self.table.cellChanged.connect(self.changed)
        self._before = self._rows()
        buttons = QHBoxLayout()
        buttons.addWidget(self.add)
        buttons.addWidget(self.remove)
        buttons.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(says)
        column.addWidget(table_label)
        column.addWidget(self.table, 1)
        column.addLayout(buttons)

    def set_read_only(self) -> None:
        """Show the table, and let nothing be changed."""
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.delete_pressed.disconnect(self.on_remove)
        self.add.setEnabled(False)
        self.remove.setEnabled(False)

    def set_modalities(self, names: Sequence[str] | None) -> None:
        """Which modalities there are; None where they are not known."""
        self._modalities = None if names is None else tuple(names)

    def on_add(self) -> None:
        """A new row, to be filled in."""
        first = self._names[0] if self._names else "*"
        self._add_row(ExclusionConfig(recording=first, start_s=0.0, end_s=30.0))
        row = self.table.rowCount() - 1
        self.table.setCurrentCell(row, RECORDING)
        self.table.setFocus()
        self.table.editItem(self.table.item(row, RECORDING))
        self.changed.emit()

    def on_remove(self) -> None:
        """Take the chosen row out."""
        row = self.table.currentRow()
        if row >= 0:
            self.table.removeRow(row)
            self.changed.emit()

    def _add_row(self, entry: ExclusionConfig) -> None:
        row = self.table.rowCount()
        self.table.blockSignals(True)
        self.table.insertRow(row)
        times = ["" if t is None else decimal_text(t) for t in (entry.start_s, entry.end_s)]
        texts = (entry.recording, *times, entry.modality or "", entry.reason)
        for column, text in enumerate(texts):
            self.table.setItem(row, column, QTableWidgetItem(text))
        self.table.blockSignals(False)

    def said(self) -> tuple[ExclusionConfig, ...]:
        """The stretches. Raises ConfigError in words."""
        return make_exclusions(self._rows(), self._modalities, self._names)

    @property
    def is_changed(self) -> bool:
        return self._rows() != self._before

    def _rows(self) -> list[dict[str, Any]]:
        return [self._row(row) for row in range(self.table.rowCount())]

    def _row(self, row: int) -> dict[str, Any]:
        values: dict[str, Any] = {
            "recording": self.table.cell(row, RECORDING),
            "modality": self.table.cell(row, MODALITY) or None,
            "reason": self.table.cell(row, REASON),
        }
        for key, column in (("start_s", FROM), ("end_s", TO)):
            text = self.table.cell(row, column).replace(",", ".")
            try:
                values[key] = float(text) if text else None
            except ValueError:
                values[key] = text  # which is told as it is
        return values

    def problem(self) -> str:
        """What is wrong with what was typed, in words."""
        if not self.is_changed:  # a recording may be gone since, which is nobody's mistake
            return ""
        try:
            self.said()
        except ConfigError as error:
            return str(error)
        return ""
