"""Labels that come into a study: from a file, from files in a folder, from recordings themselves.

Every text and what it becomes is shown before anything is taken, and can be said otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDialogButtonBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSplitter,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from core.config import ModalityConfig
from core.errors import CrosslError
from core.label_files import FORMAT_NAMES, FORMATS
from core.label_mapping import LabelMapping
from core.label_scheme import LabelScheme
from core.label_sources import (
    ImportItem,
    ImportSource,
    ReadLabels,
    match_label_files,
    read_for_import,
)
from core.progress import RunContext
from core.study import StudyRecording
from core.study_import import (
    ImportedText,
    ImportOptions,
    ImportPlan,
    PlannedImport,
    plan_imports,
    texts_of,
)
from core.study_labels import to_s
from ui.dialog_parts import (
    FileDialogBase,
    OneByOne,
    Paragraph,
    PathRow,
    PlainTable,
    findings_rows,
    keyed,
    named,
)
from ui.mapping_choice import MappingChoice
from ui.wizard_page import NumberEdit, choose, describe

LABEL_FILES = "*.edf *.bdf *.rec *.csv *.tsv *.tab *.txt *.xml *.annot *.eannot *.gz"
_FILE = "file"
_SOON_MS = 60


@dataclass(frozen=True)
class LabelImport:
    """What is to be kept for one recording; `what` says it in the list of edits."""

    recording: StudyRecording
    rater: str
    plan: ImportPlan
    what: str
    take_grid_offset: bool


@dataclass(frozen=True)
class ImportOutcome:
    """What became of an import: the recordings that have the labels now, and the names of those
    that have not, with the reason."""

    rater: str
    kept: tuple[LabelImport, ...]
    refused: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Looked:
    """What was read, and what would become of it."""

    read: tuple[ReadLabels, ...]
    planned: tuple[PlannedImport, ...]


class ImportLabelsDialog(FileDialogBase):
    """Imports labels for one recording or many.

    The study is only read here, in the background. What is to be written goes through `keep`, one
    recording after the other, in the window's thread; it raises CrosslError where it cannot.
    """

    imported = Signal(object)
    """An ImportOutcome, after the last recording. The dialog then closes, unless some were
    refused."""

    def __init__(
        self,
        study_folder: Path,
        items: Sequence[ImportItem],
        scheme: LabelScheme,
        raters: Sequence[str],
        rater: str,
        keep: Callable[[LabelImport], object],
        modalities: Sequence[ModalityConfig] = (),
        parent: QWidget | None = None,
    ) -> None:
        """`items`: the recordings, their files as far as they are known. `rater`: who is offered
        first. `modalities`: what events' channels belong to."""
        super().__init__("", {}, parent)
        self._study_folder = study_folder
        self._items = tuple(items)
        self._scheme = scheme
        self._keep = keep
        self._modalities = tuple(modalities)
        self._several = len(self._items) > 1
        self._paths = {item.recording.id: item.path for item in self._items}
        self._fitting: dict[int, int] = {}
        self._read: tuple[ReadLabels, ...] | None = None
        self._planned: tuple[PlannedImport, ...] = ()
        self._preset: LabelMapping = {}
        self._said: dict[str, str | None] = {}
        self._filling = False
        name = items[0].recording.name if len(items) == 1 else None
        self.setWindowTitle(
            self.tr("Import labels – {name}").format(name=name)
            if name is not None
            else self.tr("Import labels – {count} recordings").format(count=len(self._items))
        )
        self.resize(960, 660)
        self.work.stage_names.update(
            {
                "reading labels": self.tr("Reading labels…"),
                "comparing": self.tr("Looking what would change…"),
            }
        )
        self.work.succeeded.connect(self._show)
        self.work.failed.connect(self._on_failed)
        self.work.busy_changed.connect(self._tell_ready)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_SOON_MS)
        self._soon.timeout.connect(self._look)
        self._keeping = OneByOne(self)
        self._keeping.stepped.connect(self._on_kept)
        self._keeping.finished.connect(self._on_all_kept)
        self._lay_out(raters, rater)
        self._show_origin()
        self._show_recordings()
        paths = [path for path in self._paths.values() if path is not None]
        if paths and not self._several:
            self.place.set_path(paths[0])
        elif paths:
            self._read_again()

    # -- parts

    def _lay_out(self, raters: Sequence[str], rater: str) -> None:
        column = QVBoxLayout(self)
        column.addLayout(self._source_part(raters, rater))
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.setChildrenCollapsible(False)
        parts.addWidget(self._names_part())
        parts.addWidget(self._result_part())
        parts.setSizes([430, 510])
        column.addWidget(parts, 1)
        column.addLayout(self._how_part())
        self.summary = Paragraph()
        font = self.summary.font()
        font.setBold(True)
        self.summary.setFont(font)
        self.summary.setAccessibleName(self.tr("What importing would do"))
        column.addWidget(self.summary)
        column.addWidget(self.reason)
        foot = self.make_foot(
            self.tr("&Import"),
            self.tr("Put the labels into the study, as one step to undo"),
            self.start,
            QDialogButtonBox.StandardButton.Cancel,
        )
        column.addLayout(foot)

    def _source_part(self, raters: Sequence[str], rater: str) -> QGridLayout:
        self.origin = QComboBox()
        files = self.tr("Files in a folder") if self._several else self.tr("A file")
        for text, kind in (
            (files, _FILE),
            (self.tr("Annotations in the recording itself"), "annotations"),
            (self.tr("A column of the recording"), "column"),
        ):
            self.origin.addItem(text, kind)
        self.origin.currentIndexChanged.connect(self._on_origin)
        if self._several:
            self.place = PathRow(self.tr("Folder with labels"), "folder")
        else:
            filters = self.tr("Files of labels ({endings});;All files (*)")
            self.place = PathRow(
                self.tr("File of labels"), "open", filters.format(endings=LABEL_FILES)
            )
        self.place.changed.connect(self._on_place)
        self.pattern = QLineEdit("{recording}*")
        self.pattern.editingFinished.connect(self._on_place)
        self.column_name = QComboBox()
        self.column_name.setEditable(True)
        columns = dict.fromkeys(
            name
            for item in self._items
            for entry in item.recording.files
            for name in entry.label_columns
        )
        self.column_name.addItems(list(columns))
        self.column_name.currentTextChanged.connect(self._read_again)
        self.format = QComboBox()
        self.format.addItem(self.tr("Guessed from the file"), None)
        for kind in FORMATS:
            self.format.addItem(FORMAT_NAMES[kind], kind)
        self.format.currentIndexChanged.connect(self._read_again)
        tip = self.tr("For files with one value an epoch, and tables without durations")
        self.epoch = NumberEdit(self.tr("Length of an epoch"), tip, above=0)
        self.epoch.setPlaceholderText(f"{self._scheme.epoch_s:g}")
        self.offset = NumberEdit(
            self.tr("Start of the first epoch"),
            self.tr("In seconds from the recording's start, for files with one value an epoch"),
        )
        self.offset.setPlaceholderText("0")
        for number in (self.epoch, self.offset):
            number.changed.connect(self._read_again)
        self.scorer = QComboBox()
        self.scorer.addItem(self.tr("Everybody"), "")
        self.scorer.currentIndexChanged.connect(self._read_again)
        self.rater = QComboBox()
        self.rater.setEditable(True)
        self.rater.addItems(list(raters))
        self.rater.setCurrentText(rater)
        self.rater.currentTextChanged.connect(self._soon_again)

        grid = QGridLayout()
        grid.setColumnStretch(1, 3)
        grid.setColumnStretch(3, 2)
        self._rows: dict[str, list[QWidget]] = {}

        def put(row: int, place: int, text: str, editor: QWidget, tip: str, key: str = "") -> None:
            label = named(text, editor, tip)
            grid.addWidget(label, row, place)
            grid.addWidget(editor, row, place + 1, 1, 3 if key == "place" else 1)
            self._rows.setdefault(key, []).extend((label, editor))

        put(0, 0, self.tr("F&rom"), self.origin, self.tr("Where the labels are now"))
        put(0, 2, self.tr("&Labels of rater"), self.rater,
            self.tr("Whose labels they become; type a name for a new rater"))  # fmt: skip
        where = self.tr("&Folder") if self._several else self.tr("&File")
        put(1, 0, where, self.place, self.tr("Drop it here, type it, or browse"), "place")
        put(2, 0, self.tr("Na&med like"), self.pattern,
            self.tr("Which file belongs to which recording: {recording}, {subject}, fields of the "
                    "recordings, * and ?"), "pattern")  # fmt: skip
        put(2, 0, self.tr("Col&umn"), self.column_name,
            self.tr("The column with a label on every sample"), "column")  # fmt: skip
        put(3, 0, self.tr("Forma&t"), self.format, self.tr("How the file is written"), "format")
        put(3, 2, self.tr("S&cored by"), self.scorer,
            self.tr("Whose labels in the file count"), "scorer")  # fmt: skip
        numbers = QHBoxLayout()
        for text, editor in (
            (self.tr("Epoch len&gth (s)"), self.epoch),
            (self.tr("First ep&och at (s)"), self.offset),
        ):
            label = named(text, editor, editor.toolTip())
            numbers.addWidget(label)
            numbers.addWidget(editor)
            self._rows.setdefault("epochs", []).extend((label, editor))
        numbers.addStretch(1)
        grid.addLayout(numbers, 4, 0, 1, 4)
        return grid

    def _names_part(self) -> QWidget:
        part = QWidget()
        self.mapping_choice = MappingChoice(self.tr("As they are written"))
        self.mapping_choice.chosen.connect(self._on_mapping)
        self.mapping_choice.failed.connect(self.tell)
        self.mapping = self.mapping_choice.combo
        self.names = PlainTable(
            self.tr("What each text becomes"),
            [self.tr("Text"), self.tr("Times"), self.tr("Becomes")],
            2,
        )
        self.names.setToolTip(self.tr("Enter, F2 or a double click: say what a text becomes"))
        self.names.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self._chooser = _ClassChooser(self._scheme, self.names)
        self._chooser.said.connect(self._on_said)
        self.names.setItemDelegateForColumn(2, self._chooser)
        self.names.activated.connect(self._edit_name)
        self.unknown = QComboBox()
        for text, value in (
            (self.tr("are left out"), "leave_out"),
            (self.tr("become new states"), "state"),
            (self.tr("become new events"), "event"),
        ):
            self.unknown.addItem(text, value)
        self.unknown.currentIndexChanged.connect(self._soon_again)
        head = QHBoxLayout()
        head.addWidget(named(self.tr("&Names"), self.mapping, self.tr("A table of names")))
        head.addWidget(self.mapping_choice, 1)
        foot = QHBoxLayout()
        foot.addWidget(
            named(
                self.tr("Te&xts without a class"),
                self.unknown,
                self.tr("What becomes of texts that lead to no class of the study"),
            )
        )
        foot.addWidget(self.unknown, 1)
        column = QVBoxLayout(part)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(head)
        column.addWidget(self.names, 1)
        column.addLayout(foot)
        return part

    def _result_part(self) -> QWidget:
        part = QWidget()
        self.table = PlainTable(
            self.tr("Recordings"),
            [self.tr("Recording"), self.tr("File"), self.tr("Labels")],
            1,
        )
        self.table.itemSelectionChanged.connect(self._on_row)
        self.other = QPushButton(self.tr("Oth&er file…"))
        keyed(self.other, self.tr("Take another file for the chosen recording"))
        self.none = QPushButton(self.tr("Ta&ke none"))
        keyed(self.none, self.tr("Import nothing for the chosen recording"))
        for button in (self.other, self.none):
            button.setAutoDefault(False)
        self.other.clicked.connect(self._choose_other)
        self.none.clicked.connect(self._take_none)
        self.findings = PlainTable(
            self.tr("What to know"), [self.tr("Recording"), self.tr("What to know")], 1
        )
        self.findings.setWordWrap(True)
        column = QVBoxLayout(part)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.table, 2)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.other)
        row.addWidget(self.none)
        column.addLayout(row)
        column.addWidget(self.findings, 3)
        self._rows["match"] = [self.other, self.none]
        if not self._several:
            self.table.setMaximumHeight(3 * self.table.verticalHeader().defaultSectionSize())
            self.findings.hideColumn(0)
        return part

    def _how_part(self) -> QHBoxLayout:
        self.how = QComboBox()
        self.how.addItem(self.tr("take the place of all labels of this rater"), "replace")
        self.how.addItem(self.tr("fill only time without a label"), "fill")
        self.how.currentIndexChanged.connect(self._soon_again)
        self.grid = QCheckBox()
        self.grid.setChecked(True)
        row = QHBoxLayout()
        row.addWidget(named(self.tr("T&he labels"), self.how,
                            self.tr("What happens to labels that are there")))  # fmt: skip
        row.addWidget(self.how)
        row.addSpacing(16)
        row.addWidget(self.grid, 1)
        return row

    # -- asking

    @property
    def source(self) -> ImportSource:
        """Where labels are taken from. Raises ValueError in words for what is no number."""
        return ImportSource(
            self.origin.currentData(),
            self.format.currentData(),
            self.epoch.value() or self._scheme.epoch_s,
            self.offset.value() or 0.0,
            self.scorer.currentData() or "",
            self.column_name.currentText().strip(),
        )

    @property
    def options(self) -> ImportOptions:
        """What is made of them: the chosen table of names, with what was said otherwise."""
        return ImportOptions(
            {**self._preset, **self._said},
            self.how.currentData(),
            self.unknown.currentData(),
            self._modalities,
        )

    @property
    def is_looking(self) -> bool:
        """Whether the preview is still to come."""
        return self._soon.isActive() or self.work.is_busy

    def set_file(self, path: Path) -> None:
        """Start with this file, or folder for several recordings."""
        choose(self.origin, _FILE)
        self.place.set_path(path)

    def _on_origin(self) -> None:
        self._show_origin()
        self._read_again()

    def _show_origin(self) -> None:
        kind = self.origin.currentData()
        shown = {
            "place": kind == _FILE,
            "pattern": kind == _FILE and self._several,
            "column": kind == "column",
            "format": kind == _FILE,
            "scorer": kind == _FILE and self.scorer.count() > 1,
            "epochs": kind == _FILE,
            "match": kind == _FILE and self._several,
        }
        for key, visible in shown.items():
            for widget in self._rows.get(key, ()):
                widget.setVisible(visible)
        self.grid.setVisible(False)
        self._tell_ready()

    def _on_place(self) -> None:
        path = self.place.path
        self.reason.say("")
        if path is None:
            self._paths = dict.fromkeys(self._paths)
        elif not self._several:
            self._paths = dict.fromkeys(self._paths, path)
        else:
            recordings = [item.recording for item in self._items]
            try:
                matches = match_label_files(path, self.pattern.text().strip(), recordings)
            except CrosslError as error:
                self.tell(error)
                return
            self._paths = {m.recording.id: m.paths[0] if m.paths else None for m in matches}
            self._fitting = {m.recording.id: len(m.paths) for m in matches}
        self._read_again()

    def _read_again(self) -> None:
        if not self._filling:
            self._read = None
            self._soon_again()

    def _soon_again(self) -> None:
        if not self._filling:
            self._soon.start()
            self._tell_ready()

    def _look(self) -> None:
        try:
            source = self.source
        except ValueError as error:
            self.reason.say(str(error))
            return
        self.reason.say("")
        wanted = [
            replace(item, path=self._paths[item.recording.id])
            for item in self._items
            if source.kind != _FILE or self._paths[item.recording.id] is not None
        ]
        if source.kind == "column" and not source.column:
            wanted = []
        if not wanted:
            self._read = None
            self._show(_Looked((), ()))
            return
        self.work.start(
            partial(
                _look_into,
                self._study_folder,
                wanted,
                source,
                self._read,
                self.rater.currentText().strip(),
                self.options,
            ),
            self.tr("Reading labels…"),
        )

    def _on_mapping(self, mapping: LabelMapping) -> None:
        self._preset = mapping
        self._said = {}
        self._soon_again()

    def _edit_name(self, index: QModelIndex) -> None:
        self.names.edit(self.names.model().index(index.row(), 2))

    def _on_said(self, text: str, became: object) -> None:
        assert became is None or isinstance(became, str)
        self._said[text] = became
        self._soon_again()

    def _on_row(self) -> None:
        chosen = self.table.currentRow() >= 0
        self.other.setEnabled(chosen)
        self.none.setEnabled(chosen)

    def _choose_other(self) -> None:
        start = self._paths[self._items[self.table.currentRow()].recording.id] or self.place.path
        dialog = QFileDialog(self, self.tr("File of labels"), str(start or ""))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.take_other)
        dialog.open()

    def take_other(self, path: str) -> None:
        """Take this file for the chosen recording."""
        self._set_path(Path(path))

    def _take_none(self) -> None:
        self._set_path(None)

    def _set_path(self, path: Path | None) -> None:
        recording = self._items[self.table.currentRow()].recording.id
        self._paths[recording] = path
        self._fitting.pop(recording, None)
        self._read_again()

    # -- showing

    def _on_failed(self) -> None:
        self._planned = ()
        self._show_recordings()
        self._tell_ready()

    def _show(self, looked: _Looked) -> None:
        self._read = looked.read or None
        self._planned = looked.planned
        self._show_scorers()
        self._show_names(texts_of(looked.planned))
        self._show_recordings()
        self._show_offsets()
        self._tell_ready()

    def _show_scorers(self) -> None:
        """Offer the raters of the file, where it names several."""
        known = dict.fromkeys(r for one in self._read or () for r in one.raters)
        if len(known) > 1:
            self._filling = True
            for name in known:
                if self.scorer.findData(name) < 0:
                    self.scorer.addItem(name, name)
            self._filling = False
        shown = self.origin.currentData() == _FILE and self.scorer.count() > 1
        for widget in self._rows["scorer"]:
            widget.setVisible(shown)

    def _show_names(self, rows: Sequence[ImportedText]) -> None:
        self.names.fill([(row.text, str(row.count), self._became(row)) for row in rows], (1,))

    def _became(self, row: ImportedText) -> str:
        if row.became is None:
            return self.tr("unlabelled") if row.known else self.tr("left out: no such class")
        if row.is_new:
            kind = self.tr("event") if row.kind == "event" else self.tr("state")
            return self.tr("{name} (new {kind})").format(name=row.became, kind=kind)
        return row.became

    def _show_recordings(self) -> None:
        planned = {one.recording.id: one for one in self._planned}
        rows = []
        notes: list[tuple[str, str]] = []
        for item in self._items:
            recording = item.recording
            path = self._paths[recording.id]
            one = planned.get(recording.id)
            labels = ""
            if one is not None and one.plan is not None:
                labels = self._counts(one.plan)
                notes += findings_rows([(recording.name, one.plan.findings)])
            elif one is not None:
                labels = self.tr("none")
                notes.append((recording.name, one.problem))
            fitting = self._fitting.get(recording.id, 0)
            if fitting > 1 and path is not None:
                notes.append(
                    (
                        recording.name,
                        self.tr("{count} files fit; {name} was taken.").format(
                            count=fitting, name=path.name
                        ),
                    )
                )
            own = self.origin.currentData() != _FILE
            file = self.tr("its own") if own else path.name if path is not None else "–"
            rows.append((recording.name, file, labels))
        self.table.fill(rows)
        if self.table.currentRow() < 0 and rows:
            self.table.setCurrentCell(0, 0)
        self._on_row()
        self.findings.fill(notes)
        self.findings.resizeRowsToContents()

    def _counts(self, plan: ImportPlan) -> str:
        parts = [
            (plan.states, self.tr("{n} state"), self.tr("{n} states")),
            (plan.events, self.tr("{n} event"), self.tr("{n} events")),
            (plan.marks, self.tr("{n} mark"), self.tr("{n} marks")),
        ]
        said = [(one if n == 1 else many).format(n=n) for n, one, many in parts if n]
        return ", ".join(said) or self.tr("none")

    def _show_offsets(self) -> None:
        offsets = [
            one.plan.grid_offset_ns
            for one in self._planned
            if one.plan is not None and one.plan.grid_offset_ns is not None
        ]
        self.grid.setVisible(bool(offsets))
        if len(offsets) == 1:
            time = f"{to_s(offsets[0]):g}"
            says = self.tr("Let the stud&y's epochs start where these do, at {time} s")
            says = says.format(time=time)
        else:
            says = self.tr("Let the epochs of {count} recordings st&art where these do")
            says = says.format(count=len(offsets))
        self.grid.setText(says)
        keyed(self.grid, self.tr("Else the labels lie across the edges of the study's epochs"))

    def _tell_ready(self) -> None:
        """Say what importing would do, and whether it can be done."""
        plans = [one.plan for one in self._planned if one.plan is not None]
        added = sum(plan.states + plan.events + plan.marks for plan in plans)
        removed = sum(len(plan.change.removed) for plan in plans)
        changes = any(plan.change for plan in plans)
        looking = self.is_looking
        rater = self.rater.currentText().strip()
        if looking:
            says = self.tr("…")
        elif not plans:
            says = self.tr("Nothing to import yet.")
        elif not changes:
            says = self.tr("Nothing would change: these labels are there already.")
        else:
            says = self.tr("Labels to put in: {added}").format(added=added)
            if removed:
                says += self.tr(", in the place of {removed}").format(removed=removed)
            new = list(dict.fromkeys(name for plan in plans for name in plan.new_classes))
            if new:
                says += self.tr("; new classes: {names}").format(names=", ".join(new))
            says += "."
        if not rater:
            says = self.tr("Say whose labels they become.")
        self.summary.setText(says)
        self.go.setEnabled(bool(rater) and changes and not looking and not self.is_writing)

    # -- importing

    def start(self) -> None:
        """Put the labels into the study, one recording after the other."""
        if not self.go.isEnabled():
            return
        rater = self.rater.currentText().strip()
        imports = [
            LabelImport(
                one.recording,
                rater,
                one.plan,
                self._what(one.recording.id),
                self.grid.isVisible() and self.grid.isChecked(),
            )
            for one in self._planned
            if one.plan is not None and one.plan.change
        ]
        self.work.show_step(self.tr("Writing…"), 0, len(imports))
        self._keeping.start(imports, self._keep)
        self._tell_ready()

    def _what(self, recording_id: int) -> str:
        path = self._paths[recording_id]
        if self.origin.currentData() == _FILE and path is not None:
            return self.tr("import of {name}").format(name=path.name)
        if self.origin.currentData() == "column":
            column = self.column_name.currentText().strip()
            return self.tr("import of column {name}").format(name=column)
        return self.tr("import of the recording's annotations")

    def _on_kept(self, done: int, total: int) -> None:
        self.work.show_step(self.tr("Writing…"), done, total)

    def _on_all_kept(self, results: list[tuple[LabelImport, str]]) -> None:
        self.work.show_step("", 0, 0)
        kept = tuple(one for one, problem in results if not problem)
        refused = tuple((one.recording.name, problem) for one, problem in results if problem)
        outcome = ImportOutcome(self.rater.currentText().strip(), kept, refused)
        if not refused:
            self.imported.emit(outcome)
            self.accept()
            return
        self.findings.fill(refused)
        self.findings.resizeRowsToContents()
        self._planned = ()
        self._tell_ready()
        self.summary.setText(
            self.tr("{kept} of {total} recordings have the labels now; see why the others do not.")
            .format(kept=len(kept), total=len(results))
        )  # fmt: skip
        self.imported.emit(outcome)

    @property
    def is_writing(self) -> bool:
        return self._keeping.is_busy

    def reject(self) -> None:
        if self._keeping.is_busy:
            self._keeping.stop()
            return
        super().reject()

    def done(self, result: int) -> None:
        self._soon.stop()
        super().done(result)


class _ClassChooser(QStyledItemDelegate):
    """A choice among the classes; another name may be typed, and nothing is unlabelled."""

    said = Signal(str, object)
    """A text, and the class that it is to become or None."""

    def __init__(self, scheme: LabelScheme, parent: QWidget) -> None:
        super().__init__(parent)
        self._scheme = scheme

    def createEditor(
        self,
        parent: QWidget,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> QWidget:
        box = QComboBox(parent)
        box.setEditable(True)
        describe(box, self.tr("Becomes"), self.tr("A class, or nothing for unlabelled (Enter)"))
        box.addItem(self.tr("unlabelled"), "")
        for entry in self._scheme.classes:
            box.addItem(entry.name, entry.name)
        return box

    def setEditorData(self, editor: QWidget, index: QModelIndex | QPersistentModelIndex) -> None:
        assert isinstance(editor, QComboBox)
        place = editor.findText(str(index.data()))
        if place >= 0:
            editor.setCurrentIndex(place)
        else:
            editor.setEditText("")
        line = editor.lineEdit()
        if line is not None:
            line.selectAll()

    def setModelData(
        self, editor: QWidget, model: object, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        assert isinstance(editor, QComboBox)
        typed = editor.currentText().strip()
        place = editor.findText(typed)
        became = editor.itemData(place) if place >= 0 else typed
        text = index.siblingAtColumn(0).data()
        self.said.emit(str(text), became or None)


def _look_into(
    study_folder: Path,
    wanted: Sequence[ImportItem],
    source: ImportSource,
    read: tuple[ReadLabels, ...] | None,
    rater: str,
    options: ImportOptions,
    context: RunContext,
) -> _Looked:
    """Read labels, unless that was done already, and see what would become of them."""
    if read is None:
        read = read_for_import(wanted, source, context)
    return _Looked(read, plan_imports(study_folder, read, rater, options, context))
