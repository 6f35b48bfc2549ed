"""Which of the files that a user chose are recordings, and a path pattern that finds just those.

Nothing is opened: names and folders tell. A guess is checked against the disk before it is given,
and where no pattern finds exactly the chosen files, each file is listed as a recording of its own.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.config import (
    CsvConfig,
    ListedFile,
    ListedRecording,
    RecordingsConfig,
    SourceConfig,
    safe_file_name,
)
from core.errors import ConfigError, CrosslError, DataError
from core.find_recordings import find_recordings
from core.open_recording import EDF_ENDINGS, is_recording_file
from core.progress import RunContext

MOST_FILES = 50_000
STUDY_FILE = "study.sqlite"
E4_SIGNALS = ("ACC", "BVP", "EDA", "TEMP")
"""Files of an Empatica E4 folder that are taken; HR and IBI are computed from BVP."""

_SEPARATORS = re.compile(r"([_\-. ]+)")
_RUNS = re.compile(r"[A-Za-z]+|\d+|[^A-Za-z\d]+")
_SUBJECT_LIKE = re.compile(r"(?:s|p|sub|subj|subject|patient|pat|participant|person)[-_]?\d+", re.I)
_LABEL_WORDS = re.compile(
    r"hypno|hypnogram|(?:^|[_\-. ])(?:hyp|stages?|staging|scor(?:e|es|ing)|labels?|annot"
    r"|annotations?|events?|markers?|tags)(?:$|[_\-. \d])",
    re.IGNORECASE,
)
_TABLE_NAMES = re.compile(
    r"(?:readme|info|index|licen[cs]e|changes|metadata|demographics?"
    r"|(?:subjects?|participants?|patients?)(?:[_\-. ](?:info|data|list|table))?)",
    re.IGNORECASE,
)
_FIELD_WORDS = {
    **dict.fromkeys(
        ("sub", "subj", "subject", "participant", "patient", "pat", "person", "pid"), "subject"
    ),
    **dict.fromkeys(("ses", "session", "visit"), "session"),
    **dict.fromkeys(("run", "rec", "recording", "trial", "record"), "run"),
    **dict.fromkeys(("task", "cond", "condition"), "task"),
    "night": "night",
    "day": "day",
    "group": "group",
}
_SIGNAL_WORDS = frozenset(
    ("acc", "accelerometer", "gyr", "gyro", "gyroscope", "mag", "magnetometer", "bvp", "ppg", "eda",
     "gsr", "temp", "temperature", "hr", "ecg", "ekg", "emg", "eog", "eeg", "resp", "imu", "spo2")
)  # fmt: skip
_DEVICE_WORDS = frozenset(
    ("sp", "sw", "phone", "watch", "smartphone", "smartwatch", "left", "right", "wrist", "chest",
     "ankle", "hand", "hip", "waist", "thigh", "arm", "back", "head", "pocket", "foot", "shank",
     "ring", "band", "belt", "glasses", "e4", "respiban")
)  # fmt: skip
# Names that follow a published rule which names alone do not show.
_KNOWN = (
    (
        re.compile(r"SC4\d{3}[A-Z]0-PSG\.edf"),
        "SC4{subject:02d}{night:d}?0-PSG.edf",
        "SC4{subject}",
    ),
    (
        re.compile(r"ST7\d{3}[A-Z]0-PSG\.edf"),
        "ST7{subject:02d}{night:d}?0-PSG.edf",
        "ST7{subject}",
    ),
)


@dataclass(frozen=True)
class PatternGuess:
    """How chosen files make up recordings.

    Attributes
    ----------
    root: folder that patterns are relative to.
    reason: why this was guessed, in a sentence or two.
    passed_over: chosen files, or files in chosen folders, that are in no recording.
    """

    root: Path
    recordings: RecordingsConfig
    reason: str
    passed_over: tuple[Path, ...] = ()


def patterns_for(paths: Sequence[Path], context: RunContext | None = None) -> PatternGuess:
    """Guess how files, or all files in folders, make up recordings.

    Raises DataError where none of them can be a recording, ConfigError where there are too many.
    """
    paths = [Path(os.path.abspath(path)) for path in dict.fromkeys(paths)]
    files = sorted(set(_files_in(paths, context or RunContext())))
    named = {path for path in paths if path.is_file()}
    if not files:
        listed = ", ".join(path.name for path in paths[:3])
        raise DataError(
            f"There is no recording in {listed}: crossl-app reads EDF, BDF and CSV files, also "
            "packed with gzip. Choose such files, or a folder that holds them."
        )
    root = _common_folder(paths)
    guess = _e4_folders(files, root)
    if guess is None:
        taken = _likely_recordings(files, named)
        guess = _known_names(taken, root) or _by_tokens(taken, root) or _one_by_one(taken, root)
    used = _used(guess)
    return replace(guess, passed_over=tuple(path for path in files if path not in used))


def rebased(config: RecordingsConfig, root: Path, new_root: Path) -> RecordingsConfig:
    """The same files, with patterns and paths relative to a folder further up."""
    before = root.relative_to(new_root).as_posix()
    if before == ".":
        return config

    def longer(text: str) -> str:
        return text if not text or Path(text).is_absolute() else f"{before}/{text}"

    sources = [s.model_copy(update={"pattern": longer(s.pattern)}) for s in config.sources]
    listed = config.listed and [
        entry.model_copy(
            update={
                "files": {
                    name: file.model_copy(update={"path": longer(file.path)})
                    for name, file in entry.files.items()
                }
            }
        )
        for entry in config.listed
    ]
    return config.model_copy(update={"sources": sources, "listed": listed})


def with_source(
    config: RecordingsConfig, root: Path, more: PatternGuess
) -> tuple[RecordingsConfig, Path]:
    """The config with a further source, such as another device of the same recordings, and the
    folder that patterns are then relative to."""
    shared = Path(os.path.commonpath([root, more.root]))
    first, second = rebased(config, root, shared), rebased(more.recordings, more.root, shared)
    names = {source.name for source in first.sources}
    added = []
    for source in second.sources:
        name, number = source.name, 1
        while name in names:
            number += 1
            name = f"{source.name}{number}"
        names.add(name)
        added.append(source.model_copy(update={"name": name}))
    return first.model_copy(update={"sources": [*first.sources, *added]}), shared


def with_recordings(
    config: RecordingsConfig, root: Path, more: PatternGuess
) -> tuple[RecordingsConfig, Path]:
    """The config with further recordings, each listed with its files, and the folder that paths
    are then relative to. Files that the config finds already are passed over."""
    shared = Path(os.path.commonpath([root, more.root]))
    first = rebased(config, root, shared)
    before = find_recordings(first, shared)
    known = {path for one in before for path in one.paths}
    taken = {one.id.casefold() for one in before}
    listed = list(first.listed or ())
    for one in find_recordings(more.recordings, more.root):
        if known.issuperset(one.paths):
            continue
        id = _free_id(one.id, taken)
        files = {
            file.name: ListedFile(path=file.path.relative_to(shared).as_posix())
            for file in one.files
        }
        fields = {k: v for k, v in one.fields.items() if k not in ("subject", "recording")}
        subject = one.subject if one.subject != one.id else id
        listed.append(ListedRecording(id=id, subject=subject, fields=fields, files=files))
    return first.model_copy(update={"listed": listed}), shared


def _free_id(wanted: str, taken: set[str]) -> str:
    """The id, with a number where it is taken; it counts as taken from then on."""
    id, number = wanted, 1
    while id.casefold() in taken:
        number += 1
        id = f"{wanted}_{number}"
    taken.add(id.casefold())
    return id


# ---------------------------------------------------------------- files


def _files_in(paths: Sequence[Path], context: RunContext) -> Iterator[Path]:
    """Chosen files, and the files in chosen folders whose ending a reader knows."""
    count = 0
    for path in paths:
        if path.is_file():
            yield path
            continue
        for folder, folders, names in os.walk(path):
            context.step(f"looking into {Path(folder).name}", count)
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(".") and not os.path.isfile(Path(folder, name, STUDY_FILE))
            )
            for name in names:
                if name.startswith(".") or not is_recording_file(Path(name)):
                    continue
                count += 1
                if count > MOST_FILES:
                    raise ConfigError(
                        f"{path} holds more than {MOST_FILES} files that could be recordings; "
                        "choose a folder further down, or write the pattern by hand."
                    )
                yield Path(folder, name)


def _common_folder(paths: Sequence[Path]) -> Path:
    if len(paths) == 1:
        return paths[0] if paths[0].is_dir() else paths[0].parent
    return Path(os.path.commonpath([path if path.is_dir() else path.parent for path in paths]))


def _likely_recordings(files: list[Path], named: set[Path]) -> list[Path]:
    """The files that are recordings: those the user named, and the largest group of like names.

    Beside EDF files, text is taken for labels and tables.
    """
    said = [path for path in files if path in named]
    rest = [path for path in files if path not in named]
    return sorted({*said, *(_largest_group(rest) if rest else ())})


def _largest_group(files: list[Path]) -> list[Path]:
    plain = [path for path in files if not is_label_name(path)] or files
    edf = [path for path in plain if _ending(path).removesuffix(".gz") in EDF_ENDINGS]
    if edf:
        return edf  # different names are different laboratories, not something else
    groups: dict[object, list[Path]] = {}
    for path in plain:
        groups.setdefault((_ending(path), _shape(path)), []).append(path)
    return max(groups.values(), key=len)


def is_label_name(path: Path) -> bool:
    """Whether a file is called like labels or a table of people, rather than like a recording."""
    return has_label_word(path) or bool(_TABLE_NAMES.fullmatch(stem_of(path)))


def has_label_word(path: Path) -> bool:
    """Whether a word for labels stands in a file's name, such as hypnogram or scoring."""
    return bool(_LABEL_WORDS.search(stem_of(path)))


def _shape(path: Path) -> tuple[int, tuple[str, ...]]:
    return len(path.parts), tuple(_SEPARATORS.findall(stem_of(path)))


def _ending(path: Path) -> str:
    endings = [ending.lower() for ending in path.suffixes[-2:]]
    return "".join(endings) if endings and endings[-1] == ".gz" else "".join(endings[-1:])


def stem_of(path: Path) -> str:
    """The name without its ending, `.csv.gz` included."""
    return path.name[: len(path.name) - len(_ending(path))]


# ---------------------------------------------------------------- known layouts


def _e4_folders(files: list[Path], root: Path) -> PatternGuess | None:
    """Folders as Empatica exports them: one file per signal, called after it."""
    folders: dict[Path, set[str]] = {}
    for path in files:
        if path.suffix.lower() == ".csv" and path.stem in E4_SIGNALS:
            folders.setdefault(path.parent, set()).add(path.stem)
    kept = sorted(folder for folder, names in folders.items() if len(names) >= 2)
    if not kept:
        return None
    counts = Counter(name for folder in kept for name in folders[folder])
    signals = [name for name in E4_SIGNALS if 2 * counts[name] >= len(kept)]
    if root in kept:  # one export: its folder is called after the subject
        root = root.parent
    tokens = _Tokens.of([folder.relative_to(root).parts for folder in kept])
    if tokens is None:
        return None
    subject = "{subject}"
    pattern = tokens.pattern()
    values = {"signal": signals}
    if "subject" not in tokens.names:
        if len(kept) > 1:
            return None
        *before, own = kept[0].relative_to(root).parts
        pattern = "/".join((*before, "{subject}"))
        values["subject"] = [own]
    else:
        subject = tokens.subject()
    source = SourceConfig(
        pattern=f"{pattern}/{{signal}}.csv", values=values, csv=CsvConfig(layout="e4")
    )
    wanted = {folder / f"{name}.csv" for folder in kept for name in folders[folder]
              if name in signals}  # fmt: skip
    found = _narrowed(RecordingsConfig(sources=[source], subject=subject), root, wanted)
    if found is None:
        return None
    reason = (
        f"The folders hold {', '.join(f'{name}.csv' for name in signals)}, as Empatica's E4 "
        "exports them: one recording per folder, named after it."
    )
    return PatternGuess(root, found, reason)


def _known_names(files: list[Path], root: Path) -> PatternGuess | None:
    if len(files) < 2 or len({path.parent for path in files}) > 1:
        return None
    folder = files[0].parent.relative_to(root).as_posix()
    before = "" if folder == "." else f"{folder}/"
    for rule, pattern, subject in _KNOWN:
        if all(rule.fullmatch(path.name) for path in files) and not re.search(r"[{}*?]", before):
            config = RecordingsConfig(
                sources=[SourceConfig(pattern=before + pattern)], subject=subject
            )
            found = _narrowed(config, root, set(files))
            if found is not None:
                reason = "The names are those of Sleep-EDF: subject and night stand in them."
                return PatternGuess(root, found, reason)
    return None


# ---------------------------------------------------------------- by tokens


@dataclass(frozen=True)
class _Piece:
    """A literal text of a path, or a field with its value in each file."""

    text: str
    values: tuple[str, ...] = ()
    hint: str = ""
    """The word before it, which may name the field."""

    @property
    def is_field(self) -> bool:
        return bool(self.values)

    @property
    def digits(self) -> bool:
        return all(value.isdigit() and value.isascii() for value in self.values)


@dataclass(frozen=True)
class _Tokens:
    """Paths of one shape: what is the same in all of them, and what is not."""

    pieces: tuple[_Piece, ...]
    names: tuple[str, ...]
    constant_subject: str | None

    @classmethod
    def of(cls, paths: Sequence[tuple[str, ...]]) -> _Tokens | None:
        """None where the paths are not of one shape, or hold signs that mean something else."""
        if any(re.search(r"[{}*?]", part) for path in paths for part in path):
            return None
        pieces: list[_Piece] = []
        split = [[_SEPARATORS.split(part) for part in path] for path in paths]
        if len({tuple(len(part) for part in path) for path in split}) != 1:
            return None
        for number in range(len(split[0])):
            if number:
                pieces.append(_Piece("/"))
            for place in range(len(split[0][number])):
                column = tuple(path[number][place] for path in split)
                if place % 2 and len(set(column)) > 1:
                    return None  # different separators
                pieces += _split_column(column, pieces)
        merged = tuple(piece for piece in pieces if piece.text or piece.is_field)
        constant = next(
            (piece.text for piece in merged
             if not piece.is_field and _SUBJECT_LIKE.fullmatch(piece.text)), None
        )  # fmt: skip
        return cls(merged, _field_names(merged, constant is not None), constant)

    def pattern(self, digits: bool = False) -> str:
        names = iter(self.names)
        return "".join(
            _field(next(names), piece, digits) if piece.is_field else piece.text
            for piece in self.pieces
        )

    def says_nothing(self, files: int) -> bool:
        """Whether the fields tell no person apart from a recording: all differ in every file."""
        fields = {
            name: set(piece.values)
            for name, piece in zip(self.names, (p for p in self.pieces if p.is_field), strict=True)
        }
        people = fields.pop("subject", set())
        known = all(_SUBJECT_LIKE.fullmatch(value) or value.isdigit() for value in people)
        return (
            bool(people)
            and not known
            and all(len(v) == files for v in fields.values())
            and (bool(fields))
        )

    def subject(self) -> str:
        if "subject" in self.names:
            return "{subject}"
        return self.constant_subject or "{subject}"


def _field(name: str, piece: _Piece, digits: bool) -> str:
    if not (digits and piece.digits):
        return f"{{{name}}}"
    widths = {len(value) for value in piece.values}
    return f"{{{name}:0{widths.pop()}d}}" if len(widths) == 1 else f"{{{name}:d}}"


def _split_column(column: tuple[str, ...], before: Sequence[_Piece]) -> list[_Piece]:
    """One token of all paths as literals and fields."""
    if len(set(column)) == 1:
        return [_Piece(column[0])]
    # A field has no text, so nothing is made of the word before it.
    word = next((p.text for p in reversed(before) if not _SEPARATORS.fullmatch(p.text)), "")
    runs = [_RUNS.findall(value) for value in column]
    if len({tuple(run[0].isdigit() for run in value) for value in runs}) == 1:
        columns = list(zip(*runs, strict=True))
        constant = [run[0] if len(set(run)) == 1 else "" for run in columns]
        # `Subject07` is a word and a number, `SC4001E0` more than that; `s07` is one name.
        if constant[0].casefold() in _FIELD_WORDS or len(columns) > 2:
            return [
                _Piece(text) if text else _Piece("", run, constant[k - 1] if k else word)
                for k, (text, run) in enumerate(zip(constant, columns, strict=True))
            ]
    return [_Piece("", column, word)]


def _field_names(pieces: Sequence[_Piece], has_subject: bool) -> tuple[str, ...]:
    """A name for each field, in order. Fields with the same values are one field."""
    fields = [piece for piece in pieces if piece.is_field]
    names: dict[tuple[str, ...], str] = {}

    def name(piece: _Piece, wanted: str) -> None:
        taken = set(names.values())
        number, free = 1, wanted
        while free in taken:
            number += 1
            free = f"{wanted}{number}"
        names.setdefault(piece.values, free)

    for piece in fields:
        word = _FIELD_WORDS.get(piece.hint.casefold())
        values = {value.casefold() for value in piece.values}
        if piece.values in names:
            continue
        if word is not None:
            name(piece, word)
        elif values <= _SIGNAL_WORDS:
            name(piece, "signal")
        elif values <= _DEVICE_WORDS:
            name(piece, "device")
    open_fields = [piece for piece in fields if piece.values not in names]
    if open_fields and not has_subject and "subject" not in names.values():
        name(max(open_fields, key=_likely_subject), "subject")
    for piece in fields:
        if piece.values not in names:
            count = len(set(piece.values))
            few = count <= 4 and 2 * count < len(piece.values)
            wanted = "task" if few else "run" if piece.digits else "part"
            name(
                piece, "group" if few and not piece.digits and "task" in names.values() else wanted
            )
    return tuple(names[piece.values] for piece in fields)


def _likely_subject(piece: _Piece) -> tuple[bool, bool, int]:
    values = set(piece.values)
    return (
        all(_SUBJECT_LIKE.fullmatch(value) for value in values),
        any(sign.isdigit() for sign in "".join(values)),
        len(values),
    )


def _by_tokens(files: list[Path], root: Path) -> PatternGuess | None:
    relative = [path.relative_to(root) for path in files]
    endings = {path.name[len(stem_of(path)) :] for path in relative}
    if len(endings) != 1:
        return None
    ending = endings.pop()
    if len(files) == 1:
        return _single(relative[0], root, files)
    tokens = _Tokens.of([(*path.parts[:-1], stem_of(path)) for path in relative])
    if tokens is None or not tokens.names:
        return _by_stems(files, root, ending)
    if tokens.says_nothing(len(files)):
        return _by_stems(files, root, ending)
    for allow_values, digits in ((False, False), (False, True), (True, False), (True, True)):
        config = RecordingsConfig(
            sources=[SourceConfig(pattern=tokens.pattern(digits) + ending)],
            subject=tokens.subject(),
        )
        found = _narrowed(config, root, set(files), allow_values)
        if found is not None:
            return PatternGuess(root, found, _say(found, tokens))
    return _by_stems(files, root, ending)


def _single(relative: Path, root: Path, files: list[Path]) -> PatternGuess | None:
    if re.search(r"[{}*?]", str(relative)):
        return None
    tokens = _SEPARATORS.split(stem_of(relative))
    subject = next((token for token in tokens if _SUBJECT_LIKE.fullmatch(token)), "{subject}")
    config = RecordingsConfig(sources=[SourceConfig(pattern=relative.as_posix())], subject=subject)
    found = _narrowed(config, root, set(files))
    if found is None:
        return None
    return PatternGuess(root, found, "One file: one recording, named after it.")


def _by_stems(files: list[Path], root: Path, ending: str) -> PatternGuess | None:
    """Files of one folder whose whole names are the subjects."""
    if len({path.parent for path in files}) > 1:
        return None
    folder = files[0].parent.relative_to(root).as_posix()
    before = "" if folder == "." else f"{folder}/"
    if re.search(r"[{}*?]", before):
        return None
    config = RecordingsConfig(sources=[SourceConfig(pattern=f"{before}{{subject}}{ending}")])
    found = _narrowed(config, root, set(files), allow_values=True)
    if found is None:
        return None
    return PatternGuess(
        root,
        found,
        "The names have nothing in common, so each file is taken for a person of its own. Where "
        "several are of one person, write a pattern that tells subject and recording apart.",
    )


def _say(config: RecordingsConfig, tokens: _Tokens) -> str:
    pattern = config.sources[0].pattern
    if "subject" in tokens.names:
        who = "{subject} tells the people apart"
    else:
        who = f"all files are of {tokens.subject()}"
    more = [name for name in dict.fromkeys(tokens.names) if name != "subject"]
    telling = [name for name in more if name in ("signal", "device")]
    rest = [name for name in more if name not in telling]
    text = f"The names follow {pattern}: {who}"
    if rest:
        text += f", {' and '.join(f'{{{name}}}' for name in rest)} their recordings"
    if telling:
        text += f", {' and '.join(f'{{{name}}}' for name in telling)} the files of one recording"
    return text + "."


# ---------------------------------------------------------------- checking against the disk


def _narrowed(
    config: RecordingsConfig, root: Path, wanted: set[Path], allow_values: bool = True
) -> RecordingsConfig | None:
    """The config if it finds exactly the wanted files, with `values` for the subject where that is
    needed; None where it cannot be made to."""
    found = _matched(config, root)
    if found is None or not wanted <= found:
        return None
    if found == wanted:
        return config
    if not allow_values:
        return None
    source = config.sources[0]
    subjects = {
        one.fields["subject"]
        for one in find_recordings(config, root)
        if "subject" in one.fields and wanted & set(one.paths)
    }
    if not subjects:
        return None
    values = {**source.values, "subject": sorted(subjects)}
    narrower = config.model_copy(update={"sources": [source.model_copy(update={"values": values})]})
    return narrower if _matched(narrower, root) == wanted else None


def _matched(config: RecordingsConfig, root: Path) -> set[Path] | None:
    try:
        recordings = find_recordings(config, root)
    except CrosslError:
        return None
    return {path for one in recordings for path in one.paths}


def _one_by_one(files: list[Path], root: Path) -> PatternGuess:
    reason = (
        "No pattern of names finds just these files, so each is listed as a recording of its own, "
        "and as a person of its own."
    )
    taken: set[str] = set()
    listed = []
    for path in files:
        id = _free_id(safe_file_name(stem_of(path).split(".")[0]), taken)
        file = ListedFile(path=path.relative_to(root).as_posix())
        listed.append(ListedRecording(id=id, subject=id, files={"main": file}))
    config = RecordingsConfig(sources=[SourceConfig()], listed=listed)
    return PatternGuess(root, config, reason)


def _used(guess: PatternGuess) -> set[Path]:
    listed = guess.recordings.listed or []
    if listed:
        return {guess.root / file.path for entry in listed for file in entry.files.values()}
    return _matched(guess.recordings, guess.root) or set()
