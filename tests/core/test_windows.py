"""Windows fit, and what was not really recorded in them is found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import DetectionConfig, ModalityConfig, WindowsConfig
from core.dataset import prepare_recording
from core.errors import RecordingError
from core.modalities import choose_scheme
from core.recording import Stretch
from core.windows import Runs, window_starts
from tests.core.memory_file import MemoryFile, make_recording

RATE = 50.0


def _noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, round(seconds * RATE)).astype(np.float32)


def _present(channels: dict[str, np.ndarray], length_s: float = 4.0, limits=None, **settings):
    file = MemoryFile({name: (RATE, x) for name, x in channels.items()}, limits=limits)
    recording = make_recording(file)
    # A second modality keeps the recording usable when the first is absent everywhere.
    other = MemoryFile({"other": (RATE, _noise(recording.duration_s))})
    recording = make_recording(file, other)
    kind = settings.pop("kind", "other")
    scheme = choose_scheme(
        [
            ModalityConfig(
                name="m", channels=list(channels), kind=kind, detection=DetectionConfig(**settings)
            ),
            ModalityConfig(name="rest", channels=["other"]),
        ],
        [recording],
    )
    return prepare_recording(recording, scheme, WindowsConfig(length_s=length_s))


def test_only_windows_that_fit_wholly() -> None:
    recording = make_recording(MemoryFile({"a": (RATE, _noise(10))}))
    assert window_starts(recording, WindowsConfig(length_s=4, hop_s=2)).tolist() == [0, 2, 4, 6]
    assert window_starts(recording, WindowsConfig(length_s=10)).tolist() == [0]
    with pytest.raises(RecordingError, match="shorter than a window of 11 s"):
        window_starts(recording, WindowsConfig(length_s=11))


def test_grid_through_the_first_label_goes_both_ways() -> None:
    recording = make_recording(MemoryFile({"a": (RATE, _noise(20))}))
    config = WindowsConfig(length_s=4, hop_s=3, anchor="labels")
    assert window_starts(recording, config, 7.5).tolist() == [1.5, 4.5, 7.5, 10.5, 13.5]
    assert window_starts(recording, config, None)[0] == 0


def test_windows_touching_an_excluded_stretch_are_not_made() -> None:
    recording = make_recording(
        MemoryFile({"a": (RATE, _noise(20))}), excluded=(Stretch(5, 8), Stretch(16, np.inf))
    )
    assert window_starts(recording, WindowsConfig(length_s=4)).tolist() == [0, 8, 12]


def test_windows_in_a_stretch_where_one_modality_is_bad_are_made() -> None:
    recording = make_recording(
        MemoryFile({"a": (RATE, _noise(20))}),
        excluded=(Stretch(5, 8, "m"), Stretch(0, 20, "rest"), Stretch(16, np.inf)),
    )
    assert window_starts(recording, WindowsConfig(length_s=4)).tolist() == [0, 4, 8, 12]


def test_a_bad_stretch_makes_its_modality_absent_by_the_usual_share() -> None:
    files = MemoryFile({"a": (RATE, _noise(20)), "b": (RATE, _noise(20, 1))})

    def present(*stretches: Stretch, **detection: float) -> list[list[bool]]:
        recording = make_recording(files, excluded=stretches)
        found = DetectionConfig(**detection)
        scheme = choose_scheme(
            [ModalityConfig(name=n, channels=[n], kind="other", detection=found) for n in "ab"],
            [recording],
        )
        prepared = prepare_recording(recording, scheme, WindowsConfig(length_s=4))
        assert prepared.starts_s.tolist() == [0, 4, 8, 12, 16]
        return prepared.present.T.tolist()

    always, third = [True] * 5, [True, True, False, True, True]
    assert present(Stretch(8, 12, "a")) == [third, always]
    assert present(Stretch(8, 8.36, "a")) == [always, always]  # 9 % of a window
    assert present(Stretch(8, 8.44, "a")) == [third, always]  # 11 %
    assert present(Stretch(8, 8.44, "a"), max_missing_share=0.2) == [always, always]
    assert present(Stretch(0, 20, "b")) == [always, [False] * 5]
    assert present(Stretch(8, 9, "a"), Stretch(8.5, 12, "b")) == [third, third]
    with pytest.raises(RecordingError, match="missing, flat, saturated or excluded"):
        present(Stretch(0, 20, "a"), Stretch(0, 20, "b"))


@given(
    bad=st.lists(st.booleans(), min_size=1, max_size=60),
    edges=st.lists(st.integers(0, 60), min_size=2, max_size=2),
)
@settings(max_examples=100, deadline=None)
def test_runs_count_like_a_mask(bad: list[bool], edges: list[int]) -> None:
    mask = np.array(bad)
    runs = Runs()
    marks = np.flatnonzero(np.diff(np.concatenate(([0], mask, [0]))))
    for pair in marks.reshape(-1, 2):
        runs.add(pair[None].astype(np.int64))
    low, high = min(edges), max(edges)
    assert runs.count(np.array([low]), np.array([high]))[0] == mask[low:high].sum()


def test_missing_flat_and_saturated_stretches_are_absent() -> None:
    for spoil in (np.nan, 0.123, 5.0):
        x = _noise(20)
        x[400:600] = spoil  # exactly the third window
        prepared = _present({"a": x}, limits=(-5.0, 5.0))
        assert prepared.present[:, 0].tolist() == [True, True, False, True, True]
        assert prepared.present[:, 1].all()
        assert prepared.present_share == {"m": 0.8, "rest": 1.0}


def test_short_defects_are_tolerated_up_to_the_share() -> None:
    x = _noise(20)
    x[400:418] = np.nan  # 9 % of a window
    assert _present({"a": x}).present[:, 0].all()
    x[400:422] = np.nan  # 11 %
    assert not _present({"a": x}).present[2, 0]
    assert _present({"a": x}, max_missing_share=0.2).present[2, 0]


def test_a_modality_needs_its_share_of_channels() -> None:
    good, gone = _noise(20), np.full(1000, np.nan, np.float32)
    prepared = _present({"a": good, "b": gone})
    assert prepared.present[:, 0].all()
    assert prepared.windows.alive[0].tolist() == [[True, False]] * 5
    assert not _present({"a": good, "b": gone}, min_channels_share=0.6).present[:, 0].any()


def test_values_outside_the_valid_range_are_missing() -> None:
    x = _noise(20) + 33
    x[400:600] = -40 + _noise(4, 1)
    prepared = _present({"a": x}, valid_range=(10.0, 45.0))
    assert prepared.present[:, 0].tolist() == [True, True, False, True, True]
    assert np.isnan(prepared.signals[0][0, 400:600]).all()


def test_a_resting_axis_is_no_dead_accelerometer() -> None:
    still, moving = np.zeros(1000, np.float32), _noise(20)
    alive = _present({"x": still, "y": moving, "z": moving[::-1]}, kind="acc")
    assert alive.present[:, 0].all()
    assert alive.windows.alive[0].all()
    dead = _present({"x": still, "y": still + 1, "z": still + 9.81}, kind="acc")
    assert not dead.present[:, 0].any()


def test_temperature_may_rest_on_one_value() -> None:
    assert _present({"t": np.full(1000, 33.5, np.float32)}, kind="temp").present[:, 0].all()


def test_flat_runs_are_found_whatever_their_place() -> None:
    """The quick look at a few samples misses no run."""
    rng = np.random.default_rng(1)
    for _ in range(40):
        x = _noise(20, int(rng.integers(1 << 30)))
        start = int(rng.integers(0, 900))
        length = int(rng.integers(30, 100))
        x[start : start + length] = 1.0
        file = make_recording(MemoryFile({"a": (RATE, x)}))
        config = ModalityConfig(
            name="m", channels=["a"], detection=DetectionConfig(max_flat_share=0.0)
        )
        scheme = choose_scheme([config], [file])
        expected = [
            length >= 50 and start < stop and start + length > stop - 50
            for stop in range(50, 1001, 50)
        ]
        try:
            found = ~prepare_recording(file, scheme, WindowsConfig(length_s=1)).present[:, 0]
        except RecordingError:
            found = np.ones(20, bool)
        assert found.tolist() == expected
