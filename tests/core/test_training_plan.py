"""The plan before a run says what the run will do, and refuses what the run would refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.run_results import RunResults
from core.study import Study, engine_config
from core.study_labels import NS, StudyLabel, new_id
from core.study_runs import runs_of
from core.training_plan import PlannedRecording, TrainingPlan, plan_training

CLASSES = ("rest", "walk")


def states(*names: str, length_s: float = 10.0) -> tuple[StudyLabel, ...]:
    """States of equal length, one after the other."""
    return tuple(
        StudyLabel(
            new_id(), round(k * length_s * NS), round((k + 1) * length_s * NS), name, "state", ""
        )
        for k, name in enumerate(names)
        if name
    )


def plan(recordings: list[PlannedRecording], **engine: Any) -> TrainingPlan:
    config = engine_config({"windows": {"length_s": 2}, **engine})
    return plan_training(config, recordings, CLASSES, 0.5)


def people(count: int = 5) -> list[PlannedRecording]:
    return [
        PlannedRecording(f"r{k}", f"s{k}", 60.0, states("rest", "walk", "rest"))
        for k in range(count)
    ]


def test_the_plan_is_what_the_run_then_does(trained_study: Path) -> None:
    study = Study.open(trained_study, read_only=True)
    (run,) = runs_of(trained_study)
    rater = next(r for r in study.raters() if r.name == run.raters[0])
    recordings = [
        PlannedRecording(
            entry.name, entry.subject, entry.duration_s, study.labels(entry.id, rater.id).states
        )
        for entry in study.recordings()
    ]
    classes = [entry.name for entry in study.scheme.states]
    found = plan_training(run.config(), recordings, classes, study.settings.min_cover)
    study.close()
    report = RunResults(run.folder).report
    assert not found.refusal
    for fold, done in zip(found.folds, report["evaluation"]["folds"], strict=True):
        assert list(fold.test_subjects) == done["test_subjects"]
        assert list(fold.train_subjects) == done["train_subjects"]
        assert list(fold.pretrain_subjects) == done["pretrain_subjects"]
    by_subject = {one.name: one for one in found.subjects}
    for entry in report["recordings"]:
        assert by_subject[entry["subject"]].windows == entry["windows"]
        labelled = sum(by_subject[entry["subject"]].labelled.values())
        assert labelled == entry["labelled_windows"]
    full = next(row for row in report["evaluation"]["label_efficiency"] if row["budget"] == 1.0)
    assert found.budgets[1.0] == round(full["labels"])


def test_unlabelled_people_join_pretraining_and_locked_ones_nothing() -> None:
    recordings = [*people(3), PlannedRecording("r9", "s9", 60.0)]
    found = plan(recordings, evaluate={"test_subjects": ["s0"]})
    roles = {one.name: one.roles for one in found.subjects}
    assert roles == {"s0": ("test",), "s1": ("train",), "s2": ("train",), "s9": ("pretrain",)}


def test_labels_of_one_person_are_refused_with_what_can_be_done_instead() -> None:
    recordings = [*people(1), PlannedRecording("r9", "s9", 60.0)]
    found = plan(recordings)
    assert "Only one person (s0) has labels" in found.refusal
    steps = ["pretrain", "finetune", "predict", "robustness"]
    found = plan(recordings, steps=steps)
    assert not found.refusal
    assert found.folds == ()
    assert [one.roles for one in found.subjects] == [("train",), ("pretrain",)]


@pytest.mark.parametrize(
    ("recordings", "engine", "words"),
    [
        ([PlannedRecording("a", "s", 60.0)], {}, "No window has a label"),
        ([PlannedRecording("a", "s", 60.0, states("rest", "rest"))], {}, "at least two"),
        ([PlannedRecording("a", "s", 1.0)], {"steps": ["pretrain"]}, "fewer than two windows"),
        (people(), {"evaluate": {"test_subjects": ["nobody"]}}, "no recording belongs to"),
        (people(), {"steps": ["finetune"]}, "finetune.from"),
    ],
)
def test_what_cannot_work_is_refused_before_it_starts(
    recordings: list[PlannedRecording], engine: dict[str, Any], words: str
) -> None:
    assert words in plan(recordings, **engine).refusal


def test_pretraining_alone_needs_no_labels() -> None:
    found = plan([PlannedRecording("a", "s", 60.0)], steps=["pretrain"])
    assert not found.refusal
    assert found.subjects[0].roles == ("pretrain",)


def test_classes_that_cannot_be_learnt_everywhere_are_pointed_out() -> None:
    recordings = people()
    recordings[0] = PlannedRecording("r0", "s0", 60.0, states("rest", "rest"))
    alone = [
        PlannedRecording(one.name, one.subject, one.duration_s, states("rest", "rest"))
        for one in recordings[1:]
    ]
    found = plan([PlannedRecording("x", "sx", 60.0, states("rest", "walk")), *alone])
    assert any("Only sx has walk" in note for note in found.notes)
    found = plan_training(
        engine_config({"windows": {"length_s": 2}}), people(), ("rest", "walk", "run"), 0.5
    )
    assert any("never be predicted" in note for note in found.notes)


def test_recordings_shorter_than_a_window_are_named() -> None:
    found = plan([*people(), PlannedRecording("tiny", "s9", 1.0)])
    assert any("tiny" in note for note in found.notes)
