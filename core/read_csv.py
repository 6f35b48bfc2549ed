"""CSV files: guessed, but never in silence, and put on an even grid.

`csv_dialect` decides from the head of the file how it is written, duckdb parses, `csv_time` makes
sense of the time stamps, and samples are interpolated linearly onto an even grid, where jumps stay
gaps. What the run file does not say is guessed, and each guess is a finding.

The grid is made when a file is opened, because only then are rate, gaps and damaged cells known.
It may be dropped later, when many files are open, and is then made anew from the file.
"""

from __future__ import annotations

import re
import threading
import weakref
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from core.config import CsvConfig
from core.csv_dialect import Column, Form, find_form, nearest, read_head, to_number
from core.csv_e4 import E4Header, looks_like_e4, read_e4_header
from core.csv_query import Dialect, Fetched, Query, find_column, listed
from core.csv_tail import LastLine, read_last_line
from core.csv_time import (
    CLOCK_S,
    Rows,
    Stamps,
    TimeColumn,
    judge_stamps,
    keep_first,
    measure_rate,
    order_rows,
    spread_rows,
)
from core.errors import RecordingError
from core.even_grid import Segment, merge_equal_times, to_grid
from core.read_edf import find_zone
from core.recording import Channel, Finding, Gap, Severity, SignalFile
from core.unpack_cache import release, unpacked

# Interpolation beyond this would fill the memory with nothing that was recorded.
_MOST_SAMPLES_PER_ROW = 200
_FEW_SAMPLES = 10_000_000


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


@contextmanager
def open_query(path: Path) -> Iterator[tuple[Query, Path]]:
    """A database for a file, and the file to read, which for gzip is another than `path`."""
    if not path.exists():
        raise RecordingError(f"{path}: there is no such file.")
    if path.is_dir():
        raise RecordingError(f"{path}: this is a folder, not a recording.")
    place = unpacked(path)
    try:
        with Query(place, shown=path) as query:
            yield query, place
    finally:
        release(place)


def read_form(
    query: Query,
    path: Path,
    place: Path,
    config: CsvConfig,
    label_columns: Sequence[str],
) -> tuple[Form | E4Header, Dialect, tuple[Finding, ...], tuple[str, ...]]:
    """Decide how a file is written, from its head alone, for the reader and the preview.

    Returns the form of a table or the head of an Empatica export, the dialect, the findings, and
    the lines of the head. `place` is the unpacked file. Raises RecordingError with the reason
    where that cannot be.
    """
    head, findings = read_head(path, place, config)
    if config.layout == "e4" or looks_like_e4(head.lines, config):
        if config.layout != "e4":
            message = (
                "The first line is a start time and the second a rate: read as an Empatica export "
                "(csv.layout e4)."
            )
            findings.append(Finding("note", "layout", message))
        e4 = read_e4_header(path, head.lines, config, findings)
        return e4, e4.dialect(head.encoding, head.newline), tuple(findings), head.lines
    form = find_form(query, head, config, label_columns, findings)
    return form, form.dialect, form.findings, head.lines


@dataclass(frozen=True)
class _Loaded:
    """Samples on the grid, shape (channels, samples) without gaps, and what was found on the way.

    `dropped`: rows of the file that are none, such as repeated headers.
    """

    values: np.ndarray
    segments: list[Segment]
    rate_hz: float
    rows: Rows
    gaps: tuple[Gap, ...]
    stamps: Stamps
    dropped: np.ndarray


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
        self._grid: tuple[np.ndarray, list[Segment]] | None = None
        with open_query(path) as (query, place):
            form, self._dialect, said, _ = read_form(query, path, place, config, label_columns)
            self._e4: E4Header | None = None
            if isinstance(form, E4Header):
                self.format, self._e4 = "CSV (E4)", form
                self._time = TimeColumn(None, "s")
                self._columns = tuple(
                    Column(name, config.units.get(name, ""), "signal", False, "csv.columns", "")
                    for name in form.names
                )
                self._last_decimals: int | None = None
                self._first: tuple[int, tuple[str | None, ...]] | None = None
            else:
                self.format = "CSV"
                self._time, self._columns = form.time, form.columns
                self._last_decimals = _usual_decimals([row[-1] for row in form.rows[:-1]])
                self._first = (form.first_line, form.rows[0])
            self._signals = tuple(
                index for index, column in enumerate(self._columns) if column.role == "signal"
            )
            findings = list(said)
            loaded = self._load(query, place, findings)
        self._stamps, self._dropped = loaded.stamps, loaded.dropped
        count = loaded.segments[-1].end if loaded.segments else 0
        rate_hz, rows = loaded.rate_hz, loaded.rows
        self.channels = tuple(
            Channel(self._columns[k].name, self._columns[k].unit, rate_hz, count)
            for k in self._signals
        )
        self.gaps = loaded.gaps
        self.duration_s = count / rate_hz
        if len(rows.seconds):  # the grid may reach on for a part of a sample
            self.duration_s = min(self.duration_s, float(rows.seconds[-1]) + 1 / rate_hz)
        self.start_s, self.has_clock = rows.start_s, rows.has_clock
        self.findings = tuple(findings)
        self._grid = (loaded.values, loaded.segments)
        _keep_grid(self, loaded.values.nbytes)

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
            low, high = max(start, segment.start), min(stop, segment.end)
            place = segment.place + low - segment.start
            out[low - start : high - start] = values[channel, place : place + high - low]
        return out

    def texts(self, column: str) -> tuple[np.ndarray, list[str]]:
        """Time in seconds from the file's start, and text, of every row; see SignalFile."""
        names = self._dialect.names
        index = find_column(names, column)
        if index is None or self._e4 is not None:
            known = f"; there are {', '.join(names)}" if self._e4 is None else ""
            near = nearest(column, names) if self._e4 is None else ""
            raise RecordingError(f"{self.path}: there is no column '{column}'{known}.{near}")
        selection = [f"coalesce(c{index}, '')"]
        types = {index: "VARCHAR"}
        if self._time.column is not None:
            selection.append(self._time.sql)
            if self._time.column != index:
                types[self._time.column] = self._time.type
        with open_query(self.path) as (query, _):
            # What means 'missing' in a signal may be a label, such as '?'.
            fetched = query.fetch(self._dialect, types, selection, missing=[""]).columns
        columns = [np.delete(values, self._dropped) for values in fetched]
        texts = columns[0]
        if self._time.column is None:
            rate_hz = self.channels[0].rate_hz if self.channels else 1.0
            return np.arange(len(texts)) / rate_hz, [str(text) for text in texts]
        rows = order_rows(columns[1], self._time, self._zone, self._config, [])
        if self._stamps == "shared":
            rows = spread_rows(rows)
        chosen = texts if rows.order is None else texts[rows.order]
        return rows.seconds, [str(text) for text in chosen]

    # -- loading

    def _loaded(self) -> tuple[np.ndarray, list[Segment]]:
        with self._lock:
            grid = self._grid  # another thread may drop it at any time
            if grid is None:
                with open_query(self.path) as (query, place):
                    loaded = self._load(query, place, [])
                self._grid = grid = (loaded.values, loaded.segments)
                _keep_grid(self, loaded.values.nbytes)
            return grid

    def _load(self, query: Query, place: Path, findings: list[Finding]) -> _Loaded:
        """Parse the whole file and lay it on the grid."""
        if self._e4 is None and self._time.column is None and self._config.rate_hz is None:
            raise RecordingError(
                f"{self.path}: there is no column with the time (columns: "
                f"{listed(self._dialect.names)}); name it with csv.time_column, or give "
                "csv.rate_hz where there is none."
            )
        selection = [f"c{column}" for column in self._signals]
        types = {column: "FLOAT" for column in self._signals}
        if self._time.column is not None:
            selection.append(self._time.sql)
            types[self._time.column] = self._time.type
        fetched = query.fetch(self._dialect, types, selection)
        if fetched.dialect.encoding != self._dialect.encoding:
            _add(findings, "note", "encoding", "The text is not UTF-8; it was read as Latin-1.")
        if fetched.mixed_newlines and not any(f.field == "line ends" for f in findings):
            _add(findings, "repaired", "line ends", "Lines end in different ways, as after joining "
                 "files; each was taken as an end.")  # fmt: skip
        self._dialect = fetched.dialect
        columns = fetched.columns
        self._check_first_row(columns)
        last = self._last_line(place, columns)
        dropped = fetched.header_rows
        if last is not None and last.row_is_cut:
            dropped = np.append(dropped, len(columns[0]) - 1)
        dropped = np.unique(dropped)
        values = _as_matrix(columns[: len(self._signals)], dropped)
        if last is not None and last.cell_is_cut and self._columns[-1].role == "signal":
            values[-1, -1] = np.nan
        self._report_cells(values, fetched, last, findings)
        if self._time.column is None:
            return self._load_even(values, dropped, findings)
        native = np.delete(columns[-1], dropped) if len(dropped) else columns[-1]
        rows = order_rows(native, self._time, self._zone, self._config, findings)
        if len(rows.seconds) == 0:
            raise RecordingError(
                f"{self.path}: no row has a readable time in column "
                f"'{self._dialect.names[self._time.column]}'; say what it is with csv.time_column "
                "and csv.time_unit."
            )
        if rows.order is not None:
            values = values[:, rows.order]
        stamps = judge_stamps(rows.seconds, values, findings)
        seconds = rows.seconds
        if stamps == "shared":
            rows = spread_rows(rows)
            seconds = rows.seconds
        elif stamps == "repeats":
            first = keep_first(seconds)
            seconds, values = seconds[first], values[:, first]
        rate_hz, max_gap_s, said = measure_rate(self.path, seconds, self._config)
        if said:
            _add(findings, "note", "rate", said)
        steps = np.diff(seconds)
        samples = float(steps[steps <= max_gap_s].sum()) * rate_hz
        if samples > max(_MOST_SAMPLES_PER_ROW * len(seconds), _FEW_SAMPLES):
            raise RecordingError(
                f"{self.path}: {len(seconds)} rows would make {samples:.3g} samples at "
                f"{rate_hz:.6g} Hz, which cannot be meant; look at csv.rate_hz, csv.max_gap_s and "
                "csv.time_unit."
            )
        seconds, values = merge_equal_times(seconds, values)
        grid, segments, gaps = to_grid(seconds, values, rate_hz, max_gap_s)
        if gaps:
            _add(
                findings,
                "note",
                "gaps",
                f"Time jumps {len(gaps)} times by more than {max_gap_s:g} s, by "
                f"{sum(gap.duration_s for gap in gaps):g} s in all; the gaps were kept.",
            )
        return _Loaded(grid, segments, rate_hz, rows, gaps, stamps, dropped)

    def _load_even(
        self, values: np.ndarray, dropped: np.ndarray, findings: list[Finding]
    ) -> _Loaded:
        if self._e4 is not None:
            rate_hz, start_s = self._e4.rate_hz, self._e4.start_s
        else:
            assert self._config.rate_hz is not None, "refused by _load"
            rate_hz, start_s = self._config.rate_hz, 0.0
        known = np.flatnonzero(np.isfinite(values).any(axis=0))
        if len(known) == 0:
            raise RecordingError(f"{self.path}: there are no samples in the file.")
        if self._e4 is not None:
            values = values[:, : int(known[-1]) + 1]  # blank lines at the end are no samples
        has_clock = start_s > CLOCK_S
        rows = Rows(np.empty(0), None, start_s if has_clock else 0.0, has_clock)
        segments = [Segment(0, values.shape[1], 0)]
        return _Loaded(values, segments, rate_hz, rows, (), "own", dropped)

    def _check_first_row(self, columns: Sequence[np.ndarray]) -> None:
        """Refuse the file if the first row read is not the one that was looked at: rows would be
        lost without a word."""
        if self._first is None:
            return
        line, cells = self._first
        for column, values in zip(self._signals, columns, strict=False):
            expected = to_number(cells[column] or "", self._dialect)
            if expected is None or not abs(expected) < 1e38:
                continue
            read = float(np.ma.filled(values[:1], np.nan)[0]) if len(values) else np.nan
            if not np.isclose(read, expected, rtol=1e-5, atol=1e-30):
                raise RecordingError(
                    f"{self.path}: the lines above line {line} are such that it is not certain "
                    "where the rows begin; say so with csv.skip_rows and csv.header."
                )

    def _last_line(self, place: Path, columns: Sequence[np.ndarray]) -> LastLine | None:
        """What is wrong with the last line; None where nothing is."""
        if self._e4 is not None or not len(columns[0]):
            return None
        last = read_last_line(place, self._dialect, self._last_decimals)
        return last if last is not None and (last.row_is_cut or last.cell_is_cut) else None

    def _report_cells(
        self,
        values: np.ndarray,
        fetched: Fetched,
        last: LastLine | None,
        findings: list[Finding],
    ) -> None:
        headers = len(fetched.header_rows)
        if headers:
            _add(
                findings,
                "repaired",
                "header",
                f"{headers} lines repeat the header, as in files that were joined; they are no "
                "rows and were passed over.",
            )
        if last is not None and last.row_is_cut:
            _add(
                findings,
                "repaired",
                "last line",
                f"The last line is cut short ({last.cells} of {len(self._dialect.names)} columns, "
                "no line end); it was left out.",
            )
        elif last is not None:
            _add(
                findings,
                "repaired",
                "last line",
                "The last line has no line end and fewer decimals than the others; its last cell "
                "may be cut and was taken as missing.",
            )
        for place, column in enumerate(self._signals):
            signal = values[place]
            finite = np.isfinite(signal)
            bad = fetched.bad.get(column)
            if bad is None and finite.all():
                continue
            infinite = np.isinf(signal)
            signal[infinite] = np.nan
            count = (bad.count - bad.headers if bad else 0) + int(infinite.sum())
            missing = int((~finite).sum()) - count
            name = self._columns[column].name
            dates = bad.dates if bad else 0
            if dates:
                _add(
                    findings,
                    "unreadable",
                    name,
                    f"{dates} cells of column '{name}' are dates, times or the like where numbers "
                    f"are due{_such_as(bad.example if bad else '')}: a spreadsheet has probably "
                    "rewritten them. They were taken as missing; export the file again.",
                )
            if count - dates > 0:
                shown = bad.example if bad and not dates else ""
                what = "are not numbers"
                if re.fullmatch(r"[+-]?[\d.,'’ \u00a0\u202f]*\d", shown):
                    what = "are written in another form than the other numbers"
                _add(
                    findings,
                    "repaired",
                    name,
                    f"{count - dates} cells of column '{name}' {what}{_such_as(shown)}; they were "
                    "taken as missing.",
                )
            if missing > 0:
                _add(findings, "note", name, f"{missing} cells of '{name}' are empty.")


def _such_as(example: str) -> str:
    # Control signs would spoil the line on which this is shown.
    shown = "".join(sign if sign.isprintable() else "·" for sign in example[:24])
    return f", such as '{shown}'" if shown else ""


def _end(segment: Segment) -> int:
    return segment.end


def _as_matrix(columns: Sequence[np.ndarray], dropped: np.ndarray) -> np.ndarray:
    """Columns as float32, shape (columns, rows), NaN where duckdb's mask says missing."""
    rows = len(columns[0])
    matrix = np.empty((len(columns), rows), np.float32)
    for row, values in zip(matrix, columns, strict=True):
        row[:] = np.ma.getdata(values)
        mask = np.ma.getmask(values)
        if mask is not np.ma.nomask:
            row[mask] = np.nan
    return np.delete(matrix, dropped, axis=1) if len(dropped) else matrix


def _usual_decimals(cells: Sequence[str | None]) -> int | None:
    """How many decimals every cell has; None where that differs or is below two."""
    found = {len(cell.strip().replace(",", ".").partition(".")[2]) for cell in cells if cell}
    count = found.pop() if len(found) == 1 and len(cells) > 2 else 0
    return count if count >= 2 else None


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


def _add(findings: list[Finding], severity: Severity, field: str, message: str) -> None:
    findings.append(Finding(severity, field, message))
