"""The last line of a CSV file, which a full disk or an empty battery may have cut."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from core.csv_query import Dialect

_TAIL_BYTES = 1 << 16


@dataclass(frozen=True)
class LastLine:
    """A last line without a line end: its cells, and whether the row or its last cell is cut."""

    cells: int
    row_is_cut: bool
    cell_is_cut: bool


def read_last_line(path: Path, dialect: Dialect, decimals: int | None) -> LastLine | None:
    """The last line if it has no line end; None where it has one.

    `decimals`: how many each number in the last column has, where all have the same.
    """
    tail = _tail(path)
    codec = {"utf-16": "utf-16-le"}.get(dialect.encoding, dialect.encoding)
    if codec == "utf-16-le":
        tail = tail[len(tail) % 2 :]
    text = tail.decode(codec, errors="replace")
    if not text or text.endswith(("\n", "\r")):
        return None
    line = text.replace("\r", "\n").rpartition("\n")[2]
    if not line.strip() or (dialect.comment and line.startswith(dialect.comment)):
        return None
    cells = line.split(dialect.separator)
    if dialect.quote and dialect.quote in line:
        # duckdb has refused quotes that are never closed.
        reader = csv.reader([line], delimiter=dialect.separator, quotechar=dialect.quote)
        cells = next(reader, cells)
    width = len(dialect.names)
    row_is_cut = len(cells) < width
    last = cells[-1].strip().replace(",", ".").partition(".")[2]
    cell_is_cut = not row_is_cut and decimals is not None and len(last) < decimals
    return LastLine(len(cells), row_is_cut, cell_is_cut and bool(cells[-1].strip()))


def _tail(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - _TAIL_BYTES))
        return stream.read()
