"""The runs of a study as a table: what each came to, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QAction, QFont, QGuiApplication, QIcon, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QPushButton,
    QStackedLayout,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.run_comparison import RunRow
from ui.icons import icon, keep_icon
from ui.run_queue import rough_duration_text

TITLE, STATE, MADE, MACRO_F1, INTERVAL, BALANCED, KAPPA, WORST, MEAN = range(9)
WINDOWS, SUBJECTS, PRESET, PRETRAINED, RATERS, TOOK = range(9, 15)
NAME_ROLE = Qt.ItemDataRole.UserRole
"""Name of a run."""
_NUMBERS = frozenset({MACRO_F1, INTERVAL, BALANCED, KAPPA, MEAN, WINDOWS, SUBJECTS, TOOK})
_WIDEST = 32
"""Letters in a column of words."""

Index = QModelIndex | QPersistentModelIndex


class RunsTable(QWidget):
    """Lists runs and says what is asked of them; knows nothing of the study."""

    show_requested = Signal(str)
    """Look at the results of a run, by its name."""
    resume_requested = Signal(str)
    """Go on with a run that waits, was stopped, or failed."""
    report_requested = Signal(str)
    finetune_from_requested = Signal(str)
    copy_command_requested = Signal(str)
    export_requested = Signal(str)
    """Copy the model of a run elsewhere."""
    import_requested = Signal()
    """Bring a model in as a run."""
    compare_requested = Signal(object)
    """Names of two runs or more, as a list."""
    delete_requested = Signal(object)
    """Names of one run or more, as a list; nobody has been asked yet."""
    rename_requested = Signal(str, str)
    """Name and new title; the row stays as it is until it is set anew."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = RunModel(self)
        self.model.renamed.connect(self.rename_requested)
        self.table = _Table()
        self.table.setModel(self.model)
        self.table.setAccessibleName(self.tr("Runs"))
        self.table.sortByColumn(MADE, Qt.SortOrder.DescendingOrder)
        self.table.setSortingEnabled(True)
        self.table.entered.connect(self._on_enter)
        self.table.doubleClicked.connect(self._on_double_click)
        self.table.customContextMenuRequested.connect(self._show_menu)
        self.table.selectionModel().selectionChanged.connect(self._on_selection)
        self.model.layoutChanged.connect(self._on_selection)

        one = self.tr("Choose one run first.")
        self.show_action = self._action(
            self.tr("Show results"), self.tr("Look at predictions and figures of this run"),
            one, self._for_one(self.show_requested), icon_name="search",
        )  # fmt: skip
        self.resume_action = self._action(
            self.tr("Resume"), self.tr("Go on with this run where it was stopped"),
            self.tr("Choose a run that waits, was stopped, or failed."),
            self._for_one(self.resume_requested),
        )  # fmt: skip
        self.compare_action = self._action(
            self.tr("Compare"), self.tr("Show these runs side by side"),
            self.tr("Choose two runs or more: Ctrl or Shift and a click."),
            self._for_all(self.compare_requested), icon_name="list",
        )  # fmt: skip
        self.report_action = self._action(
            self.tr("Report…"), self.tr("Write a report of this run"),
            self.tr("Choose a run that has figures."),
            self._for_one(self.report_requested), icon_name="print",
        )  # fmt: skip
        self.finetune_action = self._action(
            self.tr("Fine-tune from this"), self.tr("Set up a run that starts from this model"),
            self.tr("Choose a run that has a model."), self._for_one(self.finetune_from_requested),
        )  # fmt: skip
        self.command_action = self._action(
            self.tr("Copy as batch command"),
            self.tr("Copy the command that repeats this run in batch mode, to the last digit"),
            self.tr("Choose a run that was made here."),
            self._for_one(self.copy_command_requested), icon_name="copy",
        )  # fmt: skip
        self.rename_action = self._action(
            self.tr("Rename"), self.tr("Give this run another title"), one, self.rename, "F2"
        )
        self.export_action = self._action(
            self.tr("Export model…"), self.tr("Copy the model of this run into a folder"),
            self.tr("Choose a run that has a model."),
            self._for_one(self.export_requested), icon_name="export",
        )  # fmt: skip
        self.import_action = self._action(
            self.tr("Import model…"), self.tr("Bring the folder of a model in as a run"), "",
            self.import_requested.emit, icon_name="import",
        )  # fmt: skip
        self.copy_action = self._action(
            self.tr("Copy lines"), self.tr("Copy the chosen lines, or all, as text"), "",
            self.copy, QKeySequence.StandardKey.Copy,
        )  # fmt: skip
        self.delete_action = self._action(
            self.tr("Delete…"), self.tr("Delete these runs with everything in them"),
            self.tr("Choose a run that is not going on."),
            self._for_all(self.delete_requested), "Delete", "remove",
        )  # fmt: skip
        self._menu_actions: tuple[QAction | None, ...] = (
            *(self.show_action, self.resume_action, self.compare_action, self.report_action, None),
            *(self.finetune_action, self.command_action, None),
            *(self.rename_action, self.export_action, self.import_action, self.copy_action, None),
            self.delete_action,
        )
        buttons = QHBoxLayout()
        self.buttons: list[QPushButton] = []
        for action in (
            *(self.show_action, self.resume_action, self.compare_action),
            *(self.report_action, self.import_action),
        ):
            button = _ActionButton(action)
            self.buttons.append(button)
            buttons.addWidget(button)
        self.more = QToolButton()
        self.more.setText(self.tr("More"))
        self.more.setToolTip(self.tr("Everything that can be done with the chosen runs"))
        self.more.setAccessibleName(self.tr("More"))
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.more.setMenu(self._menu(self.more))
        buttons.addWidget(self.more)
        buttons.addStretch(1)
        self.problem = QLabel()
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        self.problem.setWordWrap(True)
        self.problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.problem.setAccessibleName(self.tr("What is to be known of the chosen run"))

        self.empty = QLabel(
            self.tr(
                "No runs yet. Train one, or bring a model in: what it says of the recordings, and "
                "which sensors it can do without, is shown then."
            )
        )
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedLayout()
        self._stack.addWidget(self.table)
        self._stack.addWidget(self.empty)
        column = QVBoxLayout(self)
        column.addLayout(self._stack, 1)
        column.addWidget(self.problem)
        column.addLayout(buttons)
        self.set_rows(())

    # -- what is shown

    def set_rows(self, rows: Sequence[RunRow]) -> None:
        """Show these runs; the chosen ones stay chosen."""
        chosen = set(self.chosen)
        known = {row.name for row in self.model.rows}
        self.model.set_rows(rows)
        self._stack.setCurrentIndex(0 if rows else 1)
        self._choose(chosen)
        if {row.name for row in rows} != known:
            self._fit()
        self._on_selection()

    def set_row(self, row: RunRow) -> None:
        """Show one run anew, by its name; a new one is added."""
        others = [other for other in self.model.rows if other.name != row.name]
        self.set_rows([*others, row])

    def set_shown(self, name: str) -> None:
        """Say whose results are being looked at; empty for none."""
        self.model.set_shown(name)

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the chosen runs, from top to bottom."""
        rows = sorted(index.row() for index in self.table.selectionModel().selectedRows())
        return tuple(self.model.shown_rows[row].name for row in rows)

    def choose(self, names: Sequence[str]) -> None:
        """Choose these runs and no others."""
        self._choose(set(names))
        self._on_selection()

    def _choose(self, names: set[str]) -> None:
        selection = self.table.selectionModel()
        flags = QItemSelectionModel.SelectionFlag
        selection.clearSelection()
        for place, row in enumerate(self.model.shown_rows):
            if row.name in names:
                index = self.model.index(place, TITLE)
                selection.select(index, flags.Select | flags.Rows)
                if not selection.currentIndex().isValid():
                    selection.setCurrentIndex(index, flags.NoUpdate)

    def _chosen_rows(self) -> list[RunRow]:
        names = self.chosen
        return [row for row in self.model.shown_rows if row.name in names]

    def _on_selection(self, *_: object) -> None:
        rows = self._chosen_rows()
        one = rows[0] if len(rows) == 1 else None
        for action, able in (
            (self.show_action, one is not None and (one.has_windows or one.has_model)),
            (self.resume_action, one is not None and one.can_resume),
            (self.compare_action, len(rows) > 1),
            (self.report_action, one is not None and one.has_report),
            (self.finetune_action, one is not None and one.has_model),
            (self.command_action, one is not None and one.kind == "train"),
            (self.rename_action, one is not None),
            (self.export_action, one is not None and one.has_model),
            (self.copy_action, bool(self.model.rows)),
            (self.delete_action, bool(rows) and all(row.state != "running" for row in rows)),
        ):
            action.setEnabled(able)
            tip, why_not = action.data()
            action.setToolTip(tip if able or not why_not else f"{tip}. {why_not}")
        said = one.problem if one is not None else ""
        self.problem.setText(said)
        self.problem.setVisible(bool(said))

    def _fit(self) -> None:
        """Columns as wide as their content, words not too wide."""
        self.table.resizeColumnsToContents()
        letter = self.fontMetrics().averageCharWidth()
        for column in range(self.model.columnCount()):
            width = self.table.columnWidth(column) + 2 * letter
            if column in (TITLE, STATE, WORST, PRETRAINED, RATERS):
                width = min(width, _WIDEST * letter)
            self.table.setColumnWidth(column, width)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self.table.take_font()
            self._fit()
        elif event.type() == QEvent.Type.PaletteChange:
            self.model.take_icons()

    # -- asking

    def rename(self) -> None:
        """Let the title of the chosen run be typed over."""
        rows = self.table.selectionModel().selectedRows()
        if len(rows) == 1:
            self.table.setCurrentIndex(self.model.index(rows[0].row(), TITLE))
            self.table.edit(self.model.index(rows[0].row(), TITLE))

    def copy(self) -> None:
        """Put the chosen lines, or else all, on the clipboard, columns apart by tabs."""
        chosen = self._chosen_rows() or self.model.shown_rows
        heads = [str(self.model.headerData(c, Qt.Orientation.Horizontal)) for c in range(TOOK + 1)]
        lines = ["\t".join(heads)]
        lines += ["\t".join(self.model.texts(row)) for row in chosen]
        QGuiApplication.clipboard().setText("\n".join(lines))

    def _for_one(self, signal: Signal) -> Callable[[], None]:
        def emit() -> None:
            chosen = self.chosen
            if len(chosen) == 1:
                signal.emit(chosen[0])

        return emit

    def _for_all(self, signal: Signal) -> Callable[[], None]:
        def emit() -> None:
            if self.chosen:
                signal.emit(list(self.chosen))

        return emit

    def _on_enter(self) -> None:
        if self.show_action.isEnabled():
            self.show_action.trigger()
        elif self.resume_action.isEnabled():
            self.resume_action.trigger()

    def _on_double_click(self, index: Index) -> None:
        if self.show_action.isEnabled():
            self.show_action.trigger()

    def _show_menu(self, place: QPoint) -> None:
        menu = self._menu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.table.viewport().mapToGlobal(place))

    def _menu(self, parent: QWidget) -> QMenu:
        menu = QMenu(parent)
        menu.setToolTipsVisible(True)
        for action in self._menu_actions:
            if action is None:
                menu.addSeparator()
            else:
                menu.addAction(action)
        return menu

    def _action(
        self,
        text: str,
        tip: str,
        why_not: str,
        slot: Callable[[], None],
        keys: str | QKeySequence.StandardKey | None = None,
        icon_name: str = "",
    ) -> QAction:
        """`why_not`: what to do first where it cannot be used."""
        action = QAction(text, self)
        if icon_name:
            keep_icon(action, icon_name)
        if keys is not None:
            action.setShortcut(QKeySequence(keys))
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
            tip += f" ({action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)})"
        action.setData((tip, why_not))
        action.setToolTip(tip)
        action.triggered.connect(slot)
        self.table.addAction(action)
        return action


class RunModel(QAbstractTableModel):
    """Runs as rows; what a run has not come to is a dash, and last in any order."""

    renamed = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[RunRow] = []
        self.shown_rows: list[RunRow] = []
        """The rows as sorted."""
        self._column, self._order = MADE, Qt.SortOrder.DescendingOrder
        self._shown = ""
        self._texts: dict[str, tuple[str, ...]] = {}  # of each row, by name
        self._icons: dict[str, QIcon] = {}
        self.take_icons()

    def set_rows(self, rows: Sequence[RunRow]) -> None:
        self.beginResetModel()
        self.rows = list(rows)
        self._texts = {row.name: self._words(row) for row in rows}
        self.shown_rows = self._sorted()
        self.endResetModel()

    def set_shown(self, name: str) -> None:
        self._shown = name
        if self.shown_rows:
            last = self.index(len(self.shown_rows) - 1, TITLE)
            self.dataChanged.emit(self.index(0, TITLE), last)

    def take_icons(self) -> None:
        """Draw the icons for the colours of now."""
        warning = icon("warning")
        self._icons = {
            "finished": icon("saved"),
            "partial": warning,
            "failed": warning,
            "stopped": icon("undo"),
            "running": icon("next"),
            "problem": warning,
        }
        if self.shown_rows:
            last = self.index(len(self.shown_rows) - 1, STATE)
            self.dataChanged.emit(self.index(0, STATE), last)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._column, self._order = column, order
        self.layoutAboutToBeChanged.emit()
        before = self.shown_rows
        self.shown_rows = self._sorted()
        places = {row.name: place for place, row in enumerate(self.shown_rows)}
        for index in self.persistentIndexList():
            name = before[index.row()].name
            self.changePersistentIndex(index, self.index(places[name], index.column()))
        self.layoutChanged.emit()

    def _sorted(self) -> list[RunRow]:
        newest = sorted(self.rows, key=lambda row: (row.created_at, row.name), reverse=True)
        keys = [(row, _sort_key(row, self._column)) for row in newest]
        known = [(row, key) for row, key in keys if key is not None]
        known.sort(key=lambda pair: pair[1], reverse=self._order == Qt.SortOrder.DescendingOrder)
        return [row for row, _ in known] + [row for row, key in keys if key is None]

    # -- words

    def texts(self, row: RunRow) -> tuple[str, ...]:
        """What stands in the cells of a row."""
        return self._texts[row.name]

    def _words(self, row: RunRow) -> tuple[str, ...]:
        return (
            row.title,
            self.state_text(row),
            _local(row.created_at),
            _figure(row.macro_f1),
            "–" if row.ci95 is None else f"{row.ci95[0]:.3f}–{row.ci95[1]:.3f}",
            _figure(row.balanced_accuracy),
            _figure(row.cohen_kappa),
            self.tr("{figure} without {modality}").format(
                figure=_figure(row.worst_macro_f1), modality=row.worst_removed
            )
            if row.worst_removed
            else "–",
            _figure(row.mean_macro_f1),
            "–" if row.windows is None else str(row.windows),
            "–" if row.subjects is None else str(row.subjects),
            row.preset or "–",
            self._origin_text(row),
            ", ".join(row.raters) or "–",
            "–" if row.seconds is None else rough_duration_text(row.seconds),
        )

    def state_text(self, row: RunRow) -> str:
        """How far a run is, in words."""
        if row.kind == "model":
            return self.tr("model, brought in")
        text = {
            "waiting": self.tr("waiting"),
            "running": self.tr("running"),
            "finished": self.tr("finished"),
            "partial": self.tr("finished in part"),
            "stopped": self.tr("stopped; can be resumed"),
            "failed": self.tr("failed; can be resumed"),
        }[row.state]
        if row.seen:
            text = self.tr("{state}; no test").format(state=text)
        elif row.problem and row.state == "finished":
            text = self.tr("finished; its report is damaged")
        return text

    def _origin_text(self, row: RunRow) -> str:
        if row.pretrained_from:
            return self.tr("from {run}").format(run=self._title_of(row.pretrained_from))
        return "–" if row.kind == "model" else self.tr("here")

    def _title_of(self, name: str) -> str:
        return next((row.title for row in self.rows if row.name == name), name)

    # -- Qt's questions

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.shown_rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else TOOK + 1

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._heads()[section][0]
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._heads()[section][1]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return None

    def _heads(self) -> tuple[tuple[str, str], ...]:
        held_out = self.tr("on people who were held out")
        return (
            (self.tr("Run"), self.tr("Title of the run; F2 changes it")),
            (self.tr("State"), self.tr("How far it is")),
            (self.tr("Made"), self.tr("When it was made, on this computer's clock")),
            (self.tr("Macro F1"), self.tr("Mean F1 over the classes, {where}").format(
                where=held_out)),
            (self.tr("95 %"), self.tr("Interval of macro F1, by drawing people")),
            (self.tr("Balanced"), self.tr("Balanced accuracy: mean recall over the classes, "
                                          "{where}").format(where=held_out)),
            (self.tr("Kappa"), self.tr("Cohen's kappa: agreement with the labels beyond chance, "
                                       "{where}").format(where=held_out)),
            (self.tr("Worst removal"), self.tr("Macro F1 without the modality that is missed "
                                               "most")),
            (self.tr("Mean of subsets"), self.tr("Mean macro F1 over all subsets of the "
                                                 "modalities")),
            (self.tr("Windows"), self.tr("Windows of all recordings that it had")),
            (self.tr("People"), self.tr("Subjects of the recordings that it had")),
            (self.tr("Preset"), self.tr("Preset of the model")),
            (self.tr("Pretraining"), self.tr("Where its encoders were pretrained")),
            (self.tr("Labels of"), self.tr("Whose labels it learns from, in order of "
                                           "preference")),
            (self.tr("Took"), self.tr("How long it worked, the last time it was started")),
        )  # fmt: skip

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        row = self.shown_rows[index.row()]
        column = index.column()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return self.texts(row)[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(row, column)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == Qt.ItemDataRole.DecorationRole and column == STATE:
            return self._icons.get("problem" if row.problem else row.state)
        if role == Qt.ItemDataRole.FontRole and column == TITLE and row.name == self._shown:
            font = QFont(QGuiApplication.font())
            font.setBold(True)
            return font
        if role == NAME_ROLE:
            return row.name
        return None

    def _tip(self, row: RunRow, column: int) -> str:
        if column == STATE and row.problem:
            return row.problem
        if column == TITLE:
            lines = [row.title, self.tr("folder {name}").format(name=row.name)]
            if row.name == self._shown:
                lines.append(self.tr("Its results are being looked at."))
            return "\n".join(lines)
        return self.texts(row)[column]

    def flags(self, index: Index) -> Qt.ItemFlag:
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == TITLE else flags

    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        row = self.shown_rows[index.row()]
        title = str(value).strip()
        if role != Qt.ItemDataRole.EditRole or not title or title == row.title:
            return False
        self.renamed.emit(row.name, title)
        return True


class _Table(QTableView):
    """A table of runs: several can be chosen, Enter shows one, Tab leaves it."""

    entered = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setAlternatingRowColors(True)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setResizeContentsPrecision(50)  # lines that are measured
        self.take_font()

    def take_font(self) -> None:
        line = self.fontMetrics().lineSpacing()
        self.verticalHeader().setDefaultSectionSize(line + 10)
        self.setIconSize(QSize(line, line))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if enter and self.state() != QAbstractItemView.State.EditingState:
            self.entered.emit()
            return
        super().keyPressEvent(event)


class _ActionButton(QPushButton):
    """A button for an action: it is enabled with it, and says why it is not."""

    def __init__(self, action: QAction) -> None:
        super().__init__(action.icon(), action.text())
        self._action = action
        self.setAutoDefault(False)
        self.setAccessibleName(action.text())
        self.clicked.connect(action.trigger)
        action.changed.connect(self._follow)
        self._follow()

    def _follow(self) -> None:
        self.setEnabled(self._action.isEnabled())
        self.setToolTip(self._action.toolTip())
        self.setIcon(self._action.icon())


def _sort_key(row: RunRow, column: int) -> float | str | None:
    """What a column is sorted by; None comes last."""
    keys: dict[int, float | str | None] = {
        TITLE: row.title.casefold(),
        STATE: row.state,
        MADE: row.created_at or None,
        MACRO_F1: row.macro_f1,
        INTERVAL: None if row.ci95 is None else row.ci95[0],
        BALANCED: row.balanced_accuracy,
        KAPPA: row.cohen_kappa,
        WORST: row.worst_macro_f1,
        MEAN: row.mean_macro_f1,
        WINDOWS: row.windows,
        SUBJECTS: row.subjects,
        PRESET: row.preset or None,
        PRETRAINED: row.pretrained_from,
        RATERS: ", ".join(row.raters).casefold() or None,
        TOOK: row.seconds,
    }
    return keys[column]


def _alignment(column: int) -> Qt.AlignmentFlag:
    across = Qt.AlignmentFlag.AlignRight if column in _NUMBERS else Qt.AlignmentFlag.AlignLeft
    return across | Qt.AlignmentFlag.AlignVCenter


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".replace("-", "−")


def _local(at: str) -> str:
    """A time in UTC on this computer's clock, to the minute; as it is where it is no time."""
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return at or "–"
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")
