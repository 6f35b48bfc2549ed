"""EDF, EDF+, BDF and BDF+ files, opened lazily and truthfully.

Our own check reads the header first and names every deviation that it meets. Where nothing is
wrong, pyedflib confirms header and annotations once, under a lock, and closes the file again (its
C code has crashed on corrupted headers, so it never sees one that our check has not passed).
Samples come from a memory map over the data records and are calibrated on the way out, channel by
channel.

What a program needs that writes a file anew is public here: `EdfFile.header` (fields as written
and as understood), `EdfFile.start`, `EdfFile.record_starts_s`, `EdfFile.raw_records`,
`EdfFile.read_digital` and `EdfFile.read_digital_records`.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from core.edf_annotations import place_records, read_annotations
from core.edf_header import EdfHeader, EdfSignal, read_header
from core.errors import RecordingError
from core.recording import SIMULATED_FIELD, Annotation, Channel, Finding, SignalFile
from core.unpack_cache import release, unpacked

_SAMPLES_AT_ONCE = 1 << 16  # calibrated while still in the processor's cache
_CONFIRMED_BYTES = 1 << 28  # of data records, 0.1 s of pyedflib's time

_pyedflib_lock = threading.Lock()


def open_edf(path: Path | str, time_zone: str | None = None) -> EdfFile:
    """Open an EDF, EDF+, BDF or BDF+ file, also gzip-compressed.

    Clock times are those of `time_zone` (a name such as `Europe/Berlin`), UTC if left out. Every
    deviation from the format is one of the file's `findings`. Raises RecordingError, with the true
    reason, where no truthful reading is possible.
    """
    path = Path(path)
    zone = find_zone(time_zone)
    plain = unpacked(path)
    try:
        return EdfFile(path, plain, zone)
    except BaseException:
        release(plain)
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
    """An open EDF or BDF file. Holds no samples and, for most files, no open file either.

    Attributes, beside those of SignalFile
    ----------
    header: all header fields, as written and as understood; see `EdfHeader`.
    signals: the header's signal of each channel, in the order of `channels`.
    start: date and time of the first sample, with its fraction of a second, of no zone; None where
        the file gives none.
    layout: where the data records lie in time, as uninterrupted segments; see `Layout`.
    """

    def __init__(self, path: Path, plain: Path, zone: ZoneInfo | None) -> None:
        findings: list[Finding] = []
        self.path = path
        self._plain = plain
        self._name = str(plain)  # to ask the system about it is twice as fast
        if plain != path:
            weakref.finalize(self, release, plain)
        self._map: np.ndarray | None = None
        self.header = header = read_header(path, plain, findings)
        self.format = header.format
        self._needed_bytes = header.header_bytes + header.records * header.record_bytes
        records = self.raw_records(0, header.records) if header.has_stamps else _nothing()
        stamped = read_annotations(header, records, findings)
        self.layout = layout = place_records(header, stamped.stamps, findings)
        self.gaps = layout.gaps
        self.duration_s = layout.duration_s
        self.annotations = tuple(
            Annotation(onset - layout.first_s, duration, text)
            for onset, duration, text in stamped.annotations
        )
        if (
            all(finding.field == SIMULATED_FIELD for finding in findings)
            and header.records > 0
            and header.plus != "D"
        ):
            findings += _confirm_with_pyedflib(plain, header, self.annotations)
        self.has_clock = header.start is not None
        self.start: datetime | None = None
        self.start_s = 0.0
        if header.start is not None:
            self.start = header.start + timedelta(seconds=layout.first_s)
            self.start_s = header.start.replace(tzinfo=zone or UTC).timestamp() + layout.first_s
        self.signals = tuple(
            signal for signal in header.signals if not signal.is_annotation and signal.samples > 0
        )
        self._grids = {
            signal.samples: self._grid(signal.samples) for signal in self.signals
        }  # by samples per record
        self.channels = tuple(self._channel(signal) for signal in self.signals)
        self.findings = tuple(findings)

    # -- samples

    def read(self, channel: int, start: int, stop: int) -> np.ndarray:
        """Samples `start` to `stop` of a channel, float32 in its unit; NaN where nothing was
        recorded. Shape (stop - start,)."""
        signal = self.signals[channel]
        length = _length(start, stop)
        firsts, ends, _ = self._grids[signal.samples]
        if len(firsts) == 1 and start >= firsts[0] == 0 and stop <= ends[0]:
            # A page: whole records at once, of which the caller gets the part that was asked for.
            record, inside = divmod(start, signal.samples)
            rows = -(-(inside + length) // signal.samples)
            if rows * signal.samples <= min(2 * length + 1024, _SAMPLES_AT_ONCE):
                page = np.empty((rows, signal.samples), np.float32)
                digital = self._digital(record, rows, signal.column, signal.samples)
                signal.calibrate(digital, page)
                return page.reshape(-1)[inside : inside + length]
        out = np.empty(length, np.float32)
        if not self._parts(signal, start, stop, out, signal.calibrate):
            self._blank(signal, start, stop, out, np.nan)
        return out

    def read_digital(self, channel: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Samples `start` to `stop` as the file holds them, uncalibrated, on the even grid of
        `read`.

        Returns int32 (stop - start,) and bool (stop - start,): whether a sample was recorded. The
        value is 0 where it was not (gap, outside the file): no digital value can stand for that.
        """
        signal = self.signals[channel]
        out = np.zeros(_length(start, stop), np.int32)
        recorded = np.ones(len(out), bool)
        if not self._parts(signal, start, stop, out, _copy):
            self._blank(signal, start, stop, recorded, False)
        return out, recorded

    def read_digital_records(self, channel: int, first: int, stop: int) -> np.ndarray:
        """A channel's samples in data records `first` to `stop`, in file order and whatever their
        times, as the file holds them: int32 (stop - first, samples per record).

        Raises IndexError beyond the file's records.
        """
        signal = self.signals[channel]
        self._check_records(first, stop)
        out = np.empty((stop - first) * signal.samples, np.int32)
        self._fill(signal, first * signal.samples, out, _copy)
        return out.reshape(stop - first, signal.samples)

    def raw_records(self, first: int, stop: int) -> np.ndarray:
        """Data records `first` to `stop` as they are in the file, annotations and all.

        Returns uint8 (stop - first, bytes of a record), read-only and mapped from the file; a
        signal's bytes begin at `signal.column * header.width`. Raises IndexError beyond the file's
        records.
        """
        self._check_records(first, stop)
        if not self.header.records:
            return np.empty((0, self.header.record_bytes), np.uint8)
        return self._mapped().view(np.uint8)[first:stop]

    @property
    def record_starts_s(self) -> np.ndarray:
        """Where each data record begins, in file order and in seconds from the file's start:
        float64 (records,). A record follows the one before it unless its time stamp says other."""
        return self.layout.record_starts_s(self.header.record_s)

    def _check_records(self, first: int, stop: int) -> None:
        if not 0 <= first <= stop <= self.header.records:
            raise IndexError(f"records {first} to {stop} of {self.header.records}")

    def _grid(self, samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each segment of a signal with `samples` per record: its first and last place (that
        one excluded) on the even grid, and its first sample's number in the file; int64."""
        rate_hz = samples / self.header.record_s
        firsts = np.rint(self.layout.segment_s * rate_hz).astype(np.int64)
        numbers = self.layout.segment_first * samples
        return firsts, firsts + self.layout.segment_records * samples, numbers

    def _channel(self, signal: EdfSignal) -> Channel:
        _, ends, _ = self._grids[signal.samples]
        samples = int(ends.max()) if len(ends) else 0
        low, high = signal.digital_minimum, signal.digital_maximum
        return Channel(
            label=signal.label,
            unit=signal.unit,
            rate_hz=signal.samples / self.header.record_s,
            samples=samples,
            minimum=signal.minimum,
            maximum=signal.maximum,
            calibrated=signal.is_calibrated,
            digital_limits=None if low is None or high is None else (low, high),
        )

    def _parts(self, signal: EdfSignal, start: int, stop: int, out: np.ndarray, put: _Put) -> bool:
        """Put what was recorded between `start` and `stop` into `out`; whether all of it was."""
        firsts, ends, numbers = self._grids[signal.samples]
        if len(firsts) == 1:
            touched, whole = [0], bool(start >= 0 and stop <= ends[0])
        else:
            touched = np.flatnonzero((firsts < stop) & (ends > start)).tolist()
            whole = len(touched) == 1 and bool(
                firsts[touched[0]] <= start and stop <= ends[touched[0]]
            )
        for index in touched:
            first = int(firsts[index])
            low, high = max(start, first), min(stop, int(ends[index]))
            if low < high:
                begin = int(numbers[index]) + low - first
                self._fill(signal, begin, out[low - start : high - start], put)
        return whole

    def _blank(
        self, signal: EdfSignal, start: int, stop: int, out: np.ndarray, value: float
    ) -> None:
        """Set `value` wherever nothing was recorded between `start` and `stop`."""
        firsts, ends, _ = self._grids[signal.samples]
        missing = np.ones(len(out), bool)
        for index in np.flatnonzero((firsts < stop) & (ends > start)):
            missing[max(0, firsts[index] - start) : ends[index] - start] = False
        out[missing] = value

    def _fill(self, signal: EdfSignal, begin: int, out: np.ndarray, put: _Put) -> None:
        """Fill `out` with a signal's samples from number `begin` on, as if there were no gaps."""
        per_record, total = signal.samples, len(out)
        done = 0
        while done < total:
            record, inside = divmod(begin + done, per_record)
            left = total - done
            if inside or left < per_record:
                rows, count = 1, min(per_record - inside, left, _SAMPLES_AT_ONCE)
            else:
                rows = max(1, min(left, _SAMPLES_AT_ONCE) // per_record)
                count = per_record if rows > 1 else min(per_record, _SAMPLES_AT_ONCE)
            target = out[done : done + rows * count].reshape(rows, count)
            put(self._digital(record, rows, signal.column + inside, count), target)
            done += rows * count

    def _digital(self, record: int, rows: int, column: int, count: int) -> np.ndarray:
        """Samples `column` to `column + count` of some records: int16, or int32 for BDF."""
        data = self._mapped()
        if not self.header.is_bdf:
            return data[record : record + rows, column : column + count]
        raw = data[record : record + rows, 3 * column : 3 * (column + count)]
        wide = np.empty((rows, count), "<i4")
        # The three bytes become the upper ones, and the shift brings the sign down.
        wide.view(np.uint8).reshape(rows, count, 4)[..., 1:] = raw.reshape(rows, count, 3)
        wide >>= 8
        return wide

    def _mapped(self) -> np.ndarray:
        """All records, memory-mapped: (records, samples) int16, or (records, bytes) for BDF."""
        try:
            # To read a page that is no longer in the file would end the process.
            if self._size() < self._needed_bytes:
                raise ValueError("it has become shorter")
            data = self._map
            if data is None:
                data = self._make_map()
        except (OSError, ValueError) as error:
            self._map = None
            raise RecordingError(
                f"{self.path}: the file can no longer be read ({error}); was it moved or "
                "changed while it was open?"
            ) from None
        return data

    def _size(self) -> int:
        """Bytes of the plain file. A copy that is gone from the cache is made anew."""
        try:
            return os.stat(self._name).st_size
        except FileNotFoundError:
            if self._plain == self.path:
                raise
            again = unpacked(self.path)
            weakref.finalize(self, release, again)
            if again != self._plain:  # the packed file is another one now
                raise
            return os.stat(again).st_size

    def _make_map(self) -> np.ndarray:
        header = self.header
        words = header.record_samples * (3 if header.is_bdf else 1)
        self._map = data = np.memmap(
            self._plain,
            np.uint8 if header.is_bdf else np.dtype("<i2"),
            "r",
            offset=header.header_bytes,
            shape=(header.records, words),
        ).view(np.ndarray)
        _keep_mapped(self)
        return data


_Put = Callable[[np.ndarray, np.ndarray], None]


def _copy(digital: np.ndarray, out: np.ndarray) -> None:
    out[...] = digital


def _nothing() -> np.ndarray:
    return np.empty((0, 0), np.uint8)


def _length(start: int, stop: int) -> int:
    if stop < start:
        raise ValueError(f"stop {stop} lies before start {start}")
    return stop - start


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


# ---------------------------------------------------------------- pyedflib


def _confirm_with_pyedflib(
    plain: Path, header: EdfHeader, annotations: tuple[Annotation, ...]
) -> list[Finding]:
    """What pyedflib says about a header and annotations that our check has passed."""
    import pyedflib

    # It reads the whole file for its annotations, and lets no other thread run meanwhile.
    small = header.records * header.record_bytes <= _CONFIRMED_BYTES
    mode = pyedflib.READ_ANNOTATIONS if small else pyedflib.DO_NOT_READ_ANNOTATIONS
    with _pyedflib_lock:
        try:
            reader = pyedflib.EdfReader(str(plain), mode)
        except OSError as error:
            reason = str(error).rpartition(": ")[2].strip() or "no reason given"
            if "already" in reason:  # another library of this process has the file open
                return []
            return [Finding("note", "header", f"pyedflib refuses this file: {reason}.")]
        try:
            signals = [s for s in header.signals if not s.is_annotation]
            same = reader.signals_in_file == len(signals) and np.allclose(
                reader.getSampleFrequencies(),
                [s.samples / header.record_s for s in signals] if header.record_s else [],
                rtol=1e-6,
            )
            theirs = (
                [float(onset) * 1e-7 for onset, _, _ in reader.read_annotation()] if small else None
            )
        finally:
            reader.close()
    findings = []
    if not same:
        findings.append(
            Finding("note", "header", "pyedflib reads other signals or rates from this header.")
        )
    if theirs is not None and header.plus:
        ours = [annotation.onset_s for annotation in annotations]
        if len(ours) != len(theirs) or not np.allclose(ours, np.sort(theirs), rtol=0, atol=1e-3):
            findings.append(
                Finding(
                    "note",
                    "annotations",
                    f"pyedflib reads other annotations: {len(theirs)} instead of {len(ours)}, or "
                    "at other times; those of our own reading were used.",
                )
            )
    return findings
