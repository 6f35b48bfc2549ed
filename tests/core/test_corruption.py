"""Signals made worse on purpose: as much as asked, where asked, and the same however they are
read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import ModalityConfig, WindowsConfig
from core.corruption import BLOCK, STRENGTHS, Corruption, CorruptionKind, corrupted, reached
from core.dataset import iterate_windows
from core.errors import ConfigError, DataError
from core.modalities import ModalityScheme, choose_scheme
from core.recording import Recording
from tests.core.memory_file import MemoryFile, make_recording

RATE = 100
SECONDS = 1000
KINDS: tuple[CorruptionKind, ...] = tuple(STRENGTHS)


def signals(seed: int = 0) -> dict[str, tuple]:
    rng = np.random.default_rng(seed)
    count = RATE * SECONDS
    return {
        "ax": (RATE, 9.81 + rng.normal(size=count), "m/s2"),
        "ay": (RATE, 3 * rng.normal(size=count), "m/s2"),
        "gx": (RATE, 50 * rng.normal(size=count), "deg/s"),
        "gy": (RATE, 70 * rng.normal(size=count), "deg/s"),
        "temp": (4, 30 + 0.1 * rng.normal(size=4 * SECONDS), "degC"),
    }


def make(**options: Any) -> Recording:
    return make_recording(MemoryFile(signals(), **options))


def scheme_of(recording: Recording) -> ModalityScheme:
    return choose_scheme(
        [
            ModalityConfig(name="acc", kind="acc", channels=["ax", "ay"]),
            ModalityConfig(name="gyro", kind="gyro", channels=["gx", "gy"]),
            ModalityConfig(name="temp", kind="temp", channels=["temp"]),
        ],
        [recording],
    )


RECORDING = make()
SCHEME = scheme_of(RECORDING)


def usual(kind: CorruptionKind, *modalities: str, **values: Any) -> Corruption:
    limits = STRENGTHS[kind]
    strength = values.pop("strength", limits.usual if limits is not None else 0.0)
    modalities = modalities or ("acc",)
    return Corruption(kind, modalities, strength, hum_hz=10.0, **values)


def read(recording: Recording, channel: int, start: int = 0, stop: int | None = None) -> np.ndarray:
    file = recording.sources[0].file
    return file.read(channel, start, file.channels[channel].samples if stop is None else stop)


def worsened(*corruptions: Corruption, recording: Recording = RECORDING) -> Recording:
    return corrupted(recording, scheme_of(recording), corruptions)


# ---------------------------------------------------------------- however it is read


@pytest.mark.parametrize("kind", KINDS)
def test_reading_in_parts_is_reading_whole(kind: CorruptionKind) -> None:
    worse = worsened(usual(kind, start_s=2.0, end_s=900.0, seed=3))
    whole = read(worse, 0)
    rng = np.random.default_rng(1)
    edges = np.unique([0, *rng.integers(0, len(whole), 40), BLOCK, BLOCK + 1, len(whole)])
    again = worsened(usual(kind, start_s=2.0, end_s=900.0, seed=3))
    order = rng.permutation(len(edges) - 1)
    for k in order:
        part = read(again, 0, int(edges[k]), int(edges[k + 1]))
        np.testing.assert_array_equal(part, whole[edges[k] : edges[k + 1]])


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    start=st.integers(-50, 99_000),
    length=st.integers(0, 3000),
    seed=st.integers(0, 5),
)
def test_any_read_gives_the_samples_of_any_other(
    kind: CorruptionKind, start: int, length: int, seed: int
) -> None:
    worse = worsened(usual(kind, seed=seed))
    wide = read(worse, 1, start - 700, start + length + 700)
    np.testing.assert_array_equal(read(worse, 1, start, start + length), wide[700 : 700 + length])


def test_a_seed_is_noise_of_its_own_and_each_channel_has_its_own() -> None:
    one, same, other = (worsened(usual("noise", seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(read(one, 0), read(same, 0))
    added = [read(worse, 0) - read(RECORDING, 0) for worse in (one, other)]
    added.append((read(one, 1) - read(RECORDING, 1)) / 3)
    assert np.abs(np.corrcoef(added) - np.eye(3)).max() < 0.02


# ---------------------------------------------------------------- where it was asked for


@pytest.mark.parametrize("kind", KINDS)
def test_other_channels_and_other_times_are_as_they_were(kind: CorruptionKind) -> None:
    worse = worsened(usual(kind, start_s=100.0, end_s=200.0))
    for channel in range(5):
        before, after = read(RECORDING, channel), read(worse, channel)
        if channel > 1:
            np.testing.assert_array_equal(after, before)
            continue
        stretch = slice(100 * RATE, 200 * RATE)
        assert not np.array_equal(after[stretch], before[stretch])
        after[stretch] = before[stretch]
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_itself_is_not_changed_and_what_is_outside_of_it_stays_missing(
    kind: CorruptionKind,
) -> None:
    before = read(RECORDING, 0).copy()
    worse = worsened(usual(kind))
    outside = read(worse, 0, -5, RATE * SECONDS + 5)
    assert np.isnan(outside[:5]).all()
    assert np.isnan(outside[-5:]).all()
    np.testing.assert_array_equal(read(RECORDING, 0), before)


def test_what_was_missing_stays_missing() -> None:
    values = signals()
    rate, ax, unit = values["ax"]
    ax = ax.copy()
    ax[500:700] = np.nan
    recording = make_recording(MemoryFile({**values, "ax": (rate, ax, unit)}))
    for kind in KINDS:
        if kind != "swap":  # there the other channel's samples are in its place
            assert np.isnan(read(worsened(usual(kind), recording=recording), 0)[500:700]).all()


def test_files_that_start_later_are_corrupted_at_the_same_time_of_the_recording() -> None:
    first = MemoryFile({"ax": signals()["ax"]})
    second = MemoryFile({"gx": signals()["gx"]})
    recording = make_recording(first, second, offsets_s=(0.0, 30.5))
    config = [
        ModalityConfig(name="acc", channels=["ax"]),
        ModalityConfig(name="gyro", channels=["gx"]),
    ]
    scheme = choose_scheme(config, [recording])
    worse = corrupted(recording, scheme, [usual("noise", "gyro", start_s=40.0, end_s=50.0)])
    file = worse.sources[1].file
    changed = file.read(0, 0, 9000) != second.read(0, 0, 9000)
    assert (np.flatnonzero(changed)[0], np.flatnonzero(changed)[-1]) == (950, 1949)


def test_the_words_of_a_corruption_go_along_with_the_recording() -> None:
    worse = worsened(usual("noise", strength=5.0, start_s=1.0, end_s=3.5))
    said = "Made worse on purpose: white noise at 5 dB on acc, 1 s to 3.5 s."
    assert [finding.message for finding in worse.findings] == [said]
    assert said in [finding.message for finding in worse.sources[0].file.findings]
    assert worsened(usual("gaps")).findings[0].message.endswith("gaps of 20 %, 1 s each on acc.")


# ---------------------------------------------------------------- as much as was asked for


@pytest.mark.parametrize("kind", ["noise", "pink", "hum"])
@pytest.mark.parametrize("strength", [20.0, 5.0, -5.0])
@pytest.mark.parametrize("channel", [0, 1])
def test_noise_has_the_power_that_was_asked_for(
    kind: CorruptionKind, strength: float, channel: int
) -> None:
    worse = worsened(usual(kind, strength=strength, seed=int(strength) + 9))
    clean = read(RECORDING, channel).astype(np.float64)
    added = read(worse, channel) - clean
    found = 10 * np.log10(clean.var() / np.mean(added**2))
    assert found == pytest.approx(strength, abs=0.5)


def test_pink_noise_falls_by_three_decibels_an_octave_and_white_noise_does_not() -> None:
    slopes = {}
    for kind in ("pink", "noise"):
        added = read(worsened(usual(kind)), 1) - read(RECORDING, 1)  # type: ignore[arg-type]
        power = np.abs(np.fft.rfft(added.reshape(-1, 4000), axis=1)) ** 2
        octaves = [power[:, 2**k * 40 : 2 ** (k + 1) * 40].mean() for k in range(5)]
        slopes[kind] = np.polyfit(range(5), 10 * np.log10(octaves), 1)[0]
    assert slopes["pink"] == pytest.approx(-3.01, abs=0.3)
    assert slopes["noise"] == pytest.approx(0.0, abs=0.2)


def test_noise_does_not_exceed_what_the_device_can_record() -> None:
    recording = make(limits=(-200.0, 200.0))
    worse = worsened(usual("noise", "gyro", strength=-20.0), recording=recording)
    values = read(worse, 2)
    assert (values.min(), values.max()) == (-200.0, 200.0)


def test_clipping_cuts_off_the_share_that_was_asked_for() -> None:
    before, after = read(RECORDING, 0), read(worsened(usual("clip", strength=0.3)), 0)
    assert np.mean(before != after) == pytest.approx(0.3, abs=0.01)
    assert np.mean(after == after.max()) == pytest.approx(0.15, abs=0.01)
    inside = (after > after.min()) & (after < after.max())
    np.testing.assert_array_equal(after[inside], before[inside])


@pytest.mark.parametrize(("share", "gap_s"), [(0.3, 0.5), (0.05, 2.0), (1.0, 1.0)])
def test_gaps_take_their_share_of_time_in_pieces_of_their_length(
    share: float, gap_s: float
) -> None:
    worse = worsened(usual("gaps", "acc", "temp", strength=share, gap_s=gap_s))
    lost = np.isnan(read(worse, 0))
    assert lost.mean() == pytest.approx(share, abs=0.02)
    np.testing.assert_array_equal(np.isnan(read(worse, 1)), lost)  # a receiver loses all of it
    if share < 1:
        edges = np.flatnonzero(np.diff(lost.astype(int)))
        lengths = np.diff(edges)[0 if lost[edges[0] + 1] else 1 :: 2]
        assert np.median(lengths) == pytest.approx(gap_s * RATE, abs=1)
    slow = np.isnan(read(worse, 4))
    assert np.mean(slow == lost[:: RATE // 4]) > 0.99


def test_a_flat_line_holds_the_first_value_of_its_stretch() -> None:
    values = read(worsened(usual("flat", start_s=10.0, end_s=20.0)), 0)
    assert (values[1000:2000] == read(RECORDING, 0)[1000]).all()


def test_swapping_one_modality_exchanges_its_first_two_channels() -> None:
    worse = worsened(usual("swap"))
    np.testing.assert_array_equal(read(worse, 0), read(RECORDING, 1))
    np.testing.assert_array_equal(read(worse, 1), read(RECORDING, 0))


def test_swapping_twice_changes_nothing() -> None:
    worse = worsened(usual("swap"), usual("swap"))
    for channel in range(2):
        np.testing.assert_array_equal(read(worse, channel), read(RECORDING, channel))


def eeg_and_eog() -> tuple[Recording, ModalityScheme]:
    time = np.arange(200 * 60) / 200
    slow = np.arange(100 * 60) / 100
    recording = make_recording(
        MemoryFile(
            {
                "C3": (200, 40 * np.sin(2 * np.pi * 3 * time), "uV"),
                "M2": (200, 5 * np.sin(2 * np.pi * 7 * time), "uV"),
                "E1": (100, 0.2 * np.sin(2 * np.pi * 5 * slow), "mV"),
            }
        )
    )
    config = [
        ModalityConfig(name="eeg", unit="uV", channels=[{"match": ["C3"], "minus": ["M2"]}]),
        ModalityConfig(name="ear", unit="uV", channels=["M2"]),
        ModalityConfig(name="eog", unit="uV", channels=["E1"]),
    ]
    return recording, choose_scheme(config, [recording])


def test_exchanged_channels_come_at_the_rate_and_in_the_unit_of_the_place_they_are_put_in() -> None:
    recording, scheme = eeg_and_eog()
    worse = corrupted(recording, scheme, [Corruption("swap", ("eeg", "eog"))])
    time = np.arange(200 * 60) / 200
    inside = slice(200, -200)
    expected = 200 * np.sin(2 * np.pi * 5 * time)  # 0.2 mV in uV, at 200 Hz
    np.testing.assert_allclose(read(worse, 0)[inside], expected[inside], atol=0.5)
    expected = 0.04 * np.sin(2 * np.pi * 3 * np.arange(100 * 60) / 100)
    np.testing.assert_allclose(read(worse, 2)[inside], expected[inside], atol=1e-4)
    whole = read(worse, 0)
    np.testing.assert_array_equal(read(worse, 0, 777, 4321), whole[777:4321])


def test_of_a_difference_the_first_electrode_fails_and_who_shares_it_is_told() -> None:
    recording, scheme = eeg_and_eog()
    on_eeg, on_ear = (Corruption("flat", (name,)) for name in ("eeg", "ear"))
    worse = corrupted(recording, scheme, [on_eeg])
    assert len(np.unique(read(worse, 0))) == 1
    np.testing.assert_array_equal(read(worse, 1), read(recording, 1))
    assert reached(scheme, recording, [on_eeg, on_ear]) == (("eeg",), ("eeg", "ear"))
    both = Corruption("swap", ("eeg", "ear"))
    assert reached(scheme, recording, [both]) == (("eeg", "ear"),)


# ---------------------------------------------------------------- seen by the program


@pytest.mark.parametrize(("kind", "is_caught"), [("flat", True), ("gaps", True), ("noise", False)])
def test_the_search_for_missing_signals_sees_what_such_a_failure_would_show(
    kind: CorruptionKind, is_caught: bool
) -> None:
    worse = worsened(usual(kind, "gyro", start_s=200.0, end_s=400.0, strength=0.9, gap_s=2.0))
    blocks = iterate_windows(worse, SCHEME, WindowsConfig(length_s=10))
    present = np.concatenate([block.windows.present for block in blocks])
    assert present[:, [0, 2]].all()
    assert present[:20, 1].all()
    assert present[40:, 1].all()
    assert present[20:40, 1].all() == (not is_caught)
    assert present[20:40, 1].any() == (not is_caught)


# ---------------------------------------------------------------- what cannot be


def test_impossible_corruptions_are_refused_in_words() -> None:
    with pytest.raises(DataError, match="one channel only"):
        worsened(usual("swap", "temp"))
    with pytest.raises(DataError, match="measure different things"):
        worsened(usual("swap", "acc", "gyro"))
    with pytest.raises(DataError, match="twice that rate"):
        worsened(replace(usual("hum", "acc"), hum_hz=50.0))
    with pytest.raises(DataError, match="no channel of ecg"):
        worsened(usual("flat", "ecg"))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"kind": "magic"}, "no corruption"),
        ({"modalities": ()}, "at least one"),
        ({"start_s": 5.0, "end_s": 5.0}, "end after"),
        ({"strength": 1e4}, "between"),
        ({"kind": "gaps", "strength": 0.2, "gap_s": 0.0}, "above 0"),
        ({"kind": "swap", "modalities": ("a", "b", "c")}, "two modalities"),
        ({"seed": -1}, "seed"),
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Corruption(**{"kind": "noise", "modalities": ("acc",), **values})
