"""All recordings of a run, from files to windows; one that fails does not stop the others.

Reading a night and going over all windows take their time: files and windows made here ask the
run's context at every read whether to stop.
"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.config import Kind, RunConfig, check_excluded_modalities
from core.dataset import PreparedRecording, SignalStore, WindowSet, prepare
from core.errors import CrosslError, DataError
from core.find_recordings import (
    FoundRecording,
    find_recordings,
    open_recording,
)
from core.labels import label_columns, without_label_files
from core.modalities import AUTO, ModalityScheme, choose_scheme, kind_of, load_preset
from core.model import ModalityShape
from core.progress import RunContext
from core.recording import SIMULATED_FIELD, Finding, Recording, SignalFile
from core.saved_model import SavedModel


class WatchedFile(SignalFile):
    """A file whose every read asks first whether to stop. Raises Cancelled."""

    def __init__(self, file: SignalFile, context: RunContext) -> None:
        self._file = file
        self._context = context
        self.path = file.path
        self.format = file.format
        self.start_s = file.start_s
        self.has_clock = file.has_clock
        self.duration_s = file.duration_s
        self.channels = file.channels
        self.gaps = file.gaps
        self.annotations = file.annotations
        self.findings = file.findings

    def read(self, channel: int, start: int, stop: int) -> np.ndarray:
        self._context.look()
        return self._file.read(channel, start, stop)

    def texts(self, column: str) -> tuple[np.ndarray, list[str]]:
        self._context.look()
        return self._file.texts(column)


def watched(recording: Recording, context: RunContext) -> Recording:
    """The same recording, with files that ask at every read whether to stop."""
    sources = tuple(
        replace(source, file=WatchedFile(source.file, context)) for source in recording.sources
    )
    return replace(recording, sources=sources)


class WatchedWindows(WindowSet):
    """Windows that ask, whenever some are cut out, whether to stop. Raises Cancelled."""

    def __init__(
        self,
        recordings: Sequence[PreparedRecording],
        context: RunContext,
        *,
        dense: bool = False,
    ) -> None:
        super().__init__(recordings, dense=dense)
        self._context = context

    def gather(self, indices: np.ndarray, modality: str) -> np.ndarray:
        self._context.look()
        return super().gather(indices, modality)


@dataclass(frozen=True)
class StudyData:
    """What a run works on.

    `windows` are those that are labelled, predicted and evaluated; `dense` those of pretraining.
    `shapes` say what a model must know of each modality, in scheme order.
    """

    recordings: tuple[PreparedRecording, ...]
    scheme: ModalityScheme
    shapes: tuple[ModalityShape, ...]
    classes: tuple[str, ...]
    windows: WindowSet
    dense: WindowSet

    @property
    def modalities(self) -> tuple[str, ...]:
        return self.scheme.names

    @property
    def kinds(self) -> dict[str, Kind]:
        return {modality.name: kind_of(modality) for modality in self.scheme.modalities}

    @property
    def simulated(self) -> bool:
        """Whether any recording says that it is simulated."""
        return any(
            finding.field.endswith(SIMULATED_FIELD)
            for recording in self.recordings
            for finding in recording.findings
        )

    @property
    def paths(self) -> list[Path]:
        return [path for recording in self.recordings for path in recording.paths]


def load_study(
    config: RunConfig,
    root: Path,
    cache: Path,
    entries: list[dict[str, Any]],
    context: RunContext,
    start: SavedModel | None = None,
) -> StudyData:
    """Find, open and cut all recordings below `root`.

    `entries` gets one entry per recording for the report, also for those that fail or are
    excluded. With `start` the modalities are those of that model. Raises DataError when nothing is
    left, or an exclusion excludes nothing, and ConfigError when it names no modality.
    """
    bare = config.recordings.model_copy(update={"exclude": []})
    found = without_label_files(
        find_recordings(bare, root, label_columns(config.labels)),
        config.labels,
        root,
        listed={entry.id for entry in config.recordings.listed or ()},
    )
    reasons = _whole_exclusions(config, [one.id for one in found])
    opened: list[Recording] = []
    by_id: dict[str, dict[str, Any]] = {}
    for number, one in enumerate(found):
        context.step("opening", number + 1, len(found))
        entry = recording_entry(one)
        entries.append(entry)
        by_id[one.id] = entry
        if one.id in reasons:
            entry.update(status="excluded", error=reasons[one.id])
            continue
        try:
            opened.append(watched(open_recording(one, config.recordings), context))
        except CrosslError as error:
            entry.update(status="failed", error=str(error))
    if not opened:
        raise DataError(_nothing_left(entries))
    try:
        scheme = start.scheme if start is not None else choose_scheme(config.modalities, opened)
    except DataError as error:
        failed = [entry for entry in entries if entry["status"] == "failed"]
        if not failed:
            raise
        raise DataError(
            f"{error} {len(failed)} recordings could not be opened; the first: {failed[0]['error']}"
        ) from None
    check_excluded_modalities(config.recordings, _known_modalities(config, scheme))
    prepared = prepare(
        opened,
        scheme,
        config.windows,
        labels=config.labels,
        data_root=root,
        key_map=config.recordings.key_map,
        store=SignalStore(folder=cache),
        threads=config.threads,
        context=context,
    )
    for name, reason in prepared.failed.items():
        by_id[name].update(status="failed", error=str(reason))
    for recording in prepared.recordings:
        describe(by_id[recording.id], recording)
    if not prepared.recordings:
        raise DataError(_nothing_left(entries))
    windows = WatchedWindows(prepared.recordings, context)
    dense = (
        windows
        if all(one.pretrain_windows is one.windows for one in prepared.recordings)
        else WatchedWindows(prepared.recordings, context, dense=True)
    )
    for finding in scheme.findings:
        context.say(finding.message)
    return StudyData(
        recordings=prepared.recordings,
        scheme=scheme,
        shapes=model_shapes(scheme, config.windows.length_s),
        classes=prepared.classes,
        windows=windows,
        dense=dense,
    )


def model_shapes(scheme: ModalityScheme, length_s: float) -> tuple[ModalityShape, ...]:
    """What a model must know of each modality of a scheme."""
    return tuple(
        ModalityShape(
            name=modality.name,
            channels=len(modality.channels),
            rate_hz=scheme.rate_hz(modality.name),
            samples=scheme.samples(modality.name, length_s),
        )
        for modality in scheme.modalities
    )


def recording_entry(found: FoundRecording) -> dict[str, Any]:
    """A recording's entry in the report, before anything is known but its files."""
    return {
        "id": found.id,
        "path": str(found.paths[0]) if found.paths else None,
        "paths": {file.name: str(file.path) for file in found.files},
        "subject": found.subject,
        "status": "ok",
        "error": None,
        "findings": [],
        "duration_s": None,
        "windows": 0,
        "labelled_windows": 0,
        "present_share": {},
    }


def describe(entry: dict[str, Any], recording: PreparedRecording) -> None:
    """Fill a report's entry with what was read."""
    entry.update(
        duration_s=recording.duration_s,
        windows=len(recording.windows),
        labelled_windows=recording.labelled_windows,
        present_share=recording.present_share,
        findings=[finding_entry(finding) for finding in recording.findings],
    )


def finding_entry(finding: Finding) -> dict[str, str]:
    return {
        "severity": finding.severity,
        "field": finding.field,
        "message": finding.message,
    }


def _known_modalities(config: RunConfig, scheme: ModalityScheme) -> list[str]:
    """The modalities that are used, and those of the run file that no recording has or that the
    model which is started from does without: what is bad in them does no harm."""
    wanted = config.modalities
    if isinstance(wanted, str):
        preset = scheme.preset if wanted == AUTO else wanted
        wanted = list(load_preset(preset)) if preset is not None else []
    return list(dict.fromkeys([*scheme.names, *(modality.name for modality in wanted)]))


def _whole_exclusions(config: RunConfig, ids: list[str]) -> dict[str, str]:
    """Recordings that are excluded as a whole, with the reason.

    Raises DataError for an exclusion, whole or of a stretch, that fits no recording: bad data
    would be used without a word.
    """
    reasons: dict[str, str] = {}
    for exclusion in config.recordings.exclude:
        fitting = [name for name in ids if fnmatch.fnmatchcase(name, exclusion.recording)]
        if not fitting:
            near = difflib.get_close_matches(exclusion.recording, ids, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"ids look like '{ids[0]}'."
            raise DataError(
                f"recordings.exclude: no recording is called '{exclusion.recording}'; {hint}"
            )
        if exclusion.whole:
            text = exclusion.reason or "excluded by the run file"
            reasons.update(dict.fromkeys(fitting, text))
    return reasons


def _nothing_left(entries: list[dict[str, Any]]) -> str:
    failed = [entry for entry in entries if entry["status"] == "failed"]
    if not failed:
        return "Every recording is excluded; look at recordings.exclude."
    first = failed[0]
    return (
        f"None of the {len(entries)} recordings can be used. The first: {first['id']}: "
        f"{first['error']}"
    )
