"""Editor of one modality: what it measures, its channels, how it is filtered, scaled and judged."""

from __future__ import annotations

from typing import Any, get_args

from PySide6.QtCore import QT_TRANSLATE_NOOP, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.config import ChannelConfig, DetectionConfig, Kind, ModalityConfig
from ui.wizard_page import NumberEdit, Section, add_row, choose, describe, put

_DETECTION = (
    ("max_missing_share", QT_TRANSLATE_NOOP("ModalityEditor", "Missing, share"),
     QT_TRANSLATE_NOOP("ModalityEditor", "Largest share of missing samples, 0 to 1")),
    ("max_flat_share", QT_TRANSLATE_NOOP("ModalityEditor", "Flat, share"),
     QT_TRANSLATE_NOOP("ModalityEditor",
                       "Largest share of time without any change, 0 to 1; 1 turns the check off")),
    ("flat_run_s", QT_TRANSLATE_NOOP("ModalityEditor", "Flat from, s"),
     QT_TRANSLATE_NOOP("ModalityEditor",
                       "A value that stays the same for less than this is not flat")),
    ("max_saturated_share", QT_TRANSLATE_NOOP("ModalityEditor", "At the limits, share"),
     QT_TRANSLATE_NOOP("ModalityEditor",
                       "Largest share of samples on the device's limits; 1 turns the check off")),
    ("min_channels_share", QT_TRANSLATE_NOOP("ModalityEditor", "Channels, share"),
     QT_TRANSLATE_NOOP("ModalityEditor",
                       "The modality is present when at least this share of its channels is")),
)  # fmt: skip


class ModalityEditor(QWidget):
    """Edits everything that a run file can say about a modality."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._filling = False
        self.name = QLineEdit()
        self.kind = QComboBox()
        self.kind.addItem(self.tr("by its name"), None)
        for kind in get_args(Kind):
            self.kind.addItem(kind, kind)
        self.rate = NumberEdit(
            self.tr("Rate"),
            self.tr("Samples a second of this modality; empty: as most recordings have (Alt+R)"),
            above=0,
        )
        self.unit = QLineEdit()
        self.unit.setMaximumWidth(110)
        self.low = NumberEdit(self.tr("Filter from"), self.tr("Lower edge of the band in Hz"),
                              above=0)  # fmt: skip
        self.high = NumberEdit(self.tr("Filter to"), self.tr("Upper edge of the band in Hz"),
                               above=0)  # fmt: skip
        self.notch = NumberEdit(self.tr("Notch"), self.tr("Mains frequency to take out, in Hz"),
                                above=0)  # fmt: skip
        self.scaling = QComboBox()
        self.scaling.addItem(self.tr("by the training subjects"), "train")
        self.scaling.addItem(self.tr("by each window itself"), "window")
        self.scaling.addItem(self.tr("not at all"), "none")
        self.average = QCheckBox(self.tr("Subtract the &average over the channels"))
        describe(self.average, self.tr("Average reference"),
                 self.tr("Subtract the mean over the channels from each (Alt+A)"))  # fmt: skip

        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 4, 0)
        add_row(form, self.tr("Na&me"), self.name,
                self.tr("Letters, digits and _ (Alt+M)"))  # fmt: skip
        add_row(form, self.tr("M&easures"), self.kind,
                self.tr("What kind of signal it is (Alt+E)"))  # fmt: skip
        self._pair(form, self.tr("&Rate, Hz"), self.rate, self.tr("unit"), self.unit)
        describe(
            self.unit,
            self.tr("Unit"),
            self.tr("Recordings in a multiple of it are converted, such as mV for uV"),
        )
        self._pair(form, self.tr("&Band, Hz"), self.low, self.tr("to"), self.high)
        add_row(form, self.tr("Notc&h, Hz"), self.notch, self.notch.toolTip())
        add_row(form, self.tr("Sca&led"), self.scaling,
                self.tr("By what mean and deviation samples are divided (Alt+L)"))  # fmt: skip
        form.addRow("", self.average)
        form.addRow(self._channels_part())
        form.addRow(self._detection_part())

        for line in (self.name, self.unit, self.source):
            line.editingFinished.connect(self._tell)
        for number in (self.rate, self.low, self.high, self.notch):
            number.changed.connect(self._tell)
        for box in (self.kind, self.scaling):
            box.activated.connect(self._tell)
        self.average.toggled.connect(self._tell)
        self._shown: ModalityConfig | None = None

    # -- parts

    def _pair(
        self, form: QFormLayout, title: str, first: QWidget, between: str, second: QWidget
    ) -> None:
        row = QWidget()
        beside = QHBoxLayout(row)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addWidget(first)
        word = QLabel(between)
        word.setBuddy(second)
        beside.addWidget(word)
        beside.addWidget(second)
        beside.addStretch(1)
        tip = first.toolTip()
        label = add_row(form, title, row, tip)
        label.setBuddy(first)
        describe(first, first.accessibleName() or title.replace("&", ""), tip)

    def _channels_part(self) -> QWidget:
        self.channels = _ChannelTable(0, 3)
        self.channels.setHorizontalHeaderLabels(
            [self.tr("Names, the first found counts"), self.tr("Minus"), self.tr("Source")]
        )
        header = self.channels.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.resizeSection(1, 80)
        header.resizeSection(2, 60)
        self.channels.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        self.channels.setMinimumHeight(130)
        describe(
            self.channels,
            self.tr("Channels"),
            self.tr(
                "One row per channel: names apart by commas, * and ? allowed; names of the "
                "channel to subtract; only of this source. Delete removes a row"
            ),
        )
        self.add_channel = QPushButton(self.tr("Add a cha&nnel"))
        self.remove_channel = QPushButton(self.tr("Remove"))
        self.source = QLineEdit()
        self.source.setMaximumWidth(110)
        describe(self.add_channel, self.tr("Add a channel"), self.tr("Add a row (Alt+N)"))
        describe(self.remove_channel, self.tr("Remove the channel"),
                 self.tr("Remove the row (Delete)"))  # fmt: skip
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(16, 0, 0, 0)
        column.addWidget(self.channels)
        row = QHBoxLayout()
        for button in (self.add_channel, self.remove_channel):
            button.setAutoDefault(False)
            row.addWidget(button)
        row.addStretch(1)
        column.addLayout(row)
        form = QFormLayout()
        add_row(form, self.tr("All from so&urce"), self.source,
                self.tr("Only channels of this source, such as phone (Alt+U)"))  # fmt: skip
        column.addLayout(form)
        self.channels.cellChanged.connect(self._tell)
        self.channels.delete_pressed.connect(self._on_remove)
        self.add_channel.clicked.connect(self._on_add)
        self.remove_channel.clicked.connect(self._on_remove)
        self.channels_section = Section(
            self.tr("Channels, derivations and other names"), content,
            self.tr("Names by which channels are found, and what is subtracted from them"),
        )  # fmt: skip
        return self.channels_section

    def _detection_part(self) -> QWidget:
        content = QWidget()
        form = QFormLayout(content)
        form.setContentsMargins(16, 0, 0, 0)
        self.detection: dict[str, NumberEdit] = {}
        for key, title, tip in _DETECTION:
            edit = NumberEdit(self.tr(title), self.tr(tip), least=0)
            add_row(form, self.tr(title), edit, self.tr(tip))
            edit.changed.connect(self._tell)
            self.detection[key] = edit
        self.valid_low = NumberEdit(
            self.tr("Valid from"), self.tr("Values below are missing: a sensor off the body")
        )
        self.valid_high = NumberEdit(
            self.tr("Valid to"), self.tr("Values above are missing: a sensor off the body")
        )
        self._pair(form, self.tr("Valid values"), self.valid_low, self.tr("to"), self.valid_high)
        for edit in (self.valid_low, self.valid_high):
            edit.changed.connect(self._tell)
        self.detection_section = Section(
            self.tr("Advanced: when it counts as missing"), content,
            self.tr("Empty fields are filled in by what the modality measures"),
        )  # fmt: skip
        return self.detection_section

    # -- values

    def set_modality(self, modality: ModalityConfig, settled: ModalityConfig | None) -> None:
        """Show a modality; `settled` tells what stands for the values it leaves open."""
        stand_in = settled.detection if settled is not None else DetectionConfig()
        for key, edit in self.detection.items():
            edit.setPlaceholderText(f"{getattr(stand_in, key):g}")
        rate = settled.rate_hz if settled is not None else None
        self.rate.setPlaceholderText(f"{rate:g}" if rate else "")
        self.unit.setPlaceholderText(settled.unit or "" if settled is not None else "")
        if modality == self._shown:
            return  # somebody may be typing the next thing
        self._filling = True
        self._shown = modality
        put(self.name, modality.name)
        choose(self.kind, modality.kind)
        self.rate.set_value(modality.rate_hz)
        put(self.unit, modality.unit or "")
        self.low.set_value(modality.filter.low_hz)
        self.high.set_value(modality.filter.high_hz)
        self.notch.set_value(modality.filter.notch_hz)
        choose(self.scaling, modality.scaling)
        self.average.setChecked(modality.average_reference)
        put(self.source, modality.source or "")
        # Rows that hold just this are left alone: somebody may be typing in them.
        if self._said_channels() != [channel.model_dump() for channel in modality.channels]:
            self.channels.setRowCount(0)
            for channel in modality.channels:
                self._add_row(channel)
        given = modality.detection.model_dump(include=modality.detection.model_fields_set)
        for key, edit in self.detection.items():
            edit.set_value(given.get(key))
        low, high = modality.detection.valid_range or (None, None)
        self.valid_low.set_value(low)
        self.valid_high.set_value(high)
        self._filling = False

    def says(self, modality: ModalityConfig | None) -> None:
        """What stands in the fields is this modality; None where it is none that can be kept."""
        self._shown = modality

    def said(self) -> dict[str, Any]:
        """The modality as a run file has it. Raises ValueError in words."""
        detection: dict[str, Any] = {
            key: edit.value() for key, edit in self.detection.items() if edit.value() is not None
        }
        low, high = self.valid_low.value(), self.valid_high.value()
        if (low is None) != (high is None):
            raise ValueError(self.tr("Valid values need a lower and an upper end, or neither."))
        if low is not None and high is not None:
            detection["valid_range"] = (low, high)
        values: dict[str, Any] = {
            "name": self.name.text().strip(),
            "kind": self.kind.currentData(),
            "rate_hz": self.rate.value(),
            "unit": self.unit.text().strip() or None,
            "source": self.source.text().strip() or None,
            "average_reference": self.average.isChecked(),
            "filter": {
                "low_hz": self.low.value(),
                "high_hz": self.high.value(),
                "notch_hz": self.notch.value(),
            },
            "scaling": self.scaling.currentData(),
            "channels": self._said_channels(),
        }
        if detection:
            values["detection"] = detection
        return values

    def _said_channels(self) -> list[dict[str, Any]]:
        channels = []
        for row in range(self.channels.rowCount()):
            match, minus, source = (self._cell(row, column) for column in range(3))
            names = [name.strip() for name in match.split(",") if name.strip()]
            if names:
                less = [name.strip() for name in minus.split(",") if name.strip()]
                channels.append({"match": names, "minus": less or None, "source": source or None})
        return channels

    def _cell(self, row: int, column: int) -> str:
        item = self.channels.item(row, column)
        return item.text().strip() if item is not None else ""

    # -- channels

    def _add_row(self, channel: ChannelConfig | None) -> None:
        row = self.channels.rowCount()
        self.channels.insertRow(row)
        texts = ("", "", "")
        if channel is not None:
            texts = (", ".join(channel.match), ", ".join(channel.minus or ()), channel.source or "")
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            item.setToolTip(text)
            self.channels.setItem(row, column, item)

    def _on_add(self) -> None:
        self._filling = True
        self._add_row(None)
        self._filling = False
        item = self.channels.item(self.channels.rowCount() - 1, 0)
        self.channels.setCurrentItem(item)
        self.channels.setFocus()
        self.channels.editItem(item)

    def _on_remove(self) -> None:
        row = self.channels.currentRow()
        if row >= 0:
            self.channels.removeRow(row)
            self._tell()

    def _tell(self) -> None:
        if not self._filling:
            self.changed.emit()


class _ChannelTable(QTableWidget):
    """A table whose rows go with the Delete key."""

    delete_pressed = Signal()

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__(rows, columns)
        self.setTabKeyNavigation(False)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Delete:
            self.delete_pressed.emit()
        else:
            super().keyPressEvent(event)
