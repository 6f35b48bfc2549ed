"""The output folder of a run: what is ours in it, and what is kept to resume."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.checkpoint import load_tensors, save_tensors
from core.errors import ConfigError, ModelError, OutputError

OURS = (
    *("report.json", "report.html", "run.log", "predictions", "windows", "embeddings", "model"),
    *("checkpoints", "cache"),
)


class RunFolder:
    """`DIR` of `--output DIR`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.report = path / "report.json"
        self.html = path / "report.html"
        self.log = path / "run.log"
        self.predictions = path / "predictions"
        self.windows = path / "windows"
        self.embeddings = path / "embeddings"
        self.model = path / "model"
        self.checkpoints = path / "checkpoints"
        self.cache = path / "cache"

    def prepare(self, *, resume: bool, force: bool) -> None:
        """Make the folder ready to be written.

        Raises ConfigError when it holds something and neither `resume` nor `force` was said, and
        OutputError when it cannot be written. `force` removes what a run writes, and nothing else.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"--output {self.path}: this is a file, not a folder.")
        if self.path.exists() and any(self.path.iterdir()) and not (resume or force):
            raise ConfigError(
                f"--output {self.path}: the folder is not empty. Say --resume to go on with the "
                "run in it, --force to replace its results, or choose another folder."
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if force:
                self._remove(OURS)
            elif resume:
                self._remove(("report.json", "report.html", "predictions", "windows"))
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(
                f"--output {self.path}: the folder cannot be written ({reason}). Choose another "
                "folder, or make room."
            ) from error

    def _remove(self, names: tuple[str, ...]) -> None:
        for name in names:
            target = self.path / name
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    def remove_if_only_log(self) -> None:
        """Remove a folder in which a run left nothing but its log."""
        if [entry.name for entry in self.path.iterdir()] == [self.log.name]:
            self.log.unlink()
            self.path.rmdir()

    def drop_cache(self) -> None:
        """Remove what only this run needed."""
        shutil.rmtree(self.cache, ignore_errors=True)

    def kept(
        self,
        name: str,
        fingerprint: str,
        compute: Callable[[], tuple[dict[str, np.ndarray], dict[str, Any]]],
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and plain values from an interrupted run where they fit, else computed and kept.

        They fit when they were made with the same `fingerprint` of settings and data.
        """
        path = self.checkpoints / f"{name}.safetensors"
        if path.exists():
            try:
                tensors, state = load_tensors(path)
            except ModelError:
                tensors, state = {}, {}  # cut short by a full disk: worked out again
            if state.get("fingerprint") == fingerprint:
                return {key: tensor.numpy() for key, tensor in tensors.items()}, state["info"]
        arrays, info = compute()
        save_tensors(
            path,
            {key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in arrays.items()},
            {"fingerprint": fingerprint, "info": info},
        )
        return arrays, info


def fingerprint(*parts: Any) -> str:
    """A short hash of plain JSON values, to tell whether kept work still fits."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("utf-8"), digest_size=16).hexdigest()


def array_fingerprint(values: np.ndarray) -> str:
    """Hash of an array's values, type and shape."""
    digest = hashlib.blake2b(f"{values.dtype} {values.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
