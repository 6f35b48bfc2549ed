"""The header of an EDF, EDF+, BDF or BDF+ file, read field by field.

What deviates from the specification becomes a finding that says which field it is, what was found
there and what was assumed; where no assumption would be truthful, a RecordingError gives the
reason. Nothing here reads samples, and no finding shows the patient or recording field.

Source of the formats: https://www.edfplus.info/specs/edf.html and .../edfplus.html; BDF is the
same with 24-bit samples (https://www.biosemi.com/faq/file_format.htm).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np

from core.errors import RecordingError
from core.recording import SIMULATED_FIELD, Finding, Severity
from core.unpack_cache import cannot_read

FIXED_BYTES = 256  # of the header's first part, and of each signal's share of the second

# Name and bytes of each field, in the file's order.
FILE_FIELDS = (
    ("version", 8),
    ("patient", 80),
    ("recording", 80),
    ("start date", 8),
    ("start time", 8),
    ("header length", 8),
    ("reserved", 44),
    ("record count", 8),
    ("record duration", 8),
    ("signals", 4),
)
SIGNAL_FIELDS = (
    ("label", 16),
    ("transducer", 80),
    ("unit", 8),
    ("physical minimum", 8),
    ("physical maximum", 8),
    ("digital minimum", 8),
    ("digital maximum", 8),
    ("prefilter", 80),
    ("samples per record", 8),
    ("signal reserved", 32),
)
ANNOTATION_LABELS = ("EDF Annotations", "BDF Annotations")

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,8}", re.ASCII)
_NUMBER_AND_TEXT = re.compile(r"([+-]?[\d.,]+(?:[eE][+-]?\d{1,3})?)\s+\S.*", re.ASCII)
_DATE = re.compile(r"(\d{1,2})[.:/ -](\d{1,2})[.:/ -](\d{2}|yy)", re.ASCII | re.IGNORECASE)
_STARTDATE = re.compile(r"Startdate (\d{1,2})-([A-Za-z]{3})-(\d{4})(?= |$)", re.ASCII)
_PADDING = b" \x00\t"
_LARGEST_LIMIT = 1e30  # beyond, float32 overflows
_LONGEST_S = 2 * 366 * 86400.0  # no recording lasts longer
_FASTEST_HZ = 1e9
_ALL_AT_ONCE = 1 << 22

Found = Callable[[Severity, str, str], None]


@dataclass(frozen=True)
class EdfSignal:
    """One signal of the header, as written and as understood.

    Attributes
    ----------
    number: place in the header, from 0.
    fields: the bytes of each field as they are in the file, by the names of SIGNAL_FIELDS.
    label, transducer, unit, prefilter, reserved: text of the fields; `label` is made up where the
        file has none. `unit` is "" where the signal cannot be calibrated.
    physical_minimum, physical_maximum, digital_minimum, digital_maximum: the limits; None where
        the field holds no usable number.
    samples: samples in each data record.
    column: samples that lie before this signal's in each data record.
    is_calibrated: whether physical = gain * digital + offset, in `unit`; otherwise gain is 1,
        offset 0, and values are the digital ones. Always False for annotation signals.
    minimum, maximum: what the limits read as after calibration, in `unit`; None where unknown.
    """

    number: int
    fields: dict[str, bytes] = field(repr=False)
    label: str
    transducer: str
    unit: str
    prefilter: str
    reserved: str
    physical_minimum: float | None
    physical_maximum: float | None
    digital_minimum: float | None
    digital_maximum: float | None
    samples: int
    column: int
    is_annotation: bool
    is_calibrated: bool
    gain: float
    offset: float
    minimum: float | None
    maximum: float | None

    def calibrate(self, digital: np.ndarray, out: np.ndarray) -> None:
        """Fill `out`, float32, with the physical values of `digital`, integers of that shape."""
        if self._needs_float64:
            np.add(digital * self.gain, self.offset, out=out, casting="same_kind")
            return
        out[...] = digital  # in steps, so that the type of `digital` does not change the result
        gain, offset = self._in_float32
        if gain != 1.0:
            out *= gain
        if offset != 0.0:
            out += offset

    @cached_property
    def _needs_float64(self) -> bool:
        """Whether float32 would lose more than a part of a digital step on the way."""
        if self.digital_minimum is None or self.digital_maximum is None:
            return False
        offset = abs(self.offset / self.gain) if self.gain else 0.0
        return max(abs(self.digital_minimum), abs(self.digital_maximum), offset) > 1 << 21

    @cached_property
    def _in_float32(self) -> tuple[np.float32, np.float32]:
        return np.float32(self.gain), np.float32(self.offset)


@dataclass(frozen=True)
class EdfHeader:
    """A header as written and as understood.

    Attributes
    ----------
    fields: the bytes of each field as they are in the file, by the names of FILE_FIELDS. They may
        name the patient: never print them.
    is_bdf: 24-bit samples instead of 16-bit ones.
    plus: "C" (EDF+C, BDF+C), "D" (discontinuous) or "" (plain EDF or BDF).
    start: date and time of the header, of no zone, whole seconds; None where impossible.
    stated_records: the record count as written; None where it is no number.
    records: whole data records in the file.
    record_s: duration of a data record in seconds; 0 in annotation-only files.
    header_bytes: where the data records begin.
    record_samples: samples of all signals in a data record.
    trailing_bytes: bytes after the last whole data record that belong to none.
    """

    fields: dict[str, bytes] = field(repr=False)
    is_bdf: bool
    plus: str
    start: datetime | None
    stated_records: int | None
    records: int
    record_s: float
    signals: tuple[EdfSignal, ...]
    header_bytes: int
    record_samples: int
    trailing_bytes: int

    @property
    def width(self) -> int:
        """Bytes of a sample."""
        return 3 if self.is_bdf else 2

    @property
    def record_bytes(self) -> int:
        return self.record_samples * self.width

    @property
    def format(self) -> str:
        return ("BDF" if self.is_bdf else "EDF") + (f"+{self.plus}" if self.plus else "")

    @property
    def has_stamps(self) -> bool:
        """Whether data records may carry time stamps of their own."""
        return any(signal.is_annotation for signal in self.signals)


def read_header(path: Path, plain: Path, findings: list[Finding]) -> EdfHeader:
    """Read and check the header of `plain`; deviations are added to `findings`.

    `path` is the name for messages, and differs from `plain` where that is an unpacked copy.
    Raises RecordingError, with the true reason, where no truthful reading is possible.
    """
    try:
        size = plain.stat().st_size
        with plain.open("rb") as stream:
            return _Check(path, stream, size, findings).header()
    except OSError as error:
        raise RecordingError(cannot_read(path, error)) from None


class _Check:
    """One pass over a header, adding what deviates to `findings`."""

    def __init__(self, path: Path, stream: BinaryIO, size: int, findings: list[Finding]) -> None:
        self.path = path
        self.stream = stream
        self.size = size
        self.findings = findings
        # What is odd about the text of which field: once per field, however many signals have it.
        self.odd: dict[tuple[str, str], None] = {}

    def found(self, severity: Severity, field: str, message: str) -> None:
        self.findings.append(Finding(severity, field, message))

    def header(self) -> EdfHeader:
        fixed = self.stream.read(FIXED_BYTES)
        is_bdf = _check_version(self.path, fixed, self.size)
        fields = _cut(fixed, FILE_FIELDS)
        table, signal_count = self._table(fields)
        if not is_bdf and fields["version"] != b"0".ljust(8):
            self._odd("padded otherwise than with spaces", "version")
        for name in ("patient", "recording"):
            self._look_at(fields[name], name)
        record_s = self._record_duration(fields)
        signals = self._signals(table, signal_count, is_bdf)
        plus = self._plus(fields, is_bdf, signals)
        if record_s == 0 and any(not s.is_annotation and s.samples for s in signals):
            raise RecordingError(
                f"{self.path}: the header gives 0 s as the duration of a data record although "
                "there are signals, so their rates cannot be known."
            )
        fastest = max((s.samples for s in signals if not s.is_annotation), default=0)
        if fastest > _FASTEST_HZ * record_s and fastest:
            raise RecordingError(
                f"{self.path}: the header gives {record_s:g} s as the duration of a data record, "
                f"which would mean {fastest} samples in that time; it is damaged."
            )
        start = _start(fields, bool(plus), self.found)
        samples = sum(signal.samples for signal in signals)
        record_bytes = samples * (3 if is_bdf else 2)
        stated = self._integer(fields["record count"], "record count")
        begin = self._begin(fields, signal_count, record_bytes, stated)
        records, trailing = self._records(fields, begin, record_bytes, stated, plus)
        if records * record_s > _LONGEST_S:
            raise RecordingError(
                f"{self.path}: the header gives {record_s:g} s as the duration of a data record, "
                f"with which its {records} records would last {records * record_s / 31557600:.3g} "
                "years; it is damaged."
            )
        for name, what in self.odd:
            self.found("note", name, f"The {name} field is {what}.")
        return EdfHeader(
            fields, is_bdf, plus, start, stated, records, record_s, signals, begin, samples,
            trailing,
        )  # fmt: skip

    # -- text and numbers

    def _odd(self, what: str, name: str) -> None:
        self.odd[name, what] = None

    def _look_at(self, data: bytes, name: str) -> None:
        """Note what is odd about a text field without showing it."""
        if any(byte > 126 for byte in data):
            self._odd("not ASCII (read as UTF-8, or else as Latin-1)", name)
        if data.strip(b" ") != data.strip(_PADDING) or b"\x00" in data:
            self._odd("padded with zero bytes or tabs (read up to the first, as if spaces)", name)
        elif any(byte < 32 for byte in data):
            self._odd("holding control characters (left out)", name)
        if data[:1] in (b" ", b"\x00", b"\t") and data.strip(_PADDING):
            self._odd("not at the left of its place (read all the same)", name)

    def _integer(self, data: bytes, name: str) -> int | None:
        """A field that is due to hold a whole number; None, without a finding, for others."""
        text = self._without_text(data, name)
        if _INTEGER.fullmatch(text):
            return int(text)
        value = float(text) if _NUMBER.fullmatch(text) and "," not in text else math.nan
        if not value.is_integer() or abs(value) >= 1e8:
            return None
        self.found("note", _field_of(name), f"The {name}, '{text}', is not written as a "
                   f"whole number; it was read as {int(value)}.")  # fmt: skip
        return int(value)

    def _number(self, data: bytes, name: str) -> float | None:
        """A field that is due to hold a number; None, without a finding, for others."""
        text = self._without_text(data, name)
        if not _NUMBER.fullmatch(text):
            return None
        if "," in text:
            self.found(
                "repaired",
                _field_of(name),
                f"The {name} is written with a decimal comma, '{text}'; it was read as "
                f"{text.replace(',', '.')}.",
            )
        value = float(text.replace(",", "."))
        return value if math.isfinite(value) else None

    def _without_text(self, data: bytes, name: str) -> str:
        self._look_at(data, _field_of(name))
        text = text_of(data)
        longer = _NUMBER_AND_TEXT.fullmatch(text)
        if longer is None or not _NUMBER.fullmatch(longer.group(1)):
            return text
        self.found(
            "repaired",
            _field_of(name),
            f"The {name}, '{shown(text)}', has text after the number; it was read as "
            f"{longer.group(1)}.",
        )
        return longer.group(1)

    # -- the first part

    def _table(self, fields: dict[str, bytes]) -> tuple[bytes, int]:
        """The signals' part of the header and how many signals there are.

        Their number stands in the header once and follows from its length once more; where the two
        disagree, the one is believed that leads to a readable table.
        """
        count = self._integer(fields["signals"], "number of signals")
        length = self._integer(fields["header length"], "header length")
        other = None
        if length is not None and length >= FIXED_BYTES and length % FIXED_BYTES == 0:
            other = length // FIXED_BYTES - 1
        text = shown(text_of(fields["signals"]))
        if count is not None and count >= 0 and (
            other is None or other == count or self._readable(count) or not self._readable(other)
        ):  # fmt: skip
            needed = FIXED_BYTES * (count + 1)
            if needed > self.size:
                raise RecordingError(
                    f"{self.path}: the header announces {count} signals, which takes {needed} "
                    f"bytes, but the file has only {self.size}."
                )
        elif other and self._readable(other):
            self.found(
                "repaired",
                "signals",
                f"The header gives '{text}' as the number of signals, but its length of {length} "
                f"bytes and its fields are those of {other} signals; these were read.",
            )
            count = other
        else:
            raise RecordingError(
                f"{self.path}: the header gives '{text}' as the number of signals; it is damaged."
            )
        self.stream.seek(FIXED_BYTES)
        return self.stream.read(count * FIXED_BYTES), count

    def _readable(self, count: int) -> bool:
        """Whether the header's second part makes sense for that many signals."""
        if not 0 < count < 10_000 or FIXED_BYTES * (count + 1) > self.size:
            return False
        self.stream.seek(FIXED_BYTES)
        columns = _columns(self.stream.read(count * FIXED_BYTES), count)
        numbers = (*columns["digital minimum"], *columns["digital maximum"])
        samples = columns["samples per record"]
        return all(_INTEGER.fullmatch(text_of(data)) for data in samples) and any(
            _NUMBER.fullmatch(text_of(data)) for data in numbers
        )

    def _record_duration(self, fields: dict[str, bytes]) -> float:
        data = fields["record duration"]
        record_s = self._number(data, "record duration")
        if record_s is None or record_s < 0:
            raise RecordingError(
                f"{self.path}: the header gives '{shown(text_of(data))}' as the duration of a data "
                "record, so the rates of the signals cannot be known."
            )
        return record_s

    def _plus(self, fields: dict[str, bytes], is_bdf: bool, signals: tuple[EdfSignal, ...]) -> str:
        """ "C" or "D" for EDF+ and BDF+, "" for plain files."""
        text = text_of(fields["reserved"])
        kind = text[:5].upper()
        own = "BDF" if is_bdf else "EDF"
        has_annotations = any(signal.is_annotation for signal in signals)
        if kind not in ("EDF+C", "EDF+D", "BDF+C", "BDF+D"):
            if kind[:4] in ("EDF+", "BDF+"):
                self.found(
                    "repaired",
                    "reserved",
                    f"The reserved field says '{shown(text[:8])}', which is neither {own}+C nor "
                    f"{own}+D; the file was read as plain {own}.",
                )
            if has_annotations:
                self.found(
                    "note",
                    "reserved",
                    f"The header does not say that this is {own}+, but there is an annotation "
                    "signal; it was read as annotations and time stamps.",
                )
            return ""
        if kind[:3] != own:
            self.found(
                "repaired",
                "reserved",
                f"The reserved field of this {own} file says {kind}; it was read as "
                f"{own}{kind[3:]}.",
            )
        elif text[:5] != kind:
            self.found(
                "note",
                "reserved",
                f"The reserved field says '{shown(text[:5])}' in lower case; it was read as "
                f"{kind}.",
            )
        if not has_annotations:
            lost = "; gaps between its records cannot be known" if kind[4] == "D" else ""
            self.found(
                "repaired",
                "signals",
                f"The header says {own}+{kind[4]}, but there is no annotation signal{lost}.",
            )
        return kind[4]

    # -- signals

    def _signals(self, table: bytes, count: int, is_bdf: bool) -> tuple[EdfSignal, ...]:
        columns = _columns(table, count)
        if any(text_of(value).startswith("SIMULATED") for value in columns["transducer"]):
            self.found(
                "note", SIMULATED_FIELD, "The signals are simulated, not measured on a person."
            )
        signals: list[EdfSignal] = []
        column = 0
        for number in range(count):
            fields = {name: columns[name][number] for name, _ in SIGNAL_FIELDS}
            signal = self._signal(number, fields, column, is_bdf)
            column += signal.samples
            signals.append(signal)
        names = [signal.label for signal in signals if not signal.is_annotation]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            self.found("note", "label", f"Several signals have the same label: {', '.join(twice)}; "
                       "they were kept apart by their place.")  # fmt: skip
        return tuple(signals)

    def _label(self, number: int, data: bytes) -> tuple[str, bool]:
        """A signal's label, and whether it is an annotation signal."""
        label, how = _printable(data)
        if any(byte > 126 for byte in data):
            self.found(
                "note",
                "label",
                f"The label of signal {number + 1} is not ASCII: {label} ({how}).",
            )
            data = bytes(byte for byte in data if byte < 127)
        self._look_at(data, "label")
        for due in ANNOTATION_LABELS:
            if label.casefold() == due.casefold():
                if label != due:
                    self.found(
                        "note",
                        "label",
                        f"Signal {number + 1} is called '{label}', not '{due}'; it was read as "
                        "annotations.",
                    )
                return due, True
        if not label:
            label = f"signal {number + 1}"
            self.found(
                "repaired",
                "label",
                f"Signal {number + 1} has no label; it was called '{label}'.",
            )
        return label, False

    def _unit(self, data: bytes, name: str) -> str:
        unit, how = _printable(data)
        unit = unit.replace("μ", "µ")  # Greek mu and the micro sign look and mean the same
        if any(byte > 126 for byte in data):
            self.found("note", "unit", f"The unit of {name} is not ASCII: {unit} ({how}).")
            data = bytes(byte for byte in data if byte < 127)
        self._look_at(data, "unit")
        return unit

    def _signal(
        self, number: int, fields: dict[str, bytes], column: int, is_bdf: bool
    ) -> EdfSignal:
        label, is_annotation = self._label(number, fields["label"])
        name = f"signal {number + 1} ({label})"
        unit = self._unit(fields["unit"], name)
        for key in ("transducer", "prefilter"):
            self._look_at(fields[key], key)
        samples = self._integer(fields["samples per record"], f"samples per record of {name}")
        if samples is None or samples < 0:
            raise RecordingError(
                f"{self.path}: the header gives '{shown(text_of(fields['samples per record']))}' "
                f"as the number of samples of {name} in a data record, so the records cannot be "
                "told apart."
            )
        if samples == 0:
            self.found(
                "unreadable",
                "samples per record",
                f"The header gives no samples to {name}; it was left out.",
            )
        limits = [
            self._number(fields[key], f"{key} of {name}")
            for key in ("physical minimum", "physical maximum", "digital minimum",
                        "digital maximum")
        ]  # fmt: skip
        gain, offset, reason = 1.0, 0.0, ""
        if not is_annotation:
            gain, offset, reason = _line(limits)
            if reason:
                self.found(
                    "uncalibrated",
                    "calibration",
                    f"{name} cannot be calibrated, because {reason}; its values are the raw "
                    "digital ones.",
                )
        calibrated = not is_annotation and not reason
        signal = EdfSignal(
            number=number,
            fields=fields,
            label=label,
            transducer=_printable(fields["transducer"])[0],
            unit=unit if calibrated else "",
            prefilter=_printable(fields["prefilter"])[0],
            reserved=_printable(fields["signal reserved"])[0],
            physical_minimum=limits[0],
            physical_maximum=limits[1],
            digital_minimum=limits[2],
            digital_maximum=limits[3],
            samples=samples,
            column=column,
            is_annotation=is_annotation,
            is_calibrated=calibrated,
            gain=gain,
            offset=offset,
            minimum=None,
            maximum=None,
        )
        return self._with_limits(signal, name, is_bdf) if calibrated else signal

    def _with_limits(self, signal: EdfSignal, name: str, is_bdf: bool) -> EdfSignal:
        """The signal with what its limits read as; named where the digital ones are odd."""
        low, high = float(signal.digital_minimum or 0), float(signal.digital_maximum or 0)
        if low > high:
            self.found(
                "note",
                "digital limits",
                f"The digital minimum of {name}, {low:g}, is above its maximum, {high:g}; the "
                "calibration is the straight line through both all the same.",
            )
        if not (low.is_integer() and high.is_integer()):
            self.found(
                "note",
                "digital limits",
                f"The digital limits of {name}, {low:g} and {high:g}, are not whole numbers; the "
                "calibration is the straight line through both all the same.",
            )
        least, most = (-(1 << 23), (1 << 23) - 1) if is_bdf else (-(1 << 15), (1 << 15) - 1)
        ends = sorted((low, high))
        if ends[0] < least or ends[1] > most:
            self.found(
                "note",
                "digital limits",
                f"The digital limits of {name}, {ends[0]:g} to {ends[1]:g}, lie outside its "
                f"{24 if is_bdf else 16}-bit samples; the calibration is the straight line through "
                "them all the same.",
            )
            ends = [max(ends[0], float(least)), min(ends[1], float(most))]
        if ends[0] > ends[1] or abs(signal.gain) < 1e-37:
            return signal
        # What `read` gives for a sample on the limit, so that a comparison is exact.
        values = np.empty(2, np.float32)
        signal.calibrate(np.rint(ends).astype(np.int32), values)
        if not np.isfinite(values).all():
            return signal
        return replace(signal, minimum=float(values.min()), maximum=float(values.max()))

    # -- where the records are

    def _begin(
        self, fields: dict[str, bytes], signal_count: int, record_bytes: int, stated: int | None
    ) -> int:
        """Where the data records begin."""
        due = FIXED_BYTES * (signal_count + 1)
        text = shown(text_of(fields["header length"]))
        length = int(text) if _INTEGER.fullmatch(text) else None
        if length == due:
            return due
        if length is not None and length > due and stated is not None and stated > 0:
            total = stated * record_bytes
            if self.size - length == total and self.size - due != total:
                self.found(
                    "repaired",
                    "header length",
                    f"The header gives its length as {length} bytes, although {signal_count} "
                    f"signals take {due}; the announced {stated} data records fill the file from "
                    f"byte {length} on, so they were read from there.",
                )
                return length
        self.found(
            "repaired",
            "header length",
            f"The header gives its length as '{text}', but with {signal_count} signals it is "
            f"{due} bytes; that was used.",
        )
        return due

    def _records(
        self,
        fields: dict[str, bytes],
        begin: int,
        record_bytes: int,
        stated: int | None,
        plus: str,
    ) -> tuple[int, int]:
        """Whole data records and the bytes after them, told from the file and not the header."""
        if record_bytes == 0:
            self.found("note", "signals", "The file has no signals and no annotations: 0 samples.")
            return 0, max(self.size - begin, 0)
        whole, rest = divmod(max(self.size - begin, 0), record_bytes)
        if rest or stated != whole:
            self._refuse_crlf(begin, stated, record_bytes)
        if stated is not None and 0 < stated < whole and self._only_zeros(
            begin + stated * record_bytes
        ):  # fmt: skip
            rest += (whole - stated) * record_bytes
            whole = stated
            self.found(
                "repaired",
                "data records",
                f"After the {stated} announced records come {rest} zero bytes; they were left.",
            )
            return whole, rest
        if stated is None or stated < -1:
            self.found(
                "repaired",
                "record count",
                f"'{shown(text_of(fields['record count']))}' is not a number of records; the file "
                f"holds {whole}, which were used.",
            )
        elif stated == -1:
            self.found(
                "repaired",
                "record count",
                "The header gives -1 as the number of records, as while recording; the file holds "
                f"{whole}, which were used.",
            )
        elif stated != whole:
            self.found(
                "repaired",
                "record count",
                f"The header announces {stated} records, but the file holds {whole}; those were "
                "used.",
            )
        if rest:
            if stated == whole:
                what = (
                    f"After the last record come {rest} bytes that belong to none; they were left."
                )
            else:
                what = f"The last record has only {rest} of {record_bytes} bytes; it was dropped."
            self.found("repaired", "data records", what)
        if whole == 0:
            self.found(
                "note", "record count", "The file has a header but no data records: 0 samples."
            )
        return whole, rest

    def _only_zeros(self, begin: int) -> bool:
        self.stream.seek(begin)
        while data := self.stream.read(_ALL_AT_ONCE):
            if data.count(0) != len(data):
                return False
        return True

    def _refuse_crlf(self, begin: int, stated: int | None, record_bytes: int) -> None:
        """Tell a file whose line feeds became CR LF from one that merely has another length."""
        surplus = None
        if stated is not None and stated > 0:
            surplus = self.size - begin - stated * record_bytes
        self.stream.seek(begin)
        feeds = pairs = 0
        last = b""
        left = 64 * _ALL_AT_ONCE
        while left > 0 and (data := self.stream.read(min(left, _ALL_AT_ONCE))):
            left -= len(data)
            feeds += data.count(b"\n")
            pairs += data.count(b"\r\n") + (last == b"\r" and data[:1] == b"\n")
            last = data[-1:]
            if feeds != pairs:
                return
        if feeds >= 32 or (feeds > 0 and feeds == surplus):
            raise RecordingError(
                f"{self.path}: every line feed in the samples became carriage return and line "
                "feed, as happens when a file is sent as text; the samples are no longer in their "
                "places. Copy the file again in binary mode."
            )


def _line(limits: list[float | None]) -> tuple[float, float, str]:
    """Gain and offset of a calibration, and the reason why there is none."""
    if any(value is None or abs(value) > _LARGEST_LIMIT for value in limits):
        return 1.0, 0.0, "a physical or digital limit is not a number"
    low, high, digital_low, digital_high = (float(value or 0) for value in limits)
    if digital_low == digital_high:
        return 1.0, 0.0, f"digital minimum and maximum are both {digital_low:g}"
    if low == high:
        return 1.0, 0.0, f"physical minimum and maximum are both {low:g}"
    gain = (high - low) / (digital_high - digital_low)
    return gain, low - gain * digital_low, ""


def _check_version(path: Path, fixed: bytes, size: int) -> bool:
    """Whether it is BDF; RecordingError, with what it is instead, for what is neither."""
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
        if not fixed.strip(b"\x00"):
            raise RecordingError(
                f"{path}: the file begins with zero bytes where its header is due; was the copy "
                "interrupted?"
            )
        raise RecordingError(
            f"{path}: this is neither an EDF nor a BDF file: it begins neither with version 0 nor "
            "with BIOSEMI."
        )
    if len(fixed) < FIXED_BYTES:
        raise RecordingError(
            f"{path}: the file ends inside its header, after {size} bytes of at least "
            f"{FIXED_BYTES}."
        )
    return is_bdf


def _start(fields: dict[str, bytes], plus: bool, found: Found) -> datetime | None:
    """Clock time of the header's start; None, with a finding, where date or time is impossible."""
    date, time = text_of(fields["start date"]), text_of(fields["start time"])
    for text, name in ((date, "start date"), (time, "start time")):
        if _DATE.fullmatch(text) and not re.fullmatch(r"\d\d\.\d\d\.(\d\d|yy)", text, re.ASCII):
            found(
                "note",
                name,
                f"The {name} is written '{text}' where two digits, dot, two digits, dot, two "
                "digits are due; it was read all the same.",
            )
    day = _DATE.fullmatch(date)
    when: datetime | None = None
    if day and day.group(3).isdigit():
        year = int(day.group(3))
        when = _make_date(year + (1900 if year >= 85 else 2000), int(day.group(2)),
                          int(day.group(1)))  # fmt: skip
    if plus:
        when = _full_date(text_of(fields["recording"]), day, when, found)
    if when is None:
        found(
            "repaired",
            "start date",
            f"'{shown(date)}' is not a date; the recording has no place on the clock.",
        )
        return None
    clock = _DATE.fullmatch(time)
    parts = clock.groups() if clock else ()
    if not parts or not parts[2].isdigit() or not _is_time(*(int(part) for part in parts)):
        found(
            "repaired",
            "start time",
            f"'{shown(time)}' is not a time of day; the recording has no place on the clock.",
        )
        return None
    hour, minute, second = (int(part) for part in parts)
    return when.replace(hour=hour, minute=minute, second=second)


def _full_date(
    recording: str, day: re.Match[str] | None, when: datetime | None, found: Found
) -> datetime | None:
    """The date with its full year from the recording field of EDF+, where it has one."""
    full = _STARTDATE.match(recording)
    exact = None
    if full and full.group(2).upper() in MONTHS:
        month = MONTHS.index(full.group(2).upper()) + 1
        exact = _make_date(int(full.group(3)), month, int(full.group(1)))
    if exact is None or full is None:
        if not re.match(r"Startdate X( |$)", recording):
            found(
                "note",
                "recording",
                "The recording field does not begin with 'Startdate' and a date, or X, as EDF+ has "
                "it; the start date field was used alone.",
            )
        return when
    if not re.fullmatch(r"\d\d[A-Z]{3}", full.group(1) + full.group(2)):
        found(
            "note",
            "recording",
            "The date in the recording field is not written as two digits and a month in capital "
            "letters; it was read all the same.",
        )
    two_digits = day is not None and not day.group(3).isdigit()
    if two_digits and day is not None and (int(day.group(1)), int(day.group(2))) == (
        exact.day, exact.month
    ):  # fmt: skip
        return exact  # 'yy' stands for years from 2085 on
    if exact != when:
        found(
            "repaired",
            "start date",
            "The start date of the first field does not agree with the one in the recording "
            "field, which has the full year; the latter was used.",
        )
    return exact


def _make_date(year: int, month: int, day: int) -> datetime | None:
    if not 1800 <= year < 3000:  # a clock time far off would overflow, and is no recording's
        return None
    try:
        return datetime(year, month, day)
    except ValueError:
        return None


def _is_time(hour: int, minute: int, second: int) -> bool:
    return hour < 24 and minute < 60 and second < 60


def _field_of(name: str) -> str:
    """The header field of a name such as `physical minimum of signal 3 (EEG)`."""
    return "signals" if name == "number of signals" else name.split(" of ")[0]


def _cut(data: bytes, layout: tuple[tuple[str, int], ...]) -> dict[str, bytes]:
    fields: dict[str, bytes] = {}
    place = 0
    for name, length in layout:
        fields[name] = data[place : place + length]
        place += length
    return fields


def _columns(table: bytes, count: int) -> dict[str, list[bytes]]:
    """The fields of all signals: the file holds the first field of each, then the second, ..."""
    columns: dict[str, list[bytes]] = {}
    place = 0
    for name, length in SIGNAL_FIELDS:
        columns[name] = [table[place + i * length : place + (i + 1) * length] for i in range(count)]
        place += count * length
    return columns


def text_of(data: bytes) -> str:
    """A field without its padding; what follows a zero byte is what a C program left there."""
    return data.strip(_PADDING).partition(b"\x00")[0].strip(_PADDING).decode("latin-1")


def shown(text: str) -> str:
    """A header field, safe to print. Never used on the patient or recording field."""
    return "".join(sign if sign.isprintable() and ord(sign) < 127 else "?" for sign in text)


def decode(data: bytes) -> tuple[str, bool]:
    """Text, and whether it was UTF-8; Latin-1 otherwise."""
    try:
        return data.decode("utf-8"), True
    except UnicodeDecodeError:
        return data.decode("latin-1"), False


def _printable(data: bytes) -> tuple[str, str]:
    """Text of a field without what cannot be printed, and how it was read."""
    text, clean = decode(data.strip(_PADDING).partition(b"\x00")[0])
    text = "".join(sign for sign in text if sign.isprintable()).strip()
    how = "read as UTF-8" if clean else "neither ASCII nor UTF-8 and was read as Latin-1"
    return text, how
