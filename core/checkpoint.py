"""Tensors and settings on disk: safetensors and JSON, never pickle, never half-written."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from core.atomic_file import UMASK, write_atomically
from core.errors import ModelError, OutputError

STATE_KEY = "crossl_state"


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON atomically; NaN and infinity are refused, so undefined must be None."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode("utf-8"))


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> None:
    """Save tensors, and plain values beside them, as one safetensors file, atomically."""
    # Copies, because safetensors refuses two names for the same memory.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, save(plain, metadata={STATE_KEY: json.dumps(state, allow_nan=False)}))


def load_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """What `save_tensors` saved. Raises ModelError for a missing or damaged file."""
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {}).get(STATE_KEY, "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118
    except FileNotFoundError:
        raise ModelError(f"{path}: there is no such file.") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: damaged or not a safetensors file ({error}).") from None


def pack_optimizer(
    optimizer: torch.optim.Optimizer,
) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    """An optimiser's state as named tensors and plain values, to be saved without pickle."""
    document = optimizer.state_dict()
    tensors = {
        f"optimizer/{index}/{name}": value
        for index, values in document["state"].items()
        for name, value in values.items()
    }
    return tensors, document["param_groups"]


def unpack_optimizer(
    optimizer: torch.optim.Optimizer,
    tensors: Mapping[str, torch.Tensor],
    groups: list[dict[str, Any]],
) -> None:
    """Put back what `pack_optimizer` took out."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer/"):
            _, index, name = key.split("/")
            state.setdefault(int(index), {})[name] = value
    for group in groups:
        if "betas" in group:
            group["betas"] = tuple(group["betas"])
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def replace_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of files beside `folder`, then put it in its place."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            os.chmod(fresh, 0o777 & ~UMASK)
            for name, content in files.items():
                write_atomically(fresh / name, content)
            if folder.exists():
                old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
                os.replace(folder, old / folder.name)
                os.replace(fresh, folder)
                shutil.rmtree(old)
            else:
                os.replace(fresh, folder)
        finally:
            if fresh.exists():
                shutil.rmtree(fresh)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{folder}: cannot be written ({reason}).") from error
