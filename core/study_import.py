"""Labels from files, or from recordings themselves, as labels of a study's rater.

What was read stays as it is; a plan says what would become of every text and what does not fit,
and holds one change, so that an import is one step to undo.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core.config import ModalityConfig
from core.errors import StudyError
from core.label_scheme import ClassKind, LabelScheme
from core.label_set import LabelSet, changed, counted, listed, note
from core.label_sources import ImportItem as ImportItem  # what an import begins with
from core.label_sources import ReadLabels
from core.labels import NO_LABEL, LabelTrack
from core.modalities import AUTO, load_preset, matches
from core.progress import RunContext
from core.recording import Finding
from core.study import Edit, Rater, Study, StudyRecording, engine_config
from core.study_file import now_text
from core.study_labels import (
    NS,
    Change,
    RecordingLabels,
    Source,
    StudyLabel,
    make_grid,
    new_id,
    to_ns,
    to_s,
)

How = Literal["replace", "fill"]
"""Whether all labels of the rater give way, or only time without any is labelled."""
UnknownTexts = Literal["leave_out", "state", "event"]
"""What becomes of texts that lead to no class: nothing, or a new class of that kind."""

_KINDS: tuple[ClassKind, ...] = ("state", "event", "mark")
_FURTHEST_S = 4e9  # more than a century; whole nanoseconds of it still fit 64 bits
_SLIP_NS = 1_000_000  # files that keep milliseconds let neighbours overlap by one
_TOUCHING = 1.5  # samples this many periods apart are neighbours
_APART = 2.0 + 1e-6  # beyond, there is a gap
_JITTER_NS = 100_000_000  # a shorter pause is none, as for the signals: time stamps jitter


@dataclass(frozen=True)
class ImportedText:
    """One row of the table that shows what an import makes of each text.

    Attributes
    ----------
    count: labels, or samples, with that text.
    became: the class; None where it is left out.
    known: whether the mapping or the scheme has the text.
    kind: of the class; None where it is left out.
    is_new: whether the scheme gets the class by this import.
    """

    text: str
    count: int
    became: str | None
    known: bool
    kind: ClassKind | None = None
    is_new: bool = False


@dataclass(frozen=True)
class ImportPlan:
    """What an import would do to one rater's labels of one recording.

    Attributes
    ----------
    change: the whole import, one step to undo; empty where nothing would change.
    scheme: the study's, with the classes that the import adds.
    texts: what becomes of each text, the commonest first.
    grid_offset_ns: where the imported epochs start, if that is not where the study's do.
    states, events, marks: how many labels would be put in.
    """

    change: Change
    scheme: LabelScheme
    texts: tuple[ImportedText, ...]
    findings: tuple[Finding, ...]
    grid_offset_ns: int | None = None
    states: int = 0
    events: int = 0
    marks: int = 0

    @property
    def new_classes(self) -> tuple[str, ...]:
        """Classes that the scheme lacks, in the order in which they are added."""
        return tuple(dict.fromkeys(x.became for x in self.texts if x.is_new and x.became))

    @property
    def left_out(self) -> tuple[ImportedText, ...]:
        """Texts that lead to no class although nothing says that they should not."""
        return tuple(x for x in self.texts if not x.known and x.became is None)


# ---------------------------------------------------------------- planning


def label_change(
    labels: LabelSet | LabelTrack,
    mapping: Mapping[str, str | None],
    scheme: LabelScheme,
    current: RecordingLabels,
    *,
    duration_s: float,
    grid_offset_ns: int = 0,
    how: How = "replace",
    unknown: UnknownTexts = "leave_out",
    modalities: Sequence[ModalityConfig] = (),
    source: Source = "imported",
) -> ImportPlan:
    """What becomes of labels that were read for a recording of `duration_s`.

    `labels` are in seconds from the recording's start; labels on samples become stretches, the
    last sample lasting one period. Texts lead to classes by `mapping`, or as they are where the
    scheme has such a class. Of states that overlap, the first keeps the time. `modalities` tell
    what an event's channel belongs to.
    """
    findings = list(labels.findings)
    read = _from_set(labels) if isinstance(labels, LabelSet) else _from_track(labels)
    texts, table, wide = _resolve(read, mapping, scheme, unknown)
    classes = tuple(entry.name for entry in wide.classes)
    if isinstance(labels, LabelTrack) and labels.kind == "samples":
        read = _runs(read, table, findings)
    if not len(read.start_ns):
        findings.append(note("There are no labels in it."))
    class_of = table[read.codes]
    # One place more than there are classes, for what has none.
    kinds = np.array([*(_KINDS.index(entry.kind) for entry in wide.classes), -1])
    kind_of = kinds[class_of]
    ends = (class_of < 0) & _known_codes(texts, read)[read.codes]
    states = read.chosen(kind_of == 0, class_of)
    states = _with_lengths(states, read.start_ns[ends], to_ns(duration_s), findings)
    offset = _offset_of(states, scheme.epoch_s, grid_offset_ns, to_ns(duration_s), findings)
    grid = make_grid(duration_s, scheme.epoch_s, to_s(grid_offset_ns if offset is None else offset))
    last_ns = max(to_ns(duration_s), grid.span(grid.epochs)[0] if grid.epochs else 0)
    states = _apart(_inside(states, last_ns, "state", findings), classes, findings)
    events = _inside(read.chosen(kind_of == 1, class_of), last_ns, "event", findings)
    marks = read.chosen(kind_of == 2, class_of)
    marks = _one_each(_inside(replace(marks, end_ns=marks.start_ns), last_ns, "mark", findings),
                      classes, findings)  # fmt: skip
    if how == "fill":
        states = _into_free_time(states, current)
    places = _modality_of_channels(read.channels, modalities)
    _note_channels(states, events, read.channels, places, findings)
    added = [
        *_study_labels(states, classes, "state", [""] * len(places), source),
        *_study_labels(events, classes, "event", places, source),
        *_study_labels(marks, classes, "mark", [""] * len(places), source),
    ]
    if how == "fill":
        added = _not_there_yet(added, current)
    removed = tuple(current) if how == "replace" else ()
    change = Change(removed, tuple(added))
    if how == "replace" and _values(removed) == _values(added):
        change = Change()
    counts = {kind: sum(x.kind == kind for x in added) for kind in _KINDS}
    left = [row for row in texts if not row.known and row.became is None]
    if left:
        one = "sample" if isinstance(labels, LabelTrack) and labels.kind == "samples" else "label"
        number = counted(sum(row.count for row in left), one)
        findings.append(
            changed(
                f"{counted(len(left), 'text')} without a class, {number} left out: "
                f"{listed([row.text for row in left])}."
            )
        )
    return ImportPlan(
        change,
        wide,
        texts,
        tuple(dict.fromkeys(findings)),
        offset,
        counts["state"],
        counts["event"],
        counts["mark"],
    )


@dataclass(frozen=True)
class ImportOptions:
    """What is made of labels that were read; see `label_change`."""

    mapping: Mapping[str, str | None] = field(default_factory=dict)
    how: How = "replace"
    unknown: UnknownTexts = "leave_out"
    modalities: Sequence[ModalityConfig] = ()


@dataclass(frozen=True)
class PlannedImport:
    """The plan of one recording; without one, `problem` says why."""

    recording: StudyRecording
    plan: ImportPlan | None
    problem: str = ""


def plan_imports(
    study_folder: Path,
    read: Sequence[ReadLabels],
    rater: str,
    options: ImportOptions,
    context: RunContext | None = None,
) -> tuple[PlannedImport, ...]:
    """What importing would do to a rater's labels, from any thread: the study is only read.

    The rater may be new. Raises StudyError where the study cannot be read.
    """
    context = context or RunContext()
    planned = []
    study = Study.open(study_folder, read_only=True)
    try:
        known = {entry.name.casefold(): entry for entry in study.raters()}
        who = known.get(rater.strip().casefold())
        for number, one in enumerate(read):
            context.step("comparing", number, len(read))
            recording = one.recording
            if one.labels is None:
                planned.append(PlannedImport(recording, None, one.error))
                continue
            if who is not None and study.signed_off(recording.id, who.id) is not None:
                problem = f"{recording.name}: {who.name} has signed it off; reopen it first."
                planned.append(PlannedImport(recording, None, problem))
                continue
            plan = label_change(
                one.labels,
                options.mapping,
                study.scheme,
                study.labels(recording.id, who.id) if who is not None else RecordingLabels(),
                duration_s=recording.duration_s,
                grid_offset_ns=recording.grid_offset_ns,
                how=options.how,
                unknown=options.unknown,
                modalities=options.modalities,
            )
            planned.append(PlannedImport(recording, plan))
    finally:
        study.close()
    return tuple(planned)


def texts_of(planned: Iterable[PlannedImport]) -> tuple[ImportedText, ...]:
    """The texts of several plans together, the commonest first."""
    rows: dict[str, ImportedText] = {}
    for one in planned:
        for row in one.plan.texts if one.plan is not None else ():
            before = rows.get(row.text)
            count = row.count + (before.count if before is not None else 0)
            rows[row.text] = replace(row, count=count)
    return tuple(sorted(rows.values(), key=lambda row: (-row.count, row.text)))


def edit_for(change: Change, what: str) -> Edit:
    """The change as an edit that `Study.write_edit` keeps."""
    return Edit(new_id(), what, change, now_text())


def keep_import(
    study: Study,
    recording: StudyRecording,
    rater: Rater,
    plan: ImportPlan,
    what: str,
    *,
    take_grid_offset: bool = False,
) -> Edit | None:
    """Write an import into the study: new classes, where its epochs start if asked, the labels.

    None where the labels are as they were. Raises StudyError where the recording is signed off,
    NotSavedError where the study cannot be written. The plan must have been made for the labels
    that are there now.
    """
    if study.signed_off(recording.id, rater.id) is not None:
        raise StudyError(f"{recording.name} is signed off: reopen it before labels are imported.")
    add_classes(study, plan, rater.name)
    if take_grid_offset and plan.grid_offset_ns is not None:
        study.set_grid_offset(recording.id, plan.grid_offset_ns, rater.name)
    if not plan.change:
        return None
    edit = edit_for(plan.change, what)
    study.write_edit(recording.id, rater.id, edit)
    return edit


def add_classes(study: Study, plan: ImportPlan, who: str) -> None:
    """Give the study's scheme the classes of a plan that it lacks."""
    scheme = study.scheme
    for name in plan.new_classes:
        wanted = plan.scheme.find(name)
        if wanted is not None:
            scheme = scheme.with_classes([name], wanted.kind)
    if scheme != study.scheme:
        study.change_scheme(scheme, who=who)


def modalities_of(engine: Mapping[str, Any]) -> tuple[ModalityConfig, ...]:
    """The modalities that a study's settings list or name; none where they are still open."""
    config = engine_config(dict(engine)).modalities
    if isinstance(config, str):
        return () if config == AUTO else load_preset(config)
    return tuple(config)


# ---------------------------------------------------------------- parts


@dataclass(frozen=True)
class _Rows:
    """Labels as columns, one entry per label, times in int64 nanoseconds.

    `codes`: which of `texts`, or which class once that is settled. `channel_codes`: which of
    `channels`. `confidence`: NaN where there is none.
    """

    start_ns: np.ndarray
    end_ns: np.ndarray
    codes: np.ndarray
    texts: tuple[str, ...]
    confidence: np.ndarray
    channel_codes: np.ndarray
    channels: tuple[str, ...] = ("",)

    def chosen(self, which: np.ndarray, class_of: np.ndarray) -> _Rows:
        """Some of the rows, in order of time, with their classes for codes."""
        rows = np.flatnonzero(which)
        rows = rows[np.argsort(self.start_ns[rows], kind="stable")]
        return replace(self.taken(rows), codes=class_of[rows])

    def taken(self, rows: np.ndarray) -> _Rows:
        return replace(
            self,
            start_ns=self.start_ns[rows],
            end_ns=self.end_ns[rows],
            codes=self.codes[rows],
            confidence=self.confidence[rows],
            channel_codes=self.channel_codes[rows],
        )

    def __len__(self) -> int:
        return len(self.start_ns)


def _from_set(labels: LabelSet) -> _Rows:
    texts: dict[str, int] = {}
    channels: dict[str, int] = {"": 0}
    codes = [texts.setdefault(label.text, len(texts)) for label in labels.labels]
    channel_codes = [channels.setdefault(x.channel, len(channels)) for x in labels.labels]
    onsets = _whole_ns(np.array([label.onset_s for label in labels.labels], np.float64))
    lengths = _whole_ns(np.array([label.duration_s for label in labels.labels], np.float64))
    confidence = [np.nan if x.confidence is None else x.confidence for x in labels.labels]
    return _Rows(
        onsets,
        onsets + lengths,
        np.array(codes, np.int64),
        tuple(texts),
        np.array(confidence, np.float64),
        np.array(channel_codes, np.int64),
        tuple(channels),
    )


def _from_track(track: LabelTrack) -> _Rows:
    onsets = _whole_ns(track.onsets_s)
    return _Rows(
        onsets,
        onsets + _whole_ns(track.durations_s),
        track.codes,
        track.names,
        np.full(len(track), np.nan),
        np.zeros(len(track), np.int64),
    )


def _whole_ns(seconds: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(seconds, -_FURTHEST_S, _FURTHEST_S) * NS).astype(np.int64)


def _resolve(
    read: _Rows, mapping: Mapping[str, str | None], scheme: LabelScheme, unknown: UnknownTexts
) -> tuple[tuple[ImportedText, ...], np.ndarray, LabelScheme]:
    """What each text becomes; the place of its class in the widened scheme, -1 for none."""
    counts = np.bincount(read.codes, minlength=len(read.texts)).tolist()
    order = sorted(range(len(read.texts)), key=lambda k: (-counts[k], read.texts[k]))
    wide = scheme
    rows: list[ImportedText] = []
    places: dict[int, str] = {}
    for code in order:
        text = read.texts[code]
        known = text in mapping
        wanted = _one_line(mapping[text] or "" if known else text)
        if not known and scheme.find(wanted) is None and wanted.casefold() in NO_LABEL:
            known, wanted = True, ""
        known = known or scheme.find(wanted) is not None
        if not wanted:
            rows.append(ImportedText(text, counts[code], None, known))
            continue
        if wide.find(wanted) is None and unknown != "leave_out":
            wide = wide.with_classes([wanted], unknown)
        found = wide.find(wanted)
        if found is None:
            rows.append(ImportedText(text, counts[code], None, False))
            continue
        places[code] = wanted
        is_new = scheme.find(wanted) is None
        rows.append(ImportedText(text, counts[code], wanted, known, found.kind, is_new))
    numbers = {entry.name: number for number, entry in enumerate(wide.classes)}
    table = np.array(
        [numbers[places[code]] if code in places else -1 for code in range(len(read.texts))],
        np.int64,
    )
    return tuple(rows), table, wide


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _known_codes(texts: Sequence[ImportedText], read: _Rows) -> np.ndarray:
    known = {row.text for row in texts if row.known}
    return np.array([text in known for text in read.texts], bool)


def _runs(read: _Rows, table: np.ndarray, findings: list[Finding]) -> _Rows:
    """Stretches of samples with the same class."""
    if not len(read):
        return read
    onsets = read.start_ns
    steps = np.diff(onsets)
    rising = steps[steps > 0]
    if not len(rising):
        findings.append(note("One sample alone has no length; it was left out."))
        return read.taken(np.empty(0, np.int64))
    period = int(np.median(rising))
    class_of = table[read.codes]
    apart = max(_APART * period, _JITTER_NS)
    fresh = np.concatenate(([True], (class_of[1:] != class_of[:-1]) | (steps > apart)))
    first = np.flatnonzero(fresh)
    last = np.concatenate((first[1:] - 1, [len(onsets) - 1]))
    ends = onsets[last] + period
    following = np.concatenate((onsets[first[1:]], [np.iinfo(np.int64).max]))
    touching = following - onsets[last] <= max(_TOUCHING * period, _JITTER_NS)
    ends = np.where(touching, following, np.minimum(ends, following))
    gaps = int((steps > apart).sum())
    if gaps:
        findings.append(
            note(f"The samples have {counted(gaps, 'gap')}; they are left without a label.")
        )
    there = ends > onsets[first]
    return replace(read.taken(first), end_ns=ends).taken(np.flatnonzero(there))


def _with_lengths(
    states: _Rows, others_ns: np.ndarray, last_ns: int, findings: list[Finding]
) -> _Rows:
    """States that all lack a duration last until the next label; single ones cannot be drawn."""
    lasting = states.end_ns > states.start_ns
    if lasting.all():
        return states
    if lasting.any():
        lost = int((~lasting).sum())
        findings.append(
            changed(f"{counted(lost, 'label')} of states without a duration were left out.")
        )
        return states.taken(np.flatnonzero(lasting))
    starts = states.start_ns
    edges = np.unique(np.concatenate((starts, others_ns)))
    place = np.searchsorted(edges, starts, side="right")
    steps = np.diff(edges)
    usual = int(np.median(steps)) if len(steps) else last_ns
    rest = np.maximum(np.minimum(starts + usual, last_ns), starts)
    ends = np.where(place < len(edges), edges[np.minimum(place, len(edges) - 1)], rest)
    findings.append(note("Labels have no duration; each lasts until the next."))
    kept = replace(states, end_ns=ends)
    return kept.taken(np.flatnonzero(ends > starts))


def _offset_of(
    states: _Rows, epoch_s: float, current_ns: int, last_ns: int, findings: list[Finding]
) -> int | None:
    """Where the first epoch of the states starts, where they are whole epochs off the grid."""
    if not len(states):
        return None
    epoch_ns = to_ns(epoch_s)
    # The last one may be cut short by the recording's end.
    whole = states.end_ns < last_ns
    whole[0] = True
    lengths = (states.end_ns - states.start_ns)[whole]
    if (lengths % epoch_ns).any():
        if (lengths == lengths[0]).all():
            findings.append(
                note(
                    f"The states last {to_s(int(lengths[0])):g} s each; the study's epochs are "
                    f"{epoch_s:g} s long."
                )
            )
        return None
    starts = np.unique(states.start_ns % epoch_ns)
    if len(starts) > 1 or int(starts[0]) == current_ns % epoch_ns:
        return None
    findings.append(
        note(
            f"The imported epochs start {to_s(int(starts[0])):g} s after the recording, those of "
            f"the study {to_s(current_ns):g} s."
        )
    )
    return int(starts[0])


def _inside(rows: _Rows, last_ns: int, kind: str, findings: list[Finding]) -> _Rows:
    """The rows cut to the recording."""
    moments = rows.end_ns == rows.start_ns
    outside = (rows.start_ns >= last_ns) | (rows.end_ns <= 0)
    outside = np.where(moments, (rows.start_ns > last_ns) | (rows.start_ns < 0), outside)
    cut = ~outside & ((rows.start_ns < 0) | (rows.end_ns > last_ns))
    for count, what in ((int(cut.sum()), "were cut to it"), (int(outside.sum()), "left out")):
        if count:
            findings.append(
                changed(
                    f"{counted(count, kind)} outside the recording (0 s to {to_s(last_ns):g} s): "
                    f"{what}."
                )
            )
    kept = rows.taken(np.flatnonzero(~outside))
    return replace(
        kept, start_ns=np.maximum(kept.start_ns, 0), end_ns=np.minimum(kept.end_ns, last_ns)
    )


def _apart(states: _Rows, classes: Sequence[str], findings: list[Finding]) -> _Rows:
    """States one after the other: where they overlap, the one that began first keeps the time."""
    if len(states) < 2:
        return states
    reach = np.maximum.accumulate(states.end_ns)
    holder = np.maximum.accumulate(np.where(states.end_ns >= reach, np.arange(len(states)), 0))
    before, by = reach[:-1], holder[:-1]
    start = states.start_ns.copy()
    overlap = np.minimum(before, states.end_ns[1:]) - start[1:]
    differ = (overlap > _SLIP_NS) & (states.codes[1:] != states.codes[by])
    start[1:] = np.maximum(start[1:], before)
    if differ.any():
        pairs = [
            f"{classes[states.codes[by[k]]]} and {classes[states.codes[k + 1]]}"
            for k in np.flatnonzero(differ)
        ]
        where = to_s(int(states.start_ns[1:][differ][0]))
        findings.append(
            changed(
                f"{counted(int(differ.sum()), 'state')} overlap another of a different class, the "
                f"first at {where:g} s ({listed(pairs)}); the one that began first was kept."
            )
        )
    kept = replace(states, start_ns=start)
    return kept.taken(np.flatnonzero(kept.end_ns > kept.start_ns))


def _one_each(marks: _Rows, classes: Sequence[str], findings: list[Finding]) -> _Rows:
    _, first = np.unique(marks.codes, return_index=True)
    if len(first) < len(marks):
        again = np.setdiff1d(np.arange(len(marks)), first)
        names = [classes[code] for code in marks.codes[again]]
        findings.append(
            changed(
                f"A recording has one mark of each class; {counted(len(again), 'further one')} "
                f"left out: {listed(names)}."
            )
        )
    return marks.taken(np.sort(first))


def _into_free_time(states: _Rows, current: RecordingLabels) -> _Rows:
    """The parts of states that lie where there is none yet."""
    if not len(states) or not current.states:
        return states
    starts, ends = current.state_starts_ns, current.state_ends_ns
    first = np.searchsorted(ends, states.start_ns, side="right")
    last = np.searchsorted(starts, states.end_ns, side="left")
    rows: list[int] = []
    pieces: list[tuple[int, int]] = []
    for row in range(len(states)):
        begin, end = int(states.start_ns[row]), int(states.end_ns[row])
        for k in range(int(first[row]), int(last[row])):
            if starts[k] > begin:
                rows.append(row)
                pieces.append((begin, int(starts[k])))
            begin = int(ends[k])
        if begin < end:
            rows.append(row)
            pieces.append((begin, end))
    edges = np.array(pieces, np.int64).reshape(-1, 2)
    kept = states.taken(np.array(rows, np.int64))
    return replace(kept, start_ns=edges[:, 0], end_ns=edges[:, 1])


def _modality_of_channels(
    channels: Sequence[str], modalities: Sequence[ModalityConfig]
) -> list[str]:
    """The modality of each channel; empty where it is in none."""
    return [_modality_of(channel, modalities) if channel else "" for channel in channels]


def _modality_of(channel: str, modalities: Sequence[ModalityConfig]) -> str:
    for modality in modalities:
        if modality.name.casefold() == channel.casefold():
            return modality.name
    for modality in modalities:
        patterns = [name for entry in modality.channels for name in entry.match]
        if any(matches(channel, pattern) for pattern in patterns):
            return modality.name
    return ""


def _note_channels(
    states: _Rows,
    events: _Rows,
    channels: Sequence[str],
    places: Sequence[str],
    findings: list[Finding],
) -> None:
    lost = [channels[code] for code in events.channel_codes if channels[code] and not places[code]]
    if lost:
        findings.append(
            changed(
                f"{counted(len(lost), 'event')} are about channels that belong to no modality of "
                f"the study ({listed(lost)}); they were taken to be about the whole recording."
            )
        )
    about = [channels[code] for code in states.channel_codes if channels[code]]
    if about:
        findings.append(
            changed(
                f"{counted(len(about), 'state')} name a channel ({listed(about)}); a state is "
                "about the whole recording."
            )
        )


def _study_labels(
    rows: _Rows,
    classes: Sequence[str],
    kind: ClassKind,
    places: Sequence[str],
    source: Source,
) -> Iterable[StudyLabel]:
    columns = zip(
        rows.start_ns.tolist(),
        rows.end_ns.tolist(),
        rows.codes.tolist(),
        rows.channel_codes.tolist(),
        rows.confidence.tolist(),
        strict=True,
    )
    for start, end, code, channel, sure in columns:
        confidence = None if sure != sure else sure
        yield StudyLabel(
            new_id(), start, end, classes[code], kind, places[channel], source, confidence
        )


def _not_there_yet(added: Sequence[StudyLabel], current: RecordingLabels) -> list[StudyLabel]:
    """Events that are not there in the same place, marks of classes that have none."""
    events = {(x.start_ns, x.end_ns, x.class_name, x.modality) for x in current.events}
    marked = {x.class_name for x in current.marks}
    return [
        x
        for x in added
        if x.kind == "state"
        or (x.kind == "event"
            and (x.start_ns, x.end_ns, x.class_name, x.modality) not in events)
        or (x.kind == "mark" and x.class_name not in marked)
    ]  # fmt: skip


def _values(labels: Iterable[StudyLabel]) -> list[StudyLabel]:
    bare = [replace(label, id=0) for label in labels]
    return sorted(bare, key=lambda x: (x.kind, x.start_ns, x.end_ns, x.class_name, x.modality))
