"""Batch mode: a run file or a trained model over many recordings, without a window.

Everything that a run finds out goes into one report, which is written whatever happens; the exit
status says the same in one number.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from core.config import RunConfig, check_steps, load_run_file
from core.errors import ConfigError, OutputError
from core.find_recordings import field_names
from core.modalities import AUTO, load_preset
from core.progress import Progress, RunContext
from core.run_folder import OURS, RunFolder
from core.run_log import log, logging_to
from crossl_app.exit_status import FAILED, INTERRUPTED, OK, SOME_FAILED, WRONG_COMMAND
from crossl_app.progress_lines import ProgressLines
from crossl_app.stop_signals import asked_to_end


@dataclass(frozen=True)
class BatchCommand:
    """What the command line asked for; either `run_file` or `model` with `files`."""

    run_file: Path | None
    output: Path
    model: Path | None = None
    files: tuple[Path, ...] = ()
    assignments: tuple[str, ...] = ()
    data_root: Path | None = None
    device: str | None = None
    seed: int | None = None
    resume: bool = False
    force: bool = False


def run_batch(command: BatchCommand) -> int:
    """Carry out a batch command; returns the exit status. ConfigError when it is wrong."""
    config = _configure(command)
    folder = RunFolder(command.output)
    fresh = not command.output.is_dir() or not any(command.output.iterdir())
    try:
        folder.prepare(resume=command.resume, force=command.force)
    except OutputError as error:
        print(f"crossl-app: {error}", file=sys.stderr)
        return WRONG_COMMAND
    report: dict[str, Any] = {}
    try:
        status = _run_and_report(command, config, folder, report)
    except ConfigError:
        if fresh:
            folder.remove_if_only_log()
        raise
    if report.get("recordings") and status in (OK, SOME_FAILED, INTERRUPTED):
        from core.report import console_tables

        console_tables(report, Console())
    if folder.html.exists():
        print(f"Report: {folder.html}")
    return status


def _run_and_report(
    command: BatchCommand, config: RunConfig | None, folder: RunFolder, report: dict[str, Any]
) -> int:
    """Run, and write the report whatever happens; returns the exit status."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    with logging_to(folder.log), ProgressLines(errors) as lines, _stop_on_signal() as stop:

        def take(progress: Progress) -> None:
            if progress.message:
                log.info(progress.message)
            lines.show(progress)

        context = RunContext(report=take, should_stop=stop.is_set)
        status = _run(command, config, folder, report, context)
        from core.carry_out import write_report

        try:
            write_report(report, folder)
        except OutputError as error:
            _say(str(error))
            status = FAILED
    return status


def _configure(command: BatchCommand) -> RunConfig | None:
    """The run file with what the command line changes; None when scoring with a saved model."""
    if command.run_file is None:
        _refuse_inside_output(command.output, (*command.files, command.model))
        if command.model is not None and not (command.model / "model.json").is_file():
            raise ConfigError(f"--model {command.model}: there is no model.json in this folder.")
        for name, given in (
            ("--set", command.assignments),
            ("--data-root", command.data_root),
            ("--seed", command.seed is not None),
        ):
            if given:
                raise ConfigError(f"{name} belongs to a run file and has no meaning with --model.")
        return None
    assignments = list(command.assignments)
    if command.device is not None:
        assignments.append(f"device={command.device}")
    if command.seed is not None:
        assignments.append(f"seed={command.seed}")
    config = load_run_file(command.run_file, assignments)
    check_steps(config)
    for source in config.recordings.sources:
        field_names(source.pattern)
    if isinstance(config.modalities, str) and config.modalities != AUTO:
        load_preset(config.modalities)
    root = _data_root(command, config)
    if not root.is_dir():
        raise ConfigError(f"{root}: there is no such folder to look for recordings in.")
    if config.finetune.start_from is None:
        return config
    start = command.run_file.resolve().parent / Path(config.finetune.start_from).expanduser()
    if not (start / "model.json").is_file():
        raise ConfigError(f"finetune.from: there is no model.json in {start}.")
    _refuse_inside_output(command.output, (start,))
    finetune = config.finetune.model_copy(update={"start_from": str(start)})
    return config.model_copy(update={"finetune": finetune})


def _refuse_inside_output(output: Path, inputs: Iterable[Path | None]) -> None:
    """ConfigError when an input lies where a run writes, and would remove it first."""
    places = [(output / name).resolve() for name in OURS]
    for path in inputs:
        if path is not None and any(path.resolve().is_relative_to(place) for place in places):
            raise ConfigError(
                f"--output {output}: {path} lies inside it and would be replaced. Choose another "
                "folder for the results."
            )


def _run(
    command: BatchCommand,
    config: RunConfig | None,
    folder: RunFolder,
    report: dict[str, Any],
    context: RunContext,
) -> int:
    # torch takes seconds to import: after the command and the run file have been checked.
    from core.carry_out import Outcome, carry_out
    from core.pipeline import run_study, start_report
    from core.scoring import score_files

    start_report(report, config)

    def work() -> None:
        if config is not None:
            assert command.run_file is not None
            run_study(config, _data_root(command, config), folder, report, context)
        else:
            assert command.model is not None
            score_files(
                command.model, command.files, folder, report, context, device=command.device
            )

    outcome = carry_out(work, report, folder)
    if outcome is Outcome.INTERRUPTED:
        report["error"] = "interrupted; say --resume to go on"
        _say("interrupted: what was finished is kept; --resume goes on from there.")
        return INTERRUPTED
    if outcome is Outcome.ERROR:
        _say(report["error"])
        return FAILED
    for entry in report["recordings"]:
        if entry["status"] == "failed":
            _say(f"{entry['id']}: {entry['error']}", level=logging.WARNING)
    return SOME_FAILED if outcome is Outcome.PARTIAL else OK


def _data_root(command: BatchCommand, config: RunConfig) -> Path:
    """Where patterns start: --data-root, the run file's `data_root`, or the run file's folder."""
    assert command.run_file is not None
    home = command.run_file.resolve().parent
    if command.data_root is not None:
        return command.data_root
    return home / Path(config.data_root or ".").expanduser()


def _say(message: str, level: int = logging.ERROR) -> None:
    """One line on stderr and in the log."""
    log.log(level, message)
    print(f"crossl-app: {message}", file=sys.stderr)


@contextlib.contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """An event that is set when a signal asks the program to end; a second one ends it at once."""
    stop = threading.Event()
    with asked_to_end(lambda number: stop.set()):
        yield stop
