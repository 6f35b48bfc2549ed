"""A program that is killed while it trains leaves a run that goes on to the same numbers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from core.progress import Progress, RunContext
from core.study import Study
from core.study_runs import create_run, read_run, recover_runs, runs_of
from tests.conftest import RATER
from tests.core.test_train_run import assert_same_numbers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is there on POSIX alone")


def train_until(folder: Path, stage: str, number: int, where: str) -> None:
    """Train a run, and wait to be killed at the n-th report of a stage; with `where` "writing",
    while the first file after it is written."""
    from core.train_run import train

    left = [number]

    def wait() -> None:
        print("here", flush=True)
        sys.stdin.read()

    def report(progress: Progress) -> None:
        if progress.stage != stage:
            return
        left[0] -= 1
        if left[0] == 0 and where == "step":
            wait()

    real = os.replace

    def replace(source: str | Path, target: str | Path) -> None:
        if left[0] <= 0 and where == "writing":
            wait()
        real(source, target)

    os.replace = replace
    run = read_run(folder)
    assert run is not None
    train(run, RunContext(report))


def kill(run: Path, repository: Path, stage: str, number: int, where: str) -> None:
    """Train in another program, and kill that where `train_until` waits."""
    child = subprocess.Popen(
        [sys.executable, "-P", __file__, str(run), stage, str(number), where],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"},
    )
    said: IO[str] | None = child.stdout
    assert said is not None
    try:
        assert said.readline() == "here\n"
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "number", "where"),
    [
        ("fold 1: pretraining", 5, "step"),
        ("fold 1: pretraining", 6, "writing"),
        ("final fit: fine-tuning", 3, "step"),
    ],
    ids=["in_an_epoch", "writing_a_checkpoint", "in_the_final_fit"],
)
def test_a_run_that_was_killed_resumes_to_the_same_numbers(
    study_copy: Path, repository: Path, stage: str, number: int, where: str
) -> None:
    from core.train_run import train

    (first,) = runs_of(study_copy)
    study = Study.open(study_copy)
    engine = {**study.settings.engine, "threads": 1, "predict": {"keep_embeddings": True}}
    run = create_run(study, "killed", engine, [RATER])
    study.close()

    kill(run.folder, repository, stage, number, where)
    assert read_run(run.folder).state == "running", "nobody was there to note its end"
    assert not run.report_path.exists()
    checkpoints = run.folder / "checkpoints"
    assert (checkpoints / "fold-0.safetensors").is_file()
    cut_short = [path for path in checkpoints.iterdir() if path.name.startswith(".")]
    assert bool(cut_short) == (where == "writing")

    (recovered,) = recover_runs(study_copy)
    assert (recovered.name, recovered.state) == (run.name, "stopped")
    seen: list[Progress] = []
    resumed = train(recovered, RunContext(seen.append))
    assert (resumed.state, resumed.error) == ("finished", "")
    done = [p.stage for p in seen if not p.milestone]  # curves of the past are told again
    assert not [name for name in done if name.startswith("fold 0: ")], "a finished fold is kept"
    assert_same_numbers(first.folder, resumed.folder)


if __name__ == "__main__":
    train_until(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4])
