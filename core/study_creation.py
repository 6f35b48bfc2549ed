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

from core.config import RecordingsConfig, dump_config
from core.errors import CrosslError, DataError, OutputError
from core.find_recordings import FoundRecording, open_recording
from core.labels import LabelReader
from core.progress import RunContext
from core.recording import Recording
from core.study import Study, StudySettings
from core.study_addition import RECORDINGS_FOLDER as RECORDINGS_FOLDER  # where copies go
from core.study_addition import Copies, keep_labels, left_out_texts
from core.study_file import HOLDER_FILE, LOCK_FILE, STUDY_FILE
from core.study_import import modalities_of
from core.study_plan import StudyPlan


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
        plan.name, plan.notes, _engine_of(plan), _recordings_of(plan.recordings)
    )
    if plan.labels is not None:
        settings = replace(settings, min_cover=plan.labels.min_cover)
    study = Study.create(plan.folder, settings, plan.scheme)
    copies = Copies(plan.folder, plan.root)
    try:
        creation = _fill(study, plan, copies, context)
    except BaseException:
        study.close()
        copies.take_back()
        _remove(plan.folder, made_folder)
        raise
    study.close()
    return creation


def _fill(study: Study, plan: StudyPlan, copies: Copies, context: RunContext) -> Creation:
    problems: list[str] = []
    opened: list[tuple[FoundRecording, Recording]] = []
    for number, found in enumerate(plan.found):
        context.step("opening recordings", number, len(plan.found))
        before = len(copies.paths)
        try:
            if plan.copy_recordings:
                found = copies.copy(found, context)
            opened.append((found, open_recording(found, plan.recordings)))
        except CrosslError as error:
            if isinstance(error, OutputError):
                raise
            problems.append(str(error))
            copies.take_back(before)
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
            planned = keep_labels(study, entry, rater, track, plan.labels, modalities)
        except CrosslError as error:
            problems.append(f"{recording.id}: {error}")
            continue
        count += len(planned.change.added)
        left_out.update({row.text: row.count for row in planned.left_out})
    problems += left_out_texts(left_out)
    return count


def _recordings_of(config: RecordingsConfig) -> dict[str, Any]:
    """What the study keeps of how recordings were found: it lists them itself, but for the
    stretches that are not to be used."""
    kept = {key: value for key, value in dump_config(config).items() if key != "listed"}
    kept["exclude"] = [dump_config(entry) for entry in config.exclude if not entry.whole]
    return kept


def _engine_of(plan: StudyPlan) -> dict[str, Any]:
    modalities: Any = plan.modalities
    if not isinstance(modalities, str):
        modalities = [dump_config(modality) for modality in modalities]
    return {
        **plan.engine,
        "modalities": modalities,
        "windows": dump_config(plan.windows),
    }


def _remove(folder: Path, whole: bool) -> None:
    """Take away what a failed creation has written."""
    if whole:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for name in (STUDY_FILE, f"{STUDY_FILE}-wal", f"{STUDY_FILE}-shm", LOCK_FILE, HOLDER_FILE):
        (folder / name).unlink(missing_ok=True)
