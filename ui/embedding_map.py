"""A map of all windows by their embeddings: coloured, lassoed, linked both ways with the traces.

Points are stamped into an image with numpy in one pass, so that 50,000 of them follow the mouse.
Labelled windows are filled, unlabelled ones hollow; where colours repeat, shapes tell them apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Literal

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QGuiApplication,
    QHelpEvent,
    QIcon,
    QImage,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPalette,
    QPen,
    QPixmap,
    QPolygonF,
    QResizeEvent,
    QShortcut,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QListView,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from ui.icons import keep_icon
from ui.label_palette import class_chip
from ui.overview_bar import seen_on
from ui.study_panel import percent_text
from ui.time_plot import class_colour, clock_text

ColourBy = Literal["label", "prediction", "subject", "recording", "fragility", "confidence"]

MOST_DRAWN = 50_000
"""Of more windows an even part is drawn; all of them can be chosen."""
REACH_PX = 8
"""How near to a window the mouse must be to mean it."""
LEAST_DRAG_PX = 4
LASSO_STEP_PX = 3
"""Corners of a lasso that are nearer to each other are one."""
ZOOM = 1.25
PAN = 0.1
"""Of the width or height, for one press of a key."""
CLOSEST, FARTHEST = 400.0, 0.5
"""Limits of zooming, as multiples of the scale at which all is seen."""
HALO_UP_TO = 5_000
"""Windows drawn with an edge in the colour of the ground, which keeps neighbours apart."""
MOST_MARKED = 2_000
"""Windows on the screen that are marked; of more, an even part."""
ATTENTION = QColor("#D55E00")
"""End of the ramps of fragility and doubt."""
RAMP_STEPS = 5
SHAPES = ("disc", "square", "triangle", "diamond", "cross")
_DARK_END = QColor("#FF9A4D")
_SOFT = 0.55
"""Of the ground in what is not chosen, while something is."""
_HOLLOW = 0.82
"""Of the ground inside the rim of an unlabelled window."""


@dataclass(frozen=True, eq=False)
class MapData:
    """What is known of the windows of a map, row by row.

    Attributes
    ----------
    labels, predicted: int64 (windows,), places in `classes`, -1 for none.
    subject_index, recording_index: int64 (windows,), places in `subjects` and `recordings`.
    fragility, confidence: float32 (windows,), 0 to 1, NaN where not known.
    starts_s: float64 (windows,), seconds from the start of the recording.
    colours: by class, `#rrggbb`; classes that are not in it get one of the series.
    """

    labels: np.ndarray
    predicted: np.ndarray
    subject_index: np.ndarray
    subjects: tuple[str, ...]
    recording_index: np.ndarray
    recordings: tuple[str, ...]
    fragility: np.ndarray
    confidence: np.ndarray
    starts_s: np.ndarray
    classes: tuple[str, ...]
    colours: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    def class_colour(self, number: int) -> QColor:
        """Colour of a class by its place."""
        named = self.colours.get(self.classes[number])
        return QColor(named) if named is not None else class_colour(number)


@dataclass(frozen=True)
class Group:
    """An entry of the legend: windows of one colour and shape.

    `is_hollow`: none of them can have a label.
    """

    name: str
    count: int
    colour: QColor
    shape: str
    is_hollow: bool = False


class EmbeddingMap(QWidget):
    """The map with its legend and what can be done with chosen windows.

    It asks and never acts: `projection_requested` for other points, `window_chosen` for the
    traces, `list_requested` and `label_requested` for the chosen windows.
    """

    window_chosen = Signal(int)
    """A window by its row, to be shown in the traces."""
    rows_selected = Signal(object)
    """Rows of the chosen windows, int64, rising."""
    list_requested = Signal(object)
    """The same rows, to be listed."""
    label_requested = Signal(object, str)
    """The same rows, and the class that they should get."""
    projection_requested = Signal(str)
    """`PCA` or `UMAP`."""

    def __init__(self, parent: QWidget | None = None, *, umap_available: bool = False) -> None:
        """`umap_available`: whether UMAP can be asked for; else it says what is missing."""
        super().__init__(parent)
        self._data: MapData | None = None
        self._groups: tuple[Group, ...] = ()
        self._codes = np.empty(0, np.int64)
        self._shown_projection = "PCA"
        self._explained: tuple[float, ...] = ()
        self._busy = ""
        self._why_locked = ""

        self.projection = QComboBox()
        self.projection.setAccessibleName(self.tr("Map"))
        self.projection.addItems(["PCA", "UMAP"])
        self.projection.setToolTip(
            self.tr("How windows become points: PCA at once, UMAP after a while")
        )
        self.set_umap_available(umap_available)
        self.colour_by = QComboBox()
        self.colour_by.setAccessibleName(self.tr("Colour"))
        self.colour_by.setToolTip(self.tr("What the colours of the windows say"))
        for text, by in (
            (self.tr("label"), "label"),
            (self.tr("prediction"), "prediction"),
            (self.tr("subject"), "subject"),
            (self.tr("recording"), "recording"),
            (self.tr("fragility"), "fragility"),
            (self.tr("confidence"), "confidence"),
        ):
            self.colour_by.addItem(text, by)
        for box in (self.projection, self.colour_by):
            box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.projection.activated.connect(self._on_projection)
        self.colour_by.currentIndexChanged.connect(self._regroup)
        form = QFormLayout()
        form.addRow(self.tr("Map"), self.projection)
        form.addRow(self.tr("Colour"), self.colour_by)

        self.canvas = _Canvas(self)
        self.canvas.chosen.connect(self.window_chosen)
        self.canvas.selected.connect(self._on_selected)
        self.lasso = QToolButton()
        self.lasso.setText(self.tr("Lasso"))
        self.lasso.setCheckable(True)
        self.lasso.setToolTip(
            self.tr("Draw around windows to choose them (Ctrl+L, or drag with Shift)")
        )
        self.lasso.toggled.connect(self.canvas.set_lasso)
        shortcut = QShortcut(QKeySequence("Ctrl+L"), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(self.lasso.toggle)
        self.zoom_in = _tool(self.tr("Zoom in"), self.tr("Zoom in (+)"), "zoom-in")
        self.zoom_out = _tool(self.tr("Zoom out"), self.tr("Zoom out (−)"), "zoom-out")
        self.whole = _tool(self.tr("Whole"), self.tr("Show all windows (Home)"))
        self.zoom_in.clicked.connect(partial(self.canvas.zoom, ZOOM, None))
        self.zoom_out.clicked.connect(partial(self.canvas.zoom, 1 / ZOOM, None))
        self.whole.clicked.connect(self.canvas.show_whole)
        tools = QHBoxLayout()
        for tool in (self.lasso, self.zoom_in, self.zoom_out, self.whole):
            tools.addWidget(tool)
        tools.addStretch(1)

        self.caption = _says()
        self.legend = _Legend()
        self.legend.setAccessibleName(self.tr("Legend"))
        self.legend.setToolTip(
            self.tr("A click, or Enter, chooses all windows of an entry; with Ctrl in addition")
        )
        self.legend.entry_chosen.connect(self.select_group)
        self.selection_says = _says()
        self.list_button = QPushButton(self.tr("List"))
        self.list_button.setToolTip(self.tr("List the chosen windows, to walk through them"))
        self.list_button.clicked.connect(self._list)
        self.label_button = QPushButton(self.tr("Label as…"))
        self.label_menu = QMenu(self.label_button)
        self.label_button.setMenu(self.label_menu)
        buttons = QHBoxLayout()
        buttons.addWidget(self.selection_says, 1)
        buttons.addWidget(self.list_button)
        buttons.addWidget(self.label_button)

        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addLayout(form)
        column.addLayout(tools)
        column.addWidget(self.canvas, 1)
        column.addWidget(self.caption)
        column.addWidget(self.legend)
        column.addLayout(buttons)
        self._regroup()
        self._show_selection()

    # -- what is shown

    def set_points(
        self,
        points: np.ndarray | None,
        data: MapData | None,
        *,
        projection: str = "PCA",
        explained: Sequence[float] = (),
    ) -> None:
        """Show windows at points, float32 (windows, 2), NaN where there is none; None empties it.

        `projection` and `explained` say what made the points, as in `embedding_space.Projection`.
        Zoom and selection stay as long as points and windows stay.
        """
        if points is None or data is None:
            points, data = np.empty((0, 2), np.float32), None
        same_windows = self._data is not None and data is not None and len(data) == len(self._data)
        self._data = data
        self._shown_projection = projection
        self._explained = tuple(explained)
        self._busy = ""
        self.projection.setCurrentText(projection)
        if not same_windows:
            self.canvas.forget()
        self.canvas.set_points(points)
        self._fill_label_menu()
        self._regroup()
        if not same_windows:
            self._on_selected(self.canvas.selection)

    def set_data(self, data: MapData) -> None:
        """Other labels or predictions of the same windows."""
        if self._data is None or len(data) != len(self._data):
            raise ValueError("these are other windows: set their points too")
        self._data = data
        self._fill_label_menu()
        self._regroup()

    def set_current(self, row: int | None) -> None:
        """Mark the window that the traces show; None, or a window that is not on the map, for
        none."""
        self.canvas.set_current(row)

    def set_visible_rows(self, rows: np.ndarray) -> None:
        """Mark the windows that are on the screen, as far as they are on the map."""
        self.canvas.set_visible_rows(rows)

    def set_editable(self, why_locked: str = "") -> None:
        """Let chosen windows be labelled, or say why they cannot be."""
        self._why_locked = why_locked
        self._show_selection()

    def set_umap_available(self, available: bool) -> None:
        """Whether UMAP can be asked for."""
        tip = "" if available else self.tr("UMAP needs the package umap-learn: pip install it")
        self.projection.setItemData(1, tip, Qt.ItemDataRole.ToolTipRole)
        model = self.projection.model()
        item = model.item(1)
        item.setEnabled(available)

    def set_busy(self, projection: str) -> None:
        """Say that a projection is being worked out; empty: it ended without new points."""
        self._busy = projection
        self.projection.setCurrentText(projection or self._shown_projection)
        self._show_caption()

    @property
    def selection(self) -> np.ndarray:
        """Rows of the chosen windows, int64, rising."""
        return self.canvas.selection

    @property
    def groups(self) -> tuple[Group, ...]:
        """The legend."""
        return self._groups

    # -- choosing

    def select_rows(self, rows: np.ndarray) -> None:
        """Choose these windows; announced by `rows_selected`."""
        self.canvas.select(np.asarray(rows, np.int64))

    def select_group(self, number: int, add: bool = False) -> None:
        """Choose all windows of an entry of the legend, with `add` besides those chosen before."""
        rows = np.flatnonzero((self._codes == number) & self.canvas.placed)
        if add:
            rows = np.union1d(rows, self.selection)
        self.canvas.select(rows)

    def describe(self, row: int) -> str:
        """A window in words."""
        data = self._data
        if data is None or not 0 <= row < len(data):
            return ""
        start = float(data.starts_s[row])
        label, predicted = int(data.labels[row]), int(data.predicted[row])
        parts = [
            data.recordings[int(data.recording_index[row])],
            clock_text(start, 1.0 if start == int(start) else 0.1),
            self.tr("subject {name}").format(name=data.subjects[int(data.subject_index[row])]),
            self.tr("label {name}").format(name=data.classes[label])
            if label >= 0
            else self.tr("unlabelled"),
        ]
        if predicted >= 0:
            confidence = float(data.confidence[row])
            sure = f" ({percent_text(confidence)})" if np.isfinite(confidence) else ""
            name = data.classes[predicted]
            parts.append(self.tr("predicted {name}{sure}").format(name=name, sure=sure))
        if np.isfinite(data.fragility[row]):
            share = percent_text(float(data.fragility[row]))
            parts.append(self.tr("fragility {share}").format(share=share))
        return " · ".join(parts)

    # -- inside

    def _on_projection(self, place: int) -> None:
        wanted = self.projection.itemText(place)
        if wanted != (self._busy or self._shown_projection):
            self.projection_requested.emit(wanted)

    def _regroup(self) -> None:
        by: ColourBy = self.colour_by.currentData()
        ground = self.palette().color(QPalette.ColorRole.Base)
        if self._data is None:
            self._codes, self._groups = np.empty(0, np.int64), ()
        else:
            self._codes, self._groups = self._grouped(self._data, by, ground)
        labelled = self._data.labels >= 0 if self._data is not None else np.empty(0, bool)
        self.canvas.set_groups(self._codes, self._groups, labelled)
        self.legend.fill(self._groups, self.canvas.stamp_icon)
        self._show_caption()

    def _grouped(
        self, data: MapData, by: ColourBy, ground: QColor
    ) -> tuple[np.ndarray, tuple[Group, ...]]:
        """The group of each window, and the groups; those without windows are left out."""
        grey = _mixed(self.palette().color(QPalette.ColorRole.Text), ground, 0.5)
        names: list[str]
        colours: list[QColor]
        if by in ("label", "prediction"):
            codes = data.labels if by == "label" else data.predicted
            names = list(data.classes)
            colours = [data.class_colour(k) for k in range(len(names))]
            rest = self.tr("unlabelled") if by == "label" else self.tr("not predicted")
        elif by in ("subject", "recording"):
            codes = data.subject_index if by == "subject" else data.recording_index
            names = list(data.subjects if by == "subject" else data.recordings)
            colours = [class_colour(k) for k in range(len(names))]
            rest = ""
        else:
            values = data.fragility if by == "fragility" else data.confidence
            steps = np.floor(np.nan_to_num(values, nan=0.0) * RAMP_STEPS).astype(np.int64)
            codes = np.where(np.isfinite(values), np.clip(steps, 0, RAMP_STEPS - 1), -1)
            names = [
                f"{100 * k // RAMP_STEPS}–{100 * (k + 1) // RAMP_STEPS} %"
                for k in range(RAMP_STEPS)
            ]
            colours = _ramp(ground, grey)
            if by == "confidence":
                colours.reverse()
            rest = self.tr("not known")
        codes = np.where(codes < 0, len(names), codes)
        counts = np.bincount(codes[self.canvas.placed], minlength=len(names) + 1)
        present = np.flatnonzero(counts)
        groups = []
        used: Counter[str] = Counter()
        for k in present.tolist():
            is_rest = k == len(names)
            colour = grey if is_rest else seen_on(colours[k], ground)
            shape = SHAPES[used[colour.name()] % len(SHAPES)]
            used[colour.name()] += 1
            name = rest if is_rest else names[k]
            is_hollow = is_rest and by == "label"
            groups.append(Group(name, int(counts[k]), colour, shape, is_hollow))
        renumbered = np.full(len(names) + 1, -1, np.int64)
        renumbered[present] = np.arange(len(present))
        return renumbered[codes], tuple(groups)

    def _show_caption(self) -> None:
        data = self._data
        if data is None:
            self.caption.setVisible(False)
            self.canvas.set_message(
                self.tr(
                    "There is nothing to map yet. When a run has finished, its windows are shown "
                    "here, those that are alike near each other."
                )
            )
            return
        placed = int(self.canvas.placed.sum())
        self.canvas.set_message(
            "" if placed else self.tr("Nothing was recorded in any of these windows.")
        )
        parts = []
        if self._busy:
            parts.append(self.tr("{name} is being worked out…").format(name=self._busy))
        elif self._explained:
            share = percent_text(sum(self._explained))
            parts.append(
                self.tr("{name}: {share} of the variance").format(
                    name=self._shown_projection, share=share
                )
            )
        else:
            parts.append(self._shown_projection)
        if placed > MOST_DRAWN:
            parts.append(
                self.tr("{drawn} of {count} windows are drawn, all can be chosen").format(
                    drawn=f"{MOST_DRAWN:,}", count=f"{placed:,}"
                )
            )
        elif placed < len(data):
            parts.append(
                self.tr("{placed} of {count} windows; the others are empty").format(
                    placed=f"{placed:,}", count=f"{len(data):,}"
                )
            )
        else:
            parts.append(self.tr("windows: {count}").format(count=f"{placed:,}"))
        parts.append(self.tr("filled: labelled, hollow: unlabelled"))
        self.caption.setText(" · ".join(parts))
        self.caption.setVisible(True)

    def _fill_label_menu(self) -> None:
        self.label_menu.clear()
        data = self._data
        for number, name in enumerate(data.classes if data is not None else ()):
            action = self.label_menu.addAction(class_chip(data.class_colour(number).name()), name)
            action.triggered.connect(partial(self._label, name))

    def _list(self) -> None:
        self.list_requested.emit(self.selection)

    def _label(self, class_name: str, *_: object) -> None:
        self.label_requested.emit(self.selection, class_name)

    def _on_selected(self, rows: np.ndarray) -> None:
        self._show_selection()
        self.rows_selected.emit(rows)

    def _show_selection(self) -> None:
        count = len(self.selection)
        data = self._data
        if count == 0 or data is None:
            text = self.tr("No window is chosen")
        else:
            people = len(np.unique(data.subject_index[self.selection]))
            text = (
                self.tr("1 window is chosen")
                if count == 1
                else self.tr("{count} windows of 1 subject are chosen").format(count=f"{count:,}")
                if people == 1
                else self.tr("{count} windows of {people} subjects are chosen").format(
                    count=f"{count:,}", people=people
                )
            )
        self.selection_says.setText(text)
        self.list_button.setEnabled(count > 0)
        self.label_button.setEnabled(count > 0 and not self._why_locked)
        self.label_button.setToolTip(
            self._why_locked or self.tr("Give all chosen windows one class")
        )

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "selection_says"):
            self._regroup()


# ---------------------------------------------------------------- the points


class _Canvas(QWidget):
    """Draws the points, and turns mouse and keys into windows."""

    chosen = Signal(int)
    selected = Signal(object)

    def __init__(self, owner: EmbeddingMap) -> None:
        super().__init__(owner)
        self._owner = owner
        self._points = np.empty((0, 2), np.float32)
        self.placed = np.empty(0, bool)
        self._codes = np.empty(0, np.int64)
        self._groups: tuple[Group, ...] = ()
        self._labelled = np.empty(0, bool)
        self._drawn = np.empty(0, np.int64)
        self.selection = np.empty(0, np.int64)
        self._visible = np.empty(0, np.int64)
        self._current: int | None = None
        self._cursor: int | None = None
        self._hovered: int | None = None
        self._message = ""
        self._centre = np.zeros(2)
        self._scale = 1.0  # pixels of the screen for one unit
        self._is_whole = True
        self._image: QImage | None = None
        self._pixels: np.ndarray | None = None
        self._pressed: QPointF | None = None
        self._dragged_to: QPointF | None = None
        self._has_moved = False
        self._draws_lasso = False
        self._lasso: list[QPointF] = []
        self._uses_lasso = False
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(120, 120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(self.tr("Map of the windows"))
        self.setAccessibleDescription(
            self.tr(
                "Arrows go from window to window, Enter shows one in the traces, Space chooses it. "
                "Shift with arrows moves the map, plus and minus zoom, Home shows all, Ctrl+A "
                "chooses all, Escape none."
            )
        )

    # -- what is shown

    def set_points(self, points: np.ndarray) -> None:
        """Show these points; the same array again leaves the view as it is."""
        if points is self._points:
            return
        self._points = points
        self.placed = np.isfinite(points).all(axis=1)
        usable = np.flatnonzero(self.placed)
        if len(usable) > MOST_DRAWN:
            usable = usable[np.linspace(0, len(usable) - 1, MOST_DRAWN).astype(np.int64)]
        # In a fixed random order no recording lies on top of all others.
        self._drawn = np.random.default_rng(0).permutation(usable)
        self._hovered = None
        self.show_whole()

    def forget(self) -> None:
        """Other windows come: nothing is chosen or marked any more."""
        self.selection = np.empty(0, np.int64)
        self._visible = np.empty(0, np.int64)
        self._current = self._cursor = self._hovered = None

    def set_groups(
        self, codes: np.ndarray, groups: tuple[Group, ...], labelled: np.ndarray
    ) -> None:
        self._codes, self._groups, self._labelled = codes, groups, labelled
        self._redraw()

    def set_message(self, text: str) -> None:
        """Words in place of points; empty for none."""
        if text != self._message:
            self._message = text
            self.update()

    def set_current(self, row: int | None) -> None:
        if row is not None and not 0 <= row < len(self._points):
            row = None
        if row != self._current:
            self._current = row
            self._cursor = row if row is not None else self._cursor
            self.update()

    def set_visible_rows(self, rows: np.ndarray) -> None:
        rows = np.asarray(rows, np.int64)
        rows = rows[(rows >= 0) & (rows < len(self._points))]
        if not np.array_equal(rows, self._visible):
            self._visible = rows
            self.update()

    def set_lasso(self, on: bool) -> None:
        """Whether dragging draws a lasso, and not only dragging with Shift."""
        self._uses_lasso = on
        self.setCursor(Qt.CursorShape.CrossCursor if on else Qt.CursorShape.ArrowCursor)

    def select(self, rows: np.ndarray) -> None:
        """Choose rows, rising."""
        if not np.array_equal(rows, self.selection):
            self.selection = rows
            self._redraw()
            self.selected.emit(rows)

    def sizeHint(self) -> QSize:
        return QSize(320, 320)

    # -- view

    def show_whole(self) -> None:
        """All points as large as they fit."""
        self._is_whole = True
        usable = self._points[self.placed] if len(self._points) else self._points
        if len(usable):
            low, high = usable.min(axis=0), usable.max(axis=0)
            self._centre = ((low + high) / 2).astype(float)
            self._scale = self._fitting_scale(high - low)
        self._redraw()

    def _fitting_scale(self, extent: np.ndarray) -> float:
        margin = 2 * (self._radius() + 6)
        room = np.array([max(self.width() - margin, 10), max(self.height() - margin, 10)])
        largest = float((np.maximum(extent, 1e-12) / room).max())
        return 1 / largest if largest > 1e-9 else 1.0

    def zoom(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom in by a factor, at a place on the screen or in the middle."""
        if not self.placed.any():
            return
        usable = self._points[self.placed]
        whole = self._fitting_scale(np.ptp(usable, axis=0))
        scale = min(max(self._scale * factor, FARTHEST * whole), CLOSEST * whole)
        place = at if at is not None else QPointF(self.width() / 2, self.height() / 2)
        away = np.array([place.x() - self.width() / 2, self.height() / 2 - place.y()])
        self._centre = self._centre + away / self._scale - away / scale
        self._scale = scale
        self._is_whole = False
        self._redraw()

    def pan(self, right_px: float, down_px: float) -> None:
        """Move the points by pixels."""
        self._centre = self._centre - np.array([right_px, -down_px]) / self._scale
        self._is_whole = False
        self._redraw()

    def _places(self) -> np.ndarray:
        """Where each window is on the screen, float32 (windows, 2)."""
        if self._pixels is None:
            away = (self._points - self._centre.astype(np.float32)) * np.float32(self._scale)
            away[:, 1] *= -1
            away += np.array([self.width() / 2, self.height() / 2], np.float32)
            self._pixels = away
        return self._pixels

    def place_of(self, row: int) -> QPointF:
        """Where a window is on the screen."""
        x, y = self._places()[row]
        return QPointF(float(x), float(y))

    def row_at(self, place: QPointF, reach: float = REACH_PX) -> int | None:
        """The drawn window nearest to a place; None where none is near."""
        if not len(self._drawn):
            return None
        away = self._places()[self._drawn] - np.array([place.x(), place.y()], np.float32)
        squared = (away * away).sum(axis=1)
        nearest = int(squared.argmin())
        return int(self._drawn[nearest]) if squared[nearest] <= reach * reach else None

    def _redraw(self) -> None:
        self._image = self._pixels = None
        self.update()

    # -- painting

    def _radius(self) -> float:
        """Of a point, in pixels; smaller the more there are, larger with large text."""
        count = len(self._drawn)
        plain = 4.0 if count <= 2_000 else 3.0 if count <= 10_000 else 2.0
        return plain * min(max(self.fontMetrics().height() / 17, 0.8), 2.0)

    def _painted(self) -> QImage:
        """All points in one image."""
        ratio = self.devicePixelRatioF()
        width, height = round(self.width() * ratio), round(self.height() * ratio)
        radius = self._radius() * ratio
        margin = int(np.ceil(radius)) + 2
        pixels = np.zeros((height + 2 * margin, width + 2 * margin), np.uint32)
        rows = self._drawn
        if len(rows) and self._groups:
            places = np.rint(self._places()[rows] * ratio).astype(np.int64) + margin
            seen = (places >= margin - radius).all(axis=1)
            seen &= places[:, 0] < width + margin + radius
            seen &= places[:, 1] < height + margin + radius
            rows, places = rows[seen], places[seen]
            self._stamp(pixels, rows, places, radius)
        inner = np.ascontiguousarray(pixels[margin : margin + height, margin : margin + width])
        image_format = QImage.Format.Format_ARGB32_Premultiplied
        # The copy owns its pixels: an image over numpy's memory would outlive it.
        image = QImage(inner.data, width, height, 4 * width, image_format).copy()
        image.setDevicePixelRatio(ratio)
        return image

    def _stamp(
        self, pixels: np.ndarray, rows: np.ndarray, places: np.ndarray, radius: float
    ) -> None:
        """Stamp windows into the image: what is unlabelled below, what is chosen on top."""
        ground = self.palette().color(QPalette.ColorRole.Base)
        text = self.palette().color(QPalette.ColorRole.Text)
        strong = np.array([group.colour.rgb() for group in self._groups], np.uint32)
        faded = [_mixed(group.colour, ground, _SOFT) for group in self._groups]
        soft = np.array([colour.rgb() for colour in faded], np.uint32)
        pale = [_mixed(group.colour, ground, _HOLLOW) for group in self._groups]
        inside = np.array([colour.rgb() for colour in pale], np.uint32)
        shapes = np.array([SHAPES.index(group.shape) for group in self._groups])
        codes = self._codes[rows]
        is_chosen = np.zeros(len(self._points), bool)
        is_chosen[self.selection] = True
        is_chosen, labelled = is_chosen[rows], self._labelled[rows]
        has_choice = bool(len(self.selection))
        has_halo = len(self._drawn) <= HALO_UP_TO
        for chosen, filled in ((False, False), (False, True), (True, False), (True, True)):
            layer = (is_chosen == chosen) & (labelled == filled)
            if not layer.any():
                continue
            colours = strong if chosen or not has_choice else soft
            for shape in np.unique(shapes[codes[layer]]).tolist():
                some = np.flatnonzero(layer & (shapes[codes] == shape))
                down, right, kind = _stamp_pixels(SHAPES[shape], round(radius, 2))
                used = kind > 0 if not (chosen or has_halo) else kind >= 0
                down, right, kind = down[used], right[used], kind[used]
                at = (places[some, 1, None] + down) * pixels.shape[1] + places[some, 0, None]
                rim = colours[codes[some], None]
                body = rim if filled else inside[codes[some], None]
                edge = text.rgb() if chosen else ground.rgb()
                values = np.where(kind == 1, rim, np.where(kind == 2, body, np.uint32(edge)))
                # Row by row, so that of two points the later one lies whole on the other.
                pixels.ravel()[(at + right).ravel()] = values.ravel()

    def stamp_icon(self, group: Group) -> QIcon:
        """A window of a group by itself, for the legend."""
        side = 2 * max(7, round(self.fontMetrics().height() / 2.6))
        ground = self.palette().color(QPalette.ColorRole.Base)
        down, right, kind = _stamp_pixels(group.shape, side - 4.0)
        pixels = np.zeros((2 * side, 2 * side), np.uint32)
        body = _mixed(group.colour, ground, _HOLLOW) if group.is_hollow else group.colour
        table = np.array([0, group.colour.rgb(), body.rgb()], np.uint32)
        pixels[down + side, right + side] = table[kind]
        image_format = QImage.Format.Format_ARGB32_Premultiplied
        image = QImage(pixels.data, 2 * side, 2 * side, 8 * side, image_format).copy()
        image.setDevicePixelRatio(2.0)
        picture = QPixmap.fromImage(image)
        made = QIcon(picture)
        made.addPixmap(picture, QIcon.Mode.Selected)
        return made

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        ground = self.palette().color(QPalette.ColorRole.Base)
        text = self.palette().color(QPalette.ColorRole.Text)
        painter.fillRect(self.rect(), ground)
        painter.setPen(QPen(_mixed(text, ground, 0.75), 1))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        if self._message:
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(12, 12, -12, -12), flags, self._message)
            painter.end()
            return
        if self._image is None:
            self._image = self._painted()
        painter.drawImage(0, 0, self._image)
        self._paint_marks(painter, ground, text)
        painter.end()

    def _paint_marks(self, painter: QPainter, ground: QColor, text: QColor) -> None:
        accent = self.palette().color(QPalette.ColorRole.Highlight)
        around = self._radius() + 2.5
        rows = self._visible[self.placed[self._visible]]
        if len(rows) > MOST_MARKED:
            rows = rows[np.linspace(0, len(rows) - 1, MOST_MARKED).astype(np.int64)]
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if len(rows):
            painter.setPen(QPen(accent, 1))
            side = round(2 * around)
            corners = np.rint(self._places()[rows] - side / 2).astype(int).tolist()
            painter.drawRects([QRect(x, y, side, side) for x, y in corners])
        for row, pen in (
            (self._hovered, QPen(text, 1)),
            (self._cursor if self.hasFocus() else None, QPen(text, 1, Qt.PenStyle.DotLine)),
        ):
            if row is not None and row != self._current and self.placed[row]:
                painter.setPen(pen)
                painter.drawEllipse(self.place_of(row), around + 1, around + 1)
        if self._current is not None and self.placed[self._current]:
            self._paint_current(painter, self.place_of(self._current), around, ground, text)
        if self._lasso:
            soft = QColor(accent)
            soft.setAlpha(40)
            painter.setPen(QPen(text, 1, Qt.PenStyle.DashLine))
            painter.setBrush(soft)
            painter.drawPolygon(QPolygonF(self._lasso), Qt.FillRule.WindingFill)

    def _paint_current(
        self, painter: QPainter, at: QPointF, around: float, ground: QColor, text: QColor
    ) -> None:
        """Rings and a cross through the window that the traces show: found at a glance."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        inner, outer = around + 2, around + 9
        for colour, width in ((ground, 4), (text, 2)):
            painter.setPen(QPen(colour, width))
            painter.drawEllipse(at, inner, inner)
            for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                painter.drawLine(
                    at + QPointF(x * inner, y * inner), at + QPointF(x * outer, y * outer)
                )
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._is_whole:
            self.show_whole()
        else:
            self._redraw()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange) and hasattr(
            self, "_uses_lasso"
        ):
            self._redraw()

    # -- mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() not in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            super().mousePressEvent(event)
            return
        self._pressed = self._dragged_to = event.position()
        self._has_moved = False
        has_shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        is_left = event.button() == Qt.MouseButton.LeftButton
        self._draws_lasso = is_left and (self._uses_lasso or has_shift)
        self._lasso = []

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        place = event.position()
        if self._pressed is None or self._dragged_to is None:
            self._hover(self.row_at(place) if not self._message else None)
            return
        if not self._has_moved:
            if (place - self._pressed).manhattanLength() < LEAST_DRAG_PX:
                return
            self._has_moved = True
            self._hover(None)
        if self._draws_lasso:
            if not self._lasso:
                self._lasso = [self._pressed]
            if (place - self._lasso[-1]).manhattanLength() >= LASSO_STEP_PX:
                self._lasso.append(place)
                self.update()
        else:
            step = place - self._dragged_to
            self.pan(step.x(), step.y())
        self._dragged_to = place

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._pressed is None:
            super().mouseReleaseEvent(event)
            return
        lasso, self._lasso = self._lasso, []
        moved, pressed = self._has_moved, self._pressed
        self._pressed = self._dragged_to = None
        add = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if not moved:
            if event.button() == Qt.MouseButton.LeftButton:
                self._click(self.row_at(pressed), add)
        elif len(lasso) > 2:
            rows = self.inside(lasso)
            self.select(np.union1d(rows, self.selection) if add else rows)
        self.update()

    def _click(self, row: int | None, add: bool) -> None:
        if row is None:
            if not add:
                self.select(np.empty(0, np.int64))
        elif add:
            self._cursor = row
            self.select(np.setxor1d(self.selection, [row]))
        else:
            self._cursor = row
            self.chosen.emit(row)

    def inside(self, corners: Sequence[QPointF]) -> np.ndarray:
        """Rows of all windows, drawn or not, inside a polygon on the screen."""
        mask = QImage(self.width(), self.height(), QImage.Format.Format_Grayscale8)
        mask.fill(Qt.GlobalColor.black)
        path = QPainterPath()
        path.addPolygon(QPolygonF(list(corners)))
        path.setFillRule(Qt.FillRule.WindingFill)
        painter = QPainter(mask)
        painter.fillPath(path, Qt.GlobalColor.white)
        painter.end()
        lines = np.frombuffer(mask.constBits(), np.uint8).reshape(-1, mask.bytesPerLine())
        with np.errstate(invalid="ignore"):
            places = np.where(self.placed[:, None], np.floor(self._places()), -1).astype(np.int64)
        x, y = places[:, 0], places[:, 1]
        on_screen = (x >= 0) & (x < self.width()) & (y >= 0) & (y < self.height())
        rows = np.flatnonzero(on_screen)
        return rows[lines[y[rows], x[rows]] > 127]

    def wheelEvent(self, event: QWheelEvent) -> None:
        notches = event.angleDelta().y() / 120
        if notches:
            self.zoom(ZOOM**notches, event.position())
            event.accept()
        else:
            super().wheelEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._hover(None)

    def _hover(self, row: int | None) -> None:
        if row != self._hovered:
            self._hovered = row
            self.update()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            row = self.row_at(QPointF(event.pos())) if not self._message else None
            if row is None:
                QToolTip.hideText()
            else:
                near = QRect(event.pos() - QPoint(3, 3), QSize(7, 7))
                QToolTip.showText(event.globalPos(), self._owner.describe(row), self, near)
            return True
        return super().event(event)

    # -- keys

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        directions = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, -1),
            Qt.Key.Key_Down: (0, 1),
        }
        has_shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if key in directions:
            right, down = directions[key]
            if has_shift:
                self.pan(-right * PAN * self.width(), -down * PAN * self.height())
            else:
                self._move_cursor(right, down)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom(ZOOM)
        elif key == Qt.Key.Key_Minus:
            self.zoom(1 / ZOOM)
        elif key == Qt.Key.Key_Home:
            self.show_whole()
        elif event.matches(QKeySequence.StandardKey.SelectAll):
            self.select(np.flatnonzero(self.placed))
        elif key == Qt.Key.Key_Escape and (self._lasso or len(self.selection)):
            self._escape()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._cursor is not None:
            self.chosen.emit(self._cursor)
        elif key == Qt.Key.Key_Space and self._cursor is not None:
            self.select(np.setxor1d(self.selection, [self._cursor]))
        else:
            super().keyPressEvent(event)

    def _escape(self) -> None:
        """Give up the lasso that is being drawn, or else what is chosen."""
        if self._lasso:
            self._lasso, self._pressed = [], None
            self.update()
        else:
            self.select(np.empty(0, np.int64))

    def _move_cursor(self, right: int, down: int) -> None:
        """Go to the next window in a direction, and say what it is."""
        if not len(self._drawn):
            return
        places = self._places()[self._drawn]
        if self._cursor is None or not self.placed[self._cursor]:
            middle = np.array([self.width() / 2, self.height() / 2], np.float32)
            away = places - middle
            self._cursor = int(self._drawn[(away * away).sum(axis=1).argmin()])
        else:
            away = places - self._places()[self._cursor]
            ahead = away[:, 0] * right + away[:, 1] * down
            beside = np.abs(away[:, 0] * down) + np.abs(away[:, 1] * right)
            # What lies aside counts double, so that one goes where the arrow points.
            cost = np.where((ahead > 0.5) & (beside <= 2 * ahead), ahead + 2 * beside, np.inf)
            best = int(cost.argmin())
            if np.isfinite(cost[best]):
                self._cursor = int(self._drawn[best])
        place = self.place_of(self._cursor)
        if not QRectF(self.rect()).contains(place):
            self.pan(self.width() / 2 - place.x(), self.height() / 2 - place.y())
            place = self.place_of(self._cursor)
        words = self._owner.describe(self._cursor)
        QToolTip.showText(self.mapToGlobal(place.toPoint() + QPoint(12, 12)), words, self)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()


@cache
def _stamp_pixels(shape: str, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels of a point around its middle: down, right, and what each is, int64 (pixels,).

    0: its edge against others, 1: its rim, 2: what the rim encloses.
    """
    reach = int(np.ceil(radius)) + 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    if shape == "disc":
        body = x * x + y * y <= (radius + 0.3) ** 2
    elif shape == "square":
        body = np.maximum(abs(x), abs(y)) <= 0.85 * radius
    elif shape == "triangle":
        body = (y <= 0.7 * radius) & (2 * abs(x) - y <= 1.3 * radius)
    elif shape == "diamond":
        body = abs(x) + abs(y) <= 1.25 * radius
    else:
        thick = max(0.45 * radius, 1.0)
        body = (abs(abs(x) - abs(y)) <= thick) & (np.maximum(abs(x), abs(y)) <= radius)
    enclosed = body.copy()
    around = body.copy()
    thickness = max(1, round(radius / 4))
    for _ in range(thickness):
        enclosed = _four(enclosed, np.logical_and)
    around = _four(around, np.logical_or)
    kind = np.where(enclosed, 2, np.where(body, 1, np.where(around, 0, -1)))
    used = kind >= 0
    return y[used], x[used], kind[used]


def _four(mask: np.ndarray, both: np.ufunc) -> np.ndarray:
    """A mask joined with itself moved by a pixel to each of four sides."""
    padded = np.pad(mask, 1)
    result = mask
    for moved in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        result = both(result, moved)
    return result


# ---------------------------------------------------------------- the legend


class _Legend(QListWidget):
    """Entries side by side; a click or Enter chooses one, with Ctrl in addition."""

    entry_chosen = Signal(int, bool)
    MOST_LINES = 4

    def __init__(self) -> None:
        super().__init__()
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(True)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setSpacing(2)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._is_fitting = False
        self.itemClicked.connect(self._on_click)

    def fill(self, groups: Sequence[Group], icon_of: Callable[[Group], QIcon]) -> None:
        """Show these entries; the current one stays, if it is still there."""
        before = self.currentItem().text().rsplit(" (", 1)[0] if self.currentItem() else ""
        self.clear()
        for group in groups:
            item = QListWidgetItem(icon_of(group), f"{group.name} ({group.count:,})")
            item.setToolTip(self.tr("Choose all: {name}").format(name=group.name))
            self.addItem(item)
            if group.name == before:
                self.setCurrentItem(item)
        self.setVisible(bool(groups))
        self._fit()

    def _fit(self) -> None:
        """As high as the lines need; more than a few are scrolled."""
        if not self.count():
            return
        # A bar would make the lines shorter and itself needed.
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.doItemsLayout()
        top = self.visualItemRect(self.item(0)).top()
        wanted = self.visualItemRect(self.item(self.count() - 1)).bottom() - top + 1
        most = self.MOST_LINES * (self.sizeHintForRow(0) + 2 * self.spacing())
        around = 2 * self.frameWidth() + 4 * self.spacing()
        self.setFixedHeight(min(wanted, most) + around)
        if wanted > most:
            self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
            self.doItemsLayout()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width() and not self._is_fitting:
            self._is_fitting = True  # a bar that comes or goes changes the width again
            self._fit()
            self._is_fitting = False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
        if event.key() in keys and self.currentRow() >= 0:
            add = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
            self.entry_chosen.emit(self.currentRow(), add)
            return
        super().keyPressEvent(event)

    def _on_click(self, item: QListWidgetItem) -> None:
        modifiers = QGuiApplication.keyboardModifiers()
        add = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
        self.entry_chosen.emit(self.row(item), add)


# ---------------------------------------------------------------- parts


def _says() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def _tool(name: str, tip: str, icon: str = "") -> QToolButton:
    button = QToolButton()
    button.setText(name)
    button.setAccessibleName(name)
    button.setToolTip(tip)
    if icon:
        side = button.fontMetrics().height()
        button.setIconSize(QSize(side, side))
        keep_icon(button, icon)
    return button


def _mixed(one: QColor, other: QColor, share: float) -> QColor:
    """`one` with a share of `other` in it."""
    parts = zip(one.getRgb()[:3], other.getRgb()[:3], strict=True)
    return QColor(*(round((1 - share) * a + share * b) for a, b in parts))


def _ramp(ground: QColor, grey: QColor) -> list[QColor]:
    """From unobtrusive to what asks for attention, on a light or a dark ground."""
    end = ATTENTION if ground.lightness() > 127 else _DARK_END
    low = _mixed(grey, ground, 0.35)
    return [_mixed(low, end, k / (RAMP_STEPS - 1)) for k in range(RAMP_STEPS)]
