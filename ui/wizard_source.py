"""How the files of one source are found and read: pattern, values, format, clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QCompleter,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core.config import CsvConfig, SourceConfig
from ui.csv_dialog import CsvDialog
from ui.wizard_page import NumberEdit, Section, Words, add_row, choose, describe, put


class SourceEditor(QWidget):
    """Edits the settings of one source."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._csv = CsvConfig()
        self._known: SourceConfig | None = None
        self._example: Path | None = None

        self.pattern = QLineEdit()
        self.values = QLineEdit()
        self.values.setPlaceholderText(self.tr("all"))
        self.name = QLineEdit()
        self.format = QComboBox()
        self.format.addItem(self.tr("By the ending of the file"), "auto")
        self.format.addItem(self.tr("EDF or BDF"), "edf")
        self.format.addItem(self.tr("CSV"), "csv")
        self.csv = QPushButton(self.tr("CSV settin&gs…"))
        describe(self.csv, self.tr("CSV settings"),
                 self.tr("See how the first file is read, and say otherwise (Alt+G)"))  # fmt: skip
        self.csv_says = Words(self.tr("guessed for each file"))
        self.zone = QComboBox()
        self.zone.setEditable(True)
        self.zone.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.zone.addItem(self.tr("UTC, or as the file says"), None)
        for zone in sorted(available_timezones()):
            self.zone.addItem(zone, zone)
        completer = self.zone.completer()
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        self.zone.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.zone.setMinimumContentsLength(24)
        self.offset = NumberEdit(
            self.tr("Clock offset"),
            self.tr("Seconds added to the clock of these files, where a device runs early or late"),
        )
        self.optional = QCheckBox(self.tr("A recording may &lack this source"))
        describe(
            self.optional,
            self.tr("Optional source"),
            self.tr("Without it, a recording is kept and its modalities are absent (Alt+L)"),
        )

        top = QFormLayout()
        add_row(
            top,
            self.tr("&Pattern"),
            self.pattern,
            self.tr(
                "Path with named fields in braces, such as {{subject}}/{{subject}}_{{run}}.csv; "
                "{{run:02d}} is digits, * any text (Alt+P)"
            )
            .replace("{{", "{")
            .replace("}}", "}"),
        )
        add_row(
            top,
            self.tr("Onl&y the values"),
            self.values,
            self.tr("Values of fields to take, such as signal=ACC,BVP; subject=S02 (Alt+Y)"),
        )
        more = QWidget()
        form = QFormLayout(more)
        form.setContentsMargins(16, 0, 0, 0)
        add_row(
            form,
            self.tr("Na&me"),
            self.name,
            self.tr("What modalities call this source; fields called signal or device name it"),
        )
        add_row(form, self.tr("Form&at"), self.format, self.tr("How the files are read (Alt+A)"))
        row = QWidget()
        beside = QHBoxLayout(row)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addWidget(self.csv)
        beside.addWidget(self.csv_says, 1)
        form.addRow("", row)
        add_row(
            form,
            self.tr("Time &zone"),
            self.zone,
            self.tr("Zone of clock times that do not name one (Alt+Z)"),
        )
        add_row(form, self.tr("&Clock offset, s"), self.offset, self.offset.toolTip())
        form.addRow("", self.optional)
        self.more = Section(
            self.tr("Format, time zone and clock of these files"), more,
            self.tr("Settings that are right as they are for most files"),
        )  # fmt: skip
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self.more)

        self.pattern.textEdited.connect(self._tell)
        for line in (self.values, self.name):
            line.textEdited.connect(self._tell)
        self.format.activated.connect(self._tell)
        self.zone.activated.connect(self._tell)
        zone_line = self.zone.lineEdit()
        if zone_line is not None:
            zone_line.editingFinished.connect(self._on_zone)
        self.offset.changed.connect(self._tell)
        self.optional.toggled.connect(self._tell)
        self.csv.clicked.connect(self.open_csv_dialog)

    def set_source(
        self, source: SourceConfig, listed: int = 0, example: Path | None = None
    ) -> None:
        """Show a source; `listed` recordings name their files one by one instead of a pattern."""
        self._example = example
        self.csv.setEnabled(example is not None and source.format != "edf")
        self.pattern.setPlaceholderText(
            self.tr("{n} recordings are listed one by one; a pattern would find more").format(
                n=listed
            )
            if listed and not source.pattern
            else ""
        )
        if source == self._known or self._says(source):
            self._known = source
            return  # somebody may be typing the next thing
        self._known = source
        self._csv = source.csv
        self.blockSignals(True)
        put(self.pattern, source.pattern)
        put(self.values, values_text(source.values))
        put(self.name, source.name)
        choose(self.format, source.format)
        if source.time_zone is None:
            self.zone.setCurrentIndex(0)
        else:
            choose(self.zone, source.time_zone)
        self.offset.set_value(source.clock_offset_s or None)
        self.optional.setChecked(source.optional)
        self._say_csv()
        self.blockSignals(False)

    def says(self, source: SourceConfig) -> None:
        """What stands in the fields is this source."""
        self._known = source

    def _says(self, source: SourceConfig) -> bool:
        try:
            return SourceConfig.model_validate(self.said()) == source
        except ValueError:
            return False

    def _say_csv(self) -> None:
        said = self._csv.model_dump(exclude_defaults=True)
        self.csv_says.setText(
            ", ".join(f"{key} {value}" for key, value in said.items())
            or self.tr("guessed for each file")
        )

    def said(self) -> dict[str, Any]:
        """The source as a run file has it. Raises ValueError in words."""
        zone = self.zone.currentText().strip()
        if self.zone.currentIndex() == 0 and zone == self.zone.itemText(0):
            time_zone = None
        else:
            time_zone = zone or None
        return {
            "pattern": self.pattern.text().strip(),
            "name": self.name.text().strip() or "main",
            "values": values_of(self.values.text()),
            "format": self.format.currentData(),
            "csv": self._csv.model_dump(exclude_unset=True),
            "clock_offset_s": self.offset.value() or 0.0,
            "time_zone": time_zone,
            "optional": self.optional.isChecked(),
        }

    def open_csv_dialog(self) -> None:
        """Show how the first file is read, and take the settings over."""
        if self._example is None:
            return
        dialog = CsvDialog(self._example, self.window())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(self._take_csv)
        self._dialog = dialog
        dialog.open()

    def _take_csv(self) -> None:
        kept = self._csv.model_dump(exclude_unset=True)
        said = self._dialog.config.model_dump(exclude_unset=True)
        self._csv = CsvConfig.model_validate({**kept, **said})
        self._say_csv()
        self._tell()

    def _on_zone(self) -> None:
        place = self.zone.findText(self.zone.currentText().strip(), Qt.MatchFlag.MatchFixedString)
        if place >= 0:
            self.zone.setCurrentIndex(place)
        self._tell()

    def _tell(self) -> None:
        self.changed.emit()


def values_text(values: dict[str, list[str]]) -> str:
    """Values of fields as they are typed: `signal=ACC,BVP; subject=S02`."""
    return "; ".join(f"{name}={','.join(allowed)}" for name, allowed in values.items())


def values_of(text: str) -> dict[str, list[str]]:
    """What was typed as values of fields. A name without values says nothing."""
    values: dict[str, list[str]] = {}
    for part in text.split(";"):
        name, _, listed = part.partition("=")
        allowed = [value.strip() for value in listed.split(",") if value.strip()]
        if name.strip() and allowed:
            values[name.strip()] = allowed
    return values
