"""Batch mode as a user meets it: what is written, what is said, and how it ends."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.evaluate import score
from crossl_app.cli import run

REPORT_KEYS = {
    "schema_version",
    "status",
    "config",
    "versions",
    "recordings",
    "evaluation",
    "robustness",
    "pretraining",
    "timing",
}
RECORDING_KEYS = {
    "id",
    "path",
    "subject",
    "status",
    "error",
    "findings",
    "windows",
    "labelled_windows",
    "present_share",
}
EVALUATION_KEYS = {
    "macro_f1",
    "balanced_accuracy",
    "accuracy",
    "cohen_kappa",
    "ece",
    "per_class",
    "confusion",
    "per_subject",
    "ci95",
    "label_efficiency",
    "opponents",
}
SUBSET_KEYS = {"kept", "windows", "macro_f1", "balanced_accuracy", "agreement"}


def report_of(output: Path) -> dict[str, Any]:
    return json.loads((output / "report.json").read_text())


def rows_of(output: Path, name: str) -> list[dict[str, str]]:
    with (output / "predictions" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def tables(output: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((output / "predictions").glob("*.csv"))}


def one_line(error: str) -> str:
    """The error on stderr, which is one line and no traceback."""
    assert "Traceback" not in error
    lines = [line for line in error.splitlines() if line.startswith("crossl-app: ")]
    assert len(lines) == 1, error
    return lines[0]


# ---------------------------------------------------------------- what is written


def test_the_report_holds_every_key_of_the_contract(finished_run) -> None:
    report = report_of(finished_run[1])
    assert set(report) >= REPORT_KEYS
    assert report["schema_version"] == 1
    assert report["status"] == "success"
    assert all(set(entry) >= RECORDING_KEYS for entry in report["recordings"])
    evaluation = report["evaluation"]
    assert set(evaluation) >= EVALUATION_KEYS
    assert isinstance(evaluation["label_efficiency"], list)
    assert isinstance(evaluation["opponents"], list)
    robustness = report["robustness"]
    assert set(robustness) >= {"subsets", "mean_macro_f1", "worst_single_removal", "shapley"}
    assert all(set(row) >= SUBSET_KEYS for row in robustness["subsets"])
    assert set(robustness["worst_single_removal"]) >= {"removed", "macro_f1", "drop"}
    assert report["pretraining"]["runs"]


def test_the_report_has_no_number_that_json_does_not_know(finished_run) -> None:
    text = (finished_run[1] / "report.json").read_text()

    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads(text, parse_constant=refuse)


def test_kept_modalities_stand_in_scheme_order(finished_run) -> None:
    subsets = report_of(finished_run[1])["robustness"]["subsets"]
    assert sorted(tuple(row["kept"]) for row in subsets) == [
        ("acc",),
        ("acc", "gyro"),
        ("gyro",),
    ]


def test_the_output_folder_holds_what_was_promised_and_nothing_half_written(finished_run) -> None:
    output = finished_run[1]
    names = {path.name for path in output.iterdir()}
    assert names == {
        "report.json",
        "report.html",
        "run.log",
        "predictions",
        "windows",
        "model",
        "checkpoints",
    }
    assert {path.name for path in (output / "model").iterdir()} == {
        "model.json",
        "weights.safetensors",
    }
    assert not [path for path in output.rglob("*") if path.name.startswith(".")]


def test_every_recording_has_a_table_with_the_columns_of_the_contract(finished_run) -> None:
    output = finished_run[1]
    assert sorted(tables(output)) == [f"s{number}.csv" for number in range(1, 6)]
    rows = rows_of(output, "s1")
    assert list(rows[0]) == [
        "start_s", "end_s", "fold", "label", "predicted", "confidence", "p_rest", "p_walk",
        "present", "fragility", "shapley_acc", "shapley_gyro",
    ]  # fmt: skip
    assert len(rows) == 30
    assert rows[0]["start_s"] == "0"
    assert rows[1]["end_s"] == "4"
    for row in rows:
        shares = [float(row["p_rest"]), float(row["p_walk"])]
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        assert float(row["confidence"]) == max(shares)
        assert row["predicted"] == ("rest", "walk")[int(shares[1] > shares[0])]
        assert row["present"] == "acc;gyro"


def test_windows_of_a_subject_are_predicted_by_the_fold_that_held_it_out(finished_run) -> None:
    output = finished_run[1]
    folds = report_of(output)["evaluation"]["folds"]
    for fold in folds:
        assert not set(fold["test_subjects"]) & set(fold["train_subjects"])
        assert not set(fold["test_subjects"]) & set(fold["pretrain_subjects"])
        for subject in fold["test_subjects"]:
            assert {row["fold"] for row in rows_of(output, subject)} == {fold["fold"]}
    assert sorted(s for fold in folds for s in fold["test_subjects"]) == [
        f"s{number}" for number in range(1, 6)
    ]


def test_the_reported_figures_are_those_of_the_written_tables(finished_run) -> None:
    output = finished_run[1]
    rows = [row for number in range(1, 6) for row in rows_of(output, f"s{number}")]
    names = ("rest", "walk")
    figures = score(
        np.array([names.index(row["label"]) for row in rows]),
        np.array(["x"] * len(rows)),
        names,
        probabilities=np.array([[float(row["p_rest"]), float(row["p_walk"])] for row in rows]),
        resamples=100,
    )
    evaluation = report_of(output)["evaluation"]
    assert figures.macro_f1 == pytest.approx(evaluation["macro_f1"])
    assert figures.ece == pytest.approx(evaluation["ece"], abs=1e-4)
    majority = next(row for row in evaluation["opponents"] if row["name"] == "majority")
    assert evaluation["macro_f1"] > majority["macro_f1"] + 0.3


def test_shapley_values_sum_to_the_confidence_above_the_class_share(finished_run) -> None:
    for row in rows_of(finished_run[1], "s2"):
        total = float(row["shapley_acc"]) + float(row["shapley_gyro"])
        assert total == pytest.approx(float(row["confidence"]) - 0.5, abs=2e-5)


def test_the_log_holds_what_was_said(finished_run) -> None:
    assert "Device: CPU, as asked." in (finished_run[1] / "run.log").read_text()


# ---------------------------------------------------------------- exit 2


def test_a_missing_run_file_is_exit_2_and_writes_nothing(tmp_path: Path, capsys) -> None:
    status = run(["--batch", str(tmp_path / "no.json"), "--output", str(tmp_path / "out")])
    assert status == 2
    assert "no.json: there is no such run file" in one_line(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_wrong_keys_are_exit_2_all_named_and_nothing_is_written(
    small_study, tmp_path: Path, capsys
) -> None:
    small_study.document["pretrain"]["epohcs"] = 3
    small_study.document["finetnue"] = {}
    small_study.write_run_file()
    assert small_study.run(tmp_path / "out") == 2
    said = one_line(capsys.readouterr().err)
    assert "did you mean 'epochs'" in said
    assert "did you mean 'finetune'" in said
    assert not (tmp_path / "out").exists()


def test_keys_are_checked_before_any_recording_is_looked_for(
    small_study, tmp_path: Path, capsys
) -> None:
    small_study.document["recordings"]["sources"][0]["pattern"] = "nowhere/{subject}.csv"
    small_study.document["seeds"] = 1
    small_study.write_run_file()
    assert small_study.run(tmp_path / "out") == 2
    assert "did you mean 'seed'" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("steps", "part"),
    [
        (["finetune"], "without 'pretrain', finetune.from"),
        (["pretrain", "evaluate"], "'evaluate' needs 'finetune'"),
        (["pretrain", "finetune", "robustness"], "'robustness' needs 'evaluate' or 'predict'"),
    ],
)
def test_steps_that_do_not_fit_together_are_exit_2(
    small_study, tmp_path: Path, capsys, steps: list[str], part: str
) -> None:
    assert small_study.run(tmp_path / "out", "--set", f"steps={json.dumps(steps)}") == 2
    assert part in one_line(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_empty_needs_resume_or_force(
    small_study, tmp_path: Path, capsys
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "thesis.txt").write_text("mine")
    assert small_study.run(output) == 2
    said = one_line(capsys.readouterr().err)
    assert "--resume" in said
    assert "--force" in said
    assert [path.name for path in output.iterdir()] == ["thesis.txt"]
    assert small_study.run(output, "--force", "--set", 'steps=["pretrain"]') == 0
    assert (output / "thesis.txt").read_text() == "mine"


def test_a_file_in_place_of_the_output_folder_is_exit_2(
    small_study, tmp_path: Path, capsys
) -> None:
    (tmp_path / "out").write_text("")
    assert small_study.run(tmp_path / "out") == 2
    one_line(capsys.readouterr().err)
    assert small_study.run(tmp_path / "out" / "below") == 2
    one_line(capsys.readouterr().err)
    assert (tmp_path / "out").read_text() == ""


def test_a_missing_data_root_is_exit_2(small_study, tmp_path: Path, capsys) -> None:
    assert small_study.run(tmp_path / "out", "--data-root", str(tmp_path / "gone")) == 2
    assert "gone" in one_line(capsys.readouterr().err)


def test_a_data_root_moves_the_patterns(small_study, tmp_path: Path) -> None:
    elsewhere = tmp_path / "runs"
    elsewhere.mkdir()
    small_study.run_file = small_study.run_file.rename(elsewhere / "run.json")
    options = ["--data-root", str(small_study.folder), "--set", 'steps=["pretrain"]']
    assert small_study.run(tmp_path / "out", *options) == 0
    assert len(report_of(tmp_path / "out")["recordings"]) == 5


# ---------------------------------------------------------------- exit 3 and 4


def test_one_unreadable_recording_is_exit_3_and_the_others_are_finished(
    small_study, tmp_path: Path, capsys
) -> None:
    (small_study.folder / "s2.csv").write_bytes(b"")
    output = tmp_path / "out"
    assert small_study.run(output) == 3
    said = one_line(capsys.readouterr().err)
    assert "s2" in said
    report = report_of(output)
    assert report["status"] == "partial"
    states = {entry["id"]: entry["status"] for entry in report["recordings"]}
    assert states == {"s1": "ok", "s2": "failed", "s3": "ok", "s4": "ok", "s5": "ok"}
    failed = next(entry for entry in report["recordings"] if entry["id"] == "s2")
    assert "s2.csv" in failed["error"]
    assert sorted(tables(output)) == ["s1.csv", "s3.csv", "s4.csv", "s5.csv"]
    assert report["evaluation"]["macro_f1"] > 0.5


def list_recordings(study: Any) -> list[dict[str, Any]]:
    """Turn the study's pattern into a list that means the same."""
    (source,) = study.document["recordings"]["sources"]
    del source["pattern"]
    names = [f"s{number}" for number in range(1, 6)]
    listed = [{"id": name, "subject": name, "files": {"main": f"{name}.csv"}} for name in names]
    study.document["recordings"]["listed"] = listed
    study.write_run_file()
    return listed


def test_a_list_of_recordings_gives_what_their_pattern_gives(
    small_study, tmp_path: Path, finished_run
) -> None:
    list_recordings(small_study)
    assert small_study.run(tmp_path / "out") == 0
    assert tables(tmp_path / "out") == tables(finished_run[1])
    listed, found = report_of(tmp_path / "out"), report_of(finished_run[1])
    assert listed["evaluation"] == found["evaluation"]
    assert listed["robustness"] == found["robustness"]


def test_a_listed_file_that_is_missing_is_exit_3_and_the_others_are_finished(
    small_study, tmp_path: Path, capsys
) -> None:
    listed = list_recordings(small_study)
    listed[1]["files"]["main"] = "elsewhere/s2.csv"
    small_study.write_run_file()
    assert small_study.run(tmp_path / "out") == 3
    said = one_line(capsys.readouterr().err)
    assert "s2: " in said
    assert "s2.csv: there is no such file; correct its path in recordings.listed" in said
    report = report_of(tmp_path / "out")
    states = {entry["id"]: entry["status"] for entry in report["recordings"]}
    assert states == {"s1": "ok", "s2": "failed", "s3": "ok", "s4": "ok", "s5": "ok"}
    assert report["recordings"][1]["path"].endswith("s2.csv")
    assert sorted(tables(tmp_path / "out")) == ["s1.csv", "s3.csv", "s4.csv", "s5.csv"]


def test_a_bad_signal_takes_one_modality_from_the_windows_in_the_stretch(
    small_study, tmp_path: Path
) -> None:
    small_study.document["recordings"]["exclude"] = [
        {"recording": "s1", "modality": "gyro", "start_s": 9.5, "end_s": 30.1, "reason": "loose"},
        {"recording": "s2", "modality": "acc", "reason": "sensor off"},
        {"recording": "s3", "start_s": 10, "end_s": 20},
    ]
    small_study.write_run_file()
    assert small_study.run(tmp_path / "out") == 0
    present = {
        name: {float(row["start_s"]): row["present"] for row in rows_of(tmp_path / "out", name)}
        for name in ("s1", "s2", "s3", "s4")
    }
    every = [2.0 * number for number in range(30)]
    # A quarter of the window at 8 s is bad, of that at 30 s a twentieth.
    assert present["s1"] == {t: "acc" if 8 <= t < 30 else "acc;gyro" for t in every}
    assert present["s2"] == dict.fromkeys(every, "gyro")
    assert present["s3"] == {t: "acc;gyro" for t in every if not 10 <= t < 20}
    assert present["s4"] == dict.fromkeys(every, "acc;gyro")
    for row in rows_of(tmp_path / "out", "s1"):
        assert row["predicted"] in ("rest", "walk")
        assert (row["shapley_gyro"] == "") == (row["present"] == "acc")
    report = report_of(tmp_path / "out")
    entries = {entry["id"]: entry for entry in report["recordings"]}
    assert {entry["status"] for entry in entries.values()} == {"ok"}
    assert entries["s1"]["present_share"] == {"acc": 1.0, "gyro": pytest.approx(19 / 30)}
    assert entries["s2"]["present_share"] == {"acc": 0.0, "gyro": 1.0}
    assert "marked as bad in 11 of 30 windows" in json.dumps(entries["s1"]["findings"])
    assert "sensor off" in (tmp_path / "out" / "report.json").read_text()


def test_a_bad_signal_in_an_unknown_modality_is_exit_2(small_study, tmp_path: Path, capsys) -> None:
    exclude = [{"recording": "s1", "modality": "gyr", "start_s": 10}]
    small_study.document["recordings"]["exclude"] = exclude
    small_study.write_run_file()
    assert small_study.run(tmp_path / "out") == 2
    said = one_line(capsys.readouterr().err)
    assert "recordings.exclude.0.modality: there is no modality 'gyr'; did you mean 'gyro'?" in said
    assert not (tmp_path / "out").exists()


def test_all_unreadable_is_exit_4_with_a_report(small_study, tmp_path: Path, capsys) -> None:
    for path in small_study.folder.glob("*.csv"):
        path.write_bytes(b"\x00\x01\x02")
    output = tmp_path / "out"
    assert small_study.run(output) == 4
    assert "None of the 5 recordings can be used" in one_line(capsys.readouterr().err)
    report = report_of(output)
    assert report["status"] == "error"
    assert len(report["recordings"]) == 5
    assert all(entry["error"] for entry in report["recordings"])
    assert report["evaluation"] is None
    assert not (output / "model").exists()


def test_a_pattern_that_matches_nothing_is_exit_4(small_study, tmp_path: Path, capsys) -> None:
    pattern = "recordings.sources.0.pattern=night_{subject}.edf"
    assert small_study.run(tmp_path / "out", "--set", pattern) == 4
    said = one_line(capsys.readouterr().err)
    assert "night_{subject}.edf" in said
    assert report_of(tmp_path / "out")["status"] == "error"


def rest_only(study: Any) -> None:
    for number in range(1, 6):
        study.write(f"s{number}", number, activity=np.full(1200, "rest", object))


def nobody_labelled(study: Any) -> None:
    for number in range(1, 6):
        study.write(f"s{number}", number, activity=np.full(1200, "", object))


def one_subject(study: Any) -> None:
    for number in range(2, 6):
        (study.folder / f"s{number}.csv").unlink()


def long_windows(study: Any) -> None:
    study.document["windows"]["length_s"] = 600


def nan_everywhere(study: Any) -> None:
    nothing = np.full(1200, np.nan)
    for number in range(1, 6):
        study.write(f"s{number}", number, ax=nothing, ay=nothing, gx=nothing)


def other_channels(study: Any) -> None:
    study.document["modalities"] = [{"name": "eeg", "channels": ["C3", "C4"], "rate_hz": 20}]


def no_label_column(study: Any) -> None:
    study.document["labels"]["column"] = "stage"


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (rest_only, "one class"),
        (nobody_labelled, "label"),
        (one_subject, "Only one subject"),
        (long_windows, "window"),
        (nan_everywhere, "s1.csv"),
        (other_channels, "eeg"),
        (no_label_column, "No subject has a labelled window"),
    ],
)
def test_what_cannot_be_learned_from_is_exit_4_with_one_sentence(
    small_study, tmp_path: Path, capsys, spoil: Any, part: str
) -> None:
    spoil(small_study)
    small_study.write_run_file()
    output = tmp_path / "out"
    assert small_study.run(output) == 4
    said = one_line(capsys.readouterr().err)
    assert part in said
    report = report_of(output)
    assert report["status"] == "error"
    assert report["error"]
    assert not (output / "predictions").exists()
    assert not (output / "cache").exists()


def test_a_label_column_that_is_not_there_is_named_with_those_that_are(
    small_study, tmp_path: Path, capsys
) -> None:
    small_study.document["labels"]["column"] = "stage"
    small_study.write_run_file()
    assert small_study.run(tmp_path / "out") == 4
    assert "there is no column 'stage'; there are time, ax, ay" in capsys.readouterr().err


def test_a_class_that_a_folds_training_subjects_lack_is_noted_and_the_run_goes_on(
    small_study, tmp_path: Path
) -> None:
    swim = np.where(small_study.signals(1)["activity"] == "walk", "swim", "rest").astype(object)
    small_study.write("s1", 1, activity=swim)
    small_study.document["labels"]["classes"] = ["rest", "walk", "swim"]
    small_study.write_run_file()
    assert small_study.run(tmp_path / "out") == 0
    evaluation = report_of(tmp_path / "out")["evaluation"]
    assert any("swim" in note for note in evaluation["notes"])
    assert evaluation["per_class"]["swim"]["recall"] == 0
    assert all(row["predicted"] != "swim" for row in rows_of(tmp_path / "out", "s1"))


def test_sources_that_do_not_overlap_fail_that_recording_alone(
    small_study, tmp_path: Path, capsys
) -> None:
    for number in range(1, 6):
        data = small_study.signals(number)
        shift = 1000.0 if number == 2 else 0.0
        clock = 1.6e9 + data["time"]  # unix time
        small_study.write(f"s{number}_phone", number, gx=None, time=clock)
        small_study.write(
            f"s{number}_watch", number, ax=None, ay=None, activity=None, time=clock + shift
        )
        (small_study.folder / f"s{number}.csv").unlink()
    source = small_study.document["recordings"]["sources"][0]
    source["csv"]["time_unit"] = "s"
    source["pattern"] = "{subject}_{device}.csv"
    small_study.document["labels"]["source"] = "phone"
    small_study.write_run_file()
    assert small_study.run(tmp_path / "out") == 3
    assert "s2" in one_line(capsys.readouterr().err)
    states = {e["id"]: e["status"] for e in report_of(tmp_path / "out")["recordings"]}
    assert states["s2"] == "failed"
    assert sum(state == "ok" for state in states.values()) == 4


def test_a_full_disk_is_a_sentence_and_leaves_nothing_that_looks_whole(
    small_study, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync
    left = [3]

    def sync(handle: int) -> None:
        if left[0] == 0:
            raise OSError(28, "No space left on device")
        left[0] -= 1
        real(handle)

    monkeypatch.setattr(os, "fsync", sync)
    assert small_study.run(tmp_path / "out") == 4
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert "No space left on device" in error
    output = tmp_path / "out"
    assert not (output / "report.json").exists()
    assert not (output / "model").exists()
    assert not [path for path in output.rglob("*") if path.name.startswith(".")]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a small tmpfs")
def test_a_really_full_file_system_is_a_sentence(small_study, tmp_path: Path, capsys) -> None:
    place = tmp_path / "small"
    place.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(place)], capture_output=True
    )
    if mount.returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        assert small_study.run(place / "out") == 4
        error = capsys.readouterr().err
        assert "Traceback" not in error
        assert "No space left on device" in error
        assert not (place / "out" / "model").exists()
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


# ---------------------------------------------------------------- interrupted


def start(study: Any, output: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "crossl_app", "--batch", str(study.run_file)]
    return subprocess.Popen(
        [*command, "--output", str(output), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Until the file is there; fails when the program ends before."""
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def long_study(small_study: Any) -> Any:
    """Enough epochs that a signal meets the second fold's pretraining."""
    small_study.document["pretrain"]["epochs"] = 15
    small_study.write_run_file()
    return small_study


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_interrupted_run_resumes_to_the_same_numbers(long_study, tmp_path: Path, capsys) -> None:
    whole = tmp_path / "whole"
    assert long_study.run(whole) == 0
    expected = tables(whole)
    for number, how in enumerate((signal.SIGINT, signal.SIGKILL)):
        output = tmp_path / f"out{number}"
        process = start(long_study, output)
        wait_for(output / "checkpoints" / "pretrain-own-1.safetensors", process)
        process.send_signal(how)
        said, error = process.communicate(timeout=120)
        if how == signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
            assert not (output / "report.json").exists()
        else:
            assert process.returncode == 130, (said, error)
            assert "--resume" in one_line(error)
            report = report_of(output)
            assert report["status"] == "partial"
            assert report["pretraining"]["runs"][0]["name"] == "fold 0"
        assert not (output / "model").exists()
        assert (output / "checkpoints" / "fold-0.safetensors").exists()
        capsys.readouterr()
        assert long_study.run(output, "--resume") == 0
        assert "continued after epoch" in capsys.readouterr().err
        assert tables(output) == expected
        kept, other = report_of(output), report_of(whole)
        assert kept["status"] == "success"
        assert kept["evaluation"] == other["evaluation"]
        assert kept["robustness"] == other["robustness"]
        weights = (output / "model" / "weights.safetensors").read_bytes()
        assert weights == (whole / "model" / "weights.safetensors").read_bytes()


def test_resume_after_a_finished_run_repeats_no_training(finished_run, tmp_path: Path) -> None:
    import shutil

    study, output = finished_run
    copy = tmp_path / "out"
    shutil.copytree(output, copy)
    before = {p.name: p.stat().st_mtime_ns for p in (copy / "checkpoints").iterdir()}
    assert study.run(copy, "--resume") == 0
    assert {p.name: p.stat().st_mtime_ns for p in (copy / "checkpoints").iterdir()} == before
    assert tables(copy) == tables(output)


def test_resume_with_other_settings_does_not_mix_them_with_the_old(
    finished_run, tmp_path: Path
) -> None:
    import shutil

    study, output = finished_run
    copy, fresh = tmp_path / "out", tmp_path / "fresh"
    shutil.copytree(output, copy)
    assert study.run(copy, "--resume", "--seed", "5") == 0
    assert study.run(fresh, "--seed", "5") == 0
    assert tables(copy) == tables(fresh)
    assert tables(copy) != tables(output)


def test_the_same_seed_gives_the_same_tables(finished_run, tmp_path: Path) -> None:
    study, output = finished_run
    assert study.run(tmp_path / "out") == 0
    assert tables(tmp_path / "out") == tables(output)


# ---------------------------------------------------------------- without Qt

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("PySide6", "shiboken6", "pyqtgraph"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
from crossl_app.cli import run
status = run(sys.argv[1:])
assert not [name for name in sys.modules if name.split(".")[0] in ("PySide6", "ui")]
sys.exit(status)
"""


@pytest.mark.slow
def test_batch_mode_runs_where_there_is_no_qt(small_study, tmp_path: Path) -> None:
    options = ["--batch", str(small_study.run_file), "--output", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, *options], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert report_of(tmp_path / "out")["status"] == "success"


# ---------------------------------------------------------------- a bug


def test_a_bug_keeps_its_traceback_and_leaves_a_report(
    small_study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core import pipeline

    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(pipeline, "final_fit", broken)
    with pytest.raises(ZeroDivisionError):
        small_study.run(tmp_path / "out")
    report = report_of(tmp_path / "out")
    assert report["status"] == "error"
    assert "ZeroDivisionError" in report["error"]
    assert "Traceback" in (tmp_path / "out" / "run.log").read_text()


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--device", "mps"], "mps"),
        (["--set", "recordings.sources.0.pattern={subject"], "brace"),
        (["--set", "modalities=slep"], "there is no preset 'slep'"),
    ],
)
def test_what_turns_out_wrong_later_is_exit_2_as_well_and_leaves_nothing(
    small_study, tmp_path: Path, capsys, options: list[str], part: str
) -> None:
    import torch

    if "mps" in options and torch.backends.mps.is_available():
        pytest.skip("this machine has the device")
    assert small_study.run(tmp_path / "out", *options) == 2
    assert part in one_line(capsys.readouterr().err)
    assert small_study.run(tmp_path / "out", "--set", 'steps=["pretrain"]') == 0
