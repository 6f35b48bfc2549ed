"""Heat map under the traces: what the model says of each window under each subset of the
modalities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QKeyEvent, QPainter, QPalette, QPen, QResizeEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QScrollBar, QVBoxLayout, QWidget

from core.colours import OKABE_ITO
from core.evaluate import predicted_classes
from core.report import kept_name
from core.window_store import RecordingWindows
from ui.epoch_layer import View
from ui.time_plot import clock_text
from ui.window_lane import (
    FAINTEST,
    ORANGE,
    Cells,
    Columns,
    LaneRow,
    OneLine,
    Picture,
    WindowLane,
    argb,
    class_colours,
    mixed,
    visible,
    write_names,
)

MODES = ("class", "agreement", "confidence")
"""What the colours can mean."""
BLUE = OKABE_ITO[0]
LEAST_ROWS, USUAL_ROWS = 3, 9
MARK = "▸ "


class SubsetLane(WindowLane):
    """One row per subset, from all modalities over those without one down to single ones.

    A click goes to the window and chooses the subset, a click on a row's name chooses it alone.
    With the keyboard, Up and Down go from row to row. Cells are hatched where nothing of a subset
    is present, and lined where a part of it is missing.
    """

    subset_chosen = Signal(tuple)
    """Numbers of the modalities that are to be kept."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._windows: RecordingWindows | None = None
        self._colours: dict[str, str] = {}
        self._kept: tuple[int, ...] | None = None
        self._row = 0
        self._codes: dict[int, np.ndarray] = {}
        self._picture: tuple[object, Picture] | None = None
        self.setAccessibleName(self.tr("Predictions under every subset of the modalities"))
        self.plot.setAccessibleName(self.tr("Subsets of the modalities over time"))
        self.plot.hideAxis("bottom")
        self.axis.row_clicked.connect(self._on_name)
        self._make_controls()
        self._scroll = QScrollBar(Qt.Orientation.Vertical)
        self._scroll.setAccessibleName(self.tr("Subsets shown"))
        self._scroll.setToolTip(self.tr("Other subsets (Up, Down)"))
        self._scroll.valueChanged.connect(self._show_rows)
        middle = QHBoxLayout()
        middle.setContentsMargins(0, 0, 0, 0)
        middle.setSpacing(0)
        middle.addWidget(self.plot, 1)
        middle.addWidget(self._scroll)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(self._controls)
        layout.addLayout(middle, 1)
        self._take_rows()
        self._say_cursor()

    def _make_controls(self) -> None:
        self.mode_choice = QComboBox()
        self.mode_choice.setAccessibleName(self.tr("What the colours of the subsets mean"))
        self.mode_choice.setToolTip(self.tr("What the colours of the subsets mean (Alt+B)"))
        for mode, text in zip(
            MODES,
            (
                self.tr("predicted class"),
                self.tr("agreement with all"),
                self.tr("confidence"),
            ),
            strict=True,
        ):
            self.mode_choice.addItem(text, mode)
        self.mode_choice.currentIndexChanged.connect(self._on_mode)
        label = QLabel(self.tr("Su&bsets by"))
        label.setBuddy(self.mode_choice)
        self._legend = QLabel()
        self._legend.setTextFormat(Qt.TextFormat.PlainText)
        self._legend.setAccessibleName(self.tr("What the colours mean"))
        self._says = OneLine()
        self._says.setAccessibleName(self.tr("Cell under the mouse"))
        self._controls = QHBoxLayout()
        self._controls.setContentsMargins(8, 2, 8, 0)
        self._controls.setSpacing(8)
        for widget in (label, self.mode_choice, self._legend):
            self._controls.addWidget(widget)
        self._controls.addWidget(self._says, 1)

    # -- what is shown

    @property
    def mode(self) -> str:
        """One of `MODES`."""
        return str(self.mode_choice.currentData())

    def set_mode(self, mode: str) -> None:
        """What the colours are to mean. ValueError where that is none of `MODES`."""
        self.mode_choice.setCurrentIndex(MODES.index(mode))

    @property
    def read_out(self) -> str:
        """What lies under the mouse or the cursor."""
        return self._says.whole

    def set_windows(
        self, windows: RecordingWindows | None, colours: dict[str, str] | None = None
    ) -> None:
        """Show what a run says of a recording; nothing for None. `colours` by name of the class."""
        if windows is not self._windows:
            self._codes = {}
            self._row = 0
        self._windows, self._colours = windows, dict(colours or {})
        self._picture = None
        if windows is None:
            self.set_cells(Cells(np.empty(0), np.empty(0)))
        else:
            self.set_cells(Cells(windows.starts_s, windows.ends_shown_s()))
        self._says.say("")
        self._take_rows()
        self.show_legend()
        self._say_cursor()

    def set_kept(self, kept: Sequence[int]) -> None:
        """The subset that everything else is drawn under; its row is marked."""
        wanted = tuple(sorted(kept))
        if wanted == self._kept:
            return
        self._kept = wanted
        self._name_rows()
        self.show_legend()
        row = self.kept_row
        if row is not None:
            self._row = row
            self._bring(row)
        self.item.update()

    @property
    def kept_row(self) -> int | None:
        """The row of the kept subset; None where it was not asked."""
        if self._windows is None or self._kept is None:
            return None
        return self._windows.row_of(self._kept)

    def kept_name(self, row: int) -> str:
        """The subset of a row in the fewest words, as the report has it."""
        assert self._windows is not None
        modalities, kept = self._windows.modalities, self._windows.subsets.kept[row]
        names = [modalities[k] for k in kept]
        return kept_name(names, modalities, self.tr("all"), self.tr("without {name}"))

    # -- rows

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self._windows.subsets.kept) if self._windows is not None else 0

    def _line_px(self) -> int:
        return max(QFontMetrics(self.font()).height(), 12)

    def _take_rows(self) -> None:
        self._name_rows()
        rows = min(max(self.count, 1), LEAST_ROWS)
        self.plot.setMinimumHeight(rows * self._line_px() + 4)
        self.fit_minimum()
        self.updateGeometry()
        self._fit_scroll()

    def _name_rows(self) -> None:
        marked = self.kept_row
        self.axis.set_rows(
            [
                LaneRow(
                    str(row),
                    (MARK if row == marked else "") + self.kept_name(row),
                    1.0,
                    is_marked=row == marked,
                )
                for row in range(self.count)
            ]
        )

    def _fit_scroll(self) -> None:
        """All rows where they have room, else as many as fit."""
        fits = max(int(self.plot.height() / self._line_px()), 1)
        shown = min(max(self.count, 1), fits)
        self._scroll.setRange(0, max(self.count - shown, 0))
        self._scroll.setPageStep(shown)
        self._scroll.setVisible(self.count > shown)
        self._show_rows()

    def _show_rows(self) -> None:
        top = self._scroll.value()
        self.plot.setYRange(-(top + self._scroll.pageStep()), -top, padding=0)

    def _bring(self, row: int) -> None:
        """Scroll as little as a row needs to be seen."""
        top, shown = self._scroll.value(), self._scroll.pageStep()
        if row < top:
            self._scroll.setValue(row)
        elif row >= top + shown:
            self._scroll.setValue(row - shown + 1)

    def sizeHint(self) -> QSize:
        rows = min(max(self.count, 1), USUAL_ROWS)
        least = self.minimumSizeHint()
        missing = rows * self._line_px() + 4 - self.plot.minimumHeight()
        return QSize(max(least.width(), 600), least.height() + max(missing, 0))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        # The plot has its new size only when the layout has gone through.
        self.layout().activate()
        self._fit_scroll()

    def on_font(self) -> None:
        self._take_rows()

    # -- mouse and keys

    def click(self, time_s: float, y: float) -> None:
        row = self.axis.row_at(y)
        if row is not None:
            self._row = row
            self._choose(row)
        super().click(time_s, y)

    def _on_name(self, row: int) -> None:
        self._row = row
        self.item.update()
        self._choose(row)

    def _choose(self, row: int) -> None:
        assert self._windows is not None
        self.subset_chosen.emit(self._windows.subsets.kept[row])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        moves = {
            Qt.Key.Key_Up: -1,
            Qt.Key.Key_Down: 1,
            Qt.Key.Key_PageUp: -self._scroll.pageStep(),
            Qt.Key.Key_PageDown: self._scroll.pageStep(),
        }
        by = moves.get(event.key())
        if not self.count or by is None or event.modifiers():
            super().keyPressEvent(event)
            return
        self._row = min(max(self._row + by, 0), self.count - 1)
        self._bring(self._row)
        self._say_cursor()
        self.item.update()
        self.say(self.describe_cursor())

    def go_to_cursor(self, row: int) -> None:
        self._choose(self._row)
        super().go_to_cursor(row)

    def keys_in_words(self) -> str:
        return self.tr(
            "Left and Right go from window to window, Up and Down from subset to subset. Return "
            "shows the window and chooses the subset."
        )

    def _on_mode(self) -> None:
        self._picture = None
        self.show_legend()
        self.item.update()

    # -- words

    def describe(self, time_s: float) -> str:
        return self._describe(time_s, self._row)

    def describe_at(self, time_s: float, y: float) -> str:
        row = self.axis.row_at(y)
        return self._describe(time_s, row) if row is not None else ""

    def describe_cursor(self) -> str:
        if self.cursor is None:
            return self.kept_name(self._row) if self.count else ""
        return super().describe_cursor()

    def _describe(self, time_s: float, row: int) -> str:
        windows, window = self._windows, self.cells.at(time_s)
        if windows is None or window is None or row >= self.count:
            return ""
        start = float(windows.starts_s[window])
        kept = windows.subsets.kept[row]
        parts = [
            f"{clock_text(start)}–{clock_text(start + windows.length_s)}",
            self.tr("{subset}: {answer}").format(
                subset=self.kept_name(row), answer=self._answer(row, window)
            ),
        ]
        if row and self.codes(row)[window] != self.codes(0)[window]:
            parts.append(
                self.tr("with all modalities {answer}").format(answer=self._answer(0, window))
            )
        missing = [windows.modalities[k] for k in kept if not windows.present[window, k]]
        if missing:
            parts.append(self.tr("missing: {names}").format(names=", ".join(missing)))
        return " · ".join(parts)

    def _answer(self, row: int, window: int) -> str:
        assert self._windows is not None
        code = int(self.codes(row)[window])
        if code < 0:
            return self.tr("no answer")
        sure = float(self._windows.subsets.probabilities[row, window, code])
        return f"{self._windows.classes[code]} {sure:.2f}"

    def say(self, text: str) -> None:
        self._says.say(text)
        super().say(text)

    def show_legend(self) -> None:
        if self._windows is None:
            self._legend.setText(self.tr("There are no predictions of this recording."))
            return
        texts = {
            "class": "",
            "agreement": self.tr("strong: another class than with all"),
            "confidence": self.tr("strong: sure"),
        }
        present = self._windows.present
        parts = [texts[self.mode]]
        if not present.any(axis=1).all():
            parts.append(self.tr("hatched: nothing is present"))
        if (present.any(axis=1) & ~present.all(axis=1)).any():
            parts.append(self.tr("lined: a part is missing"))
        if self._kept is not None and self.kept_row is None:
            nothing = self.tr("all modalities are off")
            other = self.tr("the chosen subset was not asked")
            parts.append(other if self._kept else nothing)
        self._legend.setText(" · ".join(filter(None, parts)))

    # -- drawing

    def codes(self, row: int) -> np.ndarray:
        """Class of each window under the subset of a row, int16 (windows,), -1 for none."""
        if row not in self._codes:
            assert self._windows is not None
            answers = self._windows.subsets.probabilities[row]
            self._codes[row] = predicted_classes(answers).astype(np.int16)
        return self._codes[row]

    def _on_palette(self) -> None:
        self._picture = None
        super()._on_palette()

    def draw(self, painter: QPainter, view: View) -> None:
        windows = self._windows
        if windows is None or not len(windows):
            return
        first = max(int(-view.y_range[1] + 1e-6), 0)
        last = min(int(np.ceil(-view.y_range[0] - 1e-6)), self.count)
        key = (view, self.mode, first, last)
        if self._picture is None or self._picture[0] != key:
            self._picture = (key, self._paint(windows, view, first, last))
        self._picture[1].draw(painter)
        if self.mode == "class":
            painter.setFont(self.plot.font())
            colours = class_colours(windows.classes, self._colours, self.soft(0.0))
            # Names have room only where windows are wide: then there are few.
            if view.per_second * float(np.median(self.cells.lengths_s)) >= 4:
                for row in range(first, last):
                    place = (view.y(-row) + 1, view.y(-row - 1) - 1)
                    codes = self.codes(row)
                    write_names(painter, view, self.cells, codes, windows.classes, colours, place)
        self._draw_marks(painter, view)

    def _paint(self, windows: RecordingWindows, view: View, first: int, last: int) -> Picture:
        picture = Picture(view)
        columns = Columns(self.cells, picture.edges_s)
        rows = range(first, last)
        codes = np.stack([self.codes(row) for row in rows])
        colours = self._pixels(windows, columns, codes, rows)
        there = columns.last > columns.first
        none = columns.average(codes < 0) > 0.5
        present = windows.present
        missing = np.stack([~present[:, windows.subsets.kept[row]].all(axis=1) for row in rows])
        lined = columns.average(missing) > 0.5
        pale = argb(self.soft(0.06))
        for k, row in enumerate(rows):
            place = picture.rows(-row, -row - 1)
            picture.fill(place, pale, there)
            picture.fill(place, colours[k], there & ~none[k])
            picture.hatch(place, argb(self.soft(0.55)), none[k])
            picture.hatch(place, argb(self.soft(0.75)), lined[k] & ~none[k], rising=False)
        return picture

    def _pixels(
        self, windows: RecordingWindows, columns: Columns, codes: np.ndarray, rows: range
    ) -> np.ndarray:
        """A colour for each row and column, uint32 (rows, columns)."""
        pale = self.soft(0.06)
        if self.mode == "class":
            colours = class_colours(windows.classes, self._colours, self.soft(0.0))
            table = np.array([*(argb(colour) for colour in colours), argb(pale)], np.uint32)
            return table[columns.leading(codes, len(colours))]
        if self.mode == "agreement":
            other = np.where(codes >= 0, codes != self.codes(0), np.nan)
            share = np.nan_to_num(columns.average(other))
            strength = np.where(share > 0, FAINTEST + (1 - FAINTEST) * share, 0.0)
            return mixed(visible(ORANGE, self.soft(0.0)), self.soft(0.14), strength)
        sure = windows.subsets.probabilities[rows.start : rows.stop].max(axis=2)
        chance = 1 / max(len(windows.classes), 2)
        share = (np.nan_to_num(columns.average(sure)) - chance) / (1 - chance)
        return mixed(visible(BLUE, self.soft(0.0)), pale, np.clip(share, 0.0, 1.0))

    def _draw_marks(self, painter: QPainter, view: View) -> None:
        """The kept subset outlined, and the cell of the cursor."""
        marked = self.kept_row
        if marked is not None:
            top, bottom = round(view.y(-marked)), round(view.y(-marked - 1))
            rect = QRectF(view.area.left(), top, view.area.width() - 1, bottom - top - 1)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self.plot.palette().color(QPalette.ColorRole.Highlight), 1))
            painter.drawRect(rect)
            painter.setPen(QPen(self.plot.text_colour(), 1))
            painter.drawRect(rect.adjusted(1, 1, -1, -1))
        self.draw_cursor(painter, view)
        if self.cursor is not None:
            self.draw_cursor(
                painter, view, round(view.y(-self._row)), round(view.y(-self._row - 1))
            )
