"""Fine-tuning: heads on frozen embeddings, or end to end; calibrated, weighted, repeatable."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from core import finetune as module
from core.classifier import Classifier, Embedded, embed, neighbours_in_time
from core.config import AggregatorConfig, EncoderConfig, FinetuneConfig, ModelConfig
from core.errors import DataError
from core.finetune import (
    LabelledWindows,
    class_weights,
    finetune_end_to_end,
    finetune_frozen,
    keep_masks,
    macro_f1,
    validation_split,
)
from core.model import CrosslModel, ModalityShape
from core.progress import Cancelled, Progress, RunContext

SHAPES = (ModalityShape("acc", 2, 20.0, 40), ModalityShape("gyro", 1, 20.0, 40))
PEOPLE, EACH = 6, 20
N = PEOPLE * EACH


class Data:
    """Six people with 20 windows each; two classes that differ in amplitude."""

    def __init__(self, noise: float = 0.0) -> None:
        rng = np.random.default_rng(0)
        self.labels = np.tile(np.arange(EACH) % 2, PEOPLE).astype(np.int64)
        self.subjects = np.repeat([f"s{k}" for k in range(PEOPLE)], EACH)
        self.recordings = np.repeat(np.arange(PEOPLE), EACH)
        gain = 0.5 + 1.5 * self.labels + noise * rng.normal(size=N)
        self.inputs = {
            shape.name: torch.from_numpy(
                (gain[:, None, None] * rng.normal(size=(N, shape.channels, shape.samples))).astype(
                    np.float32
                )
            )
            for shape in SHAPES
        }
        self.present = torch.ones(N, 2, dtype=torch.bool)
        self.asked: set[int] = set()

    def fetch(self, indices: np.ndarray) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        self.asked |= set(indices.tolist())
        rows = torch.as_tensor(indices)
        return {name: x[rows] for name, x in self.inputs.items()}, self.present[rows]

    def windows(self, chosen: np.ndarray | None = None) -> LabelledWindows:
        chosen = np.arange(N) if chosen is None else chosen
        return LabelledWindows(
            chosen, self.labels[chosen], self.subjects[chosen], self.recordings[chosen]
        )

    def embedded(self, model: CrosslModel, reach: int = 0) -> Embedded:
        starts = np.tile(np.arange(EACH) * 2.0, PEOPLE)
        return Embedded(
            embed(model, self.inputs, self.present),
            self.present,
            neighbours_in_time(self.recordings, starts, 2.0, reach),
        )


def model_of() -> CrosslModel:
    config = ModelConfig(
        encoder=EncoderConfig(code=8, widths=(4, 4, 4), scales_s=[0.25], latent_steps=5),
        aggregator=AggregatorConfig(hidden=[8], output=8),
    )
    return CrosslModel.build(config, SHAPES, 0).eval()


def frozen(
    data: Data,
    config: FinetuneConfig,
    *,
    chosen: np.ndarray | None = None,
    seed: int = 1,
    context: RunContext | None = None,
) -> tuple[Classifier, Embedded]:
    model = model_of()
    embedded = data.embedded(model, config.context_windows)
    classifier = finetune_frozen(
        model, embedded, data.windows(chosen), config, 2,
        background=np.arange(N), seed=seed, context=context or RunContext(),
    )  # fmt: skip
    return classifier, embedded


def end_to_end(
    data: Data, config: FinetuneConfig, context: RunContext | None = None
) -> tuple[CrosslModel, Classifier]:
    model = model_of()
    classifier = finetune_end_to_end(
        model, data.fetch, data.windows(), config, 2,
        seed=1, device=torch.device("cpu"), context=context or RunContext(),
    )  # fmt: skip
    return model, classifier


def accuracy(probabilities: np.ndarray, data: Data) -> float:
    return float((probabilities.argmax(1) == data.labels).mean())


SHORT = FinetuneConfig(mode="end_to_end", epochs=3, batch_size=16)


@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.parametrize("context", [0, 1])
def test_a_head_learns_on_frozen_encoders(head: str, context: int) -> None:
    data = Data()
    config = FinetuneConfig(head=head, context_windows=context, epochs=30, l2=1.0)
    classifier, embedded = frozen(data, config)
    assert accuracy(classifier.probabilities(embedded), data) > 0.9


def test_a_frozen_model_is_left_as_it_was() -> None:
    data = Data()
    classifier, _ = frozen(data, FinetuneConfig())
    before, after = model_of().state_dict(), classifier.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_the_same_seed_gives_the_same_head(head: str) -> None:
    config = FinetuneConfig(head=head, epochs=3)
    first, _ = frozen(Data(), config)
    torch.manual_seed(77)
    second, _ = frozen(Data(), config)
    one, two = first.state_dict(), second.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_windows_without_a_training_label_have_no_label_to_leak() -> None:
    config = FinetuneConfig(head="mlp", epochs=3)
    train = np.arange(4 * EACH)
    first, _ = frozen(Data(), config, chosen=train)
    other = Data()
    other.labels[4 * EACH :] = 1 - other.labels[4 * EACH :]
    second, _ = frozen(other, config, chosen=train)
    one, two = first.state_dict(), second.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_one_class_or_no_label_is_a_sentence() -> None:
    data = Data()
    with pytest.raises(DataError, match="one class only"):
        frozen(data, FinetuneConfig(), chosen=np.flatnonzero(data.labels == 0))
    with pytest.raises(DataError, match="has a label"):
        frozen(data, FinetuneConfig(), chosen=np.array([], dtype=np.int64))


def test_two_labels_are_enough_to_train_on() -> None:
    data = Data()
    classifier, embedded = frozen(data, FinetuneConfig(), chosen=np.array([0, 1]))
    assert np.isfinite(classifier.probabilities(embedded)).all()
    assert float(classifier.temperature) == 1.0  # nothing was spared to calibrate on


def test_calibration_makes_noisy_confidences_honest() -> None:
    data = Data()
    flipped = np.random.default_rng(3).random(N) < 0.3
    data.labels[flipped] = 1 - data.labels[flipped]
    config = FinetuneConfig(l2=1e-4, components=0, modality_dropout=0.0)
    calibrated, embedded = frozen(data, config)
    raw, _ = frozen(data, config.model_copy(update={"calibrate": False}))
    assert float(raw.temperature) == 1.0
    assert float(calibrated.temperature) > 1.0
    mean = calibrated.probabilities(embedded).max(1).mean()
    assert mean < raw.probabilities(embedded).max(1).mean()


def test_the_validation_subjects_are_apart_from_the_training_subjects() -> None:
    data = Data()
    split = validation_split(data.windows(), 0.2, 0)
    assert split is not None
    train, held_out = split
    assert not set(train.subjects) & set(held_out.subjects)
    assert len(train.indices) + len(held_out.indices) == N
    assert validation_split(data.windows(np.arange(30)), 0.2, 0) is None


@pytest.mark.parametrize(("power", "ratio"), [(0.0, 1.0), (0.5, 3**0.5), (1.0, 3.0)])
def test_class_weights_are_a_power_of_frequency_with_mean_one(power: float, ratio: float) -> None:
    labels = np.array([0] * 30 + [1] * 10)
    weights = class_weights(labels, 3, power).numpy()
    assert weights[1] == pytest.approx(ratio * weights[0])
    assert weights[labels].mean() == pytest.approx(1)
    assert weights[2] == 0


def test_class_weights_help_the_rare_class() -> None:
    data = Data(noise=0.6)
    rare = np.flatnonzero((data.labels == 0) | (np.arange(N) % 10 == 1))
    recall = {}
    for weighted in (0.0, 1.0):
        config = FinetuneConfig(class_weights=weighted, calibrate=False, l2=10.0)
        classifier, embedded = frozen(data, config, chosen=rare)
        guess = classifier.probabilities(embedded).argmax(1)
        recall[weighted] = float((guess[data.labels == 1] == 1).mean())
    assert recall[1.0] > recall[0.0]


def test_keep_masks_cover_every_subset_once_and_weigh_each_window_the_same() -> None:
    present = torch.tensor([[True, True, True], [True, False, True], [False, True, False]])
    masks, weights = keep_masks(present, 0.4, torch.Generator().manual_seed(0))
    assert torch.equal(masks[0], present)
    assert (masks <= present).all()
    assert torch.allclose(weights.sum(0), torch.ones(3))
    full = {tuple(mask.tolist()) for mask, w in zip(masks[:, 0], weights[:, 0], strict=True) if w}
    assert len(full) == 7
    assert weights[0, 0] == pytest.approx(0.6)
    assert weights[0, 2] == pytest.approx(1.0)  # one modality: nothing to take away
    assert (weights[~masks.any(2)] == 0).all()


def test_keep_masks_of_many_modalities_are_drawn() -> None:
    present = torch.ones(5, 8, dtype=torch.bool)
    masks, weights = keep_masks(present, 0.5, torch.Generator().manual_seed(0))
    assert torch.allclose(weights.sum(0), torch.ones(5))
    assert (weights[~masks.any(2)] == 0).all()


def test_modality_dropout_makes_single_modalities_work_better() -> None:
    data = Data(noise=0.4)
    data.inputs["gyro"] *= 0.1 + data.inputs["gyro"].abs().mean()
    alone = np.zeros((N, 2), bool)
    alone[:, 1] = True
    losses = {}
    for share in (0.0, 0.5):
        classifier, embedded = frozen(
            data, FinetuneConfig(modality_dropout=share, l2=1.0, calibrate=False)
        )
        p = classifier.probabilities(embedded, alone)
        losses[share] = float(-np.log(p[np.arange(N), data.labels]).mean())
    assert losses[0.5] <= losses[0.0]


def test_end_to_end_trains_a_copy_with_a_lower_rate_for_the_encoders() -> None:
    data = Data()
    config = SHORT.model_copy(update={"encoder_learning_rate": 1e-7, "learning_rate": 1e-2})
    model, classifier = end_to_end(data, config)
    fresh = model_of().state_dict()
    assert all(torch.equal(fresh[name], model.state_dict()[name]) for name in fresh)
    weight = "encoders.0"
    moved = [
        (classifier.model.state_dict()[name] - fresh[name]).abs().max()
        for name in fresh
        if name.startswith(weight) and name.endswith("weight")
    ]
    assert 0 < max(moved) < 1e-4


def test_end_to_end_learns_and_repeats() -> None:
    data = Data()
    config = SHORT.model_copy(
        update={"epochs": 12, "learning_rate": 1e-2, "encoder_learning_rate": 1e-2}
    )
    _, first = end_to_end(data, config)
    _, second = end_to_end(Data(), config)
    one, two = first.state_dict(), second.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert accuracy(first.probabilities(data.embedded(first.model)), data) > 0.9


def test_end_to_end_stops_early_on_validation_subjects() -> None:
    steps: list[Progress] = []
    config = SHORT.model_copy(
        update={"epochs": 40, "patience": 1, "learning_rate": 0.3, "encoder_learning_rate": 0.3}
    )
    end_to_end(Data(noise=1.0), config, RunContext(steps.append))
    assert 1 < sum(step.milestone for step in steps) < 40


def test_end_to_end_with_context_is_a_sentence() -> None:
    with pytest.raises(DataError, match="context_windows"):
        end_to_end(Data(), SHORT.model_copy(update={"context_windows": 2}))


@pytest.mark.parametrize(
    "train",
    [
        lambda context: frozen(Data(), FinetuneConfig(), context=context),
        lambda context: frozen(Data(), FinetuneConfig(head="mlp"), context=context),
        lambda context: end_to_end(Data(), SHORT, context),
    ],
    ids=["linear", "mlp", "end to end"],
)
def test_fine_tuning_can_be_cancelled(train: Callable[[RunContext], object]) -> None:
    with pytest.raises(Cancelled):
        train(RunContext(should_stop=lambda: True))


# ---------------------------------------------------------------- live figures


def milestones(train: Callable[[RunContext], object]) -> list[Progress]:
    seen: list[Progress] = []
    train(RunContext(seen.append))
    return [one for one in seen if one.milestone]


def test_macro_f1_is_that_of_the_likeliest_classes() -> None:
    logits = np.log(np.array([[0.6, 0.4, 0], [0.7, 0.3, 0], [0.1, 0.9, 0], [0.8, 0.2, 0]]) + 1e-9)
    labels = np.array([0, 0, 1, 1])
    assert macro_f1(logits, labels, 3) == pytest.approx((0.8 + 2 / 3) / 2)


def test_a_linear_head_tells_once_how_it_does_on_validation_subjects() -> None:
    (one,) = milestones(lambda context: frozen(Data(), FinetuneConfig(), context=context))
    assert set(one.values) == {"validation_macro_f1", "labels"}
    assert 0.5 < one.values["validation_macro_f1"] <= 1.0
    assert one.values["labels"] == N


@pytest.mark.parametrize(
    "train",
    [
        lambda context: frozen(Data(), FinetuneConfig(head="mlp", epochs=3), context=context),
        lambda context: end_to_end(Data(), SHORT, context),
    ],
    ids=["mlp", "end to end"],
)
def test_training_by_epochs_tells_after_each_how_it_does(
    train: Callable[[RunContext], object],
) -> None:
    found = milestones(train)
    assert [one.values["epoch"] for one in found] == [1, 2, 3]
    for one in found:
        assert set(one.values) == {"epoch", "epochs", "validation_macro_f1", "validation_loss"}
        assert 0 <= one.values["validation_macro_f1"] <= 1


def test_few_labels_give_no_figure_of_validation() -> None:
    few = np.arange(0, N, 5)
    assert not milestones(
        lambda context: frozen(Data(), FinetuneConfig(), chosen=few, context=context)
    )


@pytest.mark.parametrize("mode", ["mlp", "end to end"])
def test_progress_counts_batches_of_all_epochs(mode: str) -> None:
    seen: list[Progress] = []
    context = RunContext(seen.append)
    if mode == "mlp":
        frozen(Data(), FinetuneConfig(head="mlp", epochs=3), context=context)
    else:
        end_to_end(Data(), SHORT, context)
    steps = [one for one in seen if not one.milestone]
    assert [one.done for one in steps] == list(range(1, len(steps) + 1))
    assert {one.total for one in steps} == {len(steps)}


# ---------------------------------------------------------------- full memory


class SmallMemory(Data):
    """Holds few windows at a time; `asked_for` notes the sizes that were tried."""

    def __init__(self, holds: int) -> None:
        super().__init__()
        self.holds = holds
        self.asked_for: list[int] = []

    def fetch(self, indices: np.ndarray) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        self.asked_for.append(len(indices))
        if len(indices) > self.holds:
            raise torch.OutOfMemoryError("out of memory")
        return super().fetch(indices)


def same_weights(a: Classifier, b: Classifier) -> bool:
    one, two = a.state_dict(), b.state_dict()
    return all(torch.equal(one[name], two[name]) for name in one)


def test_a_full_memory_halves_the_batch_of_training_end_to_end() -> None:
    said: list[Progress] = []
    data = SmallMemory(8)
    _, classifier = end_to_end(data, SHORT, RunContext(said.append))
    assert max(size for size in data.asked_for if size <= 8) == 8
    messages = [one.message for one in said if one.message]
    assert "finetune: the memory was full; going on in batches of 8." in messages
    # Nothing of the batches that did not fit is left. Standardisation and validation start from
    # embeddings that other batch sizes may round otherwise.
    _, expected = end_to_end(SmallMemory(8), SHORT.model_copy(update={"batch_size": 8}))
    assert same_weights(classifier, expected)


def test_memory_that_is_full_in_a_later_epoch_repeats_that_epoch_only() -> None:
    data = SmallMemory(N)
    seen: list[Progress] = []

    def report(progress: Progress) -> None:
        seen.append(progress)
        if progress.milestone and progress.values["epoch"] == 2:
            data.holds = 8

    end_to_end(data, SHORT, RunContext(report))
    assert [one.values["epoch"] for one in seen if one.milestone] == [1, 2, 3]


def test_a_memory_too_small_for_training_end_to_end_is_a_sentence() -> None:
    with pytest.raises(DataError, match="does not even hold one window"):
        end_to_end(SmallMemory(0), SHORT)
    with pytest.raises(DataError, match="does not even hold two windows"):
        end_to_end(SmallMemory(1), SHORT)


def test_large_products_are_made_in_parts_with_looks_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[int] = []
    context = RunContext(should_stop=lambda: bool(looks.append(1)))
    one, _ = frozen(Data(), FinetuneConfig(), context=context)
    at_once = len(looks)
    monkeypatch.setattr(module, "PRODUCT_AT_ONCE", 1)  # row by row
    looks.clear()
    two, _ = frozen(Data(), FinetuneConfig(), context=context)
    assert len(looks) > at_once + N
    for name, weight in one.state_dict().items():
        torch.testing.assert_close(weight, two.state_dict()[name], rtol=1e-3, atol=1e-4)
