"""Further recordings for a study: compared with those it has, opened, and taken in with their
labels.

Comparing and opening touch no study file and may run in any thread; keeping is done where the study
is open. A recording that cannot be taken in is named, and the others are.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from core.atomic_file import replacing
from core.config import LabelsConfig, ModalityConfig, RecordingsConfig, SourceConfig, dump_config
from core.errors import CrosslError, DataError, OutputError, RecordingError
from core.file_system import file_fingerprint
from core.find_recordings import FoundRecording, open_recording
from core.labels import LabelReader, LabelTrack
from core.progress import RunContext
from core.recording import Recording
from core.study import Rater, Study, StudyRecording, found_recording
from core.study_import import ImportPlan, keep_import, label_change, modalities_of
from core.study_labels import RecordingLabels
from core.study_plan import IMPORTED_RATER

RECORDINGS_FOLDER = "recordings"
"""Folder inside a study's folder that copies of recordings go to."""
State = Literal["new", "there", "refused"]
"""Whether a recording can be added, is in the study already, or cannot be added."""
_CHUNK = 1 << 22
_TEXTS = 10  # named in one sentence


# ---------------------------------------------------------------- comparing


@dataclass(frozen=True)
class Candidate:
    """A recording that was found, beside those of a study. `problem`: why it is not added."""

    found: FoundRecording
    state: State = "new"
    problem: str = ""


def compare_with(
    study_folder: Path,
    known: Sequence[StudyRecording],
    found: Iterable[FoundRecording],
    context: RunContext | None = None,
) -> tuple[Candidate, ...]:
    """Which of the recordings that were found can be added to those of a study, in their order.

    Names are compared without regard to case, files by their place, else by size and content.
    """
    context = context or RunContext()
    found = tuple(found)
    there = _Known(study_folder, known)
    candidates = []
    for number, one in enumerate(found):
        context.step("comparing with the study", number, len(found))
        candidates.append(there.compare(one))
    return tuple(candidates)


class _Known:
    """The recordings of a study, and those that were compared, by name, place and content."""

    def __init__(self, study_folder: Path, known: Sequence[StudyRecording]) -> None:
        self._names: dict[str, str] = {}
        self._places: dict[str, str] = {}  # normalised path to the recording's name
        self._prints: dict[str, str] = {}
        self._sizes: set[int] = set()
        for recording in known:
            self._names[recording.name.casefold()] = recording.name
            for entry in recording.files:
                self._prints[entry.fingerprint] = recording.name
                self._sizes.add(entry.size_bytes)
                self._places[_place(Path(entry.absolute_path))] = recording.name
            for path in found_recording(study_folder, recording).paths:
                self._places[_place(path)] = recording.name

    def compare(self, found: FoundRecording) -> Candidate:
        name = self._names.get(found.id.casefold())
        owners: list[str | None] = []
        try:
            owners = [self._owner(path) for path in found.paths]
        except OSError as error:
            if found.error is None:
                problem = f"{found.id}: its files cannot be read ({error.strerror})."
                return Candidate(found, "refused", problem)
        if name is not None and owners and all(owner == name for owner in owners):
            return Candidate(found, "there", "It is in the study already.")
        if found.error is not None:
            return Candidate(found, "refused", found.error)
        for path, owner in zip(found.paths, owners, strict=True):
            if owner is not None:
                return Candidate(found, "refused", _same_file(path, owner))
        if name is not None:
            return Candidate(
                found,
                "refused",
                f"The study has a recording '{name}' already, with other files; add a field to "
                "the pattern that tells them apart.",
            )
        self._names[found.id.casefold()] = found.id
        for path in found.paths:
            self._places[_place(path)] = found.id
        return Candidate(found)

    def _owner(self, path: Path) -> str | None:
        """The recording that has the file. Its content is looked at only where the size fits."""
        owner = self._places.get(_place(path))
        if owner is not None:
            return owner
        about = path.stat()
        if about.st_size not in self._sizes:
            return None
        return self._prints.get(_fingerprint(path, about.st_size, about.st_mtime_ns))


def _same_file(path: Path, owner: str) -> str:
    return f"{path.name} is in the study already, as the recording '{owner}'."


def _place(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))


@lru_cache(maxsize=10_000)
def _fingerprint(path: Path, size: int, changed_ns: int) -> str:
    """Kept between previews, for as long as the file has not been touched."""
    del size, changed_ns
    return file_fingerprint(path)


def reading_settings(known: Iterable[StudyRecording]) -> dict[str, SourceConfig]:
    """How most of the study's files of each source are read, by the source's name."""
    counts: dict[str, Counter[str]] = {}
    settings: dict[str, SourceConfig] = {}
    for recording in known:
        for entry in recording.files:
            key = entry.settings.model_dump_json()
            settings[key] = entry.settings
            counts.setdefault(entry.source, Counter())[key] += 1
    return {name: settings[count.most_common(1)[0][0]] for name, count in counts.items()}


def with_reading_settings(
    config: RecordingsConfig, settings: Mapping[str, SourceConfig]
) -> RecordingsConfig:
    """The config with its sources read as the study reads those of the same name, or its only one.

    What a source says by itself stays.
    """
    sources = []
    for source in config.sources:
        like = settings.get(source.name)
        if like is None and len(settings) == len(config.sources) == 1:
            (like,) = settings.values()
        if like is not None:
            keys = ("format", "csv", "clock_offset_s", "time_zone")
            said = {key for key in keys if getattr(source, key) != getattr(SourceConfig(), key)}
            update = {key: getattr(like, key) for key in keys if key not in said}
            source = source.model_copy(update=update)
        sources.append(source)
    return config.model_copy(update={"sources": sources})


def root_of_patterns(
    study_folder: Path, sources: Sequence[SourceConfig], known: Iterable[StudyRecording]
) -> Path | None:
    """The folder that the study's patterns are relative to, by where the files that they found lie
    now; None where that is no longer to be told."""
    depths = {s.pattern: _depth(s.pattern) for s in sources if s.pattern}
    roots: Counter[Path] = Counter()
    for recording in known:
        found = found_recording(study_folder, recording)
        for file in found.files:
            depth = depths.get(file.config.pattern)
            if depth is not None and depth <= len(file.path.parents):
                roots[file.path.parents[depth - 1]] += 1
    return next((root for root, _ in roots.most_common() if root.is_dir()), None)


def _depth(pattern: str) -> int | None:
    """How many folders and names a relative pattern has; None where it leads elsewhere."""
    plain = pattern.replace("\\", "/")
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    return None if Path(plain).anchor or ".." in parts else len(parts)


# ---------------------------------------------------------------- planning and opening


@dataclass(frozen=True)
class AdditionPlan:
    """Recordings that are to be added to a study, before they are opened.

    Attributes
    ----------
    recordings: how they are found and opened; `join` must be the study's.
    root: folder that patterns, also those of labels, are relative to.
    labels: labels that are there already, to be brought in; None for none.
    rater: whose labels those are.
    copy_recordings: whether files are copied into the study's folder.
    """

    study_folder: Path
    recordings: RecordingsConfig
    root: Path
    candidates: tuple[Candidate, ...]
    labels: LabelsConfig | None = None
    rater: str = IMPORTED_RATER
    copy_recordings: bool = False

    @property
    def found(self) -> tuple[FoundRecording, ...]:
        """The recordings to add."""
        return tuple(one.found for one in self.candidates if one.state == "new")

    @property
    def there(self) -> int:
        """How many are in the study already."""
        return sum(one.state == "there" for one in self.candidates)

    @property
    def problems(self) -> tuple[str, ...]:
        """Sentences about recordings that cannot be added."""
        return tuple(_named(x.found.id, x.problem) for x in self.candidates if x.state == "refused")


@dataclass(frozen=True)
class AddedRecording:
    """A recording that was opened, with its labels as written.

    `track`: None where no labels are brought in, or `label_problem` says why they cannot be read.
    `copies`: files that were copied into the study's folder for it.
    """

    found: FoundRecording
    recording: Recording
    track: LabelTrack | None = None
    label_problem: str = ""
    copies: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Addition:
    """Recordings that were opened, ready to be kept. `problems`: of those that were not."""

    plan: AdditionPlan
    recordings: tuple[AddedRecording, ...]
    problems: tuple[str, ...] = ()

    @property
    def opened(self) -> tuple[tuple[FoundRecording, Recording], ...]:
        """As `Study.add_recordings` takes them."""
        return tuple((one.found, one.recording) for one in self.recordings)


@dataclass(frozen=True)
class AdditionOutcome:
    """What became of an addition.

    Attributes
    ----------
    recordings, labels: how many were taken in.
    problems: sentences about what was not.
    left_out: texts of labels that became nothing, with their numbers.
    """

    recordings: int = 0
    labels: int = 0
    problems: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)


def plan_addition(
    study_folder: Path,
    known: Sequence[StudyRecording],
    config: RecordingsConfig,
    root: Path,
    found: Sequence[FoundRecording],
    *,
    labels: LabelsConfig | None = None,
    rater: str = IMPORTED_RATER,
    copy_recordings: bool = False,
    context: RunContext | None = None,
) -> AdditionPlan:
    """Settle what of the recordings that were found is added to the study. From any thread."""
    candidates = compare_with(study_folder, known, found, context)
    return AdditionPlan(study_folder, config, root, candidates, labels, rater, copy_recordings)


def open_addition(plan: AdditionPlan, context: RunContext | None = None) -> Addition:
    """Open the recordings of a plan, copy them where asked, and read their labels. From any thread.

    Raises DataError where none can be opened, OutputError where a copy cannot be written; then, and
    when cancelled, the copies are gone again.
    """
    context = context or RunContext()
    found = plan.found
    reader = None
    if plan.labels is not None:
        reader = LabelReader(plan.labels, plan.root, plan.recordings.key_map)
    copies = Copies(plan.study_folder, plan.root)
    problems = list(plan.problems)
    prints: dict[str, str] = {}
    added: list[AddedRecording] = []
    try:
        for number, one in enumerate(found):
            context.step("opening recordings", number, len(found))
            before = len(copies.paths)
            try:
                own = _refuse_twins(one, prints)
                if plan.copy_recordings:
                    one = copies.copy(one, context)
                recording = open_recording(one, plan.recordings)
            except OutputError:
                raise
            except CrosslError as error:
                problems.append(_named(one.id, str(error)))
                copies.take_back(before)
                continue
            prints.update(own)
            track, problem = _read_labels(reader, recording)
            made = tuple(copies.paths[before:])
            added.append(AddedRecording(one, recording, track, problem, made))
        context.step("opening recordings", len(found), len(found))
        if not added:
            raise DataError(_none_opened(len(plan.candidates), plan.there, problems))
    except BaseException:
        copies.take_back()
        raise
    return Addition(plan, tuple(added), tuple(problems))


def _refuse_twins(found: FoundRecording, prints: Mapping[str, str]) -> dict[str, str]:
    """The fingerprints of a recording's files, each with its name. RecordingError where one of
    them is among `prints`, those of the recordings before."""
    own = {}
    for path in found.paths:
        try:
            about = path.stat()
            print_ = _fingerprint(path, about.st_size, about.st_mtime_ns)
        except OSError as error:
            raise RecordingError(f"{path}: cannot be read ({error.strerror}).") from error
        if print_ in prints:
            raise RecordingError(
                f"{path.name} holds the same as a file of '{prints[print_]}', which is added."
            )
        own[print_] = found.id
    return own


def _read_labels(reader: LabelReader | None, recording: Recording) -> tuple[LabelTrack | None, str]:
    if reader is None:
        return None, ""
    try:
        return reader.read(recording), ""
    except CrosslError as error:
        return None, _named(recording.id, str(error))


def _none_opened(candidates: int, there: int, problems: Sequence[str]) -> str:
    if there == candidates:
        return "There is nothing to add: the study has all of these recordings already."
    first = f" The first: {problems[0]}" if problems else ""
    return f"None of the {candidates - there} recordings can be added.{first}"


def _named(name: str, problem: str) -> str:
    """A problem with the recording's name before it, unless it says it by itself."""
    return problem if name in problem else f"{name}: {problem}"


# ---------------------------------------------------------------- copies


@dataclass
class Copies:
    """Copies of recordings' files below a study's folder, which can be taken back.

    `paths`: what was copied, in order. Nothing that lies there already is replaced.
    """

    study_folder: Path
    root: Path
    paths: list[Path] = field(default_factory=list)

    def copy(self, found: FoundRecording, context: RunContext) -> FoundRecording:
        """The recording with its files copied; those in the study's folder stay where they are.

        Raises RecordingError where a file cannot be read, OutputError where the copy cannot be
        written, Cancelled in the midst of a file.
        """
        files = []
        for file in found.files:
            path = file.path.resolve()
            if not path.is_relative_to(self.study_folder.resolve()):
                path = self._copy(file.path, found.id, context)
            files.append(replace(file, path=path))
        return replace(found, files=tuple(files))

    def take_back(self, first: int = 0) -> None:
        """Remove the copies from the first on, and folders that are empty then."""
        gone, self.paths = self.paths[first:], self.paths[:first]
        remove_copies(gone, self.study_folder)

    def _copy(self, path: Path, id: str, context: RunContext) -> Path:
        try:
            relative = path.resolve().relative_to(self.root.resolve())
        except ValueError:
            relative = Path(id) / path.name
        place = _free_place(self.study_folder / RECORDINGS_FOLDER / relative)
        try:
            _copy_file(path, place, context)
        except BaseException:
            remove_copies([place], self.study_folder)  # and the folders that were made for it
            raise
        self.paths.append(place)
        return place


def remove_copies(paths: Iterable[Path], study_folder: Path) -> None:
    """Remove copies of files from a study's folder, and folders that are empty then.

    What cannot be removed stays: nothing refers to it, and a copy that comes later goes beside it.
    """
    for path in paths:
        with suppress(OSError):
            path.unlink()
        for folder in path.parents:
            if folder == study_folder or not folder.is_relative_to(study_folder):
                break
            try:
                folder.rmdir()
            except OSError:  # something else is in it
                break


def _copy_file(path: Path, place: Path, context: RunContext) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{place}: cannot be written ({error.strerror}).") from error
    with replacing(place) as stream:
        for part in _parts_of(path, context):
            stream.write(part)


def _parts_of(path: Path, context: RunContext) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            total = os.fstat(file.fileno()).st_size
            done = 0
            while part := file.read(_CHUNK):
                context.step(f"copying {path.name}", done, total)
                yield part
                done += len(part)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror}).") from error


def _free_place(wanted: Path) -> Path:
    """The path, with a number before its endings where something lies there."""
    stem, dot, endings = wanted.name.partition(".")
    place, number = wanted, 1
    while os.path.lexists(place):
        number += 1
        place = wanted.with_name(f"{stem}_{number}{dot}{endings}")
    return place


# ---------------------------------------------------------------- keeping


def keep_addition(study: Study, addition: Addition, who: str = "") -> AdditionOutcome:
    """Take opened recordings, and their labels, into the study that is open in this thread.

    Each recording is a transaction of its own, and its labels one step to undo; what cannot be kept
    is named. A window with many of them calls `keep_recording` for one after the other, so that it
    stays alive in between, and `keep_patterns` at the end.
    """
    outcomes = [keep_recording(study, addition, one, who) for one in addition.recordings]
    outcomes.append(keep_patterns(study, addition, who))
    return joined(addition, outcomes)


def joined(addition: Addition, outcomes: Sequence[AdditionOutcome]) -> AdditionOutcome:
    """What became of the recordings of an addition together, those not opened included."""
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    left_out: Counter[str] = Counter()
    for outcome in outcomes:
        left_out.update(outcome.left_out)
    problems += left_out_texts(left_out)
    return AdditionOutcome(
        sum(outcome.recordings for outcome in outcomes),
        sum(outcome.labels for outcome in outcomes),
        tuple(dict.fromkeys((*addition.problems, *problems))),
        dict(left_out),
    )


def keep_recording(
    study: Study, addition: Addition, one: AddedRecording, who: str = ""
) -> AdditionOutcome:
    """Take one of the recordings in. What a user can act on is a problem, not an error."""
    try:
        (number,) = study.add_recordings([(one.found, one.recording)], who)
    except CrosslError as error:
        remove_copies(one.copies, addition.plan.study_folder)
        return AdditionOutcome(problems=(_named(one.found.id, str(error)),))
    labels = addition.plan.labels
    if labels is None or one.track is None:
        return AdditionOutcome(1, 0, (one.label_problem,) if one.label_problem else ())
    entry = StudyRecording(
        number,
        one.found.id,
        one.found.subject,
        dict(one.found.fields),
        (),
        one.recording.start_s,
        one.recording.has_clock,
        one.recording.duration_s,
    )
    try:
        add_mapped_classes(study, one.track, labels, who)
        rater = study.rater(addition.plan.rater, "file")
        modalities = modalities_of(study.settings.engine)
        planned = keep_labels(study, entry, rater, one.track, labels, modalities)
    except CrosslError as error:
        return AdditionOutcome(1, 0, (_named(entry.name, str(error)),))
    left_out = {row.text: row.count for row in planned.left_out}
    return AdditionOutcome(1, len(planned.change.added), left_out=left_out)


def keep_labels(
    study: Study,
    entry: StudyRecording,
    rater: Rater,
    track: LabelTrack,
    labels: LabelsConfig,
    modalities: Sequence[ModalityConfig],
) -> ImportPlan:
    """Give a recording that has none yet its labels, as one edit; returns what was made of them.

    Raises StudyError and NotSavedError as `study_import.keep_import` does.
    """
    planned = label_change(
        track,
        labels.mapping,
        study.scheme,
        RecordingLabels(),
        duration_s=entry.duration_s,
        modalities=modalities,
    )
    keep_import(study, entry, rater, planned, f"labels of {rater.name}", take_grid_offset=True)
    return planned


def add_mapped_classes(study: Study, track: LabelTrack, labels: LabelsConfig, who: str) -> None:
    """Give the study's scheme the classes that the mapping of a recording's texts leads to."""
    wanted = [" ".join((labels.mapping.get(text) or "").split()) for text in track.names]
    missing = [name for name in dict.fromkeys(wanted) if name and study.scheme.find(name) is None]
    if missing:
        study.change_scheme(study.scheme.with_classes(missing), who=who)


def left_out_texts(counts: Counter[str]) -> tuple[str, ...]:
    """A sentence that names texts of labels which became nothing; none where there are none."""
    if not counts:
        return ()
    texts = ", ".join(f"'{text}' ({n} times)" for text, n in counts.most_common(_TEXTS))
    more = f" and {len(counts) - _TEXTS} more" if len(counts) > _TEXTS else ""
    return (f"These labels are no class of the study and were left out: {texts}{more}.",)


def keep_patterns(study: Study, addition: Addition, who: str = "") -> AdditionOutcome:
    """Remember the patterns of the addition in the study's settings, for adding more later."""
    settings = study.settings
    before = study.recordings_config()
    config = addition.plan.recordings
    kept: dict[str, Any] = {}
    if not before.key_map.items() >= config.key_map.items():
        kept["key_map"] = {**before.key_map, **config.key_map}
    sources = [source for source in config.sources if source.pattern]
    if sources and (sources != before.sources or config.subject != before.subject):
        kept["sources"] = [dump_config(source) for source in sources]
        kept["subject"] = config.subject
    if not kept:
        return AdditionOutcome()
    try:
        study.change_settings(replace(settings, recordings={**settings.recordings, **kept}), who)
    except CrosslError as error:
        return AdditionOutcome(problems=(f"The patterns are not remembered: {error}",))
    return AdditionOutcome()


def add_to_study(
    study: Study, plan: AdditionPlan, context: RunContext | None = None, who: str = ""
) -> AdditionOutcome:
    """Open the recordings of a plan and take them in, in one go. Raises as `open_addition` does."""
    return keep_addition(study, open_addition(plan, context), who)
