"""A recording in memory, for tests that need no reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.errors import RecordingError
from core.recording import (
    Annotation,
    Channel,
    Recording,
    SignalFile,
    Source,
    Stretch,
)


class MemoryFile(SignalFile):
    """Channels given as {label: (rate_hz, values)} or {label: (rate_hz, values, unit)}."""

    def __init__(
        self,
        signals: dict[str, tuple],
        *,
        limits: tuple[float, float] | None = None,
        annotations: tuple[Annotation, ...] = (),
        columns: dict[str, tuple[np.ndarray, list[str]]] | None = None,
    ) -> None:
        self.path = Path("memory.edf")
        self.format = "memory"
        self.start_s = 0.0
        self.has_clock = False
        self._values = [np.asarray(entry[1], np.float32) for entry in signals.values()]
        low, high = limits or (None, None)
        self.channels = tuple(
            Channel(label, entry[2] if len(entry) > 2 else "uV", entry[0], len(entry[1]), low, high)
            for label, entry in signals.items()
        )
        self.duration_s = max((c.samples / c.rate_hz for c in self.channels), default=0.0)
        self.gaps = ()
        self.annotations = annotations
        self.findings = ()
        self._columns = columns or {}
        self.largest_read = 0

    def read(self, channel: int, start: int, stop: int) -> np.ndarray:
        self.largest_read = max(self.largest_read, stop - start)
        values = self._values[channel]
        out = np.full(stop - start, np.nan, np.float32)
        low, high = max(start, 0), min(stop, len(values))
        if low < high:
            out[low - start : high - start] = values[low:high]
        return out

    def texts(self, column: str) -> tuple[np.ndarray, list[str]]:
        if column not in self._columns:
            raise RecordingError(f"{self.path}: there is no column '{column}'.")
        return self._columns[column]


def make_recording(
    *files: SignalFile,
    names: tuple[str, ...] = (),
    offsets_s: tuple[float, ...] = (),
    duration_s: float | None = None,
    excluded: tuple[Stretch, ...] = (),
    fields: dict[str, str] | None = None,
    recording_id: str = "r1",
    subject: str = "s1",
    start_s: float = 0.0,
) -> Recording:
    names = names or tuple("main" if len(files) == 1 else f"f{n}" for n in range(len(files)))
    offsets_s = offsets_s or (0.0,) * len(files)
    sources = tuple(Source(n, f, o) for n, f, o in zip(names, files, offsets_s, strict=True))
    if duration_s is None:
        duration_s = min(s.offset_s + s.file.duration_s for s in sources)
    return Recording(
        recording_id,
        subject,
        fields or {},
        sources,
        start_s,
        start_s != 0,
        duration_s,
        excluded=excluded,
    )
