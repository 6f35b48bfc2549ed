"""Speed of the encoders as ratios, each measured side by side in one run, warm.

- `reference` encoding and training: GFLOP/s of the encoders' convolutions over GFLOP/s of the
  machine's own 2048³ float32 matrix product. Work counted: 2·kernel·in·out for each step of each
  convolution; three times that for training.
- `fast` over `reference`: windows per second of whole training steps (encoders, masks, two
  aggregations, loss, backward pass, optimiser), same shape and batch.

Run it by itself, `python tests/benchmarks/bench_encoder.py`, or call `measure()`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from core.config import ModelConfig, PretrainConfig, load_model_preset
from core.encoders import ReferenceEncoder
from core.model import CrosslModel, ModalityShape

MODALITIES = 4
SAMPLES = 3000
RATE_HZ = 100.0
CODE = 96
ENCODED_BATCH = 32
TRAINED_BATCH = 16
PRESET_BATCH = 32
MATRIX = 2048

Figure = dict[str, Any]


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def side_by_side(
    work: Callable[[], object], other: Callable[[], object], rounds: int
) -> list[tuple[float, float]]:
    """Seconds of two pieces of work, taking turns, after one warm round."""
    work()
    other()
    return [(seconds(work), seconds(other)) for _ in range(rounds)]


def flops_per_window(encoder: ReferenceEncoder) -> float:
    """Multiplications and additions of one window's convolutions in one modality."""
    total = 0
    for parameter in encoder.parameters():
        if parameter.ndim == 3:
            total += 2 * parameter.numel() * SAMPLES
    return float(total)


def reference_over_matrix_product(rounds: int) -> list[Figure]:
    torch.manual_seed(0)
    encoders = [ReferenceEncoder(1, code=CODE, dropout=0.0) for _ in range(MODALITIES)]
    left, right = torch.randn(MATRIX, MATRIX), torch.randn(MATRIX, MATRIX)
    work_per_window = sum(flops_per_window(encoder) for encoder in encoders)

    def product() -> None:
        for _ in range(4):
            torch.mm(left, right)

    def encode(x: torch.Tensor) -> None:
        with torch.inference_mode():
            for m, encoder in enumerate(encoders):
                encoder(x[:, m])

    def train(x: torch.Tensor) -> None:
        for encoder in encoders:
            encoder.zero_grad(set_to_none=True)
        total = torch.zeros(())
        for m, encoder in enumerate(encoders):
            total = total + encoder(x[:, m]).square().mean()
        total.backward()

    figures = []
    for name, work, batch, passes, aim in (
        ("reference_training_over_matmul", train, TRAINED_BATCH, 3, 0.5),
        ("reference_encoding_over_matmul", encode, ENCODED_BATCH, 1, 0.8),
    ):
        x = torch.randn(batch, MODALITIES, 1, SAMPLES)
        times = side_by_side(lambda work=work, x=x: work(x), product, rounds)  # type: ignore[misc]
        ratio = statistics.median(
            passes * work_per_window * batch / ours / (4 * 2 * MATRIX**3 / theirs)
            for ours, theirs in times
        )
        figures.append(figure(name, ratio, "GFLOP/s over GFLOP/s", aim))
    return figures


def fast_over_reference(rounds: int) -> list[Figure]:
    shapes = [ModalityShape(f"m{m}", 1, RATE_HZ, SAMPLES) for m in range(MODALITIES)]
    batch = {shape.name: torch.randn(PRESET_BATCH, 1, SAMPLES) for shape in shapes}
    present = torch.ones(PRESET_BATCH, MODALITIES, dtype=torch.bool)

    def trainer(preset: str) -> Callable[[], None]:
        values = load_model_preset(preset)
        pretrain = PretrainConfig.model_validate(values.get("pretrain", {}))
        model = CrosslModel.build(ModelConfig.model_validate(values["model"]), shapes, 0, pretrain)
        model.train()
        model.set_encoder_dropout(pretrain.encoder_dropout)
        optimizer = torch.optim.AdamW(model.parameters(), lr=pretrain.learning_rate)
        generator = torch.Generator().manual_seed(0)

        def step() -> None:
            loss, _ = model.pretraining_loss(batch, present, generator)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

        return step

    fast = trainer("fast")

    def several() -> None:
        for _ in range(4):
            fast()

    times = side_by_side(trainer("reference"), several, rounds)
    ratio = statistics.median(reference / (fast_4 / 4) for reference, fast_4 in times)
    return [figure("fast_over_reference_training", ratio, "windows/s over windows/s", 8.0)]


def figure(name: str, value: float, unit: str, aim: float) -> Figure:
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "aim": f">= {aim:g}",
        "met": value >= aim,
    }


def measure(rounds: int = 9) -> list[Figure]:
    """The three ratios; `rounds` repetitions of each pair of measurements, median."""
    return reference_over_matrix_product(rounds) + fast_over_reference(rounds)


if __name__ == "__main__":
    for row in measure():
        met = "met" if row["met"] else "not met"
        print(f"{row['name']:34s} {row['value']:8.2f} {row['unit']:26s} {row['aim']:8s} {met}")
