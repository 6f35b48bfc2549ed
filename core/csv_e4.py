"""The head of an Empatica E4 export: start as unix time, then the rate, then samples."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.config import CsvConfig
from core.csv_query import Dialect
from core.csv_time import CLOCK_S
from core.errors import RecordingError
from core.recording import Finding

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class E4Header:
    """Start in unix seconds, rate, and the names of the channels."""

    start_s: float
    rate_hz: float
    names: tuple[str, ...]

    def dialect(self, encoding: str, newline: str) -> Dialect:
        names = tuple(f"column{i}" for i in range(len(self.names)))
        return Dialect(",", "", newline, "", 2, encoding, names)


def _numbers(line: str) -> list[float] | None:
    cells = [cell.strip() for cell in line.split(",")]
    if not all(_NUMBER.fullmatch(cell) for cell in cells):
        return None
    values = [float(cell) for cell in cells]
    return values if all(map(math.isfinite, values)) else None


def looks_like_e4(lines: Sequence[str], config: CsvConfig) -> bool:
    """Whether the first line is a start time and the second a rate, and nothing else was told."""
    if config != CsvConfig(units=config.units, columns=config.columns) or len(lines) < 3:
        return False
    start, rate, first = (_numbers(line) for line in lines[:3])
    if not start or not rate or not first or not len(start) == len(rate) == len(first):
        return False
    # A list of event marks has three times in the first three lines.
    return start[0] > CLOCK_S and 0 < rate[0] <= 1e5 and len(set(start)) == len(set(rate)) == 1


def read_e4_header(
    path: Path, lines: Sequence[str], config: CsvConfig, findings: list[Finding]
) -> E4Header:
    """Start, rate and names; RecordingError where the file is no evenly sampled export."""
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
        message = "The first line gives different starts for the columns; the first was used."
        findings.append(Finding("repaired", "start", message))
    if config.rate_hz is not None and config.rate_hz != rate[0]:
        message = (
            f"The file gives {rate[0]:g} Hz and csv.rate_hz {config.rate_hz:g}; the file's was "
            "used."
        )
        findings.append(Finding("note", "rate", message))
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
    return E4Header(start[0], rate[0], names)
