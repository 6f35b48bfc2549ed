"""What each class suffers when a sensor goes: a table with the figures on colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QSize,
    Qt,
)
from PySide6.QtGui import QColor, QIcon, QPalette, QPixmap, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QSizePolicy, QTableView, QWidget

from core.subset_figures import SubsetFigures
from ui.appearance import text_on
from ui.subset_table import blend, interval_text, number_text, percents
from ui.time_plot import class_colour

LOST, GAINED = QColor("#D55E00"), QColor("#0072B2")
"""Colours of cells: something is lost there, or gained."""
STRONGEST = 0.5
"""A loss from which on the colour is as strong as it gets."""
MOST_ROWS = 12
"""Rows that are in sight; more are scrolled to."""

Index = QModelIndex | QPersistentModelIndex
Tip = Callable[[int, int], str]
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_HORIZONTAL = Qt.Orientation.Horizontal


class HeatModel(QAbstractTableModel):
    """Texts, and how strongly each is coloured."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows: tuple[str, ...] = ()
        self.columns: tuple[str, ...] = ()
        self.texts: list[list[str]] = []
        self.shades = np.empty((0, 0))
        self.tip: Tip | None = None
        self.icons: tuple[QIcon, ...] = ()
        self.base = QColor()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.columns)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        names = self.columns if orientation == _HORIZONTAL else self.rows
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return names[section] if section < len(names) else None
        if role == Qt.ItemDataRole.DecorationRole and orientation != _HORIZONTAL and self.icons:
            return self.icons[section]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        row, column = index.row(), index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self.texts[row][column]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT
        if role == Qt.ItemDataRole.ToolTipRole:
            return (self.tip(row, column) if self.tip is not None else "") or None
        if role in (Qt.ItemDataRole.BackgroundRole, Qt.ItemDataRole.ForegroundRole):
            shade = float(self.shades[row, column])
            if not shade or shade != shade:
                return None
            # A pale colour with dark text, or a dark one with pale text: the figure always reads.
            colour = LOST if shade > 0 else GAINED
            ground = blend(self.base, colour, 0.75 * min(abs(shade), 1.0))
            return ground if role == Qt.ItemDataRole.BackgroundRole else text_on(ground)
        return None


class HeatTable(QTableView):
    """Figures in cells, the greater the stronger their colour; Tab leaves it."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cells = HeatModel(self)
        self.setModel(self.cells)
        self.setAccessibleName(name)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.setHighlightSections(False)
            header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultAlignment(
            Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        )
        # As wide and as high as what it holds, where there is room for that.
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._take_look()

    def show_cells(
        self,
        rows: Sequence[str],
        columns: Sequence[str],
        texts: Sequence[Sequence[str]],
        shades: np.ndarray | None = None,
        tip: Tip | None = None,
        icons: Sequence[QIcon] = (),
    ) -> None:
        """Show these texts under their headings.

        `shades` (rows, columns): from −1, all gained, to 1, all lost; 0 or NaN for no colour.
        `tip` gives the tooltip of a cell; `icons` stand before the rows' headings.
        """
        cells = self.cells
        cells.beginResetModel()
        cells.rows, cells.columns = tuple(rows), tuple(columns)
        cells.texts = [list(row) for row in texts]
        cells.shades = np.zeros((len(rows), len(columns))) if shades is None else shades
        cells.tip, cells.icons = tip, tuple(icons)
        cells.endResetModel()
        self._fit()

    def texts(self) -> list[list[str]]:
        """All cells, row by row."""
        return [list(row) for row in self.cells.texts]

    def heads(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Headings of rows and columns."""
        return self.cells.rows, self.cells.columns

    def sizeHint(self) -> QSize:
        header = self.horizontalHeader()
        rows = min(len(self.cells.rows), MOST_ROWS) * self.verticalHeader().defaultSectionSize()
        width = self.verticalHeader().sizeHint().width() + header.length()
        if len(self.cells.rows) > MOST_ROWS:
            width += self.verticalScrollBar().sizeHint().width()
        width += 2 * self.frameWidth()
        height = header.sizeHint().height() + rows + 2 * self.frameWidth()
        if self.width() < width:
            height += self.horizontalScrollBar().sizeHint().height()
        return QSize(width, height)

    def minimumSizeHint(self) -> QSize:
        hint = self.sizeHint()
        return QSize(min(160, hint.width()), hint.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()  # a scroll bar has come or gone

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        kinds = (QEvent.Type.PaletteChange, QEvent.Type.FontChange)
        if event.type() in kinds and hasattr(self, "cells"):
            self._take_look()

    def _take_look(self) -> None:
        self.cells.base = self.palette().color(QPalette.ColorRole.Base)
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 6)
        self._fit()
        self.viewport().update()

    def _fit(self) -> None:
        """Columns as wide as their widest text. (Qt's own way asks for each cell many times.)"""
        metrics = self.fontMetrics()
        for column, name in enumerate(self.cells.columns):
            texts = {name, *(row[column] for row in self.cells.texts)}
            widest = max(metrics.horizontalAdvance(text) for text in texts)
            self.setColumnWidth(column, widest + metrics.height())
        self.updateGeometry()


class ClassDamageTable(HeatTable):
    """A row per class, a column per lost sensor: F1 without it and what it falls by, or, without
    scores, the share of windows that change."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setAccessibleName(self.tr("Damage per class"))
        self._colours: dict[str, str] = {}
        self._figures: SubsetFigures | None = None

    def set_figures(
        self, figures: SubsetFigures | None, colours: dict[str, str] | None = None
    ) -> None:
        """Show the damage; `colours` of the classes by name, `#rrggbb`."""
        self._figures = figures
        if colours is not None:
            self._colours = dict(colours)
        if figures is None or len(figures.modalities) < 2:
            self.show_cells((), (), ())
            return
        damage = figures.damage
        without = [self.tr("− {sensor}").format(sensor=name) for name in figures.modalities]
        if damage.has_scores:
            heads = [self.tr("windows"), self.tr("F1 with all"), *without]
            rows = [self._scores(row, figures) for row in range(len(figures.classes))]
            tip, first = self._score_tip, 2
        else:
            heads = [self.tr("called so"), *without]
            rows = [self._changes(row, figures) for row in range(len(figures.classes))]
            tip, first = self._change_tip, 1
        shades = np.zeros((len(figures.classes), len(heads)))
        shades[:, first:] = damage.loss.T / STRONGEST
        icons = [self._chip(number, name) for number, name in enumerate(figures.classes)]
        self.show_cells(figures.classes, heads, rows, shades, tip, icons)

    def sentence(self) -> str:
        """Which class suffers most, in words; empty where none does."""
        figures = self._figures
        worst = figures.damage.worst if figures is not None else None
        if figures is None or worst is None:
            return ""
        damage = figures.damage
        modality, number = worst
        name, sensor = figures.classes[number], figures.modalities[modality]
        if damage.has_scores:
            without = float(damage.f1_without[modality, number])
            return self.tr(
                "{name} suffers most: without {sensor} its F1 falls from {before} to {after}."
            ).format(
                name=name,
                sensor=sensor,
                before=number_text(without + float(damage.drop[modality, number])),
                after=number_text(without),
            )
        return self.tr(
            "{name} suffers most: without {sensor} {share} of its windows are called otherwise."
        ).format(name=name, sensor=sensor, share=percents(float(damage.changed[worst])))

    def _scores(self, row: int, figures: SubsetFigures) -> list[str]:
        damage = figures.damage
        cells = [f"{damage.labelled[row]:,}", number_text(float(damage.f1[row]))]
        for modality in range(len(figures.modalities)):
            after = number_text(float(damage.f1_without[modality, row]))
            drop = float(damage.drop[modality, row])
            cells.append(f"{after}   {_signed(-drop)}" if np.isfinite(drop) else after)
        return cells

    def _score_tip(self, row: int, column: int) -> str:
        figures, modality = self._figures, column - 2
        if figures is None or modality < 0 or not np.isfinite(figures.damage.drop[modality, row]):
            return ""
        damage = figures.damage
        text = self.tr("{name} without {sensor}: F1 {after}, {drop} less").format(
            name=figures.classes[row],
            sensor=figures.modalities[modality],
            after=number_text(float(damage.f1_without[modality, row])),
            drop=number_text(float(damage.drop[modality, row])),
        )
        low, high = float(damage.drop_low[modality, row]), float(damage.drop_high[modality, row])
        if np.isfinite(low):
            pair = interval_text((low, high))
            text += "\n" + self.tr("95 % interval {interval}").format(interval=pair)
        return text

    def _changes(self, row: int, figures: SubsetFigures) -> list[str]:
        damage = figures.damage
        shares = (percents(float(share)) for share in damage.changed[:, row])
        return [f"{damage.called[row]:,}", *shares]

    def _change_tip(self, row: int, column: int) -> str:
        figures, modality = self._figures, column - 1
        if figures is None or modality < 0:
            return ""
        return self.tr(
            "Of the windows called {name}, {share} are called otherwise without {sensor}"
        ).format(
            name=figures.classes[row],
            share=percents(float(figures.damage.changed[modality, row])),
            sensor=figures.modalities[modality],
        )

    def _chip(self, number: int, name: str) -> QIcon:
        picture = QPixmap(10, 10)
        picture.fill(QColor(self._colours.get(name) or class_colour(number)))
        return QIcon(picture)


def _signed(value: float) -> str:
    """With its sign, also a plus."""
    text = number_text(value)
    return f"+{text}" if value > 0 and text != "0.00" else text
