"""The labels that one rater gave one recording, and what an edit does to them.

Times are whole nanoseconds from the recording's start, so that an epoch ends exactly where the
next one begins. Nothing here is changed in place: an edit is a `Change`, labels taken away and
labels put in, which can be made, reversed and kept. The window and the study file work with the
same changes.
"""

from __future__ import annotations

import secrets
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np

from core.label_scheme import ClassKind
from core.label_set import Label

NS = 1_000_000_000
Source = Literal["human", "imported", "model"]
SOURCES: tuple[Source, ...] = ("human", "imported", "model")


def to_ns(seconds: float) -> int:
    """Seconds as whole nanoseconds."""
    return round(seconds * NS)


def to_s(nanoseconds: int) -> float:
    """Nanoseconds as seconds."""
    return nanoseconds / NS


def new_id() -> int:
    """An id for a label or an edit: random, so that labels made without the study file keep
    theirs."""
    return secrets.randbits(62) + 1


@dataclass(frozen=True)
class StudyLabel:
    """One label of one rater.

    Attributes
    ----------
    start_ns, end_ns: from the recording's start; equal for marks.
    class_name, kind: a state excludes other states; events may overlap; marks are moments.
    modality: the one modality that an event is about; empty for the whole recording.
    source: who said it: a person, a file, or a model whose prediction was accepted.
    confidence: of a model or a file, 0 to 1; None where unknown.
    """

    id: int
    start_ns: int
    end_ns: int
    class_name: str
    kind: ClassKind = "state"
    modality: str = ""
    source: Source = "human"
    confidence: float | None = None

    @property
    def start_s(self) -> float:
        return to_s(self.start_ns)

    @property
    def end_s(self) -> float:
        return to_s(self.end_ns)


@dataclass(frozen=True)
class Stretch:
    """A stretch of time that is to have one state; see `StudyLabel` for the fields."""

    start_ns: int
    end_ns: int
    class_name: str
    source: Source = "human"
    confidence: float | None = None


@dataclass(frozen=True)
class Change:
    """Labels taken away and labels put in: one step of an edit."""

    removed: tuple[StudyLabel, ...] = ()
    added: tuple[StudyLabel, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.removed or self.added)

    @property
    def reversed(self) -> Change:
        return Change(self.added, self.removed)

    @property
    def span_ns(self) -> tuple[int, int]:
        """The stretch of time that the change touches."""
        both = (*self.removed, *self.added)
        return min(label.start_ns for label in both), max(label.end_ns for label in both)


@dataclass(frozen=True)
class RecordingLabels:
    """All labels of one rater in one recording, in order of time; states do not overlap."""

    states: tuple[StudyLabel, ...] = ()
    events: tuple[StudyLabel, ...] = ()
    marks: tuple[StudyLabel, ...] = ()

    def __len__(self) -> int:
        return len(self.states) + len(self.events) + len(self.marks)

    def __iter__(self) -> Iterator[StudyLabel]:
        yield from self.states
        yield from self.events
        yield from self.marks

    @cached_property
    def state_starts_ns(self) -> np.ndarray:
        """int64 (states,)."""
        return np.array([label.start_ns for label in self.states], np.int64)

    @cached_property
    def state_ends_ns(self) -> np.ndarray:
        """int64 (states,)."""
        return np.array([label.end_ns for label in self.states], np.int64)

    def state_codes(self, classes: Sequence[str]) -> np.ndarray:
        """Place of each state's class in `classes`, int64 (states,); -1 for other classes."""
        numbers = {name: number for number, name in enumerate(classes)}
        return np.array([numbers.get(label.class_name, -1) for label in self.states], np.int64)

    def states_in(self, start_ns: int, end_ns: int) -> tuple[StudyLabel, ...]:
        """States that overlap a stretch, found by bisection: there may be tens of thousands."""
        if end_ns <= start_ns:
            return ()
        first = bisect_right(self.states, start_ns, key=_end)
        last = bisect_left(self.states, end_ns, key=_start)
        return self.states[first:last]

    def state_at(self, time_ns: int) -> StudyLabel | None:
        found = self.states_in(time_ns, time_ns + 1)
        return found[0] if found else None

    def find(self, label_id: int) -> StudyLabel | None:
        """An event or a mark by its id."""
        return next((x for x in (*self.events, *self.marks) if x.id == label_id), None)

    def apply(self, change: Change) -> RecordingLabels:
        """The labels after a change. Raises ValueError where the change does not fit them, which
        is a mistake of the program."""
        for label in change.added:
            if label.end_ns < label.start_ns + (label.kind == "state"):
                raise ValueError("a label would end before it starts")
        states = _spliced_states(self.states, change)
        events = _spliced(self.events, change, "event")
        marks = _spliced(self.marks, change, "mark")
        return RecordingLabels(states, events, marks)

    # -- edits

    def painted(
        self,
        start_ns: int,
        end_ns: int,
        class_name: str | None,
        source: Source = "human",
        confidence: float | None = None,
        epoch_ns: int | None = None,
        offset_ns: int = 0,
    ) -> Change:
        """The change that gives a stretch one state, or none for None; an empty stretch, nothing.

        States that reach beyond the stretch keep what lies outside. With `epoch_ns` the stretch
        becomes one label per epoch of that grid, so that epochs can later be told apart.
        """
        if end_ns <= start_ns:
            return Change()
        touched = self.states_in(start_ns, end_ns)
        added: list[StudyLabel] = []
        for label in touched:
            if label.start_ns < start_ns:
                added.append(replace(label, id=new_id(), end_ns=start_ns))
            if label.end_ns > end_ns:
                added.append(replace(label, id=new_id(), start_ns=end_ns))
        if class_name is not None:
            for a, b in _cut(start_ns, end_ns, epoch_ns, offset_ns):
                added.append(
                    StudyLabel(new_id(), a, b, class_name, "state", "", source, confidence)
                )
        if _same(touched, added):
            return Change()
        return Change(touched, tuple(sorted(added, key=_start)))

    def painted_all(self, stretches: Sequence[Stretch]) -> Change:
        """The change that gives each of several stretches its state, as one step."""
        after = self
        for stretch in stretches:
            after = after.apply(
                after.painted(
                    stretch.start_ns,
                    stretch.end_ns,
                    stretch.class_name,
                    stretch.source,
                    stretch.confidence,
                )
            )
        before = {label.id for label in self.states}
        kept = {label.id for label in after.states}
        return Change(
            tuple(label for label in self.states if label.id not in kept),
            tuple(label for label in after.states if label.id not in before),
        )

    def with_event(
        self,
        start_ns: int,
        end_ns: int,
        class_name: str,
        modality: str = "",
        source: Source = "human",
    ) -> Change:
        """The change that adds an event."""
        label = StudyLabel(new_id(), start_ns, end_ns, class_name, "event", modality, source)
        return Change((), (label,))

    def with_mark(self, time_ns: int, class_name: str, source: Source = "human") -> Change:
        """The change that sets a mark, or moves it: there is one of each class."""
        before = tuple(mark for mark in self.marks if mark.class_name == class_name)
        if len(before) == 1 and before[0].start_ns == time_ns:
            return Change()
        label = StudyLabel(new_id(), time_ns, time_ns, class_name, "mark", "", source)
        return Change(before, (label,))

    def without(self, label_id: int) -> Change:
        """The change that takes an event or a mark away."""
        label = self.find(label_id)
        return Change((label,), ()) if label is not None else Change()

    def moved(self, label_id: int, start_ns: int, end_ns: int) -> Change:
        """The change that gives an event new edges."""
        label = self.find(label_id)
        if label is None or (label.start_ns, label.end_ns) == (start_ns, end_ns):
            return Change()
        return Change((label,), (replace(label, start_ns=start_ns, end_ns=end_ns),))

    def renamed(self, label_id: int, class_name: str) -> Change:
        """The change that gives an event another class."""
        label = self.find(label_id)
        if label is None or label.class_name == class_name:
            return Change()
        return Change((label,), (replace(label, class_name=class_name),))

    # -- looking

    def labelled_ns(self) -> int:
        """How long the states last together."""
        return int((self.state_ends_ns - self.state_starts_ns).sum()) if self.states else 0

    def free_stretches(self, start_ns: int, end_ns: int) -> list[tuple[int, int]]:
        """Stretches without any state, between two times."""
        free = []
        place = start_ns
        for label in self.states_in(start_ns, end_ns):
            if label.start_ns > place:
                free.append((place, label.start_ns))
            place = max(place, label.end_ns)
        if place < end_ns:
            free.append((place, end_ns))
        return free

    def to_label_set_labels(self, rater: str = "") -> list[Label]:
        """As files exchange them, in order of onset."""
        labels = [
            Label(
                label.start_s,
                to_s(label.end_ns - label.start_ns),
                label.class_name,
                channel=label.modality,
                rater=rater,
                confidence=label.confidence,
            )
            for label in self
        ]
        return sorted(labels, key=lambda label: label.onset_s)


def make_recording_labels(labels: Iterable[StudyLabel]) -> RecordingLabels:
    """Sorted by time; ValueError where states overlap."""
    return RecordingLabels().apply(Change((), tuple(labels)))


# ---------------------------------------------------------------- grid


@dataclass(frozen=True)
class EpochGrid:
    """The epochs of a recording: whole ones from `offset_ns` on, within the recording.

    The last epoch may reach beyond the recording's end, when at least half of it is recorded.
    """

    epoch_ns: int
    offset_ns: int
    epochs: int

    def span(self, epoch: int) -> tuple[int, int]:
        """Start and end of an epoch in nanoseconds."""
        start = self.offset_ns + epoch * self.epoch_ns
        return start, start + self.epoch_ns

    def at(self, time_ns: int) -> int:
        """The epoch that a time lies in; the first or last for times outside."""
        return min(max((time_ns - self.offset_ns) // self.epoch_ns, 0), max(self.epochs - 1, 0))


def make_grid(duration_s: float, epoch_s: float, offset_s: float = 0.0) -> EpochGrid:
    """The grid of a recording; ValueError for a length that is no length."""
    epoch_ns, offset_ns = to_ns(epoch_s), to_ns(offset_s)
    if epoch_ns <= 0:
        raise ValueError("an epoch needs a length")
    whole, rest = divmod(max(to_ns(duration_s) - offset_ns, 0), epoch_ns)
    return EpochGrid(epoch_ns, offset_ns, int(whole + (2 * rest >= epoch_ns)))


# ---------------------------------------------------------------- parts


def _start(label: StudyLabel) -> int:
    return label.start_ns


def _end(label: StudyLabel) -> int:
    return label.end_ns


def _order(label: StudyLabel) -> tuple[int, int, int]:
    # With the id, so that the same labels stand in the same order however they came.
    return label.start_ns, label.end_ns, label.id


def _spliced(
    labels: Sequence[StudyLabel], change: Change, kind: ClassKind
) -> tuple[StudyLabel, ...]:
    removed = {label.id: label for label in change.removed if label.kind == kind}
    added = [label for label in change.added if label.kind == kind]
    if not removed and not added:
        return tuple(labels)
    kept = [label for label in labels if removed.get(label.id) != label]
    if len(kept) != len(labels) - len(removed):
        raise ValueError("a label to be taken away is not there")
    return tuple(sorted((*kept, *added), key=_order))


def _spliced_states(states: tuple[StudyLabel, ...], change: Change) -> tuple[StudyLabel, ...]:
    """Only the neighbourhood of the change is looked at: there may be tens of thousands."""
    both = [label for label in (*change.removed, *change.added) if label.kind == "state"]
    if not both:
        return states
    first = bisect_right(states, min(label.start_ns for label in both), key=_end)
    last = bisect_left(states, max(label.end_ns for label in both), key=_start)
    middle = _spliced(states[first:last], change, "state")
    around = (*states[max(first - 1, 0) : first], *middle, *states[last : last + 1])
    if any(a.end_ns > b.start_ns for a, b in pairwise(around)):
        raise ValueError("two states would overlap")
    return (*states[:first], *middle, *states[last:])


def _cut(start_ns: int, end_ns: int, epoch_ns: int | None, offset_ns: int) -> list[tuple[int, int]]:
    if epoch_ns is None:
        return [(start_ns, end_ns)]
    first = (start_ns - offset_ns) // epoch_ns + 1
    edges = [start_ns]
    edge = offset_ns + first * epoch_ns
    while edge < end_ns:
        edges.append(edge)
        edge += epoch_ns
    edges.append(end_ns)
    return list(pairwise(edges))


def _same(before: Sequence[StudyLabel], after: Sequence[StudyLabel]) -> bool:
    """Whether two lists of labels say the same, whatever their ids."""
    return len(before) == len(after) and [
        replace(label, id=0) for label in sorted(before, key=_start)
    ] == [replace(label, id=0) for label in sorted(after, key=_start)]
