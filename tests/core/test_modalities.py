"""Channels are found by name, brought to one unit and rate, and read lazily."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from core.config import ChannelConfig, FilterConfig, ModalityConfig
from core.errors import ConfigError, DataError
from core.modalities import (
    choose_scheme,
    convert,
    load_preset,
    matches,
    preset_names,
    read_modality,
    resolve,
)
from core.recording import Stretch
from tests.core.memory_file import MemoryFile, make_recording


def _noise(seconds: float, rate: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 10, round(seconds * rate)).astype(np.float32)


def _labels(names: list[str], source: str = "main"):
    return make_recording(MemoryFile({n: (100.0, _noise(1, 100)) for n in names}), names=(source,))


@pytest.mark.parametrize(
    ("label", "pattern"),
    [
        ("EEG Fpz-Cz", "Fpz-Cz"),
        ("EEG C3-A2 ", "c3-a2"),
        (" EEG  Fp1", "Fp1"),
        ("EEG FP1-REF", "Fp1"),
        ("C3:M2", "C3-M2"),
        ("C3 - M2", "C3-M2"),
        ("c3_m2", "C3-M2"),
        ("ECG ECG", "ECG"),
        ("Resp oro-nasal", "resp*"),
        ("Temp [C]", "temp [c]"),
        ("x_acc", "?_acc"),
    ],
)
def test_names_are_recognised(label: str, pattern: str) -> None:
    assert matches(label, pattern)


def test_names_that_differ_are_told_apart() -> None:
    assert not matches("C3 Impedance", "C3")
    assert not matches("EEG C3-A2", "C3")
    assert not matches("EEG Fp1", "Fp")


def test_first_name_that_the_recording_has_wins_and_none_is_used_twice() -> None:
    recording = _labels(["EEG C4", "EEG C3-A2", "EEG C3-M2"])
    config = ModalityConfig(
        name="eeg", channels=[{"match": ["C3-M2", "C3-A2"]}, {"match": ["EEG*"]}, "Oz"]
    )
    resolved = resolve(choose_scheme([config], [recording]), recording)
    assert [c.label for c in resolved["eeg"].channels] == ["EEG C3-M2", "EEG C4", "Oz"]
    assert resolved["eeg"].channels[2].traces == ()
    assert any("lacks Oz" in f.message for f in resolved.findings)


@pytest.mark.parametrize(
    ("unit", "wanted", "value", "expected"),
    [
        ("mV", "uV", 1.0, 1000.0),
        ("MV", "µV", 1.0, 1000.0),
        ("V", "uV", 2e-6, 2.0),
        ("g", "m/s2", 1.0, 9.80665),
        ("deg/s", "rad/s", 180.0, np.pi),
        ("K", "degC", 310.15, 37.0),
        ("°F", "C", 98.6, 37.0),
        ("uS", "uS", 3.0, 3.0),
    ],
)
def test_units_are_converted(unit: str, wanted: str, value: float, expected: float) -> None:
    factors = convert(unit, wanted)
    assert factors is not None
    assert value * factors[0] + factors[1] == pytest.approx(expected)


def test_unknown_and_missing_units_are_said() -> None:
    recording = make_recording(
        MemoryFile({"a": (10.0, _noise(5, 10), ""), "b": (10.0, _noise(5, 10), "furlong")})
    )
    scheme = choose_scheme([ModalityConfig(name="m", channels=["a", "b"], unit="uV")], [recording])
    messages = [f.message for f in resolve(scheme, recording).findings]
    assert any("a has no unit" in m for m in messages)
    assert any("'furlong'" in m for m in messages)


def test_a_channel_that_measures_something_else_is_passed_over() -> None:
    recording = make_recording(
        MemoryFile({"C3 imp": (1.0, _noise(5, 1), "Ohm"), "C3": (100.0, _noise(5, 100), "mV")})
    )
    scheme = choose_scheme([ModalityConfig(name="eeg", channels=["C3*"], unit="uV")], [recording])
    resolved = resolve(scheme, recording)
    assert resolved["eeg"].channels[0].label == "C3"
    assert any("Ohm" in f.message for f in resolved.findings)


def test_differences_are_derived_unless_already_there() -> None:
    c3, m2, ready = _noise(5, 100, 1), _noise(5, 100, 2), _noise(5, 100, 3)
    channel = ChannelConfig(match=["C3-M2", "C3"], minus=["M2", "A2"])
    config = [ModalityConfig(name="eeg", channels=[channel])]
    apart = make_recording(MemoryFile({"EEG C3": (100.0, c3), "EEG A2": (100.0, m2)}))
    scheme = choose_scheme(config, [apart])
    values = read_modality(resolve(scheme, apart), "eeg", 1, 3)
    np.testing.assert_allclose(values[0], (c3 - m2)[100:300], rtol=1e-6)
    done = make_recording(MemoryFile({"C3-M2": (100.0, ready), "M2": (100.0, m2)}))
    values = read_modality(resolve(scheme, done), "eeg", 0, 5)
    np.testing.assert_array_equal(values[0], ready)
    lone = make_recording(MemoryFile({"C3": (100.0, c3)}))
    assert any("taken as recorded" in f.message for f in resolve(scheme, lone).findings)


def test_average_reference_leaves_out_missing_channels() -> None:
    a, b = _noise(5, 100, 1), _noise(5, 100, 2)
    b[:250] = np.nan
    recording = make_recording(MemoryFile({"a": (100.0, a), "b": (100.0, b)}))
    config = ModalityConfig(name="m", channels=["a", "b", "c"], average_reference=True)
    values = read_modality(resolve(choose_scheme([config], [recording]), recording), "m", 0, 5)
    np.testing.assert_allclose(values[0, :250], 0, atol=1e-5)
    np.testing.assert_allclose(values[0, 250:], ((a - b) / 2)[250:], atol=1e-5)
    assert np.isnan(values[2]).all()


def test_rate_is_the_commonest_and_others_are_resampled() -> None:
    recordings = [
        make_recording(
            MemoryFile({"a": (r, np.sin(2 * np.pi * np.arange(20 * r) / r))}), subject=str(n)
        )
        for n, r in enumerate((100.0, 256.0, 256.0))
    ]
    scheme = choose_scheme([ModalityConfig(name="m", channels=["a"])], recordings)
    assert scheme.rate_hz("m") == 256
    values = read_modality(resolve(scheme, recordings[0]), "m", 5, 15)
    t = np.arange(5 * 256, 15 * 256) / 256
    np.testing.assert_allclose(values[0], np.sin(2 * np.pi * t), atol=1e-3)


def test_sources_tell_channels_of_the_same_name_apart() -> None:
    phone = MemoryFile(
        {f"{a}_{s}": (100.0, _noise(5, 100, 1)) for a in "xyz" for s in ("acc", "gyro")}
    )
    watch = MemoryFile(
        {f"{a}_{s}": (100.0, _noise(5, 100, 2)) for a in "xyz" for s in ("acc", "gyro")}
    )
    recording = make_recording(phone, watch, names=("sp", "sw"))
    scheme = choose_scheme("auto", [recording])
    assert scheme.preset == "body_motion"
    assert scheme.names == ("phone_acc", "phone_gyro", "watch_acc", "watch_gyro")
    resolved = resolve(scheme, recording)
    np.testing.assert_array_equal(read_modality(resolved, "watch_acc", 0, 5)[0], watch._values[0])
    one = ModalityConfig(name="w", channels=["x_acc"], source="SW")
    assert resolve(choose_scheme([one], [recording]), recording)["w"].found


@pytest.mark.parametrize(
    ("preset", "source", "names"),
    [
        ("sleep", "main", ["EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal", "EMG submental"]),
        ("sleep", "main", ["C3-A2", "C4-A1", "Left Eye-A2", "Right Eye-A1", "Chin1-Chin2"]),
        ("wearable_stress", "main", ["wrist_ACC_x", "wrist_BVP", "wrist_EDA", "chest_ECG"]),
        ("body_motion", "main", ["hand_acc_x", "hand_gyro_x", "ankle_acc16_1", "chest_acc_x"]),
        ("body_motion", "main", ["acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z"]),
    ],
)
def test_auto_takes_the_preset_that_the_names_fit(
    preset: str, source: str, names: list[str]
) -> None:
    recording = make_recording(
        MemoryFile({n: (100.0, _noise(1, 100), "") for n in names}), names=(source,)
    )
    assert choose_scheme("auto", [recording]).preset == preset


def test_e4_folders_fit_the_wearable_preset() -> None:
    files = {
        "ACC": MemoryFile({a: (32.0, _noise(5, 32), "") for a in "xyz"}),
        "BVP": MemoryFile({"BVP": (64.0, _noise(5, 64), "")}),
        "EDA": MemoryFile({"EDA": (4.0, _noise(5, 4), "")}),
        "TEMP": MemoryFile({"TEMP": (4.0, _noise(5, 4), "")}),
    }
    scheme = choose_scheme("auto", [make_recording(*files.values(), names=tuple(files))])
    assert scheme.preset == "wearable_stress"
    assert scheme.names == ("acc", "bvp", "eda", "temp")
    assert [scheme.rate_hz(name) for name in scheme.names] == [32, 64, 4, 4]


def test_every_preset_is_valid_and_unknown_ones_are_named() -> None:
    assert preset_names() == ("body_motion", "sleep", "wearable_stress")
    for name in preset_names():
        names = [modality.name for modality in load_preset(name)]
        assert len(names) == len(set(names))
    with pytest.raises(ConfigError, match="no preset 'sleeep'"):
        choose_scheme("sleeep", [_labels(["a"])])


def test_what_fits_nothing_is_refused_with_the_names_found() -> None:
    recording = _labels(["foo", "bar"])
    with pytest.raises(DataError, match="foo, bar"):
        choose_scheme("auto", [recording])
    with pytest.raises(DataError, match=r"modality 'm' \(looked for baz\).*foo, bar"):
        choose_scheme([ModalityConfig(name="m", channels=["baz"])], [recording])


def test_a_settled_scheme_settles_to_itself() -> None:
    recording = _labels(["EEG Fpz-Cz", "EOG horizontal"])
    scheme = choose_scheme("sleep", [recording])
    dumped = [ModalityConfig.model_validate(m.model_dump()) for m in scheme.modalities]
    assert choose_scheme(dumped, [recording]).modalities == scheme.modalities


def test_a_channel_too_slow_for_the_filter_counts_as_missing() -> None:
    recording = make_recording(
        MemoryFile({"emg": (1.0, _noise(60, 1)), "eeg": (100.0, _noise(60, 100))})
    )
    config = [
        ModalityConfig(name="emg", channels=["emg"], filter=FilterConfig(low_hz=10)),
        ModalityConfig(name="eeg", channels=["eeg"]),
    ]
    resolved = resolve(choose_scheme(config, [recording]), recording)
    assert not resolved["emg"].found
    assert any("leaves nothing" in f.message for f in resolved.findings)


def test_excluded_stretches_and_the_outside_read_as_missing() -> None:
    x = _noise(10, 100)
    recording = make_recording(MemoryFile({"a": (100.0, x)}), excluded=(Stretch(3, 4),))
    scheme = choose_scheme([ModalityConfig(name="m", channels=["a"])], [recording])
    values = read_modality(resolve(scheme, recording), "m", -1, 11)[0]
    expected = np.concatenate([[np.nan] * 100, x, [np.nan] * 100])
    expected[400:500] = np.nan
    np.testing.assert_array_equal(values, expected.astype(np.float32))


def test_a_stretch_that_is_bad_in_one_modality_is_read_in_the_others() -> None:
    x = _noise(10, 100)
    stretches = (Stretch(3, 4, "one"), Stretch(8, 9))
    recording = make_recording(MemoryFile({"a": (100.0, x)}), excluded=stretches)
    modalities = [ModalityConfig(name=name, channels=["a"]) for name in ("one", "two")]
    resolved = resolve(choose_scheme(modalities, [recording]), recording)
    expected = x.copy()
    expected[800:900] = np.nan
    np.testing.assert_array_equal(read_modality(resolved, "two", 0, 10)[0], expected)
    expected[300:400] = np.nan
    np.testing.assert_array_equal(read_modality(resolved, "one", 0, 10)[0], expected)


def test_reading_a_stretch_reads_little_more_and_threads_agree() -> None:
    file = MemoryFile({"a": (200.0, _noise(600, 200))})
    recording = make_recording(file)
    config = ModalityConfig(
        name="m", channels=["a"], rate_hz=100, filter=FilterConfig(low_hz=0.5, high_hz=30)
    )
    resolved = resolve(choose_scheme([config], [recording]), recording)
    spans = [(start, start + 20.0) for start in range(0, 580, 20)]
    alone = [read_modality(resolved, "m", *span) for span in spans]
    assert file.largest_read < 40 * 200
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda span: read_modality(resolved, "m", *span), spans))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
    whole = read_modality(resolved, "m", 0, 580)
    np.testing.assert_allclose(np.concatenate(alone, axis=1), whole, atol=1e-4)
