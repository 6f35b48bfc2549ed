"""What a model says of a recording over time: class, probabilities, confidence, where it differs
from the labels, and how easily it changes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from PySide6.QtCore import QLineF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from core.prediction_table import PredictionTable, view_of_table
from core.window_view import WindowView
from ui.agreement_strip import DISAGREE_COLOUR
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
    Totals,
    WindowLane,
    argb,
    blend,
    class_colours,
    draw_missing,
    legend_entry,
    missing_rows,
    mixed,
    row_edges,
    visible,
    write_names,
)

ROWS = (
    *("predicted", "changed", "probabilities", "confidence", "label", "differs", "fragility"),
    "missing",
)
"""From top to bottom. Rows that have nothing to show are left out."""
MOST_STEPS = 8
"""Up to so many classes each has its own height; more share one row, with their names in it."""
PALE = 0.3
"""Of the colour of a class that the model is unsure about."""
REST = 0.2
"""Strength of the grey of probabilities that are not known."""


class PredictionStrip(WindowLane):
    """The windows of a recording under the modalities that are switched on.

    Each class has its own height and colour. Unsure windows are pale and hatched, windows without
    an answer are hatched all over; where there is no window, nothing is drawn.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view: WindowView | None = None
        self._colours: dict[str, str] = {}
        self._shown_rows: tuple[str, ...] = ROWS
        self._is_table = False  # it knows neither switches nor whom the final model has seen
        self._parts: _Parts | None = None
        self._legend = QLabel()
        self._legend.setTextFormat(Qt.TextFormat.RichText)
        self._legend.setWordWrap(True)
        self._legend.setAccessibleName(self.tr("Classes and their colours"))
        self.setAccessibleName(self.tr("Predictions over time"))
        self.plot.setAccessibleName(self.tr("Labels and predictions over time"))
        self._read_out = OneLine()
        self._read_out.setAccessibleName(self.tr("Window under the mouse"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for label in (self._legend, self._read_out):
            label.setContentsMargins(8, 0, 8, 0)
        layout.addWidget(self._legend)
        layout.addWidget(self.plot, 1)
        layout.addWidget(self._read_out)
        self._take_rows()
        self.show_legend()
        self._say_cursor()

    @property
    def read_out(self) -> str:
        """What lies under the mouse or the cursor."""
        return self._read_out.whole

    @property
    def view(self) -> WindowView | None:
        return self._view

    @property
    def rows(self) -> tuple[str, ...]:
        """Names of the rows that are drawn now."""
        return tuple(dict.fromkeys(row.id.split()[0] for row in self.axis.rows))

    # -- what is shown

    def set_view(self, view: WindowView | None, colours: dict[str, str] | None = None) -> None:
        """Show the windows of one recording; nothing for None. `colours` by name of the class."""
        self._is_table = False
        self._take(view, colours or {})

    def set_predictions(self, table: PredictionTable | None, classes: Sequence[str]) -> None:
        """Show the windows of one recording as a table has them; nothing for None."""
        self._is_table = True
        self._take(view_of_table(table, classes) if table is not None else None, {})

    def set_rows(self, names: Sequence[str]) -> None:
        """Show only some of `ROWS`. ValueError for another name."""
        unknown = set(names) - set(ROWS)
        if unknown:
            raise ValueError(f"no rows of the strip: {', '.join(sorted(unknown))}")
        self._shown_rows = tuple(name for name in ROWS if name in names)
        self._take_rows()

    def _take(self, view: WindowView | None, colours: dict[str, str]) -> None:
        was_empty = self._view is None
        self._view, self._colours = view, dict(colours)
        self._parts = None
        if view is None:
            self.set_cells(Cells(np.empty(0), np.empty(0)))
            self._read_out.say("")
        else:
            old = self.cells
            is_same = view.starts_s is old.starts_s and np.array_equal(view.ends_s, old.ends_s)
            self.set_cells(old if is_same else Cells(view.starts_s, view.ends_s))
            if was_empty:
                self._read_out.say(self.tr("Point at a window to read it."))
            elif self.cursor is not None and self.hasFocus():
                self._read_out.say(self.describe_cursor())
        self._take_rows()
        self.show_legend()
        self._say_cursor()

    # -- rows

    @property
    def _has_unknown(self) -> bool:
        """Whether there are answers of which not all probabilities are known."""
        view = self._view
        return view is not None and bool(
            (np.isnan(view.probabilities).any(axis=1) & (view.predicted >= 0)).any()
        )

    @property
    def _has_steps(self) -> bool:
        return self._view is not None and len(self._view.classes) <= MOST_STEPS

    def _take_rows(self) -> None:
        rows = self._make_rows()
        if rows != list(self.axis.rows) or not rows:
            self.axis.set_rows(rows)
            self.plot.setYRange(-max(float(row_edges(rows)[-1]), 3.0), 0.0, padding=0)
            self._fit_height()
        self.item.update()

    def _make_rows(self) -> list[LaneRow]:
        view = self._view
        if view is None:
            return []
        shown, rows = self._shown_rows, []
        count = len(view.classes)
        marks = tuple(((k + 0.5) / count, name) for k, name in enumerate(view.classes))
        marks = marks if self._has_steps else ()
        has_labels = bool((view.labels >= 0).any())
        if "predicted" in shown:
            weight = max(float(count), 4.0) if self._has_steps else 2.4
            rows.append(LaneRow("predicted", self.tr("predicted"), weight, self._seen(), marks))
        # Also while all are on: rows must not jump with the first switch.
        if "changed" in shown and len(view.modalities) > 1 and not self._is_table:
            rows.append(LaneRow("changed", self.tr("changed"), 1.1))
        if "probabilities" in shown:
            rows.append(LaneRow("probabilities", self.tr("probabilities"), 4.0))
        if "confidence" in shown:
            limit = self.tr("unsure < {x}").format(x=f"{view.threshold:.2f}")
            note = limit if view.threshold > 0 else ""
            rows.append(LaneRow("confidence", self.tr("confidence"), 3.0, note))
        if "label" in shown and has_labels:
            weight = max(0.7 * count, 2.8) if self._has_steps else 2.0
            rows.append(LaneRow("label", self.tr("label"), weight, "", marks))
        if "differs" in shown and has_labels:
            rows.append(LaneRow("differs", self.tr("differs"), 1.1))
        if "fragility" in shown and np.isfinite(view.fragility).any():
            rows.append(LaneRow("fragility", self.tr("fragility"), 2.4))
        if "missing" in shown:
            rows += missing_rows(view.present, view.modalities, self.tr("no {names}"))
        return rows

    def _seen(self) -> str:
        """Whether the model has seen the person, where it has."""
        view = self._view
        if view is None or self._is_table or not len(view) or view.held_out.all():
            return ""
        if view.held_out.any():
            return self.tr("partly seen in training")
        return self.tr("seen in training")

    def _fit_height(self) -> None:
        weight = float(row_edges(self.axis.rows)[-1])
        bottom = self.plot.getAxis("bottom").height()
        self.plot.setMinimumHeight(round(max(0.6 * self.row_px() * weight, 40) + bottom))
        self.fit_minimum()
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        weight = float(row_edges(self.axis.rows)[-1])
        more = round(0.4 * self.row_px() * weight)
        return QSize(600, max(self.minimumSizeHint().height(), self.minimumHeight()) + more)

    def on_font(self) -> None:
        self._fit_height()

    # -- words

    def describe(self, time_s: float) -> str:
        """The window at a time in words; empty where there is none."""
        view, row = self._view, self.cells.at(time_s)
        if view is None or row is None:
            return ""
        start = float(view.starts_s[row])
        parts = [f"{clock_text(start)}–{clock_text(start + view.length_s)}"]
        parts.append(self._say_predicted(view, row))
        if view.changed[row]:
            with_all = view.classes[int(view.full[row])]
            parts.append(self.tr("with all modalities {name}").format(name=with_all))
        label = int(view.labels[row])
        if label >= 0:
            parts.append(self.tr("label {name}").format(name=view.classes[label]))
        else:
            parts.append(self.tr("no label"))
        if np.isfinite(view.confidence[row]):
            parts.append(self.tr("confidence {x}").format(x=f"{view.confidence[row]:.2f}"))
        probabilities = view.probabilities[row]
        if np.isfinite(probabilities).all() and len(probabilities):
            order = np.argsort(-probabilities, kind="stable")
            parts.append(", ".join(f"{view.classes[k]} {probabilities[k]:.2f}" for k in order))
        if np.isfinite(view.fragility[row]):
            parts.append(self.tr("fragility {x}").format(x=f"{view.fragility[row]:.2f}"))
        parts += self._say_present(view, row)
        if not self._is_table:
            held_out = view.held_out[row]
            parts.append(self.tr("held out") if held_out else self.tr("seen in training"))
        return " · ".join(parts)

    def _say_predicted(self, view: WindowView, row: int) -> str:
        likeliest = int(view.predicted[row])
        if likeliest >= 0:
            name = view.classes[likeliest]
            if view.unsure[row]:
                return self.tr("unsure, likeliest {name}").format(name=name)
            return self.tr("predicted {name}").format(name=name)
        if view.full[row] >= 0:
            return self.tr("no prediction: what is present is switched off")
        return self.tr("no modality present")

    def _say_present(self, view: WindowView, row: int) -> list[str]:
        kept = set(view.kept)
        groups: dict[str, list[str]] = {"on": [], "off": [], "missing": []}
        for k, name in enumerate(view.modalities):
            there = bool(view.present[row, k])
            groups["missing" if not there else "on" if k in kept else "off"].append(name)
        texts = {
            "on": self.tr("present: {names}"),
            "off": self.tr("switched off: {names}"),
            "missing": self.tr("missing: {names}"),
        }
        return [
            texts[group].format(names=", ".join(names)) for group, names in groups.items() if names
        ]

    def say(self, text: str) -> None:
        self._read_out.say(text)
        super().say(text)

    def show_legend(self) -> None:
        view = self._view
        if view is None:
            self._legend.setText(self.tr("There are no predictions of this recording."))
            return
        ground = self.palette().color(self.backgroundRole())
        soft = self.palette().color(self.foregroundRole())
        colours = class_colours(view.classes, self._colours, ground)
        pairs = zip(colours, view.classes, strict=True)
        entries = [legend_entry(colour, name) for colour, name in pairs]
        if view.threshold > 0:
            limit = self.tr("unsure (below {x})").format(x=f"{view.threshold:.2f}")
            entries.append(legend_entry(soft, limit, "▨"))
        if (view.predicted < 0).any():
            entries.append(legend_entry(soft, self.tr("no answer"), "▨"))
        if self._has_unknown:
            entries.append(legend_entry(self.soft(REST), self.tr("other classes, unknown")))
        text = "&nbsp;&nbsp; ".join(entries)
        if text != self._legend.text():
            self._legend.setText(text)
            self.fit_minimum()

    # -- drawing

    def draw(self, painter: QPainter, view: View) -> None:
        shown = self._view
        if shown is None or not len(shown):
            return
        if self._parts is None:
            self._parts = _Parts(shown, self.cells)
        picture = Picture(view)
        columns = Columns(self.cells, picture.edges_s)
        brush = _Brush(self, shown, self._parts, picture, columns)
        edges = row_edges(self.axis.rows)
        for k, row in enumerate(self.axis.rows):
            kind, _, number = row.id.partition(" ")
            place = picture.rows(-edges[k], -edges[k + 1])
            if kind == "missing":
                missing = ~shown.present[:, int(number)]
                draw_missing(picture, columns, place, missing, self)
            else:
                getattr(brush, f"draw_{kind}")(place)
        picture.draw(painter)
        for k, row in enumerate(self.axis.rows):
            top, bottom = view.y(-edges[k]), view.y(-edges[k + 1])
            if row.id == "confidence" and shown.threshold > 0:
                y = round(bottom - 1 - shown.threshold * (bottom - top - 2))
                painter.setPen(QPen(self.plot.text_colour(), 1, Qt.PenStyle.DashLine))
                painter.drawLine(QLineF(view.area.left(), y, view.area.right(), y))
            elif row.id in ("predicted", "label") and not self._has_steps:
                codes = shown.assigned if row.id == "predicted" else shown.labels
                colours = class_colours(shown.classes, self._colours, self.soft(0.0))
                painter.setFont(self.plot.font())
                place = (top + 1, bottom - 1)
                write_names(painter, view, self.cells, codes, shown.classes, colours, place)
        self.draw_cursor(painter, view)


class _Parts:
    """What is drawn of a view, summed up over time; each part is made when it is first drawn."""

    def __init__(self, view: WindowView, cells: Cells) -> None:
        self._view, self._cells = view, cells

    def of_classes(self, codes: np.ndarray) -> Totals:
        """One value per class: 1 in its windows."""
        classes = np.arange(len(self._view.classes))
        return Totals(self._cells, codes == classes[:, None])

    @cached_property
    def labels(self) -> Totals:
        return self.of_classes(self._view.labels)

    @cached_property
    def assigned(self) -> Totals:
        return self.of_classes(self._view.assigned)

    @cached_property
    def unsure(self) -> Totals | None:
        """The likeliest classes of unsure windows."""
        view = self._view
        if not view.unsure.any():
            return None
        return self.of_classes(np.where(view.unsure, view.predicted, -1))

    @cached_property
    def probabilities(self) -> Totals:
        return Totals(self._cells, self._view.probabilities.T)

    @cached_property
    def states(self) -> Totals:
        """Whether there is a window, an answer; none as nothing is present; none as all that is
        present is switched off; unsure."""
        view = self._view
        answered, there = view.predicted >= 0, view.full >= 0
        every = np.ones(len(view), bool)
        return Totals(
            self._cells,
            np.stack([every, answered, ~answered & ~there, ~answered & there, view.unsure]),
        )

    @cached_property
    def curves(self) -> Totals:
        """Confidence and where it is known, fragility and where it is known."""
        view = self._view
        return Totals(
            self._cells,
            np.stack(
                [
                    view.confidence,
                    np.isfinite(view.confidence),
                    view.fragility,
                    np.isfinite(view.fragility),
                ]
            ),
        )


class _Brush:
    """Fills the rows of one picture."""

    def __init__(
        self,
        strip: PredictionStrip,
        view: WindowView,
        parts: _Parts,
        picture: Picture,
        columns: Columns,
    ) -> None:
        self._view, self._parts = view, parts
        self._picture, self._columns = picture, columns
        self._strip = strip
        self._ground, self._text = strip.soft(0.0), strip.soft(1.0)
        self._pale = strip.soft(0.06)
        self._colours = class_colours(view.classes, strip._colours, self._ground)
        self._has_steps = strip._has_steps

    @cached_property
    def _states(self) -> np.ndarray:
        return self._columns.shares(self._parts.states)

    @cached_property
    def _there(self) -> np.ndarray:
        """Columns that have a part of a window."""
        return self._states[0] > 0

    @cached_property
    def _curves(self) -> np.ndarray:
        return self._columns.shares(self._parts.curves)

    def _hatch_unanswered(self, rows: slice) -> None:
        """Rising lines where nothing is present, falling ones where it is switched off."""
        answered, absent, off = self._states[1:4]
        shade = argb(self._strip.soft(0.55))
        self._picture.hatch(rows, shade, (absent > answered) & (absent >= off))
        self._picture.hatch(rows, shade, (off > answered) & (off > absent), rising=False)

    # -- rows of classes

    def draw_predicted(self, rows: slice) -> None:
        self._picture.fill(rows, argb(self._pale), self._there)
        if self._has_steps:
            self._draw_steps(rows, self._parts.assigned, self._parts.unsure)
        else:
            self._draw_blocks(rows, self._view.predicted, self._view.unsure)
        self._hatch_unanswered(rows)

    def draw_label(self, rows: slice) -> None:
        self._picture.fill(rows, argb(self._pale), self._there)
        if self._has_steps:
            self._draw_steps(rows, self._parts.labels, None)
        else:
            self._draw_blocks(rows, self._view.labels, None)

    def _draw_steps(self, rows: slice, sure: Totals, unsure: Totals | None) -> None:
        covers = self._columns.shares(sure)
        pale = self._columns.shares(unsure) if unsure is not None else np.zeros_like(covers)
        height = (rows.stop - rows.start) / len(self._colours)
        for k, colour in enumerate(self._colours):
            top = rows.start + round(k * height)
            bottom = max(rows.start + round((k + 1) * height), top + 2)
            step = slice(top, bottom - (1 if bottom - top > 3 else 0))
            cover = covers[k]
            strength = np.where(cover > 0, FAINTEST + (1 - FAINTEST) * cover, 0.0)
            self._picture.fill(step, mixed(colour, self._pale, strength), cover > 0)
            doubtful = pale[k] > cover
            self._draw_pale(step, np.full(len(cover), argb(blend(colour, self._pale, PALE))),
                            np.full(len(cover), argb(colour)), doubtful)  # fmt: skip

    def _draw_blocks(self, rows: slice, codes: np.ndarray, unsure: np.ndarray | None) -> None:
        """One colour a column, of the class of most windows."""
        count = len(self._colours)
        leading = self._columns.leading(codes[None].astype(np.int32), count)[0]
        table = np.array([argb(colour) for colour in self._colours], np.uint32)
        faint = np.array([argb(blend(c, self._pale, PALE)) for c in self._colours], np.uint32)
        place = np.maximum(leading, 0)
        self._picture.fill(rows, table[place], leading >= 0)
        if unsure is not None and unsure.any():
            share = self._states[4]
            doubtful = (leading >= 0) & (share > 0.5 * self._states[1])
            self._draw_pale(rows, faint[place], table[place], doubtful)

    def _draw_pale(
        self, rows: slice, ground: np.ndarray, lines: np.ndarray, where: np.ndarray
    ) -> None:
        self._picture.fill(rows, ground, where)
        self._picture.hatch(rows, lines, where)

    # -- shares and curves

    def draw_probabilities(self, rows: slice) -> None:
        """Probabilities above each other; what is left of 1 is of classes that are not known."""
        answered = self._states[1]
        there = answered > 0
        shares = self._columns.shares(self._parts.probabilities)
        shares = shares / np.maximum(answered, 1e-12)
        borders = np.zeros((len(self._colours) + 2, len(answered)))
        np.cumsum(shares, axis=0, out=borders[1:-1])
        borders[-1] = 1.0
        # Rounded figures of a whole add up to nearly 1.
        borders[-2][borders[-2] > 0.99] = 1.0
        self._picture.fill(rows, argb(self._pale), self._there)
        rest = argb(self._strip.soft(REST))
        colours = [*(argb(colour) for colour in self._colours), rest]
        self._picture.stack(rows, borders, colours, there)
        self._hatch_unanswered(rows)

    def draw_confidence(self, rows: slice) -> None:
        known = self._curves[1]
        value = self._curves[0] / np.maximum(known, 1e-12)
        self._fill_up(rows, value, known > 0, self._strip.soft(0.5))
        if self._view.threshold > 0:
            below = (known > 0) & (self._states[4] > 0.5 * self._states[1])
            self._fill_up(rows, value, below, self._strip.soft(0.22), under=False)

    def draw_fragility(self, rows: slice) -> None:
        known = self._curves[3]
        value = self._curves[2] / np.maximum(known, 1e-12)
        self._fill_up(rows, value, known > 0, visible(ORANGE, self._ground))

    def _fill_up(
        self,
        rows: slice,
        value: np.ndarray,
        where: np.ndarray,
        colour: QColor,
        under: bool = True,
    ) -> None:
        """From the lower edge up to a value of 0 to 1, where there is one; `under` gives the
        other windows their ground."""
        pale = argb(self._pale)
        if under:
            self._picture.fill(rows, pale, self._there & ~where)
        borders = np.stack([np.zeros_like(value), 1 - value, np.ones_like(value)])
        self._picture.stack(rows, borders, [pale, argb(colour)], where)

    # -- rows of marks

    def draw_differs(self, rows: slice) -> None:
        """Every window that differs; a ground where there is something to differ from."""
        labelled = self._columns.any(self._view.labels >= 0)
        self._picture.fill(rows, argb(self._pale), labelled)
        colour = visible(DISAGREE_COLOUR, self._ground)
        self._picture.fill(rows, argb(colour), self._columns.any(self._view.differs))

    def draw_changed(self, rows: slice) -> None:
        """Every window of another class than with all modalities; hatched where it has none."""
        self._picture.fill(rows, argb(self._pale), self._there)
        changed = self._view.changed
        none_left = changed & (self._view.predicted < 0)
        where = self._columns.any(changed & ~none_left)
        self._picture.fill(rows, argb(self._text), where)
        hatched = self._columns.any(none_left) & ~where
        self._picture.hatch(rows, argb(self._text), hatched, rising=False)
