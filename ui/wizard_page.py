"""What the pages of the new-study window share: the frame of a page and small editors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent, QWheelEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ui.wizard_draft import StudyDraft

SEEN_BOXES = (
    "QAbstractItemView::indicator:unchecked "
    "{ border: 1px solid palette(text); background: palette(base); width: 11px; height: 11px; }"
)
"""Style of lists with ticks: Fusion draws an empty box in the dark so that nobody sees it."""


class WizardPage(QWidget):
    """One page. It shows what the draft holds and asks it for changes."""

    problem_changed = Signal()
    """What keeps the user from going on may have changed."""

    def __init__(self, draft: StudyDraft, title: str, explanation: str) -> None:
        super().__init__()
        self.draft = draft
        self.title = title
        self.explanation = explanation
        self._filling = False
        self._stale = True
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self.refresh)

    def problem(self) -> str:
        """Why the user cannot go on, in words; empty where they can."""
        return ""

    def enter(self) -> None:
        """The page is about to be shown."""

    def show_draft(self) -> None:
        """Put what the draft holds into the page's fields."""

    def show_soon(self) -> None:
        """Show the draft once for all that is being announced, or when the page is next seen."""
        self._stale = True
        if self.isVisible():
            self._soon.start()

    def refresh(self) -> None:
        self._soon.stop()
        self._stale = False
        self.show_draft()

    def showEvent(self, event: QShowEvent) -> None:
        if self._stale:
            self.refresh()
        super().showEvent(event)

    @contextmanager
    def filling(self) -> Iterator[None]:
        """While the page's own fields are set, they ask for no changes."""
        before, self._filling = self._filling, True
        try:
            yield
        finally:
            self._filling = before

    @property
    def is_filling(self) -> bool:
        return self._filling


class Words(QLabel):
    """Text for people that may hold names of files, which are no markup; it wraps."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    def minimumSizeHint(self) -> QSize:
        # Its height depends on its width; one line is the least.
        return QSize(40, self.fontMetrics().lineSpacing())

    def say(self, text: str) -> None:
        """Show a text; without one, take no room."""
        self.setText(text)
        self.setVisible(bool(text))


class NumberEdit(QLineEdit):
    """A number, or nothing where nothing is meant. A comma is taken for a point."""

    changed = Signal()

    def __init__(
        self, name: str, tip: str, least: float = -math.inf, above: float | None = None
    ) -> None:
        super().__init__()
        self._least, self._above = least, above
        self._name = name
        self.setMaximumWidth(110)
        describe(self, name, tip)
        self.editingFinished.connect(self._tell)
        self._told = ""

    def value(self) -> float | None:
        """The number; None where the field is empty. ValueError in words where it is none."""
        text = self.text().strip().replace(",", ".")
        if not text:
            return None
        try:
            number = float(text)
        except ValueError:
            raise ValueError(
                QCoreApplication.translate("NumberEdit", "{name}: '{text}' is no number.").format(
                    name=self._name, text=self.text().strip()
                )
            ) from None
        if not math.isfinite(number) or number < self._least or (
            self._above is not None and number <= self._above
        ):  # fmt: skip
            raise ValueError(
                QCoreApplication.translate("NumberEdit", "{name}: {text} is too small.").format(
                    name=self._name, text=self.text().strip()
                )
            )
        return number

    def set_value(self, value: float | None) -> None:
        put(self, "" if value is None else f"{value:.10g}")
        self._told = self.text()

    def _tell(self) -> None:
        # Leaving a field that was not changed changes nothing.
        if self.text() != self._told:
            self._told = self.text()
            self.changed.emit()


class FreeCombo(QComboBox):
    """A choice that may also be typed; for cells of tables."""

    said = Signal()
    """Something was chosen, or typed and finished."""

    def __init__(self) -> None:
        super().__init__()
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setFrame(False)
        self.activated.connect(self._tell)
        line = self.lineEdit()
        assert line is not None
        self._line = line
        line.editingFinished.connect(self._tell)

    @property
    def is_typing(self) -> bool:
        """Whether somebody is in the middle of typing here."""
        return self._line.isModified() and self._line.hasFocus()

    def _tell(self) -> None:
        self._line.setModified(False)
        self.said.emit()


class Section(QWidget):
    """A part that is folded away until it is wanted."""

    def __init__(self, title: str, content: QWidget, tip: str = "") -> None:
        super().__init__()
        self.button = QToolButton()
        self.button.setText(title)
        self.button.setCheckable(True)
        self.button.setAutoRaise(True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setArrowType(Qt.ArrowType.RightArrow)
        describe(self.button, title.replace("&", ""), tip or title.replace("&", ""))
        self.content = content
        content.setVisible(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.button)
        column.addWidget(content)
        self.button.toggled.connect(self._fold)

    def _fold(self, open_: bool) -> None:
        self.content.setVisible(open_)
        arrow = Qt.ArrowType.DownArrow if open_ else Qt.ArrowType.RightArrow
        self.button.setArrowType(arrow)


class ScrollPart(QScrollArea):
    """A part that scrolls up and down when it does not fit, and is as wide as there is room."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QScrollArea.Shape.NoFrame)

    def sizeHint(self) -> QSize:
        content = self.widget()
        return content.sizeHint() if content is not None else super().sizeHint()


class FittingStack(QStackedWidget):
    """Pages one of which is shown, with no more room than that one needs."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.currentChanged.connect(self.updateGeometry)

    def sizeHint(self) -> QSize:
        page = self.currentWidget()
        return page.sizeHint() if page is not None else super().sizeHint()

    def minimumSizeHint(self) -> QSize:
        page = self.currentWidget()
        return page.minimumSizeHint() if page is not None else super().minimumSizeHint()


class _NoWheel(QObject):
    """Turning the wheel scrolls the page, and changes no field that it passes over."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if (
            event.type() == QEvent.Type.Wheel
            and isinstance(event, QWheelEvent)
            and isinstance(watched, QWidget)
            and not watched.hasFocus()
        ):
            event.ignore()
            return True
        return super().eventFilter(watched, event)


def describe(widget: QWidget, name: str, tip: str) -> None:
    """Give a control its accessible name and its tooltip."""
    widget.setAccessibleName(name)
    widget.setToolTip(tip)
    if isinstance(widget, QComboBox | QAbstractSpinBox):
        widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        widget.installEventFilter(_NoWheel(widget))


def add_row(form: QFormLayout, title: str, editor: QWidget, tip: str = "") -> QLabel:
    """A row of a form, with a key to the editor and its name for screen readers."""
    label = QLabel(title)
    label.setBuddy(editor)
    form.addRow(label, editor)
    describe(editor, title.replace("&", ""), tip or title.replace("&", ""))
    return label


def put(line: QLineEdit, text: str) -> None:
    """Set a text, without moving the cursor of somebody who has typed just that."""
    if line.text().strip() != text:
        line.setText(text)
        line.setCursorPosition(0)


def choose(box: QComboBox, value: object) -> None:
    """Set a combo box to the entry with this value; it stays where there is none."""
    place = box.findData(value)
    if place >= 0:
        box.setCurrentIndex(place)
