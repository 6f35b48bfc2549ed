"""Opening for looking: one file, or a recording that a report names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import (
    ColumnLabels,
    CsvConfig,
    RecordingsConfig,
    RunConfig,
    SourceConfig,
    make_config,
)
from core.errors import ConfigError, CrosslError, RecordingError
from core.find_recordings import FoundFile, FoundRecording, field_names, open_recording
from core.prediction_table import PredictionTable, read_prediction_table
from core.recording import Recording

EDF_ENDINGS = (".edf", ".bdf", ".rec")
CSV_ENDINGS = (".csv", ".tsv", ".txt", ".dat", ".tab")
RECORDING_ENDINGS = tuple(e + z for z in ("", ".gz") for e in (*EDF_ENDINGS, *CSV_ENDINGS))


@dataclass(frozen=True)
class ReportedRecording:
    """A recording as a report tells of it: `paths` by source, `predictions` None where there is no
    such file."""

    id: str
    subject: str
    status: str
    error: str | None
    paths: dict[str, str]
    duration_s: float
    predictions: Path | None


@dataclass(frozen=True)
class BatchResults:
    """An output folder of batch mode. `config` is None where the report holds no usable one."""

    folder: Path
    name: str
    status: str
    error: str | None
    classes: tuple[str, ...]
    recordings: tuple[ReportedRecording, ...]
    config: RunConfig | None

    def find(self, recording_id: str) -> ReportedRecording:
        return next(r for r in self.recordings if r.id == recording_id)

    def read_predictions(self, recording_id: str) -> PredictionTable | None:
        """Predictions of a recording; None where none were made. Raises CrosslError."""
        path = self.find(recording_id).predictions
        return read_prediction_table(path) if path is not None else None


def is_recording_file(path: Path) -> bool:
    """Whether the ending is one that the readers know."""
    return path.name.lower().endswith(RECORDING_ENDINGS)


def open_file(path: Path, csv: CsvConfig | None = None, time_zone: str | None = None) -> Recording:
    """Open one EDF, BDF or CSV file as a recording of its own. Raises RecordingError.

    `csv` says how a CSV file is written, where the reader is not to guess; clock times without a
    zone are those of `time_zone`.
    """
    if not path.exists():
        raise RecordingError(f"{path}: there is no such file.")
    if not is_recording_file(path):
        raise RecordingError(
            f"{path}: crossl-app reads EDF, BDF and CSV files, also packed with gzip; "
            "this ending is none of them."
        )
    # As a pattern the name would have to match itself; found files are never matched again.
    source = SourceConfig(
        pattern=path.name.replace("{", "_").replace("}", "_"),
        csv=csv or CsvConfig(),
        time_zone=time_zone,
    )
    name = path.name.split(".")[0] or path.name
    found = FoundRecording(name, name, {}, (FoundFile("main", path, source),))
    return open_recording(found, RecordingsConfig(sources=[source]))


def read_results(folder: Path) -> BatchResults:
    """Read `report.json` of an output folder, and see which predictions lie beside it.

    Raises CrosslError where the folder holds no report.
    """
    path = folder / "report.json"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CrosslError(
            f"{folder}: there is no report.json in it; choose the folder that batch mode was "
            "given as --output."
        ) from None
    except (OSError, ValueError) as error:
        raise CrosslError(f"{path}: the report cannot be read ({error}).") from None
    if not isinstance(report, dict) or not isinstance(report.get("recordings") or [], list):
        raise CrosslError(f"{path}: this is not a report of crossl-app.")
    entries = [entry for entry in report.get("recordings") or [] if isinstance(entry, dict)]
    return BatchResults(
        folder=folder,
        name=str(report.get("name") or folder.name),
        status=str(report.get("status") or ""),
        error=str(report["error"]) if report.get("error") else None,
        classes=tuple(str(name) for name in report.get("classes") or []),
        recordings=tuple(_reported(entry, folder) for entry in entries),
        config=_config(report.get("config")) or _config_of_model(report.get("model"), folder),
    )


def _reported(entry: dict[str, Any], folder: Path) -> ReportedRecording:
    name = str(entry.get("id") or "")
    predictions = folder / "predictions" / f"{name}.csv"
    paths = entry.get("paths") or ({"main": entry["path"]} if entry.get("path") else {})
    if isinstance(paths, list):
        paths = {Path(str(path)).stem: path for path in paths}
    return ReportedRecording(
        id=name,
        subject=str(entry.get("subject") or ""),
        status=str(entry.get("status") or ""),
        error=str(entry["error"]) if entry.get("error") else None,
        paths={str(source): str(path) for source, path in paths.items()},
        duration_s=float(entry.get("duration_s") or 0.0),
        predictions=predictions if predictions.is_file() else None,
    )


def _config(document: Any) -> RunConfig | None:
    if not isinstance(document, dict) or not document:
        return None
    try:
        return make_config(document, "report.json")
    except ConfigError:
        return None  # of a newer or older version: files are then opened one by one


def _config_of_model(model: Any, folder: Path) -> RunConfig | None:
    """Recordings that were scored with a saved model are read with the settings it keeps."""
    if not isinstance(model, str):
        return None
    for place in (Path(model), folder / model):
        try:
            document = json.loads((place / "model.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return _config(document.get("config")) if isinstance(document, dict) else None
    return None


def open_reported(
    results: BatchResults, recording_id: str, roots: Sequence[Path] = ()
) -> Recording:
    """Open the files of a recording as the run did.

    `roots` are folders to look for them in, before those that the report names: data move.
    Raises RecordingError that names the missing file.
    """
    reported = results.find(recording_id)
    if not reported.paths:
        raise RecordingError(f"{recording_id}: the report does not say which files it is made of.")
    places = {name: _place(results, path, roots) for name, path in reported.paths.items()}
    config = results.config
    if config is not None:
        recordings = config.recordings
    else:
        # Of a newer or older version: the readers find out by themselves.
        sources = [
            SourceConfig(name=name, pattern=path.name.replace("{", "_").replace("}", "_"))
            for name, path in places.items()
        ]
        recordings = RecordingsConfig(sources=sources)
    files = tuple(
        FoundFile(name, path, _source(recordings, recording_id, name), _label_columns(config, name))
        for name, path in places.items()
    )
    found = FoundRecording(recording_id, reported.subject, {}, files)
    return open_recording(found, recordings)


def _place(results: BatchResults, text: str, roots: Sequence[Path]) -> Path:
    """Where a file that the report names lies now."""
    path = Path(text)
    parts = path.parts[1:] if path.is_absolute() else path.parts
    # Data that have moved keep their last folders.
    tries = [root / Path(*parts[k:]) for root in roots for k in range(len(parts))]
    tries.append(path)
    if not path.is_absolute():
        folder = results.folder.resolve()
        tries += [near / path for near in (folder, *folder.parents)]
    place = next((p for p in tries if p.is_file()), None)
    if place is None:
        raise RecordingError(
            f"{text}: the recording is not there; name the folder it lies in with "
            "File → Recordings folder."
        )
    return place


def _source(recordings: RecordingsConfig, recording_id: str, name: str) -> SourceConfig:
    """The settings that a file was found with; `name` is the source's, or a field's value."""
    for entry in recordings.listed or ():
        if entry.id == recording_id and name in entry.files:
            return recordings.source_of(name, entry.files[name])
    by_name = [source for source in recordings.sources if source.name == name]
    by_field = [
        source
        for source in recordings.sources
        for field in ("signal", "device")
        if field in field_names(source.pattern) and name in source.values.get(field, [name])
    ]
    return (by_name or by_field or recordings.sources)[0]


def _label_columns(config: RunConfig | None, source: str) -> tuple[str, ...]:
    """Columns that hold labels and are no signals."""
    labels = config.labels if config is not None else None
    if isinstance(labels, ColumnLabels) and labels.source in (None, source):
        return (labels.column,)
    return ()
