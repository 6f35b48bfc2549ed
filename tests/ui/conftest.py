"""No test of the window leaves a thread or a window behind."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from edfio import Edf, EdfSignal
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication

from ui.jobs import Job

SECONDS = 120
CLASSES = ["rest", "walk", "run"]


@pytest.fixture(autouse=True)
def _nothing_left_behind(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    started: list[Job] = []
    start = Job.start

    def noted(self: Job, *arguments: object) -> None:
        started.append(self)
        start(self, *arguments)

    monkeypatch.setattr(Job, "start", noted)
    before = set(QApplication.topLevelWidgets())
    yield
    running = []
    for job in started:
        try:
            if job.isRunning():
                running.append(job)
                job.stop()
                job.wait()
        except RuntimeError:  # deleted: it has ended
            continue
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    left = [w for w in QApplication.topLevelWidgets() if w not in before and w.isVisible()]
    for widget in left:
        widget.close()
    assert not running, f"{len(running)} jobs still run"
    assert not left, f"windows left open: {left}"


@pytest.fixture
def edf(tmp_path: Path) -> Path:
    """Two minutes of three channels at three rates; the EEG has one large peak at 70 s."""
    path = tmp_path / "data" / "s1.edf"
    path.parent.mkdir()
    rng = np.random.default_rng(0)
    eeg = 20 * rng.normal(size=SECONDS * 256)
    eeg[70 * 256] = 400.0
    signals = [
        EdfSignal(eeg, 256, label="EEG C3-M2", physical_dimension="uV"),
        EdfSignal(rng.normal(size=SECONDS * 100), 100, label="EMG chin", physical_dimension="uV"),
        EdfSignal(37 + 0.1 * rng.normal(size=SECONDS), 1, label="Temp", physical_dimension="degC"),
    ]
    Edf(signals).write(path)
    return path


@pytest.fixture
def results(tmp_path: Path, edf: Path) -> Path:
    """An output folder: s1 with predictions, s2 with predictions of a file that is gone, s3
    failed."""
    folder = tmp_path / "out"
    (folder / "predictions").mkdir(parents=True)

    def entry(name: str, status: str = "ok", error: str | None = None) -> dict[str, object]:
        return {
            "id": name,
            "subject": name,
            "status": status,
            "error": error,
            "path": f"data/{name}.edf",
            "paths": {"main": f"data/{name}.edf"},
            "duration_s": float(SECONDS) if status == "ok" else None,
            "findings": [],
        }

    report = {
        "schema_version": 1,
        "status": "partial",
        "error": None,
        "name": "Walks",
        "classes": CLASSES,
        "config": None,
        "recordings": [entry("s1"), entry("s2"), entry("s3", "failed", "s3.edf: it is empty.")],
    }
    (folder / "report.json").write_text(json.dumps(report))
    for name in ("s1", "s2"):
        with (folder / "predictions" / f"{name}.csv").open("w", newline="") as file:
            out = csv.writer(file)
            head = "start_s,end_s,fold,label,predicted,confidence,present,fragility"
            out.writerow(head.split(","))
            for k in range(SECONDS // 2):
                row = [2.0 * k, 2.0 * k + 2.0, 0, CLASSES[k // 20]]
                if k == 5:
                    out.writerow([*row, "", "", "", ""])
                elif k != 10:
                    out.writerow(
                        [*row, CLASSES[(k // 20 + (k % 7 == 0)) % 3], 0.8, "eeg;emg", 0.25]
                    )
    return folder


@pytest.fixture
def make_window(qtbot) -> Iterator[Callable]:
    """Makes main windows, and closes them at the end."""
    from ui.main_window import MainWindow
    from ui.session import Session

    made = []

    def make() -> MainWindow:
        window = MainWindow(Session())
        qtbot.addWidget(window)
        made.append(window)
        window.show()
        qtbot.waitExposed(window)
        return window

    yield make
    for window in made:
        window.close()


@pytest.fixture
def study_folder(tmp_path: Path, edf: Path) -> Path:
    """A study of two recordings of the same two minutes, to be labelled in epochs of 10 s."""
    import shutil

    from core.config import SourceConfig
    from core.find_recordings import FoundFile, FoundRecording, open_recording
    from core.label_scheme import load_scheme
    from core.study import Study, StudySettings

    folder = tmp_path / "study"
    scheme = replace(load_scheme("sleep_aasm"), epoch_s=10.0)
    engine = {"windows": {"length_s": 10}, "modalities": "sleep"}
    study = Study.create(folder, StudySettings("Two nights", engine=engine), scheme)
    opened = []
    for name in ("n1", "n2"):
        path = folder / "recordings" / f"{name}.edf"
        path.parent.mkdir(exist_ok=True)
        shutil.copy(edf, path)
        file = FoundFile("main", path, SourceConfig(pattern=path.name))
        found = FoundRecording(name, f"person {name[1]}", {}, (file,))
        opened.append((found, open_recording(found, study.recordings_config())))
    study.add_recordings(opened)
    study.close()
    return folder
