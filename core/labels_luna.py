"""Labels as Luna's `.annot` files.

Source: https://zzz.bwh.harvard.edu/luna/ref/annotations/ and .../luna/vignettes/times/: rows of
class, instance, channel, start, stop and meta data with tabs between them, `.` for nothing. A start
is seconds, a clock time, `0+hh:mm:ss` elapsed or an epoch `e:1`; a stop may also be `+seconds` or
`...`, until the next row. Lines that begin with # describe a class.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from core.errors import RecordingError
from core.label_set import (
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

COLUMNS = ("class", "instance", "channel", "start", "stop", "meta")
# How many columns a row has, and what they are.
_LAYOUTS = {
    6: COLUMNS,
    4: ("class", "instance", "start", "stop"),
    3: ("class", "start", "stop"),
}
_NOTHING = "."
_EPOCH_S = Decimal(30)
_ELAPSED = re.compile(r"0\+(\d+):(\d{2}):(\d{2}(?:\.\d+)?)", re.ASCII)
_UNTIL_NEXT = ("...", "-", "…")


def looks_like_luna(text: str) -> bool:
    """Whether the first line that says something is one of an .annot file."""
    for line in text.split("\n")[:200]:
        line = line.strip("\r")
        if not line.strip():
            continue
        if line.startswith("#"):
            if "|" in line:
                return True
            continue
        cells = [cell.strip().casefold() for cell in line.split("\t")]
        return cells in [list(layout) for layout in _LAYOUTS.values()]
    return False


def read_luna(path: Path, text: str, options: ReadOptions) -> LabelSet:
    """Labels of an .annot file. The class is the text; an instance and meta data other than rater
    and confidence are extras. Raises RecordingError with file and line."""
    rows: list[tuple[int, list[str]]] = []
    meta_names: dict[str, list[str]] = {}
    findings: list[Finding] = []
    spaces = 0
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        if not line.strip():
            continue
        if line.startswith("#"):
            parts = _split(line[1:], "|")
            if len(parts) == 3:
                names = [re.split(r"[\[(]", name)[0] for name in parts[2].split()]
                meta_names[_unquoted(parts[0].strip())] = names
            continue
        cells = [tidy(cell) for cell in line.split("\t")]
        if len(cells) == 1:
            cells = line.split()
            spaces += 1
        if not rows and [cell.casefold() for cell in cells] == list(_LAYOUTS.get(len(cells), ())):
            rows.append((number, []))  # the names; left out below
            continue
        if len(cells) not in _LAYOUTS:
            raise RecordingError(
                f"{path}: line {number}: {len(cells)} columns, where an .annot file has 6, 4 or 3 "
                "with tabs between them: class, instance, channel, start, stop, meta."
            )
        rows.append((number, cells))
    rows = [row for row in rows if row[1]]
    if spaces:
        findings.append(note("Columns are separated by spaces, not by tabs."))
    if not rows:
        return make_label_set((), options.start, [*findings, note("No rows.")], "luna")
    clock = ClockReader(path, options.start, zone_of(options.time_zone))
    fields = [dict(zip(_LAYOUTS[len(cells)], cells, strict=True)) for _, cells in rows]
    starts = [
        _start(path, number, row["start"], clock)
        for (number, _), row in zip(rows, fields, strict=True)
    ]
    labels = []
    open_ends = timeless = 0
    for index, ((number, _), row) in enumerate(zip(rows, fields, strict=True)):
        start, stop_text = starts[index], row["stop"]
        if start is None:
            timeless += 1
            start, stop = Decimal(0), Decimal(0)
        elif stop_text in _UNTIL_NEXT:
            later = next((s for s in starts[index + 1 :] if s is not None), None)
            if later is None and options.end_s is not None:
                later = exact(options.end_s)
            open_ends += later is None
            stop = start if later is None else later
        else:
            stop = _stop(path, number, row["start"], stop_text, start, clock)
        if stop < start:
            raise RecordingError(
                f"{path}: line {number}: the stop '{stop_text}' lies before the start "
                f"'{row['start']}'."
            )
        labels.append(_label(row, start, stop - start, meta_names))
    findings += clock.findings()
    if timeless:
        findings.append(
            note(f"{counted(timeless, 'row')} without times were read as moments at 0 s.")
        )
    if open_ends:
        findings.append(
            note(
                "The last label lasts until the end of the recording, which is not known here; it "
                "was read as a moment."
            )
        )
    return make_label_set(labels, clock.start, findings, "luna")


def _start(path: Path, line: int, text: str, clock: ClockReader) -> Decimal | None:
    if text == _NOTHING:
        return None
    if text[:2] == "e:":
        return _epoch(path, line, text)[0]
    seconds = _time(text, clock)
    if seconds is None:
        raise RecordingError(
            f"{path}: line {line}: the start '{text}' is neither seconds, nor a clock time, nor an "
            "epoch such as e:1."
        )
    return seconds


def _stop(
    path: Path, line: int, start_text: str, text: str, start: Decimal, clock: ClockReader
) -> Decimal:
    if text[:2] == "e:":
        return _epoch(path, line, text)[1]
    if text == _NOTHING:
        return _epoch(path, line, start_text)[1] if start_text[:2] == "e:" else start
    if text[:1] == "+":
        length = parse_seconds(text[1:])
        stop = None if length is None else start + length
    elif parse_clock(text) is not None and parse_seconds(text) is None:
        stop = clock.stop_after(text, start)
    else:
        stop = _time(text, clock)
    if stop is None:
        raise RecordingError(
            f"{path}: line {line}: the stop '{text}' is neither seconds, nor +seconds, nor a clock "
            "time, nor an epoch, nor '...'."
        )
    return stop


def _time(text: str, clock: ClockReader) -> Decimal | None:
    seconds = parse_seconds(text)
    if seconds is not None:
        return seconds
    elapsed = _ELAPSED.fullmatch(text)
    if elapsed:
        hours, minutes = int(elapsed.group(1)), int(elapsed.group(2))
        return 3600 * hours + 60 * minutes + Decimal(elapsed.group(3))
    return clock.elapsed(text)


def _epoch(path: Path, line: int, text: str) -> tuple[Decimal, Decimal]:
    """Start and end of an epoch: `e:N`, `e:LENGTH:N` or `e:LENGTH:STEP:N`, counted from 1."""
    parts = [parse_seconds(part) for part in text.split(":")[1:]]
    numbers = [part for part in parts if part is not None]
    if not 1 <= len(numbers) <= 3 or len(numbers) < len(parts) or numbers[-1] < 1 or (
        numbers[-1] % 1 or min(numbers) <= 0
    ):  # fmt: skip
        raise RecordingError(
            f"{path}: line {line}: '{text}' is no epoch; write e:1, e:30:1 or e:30:15:1, with "
            "epochs counted from 1."
        )
    length = numbers[0] if len(numbers) > 1 else _EPOCH_S
    step = numbers[1] if len(numbers) > 2 else length
    start = step * (numbers[-1] - 1)
    return start, start + length


def _label(
    row: dict[str, str], start: Decimal, duration: Decimal, meta_names: dict[str, list[str]]
) -> Label:
    def there(name: str) -> str:
        cell = row.get(name, _NOTHING)
        return "" if cell == _NOTHING else cell

    text = there("class")
    extra: list[tuple[str, str]] = []
    if there("instance"):
        extra.append(("instance", there("instance")))
    rater, confidence = "", None
    for name, value in _meta(there("meta"), meta_names.get(text, [])):
        if name == "rater":
            rater = value
        elif name == "confidence" and parse_seconds(value) is not None:
            confidence = float(value)
        else:
            extra.append((name, value))
    channel = there("channel")
    return Label(float(start), float(duration), text, channel, rater, confidence, tuple(extra))


def _meta(text: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """`name=value|name=value`, or values in the order that the header names."""
    if not text:
        return []
    parts = _split(text, "|")
    pairs = [_split(part, "=") for part in parts]
    if len(pairs[0]) == 2:
        return [(_unquoted(p[0]), _unquoted("=".join(p[1:]))) for p in pairs]
    numbered = [*names, *(f"meta {k + 1}" for k in range(len(names), len(parts)))]
    values = zip(numbered, map(_unquoted, parts), strict=False)
    return [(name, value) for name, value in values if value != _NOTHING]


def _split(text: str, separator: str) -> list[str]:
    """Parts between separators, except those in double quotes."""
    parts, quoted = [""], False
    for sign in text:
        if sign == '"':
            quoted = not quoted
        if sign == separator and not quoted:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


# ---------------------------------------------------------------- writing


def write_luna(labels: LabelSet) -> Encoded:
    """An .annot file with times in seconds. Rater, confidence and extras become meta data.

    Luna refuses a file with times before 0 s, so labels before it are left out. Tabs and line
    breaks become spaces.
    """
    findings = start_is_lost(labels.start, "An .annot file")
    kept = [label for label in labels.labels if label.onset_s >= 0]
    early = len(labels.labels) - len(kept)
    if early:
        findings.append(
            changed(
                f"Luna refuses files with times before 0 s; {counted(early, 'label')} before it "
                "were left out."
            )
        )
    held = [_writable(label) for label in kept]
    renamed = [
        old
        for before, after in zip(kept, held, strict=True)
        for (old, _), (new, _) in zip(before.extra, after.extra, strict=True)
        if old != new
    ]
    if renamed:
        findings.append(
            changed(
                "Names of meta data have no blanks and few signs in an .annot file; these were "
                f"written with _: {listed(renamed)}."
            )
        )
    altered = [
        before.text
        for before, after in zip(kept, held, strict=True)
        if [before.text, before.channel, before.rater, *(value for _, value in before.extra)]
        != [after.text, after.channel, after.rater, *(value for _, value in after.extra)]
    ]
    if altered:
        findings.append(
            changed(
                f"{counted(len(altered), 'label')} were written otherwise, because an .annot file "
                "has no tabs, line breaks, # at the start of a line or double quotes in meta data: "
                f"{listed(altered)}."
            )
        )
    lines = []
    for name in dict.fromkeys(label.text for label in held):
        about = _quoted_class(name or _NOTHING)
        types = _meta_types(label for label in held if label.text == name)
        lines.append(f"# {about} | {about}" + (f" | {types}" if types else ""))
    lines.append("\t".join(COLUMNS))
    for label in held:
        extra = dict(label.extra)
        cells = (
            label.text or _NOTHING,
            extra.pop("instance", "") or _NOTHING,
            label.channel or _NOTHING,
            decimal_text(label.onset_s),
            decimal_text(label.stop),
            _meta_text(label, extra) or _NOTHING,
        )
        lines.append("\t".join(cells))
    content = "".join(line + "\n" for line in lines).encode("utf-8")
    return Encoded(content, tuple(held), tuple(findings))


def _quoted_class(name: str) -> str:
    return f'"{name}"' if "|" in name and '"' not in name else name


def _meta_types(labels: Iterable[Label]) -> str:
    """Names and types of a class's meta data, such as `rater[txt] confidence[num]`."""
    names: dict[str, str] = {}
    for label in labels:
        if label.rater:
            names["rater"] = "txt"
        if label.confidence is not None:
            names["confidence"] = "num"
        names |= {name: "txt" for name, _ in label.extra if name != "instance"}
    return " ".join(f"{name}[{kind}]" for name, kind in names.items())


def _meta_text(label: Label, extra: dict[str, str]) -> str:
    pairs = dict(extra)
    if label.rater:
        pairs["rater"] = label.rater
    if label.confidence is not None:
        pairs["confidence"] = decimal_text(label.confidence)
    return "|".join(f"{name}={_quoted(value)}" for name, value in pairs.items())


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"[|=\s]", value) or value == _NOTHING else value


def _writable(label: Label) -> Label:
    """A label as an .annot file can hold it."""

    def cell(text: str) -> str:
        return tidy(re.sub(r"\s*[\t\n]\s*", " ", text))

    def value(text: str) -> str:
        return cell(text).replace('"', "'")

    text = cell(label.text)
    if text.startswith("#"):
        text = "_" + text
    extra = [
        (re.sub(r'[\s|="\[\]()]+', "_", name), cell(v) if name == "instance" else value(v))
        for name, v in label.extra
    ]
    return replace(
        label, text=text, channel=cell(label.channel), rater=value(label.rater), extra=tuple(extra)
    )
