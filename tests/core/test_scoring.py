"""A saved model on new recordings: other names, units, rates, and modalities that are missing."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edfio import Edf, EdfSignal

from core.config import make_config
from core.find_recordings import without_names
from core.scoring import group_files
from crossl_app.cli import run


@pytest.fixture
def model(finished_run: Any) -> Path:
    return finished_run[1] / "model"


@pytest.fixture
def new(small_study: Any, tmp_path: Path) -> Any:
    """A study whose one recording, `anna`, the model has never seen."""
    for path in small_study.folder.iterdir():
        path.unlink()
    small_study.write("anna", 42)
    return small_study


def score(model: Path, output: Path, *files: Path, options: tuple[str, ...] = ()) -> int:
    command = ["--batch", "--model", str(model), "--output", str(output), *options]
    return run([*command, *map(str, files)])


def report_of(output: Path) -> dict[str, Any]:
    return json.loads((output / "report.json").read_text())


def rows_of(output: Path, name: str) -> list[dict[str, str]]:
    with (output / "predictions" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def walks(study: Any) -> list[str]:
    """What is true of each window of two seconds."""
    return ["walk" if start // 10 % 2 else "rest" for start in range(0, study.seconds, 2)]


def agreement(rows: list[dict[str, str]], truth: list[str]) -> float:
    return float(np.mean([row["predicted"] == t for row, t in zip(rows, truth, strict=True)]))


def findings(report: dict[str, Any], name: str) -> str:
    entry = next(one for one in report["recordings"] if one["id"] == name)
    return " ".join(finding["message"] for finding in entry["findings"])


def test_a_new_recording_is_scored_without_its_labels(
    model: Path, new: Any, tmp_path: Path
) -> None:
    path = new.folder / "anna.csv"
    new.write("anna", 42, activity=None)
    output = tmp_path / "out"
    assert score(model, output, path) == 0
    rows = rows_of(output, "anna")
    assert list(rows[0]) == [
        "start_s", "end_s", "fold", "label", "predicted", "confidence", "p_rest", "p_walk",
        "present", "fragility", "shapley_acc", "shapley_gyro",
    ]  # fmt: skip
    assert agreement(rows, walks(new)) > 0.9
    assert {row["fold"] for row in rows} == {"final"}
    assert {row["label"] for row in rows} == {""}
    report = report_of(output)
    assert report["status"] == "success"
    assert report["evaluation"] is None
    assert report["robustness"]["subsets"][0]["macro_f1"] is None
    assert "unlike" not in findings(report, "anna")
    assert (output / "report.html").exists()


def test_scoring_a_recording_gives_what_the_run_itself_predicts(
    small_study: Any, tmp_path: Path
) -> None:
    steps = 'steps=["pretrain", "finetune", "predict"]'
    assert small_study.run(tmp_path / "run", "--set", steps) == 0
    assert score(tmp_path / "run/model", tmp_path / "out", small_study.folder / "s3.csv") == 0
    for a, b in zip(rows_of(tmp_path / "run", "s3"), rows_of(tmp_path / "out", "s3"), strict=True):
        assert a["predicted"] == b["predicted"]
        assert float(a["p_walk"]) == pytest.approx(float(b["p_walk"]), abs=2e-6)


def test_a_recording_that_lacks_a_modality_is_scored_with_what_it_has(
    model: Path, new: Any, tmp_path: Path
) -> None:
    path = new.write("anna", 42, gx=None)
    output = tmp_path / "out"
    assert score(model, output, path) == 0
    rows = rows_of(output, "anna")
    assert {row["present"] for row in rows} == {"acc"}
    assert {row["shapley_gyro"] for row in rows} == {""}
    assert {row["fragility"] for row in rows} == {"0.000000"}
    assert agreement(rows, walks(new)) > 0.8
    (entry,) = report_of(output)["recordings"]
    assert entry["present_share"] == {"acc": 1.0, "gyro": 0.0}


def test_a_recording_with_no_known_channel_fails_and_says_which_it_has(
    model: Path, new: Any, tmp_path: Path, capsys
) -> None:
    path = new.folder / "bob.csv"
    path.write_text("time,a,b\n" + "".join(f"{k / 20},{k % 7},{k % 5}\n" for k in range(400)))
    output = tmp_path / "out"
    assert score(model, output, path, new.folder / "anna.csv") == 3
    assert "bob" in capsys.readouterr().err
    report = report_of(output)
    states = {entry["id"]: entry["status"] for entry in report["recordings"]}
    assert states == {"bob": "failed", "anna": "ok"}
    error = next(entry["error"] for entry in report["recordings"] if entry["id"] == "bob")
    assert "a, b" in error
    assert not (output / "predictions" / "bob.csv").exists()


def test_another_rate_is_resampled(model: Path, new: Any, tmp_path: Path) -> None:
    data = new.signals(42)
    fine = np.arange(60 * 50) / 50
    columns = {name: np.interp(fine, data["time"], data[name]) for name in ("ax", "ay", "gx")}
    path = new.folder / "anna.csv"
    with path.open("w") as file:
        file.write("time,ax,ay,gx\n")
        for k, time in enumerate(fine):
            file.write(f"{time:.3f}," + ",".join(f"{c[k]:.5f}" for c in columns.values()) + "\n")
    assert score(model, tmp_path / "out", path) == 0
    assert agreement(rows_of(tmp_path / "out", "anna"), walks(new)) > 0.8


def test_an_edf_file_with_other_spelling_is_scored_by_a_model_made_from_csv(
    model: Path, new: Any, tmp_path: Path
) -> None:
    data = new.signals(42)
    path = tmp_path / "carl.edf"
    signals = [
        EdfSignal(np.asarray(data[name], float), 20, label=label)
        for name, label in (("ax", "AX"), ("ay", "Ay"), ("gx", "GX "))
    ]
    Edf(signals).write(path)
    assert score(model, tmp_path / "out", path) == 0
    rows = rows_of(tmp_path / "out", "carl")
    assert {row["present"] for row in rows} == {"acc;gyro"}
    assert agreement(rows, walks(new)) > 0.9


def test_a_multiple_of_the_unit_is_converted(small_study: Any, tmp_path: Path) -> None:
    for modality in small_study.document["modalities"]:
        modality["unit"] = "uV"
    units = dict.fromkeys(("ax", "ay", "gx"), "uV")
    small_study.document["recordings"]["sources"][0]["csv"]["units"] = units
    small_study.write_run_file()
    steps = 'steps=["pretrain", "finetune"]'
    assert small_study.run(tmp_path / "run", "--set", steps) == 0
    data = small_study.signals(42)
    for unit, factor in (("uV", 1.0), ("mV", 1e-3)):
        signals = [
            EdfSignal(
                np.asarray(data[name], float) * factor, 20, label=name, physical_dimension=unit
            )
            for name in ("ax", "ay", "gx")
        ]
        path = tmp_path / f"dora_{unit}.edf"
        Edf(signals).write(path)
        assert score(tmp_path / "run/model", tmp_path / unit, path) == 0
    micro, milli = rows_of(tmp_path / "uV", "dora_uV"), rows_of(tmp_path / "mV", "dora_mV")
    for a, b in zip(micro, milli, strict=True):
        assert float(a["p_walk"]) == pytest.approx(float(b["p_walk"]), abs=1e-3)


def test_data_unlike_the_training_data_are_warned_of(model: Path, new: Any, tmp_path: Path) -> None:
    path = new.write("anna", 42, ax=new.signals(42)["ax"] * 1000, ay=new.signals(42)["ay"] * 1000)
    assert score(model, tmp_path / "out", path) == 0
    said = findings(report_of(tmp_path / "out"), "anna")
    assert "acc is unlike the data this model was trained on" in said
    assert "gyro is unlike" not in said


def test_files_of_the_same_name_do_not_overwrite_each_other(
    model: Path, new: Any, tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    shutil.copy(new.folder / "anna.csv", other / "anna.csv")
    assert score(model, tmp_path / "out", new.folder / "anna.csv", other / "anna.csv") == 0
    names = [entry["id"] for entry in report_of(tmp_path / "out")["recordings"]]
    assert len(set(names)) == 2
    assert len(list((tmp_path / "out/predictions").iterdir())) == 2


def test_the_same_file_given_twice_is_scored_once(model: Path, new: Any, tmp_path: Path) -> None:
    path = new.folder / "anna.csv"
    assert score(model, tmp_path / "out", path, path) == 0
    assert len(report_of(tmp_path / "out")["recordings"]) == 1


def test_a_file_that_is_not_there_fails_alone(
    model: Path, new: Any, tmp_path: Path, capsys
) -> None:
    gone = tmp_path / "gone.csv"
    assert score(model, tmp_path / "out", gone, new.folder / "anna.csv") == 3
    assert "gone" in capsys.readouterr().err
    assert score(model, tmp_path / "out2", gone) == 4
    error = capsys.readouterr().err
    assert "gone.csv" in error
    assert "Traceback" not in error
    assert report_of(tmp_path / "out2")["status"] == "error"


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"time,ax,ay,gx\n", b"hello"])
def test_a_file_that_is_no_recording_is_exit_4_with_its_name(
    model: Path, tmp_path: Path, capsys, content: bytes
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    assert score(model, tmp_path / "out", path) == 4
    error = capsys.readouterr().err
    assert "x.csv" in error
    assert "Traceback" not in error


def test_a_recording_shorter_than_a_window_is_exit_4(
    model: Path, new: Any, tmp_path: Path, capsys
) -> None:
    path = tmp_path / "short.csv"
    path.write_text("".join((new.folder / "anna.csv").read_text().splitlines(True)[:20]))
    assert score(model, tmp_path / "out", path) == 4
    assert "window" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_exit_2(new: Any, tmp_path: Path, capsys) -> None:
    assert score(tmp_path, tmp_path / "out", new.folder / "anna.csv") == 2
    assert "model.json" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_that_was_only_pretrained_says_what_to_do(
    small_study: Any, tmp_path: Path, capsys
) -> None:
    assert small_study.run(tmp_path / "run", "--set", 'steps=["pretrain"]') == 0
    status = score(tmp_path / "run/model", tmp_path / "out", small_study.folder / "s1.csv")
    assert status == 4
    assert "finetune.from" in capsys.readouterr().err


def test_a_damaged_model_is_exit_4(model: Path, new: Any, tmp_path: Path, capsys) -> None:
    broken = Path(shutil.copytree(model, tmp_path / "broken"))
    (broken / "weights.safetensors").write_bytes(b"x")
    assert score(broken, tmp_path / "out", new.folder / "anna.csv") == 4
    assert "weights.safetensors" in capsys.readouterr().err


def test_results_never_replace_the_model_that_makes_them(
    model: Path, new: Any, tmp_path: Path, capsys
) -> None:
    shutil.copytree(model, tmp_path / "out" / "model")
    status = score(tmp_path / "out" / "model", tmp_path / "out", new.folder / "anna.csv",
                   options=("--force",))  # fmt: skip
    assert status == 2
    assert "lies inside it" in capsys.readouterr().err
    assert (tmp_path / "out" / "model" / "weights.safetensors").exists()


def test_files_of_one_folder_are_put_together_by_their_names_alone(tmp_path: Path) -> None:
    source = {"pattern": "signals/{subject}/{signal}.csv", "values": {"signal": ["ACC", "BVP"]}}
    config = make_config(
        {"recordings": {"sources": [source]}, "windows": {"length_s": 60}, "modalities": "sleep"}
    )
    files = []
    for folder in ("anna", "berta"):
        for name in ("ACC", "BVP"):
            (tmp_path / folder).mkdir(exist_ok=True)
            files.append(tmp_path / folder / f"{name}.csv")
            files[-1].touch()
    groups = group_files(files, config)
    assert [(one.id, one.subject) for one in groups] == [("anna", "anna"), ("berta", "berta")]
    assert [[file.name for file in one.files] for one in groups] == [["ACC", "BVP"]] * 2


def test_files_are_put_together_by_a_model_that_was_made_of_a_list(tmp_path: Path) -> None:
    listed = [
        {"id": f"r{n}", "subject": f"s{n}",
         "files": {"sp": f"{n}/old{n}_sp.csv", "sw": f"{n}/old{n}_sw.csv"}}
        for n in (1, 2)
    ]  # fmt: skip
    recordings = {"sources": [{"name": "sp"}, {"name": "sw", "time_zone": "Asia/Tokyo"}]}
    config = make_config(
        {"recordings": {**recordings, "listed": listed}, "windows": {"length_s": 60}}
    )
    kept = config.model_copy(update={"recordings": without_names(config.recordings)})
    files = [tmp_path / "new" / f"{name}.csv" for name in ("a_sp", "a_sw", "b_sp", "b_sw")]
    files.append(tmp_path / "c.csv")
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.touch()
    groups = group_files(files[:4], kept)
    assert [(one.id, [file.name for file in one.files]) for one in groups] == [
        ("a", ["sp", "sw"]), ("b", ["sp", "sw"]),
    ]  # fmt: skip
    assert [file.config.time_zone for file in groups[0].files] == [None, "Asia/Tokyo"]
    assert [one.id for one in group_files(files[4:], kept)] == ["c"]
    # Without anything in common each file is one by itself, read like the first.
    alone = config.recordings.model_copy(update={"listed": []})
    groups = group_files(files[:2], config.model_copy(update={"recordings": alone}))
    assert [(one.id, one.files[0].name) for one in groups] == [("a_sp", "sp"), ("a_sw", "sp")]


@pytest.mark.slow
def test_a_model_made_of_a_list_scores_like_one_made_of_a_pattern(
    small_study: Any, model: Path, tmp_path: Path
) -> None:
    (source,) = small_study.document["recordings"]["sources"]
    del source["pattern"]
    names = [f"s{number}" for number in range(1, 6)]
    listed = [{"id": name, "subject": name, "files": {"main": f"{name}.csv"}} for name in names]
    small_study.document["recordings"]["listed"] = listed
    small_study.write_run_file()
    assert small_study.run(tmp_path / "run") == 0
    file = small_study.write("anna", 42)
    assert score(model, tmp_path / "one", file) == 0
    assert score(tmp_path / "run" / "model", tmp_path / "two", file) == 0
    one, two = (tmp_path / name / "predictions" / "anna.csv" for name in ("one", "two"))
    assert one.read_text() == two.read_text()


def test_options_of_a_run_file_are_refused(model: Path, new: Any, tmp_path: Path, capsys) -> None:
    path = new.folder / "anna.csv"
    for options in (("--set", "a=1"), ("--seed", "0"), ("--data-root", str(tmp_path))):
        assert score(model, tmp_path / "out", path, options=options) == 2
        assert options[0] in capsys.readouterr().err
