"""What holds for the labels of a recording whatever is done to them, against a plain model: one
entry per tick of time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.study_labels import (
    NS,
    Change,
    RecordingLabels,
    StudyLabel,
    make_grid,
    make_recording_labels,
    new_id,
    to_ns,
    to_s,
)

TICKS = 40
CLASSES = ("W", "N1", "N2")
TICK = st.integers(0, TICKS)
STRETCH = st.tuples(TICK, TICK)
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("paint"), STRETCH, st.sampled_from((*CLASSES, None))),
        st.tuples(st.just("cut"), STRETCH, st.sampled_from(CLASSES), st.integers(1, 9), TICK),
        st.tuples(st.just("event"), STRETCH, st.sampled_from(("Arousal", "Apnea"))),
        st.tuples(st.just("mark"), TICK, st.sampled_from(("off", "on"))),
        st.tuples(st.just("move"), st.integers(0, 9), STRETCH),
        st.tuples(st.just("rename"), st.integers(0, 9), st.sampled_from(("Arousal", "Apnea"))),
        st.tuples(st.just("remove"), st.integers(0, 9)),
        st.tuples(st.just("undo")),
        st.tuples(st.just("redo")),
    ),
    max_size=30,
)
QUICK = settings(deadline=None, max_examples=200)


@dataclass
class Walk:
    """Labels with their history, and beside them the class of every tick."""

    labels: RecordingLabels = field(default_factory=RecordingLabels)
    ticks: tuple[str | None, ...] = (None,) * TICKS
    done: list[tuple[Change, tuple[str | None, ...]]] = field(default_factory=list)
    undone: list[tuple[Change, tuple[str | None, ...]]] = field(default_factory=list)

    def step(self, edit: tuple) -> None:
        if edit[0] == "undo":
            if self.done:
                change, ticks = self.done.pop()
                self.undone.append((change, self.ticks))
                self.labels, self.ticks = self.labels.apply(change.reversed), ticks
            return
        if edit[0] == "redo":
            if self.undone:
                change, ticks = self.undone.pop()
                self.done.append((change, self.ticks))
                self.labels, self.ticks = self.labels.apply(change), ticks
            return
        change, ticks = self.change(edit)
        if change:
            self.done.append((change, self.ticks))
            self.undone.clear()
            self.labels, self.ticks = self.labels.apply(change), ticks
        else:
            assert ticks == self.ticks

    def change(self, edit: tuple) -> tuple[Change, tuple[str | None, ...]]:
        labels = self.labels
        kind = edit[0]
        if kind in ("paint", "cut"):
            start, end = edit[1]
            ticks = self.ticks
            if start < end:
                ticks = (*ticks[:start], *[edit[2]] * (end - start), *ticks[end:])
            if kind == "paint":
                return labels.painted(start, end, edit[2]), ticks
            return labels.painted(start, end, edit[2], epoch_ns=edit[3], offset_ns=edit[4]), ticks
        if kind == "event":
            return labels.with_event(*sorted(edit[1]), edit[2]), self.ticks
        if kind == "mark":
            return labels.with_mark(edit[1], edit[2]), self.ticks
        others = (*labels.events, *labels.marks)
        if not others:
            return labels.without(-1), self.ticks
        chosen = others[edit[1] % len(others)]
        if kind == "remove":
            return labels.without(chosen.id), self.ticks
        if chosen.kind == "mark":
            return Change(), self.ticks
        if kind == "move":
            return labels.moved(chosen.id, *sorted(edit[2])), self.ticks
        return labels.renamed(chosen.id, edit[2]), self.ticks


def look_at_everything(labels: RecordingLabels, ticks: tuple[str | None, ...]) -> None:
    ends = [0, *(label.end_ns for label in labels.states)]
    for before, label in zip(ends, labels.states, strict=False):
        assert before <= label.start_ns < label.end_ns
    for group in (labels.events, labels.marks):
        assert list(group) == sorted(
            group, key=lambda label: (label.start_ns, label.end_ns, label.id)
        )
    assert all(label.kind == "state" for label in labels.states)
    assert len({label.id for label in labels}) == len(labels)
    assert len({mark.class_name for mark in labels.marks}) == len(labels.marks)
    for tick, name in enumerate(ticks):
        found = labels.state_at(tick)
        assert (found.class_name if found else None) == name
    assert labels.labelled_ns() == sum(name is not None for name in ticks)
    assert make_recording_labels(reversed(list(labels))) == labels


@given(EDITS)
@QUICK
def test_states_never_overlap_and_say_what_was_painted(edits: list[tuple]) -> None:
    walk = Walk()
    for edit in edits:
        walk.step(edit)
        look_at_everything(walk.labels, walk.ticks)


@given(EDITS)
@QUICK
def test_every_change_is_taken_back_exactly(edits: list[tuple]) -> None:
    walk = Walk()
    for edit in edits:
        before = walk.labels
        done = len(walk.done)
        walk.step(edit)
        if len(walk.done) > done:
            change = walk.done[-1][0]
            assert walk.labels.apply(change.reversed) == before
            assert walk.labels.apply(change.reversed).apply(change) == walk.labels
    while walk.done:
        walk.step(("undo",))
    assert walk.labels == RecordingLabels()


@given(EDITS, STRETCH, st.sampled_from((*CLASSES, None)))
@QUICK
def test_painting_leaves_all_that_lies_outside(
    edits: list[tuple], stretch: tuple[int, int], name: str | None
) -> None:
    walk = Walk()
    for edit in edits:
        walk.step(edit)
    start, end = stretch
    before = walk.labels
    after = before.apply(before.painted(start, end, name, "model", 0.5))
    assert after.events == before.events
    assert after.marks == before.marks
    for label in before.states:
        if label.end_ns <= min(start, end) or label.start_ns >= max(start, end):
            assert label in after.states
    for a, b in ((0, min(start, end)), (max(start, end), TICKS)):
        for tick in range(a, b):
            one, other = before.state_at(tick), after.state_at(tick)
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                told = ("class_name", "source", "confidence", "modality")
                assert [getattr(one, t) for t in told] == [getattr(other, t) for t in told]


@given(EDITS, STRETCH)
@QUICK
def test_states_and_free_stretches_tile_the_time(
    edits: list[tuple], stretch: tuple[int, int]
) -> None:
    walk = Walk()
    for edit in edits:
        walk.step(edit)
    start, end = sorted(stretch)
    free = walk.labels.free_stretches(start, end)
    taken = [
        (max(label.start_ns, start), min(label.end_ns, end))
        for label in walk.labels.states_in(start, end)
    ]
    place = start
    for a, b in sorted([*free, *taken]):
        assert a == place
        assert b > a
        place = b
    assert place == end


@given(STRETCH, st.integers(1, 9), TICK)
@QUICK
def test_epochs_are_cut_where_the_grid_says(
    stretch: tuple[int, int], epoch: int, offset: int
) -> None:
    start, end = stretch
    change = RecordingLabels().painted(start, end, "W", epoch_ns=epoch, offset_ns=offset)
    edges = [label.start_ns for label in change.added] + [label.end_ns for label in change.added]
    inner = {edge for edge in edges if edge not in (start, end)}
    grid = {tick for tick in range(start + 1, end) if (tick - offset) % epoch == 0}
    assert inner == grid
    if start < end:
        assert min(edges) == start
        assert max(edges) == end
    else:
        assert not change


def test_painting_what_is_there_already_changes_nothing() -> None:
    labels = make_recording_labels([StudyLabel(1, 0, 30, "W"), StudyLabel(2, 30, 60, "W")])
    assert not labels.painted(0, 60, "W", epoch_ns=30)
    assert labels.painted(0, 60, "W")  # one label in place of two
    assert not RecordingLabels().painted(0, 60, None)
    # A model's label that a person confirms is another label.
    assert labels.apply(labels.painted(0, 30, "W", "model", 0.9)).painted(0, 30, "W")


def test_a_change_that_does_not_fit_is_refused_and_changes_nothing() -> None:
    labels = make_recording_labels([StudyLabel(1, 0, 30, "W")])
    for change, why in (
        (Change((StudyLabel(2, 0, 30, "W"),)), "not there"),
        (Change((StudyLabel(1, 0, 29, "W"),)), "not there"),
        (Change((StudyLabel(3, 5, 9, "x", "event"),)), "not there"),
        (Change((), (StudyLabel(2, 29, 40, "W"),)), "overlap"),
        (Change((), (StudyLabel(2, 10, 20, "W"),)), "overlap"),
        (Change((), (StudyLabel(2, -9, 60, "W"),)), "overlap"),
        (Change((), (StudyLabel(2, 40, 60, "W"), StudyLabel(3, 50, 70, "W"))), "overlap"),
        (Change((), (StudyLabel(2, 40, 40, "W"),)), "end before"),
        (Change((), (StudyLabel(2, 40, 30, "x", "event"),)), "end before"),
    ):
        with pytest.raises(ValueError, match=why):
            labels.apply(change)
    assert labels.states == (StudyLabel(1, 0, 30, "W"),)


def test_events_may_overlap_and_a_mark_moves() -> None:
    labels = RecordingLabels()
    for start, end in ((0, 10), (5, 8), (0, 10)):
        labels = labels.apply(labels.with_event(start, end, "Arousal", "eeg"))
    assert len(labels.events) == 3
    for moment in (4, 9):
        labels = labels.apply(labels.with_mark(moment, "Lights off"))
    assert [(m.start_ns, m.end_ns) for m in labels.marks] == [(9, 9)]
    assert not labels.with_mark(9, "Lights off")
    assert not labels.renamed(labels.events[0].id, "Arousal")
    assert not labels.moved(labels.events[1].id, 0, 10)
    assert labels.find(labels.marks[0].id) == labels.marks[0]


def test_a_change_knows_the_time_that_it_touches() -> None:
    change = Change((StudyLabel(1, 5, 30, "W"),), (StudyLabel(2, 2, 9, "x", "event"),))
    assert change.span_ns == (2, 30)
    assert change.reversed.reversed == change
    assert not Change()


def test_codes_follow_the_classes_asked_for() -> None:
    labels = make_recording_labels([StudyLabel(1, 0, 30, "W"), StudyLabel(2, 30, 60, "N9")])
    assert labels.state_codes(["N1", "W"]).tolist() == [1, -1]
    assert RecordingLabels().state_codes(["W"]).dtype == np.int64


def test_labels_leave_in_order_of_onset() -> None:
    labels = RecordingLabels()
    labels = labels.apply(labels.painted(0, 60 * NS, "W", "model", 0.75, 30 * NS))
    labels = labels.apply(labels.with_event(10 * NS, 25 * NS, "Apnea", "flow"))
    labels = labels.apply(labels.with_mark(5 * NS, "Lights off"))
    out = labels.to_label_set_labels("AB")
    assert [(x.onset_s, x.duration_s, x.text) for x in out] == [
        (0.0, 30.0, "W"),
        (5.0, 0.0, "Lights off"),
        (10.0, 15.0, "Apnea"),
        (30.0, 30.0, "W"),
    ]
    assert out[2].channel == "flow"
    assert out[0].confidence == 0.75
    assert {x.rater for x in out} == {"AB"}


@given(st.floats(0, 1e6), st.floats(0.01, 86400), st.floats(0, 1e5))
@QUICK
def test_a_grid_lies_in_the_recording_but_for_half_an_epoch(
    duration_s: float, epoch_s: float, offset_s: float
) -> None:
    grid = make_grid(duration_s, epoch_s, offset_s)
    duration = to_ns(duration_s)
    if grid.epochs:
        assert grid.span(0)[0] == to_ns(offset_s)
        last = grid.span(grid.epochs - 1)
        assert last[1] - duration <= grid.epoch_ns / 2
        assert grid.at(last[0]) == grid.epochs - 1
    assert duration - grid.span(grid.epochs)[0] < grid.epoch_ns / 2
    for epoch in {0, grid.epochs // 2, max(grid.epochs - 1, 0)}:
        start, end = grid.span(epoch)
        assert end == grid.span(epoch + 1)[0]
        assert grid.at(start) == grid.at(end - 1) == epoch
    assert grid.at(-(10**18)) == 0
    assert grid.at(10**18) == max(grid.epochs - 1, 0)


def test_the_rest_of_a_recording_is_an_epoch_from_its_half_on() -> None:
    assert make_grid(3600, 30).epochs == 120
    assert make_grid(3614.9, 30).epochs == 120
    assert make_grid(3615, 30).epochs == 121
    assert make_grid(3615, 30, offset_s=1).epochs == 120
    assert make_grid(10, 30).epochs == 0
    assert make_grid(10, 30, offset_s=100).epochs == 0
    assert make_grid(100, 0.1, offset_s=0.05).span(3) == (350_000_000, 450_000_000)
    with pytest.raises(ValueError, match="length"):
        make_grid(10, 0)


def test_a_third_of_a_second_does_not_drift_apart() -> None:
    grid = make_grid(86400, 1 / 3)
    labels = RecordingLabels()
    for epoch in (0, 1, 2, 100_000, 100_001):
        labels = labels.apply(labels.painted(*grid.span(epoch), "W"))
    assert labels.states[3].end_ns == labels.states[4].start_ns
    assert not labels.free_stretches(*grid.span(100_001))


@given(st.integers(0, 10 * 86400 * NS))
def test_a_nanosecond_survives_seconds_for_ten_days(nanoseconds: int) -> None:
    assert to_ns(to_s(nanoseconds)) == nanoseconds


def test_ids_fit_into_the_file_and_do_not_meet() -> None:
    ids = {new_id() for _ in range(10_000)}
    assert len(ids) == 10_000
    assert all(0 < one < 2**63 for one in ids)


def test_looking_and_painting_do_not_walk_over_all_labels() -> None:
    few = _seconds_per_edit(1_000)
    many = _seconds_per_edit(50_000)
    # A walk over all labels in Python takes some 5 ms more; the copy of the tuple, a tenth of that.
    assert many < few + 0.003


def _seconds_per_edit(states: int) -> float:
    labels = make_recording_labels(
        StudyLabel(n + 1, n * 30, n * 30 + 30, "W") for n in range(states)
    )
    best = float("inf")
    for _ in range(20):
        start = time.perf_counter()
        labels.apply(labels.painted(states * 15, states * 15 + 30, "N2"))
        labels.state_at(states * 15)
        best = min(best, time.perf_counter() - start)
    return best


def test_labels_are_values() -> None:
    label = StudyLabel(1, 0, 30 * NS, "W")
    assert (label.start_s, label.end_s) == (0.0, 30.0)
    assert replace(label, id=2) != label
