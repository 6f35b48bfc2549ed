"""Strict writing of EDF+ and BDF+: what a careful reader of the format expects, and nothing else.

Samples are written as the digital numbers they are, so a copy loses nothing. Files are written
record by record beside their place and renamed into it: a full disk or a killed program leaves no
file that looks whole.

Source: https://www.edfplus.info/specs/edfplus.html
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from core.atomic_file import refuse_to_replace, replacing
from core.edf_header import FIXED_BYTES, MONTHS
from core.recording import Annotation

FIRST_YEAR, LAST_YEAR = 1985, 2084  # what two digits of a year can say
NO_DATE = datetime(1985, 1, 1)
ANONYMOUS = "X X X X"
_ONSET_DIGITS = 9


@dataclass(frozen=True)
class EdfSignal:
    """One signal's part of a header, as it is to be written.

    Texts are printable ASCII; limits fit into 8 characters (see `limit_text`).
    """

    label: str
    unit: str
    physical_minimum: str
    physical_maximum: str
    digital_minimum: int
    digital_maximum: int
    samples_per_record: int
    transducer: str = ""
    prefilter: str = ""


def _no_samples(signal: int, record: int) -> np.ndarray:
    raise IndexError(f"signal {signal} of a file without signals, record {record}")


@dataclass(frozen=True)
class EdfContents:
    """A file to be written.

    `onsets_s`: start of each data record in seconds after `start`'s whole second; the first is the
    fraction of a second at which the recording starts. `read` gives the digital samples of a
    signal in a record, integers (samples_per_record,). `annotations` are in seconds after `start`'s
    whole second, too.
    """

    start: datetime | None
    record_s: float
    onsets_s: np.ndarray
    signals: tuple[EdfSignal, ...] = ()
    read: Callable[[int, int], np.ndarray] = _no_samples
    annotations: tuple[Annotation, ...] = ()
    is_bdf: bool = False
    patient: str = ANONYMOUS
    recording: str = "X X X"
    """What follows the start date in the recording field."""


def write_edf(path: Path, contents: EdfContents, *, force: bool = False) -> None:
    """Write an EDF+ or BDF+ file; EDF+D where the records leave gaps, else EDF+C.

    Raises OutputError when the file is there already and `force` is not said, or when it cannot be
    written.
    """
    blocks = _annotation_blocks(contents)
    width = 3 if contents.is_bdf else 2
    block_bytes = max(len(block) for block in blocks) if blocks else 16
    block_bytes += -block_bytes % width
    refuse_to_replace(path, force)
    with replacing(path) as stream:
        stream.write(header_bytes(contents, block_bytes // width, len(blocks)))
        for record, block in enumerate(blocks):
            for signal in range(len(contents.signals)):
                stream.write(digital_bytes(contents.read(signal, record), contents.is_bdf))
            stream.write(block.ljust(block_bytes, b"\x00"))


def digital_bytes(samples: np.ndarray, is_bdf: bool) -> bytes:
    """Digital numbers as little-endian 16-bit or 24-bit integers."""
    if not is_bdf:
        return samples.astype("<i2").tobytes()
    wide = np.ascontiguousarray(samples, dtype="<i4").view(np.uint8).reshape(-1, 4)
    return wide[:, :3].tobytes()


# ---------------------------------------------------------------- header


def limit_text(value: float) -> str | None:
    """A number in at most 8 characters, as near to it as they allow; None where nothing is near.

    EDF knows no exponent in its older readers, so plain decimals come first.
    """
    if not math.isfinite(value):
        return None
    if value == int(value) and len(str(int(value))) <= 8:
        return str(int(value))
    sign = "-" if value < 0 else ""
    best: str | None = None
    for decimals in range(8, -1, -1):
        text = f"{abs(value):.{decimals}f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        text = sign + text
        if len(text) <= 8:
            best = text
            break
    if best is not None and abs(float(best) - value) <= 1e-3 * abs(value):
        return best
    for digits in range(5, -1, -1):
        text = f"{value:.{digits}E}".replace("E-0", "E-").replace("E+0", "E").replace("E+", "E")
        if len(text) <= 8 and abs(float(text) - value) <= 1e-2 * abs(value):
            return text
    return best


def recording_field(start: datetime | None, rest: str) -> str:
    """The local recording identification of EDF+: its start date in full, then `rest`."""
    if start is None:
        return f"Startdate X {rest}"
    return f"Startdate {start.day:02d}-{MONTHS[start.month - 1]}-{start.year:04d} {rest}"


def header_bytes(contents: EdfContents, annotation_samples: int, records: int) -> bytes:
    """The header of a file whose annotation signal has so many samples in each data record."""
    letter = "BDF" if contents.is_bdf else "EDF"
    start = contents.start
    shown = start or NO_DATE
    year = f"{shown.year % 100:02d}" if FIRST_YEAR <= shown.year <= LAST_YEAR else "yy"
    kind = "D" if _has_gaps(contents) else "C"
    version = b"\xffBIOSEMI" if contents.is_bdf else b"0       "
    count = len(contents.signals) + 1
    fixed = version + b"".join(
        _field(text, length)
        for text, length in (
            (contents.patient, 80),
            (recording_field(start, contents.recording), 80),
            (f"{shown.day:02d}.{shown.month:02d}.{year}", 8),
            (f"{shown.hour:02d}.{shown.minute:02d}.{shown.second:02d}", 8),
            (str(FIXED_BYTES * (count + 1)), 8),
            (f"{letter}+{kind}", 44),
            (str(records), 8),
            (duration_text(contents.record_s), 8),
            (str(count), 4),
        )
    )
    limit = 8388607 if contents.is_bdf else 32767
    annotation = EdfSignal(
        label=f"{letter} Annotations",
        unit="",
        physical_minimum="-1",
        physical_maximum="1",
        digital_minimum=-limit - 1,
        digital_maximum=limit,
        samples_per_record=annotation_samples,
    )
    signals = (*contents.signals, annotation)
    columns = (
        ([s.label for s in signals], 16),
        ([s.transducer for s in signals], 80),
        ([s.unit for s in signals], 8),
        ([s.physical_minimum for s in signals], 8),
        ([s.physical_maximum for s in signals], 8),
        ([str(s.digital_minimum) for s in signals], 8),
        ([str(s.digital_maximum) for s in signals], 8),
        ([s.prefilter for s in signals], 80),
        ([str(s.samples_per_record) for s in signals], 8),
        ([""] * len(signals), 32),
    )
    return fixed + b"".join(_field(text, length) for texts, length in columns for text in texts)


def duration_text(record_s: float) -> str:
    """The duration of a data record in at most 8 characters."""
    text = f"{record_s:.6f}".rstrip("0").rstrip(".")
    return text if len(text) <= 8 else f"{record_s:.8g}"[:8]


def _field(text: str, length: int) -> bytes:
    data = text.encode("ascii")
    if len(data) > length or not text.isprintable():
        raise ValueError(f"'{text}' does not fit into a header field of {length} characters")
    return data.ljust(length)


def _has_gaps(contents: EdfContents) -> bool:
    if len(contents.onsets_s) < 2 or contents.record_s == 0:
        return False
    steps = np.diff(contents.onsets_s)
    return bool((np.abs(steps - contents.record_s) > 1e-6).any())


# ---------------------------------------------------------------- annotations


def _number(value: float) -> str:
    text = f"{value:.{_ONSET_DIGITS}f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def _onset(value: float) -> str:
    text = _number(value)
    return text if text.startswith("-") else f"+{text}"


def annotation_bytes(onset_s: float, duration_s: float, text: str) -> bytes:
    """One time-stamped annotation list, UTF-8; signs that the format needs itself are spaces."""
    plain = "".join(" " if sign in "\x00\x14\x15" else sign for sign in text)
    lasting = f"\x15{_number(duration_s)}" if duration_s > 0 else ""
    return f"{_onset(onset_s)}{lasting}\x14{plain}\x14\x00".encode()


def _annotation_blocks(contents: EdfContents) -> list[bytes]:
    """The annotation signal's bytes in each record: its time stamp, then what falls into it.

    Annotations are spread over neighbouring records where many fall into one, because the space
    is the same in every record.
    """
    onsets = np.asarray(contents.onsets_s, np.float64)
    if not len(onsets):
        return []
    blocks = [f"{_onset(onset)}\x14\x14\x00".encode() for onset in onsets]
    lists = [
        annotation_bytes(entry.onset_s, entry.duration_s, entry.text)
        for entry in sorted(contents.annotations, key=lambda entry: entry.onset_s)
    ]
    if not lists:
        return blocks
    # As little room as holds them all: the longest one, and an even share of all.
    stamps = max(len(block) for block in blocks)
    room = stamps + max(
        max(len(entry) for entry in lists),
        math.ceil(1.25 * sum(len(entry) for entry in lists) / len(blocks)),
    )
    times = sorted(entry.onset_s for entry in contents.annotations)
    wanted = np.clip(np.searchsorted(onsets, times, side="right") - 1, 0, len(blocks) - 1)
    place = 0
    waiting: list[bytes] = []
    for index, entry in zip(wanted.tolist(), lists, strict=True):
        place = max(place, index)
        while place < len(blocks) and len(blocks[place]) + len(entry) > room:
            place += 1
        if place == len(blocks):
            waiting.append(entry)
            place -= 1
            continue
        blocks[place] += entry
    for entry in waiting:  # those at the end go into what is free before them
        index = min(range(len(blocks)), key=lambda k: len(blocks[k]))
        blocks[index] += entry
    return blocks
