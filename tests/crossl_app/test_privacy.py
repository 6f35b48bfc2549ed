"""What a header says about a person never gets into reports, logs, models or onto the screen."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from core.recording import Annotation
from core.write_edf import EdfContents, EdfSignal, write_edf
from crossl_app.cli import run

SECRETS = (b"Jane_Doe", b"MCH-0815", b"06-MAY-1961", b"Ward7", b"Dr_Smith", b"Serial42")


def write_night(path: Path, seed: int) -> None:
    """80 s of two channels at 20 Hz, labelled in stretches of 10 s, with a header full of names."""
    generator = np.random.default_rng(seed)
    samples = generator.integers(-1000, 1000, (2, 80, 20))
    stages = tuple(Annotation(10.0 * k, 10.0, "rest" if k % 2 else "walk") for k in range(8))
    contents = EdfContents(
        datetime(2021, 3, 4, 22, 15, 30),
        1.0,
        np.arange(80.0),
        tuple(EdfSignal(name, "g", "-2", "2", -2048, 2047, 20) for name in ("ax", "gx")),
        lambda signal, record: samples[signal, record],
        stages,
        patient="MCH-0815 F 06-MAY-1961 Jane_Doe",
        recording="Ward7 Dr_Smith Serial42",
    )
    write_edf(path, contents)
    # Findings must not quote these fields either: this one deviates from the format.
    data = bytearray(path.read_bytes())
    data[236:244] = b"-1      "
    path.write_bytes(bytes(data))


def test_no_patient_field_is_in_reports_logs_models_or_on_the_screen(
    tmp_path: Path, small_study, capsys: pytest.CaptureFixture[str]
) -> None:
    document = small_study.document
    document["recordings"] = {"sources": [{"pattern": "{subject}.edf"}]}
    document["modalities"] = [
        {"name": "acc", "kind": "acc", "rate_hz": 20, "channels": ["ax"]},
        {"name": "gyro", "kind": "gyro", "rate_hz": 20, "channels": ["gx"]},
    ]
    document["labels"] = {"kind": "annotations", "classes": ["rest", "walk"]}
    folder = tmp_path / "nights"
    folder.mkdir()
    for number in range(4):
        write_night(folder / f"s{number}.edf", number)
    broken = folder / "s9.edf"
    write_night(broken, 9)
    broken.write_bytes(broken.read_bytes()[:600])
    run_file = folder / "run.json"
    run_file.write_text(json.dumps(document))
    output = tmp_path / "out"
    assert run(["--batch", str(run_file), "--output", str(output)]) == 3
    assert run(["--inspect", str(folder / "s0.edf"), str(broken)]) == 3
    assert run(["--inspect", "--json", str(folder / "s0.edf")]) == 0
    said = "".join(capsys.readouterr()).encode()
    written = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    assert len(written) > 5
    for secret in SECRETS:
        assert secret not in said, secret
        for path, data in written.items():
            assert secret not in data, (path, secret)
