"""Labels of a study as files that other programs read.

Unlabelled time is left out, never written as a class, unless a format has a value for every epoch.
What a format cannot hold is said with each file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Literal

from core.config import safe_file_name
from core.errors import ConfigError, CrosslError, OutputError
from core.label_clock import RecordingClock
from core.label_files import FORMAT_NAMES, LabelFormat, write_labels, written_format, written_paths
from core.label_mapping import LabelMapping, apply_mapping
from core.label_scheme import ClassKind
from core.label_set import LabelSet, changed, counted, make_label_set, note
from core.progress import RunContext
from core.recording import Finding
from core.study import Rater, Study, StudyRecording
from core.study_labels import (
    RecordingLabels,
    StudyLabel,
    new_id,
    to_ns,
    to_s,
)

StateForm = Literal["as_labelled", "epochs", "intervals"]
"""States as they were labelled, one for each epoch of the grid, or neighbours of a class joined."""
NAMING = "{recording}_{rater}"
NAMING_FIELDS = ("recording", "rater", "subject")

ENDINGS: dict[LabelFormat, str] = {
    "edf": ".edf",
    "csv": ".csv",
    "tsv": ".tsv",
    "bids": "_events.tsv",
    "nsrr": ".xml",
    "profusion": "_profusion.xml",
    "luna": ".annot",
    "epochs": ".txt",
}
"""What a file's name ends in, by format."""


@dataclass(frozen=True)
class Holds:
    """What a format has a place for."""

    overlap: bool = True
    moments: bool = True
    channel: bool = True
    rater: bool = True
    confidence: bool = True
    start: bool = False
    only_epochs: bool = False


HOLDS: dict[LabelFormat, Holds] = {
    "edf": Holds(rater=False, confidence=False, start=True),
    "csv": Holds(),
    "tsv": Holds(),
    "bids": Holds(),
    "nsrr": Holds(rater=False, confidence=False),
    "profusion": Holds(rater=False, confidence=False),
    "luna": Holds(),
    "epochs": Holds(False, False, False, False, False, only_epochs=True),
}


@dataclass(frozen=True)
class ExportOptions:
    """How labels are written.

    Attributes
    ----------
    mappings: tables that names go through, one after the other.
    kinds: which labels are written.
    naming: pattern of the files' names without their ending, of `NAMING_FIELDS`.
    """

    format: LabelFormat = "csv"
    mappings: tuple[LabelMapping, ...] = ()
    states: StateForm = "as_labelled"
    kinds: tuple[ClassKind, ...] = ("state", "event", "mark")
    naming: str = NAMING


@dataclass(frozen=True)
class ExportItem:
    """The labels of one rater in one recording. `epoch_s`: of the study's grid."""

    recording: StudyRecording
    rater: Rater
    labels: RecordingLabels
    epoch_s: float


@dataclass(frozen=True)
class ExportedFile:
    """What became of one file.

    Attributes
    ----------
    labels: how many were given to the format.
    written: false where `error` says why not, or where there was nothing to write.
    """

    path: Path
    recording: str
    raters: tuple[str, ...]
    labels: int = 0
    findings: tuple[Finding, ...] = ()
    written: bool = False
    error: str = ""


def items_of(
    study: Study, recordings: Iterable[StudyRecording], raters: Iterable[Rater]
) -> tuple[ExportItem, ...]:
    """The labels of some raters in some recordings, without those who gave none."""
    everybody = list(raters)
    items = []
    for recording in recordings:
        for rater in everybody:
            labels = study.labels(recording.id, rater.id)
            if len(labels):
                items.append(ExportItem(recording, rater, labels, study.scheme.epoch_s))
    return tuple(items)


def planned_paths(
    items: Sequence[ExportItem], folder: Path, options: ExportOptions
) -> tuple[Path, ...]:
    """The files that an export would write. Raises ConfigError for a naming that cannot be."""
    return tuple(
        path
        for target in _by_path(items, folder, options)
        for path in written_paths(target, options.format)
    )


def existing_paths(
    items: Sequence[ExportItem], folder: Path, options: ExportOptions
) -> tuple[Path, ...]:
    """Files that an export would replace."""
    return tuple(path for path in planned_paths(items, folder, options) if path.exists())


def export_labels(
    items: Sequence[ExportItem],
    folder: Path,
    options: ExportOptions,
    *,
    force: bool = False,
    context: RunContext | None = None,
) -> tuple[ExportedFile, ...]:
    """Write labels, one file for each recording and rater, or as the naming says.

    A file that cannot be written is noted and does not stop the others. Raises ConfigError for a
    naming that cannot be, and OutputError, before anything is written, where a file would be
    replaced without `force`.
    """
    context = context or RunContext()
    targets = _by_path(items, folder, options)
    there = existing_paths(items, folder, options)
    if there and not force:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise OutputError(
            f"{there[0]}{more}: there already; choose another folder or other names, or let them "
            "be replaced."
        )
    results = []
    for number, (path, group) in enumerate(targets.items()):
        context.step("writing labels", number, len(targets))
        results.append(_write(path, group, options))
    context.step("writing labels", len(targets), len(targets))
    return tuple(results)


def note_exports(study: Study, files: Iterable[ExportedFile], who: str = "") -> None:
    """Put a line for each file that was written into the study's audit."""
    for file in files:
        if file.written:
            study.note(
                who or ", ".join(file.raters),
                file.recording,
                "export",
                f"{counted(file.labels, 'label')} to {file.path.name}",
            )


def label_set_of(item: ExportItem, options: ExportOptions) -> LabelSet:
    """The labels as files exchange them, with what was changed on the way as findings."""
    findings: list[Finding] = []
    kinds = set(options.kinds)
    if HOLDS[options.format].only_epochs:
        others = len(item.labels.events) + len(item.labels.marks)
        if others and kinds - {"state"}:
            findings.append(
                changed(
                    f"{FORMAT_NAMES[options.format]}: no place for events and marks; "
                    f"{counted(others, 'label')} left out."
                )
            )
        kinds &= {"state"}
    form = "epochs" if HOLDS[options.format].only_epochs else options.states
    states = _formed(item, form, findings) if "state" in kinds else ()
    chosen = RecordingLabels(
        tuple(states),
        item.labels.events if "event" in kinds else (),
        item.labels.marks if "mark" in kinds else (),
    )
    # Only EDF+ has a place for the clock; elsewhere its loss is nothing to be told each time.
    start = RecordingClock.of_study(item.recording).start if HOLDS[options.format].start else None
    labels = make_label_set(chosen.to_label_set_labels(item.rater.name), start, findings)
    if not HOLDS[options.format].rater:  # the file's name says who
        labels = replace(labels, labels=tuple(replace(x, rater="") for x in labels.labels))
    for mapping in options.mappings:
        labels, _ = apply_mapping(labels, mapping)
    return labels


def states_on_epochs(
    labels: RecordingLabels, epoch_s: float, offset_ns: int = 0
) -> tuple[tuple[StudyLabel, ...], int]:
    """One state for each epoch of a grid: the class that holds most of it, if states hold at
    least half; and how many epochs were not of one class alone."""
    epoch_ns = to_ns(epoch_s)
    held: dict[int, Counter[str]] = {}
    for label in labels.states:
        first = (label.start_ns - offset_ns) // epoch_ns
        last = (label.end_ns - 1 - offset_ns) // epoch_ns
        for epoch in range(first, last + 1):
            begin = offset_ns + epoch * epoch_ns
            inside = min(label.end_ns, begin + epoch_ns) - max(label.start_ns, begin)
            held.setdefault(epoch, Counter())[label.class_name] += inside
    sure = {_place(label, offset_ns, epoch_ns): label.confidence for label in labels.states}
    made, mixed = [], 0
    for epoch, times in sorted(held.items()):
        (name, most), *_ = times.most_common(1)
        mixed += most < epoch_ns
        if 2 * times.total() < epoch_ns or epoch < 0:  # the grid begins with epoch 0
            continue
        begin = offset_ns + epoch * epoch_ns
        confidence = sure.get((epoch, name)) if most == epoch_ns else None
        made.append(
            StudyLabel(new_id(), begin, begin + epoch_ns, name, "state", confidence=confidence)
        )
    return tuple(made), mixed


def joined_states(states: Sequence[StudyLabel]) -> tuple[StudyLabel, ...]:
    """States of one class that follow each other without a gap, as one."""
    numbers = [0]
    for a, b in pairwise(states):
        numbers.append(numbers[-1] + (a.class_name != b.class_name or a.end_ns != b.start_ns))
    joined = []
    for _, group in groupby(zip(numbers, states, strict=False), key=lambda entry: entry[0]):
        run = [label for _, label in group]
        sure = {label.confidence for label in run}
        joined.append(
            replace(
                run[0], end_ns=run[-1].end_ns, confidence=sure.pop() if len(sure) == 1 else None
            )
        )
    return tuple(joined)


# ---------------------------------------------------------------- parts


def _place(label: StudyLabel, offset_ns: int, epoch_ns: int) -> tuple[int, str]:
    return (label.start_ns - offset_ns) // epoch_ns, label.class_name


def _formed(item: ExportItem, form: StateForm, findings: list[Finding]) -> Sequence[StudyLabel]:
    if form == "as_labelled":
        return item.labels.states
    if form == "intervals":
        return joined_states(item.labels.states)
    states, mixed = states_on_epochs(item.labels, item.epoch_s, item.recording.grid_offset_ns)
    if mixed:
        findings.append(
            changed(
                f"{counted(mixed, 'epoch')} of {item.epoch_s:g} s are not of one class from end "
                "to end; each became what holds most of it, or unlabelled below half."
            )
        )
    return states


def _by_path(
    items: Sequence[ExportItem], folder: Path, options: ExportOptions
) -> dict[Path, list[ExportItem]]:
    """The items by the file that they go into."""
    written_format(Path("labels"), options.format)
    targets: dict[str, tuple[Path, list[ExportItem]]] = {}
    for item in items:
        path = folder / f"{_file_name(item, options.naming)}{ENDINGS[options.format]}"
        _, group = targets.setdefault(str(path).casefold(), (path, []))
        group.append(item)
    for path, group in targets.values():
        if len({item.recording.id for item in group}) > 1:
            a, b = group[0].recording.name, group[-1].recording.name
            raise ConfigError(
                f"The labels of {a} and {b} would both go into {path.name}; put {{recording}} into "
                "the files' names."
            )
        if len(group) > 1 and not HOLDS[options.format].rater:
            raise ConfigError(
                f"{FORMAT_NAMES[options.format]} has no place for the rater, and the labels of "
                f"several would go into {path.name}; put {{rater}} into the files' names."
            )
    return dict(targets.values())


def _file_name(item: ExportItem, naming: str) -> str:
    values = {
        "recording": item.recording.name,
        "rater": item.rater.name,
        "subject": item.recording.subject,
    }
    try:
        text = naming.format(**{name: safe_file_name(value) for name, value in values.items()})
    except (KeyError, IndexError, ValueError, AttributeError):
        known = ", ".join(f"{{{name}}}" for name in NAMING_FIELDS)
        raise ConfigError(
            f"The files cannot be named '{naming}'; in braces may stand {known}."
        ) from None
    if not text.strip() or safe_file_name(text) != text:
        raise ConfigError(
            f"'{text}' is no name that every computer takes for a file; use letters, digits, "
            "'_', '-' and '.'."
        )
    return text


def _write(path: Path, group: Sequence[ExportItem], options: ExportOptions) -> ExportedFile:
    recording = group[0].recording
    raters = tuple(item.rater.name for item in group)
    try:
        sets = [label_set_of(item, options) for item in group]
        labels = make_label_set(
            [label for one in sets for label in one.labels],
            sets[0].start,
            [found for one in sets for found in one.findings],
        )
        if not len(labels):
            findings = (*labels.findings, note("There are no labels to write."))
            return ExportedFile(path, recording.name, raters, 0, findings)
        grid = HOLDS[options.format].only_epochs or options.format in ("nsrr", "profusion")
        findings = write_labels(
            path,
            labels,
            options.format,
            epoch_s=group[0].epoch_s if grid else None,
            offset_s=to_s(recording.grid_offset_ns) if HOLDS[options.format].only_epochs else None,
        )
    except CrosslError as error:
        return ExportedFile(path, recording.name, raters, error=str(error))
    every = tuple(dict.fromkeys((*labels.findings, *findings)))
    return ExportedFile(path, recording.name, raters, len(labels), every, True)
