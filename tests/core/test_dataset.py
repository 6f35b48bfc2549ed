"""Windows as tensors: the reference windows, cheap overlaps, and the same numbers in parts."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.config import (
    DetectionConfig,
    FieldLabels,
    FilterConfig,
    ModalityConfig,
    WindowsConfig,
    make_config,
)
from core.dataset import (
    SignalStore,
    WindowSet,
    iterate_windows,
    prepare,
    prepare_recording,
)
from core.errors import DataError, RecordingError
from core.find_recordings import find_recordings, open_recording
from core.modalities import choose_scheme
from core.progress import Cancelled, RunContext
from core.recording import Recording, Stretch
from core.scaling import Scaling
from tests.core.memory_file import MemoryFile, make_recording

SCHEME = [
    ModalityConfig(
        name="eeg",
        channels=["C3", "C4"],
        rate_hz=100,
        filter=FilterConfig(low_hz=0.5, high_hz=30),
        average_reference=True,
    ),
    ModalityConfig(name="resp", channels=["Flow"], rate_hz=12.5, detection={"flat_run_s": 0.5}),
    ModalityConfig(name="temp", channels=["T"], scaling="window"),
    ModalityConfig(name="raw", channels=["C3", "none"], scaling="none"),
]
WINDOWS = WindowsConfig(length_s=10, hop_s=4, pretrain_hop_s=1.5)


def _recording(number: int = 0, seconds: float = 300) -> Recording:
    rng = np.random.default_rng(number)
    t = np.arange(round(seconds * 10)) / 10
    temp = 33 + np.cumsum(rng.normal(0, 0.01, round(seconds * 4)))
    c3 = rng.normal(50, 20, round(seconds * 256))
    c3[256 * 40 : 256 * 55] = np.nan
    flow = np.sin(t) + rng.normal(0, 0.1, len(t))
    flow[1000:1200] = 0.25
    one = MemoryFile({"C3": (256.0, c3), "C4": (256.0, rng.normal(0, 20, len(c3)))})
    two = MemoryFile({"Flow": (10.0, flow, ""), "T": (4.0, temp, "C")})
    return make_recording(
        one,
        two,
        offsets_s=(-0.013, 0.11),
        duration_s=seconds - 0.5,
        recording_id=f"r{number}",
        subject=f"s{number // 2}",
        fields={"task": "AB"[number % 2]},
    )


@pytest.fixture(scope="module")
def study():
    recordings = [_recording(n) for n in range(4)]
    scheme = choose_scheme(SCHEME, recordings)
    labels = FieldLabels(kind="field", field="task")
    prepared = prepare(recordings, scheme, WINDOWS, labels=labels)
    assert not prepared.failed
    return recordings, scheme, prepared


def test_windows_of_all_recordings_stand_one_after_the_other(study) -> None:
    _, scheme, prepared = study
    windows = WindowSet(prepared.recordings)
    each = len(prepared.recordings[0].starts_s)
    assert each == 73
    assert len(windows) == 4 * each
    assert prepared.classes == ("A", "B")
    assert windows.labels.tolist() == [0] * each + [1] * each + [0] * each + [1] * each
    assert windows.subject[[0, each, 2 * each]].tolist() == ["s0", "s0", "s1"]
    assert [windows.shape(name) for name in scheme.names] == [
        (2, 1000),
        (1, 125),
        (1, 40),
        (2, 2560),
    ]
    dense = WindowSet(prepared.recordings, dense=True)
    assert len(dense) == 4 * 194
    assert (dense.labels[:194] == 0).all()


def test_overlapping_windows_share_one_signal(study) -> None:
    _, _, prepared = study
    windows = WindowSet(prepared.recordings)
    a, b = windows.gather(np.array([20, 21]), "eeg")
    np.testing.assert_array_equal(a[:, 400:], b[:, :600])
    assert prepared.recordings[0].signals[0].nbytes < 2.1 * 4 * 300 * 100


def test_order_of_indices_is_kept_whichever_way_they_are_cut(study) -> None:
    windows = WindowSet(study[2].recordings)
    mixed = np.random.default_rng(0).permutation(len(windows))
    for name in ("eeg", "temp"):
        in_order = windows.gather(np.arange(len(windows)), name)
        np.testing.assert_array_equal(windows.gather(mixed, name), in_order[mixed])


def test_absent_modalities_are_marked_and_read_as_nan_then_zero(study) -> None:
    windows = WindowSet(study[2].recordings)
    starts = windows.starts_s[:73]
    # C3 is gone from 40 to 55 s; C4 alone is half of the channels and carries the modality.
    hit = (starts > 31) & (starts < 54)
    assert windows.present[:73, 0].all()
    assert (windows.alive("eeg")[:73, 0] == ~hit).all()
    assert windows.alive("eeg")[:73, 1].all()
    flat = starts[~windows.present[:73, 1]]
    assert flat.min() >= 94 and flat.max() <= 116 and len(flat) >= 4  # noqa: PT018
    rows = np.flatnonzero(hit)
    gathered = windows.gather(rows, "eeg")
    assert np.isnan(gathered[:, 0]).all()
    assert not np.isnan(gathered[:, 1]).any()
    batch = windows.batch(rows, windows.fit_scaling(np.arange(len(windows))))
    assert (batch["eeg"][:, 0] == 0).all()
    assert batch["eeg"].dtype == np.float32
    assert not windows.alive("raw")[:, 1].any()


def test_a_long_file_in_blocks_gives_the_same_numbers(study) -> None:
    recordings, scheme, prepared = study
    windows = WindowSet(prepared.recordings[:1])
    rows = 0
    for block in iterate_windows(recordings[0], scheme, WINDOWS, block_s=37):
        n = len(block.windows)
        np.testing.assert_array_equal(block.windows.starts_s, windows.starts_s[rows : rows + n])
        np.testing.assert_array_equal(block.windows.present, windows.present[rows : rows + n])
        for name in scheme.names:
            expected = windows.gather(np.arange(rows, rows + n), name)
            np.testing.assert_allclose(block.signals[name], expected, atol=2e-4, rtol=1e-6)
        rows += n
    assert rows == len(windows)


def test_a_stretch_that_is_bad_in_one_modality_is_so_in_blocks_too(study) -> None:
    recordings, scheme, prepared = study
    bad = replace(recordings[0], excluded=(Stretch(150, 180, "resp"), Stretch(200, 210)))
    (cut,) = prepare([bad], scheme, WINDOWS).recordings
    windows = WindowSet([cut])
    resp, eeg = scheme.index("resp"), scheme.index("eeg")
    before = prepared.recordings[0]
    kept = np.isin(before.starts_s, cut.starts_s)
    assert (~kept).sum() == 5  # those that touch the stretch from 200 to 210 s alone
    # More than a tenth of these ten seconds is in the bad stretch.
    inside = (cut.starts_s > 141) & (cut.starts_s < 179)
    assert inside.sum() == 9
    assert before.present[kept][inside, resp].all()
    assert not cut.present[inside, resp].any()
    np.testing.assert_array_equal(cut.present[~inside, resp], before.present[kept][~inside, resp])
    np.testing.assert_array_equal(cut.present[:, eeg], before.present[kept][:, eeg])
    assert any("saturated or marked as bad in" in f.message for f in cut.findings)
    assert not any("marked as bad" in f.message for f in before.findings)
    rows = 0
    for block in iterate_windows(bad, scheme, WINDOWS, block_s=37):
        n = len(block.windows)
        np.testing.assert_array_equal(block.windows.present, windows.present[rows : rows + n])
        expected = windows.gather(np.arange(rows, rows + n), "resp")
        np.testing.assert_allclose(block.signals["resp"], expected, atol=2e-4, rtol=1e-6)
        rows += n
    assert rows == len(windows)


def test_blocks_read_a_short_stretch_at_a_time() -> None:
    file = MemoryFile({"C3": (256.0, np.random.default_rng(0).normal(0, 1, 256 * 3600))})
    recording = make_recording(file)
    scheme = choose_scheme([ModalityConfig(name="eeg", channels=["C3"])], [recording])
    for _ in iterate_windows(recording, scheme, WindowsConfig(length_s=30), block_s=300):
        pass
    assert file.largest_read < 320 * 256


def test_scaling_uses_the_given_windows_only(study) -> None:
    windows = WindowSet(study[2].recordings)
    chosen = np.flatnonzero(windows.subject == "s0")
    scaling = windows.fit_scaling(chosen)
    values = windows.gather(chosen, "eeg").astype(np.float64)
    np.testing.assert_allclose(scaling.means["eeg"], np.nanmean(values, axis=(0, 2)), atol=1e-5)
    np.testing.assert_allclose(scaling.deviations["eeg"], np.nanstd(values, axis=(0, 2)), rtol=1e-5)
    assert "temp" not in scaling.means
    again = Scaling.from_json(json.loads(json.dumps(scaling.to_json())))
    for name, batch in windows.batch(chosen[:5], scaling).items():
        np.testing.assert_array_equal(batch, windows.batch(chosen[:5], again)[name])


def test_window_scaling_and_none(study) -> None:
    windows = WindowSet(study[2].recordings)
    batch = windows.batch(np.arange(9), windows.fit_scaling(np.arange(9)))
    np.testing.assert_allclose(batch["temp"].mean(axis=2), 0, atol=1e-4)
    np.testing.assert_allclose(batch["temp"].std(axis=2), 1, atol=1e-3)
    raw = windows.gather(np.arange(9), "raw")
    np.testing.assert_array_equal(batch["raw"], np.nan_to_num(raw))


def test_scaling_by_subject_takes_each_windows_own(study) -> None:
    windows = WindowSet(study[2].recordings)
    by_subject = windows.fit_subject_scaling()
    assert set(by_subject) == {"s0", "s1"}
    mixed = np.array([0, 200, 1, 201])
    together = windows.batch(mixed, by_subject)
    for row, index in enumerate(mixed):
        alone = windows.batch(np.array([index]), by_subject[windows.subject[index]])
        for name in together:
            np.testing.assert_array_equal(together[name][row], alone[name][0])


def test_a_constant_channel_scales_to_zero_and_not_to_noise() -> None:
    recording = make_recording(
        MemoryFile({"a": (10.0, np.full(400, 36.6)), "b": (10.0, np.arange(400))})
    )
    off = DetectionConfig(max_flat_share=1)
    scheme = choose_scheme(
        [
            ModalityConfig(name=n, channels=[n], detection=off, scaling=s)
            for n, s in (("a", "train"), ("b", "window"))
        ],
        [recording],
    )
    windows = WindowSet([prepare_recording(recording, scheme, WindowsConfig(length_s=5))])
    batch = windows.batch(np.arange(8), windows.fit_scaling(np.arange(8)))
    np.testing.assert_allclose(batch["a"], 0, atol=1e-4)


def test_signals_beyond_the_limit_go_to_files_that_are_removed(study, tmp_path: Path) -> None:
    recordings, scheme, prepared = study
    store = SignalStore(limit_bytes=100_000, folder=tmp_path)
    stored = prepare(recordings[:1], scheme, WINDOWS, store=store, threads=2)
    assert len(list(tmp_path.iterdir())) == 2  # eeg and raw
    a, b = WindowSet(stored.recordings), WindowSet(prepared.recordings)
    np.testing.assert_array_equal(a.gather(np.arange(73), "eeg"), b.gather(np.arange(73), "eeg"))
    store.close()
    assert not list(tmp_path.iterdir())


def test_one_bad_recording_does_not_stop_the_others() -> None:
    good, short = _recording(0), _recording(1, seconds=5)
    strange = make_recording(MemoryFile({"foo": (10.0, np.zeros(3000))}), recording_id="r8")
    empty = {n: (10.0, np.full(3000, np.nan)) for n in ("C3", "C4", "Flow", "T")}
    gone = make_recording(MemoryFile(empty), recording_id="r9")
    prepared = prepare([short, good, strange, gone], choose_scheme(SCHEME, [good]), WINDOWS)
    assert [p.id for p in prepared.recordings] == ["r0"]
    assert "shorter than a window" in str(prepared.failed["r1"])
    assert "no channel for any modality" in str(prepared.failed["r8"])
    assert "no modality was recorded in any window" in str(prepared.failed["r9"])
    assert all(isinstance(error, RecordingError) for error in prepared.failed.values())


def test_preparing_stops_when_asked(study) -> None:
    recordings, scheme, _ = study
    with pytest.raises(Cancelled):
        prepare(recordings, scheme, WINDOWS, context=RunContext(should_stop=lambda: True))


def test_a_window_shorter_than_a_sample_is_refused() -> None:
    recording = _recording()
    with pytest.raises(DataError, match="holds no sample of temp"):
        prepare([recording], choose_scheme(SCHEME, [recording]), WindowsConfig(length_s=0.1))


# ---------------------------------------------------------------- the protocol's windows

HAR: dict[str, Any] = {
    "recordings": {
        "sources": [
            {
                "pattern": "{subject}/{subject}_{run}_{device}.csv",
                "values": {"device": ["sp", "sw"]},
                "csv": {"time_column": "timestamp", "time_unit": "ms", "rate_hz": 100},
            }
        ]
    },
    "windows": {"length_s": 2, "hop_s": 1},
    "labels": {"kind": "column", "column": "label", "source": "sp"},
}
STRESS: dict[str, Any] = {
    "recordings": {
        "sources": [
            {
                "pattern": "signals/S{subject:02d}/{signal}.csv",
                "values": {"signal": ["ACC", "BVP", "EDA", "TEMP"]},
                "csv": {"layout": "e4"},
            }
        ]
    },
    "windows": {"length_s": 60, "hop_s": 30, "anchor": "labels"},
    "labels": {
        "kind": "table",
        "pattern": "labels_1hz.csv",
        "key_column": "participant",
        "time_column": "unix_time_s",
        "clock": "absolute",
        "period_s": 1,
        "label_column": "label",
        "mapping": {"0": "no_stress", "1": "stress"},
        "classes": ["no_stress", "stress"],
        "min_cover": 1,
    },
}
EEG: dict[str, Any] = {
    "recordings": {
        "sources": [{"pattern": "Subject{subject}_{task}.edf"}],
        # This one file is cut short, so that its padding reaches into the last window.
        "exclude": [{"recording": "04_1", "start_s": 168}],
    },
    "modalities": [
        {"name": "eeg_frontal", "channels": ["Fp1", "Fp2", "F3", "F4", "F7", "F8", "Fz"]},
        {"name": "eeg_posterior", "channels": ["P3", "P4", "Pz", "O1", "O2", "T5", "T6"]},
        {"name": "eeg_central", "channels": ["C3", "C4", "Cz", "T3", "T4"]},
        {"name": "ecg", "channels": ["ECG"]},
    ],
    "windows": {"length_s": 10},
    "labels": {"kind": "field", "field": "task", "mapping": {"1": "rest", "2": "arithmetic"}},
}


def _agree(shared: Path, name: str, document: dict[str, Any], subjects: tuple[str, ...] = ()):
    """Compare labelled windows with the reference list: starts and labels, one by one."""
    config = make_config(document)
    root = shared / "data" / name
    columns = {"sp": ["label"]} if name == "har_phone_watch" else None
    found = find_recordings(config.recordings, root, columns)
    if subjects:
        found = [one for one in found if one.subject in subjects]
    recordings = [open_recording(one, config.recordings) for one in found]
    scheme = choose_scheme(config.modalities, recordings)
    prepared = prepare(recordings, scheme, config.windows, labels=config.labels, data_root=root)
    assert not prepared.failed
    clock = {r.id: (r.start_s if r.has_clock else 0.0) for r in recordings}
    prefix, scale = {"har_phone_watch": ("", 1000), "stress_wristband": ("S", 1)}.get(
        name, ("Subject", 1)
    )
    mine: dict[str, list[tuple[int, str]]] = {}
    for one in prepared.recordings:
        zero = 0.0 if name == "eeg_arithmetic" else clock[one.id]
        labelled = one.labels >= 0
        pairs = [
            (round((start + zero) * scale), prepared.classes[label])
            for start, label in zip(one.starts_s[labelled], one.labels[labelled], strict=True)
        ]
        if pairs:
            mine[prefix + one.id] = pairs
    expected: dict[str, list[tuple[int, str]]] = {}
    with (shared / "reference" / "baselines" / f"{name}_windows.csv").open() as lines:
        for row in csv.DictReader(lines):
            if not subjects or row["subject"] in subjects:
                expected.setdefault(row["record"], []).append(
                    (round(float(row["start"])), row["label"])
                )
    assert mine == expected
    windows = WindowSet(prepared.recordings)
    assert windows.present.all()
    return windows


def test_eeg_windows_are_those_of_the_reference(shared: Path) -> None:
    assert len(_agree(shared, "eeg_arithmetic", EEG)) == 286


def test_stress_windows_are_those_of_the_reference(shared: Path) -> None:
    windows = _agree(shared, "stress_wristband", STRESS)
    assert (windows.labels >= 0).sum() == 2082
    assert (windows.subject == "01").sum() == (len(windows) - 2082)  # the unlabelled person


def test_har_windows_of_some_people_are_those_of_the_reference(shared: Path) -> None:
    _agree(shared, "har_phone_watch", HAR, ("s07", "s15"))


@pytest.mark.acceptance
def test_har_windows_are_those_of_the_reference(shared: Path) -> None:
    assert len(_agree(shared, "har_phone_watch", HAR)) == 1404
