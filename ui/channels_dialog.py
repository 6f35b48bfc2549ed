"""Editing the montage: which channels are drawn, in which order, against what, and filtered how."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractTableModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from PySide6.QtGui import QDropEvent, QIcon, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGroupBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QRadioButton,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from core.errors import ConfigError
from core.montage import DisplayChannel, Montage, TraceSettings, display_channels, montage_for
from core.progress import RunContext
from core.recording import Recording
from ui.icons import icon, keep_icon
from ui.jobs import LatestJob
from ui.label_palette import class_chip
from ui.messages import show_error
from ui.time_plot import class_colour
from ui.wizard_page import SEEN_BOXES

if TYPE_CHECKING:
    from core.modalities import ModalityScheme

NAME, CHANNEL, MINUS, AVERAGE, MODALITY = range(5)
LOW, HIGH, NOTCH, INVERTED, SENSITIVITY, ABOUT = range(5, 11)
_CHECKED = {NAME: "hidden", AVERAGE: "average_reference", INVERTED: "inverted"}
_NUMBERS = {LOW: "low_hz", HIGH: "high_hz", NOTCH: "notch_hz", SENSITIVITY: "sensitivity"}
_NAMES = {CHANNEL: "channel", MINUS: "minus"}

AASM_FILTERS = {
    "eeg": (0.3, 35.0),
    "eog": (0.3, 35.0),
    "emg": (10.0, 100.0),
    "ecg": (0.3, 70.0),
    "resp": (0.1, 15.0),
}
"""Filters for display by what is measured, Hz, as the AASM manual has them."""
_ELECTRODE = re.compile(r"(?:fp|af|f|ft|fc|c|cp|t|tp|p|po|o)(?:z|\d{1,2})\b", re.IGNORECASE)
"""Names by the 10-20 system, such as C3-M2."""
_VOLTAGES = frozenset({"eeg", "eog", "emg", "ecg"})
Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class _Choice:
    """A channel of the recording, as it is offered."""

    text: str
    label: str
    source: str
    number: int


class ChannelsDialog(QDialog):
    """Takes a montage and gives back others; the window behind it stays usable."""

    montage_chosen = Signal(object, bool)
    """A Montage, and whether it is for the whole study (else for this recording)."""

    def __init__(
        self,
        recording: Recording,
        montage: Montage,
        scheme: ModalityScheme | None = None,
        why_not_study: str = "",
        parent: QWidget | None = None,
    ) -> None:
        """`scheme`: the modalities, for the preset and to choose from. `why_not_study`: why the
        montage cannot be kept for the whole study; empty where it can."""
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Channels and montage"))
        self.resize(1000, 640)
        self._recording = recording
        self._scheme = scheme
        self._looking = LatestJob(self)
        self._looking.succeeded.connect(self._take_look)
        self._looking.failed.connect(self._fail)
        self._making = LatestJob(self)
        self._making.succeeded.connect(self._take_montage)
        self._making.failed.connect(self._fail)

        self.model = MontageModel(recording, scheme, self)
        self.table = _Table()
        self.table.setStyleSheet(SEEN_BOXES)
        self.table.setModel(self.model)
        self.table.setAccessibleName(self.tr("Traces, from top to bottom"))
        self.table.setItemDelegate(_Delegate(self.model, self.table))
        self.model.targets = self.table.rows_with
        self.model.changed.connect(self._on_change)
        self.model.refused.connect(self._on_refused)
        self.table.moved.connect(self._move)
        self.table.dropped.connect(self._drop)
        self.table.selectionModel().selectionChanged.connect(self._on_selection)

        self.add = _button(
            self.tr("&Add"), self.tr("A further trace, like the chosen one (Alt+A)"), self._add
        )
        self.remove = _button(
            self.tr("&Remove"), self.tr("Take the chosen traces out (Alt+R, Del)"), self._remove
        )
        self.up = _button(
            self.tr("Up"), self.tr("Draw the chosen traces higher (Alt+Up)"),
            partial(self._move, -1)
        )  # fmt: skip
        self.down = _button(
            self.tr("Down"), self.tr("Draw the chosen traces lower (Alt+Down)"),
            partial(self._move, 1)
        )  # fmt: skip
        keep_icon(self.remove, "remove")
        self.as_recorded = _button(
            self.tr("As re&corded"),
            self.tr("Every channel in the order of the file, unfiltered (Alt+C)"),
            partial(self._make, None),
        )
        self.by_modality = _button(
            self.tr("By &modality"),
            self.tr("The study's modalities with their derivations, then what is left (Alt+M)"),
            partial(self._make, scheme),
        )
        self.by_modality.setEnabled(scheme is not None)
        if scheme is None:
            self.by_modality.setToolTip(self.tr("No modality fits this recording."))
        edit = QHBoxLayout()
        for button in (self.add, self.remove, self.up, self.down):
            edit.addWidget(button)
        edit.addStretch(1)
        edit.addWidget(QLabel(self.tr("Start from")))
        edit.addWidget(self.as_recorded)
        edit.addWidget(self.by_modality)

        self.filters: dict[str, QPushButton] = {}
        filters = QHBoxLayout()
        for kind, (low, high) in AASM_FILTERS.items():
            band = self.tr("{kind} {low}–{high} Hz").format(
                kind=kind.upper() if kind != "resp" else self.tr("Breathing"),
                low=f"{low:g}",
                high=f"{high:g}",
            )
            self.filters[kind] = _button(
                band,
                self.tr("Give all traces of this kind the filter of the AASM manual"),
                partial(self._filter, kind, low, high),
            )
        self.filters["mains50"] = _button(
            self.tr("Without &50 Hz"),
            self.tr("Take the mains out of all voltages: Europe, most of Asia (Alt+5)"),
            partial(self._notch, 50.0),
        )
        self.filters["mains60"] = _button(
            self.tr("Without &60 Hz"),
            self.tr("Take the mains out of all voltages: the Americas (Alt+6)"),
            partial(self._notch, 60.0),
        )
        self.filters["none"] = _button(
            self.tr("&No filters"), self.tr("Draw everything unfiltered (Alt+N)"), self._unfilter
        )
        for button in self.filters.values():
            filters.addWidget(button)
        filters.addStretch(1)
        filter_group = QGroupBox(self.tr("Filters, for all traces of a kind at once"))
        filter_group.setLayout(filters)

        self.here = QRadioButton(self.tr("for &this recording"))
        self.everywhere = QRadioButton(self.tr("for all recordings of the &study"))
        self.here.setToolTip(self.tr("Until another recording is opened (Alt+T)"))
        self.everywhere.setToolTip(
            why_not_study or self.tr("Kept with the study, for everybody who opens it (Alt+S)")
        )
        self.everywhere.setEnabled(not why_not_study)
        (self.here if why_not_study else self.everywhere).setChecked(True)
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        self.problem.setMinimumHeight(2 * self.fontMetrics().lineSpacing())
        self._buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok
            | QDialogButtonBox.StandardButton.Apply
            | QDialogButtonBox.StandardButton.Cancel
        )
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        self.apply_button = self._buttons.button(QDialogButtonBox.StandardButton.Apply)
        self.apply_button.setToolTip(self.tr("Draw it so, and stay here"))
        self.apply_button.clicked.connect(self.apply)
        foot = QHBoxLayout()
        foot.addWidget(self.here)
        foot.addWidget(self.everywhere)
        foot.addStretch(1)
        foot.addWidget(self._buttons)
        says = QLabel(
            self.tr(
                "A change in one of several chosen lines is made in all of them. An empty number "
                "means no filter, or a sensitivity chosen from the signal."
            )
        )
        says.setWordWrap(True)
        column = QVBoxLayout(self)
        column.addWidget(says)
        column.addWidget(self.table, 1)
        column.addLayout(edit)
        column.addWidget(filter_group)
        column.addWidget(self.problem)
        column.addLayout(foot)
        self.model.set_traces(montage.traces)
        self.table.fit()
        self._take_palette()
        if self.model.rowCount():
            self.table.setCurrentIndex(self.model.index(0, NAME))
        self.table.setFocus()

    # -- the result

    def montage(self) -> Montage:
        """The montage as it stands. Raises ConfigError that says what is wrong."""
        for trace in self.model.traces:
            if not trace.name.strip():
                raise ConfigError(self.tr("A trace needs a name."))
            low, high = trace.low_hz, trace.high_hz
            if low is not None and high is not None and low >= high:
                raise ConfigError(
                    self.tr(
                        "{name}: the filter's lower edge ({low} Hz) must be below the upper one "
                        "({high} Hz)."
                    ).format(name=trace.name, low=f"{low:g}", high=f"{high:g}")
                )
        return Montage(tuple(self.model.traces))

    def apply(self) -> bool:
        """Offer the montage; False where it cannot be one yet."""
        self.table.setFocus()  # what is being typed counts
        try:
            montage = self.montage()
        except ConfigError as error:
            self.problem.setText(str(error))
            return False
        self.montage_chosen.emit(montage, self.everywhere.isChecked())
        return True

    def accept(self) -> None:
        if self.apply():
            super().accept()

    def done(self, result: int) -> None:
        self._looking.shut_down()
        self._making.shut_down()
        super().done(result)

    # -- editing

    def _add(self) -> None:
        rows = self.table.chosen_rows()
        self.table.choose([self.model.add(rows[-1] if rows else self.model.rowCount() - 1)])

    def _remove(self) -> None:
        rows = self.table.chosen_rows()
        if rows:
            self.model.remove(rows)
            self.table.choose([min(rows[0], self.model.rowCount() - 1)])

    def _move(self, by: int) -> None:
        if by == 0:
            self._remove()
            return
        self.table.choose(self.model.move(self.table.chosen_rows(), by))

    def _drop(self, before: int) -> None:
        self.table.choose(self.model.move_before(self.table.chosen_rows(), before))

    def _filter(self, kind: str, low_hz: float, high_hz: float) -> None:
        self.model.change_all(lambda trace: kind_of(trace) == kind, low_hz=low_hz, high_hz=high_hz)

    def _notch(self, hz: float) -> None:
        self.model.change_all(lambda trace: kind_of(trace) in _VOLTAGES, notch_hz=hz)

    def _unfilter(self) -> None:
        self.model.change_all(lambda trace: True, low_hz=None, high_hz=None, notch_hz=None)

    def _make(self, scheme: ModalityScheme | None) -> None:
        self._making.start(partial(_make_montage, self._recording, scheme))

    def _take_montage(self, montage: Montage) -> None:
        self.model.set_traces(montage.traces)
        self.table.choose([0])

    # -- showing

    def _on_change(self) -> None:
        kinds = {kind_of(trace) for trace in self.model.traces}
        for kind in AASM_FILTERS:
            self.filters[kind].setVisible(kind in kinds)
        for name in ("mains50", "mains60"):
            self.filters[name].setVisible(bool(kinds & _VOLTAGES))
        ok = self._buttons.button(QDialogButtonBox.StandardButton.Ok)
        try:
            montage = self.montage()
        except ConfigError as error:
            self.problem.setText(str(error))
            ok.setEnabled(False)
            self.apply_button.setEnabled(False)
            return
        ok.setEnabled(True)
        self.apply_button.setEnabled(True)
        self.problem.setText("")
        self._looking.start(partial(_look, montage, self._recording))

    def _on_refused(self, text: str) -> None:
        self.problem.setText(text)

    def _on_selection(self) -> None:
        rows = self.table.chosen_rows()
        self.remove.setEnabled(bool(rows))
        self.up.setEnabled(bool(rows) and rows[0] > 0)
        self.down.setEnabled(bool(rows) and rows[-1] < self.model.rowCount() - 1)

    def _take_look(self, channels: dict[str, DisplayChannel]) -> None:
        self.model.set_channels(channels)

    def _fail(self, error: BaseException) -> None:
        show_error(error, self)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "model"):
            self._take_palette()

    def _take_palette(self) -> None:
        self.model.set_warning(icon("warning", self.palette()))


class MontageModel(QAbstractTableModel):
    """The traces of a montage as a table that can be edited."""

    changed = Signal()
    refused = Signal(str)
    """What was typed is no value there; why, in words."""

    def __init__(
        self, recording: Recording, scheme: ModalityScheme | None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.traces: list[TraceSettings] = []
        self.choices = _choices(recording)
        self.targets: Callable[[int], list[int]] = lambda row: [row]
        """The rows that a change in one row is made in."""
        self._scheme_names = scheme.names if scheme is not None else ()
        self._channels: dict[str, DisplayChannel] = {}
        self._seen = False
        self._warning = QIcon()

    # -- changes

    def set_traces(self, traces: Sequence[TraceSettings]) -> None:
        self.beginResetModel()
        self.traces = list(traces)
        self._seen = False
        self.endResetModel()
        self.changed.emit()

    def set_channels(self, channels: dict[str, DisplayChannel]) -> None:
        """Say what the recording has for the traces, by their names."""
        self._channels, self._seen = channels, True
        # This column alone: with a change of its cell, Qt would undo what is being typed there.
        self._redraw(ABOUT)

    def set_warning(self, warning: QIcon) -> None:
        self._warning = warning

    def change_all(self, wanted: Callable[[TraceSettings], bool], **values: Any) -> None:
        """Give all traces that are wanted other settings."""
        self.traces = [replace(t, **values) if wanted(t) else t for t in self.traces]
        self._redraw()
        self.changed.emit()

    def add(self, like: int) -> int:
        """Add a trace below one that it is like, under a name of its own; returns where."""
        place = like + 1
        if 0 <= like < len(self.traces):
            model = self.traces[like]
        elif self.choices:
            first = self.choices[0]
            model = TraceSettings(first.text, (first.label,), first.source, first.number)
        else:
            model, place = TraceSettings(self.tr("Trace"), (self.tr("channel"),)), 0
        names = {trace.name for trace in self.traces}
        name, number = model.name, 2
        while name in names:
            name, number = f"{model.name} ({number})", number + 1
        self.beginInsertRows(QModelIndex(), place, place)
        self.traces.insert(place, replace(model, name=name))
        self.endInsertRows()
        self.changed.emit()
        return place

    def remove(self, rows: Sequence[int]) -> None:
        gone = set(rows)
        self.set_traces([t for row, t in enumerate(self.traces) if row not in gone])

    def move(self, rows: Sequence[int], by: int) -> list[int]:
        """Move rows up (-1) or down (1) by one place; returns where they are now."""
        if not rows or min(rows) + by < 0 or max(rows) + by >= len(self.traces):
            return list(rows)
        return self.move_before(rows, min(rows) - 1 if by < 0 else max(rows) + 2)

    def move_before(self, rows: Sequence[int], before: int) -> list[int]:
        """Move rows in front of another one; returns where they are now."""
        chosen = set(rows)
        moved = [self.traces[row] for row in sorted(chosen)]
        head = [t for row, t in enumerate(self.traces) if row < before and row not in chosen]
        tail = [t for row, t in enumerate(self.traces) if row >= before and row not in chosen]
        self.traces = [*head, *moved, *tail]
        self._redraw()
        self.changed.emit()
        return list(range(len(head), len(head) + len(moved)))

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        if not index.isValid():
            return False
        row, column = index.row(), index.column()
        try:
            values = self._values(self.traces[row], column, value, role)
        except ConfigError as error:
            self.refused.emit(str(error))
            return False
        if values is None:
            return False
        # Names and channels are each trace's own.
        rows = [row] if column in (NAME, CHANNEL) and "name" in values else self.targets(row)
        rows = [row] if column == CHANNEL else rows
        for each in rows:
            self.traces[each] = replace(self.traces[each], **values)
        self._redraw()
        self.changed.emit()
        return True

    def _values(
        self, trace: TraceSettings, column: int, value: Any, role: int
    ) -> dict[str, Any] | None:
        """The settings that a cell's new value means; None for nothing new."""
        if role == Qt.ItemDataRole.CheckStateRole and column in _CHECKED:
            checked = Qt.CheckState(value) == Qt.CheckState.Checked
            return {_CHECKED[column]: not checked if column == NAME else checked}
        if role != Qt.ItemDataRole.EditRole:
            return None
        text = str(value).strip()
        if text == self._edited(trace, column):
            return None
        if column == NAME:
            return {"name": text}
        if column in _NUMBERS:
            return {_NUMBERS[column]: self._number(text)}
        if column in _NAMES:
            return self._names(column, text)
        if column == MODALITY:
            kinds = [t.kind for t in self.traces if t.modality == text and t.kind]
            return {"modality": text, "kind": kinds[0] if text and kinds else ""}
        return None

    def _number(self, text: str) -> float | None:
        bare = text.replace(",", ".").removesuffix("Hz").strip()
        if not bare:
            return None
        try:
            number = float(bare)
        except ValueError:
            number = -1.0
        if not 0 < number < float("inf"):
            raise ConfigError(
                self.tr("'{text}' is no number above 0; leave it empty for none.").format(text=text)
            )
        return number

    def _names(self, column: int, text: str) -> dict[str, Any]:
        choice = next((c for c in self.choices if c.text == text), None)
        if column == MINUS:
            label = (choice.label,) if choice is not None else _split(text)
            return {"minus": label}
        if choice is not None:
            values = {"channel": (choice.label,), "source": choice.source, "number": choice.number}
            return values
        names = _split(text)
        if not names:
            raise ConfigError(self.tr("A trace needs a channel."))
        return {"channel": names, "source": "", "number": 0}

    # -- Qt asks

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.traces)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else ABOUT + 1

    def flags(self, index: Index) -> Qt.ItemFlag:
        flags = super().flags(index)
        if not index.isValid():
            return flags | Qt.ItemFlag.ItemIsDropEnabled
        flags |= Qt.ItemFlag.ItemIsDragEnabled
        if index.column() in _CHECKED:
            flags |= Qt.ItemFlag.ItemIsUserCheckable
        if index.column() not in (AVERAGE, INVERTED, ABOUT):
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def supportedDropActions(self) -> Qt.DropAction:
        return Qt.DropAction.MoveAction

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._titles[section][0]
        return self._titles[section][1] if role == Qt.ItemDataRole.ToolTipRole else None

    @cached_property
    def _titles(self) -> dict[int, tuple[str, str]]:
        """Heading and tooltip of each column."""
        return {
            NAME: (self.tr("Trace"), self.tr("Ticked traces are drawn; F2 renames (Space ticks)")),
            CHANNEL: (self.tr("Channel"), self.tr("Several names: the first that is there")),
            MINUS: (self.tr("Minus"), self.tr("The channel that is subtracted (derivation)")),
            AVERAGE: (
                self.tr("Avg"),
                self.tr("Subtract the mean of the modality's traces that have this tick"),
            ),
            MODALITY: (self.tr("Modality"), self.tr("Gives the colour, and the group")),
            LOW: (self.tr("From Hz"), self.tr("Lower edge of the filter; empty for none")),
            HIGH: (self.tr("To Hz"), self.tr("Upper edge of the filter; empty for none")),
            NOTCH: (self.tr("Notch Hz"), self.tr("Frequency to take out, as of the mains")),
            INVERTED: (self.tr("Neg. up"), self.tr("Draw negative values upwards")),
            SENSITIVITY: (
                self.tr("Sensitivity"),
                self.tr("Units over the height of a lane; empty: from the signal"),
            ),
            ABOUT: (self.tr("Recorded"), self.tr("Unit and rate of the channel")),
        }

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        trace, column = self.traces[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._shown(trace, column)
        if role == Qt.ItemDataRole.EditRole:
            return self._edited(trace, column)
        if role == Qt.ItemDataRole.CheckStateRole and column in _CHECKED:
            value = bool(getattr(trace, _CHECKED[column]))
            checked = not value if column == NAME else value
            return Qt.CheckState.Checked if checked else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.DecorationRole:
            if column == MODALITY and trace.modality:
                return class_chip(class_colour(self._modalities().index(trace.modality)).name())
            return self._warning if column == ABOUT and self._problem(trace) else None
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._says(trace, column)
        if role == Qt.ItemDataRole.TextAlignmentRole and column in _NUMBERS:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.AccessibleTextRole and column in _CHECKED:
            return self.headerData(column, Qt.Orientation.Horizontal)
        return None

    def modality_names(self) -> list[str]:
        """Modalities to choose from."""
        return list(dict.fromkeys((*self._scheme_names, *self._modalities())))

    # -- parts

    def _shown(self, trace: TraceSettings, column: int) -> str | None:
        if column in _NAMES:
            names = getattr(trace, _NAMES[column])
            if column == CHANNEL:
                chosen = self._choice_of(trace)
                first = chosen.text if chosen is not None else names[0]
            else:
                first = names[0] if names else ""
            return f"{first} …" if len(names) > 1 else first
        if column == ABOUT:
            channel = self._channels.get(trace.name)
            if not self._seen:
                return ""
            if channel is None or channel.absent:
                return self.tr("not there")
            return " ".join(part for part in (f"{channel.rate_hz:g} Hz", channel.unit) if part)
        return self._edited(trace, column)

    def _edited(self, trace: TraceSettings, column: int) -> str | None:
        """The text that an editor of the cell starts with."""
        if column == NAME:
            return trace.name
        if column == MODALITY:
            return trace.modality
        if column in _NUMBERS:
            value = getattr(trace, _NUMBERS[column])
            return "" if value is None else f"{value:g}"
        if column == CHANNEL and len(trace.channel) == 1:
            chosen = self._choice_of(trace)
            return chosen.text if chosen is not None else trace.channel[0]
        return ", ".join(getattr(trace, _NAMES[column])) if column in _NAMES else None

    def _choice_of(self, trace: TraceSettings) -> _Choice | None:
        """The offered channel that a trace names first."""
        wanted = (trace.channel[0], trace.source, trace.number)
        return next((c for c in self.choices if (c.label, c.source, c.number) == wanted), None)

    def _problem(self, trace: TraceSettings) -> str:
        if not self._seen:
            return ""
        channel = self._channels.get(trace.name)
        if channel is None or channel.absent:
            return self.tr("This recording has no channel {names}.").format(
                names=" / ".join(trace.channel[:6])
            )
        return channel.problem

    def _says(self, trace: TraceSettings, column: int) -> str:
        if column in _NAMES and len(getattr(trace, _NAMES[column])) > 1:
            return self.tr("The first of these that a recording has: {names}").format(
                names=", ".join(getattr(trace, _NAMES[column]))
            )
        return self._problem(trace) or str(
            self.headerData(column, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
        )

    def _modalities(self) -> list[str]:
        return list(dict.fromkeys(t.modality for t in self.traces if t.modality))

    def _redraw(self, first: int = 0) -> None:
        if self.traces:
            last = self.index(len(self.traces) - 1, ABOUT)
            self.dataChanged.emit(self.index(0, first), last)


class _Delegate(QStyledItemDelegate):
    """Offers channels and modalities where they are edited."""

    def __init__(self, model: MontageModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._model = model

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        offered = {
            CHANNEL: [choice.text for choice in self._model.choices],
            MINUS: ["", *(choice.text for choice in self._model.choices)],
            MODALITY: ["", *self._model.modality_names()],
            NOTCH: ["", "50", "60"],
        }.get(index.column())
        if offered is None:
            editor = super().createEditor(parent, option, index)
            editor.setAccessibleName(self._title(index))
            return editor
        box = QComboBox(parent)
        box.setEditable(True)
        box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        box.addItems(offered)
        box.setAccessibleName(self._title(index))
        return box

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        if isinstance(editor, QComboBox):
            text = index.data(Qt.ItemDataRole.EditRole)
            editor.setCurrentIndex(editor.findText(text))
            editor.setEditText(text)
            editor.lineEdit().selectAll()
        else:
            super().setEditorData(editor, index)

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: Index) -> None:
        if isinstance(editor, QComboBox):
            model.setData(index, editor.currentText(), Qt.ItemDataRole.EditRole)
        else:
            super().setModelData(editor, model, index)

    def _title(self, index: Index) -> str:
        return str(self._model.headerData(index.column(), Qt.Orientation.Horizontal))


class _Table(QTableView):
    """A table whose lines are chosen, moved by keys, and dragged."""

    moved = Signal(int)
    """Move the chosen lines up (-1) or down (1); 0: take them out."""
    dropped = Signal(int)
    """The chosen lines were dragged in front of this one."""

    def __init__(self) -> None:
        super().__init__()
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
            | QAbstractItemView.EditTrigger.AnyKeyPressed
        )
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setDragEnabled(True)
        self.setAcceptDrops(True)
        self.setDropIndicatorShown(True)
        self.setDragDropOverwriteMode(False)
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().lineSpacing() + 10)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setStretchLastSection(True)

    def fit(self) -> None:
        """Columns as wide as what they hold, within reason."""
        header = self.horizontalHeader()
        metrics = self.fontMetrics()
        for column in range(self.model().columnCount()):
            title = self.model().headerData(column, Qt.Orientation.Horizontal)
            least = metrics.horizontalAdvance(str(title)) + 16
            width = max(least, min(self.sizeHintForColumn(column), 190))
            if column in (MINUS, MODALITY):
                width = max(width, 110)
            header.resizeSection(column, width + 6)

    def chosen_rows(self) -> list[int]:
        """Chosen rows, rising."""
        return sorted(index.row() for index in self.selectionModel().selectedRows())

    def rows_with(self, row: int) -> list[int]:
        """The chosen rows where this one is among them, else this one."""
        rows = self.chosen_rows()
        return rows if row in rows else [row]

    def choose(self, rows: Sequence[int]) -> None:
        """Choose rows; the first becomes the current one, in the column as before."""
        rows = [row for row in rows if 0 <= row < self.model().rowCount()]
        if not rows:
            return
        column = max(self.currentIndex().column(), 0)
        self.setCurrentIndex(self.model().index(rows[0], column))
        selection = self.selectionModel()
        for row in rows[1:]:
            selection.select(
                self.model().index(row, 0),
                selection.SelectionFlag.Select | selection.SelectionFlag.Rows,
            )

    def keyPressEvent(self, event: QKeyEvent) -> None:
        alt = event.modifiers() == Qt.KeyboardModifier.AltModifier
        by = {
            (Qt.Key.Key_Up, True): -1,
            (Qt.Key.Key_Down, True): 1,
            (Qt.Key.Key_Delete, False): 0,
        }.get((Qt.Key(event.key()), alt))
        if by is not None:
            self.moved.emit(by)
            return
        super().keyPressEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Qt would write the dragged lines over others: the model moves them instead."""
        if event.source() is not self:
            event.ignore()
            return
        place = event.position().toPoint()
        index = self.indexAt(place)
        row = index.row() if index.isValid() else self.model().rowCount()
        if index.isValid() and place.y() > self.visualRect(index).center().y():
            row += 1
        event.setDropAction(Qt.DropAction.IgnoreAction)
        event.accept()
        self.dropped.emit(row)


# ---------------------------------------------------------------- parts


def kind_of(trace: TraceSettings) -> str:
    """What a trace measures: as set, or guessed from its modality or its name."""
    return trace.kind or _guessed(trace.modality or trace.name)


@lru_cache(maxsize=1024)
def _guessed(name: str) -> str:
    from core.kinds import guess_kind

    kind = guess_kind(name)
    return "eeg" if kind == "other" and _ELECTRODE.match(name) else kind


def _choices(recording: Recording) -> list[_Choice]:
    several = len(recording.sources) > 1
    choices = []
    for source in recording.sources:
        met: Counter[str] = Counter()
        for channel in source.file.channels:
            label = channel.label.strip()
            text = f"{source.name}: {label}" if several else label
            if met[label]:
                text += f" ({met[label] + 1})"
            choices.append(_Choice(text, label, source.name if several else "", met[label]))
            met[label] += 1
    return choices


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _look(montage: Montage, recording: Recording, context: RunContext) -> dict[str, DisplayChannel]:
    del context
    return {channel.name: channel for channel in display_channels(montage, recording)}


def _make_montage(
    recording: Recording, scheme: ModalityScheme | None, context: RunContext
) -> Montage:
    del context
    return montage_for(recording, scheme)


def _button(text: str, tip: str, slot: Callable[..., None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAutoDefault(False)
    button.clicked.connect(lambda: slot())
    return button
