"""Reading and writing files of labels, whatever their format.

The format is guessed by ending and content; where they disagree the content counts and a finding
says so. What is written is read back before it takes its place, and whatever reads otherwise is a
finding too: nothing is lost without a word.
"""

from __future__ import annotations

import gzip
import itertools
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from core.atomic_file import write_atomically
from core.errors import ConfigError, CrosslError, OutputError, RecordingError
from core.label_set import (
    Encoded,
    Label,
    LabelSet,
    LabelValueError,
    ReadOptions,
    changed,
    counted,
    listed,
    make_label_set,
    note,
)
from core.labels_csv import (
    find_bare_table,
    find_table,
    read_bids,
    read_csv_labels,
    write_bids,
    write_csv_labels,
)
from core.labels_edf import read_edf_labels, write_edf_labels
from core.labels_epochs import read_epochs, write_epochs
from core.labels_luna import looks_like_luna, read_luna, write_luna
from core.labels_xml import NSRR_ROOT, PROFUSION_ROOT, read_xml_labels, write_nsrr, write_profusion
from core.recording import Finding

LabelFormat = Literal[
    "edf", "csv", "tsv", "bids", "nsrr", "profusion", "luna", "epochs", "predictions"
]
FORMATS: tuple[LabelFormat, ...] = get_args(LabelFormat)
WRITTEN: tuple[LabelFormat, ...] = FORMATS[:-1]
"""Formats that can be written; predictions are the batch mode's own."""

FORMAT_NAMES: dict[LabelFormat, str] = {
    "edf": "EDF+ annotations",
    "csv": "CSV table",
    "tsv": "TSV table",
    "bids": "BIDS events",
    "nsrr": "NSRR XML",
    "profusion": "Profusion XML",
    "luna": "Luna .annot",
    "epochs": "one value per epoch",
    "predictions": "predictions of batch mode",
}
_ENDINGS: tuple[tuple[str, LabelFormat], ...] = (
    ("events.tsv", "bids"),
    (".edf", "edf"),
    (".bdf", "edf"),
    (".rec", "edf"),
    (".csv", "csv"),
    (".tsv", "tsv"),
    (".tab", "tsv"),
    ("profusion.xml", "profusion"),
    (".xml", "nsrr"),
    (".annot", "luna"),
    (".eannot", "epochs"),
    (".epochs", "epochs"),
    (".txt", "epochs"),
)
_SURE = frozenset(("edf", "nsrr", "profusion", "luna"))
_LARGEST = 1 << 28
_HEAD = 1 << 16


def format_of_name(path: Path) -> LabelFormat | None:
    """The format that an ending stands for; None for others."""
    name = path.name.casefold().removesuffix(".gz")
    return next((kind for ending, kind in _ENDINGS if name.endswith(ending)), None)


def read_labels(
    path: Path | str,
    format: LabelFormat | None = None,
    *,
    epoch_s: float | None = None,
    offset_s: float = 0.0,
    start: datetime | None = None,
    time_zone: str | None = None,
    end_s: float | None = None,
) -> LabelSet:
    """The labels of a file, also packed with gzip, or the annotations of an EDF+ recording.

    Parameters
    ----------
    format: one of `FORMATS`; guessed if left out.
    epoch_s, offset_s: length in s of an epoch and start of the first, for one value per epoch;
        the length also for tables without durations.
    start: clock time at 0 s, for files with clock times; without a zone.
    time_zone: zone of clock times without one, UTC if left out.
    end_s: length of the recording, where a label lasts until its end.

    Raises RecordingError with the file, the line and what to do where it cannot be read.
    """
    path = Path(path)
    options = ReadOptions(epoch_s, offset_s, start, time_zone, end_s)
    if epoch_s is not None and not epoch_s > 0:
        raise ConfigError(f"The length of an epoch is {epoch_s:g} s: give one above 0.")
    head = _read(path, _HEAD)
    findings: list[Finding] = []
    if format is None:
        format = _guess(path, head, findings)
    try:
        labels = _read_as(path, format, options)
    except LabelValueError as error:
        raise RecordingError(
            f"{path}: a label has a time that cannot be ({error} s); correct it, or check that the "
            "file is what it seems."
        ) from None
    if format in ("tsv", "predictions") and labels.format != format:
        labels = replace(labels, format=format)
    return replace(labels, findings=(*findings, *labels.findings))


def _read_as(path: Path, format: LabelFormat, options: ReadOptions) -> LabelSet:
    if format == "edf":
        return read_edf_labels(path, options)
    if format == "predictions":
        return _read_predictions(path, options)
    data = _read(path, _LARGEST + 1)
    if len(data) > _LARGEST:
        raise RecordingError(f"{path}: far too large for a file of labels.")
    if format in ("nsrr", "profusion"):
        return read_xml_labels(path, data, options)
    findings: list[Finding] = []
    text = _text(path, data, findings)
    if format == "bids":
        plain = path.with_suffix("") if path.suffix.casefold() == ".gz" else path
        sidecar = plain.with_suffix(".json")
        labels = read_bids(path, text, options, sidecar if sidecar.is_file() else None)
    elif format == "luna":
        labels = read_luna(path, text, options)
    elif format == "epochs":
        labels = read_epochs(path, text, options)
    else:
        labels = read_csv_labels(path, text, options)
    return replace(labels, findings=(*findings, *labels.findings))


def _read(path: Path, most: int) -> bytes:
    """The first `most` bytes of a file, unpacked."""
    try:
        with gzip.open(path) if path.suffix.casefold() == ".gz" else path.open("rb") as stream:
            return stream.read(most)
    except FileNotFoundError:
        raise RecordingError(f"{path}: there is no such file of labels.") from None
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RecordingError(f"{path}: the labels cannot be read ({reason}).") from None


def _text(path: Path, data: bytes, findings: list[Finding]) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise RecordingError(f"{path}: damaged UTF-16 text ({error.reason}).") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        findings.append(note("The text is not UTF-8; it was read as Windows-1252 (Western)."))
        text = data.decode("cp1252", errors="replace")
    return text if "\n" in text else text.replace("\r", "\n")  # line ends of old Macs


# ---------------------------------------------------------------- guessing


def _guess(path: Path, head: bytes, findings: list[Finding]) -> LabelFormat:
    by_name = format_of_name(path)
    by_content = _by_content(path, head)
    if by_content is None:
        if by_name is not None and (not head.strip() or by_name == "edf"):
            return by_name
        raise RecordingError(
            f"{path}: neither the ending nor the content is one of a file of labels; name its "
            f"format (--from, or labels.format): {', '.join(FORMATS)}."
        )
    # A list of values is anything; a table may go by many endings.
    if by_name is not None and by_name != by_content and (
        by_name in _SURE or by_content in _SURE
    ) and not {by_name, by_content} <= {"nsrr", "profusion"}:  # fmt: skip
        findings.append(
            note(
                f"The ending says {FORMAT_NAMES[by_name]}, the content {FORMAT_NAMES[by_content]}; "
                "it was read as the latter."
            )
        )
    return by_content


def _by_content(path: Path, head: bytes) -> LabelFormat | None:
    if head.startswith(b"\xffBIOSEMI") or (head[:8].rstrip() == b"0" and len(head) >= 256):
        return "edf"
    if not head.strip():
        return None
    text = _text(path, head[: len(head) // 2 * 2], [])  # half a sign of UTF-16 is none
    if text.lstrip().startswith("<"):
        return "profusion" if PROFUSION_ROOT in text and NSRR_ROOT not in text else "nsrr"
    if looks_like_luna(text):
        return "luna"
    table = find_table(text)
    if table is None:
        if path.name.casefold().removesuffix(".gz").endswith((".annot", ".eannot")):
            return format_of_name(path)
        if find_bare_table(text) is not None:
            return "csv"
        # Several columns that say nothing are no list of values.
        first = next(line for line in text.split("\n") if line.strip())
        return None if any(sign in first.strip() for sign in "\t;,") else "epochs"
    if {"start_s", "end_s", "predicted"} <= set(table.names):
        return "predictions"
    names = set(table.names)
    if table.separator == "\t" and {"onset", "duration", "trial_type"} <= names:
        return "bids"
    named = format_of_name(path)
    if named == "bids" and table.separator == "\t" and {"onset", "duration"} <= names:
        return "bids"
    return "tsv" if table.separator == "\t" and named == "tsv" else "csv"


def _read_predictions(path: Path, options: ReadOptions) -> LabelSet:
    """Predicted classes with their confidence; windows without a prediction are left out."""
    from core.prediction_table import read_prediction_table

    try:
        table = read_prediction_table(path)
    except CrosslError as error:
        raise RecordingError(str(error)) from None
    findings = []
    labels = []
    for row in range(len(table)):
        confidence = float(table.confidence[row])
        begin, end = float(table.start_s[row]), float(table.end_s[row])
        if not table.predicted[row]:
            continue
        if end < begin:
            raise RecordingError(f"{path}: a window ends before it starts, at {begin:g} s.")
        sure = confidence if confidence == confidence else None
        labels.append(Label(begin, end - begin, table.predicted[row], confidence=sure))
    missing = len(table) - len(labels)
    if missing:
        findings.append(
            note(f"{counted(missing, 'window')} without a prediction (no modality was present).")
        )
    if any(a.onset_s + a.duration_s > b.onset_s + 1e-6
           for a, b in itertools.pairwise(labels)):  # fmt: skip
        findings.append(note("Windows overlap, and so do the labels."))
    findings.append(
        note("Read from the predictions: class and confidence; the other columns stay there.")
    )
    return make_label_set(labels, options.start, findings, "predictions")


# ---------------------------------------------------------------- writing


def written_paths(path: Path, format: LabelFormat | None = None) -> tuple[Path, ...]:
    """The files that `write_labels` writes: BIDS has a JSON beside the table.

    Raises ConfigError where no format that can be written is named or guessed.
    """
    kind = written_format(path, format)
    return (path, path.with_suffix(".json")) if kind == "bids" else (path,)


def written_format(path: Path, format: LabelFormat | None) -> LabelFormat:
    """The format that `write_labels` takes; ConfigError where it cannot be written."""
    if format is None:
        format = format_of_name(path)
        if format is None or path.name.casefold().endswith((".gz", ".bdf", ".rec")):
            endings = "events.tsv, .edf, .csv, .tsv, .xml, .annot, .txt"
            raise ConfigError(
                f"{path}: no format of labels that can be written goes by this ending; use one of "
                f"{endings}, or name the format (--to): {', '.join(WRITTEN)}."
            )
    if format not in WRITTEN:
        raise ConfigError(
            f"Labels cannot be written as '{format}'; choose one of {', '.join(WRITTEN)}."
        )
    return format


def encode_labels(
    labels: LabelSet,
    format: LabelFormat,
    *,
    epoch_s: float | None = None,
    offset_s: float | None = None,
) -> Encoded:
    """Labels as the bytes of a file, with what the format cannot hold as findings."""
    if format == "edf":
        return write_edf_labels(labels)
    if format == "bids":
        return write_bids(labels)
    if format == "nsrr":
        return write_nsrr(labels, epoch_s)
    if format == "profusion":
        return write_profusion(labels, epoch_s)
    if format == "luna":
        return write_luna(labels)
    if format == "epochs":
        return write_epochs(labels, epoch_s, offset_s)
    return write_csv_labels(labels, "\t" if format == "tsv" else ",")


def write_labels(
    path: Path | str,
    labels: LabelSet,
    format: LabelFormat | None = None,
    *,
    epoch_s: float | None = None,
    offset_s: float | None = None,
) -> tuple[Finding, ...]:
    """Write labels, whole or not at all; an existing file is replaced.

    Returns what the format cannot hold, or holds otherwise. `format` is guessed by the ending if
    left out; `epoch_s` and `offset_s` are for one value per epoch. Raises ConfigError for a format
    that cannot be written and OutputError where the file cannot be.
    """
    path = Path(path)
    kind = written_format(path, format)
    if epoch_s is not None and not epoch_s > 0:
        raise ConfigError(f"The length of an epoch is {epoch_s:g} s: give one above 0.")
    encoded = encode_labels(labels, kind, epoch_s=epoch_s, offset_s=offset_s)
    findings = [*encoded.findings, *_read_back(encoded, kind)]
    for ending, content in encoded.beside:
        write_atomically(path.with_suffix(ending), content)
    write_atomically(path, encoded.content)
    return tuple(findings)


def _read_back(encoded: Encoded, format: LabelFormat) -> list[Finding]:
    """What a reader finds otherwise than it was meant."""
    first = encoded.held[0] if encoded.held else None
    options = ReadOptions(
        epoch_s=first.duration_s if first is not None and format == "epochs" else None,
        offset_s=first.onset_s if first is not None else 0.0,
    )
    if format == "epochs" and first is None:
        return []
    try:
        with tempfile.TemporaryDirectory(prefix="crossl-labels-") as folder:
            path = Path(folder) / "labels"
            path.write_bytes(encoded.content)
            found = _read_as(path, format, options)
    except RecordingError as error:
        reason = str(error).partition(": ")[2]
        raise OutputError(
            f"These labels cannot be written as {FORMAT_NAMES[format]}: {reason}"
        ) from None
    except OSError as error:
        raise OutputError(
            f"The labels cannot be checked in the folder for temporary files ({error.strerror})."
        ) from error
    missing = _keys(encoded.held) - _keys(found.labels)
    if not missing:
        return []
    texts = [str(key[2]) for key in missing]
    return [
        changed(
            f"{counted(sum(missing.values()), 'label')} will be read otherwise than meant, because "
            f"{FORMAT_NAMES[format]} gives some signs a meaning of their own: {listed(texts)}."
        )
    ]


def _keys(labels: Iterable[Label]) -> Counter[tuple[object, ...]]:
    return Counter(
        (x.onset_s, x.duration_s, x.text, x.channel, x.rater, x.confidence, tuple(sorted(x.extra)))
        for x in labels
    )
