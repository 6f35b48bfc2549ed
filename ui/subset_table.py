"""Every subset of the modalities as a row: which are kept, as dots, and what that costs, as bars.

A click, or Enter, asks for a subset; the table shows the one that is switched on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import (
    QAbstractTableModel,
    QCoreApplication,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QKeyEvent,
    QPainter,
    QPalette,
    QPen,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from core.subset_figures import Interval, SubsetFigure, SubsetFigures
from ui.appearance import readable_on
from ui.time_plot import class_colour

KEPT, MACRO_F1, DROP, AGREEMENT, CONFIDENCE, LEFT_OUT = range(6)
SORT_ROLE = Qt.ItemDataRole.UserRole
FIGURE_ROLE = Qt.ItemDataRole.UserRole + 1

WIDEST_NAME = 9
"""Lines of text whose height a turned name takes at most."""
LEVEL_NAMES_WITHIN = 17
"""Names stand level above the dots where all of them fit within the height of so many lines."""
MOST_ROWS = 16
"""Rows in sight, unless there is more room; more are scrolled to."""
SHORTEST_BAR = 30
SORT_MARK = 16
"""Pixels at the right of a heading that the style's mark of sorting takes."""

Index = QModelIndex | QPersistentModelIndex
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


def number_text(value: float | None, digits: int = 2) -> str:
    """A figure for people; a dash where it is undefined."""
    if value is None or value != value:
        return "–"
    text = f"{value:.{digits}f}"
    zero = f"{0.0:.{digits}f}"
    return zero if text == f"-{zero}" else text.replace("-", "−")


def interval_text(pair: Interval | None, as_percent: bool = False) -> str:
    """`0.75 to 0.84`; empty where there is none."""
    if pair is None:
        return ""
    low, high = (percents(end) if as_percent else number_text(end) for end in pair)
    return QCoreApplication.translate("Interval", "{low} to {high}").format(low=low, high=high)


def percents(share: float | None) -> str:
    """A share in percent; 0 and 100 only for none and all."""
    if share is None or share != share:
        return "–"
    percent = round(100 * share)
    if 0 < share < 1:
        percent = min(max(percent, 1), 99)
    return f"{percent} %"


def blend(one: QColor, other: QColor, share: float) -> QColor:
    """`one` with a share of `other` in it."""
    pairs = zip(one.getRgbF()[:3], other.getRgbF()[:3], strict=True)
    return QColor.fromRgbF(*(a + share * (b - a) for a, b in pairs))


@dataclass(frozen=True)
class _Cell:
    """What a bar shows: a value and its interval on a scale from `low` to `high`, from `zero`."""

    value: float | None
    interval: Interval | None
    text: str
    low: float = 0.0
    high: float = 1.0
    zero: float = 0.0


class SubsetModel(QAbstractTableModel):
    """The subsets in the order that was asked for; at first all modalities come first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._figures: SubsetFigures | None = None
        self._rows: list[SubsetFigure] = []
        self._drops = (0.0, 1.0)
        self._worst: tuple[int, ...] | None = None

    @property
    def figures(self) -> SubsetFigures | None:
        return self._figures

    def set_figures(self, figures: SubsetFigures | None) -> None:
        self.beginResetModel()
        self._figures = figures
        self._rows = list(figures.subsets) if figures is not None else []
        drops = [row.drop for row in self._rows if row.drop is not None]
        ends = [end for row in self._rows for end in row.drop_ci95 or ()]
        self._drops = (min([0.0, *drops, *ends]), max([0.05, *drops, *ends]))
        removals = figures.removals() if figures is not None else ()
        self._worst = removals[-1][1].kept if len(removals) > 1 else None
        self.endResetModel()

    def row(self, number: int) -> SubsetFigure:
        return self._rows[number]

    def row_of(self, kept: Sequence[int]) -> int | None:
        """The row of a subset; None where it is not shown."""
        wanted = tuple(sorted(kept))
        return next((n for n, row in enumerate(self._rows) if row.kept == wanted), None)

    def cell(self, figure: SubsetFigure, column: int) -> _Cell:
        """What stands in a column of figures."""
        if column == MACRO_F1:
            return _Cell(figure.macro_f1, figure.ci95, number_text(figure.macro_f1))
        if column == DROP:
            low, high = self._drops
            return _Cell(figure.drop, figure.drop_ci95, number_text(figure.drop), low, high)
        return _Cell(figure.agreement, figure.agreement_ci95, percents(figure.agreement))

    def kept_names(self, figure: SubsetFigure) -> str:
        """The subset in words."""
        figures = self._figures
        if figures is None:
            return ""
        names = [figures.modalities[m] for m in figure.kept]
        if len(names) == len(figures.modalities) > 1:
            return self.tr("all: {names}").format(names=", ".join(names))
        return ", ".join(names)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        figures = self._figures
        if figures is None:
            return
        self.layoutAboutToBeChanged.emit()
        before = {id(row): number for number, row in enumerate(self._rows)}
        place = {row.kept: number for number, row in enumerate(figures.subsets)}
        backwards = order == Qt.SortOrder.DescendingOrder

        def key(row: SubsetFigure) -> tuple[float, int]:
            value = self._sort_value(row, column)
            if value is None:
                return (float("inf"), place[row.kept])  # what is undefined stays at the end
            return (-value if backwards else value, place[row.kept])

        self._rows.sort(key=key)
        moved = {before[id(row)]: number for number, row in enumerate(self._rows)}
        for index in self.persistentIndexList():
            self.changePersistentIndex(index, self.index(moved[index.row()], index.column()))
        self.layoutChanged.emit()

    @staticmethod
    def _sort_value(row: SubsetFigure, column: int) -> float | None:
        return (
            float(len(row.kept)),
            row.macro_f1,
            row.drop,
            row.agreement,
            row.confidence,
            float(row.left_out),
        )[column]

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else 6

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return (
                "",  # the header draws the names over the dots
                self.tr("macro F1"),
                self.tr("drop"),
                self.tr("agreement"),
                self.tr("confidence"),
                self.tr("no answer"),
            )[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return (
                self.tr("The modalities that are kept; sorts by how many"),
                self.tr("Mean F1 over the classes, with its 95 % interval over people"),
                self.tr(
                    "What macro F1 falls by, on the windows that both answer; the interval is "
                    "paired"
                ),
                self.tr(
                    "Share of the windows, with labels or without, whose class is that with all "
                    "modalities"
                ),
                self.tr("Mean probability of the likeliest class"),
                self.tr("Windows in which other modalities were recorded, but none of these"),
            )[section]
        if role == Qt.ItemDataRole.AccessibleTextRole and section == KEPT:
            return self.tr("kept modalities")
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        figure, column = self._rows[index.row()], index.column()
        if role == FIGURE_ROLE:
            return figure
        if role == Qt.ItemDataRole.TextAlignmentRole and column in (CONFIDENCE, LEFT_OUT):
            return _RIGHT
        if column == KEPT:
            if role == Qt.ItemDataRole.AccessibleTextRole:
                return self.kept_names(figure)
            if role == Qt.ItemDataRole.ToolTipRole:
                return self._tip(figure)
            return None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            if column == CONFIDENCE:
                return number_text(figure.confidence)
            if column == LEFT_OUT:
                return f"{figure.left_out:,}" if figure.left_out else "–"
            cell = self.cell(figure, column)
            if role == Qt.ItemDataRole.AccessibleTextRole and cell.interval is not None:
                return f"{cell.text}, {self._interval(cell, column)}"
            return cell.text
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(figure)
        return None

    def _interval(self, cell: _Cell, column: int) -> str:
        text = interval_text(cell.interval, as_percent=column == AGREEMENT)
        return self.tr("95 % interval {interval}").format(interval=text) if text else ""

    def _tip(self, figure: SubsetFigure) -> str:
        lines = [self.kept_names(figure)]
        if figure.kept == self._worst:
            lines[0] += self.tr(" (the removal that costs most)")
        titles = {MACRO_F1: self.tr("macro F1"), DROP: self.tr("drop"), AGREEMENT: ""}
        titles[AGREEMENT] = self.tr("agreement with all")
        for column, title in titles.items():
            cell = self.cell(figure, column)
            if cell.value is None:
                continue
            said = f"{title} {cell.text}"
            interval = self._interval(cell, column)
            lines.append(f"{said} ({interval})" if interval else said)
        lines.append(
            self.tr("{windows} windows with an answer, {scored} of them scored").format(
                windows=f"{figure.windows:,}", scored=f"{figure.scored:,}"
            )
        )
        lines.append(self.tr("A click, or Enter, switches to these modalities"))
        return "\n".join(lines)

    def is_worst(self, figure: SubsetFigure) -> bool:
        """Whether it is the loss of a single modality that costs most."""
        return figure.kept == self._worst


# ---------------------------------------------------------------- the view


class SubsetTable(QTableView):
    """The subsets as rows, to be sorted by any column."""

    subset_chosen = Signal(tuple)
    """Numbers of the modalities to keep, rising."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Subsets of the modalities"))
        self.setToolTip("")
        self.model_of_subsets = SubsetModel(self)
        self.setModel(self.model_of_subsets)
        self._dots = _DotHeader(self)
        self.setHorizontalHeader(self._dots)
        self.setItemDelegateForColumn(KEPT, _DotDelegate(self))
        bars = _BarDelegate(self)
        for column in (MACRO_F1, DROP, AGREEMENT):
            self.setItemDelegateForColumn(column, bars)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.setWordWrap(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().setVisible(False)
        self.setSortingEnabled(True)
        self._dots.setSortIndicator(KEPT, Qt.SortOrder.DescendingOrder)
        self.clicked.connect(self._on_clicked)
        self._take_font()

    def set_figures(self, figures: SubsetFigures | None) -> None:
        """Show the subsets of these figures, sorted as before; None: nothing."""
        chosen = self.chosen
        self.model_of_subsets.set_figures(figures)
        header = self._dots
        header.set_names(figures.modalities if figures is not None else ())
        scores = figures is not None and figures.has_scores
        for column in (MACRO_F1, DROP):
            self.setColumnHidden(column, not scores)
        some_left_out = figures is not None and any(row.left_out for row in figures.subsets)
        self.setColumnHidden(LEFT_OUT, not some_left_out)
        self.model_of_subsets.sort(header.sortIndicatorSection(), header.sortIndicatorOrder())
        self._fit_columns()
        if chosen is not None:
            self.set_chosen(chosen)

    @property
    def chosen(self) -> tuple[int, ...] | None:
        """The subset whose row is chosen."""
        rows = self.selectionModel().selectedRows() if self.selectionModel() is not None else []
        return self.model_of_subsets.row(rows[0].row()).kept if rows else None

    def set_chosen(self, kept: Sequence[int]) -> None:
        """Choose the row of the subset that is switched on; nothing is asked for. Where it is not
        among the rows, no row is chosen."""
        row = self.model_of_subsets.row_of(kept)
        if row is None:
            self.clearSelection()
        else:
            self.selectRow(row)

    def sizeHint(self) -> QSize:
        width = self._dots.width_of_dots() + 5 * self._bar_width()
        return QSize(width, self._height_of(min(self.model_of_subsets.rowCount(), MOST_ROWS)))

    def minimumSizeHint(self) -> QSize:
        return QSize(self._dots.width_of_dots() + self._bar_width(), self.sizeHint().height())

    def _height_of(self, rows: int) -> int:
        lines = max(rows, 2) * self.verticalHeader().defaultSectionSize()
        return self._dots.sizeHint().height() + lines + 2 * self.frameWidth() + 2

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._show_confidence()

    def _show_confidence(self) -> None:
        """Bars need room; confidence is what one can do without."""
        bars = sum(not self.isColumnHidden(c) for c in (MACRO_F1, DROP, AGREEMENT))
        needed = self._dots.width_of_dots() + bars * self._bar_width() + self._bar_width()
        if not self.isColumnHidden(LEFT_OUT):
            needed += self.sizeHintForColumn(LEFT_OUT) + self.fontMetrics().height() * 4
        self.setColumnHidden(CONFIDENCE, self.viewport().width() < needed)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self._on_clicked(self.currentIndex())
            return
        super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange and hasattr(self, "_dots"):
            self._take_font()

    def showEvent(self, event: QShowEvent) -> None:
        self._fit_columns()
        super().showEvent(event)

    def _on_clicked(self, index: Index) -> None:
        if index.isValid():
            self.subset_chosen.emit(self.model_of_subsets.row(index.row()).kept)

    def _take_font(self) -> None:
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        self.verticalHeader().setMinimumSectionSize(self.fontMetrics().height() + 4)
        self._dots.measure()
        self._fit_columns()

    def _bar_width(self) -> int:
        return self.fontMetrics().horizontalAdvance("−0.00") + 70

    def _fit_columns(self) -> None:
        header = self._dots
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(40)
        header.setSectionResizeMode(KEPT, QHeaderView.ResizeMode.Fixed)
        header.resizeSection(KEPT, header.width_of_dots())
        for column in (MACRO_F1, DROP, AGREEMENT):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        for column in (CONFIDENCE, LEFT_OUT):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self._show_confidence()
        # Of a few subsets, no empty room below them.
        self.setMaximumHeight(self._height_of(self.model_of_subsets.rowCount()))
        self.updateGeometry()


class _DotHeader(QHeaderView):
    """Names of the modalities above their dots: level where there is room, else turned."""

    def __init__(self, table: SubsetTable) -> None:
        super().__init__(Qt.Orientation.Horizontal, table)
        self._names: tuple[str, ...] = ()
        self.step = 24
        self.is_level = True
        self._height = self._most = 0
        self.setSectionsClickable(True)
        self.setHighlightSections(False)
        self.setDefaultAlignment(Qt.AlignmentFlag.AlignCenter)

    def set_names(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self.measure()

    def measure(self) -> None:
        """Find out how far dots are apart, and how high the header is."""
        metrics = self.fontMetrics()
        line = metrics.height()
        self._most = WIDEST_NAME * line
        widths = [min(metrics.horizontalAdvance(name), self._most) for name in self._names]
        widest = max(widths, default=0)
        self.is_level = len(widths) * (widest + 14) <= LEVEL_NAMES_WITHIN * line
        self.step = max(widest + 14, line + 8) if self.is_level else line + 8
        self._height = line + 10 if self.is_level else widest + 12
        self.updateGeometry()
        self.headerDataChanged(Qt.Orientation.Horizontal, 0, max(self.count() - 1, 0))

    def width_of_dots(self) -> int:
        return max(1, len(self._names)) * self.step + 12 + SORT_MARK

    def centre(self, modality: int) -> float:
        """Where a modality's dots lie, from the left of the column."""
        return 6 + (modality + 0.5) * self.step

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        return QSize(hint.width(), max(hint.height(), self._height))

    def paintSection(self, painter: QPainter, rect: QRect, logical: int) -> None:
        painter.save()
        super().paintSection(painter, rect, logical)
        painter.restore()
        if logical != KEPT:
            return
        painter.save()
        painter.setPen(self.palette().color(QPalette.ColorRole.ButtonText))
        metrics = QFontMetrics(painter.font())
        for modality, name in enumerate(self._names):
            x = rect.left() + self.centre(modality)
            text = metrics.elidedText(name, Qt.TextElideMode.ElideRight, self._most)
            if self.is_level:
                place = QRectF(x - self.step / 2, rect.top(), self.step, rect.height())
                painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)
                continue
            painter.save()
            painter.translate(x, rect.bottom() - 5)
            painter.rotate(-90)
            line = metrics.height()
            place = QRectF(0, -line / 2, rect.height(), line)
            left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(place, left, text)
            painter.restore()
        painter.restore()


class _CellDelegate(QStyledItemDelegate):
    """Paints the ground of a cell, selected or not; what stands in it is for others."""

    def ground(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> QColor:
        """Paint it, and return the colour of text on it."""
        self.initStyleOption(option, index)
        option.text = ""
        style = option.widget.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        role = QPalette.ColorRole.HighlightedText if selected else QPalette.ColorRole.Text
        active = bool(option.state & QStyle.StateFlag.State_Active)
        group = QPalette.ColorGroup.Active if active else QPalette.ColorGroup.Inactive
        return option.palette.color(group, role)

    @staticmethod
    def base(option: QStyleOptionViewItem) -> QColor:
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        role = QPalette.ColorRole.Highlight if selected else QPalette.ColorRole.Base
        return option.palette.color(role)


class _DotDelegate(_CellDelegate):
    """Filled dots for what is kept, joined by a line; rings for what is not."""

    def __init__(self, table: SubsetTable) -> None:
        super().__init__(table)
        self._table = table

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        figure: SubsetFigure = index.data(FIGURE_ROLE)
        place = QRect(option.rect)
        text = self.ground(painter, option, index)
        figures = self._table.model_of_subsets.figures
        if figures is None:
            return
        header = self._table.horizontalHeader()
        faint = blend(self.base(option), text, 0.35)
        middle = place.center().y() + 0.5
        radius = min(place.height(), header.step) * 0.24
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        centres = [place.left() + header.centre(m) for m in range(len(figures.modalities))]
        if len(figure.kept) > 1:
            painter.setPen(QPen(text, max(1.0, radius * 0.4)))
            ends = centres[figure.kept[0]], centres[figure.kept[-1]]
            painter.drawLine(QPointF(ends[0], middle), QPointF(ends[1], middle))
        for modality, x in enumerate(centres):
            if modality in figure.kept:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(text)
                painter.drawEllipse(QPointF(x, middle), radius, radius)
            else:
                painter.setPen(QPen(faint, 1))
                # Its own ground, so that the line passes behind the ring.
                painter.setBrush(self._ground_of(option))
                painter.drawEllipse(QPointF(x, middle), radius - 1, radius - 1)
        painter.restore()

    def _ground_of(self, option: QStyleOptionViewItem) -> QColor:
        if option.state & QStyle.StateFlag.State_Selected:
            return option.palette.color(QPalette.ColorRole.Highlight)
        odd = bool(option.features & QStyleOptionViewItem.ViewItemFeature.Alternate)
        role = QPalette.ColorRole.AlternateBase if odd else QPalette.ColorRole.Base
        return option.palette.color(role)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        header = self._table.horizontalHeader()
        return QSize(header.width_of_dots(), option.fontMetrics.height() + 8)


class _BarDelegate(_CellDelegate):
    """A figure with a bar beside it, and its interval as a line over the bar."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        figure: SubsetFigure = index.data(FIGURE_ROLE)
        model = index.model()
        assert isinstance(model, SubsetModel)
        cell = model.cell(figure, index.column())
        place = QRect(option.rect).adjusted(4, 0, -6, 0)
        worst = model.is_worst(figure) and index.column() == DROP
        text = self.ground(painter, option, index)
        painter.save()
        font = QFont(option.font)
        font.setBold(worst)
        painter.setFont(font)
        painter.setPen(text)
        width = QFontMetrics(font).horizontalAdvance("−0.00" if cell.text != "100 %" else "100 %")
        width = max(width, QFontMetrics(font).horizontalAdvance(cell.text))
        painter.drawText(QRect(place.left(), place.top(), width, place.height()), _RIGHT, cell.text)
        area = QRectF(place.adjusted(width + 8, 0, 0, 0))
        if cell.value is not None and area.width() >= SHORTEST_BAR:
            base = self.base(option)
            selected = bool(option.state & QStyle.StateFlag.State_Selected)
            bar = blend(base, text, 0.5)
            if not selected:
                bar = readable_on(class_colour(0), base, 3.0)
            draw_bar(painter, area, cell, bar, text)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(
            option.fontMetrics.horizontalAdvance("−0.00") + 70, option.fontMetrics.height() + 8
        )


def draw_bar(painter: QPainter, area: QRectF, cell: _Cell, bar: QColor, line: QColor) -> None:
    """A bar from zero to a value, thick, and the interval as a thin line with ends over it."""

    def x(value: float) -> float:
        part = (min(max(value, cell.low), cell.high) - cell.low) / (cell.high - cell.low)
        return area.left() + part * (area.width() - 1)

    assert cell.value is not None
    middle = area.center().y()
    half = max(2.0, area.height() * 0.2)
    left, right = sorted((x(cell.zero), x(cell.value)))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.fillRect(QRectF(round(left), middle - half, max(1.0, right - left), 2 * half), bar)
    if cell.low < cell.zero:
        painter.setPen(QPen(line, 1))
        zero = round(x(cell.zero))
        painter.drawLine(QPointF(zero, area.top() + 2), QPointF(zero, area.bottom() - 2))
    if cell.interval is not None and cell.interval[1] > cell.interval[0]:
        painter.setPen(QPen(line, 1))
        low, high = (round(x(end)) for end in cell.interval)
        painter.drawLine(QPointF(low, middle), QPointF(high, middle))
        for end in (low, high):
            painter.drawLine(QPointF(end, middle - half + 1), QPointF(end, middle + half - 1))
