"""Hand-made features on signals whose properties are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.features import study_features, window_features
from core.kinds import guess_kind

MAY_BE_UNDEFINED = ("heart", "rr_", "beats", "breath")


def feature(x, name, rate_hz, kind="other"):
    values, names = window_features(np.atleast_2d(x)[None].astype(np.float32), rate_hz, kind)
    return float(values[0, names.index(name)])


def sine(hz, rate_hz, seconds, amplitude=1.0):
    return amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def beats(per_minute, rate_hz, seconds, width_s, jitter_s=0.0, seed=0):
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    at = np.arange(0.4, seconds, 60 / per_minute)
    at = at + rng.normal(0, jitter_s, len(at)) if jitter_s else at
    return np.exp(-0.5 * ((time[:, None] - at) / width_s) ** 2).sum(axis=1), np.diff(at)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("phone_acc", "acc"),
        ("Accelerometer", "acc"),
        ("chest_acc", "acc"),
        ("watch_gyro", "gyro"),
        ("frontal_eeg", "eeg"),
        ("EEG Fpz-Cz", "eeg"),
        ("eog", "eog"),
        ("LOC", "eog"),
        ("chin", "emg"),
        ("chin_emg", "emg"),
        ("ECG", "ecg"),
        ("ekg2", "ecg"),
        ("bvp", "bvp"),
        ("PPG_green", "bvp"),
        ("eda", "eda"),
        ("GSR", "eda"),
        ("skinConductance", "eda"),
        ("temp", "temp"),
        ("hand_temperature", "temp"),
        ("resp", "resp"),
        ("thorax", "resp"),
        ("chest", "resp"),
        ("magnetometer", "other"),
        ("spo2", "other"),
    ],
)
def test_the_kind_is_guessed_from_the_words_of_the_name(name, kind):
    assert guess_kind(name) == kind


def test_plain_figures_agree_with_numpy_and_scipy():
    x = np.random.default_rng(0).gamma(2.0, size=500)
    expected = {
        "mean": x.mean(),
        "sd": x.std(),
        "min": x.min(),
        "max": x.max(),
        "median": np.median(x),
        "iqr": stats.iqr(x),
        "skewness": stats.skew(x),
        "kurtosis": stats.kurtosis(x),
        "mean_abs_diff": np.abs(np.diff(x)).mean(),
    }
    for name, value in expected.items():
        assert feature(x, f"c0.{name}", 50.0) == pytest.approx(value, rel=1e-4)


def test_a_sine_has_its_frequency_crossings_and_power():
    x = sine(10.0, 250, 10, amplitude=2.0)
    assert feature(x, "c0.dominant_hz", 250, "eeg") == pytest.approx(10.0)
    assert feature(x + 5, "c0.zero_crossings", 250, "eeg") == pytest.approx(20.0, abs=0.3)
    # The power of a sine is amplitude² / 2, here all in the alpha band.
    assert 10 ** feature(x, "c0.log_power_alpha", 250, "eeg") == pytest.approx(2.0, rel=0.01)
    assert 10 ** feature(x, "c0.relative_power_alpha", 250, "eeg") == pytest.approx(1.0, abs=0.01)
    noise = np.random.default_rng(0).normal(size=2500)
    assert feature(x, "c0.spectral_entropy", 250, "eeg") < 0.3
    assert 0.85 < feature(noise, "c0.spectral_entropy", 250, "eeg") <= 1.0


def test_bands_above_half_the_rate_are_left_out():
    _, names = window_features(np.zeros((1, 1, 600), np.float32), 20.0, "eeg")
    assert "c0.log_power_alpha" in names
    assert not any("beta_low" in name or "gamma" in name for name in names)


def test_axes_that_move_together_are_correlated():
    x = sine(2, 50, 4)
    three = np.stack([x, -2 * x, np.full_like(x, 9.81)])
    assert feature(three, "correlation_xy", 50, "acc") == pytest.approx(-1.0, abs=1e-5)
    assert feature(three, "correlation_xz", 50, "acc") == 0.0
    assert feature(three, "magnitude.max", 50, "acc") == pytest.approx(
        np.sqrt((three**2).sum(axis=0)).max(), rel=1e-5
    )
    names = window_features(three[None, :2], 50, "acc")[1]
    assert not any("magnitude" in name for name in names)


@pytest.mark.parametrize("per_minute", [48, 72, 110, 150])
@pytest.mark.parametrize(("kind", "rate_hz", "width_s"), [("ecg", 256, 0.012), ("bvp", 64, 0.09)])
def test_heart_rate_is_found(per_minute, kind, rate_hz, width_s):
    clean, _ = beats(per_minute, rate_hz, 30, width_s)
    x = clean + sine(0.25, rate_hz, 30, 0.3) + np.random.default_rng(1).normal(0, 0.03, len(clean))
    for turned in (x, -x):  # electrodes may be swapped
        found = feature(turned, "c0.heart_rate", rate_hz, kind)
        assert found == pytest.approx(per_minute, rel=0.02)


def test_heart_rate_variability_is_found():
    x, intervals = beats(70, 256, 60, 0.012, jitter_s=0.03)
    assert feature(x, "c0.rr_sd", 256, "ecg") == pytest.approx(intervals.std(), rel=0.15)
    rmssd = np.sqrt((np.diff(intervals) ** 2).mean())
    assert feature(x, "c0.rr_rmssd", 256, "ecg") == pytest.approx(rmssd, rel=0.15)
    steady, _ = beats(70, 256, 60, 0.012)
    assert feature(steady, "c0.rr_rmssd", 256, "ecg") < 0.006


def test_no_heart_beat_is_undefined_not_zero():
    assert np.isnan(feature(np.zeros(2560), "c0.heart_rate", 256, "ecg"))
    assert np.isnan(feature(np.zeros(640), "c0.rr_sd", 64, "bvp"))
    assert np.isnan(feature(np.zeros(20), "c0.heart_rate", 4, "bvp"))


def test_skin_conductance_has_slope_and_peaks():
    time = np.arange(240) / 4
    x = 2.0 + 0.01 * time
    for at in (10, 25, 45):
        x = x + 0.3 * np.exp(-0.5 * ((time - at) / 2.0) ** 2)
    assert feature(x, "c0.peaks_per_minute", 4, "eda") == pytest.approx(3.0)
    assert feature(x, "c0.peak_amplitude", 4, "eda") == pytest.approx(0.28, abs=0.05)
    assert feature(2 + 0.01 * time, "c0.slope", 4, "eda") == pytest.approx(0.01, rel=1e-3)
    assert feature(2 + 0.01 * time, "c0.peaks_per_minute", 4, "eda") == 0.0


def test_breathing_rate_is_found():
    x = sine(0.25, 25, 60) + np.random.default_rng(0).normal(0, 0.1, 1500)
    assert feature(x, "c0.breaths_per_minute", 25, "resp") == pytest.approx(15.0, rel=0.03)
    assert np.isnan(feature(np.zeros(1500), "c0.breaths_per_minute", 25, "resp"))


@pytest.mark.parametrize(
    "kind", ["acc", "gyro", "eeg", "eog", "emg", "ecg", "bvp", "eda", "temp", "resp", "other"]
)
@pytest.mark.parametrize(("rate_hz", "n_samples"), [(1.0, 30), (4.0, 240), (256.0, 512), (10.0, 1)])
def test_every_kind_copes_with_slow_short_and_flat_signals(kind, rate_hz, n_samples):
    x = np.random.default_rng(0).normal(size=(3, 3, n_samples)).astype(np.float32)
    x[1] = 7.0
    x[2] = np.nan
    values, names = window_features(x, rate_hz, kind)
    assert values.shape == (3, len(names))
    assert len(set(names)) == len(names)
    assert values.dtype == np.float32
    assert not np.isinf(values).any()
    assert np.isnan(values[2]).all()
    figure = [name.split(".")[-1] for name in names]
    plain = [k for k, name in enumerate(figure) if not name.startswith(MAY_BE_UNDEFINED)]
    assert np.isfinite(values[:2, plain]).all()


def test_absent_windows_are_nan_and_single_missing_samples_are_bridged():
    x = np.tile(sine(3, 50, 4).astype(np.float32), (4, 1, 1))
    clean, names = window_features(x[:1], 50, "other")
    x[1, 0, 50:53] = np.nan
    x[2, 0, :150] = np.nan
    values, _ = window_features(x, 50, "other", present=np.array([True, True, True, False]))
    np.testing.assert_array_equal(values[0], clean[0])
    column = names.index("c0.sd")
    assert values[1, column] == pytest.approx(clean[0, column], rel=0.02)
    assert np.isnan(values[2:]).all()


@given(seed=st.integers(0, 100), n=st.integers(1, 9))
@settings(max_examples=10, deadline=None)
def test_windows_do_not_influence_each_other(seed, n):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3, 128)).astype(np.float32)
    values, _ = window_features(x, 32.0, "acc")
    order = rng.permutation(n)
    np.testing.assert_allclose(window_features(x[order], 32.0, "acc")[0], values[order], rtol=1e-5)


def test_a_study_puts_modalities_side_by_side():
    rng = np.random.default_rng(0)
    samples = {
        "watch_acc": rng.normal(size=(5, 3, 64)).astype(np.float32),
        "skin": rng.normal(size=(5, 1, 8)).astype(np.float32),
    }
    present = np.ones((5, 2), dtype=bool)
    present[3, 1] = False
    table = study_features(samples, {"watch_acc": 32, "skin": 4}, {"skin": "eda"}, present)
    assert table.values.shape == (5, len(table.names))
    assert table.names[0] == "watch_acc.c0.mean"
    assert "skin.c0.peaks_per_minute" in table.names
    skin = table.columns([1])
    assert np.isnan(table.values[3, skin]).all()
    assert np.isfinite(table.values[3, table.columns([0])]).all()
    assert len(skin) + len(table.columns([0])) == len(table.names)


def test_wrong_shapes_and_rates_are_refused():
    with pytest.raises(ValueError, match="shape"):
        window_features(np.zeros((3, 4)), 10, "other")
    with pytest.raises(ValueError, match="rate"):
        window_features(np.zeros((3, 1, 4)), 0, "other")
