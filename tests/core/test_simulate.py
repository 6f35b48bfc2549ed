"""The simulated night: a sound file, the same for the same seed, plausible, learnable."""

from __future__ import annotations

from pathlib import Path

import edfio
import numpy as np
import pyedflib
import pytest
from scipy.signal import welch

from core.errors import ConfigError, OutputError
from core.progress import Cancelled, RunContext
from core.simulate import SimulatedNight, main, night_channels, simulate_night
from core.simulated_body import EPOCH_S, STAGES, SimulatedChannel, stage_sequence

SMALL = (
    SimulatedChannel("EEG C3-M2", "eeg", 100),
    SimulatedChannel("EOG E1-M2", "eog", 50),
    SimulatedChannel("EOG E2-M1", "eog", 50),
    SimulatedChannel("EMG chin", "emg", 100),
    SimulatedChannel("ECG", "ecg", 100),
    SimulatedChannel("Resp thorax", "resp", 10),
)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> list[SimulatedNight]:
    """Three people, 90 minutes each."""
    folder = tmp_path_factory.mktemp("nights")
    return [simulate_night(folder / f"p{seed}.edf", 1.5, seed, SMALL) for seed in (1, 2, 3)]


def samples_by_epoch(night: SimulatedNight, label: str) -> tuple[np.ndarray, float]:
    """Samples of a channel, (epochs, samples), and the rate."""
    signal = edfio.read_edf(night.path).get_signal(label)
    return signal.data.reshape(len(night.stages), -1), signal.sampling_frequency


def band_power(x: np.ndarray, rate_hz: float, low_hz: float, high_hz: float) -> np.ndarray:
    frequency, power = welch(x, rate_hz, nperseg=int(4 * rate_hz), axis=1)
    return power[:, (frequency >= low_hz) & (frequency < high_hz)].mean(axis=1)


def test_two_readers_agree_on_channels_rates_and_hypnogram(nights: list[SimulatedNight]) -> None:
    night = nights[0]
    expected = [(c.label, c.rate_hz) for c in SMALL]
    texts = [f"Sleep stage {stage}" for stage in night.stages]
    edf = edfio.read_edf(night.path)
    assert [(s.label, s.sampling_frequency) for s in edf.signals] == expected
    assert [a.text for a in edf.annotations] == texts
    with pyedflib.EdfReader(str(night.path)) as reader:
        found = [
            (reader.getLabel(i), reader.getSampleFrequency(i))
            for i in range(reader.signals_in_file)
        ]
        onsets, durations, labels = reader.readAnnotations()
        assert reader.getFileDuration() == night.duration_s == 5400
        np.testing.assert_allclose(reader.readSignal(0), edf.signals[0].data, atol=1e-3)
    assert found == expected
    assert list(labels) == texts
    np.testing.assert_array_equal(onsets, np.arange(len(texts)) * EPOCH_S)
    np.testing.assert_array_equal(durations, EPOCH_S)


def test_file_is_marked_as_simulated(nights: list[SimulatedNight]) -> None:
    edf = edfio.read_edf(nights[0].path)
    assert edf.patient.code == edf.patient.name == "SIMULATED"
    assert edf.recording.hospital_administration_code == "SIMULATED"
    assert {signal.transducer_type for signal in edf.signals} == {"SIMULATED"}


def test_same_seed_gives_the_same_bytes_and_another_seed_another_person(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.edf", "b.edf", "c.edf")]
    for path, seed in zip(paths, (4, 4, 5), strict=True):
        simulate_night(path, 0.2, seed, SMALL, dropout_share=0.1, unscored_share=0.1)
    first, again, other = (path.read_bytes() for path in paths)
    assert first == again
    assert first != other
    assert len(first) == len(other)


def test_length_is_rounded_up_to_whole_epochs(tmp_path: Path) -> None:
    night = simulate_night(tmp_path / "n.edf", 100 / 3600, 0, SMALL[:1])
    assert night.duration_s == 120
    assert len(edfio.read_edf(night.path).annotations) == 4


def test_blocks_join_without_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the night is cut into blocks, the file is the same but for filter rounding."""
    whole = simulate_night(tmp_path / "whole.edf", 0.1, 7, SMALL)
    monkeypatch.setattr("core.simulated_body.BLOCK_S", 60)
    cut = simulate_night(tmp_path / "cut.edf", 0.1, 7, SMALL)
    # Breathing and the EEG, whose noise is drawn in another order, keep their courses.
    for label in ("Resp thorax", "ECG"):
        a, b = (edfio.read_edf(n.path).get_signal(label).data for n in (whole, cut))
        jumps = np.abs(np.diff(b))
        assert jumps.max() <= 1.5 * np.abs(np.diff(a)).max()
        assert np.corrcoef(a, b)[0, 1] > 0.95


def test_night_has_cycles_with_deep_sleep_early_and_rem_late() -> None:
    nights = [stage_sequence(960, np.random.default_rng(seed)) for seed in range(20)]
    halves = np.array(
        [[[(h == s).mean() for s in range(5)] for h in np.split(n, 2)] for n in nights]
    )
    first, second = halves.mean(axis=0)
    n3, rem = STAGES.index("N3"), STAGES.index("R")
    assert first[n3] > 2 * second[n3]
    assert second[rem] > 1.5 * first[rem]
    whole = (first + second) / 2
    for stage, low, high in zip(
        STAGES, (0.02, 0.02, 0.35, 0.08, 0.1), (0.2, 0.15, 0.65, 0.3, 0.3), strict=True
    ):
        assert low < whole[STAGES.index(stage)] < high, stage
    assert all(night[0] == 0 for night in nights)


def test_short_recordings_can_hold_every_stage() -> None:
    seen = {int(s) for seed in range(5) for s in stage_sequence(40, np.random.default_rng(seed))}
    assert seen == set(range(5))


def test_signals_follow_the_stages(nights: list[SimulatedNight]) -> None:
    for night in nights:
        stages = np.array(night.stages)
        eeg, rate = samples_by_epoch(night, "EEG C3-M2")
        slow = band_power(eeg, rate, 0.4, 1.6)
        assert np.median(slow[stages == "N3"]) > 3 * np.median(slow[stages == "N2"])
        assert np.median(slow[stages == "N2"]) > np.median(slow[stages == "R"])
        alpha = band_power(eeg, rate, 8, 12)
        assert np.median(alpha[stages == "W"]) > 1.2 * np.median(alpha[stages == "N2"])
        spindle = band_power(eeg, rate, 12, 15)
        assert np.median(spindle[stages == "N2"]) > np.median(spindle[stages == "R"])
        muscle = samples_by_epoch(night, "EMG chin")[0].std(axis=1)
        assert np.median(muscle[stages == "R"]) < 0.6 * np.median(muscle[stages == "N2"])
        assert np.median(muscle[stages == "W"]) > 1.5 * np.median(muscle[stages == "N2"])
        left, right = (samples_by_epoch(night, f"EOG {n}")[0] for n in ("E1-M2", "E2-M1"))
        together = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(left, right, strict=True)])
        assert np.median(together[stages == "N3"]) > 0.5
        assert np.median(together[stages == "R"]) < 0


def test_heart_and_breath_have_human_rates(nights: list[SimulatedNight]) -> None:
    for night in nights:
        edf = edfio.read_edf(night.path)
        ecg = edf.get_signal("ECG").data
        above = ecg > 0.5 * np.quantile(ecg, 0.995)
        beats = np.flatnonzero(above[1:] & ~above[:-1])
        assert 40 < len(beats) / (night.duration_s / 60) < 100
        breath = edf.get_signal("Resp thorax").data
        rises = np.flatnonzero((breath[1:] > 0.3) & (breath[:-1] <= 0.3))
        assert 8 < len(rises) / (night.duration_s / 60) < 24


def test_stages_are_learnable_across_people_but_not_trivial(nights: list[SimulatedNight]) -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import f1_score

    features, stages, person = [], [], []
    for number, night in enumerate(nights):
        columns = []
        for label in ("EEG C3-M2", "EOG E1-M2", "EMG chin"):
            x, rate = samples_by_epoch(night, label)
            for low, high in ((0.4, 1.6), (1.6, 4), (4, 8), (8, 12), (12, 16), (16, 25)):
                columns.append(np.log(band_power(x, rate, low, high) + 1e-6))
        table = np.stack(columns, axis=1)
        features.append((table - table.mean(axis=0)) / table.std(axis=0))
        stages += night.stages
        person += [number] * len(table)
    x, y, group = np.concatenate(features), np.array(stages), np.array(person)
    forest = RandomForestClassifier(30, class_weight="balanced", random_state=0)
    forest.fit(x[group != 2], y[group != 2])
    score = f1_score(y[group == 2], forest.predict(x[group == 2]), average="macro")
    assert 0.5 < score < 0.98


def test_dropouts_are_flat_or_saturated_where_the_truth_says(tmp_path: Path) -> None:
    night = simulate_night(tmp_path / "n.edf", 0.5, 3, SMALL, dropout_share=0.3)
    assert {dropout.kind for dropout in night.dropouts} == {"eeg", "eog", "emg", "ecg", "resp"}
    edf = edfio.read_edf(night.path)
    for dropout in night.dropouts:
        for channel in SMALL:
            if channel.kind != dropout.kind:
                continue
            signal = edf.get_signal(channel.label)
            first, last = (
                int(np.ceil(t * channel.rate_hz)) for t in (dropout.start_s, dropout.end_s)
            )
            inside = np.unique(signal.digital[first:last])
            assert set(inside.tolist()) <= {0, 32767}


def test_unscored_epochs_are_marked_and_leave_the_signals_alone(tmp_path: Path) -> None:
    scored = simulate_night(tmp_path / "a.edf", 0.5, 1, SMALL)
    partly = simulate_night(tmp_path / "b.edf", 0.5, 1, SMALL, unscored_share=0.5)
    assert 0.2 < partly.stages.count(None) / len(partly.stages) < 0.8
    pairs = zip(scored.stages, partly.stages, strict=True)
    assert all(after in (before, None) for before, after in pairs)
    one, two = edfio.read_edf(scored.path), edfio.read_edf(partly.path)
    np.testing.assert_array_equal(one.signals[0].digital, two.signals[0].digital)
    assert "Sleep stage ?" in {annotation.text for annotation in two.annotations}


def test_existing_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "real.edf"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already"):
        simulate_night(path, 0.01)
    assert path.read_bytes() == b"precious"


def test_stopping_leaves_nothing_behind(tmp_path: Path) -> None:
    reports = []
    context = RunContext(report=reports.append, should_stop=lambda: True)
    with pytest.raises(Cancelled):
        simulate_night(tmp_path / "n.edf", 0.2, channels=SMALL, context=context)
    assert [(r.done, r.total) for r in reports] == [(300, 720)]
    assert list(tmp_path.iterdir()) == []


def test_unwritable_target_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        simulate_night(tmp_path / "file" / "n.edf", 0.01)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hours": 0}, "hours is 0"),
        ({"hours": float("nan")}, "hours is nan"),
        ({"seed": -1}, "seed is -1"),
        ({"dropout_share": 1.0}, "dropout_share"),
        ({"channels": ()}, "no channel"),
        ({"channels": (SimulatedChannel("x", "eeg", 5),)}, "rate of 5 Hz"),
        ({"channels": (SimulatedChannel("x" * 17, "eeg", 50),)}, "16 ASCII"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, settings: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        simulate_night(tmp_path / "n.edf", **settings)
    assert list(tmp_path.iterdir()) == []


def test_channel_plans_have_the_asked_numbers_and_distinct_names() -> None:
    plan = night_channels(eeg=12, eog=2, emg=3, ecg=1, resp=2, rate_hz=256)
    assert len({channel.label for channel in plan}) == len(plan) == 20
    assert {channel.rate_hz for channel in plan} == {256}
    assert {channel.rate_hz for channel in night_channels()} == {256, 128, 25}


def test_command_writes_several_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = str(tmp_path / "night.edf")
    arguments = [target, "--hours", "0.02", "--nights", "2", "--seed", "8"]
    assert main([*arguments, "--channels", "EEG Cz-M1:eeg:64", "Resp flow:resp:16"]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["night_008.edf", "night_009.edf"]
    assert edfio.read_edf(tmp_path / "night_008.edf").labels == ("EEG Cz-M1", "Resp flow")
    assert "simulated" in capsys.readouterr().out


def test_command_says_what_is_wrong_and_returns_its_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "night.edf")
    assert main([target, "--hours", "-1"]) == 2
    assert "hours is -1" in capsys.readouterr().err
    assert main([target, "--nights", "0"]) == 2
    assert main([target, "--hours", "0.01"]) == 0
    assert main([target, "--hours", "0.01"]) == 4
    assert "exists already" in capsys.readouterr().err
    assert main([target, "--hours", "0.01", "--force"]) == 0
