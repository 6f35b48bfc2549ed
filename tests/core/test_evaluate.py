"""Figures against hand-computed cases and scikit-learn."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn import metrics

from core.evaluate import (
    BudgetRun,
    as_json,
    bootstrap,
    bootstrap_weights,
    calibrate,
    fit_temperature,
    predicted_classes,
    reliability,
    score,
    subject_confusions,
    summarise_label_efficiency,
)

CLASSES = ("wake", "light", "deep", "rem")


def random_case(seed, n=200, n_classes=4, n_subjects=6):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    logits = rng.normal(size=(n, n_classes))
    logits[np.arange(n), labels] += 1.0
    subjects = np.array([f"s{k}" for k in rng.integers(0, n_subjects, n)])
    return labels, calibrate(logits, 1.0), subjects


@pytest.mark.parametrize("seed", range(5))
def test_figures_agree_with_scikit_learn(seed):
    labels, probabilities, subjects = random_case(seed)
    predicted = probabilities.argmax(axis=1)
    found = score(labels, subjects, CLASSES, probabilities=probabilities)
    assert found.macro_f1 == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
    assert found.balanced_accuracy == pytest.approx(
        metrics.balanced_accuracy_score(labels, predicted)
    )
    assert found.accuracy == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert found.cohen_kappa == pytest.approx(metrics.cohen_kappa_score(labels, predicted))
    assert found.confusion == metrics.confusion_matrix(labels, predicted).tolist()
    precision, recall, f1, support = metrics.precision_recall_fscore_support(labels, predicted)
    for c, name in enumerate(CLASSES):
        own = found.per_class[name]
        assert (own.precision, own.recall, own.f1) == pytest.approx(
            (precision[c], recall[c], f1[c])
        )
        assert own.support == support[c]
    for name, own in found.per_subject.items():
        of = subjects == name
        assert own.accuracy == pytest.approx((labels[of] == predicted[of]).mean())
        assert own.macro_f1 == pytest.approx(
            metrics.f1_score(
                labels[of], predicted[of], average="macro", labels=np.unique(labels[of])
            )
        )
    assert found.macro_f1_subject_sd == pytest.approx(
        np.std([s.macro_f1 for s in found.per_subject.values()], ddof=1)
    )


def test_a_small_case_by_hand():
    # wake: 2 right of 3, light: 1 right of 1 and one false alarm, deep and rem never occur.
    found = score(
        np.array([0, 0, 0, 1, -1, 1]),
        ["a", "a", "b", "b", "b", "b"],
        CLASSES,
        predicted=np.array([0, 0, 1, 1, 2, -1]),
    )
    assert (found.windows, found.left_out, found.unlabelled) == (4, 1, 1)
    assert found.per_class["wake"].f1 == pytest.approx(2 * 2 / 5)
    assert found.per_class["light"].f1 == pytest.approx(2 / 3)
    assert found.per_class["deep"].f1 is None
    assert found.macro_f1 == pytest.approx((0.8 + 2 / 3) / 2)
    assert found.accuracy == 0.75
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert found.ece is None
    assert found.per_subject["a"].macro_f1 == 1.0
    assert found.per_subject["b"].windows == 2


def test_a_class_predicted_but_never_true_counts_with_f1_zero_as_in_scikit_learn():
    labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    found = score(labels, list("aabb"), CLASSES, predicted=predicted)
    assert found.per_class["deep"].f1 == 0.0
    assert found.per_class["deep"].recall is None
    assert found.macro_f1 == pytest.approx(
        metrics.f1_score(labels, predicted, average="macro", zero_division=0)
    )
    assert found.per_class["rem"].f1 is None


def test_without_labels_every_figure_is_none_and_the_result_is_json():
    probabilities = np.full((3, 4), 0.25, dtype=np.float32)
    found = score(np.full(3, -1), list("abc"), CLASSES, probabilities=probabilities)
    for figure in ("macro_f1", "balanced_accuracy", "accuracy", "cohen_kappa", "ece", "ci95"):
        assert getattr(found, figure) is None
    assert found.unlabelled == 3
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["per_subject"] == {}
    assert score(np.empty(0, int), [], CLASSES, predicted=np.empty(0, int)).macro_f1 is None


def test_one_class_only_has_no_kappa():
    found = score(np.zeros(4, int), list("aabb"), CLASSES, predicted=np.zeros(4, int))
    assert found.cohen_kappa is None
    assert found.macro_f1 == 1.0


def test_windows_without_probabilities_are_left_out_not_called_wrong():
    probabilities = np.array([[0.9, 0.1], [np.nan, np.nan], [0.2, 0.8]])
    assert predicted_classes(probabilities).tolist() == [0, -1, 1]
    found = score(np.array([0, 0, 1]), list("abc"), ("x", "y"), probabilities=probabilities)
    assert (found.accuracy, found.left_out, found.windows) == (1.0, 1, 2)
    assert list(found.per_subject) == ["a", "c"]


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="needs"):
        score(np.array([0]), ["a"], CLASSES)
    with pytest.raises(ValueError, match="shape"):
        score(np.array([0]), ["a"], CLASSES, probabilities=np.ones((1, 3)))
    with pytest.raises(ValueError, match="length"):
        score(np.array([0]), ["a", "b"], CLASSES, predicted=np.array([0]))
    with pytest.raises(ValueError, match="beyond"):
        score(np.array([4]), ["a"], CLASSES, predicted=np.array([0]))


def test_to_dict_is_plain_json():
    labels, probabilities, subjects = random_case(0)
    found = score(labels, subjects, CLASSES, probabilities=probabilities).to_dict()
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again == found
    assert isinstance(found["ci95"], list)
    assert as_json({"a": np.float32(np.nan), "b": (np.int64(3), np.bool_(True))}) == {
        "a": None,
        "b": [3, True],
    }


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_order_of_windows_does_not_matter(seed):
    labels, probabilities, subjects = random_case(seed, n=60)
    order = np.random.default_rng(seed).permutation(60)
    kwargs = {"classes": CLASSES, "resamples": 50}
    first = score(labels, subjects, probabilities=probabilities, **kwargs).to_dict()
    second = score(
        labels[order], subjects[order], probabilities=probabilities[order], **kwargs
    ).to_dict()
    assert first["ece"] == pytest.approx(second["ece"])
    for result in (first, second):
        del result["reliability"], result["ece"]
    assert first == second


def test_the_bootstrap_is_the_one_that_draws_subjects_with_replacement():
    labels, probabilities, subjects = random_case(3)
    predicted = probabilities.argmax(axis=1)
    names, confusions = subject_confusions(labels, predicted, subjects, 4)
    fast = bootstrap(confusions, seed=0, resamples=60)
    slow = []
    for times_drawn in bootstrap_weights(len(names), seed=0, resamples=60):
        windows = np.concatenate(
            [
                np.flatnonzero(subjects == name).repeat(int(times))
                for name, times in zip(names, times_drawn, strict=True)
            ]
        )
        slow.append(metrics.f1_score(labels[windows], predicted[windows], average="macro"))
    assert fast["macro_f1"] == pytest.approx(tuple(np.percentile(slow, [2.5, 97.5])))
    assert (bootstrap_weights(6, seed=1).sum(axis=1) == 6).all()
    assert bootstrap_weights(6, seed=1).mean(axis=0) == pytest.approx(np.ones(6), abs=0.15)
    assert bootstrap(confusions, seed=0) == bootstrap(confusions, seed=0)
    assert bootstrap(confusions[:1])["macro_f1"] is None


def test_calibration_error_by_hand():
    # 0.95 and 0.99 share a bin: mean confidence 0.97, half are right; 0.55 is alone and right.
    probabilities = np.array([[0.95, 0.05], [0.01, 0.99], [0.55, 0.45]])
    found = score(np.array([0, 0, 0]), list("abc"), ("x", "y"), probabilities=probabilities)
    assert found.ece == pytest.approx((2 * abs(0.5 - 0.97) + abs(1 - 0.55)) / 3)
    filled = [b for b in found.reliability if b.windows]
    assert [b.windows for b in filled] == [1, 2]
    assert len(found.reliability) == 15


def test_bin_edges_belong_to_the_bin_below():
    bins = reliability(np.array([0.0, 0.2, 0.4, 1.0]), np.array([1, 1, 0, 1]), bins=5)
    assert [b.windows for b in bins] == [2, 1, 0, 0, 1]


def test_temperature_is_recovered_from_overconfident_logits():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20000, 4)) * 2
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    assert fit_temperature(logits * 3, labels) == pytest.approx(3.0, rel=0.05)
    assert fit_temperature(logits / 4, labels) == pytest.approx(0.25, rel=0.05)


@pytest.mark.parametrize("n", [1, 2, 5, 200])
def test_perfectly_separated_windows_keep_a_sane_temperature(n):
    labels = np.arange(n) % 2
    logits = np.where(labels[:, None] == np.arange(2), 2.0, -2.0)
    temperature = fit_temperature(logits, labels)
    assert 0.05 <= temperature <= 20.0
    sure = float(calibrate(logits, temperature)[0, labels[0]])
    assert sure == pytest.approx((n + 1) / (n + 2), abs=0.01)


def test_temperature_without_usable_windows_is_one():
    assert fit_temperature(np.empty((0, 3)), np.empty(0, int)) == 1.0
    assert fit_temperature(np.array([[1.0, 2.0]]), np.array([-1])) == 1.0
    assert fit_temperature(np.array([[np.nan, 2.0]]), np.array([0])) == 1.0
    assert fit_temperature(np.zeros((5, 3)), np.zeros(5, int)) == 1.0


@given(seed=st.integers(0, 1000), n=st.integers(1, 12), scale=st.floats(1e-3, 1e3))
@settings(max_examples=50, deadline=None)
def test_temperature_stays_in_its_bounds_and_keeps_the_class(seed, n, scale):
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(n, 3)) * scale, rng.integers(0, 3, n)
    temperature = fit_temperature(logits, labels)
    assert 0.05 - 1e-9 <= temperature <= 20.0 + 1e-9
    sharp = log_softmax(logits / temperature, axis=1)
    assert (sharp.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_label_efficiency_is_mean_and_sample_deviation_over_draws():
    runs = []
    for seed, wrong in enumerate((0, 2, 4)):
        labels = np.tile([0, 1], 10)
        predicted = labels.copy()
        predicted[:wrong] = 1 - predicted[:wrong]
        evaluation = score(labels, ["a"] * 20, ("x", "y"), predicted=predicted)
        runs.append(BudgetRun(0.05, seed, 4 + seed, evaluation))
    runs.append(BudgetRun(1.0, 0, 20, runs[0].evaluation))
    low, full = summarise_label_efficiency(reversed(runs))
    assert (low["share"], low["seeds"], low["labels"]) == (0.05, [0, 1, 2], 5.0)
    assert low["accuracy"] == pytest.approx(0.9)
    assert low["accuracy_sd"] == pytest.approx(0.1)
    assert low["ece"] is None
    assert full["macro_f1"] == 1.0
    assert full["macro_f1_sd"] is None
