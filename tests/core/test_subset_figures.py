"""Which sensors can be lost: the report's figures, paired intervals, and no test that is none."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from core.errors import DataError
from core.evaluate import bootstrap_weights
from core.progress import Cancelled, RunContext
from core.robustness import SubsetPlan, fragility, plan_subsets, predict_subsets, shapley
from core.run_results import AllWindows, RunResults
from core.subset_figures import (
    EVERYTHING,
    Scope,
    answer_sentence,
    path_sentence,
    subset_figures,
)

CLASSES = ("rest", "walk", "run")


def make_all(
    modalities: int = 3,
    weights: tuple[float, ...] = (2.0, 1.0, 0.1),
    people: int = 6,
    each: int = 60,
    seed: int = 0,
    plan: SubsetPlan | None = None,
    missing: float = 0.0,
) -> AllWindows:
    """Windows whose modalities tell the true class, each as strongly as its weight says."""
    rng = np.random.default_rng(seed)
    count = people * each
    truth = rng.integers(0, 3, count)
    evidence = rng.normal(size=(count, modalities, 3))
    evidence[np.arange(count)[:, None], np.arange(modalities), truth[:, None]] += 1.5
    evidence *= np.array([weights[m % len(weights)] for m in range(modalities)])[:, None]
    present = rng.random((count, modalities)) >= missing

    def predict(keep: np.ndarray) -> np.ndarray:
        logits = (evidence * keep[:, :, None]).sum(axis=1)
        power = np.exp(logits - logits.max(axis=1, keepdims=True))
        return power / power.sum(axis=1, keepdims=True)

    subsets = predict_subsets(predict, present, 3, plan or plan_subsets(modalities))
    return AllWindows(
        recordings=tuple(f"r{k}" for k in range(people)),
        subjects=tuple(f"s{k}" for k in range(people)),
        classes=CLASSES,
        modalities=tuple(f"m{k}" for k in range(modalities)),
        length_s=2.0,
        recording_index=np.repeat(np.arange(people), each),
        starts_s=np.tile(np.arange(each) * 2.0, people),
        labels=truth,
        fold=np.full(count, "0", dtype=object),
        held_out=np.ones(count, bool),
        subsets=subsets,
        fragility=fragility(subsets),
        shapley=shapley(subsets, np.full(3, 1 / 3)),
        embedding=np.zeros((count, 2), np.float32),
    )


def same(one: Any, other: Any, where: str = "") -> None:
    """Equal, floats to the last digits but for the order in which they are added up."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list):
        assert len(one) == len(other), where
        for number, pair in enumerate(zip(one, other, strict=True)):
            same(*pair, f"{where}[{number}]")
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-12), where
    else:
        assert one == other, where


def test_the_figures_are_those_of_the_runs_own_report(finished_run: Any) -> None:
    results = RunResults(finished_run[1])
    assert results.config is not None
    figures = subset_figures(
        results.everything(RunContext()), RunContext(), seed=results.config.seed
    )
    reported = {k: v for k, v in results.report["robustness"].items() if k != "dedicated"}
    same(reported, figures.report)
    by_names = {tuple(row["kept"]): row for row in reported["subsets"]}
    for figure in figures.subsets:
        row = by_names[tuple(results.modalities[m] for m in figure.kept)]
        assert figure.macro_f1 == row["macro_f1"]
        assert figure.agreement == pytest.approx(row["agreement"])  # all its windows have labels
        assert figure.scored == row["windows"]
        assert list(figure.ci95 or ()) == (row["ci95"] or [])
    worst = reported["worst_single_removal"]
    removed = results.modalities.index(worst["removed"])
    assert figures.without(removed).drop == pytest.approx(worst["drop_same_windows"])
    assert [results.modalities[step.removed] for step in figures.path] == [
        step["removed"] for step in reported["least_loss_path"]
    ]


def test_every_subset_has_figures_up_to_six_modalities() -> None:
    figures = subset_figures(make_all(6), RunContext())
    assert len(figures.subsets) == figures.asked == 63
    assert figures.everything.kept == (0, 1, 2, 3, 4, 5)
    assert figures.everything.agreement == 1.0
    assert figures.everything.drop == 0.0


@pytest.mark.parametrize("modalities", [7, 12])
def test_with_more_modalities_single_ones_removals_and_the_path_have_figures(
    modalities: int,
) -> None:
    plan = plan_subsets(modalities, exact_limit=10, count=128)
    figures = subset_figures(make_all(modalities, plan=plan, each=20), RunContext())
    everything = tuple(range(modalities))
    kept = [figure.kept for figure in figures.subsets]
    assert kept[0] == everything
    for size in (1, modalities - 1):
        assert set(combinations(everything, size)) <= set(kept)
    assert len(figures.path) == modalities - 1
    left = [everything, *(step.figure.kept for step in figures.path)]
    for step, (before, after) in zip(figures.path, pairwise(left), strict=True):
        assert set(before) - set(after) == {step.removed}
    assert figures.sampled == (modalities > 10)


def test_the_chain_through_sampled_subsets_is_the_best_of_all_chains() -> None:
    everything = make_all(4, (1.0, 0.7, 1.3, 0.2), each=30)
    sampled = plan_subsets(4, exact_limit=3, count=8, seed=1)
    few = replace(
        everything,
        subsets=replace(
            everything.subsets,
            plan=sampled,
            probabilities=np.stack(
                [
                    everything.subsets.probabilities[everything.subsets.kept.index(kept)]
                    for kept in sampled.kept
                ]
            ),
        ),
    )
    figures = subset_figures(few, RunContext())
    score = {row: figures.report["subsets"][n]["macro_f1"] for n, row in enumerate(sampled.kept)}

    def chains(kept: tuple[int, ...]) -> list[list[tuple[int, ...]]]:
        if len(kept) == 1:
            return [[]]
        found = []
        for gone in kept:
            rest = tuple(m for m in kept if m != gone)
            if rest in score:
                found += [[rest, *chain] for chain in chains(rest)]
        return found

    best = max(sum(score[kept] for kept in chain) for chain in chains((0, 1, 2, 3)))
    assert sum(score[step.figure.kept] for step in figures.path) == pytest.approx(best)


def test_the_interval_of_a_drop_scores_each_resample_of_people_with_both_subsets() -> None:
    windows = make_all(missing=0.2)
    figures = subset_figures(windows, RunContext(), seed=4)
    called = windows.subsets.classes()
    people = [np.flatnonzero(windows.recording_index == k) for k in range(6)]
    weights = bootstrap_weights(6, seed=4)[:150]
    row = windows.subsets.kept.index((0, 2))
    drops = []
    for weight in weights:
        drawn = np.concatenate([np.tile(people[k], int(weight[k])) for k in range(6)])
        drawn = drawn[called[row, drawn] >= 0]
        before, after = (
            f1_score(windows.labels[drawn], called[r, drawn], average="macro") for r in (0, row)
        )
        drops.append(before - after)
    figure = figures.without(1)
    assert figure.drop_ci95 == pytest.approx(np.percentile(drops, [2.5, 97.5]), abs=0.02)
    answered = called[row] >= 0
    before, after = (
        f1_score(windows.labels[answered], called[r, answered], average="macro") for r in (0, row)
    )
    assert figure.drop == pytest.approx(before - after)
    assert figure.left_out == int(((called[0] >= 0) & ~answered).sum()) > 0


def test_agreement_and_confidence_stand_on_all_windows_and_scores_on_the_test_alone() -> None:
    windows = make_all()
    labels = windows.labels.copy()
    labels[::3] = -1
    held_out = windows.recording_index > 1
    part = replace(windows, labels=labels, held_out=held_out)
    whole, figures = (subset_figures(w, RunContext()) for w in (windows, part))
    for one, other in zip(whole.subsets, figures.subsets, strict=True):
        assert (one.agreement, one.agreement_ci95) == (other.agreement, other.agreement_ci95)
        assert (one.confidence, one.windows) == (other.confidence, other.windows)
        assert other.scored == int((held_out & (labels >= 0)).sum())
    assert figures.seen == int((~held_out & (labels >= 0)).sum())
    assert (figures.test_subjects, whole.test_subjects) == (4, 6)
    confidence = windows.subsets.probabilities[2].max(axis=1).mean()
    assert figures.subsets[2].confidence == pytest.approx(confidence, rel=1e-5)


def test_people_that_the_model_has_seen_are_no_test_and_it_says_so() -> None:
    windows = replace(make_all(), held_out=np.zeros(360, bool))
    figures = subset_figures(windows, RunContext())
    assert not figures.has_scores
    assert all(f.macro_f1 is None and f.drop is None and f.ci95 is None for f in figures.subsets)
    assert figures.without(2).agreement is not None
    assert not figures.damage.has_scores
    answer = answer_sentence(figures)
    assert "The model has seen all 6 labelled people: scores on them would be no test." in answer
    assert "of the windows keep their class" in answer
    assert "macro F1" not in answer
    assert [step.removed for step in figures.path] == [2, 1]
    assert "unchanged" in path_sentence(figures)


def test_without_labels_it_says_that_nothing_can_be_said_of_accuracy() -> None:
    windows = replace(make_all(), labels=np.full(360, -1))
    assert "There are no labels here" in answer_sentence(subset_figures(windows, RunContext()))


def test_the_answer_names_what_can_be_lost_and_what_costs_most() -> None:
    figures = subset_figures(make_all(), RunContext())
    answer = answer_sentence(figures)
    assert answer.startswith("You can lose m2 ")
    assert "losing m0 alone costs most: " in answer
    assert answer.count("95 % interval") == 2
    worst = figures.without(0)
    assert f"{worst.drop:.2f} (95 % interval {worst.drop_ci95[0]:.2f} to " in answer
    path = path_sentence(figures)
    assert path.startswith("From macro F1 ")
    assert "drop m2 (" in path
    assert "then m1 (" in path
    assert path.endswith("m0 is left.")


def test_where_any_sensor_can_be_lost_none_is_said_to_cost_most() -> None:
    windows = make_all()
    probabilities = windows.subsets.probabilities.copy()
    probabilities[:4] = probabilities[0]  # all three, and any two of them, say the same
    figures = subset_figures(
        replace(windows, subsets=replace(windows.subsets, probabilities=probabilities)),
        RunContext(),
    )
    answer = answer_sentence(figures)
    assert answer.startswith("You can lose ")
    assert answer.endswith("; losing a single one costs nothing, whichever it is.")
    assert "costs most" not in answer


def test_where_every_sensor_counts_the_answer_does_not_offer_one() -> None:
    figures = subset_figures(make_all(2, (1.0, 1.1)), RunContext())
    assert answer_sentence(figures).startswith("Every sensor counts: losing m0 costs least, ")


def test_a_sensor_that_alone_records_much_of_the_time_is_not_offered() -> None:
    windows = make_all(2, (1.0, 1.0))
    subsets = windows.subsets
    probabilities = subsets.probabilities.copy()
    probabilities[2] = probabilities[0]  # m1 alone says what both say, where it is there
    probabilities[2, :120] = np.nan
    present = subsets.present.copy()
    present[:120, 1] = False
    changed = replace(subsets, present=present, probabilities=probabilities)
    figures = subset_figures(replace(windows, subsets=changed), RunContext())
    assert figures.without(0).drop == 0.0
    answer = answer_sentence(figures)
    assert "33 % of the windows have nothing else" in answer
    assert "You can lose m0" not in answer


@pytest.mark.parametrize("is_test", [True, False])
def test_a_sensor_without_which_nothing_is_left_is_the_worst_to_lose(is_test: bool) -> None:
    windows = make_all(2, (1.0, 0.5))
    subsets = windows.subsets
    present = subsets.present.copy()
    present[:, 1] = False
    probabilities = subsets.probabilities.copy()
    probabilities[0] = probabilities[1]
    probabilities[2] = np.nan
    changed = replace(subsets, present=present, probabilities=probabilities)
    held_out = np.full(len(windows), is_test)
    figures = subset_figures(replace(windows, subsets=changed, held_out=held_out), RunContext())
    answer = answer_sentence(figures)
    assert [modality for modality, _ in figures.removals()] == [1, 0]
    assert "ithout m0 nothing is left" in answer
    assert ("You can lose m1 at no cost" in answer) == is_test
    assert ("without m1 100 % (95 % interval 100 to 100 %)" in answer) != is_test


def test_damage_per_class_is_the_fall_of_its_f1() -> None:
    windows = make_all()
    damage = subset_figures(windows, RunContext()).damage
    called = windows.subsets.classes()
    with_all = f1_score(windows.labels, called[0], average=None)
    np.testing.assert_allclose(damage.f1, with_all)
    for modality in range(3):
        row = windows.subsets.kept.index(tuple(m for m in range(3) if m != modality))
        without = f1_score(windows.labels, called[row], average=None)
        np.testing.assert_allclose(damage.f1_without[modality], without)
        np.testing.assert_allclose(damage.drop[modality], with_all - without)
        for number in range(3):
            mine = called[0] == number
            share = np.mean(called[row, mine] != number)
            assert damage.changed[modality, number] == pytest.approx(share)
    assert (damage.drop_low <= damage.drop).all()
    assert (damage.drop <= damage.drop_high).all()
    modality, number = damage.worst
    assert damage.drop[modality, number] == damage.drop.max()
    np.testing.assert_array_equal(damage.labelled, np.bincount(windows.labels))


def test_shapley_shares_are_means_over_the_windows_that_have_the_modality() -> None:
    windows = make_all(missing=0.3)
    figures = subset_figures(windows, RunContext())
    np.testing.assert_allclose(figures.shapley, np.nanmean(windows.shapley, axis=0), rtol=1e-5)
    called = windows.subsets.classes()[0]
    for number in range(3):
        expected = np.nanmean(windows.shapley[called == number], axis=0)
        np.testing.assert_allclose(figures.shapley_by_class[number], expected, rtol=1e-5)


def test_what_is_missing_is_told_per_recording() -> None:
    windows = make_all(missing=0.3)
    figures = subset_figures(windows, RunContext())
    for number in range(6):
        part = windows.recording_index == number
        expected = 1 - windows.subsets.present[part].mean(axis=0)
        np.testing.assert_allclose(figures.absent[number], expected)
    assert figures.empty == int((~windows.subsets.present.any(axis=1)).sum()) > 0


@pytest.mark.parametrize("scope", [Scope("recording", "r2"), Scope("subject", "s2")])
def test_one_recording_or_one_person_has_figures_of_its_own_and_no_interval(scope: Scope) -> None:
    windows = make_all()
    figures = subset_figures(windows, RunContext(), scope=scope)
    own = windows.recording_index == 2
    assert (figures.windows, figures.recordings, figures.subjects) == (60, ("r2",), ("s2",))
    called = windows.subsets.classes()[0]
    expected = f1_score(windows.labels[own], called[own], average="macro")
    assert figures.everything.macro_f1 == pytest.approx(expected)
    figure = figures.without(1)
    assert figure.ci95 is None
    assert figure.drop_ci95 is None
    assert figure.agreement_ci95 is None
    assert answer_sentence(figures).startswith(f"In {scope.name}: you can lose m2 ")
    assert "interval" not in answer_sentence(figures)


def test_a_scope_without_windows_and_a_run_without_subsets_are_refused_in_words() -> None:
    windows = make_all()
    with pytest.raises(DataError, match="no predictions of r9"):
        subset_figures(windows, RunContext(), scope=Scope("recording", "r9"))
    subsets = windows.subsets
    one = replace(
        subsets,
        plan=replace(subsets.plan, kept=subsets.plan.kept[:1]),
        probabilities=subsets.probabilities[:1],
    )
    with pytest.raises(DataError, match="step 'robustness'"):
        subset_figures(replace(windows, subsets=one), RunContext())


def test_one_modality_alone_has_nothing_to_lose() -> None:
    figures = subset_figures(make_all(1), RunContext())
    assert answer_sentence(figures) == "There is one sensor only, m0."
    assert figures.path == ()
    assert path_sentence(figures) == ""
    assert figures.damage.worst is None


def test_a_single_window_and_windows_without_any_sensor_have_figures_without_numbers() -> None:
    one = subset_figures(make_all(people=1, each=1), RunContext())
    assert one.windows == 1
    assert one.everything.agreement == 1.0
    windows = make_all()
    nothing = replace(
        windows,
        subsets=replace(
            windows.subsets,
            present=np.zeros_like(windows.subsets.present),
            probabilities=np.full_like(windows.subsets.probabilities, np.nan),
        ),
        shapley=np.full_like(windows.shapley, np.nan),
    )
    figures = subset_figures(nothing, RunContext())
    assert figures.empty == figures.windows == 360
    assert figures.everything.agreement is None
    assert figures.everything.confidence is None
    assert figures.everything.macro_f1 is None
    assert figures.everything.left_out == 0
    assert answer_sentence(figures) == "No sensor was recorded in any window."
    assert figures.no_test == "No sensor was recorded in the labelled windows."
    assert (figures.absent == 1.0).all()
    assert np.isnan(figures.shapley).all()


def test_it_can_be_stopped() -> None:
    with pytest.raises(Cancelled):
        subset_figures(make_all(), RunContext(should_stop=lambda: True), scope=EVERYTHING)
