"""The whole network: missing is masked, every modality is encoded once, seeds decide."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from core.aggregator import (
    Aggregator,
    AttentionAggregator,
    MeanAggregator,
    ReferenceAggregator,
    TokenAggregator,
)
from core.config import (
    AggregatorConfig,
    EncoderConfig,
    LossConfig,
    MaskConfig,
    ModelConfig,
    PretrainConfig,
)
from core.errors import DataError
from core.model import CrosslModel, ModalityShape

SHAPES = [
    ModalityShape("eeg", 2, 100.0, 300),
    ModalityShape("bvp", 1, 64.0, 192),
    ModalityShape("temp", 1, 1.0, 3),
]


def settings(strategy: str = "spatial", **pretrain: Any) -> PretrainConfig:
    return PretrainConfig(masking=[MaskConfig(strategy=strategy)], **pretrain)


def make(
    aggregator: str = "token",
    encoder: str = "strided",
    seed: int = 0,
    pretrain: PretrainConfig | None = None,
) -> CrosslModel:
    config = ModelConfig(
        encoder=EncoderConfig(kind=encoder, code=16, widths=(8, 16, 32), dropout=0.0),
        aggregator=AggregatorConfig(kind=aggregator, hidden=[24], output=12),
    )
    return CrosslModel.build(config, SHAPES, seed, pretrain)


def data(n: int = 6, seed: int = 0) -> tuple[dict[str, Tensor], Tensor]:
    source = torch.Generator().manual_seed(seed)
    batch = {s.name: torch.randn(n, s.channels, s.samples, generator=source) for s in SHAPES}
    return batch, torch.ones(n, len(SHAPES), dtype=torch.bool)


def loss_of(model: CrosslModel, batch: dict[str, Tensor], present: Tensor, seed: int = 0) -> float:
    return model.pretraining_loss(batch, present, torch.Generator().manual_seed(seed))[0].item()


@pytest.mark.parametrize("encoder", ["reference", "strided"])
@pytest.mark.parametrize("aggregator", ["reference", "token", "attention"])
@pytest.mark.parametrize("strategy", ["spatial", "random", "temporal", "complementary"])
def test_every_combination_trains(encoder: str, aggregator: str, strategy: str) -> None:
    model = make(aggregator, encoder, pretrain=settings(strategy))
    batch, present = data()
    present[1, 0] = present[2, 1] = present[2, 2] = False
    batch["eeg"][1] = torch.nan
    generator = torch.Generator().manual_seed(0)
    loss, terms = model.pretraining_loss(batch, present, generator)
    loss.backward()
    assert set(terms) == {"invariance", "variance", "covariance", "penalty"}
    assert all(not term.requires_grad for term in terms.values())
    for parameter in model.parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all()
    assert all(p.grad is not None for p in model.encoders.parameters())


def test_a_few_steps_lower_the_loss() -> None:
    model = make(pretrain=settings("complementary"))
    batch, present = data(32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for step in range(30):
        loss, _ = model.pretraining_loss(batch, present, torch.Generator().manual_seed(step % 3))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("strategies", [["spatial"], ["temporal"], ["spatial", "temporal"]])
def test_each_modality_is_encoded_once(strategies: list[str]) -> None:
    masking = [MaskConfig(strategy=strategy) for strategy in strategies]
    model = make(pretrain=PretrainConfig(masking=masking, mixture="all"))
    batch, present = data()
    calls = [0] * len(SHAPES)
    encoders: Any = model.encoders
    for number, encoder in enumerate(encoders):
        original = encoder.sequence

        def counted(x: Tensor, number: int = number, original: Any = original) -> Tensor:
            calls[number] += 1
            return original(x)

        encoder.sequence = counted
    loss_of(model, batch, present)
    assert calls == [1, 1, 1]


def test_mixtures_average_the_losses_of_all_ways_to_mask() -> None:
    ways = [
        MaskConfig(strategy="complementary", weight=3.0),
        MaskConfig(strategy="temporal", weight=1.0),
    ]
    batch, present = data()
    model = make(pretrain=PretrainConfig(masking=ways, mixture="all"))
    model.eval()  # BatchNorm must not tell the calls apart
    generator = torch.Generator().manual_seed(0)
    both, terms = model.pretraining_loss(batch, present, generator)
    generator.manual_seed(0)
    parts = []
    for way in ways:
        model.pretrain_config = PretrainConfig(masking=[way])
        parts.append(model.pretraining_loss(batch, present, generator))
    expected = 0.75 * parts[0][0] + 0.25 * parts[1][0]
    torch.testing.assert_close(both, expected, rtol=1e-4, atol=1e-5)
    for name, value in terms.items():
        torch.testing.assert_close(
            value, 0.75 * parts[0][1][name] + 0.25 * parts[1][1][name], rtol=1e-4, atol=1e-5
        )


def test_the_same_seed_gives_the_same_weights_and_the_same_loss() -> None:
    batch, present = data()
    torch.manual_seed(1)
    first = make(seed=3, pretrain=settings())
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again = make(seed=3, pretrain=settings())
    assert torch.equal(state, torch.get_rng_state())
    other = make(seed=4, pretrain=settings())
    for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert loss_of(first, batch, present) == loss_of(again, batch, present)
    assert loss_of(first, batch, present) != loss_of(other, batch, present)
    assert loss_of(first, batch, present, 0) != loss_of(first, batch, present, 1)


def test_encoders_and_aggregator_start_the_same_with_and_without_expander() -> None:
    plain, training = make(), make(pretrain=settings())
    trained = training.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in plain.state_dict().items())
    training.discard_expander()
    assert set(training.state_dict()) == set(plain.state_dict())


@pytest.mark.parametrize("aggregator", ["reference", "token", "attention"])
def test_a_missing_modality_looks_exactly_like_a_masked_one(aggregator: str) -> None:
    model = make(aggregator).eval()
    batch, present = data()
    keep = present.clone()
    keep[:, 1] = False
    masked = model.aggregate(model.encode(batch, present), keep)
    batch["bvp"] = torch.full_like(batch["bvp"], torch.nan)
    missing = model.aggregate(model.encode(batch, keep), keep)
    torch.testing.assert_close(masked, missing)
    del batch["bvp"]
    torch.testing.assert_close(model.aggregate(model.encode(batch, keep), keep), missing)


def test_embeddings_of_absent_modalities_are_zero_and_others_do_not_notice() -> None:
    model = make().eval()
    batch, present = data()
    full = model.encode(batch, present)
    assert full.shape == (6, 3, 16)
    present[2, 0] = present[4, :] = False
    partial = model.encode(batch, present)
    assert not partial[~present].any()
    torch.testing.assert_close(partial[present], full[present], rtol=1e-4, atol=1e-5)


def test_pooled_sequences_are_the_embeddings() -> None:
    model = make().eval()
    batch, present = data()
    present[0, 1] = False
    sequences = model.encode_sequences(batch, present)
    assert [s.shape[-1] for s in sequences] == model.latent_steps()
    z = model.pool_sequences(sequences, present, None)
    torch.testing.assert_close(z, model.encode(batch, present), rtol=1e-4, atol=1e-5)


def test_windows_with_nothing_present_change_nothing() -> None:
    model = make(pretrain=settings())
    batch, present = data(4)
    alone = loss_of(model, batch, present)
    longer = {name: torch.cat([x, torch.full_like(x[:1], torch.nan)]) for name, x in batch.items()}
    more = torch.cat([present, torch.zeros(1, 3, dtype=torch.bool)])
    assert loss_of(make(pretrain=settings()), longer, more) == pytest.approx(alone)


def test_a_batch_of_one_window_is_refused_in_words() -> None:
    model = make(pretrain=settings())
    batch, present = data(2)
    present[1] = False
    with pytest.raises(DataError, match="at least two windows"):
        loss_of(model, batch, present)


def test_a_wrong_shape_or_a_modality_left_out_is_named() -> None:
    model = make()
    batch, present = data()
    with pytest.raises(ValueError, match="bvp"):
        model.encode(batch | {"bvp": batch["bvp"][:, :, :50]}, present)
    del batch["bvp"]
    with pytest.raises(ValueError, match="bvp is present"):
        model.encode(batch, present)


def test_the_penalty_is_part_of_the_loss() -> None:
    config = ModelConfig(
        encoder=EncoderConfig(kind="strided", code=16, widths=(8, 16, 32), kernel_l2=0.5),
        aggregator=AggregatorConfig(kind="token", hidden=[8], output=4),
    )
    zero = settings(loss=LossConfig(invariance=0, variance=0, covariance=0))
    model = CrosslModel.build(config, SHAPES, 0, zero)
    batch, present = data()
    assert loss_of(model, batch, present) == pytest.approx(model.kernel_penalty().item())
    assert model.kernel_penalty().item() > 0


def test_encoder_dropout_is_switched_without_touching_the_rest() -> None:
    model = make(encoder="reference")
    encoders: Any = model.encoders
    model.train()
    model.set_encoder_dropout(False)
    assert not encoders[0].dropout.training
    assert model.training
    model.train()
    assert encoders[0].dropout.training
    model.eval()
    model.set_encoder_dropout(True)
    assert not encoders[0].dropout.training


def test_settled_norms_hold_the_figures_of_the_data_and_no_weight_changes() -> None:
    model = make().eval()
    before = {name: value.clone() for name, value in model.named_parameters()}
    batch, present = data(64)
    model.settle_norms([(batch, present)])
    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
    model.train()
    fresh = model.aggregate(model.encode(batch, present), present)
    model.eval()
    settled = model.aggregate(model.encode(batch, present), present)
    torch.testing.assert_close(fresh, settled, rtol=0.1, atol=0.05)


# ---------------------------------------------------------------- aggregators


def aggregators() -> list[Aggregator]:
    torch.manual_seed(0)
    return [
        ReferenceAggregator(3, 8, hidden=[10], output=6),
        TokenAggregator(3, 8, hidden=[10], output=6),
        MeanAggregator(3, 8, hidden=[10], output=6),
        AttentionAggregator(3, 8, hidden=[10], output=6, heads=3),
    ]


@pytest.mark.parametrize("number", range(4))
def test_aggregators_never_look_at_what_is_masked(number: int) -> None:
    aggregator = aggregators()[number].eval()
    source = torch.Generator().manual_seed(0)
    z = torch.randn(7, 3, 8, generator=source)
    keep = torch.rand(7, 3, generator=source) < 0.6
    elements = torch.rand(7, 3, 8, generator=source) < 0.5
    seen = keep[:, :, None] & elements
    first = aggregator(z, keep, elements)
    again = aggregator(torch.where(seen, z, torch.tensor(torch.nan)), keep, elements)
    torch.testing.assert_close(first, again)
    assert first.shape == (7, 6)


@pytest.mark.parametrize("number", range(4))
def test_inference_does_not_depend_on_the_batch(number: int) -> None:
    aggregator = aggregators()[number]
    source = torch.Generator().manual_seed(0)
    z = torch.randn(7, 3, 8, generator=source)
    keep = torch.rand(7, 3, generator=source) < 0.6
    aggregator(z, keep)
    aggregator.eval()
    torch.testing.assert_close(aggregator(z, keep)[2:3], aggregator(z[2:3], keep[2:3]))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_missing_and_zero_are_not_the_same(number: int) -> None:
    aggregator = aggregators()[number].eval()
    z = torch.randn(4, 3, 8, generator=torch.Generator().manual_seed(0))
    z[:, 1] = 0
    keep = torch.ones(4, 3, dtype=torch.bool)
    without = keep.clone()
    without[:, 1] = False
    assert not torch.allclose(aggregator(z, keep), aggregator(z, without))


@pytest.mark.parametrize("number", range(4))
def test_aggregators_stand_a_window_with_nothing_in_it(number: int) -> None:
    aggregator = aggregators()[number]
    z, keep = torch.zeros(3, 3, 8), torch.zeros(3, 3, dtype=torch.bool)
    assert aggregator(z, keep).isfinite().all()
