"""Copies of EDF and BDF files without what names the person, the staff or the hospital.

Samples and their calibration are copied byte for byte. The patient and the recording field lose
all but the start date; dates move by a whole number of days that is the same for a study, so that
nights of one person keep their distance; annotations keep their time, and their text only where it
is one of the standard texts or one that the caller names. Every field can be shown before and
after, before anything is written.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from core.atomic_file import refuse_to_replace, replacing
from core.edf_header import FILE_FIELDS, FIXED_BYTES, SIGNAL_FIELDS, EdfSignal, decode
from core.errors import ConfigError, RecordingError
from core.read_edf import open_edf
from core.recording import Finding
from core.write_edf import (
    ANONYMOUS,
    FIRST_YEAR,
    LAST_YEAR,
    NO_DATE,
    recording_field,
)

STANDARD_TEXTS = (
    *(f"Sleep stage {stage}" for stage in ("W", "1", "2", "3", "4", "R", "M", "N", "N1", "N2")),
    *("Sleep stage N3", "Sleep stage [?]", "Sleep stage REM", "Movement time"),
    *("W", "N1", "N2", "N3", "N4", "R", "REM", "Wake", "S1", "S2", "S3", "S4", "MT", "NREM"),
    *("Lights off", "Lights on", "Recording starts", "Recording ends"),
    *("RECORD START", "REC START", "Start recording", "Stop recording"),
    *("Arousal", "EEG arousal", "Sleep spindle", "K complex", "K-complex", "Sawtooth waves"),
    *("Apnea", "Central apnea", "Obstructive apnea", "Mixed apnea", "Hypopnea", "RERA"),
    *("Obstructive hypopnea", "Central hypopnea", "Oxygen desaturation", "SpO2 desaturation"),
    *("Snore", "Cheyne Stokes breathing", "Cheyne-Stokes respiration", "Hypoventilation"),
    *("Limb movement", "Leg movement", "PLMS", "Periodic limb movement", "Bruxism"),
    *("Bradycardia", "Tachycardia", "Asystole", "Movement", "Artefact", "Artifact"),
    *("Eyes open", "Eyes closed", "Bad signal", "Unscored"),
)
"""Annotation texts that say nothing about who it is; `?`, `*` and `[…]` as in file patterns."""
REMOVED_TEXT = "X"
STUDY_FILE = "deidentification.json"

_BYTES_AT_ONCE = 1 << 24
_TOKEN = re.compile(rb"[^\x00]+")
_LIST = re.compile(rb"[+-]\d{1,12}(?:[.,]\d*)?(?:\x15[\d.]*)?\x14[^\x00]*\x14\x00")
_LOOKED_AT = 500  # records, evenly spread, to tell what a signal holds
_HEAD = re.compile(rb"[+-]?\d{1,12}(?:[.,]\d*)?(?:\x15(?:\d{1,12}(?:[.,]\d*)?)?)?")
# What the words of EDF+'s two identification fields are.
_PATIENT_WORDS = ("patient code", "sex", "birth date", "patient name")
_TEXT_FIELDS = ("label", "transducer", "unit", "prefilter", "signal reserved")
_RECORDING_WORDS = ("start date in full", "hospital code", "technician", "equipment")


@dataclass(frozen=True)
class FieldChange:
    """A header field, or a word of one, as people read it; `signal` counts from 1."""

    field: str
    before: str
    after: str
    signal: int | None = None

    @property
    def changed(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True)
class TextChange:
    """An annotation text, how often it occurs, and whether the copy keeps it."""

    text: str
    count: int
    kept: bool


@dataclass(frozen=True)
class Deidentification:
    """What de-identifying a file changes. Holds patient fields: for the user's eyes alone."""

    fields: tuple[FieldChange, ...]
    texts: tuple[TextChange, ...]
    damaged_entries: int
    findings: tuple[Finding, ...]


def plan_deidentification(
    path: Path, shift_days: int, keep_texts: Sequence[str] = ()
) -> Deidentification:
    """What a copy would say instead, field by field; nothing is written.

    `keep_texts` are patterns of annotation texts to keep besides STANDARD_TEXTS. Raises
    RecordingError where the file cannot be read, or where the shifted date is none that EDF can
    say.
    """
    return _Copy(path, shift_days, keep_texts).plan()


def deidentify(
    path: Path,
    out: Path,
    shift_days: int,
    keep_texts: Sequence[str] = (),
    *,
    force: bool = False,
) -> Deidentification:
    """Write the copy; returns what was changed.

    Raises RecordingError as `plan_deidentification` does, and OutputError where `out` is there
    already, without `force`, or cannot be written.
    """
    copy = _Copy(path, shift_days, keep_texts)
    plan = copy.plan()
    if out.exists() and out.resolve() == path.resolve():
        raise ConfigError(f"{out}: the copy needs a name of its own; originals are never touched.")
    copy.write(out, force)
    return plan


class _Copy:
    """A file and what its copy says."""

    def __init__(self, path: Path, shift_days: int, keep_texts: Sequence[str]) -> None:
        self._path = path
        self._file = open_edf(path)
        self._header = header = self._file.header
        self._findings = list(self._file.findings)
        self._texts_of = self._annotation_signals()
        self._patterns = [pattern.casefold() for pattern in (*STANDARD_TEXTS, *keep_texts)]
        self._labels = {signal.label.casefold() for signal in header.signals}
        self._kept: dict[bytes, bool] = {}
        fields = header.fields["patient"] + b" " + header.fields["recording"]
        # Shorter words are met by chance among the samples of a night.
        self._names = [word for word in re.split(rb"[^\w]+|_+", fields) if len(word) >= 5]
        self._names = [word for word in self._names if word != b"Startdate"]
        self._start = self._shifted(header.start, shift_days)
        self._fields = self._new_fields()

    def _shifted(self, start: datetime | None, days: int) -> datetime | None:
        if start is None:
            return None
        try:
            shifted = start + timedelta(days=days)
        except OverflowError:
            shifted = None
        if shifted is None or not FIRST_YEAR <= shifted.year <= LAST_YEAR:
            raise RecordingError(
                f"{self._path}: shifted by {days} days, the start date leaves the years "
                f"{FIRST_YEAR} to {LAST_YEAR} that the format can say; choose another shift."
            )
        return shifted

    def _new_fields(self) -> dict[str, bytes]:
        header = self._header
        date = self._start or NO_DATE
        time = header.fields["start time"] if self._start is not None else b"00.00.00"
        letter = "BDF" if header.is_bdf else "EDF"
        texts = {
            "patient": ANONYMOUS,
            "recording": recording_field(self._start, "X X X"),
            "start date": f"{date.day:02d}.{date.month:02d}.{date.year % 100:02d}",
            "header length": str(FIXED_BYTES * (len(header.signals) + 1)),
            "reserved": f"{letter}+{header.plus}" if header.plus else "",
            "record count": str(header.records),
        }
        if header.is_bdf and not header.plus:
            texts["reserved"] = "24BIT"
        fields = {name: texts[name].encode("ascii") if name in texts else data
                  for name, data in header.fields.items()}  # fmt: skip
        fields["start time"] = time
        return {name: fields[name].ljust(length) for name, length in FILE_FIELDS}

    # -- telling

    def plan(self) -> Deidentification:
        changes = []
        for name, _ in FILE_FIELDS:
            before, after = _shown(self._header.fields[name]), _shown(self._fields[name])
            if name == "patient":
                changes += _words(before, after, _PATIENT_WORDS)
            elif name == "recording":
                before, after = before.removeprefix("Startdate "), after.removeprefix("Startdate ")
                changes += _words(before, after, _RECORDING_WORDS)
            elif name != "version":
                changes.append(FieldChange(name, before, after))
        for signal in self._header.signals:
            number = signal.number + 1
            for name in _TEXT_FIELDS:
                before = _shown(signal.fields[name])
                after = "" if name == "signal reserved" else before
                changes.append(FieldChange(f"{name} of signal {number}", before, after, number))
        counts: Counter[bytes] = Counter()
        damaged = 0
        for row in self._annotation_rows():
            for token in _TOKEN.findall(row):
                head, *texts = token.split(b"\x14")
                if not texts or not _HEAD.fullmatch(head):
                    damaged += 1
                    continue
                counts.update(text for text in texts if text)
        kept = tuple(
            TextChange(decode(text)[0], count, self._keeps(text))
            for text, count in counts.most_common()
        )
        return Deidentification(tuple(changes), kept, damaged, tuple(self._findings))

    def _annotation_rows(self) -> Iterator[bytes]:
        """The bytes of each annotation signal in each record."""
        records = self._file.raw_records(0, self._header.records)
        for begin, end in self._annotation_places():
            for row in records[:, begin:end]:
                yield row.tobytes()

    def _annotation_signals(self) -> list[EdfSignal]:
        """Signals that hold annotations, also under a label that does not say so."""
        found = []
        for signal in self._header.signals:
            if not signal.samples:
                continue
            if signal.is_annotation:
                found.append(signal)
            elif self._looks_like_annotations(signal):
                found.append(signal)
                self._findings.append(
                    Finding(
                        "repaired",
                        "annotations",
                        f"Signal {signal.number + 1} holds annotations although its label does not "
                        "say so; its texts were treated like other annotations.",
                    )
                )
        return found

    def _looks_like_annotations(self, signal: EdfSignal) -> bool:
        """Whether nearly all records of a signal that hold anything begin with a list."""
        begin, end = self._place(signal)
        rows = self._file.raw_records(0, self._header.records)[:, begin:end]
        used = np.flatnonzero(rows.any(axis=1))
        first = used[:: max(1, len(used) // _LOOKED_AT)]
        lists = sum(_LIST.match(rows[k].tobytes()) is not None for k in first)
        return lists > 0.9 * len(first) and lists > 0

    def _annotation_places(self) -> list[tuple[int, int]]:
        """First and past-the-last byte of each annotation signal in a record."""
        return [self._place(signal) for signal in self._texts_of]

    def _place(self, signal: EdfSignal) -> tuple[int, int]:
        width = self._header.width
        return signal.column * width, (signal.column + signal.samples) * width

    def _keeps(self, text: bytes) -> bool:
        kept = self._kept.get(text)
        if kept is None:
            plain = decode(text)[0].strip().casefold()
            # EDF+ writes `text@@label` where an annotation is about one signal.
            about, sign, label = plain.rpartition("@@")
            if sign and label in self._labels:
                plain = about
            kept = any(fnmatch.fnmatchcase(plain, pattern) for pattern in self._patterns)
            self._kept[text] = kept
        return kept

    # -- writing

    def write(self, out: Path, force: bool) -> None:
        """Write the copy; `plan` has been asked before."""
        header = self._header
        kept = [text for text, keeps in self._kept.items() if keeps]
        names = [word for word in self._names if not any(word in text for text in kept)]
        places = self._annotation_places()
        at_once = max(1, _BYTES_AT_ONCE // max(1, header.record_bytes))
        refuse_to_replace(out, force)
        with replacing(out) as stream:
            stream.write(b"".join(self._fields[name] for name, _ in FILE_FIELDS))
            for name, length in SIGNAL_FIELDS:
                for signal in header.signals:
                    data = b"" if name == "signal reserved" else signal.fields[name]
                    stream.write(data.ljust(length))
            for first in range(0, header.records, at_once):
                stop = min(first + at_once, header.records)
                block = np.array(self._file.raw_records(first, stop))
                for row in block:
                    for begin, end in places:
                        clean = self._without_texts(row[begin:end].tobytes())
                        row[begin:end] = np.frombuffer(clean, np.uint8)
                data = block.tobytes()
                self._refuse_names_in(data, names)
                stream.write(data)

    def _refuse_names_in(self, data: bytes, names: list[bytes]) -> None:
        """Stop where a word of the removed fields stands among the samples: in a damaged file
        annotations may lie anywhere, and a copy that names the person is worse than none."""
        for word in names:
            if word in data:
                raise RecordingError(
                    f"{self._path}: a word of the header's patient or recording field also stands "
                    "among the samples, where annotations of a damaged file may lie; repair the "
                    "file first (--inspect FILE --repair OUT)."
                )

    def _without_texts(self, row: bytes) -> bytes:
        """A record's annotation lists, of the same length, with the texts that are kept."""
        lists = []
        for token in _TOKEN.findall(row):
            head, *texts = token.split(b"\x14")
            if not texts or not _HEAD.fullmatch(head):
                continue  # damaged: whatever it holds is no time-stamped list
            texts = [
                text if not text or self._keeps(text) else REMOVED_TEXT.encode() for text in texts
            ]
            lists.append(b"\x14".join([head, *texts]) + b"\x00")
        return b"".join(lists)[: len(row)].ljust(len(row), b"\x00")


def _shown(data: bytes) -> str:
    text = decode(data.strip(b" \x00"))[0]
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _words(before: str, after: str, names: tuple[str, ...]) -> list[FieldChange]:
    """The words of an identification field side by side; what follows them as one."""
    count = len(names)
    old, new = before.split(" ", count), after.split(" ", count)
    old += [""] * (count + 1 - len(old))
    new += [""] * (count + 1 - len(new))
    rest = f"more after {names[-1]}"
    changes = [FieldChange(n, b, a) for n, b, a in zip((*names, rest), old, new, strict=True)]
    return [change for change in changes if change.before or change.after]


# ---------------------------------------------------------------- the study's shift


def study_shift_days(folder: Path, start: datetime | None = None) -> int:
    """The study's shift of dates, in days; drawn at random and kept when first asked for.

    `start`: when one of its recordings started (see `random_shift_days`). Raises ConfigError where
    the shift cannot be read or kept.
    """
    path = folder / STUDY_FILE
    try:
        days = json.loads(path.read_text(encoding="utf-8"))["shift_days"]
        if isinstance(days, bool) or not isinstance(days, int):
            raise ValueError
        return days
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(
            f"{path}: the study's shift of dates cannot be read; restore the file, because another "
            "shift would tear the study's dates apart."
        ) from None
    days = random_shift_days(start)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Not for everybody: with it, dates can be found again. Never over another's file.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump({"shift_days": days}, stream)
    except FileExistsError:
        return study_shift_days(folder, start)
    except OSError as error:
        raise ConfigError(
            f"{path}: the study's shift of dates cannot be kept ({error.strerror})."
        ) from None
    return days


def random_shift_days(start: datetime | None = None) -> int:
    """A shift of one to ten years in whole weeks, so that weekdays stay.

    Into the past, or into the future where the past is earlier than EDF's first year.
    """
    days = 7 * (52 + secrets.randbelow(470))
    forward = start is not None and start.year - 11 < FIRST_YEAR
    return days if forward else -days


def start_of(path: Path) -> datetime | None:
    """When a recording started, as its header says. Raises RecordingError."""
    return open_edf(path).header.start
