"""Going to a place of a recording: by time from its start, time of day, or number of an epoch."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import Literal

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from core.errors import CrosslError
from core.study_labels import EpochGrid, to_ns, to_s
from ui.time_plot import clock_text

PlaceKind = Literal["elapsed", "clock", "epoch"]
KINDS: tuple[PlaceKind, ...] = ("elapsed", "clock", "epoch")

_NUMBER = r"\d+(?:[.,]\d+)?"
_UNITS = {
    "d": 86400.0,
    "day": 86400.0,
    "days": 86400.0,
    "h": 3600.0,
    "hour": 3600.0,
    "hours": 3600.0,
    "m": 60.0,
    "min": 60.0,
    "mins": 60.0,
    "minute": 60.0,
    "minutes": 60.0,
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "second": 1.0,
    "seconds": 1.0,
}
_PART = re.compile(rf"\s*({_NUMBER})\s*([a-z]+)\s*")
_CLOCK = re.compile(
    r"(?:(?P<date>\d{4}-\d{1,2}-\d{1,2})[\sT]+)?"
    r"(?P<hour>\d{1,2})(?:\s*[:.h]\s*(?P<minute>\d{1,2}))?"
    r"(?:\s*[:.m]\s*(?P<second>\d{1,2})(?:[.,](?P<part>\d+))?)?"
    r"\s*(?:h|s|uhr)?\s*(?P<half>[ap]\.?m\.?)?",
    re.IGNORECASE,
)


class GoToDialog(QDialog):
    """Takes a place as text, and says what it means before anything moves."""

    chosen = Signal(float)
    """Where to go, in seconds from the recording's start."""

    def __init__(
        self,
        duration_s: float,
        grid: EpochGrid | None = None,
        start: datetime | None = None,
        position_s: float = 0.0,
        kind: PlaceKind = "elapsed",
        parent: QWidget | None = None,
    ) -> None:
        """`start`: the recording's start on the clock that is shown; None where it has none.
        `position_s`: where one is now; of several days, the next one that fits is meant."""
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Go to"))
        self._duration_s = duration_s
        self._grid = grid if grid is not None and grid.epochs else None
        self._start = start
        self._position_s = position_s

        self.place = QLineEdit()
        self.place.setAccessibleName(self.tr("Place"))
        self.place.setMinimumWidth(300)
        self.place.textChanged.connect(self._look)
        says = QLabel(self.tr("&Place"))
        says.setBuddy(self.place)
        self.kinds: dict[PlaceKind, QRadioButton] = {
            "elapsed": QRadioButton(self.tr("&Time from the start")),
            "clock": QRadioButton(self.tr("Time of &day")),
            "epoch": QRadioButton(self.tr("&Epoch")),
        }
        self.kinds["elapsed"].setToolTip(
            self.tr("Such as 2:03:10, 90 min, 1.5 h, or seconds (Alt+T)")
        )
        self.kinds["clock"].setToolTip(
            self.tr("Such as 23:15, 11:15 pm, or 2024-05-01 23:15 (Alt+D)")
            if start is not None
            else self.tr("This recording has no time of day.")
        )
        self.kinds["epoch"].setToolTip(
            self.tr("A number from 1 to {last} (Alt+E)").format(last=self._grid.epochs)
            if self._grid is not None
            else self.tr("This recording has no epochs.")
        )
        self.kinds["clock"].setEnabled(start is not None)
        self.kinds["epoch"].setEnabled(self._grid is not None)
        self._group = QButtonGroup(self)
        line = QHBoxLayout()
        for radio in self.kinds.values():
            radio.setAccessibleName(radio.text().replace("&", ""))
            self._group.addButton(radio)
            line.addWidget(radio)
        line.addStretch(1)
        self.kinds[kind if self.kinds[kind].isEnabled() else "elapsed"].setChecked(True)
        self._group.buttonToggled.connect(self._look)
        self.meaning = QLabel()
        self.meaning.setWordWrap(True)
        self.meaning.setTextFormat(Qt.TextFormat.PlainText)
        self.meaning.setMinimumHeight(2 * self.fontMetrics().lineSpacing())
        self.meaning.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setText(self.tr("&Go"))
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        top = QHBoxLayout()
        top.addWidget(says)
        top.addWidget(self.place, 1)
        column = QVBoxLayout(self)
        column.addLayout(top)
        column.addLayout(line)
        column.addWidget(self.meaning)
        column.addWidget(self._buttons)
        self.place.setFocus()
        self._look()

    @property
    def kind(self) -> PlaceKind:
        """How the text is read."""
        return next(kind for kind in KINDS if self.kinds[kind].isChecked())

    def place_s(self) -> float:
        """The place in seconds from the start. Raises CrosslError that says what is wrong."""
        text = self.place.text()
        if self.kind == "clock" and self._start is not None:
            return parse_clock(text, self._start, self._duration_s, self._position_s)
        if self.kind == "epoch" and self._grid is not None:
            return parse_epoch(text, self._grid)
        return parse_elapsed(text, self._duration_s)

    def accept(self) -> None:
        try:
            seconds = self.place_s()
        except CrosslError:
            self._look()
            return
        self.chosen.emit(seconds)
        super().accept()

    def _look(self, *_: object) -> None:
        examples = {"elapsed": "2:03:10", "clock": "23:15", "epoch": "512"}
        self.place.setPlaceholderText(
            self.tr("such as {example}").format(example=examples[self.kind])
        )
        self.place.setToolTip(self.kinds[self.kind].toolTip())
        button = self._buttons.button(QDialogButtonBox.StandardButton.Ok)
        if not self.place.text().strip():
            self.meaning.setText("")
            button.setEnabled(False)
            return
        try:
            seconds = self.place_s()
        except CrosslError as error:
            self.meaning.setText(str(error))
            button.setEnabled(False)
            return
        self.meaning.setText(self._words(seconds))
        button.setEnabled(True)

    def _words(self, seconds: float) -> str:
        parts = [
            self.tr("{time} from the start").format(
                time=clock_text(seconds, 1.0 if seconds == int(seconds) else 0.001)
            )
        ]
        if self._start is not None:
            there = self._start + timedelta(seconds=seconds)
            parts.append(there.strftime("%Y-%m-%d %H:%M:%S"))
        if self._grid is not None:
            number = self._grid.at(to_ns(seconds)) + 1
            parts.append(self.tr("epoch {number}").format(number=number))
        return ", ".join(parts)


# ---------------------------------------------------------------- reading


def parse_elapsed(text: str, duration_s: float) -> float:
    """Seconds from the start, of `2:03:10`, `2 h 3 min`, `90 min`, or a number of seconds.

    `a:b` are hours and minutes where the recording is that long, else minutes and seconds. Raises
    CrosslError for what is no time, or is outside the recording.
    """
    seconds = _elapsed(text.strip().casefold(), duration_s)
    if seconds is None:
        raise CrosslError(
            _tr("'{text}' is no time; write it like 2:03:10, 90 min or 1.5 h.").format(
                text=text.strip()
            )
        )
    if seconds > duration_s:
        raise CrosslError(
            _tr("{time} is after the end: the recording lasts {end}.").format(
                time=clock_text(seconds), end=clock_text(duration_s)
            )
        )
    return seconds


def _elapsed(text: str, duration_s: float) -> float | None:
    if re.fullmatch(_NUMBER, text):
        return float(text.replace(",", "."))
    if re.fullmatch(rf"\d+(?::\d{{1,2}})?:{_NUMBER}", text):
        parts = [float(part.replace(",", ".")) for part in text.split(":")]
        if any(part >= 60 for part in parts[1:]):
            return None
        if len(parts) == 3:
            return 3600 * parts[0] + 60 * parts[1] + parts[2]
        hours = 3600 * parts[0] + 60 * parts[1]
        return hours if hours <= duration_s else 60 * parts[0] + parts[1]
    place, seconds = 0, 0.0
    while place < len(text):
        part = _PART.match(text, place)
        if part is None or part[2] not in _UNITS:
            return None
        seconds += float(part[1].replace(",", ".")) * _UNITS[part[2]]
        place = part.end()
    return seconds if place else None


def parse_clock(text: str, start: datetime, duration_s: float, after_s: float = 0.0) -> float:
    """Seconds from the start, of `23:15`, `11:15 pm` or `2024-05-01 23:15:30`.

    Without a date the first such time after `after_s` is meant, or where there is none, the first
    in the recording. Raises CrosslError for what is no time, or is outside the recording.
    """
    found = _CLOCK.fullmatch(text.strip())
    time = _time_of(found) if found is not None else None
    if found is None or time is None:
        raise CrosslError(
            _tr("'{text}' is no time of day; write it like 23:15 or 11:15 pm.").format(
                text=text.strip()
            )
        )
    if start.tzinfo is None:
        start = start.replace(tzinfo=UTC)
    first_day = start.date()
    if found["date"]:
        try:
            days = [date(*(int(part) for part in found["date"].split("-")))]
        except ValueError:
            raise CrosslError(_tr("There is no day {date}.").format(date=found["date"])) from None
    else:
        days = [first_day + timedelta(days=k) for k in range(int(duration_s // 86400) + 3)]
    origin = start.timestamp()
    places = [datetime.combine(day, time, tzinfo=start.tzinfo).timestamp() - origin for day in days]
    inside = [place for place in places if 0 <= place <= duration_s]
    if not inside:
        end = start + timedelta(seconds=duration_s)
        raise CrosslError(
            _tr("{time} is not in the recording, which lasts from {start} to {end}.").format(
                time=text.strip(),
                start=start.strftime("%Y-%m-%d %H:%M:%S"),
                end=end.strftime("%Y-%m-%d %H:%M:%S"),
            )
        )
    return next((place for place in inside if place > after_s), inside[0])


def _time_of(found: re.Match[str]) -> time_of_day | None:
    hour, half = int(found["hour"]), (found["half"] or "").casefold()
    if found["minute"] is None and not half:
        return None  # a number alone is no time
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    if hour == 24:
        hour = 0
    part = (found["part"] or "").ljust(6, "0")[:6]
    try:
        return time_of_day(
            hour, int(found["minute"] or 0), int(found["second"] or 0), int(part or 0)
        )
    except ValueError:
        return None


def parse_epoch(text: str, grid: EpochGrid) -> float:
    """Seconds from the start, of an epoch's number, from 1. Raises CrosslError."""
    bare = text.strip().casefold().removeprefix("epoch").strip().removeprefix("#")
    if not bare.isdecimal():
        raise CrosslError(
            _tr("'{text}' is no number of an epoch; write it like 512.").format(text=text.strip())
        )
    number = int(bare)
    if not 1 <= number <= grid.epochs:
        raise CrosslError(
            _tr("There is no epoch {number}: they go from 1 to {last}.").format(
                number=number, last=grid.epochs
            )
        )
    return max(to_s(grid.span(number - 1)[0]), 0.0)


def _tr(text: str) -> str:
    return QCoreApplication.translate("GoToDialog", text)
