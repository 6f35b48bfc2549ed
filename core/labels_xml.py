"""Labels as XML: NSRR's `PSGAnnotation` and Compumedics Profusion's `CMPStudyConfig`.

Both hold scored events with a name, a start and a duration in seconds; Profusion keeps sleep stages
apart, one number an epoch. Format as seen in the files of sleepdata.org. Files are parsed with
defusedxml, which refuses entities.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

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
    listed,
    make_label_set,
    note,
    parse_clock,
    parse_seconds,
    start_is_lost,
    tidy,
    without,
    without_controls,
    zone_of,
)
from core.labels_epochs import (
    DEFAULT_EPOCH_S,
    Grid,
    grid_findings,
    grid_labels,
    guess_epoch_s,
    lay_on_epochs,
)
from core.recording import Finding

NSRR_ROOT, PROFUSION_ROOT = "PSGAnnotation", "CMPStudyConfig"
STAGES_TYPE = "Stages|Stages"
# NSRR's entry that tells the recording's clock time and length.
_RECORDING_START = "Recording Start Time"
_STAGE = re.compile(
    r"(wake|w|n[1-4]|nrem ?[1-4]|r|rem|stage [1-4] sleep|rem sleep|unscored|movement|unsure"
    r"|sleep stage .{1,2})(\|\d)?",
    re.IGNORECASE,
)
_AASM = frozenset(("W", "N1", "N2", "N3", "R"))
PROFUSION_STAGES = frozenset("0123456789")
_UNSCORED = "9"
_NAME = re.compile(r"(?![xX][mM][lL])[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)


def xml_root(path: Path, data: bytes) -> ET.Element:
    """The root of an XML file, names without their namespaces.

    Raises RecordingError for what is no XML, or has entities.
    """
    try:
        root: ET.Element = fromstring(data, forbid_entities=True, forbid_external=True)
    except DefusedXmlException:
        raise RecordingError(
            f"{path}: the file defines entities, which label files have no use for and which can "
            "bring a program down; it was not read. Export it again from the scoring program."
        ) from None
    except (ET.ParseError, ValueError, LookupError) as error:
        raise RecordingError(
            f"{path}: not valid XML ({error}); is the file whole? Copy or export it again."
        ) from None
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]
    return root


def read_xml_labels(path: Path, data: bytes, options: ReadOptions) -> LabelSet:
    """Labels of an NSRR or Profusion file, told apart by the root. Raises RecordingError."""
    root = xml_root(path, data)
    if root.tag == NSRR_ROOT:
        return _read_nsrr(path, root, options)
    if root.tag == PROFUSION_ROOT:
        return _read_profusion(path, root, options)
    raise RecordingError(
        f"{path}: an XML file, but its root is '{root.tag}': neither {NSRR_ROOT} (NSRR) nor "
        f"{PROFUSION_ROOT} (Profusion)."
    )


def _events(root: ET.Element) -> list[ET.Element]:
    return [event for parent in root.iter("ScoredEvents") for event in parent.iter("ScoredEvent")]


def _value(event: ET.Element, *names: str) -> str:
    for name in names:
        found = event.find(name)
        if found is not None:
            return tidy("".join(found.itertext()))
    return ""


def _event_label(
    path: Path,
    number: int,
    event: ET.Element,
    clock: ClockReader,
    name: str,
    place: str,
    extra: Iterable[tuple[str, str]] = (),
) -> tuple[Label, bool]:
    """A label from an event, and whether it has no duration."""
    start_text, duration_text = _value(event, "Start"), _value(event, "Duration")
    start = parse_seconds(start_text)
    if start is None:
        start = clock.elapsed(start_text)
    duration = parse_seconds(duration_text)
    if start is None or (duration is None and duration_text) or (duration or 0) < 0:
        what = "Start" if start is None else "Duration"
        text = start_text if start is None else duration_text
        raise RecordingError(
            f"{path}: scored event {number} ('{_value(event, name)[:40]}') has the {what} "
            f"'{text[:40]}', which is no number of seconds."
        )
    known = {name, place, "Start", "Duration", "EventType"}
    others = [
        (child.tag, tidy("".join(child.itertext()))) for child in event if child.tag not in known
    ]
    label = Label(
        float(start),
        float(duration or 0),
        _value(event, name),
        _value(event, place),
        extra=(*extra, *others),
    )
    return label, not duration_text


def event_type(text: str) -> str:
    """NSRR's type for stages, empty for other labels."""
    return STAGES_TYPE if _STAGE.fullmatch(text) else ""


def _read_nsrr(path: Path, root: ET.Element, options: ReadOptions) -> LabelSet:
    clock = ClockReader(path, options.start, zone_of(options.time_zone))
    findings: list[Finding] = []
    labels: list[Label] = []
    start = options.start
    lengthless = 0
    for number, event in enumerate(_events(root), 1):
        text, kind = _value(event, "EventConcept"), _value(event, "EventType")
        if text == _RECORDING_START:
            written = _value(event, "ClockTime")
            time = parse_clock(written)
            if time is not None and time.day is not None and start is None:
                start = datetime(time.day.year, time.day.month, time.day.day)
                start += timedelta(microseconds=int(time.second * 1_000_000))
                clock.start = start
            length = _value(event, "Duration")
            findings.append(
                note(
                    f"The entry '{_RECORDING_START}' (clock time '{written}', length {length} s) "
                    "is about the recording and is no label."
                )
            )
            continue
        extra = [("EventType", kind)] if kind != event_type(text) else []
        label, without_length = _event_label(
            path, number, event, clock, "EventConcept", "SignalLocation", extra
        )
        lengthless += without_length
        labels.append(label)
    _note_lengthless(lengthless, findings)
    if not labels:
        findings.append(note("The file has no scored events."))
    findings += clock.findings()
    return make_label_set(labels, start or clock.start, findings, "nsrr")


def _note_lengthless(count: int, findings: list[Finding]) -> None:
    if count:
        findings.append(note(f"{counted(count, 'event')} without a duration were read as moments."))


def _read_profusion(path: Path, root: ET.Element, options: ReadOptions) -> LabelSet:
    clock = ClockReader(path, options.start, zone_of(options.time_zone))
    findings: list[Finding] = []
    labels: list[Label] = []
    stages = [tidy("".join(stage.itertext())) for stage in root.iter("SleepStage")]
    if stages:
        epoch = _epoch_length(path, root, options, findings)
        labels += [
            Label(float(number * epoch), float(epoch), stage)
            for number, stage in enumerate(stages)
            if stage
        ]
        findings.append(
            note(
                "Sleep stages are Profusion's numbers (0 wake, 1 to 4 NREM, 5 REM, 9 unscored); "
                "the mapping aasm_from_profusion gives them names."
            )
        )
    lengthless = 0
    for number, event in enumerate(_events(root), 1):
        kind = [(name, _value(event, name)) for name in ("EventType",)]
        label, without_length = _event_label(path, number, event, clock, "Name", "Input", kind)
        lengthless += without_length
        labels.append(label)
    _note_lengthless(lengthless, findings)
    if not labels:
        findings.append(note("The file has neither sleep stages nor scored events."))
    findings += clock.findings()
    return make_label_set(labels, clock.start, findings, "profusion")


def _epoch_length(
    path: Path, root: ET.Element, options: ReadOptions, findings: list[Finding]
) -> Decimal:
    written = _value(root, "EpochLength")
    epoch = parse_seconds(written)
    if epoch is None or epoch <= 0:
        if options.epoch_s is None:
            raise RecordingError(
                f"{path}: there are sleep stages, but no EpochLength that says how long each "
                "lasts: give the length (--epoch 30, or labels.epoch_s)."
            )
        epoch = Decimal(repr(float(options.epoch_s)))
    elif options.epoch_s is not None and epoch != Decimal(repr(float(options.epoch_s))):
        findings.append(
            note(f"The file's own epoch length, {written} s, was used, not {options.epoch_s:g} s.")
        )
    return epoch


# ---------------------------------------------------------------- writing


def write_nsrr(labels: LabelSet, epoch_s: float | None = None) -> Encoded:
    """An NSRR file. Texts become the EventConcept as they are."""
    kept, findings = without(labels.labels, "NSRR's XML", rater=True, confidence=True)
    kept, more = _fit(kept, "NSRR's XML", ("EventConcept", "Start", "Duration", "SignalLocation"))
    findings += [*more, *start_is_lost(labels.start, "NSRR's XML")]
    if any(label.text in _AASM for label in kept):
        findings.append(
            note(
                "Stages were written under their own names; for programs that expect NSRR's "
                "concepts (such as 'Stage 2 sleep|2') use the mapping nsrr_from_aasm."
            )
        )
    root = ET.Element(NSRR_ROOT)
    stages = [label for label in kept if event_type(label.text)]
    epoch = epoch_s or (guess_epoch_s(stages) if stages else DEFAULT_EPOCH_S)
    ET.SubElement(root, "EpochLength").text = decimal_text(epoch)
    parent = ET.SubElement(root, "ScoredEvents")
    held = []
    for label in kept:
        extra = dict(label.extra)
        kind = extra.pop("EventType", event_type(label.text))
        event = ET.SubElement(parent, "ScoredEvent")
        ET.SubElement(event, "EventType").text = kind
        ET.SubElement(event, "EventConcept").text = label.text
        _add_times(event, label)
        if label.channel:
            ET.SubElement(event, "SignalLocation").text = label.channel
        _add_extra(event, extra)
        if kind == event_type(label.text):
            held.append(replace(label, extra=tuple(extra.items())))
        else:
            held.append(replace(label, extra=(("EventType", kind), *extra.items())))
    return Encoded(_document(root), tuple(held), tuple(findings))


def write_profusion(labels: LabelSet, epoch_s: float | None = None) -> Encoded:
    """A Profusion file: labels that are its numbers and fill whole epochs from 0 s on become sleep
    stages, all others scored events."""
    kept, findings = without(labels.labels, "Profusion's XML", rater=True, confidence=True)
    kept, more = _fit(kept, "Profusion's XML", ("Name", "Start", "Duration", "Input"))
    findings += [*more, *start_is_lost(labels.start, "Profusion's XML")]
    if any(label.text in _AASM for label in kept):
        findings.append(
            note(
                "Profusion's sleep stages are numbers, so named stages became scored events; the "
                "mapping profusion_from_aasm makes them stages."
            )
        )
    plain = [x for x in kept if x.text in PROFUSION_STAGES and not (x.channel or x.extra)]
    epoch = epoch_s or guess_epoch_s(plain)
    grid = lay_on_epochs(plain, epoch, 0.0)
    findings += grid_findings(grid, _UNSCORED)
    if grid.rest:
        findings.append(
            changed(
                f"{counted(len(grid.rest), 'stage')} that do not fill whole epochs of "
                f"{decimal_text(epoch)} s became scored events."
            )
        )
    rest = [x for x in kept if not (x.text in PROFUSION_STAGES and not (x.channel or x.extra))]
    return _profusion_file(grid, [*rest, *grid.rest], findings)


def _profusion_file(grid: Grid, events: Sequence[Label], findings: list[Finding]) -> Encoded:
    root = ET.Element(PROFUSION_ROOT)
    ET.SubElement(root, "EpochLength").text = decimal_text(grid.epoch_s)
    parent = ET.SubElement(root, "ScoredEvents")
    for label in events:
        event = ET.SubElement(parent, "ScoredEvent")
        ET.SubElement(event, "Name").text = label.text
        _add_times(event, label)
        if label.channel:
            ET.SubElement(event, "Input").text = label.channel
        _add_extra(event, dict(label.extra))
    stages = ET.SubElement(root, "SleepStages")
    for text in grid.texts:
        ET.SubElement(stages, "SleepStage").text = text or _UNSCORED
    held = [*grid_labels(grid, _UNSCORED), *events]
    return Encoded(_document(root), tuple(held), tuple(findings))


def _add_times(event: ET.Element, label: Label) -> None:
    ET.SubElement(event, "Start").text = decimal_text(label.onset_s)
    ET.SubElement(event, "Duration").text = decimal_text(label.duration_s)


def _add_extra(event: ET.Element, extra: dict[str, str]) -> None:
    for name, value in extra.items():
        ET.SubElement(event, name).text = value


def _document(root: ET.Element) -> bytes:
    ET.indent(root)
    data: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _fit(
    labels: Iterable[Label], format_name: str, reserved: Sequence[str]
) -> tuple[list[Label], list[Finding]]:
    """Labels without control signs, and with those extras only that can name an element."""
    kept: list[Label] = []
    lost: list[str] = []
    altered = 0
    for label in labels:
        pairs = [(name, value) for name, value in label.extra
                 if _NAME.fullmatch(name) and name not in reserved]  # fmt: skip
        lost += [name for name, _ in label.extra if name not in dict(pairs)]
        clean = replace(
            label,
            text=without_controls(label.text),
            channel=without_controls(label.channel),
            extra=tuple((name, without_controls(value)) for name, value in pairs),
        )
        altered += (clean.text, clean.channel) != (label.text, label.channel) or any(
            a != b for a, b in zip(clean.extra, pairs, strict=True)
        )
        kept.append(clean)
    findings = []
    if lost:
        findings.append(
            changed(f"{format_name} has no place for these; they were left out: {listed(lost)}.")
        )
    if altered:
        findings.append(
            changed(
                f"XML cannot hold control signs; they became \ufffd in {counted(altered, 'label')}."
            )
        )
    return kept, findings
