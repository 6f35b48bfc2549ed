"""A share of a whole in a table: a bar with the percent beside it."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPalette
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from ui.appearance import readable_on

SHARE_ROLE = Qt.ItemDataRole.UserRole + 1
"""The share, 0 to 1; None where it is not known. Its text is the item's own."""
_MARGIN, _BAR_HEIGHT, _SHORTEST = 5, 9, 8
"""Pixels."""

Index = QModelIndex | QPersistentModelIndex


class ShareDelegate(QStyledItemDelegate):
    """Draws a share as a bar with the item's text beside it; nothing where it is not known."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        share = index.data(SHARE_ROLE)
        self.initStyleOption(option, index)
        text, option.text = option.text, ""
        style = option.widget.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        if share is None:
            return
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        role = QPalette.ColorRole.HighlightedText if chosen else QPalette.ColorRole.Text
        ink = option.palette.color(role)
        ground = option.palette.color(
            QPalette.ColorRole.Highlight if chosen else QPalette.ColorRole.Base
        )
        accent = readable_on(option.palette.color(QPalette.ColorRole.Accent), ground, 3.0)
        inner = option.rect.adjusted(_MARGIN, 0, -_MARGIN, 0)
        width = option.fontMetrics.horizontalAdvance("100 %")
        words = QRect(inner.right() - width, inner.top(), width + 1, inner.height())
        bar = QRect(
            inner.left(),
            inner.center().y() - _BAR_HEIGHT // 2,
            inner.width() - width - 6,
            _BAR_HEIGHT,
        )
        painter.save()
        painter.setPen(ink)
        painter.setFont(option.font)
        painter.drawText(words, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
        if bar.width() >= _SHORTEST:
            edge = QColor(ink)
            edge.setAlpha(140)
            painter.setPen(edge)
            painter.drawRect(bar)
            filled = bar.adjusted(1, 1, 0, 0)
            filled.setWidth(round((bar.width() - 1) * min(max(share, 0.0), 1.0)))
            painter.fillRect(filled, ink if chosen else accent)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        hint = super().sizeHint(option, index)
        return QSize(hint.width() + 40, hint.height())
