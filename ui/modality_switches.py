"""Switches above the traces: what would be predicted without this modality?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QFontMetrics, QIcon, QPainter, QPalette, QPen, QPixmap
from PySide6.QtWidgets import (
    QCheckBox,
    QLabel,
    QLayout,
    QLayoutItem,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from core.window_view import LiveFigures
from ui.overview_bar import seen_on
from ui.time_plot import class_colour

KEYS = tuple(f"Alt+{number}" for number in range(1, 10))
ALL_KEY = "Alt+0"


class ModalitySwitches(QWidget):
    """One switch per modality, and what the whole recording's figures are with those that are on.

    It only asks: `kept_changed` says what should be kept, `set_kept` shows what is. A modality
    that the recording does not have is off for good, and says why; it counts as kept all the same,
    since nobody took it away.
    """

    kept_changed = Signal(tuple)
    """Numbers of the modalities that should be kept."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names: tuple[str, ...] = ()
        self._shares: dict[str, float] = {}
        self._reasons: dict[str, str] = {}
        self._kept: tuple[int, ...] = ()
        self._keys: tuple[str, ...] = KEYS
        self._all_key = ALL_KEY
        self._figures: LiveFigures | None = None
        self._switches: list[QCheckBox] = []
        self._actions: list[QAction] = []
        self._icons: dict[int, bool] = {}  # by number, whether its icon says that it is on
        self._flow = _Flow(self)
        self._title = QLabel(self.tr("Sensors"))
        self.all_on = QPushButton(self.tr("All on"))
        self.all_on.setAutoDefault(False)
        self.all_on.clicked.connect(self._on_all)
        self.all_on_action = QAction(self.tr("All sensors on"), self)
        self.all_on_action.triggered.connect(self._on_all)
        self._says = {
            name: _FigureLabel()
            for name in ("changed", "left_out", "confidence", "macro_f1", "unsure", "nothing")
        }
        self.setAccessibleName(self.tr("Sensors that are used"))
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self._fill()

    # -- what is shown

    @property
    def kept(self) -> tuple[int, ...]:
        """Numbers of the modalities that are kept."""
        return self._kept

    @property
    def switches(self) -> tuple[QCheckBox, ...]:
        return tuple(self._switches)

    @property
    def actions_for_menu(self) -> tuple[QAction, ...]:
        """One checkable action per modality, for menus. They have no keys of their own: those of
        the window's commands are named by `set_keys`."""
        return tuple(self._actions)

    @property
    def figures_in_words(self) -> str:
        """The figures as they are shown, one after the other."""
        return " · ".join(label.plain for label in self._says.values() if label.plain)

    def set_modalities(
        self,
        names: Sequence[str],
        shares: Mapping[str, float] | None = None,
        reasons: Mapping[str, str] | None = None,
    ) -> None:
        """The modalities in the order of the run; all are kept at first.

        `shares`: of the recording's windows that have each, 0 to 1, all where it is not named.
        `reasons`: why one is missing, such as that it is flat; a sentence each.
        """
        self._names = tuple(names)
        self._shares = {name: float(share) for name, share in (shares or {}).items()}
        self._reasons = dict(reasons or {})
        self._kept = tuple(range(len(self._names)))
        self._figures = None
        for switch in self._switches:
            switch.hide()
            switch.deleteLater()
        for action in self._actions:
            action.deleteLater()
        self._icons.clear()
        self._switches = [self._make_switch(number) for number in range(len(self._names))]
        self._actions = [self._make_action(number) for number in range(len(self._names))]
        self._fill()

    def set_kept(self, kept: Sequence[int]) -> None:
        """Show which are on; nothing is asked for."""
        wanted = tuple(sorted(kept))
        if wanted != self._kept:
            self._kept = wanted
            self._show_kept()

    def set_figures(self, figures: LiveFigures | None) -> None:
        """Figures of the whole recording with those that are on; None while there are none."""
        self._figures = figures
        self._show_figures()

    def set_keys(self, keys: Sequence[str], all_on: str) -> None:
        """Keys of the window's commands, named in the tooltips; empty for none."""
        self._keys, self._all_key = tuple(keys), all_on
        self._show_kept()

    # -- parts

    def _make_switch(self, number: int) -> QCheckBox:
        name = self._names[number]
        share = self._shares.get(name, 1.0)
        text = name
        if share <= 0:
            text = self.tr("{name} (absent)").format(name=name)
        elif share < 1:
            # Never '0 %' or '100 %' of what is neither.
            percent = min(max(round(100 * (1 - share)), 1), 99)
            text = self.tr("{name} (missing in {percent} %)").format(name=name, percent=percent)
        switch = QCheckBox(text.replace("&", "&&"), self)
        switch.setEnabled(share > 0)
        switch.clicked.connect(partial(self._on_switch, number))
        return switch

    def _make_action(self, number: int) -> QAction:
        action = QAction(self._names[number].replace("&", "&&"), self)
        action.setCheckable(True)
        action.setEnabled(self._is_there(number))
        action.triggered.connect(partial(self._on_switch, number))
        return action

    def _is_there(self, number: int) -> bool:
        return self._shares.get(self._names[number], 1.0) > 0

    def _fill(self) -> None:
        """Put everything into the flow anew."""
        while self._flow.takeAt(0) is not None:
            pass
        for widget in (self._title, *self._switches, self.all_on):
            self._flow.addWidget(widget)
        for label in self._says.values():
            self._flow.add_right(label)
        there = bool(self._names)
        self._title.setVisible(there)
        self.all_on.setVisible(there)
        for switch in self._switches:
            switch.show()
        self._show_kept()

    def _show_kept(self) -> None:
        for number, (switch, action) in enumerate(zip(self._switches, self._actions, strict=True)):
            on = number in self._kept and self._is_there(number)
            switch.setChecked(on)
            action.setChecked(on)
            if self._icons.get(number) != on:  # a new icon lays everything out anew
                self._icons[number] = on
                switch.setIcon(self._icon(number, on))
            self._describe(switch, number, on)
        tip = self.tr("Use all sensors again")
        self.all_on.setToolTip(f"{tip} ({self._all_key})" if self._all_key else tip)
        everything = len(self._kept) == len(self._names)
        self.all_on.setEnabled(not everything)
        self.all_on_action.setEnabled(not everything)
        self._show_figures()

    def _describe(self, switch: QCheckBox, number: int, on: bool) -> None:
        name = self._names[number]
        why = self._reasons.get(name, "")
        if not self._is_there(number):
            said = self.tr("{name} is absent from this recording.").format(name=name)
            switch.setToolTip(" ".join(filter(None, (said, why))))
            switch.setAccessibleName(self.tr("{name}, absent").format(name=name))
            return
        tip = self.tr("Predict without {name}") if on else self.tr("Predict with {name} again")
        tip = tip.format(name=name)
        if number < len(self._keys) and self._keys[number]:
            tip = f"{tip} ({self._keys[number]})"
        share = self._shares.get(name, 1.0)
        if share < 1:
            part = self.tr("In {part} of the windows it is missing: flat, disconnected or not "
                           "recorded. They are predicted without it.")  # fmt: skip
            tip = f"{tip}. {part.format(part=_percent(1 - share))}"
        switch.setToolTip(" ".join(filter(None, (tip, why))))
        switch.setAccessibleName(switch.text().replace("&&", "&"))

    def _icon(self, number: int, on: bool) -> QIcon:
        """The colour of the modality; only its outline where it is off."""
        side = max(round(0.8 * QFontMetrics(self.font()).height()), 10)
        ratio = self.devicePixelRatioF()
        image = QPixmap(round(side * ratio), round(side * ratio))
        image.setDevicePixelRatio(ratio)
        image.fill(Qt.GlobalColor.transparent)
        colour = seen_on(class_colour(number), self.palette().color(QPalette.ColorRole.Window))
        painter = QPainter(image)
        painter.setPen(QPen(colour, 1))
        painter.setBrush(colour if on else QColor(0, 0, 0, 0))
        painter.drawRect(1, 1, side - 3, side - 3)
        painter.end()
        return QIcon(image)

    # -- figures

    def _show_figures(self) -> None:
        figures = self._figures
        said: dict[str, _Figure] = {}
        if self._names and not any(map(self._is_there, self._kept)):
            nothing = self.tr("Every sensor is off: there is nothing to predict from.")
            said["nothing"] = _Figure(nothing)
        elif figures is not None:
            said = self._changed(figures)
            said["confidence"] = _Figure(
                self.tr("confidence"),
                _number(figures.confidence),
                tip=self.tr("Mean probability of the predicted class"),
            )
            said["macro_f1"] = self._macro_f1(figures)
            said["unsure"] = _Figure(
                self.tr("unsure"),
                _percent(figures.unsure) if figures.unsure is not None else "–",
                tip=self.tr("Share of the windows whose confidence is below the limit"),
            )
        for name, label in self._says.items():
            label.show_figure(said.get(name))

    def _changed(self, figures: LiveFigures) -> dict[str, _Figure]:
        windows = figures.windows + figures.left_out
        said = {}
        if figures.changed is not None:
            said["changed"] = _Figure(
                self.tr("changed"),
                self.tr("{count} of {windows}").format(
                    count=round(figures.changed * windows), windows=windows
                ),
                f"({_percent(figures.changed)})",
                self.tr("Windows of another class than with all sensors, or without an answer"),
            )
        if figures.left_out:
            said["left_out"] = _Figure(
                self.tr("without an answer"),
                str(figures.left_out),
                tip=self.tr("Windows in which everything that is present is switched off"),
            )
        return said

    def _macro_f1(self, figures: LiveFigures) -> _Figure:
        title = self.tr("macro F1")
        if figures.macro_f1 is None:
            return _Figure(title, "–", tip=self.tr("No window has both label and prediction."))
        if figures.is_test:
            tip = self.tr("On {count} labelled windows of a person whom the model has not seen")
            return _Figure(title, _number(figures.macro_f1),
                           tip=tip.format(count=figures.labelled))  # fmt: skip
        return _Figure(
            title,
            _number(figures.macro_f1),
            self.tr("(no test: the model has seen this person)"),
            self.tr(
                "On {count} labelled windows. The model has learned from this person: on others it "
                "is likely to be worse."
            ).format(count=figures.labelled),
        )

    # -- what the user does

    def _on_switch(self, number: int) -> None:
        self._ask(tuple(sorted({*self._kept} ^ {number})))

    def _on_all(self) -> None:
        self._ask(tuple(range(len(self._names))))

    def _ask(self, kept: tuple[int, ...]) -> None:
        self.set_kept(kept)
        self.kept_changed.emit(kept)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            for label in self._says.values():
                label.fit(anew=True)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self._icons.clear()
            self._show_kept()


@dataclass(frozen=True)
class _Figure:
    """A figure in words: its name, its value, more about it, and what it means."""

    title: str
    value: str = ""
    note: str = ""
    tip: str = ""


class _FigureLabel(QLabel):
    """A figure with its name; gone while there is none.

    It never becomes narrower again, so that neither the others move nor the window is laid out
    anew while somebody plays with the switches.
    """

    def __init__(self) -> None:
        super().__init__()
        self._figure: _Figure | None = None
        self.setTextFormat(Qt.TextFormat.RichText)
        self.hide()

    @property
    def plain(self) -> str:
        figure = self._figure
        if figure is None:
            return ""
        return " ".join(filter(None, (figure.title, figure.value, figure.note)))

    def show_figure(self, figure: _Figure | None) -> None:
        if figure == self._figure:
            return
        self._figure = figure
        if figure is None:
            self.hide()
            return
        value = f"<b>{escape(figure.value)}</b>" if figure.value else ""
        self.setText(" ".join(filter(None, (escape(figure.title), value, escape(figure.note)))))
        self.setAccessibleName(self.plain)
        self.setToolTip(figure.tip)
        self.fit()
        self.setVisible(True)

    def fit(self, anew: bool = False) -> None:
        """Take the room the text needs; `anew` gives up what it needed before."""
        least = QSize() if anew or self.isHidden() else self.minimumSize()
        needed = self.sizeHint().expandedTo(least)
        if needed != self.minimumSize() or needed != self.maximumSize():
            self.setFixedSize(needed)


def _number(value: float | None) -> str:
    return f"{value:.2f}" if value is not None else "–"


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.1f} %" if 0 < percent < 10 else f"{percent:.0f} %"


class _Flow(QLayout):
    """Widgets in lines, as many in each as fit; those added by `add_right` stand at the right end
    of theirs."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self._right: set[QWidget] = set()
        self.setContentsMargins(8, 2, 8, 2)
        self.setSpacing(12)

    def add_right(self, widget: QWidget) -> None:
        self._right.add(widget)
        self.addWidget(widget)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._lay(QRect(0, 0, width, 0), False)

    def sizeHint(self) -> QSize:
        margins = self.contentsMargins()
        shown = self._shown()
        width = sum(item.sizeHint().width() for item in shown)
        width += self.spacing() * max(len(shown) - 1, 0) + margins.left() + margins.right()
        return QSize(width, self.heightForWidth(width))

    def minimumSize(self) -> QSize:
        margins = self.contentsMargins()
        size = QSize()
        for item in self._shown():
            size = size.expandedTo(item.minimumSize())
        return size.grownBy(margins)

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._lay(rect, True)

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    def _lay(self, rect: QRect, move: bool) -> int:
        """Place the widgets, or only find out how high they are together."""
        margins = self.contentsMargins()
        room = rect.marginsRemoved(margins)
        lines: list[list[QLayoutItem]] = []
        used = 0
        for item in self._shown():
            width = item.sizeHint().width()
            if lines and used + self.spacing() + width <= room.width():
                lines[-1].append(item)
                used += self.spacing() + width
            else:
                lines.append([item])
                used = width
        y = room.top()
        for line in lines:
            height = max(item.sizeHint().height() for item in line)
            if move:
                self._place(line, QRect(room.left(), y, room.width(), height))
            y += height + (self.spacing() // 3)
        bottom = y - (self.spacing() // 3 if lines else 0)
        return bottom - rect.top() + margins.bottom()

    def _place(self, line: list[QLayoutItem], room: QRect) -> None:
        widths = [min(item.sizeHint().width(), room.width()) for item in line]
        free = room.width() - sum(widths) - self.spacing() * (len(line) - 1)
        x = room.left()
        pushed = False
        for item, width in zip(line, widths, strict=True):
            if not pushed and item.widget() in self._right:
                pushed = True
                x += max(free, 0)
            height = item.sizeHint().height()
            item.setGeometry(
                QRect(QPoint(x, room.top() + (room.height() - height) // 2), QSize(width, height))
            )
            x += width + self.spacing()
