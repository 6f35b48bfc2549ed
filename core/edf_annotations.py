"""What the annotation signals of an EDF or BDF file say: texts, and where records lie in time.

An annotation signal holds time-stamped annotation lists (TALs): onset, duration and texts. The
first one of each data record gives the record's own time. Source:
https://www.edfplus.info/specs/edfplus.html, sections 2.2.2 to 2.2.4.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.edf_header import EdfHeader, decode
from core.recording import Finding, Gap

_ONSET = re.compile(rb"([+-]?\d{1,12}(?:[.,]\d*)?)(?:\x15([^\x15]*))?", re.DOTALL)
_DURATION = re.compile(rb"\+?\d{1,12}(?:[.,]\d*)?")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LONGEST_S = 366 * 86400.0
_BYTES_AT_ONCE = 1 << 22

# What is odd about annotations, and what was done about it.
_ODD = {
    "damaged": ("repaired", "are not time-stamped lists as EDF+ has them; they were passed over"),
    "far": ("repaired", "lie more than a year from the start; they were passed over"),
    "duration": ("repaired", "have an unreadable duration; it was taken as 0"),
    "comma": ("repaired", "have a decimal comma in their time; it was read as a point"),
    "sign": ("note", "have no sign before their onset; it was read as plus"),
    "cut": ("note", "do not end as EDF+ has it and may be cut off; they were kept"),
    "latin": ("note", "are not UTF-8 text; they were read as Latin-1"),
    "control": ("note", "hold control characters; these were left out"),
}


@dataclass(frozen=True)
class Stamped:
    """What stands in the annotation signals.

    `stamps`: the time stamp of each data record in seconds, float64 (records,), NaN where it has
    none. `annotations`: onset and duration in seconds, and text, sorted by onset. Both count from
    the start that the header gives.
    """

    stamps: np.ndarray
    annotations: list[tuple[float, float, str]]


@dataclass(frozen=True)
class Layout:
    """Where the data records lie in time. Times are seconds from the first record's start.

    Attributes
    ----------
    first_s: time stamp of the first record, in seconds after the start that the header gives.
    segment_first, segment_records: first data record and number of records of each uninterrupted
        segment, int64 (segments,); segments are sorted by time.
    segment_s: where each begins, float64 (segments,).
    gaps, duration_s: stretches between the segments, and the end of the last record.
    """

    first_s: float
    segment_first: np.ndarray
    segment_records: np.ndarray
    segment_s: np.ndarray
    gaps: tuple[Gap, ...]
    duration_s: float

    def record_starts_s(self, record_s: float) -> np.ndarray:
        """Where each data record begins, in file order, float64 (records,)."""
        starts = np.zeros(int(self.segment_records.sum()))
        for first, count, begin in zip(
            self.segment_first, self.segment_records, self.segment_s, strict=True
        ):
            starts[first : first + count] = begin + np.arange(count) * record_s
        return starts


# ---------------------------------------------------------------- annotations


def read_annotations(header: EdfHeader, records: np.ndarray, findings: list[Finding]) -> Stamped:
    """Time stamps and annotations of a file; what is odd about them is added to `findings`.

    `records`: the file's data records, uint8 (records, bytes of a record).
    """
    stamps = np.full(header.records, np.nan)
    annotations: list[tuple[float, float, str]] = []
    odd: Counter[str] = Counter()
    misplaced = 0
    signals = [s for s in header.signals if s.is_annotation and s.samples > 0]
    for number, signal in enumerate(signals if header.records else []):
        width = signal.samples * header.width
        column = signal.column * header.width
        at_once = max(1, _BYTES_AT_ONCE // (width + 1))
        for first in range(0, header.records, at_once):
            rows = records[first : first + at_once, column : column + width]
            # One zero more per record keeps lists of neighbouring records apart.
            padded = np.zeros((len(rows), width + 1), np.uint8)
            padded[:, :width] = rows
            bare, seconds = _bare_stamps(padded)
            mine = stamps[first : first + len(rows)]
            new = bare & np.isnan(mine)
            mine[new] = seconds[new]
            if number:
                misplaced += int(np.count_nonzero(new))
            others = np.flatnonzero(~bare)
            data = padded[others].tobytes()
            lists = list(_lists(data))
            odd["damaged"] += _runs(padded[others]) - len(lists)
            for begin, end in lists:
                place, inside = divmod(begin, width + 1)
                record = first + int(others[place])
                entry = _read_list(data[begin:end], odd)
                if entry is None:
                    continue
                onset_s, duration_s, texts = entry
                if texts[0] == b"" and math.isnan(stamps[record]):
                    stamps[record] = onset_s
                    misplaced += bool(inside or number)
                annotations += [
                    (onset_s, duration_s, _read_text(text, odd)) for text in texts if text
                ]
    for name, (severity, words) in _ODD.items():
        if odd[name]:
            findings.append(
                Finding(
                    severity,  # type: ignore[arg-type]
                    "annotations",
                    f"{odd[name]} entries of the annotation signals {words}.",
                )
            )
    if misplaced:
        findings.append(
            Finding(
                "note",
                "time stamps",
                f"{misplaced} data records have their time stamp elsewhere than at the start of "
                "the first annotation signal; it was read from there.",
            )
        )
    annotations.sort(key=lambda entry: entry[0])
    return Stamped(stamps, annotations)


def _lists(data: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of each run of non-zero bytes with a 0x14 in it; zero bytes lie between them.

    Only these can be annotation lists. Samples that a wrong label makes annotations are mostly
    none, and to look at each of their runs would take minutes.
    """
    end = 0
    while (mark := data.find(b"\x14", end)) >= 0:
        begin = data.rfind(b"\x00", end, mark) + 1 or end
        end = data.find(b"\x00", mark)
        end = len(data) if end < 0 else end
        yield begin, end


def _runs(records: np.ndarray) -> int:
    """How many runs of non-zero bytes there are; each row of `records` ends with a zero byte."""
    filled = records.ravel() != 0
    return int(np.count_nonzero(filled[1:] & ~filled[:-1])) + bool(len(filled) and filled[0])


def _read_list(data: bytes, odd: Counter[str]) -> tuple[float, float, list[bytes]] | None:
    """Onset and duration in seconds and the texts of one list; None where it is none."""
    head, *texts = data.split(b"\x14")
    match = _ONSET.fullmatch(head)
    if match is None or not texts:
        odd["damaged"] += 1
        return None
    if texts[-1]:  # what follows the last 0x14 is no text, unless its own 0x14 is missing
        odd["cut"] += 1
    elif len(texts) > 1:
        texts.pop()
    onset, length = match.groups()
    onset_s = float(onset.replace(b",", b"."))
    odd["comma"] += b"," in onset
    odd["sign"] += onset[:1] not in (b"+", b"-")
    if abs(onset_s) > _LONGEST_S:
        odd["far"] += 1
        return None
    duration_s = 0.0
    if length:
        if _DURATION.fullmatch(length) and float(length.replace(b",", b".")) <= _LONGEST_S:
            duration_s = float(length.replace(b",", b"."))
            odd["comma"] += b"," in length
        else:
            odd["duration"] += 1
    return onset_s, duration_s, texts


def _read_text(data: bytes, odd: Counter[str]) -> str:
    text, clean = decode(data)
    odd["latin"] += not clean
    shorter = _CONTROL.sub("", text)
    odd["control"] += shorter != text
    return shorter


def _bare_stamps(records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which records hold a time stamp in whole seconds and nothing else, and the seconds.

    Nearly all do, and the general way takes ten times as long. `records` uint8 (n, bytes); returns
    bool (n,) and float64 (n,), undefined where False.
    """
    end = (records == 0x14).argmax(axis=1)
    row = np.arange(len(records))
    after = records[row, np.minimum(end + 1, records.shape[1] - 1)]
    # More than eight digits are a year and more: the general way names those.
    bare = (records[:, 0] == ord("+")) & (end >= 2) & (end <= 8) & (after == 0x14)
    bare &= np.count_nonzero(records, axis=1) == end + 2
    seconds = np.zeros(len(records))
    for column in range(1, int(end[bare].max(initial=0))):
        digit = records[:, column].astype(np.float64) - ord("0")
        inside = column < end
        bare &= ~inside | ((digit >= 0) & (digit <= 9))
        seconds = np.where(inside, 10 * seconds + digit, seconds)
    return bare, seconds


# ---------------------------------------------------------------- records in time


def place_records(header: EdfHeader, stamps: np.ndarray, findings: list[Finding]) -> Layout:
    """Lay the data records out by their time stamps; what was assumed is added to `findings`.

    `stamps` as in `Stamped`. Files without time stamps are laid out one record after the other.
    """
    count, record_s = header.records, header.record_s
    known = np.isfinite(stamps)
    if not count or not header.has_stamps or record_s == 0 or not (header.plus or known.any()):
        first = float(stamps[0]) if count and known[0] else 0.0
        return _in_a_row(count, record_s, first)

    def found(message: str) -> None:
        findings.append(Finding("repaired", "time stamps", message))

    if not known.all():
        found(
            f"{int((~known).sum())} of {count} data records carry no usable time stamp; they were "
            "taken to follow the record before them without a gap."
        )
    first = _first_stamp(stamps, known, record_s)
    even = first + np.arange(count) * record_s
    off = np.abs(np.where(known, stamps, even) - even)
    if not -1 < first < 1:
        findings.append(
            Finding(
                "note",
                "time stamps",
                f"The first data record starts {first:g} s after the start in the header, where "
                "less than a second is due; its own time was used.",
            )
        )
    tolerance = _tolerance(header)
    # Time stamps of continuous files may be rounded or drift; half a record is neither.
    if header.plus != "D" and off.max() <= 0.5 * record_s:
        if off.max() > max(tolerance, 0.02):
            findings.append(
                Finding(
                    "note",
                    "time stamps",
                    f"The time stamps of the continuous recording differ by up to {off.max():.3g} "
                    "s from the record duration; records were taken to follow each other.",
                )
            )
        return _in_a_row(count, record_s, first)
    return _in_segments(header, stamps, first, tolerance, findings)


def _in_a_row(count: int, record_s: float, first: float) -> Layout:
    segments = min(count, 1)
    return Layout(
        first,
        np.zeros(segments, np.int64),
        np.full(segments, count, np.int64),
        np.zeros(segments),
        (),
        count * record_s,
    )


def _tolerance(header: EdfHeader) -> float:
    """Seconds by which a record may miss its place and still follow the one before it."""
    most = max((s.samples for s in header.signals if not s.is_annotation), default=1)
    return max(0.5 * header.record_s / max(most, 1), 1e-3)


def _first_stamp(stamps: np.ndarray, known: np.ndarray, record_s: float) -> float:
    """Where the first record starts; a first stamp that nearly all others precede is damaged."""
    places = np.flatnonzero(known)
    for index in places[:2]:
        first = float(stamps[index]) - int(index) * record_s
        if 2 * np.count_nonzero(stamps[places] < first) <= len(places):
            return first
    return 0.0


def _in_segments(
    header: EdfHeader,
    stamps: np.ndarray,
    first: float,
    tolerance: float,
    findings: list[Finding],
) -> Layout:
    """Records placed by their own time stamps, as segments without interruption."""
    record_s = header.record_s
    starts, times, wild, drifting = _breaks(stamps - first, record_s, tolerance)

    def found(message: str) -> None:
        findings.append(Finding("repaired", "time stamps", message))

    if wild:
        found(
            f"{wild} data records carry a time stamp before the recording's start, or one that "
            "neither neighbour fits; they were taken to follow the record before them."
        )
    records = np.diff([*starts, len(stamps)])
    order = np.argsort(times, kind="stable")
    segment_first = np.asarray(starts, np.int64)[order]
    segment_records = records.astype(np.int64)[order]
    segment_s = np.asarray(times)[order]
    ends = np.maximum.accumulate(segment_s + segment_records * record_s)
    space = segment_s[1:] - ends[:-1]
    jump = ~np.asarray(drifting, bool)[order][1:]
    if jump.any() and header.plus != "D":
        found(
            "The header says that the recording is continuous, but the time stamps of its "
            "records jump; records were placed by their time stamps."
        )
    if not jump.all():
        found(
            "The time stamps drift against the record duration, by "
            f"{float(np.abs(space[~jump]).sum()):.3g} s in all; records were placed by their time "
            "stamps."
        )
    if (np.diff(order) < 0).any() or (space[jump] < -tolerance).any():
        found(
            "Time stamps of data records run backwards or records overlap in time; records were "
            "sorted, and where two overlap the one that starts later was kept."
        )
    gaps = tuple(
        Gap(float(ends[index]), float(space[index]))
        for index in np.flatnonzero((space > tolerance) & jump)
    )
    if gaps:
        findings.append(
            Finding(
                "note",
                "gaps",
                f"The recording was interrupted {len(gaps)} times, for "
                f"{sum(gap.duration_s for gap in gaps):g} s in all; the gaps were kept.",
            )
        )
    return Layout(first, segment_first, segment_records, segment_s, gaps, float(ends[-1]))


def _breaks(
    placed: np.ndarray, record_s: float, tolerance: float
) -> tuple[list[int], list[float], int, list[bool]]:
    """Where segments begin, and when; how many stamps are damaged; which breaks are mere drift.

    `placed`: time stamps in seconds from the first record's start, NaN where there is none.
    """
    starts, times, drifting, wild = [0], [0.0], [False], 0
    count = len(placed)
    index, step = 0, 64
    while index < count:
        stop = min(count, index + step)
        due = times[-1] + (np.arange(index, stop) - starts[-1]) * record_s
        with np.errstate(invalid="ignore"):
            off = np.flatnonzero(np.abs(placed[index:stop] - due) > tolerance)
        if not len(off):
            index, step = stop, min(2 * step, 1 << 16)
            continue
        expected = float(due[off[0]])
        index += int(off[0])
        here = float(placed[index])
        if here < 0 or _is_alone(placed, index, expected, record_s, tolerance):
            wild += 1
        elif index == 0:
            times[0] = here
        else:
            before = float(placed[index - 1])
            starts.append(index)
            times.append(here)
            # A step that alone would be no break: the deviation has grown from record to record.
            drifting.append(
                abs(here - before - record_s) <= tolerance and abs(here - expected) <= 2 * tolerance
            )
        index, step = index + 1, 64
    return starts, times, wild, drifting


def _is_alone(
    placed: np.ndarray, index: int, expected: float, record_s: float, tolerance: float
) -> bool:
    """Whether the record after this one lies as if this one's stamp were not there."""
    if index + 1 >= len(placed) or math.isnan(placed[index + 1]):
        return False
    return abs(float(placed[index + 1]) - (expected + record_s)) <= tolerance
