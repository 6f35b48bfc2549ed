"""The example studies on the shared recordings, in small: they finish, and beat guessing.

`pytest -m acceptance`. Few people, few epochs, no opponent that takes minutes; the full runs
are started by hand with the same run files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]


@dataclass(frozen=True)
class Example:
    """An example run file, where its data lie, and which people are enough in small."""

    name: str
    data: str
    subjects: tuple[str, ...]
    modalities: int

    def __str__(self) -> str:
        return self.name


EXAMPLES = [
    Example("har_phone_watch", "har_phone_watch", ("s01", "s02", "s03", "s04", "s05", "s06"), 4),
    Example("stress_wristband", "stress_wristband", ("S02", "S03", "S04", "S05", "S06", "S07"), 4),
    # All twelve: from three people nothing is learnt here that holds for others.
    Example("eeg_arithmetic", "eeg_arithmetic", tuple(f"{k:02d}" for k in range(12)), 4),
]
SMALL = [
    "pretrain.epochs=4",
    "evaluate.folds=2",
    "evaluate.budgets=[0.1]",
    "evaluate.budget_seeds=1",
    'evaluate.opponents=["majority", "random_encoders"]',
    "evaluate.adapt=false",
    "evaluate.bootstrap=100",
    "robustness.dedicated=false",
    "threads=1",
]


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_study_finishes_and_beats_the_majority_class(
    example: Example, shared: Path, repository: Path, tmp_path: Path
) -> None:
    data = shared / "data" / example.data
    if not data.is_dir():
        pytest.skip(f"no recordings in {data}")
    run_file = repository / "resources" / "examples" / f"{example.name}.json"
    sources = json.loads(run_file.read_text(encoding="utf-8"))["recordings"]["sources"]
    values = {**sources[0].get("values", {}), "subject": list(example.subjects)}
    changes = [*SMALL, f"recordings.sources.0.values={json.dumps(values)}"]
    output = tmp_path / "out"
    command = [
        sys.executable, "-m", "crossl_app", "--batch", str(run_file), "--output", str(output),
        "--data-root", str(data), "--device", "cpu",
    ]  # fmt: skip
    for change in changes:
        command += ["--set", change]
    done = subprocess.run(
        command,
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=1500,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads((output / "report.json").read_text(encoding="utf-8"))
    assert report["status"] == "success"
    assert len(report["modalities"]) == example.modalities
    evaluation = report["evaluation"]
    majority = next(row for row in evaluation["opponents"] if row["name"] == "majority")
    assert majority["macro_f1"] + 0.05 < evaluation["macro_f1"] < 1
    assert len(evaluation["per_subject"]) == len(example.subjects)
    subsets = report["robustness"]["subsets"]
    assert len(subsets) == 2**example.modalities - 1
    assert all(row["windows"] for row in subsets)
    tables = list((output / "predictions").glob("*.csv"))
    assert len(tables) == len(report["recordings"])
    assert (output / "report.html").stat().st_size > 10_000
