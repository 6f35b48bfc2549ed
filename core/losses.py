"""The VICReg loss, and the figures that show when an embedding collapses.

Source of the loss: Bardes, Ponce, LeCun, VICReg, ICLR 2022; of its `reference` convention: the
released CroSSL code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.config import LossConfig

VARIANCE_EPSILON = 1e-4


def invariance(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared difference of two views (n, d), over windows and features."""
    return F.mse_loss(a, b)


def variance(z: Tensor, *, correction: int = 1) -> Tensor:
    """How far the deviations of (n, d) stay below 1: mean over d of max(0, 1 − sqrt(var + 1e-4)).

    correction: 1 divides the variance by n − 1, 0 by n.
    """
    deviation = (z.var(0, correction=correction) + VARIANCE_EPSILON).sqrt()
    return F.relu(1 - deviation).mean()


def covariance(z: Tensor) -> Tensor:
    """Sum of the squared off-diagonal covariances of (n, d), divided by d; n − 1 in each."""
    z = z - z.mean(0)
    matrix = z.T @ z / (len(z) - 1)
    return (matrix.square().sum() - matrix.diagonal().square().sum()) / z.shape[1]


class VICReg(nn.Module):
    """Weighted sum of invariance, variance and covariance of two views.

    The variance is averaged over the two views, the covariance summed. `reference` divides
    variances by n, `vicreg` by n − 1; everything else agrees.
    """

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        self.weights = (config.invariance, config.variance, config.covariance)
        self.correction = 0 if config.convention == "reference" else 1

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Views (n, d), n ≥ 2, to the loss and its unweighted terms, detached."""
        a, b = (view if view.dtype == torch.float64 else view.float() for view in (a, b))
        with torch.autocast(a.device.type, enabled=False):
            terms = {
                "invariance": invariance(a, b),
                "variance": (
                    variance(a, correction=self.correction)
                    + variance(b, correction=self.correction)
                )
                / 2,
                "covariance": covariance(a) + covariance(b),
            }
            loss = sum(
                (weight * term for weight, term in zip(self.weights, terms.values(), strict=True)),
                start=a.new_zeros(()),
            )
        return loss, {name: term.detach() for name, term in terms.items()}


# ---------------------------------------------------------------- collapse


@dataclass(frozen=True)
class Diagnosis:
    """Figures of the embeddings of many different windows."""

    deviation: float
    """Mean of the standard deviations of the dimensions."""
    deviations: tuple[float, ...]
    """Standard deviation of each dimension."""
    effective_rank: float
    """exp of the entropy of the normalised singular values, from 1 to the number of dimensions."""
    cosine: float
    """Mean cosine between different windows."""


@torch.no_grad()
def diagnose(embeddings: Tensor) -> Diagnosis:
    """Figures of embeddings (n, d) of n ≥ 2 windows.

    Effective rank after Roy & Vetterli 2007, of the centred embeddings; 0 where all are equal.
    """
    z = embeddings.detach().double().cpu()
    centred = z - z.mean(0)
    deviations = centred.square().mean(0).sqrt()
    singular = torch.linalg.svdvals(centred)
    # Rounding leaves something of constant embeddings; it must not count as spread.
    floor = 1e-7 * float(z.abs().max()) * len(z) ** 0.5
    singular = singular[singular > floor]
    share = singular / singular.sum()
    rank = float(torch.exp(-(share * share.log()).sum())) if len(singular) else 0.0
    unit = F.normalize(z, dim=1)
    length = unit.square().sum()
    cosine = (unit.sum(0).square().sum() - length) / (len(z) * (len(z) - 1))
    return Diagnosis(
        deviation=float(deviations.mean()),
        deviations=tuple(deviations.tolist()),
        effective_rank=rank,
        cosine=float(cosine),
    )


def collapse_verdict(
    *, deviation: float, effective_rank: float, cosine: float, dimensions: int
) -> str:
    """A sentence for the user when embeddings collapse; empty when there is no sign of it.

    Thresholds: released settings end at a deviation of 0.16 and a cosine of 0.95; healthy
    embeddings keep at least a few directions.
    """
    signs = []
    if deviation < 0.25 and cosine > 0.9:
        signs.append(
            f"different windows get nearly the same embedding (mean cosine {cosine:.2f}, "
            f"deviation {deviation:.2f})"
        )
    if effective_rank < max(1.5, 0.03 * dimensions):
        signs.append(f"the embedding uses {effective_rank:.1f} of its {dimensions} dimensions")
    if not signs:
        return ""
    return (
        "The model is collapsing: " + " and ".join(signs) + ". Use a larger batch, "
        "a smaller covariance weight (25/25/1 is known to work), or stronger masks."
    )
