"""Where labels are that exist already: one small form for each place the engine can read from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from core.config import LabelsConfig
from core.find_recordings import FoundRecording
from core.guess_labels import pattern_beside
from core.label_files import FORMAT_NAMES
from ui.wizard_page import (
    FittingStack,
    FreeCombo,
    NumberEdit,
    Section,
    add_row,
    choose,
    describe,
    put,
)

KINDS = ("annotations", "column", "table", "file", "epochs", "field")


class LabelSourceEditor(QWidget):
    """Edits the settings of one kind of labels, but for mapping and classes."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._root = Path()
        self._found: FoundRecording | None = None
        self._shown: dict[str, Any] | None = None
        self._filling = False
        self.forms = FittingStack()
        self._readers: dict[str, Callable[[], dict[str, Any]]] = {}
        for kind, make in (
            ("annotations", self._annotations),
            ("column", self._column),
            ("table", self._table),
            ("file", self._file),
            ("epochs", self._epochs),
            ("field", self._field),
        ):
            form = QWidget()
            layout = QFormLayout(form)
            layout.setContentsMargins(0, 0, 4, 0)
            self._readers[kind] = make(layout)
            self.forms.addWidget(form)
        self.cover = NumberEdit(
            self.tr("Cover"),
            self.tr("A window has a label when labels cover at least this share of it, 0 to 1"),
            above=0,
        )
        self.cover.changed.connect(self._tell)
        below = QFormLayout()
        add_row(below, self.tr("Share of a window to &cover"), self.cover, self.cover.toolTip())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.forms)
        column.addLayout(below)
        column.addStretch(1)

    # -- forms

    def _annotations(self, form: QFormLayout) -> Callable[[], dict[str, Any]]:
        self.annotation_pattern = self._path(
            form,
            self.tr("&File"),
            self.tr(
                "Path of a separate annotation file, with the recording's fields; empty: the "
                "recording's own annotations (Alt+F)"
            ),
        )
        self.annotation_pattern.setPlaceholderText(self.tr("the recording itself"))
        return lambda: {"pattern": self.annotation_pattern.text().strip() or None}

    def _column(self, form: QFormLayout) -> Callable[[], dict[str, Any]]:
        self.column = self._names(
            form, self.tr("Co&lumn"), self.tr("Column, or signal, with a label on every sample")
        )
        self.column_source = self._names(
            form, self.tr("So&urce"), self.tr("Source whose column counts; empty: the first")
        )
        return lambda: {
            "column": self.column.currentText().strip(),
            "source": self.column_source.currentText().strip() or None,
        }

    def _table(self, form: QFormLayout) -> Callable[[], dict[str, Any]]:
        self.table_pattern = self._path(
            form, self.tr("&Table"), self.tr("Path of the table; may hold the recording's fields")
        )
        self.table_key = self._names(
            form,
            self.tr("Column with wh&o"),
            self.tr("Column that names the subject or recording; empty: the path tells"),
        )
        self.table_key_means = QComboBox()
        self.table_key_means.addItem(self.tr("the subject"), "subject")
        self.table_key_means.addItem(self.tr("the recording"), "recording")
        self._box(form, self.tr("It names"), self.table_key_means, self.tr("What the column names"))
        self.table_label = self._names(
            form, self.tr("Column with the &label"), self.tr("Column with the label")
        )
        self.table_time = self._names(
            form, self.tr("Column with the ti&me"), self.tr("Column with the start of each label")
        )
        self.table_unit = QComboBox()
        for unit, text in (
            ("s", self.tr("seconds")),
            ("ms", self.tr("milliseconds")),
            ("us", self.tr("microseconds")),
            ("iso", self.tr("date and time in words")),
        ):
            self.table_unit.addItem(text, unit)
        self._box(form, self.tr("Times are in"), self.table_unit, self.tr("Unit of the times"))
        self.table_clock = QComboBox()
        self.table_clock.addItem(self.tr("the recording's start"), "elapsed")
        self.table_clock.addItem(self.tr("the clock (since 1970)"), "absolute")
        self._box(form, self.tr("counted from"), self.table_clock, self.tr("What times count from"))
        self.table_duration = self._names(
            form,
            self.tr("Column with durations"),
            self.tr("Column with the duration in seconds; empty: see below"),
        )
        self.table_period = self._number(
            form,
            self.tr("or each row lasts, s"),
            self.tr("Duration of every row; empty too: each label lasts until the next"),
        )
        content = QWidget()
        more = QFormLayout(content)
        more.setContentsMargins(16, 0, 0, 0)
        self.table_separator = self._line(
            more, self.tr("Separator"), self.tr("One character between columns; empty: guessed")
        )
        self.table_decimal = QComboBox()
        self.table_decimal.addItem(self.tr("guessed"), None)
        self.table_decimal.addItem(self.tr(". (point)"), ".")
        self.table_decimal.addItem(self.tr(", (comma)"), ",")
        self._box(more, self.tr("Decimal sign"), self.table_decimal, self.tr("The decimal sign"))
        self.table_header = QComboBox()
        self.table_header.addItem(self.tr("yes"), None)
        self.table_header.addItem(self.tr("no: column0, column1 …"), False)
        self._box(
            more,
            self.tr("Names in the first line"),
            self.table_header,
            self.tr("Whether the first line names the columns"),
        )
        self.table_skip = QSpinBox()
        self.table_skip.setRange(0, 100_000)
        self.table_skip.valueChanged.connect(self._tell)
        add_row(more, self.tr("Lines to pass over"), self.table_skip,
                self.tr("Lines before the names of the columns"))  # fmt: skip
        self.table_comment = self._line(
            more, self.tr("Comments begin with"), self.tr("Lines that start so are passed over")
        )
        self.table_columns = self._line(
            more,
            self.tr("Names of columns"),
            self.tr("For tables without names: names apart by commas"),
        )
        form.addRow(Section(self.tr("How the table is written"), content))
        return self._said_table

    def _file(self, form: QFormLayout) -> Callable[[], dict[str, Any]]:
        self.file_pattern = self._path(
            form,
            self.tr("&File"),
            self.tr("Path of the file with labels, with the recording's fields (Alt+F)"),
        )
        self.file_format = QComboBox()
        self.file_format.addItem(self.tr("guessed by ending and content"), None)
        for format, name in FORMAT_NAMES.items():
            self.file_format.addItem(name, format)
        self._box(form, self.tr("For&mat"), self.file_format, self.tr("Format of the file (Alt+M)"))
        self.file_epoch = self._number(
            form,
            self.tr("&Epoch, s"),
            self.tr("Length of an epoch, for one value per epoch and tables without durations"),
            above=0,
        )
        self.file_offset = self._number(
            form,
            self.tr("First epoch at, s"),
            self.tr("Start of the first epoch in seconds from the recording's start"),
        )
        self.file_rater = self._line(
            form,
            self.tr("&Only of rater"),
            self.tr("Whose labels count, where several people scored; empty: everybody's"),
        )
        return lambda: {
            "pattern": self.file_pattern.text().strip(),
            "format": self.file_format.currentData(),
            "epoch_s": self.file_epoch.value(),
            "offset_s": self.file_offset.value() or 0.0,
            "rater": self.file_rater.text().strip() or None,
        }

    def _epochs(self, form: QFormLayout) -> Callable[[], dict[str, Any]]:
        self.epochs_pattern = self._path(
            form,
            self.tr("&File"),
            self.tr("Path of the file with one value per epoch, with the recording's fields"),
        )
        self.epochs_length = self._number(
            form, self.tr("&Epoch, s"), self.tr("Length of an epoch in seconds (Alt+E)"), above=0
        )
        self.epochs_offset = self._number(
            form,
            self.tr("First epoch at, s"),
            self.tr("Start of the first epoch in seconds from the recording's start"),
        )
        self.epochs_skip = QSpinBox()
        self.epochs_skip.setRange(0, 100_000)
        self.epochs_skip.valueChanged.connect(self._tell)
        add_row(form, self.tr("Lines to pass over"), self.epochs_skip,
                self.tr("Lines before the first epoch"))  # fmt: skip
        self.epochs_column = self._line(
            form,
            self.tr("Co&lumn"),
            self.tr("Name of a column, or its number from 0; empty: the line is the label"),
        )
        return self._said_epochs

    def _field(self, form: QFormLayout) -> Callable[[], dict[str, Any]]:
        self.field = self._names(
            form,
            self.tr("Fiel&d"),
            self.tr("Field of the file names that says the label of the whole recording (Alt+D)"),
        )
        return lambda: {"field": self.field.currentText().strip()}

    # -- parts of forms

    def _line(self, form: QFormLayout, title: str, tip: str) -> QLineEdit:
        line = QLineEdit()
        add_row(form, title, line, tip)
        line.editingFinished.connect(self._tell)
        return line

    def _number(
        self, form: QFormLayout, title: str, tip: str, above: float | None = None
    ) -> NumberEdit:
        edit = NumberEdit(title.replace("&", ""), tip, above=above)
        add_row(form, title, edit, tip)
        edit.changed.connect(self._tell)
        return edit

    def _box(self, form: QFormLayout, title: str, box: QComboBox, tip: str) -> None:
        add_row(form, title, box, tip)
        box.activated.connect(self._tell)

    def _names(self, form: QFormLayout, title: str, tip: str) -> FreeCombo:
        box = FreeCombo()
        box.setFrame(True)
        add_row(form, title, box, tip)
        box.said.connect(self._tell)
        return box

    def _path(self, form: QFormLayout, title: str, tip: str) -> QLineEdit:
        line = QLineEdit()
        button = QPushButton(self.tr("Browse…"))
        button.setAutoDefault(False)
        describe(
            button,
            self.tr("Browse for the file"),
            self.tr("Choose the file of one recording; fields are put in by its name"),
        )
        row = QWidget()
        beside = QHBoxLayout(row)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addWidget(line, 1)
        beside.addWidget(button)
        label: QLabel = add_row(form, title, row, tip)
        label.setBuddy(line)
        describe(line, title.replace("&", ""), tip)
        line.editingFinished.connect(self._tell)
        button.clicked.connect(self._on_browse)
        button.setProperty("line", line)
        return line

    def _on_browse(self) -> None:
        button = self.sender()
        line = button.property("line") if button is not None else None
        name, _ = QFileDialog.getOpenFileName(
            self, self.tr("File with labels"), str(self._root), self.tr("All files (*)")
        )
        if name and isinstance(line, QLineEdit):
            self.take_file(line, Path(name))

    def take_file(self, line: QLineEdit, path: Path) -> None:
        """Put the path of a chosen file in, with the fields of the first recording in it."""
        text = str(path)
        if self._found is not None:
            text = pattern_beside(self._found, path, self._root)
        line.setText(text)
        self._tell()

    # -- values

    def offer(
        self,
        found: FoundRecording | None,
        root: Path,
        columns: Sequence[str],
        sources: Sequence[str],
        fields: Sequence[str],
    ) -> None:
        """What the recordings have to choose from."""
        self._found, self._root = found, root
        for box, names in (
            (self.column, columns),
            (self.column_source, ["", *sources]),
            (self.field, fields),
        ):
            _offer(box, names)

    def offer_table_columns(self, names: Sequence[str]) -> None:
        """Columns of the table that is named."""
        for box, first in (
            (self.table_key, [""]), (self.table_label, []), (self.table_time, []),
            (self.table_duration, [""]),
        ):  # fmt: skip
            _offer(box, [*first, *names])

    def set_kind(self, kind: str) -> None:
        """Show the form of a kind."""
        self.forms.setCurrentIndex(KINDS.index(kind))

    @property
    def kind(self) -> str:
        return KINDS[self.forms.currentIndex()]

    def set_labels(self, labels: LabelsConfig) -> None:
        """Show labels, unless the fields say just that."""
        values = labels.model_dump(exclude={"mapping", "classes"})
        if values == self._shown:
            return
        self._shown = values
        self._filling = True
        self.set_kind(labels.kind)
        self.cover.set_value(labels.min_cover)
        getattr(self, f"_show_{labels.kind}")(labels)
        self._filling = False

    def said(self) -> dict[str, Any]:
        """The labels as a run file has them, without mapping and classes. ValueError in words."""
        values = {"kind": self.kind, **self._readers[self.kind]()}
        for key, problem in (
            ("pattern", self.tr("Name the file that holds the labels.")),
            ("column", self.tr("Choose the column that holds the labels.")),
            ("label_column", self.tr("Choose the column with the label.")),
            ("time_column", self.tr("Choose the column with the time.")),
            ("field", self.tr("Choose the field that says the label.")),
        ):
            if values.get(key) == "":
                raise ValueError(problem)
        cover = self.cover.value()
        if cover is not None:
            values["min_cover"] = cover
        return values

    def _said_table(self) -> dict[str, Any]:
        csv: dict[str, Any] = {}
        if self.table_separator.text():
            csv["separator"] = self.table_separator.text().replace("\\t", "\t")
        if self.table_decimal.currentData() is not None:
            csv["decimal"] = self.table_decimal.currentData()
        if self.table_header.currentData() is not None:
            csv["header"] = self.table_header.currentData()
        if self.table_skip.value():
            csv["skip_rows"] = self.table_skip.value()
        if self.table_comment.text().strip():
            csv["comment"] = self.table_comment.text().strip()
        columns = [name.strip() for name in self.table_columns.text().split(",") if name.strip()]
        if columns:
            csv["columns"] = columns
        return {
            "pattern": self.table_pattern.text().strip(),
            "key_column": self.table_key.currentText().strip() or None,
            "key": self.table_key_means.currentData(),
            "time_column": self.table_time.currentText().strip(),
            "time_unit": self.table_unit.currentData(),
            "clock": self.table_clock.currentData(),
            "duration_column": self.table_duration.currentText().strip() or None,
            "period_s": self.table_period.value(),
            "label_column": self.table_label.currentText().strip(),
            "csv": csv,
        }

    def _said_epochs(self) -> dict[str, Any]:
        text = self.epochs_column.text().strip()
        length = self.epochs_length.value()
        if length is None:
            raise ValueError(self.tr("Say how long an epoch is."))
        return {
            "pattern": self.epochs_pattern.text().strip(),
            "epoch_s": length,
            "offset_s": self.epochs_offset.value() or 0.0,
            "skip_rows": self.epochs_skip.value(),
            "column": int(text) if text.isdigit() else text or None,
        }

    def _show_annotations(self, labels: Any) -> None:
        put(self.annotation_pattern, labels.pattern or "")

    def _show_column(self, labels: Any) -> None:
        self.column.setCurrentText(labels.column)
        self.column_source.setCurrentText(labels.source or "")

    def _show_table(self, labels: Any) -> None:
        put(self.table_pattern, labels.pattern)
        self.table_key.setCurrentText(labels.key_column or "")
        choose(self.table_key_means, labels.key)
        self.table_time.setCurrentText(labels.time_column)
        choose(self.table_unit, labels.time_unit)
        choose(self.table_clock, labels.clock)
        self.table_duration.setCurrentText(labels.duration_column or "")
        self.table_period.set_value(labels.period_s)
        self.table_label.setCurrentText(labels.label_column)
        put(self.table_separator, (labels.csv.separator or "").replace("\t", "\\t"))
        choose(self.table_decimal, labels.csv.decimal)
        choose(self.table_header, False if labels.csv.header is False else None)
        self.table_skip.setValue(labels.csv.skip_rows or 0)
        put(self.table_comment, labels.csv.comment or "")
        put(self.table_columns, ", ".join(labels.csv.columns or ()))

    def _show_file(self, labels: Any) -> None:
        put(self.file_pattern, labels.pattern)
        choose(self.file_format, labels.format)
        self.file_epoch.set_value(labels.epoch_s)
        self.file_offset.set_value(labels.offset_s or None)
        put(self.file_rater, labels.rater or "")

    def _show_epochs(self, labels: Any) -> None:
        put(self.epochs_pattern, labels.pattern)
        self.epochs_length.set_value(labels.epoch_s)
        self.epochs_offset.set_value(labels.offset_s or None)
        self.epochs_skip.setValue(labels.skip_rows)
        put(self.epochs_column, "" if labels.column is None else str(labels.column))

    def _show_field(self, labels: Any) -> None:
        self.field.setCurrentText(labels.field)

    def _tell(self) -> None:
        if not self._filling:
            self._shown = None
            self.changed.emit()


def _offer(box: QComboBox, names: Sequence[str]) -> None:
    """Other entries; what is chosen or typed stays."""
    wanted = list(dict.fromkeys(names))
    if [box.itemText(k) for k in range(box.count())] == wanted:
        return
    text = box.currentText()
    box.blockSignals(True)
    box.clear()
    box.addItems(wanted)
    box.setCurrentText(text)
    box.blockSignals(False)
