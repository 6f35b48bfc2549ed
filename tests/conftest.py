"""Fixtures for all tests: the shared recordings, Qt without a screen, fresh settings."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

# Before anything imports Qt, numpy or torch.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny tensors: threads only wait

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# A shell that starts the tests in the background has Ctrl-C ignored, and `nohup` the end of the
# session: the programs that tests start would inherit that.
for _name, _handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    _number = getattr(signal, _name, None)  # Windows has no SIGHUP
    if _number is not None and signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)


def shared_folder() -> Path | None:
    """Folder of the shared recordings and references: `CROSSL_SHARED`, else beside the checkout."""
    named = os.environ.get("CROSSL_SHARED")
    folder = Path(named) if named else REPOSITORY.parent / "shared"
    return folder if (folder / "data").is_dir() else None


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture
def installer(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports a module of `installer/`, as the scripts there import each other."""
    monkeypatch.syspath_prepend(str(repository / "installer"))
    return importlib.import_module


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared folder with `data/` and `reference/`; skips the test where there is none."""
    folder = shared_folder()
    if folder is None:
        pytest.skip("no shared recordings: set CROSSL_SHARED, or put them in ../shared")
    return folder


@pytest.fixture(autouse=True)
def _fresh_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """No test reads or writes the user's own settings, caches and logs."""
    home = tmp_path_factory.mktemp("home")
    for name, folder in (
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_CACHE_HOME", "cache"),
        ("APPDATA", "config"),
        ("LOCALAPPDATA", "data"),
    ):
        monkeypatch.setenv(name, str(home / folder))
    monkeypatch.setenv("CROSSL_CACHE_DIR", str(home / "unpacked"))
    monkeypatch.delenv("CROSSL_CACHE_LIMIT_MB", raising=False)
    # platformdirs on macOS and Qt go by the home folder.
    monkeypatch.setenv("HOME", str(home))


@pytest.fixture(autouse=True)
def _torch_state() -> Iterator[None]:
    """A test may change torch's threads and modes: the next one finds them as they were.

    torch is not imported for tests that do without it.
    """
    before = _torch_settings()
    yield
    after = _torch_settings()
    if before is not None and after != before:
        import torch

        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1], warn_only=before[2])
        torch.set_default_dtype(before[3])


def _torch_settings() -> tuple | None:
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    return (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.get_default_dtype(),
    )


# ---------------------------------------------------------------- small studies


class SmallStudy:
    """A folder with a few short recordings in CSV files and a run file that learns from them.

    Five people, a minute each, 20 Hz: an accelerometer (ax, ay), a gyroscope (gx) and, on every
    sample, whether they rest or walk, ten seconds in turns. Random numbers, nobody's recordings.
    """

    rate_hz = 20
    seconds = 60

    def __init__(self, folder: Path, people: int = 5) -> None:
        self.folder = folder
        self.run_file = folder / "run.json"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, people + 1):
            self.write(f"s{number}", number)
        self.document: dict[str, Any] = {
            "schema_version": 1,
            "name": "small",
            "threads": 1,
            "device": "cpu",
            "recordings": {
                "sources": [
                    {
                        "pattern": "{subject}.csv",
                        "csv": {"time_column": "time", "time_unit": "s", "rate_hz": 20},
                    }
                ]
            },
            "modalities": [
                {"name": "acc", "kind": "acc", "rate_hz": 20, "channels": ["ax", "ay"]},
                {"name": "gyro", "kind": "gyro", "rate_hz": 20, "channels": ["gx"]},
            ],
            "windows": {"length_s": 2},
            "labels": {"kind": "column", "column": "activity", "classes": ["rest", "walk"]},
            "model": {
                "preset": "fast",
                "encoder": {"code": 8, "widths": [4, 4, 4], "scales_s": [0.25], "latent_steps": 5},
                "aggregator": {"hidden": [8], "output": 8},
            },
            "pretrain": {"epochs": 2, "batch_size": 16, "loss": {"expander": [16]}},
            "evaluate": {
                "folds": 2,
                "budgets": [1.0],
                "opponents": ["majority"],
                "bootstrap": 100,
            },
        }
        self.write_run_file()

    def write_run_file(self) -> None:
        """Write `document` as the run file."""
        self.run_file.write_text(json.dumps(self.document), encoding="utf-8")

    def signals(self, seed: int) -> dict[str, np.ndarray]:
        """The columns of one person's file, as drawn with `seed`."""
        rng = np.random.default_rng(seed)
        time = np.arange(self.seconds * self.rate_hz) / self.rate_hz
        walk = (time // 10) % 2 == 1
        swing = np.sin(2 * np.pi * 2 * time + np.array([[0.0], [1.0]]))
        acc = 0.3 * rng.normal(size=(2, len(time))) + 2 * walk * swing
        gyro = rng.normal(size=len(time)) * (1 + 3 * walk)
        return {
            "time": time,
            "ax": acc[0],
            "ay": acc[1],
            "gx": gyro,
            "activity": np.where(walk, "walk", "rest").astype(object),
        }

    def write(self, name: str, seed: int, **columns: np.ndarray | None) -> Path:
        """Write one person's file; `columns` replaces columns, None leaves one out."""
        data: dict[str, Any] = self.signals(seed) | columns
        data = {key: values for key, values in data.items() if values is not None}
        path = self.folder / f"{name}.csv"
        with path.open("w", encoding="utf-8") as file:
            file.write(",".join(data) + "\n")
            for row in zip(*data.values(), strict=True):
                file.write(",".join(self._cell(value) for value in row) + "\n")
        return path

    @staticmethod
    def _cell(value: object) -> str:
        if isinstance(value, float):
            return "" if np.isnan(value) else f"{value:.5f}"
        return str(value)

    def run(self, output: Path, *options: str) -> int:
        """Run batch mode in this process; returns the exit status."""
        from crossl_app.cli import run

        return run(["--batch", str(self.run_file), "--output", str(output), *options])


@pytest.fixture
def small_study(tmp_path: Path) -> SmallStudy:
    """A fresh small study, free to be changed by the test."""
    return SmallStudy(tmp_path / "study")


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallStudy, Path]:
    """A small study and the output folder of its finished run. Tests only read them."""
    study = SmallStudy(tmp_path_factory.mktemp("finished") / "study")
    output = study.folder.parent / "out"
    status = study.run(output)
    assert status == 0
    return study, output


RATER = "who labelled"
"""Whose labels the trained study has."""


@pytest.fixture(scope="session")
def trained_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of the small recordings with one finished run. Tests only read it; those that write
    take a copy by `study_copy`."""
    from core.device import torch_session  # noqa: F401 (torch is loaded once, here)
    from core.progress import RunContext
    from core.study import Study
    from core.study_creation import create_study
    from core.study_plan import plan_from_run_file
    from core.study_runs import create_run
    from core.train_run import train

    base = tmp_path_factory.mktemp("trained")
    small = SmallStudy(base / "files")
    folder = base / "study"
    plan = plan_from_run_file(small.run_file, folder, context=RunContext())
    scheme = replace(plan.scheme, epoch_s=2.0)
    create_study(replace(plan, scheme=scheme, rater=RATER, copy_recordings=True), RunContext())
    study = Study.open(folder)
    engine = {**study.settings.engine, "threads": 1, "predict": {"keep_embeddings": True}}
    run = create_run(study, "First run", engine, [RATER])
    assert train(run, RunContext()).state == "finished"
    study.close()
    return folder


@pytest.fixture
def study_copy(trained_study: Path, tmp_path: Path) -> Path:
    """A copy of the trained study, free to be changed by the test."""
    return Path(shutil.copytree(trained_study, tmp_path / "trained"))
