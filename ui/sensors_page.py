"""The page that says which sensors one can lose: the answer first, then what it stands on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from core.subset_figures import EVERYTHING, Scope, SubsetFigures, answer_sentence, path_sentence
from ui.class_damage_table import ClassDamageTable, HeatTable
from ui.corruption_panel import CorruptionPanel
from ui.dialog_parts import Paragraph
from ui.removal_path import RemovalPath
from ui.shapley_bars import ShapleyBars
from ui.subset_table import SubsetTable, percents
from ui.wizard_page import describe

TWO_COLUMNS_FROM = 70
"""Width of the page, in heights of its text, from which parts stand beside each other."""
ANSWER_SIZE = 1.35
"""Of the usual text."""


class SensorsPage(QWidget):
    """Shows figures of subsets of the modalities, and offers failures to try.

    `corruption` is the panel of failures; its signals are for whoever owns model and recording.
    """

    subset_chosen = Signal(tuple)
    """Numbers of the modalities to keep, rising: the switches follow."""
    scope_changed = Signal(object)
    """A `Scope`: whose windows are wanted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._figures: SubsetFigures | None = None
        self._columns = 0

        self.scope = QComboBox()
        self.scope.setMaxVisibleItems(20)
        self.scope.setMinimumContentsLength(18)
        describe(
            self.scope,
            self.tr("Recordings"),
            self.tr("Whose windows the figures stand on"),
        )
        self.scope.currentIndexChanged.connect(self._on_scope)
        self.busy = QLabel()
        says = QLabel(self.tr("Figures of"))
        says.setBuddy(self.scope)
        top = QHBoxLayout()
        top.addWidget(says)
        top.addWidget(self.scope)
        top.addWidget(self.busy, 1)

        self.answer = Paragraph()
        self.answer.setAccessibleName(self.tr("Which sensors can be lost"))
        self.basis = Paragraph()
        self.basis.setAccessibleName(self.tr("What the figures stand on"))

        self.table = SubsetTable()
        self.path = RemovalPath()
        self.shapley = ShapleyBars()
        self.damage = ClassDamageTable()
        self.absent = AbsenceTable()
        self.corruption = CorruptionPanel()
        self.table.subset_chosen.connect(self.subset_chosen)
        self.path.subset_chosen.connect(self.subset_chosen)
        self.table_says, self.path_says, self.damage_says, self.absent_says = (
            Paragraph() for _ in range(4)
        )
        self._parts = [
            _Part(self.tr("Every subset of the sensors"), self.table_says, self.table),
            _Part(self.tr("The path of least loss"), self.path_says, self.path),
            _Part(
                self.tr("What each class suffers"),
                self.damage_says,
                self.damage,
            ),
            _Part(
                self.tr("What each sensor adds"),
                Paragraph(self.tr("Mean Shapley share in the probability of the predicted class.")),
                self.shapley,
            ),
            _Part(self.tr("What is really missing"), self.absent_says, self.absent),
        ]
        self._failing = _Part(
            self.tr("What if a sensor fails instead of being off?"),
            Paragraph(
                self.tr(
                    "The shown recording is scored again by the final model, made worse before "
                    "anything else is done with it, beside the same sensor taken away."
                )
            ),
            self.corruption,
        )
        self._parts_area = QWidget()
        self._sides = QHBoxLayout(self._parts_area)
        self._sides.setContentsMargins(0, 0, 0, 0)
        self._left, self._right = QVBoxLayout(), QVBoxLayout()
        for side, stretch in ((self._left, 3), (self._right, 2)):
            side.setSpacing(18)
            side.addStretch(1)
            self._sides.addLayout(side, stretch)

        inside = _Inside()
        column = QVBoxLayout(inside)
        column.setContentsMargins(16, 12, 16, 16)
        column.setSpacing(10)
        column.addLayout(top)
        column.addWidget(self.answer)
        column.addWidget(self.basis)
        column.addSpacing(6)
        column.addWidget(self._parts_area)
        column.addWidget(self._failing)
        column.addStretch(1)
        self.area = QScrollArea()
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.area.setWidget(inside)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self.area)
        self.setAccessibleName(self.tr("Sensors"))
        self._take_font()
        self.set_scopes(())
        self.set_figures(None)
        self._lay_out()

    # -- what is shown

    def set_scopes(self, recordings: Sequence[tuple[str, str]]) -> None:
        """Offer these recordings, each with whose it is; the chosen one stays where it is still
        there."""
        before = self.chosen_scope
        people = [person for _, person in recordings]
        self.scope.blockSignals(True)
        self.scope.clear()
        self.scope.addItem(self.tr("all recordings"), EVERYTHING)
        if len(set(people)) < len(people):  # else a person is a recording
            for person in sorted(set(people)):
                text = self.tr("person {name}").format(name=person)
                self.scope.addItem(text, Scope("subject", person))
        for name, person in recordings:
            text = self.tr("recording {name}").format(name=name)
            if person != name:
                text = self.tr("recording {name} of {person}").format(name=name, person=person)
            self.scope.addItem(text, Scope("recording", name))
        place = next((k for k in range(self.scope.count()) if self.scope.itemData(k) == before), 0)
        self.scope.setCurrentIndex(place)
        self.scope.blockSignals(False)
        self.scope.setEnabled(bool(recordings))
        if self.chosen_scope != before:
            self.scope_changed.emit(self.chosen_scope)

    @property
    def chosen_scope(self) -> Scope:
        """Whose windows are wanted."""
        scope = self.scope.currentData()
        return scope if scope is not None else EVERYTHING

    def set_figures(
        self,
        figures: SubsetFigures | None,
        problem: str = "",
        colours: dict[str, str] | None = None,
    ) -> None:
        """Show figures; None: say why there are none. `colours` of the classes by name."""
        self._figures = figures
        self.busy.clear()
        self.table.set_figures(figures)
        self.path.set_figures(figures)
        self.shapley.set_figures(figures)
        self.damage.set_figures(figures, colours)
        self.absent.set_figures(figures)
        self._parts_area.setVisible(figures is not None)
        self._failing.setVisible(figures is not None)
        self.basis.say("")
        if figures is None:
            usual = self.tr("Train a model, or choose a run, to see which sensors can be lost.")
            self.answer.say(problem or usual)
            return
        self.answer.say(_unbroken(answer_sentence(figures)))
        self.basis.say(self._basis(figures))
        self.table_says.say(self._table_words(figures))
        self.path_says.say(_unbroken(path_sentence(figures)))
        self.damage_says.say(self.damage.sentence())
        self.absent_says.say(self._absent_words(figures))
        several = len(figures.modalities) > 1
        for part in self._parts[:3]:
            part.setVisible(several)
        self.corruption.set_modalities(figures.modalities)

    def set_kept(self, kept: Sequence[int]) -> None:
        """Show which subset is switched on; nothing is asked for."""
        self.table.set_chosen(kept)

    def set_busy(self, text: str) -> None:
        """Say that figures are being worked out; empty where they are not."""
        self.busy.setText(text)

    # -- words

    def _basis(self, figures: SubsetFigures) -> str:
        parts = []
        if figures.has_scores:
            parts.append(
                self.tr(
                    "Scores stand on {windows} labelled windows of {people} people whom the model "
                    "had not seen; agreement on all {all} windows."
                ).format(
                    windows=f"{figures.tested:,}",
                    people=figures.test_subjects,
                    all=f"{figures.windows - figures.empty:,}",
                )
                if figures.test_subjects > 1
                else self.tr(
                    "Scores stand on {windows} labelled windows of one person whom the model had "
                    "not seen, so that there are no intervals over people."
                ).format(windows=f"{figures.tested:,}")
            )
            if figures.seen:
                parts.append(
                    self.tr(
                        "{seen} labelled windows of people that it has seen are left out: they are "
                        "no test."
                    ).format(seen=f"{figures.seen:,}")
                )
        else:
            parts.append(
                self.tr(
                    "Agreement stands on all {all} windows; no labels are needed for it."
                ).format(all=f"{figures.windows - figures.empty:,}")
            )
        if figures.empty:
            parts.append(
                self.tr("In {empty} more windows no sensor was recorded.").format(
                    empty=f"{figures.empty:,}"
                )
            )
        return " ".join(parts)

    def _table_words(self, figures: SubsetFigures) -> str:
        text = self.tr(
            "One model, asked without the sensors that are a ring. A click on a row switches to it."
        )
        if figures.sampled:
            text += " " + self.tr(
                "Of {count} subsets that were tried, each sensor alone, each one left out, and the "
                "path are shown."
            ).format(count=figures.asked)
        elif len(figures.subsets) < figures.asked:
            text += " " + self.tr(
                "Of all {count} subsets, each sensor alone, each one left out, and the path are "
                "shown."
            ).format(count=figures.asked)
        return text

    def _absent_words(self, figures: SubsetFigures) -> str:
        total = figures.recording_windows.sum()
        overall = (figures.absent * figures.recording_windows[:, None]).sum(axis=0) / max(total, 1)
        if not overall.any():
            return self.tr("Every sensor was recorded in every window.")
        worst = int(np.argmax(overall))
        return self.tr(
            "Share of the windows in which a sensor is absent, flat or disconnected; overall most "
            "of {sensor}: {share}."
        ).format(sensor=figures.modalities[worst], share=percents(float(overall[worst])))

    # -- layout

    def _on_scope(self) -> None:
        self.scope_changed.emit(self.chosen_scope)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._lay_out()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange and hasattr(self, "_sides"):
            self._take_font()
            self._lay_out()

    def _take_font(self) -> None:
        font = self.font()
        size = font.pointSizeF()
        if size > 0:
            font.setPointSizeF(ANSWER_SIZE * size)
        else:
            font.setPixelSize(round(ANSWER_SIZE * font.pixelSize()))
        self.answer.setFont(font)

    def _lay_out(self) -> None:
        """Parts beside each other where the page is wide, else below each other."""
        wide = self.width() >= TWO_COLUMNS_FROM * self.fontMetrics().height()
        columns = 2 if wide else 1
        if columns == self._columns:
            return
        self._columns = columns
        for part in self._parts:
            self._left.removeWidget(part)
            self._right.removeWidget(part)
        table, path, damage, shapley, absent = self._parts
        left, right = (table, damage), (path, shapley, absent)
        if not wide:
            left, right = (table, path, damage, shapley, absent), ()
        for side, parts in ((self._left, left), (self._right, right)):
            for place, part in enumerate(parts):
                side.insertWidget(place, part)
        self._sides.setStretch(1, 2 if wide else 0)
        self._sides.setSpacing(24 if wide else 0)


def _unbroken(text: str) -> str:
    """The text, so that no line breaks before a percent sign."""
    return text.replace(" %", "\u00a0%")


class AbsenceTable(HeatTable):
    """A row per recording, a column per sensor: the share of windows without it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setAccessibleName(self.tr("What is missing in each recording"))
        self._figures: SubsetFigures | None = None
        self._order = np.empty(0, np.int64)

    def set_figures(self, figures: SubsetFigures | None) -> None:
        """Show what is missing, the recordings that miss most first."""
        self._figures = figures
        if figures is None:
            self.show_cells((), (), ())
            return
        self._order = np.argsort(-figures.absent.sum(axis=1), kind="stable")
        absent = figures.absent[self._order]
        names = [figures.recordings[number] for number in self._order]
        texts = [[percents(share) if share else "–" for share in row] for row in absent.tolist()]
        self.show_cells(names, figures.modalities, texts, absent, self._tip)

    def _tip(self, row: int, column: int) -> str:
        figures = self._figures
        if figures is None:
            return ""
        number = int(self._order[row])
        windows = int(figures.recording_windows[number])
        missing = round(float(figures.absent[number, column]) * windows)
        return self.tr("{recording}: {sensor} is missing in {count} of {all} windows").format(
            recording=figures.recordings[number],
            sensor=figures.modalities[column],
            count=f"{missing:,}",
            all=f"{windows:,}",
        )


class _Inside(QWidget):
    """What scrolls, at the height that its texts need at the width that there is."""

    def minimumSizeHint(self) -> QSize:
        # The usual one takes texts to be as narrow, and so as tall, as they can be.
        return QSize(super().minimumSizeHint().width(), 0)


class _Part(QWidget):
    """A heading, a sentence, and what belongs to them."""

    def __init__(self, title: str, says: Paragraph, content: QWidget) -> None:
        super().__init__()
        self.title = QLabel(title)
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.title.setBuddy(content)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.title)
        column.addWidget(says)
        column.addWidget(content, 1000)
        column.addStretch(1)  # what the content cannot use stays below it
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
