"""A frame round the part that the keyboard acts on, where the style's own is hard to see."""

from __future__ import annotations

import shiboken6
from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QRegion
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QLineEdit, QSplitter, QWidget

WIDTH = 2
_MOVED = frozenset(
    {
        QEvent.Type.Move,
        QEvent.Type.Resize,
        QEvent.Type.Show,
        QEvent.Type.Hide,
        QEvent.Type.ParentChange,
    }
)
# Fields to type in have a frame and a cursor of their own.
_SHOW_THEMSELVES = (QLineEdit, QAbstractSpinBox)


class FocusRing(QObject):
    """Lays the ring round the focus of any window, once Tab or a menu key has been used there.

    Styles that follow their platform (Windows, macOS) mark the focus themselves; only Fusion's
    marks are too faint on lists, flat buttons and drawings.
    """

    def __init__(self, application: QApplication, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._application = application
        self._ring: Ring | None = None
        application.focusChanged.connect(self._on_focus)

    @property
    def ring(self) -> Ring | None:
        """The ring that is shown now."""
        ring = self._ring
        return ring if ring is not None and shiboken6.isValid(ring) else None

    def _on_focus(self, old: QWidget | None, new: QWidget | None) -> None:
        if self.ring is not None:
            self.ring.leave()
        self._ring = None
        if new is not None and self._is_wanted(new):
            self._ring = Ring(new)

    def _is_wanted(self, widget: QWidget) -> bool:
        window = widget.window()
        return (
            self._application.style().name().lower() == "fusion"
            and widget is not window
            and not isinstance(widget, _SHOW_THEMSELVES)
            # A splitter would make a pane of the ring; a popup goes before it is seen.
            and not isinstance(window, QSplitter)
            and window.windowType() != Qt.WindowType.Popup
            and window.testAttribute(Qt.WidgetAttribute.WA_KeyboardFocusChange)
        )


class Ring(QWidget):
    """A frame over a widget's edge that follows it. It lies in the window, beside all layouts."""

    def __init__(self, target: QWidget) -> None:
        super().__init__(target.window())
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._target: QWidget | None = target
        above: QWidget | None = target
        while above is not None:
            above.installEventFilter(self)
            above = None if above.isWindow() else above.parentWidget()
        self._follow()

    def leave(self) -> None:
        """Go, and until the event loop has taken it away, follow nothing."""
        self._target = None
        self.hide()
        self.deleteLater()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in _MOVED and shiboken6.isValid(self):
            self._follow()
        return False

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(event.rect(), self.palette().highlight())
        painter.end()

    def _follow(self) -> None:
        target = self._target
        if target is None or not shiboken6.isValid(target) or not target.isVisible():
            self.hide()
            return
        seen = _seen_part(target)
        if seen.width() <= 2 * WIDTH or seen.height() <= 2 * WIDTH:
            self.hide()
            return
        if seen != self.geometry() or self.isHidden():
            self.setGeometry(seen)
            whole = QRect(QPoint(0, 0), seen.size())
            inside = whole.adjusted(WIDTH, WIDTH, -WIDTH, -WIDTH)
            self.setMask(QRegion(whole) - QRegion(inside))
        self.show()
        self.raise_()


def _seen_part(widget: QWidget) -> QRect:
    """What its ancestors leave of a widget, and a pixel around it, in the window's coordinates."""
    rect = widget.rect().adjusted(-1, -1, 1, 1)
    current = widget
    while not current.isWindow():
        parent = current.parentWidget()
        rect = rect.translated(current.pos()).intersected(parent.rect())
        current = parent
    return rect
