"""Figures of a night from its stages: time in bed, sleep, latencies, time and share per stage.

Terms are those of the AASM manual for the scoring of sleep and associated events, chapter on
parameters to be reported: lights out and lights on, total recording time, total sleep time, sleep
latency, stage R latency, wake after sleep onset, sleep efficiency. A figure that is not defined is
None, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.study_labels import RecordingLabels

Origin = Literal["mark", "recording"]
"""Where a limit of the night comes from: a mark of the rater, or the ends of the recording."""

LIGHTS_OFF, LIGHTS_ON = "Lights off", "Lights on"
"""Marks of the sleep schemes, and texts that EDF+ knows."""

WAKE, REM = "W", "R"
ORDER = ("W", "R", "N1", "N2", "N3", "NREM", "Sleep")
_NAMES = {
    "W": ("w", "wake", "awake", "sleep stage w"),
    "R": ("r", "rem", "sleep stage r"),
    "N1": ("n1", "sleep stage n1"),
    "N2": ("n2", "sleep stage n2"),
    "N3": ("n3", "sleep stage n3"),
    "NREM": ("nrem", "non-rem", "sleep stage n"),
    "Sleep": ("sleep", "asleep"),
}
_STAGE_OF = {name: stage for stage, names in _NAMES.items() for name in names}


@dataclass(frozen=True)
class StageTime:
    """Time in one stage between lights off and lights on.

    Attributes
    ----------
    name: as the classes are called.
    share_of_sleep: of total sleep time; None for wake, and without sleep.
    share_of_scored: of all time that has a stage; None where there is none.
    """

    name: str
    time_s: float
    share_of_sleep: float | None
    share_of_scored: float | None


@dataclass(frozen=True)
class SleepFigures:
    """What the stages of one night come to; all times in seconds, shares from 0 to 1.

    Attributes
    ----------
    lights_off_s, lights_on_s: limits of the night, from the recording's start.
    lights_off_from, lights_on_from: whether these were marked, or are the recording's ends.
    time_in_bed_s: lights off to lights on (AASM: total recording time, TRT), unscored time
        included.
    unscored_s: time in bed without a stage; neither sleep nor wake.
    total_sleep_s: time in bed in any stage but wake (TST); None where nothing is scored.
    efficiency: TST / time in bed; where time is unscored it is a least value.
    sleep_onset_s: start of the first epoch of any stage but wake, from the recording's start.
    sleep_latency_s: lights off to sleep onset (SL).
    rem_latency_s: sleep onset to the first epoch of stage R (AASM: stage R latency).
    rem_latency_from_off_s: lights off to the first epoch of stage R.
    waso_s: wake from sleep onset to lights on (WASO), the last awakening included.
    awakenings: how often sleep turned into wake and came back before lights on; the last awakening
        is not one of them, unscored epochs are passed over. The manual does not define it.
    stages: wake first, then the other stages of the scheme.
    """

    lights_off_s: float
    lights_on_s: float
    lights_off_from: Origin
    lights_on_from: Origin
    time_in_bed_s: float
    unscored_s: float
    total_sleep_s: float | None
    efficiency: float | None
    sleep_onset_s: float | None
    sleep_latency_s: float | None
    rem_latency_s: float | None
    rem_latency_from_off_s: float | None
    waso_s: float | None
    awakenings: int | None
    stages: tuple[StageTime, ...]

    def stage(self, name: str) -> StageTime | None:
        """Time in a stage, by the name of its class; None for classes that are no stages."""
        return next((stage for stage in self.stages if stage.name == name), None)


def stage_of(name: str) -> str | None:
    """The stage that a class stands for: W, R, N1, N2, N3, NREM or Sleep; None for others."""
    return _STAGE_OF.get(name.strip().casefold())


def is_sleep(classes: Iterable[str]) -> bool:
    """Whether classes are those of sleep: wake, and at least one of sleep that is not REM alone.

    W and R alone might as well be walking and running.
    """
    known = {stage_of(name) for name in classes}
    return WAKE in known and bool(known & {"N1", "N2", "N3", "NREM", "Sleep"})


def lights(labels: RecordingLabels) -> tuple[float | None, float | None]:
    """When a rater marked lights off and on, in seconds; None where it was not marked.

    The first mark for off, and the last for on where it comes after that.
    """
    off = [mark.start_s for mark in labels.marks if mark.class_name == LIGHTS_OFF]
    on = [mark.start_s for mark in labels.marks if mark.class_name == LIGHTS_ON]
    first = min(off, default=None)
    last = max(on, default=None)
    if first is not None and last is not None and last <= first:
        last = None
    return first, last


def stages_of_windows(
    starts_s: np.ndarray,
    ends_s: np.ndarray,
    codes: np.ndarray,
    classes: Sequence[str],
    epoch_s: float,
    epochs: int,
    start_s: float = 0.0,
) -> list[str | None]:
    """Predictions laid on epochs: each takes the class of the window that its middle lies in.

    Windows are given by the start and end of their cells and class numbers, (windows,), -1 for
    none, in order of time; overlapping ones by cells that do not overlap
    (`RecordingWindows.ends_shown_s`).
    """
    middles = start_s + (np.arange(epochs) + 0.5) * epoch_s
    if not len(starts_s):
        return [None] * epochs
    rows = np.searchsorted(starts_s, middles, side="right") - 1
    inside = (rows >= 0) & (middles < ends_s[np.maximum(rows, 0)])
    found = np.where(inside, codes[np.maximum(rows, 0)], -1)
    return [classes[code] if code >= 0 else None for code in found.tolist()]


def sleep_figures(
    stages: Sequence[str | None],
    epoch_s: float,
    lights_off_s: float | None = None,
    lights_on_s: float | None = None,
    *,
    start_s: float = 0.0,
    classes: Sequence[str] = (),
) -> SleepFigures:
    """Figures of one night.

    Without lights off the night begins with the first epoch, without lights on it ends with the
    last one, and the result says so. An epoch that lies across a limit counts with the part that is
    inside.

    Parameters
    ----------
    stages: name of the class of each epoch, None for unscored; classes that are no stage of sleep
        count as unscored.
    epoch_s: length of an epoch in seconds.
    lights_off_s, lights_on_s: seconds from the recording's start.
    start_s: where the first epoch begins.
    classes: names of the stages to be listed, also those that do not occur.

    Raises ValueError for an epoch without length, and where lights on is not after lights off.
    """
    if epoch_s <= 0:
        raise ValueError("an epoch must last longer than nothing")
    end_s = start_s + len(stages) * epoch_s
    off_s = start_s if lights_off_s is None else lights_off_s
    on_s = end_s if lights_on_s is None else lights_on_s
    if on_s < off_s or (on_s == off_s and len(stages)):
        raise ValueError("lights on must come after lights off")
    begins = start_s + np.arange(len(stages)) * epoch_s
    inside_s = np.clip(np.minimum(begins + epoch_s, on_s) - np.maximum(begins, off_s), 0.0, None)
    named = np.array([name or "" for name in stages], dtype=object)
    of_epoch = np.array([stage_of(name) or "" for name in named.tolist()], dtype=object)
    counts = inside_s > 0
    scored = counts & (of_epoch != "")
    wake = scored & (of_epoch == WAKE)
    asleep = scored & ~wake
    total_s = float(inside_s[asleep].sum())
    scored_s = float(inside_s[scored].sum())
    in_bed_s = on_s - off_s
    onset_s = _first(begins, asleep, off_s)
    rem_s = _first(begins, scored & (of_epoch == REM), off_s)
    waso_s: float | None = None
    awakenings: int | None = None
    if onset_s is not None:
        waso_s = float(inside_s[wake & (begins >= onset_s)].sum())
        # Sleep that comes after wake, and not as the first of the night.
        series = asleep[scored]
        awakenings = int((series[1:] & ~series[:-1]).sum()) - int(not series[0])
    return SleepFigures(
        lights_off_s=off_s,
        lights_on_s=on_s,
        lights_off_from="recording" if lights_off_s is None else "mark",
        lights_on_from="recording" if lights_on_s is None else "mark",
        time_in_bed_s=in_bed_s,
        unscored_s=in_bed_s - scored_s,
        total_sleep_s=total_s if scored.any() else None,
        efficiency=total_s / in_bed_s if scored.any() else None,
        sleep_onset_s=onset_s,
        sleep_latency_s=None if onset_s is None else onset_s - off_s,
        rem_latency_s=None if onset_s is None or rem_s is None else rem_s - onset_s,
        rem_latency_from_off_s=None if rem_s is None else rem_s - off_s,
        waso_s=waso_s,
        awakenings=awakenings,
        stages=tuple(
            StageTime(
                name=name,
                time_s=(time_s := float(inside_s[scored & (named == name)].sum())),
                share_of_sleep=(
                    time_s / total_s if total_s > 0 and stage_of(name) != WAKE else None
                ),
                share_of_scored=time_s / scored_s if scored_s > 0 else None,
            )
            for name in _in_order([*classes, *(name for name in stages if name)])
        ),
    )


def _first(begins: np.ndarray, chosen: np.ndarray, off_s: float) -> float | None:
    """Where the first chosen epoch begins, no earlier than lights off."""
    found = np.flatnonzero(chosen)
    return max(float(begins[found[0]]), off_s) if len(found) else None


def _in_order(names: Iterable[str]) -> list[str]:
    """The names that are stages, each once, by stage."""
    known = [name for name in dict.fromkeys(names) if stage_of(name) is not None]
    return sorted(known, key=lambda name: ORDER.index(stage_of(name) or ""))
