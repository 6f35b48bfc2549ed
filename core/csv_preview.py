"""What a CSV file is taken for, before it is read: each decision, its reason, and its key.

For the window and the command line. The decisions are the reader's own (`read_csv.read_form`);
only the head of the file is looked at, so rate and gaps are those of the first rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.config import CsvConfig
from core.csv_dialect import Choice, Column, Form, to_number
from core.csv_e4 import E4Header
from core.csv_query import Query
from core.csv_time import (
    CLOCK_S,
    Rows,
    judge_stamps,
    keep_first,
    measure_rate,
    order_rows,
    spread_rows,
)
from core.errors import RecordingError
from core.read_csv import open_query, read_form
from core.read_edf import find_zone
from core.recording import Finding

_LINE = 400  # signs of a raw line that are shown


@dataclass(frozen=True)
class CsvPreview:
    """The head of a CSV file, and everything that was decided about it.

    Attributes
    ----------
    lines: the first lines as they stand, cut at 400 signs.
    choices: every decision, by name: encoding, layout, comment, separator, header, skip_rows,
        units_row, decimal, thousands, time_column, time_unit, rate_hz, max_gap_s. A value of None
        means that nothing could be decided.
    header_line, units_line: numbers of lines from 1, None where there is none.
    columns: all columns of the file, left-out ones too.
    texts: cells of the first rows, None where missing; one tuple per row.
    numbers: the same as numbers, float64, shape (rows, columns); NaN where a cell is none. Times
        are in seconds, unix time where dates were read.
    start_s, has_clock: as in SignalFile, of the first row.
    gaps: how often time jumps by more than max_gap_s within the head.
    findings: as they will stand in the report, as far as the head shows them.
    problem: why these rows could not be put on a grid, in words; empty where they can.
    """

    path: Path
    lines: tuple[str, ...]
    choices: tuple[Choice, ...]
    header_line: int | None
    units_line: int | None
    columns: tuple[Column, ...]
    texts: tuple[tuple[str | None, ...], ...]
    numbers: np.ndarray
    start_s: float
    has_clock: bool
    gaps: int
    findings: tuple[Finding, ...]
    problem: str = ""

    def choice(self, name: str) -> Choice:
        """A decision by its name; KeyError where there is none of that name."""
        for choice in self.choices:
            if choice.name == name:
                return choice
        raise KeyError(name)


def preview_csv(
    path: Path | str,
    config: CsvConfig | None = None,
    rows: int = 20,
    label_columns: Sequence[str] = (),
    time_zone: str | None = None,
) -> CsvPreview:
    """Look at the head of a CSV file as the reader would, with the first `rows` rows.

    Raises RecordingError, with the reason, where the reader would refuse the file for its head:
    no text, no table, or a key of the run file that cannot be right. A rate that cannot be
    measured is no error here, but a `problem`.
    """
    config = config or CsvConfig()
    path = Path(path)
    zone = find_zone(time_zone)
    with open_query(path) as (query, place):
        form, dialect, said, lines = read_form(query, path, place, config, label_columns)
        shown = tuple(line[:_LINE] for line in lines[: rows + 20])
        findings = list(said)
        if isinstance(form, E4Header):
            return _preview_e4(path, form, config, shown, lines, rows, findings, dialect.encoding)
        numbers = _as_numbers(query, form)
        native = np.array(_native(query, form), np.float64)
    problem = ""
    start_s, has_clock, gaps = 0.0, False, 0
    rate_hz, max_gap_s = config.rate_hz, config.max_gap_s
    rate_reason = "There is no time column, so the rate must be given."
    gap_reason = "Without a time column there are no gaps."
    times: Rows | None = None
    if form.time.column is not None:
        times = order_rows(native, form.time, zone, config, findings)
        gap_reason = "The larger of 0.1 s and 4 samples."
        if len(times.seconds) == 0:
            problem = f"{path}: none of the first rows has a readable time."
        else:
            start_s, has_clock = times.start_s, times.has_clock
            kept = numbers if times.order is None else numbers[times.order]
            signals = kept[:, list(form.signals)].T.astype(np.float32)
            stamps = judge_stamps(times.seconds, signals, findings)
            if stamps == "shared":
                times = spread_rows(times)
            seconds = times.seconds
            if stamps == "repeats":
                seconds = seconds[keep_first(seconds)]
            try:
                rate_hz, max_gap_s, said_rate = measure_rate(path, seconds, config)
                gaps = int((np.diff(seconds) > max_gap_s).sum())
                rate_reason = f"In the first {len(kept)} rows: {said_rate}"
                if said_rate:
                    findings.append(Finding("note", "rate", rate_reason))
            except RecordingError as error:
                problem = rate_reason = str(error)
    elif config.rate_hz is None:
        problem = (
            f"{path}: there is no column with the time; name it with csv.time_column, or give "
            "csv.rate_hz where there is none."
        )
    choices = (
        *form.choices,
        _choice("rate_hz", rate_hz, config.rate_hz, rate_reason),
        _choice("max_gap_s", max_gap_s, config.max_gap_s, gap_reason),
    )
    return CsvPreview(
        path, shown, choices, form.header_line, form.units_line, form.columns,
        form.rows[:rows], numbers[:rows], start_s, has_clock, gaps, tuple(findings), problem,
    )  # fmt: skip


def _choice(name: str, value: float | None, given: object, reason: str) -> Choice:
    key = f"csv.{name}"
    return Choice(name, value, given is None, key, reason if given is None else f"{key} says so.")


def _native(query: Query, form: Form) -> list[float]:
    """Times of the first rows in their own unit, NaN where a cell is none."""
    column = form.time.column
    if column is None:
        return []
    cells = [row[column] for row in form.rows]
    if form.time.unit != "iso":
        found: list[object] = [c and to_number(c, form.dialect) for c in cells]
    else:
        found = query.evaluate(form.time.reading, [cell or "" for cell in cells])
    return [float(n) if isinstance(n, (int, float)) else np.nan for n in found]


def _as_numbers(query: Query, form: Form) -> np.ndarray:
    numbers = np.full((len(form.rows), len(form.columns)), np.nan)
    for index in range(len(form.columns)):
        if index == form.time.column:
            scale = {"s": 1.0, "ms": 1e-3}.get(form.time.unit, 1e-6)
            numbers[:, index] = np.array(_native(query, form)) * scale
            continue
        for number, row in enumerate(form.rows):
            value = to_number(row[index] or "", form.dialect)
            numbers[number, index] = np.nan if value is None else value
    return numbers


def _preview_e4(
    path: Path,
    e4: E4Header,
    config: CsvConfig,
    shown: tuple[str, ...],
    lines: Sequence[str],
    rows: int,
    findings: list[Finding],
    encoding: str,
) -> CsvPreview:
    reason = "The first line is a start time and the second a rate."
    layout = config.layout if config.layout == "e4" else None
    texts = [
        tuple(cell.strip() or None for cell in re.split(",", line)) for line in lines[2 : rows + 2]
    ]
    width = len(e4.names)
    texts = [(cells + (None,) * width)[:width] for cells in texts]
    numbers = np.array(
        [[np.nan if cell is None else _number_or_nan(cell) for cell in cells] for cells in texts],
        np.float64,
    ).reshape(len(texts), width)
    choices = (
        Choice("encoding", encoding, config.encoding is None, "csv.encoding", "The text is valid."),
        Choice("layout", "e4", layout is None, "csv.layout",
               reason if layout is None else "csv.layout says so."),
        Choice("separator", ",", True, "csv.layout", "An Empatica export has commas."),
        Choice("header", False, True, "csv.layout", "An Empatica export names no columns."),
        Choice("skip_rows", 2, True, "csv.layout", "Start and rate stand above the samples."),
        Choice("decimal", ".", True, "csv.layout", "An Empatica export has decimal points."),
        Choice("time_column", "none", True, "csv.layout", "The first line says when it starts."),
        Choice("rate_hz", e4.rate_hz, True, "csv.layout", "The second line gives the rate."),
    )  # fmt: skip
    named = (
        "Named after the file or its axes." if config.columns is None else "csv.columns says so."
    )
    columns = tuple(
        Column(
            name, config.units.get(name, ""), "signal", config.columns is None, "csv.columns",
            named,
        )
        for name in e4.names
    )  # fmt: skip
    has_clock = e4.start_s > CLOCK_S
    return CsvPreview(
        path, shown, choices, None, None, columns, tuple(texts), numbers,
        e4.start_s if has_clock else 0.0, has_clock, 0, tuple(findings),
    )  # fmt: skip


def _number_or_nan(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan
