"""Predictions and embeddings of a run as files that other programs read.

Predictions become labels in every format that labels have, or a table with all probabilities.
Windows may overlap, and labels may not: each window stands for the time from its start to the
start of the next one, or to its own end, as in the strip. Embeddings go into one Parquet file, a
row for each window and a column for each number.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core.acceptance import epochs_predicted
from core.atomic_file import UMASK
from core.config import SourceConfig, safe_file_name
from core.csv_query import literal
from core.errors import CrosslError, DataError, ModelError, OutputError
from core.evaluate import predicted_classes
from core.label_files import LabelFormat
from core.label_set import note
from core.predict import WindowPredictions, write_predictions
from core.progress import RunContext
from core.recording import Finding
from core.run_results import RunResults
from core.study import Rater, StudyFileEntry, StudyRecording
from core.study_export import (
    HOLDS,
    NAMING,
    ExportedFile,
    ExportItem,
    ExportOptions,
    StateForm,
    export_labels,
    planned_paths,
)
from core.study_labels import (
    EpochGrid,
    RecordingLabels,
    StudyLabel,
    make_grid,
    make_recording_labels,
    new_id,
    to_ns,
    to_s,
)
from core.window_store import RecordingWindows, read_windows
from core.window_view import WindowView, make_view

WindowsForm = Literal["labels", "predictions", "embeddings"]
"""Labels in one of the formats; the table of predictions as CSV; embeddings as Parquet."""
PREDICTIONS_ENDING = "_predictions.csv"
EMBEDDINGS_ENDING = "_embeddings.parquet"
METADATA_KEY = "crossl_windows"
"""Key in a Parquet file's metadata of what its columns mean, as JSON."""
METADATA_VERSION = 1

Lay = Callable[[RecordingWindows], np.ndarray]
"""Gives the windows of a recording labels, int64 (windows,), -1 unlabelled."""


@dataclass(frozen=True)
class WindowsOptions:
    """What is written, and how.

    Attributes
    ----------
    label_format, states, naming: of labels, as in `study_export.ExportOptions`; `as_labelled` is
        one label for each window, `epochs` one for each epoch of the study.
    threshold: confidence below which a window gets no label.
    kept: numbers of the modalities that predict; all when None.
    with_codes: whether Parquet holds each modality's own embedding too.
    """

    form: WindowsForm = "labels"
    label_format: LabelFormat = "csv"
    states: StateForm = "intervals"
    threshold: float = 0.0
    kept: tuple[int, ...] | None = None
    naming: str = NAMING
    with_codes: bool = False


@dataclass(frozen=True)
class WindowsItem:
    """A recording whose windows are written.

    Attributes
    ----------
    recording: as in the study; `bare_recording` where there is none.
    epoch_s: of the study's grid; None for the distance of the windows.
    lay: gives windows labels in place of those that the run saw.
    """

    recording: StudyRecording
    epoch_s: float | None = None
    lay: Lay | None = None


def bare_recording(
    name: str, subject: str, duration_s: float, grid_offset_s: float = 0.0
) -> StudyRecording:
    """A recording of a results folder without a study: no clock, no known files."""
    file = StudyFileEntry("main", None, "", 0, "", SourceConfig())
    return StudyRecording(
        0, name, subject, {}, (file,), 0.0, False, duration_s, to_ns(grid_offset_s)
    )


# ---------------------------------------------------------------- predictions as labels


def states_of(view: WindowView, form: StateForm, grid: EpochGrid) -> RecordingLabels:
    """Predictions as states with the model as their source; unsure windows are left out.

    A window holds from its start to where its cell ends in the strip. Neighbours of a class are
    joined for `intervals`, with their mean confidence by time; `epochs` gives each epoch of the
    grid what accepting the prediction would.
    """
    if form == "epochs":
        codes, confidence = epochs_predicted(view, grid)
        spans = [(*grid.span(k), int(codes[k]), float(confidence[k])) for k in range(grid.epochs)]
    else:
        spans = list(_cells(view))
        if form == "intervals":
            spans = _joined(spans)
    return make_recording_labels(
        StudyLabel(
            new_id(), start, end, view.classes[code], source="model", confidence=round(sure, 6)
        )
        for start, end, code, sure in spans
        if code >= 0
    )


_Span = tuple[int, int, int, float]
"""Start and end in nanoseconds, class, confidence."""


def _cells(view: WindowView) -> Iterator[_Span]:
    starts = [to_ns(float(start)) for start in view.starts_s]
    ends = [to_ns(float(end)) for end in view.ends_s]
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if row + 1 < len(starts):
            end = min(end, starts[row + 1])  # seconds added up may be a nanosecond off
        if end > start:
            yield start, end, int(view.assigned[row]), float(view.confidence[row])


def _joined(spans: Sequence[_Span]) -> list[_Span]:
    joined: list[_Span] = []
    for start, end, code, sure in spans:
        before = joined[-1] if joined else None
        if before is not None and before[2] == code and start - before[1] <= 1000:
            first, _, _, mean = before
            weight = (end - start) / (end - first)
            joined[-1] = (first, end, code, mean + weight * (sure - mean))
        else:
            joined.append((start, end, code, sure))
    return joined


def grid_of(windows: RecordingWindows, item: WindowsItem) -> EpochGrid:
    """The study's epochs in a recording; without a study, a grid of the windows' distance."""
    duration_s = item.recording.duration_s
    if item.epoch_s is not None:
        return make_grid(duration_s, item.epoch_s, to_s(item.recording.grid_offset_ns))
    apart = np.diff(windows.starts_s)
    step_s = float(np.median(apart)) if len(apart) else windows.length_s
    first_s = float(windows.starts_s[0]) if len(windows) else 0.0
    return make_grid(max(duration_s, windows.length_s), step_s, first_s % step_s)


# ---------------------------------------------------------------- writing


def planned_files(
    items: Sequence[WindowsItem], folder: Path, options: WindowsOptions, model: str
) -> tuple[Path, ...]:
    """The files that an export would write; `model` is who predicts, as files' names say it.

    Raises ConfigError for a naming that cannot be.
    """
    if options.form == "labels":
        return planned_paths(
            [_label_item(item, model) for item in items], folder, _label_options(options)
        )
    if options.form == "predictions":
        return tuple(_predictions_path(item, folder, model) for item in items)
    return (_embeddings_path(items, folder, model),)


def existing_files(
    items: Sequence[WindowsItem], folder: Path, options: WindowsOptions, model: str
) -> tuple[Path, ...]:
    """Files that an export would replace."""
    return tuple(path for path in planned_files(items, folder, options, model) if path.exists())


def export_windows(
    results: RunResults,
    items: Sequence[WindowsItem],
    folder: Path,
    options: WindowsOptions,
    model: str,
    *,
    force: bool = False,
    context: RunContext | None = None,
) -> tuple[ExportedFile, ...]:
    """Write what a run says of some recordings, each file whole or not at all.

    A recording that cannot be written is noted and does not stop the others. Raises ConfigError
    for a naming that cannot be, and OutputError, before anything is written, where a file would
    be replaced without `force`.
    """
    context = context or RunContext()
    there = existing_files(items, folder, options, model)
    if there and not force:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise OutputError(
            f"{there[0]}{more}: there already; choose another folder, or let them be replaced."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror}).") from error
    if options.form == "embeddings":
        return (_write_embeddings(results, items, folder, options, model, context),)
    files: list[ExportedFile] = []
    for number, item in enumerate(items):
        context.step("writing predictions", number, len(items))
        try:
            windows = read_windows(results.path_of(item.recording.name))
            write = _write_labels if options.form == "labels" else _write_table
            files += write(windows, item, folder, options, model)
        except CrosslError as error:
            path = planned_files([item], folder, options, model)[0]
            files.append(ExportedFile(path, item.recording.name, (model,), error=str(error)))
    context.step("writing predictions", len(items), len(items))
    return tuple(files)


def _view(windows: RecordingWindows, options: WindowsOptions) -> WindowView:
    kept = options.kept
    if kept is None or len(kept) == len(windows.modalities):
        kept = tuple(range(len(windows.modalities)))
    elif kept and windows.row_of(kept) is None:
        names = ", ".join(windows.modalities[k] for k in kept)
        raise DataError(
            f"{windows.recording}: the run did not ask what {names} alone would predict; switch "
            "all modalities on, or remove a single one."
        )
    return make_view(windows, kept, windows.labels, windows.held_out, options.threshold)


def _write_labels(
    windows: RecordingWindows,
    item: WindowsItem,
    folder: Path,
    options: WindowsOptions,
    model: str,
) -> list[ExportedFile]:
    grid = grid_of(windows, item)
    epochs = HOLDS[options.label_format].only_epochs
    labels = states_of(_view(windows, options), "epochs" if epochs else options.states, grid)
    entry = _label_item(item, model, labels, grid)
    return list(export_labels([entry], folder, _label_options(options), force=True))


def _write_table(
    windows: RecordingWindows,
    item: WindowsItem,
    folder: Path,
    options: WindowsOptions,
    model: str,
) -> list[ExportedFile]:
    view = _view(windows, options)
    labels = item.lay(windows) if item.lay is not None else windows.labels
    path = _predictions_path(item, folder, model)
    everything = len(view.kept) == len(view.modalities)
    kept = np.isin(np.arange(len(view.modalities)), view.kept)
    # Both are of all modalities, and say nothing of fewer.
    nothing = np.nan if not everything else 0.0
    write_predictions(
        path,
        WindowPredictions(
            probabilities=view.probabilities,
            present=windows.present & kept,
            fragility=windows.fragility + np.float32(nothing),
            shapley=windows.shapley + np.float32(nothing),
            fold=windows.fold,
        ),
        starts_s=windows.starts_s,
        length_s=windows.length_s,
        labels=labels,
        classes=windows.classes,
        modalities=windows.modalities,
    )
    findings: tuple[Finding, ...] = ()
    if not everything:
        names = ", ".join(view.modalities[k] for k in view.kept) or "no modality"
        findings = (note(f"Predicted with {names} alone."),)
    return [ExportedFile(path, windows.recording, (model,), len(windows), findings, True)]


def _label_options(options: WindowsOptions) -> ExportOptions:
    return ExportOptions(
        options.label_format, states="as_labelled", kinds=("state",), naming=options.naming
    )


def _label_item(
    item: WindowsItem,
    model: str,
    labels: RecordingLabels | None = None,
    grid: EpochGrid | None = None,
) -> ExportItem:
    recording = item.recording
    if grid is not None and item.epoch_s is None:
        recording = bare_recording(
            recording.name, recording.subject, recording.duration_s, to_s(grid.offset_ns)
        )
    epoch_s = to_s(grid.epoch_ns) if grid is not None else item.epoch_s or 1.0
    return ExportItem(recording, Rater(0, model, "model"), labels or RecordingLabels(), epoch_s)


def _predictions_path(item: WindowsItem, folder: Path, model: str) -> Path:
    stem = f"{safe_file_name(item.recording.name)}_{safe_file_name(model)}"
    return folder / f"{stem}{PREDICTIONS_ENDING}"


def _embeddings_path(items: Sequence[WindowsItem], folder: Path, model: str) -> Path:
    """One file for all; named after the recording where there is one."""
    stem = safe_file_name(model)
    if len(items) == 1:
        stem = f"{safe_file_name(items[0].recording.name)}_{stem}"
    return folder / f"{stem}{EMBEDDINGS_ENDING}"


# ---------------------------------------------------------------- Parquet


@dataclass(frozen=True)
class _Column:
    """A column of the Parquet file: its name, its type, and the group that it belongs to."""

    name: str
    kind: str
    group: str


def _write_embeddings(
    results: RunResults,
    items: Sequence[WindowsItem],
    folder: Path,
    options: WindowsOptions,
    model: str,
    context: RunContext,
) -> ExportedFile:
    path = _embeddings_path(items, folder, model)
    findings: list[Finding] = []
    rows = 0
    with _table(path) as table:
        for number, item in enumerate(items):
            context.step("reading windows", number, len(items))
            name = item.recording.name
            try:
                windows = read_windows(results.path_of(name))
                view = _view(windows, options)
                table.add(windows, view, item.lay, options.with_codes)
                rows += len(windows)
            except (ModelError, DataError) as error:
                findings.append(note(f"{name} is left out: {error}"))
        if not rows:
            said = " ".join(finding.message for finding in findings)
            return ExportedFile(path, "", (model,), 0, (), error=said or "There are no windows.")
        context.step("writing embeddings", 0, 0)
        table.save({"run": model, "kept": _kept_names(results, options)})
    recording = items[0].recording.name if len(items) == 1 else ""
    return ExportedFile(path, recording, (model,), rows, tuple(findings), True)


def _kept_names(results: RunResults, options: WindowsOptions) -> list[str]:
    names = results.modalities
    return [names[k] for k in options.kept] if options.kept is not None else list(names)


@contextmanager
def _table(path: Path) -> Iterator[_WindowTable]:
    """A table in memory that spills beside the file where it does not fit; gone at the end."""
    import duckdb

    try:
        with tempfile.TemporaryDirectory(prefix=".windows_", dir=path.parent) as spilled:
            connection = duckdb.connect(
                ":memory:",
                config={
                    "threads": 1,
                    "autoinstall_known_extensions": "false",
                    "autoload_known_extensions": "false",
                    "temp_directory": spilled,
                },
            )
            try:
                yield _WindowTable(connection, path)
            finally:
                connection.close()
    except (OSError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise OutputError(f"{path}: cannot be written ({reason}).") from error


class _WindowTable:
    """Windows of one recording after the other, as rows of a table."""

    def __init__(self, connection: Any, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._columns: list[_Column] | None = None
        self._described: dict[str, Any] = {}

    def add(
        self, windows: RecordingWindows, view: WindowView, lay: Lay | None, with_codes: bool
    ) -> None:
        """Add a recording. Raises DataError where its columns are not those of the first."""
        columns, arrays = _columns_of(windows, view, lay, with_codes)
        if self._columns is None:
            self._columns = columns
            self._described = _description(windows, columns)
            defined = ", ".join(f"{_quoted(c.name)} {c.kind}" for c in columns)
            self._connection.execute(f"CREATE TABLE windows ({defined})")
        elif columns != self._columns:
            raise DataError(
                f"{windows.recording}: predicted by another model, with other classes, modalities "
                "or sizes."
            )
        # Columns go by their place: a name may hold anything.
        self._connection.register("part", {f"c{k}": a for k, a in enumerate(arrays)})
        self._connection.execute("INSERT INTO windows SELECT * FROM part")
        self._connection.unregister("part")

    def save(self, more: Mapping[str, Any]) -> None:
        """Write the file, whole or not at all."""
        described = json.dumps({**self._described, **more}, ensure_ascii=False)
        beside = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        try:
            self._connection.execute(
                f"COPY windows TO {literal(str(beside))} (FORMAT parquet, COMPRESSION zstd, "
                f"KV_METADATA {{{METADATA_KEY}: {literal(described)}}})"
            )
            with beside.open("rb+") as stream:
                os.fsync(stream.fileno())
            beside.chmod(0o666 & ~UMASK)
            os.replace(beside, self._path)
        finally:
            beside.unlink(missing_ok=True)


def _columns_of(
    windows: RecordingWindows, view: WindowView, lay: Lay | None, with_codes: bool
) -> tuple[list[_Column], list[np.ndarray]]:
    """Columns, and what they hold of a recording; undefined figures are NaN, which become null."""
    labels = lay(windows) if lay is not None else windows.labels
    predicted = predicted_classes(view.probabilities)
    names = np.array([*windows.classes, None], dtype=object)
    rows = len(windows)
    found: list[tuple[str, str, str, np.ndarray]] = [
        ("recording", "VARCHAR", "recording", np.full(rows, windows.recording, dtype=object)),
        ("subject", "VARCHAR", "subject", np.full(rows, windows.subject, dtype=object)),
        ("start_s", "DOUBLE", "start_s", windows.starts_s),
        ("end_s", "DOUBLE", "end_s", windows.starts_s + windows.length_s),
        ("fold", "VARCHAR", "fold", windows.fold),
        ("label", "VARCHAR", "label", names[labels]),
        ("predicted", "VARCHAR", "predicted", names[predicted]),
        ("confidence", "FLOAT", "confidence", view.confidence),
    ]
    for k, name in enumerate(windows.classes):
        found.append((f"p_{name}", "FLOAT", "probabilities", view.probabilities[:, k]))
    for k, name in enumerate(windows.modalities):
        found.append((f"present_{name}", "BOOLEAN", "present", windows.present[:, k]))
    found.append(("fragility", "FLOAT", "fragility", windows.fragility))
    for k, name in enumerate(windows.modalities):
        found.append((f"shapley_{name}", "FLOAT", "shapley", windows.shapley[:, k]))
    for k in range(windows.embedding.shape[1]):
        found.append((f"embedding_{k + 1}", "FLOAT", "embedding", windows.embedding[:, k]))
    if with_codes:
        codes = np.where(windows.present[:, :, None], windows.z, np.float32(np.nan))
        for m, name in enumerate(windows.modalities):
            for k in range(codes.shape[2]):
                found.append((f"z_{name}_{k + 1}", "FLOAT", f"z_{name}", codes[:, m, k]))
    taken: set[str] = set()
    columns = [_Column(_free(name, taken), kind, group) for name, kind, group, _ in found]
    return columns, [np.ascontiguousarray(values) for *_, values in found]


def _description(windows: RecordingWindows, columns: Sequence[_Column]) -> dict[str, Any]:
    groups: dict[str, list[str]] = {}
    for column in columns:
        groups.setdefault(column.group, []).append(column.name)
    return {
        "version": METADATA_VERSION,
        "window_length_s": windows.length_s,
        "classes": list(windows.classes),
        "modalities": list(windows.modalities),
        "columns": groups,
        "meaning": {
            "fold": "who predicted: a fold that had not seen the person, or 'final', the model "
            "that learnt from everybody",
            "embedding": "global embedding of the window by the final model; null where nothing "
            "was recorded",
            "z": "embedding of one modality by the final model; null where it was not recorded",
            "fragility": "share of smaller sets of the modalities that give another class",
            "shapley": "what a modality adds to the probability of the predicted class",
        },
        "use": "For research, not for diagnosis.",
    }


def _free(name: str, taken: set[str]) -> str:
    """A name that no column has yet: in Parquet readers upper and lower case are often one."""
    free, number = name, 1
    while free.casefold() in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free.casefold())
    return free


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
