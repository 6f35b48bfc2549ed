"""Carrying out a run of a study: the same steps, files and numbers as in batch mode."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.carry_out import Outcome, carry_out, write_report
from core.errors import CrosslError, StudyError
from core.pipeline import run_study, start_report
from core.progress import Progress, RunContext
from core.run_folder import RunFolder
from core.run_log import log, logging_to
from core.study_runs import RunState, StudyRun, read_run, set_state

STATES: dict[Outcome, RunState] = {
    Outcome.SUCCESS: "finished",
    Outcome.PARTIAL: "partial",
    Outcome.INTERRUPTED: "stopped",
    Outcome.ERROR: "failed",
}


def train(run: StudyRun, context: RunContext) -> StudyRun:
    """Carry out a run, or go on with one that was stopped; returns it as it is afterwards.

    Never raises Cancelled: a run that was asked to stop is `stopped`, and what it has finished is
    kept. Raises StudyError where the run is gone or was brought in, OutputError where not even its
    state can be written, and what is a bug.
    """
    if run.kind != "train":
        raise StudyError(f"{run.title}: a model that was brought in cannot be run again.")
    if read_run(run.folder) is None:
        raise StudyError(f"{run.title}: this run is no longer in the study; make it anew.")
    folder = RunFolder(run.folder)
    try:
        run = set_state(run, "running")
        config = run.config()
        folder.prepare(resume=True, force=False)
    except CrosslError as error:
        return set_state(run, "failed", str(error))
    report: dict[str, Any] = {}
    start_report(report, config)
    with logging_to(folder.log):

        def take(progress: Progress) -> None:
            if progress.message:
                log.info(progress.message)
            context.report(progress)

        # A run file's paths start from its folder, as in batch mode.
        def work() -> None:
            run_study(config, run.folder, folder, report, replace(context, report=take))

        try:
            outcome = carry_out(work, report, folder)
            write_report(report, folder)
        except CrosslError as error:  # the settings are wrong after all, or the disk is full
            return set_state(run, "failed", str(error))
        except BaseException as error:
            set_state(run, "failed", f"program error: {type(error).__name__}: {error}")
            raise
    reason = str(report["error"] or "") if outcome is not Outcome.INTERRUPTED else ""
    return set_state(run, STATES[outcome], reason)
