"""Opponents on hand-made features."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from threadpoolctl import threadpool_limits

from core import opponents
from core.errors import DataError
from core.features import FeatureTable
from core.opponents import (
    FEATURE_OPPONENTS,
    adapt_to_person,
    dedicated,
    fill_in_subsets,
    fit,
    fit_predict,
    predict_filled_in,
)
from core.progress import Cancelled, RunContext

LEARNERS = [kind for kind in FEATURE_OPPONENTS if kind != "majority"]


def blobs(n=120, n_classes=3, seed=0):
    """Two modalities of three features each; the second is noisier. Rows: values, labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    centres = np.random.default_rng(99).normal(size=(n_classes, 6)) * 4
    values = centres[labels] + rng.normal(size=(n, 6)) * np.array([1, 1, 1, 3, 3, 3])
    table = FeatureTable(
        values=values.astype(np.float32),
        names=tuple(f"m{k // 3}.f{k % 3}" for k in range(6)),
        modality=np.array([0, 0, 0, 1, 1, 1]),
        modalities=("m0", "m1"),
    )
    return table, labels


def accuracy(probabilities, labels):
    return (probabilities.argmax(axis=1) == labels).mean()


@pytest.mark.parametrize("kind", LEARNERS)
def test_learners_learn_and_give_probabilities(kind):
    table, labels = blobs()
    found = fit_predict(kind, table.values[:60], labels[:60], table.values[60:], 3, trees=50)
    assert found.shape == (60, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert accuracy(found, labels[60:]) > 0.8


@pytest.mark.parametrize("kind", ["random_forest", "logistic_regression"])
def test_the_same_seed_gives_the_same_result_on_any_number_of_cores(kind):
    table, labels = blobs()
    x, y = table.values, labels
    first = fit_predict(kind, x[:60], y[:60], x[60:], 3, seed=4, trees=30, n_jobs=1)
    second = fit_predict(kind, x[:60], y[:60], x[60:], 3, seed=4, trees=30, n_jobs=2)
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_majority_gives_the_shares_of_the_training_labels():
    labels = np.array([0, 0, 0, 2, -1])
    found = fit_predict("majority", np.zeros((5, 2)), labels, np.zeros((3, 2)), 3)
    np.testing.assert_allclose(found, [[0.75, 0, 0.25]] * 3)


@pytest.mark.parametrize("kind", LEARNERS)
@pytest.mark.parametrize("per_class", [1, 2])
def test_a_handful_of_labels_is_enough_to_run(kind, per_class):
    table, labels = blobs()
    train = np.arange(3 * per_class)
    found = fit_predict(kind, table.values[train], labels[train], table.values, 4, trees=30)
    assert np.isfinite(found).all()
    assert (found[:, 3] == 0).all()  # a class that training never saw


@pytest.mark.parametrize("kind", FEATURE_OPPONENTS)
def test_one_class_only_is_always_predicted_and_this_is_said(kind):
    fitted = fit(kind, np.zeros((4, 2)), np.array([1, 1, -1, 1]), 3)
    np.testing.assert_array_equal(fitted.predict(np.zeros((2, 2))), [[0, 1, 0]] * 2)
    assert bool(fitted.notes) == (kind != "majority")


def test_no_label_at_all_is_refused_with_a_sentence():
    with pytest.raises(DataError, match="no labels"):
        fit("random_forest", np.zeros((2, 2)), np.array([-1, -1]), 3)
    with pytest.raises(ValueError, match="no such opponent"):
        fit("oracle", np.zeros((2, 2)), np.array([0, 1]), 2)


@pytest.mark.parametrize("kind", LEARNERS)
def test_missing_and_constant_features_are_filled_with_the_training_mean(kind):
    table, labels = blobs()
    values = table.values.copy()
    values[::7, 2] = np.nan
    values = np.column_stack([values, np.full(len(values), np.nan), np.full(len(values), 1e6)])
    fitted = fit(kind, values[:90], labels[:90], 3, trees=30)
    column = values[:90, 2]
    assert fitted.fill[2] == pytest.approx(np.nanmean(column), rel=1e-5)
    hole, filled = values[90:].copy(), values[90:].copy()
    hole[:, 2] = np.nan
    filled[:, 2] = fitted.fill[2]
    np.testing.assert_allclose(fitted.predict(hole), fitted.predict(filled), atol=1e-6)


def test_means_may_come_from_unlabelled_training_windows():
    table, labels = blobs()
    fitted = fit(
        "logistic_regression",
        table.values[:10],
        labels[:10],
        3,
        reference_features=table.values[:90],
    )
    np.testing.assert_allclose(fitted.fill, table.values[:90].mean(axis=0), rtol=1e-4, atol=1e-5)


def test_a_removed_modality_is_filled_in():
    table, labels = blobs()
    fitted = fit("logistic_regression", table.values[:60], labels[:60], 3)
    test = np.arange(60, 120)
    everything = predict_filled_in(fitted, table, test, [0, 1])
    np.testing.assert_allclose(everything, fitted.predict(table.values[test]), atol=1e-6)
    one = predict_filled_in(fitted, table, test, [1])
    values = table.values[test].copy()
    values[:, :3] = fitted.fill[:3]
    np.testing.assert_allclose(one, fitted.predict(values), atol=1e-6)
    subsets = fill_in_subsets(fitted, table, test, np.ones((60, 2), dtype=bool))
    assert subsets.kept == ((0, 1), (0,), (1,))
    np.testing.assert_allclose(subsets.probabilities[2], one, atol=1e-6)


def test_dedicated_opponents_see_their_own_modalities_only():
    table, labels = blobs()
    train, test = np.arange(60), np.arange(60, 120)
    first = dedicated("logistic_regression", table, labels, train, test, [0], 3)
    changed = FeatureTable(table.values.copy(), table.names, table.modality, table.modalities)
    changed.values[:, 3:] = 1e3
    second = dedicated("logistic_regression", changed, labels, train, test, [0], 3)
    np.testing.assert_array_equal(first, second)
    assert accuracy(first, labels[test]) > 0.8


def test_windows_without_the_modality_are_left_out_by_dedicated_opponents():
    table, labels = blobs()
    table.values[::5, 3:] = np.nan
    train, test = np.arange(60), np.arange(60, 120)
    found = dedicated("logistic_regression", table, labels, train, test, [1], 3)
    np.testing.assert_array_equal(np.isnan(found).all(axis=1), test % 5 == 0)
    filled = predict_filled_in(
        fit("majority", table.values[train], labels[train], 3), table, test, [1]
    )
    np.testing.assert_array_equal(np.isnan(filled).all(axis=1), test % 5 == 0)
    table.values[:, 3:] = np.nan
    with pytest.raises(DataError, match="m1"):
        dedicated("random_forest", table, labels, train, test, [1], 3)


def test_adapting_to_the_person_scales_within_each_subject():
    rng = np.random.default_rng(0)
    subjects = np.repeat(["a", "b"], 50)
    values = rng.normal(size=(100, 3)) + np.where(subjects == "a", 0, 100)[:, None]
    values[:, 2] = 5.0
    values[3, 0] = np.nan
    found = adapt_to_person(values, subjects)
    for name in "ab":
        own = found[subjects == name]
        np.testing.assert_allclose(np.nanmean(own[:, :2], axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(np.nanstd(own[:, :2], axis=0), 1, atol=1e-5)
    assert (found[:, 2] == 0).all()
    assert np.isnan(found[3, 0])


def all_at_once(kind, fitted, values, labels, seed):
    """The library's own training with the same settings: every tree in one call."""
    settings = {
        name: value
        for name, value in fitted.model.get_params().items()
        if name not in ("warm_start", "early_stopping", "validation_fraction", "scoring")
        and name != "n_iter_no_change"
    }
    if kind == "random_forest":
        return RandomForestClassifier(**settings).fit(values, labels)
    return HistGradientBoostingClassifier(**settings, early_stopping=False).fit(values, labels)


@pytest.mark.parametrize("kind", ["random_forest", "gradient_boosting"])
@pytest.mark.parametrize("slowness", [1e-6, 1e6], ids=["in long steps", "tree by tree"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_trees_grown_in_steps_are_those_of_one_call_bit_for_bit(
    kind, slowness, n_classes, monkeypatch
):
    monkeypatch.setattr(opponents, "STEP_S", 1 / slowness)
    monkeypatch.setattr(opponents, "PREDICTED_AT_ONCE", 7)
    table, labels = blobs(150, n_classes)
    fitted = fit(kind, table.values, labels, n_classes, seed=5, trees=23, n_jobs=2)
    ready = np.clip((table.values.astype(np.float64) - fitted.fill) / fitted.scale, -50, 50)
    with threadpool_limits(limits=1):
        expected = all_at_once(kind, fitted, ready, labels, 5).predict_proba(ready)
    np.testing.assert_array_equal(fitted.predict(table.values), expected.astype(np.float32))


@pytest.mark.parametrize("kind", ["random_forest", "gradient_boosting"])
def test_a_training_can_be_stopped_between_any_two_steps(kind, monkeypatch):
    monkeypatch.setattr(opponents, "STEP_S", 0.0)  # as few trees at a time as can be
    table, labels = blobs()
    looks = []

    def asked(limit):
        looks.clear()
        return RunContext(should_stop=lambda: looks.append(1) or len(looks) > limit)

    fit_predict(kind, table.values, labels, table.values, 3, trees=12, context=asked(10**6))
    total = len(looks)
    assert total > 12
    for limit in (0, 1, total // 2, total - 1):
        with pytest.raises(Cancelled):
            fit_predict(kind, table.values, labels, table.values, 3, trees=12, context=asked(limit))
        assert len(looks) == limit + 1


@pytest.mark.parametrize("kind", FEATURE_OPPONENTS)
def test_every_opponent_asks_whether_to_stop(kind):
    table, labels = blobs()
    looks = []
    context = RunContext(should_stop=lambda: bool(looks.append(1)))
    fit_predict(kind, table.values, labels, table.values, 3, trees=5, context=context)
    assert bool(looks) == (kind != "majority")  # which takes no time


def test_the_next_step_aims_at_the_time_between_looks():
    step = opponents._next_step
    assert step(4, opponents.STEP_S / 2, 2) == 8
    assert step(4, opponents.STEP_S * 100, 2) == 2
    assert step(4, 1e-9, 3) == 15
    assert step(7, opponents.STEP_S, 1) == 7
