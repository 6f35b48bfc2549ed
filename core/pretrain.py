"""Pretraining: CroSSL without labels, in a plain loop that can stop, resume and survive.

Everything random in an epoch (order, masks, dropout) is drawn from generators seeded with the
run's seed and the number of the epoch. A checkpoint after each epoch therefore needs no random
state, and a resumed run continues bit for bit on the same CPU, threads and versions.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch
from torch import nn

from core.checkpoint import load_tensors, pack_optimizer, save_tensors, unpack_optimizer
from core.config import PretrainConfig
from core.device import mixed_precision
from core.errors import DataError, ModelError
from core.losses import collapse_verdict, diagnose
from core.model import CrosslModel
from core.progress import RunContext

# Windows whose global embeddings are looked at after each epoch for signs of collapse.
DIAGNOSED_WINDOWS = 512
# Seconds between two looks at whether to stop, inside a batch.
LOOK_EVERY_S = 0.25

Given = ParamSpec("Given")
Result = TypeVar("Result")
Batch = dict[str, torch.Tensor]
# (indices) -> (inputs by modality (n, channels, samples), present (n, modalities))
FetchBatch = Callable[[np.ndarray], tuple[Batch, torch.Tensor]]


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch came to; figures of embeddings are those of all modalities together."""

    epoch: int
    loss: float
    invariance: float
    variance: float
    covariance: float
    deviation: float
    effective_rank: float
    cosine: float
    seconds: float


@dataclass(frozen=True)
class PretrainResult:
    """How a pretraining ended; the model was trained in place.

    `deviations`: standard deviation of each dimension of the global embedding at the end.
    """

    epochs: tuple[EpochRecord, ...]
    deviations: tuple[float, ...]
    verdict: str
    stopped: str

    def to_dict(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "epochs": [asdict(record) for record in self.epochs],
            "deviations": list(self.deviations),
            "verdict": self.verdict,
            "stopped": self.stopped,
        }


def pretrain(
    model: CrosslModel,
    fetch: FetchBatch,
    indices: np.ndarray,
    config: PretrainConfig,
    *,
    seed: int,
    device: torch.device,
    context: RunContext,
    stage: str = "pretrain",
    checkpoint: Path | None = None,
    fingerprint: str = "",
) -> PretrainResult:
    """Train `model` in place on the windows `indices`, without labels.

    `checkpoint`: file that is replaced after each epoch, and continued from where it exists and
    was made with the same `fingerprint` (settings, data, seed). Raises Cancelled within one
    batch of being asked to stop, and between its layers where batches are slow; the checkpoint of
    the last whole epoch stays. Every epoch is a milestone with the figures of its EpochRecord,
    those taken from a checkpoint too.
    """
    if len(indices) < 2:
        raise DataError(
            "Pretraining needs at least two windows in which something was recorded; "
            f"there are {len(indices)}. Look at the recordings' findings."
        )
    model.to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    history: list[EpochRecord] = []
    batch = BatchSize(min(config.batch_size, len(indices)), 2, stage, device, context)
    if checkpoint is not None and checkpoint.exists():
        try:
            tensors, state = load_tensors(checkpoint)
        except ModelError as error:
            context.say(f"{stage}: started anew. {error}")
            tensors, state = {}, {}
        if state.get("fingerprint") == fingerprint:
            _restore(model, optimizer, tensors, state)
            history = [EpochRecord(**record) for record in state["history"]]
            batch.size = state["batch_size"]
            context.say(f"{stage}: continued after epoch {len(history)}.")
        elif state:
            context.say(f"{stage}: settings or recordings have changed, so it starts anew.")

    for earlier in history:
        _announce(earlier, stage, config, len(indices) // batch.size, context)

    while len(history) < config.epochs and not _exhausted(history, config.patience):
        before = _snapshot(model, optimizer)
        with looks_within(model, context):
            record = batch.attempt(
                _run_epoch,
                model, optimizer, fetch, indices, config,
                batch_size=batch.size, epoch=len(history), seed=seed, device=device,
                context=context, stage=stage,
            )  # fmt: skip
        if record is None:
            _restore_snapshot(model, optimizer, before)
            continue
        history.append(record)
        if checkpoint is not None:
            packed, groups = pack_optimizer(optimizer)
            weights = {f"model/{name}": value for name, value in model.state_dict().items()}
            save_tensors(
                checkpoint,
                weights | packed,
                {
                    "fingerprint": fingerprint,
                    "groups": groups,
                    "batch_size": batch.size,
                    "history": [asdict(entry) for entry in history],
                },
            )
        warning = collapse_verdict(
            deviation=record.deviation,
            effective_rank=record.effective_rank,
            cosine=record.cosine,
            dimensions=model.global_size,
        )
        if warning and record.epoch in (5, 20, config.epochs):
            context.say(f"{stage}, epoch {record.epoch}: {warning}")
        _announce(record, stage, config, len(indices) // batch.size, context)

    model.eval()
    last = history[-1]
    verdict = collapse_verdict(
        deviation=last.deviation,
        effective_rank=last.effective_rank,
        cosine=last.cosine,
        dimensions=model.global_size,
    )
    early = len(history) < config.epochs
    with looks_within(model, context):
        final = diagnose(_sample_embeddings(model, fetch, indices, batch.size, device, context))
    return PretrainResult(
        epochs=tuple(history),
        deviations=final.deviations,
        verdict=verdict or "no sign of collapse",
        stopped=f"after epoch {len(history)}"
        + (f": no better for {config.patience} epochs" if early else ""),
    )


def _run_epoch(
    model: CrosslModel,
    optimizer: torch.optim.Optimizer,
    fetch: FetchBatch,
    indices: np.ndarray,
    config: PretrainConfig,
    *,
    batch_size: int,
    epoch: int,
    seed: int,
    device: torch.device,
    context: RunContext,
    stage: str,
) -> EpochRecord:
    started = time.perf_counter()
    generator = torch.Generator().manual_seed(_epoch_seed(seed, epoch))
    order = indices[torch.randperm(len(indices), generator=generator).numpy()]
    batches = max(1, len(order) // batch_size)  # a short last batch would make VICReg noisy
    sums: dict[str, float] = {}
    with torch.random.fork_rng(devices=_rng_devices(device)):
        torch.manual_seed(_epoch_seed(seed, epoch))
        model.train()
        model.set_encoder_dropout(config.encoder_dropout)
        for number in range(batches):
            rate = learning_rate(config, (epoch + number / batches) / config.epochs)
            for group in optimizer.param_groups:
                group["lr"] = rate
            batch, present = fetch(order[number * batch_size : (number + 1) * batch_size])
            batch = {name: values.to(device) for name, values in batch.items()}
            with mixed_precision(config.precision, device):
                loss, terms = model.pretraining_loss(batch, present.to(device), generator)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            values = {"loss": float(loss.detach())} | {k: float(v) for k, v in terms.items()}
            if not math.isfinite(values["loss"]):
                raise DataError(
                    f"{stage}: the loss is no longer a number in epoch {epoch + 1}. "
                    "Lower pretrain.learning_rate, or look for extreme values in the recordings."
                )
            for name, value in values.items():
                sums[name] = sums.get(name, 0.0) + value / batches
            context.step(
                stage, epoch * batches + number + 1, config.epochs * batches, loss=values["loss"]
            )
    embeddings = _sample_embeddings(model, fetch, indices, batch_size, device, context)
    figures = diagnose(embeddings)
    return EpochRecord(
        epoch=epoch + 1,
        loss=sums["loss"],
        invariance=sums["invariance"],
        variance=sums["variance"],
        covariance=sums["covariance"],
        deviation=figures.deviation,
        effective_rank=figures.effective_rank,
        cosine=figures.cosine,
        seconds=time.perf_counter() - started,
    )


def _announce(
    record: EpochRecord, stage: str, config: PretrainConfig, batches: int, context: RunContext
) -> None:
    """One epoch's figures, for live curves."""
    context.milestone(
        stage,
        record.epoch * batches,
        config.epochs * batches,
        **{name: float(value) for name, value in asdict(record).items()},
        epochs=float(config.epochs),
    )


def announce_again(stage: str, curve: dict[str, Any], context: RunContext) -> None:
    """The epochs of a pretraining that was finished earlier, as `PretrainResult.to_dict` kept it,
    so that live curves are whole after a run was resumed."""
    total = len(curve["epochs"])
    for record in curve["epochs"]:
        context.milestone(stage, record["epoch"], total, **record, epochs=float(total))


@contextmanager
def looks_within(model: nn.Module, context: RunContext) -> Iterator[None]:
    """While it lasts, the context is asked between the layers of the model, on the way forth and
    back: a batch of long windows takes seconds on one core. No number changes."""
    asked = time.monotonic()

    def ask() -> None:
        nonlocal asked
        if time.monotonic() - asked >= LOOK_EVERY_S:
            asked = time.monotonic()
            context.look()

    def on_the_way_back(gradient: torch.Tensor) -> None:
        del gradient
        ask()

    def after(module: nn.Module, inputs: Any, output: Any) -> None:
        del module, inputs
        ask()
        if isinstance(output, torch.Tensor) and output.requires_grad:
            output.register_hook(on_the_way_back)

    hooks = [module.register_forward_hook(after) for module in model.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class BatchSize:
    """How many windows are worked on at once: halved whenever the memory does not hold them."""

    def __init__(
        self, size: int, least: int, stage: str, device: torch.device, context: RunContext
    ) -> None:
        self.size = size
        self._least = least
        self._stage = stage
        self._device = device
        self._context = context

    def attempt(
        self, work: Callable[Given, Result], *args: Given.args, **more: Given.kwargs
    ) -> Result | None:
        """What `work` returns; None where the memory was full, and `size` is smaller now.

        Raises DataError where not even `least` windows fit.
        """
        try:
            return work(*args, **more)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside the except block, which would keep the batch that did not fit alive.
        if self.size <= self._least:
            few = "two windows" if self._least == 2 else "one window"
            raise DataError(
                f"{self._stage}: the memory of the {self._device.type} does not even hold {few}. "
                "Shorten windows.length_s, make model.encoder.widths smaller, or use the CPU."
            )
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        self.size = max(self._least, self.size // 2)
        self._context.say(
            f"{self._stage}: the memory was full; going on in batches of {self.size}."
        )
        return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; CUDA has an error class of its own for it, MPS and the CPU do not."""
    text = str(error).lower()
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError)
        and ("out of memory" in text or "can't allocate memory" in text)
    )


def learning_rate(config: PretrainConfig, progress: float) -> float:
    """The rate at `progress` 0 to 1 of the whole training.

    `one_cycle`: linear from 1/25 to full over the first 30 %, then a cosine to zero.
    """
    if config.schedule == "constant":
        return config.learning_rate
    if progress < 0.3:
        return config.learning_rate * (0.04 + 0.96 * progress / 0.3)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - 0.3) / 0.7))


def _epoch_seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])


def _rng_devices(device: torch.device) -> list[int]:
    return [device.index or 0] if device.type == "cuda" else []


@torch.no_grad()
def _sample_embeddings(
    model: CrosslModel,
    fetch: FetchBatch,
    indices: np.ndarray,
    batch_size: int,
    device: torch.device,
    context: RunContext,
) -> torch.Tensor:
    """Global embeddings (n, global) of evenly spread windows, all that is present kept."""
    model.eval()
    step = max(1, len(indices) // DIAGNOSED_WINDOWS)
    chosen = indices[::step][:DIAGNOSED_WINDOWS]
    parts = []
    for start in range(0, len(chosen), batch_size):
        context.look()
        batch, present = fetch(chosen[start : start + batch_size])
        present = present.to(device)
        z = model.encode({name: values.to(device) for name, values in batch.items()}, present)
        parts.append(model.aggregate(z, present).float().cpu())
    return torch.cat(parts)


def _exhausted(history: list[EpochRecord], patience: int | None) -> bool:
    if patience is None or len(history) <= patience:
        return False
    best = min(record.loss for record in history[:-patience])
    return min(record.loss for record in history[-patience:]) >= best


def _restore(
    model: CrosslModel,
    optimizer: torch.optim.Optimizer,
    tensors: dict[str, torch.Tensor],
    state: dict[str, Any],
) -> None:
    weights = {
        name.removeprefix("model/"): value
        for name, value in tensors.items()
        if name.startswith("model/")
    }
    model.load_state_dict(weights)
    unpack_optimizer(optimizer, tensors, state["groups"])


def _snapshot(model: CrosslModel, optimizer: torch.optim.Optimizer) -> tuple[Any, Any]:
    return copy.deepcopy(model.state_dict()), copy.deepcopy(optimizer.state_dict())


def _restore_snapshot(
    model: CrosslModel, optimizer: torch.optim.Optimizer, before: tuple[Any, Any]
) -> None:
    model.load_state_dict(before[0])
    optimizer.load_state_dict(before[1])
