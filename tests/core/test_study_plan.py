"""A plan holds what a run file or the new-study window says, and mistakes are told in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.config import RecordingsConfig, SourceConfig
from core.errors import ConfigError, DataError
from core.guess_study import guess_study
from core.label_scheme import load_scheme, scheme_for
from core.progress import Cancelled, RunContext
from core.study_plan import (
    check_folder,
    leaving_out,
    make_labels,
    make_modality,
    make_recordings,
    make_windows,
    plan_from_run_file,
    preview_recordings,
    with_scheme_classes,
)


def test_a_run_file_becomes_a_plan(small_study, tmp_path: Path) -> None:
    small_study.document["finetune"] = {"from": "../models/first"}
    small_study.document["notes"] = "simulated"
    small_study.write_run_file()
    plan = plan_from_run_file(small_study.run_file, tmp_path / "new")
    assert (plan.name, plan.notes) == ("small", "simulated")
    assert plan.folder == tmp_path / "new"
    assert plan.root == small_study.folder
    assert [one.id for one in plan.found] == ["s1", "s2", "s3", "s4", "s5"]
    assert plan.found[0].files[0].label_columns == ("activity",)
    assert [entry.name for entry in plan.scheme.states] == ["rest", "walk"]
    assert plan.scheme.epoch_s == 2
    assert [modality.name for modality in plan.modalities] == ["acc", "gyro"]
    assert plan.labels is not None
    assert plan.labels.kind == "column"
    # What a run file says of learning is kept as it is written there, but paths lead on.
    assert plan.engine["model"] == small_study.document["model"]
    assert plan.engine["finetune"]["from"] == str(tmp_path / "models" / "first")
    assert set(plan.engine) == {"threads", "device", "model", "pretrain", "evaluate", "finetune"}
    assert plan.run_config().model.encoder.code == 8


def test_classes_that_no_run_file_names_are_read_from_the_labels(
    small_study, tmp_path: Path
) -> None:
    del small_study.document["labels"]["classes"]
    small_study.document["labels"]["mapping"] = {"rest": None}
    small_study.write_run_file()
    said = []
    plan = plan_from_run_file(
        small_study.run_file, tmp_path, context=RunContext(report=lambda p: said.append(p.stage))
    )
    assert [entry.name for entry in plan.scheme.states] == ["walk"]
    assert any("reading labels" in stage for stage in said)
    with pytest.raises(Cancelled):
        plan_from_run_file(
            small_study.run_file, tmp_path, context=RunContext(should_stop=lambda: True)
        )


def test_the_data_root_can_be_elsewhere(small_study, tmp_path: Path) -> None:
    moved = tmp_path / "run.json"
    moved.write_text(json.dumps(small_study.document))
    with pytest.raises(DataError, match="matches no file"):
        plan_from_run_file(moved, tmp_path / "new")
    plan = plan_from_run_file(moved, tmp_path / "new", small_study.folder)
    assert len(plan.found) == 5
    small_study.document["data_root"] = "study"
    moved.write_text(json.dumps(small_study.document))
    assert plan_from_run_file(moved, tmp_path / "new").root == small_study.folder


def test_recordings_that_the_run_file_excludes_are_not_taken(small_study, tmp_path: Path) -> None:
    small_study.document["recordings"]["exclude"] = [
        {"recording": "s2", "reason": "fell off"},
        {"recording": "s3", "start_s": 5, "end_s": 9},
    ]
    small_study.write_run_file()
    plan = plan_from_run_file(small_study.run_file, tmp_path)
    assert [one.id for one in plan.found] == ["s1", "s3", "s4", "s5"]


def test_every_example_and_the_sample_study_is_a_plan(
    repository: Path, shared: Path, tmp_path: Path
) -> None:
    for name, recordings, classes, epoch_s in (
        ("eeg_arithmetic", 24, {"rest", "arithmetic"}, 10),
        ("har_phone_watch", 145,
         {"SEATED", "SITTING_DOWN", "STANDING_UP", "TURNING", "WALKING"}, 2),
        ("stress_wristband", 20, {"no_stress", "stress"}, 60),
    ):  # fmt: skip
        path = repository / "resources" / "examples" / f"{name}.json"
        plan = plan_from_run_file(path, tmp_path, shared / "data" / name)
        assert len(plan.found) == recordings
        assert {entry.name for entry in plan.scheme.states} == classes
        assert plan.scheme.epoch_s == epoch_s
        assert all(one.error is None for one in plan.found)
        document = json.loads(path.read_text())
        assert plan.engine == {key: document[key] for key in plan.engine}
        again = plan.run_config()
        assert again.robustness.dedicated
        assert again.recordings.key_map == document["recordings"].get("key_map", {})


def test_the_sample_study_is_a_plan(repository: Path, tmp_path: Path) -> None:
    plan = plan_from_run_file(repository / "resources" / "sample_study" / "run.json", tmp_path)
    assert len(plan.found) == 10
    assert [entry.name for entry in plan.scheme.states] == [
        "ABD", "ER", "FEL", "IR", "PEN", "ROW", "TRAP",
    ]  # fmt: skip


# ---------------------------------------------------------------- preview


def test_the_preview_lists_what_is_found_and_what_is_wrong_with_it(tmp_path: Path) -> None:
    for name in ("a_phone", "a_watch", "b_phone", "b_watch", "c_phone"):
        (tmp_path / f"{name}.csv").write_text("t,x\n0,1\n")
    config = RecordingsConfig(sources=[SourceConfig(pattern="{subject}_{device}.csv")])
    preview = preview_recordings(config, tmp_path)
    assert [(row.id, len(row.files), bool(row.problem)) for row in preview.rows] == [
        ("a", 2, False), ("b", 2, False), ("c", 1, True),
    ]  # fmt: skip
    assert (preview.taken, preview.subjects, preview.problems) == (3, 3, 1)
    fewer = preview_recordings(leaving_out(config, ["c", "a"]), tmp_path)
    assert [(row.id, row.taken) for row in fewer.rows] == [("a", False), ("b", True), ("c", False)]
    assert [one.id for one in fewer.found] == ["b"]
    none = preview_recordings(leaving_out(config, ["a", "b", "c"]), tmp_path)
    assert none.problem == ""
    assert (len(none.rows), none.taken) == (3, 0)


@pytest.mark.parametrize(
    ("pattern", "values", "said"),
    [
        ("{subject.csv", {}, "brace"),
        ("{subject!}.csv", {}, "write fields as"),
        ("{subject}.edf", {}, "matches no file"),
        ("nowhere/{subject}.csv", {}, "matches no file"),
        ("{subject}.csv", {"run": ["1"]}, "no field 'run'"),
        ("{subject}.csv", {"subject": ["z"]}, "none has the values"),
        ("*.csv", {}, "several files for one recording"),
    ],
)
def test_mistakes_in_patterns_are_told_and_never_raised(
    tmp_path: Path, pattern: str, values: dict[str, list[str]], said: str
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("t,x\n0,1\n")
    config = RecordingsConfig(sources=[SourceConfig(pattern=pattern, values=values)])
    preview = preview_recordings(config, tmp_path)
    assert preview.rows == ()
    assert said in preview.problem


def test_label_files_that_fit_the_pattern_are_no_recordings(tmp_path: Path) -> None:
    for name in ("a", "a_stages", "b", "b_stages"):
        (tmp_path / f"{name}.csv").write_text("t,x\n0,1\n")
    config = RecordingsConfig(sources=[SourceConfig(pattern="{subject}.csv")])
    assert preview_recordings(config, tmp_path).taken == 4
    labels = make_labels({"kind": "file", "pattern": "{subject}_stages.csv"})
    assert [row.id for row in preview_recordings(config, tmp_path, labels).rows] == ["a", "b"]
    unknown = make_labels({"kind": "file", "pattern": "{night}.csv"})
    assert preview_recordings(config, tmp_path, unknown).taken == 4


def test_leaving_out_keeps_stretches_and_reasons(small_study) -> None:
    config = make_recordings(
        {
            "sources": [{"pattern": "{subject}.csv"}],
            "exclude": [
                {"recording": "s1", "reason": "asleep"},
                {"recording": "s2", "start_s": 3},
            ],
        }
    )
    changed = leaving_out(config, ["s1", "s3"])
    assert [(e.recording, e.whole, e.reason) for e in changed.exclude] == [
        ("s2", False, ""),
        ("s1", True, "asleep"),
        ("s3", True, "left out when the study was made"),
    ]


# ---------------------------------------------------------------- parts and checks


def test_parts_say_in_words_what_is_wrong_with_them() -> None:
    with pytest.raises(ConfigError, match="low_hz must be below high_hz"):
        make_modality({"name": "a", "channels": ["x"], "filter": {"low_hz": 5, "high_hz": 1}})
    with pytest.raises(ConfigError, match=r"^name: "):
        make_modality({"name": "no blanks", "channels": ["x"]})
    with pytest.raises(ConfigError, match=r"^hop_s: "):
        make_windows({"length_s": 4, "hop_s": -1})
    with pytest.raises(ConfigError, match="this key is required"):
        make_labels({"kind": "column"})
    with pytest.raises(ConfigError, match=r"^sources\.0\.speed"):
        make_recordings({"sources": [{"pattern": "a", "speed": 2}]})
    assert make_modality({"name": "a", "channels": ["x"]}).channels[0].match == ["x"]


def test_a_mapping_must_lead_to_classes_of_the_scheme() -> None:
    labels = make_labels({"kind": "annotations", "mapping": {"s": "Sleep", "a": "Arousal"}})
    scheme = load_scheme("sleep_aasm")
    with pytest.raises(ConfigError, match="leads to Sleep, which is no class"):
        with_scheme_classes(labels, scheme)
    fitting = with_scheme_classes(labels, scheme.with_classes(["Sleep"]))
    assert "Arousal" in fitting.classes
    assert with_scheme_classes(labels, scheme_for(["Sleep"], 30).with_classes(["Arousal"], "event"))


def test_a_folder_that_cannot_be_used_is_refused_in_words(tmp_path: Path) -> None:
    assert check_folder(tmp_path / "new" / "study") == ""
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "study.sqlite").touch()
    assert "already holds a study" in check_folder(tmp_path / "old")
    (tmp_path / "file").touch()
    assert "is a file" in check_folder(tmp_path / "file")
    assert "is a file" in check_folder(tmp_path / "file" / "below")


def test_a_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert "cannot be written" in check_folder(tmp_path / "new")


def test_what_cannot_be_opened_is_a_problem_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.edf").write_text("no recording")
    config = RecordingsConfig(sources=[SourceConfig(pattern="{subject}.edf")])
    preview = preview_recordings(config, tmp_path)
    guess = guess_study(preview.found, config, tmp_path)
    assert guess.problem.startswith("No recording can be opened. ")
    assert "a.edf" in guess.problem
    assert guess.modalities is None
