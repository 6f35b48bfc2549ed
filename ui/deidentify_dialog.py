"""Copies of EDF and BDF files without what names the person: every field is shown before and after.

What is shown here is for the user's eyes alone; nothing of it is kept, and originals are only read.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QSplitter,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.config import safe_file_name
from core.deidentify import (
    Deidentification,
    deidentify,
    plan_deidentification,
    random_shift_days,
    start_of,
    study_shift_days,
)
from core.errors import CrosslError
from core.label_set import shown
from core.open_recording import EDF_ENDINGS
from core.progress import RunContext
from ui.dialog_parts import (
    FileDialogBase,
    Paragraph,
    PathRow,
    PlainTable,
    keyed,
    named,
)
from ui.wizard_page import SEEN_BOXES

_CENTURY_DAYS = 36525
_FILE, _COPY, _STATE = range(3)
_KEPT, _TEXT = 0, 1


@dataclass(frozen=True)
class SourceFile:
    """A file to be copied. `name`: what its copy is called, without ending; empty for a number."""

    path: Path
    name: str = ""


@dataclass(frozen=True)
class WrittenCopy:
    """What became of a file; `out` is whole where `error` is empty."""

    source: Path
    out: Path
    error: str = ""


@dataclass(frozen=True)
class _Planned:
    """What a copy would say, with the shift that was used."""

    path: Path
    shift_days: int
    plan: Deidentification | None
    problem: str = ""


class DeidentifyDialog(FileDialogBase):
    """Shows what de-identified copies would say, and writes them in the background.

    With a study, dates move by the study's own shift, which is kept in its folder; without, by a
    number of days that is drawn at random for the files of this dialog.
    """

    written = Signal(object)
    """A tuple of WrittenCopy, one for each file. The dialog stays, to show what failed."""

    def __init__(
        self,
        files: Sequence[SourceFile] = (),
        study_folder: Path | None = None,
        folder: Path | None = None,
        parent: QWidget | None = None,
    ) -> None:
        """`folder`: where copies are offered to go."""
        super().__init__("", {}, parent)
        self.setWindowTitle(self.tr("De-identify recordings"))
        self.resize(1000, 660)
        self._study_folder = study_folder
        self._files: list[Path] = []
        self._keep: set[str] = set()
        self._plan: _Planned | None = None
        self._pending: list[tuple[Path, Path]] = []
        self._is_copying = False
        self._filling = False
        self.work.stage_names["de-identifying"] = self.tr("Writing copies…")
        self.work.succeeded.connect(self._on_done)
        self.work.busy_changed.connect(self._tell_ready)
        self.work.cancelled.connect(self._on_stopped)
        self._lay_out()
        if folder is not None:
            self.folder.set_path(folder)
        self.add_files(files)
        self._tell_ready()

    # -- parts

    def _lay_out(self) -> None:
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.setChildrenCollapsible(False)
        parts.addWidget(self._files_part())
        parts.addWidget(self._plan_part())
        parts.setSizes([420, 580])
        foot = self.make_foot(
            self.tr("Write &copies"),
            self.tr("Write a copy of every file; originals stay as they are"),
            self.start,
        )
        column = QVBoxLayout(self)
        column.addWidget(parts, 1)
        column.addWidget(self.reason)
        column.addLayout(foot)

    def _files_part(self) -> QWidget:
        part = QWidget()
        self.table = PlainTable(
            "", [self.tr("File"), self.tr("Copy is called"), self.tr("State")], _COPY
        )
        self.table.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.table.currentCellChanged.connect(self._on_row)
        self.table.itemChanged.connect(self._on_name)
        self.add = QPushButton(self.tr("&Add files…"))
        self.drop = QPushButton(self.tr("&Remove"))
        keyed(self.add, self.tr("Add EDF or BDF files"))
        keyed(self.drop, self.tr("Leave the chosen file out"))
        self.add.clicked.connect(self._choose)
        self.drop.clicked.connect(self._drop)
        buttons = QHBoxLayout()
        for button in (self.add, self.drop):
            button.setAutoDefault(False)
            buttons.addWidget(button)
        buttons.addStretch(1)
        self.days = QSpinBox()
        self.days.setRange(-_CENTURY_DAYS, _CENTURY_DAYS)
        self.days.setSuffix(self.tr(" days"))
        self.days.setKeyboardTracking(False)
        self.days.valueChanged.connect(self._look)
        self.days.setReadOnly(self._study_folder is not None)
        shift = QHBoxLayout()
        shift.addWidget(
            named(
                self.tr("&Dates move by"),
                self.days,
                self.tr("The same for all, so that nights of one person keep their distance"),
            )
        )
        shift.addWidget(self.days, 1)
        self.shift_says = Paragraph(
            self.tr("The study's own shift, kept in its folder.")
            if self._study_folder is not None
            else self.tr("Drawn at random for these files; use one number for all of a study.")
        )
        self.folder = PathRow(self.tr("Folder for the copies"), "folder")
        self.folder.changed.connect(self._tell_ready)
        column = QVBoxLayout(part)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(
            named(
                self.tr("&Files"),
                self.table,
                self.tr("F2 or a double click: say what the copy is called"),
            )
        )
        column.addWidget(self.table, 1)
        self.wrong_name = Paragraph()
        column.addWidget(self.wrong_name)
        column.addLayout(buttons)
        column.addLayout(shift)
        column.addWidget(self.shift_says)
        column.addWidget(named(self.tr("C&opies go to"), self.folder,
                               self.tr("A folder of their own")))  # fmt: skip
        column.addWidget(self.folder)
        return part

    def _plan_part(self) -> QWidget:
        part = QWidget()
        self.fields = PlainTable(
            self.tr("What the header says before and after"),
            [self.tr("Field"), self.tr("Before"), self.tr("After")],
            1,
        )
        self.only_changed = QCheckBox(self.tr("Only what c&hanges"))
        keyed(self.only_changed, self.tr("Hide fields that stay as they are"))
        self.only_changed.toggled.connect(self._show_fields)
        self.texts = PlainTable(
            self.tr("Texts of annotations"),
            [self.tr("Keep"), self.tr("Text"), self.tr("Times")],
            _TEXT,
        )
        self.texts.setStyleSheet(SEEN_BOXES)
        self.texts.itemChanged.connect(self._on_tick)
        self.notes = Paragraph()
        column = QVBoxLayout(part)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(
            named(
                self.tr("&What the file says"),
                self.fields,
                self.tr("Names of signals, transducers and filters are kept: look at them"),
            )
        )
        column.addWidget(self.fields, 3)
        column.addWidget(self.only_changed)
        column.addWidget(
            named(
                self.tr("&Texts of annotations; those without a tick become X"),
                self.texts,
                self.tr("Space ticks; standard texts are always kept"),
            )
        )
        column.addWidget(self.texts, 2)
        column.addWidget(self.notes)
        return part

    # -- files

    def add_files(self, files: Sequence[SourceFile]) -> None:
        """Add files to the list; those that are there already are passed over."""
        self._filling = True
        for file in files:
            if file.path in self._files:
                continue
            self._files.append(file.path)
            row = self.table.rowCount()
            self.table.insertRow(row)
            problem = "" if _ending(file.path) else self.tr("not EDF or BDF")
            name = "" if problem else self._free_name(file, row + 1)
            texts = (file.path.name, name, problem)
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(str(file.path) if column == _FILE else text)
                if column != _COPY or problem:
                    item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                self.table.setItem(row, column, item)
        self._filling = False
        if self.table.currentRow() < 0 and self._files:
            self.table.setCurrentCell(0, _COPY)
        self._tell_ready()

    def _free_name(self, file: SourceFile, number: int) -> str:
        """What a copy is called at first; files of one recording are told apart."""
        base = safe_file_name(file.name) if file.name else f"recording_{number:03d}"
        taken = {self._copy_name(row).casefold() for row in range(self.table.rowCount())}
        name, again = base + _ending(file.path), 1
        while name.casefold() in taken:
            again += 1
            name = f"{base}_{again}{_ending(file.path)}"
        return name

    def take_files(self, paths: Sequence[str]) -> None:
        """Add files by their paths."""
        self.add_files([SourceFile(Path(path)) for path in paths])

    def _choose(self) -> None:
        dialog = QFileDialog(
            self, self.tr("Files to de-identify"), "", self.tr("EDF and BDF (*.edf *.bdf *.rec)")
        )
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.filesSelected.connect(self.take_files)
        dialog.open()

    def _drop(self) -> None:
        row = self.table.currentRow()
        if row >= 0:
            del self._files[row]
            self.table.removeRow(row)
            self._on_row(self.table.currentRow())

    def _on_name(self, item: QTableWidgetItem) -> None:
        if not self._filling and item.column() == _COPY:
            self._tell_ready()

    # -- looking

    def _on_row(self, row: int = -1) -> None:
        if not self._filling and not self._is_copying:
            self._look()

    def _look(self) -> None:
        """See what the copy of the chosen file would say."""
        row = self.table.currentRow()
        if self._filling or self._is_copying:
            return
        if row < 0 or not _ending(self._files[row]):
            self.work.cancel()
            self._plan = None
            self._show_plan()
            if row >= 0:
                self.notes.say(
                    self.tr(
                        "{name} is no EDF or BDF file. The columns and names of a table may hold "
                        "anything, so it cannot be de-identified here: remove what names a person "
                        "by hand."
                    ).format(name=self._files[row].name)
                )
            return
        days = self.days.value() if self._study_folder is None and self.days.value() else None
        self.work.start(
            partial(_plan, self._files[row], self._study_folder, days, self._patterns()),
            self.tr("Looking…"),
        )

    def _patterns(self) -> tuple[str, ...]:
        """The texts to keep, as patterns that fit just them."""
        about = {text.rpartition("@@")[0] for text in self._keep} - {""}
        return tuple(sorted(glob.escape(text) for text in {*self._keep, *about}))

    def _on_done(self, result: object) -> None:
        if isinstance(result, _Planned):
            self._plan = result
            self._filling = True
            self.days.setValue(result.shift_days)
            self._filling = False
            self._show_plan()
        elif isinstance(result, tuple):
            self._on_written(result)

    def _show_plan(self) -> None:
        self._show_fields()
        plan = self._plan.plan if self._plan is not None else None
        texts = plan.texts if plan is not None else ()
        self._filling = True
        self.texts.fill([("", _one_line(x.text), str(x.count)) for x in texts], (2,))
        for row, change in enumerate(texts):
            item = self.texts.item(row, _KEPT)
            item.setData(Qt.ItemDataRole.UserRole, change.text)
            flags = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsUserCheckable
            own = change.text in self._keep
            if own or not change.kept:
                flags |= Qt.ItemFlag.ItemIsEnabled
            item.setFlags(flags)
            item.setCheckState(
                Qt.CheckState.Checked if change.kept or own else Qt.CheckState.Unchecked
            )
        self._filling = False
        notes = [found.message for found in plan.findings] if plan is not None else []
        if plan is not None and plan.damaged_entries:
            notes.append(
                self.tr("Damaged annotations that are left out of the copy: {count}.").format(
                    count=plan.damaged_entries
                )
            )
        if self._plan is not None and self._plan.problem:
            notes.append(self._plan.problem)
        self.notes.say(" ".join(notes))
        self._tell_ready()

    def _show_fields(self) -> None:
        plan = self._plan.plan if self._plan is not None else None
        changes = [
            change
            for change in (plan.fields if plan is not None else ())
            if change.changed or (change.before and not self.only_changed.isChecked())
        ]
        self.fields.fill([(x.field, x.before, x.after) for x in changes])
        for row, change in enumerate(changes):
            for column in range(3):
                font = self.fields.item(row, column).font()
                font.setBold(change.changed)
                self.fields.item(row, column).setFont(font)

    def _on_tick(self, item: QTableWidgetItem) -> None:
        if self._filling or item.column() != _KEPT:
            return
        text = str(item.data(Qt.ItemDataRole.UserRole))
        if item.checkState() == Qt.CheckState.Checked:
            self._keep.add(text)
        else:
            self._keep.discard(text)
        self._look()

    # -- writing

    def start(self) -> None:
        """Write the copies, after a question where files would be replaced."""
        folder = self.folder.path
        if folder is None or not self.go.isEnabled():
            return
        self.reason.say("")
        self._pending = [
            (path, folder / self._copy_name(row))
            for row, path in enumerate(self._files)
            if self._copy_name(row)
        ]
        there = [out.name for _, out in self._pending if out.exists()]
        if there:
            self.ask(
                self.tr("Replace files"),
                self.tr("{count} of {total} copies are there already. Replace them?").format(
                    count=len(there), total=len(self._pending)
                ),
                "\n".join(there[:10]),
                self.tr("&Replace"),
                self._write,
            )
        else:
            self._write()

    def _copy_name(self, row: int) -> str:
        item = self.table.item(row, _COPY)
        return item.text().strip() if item is not None else ""

    def _write(self) -> None:
        self._is_copying = True
        self.work.start(
            partial(
                _write_all,
                tuple(self._pending),
                self._study_folder,
                self.days.value(),
                self._patterns(),
            ),
            self.tr("Writing copies…"),
        )
        self._tell_ready()

    def _on_written(self, copies: tuple[WrittenCopy, ...]) -> None:
        self._is_copying = False
        for copy in copies:
            item = self.table.item(self._files.index(copy.source), _STATE)
            item.setText(copy.error or self.tr("written"))
            item.setToolTip(item.text())
        done = sum(not copy.error for copy in copies)
        problems = list(dict.fromkeys(copy.error for copy in copies if copy.error))
        says = self.tr("{done} of {total} copies written.").format(done=done, total=len(copies))
        self.reason.say(" ".join([says, *problems]))
        self.written.emit(copies)

    def _on_stopped(self) -> None:
        if self._is_copying:
            self._is_copying = False
            self.reason.say(self.tr("Stopped. Copies that were written before are whole."))
            self._tell_ready()

    def tell(self, error: BaseException) -> None:
        self._is_copying = False
        super().tell(error)

    @property
    def is_writing(self) -> bool:
        return self._is_copying

    def _tell_ready(self) -> None:
        """Whether copies can be written, and why not."""
        names = [self._copy_name(row) for row in range(len(self._files))]
        names = [name for name in names if name]
        wrong = [name for name in names if safe_file_name(name) != name]
        folded = [name.casefold() for name in names]
        twice = [name for name in names if folded.count(name.casefold()) > 1]
        says = ""
        if wrong:
            says = self.tr("'{name}' is no name that every computer takes for a file.")
        elif twice:
            says = self.tr("Two copies would be called '{name}'.")
        self.wrong_name.say(says.format(name=(wrong or twice or [""])[0]))
        busy = self.work.is_busy
        self.drop.setEnabled(self.table.currentRow() >= 0 and not self._is_copying)
        self.add.setEnabled(not self._is_copying)
        self.go.setEnabled(
            bool(names)
            and not wrong
            and not twice
            and not busy
            and self.folder.path is not None
            and (self._study_folder is not None or self.days.value() != 0)
        )


def _ending(path: Path) -> str:
    """The ending of an EDF or BDF file's copy; empty for other files."""
    name = path.name.casefold().removesuffix(".gz")
    return next((ending for ending in EDF_ENDINGS if name.endswith(ending)), "")


def _one_line(text: str) -> str:
    return shown(" ".join(text.split()))


def _plan(
    path: Path,
    study_folder: Path | None,
    shift_days: int | None,
    keep: tuple[str, ...],
    context: RunContext,
) -> _Planned:
    """What a copy would say. The shift is the study's, or the one given, or drawn."""
    context.step("looking")
    try:
        start = start_of(path)
        if study_folder is not None:
            days = study_shift_days(study_folder, start)
        else:
            days = shift_days if shift_days is not None else random_shift_days(start)
    except CrosslError as error:
        return _Planned(path, shift_days or 0, None, str(error))
    try:
        return _Planned(path, days, plan_deidentification(path, days, keep))
    except CrosslError as error:
        return _Planned(path, days, None, str(error))


def _write_all(
    pending: tuple[tuple[Path, Path], ...],
    study_folder: Path | None,
    shift_days: int,
    keep: tuple[str, ...],
    context: RunContext,
) -> tuple[WrittenCopy, ...]:
    """Write copies; one that cannot be written does not stop the others."""
    written = []
    for number, (path, out) in enumerate(pending):
        context.step("de-identifying", number, len(pending))
        problem = ""
        try:
            days = (
                study_shift_days(study_folder, start_of(path))
                if study_folder is not None
                else shift_days
            )
            out.parent.mkdir(parents=True, exist_ok=True)
            deidentify(path, out, days, keep, force=True)
        except CrosslError as error:
            problem = str(error)
        except OSError as error:
            problem = f"{out}: cannot be written ({error.strerror})."
        written.append(WrittenCopy(path, out, problem))
    context.step("de-identifying", len(pending), len(pending))
    return tuple(written)
