"""The recordings of a study, by subject: how far each is labelled, and by whom one labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from PySide6.QtCore import (
    QAbstractItemModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QContextMenuEvent,
    QFont,
    QFontMetrics,
    QIcon,
    QKeyEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from ui.icons import icon
from ui.share_delegate import SHARE_ROLE, ShareDelegate

NAME, SUBJECT, LENGTH, LABELLED, SIGNED = range(5)
ID_ROLE = Qt.ItemDataRole.UserRole
"""Id of a recording; None for the line of a subject."""

Index = QModelIndex | QPersistentModelIndex


NARROWEST_NAME, WIDEST_NAME = 84, 170
"""Width of the column of names, in pixels."""
WIDEST_SUBJECT = 90


@dataclass(frozen=True)
class RecordingRow:
    """One recording as the panel shows it.

    Attributes
    ----------
    labelled_share: of the recording's length, by the current rater, 0 to 1.
    signed_off: whether that rater's labels are locked.
    problem: why it cannot be opened (a missing file), in words; empty where it can.
    """

    id: int
    name: str
    subject: str
    duration_s: float
    labelled_share: float = 0.0
    signed_off: bool = False
    problem: str = ""


class StudyPanel(QWidget):
    """Lists the recordings and asks for the one that is chosen; knows nothing of the study."""

    recording_chosen = Signal(int)
    rater_chosen = Signal(str)
    """A rater by name, chosen from the list or typed: a name that is not there is a new rater."""
    menu_requested = Signal(int, QPoint)
    """A menu for a recording, at a point of the screen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rater = ""
        self._current: int | None = None
        self._collapsed: set[str] = set()
        self._longest = ""
        self._widest_name = 0
        self._widest_subject = -1

        self.rater = QComboBox()
        self.rater.setEditable(True)
        self.rater.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.rater.setAccessibleName(self.tr("Rater"))
        self.rater.setToolTip(
            self.tr("Who labels. Type a name and press Enter to add a rater (Alt+T)")
        )
        self.rater.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        line = self.rater.lineEdit()
        line.setPlaceholderText(self.tr("Your name or initials"))
        line.returnPressed.connect(self._on_typed)
        line.editingFinished.connect(self._on_left)
        self.rater.activated.connect(self._on_picked)
        says = QLabel(self.tr("Ra&ter"))
        says.setBuddy(self.rater)
        top = QHBoxLayout()
        top.addWidget(says)
        top.addWidget(self.rater, 1)
        self.blinded = QLabel(self.tr("Blinded: what others labelled is not shown."))
        self.blinded.setWordWrap(True)
        self.blinded.setVisible(False)

        self.filter = QLineEdit()
        self.filter.setPlaceholderText(self.tr("Filter recordings…"))
        self.filter.setClearButtonEnabled(True)
        self.filter.setAccessibleName(self.tr("Filter recordings"))
        self.filter.setToolTip(
            self.tr(
                "Parts of names or subjects; Down goes to the list, Enter opens the first, "
                "Esc shows all again"
            )
        )
        self.filter.textChanged.connect(self._on_filter)
        self.filter.returnPressed.connect(self._choose_first)

        self.model = RecordingModel(self)
        self.tree = _Tree()
        self.tree.setAccessibleName(self.tr("Recordings"))
        self.tree.setToolTip("")
        self.tree.setModel(self.model)
        self.tree.setItemDelegateForColumn(LABELLED, ShareDelegate(self.tree))
        self.tree.setUniformRowHeights(True)
        self.tree.setAllColumnsShowFocus(True)
        self.tree.setIndentation(14)
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.tree.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.tree.setSortingEnabled(True)
        self.tree.sortByColumn(NAME, Qt.SortOrder.AscendingOrder)
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(24)
        for column in range(1, self.model.columnCount()):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Interactive)
        # Where there is little room, what is done so far is worth more than whose it is.
        header.moveSection(SUBJECT, SIGNED)
        self.tree.chosen.connect(self._on_chosen)
        self.tree.clicked.connect(self._on_clicked)
        self.tree.menu_requested.connect(self._on_menu)
        self.tree.collapsed.connect(self._on_collapsed)
        self.tree.expanded.connect(self._on_expanded)
        self.model.modelReset.connect(self._restore)
        self.filter.installEventFilter(self)

        self.summary = QLabel()
        self.summary.setWordWrap(True)
        column_of_parts = QVBoxLayout(self)
        column_of_parts.setContentsMargins(4, 4, 4, 4)
        column_of_parts.addLayout(top)
        column_of_parts.addWidget(self.blinded)
        column_of_parts.addWidget(self.filter)
        column_of_parts.addWidget(self.tree, 1)
        column_of_parts.addWidget(self.summary)
        self._take_look()
        self._restore()

    # -- what is shown

    def set_recordings(self, rows: Sequence[RecordingRow]) -> None:
        """Show these recordings; where only figures changed, the list is not rebuilt."""
        self.model.set_rows(rows)
        self._show_columns()
        self._summarise()

    def set_recording(self, row: RecordingRow) -> None:
        """Show other figures of one recording, found by its id. KeyError where it is not there."""
        self.model.set_row(row)

    def set_current(self, recording_id: int | None) -> None:
        """Say which recording is open; its line is bold, chosen and in sight."""
        self._current = recording_id
        self.model.set_current(recording_id)
        self._go_to_current()

    def set_raters(self, names: Sequence[str], current: str) -> None:
        """Offer these raters; `current` labels now, empty for none."""
        self._rater = current
        self.rater.clear()
        self.rater.addItems(list(names))
        self._on_left(always=True)

    def set_blinded(self, blinded: bool) -> None:
        """Say whether raters do not see each other's labels."""
        self.blinded.setVisible(blinded)

    # -- choosing

    def _on_chosen(self, index: Index) -> None:
        recording_id = index.data(ID_ROLE)
        if recording_id is not None:
            self.recording_chosen.emit(recording_id)
        else:
            self.tree.setExpanded(index, not self.tree.isExpanded(index))

    def _on_clicked(self, index: Index) -> None:
        recording_id = index.data(ID_ROLE)
        # The second half of a double click must not open it once more.
        if recording_id is not None and recording_id != self._current:
            self.recording_chosen.emit(recording_id)

    def _on_menu(self, index: Index, place: QPoint) -> None:
        recording_id = index.data(ID_ROLE)
        if recording_id is not None:
            self.menu_requested.emit(recording_id, place)

    def _choose_first(self) -> None:
        first = self.model.first_recording()
        if first.isValid():
            self.tree.setCurrentIndex(first)
            self._on_chosen(first)

    # -- raters

    def _on_picked(self, place: int) -> None:
        name = self.rater.itemText(place)
        if name != self._rater:
            self.rater_chosen.emit(name)

    def _on_typed(self) -> None:
        name = self.rater.lineEdit().text().strip()
        # Names that are in the list come as picked.
        if name and self.rater.findText(name) < 0:
            self.rater_chosen.emit(name)

    def _on_left(self, always: bool = False) -> None:
        """A name that was typed, but not entered, is not the rater."""
        if not always and self.rater.lineEdit().hasFocus():
            return
        self.rater.setCurrentIndex(self.rater.findText(self._rater, Qt.MatchFlag.MatchExactly))
        self.rater.setEditText(self._rater)

    # -- filter, sort and look

    def _on_filter(self, text: str) -> None:
        self.model.set_filter(text)
        self._summarise()

    def eventFilter(self, watched: object, event: QEvent) -> bool:
        if watched is not self.filter or event.type() != QEvent.Type.KeyPress:
            return False
        assert isinstance(event, QKeyEvent)
        if event.key() == Qt.Key.Key_Down:
            self.tree.setFocus(Qt.FocusReason.TabFocusReason)
            if not self.tree.currentIndex().isValid():
                self.tree.setCurrentIndex(self.model.first_recording())
            return True
        if event.key() == Qt.Key.Key_Escape and self.filter.text():
            self.filter.clear()
            return True
        return False

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self._take_look()

    def _take_look(self) -> None:
        self.model.set_icons(icon("warning", self.palette()), icon("lock", self.palette()))
        metrics = self.fontMetrics()
        blank = 12
        self.tree.setColumnWidth(LABELLED, metrics.horizontalAdvance("100 %") * 2 + blank)
        self.tree.setColumnWidth(SIGNED, 26)
        self._longest = ""
        self._widest_subject = -1
        self._show_columns()

    def _show_columns(self) -> None:
        self.tree.setRootIsDecorated(self.model.is_grouped)
        self.tree.setColumnHidden(SUBJECT, not self.model.names_subjects)
        # No wider than needed, names first; what the user has set stays.
        names = max((row.name for row in self.model.rows), key=len, default="")
        if len(names) != self._widest_name:
            self._widest_name = len(names)
            wanted = QFontMetrics(_bold()).horizontalAdvance(names) + 26
            self.tree.setColumnWidth(NAME, min(max(wanted, NARROWEST_NAME), WIDEST_NAME))
        subjects = max((row.subject for row in self.model.rows), key=len, default="")
        if len(subjects) != self._widest_subject:
            self._widest_subject = len(subjects)
            metrics = QFontMetrics(_bold())
            wanted = max(map(metrics.horizontalAdvance, (subjects, self.tr("Subject"))))
            self.tree.setColumnWidth(SUBJECT, min(wanted + 12, WIDEST_SUBJECT))
        longest = duration_text(max((row.duration_s for row in self.model.rows), default=0.0))
        if longest != self._longest:
            self._longest = longest
            metrics = QFontMetrics(_bold())
            texts = (longest, self.tr("Length"))
            widest = max(metrics.horizontalAdvance(text) for text in texts)
            self.tree.setColumnWidth(LENGTH, widest + 12)

    def _on_collapsed(self, index: Index) -> None:
        self._collapsed.add(str(index.data()))

    def _on_expanded(self, index: Index) -> None:
        self._collapsed.discard(str(index.data()))

    def _restore(self) -> None:
        """What a rebuilt list forgets: open branches, the current line."""
        self._show_columns()
        collapsed = set(self._collapsed)
        if self.model.is_grouped:
            self.tree.expandAll()
        for row, subject in enumerate(self.model.subjects if collapsed else ()):
            if subject in collapsed:
                self.tree.collapse(self.model.index(row, NAME))
        self._go_to_current()

    def _go_to_current(self) -> None:
        index = self.model.index_of(self._current)
        if index.isValid():
            self.tree.setCurrentIndex(index)
            self.tree.scrollTo(index)
        else:
            self.tree.setCurrentIndex(QModelIndex())

    def _summarise(self) -> None:
        shown, all_rows = self.model.shown, len(self.model.rows)
        subjects = len({row.subject for row in self.model.rows})
        if not all_rows:
            text = self.tr("No recordings yet.")
        elif shown < all_rows:
            text = self.tr("{shown} of {all} recordings").format(shown=shown, all=all_rows)
        else:
            text = self.tr("Recordings: {all}, subjects: {subjects}").format(
                all=all_rows, subjects=subjects
            )
        self.summary.setText(text)


@dataclass
class _Group:
    """A subject with its recordings that are shown, as places in the list of all."""

    subject: str
    places: list[int] = field(default_factory=list)


class RecordingModel(QAbstractItemModel):
    """Subjects with their recordings, or recordings alone where no subject has two."""

    # Sorted and filtered here: Qt's proxy would call back into Python for every comparison.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[RecordingRow] = []
        self._places: dict[int, int] = {}
        self._groups: list[_Group] = []
        self._flat: list[int] = []
        self._column, self._order = NAME, Qt.SortOrder.AscendingOrder
        self._wanted: list[str] = []
        self._current: int | None = None
        self._warning, self._lock = QIcon(), QIcon()
        self.is_grouped = False

    @property
    def names_subjects(self) -> bool:
        """Whether a column says whose the recordings are."""
        # A name that has the subject in it says it already.
        return not self.is_grouped and any(row.subject not in row.name for row in self.rows)

    @property
    def subjects(self) -> list[str]:
        """The subjects that have a line of their own, from top to bottom."""
        return [group.subject for group in self._groups]

    @property
    def shown(self) -> int:
        """How many recordings the filter leaves."""
        return len(self._flat) if not self.is_grouped else sum(len(g.places) for g in self._groups)

    def set_rows(self, rows: Sequence[RecordingRow]) -> None:
        new = list(rows)
        if [(r.id, r.name, r.subject) for r in new] == [
            (r.id, r.name, r.subject) for r in self.rows
        ]:
            for before, row in zip(list(self.rows), new, strict=True):
                if before != row:
                    self.set_row(row)
            return
        self.beginResetModel()
        self.rows = new
        self._places = {row.id: place for place, row in enumerate(new)}
        subjects = [row.subject for row in new]
        self.is_grouped = len(set(subjects)) < len(subjects)
        self._arrange()
        self.endResetModel()

    def set_row(self, row: RecordingRow) -> None:
        """Other figures of a recording; its place in the list stays."""
        self.rows[self._places[row.id]] = row
        index = self.index_of(row.id)
        if not index.isValid():
            return
        last = self.columnCount() - 1
        self.dataChanged.emit(index, index.siblingAtColumn(last))
        parent = index.parent()
        if parent.isValid():
            self.dataChanged.emit(parent, parent.siblingAtColumn(last))

    def set_current(self, recording_id: int | None) -> None:
        before, self._current = self._current, recording_id
        for changed in (before, recording_id):
            index = self.index_of(changed)
            if index.isValid():
                self.dataChanged.emit(index, index.siblingAtColumn(self.columnCount() - 1))

    def set_filter(self, text: str) -> None:
        self._wanted = text.casefold().split()
        self.beginResetModel()
        self._arrange()
        self.endResetModel()

    def set_icons(self, warning: QIcon, lock: QIcon) -> None:
        self._warning, self._lock = warning, lock

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        if (column, order) == (self._column, self._order):
            return
        self._column, self._order = column, order
        self.beginResetModel()
        self._arrange()
        self.endResetModel()

    def index_of(self, recording_id: int | None) -> QModelIndex:
        """Where a recording is shown; invalid where it is not."""
        place = self._places.get(recording_id) if recording_id is not None else None
        if place is None:
            return QModelIndex()
        if not self.is_grouped:
            shown = place in self._flat
            return self.index(self._flat.index(place), NAME) if shown else QModelIndex()
        for number, group in enumerate(self._groups):
            if group.subject == self.rows[place].subject and place in group.places:
                return self.index(group.places.index(place), NAME, self.index(number, NAME))
        return QModelIndex()

    def first_recording(self) -> QModelIndex:
        """The topmost recording; invalid where none is shown."""
        if not self.is_grouped:
            return self.index(0, NAME) if self._flat else QModelIndex()
        return self.index(0, NAME, self.index(0, NAME)) if self._groups else QModelIndex()

    # -- Qt asks

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 5

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        if not parent.isValid():
            return len(self._groups) if self.is_grouped else len(self._flat)
        if parent.column() == 0 and self._is_subject(parent):
            return len(self._groups[parent.row()].places)
        return 0

    def index(self, row: int, column: int, parent: Index = QModelIndex()) -> QModelIndex:  # noqa: B008
        if not 0 <= column < 5 or not 0 <= row < self.rowCount(parent):
            return QModelIndex()
        return self.createIndex(row, column, parent.row() + 1 if parent.isValid() else 0)

    def parent(self, index: Index | None = None) -> object:
        if index is None:
            return super().parent()
        if not index.isValid() or index.internalId() == 0:
            return QModelIndex()
        return self.createIndex(index.internalId() - 1, 0, 0)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation != Qt.Orientation.Horizontal:
            return None
        titles = (
            self.tr("Recording"),
            self.tr("Subject"),
            self.tr("Length"),
            self.tr("Labelled"),
            self.tr("Signed off"),
        )
        if role == Qt.ItemDataRole.DisplayRole:
            return "" if section == SIGNED else titles[section]
        if role == Qt.ItemDataRole.DecorationRole and section == SIGNED:
            return self._lock
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return titles[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.tr("{title}: click to sort").format(title=titles[section])
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        if self._is_subject(index):
            return self._data_of_subject(self._groups[index.row()], index.column(), role)
        return self._data_of_recording(self._row(index), index.column(), role)

    def _data_of_recording(self, row: RecordingRow, column: int, role: int) -> object:
        if role == Qt.ItemDataRole.DisplayRole:
            return {
                NAME: row.name,
                SUBJECT: row.subject,
                LENGTH: duration_text(row.duration_s),
                LABELLED: percent_text(row.labelled_share),
            }.get(column)
        if role == ID_ROLE:
            return row.id
        if role == SHARE_ROLE:
            return row.labelled_share
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._says(row)
        if role == Qt.ItemDataRole.DecorationRole:
            if column == NAME and row.problem:
                return self._warning
            return self._lock if column == SIGNED and row.signed_off else None
        if role == Qt.ItemDataRole.AccessibleTextRole:
            if column == NAME and row.problem:
                return f"{row.name}: {row.problem}"
            if column == SIGNED:
                return self.tr("signed off") if row.signed_off else self.tr("open")
            return None
        if role == Qt.ItemDataRole.FontRole and row.id == self._current:
            return _bold()
        return _alignment(column) if role == Qt.ItemDataRole.TextAlignmentRole else None

    def _data_of_subject(self, group: _Group, column: int, role: int) -> object:
        if role == Qt.ItemDataRole.DisplayRole:
            if column == NAME:
                return group.subject
            if column == LENGTH:
                return duration_text(self._length(group))
            return percent_text(self._share(group)) if column == LABELLED else None
        if role == SHARE_ROLE:
            return self._share(group)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.tr("Subject {name}, recordings: {count}").format(
                name=group.subject, count=len(group.places)
            )
        return _alignment(column) if role == Qt.ItemDataRole.TextAlignmentRole else None

    def _says(self, row: RecordingRow) -> str:
        lines = [
            self.tr("{name}, subject {subject}").format(name=row.name, subject=row.subject),
            self.tr("{share} labelled").format(share=percent_text(row.labelled_share)),
        ]
        if row.signed_off:
            lines.append(self.tr("Signed off: its labels are locked until it is reopened."))
        if row.problem:
            lines.append(row.problem)
        return "\n".join(lines)

    # -- parts

    def _is_subject(self, index: Index) -> bool:
        return self.is_grouped and index.internalId() == 0

    def _row(self, index: Index) -> RecordingRow:
        if self.is_grouped:
            return self.rows[self._groups[index.internalId() - 1].places[index.row()]]
        return self.rows[self._flat[index.row()]]

    def _length(self, group: _Group) -> float:
        return sum(self.rows[place].duration_s for place in group.places)

    def _share(self, group: _Group) -> float:
        length = self._length(group)
        if not length:
            return 0.0
        rows = [self.rows[place] for place in group.places]
        return sum(row.labelled_share * row.duration_s for row in rows) / length

    def _arrange(self) -> None:
        places = [place for place, row in enumerate(self.rows) if self._matches(row)]
        backwards = self._order == Qt.SortOrder.DescendingOrder
        places.sort(key=lambda place: self._key(self.rows[place]), reverse=backwards)
        if not self.is_grouped:
            self._flat, self._groups = places, []
            return
        groups: dict[str, _Group] = {}
        for place in places:
            subject = self.rows[place].subject
            groups.setdefault(subject, _Group(subject)).places.append(place)
        self._flat = []
        self._groups = sorted(groups.values(), key=self._group_key, reverse=backwards)

    def _matches(self, row: RecordingRow) -> bool:
        text = f"{row.name} {row.subject}".casefold()
        return all(word in text for word in self._wanted)

    def _key(self, row: RecordingRow) -> tuple[object, ...]:
        name = _natural(row.name)
        return {
            NAME: (name,),
            SUBJECT: (_natural(row.subject), name),
            LENGTH: (row.duration_s, name),
            LABELLED: (row.labelled_share, name),
            SIGNED: (row.signed_off, name),
        }[self._column]

    def _group_key(self, group: _Group) -> tuple[object, ...]:
        name = _natural(group.subject)
        if self._column == LENGTH:
            return (self._length(group), name)
        if self._column == LABELLED:
            return (self._share(group), name)
        if self._column == SIGNED:
            return (all(self.rows[place].signed_off for place in group.places), name)
        return (name,)


class _Tree(QTreeView):
    """A tree that tells Enter from a click, and a menu of the keyboard from one of the mouse."""

    chosen = Signal(QModelIndex)
    menu_requested = Signal(QModelIndex, QPoint)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.currentIndex().isValid():
                self.chosen.emit(self.currentIndex())
            return
        super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            index = self.currentIndex()
            place = self.viewport().mapToGlobal(self.visualRect(index).center())
        else:
            index, place = self.indexAt(event.pos()), event.globalPos()
        if index.isValid():
            self.menu_requested.emit(index, place)


def duration_text(seconds: float) -> str:
    """A length for people: `8 h 02 min`, `12 min`, `45 s`."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def percent_text(share: float) -> str:
    """A share in whole percent; 0 and 100 only for none and all."""
    percent = round(100 * share)
    if share > 0:
        percent = max(percent, 1)
    if share < 1:
        percent = min(percent, 99)
    return f"{percent} %"


@lru_cache(maxsize=1 << 13)
def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """For sorting: s2 comes before s10."""
    parts = re.findall(r"\d+|\D+", text.casefold())
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts)


def _bold() -> QFont:
    font = QFont()
    font.setBold(True)
    return font


def _alignment(column: int) -> Qt.AlignmentFlag:
    across = Qt.AlignmentFlag.AlignRight if column == LENGTH else Qt.AlignmentFlag.AlignLeft
    return across | Qt.AlignmentFlag.AlignVCenter
