"""From path patterns with named fields to recordings, and from found recordings to open ones.

Finding only lists folders and opens nothing. Files whose fields agree make up one recording; the
fields `signal` and `device` tell the files of one recording apart and name its sources. Or a list
names the files of each recording one by one.
"""

from __future__ import annotations

import fnmatch
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from core.config import ListedRecording, RecordingsConfig, SourceConfig, safe_file_name
from core.errors import ConfigError, DataError, RecordingError
from core.read_csv import open_csv
from core.read_edf import open_edf
from core.recording import Finding, Recording, SignalFile, Source, Stretch

SOURCE_FIELDS = ("signal", "device")
"""Fields that tell the files of one recording apart."""
ALL_SOURCES = "*"
"""Key of `label_columns` for columns that count in every source."""

_FIELD = re.compile(r"\{([^{}]*)\}")
_SPEC = re.compile(r"([A-Za-z_]\w*)(?::0?(\d*)d)?")
_EDF_ENDINGS = (".edf", ".bdf", ".rec")
_CSV_ENDINGS = (".csv", ".tsv", ".txt", ".dat", ".tab")


@dataclass(frozen=True)
class FoundFile:
    """A file of a recording that was found but not opened."""

    name: str
    path: Path
    config: SourceConfig
    label_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundRecording:
    """A recording that was found but not opened. `error`: why it cannot be, or None."""

    id: str
    subject: str
    fields: dict[str, str]
    files: tuple[FoundFile, ...]
    error: str | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(file.path for file in self.files)


@dataclass(frozen=True)
class _Group:
    """Files that belong together so far; `names` holds the sources that each config gave."""

    fields: dict[str, str]
    files: dict[str, FoundFile] = field(default_factory=dict)
    configs: frozenset[int] = frozenset()


def find_recordings(
    config: RecordingsConfig,
    root: Path,
    label_columns: Mapping[str, Sequence[str]] | None = None,
) -> list[FoundRecording]:
    """List the recordings that are listed or that the patterns find under `root`, sorted by id.

    `label_columns`: per source name (or `*` for all) the columns that hold labels and are no
    channels. A recording that lacks a source which is not optional, or a listed file, comes with
    an `error`; those that the config excludes as a whole are left out. Patterns pass over files
    that are listed. Raises ConfigError for an impossible pattern, DataError where a pattern matches
    nothing.
    """
    columns = label_columns or {}
    listed = [_listed(entry, config, root, columns) for entry in config.listed or ()]
    claimed = {_same_path(path) for one in listed for path in one.paths}
    groups: list[_Group] = []
    expected: list[tuple[str, ...]] = []
    searched = False
    for number, source in enumerate(config.sources):
        if not source.pattern:
            expected.append(())
            continue
        found = _find_source(source, number, root, columns, claimed)
        expected.append(_expected_names(source, found))
        groups = _join(groups, found, config.key_map) if searched else found
        searched = True
    if not searched and not listed:
        raise ConfigError(
            "recordings: no entry of `sources` has a pattern and `listed` is empty; name the files "
            "by one or the other."
        )
    order = list(dict.fromkeys(name for s in config.sources for name in field_names(s.pattern)))
    recordings = [one for one in listed if not _excluded_whole(one.id, config)]
    taken = {one.id.casefold() for one in listed}
    for group in sorted(groups, key=lambda g: sorted(str(f.path) for f in g.files.values())):
        fields = {name: group.fields[name] for name in order if name in group.fields}
        base = _safe_id(fields, group)
        id, number = base, 1
        while id.casefold() in taken:
            number += 1
            id = f"{base}_{number}"
        taken.add(id.casefold())
        if _excluded_whole(id, config):
            continue
        recordings.append(
            FoundRecording(
                id,
                _subject(config, fields, id),
                fields,
                tuple(group.files.values()),
                _what_lacks(id, group, config, expected),
            )
        )
    if not recordings:
        raise DataError(
            f"All {len(groups) + len(listed)} recordings that were found in {root} are excluded by "
            "recordings.exclude."
        )
    return sorted(recordings, key=lambda recording: recording.id)


def _excluded_whole(id: str, config: RecordingsConfig) -> bool:
    return any(e.whole and fnmatch.fnmatchcase(id, e.recording) for e in config.exclude)


def open_recording(found: FoundRecording, config: RecordingsConfig) -> Recording:
    """Open the files of a recording and put them on one clock.

    Raises RecordingError where a file that is not optional cannot be read or the files do not
    overlap in time.
    """
    if found.error is not None:
        raise RecordingError(found.error)
    findings: list[Finding] = []
    opened: list[tuple[FoundFile, SignalFile]] = []
    several = len(found.files) > 1
    for file in found.files:
        try:
            signal_file = open_file(file)
        except RecordingError as error:
            if not (file.config.optional and several):
                raise
            findings.append(Finding("unreadable", file.name, str(error)))
            continue
        opened.append((file, signal_file))
        for finding in signal_file.findings:
            where = f"{file.name}: {finding.field}" if several else finding.field
            findings.append(replace(finding, field=where))
    if not opened:
        raise RecordingError(f"{found.id}: none of its files can be read: {findings[0].message}")
    starts = _starts(opened, findings)
    ends = [start + file.duration_s for start, (_, file) in zip(starts, opened, strict=True)]
    if len(opened) > 1 and max(starts) >= min(ends):
        raise RecordingError(_no_overlap(found, opened, starts, ends))
    union = config.join == "union"
    first, last = (min(starts), max(ends)) if union else (max(starts), min(ends))
    has_clock = any(file.has_clock for _, file in opened)
    sources = tuple(
        Source(
            entry.name,
            file,
            _whole_us(start - first),
            entry.config.clock_offset_s,
            entry.config.time_zone,
        )
        for start, (entry, file) in zip(starts, opened, strict=True)
    )
    duration_s = _whole_us(last - first)
    return Recording(
        id=found.id,
        subject=found.subject,
        fields=dict(found.fields),
        sources=sources,
        start_s=first if has_clock else 0.0,
        has_clock=has_clock,
        duration_s=duration_s,
        findings=tuple(findings),
        excluded=_stretches(found.id, duration_s, config),
    )


def open_file(found: FoundFile) -> SignalFile:
    """Open one file by its source's format; `auto` goes by the ending, or else by the content."""
    form = found.config.format
    if form == "auto":
        form = "edf" if _is_edf(found.path) else "csv"
    if form == "edf":
        return open_edf(found.path, found.config.time_zone)
    return open_csv(found.path, found.config.csv, found.label_columns, found.config.time_zone)


def same_name(a: str, b: str, key_map: Mapping[str, str] | None = None) -> bool:
    """Whether two names from different places mean the same subject or recording.

    Whole numbers are equal regardless of leading zeros (`2` and `02`); `key_map` leads from a
    table's name to the one in the files (`2` to `S02`).
    """
    names_a, names_b = _names(a, key_map or {}), _names(b, key_map or {})
    return names_a[0] == names_b[0] or names_a[-1] == names_b[0] or names_a[0] == names_b[-1]


def table_key_means(key: str, name: str, key_map: Mapping[str, str]) -> bool:
    """Whether a key in a table means the subject or recording `name`.

    A key that `key_map` leads elsewhere means that alone, even where somebody bears its own name.
    """
    return _names(key, key_map)[-1] == _canonical(name)


def field_names(pattern: str) -> tuple[str, ...]:
    """The fields of a pattern, in order, without repeats. ConfigError for a wrong pattern."""
    _check_braces(pattern)
    return tuple(dict.fromkeys(_field(pattern, text)[0] for text in _FIELD.findall(pattern)))


# ---------------------------------------------------------------- patterns


def match_pattern(
    pattern: str, root: Path, fields: Mapping[str, str] | None = None
) -> list[tuple[Path, dict[str, str]]]:
    """All files under `root` that a pattern fits, each with its fields, sorted by path.

    `fields` with a known value stand for it. A field never spans a path separator, and the same
    field has the same value wherever it stands. Names that begin with a dot are passed over.
    """
    field_names(pattern)
    found = list(_walk(pattern, root, dict(fields or {})))
    return sorted(found, key=lambda entry: str(entry[0]))


def _walk(
    pattern: str, root: Path, fields: dict[str, str]
) -> Iterator[tuple[Path, dict[str, str]]]:
    base, parts = _parts(pattern, root)
    level = [(base, fields)]
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        level = [entry for path, known in level for entry in _step(path, known, part, pattern)]
        level = [entry for entry in level if entry[0].is_file() == last]
    yield from level


def _parts(pattern: str, root: Path) -> tuple[Path, list[str]]:
    plain = pattern.replace("\\", "/")
    anchor = Path(plain).anchor
    if anchor:
        return Path(anchor), [part for part in plain[len(anchor) :].split("/") if part]
    return root, [part for part in plain.split("/") if part not in ("", ".")]


def _step(
    folder: Path, fields: dict[str, str], part: str, pattern: str
) -> Iterator[tuple[Path, dict[str, str]]]:
    """Entries of one folder that fit one part of the pattern."""
    if not re.search(r"[{*?]", part):
        path = folder / part
        if path.exists():
            yield path, fields
        return
    expressions = [_expression(part, fields, pattern, text) for text in (".+?", ".+")]
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        return
    for name in names:
        if name.startswith(".") and not part.startswith("."):
            continue
        # With as little and with as much text as possible in each field: two ways to read a name
        # are both handed on, and only one of them may survive.
        readings = [match.groupdict() for e in expressions if (match := e.fullmatch(name))]
        for number, reading in enumerate(readings):
            if reading not in readings[:number]:
                yield folder / name, {**fields, **reading}


def _expression(
    part: str, fields: Mapping[str, str], pattern: str, any_text: str
) -> re.Pattern[str]:
    written, place = "", 0
    here: set[str] = set()
    for match in _FIELD.finditer(part):
        written += _wildcards(part[place : match.start()])
        place = match.end()
        name, digits = _field(pattern, match.group(1))
        if name in fields:
            written += re.escape(fields[name])
        elif name in here:
            written += f"(?P={name})"
        else:
            here.add(name)
            shape = any_text if digits is None else rf"\d{{{max(digits, 1)},}}"
            written += f"(?P<{name}>{shape})"
    return re.compile(written + _wildcards(part[place:]), re.ASCII)


def _wildcards(text: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in text)


def _field(pattern: str, text: str) -> tuple[str, int | None]:
    """Name of a field, and how many digits it has at least; None for any text."""
    match = _SPEC.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"The pattern '{pattern}' has the field '{{{text}}}'; write fields as {{name}}, or "
            "{name:02d} for digits."
        )
    return match.group(1), int(match.group(2) or 1) if ":" in text else None


def _check_braces(pattern: str) -> None:
    if re.search(r"[{}]", _FIELD.sub("", pattern)):
        raise ConfigError(f"The pattern '{pattern}' has a brace without its counterpart.")


def _nothing_there(pattern: str, root: Path) -> str:
    """What was there instead of files that fit: the deepest folder that was reached."""
    base, parts = _parts(pattern, root)
    if not base.is_dir():
        return f"the folder {base} does not exist"
    level: list[tuple[Path, dict[str, str]]] = [(base, {})]
    for part in parts:
        deeper = [entry for path, known in level for entry in _step(path, known, part, pattern)]
        if not deeper:
            break
        level = deeper
    folder = next((path for path, _ in level if path.is_dir()), base)
    names = sorted(entry.name for entry in os.scandir(folder) if entry.name[:1] != ".")
    if not names:
        return f"the folder {folder} is empty"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"the folder {folder} holds {', '.join(names[:5])}{more}"


# ---------------------------------------------------------------- listed recordings


def _listed(
    entry: ListedRecording,
    config: RecordingsConfig,
    root: Path,
    label_columns: Mapping[str, Sequence[str]],
) -> FoundRecording:
    """A listed recording; with an error where a file that it must have is not there."""
    files = [
        FoundFile(
            name,
            _listed_path(file.path, root),
            config.source_of(name, file),
            _label_columns(name, label_columns),
        )
        for name, file in entry.files.items()
    ]
    there = [file for file in files if _is_file(file.path)]
    kept = [file for file in files if file in there or not file.config.optional] or files
    missing = next((file for file in kept if file not in there), None)
    error = None
    if missing is not None:
        error = f"{missing.path}: there is no such file; correct its path in recordings.listed"
        error += "." if missing.config.optional else ", or set `optional` for its source."
    fields = {"subject": entry.subject, "recording": entry.id, **entry.fields}
    return FoundRecording(entry.id, entry.subject, fields, tuple(kept), error)


def _listed_path(text: str, root: Path) -> Path:
    path = root / text
    if "\\" in text and not _is_file(path):
        return root / text.replace("\\", "/")  # a list that was written on Windows
    return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False


def _same_path(path: Path) -> str:
    """A path in one spelling, for comparing."""
    return os.path.normcase(os.path.realpath(path))


def without_names(config: RecordingsConfig) -> RecordingsConfig:
    """The settings without what names people, recordings or files, to be kept with a model.

    Where all recordings were listed, there is a source for each name of a file, with a pattern
    made of what the names of those files have in common: it puts the files of new recordings
    together.
    """
    bare = config.model_copy(update={"exclude": [], "key_map": {}})
    if config.listed is None:
        return bare
    if any(source.pattern for source in config.sources):
        return bare.model_copy(update={"listed": []})
    return bare.model_copy(update={"listed": [], "sources": _sources_by_name(config)})


def _sources_by_name(config: RecordingsConfig) -> list[SourceConfig]:
    listed = config.listed or []
    sources: dict[str, SourceConfig] = {}
    file_names: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for entry in listed for name in entry.files):
        files = [entry.files[name] for entry in listed if name in entry.files]
        read_with = [config.source_of(name, file) for file in files]
        usual = Counter(source.name for source in read_with).most_common(1)[0][0]
        source = next(source for source in read_with if source.name == usual)
        file_names[name] = [re.split(r"[\\/]", file.path)[-1] for file in files]
        update = {
            "name": name,
            "pattern": _common_pattern(name, file_names[name]),
            "values": {},
            "optional": source.optional or len(files) < len(listed),
        }
        sources[name] = source.model_copy(update=update)
    clear = all(
        source.pattern and _fits(source.pattern, text) == (name == other)
        for name, source in sources.items()
        for other, texts in file_names.items()
        for text in texts
    )
    if not clear:  # the names do not tell the files of a recording apart
        sources = {n: s.model_copy(update={"pattern": ""}) for n, s in sources.items()}
    return list(sources.values()) or config.sources


def _common_pattern(source: str, names: Sequence[str]) -> str:
    """A pattern that the names of all files of a source fit; empty where there is none.

    `a1_sp.csv` and `b2_sp.csv` of `sp` give `{subject}_sp.csv`. Of the names only words of the
    source's own name and of usual endings are taken: any other may be somebody's.
    """
    endings = " ".join((*_EDF_ENDINGS, *_CSV_ENDINGS, ".gz"))
    known = set(_words(source)) | set(_words(endings))
    if len(set(names)) == 1:
        return f"{{subject}}/{names[0]}" if known.issuperset(_words(names[0])) else ""
    start = _common_start(names)
    end = _common_start([name[::-1] for name in names])[::-1]
    starts = [start[: cut.end()] for cut in re.finditer(r"[\W_]", start)]
    ends = [end[cut.start() :] for cut in re.finditer(r"[\W_]", end)]
    room = min(len(name) for name in names)

    def longest(texts: Iterable[str]) -> str:
        fit = (text for text in texts if len(text) < room and known.issuperset(_words(text)))
        return next(fit, "")

    end = longest(ends)
    room -= len(end)
    start = longest(reversed(starts))
    pattern = f"{start}{{subject}}{end}" if end else ""
    return "" if re.search(r"[{}*?]", start + end) else pattern


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


def _fits(pattern: str, name: str) -> bool:
    """Whether a file's name fits a pattern of `_common_pattern`."""
    start, _, end = pattern.partition("{subject}")
    if end.startswith("/"):
        return name == end[1:]
    fits = name.startswith(start) and name.endswith(end)
    return fits and len(name) > len(start) + len(end)


def _common_start(texts: Sequence[str]) -> str:
    low, high = min(texts), max(texts)  # what these two have in common, all between them have
    pairs = enumerate(zip(low, high, strict=False))
    return low[: next((number for number, (a, b) in pairs if a != b), len(low))]


# ---------------------------------------------------------------- grouping


def _label_columns(name: str, label_columns: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    columns = (*label_columns.get(name, ()), *label_columns.get(ALL_SOURCES, ()))
    return tuple(dict.fromkeys(columns))


def _find_source(
    source: SourceConfig,
    number: int,
    root: Path,
    label_columns: Mapping[str, Sequence[str]],
    claimed: set[str],
) -> list[_Group]:
    """Files of one source by recording, but for those that a list has claimed."""
    names = field_names(source.pattern)
    unknown = sorted(set(source.values) - set(names))
    if unknown:
        raise ConfigError(
            f"recordings.sources.{number}.values: the pattern '{source.pattern}' has no field "
            f"'{unknown[0]}'; it has {', '.join(names) or 'none'}."
        )
    all_matches = match_pattern(source.pattern, root)
    matches = [
        (path, fields)
        for path, fields in all_matches
        if all(fields[name] in allowed for name, allowed in source.values.items())
    ]
    if not matches and not source.optional:
        if all_matches:
            seen = sorted({f"{n}={f[n]}" for _, f in all_matches for n in source.values})
            raise DataError(
                f"The pattern '{source.pattern}' matches {len(all_matches)} files under {root}, "
                f"but none has the values asked for; there are {', '.join(seen[:8])}."
            )
        raise DataError(
            f"The pattern '{source.pattern}' matches no file under {root}: "
            f"{_nothing_there(source.pattern, root)}."
        )
    if claimed:
        matches = [match for match in matches if _same_path(match[0]) not in claimed]
    _refuse_ambiguous(source.pattern, matches)
    telling = [name for name in names if name in SOURCE_FIELDS]
    groups: dict[tuple[tuple[str, str], ...], _Group] = {}
    for path, fields in matches:
        name = "_".join(fields[entry] for entry in telling) or source.name
        own = {key: value for key, value in fields.items() if key not in SOURCE_FIELDS}
        group = groups.setdefault(tuple(own.items()), _Group(own, {}, frozenset({number})))
        if name in group.files:
            raise ConfigError(
                f"The pattern '{source.pattern}' matches several files for one recording, such as "
                f"{group.files[name].path} and {path}; tell them apart with a field."
            )
        group.files[name] = FoundFile(name, path, source, _label_columns(name, label_columns))
    wanted = {value: i for entry in telling for i, value in enumerate(source.values.get(entry, ()))}
    return [
        replace(group, files=dict(sorted(group.files.items(), key=lambda e: (
            wanted.get(e[0], len(wanted)), e[0]))))
        for group in groups.values()
    ]  # fmt: skip


def _refuse_ambiguous(pattern: str, matches: Sequence[tuple[Path, dict[str, str]]]) -> None:
    """ConfigError where a file's name can be read in two ways: people would be mixed up."""
    read: dict[Path, dict[str, str]] = {}
    for path, fields in matches:
        other = read.setdefault(path, fields)
        if other != fields:
            ways = " or ".join(
                ", ".join(f"{name}={value}" for name, value in way.items())
                for way in (other, fields)
            )
            raise ConfigError(
                f"The pattern '{pattern}' can read {path.name} in two ways: {ways}. Put more of "
                "the name into the pattern, write numbers as {name:02d}, or list `values`."
            )


def _expected_names(source: SourceConfig, groups: list[_Group]) -> tuple[str, ...]:
    """Sources a recording must have: the values asked for, or what most recordings have."""
    telling = [name for name in field_names(source.pattern) if name in SOURCE_FIELDS]
    if not telling:
        return (source.name,)
    if len(telling) == 1 and telling[0] in source.values:
        return tuple(source.values[telling[0]])
    names = [name for group in groups for name in group.files]
    return tuple(n for n in dict.fromkeys(names) if names.count(n) * 2 > len(groups))


def _join(left: list[_Group], right: list[_Group], key_map: Mapping[str, str]) -> list[_Group]:
    """Groups whose common fields agree become one; the others stay as they are."""
    # Looked up by the variants of the common fields' values, since there may be thousands.
    common = [
        name
        for name in (right[0].fields if right else ())
        if all(name in group.fields for group in left)
    ]
    places: dict[tuple[str, ...], list[int]] = {}
    for index, other in enumerate(right):
        for key in _variants(other, common, key_map):
            places.setdefault(key, []).append(index)
    joined: list[_Group] = []
    used: set[int] = set()
    for group in left:
        near = {i for key in _variants(group, common, key_map) for i in places.get(key, ())}
        partners = [
            (index, right[index])
            for index in sorted(near)
            if all(
                same_name(group.fields[name], value, key_map)
                for name, value in right[index].fields.items()
                if name in group.fields
            )
        ]
        used.update(index for index, _ in partners)
        for _, other in partners:
            twice = sorted(set(group.files) & set(other.files))
            if twice:
                raise ConfigError(
                    f"Two sources are both called '{twice[0]}'; give each entry of "
                    "recordings.sources a name of its own."
                )
            joined.append(
                _Group(
                    {**other.fields, **group.fields},
                    {**group.files, **other.files},
                    group.configs | other.configs,
                )
            )
        if not partners:
            joined.append(group)
    return joined + [other for index, other in enumerate(right) if index not in used]


def _variants(
    group: _Group, names: Sequence[str], key_map: Mapping[str, str]
) -> Iterator[tuple[str, ...]]:
    """The values of some fields in every form by which `same_name` may take them."""
    return itertools.product(*(_names(group.fields[name], key_map) for name in names))


def _what_lacks(
    id: str, group: _Group, config: RecordingsConfig, expected: list[tuple[str, ...]]
) -> str | None:
    for number, source in enumerate(config.sources):
        lacking = [name for name in expected[number] if name not in group.files]
        if lacking and not source.optional:
            return (
                f"{id}: there is no file for '{lacking[0]}' (pattern '{source.pattern}'); add it, "
                "or set `optional` for this source."
            )
    return None


def _subject(config: RecordingsConfig, fields: Mapping[str, str], id: str) -> str:
    if not fields and config.subject == "{subject}":
        return id  # a pattern without fields is one recording
    try:
        return config.subject.format(**fields)
    except (KeyError, IndexError, ValueError, AttributeError):
        raise ConfigError(
            f"recordings.subject: '{config.subject}' cannot be made from the fields "
            f"{', '.join(fields) or 'none'} of {id}; put {{subject}} into the pattern, or name the "
            "fields that make up the subject."
        ) from None


def _safe_id(fields: Mapping[str, str], group: _Group) -> str:
    text = "_".join(fields.values())
    if not text:
        text = next(iter(group.files.values())).path.name.split(".")[0]
    return safe_file_name(text)


def _names(name: str, key_map: Mapping[str, str]) -> tuple[str, ...]:
    own = _canonical(name)
    mapped = next((v for k, v in key_map.items() if _canonical(k) == own), None)
    return (own,) if mapped is None else (own, _canonical(mapped))


def _canonical(name: str) -> str:
    text = name.strip()
    number = re.fullmatch(r"0*(\d+)(\.0*)?", text, re.ASCII)
    return number.group(1) if number else text


# ---------------------------------------------------------------- opening


def _is_edf(path: Path) -> bool:
    endings = [ending.lower() for ending in path.suffixes]
    if endings and endings[-1] == ".gz":
        endings.pop()
    if endings and endings[-1] in _EDF_ENDINGS:
        return True
    if endings and endings[-1] in _CSV_ENDINGS:
        return False
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
    except OSError:
        return False  # the reader says why
    return start == b"\xffBIOSEMI" or start == b"0       "


def _starts(opened: Sequence[tuple[FoundFile, SignalFile]], findings: list[Finding]) -> list[float]:
    """Start of each file in seconds on one clock, its offset applied."""
    clocked = [file.start_s + entry.config.clock_offset_s for entry, file in opened
               if file.has_clock]  # fmt: skip
    without = [entry.name for entry, file in opened if not file.has_clock]
    origin = min(clocked) if clocked else 0.0
    if without and len(opened) > 1:
        findings.append(
            Finding(
                "note",
                "clock",
                f"{', '.join(without)} {'has' if len(without) == 1 else 'have'} no clock time; "
                "taken to start together with the rest, but for clock_offset_s.",
            )
        )
    return [
        (file.start_s if file.has_clock else origin) + entry.config.clock_offset_s
        for entry, file in opened
    ]


def _whole_us(seconds: float) -> float:
    """Unix seconds as float64 are good to 0.2 µs: what lies below is not carried on."""
    return round(seconds, 6)


def _no_overlap(
    found: FoundRecording,
    opened: Sequence[tuple[FoundFile, SignalFile]],
    starts: Sequence[float],
    ends: Sequence[float],
) -> str:
    has_clock = any(file.has_clock for _, file in opened)
    parts = [
        f"{entry.name} from {_shown_time(start, has_clock)} to {_shown_time(end, has_clock)}"
        for (entry, _), start, end in zip(opened, starts, ends, strict=True)
    ]
    return (
        f"{found.id}: its files do not overlap in time ({'; '.join(parts)}); check clock_offset_s "
        "and time_zone of the sources, or exclude the recording."
    )


def _shown_time(time_s: float, has_clock: bool) -> str:
    if not has_clock:
        return f"{time_s:g} s"
    try:
        return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{time_s:g} s"


def _stretches(id: str, duration_s: float, config: RecordingsConfig) -> tuple[Stretch, ...]:
    stretches = []
    for entry in config.exclude:
        if not fnmatch.fnmatchcase(id, entry.recording):
            continue
        start_s = max(0.0, entry.start_s or 0.0)
        end_s = min(duration_s, duration_s if entry.end_s is None else entry.end_s)
        if start_s < end_s:
            stretches.append(Stretch(start_s, end_s, entry.modality))
    return tuple(sorted(stretches, key=lambda stretch: stretch.start_s))
