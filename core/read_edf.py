"""EDF, EDF+, BDF and BDF+ files, opened lazily and truthfully.

Our own check reads the header first and names every deviation that it meets. Where nothing is
wrong, pyedflib confirms the header once, under a lock, and closes the file again (its C code has
crashed on corrupted headers, so it never sees one that our check has not passed). Samples come
from a memory map over the data records and are calibrated on the way out, channel by channel.

Source of the formats: https://www.edfplus.info/specs/edf.html and .../edfplus.html; BDF is the
same with 24-bit samples.
"""

from __future__ import annotations

import gzip
import math
import os
import re
import shutil
import tempfile
import threading
import weakref
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from core.errors import RecordingError
from core.recording import (
    SIMULATED_FIELD,
    Annotation,
    Channel,
    Finding,
    Gap,
    Severity,
    SignalFile,
)

_FIXED = 256  # bytes of the header's first part, and of each signal's share of the second
_SIGNAL_FIELDS = (
    ("label", 16),
    ("transducer", 80),
    ("unit", 8),
    ("physical minimum", 8),
    ("physical maximum", 8),
    ("digital minimum", 8),
    ("digital maximum", 8),
    ("prefilter", 80),
    ("samples per record", 8),
    ("reserved", 32),
)
_ANNOTATION_LABELS = ("EDF Annotations", "BDF Annotations")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,8}", re.ASCII)
_DATE = re.compile(r"(\d{1,2})[.:/ -](\d{1,2})[.:/ -](\d{2})", re.ASCII)
_STARTDATE = re.compile(r"Startdate (\d{1,2})-([A-Za-z]{3})-(\d{4})", re.ASCII)
_TOKEN = re.compile(rb"[^\x00]+")
_ONSET = re.compile(rb"([+-]?\d{1,12}(?:\.\d*)?)(?:\x15(\d{1,12}(?:\.\d*)?)?)?")
_LONGEST_S = 366 * 86400.0
_LARGEST_LIMIT = 1e30  # beyond, float32 overflows
_SAMPLES_AT_ONCE = 1 << 16  # calibrated while still in the processor's cache
_ANNOTATION_BYTES_AT_ONCE = 1 << 24

_pyedflib_lock = threading.Lock()
_Found = Callable[[Severity, str, str], None]


@dataclass(frozen=True)
class _Signal:
    """One signal of the header. `column` counts samples from the start of a data record."""

    label: str
    unit: str
    samples: int
    column: int
    is_annotation: bool
    gain: float
    offset: float
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True)
class _Header:
    is_bdf: bool
    plus: str  # "", "C" or "D"
    start: datetime | None
    records: int
    record_s: float
    signals: tuple[_Signal, ...]
    header_bytes: int
    record_samples: int

    @property
    def width(self) -> int:
        return 3 if self.is_bdf else 2

    @property
    def format(self) -> str:
        return ("BDF" if self.is_bdf else "EDF") + (f"+{self.plus}" if self.plus else "")


def open_edf(path: Path | str, time_zone: str | None = None) -> EdfFile:
    """Open an EDF, EDF+, BDF or BDF+ file, also gzip-compressed.

    Clock times are those of `time_zone` (a name such as `Europe/Berlin`), UTC if left out. Every
    deviation from the format is one of the file's `findings`. Raises RecordingError, with the true
    reason, where no truthful reading is possible.
    """
    path = Path(path)
    zone = find_zone(time_zone)
    plain, is_copy = _unpacked(path)
    try:
        return EdfFile(path, plain, is_copy, zone)
    except BaseException:
        if is_copy:
            _remove(plain)
        raise


def find_zone(name: str | None) -> ZoneInfo | None:
    """The time zone of that name; None, meaning UTC, for None. RecordingError for other names."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RecordingError(
            f"There is no time zone '{name}'; write it as 'Europe/Berlin' or 'UTC'."
        ) from None


class EdfFile(SignalFile):
    """An open EDF or BDF file. Holds no samples and, for most files, no open file either."""

    def __init__(self, path: Path, plain: Path, is_copy: bool, zone: ZoneInfo | None) -> None:
        findings: list[Finding] = []
        self.path = path
        self._plain = plain
        if is_copy:
            weakref.finalize(self, _remove, plain)
        self._map: np.ndarray | None = None
        self._header = header = _check_header(path, plain, findings)
        self.format = header.format
        if (
            all(f.field == SIMULATED_FIELD for f in findings)
            and header.records > 0
            and header.plus != "D"
        ):
            findings += _confirm_with_pyedflib(plain, header)
        stamps, raw = self._read_annotations(findings)
        first = self._place_records(stamps, findings)
        self.annotations = tuple(
            Annotation(onset - first, duration, text) for onset, duration, text in raw
        )
        self.has_clock = header.start is not None
        self.start_s = 0.0
        if header.start is not None:
            self.start_s = header.start.replace(tzinfo=zone or UTC).timestamp() + first
        self._signals = tuple(
            signal for signal in header.signals if not signal.is_annotation and signal.samples > 0
        )
        self.channels = tuple(self._channel(signal) for signal in self._signals)
        self.findings = tuple(findings)

    # -- samples

    def read(self, channel: int, start: int, stop: int) -> np.ndarray:
        """Samples `start` to `stop` of a channel, float32 in its unit; NaN where nothing was
        recorded. Shape (stop - start,)."""
        if stop < start:
            raise ValueError(f"stop {stop} lies before start {start}")
        signal = self._signals[channel]
        firsts = np.rint(self._segment_s * (signal.samples / self._record_s)).astype(np.int64)
        lengths = self._segment_records * signal.samples
        touched = np.flatnonzero((firsts < stop) & (firsts + lengths > start))
        whole = len(touched) == 1 and firsts[touched[0]] <= start
        if whole and firsts[touched[0]] + lengths[touched[0]] >= stop:
            out = np.empty(stop - start, np.float32)
        else:
            out = np.full(stop - start, np.nan, np.float32)
        for index in touched:
            low = max(start, int(firsts[index]))
            high = min(stop, int(firsts[index] + lengths[index]))
            begin = int(self._segment_first[index]) * signal.samples + low - int(firsts[index])
            self._calibrate(signal, begin, out[low - start : high - start])
        return out

    def _calibrate(self, signal: _Signal, begin: int, out: np.ndarray) -> None:
        """Fill `out` with a signal's samples from number `begin` on, as if there were no gaps."""
        data = self._mapped()
        per_record = signal.samples
        done = 0
        while done < len(out):
            record, inside = divmod(begin + done, per_record)
            left = len(out) - done
            if inside or left < per_record:
                rows, count = 1, min(per_record - inside, left, _SAMPLES_AT_ONCE)
            else:
                rows = max(1, min(left, _SAMPLES_AT_ONCE) // per_record)
                count = per_record if rows > 1 else min(per_record, _SAMPLES_AT_ONCE)
            column = signal.column + inside
            part = out[done : done + rows * count]
            target = part.reshape(rows, count)
            if self._header.is_bdf:
                raw = data[record : record + rows, 3 * column : 3 * (column + count)]
                wide = np.empty((rows, count), "<i4")
                # The three bytes become the upper ones, and the shift brings the sign down.
                wide.view(np.uint8).reshape(rows, count, 4)[..., 1:] = raw.reshape(rows, count, 3)
                wide >>= 8
                target[...] = wide
            else:
                target[...] = data[record : record + rows, column : column + count]
            if signal.gain != 1.0:
                part *= np.float32(signal.gain)
            if signal.offset != 0.0:
                part += np.float32(signal.offset)
            done += rows * count

    def _mapped(self) -> np.ndarray:
        """All records, memory-mapped: (records, samples) int16, or (records, bytes) for BDF."""
        data = self._map
        if data is None:
            header = self._header
            words = header.record_samples * (3 if header.is_bdf else 1)
            try:
                data = np.memmap(
                    self._plain,
                    np.uint8 if header.is_bdf else np.dtype("<i2"),
                    "r",
                    offset=header.header_bytes,
                    shape=(header.records, words),
                ).view(np.ndarray)
            except (OSError, ValueError) as error:
                raise RecordingError(
                    f"{self.path}: the file can no longer be read ({error}); was it moved or "
                    "changed while it was open?"
                ) from None
            self._map = data
            _keep_mapped(self)
        return data

    def _channel(self, signal: _Signal) -> Channel:
        rate_hz = signal.samples / self._record_s
        ends = np.rint(self._segment_s * rate_hz).astype(np.int64)
        ends += self._segment_records * signal.samples
        samples = int(ends.max()) if len(ends) else 0
        return Channel(signal.label, signal.unit, rate_hz, samples, signal.minimum, signal.maximum)

    # -- annotations and time stamps

    def _read_annotations(
        self, findings: list[Finding]
    ) -> tuple[np.ndarray, list[tuple[float, float, str]]]:
        """Time stamp of each record (NaN where it has none) and all annotations, sorted by time."""
        header = self._header
        stamps = np.full(header.records, np.nan)
        signals = [s for s in header.signals if s.is_annotation and s.samples > 0]
        raw: list[tuple[float, float, str]] = []
        damaged = not_utf8 = 0
        for number, signal in enumerate(signals if header.records else []):
            width = signal.samples * header.width
            data = self._mapped().view(np.uint8)
            column = signal.column * header.width
            at_once = max(1, _ANNOTATION_BYTES_AT_ONCE // (width + 1))
            for first in range(0, header.records, at_once):
                rows = data[first : first + at_once, column : column + width]
                # One zero more per record keeps lists of neighbouring records apart.
                padded = np.zeros((len(rows), width + 1), np.uint8)
                padded[:, :width] = rows
                bare, seconds = _bare_stamps(padded)
                if number == 0 and header.plus:
                    stamps[first : first + len(rows)][bare] = seconds[bare]
                others = np.flatnonzero(~bare)
                for match in _TOKEN.finditer(padded[others].tobytes()):
                    place, inside = divmod(match.start(), width + 1)
                    head, *texts = match.group().split(b"\x14")
                    onset = _ONSET.fullmatch(head)
                    if onset is None or not texts:
                        damaged += 1
                        continue
                    time_s = float(onset.group(1))
                    if inside == 0 and number == 0 and header.plus and texts[0] == b"":
                        stamps[first + others[place]] = time_s
                    for text in texts:
                        if text:
                            decoded, clean = _decode(text)
                            not_utf8 += not clean
                            raw.append((time_s, float(onset.group(2) or 0), decoded))
        if damaged:
            findings.append(
                Finding(
                    "repaired",
                    "annotations",
                    f"{damaged} entries of the annotation signals are not time-stamped lists as "
                    "EDF+ has them; they were passed over.",
                )
            )
        if not_utf8:
            findings.append(
                Finding(
                    "note",
                    "annotations",
                    f"{not_utf8} annotations are not UTF-8 text; they were read as Latin-1.",
                )
            )
        raw.sort(key=lambda entry: entry[0])
        return stamps, raw

    def _place_records(self, stamps: np.ndarray, findings: list[Finding]) -> float:
        """Lay the records out in time; returns the first time stamp, in seconds after the start
        that the header gives. Sets segments, gaps and the duration."""
        header = self._header
        self._record_s = record_s = header.record_s
        count = header.records
        self._segment_first = np.zeros(min(count, 1), np.int64)
        self._segment_records = np.full(min(count, 1), count, np.int64)
        self._segment_s = np.zeros(min(count, 1))
        self.gaps: tuple[Gap, ...] = ()
        self.duration_s = count * record_s
        if not header.plus or not count:
            return 0.0
        # No recording lasts a year: such a stamp is damage, and would make the file endless.
        stamps = np.where(np.abs(stamps) <= _LONGEST_S, stamps, np.nan)
        known = np.isfinite(stamps)
        if record_s == 0:
            return float(stamps[0]) if known[0] else 0.0
        if not known.all():
            findings.append(
                Finding(
                    "repaired",
                    "time stamps",
                    f"{int((~known).sum())} of {count} data records carry no usable time stamp; "
                    "they were taken to follow the record before them without a gap.",
                )
            )
        first = 0.0
        if known.any():
            index = int(np.argmax(known))
            first = float(stamps[index]) - index * record_s
        even = first + np.arange(count) * record_s
        off = np.abs(np.where(known, stamps, even) - even)
        if header.plus == "C":
            # Time stamps of continuous files may be rounded or drift; half a record is neither.
            if off.max() <= 0.5 * record_s:
                return first
            findings.append(
                Finding(
                    "repaired",
                    "time stamps",
                    "The header says that the recording is continuous, but the time stamps of its "
                    "records jump; records were placed by their time stamps.",
                )
            )
        self._place_segments(stamps, first, findings)
        return first

    def _place_segments(self, stamps: np.ndarray, first: float, findings: list[Finding]) -> None:
        record_s = self._record_s
        most = max((s.samples for s in self._header.signals if not s.is_annotation), default=1)
        tolerance = max(0.5 * record_s / max(most, 1), 1e-3)
        starts = [0]
        times = [0.0]
        wild = 0
        for index, stamp in enumerate(stamps.tolist()):
            expected = times[-1] + (index - starts[-1]) * record_s
            placed = stamp - first
            if math.isnan(placed) or abs(placed - expected) <= tolerance:
                continue
            if placed < 0:
                wild += 1
                continue
            if index == 0:
                times[0] = placed
                continue
            starts.append(index)
            times.append(placed)
        if wild:
            findings.append(
                Finding(
                    "repaired",
                    "time stamps",
                    f"{wild} data records carry a time stamp before the recording's start; "
                    "they were taken to follow the record before them.",
                )
            )
        records = np.diff([*starts, len(stamps)])
        order = np.argsort(times, kind="stable")
        self._segment_first = np.asarray(starts, np.int64)[order]
        self._segment_records = records.astype(np.int64)[order]
        self._segment_s = np.asarray(times)[order]
        backward = int((np.diff(order) < 0).sum())
        ends = np.maximum.accumulate(self._segment_s + self._segment_records * record_s)
        space = self._segment_s[1:] - ends[:-1]
        if backward or (space < -tolerance).any():
            findings.append(
                Finding(
                    "repaired",
                    "time stamps",
                    "Time stamps of data records run backwards or records overlap in time; records "
                    "were sorted, and where two overlap the one that starts later was kept.",
                )
            )
        self.gaps = tuple(
            Gap(float(ends[index]), float(space[index]))
            for index in np.flatnonzero(space > tolerance)
        )
        self.duration_s = float(ends[-1])
        if self.gaps:
            findings.append(
                Finding(
                    "note",
                    "gaps",
                    f"The recording was interrupted {len(self.gaps)} times, for "
                    f"{sum(gap.duration_s for gap in self.gaps):g} s in all; the gaps were kept.",
                )
            )


def _bare_stamps(records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which records hold a time stamp in whole seconds and nothing else, and the seconds.

    Nearly all do, and the general way takes ten times as long. `records` uint8 (n, bytes); returns
    bool (n,) and float64 (n,), undefined where False.
    """
    end = (records == 0x14).argmax(axis=1)
    row = np.arange(len(records))
    after = records[row, np.minimum(end + 1, records.shape[1] - 1)]
    bare = (records[:, 0] == ord("+")) & (end >= 2) & (end <= 13) & (after == 0x14)
    bare &= np.count_nonzero(records, axis=1) == end + 2
    seconds = np.zeros(len(records))
    for column in range(1, int(end[bare].max(initial=0))):
        digit = records[:, column].astype(np.float64) - ord("0")
        inside = column < end
        bare &= ~inside | ((digit >= 0) & (digit <= 9))
        seconds = np.where(inside, 10 * seconds + digit, seconds)
    return bare, seconds


# ---------------------------------------------------------------- memory maps

# A mapping keeps a file descriptor, and a study may have more recordings than a process may have
# descriptors: the oldest mappings are let go and made anew when they are needed.
_MAPS_KEPT = 64
_mapped_files: deque[weakref.ref[EdfFile]] = deque()
_maps_lock = threading.Lock()


def _keep_mapped(file: EdfFile) -> None:
    with _maps_lock:
        _mapped_files.append(weakref.ref(file))
        while len(_mapped_files) > _MAPS_KEPT:
            oldest = _mapped_files.popleft()()
            if oldest is not None and oldest is not file:
                oldest._map = None  # arrays in use in other threads keep their mapping


def _unpacked(path: Path) -> tuple[Path, bool]:
    """The file itself, or a temporary unpacked copy of a gzip-compressed one and True."""
    try:
        with path.open("rb") as stream:
            magic = stream.read(2)
    except OSError as error:
        raise RecordingError(_cannot_read(path, error)) from None
    if magic != b"\x1f\x8b":
        return path, False
    handle, name = tempfile.mkstemp(prefix="crossl_", suffix=".edf")
    copy = Path(name)
    try:
        with os.fdopen(handle, "wb") as out, gzip.open(path) as packed:
            shutil.copyfileobj(packed, out, 1 << 20)
    except (OSError, EOFError, zlib.error) as error:
        _remove(copy)
        raise RecordingError(f"{path}: the file cannot be unpacked ({error}).") from None
    except BaseException:
        _remove(copy)
        raise
    return copy, True


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _cannot_read(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: there is no such file."
    if isinstance(error, IsADirectoryError) or path.is_dir():
        return f"{path}: this is a folder, not a recording."
    return f"{path}: the file cannot be read ({error.strerror or error})."


# ---------------------------------------------------------------- header


def _check_header(path: Path, plain: Path, findings: list[Finding]) -> _Header:
    """Read the header field by field; what is wrong becomes a finding or a RecordingError."""
    try:
        size = plain.stat().st_size
        with plain.open("rb") as stream:
            fixed = stream.read(_FIXED)
            is_bdf, signal_count = _check_start(path, fixed, size)
            table = stream.read(signal_count * _FIXED)
    except OSError as error:
        raise RecordingError(_cannot_read(path, error)) from None

    def found(severity: Severity, field: str, message: str) -> None:
        findings.append(Finding(severity, field, message))

    header_bytes = _FIXED * (signal_count + 1)
    stated = _text(fixed[184:192])
    if _integer(stated) != header_bytes:
        found(
            "repaired",
            "header length",
            f"The header gives its length as '{_shown(stated)}', but with {signal_count} signals "
            f"it is {header_bytes} bytes; that was used.",
        )
    record_s = _number(_text(fixed[244:252]), "record duration", found)
    if record_s is None or record_s < 0 or not math.isfinite(record_s) or record_s > 1e9:
        raise RecordingError(
            f"{path}: the header gives '{_shown(_text(fixed[244:252]))}' as the duration of a data "
            "record, so the rates of the signals cannot be known."
        )
    columns: list[list[bytes]] = []
    place = 0
    for _, length in _SIGNAL_FIELDS:
        columns.append(
            [table[place + i * length : place + (i + 1) * length] for i in range(signal_count)]
        )
        place += signal_count * length
    transducers = columns[1]
    if any(_text(value).startswith("SIMULATED") for value in transducers):
        found("note", SIMULATED_FIELD, "The signals are simulated, not measured on a person.")
    reserved = _text(fixed[192:236])
    plus = _plus(reserved, is_bdf, found)
    signals: list[_Signal] = []
    column = 0
    for number in range(signal_count):
        signal = _signal(
            path, number, [values[number] for values in columns], column, is_bdf, found
        )
        column += signal.samples
        signals.append(signal)
    has_annotations = any(signal.is_annotation for signal in signals)
    if has_annotations and not plus:
        found(
            "note",
            "reserved",
            "The header does not say that this is EDF+ or BDF+, but there is an annotation signal; "
            "it was read as annotations.",
        )
    if plus and not has_annotations:
        lost = "; gaps between its records cannot be known" if plus == "D" else ""
        found(
            "repaired",
            "signals",
            f"The header says {'BDF' if is_bdf else 'EDF'}+{plus}, but there is no annotation "
            f"signal{lost}.",
        )
    names = [signal.label for signal in signals if not signal.is_annotation]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        found("note", "label", f"Several signals have the same label: {', '.join(twice)}.")
    if record_s == 0 and any(not s.is_annotation and s.samples for s in signals):
        raise RecordingError(
            f"{path}: the header gives 0 s as the duration of a data record although there are "
            "signals, so their rates cannot be known."
        )
    start = _start(fixed, bool(plus), found)
    record_bytes = column * (3 if is_bdf else 2)
    records = _record_count(path, plain, fixed, header_bytes, record_bytes, size, found)
    return _Header(is_bdf, plus, start, records, record_s, tuple(signals), header_bytes, column)


def _check_start(path: Path, fixed: bytes, size: int) -> tuple[bool, int]:
    """Whether it is BDF, and the number of signals; RecordingError for what is neither."""
    if size == 0:
        raise RecordingError(f"{path}: the file is empty (0 bytes); was the copy interrupted?")
    start = fixed.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        raise RecordingError(
            f"{path}: this is a web page, not a recording; the download gave an error or a log-in "
            "page. Download it again."
        )
    if fixed.startswith(b"PK\x03\x04"):
        raise RecordingError(f"{path}: this is a zip archive; unpack it first.")
    is_bdf = fixed.startswith(b"\xffBIOSEMI")
    if not is_bdf and fixed[:8].rstrip(b" \x00") != b"0":
        raise RecordingError(
            f"{path}: this is neither an EDF nor a BDF file: it begins neither with version 0 nor "
            "with BIOSEMI."
        )
    if len(fixed) < _FIXED:
        raise RecordingError(
            f"{path}: the file ends inside its header, after {size} bytes of at least {_FIXED}."
        )
    text = _text(fixed[252:256])
    count = _integer(text)
    if count is None or count < 0:
        raise RecordingError(
            f"{path}: the header gives '{_shown(text)}' as the number of signals; it is damaged."
        )
    if _FIXED * (count + 1) > size:
        raise RecordingError(
            f"{path}: the header announces {count} signals, which takes "
            f"{_FIXED * (count + 1)} bytes, but the file has only {size}."
        )
    return is_bdf, count


def _plus(reserved: str, is_bdf: bool, found: _Found) -> str:
    """ "C" or "D" for EDF+ and BDF+, "" for plain files."""
    kind = reserved[:5].upper()
    if kind not in ("EDF+C", "EDF+D", "BDF+C", "BDF+D"):
        return ""
    if kind.startswith("BDF") != is_bdf:
        found(
            "repaired",
            "reserved",
            f"The reserved field of this {'BDF' if is_bdf else 'EDF'} file says {kind}; it was "
            f"read as {'BDF' if is_bdf else 'EDF'}{kind[3:]}.",
        )
    return kind[4]


def _signal(
    path: Path, number: int, fields: list[bytes], column: int, is_bdf: bool, found: _Found
) -> _Signal:
    label, clean = _decode(fields[0].strip(b" \x00\t"))
    label = "".join(sign for sign in label if sign.isprintable()).strip()
    unit, _ = _decode(fields[2].strip(b" \x00\t"))
    unit = "".join(sign for sign in unit if sign.isprintable()).strip()
    if any(byte > 126 for byte in fields[0]):
        how = "read as UTF-8" if clean else "neither ASCII nor UTF-8 and was read as Latin-1"
        found("note", "label", f"The label of signal {number + 1} is not ASCII: {label} ({how}).")
    is_annotation = label in _ANNOTATION_LABELS
    if not label:
        label = f"signal {number + 1}"
        found("repaired", "label", f"Signal {number + 1} has no label; it was called '{label}'.")
    name = f"signal {number + 1} ({label})"
    samples = _integer(_text(fields[8]))
    if samples is None or samples < 0:
        raise RecordingError(
            f"{path}: the header gives '{_shown(_text(fields[8]))}' as the number of samples of "
            f"{name} in a data record, so the records cannot be told apart."
        )
    if is_annotation:
        return _Signal(label, unit, samples, column, True, 1.0, 0.0, None, None)
    if samples == 0:
        found("unreadable", "samples per record", f"The header gives no samples to {name}.")
    values = [_number(_text(fields[i]), f"{_SIGNAL_FIELDS[i][0]} of {name}", found) for i in
              (3, 4, 5, 6)]  # fmt: skip
    reason = ""
    if any(value is None or abs(value) > _LARGEST_LIMIT for value in values):
        reason = "a physical or digital limit is not a number"
    else:
        low, high, digital_low, digital_high = (float(value or 0) for value in values)
        if digital_low == digital_high:
            reason = f"digital minimum and maximum are both {digital_low:g}"
        elif low == high:
            reason = f"physical minimum and maximum are both {low:g}"
    if reason:
        found(
            "uncalibrated",
            "calibration",
            f"{name} cannot be calibrated, because {reason}; its values are the raw digital ones.",
        )
        return _Signal(label, "", samples, column, False, 1.0, 0.0, None, None)
    if digital_low > digital_high:
        found(
            "note",
            "digital limits",
            f"The digital minimum of {name} is above its maximum; the calibration is the straight "
            "line through both all the same.",
        )
    least, most = (-(1 << 23), (1 << 23) - 1) if is_bdf else (-(1 << 15), (1 << 15) - 1)
    gain = (high - low) / (digital_high - digital_low)
    offset = low - gain * digital_low
    ends = sorted((digital_low, digital_high))
    if ends[0] < least or ends[1] > most:
        found(
            "note",
            "digital limits",
            f"The digital limits of {name}, {ends[0]:g} to {ends[1]:g}, lie outside its "
            f"{24 if is_bdf else 16}-bit samples; the calibration is the straight line through "
            "them all the same.",
        )
        ends = [max(ends[0], float(least)), min(ends[1], float(most))]
    # What `read` gives for a sample on the limit, so that a comparison is exact.
    limits = sorted(
        float(np.float32(np.float32(end) * np.float32(gain)) + np.float32(offset)) for end in ends
    )
    if ends[0] > ends[1] or abs(gain) < 1e-37:
        return _Signal(label, unit, samples, column, False, gain, offset, None, None)
    return _Signal(label, unit, samples, column, False, gain, offset, limits[0], limits[1])


def _start(fixed: bytes, plus: bool, found: _Found) -> datetime | None:
    """Clock time of the header's start; None, with a finding, where date or time is impossible."""
    date, time = _text(fixed[168:176]), _text(fixed[176:184])
    for text, field in ((date, "start date"), (time, "start time")):
        if _DATE.fullmatch(text) and not re.fullmatch(r"\d\d\.\d\d\.\d\d", text, re.ASCII):
            found(
                "note",
                field,
                f"The {field} is written '{text}' where two digits, dot, two digits, dot, two "
                "digits are due.",
            )
    clock = _DATE.fullmatch(time)
    day = _DATE.fullmatch(date)
    when: datetime | None = None
    if day:
        year = int(day.group(3))
        when = _make_date(year + (1900 if year >= 85 else 2000), int(day.group(2)),
                          int(day.group(1)))  # fmt: skip
    full = _STARTDATE.match(_text(fixed[88:168])) if plus else None
    if full and full.group(2).upper() in _MONTHS:
        month = _MONTHS.index(full.group(2).upper()) + 1
        exact = _make_date(int(full.group(3)), month, int(full.group(1)))
        if exact is not None and exact != when:
            found(
                "repaired",
                "start date",
                "The start date of the first field does not agree with the one in the recording "
                "field, which has the full year; the latter was used.",
            )
            when = exact
    if when is None:
        found(
            "repaired",
            "start date",
            f"'{_shown(date)}' is not a date; the recording has no place on the clock.",
        )
        return None
    if clock is None or not _is_time(*(int(part) for part in clock.groups())):
        found(
            "repaired",
            "start time",
            f"'{_shown(time)}' is not a time of day; the recording has no place on the clock.",
        )
        return None
    hour, minute, second = (int(part) for part in clock.groups())
    return when.replace(hour=hour, minute=minute, second=second)


def _make_date(year: int, month: int, day: int) -> datetime | None:
    try:
        return datetime(year, month, day)
    except ValueError:
        return None


def _is_time(hour: int, minute: int, second: int) -> bool:
    return hour < 24 and minute < 60 and second < 60


def _record_count(
    path: Path,
    plain: Path,
    fixed: bytes,
    header_bytes: int,
    record_bytes: int,
    size: int,
    found: _Found,
) -> int:
    """Number of whole records in the file, told apart from what the header says."""
    text = _text(fixed[236:244])
    stated = _integer(text)
    if record_bytes == 0:
        found("note", "signals", "The file has no signals and no annotations.")
        return 0
    whole, rest = divmod(size - header_bytes, record_bytes)
    if rest or stated != whole:
        _refuse_crlf(path, plain, header_bytes)
    if stated is None or stated < -1:
        found(
            "repaired",
            "record count",
            f"'{_shown(text)}' is not a number of records; the file holds {whole}.",
        )
    elif stated == -1:
        found(
            "repaired",
            "record count",
            "The header gives -1 as the number of records, as while recording; the file holds "
            f"{whole}.",
        )
    elif stated != whole:
        found(
            "repaired",
            "record count",
            f"The header announces {stated} records, but the file holds {whole}; those were used.",
        )
    if rest:
        if stated == whole:
            what = f"After the last record come {rest} bytes that belong to none; they were left."
        else:
            what = f"The last record has only {rest} of {record_bytes} bytes; it was dropped."
        found("repaired", "data records", what)
    if whole == 0:
        found("note", "record count", "The file has a header but no data records: 0 samples.")
    return whole


def _refuse_crlf(path: Path, plain: Path, header_bytes: int) -> None:
    """Tell a file whose line feeds became CR LF from one that merely has another length."""
    with plain.open("rb") as stream:
        stream.seek(header_bytes)
        data = stream.read(1 << 22)
    feeds = data.count(b"\n")
    if feeds >= 32 and data.count(b"\r\n") == feeds:
        raise RecordingError(
            f"{path}: every line feed in the samples became carriage return and line feed, as "
            "happens when a file is sent as text; the samples are damaged. Copy the file again in "
            "binary mode."
        )


def _text(field: bytes) -> str:
    return field.decode("latin-1").strip(" \x00\t")


def _shown(text: str) -> str:
    """A header field, safe to print. Never used on the patient or recording field."""
    return "".join(sign if sign.isprintable() and ord(sign) < 127 else "?" for sign in text)


def _decode(data: bytes) -> tuple[str, bool]:
    """Text, and whether it was UTF-8; Latin-1 otherwise."""
    try:
        return data.decode("utf-8"), True
    except UnicodeDecodeError:
        return data.decode("latin-1"), False


def _integer(text: str) -> int | None:
    if _INTEGER.fullmatch(text):
        return int(text)
    value = float(text) if _NUMBER.fullmatch(text) and "," not in text else math.nan
    return int(value) if value.is_integer() and abs(value) < 1e8 else None


def _number(text: str, field: str, found: _Found) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    if "," in text:
        found(
            "repaired",
            field.split(" of ")[0],
            f"The {field} is written with a decimal comma, '{text}'; it was read as "
            f"{text.replace(',', '.')}.",
        )
    value = float(text.replace(",", "."))
    return value if math.isfinite(value) else None


# ---------------------------------------------------------------- pyedflib


def _confirm_with_pyedflib(plain: Path, header: _Header) -> list[Finding]:
    """What pyedflib's stricter check says about a header that ours has passed."""
    import pyedflib

    with _pyedflib_lock:
        try:
            reader = pyedflib.EdfReader(str(plain), pyedflib.DO_NOT_READ_ANNOTATIONS)
        except OSError as error:
            reason = str(error).rpartition(": ")[2].strip() or "no reason given"
            return [Finding("note", "header", f"pyedflib refuses this file: {reason}.")]
        try:
            signals = [s for s in header.signals if not s.is_annotation]
            same = reader.signals_in_file == len(signals) and np.allclose(
                reader.getSampleFrequencies(),
                [s.samples / header.record_s for s in signals] if header.record_s else [],
                rtol=1e-6,
            )
        finally:
            reader.close()
    if same:
        return []
    return [Finding("note", "header", "pyedflib reads other signals or rates from this header.")]
