"""How a CSV file is read: the guesses, each with its reason, and a way to say otherwise."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QCloseEvent, QFontDatabase
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QPlainTextEdit,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.config import CsvConfig, make_csv_config
from core.csv_preview import CsvPreview, preview_csv
from core.errors import ConfigError
from core.progress import RunContext
from ui.jobs import LatestJob

# What the run file's keys may be set to here; texts as shown, and values.
_SETTINGS: dict[str, tuple[tuple[str, Any], ...]] = {
    "encoding": (("utf-8", "utf-8"), ("latin-1", "latin-1"), ("utf-16", "utf-16")),
    "layout": (("table", "table"), ("e4", "e4")),
    "separator": ((",", ","), (";", ";"), ("tab", "\t"), ("|", "|"), ("space", " ")),
    "decimal": ((".", "."), (",", ",")),
    "thousands": (("none", ""), (",", ","), (".", "."), ("space", " "), ("'", "'")),
    "header": (("yes", True), ("no", False)),
    "units_row": (("yes", True), ("no", False)),
    "skip_rows": (),
    "comment": (("#", "#"), ("%", "%"), ("//", "//")),
    "time_column": (("none", "none"),),
    "time_unit": (("s", "s"), ("ms", "ms"), ("us", "us"), ("iso", "iso")),
    "rate_hz": (),
    "max_gap_s": (),
}
_NUMBERS = {"skip_rows": int, "rate_hz": float, "max_gap_s": float}
_FREE = (*_NUMBERS, "separator", "comment", "time_column")


class CsvDialog(QDialog):
    """Shows the head of a file as it would be read; `config` is what the user said otherwise."""

    def __init__(self, path: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("How {name} is read").format(name=path.name))
        self.resize(1000, 700)
        self._path = path
        self.config = CsvConfig()
        self.preview: CsvPreview | None = None
        self._looking = LatestJob(self)
        self._looking.succeeded.connect(self._show)
        self._looking.failed.connect(self._refuse)

        self.editors: dict[str, QComboBox] = {}
        self.reasons: dict[str, QLabel] = {}
        form = QWidget()
        grid = QGridLayout(form)
        grid.setColumnStretch(2, 1)
        for row, (name, options) in enumerate(_SETTINGS.items()):
            editor = QComboBox()
            editor.addItem("", None)
            for text, value in options:
                editor.addItem(text, value)
            editor.setEditable(name in _FREE)
            editor.setMinimumWidth(180)
            editor.setAccessibleName(f"csv.{name}")
            editor.activated.connect(self._look)
            line = editor.lineEdit()
            if line is not None:
                line.editingFinished.connect(self._look)
            reason = QLabel()
            reason.setTextFormat(Qt.TextFormat.PlainText)
            reason.setWordWrap(True)
            grid.addWidget(QLabel(f"csv.{name}"), row, 0)
            grid.addWidget(editor, row, 1)
            grid.addWidget(reason, row, 2)
            self.editors[name], self.reasons[name] = editor, reason

        self.lines = QPlainTextEdit()
        self.lines.setReadOnly(True)
        self.lines.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.lines.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.table = QTableWidget()
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.problem = QLabel()
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        self.problem.setWordWrap(True)
        self._buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel
        )
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)

        parts = QSplitter(Qt.Orientation.Vertical)
        for part in (form, self.lines, self.table):
            parts.addWidget(part)
        column = QVBoxLayout(self)
        says = QLabel(self.tr("An empty setting is guessed; each guess is shown with its reason."))
        column.addWidget(says)
        column.addWidget(parts, 1)
        column.addWidget(self.problem)
        column.addWidget(self._buttons)
        self._asked: dict[str, Any] | None = None
        self._look()

    # -- asking

    def said(self) -> dict[str, Any]:
        """What the user set, by key; ConfigError for what is no number where one is due."""
        values: dict[str, Any] = {}
        for name, editor in self.editors.items():
            text = editor.currentText().strip(" ") or editor.currentText()
            if not text:
                continue
            options = dict(_SETTINGS[name])
            if text in options:
                values[name] = options[text]
            elif name in _NUMBERS:
                try:
                    values[name] = _NUMBERS[name](text.replace(",", "."))
                except ValueError:
                    raise ConfigError(f"csv.{name}: '{text}' is no number.") from None
            else:
                values[name] = text
        return values

    def _look(self) -> None:
        try:
            values = self.said()
            if values == self._asked:
                return
            self._asked = values
            config = make_csv_config(values, self.tr("settings"))
        except ConfigError as error:
            self._looking.drop()
            self._asked = None
            self._refuse(error)
            return
        self.config = config
        self._looking.start(partial(_preview, self._path, config))

    # -- showing

    def _show(self, preview: CsvPreview) -> None:
        self.preview = preview
        self.lines.setPlainText("\n".join(preview.lines))
        for name, reason in self.reasons.items():
            known = [choice for choice in preview.choices if choice.name == name]
            if not known:
                reason.setText("")
                continue
            choice = known[0]
            value = _shown(choice.value)
            reason.setText(f"{value} – {choice.reason}" if choice.guessed else choice.reason)
            line = self.editors[name].lineEdit()
            if line is not None:
                line.setPlaceholderText(value)
        self._offer_columns(preview)
        self._fill_table(preview)
        self.problem.setText(preview.problem)
        self.problem.setVisible(bool(preview.problem))
        self._open_button().setEnabled(not preview.problem)

    def _offer_columns(self, preview: CsvPreview) -> None:
        editor = self.editors["time_column"]
        text = editor.currentText()
        offered = {editor.itemText(number) for number in range(editor.count())}
        for column in preview.columns:
            if column.name not in offered:
                editor.addItem(column.name, column.name)
        editor.setCurrentText(text)

    def _fill_table(self, preview: CsvPreview) -> None:
        self.table.clear()
        self.table.setColumnCount(len(preview.columns))
        self.table.setRowCount(len(preview.texts))
        heads = [
            f"{column.name}\n{column.role}" + (f" [{column.unit}]" if column.unit else "")
            for column in preview.columns
        ]
        self.table.setHorizontalHeaderLabels(heads)
        for row, cells in enumerate(preview.texts):
            for number, cell in enumerate(cells):
                item = QTableWidgetItem("" if cell is None else cell)
                item.setToolTip(f"{preview.numbers[row, number]:g}")
                self.table.setItem(row, number, item)

    def _refuse(self, error: BaseException) -> None:
        self.problem.setText(str(error))
        self.problem.setVisible(True)
        self._open_button().setEnabled(False)

    def _open_button(self) -> QWidget:
        return self._buttons.button(QDialogButtonBox.StandardButton.Open)

    # -- ending

    def done(self, result: int) -> None:
        self._looking.shut_down()
        super().done(result)

    def closeEvent(self, event: QCloseEvent) -> None:
        self._looking.shut_down()
        super().closeEvent(event)


def _preview(path: Path, config: CsvConfig, context: RunContext) -> CsvPreview:
    del context
    return preview_csv(path, config)


def _shown(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return {"\t": "tab", " ": "space"}.get(str(value), str(value))
