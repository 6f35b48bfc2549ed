"""Time stamps of CSV rows: what they mean, their order, and what clocks do to them.

Stamps come as numbers or words. Clocks jump back when they are set or summer time ends, devices
write a row twice, and a coarse clock gives many samples one stamp. Each is told from the others by
evidence in the stamps and samples, and what was assumed is a finding.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np

from core.config import CsvConfig
from core.csv_query import Query, literal
from core.errors import RecordingError
from core.even_grid import round_rate
from core.recording import Finding

_TIME_NAME = re.compile(
    r"(unix|epoch|elapsed|sample|recording|sensor)?_?"
    r"(time|timestamp|time_?stamp|times|datetime|date_?time|date|t|ts|seconds|second|sec|s|ms|"
    r"milliseconds|millis|us|microseconds|elapsed|clock)"
    r"(_?\(?\[?(s|sec|secs|seconds|ms|msec|millis|milliseconds|us|µs|microseconds|utc|unix|iso)"
    r"\)?\]?)*"
)
_OFFSET = re.compile(r"[T ]\d{1,2}:\d\d.*(Z|[+-]\d\d(:?\d\d)?)$")
_SCALES = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "iso": 1e-6}
_UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
CLOCK_S = 1e8  # a time beyond this, in seconds, is unix time and not elapsed time
_FAR_S = 366 * 86400.0
_FASTER = 100  # times the measured rate: a grid beyond is a mistake that would fill the memory
_MOST_RESETS = 200  # a clock is not set more often; such rows are in no order at all

Stamps = Literal["own", "repeats", "shared", "averaged"]


@dataclass(frozen=True)
class TimeColumn:
    """The time column. `reading` is an SQL expression over `{0}` that gives native numbers."""

    column: int | None
    unit: str
    reading: str = "{0}"
    type: str = "DOUBLE"
    only_clock: bool = False  # a time of day without a date
    is_local: bool = False  # a date and time without a zone

    @property
    def sql(self) -> str:
        return self.reading.format(f"c{self.column}")


@dataclass(frozen=True)
class Rows:
    """Times of the rows that were kept, in seconds from the first, rising; `order` picks them
    from the file's rows, None where it picks all as they stand.

    `start_s` is the first row's unix time where `has_clock`, else 0.
    """

    seconds: np.ndarray
    order: np.ndarray | None
    start_s: float
    has_clock: bool


# ---------------------------------------------------------------- what a column of times holds


def is_time_name(name: str) -> bool:
    return bool(_TIME_NAME.fullmatch(re.sub(r"[\s.\-]+", "_", name.strip().casefold())))


def unit_words(unit: str) -> str:
    return _UNIT_NAMES.get(unit, "dates and times in words")


def guess_unit(name: str, numbers: Sequence[float]) -> str:
    """`s`, `ms` or `us`, by size, by the ending of the name, or by the steps."""
    size = abs(float(np.median(numbers)))
    if size > 1e14:
        return "us"
    if size > 1e11:
        return "ms"
    if size > CLOCK_S and all(n > CLOCK_S for n in numbers):
        return "s"
    ending = re.search(r"(?:^|[^a-z])(s|sec|seconds|ms|msec|milliseconds|us|µs|microseconds)\W*$",
                       name.strip().casefold())  # fmt: skip
    if ending:
        word = ending.group(1)
        return "ms" if word.startswith("m") and word != "microseconds" else (
            "s" if word.startswith("s") else "us")  # fmt: skip
    steps = np.diff(np.array(numbers))
    steps = steps[steps > 0]
    whole = all(number == np.floor(number) for number in numbers)
    if not whole or len(steps) == 0:
        return "s"
    step = float(np.median(steps))
    # Whole numbers that rise by 2 or more count something finer than seconds.
    if step < 2:
        return "s"
    return "ms" if step <= 1000 else "us"


_DATE_FORMS = (
    "%Y/%m/%d %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%d-%m-%Y %H:%M:%S",
    "%m-%d-%Y %H:%M:%S",
    "%d/%m/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M:%S %p",
    "%Y%m%d %H%M%S",
    "%Y%m%dT%H%M%S",
)


def find_time_form(
    query: Query, name: str, column: int, cells: Sequence[str | None]
) -> tuple[TimeColumn, str, str]:
    """How dates and times in words are written; microseconds since 1970 come out.

    Returns the column, the reason, and a doubt or an empty text. Raises RecordingError where the
    cells are no dates.
    """
    given = [re.sub(r"\s+", " ", cell.strip()) for cell in cells if cell is not None]
    reason = f"Column '{name}' holds dates and times in words."
    squeezed = r"regexp_replace(trim({0}), '\s+', ' ', 'g')"

    def share(expression: str) -> float:
        read = query.evaluate(expression, given)
        return sum(value is not None for value in read) / max(len(given), 1)

    # With a comma before the fraction, a date and time would still pass as a time of day.
    point = f"replace({squeezed}, ',', '.')"
    if sum(bool(_OFFSET.search(cell)) for cell in given) > len(given) / 2:
        for text in (squeezed, point):
            reading = f"epoch_us(try_cast({text} AS TIMESTAMPTZ))"
            if share(reading) >= 0.9:
                return TimeColumn(column, "iso", reading, "VARCHAR"), reason, ""
    for text in (squeezed, point):
        reading = f"epoch_us(try_cast({text} AS TIMESTAMP))"
        if share(reading) >= 0.9:
            return TimeColumn(column, "iso", reading, "VARCHAR", is_local=True), reason, ""
    reading = f"epoch_us(try_cast({point} AS TIME))"
    if share(reading) >= 0.9:
        reason = f"Column '{name}' has times of day without a date."
        return TimeColumn(column, "iso", reading, "VARCHAR", only_clock=True), reason, ""
    readings = []
    for form in _DATE_FORMS:
        forms = [form, form.replace("%S", "%S.%f"), form.replace("%S", "%S,%f")]
        reading = f"epoch_us(try_strptime({squeezed}, {literal(forms)}))"
        if share(reading) >= 0.9:
            readings.append((form, reading))
    if not readings:
        raise RecordingError(
            f"{query.path}: the times in column '{name}' are neither numbers nor dates that can be "
            "read; write them as 2024-01-31T12:34:56.789, or choose another csv.time_column."
        )
    form, reading = readings[0]
    doubt = ""
    if len(readings) > 1 and form.startswith("%d"):
        doubt = (
            f"Dates in column '{name}' can be read with the day or the month first; the day was "
            "taken to come first."
        )
    return TimeColumn(column, "iso", reading, "VARCHAR", is_local=True), reason, doubt


# ---------------------------------------------------------------- the order of rows


def order_rows(
    native: np.ndarray,
    time: TimeColumn,
    zone: ZoneInfo | None,
    config: CsvConfig,
    findings: list[Finding],
) -> Rows:
    """Rows with a time, rising, from a time column in its own unit, shape (rows,).

    Rows that are a little out of order are sorted. Where the clock jumped back, what was recorded
    first is kept for the times that come twice, and the other rows of these times are left out.
    """
    scale = _SCALES[time.unit]
    native = np.ma.filled(np.ma.asarray(native, dtype=np.float64), np.nan)
    known = np.isfinite(native)
    total = len(native)
    order: np.ndarray | None = None
    if not known.all():
        order = np.flatnonzero(known)
        native = native[order]
    if len(native) == 0:
        return Rows(native, order, 0.0, False)
    if time.only_clock:
        native = _past_midnight(native, findings)
    if time.is_local:
        native = _from_local(native, zone, findings)
    near = _main_stretch(native, _FAR_S / scale)
    if near is not None:
        order = near if order is None else order[near]
        native = native[near]
    lost = total - len(native)
    if lost:
        _repaired(
            findings,
            f"{lost} rows have no readable time, or one more than a year apart from the others; "
            "they were left out.",
        )
    steps = np.diff(native)
    if (steps < 0).any():
        kept = _mend_backward(native, steps, scale, config, findings)
        order = kept if order is None else order[kept]
        native = native[kept]
    start_s = float(native[0]) * scale
    has_clock = start_s > CLOCK_S and not time.only_clock
    return Rows((native - native[0]) * scale, order, start_s if has_clock else 0.0, has_clock)


def _mend_backward(
    native: np.ndarray,
    steps: np.ndarray,
    scale: float,
    config: CsvConfig,
    findings: list[Finding],
) -> np.ndarray:
    """Indices of the rows to keep, in the order of time."""
    backward = int((steps < 0).sum())
    sizes = np.abs(steps[steps != 0])
    typical = float(np.median(sizes))
    jitter = (config.max_gap_s or max(0.1, 4 * typical * scale)) / scale
    cuts = np.flatnonzero(steps < -jitter) + 1
    message = f"Time runs backwards {backward} times; the rows were sorted by time."
    if backward > 0.9 * len(steps):
        message = "The newest rows come first; the rows were sorted by time."
    elif len(cuts) > _MOST_RESETS or backward > 0.1 * len(steps):
        message = (
            f"Time runs backwards {backward} times in {len(native)} rows: they are in no order of "
            "time, and were sorted by it. Are several recordings mixed in the file?"
        )
        cuts = cuts[:0]
    if not len(cuts) or backward > 0.9 * len(steps):
        _repaired(findings, message)
        return np.argsort(native, kind="stable")
    kept: list[np.ndarray] = []
    done: list[np.ndarray] = []  # sorted times of what was kept, by stretch
    lows, highs = np.empty(0), np.empty(0)
    left_out = late = 0
    resets: list[tuple[float, float]] = []
    bounds = [0, *cuts.tolist(), len(native)]
    for low, high in itertools.pairwise(bounds):
        rising = low + np.argsort(native[low:high], kind="stable")
        times = native[rising]
        overlapping = np.flatnonzero((lows <= times[-1]) & (highs >= times[0]))
        twice = np.zeros(len(times), bool)
        close = np.zeros(len(times), bool)
        for index in overlapping:
            first, last = np.searchsorted(times, (lows[index], highs[index] + typical / 2))
            covered, beside = _covered(done[index], times[first:last], jitter, typical)
            twice[first:last] |= covered
            close[first:last] |= beside
        if (twice & close).sum() * 2 >= twice.sum() and twice.any():
            left_out += int(twice.sum())
            rising, times = rising[~twice], times[~twice]
            resets.append((float(native[low - 1]) * scale, float(native[low]) * scale))
        elif low:
            late += 1
        if len(times):
            kept.append(rising)
            done.append(times)
            lows, highs = np.append(lows, times[0]), np.append(highs, times[-1])
    if late:
        _repaired(
            findings,
            f"{late} blocks of rows are later in the file than in time and fill times that were "
            "missing before; they were sorted in by time.",
        )
    if resets:
        shown = "; ".join(f"from {_moment(a)} to {_moment(b)}" for a, b in resets[:3])
        more = f" and {len(resets) - 3} more" if len(resets) > 3 else ""
        _repaired(
            findings,
            f"The clock jumps back {len(resets)} times ({shown}{more}), as when it is set or "
            "recordings were joined. For times that come twice, what was recorded first was kept: "
            f"{left_out} of {len(native)} rows were left out.",
        )
    rest = backward - len(cuts)
    if rest:
        _repaired(
            findings,
            f"Time runs backwards {rest} times by no more than {jitter * scale:g} s; these rows "
            "were sorted by time.",
        )
    chosen = np.concatenate(kept)
    return chosen[np.argsort(native[chosen], kind="stable")]


def _covered(
    earlier: np.ndarray, times: np.ndarray, hole: float, typical: float
) -> tuple[np.ndarray, np.ndarray]:
    """Which times lie within earlier rows (holes longer than `hole` apart), and which of them
    close to such a row."""
    after = np.searchsorted(earlier, times, side="right")
    before = np.clip(after - 1, 0, len(earlier) - 1)
    after = np.clip(after, 0, len(earlier) - 1)
    from_last, to_next = times - earlier[before], earlier[after] - times
    last = after == before
    inside = (from_last >= 0) & np.where(last, from_last < typical / 2, from_last + to_next <= hole)
    inside |= from_last == 0
    close = np.minimum(np.abs(from_last), np.abs(to_next)) <= 0.75 * typical
    return inside, close


def _moment(seconds: float) -> str:
    if abs(seconds) < CLOCK_S:
        return f"{seconds:.3f} s"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _main_stretch(native: np.ndarray, far: float) -> np.ndarray | None:
    """Indices of the longest stretch of times without a jump further than `far`; None: all."""
    if native.max() - native.min() <= far:
        return None
    rising = np.sort(native)
    cuts = np.flatnonzero(np.diff(rising) > far)
    if not len(cuts):
        return None
    bounds = np.concatenate(([0], cuts + 1, [len(rising)]))
    longest = int(np.argmax(np.diff(bounds)))
    low, high = rising[bounds[longest]], rising[bounds[longest + 1] - 1]
    return np.flatnonzero((native >= low) & (native <= high))


def _past_midnight(native: np.ndarray, findings: list[Finding]) -> np.ndarray:
    day = 86400e6
    nights = np.concatenate(([0], np.cumsum(np.diff(native) < -day / 2)))
    if nights[-1]:
        _note(findings, f"The time of day passes midnight {int(nights[-1])} times.")
    return native + nights * day


def _from_local(native: np.ndarray, zone: ZoneInfo | None, findings: list[Finding]) -> np.ndarray:
    """Microseconds of local clock time to microseconds of UTC."""
    if zone is None:
        return native
    # Offsets change on the quarter hour at most.
    number = np.floor(native / 900e6)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(number)) + 1))
    quarters, which = np.unique(number[starts], return_inverse=True)
    early, late = np.empty(len(quarters)), np.empty(len(quarters))
    for index, quarter in enumerate(quarters):
        try:
            local = datetime.fromtimestamp(quarter * 900, UTC).replace(tzinfo=zone)
            shifts = local.utcoffset(), local.replace(fold=1).utcoffset()
        except (OverflowError, ValueError, OSError):
            shifts = None, None  # a damaged stamp, far from the others: left out later
        early[index], late[index] = (s.total_seconds() * 1e6 if s else 0.0 for s in shifts)
    lengths = np.diff(np.append(starts, len(native)))
    first, second = np.repeat(early[which], lengths), np.repeat(late[which], lengths)
    # At the end of summer time an hour comes twice: the offset is smaller the second time.
    double = first > second
    if not double.any():
        return native - first
    edges = np.flatnonzero(np.diff(np.concatenate(([0], double.astype(np.int8), [0]))))
    chosen = first.copy()
    for low, high in zip(edges[::2], edges[1::2], strict=True):
        lag = first[low] - second[low]
        back = np.flatnonzero(np.diff(native[low:high]) < -lag / 2)
        continues = low > 0 and abs(native[low] - native[low - 1]) < lag / 2
        if len(back):
            chosen[low + back[-1] + 1 : high] = second[low]
            said = "the clock goes back within it, and rows after that were put an hour later"
        elif continues:
            said = "its rows continue those before, and were taken as its first time"
        elif high < len(native) and abs(native[high] - native[high - 1]) < lag / 2:
            chosen[low:high] = second[low]
            said = "its rows lead on to those after, and were taken as its second time"
        else:
            said = "nothing tells which of the two it was; the first was assumed"
        _note(findings, f"Summer time ends and an hour comes twice: {said}.")
    return native - chosen


# ---------------------------------------------------------------- rows with the same stamp


def judge_stamps(seconds: np.ndarray, values: np.ndarray, findings: list[Finding]) -> Stamps:
    """What rows with the same stamp are; seconds: shape (rows,), rising; values: (channels, rows).

    `repeats`: the same sample written again. `shared`: several samples under one coarse stamp.
    `averaged`: now and then two samples under one stamp. `own`: each row has its own stamp.
    """
    same_time = np.diff(seconds) == 0
    duplicates = int(same_time.sum())
    if not duplicates:
        return "own"
    rows = len(seconds)
    starts = np.flatnonzero(np.concatenate(([True], ~same_time)))
    sizes = np.diff(np.append(starts, rows))
    # The first and the last stamp may be cut.
    inner = sizes[1:-1] if len(sizes) > 3 else sizes
    usual = float(np.median(inner))
    alike = np.ones(rows - 1, bool)
    for signal in values:
        alike &= (signal[1:] == signal[:-1]) | (np.isnan(signal[1:]) & np.isnan(signal[:-1]))
    again = float(alike[same_time].mean())
    # Where a flat signal repeats across stamps too, equal samples say nothing.
    elsewhere = float(alike[~same_time].mean()) if duplicates < rows - 1 else 0.0
    if again >= 0.9 and elsewhere < 0.5:
        _note(
            findings,
            f"{duplicates} of {rows} rows repeat the row before, with its time and its samples; "
            "they were taken as the same sample and not counted in the rate.",
        )
        return "repeats"
    if usual >= 2 and len(starts) > 1:
        step = float(np.median(np.diff(seconds[starts])))
        _repaired(
            findings,
            f"The clock is coarse: about {usual:g} rows share each time stamp, {step:g} s apart. "
            "They were taken as samples that follow each other, the first at the stamp, and spread "
            "evenly until the next stamp.",
        )
        return "shared"
    share = duplicates / rows
    findings.append(
        Finding(
            "repaired" if share > 0.2 else "note",
            "time stamps",
            f"{duplicates} of {rows} rows have the time of the row before with other samples; they "
            "were counted in the rate, and such rows were averaged.",
        )
    )
    return "averaged"


def keep_first(seconds: np.ndarray) -> np.ndarray:
    """Indices of the first row of each stamp."""
    return np.flatnonzero(np.concatenate(([True], np.diff(seconds) > 0)))


def spread_rows(rows: Rows) -> Rows:
    """Rows that share coarse stamps, spread evenly until the next stamp.

    A stamp with fewer rows than usual at the start of a stretch was cut there: its rows lead up to
    the next stamp. At the end of a stretch they follow the stamp at the usual distance.
    """
    seconds = rows.seconds
    starts = keep_first(seconds)
    sizes = np.diff(np.append(starts, len(seconds)))
    stamps = seconds[starts]
    steps = np.diff(stamps)
    usual_step, usual_size = float(np.median(steps)), float(np.median(sizes))
    spacing = usual_step / usual_size
    goes_on = np.append(steps <= 1.5 * usual_step, False)
    continues = np.concatenate(([False], goes_on[:-1]))
    length = np.where(goes_on, np.append(steps, usual_step), usual_step)
    distance = np.where(goes_on, length / sizes, np.minimum(spacing, length / sizes))
    begin = stamps.copy()
    cut = goes_on & ~continues & (sizes < 0.9 * usual_size)
    distance[cut] = np.minimum(spacing, distance[cut])
    begin[cut] = stamps[cut] + length[cut] - distance[cut] * sizes[cut]
    within = np.arange(len(seconds)) - np.repeat(starts, sizes)
    spread = np.repeat(begin, sizes) + within * np.repeat(distance, sizes)
    start_s = rows.start_s + float(spread[0]) if rows.has_clock else 0.0
    return replace(rows, seconds=spread - spread[0], start_s=start_s)


# ---------------------------------------------------------------- rate


def measure_rate(path: Path, seconds: np.ndarray, config: CsvConfig) -> tuple[float, float, str]:
    """Rate of the grid in Hz, the longest jump that is not a gap in seconds, and what to say.

    seconds: shape (rows,), rising. Raises RecordingError where nothing can be measured, or the
    rate asked for cannot be meant.
    """
    steps = np.diff(seconds)
    rising = steps[steps > 0]
    wanted = config.rate_hz
    if len(rising) == 0:
        if wanted is None:
            raise RecordingError(
                f"{path}: the time stamps are all the same or there is only one row, so the rate "
                "cannot be measured; give csv.rate_hz."
            )
        return wanted, config.max_gap_s or max(0.1, 4 / wanted), ""
    typical = float(np.median(rising))
    max_gap_s = config.max_gap_s
    whole = steps[steps <= (max_gap_s or max(0.1, 4 * (1 / wanted if wanted else typical)))]
    # The mean over gapless stretches, because the median of rounded stamps is biased: 128 Hz in
    # whole milliseconds has steps of 7 and 8 ms.
    total = float(whole.sum())
    measured = len(whole) / total if total > 0 else 1 / typical
    if abs(measured * typical - 1) > 0.05:
        # Stretches whose clock ran unevenly would bend a mean.
        measured = 1 / typical
    if wanted is not None and wanted > _FASTER * measured:
        raise RecordingError(
            f"{path}: csv.rate_hz is {wanted:g} Hz, but by the time stamps the file has "
            f"{measured:.4g} Hz; look at csv.rate_hz and csv.time_unit."
        )
    rate_hz = wanted or round_rate(measured)
    said = ""
    if wanted is None:
        said = (
            f"The time stamps have {measured:.6g} rows per second (median step "
            f"{typical * 1000:.6g} ms); the grid has {rate_hz:.6g} Hz."
        )
    elif not 0.8 <= wanted / measured <= 1.25:
        said = (
            f"The grid has {wanted:.6g} Hz as told, but the time stamps have {measured:.6g} rows "
            "per second; interpolation does not filter."
        )
    return rate_hz, max_gap_s or max(0.1, 4 / rate_hz), said


def _note(findings: list[Finding], message: str) -> None:
    findings.append(Finding("note", "time stamps", message))


def _repaired(findings: list[Finding], message: str) -> None:
    findings.append(Finding("repaired", "time stamps", message))
