"""How a CSV file is written, decided from its head: each decision with its reason.

One function, `find_form`, decides for the reader and for the preview alike. What the run file says
is taken; everything else is guessed, and each guess becomes a finding.
"""

from __future__ import annotations

import csv
import difflib
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from core.config import CsvConfig
from core.csv_query import MISSING, THOUSANDS_SIGNS, Dialect, Query, find_column, listed
from core.csv_time import TimeColumn, find_time_form, guess_unit, is_time_name, unit_words
from core.errors import RecordingError
from core.recording import Finding, Severity

_HEAD_BYTES = 1 << 18
_SAMPLE_ROWS = 200
_MOST_QUOTED_LINES = 20
_PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.I)
_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_GROUPED = {
    ",": re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"),
    ".": re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?"),
    " ": re.compile(r"[+-]?\d{1,3}([ \u00a0\u202f]\d{3})+([.,]\d+)?"),
    "'": re.compile(r"[+-]?\d{1,3}(['’]\d{3})+([.,]\d+)?"),
}
_MANGLED = re.compile(r"[+-]?\d")
_UNIT = re.compile(
    r"[\[(]?("
    r"s|sec|secs|seconds?|ms|msec|milliseconds?|[uµμn]s|min|h|hz|khz|[mkuµμn]?v(/\w+)?|"
    r"[uµμ]v(\^?2|²)|m?g|m/s(\^?2|²)?|(rad|deg|°)/s(ec)?|dps|rad|deg|°|°?c|degc|celsius|k|%|bpm|"
    r"1/min|[mk]?ohm|[mk]?Ω|mmhg|a\.?u\.?|[uµμ]t|h?k?pa|n|l/min|counts?|lsb|adc|unitless|none|-|"
    r"y{2,4}.*|hh:.*|unix.*|iso.*|date.*|time.*"
    r")[\])]?",
    re.I,
)

Role = Literal["time", "signal", "text", "label", "ignored", "another time", "empty"]


@dataclass(frozen=True)
class Choice:
    """One decision about a file: what, whether guessed or given, and why.

    `key` is the key of the run file that says otherwise.
    """

    name: str
    value: str | int | float | bool | None
    guessed: bool
    key: str
    reason: str


@dataclass(frozen=True)
class Column:
    """A column of the file: what it is taken for, and why."""

    name: str
    unit: str
    role: Role
    guessed: bool
    key: str
    reason: str


@dataclass(frozen=True)
class Head:
    """The first lines of a file. `whole`: there are no others."""

    path: Path
    lines: tuple[str, ...]
    encoding: str
    newline: str
    whole: bool


@dataclass(frozen=True)
class Form:
    """Everything decided about a table from its head, the run file's word included.

    `first_line` (of the rows), `header_line` and `units_line` count from 1; `rows` are cells of the
    first rows, None where missing.
    """

    dialect: Dialect
    time: TimeColumn
    columns: tuple[Column, ...]
    choices: tuple[Choice, ...]
    findings: tuple[Finding, ...]
    header_line: int | None
    units_line: int | None
    first_line: int
    rows: tuple[tuple[str | None, ...], ...]

    @property
    def signals(self) -> tuple[int, ...]:
        return tuple(i for i, column in enumerate(self.columns) if column.role == "signal")


@dataclass
class _Decisions:
    """What was decided so far."""

    choices: list[Choice] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def take(
        self,
        name: str,
        value: str | int | float | bool | None,
        given: object,
        key: str,
        reason: str,
        severity: Severity | None = "note",
    ) -> None:
        """Note a choice; a guessed one with a severity becomes a finding."""
        guessed = given is None
        self.choices.append(
            Choice(name, value, guessed, key, reason if guessed else f"{key} says so.")
        )
        if guessed and severity is not None:
            self.add(severity, key.removeprefix("csv."), reason)

    def add(self, severity: Severity, where: str, message: str) -> None:
        self.findings.append(Finding(severity, where, message))


# ---------------------------------------------------------------- the head of the file


def read_head(path: Path, place: Path, config: CsvConfig) -> tuple[Head, list[Finding]]:
    """The first 256 KiB as lines; RecordingError with the reason where they are no text.

    `place` is the unpacked file, `path` the one to name.
    """
    findings: list[Finding] = []
    try:
        with place.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        raise RecordingError(f"{path}: the file cannot be read ({error}).") from None
    if not head.strip():
        raise RecordingError(f"{path}: the file is empty.")
    whole = len(head) < _HEAD_BYTES
    text, encoding = _decode(path, head, whole, config, findings)
    if not whole:
        cut = max(text.rfind("\n"), text.rfind("\r"))
        if cut < 0:
            raise RecordingError(
                f"{path}: the first line is longer than {_HEAD_BYTES // 1024} KiB; this is no "
                "table of rows."
            )
        text = text[: cut + 1]
    newline = "\r\n" if "\r\n" in text else "\n" if "\n" in text or "\r" not in text else "\r"
    if newline != "\r" and re.search(r"\r(?!\n)|(?<!\r)\n" if newline == "\r\n" else r"\r", text):
        findings.append(Finding("repaired", "line ends", _MIXED_NEWLINES))
    # Only these end a line for duckdb; str.splitlines knows others.
    lines = re.split(r"\r\n|\n|\r", text)
    if lines and not lines[-1]:
        lines.pop()
    return Head(path, tuple(lines), encoding, newline, whole), findings


_MIXED_NEWLINES = "Lines end in different ways, as after joining files; each was taken as an end."


def _decode(
    path: Path, head: bytes, whole: bool, config: CsvConfig, findings: list[Finding]
) -> tuple[str, str]:
    """Text and encoding by duckdb's name."""
    if head.startswith(b"\xff\xfe") or config.encoding == "utf-16":
        if head.startswith(b"\xfe\xff"):
            raise RecordingError(_big_endian(path))
        even = head[: len(head) // 2 * 2].removeprefix(b"\xff\xfe")
        text = even.decode("utf-16-le", errors="replace")
        if text.count("\ufffd") > 2 or (
            config.encoding == "utf-16" and sum(c > "\u2fff" for c in text) > len(text) / 4
        ):
            raise RecordingError(f"{path}: the text is not UTF-16; look at csv.encoding.")
        if config.encoding not in (None, "utf-16"):
            raise RecordingError(
                f"{path}: csv.encoding is {config.encoding}, but the file starts with the mark of "
                "UTF-16."
            )
        return text, "utf-16"
    if head.startswith(b"\xfe\xff"):
        raise RecordingError(_big_endian(path))
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:9].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise RecordingError(
            f"{path}: this is a web page or XML, not a table; the download gave an error or a "
            "log-in page. Download it again."
        )
    nuls = head.count(b"\x00")
    if nuls and nuls > 0.3 * len(head) and head[1:2] == b"\x00" and head[:1].isascii():
        raise RecordingError(
            f"{path}: the text seems to be UTF-16 without its mark; say so with csv.encoding."
        )
    if nuls:
        raise RecordingError(
            f"{path}: this is not a text file: its first 256 KiB hold {nuls} zero bytes; is it a "
            "recording of another kind, or damaged?"
        )
    if config.encoding == "latin-1":
        return _latin(path, head), "latin-1"
    try:
        return head.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError as error:
        if not whole and error.start >= len(head) - 4:
            return head[: error.start].decode("utf-8-sig"), "utf-8"
        if config.encoding == "utf-8":
            raise RecordingError(
                f"{path}: csv.encoding is utf-8, but byte {error.start + 1} is not."
            ) from None
        findings.append(Finding("note", "encoding", _LATIN))
        return _latin(path, head), "latin-1"


_LATIN = "The text is not UTF-8; it was read as Latin-1."


def _latin(path: Path, head: bytes) -> str:
    text = head.decode("latin-1")
    if re.search("[\x80-\x9f]", text):
        raise RecordingError(
            f"{path}: some letters are neither UTF-8 nor Latin-1, as Windows writes them "
            "(Windows-1252); save the file as UTF-8."
        )
    return text


def _big_endian(path: Path) -> str:
    return f"{path}: the text is UTF-16 with the high byte first; save it as UTF-8."


# ---------------------------------------------------------------- all decisions


def find_form(
    query: Query,
    head: Head,
    config: CsvConfig,
    label_columns: Sequence[str],
    findings: Sequence[Finding],
) -> Form:
    """Decide how the table is written; RecordingError where the run file's word cannot be right.

    `findings` are those met on reading the head.
    """
    decided = _Decisions(findings=list(findings))
    encoding_reason = {"utf-8": "The text is valid UTF-8.", "latin-1": _LATIN}.get(
        head.encoding, "The file starts with the mark of UTF-16."
    )
    decided.take("encoding", head.encoding, config.encoding, "csv.encoding", encoding_reason, None)
    decided.choices.append(
        Choice("layout", "table", True, "csv.layout", "The first lines are no start and rate.")
    )
    table = _find_table(head, config, decided)
    dialect = _find_number_form(head.path, table.dialect, table.rows, config, decided)
    time = _find_time(query, dialect, table.rows, config, decided)
    columns = _find_columns(head.path, dialect, time, table, config, label_columns, decided)
    return Form(
        dialect, time, columns, tuple(decided.choices), tuple(decided.findings),
        table.header_line, table.units_line, table.first_line, table.rows,
    )  # fmt: skip


# ---------------------------------------------------------------- where the table is


@dataclass(frozen=True)
class _Table:
    dialect: Dialect
    header_line: int | None
    units_line: int | None
    first_line: int
    units: tuple[str, ...]
    has_header: bool
    rows: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True)
class _Line:
    number: int
    """Index of its first line in the head."""
    cells: tuple[str, ...]
    lines: int = 1
    """How many lines it takes: cells in quotes may hold line ends."""


def _find_table(head: Head, config: CsvConfig, decided: _Decisions) -> _Table:
    """Separator, where the table begins, names of the columns, and its first rows."""
    path, lines = head.path, head.lines
    skip = config.skip_rows or 0
    comment, skip = _find_comment(path, lines, skip, config, decided)
    body = [line for line in lines[skip:] if line.strip() and not _starts(line, comment)]
    separator = _find_separator(path, body, config, decided)
    quote = _find_quote(body, separator)
    parsed = _parse(path, lines, skip, comment, separator, quote)
    if not parsed:
        raise RecordingError(f"{path}: there are no rows below the first {skip} lines.")
    usual = _usual_cells(parsed)
    kinds = _number_columns(parsed, usual)
    first, header, units = _find_rows(parsed, usual, kinds, config)
    rows = parsed[first:]
    width = usual
    names: tuple[str, ...] | None = None
    written: list[str] = []
    if header is not None:
        written = [cell.strip() for cell in parsed[header].cells]
        while len(written) > width and not written[-1]:
            written.pop()
        width = max(width, len(written))
        names = _distinct(written, width, decided, config)
    _refuse_long_rows(path, rows, width)
    if header is None and comment and config.header is None and config.columns is None:
        names = _commented_header(lines, comment, separator, width)
        if names:
            decided.add("note", "header", "The last line of comments names the columns.")
    if names is None:
        names = _numbered(width)
    if config.columns is not None:
        if len(config.columns) != len(names):
            raise RecordingError(
                f"{path}: csv.columns has {len(config.columns)} names, but the file has "
                f"{len(names)} columns."
            )
        names = tuple(config.columns)
    if not rows:
        raise RecordingError(f"{path}: there are no rows below the header.")
    above = rows[0].number
    dialect = Dialect(
        separator,
        quote,
        head.newline,
        comment or "",
        # duckdb counts a row of several lines once.
        sum(not _starts(line, comment) for line in lines[:above])
        - sum(line.lines - 1 for line in parsed if line.number < above),
        head.encoding,
        names,
        tuple(written),
    )
    has_header = header is not None
    shown = f"Line {parsed[header].number + 1}" if header is not None else "The first line"
    what = "names the columns" if has_header else "is a row already; columns were numbered"
    decided.take("header", has_header, config.header, "csv.header", f"{shown} {what}.")
    table_line = parsed[header if header is not None else first].number
    passed = [line for line in lines[:table_line] if line.strip() and not _starts(line, comment)]
    if config.skip_rows is None:
        _refuse_skipped_rows(path, lines[:table_line], separator, width)
    decided.take(
        "skip_rows",
        table_line,
        config.skip_rows,
        "csv.skip_rows",
        f"{table_line} lines above the table were passed over."
        if table_line
        else "The table begins with the first line.",
        "note" if passed else None,
    )
    unit_cells: tuple[str, ...] = ()
    reason = "The line below the header holds no units."
    if units is not None:
        unit_cells = tuple(cell.strip(" []()") for cell in parsed[units].cells[: len(names)])
        unit_cells += ("",) * (len(names) - len(unit_cells))
        shown_units = listed([unit for unit in unit_cells if unit])
        reason = f"Line {parsed[units].number + 1} holds units: {shown_units}."
    decided.take(
        "units_row", units is not None, config.units_row, "csv.units_row", reason,
        "note" if units is not None else None,
    )  # fmt: skip
    sample = []
    for line in rows[:_SAMPLE_ROWS]:
        cells = [None if cell.strip() in MISSING else cell for cell in line.cells[: len(names)]]
        sample.append(tuple(cells + [None] * (len(names) - len(cells))))
    return _Table(
        dialect,
        parsed[header].number + 1 if header is not None else None,
        parsed[units].number + 1 if units is not None else None,
        above + 1,
        unit_cells,
        has_header or config.columns is not None,
        tuple(sample),
    )


def _find_comment(
    path: Path, lines: Sequence[str], skip: int, config: CsvConfig, decided: _Decisions
) -> tuple[str | None, int]:
    """The sign of comments, and how many lines to pass over above the table."""
    comment = config.comment
    if comment is None and config.skip_rows is None:
        marks = [line[0] for line in lines[:200] if line[:1] in ("#", "%")]
        comment = marks[0] if marks else None
    reason = (
        f"Lines that start with '{comment}' were passed over."
        if comment
        else "No line starts with # or %."
    )
    decided.take(
        "comment", comment or "", config.comment, "csv.comment", reason, "note" if comment else None
    )
    if comment is not None and len(comment) > 1:
        while skip < len(lines) and lines[skip].startswith(comment):
            skip += 1
        if any(line.startswith(comment) for line in lines[skip:]):
            raise RecordingError(
                f"{path}: lines starting with '{comment}' stand between the rows; only a comment "
                "sign of one character can be passed over there."
            )
        comment = None
    return comment or None, skip


def _find_separator(path: Path, body: Sequence[str], config: CsvConfig, decided: _Decisions) -> str:
    separator = config.separator or _guess_separator(body)
    if len(separator) != 1:
        raise RecordingError(f"{path}: csv.separator must be one character, not '{separator}'.")
    count = _usual_count(body, separator)
    if config.separator is not None and not any(separator in line for line in body):
        better = _guess_separator(body)
        if _usual_count(body, better):
            raise RecordingError(
                f"{path}: csv.separator is {_shown(separator)}, but no line has one; "
                f"{_shown(better)} stands in every line."
            )
    reason = f"Columns are separated by {_shown(separator)}."
    decided.take(
        "separator", separator, config.separator, "csv.separator", reason,
        "note" if count or any(separator in line for line in body) else None,
    )  # fmt: skip
    return separator


def _shown(separator: str) -> str:
    return {"\t": "a tab", " ": "a blank"}.get(separator, f"'{separator}'")


def _find_quote(body: Sequence[str], separator: str) -> str:
    if any('"' in line for line in body):
        return '"'
    edge = re.escape(separator)
    single = re.compile(rf"(^|{edge})'[^']*'({edge}|$)")
    quoted = sum(bool(single.search(line)) for line in body)
    return "'" if body and quoted > len(body) / 2 else '"'


def _parse(
    path: Path, lines: Sequence[str], skip: int, comment: str | None, separator: str, quote: str
) -> list[_Line]:
    """Cells of every line that is neither blank nor a comment."""
    parsed = []
    number = skip
    # Elsewhere in a cell, as in 5" screen, it is a letter like others.
    opening = re.compile(rf"(^|{re.escape(separator)})\s*{quote}")
    while number < len(lines):
        start, line = number, lines[number]
        number += 1
        if not line.strip() or _starts(line, comment):
            continue
        if quote not in line or not opening.search(line):
            parsed.append(_Line(start, tuple(line.split(separator))))
            continue
        # Line ends within quotes belong to the cell.
        while (
            quote == '"'
            and line.count(quote) % 2
            and number < min(len(lines), start + _MOST_QUOTED_LINES)
        ):
            line += "\n" + lines[number]
            number += 1
        if line.count(quote) % 2 and quote == '"':
            raise RecordingError(
                f"{path}: a quotation mark in line {start + 1} is opened and never closed."
            )
        try:
            cells = next(csv.reader([line], delimiter=separator, quotechar=quote))
        except (csv.Error, StopIteration) as error:
            raise RecordingError(
                f"{path}: line {start + 1} cannot be taken apart ({error})."
            ) from None
        parsed.append(_Line(start, tuple(cells), number - start))
    return parsed


def _usual_cells(parsed: Sequence[_Line]) -> int:
    """How many cells most rows have. Vendor headers stand at the top: the later lines count."""
    table = parsed[len(parsed) // 2 :][:400]
    counts = Counter(len(line.cells) for line in table)
    return max(counts, key=lambda count: (counts[count], count))


def _number_columns(parsed: Sequence[_Line], usual: int) -> tuple[int, ...]:
    """Columns of which at least half of the cells that are there are numbers."""
    table = [line.cells for line in parsed[len(parsed) // 2 :][:400] if len(line.cells) == usual]
    found = []
    for column in range(usual):
        given = [c for cells in table if (c := cells[column].strip()) not in MISSING]
        if given and sum(map(_is_number, given)) >= len(given) / 2:
            found.append(column)
    return tuple(found)


def _find_rows(
    parsed: Sequence[_Line], usual: int, kinds: tuple[int, ...], config: CsvConfig
) -> tuple[int, int | None, int | None]:
    """Index of the first row, of the header and of the row of units among the parsed lines."""

    def marks(index: int) -> tuple[int, int]:
        """How many cells of number columns are numbers, and how many are something else."""
        cells = parsed[index].cells
        given = [c for k in kinds if k < len(cells) and (c := cells[k].strip()) not in MISSING]
        numbers = sum(map(_is_number, given))
        # What begins with a digit is a mangled number rather than a name.
        mangled = sum(bool(_MANGLED.match(c)) and not _is_number(c) for c in given)
        return numbers, len(given) - numbers - mangled

    def is_row(index: int) -> bool:
        if abs(len(parsed[index].cells) - usual) > 1 and len(parsed[index].cells) < usual:
            return False
        numbers, others = marks(index)
        return numbers > 0 and others == 0

    def names(index: int) -> bool:
        cells = [cell.strip() for cell in parsed[index].cells]
        given = [cell for cell in cells if cell]
        # One cell too few or too many: a separator at the end of each row, or of the header.
        fits = abs(len(cells) - usual) <= 1
        return fits and len(given) >= max(1, usual - 1) / 2 and not any(map(_is_number, given))

    def is_units(index: int) -> bool:
        cells = [cell.strip() for cell in parsed[index].cells]
        given = [cell for cell in cells if cell]
        matching = sum(bool(_UNIT.fullmatch(cell)) for cell in given)
        return bool(given) and abs(len(cells) - usual) <= 1 and matching > len(given) / 2

    first = next((k for k in range(len(parsed)) if is_row(k)), None)
    if config.skip_rows is not None or not kinds:
        # The table begins here: with its header, or with a row.
        header = 0 if config.header or (config.header is None and first != 0) else None
    elif first is None:
        header = 0 if config.header is not False else None
    elif config.header is False:
        header = None
        while first > 0 and len(parsed[first - 1].cells) == usual and marks(first - 1)[0]:
            first -= 1  # a damaged row
    elif first == 0:
        header = 0 if config.header else None
    else:
        above = first - 1
        while above >= 0 and not names(above) and marks(above)[0] and (
            len(parsed[above].cells) == usual
        ):  # fmt: skip
            above -= 1  # a damaged row
        header = above if above >= 0 and names(above) else None
        if header is not None and header == first - 1 and header > 0:
            units_below = is_units(header) and names(header - 1) and config.units_row is not False
            if units_below or (config.units_row and names(header - 1)):
                header -= 1
        if header is None:
            others = marks(first - 1)[1]
            fits = abs(len(parsed[first - 1].cells) - usual) <= 1 and others > 0
            header = first - 1 if fits or config.header else None
        if header is None:
            return first, None, None
    if header is None:
        return (first or 0) if config.skip_rows is None else 0, None, None
    units = None
    below = header + 1
    if below < len(parsed) and config.units_row is not False:
        blank = not marks(below)[0] and is_units(below)
        if config.units_row or blank:
            units = below
    return (units or header) + 1, header, units


def _distinct(
    written: Sequence[str], width: int, decided: _Decisions, config: CsvConfig
) -> tuple[str, ...]:
    """Names of the columns; the same name twice is numbered, and none gets one."""
    numbered = _numbered(width)
    names: list[str] = []
    taken: set[str] = set()
    renamed = []
    for index in range(width):
        cell = written[index] if index < len(written) else ""
        name = wanted = re.sub(r"\s*[\r\n]+\s*", " ", cell) or numbered[index]
        for number in itertools.count(1):
            if name.casefold() not in taken:
                break
            name = f"{wanted}_{number}"
        if name != wanted:
            renamed.append(name)
        taken.add(name.casefold())
        names.append(name)
    if renamed and config.columns is None:
        decided.add("note", "header", f"Columns of the same name were numbered: {listed(renamed)}.")
    return tuple(names)


def _numbered(width: int) -> tuple[str, ...]:
    digits = len(str(max(width - 1, 0)))
    return tuple(f"column{index:0{digits}d}" for index in range(width))


def _refuse_long_rows(path: Path, rows: Sequence[_Line], width: int) -> None:
    for line in rows:
        if len([*itertools.dropwhile(lambda c: not c.strip(), reversed(line.cells))]) > width:
            raise RecordingError(
                f"{path}: line {line.number + 1} has {len(line.cells)} columns where most have "
                f"{width}; are csv.separator and csv.decimal right?"
            )


def _refuse_skipped_rows(path: Path, lines: Sequence[str], separator: str, width: int) -> None:
    """A row of another length above the table is a row that would be lost."""
    for number, line in enumerate(lines):
        cells = [cell.strip() for cell in line.split(separator)]
        numbers = sum(map(_is_number, cells))
        if len(cells) > 1 and numbers >= max(len(cells) - 1, 2) and len(cells) >= width:
            raise RecordingError(
                f"{path}: line {number + 1} looks like a row of the table, but has {len(cells)} "
                f"columns where others have {width}. Are csv.separator and csv.decimal right? "
                "Where the table begins below, say so with csv.skip_rows."
            )


def _commented_header(
    lines: Sequence[str], comment: str, separator: str, count: int
) -> tuple[str, ...] | None:
    """Names of the columns from a line such as `# time,x,y` right above the first row."""
    above = list(itertools.takewhile(lambda line: line.startswith(comment), lines))
    cells = [cell.strip(' "') for cell in above[-1][1:].split(separator)] if above else []
    named = len(cells) == count and all(cells) and len(set(cells)) == count
    return tuple(cells) if named and not any(map(_is_number, cells)) else None


def _starts(line: str, comment: str | None) -> bool:
    return comment is not None and line.startswith(comment)


def _is_number(text: str) -> bool:
    text = text.strip()
    return bool(
        _PLAIN.fullmatch(text)
        or _COMMA.fullmatch(text)
        or any(form.fullmatch(text) for form in _GROUPED.values())
    )


def _guess_separator(body: Sequence[str]) -> str:
    """The character that stands equally often in nearly all lines of the table.

    The comma comes after the others, since it may be the decimal sign, and the blank last.
    """
    for separator in ("\t", ";", "|", ",", " "):
        if _usual_count(body, separator):
            return separator
    return ","


def _usual_count(body: Sequence[str], separator: str) -> int:
    """How often a separator stands in nine of ten lines of the table; 0 where that differs."""
    # Vendor headers stand at the top: look at the later lines.
    table = body[len(body) // 2 :][:400] or body
    counts = [_outside_quotes(line).count(separator) for line in table]
    usual = max(set(counts), key=counts.count, default=0)
    return usual if counts.count(usual) >= 0.9 * len(counts) else 0


def _outside_quotes(line: str) -> str:
    return re.sub(r'"[^"]*"', "", line) if '"' in line else line


# ---------------------------------------------------------------- how numbers are written


def _find_number_form(
    path: Path,
    dialect: Dialect,
    sample: Sequence[tuple[str | None, ...]],
    config: CsvConfig,
    decided: _Decisions,
) -> Dialect:
    """Decimal sign and thousands separator, from the cells of the first rows."""
    cells = [cell.strip() for row in sample for cell in row if cell]
    commas = [cell for cell in cells if _COMMA.fullmatch(cell)]
    points = [cell for cell in cells if "." in cell and _PLAIN.fullmatch(cell)]
    # A single group, such as 1,234, may as well be a decimal fraction; blanks and ' may not.
    grouped = {
        sign: [c for c in cells if form.fullmatch(c) and (
            sign in " '" or (("." if sign == "," else ",") in c) or c.count(sign) > 1)]
        for sign, form in _GROUPED.items()
    }  # fmt: skip
    decimal, thousands = config.decimal, config.thousands
    if thousands is not None and thousands == decimal:
        raise RecordingError(f"{path}: csv.decimal and csv.thousands are both '{decimal}'.")
    if decimal is not None:
        other = points if decimal == "," else commas
        wrong = [
            cell for cell in other if not _GROUPED["." if decimal == "," else ","].fullmatch(cell)
        ]
        right = commas if decimal == "," else points
        if len(wrong) > len(right) and len(wrong) > len(cells) / 4:
            raise RecordingError(
                f"{path}: csv.decimal is '{decimal}', but numbers are written as in "
                f"'{wrong[0][:30]}'."
            )
    reason = "No number has a thousands separator."
    doubtful = ""
    if thousands is None:
        comma_and_point = any("," in cell for cell in grouped["."])
        thousands = ""
        if grouped[","] and not comma_and_point and decimal != ",":
            thousands = ","
        elif (decimal == "," and _only_grouped(cells)) or (
            decimal is None and not grouped[","] and comma_and_point
        ):
            thousands = "."
        elif grouped[" "] and dialect.separator != " ":
            thousands = " "
        elif grouped["'"]:
            thousands = "'"
        if thousands:
            shown = next((c for c in grouped[thousands]), "")
            reason = (
                f"Numbers have thousands separators, as in '{shown[:30]}': '{thousands}' was taken "
                "out"
            )
    if decimal is None:
        if thousands in (",", "."):
            decimal = "." if thousands == "," else ","
        elif thousands:
            decimal = "," if any("," in c for c in grouped[thousands]) or commas else "."
        else:
            decimal = "," if commas else "."
    if thousands and config.thousands is None:
        reason += f" and '{decimal}' is the decimal sign."
    how = (
        "The decimal sign is a comma."
        if decimal == ","
        else "The decimal sign is a point."
        if points
        else "No number has a decimal sign."
    )
    three = re.compile(r"[+-]?[1-9]\d{0,2}[,.]\d{3}")
    if config.decimal is None and not thousands:
        if commas and all(three.fullmatch(cell) for cell in commas):
            doubtful = (
                f"Every comma is followed by three digits, as in '{commas[0]}': the comma was "
                "taken as the decimal sign, but it may separate thousands. Say so with "
                "csv.decimal."
            )
        elif _points_may_be_thousands(sample):
            doubtful = (
                "Every point is followed by three digits and other numbers are whole and below "
                f"1000, as in '{points[0]}': the point was taken as the decimal sign, but it may "
                "separate thousands. Say so with csv.decimal."
            )
    decided.take(
        "decimal", decimal, config.decimal, "csv.decimal", doubtful or how,
        "uncalibrated" if doubtful else "note" if decimal == "," and not thousands else None,
    )  # fmt: skip
    decided.take(
        "thousands", thousands, config.thousands, "csv.thousands", reason,
        "repaired" if thousands else None,
    )  # fmt: skip
    twice = [
        cell
        for cell in cells
        if re.fullmatch(r"[+-]?\d+(\.\d+){2,}|[+-]?\d+(,\d+){2,}", cell)
        and not re.fullmatch(r"\d{1,2}\.\d{1,2}\.(\d{2}){1,2}", cell)  # a date
    ]
    if twice and not thousands:
        decided.add(
            "unreadable",
            "numbers",
            f"Numbers such as '{twice[0][:30]}' have several decimal signs: another program has "
            "probably rewritten them. They were taken as missing; export the file again.",
        )
    mixed = [c for c in grouped[","] if "." in c], [c for c in grouped["."] if "," in c]
    if all(mixed):
        decided.add(
            "unreadable",
            "numbers",
            f"Numbers are written in two ways, as in '{mixed[0][0][:30]}' and "
            f"'{mixed[1][0][:30]}': what is not in the form of csv.decimal '{decimal}' was taken "
            "as missing. Export the file again.",
        )
    return replace(dialect, decimal=decimal, thousands=thousands)


def _only_grouped(cells: Sequence[str]) -> bool:
    """Whether every number with a point has it before three digits, under a decimal comma."""
    with_point = [c for c in cells if "." in c and re.fullmatch(r"[+-]?[\d.,]+", c)]
    return bool(with_point) and all(_GROUPED["."].fullmatch(c) for c in with_point)


def _points_may_be_thousands(sample: Sequence[tuple[str | None, ...]]) -> bool:
    """Whether a column mixes whole numbers below 1000 with ones that have three decimals."""
    three = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
    for column in zip(*sample, strict=True):
        cells = [cell.strip() for cell in column if cell]
        with_point = [cell for cell in cells if "." in cell]
        rest = [cell for cell in cells if "." not in cell]
        if (
            len(with_point) >= 5
            and len(rest) >= 2
            and all(three.fullmatch(cell) for cell in with_point)
            and all(re.fullmatch(r"[+-]?\d{1,3}", cell) for cell in rest)
        ):
            return True
    return False


def number_share(cells: Sequence[str | None], dialect: Dialect) -> float | None:
    """Share of the cells that are numbers; None where all are missing."""
    given = [cell for cell in cells if cell is not None]
    if not given:
        return None
    return sum(to_number(cell, dialect) is not None for cell in given) / len(given)


def to_number(cell: str, dialect: Dialect) -> float | None:
    """The number a cell holds in the file's own form; None where it holds none."""
    text = cell.strip()
    if dialect.thousands:
        signs = THOUSANDS_SIGNS[dialect.thousands]
        if any(sign in text for sign in signs):
            if not _GROUPED[dialect.thousands].fullmatch(text):
                return None
            text = re.sub(f"[{re.escape(signs)}]", "", text)
    if dialect.decimal == ",":
        if "." in text:
            return None
        text = text.replace(",", ".")
    return float(text) if _PLAIN.fullmatch(text) else None


# ---------------------------------------------------------------- columns


def _find_time(
    query: Query,
    dialect: Dialect,
    sample: Sequence[tuple[str | None, ...]],
    config: CsvConfig,
    decided: _Decisions,
) -> TimeColumn:
    path, names = query.path, dialect.names
    key = "csv.time_column"
    if config.time_column == "none" and "none" not in names:
        decided.take("time_column", "none", "none", key, "")
        return TimeColumn(None, "s")
    if config.time_column is not None:
        column = find_column(names, config.time_column)
        if column is None:
            raise RecordingError(
                f"{path}: there is no column '{config.time_column}' for the time; there are "
                f"{listed(names)}.{nearest(config.time_column, names)}"
            )
        decided.take("time_column", names[column], config.time_column, key, "")
    else:
        column, why = _guess_time_column(dialect, sample, config)
        if column is None:
            decided.take("time_column", "none", None, key, why, None)
            return TimeColumn(None, "s")
        decided.take(
            "time_column", names[column], None, key,
            f"Column '{names[column]}' was taken as the time{why}.",
        )  # fmt: skip
    cells = [row[column] for row in sample]
    share = number_share(cells, dialect)
    key = "csv.time_unit"
    if share is None:
        raise RecordingError(f"{path}: the time column '{names[column]}' is empty.")
    unit: str | None = config.time_unit
    if unit == "iso" or (unit is None and share < 0.5):
        time, reason, doubt = find_time_form(query, names[column], column, cells)
        decided.take("time_unit", "iso", config.time_unit, key, reason)
        if doubt:
            decided.add("repaired", "time stamps", doubt)
        return time
    if unit is not None and share < 0.5:
        raise RecordingError(
            f"{path}: csv.time_unit is {unit}, but column '{names[column]}' holds no numbers; is "
            "it iso, or is csv.time_column another?"
        )
    if unit is None:
        numbers = [to_number(cell, dialect) for cell in cells if cell is not None]
        unit = guess_unit(names[column], [n for n in numbers if n is not None])
    decided.take(
        "time_unit", unit, config.time_unit, key,
        f"Times in '{names[column]}' were taken as {unit_words(unit)}; csv.time_unit says "
        "otherwise.",
    )  # fmt: skip
    return TimeColumn(column, unit)


def nearest(wanted: str, names: Sequence[str]) -> str:
    """A sentence that names the column meant, if one is near; else nothing."""
    folded = {name.casefold(): name for name in names}
    found = difflib.get_close_matches(wanted.casefold(), list(folded), 1, 0.6)
    return f" Is it '{folded[found[0]]}'?" if found else ""


def _guess_time_column(
    dialect: Dialect, sample: Sequence[tuple[str | None, ...]], config: CsvConfig
) -> tuple[int | None, str]:
    """Its index, and why."""
    named = [
        index
        for index, name in enumerate(dialect.names)
        if name not in config.ignore_columns and is_time_name(name)
    ]
    # A single letter may be a signal too, and beside a date there may be a time of day: both come
    # after the others.
    named.sort(key=lambda index: (len(dialect.names[index]) <= 1,
                                  dialect.names[index].strip().casefold() == "date"))  # fmt: skip
    if named:
        return named[0], ""
    known = re.compile(r"column\d+")
    has_names = not all(known.fullmatch(name) for name in dialect.names)
    if has_names or config.columns is not None or config.rate_hz is not None:
        return None, "No column has the name of a time."
    values = [to_number(row[0], dialect) if row[0] else None for row in sample]
    numbers = np.array([np.nan if value is None else value for value in values])
    steps = np.diff(numbers)
    even = len(steps) > 4 and bool((steps > 0).all())
    if even and steps.max() < 1.5 * steps.min():
        return 0, ", because it rises evenly"
    return None, "No column rises evenly, as a time would."


def _find_columns(
    path: Path,
    dialect: Dialect,
    time: TimeColumn,
    table: _Table,
    config: CsvConfig,
    label_columns: Sequence[str],
    decided: _Decisions,
) -> tuple[Column, ...]:
    names = dialect.names
    labels = {find_column(names, name) for name in label_columns}
    ignored = {find_column(names, name) for name in config.ignore_columns}
    for key, wanted in (("ignore_columns", config.ignore_columns), ("units", config.units)):
        for name in wanted:
            if find_column(names, name) is None:
                decided.add(
                    "note",
                    "columns",
                    f"csv.{key} names '{name}', which is no column.{nearest(name, names)}",
                )
    columns = []
    for index, name in enumerate(names):
        cells = [row[index] for row in table.rows]
        unit, unit_given = _unit(name, config.units, table.units[index] if table.units else "")
        role, guessed, key, reason = _role(index, name, cells, dialect, time, table.has_header)
        if index in labels:
            role, guessed, key, reason = "label", False, "labels", "The labels are read from it."
        elif index in ignored and index != time.column:
            role, guessed, key, reason = (
                "ignored",
                False,
                "csv.ignore_columns",
                "csv.ignore_columns says so.",
            )
        if index == time.column:
            guessed, unit = config.time_column is None, time.unit
        elif unit_given and role == "signal":
            reason += " Its unit is given in csv.units."
        columns.append(Column(name, unit, role, guessed, key, reason))
    for column in columns:
        if column.role == "another time":
            decided.add("note", "columns", f"'{column.name}' is another time and was left out.")
    text = [column.name for column in columns if column.role == "text"]
    if text:
        decided.add("note", "columns", f"Columns that hold text are not channels: {listed(text)}.")
    if not any(column.role == "signal" for column in columns):
        raise RecordingError(
            f"{path}: no column holds a signal (columns: {listed(names)}); are separator and "
            "decimal sign right?"
        )
    return tuple(columns)


def _role(
    index: int,
    name: str,
    cells: Sequence[str | None],
    dialect: Dialect,
    time: TimeColumn,
    has_header: bool,
) -> tuple[Role, bool, str, str]:
    """Role, whether guessed, the key that says otherwise, and the reason."""
    key = "csv.ignore_columns"
    if index == time.column:
        return "time", True, "csv.time_column", "The time of each row."
    share = number_share(cells, dialect)
    if share is None and re.fullmatch(r"column\d+", name) and has_header:
        reason = "It has neither name nor cells: a separator at the end of each line."
        return "empty", True, "csv.columns", reason
    if len(name) > 2 and is_time_name(name) and time.column is not None and share:
        numbers = [to_number(cell, dialect) for cell in cells if cell]
        given = np.array([np.nan if number is None else number for number in numbers])
        if len(given) > 2 and (np.diff(given) >= 0).all() and given[-1] > given[0]:
            return "another time", True, "csv.time_column", "It has a time's name and rises."
    if share is not None and share < 0.5:
        # Mangled numbers still are a signal, one that has to be reported as missing.
        digits = sum(
            bool(re.fullmatch(r"[+-]?\d[\d.,' \u00a0\u202f]*", cell))
            and not re.fullmatch(r"\d{1,4}[./]\d{1,2}[./]\d{2,4}", cell)
            for cell in cells
            if cell
        )
        if digits < 0.5 * sum(cell is not None for cell in cells):
            return "text", True, key, "Most of its first cells are no numbers."
    return "signal", True, key, "Its cells are numbers." if share else "It is no text."


def _unit(name: str, units: dict[str, str], row: str) -> tuple[str, bool]:
    """Unit of a column, and whether the run file gives it."""
    if name in units:
        return units[name], True
    written = re.search(r"[\[(]([^\])]{1,8})[\])]\s*$", name)
    return (written.group(1).strip() if written else row), False
