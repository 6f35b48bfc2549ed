"""A study as a run file with its labels beside it, for batch mode on this computer or another."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core.progress import RunContext
from core.study import Study
from core.study_run_file import RunFile, export_run_file, run_file_paths
from ui.dialog_parts import (
    FileDialogBase,
    Paragraph,
    PathRow,
    PlainTable,
    TickList,
    findings_rows,
    keyed,
    named,
)

USUAL_NAME = "run.json"


class RunFileDialog(FileDialogBase):
    """Asks where to and whose labels count, writes the run file, and shows how it is run."""

    written = Signal(object)
    """A core.study_run_file.RunFile, once it is on the disk. The dialog stays, to show the
    command."""

    def __init__(
        self,
        study_folder: Path,
        raters: Sequence[str],
        path: Path | None = None,
        chosen: Sequence[str] = (),
        parent: QWidget | None = None,
    ) -> None:
        """`raters`: names, a consensus among them; those in `chosen` are ticked at first."""
        super().__init__("", {}, parent)
        self.setWindowTitle(self.tr("Export run file"))
        self.resize(720, 560)
        self._study_folder = study_folder
        self._names: tuple[str, ...] = ()
        self.work.succeeded.connect(self._on_written)
        self.work.busy_changed.connect(self._tell_ready)

        says = Paragraph(
            self.tr(
                "Batch mode repeats the study from this file, without the study: the recordings "
                "are listed by their places, the labels and events are written as CSV beside it."
            )
        )
        self.place = PathRow(
            self.tr("Run file"), "save", self.tr("Run files (*.json);;All files (*)")
        )
        self.place.set_path(path)
        self.place.changed.connect(self._tell_ready)
        self.raters = TickList("", "")
        self.raters.changed.connect(self._tell_ready)
        rater_label = named(
            self.tr("&Labels of, the first who labelled a recording counts"),
            self.raters,
            self.tr("Space ticks; the order says who comes first"),
        )
        self.up = QPushButton(self.tr("&Up"))
        self.down = QPushButton(self.tr("&Down"))
        keyed(self.up, self.tr("Let the chosen rater come earlier"))
        keyed(self.down, self.tr("Let the chosen rater come later"))
        self.up.clicked.connect(self._up)
        self.down.clicked.connect(self._down)
        moves = QVBoxLayout()
        for button in (self.up, self.down):
            button.setAutoDefault(False)
            moves.addWidget(button)
        moves.addStretch(1)
        who = QHBoxLayout()
        who.addWidget(self.raters, 1)
        who.addLayout(moves)
        self.results = PlainTable(self.tr("What to know"), [self.tr("What to know")], 0)
        self.results.setWordWrap(True)
        self.command = QLineEdit()
        self.command.setReadOnly(True)
        self.command.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.copy = QPushButton(self.tr("&Copy"))
        self.copy.setAutoDefault(False)
        keyed(self.copy, self.tr("Put the command on the clipboard"))
        self.copy.clicked.connect(self.copy_command)
        self._how = QWidget()
        how = QHBoxLayout(self._how)
        how.setContentsMargins(0, 0, 0, 0)
        how.addWidget(named(self.tr("&Run it with"), self.command, self.tr("For a terminal")))
        how.addWidget(self.command, 1)
        how.addWidget(self.copy)
        self._how.hide()

        foot = self.make_foot(
            self.tr("&Export"), self.tr("Write the run file and the tables beside it"), self.start
        )
        where = QHBoxLayout()
        where.addWidget(named(self.tr("&File"), self.place, self.tr("Where the run file goes")))
        where.addWidget(self.place, 1)
        column = QVBoxLayout(self)
        column.addWidget(says)
        column.addLayout(where)
        column.addWidget(rater_label)
        column.addLayout(who, 2)
        column.addWidget(self.results, 2)
        column.addWidget(self.reason)
        column.addWidget(self._how)
        column.addLayout(foot)
        self.raters.fill(raters, chosen or raters[:1])

    @property
    def path(self) -> Path | None:
        """Where the run file goes; a folder gets the usual name, a name its ending."""
        path = self.place.path
        if path is None:
            return None
        if path.is_dir():
            return path / USUAL_NAME
        return path if path.suffix.casefold() == ".json" else path.with_name(f"{path.name}.json")

    def start(self) -> None:
        """Write, after a question where something would be replaced."""
        path = self.path
        if path is None or not self.go.isEnabled():
            return
        self.reason.say("")
        there = [each.name for each in run_file_paths(path) if each.exists()]
        if there:
            self.ask(
                self.tr("Replace files"),
                self.tr("Replace what is there already?"),
                "\n".join(there),
                self.tr("&Replace"),
                self._write,
            )
        else:
            self._write()

    def copy_command(self) -> None:
        """Put the command on the clipboard."""
        QGuiApplication.clipboard().setText(self.command.text())

    def _write(self) -> None:
        path = self.path
        if path is not None:
            self.work.start(
                partial(_write, self._study_folder, path, self.raters.ticked),
                self.tr("Writing…"),
            )

    def _on_written(self, run_file: RunFile) -> None:
        rows = [(text,) for _, text in findings_rows([("", run_file.findings)])]
        self.results.fill(rows)
        self.results.resizeRowsToContents()
        self.reason.say(
            self.tr("Written: {names}, in {folder}.").format(
                names=", ".join(path.name for path in run_file.paths), folder=run_file.path.parent
            )
        )
        self.command.setText(run_file.command)
        self.command.setCursorPosition(0)
        self._how.show()
        self.written.emit(run_file)

    def _up(self) -> None:
        self.raters.move_current(-1)

    def _down(self) -> None:
        self.raters.move_current(1)

    def _tell_ready(self) -> None:
        ready = self.place.path is not None and bool(self.raters.ticked)
        self.go.setEnabled(ready and not self.work.is_busy)


def _write(study_folder: Path, path: Path, raters: Sequence[str], context: RunContext) -> RunFile:
    """Write the run file of a study that is open elsewhere; the question has been answered."""
    context.step("writing")
    study = Study.open(study_folder, read_only=True)
    try:
        return export_run_file(study, path, raters, force=True)
    finally:
        study.close()
