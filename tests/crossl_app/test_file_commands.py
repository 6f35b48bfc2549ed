"""--inspect, --repair and --deidentify from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.read_edf import open_edf
from core.simulate import simulate_night
from crossl_app.cli import run


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("night") / "night.edf"
    return simulate_night(path, hours=0.05, seed=1).path


def test_inspect_prints_everything_about_a_file(night: Path, capsys) -> None:
    assert run(["--inspect", str(night)]) == 0
    said = capsys.readouterr().out
    for part in ("EDF+C", "EEG C3-M2", "uV", "Sleep stage", "eeg_central", "simulated"):
        assert part in said, part


def test_inspect_as_json_is_one_document(night: Path, tmp_path: Path, capsys) -> None:
    broken = tmp_path / "broken.edf"
    broken.write_bytes(b"")
    assert run(["--inspect", str(night), str(broken), "--json"]) == 3
    captured = capsys.readouterr()
    files = json.loads(captured.out)["files"]
    assert [entry["error"] is None for entry in files] == [True, False]
    assert captured.err.count("\n") == 1
    assert "empty" in captured.err


@pytest.mark.parametrize(("names", "status"), [(["no.edf"], 4), (["no.edf", "neither.csv"], 4)])
def test_inspect_says_when_nothing_opened(tmp_path: Path, capsys, names, status: int) -> None:
    assert run(["--inspect", *(str(tmp_path / name) for name in names)]) == status
    assert capsys.readouterr().err.count("there is no such file") == len(names)


@pytest.mark.parametrize(
    "wrong",
    [["--csv", "seperator=;"], ["--csv", "separator"], ["--repair", "x.edf", "second.edf"]],
)
def test_a_wrong_inspect_command_is_exit_2(night: Path, capsys, wrong: list[str]) -> None:
    assert run(["--inspect", str(night), *wrong]) == 2
    assert capsys.readouterr().err.startswith("crossl-app: ")


def test_repair_writes_a_copy_and_lists_the_changes(night: Path, tmp_path: Path, capsys) -> None:
    odd = tmp_path / "odd.edf"
    data = bytearray(night.read_bytes())
    data[236:244] = b"-1      "
    odd.write_bytes(bytes(data))
    copy = tmp_path / "copy.edf"
    assert run(["--inspect", str(odd), "--repair", str(copy)]) == 0
    assert "record count" in capsys.readouterr().out.split("Repaired copy")[1]
    assert open_edf(copy).findings == open_edf(night).findings
    assert run(["--inspect", str(odd), "--repair", str(copy)]) == 4
    assert "already" in capsys.readouterr().err


def test_deidentify_shows_and_writes(night: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out.edf"
    command = ["--deidentify", str(night), str(out), "--study", str(tmp_path / "study")]
    assert run([*command, "--dry-run"]) == 0
    assert not out.exists()
    assert run(command) == 0
    said = capsys.readouterr().out
    assert "patient name" in said
    assert "Sleep stage W" in said
    file = open_edf(out)
    assert file.header.fields["patient"].strip() == b"X X X X"
    assert run(command) == 4
    assert "already" in capsys.readouterr().err


def test_deidentify_of_what_is_no_recording_is_one_sentence(tmp_path: Path, capsys) -> None:
    assert run(["--deidentify", str(tmp_path / "no.edf"), str(tmp_path / "out.edf")]) == 4
    assert capsys.readouterr().err.count("\n") == 1
