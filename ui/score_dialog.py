"""Recordings that a finished model is to score: which, how far, and what came of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPalette
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.study_scoring import ScoredRecording, ScoreSummary
from ui.appearance import text_on
from ui.dialog_parts import FileDialogBase, Paragraph, PlainTable, keyed, named
from ui.jobs import Work
from ui.time_plot import class_colour
from ui.wizard_page import SEEN_BOXES, choose

RowState = Literal["new", "scored", "predicted already", "failed", "running", "stopped"]
_MEASURED_ROWS = 100
"""Rows that are looked at for how wide a column has to be."""
RECORDING, SUBJECT, STATUS, WINDOWS, CLASSES, CONFIDENCE, UNSURE, FINDINGS = range(8)
_SHARES = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class ScoreRow:
    """A recording of the table.

    `state`: `predicted already` for those that the run itself has predicted, which are left alone.
    """

    name: str
    subject: str
    state: RowState = "new"
    said: str = ""
    summary: ScoreSummary | None = None


@dataclass(frozen=True)
class ScoreRequest:
    """Recordings of the study, by name, or files outside of it, to be scored by a run's model."""

    run: str
    recordings: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


class ScoreDialog(FileDialogBase):
    """A table of recordings with a tick each; what comes of them is shown in the same rows.

    `wanted` is answered with `run(work)`, where `work` gives a list of ScoredRecording and is
    given `recording_done.emit` to tell of each; it may be called in the job's thread.
    """

    wanted = Signal(object)
    """A ScoreRequest."""
    run_chosen = Signal(str)
    """Another run, by its name; to be answered with `show_recordings`."""
    recording_chosen = Signal(str)
    """A recording with predictions that is to be looked at."""
    scored = Signal(object)
    """A list of ScoredRecording, when all is done."""
    recording_done = Signal(object)
    """A ScoredRecording, as soon as it is done."""
    stopped = Signal()
    """The user has stopped it; what was done before is kept."""

    def __init__(
        self,
        runs: Sequence[tuple[str, str]],
        run: str,
        rows: Sequence[ScoreRow],
        classes: Sequence[str] = (),
        colours: Mapping[str, str] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        """
        Parameters
        ----------
        runs: name and title of each run that has a model with classes; `run`: the chosen one.
        rows: all recordings of the study.
        classes: of the chosen run; colours: by name of a class.
        """
        super().__init__("", {}, parent)
        self.setWindowTitle(self.tr("Score recordings"))
        self.resize(1000, 620)
        self._colours = dict(colours or {})
        self._rows: list[ScoreRow] = []
        self._places: dict[str, int] = {}
        self._asked: tuple[str, ...] = ()
        self._states: dict[RowState, str] = {
            "new": self.tr("no predictions yet"),
            "scored": self.tr("scored"),
            "predicted already": self.tr("predicted by the run"),
            "failed": self.tr("failed"),
            "running": self.tr("scoring…"),
            "stopped": self.tr("stopped"),
        }
        self.work.succeeded.connect(self._on_done)
        self.work.busy_changed.connect(self._tell_ready)
        self.work.cancelled.connect(self._on_stopped)
        self.work.failed.connect(self._on_failed)
        self.recording_done.connect(self._on_recording_done)
        self._lay_out(runs)
        choose(self.run_box, run)
        self.run_box.currentIndexChanged.connect(self._on_run)
        self.show_recordings(rows, classes)

    # -- parts

    def _lay_out(self, runs: Sequence[tuple[str, str]]) -> None:
        self.run_box = QComboBox()
        for name, title in runs:
            self.run_box.addItem(title, name)
        self.table = _ScoreTable(
            self.tr("Recordings"),
            [
                self.tr("Recording"),
                self.tr("Subject"),
                self.tr("Status"),
                self.tr("Windows"),
                self.tr("Share of each class"),
                self.tr("Confidence"),
                self.tr("Unsure"),
                self.tr("What to know"),
            ],
            FINDINGS,
        )
        self.table.setToolTip(
            self.tr("Space ticks; Return or a double click shows a recording that has predictions")
        )
        self.bars = _ShareBars(self.table, self._colours)
        self.table.setItemDelegateForColumn(CLASSES, self.bars)
        self.table.widest = {
            STATUS: max(self._states.values(), key=self.fontMetrics().horizontalAdvance),
            WINDOWS: "100,000",
        }
        self.detail = Paragraph()
        self.detail.setAccessibleName(self.tr("What to know of the recording"))
        self.table.currentCellChanged.connect(self._show_detail)
        self.table.ticks_changed.connect(self._tell_ready)
        self.table.chosen.connect(self._on_row_chosen)
        self.new = QPushButton(self.tr("All &new"))
        self.no = QPushButton(self.tr("N&one"))
        self.files = QPushButton(self.tr("&Files…"))
        keyed(self.new, self.tr("Tick all recordings without predictions"))
        keyed(self.no, self.tr("Tick no recording"))
        keyed(self.files, self.tr("Score files that are not in the study"))
        self.new.clicked.connect(self._tick_new)
        self.no.clicked.connect(self._tick_none)
        self.files.clicked.connect(self._choose_files)
        ticks = QHBoxLayout()
        for button in (self.new, self.no, self.files):
            button.setAutoDefault(False)
            ticks.addWidget(button)
        ticks.addStretch(1)
        form = QFormLayout()
        form.addRow(
            named(self.tr("&Model"), self.run_box, self.tr("The run whose final model predicts")),
            self.run_box,
        )
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(
            named(self.tr("&Recordings"), self.table, self.table.toolTip()),
        )
        column.addWidget(self.table, 1)
        column.addWidget(self.detail)
        column.addLayout(ticks)
        column.addWidget(self.reason)
        column.addLayout(
            self.make_foot(
                self.tr("&Score"), self.tr("Predict all windows of what is ticked"), self.start
            )
        )

    # -- what is shown

    @property
    def run_name(self) -> str:
        """Name of the chosen run."""
        return str(self.run_box.currentData() or "")

    def show_recordings(self, rows: Sequence[ScoreRow], classes: Sequence[str] = ()) -> None:
        """Show other recordings, or the same ones for another run; new ones are ticked."""
        self.bars.classes = tuple(classes)
        self._rows = list(rows)
        self._places = {row.name: place for place, row in enumerate(self._rows)}
        self.table.fill_ticked([self._texts(row) for row in rows],
                               [row.state == "new" for row in rows],
                               [row.state != "predicted already" for row in rows])  # fmt: skip
        for place, row in enumerate(rows):
            self._show_shares(place, row)
        self._show_detail()
        self._tell_ready()

    def _texts(self, row: ScoreRow) -> tuple[str, ...]:
        summary = row.summary
        figures = ("", "", "", "")
        if summary is not None:
            shares = [
                self.tr("{name} {share:.0f} %").format(name=name, share=100 * share)
                for name, share in summary.shares.items()
                if share > 0
            ]
            figures = (
                f"{summary.windows:,}",
                ", ".join(shares),
                "–" if summary.confidence is None else f"{summary.confidence:.2f}",
                "–" if summary.unsure is None else f"{100 * summary.unsure:.0f} %",
            )
        return (row.name, row.subject, self._states[row.state], *figures, row.said)

    def _show_row(self, place: int, row: ScoreRow) -> None:
        self._rows[place] = row
        for column, text in enumerate(self._texts(row)):
            self.table.put(place, column, text)
        self._show_shares(place, row)
        self._show_detail()

    def _show_detail(self) -> None:
        """All that is to be known of the current row, which the column may cut off."""
        place = self.table.currentRow()
        said = self._rows[place].said if 0 <= place < len(self._rows) else ""
        self.detail.say(said)

    def _show_shares(self, place: int, row: ScoreRow) -> None:
        shares = dict(row.summary.shares) if row.summary is not None else {}
        self.table.item(place, CLASSES).setData(_SHARES, shares)

    # -- asking

    @property
    def ticked(self) -> tuple[str, ...]:
        """Names of the recordings with a tick."""
        return tuple(self._rows[place].name for place in self.table.ticked())

    def _tick_new(self) -> None:
        self.table.tick([row.state == "new" for row in self._rows])

    def _tick_none(self) -> None:
        self.table.tick([False] * len(self._rows))

    def _on_run(self) -> None:
        self.reason.say("")
        self.run_chosen.emit(self.run_name)

    def _on_row_chosen(self, place: int) -> None:
        row = self._rows[place]
        if row.state in ("scored", "predicted already"):
            self.recording_chosen.emit(row.name)
        else:
            self.reason.say(self.tr("{name} has no predictions yet.").format(name=row.name))

    def _choose_files(self) -> None:
        dialog = QFileDialog(self, self.tr("Files to score"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setNameFilters(
            [
                self.tr("Recordings (*.edf *.bdf *.rec *.csv *.tsv *.txt *.gz)"),
                self.tr("All files (*)"),
            ]
        )
        dialog.filesSelected.connect(self.score_files)
        dialog.open()

    def score_files(self, files: Sequence[str]) -> None:
        """Ask for files outside of the study to be scored."""
        if files and not self.work.is_busy:
            self.reason.say("")
            self._asked = ()
            self.wanted.emit(ScoreRequest(self.run_name, files=tuple(map(Path, files))))

    def _tell_ready(self) -> None:
        free = not self.work.is_busy
        self.go.setEnabled(free and bool(self.ticked) and bool(self.run_name))
        self.files.setEnabled(free and bool(self.run_name))
        self.run_box.setEnabled(free)
        self.new.setEnabled(free and any(row.state == "new" for row in self._rows))
        self.no.setEnabled(free and bool(self._rows))

    # -- scoring

    def start(self) -> None:
        """Say what is wanted."""
        if self.go.isEnabled():
            self.reason.say("")
            self._asked = self.ticked
            self.wanted.emit(ScoreRequest(self.run_name, recordings=self._asked))

    def run(self, work: Work) -> None:
        """Score in the background, and show how far it is."""
        total = len(self._asked)
        self.work.stage_names["model"] = self.tr("Reading the model…")
        self.work.stage_names["recordings"] = self.tr("Scoring…")
        for number, name in enumerate(self._asked, start=1):
            self.work.stage_names[f"scoring {name}"] = self.tr(
                "Scoring {name} ({number} of {total})…"
            ).format(name=name, number=number, total=total)
            place = self._places.get(name)
            if place is not None and self._rows[place].state != "predicted already":
                row = self._rows[place]
                self._show_row(place, ScoreRow(row.name, row.subject, "running"))
        self.work.start(work, self.tr("Reading the model…"))

    def _on_recording_done(self, result: ScoredRecording) -> None:
        said = result.error or " ".join(result.findings)
        row = ScoreRow(result.name, result.subject, result.state, said, result.summary)
        place = self._places.get(result.name)
        if place is None:
            self._rows.append(row)
            self.table.append(self._texts(row))
            place = self._places[result.name] = len(self._rows) - 1
        self._show_row(place, row)
        self.table.tick_one(place, False)

    def _on_done(self, results: list[ScoredRecording]) -> None:
        scored = sum(result.state == "scored" for result in results)
        failed = sum(result.state == "failed" for result in results)
        self.reason.say(
            self.tr("{scored} of {total} recordings scored, {failed} failed.").format(
                scored=scored, total=len(results), failed=failed
            )
        )
        self.scored.emit(results)

    def _on_stopped(self) -> None:
        self._end_running()
        self.reason.say(self.tr("Stopped. What was scored before is kept."))
        self.stopped.emit()

    def _on_failed(self) -> None:
        self._end_running()

    def _end_running(self) -> None:
        for place, row in enumerate(self._rows):
            if row.state == "running":
                self._show_row(place, ScoreRow(row.name, row.subject, "stopped"))


class _ScoreTable(PlainTable):
    """Rows with a tick in the first column, which Space sets wherever the cursor is."""

    ticks_changed = Signal()
    chosen = Signal(int)

    def __init__(self, name: str, heads: Sequence[str], stretch: int) -> None:
        super().__init__(name, heads, stretch)
        self.widest: dict[int, str] = {}
        self.setStyleSheet(SEEN_BOXES)
        # Rows change while others are scored: columns that follow each change take too long.
        header = self.horizontalHeader()
        header.setResizeContentsPrecision(_MEASURED_ROWS)
        for column in range(len(heads)):
            if column != stretch:
                header.setSectionResizeMode(column, header.ResizeMode.Interactive)
        self.itemChanged.connect(self._on_changed)
        self.cellDoubleClicked.connect(self._on_double_click)

    def fill_ticked(
        self,
        rows: Sequence[Sequence[str]],
        ticked: Sequence[bool],
        tickable: Sequence[bool],
    ) -> None:
        """Show rows, some ticked, and some that cannot be."""
        self.blockSignals(True)
        self.setRowCount(0)
        for row, on, may in zip(rows, ticked, tickable, strict=True):
            self._add(row, on, may)
        if rows:
            self.setCurrentCell(0, 0)
        self.blockSignals(False)
        self._fit_columns()
        self.ticks_changed.emit()

    def _fit_columns(self) -> None:
        """Columns as wide as what stands in them, or will: states and figures come later."""
        metrics = self.fontMetrics()
        self.resizeColumnsToContents()
        for column, text in self.widest.items():
            room = metrics.horizontalAdvance(text) + 16
            if self.columnWidth(column) < room:
                self.setColumnWidth(column, room)
        self.setColumnWidth(CLASSES, 24 * metrics.averageCharWidth())

    def append(self, row: Sequence[str]) -> None:
        """One row more, without a tick."""
        self.blockSignals(True)
        self._add(row, False, False)
        self.blockSignals(False)

    def put(self, row: int, column: int, text: str) -> None:
        """Another text in a cell."""
        self.blockSignals(True)
        item = self.item(row, column)
        item.setText(text)
        item.setToolTip(text)
        self.blockSignals(False)

    def ticked(self) -> list[int]:
        """Rows with a tick."""
        rows = range(self.rowCount())
        return [row for row in rows if self._is_on(row)]

    def tick(self, wanted: Sequence[bool]) -> None:
        """Set or take the tick of every row that may have one."""
        self.blockSignals(True)
        for row, on in enumerate(wanted):
            self._set(row, on)
        self.blockSignals(False)
        self.ticks_changed.emit()

    def tick_one(self, row: int, on: bool) -> None:
        """Set or take the tick of a row."""
        self._set(row, on)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        row = self.currentRow()
        if event.key() == Qt.Key.Key_Space and row >= 0:
            self._set(row, not self._is_on(row))
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and row >= 0:
            self.chosen.emit(row)
        else:
            super().keyPressEvent(event)

    def _add(self, texts: Sequence[str], on: bool, may: bool) -> None:
        row = self.rowCount()
        self.insertRow(row)
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            item.setToolTip(text)
            if column in (WINDOWS, CONFIDENCE, UNSURE):
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            if column == RECORDING and may:
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
            elif column == RECORDING:
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsUserCheckable)
            self.setItem(row, column, item)

    def _may(self, row: int) -> bool:
        return bool(self.item(row, RECORDING).flags() & Qt.ItemFlag.ItemIsUserCheckable)

    def _is_on(self, row: int) -> bool:
        item = self.item(row, RECORDING)
        return self._may(row) and item.checkState() == Qt.CheckState.Checked

    def _set(self, row: int, on: bool) -> None:
        if self._may(row):
            state = Qt.CheckState.Checked if on else Qt.CheckState.Unchecked
            self.item(row, RECORDING).setCheckState(state)

    def _on_changed(self, item: QTableWidgetItem) -> None:
        if item.column() == RECORDING:
            self.ticks_changed.emit()

    def _on_double_click(self, row: int, column: int) -> None:
        self.chosen.emit(row)


class _ShareBars(QStyledItemDelegate):
    """Shares of the classes as one bar: each class in its colour, its name where there is room."""

    def __init__(self, parent: QWidget, colours: Mapping[str, str]) -> None:
        super().__init__(parent)
        self.classes: tuple[str, ...] = ()
        self._colours = colours

    def colour(self, name: str) -> QColor:
        """Colour of a class: the study's, else by its place."""
        if name in self._colours:
            return QColor(self._colours[name])
        return class_colour(self.classes.index(name) if name in self.classes else 0)

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        shares = index.data(_SHARES) or {}
        if not shares:
            super().paint(painter, option, index)
            return
        option = QStyleOptionViewItem(option)
        self.initStyleOption(option, index)
        option.text = ""
        style = option.widget.style()
        style.drawControl(style.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        room = QRectF(option.rect).adjusted(3, 3, -3, -3)
        left = room.left()
        painter.save()
        painter.setFont(option.font)
        for name, share in shares.items():
            part = QRectF(left, room.top(), share * room.width(), room.height())
            left = part.right()
            if part.width() < 0.5:
                continue
            colour = self.colour(name)
            painter.fillRect(part, colour)
            if option.fontMetrics.horizontalAdvance(name) + 4 <= part.width():
                painter.setPen(text_on(colour))
                painter.drawText(part, Qt.AlignmentFlag.AlignCenter, name)
        painter.setPen(option.palette.color(QPalette.ColorRole.Mid))
        painter.drawRect(room)
        painter.restore()
