"""VICReg against a second computation with numpy, and what counts as collapse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import LossConfig
from core.losses import VICReg, collapse_verdict, covariance, diagnose, invariance, variance


def views(seed: int, n: int = 7, d: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(n, d, generator=source, dtype=torch.float64) for _ in range(2))
    return a * 0.7, b * 0.4 + 1


def test_terms_agree_with_numpy() -> None:
    a, b = views(0)
    x = a.numpy()
    assert invariance(a, b).item() == pytest.approx(np.mean((x - b.numpy()) ** 2))
    for correction in (0, 1):
        deviation = np.sqrt(x.var(0, ddof=correction) + 1e-4)
        expected = np.maximum(0, 1 - deviation).mean()
        assert variance(a, correction=correction).item() == pytest.approx(expected)
    matrix = np.cov(x.T)
    off_diagonal = matrix[~np.eye(5, dtype=bool)]
    assert covariance(a).item() == pytest.approx((off_diagonal**2).sum() / 5)


@pytest.mark.parametrize(("convention", "correction"), [("reference", 0), ("vicreg", 1)])
def test_loss_is_the_weighted_sum_in_each_convention(convention: str, correction: int) -> None:
    a, b = views(1)
    config = LossConfig(invariance=2, variance=3, covariance=5, convention=convention)
    loss, terms = VICReg(config)(a, b)
    both = variance(a, correction=correction) + variance(b, correction=correction)
    expected = 2 * invariance(a, b) + 1.5 * both + 5 * (covariance(a) + covariance(b))
    assert loss.item() == pytest.approx(expected.item())
    assert terms["variance"].item() == pytest.approx(both.item() / 2)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(2, 20), d=st.integers(2, 8))
def test_loss_does_not_depend_on_the_order_of_windows_or_views(seed: int, n: int, d: int) -> None:
    a, b = views(seed, n, d)
    loss = VICReg(LossConfig())
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    value = loss(a, b)[0].item()
    assert loss(a[order], b[order])[0].item() == pytest.approx(value)
    assert loss(b, a)[0].item() == pytest.approx(value)


def test_loss_is_zero_for_equal_views_that_are_spread_and_uncorrelated() -> None:
    square = torch.tensor([[2.0, 2.0], [2.0, -2.0], [-2.0, 2.0], [-2.0, -2.0]])
    assert VICReg(LossConfig())(square, square)[0].item() == pytest.approx(0.0, abs=1e-6)


def test_gradients_are_finite_when_all_windows_are_equal() -> None:
    a = torch.ones(4, 3, requires_grad=True)
    VICReg(LossConfig())(a, a * 1.0)[0].backward()
    assert a.grad is not None
    assert a.grad.isfinite().all()


def test_effective_rank_counts_the_directions_in_use() -> None:
    source = torch.Generator().manual_seed(0)
    isotropic = torch.randn(5000, 6, generator=source)
    assert diagnose(isotropic).effective_rank == pytest.approx(6, abs=0.1)
    line = torch.randn(50, 1, generator=source) @ torch.randn(1, 6, generator=source) + 3
    assert diagnose(line).effective_rank == pytest.approx(1, abs=1e-3)


def test_figures_of_known_embeddings() -> None:
    z = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    figures = diagnose(z)
    assert figures.deviation == pytest.approx(0.5**0.5)
    assert figures.deviations == pytest.approx((0.5**0.5, 0.5**0.5))
    assert figures.cosine == pytest.approx(-1 / 3)


def test_constant_embeddings_have_no_rank_and_full_cosine() -> None:
    figures = diagnose(torch.full((9, 4), 0.3))
    assert figures.effective_rank == 0
    assert figures.cosine == pytest.approx(1)
    assert figures.deviation == pytest.approx(0, abs=1e-9)
    assert "collapsing" in collapse_verdict(
        deviation=figures.deviation,
        effective_rank=figures.effective_rank,
        cosine=figures.cosine,
        dimensions=4,
    )


def test_the_collapse_of_the_released_settings_is_named() -> None:
    verdict = collapse_verdict(deviation=0.16, effective_rank=9, cosine=0.95, dimensions=32)
    assert "collapsing" in verdict
    assert "0.95" in verdict


def test_healthy_embeddings_get_no_verdict() -> None:
    figures = diagnose(torch.randn(400, 32, generator=torch.Generator().manual_seed(1)))
    assert not collapse_verdict(
        deviation=figures.deviation,
        effective_rank=figures.effective_rank,
        cosine=figures.cosine,
        dimensions=32,
    )


def test_few_directions_are_named() -> None:
    assert "2.0 of its 128" in collapse_verdict(
        deviation=1.0, effective_rank=2.0, cosine=0.0, dimensions=128
    )
