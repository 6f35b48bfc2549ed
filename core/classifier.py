"""From embeddings to class probabilities, for any subset of the modalities.

A `Classifier` is a pretrained model with a head. It works on cached embeddings of whole
recordings, so that each modality is encoded once however many subsets are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from core.config import FinetuneConfig
from core.model import CrosslModel

GLOBAL_ROWS = 4096
"""Windows whose global embeddings are worked out at once, to bound memory."""


@dataclass(frozen=True)
class Embedded:
    """Windows after their encoders.

    `z` (windows, modalities, code) float32 on the CPU, zero where absent; `present`
    (windows, modalities) bool; `neighbours` (windows, 2 k) int64: indices of the k windows before
    and the k after in time order, -1 where the recording ends or has a gap; k = 0 without context.
    """

    z: torch.Tensor
    present: torch.Tensor
    neighbours: torch.Tensor

    def take(self, indices: np.ndarray) -> Embedded:
        """These windows alone, without their neighbours (for heads without context)."""
        rows = torch.as_tensor(indices, dtype=torch.long)
        return Embedded(self.z[rows], self.present[rows], self.neighbours[rows, :0])


def neighbours_in_time(
    recording_index: np.ndarray, starts_s: np.ndarray, hop_s: float, reach: int
) -> torch.Tensor:
    """Indices (windows, 2 reach) of the windows before and after each, -1 where there is none.

    Windows are neighbours when they lie a whole number of hops apart in the same recording.
    """
    firsts: dict[int, float] = {}
    places: dict[tuple[int, int], int] = {}
    for index, (recording, start) in enumerate(zip(recording_index, starts_s, strict=True)):
        # Counted from the recording's first window, so that rounding never decides.
        first = firsts.setdefault(int(recording), float(start))
        places[int(recording), round((float(start) - first) / hop_s)] = index
    offsets = [*range(-reach, 0), *range(1, reach + 1)]
    table = np.full((len(starts_s), len(offsets)), -1, np.int64)
    for (recording, place), index in places.items():
        for column, offset in enumerate(offsets):
            table[index, column] = places.get((recording, place + offset), -1)
    return torch.from_numpy(table)


class Head(nn.Module):
    """Linear or MLP classifier on a window's features, standardised by training windows."""

    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, config: FinetuneConfig, features: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.layers: nn.Module
        if config.head == "linear":
            self.layers = nn.Linear(features, classes)
        else:
            self.layers = nn.Sequential(
                nn.Linear(features, config.hidden),
                nn.ReLU(),
                nn.Dropout(config.dropout),
                nn.Linear(config.hidden, classes),
            )

    def fit_standardisation(self, features: torch.Tensor) -> None:
        """Take shift and scale from training features (windows, features).

        What hardly varies in training (a flag of a modality that was always there) is left at
        its own scale: a tiny deviation would blow it up where it does vary.
        """
        self.shift.copy_(features.mean(0))
        deviation = features.std(0, unbiased=False)
        self.scale.copy_(torch.where(deviation > 1e-3, 1 / deviation.clamp_min(1e-3), 1.0))

    def standardised(self, features: torch.Tensor) -> torch.Tensor:
        """Features less their mean, in deviations; same shape."""
        return (features - self.shift) * self.scale

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(self.standardised(features))
        return logits


class Classifier(nn.Module):
    """A model, a head, a temperature, and the class shares in training.

    `center` and `spread` (modalities, code) standardise the embeddings over training windows, so
    that a modality taken away leaves zeros, which is its mean.
    """

    center: torch.Tensor
    spread: torch.Tensor
    temperature: torch.Tensor
    class_shares: torch.Tensor

    def __init__(self, model: CrosslModel, config: FinetuneConfig, classes: int) -> None:
        super().__init__()
        self.config = config
        self.model = model
        modalities, code = len(model.shapes), model.code
        self.register_buffer("center", torch.zeros(modalities, code))
        self.register_buffer("spread", torch.ones(modalities, code))
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("class_shares", torch.full((classes,), 1 / classes))
        size = 0
        if config.features in ("global", "both"):
            size += model.global_size
        if config.features in ("embeddings", "both"):
            size += modalities * (code + 1)
        blocks = 3 if config.context_windows else 1
        self.head = Head(config, size * blocks, classes)

    def fit_embeddings(self, z: torch.Tensor, present: torch.Tensor) -> None:
        """Take `center` and `spread` from training windows, each modality where present."""
        for index in range(z.shape[1]):
            seen = z[present[:, index], index]
            if len(seen) > 1:
                self.center[index] = seen.mean(0)
                self.spread[index] = seen.std(0, unbiased=False).clamp_min(1e-6)

    def window_features(self, z: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        """Features (windows, f) of windows with the modalities `keep` (windows, modalities)."""
        parts = []
        if self.config.features in ("global", "both"):
            parts.append(self.model.aggregate(z, keep))
        if self.config.features in ("embeddings", "both"):
            there = keep.to(z.dtype)
            kept = (z - self.center) * (there[..., None] / self.spread)
            parts += [kept.flatten(1), there]
        return torch.cat(parts, dim=1)

    def features(
        self, z: torch.Tensor, keep: torch.Tensor, neighbours: torch.Tensor
    ) -> torch.Tensor:
        """Features with context: the window, the mean of those before, of those after.

        A neighbour counts when it exists and has something left; with none, the mean is zero.
        """
        own = self.window_features(z, keep)
        if not self.config.context_windows:
            return own
        reach = neighbours.shape[1] // 2
        usable = keep.any(1).to(own.dtype)
        blocks = [own]
        for side in (neighbours[:, :reach], neighbours[:, reach:]):
            weight = torch.where(side >= 0, usable[side.clamp_min(0)], 0.0)
            total = (own[side.clamp_min(0)] * weight[..., None]).sum(1)
            blocks.append(total / weight.sum(1, keepdim=True).clamp_min(1.0))
        return torch.cat(blocks, dim=1)

    def logits(self, z: torch.Tensor, keep: torch.Tensor, neighbours: torch.Tensor) -> torch.Tensor:
        """Calibrated logits (windows, classes)."""
        logits: torch.Tensor = self.head(self.features(z, keep, neighbours)) / self.temperature
        return logits

    @torch.inference_mode()
    def probabilities(self, embedded: Embedded, keep: np.ndarray | None = None) -> np.ndarray:
        """Class probabilities (windows, classes), NaN where no modality is left.

        `keep` (windows, modalities) bool; what is absent is left out whatever it says.
        """
        if self.training or self.head.training:  # to walk over all modules takes its time
            self.eval()
        kept = embedded.present
        if keep is not None:
            kept = kept & torch.as_tensor(keep)
        device = self.temperature.device
        logits = self.logits(embedded.z.to(device), kept.to(device), embedded.neighbours.to(device))
        result = torch.softmax(logits.double(), dim=1).cpu().numpy().astype(np.float32)
        result[~kept.any(1).numpy()] = np.nan
        return result


@torch.inference_mode()
def global_embeddings(model: CrosslModel, embedded: Embedded) -> np.ndarray:
    """Global embeddings with all that is present, float32 (windows, global); NaN where nothing
    is."""
    model.eval()
    device = next(model.parameters()).device
    parts = [
        model.aggregate(z.to(device), present.to(device)).float().cpu()
        for z, present in zip(
            embedded.z.split(GLOBAL_ROWS), embedded.present.split(GLOBAL_ROWS), strict=True
        )
    ]
    result: np.ndarray = torch.cat(parts).numpy()
    result[~embedded.present.any(1).numpy()] = np.nan
    return result


@torch.no_grad()
def embed(
    model: CrosslModel, batch: dict[str, torch.Tensor], present: torch.Tensor
) -> torch.Tensor:
    """Embeddings (windows, modalities, code) of one batch, float32 on the CPU."""
    device = next(model.parameters()).device
    model.eval()
    inputs = {name: values.to(device) for name, values in batch.items()}
    return model.encode(inputs, present.to(device)).float().cpu()
