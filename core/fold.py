"""One fold from its subjects to predictions on those it held out; and the final fit on everybody.

The fold's subjects come first and everything is cut by them: scaling, pretraining, fine-tuning,
early stopping and temperature see training subjects only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from core.classifier import Classifier, Embedded, embed, neighbours_in_time
from core.config import (
    FinetuneConfig,
    RunConfig,
    dump_config,
    load_model_preset,
    make_config,
)
from core.dataset import WindowSet
from core.features import FeatureTable
from core.finetune import (
    LabelledWindows,
    constant_classifier,
    finetune_end_to_end,
    finetune_frozen,
)
from core.fold_embeddings import FoldEmbeddings, write_fold
from core.model import CrosslModel
from core.opponents import (
    FEATURE_OPPONENTS,
    FeatureOpponent,
    adapt_to_person,
    dedicated,
    fit_predict,
)
from core.pretrain import BatchSize, FetchBatch, announce_again, looks_within, pretrain
from core.progress import RunContext
from core.robustness import SubsetPlan, SubsetPredictions, plan_subsets, predict_subsets
from core.run_folder import RunFolder, fingerprint
from core.scaling import Scaling
from core.seeding import derive_seed
from core.splits import Fold, draw_budget
from core.study_data import StudyData

OWN = "own"
ADAPTED = "own_adapted"
FOREST_ADAPTED = "random_forest_adapted"
FULL = 1.0


@dataclass(frozen=True)
class Fingerprints:
    """Hashes of settings and data: of what pretraining depends on, and of everything."""

    pretraining: str
    everything: str


@dataclass(frozen=True)
class Run:
    """What every fold of a run shares."""

    data: StudyData
    config: RunConfig
    folder: RunFolder
    context: RunContext
    device: torch.device
    features: FeatureTable | None
    start: StartingModel | None
    fingerprints: Fingerprints


@dataclass(frozen=True)
class StartingModel:
    """Pretrained encoders from a saved model, with the scaling they were trained with.

    `files`: fingerprints of the files that it has seen.
    """

    model: CrosslModel
    scaling: Scaling
    files: tuple[str, ...]


@dataclass(frozen=True)
class FoldResult:
    """What a fold found out.

    `windows`: indices of the windows of its test subjects. `probabilities` by
    (model, budget, draw): (windows, classes). `labels` by (budget, draw): number of training
    labels. `subsets`: (subsets, windows, classes) of the own model with all labels;
    `predicted`: the same, or adapted to the person where predictions are to be.
    `dedicated`: by kept modalities, from heads trained on these alone. `pretraining`: curves.
    """

    fold: Fold
    windows: np.ndarray
    probabilities: dict[tuple[str, float, int], np.ndarray]
    labels: dict[tuple[float, int], int]
    subsets: SubsetPredictions
    predicted: SubsetPredictions
    class_shares: np.ndarray
    dedicated: dict[tuple[int, ...], np.ndarray]
    dedicated_forest: dict[tuple[int, ...], np.ndarray]
    pretraining: list[dict[str, Any]]


@dataclass(frozen=True)
class FinalFit:
    """A classifier (None without fine-tuning) on all subjects that are not locked."""

    model: CrosslModel
    classifier: Classifier | None
    scaling: Scaling
    embedded: Embedded
    pretraining: list[dict[str, Any]]


def run_fold(run: Run, fold: Fold) -> FoldResult:
    """Train on a fold's training subjects, with every opponent, and predict its test subjects.

    What an interrupted run has kept of the fold is taken from there; its curves are announced
    again.
    """
    test = fold.test_windows(run.data.windows.subject)
    draws = list(_draws(run, fold))
    worked = False

    def work() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        nonlocal worked
        worked = True
        return _work_on_fold(run, fold, test, draws)

    arrays, info = run.folder.kept(
        f"fold-{fold.name}",
        fingerprint(run.fingerprints.everything, fold.name, fold.test_subjects),
        work,
    )
    if not worked:
        for curve in info["pretraining"]:
            stage, _, model = curve["name"].partition(" (")
            announce_again(_pretraining(stage, model.removesuffix(")") or OWN), curve, run.context)
    return _result(run, fold, test, draws, arrays, info)


def _work_on_fold(
    run: Run, fold: Fold, test: np.ndarray, draws: list[tuple[float, int, LabelledWindows]]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    stage = f"fold {fold.name}"
    arrays: dict[str, np.ndarray] = {}
    own = _Frozen.prepare(run, fold, run.config, OWN, stage)
    if run.config.predict.keep_embeddings:
        keep_embeddings(run, fold, own.embedded)
    for budget, draw, chosen in draws:
        classifier, embedded = own.classify(chosen, run.config.finetune, budget, draw)
        if budget == FULL:
            plan = subset_plan(run)
            subsets = subset_predictions(classifier, embedded, test, plan, run.context)
            arrays["subsets"] = subsets.probabilities
            arrays["class_shares"] = classifier.class_shares.numpy()
            arrays[_key(OWN, budget, draw)] = subsets.full
        else:
            arrays[_key(OWN, budget, draw)] = classifier.probabilities(embedded)[test]
    full = next(chosen for budget, _, chosen in draws if budget == FULL)
    info: dict[str, Any] = {"pretraining": own.pretraining}
    if run.config.robustness.dedicated:
        for kept in _small_removals(len(run.data.shapes)):
            arrays[_kept_key("dedicated", kept)] = own.dedicated(full, kept)[test]
    if run.config.evaluate.adapt or run.config.predict.adapt_to_subject:
        adapted = own.adapted()
        for budget, draw, chosen in draws:
            classifier, embedded = adapted.classify(chosen, run.config.finetune, budget, draw)
            arrays[_key(ADAPTED, budget, draw)] = classifier.probabilities(embedded)[test]
            if budget == FULL and run.config.predict.adapt_to_subject:
                subsets = subset_predictions(
                    classifier, embedded, test, subset_plan(run), run.context
                )
                arrays["predicted"] = subsets.probabilities
    for opponent in run.config.evaluate.opponents:
        extra = _opponent(run, fold, opponent, draws, test, arrays, stage)
        info["pretraining"] = info["pretraining"] + extra
    return arrays, info


def final_fit(run: Run, fold: Fold) -> FinalFit:
    """Train on everybody in `fold`, for the model that is saved and for new recordings."""
    work = _Frozen.prepare(run, fold, run.config, OWN, "final fit")
    if "finetune" not in run.config.steps:
        return FinalFit(work.model, None, work.scaling, work.embedded, work.pretraining)
    chosen = labelled(run.data.windows, fold.train_windows(run.data.windows.subject))
    if run.config.predict.adapt_to_subject:
        work = work.adapted()
    classifier, embedded = work.classify(chosen, run.config.finetune, FULL, 0)
    return FinalFit(classifier.model, classifier, work.scaling, embedded, work.pretraining)


def keep_embeddings(run: Run, fold: Fold, embedded: Embedded) -> None:
    """Write the fold's embeddings for heads that are trained later."""
    windows = run.data.windows
    write_fold(
        run.folder.embeddings / f"{fold.name}.safetensors",
        FoldEmbeddings(
            fold=fold.name,
            train_subjects=fold.train_subjects,
            test_subjects=fold.test_subjects,
            pretrain_subjects=fold.pretrain_subjects,
            recordings=tuple(recording.id for recording in run.data.recordings),
            counts=np.bincount(windows.recording_index, minlength=len(run.data.recordings)),
            starts_s=windows.starts_s,
            z=embedded.z.numpy(),
            present=embedded.present.numpy(),
        ),
    )


def subset_plan(run: Run) -> SubsetPlan:
    """Which subsets of the modalities a run asks for."""
    robustness = run.config.robustness
    return plan_subsets(
        len(run.data.shapes), robustness.max_modalities, robustness.sampled_subsets, run.config.seed
    )


def subset_predictions(
    classifier: Classifier,
    embedded: Embedded,
    windows: np.ndarray,
    plan: SubsetPlan,
    context: RunContext,
) -> SubsetPredictions:
    """Predictions of `windows` under every subset, from embeddings of all windows.

    A head with context needs a window's neighbours, so it works on all windows and the chosen
    ones are taken out afterwards.
    """
    with_context = classifier.config.context_windows > 0
    part = embedded if with_context else embedded.take(windows)
    classes = len(classifier.class_shares)

    def predict(keep: np.ndarray) -> np.ndarray:
        return classifier.probabilities(part, keep)

    subsets = predict_subsets(predict, part.present.numpy(), classes, plan, context)
    return subsets.select(windows) if with_context else subsets


@dataclass(frozen=True)
class _Frozen:
    """A pretrained (or random) model in a fold, with the embeddings of the fold's windows."""

    run: Run
    fold: Fold
    name: str
    stage: str
    model: CrosslModel
    scaling: Scaling
    fetch: FetchBatch
    embedded: Embedded
    pretraining: list[dict[str, Any]]

    @staticmethod
    def prepare(
        run: Run, fold: Fold, config: RunConfig, name: str, stage: str, *, random: bool = False
    ) -> _Frozen:
        """Scale, pretrain and embed. `random`: leave the weights as they are drawn."""
        data = run.data
        seen = fold.pretrain_windows(data.windows.subject)
        started = run.start if name == OWN else None
        learn = not random and started is None
        model = CrosslModel.build(
            config.model,
            data.shapes,
            derive_seed(config.seed, "weights"),
            config.pretrain if learn else None,
        )
        pretraining: list[dict[str, Any]] = []
        if started is not None:
            model.load_state_dict(started.model.state_dict())
            scaling = started.scaling
        else:
            scaling = data.windows.fit_scaling(seen)
        fetch = fetcher(data.windows, scaling)
        if learn:
            dense = fold.pretrain_windows(data.dense.subject)
            dense = dense[data.dense.present[dense].any(1)]
            print_of = fingerprint(
                run.fingerprints.pretraining,
                dump_config(config.model),
                dump_config(config.pretrain),
                fold.pretrain_subjects,
            )
            result = pretrain(
                model,
                fetcher(data.dense, scaling),
                dense,
                config.pretrain,
                seed=derive_seed(config.seed, "pretrain", name, fold.name),
                device=run.device,
                context=run.context,
                stage=_pretraining(stage, name),
                checkpoint=run.folder.checkpoints / f"pretrain-{name}-{fold.name}.safetensors",
                fingerprint=print_of,
            )
            title = stage if name == OWN else f"{stage} ({name})"
            pretraining = [result.to_dict(title)]
            model.discard_expander()
        elif started is None:
            step = run.config.predict.batch_size
            usable = seen[data.windows.present[seen].any(1)]
            with looks_within(model, run.context):
                model.settle_norms(
                    fetch(usable[start : start + step]) for start in range(0, len(usable), step)
                )
        embedded = _embed_fold(run, fold, model, fetch, stage)
        return _Frozen(run, fold, name, stage, model, scaling, fetch, embedded, pretraining)

    def adapted(self) -> _Frozen:
        """The same model, on windows scaled by all windows of their own subject."""
        windows = self.run.data.windows
        fetch = fetcher(windows, windows.fit_subject_scaling())
        embedded = _embed_fold(self.run, self.fold, self.model, fetch, self.stage)
        return replace(self, fetch=fetch, embedded=embedded)

    def classify(
        self, chosen: LabelledWindows, config: FinetuneConfig, budget: float, draw: int
    ) -> tuple[Classifier, Embedded]:
        """A classifier trained on the chosen windows, and the embeddings it works on."""
        run = self.run
        classes = len(run.data.classes)
        seed = derive_seed(run.config.seed, "finetune", self.fold.name, budget, draw)
        stage = f"{self.stage}: fine-tuning" + ("" if self.name == OWN else f" ({self.name})")
        if len(np.unique(chosen.labels)) < 2:
            # The only people with another class are those this fold tests.
            return constant_classifier(self.model, config, chosen.labels, classes), self.embedded
        if config.mode == "frozen":
            classifier = finetune_frozen(
                self.model, self.embedded, chosen, config, classes,
                background=self.background(self.embedded),
                seed=seed, context=run.context, stage=stage,
            )  # fmt: skip
            return classifier, self.embedded
        classifier = finetune_end_to_end(
            self.model, self.fetch, chosen, config, classes,
            seed=seed, device=run.device, context=run.context, stage=stage,
        )  # fmt: skip
        tuned = _embed_fold(run, self.fold, classifier.model, self.fetch, self.stage)
        return classifier.cpu(), tuned

    def background(self, embedded: Embedded) -> np.ndarray:
        """Windows that may be seen in training, labelled or not, in which anything is present."""
        rows = self.fold.pretrain_windows(self.run.data.windows.subject)
        return rows[embedded.present[torch.from_numpy(rows)].any(1).numpy()]

    def dedicated(self, chosen: LabelledWindows, kept: tuple[int, ...]) -> np.ndarray:
        """Probabilities of all windows from a head trained on these modalities alone."""
        only = np.zeros(len(self.run.data.shapes), bool)
        only[list(kept)] = True
        present = self.embedded.present & torch.from_numpy(only)
        part = Embedded(self.embedded.z, present, self.embedded.neighbours)
        usable = chosen.part(present.any(1).numpy()[chosen.indices])
        config = self.run.config.finetune.model_copy(
            update={"mode": "frozen", "modality_dropout": 0.0}
        )
        classes = len(self.run.data.classes)
        if len(np.unique(usable.labels)) < 2:
            return np.full((len(present), classes), np.nan, np.float32)
        seed = derive_seed(self.run.config.seed, "dedicated", self.fold.name, kept)
        classifier = finetune_frozen(
            self.model, part, usable, config, classes,
            background=self.background(part),
            seed=seed, context=self.run.context, stage=f"{self.stage}: dedicated heads",
        )  # fmt: skip
        return classifier.probabilities(part)


def fetcher(windows: WindowSet, scaling: Scaling | Mapping[str, Scaling]) -> FetchBatch:
    """Scaled inputs of windows as tensors, on the CPU."""

    def fetch(indices: np.ndarray) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        batch = windows.batch(indices, scaling)
        inputs = {name: torch.from_numpy(values) for name, values in batch.items()}
        return inputs, torch.from_numpy(windows.present[indices])

    return fetch


def embed_windows(
    run: Run, model: CrosslModel, fetch: FetchBatch, rows: np.ndarray, stage: str
) -> Embedded:
    """Embeddings of the windows `rows`; those of the others stay zero and absent."""
    windows = run.data.windows
    model.to(run.device)
    z = torch.zeros(len(windows.starts_s), len(run.data.shapes), model.code)
    present = torch.zeros(z.shape[:2], dtype=torch.bool)
    batch = BatchSize(run.config.predict.batch_size, 1, stage, run.device, run.context)

    def encode(part: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        inputs, here = fetch(part)
        return embed(model, inputs, here), here

    start = 0
    with looks_within(model, run.context):
        while start < len(rows):
            part = rows[start : start + batch.size]
            done = batch.attempt(encode, part)
            if done is None:
                continue
            index = torch.from_numpy(part)
            z[index], present[index] = done
            start += len(part)
            run.context.step(stage, start, len(rows))
    model.to("cpu")
    reach = run.config.finetune.context_windows
    neighbours = neighbours_in_time(
        windows.recording_index, windows.starts_s, run.config.windows.step_s, reach
    )
    return Embedded(z, present, neighbours)


def _embed_fold(
    run: Run, fold: Fold, model: CrosslModel, fetch: FetchBatch, stage: str
) -> Embedded:
    """Embeddings of the windows of everybody whom the fold trains or tests on."""
    people = sorted({*fold.train_subjects, *fold.test_subjects, *fold.pretrain_subjects})
    rows = np.flatnonzero(np.isin(run.data.windows.subject, people))
    return embed_windows(run, model, fetch, rows, f"{stage}: encoding")


def _opponent(
    run: Run,
    fold: Fold,
    name: str,
    draws: list[tuple[float, int, LabelledWindows]],
    test: np.ndarray,
    arrays: dict[str, np.ndarray],
    stage: str,
) -> list[dict[str, Any]]:
    """Train and test one opponent on the same windows; returns its pretraining curves."""
    for kind in FEATURE_OPPONENTS:
        if kind == name:
            _feature_opponent(run, fold, kind, draws, test, arrays, stage)
            return []
    config = run.config
    finetune = config.finetune.model_copy(update={"mode": "frozen"})
    if name.startswith("supervised"):
        finetune = supervised_config(config, with_dropout=name == "supervised_dropout")
    if name == "reference":
        config = reference_config(config)
        finetune = config.finetune
    work = _Frozen.prepare(run, fold, config, name, stage, random=name != "reference")
    for budget, draw, chosen in draws:
        classifier, embedded = work.classify(chosen, finetune, budget, draw)
        arrays[_key(name, budget, draw)] = classifier.probabilities(embedded)[test]
    return work.pretraining


def supervised_config(config: RunConfig, *, with_dropout: bool) -> FinetuneConfig:
    """How the opponent that learns from labels alone is trained, with or without modalities taken
    away."""
    dropout = config.finetune.modality_dropout or 0.3
    return config.finetune.model_copy(
        update={
            "mode": "end_to_end",
            "context_windows": 0,
            "encoder_learning_rate": config.finetune.learning_rate,
            "modality_dropout": dropout if with_dropout else 0.0,
        }
    )


def reference_config(config: RunConfig) -> RunConfig:
    """The run with the network and the training of the released method."""
    preset = load_model_preset("reference")
    released = make_config(
        {**_without_model(config), **preset, "model": {**preset["model"], "preset": "reference"}}
    )
    pretraining = released.pretrain.model_copy(update={"epochs": config.evaluate.reference_epochs})
    return released.model_copy(update={"pretrain": pretraining})


def _without_model(config: RunConfig) -> dict[str, Any]:
    document = config.model_dump(mode="json", by_alias=True)
    return {k: v for k, v in document.items() if k not in ("model", "pretrain", "finetune")}


def _feature_opponent(
    run: Run,
    fold: Fold,
    name: FeatureOpponent,
    draws: list[tuple[float, int, LabelledWindows]],
    test: np.ndarray,
    arrays: dict[str, np.ndarray],
    stage: str,
) -> None:
    """An opponent on hand-made features; the forest also on features adapted to the person."""
    assert run.features is not None
    table, data = run.features, run.data
    train = fold.train_windows(data.windows.subject)
    jobs = torch.get_num_threads()
    classes = len(data.classes)
    versions: list[tuple[str, np.ndarray]] = [(name, table.values)]
    if name == "random_forest" and run.config.evaluate.adapt:
        versions.append((FOREST_ADAPTED, adapt_to_person(table.values, data.windows.subject)))
    nothing = ~data.windows.present[test].any(1)
    for key, values in versions:
        for budget, draw, chosen in draws:
            run.context.step(f"{stage}: {name}")
            probabilities = fit_predict(
                name, values[chosen.indices], chosen.labels, values[test], classes,
                reference_features=values[train],
                seed=derive_seed(run.config.seed, name, fold.name, budget, draw), n_jobs=jobs,
                context=run.context,
            )  # fmt: skip
            # Filled-in means would answer for windows in which nothing was recorded.
            probabilities[nothing] = np.nan
            arrays[_key(key, budget, draw)] = probabilities
    if name == "random_forest" and run.config.robustness.dedicated:
        full = next(chosen for budget, _, chosen in draws if budget == FULL)
        for kept in _small_removals(len(data.shapes)):
            run.context.step(f"{stage}: {name}, dedicated")
            arrays[_kept_key("dedicated_forest", kept)] = dedicated(
                name, table, data.windows.labels, full.indices, test, kept, classes,
                seed=derive_seed(run.config.seed, name, fold.name, kept), n_jobs=jobs,
                context=run.context,
            )  # fmt: skip


def _draws(run: Run, fold: Fold) -> Iterable[tuple[float, int, LabelledWindows]]:
    """Label budgets: (share, draw, windows). All labels are drawn once, and always."""
    windows = run.data.windows
    train = labelled(windows, fold.train_windows(windows.subject)).indices
    classes = len(run.data.classes)
    for budget in sorted({*run.config.evaluate.budgets, FULL}):
        for draw in range(1 if budget == FULL else run.config.evaluate.budget_seeds):
            chosen = draw_budget(
                windows.labels, train, budget, draw, classes, fold=max(fold.index, 0)
            )
            yield budget, draw, labelled(windows, chosen)


def labelled(windows: WindowSet, indices: np.ndarray) -> LabelledWindows:
    """Of these windows, those with a label in which something was recorded."""
    usable = indices[(windows.labels[indices] >= 0) & windows.present[indices].any(1)]
    return LabelledWindows(
        usable, windows.labels[usable], windows.subject[usable], windows.recording_index[usable]
    )


def _pretraining(stage: str, model: str) -> str:
    """What progress calls the pretraining of a model."""
    return f"{stage}: pretraining" + ("" if model == OWN else f" ({model})")


def _small_removals(modalities: int) -> list[tuple[int, ...]]:
    """Leave-one-out and single modalities."""
    everything = range(modalities)
    without = [tuple(m for m in everything if m != gone) for gone in everything]
    return [kept for kept in dict.fromkeys([*without, *((m,) for m in everything)]) if kept]


def _models(run: Run) -> list[str]:
    """Every model that a fold may test, in order, ours first."""
    models = [OWN, ADAPTED]
    for name in run.config.evaluate.opponents:
        models += [name, FOREST_ADAPTED] if name == "random_forest" else [name]
    return models


def _key(model: str, budget: float, draw: int) -> str:
    return f"p/{model}/{budget}/{draw}"


def _kept_key(kind: str, kept: tuple[int, ...]) -> str:
    return f"{kind}/" + "-".join(map(str, kept))


def _result(
    run: Run,
    fold: Fold,
    test: np.ndarray,
    draws: list[tuple[float, int, LabelledWindows]],
    arrays: dict[str, np.ndarray],
    info: dict[str, Any],
) -> FoldResult:
    # In the order of the run, which a file does not keep.
    keys = [(model, b, d) for model in _models(run) for b, d, _ in draws]
    probabilities = {key: arrays[_key(*key)] for key in keys if _key(*key) in arrays}

    def by_kept(kind: str) -> dict[tuple[int, ...], np.ndarray]:
        return {
            kept: arrays[_kept_key(kind, kept)]
            for kept in _small_removals(len(run.data.shapes))
            if _kept_key(kind, kept) in arrays
        }

    plan, present = subset_plan(run), run.data.windows.present[test]
    return FoldResult(
        fold=fold,
        windows=test,
        probabilities=probabilities,
        labels={(budget, draw): len(chosen.indices) for budget, draw, chosen in draws},
        subsets=SubsetPredictions(plan, present, arrays["subsets"]),
        predicted=SubsetPredictions(plan, present, arrays.get("predicted", arrays["subsets"])),
        class_shares=arrays["class_shares"],
        dedicated=by_kept("dedicated"),
        dedicated_forest=by_kept("dedicated_forest"),
        pretraining=info["pretraining"],
    )
