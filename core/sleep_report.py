"""Sleep figures of every recording, from labels and from predictions, as a table of a report."""

from __future__ import annotations

from collections.abc import Sequence

from core.acceptance import epochs_predicted
from core.label_scheme import LabelScheme
from core.progress import RunContext
from core.report_options import ExtraTable
from core.run_results import RunResults
from core.sleep_figures import SleepFigures, is_sleep, lights, sleep_figures
from core.study import Study, StudyRecording
from core.study_consensus import state_codes_on
from core.study_labels import EpochGrid, RecordingLabels, make_grid, to_s
from core.window_view import make_view

HEADS = (
    *("recording", "from", "time in bed", "TST", "efficiency", "latency", "REM latency"),
    *("REM from lights off", "WASO", "awakenings"),
)


def sleep_tables(
    study: Study, raters: Sequence[str], results: RunResults, context: RunContext
) -> tuple[ExtraTable, ...]:
    """One table of all recordings; none where the classes are not stages of sleep.

    `raters` in order of preference: a recording's labels are those of the first who labelled it.
    """
    scheme = study.scheme
    names = tuple(entry.name for entry in scheme.states)
    if not is_sleep(names):
        return ()
    known = {rater.name: rater for rater in study.raters()}
    rows: list[tuple[str, ...]] = []
    recordings = study.recordings()
    for number, entry in enumerate(recordings):
        context.step("report", number, len(recordings))
        grid = make_grid(entry.duration_s, scheme.epoch_s, to_s(entry.grid_offset_ns))
        labels, by = RecordingLabels(), ""
        for name in raters:
            if name in known:
                found = study.labels(entry.id, known[name].id)
                if found.states:
                    labels, by = found, name
                    break
        if by:
            codes = state_codes_on(labels, scheme, grid).tolist()
            stages = [names[code] if code >= 0 else None for code in codes]
            rows.append(_row(entry.name, by, _figures(stages, labels, grid, scheme)))
        if results.has(entry.name):
            said = _predicted(results, entry, grid)
            rows.append(_row(entry.name, "predictions", _figures(said, labels, grid, scheme)))
    if not rows:
        return ()
    note = (
        "Minutes, but for efficiency (share of the time in bed) and awakenings. Latency: from "
        "lights off, or from the recording's start where that is not marked; REM latency: from "
        "sleep onset. Predictions with all sensors that are present."
    )
    return (
        ExtraTable(
            "Sleep",
            HEADS,
            tuple(rows),
            note,
            text_columns=(0, 1),
            recording_column=0,
            rater_column=1,
        ),
    )


def _predicted(results: RunResults, entry: StudyRecording, grid: EpochGrid) -> list[str | None]:
    windows = results.windows(entry.name)
    everything = tuple(range(len(windows.modalities)))
    view = make_view(windows, everything, windows.labels, results.held_out(windows))
    codes, _ = epochs_predicted(view, grid)
    return [view.classes[code] if code >= 0 else None for code in codes.tolist()]


def _figures(
    stages: Sequence[str | None],
    labels: RecordingLabels,
    grid: EpochGrid,
    scheme: LabelScheme,
) -> SleepFigures:
    off_s, on_s = lights(labels)
    return sleep_figures(
        stages,
        scheme.epoch_s,
        off_s,
        on_s,
        start_s=to_s(grid.offset_ns),
        classes=tuple(entry.name for entry in scheme.states),
    )


def _row(recording: str, source: str, figures: SleepFigures) -> tuple[str, ...]:
    share = "–" if figures.efficiency is None else f"{100 * figures.efficiency:.0f} %"
    awakenings = "–" if figures.awakenings is None else str(figures.awakenings)
    return (
        recording,
        source,
        _minutes(figures.time_in_bed_s),
        _minutes(figures.total_sleep_s),
        share,
        _minutes(figures.sleep_latency_s),
        _minutes(figures.rem_latency_s),
        _minutes(figures.rem_latency_from_off_s),
        _minutes(figures.waso_s),
        awakenings,
    )


def _minutes(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds / 60:.1f}"
