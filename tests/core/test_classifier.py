"""A classifier serves every subset of the modalities, and absent means masked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.classifier import Classifier, Embedded, Head, embed, neighbours_in_time
from core.config import AggregatorConfig, EncoderConfig, FinetuneConfig, ModelConfig
from core.model import CrosslModel, ModalityShape

SHAPES = (
    ModalityShape("acc", 2, 20.0, 40),
    ModalityShape("gyro", 1, 10.0, 20),
    ModalityShape("temp", 1, 1.0, 8),
)
N = 12


def model_of(kind: str = "token") -> CrosslModel:
    config = ModelConfig(
        encoder=EncoderConfig(code=8, widths=(4, 4, 4), scales_s=[0.25], latent_steps=5),
        aggregator=AggregatorConfig(kind=kind, hidden=[8], output=8, heads=2),
    )
    return CrosslModel.build(config, SHAPES, 0).eval()


def batch_of(windows: int = N) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return {
        shape.name: torch.randn(windows, shape.channels, shape.samples, generator=generator)
        for shape in SHAPES
    }


def classifier_of(config: FinetuneConfig, kind: str = "token") -> Classifier:
    classifier = Classifier(model_of(kind), config, 3)
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for values in classifier.head.parameters():
            values.copy_(0.1 * torch.randn(values.shape, generator=generator))
    return classifier.eval()


def embedded_of(classifier: Classifier, present: torch.Tensor, reach: int = 0) -> Embedded:
    z = embed(classifier.model, batch_of(len(present)), present)
    starts = np.arange(len(present)) * 2.0
    neighbours = neighbours_in_time(np.zeros(len(present), int), starts, 2.0, reach)
    return Embedded(z, present, neighbours)


CONFIGS = [
    FinetuneConfig(head=head, features=features, context_windows=context)
    for head in ("linear", "mlp")
    for features in ("global", "embeddings", "both")
    for context in (0, 2)
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("kind", ["reference", "token", "attention"])
def test_an_absent_modality_gives_what_a_masked_one_gives(
    config: FinetuneConfig, kind: str
) -> None:
    classifier = classifier_of(config, kind)
    everything = torch.ones(N, 3, dtype=torch.bool)
    whole = embedded_of(classifier, everything, config.context_windows)
    for gone in range(3):
        keep = np.ones((N, 3), bool)
        keep[:, gone] = False
        masked = classifier.probabilities(whole, keep)
        absent = classifier.probabilities(
            embedded_of(classifier, torch.from_numpy(keep), config.context_windows)
        )
        np.testing.assert_allclose(masked, absent, atol=1e-6)
        assert not np.allclose(masked, classifier.probabilities(whole), atol=1e-4)


def test_a_window_with_nothing_left_has_no_probabilities() -> None:
    classifier = classifier_of(FinetuneConfig())
    present = torch.ones(N, 3, dtype=torch.bool)
    present[4] = False
    embedded = embedded_of(classifier, present)
    probabilities = classifier.probabilities(embedded)
    assert np.isnan(probabilities[4]).all()
    others = np.delete(probabilities, 4, axis=0)
    np.testing.assert_allclose(others.sum(1), 1, atol=1e-6)
    assert np.isnan(classifier.probabilities(embedded, np.zeros((N, 3), bool))).all()


def test_asking_to_keep_what_is_absent_changes_nothing() -> None:
    classifier = classifier_of(FinetuneConfig())
    present = torch.ones(N, 3, dtype=torch.bool)
    present[:, 1] = False
    embedded = embedded_of(classifier, present)
    np.testing.assert_array_equal(
        classifier.probabilities(embedded),
        classifier.probabilities(embedded, np.ones((N, 3), bool)),
    )


def test_windows_do_not_influence_each_other_without_context() -> None:
    classifier = classifier_of(FinetuneConfig())
    embedded = embedded_of(classifier, torch.ones(N, 3, dtype=torch.bool))
    alone = classifier.probabilities(embedded.take(np.array([7])))
    np.testing.assert_allclose(alone[0], classifier.probabilities(embedded)[7], atol=1e-6)


def test_a_context_head_sees_neighbours_and_no_further() -> None:
    classifier = classifier_of(FinetuneConfig(context_windows=2))
    present = torch.ones(N, 3, dtype=torch.bool)
    embedded = embedded_of(classifier, present, reach=2)
    before = classifier.probabilities(embedded)
    changed = Embedded(embedded.z.clone(), present, embedded.neighbours)
    changed.z[6] += 3
    moved = np.abs(classifier.probabilities(changed) - before).max(1) > 1e-7
    assert np.flatnonzero(moved).tolist() == [4, 5, 6, 7, 8]


def test_neighbours_are_a_whole_hop_apart_in_the_same_recording() -> None:
    recordings = np.array([0, 0, 0, 0, 1, 1])
    starts = np.array([0.0, 2.0, 4.0, 10.0, 0.0, 2.0])  # a gap before the fourth
    table = neighbours_in_time(recordings, starts, 2.0, 1).tolist()
    assert table == [[-1, 1], [0, 2], [1, -1], [-1, -1], [-1, 5], [4, -1]]


def test_a_grid_that_starts_half_a_hop_off_has_neighbours_all_the_same() -> None:
    starts = 15.0 + 30.0 * np.arange(4)
    table = neighbours_in_time(np.zeros(4, int), starts, 30.0, 1)
    assert table.tolist() == [[-1, 1], [0, 2], [1, 3], [2, -1]]


def test_without_context_there_are_no_neighbours() -> None:
    assert neighbours_in_time(np.zeros(3, int), np.arange(3.0), 1.0, 0).shape == (3, 0)


def test_a_temperature_changes_confidence_and_never_the_class() -> None:
    classifier = classifier_of(FinetuneConfig())
    embedded = embedded_of(classifier, torch.ones(N, 3, dtype=torch.bool))
    sharp = classifier.probabilities(embedded)
    classifier.temperature.fill_(4.0)
    soft = classifier.probabilities(embedded)
    assert (soft.argmax(1) == sharp.argmax(1)).all()
    assert (soft.max(1) < sharp.max(1)).all()


def test_a_feature_that_hardly_varies_in_training_is_not_blown_up() -> None:
    head = Head(FinetuneConfig(), 2, 3)
    head.fit_standardisation(torch.tensor([[1.0, 5.0], [3.0, 5.00001]]))
    scaled = head.standardised(torch.tensor([[2.0, 4.0], [3.0, 5.0]]))
    assert scaled[:, 0].tolist() == pytest.approx([0, 1])
    assert scaled[:, 1].abs().max() <= 1.001
