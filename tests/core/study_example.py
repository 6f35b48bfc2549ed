"""Small studies, for tests of what lies in a study. Imports no torch and no Qt: a child program
uses it too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.config import SourceConfig
from core.find_recordings import FoundFile, FoundRecording
from core.label_journal import LabelJournal
from core.label_scheme import LabelScheme, load_scheme
from core.recording import Recording
from core.study import Study, StudySettings
from tests.core.edf_bytes import make_file, make_signal

DURATION_S = 1200.0
"""Of every recording: 40 epochs of 30 s."""


def write_recording(path: Path) -> None:
    """A small EDF file that can be opened, one record of 30 s an epoch."""
    records = [[bytes(20)] for _ in range(int(DURATION_S // 30))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(make_file([make_signal()], records, record_s=30))


def found_recording(
    path: Path, name: str, subject: str = "s1", **settings: object
) -> FoundRecording:
    """A recording of one file, as finding gives it."""
    source = SourceConfig.model_validate({"pattern": "{subject}.edf", **settings})
    return FoundRecording(name, subject, {"subject": subject}, (FoundFile("main", path, source),))


def open_in_memory(found: FoundRecording) -> Recording:
    """What a study asks of an opened recording, without a reader."""
    return Recording(found.id, found.subject, found.fields, (), 0.0, False, DURATION_S)


def make_study(
    folder: Path, names: Sequence[str] = ("night1",), scheme: LabelScheme | None = None
) -> Study:
    """A study with recordings, whose files lie in `recordings/` beside its folder."""
    study = Study.create(folder, StudySettings("example"), scheme or load_scheme("sleep_aasm"))
    opened = []
    for number, name in enumerate(names):
        path = folder.parent / "recordings" / f"{name}.edf"
        write_recording(path)
        found = found_recording(path, name, f"s{number + 1}")
        opened.append((found, open_in_memory(found)))
    study.add_recordings(opened, "AB")
    return study


def open_journal(study: Study, recording: int = 0, rater: str = "AB") -> LabelJournal:
    """The journal of one rater, who is added where new."""
    return LabelJournal(study, study.recordings()[recording], study.rater(rater))
