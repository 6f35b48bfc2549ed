"""The CroSSL network: encoders, latent masks, aggregator and loss in one module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from core.aggregator import Aggregator, build_aggregator
from core.config import ModelConfig, PretrainConfig
from core.encoders import BatchNorm, Encoder, build_encoder
from core.errors import DataError
from core.losses import VICReg
from core.masking import View, choose_mask, draw_views

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class ModalityShape:
    """What a model must know of a modality: its windows are (channels, samples) at rate_hz."""

    name: str
    channels: int
    rate_hz: float
    samples: int


class CrosslModel(nn.Module):
    """One encoder per modality, in scheme order, and an aggregator over all of them.

    A batch is a mapping from modality name to samples (n, channels, samples), with `present`
    (n, M) bool beside it. Samples of absent modalities are never looked at; a modality that is
    absent in the whole batch may be left out of the mapping.
    """

    def __init__(
        self,
        shapes: Sequence[ModalityShape],
        encoders: Sequence[Encoder],
        aggregator: Aggregator,
        pretrain: PretrainConfig | None = None,
    ) -> None:
        super().__init__()
        self.shapes = tuple(shapes)
        self.encoders = nn.ModuleList(encoders)
        self.aggregator = aggregator
        self.pretrain_config = pretrain or PretrainConfig()
        self.loss = VICReg(self.pretrain_config.loss)
        layers = self.pretrain_config.loss.expander if pretrain is not None else []
        self.expander = build_expander(aggregator.output, layers)

    @classmethod
    def build(
        cls,
        config: ModelConfig,
        shapes: Sequence[ModalityShape],
        seed: int,
        pretrain: PretrainConfig | None = None,
    ) -> CrosslModel:
        """A new model whose initial weights depend on the seed alone.

        Without `pretrain` there is no expander: a model that is to be used, not pretrained.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoders = [
                build_encoder(config.encoder, shape.channels, shape.rate_hz, shape.samples)
                for shape in shapes
            ]
            aggregator = build_aggregator(config.aggregator, len(shapes), config.encoder.code)
            return cls(shapes, encoders, aggregator, pretrain)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modalities in scheme order."""
        return tuple(shape.name for shape in self.shapes)

    @property
    def code(self) -> int:
        """Numbers in a modality's embedding."""
        return self._encoders()[0].code

    @property
    def global_size(self) -> int:
        """Numbers in the global embedding."""
        return self.aggregator.output

    # ------------------------------------------------------------ embeddings

    def encode(self, batch: Batch, present: Tensor) -> Tensor:
        """Embeddings z (n, M, code); zero where a modality is absent."""
        columns = []
        for number, encoder in enumerate(self._encoders()):
            rows, samples = self._rows(batch, present, number)
            columns.append(self._scatter(rows, encoder(samples) if len(rows) else None, present))
        return torch.stack(columns, 1)

    def encode_sequences(self, batch: Batch, present: Tensor) -> list[Tensor]:
        """Latent steps of each modality, (n, latent, steps); zero where it is absent."""
        sequences = []
        for number, encoder in enumerate(self._encoders()):
            rows, samples = self._rows(batch, present, number)
            if len(rows):
                part = encoder.sequence(samples)
                whole = part.new_zeros((len(present), *part.shape[1:]))
                sequences.append(
                    part if len(rows) == len(whole) else whole.index_copy(0, rows, part)
                )
            else:
                steps = encoder.steps(self.shapes[number].samples)
                sequences.append(self._zeros(present, encoder.latent, steps))
        return sequences

    def pool_sequences(
        self, sequences: Sequence[Tensor], present: Tensor, steps: Sequence[Tensor] | None
    ) -> Tensor:
        """Latent steps of `encode_sequences`, with the kept ones of each (n, steps), to z."""
        columns = []
        for number, encoder in enumerate(self._encoders()):
            rows = present[:, number].nonzero()[:, 0]
            keep = None if steps is None else steps[number][rows]
            pooled = encoder.pool(sequences[number][rows], keep) if len(rows) else None
            columns.append(self._scatter(rows, pooled, present))
        return torch.stack(columns, 1)

    def aggregate(self, z: Tensor, keep: Tensor, elements: Tensor | None = None) -> Tensor:
        """Global embeddings (n, global) from z (n, M, code) and what of it is kept.

        keep: (n, M) bool, modalities that are present and not masked. elements: (n, M, code)
        bool, or None for all.
        """
        return self.aggregator(z, keep, elements)

    # ------------------------------------------------------------ pretraining

    def pretraining_loss(
        self, batch: Batch, present: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of one batch and its terms: `invariance`, `variance`, `covariance`, `penalty`.

        Each modality is encoded once and aggregated twice, under two masks drawn from
        `generator`; twice for each way to mask where the mixture is `all`. Windows in which
        nothing is present have nothing to say and are left out.
        Raises DataError when fewer than two windows remain.
        """
        filled = present.any(1)
        if not filled.all():
            batch = {name: samples[filled] for name, samples in batch.items()}
            present = present[filled]
        if len(present) < 2:
            raise DataError(
                "A pretraining batch needs at least two windows in which something was recorded. "
                "Raise pretrain.batch_size, or look at the recordings' findings."
            )
        config = self.pretrain_config
        masks = config.masking
        if config.mixture == "draw":
            masks = [choose_mask(masks, generator)]
        drawn = [
            draw_views(
                present, mask, generator,
                code=self.code,
                steps=self.latent_steps(),
                strict=config.strict_masks,
            )
            for mask in masks
        ]  # fmt: skip
        sequences: list[Tensor] = []
        if any(views.a.steps is not None for views in drawn):
            sequences = self.encode_sequences(batch, present)
            whole = self.pool_sequences(sequences, present, None)
        else:
            whole = self.encode(batch, present)

        def project(view: View) -> Tensor:
            z = whole
            if view.steps is not None:
                z = self.pool_sequences(sequences, present, view.steps)
            return self.expander(self.aggregate(z, view.keep, view.elements))

        total = sum(mask.weight for mask in masks)
        loss = whole.new_zeros(())
        terms: dict[str, Tensor] = {}
        for mask, views in zip(masks, drawn, strict=True):
            part, figures = self.loss(project(views.a), project(views.b))
            loss = loss + part * (mask.weight / total)
            for name, value in figures.items():
                terms[name] = terms.get(name, 0) + value * (mask.weight / total)
        penalty = self.kernel_penalty()
        return loss + penalty, terms | {"penalty": penalty.detach()}

    def latent_steps(self) -> list[int]:
        """Number of latent steps of each modality."""
        return [
            encoder.steps(shape.samples)
            for encoder, shape in zip(self._encoders(), self.shapes, strict=True)
        ]

    def kernel_penalty(self) -> Tensor:
        """Scalar: the L2 penalty on the convolution kernels of all encoders."""
        return torch.stack([encoder.kernel_penalty() for encoder in self._encoders()]).sum()

    def set_encoder_dropout(self, on: bool) -> None:
        """Turn dropout in the encoders on or off, in a model that is in training mode.

        The next `train()` or `eval()` sets it anew.
        """
        for module in self.encoders.modules():
            if isinstance(module, nn.Dropout):
                module.train(on and self.training)

    @torch.no_grad()
    def settle_norms(self, batches: Iterable[tuple[Batch, Tensor]]) -> None:
        """Give BatchNorm the figures of some data, without learning anything.

        For frozen random encoders, which otherwise would be normalised by made-up figures.
        """
        norms = [module for module in self.modules() if isinstance(module, BatchNorm)]
        if not norms:
            return
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average over the batches
        training = self.training
        self.train()
        try:
            for batch, present in batches:
                self.aggregate(self.encode(batch, present), present)
        finally:
            self.train(training)
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum

    def discard_expander(self) -> None:
        """Throw away the layers that served the loss only."""
        self.expander = nn.Sequential()

    # ------------------------------------------------------------ inside

    def _encoders(self) -> list[Encoder]:
        return [cast(Encoder, encoder) for encoder in self.encoders]

    def _rows(self, batch: Batch, present: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """Numbers of the windows that have the modality, and their samples."""
        shape = self.shapes[number]
        rows = present[:, number].nonzero()[:, 0]
        samples = batch.get(shape.name)
        if samples is None:
            if len(rows):
                raise ValueError(f"{shape.name} is present but its samples are not in the batch")
            return rows, self._zeros(present[:0], shape.channels, shape.samples)
        expected = (len(present), shape.channels, shape.samples)
        if tuple(samples.shape) != expected:
            raise ValueError(f"{shape.name}: samples {tuple(samples.shape)}, not {expected}")
        return rows, samples if len(rows) == len(present) else samples[rows]

    def _scatter(self, rows: Tensor, values: Tensor | None, present: Tensor) -> Tensor:
        """Values (rows, code) of some windows to (n, code), zero for the others."""
        if values is None:
            return self._zeros(present, self.code)
        if len(rows) == len(present):
            return values
        return values.new_zeros((len(present), values.shape[1])).index_copy(0, rows, values)

    def _zeros(self, present: Tensor, *shape: int) -> Tensor:
        like = next(self.parameters())
        return torch.zeros((len(present), *shape), dtype=like.dtype, device=like.device)


def build_expander(size: int, layers: Sequence[int]) -> nn.Sequential:
    """Linear layers of these sizes with BatchNorm and ReLU between; none: what comes in."""
    parts: list[nn.Module] = []
    for number, after in enumerate(layers):
        if number:
            parts += [BatchNorm(size), nn.ReLU()]
        parts.append(nn.Linear(size, after))
        size = after
    return nn.Sequential(*parts)
