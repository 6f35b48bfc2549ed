"""Labels as annotations of EDF+ files, read from any and written as a file of annotations alone.

Source: https://www.edfplus.info/specs/edfplus.html: time-stamped lists, and `text@@signal` for an
annotation that is about one signal.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np

from core.errors import RecordingError
from core.label_set import (
    Encoded,
    Label,
    LabelSet,
    ReadOptions,
    changed,
    counted,
    decimal_text,
    exact,
    make_label_set,
    note,
    without,
    without_controls,
)
from core.write_edf import FIRST_YEAR, LAST_YEAR, EdfContents, header_bytes

CHANNEL_SIGN = "@@"
_NO_DATE = b"01.01.8500.00.00"
_RECORD_BYTES = 61440  # the largest data record that the format recommends
# Findings about signals say nothing of annotations.
_ABOUT_LABELS = frozenset(
    ("annotations", "time stamps", "start date", "start time", "reserved", "record count",
     "data records", "date", "time")
)  # fmt: skip


def read_edf_labels(path: Path, options: ReadOptions) -> LabelSet:
    """The annotations of an EDF+ or BDF+ file, with or without signals.

    Onsets count from the file's first sample. Raises RecordingError where the file cannot be read.
    """
    from core.read_edf import open_edf

    file = open_edf(path, None)
    findings = [found for found in file.findings if found.field in _ABOUT_LABELS]
    labels = []
    for annotation in file.annotations:
        text, _, channel = annotation.text.rpartition(CHANNEL_SIGN)
        if not text.strip() or not channel.strip():  # no sign, or nothing on one side of it
            text, channel = annotation.text, ""
        labels.append(Label(annotation.onset_s, annotation.duration_s, text, channel))
    start = options.start
    if file.has_clock and not _has_no_date(path):
        start = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)
        start += timedelta(microseconds=round(file.start_s * 1e6))
    if not labels:
        findings.append(note(f"The {file.format} file has no annotations."))
    return make_label_set(labels, start, findings, "edf")


def _has_no_date(path: Path) -> bool:
    """Whether the header holds what EDF+ writes where the start is not known."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            header = stream.read(256)
    except (OSError, EOFError, zlib.error) as error:
        raise RecordingError(f"{path}: the file can no longer be read ({error}).") from None
    return header[88:256].startswith(b"Startdate X") and header[168:184] == _NO_DATE


def write_edf_labels(labels: LabelSet) -> Encoded:
    """An EDF+C file of annotations alone, without anything about a person.

    Data records have a duration of 0 s, as in the hypnograms of Sleep-EDF. A start before 1985 or
    after 2084 cannot be said.
    """
    kept, findings = without(labels.labels, "EDF+", rater=True, confidence=True, extra=True)
    empty = [label for label in kept if not label.text]
    if empty:
        findings.append(
            changed(
                f"EDF+ has no annotations without text: {counted(len(empty), 'label')} left out."
            )
        )
        kept = [label for label in kept if label.text]
    held = []
    for label in kept:
        text, channel = without_controls(label.text), without_controls(label.channel)
        held.append(replace(label, text=text, channel=channel))
    altered = sum(a != b for a, b in zip(held, kept, strict=True))
    if altered:
        findings.append(
            changed(
                "EDF+ cannot hold control signs; they became \ufffd in "
                f"{counted(altered, 'label')}."
            )
        )
    start = labels.start
    if start is not None and not FIRST_YEAR <= start.year <= LAST_YEAR:
        findings.append(changed(f"EDF+ cannot hold a start in {start.year}; it was left out."))
        start = None
    fraction = Decimal(start.microsecond if start is not None else 0) / 1_000_000
    lists = [_list(label, fraction) for label in held]
    if any(len(entry) > _RECORD_BYTES - 64 for entry in lists):
        findings.append(note("A label is so long that its data record exceeds 61440 bytes."))
    records = _records(f"+{decimal_text(fraction)}\x14\x14\x00".encode("ascii"), lists)
    contents = EdfContents(start, 0.0, np.zeros(len(records)))
    header = header_bytes(contents, len(records[0]) // 2, len(records))
    return Encoded(header + b"".join(records), tuple(held), tuple(findings))


def _list(label: Label, fraction: Decimal) -> bytes:
    onset = exact(label.onset_s) + fraction
    sign = "-" if onset < 0 else "+"
    text = label.text + (CHANNEL_SIGN + label.channel if label.channel else "")
    head = f"{sign}{decimal_text(abs(onset))}"
    if label.duration_s:
        head += f"\x15{decimal_text(label.duration_s)}"
    return f"{head}\x14{text}\x14\x00".encode()


def _records(stamp: bytes, lists: list[bytes]) -> list[bytes]:
    """Data records of one length, each with the time stamp that EDF+ wants first."""
    bodies = [stamp]
    for entry in lists:
        if len(bodies[-1]) + len(entry) > _RECORD_BYTES and len(bodies[-1]) > len(stamp):
            bodies.append(stamp)
        bodies[-1] += entry
    longest = max(map(len, bodies))
    longest += longest % 2
    return [body.ljust(longest, b"\x00") for body in bodies]
