"""What the command line says, and which part of the program it starts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from core.errors import ConfigError, CrosslError
from core.version import __version__
from crossl_app.exit_status import FAILED, WRONG_COMMAND

EPILOG = """
examples:
  crossl-app                                          open the window
  crossl-app night.edf                                open the window with a recording
  crossl-app --batch run.json --output results        run the steps of a run file
  crossl-app --batch --model results/model --output scored night1.edf night2.edf
                                                      score recordings with a trained model
  crossl-app --inspect night.edf                      print what recordings hold
  crossl-app --deidentify night.edf copy.edf          a copy without patient data
  crossl-app --convert-labels hypnogram.edf stages.csv --map aasm_from_rk
                                                      labels in another format
  crossl-app --simulate-night night.edf --hours 8     write a simulated night
  crossl-app --doctor                                 does the program work on this machine?
  crossl-app --selftest                               does it come to the right figures?

exit status: 0 all well; 1 --doctor or --selftest found a fault; 2 the command or run file is
wrong; 3 some recordings failed, the others were finished; 4 nothing could be done; 130 interrupted,
what was finished is kept
"""


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="crossl-app",
        description="Self-supervised learning (CroSSL) on multimodal biomedical time series. "
        "For research, not for diagnosis.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"crossl-app {__version__}")
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="recordings to open, or to score with --model"
    )
    batch = parser.add_argument_group("batch mode, without a window")
    batch.add_argument(
        "--batch",
        nargs="?",
        const="",
        metavar="RUN.json",
        help="run the steps named in a run file; with --model, score FILEs",
    )
    batch.add_argument("--output", metavar="DIR", help="folder for the results")
    batch.add_argument("--model", metavar="MODEL_DIR", help="a trained model's folder")
    batch.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="assignments",
        help="change a value of the run file, such as pretrain.epochs=20; may be repeated",
    )
    batch.add_argument("--data-root", metavar="DIR", help="folder that the patterns start from")
    batch.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"])
    batch.add_argument("--seed", type=int, metavar="N")
    again = batch.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    again.add_argument("--force", action="store_true", help="replace the results in DIR")
    files = parser.add_argument_group("files; each with options of its own: --inspect --help")
    files.add_argument(
        "--inspect",
        metavar="FILE",
        help="print channels, gaps, annotations and findings of recordings; repair an EDF file",
    )
    files.add_argument(
        "--deidentify",
        nargs=2,
        metavar=("IN", "OUT"),
        help="write a copy of an EDF or BDF file without patient data",
    )
    files.add_argument(
        "--convert-labels",
        nargs=2,
        metavar=("IN", "OUT"),
        help="labels or predictions in another format: EDF+, CSV, BIDS, NSRR, Luna, epochs",
    )
    checks = parser.add_argument_group("this installation")
    checks.add_argument(
        "--doctor",
        action="store_true",
        help="look at versions, machine, GPU, libraries, folders, files, training and window, and "
        "say what does not work; with --json for programs",
    )
    checks.add_argument(
        "--selftest",
        action="store_true",
        help="run the sample study in small and compare its figures with those stored with the "
        "program (half a minute); further options: crossl-app --selftest --help",
    )
    # The doctor starts the program once more with this, for the part that Qt may end.
    checks.add_argument("--doctor-qt", metavar="FILE", help=argparse.SUPPRESS)
    night = parser.add_argument_group("simulated data")
    night.add_argument(
        "--simulate-night",
        metavar="OUT.edf",
        help="write a simulated night with its hypnogram; further options: "
        "crossl-app --simulate-night --help",
    )
    return parser


def command_of(arguments: Sequence[str]) -> str | None:
    """What a command line starts, without anything that the user has named; None where it is over
    at once, or where the doctor, who tells it himself, finds out whether Qt crashes."""
    if any(text in ("-h", "--help", "--version", "--doctor-qt") for text in arguments):
        return None
    named = next((name for name in ("--batch", *_COMMANDS) if name in arguments), None)
    if named is not None:
        return named.removeprefix("--")
    return "batch" if "--model" in arguments else "window"


def run(arguments: Sequence[str]) -> int:
    """Run the program; returns the exit status."""
    arguments = list(arguments)
    parser = make_parser()
    try:
        for name, command in _COMMANDS.items():
            if name in arguments:
                return command([text for text in arguments if text != name])
        options, extra = parser.parse_known_args(arguments)
        if extra:
            raise ConfigError(_unknown_options(parser, extra))
        if options.batch is None:
            _refuse_batch_options(options)
            return _window(options.files)
        # A run file that stands after other options lands among the files.
        if not options.batch and not options.model and len(options.files) == 1:
            options.batch, options.files = options.files[0], []
        if options.model and options.batch:
            options.files.insert(0, options.batch)
            options.batch = ""
        return _batch(options)
    except ConfigError as error:
        print(f"crossl-app: {error}", file=sys.stderr)
        return WRONG_COMMAND


def _unknown_options(parser: argparse.ArgumentParser, extra: Sequence[str]) -> str:
    import difflib

    known = [option for action in parser._actions for option in action.option_strings]
    parts = []
    for text in extra:
        near = difflib.get_close_matches(text.split("=")[0], known, n=1, cutoff=0.5)
        parts.append(f"{text}" + (f" (did you mean {near[0]}?)" if near else ""))
    return f"unknown option: {', '.join(parts)}. See crossl-app --help."


def _refuse_batch_options(options: argparse.Namespace) -> None:
    given = [
        name
        for name in ("output", "model", "assignments", "data_root", "device", "resume", "force")
        if getattr(options, name)
    ]
    if given or options.seed is not None:
        name = (given or ["seed"])[0]
        name = {"assignments": "set"}.get(name, name).replace("_", "-")
        raise ConfigError(f"--{name} belongs to batch mode: add --batch RUN.json.")


def _batch(options: argparse.Namespace) -> int:
    from crossl_app.batch import BatchCommand, run_batch

    if not options.output:
        raise ConfigError("--batch needs --output DIR, the folder for the results.")
    if options.model and not options.files:
        raise ConfigError("--model needs at least one recording to score.")
    if not options.model and not options.batch:
        raise ConfigError("--batch needs a run file, or --model MODEL_DIR and recordings.")
    if options.files and not options.model:
        raise ConfigError(
            f"recordings on the command line ({options.files[0]}) need --model MODEL_DIR; "
            "with a run file, the run file names them."
        )
    return run_batch(
        BatchCommand(
            run_file=Path(options.batch) if options.batch else None,
            output=Path(options.output),
            model=Path(options.model) if options.model else None,
            files=tuple(Path(name) for name in options.files),
            assignments=tuple(options.assignments),
            data_root=Path(options.data_root) if options.data_root else None,
            device=options.device,
            seed=options.seed,
            resume=options.resume,
            force=options.force,
        )
    )


def _simulate(arguments: Sequence[str]) -> int:
    from core.simulate import main as simulate

    try:
        return simulate(arguments, prog="crossl-app --simulate-night")
    except CrosslError as error:
        print(f"crossl-app: {error}", file=sys.stderr)
        return FAILED


def _inspect(arguments: Sequence[str]) -> int:
    from crossl_app.inspect_command import main as inspect

    return inspect(arguments, prog="crossl-app --inspect")


def _deidentify(arguments: Sequence[str]) -> int:
    from crossl_app.deidentify_command import main as deidentify

    return deidentify(arguments, prog="crossl-app --deidentify")


def _convert_labels(arguments: Sequence[str]) -> int:
    from crossl_app.convert_labels import main as convert_labels

    return convert_labels(arguments, prog="crossl-app --convert-labels")


def _doctor(arguments: Sequence[str]) -> int:
    from crossl_app.doctor_command import main as doctor

    return doctor(arguments, prog="crossl-app --doctor")


def _doctor_qt(arguments: Sequence[str]) -> int:
    from crossl_app.doctor_command import qt_child

    return qt_child(arguments)


def _selftest(arguments: Sequence[str]) -> int:
    from crossl_app.selftest_command import main as selftest

    return selftest(arguments, prog="crossl-app --selftest")


# Commands with options of their own.
_COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "--simulate-night": _simulate,
    "--inspect": _inspect,
    "--deidentify": _deidentify,
    "--convert-labels": _convert_labels,
    "--doctor": _doctor,
    "--doctor-qt": _doctor_qt,
    "--selftest": _selftest,
}


def _window(files: Sequence[str]) -> int:
    from crossl_app.gui import run_gui

    return run_gui(list(files))
