"""What is drawn of a channel shows every peak and every gap, at any zoom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.envelope import BLOCK, CHUNK_BLOCKS, ChannelEnvelope
from core.progress import Cancelled
from core.recording import Channel, SignalFile


class ArrayFile(SignalFile):
    """A channel that lies in memory, and counts how much of it is read."""

    def __init__(self, values: np.ndarray, rate_hz: float) -> None:
        self.path = Path("array")
        self.format = "array"
        self.start_s, self.has_clock = 0.0, False
        self.duration_s = len(values) / rate_hz
        self.channels = (Channel("a", "uV", rate_hz, len(values)),)
        self.gaps = self.annotations = self.findings = ()
        self.values = values
        self.samples_read = 0

    def read(self, channel: int, start: int, stop: int) -> np.ndarray:
        assert 0 <= start <= stop <= len(self.values)
        self.samples_read += stop - start
        return self.values[start:stop]


def envelope(values: np.ndarray, rate_hz: float = 100.0, offset_s: float = 0.0) -> ChannelEnvelope:
    return ChannelEnvelope(ArrayFile(values.astype(np.float32), rate_hz), 0, "a", offset_s)


@given(
    samples=st.integers(1, 40_000),
    columns=st.integers(1, 400),
    peak=st.floats(0, 0.999),
    seed=st.integers(0, 9),
)
@settings(max_examples=80, deadline=None)
def test_a_peak_of_one_sample_is_never_lost(samples: int, columns: int, peak: float, seed: int):
    values = np.random.default_rng(seed).normal(size=samples).astype(np.float32)
    at = int(peak * samples)
    values[at] = 50.0
    channel = envelope(values)
    times, drawn = channel.line(0.0, samples / 100.0, columns)
    assert drawn.max() == 50.0
    assert drawn.min() == values.min()
    assert (np.diff(times) >= 0).all()
    column_s = max(samples / columns, BLOCK) / 100.0 * 2
    assert abs(times[drawn.argmax()] - at / 100.0) <= column_s
    assert len(times) <= 2 * columns + samples / BLOCK + 4 or len(times) <= samples


def test_few_samples_are_drawn_as_they_are_at_their_own_times():
    channel = envelope(np.arange(100.0), rate_hz=10.0, offset_s=3.0)
    times, values = channel.line(4.0, 5.0, 500)
    assert times.tolist() == pytest.approx([4.0 + k / 10 for k in range(11)])
    assert values.tolist() == [10.0 + k for k in range(11)]
    assert len(channel.line(-5.0, 2.9, 100)[0]) == 0  # before the file begins


@pytest.mark.parametrize("columns", [20, 200, 5000])
def test_a_gap_breaks_the_line_at_every_zoom(columns: int):
    values = np.ones(200_000)
    values[80_000:120_000] = np.nan
    times, drawn = envelope(values).line(0.0, 2000.0, columns)
    inside = (times > 920.0) & (times < 1080.0)
    assert inside.any()
    assert np.isnan(drawn[inside]).all()
    assert np.isfinite(drawn[(times < 680) | (times > 1320)]).all()


def test_far_out_a_stretch_is_read_once():
    channel = envelope(np.zeros(3 * BLOCK * CHUNK_BLOCKS))
    length_s = channel.samples / 100.0
    channel.line(0.0, length_s, 500)
    file = channel._file
    assert isinstance(file, ArrayFile)
    assert file.samples_read == channel.samples
    channel.line(0.0, length_s, 300)
    channel.line(length_s / 4, length_s, 700)
    assert file.samples_read == channel.samples


def test_reading_far_out_stops_when_asked():
    channel = envelope(np.zeros(3 * BLOCK * CHUNK_BLOCKS))
    with pytest.raises(Cancelled):
        channel.line(0.0, channel.samples / 100.0, 100, lambda: True)


def test_a_lane_holds_what_is_usual_and_survives_flat_and_empty_channels():
    rng = np.random.default_rng(0)
    lane = envelope(1000 + 10 * rng.normal(size=50_000)).lane()
    assert lane.centre == pytest.approx(1000, abs=3)
    assert 50 <= lane.height <= 100
    assert envelope(np.full(500, 7.0)).lane().height > 0
    assert envelope(np.full(500, np.nan)).lane().height > 0
    assert envelope(np.zeros(1)).lane().height > 0
