"""Channels are grouped into modalities by what they measure, and can be moved about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edfio import Edf, EdfSignal

from core.config import AnnotationLabels, RecordingsConfig, SourceConfig
from core.errors import DataError
from core.find_recordings import FoundFile, FoundRecording, open_recording
from core.guess_channels import (
    as_list,
    channel_kind,
    channel_table,
    enough_rate_hz,
    fit_modalities,
    guess_modalities,
    guess_windows,
    move_channel,
)
from core.recording import Recording


def edf(path: Path, *channels: tuple[str, int, str]) -> Recording:
    """A recording of ten seconds with these labels, rates and units."""
    signals = [
        EdfSignal(np.zeros(10 * rate), rate, label=label, physical_dimension=unit,
                  physical_range=(-100, 100))
        for label, rate, unit in channels
    ]  # fmt: skip
    Edf(signals).write(path)
    source = SourceConfig(pattern=path.name)
    found = FoundRecording(path.stem, path.stem, {}, (FoundFile("main", path, source),))
    return open_recording(found, RecordingsConfig(sources=[source]))


def names(modalities: object) -> dict[str, list[str]]:
    return {m.name: [c.match[0] for c in m.channels] for m in modalities}


@pytest.mark.parametrize(
    ("label", "unit", "source", "kind"),
    [
        ("EEG Fp1-REF", "uV", "", "eeg"), ("C3", "uV", "", "eeg"), ("C3-M2", "uV", "", "eeg"),
        ("Cz", "", "", "eeg"), ("E1-M2", "uV", "", "eog"), ("ax", "", "", "acc"),
        ("gz", "", "", "gyro"), ("X Axis", "g", "", "acc"), ("x", "", "ACC", "acc"),
        ("rate", "deg/s", "", "gyro"), ("box", "degC", "", "temp"), ("T3", "uV", "", "eeg"),
        ("seconds", "s", "", "other"), ("SpO2", "%", "", "other"), ("Flow", "", "", "resp"),
    ],
)  # fmt: skip
def test_a_channel_is_known_by_name_unit_or_source(
    label: str, unit: str, source: str, kind: str
) -> None:
    assert channel_kind(label, unit, source) == kind


def test_the_table_counts_recordings_rates_and_units(tmp_path: Path) -> None:
    recordings = [
        edf(tmp_path / "a.edf", ("EEG C3", 100, "uV"), ("hypnogram", 1, "")),
        edf(tmp_path / "b.edf", ("EEG C3", 200, "uV"), ("ECG", 100, "mV")),
        edf(tmp_path / "c.edf", ("EEG C3", 200, "uV")),
    ]
    rows = channel_table(recordings, ["Hypnogram"])
    assert [(row.label, row.recordings, row.rates_hz, row.units, row.kind) for row in rows] == [
        ("EEG C3", 3, (200.0, 100.0), ("uV",), "eeg"),
        ("ECG", 1, (100.0,), ("mV",), "ecg"),
    ]


def test_a_night_gets_the_sleep_preset_with_the_reason(tmp_path: Path) -> None:
    night = edf(
        tmp_path / "n.edf", ("EEG C3-M2", 100, "uV"), ("EOG(L)", 100, "uV"), ("EMG chin", 100, "uV")
    )
    guess = guess_modalities([night])
    assert guess.modalities == "sleep"
    assert "preset 'sleep'" in guess.reason
    fit = fit_modalities("sleep", [night])
    assert [m.name for m in fit.settled] == ["eeg_central", "eog", "emg"]
    assert "ecg" in fit.absent
    assert fit.taken["main", "EMG chin"] == ("emg",)
    assert fit.recordings["eog"] == 1


def test_a_cap_is_grouped_by_regions_though_a_preset_knows_some_of_it(tmp_path: Path) -> None:
    electrodes = ("Fp1", "Fp2", "F3", "F4", "Fz", "C3", "C4", "Cz", "P3", "P4", "Pz", "O1", "O2",
                  "T3", "T4", "T5", "T6")  # fmt: skip
    cap = edf(
        tmp_path / "cap.edf", *((f"EEG {name}", 500, "uV") for name in electrodes),
        ("EEG A2-A1", 500, "uV"), ("ECG", 500, "mV"),
    )  # fmt: skip
    guess = guess_modalities([cap])
    assert "leave out" in guess.reason
    grouped = names(guess.modalities)
    assert grouped["frontal_eeg"] == ["EEG Fp1", "EEG Fp2", "EEG F3", "EEG F4", "EEG Fz"]
    assert grouped["central_eeg"] == ["EEG C3", "EEG C4", "EEG Cz", "EEG T3", "EEG T4"]
    assert grouped["posterior_eeg"][-2:] == ["EEG T5", "EEG T6"]
    assert grouped["ecg"] == ["ECG"]
    assert not any("EEG A2-A1" in channels for channels in grouped.values())
    assert {m.rate_hz for m in guess.modalities} == {125.0}
    assert len(fit_modalities(guess.modalities, [cap]).settled) == 4


def test_unknown_channels_are_grouped_by_their_name(tmp_path: Path) -> None:
    one = edf(
        tmp_path / "one.edf", ("force x", 50, "N"), ("force y", 50, "N"), ("angle", 50, "deg"),
        ("Battery", 50, "V"),
    )  # fmt: skip
    assert names(guess_modalities([one]).modalities) == {
        "force": ["force x", "force y"],
        "angle": ["angle"],
    }


def test_there_is_a_modality_as_long_as_there_is_a_channel(tmp_path: Path) -> None:
    only = edf(tmp_path / "one.edf", ("Trigger", 10, ""))
    assert names(guess_modalities([only]).modalities) == {"trigger": ["Trigger"]}
    with pytest.raises(DataError, match="has a channel"):
        guess_modalities([only], ["trigger"])


def test_dozens_of_unknown_channels_become_few_modalities(tmp_path: Path) -> None:
    letters = "abcdefghijklmnop"
    many = edf(tmp_path / "many.edf", *((f"q{letter}w", 10, "V") for letter in letters))
    guess = guess_modalities([many])
    assert len(guess.modalities) == 1
    assert len(guess.modalities[0].channels) == len(letters)


def test_channels_move_between_modalities_and_out(tmp_path: Path) -> None:
    night = edf(
        tmp_path / "n.edf", ("EEG C3-M2", 100, "uV"), ("EEG C4-M1", 100, "uV"),
        ("EMG chin", 100, "uV"), ("Temp", 1, "degC"),
    )  # fmt: skip
    own = as_list("sleep", [night])
    assert {name: len(c) for name, c in names(own).items()} == {"eeg_central": 2, "emg": 1}
    rows = {row.label: row for row in channel_table([night])}
    moved = move_channel(own, rows["EEG C4-M1"], "emg", [night])
    fit = fit_modalities(moved, [night])
    assert fit.taken["main", "EEG C4-M1"] == ("emg",)
    assert fit.taken["main", "EEG C3-M2"] == ("eeg_central",)
    new = move_channel(moved, rows["Temp"], "skin", [night])
    assert names(new)["skin"] == ["Temp"]
    assert fit_modalities(new, [night]).settled[-1].kind == "temp"
    fewer = move_channel(new, rows["EEG C3-M2"], None, [night])
    assert "eeg_central" not in names(fewer)
    assert move_channel(new, rows["Temp"], "skin", [night]) == new


def test_listed_modalities_that_nobody_has_are_named(tmp_path: Path) -> None:
    one = edf(tmp_path / "one.edf", ("ECG", 100, "mV"))
    (own,) = guess_modalities([one]).modalities
    lost = own.model_copy(
        update={"name": "gone", "channels": [own.channels[0].model_copy(update={"match": ["EEG"]})]}
    )
    fit = fit_modalities((own, lost), [one])
    assert fit.absent == ("gone",)
    with pytest.raises(DataError, match="EEG"):
        fit_modalities((lost,), [one])


def test_rates_are_thinned_to_whole_parts_only_where_they_are_far_too_high() -> None:
    assert enough_rate_hz("eeg", 500) == 125
    assert enough_rate_hz("eeg", 512) == 128
    assert enough_rate_hz("eeg", 200) == 200
    assert enough_rate_hz("temp", 4) == 4
    assert enough_rate_hz("other", 4096) == 4096


def test_windows_suit_what_is_measured(tmp_path: Path) -> None:
    night = edf(tmp_path / "n.edf", ("EEG C3-M2", 100, "uV"), ("EMG chin", 100, "uV"))
    settled = fit_modalities("sleep", [night]).settled
    labels = AnnotationLabels(kind="annotations")
    sleep = guess_windows("sleep", settled, 20.0, labels, [3600.0])
    assert (sleep.windows.length_s, sleep.windows.anchor) == (20.0, "labels")
    motion = edf(tmp_path / "m.edf", ("acc_x", 100, "g"), ("acc_y", 100, "g"), ("gyro", 100, ""))
    guess = guess_modalities([motion])
    fitted = fit_modalities(guess.modalities, [motion]).settled
    windows = guess_windows(guess.modalities, fitted, durations_s=[600.0]).windows
    assert (windows.length_s, windows.hop_s, windows.pretrain_hop_s) == (2.0, 1.0, 0.5)
    short = guess_windows(guess.modalities, fitted, durations_s=[2.0])
    assert short.windows.length_s == 0.5
    assert "Shortened" in short.reason
