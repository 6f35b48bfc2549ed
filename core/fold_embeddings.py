"""The embeddings of all windows in each fold, kept so that heads can be trained anew in seconds.

In each fold the encoders have not seen its test subjects; figures from these embeddings are
therefore as honest as those of the run itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from core.atomic_file import write_atomically
from core.errors import ModelError

KEY = "crossl_fold"


@dataclass(frozen=True, eq=False)
class FoldEmbeddings:
    """Windows of everybody as one fold's encoders see them.

    Attributes
    ----------
    fold: its name. train_subjects, test_subjects, pretrain_subjects: who is what in it.
    recordings: ids, in the order of the windows. counts: int64, windows of each recording.
    z: float32 (windows, modalities, code), zero where absent; present: bool (windows, modalities).
    starts_s: float64 (windows,), from each recording's start.
    """

    fold: str
    train_subjects: tuple[str, ...]
    test_subjects: tuple[str, ...]
    pretrain_subjects: tuple[str, ...]
    recordings: tuple[str, ...]
    counts: np.ndarray
    starts_s: np.ndarray
    z: np.ndarray
    present: np.ndarray

    @property
    def recording_index(self) -> np.ndarray:
        """Which of `recordings` each window is of, int64 (windows,)."""
        return np.repeat(np.arange(len(self.recordings)), self.counts)


def write_fold(path: Path, fold: FoldEmbeddings) -> None:
    """Write the file, whole or not at all. Raises OutputError."""
    document = {
        "fold": fold.fold,
        "train_subjects": list(fold.train_subjects),
        "test_subjects": list(fold.test_subjects),
        "pretrain_subjects": list(fold.pretrain_subjects),
        "recordings": list(fold.recordings),
    }
    arrays = {
        "counts": fold.counts.astype(np.int64),
        "starts_s": fold.starts_s.astype(np.float64),
        "z": fold.z.astype(np.float32),
        "present": fold.present,
    }
    packed = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    write_atomically(path, save(packed, metadata={KEY: json.dumps(document)}))


def read_fold(path: Path) -> FoldEmbeddings:
    """What `write_fold` wrote. Raises ModelError for a missing or damaged file."""
    try:
        with safe_open(path, framework="np") as file:
            document = json.loads((file.metadata() or {})[KEY])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return FoldEmbeddings(
            fold=document["fold"],
            train_subjects=tuple(document["train_subjects"]),
            test_subjects=tuple(document["test_subjects"]),
            pretrain_subjects=tuple(document["pretrain_subjects"]),
            recordings=tuple(document["recordings"]),
            counts=arrays["counts"],
            starts_s=arrays["starts_s"],
            z=arrays["z"],
            present=arrays["present"],
        )
    except FileNotFoundError:
        raise ModelError(f"{path}: there is no such file.") from None
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: damaged, or not made by crossl-app ({error}).") from None
