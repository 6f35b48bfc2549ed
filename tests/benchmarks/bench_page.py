"""A page of a long EDF file: 30 s of 12 channels, calibrated to float32, from an open file.

What a viewer asks for with every step. Pages lie all over the file and begin between two data
records; the file lies in the page cache. pyedflib reads the same pages beside it, as float64.
"""

from __future__ import annotations

import statistics
from pathlib import Path

import pyedflib
from bench_encoder import side_by_side
from figures import Figure, at_most

from core.read_edf import open_edf

PAGE_S = 30
CHANNELS = 12
PAGES = 100


def page_times(night: Path, rounds: int) -> list[Figure]:
    """Milliseconds of a page, median over pages and rounds, and the ratio to pyedflib's."""
    file = open_edf(night)
    theirs = pyedflib.EdfReader(str(night), pyedflib.DO_NOT_READ_ANNOTATIONS)
    try:
        last_s = file.duration_s - PAGE_S
        starts_s = [(k * 0.618034 % 1) * last_s for k in range(PAGES)]
        rates = [channel.rate_hz for channel in file.channels[:CHANNELS]]

        def our_pages() -> None:
            for start_s in starts_s:
                for number, rate_hz in enumerate(rates):
                    start = int(start_s * rate_hz)
                    file.read(number, start, start + int(PAGE_S * rate_hz))

        def their_pages() -> None:
            for start_s in starts_s:
                for number, rate_hz in enumerate(rates):
                    theirs.readSignal(number, int(start_s * rate_hz), int(PAGE_S * rate_hz))

        times = side_by_side(our_pages, their_pages, rounds)
    finally:
        theirs.close()
    ours_ms = statistics.median(ours for ours, _ in times) / PAGES * 1000
    ratio = statistics.median(ours / other for ours, other in times)
    return [
        at_most("edf_page_30s_12_channels_ms", ours_ms, "ms", 0.5),
        at_most("edf_page_over_pyedflib", ratio, "s over s", 1.0),
    ]
