"""Probabilities under a subset of the modalities that a run did not ask.

With more modalities than `robustness.max_modalities` only some subsets are asked while a run goes;
any other is answered from the kept embeddings, by the final model.
"""

from __future__ import annotations

import numpy as np
import torch

from core.classifier import Embedded, neighbours_in_time
from core.errors import ModelError
from core.run_results import RunResults
from core.saved_model import load_model
from core.window_store import RecordingWindows


def subset_probabilities(
    results: RunResults, windows: RecordingWindows, kept: tuple[int, ...]
) -> np.ndarray:
    """float32 (windows, classes), NaN where nothing is left.

    The final model may have seen the recording's subject, whatever fold held it out. Raises
    ModelError where the run has no classifier.
    """
    saved = load_model(results.folder / "model")
    if saved.classifier is None:
        raise ModelError(f"{results.folder.name}: this model was pretrained only.")
    embedded = Embedded(
        torch.from_numpy(windows.z),
        torch.from_numpy(windows.present),
        neighbours_in_time(
            np.zeros(len(windows), int),
            windows.starts_s,
            saved.config.windows.step_s,
            saved.config.finetune.context_windows,
        ),
    )
    keep = np.zeros_like(windows.present)
    keep[:, list(kept)] = True
    return saved.classifier.probabilities(embedded, keep)
