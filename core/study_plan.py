"""What a new study is to be: everything that is settled before anything is written.

A plan comes from a run file or from the new-study window. Recordings are found but not opened.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.config import (
    EpochLabels,
    ExclusionConfig,
    FileLabels,
    LabelsConfig,
    ModalityConfig,
    RecordingsConfig,
    RunConfig,
    WindowsConfig,
    load_run_file,
    make_config,
)
from core.errors import ConfigError, CrosslError
from core.find_recordings import FoundRecording, find_recordings
from core.guess_channels import ModalitiesChoice
from core.guess_labels import label_counts
from core.label_scheme import LabelScheme, scheme_for
from core.labels import label_columns, without_label_files
from core.look_into import open_some
from core.progress import RunContext

IMPORTED_RATER = "imported"
LEFT_OUT = "left out when the study was made"
_PLANNED = ("schema_version", "name", "notes", "data_root", "recordings", "modalities", "windows",
            "labels")  # fmt: skip


@dataclass(frozen=True)
class StudyPlan:
    """A new study, before it is made.

    Attributes
    ----------
    folder: of the new study. root: folder that patterns are relative to.
    found: the recordings to take.
    modalities: name of a preset, `auto`, or a list.
    labels: labels that are there already, to be brought in; None for none.
    rater: whose labels those are.
    copy_recordings: whether files are copied into the study's folder.
    engine: the rest of the run file's document as given (model, pretrain, finetune …).
    """

    folder: Path
    name: str
    notes: str
    root: Path
    recordings: RecordingsConfig
    found: tuple[FoundRecording, ...]
    modalities: ModalitiesChoice
    windows: WindowsConfig
    scheme: LabelScheme
    labels: LabelsConfig | None = None
    rater: str = IMPORTED_RATER
    copy_recordings: bool = False
    engine: dict[str, Any] = field(default_factory=dict)

    def run_config(self) -> RunConfig:
        """The run file that the plan amounts to. Raises ConfigError where that cannot be."""
        document = {
            **self.engine,
            "name": self.name,
            "notes": self.notes,
            "recordings": self.recordings.model_dump(mode="json"),
            "modalities": self.modalities
            if isinstance(self.modalities, str)
            else [modality.model_dump(mode="json") for modality in self.modalities],
            "windows": self.windows.model_dump(mode="json"),
            "labels": None if self.labels is None else self.labels.model_dump(mode="json"),
        }
        return make_config(document, "study")


# ---------------------------------------------------------------- from a run file


def plan_from_run_file(
    path: Path, folder: Path, data_root: Path | None = None, context: RunContext | None = None
) -> StudyPlan:
    """The plan of any run file. `data_root` takes the place of the run file's own.

    Where the run file does not name the classes, the labels of all recordings are read for them.
    Raises ConfigError or DataError where the run file or its recordings cannot be used.
    """
    context = context or RunContext()
    path = Path(os.path.abspath(path))
    config = load_run_file(path)
    root = data_root if data_root is not None else _own_root(path, config)
    found = recordings_to_take(config.recordings, root, config.labels)
    epoch_s = _own_epoch_s(config.labels) or config.windows.length_s
    return StudyPlan(
        folder=folder,
        name=config.name,
        notes=config.notes,
        root=root,
        recordings=config.recordings,
        found=found,
        modalities=config.modalities
        if isinstance(config.modalities, str)
        else tuple(config.modalities),
        windows=config.windows,
        scheme=scheme_for(_classes(config, found, root, context), epoch_s),
        labels=config.labels,
        engine=engine_of_run_file(path),
    )


def _own_root(path: Path, config: RunConfig) -> Path:
    return Path(os.path.normpath(path.parent / Path(config.data_root or ".").expanduser()))


def _own_epoch_s(labels: LabelsConfig | None) -> float | None:
    return labels.epoch_s if isinstance(labels, EpochLabels | FileLabels) else None


def _classes(
    config: RunConfig, found: Sequence[FoundRecording], root: Path, context: RunContext
) -> tuple[str, ...]:
    labels = config.labels
    if labels is None:
        return ()
    if labels.classes:
        return tuple(labels.classes)
    opened = open_some(found, config.recordings, context, most=None)
    counts = label_counts(opened, labels, root, config.recordings, context)
    return tuple(sorted(counts.classes))


def engine_of_run_file(path: Path) -> dict[str, Any]:
    """The run file's document without what a plan or a study says by itself.

    Raises ConfigError where it is none.
    """
    load_run_file(path)  # says what is wrong
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8-sig"))
    engine = {key: value for key, value in document.items() if key not in _PLANNED}
    start_from = engine.get("finetune", {}).get("from")
    if start_from is not None:  # relative to the run file, which stays where it is
        place = os.path.normpath(Path(os.path.abspath(path)).parent / start_from)
        engine["finetune"] = {**engine["finetune"], "from": place}
    return engine


# ---------------------------------------------------------------- finding


@dataclass(frozen=True)
class RecordingRow:
    """A recording as patterns find it. `problem`: why it cannot be used; `taken`: whether it is."""

    id: str
    subject: str
    files: tuple[Path, ...]
    problem: str = ""
    taken: bool = True


@dataclass(frozen=True)
class RecordingsPreview:
    """What patterns find. With a `problem` they find nothing, and this is why."""

    rows: tuple[RecordingRow, ...] = ()
    found: tuple[FoundRecording, ...] = ()
    problem: str = ""

    @property
    def subjects(self) -> int:
        return len({row.subject for row in self.rows if row.taken})

    @property
    def problems(self) -> int:
        return sum(bool(row.problem) for row in self.rows if row.taken)

    @property
    def taken(self) -> int:
        return sum(row.taken for row in self.rows)


def preview_recordings(
    config: RecordingsConfig, root: Path, labels: LabelsConfig | None = None
) -> RecordingsPreview:
    """What the patterns find, recordings that are left out included. Never raises for what a user
    can mistake."""
    try:
        bare = config.model_copy(update={"exclude": []})
        all_found = recordings_to_take(bare, root, labels)
        whole = config.model_copy(update={"exclude": [e for e in config.exclude if e.whole]})
        kept: set[str] = set()
        try:
            kept = {one.id for one in find_recordings(whole, root)}
        except CrosslError:
            if not whole.exclude:
                raise
            # All of them are left out, which the rows show.
    except CrosslError as error:
        return RecordingsPreview(problem=str(error))
    except OSError as error:
        return RecordingsPreview(problem=f"{root}: the folder cannot be read ({error.strerror}).")
    rows = tuple(
        RecordingRow(one.id, one.subject, one.paths, one.error or "", one.id in kept)
        for one in all_found
    )
    taken = tuple(one for one in all_found if one.id in kept)
    return RecordingsPreview(rows, taken)


def recordings_to_take(
    config: RecordingsConfig, root: Path, labels: LabelsConfig | None = None
) -> tuple[FoundRecording, ...]:
    """The recordings that patterns find, without the files of labels that fit them too.

    Label columns are noted with the files, so that they are not read as signals.
    """
    found = find_recordings(config, root, label_columns(labels))
    try:
        listed = {entry.id for entry in config.listed or ()}
        return tuple(without_label_files(found, labels, root, listed))
    except CrosslError:  # a field that the recordings do not have: told with the labels
        return tuple(found)


def leaving_out(config: RecordingsConfig, ids: Sequence[str]) -> RecordingsConfig:
    """The config with just these recordings left out as a whole; stretches stay as they are."""
    kept = [entry for entry in config.exclude if not entry.whole]
    before = {entry.recording: entry for entry in config.exclude if entry.whole}
    whole = [before.get(id) or ExclusionConfig(recording=id, reason=LEFT_OUT) for id in ids]
    return config.model_copy(update={"exclude": [*kept, *whole]})


# ---------------------------------------------------------------- parts from plain values


def make_recordings(values: Mapping[str, Any]) -> RecordingsConfig:
    """A part of a run file from plain values, as typed. Raises ConfigError in words."""
    return _part("recordings", values).recordings


def make_modality(values: Mapping[str, Any]) -> ModalityConfig:
    """See `make_recordings`."""
    made = _part("modalities", [values], "modalities.0.").modalities
    if isinstance(made, str):
        raise ConfigError("A modality is an object.")
    return made[0]


def make_windows(values: Mapping[str, Any]) -> WindowsConfig:
    """See `make_recordings`."""
    return _part("windows", values).windows


def make_labels(values: Mapping[str, Any]) -> LabelsConfig:
    """See `make_recordings`."""
    made = _part("labels", values).labels
    if made is None:
        raise ConfigError("labels: there are none.")
    return made


def _part(key: str, values: Any, prefix: str | None = None) -> RunConfig:
    document: dict[str, Any] = {
        "recordings": {"sources": [{"pattern": "file"}]},
        "windows": {"length_s": 1},
        key: values,
    }
    where = "study"
    try:
        return make_config(document, where)
    except ConfigError as error:
        text = str(error).removeprefix(f"{where}: ").replace(prefix or f"{key}.", "")
        raise ConfigError(text) from None


def with_scheme_classes(labels: LabelsConfig, scheme: LabelScheme) -> LabelsConfig:
    """The labels with the scheme's classes as theirs, events and marks too, as they are brought in:
    other texts become unlabelled.

    Raises ConfigError where the mapping leads to a class that the scheme does not have.
    """
    names = [entry.name for entry in scheme.classes]
    wrong = sorted({c for c in labels.mapping.values() if c and c not in names})
    if wrong:
        raise ConfigError(
            f"The mapping of labels leads to {', '.join(wrong)}, which is no class of the study; "
            "add the class, or change the mapping."
        )
    return labels.model_copy(update={"classes": names})


def check_folder(folder: Path) -> str:
    """Why no study can be made in this folder, in words; empty where one can."""
    if (folder / "study.sqlite").exists():
        return f"{folder} already holds a study. Choose another folder, or open that study."
    if folder.exists() and not folder.is_dir():
        return f"{folder} is a file. Choose a folder."
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return f"{place} is a file, so there can be no folder in it."
    if not os.access(place, os.W_OK | os.X_OK):
        return f"{place} cannot be written. Choose a folder of your own."
    return ""
