"""The command line: what it takes, what it refuses, and in which words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.version import __version__
from crossl_app import cli
from crossl_app.batch import BatchCommand
from crossl_app.cli import run


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[BatchCommand]:
    """Commands that would be run."""
    commands: list[BatchCommand] = []

    def note(command: BatchCommand) -> int:
        commands.append(command)
        return 0

    monkeypatch.setattr("crossl_app.batch.run_batch", note)
    return commands


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Windows that would be opened."""
    windows: list[list[str]] = []

    def note(files: list[str]) -> int:
        windows.append(list(files))
        return 0

    monkeypatch.setattr(cli, "_window", note)
    return windows


def test_every_option_of_the_contract_arrives(asked: list[BatchCommand]) -> None:
    arguments = (
        "--batch run.json --output out --set a.b=1 --set c=x=y --data-root data "
        "--device cpu --resume --seed 7"
    )
    assert run(arguments.split()) == 0
    assert asked == [
        BatchCommand(
            run_file=Path("run.json"),
            output=Path("out"),
            assignments=("a.b=1", "c=x=y"),
            data_root=Path("data"),
            device="cpu",
            seed=7,
            resume=True,
        )
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        "--batch --model m --output out a.edf b.edf",
        "--batch --output out --model m a.edf b.edf",
        "--model m --batch --output out a.edf b.edf",
        "--batch --model m a.edf b.edf --output out",
        "--output out --model m --batch a.edf b.edf",
    ],
)
def test_scoring_takes_its_files_wherever_they_stand(
    asked: list[BatchCommand], arguments: str
) -> None:
    assert run(arguments.split()) == 0
    assert asked[0].model == Path("m")
    assert asked[0].files == (Path("a.edf"), Path("b.edf"))
    assert asked[0].run_file is None


def test_a_run_file_may_stand_after_the_other_options(asked: list[BatchCommand]) -> None:
    assert run(["--output", "out", "--batch", "--force", "run.json"]) == 0
    assert asked[0].run_file == Path("run.json")
    assert asked[0].force


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ("--batch run.json", "--output"),
        ("--batch --output out", "needs a run file"),
        ("--batch --model m --output out", "at least one recording"),
        ("--batch run.json --output out a.edf", "--model"),
        ("--output out", "add --batch"),
        ("--seed 3", "--seed belongs to batch mode"),
        ("--set a=1", "--set belongs to batch mode"),
        ("--batch run.json --output out --reusme", "did you mean --resume"),
        ("--batch run.json --outptu out", "did you mean --output"),
        ("--model m --seed 0 x.edf", "--model belongs to batch mode"),
    ],
)
def test_a_wrong_command_is_exit_2_in_one_line(capsys, arguments: str, part: str) -> None:
    assert run(arguments.split()) == 2
    error = capsys.readouterr().err
    assert part in error
    assert error.count("\n") == 1
    assert error.startswith("crossl-app: ")


@pytest.mark.parametrize(
    "arguments",
    [
        "--batch run.json --output out --resume --force",
        "--batch run.json --output out --seed x",
        "--batch run.json --output out --device tpu",
        "--batch run.json --output",
    ],
)
def test_what_the_parser_refuses_is_exit_2(capsys, arguments: str) -> None:
    with pytest.raises(SystemExit) as caught:
        run(arguments.split())
    assert caught.value.code == 2
    assert "crossl-app: error:" in capsys.readouterr().err


def test_empty_names_are_refused(asked: list[BatchCommand], capsys) -> None:
    assert run(["--batch", "", "--output", "out"]) == 2
    assert run(["--batch", "run.json", "--output", ""]) == 2
    assert not asked


def test_without_batch_the_window_opens(opened: list[list[str]]) -> None:
    assert run([]) == 0
    assert run(["night.edf"]) == 0
    assert opened == [[], ["night.edf"]]


def test_help_and_version_end_with_0(capsys) -> None:
    for option in ("--help", "--version"):
        with pytest.raises(SystemExit) as caught:
            run([option])
        assert caught.value.code == 0
    said = capsys.readouterr().out
    assert __version__ in said
    assert "exit status" in said
    assert "130" in said


def test_help_comes_without_torch_or_qt() -> None:
    code = (
        "import sys\nfrom crossl_app.cli import run\n"
        "try:\n    run(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'scipy', 'sklearn', 'duckdb', 'PySide6'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_simulated_night_is_written_by_command(tmp_path: Path, capsys) -> None:
    path = tmp_path / "night.edf"
    assert run(["--simulate-night", str(path), "--hours", "0.05", "--seed", "1"]) == 0
    assert path.stat().st_size > 10_000


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crossl_app", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stdout.strip() == f"crossl-app {__version__}"
