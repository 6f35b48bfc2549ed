"""Who is trained on and who is tested, before a run is started: subjects × folds, with counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QAbstractTableModel, QEvent, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetrics, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QSizePolicy,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from ui.dialog_parts import Paragraph
from ui.icons import pixmap

Role = Literal["train", "test", "pretrain", "locked", ""]
"""What a subject is in a fold: trained on with labels, tested, pretrained on only, locked away
(seen by nobody, since it is a locked test subject), or not there."""
RECORDINGS, WINDOWS, LABELLED = range(3)
_COUNTS = 3
_WIDEST_NAME = 220
_SIGN_PX = 20
_LOOKED_AT = 25
"""Rows whose texts the widths of columns are taken from."""

Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class PlanRow:
    """One subject of a planned run.

    Attributes
    ----------
    labelled: labelled windows by class.
    roles: one for each fold, of `Role`.
    """

    subject: str
    recordings: int
    windows: int
    labelled: Mapping[str, int]
    roles: tuple[str, ...]


@dataclass(frozen=True)
class PlanView:
    """A planned run as it is shown.

    Attributes
    ----------
    folds: their titles; where nothing is tested, none, or one for the final fit.
    notes: what the user should know, a sentence each.
    refusal: why the run cannot be started; empty where it can.
    """

    classes: tuple[str, ...] = ()
    folds: tuple[str, ...] = ()
    rows: tuple[PlanRow, ...] = ()
    notes: tuple[str, ...] = ()
    refusal: str = ""

    def summary_counts(self) -> tuple[int, int, int]:
        """Recordings, windows and labelled windows of all subjects."""
        return (
            sum(row.recordings for row in self.rows),
            sum(row.windows for row in self.rows),
            sum(sum(row.labelled.values()) for row in self.rows),
        )


class TrainPlanTable(QWidget):
    """Shows a plan; what is wrong with it, or to be known, stands above the table."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Who is trained on, and who is tested"))
        self._plan: PlanView | None = None
        self.sign = QLabel()
        self.sign.setFixedSize(_SIGN_PX, _SIGN_PX)
        self.refusal = Paragraph()
        self.refusal.setAccessibleName(self.tr("Why the run cannot be started"))
        bold = QFont(self.refusal.font())
        bold.setBold(True)
        self.refusal.setFont(bold)
        self.summary = Paragraph()
        self.summary.setAccessibleName(self.tr("The plan in short"))
        self.notes = Paragraph()
        self.notes.setAccessibleName(self.tr("What to know"))
        self.model = PlanModel(self)
        self.table = _PlanTable()
        self.table.setModel(self.model)
        self.table.setAccessibleName(self.tr("Plan: subjects and folds"))
        self.table.setToolTip(
            self.tr("What each subject is in each fold, and how many of its windows are labelled")
        )
        top = QHBoxLayout()
        top.addWidget(self.sign, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(self.refusal, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self.summary)
        column.addWidget(self.notes)
        column.addWidget(self.table, 1)
        column.addStretch(0)
        self.set_plan(None)

    @property
    def plan(self) -> PlanView | None:
        return self._plan

    def set_plan(self, plan: PlanView | None, says: str = "") -> None:
        """Show a plan. None: there is none yet; `says` tells why."""
        self._plan = plan
        self.model.set_plan(plan)
        refusal = plan.refusal if plan is not None else ""
        self.refusal.say(refusal)
        self.sign.setVisible(bool(refusal))
        self._draw_sign()
        if plan is None:
            self.summary.say(says or self.tr("The plan is shown here when it is worked out."))
        else:
            self.summary.say(self._summarise(plan))
        notes = plan.notes if plan is not None else ()
        self.notes.say("\n".join(f"• {note}" for note in notes))
        self.table.setVisible(bool(plan is not None and plan.rows))
        self.table.fit()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self._draw_sign()
            self.table.fit()
        super().changeEvent(event)

    def _draw_sign(self) -> None:
        colour = self.palette().windowText().color()
        self.sign.setPixmap(pixmap("warning", _SIGN_PX, colour, self.devicePixelRatioF()))

    def _summarise(self, plan: PlanView) -> str:
        if not plan.rows:
            return "" if plan.refusal else self.tr("There are no subjects.")
        recordings, windows, labelled = plan.summary_counts()
        tested = sum("test" in row.roles for row in plan.rows)
        says = self.tr(
            "Subjects: {subjects}, recordings: {recordings}, windows: {windows}, {labelled} of "
            "them labelled."
        ).format(
            subjects=len(plan.rows),
            recordings=recordings,
            windows=count_text(windows),
            labelled=count_text(labelled),
        )
        if not tested:
            return self.tr("{says} Nobody is tested.").format(says=says)
        return self.tr("{says} Tested subjects: {tested}, folds: {folds}.").format(
            says=says, tested=tested, folds=len(plan.folds)
        )


class PlanModel(QAbstractTableModel):
    """Rows are all subjects together and each of them, columns counts, folds and classes."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._plan = PlanView()
        self._totals: list[int] = []

    def set_plan(self, plan: PlanView | None) -> None:
        """Show a plan, or nothing."""
        self.beginResetModel()
        self._plan = plan if plan is not None else PlanView()
        self._totals = self._sum_up(self._plan)
        self.endResetModel()

    @staticmethod
    def _sum_up(plan: PlanView) -> list[int]:
        """What stands below 'all subjects': counts, and how many are tested in each fold."""
        tested = [
            sum(fold < len(row.roles) and row.roles[fold] == "test" for row in plan.rows)
            for fold in range(len(plan.folds))
        ]
        labelled = [sum(row.labelled.get(name, 0) for row in plan.rows) for name in plan.classes]
        return [*plan.summary_counts(), *tested, *labelled]

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        if parent.isValid() or not self._plan.rows:
            return 0
        return 1 + len(self._plan.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        if parent.isValid():
            return 0
        return _COUNTS + len(self._plan.folds) + len(self._plan.classes)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation == Qt.Orientation.Vertical:
            return self._head_of_row(section, role)
        if role == Qt.ItemDataRole.DisplayRole:
            return self._title(section)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._title_tip(section)
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        row, column = index.row() - 1, index.column()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return self._text(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(row, column)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            is_fold = self._fold(column) is not None
            side = Qt.AlignmentFlag.AlignHCenter if is_fold else Qt.AlignmentFlag.AlignRight
            return side | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.FontRole and (row < 0 or self._role(row, column) == "test"):
            bold = QFont()
            bold.setBold(True)
            return bold
        return self._colour(row, column, role)

    # -- columns

    def _fold(self, column: int) -> int | None:
        number = column - _COUNTS
        return number if 0 <= number < len(self._plan.folds) else None

    def _class(self, column: int) -> str | None:
        number = column - _COUNTS - len(self._plan.folds)
        return self._plan.classes[number] if 0 <= number < len(self._plan.classes) else None

    def _role(self, row: int, column: int) -> str:
        fold = self._fold(column)
        if fold is None or row < 0:
            return ""
        roles = self._plan.rows[row].roles
        return roles[fold] if fold < len(roles) else ""

    def _title(self, column: int) -> str:
        fold = self._fold(column)
        if fold is not None:
            return self._plan.folds[fold]
        name = self._class(column)
        if name is not None:
            return name
        return (self.tr("Recordings"), self.tr("Windows"), self.tr("Labelled"))[column]

    def _title_tip(self, column: int) -> str:
        fold = self._fold(column)
        if fold is not None:
            return self.tr("What each subject is in {fold}").format(fold=self._plan.folds[fold])
        name = self._class(column)
        if name is not None:
            return self.tr("Windows labelled {name}").format(name=name)
        return (
            self.tr("Recordings of the subject that are used"),
            self.tr("Windows of the subject"),
            self.tr("Windows of the subject that have a label"),
        )[column]

    def _head_of_row(self, section: int, role: int) -> object:
        if role == Qt.ItemDataRole.DisplayRole:
            if section == 0:
                return self.tr("All subjects")
            return self._plan.rows[section - 1].subject
        if role == Qt.ItemDataRole.ToolTipRole and section > 0:
            return self._plan.rows[section - 1].subject
        if role == Qt.ItemDataRole.FontRole and section == 0:
            bold = QFont()
            bold.setBold(True)
            return bold
        return None

    # -- cells

    def _text(self, row: int, column: int) -> str:
        fold = self._fold(column)
        if fold is not None:
            if row < 0:
                tested = self._totals[column]
                return self.tr("{n} tested").format(n=tested) if tested else "–"
            role = self._role(row, column)
            return self._role_texts().get(role, role)
        number = self._number(row, column)
        return count_text(number) if number else "–"

    def _number(self, row: int, column: int) -> int:
        if row < 0:
            return self._totals[column]
        name = self._class(column)
        entry = self._plan.rows[row]
        if name is not None:
            return entry.labelled.get(name, 0)
        return (entry.recordings, entry.windows, sum(entry.labelled.values()))[column]

    def _role_texts(self) -> dict[str, str]:
        return {
            "train": self.tr("train"),
            "test": self.tr("TEST"),
            "pretrain": self.tr("pretrain only"),
            "locked": self.tr("locked"),
            "": "–",
        }

    def _tip(self, row: int, column: int) -> str:
        if row < 0:
            return self._title_tip(column)
        subject = self._plan.rows[row].subject
        fold = self._fold(column)
        if fold is not None:
            says = {
                "train": self.tr("{subject}: learnt from in {fold}, with labels"),
                "test": self.tr("{subject}: tested in {fold}, by a model that has never seen it"),
                "pretrain": self.tr("{subject}: in {fold} learnt from without labels"),
                "locked": self.tr("{subject}: locked, and not used in {fold}"),
            }.get(self._role(row, column), self.tr("{subject}: not used in {fold}"))
            return says.format(subject=subject, fold=self._plan.folds[fold])
        return self.tr("{subject}: {title}, {n}").format(
            subject=subject, title=self._title(column), n=count_text(self._number(row, column))
        )

    def _colour(self, row: int, column: int, role: int) -> object:
        palette = self._palette()
        is_fold = self._fold(column) is not None
        what = self._role(row, column)
        if role == Qt.ItemDataRole.BackgroundRole:
            if what == "test":
                return QBrush(palette.highlight().color())
            if row < 0:
                return QBrush(palette.button().color())
        if role == Qt.ItemDataRole.ForegroundRole:
            if what == "test":
                return QBrush(palette.highlightedText().color())
            if (is_fold and what != "train" and row >= 0) or self._text(row, column) == "–":
                return QBrush(_faded(palette))
        return None

    def _palette(self) -> QPalette:
        parent = self.parent()
        return parent.palette() if isinstance(parent, QWidget) else QPalette()


class _PlanTable(QTableView):
    """A table to read by keys or mouse; Tab leaves it."""

    def __init__(self) -> None:
        super().__init__()
        self.setTabKeyNavigation(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setWordWrap(False)
        self.setCornerButtonEnabled(False)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.setHighlightSections(False)
            header.setSectionsClickable(False)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setMaximumWidth(_WIDEST_NAME)
        self.verticalHeader().setDefaultAlignment(
            Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        )
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def fit(self) -> None:
        """Widths for what the columns hold, from a few rows: a plan may be long."""
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        model = self.model()
        if model is None:
            return
        bold = QFont(self.font())
        bold.setBold(True)
        metrics = QFontMetrics(bold)
        rows = range(min(model.rowCount(), _LOOKED_AT))
        for column in range(model.columnCount()):
            texts = {
                str(model.headerData(column, Qt.Orientation.Horizontal)),
                *(str(model.index(row, column).data()) for row in rows),
            }
            width = max(metrics.horizontalAdvance(text) for text in texts) + 16
            self.setColumnWidth(column, min(width, _WIDEST_NAME))


def count_text(number: int) -> str:
    """A number of things, with a sign between thousands."""
    return f"{number:,}"


def _faded(palette: QPalette) -> QColor:
    return palette.color(QPalette.ColorRole.PlaceholderText)
