"""From the folds' predictions to the evaluation and robustness parts of a report."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from core.config import RunConfig
from core.evaluate import BudgetRun, Evaluation, score, summarise_label_efficiency
from core.fold import ADAPTED, FOREST_ADAPTED, FULL, OWN, FoldResult, labelled
from core.predict import WindowPredictions
from core.progress import RunContext
from core.robustness import SubsetPredictions, pool, robustness_report
from core.study_data import StudyData

TITLES = {
    OWN: "This model",
    ADAPTED: "This model, adapted to the person",
    "majority": "Majority class",
    "random_forest": "Random forest, hand-made features",
    FOREST_ADAPTED: "Random forest, adapted to the person",
    "logistic_regression": "Logistic regression, hand-made features",
    "gradient_boosting": "Gradient boosting, hand-made features",
    "supervised": "Supervised from scratch",
    "supervised_dropout": "Supervised from scratch, modality dropout",
    "random_encoders": "Frozen random encoders",
    "reference": "CroSSL as released",
}
TRANSDUCTIVE = (ADAPTED, FOREST_ADAPTED)


class PooledFolds:
    """The held-out windows of all folds, one after the other.

    `context` is asked before each figure whether to stop.
    """

    def __init__(
        self,
        data: StudyData,
        config: RunConfig,
        results: Sequence[FoldResult],
        context: RunContext | None = None,
    ) -> None:
        self.data = data
        self.config = config
        self.context = context or RunContext()
        self.results = list(results)
        self.windows = np.concatenate([result.windows for result in results])
        self.labels = data.windows.labels[self.windows]
        self.subjects = data.windows.subject[self.windows]

    def models(self) -> list[str]:
        """Every model that was tested, in order, ours first."""
        return list(dict.fromkeys(key[0] for key in self.results[0].probabilities))

    def score(self, model: str, budget: float, draw: int) -> Evaluation:
        """Figures of one model under one draw of labels, folds pooled. Raises Cancelled."""
        self.context.look()
        parts = [result.probabilities[model, budget, draw] for result in self.results]
        return score(
            self.labels,
            self.subjects,
            self.data.classes,
            probabilities=np.concatenate(parts),
            seed=self.config.seed,
            resamples=self.config.evaluate.bootstrap,
        )

    def label_efficiency(self, model: str) -> list[dict[str, Any]]:
        """Figures by label budget: mean and deviation over the draws."""
        runs = [
            BudgetRun(budget, draw, self._labels(budget, draw), self.score(model, budget, draw))
            for name, budget, draw in self.results[0].probabilities
            if name == model
        ]
        return [
            {"budget": row.pop("share")} | row | {"seeds": len(row["seeds"])}
            for row in summarise_label_efficiency(runs)
        ]

    def _labels(self, budget: float, draw: int) -> float:
        return float(np.mean([result.labels[budget, draw] for result in self.results]))

    def subsets(self) -> SubsetPredictions:
        """Predictions of the own model under every subset."""
        return pool([result.subsets for result in self.results])

    def predicted(self) -> SubsetPredictions:
        """What the windows are said to be: adapted to the person where that was asked for."""
        return pool([result.predicted for result in self.results])

    def class_shares(self) -> np.ndarray:
        """Shares of the classes in the training of each window's fold, (windows, classes)."""
        sizes = [len(result.windows) for result in self.results]
        return np.repeat([result.class_shares for result in self.results], sizes, axis=0)

    def folds(self) -> np.ndarray:
        """Name of the fold that held each window out, object (windows,)."""
        sizes = [len(result.windows) for result in self.results]
        names = np.array([result.fold.name for result in self.results], dtype=object)
        return np.repeat(names, sizes)


def evaluation_part(pooled: PooledFolds, unlearnable: Collection[str] = ()) -> dict[str, Any]:
    """The `evaluation` part of a report: our model with all labels, then everything beside it.

    `unlearnable`: classes that no fold can learn, and that are spoken of once for all of them.
    """
    own = pooled.score(OWN, FULL, 0)
    fold_of = {
        subject: result.fold.name
        for result in pooled.results
        for subject in result.fold.test_subjects
    }
    part = own.to_dict()
    for subject, figures in part["per_subject"].items():
        figures["fold"] = fold_of[subject]
    part["label_efficiency"] = pooled.label_efficiency(OWN)
    part["folds"] = [
        {
            "fold": result.fold.name,
            "test_subjects": list(result.fold.test_subjects),
            "train_subjects": list(result.fold.train_subjects),
            "pretrain_subjects": list(result.fold.pretrain_subjects),
        }
        for result in pooled.results
    ]
    rows = {model: _row(pooled, model) for model in pooled.models() if model != OWN}
    part["adapted"] = rows.pop(ADAPTED, None)
    part["opponents"] = list(rows.values())
    part["notes"] = _notes(pooled, unlearnable)
    return part


def _row(pooled: PooledFolds, model: str) -> dict[str, Any]:
    figures = pooled.score(model, FULL, 0)
    return {
        "name": model,
        "title": TITLES[model],
        "transductive": model in TRANSDUCTIVE,
        "macro_f1": figures.macro_f1,
        "balanced_accuracy": figures.balanced_accuracy,
        "accuracy": figures.accuracy,
        "cohen_kappa": figures.cohen_kappa,
        "ece": figures.ece,
        "ci95": figures.ci95,
        "macro_f1_subject_sd": figures.macro_f1_subject_sd,
        "label_efficiency": pooled.label_efficiency(model),
    }


def _notes(pooled: PooledFolds, unlearnable: Collection[str]) -> list[str]:
    notes = []
    classes = pooled.data.classes
    windows = pooled.data.windows
    for result in pooled.results:
        train = labelled(windows, result.fold.train_windows(windows.subject))
        learnt = set(train.labels.tolist())
        missing = [
            name
            for number, name in enumerate(classes)
            if number not in learnt and name not in unlearnable
        ]
        if missing:
            notes.append(
                f"Fold {result.fold.name}: no training subject has {', '.join(missing)}, so that "
                "it cannot be predicted there."
            )
    if pooled.config.predict.adapt_to_subject:
        notes.append(
            "The windows' predictions, fragilities and Shapley values are adapted to the person; "
            "the evaluation and the subsets are not."
        )
    if "reference" in pooled.models():
        epochs = pooled.config.evaluate.reference_epochs
        notes.append(f"The released method was pretrained for {epochs} epochs.")
    return notes


def robustness_part(pooled: PooledFolds, predictions: WindowPredictions) -> dict[str, Any]:
    """The `robustness` part of a report, with dedicated models where they were asked for."""
    part = robustness_report(
        pooled.subsets(),
        pooled.data.modalities,
        labels=pooled.labels,
        subjects=pooled.subjects,
        shapley_values=predictions.shapley,
        fragilities=predictions.fragility,
        seed=pooled.config.seed,
        context=pooled.context,
    )
    dedicated = []
    for kept in pooled.results[0].dedicated:
        row: dict[str, Any] = {"kept": [pooled.data.modalities[m] for m in kept]}
        for field, title in (("dedicated", "macro_f1"), ("dedicated_forest", "forest_macro_f1")):
            parts = [getattr(result, field).get(kept) for result in pooled.results]
            row[title] = None
            if all(found is not None for found in parts):
                pooled.context.look()
                row[title] = score(
                    pooled.labels,
                    pooled.subjects,
                    pooled.data.classes,
                    probabilities=np.concatenate(parts),
                    resamples=100,
                ).macro_f1
        dedicated.append(row)
    part["dedicated"] = dedicated
    return part
