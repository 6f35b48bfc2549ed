"""Folds, label budgets and inner splits."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataError
from core.splits import (
    draw_budget,
    folds_by_subject,
    group_folds,
    make_folds,
    validation_subjects,
    windows_of,
)


def test_subject_i_in_the_order_of_names_is_in_fold_i_mod_n():
    names = ["s10", "s02", "s01", "s03", "s02", "s07"]
    assert folds_by_subject(names, 3) == {"s01": 0, "s02": 1, "s03": 2, "s07": 0, "s10": 1}


def test_fewer_subjects_than_folds_leave_one_subject_out():
    assert folds_by_subject(["b", "a", "c"], 5) == {"a": 0, "b": 1, "c": 2}


@pytest.mark.parametrize(
    ("names", "n_folds", "said"),
    [([], 5, "No subject"), (["anna", "anna"], 5, "Only one subject"), (["a", "b"], 1, "2 folds")],
)
def test_what_cannot_be_split_is_refused_with_a_sentence(names, n_folds, said):
    with pytest.raises(DataError, match=said):
        folds_by_subject(names, n_folds)


def test_every_labelled_subject_is_tested_once_and_never_in_its_own_training():
    folds = make_folds(list("abcdefg"), 3, unlabelled_subjects=["x"])
    assert sorted(s for f in folds for s in f.test_subjects) == list("abcdefg")
    for fold in folds:
        assert not set(fold.test_subjects) & set(fold.train_subjects + fold.pretrain_subjects)
        assert "x" in fold.pretrain_subjects
        assert "x" not in fold.train_subjects


def test_locked_subjects_are_the_only_test_set_and_never_seen_before():
    (fold,) = make_folds(list("abcd"), 3, locked=["b", "y"], unlabelled_subjects=["x", "y"])
    assert fold.is_locked
    assert fold.test_subjects == ("b",)
    assert fold.train_subjects == ("a", "c", "d")
    assert fold.pretrain_subjects == ("a", "c", "d", "x")


def test_folds_beside_locked_subjects_never_hold_them():
    folds = make_folds(list("abcde"), 2, locked=["b"], folds_beside_locked=True)
    assert [f.name for f in folds] == ["0", "1", "locked"]
    for fold in folds[:2]:
        seen = fold.train_subjects + fold.test_subjects + fold.pretrain_subjects
        assert "b" not in seen
    (alone,) = make_folds(["a", "b"], 2, locked=["b"], folds_beside_locked=True)
    assert alone.is_locked


@pytest.mark.parametrize(
    ("locked", "said"),
    [
        (["s1"], r"'s1' \(did you mean 's01'\?\)"),
        (["u"], "None of the locked"),
        (["s01", "s02"], "none is left to train"),
    ],
)
def test_locked_names_that_make_no_test_set_are_refused(locked, said):
    with pytest.raises(DataError, match=said):
        make_folds(["s01", "s02"], 2, locked=locked, unlabelled_subjects=["u"])


def test_windows_of_a_fold_are_found_by_subject():
    subjects = ["a", "b", "a", "c"]
    assert windows_of(subjects, ["a", "c"]).tolist() == [0, 2, 3]
    fold = make_folds(["a", "b", "c"], 3)[1]
    assert fold.test_windows(subjects).tolist() == [1]
    assert fold.train_windows(subjects).tolist() == [0, 2, 3]
    assert fold.pretrain_windows(subjects).tolist() == [0, 2, 3]


labels_strategy = st.lists(st.integers(-1, 3), min_size=1, max_size=80).map(np.array)


@given(labels=labels_strategy, share=st.floats(0.01, 1.0), seed=st.integers(0, 50))
def test_a_budget_holds_the_share_of_each_class_but_at_least_two_windows(labels, share, seed):
    train = np.arange(0, len(labels), 2)
    drawn = draw_budget(labels, train, share, seed, n_classes=4)
    assert np.isin(drawn, train).all()
    assert (np.diff(drawn) > 0).all()
    for c in range(4):
        available = int((labels[train] == c).sum())
        wanted = max(2, int(share * available + 0.5))
        assert (labels[drawn] == c).sum() == min(wanted, available)
    assert not (labels[drawn] == -1).any()


@given(labels=labels_strategy, seed=st.integers(0, 50))
def test_larger_budgets_contain_smaller_ones_and_everything_is_all_labelled(labels, seed):
    train = np.arange(len(labels))
    draws = [set(draw_budget(labels, train, s, seed, 4).tolist()) for s in (0.05, 0.3, 1.0)]
    assert draws[0] <= draws[1] <= draws[2] == set(np.flatnonzero(labels >= 0).tolist())


def test_budgets_depend_on_seed_and_fold_alone():
    labels = np.arange(300) % 3
    train = np.arange(300)
    np.random.seed(1)
    first = draw_budget(labels, train, 0.1, 0, 3)
    np.random.seed(2)
    state = np.random.get_state()[1].copy()
    assert draw_budget(labels, train[::-1], 0.1, 0, 3).tolist() == first.tolist()
    assert (np.random.get_state()[1] == state).all()
    assert draw_budget(labels, train, 0.1, 1, 3).tolist() != first.tolist()
    assert draw_budget(labels, train, 0.1, 0, 3, fold=1).tolist() != first.tolist()


def test_a_budget_outside_zero_to_one_is_refused():
    with pytest.raises(ValueError, match="share"):
        draw_budget(np.array([0, 1]), np.arange(2), 1.5, 0, 2)
    assert draw_budget(np.array([-1]), np.arange(1), 0.5, 0, 0).tolist() == []


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("har_phone_watch", None),
        ("stress_wristband", ["no_stress", "stress"]),
        ("eeg_arithmetic", ["rest", "arithmetic"]),
    ],
)
def test_budgets_are_those_drawn_for_the_published_baselines(shared, name, classes):
    folder = shared / "reference" / "baselines"
    with open(folder / f"{name}_windows.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    drawn = json.loads((folder / f"{name}_budgets.json").read_text(encoding="utf-8"))
    classes = classes or sorted({row["label"] for row in rows})
    labels = np.array([classes.index(row["label"]) for row in rows])
    subjects = [row["subject"] for row in rows]
    for fold in make_folds(subjects, 5):
        train = fold.train_windows(subjects)
        for share in (0.01, 0.05, 0.1):
            for seed in range(3):
                ours = draw_budget(labels, train, share, seed, len(classes), fold=fold.index)
                assert ours.tolist() == drawn[f"{share}_seed{seed}_fold{fold.index}"]


def test_validation_keeps_subjects_apart_and_all_classes_in_training():
    subjects = np.repeat(list("abcde"), 10)
    labels = np.tile([0, 1], 25)
    labels[:10] = 2  # only subject a has class 2, so a must stay in training
    for seed in range(10):
        split = validation_subjects(subjects, subjects, labels, np.arange(50), seed=seed)
        assert split.by == "subject"
        assert split.note is None
        assert not set(subjects[split.train]) & set(subjects[split.validation])
        assert set(labels[split.train]) == {0, 1, 2}
        assert set(labels[split.validation]) == {0, 1}
        assert sorted([*split.train, *split.validation]) == list(range(50))


def test_one_training_subject_is_validated_on_other_recordings_and_this_is_said():
    subjects = np.array(["a"] * 6 + ["b"] * 3)
    recordings = np.array(["r1"] * 3 + ["r2"] * 3 + ["r3"] * 3)
    labels = np.array([0, 1, 0, 1, 0, 1, 0, 1, 0])
    split = validation_subjects(subjects, recordings, labels, np.arange(6))
    assert split.by == "recording"
    assert "one subject" in split.note
    assert set(recordings[split.train]).isdisjoint(recordings[split.validation])
    split = validation_subjects(subjects, recordings, labels, np.arange(3))
    assert (split.by, len(split.validation)) == ("none", 0)
    assert "one recording" in split.note
    with pytest.raises(ValueError, match="share"):
        validation_subjects(subjects, recordings, labels, np.arange(3), share=1.0)


def test_group_folds_hold_each_window_out_once_with_its_whole_group():
    groups = np.array(list("aabbccd"))
    folds = group_folds(groups, np.array([0, 1, 2, 3, 4, 6]), n_folds=3)
    held = np.concatenate([out for _, out in folds])
    assert sorted(held) == [0, 1, 2, 3, 4, 6]
    for train, out in folds:
        assert set(groups[train]).isdisjoint(groups[out])
    assert group_folds(groups, np.array([0, 1])) == []
