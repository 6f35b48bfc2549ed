"""Predictions and embeddings of a run as files: in which form, of which recordings, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from core.errors import ConfigError
from core.export_windows import (
    WindowsForm,
    WindowsItem,
    WindowsOptions,
    existing_files,
    export_windows,
    planned_files,
)
from core.label_files import FORMAT_NAMES, WRITTEN, LabelFormat
from core.progress import RunContext
from core.run_results import RunResults
from core.study_export import HOLDS, ExportedFile
from ui.dialog_parts import FileDialogBase, Paragraph, PathRow, PlainTable, TickList, keyed, named
from ui.jobs import Work
from ui.wizard_page import choose, describe

_SHOWN = 4
"""Files that are named before they are written."""


@dataclass(frozen=True)
class PredictionsRequest:
    """What is to be written; files that are there may be replaced."""

    items: tuple[WindowsItem, ...]
    folder: Path
    options: WindowsOptions
    model: str


def write_predictions_files(
    results: RunResults, request: PredictionsRequest, context: RunContext
) -> tuple[ExportedFile, ...]:
    """Write what was wanted, for a job. Raises OutputError."""
    return export_windows(
        results,
        request.items,
        request.folder,
        request.options,
        request.model,
        force=True,
        context=context,
    )


@dataclass(frozen=True)
class _Looked:
    """What would be written, and which files would be replaced."""

    request: PredictionsRequest
    files: int
    existing: tuple[Path, ...]


class ExportPredictionsDialog(FileDialogBase):
    """Asks which predictions are to be written; whoever opened the dialog has it done.

    `wanted` is answered with `run(partial(write_predictions_files, results, request))`.
    """

    wanted = Signal(object)
    """A PredictionsRequest; the user was asked about files that it replaces."""
    exported = Signal(object)
    """A tuple of ExportedFile, once all are written. The dialog stays, to show what to know."""

    def __init__(
        self,
        items: Sequence[WindowsItem],
        model: str,
        current: str = "",
        folder: Path | None = None,
        threshold: float = 0.0,
        modalities: Sequence[str] = (),
        kept: tuple[int, ...] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        """
        Parameters
        ----------
        items: recordings that the run has predicted.
        model: who predicts, as files' names and labels say it.
        current: name of the recording that is shown; alone ticked at first where there is one.
        threshold: confidence below which windows are unsure now.
        modalities, kept: names of all, and numbers of those that are switched on.
        """
        super().__init__("", {}, parent)
        self.setWindowTitle(self.tr("Export predictions"))
        self.resize(900, 620)
        self._items = {item.recording.name: item for item in items}
        self._model = model
        self._current = current if current in self._items else ""
        self._kept = kept if kept is not None and len(kept) < len(modalities) else None
        self._looked: _Looked | None = None
        self.work.stage_names.update(
            {
                "writing predictions": self.tr("Writing…"),
                "writing labels": self.tr("Writing…"),
                "reading windows": self.tr("Reading windows…"),
                "writing embeddings": self.tr("Writing embeddings…"),
            }
        )
        self.work.succeeded.connect(self._on_done)
        self.work.busy_changed.connect(self._tell_ready)
        self.work.cancelled.connect(self._on_stopped)
        names = ", ".join(modalities[k] for k in self._kept) if self._kept is not None else ""
        self._lay_out(names or self.tr("none"))
        self.threshold.setValue(threshold)
        self.folder.set_path(folder)
        self.recordings.fill(list(self._items), [self._current] if self._current else self._items)
        self._on_form()

    # -- parts

    def _lay_out(self, kept: str) -> None:
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.setChildrenCollapsible(False)
        parts.addWidget(self._who_part())
        parts.addWidget(self._how_part(kept))
        parts.setSizes([300, 600])
        self.results = PlainTable(
            self.tr("Files"), [self.tr("File"), self.tr("Entries"), self.tr("What to know")], 2
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
        self.recordings = TickList("", "")
        self.recordings.changed.connect(self._on_choice)
        column.addWidget(named(self.tr("&Recordings"), self.recordings, self.tr("Space ticks")))
        column.addWidget(self.recordings, 1)
        self.all = QPushButton(self.tr("&All"))
        self.this = QPushButton(self.tr("&This"))
        keyed(self.all, self.tr("Tick all recordings"))
        keyed(self.this, self.tr("Tick the recording that is shown alone"))
        self.this.setEnabled(bool(self._current))
        row = QHBoxLayout()
        for button in (self.all, self.this):
            button.setAutoDefault(False)
            row.addWidget(button)
        row.addStretch(1)
        self.all.clicked.connect(self._tick_all)
        self.this.clicked.connect(self._tick_this)
        column.addLayout(row)
        return part

    def _how_part(self, kept: str) -> QWidget:
        part = QWidget()
        self.form = QComboBox()
        for kind in WRITTEN:
            text = self.tr("Labels: {format}").format(format=FORMAT_NAMES[kind])
            self.form.addItem(text, f"labels {kind}")
        self.form.addItem(self.tr("Table of predictions, all probabilities: CSV"), "predictions")
        self.form.addItem(self.tr("Embeddings with predictions: Parquet"), "embeddings")
        choose(self.form, "labels csv")
        self.form.currentIndexChanged.connect(self._on_form)
        self.says = Paragraph()
        self.says.setMinimumWidth(360)  # or the form keeps room for many short lines
        self.states = QComboBox()
        for text, value in (
            (self.tr("neighbours of a class as one"), "intervals"),
            (self.tr("one for each window"), "as_labelled"),
            (self.tr("one for each epoch of the study"), "epochs"),
        ):
            self.states.addItem(text, value)
        self.threshold = QDoubleSpinBox()
        self.threshold.setRange(0.0, 1.0)
        self.threshold.setSingleStep(0.05)
        self.threshold.setDecimals(2)
        self.threshold.setSpecialValueText(self.tr("never"))
        self.with_codes = QCheckBox(self.tr("Each &modality's own embedding, too"))
        keyed(self.with_codes, self.tr("One column more for each number of each modality"))
        self.only_kept = QCheckBox(
            self.tr("As with the &switches now: {modalities}").format(modalities=kept)
        )
        keyed(self.only_kept, self.tr("Predict with the modalities alone that are switched on"))
        self.only_kept.setVisible(self._kept is not None)
        self.folder = PathRow(self.tr("Folder"), "folder")
        self.folder.changed.connect(self._on_choice)
        self.plan = Paragraph()
        column = QVBoxLayout(part)
        column.setContentsMargins(6, 0, 0, 0)
        form = QFormLayout()
        column.addLayout(form)
        column.addStretch(1)

        def row(text: str, editor: QWidget, tip: str) -> None:
            form.addRow(named(text, editor, tip), editor)

        row(self.tr("&Form"), self.form, self.tr("How the files are written"))
        form.addRow("", self.says)
        row(self.tr("Labels are wr&itten"), self.states, self.tr("How windows become labels"))
        row(
            self.tr("&Unsure below"),
            self.threshold,
            self.tr("Windows whose confidence is below this get no label"),
        )
        form.addRow("", self.with_codes)
        form.addRow("", self.only_kept)
        row(self.tr("F&older"), self.folder, self.tr("Where the files go"))
        describe(self.plan, self.tr("Files"), "")
        form.addRow(self.tr("Files"), self.plan)
        return part

    # -- asking

    @property
    def options(self) -> WindowsOptions:
        """What is to be written, as the fields say."""
        form, label_format = self._forms()
        return WindowsOptions(
            form,
            label_format,
            self.states.currentData(),
            self.threshold.value() if form == "labels" else 0.0,
            self._kept if self.only_kept.isChecked() else None,
            with_codes=self.with_codes.isChecked(),
        )

    def _forms(self) -> tuple[WindowsForm, LabelFormat]:
        form, _, label_format = self.form.currentData().partition(" ")
        return form, label_format or "csv"

    @property
    def chosen(self) -> tuple[WindowsItem, ...]:
        """The recordings that are ticked."""
        return tuple(self._items[name] for name in self.recordings.ticked)

    def _tick_all(self) -> None:
        self.recordings.tick_all(True)

    def _tick_this(self) -> None:
        self.recordings.fill(list(self._items), [self._current])

    def _on_form(self) -> None:
        form, label_format = self._forms()
        holds = HOLDS[label_format]
        is_labels = form == "labels"
        self.states.setEnabled(is_labels and not holds.only_epochs)
        self.threshold.setEnabled(is_labels)
        self.with_codes.setEnabled(form == "embeddings")
        if form == "predictions":
            says = self.tr(
                "A row for each window: label, class, confidence, all probabilities, what is "
                "present, fragility, Shapley shares."
            )
        elif form == "embeddings":
            says = self.tr(
                "One file for all, a row for each window: what the table holds, and the global "
                "embedding by the final model."
            )
        else:
            says = self.tr(
                "The model is their rater. A window that overlaps the next one holds up to the "
                "next one's start."
            )
            lacks = [
                text
                for there, text in (
                    (holds.rater, self.tr("the rater")),
                    (holds.confidence, self.tr("confidence")),
                )
                if not there
            ]
            if lacks:
                what = self.tr(" and ").join(lacks)
                says += " " + self.tr("This format has no place for {what}.").format(what=what)
        self.says.say(says)
        self._on_choice()

    def _on_choice(self) -> None:
        self.plan.say(self._planned())
        self._tell_ready()

    def _planned(self) -> str:
        chosen, folder = self.chosen, self.folder.path
        if not chosen:
            return self.tr("No recording is ticked.")
        if folder is None:
            return self.tr("Choose a folder.")
        try:
            files = planned_files(chosen, folder, self.options, self._model)
        except ConfigError as error:
            return str(error)
        names = ", ".join(path.name for path in files[:_SHOWN])
        more = len(files) - _SHOWN
        if more > 0:
            names += " " + self.tr("and {count} more").format(count=more)
        return names

    def _tell_ready(self) -> None:
        ready = bool(self.recordings.ticked) and self.folder.path is not None
        self.go.setEnabled(ready and not self.work.is_busy)

    # -- writing

    def start(self) -> None:
        """See what would be replaced, ask where something would be, and say what is wanted."""
        folder = self.folder.path
        if not self.go.isEnabled() or folder is None:
            return
        self.reason.say("")
        self.results.fill([])
        request = PredictionsRequest(self.chosen, folder, self.options, self._model)
        self.work.start(partial(_look, request), self.tr("Looking…"))

    def run(self, work: Work) -> None:
        """Do the work, which gives ExportedFile, and show how far it is."""
        self.work.start(work, self.tr("Writing…"))

    def _on_done(self, result: object) -> None:
        if isinstance(result, _Looked):
            self._on_looked(result)
        elif isinstance(result, tuple):
            self._on_written(result)

    def _on_looked(self, looked: _Looked) -> None:
        self._looked = looked
        if looked.existing:
            self.ask(
                self.tr("Replace files"),
                self.tr("{count} of {total} files are there already. Replace them?").format(
                    count=len(looked.existing), total=looked.files
                ),
                "\n".join(path.name for path in looked.existing[:10]),
                self.tr("&Replace"),
                self._tell_wanted,
            )
        else:
            self._tell_wanted()

    def _tell_wanted(self) -> None:
        if self._looked is not None:
            self.wanted.emit(self._looked.request)

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


def _look(request: PredictionsRequest, context: RunContext) -> _Looked:
    """Which files are there already; on a network this may take a while."""
    context.step("looking", 0, 0)
    files = planned_files(request.items, request.folder, request.options, request.model)
    existing = existing_files(request.items, request.folder, request.options, request.model)
    return _Looked(request, len(files), existing)
