"""How far raters agree on epochs: figures, the confusion matrix, the epochs behind its cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QGuiApplication, QKeyEvent, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSplitter,
    QStackedLayout,
    QTableView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.agreement import UNLABELLED, Agreement, agreement, epoch_codes, fleiss_kappa
from core.label_scheme import LabelClass
from core.progress import RunContext
from core.study_labels import EpochGrid, RecordingLabels, to_s
from ui.appearance import text_on
from ui.icons import keep_icon
from ui.jobs import LatestJob
from ui.label_palette import class_chip
from ui.messages import show_error
from ui.raters_dialog import ConsensusDialog, RaterRow
from ui.study_panel import percent_text
from ui.time_plot import clock_text

Index = QModelIndex | QPersistentModelIndex
AGREED, DIFFERED = QColor("#0072B2"), QColor("#D55E00")
"""Colours of the matrix: on its diagonal, and beside it."""
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True)
class RatedRecording:
    """A recording with the labels of everybody who labelled it, by the rater's name."""

    id: int
    name: str
    grid: EpochGrid
    labels: Mapping[str, RecordingLabels]


@dataclass(frozen=True)
class AgreementInput:
    """What the window compares.

    Attributes
    ----------
    states: the classes, in the scheme's order.
    raters: all of the study, as in the dialog for raters; those without labels are not offered.
    current: id of the recording that is open; None for none.
    blinded: whether raters must not see each other's labels; then nothing is compared.
    """

    states: tuple[LabelClass, ...]
    recordings: tuple[RatedRecording, ...]
    raters: tuple[RaterRow, ...]
    current: int | None = None
    blinded: bool = False


@dataclass(frozen=True, eq=False)
class _Coded:
    """Class numbers by rater in one recording, int64 (epochs,); -1 where there is no label."""

    id: int
    name: str
    grid: EpochGrid
    rows: Mapping[str, np.ndarray]

    def row(self, rater: str) -> np.ndarray:
        found = self.rows.get(rater)
        return found if found is not None else np.full(self.grid.epochs, UNLABELLED, np.int64)


@dataclass(frozen=True, eq=False)
class _Compared:
    """Raters over the epochs of all recordings compared, one behind the other.

    Attributes
    ----------
    rows: int64 (raters, epochs); places: the recording of each epoch, and its number in it.
    pairs: the agreement of each two raters, by their places.
    kappa: Cohen's of two, Fleiss' of more; epochs: with at least two labels.
    """

    raters: tuple[str, ...]
    recordings: tuple[_Coded, ...]
    rows: np.ndarray
    places: np.ndarray
    pairs: Mapping[tuple[int, int], Agreement]
    kappa: float | None
    epochs: np.ndarray
    disagreements: np.ndarray

    @property
    def accuracy(self) -> float | None:
        """Share of epochs in which all who labelled it agree."""
        count = int(self.epochs.sum())
        return 1 - len(self.disagreements) / count if count else None


class AgreementWindow(QDialog):
    """Compares two raters, or all; the window behind it stays usable."""

    epoch_requested = Signal(int, int)
    """An epoch to go to: the recording's id, and the epoch's number from 0."""
    consensus_requested = Signal(object)
    """`raters_dialog.ConsensusSettings`."""
    compared = Signal()
    """New labels have been laid on epochs, and their figures are shown."""

    def __init__(self, value: AgreementInput, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Agreement"))
        self.resize(1000, 680)
        self._value = value
        self._coded: tuple[_Coded, ...] = ()
        self._result: _Compared | None = None
        self._listing: tuple[int, int] | None = None
        self._looking = LatestJob(self)
        self._looking.succeeded.connect(self._take)
        self._looking.failed.connect(self._fail)

        self.first = _choice(self.tr("Rater"), self.tr("One rater, down the rows (Alt+R)"))
        self.second = _choice(
            self.tr("Other rater"), self.tr("The other rater, along the columns (Alt+O)")
        )
        self.scope = _choice(self.tr("Recordings"), self.tr("What is compared (Alt+I)"))
        self.scope.addItem(self.tr("this recording"), False)
        self.scope.addItem(self.tr("all recordings of the study"), True)
        top = QHBoxLayout()
        for title, box in (
            (self.tr("&Rater"), self.first),
            (self.tr("with &other"), self.second),
            (self.tr("&in"), self.scope),
        ):
            says = QLabel(title)
            says.setBuddy(box)
            top.addWidget(says)
            top.addWidget(box, 1)
        self.first.currentIndexChanged.connect(partial(self._on_rater, self.first, self.second))
        self.second.currentIndexChanged.connect(partial(self._on_rater, self.second, self.first))
        self.scope.currentIndexChanged.connect(self._compare)
        self.kappa, self.accuracy, self.epochs, self.differ = (_Figure() for _ in range(4))
        figures = QHBoxLayout()
        for figure in (self.kappa, self.accuracy, self.epochs, self.differ):
            figures.addWidget(figure, 1)

        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.addWidget(self._make_tables())
        parts.addWidget(self._make_list())
        parts.setStretchFactor(0, 3)
        parts.setStretchFactor(1, 2)
        parts.setChildrenCollapsible(False)
        whole = QWidget()
        whole_column = QVBoxLayout(whole)
        whole_column.setContentsMargins(0, 0, 0, 0)
        whole_column.addLayout(top)
        whole_column.addLayout(figures)
        whole_column.addWidget(parts, 1)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedLayout()
        self._stack.addWidget(whole)
        self._stack.addWidget(self.message)

        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.button(QDialogButtonBox.StandardButton.Close).setAutoDefault(False)
        self.consensus = _button(
            self.tr("Make con&sensus…"),
            self.tr("Make one row of labels of those of several raters (Alt+S)"),
            self.ask_for_consensus,
        )
        self.copy = _button(
            self.tr("&Copy"), self.tr("Copy figures and tables as text (Alt+C)"), self.copy_text
        )
        keep_icon(self.copy, "copy")
        for button in (self.consensus, self.copy):
            buttons.addButton(button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addLayout(self._stack, 1)
        column.addWidget(buttons)
        self.set_input(value)

    def _make_tables(self) -> QWidget:
        self.matrix_says = QLabel()
        self.matrix_says.setWordWrap(True)
        self.matrix_says.setTextFormat(Qt.TextFormat.PlainText)
        self.matrix = _Table(self.tr("Confusion matrix"))
        self.matrix.chosen.connect(self._on_cell)
        self.matrix.cellClicked.connect(self._on_cell)
        self.matrix.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.classes_says = QLabel()
        self.classes_says.setWordWrap(True)
        self.classes = _Table(self.tr("Agreement by class"))
        widget = QWidget()
        column = QVBoxLayout(widget)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.matrix_says)
        column.addWidget(self.matrix, 1)
        column.addWidget(self.classes_says)
        column.addWidget(self.classes, 1)
        return widget

    def _make_list(self) -> QWidget:
        self.list_says = QLabel()
        self.list_says.setWordWrap(True)
        self.list_says.setTextFormat(Qt.TextFormat.PlainText)
        self.model = EpochModel(self)
        self.list = _EpochTable()
        self.list.setModel(self.model)
        self.list.setAccessibleName(self.tr("Epochs"))
        self.list.chosen.connect(self._go)
        self.list.clicked.connect(self._go)
        metrics = self.fontMetrics()
        self.list.verticalHeader().setDefaultSectionSize(metrics.lineSpacing() + 8)
        for column, sample in ((0, "recording-01-n1"), (1, "Epoch 9999"), (2, "99:59:59.9")):
            self.list.setColumnWidth(column, metrics.horizontalAdvance(sample) + 12)
        self.walk = _button(
            self.tr("&Walk through"),
            self.tr("List all disagreements and go to the first (Alt+W)"),
            self.walk_through,
        )
        self.previous = _button(
            self.tr("&Previous"),
            self.tr("Go to the epoch before in the list (Alt+P)"),
            partial(self._step, -1),
        )
        self.next = _button(
            self.tr("&Next"),
            self.tr("Go to the next epoch in the list (Alt+N)"),
            partial(self._step, 1),
        )
        keep_icon(self.previous, "previous")
        keep_icon(self.next, "next")
        steps = QHBoxLayout()
        for button in (self.walk, self.previous, self.next):
            steps.addWidget(button)
        widget = QWidget()
        column_of_parts = QVBoxLayout(widget)
        column_of_parts.setContentsMargins(0, 0, 0, 0)
        column_of_parts.addWidget(self.list_says)
        column_of_parts.addWidget(self.list, 1)
        column_of_parts.addLayout(steps)
        return widget

    # -- input

    def set_input(self, value: AgreementInput) -> None:
        """Compare these labels; what is chosen and listed stays, as far as it is still there."""
        self._value = value
        if value.blinded:
            self._looking.drop()
            self._coded, self._result = (), None
            self._say(
                self.tr(
                    "This study is blinded: raters do not see each other's labels, so their "
                    "agreement is not shown. Study → Raters turns that off, when all are done."
                )
            )
            return
        if self._result is None:
            self._say(self.tr("Labels are being compared…"))
        self._looking.start(partial(_lay_on_epochs, value))

    def _take(self, coded: tuple[_Coded, ...]) -> None:
        self._coded = coded
        with_labels = {
            rater for entry in coded for rater, row in entry.rows.items() if (row >= 0).any()
        }
        raters = [row.name for row in self._value.raters if row.name in with_labels]
        if len(raters) < 2:
            self._result = None
            self._say(
                self.tr("Agreement needs two raters. So far only {name} has labelled.").format(
                    name=raters[0]
                )
                if raters
                else self.tr("Agreement needs two raters. So far nobody has labelled.")
            )
            self.compared.emit()
            return
        self._offer(raters)
        self._stack.setCurrentIndex(0)
        self.consensus.setEnabled(True)
        self.copy.setEnabled(True)
        self._compare()
        self.compared.emit()

    def _offer(self, raters: list[str]) -> None:
        several = len(raters) > 2
        for box, usual in ((self.first, 0), (self.second, 1)):
            before = box.currentData()
            box.blockSignals(True)
            box.clear()
            for name in raters:
                box.addItem(name, name)
            if box is self.first and several:
                box.addItem(self.tr("all raters"), "")
            found = box.findData(before) if before is not None else -1
            box.setCurrentIndex(found if found >= 0 else usual)
            box.blockSignals(False)
        current = any(entry.id == self._value.current for entry in self._coded)
        self.scope.blockSignals(True)
        if not current:
            self.scope.setCurrentIndex(1)
        self.scope.setEnabled(current)
        self.scope.blockSignals(False)

    def _say(self, text: str) -> None:
        self.message.setText(text)
        self._stack.setCurrentIndex(1)
        self.consensus.setEnabled(False)
        self.copy.setEnabled(False)

    def _fail(self, error: BaseException) -> None:
        self._say(str(error))
        show_error(error, self)

    # -- comparing

    def _on_rater(self, chosen: QComboBox, other: QComboBox, place: int) -> None:
        if chosen.currentData() == other.currentData():  # nobody is compared with themselves
            other.setCurrentIndex(int(place == 0))
            return
        self._compare()

    def _compare(self, *_: object) -> None:
        if not self._coded or self.first.currentIndex() < 0:
            return
        everybody = [self.second.itemText(k) for k in range(self.second.count())]
        of_all = self.first.currentData() == ""
        self.second.setEnabled(not of_all)
        pair = (self.first.currentText(), self.second.currentText())
        raters = tuple(everybody) if of_all else pair
        recordings = tuple(
            entry
            for entry in self._coded
            if self.scope.currentData() or entry.id == self._value.current
        )
        names = tuple(entry.name for entry in self._value.states)
        self._result = _compare(raters, recordings, names)
        self._show_figures(self._result)
        if len(raters) > 2:
            self._show_pairs(self._result)
        else:
            self._show_matrix(self._result)
        self._show_classes(self._result)
        self._list()

    def _show_figures(self, result: _Compared) -> None:
        pair = len(result.raters) == 2
        self.kappa.show(
            self.tr("Cohen's kappa") if pair else self.tr("Fleiss' kappa"), _number(result.kappa)
        )
        accuracy = result.accuracy
        self.accuracy.show(
            self.tr("Agreement") if pair else self.tr("All agree"),
            "–" if accuracy is None else percent_text(accuracy),
        )
        self.epochs.show(
            self.tr("Epochs both labelled") if pair else self.tr("Epochs with two labels or more"),
            str(int(result.epochs.sum())),
        )
        self.differ.show(self.tr("Disagreements"), str(len(result.disagreements)))

    def _show_matrix(self, result: _Compared) -> None:
        a, b = result.raters
        found = result.pairs[0, 1]
        states = self._value.states
        if not found.epochs:
            self.matrix_says.setText(
                self.tr("{a} and {b} have labelled no epoch in common here.").format(a=a, b=b)
            )
        else:
            self.matrix_says.setText(
                self.tr(
                    "Epochs by {a} (rows) and {b} (columns); a click, or Enter, lists them."
                ).format(a=a, b=b)
            )
        counts = found.confusion
        total = self.tr("all")
        table = self.matrix
        table.start([*(c.name for c in states), total], [*(c.name for c in states), total])
        for place, entry in enumerate(states):
            table.horizontalHeaderItem(place).setIcon(class_chip(entry.colour))
            table.verticalHeaderItem(place).setIcon(class_chip(entry.colour))
        sums = counts.sum(axis=1)
        for row in range(len(states)):
            for column in range(len(states)):
                count = int(counts[row, column])
                share = count / sums[row] if count else 0.0
                tip = self.tr(
                    "{a}: {first}, {b}: {second}. Epochs: {count}, {share} of what is {first} "
                    "for {a}"
                ).format(
                    a=a,
                    b=b,
                    first=states[row].name,
                    second=states[column].name,
                    count=count,
                    share=percent_text(share),
                )
                colour = AGREED if row == column else DIFFERED
                table.put(row, column, str(count), tip, colour if count else None, share)
            table.put(row, len(states), str(int(sums[row])))
        for column, count in enumerate(counts.sum(axis=0)):
            table.put(len(states), column, str(int(count)))
        table.put(len(states), len(states), str(found.epochs))

    def _show_pairs(self, result: _Compared) -> None:
        self.matrix_says.setText(
            self.tr("Cohen's kappa of each two raters; a click, or Enter, compares the two.")
        )
        table = self.matrix
        table.start(result.raters, result.raters)
        for (i, j), found in result.pairs.items():
            tip = self.tr("{a} and {b}: {count} epochs in common, {share} agreement").format(
                a=result.raters[i],
                b=result.raters[j],
                count=found.epochs,
                share="–" if found.accuracy is None else percent_text(found.accuracy),
            )
            strength = max(found.kappa or 0.0, 0.0)
            for row, column in ((i, j), (j, i)):
                colour = AGREED if found.kappa is not None else None
                table.put(row, column, _number(found.kappa), tip, colour, strength)
        for place in range(len(result.raters)):
            table.put(place, place, "")

    def _show_classes(self, result: _Compared) -> None:
        pair = len(result.raters) == 2
        self.classes_says.setText(
            self.tr("By class: kappa against all others, and positive agreement (F1)")
            if pair
            else self.tr(
                "By class, mean of all pairs: kappa against all others, and positive agreement (F1)"
            )
        )
        states = self._value.states
        self.classes.start(
            [c.name for c in states],
            [
                self.tr("Kappa"),
                self.tr("Positive agreement"),
                *(self.tr("Epochs of {name}").format(name=name) for name in result.raters),
            ],
        )
        for row, entry in enumerate(states):
            self.classes.verticalHeaderItem(row).setIcon(class_chip(entry.colour))
            found = result.pairs.values()
            self.classes.put(row, 0, _number(_mean([x.class_kappa[row] for x in found])))
            share = _mean([x.class_agreement[row] for x in found])
            self.classes.put(row, 1, _number(share))
            for place in range(len(result.raters)):
                count = int(((result.rows[place] == row) & result.epochs).sum())
                self.classes.put(row, 2 + place, str(count))

    # -- epochs

    def _on_cell(self, row: int, column: int) -> None:
        result = self._result
        if result is None:
            return
        if len(result.raters) > 2:
            if row != column:
                self.second.setCurrentText(result.raters[column])
                self.first.setCurrentText(result.raters[row])
            return
        self._listing = (row, column)
        self._list()

    def walk_through(self) -> None:
        """List all disagreements, and go to the first."""
        self._listing = None
        self._list()
        self._choose(0)

    def _list(self) -> None:
        """Fill the list with what is chosen, and stay at the epoch where one was."""
        result = self._result
        if result is None:
            return
        states = [entry.name for entry in self._value.states]
        whole = len(states)
        if len(result.raters) > 2 or (
            self._listing is not None and max(self._listing) > whole
        ):  # a cell of other classes than there are now
            self._listing = None
        if self._listing is None:
            chosen = result.disagreements
            text = (
                self.tr("Disagreements: {count}")
                if len(chosen)
                else self.tr("There is no disagreement.")
            ).format(count=len(chosen))
        else:
            row, column = self._listing
            a, b = result.rows
            mask = result.epochs.copy()
            if row < whole:
                mask &= a == row
            if column < whole:
                mask &= b == column
            chosen = np.flatnonzero(mask)
            text = self.tr("{a}: {first}, {b}: {second} – epochs: {count}").format(
                a=result.raters[0],
                b=result.raters[1],
                first=[*states, self.tr("any")][row],
                second=[*states, self.tr("any")][column],
                count=len(chosen),
            )
        self.list_says.setText(text)
        before = self.model.place(self.list.currentIndex().row())
        self.model.set_epochs(result, chosen, states)
        self.list.setColumnHidden(0, len(result.recordings) == 1)
        if before is not None:
            self.list.selectRow(self.model.nearest(before))
        self.walk.setEnabled(bool(len(result.disagreements)))
        for button in (self.previous, self.next):
            button.setEnabled(bool(len(chosen)))

    def _step(self, by: int) -> None:
        row = self.list.currentIndex().row()
        self._choose(max(row + by, 0) if row >= 0 else 0)

    def _choose(self, row: int) -> None:
        if 0 <= row < self.model.rowCount():
            self.list.selectRow(row)
            self._go(self.model.index(row, 0))

    def _go(self, index: Index) -> None:
        place = self.model.place(index.row())
        if place is not None:
            self.epoch_requested.emit(*place)

    # -- going on

    def ask_for_consensus(self) -> None:
        """Ask how a consensus is made; what is chosen here is offered."""
        result = self._result
        dialog = ConsensusDialog(
            self._value.raters,
            result.raters if result is not None else (),
            bool(self.scope.currentData()),
            self,
        )
        dialog.consensus_requested.connect(self.consensus_requested)
        dialog.open()

    def as_text(self) -> str:
        """Figures and tables, columns apart by tabs."""
        result = self._result
        if result is None:
            return self.message.text()
        names = [entry.name for entry in result.recordings]
        scope = (
            ", ".join(names)
            if len(names) <= 5
            else self.tr("recordings: {count}").format(count=len(names))
        )
        lines = [", ".join(result.raters), scope]
        for figure in (self.kappa, self.accuracy, self.epochs, self.differ):
            lines.append(f"{figure.title.text()}\t{figure.value.text()}")
        lines += ["", self.matrix_says.text().split(";")[0], *self.matrix.as_lines()]
        lines += ["", self.classes_says.text(), *self.classes.as_lines()]
        return "\n".join(lines)

    def copy_text(self) -> None:
        QGuiApplication.clipboard().setText(self.as_text())

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and getattr(self, "_result", None) is not None:
            self._compare()

    def done(self, result: int) -> None:
        self._looking.shut_down()
        super().done(result)


class EpochModel(QAbstractTableModel):
    """Epochs of several recordings; as many as there are, for nothing is copied."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._result: _Compared | None = None
        self._chosen = np.empty(0, np.int64)
        self._states: list[str] = []

    def set_epochs(self, result: _Compared, chosen: np.ndarray, states: Sequence[str]) -> None:
        """Show the epochs that `chosen` numbers, rising."""
        self.beginResetModel()
        self._result, self._chosen, self._states = result, chosen, list(states)
        self.endResetModel()

    def place(self, row: int) -> tuple[int, int] | None:
        """The recording's id and the epoch in it of a line; None where there is no such line."""
        if self._result is None or not 0 <= row < len(self._chosen):
            return None
        recording, epoch = self._result.places[:, self._chosen[row]]
        return self._result.recordings[recording].id, int(epoch)

    def nearest(self, place: tuple[int, int]) -> int:
        """The line of an epoch, or else of the next one of its recording; 0 for others."""
        result = self._result
        number = next(
            (k for k, r in enumerate(result.recordings if result else ()) if r.id == place[0]), None
        )
        if result is None or number is None or not len(self._chosen):
            return 0
        recordings, epochs = result.places[:, self._chosen]
        after = np.flatnonzero(
            (recordings > number) | ((recordings == number) & (epochs >= place[1]))
        )
        return int(after[0]) if len(after) else len(self._chosen) - 1

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._chosen)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else 4

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation != Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole:
            return None
        raters = self._result.raters if self._result is not None else ()
        return (
            self.tr("Recording"),
            self.tr("Epoch"),
            self.tr("Time"),
            " / ".join(raters),
        )[section]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        result = self._result
        if result is None or not index.isValid():
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() in (1, 2):
            return _RIGHT
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.tr("A click, or Enter, goes there")
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        number = self._chosen[index.row()]
        place, epoch = result.places[:, number]
        recording = result.recordings[place]
        if index.column() == 0:
            return recording.name
        if index.column() == 1:
            return str(epoch + 1)
        if index.column() == 2:
            start_s = to_s(recording.grid.span(int(epoch))[0])
            return clock_text(start_s, 1.0 if start_s == int(start_s) else 0.1)
        return " / ".join(
            self._states[code] if code >= 0 else "–" for code in result.rows[:, number]
        )


class _EpochTable(QTableView):
    """A list in which Enter says which line is meant."""

    chosen = Signal(QModelIndex)

    def __init__(self) -> None:
        super().__init__()
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setStretchLastSection(True)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.currentIndex().isValid():
                self.chosen.emit(self.currentIndex())
            return
        super().keyPressEvent(event)


class _Table(QTableWidget):
    """A small table of figures, some on a colour; Enter says which cell is meant."""

    chosen = Signal(int, int)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            header.setHighlightSections(False)
        self.horizontalHeader().setMinimumSectionSize(56)
        self.verticalHeader().setMinimumSectionSize(self.fontMetrics().lineSpacing() + 8)

    def start(self, rows: Sequence[str], columns: Sequence[str]) -> None:
        """An empty table with these headings."""
        self.clear()
        self.setRowCount(len(rows))
        self.setColumnCount(len(columns))
        for row, name in enumerate(rows):
            self.setVerticalHeaderItem(row, QTableWidgetItem(name))
        for column, name in enumerate(columns):
            self.setHorizontalHeaderItem(column, QTableWidgetItem(name))

    def put(
        self,
        row: int,
        column: int,
        text: str,
        tip: str = "",
        colour: QColor | None = None,
        strength: float = 0.0,
    ) -> None:
        """Fill a cell; on a colour, of a strength from 0 to 1."""
        item = QTableWidgetItem(text)
        item.setTextAlignment(_RIGHT)
        item.setToolTip(tip)
        if colour is not None:
            ground = _mixed(self.palette().color(QPalette.ColorRole.Base), colour, strength)
            item.setBackground(ground)
            item.setForeground(text_on(ground))
        self.setItem(row, column, item)

    def as_lines(self) -> list[str]:
        """As text, columns apart by tabs."""
        columns = range(self.columnCount())
        lines = ["\t".join(["", *(self.horizontalHeaderItem(c).text() for c in columns)])]
        for row in range(self.rowCount()):
            cells = [self.item(row, c).text() for c in columns]
            lines.append("\t".join([self.verticalHeaderItem(row).text(), *cells]))
        return lines

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.currentRow() >= 0 and self.currentColumn() >= 0:
                self.chosen.emit(self.currentRow(), self.currentColumn())
            return
        super().keyPressEvent(event)


class _Figure(QWidget):
    """A number in large type, with what it is below it."""

    def __init__(self) -> None:
        super().__init__()
        self.value = QLabel("–")
        font = self.value.font()
        font.setPointSizeF(1.6 * font.pointSizeF())
        self.value.setFont(font)
        self.value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.title = QLabel()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 4)
        column.setSpacing(0)
        for says in (self.value, self.title):
            says.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            column.addWidget(says)

    def show(self, title: str | None = None, value: str = "") -> None:
        if title is None:
            super().show()
            return
        self.title.setText(title)
        self.value.setText(value)
        self.setAccessibleName(f"{title}: {value}")


# ---------------------------------------------------------------- computing


def _lay_on_epochs(value: AgreementInput, context: RunContext) -> tuple[_Coded, ...]:
    """The labels of all raters and recordings as rows of class numbers."""
    names = [entry.name for entry in value.states]
    coded = []
    for recording in value.recordings:
        rows = {}
        for rater, labels in recording.labels.items():
            context.step("labels")
            rows[rater] = epoch_codes(
                labels.state_starts_ns,
                labels.state_ends_ns,
                labels.state_codes(names),
                recording.grid.epoch_ns,
                recording.grid.offset_ns,
                recording.grid.epochs,
            )
        coded.append(_Coded(recording.id, recording.name, recording.grid, rows))
    return tuple(coded)


def _compare(
    raters: tuple[str, ...], recordings: tuple[_Coded, ...], classes: tuple[str, ...]
) -> _Compared:
    none = np.empty(0, np.int64)
    rows = np.stack([np.concatenate([none, *(r.row(name) for r in recordings)]) for name in raters])
    lengths = [entry.grid.epochs for entry in recordings]
    places = np.stack(
        [
            np.repeat(np.arange(len(recordings)), lengths),
            np.concatenate([none, *(np.arange(length) for length in lengths)]),
        ]
    )
    there = rows != UNLABELLED
    epochs = there.sum(axis=0) >= 2
    highest = rows.max(axis=0)
    lowest = np.where(there, rows, highest).min(axis=0)
    pairs = {
        (i, j): agreement(rows[i], rows[j], classes) for i, j in combinations(range(len(raters)), 2)
    }
    return _Compared(
        raters,
        recordings,
        rows,
        places,
        pairs,
        pairs[0, 1].kappa if len(raters) == 2 else fleiss_kappa(rows),
        epochs,
        np.flatnonzero(epochs & (lowest != highest)),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


# ---------------------------------------------------------------- parts


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".replace("-", "−")


def _mixed(one: QColor, other: QColor, share: float) -> QColor:
    # Even a small share shows.
    share = 0.12 + 0.78 * min(max(share, 0.0), 1.0)
    pairs = zip(one.getRgbF()[:3], other.getRgbF()[:3], strict=True)
    return QColor.fromRgbF(*(a + share * (b - a) for a, b in pairs))


def _choice(name: str, tip: str) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(name)
    box.setToolTip(tip)
    return box


def _button(text: str, tip: str, slot: Callable[..., None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAutoDefault(False)
    button.clicked.connect(lambda: slot())
    return button
