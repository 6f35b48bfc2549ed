"""Labelling the shown recording: the epoch cursor, the selection, and edits with undo.

The labels are the journal's; views ask here for a change and hear of it by signals. Every edit is
on the disk, or said not to be, when its method returns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from core.errors import StudyError
from core.label_journal import LabelJournal
from core.label_scheme import BAD_SIGNAL, LabelClass, LabelScheme
from core.study_consensus import state_codes_on
from core.study_labels import (
    Change,
    EpochGrid,
    RecordingLabels,
    Source,
    Stretch,
    StudyLabel,
    make_grid,
    to_ns,
    to_s,
)
from ui.label_commands import LabelUndoStack

RETRY_MS = 3000
"""So often is tried to save what the disk refused."""
SHORTEST_EVENT_NS = 1_000_000


@dataclass(frozen=True)
class Selection:
    """A selected stretch; `modality` is the lane it was drawn in, empty for all."""

    start_ns: int
    end_ns: int
    modality: str = ""


class Labelling(QObject):
    """The labels of one rater in the shown recording, and where in it the user is."""

    labels_changed = Signal()
    position_changed = Signal()
    """The epoch cursor or the time cursor moved."""
    selection_changed = Signal()
    event_selected = Signal()
    saved_changed = Signal()
    opened = Signal()
    """Another recording, rater or label scheme."""
    others_changed = Signal()
    refused = Signal(object)
    """A label was asked for where labels are locked; carries the error."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.undo_stack = LabelUndoStack(self)
        self.auto_advance = True
        self._why_not = ""
        self._held = ""
        self._journal: LabelJournal | None = None
        self._scheme: LabelScheme | None = None
        self._grid = EpochGrid(1, 0, 0)
        self._duration_s = 0.0
        self._epoch = 0
        self._time_ns = 0
        self._selection: Selection | None = None
        self._event_id = 0
        self._others: dict[str, RecordingLabels] = {}
        self._codes: dict[str, np.ndarray] = {}
        self._retry = QTimer(self)
        self._retry.setInterval(RETRY_MS)
        self._retry.timeout.connect(self.save)

    # -- what is open

    def open(
        self, journal: LabelJournal | None, scheme: LabelScheme | None, why_not: str = ""
    ) -> None:
        """Label another recording, or as another rater; nothing for None, and `why_not` says why
        where it is not for want of a study."""
        self._why_not = why_not
        self._held = ""
        same = (
            journal is not None
            and self._journal is not None
            and journal.recording.id == self._journal.recording.id
        )
        self._journal = journal
        self._scheme = scheme
        self._others = {}
        self._codes = {}
        self._event_id = 0
        self._retry.stop()
        if journal is not None and scheme is not None:
            recording = journal.recording
            self._duration_s = recording.duration_s
            offset_s = to_s(recording.grid_offset_ns)
            self._grid = make_grid(recording.duration_s, scheme.epoch_s, offset_s)
        else:
            self._grid = EpochGrid(1, 0, 0)
        if not same:
            self._epoch, self._time_ns, self._selection = 0, self._grid.offset_ns, None
        else:  # epochs may have another length now: the place in time stays
            self._epoch = self._grid.at(self._time_ns)
        self.undo_stack.follow(journal)
        self.opened.emit()
        self.labels_changed.emit()
        self.selection_changed.emit()
        self.event_selected.emit()
        self.position_changed.emit()
        self.saved_changed.emit()

    @property
    def journal(self) -> LabelJournal | None:
        return self._journal

    @property
    def scheme(self) -> LabelScheme | None:
        return self._scheme

    @property
    def grid(self) -> EpochGrid:
        return self._grid

    @property
    def labels(self) -> RecordingLabels:
        return self._journal.labels if self._journal is not None else RecordingLabels()

    @property
    def why_locked(self) -> str:
        """Why nothing can be labelled; empty where it can."""
        if self._journal is None:
            return self._why_not or self.tr(
                "To label, open a study, or make one of this recording."
            )
        return self._journal.why_locked

    def hold(self, why: str) -> None:
        """Label nothing for now, for a reason, such as that the recording is about to change under
        the keys; empty to go on. Opening ends it."""
        self._held = why

    @property
    def is_saved(self) -> bool:
        return self._journal is None or self._journal.is_saved

    @property
    def problem(self) -> str:
        """Why edits are in memory alone; empty when all are saved."""
        return self._journal.problem if self._journal is not None else ""

    @property
    def waiting(self) -> int:
        return self._journal.waiting if self._journal is not None else 0

    def save(self) -> bool:
        """Try again to save what the disk refused."""
        if self._journal is None:
            return True
        saved = self._journal.save()
        self._after_writing()
        return saved

    def sign_off(self) -> None:
        """Lock the labels of this rater in this recording."""
        self._sign("sign_off")

    def reopen(self) -> None:
        """Unlock them."""
        self._sign("reopen")

    def _sign(self, step: str) -> None:
        if self._journal is None:
            return
        try:
            getattr(self._journal, step)()
        except StudyError as error:
            self.refused.emit(error)
        self.opened.emit()

    def state_here(self) -> str | None:
        """The class of the epoch under the cursor: what covers most of it, and at least half."""
        start, end = self._grid.span(self._epoch)
        cover: dict[str, int] = {}
        for label in self.labels.states_in(start, end):
            part = min(label.end_ns, end) - max(label.start_ns, start)
            cover[label.class_name] = cover.get(label.class_name, 0) + part
        if 2 * sum(cover.values()) < end - start or not cover:
            return None
        return max(cover, key=lambda name: cover[name])

    # -- other raters

    def set_others(self, others: Mapping[str, RecordingLabels]) -> None:
        """What other raters say of this recording; empty in blinded mode."""
        self._others = dict(others)
        self._codes = {}
        self.others_changed.emit()

    @property
    def others(self) -> dict[str, RecordingLabels]:
        return dict(self._others)

    def codes_of(self, labels: RecordingLabels) -> np.ndarray:
        """Class of each epoch, as its place among the scheme's states; -1 for unlabelled."""
        if self._scheme is None or not self._grid.epochs:
            return np.empty(0, np.int64)
        return state_codes_on(labels, self._scheme, self._grid)

    def disagreements(self) -> np.ndarray:
        """Epochs that this rater and another, or two others, label differently; int64."""
        if not self._others:
            return np.empty(0, np.int64)
        for name, labels in self._others.items():
            if name not in self._codes:
                self._codes[name] = self.codes_of(labels)
        rows = np.stack([self.codes_of(self.labels), *self._codes.values()])
        low = np.where(rows < 0, np.iinfo(np.int64).max, rows).min(axis=0)
        return np.flatnonzero((rows.max(axis=0) > low) & (rows.max(axis=0) >= 0))

    # -- where the user is

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def epoch_span_s(self) -> tuple[float, float]:
        start, end = self._grid.span(self._epoch)
        return to_s(start), to_s(end)

    @property
    def time_s(self) -> float:
        """The time cursor."""
        return to_s(self._time_ns)

    @property
    def selection(self) -> Selection | None:
        return self._selection

    @property
    def event(self) -> StudyLabel | None:
        """The selected event or mark."""
        return self.labels.find(self._event_id) if self._event_id else None

    def go_to(self, epoch: int) -> None:
        """Put the cursor on an epoch."""
        epoch = min(max(epoch, 0), max(self._grid.epochs - 1, 0))
        moved = epoch != self._epoch
        self._epoch = epoch
        self._time_ns = self._grid.span(epoch)[0]
        if self._selection is not None and moved:
            self.select(None)
        self.position_changed.emit()

    def go_to_time(self, time_s: float) -> None:
        """Put the cursors at a time."""
        self._epoch = self._grid.at(to_ns(time_s))
        self._time_ns = min(max(to_ns(time_s), 0), to_ns(self._duration_s))
        self.position_changed.emit()

    def step(self, epochs: int) -> None:
        """Go so many epochs on; an event that was chosen is left alone."""
        self.select_event(0)
        self.go_to(self._epoch + epochs)

    def go_to_end(self) -> None:
        self.go_to(self._grid.epochs - 1)

    def move_time(self, seconds: float) -> None:
        """Move the time cursor; the epoch follows it."""
        self.go_to_time(self.time_s + seconds)

    def select(self, selection: Selection | None) -> None:
        """Select a stretch of time, in order and within the recording; none for None."""
        if selection is not None:
            start, end = sorted((selection.start_ns, selection.end_ns))
            last = max(to_ns(self._duration_s), 0)
            start, end = min(max(start, 0), last), min(max(end, 0), last)
            selection = Selection(start, end, selection.modality) if end > start else None
        if selection != self._selection:
            self._selection = selection
            self.selection_changed.emit()

    def select_epochs(self, first: int, last: int) -> None:
        """Select whole epochs; the cursor goes to the first."""
        first, last = sorted((first, last))
        last = min(last, self._grid.epochs - 1)
        self.go_to(first)
        self.select(Selection(self._grid.span(first)[0], self._grid.span(last)[1]))

    def extend_selection(self, epochs: int) -> None:
        """Make the selection longer, or shorter, by whole epochs; it starts at the cursor."""
        start, end = self._grid.span(self._epoch)
        if self._selection is not None:
            start, end = self._selection.start_ns, self._selection.end_ns
            end = max(end + epochs * self._grid.epoch_ns, start + self._grid.epoch_ns)
        elif epochs < 0:
            start = max(start + epochs * self._grid.epoch_ns, self._grid.offset_ns)
        else:
            end += epochs * self._grid.epoch_ns
        self.select(Selection(start, end, self._selection.modality if self._selection else ""))

    def select_from_cursor(self) -> None:
        """The selection starts at the time cursor."""
        now = self._selection
        end = now.end_ns if now is not None and now.end_ns > self._time_ns else None
        end = end or max(self._grid.span(self._epoch)[1], self._time_ns + SHORTEST_EVENT_NS)
        self.select(Selection(self._time_ns, end, now.modality if now else ""))

    def select_to_cursor(self) -> None:
        """The selection ends at the time cursor."""
        now = self._selection
        start = now.start_ns if now is not None and now.start_ns < self._time_ns else None
        if start is None:
            start = self._grid.span(self._epoch)[0]
            if start >= self._time_ns:
                self._say(self.tr("Nothing of this epoch lies before the time cursor."))
                return
        self.select(Selection(start, self._time_ns, now.modality if now else ""))

    def select_event(self, event_id: int) -> None:
        """Choose an event or a mark; 0 for none."""
        if event_id != self._event_id:
            self._event_id = event_id
            self.event_selected.emit()

    def step_event(self, by: int) -> None:
        """Choose the next event (1) or the one before (-1), and go there."""
        events = sorted((*self.labels.events, *self.labels.marks), key=lambda x: x.start_ns)
        if not events:
            return
        chosen = self.event
        if chosen is not None:
            place = (events.index(chosen) + by) % len(events)
        else:
            later = [k for k, event in enumerate(events) if event.start_ns >= self._time_ns]
            place = (later[0] if later else 0) if by > 0 else (later[0] if later else 0) - 1
        self.select_event(events[place].id)
        self.go_to_time(events[place].start_s)

    # -- states

    def give(self, class_name: str) -> None:
        """What the key of a class does: states label, events and marks are put in."""
        entry = self._class(class_name)
        if entry is None:
            return
        if entry.kind == "state":
            self.label(class_name)
        elif entry.kind == "mark":
            self.set_mark(class_name)
        else:
            self.add_event(class_name)

    def label(self, class_name: str | None, source: Source = "human") -> None:
        """Give the selected epochs, or the one under the cursor, a state; none for None.

        Without a selection the cursor then goes to the next epoch, if `auto_advance`.
        """
        if not self._grid.epochs:
            return
        selection = self._selection
        first = last = self._epoch
        if selection is not None:
            first = self._grid.at(selection.start_ns)
            last = self._grid.at(selection.end_ns - 1)
        if not self.paint(first, last, class_name, source):
            return
        self.select_event(0)
        if selection is not None:
            self.select(None)
            self.go_to(last)
        if self.auto_advance and class_name is not None:
            self.step(1)

    def paint(
        self, first: int, last: int, class_name: str | None, source: Source = "human"
    ) -> bool:
        """Give epochs a state as one step; whether that was allowed."""
        start, end = self._grid.span(first)[0], self._grid.span(last)[1]
        change = self.labels.painted(
            start, end, class_name, source, None, self._grid.epoch_ns, self._grid.offset_ns
        )
        return self._do(change, self._what(class_name, first, last))

    def accept(self, stretches: Sequence[Stretch], what: str) -> bool:
        """Give stretches the states that a model says, as one step; whether that was allowed."""
        return self._do(self.labels.painted_all(stretches), what)

    def fill_to_next(self) -> None:
        """Give the unlabelled epochs from the cursor to the next label the state that comes
        before them, or that the cursor is on."""
        codes = self.codes_of(self.labels)
        if self._scheme is None or not len(codes):
            return
        first = self._epoch
        if codes[first] >= 0:
            code = codes[first]
            first += 1
        else:
            before = np.flatnonzero(codes[:first] >= 0)
            if not len(before):
                self._say(self.tr("There is no label before this epoch to fill with."))
                return
            code = codes[before[-1]]
        free = codes[first:] >= 0
        last = first + (int(np.argmax(free)) if free.any() else len(free)) - 1
        if last < first:
            self._say(self.tr("The next epoch is labelled already."))
            return
        name = self._scheme.states[int(code)].name
        if self.paint(first, last, name):
            self.go_to(last)

    def next_unlabelled(self, by: int = 1) -> bool:
        """Go to the next epoch without a state, or the one before; around the end to the other."""
        free = np.flatnonzero(self.codes_of(self.labels) < 0)
        return self._go_to_one_of(free, by, self.tr("Every epoch is labelled."))

    def next_disagreement(self, by: int = 1) -> bool:
        """Go to the next epoch that raters label differently, or the one before."""
        return self._go_to_one_of(
            self.disagreements(), by, self.tr("There is no disagreement with other raters.")
        )

    def _go_to_one_of(self, epochs: np.ndarray, by: int, nothing: str) -> bool:
        if not len(epochs):
            self._say(nothing)
            return False
        if by > 0:
            later = epochs[epochs > self._epoch]
            self.go_to(int(later[0] if len(later) else epochs[0]))
        else:
            earlier = epochs[epochs < self._epoch]
            self.go_to(int(earlier[-1] if len(earlier) else epochs[-1]))
        return True

    # -- events and marks

    def add_event(self, class_name: str, modality: str | None = None) -> None:
        """Put an event on the selection, or on the epoch under the cursor, and choose it."""
        start, end = self._grid.span(self._epoch)
        end = min(end, to_ns(self._duration_s))
        where = ""
        if self._selection is not None:
            start, end = self._selection.start_ns, self._selection.end_ns
            # A state of the whole body is not about one lane; a bad signal is.
            where = self._selection.modality if class_name == BAD_SIGNAL else ""
        if modality is not None:
            where = modality
        change = self.labels.with_event(start, max(end, start + 1), class_name, where)
        if self._do(change, self.tr("{name} added").format(name=class_name)):
            self.select(None)
            self.select_event(change.added[0].id)

    def move_event(self, event_id: int, start_s: float, end_s: float) -> None:
        """Give an event new edges; it keeps a length."""
        event = self.labels.find(event_id)
        if event is None:
            return
        last = to_ns(self._duration_s)
        start, end = sorted((to_ns(start_s), to_ns(end_s)))
        start, end = min(max(start, 0), last), min(max(end, 0), last)
        if event.kind == "mark":
            end = start
        elif end - start < SHORTEST_EVENT_NS:
            end = start + SHORTEST_EVENT_NS
        change = self.labels.moved(event_id, start, end)
        self._do(change, self.tr("{name} moved").format(name=event.class_name))

    def nudge_event(self, start_s: float, end_s: float) -> bool:
        """Move the edges of the chosen event by so much; whether one is chosen."""
        event = self.event
        if event is None:
            return False
        self.move_event(event.id, event.start_s + start_s, event.end_s + end_s)
        return True

    def rename_event(self, event_id: int, class_name: str) -> None:
        """Give an event another class."""
        self._do(
            self.labels.renamed(event_id, class_name),
            self.tr("event became {name}").format(name=class_name),
        )

    def remove_event(self, event_id: int) -> None:
        """Take an event or a mark away."""
        event = self.labels.find(event_id)
        if event is not None and self._do(
            self.labels.without(event_id), self.tr("{name} removed").format(name=event.class_name)
        ):
            self.select_event(0)

    def set_mark(self, class_name: str) -> None:
        """Put a mark at the time cursor."""
        change = self.labels.with_mark(self._time_ns, class_name)
        self._do(change, self.tr("{name} set").format(name=class_name))

    def clear(self) -> None:
        """Take away what is chosen: the event, or the states of the selection or the epoch."""
        if self.event is not None:
            self.remove_event(self._event_id)
        else:
            self.label(None)

    def absent_stretches(self) -> dict[str, list[tuple[float, float]]]:
        """Stretches in s that are marked as bad signal, by modality; empty text: all."""
        stretches: dict[str, list[tuple[float, float]]] = {}
        for event in self.labels.events:
            if event.class_name == BAD_SIGNAL:
                stretches.setdefault(event.modality, []).append((event.start_s, event.end_s))
        return stretches

    # -- edits

    def do(self, change: Change, what: str) -> bool:
        """Make any change as one step, such as an import; whether that was allowed."""
        return self._do(change, what)

    def undo(self) -> None:
        """Take the last edit back, and go where it was."""
        if self._allowed() and self._journal is not None and self._journal.done:
            change = self._journal.done[-1].change.reversed
            self.undo_stack.undo()
            self._on_stepped(change)

    def redo(self) -> None:
        """Make the edit again that was taken back last, and go where it is."""
        if self._allowed() and self._journal is not None and self._journal.undone:
            change = self._journal.undone[0].change
            self.undo_stack.redo()
            self._on_stepped(change)

    def _do(self, change: Change, what: str) -> bool:
        if not self._allowed():
            return False
        assert self._journal is not None
        edit = self._journal.do(change, what)
        if edit is not None:
            self.undo_stack.take(edit)
            self._after_writing()
            self.labels_changed.emit()
        return True

    def _allowed(self) -> bool:
        locked = self._held or self.why_locked
        if locked:
            self._say(locked)
        return not locked

    def _say(self, text: str) -> None:
        self.refused.emit(StudyError(text))

    def _on_stepped(self, change: Change) -> None:
        """After the stack has stepped: what can be undone next is known only then."""
        self._after_writing()
        if self._event_id and self.event is None:
            self.select_event(0)
        self.labels_changed.emit()
        self.go_to(self._grid.at(change.span_ns[0]))  # where one sees what has become of it

    def _after_writing(self) -> None:
        if self.is_saved:
            self._retry.stop()
        elif not self._retry.isActive():
            self._retry.start()
        self.saved_changed.emit()

    def shut_down(self) -> None:
        """Stop trying to save; before the window closes."""
        self._retry.stop()

    def _class(self, name: str) -> LabelClass | None:
        return self._scheme.find(name) if self._scheme is not None else None

    def _what(self, class_name: str | None, first: int, last: int) -> str:
        where = (
            self.tr("epoch {n}").format(n=first + 1)
            if first == last
            else self.tr("epochs {a} to {b}").format(a=first + 1, b=last + 1)
        )
        if class_name is None:
            return self.tr("{where} cleared").format(where=where)
        return self.tr("{where}: {name}").format(where=where, name=class_name)
