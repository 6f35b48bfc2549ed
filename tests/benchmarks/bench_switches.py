"""`python -P bench_switches.py`: how long the recording page takes to follow a switch.

A modality is switched off or on; measured is until strip, figures, heat map of the subsets and
Shapley band are painted again, for 1,000 windows × 6 modalities. Prints a table, and with
`--json` the rows alone: a list of {name, value, unit, aim, met}.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

# `python -P` leaves the script's own folder out.
sys.path.insert(0, str(Path(__file__).resolve().parent))

if sys.platform.startswith("linux") and not (
    os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from figures import Figure, at_most

from core.robustness import SubsetPredictions, fragility, plan_subsets, shapley
from core.window_store import FINAL, RecordingWindows

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

MODALITIES = ("eeg", "eog", "emg", "ecg", "resp", "acc")
CLASSES = ("W", "N1", "N2", "N3", "R")
WINDOWS = 1000
TOGGLES = 100
AIM_MS = 100.0
SIZE = (1600, 900)


def make_windows(
    count: int = WINDOWS,
    modalities: Sequence[str] = MODALITIES,
    classes: Sequence[str] = CLASSES,
    seed: int = 0,
    length_s: float = 30.0,
    overlap: float = 0.0,
) -> RecordingWindows:
    """What a run might say of a night: stages that last, modalities that know more or less of
    them, some of which are missing for a while."""
    rng = np.random.default_rng(seed)
    plan = plan_subsets(len(modalities))
    bouts = rng.integers(5, 40, count)
    truth = np.repeat(rng.integers(0, len(classes), count), bouts)[:count]
    present = np.ones((count, len(modalities)), bool)
    if len(modalities) > 1:
        present[count // 3 : count // 3 + count // 20, 1] = False
        present[count // 2 : count // 2 + max(count // 100, 1)] = False
    knows = rng.uniform(0.3, 1.4, len(modalities))
    evidence = rng.normal(0, 0.8, (len(modalities), count, len(classes)))
    evidence[:, np.arange(count), truth] += knows[:, None]
    answers = np.full((len(plan.kept), count, len(classes)), np.nan, np.float32)
    for row, kept in enumerate(plan.kept):
        weight = present[:, list(kept)]
        total = np.einsum("wm,mwc->wc", weight.astype(float), evidence[list(kept)])
        odds = np.exp(total - total.max(axis=1, keepdims=True))
        there = weight.any(axis=1)
        answers[row, there] = (odds / odds.sum(axis=1, keepdims=True))[there]
    subsets = SubsetPredictions(plan, present, answers)
    return RecordingWindows(
        recording="night",
        subject="somebody",
        starts_s=np.arange(count) * length_s * (1 - overlap),
        length_s=length_s,
        classes=tuple(classes),
        modalities=tuple(modalities),
        labels=np.where(rng.random(count) < 0.1, -1, truth),
        fold=np.full(count, FINAL if seed % 2 else "0", dtype=object),
        subsets=subsets,
        fragility=fragility(subsets),
        shapley=shapley(subsets, np.full(len(classes), 1 / len(classes))),
        z=np.zeros((count, len(modalities), 4), np.float32),
        embedding=np.zeros((count, 5), np.float32),
    )


def measure(count: int, toggles: int) -> dict[str, list[float]]:
    """Milliseconds of each toggle: from the click until everything is painted (`all`), of that
    until the views have their new values (`computed`)."""
    from bench_ui import Clock
    from PySide6.QtCore import QEvent, QObject
    from PySide6.QtWidgets import QApplication, QMainWindow, QVBoxLayout, QWidget

    from core.window_view import live_figures, make_view
    from ui.modality_switches import ModalitySwitches
    from ui.prediction_strip import PredictionStrip
    from ui.shapley_lane import ShapleyLane
    from ui.subset_lane import SubsetLane
    from ui.time_plot import TimePlot

    class Painted(QObject):
        """Which widgets have been painted since it was last cleared."""

        def __init__(self, widgets: Sequence[QWidget]) -> None:
            super().__init__()
            self.widgets = widgets
            self.seen: set[int] = set()
            for widget in widgets:
                widget.installEventFilter(self)

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
            if event.type() == QEvent.Type.Paint:
                self.seen.add(id(watched))
            return False

        def is_done(self) -> bool:
            return len(self.seen) == len(self.widgets)

    app = QApplication.instance() or QApplication([])
    clock = Clock(app)
    windows = make_windows(count)
    switches, traces = ModalitySwitches(), TimePlot()
    strip, subsets, shares = PredictionStrip(), SubsetLane(), ShapleyLane()
    page = QWidget()
    column = QVBoxLayout(page)
    for widget, stretch in ((switches, 0), (traces, 1), (strip, 0), (subsets, 0), (shares, 0)):
        column.addWidget(widget, stretch)
    for lane in (strip, subsets, shares):
        lane.link_to(traces)
    window = QMainWindow()
    window.setCentralWidget(page)
    window.resize(*SIZE)
    computed: list[float] = []

    def follow(kept: tuple[int, ...]) -> None:
        view = make_view(windows, kept, windows.labels, windows.held_out, 0.6)
        strip.set_view(view, {})
        switches.set_figures(live_figures(view))
        switches.set_kept(kept)
        subsets.set_kept(kept)
        shares.set_kept(kept)
        computed.append(1000 * (time.perf_counter() - began))

    present = windows.present.mean(axis=0)
    switches.set_modalities(windows.modalities, dict(zip(windows.modalities, present, strict=True)))
    switches.kept_changed.connect(follow)
    subsets.set_windows(windows, {})
    shares.set_windows(windows)
    began = time.perf_counter()
    follow(switches.kept)
    traces.setXRange(0, float(windows.ends_shown_s()[-1]), padding=0)
    window.show()
    clock.rest(1.0)
    painted = Painted([switches, *(lane.plot.viewport() for lane in (strip, subsets, shares))])
    computed.clear()
    whole = []
    for number in range(toggles):
        # One after the other off, then on again: 2, 4, 6 … modalities are off in turns.
        switch = switches.switches[number * 5 % len(MODALITIES)]
        painted.seen.clear()
        began = time.perf_counter()
        switch.click()
        clock.until(painted.is_done)
        whole.append(1000 * (time.perf_counter() - began))
        clock.step()
    window.close()
    return {"all": whole, "computed": computed}


def switches_part(count: int = WINDOWS, toggles: int = TOGGLES) -> list[Figure]:
    """The rows of the table."""
    times = measure(count, toggles)
    whole = times["all"]
    p95 = statistics.quantiles(whole, n=100, method="inclusive")[94]
    name = f"ui_switch_{count}_windows"
    own = at_most(f"{name}_computed_median", statistics.median(times["computed"]), "ms", 0.0)
    return [
        at_most(f"{name}_median", statistics.median(whole), "ms", AIM_MS),
        at_most(f"{name}_p95", p95, "ms", AIM_MS),
        own | {"aim": "–", "met": None},
    ]


def main() -> None:
    figures = switches_part() + [
        # What no aim is set for: a week of windows.
        row | {"aim": "–", "met": None}
        for row in switches_part(20_000, TOGGLES // 4)
    ]
    if "--json" in sys.argv:
        print(json.dumps(figures))
        return
    from bench import machine, show
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 120, soft_wrap=False)
    console.print(machine())
    show(figures, console)


if __name__ == "__main__":
    main()
