"""The classes of a study as buttons, with what has been labelled so far: labelling by mouse."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, Signal, SignalInstance
from PySide6.QtGui import QColor, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.label_scheme import BAD_SIGNAL, LabelClass, LabelScheme
from ui.icons import keep_icon
from ui.study_panel import duration_text, percent_text

CHIP = 16
"""Side of a colour chip, in points."""
LONGEST_PAUSE_S = 60.0
"""A longer time between two labels is a pause, and no part of the pace."""


class LabelPalette(QWidget):
    """Buttons for classes and for moving on; says what was pressed and changes nothing."""

    class_chosen = Signal(str)
    """A class: of a state for the current epoch or selection, of an event for the selected
    stretch, of a mark for the cursor's place."""
    clear_requested = Signal()
    fill_requested = Signal()
    next_unlabelled = Signal()
    next_disagreement = Signal()
    auto_advance_changed = Signal(bool)
    paint_class_changed = Signal(object)
    """Name of the state that a drag over the strip paints; None for none."""

    def __init__(
        self, parent: QWidget | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(parent)
        self._scheme: LabelScheme | None = None
        self._counts: dict[str, int] = {}
        self._total = 0
        self._current: str | None = None
        self._paint: str | None = None
        self._locked = ""
        self._keys: dict[str, str] = {}
        self._clock = clock
        self._pace = Pace()
        self._lines: dict[str, _Line] = {}

        self.progress = QProgressBar()
        self.progress.setAccessibleName(self.tr("Epochs labelled"))
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.done = QLabel()
        self.left = QLabel()
        for says in (self.done, self.left):
            says.setWordWrap(True)
            says.setTextFormat(Qt.TextFormat.PlainText)
        self.lock_picture = QToolButton()
        self.lock_picture.setAutoRaise(True)
        self.lock_picture.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.lock_picture.setAccessibleName(self.tr("Locked"))
        keep_icon(self.lock_picture, "lock")
        self.lock = QLabel()
        self.lock.setWordWrap(True)
        self.lock.setTextFormat(Qt.TextFormat.PlainText)
        self._lock_line = QWidget()
        lock_line = QHBoxLayout(self._lock_line)
        lock_line.setContentsMargins(0, 0, 0, 0)
        lock_line.addWidget(self.lock_picture, 0, Qt.AlignmentFlag.AlignTop)
        lock_line.addWidget(self.lock, 1)
        self._lock_line.setVisible(False)

        self._classes = QWidget()
        self._grid = QGridLayout(self._classes)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(0, 1)

        self.clear_button = self._button(self.tr("Clea&r"), "remove", self.clear_requested)
        self.fill_button = self._button(self.tr("Fill to ne&xt"), "label", self.fill_requested)
        self.unlabelled_button = self._button(
            self.tr("Next &unlabelled"), "next", self.next_unlabelled
        )
        self.disagreement_button = self._button(
            self.tr("Next &disagreement"), "person", self.next_disagreement
        )
        self._says = {
            "clear": self.tr("Take the state of the epoch or selection away"),
            "fill": self.tr("Give the class of this epoch to all up to the next label"),
            "next_unlabelled": self.tr("Go to the next epoch without a label"),
            "next_disagreement": self.tr("Go to the next epoch that raters see differently"),
            "auto_advance": self.tr("Go on to the next epoch after each label"),
        }
        self.advance = QCheckBox(self.tr("&Advance by itself"))
        self.advance.setChecked(True)
        self.advance.toggled.connect(self.auto_advance_changed)
        self._named = {
            "clear": self.clear_button,
            "fill": self.fill_button,
            "next_unlabelled": self.unlabelled_button,
            "next_disagreement": self.disagreement_button,
            "auto_advance": self.advance,
        }
        commands = QGridLayout()
        commands.addWidget(self.clear_button, 0, 0)
        commands.addWidget(self.fill_button, 0, 1)
        commands.addWidget(self.unlabelled_button, 1, 0, 1, 2)
        commands.addWidget(self.disagreement_button, 2, 0, 1, 2)
        commands.addWidget(self.advance, 3, 0, 1, 2)

        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(self.done)
        column.addWidget(self.progress)
        column.addWidget(self.left)
        column.addWidget(self._lock_line)
        column.addWidget(self._classes)
        column.addWidget(_rule())
        column.addLayout(commands)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(inner)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scroll)
        self._inner, self._scroll = inner, scroll
        inner.installEventFilter(self)
        self.set_keys({})
        self._show_progress(0)

    # -- what is shown

    def set_scheme(self, scheme: LabelScheme) -> None:
        """Offer the classes of a scheme."""
        if scheme == self._scheme:
            return
        self._scheme = scheme
        for line in self._lines.values():
            for part in line.parts:
                self._take_out(part)
        for heading in self._classes.findChildren(_Heading):
            self._take_out(heading)
        self._lines = {}
        row = 0
        for title, classes in (
            (self.tr("States"), scheme.states),
            (self.tr("Events"), scheme.events),
            (self.tr("Marks"), scheme.marks),
        ):
            if not classes:
                continue
            self._grid.addWidget(_Heading(title), row, 0, 1, 5)
            for entry in classes:
                row += 1
                line = _Line(entry, self._tip_of(entry))
                self._lines[entry.name] = line
                for place, part in enumerate(line.parts):
                    self._grid.addWidget(part, row, place)
                line.button.pressed_class.connect(self.class_chosen)
                line.button.menu_wanted.connect(self._on_brush_wanted)
                if line.brush is not None:
                    line.brush.toggled.connect(self._on_brush)
            row += 1
        if self._paint is not None and scheme.find(self._paint) not in scheme.states:
            self.set_paint_class(None)
            self.paint_class_changed.emit(None)
        self._refresh()

    def set_counts(
        self, counts: Mapping[str, int], epochs_labelled: int, epochs_total: int
    ) -> None:
        """Show how much is labelled: epochs of states, pieces of events and marks, by class."""
        self._counts = dict(counts)
        if epochs_total != self._total:
            self._pace = Pace()
        self._total = epochs_total
        self._pace.note(epochs_labelled, self._clock())
        self._show_progress(epochs_labelled)
        self._refresh()

    def restart_pace(self) -> None:
        """Estimate the time left anew: another recording or rater is shown."""
        self._pace = Pace()
        self.left.setText("")

    def set_current(self, class_name: str | None) -> None:
        """Say which state the current epoch has; None for none."""
        self._current = class_name
        for name, line in self._lines.items():
            line.button.setChecked(name == class_name)

    def set_locked(self, reason: str) -> None:
        """Say why no label can be changed; empty where labels can."""
        self._locked = reason
        self.lock.setText(reason)
        self._lock_line.setVisible(bool(reason))
        for button in (self.clear_button, self.fill_button):
            button.setEnabled(not reason)
        for line in self._lines.values():
            line.set_enabled(not reason)
        self._show_tips()

    def set_auto_advance(self, on: bool) -> None:
        """Say whether a label goes on to the next epoch. Announces nothing."""
        self.advance.blockSignals(True)
        self.advance.setChecked(on)
        self.advance.blockSignals(False)

    def set_paint_class(self, class_name: str | None) -> None:
        """Say which class a drag over the strip paints. Announces nothing."""
        self._paint = class_name
        for name, line in self._lines.items():
            if line.brush is not None:
                line.brush.blockSignals(True)
                line.brush.setChecked(name == class_name)
                line.brush.blockSignals(False)

    def set_keys(self, keys: Mapping[str, str]) -> None:
        """Name the keys of commands in tooltips: `clear`, `fill`, `next_unlabelled`,
        `next_disagreement`, `auto_advance`."""
        self._keys = dict(keys)
        self._show_tips()

    # -- parts

    def _take_out(self, part: QWidget) -> None:
        self._grid.removeWidget(part)
        part.hide()
        part.deleteLater()

    def _on_brush(self, on: bool) -> None:
        brush = self.sender()
        name = next((n for n, line in self._lines.items() if line.brush is brush), None)
        wanted = name if on else None
        self.set_paint_class(wanted)
        self.paint_class_changed.emit(wanted)

    def _on_brush_wanted(self, class_name: str) -> None:
        brush = self._lines[class_name].brush
        if brush is not None and brush.isEnabled():
            brush.toggle()

    def _button(self, text: str, picture: str, signal: SignalInstance) -> QPushButton:
        button = QPushButton(text)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setAccessibleName(text.replace("&", ""))
        keep_icon(button, picture)
        button.clicked.connect(signal)
        return button

    def _tip_of(self, entry: LabelClass) -> str:
        name = entry.name
        if entry.kind == "state":
            says = self.tr("Label the epoch or selection as {name}").format(name=name)
        elif entry.name == BAD_SIGNAL:
            says = self.tr("The selected stretch of a modality is bad: it counts as absent there")
        elif entry.kind == "event":
            says = self.tr("The selected stretch is {name}").format(name=name)
        else:
            says = self.tr("{name} is at the cursor; it moves here if it is elsewhere").format(
                name=name
            )
        if entry.keys:
            says = self.tr("{says} (key {keys})").format(
                says=says, keys=self.tr(" or ").join(entry.keys)
            )
        if entry.kind == "state":
            says += "\n" + self.tr("Right click: paint with it on the strip")
        return says

    def _show_tips(self) -> None:
        for name, widget in self._named.items():
            says = self._says[name]
            if self._keys.get(name):
                says = self.tr("{says} ({key})").format(says=says, key=self._keys[name])
            if self._locked and not widget.isEnabled():
                says += "\n" + self._locked
            widget.setToolTip(says)
        for line in self._lines.values():
            tip = self._tip_of(line.entry)
            line.button.setToolTip(f"{tip}\n{self._locked}" if self._locked else tip)

    def _show_progress(self, labelled: int) -> None:
        total = self._total
        self.progress.setRange(0, max(total, 1))
        self.progress.setValue(min(labelled, total) if total else 0)
        if not total:
            self.done.setText(self.tr("Nothing to label."))
            self.left.setText("")
            return
        self.done.setText(
            self.tr("{done} of {total} epochs ({share})").format(
                done=labelled, total=total, share=percent_text(labelled / total)
            )
        )
        left_s = self._pace.left_s(total)
        if labelled >= total:
            self.left.setText(self.tr("All epochs are labelled."))
        elif left_s is None:
            self.left.setText("")
        else:
            self.left.setText(
                self.tr("About {time} left at this pace").format(time=duration_text(left_s))
            )

    def _refresh(self) -> None:
        for name, line in self._lines.items():
            count = self._counts.get(name, 0)
            line.show_count(count, self._total)
            is_state = line.entry.kind == "state"
            line.button.setAccessibleDescription(
                self.tr("{count} epochs").format(count=count)
                if is_state
                else self.tr("{count} in this recording").format(count=count)
            )
        self.set_current(self._current)
        self.set_paint_class(self._paint)
        self.set_locked(self._locked)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._inner and event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return False

    def _fit(self) -> None:
        """As wide as the buttons need: what is cut off could not be scrolled to."""
        bar = self._scroll.verticalScrollBar().sizeHint().width()
        self._scroll.setMinimumWidth(self._inner.minimumSizeHint().width() + bar)


class _Heading(QLabel):
    """The name of a kind of class."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        font = self.font()
        font.setBold(True)
        self.setFont(font)
        self.setContentsMargins(0, 6, 0, 0)


class _ClassButton(QToolButton):
    """A button for one class; a right click, or the menu key, asks for its brush."""

    pressed_class = Signal(str)
    menu_wanted = Signal(str)

    def __init__(self, entry: LabelClass) -> None:
        super().__init__()
        self._name = entry.name
        text = entry.name.replace("&", "&&")
        self.setText(self.tr("{name} here").format(name=text) if entry.kind == "mark" else text)
        self.setIcon(class_chip(entry.colour))
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setCheckable(entry.kind == "state")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName(entry.name)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.clicked.connect(self._on_clicked)
        self.customContextMenuRequested.connect(self._on_menu)

    def _on_clicked(self) -> None:
        # Whether it is down tells the class of the epoch, which is for the owner to say.
        if self.isCheckable():
            self.setChecked(not self.isChecked())
        self.pressed_class.emit(self._name)

    def _on_menu(self, place: QPoint) -> None:
        self.menu_wanted.emit(self._name)


class _Line:
    """The widgets of one class."""

    def __init__(self, entry: LabelClass, tip: str) -> None:
        self.entry = entry
        self.button = _ClassButton(entry)
        self.button.setToolTip(tip)
        self.key = QLabel(" ".join(entry.keys))
        self.count = QLabel()
        self.share = QLabel()
        for says in (self.count, self.share):
            says.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.share.setMinimumWidth(self.share.fontMetrics().horizontalAdvance("100 %"))
        self.brush: _Brush | None = _Brush(entry.name) if entry.kind == "state" else None

    @property
    def parts(self) -> tuple[QWidget, ...]:
        return tuple(
            part
            for part in (self.button, self.key, self.count, self.share, self.brush)
            if part is not None
        )

    def show_count(self, count: int, total: int) -> None:
        self.count.setText(str(count))
        if self.entry.kind == "state":
            self.share.setText(percent_text(count / total) if total else "")

    def set_enabled(self, on: bool) -> None:
        self.button.setEnabled(on)
        if self.brush is not None:
            self.brush.setEnabled(on)


class _Brush(QToolButton):
    """Turns a class into what a drag over the strip paints."""

    def __init__(self, class_name: str) -> None:
        super().__init__()
        self.setCheckable(True)
        self.setAutoRaise(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        name = self.tr("Paint {name} on the strip").format(name=class_name)
        self.setAccessibleName(name)
        self.setToolTip(
            self.tr("{name}: drag over epochs there (right click on the class)").format(name=name)
        )
        self._draw()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._draw()

    def _draw(self) -> None:
        """A brush over a line; drawn here, as no other part of the program has one."""
        side, ratio = CHIP, 2
        picture = QPixmap(side * ratio, side * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = painter.pen()
        pen.setColor(self.palette().color(QPalette.ColorRole.ButtonText))
        pen.setWidthF(1.4)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        painter.drawLine(13, 2, 7, 8)
        painter.drawPolyline([QPoint(7, 8), QPoint(4, 9), QPoint(3, 12), QPoint(6, 11)])
        painter.drawLine(6, 11, 7, 8)
        painter.drawLine(2, 14, 14, 14)
        painter.end()
        self.setIcon(QIcon(picture))


@dataclass(frozen=True)
class _Step:
    """Epochs labelled within a time."""

    epochs: int
    took_s: float


class Pace:
    """How fast one labels, from the last few labels; pauses do not count."""

    KEPT = 40
    LEAST = 3

    def __init__(self) -> None:
        self._labelled: int | None = None
        self._at_s = 0.0
        self._steps: deque[_Step] = deque(maxlen=self.KEPT)

    def note(self, labelled: int, now_s: float) -> None:
        """Take in how many epochs are labelled now."""
        before = self._labelled
        if before is not None and labelled > before:
            took_s = now_s - self._at_s
            if took_s <= LONGEST_PAUSE_S:
                self._steps.append(_Step(labelled - before, took_s))
        if before is None or labelled != before:
            self._labelled, self._at_s = labelled, now_s

    def left_s(self, total: int) -> float | None:
        """Seconds until all are labelled; None while too little is known."""
        if self._labelled is None or len(self._steps) < self.LEAST:
            return None
        epochs = sum(step.epochs for step in self._steps)
        return (total - self._labelled) * sum(step.took_s for step in self._steps) / epochs


def class_chip(colour: str) -> QIcon:
    """A square in a class's colour, with an edge that shows on light and on dark."""
    ratio = 2
    picture = QPixmap(CHIP * ratio, CHIP * ratio)
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setPen(QColor("#808080"))
    painter.setBrush(QColor(colour))
    painter.drawRect(2, 2, CHIP - 5, CHIP - 5)
    painter.end()
    made = QIcon(picture)
    # Where nothing can be pressed, or a line is chosen, colours still tell what is what.
    made.addPixmap(picture, QIcon.Mode.Disabled)
    made.addPixmap(picture, QIcon.Mode.Selected)
    return made


def _rule() -> QFrame:
    rule = QFrame()
    rule.setFrameShape(QFrame.Shape.HLine)
    rule.setFrameShadow(QFrame.Shadow.Sunken)
    return rule
