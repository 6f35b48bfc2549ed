"""Labels of a recording, from wherever they are kept, and the label of each window.

A `LabelTrack` holds the texts as written. Mapping them to classes comes after, so that the
classes of a whole study can be settled from what all tracks hold. Unlabelled is never a class:
it is -1.
"""

from __future__ import annotations

import csv
import gzip
import re
import threading
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Literal

import numpy as np

from core.config import (
    AnnotationLabels,
    ColumnLabels,
    CsvConfig,
    EpochLabels,
    FieldLabels,
    FileLabels,
    LabelsBase,
    LabelsConfig,
    TableLabels,
)
from core.errors import DataError, RecordingError
from core.find_recordings import ALL_SOURCES, FoundRecording, table_key_means
from core.recording import Finding, Recording, SignalFile
from core.windows import TOLERANCE_S

UNLABELLED = -1


@dataclass(frozen=True)
class LabelTrack:
    """The labels of one recording as written, in order of time.

    Attributes
    ----------
    kind: `intervals` that last, or `samples` that hold for one sample each.
    onsets_s: float64 (n,), seconds from the recording's start.
    durations_s: float64 (n,); 0 for samples.
    names: the distinct texts.
    codes: int64 (n,), which text each entry has.
    rater: who labelled, where it is known.
    """

    kind: Literal["intervals", "samples"]
    onsets_s: np.ndarray
    durations_s: np.ndarray
    names: tuple[str, ...]
    codes: np.ndarray
    rater: str = ""
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.onsets_s)


def make_track(
    kind: Literal["intervals", "samples"],
    onsets_s: np.ndarray | Sequence[float],
    durations_s: np.ndarray | Sequence[float] | float,
    texts: Iterable[str],
    rater: str = "",
    findings: Iterable[Finding] = (),
) -> LabelTrack:
    """A track from parallel lists, sorted by time; entries without text are left out."""
    onsets = np.asarray(onsets_s, np.float64)
    durations = np.broadcast_to(np.asarray(durations_s, np.float64), onsets.shape)
    numbers: dict[str, int] = {}
    codes = np.fromiter(
        (numbers.setdefault(text.strip(), len(numbers)) for text in texts), np.int64, len(onsets)
    )
    there = np.isfinite(onsets) & np.isfinite(durations)
    if "" in numbers:
        there &= codes != numbers[""]
    order = np.argsort(onsets[there], kind="stable")
    kept = np.flatnonzero(there)[order]
    used, codes = np.unique(codes[kept], return_inverse=True)
    names = list(numbers)
    return LabelTrack(
        kind,
        onsets[kept],
        durations[kept],
        tuple(names[k] for k in used),
        codes.astype(np.int64),
        rater,
        tuple(findings),
    )


# ---------------------------------------------------------------- classes


# Ways of writing that there is no label, unless the run file says otherwise.
NO_LABEL = frozenset(("na", "n/a", "nan", "null", "?", "-", "unscored", "unlabelled", "unlabeled"))


def class_of(text: str, config: LabelsBase) -> str | None:
    """The class of a text; None for unlabelled.

    A text the mapping does not hold stands for itself, as long as `classes` allows it.
    """
    name = config.mapping.get(text, text)
    if name is None or not name.strip():
        return None
    if text not in config.mapping and not config.classes and text.casefold() in NO_LABEL:
        return None
    return name if not config.classes or name in config.classes else None


def class_names(tracks: Iterable[LabelTrack | None], config: LabelsBase) -> tuple[str, ...]:
    """The classes: as configured, or every class that the tracks hold, sorted."""
    if config.classes:
        return tuple(config.classes)
    met = {
        name
        for track in tracks
        if track is not None
        for text in track.names
        if (name := class_of(text, config)) is not None
    }
    return tuple(sorted(met))


def _class_codes(track: LabelTrack, classes: Sequence[str], config: LabelsBase) -> np.ndarray:
    """Class of each entry of a track, int64, -1 for unlabelled."""
    numbers = {name: number for number, name in enumerate(classes)}
    table = np.array(
        [numbers.get(class_of(text, config) or "", UNLABELLED) for text in track.names], np.int64
    )
    return table[track.codes] if len(track) else np.empty(0, np.int64)


def first_label_s(track: LabelTrack | None, config: LabelsBase) -> float | None:
    """Onset of the first entry that has a class; None without one."""
    if track is None or not len(track):
        return None
    there = np.array([class_of(text, config) is not None for text in track.names])[track.codes]
    return float(track.onsets_s[np.argmax(there)]) if there.any() else None


def unmapped(track: LabelTrack, config: LabelsBase) -> tuple[Finding, ...]:
    """A finding that names the texts which are no class and were not mapped to null."""
    counts = Counter(track.codes.tolist())
    left = [
        f"'{text}' ({counts[code]} times)"
        for code, text in enumerate(track.names)
        if class_of(text, config) is None and text not in config.mapping
    ]
    if not left:
        return ()
    listed = ", ".join(left[:10]) + (f" and {len(left) - 10} more" if len(left) > 10 else "")
    message = f"Neither a class nor mapped to one, so unlabelled: {listed}."
    return (Finding("note", "labels", message),)


# ---------------------------------------------------------------- windows


def window_labels(
    track: LabelTrack | None,
    starts_s: np.ndarray,
    length_s: float,
    classes: Sequence[str],
    config: LabelsBase,
) -> np.ndarray:
    """Label of each window, int64, -1 for unlabelled.

    The class with the most time in the window wins, with the most samples inside
    [start, start + length) for labels on samples; a tie goes to the class first in `classes`. A
    window has a label only where classes cover at least `config.min_cover` of it.
    """
    starts = np.asarray(starts_s, np.float64)
    labels = np.full(len(starts), UNLABELLED, np.int64)
    if track is None or not len(track) or not len(starts) or not classes:
        return labels
    codes = _class_codes(track, classes, config)
    if track.kind == "samples":
        weight, cover = _count_samples(track, codes, starts, length_s, len(classes))
    else:
        weight, cover = _count_time(track, codes, starts, length_s, len(classes))
    labelled = (cover >= config.min_cover - 1e-6) & (weight.max(axis=1) > 0)
    labels[labelled] = np.argmax(weight[labelled], axis=1)
    return labels


def _count_samples(
    track: LabelTrack, codes: np.ndarray, starts: np.ndarray, length_s: float, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    low = np.searchsorted(track.onsets_s, starts - TOLERANCE_S, side="left")
    high = np.searchsorted(track.onsets_s, starts + length_s - TOLERANCE_S, side="left")
    weight = np.empty((len(starts), classes))
    for number in range(classes):
        total = np.concatenate(([0], np.cumsum(codes == number)))
        weight[:, number] = total[high] - total[low]
    # In a gap of the label column there are no samples: those that are due count as unlabelled.
    steps = np.diff(track.onsets_s)
    steps = steps[steps > 0]
    due = np.floor(length_s / np.median(steps)) if len(steps) else 1.0
    cover = weight.sum(axis=1) / np.maximum(np.maximum(high - low, due), 1)
    return weight, cover


def _count_time(
    track: LabelTrack, codes: np.ndarray, starts: np.ndarray, length_s: float, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    ends = track.onsets_s + track.durations_s
    weight = np.empty((len(starts), classes))
    for number in range(classes):
        here = codes == number
        weight[:, number] = _overlap(track.onsets_s[here], ends[here], starts, length_s)
    # Intervals may overlap, as two raters' do; what covers the window is their union.
    here = codes >= 0
    begin, end = track.onsets_s[here], np.maximum.accumulate(ends[here]) if here.any() else ends[:0]
    if len(begin):
        fresh = np.concatenate(([True], begin[1:] > end[:-1]))
        last = np.concatenate((np.flatnonzero(fresh)[1:] - 1, [len(begin) - 1]))
        begin, end = begin[fresh], end[last]
    cover = _overlap(begin, end, starts, length_s) / length_s
    return np.round(weight / TOLERANCE_S), cover


def _overlap(
    onsets: np.ndarray, ends: np.ndarray, starts: np.ndarray, length_s: float
) -> np.ndarray:
    """Time that intervals have in each window, summed over the intervals."""

    def before(times: np.ndarray, edges: np.ndarray) -> np.ndarray:
        edges = np.sort(edges)
        count = np.searchsorted(edges, times)
        result: np.ndarray = count * times - np.concatenate(([0.0], np.cumsum(edges)))[count]
        return result

    stops = starts + length_s
    result: np.ndarray = (before(stops, onsets) - before(stops, ends)) - (
        before(starts, onsets) - before(starts, ends)
    )
    return result


# ---------------------------------------------------------------- reading


class LabelReader:
    """Reads the labels of recordings; a table that serves them all is read once.

    `data_root` is the folder that patterns are relative to; `key_map` and `config` are the run
    file's. Safe from several threads.
    """

    def __init__(
        self, config: LabelsConfig, data_root: Path, key_map: dict[str, str] | None = None
    ) -> None:
        self._config = config
        self._root = data_root
        self._key_map = key_map or {}
        self._tables: dict[Path, dict[str, list[str]]] = {}
        self._lock = threading.Lock()

    def read(self, recording: Recording) -> LabelTrack:
        """The track of a recording; empty, with a finding that says why, where it has no labels.

        A missing label file or label column is no error: the recording is unlabelled. A file that
        is there and cannot be read raises RecordingError; settings that fit no recording, such as
        a column that the one table for all does not have, raise DataError.
        """
        config = self._config
        if isinstance(config, FieldLabels):
            return self._from_field(config, recording)
        if isinstance(config, ColumnLabels):
            return self._from_column(config, recording)
        if isinstance(config, AnnotationLabels):
            return self._from_annotations(config, recording)
        if isinstance(config, EpochLabels):
            return self._from_epochs(config, recording)
        if isinstance(config, FileLabels):
            return self._from_file(config, recording)
        return self._from_table(config, recording)

    def _from_field(self, config: FieldLabels, recording: Recording) -> LabelTrack:
        text = recording.fields.get(config.field)
        if text is None:
            raise DataError(
                f"labels.field: the patterns have no field '{config.field}'; fields: "
                f"{', '.join(recording.fields) or 'none'}."
            )
        return make_track("intervals", [0.0], recording.duration_s, [text])

    def _from_column(self, config: ColumnLabels, recording: Recording) -> LabelTrack:
        sources = [
            source
            for source in recording.sources
            if config.source is None or source.name.casefold() == config.source.casefold()
        ]
        if not sources:
            names = ", ".join(source.name for source in recording.sources)
            return _unlabelled(f"There is no source '{config.source}' with labels, only {names}.")
        problem = ""
        for source in sources:
            signal = _label_signal(source.file, config.column)
            if signal is not None:
                times, texts = signal
            else:
                try:
                    times, texts = source.file.texts(config.column)
                except RecordingError as error:
                    problem = problem or str(error)
                    continue
            return make_track("samples", np.asarray(times) + source.offset_s, 0.0, texts)
        return _unlabelled(problem)

    def _from_annotations(self, config: AnnotationLabels, recording: Recording) -> LabelTrack:
        onsets: list[float] = []
        durations: list[float] = []
        texts: list[str] = []
        findings: list[Finding] = []
        if config.pattern is None:
            for source in recording.sources:
                for annotation in source.file.annotations:
                    onsets.append(annotation.onset_s + source.offset_s)
                    durations.append(annotation.duration_s)
                    texts.append(annotation.text)
        else:
            path = self._beside(config.pattern, recording, findings)
            if path is None:
                return self._no_file(config.pattern, recording)
            from core.read_edf import open_edf

            first = recording.sources[0]
            file = open_edf(path, first.time_zone)
            offset = _offset(file, recording, first.clock_offset_s, findings)
            for annotation in file.annotations:
                onsets.append(annotation.onset_s + offset)
                durations.append(annotation.duration_s)
                texts.append(annotation.text)
            findings += file.findings
        if not texts:
            return _unlabelled("There are no annotations.", findings)
        return _with_durations(
            make_track("intervals", onsets, durations, texts, findings=findings),
            config,
            recording.duration_s,
        )

    def _from_epochs(self, config: EpochLabels, recording: Recording) -> LabelTrack:
        findings: list[Finding] = []
        path = self._beside(config.pattern, recording, findings)
        if path is None:
            return self._no_file(config.pattern, recording)
        texts = _epoch_texts(path, config)
        onsets = config.offset_s + config.epoch_s * np.arange(len(texts))
        return make_track("intervals", onsets, config.epoch_s, texts, findings=findings)

    def _from_table(self, config: TableLabels, recording: Recording) -> LabelTrack:
        findings: list[Finding] = []
        path = self._beside(config.pattern, recording, findings)
        if path is None:
            return self._no_file(config.pattern, recording)
        table = self._table(path, config.csv)
        for column in (
            config.time_column,
            config.label_column,
            *filter(None, (config.key_column, config.duration_column)),
        ):
            if column not in table:
                # A table of its own concerns one recording; a table for all concerns the run.
                raise (RecordingError if "{" in config.pattern else DataError)(
                    f"{path}: there is no column '{column}'; columns: {', '.join(table)}."
                )
        rows = np.arange(len(table[config.label_column]))
        if config.key_column is not None:
            rows = self._rows_of(recording, table[config.key_column], config.key)
            if not len(rows):
                who = recording.subject if config.key == "subject" else recording.id
                return _unlabelled(f"{path} has no row for {config.key} {who}.")
        zone = recording.sources[0].time_zone
        written = [table[config.time_column][row] for row in rows]
        times = _times(path, written, config.time_unit, zone)
        if config.clock == "absolute":
            if not recording.has_clock:
                raise RecordingError(
                    f"{_name(recording)}: the labels in {path} have clock times, but the "
                    f"recording has no clock; set labels.clock to elapsed."
                )
            times = times - recording.start_s
        if config.duration_column is not None:
            lengths = table[config.duration_column]
            durations = _times(path, [lengths[row] for row in rows], "s")
        else:
            durations = np.full(len(rows), config.period_s or 0.0)
        texts = [table[config.label_column][row] for row in rows]
        track = make_track("intervals", times, durations, texts, findings=findings)
        return _with_durations(track, config, recording.duration_s)

    def _from_file(self, config: FileLabels, recording: Recording) -> LabelTrack:
        from core.label_clock import RecordingClock, read_placed_labels

        findings: list[Finding] = []
        path = self._beside(config.pattern, recording, findings)
        if path is None:
            return self._no_file(config.pattern, recording)
        found = read_placed_labels(
            path,
            RecordingClock.of(recording),
            config.format,
            epoch_s=config.epoch_s,
            offset_s=config.offset_s,
        )
        findings += found.findings
        labels = found.labels
        if config.rater is not None:
            labels = tuple(label for label in labels if label.rater == config.rater)
            if not labels and found.labels:
                return _unlabelled(
                    f"{path} has no labels of rater '{config.rater}', only of "
                    f"{', '.join(found.raters) or 'nobody named'}.",
                    findings,
                )
        if not labels:
            return _unlabelled(f"{path} has no labels.", findings)
        track = make_track(
            "intervals",
            [label.onset_s for label in labels],
            [label.duration_s for label in labels],
            [label.text for label in labels],
            ", ".join(dict.fromkeys(label.rater for label in labels if label.rater)),
            findings,
        )
        return _with_durations(track, config, recording.duration_s)

    def _no_file(self, pattern: str, recording: Recording) -> LabelTrack:
        return _unlabelled(
            f"There is no label file {self._root / _fill_in(pattern, recording.fields)}."
        )

    def _rows_of(self, recording: Recording, keys: list[str], what: str) -> np.ndarray:
        wanted = {recording.id} if what == "recording" else {recording.subject}
        if what in recording.fields:
            wanted.add(recording.fields[what])
        mine = {
            key
            for key in dict.fromkeys(keys)
            if any(table_key_means(key.strip(), name, self._key_map) for name in wanted)
        }
        return np.flatnonzero([key in mine for key in keys])

    def _table(self, path: Path, config: CsvConfig) -> dict[str, list[str]]:
        with self._lock:
            if path not in self._tables:
                if len(self._tables) > 4:  # one table for all, or one for each recording
                    self._tables.clear()
                self._tables[path] = read_table(path, config)
            return self._tables[path]

    def _beside(self, pattern: str, recording: Recording, findings: list[Finding]) -> Path | None:
        """The one file that a pattern with the recording's fields means; None if there is none."""
        found = label_files(pattern, self._root, recording.fields)
        if len(found) > 1:
            findings.append(
                Finding(
                    "note",
                    "labels",
                    f"{len(found)} files fit {_fill_in(pattern, recording.fields)}; "
                    f"{found[0].name} was taken.",
                )
            )
        return found[0] if found else None


def _unlabelled(reason: str, findings: Sequence[Finding] = ()) -> LabelTrack:
    """An empty track that says why it is empty."""
    finding = Finding("note", "labels", f"{reason} The recording is unlabelled.")
    return make_track("intervals", [], 0.0, [], findings=(*findings, finding))


def _name(recording: Recording) -> str:
    return str(recording.paths[0]) if recording.sources else recording.id


def label_files(pattern: str, root: Path, fields: Mapping[str, str]) -> list[Path]:
    """The files that a pattern means for a recording with these fields, sorted."""
    text = _fill_in(pattern, fields)
    if not re.search(r"[*?]", text):
        path = root / text
        return [path] if path.is_file() else []
    anchor = Path(text).anchor
    folder = Path(anchor) if anchor else root
    return sorted(folder.glob(str(Path(text).relative_to(anchor) if anchor else text)))


def label_columns(labels: LabelsConfig | None) -> dict[str, list[str]]:
    """Columns that hold labels, by source, so that they are not read as signals."""
    if isinstance(labels, ColumnLabels):
        return {labels.source or ALL_SOURCES: [labels.column]}
    return {}


def without_label_files(
    found: list[FoundRecording],
    labels: LabelsConfig | None,
    root: Path,
    listed: Collection[str] = (),
) -> list[FoundRecording]:
    """Leave out what is another recording's label file: `{subject}.edf` fits it too. Recordings
    whose ids are `listed` stay."""
    pattern = getattr(labels, "pattern", None)
    if pattern is None:
        return found
    beside = {path for one in found for path in label_files(pattern, root, one.fields)}
    recordings = [one for one in found if one.id in listed or not beside.issuperset(one.paths)]
    return recordings or found


def _fill_in(pattern: str, fields: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, width = match.group(1), match.group(2)
        text = fields.get(name)
        if text is None:
            raise DataError(
                f"labels.pattern: '{pattern}' has the field '{name}', which the recordings "
                f"do not have; fields: {', '.join(fields) or 'none'}."
            )
        return text.zfill(int(width)) if width else text

    return re.sub(r"\{(\w+)(?::0?(\d*)d)?\}", value, pattern)


def _label_signal(file: SignalFile, column: str) -> tuple[np.ndarray, list[str]] | None:
    """A hypnogram kept as a signal: its samples as texts, `5` and not `5.0`."""
    for number, channel in enumerate(file.channels):
        if channel.label.strip().casefold() == column.strip().casefold():
            values = file.read(number, 0, channel.samples)
            texts = ["" if np.isnan(v) else f"{round(float(v), 3):g}" for v in values]
            return np.arange(len(texts)) / channel.rate_hz, texts
    return None


def _offset(
    file: SignalFile, recording: Recording, clock_offset_s: float, findings: list[Finding]
) -> float:
    """Where a label file starts in the recording, by their clocks if both have one.

    It was written by the clock of the recording's first source, and is corrected like it.
    """
    if not (file.has_clock and recording.has_clock):
        return 0.0
    offset = file.start_s + clock_offset_s - recording.start_s
    ends = [a.onset_s + a.duration_s for a in file.annotations]
    return _shift(file.path, offset, max(ends), recording, findings) if ends else offset


def _shift(
    path: Path, offset_s: float, last_s: float, recording: Recording, findings: list[Finding]
) -> float:
    """The offset of labels that end at `last_s`, unless it puts all of them outside."""
    if offset_s > recording.duration_s or offset_s + last_s < 0:
        findings.append(
            Finding(
                "repaired",
                "labels",
                f"By the clock {path.name} lies outside the recording ({offset_s:+.0f} s); "
                f"its times are counted from the recording's start.",
            )
        )
        return 0.0
    return offset_s


def _with_durations(track: LabelTrack, config: LabelsBase, end_s: float) -> LabelTrack:
    """Entries that all lack a duration last until the next one; the last as long as most do."""
    if not len(track) or (track.durations_s > 0).any():
        return track
    there = np.array([class_of(t, config) is not None or t in config.mapping for t in track.names])
    kept = there[track.codes]
    if not kept.any():
        return track
    onsets = track.onsets_s[kept]
    steps = np.diff(onsets)
    rest = max(end_s - onsets[-1], 0.0)
    last = min(float(np.median(steps)), rest) if len(steps) else rest
    return LabelTrack(
        "intervals",
        onsets,
        np.concatenate((steps, [last])),
        track.names,
        track.codes[kept],
        track.rater,
        (
            *track.findings,
            Finding("note", "labels", "Labels have no duration; each lasts until the next."),
        ),
    )


def _epoch_texts(path: Path, config: EpochLabels) -> list[str]:
    if isinstance(config.column, str):
        table = read_table(path, CsvConfig(skip_rows=config.skip_rows, header=True))
        if config.column not in table:
            raise RecordingError(
                f"{path}: there is no column '{config.column}'; columns: {', '.join(table)}."
            )
        return table[config.column]
    lines = _text(path).splitlines()[config.skip_rows :]
    while lines and not lines[-1].strip():
        lines.pop()
    if config.column is None:
        return lines
    separator = next((s for s in "\t;," if lines and s in lines[0]), None)
    rows = [line.split(separator) for line in lines]
    if any(len(row) <= config.column for row in rows if any(cell.strip() for cell in row)):
        raise RecordingError(f"{path}: not every line has a column {config.column} (from 0).")
    return [row[config.column].strip(' "') if len(row) > config.column else "" for row in rows]


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise RecordingError(f"{path}: the labels cannot be read ({error}).") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_table(path: Path, config: CsvConfig) -> dict[str, list[str]]:
    """A whole table as texts by column; RecordingError where it cannot be read.

    Label tables are small: tens of thousands of short rows. Columns without names are called
    `column0`, `column1`, ….
    """
    lines = _text(path).splitlines()[config.skip_rows or 0 :]
    comment = config.comment or "\n"  # no line starts with a line break
    lines = [line for line in lines if line.strip() and not line.startswith(comment)]
    if not lines:
        raise RecordingError(f"{path}: the table of labels is empty.")
    separator = config.separator or max("\t;,", key=lines[0].count)
    try:
        # Row by row: one long call would hold up the window.
        rows = [row for row in csv.reader(lines, delimiter=separator, skipinitialspace=True)]
    except csv.Error as error:
        raise RecordingError(f"{path}: the table of labels cannot be read ({error}).") from None
    if config.columns is not None:
        names = list(config.columns)
        rows = rows[1:] if config.header else rows
    elif config.header is False:
        names = [f"column{number}" for number in range(len(rows[0]))]
    else:
        names = [cell.strip() for cell in rows.pop(0)]
    table: dict[str, list[str]] = {
        name: [row[number].strip() if number < len(row) else "" for row in rows]
        for number, name in enumerate(names)
        if name
    }
    if config.decimal == ",":
        table = {name: [_pointed(cell) for cell in cells] for name, cells in table.items()}
    return table


def _pointed(cell: str) -> str:
    return cell.replace(",", ".") if re.fullmatch(r"[+-]?\d*,\d+", cell) else cell


_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6}


def _times(path: Path, texts: Sequence[str], unit: str, time_zone: str | None = None) -> np.ndarray:
    """Seconds, float64; an empty cell is NaN.

    Times in words without a zone are of `time_zone`, UTC if left out.
    """
    from core.read_edf import find_zone

    zone = find_zone(time_zone) or UTC
    try:
        if unit != "iso":
            return np.array([float(text) if text else np.nan for text in texts]) / _PER_SECOND[unit]
        return np.array([_unix(text, zone) if text else np.nan for text in texts])
    except ValueError as error:
        raise RecordingError(
            f"{path}: a time is not written in the unit '{unit}' ({error}); set labels.time_unit."
        ) from None


def _unix(text: str, zone: tzinfo) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
