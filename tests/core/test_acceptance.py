"""Accepted predictions become labels of epochs that carry the model as their source."""

from __future__ import annotations

import numpy as np
import pytest

from core.acceptance import epochs_predicted, stretches_of
from core.study_labels import NS, RecordingLabels, StudyLabel, make_grid, make_recording_labels
from core.window_view import WindowView

CLASSES = ("rest", "walk")


def view_of(starts_s: list[float], length_s: float, walk: list[float], **more) -> WindowView:
    """Windows with this probability of 'walk'; NaN where nothing is present."""
    starts = np.array(starts_s)
    ends = starts + length_s
    ends[:-1] = np.minimum(ends[:-1], starts[1:])
    second = np.array(walk, np.float32)
    probabilities = np.stack([1 - second, second], axis=1)
    count = len(starts)
    return WindowView(
        starts_s=starts,
        ends_s=ends,
        length_s=length_s,
        classes=CLASSES,
        modalities=("acc",),
        probabilities=probabilities,
        full=np.where(np.isnan(second), -1, second > 0.5).astype(int),
        labels=np.full(count, -1),
        present=~np.isnan(second)[:, None],
        fragility=np.zeros(count, np.float32),
        shapley=np.zeros((count, 1), np.float32),
        held_out=np.ones(count, bool),
        kept=(0,),
        **more,
    )


def test_an_epoch_has_the_class_that_covers_most_of_it() -> None:
    view = view_of([0, 4, 8, 12, 16], 4, [0.1, 0.8, 0.9, 0.2, 0.4])
    codes, confidence = epochs_predicted(view, make_grid(20, 10))
    assert codes.tolist() == [1, 0]
    assert confidence[0] == pytest.approx((4 * 0.8 + 2 * 0.9) / 6)
    assert confidence[1] == pytest.approx((4 * 0.8 + 4 * 0.6) / 8)


def test_nothing_is_said_where_windows_cover_less_than_half() -> None:
    view = view_of([0, 4, 8], 4, [0.1, np.nan, np.nan])
    assert epochs_predicted(view, make_grid(20, 10))[0].tolist() == [-1, -1]


def test_unsure_windows_are_not_accepted() -> None:
    view = view_of([0, 10], 10, [0.45, 0.95], threshold=0.7)
    assert epochs_predicted(view, make_grid(20, 10))[0].tolist() == [-1, 1]


def test_epochs_may_be_shorter_than_windows_and_start_later() -> None:
    view = view_of([0, 10], 10, [0.1, 0.9])
    codes, _ = epochs_predicted(view, make_grid(20, 4, 2))
    assert codes.tolist() == [0, 0, 1, 1, 1]


def test_accepted_labels_carry_model_and_confidence_and_leave_the_rest_alone() -> None:
    view = view_of([0, 10, 20], 10, [0.1, 0.9, 0.8])
    grid = make_grid(30, 10)
    old = StudyLabel(7, 0, 10 * NS, "walk", "state", "")
    labels = make_recording_labels([old])
    stretches = stretches_of(view, grid, [1, 2], CLASSES)
    after = labels.apply(labels.painted_all(stretches))
    assert [(s.class_name, s.source) for s in after.states] == [
        ("walk", "human"),
        ("walk", "model"),
        ("walk", "model"),
    ]
    assert after.states[1].confidence == pytest.approx(0.9)
    assert after.states[0] is old


def test_one_change_takes_all_accepted_labels_back() -> None:
    view = view_of([0, 10, 20], 10, [0.1, 0.9, 0.8])
    labels = make_recording_labels([StudyLabel(7, 5 * NS, 15 * NS, "walk", "state", "")])
    change = labels.painted_all(stretches_of(view, make_grid(30, 10), range(3), CLASSES))
    after = labels.apply(change)
    assert len(after.states) == 3
    assert after.apply(change.reversed) == labels


def test_classes_that_the_scheme_has_lost_are_left_out() -> None:
    view = view_of([0, 10], 10, [0.1, 0.9])
    assert [s.class_name for s in stretches_of(view, make_grid(20, 10), range(2), ("rest",))] == [
        "rest"
    ]


def test_without_epochs_or_windows_there_is_nothing_to_accept() -> None:
    assert RecordingLabels().painted_all([]).added == ()
    empty = view_of([], 4, [])
    assert epochs_predicted(empty, make_grid(20, 10))[0].tolist() == [-1, -1]
