"""`crossl-app --selftest`: the sample study in small, beside the figures it should come to."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.build_info import build_info
from core.doctor import in_words
from core.doctor_machine import processor_name
from core.errors import ConfigError, CrosslError
from core.progress import RunContext
from core.selftest import (
    Comparison,
    Gold,
    all_agree,
    compare,
    figures_of,
    gold_document,
    read_gold,
    run_sample,
)
from crossl_app.exit_status import CHECK_FAILED, INTERRUPTED, OK
from crossl_app.plain_output import any_text, nothing_but_json, plain_console, print_json
from crossl_app.progress_lines import ProgressLines

SCHEMA_VERSION = 1
_TABLE_WIDTH = 80


def make_parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Run the sample study in small, on one core and without a window, and compare "
        "its figures with those stored with the program. Nothing is left behind.",
        epilog="exit status: 0 all figures agree; 1 some differ, or the run failed; 2 the command "
        "or the gold file is wrong; 130 interrupted",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--gold", type=Path, metavar="FILE", help="compare with the figures of this file instead"
    )
    which.add_argument(
        "--write-gold",
        type=Path,
        metavar="FILE",
        help="write the figures of this machine as a gold file, and compare nothing",
    )
    return parser


def main(arguments: Sequence[str], prog: str = "crossl-app --selftest") -> int:
    """Run the command; returns the exit status. ConfigError where the file of --gold is wrong."""
    options = make_parser(prog).parse_args(arguments)
    given = read_gold(options.gold) if options.gold is not None else None
    started = time.monotonic()
    try:
        with any_text(), nothing_but_json():
            report = _run()
            if options.write_gold is not None:
                _write_gold(options.write_gold, report)
                return OK
            gold = given or read_gold()
    except KeyboardInterrupt:
        print("crossl-app: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except (CrosslError, OSError) as error:
        return _failed(in_words(error), options.json)
    comparisons = compare(gold, figures_of(report))
    seconds = time.monotonic() - started
    if options.json:
        print_json(_document(comparisons, seconds))
    else:
        with any_text():
            _print(comparisons, gold, seconds)
    return OK if all_agree(comparisons) else CHECK_FAILED


def _run() -> dict[str, Any]:
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    with ProgressLines(errors) as lines:
        return run_sample(RunContext(report=lines.show))


def _failed(reason: str, as_json: bool) -> int:
    print(f"crossl-app: {reason}", file=sys.stderr)
    if as_json:
        print_json(_document((), 0.0) | {"error": reason})
    return CHECK_FAILED


def _write_gold(path: Path, report: dict[str, Any]) -> None:
    """With the note of the gold figures before, which says what was measured."""
    from core.checkpoint import write_json

    try:
        note = read_gold().note
    except ConfigError:  # there were none yet
        note = ""
    write_json(path, gold_document(report, note, processor_name()))
    print(f"crossl-app: figures of this machine written to {path}", file=sys.stderr)


def _document(comparisons: Sequence[Comparison], seconds: float) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "program": build_info().title(),
        "status": "ok" if all_agree(comparisons) else "failed",
        "error": None,
        "seconds": round(seconds, 1),
        "figures": [
            {
                "name": one.name,
                "gold": one.gold,
                "found": one.found,
                "difference": one.difference,
                "tolerance": one.tolerance,
                "agrees": one.agrees,
            }
            for one in comparisons
        ],
    }


def _print(comparisons: Sequence[Comparison], gold: Gold, seconds: float) -> None:
    console = plain_console(_TABLE_WIDTH)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("figure", overflow="fold")
    for head in ("gold", "here", "difference", "allowed"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for one in comparisons:
        verdict = Text("ok", style="green") if one.agrees else Text("differs", style="bold red")
        table.add_row(
            Text(one.name),
            _figure(one.gold, one.tolerance),
            _figure(one.found, one.tolerance),
            "-" if not one.difference else f"{one.difference:+.4g}",
            "0" if one.tolerance == 0 else f"{one.tolerance:g}",
            verdict,
        )
    console.print(table)
    console.print()
    made = gold.made.get("versions", {})
    console.print(
        f"Gold figures of {gold.made.get('on', 'an unknown day')}, torch "
        f"{made.get('torch', 'unknown')}, {gold.made.get('processor', 'unknown processor')}."
    )
    different = [one.name for one in comparisons if not one.agrees]
    if different:
        console.print(
            f"Differs: {', '.join(different)}. This installation does not compute what it should; "
            "look at crossl-app --doctor.",
            style="bold red",
        )
    else:
        console.print(f"All {len(comparisons)} figures agree, after {seconds:.0f} s.", style="bold")


def _figure(value: float | None, tolerance: float) -> str:
    if value is None:
        return "missing"
    return f"{value:g}" if tolerance == 0 else f"{value:.4f}"
