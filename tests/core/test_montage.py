"""A montage says what is drawn; every trace is read at its own rate, derived and filtered truly."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import ChannelConfig, FilterConfig, ModalityConfig
from core.errors import ConfigError
from core.filters import TracePlan, design
from core.modalities import ModalityScheme, choose_scheme, read_modality, resolve
from core.montage import (
    DisplayChannel,
    Montage,
    TraceSettings,
    complete,
    display_channels,
    montage_for,
)
from core.recording import Recording
from tests.core.memory_file import MemoryFile, make_recording


def noise(seconds: float, rate: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 10, round(seconds * rate)).astype(np.float32)


def sleep_recording() -> Recording:
    """Electrodes with their references in uV, an ECG in V, a slow temperature."""
    labels = ["EEG C3", "EEG C4", "EEG M1", "EEG M2", "EMG chin"]
    signals: dict[str, tuple] = {
        label: (256.0, noise(60, 256, seed)) for seed, label in enumerate(labels)
    }
    signals["ECG"] = (128.0, noise(60, 128, 9) * 1e-4, "V")
    signals["Temp rect"] = (1.0, 37 + noise(60, 1, 10), "degC")
    return make_recording(MemoryFile(signals))


def scheme(*modalities: ModalityConfig) -> ModalityScheme:
    return ModalityScheme(tuple(modalities))


EEG = ModalityConfig(
    name="eeg",
    kind="eeg",
    rate_hz=100.0,
    unit="uV",
    channels=[
        ChannelConfig(match=["C3-M2", "C3"], minus=["M2", "A2"]),
        ChannelConfig(match=["C4-M1", "C4"], minus=["M1", "A1"]),
    ],
    filter=FilterConfig(low_hz=0.3, high_hz=35.0),
)
ECG = ModalityConfig(
    name="heart", kind="ecg", rate_hz=100.0, unit="mV", channels=[ChannelConfig(match=["ECG"])]
)
PLETH = ModalityConfig(
    name="bvp", rate_hz=64.0, channels=[ChannelConfig(match=["Pleth"]), ChannelConfig(match=["P2"])]
)


def shown(montage: Montage, recording: Recording) -> dict[str, DisplayChannel]:
    return {channel.name: channel for channel in display_channels(montage, recording)}


# ---------------------------------------------------------------- default montages


def test_without_a_scheme_every_channel_is_shown_as_recorded_in_file_order():
    recording = sleep_recording()
    channels = display_channels(montage_for(recording), recording)
    file = recording.sources[0].file
    assert [c.name for c in channels] == [c.label for c in file.channels]
    for number, (channel, recorded) in enumerate(zip(channels, file.channels, strict=True)):
        assert (channel.rate_hz, channel.unit) == (recorded.rate_hz, recorded.unit)
        assert channel.samples == recorded.samples
        assert not channel.modality
        values = channel.read(0, channel.samples)
        np.testing.assert_array_equal(values, file.read(number, 0, recorded.samples))
        assert values.dtype == np.float32


def test_a_scheme_s_channels_come_first_with_derivation_and_unit_then_the_rest():
    recording = sleep_recording()
    montage = montage_for(recording, scheme(ECG, PLETH, EEG))
    channels = display_channels(montage, recording)
    assert [(c.modality, c.name) for c in channels] == [
        ("heart", "ECG"),
        ("bvp", "Pleth"),
        ("eeg", "EEG C3-M2"),
        ("eeg", "EEG C4-M1"),
        ("", "EEG M1"),
        ("", "EEG M2"),
        ("", "EMG chin"),
        ("", "Temp rect"),
    ]
    file = recording.sources[0].file
    by_name = {c.name: c for c in channels}
    np.testing.assert_array_equal(
        by_name["EEG C3-M2"].read(100, 200), file.read(0, 100, 200) - file.read(3, 100, 200)
    )
    assert by_name["EEG C3-M2"].rate_hz == 256.0  # its own, not the modality's
    assert by_name["EEG C3-M2"].kind == "eeg"
    assert by_name["EEG C3-M2"].filter is None
    assert by_name["EMG chin"].kind == "emg"
    assert by_name["ECG"].unit == "mV"
    np.testing.assert_allclose(
        by_name["ECG"].read(0, 50), file.read(5, 0, 50) * np.float32(1000), rtol=1e-6
    )


def test_a_modality_that_the_recording_lacks_is_one_absent_channel():
    recording = sleep_recording()
    pleth = shown(montage_for(recording, scheme(PLETH)), recording)["Pleth"]
    assert pleth.absent
    assert pleth.samples == 0
    assert pleth.modality == "bvp"
    assert np.isnan(pleth.read(0, 5)).all()
    assert "P2" not in shown(montage_for(recording, scheme(PLETH)), recording)


def test_the_modality_s_own_filter_is_taken_only_when_asked_for():
    recording = sleep_recording()
    trace = montage_for(recording, scheme(EEG), filtered=True)["EEG C3-M2"]
    assert (trace.low_hz, trace.high_hz, trace.notch_hz) == (0.3, 35.0, None)
    assert not montage_for(recording, scheme(EEG))["EEG C3-M2"].is_filtered


def test_the_channels_are_those_that_the_model_gets():
    """The same derivation as `read_modality`, at the same rate and without filter."""
    recording = sleep_recording()
    bare = EEG.model_copy(update={"rate_hz": 256.0, "filter": FilterConfig()})
    wanted = read_modality(resolve(scheme(bare), recording), "eeg", 5.0, 15.0)
    channels = shown(montage_for(recording, scheme(EEG)), recording)
    for row, name in enumerate(("EEG C3-M2", "EEG C4-M1")):
        np.testing.assert_array_equal(channels[name].read(5 * 256, 15 * 256), wanted[row])


def test_the_average_reference_is_that_of_the_model_and_counts_only_equal_rates():
    labels = ["EEG C3", "EEG C4", "EEG Pz"]
    signals = {label: (256.0, noise(20, 256, k)) for k, label in enumerate(labels)}
    signals["EEG C4"][1][1000:2000] = np.nan
    signals["EEG slow"] = (64.0, noise(20, 64, 7))
    recording = make_recording(MemoryFile(signals))
    config = ModalityConfig(
        name="eeg",
        rate_hz=256.0,
        average_reference=True,
        channels=[ChannelConfig(match=[label]) for label in labels],
    )
    wanted = read_modality(resolve(scheme(config), recording), "eeg", 0.0, 20.0)
    montage = montage_for(recording, scheme(config))
    channels = shown(montage, recording)
    for row, label in enumerate(labels):
        for start in (0, 100):  # the mean is kept for the next channel
            values = channels[label].read(start, 20 * 256)
            np.testing.assert_allclose(values, wanted[row][start:], atol=1e-5)
    slow = replace(montage["EEG slow"], modality="eeg", average_reference=True)
    alone = shown(Montage((*montage.traces[:3], slow)), recording)["EEG slow"]
    assert "shown without reference" in alone.problem
    np.testing.assert_array_equal(alone.read(0, 10), signals["EEG slow"][1][:10])


def test_channels_called_alike_are_told_apart_whatever_their_order():
    values = [np.full(100, float(k)) for k in range(3)]
    file = MemoryFile({"a": (10.0, values[0]), "b": (10.0, values[1]), "c": (10.0, values[2])})
    file.channels = tuple(replace(c, label="EEG") for c in file.channels)
    recording = make_recording(file)
    montage = montage_for(recording)
    assert [t.name for t in montage.traces] == ["EEG", "EEG (2)", "EEG (3)"]
    turned = Montage(montage.traces[::-1])
    assert [c.read(0, 1)[0] for c in display_channels(turned, recording)] == [2.0, 1.0, 0.0]
    config = ModalityConfig(name="eeg", rate_hz=10.0, channels=[ChannelConfig(match=["EEG*"])] * 2)
    both = montage_for(recording, scheme(config))
    assert [c.read(0, 1)[0] for c in display_channels(both, recording)] == [0.0, 1.0, 2.0]


def test_several_files_are_named_and_keep_their_own_time():
    phone = MemoryFile({"x": (50.0, noise(10, 50, 1)), "y": (50.0, noise(10, 50, 2))})
    watch = MemoryFile({"x": (20.0, noise(10, 20, 3))})
    recording = make_recording(phone, watch, names=("phone", "watch"), offsets_s=(0.0, 3.0))
    channels = shown(montage_for(recording), recording)
    assert list(channels) == ["phone: x", "phone: y", "watch: x"]
    assert (channels["watch: x"].offset_s, channels["watch: x"].source) == (3.0, 1)
    np.testing.assert_array_equal(channels["watch: x"].read(0, 9), watch.read(0, 0, 9))
    trace = TraceSettings("mine", ("watch:x",))
    assert shown(Montage((trace,)), recording)["mine"].source == 1


def test_a_montage_fits_another_recording_by_the_names_of_its_scheme():
    montage = montage_for(sleep_recording(), scheme(EEG))
    other = make_recording(
        MemoryFile({"C3-M2": (200.0, noise(9, 200)), "Snore": (50.0, noise(9, 50)),
                    "EEG C4": (200.0, noise(9, 200, 1)), "A1": (200.0, noise(9, 200, 2))})
    )  # fmt: skip
    channels = shown(montage, other)
    file = other.sources[0].file
    assert list(channels) == ["EEG C3-M2", "EEG C4-M1"]
    # Already a difference: taken as it is. The other one is referenced to what there is.
    np.testing.assert_array_equal(channels["EEG C3-M2"].read(0, 9), file.read(0, 0, 9))
    np.testing.assert_array_equal(
        channels["EEG C4-M1"].read(0, 9), file.read(2, 0, 9) - file.read(3, 0, 9)
    )
    full = complete(montage, other)
    assert [c.name for c in display_channels(full, other)][2:] == ["Snore", "A1"]


def test_what_could_not_be_followed_is_said():
    recording = sleep_recording()
    trace = TraceSettings("C3", ("EEG C3",), minus=("A2", "A1"))
    (channel,) = display_channels(Montage((trace,)), recording)
    assert channel.problem == "There is no A2 or A1 to subtract; shown as recorded."
    slow = TraceSettings("T", ("Temp*",), low_hz=0.5)
    (channel,) = display_channels(Montage((slow,)), recording)
    assert "leaves nothing of a channel recorded at 1 Hz; shown without filter." in channel.problem
    assert np.isfinite(channel.read(0, 60)).all()
    # A filter beyond what the channel holds changes nothing, which needs no words.
    high = TraceSettings("T", ("Temp*",), high_hz=35.0)
    (channel,) = display_channels(Montage((high,)), recording)
    assert channel.problem == ""
    np.testing.assert_array_equal(channel.read(0, 60), recording.sources[0].file.read(6, 0, 60))


def test_a_channel_in_another_kind_of_unit_is_passed_over():
    file = MemoryFile(
        {"EEG C3": (10.0, noise(9, 10), "Ohm"), "C3": (10.0, noise(9, 10, 1), "mV"),
         "X": (10.0, noise(9, 10, 2), "counts")}
    )  # fmt: skip
    recording = make_recording(file)
    by_name = shown(
        Montage((TraceSettings("a", ("C3",), unit="uV"), TraceSettings("b", ("X",), unit="uV"))),
        recording,
    )
    np.testing.assert_allclose(by_name["a"].read(0, 9), file.read(1, 0, 9) * 1000, rtol=1e-6)
    assert by_name["a"].unit == "uV"
    assert by_name["b"].unit == "counts"  # nobody knows how many microvolts that is


def test_a_derivation_over_two_rates_and_units_brings_the_second_to_the_first():
    t = np.arange(200 * 20) / 200
    wave = 50 * np.sin(2 * np.pi * 1.5 * t)
    signals = {"EEG C3": (200.0, wave, "uV"), "EEG M2": (50.0, wave[::4] / 1000, "mV")}
    recording = make_recording(MemoryFile(signals))
    trace = TraceSettings("d", ("C3",), minus=("M2",))
    (channel,) = display_channels(Montage((trace,)), recording)
    assert channel.rate_hz == 200.0
    assert np.abs(channel.read(400, 3600)).max() < 0.5


# ---------------------------------------------------------------- filters


@given(
    cuts=st.lists(st.integers(0, 5000), min_size=1, max_size=4), low=st.sampled_from([None, 0.5])
)
@settings(max_examples=25, deadline=None)
def test_a_filtered_trace_does_not_depend_on_where_it_is_cut(cuts: list[int], low: float | None):
    values = noise(50, 100, 3)
    values[2000:2300] = np.nan
    recording = make_recording(MemoryFile({"a": (100.0, values)}))
    trace = TraceSettings("a", ("a",), low_hz=low, high_hz=20.0, notch_hz=30.0)
    (channel,) = display_channels(Montage((trace,)), recording)
    whole = channel.read(0, 5000)
    places = sorted({0, 5000, *cuts})
    parts = [channel.read(a, b) for a, b in pairwise(places)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-4)
    np.testing.assert_array_equal(np.isnan(whole), np.isnan(values))


def test_a_filter_shifts_nothing_and_is_that_of_the_model():
    recording = sleep_recording()
    plain = montage_for(recording, scheme(EEG))
    montage = montage_for(recording, scheme(EEG), filtered=True)
    channel, raw = (shown(m, recording)["EEG C3-M2"] for m in (montage, plain))
    taps = design(EEG.filter, 256.0)
    plan = TracePlan(256.0, 256.0, 0.0, taps)
    values = raw.read(-plan.margin, 60 * 256 + plan.margin + 1)
    wanted = plan.apply(values, -plan.margin, 0, 60 * 256)
    np.testing.assert_allclose(channel.read(0, 60 * 256), wanted, atol=1e-4)


def test_polarity_and_height_are_drawing_only():
    recording = sleep_recording()
    plain = montage_for(recording)
    turned = plain.changed("EEG C3", inverted=True, sensitivity=20.0, hidden=True)
    one, other = shown(plain, recording)["EEG C3"], shown(turned, recording)["EEG C3"]
    np.testing.assert_array_equal(one.read(0, 99), other.read(0, 99))
    assert one.reads == other.reads
    assert one.reads != shown(plain.changed("EEG C3", high_hz=30.0), recording)["EEG C3"].reads


# ---------------------------------------------------------------- documents

texts = st.text(min_size=1, max_size=8).filter(lambda text: text.strip() != "")
amounts = st.none() | st.floats(1e-3, 1e4)
traces = st.builds(
    TraceSettings,
    name=texts,
    channel=st.lists(texts, min_size=1, max_size=3).map(tuple),
    source=st.text(max_size=5),
    number=st.integers(0, 5),
    minus=st.lists(texts, max_size=2).map(tuple),
    average_reference=st.booleans(),
    unit=st.sampled_from(["", "uV"]),
    modality=st.text(max_size=5),
    kind=st.sampled_from(["", "eeg"]),
    high_hz=amounts,
    notch_hz=amounts,
    inverted=st.booleans(),
    sensitivity=amounts,
    hidden=st.booleans(),
)


@given(st.lists(traces, max_size=5, unique_by=lambda trace: trace.name))
def test_a_montage_survives_its_document(entries: list[TraceSettings]):
    montage = Montage(tuple(entries))
    assert Montage.from_document(json.loads(json.dumps(montage.to_document()))) == montage


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "an object with a list called 'traces'"),
        ({"traces": "C3"}, "an object with a list called 'traces'"),
        ({"traces": [], "schema_version": 9}, "schema_version is 9, and this program knows 1"),
        ({"traces": [], "colour": 1}, "there is no such key as 'colour'"),
        ({"traces": [4]}, "traces.0: a trace is an object"),
        ({"traces": [{"channel": "C3"}]}, "traces.0.name: this key is required"),
        ({"traces": [{"name": "a"}]}, "traces.0.channel: this key is required"),
        ({"traces": [{"name": "a", "channel": []}]}, "traces.0.channel: a name, or a list"),
        ({"traces": [{"name": " ", "channel": "a"}]}, "traces.0.name: a text"),
        ({"traces": [{"name": "a", "channel": "a", "low": 1}]}, "known: name, channel"),
        ({"traces": [{"name": "a", "channel": "a", "low_hz": -1}]}, "low_hz: a frequency above 0"),
        ({"traces": [{"name": "a", "channel": "a", "low_hz": True}]}, "low_hz: a frequency above"),
        (
            {"traces": [{"name": "a", "channel": "a", "low_hz": 9, "high_hz": 3}]},
            "low_hz must be below high_hz",
        ),
        ({"traces": [{"name": "a", "channel": "a", "hidden": 1}]}, "hidden: true or false"),
        ({"traces": [{"name": "a", "channel": "a", "number": -1}]}, "number: a number from 0"),
        ({"traces": [{"name": "a", "channel": "a"}] * 2}, "two traces are called 'a'"),
    ],
)
def test_a_document_that_cannot_be_right_says_where(document: object, says: str):
    with pytest.raises(ConfigError, match="montage") as caught:
        Montage.from_document(document)
    assert says in str(caught.value)


def test_a_channel_may_be_written_as_one_text():
    montage = Montage.from_document({"traces": [{"name": "a", "channel": "C3", "minus": "M2"}]})
    assert montage["a"] == TraceSettings("a", ("C3",), minus=("M2",))
    with pytest.raises(KeyError):
        montage["b"]


def test_the_presets_fit_the_montage_too():
    recording = make_recording(
        MemoryFile({label: (100.0, noise(9, 100)) for label in ("EEG Fpz-Cz", "EOG horizontal",
                                                                  "EMG submental", "Marker")})
    )  # fmt: skip
    settled = choose_scheme("sleep", [recording])
    channels = display_channels(montage_for(recording, settled), recording)
    assert [(c.modality, c.name) for c in channels] == [
        ("eeg_frontal", "EEG Fpz-Cz"),
        ("eog", "EOG horizontal"),
        ("emg", "EMG submental"),
        ("", "Marker"),
    ]
