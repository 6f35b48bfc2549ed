"""Labels as CSV or TSV tables, with any reasonable names of columns, and as BIDS `events.tsv`.

BIDS: https://bids-specification.readthedocs.io, "Events". What is guessed about a table
(separator, columns, clock times, lengths) is a finding.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.errors import RecordingError
from core.label_set import (
    FIELDS,
    MISSING,
    ClockReader,
    Encoded,
    Label,
    LabelSet,
    ReadOptions,
    changed,
    counted,
    decimal_text,
    exact,
    listed,
    make_label_set,
    note,
    parse_clock,
    parse_seconds,
    start_is_lost,
    tidy,
    zone_of,
)
from core.recording import Finding

# Names of columns, the surest first. Compared without case, signs and unit.
ALIASES: dict[str, tuple[str, ...]] = {
    "onset": ("onset", "start", "begin", "start_time", "starttime", "onset_time", "time_onset",
              "begin_time", "time", "timestamp", "time_stamp", "clock", "clock_time", "from"),
    "duration": ("duration", "dur", "length", "event_duration", "seconds"),
    "stop": ("stop", "end", "offset", "stop_time", "end_time", "endtime", "until", "to"),
    "epoch": ("epoch", "epoch_number", "epoch_no", "epoch_num", "epoch_index"),
    "label": ("label", "trial_type", "stage", "sleep_stage", "stages", "description", "event",
              "annotation", "event_type", "event_name", "text", "name", "type", "state", "class",
              "score", "predicted", "value"),
    "channel": ("channel", "channels", "channel_name", "signal", "signal_location", "location",
                "electrode", "input"),
    "rater": ("rater", "scorer", "annotator", "scored_by"),
    "confidence": ("confidence", "probability", "certainty"),
}  # fmt: skip
_UNITS: dict[str, int | Decimal] = {
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1, "ms": 1000, "msec": 1000,
    "milliseconds": 1000, "us": 1_000_000, "min": Decimal(1) / 60, "minutes": Decimal(1) / 60,
}  # fmt: skip
_SEPARATORS = "\t;,|"
_WORDS = {"\t": "tab", ";": "semicolon", ",": "comma", "|": "bar"}
_HEADER_WITHIN = 200  # lines; devices write some twenty before the table
_UNIX_FROM_S = Decimal(10**8)  # no recording has labels three years after its start
_UNIX_FROM_MS = Decimal(10**11)
_UNIX_FROM_US = Decimal(10**14)
_LARGEST_UNIX = Decimal(10**17)


@dataclass(frozen=True)
class _Table:
    """Where a table begins and what its columns mean. `columns` are numbers by field."""

    separator: str
    names: tuple[str, ...]
    columns: dict[str, int]
    per_second: dict[str, Decimal]
    first_line: int
    has_header: bool


def _plain_name(name: str) -> tuple[str, Decimal]:
    """A column's name for comparison, and its unit as so many in a second."""
    words = re.sub(r"[^a-z0-9]+", "_", tidy(name).lstrip("\ufeff").casefold()).strip("_")
    head, _, unit = words.rpartition("_")
    if head and unit in _UNITS:
        return head, Decimal(_UNITS[unit])
    return words, Decimal(1)


def column_fields(names: Sequence[str]) -> tuple[dict[str, int], dict[str, Decimal]]:
    """Which column holds which field, and the unit of those that are times."""
    plain = [_plain_name(name) for name in names]
    columns: dict[str, int] = {}
    units: dict[str, Decimal] = {}
    for field, aliases in ALIASES.items():
        for alias in aliases:
            places = [k for k, (name, _) in enumerate(plain) if name == alias]
            free = [k for k in places if k not in columns.values()]
            if free:
                columns[field] = free[0]
                units[field] = plain[free[0]][1]
                break
    # These say the same, and go with the further columns.
    if "duration" in columns:
        columns.pop("stop", None)
    if "onset" in columns:
        columns.pop("epoch", None)
    return columns, units


def _lines(text: str) -> list[str]:
    return text.split("\n")


def find_table(text: str, separators: str = _SEPARATORS) -> _Table | None:
    """The table in a text, by a line that names a column of times or epochs and one of labels; None
    where there is no such line."""
    for number, line in enumerate(_lines(text)[:_HEADER_WITHIN]):
        if not line.strip():
            continue
        best: _Table | None = None
        for separator in separators:
            if separator not in line:
                continue
            try:
                names = next(csv.reader([line.rstrip("\r")], delimiter=separator))
            except csv.Error:
                continue
            columns, units = column_fields(names)
            found = "label" in columns and bool({"onset", "epoch"} & set(columns))
            if found and (best is None or len(names) > len(best.names)):
                best = _Table(separator, tuple(map(tidy, names)), columns, units, number + 1, True)
        if best is not None:
            return best
    return None


def find_bare_table(text: str) -> _Table | None:
    """A table without names: a time, or a time and a length or stop, and then the label."""
    lines = _lines(text)[:_HEADER_WITHIN]
    first = next((n for n, line in enumerate(lines) if line.strip() and line[0] != "#"), None)
    if first is None:
        return None
    for separator in _SEPARATORS:
        if separator not in lines[first]:
            continue
        try:
            rows = list(csv.reader([line for line in lines[first:] if line.strip()],
                                   delimiter=separator))  # fmt: skip
        except csv.Error:
            continue
        cells = rows[0]
        comma = separator != ","
        if _is_time(cells[0], comma) is None or len(cells) < 2:
            continue
        columns = {"onset": 0, "label": 1}
        if len(cells) > 2 and _is_time(cells[1], comma):
            meets = sum(a[1:2] == b[:1] for a, b in itertools.pairwise(rows))
            clock = _is_time(cells[1], comma) == "clock"
            second = "stop" if clock or 2 * meets > len(rows) - 1 > 0 else "duration"
            columns = {"onset": 0, second: 1, "label": 2}
        names = tuple(f"column {number + 1}" for number in range(len(cells)))
        return _Table(separator, names, columns, {}, first, False)
    return None


def _is_time(cell: str, comma: bool) -> str | None:
    if parse_seconds(cell, comma) is not None:
        return "number"
    return "clock" if parse_clock(cell) is not None else None


def read_csv_labels(path: Path, text: str, options: ReadOptions) -> LabelSet:
    """Labels of a CSV or TSV table. Raises RecordingError with file, line and what to do."""
    if not text.strip():
        return make_label_set((), options.start, [note("The file is empty.")], "csv")
    table = find_table(text) or find_bare_table(text)
    if table is None:
        first = next(line for line in _lines(text) if line.strip())
        raise RecordingError(
            f"{path}: no table of labels was found: no line names a column of times (onset) and "
            f"one of labels (label); the first line is '{first.strip()[:80]}'. Name the columns "
            "onset, duration, label."
        )
    findings = []
    used = {name: table.names[k] for name, k in table.columns.items()}
    how = ", ".join(f"{field} from '{name}'" for field, name in used.items() if field != name)
    if table.separator != "," or how or table.first_line > 1:
        findings.append(
            note(
                f"Read as a table with {_WORDS[table.separator]}s between columns"
                + (f", below line {table.first_line}" if table.first_line > 1 else "")
                + ("" if table.has_header else ", without names of columns")
                + (f": {how}." if how else ".")
            )
        )
    if "onset" not in table.columns:
        labels = _read_numbered(path, text, table, options, findings)
        return make_label_set(labels, options.start, findings, "epochs")
    labels, start = _read_rows(path, text, table, options, findings, nothing="")
    return make_label_set(labels, start, findings, "csv")


def read_bids(path: Path, text: str, options: ReadOptions, sidecar: Path | None) -> LabelSet:
    """Labels of a BIDS `events.tsv`; `sidecar` is the JSON that describes its columns."""
    if not text.strip():
        return make_label_set((), options.start, [note("The file is empty.")], "bids")
    table = find_table(text, "\t")
    if (
        table is None
        or "label" not in table.columns
        or not {"onset", "duration"} <= set(map(str.casefold, table.names))
    ):
        names = _lines(text)[0].strip()[:80]
        raise RecordingError(
            f"{path}: not an events file of BIDS: it needs the columns onset, duration and "
            f"trial_type with tabs between them; the first line is '{names}'. Read it as csv if "
            "it is another table."
        )
    findings: list[Finding] = []
    if "trial_type" in table.names:
        columns = table.columns | {"label": table.names.index("trial_type")}
        table = replace(table, columns=columns)
    else:
        findings.append(note(f"The label is column '{table.names[table.columns['label']]}'."))
    labels, start = _read_rows(path, text, table, options, findings, nothing="n/a")
    if sidecar is not None:
        findings += _read_sidecar(sidecar, table.names[table.columns["label"]], labels)
    return make_label_set(labels, start, findings, "bids")


def _read_sidecar(path: Path, column: str, labels: Sequence[Label]) -> list[Finding]:
    """What the JSON says the labels mean, for those that it explains."""
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
        levels = document.get(column, {}).get("Levels", {})
        meanings = {str(name): _meaning(value) for name, value in levels.items()}
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        return [note(f"{path.name} beside it cannot be read ({error}); it only explains columns.")]
    met = {label.text for label in labels}
    told = [f"{name} = {text}" for name, text in meanings.items() if name in met and text != name]
    found = [note(f"{path.name} beside it says: {'; '.join(told)}.")] if told else []
    unknown = sorted(met - set(meanings) - {""})
    if meanings and unknown:
        found.append(note(f"{path.name} beside it does not explain {listed(unknown)}."))
    return found


def _meaning(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("Description", "")
    return " ".join(str(value).split())


def _rows(path: Path, text: str, table: _Table) -> list[tuple[int, list[str]]]:
    """Rows that hold something, each with the number of its last line."""
    body = "\n".join(_lines(text)[table.first_line :])
    try:
        reader = csv.reader(io.StringIO(body, newline=""), delimiter=table.separator)
        return [(reader.line_num + table.first_line, row) for row in reader if any(row)]
    except csv.Error as error:
        raise RecordingError(f"{path}: the table of labels cannot be read ({error}).") from None


def _read_numbered(
    path: Path, text: str, table: _Table, options: ReadOptions, findings: list[Finding]
) -> list[Label]:
    """Labels of a table that numbers its epochs, from 0 or from 1."""
    name = table.names[table.columns["epoch"]]
    if options.epoch_s is None:
        raise RecordingError(
            f"{path}: the table numbers epochs in '{name}', but how long they are does not stand "
            "in it: give their length (--epoch 30, or labels.epoch_s)."
        )
    numbers: list[Decimal] = []
    rows = [entry for entry in _rows(path, text, table) if _cell(entry[1], table.columns["epoch"])]
    for line, row in rows:
        cell = _cell(row, table.columns["epoch"])
        number = parse_seconds(cell)
        if number is None or number < 0 or number % 1:
            raise RecordingError(f"{path}: line {line}: '{cell}' in '{name}' numbers no epoch.")
        numbers.append(number)
    first = Decimal(0) if 0 in numbers else Decimal(1)
    epoch, offset = exact(options.epoch_s), exact(options.offset_s)
    findings.append(
        note(f"Epochs are numbered in '{name}', from {first}; the first begins at {offset} s.")
    )
    labels = []
    odd = 0
    for number, (_, row) in zip(numbers, rows, strict=True):
        cells = {field: _cell(row, k) for field, k in table.columns.items()}
        confidence, extra = _confidence(cells.get("confidence", ""), table.separator != ",")
        odd += bool(extra)
        labels.append(
            Label(
                float(offset + (number - first) * epoch), options.epoch_s, cells["label"],
                cells.get("channel", ""), cells.get("rater", ""), confidence,
                (*extra, *_other_cells(row, table, "")),
            )
        )  # fmt: skip
    findings += _odd_confidences(odd)
    return labels


def _odd_confidences(count: int) -> list[Finding]:
    if not count:
        return []
    return [
        note(
            f"The confidence of {counted(count, 'label')} is no number; it was kept as 'confidence "
            "as written'."
        )
    ]


def _read_rows(
    path: Path,
    text: str,
    table: _Table,
    options: ReadOptions,
    findings: list[Finding],
    *,
    nothing: str,
) -> tuple[list[Label], datetime | None]:
    rows = _rows(path, text, table)
    onsets = [cell for _, row in rows if (cell := _cell(row, table.columns["onset"])).casefold()
              not in MISSING]  # fmt: skip
    comma = table.separator != "," and any(re.fullmatch(r"[+-]?\d+,\d+", cell) for cell in onsets)
    if comma:
        findings.append(note("Numbers are written with a decimal comma."))
    clock = ClockReader(path, options.start, zone_of(options.time_zone))
    per_second, unix = _time_unit(onsets, table, comma, findings)
    labels: list[Label] = []
    placeless = lengthless = backwards = 0
    odd_confidences = 0
    for line, row in rows:
        cells = {field: _cell(row, k) for field, k in table.columns.items()}
        for field in ("label", "channel", "rater"):
            if cells.get(field) == nothing:
                cells[field] = ""
        if cells["onset"].casefold() in MISSING:
            placeless += bool(cells["label"])
            continue
        onset = _onset(cells["onset"], clock, comma, per_second, unix)
        if onset is None:
            if cells["onset"].startswith("#"):
                continue
            raise RecordingError(
                f"{path}: line {line}: '{cells['onset']}' in column "
                f"'{table.names[table.columns['onset']]}' is neither a number of seconds nor a "
                "clock time."
            )
        duration, backward, without_length = _length(
            path, line, cells, table, clock, onset, comma, per_second, unix
        )
        lengthless += without_length
        backwards += backward
        confidence, extra = _confidence(cells.get("confidence", ""), comma)
        odd_confidences += bool(extra)
        others = _other_cells(row, table, nothing)
        labels.append(
            Label(
                float(onset), float(duration), cells["label"],
                cells.get("channel", ""), cells.get("rater", ""),
                confidence, (*extra, *others),
            )
        )  # fmt: skip
    findings += clock.findings()
    if placeless:
        findings.append(changed(f"{counted(placeless, 'row')} without an onset were left out."))
    if backwards:
        findings.append(
            changed(f"{counted(backwards, 'label')} end before they start; read as moments.")
        )
    findings += _odd_confidences(odd_confidences)
    if not {"duration", "stop"} & set(table.columns):
        labels = _with_lengths(labels, options, findings)
    elif lengthless:
        findings.append(
            note(f"{counted(lengthless, 'label')} without a duration were read as moments.")
        )
    return labels, clock.start


def _cell(row: Sequence[str], number: int) -> str:
    return tidy(row[number]) if number < len(row) else ""


def _time_unit(
    onsets: Sequence[str], table: _Table, comma: bool, findings: list[Finding]
) -> tuple[Decimal, bool]:
    """So many units a second of the onset column, and whether its numbers are unix time."""
    per_second = table.per_second.get("onset", Decimal(1))
    numbers = [
        value for cell in onsets if (value := parse_seconds(cell, comma, _LARGEST_UNIX)) is not None
    ]
    if not numbers or len(numbers) < len(onsets) or min(numbers) < _UNIX_FROM_S:
        return per_second, False
    unit = "seconds"
    if min(numbers) >= _UNIX_FROM_US:
        per_second, unit = Decimal(1_000_000), "microseconds"
    elif min(numbers) >= _UNIX_FROM_MS:
        per_second, unit = Decimal(1000), "milliseconds"
    findings.append(note(f"Times are so large that they were read as unix time in {unit}."))
    return per_second, True


def _onset(
    cell: str, clock: ClockReader, comma: bool, per_second: Decimal, unix: bool
) -> Decimal | None:
    if unix:
        number = parse_seconds(cell, comma, _LARGEST_UNIX)
        return None if number is None else clock.from_unix(number / per_second)
    number = parse_seconds(cell, comma)
    return clock.elapsed(cell) if number is None else number / per_second


def _length(
    path: Path, line: int, cells: dict[str, str], table: _Table, clock: ClockReader,
    onset: Decimal, comma: bool, per_second: Decimal, unix: bool,
) -> tuple[Decimal, bool, bool]:  # fmt: skip
    """Duration in seconds, whether it was negative, whether there was none."""
    for field in ("duration", "stop"):
        cell = cells.get(field, "")
        if cell.casefold() in MISSING:
            continue
        number = parse_seconds(cell, comma)
        if field == "stop" and unix:
            stop = _onset(cell, clock, comma, per_second, unix)
            number = None if stop is None else stop - onset
        elif number is not None:
            number /= table.per_second.get(field, Decimal(1))
            number -= onset if field == "stop" else 0
        elif field == "stop":
            stop = clock.stop_after(cell, onset)
            number = None if stop is None else stop - onset
        else:
            length = parse_clock(cell)  # 00:00:30 is a length here
            number = length.second if length is not None and length.day is None else None
        if number is None:
            raise RecordingError(
                f"{path}: line {line}: '{cell}' in column '{table.names[table.columns[field]]}' "
                "is not a time."
            )
        return max(number, Decimal(0)), number < 0, False
    return Decimal(0), False, True


def _confidence(cell: str, comma: bool) -> tuple[float | None, tuple[tuple[str, str], ...]]:
    if cell.casefold() in MISSING:
        return None, ()
    number = parse_seconds(cell, comma)
    if number is None:
        return None, (("confidence as written", cell),)
    return float(number), ()


def _other_cells(row: Sequence[str], table: _Table, nothing: str) -> list[tuple[str, str]]:
    taken = set(table.columns.values())
    others = []
    seen: set[str] = set()
    for number, cell in enumerate(row):
        if number in taken or tidy(cell) in ("", nothing):
            continue
        name = table.names[number] if number < len(table.names) else ""
        name = name or f"column {number + 1}"
        if name in seen:
            name = f"{name} (column {number + 1})"
        seen.add(name)
        others.append((name, cell))
    return others


def _with_lengths(
    labels: list[Label], options: ReadOptions, findings: list[Finding]
) -> list[Label]:
    """Durations for a table that has none: the epoch's, or the even step between rows."""
    if options.epoch_s is not None:
        return [replace(label, duration_s=options.epoch_s) for label in labels]
    onsets = sorted({label.onset_s for label in labels})
    steps = [round(b - a, 6) for a, b in itertools.pairwise(onsets)]
    if len(labels) >= 3 and len(onsets) == len(labels) and len(set(steps)) == 1:
        findings.append(
            note(
                f"There is no column of durations; rows are {decimal_text(steps[0])} s apart, so "
                "each label lasts that long."
            )
        )
        return [replace(label, duration_s=steps[0]) for label in labels]
    if labels:
        findings.append(note("There is no column of durations; labels were read as moments."))
    return labels


# ---------------------------------------------------------------- writing


def write_csv_labels(labels: LabelSet, separator: str = ",") -> Encoded:
    """A table with the columns onset, duration, label, and where there are any channel, rater,
    confidence and further ones. Onset and duration in seconds."""
    kept, findings = _renamed(labels.labels)
    findings += start_is_lost(labels.start, "A table")
    columns = _columns_of(kept)
    content = _table_text(kept, columns, separator, lambda text: text)
    return Encoded(content, tuple(kept), tuple(findings))


# What the stages of the AASM manual are, for the description of a BIDS column.
_LEVELS = {"W": "Wake", "N1": "NREM sleep stage 1", "N2": "NREM sleep stage 2",
           "N3": "NREM sleep stage 3", "R": "REM sleep", "REM": "REM sleep"}  # fmt: skip


def write_bids(labels: LabelSet) -> Encoded:
    """`events.tsv` with onset, duration, trial_type and further columns, and the JSON beside it
    that describes them; what is missing is `n/a`."""
    kept, findings = _renamed(labels.labels)
    findings += start_is_lost(labels.start, "An events file of BIDS")
    columns = ["trial_type" if name == "label" else name for name in _columns_of(kept)]
    content = _table_text(kept, columns, "\t", lambda text: text or "n/a")
    texts = sorted({label.text for label in kept} - {""})
    about: dict[str, dict[str, Any]] = {
        "onset": {"Description": "Start of the event, from the start of the recording",
                  "Units": "s"},
        "duration": {"Description": "Length of the event; 0 for a moment", "Units": "s"},
        "trial_type": {"Description": "Label of the event",
                       "Levels": {text: _LEVELS.get(text, text) for text in texts}},
        "channel": {"Description": "Signal that the event is about; n/a for all"},
        "rater": {"Description": "Who labelled"},
        "confidence": {"Description": "How sure the label is, for predictions from 0 to 1"},
    }  # fmt: skip
    sidecar = {name: about.get(name, {"Description": name}) for name in columns}
    text = json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n"
    return Encoded(content, tuple(kept), tuple(findings), ((".json", text.encode("utf-8")),))


_RESERVED = frozenset((*FIELDS, "trial_type"))


def _renamed(labels: Iterable[Label]) -> tuple[list[Label], list[Finding]]:
    """Further columns that are called like one of ours get another name."""
    kept: list[Label] = []
    findings: list[Finding] = []
    met: list[str] = []
    for label in labels:
        clashes = [name for name, _ in label.extra if _plain_name(name)[0] in _RESERVED]
        if clashes:
            met += clashes
            pairs = [(f"{n} (further)" if n in clashes else n, value) for n, value in label.extra]
            label = replace(label, extra=tuple(pairs))
        kept.append(label)
    if met:
        findings.append(changed(f"Further columns got another name: {listed(met)} + ' (further)'."))
    return kept, findings


def _columns_of(labels: Sequence[Label]) -> list[str]:
    extras = list(dict.fromkeys(name for label in labels for name, _ in label.extra))
    used = [
        name
        for name in FIELDS[3:]
        # With further columns all of ours are there, so that none of them is taken for ours.
        if extras or any(getattr(label, name) not in ("", None) for label in labels)
    ]
    return [*FIELDS[:3], *used, *extras]


def _table_text(
    labels: Sequence[Label], columns: Sequence[str], separator: str, cell_of: Any
) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=separator, lineterminator="\n")
    writer.writerow(columns)
    for label in labels:
        values = dict(label.extra)
        values |= {
            "onset": decimal_text(label.onset_s),
            "duration": decimal_text(label.duration_s),
            "label": label.text,
            "trial_type": label.text,
            "channel": label.channel,
            "rater": label.rater,
            "confidence": "" if label.confidence is None else decimal_text(label.confidence),
        }
        writer.writerow([cell_of(values.get(name, "")) for name in columns])
    return stream.getvalue().encode("utf-8")
