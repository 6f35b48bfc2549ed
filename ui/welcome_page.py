"""What is there when nothing is open: ways to begin, and the studies that were open lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from PySide6.QtCore import QDateTime, QEvent, QLocale, QSize, Qt, Signal
from PySide6.QtGui import QFont, QKeyEvent
from PySide6.QtWidgets import (
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

from core.progress import RunContext
from ui.icons import keep_icon, pixmap
from ui.preferences import RecentStudy

WIDEST = 860


@dataclass(frozen=True)
class RecentEntry:
    """A study that was open.

    Attributes
    ----------
    path: its folder.
    name: what the user calls it.
    opened: when it was open last; None when that is not known.
    missing: whether the folder is not there now. Whoever makes the entry looks, in the background:
        a folder on a network may let one wait.
    """

    path: Path
    name: str
    opened: datetime | None = None
    missing: bool = False


def find_entries(studies: Sequence[RecentStudy], context: RunContext) -> tuple[RecentEntry, ...]:
    """Entries for the recent studies, with whether their folders are there. For a `Job`: a folder
    on a network may let one wait. Raises Cancelled between two of them."""
    entries = []
    for done, study in enumerate(studies):
        context.step("recent studies", done, len(studies))
        path = Path(study.path)
        entries.append(RecentEntry(path, study.name, study.opened_at, not path.is_dir()))
    return tuple(entries)


class WelcomePage(QWidget):
    """Says what the program is and offers ways to begin; what is chosen is told by signals."""

    new_study = Signal()
    open_study = Signal()
    open_recording = Signal()
    open_results = Signal()
    sample_study = Signal()
    simulated_night = Signal()
    recent_chosen = Signal(Path)
    recent_removed = Signal(Path)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Welcome"))
        self._entries: tuple[RecentEntry, ...] = ()
        self._tips: dict[str, str] = {}
        self.buttons: dict[str, QPushButton] = {}
        self.rows: list[_RecentRow] = []
        self.title = QLabel("crossl-app")
        self.says = QLabel(
            self.tr(
                "Look at recordings of biomedical signals, label them, and let the program learn "
                "from them, mostly without labels."
            )
        )
        self.says.setWordWrap(True)
        self._make_buttons()
        self._make_recent()
        self.hint = QLabel(
            self.tr("You can also drop a recording, a study or a results folder onto this window.")
        )
        self.hint.setWordWrap(True)
        self.note = QLabel(self.tr("For research, not for diagnosis."))
        self.busy = QLabel()
        self.busy.setTextFormat(Qt.TextFormat.PlainText)
        self.busy.setAccessibleName(self.tr("What is being done"))
        self.bar = QProgressBar()
        self.bar.setRange(0, 0)
        self.bar.setTextVisible(False)
        self.bar.setMaximumWidth(240)
        self.bar.setAccessibleName(self.tr("Busy"))
        self._lay_out()
        self._scale_title()
        self.set_recent(())
        self.set_busy("")

    # -- parts

    def _make_buttons(self) -> None:
        tr = self.tr
        for name, icon, text, about, signal in (
            ("new_study", "new-study", tr("New study…"),
             tr("Choose recordings, group channels, set classes"), self.new_study),
            ("open_study", "open", tr("Open study…"),
             tr("Go on labelling where you stopped"), self.open_study),
            ("open_recording", "recording", tr("Open recording…"),
             tr("Look at an EDF, BDF or CSV file"), self.open_recording),
            ("open_results", "spectrum", tr("Open results folder…"),
             tr("See what a batch run predicted"), self.open_results),
            ("sample_study", "sample", tr("Sample study"),
             tr("Ten people, seven exercises, one watch"), self.sample_study),
            ("simulated_night", "night", tr("Simulated night"),
             tr("Sleep signals by calculation, of nobody"), self.simulated_night),
        ):  # fmt: skip
            button = _BigButton(icon, text, about)
            button.clicked.connect(signal)
            self._tips[name] = about
            button.setToolTip(about)
            self.buttons[name] = button

    def _make_recent(self) -> None:
        self.recent_title = QLabel(self.tr("Recent studies"))
        self.no_recent = QLabel(self.tr("Studies that you open will be listed here."))
        inside = QWidget()
        self._recent_column = QVBoxLayout(inside)
        self._recent_column.setContentsMargins(0, 0, 0, 0)
        self._recent_column.setSpacing(2)
        self._recent_column.addStretch(1)
        self.recent_area = QScrollArea()
        self.recent_area.setWidget(inside)
        self.recent_area.setWidgetResizable(True)
        self.recent_area.setFrameShape(QFrame.Shape.NoFrame)
        self.recent_area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.recent_area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.recent_area.setAccessibleName(self.tr("Recent studies"))

    def _lay_out(self) -> None:
        inside = QWidget()
        inside.setMaximumWidth(WIDEST)
        column = QVBoxLayout(inside)
        column.setContentsMargins(24, 16, 24, 16)
        column.addWidget(self.title)
        column.addWidget(self.says)
        column.addSpacing(8)
        grid = QGridLayout()
        grid.setSpacing(10)
        for place, button in enumerate(self.buttons.values()):
            grid.addWidget(button, place // 2, place % 2)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        column.addLayout(grid)
        row = QHBoxLayout()
        row.addWidget(self.busy)
        row.addWidget(self.bar)
        row.addStretch(1)
        column.addLayout(row)
        column.addSpacing(8)
        column.addWidget(self.recent_title)
        column.addWidget(self.no_recent)
        column.addWidget(self.recent_area, 4)
        column.addWidget(self.hint)
        column.addWidget(self.note)
        column.addStretch(1)
        around = QHBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        around.addStretch(1)
        around.addWidget(inside, 1000)
        around.addStretch(1)

    # -- what is shown

    def set_keys(self, keys: Mapping[str, str]) -> None:
        """Name the keys in the tooltips: by name of the signal, as the platform writes keys."""
        for name, button in self.buttons.items():
            about = self._tips[name]
            if keys.get(name):
                about = self.tr("{about} ({key})").format(about=about, key=keys[name])
            button.setToolTip(about)

    @property
    def recent(self) -> tuple[RecentEntry, ...]:
        return self._entries

    def set_recent(self, entries: Sequence[RecentEntry]) -> None:
        """List studies, newest first."""
        self._entries = tuple(entries)
        for row in self.rows:
            self._recent_column.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.rows = []
        for place, entry in enumerate(self._entries):
            row = _RecentRow(entry)
            row.chosen.connect(self.recent_chosen)
            row.removed.connect(self.recent_removed)
            row.setEnabled(not self.busy.text())
            self._recent_column.insertWidget(place, row)
            self.rows.append(row)
        self._set_tab_order()
        self.recent_area.setVisible(bool(self._entries))
        self.no_recent.setVisible(not self._entries)
        self.layout().activate()

    def set_busy(self, text: str) -> None:
        """Say what is being done, and take no orders meanwhile; nothing is done for an empty
        text."""
        self.busy.setText(text)
        self.busy.setVisible(bool(text))
        self.bar.setVisible(bool(text))
        for part in (*self.buttons.values(), *self.rows):
            part.setEnabled(not text)

    def _set_tab_order(self) -> None:
        parts: list[QWidget] = list(self.buttons.values())
        for row in self.rows:
            parts += [row.button, row.remove]
        for first, second in pairwise(parts):
            QWidget.setTabOrder(first, second)

    def _scale_title(self) -> None:
        font = self.font()
        size = font.pointSizeF()
        for label, scale in ((self.title, 2.0), (self.says, 1.15), (self.recent_title, 1.15)):
            larger = self.font()
            larger.setPointSizeF(size * scale)
            larger.setBold(label is not self.says)
            label.setFont(larger)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.ApplicationFontChange):
            self._scale_title()


class _BigButton(QPushButton):
    """A button with an icon, a text and a line about it. It has no menu key of its own: Alt with
    letters belongs to the menus above."""

    def __init__(self, icon: str, text: str, about: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(text.rstrip("…"))
        self.setAccessibleDescription(about)
        self.setAutoDefault(True)  # Enter presses it, as Space does
        self.title = QLabel(text)
        self.about = QLabel(about)
        self.about.setWordWrap(True)
        self._picture = QLabel()
        self._icon_name = icon
        texts = QVBoxLayout()
        texts.setSpacing(1)
        texts.addStretch(1)
        texts.addWidget(self.title)
        texts.addWidget(self.about)
        texts.addStretch(1)
        inside = QHBoxLayout(self)
        inside.setContentsMargins(14, 9, 14, 9)
        inside.setSpacing(14)
        inside.addWidget(self._picture)
        inside.addLayout(texts, 1)
        for label in (self.title, self.about, self._picture):
            # The button behind takes the mouse.
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self._dress()

    def sizeHint(self) -> QSize:
        return self.layout().sizeHint()

    def minimumSizeHint(self) -> QSize:
        return self.layout().minimumSize()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return max(self.layout().heightForWidth(width), self.layout().minimumSize().height())

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (
            QEvent.Type.FontChange,
            QEvent.Type.PaletteChange,
            QEvent.Type.EnabledChange,
        ):
            self._dress()

    def _dress(self) -> None:
        # A tall window gives its room to the list below.
        self.setMaximumHeight(6 * self.fontMetrics().height())
        """Icon and texts in the size and colour of the page's."""
        font = self.parentWidget().font() if self.parentWidget() is not None else self.font()
        bold = QFont(font)
        bold.setPointSizeF(font.pointSizeF() * 1.1)
        bold.setBold(True)
        self.title.setFont(bold)
        self.about.setFont(font)
        side = round(self.fontMetrics().height() * 2)
        colour = self.palette().windowText().color()
        self._picture.setPixmap(pixmap(self._icon_name, side, colour, self.devicePixelRatio()))


class _RecentRow(QWidget):
    """One study: a button over the whole row, and one to take it off the list."""

    chosen = Signal(Path)
    removed = Signal(Path)

    def __init__(self, entry: RecentEntry, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.entry = entry
        when = _when(entry.opened) if entry.opened is not None else ""
        if entry.missing:
            when = self.tr("not there now")
        self.button = QPushButton()
        self.button.setFlat(True)
        self.button.setEnabled(not entry.missing)
        self.button.setAccessibleName(
            self.tr("{name}, {folder}, {when}").format(
                name=entry.name, folder=entry.path.parent, when=when
            )
        )
        self.button.setToolTip(
            self.tr("{path} is not there now").format(path=entry.path)
            if entry.missing
            else self.tr("Open {path} (Enter); take it off the list (Delete)").format(
                path=entry.path
            )
        )
        self.button.clicked.connect(self._choose)
        name = QLabel(entry.name)
        font = name.font()
        font.setBold(True)
        name.setFont(font)
        folder = _Elided(str(entry.path.parent))
        date = QLabel(when)
        inside = QHBoxLayout(self.button)
        inside.setContentsMargins(10, 4, 10, 4)
        inside.setSpacing(12)
        for label in (name, folder, date):
            label.setTextFormat(Qt.TextFormat.PlainText)
            # The button behind takes the mouse.
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            inside.addWidget(label, 1 if label is folder else 0)
        self.button.setMinimumHeight(inside.sizeHint().height())
        self.remove = QToolButton()
        self.remove.setAutoRaise(True)
        self.remove.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        keep_icon(self.remove, "remove")
        self.remove.setAccessibleName(self.tr("Take {name} off the list").format(name=entry.name))
        self.remove.setToolTip(
            self.tr("Take {name} off the list; the study stays (Delete)").format(name=entry.name)
        )
        self.remove.clicked.connect(self._remove)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.button, 1)
        row.addWidget(self.remove)

    def event(self, event: QEvent) -> bool:
        if (
            isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.ShortcutOverride
            and event.key() == Qt.Key.Key_Delete
        ):
            # Here it takes a study off the list, whatever else it does in the window.
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Delete:
            self._remove()
            return
        super().keyPressEvent(event)

    def _choose(self) -> None:
        self.chosen.emit(self.entry.path)

    def _remove(self) -> None:
        self.removed.emit(self.entry.path)


class _Elided(QLabel):
    """A path on one line, its middle left out where there is no room."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._full = text
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def resizeEvent(self, event: object) -> None:
        shown = self.fontMetrics().elidedText(
            self._full, Qt.TextElideMode.ElideMiddle, self.width()
        )
        if shown != self.text():
            self.setText(shown)
        super().resizeEvent(event)


def _when(moment: datetime) -> str:
    """Day and time as the user's region writes them, short."""
    return QLocale().toString(
        QDateTime(moment.year, moment.month, moment.day, moment.hour, moment.minute, 0),
        QLocale.FormatType.ShortFormat,
    )
