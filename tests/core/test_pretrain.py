"""Pretraining: repeatable, resumable bit for bit, stoppable within one batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core import pretrain as module
from core.checkpoint import load_tensors
from core.config import AggregatorConfig, EncoderConfig, LossConfig, ModelConfig, PretrainConfig
from core.errors import DataError
from core.model import CrosslModel, ModalityShape
from core.pretrain import (
    EpochRecord,
    PretrainResult,
    is_out_of_memory,
    learning_rate,
    looks_within,
    pretrain,
)
from core.progress import Cancelled, Progress, RunContext

SHAPES = (ModalityShape("acc", 2, 20.0, 40), ModalityShape("gyro", 1, 10.0, 20))
MODEL = ModelConfig(
    encoder=EncoderConfig(code=8, widths=(4, 4, 4), scales_s=[0.25], latent_steps=5, dropout=0.2),
    aggregator=AggregatorConfig(hidden=[8], output=8),
)
CONFIG = PretrainConfig(epochs=4, batch_size=8, loss=LossConfig(expander=[16]))
WINDOWS = 26


class Windows:
    """Random windows; `asked` notes the size of every batch."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        self.data = {
            shape.name: torch.randn(WINDOWS, shape.channels, shape.samples, generator=generator)
            for shape in SHAPES
        }
        self.present = torch.rand(WINDOWS, 2, generator=generator) < 0.8
        self.present[:, 0] |= ~self.present.any(1)
        self.asked: list[int] = []

    def __call__(self, indices: np.ndarray) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        self.asked.append(len(indices))
        rows = torch.as_tensor(indices)
        return {name: values[rows] for name, values in self.data.items()}, self.present[rows]


def learn(
    config: PretrainConfig = CONFIG,
    *,
    fetch: Any = None,
    seed: int = 3,
    indices: np.ndarray | None = None,
    context: RunContext | None = None,
    **more: Any,
) -> tuple[CrosslModel, PretrainResult]:
    model = CrosslModel.build(MODEL, SHAPES, 0, config)
    result = pretrain(
        model,
        fetch or Windows(),
        np.arange(WINDOWS) if indices is None else indices,
        config,
        seed=seed,
        device=torch.device("cpu"),
        context=context or RunContext(),
        **more,
    )
    return model, result


def weights(model: CrosslModel) -> dict[str, torch.Tensor]:
    return model.state_dict()


def same(a: CrosslModel, b: CrosslModel) -> bool:
    first, second = weights(a), weights(b)
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def figures(result: PretrainResult) -> list[Any]:
    return [replace(record, seconds=0.0) for record in result.epochs]


class StopAfter:
    """Asks to stop once so many steps were reported."""

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.steps = 0

    def report(self, progress: Progress) -> None:
        if progress.stage and not progress.milestone:
            self.steps += 1

    def should_stop(self) -> bool:
        return self.steps >= self.left

    @property
    def context(self) -> RunContext:
        return RunContext(self.report, self.should_stop)


def test_the_loss_falls_and_every_figure_is_logged() -> None:
    _, result = learn(CONFIG.model_copy(update={"epochs": 12}))
    assert len(result.epochs) == 12
    assert result.epochs[-1].loss < result.epochs[0].loss
    for record in result.epochs:
        values = [getattr(record, name) for name in record.__dataclass_fields__]
        assert np.isfinite(values).all()


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    first, one = learn()
    second, two = learn()
    other, _ = learn(seed=4)
    assert same(first, second)
    assert figures(one) == figures(two)
    assert not same(first, other)


def test_random_numbers_drawn_elsewhere_change_nothing_and_are_not_disturbed() -> None:
    first, _ = learn()
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    second, _ = learn()
    assert same(first, second)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("strategy", ["spatial", "random", "temporal", "complementary"])
@pytest.mark.parametrize("steps", [4, 7])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(
    tmp_path: Path, strategy: str, steps: int
) -> None:
    from core.config import MaskConfig

    config = CONFIG.model_copy(update={"masking": [MaskConfig(strategy=strategy)]})
    whole, expected = learn(config)
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Cancelled):
        learn(config, checkpoint=path, fingerprint="f", context=StopAfter(steps).context)
    assert len(load_tensors(path)[1]["history"]) == steps // 3
    resumed, result = learn(config, checkpoint=path, fingerprint="f")
    assert same(whole, resumed)
    assert figures(result) == figures(expected)


def test_a_finished_checkpoint_is_taken_without_another_epoch(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    first, _ = learn(checkpoint=path, fingerprint="f")
    windows = Windows()
    again, _ = learn(checkpoint=path, fingerprint="f", fetch=windows)
    assert same(first, again)
    assert sum(windows.asked) <= WINDOWS  # looked at once for the collapse figures


def test_a_checkpoint_of_other_settings_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    learn(seed=9, checkpoint=path, fingerprint="other")
    fresh, _ = learn()
    model, _ = learn(checkpoint=path, fingerprint="f")
    assert same(fresh, model)


def test_a_damaged_checkpoint_is_said_and_training_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    path.write_bytes(b"half")
    said: list[Progress] = []
    fresh, _ = learn()
    model, _ = learn(checkpoint=path, fingerprint="f", context=RunContext(said.append))
    assert same(fresh, model)
    assert any("started anew" in one.message and str(path) in one.message for one in said)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_cancelling_takes_effect_within_one_batch(steps: int) -> None:
    windows, stop = Windows(), StopAfter(steps)
    with pytest.raises(Cancelled):
        learn(fetch=windows, context=stop.context)
    assert stop.steps == steps
    diagnosing = (steps - 1) // 3 * 4  # batches of 8 over all 26 windows after each epoch
    assert len(windows.asked) == steps + diagnosing


def test_training_stops_early_when_the_loss_no_longer_improves() -> None:
    config = CONFIG.model_copy(
        update={"epochs": 50, "patience": 2, "learning_rate": 1e-12, "schedule": "constant"}
    )
    _, result = learn(config)
    losses = [record.loss for record in result.epochs]
    assert len(losses) < 50
    assert min(losses[-2:]) >= min(losses[:-2])
    assert "no better for 2 epochs" in result.stopped


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
)
def test_a_full_memory_halves_the_batch_says_so_and_keeps_it_when_resumed(
    tmp_path: Path, error: Exception
) -> None:
    windows = Windows()

    def small(indices: np.ndarray) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        if len(indices) > 5:
            raise error
        return windows(indices)

    said: list[Progress] = []
    path = tmp_path / "c.safetensors"
    model, result = learn(
        fetch=small, checkpoint=path, fingerprint="f", context=RunContext(said.append)
    )
    assert [one.message for one in said if one.message and "memory" in one.message] == [
        "pretrain: the memory was full; going on in batches of 4."
    ]
    assert len(result.epochs) == 4
    assert max(windows.asked) == 4
    assert load_tensors(path)[1]["batch_size"] == 4
    expected, _ = learn(CONFIG.model_copy(update={"batch_size": 4}))
    assert same(model, expected)  # nothing of the batches that did not fit is left


def test_a_memory_too_small_for_two_windows_is_a_sentence() -> None:
    def never(indices: np.ndarray) -> Any:
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(DataError, match="does not even hold two windows"):
        learn(fetch=never)


def test_other_errors_are_not_taken_for_a_full_memory() -> None:
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))
    assert not is_out_of_memory(ValueError("out of memory"))

    def broken(indices: np.ndarray) -> Any:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        learn(fetch=broken)


def test_a_loss_that_is_no_number_is_a_sentence() -> None:
    windows = Windows()
    windows.data["acc"][:] = float("inf")
    with pytest.raises(DataError, match=r"no longer a number.*learning_rate"):
        learn(fetch=windows)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_windows_are_a_sentence(count: int) -> None:
    with pytest.raises(DataError, match="at least two windows"):
        learn(indices=np.arange(count))


def test_samples_of_absent_modalities_have_no_influence() -> None:
    first, _ = learn()
    windows = Windows()
    for number, shape in enumerate(SHAPES):
        windows.data[shape.name][~windows.present[:, number]] = float("nan")
    second, _ = learn(fetch=windows)
    assert same(first, second)


def test_a_collapse_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "collapse_verdict", lambda **figures: "collapsing")
    said: list[Progress] = []
    _, result = learn(context=RunContext(said.append))
    assert result.verdict == "collapsing"
    assert any(one.message == "pretrain, epoch 4: collapsing" for one in said)


def test_the_one_cycle_rate_rises_and_falls_to_nothing() -> None:
    rates = [learning_rate(CONFIG, p) for p in (0.0, 0.15, 0.3, 0.65, 1.0)]
    assert rates[0] == pytest.approx(0.04 * CONFIG.learning_rate)
    assert rates[2] == pytest.approx(CONFIG.learning_rate)
    assert rates[0] < rates[1] < rates[2] > rates[3] > rates[4]
    assert rates[4] == pytest.approx(0, abs=1e-12)


FIGURES = {
    *("epoch", "epochs", "loss", "invariance", "variance", "covariance"),
    *("deviation", "effective_rank", "cosine", "seconds"),
}


def points(reports: list[Progress]) -> list[dict[str, float]]:
    """Figures of the milestones, but for the time they took."""
    return [one.values | {"seconds": 0.0} for one in reports if one.milestone]


def test_every_epoch_is_a_milestone_with_all_its_figures() -> None:
    seen: list[Progress] = []
    _, result = learn(context=RunContext(seen.append))
    found = points(seen)
    assert [point["epoch"] for point in found] == [1, 2, 3, 4]
    assert all(set(point) == FIGURES and point["epochs"] == 4 for point in found)
    for point, record in zip(found, figures(result), strict=True):
        assert EpochRecord(**{k: v for k, v in point.items() if k != "epochs"}) == record
    assert [(one.done, one.total) for one in seen if one.milestone] == [
        (3, 12), (6, 12), (9, 12), (12, 12),
    ]  # fmt: skip


def test_curves_are_whole_after_a_resumed_pretraining(tmp_path: Path) -> None:
    whole: list[Progress] = []
    learn(context=RunContext(whole.append))
    path = tmp_path / "c.safetensors"
    with pytest.raises(Cancelled):
        learn(checkpoint=path, fingerprint="f", context=StopAfter(8).context)
    resumed: list[Progress] = []
    learn(checkpoint=path, fingerprint="f", context=RunContext(resumed.append))
    assert points(resumed) == points(whole)
    assert sum(one.stage != "" and not one.milestone for one in resumed) == 6  # two epochs


def test_a_milestone_comes_after_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"

    def report(progress: Progress) -> None:
        if progress.milestone:
            assert len(load_tensors(path)[1]["history"]) == progress.values["epoch"]

    learn(checkpoint=path, fingerprint="f", context=RunContext(report))


class Looks:
    """Counts how often it is asked, and says stop from the given time on."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at
        self.count = 0

    def __call__(self) -> bool:
        self.count += 1
        return self.stop_at is not None and self.count >= self.stop_at


def test_a_slow_batch_is_looked_into_forth_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.0)  # as if each layer took long
    model = CrosslModel.build(MODEL, SHAPES, 0, CONFIG)
    batch, present = Windows()(np.arange(8))

    def forth() -> torch.Tensor:
        return model.pretraining_loss(batch, present, torch.Generator().manual_seed(0))[0]

    looks = Looks()
    with looks_within(model, RunContext(should_stop=looks)):
        loss = forth()
        on_the_way_forth = looks.count
        loss.backward()
    assert on_the_way_forth > 20
    assert looks.count > on_the_way_forth + 20
    asked = looks.count
    forth().backward()
    assert looks.count == asked  # nothing of it stays

    def stopped(stop_at: int) -> None:
        with looks_within(model, RunContext(should_stop=Looks(stop_at))):
            forth().backward()

    for stop_at in (1, on_the_way_forth, on_the_way_forth + 1, asked):
        with pytest.raises(Cancelled):
            stopped(stop_at)


def test_looking_into_batches_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.0)
    looks = Looks()
    first, _ = learn(context=RunContext(should_stop=looks))
    monkeypatch.setattr(module, "LOOK_EVERY_S", 1e9)
    fewer = Looks()
    second, _ = learn(context=RunContext(should_stop=fewer))
    assert same(first, second)
    assert looks.count > 10 * fewer.count
