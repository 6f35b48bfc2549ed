"""What a recording is: channels at their own rates, read lazily, on one clock.

A `SignalFile` is one file. A `Recording` is one or several of them on a common clock (a phone's
and a watch's CSV; the files of a wristband's export). Nothing here holds samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

Severity = Literal["note", "repaired", "uncalibrated", "unreadable"]

# Field of the finding with which a reader says that a recording is simulated.
SIMULATED_FIELD = "simulated"


@dataclass(frozen=True)
class Finding:
    """Something the reader met or assumed: never silent, always carried into the report."""

    severity: Severity
    field: str
    message: str


@dataclass(frozen=True)
class Channel:
    """One signal of one file, at its own rate.

    `minimum` and `maximum` are the limits the device can record, in `unit`, where the file says
    so (EDF: physical limits); samples on them are saturated. Where `calibrated` is false, the
    samples are digital numbers, because the file does not tell what they mean in its unit.
    `digital_limits`: the numbers that stand for the limits, where the file has such.
    """

    label: str
    unit: str
    rate_hz: float
    samples: int
    minimum: float | None = None
    maximum: float | None = None
    calibrated: bool = True
    digital_limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class Gap:
    """A stretch in which a file recorded nothing, in seconds from the file's start."""

    start_s: float
    duration_s: float


@dataclass(frozen=True)
class Annotation:
    """A text at a time, in seconds from the file's start; duration 0 where the file gives none."""

    onset_s: float
    duration_s: float
    text: str


class SignalFile(ABC):
    """One file, opened lazily; reading is safe from several threads.

    Attributes
    ----------
    start_s: position of the first sample on the absolute clock (unix seconds, UTC) when
        `has_clock`, else 0.
    duration_s: from the first to the end of the last sample, gaps included.
    """

    path: Path
    format: str
    start_s: float
    has_clock: bool
    duration_s: float
    channels: tuple[Channel, ...]
    gaps: tuple[Gap, ...]
    annotations: tuple[Annotation, ...]
    findings: tuple[Finding, ...]

    @abstractmethod
    def read(self, channel: int, start: int, stop: int) -> np.ndarray:
        """Samples `start` to `stop` of a channel, float32 in its unit, on its even grid.

        Sample k lies at k / rate_hz seconds from the file's start, gaps included; what was not
        recorded (gap, missing value, outside the file) is NaN. Shape (stop - start,).
        """

    def texts(self, column: str) -> tuple[np.ndarray, list[str]]:
        """Times in seconds from the file's start, float64, and texts of a label column.

        One entry per row of the file, unevenly spaced where the file is. Raises RecordingError
        where there is no such column or the format has none.
        """
        from core.errors import RecordingError

        raise RecordingError(f"{self.path}: a {self.format} file has no column '{column}'.")


@dataclass(frozen=True)
class Source:
    """A file inside a recording.

    `offset_s`: its start, in seconds from the recording's start. `clock_offset_s` and `time_zone`
    are those it was opened with; files with labels for it are on the same clock.
    """

    name: str
    file: SignalFile
    offset_s: float
    clock_offset_s: float = 0.0
    time_zone: str | None = None


@dataclass(frozen=True)
class Stretch:
    """A stretch of a recording, in seconds from its start, that is not to be used.

    With a `modality` only that modality's signal is bad there and counts as missing; windows stay.
    """

    start_s: float
    end_s: float
    modality: str | None = None


@dataclass(frozen=True)
class Recording:
    """Files on one clock, for one subject.

    `start_s` is unix seconds where the files have a clock, else 0. Time 0 of the recording is its
    own start: every other time in the program is in seconds from there.
    """

    id: str
    subject: str
    fields: dict[str, str]
    sources: tuple[Source, ...]
    start_s: float
    has_clock: bool
    duration_s: float
    findings: tuple[Finding, ...] = ()
    excluded: tuple[Stretch, ...] = field(default=())

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(source.file.path for source in self.sources)
