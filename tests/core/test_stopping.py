"""A run looks everywhere whether to stop, and wherever it is stopped, nothing of it is lost."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from core import opponents, pipeline, summary
from core.checkpoint import load_tensors
from core.config import load_run_file
from core.pipeline import run_study, start_report
from core.progress import Cancelled, Progress, RunContext
from core.run_folder import RunFolder

EVERYTHING = (
    'evaluate.opponents=["majority", "random_forest", "logistic_regression", "gradient_boosting",'
    ' "supervised", "supervised_dropout", "random_encoders", "reference"]',
    "evaluate.budgets=[0.3, 1.0]",
    "evaluate.budget_seeds=1",
    "evaluate.reference_epochs=1",
    "evaluate.adapt=true",
    "finetune.epochs=1",
    "robustness.dedicated=true",
)
QUICK = ('evaluate.opponents=["random_forest", "random_encoders"]', "evaluate.budgets=[1.0]")
FEW_TREES = 6


class Watcher:
    """Counts looks, by the stage that was reported last; says stop from the given look on."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at
        self.stage = ""
        self.looks = 0
        self.by_stage: Counter[str] = Counter()
        self.milestones: list[Progress] = []

    def report(self, progress: Progress) -> None:
        if progress.stage:
            self.stage = progress.stage
        if progress.milestone:
            self.milestones.append(progress)

    def should_stop(self) -> bool:
        self.looks += 1
        self.by_stage[self.stage] += 1
        return self.stop_at is not None and self.looks >= self.stop_at

    @property
    def context(self) -> RunContext:
        return RunContext(self.report, self.should_stop)

    def looks_in(self, stage: str) -> int:
        """Looks while a stage was the last one reported; `stage` is a regular expression."""
        return sum(n for name, n in self.by_stage.items() if re.fullmatch(stage, name))


def carry_out(study: Any, output: Path, watcher: Watcher, options: tuple[str, ...]) -> Any:
    config = load_run_file(study.run_file, options)
    folder = RunFolder(output)
    folder.prepare(resume=True, force=False)
    report: dict[str, Any] = {}
    start_report(report, config)
    run_study(config, study.folder, folder, report, watcher.context)
    return report


def figures(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what tells of times."""
    report = copy.deepcopy(report)
    for key in ("created", "timing"):
        report.pop(key)
    for curve in report["pretraining"]["runs"]:
        for epoch in curve["epochs"]:
            epoch.pop("seconds")
    return report


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forests of a handful of trees, each of them a step; a few rounds of boosting."""
    model = opponents._model

    def small(*arguments: Any) -> Any:
        made = model(*arguments)
        if hasattr(made, "n_estimators"):
            made.set_params(n_estimators=FEW_TREES)
        elif arguments[0] == "gradient_boosting":
            made.set_params(max_iter=FEW_TREES)
        return made

    monkeypatch.setattr(opponents, "_model", small)
    monkeypatch.setattr(opponents, "STEP_S", 0.0)


def check_stops(
    study: Any, folder: Path, options: tuple[str, ...], places: Callable[[int], list[int]]
) -> None:
    """Stop a run at some of its looks, and go on with it."""
    whole = Watcher()
    expected = figures(carry_out(study, folder / "whole", whole, options))
    curves = {(one.stage, *one.values) for one in whole.milestones if "loss" in one.values}
    for place in places(whole.looks):
        output = folder / str(place)
        stopped = Watcher(stop_at=place)
        with pytest.raises(Cancelled):
            carry_out(study, output, stopped, options)
        assert stopped.looks == place
        assert not (output / "cache").exists()
        for path in output.glob("checkpoints/*"):
            load_tensors(path)  # whole, or not there
        resumed = Watcher()
        assert figures(carry_out(study, output, resumed, options)) == expected, f"look {place}"
        again = {(one.stage, *one.values) for one in resumed.milestones if "loss" in one.values}
        assert again == curves, f"look {place}"


def test_a_run_stopped_anywhere_goes_on_to_the_same_figures(
    small_study: Any, tmp_path: Path
) -> None:
    check_stops(small_study, tmp_path, QUICK, lambda looks: [looks // 3, 2 * looks // 3])


@pytest.mark.slow
def test_so_does_a_run_with_every_opponent(small_study: Any, tmp_path: Path) -> None:
    check_stops(
        small_study,
        tmp_path,
        EVERYTHING,
        # Not the very last: how often a solver looks may differ by one with the machine's load.
        lambda looks: [1, *(looks * k // 6 for k in range(1, 6))],
    )


def test_every_stage_looks_in_small_steps(
    small_study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "FEATURE_WINDOWS", 10)
    watcher = Watcher()
    report = carry_out(small_study, tmp_path / "out", watcher, EVERYTHING)
    assert watcher.milestones
    folds, draws, heads = 2, 2, 2  # heads: everything, and adapted to the person
    subsets = 3
    looks = watcher.looks_in
    # Reading: each recording, its three channels and its labels.
    assert looks("reading") >= 5 * 4
    # Ten windows of 150 at a time, two modalities of each.
    assert looks("hand-made features") >= 15 * 3
    # Batches of 16 of 60 or 90 windows, for two epochs; and what is looked at after each.
    assert looks(r"fold \d: pretraining") >= folds * 2 * (3 + 3)
    assert looks(r"fold \d: pretraining \(reference\)") >= folds * (60 // 8 + 60 // 8)
    # Trees, one by one; those adapted to the person and dedicated ones too.
    assert looks(r"fold \d: random_forest") >= folds * draws * 2 * FEW_TREES
    assert looks(r"fold \d: random_forest, dedicated") >= folds * 2 * FEW_TREES
    assert looks(r"fold \d: gradient_boosting") >= folds * draws * FEW_TREES
    # Heads: each step of the solver; then each subset.
    assert looks(r"fold \d: fine-tuning") >= folds * draws * heads * 5 + folds * subsets
    assert looks(r"fold \d: fine-tuning \(supervised\)") >= folds * draws
    assert looks(r"final fit: fine-tuning") >= 5
    assert report["evaluation"]["macro_f1"] is not None


def test_scoring_looks_before_each_figure_and_each_subset(
    small_study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher()
    looks_at_figure: list[int] = []
    looks_at_subsets: list[int] = []
    score, robustness_report = summary.score, summary.robustness_report

    def noted_score(*arguments: Any, **options: Any) -> Any:
        looks_at_figure.append(watcher.looks)
        return score(*arguments, **options)

    def noted_report(*arguments: Any, **options: Any) -> Any:
        before = watcher.looks
        part = robustness_report(*arguments, **options)
        looks_at_subsets.append(watcher.looks - before)
        return part

    monkeypatch.setattr(summary, "score", noted_score)
    monkeypatch.setattr(summary, "robustness_report", noted_report)
    options = (
        'evaluate.opponents=["majority", "random_forest"]',
        "evaluate.budgets=[0.3, 1.0]",
        "evaluate.budget_seeds=1",
        "robustness.dedicated=true",
    )
    carry_out(small_study, tmp_path / "out", watcher, options)
    models, budgets = 3, 2
    dedicated = 2 * 2  # of each modality alone, ours and the forest
    assert len(looks_at_figure) == models * (1 + budgets) + dedicated
    assert all(a < b for a, b in pairwise(looks_at_figure))
    assert looks_at_subsets == [3]


def test_a_run_can_be_stopped_between_two_figures(
    small_study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher()
    score, scored = summary.score, []

    def stop_after_two(*arguments: Any, **options: Any) -> Any:
        scored.append(True)
        if len(scored) == 2:
            watcher.stop_at = watcher.looks + 1
        return score(*arguments, **options)

    monkeypatch.setattr(summary, "score", stop_after_two)
    with pytest.raises(Cancelled):
        carry_out(small_study, tmp_path / "out", watcher, QUICK)
    assert len(scored) == 2
