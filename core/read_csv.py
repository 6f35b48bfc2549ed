"""CSV files: guessed, but never in silence, and put on an even grid.

duckdb finds the dialect and parses; it also unpacks `.gz`. What the run file does not say is
guessed from the head of the file, and each guess is a finding. Rows carry time stamps that may be
jittered, duplicated, backward or jumping: samples are interpolated linearly onto an even grid, and
jumps stay gaps.

The grid is made when a file is opened, because only then are rate, gaps and damaged cells known.
It may be dropped later, when many files are open, and is then made anew from the file.
"""

from __future__ import annotations

import gzip
import itertools
import math
import os
import re
import threading
import weakref
import zlib
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from core.config import CsvConfig
from core.errors import RecordingError
from core.read_edf import find_zone
from core.recording import Channel, Finding, Gap, Severity, SignalFile

_HEAD_BYTES = 1 << 18
_SAMPLE_ROWS = 200
_MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "null", "NULL", "None", "-", "--", "?"]
_TIME_NAME = re.compile(
    r"(unix|epoch|elapsed|sample|recording|sensor)?_?"
    r"(time|timestamp|time_?stamp|times|datetime|date_?time|date|t|ts|seconds|second|sec|s|ms|"
    r"milliseconds|millis|us|microseconds|elapsed|clock)"
    r"(_?\(?\[?(s|sec|secs|seconds|ms|msec|millis|milliseconds|us|µs|microseconds|utc|unix|iso)"
    r"\)?\]?)*"
)
_PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.I)
_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_THOUSANDS_COMMA = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_THOUSANDS_DOT = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?")
_OFFSET = re.compile(r"[T ]\d{1,2}:\d\d.*(Z|[+-]\d\d(:?\d\d)?)$")
_SCALES = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "iso": 1e-6}
_CLOCK_S = 1e8  # a time beyond this, in seconds, is unix time and not elapsed time
_FAR_S = 366 * 86400.0
_LARGE_FILE = 1 << 24
_FASTER = 100  # times the measured rate: a grid beyond is a mistake that would fill the memory


@dataclass(frozen=True)
class _Dialect:
    """How duckdb is to read the file. `names` are the columns as users know them."""

    separator: str
    quote: str
    escape: str
    newline: str
    comment: str
    skip: int
    header: bool
    encoding: str
    names: tuple[str, ...]
    decimal: str = "."
    thousands: str = ""


@dataclass(frozen=True)
class _Time:
    """The time column. `reading` is an SQL expression over `{0}` that gives native numbers."""

    column: int | None
    unit: str
    reading: str = "{0}"
    type: str = "DOUBLE"
    only_clock: bool = False  # a time of day without a date
    is_local: bool = False  # a date and time without a zone


@dataclass(frozen=True)
class _Segment:
    """Samples `start` to `start + count` of the grid lie from `place` on in the stored values."""

    start: int
    count: int
    place: int


def _end(segment: _Segment) -> int:
    return segment.start + segment.count


@dataclass(frozen=True)
class _Rows:
    """Times of the rows that were kept, in seconds from the first, rising; `order` picks them."""

    seconds: np.ndarray
    order: np.ndarray
    start_s: float
    has_clock: bool


def open_csv(
    path: Path | str,
    config: CsvConfig,
    label_columns: Sequence[str] = (),
    time_zone: str | None = None,
) -> CsvFile:
    """Open a CSV file, also gzip-compressed; `label_columns` are not channels.

    Clock times without a zone are those of `time_zone`, UTC if left out. Raises RecordingError
    with the reason where the file cannot be read truthfully.
    """
    return CsvFile(Path(path), config, tuple(label_columns), find_zone(time_zone))


class CsvFile(SignalFile):
    """An open CSV file on an even grid."""

    def __init__(
        self, path: Path, config: CsvConfig, label_columns: tuple[str, ...], zone: ZoneInfo | None
    ) -> None:
        self.path = path
        self.annotations = ()
        self._config = config
        self._zone = zone
        self._lock = threading.Lock()
        findings: list[Finding] = []
        head, encoding = _read_head(path, findings)
        lines = head.splitlines()
        self._e4: _E4Header | None = None
        with _Query(path) as query:
            if config.layout == "e4" or _looks_like_e4(lines, config):
                if config.layout != "e4":
                    _note(
                        findings,
                        "layout",
                        "The first line is a start time and the second a rate: read as an Empatica "
                        "export (csv.layout e4).",
                    )
                self.format = "CSV (E4)"
                self._e4 = _read_e4_header(path, lines, config, findings)
                self._dialect = self._e4.dialect(encoding, _newline(head))
                self._time = _Time(None, "s")
                self._signals = tuple(range(len(self._e4.names)))
                names = self._e4.names
            else:
                self.format = "CSV"
                self._dialect, sample = _find_dialect(query, config, head, encoding, findings)
                self._dialect = _find_number_form(self._dialect, sample, config, findings)
                self._time = _find_time(query, self._dialect, sample, config, findings)
                self._signals = _find_signals(
                    path, self._dialect, self._time, sample, config, label_columns, findings
                )
                names = tuple(self._dialect.names[column] for column in self._signals)
            self._grid: tuple[np.ndarray, list[_Segment]] | None = None
            values, segments, rate_hz, rows, gaps = self._load(query, findings)
        count = segments[-1].start + segments[-1].count if segments else 0
        self.channels = tuple(
            Channel(name, _unit(name, config.units), rate_hz, count) for name in names
        )
        self.gaps = gaps
        self.duration_s = count / rate_hz
        if len(rows.seconds):  # the grid may reach on for a part of a sample
            self.duration_s = min(self.duration_s, float(rows.seconds[-1]) + 1 / rate_hz)
        self.start_s, self.has_clock = rows.start_s, rows.has_clock
        self.findings = tuple(findings)
        self._grid = (values, segments)
        _keep_grid(self, values.nbytes)

    def read(self, channel: int, start: int, stop: int) -> np.ndarray:
        """Samples `start` to `stop` of a channel, float32 in its unit; NaN where nothing was
        recorded. Shape (stop - start,)."""
        if stop < start:
            raise ValueError(f"stop {stop} lies before start {start}")
        if not -len(self.channels) <= channel < len(self.channels):
            raise IndexError(f"{self.path}: there is no channel {channel}")
        values, segments = self._loaded()
        out = np.full(stop - start, np.nan, np.float32)
        for index in range(bisect_right(segments, start, key=_end), len(segments)):
            segment = segments[index]
            if segment.start >= stop:
                break
            low, high = max(start, segment.start), min(stop, _end(segment))
            place = segment.place + low - segment.start
            out[low - start : high - start] = values[channel, place : place + high - low]
        return out

    def texts(self, column: str) -> tuple[np.ndarray, list[str]]:
        """Time in seconds from the file's start, and text, of every row; see SignalFile."""
        index = _find_column(self._dialect.names, column)
        if index is None or self._e4 is not None:
            known = "" if self._e4 else f"; there are {', '.join(self._dialect.names)}"
            raise RecordingError(f"{self.path}: there is no column '{column}'{known}.")
        selection = [f"coalesce(c{index}, '')"]
        if self._time.column is not None:
            selection.append(_time_sql(self._dialect, self._time))
        types = {index: "VARCHAR"}
        if self._time.column not in (None, index):
            types[self._time.column or 0] = self._time.type
        with _Query(self.path) as query:
            # What means 'missing' in a signal may be a label, such as '?'.
            fetched, _ = query.fetch(self._dialect, types, selection, missing=[""])
        texts = fetched[0]
        if self._time.column is None:
            rate_hz = self.channels[0].rate_hz if self.channels else 1.0
            return np.arange(len(texts)) / rate_hz, [str(text) for text in texts]
        rows = self._order(fetched[1], [])
        return rows.seconds, [str(text) for text in texts[rows.order]]

    # -- loading

    def _loaded(self) -> tuple[np.ndarray, list[_Segment]]:
        with self._lock:
            grid = self._grid  # another thread may drop it at any time
            if grid is None:
                with _Query(self.path) as query:
                    values, segments, *_ = self._load(query, [])
                self._grid = grid = (values, segments)
                _keep_grid(self, values.nbytes)
            return grid

    def _load(
        self, query: _Query, findings: list[Finding]
    ) -> tuple[np.ndarray, list[_Segment], float, _Rows, tuple[Gap, ...]]:
        """Parse the whole file and lay it on the grid."""
        selection = [f"c{column}" for column in self._signals]
        types = {column: "FLOAT" for column in self._signals}
        if self._time.column is not None:
            selection.append(_time_sql(self._dialect, self._time))
            types[self._time.column] = self._time.type
        columns, broken = query.fetch(self._dialect, types, selection)
        signals = [_as_float32(values) for values in columns[: len(self._signals)]]
        self._report_cells(signals, broken, findings)
        if self._time.column is None:
            return self._load_even(signals, findings)
        rows = self._order(columns[-1], findings)
        if len(rows.seconds) == 0:
            raise RecordingError(
                f"{self.path}: no row has a readable time in column "
                f"'{self._dialect.names[self._time.column]}'; say what it is with csv.time_column "
                "and csv.time_unit."
            )
        signals = [values[rows.order] for values in signals]
        rate_hz, max_gap_s = self._measure(rows.seconds, findings)
        seconds, signals = _merge_duplicates(rows.seconds, signals, findings)
        values, segments, gaps = _to_grid(seconds, signals, rate_hz, max_gap_s)
        if gaps:
            _note(
                findings,
                "gaps",
                f"Time jumps {len(gaps)} times by more than {max_gap_s:g} s, by "
                f"{sum(gap.duration_s for gap in gaps):g} s in all; the gaps were kept.",
            )
        return values, segments, rate_hz, rows, gaps

    def _load_even(
        self, signals: list[np.ndarray], findings: list[Finding]
    ) -> tuple[np.ndarray, list[_Segment], float, _Rows, tuple[Gap, ...]]:
        count = len(signals[0]) if signals else 0
        if self._e4 is not None:
            rate_hz, start_s = self._e4.rate_hz, self._e4.start_s
        elif self._config.rate_hz is not None:
            rate_hz, start_s = self._config.rate_hz, 0.0
        else:
            raise RecordingError(
                f"{self.path}: there is no column with the time (columns: "
                f"{_listed(self._dialect.names)}); name it with csv.time_column, or give "
                "csv.rate_hz where there is none."
            )
        known = np.flatnonzero(np.isfinite(signals).any(axis=0)) if count else np.empty(0)
        if self._e4 is not None and len(known):
            count = int(known[-1]) + 1  # blank lines at the end are no samples
            signals = [values[:count] for values in signals]
        if len(known) == 0:
            raise RecordingError(f"{self.path}: there are no samples in the file.")
        has_clock = start_s > _CLOCK_S
        rows = _Rows(np.empty(0), np.empty(0, np.int64), start_s if has_clock else 0.0, has_clock)
        values = np.stack(signals)
        return values, [_Segment(0, count, 0)], rate_hz, rows, ()

    def _report_cells(
        self, signals: list[np.ndarray], broken: dict[int, int], findings: list[Finding]
    ) -> None:
        names = self._e4.names if self._e4 else self._dialect.names
        for column, values in zip(self._signals, signals, strict=True):
            infinite = np.isinf(values)
            count = broken.get(column, 0) + int(infinite.sum())
            values[infinite] = np.nan
            missing = int(np.isnan(values).sum()) - count
            if count:
                _add(
                    findings,
                    "repaired",
                    names[column],
                    f"{count} cells of column '{names[column]}' are not numbers; they were taken "
                    "as missing.",
                )
            if missing > 0:
                _note(findings, names[column], f"{missing} cells of '{names[column]}' are empty.")

    def _order(self, native: np.ndarray, findings: list[Finding]) -> _Rows:
        """Rows with a time, sorted by it; `native` holds the time column in its own unit."""
        scale = _SCALES[self._time.unit]
        native = np.ma.filled(np.ma.asarray(native, dtype=np.float64), np.nan)
        order = np.flatnonzero(np.isfinite(native))
        if len(order) == 0:
            return _Rows(np.empty(0), order, 0.0, False)
        lost = len(native) - len(order)
        native = native[order]
        if self._time.only_clock:
            native = _past_midnight(native, findings)
        if self._time.is_local:
            native = _from_local(native, self._zone)
        near = _main_stretch(native, _FAR_S / scale)
        lost += len(native) - int(near.sum())
        order, native = order[near], native[near]
        if lost:
            _add(
                findings,
                "repaired",
                "time stamps",
                f"{lost} rows have no readable time, or one more than a year apart from the "
                "others; they were left out.",
            )
        backward = int((np.diff(native) < 0).sum())
        if backward:
            _add(
                findings,
                "repaired",
                "time stamps",
                f"Time runs backwards {backward} times; the rows were sorted by time.",
            )
            rising = np.argsort(native, kind="stable")
            order, native = order[rising], native[rising]
        start_s = float(native[0]) * scale
        has_clock = start_s > _CLOCK_S and not self._time.only_clock
        return _Rows((native - native[0]) * scale, order, start_s if has_clock else 0.0, has_clock)

    def _measure(self, seconds: np.ndarray, findings: list[Finding]) -> tuple[float, float]:
        """Rate of the grid, and the longest jump that is not a gap."""
        steps = np.diff(seconds)
        rising = steps[steps > 0]
        wanted = self._config.rate_hz
        if len(rising) == 0:
            if wanted is None:
                raise RecordingError(
                    f"{self.path}: the time stamps are all the same or there is only one row, so "
                    "the rate cannot be measured; give csv.rate_hz."
                )
            return wanted, self._config.max_gap_s or max(0.1, 4 / wanted)
        typical = float(np.median(rising))
        max_gap_s = self._config.max_gap_s
        whole = steps[steps <= (max_gap_s or max(0.1, 4 * (1 / wanted if wanted else typical)))]
        # The mean over gapless stretches, because the median of rounded stamps is biased: 128 Hz
        # in whole milliseconds has steps of 7 and 8 ms.
        total = float(whole.sum())
        measured = len(whole) / total if total > 0 else 1 / typical
        if abs(measured * typical - 1) > 0.05:
            # Stretches that were recorded twice, or whose clock jumped, would bend a mean.
            measured = 1 / typical
        if wanted is not None and wanted > _FASTER * measured:
            raise RecordingError(
                f"{self.path}: csv.rate_hz is {wanted:g} Hz, but by the time stamps the file has "
                f"{measured:.4g} Hz; look at csv.rate_hz and csv.time_unit."
            )
        rate_hz = wanted or _round_rate(measured)
        if wanted is None:
            _note(
                findings,
                "rate",
                f"The time stamps have {measured:.6g} rows per second (median step "
                f"{typical * 1000:.6g} ms); the grid has {rate_hz:.6g} Hz.",
            )
        elif not 0.8 <= wanted / measured <= 1.25:
            _note(
                findings,
                "rate",
                f"The grid has {wanted:.6g} Hz as told, but the time stamps have {measured:.6g} "
                "rows per second; interpolation does not filter.",
            )
        return rate_hz, max_gap_s or max(0.1, 4 / rate_hz)


# ---------------------------------------------------------------- memory

# Grids of the files opened last are kept; older ones are made anew when they are needed.
_GRID_BYTES_KEPT = 1 << 29
_grids: deque[tuple[weakref.ref[CsvFile], int]] = deque()
_grids_lock = threading.Lock()


def _keep_grid(file: CsvFile, size: int) -> None:
    with _grids_lock:
        alive = [entry for entry in _grids if entry[0]() not in (None, file)]
        alive.append((weakref.ref(file), size))
        total = sum(entry[1] for entry in alive)
        while total > _GRID_BYTES_KEPT and len(alive) > 1:
            oldest, freed = alive.pop(0)
            total -= freed
            other = oldest()
            if other is not None:
                other._grid = None  # a read in another thread keeps what it has
        _grids.clear()
        _grids.extend(alive)


# ---------------------------------------------------------------- the grid


def _merge_duplicates(
    seconds: np.ndarray, signals: list[np.ndarray], findings: list[Finding]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Rows of the same time become one, with the mean of what was recorded."""
    first = np.concatenate(([True], np.diff(seconds) > 0))
    duplicates = int((~first).sum())
    if not duplicates:
        return seconds, signals
    share = duplicates / len(seconds)
    _add(
        findings,
        "repaired" if share > 0.2 else "note",
        "time stamps",
        f"{duplicates} of {len(seconds)} rows have the time of the row before; such rows were "
        "averaged.",
    )
    starts = np.flatnonzero(first)
    merged = []
    for values in signals:
        known = np.isfinite(values)
        sums = np.add.reduceat(np.where(known, values, 0).astype(np.float64), starts)
        counts = np.add.reduceat(known.astype(np.float64), starts)
        with np.errstate(invalid="ignore"):
            merged.append((sums / counts).astype(np.float32))
    return seconds[starts], merged


def _to_grid(
    seconds: np.ndarray, signals: list[np.ndarray], rate_hz: float, max_gap_s: float
) -> tuple[np.ndarray, list[_Segment], tuple[Gap, ...]]:
    """Values at k / rate_hz, shape (channels, samples), without those in gaps.

    A sample next to a missing one is missing, unless it lies on a recorded one.
    """
    position = seconds * rate_hz
    nearest = np.rint(position)
    # Stamps within a hundredth of a sample of the grid are on it: decimal fractions are not exact.
    on_grid = np.abs(position - nearest) <= 0.01
    position = np.where(on_grid, nearest, position)
    jumps = np.flatnonzero(np.diff(seconds) > max_gap_s)
    if not len(jumps) and np.abs(position - np.arange(len(position))).max() <= 0.25:
        # Evenly sampled with rounded stamps: interpolation would only blur the samples.
        position = np.arange(len(position), dtype=np.float64)
        on_grid = np.ones(len(position), bool)
    run_first = np.concatenate(([0], jumps + 1))
    run_last = np.concatenate((jumps, [len(seconds) - 1]))
    firsts = np.ceil(position[run_first]).astype(np.int64)
    # A sample counts until the next is due: the grid point after the last one holds its value.
    lasts = np.ceil(position[run_last]).astype(np.int64)
    lasts[:-1] = np.minimum(lasts[:-1], firsts[1:] - 1)
    counts = np.maximum(lasts - firsts + 1, 0)
    places = np.concatenate(([0], np.cumsum(counts)[:-1]))
    segments = [
        _Segment(int(start), int(count), int(place))
        for start, count, place in zip(firsts, counts, places, strict=True)
        if count
    ]
    total = int(counts.sum())
    gaps = tuple(
        Gap(
            float(seconds[jump] + 1 / rate_hz),
            float(seconds[jump + 1] - seconds[jump] - 1 / rate_hz),
        )
        for jump in jumps
        if seconds[jump + 1] - seconds[jump] > 1 / rate_hz
    )
    if total == len(position) and bool(on_grid.all()):
        values = np.stack(signals) if signals else np.empty((0, total), np.float32)
        return values, segments, gaps
    points = np.repeat(firsts - places, counts) + np.arange(total)
    left = np.clip(np.searchsorted(position, points, side="right") - 1, 0, len(position) - 1)
    right = np.minimum(left + 1, len(position) - 1)
    width = position[right] - position[left]
    weight = np.where(width > 0, (points - position[left]) / np.where(width > 0, width, 1), 0)
    weight = weight.astype(np.float32)
    weight[points > np.repeat(position[run_last], counts)] = 0
    exact = weight == 0
    values = np.empty((len(signals), total), np.float32)
    for row, signal in zip(values, signals, strict=True):
        low = signal[left]
        np.subtract(signal[right], low, out=row)
        row *= weight
        row += low
        row[exact] = low[exact]
    return values, segments, gaps


def _main_stretch(native: np.ndarray, far: float) -> np.ndarray:
    """Which times belong to the longest stretch without a jump further than `far`."""
    rising = np.sort(native)
    cuts = np.flatnonzero(np.diff(rising) > far)
    if not len(cuts):
        return np.ones(len(native), bool)
    bounds = np.concatenate(([0], cuts + 1, [len(rising)]))
    longest = int(np.argmax(np.diff(bounds)))
    low, high = rising[bounds[longest]], rising[bounds[longest + 1] - 1]
    return (native >= low) & (native <= high)


def _round_rate(rate_hz: float) -> float:
    """The nearest whole rate, or rate with a whole period, if it is within half a per cent."""
    for near in (float(round(rate_hz)), 1 / max(round(1 / rate_hz), 1)):
        if near > 0 and abs(near - rate_hz) <= 0.005 * rate_hz:
            return near
    return rate_hz


def _past_midnight(native: np.ndarray, findings: list[Finding]) -> np.ndarray:
    day = 86400e6
    nights = np.concatenate(([0], np.cumsum(np.diff(native) < -day / 2)))
    if nights[-1]:
        _note(findings, "time stamps", f"The time of day passes midnight {int(nights[-1])} times.")
    return native + nights * day


def _from_local(native: np.ndarray, zone: ZoneInfo | None) -> np.ndarray:
    """Microseconds of local clock time to microseconds of UTC."""
    if zone is None:
        return native
    # Offsets change on the quarter hour at most.
    quarters, which = np.unique(np.floor(native / 900e6), return_inverse=True)
    shifts = np.empty(len(quarters))
    for index, quarter in enumerate(quarters):
        local = datetime.fromtimestamp(quarter * 900, UTC).replace(tzinfo=zone)
        shift = local.utcoffset()
        shifts[index] = shift.total_seconds() * 1e6 if shift is not None else 0.0
    return native - shifts[which]


def _as_float32(values: np.ndarray) -> np.ndarray:
    if isinstance(values, np.ma.MaskedArray):
        return np.ma.filled(values.astype(np.float32), np.nan)
    # duckdb's arrays may not be writable
    return np.array(values, dtype=np.float32)


# ---------------------------------------------------------------- the head of the file


def _read_head(path: Path, findings: list[Finding]) -> tuple[str, str]:
    """The first lines as text, and the encoding by duckdb's name; RecordingError if not text."""
    try:
        if path.is_dir():
            raise RecordingError(f"{path}: this is a folder, not a recording.")
        with path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            with gzip.GzipFile(fileobj=plain) if packed else plain as stream:
                head = stream.read(_HEAD_BYTES)
    except FileNotFoundError:
        raise RecordingError(f"{path}: there is no such file.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise RecordingError(f"{path}: the file cannot be read ({error}).") from None
    if not head.strip():
        raise RecordingError(f"{path}: the file is empty.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", errors="replace"), "utf-16"
    if (
        head.lstrip(b"\xef\xbb\xbf \t\r\n")[:9]
        .lower()
        .startswith((b"<!doctype", b"<html", b"<?xml"))
    ):
        raise RecordingError(
            f"{path}: this is a web page or XML, not a table; the download gave an error or a "
            "log-in page. Download it again."
        )
    if b"\x00" in head:
        raise RecordingError(f"{path}: this is not a text file; is it a recording of another kind?")
    whole = len(head) < _HEAD_BYTES
    if not whole:
        head = head[: head.rfind(b"\n") + 1] or head
    try:
        return head.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError as error:
        if not whole and error.start >= len(head) - 4:
            return head.decode("utf-8", errors="ignore"), "utf-8"
        _note(findings, "encoding", "The text is not UTF-8; it was read as Latin-1.")
        return head.decode("latin-1"), "latin-1"


def _is_packed(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _newline(head: str) -> str:
    return "\r\n" if "\r\n" in head else "\n"


# ---------------------------------------------------------------- E4


@dataclass(frozen=True)
class _E4Header:
    start_s: float
    rate_hz: float
    names: tuple[str, ...]
    separator: str

    def dialect(self, encoding: str, newline: str) -> _Dialect:
        return _Dialect(
            self.separator, "", "", newline, "", 2, False, encoding,
            tuple(f"column{i}" for i in range(len(self.names))),
        )  # fmt: skip


def _numbers(line: str) -> list[float] | None:
    cells = [cell.strip() for cell in line.split(",")]
    if not all(_PLAIN.fullmatch(cell) for cell in cells):
        return None
    values = [float(cell) for cell in cells]
    return values if all(map(math.isfinite, values)) else None


def _looks_like_e4(lines: list[str], config: CsvConfig) -> bool:
    if config != CsvConfig(units=config.units, columns=config.columns) or len(lines) < 3:
        return False
    start, rate, first = (_numbers(line) for line in lines[:3])
    if not start or not rate or not first or not len(start) == len(rate) == len(first):
        return False
    # A list of event marks has three times in the first three lines.
    return start[0] > _CLOCK_S and 0 < rate[0] <= 1e5 and len(set(start)) == len(set(rate)) == 1


def _read_e4_header(
    path: Path, lines: list[str], config: CsvConfig, findings: list[Finding]
) -> _E4Header:
    start = _numbers(lines[0]) if lines else None
    rate = _numbers(lines[1]) if len(lines) > 1 else None
    if not start or not rate or len(start) != len(rate):
        uneven = lines and "IBI" in lines[0]
        reason = (
            "it lists the intervals between heart beats, which are not evenly spaced"
            if uneven
            else "the first line must be the start time, the second the rate, with one number per "
            "channel"
        )
        raise RecordingError(f"{path}: not an evenly sampled Empatica export: {reason}.")
    if rate[0] <= 0 or rate[0] > 1e6:
        raise RecordingError(
            f"{path}: not an evenly sampled Empatica export: the second line gives {rate[0]:g} as "
            "the rate."
        )
    if len(set(rate)) > 1:
        raise RecordingError(f"{path}: the second line gives different rates for the columns.")
    if len(set(start)) > 1:
        _add(
            findings,
            "repaired",
            "start",
            "The first line gives different starts for the columns; the first was used for all.",
        )
    if config.rate_hz is not None and config.rate_hz != rate[0]:
        _note(
            findings,
            "rate",
            f"The file gives {rate[0]:g} Hz and csv.rate_hz {config.rate_hz:g}; the "
            "file's was used.",
        )
    if config.columns is not None:
        if len(config.columns) != len(start):
            raise RecordingError(
                f"{path}: csv.columns has {len(config.columns)} names, but the file has "
                f"{len(start)} columns."
            )
        names = tuple(config.columns)
    elif len(start) == 1:
        names = (path.name.split(".")[0],)
    elif len(start) == 3:
        names = ("x", "y", "z")
    else:
        names = tuple(f"column{i}" for i in range(len(start)))
    return _E4Header(start[0], rate[0], names, ",")


# ---------------------------------------------------------------- dialect


def _find_dialect(
    query: _Query, config: CsvConfig, head: str, encoding: str, findings: list[Finding]
) -> tuple[_Dialect, list[tuple[str | None, ...]]]:
    """Separator, header and column names, and the first rows as texts."""
    path = query.path
    lines = head.splitlines()
    skip = config.skip_rows or 0
    comment = config.comment
    if comment is None and config.skip_rows is None:
        marks = [line[0] for line in lines[:200] if line[:1] in ("#", "%")]
        if marks:
            comment = marks[0]
            _note(findings, "comment", f"Lines that start with '{comment}' were passed over.")
    if comment is not None and len(comment) > 1:
        while skip < len(lines) and lines[skip].startswith(comment):
            skip += 1
        if any(line.startswith(comment) for line in lines[skip:]):
            raise RecordingError(
                f"{path}: lines starting with '{comment}' stand between the rows; only a comment "
                "sign of one character can be passed over there."
            )
        comment = None
    body = [line for line in lines[skip:] if line.strip() and not _starts(line, comment)]
    separator = config.separator or _guess_separator(body)
    if len(separator) != 1:
        raise RecordingError(f"{path}: csv.separator must be one character, not '{separator}'.")
    options: dict[str, object] = {"delim": separator, "sample_size": 4096}
    if comment:
        options["comment"] = comment
    if skip:
        options["skip"] = skip
    if config.header is not None:
        options["header"] = config.header
    if encoding != "utf-8":
        options["encoding"] = encoding
    if _guess_decimal_comma(body, separator, config):
        options["decimal_separator"] = ","
    sniffed = query.sniff(options)
    names = tuple(str(column["name"]) for column in sniffed["Columns"])
    usual = _usual_count(body, separator) + 1
    if 1 < usual < len(names):
        raise RecordingError(
            f"{path}: some rows have {len(names)} columns where most have {usual}; are "
            "csv.separator and csv.decimal right?"
        )
    header = bool(sniffed["HasHeader"])
    if header and config.header is None and all(_is_number(n.strip()) for n in names):
        header, names = False, tuple(f"column{i}" for i in range(len(names)))
    if not header and comment and config.header is None and config.columns is None:
        commented = _commented_header(lines, comment, separator, len(names))
        if commented:
            names = commented
            _note(findings, "header", "The last line of comments names the columns.")
    dialect = _Dialect(
        separator,
        _unless_empty(sniffed["Quote"]) or '"',
        _unless_empty(sniffed["Escape"]) or '"',
        _newline(head),
        comment or "",
        int(sniffed["SkipRows"]),
        header,
        encoding,
        names,
    )
    if config.columns is not None:
        if len(config.columns) != len(names):
            raise RecordingError(
                f"{path}: csv.columns has {len(config.columns)} names, but the file has "
                f"{len(names)} columns."
            )
        dialect = replace(dialect, names=tuple(config.columns))
    types = dict.fromkeys(range(len(names)), "VARCHAR")
    columns, _ = query.fetch(dialect, types, [f"c{i}" for i in range(len(names))], _SAMPLE_ROWS)
    if len(columns) == 0 or len(columns[0]) == 0:
        raise RecordingError(f"{path}: there are no rows below the header.")
    if config.separator is None:
        shown = {"\t": "a tab", " ": "a blank"}.get(separator, f"'{separator}'")
        if len(names) > 1:
            _note(findings, "separator", f"Columns are separated by {shown}.")
    if config.header is None:
        what = "names the columns" if header else "is a row already; columns were numbered"
        _note(findings, "header", f"The first line {what}.")
    if config.skip_rows is None:
        _refuse_skipped_rows(path, lines, dialect)
    if config.skip_rows is None and dialect.skip > 0:
        _note(findings, "header", f"{dialect.skip} lines above the table were passed over.")
    renamed = [name for name in names if re.fullmatch(r".+_\d+", name)
               and name.rpartition("_")[0] in names]  # fmt: skip
    if renamed and config.columns is None:
        _note(
            findings,
            "header",
            f"Columns of the same name were numbered: {_listed(renamed)}.",
        )
    texts = [column.tolist() for column in columns]  # None where duckdb's mask says missing
    return dialect, list(zip(*texts, strict=True))


def _commented_header(
    lines: list[str], comment: str, separator: str, count: int
) -> tuple[str, ...] | None:
    """Names of the columns from a line such as `# time,x,y` right above the first row."""
    above = list(itertools.takewhile(lambda line: line.startswith(comment), lines))
    cells = [cell.strip(' "') for cell in above[-1][1:].split(separator)] if above else []
    named = len(cells) == count and all(cells) and len(set(cells)) == count
    return tuple(cells) if named and not any(map(_is_number, cells)) else None


def _refuse_skipped_rows(path: Path, lines: list[str], dialect: _Dialect) -> None:
    """A row of another length makes the sniffer begin the table below it; that loses rows."""
    for number, line in enumerate(lines[: dialect.skip]):
        cells = [cell.strip() for cell in line.split(dialect.separator)]
        numbers = sum(_to_number(cell, dialect) is not None for cell in cells)
        if (
            len(cells) > 1
            and numbers >= max(len(cells) - 1, 2)
            and len(cells) >= len(dialect.names)
        ):
            raise RecordingError(
                f"{path}: line {number + 1} looks like a row of the table, but has {len(cells)} "
                f"columns where others have {len(dialect.names)}. Are csv.separator and "
                "csv.decimal right? Where the table begins below, say so with csv.skip_rows."
            )


def _starts(line: str, comment: str | None) -> bool:
    return comment is not None and line.startswith(comment)


def _is_number(text: str) -> bool:
    return bool(_PLAIN.fullmatch(text) or _COMMA.fullmatch(text))


def _unless_empty(value: object) -> str:
    return "" if value in (None, "(empty)", "") else str(value)


def _guess_separator(body: list[str]) -> str:
    """The character that stands equally often in nearly all lines of the table.

    The comma comes after the others, since it may be the decimal sign, and the blank last.
    """
    for separator in ("\t", ";", "|", ",", " "):
        if _usual_count(body, separator):
            return separator
    return ","


def _usual_count(body: list[str], separator: str) -> int:
    """How often a separator stands in nine of ten lines of the table; 0 where that differs."""
    # Vendor headers stand at the top: look at the later lines.
    table = body[len(body) // 2 :][:400] or body
    counts = [_outside_quotes(line).count(separator) for line in table]
    usual = max(set(counts), key=counts.count, default=0)
    return usual if counts.count(usual) >= 0.9 * len(counts) else 0


def _outside_quotes(line: str) -> str:
    return re.sub(r'"[^"]*"', "", line) if '"' in line else line


def _guess_decimal_comma(body: list[str], separator: str, config: CsvConfig) -> bool:
    if config.decimal is not None:
        return config.decimal == ","
    cells = [cell.strip() for line in body[1:200] for cell in line.split(separator)]
    return separator != "," and sum(bool(_COMMA.fullmatch(cell)) for cell in cells) > len(body) / 4


def _find_number_form(
    dialect: _Dialect,
    sample: list[tuple[str | None, ...]],
    config: CsvConfig,
    findings: list[Finding],
) -> _Dialect:
    """Decimal sign and thousands separator, from the cells of the first rows."""
    cells = [cell.strip() for row in sample for cell in row if cell]
    commas = [cell for cell in cells if _COMMA.fullmatch(cell)]
    both = [cell for cell in cells if "," in cell and "." in cell]
    grouped_comma = [c for c in cells if _THOUSANDS_COMMA.fullmatch(c)
                     and ("." in c or c.count(",") > 1)]  # fmt: skip
    grouped_dot = [c for c in both if _THOUSANDS_DOT.fullmatch(c)]
    decimal = config.decimal
    thousands = ""
    if grouped_comma and not grouped_dot and decimal != ",":
        decimal, thousands = ".", ","
    elif grouped_dot and not grouped_comma and decimal != ".":
        decimal, thousands = ",", "."
    elif decimal is None:
        decimal = "," if commas else "."
        doubtful = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
        if commas and all(doubtful.fullmatch(cell) for cell in commas):
            _add(
                findings,
                "uncalibrated",
                "decimal",
                f"Every comma is followed by three digits, as in '{commas[0]}': the comma was "
                "taken as the decimal sign, but it may separate thousands. Say so with "
                "csv.decimal.",
            )
        elif commas:
            _note(findings, "decimal", "The decimal sign is a comma.")
    if thousands:
        shown = (grouped_comma or grouped_dot)[0]
        _add(
            findings,
            "repaired",
            "thousands",
            f"Numbers have thousands separators, as in '{shown[:30]}': '{thousands}' was taken out "
            f"and '{decimal}' is the decimal sign.",
        )
    twice = [c for c in cells if re.fullmatch(r"[+-]?\d+(\.\d+){2,}|[+-]?\d+(,\d+){2,}", c)]
    if twice and not thousands:
        _add(
            findings,
            "unreadable",
            "numbers",
            f"Numbers such as '{twice[0][:30]}' have several decimal signs: another program has "
            "probably rewritten them. They were taken as missing; export the file again.",
        )
    return replace(dialect, decimal=decimal, thousands=thousands)


# ---------------------------------------------------------------- columns


def _find_column(names: Sequence[str], wanted: str) -> int | None:
    if wanted in names:
        return list(names).index(wanted)
    folded = [name.strip().casefold() for name in names]
    key = wanted.strip().casefold()
    return folded.index(key) if folded.count(key) == 1 else None


def _number_share(cells: Sequence[str | None], dialect: _Dialect) -> float | None:
    """Share of the cells that are numbers; None where all are empty."""
    given = [cell for cell in cells if cell is not None]
    if not given:
        return None
    return sum(_to_number(cell, dialect) is not None for cell in given) / len(given)


def _to_number(cell: str, dialect: _Dialect) -> float | None:
    text = cell.strip()
    if dialect.thousands:
        text = text.replace(dialect.thousands, "")
    if dialect.decimal == ",":
        if "." in text:
            return None
        text = text.replace(",", ".")
    return float(text) if _PLAIN.fullmatch(text) else None


def _find_time(
    query: _Query,
    dialect: _Dialect,
    sample: list[tuple[str | None, ...]],
    config: CsvConfig,
    findings: list[Finding],
) -> _Time:
    path, names = query.path, dialect.names
    if config.time_column == "none" and "none" not in names:
        return _Time(None, "s")
    if config.time_column is not None:
        column = _find_column(names, config.time_column)
        if column is None:
            raise RecordingError(
                f"{path}: there is no column '{config.time_column}' for the time; there are "
                f"{_listed(names)}."
            )
    else:
        column = _guess_time_column(dialect, sample, config)
        if column is None:
            return _Time(None, "s")
        _note(findings, "time_column", f"Column '{names[column]}' was taken as the time.")
    cells = [row[column] for row in sample]
    share = _number_share(cells, dialect)
    if share is None:
        raise RecordingError(f"{path}: the time column '{names[column]}' is empty.")
    unit: str | None = config.time_unit
    if unit == "iso" or (unit is None and share < 0.5):
        return _find_date_form(query, names[column], column, cells, unit is None, findings)
    if unit is None:
        numbers = [_to_number(cell, dialect) for cell in cells if cell is not None]
        unit = _guess_unit(names[column], [n for n in numbers if n is not None])
        _note(
            findings,
            "time_unit",
            f"Times in '{names[column]}' were taken as {_UNIT_NAMES[unit]}; csv.time_unit says "
            "otherwise.",
        )
    return _Time(column, unit)


_UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}


def _guess_time_column(
    dialect: _Dialect, sample: list[tuple[str | None, ...]], config: CsvConfig
) -> int | None:
    named = [
        index
        for index, name in enumerate(dialect.names)
        if name not in config.ignore_columns and _is_time_name(name)
    ]
    # A single letter may be a signal too, and beside a date there may be a time of day: both come
    # after the others.
    named.sort(key=lambda index: (len(dialect.names[index]) <= 1,
                                  dialect.names[index].strip().casefold() == "date"))  # fmt: skip
    if named:
        return named[0]
    if dialect.header or config.columns is not None or config.rate_hz is not None:
        return None
    values = [_to_number(row[0], dialect) if row[0] else None for row in sample]
    numbers = np.array([np.nan if value is None else value for value in values])
    steps = np.diff(numbers)
    even = len(steps) > 4 and bool((steps > 0).all())
    return 0 if even and steps.max() < 1.5 * steps.min() else None


def _is_time_name(name: str) -> bool:
    return bool(_TIME_NAME.fullmatch(re.sub(r"[\s.\-]+", "_", name.strip().casefold())))


def _guess_unit(name: str, numbers: list[float]) -> str:
    size = abs(float(np.median(numbers)))
    if size > 1e14:
        return "us"
    if size > 1e11:
        return "ms"
    if size > _CLOCK_S and all(n > _CLOCK_S for n in numbers):
        return "s"
    ending = re.search(r"(?:^|[^a-z])(s|sec|seconds|ms|msec|milliseconds|us|µs|microseconds)\W*$",
                       name.strip().casefold())  # fmt: skip
    if ending:
        word = ending.group(1)
        return "ms" if word.startswith("m") and word != "microseconds" else (
            "s" if word.startswith("s") else "us")  # fmt: skip
    steps = np.diff(np.array(numbers))
    steps = steps[steps > 0]
    whole = all(number == int(number) for number in numbers)
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


def _find_date_form(
    query: _Query,
    name: str,
    column: int,
    cells: Sequence[str | None],
    guessed: bool,
    findings: list[Finding],
) -> _Time:
    """How dates and times in words are written; microseconds since 1970 come out."""
    given = [re.sub(r"\s+", " ", cell.strip()) for cell in cells if cell is not None]
    if guessed:
        _note(findings, "time_unit", f"Column '{name}' holds dates and times in words.")
    squeezed = r"regexp_replace(trim({0}), '\s+', ' ', 'g')"

    def share(expression: str) -> float:
        read = query.evaluate(expression, given)
        return sum(value is not None for value in read) / max(len(given), 1)

    if sum(bool(_OFFSET.search(cell)) for cell in given) > len(given) / 2:
        reading = f"epoch_us(try_cast({squeezed} AS TIMESTAMPTZ))"
        if share(reading) >= 0.9:
            return _Time(column, "iso", reading, "VARCHAR")
    reading = f"epoch_us(try_cast({squeezed} AS TIMESTAMP))"
    if share(reading) >= 0.9:
        return _Time(column, "iso", reading, "VARCHAR", is_local=True)
    point = f"replace({squeezed}, ',', '.')"
    reading = f"epoch_us(try_cast({point} AS TIME))"
    if share(reading) >= 0.9:
        _note(findings, "time_unit", f"Column '{name}' has times of day without a date.")
        return _Time(column, "iso", reading, "VARCHAR", only_clock=True)
    readings = []
    for form in _DATE_FORMS:
        forms = [form, form.replace("%S", "%S.%f"), form.replace("%S", "%S,%f")]
        reading = f"epoch_us(try_strptime({squeezed}, {_literal(forms)}))"
        if share(reading) >= 0.9:
            readings.append((form, reading))
    if not readings:
        raise RecordingError(
            f"{query.path}: the times in column '{name}' are neither numbers nor dates that can be "
            "read; write them as 2024-01-31T12:34:56.789, or choose another csv.time_column."
        )
    form, reading = readings[0]
    if len(readings) > 1 and form.startswith("%d"):
        _add(
            findings,
            "repaired",
            "time stamps",
            f"Dates in column '{name}' can be read with the day or the month first; the day was "
            "taken to come first.",
        )
    return _Time(column, "iso", reading, "VARCHAR", is_local=True)


def _find_signals(
    path: Path,
    dialect: _Dialect,
    time: _Time,
    sample: list[tuple[str | None, ...]],
    config: CsvConfig,
    label_columns: Sequence[str],
    findings: list[Finding],
) -> tuple[int, ...]:
    names = dialect.names
    apart = {_find_column(names, name) for name in (*label_columns, *config.ignore_columns)}
    signals, text = [], []
    for column, name in enumerate(names):
        if column == time.column or column in apart:
            continue
        cells = [row[column] for row in sample]
        share = _number_share(cells, dialect)
        if share is None and re.fullmatch(r"column\d+", name) and dialect.header:
            continue  # a separator at the end of each line
        if len(name) > 2 and _is_time_name(name) and time.column is not None and share:
            numbers = [_to_number(cell, dialect) for cell in cells if cell]
            given = np.array([np.nan if number is None else number for number in numbers])
            if len(given) > 2 and (np.diff(given) >= 0).all() and given[-1] > given[0]:
                _note(findings, "columns", f"'{name}' is another time and was left out.")
                continue
        if share is not None and share < 0.5:
            # Mangled numbers still are a signal, one that has to be reported as missing.
            digits = sum(
                bool(re.fullmatch(r"[+-]?\d[\d.,' ]*", cell))
                and not re.fullmatch(r"\d{1,4}[./]\d{1,2}[./]\d{2,4}", cell)
                for cell in cells
                if cell
            )
            if digits < 0.5 * sum(cell is not None for cell in cells):
                text.append(name)
                continue
        signals.append(column)
    if text:
        _note(
            findings,
            "columns",
            f"Columns that hold text are not channels: {_listed(text)}.",
        )
    if not signals:
        raise RecordingError(
            f"{path}: no column holds a signal (columns: {_listed(names)}); are separator and "
            "decimal sign right?"
        )
    return tuple(signals)


def _unit(name: str, units: dict[str, str]) -> str:
    if name in units:
        return units[name]
    written = re.search(r"[\[(]([^\])]{1,8})[\])]\s*$", name)
    return written.group(1).strip() if written else ""


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"


# ---------------------------------------------------------------- duckdb


def _time_sql(dialect: _Dialect, time: _Time) -> str:
    return time.reading.format(f"c{time.column}")


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_literal(entry) for entry in value) + "]"
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


class _Query:
    """One duckdb database in memory for one file, closed at the end of the `with` block.

    Every use has its own, so that threads never meet and none is left behind.
    """

    def __init__(self, path: Path) -> None:
        import duckdb

        self._duckdb = duckdb
        self.path = path
        # duckdb takes paths for patterns.
        self._place = re.sub(r"([\[*?])", r"[\1]", str(path))
        try:
            large = path.stat().st_size > _LARGE_FILE
            self._packed = _is_packed(path)
        except OSError as error:
            raise RecordingError(f"{path}: the file cannot be read ({error.strerror}).") from None
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "threads": max(1, min(4, os.cpu_count() or 1)) if large else 1,
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "temp_directory": "",  # nothing is written beside the user's files
            },
        )

    def __enter__(self) -> _Query:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def sniff(self, options: dict[str, object]) -> dict[str, Any]:
        if self._packed:
            options = {**options, "compression": "gzip"}
        # Padding of short rows hides vendor headers from the sniffer: only where it fails without.
        for padding in ({}, {"null_padding": True}):
            chosen = {**options, **padding}
            written = "".join(f", {key}={_literal(value)}" for key, value in chosen.items())
            try:
                result = self._connection.execute(
                    f"SELECT * FROM sniff_csv(?{written})", [self._place]
                )
                names = [entry[0] for entry in result.description or []]
                row = result.fetchone()
                break
            except self._duckdb.Error as error:
                reason = str(error)
        else:
            if "sniffing" in reason:
                raise RecordingError(
                    f"{self.path}: no table with the same number of columns in each row was found; "
                    "are csv.separator, csv.decimal and csv.skip_rows right?"
                )
            raise RecordingError(self._explain(reason))
        if row is None:
            raise RecordingError(f"{self.path}: no table was found in the file.")
        return dict(zip(names, row, strict=True))

    def evaluate(self, expression: str, values: list[str]) -> list[object]:
        """An SQL expression over `{0}`, for each of the values."""
        sql = f"SELECT {expression.format('x')} FROM (SELECT unnest(?) AS x)"
        try:
            return [row[0] for row in self._connection.execute(sql, [values]).fetchall()]
        except self._duckdb.Error:
            return [None] * len(values)  # an expression that does not fit these texts

    def fetch(
        self,
        dialect: _Dialect,
        types: dict[int, str],
        selection: list[str],
        limit: int | None = None,
        missing: list[str] = _MISSING,
    ) -> tuple[list[np.ndarray], dict[int, int]]:
        """Selected columns as arrays, and how many cells of each are not numbers.

        Columns are called c0, c1, … in the selection. Numbers are parsed as such; only where a
        cell refuses are all read as text and converted one by one.
        """
        sql = self._sql(dialect, types, selection, limit, missing)
        try:
            return self._arrays(sql), {}
        except self._duckdb.ConversionException:
            pass
        except self._duckdb.Error as error:
            if dialect.encoding == "utf-8" and "not utf-8" in str(error):
                again = replace(dialect, encoding="latin-1")
                return self.fetch(again, types, selection, limit, missing)
            raise RecordingError(self._explain(error)) from None
        texts = dict.fromkeys(types, "VARCHAR")
        chosen, broken = [], []
        for expression in selection:
            match = re.fullmatch(r"c(\d+)", expression)
            column = int(match.group(1)) if match else -1
            if types.get(column) in ("FLOAT", "DOUBLE"):
                read = self._cast(dialect, expression, types[column])
                chosen.append(read)
                broken.append((column, f"sum(({expression} IS NOT NULL AND {read} IS NULL)::INT)"))
            else:
                chosen.append(expression)
        try:
            arrays = self._arrays(self._sql(dialect, texts, chosen, limit, missing))
            counts = self._connection.execute(
                self._sql(dialect, texts, [entry[1] for entry in broken], None, missing),
                [self._place],
            ).fetchone()
        except self._duckdb.Error as error:
            raise RecordingError(self._explain(error)) from None
        found = zip((entry[0] for entry in broken), counts or (), strict=True)
        return arrays, {column: int(count or 0) for column, count in found if count}

    def _cast(self, dialect: _Dialect, expression: str, kind: str) -> str:
        text = f"trim({expression})"
        if dialect.decimal == ",":
            # A point would be a thousands separator; elsewhere it makes the cell no number.
            plain = f"replace(replace({text}, '.', ''), ',', '.')"
            if not dialect.thousands:
                plain = (
                    f"CASE WHEN contains({text}, '.') THEN NULL ELSE replace({text}, ',', '.') END"
                )
        elif dialect.thousands:
            plain = f"replace({text}, {_literal(dialect.thousands)}, '')"
        else:
            plain = text
        return f"try_cast({plain} AS {kind})"

    def _arrays(self, sql: str) -> list[np.ndarray]:
        result = self._connection.execute(sql, [self._place]).fetchnumpy()
        return list(result.values())

    def _sql(
        self,
        dialect: _Dialect,
        types: dict[int, str],
        selection: list[str],
        limit: int | None,
        missing: list[str],
    ) -> str:
        named = [f"{expression} AS r{number}" for number, expression in enumerate(selection)]
        columns = ", ".join(
            f"'c{i}': '{types.get(i, 'VARCHAR')}'" for i in range(len(dialect.names))
        )
        options: dict[str, object] = {
            "auto_detect": False,
            "delim": dialect.separator,
            "quote": dialect.quote,
            "escape": dialect.escape,
            "new_line": "\\r\\n" if dialect.newline == "\r\n" else "\\n",
            "comment": dialect.comment,
            "skip": dialect.skip,
            "header": dialect.header,
            "nullstr": missing,
            "null_padding": True,
            "hive_partitioning": False,
            "encoding": dialect.encoding,
        }
        if "FLOAT" in types.values() or "DOUBLE" in types.values():
            options["decimal_separator"] = dialect.decimal
            if dialect.thousands:
                options["thousands"] = dialect.thousands
        if self._packed:
            options["compression"] = "gzip"
        written = ", ".join(f"{key}={_literal(value)}" for key, value in options.items())
        end = f" LIMIT {limit}" if limit is not None else ""
        return f"SELECT {', '.join(named)} FROM read_csv(?, {written}, columns={{{columns}}}){end}"

    def _explain(self, error: object) -> str:
        """duckdb's message without the advice about its own options, and without cells."""
        lines = str(error).splitlines() or [""]
        first = lines[0].split("Error: ", 1)[-1].strip()
        wrong = next((line for line in lines if line.startswith("Expected Number")), "")
        more = f" ({wrong.strip()})" if wrong else ""
        return (
            f"{self.path}: the table cannot be read: {first}{more}. Are csv.separator, "
            "csv.decimal and csv.skip_rows right?"
        )


# ---------------------------------------------------------------- findings


def _add(findings: list[Finding], severity: Severity, field: str, message: str) -> None:
    findings.append(Finding(severity, field, message))


def _note(findings: list[Finding], field: str, message: str) -> None:
    _add(findings, "note", field, message)
