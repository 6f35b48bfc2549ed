"""What is drawn of a channel shows every peak and every gap, at any zoom, half built or whole."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import envelope as module
from core.envelope import (
    CHUNK,
    FACTOR,
    ChannelEnvelope,
    build_envelopes,
    envelopes_of,
    recording_envelopes,
)
from core.montage import Montage, display_channels, montage_for
from core.progress import Cancelled, Progress, RunContext
from tests.core.memory_file import MemoryFile, make_recording


class CountingFile(MemoryFile):
    """Notes which samples are read."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.reads: list[tuple[int, int, int]] = []

    def read(self, channel: int, start: int, stop: int) -> np.ndarray:
        self.reads.append((channel, start, stop))
        return super().read(channel, start, stop)

    @property
    def samples_read(self) -> int:
        return sum(stop - start for _, start, stop in self.reads)


def envelope(values: np.ndarray, rate_hz: float = 100.0, offset_s: float = 0.0) -> ChannelEnvelope:
    file = CountingFile({"a": (rate_hz, values)})
    (made,) = recording_envelopes(make_recording(file, offsets_s=(offset_s,)))
    return made


def envelopes(channels: int, samples: int) -> tuple[tuple[ChannelEnvelope, ...], CountingFile]:
    rng = np.random.default_rng(0)
    file = CountingFile({f"c{k}": (100.0, rng.normal(size=samples)) for k in range(channels)})
    return recording_envelopes(make_recording(file)), file


def check(channel: ChannelEnvelope, raw: np.ndarray, start_s: float, end_s: float, n: int) -> None:
    """Every column that is there shows exactly the extremes of its samples."""
    asked = np.linspace(start_s, end_s, n + 1)
    drawn = channel.columns(asked)
    edges = drawn.edges
    assert (np.diff(edges) >= 0).all()
    wanted = np.clip((asked - channel.offset_s) * channel.rate_hz, 0, len(raw))
    width = (end_s - start_s) * channel.rate_hz / n
    assert np.abs(edges - wanted).max() <= max(1.0, width / 8 + 1)
    pending = drawn.pending if drawn.pending is not None else np.zeros(n, bool)
    for k in range(n):
        samples = raw[edges[k] : edges[k + 1]]
        samples = samples[~np.isnan(samples)]
        if pending[k] or not len(samples):
            assert np.isnan(drawn.low[k])
            assert np.isnan(drawn.high[k])
        else:
            assert drawn.low[k] == samples.min()
            assert drawn.high[k] == samples.max()


def noisy(samples: int, seed: int) -> np.ndarray:
    """Noise with peaks of one sample and stretches that were not recorded."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=samples).astype(np.float32)
    values[rng.integers(samples, size=20)] *= 50
    for start in rng.integers(samples, size=3):
        values[start : start + int(rng.integers(1, 5000))] = np.nan
    return values


@pytest.fixture(scope="module")
def built() -> tuple[ChannelEnvelope, np.ndarray]:
    raw = noisy(3 * CHUNK + 12_345, 1)
    channel = envelope(raw, offset_s=7.003)
    build_envelopes([channel], RunContext())
    assert channel.is_built
    return channel, raw


@given(
    start=st.floats(-0.1, 1), length=st.floats(0, 1), power=st.integers(0, 5), n=st.integers(1, 300)
)
@settings(max_examples=150, deadline=None)
def test_every_column_shows_the_extremes_of_its_samples(
    built: tuple[ChannelEnvelope, np.ndarray], start: float, length: float, power: int, n: int
) -> None:
    channel, raw = built
    duration_s = len(raw) / 100.0
    span_s = max(0.05, length * duration_s / 10**power)
    check(channel, raw, start * duration_s, start * duration_s + span_s, n)


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
    column_s = max(samples / columns, 2) / 100.0 * 2
    assert abs(times[drawn.argmax()] - at / 100.0) <= column_s
    assert len(times) <= 2 * columns or len(times) <= samples


def test_few_samples_are_drawn_as_they_are_at_their_own_times():
    channel = envelope(np.arange(100.0), rate_hz=10.0, offset_s=3.0)
    times, values = channel.line(4.0, 5.0, 500)
    assert times.tolist() == pytest.approx([4.0 + k / 10 for k in range(11)])
    assert values.tolist() == [10.0 + k for k in range(11)]
    assert len(channel.line(-5.0, 2.8, 100)[0]) == 0  # before the file begins
    assert channel.value_at(4.04) == 10.0
    assert np.isnan(channel.value_at(2.9))


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
    (channel,), file = envelopes(1, 3 * CHUNK)
    length_s = channel.samples / 100.0
    channel.line(0.0, length_s, 500)
    assert file.samples_read == channel.samples
    channel.line(0.0, length_s, 300)
    channel.line(length_s / 4, length_s, 700)
    assert file.samples_read == channel.samples


def test_reading_far_out_stops_when_asked():
    channel = envelope(np.zeros(3 * CHUNK))
    with pytest.raises(Cancelled):
        channel.line(0.0, channel.samples / 100.0, 100, lambda: True)


@given(
    chosen=st.sets(st.integers(0, 3), max_size=4), n=st.integers(1, 200), power=st.integers(0, 3)
)
@settings(max_examples=60, deadline=None)
def test_half_built_what_is_there_is_exact_and_the_rest_is_pending(
    chosen: set[int], n: int, power: int
):
    raw = noisy(3 * CHUNK + 999, 2)
    channel = envelope(raw)
    for chunk in chosen:
        channel.build(chunk)
    span_s = len(raw) / 100.0 / 4**power
    start_s = (len(raw) / 100.0 - span_s) * 0.4
    check(channel, raw, start_s, start_s + span_s, n)
    drawn = channel.columns(np.linspace(start_s, start_s + span_s, n + 1))
    if span_s * 100 / n < 32:  # read directly
        assert drawn.pending is None
    elif drawn.pending is not None:
        for first, stop in zip(
            drawn.edges[:-1][drawn.pending], drawn.edges[1:][drawn.pending], strict=True
        ):
            assert not set(range(first // CHUNK, -(-stop // CHUNK))) <= chosen


def test_zoomed_in_nothing_has_to_be_built_and_what_was_read_ahead_is_not_read_again():
    (channel,), file = envelopes(1, 2 * CHUNK)
    assert channel.samples_to_read(10.0, 40.0, 1000) == 3001
    channel.read_ahead(0.0, 60.0)
    before = file.samples_read
    assert channel.samples_to_read(10.0, 40.0, 1000) == 0
    channel.columns(np.linspace(10.0, 40.0, 1001))
    channel.points(10.0, 11.0)
    assert file.samples_read == before
    assert not channel.built.any()
    assert channel.samples_to_read(0.0, 3000.0, 1000) == 0  # from the pyramid, when it is there


def test_a_lane_holds_what_is_usual_and_survives_flat_and_empty_channels():
    rng = np.random.default_rng(0)
    lane = envelope(1000 + 10 * rng.normal(size=50_000)).lane()
    assert lane.centre == pytest.approx(1000, abs=3)
    assert 50 <= lane.height <= 100
    assert envelope(np.full(500, 7.0)).lane().height > 0
    assert envelope(np.full(500, np.nan)).lane().height > 0
    assert envelope(np.zeros(1)).lane().height > 0


# ---------------------------------------------------------------- building


def test_what_is_looked_at_is_built_first():
    channels, file = envelopes(3, 6 * CHUNK)
    start_s = 4.2 * CHUNK / 100.0
    shown = channels[1:]
    build_envelopes(channels, RunContext(), lambda: (shown, start_s, start_s + 60.0))
    places = [(channel, start // CHUNK) for channel, start, _ in file.reads]
    assert places[:2] == [(1, 4), (2, 4)]
    assert sorted(places) == [(c, k) for c in range(3) for k in range(6)]


def test_looking_elsewhere_changes_what_is_built_next():
    channels, file = envelopes(2, 6 * CHUNK)
    chunk_s = CHUNK / 100.0

    def focus():
        at = 5 if len(file.reads) < 1 else 2
        return channels[:1], (at + 0.1) * chunk_s, (at + 0.2) * chunk_s

    build_envelopes(channels, RunContext(), focus)
    assert [start // CHUNK for _, start, _ in file.reads[:2]] == [5, 2]


def test_building_reports_stops_when_asked_and_goes_on_later():
    channels, file = envelopes(2, 4 * CHUNK)
    seen: list[Progress] = []
    stop = RunContext(seen.append, lambda: len(file.reads) >= 3)
    with pytest.raises(Cancelled):
        build_envelopes(channels, stop)
    assert len(file.reads) == 3
    assert (seen[-1].done, seen[-1].total) == (3, 8)
    build_envelopes(channels, RunContext(seen.append))
    assert len(file.reads) == 8
    assert (seen[-1].done, seen[-1].total) == (8, 8)
    assert all(channel.pyramid is not None for channel in channels)


def test_every_level_is_what_a_plain_loop_makes_of_the_samples():
    raw = noisy(CHUNK + 5000, 3)
    raw[-3:] = np.nan
    channel = envelope(raw)
    build_envelopes([channel], RunContext())
    assert channel.pyramid is not None
    for k, (low, high) in enumerate(channel.pyramid.levels):
        size = FACTOR ** (k + 1)
        padded = np.append(raw, np.full(-len(raw) % size, np.nan)).reshape(-1, size)
        np.testing.assert_array_equal(low, np.fmin.reduce(padded, axis=1))
        np.testing.assert_array_equal(high, np.fmax.reduce(padded, axis=1))


def test_drawing_while_another_thread_builds_never_shows_a_wrong_value(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 4096)
    raw = noisy(400_000, 4)
    channel = ChannelEnvelope(envelope(raw).channel)
    channel.chunks = -(-len(raw) // 4096)
    channel.built = np.zeros(channel.chunks, bool)
    thread = threading.Thread(target=build_envelopes, args=([channel], RunContext()))
    thread.start()
    while thread.is_alive():
        check(channel, raw, 0.0, len(raw) / 100.0, 50)
    thread.join()
    check(channel, raw, 0.0, len(raw) / 100.0, 50)


def test_a_filtered_channel_shows_the_extremes_of_its_filtered_samples():
    rng = np.random.default_rng(0)
    recording = make_recording(MemoryFile({"a": (100.0, rng.normal(size=400_000))}))
    trace = replace(montage_for(recording).traces[0], low_hz=1.0, high_hz=20.0)
    (channel,) = envelopes_of(display_channels(Montage((trace,)), recording))
    build_envelopes([channel], RunContext())
    filtered = channel.channel.read(0, 400_000)
    for start_s, end_s in ((0.0, 4000.0), (1003.3, 1403.3), (2000.0, 2030.0)):
        drawn = channel.columns(np.linspace(start_s, end_s, 201))
        for k in range(200):
            samples = filtered[drawn.edges[k] : drawn.edges[k + 1]]
            assert drawn.low[k] == pytest.approx(samples.min(), abs=1e-5)
            assert drawn.high[k] == pytest.approx(samples.max(), abs=1e-5)
