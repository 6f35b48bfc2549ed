"""Labels as files exchange them: intervals with a text, and what goes with it.

Two rules make exchange exact. Times are kept to the nanosecond (finer than any recorder's clock),
so that adding, subtracting and writing them as decimals gives the same number back. A text has no
white space at its ends, and its line breaks are line feeds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from core.errors import RecordingError
from core.recording import Finding

TIME_DIGITS = 9
LARGEST_S = 1e12  # any date that can be written; beyond, float64 has no milliseconds
_LARGEST_NUMBER = Decimal(10**10)
FIELDS = ("onset", "duration", "label", "channel", "rater", "confidence")


class LabelValueError(ValueError):
    """A time or confidence that no label can have."""


@dataclass(frozen=True)
class Label:
    """One label.

    Attributes
    ----------
    onset_s: seconds from the start of the recording, to the nanosecond; negative before it.
    duration_s: seconds, 0 for a moment or where the file gives none.
    text: as written, without white space at the ends.
    channel: the one signal it is about; empty for the whole recording.
    rater: who scored it; empty where unknown.
    confidence: how sure, as the file says (0 to 1 for predictions); None where unknown.
    extra: what else the file says of it, as pairs of name and value (Luna's meta data, further
        columns of a table, further elements of an XML event).
    """

    onset_s: float
    duration_s: float
    text: str
    channel: str = ""
    rater: str = ""
    confidence: float | None = None
    extra: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name in ("onset_s", "duration_s"):
            value = float(getattr(self, name))
            if not abs(value) <= LARGEST_S:
                raise LabelValueError(f"{name} is {value}")
            put(self, name, round(value, TIME_DIGITS) + 0.0)  # + 0.0: no minus zero
        if self.duration_s < 0:
            raise LabelValueError(f"duration_s is {self.duration_s}")
        if self.confidence is not None and not math.isfinite(self.confidence):
            raise LabelValueError(f"confidence is {self.confidence}")
        for name in ("text", "channel", "rater"):
            put(self, name, tidy(getattr(self, name)))
        pairs = ((" ".join(tidy(name).split()), tidy(value)) for name, value in self.extra)
        put(self, "extra", tuple((name, value) for name, value in pairs if name and value))

    @property
    def stop(self) -> Decimal:
        """The end in seconds, exact."""
        return exact(self.onset_s) + exact(self.duration_s)


@dataclass(frozen=True)
class ReadOptions:
    """What a file of labels may not say itself.

    Attributes
    ----------
    epoch_s: length of an epoch, for one value per epoch and for tables without durations.
    offset_s: start of the first epoch in seconds from the recording's start.
    start: clock time at 0 s, without a zone.
    time_zone: zone of clock times without one, UTC if left out.
    end_s: length of the recording, where a label lasts until its end.
    """

    epoch_s: float | None = None
    offset_s: float = 0.0
    start: datetime | None = None
    time_zone: str | None = None
    end_s: float | None = None


@dataclass(frozen=True)
class Encoded:
    """Labels as bytes of a file.

    Attributes
    ----------
    held: the labels as the bytes hold them, for comparison with what is read back.
    findings: what the format cannot hold, or holds otherwise.
    beside: further files by their ending, such as `.json`.
    """

    content: bytes
    held: tuple[Label, ...]
    findings: tuple[Finding, ...]
    beside: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class LabelSet:
    """The labels of one recording in order of time.

    Attributes
    ----------
    start: clock time, without a zone, at 0 s; None where the file does not say.
    findings: what was guessed, changed or left out on the way.
    format: name of the file format that they were read from.
    """

    labels: tuple[Label, ...]
    start: datetime | None = None
    findings: tuple[Finding, ...] = ()
    format: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def raters(self) -> tuple[str, ...]:
        """Everybody who scored, in order of appearance."""
        return tuple(dict.fromkeys(label.rater for label in self.labels if label.rater))

    def shifted(self, seconds: float) -> LabelSet:
        """The same labels so many seconds later; `start` moves back with them."""
        if not seconds:
            return self
        labels = [replace(label, onset_s=label.onset_s + seconds) for label in self.labels]
        start = self.start - timedelta(seconds=seconds) if self.start is not None else None
        return replace(self, labels=tuple(labels), start=start)


def make_label_set(
    labels: Iterable[Label],
    start: datetime | None = None,
    findings: Iterable[Finding] = (),
    format: str = "",
) -> LabelSet:
    """A set in order of onset; labels with the same onset keep the file's order."""
    in_order = sorted(labels, key=lambda label: label.onset_s)
    return LabelSet(tuple(in_order), start, tuple(findings), format)


# ---------------------------------------------------------------- texts and numbers

_SURROGATES = re.compile("[\ud800-\udfff]")
# What XML 1.0 and EDF+ annotations both refuse: control signs other than tab and line feed.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
MISSING = frozenset(("", "n/a", "na", "nan", "null", "none"))


def tidy(text: str) -> str:
    """A text without white space at its ends, with line feeds for line breaks."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SURROGATES.sub("\ufffd", text).strip()


def without_controls(text: str) -> str:
    """Control signs, which neither XML nor EDF+ can hold, become the replacement sign."""
    return _CONTROLS.sub("\ufffd", text)


def exact(seconds: float) -> Decimal:
    """Seconds as a decimal number, to the nanosecond."""
    return Decimal(repr(float(seconds)))


def decimal_text(value: Decimal | float) -> str:
    """A number in plain decimals, as short as it is exact: `0.1`, `-5`, never `1e-05`."""
    number = value if isinstance(value, Decimal) else exact(value)
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def parse_seconds(
    text: str, decimal_comma: bool = False, largest: Decimal = _LARGEST_NUMBER
) -> Decimal | None:
    """A number as a decimal; None for what is none, or is larger than any time (`largest`)."""
    text = text.strip()
    if decimal_comma:
        text = text.replace(",", ".")
    if not _NUMBER.fullmatch(text):
        return None
    value = Decimal(text)
    return value if abs(value) <= largest else None


# ---------------------------------------------------------------- clock times

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = re.compile(
    r"(?P<h>\d{1,2})[:.](?P<m>\d{2})(?:[:.](?P<s>\d{2}(?:[.,]\d+)?))?\s*(?P<half>[aApP][mM])?",
    re.ASCII,
)
_DAY_FIRST = re.compile(
    r"(?P<a>\d{1,2})[-/. ](?P<b>\d{1,2}|[A-Za-z]{3})[-/. ](?P<y>\d{4}|\d{2})[-T ,]+(?P<rest>.+)",
    re.ASCII,
)
DAY_S = Decimal(86400)
_YEARS = range(1900, 2200)  # a recording of another year is a slip, or no date at all


@dataclass(frozen=True)
class ClockTime:
    """A time of day in seconds, exact, with its date where it has one.

    `zone` is set where the text says one; `unsure` where day and month could be exchanged.
    """

    second: Decimal
    day: date | None = None
    zone: tzinfo | None = None
    unsure: bool = False


def parse_clock(text: str) -> ClockTime | None:
    """A clock time such as `23:05:10.5`, `11:05 pm`, `2024-03-01T23:05:10+01:00` or
    `01/03/2024 23:05:10`; None for anything else."""
    text = text.strip()
    plain = _CLOCK.fullmatch(text)
    if plain:
        second = _second_of_day(plain)
        return None if second is None else ClockTime(second)
    if text[:4].isdigit():
        try:
            moment = datetime.fromisoformat(text.replace("/", "-").replace(",", "."))
        except ValueError:
            return None
        if len(text) < 11 or moment.year not in _YEARS:
            return None  # a date alone places nothing
        # datetime cuts after microseconds; the fraction is taken from the text.
        fraction = re.search(r":\d{2}[.,](\d+)", text)
        whole = moment.hour * 3600 + moment.minute * 60 + moment.second
        second = Decimal(whole) + Decimal(f"0.{fraction.group(1)}" if fraction else 0)
        return ClockTime(second, moment.date(), moment.tzinfo)
    dated = _DAY_FIRST.fullmatch(text)
    rest = _CLOCK.fullmatch(dated["rest"].strip()) if dated else None
    second = _second_of_day(rest) if rest else None
    if dated is None or second is None:
        return None
    year = int(dated["y"])
    if len(dated["y"]) == 2:
        year += 1900 if year >= 85 else 2000  # as EDF does
    first, unsure = int(dated["a"]), False
    if dated["b"].isdigit():
        other = int(dated["b"])
        unsure = first <= 12 and other <= 12 and first != other
        if other > 12 >= first:
            first, other = other, first
    elif dated["b"].casefold() in _MONTHS:
        other = _MONTHS.index(dated["b"].casefold()) + 1
    else:
        return None
    if year not in _YEARS:
        return None
    try:
        return ClockTime(second, date(year, other, first), None, unsure)
    except ValueError:
        return None


def _second_of_day(match: re.Match[str]) -> Decimal | None:
    hour, minute = int(match["h"]), int(match["m"])
    second = Decimal((match["s"] or "0").replace(",", "."))
    if match["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match["half"].casefold() == "pm" else 0)
    if hour > 24 or minute > 59 or second >= 61 or (hour == 24 and (minute or second)):
        return None
    return Decimal(3600 * hour + 60 * minute) + second


class ClockReader:
    """Turns the clock times of one file, in the file's order, into seconds from the start.

    `start` is the clock at 0 s, `zone` the zone of times without one. Without a start, the first
    time that has a date becomes the start; a time of day alone then has no place, and raises
    RecordingError. A time of day is taken to lie near the one before it, so that a night runs past
    midnight; the first lies at most 2 h before the start and 22 h after.
    """

    _BEFORE_S = Decimal(2 * 3600)

    def __init__(self, path: Path, start: datetime | None, zone: tzinfo | None = None) -> None:
        self._path = path
        self.start = start
        self._zone = zone or UTC
        self._last: Decimal | None = None
        self.took_first_as_start = False
        self.unsure_date = ""
        self._unix_start: Decimal | None = None

    def from_unix(self, second: Decimal) -> Decimal:
        """Seconds from the start of a unix time; the first becomes the start if none is known."""
        if self._unix_start is None:
            if self.start is None:
                moment = datetime.fromtimestamp(0, self._zone)
                moment += timedelta(microseconds=int(second * 1_000_000))
                self.start = moment.astimezone(self._zone).replace(tzinfo=None)
                self.took_first_as_start = True
            begin = self.start.replace(tzinfo=self._zone) - datetime.fromtimestamp(0, UTC)
            self._unix_start = Decimal(begin // timedelta(microseconds=1)) / 1_000_000
        return second - self._unix_start

    def elapsed(self, text: str) -> Decimal | None:
        """Seconds from the start; None where the text is no clock time."""
        clock = parse_clock(text)
        if clock is None:
            return None
        if clock.unsure and not self.unsure_date:
            self.unsure_date = text
        if clock.day is not None:
            seconds = self._from_date(clock)
        elif self.start is None:
            raise RecordingError(
                f"{self._path}: '{text}' is a time of day, which has a place only when the clock "
                "time at the recording's start is known, and it is not: on the command line give "
                "--start 'YYYY-MM-DD HH:MM:SS' ('2000-01-01 00:00:00' where times count from the "
                "start)."
            )
        else:
            seconds = self._near(clock.second)
        self._last = seconds
        return seconds

    def stop_after(self, text: str, onset: Decimal) -> Decimal | None:
        """The stop of a label that begins at `onset`: a time of day is the next such one."""
        clock = parse_clock(text)
        stop = self.elapsed(text)
        self._last = onset
        if stop is not None and clock is not None and clock.day is None:
            stop = onset + (stop - onset + 2 * DAY_S) % DAY_S
        return stop

    def findings(self) -> list[Finding]:
        """What was assumed about the clock times read so far."""
        found = []
        if self.took_first_as_start:
            found.append(
                note(
                    f"No start is known, so the first clock time, {self.start}, became the start "
                    "(0 s)."
                )
            )
        if self.unsure_date:
            found.append(
                note(f"Dates such as '{self.unsure_date}' were read with the day before the month.")
            )
        return found

    def _from_date(self, clock: ClockTime) -> Decimal:
        assert clock.day is not None
        midnight = datetime(clock.day.year, clock.day.month, clock.day.day)
        if self.start is None:
            moment = midnight + timedelta(microseconds=int(clock.second * 1_000_000))
            if clock.zone is not None:
                moment = moment.replace(tzinfo=clock.zone).astimezone(self._zone)
            self.start = moment.replace(tzinfo=None)
            self.took_first_as_start = True
        # By way of UTC, so that a night in which the clock is changed keeps its length.
        zone = clock.zone or self._zone
        whole = int(clock.second)
        moment = (midnight + timedelta(seconds=whole)).replace(tzinfo=zone)
        gap = moment.astimezone(UTC) - self.start.replace(tzinfo=self._zone).astimezone(UTC)
        microseconds = Decimal(gap // timedelta(microseconds=1))
        return microseconds / 1_000_000 + clock.second - whole

    def _near(self, second: Decimal) -> Decimal:
        assert self.start is not None
        begin = self.start
        since = Decimal(3600 * begin.hour + 60 * begin.minute + begin.second)
        since += Decimal(begin.microsecond) / 1_000_000
        seconds = second - since
        if self._last is None:
            return (seconds + self._BEFORE_S + DAY_S) % DAY_S - self._BEFORE_S
        seconds += ((self._last - seconds) / DAY_S).to_integral_value() * DAY_S
        # Nothing lies long before the start: a row more than half a day later does.
        return seconds + DAY_S if seconds < -self._BEFORE_S else seconds


def zone_of(name: str | None) -> ZoneInfo | None:
    """The time zone of that name, None for None. Raises RecordingError for other names."""
    from core.read_edf import find_zone

    return find_zone(name)


# ---------------------------------------------------------------- findings


def note(message: str) -> Finding:
    """Something that was guessed on reading."""
    return Finding("note", "labels", message)


def changed(message: str) -> Finding:
    """Something that was changed or left out."""
    return Finding("repaired", "labels", message)


def listed(texts: Sequence[str], most: int = 5) -> str:
    """Distinct texts in quotes, the first few of them."""
    distinct = list(dict.fromkeys(texts))
    first = ", ".join(f"'{shown(text)}'" for text in distinct[:most])
    return first + (f" and {len(distinct) - most} more" if len(distinct) > most else "")


def shown(text: str) -> str:
    """A text from a file, short and safe to print."""
    text = "".join(sign if sign.isprintable() else "�" for sign in text)
    return text if len(text) <= 40 else text[:39] + "…"


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 label`, `2 labels`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def without(
    labels: Iterable[Label],
    format_name: str,
    *,
    channel: bool = False,
    rater: bool = False,
    confidence: bool = False,
    extra: bool = False,
) -> tuple[list[Label], list[Finding]]:
    """The labels without what a format has no place for, and a finding for each loss."""
    kept = list(labels)
    findings: list[Finding] = []
    names = {"channel": channel, "rater": rater, "confidence": confidence}
    for name, goes in names.items():
        losing = [label for label in kept if goes and getattr(label, name) not in ("", None)]
        if losing:
            findings.append(
                changed(
                    f"{format_name} has no place for the {name}; it was left out of "
                    f"{counted(len(losing), 'label')}."
                )
            )
    if extra:
        lost = [name for label in kept for name, _ in label.extra]
        if lost:
            findings.append(
                changed(
                    f"{format_name} has no place for these; they were left out: {listed(lost)}."
                )
            )
    if findings:
        kept = [
            replace(
                label,
                channel="" if channel else label.channel,
                rater="" if rater else label.rater,
                confidence=None if confidence else label.confidence,
                extra=() if extra else label.extra,
            )
            for label in kept
        ]
    return kept, findings


def start_is_lost(start: datetime | None, format_name: str) -> list[Finding]:
    """The finding that the clock time at 0 s is not in the file."""
    if start is None:
        return []
    return [changed(f"{format_name} has no place for the clock time at 0 s, {start}.")]
