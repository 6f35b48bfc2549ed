"""What several raters of a study say together, as the labels of a rater of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from core.agreement import consensus, epoch_codes
from core.errors import StudyError
from core.label_scheme import LabelScheme
from core.study import Edit, Rater, Study, StudyRecording
from core.study_file import now_text
from core.study_labels import (
    Change,
    EpochGrid,
    RecordingLabels,
    StudyLabel,
    make_grid,
    new_id,
    to_s,
)

Tie = Literal["unlabelled", "first"]


def state_codes_on(labels: RecordingLabels, scheme: LabelScheme, grid: EpochGrid) -> np.ndarray:
    """Class of each epoch as its place among the scheme's states, int64 (epochs,); -1 for none."""
    names = [entry.name for entry in scheme.states]
    return epoch_codes(
        labels.state_starts_ns,
        labels.state_ends_ns,
        labels.state_codes(names),
        grid.epoch_ns,
        grid.offset_ns,
        grid.epochs,
    )


def consensus_change(
    labels: Sequence[RecordingLabels],
    scheme: LabelScheme,
    grid: EpochGrid,
    current: RecordingLabels,
    *,
    minimum: int = 2,
    tie: Tie = "unlabelled",
) -> Change:
    """The change that makes `current` the consensus of `labels`, the most trusted rater first.

    Only states are agreed on; events and marks of `current` stay. StudyError for fewer than two.
    """
    if len(labels) < 2:
        raise StudyError("A consensus needs the labels of at least two raters.")
    rows = np.stack([state_codes_on(each, scheme, grid) for each in labels])
    codes = consensus(rows, tie=tie, minimum=minimum)
    names = [entry.name for entry in scheme.states]
    added = tuple(
        StudyLabel(new_id(), *grid.span(epoch), names[code])
        for epoch, code in enumerate(codes.tolist())
        if code >= 0
    )
    before = [(x.start_ns, x.end_ns, x.class_name) for x in current.states]
    if before == [(x.start_ns, x.end_ns, x.class_name) for x in added]:
        return Change()
    return Change(current.states, added)


def keep_consensus(
    study: Study,
    recording: StudyRecording,
    raters: Sequence[Rater],
    name: str,
    *,
    minimum: int = 2,
    tie: Tie = "unlabelled",
) -> int:
    """Write the consensus of some raters, the most trusted first; returns how many epochs it has.

    Raters without labels in this recording have no vote; with fewer than two left, nothing is
    written. Raises StudyError where `name` is one of the raters, or a person, or signed off.
    """
    if name.casefold() in {rater.name.casefold() for rater in raters}:
        raise StudyError(f"'{name}' cannot be both a rater and the consensus; choose another name.")
    scheme = study.scheme
    grid = make_grid(recording.duration_s, scheme.epoch_s, to_s(recording.grid_offset_ns))
    labels = [study.labels(recording.id, rater.id) for rater in raters]
    labels = [each for each in labels if each.states]
    if len(labels) < 2:
        return 0
    holder = study.rater(name, "consensus")
    if holder.kind != "consensus":
        raise StudyError(f"'{holder.name}' is a rater already; give the consensus another name.")
    current = study.labels(recording.id, holder.id)
    change = consensus_change(labels, scheme, grid, current, minimum=minimum, tie=tie)
    if change:
        what = f"consensus of {', '.join(rater.name for rater in raters)}"
        study.write_edit(recording.id, holder.id, Edit(new_id(), what, change, now_text()))
    return len(change.added) if change else len(current.states)
