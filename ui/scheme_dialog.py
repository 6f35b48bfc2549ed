"""Editing what a study is labelled with: classes, their colours and keys, the length of epochs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QColorDialog,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.errors import ConfigError
from core.label_scheme import (
    BAD_SIGNAL,
    COLOURS,
    KINDS,
    ClassKind,
    LabelClass,
    LabelScheme,
    load_scheme,
    scheme_about,
    scheme_names,
)
from ui.icons import keep_icon
from ui.label_palette import class_chip

NAME, COLOUR, KEYS, KIND, LABELS = range(5)


@dataclass
class _Row:
    """A class as it is being edited; `was` is its name in the study, None for a new one."""

    name: str
    colour: str
    keys: str
    kind: ClassKind
    was: str | None = None


class SchemeDialog(QDialog):
    """Takes a label scheme and gives back another; classes that have labels cannot get lost."""

    scheme_accepted = Signal(object, object)
    """A LabelScheme, and a dict from names that classes had to the names that they have now."""

    def __init__(
        self, scheme: LabelScheme, counts: Mapping[str, int], parent: QWidget | None = None
    ) -> None:
        """`counts`: how many labels of all raters each class has, by name."""
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Label scheme"))
        self.resize(720, 600)
        self._before = scheme
        self._counts = dict(counts)
        self._refused = False
        self._filling = False
        self._rows = [_row_of(entry, entry.name) for entry in scheme.classes]
        self._kind_names = {
            "state": self.tr("state"),
            "event": self.tr("event"),
            "mark": self.tr("mark"),
        }

        says = QLabel(
            self.tr(
                "States exclude each other and fill epochs; events are stretches that may "
                "overlap; a mark is one moment of a recording."
            )
        )
        says.setWordWrap(True)
        self.preset = QComboBox()
        self.preset.setAccessibleName(self.tr("Preset"))
        for name in scheme_names():
            self.preset.addItem(name, name)
            self.preset.setItemData(
                self.preset.count() - 1, scheme_about(name), Qt.ItemDataRole.ToolTipRole
            )
        self.preset.setToolTip(self.tr("Ready-made schemes; the button takes one over (Alt+P)"))
        preset_says = QLabel(self.tr("&Preset"))
        preset_says.setBuddy(self.preset)
        self.take = QPushButton(self.tr("&Use it"))
        self.take.setToolTip(
            self.tr("Replace what is below by the preset; classes that have labels stay (Alt+U)")
        )
        self.take.setAutoDefault(False)
        self.take.clicked.connect(self._use_preset)
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.preset.currentIndexChanged.connect(self._show_about)

        self.table = _Table(0, 5)
        self.table.setAccessibleName(self.tr("Classes"))
        self.table.setHorizontalHeaderLabels(
            [
                self.tr("Name"),
                self.tr("Colour"),
                self.tr("Keys"),
                self.tr("Kind"),
                self.tr("Labels"),
            ]
        )
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
            | QAbstractItemView.EditTrigger.AnyKeyPressed
        )
        self.table.verticalHeader().setVisible(False)
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        for column in (COLOUR, KEYS, KIND, LABELS):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.table.itemChanged.connect(self._on_item)
        self.table.itemSelectionChanged.connect(self._on_selection)
        self.table.key_wanted.connect(self._on_key)

        self.add = self._button(self.tr("&Add"), self.tr("A new class (Alt+A, Ins)"), "add")
        self.remove = self._button(self.tr("&Remove"), "", "remove")
        self.up = self._button(
            self.tr("Up"), self.tr("Earlier in the list, and in palette and strip (Alt+Up)"), "up"
        )
        self.down = self._button(self.tr("Down"), self.tr("Later in the list (Alt+Down)"), "down")
        keep_icon(self.remove, "remove")
        side = QVBoxLayout()
        for button in (self.add, self.remove, self.up, self.down):
            side.addWidget(button)
        side.addStretch(1)
        middle = QHBoxLayout()
        middle.addWidget(self.table, 1)
        middle.addLayout(side)

        self.epoch = _Number(0.01, 86400, self.tr(" s"))
        self.epoch.setValue(scheme.epoch_s)
        self.ordered = QCheckBox(self.tr("&States have an order: draw them as steps (hypnogram)"))
        self.ordered.setToolTip(self.tr("The topmost state is drawn at the top (Alt+S)"))
        self.ordered.setChecked(scheme.ordered)
        self.page = _Number(0, 86400, self.tr(" s"), self.tr("as long as fits"))
        self.page.setValue(scheme.page_s or 0)
        self.guide = _Number(0, 100000, self.tr(" µV"), self.tr("none"))
        self.guide.setValue(scheme.guide_uv or 0)
        form = QFormLayout()
        for title, editor, tip in (
            (self.tr("&Epoch"), self.epoch,
             self.tr("Length of an epoch. Labels stay where they are when it changes (Alt+E)")),
            (self.tr("Pa&ge"), self.page,
             self.tr("What the window shows at first (Alt+G)")),
            (self.tr("Gu&ide lines at ±"), self.guide,
             self.tr("Lines in traces of voltage, as for slow waves of 75 µV (Alt+I)")),
        ):  # fmt: skip
            name = QLabel(title)
            name.setBuddy(editor)
            editor.setToolTip(tip)
            editor.setAccessibleName(title.replace("&", ""))
            form.addRow(name, editor)
            editor.valueChanged.connect(self._check)
        form.addRow(self.ordered)
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        self.problem.setMinimumHeight(2 * self.fontMetrics().lineSpacing())
        self._buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)

        presets = QHBoxLayout()
        presets.addWidget(preset_says)
        presets.addWidget(self.preset)
        presets.addWidget(self.take)
        presets.addWidget(self.about, 1)
        column = QVBoxLayout(self)
        column.addWidget(says)
        column.addLayout(presets)
        column.addLayout(middle, 1)
        column.addLayout(form)
        column.addWidget(self.problem)
        column.addWidget(self._buttons)
        self._show_about()
        self._fill(0)
        self.table.setFocus()

    # -- the result

    def scheme(self) -> LabelScheme:
        """The scheme as it stands. Raises ConfigError that says what is wrong."""
        classes = tuple(
            LabelClass(row.name, row.colour, _split(row.keys), row.kind) for row in self._rows
        )
        return LabelScheme(
            classes,
            self.epoch.value(),
            self.ordered.isChecked(),
            self.page.value() or None,
            self.guide.value() or None,
        )

    def renamed(self) -> dict[str, str]:
        """From names that classes had to those they have now, where they differ."""
        return {
            row.was: row.name for row in self._rows if row.was is not None and row.was != row.name
        }

    def show_problem(self, text: str) -> None:
        """Say why the scheme was refused; called while it is offered, it keeps the window open."""
        self.problem.setText(text)
        self._refused = True

    def accept(self) -> None:
        self._end_editing()
        self._check()
        if not self._ok().isEnabled():
            return
        self._refused = False
        self.scheme_accepted.emit(self.scheme(), self.renamed())
        if not self._refused:
            super().accept()

    # -- editing

    def add_class(self) -> None:
        """A new class at the end, with a free name, colour and key, ready to be renamed."""
        names = {row.name for row in self._rows}
        number = len(self._rows) + 1
        while (name := self.tr("class {number}").format(number=number)) in names:
            number += 1
        try:
            made = self.scheme().with_classes([name]).classes[-1]
        except ConfigError:  # while something else is wrong, without a key
            taken = {row.colour for row in self._rows}
            colour = next((c for c in COLOURS if c not in taken), COLOURS[0])
            made = LabelClass(name, colour)
        self._rows.append(_row_of(made, None))
        self._fill(len(self._rows) - 1)
        self.table.setFocus()
        self.table.editItem(self.table.item(len(self._rows) - 1, NAME))

    def remove_class(self) -> None:
        """Take the chosen class out, unless it has labels."""
        row = self.table.currentRow()
        if 0 <= row < len(self._rows) and not self._why_kept(self._rows[row]):
            del self._rows[row]
            self._fill(min(row, len(self._rows) - 1))

    def move(self, by: int) -> None:
        """Move the chosen class up (-1) or down (1)."""
        self._end_editing()
        row = self.table.currentRow()
        to = row + by
        if 0 <= row < len(self._rows) and 0 <= to < len(self._rows):
            self._rows[row], self._rows[to] = self._rows[to], self._rows[row]
            self._fill(to)

    def ask_colour(self, row: int) -> None:
        """Let the user choose a class's colour."""
        entry = self._rows[row]
        # What people with colour-blindness tell apart lies ready.
        for place, colour in enumerate(COLOURS):
            QColorDialog.setCustomColor(place, QColor(colour))
        dialog = QColorDialog(QColor(entry.colour), self)
        dialog.setWindowTitle(self.tr("Colour of {name}").format(name=entry.name))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.colorSelected.connect(lambda colour: self._take_colour(row, colour))
        dialog.open()

    def _take_colour(self, row: int, colour: QColor) -> None:
        self._rows[row].colour = colour.name().upper()
        self._fill(row)

    def _use_preset(self) -> None:
        self._end_editing()
        preset = load_scheme(self.preset.currentData())
        here = {row.name: row for row in self._rows}
        rows: list[_Row] = []
        for entry in preset.classes:
            known = here.get(entry.name)
            if known is not None and self._labels(known) and known.kind != entry.kind:
                rows.append(known)
            else:
                rows.append(_row_of(entry, known.was if known is not None else None))
        taken = {key for row in rows for key in _split(row.keys)}
        for row in self._rows:
            if row.name not in {other.name for other in rows} and self._why_kept(row):
                row.keys = " ".join(key for key in _split(row.keys) if key not in taken)
                taken.update(_split(row.keys))
                rows.append(row)
        self._rows = rows
        self.epoch.setValue(preset.epoch_s)
        self.ordered.setChecked(preset.ordered)
        self.page.setValue(preset.page_s or 0)
        self.guide.setValue(preset.guide_uv or 0)
        self._fill(0)

    def _on_item(self, item: QTableWidgetItem) -> None:
        if self._filling:
            return
        row = self._rows[item.row()]
        if item.column() == NAME:
            row.name = item.text().strip()
        elif item.column() == KEYS:
            row.keys = item.text()
        self._check()

    def _on_kind(self, row: int, place: int) -> None:
        self._rows[row].kind = KINDS[place]
        self._check()

    def _on_selection(self) -> None:
        row = self.table.currentRow()
        entry = self._rows[row] if 0 <= row < len(self._rows) else None
        why = self._why_kept(entry) if entry is not None else ""
        self.remove.setEnabled(entry is not None and not why)
        self.remove.setToolTip(
            why or self.tr("Take the chosen class out of the scheme (Alt+R, Del)")
        )
        self.up.setEnabled(row > 0)
        self.down.setEnabled(0 <= row < len(self._rows) - 1)

    def _on_key(self, name: str) -> None:
        {
            "add": self.add_class,
            "remove": self.remove_class,
            "up": lambda: self.move(-1),
            "down": lambda: self.move(1),
        }[name]()

    # -- parts

    def _labels(self, row: _Row) -> int:
        return self._counts.get(row.was, 0) if row.was is not None else 0

    def _why_kept(self, row: _Row) -> str:
        """Why a class cannot be removed; empty where it can."""
        if row.was == BAD_SIGNAL:
            return self.tr("Every study has this class: it marks modalities as absent.")
        count = self._labels(row)
        if count:
            return self.tr(
                "{name} has labels ({count}): it can be renamed, but not removed before they are "
                "given another class."
            ).format(name=row.name, count=count)
        return ""

    def _check(self, *_: object) -> None:
        try:
            self.scheme()
        except ConfigError as error:
            self.problem.setText(str(error))
            self._ok().setEnabled(False)
            return
        self._ok().setEnabled(True)
        changed = self.epoch.value() != self._before.epoch_s and any(self._counts.values())
        self.problem.setText(
            self.tr(
                "The study has labels: they stay where they are in time, and are laid on the "
                "new epochs where epochs are counted."
            )
            if changed
            else ""
        )

    def _fill(self, current: int) -> None:
        self._filling = True
        self.table.setRowCount(len(self._rows))
        for number, row in enumerate(self._rows):
            name = QTableWidgetItem(row.name)
            if row.was == BAD_SIGNAL:
                name.setFlags(name.flags() & ~Qt.ItemFlag.ItemIsEditable)
            name.setToolTip(self.tr("F2 or a double click renames it"))
            keys = QTableWidgetItem(row.keys)
            keys.setToolTip(self.tr("Letters and digits, apart by blanks, such as: W 0"))
            count = QTableWidgetItem(str(self._labels(row)) if self._labels(row) else "")
            count.setFlags(count.flags() & ~Qt.ItemFlag.ItemIsEditable)
            count.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(number, NAME, name)
            self.table.setItem(number, KEYS, keys)
            self.table.setItem(number, LABELS, count)
            self.table.setCellWidget(number, COLOUR, self._colour_button(number, row))
            self.table.setCellWidget(number, KIND, self._kind_box(number, row))
        self._filling = False
        if self._rows:
            self.table.setCurrentCell(max(current, 0), NAME)
        self._on_selection()
        self._check()

    def _colour_button(self, number: int, row: _Row) -> QToolButton:
        button = QToolButton()
        button.setIcon(class_chip(row.colour))
        button.setText(row.colour)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setAccessibleName(
            self.tr("Colour of {name}: {colour}").format(name=row.name, colour=row.colour)
        )
        button.setToolTip(self.tr("Choose another colour (Space)"))
        button.clicked.connect(lambda: self.ask_colour(number))
        return button

    def _kind_box(self, number: int, row: _Row) -> QComboBox:
        box = QComboBox()
        for kind in KINDS:
            box.addItem(self._kind_names[kind], kind)
        box.setCurrentIndex(KINDS.index(row.kind))
        box.setAccessibleName(self.tr("Kind of {name}").format(name=row.name))
        why = self._why_kept(row)
        box.setEnabled(not why)
        box.setToolTip(why or self.tr("State, event or mark"))
        box.currentIndexChanged.connect(lambda place: self._on_kind(number, place))
        return box

    def _button(self, text: str, tip: str, name: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.setAutoDefault(False)
        button.clicked.connect(lambda: self._on_key(name))
        return button

    def _show_about(self) -> None:
        self.about.setText(scheme_about(self.preset.currentData()))

    def _end_editing(self) -> None:
        """Take over what is being typed into a cell."""
        self.table.setFocus()

    def _ok(self) -> QPushButton:
        return self._buttons.button(QDialogButtonBox.StandardButton.Ok)


class _Table(QTableWidget):
    """A table that knows the keys for adding, removing and moving lines."""

    key_wanted = Signal(str)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        alt = event.modifiers() == Qt.KeyboardModifier.AltModifier
        name = {
            (Qt.Key.Key_Insert, False): "add",
            (Qt.Key.Key_Delete, False): "remove",
            (Qt.Key.Key_Up, True): "up",
            (Qt.Key.Key_Down, True): "down",
        }.get((event.key(), alt))
        if name is not None:
            self.key_wanted.emit(name)
            return
        super().keyPressEvent(event)


class _Number(QDoubleSpinBox):
    """A number without needless zeros; the least value may stand for something else."""

    def __init__(self, least: float, most: float, unit: str, for_least: str = "") -> None:
        super().__init__()
        self.setDecimals(3)
        self.setRange(least, most)
        self.setSuffix(unit)
        self.setSpecialValueText(for_least)
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)

    def textFromValue(self, value: float) -> str:
        text = self.locale().toString(value, "f", 3)
        point = self.locale().decimalPoint()
        return text.rstrip("0").rstrip(point) if point in text else text


def _row_of(entry: LabelClass, was: str | None) -> _Row:
    return _Row(entry.name, entry.colour, " ".join(entry.keys), entry.kind, was)


def _split(keys: str) -> tuple[str, ...]:
    return tuple(key.upper() for key in re.split(r"[\s,;]+", keys) if key)
