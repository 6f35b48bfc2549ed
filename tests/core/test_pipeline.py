"""A whole run as core does it: nothing of a tested subject is used before the test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.checkpoint import load_tensors
from core.config import load_run_file
from core.errors import ConfigError, DataError, ModelError
from core.pipeline import run_study, start_report
from core.progress import Cancelled, Progress, RunContext
from core.run_folder import RunFolder
from core.saved_model import load_model


def study_run(
    study: Any, output: Path, *assignments: str, context: RunContext | None = None
) -> dict[str, Any]:
    config = load_run_file(study.run_file, assignments)
    folder = RunFolder(output)
    folder.prepare(resume=True, force=False)
    report: dict[str, Any] = {}
    start_report(report, config)
    run_study(config, study.folder, folder, report, context or RunContext())
    return report


def weights(output: Path, name: str) -> dict[str, np.ndarray]:
    tensors, _ = load_tensors(output / "checkpoints" / f"{name}.safetensors")
    return {key: tensor.numpy() for key, tensor in tensors.items()}


def equal(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def table(output: Path, name: str) -> str:
    return (output / "predictions" / f"{name}.csv").read_text()


AFTER = 'steps=["finetune", "evaluate", "predict", "robustness"]'


@pytest.mark.slow
# Subjects are sorted by name and dealt out in turn to two folds: s1, s3 and s5 are tested in the
# first, s2 and s4 in the second.
@pytest.mark.parametrize(
    "assignments",
    [
        [],
        ["finetune.head=mlp", "finetune.epochs=3", "finetune.context_windows=1"],
        ["finetune.mode=end_to_end", "finetune.epochs=2"],
    ],
    ids=["frozen linear", "frozen mlp with context", "end to end"],
)
def test_nothing_of_a_held_out_subject_is_used_in_its_fold(
    small_study: Any, tmp_path: Path, assignments: list[str]
) -> None:
    options = [*assignments, 'evaluate.opponents=["random_forest", "random_encoders"]']
    study_run(small_study, tmp_path / "one", *options)
    # Other signals, at a hundred times the size, and other labels.
    data = small_study.signals(77)
    swapped = np.where(data["activity"] == "walk", "rest", "walk").astype(object)
    small_study.write("s1", 77, ax=data["ax"] * 100, gx=data["gx"] * 100, activity=swapped)
    study_run(small_study, tmp_path / "two", *options)
    one, two = tmp_path / "one", tmp_path / "two"
    assert equal(weights(one, "pretrain-own-0"), weights(two, "pretrain-own-0"))
    for untouched in ("s3", "s5"):
        assert table(one, untouched) == table(two, untouched)
    first, second = weights(one, "fold-0"), weights(two, "fold-0")
    tail = {name for name in first if name.startswith("p/")}
    assert any(name.startswith("p/random_forest") for name in tail)
    for name in tail:  # windows of s3 and s5 follow the 30 of s1
        np.testing.assert_array_equal(first[name][30:], second[name][30:])
    assert not equal(weights(one, "pretrain-own-1"), weights(two, "pretrain-own-1"))


def test_labels_have_no_part_in_pretraining(small_study: Any, tmp_path: Path) -> None:
    study_run(small_study, tmp_path / "one", 'steps=["pretrain"]')
    for number in range(1, 6):
        data = small_study.signals(number)
        swapped = np.where(data["activity"] == "walk", "rest", "walk").astype(object)
        small_study.write(f"s{number}", number, activity=swapped)
    study_run(small_study, tmp_path / "two", 'steps=["pretrain"]')
    one, two = weights(tmp_path / "one", "pretrain-own-final"), None
    two = weights(tmp_path / "two", "pretrain-own-final")
    assert equal(one, two)


def test_unlabelled_recordings_take_part_in_pretraining_alone(
    small_study: Any, tmp_path: Path
) -> None:
    none = np.full(1200, "", object)
    small_study.write("s4", 4, activity=none)
    report = study_run(small_study, tmp_path / "out")
    for fold in report["evaluation"]["folds"]:
        assert "s4" in fold["pretrain_subjects"]
        assert "s4" not in fold["train_subjects"] + fold["test_subjects"]
    assert set(report["evaluation"]["per_subject"]) == {"s1", "s2", "s3", "s5"}
    rows = table(tmp_path / "out", "s4").splitlines()[1:]
    assert len(rows) == 30
    assert all(row.split(",")[2:4] == ["final", ""] for row in rows)

    entry = next(one for one in report["recordings"] if one["id"] == "s4")
    assert (entry["windows"], entry["labelled_windows"]) == (30, 0)
    (small_study.folder / "s4.csv").unlink()
    study_run(small_study, tmp_path / "without")
    assert not equal(
        weights(tmp_path / "out", "pretrain-own-0"), weights(tmp_path / "without", "pretrain-own-0")
    )


def test_locked_subjects_are_tested_alone_and_trained_on_never(
    small_study: Any, tmp_path: Path
) -> None:
    locked = 'evaluate.test_subjects=["s2", "s5"]'
    report = study_run(small_study, tmp_path / "one", locked)
    (fold,) = report["evaluation"]["folds"]
    assert fold["fold"] == "locked"
    assert fold["test_subjects"] == ["s2", "s5"]
    assert fold["pretrain_subjects"] == ["s1", "s3", "s4"]
    assert set(report["evaluation"]["per_subject"]) == {"s2", "s5"}
    assert table(tmp_path / "one", "s2").splitlines()[1].split(",")[2] == "locked"

    small_study.write("s5", 99)
    study_run(small_study, tmp_path / "two", locked)
    model = "model/weights.safetensors"
    assert (tmp_path / "one" / model).read_bytes() == (tmp_path / "two" / model).read_bytes()


def test_a_locked_subject_that_is_not_there_is_a_sentence(small_study: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="s22"):
        study_run(small_study, tmp_path / "out", 'evaluate.test_subjects=["s22"]')


def test_a_modality_absent_from_a_recording_is_left_out_there_and_used_elsewhere(
    small_study: Any, tmp_path: Path
) -> None:
    small_study.write("s3", 3, gx=None)
    small_study.write("s4", 4, gx=np.full(1200, 7.0))  # flat: disconnected
    gone = small_study.signals(5)["gx"].copy()
    gone[400:800] = np.nan
    small_study.write("s5", 5, gx=gone)
    report = study_run(small_study, tmp_path / "out")
    shares = {entry["id"]: entry["present_share"] for entry in report["recordings"]}
    assert shares["s1"] == {"acc": 1.0, "gyro": 1.0}
    assert shares["s3"] == shares["s4"] == {"acc": 1.0, "gyro": 0.0}
    assert shares["s5"]["gyro"] == pytest.approx(20 / 30)
    for name in ("s3", "s4"):
        for row in table(tmp_path / "out", name).splitlines()[1:]:
            cells = row.split(",")
            assert cells[8:] == ["acc", "0.000000", cells[10], ""]
            assert cells[4] in ("rest", "walk")
    subsets = {tuple(row["kept"]): row for row in report["robustness"]["subsets"]}
    assert subsets["acc", "gyro"]["windows"] == 150
    assert subsets["gyro",]["windows"] == 80  # empty intersections are left out and counted
    assert subsets["gyro",]["left_out"] == 70


def test_a_study_of_one_modality_has_no_fragile_window(small_study: Any, tmp_path: Path) -> None:
    small_study.document["modalities"] = small_study.document["modalities"][:1]
    small_study.write_run_file()
    report = study_run(small_study, tmp_path / "out")
    assert [row["kept"] for row in report["robustness"]["subsets"]] == [["acc"]]
    assert set(report["robustness"]["worst_single_removal"].values()) == {None}
    rows = [row.split(",") for row in table(tmp_path / "out", "s1").splitlines()[1:]]
    assert {row[8] for row in rows} == {"acc"}
    assert {row[9] for row in rows} == {"0.000000"}


def test_a_window_with_nothing_present_has_no_prediction(small_study: Any, tmp_path: Path) -> None:
    data = small_study.signals(1)
    for name in ("ax", "ay", "gx"):
        data[name][200:400] = np.nan
    small_study.write("s1", 1, **{name: data[name] for name in ("ax", "ay", "gx")})
    report = study_run(small_study, tmp_path / "out")
    rows = [row.split(",") for row in table(tmp_path / "out", "s1").splitlines()[1:]]
    empty = [row for row in rows if not row[4]]
    assert [row[0] for row in empty] == ["10", "12", "14", "16", "18"]
    assert all(row[3] == "walk" and set(row[4:]) == {""} for row in empty)
    assert report["evaluation"]["left_out"] == 5


def test_a_run_of_pretraining_alone_saves_a_model_without_a_classifier(
    small_study: Any, tmp_path: Path
) -> None:
    small_study.document.pop("labels")
    small_study.write_run_file()
    report = study_run(small_study, tmp_path / "out", 'steps=["pretrain"]')
    assert report["evaluation"] is None
    assert load_model(tmp_path / "out" / "model").classifier is None
    assert not (tmp_path / "out" / "predictions").exists()


@pytest.mark.parametrize("steps", [2, 9, 14, 20, 26, 33, 45])
def test_a_run_stopped_anywhere_resumes_to_the_same_tables(
    small_study: Any, tmp_path: Path, steps: int, finished_run: Any
) -> None:
    seen: list[Progress] = []

    def note(progress: Progress) -> None:
        if progress.stage:
            seen.append(progress)

    context = RunContext(note, lambda: len(seen) >= steps)
    with pytest.raises(Cancelled):
        study_run(small_study, tmp_path / "out", context=context)
    assert len(seen) == steps
    assert not (tmp_path / "out" / "cache").exists()
    study_run(small_study, tmp_path / "out")
    for number in range(1, 6):
        assert table(tmp_path / "out", f"s{number}") == table(finished_run[1], f"s{number}")


def test_a_changed_recording_is_noticed_when_resuming(small_study: Any, tmp_path: Path) -> None:
    study_run(small_study, tmp_path / "out")
    small_study.write("s2", 50)
    study_run(small_study, tmp_path / "out")
    study_run(small_study, tmp_path / "fresh")
    for number in range(1, 6):
        assert table(tmp_path / "out", f"s{number}") == table(tmp_path / "fresh", f"s{number}")


def test_corrected_labels_are_used_when_resuming(small_study: Any, tmp_path: Path) -> None:
    kind = {"kind": "epochs", "pattern": "{subject}.txt", "epoch_s": 10}
    small_study.document["labels"] = kind | {"classes": ["rest", "walk"]}
    small_study.write_run_file()
    epochs = ["rest", "walk"] * 3
    for number in range(1, 6):
        wrong = epochs if number != 3 else epochs[::-1]
        (small_study.folder / f"s{number}.txt").write_text("\n".join(wrong) + "\n")
    study_run(small_study, tmp_path / "out")
    (small_study.folder / "s3.txt").write_text("\n".join(epochs) + "\n")
    study_run(small_study, tmp_path / "out")
    study_run(small_study, tmp_path / "fresh")
    for number in range(1, 6):
        assert table(tmp_path / "out", f"s{number}") == table(tmp_path / "fresh", f"s{number}")


def test_a_fold_whose_training_subjects_have_one_class_is_finished_and_noted(
    small_study: Any, tmp_path: Path
) -> None:
    for number in range(2, 6):
        small_study.write(f"s{number}", number, activity=np.full(1200, "rest", dtype=object))
    report = study_run(small_study, tmp_path / "out", "evaluate.folds=5")
    assert any("Fold 0" in note and "walk" in note for note in report["evaluation"]["notes"])
    assert {line.split(",")[4] for line in table(tmp_path / "out", "s1").splitlines()[1:]} == {
        "rest"
    }


def test_one_class_is_refused_before_anything_is_trained(small_study: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="one class only"):
        study_run(small_study, tmp_path / "out", 'labels.classes=["rest"]')
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_a_hypnogram_beside_the_night_is_no_recording(small_study: Any, tmp_path: Path) -> None:
    kind = {"kind": "epochs", "pattern": "{subject}-stages.csv", "epoch_s": 10}
    small_study.document["labels"] = kind | {"classes": ["rest", "walk"]}
    small_study.write_run_file()
    for number in range(1, 6):
        (small_study.folder / f"s{number}-stages.csv").write_text("rest\nwalk\n" * 3)
    report = study_run(small_study, tmp_path / "out")
    assert [entry["id"] for entry in report["recordings"]] == ["s1", "s2", "s3", "s4", "s5"]


def list_recordings(study: Any) -> list[dict[str, Any]]:
    """Turn the study's pattern into a list."""
    (source,) = study.document["recordings"]["sources"]
    other = {"name": "other", "csv": {"separator": ";"}}
    study.document["recordings"]["sources"] = [other, {"name": "table", "csv": source["csv"]}]
    listed = [
        {"id": name, "subject": name,
         "files": {"main": {"path": f"{name}.csv", "source": "table"}}}
        for name in (f"s{number}" for number in range(1, 6))
    ]  # fmt: skip
    study.document["recordings"]["listed"] = listed
    study.write_run_file()
    return listed


@pytest.mark.parametrize(
    "labels",
    [
        {"kind": "file", "pattern": "labels/{recording}.csv"},
        {"kind": "file", "pattern": "labels/{subject}.csv"},
        {"kind": "table", "pattern": "all.csv", "key_column": "who", "key": "recording",
         "time_column": "onset", "duration_column": "duration", "label_column": "label"},
        {"kind": "table", "pattern": "all.csv", "key_column": "who", "key": "subject",
         "time_column": "onset", "duration_column": "duration", "label_column": "label"},
        # The recordings themselves fit this pattern, and stay recordings.
        {"kind": "table", "pattern": "{recording}.csv", "time_column": "time", "period_s": 0.05,
         "label_column": "activity"},
    ],
    ids=["by recording", "by subject", "table of recordings", "table of subjects", "their own"],
)  # fmt: skip
def test_listed_recordings_find_their_labels(
    small_study: Any, tmp_path: Path, labels: dict[str, Any]
) -> None:
    listed = list_recordings(small_study)
    # Ids and subjects that are nowhere in the paths, and that a table may write otherwise.
    by = {"subject": "subject", "recording": "id"}[labels.get("key", "recording")]
    keys = {}
    (small_study.folder / "labels").mkdir()
    for number, entry in enumerate(listed, 1):
        entry.update(subject=f"person {number}")
        if labels["pattern"] != "{recording}.csv":
            entry.update(id=f"night-{number}")
        keys[f"k{number}"] = entry[by]
    small_study.document["recordings"]["key_map"] = keys
    rows = [(10 * n, 10, ("rest", "walk")[n % 2]) for n in range(6)]
    for entry in listed:
        for name in (entry["id"], entry["subject"]):
            text = "\n".join(["onset,duration,label", *(f"{a},{b},{c}" for a, b, c in rows)])
            (small_study.folder / "labels" / f"{name}.csv").write_text(text + "\n")
    table_rows = [f"{key},{a},{b},{c}" for key in keys for a, b, c in rows]
    text = "\n".join(["who,onset,duration,label", *table_rows])
    (small_study.folder / "all.csv").write_text(text + "\n")
    for source in small_study.document["recordings"]["sources"]:
        source["csv"]["ignore_columns"] = ["activity"]
    small_study.document["labels"] = labels | {"classes": ["rest", "walk"]}
    small_study.write_run_file()
    report = study_run(small_study, tmp_path / "out", 'steps=["pretrain", "finetune", "predict"]')
    entries = report["recordings"]
    assert [entry["subject"] for entry in entries] == [f"person {n}" for n in range(1, 6)]
    assert [entry["labelled_windows"] for entry in entries] == [30] * 5
    labels_of = [row.split(",")[3] for row in table(tmp_path / "out", listed[0]["id"]).splitlines()]
    assert labels_of[1:] == (["rest"] * 5 + ["walk"] * 5) * 3


def test_a_model_keeps_no_list_of_recordings(small_study: Any, tmp_path: Path) -> None:
    for entry in list_recordings(small_study):
        entry.update(id=f"Zoe{entry['id']}", subject=f"Meier{entry['id']}", fields={"a": "Ward7"})
    study_run(small_study, tmp_path / "out", 'steps=["pretrain", "finetune"]')
    recordings = load_model(tmp_path / "out" / "model").config.recordings
    assert recordings.listed == []
    # Any name with this ending: what the files of all have in common.
    assert [(s.name, s.pattern) for s in recordings.sources] == [("main", "{subject}.csv")]
    assert recordings.sources[0].csv.rate_hz == 20
    text = (tmp_path / "out" / "model" / "model.json").read_text()
    assert not [name for name in ("Zoe", "Meier", "Ward7", "s1.csv") if name in text]


def test_a_list_that_changes_is_noticed_when_resuming(small_study: Any, tmp_path: Path) -> None:
    steps = 'steps=["pretrain", "finetune", "predict"]'

    def run(output: Path) -> dict[int, str]:
        small_study.write_run_file()
        study_run(small_study, output, steps)
        return {number: table(output, f"s{number}") for number in range(1, 6)}

    list_recordings(small_study)
    before = run(tmp_path / "out")
    kept = tmp_path / "out" / "checkpoints" / "pretrain-own-final.safetensors"
    made = kept.stat().st_mtime_ns
    assert run(tmp_path / "out") == before
    assert kept.stat().st_mtime_ns == made
    recordings = small_study.document["recordings"]
    bad = {"recording": "s3", "modality": "gyro", "start_s": 10, "end_s": 30}
    for number, change in enumerate((
        lambda: recordings.update(exclude=[bad]),
        lambda: recordings["listed"][3]["files"]["main"].update(path="s1.csv"),
    )):  # fmt: skip
        change()
        after = run(tmp_path / "out")
        assert after == run(tmp_path / f"fresh {number}")
        assert after != before
        before = after


def test_an_exclusion_of_a_modality_that_is_not_there_is_a_sentence(
    small_study: Any, tmp_path: Path
) -> None:
    for number in range(1, 6):
        data = small_study.signals(number)
        small_study.write(f"s{number}", number, ax=None, ay=None, gx=None, hand_acc_x=data["ax"],
                          hand_acc_y=data["ay"], hand_gyro_x=data["gx"])  # fmt: skip
    exclude = [{"recording": "s1", "modality": "hand_gyr", "start_s": 10, "end_s": 30}]
    small_study.document["recordings"]["exclude"] = exclude
    for preset in ("body_motion", "auto"):
        small_study.document["modalities"] = preset
        small_study.write_run_file()
        with pytest.raises(ConfigError, match=r"exclude\.0\.modality: there is no modality 'hand_"):
            study_run(small_study, tmp_path / "out", 'steps=["pretrain"]')
        # One that the preset has and no recording has is bad in none.
        known = json.dumps([{**exclude[0], "modality": "chest_gyro"}])
        study_run(small_study, tmp_path / "out", 'steps=["pretrain"]',
                  f"recordings.exclude={known}")  # fmt: skip


@pytest.mark.slow
def test_every_opponent_adaptation_and_dedicated_heads_stand_in_the_report(
    small_study: Any, tmp_path: Path
) -> None:
    opponents = [
        "majority", "random_forest", "logistic_regression", "supervised",
        "supervised_dropout", "random_encoders", "reference",
    ]  # fmt: skip
    report = study_run(
        small_study, tmp_path / "out", f"evaluate.opponents={json.dumps(opponents)}",
        "evaluate.adapt=true", "robustness.dedicated=true", "evaluate.reference_epochs=1",
        "finetune.epochs=1", "evaluate.budgets=[0.1]", "evaluate.budget_seeds=2",
    )  # fmt: skip
    rows = {row["name"]: row for row in report["evaluation"]["opponents"]}
    assert set(rows) == {*opponents, "random_forest_adapted"}
    assert [n for n, row in rows.items() if row["transductive"]] == ["random_forest_adapted"]
    rows["own_adapted"] = report["evaluation"]["adapted"]
    assert rows["own_adapted"]["transductive"]
    for row in rows.values():
        assert [line["budget"] for line in row["label_efficiency"]] == [0.1, 1.0]
        assert [line["seeds"] for line in row["label_efficiency"]] == [2, 1]
    kept = [row["kept"] for row in report["robustness"]["dedicated"]]
    assert sorted(kept) == [["acc"], ["gyro"]]
    assert all(row["forest_macro_f1"] is not None for row in report["robustness"]["dedicated"])


def pretrained(study: Any, output: Path, *names: str) -> Path:
    """A model pretrained on some of the study's people."""
    values = json.dumps({"subject": list(names)})
    study_run(study, output, 'steps=["pretrain"]', f"recordings.sources.0.values={values}")
    return output / "model"


def test_a_run_starts_from_a_saved_model_and_keeps_its_encoders(
    small_study: Any, tmp_path: Path
) -> None:
    model = pretrained(small_study, tmp_path / "first", "s1", "s2")
    report = study_run(
        small_study, tmp_path / "out", f"finetune.from={model}", AFTER,
        'recordings.sources.0.values={"subject": ["s3", "s4", "s5"]}',
    )  # fmt: skip
    assert report["pretraining"]["runs"] == []
    assert report["evaluation"]["macro_f1"] is not None
    first = load_model(model).model.state_dict()
    second = load_model(tmp_path / "out" / "model").model.state_dict()
    assert all((first[name] == second[name]).all() for name in first)


def test_a_model_that_has_seen_a_subject_is_not_tested_on_it(
    small_study: Any, tmp_path: Path
) -> None:
    model = pretrained(small_study, tmp_path / "first", "s1", "s2")
    with pytest.raises(DataError, match=r"trained on recordings of s1, s2"):
        study_run(small_study, tmp_path / "out", f"finetune.from={model}", AFTER)
    # Renaming a file does not hide it.
    (small_study.folder / "s1.csv").rename(small_study.folder / "s9.csv")
    (small_study.folder / "s2.csv").unlink()
    with pytest.raises(DataError, match=r"trained on recordings of s9"):
        study_run(small_study, tmp_path / "out2", f"finetune.from={model}", AFTER)


def test_a_model_that_has_seen_others_is_tested_on_locked_subjects(
    small_study: Any, tmp_path: Path
) -> None:
    model = pretrained(small_study, tmp_path / "first", "s1", "s2")
    report = study_run(
        small_study, tmp_path / "out", f"finetune.from={model}", AFTER,
        'evaluate.test_subjects=["s5"]',
    )  # fmt: skip
    assert set(report["evaluation"]["per_subject"]) == {"s5"}


def test_what_a_first_model_has_seen_is_known_to_the_models_made_from_it(
    small_study: Any, tmp_path: Path
) -> None:
    first = pretrained(small_study, tmp_path / "first", "s1", "s2")
    study_run(
        small_study, tmp_path / "second", f"finetune.from={first}",
        'steps=["finetune", "predict"]',
        'recordings.sources.0.values={"subject": ["s3", "s4"]}',
    )  # fmt: skip
    model = tmp_path / "second" / "model"
    with pytest.raises(DataError, match="trained on recordings of s1, s2, s3, s4"):
        study_run(small_study, tmp_path / "out", f"finetune.from={model}", AFTER)


def test_a_model_serves_other_classes_than_it_was_trained_for(
    small_study: Any, tmp_path: Path
) -> None:
    study_run(small_study, tmp_path / "first", 'steps=["pretrain", "finetune"]')
    mapping = '{"rest": "still", "walk": "moving"}'
    report = study_run(
        small_study, tmp_path / "out", f"finetune.from={tmp_path / 'first' / 'model'}",
        'steps=["finetune", "predict"]', f"labels.mapping={mapping}",
        'labels.classes=["still", "moving"]',
    )  # fmt: skip
    assert report["classes"] == ["still", "moving"]


def test_a_model_of_other_windows_is_refused_with_what_to_set(
    small_study: Any, tmp_path: Path
) -> None:
    model = pretrained(small_study, tmp_path / "first", "s1", "s2")
    with pytest.raises(ModelError, match=r"finetune.from: .*Set windows.length_s to 2"):
        study_run(
            small_study, tmp_path / "out", f"finetune.from={model}", "windows.length_s=4",
            'steps=["finetune", "predict"]',
        )  # fmt: skip


@pytest.mark.parametrize("mode", ["frozen", "end_to_end"])
def test_the_network_is_that_of_the_starting_model_whatever_the_run_file_says(
    small_study: Any, tmp_path: Path, mode: str
) -> None:
    model = pretrained(small_study, tmp_path / "first", "s1", "s2")
    study_run(
        small_study, tmp_path / "out", f"finetune.from={model}", "model.encoder.code=12",
        'steps=["finetune", "predict"]', f"finetune.mode={mode}", "finetune.epochs=1",
    )  # fmt: skip
    saved = load_model(tmp_path / "out" / "model")
    assert saved.model.code == 8
    assert saved.config.model.encoder.code == 8


def test_a_missing_starting_model_is_named(small_study: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere"):
        study_run(small_study, tmp_path / "out", "finetune.from=nowhere", AFTER)


# ---------------------------------------------------------------- classes that disappear


def relabel(study: Any, *people: int, **names: str) -> None:
    """Give people other labels, as whoever labels may do: what they do in the last ten seconds is
    `last`, and what was `walk` before is `walk`; an empty name takes a label away."""
    for number in people:
        data = study.signals(number)
        activity = data["activity"].copy()
        activity[activity == "walk"] = names.get("walk", "walk")
        activity[data["time"] >= 50] = names["last"]
        study.write(f"s{number}", number, activity=activity)


EVERYBODY = (1, 2, 3, 4, 5)
LEARNERS = (
    'evaluate.opponents=["majority", "random_forest", "logistic_regression", "random_encoders",'
    ' "supervised"]',
    "finetune.epochs=1",
    'labels.classes=["rest", "run", "walk"]',
    "evaluate.budgets=[0.3, 1.0]",
    "evaluate.budget_seeds=1",
)


def test_a_class_that_nobody_has_is_said_and_the_run_goes_on(
    small_study: Any, tmp_path: Path
) -> None:
    said: list[str] = []
    context = RunContext(lambda progress: said.append(progress.message))
    report = study_run(small_study, tmp_path / "out", *LEARNERS, context=context)
    note = "No window has the label run: it can be neither learnt nor predicted."
    assert note in said
    assert report["evaluation"]["notes"] == [note], "once, not again for each fold"
    assert report["classes"] == ["rest", "run", "walk"]
    assert report["evaluation"]["per_class"]["run"] == {
        "precision": None, "recall": None, "f1": None, "support": 0, "predicted": 0,
    }  # fmt: skip
    assert report["evaluation"]["macro_f1"] > 0.5


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_a_class_that_is_unlabelled_everywhere_is_said(
    small_study: Any, tmp_path: Path, head: str
) -> None:
    relabel(small_study, *EVERYBODY, last="run")
    options = (*LEARNERS, f"finetune.head={head}", 'evaluate.opponents=["random_forest"]')
    before = study_run(small_study, tmp_path / "out", *options)
    assert before["evaluation"]["notes"] == []
    relabel(small_study, *EVERYBODY, last="run", walk="")
    # Into the same folder: what was kept does not fit any more.
    after = study_run(small_study, tmp_path / "out", *options)
    assert any("label walk" in note for note in after["evaluation"]["notes"])
    assert after["evaluation"]["per_class"]["walk"]["support"] == 0
    assert after["data_fingerprint"] != before["data_fingerprint"]


def test_a_class_left_to_one_person_is_said_for_the_fold_that_tests_them(
    small_study: Any, tmp_path: Path
) -> None:
    relabel(small_study, 2, last="run")
    report = study_run(small_study, tmp_path / "out", *LEARNERS)
    assert report["evaluation"]["notes"] == [
        "Fold 1: no training subject has run, so that it cannot be predicted there."
    ]
    assert report["evaluation"]["per_class"]["run"]["recall"] == 0.0


def test_a_class_that_only_locked_people_have_is_said(small_study: Any, tmp_path: Path) -> None:
    relabel(small_study, 2, last="run")
    report = study_run(
        small_study, tmp_path / "out", *LEARNERS, 'evaluate.test_subjects=["s2"]',
        'evaluate.opponents=["majority"]',
    )  # fmt: skip
    (note,) = report["evaluation"]["notes"]
    assert note.startswith("Only locked test subjects have the label run")


# ---------------------------------------------------------------- the same data


def test_the_fingerprint_of_the_data_does_not_depend_on_settings_or_order(
    small_study: Any, tmp_path: Path
) -> None:
    only = 'steps=["pretrain", "finetune", "predict"]'
    first = study_run(small_study, tmp_path / "one", only)["data_fingerprint"]
    others = (
        ['labels.classes=["walk", "rest"]'],
        ["pretrain.epochs=1", "seed=3", "finetune.head=mlp", "finetune.epochs=1"],
        ["windows.pretrain_hop_s=1"],
    )
    for number, options in enumerate(others):
        report = study_run(small_study, tmp_path / f"other{number}", only, *options)
        assert report["data_fingerprint"] == first
    listed = list_recordings(small_study)
    listed.reverse()
    for entry in listed:
        entry["id"] = f"night-{entry['id']}"
    for source in small_study.document["recordings"]["sources"]:
        source["csv"]["ignore_columns"] = []
    small_study.write_run_file()
    assert study_run(small_study, tmp_path / "listed", only)["data_fingerprint"] == first


@pytest.mark.parametrize("change", ["signal", "label", "subject", "window", "one fewer"])
def test_the_fingerprint_of_the_data_tells_other_data(
    small_study: Any, tmp_path: Path, change: str
) -> None:
    only = 'steps=["pretrain"]'
    options = ["pretrain.epochs=1"]
    first = study_run(small_study, tmp_path / "one", only, *options)["data_fingerprint"]
    if change == "signal":
        small_study.write("s2", 50)
    elif change == "label":
        kind = {"kind": "epochs", "pattern": "{subject}.txt", "epoch_s": 10}
        small_study.document["labels"] = kind | {"classes": ["rest", "walk"]}
        small_study.write_run_file()
        for number in range(1, 6):
            labels = ["rest", "walk"] * 3 if number != 2 else ["walk", "rest"] * 3
            (small_study.folder / f"s{number}.txt").write_text("\n".join(labels) + "\n")
    elif change == "subject":
        options.append("recordings.subject=person {subject}")
    elif change == "window":
        options.append("windows.hop_s=1")
    else:
        (small_study.folder / "s5.csv").unlink()
    second = study_run(small_study, tmp_path / "two", only, *options)["data_fingerprint"]
    assert second != first
