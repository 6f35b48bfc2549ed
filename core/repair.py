"""A standard EDF+ or BDF+ copy of a file that deviates from the format, with every change named.

The copy holds the same digital samples and times; what the reader had to assume is written down,
so that any program reads what this one reads. A file whose line feeds were turned into CR LF on
the way is turned back first, where that can be shown to be exact.
"""

from __future__ import annotations

import re
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.edf_header import EdfSignal as FoundSignal
from core.errors import ConfigError, RecordingError
from core.read_edf import EdfFile, open_edf
from core.recording import Annotation, Finding
from core.write_edf import ANONYMOUS, EdfContents, EdfSignal, limit_text, write_edf

_RECORDS_KEPT = 256  # read at once, because records are asked for one by one
# Both signs that look alike: Unicode has a micro sign and a Greek mu, an ohm sign and an Omega.
_NAMES = {"\u00b5": "u", "\u03bc": "u", "\u2126": "Ohm", "\u03a9": "Ohm", "°": "deg", "²": "2",
          "³": "3", "–": "-"}  # fmt: skip
_EDF_PATIENT = re.compile(r"\S+ [MFX] (X|\d\d-[A-Z]{3}-\d{4}) \S+( .*)?")
_EDF_RECORDING = re.compile(r"Startdate (X|\d\d-[A-Z]{3}-\d{4}) (\S+ \S+ \S+( .*)?)")


def repair_edf(path: Path, out: Path, *, force: bool = False) -> tuple[Finding, ...]:
    """Write a standard copy of `path`; returns what is different in it, in words.

    Raises RecordingError where the file cannot be read truthfully, ConfigError where the copy's
    name does not fit, OutputError where `out` is there already, without `force`, or cannot be
    written.
    """
    if out.exists() and path.exists() and out.resolve() == path.resolve():
        raise ConfigError(f"{out}: the copy needs a name of its own; originals are never touched.")
    with _readable(path) as (file, changes):
        ending = ".bdf" if file.header.is_bdf else ".edf"
        if out.suffix.lower() != ending:
            raise ConfigError(
                f"{out}: the copy of this file is {'BDF' if file.header.is_bdf else 'EDF'}+, whose "
                f"samples have {24 if file.header.is_bdf else 16} bits; let its name end in "
                f"{ending}."
            )
        # What the reader only noted is still so in the copy, or is named again as it is changed.
        changes += [
            found for found in file.findings if found.severity in ("repaired", "unreadable")
        ]
        contents = _contents(file, changes)
        write_edf(out, contents, force=force)
    return tuple(changes)


@contextmanager
def _readable(path: Path) -> Iterator[tuple[EdfFile, list[Finding]]]:
    """The opened file, or a copy of it whose line ends were turned back."""
    try:
        yield open_edf(path), []
        return
    except RecordingError as error:
        if "carriage return" not in str(error):
            raise
        refusal = error
    with tempfile.TemporaryDirectory(prefix="crossl_") as folder:
        plain = Path(folder) / path.name
        data = path.read_bytes()
        plain.write_bytes(data.replace(b"\r\n", b"\n"))
        try:
            file = open_edf(plain)
        except RecordingError:
            raise refusal from None
        # Exact where the size is again the one that the header announces.
        due = file.header.header_bytes + file.header.records * file.header.record_bytes
        if file.header.stated_records != file.header.records or plain.stat().st_size != due:
            raise refusal
        lost = len(data) - due
        change = Finding(
            "repaired",
            "data records",
            f"Every line feed had become carriage return and line feed; the {lost} added bytes "
            "were taken out, after which the file has exactly the size that its header announces.",
        )
        yield file, [change]


# ---------------------------------------------------------------- what the copy holds


def _contents(file: EdfFile, changes: list[Finding]) -> EdfContents:
    header = file.header
    starts = file.record_starts_s
    order = np.argsort(starts, kind="stable")
    if (np.diff(order) < 0).any():
        _add(changes, "data records", "Records were put in the order of their time stamps.")
    if header.plus == "":
        _add(
            changes,
            "reserved",
            f"The copy is {'BDF' if header.is_bdf else 'EDF'}+ and has an annotation signal, which "
            "gives the time of every record.",
        )
    several = sum(signal.is_annotation for signal in header.signals)
    if several > 1:
        _add(changes, "annotations", f"{several} annotation signals were joined into one.")
    # The header has whole seconds; the fraction is the first record's time stamp.
    start, fraction = file.start, 0.0
    if start is not None:
        fraction = start.microsecond / 1e6
        start = start.replace(microsecond=0)
    signals = _unique([_signal(signal, header.is_bdf, changes) for signal in file.signals], changes)
    empty = sum(not s.is_annotation and s.samples == 0 for s in header.signals)
    if empty:
        _add(changes, "signals", f"{empty} signals without samples were left out.")
    return EdfContents(
        start=start,
        record_s=header.record_s,
        onsets_s=fraction + starts[order],
        signals=tuple(signals),
        read=_Reader(file, order).read,
        annotations=tuple(
            Annotation(entry.onset_s + fraction, entry.duration_s, entry.text)
            for entry in file.annotations
        ),
        is_bdf=header.is_bdf,
        patient=_patient(file, changes),
        recording=_recording(file, changes),
    )


class _Reader:
    """Digital samples of one record at a time, read many records at once."""

    def __init__(self, file: EdfFile, order: np.ndarray) -> None:
        self._file = file
        self._order = order
        self._blocks: dict[int, tuple[int, np.ndarray]] = {}

    def read(self, signal: int, record: int) -> np.ndarray:
        place = int(self._order[record])
        block = place // _RECORDS_KEPT
        number, samples = self._blocks.get(signal, (-1, np.empty(0)))
        if number != block:
            first = block * _RECORDS_KEPT
            stop = min(first + _RECORDS_KEPT, self._file.header.records)
            samples = self._file.read_digital_records(signal, first, stop)
            self._blocks[signal] = block, samples
        row: np.ndarray = samples[place - block * _RECORDS_KEPT]
        return row


def _signal(found: FoundSignal, is_bdf: bool, changes: list[Finding]) -> EdfSignal:
    name = found.label or f"signal {found.number + 1}"
    label = _plain(name, 16, f"label of '{name}'", changes)
    if not found.label:
        _add(changes, "label", f"Signal {found.number + 1} had no label and is called '{label}'.")
    least, most = (-(1 << 23), (1 << 23) - 1) if is_bdf else (-(1 << 15), (1 << 15) - 1)
    limits = _limits(found, least, most)
    if limits is None:
        # Not calibrated: the numbers themselves, so that no reader takes them for more.
        _add(
            changes,
            "calibration",
            f"'{name}' cannot be calibrated; its physical limits were set to the digital ones, and "
            "its values are the raw numbers.",
        )
        low, high, texts = least, most, (str(least), str(most))
    else:
        low, high, texts = limits
        gain = (float(texts[1]) - float(texts[0])) / (high - low)
        worst = max(
            abs(float(texts[0]) + gain * (value - low) - (found.gain * value + found.offset))
            for value in (low, high)
        )
        if worst > 1e-3 * abs(found.gain):
            _add(
                changes,
                "physical limits",
                f"The physical limits of '{name}' were rounded to 8 characters; values differ by "
                f"at most {worst / abs(found.gain):.2g} digital steps.",
            )
        written = (found.digital_minimum, found.digital_maximum)
        if written != (low, high):
            _add(
                changes,
                "digital limits",
                f"The digital limits of '{name}' are {low} and {high} instead of {written[0]:g} "
                f"and {written[1]:g}; the calibration is the same line.",
            )
    unit = _plain(found.unit, 8, f"unit of '{name}'", changes)
    return EdfSignal(
        label=label,
        unit=unit,
        physical_minimum=texts[0],
        physical_maximum=texts[1],
        digital_minimum=low,
        digital_maximum=high,
        samples_per_record=found.samples,
        transducer=_plain(found.transducer, 80, f"transducer of '{name}'", changes),
        prefilter=_plain(found.prefilter, 80, f"prefilter of '{name}'", changes),
    )


def _limits(found: FoundSignal, least: int, most: int) -> tuple[int, int, tuple[str, str]] | None:
    """Digital limits in the width of the samples, rising, and physical ones on the same line."""
    if not found.is_calibrated or found.digital_minimum is None or found.digital_maximum is None:
        return None
    ends = sorted((found.digital_minimum, found.digital_maximum))
    low = int(np.clip(np.ceil(ends[0]), least, most))
    high = int(np.clip(np.floor(ends[1]), least, most))
    if low >= high:
        low, high = least, most
    texts = [_as_written(found, value) or limit_text(found.gain * value + found.offset)
             for value in (low, high)]  # fmt: skip
    if texts[0] is None or texts[1] is None or float(texts[0]) == float(texts[1]):
        return None
    return low, high, (texts[0], texts[1])


def _as_written(found: FoundSignal, digital: int) -> str | None:
    """The header's own text of a physical limit, where it is the limit at `digital`."""
    for end, name in (
        (found.digital_minimum, "physical minimum"),
        (found.digital_maximum, "physical maximum"),
    ):
        text = found.fields[name].decode("latin-1").strip(" \x00")
        if end == digital and re.fullmatch(r"[+-]?\d+(\.\d*)?", text):
            return text
    return None


def _unique(signals: list[EdfSignal], changes: list[Finding]) -> list[EdfSignal]:
    """Signals with a label of their own each: the second 'EMG' becomes 'EMG 2'."""
    taken = {signal.label for signal in signals}
    seen: set[str] = set()
    result = []
    for signal in signals:
        label = signal.label
        number = 2
        while label in seen or (label != signal.label and label in taken):
            ending = f" {number}"
            label = signal.label[: 16 - len(ending)] + ending
            number += 1
        if label != signal.label:
            _add(changes, "label", f"The second '{signal.label}' is called '{label}'.")
        seen.add(label)
        result.append(replace(signal, label=label))
    return result


# ---------------------------------------------------------------- texts


def _plain(text: str, length: int, what: str, changes: list[Finding]) -> str:
    """Printable ASCII of at most `length` characters."""
    written = _ascii(text)[:length].strip()
    if written != text:
        _add(changes, what.split(" of ")[0], f"The {what} is written '{written}'.")
    return written


def _ascii(text: str) -> str:
    named = "".join(_NAMES.get(sign, sign) for sign in text)
    parts = unicodedata.normalize("NFKD", named)
    bare = "".join(sign for sign in parts if not unicodedata.combining(sign))
    return "".join(sign if " " <= sign <= "~" else "?" for sign in bare)


def _patient(file: EdfFile, changes: list[Finding]) -> str:
    """The patient field in EDF+'s four words. Never named in a finding."""
    text = file.header.fields["patient"].decode("latin-1").strip(" \x00")
    if text.isascii() and text.isprintable() and _EDF_PATIENT.fullmatch(text):
        return text
    words = _ascii(text).split()
    known = bool(words) and set(words) != {"X"}
    written = f"X X X {'_'.join(words)}"[:80] if known else ANONYMOUS
    if written != text:
        _add(changes, "patient", "The patient field was put into the four words of EDF+.")
    return written


def _recording(file: EdfFile, changes: list[Finding]) -> str:
    """What follows the start date in the recording field, in EDF+'s three words."""
    text = file.header.fields["recording"].decode("latin-1").strip(" \x00")
    match = _EDF_RECORDING.fullmatch(text)
    if match and text.isascii() and text.isprintable():
        return match.group(2)
    words = [word for word in _ascii(text).split() if word != "X"]
    if words[:1] == ["Startdate"]:
        words = words[2:]
    _add(changes, "recording", "The recording field was put into the words of EDF+.")
    # 22 characters are taken by the start date.
    return f"X X X {'_'.join(words)}"[:57].strip() if words else "X X X"


def _add(changes: list[Finding], field: str, message: str) -> None:
    changes.append(Finding("repaired", field, message))
