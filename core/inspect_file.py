"""What a recording file holds, and what is odd about it: the figures behind `--inspect`.

Samples are read block by block, so the length of a file does not matter. Flat and saturated are
what they are when windows are judged: a value that does not change for `DetectionConfig.flat_run_s`
or longer, and samples on the limits that the file gives for its device.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from core.config import CsvConfig, DetectionConfig
from core.errors import CrosslError, DataError
from core.modalities import choose_scheme, preset_names, resolve
from core.open_recording import open_file
from core.progress import RunContext
from core.recording import Annotation, Channel, Finding, Gap, Recording, SignalFile
from core.windows import equal_runs, flat_run_samples

_BLOCK_SAMPLES = 1 << 20


@dataclass(frozen=True)
class ChannelFigures:
    """One channel and what its samples are like.

    `samples` counts what was recorded: gaps are left out. The figures are in the channel's unit,
    digital numbers where it is not calibrated; None where there is no sample. `flat` and
    `saturated` are shares of the recorded time; `saturated` is None where the file gives no limits.
    """

    channel: Channel
    samples: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    flat: float | None
    saturated: float | None


@dataclass(frozen=True)
class Inspection:
    """One file. With `error`, it could not be opened, and all else is empty.

    `start` is the clock time that the file gives, without a zone; UTC where it counts from 1970.
    `modalities` are names of a preset's modalities with the labels of the channels they would
    take. `notes` concern the reading of the file as a recording.
    """

    path: Path
    format: str | None = None
    start: datetime | None = None
    duration_s: float | None = None
    gaps: tuple[Gap, ...] = ()
    channels: tuple[ChannelFigures, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    preset: str | None = None
    modalities: tuple[tuple[str, tuple[str, ...]], ...] = ()
    findings: tuple[Finding, ...] = ()
    error: str | None = None

    @property
    def annotation_counts(self) -> dict[str, int]:
        """How often each text occurs, the most frequent first."""
        return dict(Counter(annotation.text for annotation in self.annotations).most_common())


def inspect_file(
    path: Path,
    csv: CsvConfig | None = None,
    time_zone: str | None = None,
    context: RunContext | None = None,
) -> Inspection:
    """Open a file and read it through; what cannot be opened comes back with its `error`."""
    context = context or RunContext()
    try:
        recording = open_file(path, csv, time_zone)
        file = recording.sources[0].file
        figures = []
        for number in range(len(file.channels)):
            context.step(f"reading {path.name}", number, len(file.channels))
            figures.append(channel_figures(file, number))
    except CrosslError as error:
        finding = Finding("unreadable", "file", str(error))
        return Inspection(path, findings=(finding,), error=str(error))
    preset, modalities = _likely_modalities(recording)
    return Inspection(
        path=path,
        format=file.format,
        start=_clock_time(file, time_zone),
        duration_s=file.duration_s,
        gaps=file.gaps,
        channels=tuple(figures),
        annotations=file.annotations,
        preset=preset,
        modalities=modalities,
        findings=recording.findings,
    )


def channel_figures(file: SignalFile, number: int) -> ChannelFigures:
    """Read a channel through, block by block."""
    channel = file.channels[number]
    run = flat_run_samples(channel.rate_hz, DetectionConfig())
    known = flat = saturated = 0
    total, low, high = 0.0, math.inf, -math.inf
    for start in range(0, channel.samples, _BLOCK_SAMPLES):
        stop = min(start + _BLOCK_SAMPLES, channel.samples)
        # A flat run may cross the block's ends.
        values = file.read(number, start - run, stop + run)
        runs = np.clip(equal_runs(values, run) - run, 0, stop - start)
        flat += int((runs[:, 1] - runs[:, 0]).sum())
        core = values[run : run + stop - start]
        core = core[np.isfinite(core)]
        if not len(core):
            continue
        known += len(core)
        low, high = min(low, float(core.min())), max(high, float(core.max()))
        total += float(core.sum(dtype=np.float64))
        if channel.minimum is not None and channel.maximum is not None:
            slack = 1e-6 * (channel.maximum - channel.minimum)
            on_limit = (core <= channel.minimum + slack) | (core >= channel.maximum - slack)
            saturated += int(on_limit.sum())
    limits = channel.minimum is not None and channel.maximum is not None
    return ChannelFigures(
        channel=channel,
        samples=_recorded_samples(file, channel),
        minimum=low if known else None,
        maximum=high if known else None,
        mean=total / known if known else None,
        flat=flat / known if known else None,
        saturated=saturated / known if known and limits else None,
    )


def _recorded_samples(file: SignalFile, channel: Channel) -> int:
    lost = 0
    for gap in file.gaps:
        first = round(gap.start_s * channel.rate_hz)
        lost += round((gap.start_s + gap.duration_s) * channel.rate_hz) - first
    return max(0, channel.samples - lost)


def _clock_time(file: SignalFile, time_zone: str | None) -> datetime | None:
    if not file.has_clock:
        return None
    from core.read_edf import find_zone

    # datetime.fromtimestamp refuses times before 1970 on some systems.
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=round(file.start_s, 6))
    return instant.astimezone(find_zone(time_zone) or UTC).replace(tzinfo=None)


def _likely_modalities(
    recording: Recording,
) -> tuple[str | None, tuple[tuple[str, tuple[str, ...]], ...]]:
    """The preset that knows most of the channels, and which of them each modality would take."""
    best: tuple[str | None, tuple[tuple[str, tuple[str, ...]], ...]] = (None, ())
    most = 0
    for preset in preset_names():
        try:
            resolved = resolve(choose_scheme(preset, [recording]), recording)
        except DataError:
            continue  # this preset knows none of these names
        found = []
        for modality in resolved.modalities:
            labels = tuple(channel.label for channel in modality.channels if channel.traces)
            if labels:
                found.append((modality.name, labels))
        count = sum(len(labels) for _, labels in found)
        if count > most:
            best, most = (preset, tuple(found)), count
    return best


# ---------------------------------------------------------------- JSON


def as_document(inspections: list[Inspection]) -> dict[str, Any]:
    """The document of `--inspect --json`: plain values, null where a figure is undefined."""
    return {"files": [_file_document(entry) for entry in inspections]}


def _file_document(entry: Inspection) -> dict[str, Any]:
    return {
        "path": str(entry.path),
        "format": entry.format,
        "start": entry.start.isoformat() if entry.start is not None else None,
        "duration_s": entry.duration_s,
        "gaps": [{"start_s": gap.start_s, "duration_s": gap.duration_s} for gap in entry.gaps],
        "channels": [
            {
                "label": figures.channel.label,
                "unit": figures.channel.unit,
                "rate_hz": figures.channel.rate_hz,
                "samples": figures.samples,
                "minimum": figures.minimum,
                "maximum": figures.maximum,
                "mean": figures.mean,
                "flat": figures.flat,
                "saturated": figures.saturated,
                "calibrated": figures.channel.calibrated,
            }
            for figures in entry.channels
        ],
        "annotations": {"count": len(entry.annotations), "labels": entry.annotation_counts},
        "modalities": {name: list(labels) for name, labels in entry.modalities},
        "findings": [
            {"severity": found.severity, "field": found.field, "message": found.message}
            for found in entry.findings
        ],
        "error": entry.error,
    }
