"""A study as a run file with its labels beside it, so that batch mode repeats it without the study.

`run.json` lists every recording by its files; `run_labels.csv` holds the states of one rater for
each recording, and `run_events.csv` the events and marks, for people.
"""

from __future__ import annotations

import csv
import fnmatch
import io
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.atomic_file import write_atomically
from core.config import SourceConfig, dump_config, make_config
from core.errors import ConfigError, OutputError, StudyError
from core.label_scheme import BAD_SIGNAL
from core.label_set import changed, counted, decimal_text, listed, note
from core.recording import Finding
from core.study import Rater, Study, StudyFileEntry, StudyRecording
from core.study_labels import RecordingLabels, StudyLabel

_LABEL_COLUMNS = ("recording", "onset_s", "duration_s", "label", "rater", "source", "confidence")
_EVENT_COLUMNS = (
    *("recording", "onset_s", "duration_s", "event", "kind", "modality"),
    *("rater", "source", "confidence"),
)
_NUMBER = re.compile(r"\d+(\.0*)?", re.ASCII)  # `2` and `02` are one name in a table
# What a run file says of itself, and the study knows better.
_OWN_KEYS = ("schema_version", "name", "notes", "data_root", "recordings", "labels")


@dataclass(frozen=True)
class RunFile:
    """A run file that was written.

    Attributes
    ----------
    paths: the run file, the labels, the events.
    raters: whose states count, by recording; recordings without any are left out.
    command: what a shell is told to repeat the study.
    """

    paths: tuple[Path, Path, Path]
    raters: dict[str, str]
    findings: tuple[Finding, ...]

    @property
    def path(self) -> Path:
        return self.paths[0]

    @property
    def command(self) -> str:
        """How batch mode runs it."""
        output = self.path.with_name(f"{self.path.stem}_results")
        return f"crossl-app --batch {shell_quoted(self.path)} --output {shell_quoted(output)}"


def shell_quoted(path: Path) -> str:
    """A path as a shell takes it, in quotes where it needs them."""
    text = str(path)
    return f'"{text}"' if any(sign in text for sign in " &()'") else text


def run_file_paths(path: Path) -> tuple[Path, Path, Path]:
    """The files that an export writes: the run file, its labels, its events."""
    return (
        path,
        path.with_name(f"{path.stem}_labels.csv"),
        path.with_name(f"{path.stem}_events.csv"),
    )


def export_run_file(
    study: Study,
    path: Path,
    raters: Sequence[str],
    force: bool = False,
    *,
    engine: dict[str, Any] | None = None,
    only: Collection[str] | None = None,
) -> RunFile:
    """Write the study as a run file.

    `raters` in order of preference: the states of a recording are those of the first who gave it
    any. 'Bad signal' counts where any of them marked it, or anybody where that is a consensus.
    `engine` takes the place of the study's own settings of the engine; `only` names the recordings
    that are written, all when None. Without raters, which only
    pretraining allows, no labels are written.

    Raises StudyError where the study cannot be said as a run file, ConfigError where its settings
    do not fit its labels, and OutputError where a file is there already, without `force`, or cannot
    be written.
    """
    paths = run_file_paths(path)
    if re.search(r"[{}*?]", path.name):
        raise ConfigError(f"{path.name}: braces, '*' and '?' have a meaning of their own there.")
    there = [each for each in paths if each.exists()]
    if there and not force:
        raise OutputError(f"{there[0]}: there already; choose another name, or let it be replaced.")
    export = _Export(study, path, raters, study.settings.engine if engine is None else engine, only)
    document = export.document()
    make_config(document, path.name)  # says what is wrong before anything is written
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    write_atomically(paths[1], export.labels_table())
    write_atomically(paths[2], export.events_table())
    write_atomically(paths[0], text.encode("utf-8"))
    return RunFile(paths, export.chosen, tuple(export.findings))


class _Export:
    """What is written, gathered from the study once."""

    def __init__(
        self,
        study: Study,
        path: Path,
        raters: Sequence[str],
        engine: dict[str, Any],
        only: Collection[str] | None,
    ) -> None:
        self._study = study
        self._engine = engine
        self._folder = path.resolve().parent
        self._labels_name = run_file_paths(path)[1].name
        self.findings: list[Finding] = []
        self._recordings = study.recordings()
        if not self._recordings:
            raise StudyError("The study has no recordings yet; add some before it is exported.")
        if only is not None:
            self._recordings = tuple(one for one in self._recordings if one.name in only)
            if not self._recordings:
                raise StudyError("No recording is chosen; choose at least one.")
        self._raters = [_rater_named(study, name) for name in raters]
        if not self._raters and engine.get("steps") != ["pretrain"]:
            raise StudyError("Say whose labels count: name a rater.")
        self._scheme = study.scheme
        self._refuse_what_tables_cannot_say()
        every = study.raters()
        consensus = any(rater.kind == "consensus" for rater in self._raters)
        # Without raters anybody may say where a signal is bad.
        self._with_events = list(every) if consensus or not self._raters else self._raters
        self._labels: dict[int, dict[int, RecordingLabels]] = {
            recording.id: {
                rater.id: study.labels(recording.id, rater.id)
                for rater in dict.fromkeys((*self._raters, *self._with_events))
            }
            for recording in self._recordings
        }
        self.chosen: dict[str, str] = {}
        self._states: dict[int, tuple[Rater, tuple[StudyLabel, ...]]] = {}
        for recording in self._recordings:
            for rater in self._raters:
                states = self._labels[recording.id][rater.id].states
                if states:
                    self._states[recording.id] = (rater, states)
                    self.chosen[recording.name] = rater.name
                    break
        if not self._states and self._raters:
            raise StudyError(
                f"{listed([rater.name for rater in self._raters])} labelled no recording yet; "
                "choose another rater."
            )
        bare = [r.name for r in self._recordings if r.id not in self._states]
        if bare and self._raters:
            self.findings.append(
                note(
                    f"{counted(len(bare), 'recording')} without labels of these raters; batch "
                    f"mode learns from their signals alone: {listed(bare)}."
                )
            )

    def _refuse_what_tables_cannot_say(self) -> None:
        split = [c.name for c in self._scheme.states if len(c.name.splitlines()) != 1]
        if split:
            raise StudyError(f"The class {listed(split)} has a line break in its name; rename it.")
        numbers: dict[float, str] = {}
        for name in (recording.name for recording in self._recordings):
            if _NUMBER.fullmatch(name) and numbers.setdefault(float(name), name) != name:
                raise StudyError(
                    f"The recordings '{numbers[float(name)]}' and '{name}' are the same number, "
                    "and a table of labels cannot tell them apart; add them to the study under "
                    "other names."
                )

    # -- the run file

    def document(self) -> dict[str, Any]:
        settings = self._study.settings
        engine = {key: value for key, value in self._engine.items() if key not in _OWN_KEYS}
        windows = engine.pop("windows", None) or {"length_s": self._scheme.epoch_s}
        modalities = engine.pop("modalities", "auto")
        start = engine.get("finetune", {}).get("from")
        if start:
            place = self._study.folder / Path(start).expanduser()
            engine["finetune"] = {**engine["finetune"], "from": self._relative(place)}
        document = {
            "schema_version": 1,
            "name": settings.name,
            **({"notes": settings.notes} if settings.notes else {}),
            "recordings": self._recordings_document(settings.recordings),
            "modalities": modalities,
            "windows": windows,
        }
        if self._raters:
            document["labels"] = {
                "kind": "table",
                "pattern": self._labels_name,
                "key_column": "recording",
                "key": "recording",
                "time_column": "onset_s",
                "duration_column": "duration_s",
                "label_column": "label",
                "clock": "elapsed",
                "classes": [entry.name for entry in self._scheme.states],
                "min_cover": settings.min_cover,
                "csv": {"separator": ",", "decimal": ".", "header": True},
            }
        return {**document, **engine}

    def _recordings_document(self, settings: dict[str, Any]) -> dict[str, Any]:
        names: dict[str, str] = {}  # of the sources, by their settings
        sources: list[dict[str, Any]] = []
        every = []
        missing = []
        for recording in self._recordings:
            files = {}
            for entry in recording.files:
                place = self._study.path_of(entry)
                if not place.is_file():
                    missing.append(place.name)
                files[entry.source] = {
                    "path": self._relative(place),
                    "source": _source_name(entry, names, sources),
                }
            fields = {
                k: v for k, v in recording.fields.items() if k not in ("subject", "recording")
            }
            every.append(
                {
                    "id": recording.name,
                    "subject": recording.subject,
                    **({"fields": fields} if fields else {}),
                    "files": files,
                }
            )
        if missing:
            self.findings.append(
                changed(
                    f"{counted(len(missing), 'file')} of recordings are not where the study saw "
                    f"them last: {listed(missing)}; say where they lie now (Study → Find moved "
                    "files), and export again."
                )
            )
        exclude = [*self._exclusions_of(settings), *self._bad_signal()]
        return {
            "sources": sources,
            "listed": every,
            "join": settings.get("join", "overlap"),
            **({"exclude": exclude} if exclude else {}),
        }

    def _exclusions_of(self, settings: dict[str, Any]) -> list[dict[str, Any]]:
        """Exclusions that the study came with, but for those that fit no recording."""
        names = [recording.name for recording in self._recordings]
        return [
            entry
            for entry in settings.get("exclude", ())
            if any(fnmatch.fnmatchcase(name, entry["recording"]) for name in names)
        ]

    def _bad_signal(self) -> Iterator[dict[str, Any]]:
        """Stretches of bad signal, joined where several raters marked the same."""
        for recording in self._recordings:
            by_modality: dict[str, list[StudyLabel]] = {}
            for rater in self._with_events:
                for event in self._labels[recording.id][rater.id].events:
                    if event.class_name == BAD_SIGNAL and event.end_ns > event.start_ns:
                        by_modality.setdefault(event.modality, []).append(event)
            for modality, events in sorted(by_modality.items()):
                for start_ns, end_ns in _joined(events):
                    whole = start_ns <= 0 and end_ns >= round(recording.duration_s * 1e9)
                    stretch = {"start_s": start_ns / 1e9, "end_s": end_ns / 1e9}
                    yield {
                        "recording": recording.name,
                        **({} if whole and not modality else stretch),
                        **({"modality": modality} if modality else {}),
                        "reason": "bad signal, marked in the study",
                    }

    def _relative(self, place: Path) -> str:
        """A path from the run file's folder where there is a way, with slashes."""
        place = place.resolve()
        try:
            return Path(os.path.relpath(place, self._folder)).as_posix()
        except ValueError:  # another drive
            return place.as_posix()

    # -- the tables

    def labels_table(self) -> bytes:
        rows = (
            (recording.name, *_times(label), label.class_name, rater.name, *_origin(label))
            for recording in self._recordings
            if recording.id in self._states
            for rater, states in (self._states[recording.id],)
            for label in states
        )
        return _table(_LABEL_COLUMNS, rows)

    def events_table(self) -> bytes:
        rows = (
            (
                *(recording.name, *_times(label), label.class_name, label.kind, label.modality),
                *(rater.name, *_origin(label)),
            )
            for recording in self._recordings
            for rater in self._with_events
            for label in (*self._of(recording, rater).events, *self._of(recording, rater).marks)
        )
        return _table(_EVENT_COLUMNS, rows)

    def _of(self, recording: StudyRecording, rater: Rater) -> RecordingLabels:
        return self._labels[recording.id][rater.id]


def _rater_named(study: Study, name: str) -> Rater:
    for rater in study.raters():
        if rater.name.casefold() == name.strip().casefold():
            return rater
    known = ", ".join(rater.name for rater in study.raters()) or "none yet"
    raise StudyError(f"There is no rater '{name}' in the study; there are {known}.")


def _source_name(
    entry: StudyFileEntry, names: dict[str, str], sources: list[dict[str, Any]]
) -> str:
    """The name of the source with this file's settings, which is added where there is none."""
    # Columns of labels are no signals, and the labels come from elsewhere now.
    ignored = dict.fromkeys((*entry.settings.csv.ignore_columns, *entry.label_columns))
    settings = entry.settings.model_copy(
        update={
            "pattern": "",
            "values": {},
            "name": "",
            "csv": entry.settings.csv.model_copy(update={"ignore_columns": list(ignored)}),
        }
    )
    key = json.dumps(dump_config(settings), sort_keys=True)
    if key not in names:
        number, name = 1, entry.source
        while name in names.values():
            number += 1
            name = f"{entry.source}_{number}"
        names[key] = name
        sources.append({"name": name, **_without_defaults(settings)})
    return names[key]


def _without_defaults(settings: SourceConfig) -> dict[str, Any]:
    values = settings.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {key: value for key, value in values.items() if key not in ("name", "pattern")}


def _joined(events: Iterable[StudyLabel]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for event in sorted(events, key=lambda x: (x.start_ns, x.end_ns)):
        if joined and event.start_ns <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], event.end_ns))
        else:
            joined.append((event.start_ns, event.end_ns))
    return joined


def _times(label: StudyLabel) -> tuple[str, str]:
    """Onset and duration in seconds, as exact as the study holds them."""
    return _seconds(label.start_ns), _seconds(label.end_ns - label.start_ns)


def _seconds(nanoseconds: int) -> str:
    return decimal_text(Decimal(nanoseconds).scaleb(-9))


def _origin(label: StudyLabel) -> tuple[str, str]:
    sure = "" if label.confidence is None else decimal_text(label.confidence)
    return label.source, sure


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(columns)
    out.writerows(rows)
    return text.getvalue().encode("utf-8")
