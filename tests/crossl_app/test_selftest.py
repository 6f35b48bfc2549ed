"""`crossl-app --selftest`: it finds what is computed otherwise, and leaves nothing behind."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from core.errors import DataError
from core.progress import Progress, RunContext
from core.selftest import (
    Comparison,
    Gold,
    GoldFigure,
    compare,
    figures_of,
    gold_document,
    read_gold,
    run_sample,
)
from crossl_app import selftest_command
from crossl_app.cli import run

GOLD = Path(__file__).resolve().parents[2] / "resources" / "selftest" / "gold.json"


@pytest.fixture
def gold_of_small(finished_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gold file of a small study, whose finished run takes the place of the sample study's."""
    report = json.loads((finished_run[1] / "report.json").read_text())
    monkeypatch.setattr(selftest_command, "run_sample", lambda context: copy.deepcopy(report))
    path = tmp_path / "gold.json"
    path.write_text(json.dumps(gold_document(report, "a note", "a processor")))
    return path


def with_temporary_files_in(folder: Path) -> dict[str, str]:
    """The environment of a process that has not loaded torch before."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TORCHINDUCTOR")}
    return kept | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))


def change(path: Path, name: str, by: float) -> None:
    """Move one figure of a gold file."""
    document = json.loads(path.read_text())
    document["figures"][name]["value"] += by
    path.write_text(json.dumps(document))


# ---------------------------------------------------------------- the real run


@pytest.mark.slow
def test_the_sample_study_comes_to_the_stored_figures_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cache = os.environ["CROSSL_CACHE_DIR"]
    report = run_sample(RunContext())
    gold = read_gold()
    assert [one for one in compare(gold, figures_of(report)) if not one.agrees] == []
    assert list(tmp_path.iterdir()) == []
    assert os.environ["CROSSL_CACHE_DIR"] == cache
    assert not Path(cache).exists()
    # The notes on what was measured are for the figures that stand beside them.
    assert {name: one.tolerance for name, one in gold.figures.items()} == {
        name: one.tolerance for name, one in figures_of(report).items()
    }


@pytest.mark.slow
def test_another_gold_file_makes_the_command_fail_and_name_what_differs(tmp_path: Path) -> None:
    changed, scratch = tmp_path / "gold.json", tmp_path / "scratch"
    scratch.mkdir()
    changed.write_bytes(GOLD.read_bytes())
    change(changed, "macro F1", 0.1)
    done = subprocess.run(
        [sys.executable, "-m", "crossl_app", "--selftest", "--json", "--gold", str(changed)],
        capture_output=True,
        text=True,
        timeout=300,
        env=with_temporary_files_in(scratch),
    )
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "failed"
    assert [one["name"] for one in document["figures"] if not one["agrees"]] == ["macro F1"]
    assert list(scratch.iterdir()) == []
    assert not Path(os.environ["CROSSL_CACHE_DIR"]).exists()


def test_a_run_that_fails_says_why_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.loads(GOLD.with_name("run.json").read_text())
    document["recordings"]["sources"][0]["pattern"] = "nobody_{subject}.csv"
    run_file = tmp_path / "run.json"
    run_file.write_text(json.dumps(document))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with pytest.raises(DataError, match="nobody_"):
        run_sample(RunContext(), run_file)
    assert list(scratch.iterdir()) == []


def test_a_run_that_is_stopped_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.stage == "reading":
            raise KeyboardInterrupt

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        run_sample(RunContext(report=interrupt))
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- the command


def test_figures_that_agree_are_exit_0(gold_of_small: Path, capsys) -> None:
    assert run(["--selftest", "--gold", str(gold_of_small)]) == 0
    said = capsys.readouterr().out
    assert "figures agree" in said
    assert "differs" not in said
    assert "a processor" in said


@pytest.mark.parametrize(
    ("name", "by", "status"),
    [
        ("macro F1", 0.03, 1),
        ("macro F1", -0.03, 1),
        ("macro F1", 0.01, 0),
        ("windows", 1, 1),
        ("last loss, fold 0", 0.03, 1),
    ],
)
def test_what_differs_by_more_than_allowed_is_exit_1(
    gold_of_small: Path, capsys, name: str, by: float, status: int
) -> None:
    change(gold_of_small, name, by)
    assert run(["--selftest", "--gold", str(gold_of_small)]) == status
    said = capsys.readouterr().out
    assert (f"Differs: {name}." in " ".join(said.split())) == bool(status)


def test_json_holds_both_sides_and_nothing_else(gold_of_small: Path, capsys) -> None:
    change(gold_of_small, "windows", -1)
    assert run(["--selftest", "--json", "--gold", str(gold_of_small)]) == 1
    document = json.loads(capsys.readouterr().out)
    (row,) = (one for one in document["figures"] if one["name"] == "windows")
    assert row["found"] - row["gold"] == row["difference"] == 1
    assert row["tolerance"] == 0
    assert not row["agrees"]


def test_written_gold_is_what_the_next_run_agrees_with(
    gold_of_small: Path, tmp_path: Path, capsys
) -> None:
    new = tmp_path / "new.json"
    assert run(["--selftest", "--write-gold", str(new)]) == 0
    assert read_gold(new).note == read_gold().note
    assert run(["--selftest", "--gold", str(new)]) == 0
    assert run(["--selftest"]) == 1  # the stored figures are those of another study


def test_a_run_that_cannot_be_done_is_exit_1_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def fail(context: RunContext) -> dict[str, Any]:
        raise DataError("There is no recording.")

    monkeypatch.setattr(selftest_command, "run_sample", fail)
    assert run(["--selftest", "--json"]) == 1
    said = capsys.readouterr()
    assert said.err == "crossl-app: There is no recording.\n"
    assert json.loads(said.out)["error"] == "There is no recording."


def test_an_interrupted_run_is_exit_130(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def stop(context: RunContext) -> dict[str, Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr(selftest_command, "run_sample", stop)
    assert run(["--selftest"]) == 130
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"schema_version": 2}'])
def test_a_wrong_gold_file_is_exit_2_before_anything_is_run(
    tmp_path: Path, capsys, content: str | None
) -> None:
    path = tmp_path / "gold.json"
    if content is not None:
        path.write_text(content)
    assert run(["--selftest", "--gold", str(path)]) == 2
    error = capsys.readouterr().err
    assert str(path) in error
    assert error.count("\n") == 1


# ---------------------------------------------------------------- comparing


def test_a_figure_that_one_side_lacks_differs() -> None:
    gold = Gold({"a": GoldFigure(1.0, 0.5), "b": GoldFigure(1.0, 0.5)}, "", {})
    found = compare(gold, {"a": GoldFigure(1.5, 0.5), "c": GoldFigure(0.0, 0.5)})
    assert found == (
        Comparison("a", 1.0, 1.5, 0.5),
        Comparison("b", 1.0, None, 0.5),
        Comparison("c", None, 0.0, 0.0),
    )
    assert [one.agrees for one in found] == [True, False, False]


def test_what_is_no_number_agrees_with_nothing() -> None:
    gold = Gold({"a": GoldFigure(1.0, 1e9)}, "", {})
    (found,) = compare(gold, {"a": GoldFigure(float("nan"), 1e9)})
    assert not found.agrees
