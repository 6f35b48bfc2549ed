"""What every dialog has to hold to: names for screen readers, distinct keys, a size that fits."""

from __future__ import annotations

from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QDialog,
    QHeaderView,
    QLabel,
    QLineEdit,
    QWidget,
)

_EDITORS = (QAbstractButton, QComboBox, QLineEdit, QAbstractItemView, QAbstractSpinBox)


def check_controls(dialog: QDialog) -> None:
    """Every control that is seen has a name and a tooltip; no two share a key; it fits."""
    keys: dict[str, str] = {}
    for widget in (*dialog.findChildren(QLabel), *dialog.findChildren(QAbstractButton)):
        text = widget.text().replace("&&", "")
        if widget.isVisibleTo(dialog) and "&" in text:
            key = text[text.index("&") + 1].upper()
            assert key not in keys, f"'{text}' and '{keys[key]}' share Alt+{key}"
            keys[key] = text
    for kind in _EDITORS:
        for widget in dialog.findChildren(kind):
            if widget.isVisibleTo(dialog) and not _is_inner(widget):
                text = widget.text() if isinstance(widget, QAbstractButton) else ""
                assert widget.accessibleName() or text, widget
                assert widget.toolTip() or not isinstance(widget, QComboBox | QLineEdit), widget
    least = dialog.minimumSizeHint()
    assert least.width() <= 1024
    assert least.height() <= 700
    assert dialog.width() <= 1024
    assert dialog.height() <= 700


def _is_inner(widget: QWidget) -> bool:
    """Whether it is a part of another control."""
    parent = widget.parent()
    return (
        isinstance(widget, QHeaderView)
        or isinstance(parent, QComboBox | QAbstractSpinBox | QAbstractItemView)
        or (parent is not None and isinstance(parent.parent(), QComboBox))
        or widget.objectName().startswith("qt_")
    )
