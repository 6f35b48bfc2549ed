"""How good a run is on people whom it had not seen, beside its opponents; and why there may be no
such figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QFont, QPalette, QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from core.report import all_budgets, budget_cells, figure, interval, method_rows, share
from core.same_people import PeopleNow
from core.subject_figures import Tested, who_was_tested
from ui.budget_plot import BudgetLine, BudgetPlot
from ui.calibration_plot import CalibrationPlot
from ui.confusion_table import ConfusionTable
from ui.dialog_parts import Paragraph, keyed
from ui.figure_plot import LineStyle
from ui.figure_table import Column, Dot, FigureTable, Row
from ui.label_palette import class_chip
from ui.study_panel import percent_text
from ui.time_plot import class_colour

if TYPE_CHECKING:  # it imports torch, which this page does without
    from core.budget_curve import BudgetCurve

WIDE = 200
"""From so many letters on, sections stand side by side."""
SIDE_BY_SIDE = 110
"""From so many letters on, the bins stand beside their curve."""
MOST_NAMES = 6


@dataclass(frozen=True)
class SeenAgreement:
    """How often predictions are the labels of people whom the model has seen: no test.

    `agreed` of `windows` windows with a label, of so many `people`.
    """

    agreed: int
    windows: int
    people: int


class EvaluationPage(QWidget):
    """Shows the report of one run; where nobody was held out it says so, and shows no accuracy."""

    cell_chosen = Signal(str, str)
    """A cell of the confusion matrix: true and predicted class, empty for any."""
    subject_chosen = Signal(str)
    """A line of the table of people."""
    budget_requested = Signal()
    """The label-budget curve is wanted with the labels as they are now."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Evaluation"))
        self._report: dict[str, Any] | None = None
        self._problem = ""
        self._tested = Tested("nothing")
        self._colours: dict[str, str] = {}
        self._live: BudgetCurve | None = None
        self._seen: SeenAgreement | None = None
        self._is_wide: bool | None = None
        self._make_head()
        self._make_parts()
        self._make_no_test()

        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(28)
        self._grid.setVerticalSpacing(22)
        figures = _Figures()
        figures_column = QVBoxLayout(figures)
        figures_column.setContentsMargins(16, 12, 16, 16)
        figures_column.setSpacing(16)
        figures_column.addWidget(self._head)
        figures_column.addLayout(self._grid)
        figures_column.addStretch(1)
        self.scroll = QScrollArea()
        self.scroll.setWidgetResizable(True)
        self.scroll.setFrameShape(QFrame.Shape.NoFrame)
        self.scroll.setAccessibleName(self.tr("Figures of the run"))
        self.scroll.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.scroll.setWidget(figures)
        self._stack = QStackedLayout(self)
        self._stack.setContentsMargins(0, 0, 0, 0)
        self._stack.addWidget(self.scroll)
        self._stack.addWidget(self._no_test)
        self._scale_text()
        self._lay_out()
        self.set_report(None)

    # -- parts

    def _make_head(self) -> None:
        self.macro_f1 = QLabel()
        self.macro_f1.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.macro_says = Paragraph()
        self.macro_interval = Paragraph()
        beside = QVBoxLayout()
        beside.setSpacing(0)
        beside.addStretch(1)
        beside.addWidget(self.macro_says)
        beside.addWidget(self.macro_interval)
        beside.addStretch(1)
        top = QHBoxLayout()
        top.setSpacing(14)
        top.addWidget(self.macro_f1)
        top.addLayout(beside, 1)
        self.tested_says = Paragraph()
        self.others_say = Paragraph()
        self.warning = Paragraph()
        self._head = QWidget()
        column = QVBoxLayout(self._head)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(top)
        for words in (self.tested_says, self.others_say, self.warning):
            column.addWidget(words)

    def _make_parts(self) -> None:
        tr = self.tr
        self.confusion = ConfusionTable()
        self.confusion.cell_chosen.connect(self.cell_chosen)
        macro_tip = tr("Mean F1 over the classes")
        self.classes = FigureTable(
            tr("Figures by class"),
            (
                Column(tr("Class"), kind="text"),
                Column(tr("F1"), tr("Harmonic mean of precision and recall")),
                Column(tr("0 to 1"), tr("F1"), "dot"),
                Column(tr("Precision"), tr("Share of what is said to be the class that is")),
                Column(tr("Recall"), tr("Share of the class that is found")),
                Column(tr("Windows"), tr("Windows that truly are of the class")),
                Column(tr("Predicted"), tr("Windows that were given the class")),
            ),
        )
        self.methods = FigureTable(
            tr("This model and its opponents"),
            (
                Column(tr("Method"), kind="text"),
                Column(tr("Macro F1"), macro_tip),
                Column(tr("95 %"), tr("Interval of macro F1, by drawing people")),
                Column(tr("0 to 1"), tr("Macro F1 with its 95 % interval"), "dot"),
                Column(
                    tr("Balanced"), tr("Balanced accuracy: mean recall over the classes that occur")
                ),
                Column(tr("Accuracy"), tr("Share of right windows")),
                Column(tr("Kappa"), tr("Cohen's kappa: agreement beyond chance")),
                Column(tr("ECE"), tr("Expected calibration error; 0 is best")),
                Column(tr("SD"), tr("Standard deviation of macro F1 over people")),
            ),
            wide_icons=True,
        )
        self.budget_plot = BudgetPlot()
        self.budgets = FigureTable(tr("Macro F1 by label budget"), (), wide_icons=True)
        self.budget_button = QPushButton(tr("&Compute with the labels as they are now"))
        keyed(
            self.budget_button,
            tr("Train heads on the frozen encoders of each fold; takes seconds"),
        )
        self.budget_button.clicked.connect(self.budget_requested)
        self.budget_says = Paragraph()
        self.people = FigureTable(
            tr("Figures by person"),
            (
                Column(tr("Person"), kind="text"),
                Column(tr("Fold"), tr("The fold that held the person out")),
                Column(tr("Windows"), tr("Windows that were scored")),
                Column(tr("Macro F1"), tr("Over the classes that this person has")),
                Column(
                    tr("0 to 1"),
                    tr("Dashed: macro F1 of all together; shaded: its 95 % interval"),
                    "dot",
                ),
                Column(tr("Accuracy"), tr("Share of right windows")),
            ),
            choosable=True,
        )
        self.people.row_chosen.connect(self._on_person)
        self.calibration = CalibrationPlot()
        self.bins = FigureTable(
            tr("Calibration by bins of confidence"),
            (
                Column(tr("Confidence"), tr("Edges of the bin"), "text"),
                Column(tr("Windows"), tr("Windows in the bin")),
                Column(tr("Mean"), tr("Mean confidence of these windows")),
                Column(tr("Right"), tr("Share of them that is right")),
            ),
        )
        spoken = ("confusion", "classes", "methods", "budget", "people", "calibration")
        self._say = {name: Paragraph() for name in spoken}
        self.notes = Paragraph()

        budget = QWidget()
        self._budget_box = QBoxLayout(QBoxLayout.Direction.TopToBottom, budget)
        self._budget_box.setContentsMargins(0, 0, 0, 0)
        beside = QVBoxLayout()
        beside.addWidget(self.budgets)
        line = QHBoxLayout()
        line.addWidget(self.budget_button)
        line.addStretch(1)
        beside.addLayout(line)
        beside.addWidget(self.budget_says)
        beside.addStretch(1)
        self._budget_box.addWidget(self.budget_plot, 1)
        self._budget_box.addLayout(beside, 1)
        calibration = QWidget()
        self._calibration_box = QBoxLayout(QBoxLayout.Direction.LeftToRight, calibration)
        self._calibration_box.setContentsMargins(0, 0, 0, 0)
        self._calibration_box.addWidget(self.calibration, 3, Qt.AlignmentFlag.AlignTop)
        self._calibration_box.addWidget(self.bins, 2, Qt.AlignmentFlag.AlignTop)
        self._sections = {
            "confusion": _Section(tr("Confusion matrix"), self._say["confusion"], self.confusion),
            "classes": _Section(tr("By class"), self._say["classes"], self.classes),
            "methods": _Section(tr("Beside the opponents"), self._say["methods"], self.methods),
            "budget": _Section(tr("How many labels does it take?"), self._say["budget"], budget),
            "people": _Section(tr("By person"), self._say["people"], self.people),
            "calibration": _Section(tr("Calibration"), self._say["calibration"], calibration),
            "notes": _Section(tr("Notes"), self.notes, None),
        }

    def _make_no_test(self) -> None:
        self.no_test_title = QLabel()
        self.why = Paragraph()
        self.what_to_do = Paragraph()
        self.not_a_test = Paragraph()
        self.not_a_test.setFrameShape(QFrame.Shape.StyledPanel)
        self.not_a_test.setMargin(8)
        inner = QWidget()
        inner.setMaximumWidth(820)
        column = QVBoxLayout(inner)
        column.setSpacing(12)
        column.addStretch(1)
        for widget in (self.no_test_title, self.why, self.what_to_do, self.not_a_test):
            column.addWidget(widget)
        column.addStretch(2)
        self._no_test = QScrollArea()
        self._no_test.setWidgetResizable(True)
        self._no_test.setFrameShape(QFrame.Shape.NoFrame)
        self._no_test.setAccessibleName(self.tr("Why there is no test"))
        centred = QWidget()
        row = QHBoxLayout(centred)
        row.addStretch(1)
        row.addWidget(inner, 20)
        row.addStretch(1)
        self._no_test.setWidget(centred)

    # -- input

    def set_report(
        self,
        report: Mapping[str, Any] | None,
        problem: str = "",
        people: PeopleNow | None = None,
    ) -> None:
        """Show the document of a `report.json`; None where there is none, and `problem` says why.
        `people`: who its people are by now.

        A curve of label budgets and an agreement that were shown are those of another run: they go.
        """
        self._report = dict(report) if report else None
        self._problem = problem
        self._tested = who_was_tested(self._report, people)
        self._live = None
        self._seen = None
        self.set_budget_busy(False)
        self._show()

    def set_colours(self, colours: Mapping[str, str]) -> None:
        """Colours of the classes, `#rrggbb` by name; others get their own."""
        self._colours = dict(colours)
        self._show()

    def set_live_budget(self, curve: BudgetCurve | None) -> None:
        """Show a curve that was computed with the labels as they are now."""
        self._live = curve
        self.set_budget_busy(False)
        self._show_budgets()

    def set_budget_busy(self, busy: bool, says: str = "") -> None:
        """Whether the curve is being computed; `says`: how far it is, or why it cannot be."""
        self.budget_button.setEnabled(not busy)
        self.budget_says.say(says or (self.tr("Heads are being trained…") if busy else ""))

    def set_seen_agreement(self, agreement: SeenAgreement | None) -> None:
        """Where there is no test: how often predictions are the labels of people who were seen."""
        self._seen = agreement
        self._show_no_test()

    def add_section(self, title: str, widget: QWidget) -> None:
        """Put another part before the notes, such as a night's figures of sleep."""
        self._sections = {
            **{k: v for k, v in self._sections.items() if k != "notes"},
            title: _Section(title, None, widget),
            "notes": self._sections["notes"],
        }
        self._scale_text()
        self._lay_out()

    @property
    def is_test(self) -> bool:
        """Whether figures are shown."""
        return self._tested.is_test

    # -- showing

    @property
    def _evaluation(self) -> dict[str, Any]:
        return dict((self._report or {}).get("evaluation") or {})

    def _show(self) -> None:
        if not self._tested.is_test:
            self._show_no_test()
            self._stack.setCurrentWidget(self._no_test)
            return
        self._show_head()
        self._show_confusion()
        self._show_classes()
        self._show_methods()
        self._show_budgets()
        self._show_people()
        self._show_calibration()
        self._show_notes()
        self._stack.setCurrentWidget(self.scroll)

    def _show_head(self) -> None:
        found = self._evaluation
        self.macro_f1.setText(figure(found.get("macro_f1")))
        self.macro_says.setText(self.tr("macro F1 on people whom the model had not seen"))
        pair = interval(found.get("ci95"))
        self.macro_interval.setText(
            self.tr("95 % interval {pair}, by drawing people").format(pair=pair)
            if pair != "–"
            else self.tr("no interval: that takes two people or more")
        )
        self.macro_f1.setAccessibleName(
            f"{figure(found.get('macro_f1'))} {self.macro_says.text()}; "
            f"{self.macro_interval.text()}"
        )
        self.tested_says.say(self._how_tested(found))
        intervals = found.get("ci95_by_figure") or {}
        parts = []
        for key, name in (
            ("balanced_accuracy", self.tr("Balanced accuracy")),
            ("accuracy", self.tr("accuracy")),
            ("cohen_kappa", self.tr("Cohen's kappa")),
        ):
            pair = interval(intervals.get(key))
            text = f"{name} {figure(found.get(key))}"
            parts.append(text if pair == "–" else f"{text} ({pair})")
        parts.append(self.tr("calibration error {value}").format(value=figure(found.get("ece"))))
        parts.append(
            self.tr("standard deviation of macro F1 over people {value}").format(
                value=figure(found.get("macro_f1_subject_sd"))
            )
        )
        self.others_say.say(" · ".join(parts))
        report = self._report or {}
        self.warning.say(
            self.tr("Simulated data: these figures say nothing about recordings of people.")
            if report.get("simulated")
            else ""
        )

    def _how_tested(self, found: Mapping[str, Any]) -> str:
        tested = self._tested
        count = len(tested.rows)
        windows = self.tr("{count} labelled windows were scored.").format(
            count=f"{found.get('windows', 0):,}"
        )
        low, high = tested.trained
        trained = str(low) if low == high else self.tr("{low} to {high}").format(low=low, high=high)
        if tested.locked and tested.folds == 1:
            says = self.tr(
                "Tested on {people} locked away for it ({names}): nothing of theirs was "
                "seen before. Learned from: {trained} others."
            )
        else:
            says = self.tr(
                "Tested on {people} in {folds} folds: each was held out once, with scaling, "
                "pretraining and all choices made without them, and predicted by a model that had "
                "learned from {trained} others."
            )
        names = _names(sorted(row.subject for row in tested.rows))
        return (
            says.format(
                people=self._people(count), folds=tested.folds, names=names, trained=trained
            )
            + " "
            + windows
        )

    def _people(self, count: int) -> str:
        return self.tr("1 person") if count == 1 else self.tr("{count} people").format(count=count)

    def _show_confusion(self) -> None:
        found = self._evaluation
        classes = [str(name) for name in found.get("classes") or ()]
        self.confusion.set_confusion(classes, found.get("confusion") or (), self._colours)
        self._say["confusion"].say(
            self.tr(
                "Rows: what the windows are. Columns: what they were taken for. Shares and shades "
                "are within each row. A click, or Enter, lists the windows of a cell."
            )
        )

    def _show_classes(self) -> None:
        found = self._evaluation
        per_class = found.get("per_class") or {}
        rows = []
        for place, (name, entry) in enumerate(per_class.items()):
            f1 = entry.get("f1")
            rows.append(
                Row(
                    (
                        name,
                        figure(f1),
                        Dot(f1, line=found.get("macro_f1")),
                        figure(entry.get("precision")),
                        figure(entry.get("recall")),
                        str(entry.get("support", "–")),
                        str(entry.get("predicted", "–")),
                    ),
                    icon=class_chip(self._colours.get(name, class_colour(place).name())),
                )
            )
        self.classes.fill(rows)
        self._say["classes"].say(self.tr("Dashed: the mean of them, macro F1."))

    def _rows_of_methods(self) -> list[tuple[dict[str, Any], LineStyle]]:
        """The rows of the report's tables with how each is drawn; ours first."""
        return [
            (row, LineStyle(place, dashed=not row["ours"], strong=place == 0))
            for place, row in enumerate(method_rows(self._report or {}))
        ]

    def _title(self, row: Mapping[str, Any]) -> str:
        title = str(row["title"])
        if row.get("transductive"):
            title = self.tr("{title} (transductive)").format(title=title)
        return title

    def _show_methods(self) -> None:
        ground = self.palette().color(QPalette.ColorRole.Base)
        rows = []
        methods = self._rows_of_methods()
        for row, style in methods:
            pair = row.get("ci95")
            low, high = pair if pair else (None, None)
            transductive = bool(row.get("transductive"))
            rows.append(
                Row(
                    (
                        self._title(row),
                        figure(row.get("macro_f1")),
                        interval(pair),
                        Dot(row.get("macro_f1"), low, high),
                        figure(row.get("balanced_accuracy")),
                        figure(row.get("accuracy")),
                        figure(row.get("cohen_kappa")),
                        figure(row.get("ece")),
                        figure(row.get("macro_f1_subject_sd")),
                    ),
                    icon=style.icon(ground),
                    strong=style.strong,
                    soft=transductive,
                    tip=self.tr(
                        "Has seen the tested people's windows without labels, so it stands apart"
                    )
                    if transductive
                    else "",
                )
            )
        self.methods.fill(rows)
        self._say["methods"].say(self._beside_the_best([row for row, _ in methods]))

    def _beside_the_best(self, rows: Sequence[Mapping[str, Any]]) -> str:
        own = rows[0].get("macro_f1") if rows else None
        known = [
            row
            for row in rows[1:]
            if row.get("macro_f1") is not None and not row.get("transductive")
        ]
        if own is None or not known:
            return self.tr("The run was not asked to train opponents on the same folds.")
        best = max(known, key=lambda row: row["macro_f1"])
        lead = own - best["macro_f1"]
        says = self.tr("All with all labels, on the same folds and windows.") + " "
        if lead < 0:
            says += self.tr("{name} does better than this model here, by {by}.")
        else:
            says += self.tr("This model does better than the best of them, {name}, by {by}.")
        says = says.format(name=best["title"], by=f"{abs(lead):.3f}")
        if _overlap(rows[0].get("ci95"), best.get("ci95")):
            says += " " + self.tr("The intervals overlap.")
        return says

    def _show_budgets(self) -> None:
        if not self._tested.is_test:
            return
        ground = self.palette().color(QPalette.ColorRole.Base)
        methods = [(row, style) for row, style in self._rows_of_methods() if budget_cells(row)]
        lines = [
            BudgetLine(self._title(row), style, tuple(row.get("label_efficiency") or ()))
            for row, style in methods
        ]
        own = {row["budget"]: row.get("labels") for row in lines[0].rows} if lines else {}
        live = self._live
        cells = [budget_cells(row) for row, _ in methods]
        if live is not None:
            title = self.tr("This model, labels as they are now")
            style = LineStyle(0, strong=True, live=True)
            lines.append(BudgetLine(title, style, live.rows))
            cells.append(budget_cells({"label_efficiency": list(live.rows)}))
        budgets = all_budgets([{"label_efficiency": list(line.rows)} for line in lines])
        self.budgets.set_columns(
            (
                Column(self.tr("Method"), kind="text"),
                *(self._budget_column(budget, own.get(budget)) for budget in budgets),
            )
        )
        self.budgets.fill(
            [
                Row(
                    (line.title, *(_with_sd(known.get(budget)) for budget in budgets)),
                    icon=line.style.icon(ground),
                    strong=line.style.strong,
                    tips=("", *(self._labels_tip(line, budget) for budget in budgets)),
                )
                for line, known in zip(lines, cells, strict=True)
            ]
        )
        self.budget_plot.set_lines(lines)
        self._say["budget"].say(
            self.tr(
                "Macro F1 on held-out people by the share of the training labels; mean, and ± one "
                "standard deviation, over draws of labels."
            )
        )
        if live is not None:
            says = self.tr(
                "With {labels} labels of {people} who are tested, in {seconds} s, on the encoders "
                "as they were pretrained."
            ).format(
                labels=f"{live.labels:,}",
                people=self._people(live.people),
                seconds=f"{live.seconds:.1f}",
            )
            self.budget_says.say(" ".join([says, *live.notes]))

    def _budget_column(self, budget: float, labels: float | None) -> Column:
        if budget > 1:
            return Column(self.tr("{count} labels").format(count=round(budget)))
        title = share(budget)
        if labels is not None:
            title = self.tr("{share} ({count} labels)").format(share=title, count=round(labels))
        return Column(title, self.tr("Share of the training labels; their number, mean over folds"))

    def _labels_tip(self, line: BudgetLine, budget: float) -> str:
        row = next((row for row in line.points if row["budget"] == budget), None)
        return "" if row is None else self.budget_plot.describe(line, row)

    def _show_people(self) -> None:
        found = self._evaluation
        pair = found.get("ci95")
        band = (pair[0], pair[1]) if pair else None
        self.people.fill(
            [
                Row(
                    (
                        row.subject,
                        row.fold,
                        str(row.windows),
                        figure(row.macro_f1),
                        Dot(row.macro_f1, band=band, line=found.get("macro_f1")),
                        figure(row.accuracy),
                    )
                )
                for row in self._tested.rows
            ]
        )
        self._say["people"].say(
            self.tr(
                "Weakest first. Dashed: macro F1 of all together; shaded: its 95 % interval. A "
                "click, or Enter, leads to a person's recordings."
            )
        )

    def _on_person(self, row: int) -> None:
        self.subject_chosen.emit(self._tested.rows[row].subject)

    def _show_calibration(self) -> None:
        found = self._evaluation
        bins = [dict(entry) for entry in found.get("reliability") or ()]
        self.calibration.set_bins(bins, found.get("ece"))
        self.bins.fill(
            [
                Row(
                    (
                        f"{entry['lower']:.2f}–{entry['upper']:.2f}",
                        str(entry["windows"]),
                        figure(entry.get("confidence")),
                        figure(entry.get("accuracy")),
                    )
                )
                for entry in bins
                if entry.get("windows")
            ]
        )
        self._say["calibration"].say(
            self.tr(
                "Expected calibration error {ece}: how far, on average, confidence is from the "
                "share of right windows. On the dashed line both are the same; below it the model "
                "is too sure, above it too careful."
            ).format(ece=figure(found.get("ece")))
        )

    def _show_notes(self) -> None:
        found = self._evaluation
        notes = [str(note) for note in found.get("notes") or ()]
        if found.get("left_out"):
            notes.append(
                self.tr(
                    "{count} labelled windows had no prediction, since nothing was recorded in "
                    "them; they were not scored."
                ).format(count=found["left_out"])
            )
        if found.get("unlabelled"):
            notes.append(
                self.tr("{count} windows of tested people have no label.").format(
                    count=f"{found['unlabelled']:,}"
                )
            )
        if len(self._tested.rows) < 10 and found.get("ci95"):
            notes.append(
                self.tr("With so few people ({count}) the interval itself is uncertain.").format(
                    count=len(self._tested.rows)
                )
            )
        notes.append(
            self.tr(
                "The figures are those of the run, with its labels as they were. For research, "
                "not for diagnosis."
            )
        )
        self.notes.say("\n".join(notes))

    def _show_no_test(self) -> None:
        if self._tested.is_test:
            return
        self.no_test_title.setText(
            self.tr("Nothing to evaluate yet")
            if self._tested.why_not == "nothing"
            else self.tr("There is no test here")
        )
        why, what = self._reason()
        self.why.say(why)
        self.what_to_do.say(what)
        seen = self._seen
        if seen is None or not seen.windows:
            self.not_a_test.say("")
            return
        self.not_a_test.say(
            self.tr(
                "Not a test: on {windows} labelled windows of {people} whom the model has seen, "
                "its prediction is the label in {share}. That says how well it remembers them. On "
                "others it will most likely do worse, and nobody knows by how much."
            ).format(
                windows=f"{seen.windows:,}",
                people=self._people(seen.people),
                share=percent_text(seen.agreed / seen.windows),
            )
        )

    def _reason(self) -> tuple[str, str]:
        """Why there is no test, and what to do."""
        tr = self.tr
        report = self._report or {}
        again = tr(
            "Train again with the step 'evaluate' on: each person is then held out in turn, which "
            "takes labels of two people at least. Pretraining that fits is taken over."
        )
        kind = self._tested.why_not
        if kind == "nothing":
            return (
                self._problem or tr("No run is chosen."),
                tr("Choose a finished run, or train one on the Train page."),
            )
        if kind == "scored":
            return (
                tr(
                    "Here a saved model was applied to recordings. Whom it has learned from is not "
                    "known here, so agreement with labels would be no test."
                ),
                tr("Train a run in a study with the step 'evaluate' on."),
            )
        if kind == "not_asked":
            final = report.get("final") or {}
            return (
                tr(
                    "This run was made without the step 'evaluate', so nobody was held out. Its "
                    "model has seen everybody ({count}): comparing it with their labels would be "
                    "no test, however well it agrees."
                ).format(count=len(final.get("pretrain_subjects") or ())),
                again,
            )
        if kind == "unfinished":
            error = report.get("error")
            return (
                tr("This run has not come to its evaluation.")
                + (f" {error}" if error and error != "interrupted" else ""),
                tr("Resume it on the Train page; what it has finished is taken over."),
            )
        if kind == "unlabelled":
            return (
                tr("Nobody whom the run held out has a label that could be compared."),
                tr("Label recordings of the people who are to be tested, and train again."),
            )
        return (
            tr(
                "The model has seen people on whom it was scored: {names}. Figures on them say how "
                "well it remembers them; they are no test and are not shown."
            ).format(names=_names(self._tested.seen))
            + (
                " "
                + tr(
                    "By the names that people have in the study by now, they are some from whom it "
                    "has learned (Study → Subject…)."
                )
                if who_was_tested(self._report).is_test
                else ""
            ),
            again,
        )

    # -- looks

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if not hasattr(self, "_stack"):
            return
        if event.type() == QEvent.Type.FontChange:
            self._scale_text()
            self._lay_out()
        elif event.type() == QEvent.Type.PaletteChange:
            self._show()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._lay_out()

    def _scale_text(self) -> None:
        def scaled(factor: float, bold: bool = True) -> QFont:
            font = QFont(self.font())
            if font.pointSizeF() > 0:
                font.setPointSizeF(factor * font.pointSizeF())
            else:
                font.setPixelSize(round(factor * font.pixelSize()))
            font.setBold(bold)
            return font

        self.macro_f1.setFont(scaled(3.0))
        self.macro_says.setFont(scaled(1.15))
        self.warning.setFont(scaled(1.0))
        self.no_test_title.setFont(scaled(1.8))
        for section in self._sections.values():
            section.title.setFont(scaled(1.2))
        self._is_wide = None

    def _lay_out(self) -> None:
        """One column, or two where there is room."""
        letters = self.width() / self.fontMetrics().averageCharWidth()
        wide = letters >= WIDE
        across, down = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
        self._calibration_box.setDirection(across if letters >= SIDE_BY_SIDE else down)
        if wide == self._is_wide and self._grid.count() == len(self._sections):
            return
        self._is_wide = wide
        while self._grid.count():
            self._grid.takeAt(0)
        self._budget_box.setDirection(across if wide else down)
        self._budget_box.setSpacing(24 if wide else 8)
        halves = {"confusion", "classes", "people", "calibration"}
        row, column = 0, 0
        top = Qt.AlignmentFlag.AlignTop
        for name in self._order():
            section = self._sections[name]
            if wide and name in halves:
                self._grid.addWidget(section, row, column, top)
                row, column = (row + 1, 0) if column else (row, 1)
            else:
                self._grid.addWidget(section, row, 0, 1, 2 if wide else 1, top)
                row += 1
        for place in (0, 1):
            self._grid.setColumnStretch(place, 1 if place == 0 or wide else 0)

    def _order(self) -> list[str]:
        return list(self._sections)


class _Figures(QWidget):
    """What scrolls, at the height that its texts need at the width that there is."""

    def minimumSizeHint(self) -> QSize:
        # The usual one takes texts to be as narrow, and so as tall, as they can be.
        return QSize(super().minimumSizeHint().width(), 0)


class _Section(QWidget):
    """A heading, what is to be known about it, and what it is about."""

    def __init__(self, title: str, says: QWidget | None, body: QWidget | None) -> None:
        super().__init__()
        self.title = QLabel(title)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.title)
        for part in (says, body):
            if part is not None:
                column.addWidget(part)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)


def _names(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    if len(names) <= MOST_NAMES:
        return ", ".join(names)
    return ", ".join(names[:MOST_NAMES]) + f", … (+{len(names) - MOST_NAMES})"


def _with_sd(cell: tuple[float | None, float | None] | None) -> str:
    if cell is None or cell[0] is None:
        return "–"
    mean, deviation = cell
    return figure(mean) if deviation is None else f"{mean:.3f} ± {deviation:.3f}"


def _overlap(one: Any, other: Any) -> bool:
    return bool(one and other and one[0] <= other[1] and other[0] <= one[1])
