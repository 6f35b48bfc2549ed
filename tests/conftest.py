"""Fixtures for all tests: the shared recordings, Qt without a screen, fresh settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

# Before anything imports Qt, numpy or torch.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "2")

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def shared_folder() -> Path | None:
    """Folder of the shared recordings and references: `CROSSL_SHARED`, else beside the checkout."""
    named = os.environ.get("CROSSL_SHARED")
    folder = Path(named) if named else REPOSITORY.parent / "shared"
    return folder if (folder / "data").is_dir() else None


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


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
