"""Batch mode: a run file or a trained model over many recordings, without a window.

Everything that a run finds out goes into one report, which is written whatever happens; the exit
status says the same in one number.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from core.checkpoint import write_json
from core.config import RunConfig, check_steps, load_run_file
from core.errors import ConfigError, CrosslError, OutputError
from core.find_recordings import field_names
from core.modalities import AUTO, load_preset
from core.progress import Cancelled, Progress, RunContext
from core.run_folder import OURS, RunFolder
from crossl_app.exit_status import FAILED, INTERRUPTED, OK, SOME_FAILED, WRONG_COMMAND
from crossl_app.progress_lines import ProgressLines

log = logging.getLogger("crossl_app")


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
    with _logging_to(folder.log), ProgressLines(errors) as lines, _stop_on_signal() as stop:

        def take(progress: Progress) -> None:
            if progress.message:
                log.info(progress.message)
            lines.show(progress)

        context = RunContext(report=take, should_stop=stop.is_set)
        status = _run(command, config, folder, report, context)
        try:
            _write(report, folder)
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
    from core.pipeline import run_study, start_report
    from core.scoring import score_files

    start_report(report, config)
    try:
        if config is not None:
            assert command.run_file is not None
            root = _data_root(command, config)
            run_study(config, root, folder, report, context)
        else:
            assert command.model is not None
            score_files(
                command.model, command.files, folder, report, context, device=command.device
            )
    except (Cancelled, KeyboardInterrupt):
        report["status"] = "partial"
        report["error"] = "interrupted; say --resume to go on"
        _say("interrupted: what was finished is kept; --resume goes on from there.")
        return INTERRUPTED
    except ConfigError:
        raise  # the run file is wrong after all: said like any wrong key, and no report
    except CrosslError as error:
        report["status"] = "error"
        report["error"] = str(error)
        _say(str(error))
        return FAILED
    except MemoryError:
        report["status"] = "error"
        report["error"] = (
            "The memory of this machine is not enough. Look for a rate or a window length that is "
            "far too large, or close other programs."
        )
        _say(report["error"])
        return FAILED
    except OSError as error:
        report["status"] = "error"
        report["error"] = f"{error.filename or folder.path}: {error.strerror or error}"
        _say(report["error"])
        return FAILED
    except BaseException as error:
        report["status"] = "error"
        report["error"] = f"program error: {type(error).__name__}: {error}"
        log.exception("program error")
        _write(report, folder)
        raise
    failed = [entry for entry in report["recordings"] if entry["status"] == "failed"]
    for entry in failed:
        _say(f"{entry['id']}: {entry['error']}", level=logging.WARNING)
    report["status"] = "partial" if failed else "success"
    return SOME_FAILED if failed else OK


def _data_root(command: BatchCommand, config: RunConfig) -> Path:
    """Where patterns start: --data-root, the run file's `data_root`, or the run file's folder."""
    assert command.run_file is not None
    home = command.run_file.resolve().parent
    if command.data_root is not None:
        return command.data_root
    return home / Path(config.data_root or ".").expanduser()


def _write(report: dict[str, Any], folder: RunFolder) -> None:
    from core.evaluate import as_json
    from core.report import write_html

    write_json(folder.report, as_json(report))
    tables = {
        entry["id"]: folder.predictions / f"{entry['id']}.csv" for entry in report["recordings"]
    }
    write_html(report, {key: path for key, path in tables.items() if path.exists()}, folder.html)


def _say(message: str, level: int = logging.ERROR) -> None:
    """One line on stderr and in the log."""
    log.log(level, message)
    print(f"crossl-app: {message}", file=sys.stderr)


@contextlib.contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path, encoding="utf-8", delay=False)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    before = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]
        handler.close()


@contextlib.contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """An event that SIGINT or SIGTERM sets; a second signal ends the program at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    names = (signal.SIGINT, signal.SIGTERM)
    before = {name: signal.getsignal(name) for name in names}

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for name in names:
        signal.signal(name, handle)
    try:
        yield stop
    finally:
        for name in names:
            signal.signal(name, before[name])
