"""Subsets, fragility and Shapley values against brute force over their definitions."""

import json
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from core.robustness import (
    fragility,
    plan_subsets,
    pool,
    predict_subsets,
    robustness_report,
    sampled_subsets,
    shapley,
    subsets,
)


class SoftModel:
    """Adds the kept modalities' evidence and an interaction of the first two."""

    def __init__(self, n_windows, n_modalities, n_classes, seed=0):
        rng = np.random.default_rng(seed)
        self.evidence = rng.normal(size=(n_windows, n_modalities, n_classes)) * 2
        self.joint = rng.normal(size=(n_windows, n_classes))
        self.calls = []

    def __call__(self, keep):
        self.calls.append(keep.copy())
        logits = (self.evidence * keep[:, :, None]).sum(axis=1)
        if keep.shape[1] > 1:
            logits += self.joint * (keep[:, 0] & keep[:, 1])[:, None]
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)


def random_present(n_windows, n_modalities, seed=0, share=0.7):
    return np.random.default_rng(seed + 100).random((n_windows, n_modalities)) < share


def ask(n_windows=12, n_modalities=4, n_classes=3, seed=0, present=None, plan=None):
    model = SoftModel(n_windows, n_modalities, n_classes, seed)
    if present is None:
        present = random_present(n_windows, n_modalities, seed)
    return model, present, predict_subsets(model, present, n_classes, plan)


def test_subsets_are_all_and_ordered_by_size_then_scheme():
    assert subsets(3) == [(0, 1, 2), (0, 1), (0, 2), (1, 2), (0,), (1,), (2,)]
    assert subsets(1) == [(0,)]
    assert len(subsets(10)) == 1023
    with pytest.raises(ValueError, match="no subset"):
        subsets(0)


def test_sampled_subsets_hold_the_full_set_leave_one_outs_and_singles():
    chosen = sampled_subsets(14, 200, seed=3)
    assert chosen[0] == tuple(range(14))
    assert set(combinations(range(14), 13)) <= set(chosen)
    assert set(combinations(range(14), 1)) <= set(chosen)
    assert 150 < len(chosen) <= 200
    assert len(set(chosen)) == len(chosen)
    assert chosen == sorted(chosen, key=lambda s: (-len(s), s))
    assert chosen == sampled_subsets(14, 200, seed=3) != sampled_subsets(14, 200, seed=4)


def test_subsets_are_sampled_above_the_limit_only():
    assert not plan_subsets(10).sampled
    assert plan_subsets(11).sampled
    assert set(sampled_subsets(3, 100, 0)) == set(subsets(3))
    assert plan_subsets(12, count=5).permutations  # never fewer than one pair


def test_a_subset_scores_a_window_with_what_is_present_of_it():
    model, present, found = ask()
    for row, kept in enumerate(found.kept):
        keep = np.zeros_like(present)
        keep[:, list(kept)] = present[:, list(kept)]
        something = keep.any(axis=1)
        assert np.isnan(found.probabilities[row, ~something]).all()
        expected = model(keep)[something]
        np.testing.assert_allclose(found.probabilities[row, something], expected, atol=1e-6)
    assert found.probabilities.dtype == np.float32
    assert (found.classes() == -1).sum() == np.isnan(found.probabilities[..., 0]).sum()


def test_the_model_is_asked_once_per_distinct_mask():
    present = np.ones((5, 3), dtype=bool)
    present[:, 1] = False  # never recorded: 7 subsets, 3 distinct masks, one of them empty
    model, _, found = ask(5, 3, present=present)
    assert len(model.calls) == 3
    assert np.isnan(found.probabilities[found.kept.index((1,))]).all()
    assert (found.probabilities[0] == found.probabilities[found.kept.index((0, 2))]).all()


def test_answers_and_plans_of_the_wrong_shape_are_refused():
    present = np.ones((2, 2), dtype=bool)
    with pytest.raises(ValueError, match="answered"):
        predict_subsets(lambda keep: np.ones((2, 3)), present, 2)
    with pytest.raises(ValueError, match="plan"):
        predict_subsets(lambda keep: np.ones((2, 2)), present, 2, plan_subsets(3))


def test_pooled_folds_are_the_windows_one_after_the_other():
    _, _, found = ask(10)
    again = pool([found.select(np.arange(4)), found.select(np.arange(10) >= 4)])
    np.testing.assert_array_equal(again.probabilities, found.probabilities)
    np.testing.assert_array_equal(again.present, found.present)
    with pytest.raises(ValueError, match="different subsets"):
        pool([found, ask(10, 3)[2]])
    with pytest.raises(ValueError, match="nothing"):
        pool([])


def brute_fragility(model, present, w):
    have = [m for m in range(present.shape[1]) if present[w, m]]
    if not have:
        return np.nan

    def of(kept):
        keep = np.zeros_like(present)
        keep[w, list(kept)] = True
        return model(keep)[w].argmax()

    proper = [s for size in range(1, len(have)) for s in combinations(have, size)]
    return np.mean([of(s) != of(have) for s in proper]) if proper else 0.0


@given(seed=st.integers(0, 500), n_modalities=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_fragility_is_the_share_of_proper_subsets_with_another_class(seed, n_modalities):
    model, present, found = ask(6, n_modalities, seed=seed)
    got = fragility(found)
    expected = [brute_fragility(model, present, w) for w in range(6)]
    np.testing.assert_allclose(got, expected, atol=1e-6)
    defined = got[np.isfinite(got)]
    assert ((defined >= 0) & (defined <= 1)).all()
    assert (got[present.sum(axis=1) == 1] == 0).all()


def brute_shapley(model, present, shares, w):
    """Mean marginal contribution over all orders of the present modalities."""
    have = [m for m in range(present.shape[1]) if present[w, m]]
    values = np.full(present.shape[1], np.nan)
    if not have:
        return values

    def probabilities(kept):
        keep = np.zeros_like(present)
        keep[w, list(kept)] = True
        return model(keep)[w]

    c = probabilities(have).argmax()
    values[have] = 0.0
    orders = list(permutations(have))
    for order in orders:
        before = shares[c]
        for k, m in enumerate(order):
            now = probabilities(order[: k + 1])[c]
            values[m] += (now - before) / len(orders)
            before = now
    return values


@given(seed=st.integers(0, 500), n_modalities=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_shapley_values_are_mean_marginal_contributions_over_all_orders(seed, n_modalities):
    model, present, found = ask(5, n_modalities, seed=seed)
    shares = np.array([0.5, 0.3, 0.2])
    got = shapley(found, shares)
    expected = np.array([brute_shapley(model, present, shares, w) for w in range(5)])
    np.testing.assert_allclose(got, expected, atol=2e-6)


@given(
    seed=st.integers(0, 500),
    n_modalities=st.integers(1, 7),
    exact=st.booleans(),
    per_window=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_shapley_values_add_up_to_what_all_modalities_add(seed, n_modalities, exact, per_window):
    plan = plan_subsets(n_modalities, exact_limit=10 if exact else 0, count=40, seed=seed)
    _, present, found = ask(8, n_modalities, seed=seed, plan=plan)
    shares = np.random.default_rng(seed).dirichlet(np.ones(3), size=8)
    shares = shares if per_window else shares[0]
    values = shapley(found, shares)
    some = present.any(axis=1)
    given_class = found.full[some].argmax(axis=1)
    base = np.broadcast_to(shares, (8, 3))[some][np.arange(some.sum()), given_class]
    np.testing.assert_allclose(
        np.nansum(values[some], axis=1), found.full[some].max(axis=1) - base, atol=2e-6
    )
    np.testing.assert_array_equal(np.isnan(values), ~present)


def test_modalities_that_do_the_same_have_the_same_shapley_value_and_idle_ones_none():
    def model(keep):
        p = np.where(keep[:, 0] & keep[:, 1], 0.9, np.where(keep[:, 0] | keep[:, 1], 0.6, 0.5))
        return np.stack([p, 1 - p], axis=1)

    found = predict_subsets(model, np.ones((2, 3), dtype=bool), 2)
    values = shapley(found, np.array([0.5, 0.5]))
    # v: nothing .5, one of the two .6, both .9; each of them gets half of .4, the third nothing.
    np.testing.assert_allclose(values, [[0.2, 0.2, 0.0]] * 2, atol=1e-6)


def test_sampled_shapley_values_approach_the_exact_ones():
    present = random_present(6, 8, share=0.9)
    model, _, exact = ask(6, 8, present=present)
    plan = plan_subsets(8, exact_limit=5, count=200, seed=0)
    sampled = predict_subsets(model, present, 3, plan)
    shares = np.full(3, 1 / 3)
    assert plan.sampled
    difference = shapley(sampled, shares) - shapley(exact, shares)
    assert np.nanmax(np.abs(difference)) < 0.12
    assert np.nanmax(np.abs(fragility(sampled) - fragility(exact))) < 0.35


def test_the_report_agrees_with_scores_of_every_subset_by_scikit_learn():
    _, _, found = ask(200, 3, seed=2)
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(200) < 0.6, np.maximum(found.classes()[0], 0), 1)
    labels[::10] = -1
    subjects = np.array([f"s{k % 5}" for k in range(200)])
    values = shapley(found, np.full(3, 1 / 3))
    report = robustness_report(
        found,
        ["ecg", "acc", "eda"],
        labels=labels,
        subjects=subjects,
        shapley_values=values,
        fragilities=fragility(found),
    )
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    labelled = labels >= 0
    classes = found.classes()
    for row, entry in enumerate(report["subsets"]):
        scored = labelled & (classes[row] >= 0)
        assert entry["windows"] == scored.sum()
        assert entry["left_out"] == (labelled & (classes[row] < 0)).sum()
        truth, predicted = labels[scored], classes[row, scored]
        assert entry["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))
        assert entry["balanced_accuracy"] == pytest.approx(
            balanced_accuracy_score(truth, predicted)
        )
        assert entry["agreement"] == pytest.approx((predicted == classes[0, scored]).mean())
        assert entry["ci95"][0] <= entry["macro_f1"] <= entry["ci95"][1]
    rows = report["subsets"]
    assert [e["kept"] for e in rows[:3]] == [["ecg", "acc", "eda"], ["ecg", "acc"], ["ecg", "eda"]]
    assert rows[0]["agreement"] == 1.0
    assert report["mean_macro_f1"] == pytest.approx(np.mean([e["macro_f1"] for e in rows]))
    worst = report["worst_single_removal"]
    lowest = min(rows[1:4], key=lambda e: e["macro_f1"])
    assert worst["removed"] not in lowest["kept"]
    assert worst["macro_f1"] == lowest["macro_f1"]
    assert worst["drop"] == pytest.approx(rows[0]["macro_f1"] - lowest["macro_f1"])
    row = rows.index(lowest)
    same = labelled & (classes[row] >= 0)
    assert worst["drop_same_windows"] == pytest.approx(
        f1_score(labels[same], classes[0, same], average="macro") - lowest["macro_f1"]
    )
    assert report["shapley"]["acc"] == pytest.approx(np.nanmean(values[:, 1]), abs=1e-6)
    assert report["shapley_absolute"]["acc"] >= abs(report["shapley"]["acc"])
    assert report["shapley_windows"]["acc"] == found.present[:, 1].sum()
    path = report["least_loss_path"]
    assert [len(step["kept"]) for step in path] == [2, 1]
    assert path[0]["macro_f1"] == max(e["macro_f1"] for e in rows[1:4])
    assert report["sampled"] is False


def test_without_labels_agreement_is_still_given():
    _, present, found = ask(30, 3)
    for labels in (None, np.full(30, -1)):
        report = robustness_report(found, ["a", "b", "c"], labels=labels)
        assert report["mean_macro_f1"] is None
        assert report["worst_single_removal"]["removed"] is None
        assert all(e["macro_f1"] is None for e in report["subsets"])
        assert all(0 <= e["agreement"] <= 1 for e in report["subsets"])
        assert report["subsets"][0]["windows"] == present.any(axis=1).sum()
        assert report["left_out"] == (~present.any(axis=1)).sum()
        assert report["shapley"] == {"a": None, "b": None, "c": None}
        assert len(report["least_loss_path"]) == 2


def test_a_study_with_one_modality_has_no_removal_and_no_fragility():
    present = np.array([[True], [True], [False]])
    _, _, found = ask(3, 1, present=present)
    labels = found.classes()[0].clip(0)
    values = shapley(found, np.full(3, 1 / 3))
    report = robustness_report(found, ["ecg"], labels=labels, shapley_values=values)
    assert [e["kept"] for e in report["subsets"]] == [["ecg"]]
    assert report["mean_macro_f1"] == 1.0
    assert report["worst_single_removal"] == {
        "removed": None,
        "macro_f1": None,
        "drop": None,
        "drop_same_windows": None,
    }
    assert report["least_loss_path"] == []
    assert report["left_out"] == 1
    np.testing.assert_array_equal(fragility(found), np.array([0, 0, np.nan], dtype=np.float32))


def test_no_window_at_all_gives_a_report_of_nones():
    found = predict_subsets(lambda keep: np.empty((0, 2)), np.empty((0, 2), dtype=bool), 2)
    report = robustness_report(found, ["a", "b"], fragilities=fragility(found))
    assert report["mean_fragility"] is None
    assert report["subsets"][0] == {
        "kept": ["a", "b"],
        "windows": 0,
        "left_out": 0,
        "macro_f1": None,
        "balanced_accuracy": None,
        "agreement": None,
        "ci95": None,
    }
    with pytest.raises(ValueError, match="names"):
        robustness_report(found, ["a"])


@given(seed=st.integers(0, 200))
@settings(max_examples=10, deadline=None)
def test_the_order_of_windows_does_not_matter(seed):
    _, _, found = ask(20, 3, seed=seed)
    order = np.random.default_rng(seed).permutation(20)
    shares = np.full(3, 1 / 3)
    np.testing.assert_array_equal(fragility(found)[order], fragility(found.select(order)))
    np.testing.assert_allclose(
        shapley(found, shares)[order], shapley(found.select(order), shares), atol=1e-6
    )


def test_shapley_adds_up_where_an_absent_modality_changes_the_neighbours():
    # As with a context head: subsets that differ in an absent modality alone differ all the same.
    rng = np.random.default_rng(3)
    present = random_present(30, 4, seed=3)

    def predict(keep):
        values = rng.random((len(keep), 3)) + 0.01
        return values / values.sum(axis=1, keepdims=True)

    predictions = predict_subsets(predict, present, 3)
    shares = np.array([0.5, 0.3, 0.2])
    values = shapley(predictions, shares)
    for row in np.flatnonzero(present.any(axis=1)):
        chosen = predictions.full[row].argmax()
        expected = predictions.full[row, chosen] - shares[chosen]
        assert np.nansum(values[row]) == pytest.approx(expected, abs=1e-5)
