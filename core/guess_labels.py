"""Labels that lie in, beside or around recordings, and what a study's classes could be.

Each guess is a settings object of the run file with its reason in words, to be shown and changed;
nothing is guessed that was not found in at least half of the recordings that were opened.
"""

from __future__ import annotations

import gzip
import re
import tempfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from core.config import (
    AnnotationLabels,
    ColumnLabels,
    FieldLabels,
    FileLabels,
    LabelsConfig,
    RecordingsConfig,
    TableLabels,
)
from core.csv_preview import preview_csv
from core.errors import CrosslError, DataError
from core.find_recordings import SOURCE_FIELDS, FoundRecording, same_name
from core.guess_channels import ModalitiesChoice
from core.guess_patterns import has_label_word, stem_of
from core.label_files import format_of_name, read_labels
from core.label_mapping import LabelMapping, load_mapping
from core.label_scheme import LabelScheme, load_scheme, scheme_for, scheme_names
from core.label_set import LabelSet
from core.labels import LabelReader, LabelTrack, class_of, label_files, read_table
from core.labels_epochs import guess_epoch_s
from core.look_into import OpenedRecordings
from core.progress import RunContext
from core.recording import Recording

RK = "aasm_from_rk"
STAGES = ("W", "R", "N1", "N2", "N3")
MOST_TEXTS = 40
"""More different texts than this are notes, not classes."""
_LARGEST_TABLE = 1 << 25
_TABLE_HEAD = 1 << 16
_MOST_TABLES = 20
_LABEL_COLUMN = re.compile(
    r"(labels?|activity(?:[ _]?(?:id|label|name))?|class|(?:sleep[ _]?)?stages?|hypnogram|state"
    r"|condition|task|target|annotations?|events?|phase|behaviou?r|ground[ _]?truth|stress"
    r"|emotion)",
    re.IGNORECASE,
)
_STAGE_SIGNAL = re.compile(r"(hypnogram|hypno|(?:sleep[ _]?)?stages?)", re.IGNORECASE)
_TIME_COLUMN = re.compile(
    r".*(time|onset|start|begin|unix|epoch_s|seconds).*|t|ts|sec|date", re.IGNORECASE
)
_DURATION_COLUMN = re.compile(r".*(duration|length).*|(seconds|dur)(_s)?|duration_s", re.IGNORECASE)
_FIELDS = ("task", "condition", "label", "class", "stage", "state", "activity", "group")
_LABEL_FOLDERS = (
    "labels", "annotations", "hypnograms", "hypnogram", "scoring", "scores", "events", "stages",
)  # fmt: skip
_LABEL_ENDINGS = (".edf", ".bdf", ".csv", ".tsv", ".txt", ".xml", ".annot", ".eannot", ".epochs")


@dataclass(frozen=True)
class LabelsGuess:
    """Labels that are there already, or None; and why.

    `epoch_s`: length of an epoch in which they come, where that is known. `key_map`: names in a
    table that have to lead to other names in the files.
    """

    labels: LabelsConfig | None
    reason: str
    epoch_s: float | None = None
    key_map: Mapping[str, str] = field(default_factory=dict)


NO_LABELS = LabelsGuess(None, "")


@dataclass(frozen=True)
class LabelCount:
    """One text that labels have, and what it becomes: a class, or None for unlabelled.

    `count` is of labels, or of samples for a label on each; `seconds` is how long they last.
    `known`: whether the mapping has the text.
    """

    text: str
    count: int
    seconds: float
    became: str | None
    known: bool


@dataclass(frozen=True)
class LabelCounts:
    """The texts of some recordings, those that last longest first.

    Attributes
    ----------
    recordings: how many were read. labelled: how many of them have a label.
    notes: why others have none, and what the readers assumed.
    """

    rows: tuple[LabelCount, ...]
    recordings: int
    labelled: int
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the texts become, in order of the rows."""
        return tuple(dict.fromkeys(row.became for row in self.rows if row.became))

    def under(self, labels: LabelsConfig) -> LabelCounts:
        """The same texts under another mapping or other classes; nothing is read again."""
        rows = tuple(
            replace(row, became=class_of(row.text, labels), known=row.text in labels.mapping)
            for row in self.rows
        )
        return replace(self, rows=rows)


@dataclass(frozen=True)
class SchemeGuess:
    """A label scheme with the reason it was guessed; `preset` where it is one."""

    scheme: LabelScheme
    reason: str
    preset: str | None = None


# ---------------------------------------------------------------- counting


def label_counts(
    opened: OpenedRecordings,
    labels: LabelsConfig,
    root: Path,
    recordings: RecordingsConfig | None = None,
    context: RunContext | None = None,
) -> LabelCounts:
    """Read the labels of the opened recordings and count their texts.

    A recording whose labels cannot be read is a note; settings that fit no recording raise
    DataError.
    """
    context = context or RunContext()
    if isinstance(labels, FieldLabels):
        return _field_counts(opened, labels)
    reader = LabelReader(labels, root, recordings.key_map if recordings is not None else None)
    counts: Counter[str] = Counter()
    seconds: defaultdict[str, float] = defaultdict(float)
    notes: list[str] = []
    labelled = 0
    for number, recording in enumerate(opened.recordings):
        context.step(f"reading labels of {recording.id}", number, len(opened.recordings))
        try:
            track = reader.read(recording)
        except DataError:
            raise
        except CrosslError as error:
            notes.append(str(error))
            continue
        labelled += len(track) > 0
        notes += [finding.message for finding in track.findings]
        lasting = _lasting_s(track)
        for code, text in enumerate(track.names):
            here = track.codes == code
            counts[text] += int(here.sum())
            seconds[text] += float(lasting[here].sum())
    rows = [
        LabelCount(text, count, seconds[text], class_of(text, labels), text in labels.mapping)
        for text, count in counts.items()
    ]
    rows.sort(key=lambda row: (-row.seconds, -row.count, row.text))
    return LabelCounts(tuple(rows), len(opened.recordings), labelled, tuple(dict.fromkeys(notes)))


def _field_counts(opened: OpenedRecordings, labels: FieldLabels) -> LabelCounts:
    """Names need no opening, so they are counted in all recordings; how long those last is known
    of the opened ones alone."""
    seconds: defaultdict[str, float] = defaultdict(float)
    counts = Counter(one.fields[labels.field] for one in opened.found if labels.field in one.fields)
    if not counts:
        fields = ", ".join(offered_fields(opened.found)) or "none"
        raise DataError(
            f"The patterns have no field '{labels.field}' that could be a label; fields: {fields}."
        )
    for found, recording in opened.opened:
        seconds[found.fields.get(labels.field, "")] += recording.duration_s
    rows = [
        LabelCount(text, count, seconds[text], class_of(text, labels), text in labels.mapping)
        for text, count in sorted(counts.items())
    ]
    return LabelCounts(tuple(rows), len(opened.found), counts.total())


def _lasting_s(track: LabelTrack) -> np.ndarray:
    if track.kind == "intervals" or len(track) < 2:
        return track.durations_s
    steps = np.diff(track.onsets_s)
    steps = steps[steps > 0]
    return np.full(len(track), float(np.median(steps)) if len(steps) else 0.0)


# ---------------------------------------------------------------- guessing


def guess_labels(
    opened: OpenedRecordings,
    root: Path,
    modalities: ModalitiesChoice | None = None,
    context: RunContext | None = None,
) -> LabelsGuess:
    """Labels that are there already: in the recordings, beside them, in a table, in the names.

    `modalities`, where they are known, tell what bare numbers may mean.
    """
    context = context or RunContext()
    if not opened.opened:
        return LabelsGuess(None, "No recording could be opened, so no labels were looked for.")
    said: list[str] = []
    for guess in (_annotations, _columns, _beside, _tables, _fields):
        context.step("looking for labels")
        found = guess(opened, root, modalities, said)
        if found is not None:
            return found
    reason = "No labels were found in the recordings, beside them or in a table."
    return LabelsGuess(None, " ".join([reason, *said]))


def _mapped(
    texts: Iterable[str], modalities: ModalitiesChoice | None, hint: str = ""
) -> tuple[LabelMapping, list[str], str]:
    """Mapping, classes, and a sentence about them, empty where there is nothing to say.

    `hint`: a name that may say whose numbers they are.
    """
    texts = list(dict.fromkeys(texts))
    rk = load_mapping(RK)
    known = [text for text in texts if text in rk]
    if known and 2 * len(known) >= len(texts) and any(rk[text] for text in known):
        return rk, list(STAGES), f"The texts are sleep stages, mapped with '{RK}'."
    numbers = {int(text) for text in texts if re.fullmatch(r"-?\d{1,2}", text)}
    if len(numbers) != len(texts):
        return {}, [], ""
    if modalities == "sleep" and numbers <= set(range(-3, 10)):
        # In the DREAMS databases 5 is wake, with which a night begins.
        dreams = "dreams" in hint.casefold() or (
            9 not in numbers and (bool(numbers & {-3, -2, -1}) or texts[0] == "5")
        )
        name = "aasm_from_dreams" if dreams else "aasm_from_profusion"
        return load_mapping(name), list(STAGES), (
            f"Stages are bare numbers, whose meaning differs between sites; '{name}' was "
            "guessed: check it."
        )  # fmt: skip
    if modalities == "wearable_stress" and numbers == {0, 1}:
        return {"0": "no_stress", "1": "stress"}, ["no_stress", "stress"], (
            "0 and 1 were taken for no stress and stress: check it."
        )  # fmt: skip
    return {}, [], ""


def _annotations(
    opened: OpenedRecordings, root: Path, modalities: ModalitiesChoice | None, said: list[str]
) -> LabelsGuess | None:
    counts: Counter[str] = Counter()
    lasting = 0.0
    have = 0
    durations: list[float] = []
    rk = load_mapping(RK)
    for recording in opened.recordings:
        all_own = [a for source in recording.sources for a in source.file.annotations]
        own = [a for a in all_own if a.text.strip() in rk] or all_own
        have += bool(own)
        counts.update(a.text.strip() for a in own)
        durations += [a.duration_s for a in own if a.duration_s > 0]
        lasting += sum(a.duration_s for a in own)
    total = sum(recording.duration_s for recording in opened.recordings)
    if not counts or 2 * have < len(opened.opened):
        return None
    mapping, classes, about = _mapped([text for text, _ in counts.most_common()], modalities)
    several = len(counts) <= MOST_TEXTS and max(counts.values()) > 1 and lasting > 0.05 * total
    if not (classes or several):
        said.append(
            f"There are {sum(counts.values())} annotations, but they are notes or moments rather "
            "than stretches with a label."
        )
        return None
    labels = AnnotationLabels(kind="annotations", mapping=mapping, classes=classes)
    reason = f"The recordings hold annotations, such as '{counts.most_common(1)[0][0]}'. {about}"
    return LabelsGuess(labels, reason.strip(), _epoch_of(durations))


def _epoch_of(durations_s: Sequence[float]) -> float | None:
    """The epoch that all durations are whole multiples of; None where there is none."""
    if not durations_s:
        return None
    whole = [round(length, 3) for length in durations_s]
    for epoch in (30.0, 20.0, 10.0, 5.0, 4.0, 2.0, 1.0):
        if all(abs(length / epoch - round(length / epoch)) < 1e-6 for length in whole):
            return epoch
    return None


def _columns(
    opened: OpenedRecordings, root: Path, modalities: ModalitiesChoice | None, said: list[str]
) -> LabelsGuess | None:
    found, recording = opened.opened[0]
    named = [name for name in offered_columns(found, recording) if _LABEL_COLUMN.fullmatch(name)]
    texts = text_columns(found)
    for name in dict.fromkeys((*named, *texts)):
        labels = ColumnLabels(kind="column", column=name)
        try:
            track = LabelReader(labels, root).read(recording)
        except CrosslError:
            continue
        if not 0 < len(track.names) <= MOST_TEXTS or len(track.names) == len(track):
            continue
        whole = all(re.fullmatch(r"-?\d+", t) for t in track.names if t)
        if name not in texts and not whole:
            continue  # a signal that is called like labels
        first = [track.names[code] for code in dict.fromkeys(track.codes.tolist())]
        sleep: ModalitiesChoice | None = "sleep" if _STAGE_SIGNAL.fullmatch(name) else modalities
        mapping, classes, about = _mapped(first, sleep, found.paths[0].name)
        reason = f"The column '{name}' holds a label on every sample, such as '{first[0]}'. {about}"
        labels = labels.model_copy(update={"mapping": mapping, "classes": classes})
        return LabelsGuess(labels, reason.strip())
    return None


def text_columns(found: FoundRecording) -> tuple[str, ...]:
    """Columns of a recording's CSV files that hold texts and are no channels."""
    names: dict[str, None] = {}
    for file in found.files:
        try:
            if file.config.csv.layout == "e4" or _is_edf(file.path):
                continue
            preview = preview_csv(file.path, file.config.csv, 20, time_zone=file.config.time_zone)
        except CrosslError:
            continue  # was opened, or is told as failed
        names.update({c.name: None for c in preview.columns if c.role in ("text", "label")})
    return tuple(names)


def offered_columns(found: FoundRecording, recording: Recording) -> tuple[str, ...]:
    """Columns and signals that could hold labels: texts first, then every channel."""
    channels = [c.label.strip() for source in recording.sources for c in source.file.channels]
    names = [*text_columns(found), *sorted(channels, key=lambda n: not _STAGE_SIGNAL.fullmatch(n))]
    return tuple(dict.fromkeys(names))


def _is_edf(path: Path) -> bool:
    return path.name.lower().removesuffix(".gz").endswith((".edf", ".bdf", ".rec"))


# ---------------------------------------------------------------- files beside


@dataclass(frozen=True)
class _Candidate:
    """A file of labels for one recording: its pattern up to where names part, and the rest."""

    path: Path
    head: str
    rest: str


def _beside(
    opened: OpenedRecordings, root: Path, modalities: ModalitiesChoice | None, said: list[str]
) -> LabelsGuess | None:
    taken = {path for one in opened.found for path in one.paths}
    listings: dict[Path, list[Path]] = {}
    candidates = [
        candidate
        for found, _ in opened.opened
        if (candidate := _candidate(found, taken, listings, root, len(opened.found))) is not None
    ]
    if 2 * len(candidates) < len(opened.opened):
        return None
    pattern = _common_pattern(candidates)
    if pattern is None:
        said.append(
            f"There are files such as {candidates[0].path.name}, but no pattern leads from a "
            "recording to its own."
        )
        return None
    for found, recording in opened.opened:
        try:
            files = label_files(pattern, root, found.fields)
        except DataError:
            return None
        if files:
            guess = _from_file(files[0], pattern, recording, modalities)
            if guess is not None:
                return guess
            said.append(f"{files[0].name} lies beside, but holds no labels that can be read.")
            return None
    return None


def _candidate(
    found: FoundRecording,
    taken: set[Path],
    listings: dict[Path, list[Path]],
    root: Path,
    recordings: int,
) -> _Candidate | None:
    """The file that belongs to a recording by its name, the likeliest one."""
    path = found.paths[0]
    stem = stem_of(path)
    others = [other for other in _near(path.parent, listings) if other not in taken]
    alone = recordings == 1 and len([o for o in others if o.parent == path.parent]) == 1
    best: tuple[int, Path] | None = None
    for other in others:
        own = stem_of(other)
        word = has_label_word(other) or other.parent != path.parent
        if _is_edf(other) and not word:
            continue  # another recording, or the same one in another format
        if own == stem or (own.startswith(stem) and not own[len(stem)].isalnum()):
            score = 3
        elif word and _shared(stem, own) >= max(4, len(stem) // 2):
            score = 2
        elif word and alone and other.parent == path.parent:
            score = 1
        else:
            continue
        score = 2 * score + has_label_word(other)
        if best is None or score > best[0]:
            best = score, other
    if best is None:
        return None
    head, rest = _split_pattern(found, best[1], root)
    return _Candidate(best[1], head, rest)


def _near(folder: Path, listings: dict[Path, list[Path]]) -> list[Path]:
    """Files that may hold labels, in a folder and in folders for labels beside it."""
    if folder not in listings:
        folders = [
            folder,
            *(up / name for up in (folder, folder.parent) for name in _LABEL_FOLDERS),
        ]
        listings[folder] = [
            path
            for place in dict.fromkeys(folders)
            if place.is_dir()
            for path in sorted(place.iterdir())
            if path.name.lower().removesuffix(".gz").endswith(_LABEL_ENDINGS) and path.is_file()
        ]
    return listings[folder]


def _shared(a: str, b: str) -> int:
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count


def pattern_beside(found: FoundRecording, other: Path, root: Path) -> str:
    """A pattern that leads from a recording to a file of its labels, by what their names share."""
    return "".join(_split_pattern(found, other, root))


def _split_pattern(found: FoundRecording, other: Path, root: Path) -> tuple[str, str]:
    """Path of the other file: with the recording's fields as far as the names agree, and the rest.

    The recording's own pattern tells which letters are a field, so that nothing has to be guessed.
    """
    pattern = found.files[0].config.pattern or "{recording}"
    own_folder, _, own_name = pattern.rpartition("/")
    try:
        folder = other.parent.relative_to(root).as_posix()
    except ValueError:
        folder = other.parent.as_posix()
    values = _with_values(own_folder, found)
    if values is not None and folder == values:
        folder = own_folder
    elif values is not None and values and folder.startswith(values + "/"):
        folder = own_folder + folder[len(values) :]
    head, name = "", other.name
    for literal, spec in re.findall(r"([^{]+)|(\{[^{}]*\})", own_name):
        if spec:
            field_name = spec[1:-1].split(":")[0]
            text = found.fields.get(field_name, "")
            if not text or not name.startswith(text):
                break
            head, name = head + f"{{{field_name}}}", name[len(text) :]
            continue
        plain = re.split(r"[*?]", literal)[0]
        same = _shared(plain, name)
        head, name = head + name[:same], name[same:]
        if same < len(literal):
            break
    return ("" if folder in (".", "") else f"{folder}/") + head, name


def _with_values(text: str, found: FoundRecording) -> str | None:
    """A part of a pattern with a recording's fields put in; None where one is not known."""
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        name = match.group(1).split(":")[0]
        missing |= name not in found.fields
        return found.fields.get(name, "")

    filled = re.sub(r"\{([^{}]*)\}", value, text)
    return None if missing else filled


def _common_pattern(candidates: Sequence[_Candidate]) -> str | None:
    heads = Counter(candidate.head for candidate in candidates)
    head, count = heads.most_common(1)[0]
    if 2 * count < len(candidates):
        return None
    rests = list(dict.fromkeys(c.rest for c in candidates if c.head == head))
    if len(rests) == 1:
        return head + rests[0]
    if "{" not in head:
        return None
    before = min(_shared(rests[0], rest) for rest in rests)
    after = min(_shared(rests[0][::-1], rest[::-1]) for rest in rests)
    after = min(after, *(len(rest) - before for rest in rests))
    return f"{head}{rests[0][:before]}*{rests[0][len(rests[0]) - after :]}"


def _from_file(
    path: Path, pattern: str, recording: Recording, modalities: ModalitiesChoice | None
) -> LabelsGuess | None:
    """Settings for a file of labels that was found beside; None where it holds none."""
    epoch_s = None
    try:
        try:
            found = read_labels(path, end_s=recording.duration_s)
        except CrosslError:
            # One value per epoch, which does not say how long an epoch is.
            found = read_labels(path, "epochs", epoch_s=1.0)
            epoch_s = _likely_epoch_s(path, found, recording.duration_s)
    except CrosslError:
        return None
    texts = [label.text for label in found.labels]
    if not texts or len(set(texts)) > MOST_TEXTS or (len(set(texts)) == len(texts) > 8):
        return None
    mapping, classes, about = _mapped(texts, modalities, path.name)
    reason = f"{path.name} lies beside and holds labels, such as '{texts[0]}'. {about}"
    if found.format == "edf":
        labels: LabelsConfig = AnnotationLabels(
            kind="annotations", pattern=pattern, mapping=mapping, classes=classes
        )
    else:
        # A name that two formats share, such as .txt, is better said than guessed again.
        told = found.format if format_of_name(path) != found.format else None
        values: dict[str, Any] = {"format": told} if told not in (None, "") else {}
        labels = FileLabels(
            kind="file", pattern=pattern, mapping=mapping, classes=classes, epoch_s=epoch_s,
            **values,
        )  # fmt: skip
    if epoch_s is not None:
        reason += f" One value per epoch of {epoch_s:g} s: check it."
        return LabelsGuess(labels, reason, epoch_s)
    durations = [label.duration_s for label in found.labels if label.duration_s > 0]
    epoch = _epoch_of(durations) or (guess_epoch_s(found.labels) if durations else None)
    return LabelsGuess(labels, reason.strip(), epoch)


def _likely_epoch_s(path: Path, labels: LabelSet, duration_s: float) -> float:
    named = re.search(r"(?<![\d.])(\d{1,3})[ _]?s(?:ec(?:onds?)?)?(?![a-z\d])", path.name, re.I)
    if named and int(named.group(1)) > 0:
        return float(named.group(1))
    count = max((round(label.onset_s) + 1 for label in labels.labels), default=1)
    usual = (30.0, 20.0, 10.0, 5.0, 4.0, 1.0, 2.0, 60.0)
    return min(usual, key=lambda epoch: abs(count * epoch - duration_s) / epoch)


# ---------------------------------------------------------------- tables


def _tables(
    opened: OpenedRecordings, root: Path, modalities: ModalitiesChoice | None, said: list[str]
) -> LabelsGuess | None:
    taken = {path for one in opened.found for path in one.paths}
    folders = [root, *(root / name for name in _LABEL_FOLDERS), root.parent]
    paths = [
        path
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv"))
        and path not in taken
        and path.is_file()
        and path.stat().st_size < _LARGEST_TABLE
    ]
    for path in paths[:_MOST_TABLES]:
        guess = _table(path, opened, root, modalities)
        if guess is not None:
            return guess
    return None


def _table(
    path: Path, opened: OpenedRecordings, root: Path, modalities: ModalitiesChoice | None
) -> LabelsGuess | None:
    from core.config import CsvConfig

    try:
        table = read_table(path, CsvConfig())
    except CrosslError:
        return None
    keys = _key_column(table, opened.found)
    times = next((n for n in table if _TIME_COLUMN.fullmatch(n)
                  and not _DURATION_COLUMN.fullmatch(n)), None)  # fmt: skip
    if keys is None or times is None:
        return None
    key_column, key, key_map = keys
    duration = next((n for n in table if _DURATION_COLUMN.fullmatch(n) and n != times), None)
    rest = [n for n in table if n not in (key_column, times, duration)]
    likely = [n for n in rest if _LABEL_COLUMN.fullmatch(n)] or rest
    label = next((n for n in likely if 1 < len(set(table[n]) - {""}) <= MOST_TEXTS), None)
    written = _time_unit([cell for cell in table[times] if cell][:1000])
    if label is None or written is None:
        return None
    unit, absolute = written
    period = None
    if duration is None and unit != "iso":
        period = _period(table[key_column], table[times], {"s": 1.0, "ms": 1e3}.get(unit, 1e6))
    mapping, classes, about = _mapped(sorted(set(table[label]) - {""}), modalities)
    try:
        pattern = path.relative_to(root).as_posix()
    except ValueError:
        pattern = f"../{path.name}"
    labels = TableLabels(
        kind="table", pattern=pattern, key_column=key_column, key=key,
        time_column=times, time_unit=unit, clock="absolute" if absolute else "elapsed",
        duration_column=duration, period_s=period, label_column=label,
        mapping=mapping, classes=classes,
    )  # fmt: skip
    where = f"in '{label}' by '{times}' for each '{key_column}'"
    reason = f"The table {path.name} has labels {where}. {about}"
    if key_map:
        first = next(iter(key_map.items()))
        reason += f" Its '{first[0]}' was taken for {first[1]}, and so on by number."
    return LabelsGuess(labels, reason.strip(), None, key_map)


def table_columns(labels: TableLabels, root: Path, fields: Mapping[str, str]) -> tuple[str, ...]:
    """Columns of the table that the labels name, for a recording with these fields.

    Only its head is looked at. None where it cannot be read, which reading the labels says.
    """
    try:
        files = label_files(labels.pattern, root, fields)
        if not files:
            return ()
        with tempfile.TemporaryDirectory() as folder:
            head = Path(folder) / "head.csv"
            with gzip.open(files[0]) if files[0].suffix == ".gz" else files[0].open("rb") as file:
                start = file.read(_TABLE_HEAD)
            if len(start) == _TABLE_HEAD:
                start = start.rpartition(b"\n")[0]  # the last line is cut
            head.write_bytes(start)
            return tuple(read_table(head, labels.csv))
    except (CrosslError, OSError, EOFError, zlib.error):
        return ()


def _key_column(
    table: Mapping[str, list[str]], found: Sequence[FoundRecording]
) -> tuple[str, Any, dict[str, str]] | None:
    """Column that names subjects or recordings, which of them, and names that differ."""
    best: tuple[int, str, str, dict[str, str]] | None = None
    for what in ("subject", "recording"):
        names = list(dict.fromkeys(one.subject if what == "subject" else one.id for one in found))
        for column, cells in table.items():
            keys = list(dict.fromkeys(cell for cell in cells if cell))
            if len(keys) > 10 * len(names) + 20:
                continue
            own, mapped = _same_keys(keys, names)
            matched = own + len(mapped)
            if 2 * matched >= len(names) and (best is None or matched > best[0]):
                best = matched, column, what, mapped
    return None if best is None else (best[1], best[2], best[3])


def _same_keys(keys: Sequence[str], names: Sequence[str]) -> tuple[int, dict[str, str]]:
    """How many names a key means as it stands, and keys that mean one by their number: 2 is S02."""
    own = [name for name in names if any(same_name(key, name) for key in keys)]
    by_number: dict[int, list[str]] = {}
    for name in names:
        digits = re.findall(r"\d+", name)
        if name not in own and len(digits) == 1:
            by_number.setdefault(int(digits[0]), []).append(name)
    mapped = {
        key: by_number[int(key)][0]
        for key in keys
        if re.fullmatch(r"\d{1,9}", key) and len(by_number.get(int(key), ())) == 1
    }
    return len(own), mapped


def _time_unit(cells: Sequence[str]) -> tuple[Any, bool] | None:
    """Unit of times, and whether they are clock times; None where they are no times."""
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        iso = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*"
        return ("iso", True) if cells and all(re.fullmatch(iso, c) for c in cells) else None
    if not values:
        return None
    for unit, size in (("us", 1e15), ("ms", 1e12), ("s", 1e9)):
        if min(values) > 0.5 * size:
            return unit, True
    return "s", False


def _period(keys: Sequence[str], times: Sequence[str], per_second: float) -> float | None:
    """Seconds from row to row where most rows are evenly spaced; None otherwise."""
    stamps = np.array([float(cell) if cell else np.nan for cell in times]) / per_second
    same = np.array([a == b for a, b in pairwise(keys)], bool)
    steps = np.diff(stamps)[same]
    steps = steps[np.isfinite(steps) & (steps > 0)]
    if not len(steps):
        return None
    middle = float(np.median(steps))
    return round(middle, 6) if (np.abs(steps - middle) < 0.01 * middle).mean() > 0.9 else None


# ---------------------------------------------------------------- names


def _fields(
    opened: OpenedRecordings, root: Path, modalities: ModalitiesChoice | None, said: list[str]
) -> LabelsGuess | None:
    if modalities == "sleep":
        return None  # nights of one person, rather than classes
    for name in _FIELDS:
        values = Counter(one.fields[name] for one in opened.found if name in one.fields)
        if 2 <= len(values) <= 8 and min(values.values()) >= 2:
            reason = (
                f"The field {{{name}}} of the file names has {len(values)} values, "
                f"{', '.join(sorted(values))}, which were taken for labels of whole recordings."
            )
            return LabelsGuess(FieldLabels(kind="field", field=name), reason)
    return None


def offered_fields(found: Iterable[FoundRecording]) -> tuple[str, ...]:
    """Fields of the file names that may say a label, in order."""
    names = (name for one in found for name in one.fields if name not in SOURCE_FIELDS)
    return tuple(dict.fromkeys(names))


# ---------------------------------------------------------------- schemes


def guess_scheme(
    classes: Sequence[str],
    labels: LabelsConfig | None,
    modalities: ModalitiesChoice | None = None,
    epoch_s: float | None = None,
) -> SchemeGuess:
    """Classes for a study: those of its labels, or those that suit its modalities.

    `classes`: what the texts of the labels become; `epoch_s`: where labels come in epochs.
    """
    named = labels.classes if labels is not None else ()
    wanted = list(dict.fromkeys([*named, *sorted(classes)]))
    if wanted:
        for name in scheme_names():
            scheme = load_scheme(name)
            if set(wanted) <= {entry.name for entry in scheme.classes} and (
                set(wanted) & {entry.name for entry in scheme.states}
            ):
                scheme = replace(scheme, epoch_s=epoch_s or scheme.epoch_s)
                reason = f"The labels' classes are those of the scheme '{name}'."
                return SchemeGuess(scheme, reason, name)
        epoch = epoch_s or _epoch_without_labels(modalities)
        return SchemeGuess(scheme_for(wanted, epoch), "The classes are those of the labels.")
    for preset, scheme_name in (("sleep", "sleep_aasm"), ("wearable_stress", "stress")):
        if modalities == preset:
            scheme = load_scheme(scheme_name)
            reason = f"Usual for modalities of the preset '{preset}'."
            return SchemeGuess(replace(scheme, epoch_s=epoch_s or scheme.epoch_s), reason,
                               scheme_name)  # fmt: skip
    reason = "Nothing tells the classes; A and B stand for them until you name them."
    return SchemeGuess(scheme_for(["A", "B"], epoch_s or _epoch_without_labels(modalities)), reason)


def _epoch_without_labels(modalities: ModalitiesChoice | None) -> float:
    return {"sleep": 30.0, "wearable_stress": 60.0, "body_motion": 1.0}.get(
        modalities if isinstance(modalities, str) else "", 10.0
    )
