"""From a plan to a study: files opened, labels brought in, everything written.

Whatever fails as a whole leaves no half-made study behind; a recording that cannot be opened is
named, and the others are taken.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.config import dump_config
from core.errors import CrosslError, DataError, OutputError
from core.find_recordings import FoundRecording, open_recording
from core.labels import LabelReader
from core.progress import RunContext
from core.recording import Recording
from core.study import Study, StudySettings
from core.study_file import HOLDER_FILE, LOCK_FILE, STUDY_FILE
from core.study_import import keep_import, label_change, modalities_of
from core.study_labels import RecordingLabels
from core.study_plan import StudyPlan

RECORDINGS_FOLDER = "recordings"


@dataclass(frozen=True)
class Creation:
    """What became of a plan.

    Attributes
    ----------
    problems: sentences about recordings that were left out and labels that were not understood.
    recordings, labels: how many were taken in.
    """

    folder: Path
    recordings: int
    labels: int
    problems: tuple[str, ...]


def create_study(plan: StudyPlan, context: RunContext) -> Creation:
    """Make the study of a plan.

    Raises DataError where no recording can be opened, StudyError and OutputError where the study
    cannot be written.
    """
    made_folder = not plan.folder.exists()
    settings = StudySettings(
        plan.name,
        plan.notes,
        _engine_of(plan),
        {
            key: value
            for key, value in dump_config(plan.recordings).items()
            if key not in ("listed", "exclude")
        },
    )
    study = Study.create(plan.folder, settings, plan.scheme)
    try:
        creation = _fill(study, plan, context)
    except BaseException:
        study.close()
        _remove(plan.folder, made_folder)
        raise
    study.close()
    return creation


def _fill(study: Study, plan: StudyPlan, context: RunContext) -> Creation:
    problems: list[str] = []
    opened: list[tuple[FoundRecording, Recording]] = []
    for number, found in enumerate(plan.found):
        context.step("opening recordings", number, len(plan.found))
        try:
            if plan.copy_recordings:
                found = _copied(found, plan)
            opened.append((found, open_recording(found, plan.recordings)))
        except CrosslError as error:
            if isinstance(error, OutputError):
                raise
            problems.append(str(error))
    if not opened:
        first = f" The first: {problems[0]}" if problems else ""
        raise DataError(f"None of the {len(plan.found)} recordings can be opened.{first}")
    ids = study.add_recordings(opened, plan.rater)
    labels = 0
    if plan.labels is not None:
        reader = LabelReader(plan.labels, plan.root, plan.recordings.key_map)
        labels = _bring_in_labels(study, plan, reader, [r for _, r in opened], problems, context)
    context.step("opening recordings", len(plan.found), len(plan.found))
    return Creation(plan.folder, len(ids), labels, tuple(problems))


def _bring_in_labels(
    study: Study,
    plan: StudyPlan,
    reader: LabelReader,
    opened: Sequence[Recording],
    problems: list[str],
    context: RunContext,
) -> int:
    """Import the labels that there are; returns how many."""
    assert plan.labels is not None
    rater = study.rater(plan.rater, "file")
    entries = {entry.name: entry for entry in study.recordings()}
    modalities = modalities_of(study.settings.engine)
    left_out: Counter[str] = Counter()
    count = 0
    for number, recording in enumerate(opened):
        context.step("reading labels", number, len(opened))
        entry = entries[recording.id]
        try:
            track = reader.read(recording)
            planned = label_change(
                track,
                plan.labels.mapping,
                study.scheme,
                RecordingLabels(),
                duration_s=entry.duration_s,
                modalities=modalities,
            )
            keep_import(
                study, entry, rater, planned, f"labels of {plan.rater}", take_grid_offset=True
            )
        except CrosslError as error:
            problems.append(f"{recording.id}: {error}")
            continue
        count += len(planned.change.added)
        left_out.update({row.text: row.count for row in planned.left_out})
    if left_out:
        texts = ", ".join(f"'{text}' ({n} times)" for text, n in left_out.most_common(10))
        problems.append(f"These labels are no class of the study and were left out: {texts}.")
    return count


def _engine_of(plan: StudyPlan) -> dict[str, Any]:
    modalities: Any = plan.modalities
    if not isinstance(modalities, str):
        modalities = [dump_config(modality) for modality in modalities]
    return {
        **plan.engine,
        "modalities": modalities,
        "windows": dump_config(plan.windows),
    }


def _copied(found: FoundRecording, plan: StudyPlan) -> FoundRecording:
    """The recording with its files copied below the study's folder."""
    files = []
    for file in found.files:
        try:
            relative = file.path.resolve().relative_to(plan.root.resolve())
        except ValueError:
            relative = Path(found.id) / file.path.name
        place = plan.folder / RECORDINGS_FOLDER / relative
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.path, place)
        except OSError as error:
            raise OutputError(f"{place}: cannot be written ({error.strerror}).") from error
        files.append(replace(file, path=place))
    return replace(found, files=tuple(files))


def _remove(folder: Path, whole: bool) -> None:
    """Take away what a failed creation has written."""
    if whole:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for name in (STUDY_FILE, f"{STUDY_FILE}-wal", f"{STUDY_FILE}-shm", LOCK_FILE, HOLDER_FILE):
        (folder / name).unlink(missing_ok=True)
