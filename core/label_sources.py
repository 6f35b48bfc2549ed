"""Labels for the recordings of a study, read from wherever they are: files matched by their names,
the recordings' own annotations, a column with a label on every sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from core.config import ColumnLabels
from core.errors import CrosslError, DataError
from core.label_clock import RecordingClock, read_placed_labels
from core.label_files import LabelFormat
from core.label_set import Label, LabelSet, make_label_set, note
from core.labels import LabelReader, LabelTrack, label_files
from core.labels_edf import CHANNEL_SIGN
from core.progress import RunContext
from core.recording import Recording
from core.study import StudyRecording


@dataclass(frozen=True)
class ImportSource:
    """Where labels are taken from.

    Attributes
    ----------
    kind: a `file`, the `annotations` of the recording itself, or a `column` of it.
    format, epoch_s, offset_s: of a file; see `core.label_files.read_labels`.
    rater: whose labels of a file count; empty for everybody's.
    column: of a recording's file, with a label on every sample.
    """

    kind: Literal["file", "annotations", "column"] = "file"
    format: LabelFormat | None = None
    epoch_s: float | None = None
    offset_s: float = 0.0
    rater: str = ""
    column: str = ""


@dataclass(frozen=True)
class ImportItem:
    """A recording that labels are wanted for.

    Attributes
    ----------
    open: opens the recording (`Study.opener`), for labels that its own files hold.
    path: its file of labels; None where there is none.
    """

    recording: StudyRecording
    open: Callable[[], Recording]
    path: Path | None = None


@dataclass(frozen=True)
class ReadLabels:
    """Labels that were read for a recording; `labels` is None where `error` says why not."""

    recording: StudyRecording
    path: Path | None
    labels: LabelSet | LabelTrack | None
    error: str = ""

    @property
    def raters(self) -> tuple[str, ...]:
        """Everybody who scored, as the file says."""
        return self.labels.raters if isinstance(self.labels, LabelSet) else ()


@dataclass(frozen=True)
class LabelFileMatch:
    """The files of labels that a pattern means for a recording; one is right."""

    recording: StudyRecording
    paths: tuple[Path, ...]


def match_label_files(
    folder: Path, pattern: str, recordings: Iterable[StudyRecording]
) -> tuple[LabelFileMatch, ...]:
    """Which files below a folder are labels of which recording.

    `pattern` may hold `{recording}`, `{subject}`, the recordings' own fields, `*` and `?`. Raises
    DataError for other fields.
    """
    found = []
    for recording in recordings:
        fields = {**recording.fields, "subject": recording.subject, "recording": recording.name}
        try:
            paths = label_files(pattern, folder, fields)
        except DataError as error:
            raise DataError(str(error).replace("labels.pattern: ", "", 1)) from None
        except (ValueError, NotImplementedError, OSError) as error:
            raise DataError(f"The pattern '{pattern}' cannot be used ({error}).") from None
        own = {Path(entry.absolute_path) for entry in recording.files}
        found.append(
            LabelFileMatch(recording, tuple(p for p in paths if p.is_file() and p not in own))
        )
    return tuple(found)


def read_for_import(
    wanted: Sequence[ImportItem], source: ImportSource, context: RunContext | None = None
) -> tuple[ReadLabels, ...]:
    """Read labels for recordings; one that cannot be read is noted and does not stop the rest."""
    context = context or RunContext()
    results = []
    for number, item in enumerate(wanted):
        recording, path = item.recording, item.path
        context.step("reading labels", number, len(wanted))
        labels: LabelSet | LabelTrack | None = None
        problem = ""
        try:
            if source.kind == "file":
                if path is None:
                    raise DataError(f"{recording.name}: there is no file of labels for it.")
                clock = RecordingClock.of_study(recording)
                labels = read_placed_labels(
                    path, clock, source.format, epoch_s=source.epoch_s, offset_s=source.offset_s
                )
                labels = _of_rater(labels, source.rater, path)
            elif source.kind == "annotations":
                labels = annotations_of(item.open())
            else:
                labels = _column_of(item.open(), source.column)
        except CrosslError as error:
            problem = str(error)
        results.append(ReadLabels(recording, path, labels, problem))
    context.step("reading labels", len(wanted), len(wanted))
    return tuple(results)


def annotations_of(recording: Recording) -> LabelSet:
    """The annotations that a recording's own files hold, on its clock."""
    labels = []
    for source in recording.sources:
        for annotation in source.file.annotations:
            text, _, channel = annotation.text.rpartition(CHANNEL_SIGN)
            if not text.strip() or not channel.strip():
                text, channel = annotation.text, ""
            onset_s = annotation.onset_s + source.offset_s
            labels.append(Label(onset_s, annotation.duration_s, text, channel))
    findings = [] if labels else [note("The recording's files hold no annotations.")]
    return make_label_set(labels, RecordingClock.of(recording).start, findings, "annotations")


def _column_of(recording: Recording, column: str) -> LabelTrack:
    config = ColumnLabels(kind="column", column=column)
    return LabelReader(config, Path()).read(recording)


def _of_rater(labels: LabelSet, rater: str, path: Path) -> LabelSet:
    if not rater:
        return labels
    kept = tuple(label for label in labels.labels if label.rater == rater)
    if not kept and labels.labels:
        known = ", ".join(labels.raters) or "nobody named"
        raise DataError(f"{path}: there are no labels of rater '{rater}', only of {known}.")
    return replace(labels, labels=kept)
