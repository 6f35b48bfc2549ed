"""All guesses about a new study at once, from recordings that were found to a complete proposal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.config import ColumnLabels, LabelsConfig, RecordingsConfig
from core.errors import CrosslError, DataError
from core.find_recordings import FoundRecording
from core.guess_channels import (
    ChannelRow,
    ModalitiesChoice,
    ModalitiesGuess,
    ModalityFit,
    WindowsGuess,
    channel_table,
    fit_modalities,
    guess_modalities,
    guess_windows,
)
from core.guess_labels import (
    NO_LABELS,
    LabelCounts,
    LabelsGuess,
    SchemeGuess,
    guess_labels,
    guess_scheme,
    label_counts,
    offered_columns,
)
from core.look_into import LOOK_INTO, OpenedRecordings, open_some
from core.progress import RunContext


@dataclass(frozen=True)
class StudyGuess:
    """What some of the recordings tell about a study.

    Attributes
    ----------
    channels: every channel that is none of labels.
    fit: what the guessed modalities find; None where there are none.
    columns: names of columns and signals that could hold labels.
    problem: why nothing could be guessed, in words.
    """

    opened: OpenedRecordings
    channels: tuple[ChannelRow, ...] = ()
    modalities: ModalitiesGuess | None = None
    fit: ModalityFit | None = None
    labels: LabelsGuess = NO_LABELS
    counts: LabelCounts | None = None
    scheme: SchemeGuess | None = None
    windows: WindowsGuess | None = None
    columns: tuple[str, ...] = ()
    problem: str = ""


def guess_study(
    found: Sequence[FoundRecording],
    config: RecordingsConfig,
    root: Path,
    context: RunContext | None = None,
    most: int | None = LOOK_INTO,
) -> StudyGuess:
    """Open some recordings and guess everything that a study needs.

    What a user can act on is a `problem`, not an error.
    """
    context = context or RunContext()
    opened = open_some(found, config, context, most)
    if not opened.opened:
        reason = opened.failed[0][1] if opened.failed else "None of them is complete."
        return StudyGuess(opened, problem=f"No recording can be opened. {reason}")
    recordings = opened.recordings
    hint: ModalitiesChoice | None
    try:
        hint = guess_modalities(recordings).modalities
    except DataError:
        hint = None
    labels = guess_labels(opened, root, hint, context)
    columns = offered_columns(*opened.opened[0])
    left_out = label_channels(labels.labels)
    context.step("grouping channels")
    try:
        modalities = guess_modalities(recordings, left_out)
        fit = fit_modalities(modalities.modalities, recordings)
    except DataError as error:
        channels = channel_table(recordings, left_out)
        return StudyGuess(opened, channels, labels=labels, columns=columns, problem=str(error))
    labels, counts = _counted(opened, labels, root, config, context)
    choice = modalities.modalities
    classes = counts.classes if counts is not None else ()
    scheme = guess_scheme(classes, labels.labels, choice, labels.epoch_s)
    windows = guess_windows(
        choice,
        fit.settled,
        labels.epoch_s,
        labels.labels,
        [recording.duration_s for recording in recordings],
    )
    return StudyGuess(
        opened, channel_table(recordings, left_out), modalities, fit, labels, counts, scheme,
        windows, columns,
    )  # fmt: skip


def label_channels(labels: LabelsConfig | None) -> tuple[str, ...]:
    """Labels of channels that are none, since labels are read from them."""
    return (labels.column,) if isinstance(labels, ColumnLabels) else ()


def _counted(
    opened: OpenedRecordings,
    guess: LabelsGuess,
    root: Path,
    config: RecordingsConfig,
    context: RunContext,
) -> tuple[LabelsGuess, LabelCounts | None]:
    """The texts of guessed labels; a guess that cannot be read after all is none."""
    if guess.labels is None:
        return guess, None
    key_map = {**guess.key_map, **config.key_map}
    try:
        counts = label_counts(
            opened, guess.labels, root, config.model_copy(update={"key_map": key_map}), context
        )
    except CrosslError as error:
        reason = f"Labels were found, but they cannot be read: {error}"
        return LabelsGuess(None, reason), None
    return guess, counts
