"""A run of a study: stopped, resumed, failed and repeated, it gives the same numbers as batch mode
gives, to the last digit."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core import checkpoint, pipeline, train_run
from core.errors import OutputError, StudyError
from core.progress import Progress, RunContext
from core.study import Study
from core.study_runs import (
    StudyRun,
    create_run,
    import_model,
    read_run,
    recover_runs,
    rename_run,
    runs_of,
)
from core.train_run import train
from tests.conftest import RATER


@pytest.fixture
def study(study_copy: Path) -> Iterator[Study]:
    study = Study.open(study_copy)
    yield study
    study.close()


@pytest.fixture
def first(study: Study) -> StudyRun:
    """The finished run, which was never interrupted."""
    return runs_of(study.folder)[0]


def engine_of(study: Study, **changes: Any) -> dict[str, Any]:
    """The settings that the finished run had, and changes to them."""
    base = {**study.settings.engine, "threads": 1, "predict": {"keep_embeddings": True}}
    return {**base, **changes}


def make(study: Study, title: str = "again", **changes: Any) -> StudyRun:
    return create_run(study, title, engine_of(study, **changes), [RATER])


def without_times(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what two runs cannot have in common: times, and names of folders."""
    document = {k: v for k, v in report.items() if k not in ("created", "timing", "config")}
    document["recordings"] = [
        {key: value for key, value in entry.items() if key not in ("path", "paths")}
        for entry in report["recordings"]
    ]
    for run in document["pretraining"]["runs"]:
        run["epochs"] = [{**epoch, "seconds": 0} for epoch in run["epochs"]]
    return document


def files_of(folder: Path, *parts: str) -> dict[str, bytes]:
    """Content by name of the files in these folders of a run."""
    found = {
        f"{part}/{path.name}": path.read_bytes()
        for part in parts
        for path in sorted((folder / part).iterdir())
    }
    assert found
    return found


def assert_same_numbers(one: Path, other: Path) -> None:
    """Every figure, prediction, embedding and weight of two run folders is the same."""
    reports = [
        json.loads((folder / "report.json").read_text(encoding="utf-8")) for folder in (one, other)
    ]
    assert without_times(reports[0]) == without_times(reports[1])
    assert reports[0]["evaluation"]["macro_f1"] is not None
    assert reports[0]["robustness"]["mean_macro_f1"] is not None
    parts = ("predictions", "windows", "embeddings")
    assert files_of(one, *parts) == files_of(other, *parts)
    weights = "model/weights.safetensors"
    assert (one / weights).read_bytes() == (other / weights).read_bytes()


class StopAt:
    """Asks to stop at the n-th report of a stage."""

    def __init__(self, stage: str, number: int = 1) -> None:
        self.stage, self.left = stage, number
        self.seen: list[Progress] = []

    def report(self, progress: Progress) -> None:
        self.seen.append(progress)
        if progress.stage == self.stage:
            self.left -= 1

    @property
    def context(self) -> RunContext:
        return RunContext(self.report, lambda: self.left <= 0)

    @property
    def stages(self) -> set[str]:
        """Stages in which something was done; curves of the past are told again, and no work."""
        return {progress.stage for progress in self.seen if not progress.milestone}

    def curves(self, stage: str) -> list[float]:
        """Epochs of a stage whose figures were told."""
        return [p.values["epoch"] for p in self.seen if p.milestone and p.stage == stage]


# ---------------------------------------------------------------- a whole run


def test_a_finished_run_has_all_that_batch_mode_leaves(study: Study, first: StudyRun) -> None:
    assert (first.state, first.error) == ("finished", "")
    assert first.created_at <= first.began_at <= first.ended_at
    assert first.has_model
    assert first.has_windows
    report = first.report()
    assert report is not None
    assert report["status"] == "success"
    assert "Device: CPU" in (first.folder / "run.log").read_text(encoding="utf-8")
    assert (first.folder / "report.html").is_file()
    assert not (first.folder / "cache").exists()


def test_window_and_batch_agree_to_the_last_digit(
    study: Study, first: StudyRun, tmp_path: Path
) -> None:
    from crossl_app.cli import run as batch

    output = tmp_path / "batch"
    assert batch(["--batch", str(first.run_file), "--output", str(output)]) == 0
    assert_same_numbers(first.folder, output)
    configs = [
        json.loads((folder / "report.json").read_text(encoding="utf-8"))["config"]
        for folder in (first.folder, output)
    ]
    assert configs[0] == configs[1]


def test_messages_reach_the_log_and_the_one_who_asked(study: Study) -> None:
    stop = StopAt("fold 0: encoding")
    run = train(make(study), stop.context)
    said = [progress.message for progress in stop.seen if progress.message]
    assert said
    log = (run.folder / "run.log").read_text(encoding="utf-8")
    assert all(message in log for message in said)


# ---------------------------------------------------------------- stopped and resumed


@pytest.mark.parametrize(
    ("stage", "number"),
    [
        ("reading", 1),
        ("fold 0: pretraining", 2),  # in the middle of the first epoch
        ("fold 1: pretraining", 6),  # in the middle of the second
        ("fold 1: fine-tuning", 3),
        ("final fit: pretraining", 12),
        ("writing predictions", 2),
    ],
)
def test_a_run_that_was_stopped_resumes_to_the_same_numbers(
    study: Study, first: StudyRun, stage: str, number: int
) -> None:
    stop = StopAt(stage, number)
    stopped = train(make(study), stop.context)
    assert stop.left == 0, f"asked {-stop.left} times more after it was to stop"
    assert (stopped.state, stopped.error) == ("stopped", "")
    assert stopped == read_run(stopped.folder)
    assert stopped.can_resume
    assert stopped.report()["status"] == "partial"
    assert stopped.report()["error"] == "interrupted"
    resumed = train(stopped, RunContext())
    assert (resumed.state, resumed.error) == ("finished", "")
    assert resumed.began_at == stopped.began_at
    assert_same_numbers(first.folder, resumed.folder)


def test_what_was_finished_before_the_stop_is_not_done_again(study: Study) -> None:
    stopped = train(make(study), StopAt("fold 1: fine-tuning").context)
    again = StopAt("never")
    assert train(stopped, again.context).state == "finished"
    assert "fold 0: pretraining" not in again.stages
    assert "fold 1: pretraining" not in again.stages
    assert "fold 1: fine-tuning" in again.stages


def test_a_run_stopped_over_and_over_comes_to_the_same_end(study: Study, first: StudyRun) -> None:
    run = make(study)
    stops = 0
    while run.state != "finished":
        assert run.state in ("waiting", "stopped")
        steps = StopAt("")
        steps.left = 60 + stops  # reports from now on, of whatever stage

        def report(progress: Progress, steps: StopAt = steps) -> None:
            steps.left -= 1

        run = train(run, RunContext(report, lambda steps=steps: steps.left <= 0))
        stops += 1
        assert stops < 30
    assert stops > 2
    assert_same_numbers(first.folder, run.folder)


def test_a_title_given_while_it_trains_is_kept(study: Study) -> None:
    run = make(study, "before")

    def rename(progress: Progress) -> None:
        if progress.stage == "fold 0: pretraining":
            rename_run(run, "after")

    stop = StopAt("fold 0: encoding")

    def report(progress: Progress) -> None:
        rename(progress)
        stop.report(progress)

    assert train(run, RunContext(report, stop.context.should_stop)).title == "after"


# ---------------------------------------------------------------- what goes wrong


def test_a_full_disk_fails_the_run_in_words_and_with_room_it_goes_on(
    study: Study, first: StudyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(study)
    real = checkpoint.write_atomically

    def full(path: Path, content: bytes) -> None:
        if path.name == "pretrain-own-1.safetensors":
            raise OutputError(f"{path}: cannot be written (No space left on device).")
        real(path, content)

    monkeypatch.setattr(checkpoint, "write_atomically", full)
    failed = train(run, RunContext())
    assert failed.state == "failed"
    assert "No space left on device" in failed.error
    assert failed == read_run(run.folder)
    assert failed.report()["error"] == failed.error
    assert failed.can_resume
    monkeypatch.undo()
    finished = train(failed, RunContext())
    assert (finished.state, finished.error) == ("finished", "")
    assert_same_numbers(first.folder, finished.folder)


def test_a_report_that_does_not_fit_on_the_disk_fails_the_run_in_words(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(report: dict[str, Any], folder: Any) -> None:
        raise OutputError(f"{folder.report}: cannot be written (No space left on device).")

    monkeypatch.setattr(train_run, "write_report", full)
    failed = train(make(study), StopAt("fold 0: pretraining").context)
    assert failed.state == "failed"
    assert "No space left on device" in failed.error


def test_a_disk_without_room_for_anything_is_raised_and_the_run_recovers(
    study: Study, first: StudyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(study)
    real, left = os.fsync, [4]

    def sync(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", sync)
        with pytest.raises(OutputError, match="No space left on device"):
            train(run, RunContext())
    # Not even its state could be written; that is put right before the next run starts.
    assert read_run(run.folder).state == "running"
    (recovered,) = recover_runs(study.folder)
    finished = train(recovered, RunContext())
    assert finished.state == "finished"
    assert_same_numbers(first.folder, finished.folder)


def test_a_run_file_that_was_spoilt_fails_the_run_in_words(study: Study) -> None:
    run = make(study)
    run.run_file.write_text("{")
    failed = train(run, RunContext())
    assert failed.state == "failed"
    assert "run.json" in failed.error


def test_a_mistake_of_the_program_is_kept_in_the_run_and_raised(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(pipeline, "final_fit", broken)
    run = make(study)
    with pytest.raises(ZeroDivisionError):
        train(run, RunContext())
    failed = read_run(run.folder)
    assert failed.state == "failed"
    assert "ZeroDivisionError" in failed.error
    assert failed.report()["evaluation"]["macro_f1"] is not None, "what was finished is kept"
    assert "ZeroDivisionError" in (run.folder / "run.log").read_text(encoding="utf-8")


def test_memory_that_is_not_enough_is_said(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(pipeline, "final_fit", too_much)
    failed = train(make(study), RunContext())
    assert failed.state == "failed"
    assert "memory" in failed.error


def test_a_missing_file_fails_its_recording_and_the_others_are_finished(study: Study) -> None:
    run = make(study)
    gone = study.path_of(study.recordings()[1].files[0])
    gone.unlink()
    partial = train(run, RunContext())
    assert partial.state == "partial"
    entries = {entry["id"]: entry for entry in partial.report()["recordings"]}
    assert entries["s2"]["status"] == "failed"
    assert gone.name in entries["s2"]["error"]
    assert [entry["status"] for entry in entries.values()].count("ok") == 4
    assert partial.report()["evaluation"]["macro_f1"] is not None
    assert not partial.can_resume


def test_without_any_file_the_run_fails_in_words_and_goes_on_when_they_are_back(
    study: Study, first: StudyRun, tmp_path: Path
) -> None:
    run = make(study)
    home = study.folder / "recordings"
    home.rename(tmp_path / "elsewhere")
    failed = train(run, RunContext())
    assert failed.state == "failed"
    assert "recording" in failed.error
    (tmp_path / "elsewhere").rename(home)
    assert_same_numbers(first.folder, train(failed, RunContext()).folder)


def test_a_class_that_disappears_is_said_before_anything_is_trained(study: Study) -> None:
    run = make(study)
    labels = run.folder / "run_labels.csv"
    head, *lines = labels.read_text(encoding="utf-8").splitlines()
    labels.write_text("\n".join([head, *(x for x in lines if ",walk," not in x)]) + "\n")
    seen = StopAt("never")
    failed = train(run, seen.context)
    assert failed.state == "failed"
    assert "one class only" in failed.error
    assert not any("pretraining" in stage for stage in seen.stages)


def test_a_model_that_was_brought_in_is_not_run(study: Study, first: StudyRun) -> None:
    brought = import_model(study, first.model, "brought")
    with pytest.raises(StudyError, match="brought in"):
        train(brought, RunContext())
    assert read_run(brought.folder).state == "finished"


def test_a_run_that_is_gone_does_not_come_back(study: Study) -> None:
    run = make(study)
    shutil.rmtree(run.folder)
    with pytest.raises(StudyError, match="no longer"):
        train(run, RunContext())
    assert not run.folder.exists()


# ---------------------------------------------------------------- pretraining used again


def test_pretraining_that_is_used_again_gives_equal_numbers_and_is_not_done_again(
    study: Study, first: StudyRun
) -> None:
    changes = {"finetune": {"l2": 5.0, "class_weights": 0.0}}
    anew = train(make(study, "anew", **changes), RunContext())
    reusing = create_run(study, "reusing", engine_of(study, **changes), [RATER], reuse=first)
    steps = StopAt("never")
    reused = train(reusing, steps.context)
    assert (anew.state, reused.state) == ("finished", "finished")
    assert not [stage for stage in steps.stages if "pretraining" in stage]
    assert steps.curves("final fit: pretraining") == [1, 2], "its curves are shown all the same"
    assert_same_numbers(anew.folder, reused.folder)
    assert anew.report()["evaluation"] != first.report()["evaluation"]


def test_pretraining_that_does_not_fit_is_done_anew_and_the_other_run_stays_as_it_is(
    study: Study, first: StudyRun
) -> None:
    before = files_of(first.folder, "checkpoints")
    changes = {"pretrain": {**study.settings.engine["pretrain"], "epochs": 1}}
    reusing = create_run(study, "reusing", engine_of(study, **changes), [RATER], reuse=first)
    steps = StopAt("never")
    reused = train(reusing, steps.context)
    assert "fold 0: pretraining" in steps.stages
    assert any("starts anew" in progress.message for progress in steps.seen)
    assert_same_numbers(train(make(study, "anew", **changes), RunContext()).folder, reused.folder)
    assert files_of(first.folder, "checkpoints") == before


def test_a_pretrained_run_without_labels_is_started_from_also_after_the_study_has_moved(
    study: Study, tmp_path: Path
) -> None:
    pretrained = train(
        create_run(study, "pretrained", engine_of(study, steps=["pretrain"]), []), RunContext()
    )
    assert pretrained.state == "finished"
    assert pretrained.has_model
    assert not pretrained.has_windows
    start = {"from": str(pretrained.model)}
    steps = ["finetune", "predict", "robustness"]
    run = make(study, "tuned", steps=steps, finetune=start)
    moved = tmp_path / "moved"
    study.close()
    study.folder.rename(moved)
    tuned = train(read_run(moved / "runs" / run.name), RunContext())
    assert (tuned.state, tuned.error) == ("finished", "")
    assert tuned.has_windows
    assert Path(tuned.config().finetune.start_from) == moved / "runs" / pretrained.name / "model"


def test_a_model_that_has_seen_the_people_to_be_tested_is_refused_in_words(
    study: Study, first: StudyRun
) -> None:
    steps = ["finetune", "evaluate", "predict"]
    failed = train(make(study, steps=steps, finetune={"from": str(first.model)}), RunContext())
    assert failed.state == "failed"
    assert "would not be a test" in failed.error
