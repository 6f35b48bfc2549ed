"""Small studies for tests: a few EDF recordings, a sleep scheme, raters with labels."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
from edfio import Edf, EdfAnnotation, EdfSignal, Recording

from core.config import RecordingsConfig, SourceConfig
from core.find_recordings import find_recordings, open_recording
from core.label_scheme import LabelScheme, load_scheme
from core.study import Rater, Study, StudyRecording, StudySettings
from core.study_import import edit_for
from core.study_labels import NS, Change, StudyLabel, new_id

START = datetime(2024, 3, 1, 22, 30, 0)
SECONDS = 600
STAGES = ("W", "N1", "N2", "N3", "N2", "R")


def write_edf(
    path: Path,
    seconds: int = SECONDS,
    start: datetime | None = START,
    annotations: list[tuple[float, float, str]] | None = None,
    seed: int = 0,
) -> Path:
    """An EDF file with an EEG and an EMG of 10 Hz each, random numbers."""
    rng = np.random.default_rng(seed)
    signals = [
        EdfSignal(rng.normal(size=seconds * 10), 10, label=label, physical_dimension="uV")
        for label in ("EEG C3-M2", "EMG chin")
    ]
    notes = [EdfAnnotation(onset, length, text) for onset, length, text in annotations or []]
    when = {} if start is None else {
        "starttime": start.time(), "recording": Recording(startdate=start.date())
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    Edf(signals, annotations=notes or None, **when).write(path)
    return path


def make_study(
    folder: Path, names: tuple[str, ...] = ("n1", "n2"), scheme: LabelScheme | None = None
) -> Study:
    """A study in `folder / "study"` of EDF recordings beside it, in `folder / "data"`."""
    for number, name in enumerate(names):
        write_edf(folder / "data" / f"{name}.edf", seed=number)
    config = RecordingsConfig(sources=[SourceConfig(pattern="data/{subject}.edf")])
    engine = {
        "windows": {"length_s": 30},
        "modalities": [
            {"name": "eeg", "channels": ["C3-M2"]},
            {"name": "emg", "channels": ["EMG chin"]},
        ],
    }
    study = Study.create(
        folder / "study",
        StudySettings("Nights", engine=engine),
        scheme or load_scheme("sleep_aasm"),
    )
    found = find_recordings(config, folder)
    study.add_recordings([(one, open_recording(one, config)) for one in found])
    return study


def label(
    start_s: float, end_s: float, name: str, kind: str = "state", modality: str = ""
) -> StudyLabel:
    """A label as a person gives it."""
    return StudyLabel(new_id(), round(start_s * NS), round(end_s * NS), name, kind, modality)


def stage_labels(seconds: int = SECONDS, epoch_s: int = 30) -> list[StudyLabel]:
    """A stage for every epoch, in turns, but none from 120 s to 150 s."""
    return [
        label(k * epoch_s, (k + 1) * epoch_s, STAGES[k % len(STAGES)])
        for k in range(seconds // epoch_s)
        if k != 4
    ]


def put(study: Study, recording: StudyRecording, rater: Rater, labels: list[StudyLabel]) -> None:
    """Give a rater labels, in one edit."""
    study.write_edit(recording.id, rater.id, edit_for(Change((), tuple(labels)), "test"))
