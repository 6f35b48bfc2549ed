"""The command that converts labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.label_files import read_labels, write_labels
from core.label_set import Label, make_label_set
from crossl_app.convert_labels import main
from crossl_app.exit_status import FAILED, OK, WRONG_COMMAND

NIGHT = make_label_set(
    [
        Label(0, 60, "Sleep stage W"),
        Label(60, 30, "Sleep stage 4"),
        Label(90, 30, "Movement time"),
        Label(95, 0, "lights off"),
    ]
)


@pytest.fixture
def night(tmp_path: Path) -> Path:
    write_labels(tmp_path / "night.edf", NIGHT)
    return tmp_path / "night.edf"


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments], "crossl-app --convert-labels")


def test_a_hypnogram_becomes_a_table_with_its_mapping_shown(night, tmp_path, capsys) -> None:
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"Movement time": "MOVE", "lights off": "L"}), encoding="utf-8")
    out = tmp_path / "out.csv"
    assert run(night, out, "--map", own, "--map", "aasm_from_rk") == OK
    printed = capsys.readouterr().out
    assert f"{night}: 4 labels, EDF+ annotations" in printed
    rows = [" ".join(line.split()) for line in printed.splitlines()]
    assert "Sleep stage 4 1 N3" in rows
    assert "Movement time 1 MOVE" in rows
    assert "MOVE 1 left as it is: not in the table" in rows
    assert "note: The mapping does not hold 2 texts, left as written: 'L', 'MOVE'." in printed
    assert f"{out}: written, 4 labels" in printed
    assert [x.text for x in read_labels(out).labels] == ["W", "N3", "MOVE", "L"]


def test_mappings_are_applied_one_after_the_other(night, tmp_path) -> None:
    out = tmp_path / "out-profusion.xml"
    assert run(night, out, "--map", "aasm_from_rk", "--map", "profusion_from_aasm") == OK
    assert "<SleepStage>3</SleepStage>" in out.read_text()


def test_classes_leave_the_others_out_and_say_so(night, tmp_path, capsys) -> None:
    out = tmp_path / "out.txt"
    assert run(night, out, "--map", "aasm_from_rk", "--epoch", 30, "--classes", "W", "N3") == OK
    assert out.read_text() == "W\nW\nN3\n"
    printed = capsys.readouterr().out
    assert "left out: 1 label not among --classes: 'lights off'" in printed
    assert "1 label longer than an epoch" in printed


def test_epochs_and_clock_times_are_given_on_the_command_line(tmp_path: Path, capsys) -> None:
    (tmp_path / "a.txt").write_text("0\n5\n")
    out = tmp_path / "a.annot"
    options = ("--epoch", 20, "--offset", 10, "--map", "aasm_from_profusion")
    assert run(tmp_path / "a.txt", out, *options) == OK
    assert [(x.onset_s, x.duration_s, x.text) for x in read_labels(out).labels] == [
        (10, 20, "W"), (30, 20, "R")
    ]  # fmt: skip
    (tmp_path / "n.csv").write_text("epoch,stage\n1,W\n")
    assert run(tmp_path / "n.csv", tmp_path / "n.edf", "--epoch", 30, "--offset", 7) == OK
    assert read_labels(tmp_path / "n.edf").labels[0].onset_s == 7
    (tmp_path / "b.csv").write_text("time,duration,label\n23:59:59.5,1,x\n00:00:01,1,y\n")
    out = tmp_path / "b.edf"
    assert run(tmp_path / "b.csv", out, "--start", "2024-03-01 23:59:58") == OK
    assert [x.onset_s for x in read_labels(out).labels] == [1.5, 3]
    assert str(read_labels(out).start) == "2024-03-01 23:59:58"
    assert run(out, tmp_path / "c.csv", "--start", "2000-01-01 00:00:00") == OK
    assert "--start was not used" in capsys.readouterr().out


def test_predictions_are_converted_and_what_is_lost_is_said(tmp_path: Path, capsys) -> None:
    table = tmp_path / "n1.csv"
    table.write_text("start_s,end_s,predicted,confidence\n0,30,W,0.9\n30,60,R,0.7\n")
    assert run(table, tmp_path / "n1.annot") == OK
    assert [x.confidence for x in read_labels(tmp_path / "n1.annot").labels] == [0.9, 0.7]
    assert run(table, tmp_path / "n1.xml", "--to", "nsrr", "--map", "nsrr_from_aasm") == OK
    assert "changed: NSRR's XML has no place for the confidence" in capsys.readouterr().out
    assert read_labels(tmp_path / "n1.xml").labels[1].text == "REM sleep|5"


def test_nothing_is_overwritten_unless_told_to(night, tmp_path, capsys) -> None:
    out = tmp_path / "a_events.tsv"
    out.with_suffix(".json").write_text("{}")
    assert run(night, out) == WRONG_COMMAND
    assert "a_events.json: exists already; say --force" in capsys.readouterr().err
    assert not out.exists()
    assert run(night, out, "--force") == OK
    assert run(night, night, "--force") == WRONG_COMMAND
    assert "the file to be read" in capsys.readouterr().err
    assert len(read_labels(night)) == 4


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["out.xyz"], "no format of labels"),
        (["out.csv", "--map", "rk"], "no mapping preset 'rk'"),
        (["out.csv", "--start", "noon"], "--start 'noon'"),
        (["out.csv", "--start", "2024-03-01"], "--start '2024-03-01'"),
        (["out.txt", "--epoch", "0"], "--epoch 0"),
        (["out.txt", "--epoch", "nan"], "--epoch nan"),
        (["out.csv", "--offset", "3"], "--offset is the start of the first epoch"),
    ],
)
def test_a_wrong_command_is_refused_before_anything_is_written(
    arguments, reason, night, tmp_path, capsys
) -> None:
    assert run(night, tmp_path / arguments[0], *arguments[1:]) == WRONG_COMMAND
    assert reason in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["night.edf"]


def test_unknown_formats_and_options_leave_through_argparse(night, tmp_path) -> None:
    for more in (["--to", "predictions"], ["--fro", "csv"]):
        with pytest.raises(SystemExit) as left:
            run(night, tmp_path / "a.csv", *more)
        assert left.value.code == WRONG_COMMAND


def test_what_cannot_be_read_or_written_is_a_failure(night, tmp_path, capsys) -> None:
    assert run(tmp_path / "none.csv", tmp_path / "a.csv") == FAILED
    assert "no such file of labels" in capsys.readouterr().err
    (tmp_path / "a.txt").write_text("W\n")
    assert run(tmp_path / "a.txt", tmp_path / "a.edf") == FAILED
    assert "give its length (--epoch 30" in capsys.readouterr().err
    assert run(night, tmp_path / "a.txt" / "b.csv") == FAILED
    assert "cannot be written" in capsys.readouterr().err


def test_help_lists_formats_and_mapping_presets(capsys) -> None:
    with pytest.raises(SystemExit) as left:
        run("--help")
    assert left.value.code == OK
    printed = capsys.readouterr().out
    assert "Luna .annot" in printed
    assert "aasm_from_rk" in printed
