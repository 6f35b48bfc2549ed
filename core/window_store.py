"""What a run says of every window of a recording, kept as one file per recording.

The table of predictions is for people and other programs; this file holds the rest: the
probabilities under every asked subset of the modalities, and the embeddings, so that a view
answers 'what without this sensor?' without the model.
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
from core.evaluate import predicted_classes
from core.robustness import SubsetPlan, SubsetPredictions

FINAL = "final"
"""Name in `fold` of windows that no fold held out: the final model predicted them."""
KEY = "crossl_windows"
FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class RecordingWindows:
    """All windows of one recording in order of time, with what a run says of them.

    Attributes
    ----------
    recording, subject: as in the report.
    starts_s: float64 (windows,), seconds from the recording's start. length_s: of every window.
    classes, modalities: names, in the order of all arrays.
    labels: int64 (windows,), as the run saw them, -1 unlabelled.
    fold: object (windows,), name of the fold that held the subject out, FINAL where none did.
    subsets: probabilities under every asked subset, and which modalities are present.
    fragility: float32 (windows,); shapley: float32 (windows, modalities); NaN where undefined.
    z: float32 (windows, modalities, code), embeddings by the final model, zero where absent.
    embedding: float32 (windows, global), the global embedding by the final model, NaN where
        nothing is present.
    """

    recording: str
    subject: str
    starts_s: np.ndarray
    length_s: float
    classes: tuple[str, ...]
    modalities: tuple[str, ...]
    labels: np.ndarray
    fold: np.ndarray
    subsets: SubsetPredictions
    fragility: np.ndarray
    shapley: np.ndarray
    z: np.ndarray
    embedding: np.ndarray

    def __len__(self) -> int:
        return len(self.starts_s)

    @property
    def present(self) -> np.ndarray:
        """bool (windows, modalities)."""
        return self.subsets.present

    @property
    def held_out(self) -> np.ndarray:
        """Windows that were predicted by a model which had not seen their subject, as far as the
        run itself knows; bool (windows,)."""
        return self.fold != FINAL

    def row_of(self, kept: tuple[int, ...]) -> int | None:
        """Place of a subset of the modalities among those asked; None where it was not."""
        try:
            return self.subsets.kept.index(tuple(sorted(kept)))
        except ValueError:
            return None

    def probabilities(self, kept: tuple[int, ...] | None = None) -> np.ndarray:
        """float32 (windows, classes) with these modalities alone, all of them when None; NaN where
        nothing is left. KeyError where the subset was not asked (`row_of` tells)."""
        if kept is None:
            return self.subsets.full
        if not kept:
            return np.full_like(self.subsets.full, np.nan)
        row = self.row_of(kept)
        if row is None:
            raise KeyError(kept)
        return self.subsets.probabilities[row]

    def predicted(self, kept: tuple[int, ...] | None = None) -> np.ndarray:
        """Class of each window, int64, -1 where nothing is left."""
        return predicted_classes(self.probabilities(kept))

    def ends_shown_s(self) -> np.ndarray:
        """Where each window's cell ends in a strip: its end, or the start of an overlapping next
        one; float64 (windows,)."""
        ends = self.starts_s + self.length_s
        if len(ends) > 1:
            ends[:-1] = np.minimum(ends[:-1], np.maximum(self.starts_s[1:], self.starts_s[:-1]))
        return ends


def write_windows(path: Path, windows: RecordingWindows) -> None:
    """Write the file, whole or not at all. Raises OutputError."""
    plan = windows.subsets.plan
    names = sorted({str(name) for name in windows.fold})
    document = {
        "format_version": FORMAT_VERSION,
        "recording": windows.recording,
        "subject": windows.subject,
        "length_s": windows.length_s,
        "classes": list(windows.classes),
        "modalities": list(windows.modalities),
        "folds": names,
        "kept": [list(kept) for kept in plan.kept],
        "permutations": [list(order) for order in plan.permutations],
    }
    arrays = {
        "starts_s": windows.starts_s.astype(np.float64),
        "labels": windows.labels.astype(np.int64),
        "fold": np.array([names.index(str(name)) for name in windows.fold], np.int64),
        "present": windows.subsets.present,
        "probabilities": windows.subsets.probabilities.astype(np.float32),
        "fragility": windows.fragility.astype(np.float32),
        "shapley": windows.shapley.astype(np.float32),
        "z": windows.z.astype(np.float32),
        "embedding": windows.embedding.astype(np.float32),
    }
    packed = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    write_atomically(path, save(packed, metadata={KEY: json.dumps(document)}))


def read_windows(path: Path) -> RecordingWindows:
    """What `write_windows` wrote. Raises ModelError for a missing or damaged file."""
    try:
        with safe_open(path, framework="np") as file:
            document = json.loads((file.metadata() or {})[KEY])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise ModelError(f"{path}: there is no such file.") from None
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path}: damaged, or not made by crossl-app ({error}).") from None
    if document.get("format_version") != FORMAT_VERSION:
        raise ModelError(
            f"{path}: made by another version (format {document.get('format_version')}, this "
            f"program reads {FORMAT_VERSION})."
        )
    try:
        modalities = tuple(document["modalities"])
        plan = SubsetPlan(
            len(modalities),
            tuple(tuple(kept) for kept in document["kept"]),
            tuple(tuple(order) for order in document["permutations"]),
        )
        names = np.array([*document["folds"], ""], dtype=object)
        return RecordingWindows(
            recording=document["recording"],
            subject=document["subject"],
            starts_s=arrays["starts_s"],
            length_s=float(document["length_s"]),
            classes=tuple(document["classes"]),
            modalities=modalities,
            labels=arrays["labels"],
            fold=names[arrays["fold"]],
            subsets=SubsetPredictions(plan, arrays["present"], arrays["probabilities"]),
            fragility=arrays["fragility"],
            shapley=arrays["shapley"],
            z=arrays["z"],
            embedding=arrays["embedding"],
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ModelError(f"{path}: damaged ({type(error).__name__}: {error}).") from None
