"""Fine-tuning: a head on frozen embeddings in seconds, or the whole network end to end.

Heads are trained on windows with all that is present and on the same windows with modalities
taken away, so that one model serves every subset.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from core.classifier import Classifier, Embedded
from core.config import FinetuneConfig
from core.errors import DataError
from core.evaluate import fit_temperature
from core.model import CrosslModel
from core.progress import RunContext
from core.splits import validation_subjects

# Up to here all subsets of the modalities are used in training a linear head; above, draws.
ALL_SUBSETS_UP_TO = 4
DRAWN_SUBSETS = 16
# Rows of features that masked windows may come to, to bound memory.
MASKED_ROWS = 200_000
# With fewer labels none are spared for calibration and early stopping.
FEWEST_TO_SPLIT = 40

FetchInputs = Callable[[np.ndarray], tuple[dict[str, torch.Tensor], torch.Tensor]]


@dataclass(frozen=True)
class LabelledWindows:
    """Windows of a training set: indices into the data, their classes, subjects, recordings."""

    indices: np.ndarray
    labels: np.ndarray
    subjects: np.ndarray
    recordings: np.ndarray

    def part(self, chosen: np.ndarray) -> LabelledWindows:
        return LabelledWindows(
            self.indices[chosen],
            self.labels[chosen],
            self.subjects[chosen],
            self.recordings[chosen],
        )


def finetune_frozen(
    model: CrosslModel,
    embedded: Embedded,
    windows: LabelledWindows,
    config: FinetuneConfig,
    classes: int,
    *,
    background: np.ndarray,
    seed: int,
    context: RunContext,
    stage: str = "finetune",
) -> Classifier:
    """A classifier on cached embeddings; `model` itself stays as it is.

    `embedded` holds all windows; `windows.indices` says which of them have labels to learn from,
    `background` all that may be seen in training, labelled or not: means and deviations are
    theirs, which a handful of labelled windows could not tell. Raises DataError when fewer than
    two classes are there.
    """
    check_classes(windows.labels)
    classifier = Classifier(model, config, classes)
    basis = _standardise(classifier, embedded, background)
    classifier.class_shares.copy_(class_shares(windows.labels, classes))

    def fit(train: LabelledWindows, held_out: LabelledWindows | None) -> None:
        generator = torch.Generator().manual_seed(seed)
        masked = _masked_features(classifier, embedded, train, config, generator)
        if config.head == "linear":
            _fit_linear(classifier, basis, masked, len(train.labels), config, context, stage)
        else:
            score = None
            if held_out is not None:
                score = _validation(classifier, embedded, held_out, config, classes)
            _fit_mlp(classifier, masked, score, config, generator, seed, context, stage)

    temperature = 1.0
    inner = validation_split(windows, config.validation_share, seed)
    if inner is not None and (config.calibrate or config.head == "mlp"):
        train, held_out = inner
        fit(train, held_out)
        if config.calibrate:
            logits = _logits(classifier, embedded, held_out.indices)
            temperature = fit_temperature(logits, held_out.labels)
    if inner is None or config.head == "linear":
        # The convex head needs no validation windows to stop at, so it learns from all.
        fit(windows, None)
    classifier.temperature.fill_(temperature)
    return classifier.eval()


@torch.no_grad()
def _standardise(
    classifier: Classifier, embedded: Embedded, background: np.ndarray
) -> torch.Tensor:
    """Take all means and deviations from the background windows, as they are present.

    Returns the basis (features, k) of a linear head: the directions in which the standardised
    features vary most, each times the square root of its deviation. A penalty on weights in this
    basis prefers directions that the encoders found worth much variation, which pays with few
    labels.
    """
    classifier.eval()
    rows = torch.as_tensor(background, dtype=torch.long)
    classifier.fit_embeddings(embedded.z[rows], embedded.present[rows])
    if classifier.config.context_windows:
        features = classifier.features(embedded.z, embedded.present, embedded.neighbours)[rows]
    else:
        part = embedded.take(background)
        features = classifier.features(part.z, part.present, part.neighbours)
    head = classifier.head
    head.fit_standardisation(features)
    count = classifier.config.components
    if not count:
        return torch.eye(features.shape[1])
    centred = head.standardised(features).double()
    variances, directions = torch.linalg.eigh(centred.T @ centred / len(centred))
    variances, directions = variances.flip(0)[:count], directions.flip(1)[:, :count]
    return (directions * variances.clamp_min(1e-12) ** 0.25).float()


def check_classes(labels: np.ndarray) -> None:
    """DataError unless there are windows of at least two classes."""
    if len(labels) == 0:
        raise DataError(
            "No subject has a labelled window to learn from, so nothing can be fine-tuned. Look at "
            "the settings of the labels and at the recordings' findings, or leave only 'pretrain' "
            "in the steps."
        )
    if len(np.unique(labels)) < 2:
        raise DataError(
            "The training windows hold one class only; a classifier needs at least two. Look at "
            "labels.classes and labels.mapping, and at which subjects have labels."
        )


def constant_classifier(
    model: CrosslModel, config: FinetuneConfig, labels: np.ndarray, classes: int
) -> Classifier:
    """What can be learnt from one class: a classifier that always says it.

    Raises DataError when there is no label at all.
    """
    if len(labels) == 0:
        check_classes(labels)
    classifier = Classifier(model, config.model_copy(update={"head": "linear"}), classes)
    shares = class_shares(labels, classes)
    classifier.class_shares.copy_(shares)
    layer = classifier.head.layers
    assert isinstance(layer, nn.Linear)
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.log(shares.clamp_min(1e-6)))
    return classifier.eval()


def class_shares(labels: np.ndarray, classes: int) -> torch.Tensor:
    """Share of each class (classes,) among training labels."""
    counts = np.bincount(labels, minlength=classes).astype(np.float32)
    return torch.from_numpy(counts / counts.sum())


def class_weights(labels: np.ndarray, classes: int, power: float) -> torch.Tensor:
    """Weights (classes,): frequency to the power of -`power`, 0 for classes not there.

    Their mean over the windows is 1.
    """
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** -power, 0.0)
    return torch.from_numpy((weights * len(labels) / (weights * counts).sum()).astype(np.float32))


def validation_split(
    windows: LabelledWindows, share: float, seed: int
) -> tuple[LabelledWindows, LabelledWindows] | None:
    """Training and validation windows, apart by subject; None where there are none to spare.

    None with few labels, and where a class would be lost from training or validation would hold
    one class only.
    """
    if len(windows.labels) < FEWEST_TO_SPLIT:
        return None
    everything = np.arange(len(windows.labels))
    inner = validation_subjects(
        windows.subjects, windows.recordings, windows.labels, everything, share, seed
    )
    train, held_out = windows.part(inner.train), windows.part(inner.validation)
    if len(np.unique(train.labels)) < len(np.unique(windows.labels)):
        return None
    if len(np.unique(held_out.labels)) < 2:
        return None
    return train, held_out


def keep_masks(
    present: torch.Tensor, weight_of_subsets: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks (k, n, modalities) that take modalities away, and the weight of each (k, n).

    The first is what is present; weights over the k masks of a window sum to 1. All subsets of
    few modalities, or else random ones, fewer of them the more windows there are.
    """
    n, modalities = present.shape
    masks = [present]
    room = max(1, MASKED_ROWS // max(n, 1))
    if weight_of_subsets > 0 and modalities > 1:
        subsets = 2**modalities - 2
        if modalities <= ALL_SUBSETS_UP_TO and subsets <= room:
            for bits in range(1, subsets + 1):
                subset = torch.tensor([bool(bits >> m & 1) for m in range(modalities)])
                masks.append(present & subset)
        else:
            for _ in range(min(DRAWN_SUBSETS, room)):
                share = torch.rand(n, 1, generator=generator)
                masks.append(present & (torch.rand(n, modalities, generator=generator) < share))
    stacked = torch.stack(masks)
    useful = stacked.any(2).float()
    useful[1:] *= (stacked[1:] != present).any(2).float()
    others = useful[1:].sum(0).clamp_min(1.0)
    weights = useful.clone()
    weights[1:] *= weight_of_subsets / others
    weights[0] = 1.0 - weights[1:].sum(0)
    return stacked, weights


@dataclass(frozen=True)
class _Masked:
    """Training windows under all masks: features (rows, f), classes and weights (rows,)."""

    features: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor


def _fit_linear(
    classifier: Classifier,
    basis: torch.Tensor,
    masked: _Masked,
    labels: int,
    config: FinetuneConfig,
    context: RunContext,
    stage: str,
) -> None:
    """Convex: L-BFGS on all masks at once. L2 as in scikit-learn with C = 1 / l2."""
    head = classifier.head
    layer = head.layers
    assert isinstance(layer, nn.Linear)
    inputs = head.standardised(masked.features) @ basis
    weight = torch.zeros(layer.out_features, inputs.shape[1], requires_grad=True)
    bias = torch.zeros(layer.out_features, requires_grad=True)
    penalty = config.l2 / labels
    total = masked.weights.sum()
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=300,
        tolerance_grad=1e-5,
        tolerance_change=1e-9,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        context.step(stage)
        optimizer.zero_grad()
        logits = functional.linear(inputs, weight, bias)
        losses = functional.cross_entropy(logits, masked.targets, reduction="none")
        loss = (losses * masked.weights).sum() / total + 0.5 * penalty * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        layer.weight.copy_(weight @ basis.T)
        layer.bias.copy_(bias)


def _fit_mlp(
    classifier: Classifier,
    masked: _Masked,
    validation: Callable[[], float] | None,
    config: FinetuneConfig,
    generator: torch.Generator,
    seed: int,
    context: RunContext,
    stage: str,
) -> None:
    """Minibatches of masked windows; stops when `validation`, a loss, stops falling."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in classifier.head.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()
        optimizer = torch.optim.AdamW(
            classifier.head.parameters(), lr=config.learning_rate, weight_decay=config.l2 * 1e-5
        )
        best = _Best(classifier.head)
        for epoch in range(config.epochs):
            classifier.head.train()
            for rows in torch.randperm(len(masked.targets), generator=generator).split(1024):
                losses = functional.cross_entropy(
                    classifier.head(masked.features[rows]), masked.targets[rows], reduction="none"
                )
                weights = masked.weights[rows]
                loss = (losses * weights).sum() / weights.sum().clamp_min(1e-6)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            context.step(stage, epoch + 1, config.epochs)
            if validation is not None and best.update(validation()) > config.patience:
                break
        if validation is not None:
            best.restore()


def _validation(
    classifier: Classifier,
    embedded: Embedded,
    held_out: LabelledWindows,
    config: FinetuneConfig,
    classes: int,
) -> Callable[[], float]:
    """The loss of held-out windows, as it stands when called."""

    def loss() -> float:
        logits = _logits(classifier, embedded, held_out.indices)
        return _validation_loss(logits, held_out, config, classes)

    return loss


@torch.no_grad()
def _masked_features(
    classifier: Classifier,
    embedded: Embedded,
    train: LabelledWindows,
    config: FinetuneConfig,
    generator: torch.Generator,
) -> _Masked:
    """The training windows under each mask, on the CPU, weighed by mask and class."""
    classifier.eval()
    rows = torch.as_tensor(train.indices, dtype=torch.long)
    targets = torch.as_tensor(train.labels, dtype=torch.long)
    if config.context_windows:
        masks, weights = keep_masks(embedded.present, config.modality_dropout, generator)
        weights = weights[:, rows]
        features = [
            classifier.features(embedded.z, mask, embedded.neighbours)[rows] for mask in masks
        ]
    else:
        part = embedded.take(train.indices)
        masks, weights = keep_masks(part.present, config.modality_dropout, generator)
        features = [classifier.features(part.z, mask, part.neighbours) for mask in masks]
    flat = weights.flatten()
    used = flat > 0
    repeated = targets.repeat(len(masks))[used]
    classes = len(classifier.class_shares)
    balance = class_weights(train.labels, classes, config.class_weights)[repeated]
    return _Masked(torch.cat(features)[used], repeated, flat[used] * balance)


@torch.no_grad()
def _logits(classifier: Classifier, embedded: Embedded, indices: np.ndarray) -> np.ndarray:
    """Logits (n, classes) before the temperature, with all that is present."""
    classifier.head.eval()
    rows = torch.as_tensor(indices, dtype=torch.long)
    if classifier.config.context_windows:
        features = classifier.features(embedded.z, embedded.present, embedded.neighbours)[rows]
    else:
        part = embedded.take(indices)
        features = classifier.features(part.z, part.present, part.neighbours)
    logits: np.ndarray = classifier.head(features).double().numpy()
    return logits


def _validation_loss(
    logits: np.ndarray, held_out: LabelledWindows, config: FinetuneConfig, classes: int
) -> float:
    targets = torch.as_tensor(held_out.labels, dtype=torch.long)
    weights = class_weights(held_out.labels, classes, config.class_weights)
    return float(functional.cross_entropy(torch.as_tensor(logits).float(), targets, weight=weights))


class _Best:
    """The best state of a module so far, by a value that should fall."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.state = copy.deepcopy(module.state_dict())
        self.value = float("inf")
        self.waited = 0

    def update(self, value: float) -> int:
        """Note the value; returns for how many updates there was nothing better."""
        if value < self.value:
            self.value, self.waited = value, 0
            self.state = copy.deepcopy(self.module.state_dict())
        else:
            self.waited += 1
        return self.waited

    def restore(self) -> None:
        self.module.load_state_dict(self.state)


def finetune_end_to_end(
    model: CrosslModel,
    fetch: FetchInputs,
    windows: LabelledWindows,
    config: FinetuneConfig,
    classes: int,
    *,
    seed: int,
    device: torch.device,
    context: RunContext,
    stage: str = "finetune",
) -> Classifier:
    """Train head, aggregator and encoders together, on a copy of `model`.

    Encoders and aggregator learn at `encoder_learning_rate`. With a model of fresh weights and
    both rates alike this is supervised training from scratch. A context head is not trained this
    way: neighbours would have to be encoded with each window.
    """
    check_classes(windows.labels)
    if config.context_windows:
        raise DataError(
            "finetune.context_windows works with mode 'frozen' only; set it to 0 or the mode to "
            "'frozen'."
        )
    model = copy.deepcopy(model).to(device)
    classifier = Classifier(model, config, classes).to(device)
    classifier.class_shares.copy_(class_shares(windows.labels, classes))
    inner = validation_split(windows, config.validation_share, seed)
    train, held_out = inner if inner is not None else (windows, None)
    generator = torch.Generator().manual_seed(seed)
    batch_size = min(config.batch_size, len(train.labels))
    with torch.random.fork_rng(devices=[device.index or 0] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for module in classifier.head.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()
        _standardise_end_to_end(classifier, fetch, train, device)
        optimizer = torch.optim.AdamW(
            [
                {"params": list(model.parameters()), "lr": config.encoder_learning_rate},
                {"params": list(classifier.head.parameters()), "lr": config.learning_rate},
            ],
            weight_decay=1e-2,
        )
        weights = class_weights(train.labels, classes, config.class_weights).to(device)
        best = _Best(classifier)
        for epoch in range(config.epochs):
            classifier.train()
            order = torch.randperm(len(train.labels), generator=generator).numpy()
            for start in range(0, len(order) - batch_size + 1, batch_size):
                chosen = train.part(order[start : start + batch_size])
                inputs, present = fetch(chosen.indices)
                keep = _drop_modalities(present, config.modality_dropout, generator)
                z = model.encode({k: v.to(device) for k, v in inputs.items()}, keep.to(device))
                logits = classifier.head(classifier.window_features(z, keep.to(device)))
                loss = functional.cross_entropy(
                    logits,
                    torch.as_tensor(chosen.labels, dtype=torch.long, device=device),
                    weight=weights,
                )
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                context.step(stage, epoch + 1, config.epochs, loss=float(loss.detach()))
            if held_out is not None:
                logits_held = _logits_end_to_end(classifier, fetch, held_out, device)
                value = _validation_loss(logits_held, held_out, config, classes)
                if best.update(value) > config.patience:
                    break
        if held_out is not None:
            best.restore()
    if config.calibrate and held_out is not None:
        logits_held = _logits_end_to_end(classifier, fetch, held_out, device)
        classifier.temperature.fill_(fit_temperature(logits_held, held_out.labels))
    return classifier.eval()


def _drop_modalities(
    present: torch.Tensor, chance: float, generator: torch.Generator
) -> torch.Tensor:
    """Take each present modality away with the given chance, but never all of a window."""
    keep = present & (torch.rand(present.shape, generator=generator) >= chance)
    emptied = ~keep.any(1)
    return torch.where(emptied[:, None], present, keep)


@torch.no_grad()
def _standardise_end_to_end(
    classifier: Classifier, fetch: FetchInputs, train: LabelledWindows, device: torch.device
) -> None:
    """Start the standardisations from the embeddings as they are before training."""
    classifier.eval()
    inputs, present = fetch(train.indices[:512])
    present = present.to(device)
    z = classifier.model.encode({k: v.to(device) for k, v in inputs.items()}, present)
    classifier.fit_embeddings(z, present)
    classifier.head.fit_standardisation(classifier.window_features(z, present))


@torch.no_grad()
def _logits_end_to_end(
    classifier: Classifier, fetch: FetchInputs, windows: LabelledWindows, device: torch.device
) -> np.ndarray:
    classifier.eval()
    parts = []
    for start in range(0, len(windows.indices), 256):
        inputs, present = fetch(windows.indices[start : start + 256])
        present = present.to(device)
        z = classifier.model.encode({k: v.to(device) for k, v in inputs.items()}, present)
        logits = classifier.head(classifier.window_features(z, present))
        parts.append(logits.cpu().double().numpy())
    return np.concatenate(parts)
