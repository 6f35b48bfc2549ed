"""Folds: windows are encoded in batches that fit, and what was kept of a fold tells its curves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from core.config import AggregatorConfig, EncoderConfig, ModelConfig
from core.errors import DataError
from core.fold import embed_windows
from core.model import CrosslModel, ModalityShape
from core.progress import Cancelled, Progress, RunContext

SHAPES = (ModalityShape("acc", 2, 20.0, 40), ModalityShape("gyro", 1, 20.0, 40))
WINDOWS = 50
MODEL = ModelConfig(
    encoder=EncoderConfig(code=8, widths=(4, 4, 4), scales_s=[0.25], latent_steps=5),
    aggregator=AggregatorConfig(hidden=[8], output=8),
)


class SmallMemory:
    """Windows of which only so many fit into memory at once."""

    def __init__(self, holds: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.holds = holds
        self.asked_for: list[int] = []
        self.present = torch.rand(WINDOWS, 2, generator=generator) < 0.8
        self.inputs = {
            shape.name: torch.randn(WINDOWS, shape.channels, shape.samples, generator=generator)
            for shape in SHAPES
        }

    def __call__(self, indices: np.ndarray) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        self.asked_for.append(len(indices))
        if len(indices) > self.holds:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        rows = torch.as_tensor(indices)
        return {name: x[rows] for name, x in self.inputs.items()}, self.present[rows]


def run_with(context: RunContext) -> Any:
    """As much of a `Run` as encoding looks at."""
    windows = SimpleNamespace(
        starts_s=np.arange(WINDOWS, dtype=float), recording_index=np.zeros(WINDOWS, int)
    )
    config = SimpleNamespace(
        predict=SimpleNamespace(batch_size=16),
        finetune=SimpleNamespace(context_windows=0),
        windows=SimpleNamespace(step_s=1.0),
    )
    return SimpleNamespace(
        data=SimpleNamespace(windows=windows, shapes=SHAPES),
        config=config,
        device=torch.device("cpu"),
        context=context,
    )


def encoded(holds: int, context: RunContext | None = None) -> tuple[torch.Tensor, SmallMemory]:
    memory = SmallMemory(holds)
    rows = np.arange(0, WINDOWS, 2)
    model = CrosslModel.build(MODEL, SHAPES, 0).eval()
    embedded = embed_windows(run_with(context or RunContext()), model, memory, rows, "encoding")
    assert not embedded.present[1::2].any()
    return embedded.z, memory


def test_windows_are_encoded_in_batches_that_fit_into_memory() -> None:
    said: list[Progress] = []
    expected, _ = encoded(WINDOWS)
    found, memory = encoded(5, RunContext(said.append))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert memory.asked_for == [16, 8, 4, 4, 4, 4, 4, 4, 1]
    assert [one.message for one in said if one.message] == [
        "encoding: the memory was full; going on in batches of 8.",
        "encoding: the memory was full; going on in batches of 4.",
    ]
    assert [one.done for one in said if one.stage] == [4, 8, 12, 16, 20, 24, 25]


def test_a_memory_that_does_not_hold_one_window_is_a_sentence() -> None:
    with pytest.raises(DataError, match=r"encoding.*one window.*windows.length_s"):
        encoded(0)


def test_other_errors_of_encoding_are_not_taken_for_a_full_memory() -> None:
    def broken(indices: np.ndarray) -> Any:
        raise RuntimeError("shapes do not fit")

    model = CrosslModel.build(MODEL, SHAPES, 0)
    with pytest.raises(RuntimeError, match="shapes"):
        embed_windows(run_with(RunContext()), model, broken, np.arange(4), "encoding")


def test_encoding_can_be_stopped() -> None:
    with pytest.raises(Cancelled):
        encoded(WINDOWS, RunContext(should_stop=lambda: True))
