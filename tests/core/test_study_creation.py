"""A plan becomes a study with its labels, or nothing at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import DataError, StudyError
from core.progress import Cancelled, RunContext
from core.sample_studies import NIGHT_RATER, create_night_study
from core.study import Study
from core.study_creation import create_study
from core.study_file import is_study
from core.study_labels import to_s
from core.study_plan import StudyPlan, plan_from_run_file


@pytest.fixture
def plan(small_study, tmp_path: Path) -> StudyPlan:
    made = plan_from_run_file(small_study.run_file, tmp_path / "made")
    return replace(made, rater="EF")


def opened(folder: Path) -> Study:
    return Study.open(folder)


def test_a_run_file_becomes_a_study_with_its_labels(plan: StudyPlan):
    creation = create_study(plan, RunContext())
    assert (creation.recordings, creation.problems) == (5, ())
    study = opened(plan.folder)
    try:
        assert study.settings.name == "small"
        assert [entry.subject for entry in study.recordings()] == ["s1", "s2", "s3", "s4", "s5"]
        first = study.recordings()[0]
        (rater,) = study.raters()
        assert (rater.name, rater.kind) == ("EF", "file")
        labels = study.labels(first.id, rater.id)
        assert [(x.start_s, to_s(x.end_ns), x.class_name) for x in labels.states[:2]] == [
            (0.0, 10.0, "rest"),
            (10.0, 20.0, "walk"),
        ]
        assert {x.source for x in labels.states} == {"imported"}
        # The import is a step that can be taken back.
        assert len(study.edits(first.id, rater.id)) == 1
        channels = study.open_recording(first).sources[0].file.channels
        assert [channel.label for channel in channels] == ["ax", "ay", "gx"]
    finally:
        study.close()


def test_copied_recordings_go_along_when_the_study_moves(plan: StudyPlan, tmp_path: Path):
    create_study(replace(plan, copy_recordings=True), RunContext())
    moved = tmp_path / "elsewhere"
    plan.folder.rename(moved)
    for path in plan.root.glob("*.csv"):
        path.unlink()
    study = opened(moved)
    try:
        assert study.open_recording(study.recordings()[0]).duration_s == pytest.approx(60)
    finally:
        study.close()


def test_a_recording_that_cannot_be_opened_is_named_and_the_others_taken(plan: StudyPlan):
    (plan.root / "s2.csv").write_bytes(b"\0\1\2")
    creation = create_study(plan, RunContext())
    assert creation.recordings == 4
    assert "s2.csv" in creation.problems[0]


def test_nothing_is_left_behind_where_no_recording_can_be_opened(plan: StudyPlan):
    for path in plan.root.glob("*.csv"):
        path.write_bytes(b"\0\1\2")
    with pytest.raises(DataError, match="None of the 5"):
        create_study(plan, RunContext())
    assert not plan.folder.exists()


def test_a_cancelled_creation_leaves_the_folder_as_it_was(plan: StudyPlan):
    plan.folder.mkdir()
    (plan.folder / "mine.txt").write_text("mine")
    calls = []

    def stop() -> bool:
        calls.append(1)
        return len(calls) > 2

    with pytest.raises(Cancelled):
        create_study(plan, RunContext(should_stop=stop))
    assert not is_study(plan.folder)
    assert (plan.folder / "mine.txt").read_text() == "mine"


def test_a_study_is_never_made_over_another(plan: StudyPlan):
    create_study(plan, RunContext())
    with pytest.raises(StudyError, match="there is a study in it already"):
        create_study(plan, RunContext())
    study = opened(plan.folder)
    study.close()


def test_a_simulated_night_has_its_hypnogram(tmp_path: Path):
    creation = create_night_study(tmp_path / "night", RunContext(), hours=0.1, seed=1)
    assert creation.labels == 12
    study = opened(creation.folder)
    try:
        assert study.scheme.ordered
        (entry,) = study.recordings()
        (rater,) = study.raters()
        assert rater.name == NIGHT_RATER
        assert len(study.labels(entry.id, rater.id).states) == 12
        (file,) = entry.files
        assert file.relative_path == "recordings/night.edf"
    finally:
        study.close()
