"""Encoders: shapes at any rate and length, the fast reference path, what pooling sees."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.config import EncoderConfig
from core.encoders import (
    ReferenceEncoder,
    SameConv,
    StridedEncoder,
    band_matrix,
    build_encoder,
    masked_mean,
    plan_kernels,
    plan_strides,
)


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shaken(encoder: ReferenceEncoder) -> ReferenceEncoder:
    """The encoder with all its parameters away from their special initial values."""
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=source(1)))
    return encoder


@pytest.mark.parametrize("samples", [1, 7, 24, 25, 250])
@pytest.mark.parametrize("windows", [1, 40])
@pytest.mark.parametrize("pooled", [True, False])
def test_fast_reference_path_and_its_gradients_are_those_of_plain_layers(
    samples: int, windows: int, pooled: bool
) -> None:
    encoder = shaken(ReferenceEncoder(2, code=16, dropout=0.0)).double()
    x = torch.randn(windows, 2, samples, generator=source(), dtype=torch.float64)
    fast = encoder(x) if pooled else encoder.sequence(x)
    plain = encoder.pool(encoder._plain(x)) if pooled else encoder._plain(x)
    assert fast.grad_fn is not None
    assert type(fast.grad_fn).__name__ == "PhasedStackBackward"
    torch.testing.assert_close(fast, plain)
    weights = torch.randn(plain.shape, generator=source(2), dtype=torch.float64)
    parameters = list(encoder.parameters())
    ours, theirs = (torch.autograd.grad((y * weights).sum(), parameters) for y in (fast, plain))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)
    with torch.no_grad():
        torch.testing.assert_close(encoder(x) if pooled else encoder.sequence(x), plain)


def test_reference_results_do_not_depend_on_the_batch() -> None:
    encoder = shaken(ReferenceEncoder(3, code=24)).eval()
    x = torch.randn(50, 3, 300, generator=source())
    with torch.inference_mode():
        whole = encoder(x)
        single = torch.cat([encoder(window[None]) for window in x])
    torch.testing.assert_close(whole, single, rtol=1e-5, atol=1e-6)


def test_reference_dropout_works_in_training_and_is_off_in_evaluation() -> None:
    encoder = shaken(ReferenceEncoder(1, code=16, dropout=0.5))
    x = torch.randn(4, 1, 50, generator=source())
    torch.manual_seed(0)
    assert not torch.equal(encoder(x), encoder(x))
    encoder.eval()
    assert torch.equal(encoder(x), encoder(x))


def test_reference_gradient_reaches_the_samples_when_asked() -> None:
    encoder = ReferenceEncoder(1, code=16, dropout=0.0)
    x = torch.randn(2, 1, 40, generator=source(), requires_grad=True)
    encoder(x).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_reference_layers_are_as_released() -> None:
    encoder = ReferenceEncoder(3)
    convs = [conv for conv in encoder.convs if isinstance(conv, nn.Conv1d)]
    assert [tuple(conv.weight.shape) for conv in convs] == [(24, 3, 24), (48, 24, 16), (96, 48, 8)]
    assert all(not slope.weight.any() for slope in encoder.slopes)
    kernels = sum(conv.weight.square().sum().item() for conv in convs)
    assert encoder.kernel_penalty().item() == pytest.approx(1e-4 * kernels, rel=1e-5)


# ---------------------------------------------------------------- strided


@settings(max_examples=40, deadline=None)
@given(
    rate_hz=st.sampled_from([1.0, 4.0, 32.0, 100.0, 512.0]),
    samples=st.integers(1, 2000),
    channels=st.integers(1, 3),
    bands=st.sampled_from([0, 6]),
    pool=st.sampled_from(["mean", "mean_std", "mean_max"]),
    dilated=st.integers(0, 2),
)
def test_strided_encoders_work_at_any_rate_and_length(
    rate_hz: float, samples: int, channels: int, bands: int, pool: str, dilated: int
) -> None:
    torch.manual_seed(0)
    encoder = StridedEncoder(
        channels, rate_hz, samples, code=8, widths=(8, 16, 32), pool=pool, dilated_layers=dilated,
        spectral_bands=bands, statistics=bool(bands), scales_s=(0.05, 0.25),
    )  # fmt: skip
    x = torch.randn(3, channels, samples, generator=source())
    steps = encoder.sequence(x)
    assert steps.shape == (3, encoder.latent, encoder.steps(samples))
    z = encoder(x)
    assert z.shape == (3, 8)
    assert z.isfinite().all()
    z.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())
    encoder(x[:1])  # a single window, in training mode


@given(samples=st.integers(1, 200_000), aim=st.integers(1, 60))
def test_strides_leave_about_as_many_steps_as_aimed_at(samples: int, aim: int) -> None:
    encoder_steps = samples
    for stride in plan_strides(samples, aim):
        assert stride >= 1
        encoder_steps = -(-encoder_steps // stride)
    assert encoder_steps <= max(60, 2 * aim)
    assert encoder_steps >= min(samples, max(1, aim // 2))


@given(rate_hz=st.floats(0.5, 2000), samples=st.integers(1, 100_000), stride=st.integers(1, 40))
def test_kernels_are_odd_at_least_three_and_leave_no_sample_unseen(
    rate_hz: float, samples: int, stride: int
) -> None:
    for kernel in plan_kernels(rate_hz, samples, (0.05, 0.3), stride):
        assert kernel >= 3
        assert kernel % 2 == 1
        assert kernel >= min(stride, samples)
        assert kernel <= max(3, samples + 1)


def test_kernels_follow_the_rate() -> None:
    assert plan_kernels(100.0, 3000, (0.1, 0.5), 1) == (11, 51)
    assert plan_kernels(1.0, 3000, (0.1, 0.5), 1) == (3, 3)


@given(
    samples=st.integers(1, 80), kernel=st.integers(1, 20), stride=st.integers(1, 9),
    dilation=st.integers(1, 6),
)  # fmt: skip
def test_same_convolutions_round_up_the_steps(
    samples: int, kernel: int, stride: int, dilation: int
) -> None:
    conv = SameConv(1, 1, kernel, stride=stride, dilation=dilation)
    assert conv(torch.zeros(1, 1, samples)).shape[-1] == -(-samples // stride)


@pytest.mark.parametrize("pool", ["mean", "mean_std", "mean_max"])
def test_pooling_never_looks_at_hidden_steps(pool: str) -> None:
    torch.manual_seed(0)
    encoder = StridedEncoder(2, 50.0, 200, code=8, widths=(8, 16, 32), pool=pool).eval()
    steps = encoder.sequence(torch.randn(4, 2, 200, generator=source()))
    keep = torch.rand(4, steps.shape[-1], generator=source(1)) < 0.5
    keep[:, 0] = True
    changed = torch.where(keep[:, None], steps, torch.full_like(steps, 1e3))
    torch.testing.assert_close(encoder.pool(steps, keep), encoder.pool(changed, keep))
    torch.testing.assert_close(
        encoder.pool(steps, torch.ones_like(keep)), encoder.pool(steps), rtol=1e-5, atol=1e-5
    )


def test_the_spectral_branch_is_dropped_where_time_is_masked() -> None:
    torch.manual_seed(0)
    encoder = StridedEncoder(1, 50.0, 200, code=8, widths=(8, 16, 32), spectral_bands=8).eval()
    steps = encoder.sequence(torch.randn(2, 1, 200, generator=source()))
    other = steps.clone()
    other[:, encoder.raw_channels :] += 5
    keep = torch.ones(2, steps.shape[-1], dtype=torch.bool)
    keep[0, 3:] = False
    a, b = encoder.pool(steps, keep), encoder.pool(other, keep)
    torch.testing.assert_close(a[0], b[0])
    assert not torch.allclose(a[1], b[1])


def test_evaluation_does_not_depend_on_the_batch() -> None:
    torch.manual_seed(0)
    encoder = StridedEncoder(2, 100.0, 400, spectral_bands=8, statistics=True, output_norm="batch")
    x = torch.randn(20, 2, 400, generator=source())
    encoder(x)
    encoder.eval()
    torch.testing.assert_close(encoder(x)[3:4], encoder(x[3:4]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("samples", [1, 2, 3, 10, 500])
@pytest.mark.parametrize("bands", [1, 5, 40])
def test_every_band_is_an_average_of_bins(samples: int, bands: int) -> None:
    matrix = band_matrix(samples, 64.0, bands)
    assert matrix.shape == (samples // 2 + 1, bands)
    torch.testing.assert_close(matrix.sum(0), torch.ones(bands))
    if samples > 1:
        assert not matrix[0].any()


def test_a_rhythm_shows_in_its_band() -> None:
    encoder = StridedEncoder(1, 64.0, 1024, spectral_bands=20, raw=False, code=8)
    assert encoder.spectral is not None
    time = torch.arange(1024) / 64
    low, high = (torch.sin(2 * torch.pi * f * time)[None, None] for f in (1.0, 12.0))
    peak_low, peak_high = (int(encoder.spectral.features(x).argmax()) for x in (low, high))
    edges = torch.logspace(
        torch.log10(torch.tensor(1.5 / 16)).item(), torch.log10(torch.tensor(32.0)).item(), 21
    )
    assert edges[peak_low] <= 1.0 <= edges[peak_low + 1]
    assert edges[peak_high] <= 12.0 <= edges[peak_high + 1]


def test_masked_mean_is_the_mean_of_what_is_kept() -> None:
    steps = torch.tensor([[[1.0, 2.0, 6.0]], [[1.0, 1.0, 1.0]]])
    keep = torch.tensor([[True, True, False], [False, False, False]])
    assert masked_mean(steps, keep).tolist() == [[1.5], [0.0]]


@pytest.mark.parametrize("kind", ["reference", "strided"])
def test_encoders_are_built_from_settings(kind: str) -> None:
    config = EncoderConfig(kind=kind, code=16, widths=(8, 16, 32), spectral_bands=4)
    encoder = build_encoder(config, 2, 50.0, 100)
    assert encoder(torch.randn(2, 2, 100, generator=source())).shape == (2, 16)
    assert encoder.code == 16
