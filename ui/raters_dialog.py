"""Who labels a study, whether they see each other's labels, and how a consensus is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.study import RaterKind
from ui.study_panel import duration_text

Tie = Literal["unlabelled", "first"]


@dataclass(frozen=True)
class RaterRow:
    """A rater as the table shows it.

    Attributes
    ----------
    labelled_s: how long the rater's states last together, over all recordings, in seconds.
    recordings: how many recordings have states of the rater; signed_off: how many are locked.
    """

    name: str
    kind: RaterKind = "person"
    labelled_s: float = 0.0
    recordings: int = 0
    signed_off: int = 0


@dataclass(frozen=True)
class ConsensusSettings:
    """How several raters' states become one row.

    Attributes
    ----------
    name: the rater that holds the consensus.
    raters: names, the most trusted first.
    minimum: an epoch with fewer labels than this stays unlabelled.
    tie: what becomes of an epoch when classes have equally many votes: nothing, or what the first
        of the raters said who is for one of them.
    all_recordings: of the study; else of the one that is open.
    """

    name: str
    raters: tuple[str, ...]
    minimum: int = 2
    tie: Tie = "unlabelled"
    all_recordings: bool = False


class RatersDialog(QDialog):
    """Lists raters and asks for changes; the window behind it stays usable."""

    rater_added = Signal(str)
    blinded_changed = Signal(bool)
    consensus_requested = Signal(object)
    """ConsensusSettings."""

    def __init__(
        self,
        raters: Sequence[RaterRow],
        blinded: bool,
        read_only: str = "",
        parent: QWidget | None = None,
    ) -> None:
        """`read_only`: why nothing can be changed; empty where it can."""
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Raters"))
        self.resize(640, 660)
        self._raters: tuple[RaterRow, ...] = ()
        self._kinds = {
            "person": self.tr("person"),
            "file": self.tr("imported from a file"),
            "model": self.tr("model"),
            "consensus": self.tr("consensus"),
        }

        self.table = QTableWidget(0, 5)
        self.table.setAccessibleName(self.tr("Raters"))
        self.table.setHorizontalHeaderLabels(
            [
                self.tr("Name"),
                self.tr("Kind"),
                self.tr("Labelled"),
                self.tr("Recordings"),
                self.tr("Signed off"),
            ]
        )
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().setVisible(False)
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in range(1, 5):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)

        self.name = QLineEdit()
        self.name.setPlaceholderText(self.tr("Name or initials"))
        self.name.setAccessibleName(self.tr("Name of a new rater"))
        self.name.setToolTip(self.tr("Enter adds the rater (Alt+N)"))
        self.name.textChanged.connect(self._on_name)
        self.name.returnPressed.connect(self._add)
        says = QLabel(self.tr("&New rater"))
        says.setBuddy(self.name)
        self.add = QPushButton(self.tr("&Add"))
        self.add.setToolTip(self.tr("Add the rater; labels follow when they label (Alt+A)"))
        self.add.setAutoDefault(False)
        self.add.clicked.connect(self._add)
        self.name_problem = QLabel()
        self.name_problem.setTextFormat(Qt.TextFormat.PlainText)
        line = QHBoxLayout()
        line.addWidget(says)
        line.addWidget(self.name, 1)
        line.addWidget(self.add)

        self.blinded = QCheckBox(self.tr("&Blinded: raters do not see each other's labels"))
        self.blinded.setToolTip(self.tr("For all who label this study (Alt+B)"))
        self.blinded.setChecked(blinded)
        self.blinded.toggled.connect(self._on_blinded)
        blinded_says = QLabel(
            self.tr(
                "While it is on, nobody is shown what others, files or models have labelled, nor "
                "how far raters agree, and no consensus is made. Turn it off when all are done. "
                "The audit keeps who changed it, and when."
            )
        )
        blinded_says.setWordWrap(True)
        self.consensus = ConsensusForm()
        self.make = QPushButton(self.tr("&Make consensus"))
        self.make.setAutoDefault(False)
        self.make.clicked.connect(self._make)
        group = QGroupBox(self.tr("Consensus"))
        inside = QVBoxLayout(group)
        inside.addWidget(self.consensus)
        inside.addWidget(self.make, 0, Qt.AlignmentFlag.AlignRight)
        self.consensus.changed.connect(self._show_state)
        self.lock = QLabel(read_only)
        self.lock.setWordWrap(True)
        self.lock.setTextFormat(Qt.TextFormat.PlainText)
        self.lock.setVisible(bool(read_only))
        self._read_only = read_only

        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.button(QDialogButtonBox.StandardButton.Close).setAutoDefault(False)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(self.lock)
        column.addWidget(self.table, 1)
        column.addLayout(line)
        column.addWidget(self.name_problem)
        column.addWidget(self.blinded)
        column.addWidget(blinded_says)
        column.addWidget(group)
        column.addWidget(buttons)
        self.set_raters(raters)
        self.name.setFocus()

    def set_raters(self, raters: Sequence[RaterRow]) -> None:
        """Show these raters."""
        self._raters = tuple(raters)
        self.table.setRowCount(len(raters))
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for row, rater in enumerate(raters):
            texts = (
                rater.name,
                self._kinds[rater.kind],
                duration_text(rater.labelled_s) if rater.labelled_s else "–",
                str(rater.recordings),
                str(rater.signed_off),
            )
            for place, text in enumerate(texts):
                item = QTableWidgetItem(text)
                if place >= 2:
                    item.setTextAlignment(right)
                self.table.setItem(row, place, item)
        self.consensus.set_raters(raters)
        self._on_name()
        self._show_state()

    def set_blinded(self, blinded: bool) -> None:
        """Say whether the study is blinded. Announces nothing."""
        self.blinded.blockSignals(True)
        self.blinded.setChecked(blinded)
        self.blinded.blockSignals(False)
        self._show_state()

    def _add(self) -> None:
        name = self.name.text().strip()
        if name and self.add.isEnabled():
            self.name.clear()
            self.rater_added.emit(name)

    def _on_name(self) -> None:
        name = self.name.text().strip()
        known = next((r for r in self._raters if r.name.casefold() == name.casefold()), None)
        self.name_problem.setText(
            self.tr("There is a rater '{name}' already.").format(name=known.name)
            if known is not None
            else ""
        )
        self.name_problem.setVisible(known is not None)
        self.add.setEnabled(bool(name) and known is None and not self._read_only)

    def _on_blinded(self, on: bool) -> None:
        self._show_state()
        self.blinded_changed.emit(on)

    def _make(self) -> None:
        self.consensus_requested.emit(self.consensus.settings())

    def _show_state(self) -> None:
        self.blinded.setEnabled(not self._read_only)
        self.consensus.setEnabled(not self._read_only and not self.blinded.isChecked())
        why = self._read_only or self.consensus.problem
        if self.blinded.isChecked():
            why = self.tr("No consensus is made while the study is blinded.")
        self.make.setEnabled(not why)
        self.make.setToolTip(why or self.tr("Compute the consensus and keep it as a rater (Alt+M)"))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        # Enter in the line of a new rater adds the rater, and presses no button.
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            return
        super().keyPressEvent(event)


class ConsensusForm(QWidget):
    """Which raters count, in which order, and when they agree enough."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[RaterRow, ...] = ()
        self.problem = ""
        self.list = _OrderedList()
        self.list.setAccessibleName(self.tr("Raters whose labels count, the most trusted first"))
        self.list.setToolTip(
            self.tr("Space: counts or not. Alt+Up, Alt+Down or dragging: more or less trusted")
        )
        self.list.setMaximumHeight(6 * self.fontMetrics().lineSpacing())
        self.list.itemChanged.connect(self._check)
        self.list.moved.connect(self._check)
        self.minimum = QSpinBox()
        self.minimum.setRange(1, 99)
        self.minimum.setValue(2)
        self.minimum.setToolTip(self.tr("Epochs that fewer of them labelled stay unlabelled"))
        self.tie = QComboBox()
        self.tie.addItem(self.tr("leave the epoch unlabelled"), "unlabelled")
        self.tie.addItem(self.tr("take what the more trusted rater said"), "first")
        self.tie.setToolTip(self.tr("When two classes have equally many votes"))
        self.scope = QComboBox()
        self.scope.addItem(self.tr("this recording"), False)
        self.scope.addItem(self.tr("all recordings of the study"), True)
        self.scope.setToolTip(self.tr("Where the consensus is made"))
        self.name = QLineEdit(self.tr("Consensus"))
        self.name.setToolTip(
            self.tr("The rater that holds the consensus; what it labelled there is replaced")
        )
        self.says = QLabel()
        self.says.setWordWrap(True)
        self.says.setTextFormat(Qt.TextFormat.PlainText)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        for title, editor in (
            (self.tr("Of these &raters"), self.list),
            (self.tr("Labels needed at &least"), self.minimum),
            (self.tr("In a &tie"), self.tie),
            (self.tr("&For"), self.scope),
            (self.tr("&Kept as rater"), self.name),
        ):
            label = QLabel(title)
            label.setBuddy(editor)
            if not editor.accessibleName():
                editor.setAccessibleName(title.replace("&", ""))
            form.addRow(label, editor)
        form.addRow(self.says)
        self.name.textChanged.connect(self._check)
        self.minimum.valueChanged.connect(self._check)
        self._check()

    def set_raters(self, raters: Sequence[RaterRow]) -> None:
        """Offer these raters; what was chosen of them stays chosen, in its order."""
        before = {
            self.list.item(k).text(): (k, self.list.item(k).checkState())
            for k in range(self.list.count())
        }
        self._rows = tuple(raters)
        offered = [rater for rater in raters if rater.kind != "consensus"]
        offered.sort(key=lambda rater: before.get(rater.name, (len(before), None))[0])
        self.list.blockSignals(True)
        self.list.clear()
        for rater in offered:
            item = QListWidgetItem(rater.name)
            item.setFlags(
                Qt.ItemFlag.ItemIsEnabled
                | Qt.ItemFlag.ItemIsSelectable
                | Qt.ItemFlag.ItemIsUserCheckable
                | Qt.ItemFlag.ItemIsDragEnabled
            )
            usual = rater.kind == "person" and rater.labelled_s > 0
            checked = Qt.CheckState.Checked if usual else Qt.CheckState.Unchecked
            item.setCheckState(before.get(rater.name, (0, checked))[1])
            self.list.addItem(item)
        self.list.blockSignals(False)
        self._check()

    def settings(self) -> ConsensusSettings:
        """What is chosen; only meant where `problem` is empty."""
        return ConsensusSettings(
            self.name.text().strip(),
            self._chosen(),
            self.minimum.value(),
            self.tie.currentData(),
            self.scope.currentData(),
        )

    def _chosen(self) -> tuple[str, ...]:
        items = (self.list.item(k) for k in range(self.list.count()))
        return tuple(i.text() for i in items if i.checkState() == Qt.CheckState.Checked)

    def _check(self, *_: object) -> None:
        name, chosen = self.name.text().strip(), self._chosen()
        known = next((r for r in self._rows if r.name.casefold() == name.casefold()), None)
        if len(chosen) < 2:
            self.problem = self.tr("A consensus needs at least two raters.")
        elif self.minimum.value() > len(chosen):
            self.problem = self.tr(
                "No epoch can have {minimum} labels of {count} raters; take a smaller number."
            ).format(minimum=self.minimum.value(), count=len(chosen))
        elif not name:
            self.problem = self.tr("The consensus needs a name.")
        elif known is not None and known.kind != "consensus":
            self.problem = self.tr(
                "'{name}' is a rater already, and no consensus; choose another name."
            ).format(name=known.name)
        else:
            self.problem = ""
        if not self.problem and known is not None and known.labelled_s:
            self.says.setText(
                self.tr("What '{name}' has labelled there is replaced.").format(name=known.name)
            )
        else:
            self.says.setText(self.problem)
        self.changed.emit()


class ConsensusDialog(QDialog):
    """Asks how a consensus is made."""

    consensus_requested = Signal(object)
    """ConsensusSettings."""

    def __init__(
        self,
        raters: Sequence[RaterRow],
        chosen: Sequence[str] = (),
        all_recordings: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        """`chosen`: raters that count at first; empty for the usual ones."""
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Make consensus"))
        self.form = ConsensusForm()
        self.form.set_raters(raters)
        if chosen:
            for k in range(self.form.list.count()):
                item = self.form.list.item(k)
                checked = item.text() in chosen
                item.setCheckState(Qt.CheckState.Checked if checked else Qt.CheckState.Unchecked)
        self.form.scope.setCurrentIndex(int(all_recordings))
        self._buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setText(self.tr("&Make consensus"))
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(self.form)
        column.addWidget(self._buttons)
        self.form.changed.connect(self._show_state)
        self._show_state()

    def accept(self) -> None:
        if self.form.problem:
            return
        self.consensus_requested.emit(self.form.settings())
        super().accept()

    def _show_state(self) -> None:
        ok = self._buttons.button(QDialogButtonBox.StandardButton.Ok)
        ok.setEnabled(not self.form.problem)


class _OrderedList(QListWidget):
    """A list whose lines are moved with Alt+Up and Alt+Down, or dragged."""

    moved = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.model().rowsMoved.connect(self.moved)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        by = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()), 0)
        if by and event.modifiers() == Qt.KeyboardModifier.AltModifier:
            row = self.currentRow()
            if row >= 0 and 0 <= row + by < self.count():
                self.insertItem(row + by, self.takeItem(row))
                self.setCurrentRow(row + by)
                self.moved.emit()
            return
        super().keyPressEvent(event)
