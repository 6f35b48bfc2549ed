"""`make bench-ui`: how fast and how small the traces are, on a night of 12 channels at 256 Hz.

Prints the machine and a table, and writes `build/bench-ui.json`: a list of {name, value, unit, aim,
met}. Each part runs in a process of its own, `python bench_ui.py PART NIGHT FOLDER`, which prints
its rows as JSON; a further part is a function in PARTS. Takes about four minutes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

# `python -P` leaves the script's own folder out.
sys.path.insert(0, str(Path(__file__).resolve().parent))

if sys.platform.startswith("linux") and not (
    os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from bench_switches import switches_part
from figures import Figure, at_most, night_config, write_night

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication, QMainWindow, QWidget

    from core.config import RunConfig
    from core.progress import Progress, RunContext
    from ui.jobs import Work
    from ui.recording_view import RecordingView

OUTPUT = Path(__file__).resolve().parents[2] / "build" / "bench-ui.json"
STATUS = Path("/proc/self/status")
SIZE = (1600, 900)
ZOOMS_S = {"1_s": 1.0, "30_s": 30.0, "5_min": 300.0, "1_h": 3600.0, "8_h": 28800.0}
REDRAWS = 40
"""Of each zoom, at places all over the night."""
BAND_HZ = (0.3, 35.0)
MEDIAN_MS, P95_MS = 33.0, 50.0
LONGEST_WAIT_S = 60.0
TICK_MS = 20
"""Of the timer whose lateness is measured."""
SCROLL_MS, SCROLL_S = 33, 0.5
"""How often, and how far, the traces scroll on."""
WATCHED_S = 20.0
LATE_P95_MS, LATE_P99_MS = 66.0, 100.0


def without_aim(name: str, value: float | None, unit: str) -> Figure:
    """A row to compare with."""
    return at_most(name, value, unit, 0.0) | {"aim": "–", "met": None}


def resident_mb() -> float | None:
    """What the process holds in memory, pages of mapped files included; None where unknown."""
    if not STATUS.exists():
        return None
    for line in STATUS.read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return None


# ---------------------------------------------------------------- a window and its clock


class Clock:
    """Runs the event loop step by step, and remembers how long the longest step took."""

    def __init__(self, app: QApplication) -> None:
        self._app = app
        self.longest_s = 0.0

    def step(self) -> None:
        began = time.perf_counter()
        self._app.processEvents()
        self.longest_s = max(self.longest_s, time.perf_counter() - began)

    def until(self, done: Callable[[], bool]) -> None:
        limit = time.perf_counter() + LONGEST_WAIT_S
        while not done():
            if time.perf_counter() > limit:
                raise TimeoutError(f"nothing happened for {LONGEST_WAIT_S:g} s")
            self.step()

    def rest(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        self.until(lambda: time.perf_counter() >= end)


class Counter:
    """Counts a signal."""

    def __init__(self, signal: object) -> None:
        self.count = 0
        signal.connect(self._add)

    def _add(self, *_: object) -> None:
        self.count += 1


def show_in_window(widget: QWidget) -> QMainWindow:
    from PySide6.QtWidgets import QMainWindow

    window = QMainWindow()
    window.setCentralWidget(widget)
    window.resize(*SIZE)
    window.show()
    return window


def places(span_s: float, duration_s: float) -> Iterator[tuple[float, float]]:
    """Stretches all over a night, none beside the one before it."""
    span = min(span_s, duration_s)
    for k in range(REDRAWS):
        # Of the whole night there is only one: it is shown in turns with a little less of it.
        shown = span * (1 - 0.004 * (k % 2)) if span == duration_s else span
        start = (k * 0.618034 % 1) * (duration_s - shown)
        yield start, start + shown


def redraws(
    go: Callable[[float, float], None],
    is_drawn: Callable[[], bool],
    clock: Clock,
    duration_s: float,
) -> dict[str, list[float]]:
    """Milliseconds from a change of the range to the painted traces, by zoom."""
    times: dict[str, list[float]] = {}
    for name, span_s in ZOOMS_S.items():
        times[name] = []
        for start_s, end_s in places(span_s, duration_s):
            began = time.perf_counter()
            go(start_s, end_s)
            clock.until(is_drawn)
            times[name].append(1000 * (time.perf_counter() - began))
            clock.step()
    return times


def redraw_rows(name: str, times: dict[str, list[float]]) -> list[Figure]:
    every = [ms for each in times.values() for ms in each]
    return [
        at_most(f"{name}_median", statistics.median(every), "ms", MEDIAN_MS),
        at_most(f"{name}_p95", percentile(every, 95), "ms", P95_MS),
        *(
            at_most(f"{name}_{zoom}", statistics.median(each), "ms", MEDIAN_MS)
            for zoom, each in times.items()
        ),
    ]


def percentile(values: list[float], share: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


# ---------------------------------------------------------------- parts


@contextmanager
def empty_view() -> Iterator[tuple[RecordingView, Clock]]:
    """A window with traces of nothing."""
    from PySide6.QtWidgets import QApplication

    from ui.recording_view import RecordingView

    app = QApplication([])
    clock = Clock(app)
    view = RecordingView()
    window = show_in_window(view)
    clock.rest(0.5)
    try:
        yield view, clock
    finally:
        view.shut_down()
        window.close()


def open_night(view: RecordingView, clock: Clock, night: Path, folder: Path) -> tuple[float, float]:
    """Open a night at its first page; seconds until the file was open, and until it was drawn."""
    from core.open_recording import open_file

    drawn = Counter(view.drawn)
    began = time.perf_counter()
    recording = open_file(night)
    opened = time.perf_counter()
    view.set_recording(recording, cache_folder=folder)
    view.show_range(0.0, 30.0)
    clock.until(lambda: drawn.count > 0)
    return opened - began, time.perf_counter() - began


def forget(path: Path) -> None:
    """Take a file out of the system's memory, where the system allows it."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure_view(view: RecordingView, clock: Clock) -> dict[str, list[float]]:
    drawn = Counter(view.drawn)
    seen = 0

    def go(start_s: float, end_s: float) -> None:
        nonlocal seen
        seen = drawn.count
        view.show_range(start_s, end_s)

    return redraws(go, lambda: drawn.count > seen, clock, view.duration_s)


def first_trace_part(night: Path, folder: Path) -> list[Figure]:
    """From choosing the file to its first page: nothing of it is in memory, nothing was built."""
    with empty_view() as (view, clock):
        forget(night)
        opened_s, drawn_s = open_night(view, clock, night, folder)
    return [
        at_most("ui_first_trace", drawn_s, "s", 0.5),
        without_aim("ui_first_trace_of_that_opening", opened_s, "s"),
    ]


def first_trace_again_part(night: Path, folder: Path) -> list[Figure]:
    """The same where the system has the file in memory, as after copying it."""
    with empty_view() as (view, clock):
        night.read_bytes()
        _, drawn_s = open_night(view, clock, night, folder)
    return [without_aim("ui_first_trace_of_a_file_in_memory", drawn_s, "s")]


def view_part(night: Path, folder: Path) -> list[Figure]:
    """Our own traces: as recorded, then filtered."""
    from dataclasses import replace

    from core.montage import Montage

    rows: list[Figure] = []
    with empty_view() as (view, clock):
        empty_mb = resident_mb()
        progress: list[tuple[int, int]] = []
        view.envelope_progress.connect(lambda done, total: progress.append((done, total)))
        open_night(view, clock, night, folder)
        clock.longest_s = 0.0
        began = time.perf_counter()
        clock.until(lambda: bool(progress) and progress[-1][0] == progress[-1][1])
        rows.append(without_aim("ui_pyramid_built", time.perf_counter() - began, "s"))
        clock.rest(0.3)
        blocked = clock.longest_s
        rows += redraw_rows("ui_redraw", measure_view(view, clock))
        used_mb = resident_mb()
        growth = None if used_mb is None or empty_mb is None else used_mb - empty_mb
        rows.append(at_most("ui_memory_above_empty_window", growth, "MB", 300.0))

        assert view.montage is not None
        low_hz, high_hz = BAND_HZ
        filtered = [replace(t, low_hz=low_hz, high_hz=high_hz) for t in view.montage.traces]
        progress.clear()
        clock.longest_s = 0.0
        began = time.perf_counter()
        view.set_montage(Montage(tuple(filtered)))
        clock.until(lambda: bool(progress) and progress[-1][0] == progress[-1][1])
        rows.append(without_aim("ui_pyramid_built_filtered", time.perf_counter() - began, "s"))
        clock.rest(0.3)
        blocked = max(blocked, clock.longest_s)
        rows += redraw_rows("ui_redraw_filtered", measure_view(view, clock))
        used_mb = resident_mb()
        growth = None if used_mb is None or empty_mb is None else used_mb - empty_mb
        rows.append(without_aim("ui_memory_above_empty_window_filtered", growth, "MB"))
        rows.append(at_most("ui_longest_block_while_building", 1000 * blocked, "ms", 100.0))
    return rows


def window_part(night: Path, folder: Path) -> list[Figure]:
    """The whole window on a study of that night: two raters with a label on every epoch, so that
    overview, label strip, other raters and palette are drawn too. Then labelling by keys."""
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QApplication

    from ui.main_window import MainWindow
    from ui.preferences import PreferenceStore
    from ui.session import Session

    made = study_of(night, folder / "study")
    app = QApplication([])
    clock = Clock(app)
    session = Session()
    window = MainWindow(session, PreferenceStore(folder / "preferences.json"))
    window.resize(*SIZE)
    window.show()
    clock.rest(1.5)
    empty_mb = resident_mb()
    session.choose_rater("AB")
    shown = Counter(window.page.drawn)
    progress: list[tuple[int, int]] = []
    window.view.envelope_progress.connect(lambda done, total: progress.append((done, total)))
    clock.longest_s = 0.0
    began = time.perf_counter()
    session.open_study(made)
    clock.until(lambda: shown.count > 0)
    opened_s = time.perf_counter() - began
    clock.until(lambda: bool(progress) and progress[-1][0] == progress[-1][1])
    blocked = clock.longest_s
    rows = [at_most("ui_study_open_first_trace", opened_s, "s", 0.5)]
    rows += redraw_rows("ui_window_redraw", measure_view(window.view, clock))
    used_mb = resident_mb()
    growth = None if used_mb is None or empty_mb is None else used_mb - empty_mb
    rows.append(at_most("ui_window_memory_above_empty", growth, "MB", 300.0))
    rows.append(at_most("ui_window_longest_block_on_opening", 1000 * blocked, "ms", 100.0))

    window.view.plot.setFocus()
    session.labelling.go_to(0)
    clock.rest(0.3)
    keys: list[float] = []
    for number in range(200):
        key = (Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_3)[number % 3]
        began = time.perf_counter()
        QTest.keyClick(window.view.plot, key)
        keys.append(1000 * (time.perf_counter() - began))
        clock.step()
    assert session.labelling.epoch == 200
    rows.append(without_aim("ui_label_key_saved_median", statistics.median(keys), "ms"))
    rows.append(at_most("ui_label_key_saved_p95", percentile(keys, 95), "ms", 100.0))
    window.close()
    return rows


def study_of(night: Path, folder: Path) -> Path:
    """A study of that night in which two raters have labelled every epoch."""
    from core.config import SourceConfig
    from core.find_recordings import FoundFile, FoundRecording, open_recording
    from core.label_journal import LabelJournal
    from core.label_scheme import load_scheme
    from core.study import Study, StudySettings
    from core.study_labels import Change, StudyLabel, make_grid, new_id

    engine = {"windows": {"length_s": 30}, "modalities": "sleep"}
    study = Study.create(folder, StudySettings("night", engine=engine), load_scheme("sleep_aasm"))
    file = FoundFile("main", night, SourceConfig(pattern=night.name))
    found = FoundRecording("night", "s1", {}, (file,))
    study.add_recordings([(found, open_recording(found, study.recordings_config()))])
    (entry,) = study.recordings()
    grid = make_grid(entry.duration_s, study.scheme.epoch_s)
    names = [state.name for state in study.scheme.states]
    for rater, step in (("AB", 7), ("CD", 11)):
        journal = LabelJournal(study, entry, study.rater(rater))
        labels = tuple(
            StudyLabel(new_id(), *grid.span(epoch), names[epoch // step % len(names)])
            for epoch in range(grid.epochs)
        )
        journal.do(Change((), labels), "all epochs")
    study.close()
    return folder


def pyqtgraph_part(night: Path, folder: Path) -> list[Figure]:
    """The same night with pyqtgraph's own means: whole channels in memory, each a curve with
    `clipToView` and automatic downsampling that keeps peaks."""
    import numpy as np
    import pyqtgraph as pg
    from PySide6.QtCore import QEvent, QObject
    from PySide6.QtWidgets import QApplication

    from core.read_edf import open_edf

    class Paints(QObject):
        count = 0

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
            if event.type() == QEvent.Type.Paint:
                self.count += 1
            return False

    app = QApplication([])
    clock = Clock(app)
    plot = pg.PlotWidget()
    window = show_in_window(plot)
    clock.rest(0.5)
    empty_mb = resident_mb()
    file = open_edf(night)
    for number, channel in enumerate(file.channels):
        values = file.read(number, 0, channel.samples)
        low, middle, high = np.percentile(values[:: 64 * 8], [0.5, 50, 99.5])
        values = (values - middle) / (1.2 * (high - low) or 1.0) - number
        curve = pg.PlotDataItem(pen=pg.mkPen("#0072B2", width=1), antialias=False)
        plot.addItem(curve, ignoreBounds=True)  # before clipToView, which needs its view
        curve.setDownsampling(auto=True, method="peak")
        curve.setClipToView(True)
        curve.setData(np.arange(len(values)) / channel.rate_hz, values, skipFiniteCheck=True)
    plot.setYRange(-len(file.channels) + 0.5, 0.5, padding=0)
    paints = Paints()
    plot.viewport().installEventFilter(paints)
    seen = 0

    def go(start_s: float, end_s: float) -> None:
        nonlocal seen
        seen = paints.count
        plot.setXRange(start_s, end_s, padding=0)

    times = redraws(go, lambda: paints.count > seen, clock, file.duration_s)
    used_mb = resident_mb()
    window.close()
    growth = None if used_mb is None or empty_mb is None else used_mb - empty_mb
    rows = [row | {"aim": "–", "met": None} for row in redraw_rows("pyqtgraph_redraw", times)]
    return [*rows, without_aim("pyqtgraph_memory_above_empty_window", growth, "MB")]


# ---------------------------------------------------------------- training beside the window

TRAININGS: dict[str, dict[str, Any]] = {
    # Long windows in large batches: few long steps of torch.
    "recommended": {"model": {"preset": "recommended"}},
    # Short windows in batches of eight: many short steps of Python.
    "reference": {
        "model": {"preset": "reference"},
        "windows": {"length_s": 2},
        "evaluate": {"test_subjects": []},
    },
}
"""Settings of the runs that train while the traces scroll."""


class Lateness:
    """How late a timer of `TICK_MS` is, while the traces scroll. The event loop sleeps in between,
    as it does in the program."""

    def __init__(self, view: RecordingView) -> None:
        from PySide6.QtCore import Qt, QTimer

        self.late_ms: list[float] = []
        self._view = view
        self._start_s = 0.0
        self._last = 0.0
        self._tick, self._scroll = QTimer(), QTimer()
        for timer, milliseconds, slot in (
            (self._tick, TICK_MS, self._on_tick),
            (self._scroll, SCROLL_MS, self._on_scroll),
        ):
            timer.setTimerType(Qt.TimerType.PreciseTimer)
            timer.setInterval(milliseconds)
            timer.timeout.connect(slot)

    def _on_tick(self) -> None:
        now = time.perf_counter()
        self.late_ms.append(max(1000 * (now - self._last) - TICK_MS, 0.0))
        self._last = now

    def _on_scroll(self) -> None:
        self._start_s = (self._start_s + SCROLL_S) % (self._view.duration_s - 30.0)
        self._view.show_range(self._start_s, self._start_s + 30.0)

    def watch(self, seconds: float, enough: Callable[[], bool] = lambda: True) -> None:
        """Run the event loop for so long, and then until `enough`."""
        from PySide6.QtCore import QEventLoop, QTimer

        loop = QEventLoop()
        end = time.perf_counter() + seconds

        def look() -> None:
            now = time.perf_counter()
            if now >= end and (enough() or now >= end + LONGEST_WAIT_S):
                loop.quit()

        looking = QTimer()
        looking.setInterval(200)
        looking.timeout.connect(look)
        self._last = time.perf_counter()
        for timer in (self._tick, self._scroll, looking):
            timer.start()
        loop.exec()
        for timer in (self._tick, self._scroll, looking):
            timer.stop()

    def rows(self, name: str, *, has_aim: bool = True) -> list[Figure]:
        row = at_most if has_aim else (lambda n, v, u, _: without_aim(n, v, u))
        return [
            row(f"{name}_p95", percentile(self.late_ms, 95), "ms", LATE_P95_MS),
            row(f"{name}_p99", percentile(self.late_ms, 99), "ms", LATE_P99_MS),
            without_aim(f"{name}_longest", max(self.late_ms), "ms"),
        ]


class Batches:
    """Counts the batches of pretraining that a job reports."""

    def __init__(self) -> None:
        self.count = 0
        self.first = self.last = 0.0

    def add(self, stage: str) -> None:
        if stage.endswith("pretraining"):
            self.last = time.perf_counter()
            self.first = self.first or self.last
            self.count += 1

    @property
    def per_second(self) -> float | None:
        spent = self.last - self.first
        return (self.count - 1) / spent if self.count > 1 and spent > 0 else None


def training_part(night: Path, folder: Path) -> list[Figure]:
    """The whole window on a study of that night, its traces scrolling, alone and while a run trains
    in a job: from its reading of the night on."""
    from PySide6.QtWidgets import QApplication

    from core.config import make_config
    from ui.collector import Collector
    from ui.jobs import Job
    from ui.main_window import MainWindow
    from ui.preferences import PreferenceStore
    from ui.session import Session
    from ui.training_commands import window_threads

    made = study_of(night, folder / "study")
    app = QApplication([])
    collector = Collector()
    clock = Clock(app)
    session = Session()
    window = MainWindow(session, PreferenceStore(folder / "preferences.json"))
    window.resize(*SIZE)
    window.show()
    session.choose_rater("AB")
    progress: list[tuple[int, int]] = []
    window.view.envelope_progress.connect(lambda done, total: progress.append((done, total)))
    session.open_study(made)
    clock.until(lambda: bool(progress) and progress[-1][0] == progress[-1][1])
    clock.rest(1.0)
    warming = Lateness(window.view)
    warming.watch(2.0)
    alone = Lateness(window.view)
    alone.watch(WATCHED_S)
    rows = alone.rows("ui_timer_late_scrolling", has_aim=False)
    for name, settings in TRAININGS.items():
        document = night_document(night) | settings | {"threads": window_threads()}
        document["pretrain"] = {"epochs": 1000, "patience": None}
        batches = Batches()
        work = training(make_config(document), night.parent, folder / name, batches)
        job = Job(work, gives_way=True)
        late = Lateness(window.view)
        job.start()
        late.watch(WATCHED_S, lambda counted=batches: counted.count > 2)
        job.stop()
        asked = time.perf_counter()
        job.wait()
        stopped_s = time.perf_counter() - asked
        rows += late.rows(f"ui_timer_late_training_{name}")
        rows += [
            without_aim(f"ui_training_{name}_batches", batches.per_second, "1/s"),
            at_most(f"ui_training_{name}_stopped", stopped_s, "s", 3.0),
        ]
    window.close()
    collector.stop()
    return rows


def night_document(night: Path) -> dict[str, Any]:
    """A run file that pretrains on a night."""
    from core.config import dump_config

    document = dump_config(night_config(night.name, steps=["pretrain"]))
    return {key: value for key, value in document.items() if key not in ("finetune", "model")}


def training(config: RunConfig, root: Path, output: Path, batches: Batches) -> Work:
    """What a job does that carries out a run."""

    def work(context: RunContext) -> None:
        from dataclasses import replace

        from core.pipeline import run_study, start_report
        from core.run_folder import RunFolder

        def report(progress: Progress) -> None:
            batches.add(progress.stage)
            context.report(progress)

        folder = RunFolder(output)
        folder.prepare(resume=False, force=True)
        told: dict[str, Any] = {}
        start_report(told, config)
        run_study(config, root, folder, told, replace(context, report=report))

    return work


PARTS: dict[str, Callable[[Path, Path], list[Figure]]] = {
    "first_trace": first_trace_part,
    "first_trace_again": first_trace_again_part,
    "view": view_part,
    "window": window_part,
    "training": training_part,
    "switches": lambda night, folder: switches_part(),
    "pyqtgraph": pyqtgraph_part,
}

ROUNDS = {"first_trace": 5, "first_trace_again": 5}
"""Parts that measure one moment are run several times; their rows are medians."""


# ---------------------------------------------------------------- the whole


def run_part(name: str, night: Path) -> list[Figure]:
    """The rows of a part, measured in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-P", __file__, name, str(night), folder],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            # The program itself may not be installed: the child finds it where this process did.
            env=os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        )
    rows: list[Figure] = json.loads(done.stdout.splitlines()[-1])
    return rows


def run_rounds(name: str, night: Path) -> list[Figure]:
    """The rows of a part, each with the median over its rounds."""
    rounds = [run_part(name, night) for _ in range(ROUNDS.get(name, 1))]
    rows = []
    for same in zip(*rounds, strict=True):
        values = [row["value"] for row in same]
        rows.append(same[0] if None in values else same[values.index(middle(values))])
    return rows


def middle(values: list[float]) -> float:
    """The median of an odd number of values."""
    return sorted(values)[len(values) // 2]


def main() -> None:
    from bench import machine, show
    from rich.console import Console

    # A pipe has no width of its own: long lines are then left whole.
    console = Console(width=None if sys.stdout.isatty() else 120, soft_wrap=False)
    description = machine()
    console.print(description)
    started = time.perf_counter()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        console.print("simulating a night of 8 hours …", style="dim")
        night = write_night(Path(folder) / "night.edf")
        for name in PARTS:
            console.print(f"{name} …", style="dim")
            figures += run_rounds(name, night)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    console.print(description)
    show(figures, console)
    console.print(f"{time.perf_counter() - started:.0f} s; written to {OUTPUT}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(PARTS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))))
    else:
        main()
