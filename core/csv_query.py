"""duckdb behind the CSV reader: parsing whole columns, and cells that are no numbers.

duckdb parses; what the table looks like is decided in `csv_dialect`. Numbers are parsed as such;
only where a cell refuses is the file read again as text and converted cell by cell, so that each
damaged cell is counted and none is bent into a number.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np

from core.errors import RecordingError

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "null", "NULL", "None", "-", "--", "?")
_LARGE_FILE = 1 << 24
_COUNTED_AT_ONCE = 16
_MOST_TRIES = 3
# What a spreadsheet makes of numbers: '1. Feb', 'Feb 01', '01-Feb', '02.05.2024', '12:30'.
_MONTHS = "jan|feb|m[aä]r|mrz|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz]"
DATE_LIKE = (
    rf"^(\d{{1,2}}[. /-]*({_MONTHS})[a-zä.]*([ .-]*\d{{2,4}})?"
    rf"|({_MONTHS})[a-zä.]*[ .-]*\d{{1,4}}"
    r"|\d{1,2}[./-]\d{1,2}[./-](\d{2}){1,2}|\d{4}-\d{2}-\d{2}( 00:00(:00)?)?"
    r"|\d{1,2}:\d{2}(:\d{2})?)$"
)
# Signs that stand for a thousands separator as written in the run file.
THOUSANDS_SIGNS = {",": ",", ".": ".", " ": " \u00a0\u202f", "'": "'’"}


@dataclass(frozen=True)
class Dialect:
    """How the file is to be read. `names` are the columns as users know them, `header` is as
    written, empty where there is none.

    `skip`: lines above the first row that are no comments; comments do not count for duckdb.
    """

    separator: str
    quote: str
    newline: str
    comment: str
    skip: int
    encoding: str
    names: tuple[str, ...]
    header: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str = ""


@dataclass(frozen=True)
class BadCells:
    """Cells of one column that are not numbers: how many, the first, how many look like dates,
    and how many repeat the column's name."""

    count: int
    example: str
    dates: int
    headers: int


@dataclass(frozen=True)
class Fetched:
    """Selected columns of all rows, what was wrong in them, and how they had to be read.

    `header_rows`: indices of rows that are the header again.
    """

    columns: list[np.ndarray]
    bad: dict[int, BadCells]
    dialect: Dialect
    mixed_newlines: bool
    header_rows: np.ndarray


def find_column(names: Sequence[str], wanted: str) -> int | None:
    """Index of a column by name; upper and lower case count only where names differ in them."""
    if wanted in names:
        return list(names).index(wanted)
    folded = [name.strip().casefold() for name in names]
    key = wanted.strip().casefold()
    return folded.index(key) if folded.count(key) == 1 else None


def listed(names: Sequence[str]) -> str:
    """Names in a sentence, the first twelve of many."""
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"


def literal(value: object) -> str:
    """A value as SQL."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(literal(entry) for entry in value) + "]"
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


class Query:
    """One duckdb database in memory for one file, closed at the end of the `with` block.

    Every use has its own, so that threads never meet and none is left behind.
    """

    def __init__(self, path: Path, shown: Path | None = None) -> None:
        """`shown` is the file that messages name, where `path` is an unpacked copy of it."""
        import duckdb

        self._duckdb = duckdb
        self.path = shown or path
        self._file = path
        # duckdb takes paths for patterns.
        self._place = re.sub(r"([\[*?])", r"[\1]", str(path))
        try:
            large = path.stat().st_size > _LARGE_FILE
            with path.open("rb") as stream:
                stream.read(1)
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

    def __enter__(self) -> Query:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def evaluate(self, expression: str, values: list[str]) -> list[object]:
        """An SQL expression over `{0}`, for each of the values."""
        sql = f"SELECT {expression.format('x')} FROM (SELECT unnest(?) AS x)"
        try:
            return [row[0] for row in self._connection.execute(sql, [values]).fetchall()]
        except self._duckdb.Error:
            return [None] * len(values)  # an expression that does not fit these texts

    def fetch(
        self,
        dialect: Dialect,
        types: dict[int, str],
        selection: list[str],
        missing: Sequence[str] = MISSING,
    ) -> Fetched:
        """Selected columns as arrays, and the cells of each that are not numbers.

        Columns are called c0, c1, … in the selection. Raises RecordingError with the reason where
        the table cannot be read.
        """
        options: dict[str, object] = {}
        mixed = False
        while True:
            try:
                return self._fetch(dialect, types, selection, missing, options, mixed)
            except self._duckdb.Error as error:
                reason = str(error)
                if dialect.encoding == "utf-8" and "not utf-8" in reason:
                    dialect = replace(dialect, encoding="latin-1")
                elif "parallel" not in options and "quoted new lines" in reason:
                    options["parallel"] = False
                elif not mixed and "invalid state" in reason:
                    # Line ends of two kinds; duckdb takes both when it is not strict, but then
                    # forgives quotes that are never closed too: these are switched off.
                    mixed = True
                    options["strict_mode"] = False
                    if not self._has_quotes():
                        dialect = replace(dialect, quote="")
                else:
                    raise RecordingError(self._explain(error)) from None

    def _has_quotes(self) -> bool:
        with self._file.open("rb") as stream:
            return any(b'"' in block for block in iter(lambda: stream.read(1 << 20), b""))

    def _refused(self, reason: str, dialect: Dialect) -> int | None:
        """The column in which a cell is no number; None where it is the header again, so that
        every column is concerned, or where duckdb does not say."""
        column = re.search(r'converting column "c(\d+)"', reason)
        cell = re.search(r'Could not convert string "(.*?)" to', reason, re.S)
        if column is None or cell is None:
            return None
        index = int(column.group(1))
        is_header = literal(cell.group(1).strip().casefold()) == self._header_cell(dialect, index)
        return None if is_header else index

    @staticmethod
    def _header_cell(dialect: Dialect, column: int) -> str:
        cell = dialect.header[column] if column < len(dialect.header) else dialect.names[column]
        return literal(cell.casefold())

    def _fetch(
        self,
        dialect: Dialect,
        types: dict[int, str],
        selection: list[str],
        missing: Sequence[str],
        options: dict[str, object],
        mixed: bool,
    ) -> Fetched:
        numbers = [
            (expression, int(expression[1:]))
            for expression in selection
            if re.fullmatch(r"c\d+", expression)
            and types.get(int(expression[1:])) in ("FLOAT", "DOUBLE")
        ]
        count_numbers = len(numbers)
        # duckdb takes thousands separators out wherever they stand: '1.234,5' would be 1.2345.
        as_text = {column for _, column in numbers} if dialect.thousands else set()
        while True:
            casts = {e: _cast(dialect, e, types[k]) for e, k in numbers if k in as_text}
            read = {k: "VARCHAR" if k in as_text else kind for k, kind in types.items()}
            chosen = [casts.get(expression, expression) for expression in selection]
            try:
                arrays = self._arrays(self._sql(dialect, read, chosen, missing, options))
                break
            except self._duckdb.ConversionException as error:
                refused = self._refused(str(error), dialect)
                # Text is slow: one column after the other, unless many seem damaged.
                if refused is None or refused in as_text or len(as_text) >= _MOST_TRIES:
                    as_text = {column for _, column in numbers}
                    if len(casts) == len(numbers):
                        raise
                else:
                    as_text.add(refused)
        numbers = [(expression, column) for expression, column in numbers if column in as_text]
        texts = dict.fromkeys(as_text, "VARCHAR")
        found: dict[int, BadCells] = {}
        # A part of the columns at a time: duckdb plans many such expressions slowly.
        for first in range(0, len(numbers), _COUNTED_AT_ONCE):
            part = numbers[first : first + _COUNTED_AT_ONCE]
            counts = []
            for expression, column in part:
                text = _text(expression)
                bad = f"{text} IS NOT NULL AND {casts[expression]} IS NULL"
                name = self._header_cell(dialect, column)
                dated = f"regexp_matches(lower({text}), {literal(DATE_LIKE)})"
                counts += [
                    f"count(*) FILTER ({bad})",
                    f"first({text}) FILTER ({bad} AND lower({text}) <> {name})",
                    f"count(*) FILTER ({bad} AND {dated})",
                    f"count(*) FILTER ({bad} AND lower({text}) = {name})",
                ]
            row = self._connection.execute(
                self._sql(dialect, texts, counts, missing, options), [self._place]
            ).fetchall()[0]
            for place, (_, column) in enumerate(part):
                count, example, dates, headers = row[4 * place : 4 * place + 4]
                if count:
                    found[column] = BadCells(count, str(example or ""), dates, headers)
        header_rows = np.empty(0, np.int64)
        if found and len(found) == count_numbers and all(bad.headers for bad in found.values()):
            is_header = " AND ".join(
                f"coalesce(lower({_text(e)}) = {self._header_cell(dialect, k)}, false)"
                for e, k in numbers
            )
            mask = self._arrays(self._sql(dialect, texts, [is_header], missing, options))[0]
            header_rows = np.flatnonzero(np.ma.filled(mask, False))
        return Fetched(arrays, found, dialect, mixed, header_rows)

    def _arrays(self, sql: str) -> list[np.ndarray]:
        result = self._connection.execute(sql, [self._place]).fetchnumpy()
        return list(result.values())

    def _sql(
        self,
        dialect: Dialect,
        types: dict[int, str],
        selection: list[str],
        missing: Sequence[str],
        more: dict[str, object],
    ) -> str:
        named = [f"{expression} AS r{number}" for number, expression in enumerate(selection)]
        columns = ", ".join(
            f"'c{i}': '{types.get(i, 'VARCHAR')}'" for i in range(len(dialect.names))
        )
        options: dict[str, object] = {
            "auto_detect": False,
            "delim": dialect.separator,
            "quote": dialect.quote,
            "escape": dialect.quote,
            "new_line": {"\r\n": "\\r\\n", "\r": "\\r"}.get(dialect.newline, "\\n"),
            "comment": dialect.comment,
            "skip": dialect.skip,
            "header": False,
            "nullstr": list(missing),
            "null_padding": True,
            "hive_partitioning": False,
            "encoding": dialect.encoding,
            **more,
        }
        if "FLOAT" in types.values() or "DOUBLE" in types.values():
            options["decimal_separator"] = dialect.decimal
        written = ", ".join(f"{key}={literal(value)}" for key, value in options.items())
        return f"SELECT {', '.join(named)} FROM read_csv(?, {written}, columns={{{columns}}})"

    def _explain(self, error: object) -> str:
        """duckdb's message without the advice about its own options, and without cells."""
        lines = str(error).splitlines() or [""]
        first = lines[0].split("Error: ", 1)[-1].strip()
        wrong = next((line for line in lines if line.startswith("Expected Number")), "")
        if any("unterminated quote" in line for line in lines):
            wrong = "a quotation mark is opened there and never closed"
        elif any("Maximum line size" in line for line in lines):
            wrong = "the line is longer than 2 MB: a damaged stretch, or no table"
        if "not latin-1 encoded" in first:
            return (
                f"{self.path}: some letters further down are neither UTF-8 nor Latin-1; save the "
                "file as UTF-8."
            )
        more = f" ({wrong.strip()})" if wrong else ""
        return (
            f"{self.path}: the table cannot be read: {first[:200]}{more}. Are csv.separator, "
            "csv.decimal and csv.skip_rows right?"
        )


def _text(expression: str) -> str:
    """A cell without blanks around it; NULL where it is blank or a word for 'missing'."""
    trimmed = f"trim({expression})"
    # Not IN or list_contains: duckdb makes a join of them, and rows come in another order.
    words = literal("^(" + "|".join(re.escape(word) for word in MISSING) + ")$")
    return f"(CASE WHEN regexp_matches({trimmed}, {words}) THEN NULL ELSE {trimmed} END)"


def _cast(dialect: Dialect, expression: str, kind: str) -> str:
    """A number from text; NULL where it is not written in the file's own form."""
    text = _text(expression)
    point = re.escape(dialect.decimal)
    if dialect.thousands:
        signs = THOUSANDS_SIGNS[dialect.thousands]
        group = "[" + re.escape(signs) + "]"
        whole = rf"(\d{{1,3}}({group}\d{{3}})+|\d*)"
        form = rf"^[+-]?{whole}({point}\d*)?([eE][+-]?\d+)?$"
        plain = f"regexp_replace({text}, {literal(group)}, '', 'g')"
        plain = f"CASE WHEN regexp_matches({text}, {literal(form)}) THEN {plain} END"
    elif dialect.decimal == ",":
        # A point would be a thousands separator, which this file does not have.
        plain = f"CASE WHEN contains({text}, '.') THEN NULL ELSE {text} END"
    else:
        plain = text
    if dialect.decimal == ",":
        plain = f"replace({plain}, ',', '.')"
    return f"try_cast({plain} AS {kind})"
