"""Page of the new-study window on which files become recordings, with a live preview."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from core.config import RecordingsConfig, SourceConfig
from core.errors import ConfigError
from core.open_recording import RECORDING_ENDINGS
from core.study_plan import RecordingRow, make_recordings
from ui.dropping import take_files, welcome_files
from ui.icons import keep_icon
from ui.wizard_draft import StudyDraft
from ui.wizard_page import (
    SEEN_BOXES,
    ScrollPart,
    Section,
    WizardPage,
    Words,
    add_row,
    choose,
    describe,
)
from ui.wizard_source import SourceEditor

_Index = QModelIndex | QPersistentModelIndex


class RecordingsModel(QAbstractTableModel):
    """The recordings that were found; a tick takes one, and subjects of listed ones are typed."""

    ticked = Signal(str, bool)
    """Id of a recording, and whether it is taken."""
    subject_typed = Signal(str, str)
    """Id of a listed recording, and whose it is."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[RecordingRow, ...] = ()
        self._listed: frozenset[str] = frozenset()
        self._root = Path()

    def show_rows(self, rows: Sequence[RecordingRow], listed: frozenset[str], root: Path) -> None:
        """Show other rows; the view keeps its place where they are as many."""
        same = len(rows) == len(self.rows)
        if not same:
            self.beginResetModel()
        self.rows, self._listed, self._root = tuple(rows), listed, root
        if not same:
            self.endResetModel()
        elif rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, 3))

    def rowCount(self, parent: _Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: _Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else 4

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            names = (self.tr("Recording"), self.tr("Subject"), self.tr("Files"), self.tr("Problem"))
            return names[section]
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.rows[index.row()]
        if index.column() == 0 and role == Qt.ItemDataRole.CheckStateRole:
            return Qt.CheckState.Checked if row.taken else Qt.CheckState.Unchecked
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return self._texts(row)[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            if index.column() == 2:
                return "\n".join(str(path) for path in row.files)
            return row.problem or self._texts(row)[index.column()]
        return None

    def flags(self, index: _Index) -> Qt.ItemFlag:
        flags = super().flags(index)
        if index.column() == 0:
            flags |= Qt.ItemFlag.ItemIsUserCheckable
        if index.column() == 1 and self.rows[index.row()].id in self._listed:
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def setData(self, index: _Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.CheckStateRole:
            self.ticked.emit(row.id, Qt.CheckState(value) == Qt.CheckState.Checked)
            return True
        if role == Qt.ItemDataRole.EditRole and str(value).strip():
            self.subject_typed.emit(row.id, str(value).strip())
            return True
        return False

    def _texts(self, row: RecordingRow) -> tuple[str, str, str, str]:
        names = []
        for path in row.files:
            try:
                names.append(path.relative_to(self._root).as_posix())
            except ValueError:
                names.append(path.name)
        return row.id, row.subject, ", ".join(names), row.problem


class RecordingsPage(WizardPage):
    """Which files there are and how they make up recordings."""

    def __init__(self, draft: StudyDraft) -> None:
        super().__init__(
            draft,
            self.tr("Recordings"),
            self.tr(
                "Add files or a folder, or drop them onto this window. A pattern with fields in "
                "braces says how their names tell people and recordings apart."
            ),
        )
        self.setAcceptDrops(True)
        self._source = 0
        self._refused = False
        self._make_buttons()
        self.source_choice = QComboBox()
        describe(
            self.source_choice, self.tr("Source"), self.tr("Which source is shown below (Alt+U)")
        )
        self.source_label = QLabel(self.tr("So&urce"))
        self.source_label.setBuddy(self.source_choice)
        self.editor = SourceEditor()
        self.says = Words()
        self.root_says = Words()
        self.root_button = QPushButton(self.tr("&Root folder…"))
        describe(self.root_button, self.tr("Root folder"),
                 self.tr("Change the folder that patterns are relative to (Alt+R)"))  # fmt: skip
        self.joining = self._joining_section()
        self.count = Words()
        self.model = RecordingsModel()
        self.table = QTableView()
        self.table.setModel(self.model)
        self.table.setStyleSheet(SEEN_BOXES)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setTabKeyNavigation(False)
        self.table.setWordWrap(False)
        self.table.verticalHeader().setVisible(False)
        self.table.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        for column, width in enumerate((150, 100, 260)):
            self.table.setColumnWidth(column, width)
        describe(
            self.table,
            self.tr("Recordings"),
            self.tr("What the patterns find. Space takes the tick off a recording or puts it back"),
        )
        self._lay_out()

        self.editor.changed.connect(self._on_source)
        self.root_button.clicked.connect(self.ask_for_root)
        self.source_choice.activated.connect(self._on_choice)
        self.model.ticked.connect(draft.take_recording)
        self.model.subject_typed.connect(self._on_subject)
        draft.recordings_changed.connect(self.show_soon)
        self.show_draft()

    # -- parts

    def _make_buttons(self) -> None:
        self.add_files = QPushButton(self.tr("Add &files…"))
        self.add_folder = QPushButton(self.tr("Add f&older…"))
        self.add_source = QPushButton(self.tr("Add another &device…"))
        self.remove_source = QPushButton(self.tr("Remove sourc&e"))
        self.start_over = QPushButton(self.tr("Start o&ver"))
        for button, name, tip, slot in (
            (self.add_files, "recording", self.tr("Add EDF, BDF or CSV files (Alt+F)"),
             self.ask_for_files),
            (self.add_folder, "folder", self.tr("Add all recordings in a folder (Alt+O)"),
             self.ask_for_folder),
            (self.add_source, None,
             self.tr("Add the folder of another device that recorded at the same time (Alt+D)"),
             self.ask_for_source),
            (self.remove_source, None, self.tr("Remove the source that is shown (Alt+E)"),
             self.on_remove_source),
            (self.start_over, None, self.tr("Forget all files and patterns (Alt+V)"),
             self.draft.clear_recordings),
        ):  # fmt: skip
            describe(button, button.text().replace("&", ""), tip)
            button.setAutoDefault(False)
            button.clicked.connect(slot)
            if name is not None:
                keep_icon(button, name)

    def _joining_section(self) -> Section:
        self.join = QComboBox()
        self.join.addItem(self.tr("From the latest start to the earliest end"), "overlap")
        self.join.addItem(self.tr("From the earliest start to the latest end"), "union")
        self.subject = QLineEdit()
        self.key_map = QPlainTextEdit()
        self.key_map.setTabChangesFocus(True)
        self.key_map.setMaximumHeight(72)
        self.key_map.setPlaceholderText("2 = S02")
        content = QWidget()
        form = QFormLayout(content)
        form.setContentsMargins(16, 0, 0, 0)
        add_row(
            form,
            self.tr("&Several files last"),
            self.join,
            self.tr("How long a recording of several files is (Alt+S)"),
        )
        add_row(
            form,
            self.tr("Su&bject is"),
            self.subject,
            self.tr("How fields make the subject's name, such as {subject} or P{id} (Alt+B)"),
        )
        add_row(
            form,
            self.tr("Names in &tables"),
            self.key_map,
            self.tr(
                "Where tables name people otherwise: one line each, name in the table = name in "
                "the files (Alt+T)"
            ),
        )
        self.join.activated.connect(self._on_source)
        self.subject.textEdited.connect(self._on_source)
        self.key_map.textChanged.connect(self._on_key_map)
        return Section(self.tr("Subjects, recordings of several files, names in tables"), content)

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        for button in (self.add_files, self.add_folder, self.add_source):
            buttons.addWidget(button)
        buttons.addStretch(1)
        buttons.addWidget(self.start_over)
        sources = QHBoxLayout()
        sources.addWidget(self.source_label)
        sources.addWidget(self.source_choice, 1)
        sources.addWidget(self.remove_source)
        place = QHBoxLayout()
        place.addWidget(self.root_says, 1)
        place.addWidget(self.root_button)
        self.settings = QWidget()
        upper = QVBoxLayout(self.settings)
        upper.setContentsMargins(0, 0, 4, 0)
        upper.addLayout(sources)
        upper.addWidget(self.editor)
        upper.addLayout(place)
        upper.addWidget(self.joining)
        upper.addWidget(self.says)
        upper.addStretch(1)
        lower = QWidget()
        below = QVBoxLayout(lower)
        below.setContentsMargins(0, 0, 0, 0)
        below.addWidget(self.count)
        below.addWidget(self.table, 1)
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.addWidget(ScrollPart(self.settings))
        parts.addWidget(lower)
        parts.setStretchFactor(0, 1)
        parts.setStretchFactor(1, 1)
        parts.setChildrenCollapsible(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(buttons)
        column.addWidget(parts, 1)

    def problem(self) -> str:
        return self.draft.why_no_recordings()

    # -- asking

    def ask_for_files(self) -> None:
        endings = " ".join(f"*{ending}" for ending in RECORDING_ENDINGS)
        names, _ = QFileDialog.getOpenFileNames(
            self,
            self.tr("Add recordings"),
            "",
            self.tr("Recordings ({endings});;All files (*)").format(endings=endings),
        )
        if names:
            self.draft.add_paths([Path(name) for name in names])

    def ask_for_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, self.tr("Add the recordings in a folder"))
        if name:
            self.draft.add_paths([Path(name)])

    def ask_for_source(self) -> None:
        name = QFileDialog.getExistingDirectory(self, self.tr("Recordings of another device"))
        if name:
            self.draft.add_source([Path(name)])

    def ask_for_root(self) -> None:
        name = QFileDialog.getExistingDirectory(
            self, self.tr("Folder that patterns are relative to"), str(self.draft.root)
        )
        if name and self.draft.recordings is not None:
            self.draft.set_recordings(self.draft.recordings, Path(name))

    def on_remove_source(self) -> None:
        config = self.draft.recordings
        if config is not None and len(config.sources) > 1:
            sources = [s for k, s in enumerate(config.sources) if k != self._source]
            self._source = 0
            self.draft.set_recordings(config.model_copy(update={"sources": sources}))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        welcome_files(event)

    def dropEvent(self, event: QDropEvent) -> None:
        paths = take_files(event)
        if paths:
            self.draft.add_paths(paths)

    # -- what was typed

    def _on_choice(self, number: int) -> None:
        self._source = number
        self.show_draft()

    def _on_source(self) -> None:
        config = self.draft.recordings
        if config is None or self.is_filling:
            return
        try:
            source = self.editor.said()
        except ValueError as error:
            self._refuse(error)
            return
        sources = [s.model_dump(exclude_unset=True) for s in config.sources]
        sources[self._source] = source
        self._change(
            {
                "sources": sources,
                "join": self.join.currentData(),
                "subject": self.subject.text().strip() or "{subject}",
            }
        )

    def _change(self, values: dict[str, Any]) -> None:
        config = self.draft.recordings
        assert config is not None
        try:
            changed = make_recordings({**config.model_dump(exclude_unset=True), **values})
        except ConfigError as error:
            self._refuse(error)
            return
        self._refused = False
        if self._source < len(changed.sources):
            self.editor.says(changed.sources[self._source])
        self.draft.set_recordings(changed)

    def _refuse(self, error: Exception) -> None:
        # What was typed stays, to be put right.
        self._refused = True
        self.draft.refuse_recordings(str(error))

    def _on_key_map(self) -> None:
        if not self.is_filling:
            self.draft.set_key_map(key_map_of(self.key_map.toPlainText()))

    def _on_subject(self, id: str, subject: str) -> None:
        config = self.draft.recordings
        if config is not None and config.listed is not None:
            listed = [
                entry.model_copy(update={"subject": subject}) if entry.id == id else entry
                for entry in config.listed
            ]
            self.draft.set_recordings(config.model_copy(update={"listed": listed}))

    # -- showing

    def show_draft(self) -> None:
        with self.filling():
            self._show_settings(self.draft.recordings)
        self._show_found()
        self.problem_changed.emit()

    def _show_settings(self, config: RecordingsConfig | None) -> None:
        if self._refused and self.draft.recordings_problem:
            return
        self._refused = False
        self.settings.setEnabled(config is not None)
        self.start_over.setEnabled(config is not None or bool(self.draft.paths))
        self.add_source.setEnabled(config is not None)
        if config is None:
            self.editor.set_source(SourceConfig())
            self.says.say(self.draft.recordings_reason)
            self.root_says.setText("")
            self.source_choice.clear()
            self._show_choice(False)
            return
        self._source = min(self._source, len(config.sources) - 1)
        self.source_choice.clear()
        for number, source in enumerate(config.sources):
            text = f"{source.name}: {source.pattern or self.tr('listed one by one')}"
            self.source_choice.addItem(text, number)
        self.source_choice.setCurrentIndex(self._source)
        self._show_choice(len(config.sources) > 1)
        source = config.sources[self._source]
        example = next(
            (file.path for one in self.draft.preview.found for file in one.files
             if file.config.name == source.name and file.config.pattern == source.pattern), None
        )  # fmt: skip
        self.editor.set_source(source, len(config.listed or ()), example)
        self.root_says.setText(
            self.tr("Paths are relative to {folder}").format(folder=self.draft.root)
        )
        choose(self.join, config.join)
        if self.subject.text().strip() != config.subject and not self.subject.hasFocus():
            self.subject.setText(config.subject)
        if key_map_of(self.key_map.toPlainText()) != config.key_map:
            self.key_map.setPlainText(
                "\n".join(f"{name} = {other}" for name, other in config.key_map.items())
            )
        self.says.say(self.draft.recordings_reason)

    def _show_choice(self, several: bool) -> None:
        for part in (self.source_choice, self.source_label, self.remove_source):
            part.setVisible(several)

    def _show_found(self) -> None:
        draft = self.draft
        preview = draft.preview
        wrong = bool(draft.recordings_problem or preview.problem)
        listed = draft.recordings.listed if draft.recordings is not None else None
        self.model.show_rows(
            () if wrong else preview.rows,
            frozenset(entry.id for entry in listed or ()),
            draft.root,
        )
        self.count.say(self._count_text())

    def _count_text(self) -> str:
        preview = self.draft.preview
        if self.draft.recordings is None:
            return ""
        people = (
            self.tr("{n} recordings of 1 person")
            if preview.subjects == 1
            else self.tr("{n} recordings of {m} people")
        )
        if self.draft.recordings_problem or preview.problem:
            return self.tr("No recordings.")
        parts = [
            self.tr("1 recording")
            if preview.taken == 1
            else people.format(n=preview.taken, m=preview.subjects)
        ]
        if preview.problems:
            parts.append(
                self.tr("1 problem")
                if preview.problems == 1
                else self.tr("{n} problems").format(n=preview.problems)
            )
        out = len(preview.rows) - preview.taken
        if out:
            parts.append(self.tr("{n} left out").format(n=out))
        passed = self.draft.passed_over
        if passed:
            names = ", ".join(dict.fromkeys(path.name for path in passed[:3]))
            more = "…" if len(passed) > 3 else ""
            text = (
                self.tr("1 other file passed over ({names})")
                if len(passed) == 1
                else self.tr("{n} other files passed over ({names})")
            )
            parts.append(text.format(n=len(passed), names=names + more))
        return "; ".join(parts)


def key_map_of(text: str) -> dict[str, str]:
    """What was typed as names in tables: `2 = S02`, one a line. Unfinished lines say nothing."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {a.strip(): b.strip() for a, sign, b in pairs if sign and a.strip() and b.strip()}
