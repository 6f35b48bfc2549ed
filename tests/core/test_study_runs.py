"""Runs are folders of a study: made, listed, named, deleted, brought in and taken out."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import study_runs
from core.errors import ConfigError, ModelError, NotSavedError, OutputError, StudyError
from core.study import Study
from core.study_runs import (
    DESCRIPTION,
    MODEL_FILES,
    create_run,
    delete_run,
    export_model,
    find_model,
    import_model,
    read_run,
    recover_runs,
    rename_run,
    runs_of,
    set_state,
)
from tests.conftest import RATER


@pytest.fixture
def study(study_copy: Path) -> Iterator[Study]:
    study = Study.open(study_copy)
    yield study
    study.close()


def titles(study: Study) -> list[str]:
    return [run.title for run in runs_of(study.folder)]


def audit(study: Study) -> list[tuple[str, str, str]]:
    return [(entry.who, entry.action, entry.detail) for entry in study.audit()]


# ---------------------------------------------------------------- made and listed


def test_a_run_that_was_made_waits_with_its_settings_and_labels(study: Study) -> None:
    run = create_run(study, "  Wider  ", {**study.settings.engine, "seed": 7}, [RATER], who="AB")
    assert run == read_run(run.folder)
    assert (run.name, run.title, run.state, run.kind) == ("002_Wider", "Wider", "waiting", "train")
    assert (run.created_by, run.raters) == ("AB", (RATER,))
    assert run.can_resume
    assert not run.has_model
    assert not run.has_windows
    assert run.report() is None
    assert run.config().seed == 7
    assert (run.folder / "run_labels.csv").read_text(encoding="utf-8").count("\n") > 20
    assert audit(study)[0] == ("AB", "run made", "Wider")
    assert titles(study) == ["Wider", "First run"]


def test_only_the_named_recordings_take_part(study: Study) -> None:
    run = create_run(study, "Two", study.settings.engine, [RATER], only=["s1", "s4"])
    assert [one.id for one in run.config().recordings.listed] == ["s1", "s4"]


def test_a_name_that_no_file_can_have_is_made_one(study: Study) -> None:
    run = create_run(study, 'α/β: "one"?', study.settings.engine, [RATER])
    assert run.title == 'α/β: "one"?'
    assert run.folder.parent == study.folder / "runs"
    assert not set(run.name) & set('/:"?')
    assert create_run(study, "  ", study.settings.engine, [RATER]).title == "003_run"


def test_numbers_go_on_after_a_thousand_runs(study: Study) -> None:
    (study.folder / "runs" / "1000_old").mkdir()
    assert create_run(study, "next", study.settings.engine, [RATER]).name == "1001_next"


def test_settings_that_are_wrong_leave_no_folder_behind(study: Study) -> None:
    before = sorted((study.folder / "runs").iterdir())
    with pytest.raises(ConfigError, match="epochs"):
        create_run(study, "bad", {**study.settings.engine, "pretrain": {"epochs": -1}}, [RATER])
    start = {"from": str(runs_of(study.folder)[0].model)}
    with pytest.raises(ConfigError, match="takes the place of pretraining"):
        create_run(study, "bad", {**study.settings.engine, "finetune": start}, [RATER])
    with pytest.raises(StudyError, match="nobody"):
        create_run(study, "bad", study.settings.engine, ["nobody"])
    assert sorted((study.folder / "runs").iterdir()) == before


def test_what_the_study_cannot_note_is_not_made(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise NotSavedError("The disk is full.")

    monkeypatch.setattr(study, "note", refuse)
    with pytest.raises(NotSavedError):
        create_run(study, "unnoted", study.settings.engine, [RATER])
    with pytest.raises(NotSavedError):
        import_model(study, runs_of(study.folder)[0].model, "unnoted")
    assert titles(study) == ["First run"]


def test_a_folder_that_cannot_be_made_is_a_sentence(study: Study) -> None:
    shutil.rmtree(study.folder / "runs")
    (study.folder / "runs").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        create_run(study, "run", study.settings.engine, [RATER])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"[]",
        b'"text"',
        b"{}",
        b'{"title": "x", "kind": "train", "state": "dancing"}',
        b'{"title": "x", "kind": [], "state": {}}',
        b'{"title": "x", "kind": "train", "state": "failed", "raters": 5}',
        b"[" * 200_000,
    ],
)
def test_a_folder_with_garbage_for_a_description_is_passed_over(
    study: Study, content: bytes
) -> None:
    other = study.folder / "runs" / "002_other"
    other.mkdir()
    (other / DESCRIPTION).write_bytes(content)
    (study.folder / "runs" / "003_folder" / DESCRIPTION).mkdir(parents=True)
    assert titles(study) == ["First run"]


def test_a_copied_folder_is_a_run_and_a_removed_one_is_gone(study: Study) -> None:
    (first,) = runs_of(study.folder)
    shutil.copytree(first.folder, first.folder.with_name("009_copy"))
    assert len(runs_of(study.folder)) == 2
    shutil.rmtree(first.folder)
    assert [run.name for run in runs_of(study.folder)] == ["009_copy"]


def test_a_damaged_report_is_said_and_a_missing_one_is_none(study: Study) -> None:
    (run,) = runs_of(study.folder)
    for content in (b"{", b"[]", b"\xff", b"[" * 200_000):
        run.report_path.write_bytes(content)
        with pytest.raises(ModelError, match=r"report\.json.*cannot be read"):
            run.report()
    run.report_path.unlink()
    assert run.report() is None


# ---------------------------------------------------------------- states and titles


def test_states_bring_their_times(study: Study) -> None:
    run = create_run(study, "run", study.settings.engine, [RATER])
    assert (run.began_at, run.ended_at) == ("", "")
    running = set_state(run, "running")
    assert running.began_at
    assert not running.ended_at
    failed = set_state(running, "failed", "No room.")
    assert (failed.error, failed.began_at) == ("No room.", running.began_at)
    assert failed.ended_at >= failed.began_at
    again = set_state(failed, "running")
    assert (again.error, again.ended_at) == ("", "")
    assert again == read_run(run.folder)


def test_a_title_given_while_a_run_goes_on_is_kept(study: Study) -> None:
    run = set_state(create_run(study, "old", study.settings.engine, [RATER]), "running")
    rename_run(run, " new ")
    assert set_state(run, "finished").title == "new"
    # And renaming by what was known of a run before does not set it back.
    renamed = rename_run(run, "newer")
    assert (renamed.title, renamed.state, renamed.name) == ("newer", "finished", run.name)
    assert rename_run(renamed, "  ").title == "newer"


def test_runs_that_were_going_on_when_the_program_ended_are_stopped(study: Study) -> None:
    run = set_state(create_run(study, "cut", study.settings.engine, [RATER]), "running")
    (recovered,) = recover_runs(study.folder)
    assert (recovered.name, recovered.state) == (run.name, "stopped")
    assert "program ended" in recovered.error
    assert recovered.can_resume
    assert recover_runs(study.folder) == ()


# ---------------------------------------------------------------- deleted


def test_a_deleted_run_is_gone_with_all_its_files(study: Study) -> None:
    (run,) = runs_of(study.folder)
    delete_run(study, run, "AB")
    assert runs_of(study.folder) == ()
    assert list((study.folder / "runs").iterdir()) == []
    assert audit(study)[0] == ("AB", "run deleted", "First run")


def test_a_run_that_goes_on_is_not_deleted(study: Study) -> None:
    run = create_run(study, "going", study.settings.engine, [RATER])
    set_state(run, "running")
    with pytest.raises(StudyError, match="stop it"):
        delete_run(study, run)
    assert run.run_file.is_file()


def test_a_removal_that_is_cut_short_leaves_no_half_run_in_the_list(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = runs_of(study.folder)

    def stuck(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(study_runs.shutil, "rmtree", stuck)
    with pytest.raises(OutputError, match="cannot be removed"):
        delete_run(study, run)
    assert runs_of(study.folder) == ()


# ---------------------------------------------------------------- read-only


def test_a_study_that_is_read_only_takes_no_runs_and_loses_none(study: Study) -> None:
    second = Study.open(study.folder)
    assert second.read_only
    (run,) = runs_of(study.folder)
    before = sorted((study.folder / "runs").iterdir())
    for refused in (
        lambda: create_run(second, "run", second.settings.engine, [RATER]),
        lambda: import_model(second, run.model, "model"),
        lambda: delete_run(second, run),
    ):
        with pytest.raises(StudyError) as error:
            refused()
        assert str(error.value) == second.why_read_only
    second.close()
    assert sorted((study.folder / "runs").iterdir()) == before


# ---------------------------------------------------------------- models in and out


def test_a_model_goes_out_and_comes_in_as_it_was(study: Study, tmp_path: Path) -> None:
    (run,) = runs_of(study.folder)
    assert export_model(run, tmp_path / "given") == tmp_path / "given"
    assert sorted(path.name for path in (tmp_path / "given").iterdir()) == sorted(MODEL_FILES)
    brought = import_model(study, tmp_path / "given", "From elsewhere", "AB")
    assert brought == read_run(brought.folder)
    assert (brought.kind, brought.state, brought.title) == ("model", "finished", "From elsewhere")
    assert brought.has_model
    assert not brought.can_resume
    assert not brought.has_windows
    for name in MODEL_FILES:
        assert (brought.model / name).read_bytes() == (run.model / name).read_bytes()
    assert audit(study)[0][:2] == ("AB", "model brought in")
    assert find_model(run.model) == run.model
    assert find_model(run.folder) == run.model, "a run's folder will do for its model"


def test_a_model_is_not_written_over_another_without_being_told(
    study: Study, tmp_path: Path
) -> None:
    (run,) = runs_of(study.folder)
    export_model(run, tmp_path)
    (tmp_path / "model.json").write_text("mine")
    with pytest.raises(OutputError, match="there already"):
        export_model(run, tmp_path)
    assert (tmp_path / "model.json").read_text() == "mine"
    export_model(run, tmp_path, force=True)
    assert json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))


def test_what_is_no_model_is_not_found(study: Study, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        find_model(tmp_path)
    (run,) = runs_of(study.folder)
    export_model(run, tmp_path / "half")
    weights = tmp_path / "half" / "weights.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)
    with pytest.raises(ModelError, match="weights"):
        find_model(tmp_path / "half")


def test_a_run_without_a_model_has_none_to_give(study: Study, tmp_path: Path) -> None:
    run = create_run(study, "young", study.settings.engine, [RATER])
    with pytest.raises(ModelError, match="no model yet"):
        export_model(run, tmp_path / "none")
    assert not (tmp_path / "none").exists()


# ---------------------------------------------------------------- batch command


def test_the_batch_command_names_run_file_and_a_folder_beside_the_run(
    study: Study, tmp_path: Path
) -> None:
    (run,) = runs_of(study.folder)
    command = run.batch_command()
    assert command.startswith("crossl-app --batch ")
    assert str(run.run_file) in command
    assert f"{run.name}_batch" in command
    assert f'"{tmp_path / "my results"}"' in run.batch_command(tmp_path / "my results")
