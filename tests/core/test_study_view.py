"""Channels are grouped and drawn by a study's settings, as far as a recording allows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edfio import Edf, EdfAnnotation, EdfSignal

from core.config import ChannelConfig, ModalityConfig
from core.errors import CrosslError
from core.montage import Montage, display_channels
from core.open_recording import RECORDING_ENDINGS, open_file
from core.recording import Recording
from core.study_view import modality_scheme_of, montage_of, why_empty


@pytest.fixture
def short(tmp_path: Path) -> Recording:
    """Ten seconds of an EEG and a temperature."""
    rng = np.random.default_rng(0)
    signals = [
        EdfSignal(rng.normal(size=1000), 100, label="EEG C3-M2", physical_dimension="uV"),
        EdfSignal(rng.normal(size=10), 1, label="Temp", physical_dimension="degC"),
    ]
    Edf(signals).write(tmp_path / "short.edf")
    return open_file(tmp_path / "short.edf")


def without_records(path: Path) -> Path:
    """A file of three seconds whose samples are taken away again."""
    labels = ("EEG C3-M2", "SaO2")
    Edf([EdfSignal(np.arange(30.0), 10, label=label) for label in labels]).write(path)
    content = bytearray(path.read_bytes()[: 256 * 3])
    content[236:244] = b"0       "
    path.write_bytes(bytes(content))
    return path


def test_what_holds_samples_is_not_empty(short: Recording):
    assert why_empty(short) == ""


def test_listed_modalities_that_a_recording_lacks_are_kept_as_absent(short: Recording):
    wanted = [
        ModalityConfig(name=name, channels=[ChannelConfig(match=[match])])
        for name, match in (("eeg", "EEG C3-M2"), ("flow", "Airflow"))
    ]
    scheme = modality_scheme_of([m.model_dump() for m in wanted], short)
    assert scheme is not None
    assert scheme.names == ("eeg", "flow")
    shown = {c.modality: c.absent for c in display_channels(montage_of(None, short, scheme), short)}
    assert shown == {"eeg": False, "flow": True, "": False}


def test_a_studys_montage_gets_the_channels_it_does_not_know_at_its_end(short: Recording):
    first = montage_of(None, short, None)
    kept = Montage(first.traces[1:])
    names = [trace.name for trace in montage_of(kept.to_document(), short, None).traces]
    assert names == ["Temp", "EEG C3-M2"]


def test_a_header_without_records_has_no_channels_to_draw_and_says_why(tmp_path: Path):
    recording = open_file(without_records(tmp_path / "none.edf"))
    scheme = modality_scheme_of("auto", recording)
    assert montage_of(None, recording, scheme).traces == ()
    assert "none.edf names channels, but holds no samples" in why_empty(recording)


def test_a_file_of_annotations_alone_says_that_it_is_one_of_labels(tmp_path: Path):
    path = tmp_path / "stages.edf"
    notes = [EdfAnnotation(30 * k, 30, "Sleep stage W") for k in range(4)]
    Edf([], annotations=notes).write(path)
    recording = open_file(path)
    assert "stages.edf holds no signals, only annotations (4)" in why_empty(recording)
    assert montage_of(None, recording, modality_scheme_of("auto", recording)).traces == ()


def test_every_shared_recording_can_be_drawn_or_says_why_not(shared: Path):
    seen = 0
    refused = {}
    for path in sorted((shared / "data" / "recordings").iterdir()):
        if not path.name.endswith(RECORDING_ENDINGS):
            continue
        try:
            recording = open_file(path)
        except CrosslError as error:
            refused[path.name] = str(error)
            continue
        montage = montage_of(None, recording, modality_scheme_of("auto", recording))
        channels = [c for c in display_channels(montage, recording) if not c.absent]
        assert bool(channels) == (not why_empty(recording)), path.name
        assert len({c.name for c in channels}) == len(channels), path.name
        seen += 1
    assert seen > 20
    assert all(name in why for name, why in refused.items())
