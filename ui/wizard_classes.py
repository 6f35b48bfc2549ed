"""Page of the new-study window on what the study is labelled with."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QColorDialog,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
)

from core.config import LabelsConfig
from core.errors import ConfigError
from core.label_scheme import (
    LabelClass,
    LabelScheme,
    load_scheme,
    scheme_about,
    scheme_names,
)
from core.study_plan import with_scheme_classes
from ui.wizard_draft import StudyDraft
from ui.wizard_page import NumberEdit, WizardPage, Words, choose, describe

FOLLOW = "follow"
OWN = "own"
_NAME, _COLOUR, _KEYS, _KIND = range(4)


class ClassesPage(WizardPage):
    """Classes with colours and keys, and the length of an epoch."""

    def __init__(self, draft: StudyDraft) -> None:
        super().__init__(
            draft,
            self.tr("Classes and epochs"),
            self.tr(
                "States exclude each other and fill epochs, events may overlap and have free "
                "edges, marks are single moments. All of it can be changed later."
            ),
        )
        self.preset = QComboBox()
        self.preset.addItem(self.tr("by the labels and channels"), FOLLOW)
        for name in scheme_names():
            self.preset.addItem(self.tr("preset {name}").format(name=name), name)
            self.preset.setItemData(
                self.preset.count() - 1, scheme_about(name), Qt.ItemDataRole.ToolTipRole
            )
        self.preset.addItem(self.tr("own classes"), OWN)
        describe(self.preset, self.tr("Classes"),
                 self.tr("Where the classes come from (Alt+S)"))  # fmt: skip
        self.says = Words()
        self.table = QTableWidget(0, 4)
        self.table.setHorizontalHeaderLabels(
            [self.tr("Class"), self.tr("Colour"), self.tr("Keys"), self.tr("Kind")]
        )
        self.table.setTabKeyNavigation(False)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.verticalHeader().setVisible(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        for column, width in ((_COLOUR, 110), (_KEYS, 90), (_KIND, 130)):
            self.table.setColumnWidth(column, width)
        describe(
            self.table,
            self.tr("Classes"),
            self.tr("Type names and keys; several keys stand apart by blanks. F2 edits a cell"),
        )
        self.epoch = NumberEdit(
            self.tr("Epoch"),
            self.tr("Length of an epoch of the labelling grid in seconds (Alt+E)"),
            above=0,
        )
        self.ordered = QCheckBox(self.tr("States have an or&der and are drawn as steps"))
        describe(self.ordered, self.tr("Ordered states"),
                 self.tr("As in a hypnogram (Alt+D)"))  # fmt: skip
        self.page = NumberEdit(
            self.tr("Page"), self.tr("What the window shows at first, in seconds"), above=0
        )
        self.guide = NumberEdit(
            self.tr("Guide lines"),
            self.tr("Lines at plus and minus this many µV in voltage traces; empty: none"),
            above=0,
        )
        self._lay_out()
        self._problem = ""
        self._filled: LabelScheme | None = None
        self.preset.activated.connect(self._on_preset)
        self.table.cellChanged.connect(self._on_edited)
        for number in (self.epoch, self.page, self.guide):
            number.changed.connect(self._on_edited)
        self.ordered.toggled.connect(self._on_edited)
        draft.scheme_changed.connect(self.show_soon)
        draft.labels_changed.connect(self.problem_changed)
        self.show_draft()

    def _lay_out(self) -> None:
        label = QLabel(self.tr("Classe&s"))
        label.setBuddy(self.preset)
        top = QHBoxLayout()
        top.addWidget(label)
        top.addWidget(self.preset)
        top.addWidget(self.says, 1)
        buttons = QVBoxLayout()
        self.add = QPushButton(self.tr("&Add"))
        self.remove = QPushButton(self.tr("Remo&ve"))
        self.up = QPushButton(self.tr("&Up"))
        self.down = QPushButton(self.tr("Do&wn"))
        for button, tip, slot in (
            (self.add, self.tr("Add a class (Alt+A)"), self.on_add),
            (self.remove, self.tr("Remove the chosen class (Alt+V)"), self.on_remove),
            (self.up, self.tr("Move the chosen class up (Alt+U)"), self.on_up),
            (self.down, self.tr("Move the chosen class down (Alt+W)"), self.on_down),
        ):
            describe(button, button.text().replace("&", ""), tip)
            button.setAutoDefault(False)
            button.clicked.connect(slot)
            buttons.addWidget(button)
        buttons.addStretch(1)
        middle = QHBoxLayout()
        middle.addWidget(self.table, 1)
        middle.addLayout(buttons)
        form = QFormLayout()
        for title, part in (
            (self.tr("&Epoch, s"), self.epoch),
            (self.tr("Pa&ge, s"), self.page),
            (self.tr("Gu&ide lines, µV"), self.guide),
        ):
            name = QLabel(title)
            name.setBuddy(part)
            form.addRow(name, part)
        form.addRow("", self.ordered)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addLayout(middle, 1)
        column.addLayout(form)

    def problem(self) -> str:
        if self._problem:
            return self._problem
        scheme = self.draft.scheme
        if scheme is None or not scheme.classes:
            return self.tr("There is no class; add one.")
        if not scheme.states and not scheme.events:
            return self.tr("There is no state and no event; add one.")
        labels: LabelsConfig | None = self.draft.labels
        if labels is not None:
            try:
                with_scheme_classes(labels, scheme)
            except ConfigError as error:
                return str(error)
        return ""

    # -- changes

    def _on_preset(self) -> None:
        chosen = self.preset.currentData()
        if chosen == OWN:
            return
        self._problem, self._filled = "", None
        if chosen == FOLLOW:
            self.draft.guess_again("scheme")
        else:
            self.draft.set_scheme(load_scheme(str(chosen)), str(chosen))

    def said(self) -> LabelScheme:
        """The scheme as the fields say it. Raises ConfigError or ValueError in words."""
        classes = []
        for row in range(self.table.rowCount()):
            button = self.table.cellWidget(row, _COLOUR)
            kind = self.table.cellWidget(row, _KIND)
            assert isinstance(button, QPushButton)
            assert isinstance(kind, QComboBox)
            keys = self._cell(row, _KEYS).replace(",", " ").split()
            classes.append(
                LabelClass(
                    self._cell(row, _NAME), button.property("colour"), tuple(keys),
                    kind.currentData(),
                )
            )  # fmt: skip
        epoch = self.epoch.value()
        if epoch is None:
            raise ValueError(self.tr("Say how long an epoch is."))
        return LabelScheme(
            tuple(classes),
            epoch,
            self.ordered.isChecked(),
            self.page.value(),
            self.guide.value(),
        )

    def _cell(self, row: int, column: int) -> str:
        item = self.table.item(row, column)
        return item.text().strip() if item is not None else ""

    def _on_edited(self) -> None:
        if self.is_filling:
            return
        try:
            scheme = self.said()
        except (ConfigError, ValueError) as error:
            self._problem = str(error)[:1].upper() + str(error)[1:]
            self.problem_changed.emit()
            return
        self._problem = ""
        self._filled = scheme
        if scheme != self.draft.scheme:
            self._rename(scheme)
            self.draft.set_scheme(scheme)
        self.problem_changed.emit()

    def _rename(self, scheme: LabelScheme) -> None:
        """Where one name alone was changed, the labels of that class go along."""
        before = [entry.name for entry in self._classes()]
        after = [entry.name for entry in scheme.classes]
        if len(before) == len(after):
            changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
            if len(changed) == 1:
                self.draft.rename_class(*changed[0])

    def _classes(self) -> list[LabelClass]:
        scheme = self.draft.scheme
        return list(scheme.classes) if scheme is not None else []

    def on_add(self) -> None:
        """A new class, to be named."""
        scheme = self.draft.scheme
        if scheme is None:
            return
        name, number = self.tr("New class"), 1
        while scheme.find(name) is not None:
            number += 1
            name = self.tr("New class {n}").format(n=number)
        added = scheme.with_classes([name])
        # A new class stands last among the states.
        classes = (*scheme.states, added.classes[-1], *scheme.events, *scheme.marks)
        self.draft.set_scheme(replace(scheme, classes=classes))
        row = len(scheme.states)
        self.table.setCurrentCell(row, _NAME)
        self.table.setFocus()
        self.table.editItem(self.table.item(row, _NAME))

    def on_remove(self) -> None:
        row = self.table.currentRow()
        classes = self._classes()
        if 0 <= row < len(classes) and self.draft.scheme is not None:
            del classes[row]
            self._problem = ""
            self.draft.set_scheme(replace(self.draft.scheme, classes=tuple(classes)))
            self.table.setCurrentCell(min(row, len(classes) - 1), _NAME)

    def on_up(self) -> None:
        self._shift(-1)

    def on_down(self) -> None:
        self._shift(1)

    def _shift(self, by: int) -> None:
        row = self.table.currentRow()
        classes = self._classes()
        if 0 <= row < len(classes) and 0 <= row + by < len(classes) and self.draft.scheme:
            classes.insert(row + by, classes.pop(row))
            self.draft.set_scheme(replace(self.draft.scheme, classes=tuple(classes)))
            self.table.setCurrentCell(row + by, _NAME)

    def _on_colour(self) -> None:
        button = self.sender()
        if not isinstance(button, QPushButton):
            return
        dialog = QColorDialog(QColor(button.property("colour")), self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._colouring = button
        dialog.colorSelected.connect(self._take_colour)
        dialog.open()

    def _take_colour(self, colour: QColor) -> None:
        _paint(self._colouring, colour.name())
        self._on_edited()

    # -- showing

    def show_draft(self) -> None:
        draft = self.draft
        scheme = draft.scheme
        with self.filling():
            if not draft.scheme_is_said:
                choose(self.preset, FOLLOW)
            else:
                choose(self.preset, draft.scheme_preset or OWN)
            about = scheme_about(draft.scheme_preset) if draft.scheme_preset else ""
            self.says.say(draft.scheme_reason or about)
            # What is being typed stays, and what cannot be, to be put right.
            if scheme is not None and scheme != self._filled and not self._shows(scheme):
                self._problem = ""
                self._fill(scheme)
            self._filled = scheme
        self.problem_changed.emit()

    def _shows(self, scheme: LabelScheme) -> bool:
        try:
            return self.said() == scheme
        except (ConfigError, ValueError):
            return False

    def _fill(self, scheme: LabelScheme) -> None:
        row = self.table.currentRow()
        self.table.setRowCount(0)
        self.table.setRowCount(len(scheme.classes))
        for number, entry in enumerate(scheme.classes):
            self.table.setItem(number, _NAME, QTableWidgetItem(entry.name))
            self.table.setItem(number, _KEYS, QTableWidgetItem(" ".join(entry.keys)))
            button = QPushButton()
            button.setAutoDefault(False)
            _paint(button, entry.colour)
            describe(
                button,
                self.tr("Colour of {name}").format(name=entry.name),
                self.tr("Choose another colour (Space)"),
            )
            button.clicked.connect(self._on_colour)
            self.table.setCellWidget(number, _COLOUR, button)
            kind = QComboBox()
            for value, text in (
                ("state", self.tr("state")), ("event", self.tr("event")), ("mark", self.tr("mark")),
            ):  # fmt: skip
                kind.addItem(text, value)
            choose(kind, entry.kind)
            describe(
                kind,
                self.tr("Kind of {name}").format(name=entry.name),
                self.tr("States exclude each other, events may overlap, marks are moments"),
            )
            kind.activated.connect(self._on_edited)
            self.table.setCellWidget(number, _KIND, kind)
        self.table.resizeRowsToContents()
        if 0 <= row < len(scheme.classes):
            self.table.setCurrentCell(row, _NAME)
        self.epoch.set_value(scheme.epoch_s)
        self.page.set_value(scheme.page_s)
        self.guide.set_value(scheme.guide_uv)
        self.ordered.setChecked(scheme.ordered)


def _paint(button: QPushButton, colour: str) -> None:
    """Show a colour on a button, with its name as text."""
    picture = QPixmap(16, 16)
    picture.fill(QColor(colour))
    button.setIcon(QIcon(picture))
    button.setText(colour)
    button.setProperty("colour", colour)
