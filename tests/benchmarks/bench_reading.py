"""Reading and windowing a long EDF file over `numpy.fromfile` of the same bytes.

From opening the file to the last window: header check, annotations, calibration to float32, looking
for missing, flat and saturated stretches, and a float32 array of every window of every modality,
as when new recordings are scored. Without filters or resampling; the file lies in the page cache.
"""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
from bench_encoder import side_by_side
from figures import Figure, at_most, night_config

from core.dataset import iterate_windows
from core.modalities import choose_scheme
from core.open_recording import open_file


def read_windows(path: Path) -> int:
    """Read every window of a file; returns how many there are."""
    config = night_config()
    recording = open_file(path)
    scheme = choose_scheme(config.modalities, [recording])
    return sum(len(block.windows) for block in iterate_windows(recording, scheme, config.windows))


def reading_over_fromfile(night: Path, rounds: int) -> Figure:
    times = side_by_side(
        lambda: read_windows(night), lambda: np.fromfile(night, dtype="<i2"), rounds
    )
    ratio = statistics.median(ours / theirs for ours, theirs in times)
    return at_most("edf_reading_over_fromfile", ratio, "s over s", 8.0)
