"""Heads trained anew on the embeddings that a run has kept: how far labels go, in seconds.

In each fold the encoders have not seen the test subjects, and labels of theirs are never learned
from, so the figures are as honest as those of the run. Labels are given anew: as they are now.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.checkpoint import load_tensors
from core.classifier import Classifier, Embedded, neighbours_in_time
from core.config import FinetuneConfig, RunConfig
from core.device import torch_session
from core.errors import DataError, ModelError
from core.evaluate import BudgetRun, Evaluation, score, summarise_label_efficiency
from core.finetune import LabelledWindows, constant_classifier, finetune_frozen
from core.fold_embeddings import read_fold
from core.model import CrosslModel
from core.progress import RunContext
from core.run_results import RunResults
from core.saved_model import SavedModel, load_model
from core.seeding import derive_seed
from core.splits import LOCKED, draw_budget
from core.window_store import read_windows

Labels = Mapping[str, np.ndarray]
"""By recording, int64 (windows,), -1 unlabelled; the windows are those that the run has kept."""

FULL = 1.0


@dataclass(frozen=True)
class BudgetCurve:
    """Figures on held-out subjects by the labels that were learned from.

    Attributes
    ----------
    rows: as the report's `evaluation.label_efficiency`, ascending: `budget` (share of the training
        labels, or the number that was asked for in a curve of counts), `labels` (mean number per
        fold), `seeds`, `macro_f1`, `macro_f1_sd`, and the other figures.
    labels, people: number of labelled windows of people who are tested, and of these people.
    notes: sentences on what the figures depend on.
    seconds: wall time.
    """

    rows: tuple[dict[str, Any], ...]
    labels: int
    people: int
    notes: tuple[str, ...]
    seconds: float

    @property
    def macro_f1(self) -> float | None:
        """With the most labels."""
        return self.rows[-1]["macro_f1"] if self.rows else None


def budget_curve(
    results_folder: Path,
    config: RunConfig,
    labels: Labels,
    subjects: Mapping[str, str],
    classes: Sequence[str],
    budgets: Sequence[float],
    seeds: int,
    context: RunContext,
) -> BudgetCurve:
    """Train heads on shares of the labels, as a run does, and test them on held-out subjects.

    With the labels, budgets and draws of the run itself the rows are those of its report, where
    its heads were trained on frozen encoders.

    Parameters
    ----------
    labels: recordings that are left out have none.
    subjects: whose each recording is.
    budgets: shares in (0, 1]. seeds: draws of each but 1, which has one.

    Raises DataError where the labels do not suffice, ModelError where the run has not kept its
    embeddings, Cancelled.
    """
    shares = sorted({float(budget) for budget in budgets})

    def draws(fold: _Fold) -> Iterator[tuple[float, int, np.ndarray]]:
        for share in shares:
            for seed in range(1 if share == FULL else seeds):
                chosen = draw_budget(
                    fold.labels, fold.train, share, seed, len(classes), fold=fold.number
                )
                yield share, seed, chosen

    return _curve(results_folder, config, labels, subjects, classes, draws, context)


def at_counts(
    results_folder: Path,
    config: RunConfig,
    labels: Labels,
    subjects: Mapping[str, str],
    classes: Sequence[str],
    counts: Sequence[int],
    seeds: int,
    context: RunContext,
) -> BudgetCurve:
    """The same for numbers of labelled training windows in each fold, for labels that grow.

    Each draw is one random order of a fold's labelled windows, and a count is how far it is
    followed, so that larger numbers contain the smaller ones. `budget` in the rows is the count, 2
    or more (shares are 1 or less); a fold with fewer labels than that uses all it has. See
    `budget_curve`.
    """
    wanted = sorted({int(count) for count in counts})
    if not wanted or wanted[0] < 2:
        raise ValueError("numbers of labels are 2 or more")

    def draws(fold: _Fold) -> Iterator[tuple[float, int, np.ndarray]]:
        for seed in range(seeds):
            order = np.random.default_rng(1000 * seed + fold.number).permutation(fold.train)
            for count in wanted:
                yield float(count), seed, np.sort(order[:count])

    return _curve(results_folder, config, labels, subjects, classes, draws, context)


def refit_and_predict(
    results_folder: Path,
    config: RunConfig,
    labels: Labels,
    subjects: Mapping[str, str],
    classes: Sequence[str],
    context: RunContext,
) -> dict[str, np.ndarray]:
    """A head for the final model from the labels as they are now, and what it says.

    Returns probabilities by recording, float32 (windows, classes), NaN where nothing is present.
    They are for choosing what to label next: people whose labels were learned from are among them,
    so no accuracy is to be read from them. To do this again and again, keep a `FinalHead`.
    """
    return FinalHead(results_folder, config, subjects, context).refit(labels, classes, context)


class FinalHead:
    """The final model's embeddings of all windows of a run, read once to train heads on them."""

    def __init__(
        self,
        results_folder: Path,
        config: RunConfig,
        subjects: Mapping[str, str],
        context: RunContext,
    ) -> None:
        """Raises ModelError where the run has no model or no windows, Cancelled."""
        self._config = config
        self._model = load_model(results_folder / "model").model
        results = RunResults(results_folder)
        self.recordings = _in_order(results)
        if not self.recordings:
            raise ModelError(
                f"{results_folder.name}: this run has kept no windows. Run it again with the "
                "step 'predict'."
            )
        parts = []
        for number, name in enumerate(self.recordings):
            context.step("reading embeddings", number, len(self.recordings))
            parts.append(read_windows(results.path_of(name)))
        self._counts = [len(part) for part in parts]
        self._index = index = np.repeat(np.arange(len(parts)), self._counts)
        owners = [subjects.get(part.recording, part.subject) for part in parts]
        self._subject = np.array(owners, dtype=str)[index]
        self._open = ~np.isin(self._subject, sorted(config.evaluate.test_subjects))
        self._embedded = _embedded(
            np.concatenate([part.z for part in parts]),
            np.concatenate([part.present for part in parts]),
            index,
            np.concatenate([part.starts_s for part in parts]),
            config,
        )

    def refit(
        self, labels: Labels, classes: Sequence[str], context: RunContext
    ) -> dict[str, np.ndarray]:
        """See `refit_and_predict`. Raises DataError unless two classes have labels."""
        present = self._embedded.present.any(1).numpy()
        all_labels = _joined(labels, self.recordings, self._counts)
        usable = np.flatnonzero((all_labels >= 0) & present & self._open)
        with torch_session(self._config.threads, torch.device("cpu")):
            classifier = finetune_frozen(
                self._model,
                self._embedded,
                _labelled(usable, all_labels, self._subject, self._index),
                _frozen(self._config.finetune),
                len(classes),
                background=np.flatnonzero(self._open & present),
                seed=derive_seed(self._config.seed, "finetune", "final", FULL, 0),
                context=_quiet(context),
            )
            probabilities = classifier.probabilities(self._embedded)
        ends = np.cumsum(self._counts)[:-1]
        return dict(zip(self.recordings, np.split(probabilities, ends), strict=True))


# ---------------------------------------------------------------- one fold after the other


@dataclass(frozen=True, eq=False)
class _Fold:
    """A fold with labels as they are now.

    `train`: labelled windows that may be learned from. `held_out`: windows of the test subjects,
    `test`: those with a label. `background`: windows that may be seen in training, labelled or
    not. `new_people`: among those learned from, who had no label in the run.
    """

    name: str
    model: CrosslModel
    embedded: Embedded
    labels: np.ndarray
    subject: np.ndarray
    recording_index: np.ndarray
    train: np.ndarray
    held_out: np.ndarray
    test: np.ndarray
    background: np.ndarray
    new_people: frozenset[str]

    @property
    def number(self) -> int:
        """As a run counts its folds when it draws labels."""
        return 0 if self.name == LOCKED else int(self.name)


Draws = Callable[[_Fold], Iterable[tuple[float, int, np.ndarray]]]
"""From a fold to (budget, draw, windows to learn from) of each head."""


def _curve(
    folder: Path,
    config: RunConfig,
    labels: Labels,
    subjects: Mapping[str, str],
    classes: Sequence[str],
    draws: Draws,
    context: RunContext,
) -> BudgetCurve:
    started = time.perf_counter()
    models = _FoldModels(folder, config)
    numbers: dict[tuple[float, int], list[int]] = {}
    given: dict[tuple[float, int], list[np.ndarray]] = {}
    truth: list[np.ndarray] = []
    whose: list[np.ndarray] = []
    new_people: set[str] = set()
    with torch_session(config.threads, torch.device("cpu")):
        for fold_number, path in enumerate(models.paths):
            fold = _read(path, config, labels, subjects, models)
            if not len(fold.test):
                continue
            new_people |= fold.new_people
            truth.append(fold.labels[fold.test])
            whose.append(fold.subject[fold.test])
            heads = list(draws(fold))
            for done, (budget, draw, chosen) in enumerate(heads):
                total = len(models.paths) * len(heads)
                context.step("label budgets", fold_number * len(heads) + done, total)
                classifier = _head(fold, config, models.finetune, classes, budget, draw, chosen,
                                   context)  # fmt: skip
                answers = _answers(classifier, fold, everything=budget == FULL)
                given.setdefault((budget, draw), []).append(answers)
                numbers.setdefault((budget, draw), []).append(len(chosen))
    if not truth:
        raise DataError(
            "Nobody whom this run held out has a label now, so nothing can be tested. Label "
            "windows of people whom the run tested."
        )
    labels_of, subject_of = np.concatenate(truth), np.concatenate(whose)

    def figures(key: tuple[float, int]) -> Evaluation:
        return score(
            labels_of,
            subject_of,
            classes,
            probabilities=np.concatenate(given[key]),
            seed=config.seed,
            resamples=2,  # the rows hold no intervals
        )

    runs = [BudgetRun(*key, float(np.mean(numbers[key])), figures(key)) for key in given]
    rows = [
        {"budget": row.pop("share")} | row | {"seeds": len(row["seeds"])}
        for row in summarise_label_efficiency(runs)
    ]
    notes = list(models.notes)
    if new_people:
        notes.append(
            f"People without a label when the run was made ({len(new_people)}) are learned from "
            "but not tested, since the encoders have seen them in every fold."
        )
    return BudgetCurve(
        rows=tuple(rows),
        labels=len(labels_of),
        people=len(np.unique(subject_of)),
        notes=tuple(notes),
        seconds=time.perf_counter() - started,
    )


def _read(
    path: Path,
    config: RunConfig,
    labels: Labels,
    subjects: Mapping[str, str],
    models: _FoldModels,
) -> _Fold:
    kept = read_fold(path)
    index = kept.recording_index
    owners = [subjects.get(name, "") for name in kept.recordings]
    subject = np.array(owners, dtype=str)[index]
    all_labels = _joined(labels, kept.recordings, kept.counts.tolist())
    something = kept.present.any(1)
    labelled = (all_labels >= 0) & something
    tested = set(kept.test_subjects)
    # Whoever had no label in the run was pretrained on in every fold; labels that they have by now
    # tell nothing of those who are tested.
    learned = sorted({*kept.train_subjects, *kept.pretrain_subjects} - tested)
    train = np.flatnonzero(np.isin(subject, learned) & labelled)
    held_out = np.flatnonzero(np.isin(subject, sorted(tested)))
    test = held_out[all_labels[held_out] >= 0]
    if len(test) and not len(train):
        raise DataError(
            f"Nobody but {', '.join(sorted(tested))} has labels, so there is nothing to learn "
            "from before they are tested. Label windows of at least one more person."
        )
    return _Fold(
        name=kept.fold,
        model=models.of(kept.fold),
        embedded=_embedded(kept.z, kept.present, index, kept.starts_s, config),
        labels=all_labels,
        subject=subject,
        recording_index=index,
        train=train,
        held_out=held_out,
        test=test,
        background=np.flatnonzero(np.isin(subject, sorted(kept.pretrain_subjects)) & something),
        new_people=frozenset(subject[train].tolist()) - {*kept.train_subjects},
    )


def _head(
    fold: _Fold,
    config: RunConfig,
    finetune: FinetuneConfig,
    classes: Sequence[str],
    budget: float,
    draw: int,
    chosen: np.ndarray,
    context: RunContext,
) -> Classifier:
    """A head for one fold, as a run trains it."""
    windows = _labelled(chosen, fold.labels, fold.subject, fold.recording_index)
    if len(np.unique(windows.labels)) < 2:
        return constant_classifier(fold.model, finetune, windows.labels, len(classes))
    return finetune_frozen(
        fold.model,
        fold.embedded,
        windows,
        finetune,
        len(classes),
        background=fold.background,
        seed=derive_seed(config.seed, "finetune", fold.name, budget, draw),
        context=_quiet(context),
    )


def _answers(classifier: Classifier, fold: _Fold, *, everything: bool) -> np.ndarray:
    """Probabilities (windows, classes) of the windows that are tested.

    A run asks the head with all labels about the test subjects alone, the others about everybody:
    the last digits depend on how many windows are worked out at once.
    """
    if everything and not classifier.config.context_windows:
        answers = classifier.probabilities(fold.embedded.take(fold.held_out))
        return answers[fold.labels[fold.held_out] >= 0]
    return classifier.probabilities(fold.embedded)[fold.test]


class _FoldModels:
    """The pretrained model of each fold, as far as a head needs it, and with which settings.

    Encoders are not needed, for their embeddings are there. Features of the global embedding need
    the aggregator, which lies in the checkpoint of the fold's pretraining; where checkpoints have
    been removed, heads do without these features, in all folds alike.
    """

    def __init__(self, folder: Path, config: RunConfig) -> None:
        found = {path.stem: path for path in (folder / "embeddings").glob("*.safetensors")}
        names = sorted(name for name in found if name == LOCKED or name.isdecimal())
        if not names:
            raise ModelError(
                f"{folder.name}: this run has not kept its folds' embeddings. Run it again with "
                "predict.keep_embeddings switched on; its pretraining can be taken over."
            )
        self.paths = [found[name] for name in sorted(names, key=lambda n: (len(n), n))]
        self._saved = load_model(folder / "model")
        self._checkpoints = {
            name: folder / "checkpoints" / f"pretrain-own-{name}.safetensors" for name in names
        }
        self._started = _started_from(self._saved, config)
        self.finetune = _frozen(config.finetune)
        self.notes: list[str] = []
        if config.finetune.mode != "frozen":
            self.notes.append(
                "The run trained its encoders further with the labels; here they stay as they were "
                "pretrained, so the figures are not those of its report."
            )
        if self._needs_aggregator and not self._has_aggregators:
            self.finetune = self.finetune.model_copy(update={"features": "embeddings"})
            self.notes.append(
                "The checkpoints of pretraining are not there, so heads use the modalities' "
                "embeddings without the global one; the figures are not those of the report."
            )

    @property
    def _needs_aggregator(self) -> bool:
        return self.finetune.features != "embeddings"

    @property
    def _has_aggregators(self) -> bool:
        if self._started is not None:
            return True
        return all(path.is_file() for path in self._checkpoints.values())

    def of(self, fold: str) -> CrosslModel:
        """Raises ModelError for a checkpoint that is damaged or of another model."""
        if not self._needs_aggregator:
            return self._saved.model
        if self._started is not None:
            return self._started
        path = self._checkpoints[fold]
        tensors, _ = load_tensors(path)
        weights = {
            name.removeprefix("model/"): tensor
            for name, tensor in tensors.items()
            if name.startswith("model/") and not name.startswith("model/expander.")
        }
        model = CrosslModel.build(self._saved.config.model, self._saved.shapes, seed=0)
        try:
            model.load_state_dict(weights)
        except RuntimeError:
            raise ModelError(f"{path}: this is not a checkpoint of the run's model.") from None
        return model.eval()


def _started_from(saved: SavedModel, config: RunConfig) -> CrosslModel | None:
    """The model that every fold of a run was started from; None where there is none to be had."""
    if config.finetune.start_from is None:
        return None
    if config.finetune.mode == "frozen":
        return saved.model  # its encoders and aggregator were left as they were
    try:
        return load_model(Path(config.finetune.start_from)).model
    except ModelError:
        return None


def _in_order(results: RunResults) -> tuple[str, ...]:
    """The recordings in the run's order, on which the last digits of sums depend; those that were
    scored later follow."""
    known = [str(entry.get("id")) for entry in results.report.get("recordings") or ()]
    there = results.recordings()
    return (*(name for name in known if name in there),
            *(name for name in there if name not in known))  # fmt: skip


def _frozen(config: FinetuneConfig) -> FinetuneConfig:
    return config.model_copy(update={"mode": "frozen"})


def _quiet(context: RunContext) -> RunContext:
    """Stops when asked, but says nothing: steps of one small head are no progress to show."""
    return RunContext(should_stop=context.should_stop)


def _joined(labels: Labels, recordings: Sequence[str], counts: Sequence[int]) -> np.ndarray:
    """The labels of all windows, int64, -1 in recordings without any."""
    parts = []
    for name, count in zip(recordings, counts, strict=True):
        part = labels.get(name)
        if part is None:
            part = np.full(count, -1, np.int64)
        elif len(part) != count:
            raise DataError(
                f"{name}: there are labels for {len(part)} windows, but the run has kept {count}. "
                "Run it again with the recording as it is now."
            )
        parts.append(np.asarray(part, np.int64))
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _labelled(
    rows: np.ndarray, labels: np.ndarray, subject: np.ndarray, recording_index: np.ndarray
) -> LabelledWindows:
    return LabelledWindows(rows, labels[rows], subject[rows], recording_index[rows])


def _embedded(
    z: np.ndarray,
    present: np.ndarray,
    recording_index: np.ndarray,
    starts_s: np.ndarray,
    config: RunConfig,
) -> Embedded:
    reach = config.finetune.context_windows
    return Embedded(
        torch.from_numpy(z),
        torch.from_numpy(present),
        neighbours_in_time(recording_index, starts_s, config.windows.step_s, reach),
    )
