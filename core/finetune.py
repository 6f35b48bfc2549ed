"""Fine-tuning: a head on frozen embeddings in seconds, or the whole network end to end.

Heads are trained on windows with all that is present and on the same windows with modalities
taken away, so that one model serves every subset. Where validation subjects are set aside, macro F1
on them is a milestone: of the convex head once, else of every epoch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from core.classifier import Classifier, Embedded
from core.config import FinetuneConfig
from core.errors import DataError
from core.evaluate import confusion_figures, fit_temperature
from core.model import CrosslModel
from core.pretrain import BatchSize, looks_within
from core.progress import RunContext
from core.splits import validation_subjects

# Up to here all subsets of the modalities are used in training a linear head; above, draws.
ALL_SUBSETS_UP_TO = 4
DRAWN_SUBSETS = 16
# Rows of features that masked windows may come to, to bound memory.
MASKED_ROWS = 200_000
# With fewer labels none are spared for calibration and early stopping.
FEWEST_TO_SPLIT = 40
# Windows from which standardisation starts, and that are worked on at once without training.
STANDARDISING_WINDOWS = 512
VALIDATION_BATCH = 256
# Multiplications of a matrix product that are made without a look at whether to stop.
PRODUCT_AT_ONCE = 2_000_000_000

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
    basis = _standardise(classifier, embedded, background, context)
    classifier.class_shares.copy_(class_shares(windows.labels, classes))

    def fit(train: LabelledWindows, held_out: LabelledWindows | None) -> None:
        generator = torch.Generator().manual_seed(seed)
        masked = _masked_features(classifier, embedded, train, config, generator, context)
        if config.head == "linear":
            _fit_linear(classifier, basis, masked, len(train.labels), config, context, stage)
        else:
            check = None
            if held_out is not None:
                check = _validation(classifier, embedded, held_out, config, classes)
            _fit_mlp(classifier, masked, check, config, generator, seed, context, stage)

    temperature = 1.0
    inner = validation_split(windows, config.validation_share, seed)
    if inner is not None and (config.calibrate or config.head == "mlp"):
        train, held_out = inner
        fit(train, held_out)
        if config.calibrate:
            logits = _logits(classifier, embedded, held_out.indices)
            temperature = fit_temperature(logits, held_out.labels)
            if config.head == "linear":
                figure = macro_f1(logits, held_out.labels, classes)
                context.milestone(stage, validation_macro_f1=figure, labels=len(windows.labels))
    if inner is None or config.head == "linear":
        # The convex head needs no validation windows to stop at, so it learns from all.
        fit(windows, None)
    classifier.temperature.fill_(temperature)
    return classifier.eval()


@torch.no_grad()
def _standardise(
    classifier: Classifier, embedded: Embedded, background: np.ndarray, context: RunContext
) -> torch.Tensor:
    """Take all means and deviations from the background windows, as they are present.

    Returns the basis (features, k) of a linear head: the directions in which the standardised
    features vary most, each times the square root of its deviation. A penalty on weights in this
    basis prefers directions that the encoders found worth much variation, which pays with few
    labels.
    """
    context.look()
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
    products = [
        part.T @ part
        for part in _parts(head.standardised(features).double(), features.shape[1], context)
    ]
    variances, directions = torch.linalg.eigh(sum(products[1:], products[0]) / len(features))
    context.look()
    variances, directions = variances.flip(0)[:count], directions.flip(1)[:, :count]
    return (directions * variances.clamp_min(1e-12) ** 0.25).float()


def _parts(values: torch.Tensor, columns: int, context: RunContext) -> Iterator[torch.Tensor]:
    """Rows of a matrix (rows, f) that is to be multiplied by one of `columns` columns: all of them
    at once, or in parts with looks between, where the product takes long."""
    rows = max(1, PRODUCT_AT_ONCE // (values.shape[1] * columns))
    for part in values.split(rows):
        context.look()
        yield part


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
    inputs = torch.cat(
        [
            head.standardised(part) @ basis
            for part in _parts(masked.features, basis.shape[1], context)
        ]
    )
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
    validation: Callable[[], _Validation] | None,
    config: FinetuneConfig,
    generator: torch.Generator,
    seed: int,
    context: RunContext,
    stage: str,
) -> None:
    """Minibatches of masked windows; stops when the loss of `validation` stops falling."""
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
            parts = torch.randperm(len(masked.targets), generator=generator).split(1024)
            for number, rows in enumerate(parts, start=1 + epoch * len(parts)):
                losses = functional.cross_entropy(
                    classifier.head(masked.features[rows]), masked.targets[rows], reduction="none"
                )
                weights = masked.weights[rows]
                loss = (losses * weights).sum() / weights.sum().clamp_min(1e-6)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                context.step(stage, number, config.epochs * len(parts))
            if validation is not None:
                found = validation()
                found.announce(stage, epoch, config, context)
                if best.update(found.loss) > config.patience:
                    break
        if validation is not None:
            best.restore()


@dataclass(frozen=True)
class _Validation:
    """How held-out windows do as training stands."""

    loss: float
    macro_f1: float

    @staticmethod
    def of(
        logits: np.ndarray, held_out: LabelledWindows, config: FinetuneConfig, classes: int
    ) -> _Validation:
        targets = torch.as_tensor(held_out.labels, dtype=torch.long)
        weights = class_weights(held_out.labels, classes, config.class_weights)
        loss = functional.cross_entropy(torch.as_tensor(logits).float(), targets, weight=weights)
        return _Validation(float(loss), macro_f1(logits, held_out.labels, classes))

    def announce(self, stage: str, epoch: int, config: FinetuneConfig, context: RunContext) -> None:
        """One point of the live curve, after epoch `epoch`, counted from 0."""
        context.milestone(
            stage,
            epoch + 1,
            config.epochs,
            epoch=epoch + 1,
            epochs=config.epochs,
            validation_macro_f1=self.macro_f1,
            validation_loss=self.loss,
        )


def macro_f1(logits: np.ndarray, labels: np.ndarray, classes: int) -> float:
    """Macro F1 of the likeliest classes; `logits` (windows, classes), all windows labelled."""
    counts = np.bincount(labels * classes + logits.argmax(1), minlength=classes * classes)
    return float(confusion_figures(counts.reshape(classes, classes))["macro_f1"])


def _validation(
    classifier: Classifier,
    embedded: Embedded,
    held_out: LabelledWindows,
    config: FinetuneConfig,
    classes: int,
) -> Callable[[], _Validation]:
    """How held-out windows do, as it stands when called."""

    def check() -> _Validation:
        logits = _logits(classifier, embedded, held_out.indices)
        return _Validation.of(logits, held_out, config, classes)

    return check


@torch.no_grad()
def _masked_features(
    classifier: Classifier,
    embedded: Embedded,
    train: LabelledWindows,
    config: FinetuneConfig,
    generator: torch.Generator,
    context: RunContext,
) -> _Masked:
    """The training windows under each mask, on the CPU, weighed by mask and class."""
    classifier.eval()
    rows = torch.as_tensor(train.indices, dtype=torch.long)
    targets = torch.as_tensor(train.labels, dtype=torch.long)
    with_context = config.context_windows > 0
    source = embedded if with_context else embedded.take(train.indices)
    masks, weights = keep_masks(source.present, config.modality_dropout, generator)
    if with_context:
        weights = weights[:, rows]
    features = []
    for mask, weight in zip(masks, weights, strict=True):
        context.look()
        found = classifier.features(source.z, mask, source.neighbours)
        features.append((found[rows] if with_context else found)[weight > 0])
    context.look()
    flat = weights.flatten()
    used = flat > 0
    repeated = targets.repeat(len(masks))[used]
    classes = len(classifier.class_shares)
    balance = class_weights(train.labels, classes, config.class_weights)[repeated]
    return _Masked(torch.cat(features), repeated, flat[used] * balance)


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
    size = min(config.batch_size, len(train.labels))
    batch = BatchSize(size, min(2, size), stage, device, context)
    with (
        torch.random.fork_rng(devices=[device.index or 0] if device.type == "cuda" else []),
        looks_within(classifier, context),
    ):
        torch.manual_seed(seed)
        for module in classifier.head.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()
        _standardise_end_to_end(classifier, fetch, train, device, context, stage)
        optimizer = torch.optim.AdamW(
            [
                {"params": list(model.parameters()), "lr": config.encoder_learning_rate},
                {"params": list(classifier.head.parameters()), "lr": config.learning_rate},
            ],
            weight_decay=1e-2,
        )
        weights = class_weights(train.labels, classes, config.class_weights).to(device)
        best = _Best(classifier)
        epoch = 0
        while epoch < config.epochs:
            before = _Moment(classifier, optimizer, generator, device)
            done = batch.attempt(
                _run_epoch,
                classifier, optimizer, fetch, train, config, weights, generator,
                batch_size=batch.size, epoch=epoch, device=device, context=context, stage=stage,
            )  # fmt: skip
            if done is None:
                before.restore()
                continue
            if held_out is not None:
                logits = _logits_end_to_end(classifier, fetch, held_out, device, context, stage)
                found = _Validation.of(logits, held_out, config, classes)
                found.announce(stage, epoch, config, context)
                if best.update(found.loss) > config.patience:
                    break
            epoch += 1
        if held_out is not None:
            best.restore()
        if config.calibrate and held_out is not None:
            logits = _logits_end_to_end(classifier, fetch, held_out, device, context, stage)
            classifier.temperature.fill_(fit_temperature(logits, held_out.labels))
    return classifier.eval()


def _run_epoch(
    classifier: Classifier,
    optimizer: torch.optim.Optimizer,
    fetch: FetchInputs,
    train: LabelledWindows,
    config: FinetuneConfig,
    weights: torch.Tensor,
    generator: torch.Generator,
    *,
    batch_size: int,
    epoch: int,
    device: torch.device,
    context: RunContext,
    stage: str,
) -> bool:
    """One pass over the training windows, end to end; a short last batch is left out."""
    classifier.train()
    order = torch.randperm(len(train.labels), generator=generator).numpy()
    batches = len(order) // batch_size
    for number in range(batches):
        chosen = train.part(order[number * batch_size : (number + 1) * batch_size])
        inputs, present = fetch(chosen.indices)
        keep = _drop_modalities(present, config.modality_dropout, generator).to(device)
        z = classifier.model.encode({k: v.to(device) for k, v in inputs.items()}, keep)
        loss = functional.cross_entropy(
            classifier.head(classifier.window_features(z, keep)),
            torch.as_tensor(chosen.labels, dtype=torch.long, device=device),
            weight=weights,
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        context.step(
            stage, epoch * batches + number + 1, config.epochs * batches, loss=float(loss.detach())
        )
    return True


class _Moment:
    """Everything that an epoch changes, as it was, so that the epoch can be tried again."""

    def __init__(
        self,
        classifier: Classifier,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        self._classifier = classifier
        self._optimizer = optimizer
        self._generator = generator
        self._device = device
        self._weights = copy.deepcopy(classifier.state_dict())
        self._steps = copy.deepcopy(optimizer.state_dict())
        self._drawn = generator.get_state()
        self._drawn_elsewhere = torch.random.get_rng_state()
        if device.type == "cuda":
            self._drawn_on_device = torch.cuda.get_rng_state(device)

    def restore(self) -> None:
        self._classifier.load_state_dict(self._weights)
        self._optimizer.load_state_dict(self._steps)
        self._generator.set_state(self._drawn)
        torch.random.set_rng_state(self._drawn_elsewhere)
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(self._drawn_on_device, self._device)


def _drop_modalities(
    present: torch.Tensor, chance: float, generator: torch.Generator
) -> torch.Tensor:
    """Take each present modality away with the given chance, but never all of a window."""
    keep = present & (torch.rand(present.shape, generator=generator) >= chance)
    emptied = ~keep.any(1)
    return torch.where(emptied[:, None], present, keep)


@torch.no_grad()
def _standardise_end_to_end(
    classifier: Classifier,
    fetch: FetchInputs,
    train: LabelledWindows,
    device: torch.device,
    context: RunContext,
    stage: str,
) -> None:
    """Start the standardisations from the embeddings as they are before training."""
    classifier.eval()
    embeddings, presence = [], []
    rows = train.indices[:STANDARDISING_WINDOWS]
    for z, present in _encoded(classifier, fetch, rows, len(rows), device, context, stage):
        embeddings.append(z)
        presence.append(present)
    z, present = torch.cat(embeddings), torch.cat(presence)
    classifier.fit_embeddings(z, present)
    classifier.head.fit_standardisation(classifier.window_features(z, present))


@torch.no_grad()
def _logits_end_to_end(
    classifier: Classifier,
    fetch: FetchInputs,
    windows: LabelledWindows,
    device: torch.device,
    context: RunContext,
    stage: str,
) -> np.ndarray:
    classifier.eval()
    parts = []
    for z, present in _encoded(
        classifier, fetch, windows.indices, VALIDATION_BATCH, device, context, stage
    ):
        logits = classifier.head(classifier.window_features(z, present))
        parts.append(logits.cpu().double().numpy())
    return np.concatenate(parts)


def _encoded(
    classifier: Classifier,
    fetch: FetchInputs,
    rows: np.ndarray,
    size: int,
    device: torch.device,
    context: RunContext,
    stage: str,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Embeddings and presence of the windows `rows`, batch by batch, smaller ones where memory
    asks for it: without training, a window does not depend on its batch."""
    batch = BatchSize(size, 1, stage, device, context)

    def encode(part: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        inputs, present = fetch(part)
        present = present.to(device)
        batch_inputs = {name: values.to(device) for name, values in inputs.items()}
        return classifier.model.encode(batch_inputs, present), present

    start = 0
    while start < len(rows):
        context.look(stage)
        part = rows[start : start + batch.size]
        encoded = batch.attempt(encode, part)
        if encoded is not None:
            yield encoded
            start += len(part)
