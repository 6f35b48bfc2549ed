"""Labels of a study as files for other programs: whose, of which recordings, in which format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from core.label_files import FORMAT_NAMES, WRITTEN, LabelFormat
from core.label_mapping import LabelMapping
from core.label_scheme import ClassKind
from core.progress import RunContext
from core.study import Study
from core.study_export import (
    HOLDS,
    NAMING,
    ExportedFile,
    ExportItem,
    ExportOptions,
    existing_paths,
    export_labels,
    items_of,
    planned_paths,
)
from ui.dialog_parts import FileDialogBase, Paragraph, PathRow, PlainTable, TickList, keyed, named
from ui.mapping_choice import MappingChoice
from ui.wizard_page import choose

_KINDS: tuple[ClassKind, ...] = ("state", "event", "mark")


@dataclass(frozen=True)
class _Gathered:
    """What would be written, and which files would be replaced."""

    items: tuple[ExportItem, ...]
    folder: Path
    options: ExportOptions
    files: int
    existing: tuple[Path, ...]


class ExportLabelsDialog(FileDialogBase):
    """Writes labels of a study, which is only read, in the background.

    `raters` and `recordings` are names; those in `chosen_*` are ticked at first.
    """

    exported = Signal(object)
    """A tuple of ExportedFile, once all are written. The dialog stays, to show what the format
    could not hold; `core.study_export.note_exports` puts them into the audit."""

    def __init__(
        self,
        study_folder: Path,
        recordings: Sequence[str],
        raters: Sequence[str],
        chosen_recordings: Sequence[str] = (),
        chosen_raters: Sequence[str] = (),
        folder: Path | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__("", {}, parent)
        self.setWindowTitle(self.tr("Export labels"))
        self.resize(900, 640)
        self._study_folder = study_folder
        self._mapping: LabelMapping = {}
        self._pending: _Gathered | None = None
        self.work.stage_names["writing labels"] = self.tr("Writing…")
        self.work.succeeded.connect(self._on_done)
        self.work.busy_changed.connect(self._tell_ready)
        self.work.cancelled.connect(self._on_stopped)
        self._lay_out()
        self.recordings.fill(recordings, chosen_recordings or recordings)
        self.raters.fill(raters, chosen_raters or raters[:1])
        if folder is not None:
            self.folder.set_path(folder)
        self._on_format()

    # -- parts

    def _lay_out(self) -> None:
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.setChildrenCollapsible(False)
        parts.addWidget(self._who_part())
        parts.addWidget(self._how_part())
        parts.setSizes([330, 570])
        self.results = PlainTable(
            self.tr("Files"),
            [self.tr("File"), self.tr("Labels"), self.tr("What to know")],
            2,
        )
        self.results.setWordWrap(True)
        foot = self.make_foot(self.tr("&Export"), self.tr("Write the files"), self.start)
        column = QVBoxLayout(self)
        column.addWidget(parts, 3)
        column.addWidget(self.results, 2)
        column.addWidget(self.reason)
        column.addLayout(foot)

    def _who_part(self) -> QWidget:
        part = QWidget()
        column = QVBoxLayout(part)
        column.setContentsMargins(0, 0, 0, 0)
        tip = self.tr("Space ticks")
        self.recordings = TickList("", "")
        column.addWidget(named(self.tr("&Recordings"), self.recordings, tip))
        column.addWidget(self.recordings, 3)
        row = QHBoxLayout()
        self.all = QPushButton(self.tr("&All"))
        self.no = QPushButton(self.tr("&None"))
        keyed(self.all, self.tr("Tick all recordings"))
        keyed(self.no, self.tr("Tick no recording"))
        for button in (self.all, self.no):
            button.setAutoDefault(False)
            row.addWidget(button)
        row.addStretch(1)
        self.all.clicked.connect(self._tick_all)
        self.no.clicked.connect(self._tick_none)
        column.addLayout(row)
        self.raters = TickList("", "")
        column.addWidget(named(self.tr("Ra&ters"), self.raters, tip))
        column.addWidget(self.raters, 2)
        for ticks in (self.recordings, self.raters):
            ticks.changed.connect(self._tell_ready)
        return part

    def _how_part(self) -> QWidget:
        part = QWidget()
        self.format = QComboBox()
        for kind in WRITTEN:
            self.format.addItem(FORMAT_NAMES[kind], kind)
        choose(self.format, "edf")
        self.format.currentIndexChanged.connect(self._on_format)
        self.holds = Paragraph()
        self.mapping_choice = MappingChoice(self.tr("As they are in the study"))
        self.mapping_choice.chosen.connect(self._on_mapping)
        self.mapping_choice.failed.connect(self.tell)
        self.mapping = self.mapping_choice.combo
        self.changes = PlainTable(
            self.tr("What each class is called in the file"),
            [self.tr("Class"), self.tr("In the file")],
            1,
        )
        self.changes.setMaximumHeight(6 * self.changes.verticalHeader().defaultSectionSize())
        self.states = QComboBox()
        for text, value in (
            (self.tr("as they were labelled"), "as_labelled"),
            (self.tr("one for each epoch of the study"), "epochs"),
            (self.tr("neighbours of a class as one"), "intervals"),
        ):
            self.states.addItem(text, value)
        self.kinds: dict[ClassKind, QCheckBox] = {}
        kinds = QHBoxLayout()
        for kind, text in zip(
            _KINDS, (self.tr("&states"), self.tr("e&vents"), self.tr("mar&ks")), strict=True
        ):
            box = QCheckBox(text)
            box.setChecked(True)
            keyed(box, self.tr("Whether these are written"))
            box.toggled.connect(self._tell_ready)
            self.kinds[kind] = box
            kinds.addWidget(box)
        kinds.addStretch(1)
        self.folder = PathRow(self.tr("Folder"), "folder")
        self.folder.changed.connect(self._tell_ready)
        self.naming = QLineEdit(NAMING)
        self.naming.textChanged.connect(self._tell_ready)

        def row(text: str, editor: QWidget, tip: str) -> None:
            form.addRow(named(text, editor, tip), editor)

        form = QFormLayout(part)
        form.setContentsMargins(6, 0, 0, 0)
        row(self.tr("&Format"), self.format, self.tr("How the files are written"))
        form.addRow("", self.holds)
        form.addRow(
            named(self.tr("Na&mes"), self.mapping, self.tr("A table of names")), self.mapping_choice
        )
        form.addRow("", self.changes)
        row(self.tr("States are wr&itten"), self.states, self.tr("How states are cut or joined"))
        form.addRow(self.tr("Write"), kinds)
        row(self.tr("F&older"), self.folder, self.tr("Where the files go"))
        row(
            self.tr("Files are &called"),
            self.naming,
            self.tr(
                "{recording}, {rater} and {subject} stand for their names; the ending is added"
            ),
        )
        return part

    # -- asking

    @property
    def options(self) -> ExportOptions:
        """How labels are to be written, as the fields say."""
        return ExportOptions(
            self.format.currentData(),
            (self._mapping,) if self._mapping else (),
            self.states.currentData(),
            tuple(kind for kind, box in self.kinds.items() if box.isChecked()),
            self.naming.text().strip(),
        )

    def _tick_all(self) -> None:
        self.recordings.tick_all(True)

    def _tick_none(self) -> None:
        self.recordings.tick_all(False)

    def _on_format(self) -> None:
        kind: LabelFormat = self.format.currentData()
        holds = HOLDS[kind]
        lacks = [
            text
            for there, text in (
                (holds.overlap, self.tr("labels that overlap")),
                (holds.moments, self.tr("moments")),
                (holds.channel, self.tr("the modality of an event")),
                (holds.rater, self.tr("the rater")),
                (holds.confidence, self.tr("confidence")),
                (holds.start, self.tr("the clock time of the start")),
            )
            if not there
        ]
        says = self.tr("Has no place for {what}.").format(what=", ".join(lacks))
        if holds.only_epochs:
            says += " " + self.tr("Only states, one for each epoch; '?' where there is none.")
        self.holds.say(says if lacks else self.tr("Holds all that labels say."))
        self.states.setEnabled(not holds.only_epochs)
        self._tell_ready()

    def _on_mapping(self, mapping: LabelMapping) -> None:
        self._mapping = mapping
        rows = [(text, became or self.tr("left out")) for text, became in self._mapping.items()]
        self.changes.fill(rows)
        self._tell_ready()

    def _tell_ready(self) -> None:
        ready = (
            bool(self.recordings.ticked)
            and bool(self.raters.ticked)
            and any(box.isChecked() for box in self.kinds.values())
            and self.folder.path is not None
            and bool(self.naming.text().strip())
        )
        self.go.setEnabled(ready and not self.work.is_busy)
        self.changes.setVisible(self.changes.rowCount() > 0)

    # -- writing

    def start(self) -> None:
        """See what would be replaced, ask where something would be, and write."""
        folder = self.folder.path
        if not self.go.isEnabled() or folder is None:
            return
        self.reason.say("")
        self.results.fill([])
        self.work.start(
            partial(
                _gather,
                self._study_folder,
                self.recordings.ticked,
                self.raters.ticked,
                folder,
                self.options,
            ),
            self.tr("Reading labels…"),
        )

    def _on_done(self, result: object) -> None:
        if isinstance(result, _Gathered):
            self._on_gathered(result)
        elif isinstance(result, tuple):
            self._on_written(result)

    def _on_gathered(self, gathered: _Gathered) -> None:
        self._pending = gathered
        if not gathered.items:
            self.reason.say(self.tr("These raters gave these recordings no labels."))
        elif gathered.existing:
            self.ask(
                self.tr("Replace files"),
                self.tr("{count} of {total} files are there already. Replace them?").format(
                    count=len(gathered.existing), total=gathered.files
                ),
                "\n".join(path.name for path in gathered.existing[:10]),
                self.tr("&Replace"),
                self._write,
            )
        else:
            self._write()

    def _write(self) -> None:
        if self._pending is not None:
            self.work.start(partial(_write, self._pending), self.tr("Writing…"))

    def _on_written(self, files: tuple[ExportedFile, ...]) -> None:
        rows = []
        for file in files:
            said = file.error or " ".join(dict.fromkeys(x.message for x in file.findings))
            rows.append((file.path.name, str(file.labels) if file.written else "–", said))
        self.results.fill(rows, (1,))
        self.results.resizeRowsToContents()
        written = sum(file.written for file in files)
        self.reason.say(
            self.tr("{written} of {total} files written to {folder}.").format(
                written=written, total=len(files), folder=self.folder.line.text()
            )
        )
        self.exported.emit(files)

    def _on_stopped(self) -> None:
        self.reason.say(self.tr("Stopped. Files that were written before are whole."))


def _gather(
    study_folder: Path,
    recordings: Sequence[str],
    raters: Sequence[str],
    folder: Path,
    options: ExportOptions,
    context: RunContext,
) -> _Gathered:
    """Read the labels from the study; it is open elsewhere, and only read here."""
    study = Study.open(study_folder, read_only=True)
    try:
        items: list[ExportItem] = []
        chosen = [one for one in study.recordings() if one.name in recordings]
        people = [one for one in study.raters() if one.name in raters]
        for number, recording in enumerate(chosen):
            context.step("reading labels", number, len(chosen))
            items += items_of(study, [recording], people)
    finally:
        study.close()
    files = planned_paths(items, folder, options)
    return _Gathered(tuple(items), folder, options, len(files),
                     existing_paths(items, folder, options))  # fmt: skip


def _write(gathered: _Gathered, context: RunContext) -> tuple[ExportedFile, ...]:
    return export_labels(
        gathered.items, gathered.folder, gathered.options, force=True, context=context
    )
