"""`crossl-app --deidentify IN OUT`: a copy of an EDF or BDF file without the person's data."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.deidentify import (
    Deidentification,
    deidentify,
    plan_deidentification,
    random_shift_days,
    start_of,
    study_shift_days,
)
from core.errors import ConfigError, CrosslError
from crossl_app.exit_status import FAILED, OK

_WIDTH = 150


def make_parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Write a copy of an EDF or BDF file in which the patient, staff and hospital "
        "fields are empty, dates are shifted, and annotations keep a text only where it is a "
        "standard one. Shows every field before and after. Samples stay as they are.",
        epilog="What labels, transducer and filter fields say is kept and shown: look at it. The "
        "file's name is yours to choose.",
        allow_abbrev=False,
    )
    parser.add_argument("source", metavar="IN", help="EDF, EDF+, BDF or BDF+ file; only read")
    parser.add_argument("out", metavar="OUT", help="the copy")
    shift = parser.add_mutually_exclusive_group()
    shift.add_argument(
        "--study",
        metavar="DIR",
        help="folder of the study: dates move by its own shift, drawn at random and kept there",
    )
    shift.add_argument(
        "--shift-days", type=int, metavar="N", help="days to add to dates; negative: earlier"
    )
    parser.add_argument(
        "--keep-text",
        action="append",
        default=[],
        metavar="PATTERN",
        help="an annotation text to keep, * and ? allowed; may be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the fields, write nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask before writing")
    parser.add_argument("--force", action="store_true", help="replace OUT")
    return parser


def main(arguments: Sequence[str], prog: str = "crossl-app --deidentify") -> int:
    """Run the command; returns the exit status."""
    options = make_parser(prog).parse_intermixed_args(arguments)
    source, out = Path(options.source), Path(options.out)
    try:
        days, drawn = _shift_days(options, source)
        plan = plan_deidentification(source, days, options.keep_text)
        _show(plan)
        if drawn:
            print(
                f"Dates move by {days} days, drawn at random for this file alone; for the other "
                "recordings of a study say --study DIR, or --shift-days with one number for all."
            )
        if options.dry_run:
            return OK
        if not options.yes and sys.stdin.isatty() and not _agreed(out):
            print("Nothing was written.")
            return OK
        deidentify(source, out, days, options.keep_text, force=options.force)
    except ConfigError:
        raise
    except CrosslError as error:
        print(f"crossl-app: {error}", file=sys.stderr)
        return FAILED
    print(f"Written: {out}")
    return OK


def _shift_days(options: argparse.Namespace, source: Path) -> tuple[int, bool]:
    """Days to shift by, and whether they were drawn for this file alone."""
    if options.shift_days is not None:
        return options.shift_days, False
    if options.study is not None:
        return study_shift_days(Path(options.study), start_of(source)), False
    return random_shift_days(start_of(source)), True


def _agreed(out: Path) -> bool:
    return input(f"Write {out}? [y/N] ").strip().casefold() in ("y", "yes")


def _show(plan: Deidentification) -> None:
    width = max(Console().width, _WIDTH)
    console = Console(highlight=False, markup=False, soft_wrap=True, width=width)
    table = Table("field", "before", "after", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for change in plan.fields:
        if change.signal and not change.changed and not change.before:
            continue
        style = "bold" if change.changed else "dim"
        table.add_row(Text(change.field), Text(change.before), Text(change.after), style=style)
    console.print(table)
    print("Rates, limits and samples of the signals are copied as they are.")
    if plan.texts:
        texts = Table("annotation text", "times", "in the copy", box=None, padding=(0, 2, 0, 0),
                      pad_edge=False)  # fmt: skip
        for text in plan.texts:
            shown = " ".join(text.text.split())
            texts.add_row(Text(shown), str(text.count), "kept" if text.kept else "X")
        console.print(texts)
    if plan.damaged_entries:
        print(f"{plan.damaged_entries} damaged annotation entries are left out of the copy.")
    for found in plan.findings:
        print(f"{found.severity}, {found.field}: {found.message}")
