"""Page of the new-study window on which channels are grouped into modalities."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.config import ModalityConfig
from core.errors import ConfigError
from core.guess_channels import ChannelRow, free_name
from core.modalities import load_preset, preset_about, preset_names
from core.study_plan import make_modality
from ui.wizard_draft import StudyDraft
from ui.wizard_modality import ModalityEditor
from ui.wizard_page import FreeCombo, ScrollPart, WizardPage, Words, choose, describe

GUESS = "guess"
OWN = "own"


class ChannelsPage(WizardPage):
    """Channels on the left with the modality they go to, modalities on the right."""

    def __init__(self, draft: StudyDraft) -> None:
        super().__init__(
            draft,
            self.tr("Channels"),
            self.tr(
                "A modality is a group of channels that are recorded, or fail, together. The model "
                "learns from what modalities have in common, so there should be two or more."
            ),
        )
        self.preset = QComboBox()
        self.preset.addItem(self.tr("Guessed by the channels"), GUESS)
        for name in preset_names():
            self.preset.addItem(self.tr("Preset {name}").format(name=name), name)
            place = self.preset.count() - 1
            self.preset.setItemData(place, preset_about(name), Qt.ItemDataRole.ToolTipRole)
        self.preset.addItem(self.tr("Own list"), OWN)
        describe(self.preset, self.tr("Modalities"),
                 self.tr("Where the list of modalities comes from (Alt+O)"))  # fmt: skip
        label = QLabel(self.tr("M&odalities"))
        label.setBuddy(self.preset)
        self.says = Words()
        self.looked = Words()
        self.look_more = QPushButton(self.tr("Look &into all"))
        describe(self.look_more, self.tr("Look into all recordings"),
                 self.tr("Open every recording and look again (Alt+I)"))  # fmt: skip
        self.table = QTableWidget(0, 6)
        self.table.setHorizontalHeaderLabels(
            [
                self.tr("Channel"), self.tr("Source"), self.tr("In"), self.tr("Hz"),
                self.tr("Unit"), self.tr("Modality"),
            ]
        )  # fmt: skip
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setTabKeyNavigation(False)
        self.table.setWordWrap(False)
        self.table.verticalHeader().setVisible(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        for column, width in enumerate((104, 52, 40, 68, 44)):
            self.table.setColumnWidth(column, width)
        describe(
            self.table,
            self.tr("Channels"),
            self.tr("Every channel that was met; F2 or Enter chooses its modality"),
        )
        self.table.cellActivated.connect(self._on_row)

        self.list = QListWidget()
        self.list.setMaximumHeight(128)
        describe(
            self.list,
            self.tr("List of modalities"),
            self.tr("Choose one to see its settings; greyed: no recording has it"),
        )
        self.add = QPushButton(self.tr("A&dd"))
        self.remove = QPushButton(self.tr("Remo&ve"))
        self.up = QPushButton(self.tr("Up"))
        self.down = QPushButton(self.tr("Down"))
        for button, tip, slot in (
            (self.add, self.tr("Add a modality with the chosen channel (Alt+D)"), self.on_add),
            (self.remove, self.tr("Remove the chosen modality (Alt+V)"), self.on_remove),
            (self.up, self.tr("Move the chosen modality up"), self.on_up),
            (self.down, self.tr("Move the chosen modality down"), self.on_down),
        ):
            describe(button, button.text().replace("&", ""), tip)
            button.setAutoDefault(False)
            button.clicked.connect(slot)
        self.editor = ModalityEditor()
        self._lay_out(label)
        self.preset.activated.connect(self._on_preset)
        self.list.currentRowChanged.connect(self._on_modality)
        self.editor.changed.connect(self._on_edited)
        self.look_more.clicked.connect(self._on_look_more)
        self._rows: tuple[ChannelRow, ...] = ()
        self._boxes: list[FreeCombo] = []
        self._edited: str | None = None  # modality that was changed last
        self._wanted: str | None = None  # modality to choose when the list is shown anew
        draft.guessed.connect(self.show_soon)
        draft.modalities_changed.connect(self.show_soon)
        draft.busy_changed.connect(self.show_soon)
        self.show_draft()

    def _lay_out(self, label: QLabel) -> None:
        top = QHBoxLayout()
        top.addWidget(label)
        top.addWidget(self.preset)
        top.addWidget(self.says, 1)
        left = QWidget()
        below = QVBoxLayout(left)
        below.setContentsMargins(0, 0, 0, 0)
        below.addWidget(self.table, 1)
        look = QHBoxLayout()
        look.addWidget(self.looked, 1)
        look.addWidget(self.look_more)
        below.addLayout(look)
        right = QWidget()
        beside = QVBoxLayout(right)
        beside.setContentsMargins(4, 0, 0, 0)
        beside.addWidget(self.list)
        buttons = QHBoxLayout()
        for button in (self.add, self.remove, self.up, self.down):
            buttons.addWidget(button)
        beside.addLayout(buttons)
        beside.addWidget(ScrollPart(self.editor), 1)
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.addWidget(left)
        parts.addWidget(right)
        parts.setSizes([440, 390])
        parts.setChildrenCollapsible(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(parts, 1)

    def problem(self) -> str:
        return self.draft.why_no_modalities()

    # -- changes

    def _on_preset(self) -> None:
        chosen = self.preset.currentData()
        if chosen == GUESS:
            self.draft.guess_again("modalities")
        elif chosen == OWN:
            self.draft.change_modalities(tuple)
        else:
            self.draft.set_modalities(str(chosen), preset_about(str(chosen)))

    def _on_look_more(self) -> None:
        self.draft.look_into(None)

    def _on_row(self, row: int) -> None:
        self._boxes[row].setFocus()
        self._boxes[row].showPopup()

    def _on_move(self) -> None:
        box = self.sender()
        if not isinstance(box, FreeCombo) or self.is_filling or box not in self._boxes:
            return
        row = self._rows[self._boxes.index(box)]
        text = box.currentText().strip()
        # The entry for no modality reads so, and an empty text means the same.
        to = None if not text or text == box.itemText(0) else text
        if to is not None and to not in self._names():
            to = free_name(to, self._names())
        fit = self.draft.fit
        now = fit.taken.get(row.key, ()) if fit is not None else ()
        if to == (now[0] if now else None):
            return
        self.draft.move_channel(row, to)

    def _on_modality(self, number: int) -> None:
        if not self.is_filling:
            if self.draft.modalities_refusal:  # forgotten with the modality it was typed into
                self.editor.says(None)
                self.draft.refuse_modalities("")
            self._show_editor(number)

    def _on_edited(self) -> None:
        name = self._name_at(self.list.currentRow())
        try:
            modality = make_modality(self.editor.said())
            if modality.name != name and modality.name in self._names():
                raise ConfigError(
                    self.tr("There already is a modality called {name}.").format(name=modality.name)
                )
        except (ConfigError, ValueError) as error:
            self.draft.refuse_modalities(str(error))
            return
        self._wanted = modality.name
        self._edited = name
        self.editor.says(modality)
        self.draft.change_modalities(partial(_with, modality, name))

    def on_add(self) -> None:
        """A modality of its own for the chosen channel."""
        row = self.table.currentRow()
        if 0 <= row < len(self._rows):
            self._wanted = free_name(self._rows[row].label, self._names())
            self.draft.move_channel(self._rows[row], self._wanted)

    def on_remove(self) -> None:
        name = self._name_at(self.list.currentRow())
        if name is not None:
            self.draft.change_modalities(partial(_without, name))

    def on_up(self) -> None:
        self._shift(-1)

    def on_down(self) -> None:
        self._shift(1)

    def _shift(self, by: int) -> None:
        name = self._name_at(self.list.currentRow())
        if name is not None:
            self._wanted = name
            self.draft.change_modalities(partial(_shifted, name, by))

    # -- showing

    def _shown_modalities(self) -> tuple[ModalityConfig, ...]:
        """All of a preset, or of the list."""
        modalities = self.draft.modalities
        if isinstance(modalities, str):
            return load_preset(modalities) if modalities in preset_names() else ()
        return modalities or ()

    def _names(self) -> list[str]:
        return [modality.name for modality in self._shown_modalities()]

    def _name_at(self, number: int) -> str | None:
        item = self.list.item(number)
        return None if item is None else str(item.data(Qt.ItemDataRole.UserRole))

    def show_draft(self) -> None:
        draft = self.draft
        with self.filling():
            chosen = draft.modalities
            if not draft.modalities_are_said:
                choose(self.preset, GUESS)
            else:
                choose(self.preset, chosen if isinstance(chosen, str) else OWN)
            self._show_list()
            self._show_table(draft.channels)
        self._show_editor(self.list.currentRow())
        self._say()

    def _say(self) -> None:
        draft = self.draft
        self.says.say(draft.modalities_reason)
        opened = draft.opened
        texts = []
        if opened.tried:
            texts.append(
                self.tr("Looked into {n} of {total} recordings.").format(
                    n=opened.tried, total=len(opened.found)
                )
            )
        if opened.failed:
            texts.append(
                self.tr("{n} cannot be opened; the first: {reason}").format(
                    n=len(opened.failed), reason=opened.failed[0][1]
                )
            )
        if draft.fit is not None and len(draft.fit.settled) == 1:
            texts.append(
                self.tr("With one modality alone there is nothing to cross: the study can be "
                        "labelled, but the model has little to learn from.")
            )  # fmt: skip
        if draft.fit is not None:
            texts += draft.fit.notes[:2]
        self.looked.say(" ".join(texts))
        self.look_more.setVisible(0 < opened.tried < len(opened.found))
        enabled = bool(opened.opened)
        for part in (self.preset, self.table, self.list, self.editor, self.add, self.remove,
                     self.up, self.down):  # fmt: skip
            part.setEnabled(enabled)
        self.problem_changed.emit()

    def _show_list(self) -> None:
        fit = self.draft.fit
        wanted = self._wanted or self._name_at(self.list.currentRow())
        if not self.draft.is_busy("fit"):
            self._wanted = None
        absent = set(fit.absent) if fit is not None else set()
        total = len(self.draft.opened.recordings)
        modalities = sorted(self._shown_modalities(), key=lambda m: m.name in absent)
        self.list.clear()
        for modality in modalities:
            count = fit.recordings.get(modality.name, 0) if fit is not None else 0
            if modality.name in absent:
                text = self.tr("{name} (in no recording)").format(name=modality.name)
            else:
                text = self.tr("{name} (in {n} of {total})").format(
                    name=modality.name, n=count, total=total
                )
            item = QListWidgetItem(text)
            item.setData(Qt.ItemDataRole.UserRole, modality.name)
            if modality.name in absent:
                item.setForeground(self.palette().placeholderText())
                item.setToolTip(self.tr("No recording that was looked into has its channels"))
            self.list.addItem(item)
            if modality.name == wanted:
                self.list.setCurrentItem(item)
        if self.list.currentRow() < 0 and self.list.count():
            self.list.setCurrentRow(0)

    def _show_editor(self, number: int) -> None:
        name = self._name_at(number)
        modality = next((m for m in self._shown_modalities() if m.name == name), None)
        fit = self.draft.fit
        settled = next((m for m in fit.settled if m.name == name), None) if fit else None
        self.editor.setVisible(modality is not None)
        # What was just said of it takes a moment to arrive, and what cannot be stays to be put
        # right: meanwhile the fields know better.
        typing = name == self._edited and self.draft.is_busy("fit")
        if modality is not None and not typing and not self.draft.modalities_refusal:
            self._edited = None
            self.editor.set_modality(modality, settled)

    def _show_table(self, rows: Sequence[ChannelRow]) -> None:
        taken = self.draft.fit.taken if self.draft.fit is not None else {}
        names = [m.name for m in self._shown_modalities()
                 if self.draft.fit is None or m.name not in self.draft.fit.absent]  # fmt: skip
        if tuple(rows) != self._rows:
            self._fill_table(rows)
        for row, box in zip(self._rows, self._boxes, strict=True):
            here = taken.get(row.key, ())
            entries = [self.tr("none"), *names]
            if [box.itemText(k) for k in range(box.count())] != entries:
                box.clear()
                box.addItems(entries)
            box.setCurrentText(here[0] if here else entries[0])
            box.setToolTip(", ".join(here) or self.tr("The channel is in no modality"))

    def _fill_table(self, rows: Sequence[ChannelRow]) -> None:
        self._rows = tuple(rows)
        self._boxes = []
        total = len(self.draft.opened.recordings)
        self.table.setRowCount(0)
        self.table.setRowCount(len(rows))
        self.table.setColumnHidden(1, len({row.source for row in rows}) < 2)
        for number, row in enumerate(rows):
            rates = ", ".join(f"{rate:.6g}" for rate in row.rates_hz)
            texts = (
                row.label, row.source, f"{row.recordings}/{total}", rates, ", ".join(row.units),
            )  # fmt: skip
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(self.tr("{text}; measures {kind}").format(text=text, kind=row.kind))
                self.table.setItem(number, column, item)
            box = FreeCombo()
            describe(
                box,
                self.tr("Modality of {channel}").format(channel=row.label),
                self.tr("Choose a modality, or type a new name"),
            )
            box.said.connect(self._on_move)
            self._boxes.append(box)
            self.table.setCellWidget(number, 5, box)
        self.table.resizeRowsToContents()


# -- changes to a list of modalities, made in the background


def _with(
    modality: ModalityConfig, name: str | None, modalities: Sequence[ModalityConfig]
) -> list[ModalityConfig]:
    """The list with a modality in the place of the one of that name, or at the end."""
    if all(entry.name != name for entry in modalities):
        return [*modalities, modality]
    return [modality if entry.name == name else entry for entry in modalities]


def _without(name: str, modalities: Sequence[ModalityConfig]) -> list[ModalityConfig]:
    return [entry for entry in modalities if entry.name != name]


def _shifted(name: str, by: int, modalities: Sequence[ModalityConfig]) -> list[ModalityConfig]:
    """The list with a modality moved up or down, as far as there is room."""
    changed = list(modalities)
    place = next((k for k, entry in enumerate(changed) if entry.name == name), None)
    if place is not None and 0 <= place + by < len(changed):
        changed.insert(place + by, changed.pop(place))
    return changed
