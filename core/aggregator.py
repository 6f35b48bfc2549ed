"""Aggregators: the embeddings that are left of a window become one global embedding.

All take z (n, M, code), keep (n, M) bool and, where single elements are masked, elements
(n, M, code) bool, and give (n, output). What is masked and what was never recorded look the
same to them: the values of z there are never used.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.config import AggregatorConfig
from core.encoders import BatchNorm


class Aggregator(nn.Module):
    """What all aggregators have in common. `output`: numbers in the global embedding."""

    output: int

    def forward(self, z: Tensor, keep: Tensor, elements: Tensor | None = None) -> Tensor:
        """z (n, M, code), keep (n, M) and elements (n, M, code) bool, to (n, output)."""
        raise NotImplementedError


def build_aggregator(config: AggregatorConfig, modalities: int, code: int) -> Aggregator:
    """The aggregator for so many modalities with embeddings of `code` numbers."""
    if config.kind == "reference":
        return ReferenceAggregator(modalities, code, hidden=config.hidden, output=config.output)
    options = config.model_dump(exclude={"kind"})
    if config.kind == "attention":
        return AttentionAggregator(modalities, code, **options)
    options.pop("heads")
    kinds: dict[str, type[TokenAggregator] | type[MeanAggregator]] = {
        "token": TokenAggregator,
        "mean": MeanAggregator,
    }
    return kinds[config.kind](modalities, code, **options)


def seen(keep: Tensor, elements: Tensor | None) -> Tensor:
    """(n, M, 1 or code) bool: which numbers of the embeddings may be seen."""
    return keep[:, :, None] if elements is None else keep[:, :, None] & elements


def hidden_layers(sizes: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear, BatchNorm, GELU, dropout between each two sizes."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), BatchNorm(after), nn.GELU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


class ReferenceAggregator(Aggregator):
    """Flatten, dense layers with ReLU, a last dense layer, LayerNorm. Masked numbers are zero.

    Source: Deldari et al., WSDM 2024, as released. Initial values as Keras.
    """

    EPSILON = 1e-3

    def __init__(
        self, modalities: int, code: int, *, hidden: Sequence[int] = (64, 32), output: int = 32
    ) -> None:
        super().__init__()
        self.output = output
        sizes = (modalities * code, *hidden, output)
        self.dense = nn.ModuleList(
            nn.Linear(before, after) for before, after in itertools.pairwise(sizes)
        )
        self.norm = nn.LayerNorm(output, eps=self.EPSILON)
        for name, parameter in self.dense.named_parameters():
            if name.endswith("weight"):
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.zeros_(parameter)

    def forward(self, z: Tensor, keep: Tensor, elements: Tensor | None = None) -> Tensor:
        x = z.masked_fill(~seen(keep, elements), 0.0).flatten(1)
        for dense in self.dense[:-1]:
            x = F.relu(dense(x))
        return self.norm(self.dense[-1](x))


class TokenAggregator(Aggregator):
    """A learned token stands where something is missing; flags say what is there; then an MLP."""

    def __init__(
        self,
        modalities: int,
        code: int,
        *,
        hidden: Sequence[int] = (128,),
        output: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.output = output
        self.tokens = nn.Parameter(0.02 * torch.randn(modalities, code))
        sizes = (modalities * (code + 1), *hidden)
        self.hidden = hidden_layers(sizes, dropout)
        self.last = nn.Linear(sizes[-1], output)

    def forward(self, z: Tensor, keep: Tensor, elements: Tensor | None = None) -> Tensor:
        x = torch.where(seen(keep, elements), z, self.tokens.to(z.dtype))
        flags = keep.to(x.dtype)
        return self.last(self.hidden(torch.cat([x.flatten(1), flags], 1)))


class MeanAggregator(Aggregator):
    """An MLP of its own for each modality; the mean over those that are kept.

    Masked elements of a kept modality are replaced by a learned token.
    """

    def __init__(
        self,
        modalities: int,
        code: int,
        *,
        hidden: Sequence[int] = (128,),
        output: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.output = output
        self.tokens = nn.Parameter(0.02 * torch.randn(modalities, code))
        self.hidden = nn.ModuleList(
            hidden_layers((code, *hidden), dropout) for _ in range(modalities)
        )
        self.last = nn.ModuleList(nn.Linear((code, *hidden)[-1], output) for _ in range(modalities))

    def forward(self, z: Tensor, keep: Tensor, elements: Tensor | None = None) -> Tensor:
        x = torch.where(seen(keep, elements), z, self.tokens.to(z.dtype))
        total = z.new_zeros((len(z), self.output))
        for number, (hidden, last) in enumerate(zip(self.hidden, self.last, strict=True)):
            # Only rows that are kept, so that BatchNorm never sees what is missing.
            rows = keep[:, number].nonzero()[:, 0]
            if len(rows):
                part = last(hidden(x[rows, number]))
                total = total.to(part.dtype).index_add(0, rows, part)
        return total / keep.sum(1, keepdim=True).clamp_min(1).to(total.dtype)


class AttentionAggregator(Aggregator):
    """A query gathers from the set of modalities by attention; those not kept are left out.

    One layer of attention and feed-forward for each entry of `hidden`, pre-norm with LayerNorm.
    """

    def __init__(
        self,
        modalities: int,
        code: int,
        *,
        hidden: Sequence[int] = (128,),
        output: int = 64,
        dropout: float = 0.0,
        heads: int = 4,
    ) -> None:
        super().__init__()
        self.output = output
        size = -(-code // heads) * heads
        self.tokens = nn.Parameter(0.02 * torch.randn(modalities, code))
        self.enter = nn.Linear(code, size)
        self.names = nn.Parameter(0.02 * torch.randn(modalities, size))
        self.query = nn.Parameter(0.02 * torch.randn(size))
        self.layers = nn.ModuleList(
            AttentionLayer(size, heads, feed, dropout) for feed in hidden or (2 * size,)
        )
        self.norm = nn.LayerNorm(size)
        self.last = nn.Linear(size, output)

    def forward(self, z: Tensor, keep: Tensor, elements: Tensor | None = None) -> Tensor:
        z = torch.where(seen(keep, elements), z, self.tokens.to(z.dtype))
        x = self.enter(z) + self.names
        x = torch.cat([self.query.to(x.dtype).expand(len(x), 1, -1), x], 1)
        # The query is always there, so that a window with nothing kept is no special case.
        there = torch.cat([keep.new_ones((len(keep), 1)), keep], 1)
        for layer in self.layers:
            x = layer(x, there)
        return self.last(self.norm(x[:, 0]))


class AttentionLayer(nn.Module):
    """Attention among the tokens that are there, then feed-forward, both residual."""

    def __init__(self, size: int, heads: int, feed: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attend = nn.LayerNorm(size)
        self.attend = nn.Linear(size, 3 * size)
        self.join = nn.Linear(size, size)
        self.norm_feed = nn.LayerNorm(size)
        self.feed = nn.Sequential(
            nn.Linear(size, feed), nn.GELU(), nn.Dropout(dropout), nn.Linear(feed, size)
        )

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """Tokens (n, t, size) and which of them are there (n, t) bool, to (n, t, size)."""
        n, t, size = x.shape
        shape = (n, t, 3, self.heads, size // self.heads)
        q, k, v = self.attend(self.norm_attend(x)).view(shape).permute(2, 0, 3, 1, 4)
        joined = F.scaled_dot_product_attention(q, k, v, attn_mask=there[:, None, None, :])
        x = x + self.join(joined.transpose(1, 2).reshape(n, t, size))
        return x + self.feed(self.norm_feed(x))
