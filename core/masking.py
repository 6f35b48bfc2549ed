"""Latent masks: what each of a window's two views may see.

Masks are drawn on the CPU from the generator that is handed in, for the whole batch at once.
Modalities that are absent in a window are never kept. Strict masks also never hide everything
and always differ between the two views, in every window that has a modality at all; where only
one is present, whole modalities cannot differ, and elements of its embedding are masked instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from core.config import MaskConfig


@dataclass(frozen=True)
class View:
    """What one view sees of n windows with M modalities."""

    keep: Tensor
    """(n, M) bool: modalities that are kept; a subset of those present."""
    elements: Tensor | None = None
    """(n, M, code) bool: elements of the embeddings that are kept, where modalities are; None:
    all of them."""
    steps: tuple[Tensor, ...] | None = None
    """For each modality (n, steps) bool: latent steps that are kept; None: all of them."""

    def to(self, device: torch.device) -> View:
        """The same view on another device."""
        return View(
            self.keep.to(device),
            None if self.elements is None else self.elements.to(device),
            None if self.steps is None else tuple(steps.to(device) for steps in self.steps),
        )


@dataclass(frozen=True)
class Views:
    """The two views of a batch of windows."""

    a: View
    b: View

    def to(self, device: torch.device) -> Views:
        """The same views on another device."""
        return Views(self.a.to(device), self.b.to(device))


def choose_mask(masks: Sequence[MaskConfig], generator: torch.Generator) -> MaskConfig:
    """One way to mask for the next batch, drawn by weight."""
    if len(masks) == 1:
        return masks[0]
    weights = torch.tensor([mask.weight for mask in masks])
    return masks[int(torch.multinomial(weights, 1, generator=generator))]


def draw_views(
    present: Tensor,
    mask: MaskConfig,
    generator: torch.Generator,
    *,
    code: int,
    steps: Sequence[int],
    strict: bool = True,
) -> Views:
    """Two views of each window.

    present: (n, M) bool. code: numbers in an embedding, at least 2. steps: latent steps of each
    modality, used by `temporal` only. Without `strict`, `spatial` and `random` are independent
    draws that may be empty or equal, as released.
    """
    device = present.device
    present = present.cpu()
    if mask.strategy == "spatial":
        views = _spatial(present, mask.keep, code, generator, strict)
    elif mask.strategy == "random":
        views = _random(present, mask.keep, code, generator, strict)
    elif mask.strategy == "complementary":
        views = _complementary(present, code, generator)
    else:
        views = _temporal(present, mask.keep, code, steps, generator)
    return views.to(device)


def _spatial(
    present: Tensor, keep: float, code: int, generator: torch.Generator, strict: bool
) -> Views:
    a, b = (_bernoulli(present, keep, generator) for _ in range(2))
    if not strict:
        return Views(View(a), View(b))
    a, b = _make_valid(a, b, present, generator)
    return _split_elements(Views(View(a), View(b)), present, keep, code, generator)


def _random(
    present: Tensor, keep: float, code: int, generator: torch.Generator, strict: bool
) -> Views:
    allowed = present[:, :, None].expand(-1, -1, code).flatten(1)
    a, b = (_bernoulli(allowed, keep, generator) for _ in range(2))
    if strict:
        a, b = _make_valid(a, b, allowed, generator)
    shape = (*present.shape, code)
    return Views(View(present, a.view(shape)), View(present, b.view(shape)))


def _complementary(present: Tensor, code: int, generator: torch.Generator) -> Views:
    a, b = _halves(present, generator)
    single = present.sum(1) == 1
    views = Views(
        View(torch.where(single[:, None], present, a)),
        View(torch.where(single[:, None], present, b)),
    )
    if not single.any():
        return views
    shape = (*present.shape, code)
    allowed = present[:, :, None].expand(shape).flatten(1)
    first, second = (half.view(shape) for half in _halves(allowed, generator))
    return _with_elements(views, first, second, single)


def _temporal(
    present: Tensor,
    keep: float,
    code: int,
    steps: Sequence[int],
    generator: torch.Generator,
) -> Views:
    count = torch.tensor(list(steps))
    # One step at least is hidden and one kept, wherever there are two.
    hidden = ((1 - keep) * count).round().long().clamp(min=1).minimum(count - 1)
    a, b = (
        (torch.rand(present.shape, generator=generator) * count).long().minimum(count - 1)
        for _ in range(2)
    )
    open_to_change = present & (count > 1)
    same = ((a == b) | ~open_to_change).all(1, keepdim=True)
    shift = 1 + (torch.rand(present.shape, generator=generator) * (count - 1)).long()
    moved = (b + shift.minimum((count - 1).clamp(min=1))) % count
    b = torch.where(same & _pick(open_to_change, generator), moved, b)

    def stretches(starts: Tensor) -> tuple[Tensor, ...]:
        # The hidden stretch goes on at the start where it meets the end: so every step is hidden
        # as often as any other, and one stretch is kept then.
        return tuple(
            (torch.arange(length) - starts[:, number, None]) % length >= hidden[number]
            for number, length in enumerate(steps)
        )

    views = Views(View(present, steps=stretches(a)), View(present, steps=stretches(b)))
    stuck = present.any(1) & ~open_to_change.any(1)
    return _split_elements(views, present, keep, code, generator, rows=stuck)


def _split_elements(
    views: Views,
    present: Tensor,
    keep: float,
    code: int,
    generator: torch.Generator,
    rows: Tensor | None = None,
) -> Views:
    """Add element masks to the windows `rows`; left out: those with a single modality."""
    if rows is None:
        rows = present.sum(1) == 1
    if not rows.any():
        return views
    drawn = _random(present, keep, code, generator, strict=True)
    assert drawn.a.elements is not None
    assert drawn.b.elements is not None
    return _with_elements(views, drawn.a.elements, drawn.b.elements, rows)


def _with_elements(views: Views, a: Tensor, b: Tensor, rows: Tensor) -> Views:
    everywhere = ~rows[:, None, None]
    return Views(
        replace(views.a, elements=a | everywhere), replace(views.b, elements=b | everywhere)
    )


def _bernoulli(allowed: Tensor, keep: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(allowed.shape, generator=generator) < keep) & allowed


def _pick(candidates: Tensor, generator: torch.Generator) -> Tensor:
    """One of the candidates in each row: (n, k) bool to (n, k) bool; none where there is none."""
    scores = torch.rand(candidates.shape, generator=generator).masked_fill(~candidates, -1.0)
    return F.one_hot(scores.argmax(1), candidates.shape[1]).bool() & candidates


def _make_valid(
    a: Tensor, b: Tensor, allowed: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Make both (n, k) masks non-empty, and different where two entries are allowed.

    Nothing else is changed. Equal masks are told apart by one entry of one of them, either one
    with the same chance.
    """
    a = a | (_pick(allowed, generator) & ~a.any(1, keepdim=True))
    b = b | (_pick(allowed, generator) & ~b.any(1, keepdim=True))
    equal = (a == b).all(1, keepdim=True)
    # The only entry that is kept must stay: there, one is added.
    lone = a.sum(1, keepdim=True) == 1
    flip = _pick(torch.where(lone, allowed & ~a, allowed), generator) & equal
    in_a = torch.rand((len(a), 1), generator=generator) < 0.5
    return a ^ (flip & in_a), b ^ (flip & ~in_a)


def _halves(allowed: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each allowed entry to one of two masks, neither empty where two entries are allowed."""
    a = _bernoulli(allowed, 0.5, generator)
    several = allowed.sum(1, keepdim=True) > 1
    moved = _pick(allowed, generator) & several
    a = a | (moved & ~a.any(1, keepdim=True))
    full = (a == allowed).all(1, keepdim=True)
    a = a & ~(moved & full)
    return a, allowed & ~a
