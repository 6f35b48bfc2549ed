"""Recordings are added to a study that exists: what it has already is told, the rest added."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.config import (
    AnnotationLabels,
    ExclusionConfig,
    ListedFile,
    ListedRecording,
    RecordingsConfig,
    SourceConfig,
)
from core.errors import CrosslError, DataError, OutputError
from core.find_recordings import FoundRecording, find_recordings
from core.progress import Cancelled, RunContext
from core.study import Study, StudySettings
from core.study_addition import (
    AdditionPlan,
    Copies,
    add_to_study,
    compare_with,
    keep_addition,
    keep_recording,
    open_addition,
    plan_addition,
    reading_settings,
    remove_copies,
    root_of_patterns,
    with_reading_settings,
)
from core.study_creation import create_study
from core.study_labels import to_s
from core.study_plan import plan_from_run_file
from tests.core.study_makers import make_study, put, stage_labels, write_edf

PATTERN = RecordingsConfig(sources=[SourceConfig(pattern="data/{subject}.edf")])
SCORED = [(30.0 * k + 10, 30.0, f"Sleep stage {'W123R'[k % 5]}") for k in range(5)]
STAGES = AnnotationLabels(
    kind="annotations",
    mapping={"Sleep stage W": "W", "Sleep stage 1": "N1", "Sleep stage 2": "Light",
             "Sleep stage 3": "N3"},
)  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    made = make_study(tmp_path)
    yield made
    made.close()


def found_in(folder: Path, config: RecordingsConfig = PATTERN) -> list[FoundRecording]:
    return find_recordings(config, folder)


def plan_of(study: Study, folder: Path, **more: object) -> AdditionPlan:
    return plan_addition(
        study.folder, study.recordings(), PATTERN, folder, found_in(folder), **more
    )


def states(plan: AdditionPlan) -> dict[str, str]:
    return {one.found.id: one.state for one in plan.candidates}


# ---------------------------------------------------------------- what is there already


def test_a_pattern_that_finds_old_and_new_recordings_adds_the_new_ones(study, tmp_path):
    write_edf(tmp_path / "data" / "n3.edf", seed=3)
    plan = plan_of(study, tmp_path)
    assert states(plan) == {"n1": "there", "n2": "there", "n3": "new"}
    assert (plan.there, plan.problems) == (2, ())
    outcome = add_to_study(study, plan, who="AB")
    assert (outcome.recordings, outcome.labels, outcome.problems) == (1, 0, ())
    assert [entry.name for entry in study.recordings()] == ["n1", "n2", "n3"]
    (line,) = study.audit("n3")
    assert (line.who, line.action) == ("AB", "recording added")
    # Then all of them are there, and nothing is to be done.
    with pytest.raises(DataError, match="nothing to add"):
        add_to_study(study, plan_of(study, tmp_path))


def test_the_same_file_under_another_name_is_told_with_the_name_it_has(study, tmp_path):
    shutil.copy(tmp_path / "data" / "n1.edf", tmp_path / "data" / "same.edf")
    plan = plan_of(study, tmp_path)
    assert states(plan)["same"] == "refused"
    assert plan.problems == ("same.edf is in the study already, as the recording 'n1'.",)


def test_another_file_under_a_name_that_is_taken_is_told(study, tmp_path):
    write_edf(tmp_path / "later" / "data" / "N1.edf", seed=9)
    plan = plan_of(study, tmp_path / "later")
    assert states(plan) == {"N1": "refused"}
    assert "has a recording 'n1' already, with other files" in plan.problems[0]


def test_a_file_that_moved_is_known_by_its_content(study, tmp_path):
    shutil.move(tmp_path / "data", tmp_path / "moved")
    config = RecordingsConfig(sources=[SourceConfig(pattern="moved/{subject}.edf")])
    found = found_in(tmp_path, config)
    candidates = compare_with(study.folder, study.recordings(), found)
    assert {one.state for one in candidates} == {"there"}


def test_a_file_that_was_changed_in_its_place_is_still_there(study, tmp_path):
    write_edf(tmp_path / "data" / "n1.edf", seconds=300, seed=7)
    assert states(plan_of(study, tmp_path))["n1"] == "there"


def test_recordings_with_a_missing_file_are_named(study, tmp_path):
    listed = ListedRecording(id="n7", subject="n7", files={"main": ListedFile(path="gone.edf")})
    config = RecordingsConfig(sources=[SourceConfig()], listed=[listed])
    (one,) = compare_with(study.folder, study.recordings(), found_in(tmp_path, config))
    assert one.state == "refused"
    assert "there is no such file" in one.problem


def test_of_two_new_recordings_with_the_same_content_one_is_added(study, tmp_path):
    path = write_edf(tmp_path / "data" / "n3.edf", seed=3)
    shutil.copy(path, tmp_path / "data" / "n4.edf")
    outcome = add_to_study(study, plan_of(study, tmp_path))
    assert outcome.recordings == 1
    assert outcome.problems == ("n4.edf holds the same as a file of 'n3', which is added.",)


# ---------------------------------------------------------------- opening


def test_a_recording_that_cannot_be_opened_is_named_and_the_others_are_added(study, tmp_path):
    write_edf(tmp_path / "data" / "n3.edf", seed=3)
    (tmp_path / "data" / "broken.edf").write_bytes(b"0       nothing")
    addition = open_addition(plan_of(study, tmp_path))
    assert [found.id for found, _ in addition.opened] == ["n3"]
    assert "broken.edf" in addition.problems[0]
    assert keep_addition(study, addition).recordings == 1


def test_nothing_is_added_where_no_recording_can_be_opened(study, tmp_path):
    (tmp_path / "data" / "broken.edf").write_bytes(b"0       nothing")
    with pytest.raises(DataError, match=r"None of the 1 recordings can be added\. The first: "):
        open_addition(plan_of(study, tmp_path))


def test_opening_touches_no_study_file(study, tmp_path):
    write_edf(tmp_path / "data" / "n3.edf", seed=3)
    plan = plan_of(study, tmp_path, labels=STAGES)
    study.close()
    for path in study.folder.glob("study.sqlite*"):
        path.unlink()
    assert len(open_addition(plan).recordings) == 1


def test_progress_is_told_and_a_stop_ends_it(study, tmp_path):
    write_edf(tmp_path / "data" / "n3.edf", seed=3)
    plan = plan_of(study, tmp_path, copy_recordings=True)
    stages = []
    open_addition(plan, RunContext(report=lambda progress: stages.append(progress.stage)))
    assert stages[:2] == ["opening recordings", "copying n3.edf"]
    shutil.rmtree(study.folder / "recordings")
    with pytest.raises(Cancelled):
        open_addition(plan, RunContext(report=stages.append, should_stop=lambda: len(stages) > 4))
    assert not (study.folder / "recordings").exists()


# ---------------------------------------------------------------- copies


def test_copies_lie_in_the_study_and_nothing_there_is_replaced(study, tmp_path):
    write_edf(tmp_path / "data" / "n3.edf", seed=3)
    other = study.folder / "recordings" / "data" / "n3.edf"
    other.parent.mkdir(parents=True)
    other.write_text("something else")
    add_to_study(study, plan_of(study, tmp_path, copy_recordings=True))
    shutil.rmtree(tmp_path / "data")
    entry = next(entry for entry in study.recordings() if entry.name == "n3")
    assert entry.files[0].relative_path == "recordings/data/n3_2.edf"
    assert study.open_recording(entry).duration_s == 600
    assert other.read_text() == "something else"


def test_files_that_lie_in_the_study_are_not_copied_again(study):
    path = write_edf(study.folder / "recordings" / "n3.edf", seed=3)
    config = RecordingsConfig(sources=[SourceConfig(pattern="{subject}.edf")])
    copies = Copies(study.folder, path.parent)
    (found,) = found_in(path.parent, config)
    assert copies.copy(found, RunContext()).paths == (path,)
    assert copies.paths == []


def test_copies_of_a_recording_that_cannot_be_opened_or_kept_are_taken_back(study, tmp_path):
    (tmp_path / "data" / "broken.edf").write_bytes(b"0       nothing")
    write_edf(tmp_path / "data" / "n3.edf", seed=3)
    addition = open_addition(plan_of(study, tmp_path, copy_recordings=True))
    folder = study.folder / "recordings" / "data"
    assert [path.name for path in folder.iterdir()] == ["n3.edf"]
    assert keep_addition(study, addition).recordings == 1
    again = keep_recording(study, addition, replace(addition.recordings[0], copies=()))
    assert "n3" in again.problems[0]
    assert [path.name for path in folder.iterdir()] == ["n3.edf"]
    keep_recording(study, addition, addition.recordings[0])  # refused: its copies go
    assert not (study.folder / "recordings").exists()


def test_a_folder_that_cannot_be_written_is_said(study, tmp_path):
    write_edf(tmp_path / "data" / "n3.edf", seed=3)
    (study.folder / "recordings").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        open_addition(plan_of(study, tmp_path, copy_recordings=True))


def test_removing_copies_leaves_folders_with_other_files(tmp_path):
    kept, gone = tmp_path / "s" / "recordings" / "a.edf", tmp_path / "s" / "recordings" / "b.edf"
    kept.parent.mkdir(parents=True)
    kept.touch()
    gone.touch()
    remove_copies([gone, gone.with_name("never.edf")], tmp_path / "s")
    assert list(kept.parent.iterdir()) == [kept]


# ---------------------------------------------------------------- labels


def test_labels_come_with_the_recordings_in_one_step_to_undo(study, tmp_path):
    write_edf(tmp_path / "data" / "n3.edf", annotations=SCORED, seed=3)
    before = study.recordings()[0]
    put(study, before, study.rater("AB"), stage_labels())
    plan = plan_of(study, tmp_path, labels=STAGES, rater="EF")
    outcome = add_to_study(study, plan, who="AB")
    assert (outcome.recordings, outcome.labels) == (1, 4)
    assert outcome.left_out == {"Sleep stage R": 1}
    assert outcome.problems == (
        "These labels are no class of the study and were left out: 'Sleep stage R' (1 times).",
    )
    entry = study.recordings()[-1]
    assert to_s(entry.grid_offset_ns) == 10
    rater = study.rater("EF")
    assert rater.kind == "file"
    labels = study.labels(entry.id, rater.id)
    assert [(x.start_s, x.class_name) for x in labels.states] == [
        (10, "W"), (40, "N1"), (70, "Light"), (100, "N3"),
    ]  # fmt: skip
    assert len(study.edits(entry.id, rater.id)) == 1
    # The class that the mapping leads to is new, and others' labels are as they were.
    assert study.scheme.find("Light") is not None
    assert len(study.labels(before.id, study.rater("AB").id).states) == 19


def test_a_recording_stays_although_its_labels_cannot_be_read(study, tmp_path):
    write_edf(tmp_path / "data" / "n3.edf", seed=3)
    (tmp_path / "data" / "n3-hyp.edf").write_bytes(b"0       nothing")
    labels = AnnotationLabels(kind="annotations", pattern="data/{subject}-hyp.edf")
    found = [one for one in found_in(tmp_path) if one.id == "n3"]
    plan = plan_addition(study.folder, study.recordings(), PATTERN, tmp_path, found, labels=labels)
    outcome = add_to_study(study, plan)
    assert (outcome.recordings, outcome.labels) == (1, 0)
    assert "n3-hyp.edf" in outcome.problems[0]


# ---------------------------------------------------------------- what the study remembers


def test_the_patterns_of_an_addition_are_remembered_and_the_rest_kept(study, tmp_path):
    exclude = [{"recording": "n1", "start_s": 0, "end_s": 60, "reason": "lights"}]
    settings = replace(study.settings, recordings={"exclude": exclude, "key_map": {"1": "n1"}})
    study.change_settings(settings)
    write_edf(tmp_path / "more" / "A_night1.edf", seed=3)
    config = RecordingsConfig(
        sources=[SourceConfig(pattern="more/{subject}_night{night:d}.edf", time_zone="Asia/Tokyo")],
        subject="P{subject}",
        key_map={"2": "A"},
    )
    found = found_in(tmp_path, config)
    plan = plan_addition(study.folder, study.recordings(), config, tmp_path, found)
    assert add_to_study(study, plan).recordings == 1
    kept = study.recordings_config()
    assert [source.pattern for source in kept.sources] == ["more/{subject}_night{night:d}.edf"]
    assert kept.subject == "P{subject}"
    assert kept.key_map == {"1": "n1", "2": "A"}
    assert study.settings.recordings["exclude"] == exclude
    assert study.recordings()[0].name == "A_1"
    assert study.recordings()[0].subject == "PA"


def test_nothing_is_remembered_of_listed_recordings(study, tmp_path):
    write_edf(tmp_path / "x.edf", seed=3)
    listed = ListedRecording(id="x", subject="x", files={"main": ListedFile(path="x.edf")})
    config = RecordingsConfig(sources=[SourceConfig()], listed=[listed])
    before = study.settings
    found = found_in(tmp_path, config)
    plan = plan_addition(study.folder, study.recordings(), config, tmp_path, found)
    assert add_to_study(study, plan).recordings == 1
    assert study.settings == before


def test_the_folder_of_the_patterns_is_found_by_where_the_files_lie(study, tmp_path):
    recordings = study.recordings()
    assert root_of_patterns(study.folder, PATTERN.sources, recordings) == tmp_path
    other = [SourceConfig(pattern="../{subject}.edf"), SourceConfig(pattern="else/{subject}.edf")]
    assert root_of_patterns(study.folder, other, recordings) is None


def test_new_files_are_read_as_those_that_the_study_has(study):
    assert list(reading_settings(study.recordings())) == ["main"]
    known = {"main": SourceConfig(pattern="a", clock_offset_s=3, time_zone="Asia/Tokyo")}
    guess = RecordingsConfig(sources=[SourceConfig(pattern="b", name="other", time_zone="UTC")])
    (source,) = with_reading_settings(guess, known).sources
    assert (source.pattern, source.name) == ("b", "other")
    assert (source.clock_offset_s, source.time_zone) == (3, "UTC")
    several = {**known, "wrist": SourceConfig(pattern="c")}
    assert with_reading_settings(guess, several) == guess


def test_a_study_made_of_a_run_file_keeps_stretches_that_are_not_to_be_used(small_study, tmp_path):
    plan = plan_from_run_file(small_study.run_file, tmp_path / "made")
    exclude = [
        ExclusionConfig(recording="s1", start_s=0, end_s=5, modality="acc", reason="loose"),
        ExclusionConfig(recording="s2", reason="not hers"),
    ]
    config = plan.recordings.model_copy(update={"exclude": exclude})
    create_study(replace(plan, recordings=config), RunContext())
    study = Study.open(plan.folder)
    try:
        (kept,) = study.recordings_config().exclude
        assert (kept.recording, kept.end_s, kept.modality) == ("s1", 5, "acc")
        assert study.open_recording(study.recordings()[0]).excluded
    finally:
        study.close()


def test_a_study_that_cannot_be_written_names_what_was_not_added(study, tmp_path):
    write_edf(tmp_path / "data" / "n3.edf", seed=3)
    addition = open_addition(plan_of(study, tmp_path))
    study.close()
    reader = Study.open(study.folder, read_only=True)
    try:
        outcome = keep_addition(reader, addition)
    finally:
        reader.close()
    assert outcome.recordings == 0
    assert "n3" in outcome.problems[0]


def test_a_study_without_patterns_has_settings_for_adding(tmp_path):
    study = Study.create(tmp_path / "s", StudySettings("s"), make_scheme())
    try:
        assert reading_settings(study.recordings()) == {}
        write_edf(tmp_path / "data" / "n1.edf")
        assert add_to_study(study, plan_of(study, tmp_path)).recordings == 1
        assert study.recordings_config().sources[0].pattern == "data/{subject}.edf"
    finally:
        study.close()


def make_scheme():
    from core.label_scheme import load_scheme

    return load_scheme("sleep_aasm")


def test_errors_are_sentences_for_people(study, tmp_path):
    plan = AdditionPlan(study.folder, PATTERN, tmp_path, ())
    with pytest.raises(CrosslError, match="nothing to add"):
        open_addition(plan)
