"""Runs side by side: macro F1 with its intervals, all figures, the settings that differ, and in
words whether that is a fair comparison."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QFont, QGuiApplication
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from core.run_comparison import GROUPS, MISSING, FigureRow, Interval, RunComparison
from ui.dialog_parts import Paragraph, PlainTable, keyed
from ui.figure_table import Column, Dot, FigureTable, Row, add_copy_action
from ui.icons import keep_icon
from ui.live_curves import Notice
from ui.wizard_page import describe

_DIFFERENCES = frozenset({"evaluation", "classes", "subjects", "budgets", "subsets"})
"""Groups in which the difference of two runs says something."""


class RunComparisonWindow(QDialog):
    """Shows a `RunComparison`; the window behind it stays usable."""

    def __init__(self, comparison: RunComparison, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Compare runs"))
        self.resize(980, 680)
        self._comparison = comparison
        self._titles = _distinct([row.title for row in comparison.rows])

        self.notice = Notice(self.tr("Whether the comparison is fair"))
        self.chart = FigureTable(
            self.tr("Macro F1 of each run"),
            (
                Column(self.tr("Run"), kind="text"),
                Column(self.tr("Macro F1"), self.tr("On people who were held out")),
                Column(self.tr("95 %"), self.tr("Interval, by drawing people")),
                Column(self.tr("0 to 1"), self.tr("Macro F1 with its interval"), "dot"),
            ),
            self.tr("Macro F1 of each run with its 95 % interval, on people who were held out."),
        )
        self.notes = Paragraph()
        self.notes.setAccessibleName(self.tr("How to read the figures"))

        self.group = QComboBox()
        for group, name in self._group_names().items():
            if group == "" or any(row.group == group for row in comparison.figures):
                self.group.addItem(name, group)
        self.group.currentIndexChanged.connect(self._show_figures)
        says = QLabel(self.tr("&Show"))
        says.setBuddy(self.group)
        describe(self.group, self.tr("Show"), self.tr("Which figures are shown (Alt+S)"))
        choice = QHBoxLayout()
        choice.addWidget(says)
        choice.addWidget(self.group)
        choice.addStretch(1)
        pair = len(self._titles) == 2
        heads = [self.tr("Figure"), *self._titles, *([self.tr("Difference")] if pair else [])]
        self.figures = PlainTable(self.tr("Figures of the runs"), heads, 0)
        if pair:
            self.figures.horizontalHeaderItem(3).setToolTip(
                self.tr("{second} less {first}").format(
                    first=self._titles[0], second=self._titles[1]
                )
            )
        self.settings = PlainTable(
            self.tr("Settings that differ"), [self.tr("Setting"), *self._titles], len(self._titles)
        )
        self.same = Paragraph(
            self.tr("All settings are the same: what differs is the data, the labels or chance.")
        )
        tabs = QTabWidget()
        tabs.setAccessibleName(self.tr("Figures and settings"))
        tabs.addTab(_page(choice, self.figures), self.tr("&Figures"))
        settings = QVBoxLayout()
        settings.addWidget(self.same)
        tabs.addTab(
            _page(settings, self.settings),
            self.tr("Se&ttings that differ ({count})").format(count=len(comparison.settings)),
        )
        self.tabs = tabs

        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.button(QDialogButtonBox.StandardButton.Close).setAutoDefault(False)
        self.copy_button = buttons.addButton(
            self.tr("&Copy all"), QDialogButtonBox.ButtonRole.ActionRole
        )
        keyed(self.copy_button, self.tr("Copy figures and settings, columns apart by tabs"))
        keep_icon(self.copy_button, "copy")
        self.copy_button.setAutoDefault(False)
        self.copy_button.clicked.connect(self.copy)
        buttons.rejected.connect(self.reject)
        add_copy_action(self.figures, self._copy_figures)
        add_copy_action(self.settings, self._copy_settings)
        column = QVBoxLayout(self)
        column.addWidget(self.notice)
        column.addWidget(self.chart)
        column.addWidget(self.notes)
        column.addWidget(tabs, 1)
        column.addWidget(buttons)
        self._fill()
        self.figures.setFocus()

    # -- what is shown

    def _group_names(self) -> dict[str, str]:
        names = {
            "": self.tr("all figures"),
            "evaluation": self.tr("accuracy"),
            "classes": self.tr("by class"),
            "subjects": self.tr("by person: macro F1"),
            "budgets": self.tr("with fewer labels"),
            "opponents": self.tr("opponents: macro F1"),
            "subsets": self.tr("without some sensors"),
            "pretraining": self.tr("end of pretraining"),
            "seconds": self.tr("seconds"),
        }
        assert set(names) == {"", *GROUPS}
        return names

    def _fill(self) -> None:
        comparison = self._comparison
        if comparison.unfair:
            words = [self.tr("This is not a fair comparison."), *comparison.unfair]
        else:
            words = [self._fair_text()]
        self.notice.show_text("\n".join(words), warns=not comparison.is_fair)
        best = max((row.macro_f1 for row in comparison.rows if row.macro_f1 is not None),
                   default=None)  # fmt: skip
        self.chart.fill(
            [
                Row(
                    (
                        title,
                        _plain(row.macro_f1),
                        _interval_text(row.ci95),
                        Dot(row.macro_f1, *(row.ci95 or (None, None))),
                    ),
                    strong=row.macro_f1 is not None and row.macro_f1 == best,
                    tip=row.problem,
                )
                for title, row in zip(self._titles, comparison.rows, strict=True)
            ]
        )
        self.notes.say("\n".join(comparison.notes))
        self._show_figures()
        self.settings.fill(
            [
                [entry.path, *(value if value != MISSING else "–" for value in entry.values)]
                for entry in comparison.settings
            ]
        )
        self.settings.setVisible(bool(comparison.settings))
        self.same.setVisible(not comparison.settings)

    def _fair_text(self) -> str:
        if self._comparison.same_data is None:
            return self.tr(
                "Nothing speaks against the comparison: same windows, same people held out, "
                "recordings of the same names and lengths."
            )
        return self.tr("A fair comparison: same data, same windows, same people held out.")

    def _shown_rows(self) -> list[FigureRow]:
        group = self.group.currentData()
        return [row for row in self._comparison.figures if group in ("", row.group)]

    def _show_figures(self, *_: object) -> None:
        rows = self._shown_rows()
        self.figures.fill([self._cells(row) for row in rows], range(1, len(self._titles) + 2))
        bold, plain = QFont(self.figures.font()), self.figures.font()
        bold.setBold(True)
        for number, row in enumerate(rows):
            for place in range(len(self._titles)):
                item = self.figures.item(number, place + 1)
                item.setFont(bold if place in row.best else plain)
                if place in row.best:
                    item.setToolTip(self.tr("{figure}, the best").format(figure=item.text()))

    def _cells(self, row: FigureRow) -> list[str]:
        name = row.name
        if self.group.currentData() == "":
            name = f"{self._group_names()[row.group]} · {row.name}"
        cells = [name, *(figure_text(row, place) for place in range(len(self._titles)))]
        if len(self._titles) == 2:
            cells.append(difference_text(row))
        return cells

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange and hasattr(self, "figures"):
            for table in (self.figures, self.settings):
                height = table.fontMetrics().height() + 8
                table.verticalHeader().setDefaultSectionSize(height)
            self._show_figures()

    # -- copying

    def as_tsv(self) -> str:
        """All figures, with intervals in columns of their own, and the settings that differ."""
        rows = [["group", "figure", *self._titles]]
        for row in self._comparison.figures:
            rows.append([row.group, row.name, *(_exact(value) for value in row.values)])
            if any(interval is not None for interval in row.intervals):
                for end, title in enumerate(("low", "high")):
                    ends = [None if x is None else x[end] for x in row.intervals]
                    name = f"{row.name}: 95 % {title}"
                    rows.append([row.group, name, *(_exact(value) for value in ends)])
        rows += [["setting", entry.path, *entry.values] for entry in self._comparison.settings]
        rows += [["not fair", sentence] for sentence in self._comparison.unfair]
        rows += [["note", sentence] for sentence in self._comparison.notes]
        return _tsv(rows)

    def copy(self) -> None:
        """Put all of it on the clipboard."""
        QGuiApplication.clipboard().setText(self.as_tsv())

    def _copy_figures(self) -> None:
        heads = [self.figures.horizontalHeaderItem(c).text()
                 for c in range(self.figures.columnCount())]  # fmt: skip
        QGuiApplication.clipboard().setText(_tsv([heads, *self.figures.texts()]))

    def _copy_settings(self) -> None:
        heads = [self.tr("Setting"), *self._titles]
        QGuiApplication.clipboard().setText(_tsv([heads, *self.settings.texts()]))


def figure_text(row: FigureRow, place: int) -> str:
    """A figure of one run for people, with its interval where there is one."""
    value, interval = row.values[place], row.intervals[place]
    if value is None:
        return "–"
    if row.is_count:
        return str(value)
    if row.group == "seconds":
        return f"{value:.1f} s"
    text = f"{value:.1f}" if abs(value) >= 10 else _plain(value)
    return text if interval is None else f"{text} ({_interval_text(interval)})"


def difference_text(row: FigureRow) -> str:
    """The second run's figure less the first one's; empty where that says nothing."""
    if row.group not in _DIFFERENCES or not row.better or None in row.values:
        return ""
    first, second = row.values
    assert first is not None
    assert second is not None
    difference = second - first
    if abs(difference) < 0.0005:
        return "0"
    return f"{difference:+.3f}".replace("-", "−")


def _page(above: QHBoxLayout | QVBoxLayout, table: QWidget) -> QWidget:
    page = QWidget()
    column = QVBoxLayout(page)
    column.addLayout(above)
    column.addWidget(table, 1)
    return page


def _distinct(titles: Sequence[str]) -> list[str]:
    """Titles that can be told apart: a second `Again` becomes `Again (2)`."""
    seen: dict[str, int] = {}
    found = []
    for title in titles:
        seen[title] = seen.get(title, 0) + 1
        found.append(title if seen[title] == 1 else f"{title} ({seen[title]})")
    return found


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".replace("-", "−")


def _interval_text(interval: Interval | None) -> str:
    return "–" if interval is None else f"{interval[0]:.3f}–{interval[1]:.3f}"


def _exact(value: float | None) -> str:
    """All digits, for a spreadsheet."""
    return "" if value is None else repr(value)


def _tsv(rows: Sequence[Sequence[str]]) -> str:
    """Cells apart by tabs; none within them."""
    clean = ([" ".join(cell.split()) for cell in row] for row in rows)
    return "\n".join("\t".join(row) for row in clean)
