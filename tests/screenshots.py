"""Draws every page of the window anew into `resources/help/images`, for README and help.

`python -P tests/screenshots.py [NAME ...]` draws all of them, or those that are named. What they
show is simulated or the sample study, and the same each time: seeds, names and times are fixed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DEMO = Path(tempfile.gettempdir()) / "crossl-demo"
"""The home of whom the pictures are of: paths in them are short, and tell nothing."""
FOLDERS = ("CONFIG", "DATA", "STATE", "CACHE")

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    # Before anything imports Qt, or asks where settings are kept.
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ |= {f"XDG_{name}_HOME": str(DEMO / f".{name.lower()}") for name in FOLDERS}
    os.environ |= {"HOME": str(DEMO), "LOGNAME": "AB", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    os.environ["CROSSL_CACHE_DIR"] = str(DEMO / ".cache")

import numpy as np  # noqa: E402
from edfio import Edf, EdfAnnotation, EdfSignal, Patient, Recording  # noqa: E402
from PySide6.QtCore import (  # noqa: E402
    QEvent,
    QEventLoop,
    QLocale,
    Qt,
    QTimer,
    qInstallMessageHandler,
)
from PySide6.QtGui import QImage, QPainter, QPixmap  # noqa: E402
from PySide6.QtWidgets import QApplication, QDialog, QScrollArea, QWidget  # noqa: E402

from core.config import AnnotationLabels, RecordingsConfig, SourceConfig, WindowsConfig  # noqa: E402
from core.label_journal import LabelJournal  # noqa: E402
from core.label_scheme import BAD_SIGNAL, load_scheme  # noqa: E402
from core.progress import Progress, RunContext  # noqa: E402
from core.sample_studies import create_sample_study  # noqa: E402
from core.simulate import simulate_night  # noqa: E402
from core.study import Study, StudyRecording  # noqa: E402
from core.study_creation import create_study  # noqa: E402
from core.study_file import BACKUP_FOLDER, STUDY_FILE  # noqa: E402
from core.study_labels import NS, Change, StudyLabel, new_id  # noqa: E402
from core.study_plan import StudyPlan, recordings_to_take  # noqa: E402
from core.study_runs import DESCRIPTION, StudyRun, create_run  # noqa: E402
from crossl_app.gui import make_application  # noqa: E402
from ui.deidentify_dialog import DeidentifyDialog, SourceFile  # noqa: E402
from ui.jobs import Job  # noqa: E402
from ui.main_window import MainWindow  # noqa: E402
from ui.new_study_wizard import NewStudyWizard  # noqa: E402
from ui.preferences import PreferenceStore, RecentStudy  # noqa: E402
from ui.run_comparison import RunComparisonWindow  # noqa: E402
from ui.run_queue import training_parts  # noqa: E402
from ui.session import Session  # noqa: E402
from ui.wizard_page import choose  # noqa: E402

IMAGES = ROOT / "resources" / "help" / "images"
PICTURES = (
    *("welcome", "wizard_start", "wizard_recordings", "wizard_channels", "wizard_labels"),
    *("wizard_classes", "wizard_windows", "wizard_summary", "night", "events", "hypnogram"),
    *("spectrogram", "command_palette", "dark", "agreement", "scheme", "channels", "run_file"),
    *("pack", "audit", "raters", "go_to", "preferences", "shortcuts", "findings", "help"),
    *("study_settings", "add_recordings", "import_labels", "export_labels", "deidentify"),
    *("backups", "csv", "sample_study", "moved_files", "predictions", "switches", "subsets"),
    *("sleep", "sensors", "corruption", "corruption_sweep", "runs", "run_comparison", "report"),
    *("export_predictions", "score", "train", "train_advanced", "plan", "evaluation", "budget"),
    *("map", "next", "curves", "jobs"),
)
"""Names of all pictures, in the order in which they are taken."""
WIDTH, HEIGHT = 1200, 760
TALL, TALLEST = 900, 1060
"""Heights of a window that has a lot below the traces."""
MOST_COLOURS = 256
LARGEST_KB = 150
LARGEST_ALL_KB = 4000
LONGEST_WAIT_S = 300.0
QUIET_ROUNDS = 15
"""So often the event loop must find no work running before a picture is taken."""
STUDIES = DEMO / "Studies"
NIGHTS = DEMO / "Nights"
FILES = DEMO / "Files"
WHEN = datetime(2026, 3, 2, 9, 0)
EPOCH_NS = 30 * NS


# ---------------------------------------------------------------- what the pictures show


def make_nights() -> None:
    """Three nights that nobody slept, as files in folders."""
    (NIGHTS / "S07").mkdir(parents=True)  # of whom a night comes later
    nights = (("S01", 8.0, 0.0), ("S02", 2.0, 0.04), ("S03", 1.0, 0.0))
    for seed, (subject, hours, lost) in enumerate(nights):
        (NIGHTS / subject).mkdir(parents=True)
        simulate_night(NIGHTS / subject / "night.edf", hours=hours, seed=seed, dropout_share=lost)


def make_sleep_study() -> Path:
    """The nights as a study, labelled by two raters who differ now and then."""
    folder = STUDIES / "Sleep study"
    recordings = RecordingsConfig(sources=[SourceConfig(pattern="{subject}/{session}.edf")])
    labels = AnnotationLabels(kind="annotations", mapping="aasm_from_rk")
    plan = StudyPlan(
        folder=folder,
        name="Sleep study",
        notes="simulated",
        root=NIGHTS,
        recordings=recordings,
        found=recordings_to_take(recordings, NIGHTS, labels),
        modalities="sleep",
        windows=WindowsConfig(length_s=30),
        scheme=load_scheme("sleep_aasm"),
        labels=labels,
        rater="simulation",
    )
    create_study(plan, RunContext())
    study = Study.open(folder)
    try:
        for entry in study.recordings():
            label(study, entry, "AB", share=0.94, until=0.7 if entry.subject == "S01" else 1.0)
            if entry.subject != "S03":
                label(study, entry, "CD", share=0.9, until=1.0)
        first, last = study.recordings()[0], study.recordings()[-1]
        add_events(LabelJournal(study, first, study.rater("AB")))
        study.sign_off(last.id, study.rater("AB").id)
    finally:
        study.close()
    set_times(folder)
    return folder


def label(study: Study, entry: StudyRecording, rater: str, share: float, until: float) -> None:
    """Labels as of a person: mostly what is true, in another class for one epoch in ten or so."""
    rng = random.Random(f"{entry.name} {rater}")
    near = {"W": "N1", "N1": "W", "N2": "N3", "N3": "N2", "R": "N1"}
    true = study.labels(entry.id, study.rater("simulation").id).states
    epochs = []
    for state in true[: round(until * len(true))]:
        name = state.class_name if rng.random() < share else near[state.class_name]
        epochs.append(StudyLabel(new_id(), state.start_ns, state.end_ns, name))
    journal = LabelJournal(study, entry, study.rater(rater))
    for start in range(0, len(epochs), 120):
        part = tuple(epochs[start : start + 120])
        what = f"epochs {start + 1} to {start + len(part)}: filled"
        journal.do(Change((), part), what)


def add_events(journal: LabelJournal) -> None:
    """An arousal, an apnea and a bad signal on the page that is shown, and lights off and on."""
    for start_s, end_s, name, modality in (
        (3634.0, 3640.5, "Arousal", ""),
        (3647.0, 3654.5, BAD_SIGNAL, "emg"),
        (7205.0, 7220.0, "Apnea", ""),
    ):
        change = journal.labels.with_event(round(start_s * NS), round(end_s * NS), name, modality)
        journal.do(change, f"{name} added")
    for time_s, name in ((120.0, "Lights off"), (8 * 3600 - 300.0, "Lights on")):
        journal.do(journal.labels.with_mark(round(time_s * NS), name), f"{name} set")


def set_times(folder: Path) -> None:
    """The study was made and labelled on fixed days, whenever the pictures are taken."""
    with closing(sqlite3.connect(folder / STUDY_FILE)) as connection, connection:
        for table, column in (("audit", "at"), ("edit", "made_at")):
            rows = connection.execute(f"SELECT rowid FROM {table} ORDER BY rowid").fetchall()
            for number, (row,) in enumerate(rows):
                moment = WHEN + timedelta(minutes=7 * number)
                text = moment.isoformat(timespec="seconds") + "Z"
                connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (text, row))


def make_study_that_lost_its_files() -> Path:
    """A copy of the study whose files have been renamed and moved."""
    folder = STUDIES / "Moved study"
    nights = DEMO / "Old disk"
    moved = DEMO / "New disk"
    recordings = RecordingsConfig(sources=[SourceConfig(pattern="{subject}.edf")])
    for number, name in enumerate(("S04", "S05", "S06")):
        nights.mkdir(exist_ok=True)
        simulate_night(nights / f"{name}.edf", hours=0.1, seed=10 + number)
    plan = StudyPlan(
        folder=folder,
        name="Moved study",
        notes="",
        root=nights,
        recordings=recordings,
        found=recordings_to_take(recordings, nights),
        modalities="sleep",
        windows=WindowsConfig(length_s=30),
        scheme=load_scheme("sleep_aasm"),
    )
    create_study(plan, RunContext())
    shutil.move(nights, moved)
    (moved / "S05.edf").rename(moved / "S05 second night.edf")
    (moved / "S06.edf").unlink()
    return folder


def make_backups(folder: Path) -> Path:
    """A study with backups of a week."""
    copy = STUDIES / "Backed-up study"
    (copy / BACKUP_FOLDER).mkdir(parents=True)
    shutil.copy(folder / STUDY_FILE, copy / STUDY_FILE)
    for day in range(7):
        moment = WHEN + timedelta(days=day)
        path = copy / BACKUP_FOLDER / f"daily-{moment:%Y-%m-%d}.sqlite"
        path.write_bytes(bytes(900_000 + 40_000 * day))  # true ones differ by a page or two
        os.utime(path, (moment.timestamp(), moment.timestamp()))
    return copy


def make_named_recording() -> Path:
    """A file that says whose it is: a made-up name."""
    rng = np.random.default_rng(3)
    signals = [
        EdfSignal(20 * rng.normal(size=120 * 128), 128, label=label_, physical_dimension="uV")
        for label_ in ("EEG C3-M2", "EMG chin")
    ]
    path = FILES / "Doe Jane 2nd night.edf"
    Edf(
        signals,
        patient=Patient(
            code="4711", sex="F", birthdate=datetime(1980, 5, 17).date(), name="Jane_Doe"
        ),
        recording=Recording(
            startdate=WHEN.date(),
            hospital_administration_code="PSG_12",
            investigator_technician_code="Mr_Smith",
            equipment_code="Amp_3",
        ),
        starttime=datetime(2026, 3, 2, 22, 30).time(),
        annotations=[
            EdfAnnotation(0, 30, "Sleep stage W"),
            EdfAnnotation(30, 30, "Sleep stage 2"),
            EdfAnnotation(41, None, "Jane asks for water"),
            EdfAnnotation(60, 3, "Arousal"),
        ],
    ).write(path)
    return path


def make_label_file(study: Path) -> Path:
    """Stages by the older rules, with events that have no class, beside the recording."""
    opened = Study.open(study, read_only=True)
    entry = opened.recordings()[0]
    names = {"W": "Sleep stage W", "N1": "Sleep stage 1", "N2": "Sleep stage 2",
             "N3": "Sleep stage 4", "R": "Sleep stage R"}  # fmt: skip
    rater = next(one for one in opened.raters() if one.name == "simulation")
    states = opened.labels(entry.id, rater.id).states
    opened.close()
    path = FILES / "S01 night stages.edf"
    annotations = [EdfAnnotation(x.start_s, 30, names[x.class_name]) for x in states]
    annotations += [EdfAnnotation(600.0 + 900 * k, 4, "Snoring") for k in range(9)]
    annotations += [EdfAnnotation(1500.0 + 2000 * k, 8, "Micro-arousal") for k in range(6)]
    Edf([], annotations=annotations).write(path)
    return path


def make_table() -> Path:
    """A CSV file as some wristbands write them."""
    rng = np.random.default_rng(4)
    path = FILES / "watch.csv"
    lines = ["time;acc_x;acc_y;acc_z;gyro_x;note"]
    for k in range(400):
        values = ";".join(f"{v:.3f}".replace(".", ",") for v in rng.normal(size=4))
        lines.append(f"2026-03-02 09:00:{k / 50:06.3f};{values};")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# ---------------------------------------------------------------- runs

QUICK: dict[str, Any] = {
    "threads": 1,  # part of what makes the figures the same each time
    "device": "cpu",
    "model": {"preset": "fast"},
    "predict": {"keep_embeddings": True},
    "evaluate": {
        "folds": 3,
        "budgets": [0.05, 0.2, 1.0],
        "budget_seeds": 2,
        "opponents": ["majority", "random_forest"],
        "bootstrap": 300,
    },
}
"""Settings of runs that are there to be shown, not to be good."""


@dataclass(frozen=True)
class Trained:
    """A run that was carried out, and what it said meanwhile."""

    run: StudyRun
    said: tuple[Progress, ...]


def carry_out(
    folder: Path,
    title: str,
    raters: Sequence[str],
    changes: dict[str, dict[str, Any]],
    after: timedelta,
    reuse: StudyRun | None = None,
) -> Trained:
    """A run of a study, made so long `after` the study was begun."""
    from core.train_run import train  # torch takes seconds, and tests read the names above

    study = Study.open(folder)
    try:
        engine = dict(study.settings.engine)
        for part in (QUICK, changes):
            for key, values in part.items():
                own = engine.get(key, {})
                engine[key] = {**own, **values} if isinstance(values, dict) else values
        run = create_run(study, title, engine, raters, who="AB", reuse=reuse)
    finally:
        study.close()
    said: list[Progress] = []
    run = train(run, RunContext(report=said.append))
    assert run.state == "finished", f"{title}: {run.state}, {run.error}"
    began = WHEN + after
    times = {"created_at": began, "began_at": began, "ended_at": began + timedelta(seconds=94)}
    description = run.folder / DESCRIPTION
    document = json.loads(description.read_text(encoding="utf-8"))
    document |= {name: f"{time:%Y-%m-%dT%H:%M:%S}.000+00:00" for name, time in times.items()}
    description.write_text(json.dumps(document), encoding="utf-8")
    return Trained(run, tuple(said))


def train_on_nights(study: Path) -> None:
    """Two runs on the nights, to be compared: one of them has hardly been pretrained."""
    for title, epochs, days in (("One epoch", 1, 5), ("Twelve epochs", 12, 6)):
        changes = {
            "pretrain": {"epochs": epochs, "batch_size": 64},
            "evaluate": {"opponents": ["majority"]},
        }
        carry_out(study, title, ["simulation"], changes, timedelta(days=days))


def train_on_sample(folder: Path) -> Trained:
    """A run on all labels of the sample study, and one on the few of somebody who has begun."""
    changes = {"pretrain": {"epochs": 8}}
    trained = carry_out(folder, "All labels", ["sample study"], changes, timedelta(days=7))
    label_a_few(folder)
    days = timedelta(days=8)
    carry_out(folder, "First labels of AB", ["AB"], changes, days, reuse=trained.run)
    return trained


def label_a_few(folder: Path) -> None:
    """A few labels by AB in every recording of the sample study, as they truly are."""
    study = Study.open(folder)
    try:
        for entry in study.recordings():
            rng = random.Random(entry.name)
            true = study.labels(entry.id, study.rater("sample study").id).states
            journal = LabelJournal(study, entry, study.rater("AB"))
            epoch_ns = round(study.scheme.epoch_s * NS)
            epochs = []
            for state in rng.sample(true, 2):
                start = (state.start_ns + state.end_ns) // 2 // epoch_ns * epoch_ns
                if not journal.labels.state_at(start):
                    end = start + epoch_ns
                    epochs.append(StudyLabel(new_id(), start, end, state.class_name))
            journal.do(Change((), tuple(epochs)), f"{len(epochs)} epochs labelled")
    finally:
        study.close()


# ---------------------------------------------------------------- taking pictures


class Camera:
    """A window with what it shows, and pictures of it."""

    def __init__(self) -> None:
        self.session = Session()
        self.preferences = PreferenceStore()
        self.window = MainWindow(self.session, self.preferences)
        self.window.resize(WIDTH, HEIGHT)
        self.window.show()
        self.drawn: dict[str, QImage] = {}
        self.held: Job | None = None
        """One that is not to end before a picture is taken."""

    def settle(self) -> None:
        """Wait until no work runs, and nothing more is painted."""
        until = time.monotonic() + LONGEST_WAIT_S
        quiet = 0
        while quiet < QUIET_ROUNDS:
            pause(10)
            works = any(job.isRunning() for job in self._jobs() if job is not self.held)
            quiet = 0 if works else quiet + 1
            assert time.monotonic() < until, "work does not end"

    def _jobs(self) -> Iterator[Job]:
        for widget in QApplication.topLevelWidgets():
            yield from widget.findChildren(Job)

    def run(self, command: str) -> None:
        """Run a command of the menus."""
        action = self.window.registry.action(command)
        assert action.isEnabled(), f"{command} cannot be run"
        action.trigger()
        self.settle()

    def dialog(self, kind: type[QWidget] = QDialog) -> QWidget:
        """The window that lies over the main window."""
        (found,) = [d for d in self.window.findChildren(kind) if d.isVisible() and d.isWindow()]
        return found

    def take(self, name: str, widget: QWidget | None = None) -> None:
        """A picture of the window, or of a dialog over it."""
        self.settle()
        self.drawn[name] = (widget or self.window).grab().toImage()

    def take_dialog(self, name: str, kind: type[QWidget] = QDialog) -> None:
        """A picture of the dialog that is open, which is closed then."""
        dialog = self.dialog(kind)
        self.take(name, dialog)
        close(dialog)

    def take_over(self, name: str, popup: QWidget) -> None:
        """A picture of the window with what lies over it."""
        self.settle()
        below = self.window.grab()
        corner = popup.mapToGlobal(popup.rect().topLeft()) - self.window.mapToGlobal(
            self.window.rect().topLeft()
        )
        painter = QPainter(below)
        painter.drawPixmap(corner, popup.grab())
        painter.end()
        self.drawn[name] = QPixmap(below).toImage()


def pause(milliseconds: int) -> None:
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def close(dialog: QWidget) -> None:
    dialog.close()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def pictures_of_the_wizard(camera: Camera) -> None:
    wizard = NewStudyWizard(camera.window)
    wizard.show()
    wizard.set_paths([NIGHTS])
    camera.settle()
    names = ("start", "recordings", "channels", "labels", "classes", "windows", "summary")
    assert len(names) == len(wizard.pages)
    for number, name in enumerate(names):
        camera.settle()
        assert wizard.number == number, wizard.problem()
        camera.take(f"wizard_{name}", wizard)
        wizard.go_on()
    wizard.done(0)
    close(wizard)
    camera.settle()


def pictures_of_a_recording(camera: Camera, study: Path) -> None:
    window, labelling = camera.window, camera.session.labelling
    camera.session.open_study(study)
    camera.settle()
    labelling.go_to(121)
    camera.take("night")
    labelling.select_event(labelling.labels.events[0].id)
    camera.take("events")
    labelling.select_event(0)
    camera.run("view.all")
    camera.take("hypnogram")
    camera.run("view.spectrogram")
    window.view.show_range(1800, 3 * 3600)
    camera.take("spectrogram")
    camera.run("view.spectrogram")
    # Its controls have taken room from the list of recordings.
    window.resizeDocks([window.recordings_dock], [300], Qt.Orientation.Horizontal)
    window.page.show_page()
    window.registry.action("help.palette").trigger()
    palette = next(
        w
        for w in QApplication.topLevelWidgets()
        if w.inherits("QFrame") and w.isVisible() and w.parent() is window
    )
    palette.line.setText("label")
    camera.take_over("command_palette", palette)
    close(palette)
    camera.preferences.update(appearance="dark")
    camera.take("dark")
    camera.preferences.update(appearance="light")
    camera.settle()


def pictures_of_dialogs(camera: Camera, study: Path) -> None:
    window = camera.window
    for command, name in (
        ("study.agreement", "agreement"),
        ("study.scheme", "scheme"),
        ("view.channels", "channels"),
        ("file.export_run", "run_file"),
        ("file.pack", "pack"),
        ("study.audit", "audit"),
        ("study.raters", "raters"),
        ("view.go_to", "go_to"),
        ("file.preferences", "preferences"),
        ("help.shortcuts", "shortcuts"),
        ("view.findings", "findings"),
        ("help.contents", "help"),
    ):
        camera.run(command)
        camera.take_dialog(name)
    camera.run("study.settings")
    camera.take_dialog("study_settings")
    camera.run("study.add")
    dialog = camera.dialog()
    simulate_night(NIGHTS / "S07" / "night.edf", hours=0.1, seed=7)
    dialog.set_paths([NIGHTS])
    camera.take_dialog("add_recordings")
    camera.run("study.import_labels")
    dialog = camera.dialog()
    dialog.set_file(make_label_file(study))
    choose(dialog.mapping, "aasm_from_rk")
    camera.take_dialog("import_labels")
    camera.run("file.export_labels")
    dialog = camera.dialog()
    out = DEMO / "Exported"
    out.mkdir()
    dialog.folder.set_path(out)
    camera.settle()
    dialog.start()
    camera.take_dialog("export_labels")
    dialog = DeidentifyDialog([SourceFile(make_named_recording())], None, out, window)
    dialog.days.setValue(-7 * 254)  # drawn at random else
    dialog.open()
    camera.take_dialog("deidentify")
    window.commands._restore_in(make_backups(study))
    camera.take_dialog("backups")
    window.commands.open_csv(make_table())
    camera.take_dialog("csv")


def pictures_of_other_studies(camera: Camera, sample: Path) -> None:
    study = Study.open(sample)
    journal = LabelJournal(study, study.recordings()[0], study.rater("AB"))
    epoch_ns = round(study.scheme.epoch_s * NS)
    for epoch, name in enumerate(("TRAP", "TRAP", "PEN", "TRAP", "TRAP", "TRAP")):
        start = epoch * epoch_ns
        change = journal.labels.painted(start, start + epoch_ns, name, epoch_ns=epoch_ns)
        journal.do(change, f"epoch {epoch + 1}: {name}")
    study.close()
    camera.session.open_study(sample)
    camera.settle()
    camera.session.labelling.go_to(6)
    camera.take("sample_study")
    camera.session.open_study(make_study_that_lost_its_files())
    camera.settle()
    camera.run("study.moved")
    dialog = camera.dialog()
    dialog.add_folder(str(DEMO / "New disk"))
    camera.take_dialog("moved_files")


def pictures_of_predictions(camera: Camera, study: Path) -> None:
    """The recording page of a night with what a run says of it."""
    window, page = camera.window, camera.window.page
    camera.session.open_study(study)
    camera.settle()
    first, second, *_ = camera.session.recordings
    window.resize(WIDTH, TALL)
    camera.run("view.all")
    camera.session.labelling.go_to(300)
    page._drawing.setSizes([150, 0, 90, 60, 250, 0, 0])
    camera.take("predictions")
    camera.run("predict.switch_1")
    camera.run("predict.next_changed")
    time_s = camera.session.labelling.time_s
    window.view.show_range(time_s - 1800, time_s + 1800)
    camera.take("switches")
    camera.run("predict.all_on")
    camera.session.choose(second.id)
    camera.settle()
    camera.run("view.all")
    camera.run("view.subsets")
    camera.run("view.shares")
    window.resize(WIDTH, TALLEST)
    page._drawing.setSizes([100, 0, 70, 60, 250, 200, 130])
    camera.take("subsets")
    camera.run("view.subsets")
    camera.run("view.shares")
    camera.session.choose(first.id)
    camera.settle()
    window.resize(WIDTH, HEIGHT)


def pictures_of_a_run_on_nights(camera: Camera) -> None:
    """What sensors matter, figures of sleep, runs beside each other, and what leaves a run."""
    learning = camera.window.learning
    camera.run("view.dock_labels")
    camera.run("page.evaluation")
    camera.take("sleep")
    camera.run("page.sensors")
    camera.take("sensors")
    camera.session.choose(camera.session.recordings[1].id)  # a short one
    camera.settle()
    panel = learning.sensors.corruption
    choose(panel.kind, "noise")
    panel.attempt.click()
    camera.settle()
    show(learning.sensors.area, panel)
    camera.take("corruption")
    panel.sweep.click()
    camera.settle()
    show(learning.sensors.area, panel)
    camera.take("corruption_sweep")
    camera.run("page.train")
    runs = learning.training.runs
    learning.training.show_runs()
    camera.settle()
    names = [row.name for row in runs.model.shown_rows]
    runs.choose(names)
    camera.take("runs")
    runs.compare_action.trigger()
    camera.take_dialog("run_comparison", RunComparisonWindow)
    camera.run("view.dock_labels")
    camera.run("page.recording")
    camera.run("file.report")
    camera.take_dialog("report")
    camera.run("file.export_predictions")
    dialog = camera.dialog()
    dialog.folder.set_path(DEMO / "Exported")
    dialog.start()
    camera.take_dialog("export_predictions")
    camera.run("predict.score")
    dialog = camera.dialog()
    dialog.score_files([str(NIGHTS / "S07" / "night.edf")])
    camera.take_dialog("score")


def pictures_of_training(camera: Camera, sample: Path, trained: Trained) -> None:
    """Setting up a run, what came of one, the map, what to label next, and a run that goes on."""
    window, learning = camera.window, camera.window.learning
    camera.session.open_study(sample)
    camera.settle()
    camera.run("view.dock_labels")
    camera.run("page.train")
    setup = learning.training.setup
    learning.training.show_setup()
    camera.take("train")
    setup.tabs.setCurrentWidget(setup.form)
    setup.form.show_setting("pretrain.epochs")
    camera.take("train_advanced")
    setup.tabs.setCurrentWidget(setup.plan_table)
    camera.take("plan")
    setup.tabs.setCurrentWidget(setup.area)
    window.predicting.choose(trained.run.name)
    camera.run("page.evaluation")
    camera.take("evaluation")
    page = learning.evaluation
    camera.settle()
    page.budget_button.click()
    camera.settle()
    page.set_live_budget(replace(page._live, seconds=9.0))  # the same each time
    show(page.scroll, page.budget_plot)
    camera.take("budget")
    camera.run("view.dock_labels")
    camera.run("page.recording")
    camera.run("view.map")
    choose(learning.map.colour_by, "prediction")
    give_width(camera, 200, 480)
    camera.take("map")
    learning.map_dock.hide()
    picture_of_what_to_label(camera)
    pictures_of_jobs(camera, trained)


def picture_of_what_to_label(camera: Camera) -> None:
    """Ten windows and then ten more, labelled as they truly are by keys that go on to the next."""
    window, learning = camera.window, camera.window.learning
    few = next(run for run in window.predicting.runs if run.title == "First labels of AB")
    window.predicting.choose(few.name)
    camera.settle()
    learning.lists.grow()
    camera.settle()
    for labelled in (10, 10, 2):
        camera.run("windows.suggest")
        for _ in range(labelled):
            row = learning.windows.windows.rows[learning.windows.windows.current]
            camera.session.labelling.give(truth(camera, row.recording, row.start_s))
            camera.settle()
        if labelled < 10:
            learning.lists.grow()
    give_width(camera, 260, 330)
    camera.take("next")
    learning.windows_dock.hide()
    give_width(camera, 300, 280)


def truth(camera: Camera, recording: str, start_s: float) -> str:
    """What the sample study says of a window."""
    study = camera.session.study
    entry = next(e for e in camera.session.recordings if e.name == recording)
    labels = study.labels(entry.id, study.rater("sample study").id)
    middle = round((start_s + 2) * NS)
    state = labels.state_at(middle) or min(
        labels.states, key=lambda s: min(abs(s.start_ns - middle), abs(s.end_ns - middle))
    )
    return state.class_name


def pictures_of_jobs(camera: Camera, trained: Trained) -> None:
    """A training that is half-way: what another said is told to the queue, up to there."""
    learning = camera.window.learning
    queue = learning.queue
    now = [0.0]
    queue._clock = lambda: now[0]  # the time left is the same each time
    parts = training_parts(trained.run.config())
    queue.add("Score two nights", "score", lambda context: None, "score")
    camera.settle()
    going = queue.add("Eight epochs", "train", wait_until_stopped, "going on", parts=parts)
    queue.add("Eight epochs, other masks", "train", wait_until_stopped, "later", parts=parts)
    camera.held = queue._running.job
    for progress in trained.said:
        if progress.stage.startswith("fold 2: pretraining") and progress.done > progress.total // 2:
            break
        now[0] += 0.1
        queue.on_progress(queue._running, progress)
    camera.run("page.train")
    learning.training.show_curves()
    learning.jobs_dock.hide()
    camera.run("view.dock_labels")
    camera.take("curves")
    camera.run("view.dock_labels")
    learning.jobs_dock.show()
    learning.jobs.choose(going)
    camera.run("page.recording")
    camera.take("jobs")
    queue.shut_down()
    camera.held = None


def give_width(camera: Camera, left: int, right: int) -> None:
    """How wide the docks beside the pages are."""
    window = camera.window
    docks = [window.recordings_dock, window.palette_dock]
    docks += [window.learning.map_dock, window.learning.windows_dock]
    shown = [dock for dock in docks if dock.isVisible()]
    widths = [left if dock is window.recordings_dock else right for dock in shown]
    window.resizeDocks(shown, widths, Qt.Orientation.Horizontal)
    camera.settle()


def wait_until_stopped(context: RunContext) -> None:
    while True:
        context.look()
        time.sleep(0.02)


def show(area: QScrollArea, widget: QWidget) -> None:
    """Bring a widget to the top of what scrolls."""
    QApplication.processEvents()
    top = widget.mapTo(area.widget(), widget.rect().topLeft()).y()
    area.verticalScrollBar().setValue(max(top - 40, 0))


def take_all() -> dict[str, QImage]:
    """All pictures by name."""
    make_nights()
    study = make_sleep_study()
    sample = STUDIES / "Sample study"
    create_sample_study(sample, RunContext())
    camera = Camera()
    recent = [
        RecentStudy(str(folder), (WHEN + timedelta(days=days)).isoformat())
        for folder, days in ((study, 4), (sample, 1), (STUDIES / "On a disk that is away", 0))
    ]
    camera.preferences.update(appearance="light", recent_studies=tuple(recent), rater="AB")
    camera.session.choose_rater("AB")
    try:
        camera.take("welcome")
        pictures_of_the_wizard(camera)
        pictures_of_a_recording(camera, study)
        pictures_of_dialogs(camera, study)
        pictures_of_other_studies(camera, sample)
        train_on_nights(study)
        pictures_of_predictions(camera, study)
        pictures_of_a_run_on_nights(camera)
        pictures_of_training(camera, sample, train_on_sample(sample))
    finally:
        camera.window.close()
    return camera.drawn


# ---------------------------------------------------------------- small files


def quantised(image: QImage) -> QImage:
    """The same picture in at most 256 colours: the most frequent ones, and those farthest away
    from them, so that a small spot of colour keeps it."""
    rgb = image.convertToFormat(QImage.Format.Format_RGB32)
    height, width = rgb.height(), rgb.width()
    pixels = np.frombuffer(rgb.constBits(), np.uint32).reshape(height, -1)[:, :width] & 0xFFFFFF
    colours, which, counts = np.unique(pixels, return_inverse=True, return_counts=True)
    which = which.reshape(height, width)
    parts = np.stack([(colours >> shift) & 0xFF for shift in (16, 8, 0)], axis=1).astype(float)
    chosen = list(np.argsort(-counts, kind="stable")[: MOST_COLOURS * 3 // 4])
    if len(colours) > len(chosen):
        far = np.min([((parts - parts[k]) ** 2).sum(axis=1) for k in chosen], axis=0)
        while len(chosen) < min(MOST_COLOURS, len(colours)):
            chosen.append(int(far.argmax()))
            far = np.minimum(far, ((parts - parts[chosen[-1]]) ** 2).sum(axis=1))
    palette = parts[chosen]
    nearest = ((parts[:, None] - palette[None]) ** 2).sum(axis=2).argmin(axis=1)
    small = np.zeros((height, -(-width // 4) * 4), np.uint8)
    small[:, :width] = nearest[which]
    made = QImage(small.data, width, height, small.shape[1], QImage.Format.Format_Indexed8)
    made.setColorTable([0xFF000000 | int(colours[k]) for k in chosen])
    return made.copy()


def save(name: str, image: QImage) -> int:
    """Write a picture; returns its size in kB."""
    path = IMAGES / f"{name}.png"
    assert quantised(image).save(str(path), "PNG", 0), f"{path} could not be written"
    return -(-path.stat().st_size // 1000)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", help=f"pictures to keep, all if left out: {', '.join(PICTURES)}"
    )
    names = parser.parse_args().names
    if unknown := sorted(set(names) - set(PICTURES)):
        parser.error(f"there are no pictures {', '.join(unknown)}")
    shutil.rmtree(DEMO, ignore_errors=True)
    FILES.mkdir(parents=True)
    qInstallMessageHandler(lambda kind, context, text: None)  # what the offscreen platform lacks
    application = make_application(["crossl-app"])
    QLocale.setDefault(QLocale("en_GB"))
    application.setCursorFlashTime(0)  # a picture has the cursor, always
    try:
        drawn = take_all()
    finally:
        application.processEvents()
        shutil.rmtree(DEMO, ignore_errors=True)
    assert tuple(drawn) == PICTURES
    IMAGES.mkdir(exist_ok=True)
    sizes = {name: save(name, image) for name, image in drawn.items() if not names or name in names}
    for name, size in sizes.items():
        print(f"{name:20} {drawn[name].width():5} × {drawn[name].height():<4} {size:4} kB")
    print(f"{len(sizes)} pictures, {sum(sizes.values())} kB")
    too_large = [name for name, size in sizes.items() if size > LARGEST_KB]
    if too_large or sum(sizes.values()) > LARGEST_ALL_KB:
        print(f"too large: {', '.join(too_large) or 'all together'}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
