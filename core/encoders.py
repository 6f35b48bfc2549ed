"""Encoders: one per modality, from samples to an embedding.

Every encoder works in two steps, so that latent time can be masked in between:

- `sequence(x)`: samples (n, channels, samples) to latent steps (n, latent, steps);
- `pool(steps, keep)`: latent steps to the embedding (n, code), from the steps that are kept.

`ReferenceEncoder` is the released CroSSL encoder, `StridedEncoder` the family that adapts its
kernels and strides to the modality's rate and window.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.config import EncoderConfig

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "elu": nn.ELU}


class Encoder(nn.Module):
    """What all encoders have in common.

    `code`: numbers in an embedding; `latent`: numbers in a latent step.
    """

    code: int
    latent: int

    def sequence(self, x: Tensor) -> Tensor:
        """Samples (n, channels, samples) to latent steps (n, latent, steps)."""
        raise NotImplementedError

    def pool(self, steps: Tensor, keep: Tensor | None = None) -> Tensor:
        """Latent steps (n, latent, steps) to embeddings (n, code).

        keep: (n, steps) bool, the steps that may be seen; all of them if left out. A window with
        no step kept is pooled as if all its steps were zero.
        """
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Samples (n, channels, samples) to embeddings (n, code)."""
        return self.pool(self.sequence(x))

    def steps(self, samples: int) -> int:
        """Number of latent steps that a window of so many samples comes to."""
        raise NotImplementedError

    def kernel_penalty(self) -> Tensor:
        """Scalar: the L2 penalty on convolution kernels, to be added to the loss."""
        raise NotImplementedError


def build_encoder(config: EncoderConfig, channels: int, rate_hz: float, samples: int) -> Encoder:
    """The encoder of one modality with `samples` samples a window at `rate_hz`."""
    if config.kind == "reference":
        return ReferenceEncoder(
            channels, code=config.code, dropout=config.dropout, kernel_l2=config.kernel_l2
        )
    options = config.model_dump(exclude={"kind"})
    return StridedEncoder(channels, rate_hz, samples, **options)


def masked_mean(steps: Tensor, keep: Tensor | None) -> Tensor:
    """Mean over the kept steps: (n, c, steps) and (n, steps) bool to (n, c); 0 where none is."""
    if keep is None:
        return steps.mean(-1)
    weight = keep[:, None, :].to(steps.dtype)
    return (steps * weight).sum(-1) / weight.sum(-1).clamp_min(1)


# ---------------------------------------------------------------- the released encoder


class ReferenceEncoder(Encoder):
    """Three times convolution ('same'), LayerNorm over channels, PReLU per channel, dropout.

    The latent steps are as many as the samples; the embedding is their mean.
    Source: Deldari et al., WSDM 2024, as released. Even kernels put the smaller half of the
    padding on the left, as TensorFlow does. Initial values as Keras: Glorot-uniform kernels.

    On the CPU, without dropout, `PhasedStack` (in training) and `_EncodingPlan` compute the same
    in a fraction of the time.
    """

    KERNELS = (24, 16, 8)
    EPSILON = 1e-3

    def __init__(
        self, channels: int, *, code: int = 96, dropout: float = 0.1, kernel_l2: float = 1e-4
    ) -> None:
        super().__init__()
        self.code = code
        self.latent = code
        self.kernel_l2 = kernel_l2
        sizes = (channels, code // 4, code // 2, code)
        self.convs = nn.ModuleList(
            nn.Conv1d(before, after, kernel)
            for before, after, kernel in zip(sizes, sizes[1:], self.KERNELS, strict=False)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(size, eps=self.EPSILON) for size in sizes[1:])
        self.slopes = nn.ModuleList(nn.PReLU(size, init=0.0) for size in sizes[1:])
        self.dropout = nn.Dropout(dropout)
        for conv in self._convs():
            nn.init.xavier_uniform_(conv.weight)
            nn.init.zeros_(cast(Tensor, conv.bias))

    def sequence(self, x: Tensor) -> Tensor:
        if self._phased(x):
            return self._run_phased(x, pooled=False)
        return self._plain(x)

    def pool(self, steps: Tensor, keep: Tensor | None = None) -> Tensor:
        return masked_mean(steps, keep)

    def forward(self, x: Tensor) -> Tensor:
        if self._phased(x):
            return self._run_phased(x, pooled=True)
        return self.pool(self._plain(x))

    def steps(self, samples: int) -> int:
        return samples

    def kernel_penalty(self) -> Tensor:
        return self.kernel_l2 * _sum_of_squares(conv.weight for conv in self._convs())

    def _convs(self) -> list[nn.Conv1d]:
        return [cast(nn.Conv1d, conv) for conv in self.convs]

    def _plain(self, x: Tensor) -> Tensor:
        """Layer by layer: for other devices and types, for dropout, and as a check."""
        for conv, norm, slope in zip(self.convs, self.norms, self.slopes, strict=True):
            kernel = cast(nn.Conv1d, conv).kernel_size[0]
            x = conv(F.pad(x, ((kernel - 1) // 2, kernel // 2)))
            x = norm(x.transpose(1, 2)).transpose(1, 2)
            x = self.dropout(slope(x))
        return x

    def _phased(self, x: Tensor) -> bool:
        dropping = self.dropout.training and self.dropout.p > 0
        return (
            not dropping
            and x.device.type == "cpu"
            and not x.requires_grad
            and not torch.is_autocast_enabled("cpu")
            and x.dtype in (torch.float32, torch.float64)
            and x.dtype == self._convs()[0].weight.dtype
        )

    def _run_phased(self, x: Tensor, *, pooled: bool) -> Tensor:
        parameters = [
            parameter
            for conv, norm, slope in zip(self.convs, self.norms, self.slopes, strict=True)
            for parameter in (*conv.parameters(), *norm.parameters(), *slope.parameters())
        ]
        if torch.is_grad_enabled() and any(p.requires_grad for p in parameters):
            return PhasedStack.apply(x, pooled, self.EPSILON, *parameters)
        layers = _layers(parameters)
        with torch.no_grad():
            plans: dict[int, _EncodingPlan] = {}
            results = []
            for part in _parts(x):
                size = len(part)
                if size not in plans:
                    plans[size] = _EncodingPlan(size, x.shape[-1], self.EPSILON, layers, x)
                results.append(plans[size].run(part, pooled))
            return torch.cat(results)


@dataclass(frozen=True)
class _Phases:
    """Where things lie when n windows of T steps are cut into `phases` interleaved phases.

    Time is written as t = row·phases + phase. Then the patches that a convolution sees at every
    `phases`-th step are the rows of a matrix whose memory is the padded signal itself, so that a
    convolution is `phases` matrix products without any copying. Results lie as
    (phases, n, rows, channels); steps from T on are waste and are cleared where they count.
    """

    windows: int
    steps: int
    phases: int

    @property
    def rows(self) -> int:
        # One row more than the steps need, so that neighbours in the buffer never touch.
        return -(-(self.steps + self.phases - 1) // self.phases) + 1

    def padded(self, signal: Tensor, channels: int, offset: int) -> Tensor:
        """A flat buffer with each window's signal from step `offset` on and zeros around it.

        signal: (n, channels, steps) as it comes, or (phases, n, rows, channels) with any waste.
        """
        span = self.rows * self.phases
        buffer = signal.new_empty((self.windows * span + 2 * self.phases) * channels)
        inside = buffer[: self.windows * span * channels].view(self.windows, span, channels)
        if signal.ndim == 3:
            inside[:, offset : offset + self.steps] = signal.transpose(1, 2)
        else:
            body = inside[:, offset : offset + span - self.phases]
            body = body.view(self.windows, self.rows - 1, self.phases, channels)
            body.copy_(signal[:, :, :-1].permute(1, 2, 0, 3))
        inside[:, :offset] = 0
        inside[:, offset + self.steps :] = 0
        buffer[self.windows * span * channels :] = 0
        return buffer

    def patches(self, buffer: Tensor, channels: int, kernel: int) -> Tensor:
        """View (phases, n·rows, kernel·channels): what a kernel sees at each step."""
        return buffer.as_strided(
            (self.phases, self.windows * self.rows, kernel * channels),
            (channels, self.phases * channels, 1),
        )

    def clear_waste(self, values: Tensor) -> None:
        """Set (phases, n, rows, channels) to zero from step T on."""
        rows, phase = divmod(self.steps, self.phases)
        if phase:
            values[phase:, :, rows] = 0
            rows += 1
        values[:, :, rows:] = 0

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the steps: (phases, n, rows, channels) to (n, channels). Clears the waste."""
        self.clear_waste(values)
        return values.sum(0).sum(1) / self.steps

    def mean_by_parity(self, values: Tensor) -> Tensor:
        """The same for (2, phases / 2, n, rows, channels), even phases before odd ones."""
        rows, phase = divmod(self.steps, self.phases)
        for parity in (0, 1):
            values[parity, (phase - parity + 1) // 2 :, :, rows] = 0
        values[:, :, :, rows + 1 :] = 0
        return values.flatten(0, 1).sum(0).sum(1) / self.steps

    def in_time(self, values: Tensor) -> Tensor:
        """(phases, n, rows, channels) to (n, channels, steps)."""
        ordered = values.permute(1, 3, 2, 0).flatten(2)
        return ordered[:, :, : self.steps].contiguous()


# Rows of time that are worked on at once: few enough to stay in a core's cache.
_PART_STEPS = 4096


def _parts(x: Tensor) -> tuple[Tensor, ...]:
    return x.split(max(1, _PART_STEPS // x.shape[-1]))


class _Layer:
    """One layer of a stack: its parameters, and its kernel as the matrix for the patches."""

    def __init__(self, weight: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor, slope: Tensor):
        self.weight, self.bias, self.gamma, self.beta, self.slope = weight, bias, gamma, beta, slope
        self.size, self.channels, self.kernel = weight.shape
        self.left = (self.kernel - 1) // 2
        self.matrix = weight.permute(2, 1, 0).reshape(self.kernel * self.channels, self.size)

    @functools.cached_property
    def centred(self) -> tuple[Tensor, Tensor]:
        """Matrix and bias whose results have mean zero over the channels, as LayerNorm has it."""
        return self.matrix - self.matrix.mean(1, keepdim=True), self.bias - self.bias.mean()

    @functools.cached_property
    def halves(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of `centred`, the matrices of even taps, of odd taps, and of their sums."""
        taps = self.centred[0].view(self.kernel, self.channels, self.size)
        even, odd = (taps[first::2].reshape(-1, self.size) for first in (0, 1))
        return even, odd, even + odd

    def flipped(self) -> Tensor:
        """The matrix that takes patches of the result's gradient to the signal's gradient."""
        return self.weight.flip(2).permute(2, 0, 1).reshape(self.kernel * self.size, self.channels)


def _layers(parameters: Sequence[Tensor]) -> list[_Layer]:
    """Layers from weight (out, in, kernel), bias, gamma, beta and slope of each, in order."""
    return [_Layer(*parameters[i : i + 5]) for i in range(0, len(parameters), 5)]


def _phases(windows: int, steps: int, layers: Sequence[_Layer]) -> _Phases:
    most = max(layer.kernel for layer in layers)
    return _Phases(windows, steps, most + most % 2)


class _Product:
    """Memory and views for a first layer's convolution by centred kernels, without the bias."""

    def __init__(self, at: _Phases, layer: _Layer, like: Tensor) -> None:
        span = at.rows * at.phases * layer.channels
        buffer = like.new_zeros(at.windows * span + 2 * at.phases * layer.channels)
        self.signal = buffer.as_strided(
            (at.windows, layer.channels, at.steps),
            (span, 1, layer.channels),
            layer.left * layer.channels,
        )
        self.patches = at.patches(buffer, layer.channels, layer.kernel)
        self.matrix = layer.centred[0].expand(at.phases, -1, -1)
        self.flat = like.new_empty((at.phases, at.windows * at.rows, layer.size))
        shape = (at.phases // 2, 2, at.windows, at.rows, layer.size)
        self.result = self.flat.view(shape).transpose(0, 1)

    def run(self, x: Tensor) -> Tensor:
        """Samples (n, channels, steps) to (2, phases / 2, n, rows, size), even phases first."""
        self.signal.copy_(x)
        torch.bmm(self.patches, self.matrix, out=self.flat)
        return self.result


class _HalfProducts:
    """The same for a later layer with an even kernel, with a quarter fewer multiplications.

    A signal and a kernel are split into even and odd samples, s₀ s₁ and k₀ k₁. The even results
    are s₀k₀ + s₁k₁; the odd ones s₁k₀ + s₀'k₁ = (s₁ + s₀')(k₀ + k₁) − s₁k₁ − s₀'k₀, where s₀' is
    one sample on: three products of half the size instead of four. Source: the fast two-parallel
    FIR filter, Parhi, VLSI Digital Signal Processing Systems, 1999, chapter 9.
    """

    def __init__(self, at: _Phases, layer: _Layer, like: Tensor) -> None:
        channels, half = layer.channels, at.phases // 2
        span = at.rows * half
        # One stream for even samples, one for odd ones, one for their sums.
        even, odd, both = like.new_zeros((3, (at.windows * span + 2 * half) * channels))
        self.bodies, self.wastes = [], []
        for step in (0, 1):  # parity of the step, not of the sample it comes to
            parity = (step + layer.left) % 2
            offset = (layer.left + step - parity) // 2
            stream = (even, odd)[parity][: at.windows * span * channels]
            body = stream.view(at.windows, span, channels)[:, offset : offset + span - half]
            self.bodies.append(body.view(at.windows, at.rows - 1, half, channels))
            self.wastes.append(body[:, (at.steps - step + 1) // 2 :])
        self.ahead, self.odd, self.sums = even[channels:], odd[:-channels], both[:-channels]

        def patches(stream: Tensor, phases: int) -> Tensor:
            shape = (phases, at.windows * at.rows, layer.kernel // 2 * channels)
            return stream.as_strided(shape, (channels, half * channels, 1))

        # One even phase more, which is the first one again, one sample on.
        self.patches = patches(even, half + 1), patches(odd, half), patches(both, half)
        self.matrices = [
            matrix.expand(len(part), -1, -1)
            for matrix, part in zip(layer.halves, self.patches, strict=True)
        ]
        self.evens = like.new_empty((half + 1, at.windows * at.rows, layer.size))
        self.flat = like.new_empty((2, half, at.windows * at.rows, layer.size))
        self.result = self.flat.view(2, half, at.windows, at.rows, layer.size)

    def run(self, values: Tensor) -> Tensor:
        """From and to (2, phases / 2, n, rows, channels), even phases first."""
        for step in (0, 1):
            self.bodies[step].copy_(values[step, :, :, :-1].permute(1, 2, 0, 3))
            self.wastes[step].zero_()
        torch.add(self.odd, self.ahead, out=self.sums)
        first, second = self.flat
        torch.bmm(self.patches[0], self.matrices[0], out=self.evens)
        torch.bmm(self.patches[1], self.matrices[1], out=second)
        torch.add(self.evens[:-1], second, out=first)
        second += self.evens[1:]
        second.baddbmm_(self.patches[2], self.matrices[2], beta=-1)
        return self.result


class _EncodingPlan:
    """Convolution, LayerNorm and PReLU of a stack for parts of one size, with no way back.

    Centred kernels take the mean out beforehand, the rest of LayerNorm is done in place, and all
    parts use the same memory: fresh memory and trips out of the cache would cost more than the
    arithmetic.
    """

    def __init__(
        self, windows: int, steps: int, epsilon: float, layers: Sequence[_Layer], like: Tensor
    ) -> None:
        self.at = _phases(windows, steps, layers)
        self.layers = layers
        self.epsilon = like.new_tensor(epsilon)
        self.products = [
            _HalfProducts(self.at, layer, like) if number else _Product(self.at, layer, like)
            for number, layer in enumerate(layers)
        ]

    def run(self, x: Tensor, pooled: bool) -> Tensor:
        """Samples (n, channels, steps) to (n, size) or (n, size, steps)."""
        values = x
        for layer, product in zip(self.layers, self.products, strict=True):
            normed = product.run(values)
            flat = product.flat
            flat += layer.centred[1]
            length = torch.linalg.vector_norm(flat, dim=-1, keepdim=True)
            flat *= torch.addcmul(self.epsilon, length, length, value=1 / layer.size).rsqrt_()
            flat *= layer.gamma
            flat += layer.beta
            if pooled and layer is self.layers[-1]:
                # A PReLU is a straight line and a ReLU, so the means of both are enough.
                straight = self.at.mean_by_parity(normed)
                bent = self.at.mean_by_parity(normed.relu_())
                return straight * layer.slope + bent * (1 - layer.slope)
            after = F.prelu(flat.view(-1, layer.size), layer.slope)
            values = after.as_strided(normed.shape, normed.stride())
        return self.at.in_time(values.transpose(0, 1).flatten(0, 1))


def _forward_phased(
    x: Tensor, pooled: bool, epsilon: float, layers: Sequence[_Layer]
) -> tuple[Tensor, list[Tensor]]:
    """Convolution, LayerNorm, PReLU of a stack; and what `_backward_phased` needs of it."""
    at = _phases(x.shape[0], x.shape[2], layers)
    kept: list[Tensor] = []
    values = x
    for layer in layers:
        buffer = at.padded(values, layer.channels, layer.left)
        patches = at.patches(buffer, layer.channels, layer.kernel)
        before = torch.bmm(patches, layer.matrix.expand(at.phases, -1, -1))
        before += layer.bias
        normed, mean, scale = torch.native_layer_norm(
            before, (layer.size,), layer.gamma, layer.beta, epsilon
        )
        values = F.prelu(normed.view(-1, layer.size), layer.slope)
        values = values.view(at.phases, at.windows, at.rows, layer.size)
        kept += [buffer, before, mean, scale, normed]
    return (at.mean(values) if pooled else at.in_time(values)), kept


def _backward_phased(
    gradient: Tensor,
    pooled: bool,
    steps: int,
    kept: Sequence[Tensor],
    layers: Sequence[_Layer],
    flipped: Sequence[Tensor],
) -> list[Tensor]:
    """Gradients of the parameters, from that of the result and what the forward pass kept."""
    at = _phases(len(gradient), steps, layers)
    values: Tensor | None = None
    if not pooled:
        padded = F.pad(gradient, (0, at.rows * at.phases - steps))
        values = padded.view(at.windows, -1, at.rows, at.phases).permute(3, 0, 2, 1).contiguous()
    gradients: list[Tensor] = []
    for number in reversed(range(len(layers))):
        layer, size = layers[number], layers[number].size
        buffer, before, mean, scale, normed = kept[5 * number : 5 * number + 5]
        shape = (at.phases, at.windows, at.rows, size)
        # PReLU, as products only: comparisons and `where` cost several times as much.
        if values is None:  # the mean: every step of a window has the same gradient
            each = gradient / steps
            positive = (each * (1 - layer.slope))[None, :, None].expand(shape)
            d_normed = torch.ops.aten.threshold_backward(positive, normed.view(shape), 0)
            d_normed += (each * layer.slope)[None, :, None]
            negative = normed.view(shape).clamp_max(0)
            at.clear_waste(d_normed)
            at.clear_waste(negative)
            d_slope = (negative.sum(0).sum(1) * each).sum(0)
            d_normed = d_normed.view(-1, size)
        else:
            at.clear_waste(values)
            flat, after = values.view(-1, size), normed.view(-1, size)
            positive = torch.ops.aten.threshold_backward(flat, after, 0)
            negative = flat.sub_(positive)
            d_normed = positive.addcmul_(negative, layer.slope)
            d_slope = negative.mul_(after).sum(0)
        # LayerNorm; the library's own sums for gamma and beta are slow for few channels.
        d_beta = d_normed.sum(0)
        rows = before.view(-1, size)
        centre, spread = mean.view(-1), scale.view(-1)
        d_gamma = torch.mv((d_normed * rows).t(), spread) - torch.mv(d_normed.t(), centre * spread)
        d_before = torch.ops.aten.native_layer_norm_backward(
            d_normed.view_as(before), before, (size,), mean, scale, layer.gamma, layer.beta,
            [True, False, False],
        )[0]  # fmt: skip
        d_bias = d_before.view(-1, size).sum(0)
        patches = at.patches(buffer, layer.channels, layer.kernel)
        d_matrix = torch.bmm(patches.transpose(1, 2), d_before).sum(0)
        d_weight = d_matrix.view(layer.kernel, layer.channels, size).permute(2, 1, 0)
        gradients = [d_weight, d_bias, d_gamma, d_beta, d_slope, *gradients]
        if number:
            padded = at.padded(d_before.view(shape), size, layer.kernel - 1 - layer.left)
            patches = at.patches(padded, size, layer.kernel)
            values = torch.bmm(patches, flipped[number].expand(at.phases, -1, -1))
            values = values.view(at.phases, at.windows, at.rows, layer.channels)
    return gradients


class PhasedStack(torch.autograd.Function):
    """`_forward_phased` over cache-sized parts of the batch, with a backward pass to match."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pooled: bool, epsilon: float, *parameters: Tensor) -> Tensor:
        layers = _layers(parameters)
        parts = [_forward_phased(part, pooled, epsilon, layers) for part in _parts(x)]
        ctx.pooled, ctx.steps = pooled, x.shape[-1]
        ctx.windows = [len(part) for part in _parts(x)]
        ctx.save_for_backward(*parameters, *(tensor for _, kept in parts for tensor in kept))
        return torch.cat([result for result, _ in parts])

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = outputs
        count = len(ctx.saved_tensors) // (len(ctx.windows) + 1)
        parameters, kept = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        layers = _layers(parameters)
        flipped = [layer.flipped() for layer in layers]
        totals: list[Tensor] = []
        for number, part in enumerate(gradient.split(ctx.windows)):
            ours = kept[number * count : (number + 1) * count]
            gradients = _backward_phased(part, ctx.pooled, ctx.steps, ours, layers, flipped)
            if totals:
                for total, more in zip(totals, gradients, strict=True):
                    total += more
            else:
                totals = gradients
        return (None, None, None, *totals)


def _sum_of_squares(weights: Iterable[Tensor]) -> Tensor:
    return torch.stack([weight.square().sum() for weight in weights]).sum()


# ---------------------------------------------------------------- the strided encoders


class BatchNorm(nn.BatchNorm1d):
    """BatchNorm that falls back on its running figures when a batch holds a single value."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        return super().forward(x)


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each step of (n, channels, steps)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def make_norm(kind: str, channels: int) -> nn.Module:
    """Normalisation of (n, channels, steps): `batch`, `group`, `layer` or `none`."""
    if kind == "batch":
        return BatchNorm(channels)
    if kind == "group":
        return nn.GroupNorm(math.gcd(8, channels), channels)
    if kind == "layer":
        return ChannelNorm(channels)
    if kind == "none":
        return nn.Identity()
    raise ValueError(f"no such norm: {kind}")


class SameConv(nn.Conv1d):
    """Conv1d that pads so that T samples come to ceil(T / stride) steps, whatever T ≥ 1 is."""

    def forward(self, x: Tensor) -> Tensor:
        steps = -(-x.shape[-1] // self.stride[0])
        reach = (self.kernel_size[0] - 1) * self.dilation[0] + 1
        padding = max(0, (steps - 1) * self.stride[0] + reach - x.shape[-1])
        return super().forward(F.pad(x, (padding // 2, padding - padding // 2)))


def plan_strides(samples: int, latent_steps: int) -> tuple[int, int, int]:
    """Strides of three layers that bring `samples` to about `latent_steps`, none above it by much.

    The product is samples / latent_steps as near as whole numbers allow, spread evenly, the
    larger ones first, where a step is cheapest.
    """
    total = max(1.0, samples / latent_steps)
    strides = []
    for layer in range(3):
        stride = max(1, round(total ** (1 / (3 - layer))))
        strides.append(stride)
        total = max(1.0, total / stride)
    return cast(tuple[int, int, int], tuple(sorted(strides, reverse=True)))


def plan_kernels(
    rate_hz: float, samples: int, scales_s: Sequence[float], stride: int
) -> tuple[int, ...]:
    """Kernels of the first layer, in samples, odd, at least 3, one for each time constant.

    They are stretched where the stride would otherwise leave samples unseen, and are no longer
    than the window.
    """
    stretch = max(1.0, stride / 2)
    longest = max(3, samples | 1)
    kernels = (max(3, stride, round(scale * rate_hz * stretch)) | 1 for scale in scales_s)
    return tuple(min(longest, kernel) for kernel in kernels)


class Residual(nn.Module):
    """x + activation(norm(dilated convolution(x))): widens the reach, keeps the steps."""

    def __init__(self, channels: int, dilation: int, norm: str, activation: str) -> None:
        super().__init__()
        self.conv = SameConv(channels, channels, 3, dilation=dilation)
        self.norm = make_norm(norm, channels)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.activation(self.norm(self.conv(x)))


class StridedEncoder(Encoder):
    """Strided convolutions, adapted to the modality, with an optional spectral branch.

    Raw branch: three strided convolutions with `widths` channels; the first has
    a kernel for each time constant in `scales_s` (seconds); then `dilated_layers` residual layers
    with dilations 1, 2, 4 …. `latent_steps` is the number of steps that the strides aim at.
    Spectral branch (`spectral_bands` > 0): log power in bands, and with `statistics` also
    moments, of each channel over the whole window, through a small MLP.

    The latent steps hold the raw channels and, the same in every step, those of the spectral
    branch. Pooling: statistics of the raw channels over the kept steps, then a linear layer to
    `code` numbers. The spectral branch sees the whole window; it is dropped (zero) for windows
    whose time is masked, since it would tell what the mask hides.
    """

    def __init__(
        self,
        channels: int,
        rate_hz: float,
        samples: int,
        *,
        code: int = 96,
        widths: Sequence[int] = (64, 64, 64),
        kernel: int = 5,
        latent_steps: int = 12,
        dilated_layers: int = 0,
        spectral_bands: int = 0,
        statistics: bool = False,
        raw: bool = True,
        scales_s: Sequence[float] = (0.1,),
        pool: str = "mean",
        norm: str = "batch",
        activation: str = "gelu",
        output_norm: str = "none",
        dropout: float = 0.0,
        kernel_l2: float = 0.0,
    ) -> None:
        super().__init__()
        if not raw and not spectral_bands:
            raise ValueError("an encoder needs the raw branch, the spectral branch, or both")
        self.code = code
        self.samples = samples
        self.kernel_l2 = kernel_l2
        self.pooling = pool
        self.strides = plan_strides(samples, latent_steps) if raw else (1, 1, 1)
        self.raw_channels = widths[-1] if raw else 0
        self.stem = nn.ModuleList()
        self.body = nn.ModuleList()
        if raw:
            self.kernels = plan_kernels(rate_hz, samples, scales_s, self.strides[0])
            shares = [len(part) for part in torch.arange(widths[0]).tensor_split(len(self.kernels))]
            self.stem.extend(
                SameConv(channels, share, size, stride=self.strides[0])
                for share, size in zip(shares, self.kernels, strict=True)
                if share
            )
            make = ACTIVATIONS[activation]
            self.body.extend([make_norm(norm, widths[0]), make()])
            for stride, before, after in zip(self.strides[1:], widths, widths[1:], strict=False):
                conv = SameConv(before, after, max(kernel, stride), stride=stride)
                self.body.extend([conv, make_norm(norm, after), make()])
            self.body.extend(
                Residual(widths[-1], 2**layer, norm, activation) for layer in range(dilated_layers)
            )
        self.spectral = (
            SpectralBranch(
                channels, rate_hz, samples,
                bands=spectral_bands, output=code, statistics=statistics, activation=activation,
            )
            if spectral_bands
            else None
        )  # fmt: skip
        self.latent = self.raw_channels + (code if self.spectral is not None else 0)
        pooled = self.raw_channels * (1 if pool == "mean" else 2)
        pooled += code if self.spectral is not None else 0
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(pooled, code)
        self.output_norm = {
            "batch": lambda: BatchNorm(code),
            "layer": lambda: nn.LayerNorm(code),
            "none": nn.Identity,
        }[output_norm]()

    def sequence(self, x: Tensor) -> Tensor:
        parts = []
        if self.raw_channels:
            h = torch.cat([conv(x) for conv in self.stem], 1)
            for layer in self.body:
                h = layer(h)
            parts.append(h)
        if self.spectral is not None:
            steps = parts[0].shape[-1] if parts else 1
            parts.append(self.spectral(x)[:, :, None].expand(-1, -1, steps))
        return torch.cat(parts, 1) if len(parts) > 1 else parts[0]

    def pool(self, steps: Tensor, keep: Tensor | None = None) -> Tensor:
        raw, spectral = steps[:, : self.raw_channels], steps[:, self.raw_channels :, 0]
        parts = []
        if self.raw_channels:
            mean = masked_mean(raw, keep)
            parts.append(mean)
            if self.pooling == "mean_std":
                variance = masked_mean((raw - mean[:, :, None]).square(), keep)
                parts.append((variance + 1e-4).sqrt())
            elif self.pooling == "mean_max":
                hidden = raw if keep is None else raw.masked_fill(~keep[:, None], -math.inf)
                top = hidden.amax(-1)
                parts.append(top if keep is None else top.masked_fill(~keep.any(1)[:, None], 0.0))
        if self.spectral is not None:
            parts.append(spectral if keep is None else spectral * keep.all(1)[:, None])
        return self.output_norm(self.project(self.dropout(torch.cat(parts, 1))))

    def steps(self, samples: int) -> int:
        for stride in self.strides if self.raw_channels else (samples,):
            samples = -(-samples // stride)
        return samples

    def kernel_penalty(self) -> Tensor:
        kernels = [m.weight for m in self.modules() if isinstance(m, nn.Conv1d)]
        if not kernels or not self.kernel_l2:
            return self.project.weight.new_zeros(())
        return self.kernel_l2 * _sum_of_squares(kernels)


def band_matrix(samples: int, rate_hz: float, bands: int) -> Tensor:
    """Weights (frequencies, bands) that average the bins of a real FFT into bands.

    Bands are even on a log scale, from one and a half cycles a window to half the rate. A band
    narrower than a bin takes the nearest bin; the constant is left out where there is another.
    """
    frequencies = torch.fft.rfftfreq(samples, 1 / rate_hz, dtype=torch.float64)
    top = rate_hz / 2
    bottom = min(1.5 * rate_hz / samples, top / 2)
    edges = torch.logspace(math.log10(bottom), math.log10(top), bands + 1, dtype=torch.float64)
    edges[-1] = top * 1.001  # the last bin belongs to the last band, in spite of rounding
    inside = (frequencies[:, None] >= edges[:-1]) & (frequencies[:, None] < edges[1:])
    centres = (edges[:-1] * edges[1:]).sqrt()
    distance = (frequencies[:, None] - centres).abs()
    if samples > 1:
        distance[0] = math.inf
    nearest = F.one_hot(distance.argmin(0), len(frequencies)).T.bool()
    chosen = torch.where(inside.any(0), inside, nearest).double()
    return (chosen / chosen.sum(0)).float()


class SpectralBranch(nn.Module):
    """Fixed features of each channel over the window, normalised, through a small MLP.

    Log power in bands of a Hann-windowed real FFT; with `statistics` also mean, log deviation,
    log mean absolute difference, smallest and largest value, share of zero crossings, and the
    correlations between channels.
    """

    HIDDEN = 128

    def __init__(
        self,
        channels: int,
        rate_hz: float,
        samples: int,
        *,
        bands: int,
        output: int,
        statistics: bool,
        activation: str,
    ) -> None:
        super().__init__()
        self.statistics = statistics
        self.register_buffer("bands", band_matrix(samples, rate_hz, bands), persistent=False)
        taper = torch.hann_window(samples, periodic=False) if samples > 2 else torch.ones(samples)
        self.register_buffer("taper", taper, persistent=False)
        self.register_buffer("pairs", torch.triu_indices(channels, channels, 1), persistent=False)
        features = channels * bands
        if statistics:
            features += 6 * channels + channels * (channels - 1) // 2
        self.scale = BatchNorm(features, affine=False)
        self.mlp = nn.Sequential(
            nn.Linear(features, self.HIDDEN),
            BatchNorm(self.HIDDEN),
            ACTIVATIONS[activation](),
            nn.Linear(self.HIDDEN, output),
            BatchNorm(output),
            ACTIVATIONS[activation](),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Samples (n, channels, samples) to (n, output)."""
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            features = self.features(x.float())
        return self.mlp(self.scale(features).clamp(-5, 5))

    def features(self, x: Tensor) -> Tensor:
        """The fixed features (n, features) of samples (n, channels, samples)."""
        taper, bands = cast(Tensor, self.taper), cast(Tensor, self.bands)
        samples = x.shape[-1]
        mean = x.mean(-1, keepdim=True)
        centred = x - mean
        power = torch.fft.rfft(centred * taper).abs().square() / samples
        parts = [torch.log(power @ bands + 1e-6).flatten(1)]
        if self.statistics:
            deviation = centred.square().mean(-1).sqrt()
            steps = x.diff(dim=-1).abs().sum(-1) / max(1, samples - 1)
            crossings = (centred[..., 1:] * centred[..., :-1] < 0).float().sum(-1)
            parts += [
                mean[..., 0],
                torch.log(deviation + 1e-4),
                torch.log(steps + 1e-5),
                x.amin(-1),
                x.amax(-1),
                crossings / max(1, samples - 1),
            ]
            if x.shape[1] > 1:
                unit = centred / (deviation[..., None] + 1e-4)
                correlations = unit @ unit.transpose(1, 2) / samples
                first, second = cast(Tensor, self.pairs)
                parts.append(correlations[:, first, second])
        return torch.cat(parts, 1)
