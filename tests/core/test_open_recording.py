"""Opening for looking finds what a run has used, and says what it cannot find."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edfio import Edf, EdfSignal

from core.errors import CrosslError, RecordingError
from core.open_recording import is_recording_file, open_file, open_reported, read_results
from core.recording import Stretch


def write_edf(path: Path, seconds: int = 20) -> None:
    values = np.sin(np.arange(seconds * 100) / 10)
    Edf([EdfSignal(values, 100, label="EEG", physical_dimension="uV")]).write(path)


def write_csv(path: Path, start_s: float, seconds: int = 10) -> None:
    times = start_s + np.arange(seconds * 20) / 20
    lines = [f"{t:.3f},{np.sin(t):.4f},rest" for t in times]
    path.write_text("\n".join(["time,acc_x,label", *lines]) + "\n")


def write_report(folder: Path, entries: list[dict[str, Any]], config: Any = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    document = {"status": "success", "name": "x", "recordings": entries, "config": config}
    (folder / "report.json").write_text(json.dumps(document))


def test_one_file_is_a_recording_of_its_own(tmp_path: Path):
    write_edf(tmp_path / "night {1}.edf")
    recording = open_file(tmp_path / "night {1}.edf")
    assert recording.id == "night {1}"
    assert recording.duration_s == pytest.approx(20.0)
    assert [c.label for c in recording.sources[0].file.channels] == ["EEG"]


@pytest.mark.parametrize("name", ["gone.edf", "letter.docx"])
def test_a_file_that_is_missing_or_of_another_kind_is_refused(tmp_path: Path, name: str):
    if name == "letter.docx":
        (tmp_path / name).write_text("x")
    with pytest.raises(RecordingError, match=name):
        open_file(tmp_path / name)


def test_endings_are_known_with_and_without_gzip():
    known = ("a.edf", "B.EDF", "a.bdf", "a.csv.gz", "a.tsv")
    assert all(is_recording_file(Path(n)) for n in known)
    assert not is_recording_file(Path("a.json"))


def test_a_folder_without_a_readable_report_is_refused(tmp_path: Path):
    with pytest.raises(CrosslError, match=r"no report\.json"):
        read_results(tmp_path)
    for text in ("{", "[]", '{"recordings": 3}'):
        (tmp_path / "report.json").write_text(text)
        with pytest.raises(CrosslError, match=r"report\.json"):
            read_results(tmp_path)


def test_a_recording_of_two_files_is_opened_on_the_clock_that_the_run_used(tmp_path: Path):
    write_csv(tmp_path / "s1_phone.csv", 1_700_000_000.0)
    write_csv(tmp_path / "s1_watch.csv", 1_700_000_004.0)
    config = {
        "recordings": {"sources": [{"pattern": "{subject}_{device}.csv"}]},
        "windows": {"length_s": 1},
        "labels": {"kind": "column", "column": "label"},
    }
    paths = {d: f"s1_{d}.csv" for d in ("phone", "watch")}
    write_report(tmp_path / "out", [{"id": "s1", "subject": "s1", "paths": paths}], config)
    results = read_results(tmp_path / "out")
    recording = open_reported(results, "s1")
    # From the later start to the earlier end, and without the label among the channels.
    assert recording.duration_s == pytest.approx(6.0, abs=0.1)
    assert [s.offset_s for s in recording.sources] == pytest.approx([-4.0, 0.0], abs=0.01)
    assert [c.label for s in recording.sources for c in s.file.channels] == ["acc_x", "acc_x"]


def test_a_listed_file_is_opened_with_the_settings_that_its_entry_names(tmp_path: Path):
    write_csv(tmp_path / "one.csv", 1_700_000_000.0)
    files = {"main": {"path": "one.csv", "source": "late"}}
    sources = [{"name": "main", "clock_offset_s": -5}, {"name": "late", "clock_offset_s": 60}]
    listed = [{"id": "a", "subject": "s", "files": files}]
    exclude = [{"recording": "a", "modality": "acc", "start_s": 2, "end_s": 3}]
    recordings = {"sources": sources, "listed": listed, "exclude": exclude}
    config = {"recordings": recordings, "windows": {"length_s": 1}}
    entries = [{"id": i, "subject": "s", "paths": {"main": "one.csv"}} for i in ("a", "b")]
    write_report(tmp_path / "out", entries, config)
    results = read_results(tmp_path / "out")
    assert open_reported(results, "a").start_s == 1_700_000_060.0
    assert open_reported(results, "a").excluded == (Stretch(2, 3, "acc"),)
    assert open_reported(results, "b").start_s == 1_699_999_995.0


def test_recordings_that_have_moved_are_found_below_the_folder_that_is_named(tmp_path: Path):
    moved = tmp_path / "new" / "signals"
    moved.mkdir(parents=True)
    write_edf(moved / "a.edf")
    entry = {"id": "a", "subject": "a", "path": "/old/place/signals/a.edf"}
    write_report(tmp_path / "out", [entry])
    results = read_results(tmp_path / "out")
    with pytest.raises(RecordingError, match=r"/old/place/signals/a\.edf: the recording is not"):
        open_reported(results, "a")
    assert open_reported(results, "a", [tmp_path / "new"]).duration_s == pytest.approx(20.0)
    assert open_reported(results, "a", [moved]).duration_s == pytest.approx(20.0)


def test_results_without_predictions_have_none(tmp_path: Path):
    write_report(tmp_path, [{"id": "a", "path": "a.edf"}])
    assert read_results(tmp_path).read_predictions("a") is None
