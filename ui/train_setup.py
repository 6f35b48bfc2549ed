"""Setting up a training: what is learnt from, how, and how it is tested; plain values in, a request
out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QCoreApplication,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QSignalBlocker,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QBrush, QFont, QKeyEvent, QKeySequence, QPalette, QResizeEvent, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QTableView,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from core.errors import ConfigError
from core.setting_help import PRESET, full_masks, preset_names
from core.study_settings import modality_names
from ui.config_form import ConfigForm, NumberEditor, SettingsDraft, make_editor, number_text
from ui.dialog_parts import Paragraph, TickList, keyed, named
from ui.mask_picture import MaskPicture
from ui.study_panel import duration_text, percent_text
from ui.train_plan_table import PlanView, TrainPlanTable
from ui.wizard_page import SEEN_BOXES, ScrollPart, choose, describe

START_KEYS = "Ctrl+Return"
TWO_COLUMNS = 860
"""Pixels from which the parts stand in two columns."""
NAME, SUBJECT, LENGTH, LABELLED = range(4)
_LABELS_MATTER = "finetune"
MOST_ROWS = 10
"""Recordings that are seen without scrolling."""
_LIST_ROWS = 8
_RATER_ROWS = 3
_STAND_IN_MODALITIES = 3

Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class TrainRecording:
    """A recording that may be learnt from.

    Attributes
    ----------
    labelled: share of it that each rater has labelled, 0 to 1, by the rater's name; raters that
        are not there have labelled nothing.
    """

    name: str
    subject: str
    duration_s: float
    labelled: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainRequest:
    """What the user wants to be trained.

    Attributes
    ----------
    engine: the run file without recordings and labels; holds `finetune.from` already.
    raters: whose labels count, in order of preference.
    recordings: names of those that are used; the others are left out of the run.
    reuse: name of the run whose pretraining is taken over where it fits, or empty.
    start_from: folder of the pretrained model to start from, or empty.
    """

    title: str
    engine: dict[str, Any]
    raters: tuple[str, ...]
    recordings: tuple[str, ...]
    reuse: str = ""
    start_from: str = ""


class TrainSetup(QWidget):
    """The setting-up half of the Train page.

    Quick controls and the form of all settings edit the same draft. Nothing is carried out here:
    the plan, the estimate and the device are told by setters, and signals ask for more.
    """

    settings_changed = Signal(dict)
    """The settings, or recordings, raters, or where to start from, are other ones; carries the
    engine's document."""
    start_requested = Signal(object)
    """A TrainRequest."""
    estimate_requested = Signal()
    copy_command_requested = Signal()
    failed = Signal(object)
    """The exception, when the picture of masks could not be drawn."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Set up a training"))
        self._plan: PlanView | None = None
        self._problem = ""
        self._given: dict[str, Any] | None = None
        self._filling = False
        self.draft = SettingsDraft(self)
        self.data = DataPart()
        self.learning = LearningPart(self.draft)
        self.testing = TestingPart(self.draft)
        self.form = ConfigForm(self.draft)
        self.plan_table = TrainPlanTable()
        self._make_foot()
        self._parts = _Parts()
        self._left, self._right = QVBoxLayout(), QVBoxLayout()
        sides = QHBoxLayout(self._parts)
        sides.setContentsMargins(4, 4, 8, 4)
        sides.addLayout(self._left, 1)
        sides.addLayout(self._right, 1)
        for side in (self._left, self._right):
            side.addStretch(1)
        self._columns = 0
        self._arrange(1)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName(self.tr("Set up, all settings, plan"))
        self.area = ScrollPart(self._parts)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for page, title, tip in (
            (self.area, self.tr("Set up"), self.tr("What is usually chosen")),
            (self.form, self.tr("Advanced…"), self.tr("Every setting, with help")),
            (self.plan_table, self.tr("Plan"), self.tr("Who is trained on and who is tested")),
        ):
            self.tabs.addTab(page, title)
            self.tabs.setTabToolTip(self.tabs.count() - 1, tip)
        self.form.setContentsMargins(4, 6, 4, 4)
        self.plan_table.setContentsMargins(4, 6, 4, 4)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.tabs, 1)
        column.addWidget(self._foot)
        for part in (self.data, self.learning):
            part.changed.connect(self._on_changed)
        self.data.changed.connect(self._on_data)
        self.draft.changed.connect(self._on_draft)
        self.learning.picture.failed.connect(self.failed)
        self._on_draft()

    def _make_foot(self) -> None:
        self.reason = Paragraph()
        self.reason.setAccessibleName(self.tr("Why it cannot be started"))
        self.estimate = Paragraph()
        self.estimate.setAccessibleName(self.tr("Time that it will take"))
        self.ask_estimate = QPushButton(self.tr("Estimate time"))
        describe(
            self.ask_estimate,
            self.tr("Estimate time"),
            self.tr("Train for a second, and tell from it how long the whole will take"),
        )
        self.copy = QPushButton(self.tr("&Copy as batch command"))
        keyed(
            self.copy,
            self.tr("Write the run file, and put the command that repeats it on the clipboard"),
        )
        self.start = QPushButton(self.tr("Start training"))
        self.start.setShortcut(QKeySequence(START_KEYS))
        QShortcut(QKeySequence("Ctrl+Enter"), self.start).activated.connect(self.request_start)
        keys = QKeySequence(START_KEYS).toString(QKeySequence.SequenceFormat.NativeText)
        describe(
            self.start,
            self.tr("Start training"),
            self.tr("Train in the background ({keys})").format(keys=keys),
        )
        for button in (self.ask_estimate, self.copy, self.start):
            button.setAutoDefault(False)
        self.ask_estimate.clicked.connect(self.estimate_requested)
        self.copy.clicked.connect(self.copy_command_requested)
        self.start.clicked.connect(self.request_start)
        self._foot = QWidget()
        column = QVBoxLayout(self._foot)
        column.setContentsMargins(4, 2, 4, 4)
        column.addWidget(self.reason)
        column.addWidget(self.estimate)
        row = QHBoxLayout()
        row.addWidget(self.ask_estimate)
        row.addWidget(self.copy)
        row.addStretch(1)
        row.addWidget(self.start)
        column.addLayout(row)

    # -- plain values in

    def set_study(
        self,
        recordings: Sequence[TrainRecording],
        raters: Sequence[str],
        classes: Sequence[str],
        engine: Mapping[str, Any],
        pretrained: Sequence[tuple[str, str]] = (),
        reusable: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Show what there is to learn from.

        engine: the study's settings; they take the place of the draft only where they are other
        ones than at the last call, so that what the user is changing stays. Ticks stay by name.
        pretrained: (title, model folder). reusable: (title, name of the run).
        """
        self._filling = True
        try:
            self.data.set_study(recordings, raters, classes)
            self.learning.set_starts(pretrained, reusable)
            if self._given != engine:
                self._given = dict(engine)
                self.draft.set_document(engine)
            self.testing.set_subjects(self.data.subjects)
        finally:
            self._filling = False
        self._on_draft()

    def set_engine(self, engine: Mapping[str, Any]) -> None:
        """Take over settings, such as those of an earlier run."""
        self.draft.set_document(engine)

    def set_title(self, title: str) -> None:
        """What the run is called."""
        self.data.title.setText(title)

    def set_modalities(self, names: Sequence[str] | None) -> None:
        """Modalities of the recordings where the settings leave them to the channels; None: not
        known."""
        self.learning.set_modalities(names)

    def set_plan(self, plan: PlanView | None, problem: str = "") -> None:
        """Show the plan that these settings lead to. `problem`: why there is none, or why nothing
        can be started now, in words."""
        self._plan, self._problem = plan, problem
        self.plan_table.set_plan(plan, problem)
        notes = len(plan.notes) if plan is not None else 0
        title = self.tr("Plan")
        if plan is not None and plan.refusal:
            title = self.tr("Plan (refused)")
        elif notes:
            title = self.tr("Plan (notes: {n})").format(n=notes)
        self.tabs.setTabText(self.tabs.indexOf(self.plan_table), title)
        self._show_ready()

    def set_estimate(self, text: str) -> None:
        """How long it will take, in words; empty where that is not known."""
        self.estimate.say(text)

    def set_device(self, reason: str, choices: Sequence[str]) -> None:
        """Why a GPU is or is not used, and which values of `device` can be used here."""
        self.learning.set_device(reason, choices)

    # -- what the user wants

    @property
    def engine(self) -> dict[str, Any]:
        """The engine's settings as they are now."""
        return self.draft.document()

    def request(self) -> TrainRequest:
        """What would be started now."""
        start = self.draft.value("finetune.from")
        return TrainRequest(
            title=self.data.title.text().strip() or self.data.title.placeholderText(),
            engine=self.engine,
            raters=self.data.raters,
            recordings=self.data.recordings,
            reuse=self.learning.reuse,
            start_from=start or "",
        )

    def problem(self) -> str:
        """Why it cannot be started, in words; empty where it can."""
        problem = self.draft.problem()
        if problem:
            return problem
        if not self.data.model.rowCount():
            return self.tr("The study has no recordings yet.")
        if not self.data.recordings:
            return self.tr("No recording is chosen. Tick those to learn from.")
        if _LABELS_MATTER in self.draft.value("steps"):
            if not self.data.classes:
                return self.tr("The study has no classes, so there is nothing to tell apart.")
            if not self.data.raters:
                return self.tr("Nobody's labels are chosen. Tick a rater, or pretrain only.")
            if not self.data.has_labels:
                return self.tr(
                    "The chosen recordings have no labels of these raters. Choose others, or "
                    "pretrain only."
                )
        if self._problem:
            return self._problem
        return self._plan.refusal if self._plan is not None else ""

    def request_start(self) -> None:
        """Ask for the training, unless something speaks against it."""
        if not self.problem():
            self.start_requested.emit(self.request())

    def shut_down(self) -> None:
        """End what runs in the background. Before the window closes."""
        self.learning.picture.shut_down()

    # -- keeping all views alike

    def _on_draft(self) -> None:
        if self._filling:
            return
        self.learning.show_draft()
        self.testing.show_draft()
        self._on_changed()

    def _on_data(self) -> None:
        if not self._filling:
            self.testing.set_subjects(self.data.subjects)

    def _on_changed(self) -> None:
        if self._filling:
            return
        self.data.title.setPlaceholderText(self._usual_title())
        self._show_ready()
        self.settings_changed.emit(self.engine)

    def _usual_title(self) -> str:
        return self.tr("{preset}, recordings: {n}").format(
            preset=self.draft.value(PRESET), n=len(self.data.recordings)
        )

    def _show_ready(self) -> None:
        problem = self.problem()
        self.reason.say(
            self.tr("Cannot be started: {problem}").format(problem=problem) if problem else ""
        )
        self.start.setEnabled(not problem)
        self.ask_estimate.setEnabled(not problem)
        self.copy.setEnabled(not problem)

    # -- layout

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        scale = self.fontMetrics().averageCharWidth() / 7  # larger text needs more room
        self._arrange(2 if self.width() >= TWO_COLUMNS * max(scale, 1.0) else 1)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self.data.follow_looks()
            self.testing.follow_looks()

    def _arrange(self, columns: int) -> None:
        """Data and test beside learning where there is room, else one below the other."""
        if columns == self._columns:
            return
        self._columns = columns
        for part in (self.data, self.learning, self.testing):
            for side in (self._left, self._right):
                side.removeWidget(part)
        parts = (
            [self.data, self.testing] if columns == 2 else [self.data, self.learning, self.testing]
        )
        for number, part in enumerate(parts):
            self._left.insertWidget(number, part)
        if columns == 2:
            self._right.insertWidget(0, self.learning)
        sides = self._parts.layout()
        assert isinstance(sides, QHBoxLayout)
        sides.setStretch(1, columns - 1)
        sides.setSpacing(12 if columns == 2 else 0)


# ---------------------------------------------------------------- what is learnt from


class DataPart(QGroupBox):
    """Title of the run, recordings and whose labels count."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__(self.tr("What to learn from"))
        self.classes: tuple[str, ...] = ()
        self._known_raters: tuple[str, ...] = ()
        self.title = QLineEdit()
        title_label = named(self.tr("&Title"), self.title, self.tr("What the run is called"))
        self.model = RecordingsModel(self)
        self.table = _RecordingsTable()
        self.table.setModel(self.model)
        table_label = named(
            self.tr("&Recordings"),
            self.table,
            self.tr("Space ticks the selected rows; what is not ticked is left out of the run"),
        )
        self.all = QPushButton(self.tr("All"))
        self.none = QPushButton(self.tr("None"))
        describe(self.all, self.tr("All recordings"), self.tr("Tick every recording"))
        describe(self.none, self.tr("No recordings"), self.tr("Tick no recording"))
        self.summary = Paragraph()
        self.summary.setAccessibleName(self.tr("Recordings in short"))
        self.rater_list = TickList("", "")
        rater_label = named(
            self.tr("La&bels of, the first who labelled a recording counts"),
            self.rater_list,
            self.tr("Space ticks; the order says whose labels are preferred"),
        )
        self.up = QPushButton(self.tr("Up"))
        self.down = QPushButton(self.tr("Down"))
        describe(self.up, self.tr("Up"), self.tr("Prefer the labels of the chosen rater more"))
        describe(self.down, self.tr("Down"), self.tr("Prefer the labels of the chosen rater less"))
        self.class_names = Paragraph()
        self.class_names.setAccessibleName(self.tr("Classes"))
        for button in (self.all, self.none, self.up, self.down):
            button.setAutoDefault(False)
        self.all.clicked.connect(self._tick_all)
        self.none.clicked.connect(self._tick_none)
        self.up.clicked.connect(self._up)
        self.down.clicked.connect(self._down)
        self.model.ticked_changed.connect(self._on_changed)
        self.rater_list.changed.connect(self._on_raters)

        top = QHBoxLayout()
        top.addWidget(title_label)
        top.addWidget(self.title, 1)
        heads = QHBoxLayout()
        heads.addWidget(table_label)
        heads.addStretch(1)
        heads.addWidget(self.all)
        heads.addWidget(self.none)
        top_side = Qt.AlignmentFlag.AlignTop
        who = QHBoxLayout()
        who.addWidget(self.rater_list, 1, top_side)
        who.addWidget(self.up, 0, top_side)
        who.addWidget(self.down, 0, top_side)
        column = QVBoxLayout(self)
        column.addLayout(top)
        column.addLayout(heads)
        column.addWidget(self.table)
        column.addWidget(self.summary)
        column.addWidget(rater_label)
        column.addLayout(who)
        column.addWidget(self.class_names)
        _set_rows(self.rater_list, _RATER_ROWS)

    @property
    def recordings(self) -> tuple[str, ...]:
        """Names of the ticked recordings, in order."""
        return tuple(recording.name for recording in self.model.ticked)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Subjects of the ticked recordings, sorted."""
        return tuple(sorted({recording.subject for recording in self.model.ticked}))

    @property
    def raters(self) -> tuple[str, ...]:
        """The ticked raters, the preferred one first."""
        return self.rater_list.ticked

    @property
    def has_labels(self) -> bool:
        """Whether any ticked recording has labels of a ticked rater."""
        return any(self.model.labelled_share(recording) > 0 for recording in self.model.ticked)

    def set_study(
        self, recordings: Sequence[TrainRecording], raters: Sequence[str], classes: Sequence[str]
    ) -> None:
        """Show recordings and raters; ticks and the order of raters stay by name."""
        self.classes = tuple(classes)
        self.class_names.say(
            self.tr("Classes: {names}").format(names=", ".join(classes))
            if classes
            else self.tr("The study has no classes yet.")
        )
        if tuple(raters) != self._known_raters:
            before = [self.rater_list.item(row).text() for row in range(self.rater_list.count())]
            ticked = self.rater_list.ticked
            kept = [name for name in before if name in raters]
            new = [name for name in raters if name not in before]
            self._known_raters = tuple(raters)
            self.rater_list.fill([*kept, *new], [*ticked, *new])
        self.model.set_recordings(recordings)
        self.model.set_raters(self.raters)
        self.table.fit()
        self._show()

    def follow_looks(self) -> None:
        """Take over the program's colours and text size, when they have changed."""
        _style_anew(self.table, self.rater_list)
        self.table.fit()
        _set_rows(self.rater_list, _RATER_ROWS)

    def _on_raters(self) -> None:
        self.model.set_raters(self.raters)
        self._on_changed()

    def _on_changed(self) -> None:
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        ticked = self.model.ticked
        self.summary.say(
            self.tr("{n} of {all} recordings, subjects: {subjects}, {length} in all").format(
                n=len(ticked),
                all=self.model.rowCount(),
                subjects=len(self.subjects),
                length=duration_text(sum(recording.duration_s for recording in ticked)),
            )
            if self.model.rowCount()
            else self.tr("The study has no recordings yet.")
        )
        several = self.rater_list.count() > 1
        self.up.setEnabled(several)
        self.down.setEnabled(several)

    def _tick_all(self) -> None:
        self.model.tick_all(True)

    def _tick_none(self) -> None:
        self.model.tick_all(False)

    def _up(self) -> None:
        self.rater_list.move_current(-1)

    def _down(self) -> None:
        self.rater_list.move_current(1)


class RecordingsModel(QAbstractTableModel):
    """Recordings with a tick each, and how much of each is labelled by those who count."""

    ticked_changed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._recordings: tuple[TrainRecording, ...] = ()
        self._left_out: set[str] = set()
        self._raters: tuple[str, ...] = ()

    @property
    def ticked(self) -> tuple[TrainRecording, ...]:
        return tuple(entry for entry in self._recordings if entry.name not in self._left_out)

    def set_recordings(self, recordings: Sequence[TrainRecording]) -> None:
        """Show recordings; those that were unticked stay so."""
        if tuple(recordings) == self._recordings:
            return
        self.beginResetModel()
        self._recordings = tuple(recordings)
        self._left_out &= {recording.name for recording in recordings}
        self.endResetModel()

    def set_raters(self, raters: Sequence[str]) -> None:
        """Whose labels count, the preferred one first."""
        self._raters = tuple(raters)
        if self._recordings:
            self.dataChanged.emit(
                self.index(0, LABELLED), self.index(len(self._recordings) - 1, LABELLED)
            )

    def labelled_share(self, recording: TrainRecording) -> float:
        """Share labelled by the first rater who labelled anything of it."""
        shares = (recording.labelled.get(rater, 0.0) for rater in self._raters)
        return next((share for share in shares if share > 0), 0.0)

    def tick_all(self, ticked: bool) -> None:
        """Tick every recording, or none."""
        self.tick(range(len(self._recordings)), ticked)

    def tick(self, rows: Sequence[int], ticked: bool) -> None:
        """Tick recordings, or take their ticks away."""
        names = {self._recordings[row].name for row in rows}
        before = set(self._left_out)
        self._left_out = self._left_out - names if ticked else self._left_out | names
        if self._left_out != before:
            last = self.index(len(self._recordings) - 1, LABELLED)
            self.dataChanged.emit(self.index(0, NAME), last)
            self.ticked_changed.emit()

    def is_ticked(self, row: int) -> bool:
        return self._recordings[row].name not in self._left_out

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._recordings)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else LABELLED + 1

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return (
                self.tr("Recording"),
                self.tr("Subject"),
                self.tr("Length"),
                self.tr("Labelled"),
            )[section]
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsUserCheckable if index.column() == NAME else flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        entry, column = self._recordings[index.row()], index.column()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return self._text(entry, column)
        if role == Qt.ItemDataRole.CheckStateRole and column == NAME:
            ticked = self.is_ticked(index.row())
            return Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.TextAlignmentRole and column in (LENGTH, LABELLED):
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ForegroundRole and not self.is_ticked(index.row()):
            parent = self.parent()
            assert isinstance(parent, QWidget)
            return QBrush(parent.palette().color(QPalette.ColorRole.PlaceholderText))
        return None

    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        if role != Qt.ItemDataRole.CheckStateRole or index.column() != NAME:
            return False
        self.tick([index.row()], Qt.CheckState(value) == Qt.CheckState.Checked)
        return True

    def _text(self, entry: TrainRecording, column: int) -> str:
        if column == LABELLED:
            share = self.labelled_share(entry)
            return percent_text(share) if share else "–"
        return (entry.name, entry.subject, duration_text(entry.duration_s))[column]


class _RecordingsTable(QTableView):
    """Rows with ticks; Space ticks all that are selected, Tab leaves the table."""

    def __init__(self) -> None:
        super().__init__()
        self.setStyleSheet(SEEN_BOXES)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setAlternatingRowColors(True)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.verticalHeader().setVisible(False)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)

    def fit(self) -> None:
        """Columns as wide as they need to be, names take what is left; room for a few rows."""
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 6)
        header = self.horizontalHeader()
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        metrics = self.fontMetrics()
        for column, text in ((LENGTH, "888 h 88 min"), (LABELLED, "Labelled")):
            self.setColumnWidth(column, metrics.horizontalAdvance(text) + 16)
        self.setColumnWidth(SUBJECT, metrics.horizontalAdvance("subject_0000") + 16)
        around = header.sizeHint().height() + 2 * self.frameWidth()
        row, rows = self.verticalHeader().defaultSectionSize(), self.model().rowCount()
        self.setFixedHeight(around + min(max(rows, 2), MOST_ROWS) * row)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        model = self.model()
        rows = [index.row() for index in self.selectionModel().selectedRows()]
        if event.key() == Qt.Key.Key_Space and rows and isinstance(model, RecordingsModel):
            model.tick(rows, not model.is_ticked(self.currentIndex().row()))
            return
        super().keyPressEvent(event)


# ---------------------------------------------------------------- how it is learnt


class LearningPart(QGroupBox):
    """What is done, from where, with which preset, masks, length and device."""

    changed = Signal()
    """Another pretraining is to be taken over; the rest is told by the draft."""

    _LATER = ("finetune", "evaluate", "predict", "robustness")
    _GOALS = {  # noqa: RUF012 - a table
        "pretrain": (),
        "evaluate": _LATER,
        "fit": ("finetune", "predict", "robustness"),
    }

    def __init__(self, draft: SettingsDraft) -> None:
        super().__init__(self.tr("How to learn"))
        self._draft = draft
        self._pretrained: tuple[tuple[str, str], ...] = ()
        self._reusable: tuple[tuple[str, str], ...] = ()
        self._modalities: tuple[str, ...] | None = None
        self._devices: tuple[str, ...] = ("auto", "cpu")
        self._reuse = ""
        self._grid = QGridLayout(self)
        self._grid.setColumnStretch(1, 1)
        self._make_start()
        self._make_masking()
        self._make_length()

    def _add(self, widget: QWidget, title: str = "", tip: str = "") -> None:
        """A further row, with a title that has a key to it, or below the row before."""
        row = self._grid.rowCount()
        if title:
            self._grid.addWidget(named(title, widget, tip), row, 0)
        self._grid.addWidget(widget, row, 1)

    def _make_start(self) -> None:
        self.goal = _combo()
        for name, text in (
            ("pretrain", self.tr("Pretrain only")),
            ("evaluate", self.tr("Pretrain, fine-tune and evaluate by subject")),
            ("fit", self.tr("Fine-tune without evaluation (one person)")),
        ):
            self.goal.addItem(text, name)
        self._add(self.goal, self.tr("What to &do"), self.tr("Which steps are taken"))
        self.start = _combo()
        self._add(self.start, self.tr("Start fro&m"), self.tr("Where pretraining comes from"))
        self.which = _combo()
        describe(self.which, self.tr("Which run or model"), self.tr("The run or model it is"))
        self._add(self.which)
        self.preset = _combo()
        for name in preset_names():
            self.preset.addItem(name, name)
        self._add(
            self.preset,
            self.tr("&Preset"),
            self.tr("Settings that stand where nothing else is said"),
        )
        self.preset_says = Paragraph()
        self.preset_says.setAccessibleName(self.tr("What the preset is for"))
        self._add(self.preset_says)
        self.goal.activated.connect(self._on_goal)
        self.start.activated.connect(self._on_start)
        self.which.activated.connect(self._on_which)
        self.preset.activated.connect(self._on_preset)

    def _make_masking(self) -> None:
        self.masking = _combo()
        for name, text in (
            ("both", self.tr("Complementary, and whole modalities")),
            ("complementary", self.tr("Complementary views")),
            ("spatial", self.tr("Whole modalities")),
            ("random", self.tr("Single numbers")),
            ("temporal", self.tr("Stretches of time")),
        ):
            self.masking.addItem(text, name)
        self._add(
            self.masking,
            self.tr("Mas&king"),
            self.tr("What the two views of a window are not shown in pretraining"),
        )
        self.keep = QSpinBox()
        self.keep.setRange(1, 100)
        self.keep.setSuffix(self.tr(" % kept"))
        self.keep.setMinimumWidth(self.keep.sizeHint().width())
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(5, 95)
        self.slider.setSingleStep(5)
        self.slider.setPageStep(10)
        self.slider.setMinimumWidth(80)
        tip = self.tr("Share that a view keeps; less is harder, and often better")
        describe(self.keep, self.tr("Kept share"), tip)
        describe(self.slider, self.tr("Kept share, slider"), tip)
        row = QHBoxLayout()
        row.addWidget(self.slider, 1)
        row.addWidget(self.keep)
        self._grid.addLayout(row, self._grid.rowCount(), 1)
        self.picture = MaskPicture()
        self._grid.addWidget(self.picture, self._grid.rowCount(), 0, 1, 2)
        self.masking.activated.connect(self._on_masking)
        self.keep.valueChanged.connect(self._on_keep)
        self.slider.valueChanged.connect(self._on_slider)

    def _make_length(self) -> None:
        self.epochs = make_editor(self._draft.setting("pretrain.epochs"))
        assert isinstance(self.epochs, NumberEditor)
        label = named(
            self.tr("Epochs"), self.epochs.box, self.tr("How often pretraining sees every window")
        )
        row = self._grid.rowCount()
        self._grid.addWidget(label, row, 0)
        self._grid.addWidget(self.epochs, row, 1)
        self.device = _combo()
        self._add(self.device, self.tr("Dev&ice"), self.tr("The processor that trains"))
        self.device_says = Paragraph()
        self.device_says.setAccessibleName(self.tr("Why this device is used"))
        self._add(self.device_says)
        self.epochs.said.connect(self._on_epochs)
        self.device.activated.connect(self._on_device)

    # -- values

    @property
    def reuse(self) -> str:
        """Name of the run whose pretraining is taken over; empty where none is."""
        return self._reuse if self._starts_anew() else ""

    def set_starts(
        self, pretrained: Sequence[tuple[str, str]], reusable: Sequence[tuple[str, str]]
    ) -> None:
        """Models to start from, as (title, folder), and runs to take over, as (title, name)."""
        self._pretrained, self._reusable = tuple(pretrained), tuple(reusable)
        if self._reuse not in [name for _, name in reusable]:
            self._reuse = ""

    def set_modalities(self, names: Sequence[str] | None) -> None:
        self._modalities = tuple(names) if names is not None else None
        self._show_picture()

    def set_device(self, reason: str, choices: Sequence[str]) -> None:
        self._devices = tuple(choices)
        self.device_says.say(reason)
        self._show_device()

    # -- showing the draft

    def show_draft(self) -> None:
        """Show what counts now."""
        goal = self._goal()
        _show_choice(self.goal, goal, self.tr("As set under Advanced"))
        self._show_start(goal)
        preset = self._draft.value(PRESET)
        _show_choice(self.preset, preset, str(preset))
        self.preset_says.say(self._about_preset(preset))
        self._show_masking()
        if self._draft.is_readable("pretrain.epochs"):
            self.epochs.show_value(self._draft.value("pretrain.epochs"))
        pretrains = self._starts_anew()
        for widget in (self.epochs, self.masking):
            widget.setEnabled(pretrains)
        self.picture.setVisible(pretrains)
        self._show_device()

    def _goal(self) -> str:
        steps = set(self._draft.value("steps"))
        later = steps - {"pretrain"}
        return next((name for name, these in self._GOALS.items() if set(these) == later), "")

    def _starts_anew(self) -> bool:
        return "pretrain" in self._draft.value("steps")

    def _show_start(self, goal: str) -> None:
        path = self._draft.value("finetune.from")
        mode = "model" if path else "reuse" if self._reuse else "anew"
        with QSignalBlocker(self.start):
            self.start.clear()
            self.start.addItem(self.tr("Pretraining anew"), "anew")
            for name, some, text in (
                ("reuse", self._reusable, self.tr("Pretraining of an earlier run where it fits")),
                ("model", self._pretrained or path, self.tr("A pretrained model")),
            ):
                self.start.addItem(text, name)
                able = bool(some) and not (name == "model" and goal == "pretrain")
                _enable_item(self.start, self.start.count() - 1, able)
            choose(self.start, mode)
        entries = {"reuse": self._reusable, "model": self._pretrained}.get(mode, ())
        with QSignalBlocker(self.which):
            self.which.clear()
            for title, key in entries:
                self.which.addItem(title, key)
            if mode == "model":
                _show_choice(self.which, path, str(path))
            elif mode == "reuse":
                choose(self.which, self._reuse)
        self.which.setVisible(mode != "anew")

    def _about_preset(self, preset: object) -> str:
        return {
            "recommended": self.tr(
                "Several lengths of kernels, strong masks, 60 epochs: what did best on our "
                "examples."
            ),
            "fast": self.tr(
                "Smaller encoders and 40 epochs: for a first look, and for computers without a GPU."
            ),
            "reference": self.tr(
                "As the authors of CroSSL released it, to compare with. Its loss may collapse, "
                "which is told while it trains."
            ),
        }.get(str(preset), "")

    def _show_masking(self) -> None:
        masks = self._draft.value("pretrain.masking")
        way, keep = way_of(masks)
        _show_choice(self.masking, way, self.tr("As set under Advanced"))
        able = keep is not None and self._starts_anew()
        for widget in (self.keep, self.slider):
            widget.setEnabled(able)
            with QSignalBlocker(widget):
                if keep is not None and widget.value() != round(100 * keep):
                    widget.setValue(round(100 * keep))
        self._show_picture()

    def _show_picture(self) -> None:
        if not self._draft.is_readable("pretrain.masking"):
            return
        self.picture.show_masks(
            self._draft.value("pretrain.masking"),
            self._names(),
            strict=self._draft.value("pretrain.strict_masks"),
            mixture=self._draft.value("pretrain.mixture"),
        )

    def _names(self) -> tuple[str, ...]:
        """Modalities to draw masks of; where they are not known, some that stand for them."""
        choice = self._draft.document().get("modalities", "auto")
        names: tuple[str, ...] | None
        if isinstance(choice, str):
            try:
                names = modality_names(choice)
            except ConfigError:
                names = None  # the draft's problem says so
        else:
            names = tuple(str(entry.get("name")) for entry in choice)
        names = names or self._modalities
        if names:
            return names
        return tuple(self.tr("modality {n}").format(n=k + 1) for k in range(_STAND_IN_MODALITIES))

    def _show_device(self) -> None:
        device = self._draft.value("device")
        texts = {
            "auto": self.tr("Automatic: a GPU where there is one"),
            "cpu": self.tr("CPU"),
            "cuda": self.tr("NVIDIA GPU (CUDA)"),
            "mps": self.tr("Apple GPU (MPS)"),
        }
        with QSignalBlocker(self.device):
            self.device.clear()
            for name in dict.fromkeys((*self._devices, device)):
                self.device.addItem(texts.get(name, name), name)
            choose(self.device, device)

    # -- what the user chooses

    def _on_goal(self) -> None:
        goal = self.goal.currentData()
        if not goal:
            return
        start = None if goal == "pretrain" else self._draft.value("finetune.from")
        self._set_steps(goal, start)

    def _set_steps(self, goal: str, start: str | None) -> None:
        first = () if start else ("pretrain",)
        self._draft.set_values({"steps": [*first, *self._GOALS[goal]], "finetune.from": start})

    def _on_start(self) -> None:
        mode = self.start.currentData()
        self._reuse = self._reusable[0][1] if mode == "reuse" else ""
        start = None
        if mode == "model":
            start = self._draft.value("finetune.from") or self._pretrained[0][1]
        self._take_start(start)

    def _on_which(self) -> None:
        key = self.which.currentData()
        if self.start.currentData() == "reuse":
            self._reuse = key
            self._take_start(None)
        else:
            self._take_start(key)

    def _take_start(self, start: str | None) -> None:
        goal = self._goal()
        before = self._draft.document()
        if goal:
            self._set_steps(goal, start)
        else:  # steps of the user's own: pretraining comes and goes, the others stay
            steps = [step for step in self._draft.value("steps") if step != "pretrain"]
            first = [] if start else ["pretrain"]
            self._draft.set_values({"steps": [*first, *steps], "finetune.from": start})
        if self._draft.document() == before:  # then the draft has told nothing
            self.show_draft()
            self.changed.emit()

    def _on_preset(self) -> None:
        self._draft.set_value(PRESET, self.preset.currentData())

    def _on_masking(self) -> None:
        way = self.masking.currentData()
        if not way:
            return
        self._set_masks(way, self.keep.value() / 100)

    def _set_masks(self, way: str, keep: float) -> None:
        usual = self._draft.setting("pretrain.mixture").default
        self._draft.set_values(
            {
                "pretrain.masking": masks_of(way, keep),
                "pretrain.mixture": "all" if way == "both" else usual,
            }
        )

    def _on_keep(self, percent: int) -> None:
        way, _ = way_of(self._draft.value("pretrain.masking"))
        if way:
            self._draft.set_value("pretrain.masking", masks_of(way, percent / 100))

    def _on_slider(self, percent: int) -> None:
        self._on_keep(percent)

    def _on_epochs(self, epochs: object) -> None:
        self._draft.set_value("pretrain.epochs", epochs)

    def _on_device(self) -> None:
        self._draft.set_value("device", self.device.currentData())


def way_of(masks: Sequence[Mapping[str, Any]]) -> tuple[str, float | None]:
    """The quick choice that masks are, and the share kept where it has one; '' for none."""
    full = full_masks(masks)
    strategies = tuple(mask["strategy"] for mask in full)
    if len(full) == 1:
        strategy = strategies[0]
        return strategy, None if strategy == "complementary" else full[0]["keep"]
    if strategies == ("complementary", "spatial") and full[0]["weight"] == full[1]["weight"]:
        return "both", full[1]["keep"]
    return "", None


def masks_of(way: str, keep: float) -> list[dict[str, Any]]:
    """The masks of a quick choice, as `pretrain.masking` holds them."""
    if way == "both":
        return [{"strategy": "complementary"}, {"strategy": "spatial", "keep": keep}]
    return [{"strategy": way} if way == "complementary" else {"strategy": way, "keep": keep}]


# ---------------------------------------------------------------- how it is tested


class TestingPart(QGroupBox):
    """Folds, locked subjects, label budgets, and what the model is compared with."""

    __test__ = False  # no test of pytest's

    def __init__(self, draft: SettingsDraft) -> None:
        super().__init__(self.tr("How to test"))
        self._draft = draft
        self._subjects: tuple[str, ...] = ()
        self.folds = make_editor(draft.setting("evaluate.folds"))
        assert isinstance(self.folds, NumberEditor)
        folds_label = named(
            self.tr("&Number of folds"),
            self.folds.box,
            self.tr("Groups of subjects; each is tested by a model that has never seen it"),
        )
        self.budgets = QLineEdit()
        budgets_label = named(
            self.tr("Label b&udgets, %"),
            self.budgets,
            self.tr("Shares of the training labels in percent, with commas; all labels are "
                    "always measured"),
        )  # fmt: skip
        self.locked = TickList("", "")
        locked_label = named(
            self.tr("Locked test sub&jects"),
            self.locked,
            self.tr("Space ticks; locked subjects are never learnt from, and are the only ones "
                    "that are tested"),
        )  # fmt: skip
        self.opponents = TickList("", "")
        opponents_label = named(
            self.tr("Compared &with"),
            self.opponents,
            self.tr("Space ticks; each is trained on the same folds and labels"),
        )
        self._keys = self._opponent_titles()
        self.says = Paragraph()
        self.says.setAccessibleName(self.tr("What is tested"))
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(folds_label, self.folds)
        form.addRow(budgets_label, self.budgets)
        lists = QGridLayout()
        lists.addWidget(locked_label, 0, 0)
        lists.addWidget(opponents_label, 0, 1)
        lists.addWidget(self.locked, 1, 0)
        lists.addWidget(self.opponents, 1, 1)
        lists.setColumnStretch(0, 2)
        lists.setColumnStretch(1, 3)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addLayout(lists)
        column.addWidget(self.says)
        for box in (self.locked, self.opponents):
            _set_rows(box, _LIST_ROWS)
            box.setMinimumWidth(100)
        self.folds.said.connect(self._on_folds)
        self.budgets.textEdited.connect(self._on_budgets)
        self.locked.changed.connect(self._on_locked)
        self.opponents.changed.connect(self._on_opponents)

    def _opponent_titles(self) -> dict[str, str]:
        """Titles by key, in the order of the settings."""
        titles = {
            "majority": self.tr("Shares of the classes"),
            "random_forest": self.tr("Random forest on features"),
            "logistic_regression": self.tr("Logistic regression on features"),
            "gradient_boosting": self.tr("Boosted trees on features"),
            "supervised": self.tr("Same network, labels only"),
            "supervised_dropout": self.tr("Labels only, with dropped modalities"),
            "random_encoders": self.tr("Random encoders"),
            "reference": self.tr("CroSSL as released"),
        }
        choices = self._draft.setting("evaluate.opponents").choices
        return {key: titles.get(key, key) for key in choices}

    def set_subjects(self, subjects: Sequence[str]) -> None:
        """The subjects that could be locked."""
        if tuple(subjects) != self._subjects:
            self._subjects = tuple(subjects)
            self._show_locked()

    def follow_looks(self) -> None:
        """Take over the program's colours and text size, when they have changed."""
        _style_anew(self.locked, self.opponents)
        for box in (self.locked, self.opponents):
            _set_rows(box, _LIST_ROWS)

    def show_draft(self) -> None:
        """Show what counts now."""
        evaluates = "evaluate" in self._draft.value("steps")
        for widget in (self.folds, self.budgets, self.opponents):
            widget.setEnabled(evaluates)
        if self._draft.is_readable("evaluate.folds"):
            self.folds.show_value(self._draft.value("evaluate.folds"))
        if self._draft.is_readable("evaluate.budgets"):
            self._show_budgets()
        self._show_locked()
        chosen = self._draft.value("evaluate.opponents")
        titles = [self._keys[key] for key in chosen if key in self._keys]
        _fill(self.opponents, tuple(self._keys.values()), titles)
        self.says.say(self._say(evaluates))

    def _say(self, evaluates: bool) -> str:
        if not evaluates:
            return self.tr("With what is to be done, nothing is tested.")
        if self._draft.value("evaluate.test_subjects"):
            return self.tr("Only the locked subjects are tested; the folds are not used.")
        return self.tr("Every labelled subject is tested once, by a model that never saw it.")

    def _show_budgets(self) -> None:
        shares = self._draft.value("evaluate.budgets")
        try:
            if parse_budgets(self.budgets.text()) == shares:
                return  # as it was typed
        except ValueError:
            pass  # what is shown gives way to the value
        self.budgets.setText(", ".join(number_text(100 * share) for share in shares))

    def _show_locked(self) -> None:
        locked = [str(name) for name in self._draft.value("evaluate.test_subjects")]
        # One that is not there any more is shown, so that it can be taken out.
        names = (*self._subjects, *(name for name in locked if name not in self._subjects))
        _fill(self.locked, names, locked)

    def _on_folds(self, folds: object) -> None:
        self._draft.set_value("evaluate.folds", folds)

    def _on_budgets(self, text: str) -> None:
        try:
            shares = parse_budgets(text)
        except ValueError as error:
            self._draft.refuse("evaluate.budgets", str(error))
        else:
            self._draft.set_value("evaluate.budgets", shares)

    def _on_locked(self) -> None:
        if set(self.locked.ticked) != set(self._draft.value("evaluate.test_subjects")):
            self._draft.set_value("evaluate.test_subjects", list(self.locked.ticked))

    def _on_opponents(self) -> None:
        keys = {title: key for key, title in self._keys.items()}
        chosen = {keys[title] for title in self.opponents.ticked}
        if chosen != set(self._draft.value("evaluate.opponents")):
            self._draft.set_value("evaluate.opponents", [k for k in self._keys if k in chosen])


def parse_budgets(text: str) -> list[float]:
    """Shares from percents that were typed: `1, 5, 10, 100`. ValueError in words."""
    translate = QCoreApplication.translate
    shares = []
    for part in re.split(r"[;,%\s]+", text.strip(" ;,%")):
        if not part:
            continue
        try:
            percent = float(part)
        except ValueError:
            raise ValueError(
                translate("TestingPart", "Label budgets: '{text}' is no number.").format(text=part)
            ) from None
        if not 0 < percent <= 100:
            raise ValueError(
                translate(
                    "TestingPart", "Label budgets: {text} % is not above 0 and at most 100."
                ).format(text=part)
            )
        shares.append(round(percent / 100, 10))
    return shares


# ---------------------------------------------------------------- small parts


class _Parts(QWidget):
    """What a scroll area shows at the height that its texts need at the width that there is."""

    def minimumSizeHint(self) -> QSize:
        # The usual one takes texts to be as narrow, and so as tall, as they can be.
        return QSize(super().minimumSizeHint().width(), 0)


def _combo() -> QComboBox:
    """A combo box that gives way where there is little room."""
    box = QComboBox()
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(12)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return box


def _show_choice(box: QComboBox, value: object, otherwise: str) -> None:
    """Choose an entry; for a value that is not among them there is one more, as long as needed."""
    with QSignalBlocker(box):
        extra = box.findData(True, Qt.ItemDataRole.UserRole + 1)
        if extra >= 0:
            box.removeItem(extra)
        if box.findData(value) < 0:
            box.addItem(otherwise, value)
            box.setItemData(box.count() - 1, True, Qt.ItemDataRole.UserRole + 1)
        box.setCurrentIndex(box.findData(value))


def _enable_item(box: QComboBox, place: int, able: bool) -> None:
    """Let an entry of a combo box be chosen or not."""
    flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
    box.setItemData(place, int(flags.value) if able else 0, Qt.ItemDataRole.UserRole - 1)


def _fill(box: TickList, names: Sequence[str], ticked: Sequence[str]) -> None:
    """Show names with ticks, saying nothing, and leave alone what stands there already."""
    shown = tuple(box.item(row).text() for row in range(box.count()))
    if shown == tuple(names) and set(box.ticked) == set(ticked):
        return
    row = box.currentRow()
    with QSignalBlocker(box):
        box.fill(names, ticked)
        if 0 <= row < box.count():
            box.setCurrentRow(row)


def _style_anew(*views: QAbstractItemView) -> None:
    """A view with a style sheet keeps the colours and the font that it was made with."""
    for view in views:
        view.setStyleSheet("")
        view.setPalette(QPalette())
        view.setFont(QFont())
        view.setStyleSheet(SEEN_BOXES)


def _set_rows(view: QAbstractItemView, rows: int) -> None:
    """Give a list the height of some rows."""
    view.setFixedHeight(rows * (view.fontMetrics().height() + 3) + 8)
