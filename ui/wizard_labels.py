"""Page of the new-study window on which labels that exist already are brought in."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFormLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.config import LabelsConfig
from core.errors import ConfigError
from core.guess_labels import offered_fields
from core.label_mapping import load_mapping, mapping_about, mapping_names
from core.study_plan import make_labels
from ui.wizard_draft import StudyDraft
from ui.wizard_label_source import LabelSourceEditor
from ui.wizard_page import FreeCombo, ScrollPart, WizardPage, Words, choose, describe, put

NONE = "none"
OWN = "own"
AS_WRITTEN = "as_written"
FROM_STATES = ("aasm_from_", "wake_nrem_rem_")
"""Mapping presets that lead to classes; the others write other programs' names."""


class LabelsPage(WizardPage):
    """Where labels are, whose they are, and what each text becomes."""

    def __init__(self, draft: StudyDraft) -> None:
        super().__init__(
            draft,
            self.tr("Labels you have"),
            self.tr(
                "Labels that exist already can be brought in; files stay as they are. Without any, "
                "the study begins unlabelled."
            ),
        )
        self.kind = QComboBox()
        for kind, text in (
            (NONE, self.tr("none")),
            ("annotations", self.tr("annotations of EDF or BDF files")),
            ("column", self.tr("a column or signal with a label on every sample")),
            ("table", self.tr("a table of labels by time")),
            ("file", self.tr("a file of labels for each recording")),
            ("epochs", self.tr("a list with one value per epoch")),
            ("field", self.tr("the file name: one label for a whole recording")),
        ):
            self.kind.addItem(text, kind)
        self.editor = LabelSourceEditor()
        self.says = Words()
        self.rater = QLineEdit()
        self.mapping = QComboBox()
        self.mapping.addItem(self.tr("as they are written"), AS_WRITTEN)
        for name in mapping_names():
            if name.startswith(FROM_STATES):
                self.mapping.addItem(self.tr("preset {name}").format(name=name), name)
                place = self.mapping.count() - 1
                self.mapping.setItemData(place, mapping_about(name), Qt.ItemDataRole.ToolTipRole)
        self.mapping.addItem(self.tr("own table"), OWN)
        self.table = QTableWidget(0, 4)
        self.table.setHorizontalHeaderLabels(
            [self.tr("Text"), self.tr("Count"), self.tr("Time"), self.tr("Becomes")]
        )
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setTabKeyNavigation(False)
        self.table.setWordWrap(False)
        self.table.verticalHeader().setVisible(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        for column, width in enumerate((130, 60, 70)):
            self.table.setColumnWidth(column, width)
        describe(
            self.table,
            self.tr("Mapping"),
            self.tr("Every text that was met and the class it becomes; choose or type a class"),
        )
        self.table.cellActivated.connect(self._on_row)
        self.counted = Words()
        self._texts: tuple[str, ...] = ()
        self._boxes: list[FreeCombo] = []
        self._lay_out()

        self.kind.activated.connect(self._on_kind)
        self.editor.changed.connect(self._on_edited)
        self.rater.textEdited.connect(draft.set_rater)
        self.mapping.activated.connect(self._on_mapping)
        draft.labels_changed.connect(self.show_soon)
        draft.scheme_changed.connect(self.show_soon)
        draft.guessed.connect(self.show_soon)
        draft.busy_changed.connect(self.show_soon)
        self.show_draft()

    def _lay_out(self) -> None:
        label = QLabel(self.tr("Labels are &in"))
        label.setBuddy(self.kind)
        describe(self.kind, self.tr("Where labels are"),
                 self.tr("Where labels are that exist already (Alt+I)"))  # fmt: skip
        left = QWidget()
        upper = QVBoxLayout(left)
        upper.setContentsMargins(0, 0, 4, 0)
        upper.addWidget(label)
        upper.addWidget(self.kind)
        upper.addWidget(self.says)
        upper.addWidget(ScrollPart(self.editor), 1)
        self.right = QWidget()
        beside = QVBoxLayout(self.right)
        beside.setContentsMargins(4, 0, 0, 0)
        form = QFormLayout()
        for title, part, tip in (
            (self.tr("&Whose labels"), self.rater,
             self.tr("Name of the rater under whom they are kept (Alt+W)")),
            (self.tr("Texts are take&n"), self.mapping,
             self.tr("How texts become classes: a preset, or your own table below (Alt+N)")),
        ):  # fmt: skip
            name = QLabel(title)
            name.setBuddy(part)
            form.addRow(name, part)
            describe(part, title.replace("&", ""), tip)
        beside.addLayout(form)
        beside.addWidget(self.table, 1)
        beside.addWidget(self.counted)
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.addWidget(left)
        parts.addWidget(self.right)
        parts.setSizes([400, 430])
        parts.setChildrenCollapsible(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(parts, 1)

    def problem(self) -> str:
        return self.draft.why_no_labels()

    # -- changes

    def _on_kind(self) -> None:
        kind = str(self.kind.currentData())
        if kind == NONE:
            self.draft.set_labels(None)
            return
        guess = self.draft.guess
        guessed = guess.labels.labels if guess is not None else None
        if guessed is not None and guessed.kind == kind:
            self.draft.set_labels(guessed)
            return
        self.editor.set_kind(kind)
        self._on_edited()

    def _on_edited(self) -> None:
        labels = self.draft.labels
        kept: dict[str, Any] = {}
        if labels is not None:
            kept = {"mapping": labels.mapping, "classes": labels.classes}
        try:
            labels = make_labels({**kept, **self.editor.said()})
        except (ConfigError, ValueError) as error:
            self.draft.refuse_labels(_first(str(error)))
            return
        self.draft.set_labels(labels)

    def _on_mapping(self) -> None:
        labels = self.draft.labels
        chosen = self.mapping.currentData()
        if labels is None or chosen == OWN:
            return
        mapping = {} if chosen == AS_WRITTEN else load_mapping(str(chosen))
        classes = list(dict.fromkeys(name for name in mapping.values() if name))
        self._set(labels, mapping, classes)

    def _on_row(self, row: int) -> None:
        self._boxes[row].setFocus()
        self._boxes[row].showPopup()

    def _on_becomes(self) -> None:
        box = self.sender()
        labels = self.draft.labels
        if not isinstance(box, FreeCombo) or labels is None or self.is_filling:
            return
        text = self._texts[self._boxes.index(box)]
        said = box.currentText().strip()
        became = None if not said or said == box.itemText(0) else said
        counts = self.draft.shown_counts
        now = next((row for row in counts.rows if row.text == text), None) if counts else None
        if now is None or now.became == became:
            return
        classes = list(labels.classes)
        if became is not None and classes and became not in classes:
            classes.append(became)
        self._set(labels, {**labels.mapping, text: became}, classes)

    def _set(
        self, labels: LabelsConfig, mapping: dict[str, str | None], classes: list[str]
    ) -> None:
        self.draft.set_labels(labels.model_copy(update={"mapping": mapping, "classes": classes}))

    # -- showing

    def show_draft(self) -> None:
        draft = self.draft
        with self.filling():
            labels = draft.labels
            self._offer()
            if draft.labels_refusal:
                pass  # what was typed stays, to be put right
            elif labels is not None:
                choose(self.kind, labels.kind)
                self.editor.set_labels(labels)
            else:
                choose(self.kind, NONE)
            shown = self.kind.currentData() != NONE
            self.editor.setVisible(shown)
            self.right.setVisible(shown)
            put(self.rater, draft.rater)
            choose(self.mapping, self._mapping_name())
            self._show_table()
        self.says.say(draft.labels_reason)
        self._show_counted()
        enabled = bool(draft.opened.opened)
        self.kind.setEnabled(enabled)
        self.editor.setEnabled(enabled)
        self.problem_changed.emit()

    def _offer(self) -> None:
        draft = self.draft
        opened = draft.opened.opened
        found, recording = opened[0] if opened else (None, None)
        sources = [source.name for source in recording.sources] if recording is not None else []
        self.editor.offer(
            found,
            draft.root,
            draft.guess.columns if draft.guess is not None else (),
            sources if len(sources) > 1 else [],
            offered_fields(draft.preview.found),
        )
        self.editor.offer_table_columns(draft.table_columns)

    def _mapping_name(self) -> str:
        labels = self.draft.labels
        if labels is None or not labels.mapping:
            return AS_WRITTEN
        for name in mapping_names():
            if labels.mapping == load_mapping(name):
                return name if self.mapping.findData(name) >= 0 else OWN
        return OWN

    def _show_table(self) -> None:
        counts = self.draft.shown_counts
        rows = counts.rows if counts is not None else ()
        texts = tuple(row.text for row in rows)
        if texts != self._texts or len(self._boxes) != len(texts):
            self._texts = texts
            self._boxes = []
            self.table.setRowCount(0)
            self.table.setRowCount(len(rows))
            for number, row in enumerate(rows):
                cells = (row.text, str(row.count), duration_text(row.seconds))
                for column, cell in enumerate(cells):
                    item = QTableWidgetItem(cell)
                    item.setToolTip(cell)
                    if column:
                        item.setTextAlignment(
                            Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                        )
                    self.table.setItem(number, column, item)
                box = FreeCombo()
                describe(
                    box,
                    self.tr("What {text} becomes").format(text=row.text),
                    self.tr("Choose a class, or type the name of a new one"),
                )
                box.said.connect(self._on_becomes)
                self._boxes.append(box)
                self.table.setCellWidget(number, 3, box)
            self.table.resizeRowsToContents()
        scheme = self.draft.scheme
        classes = [entry.name for entry in scheme.classes] if scheme is not None else []
        entries = [self.tr("(unlabelled)"), *classes]
        for row, box in zip(rows, self._boxes, strict=True):
            if [box.itemText(k) for k in range(box.count())] != entries:
                box.clear()
                box.addItems(entries)
            if not box.is_typing:
                box.setCurrentText(row.became or entries[0])

    def _show_counted(self) -> None:
        draft = self.draft
        counts = draft.counts
        if draft.labels is None:
            self.counted.say("")
        elif draft.is_busy("count"):
            self.counted.say(self.tr("Reading labels of the first recordings…"))
        elif counts is None:
            self.counted.say("")
        else:
            total = len(draft.opened.found)
            text = self.tr("{n} of {m} recordings looked into have labels ({total} in all).")
            parts = [text.format(n=counts.labelled, m=counts.recordings, total=total)]
            parts += counts.notes[:3]
            if len(counts.notes) > 3:
                parts.append(self.tr("And {n} more notes.").format(n=len(counts.notes) - 3))
            self.counted.say(" ".join(parts))
            self.counted.setToolTip("\n".join(counts.notes))
        self.problem_changed.emit()


def duration_text(seconds: float) -> str:
    """How long something lasts, for people: `45 s`, `12 min`, `7.5 h`."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 7200:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.3g} h"


def _first(text: str) -> str:
    """An error of the run file's check, as a sentence."""
    return text[:1].upper() + text[1:]
