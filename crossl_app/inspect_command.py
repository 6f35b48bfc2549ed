"""`crossl-app --inspect FILE…`: what recording files hold, for people or as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.config import CsvConfig, make_csv_config
from core.csv_preview import CsvPreview, preview_csv
from core.errors import ConfigError, CrosslError
from core.inspect_file import ChannelFigures, Inspection, as_document, inspect_file
from core.recording import Annotation
from crossl_app.exit_status import FAILED, INTERRUPTED, OK, SOME_FAILED, WRONG_COMMAND

_FIRST_ANNOTATIONS = 5
_KINDS = 20
_TABLE_WIDTH = 150


def make_parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Print what recordings hold: channels, gaps, annotations, and everything that "
        "the reader met or assumed. Files are only read.",
        epilog="exit status: 0 all files opened; 2 the command is wrong; 3 some files did not "
        "open; 4 none did",
        allow_abbrev=False,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="EDF, BDF or CSV files")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    parser.add_argument(
        "--repair",
        metavar="OUT.edf",
        help="write a standard EDF+ (BDF+) copy of the one FILE and list every change",
    )
    parser.add_argument("--force", action="store_true", help="let --repair replace OUT.edf")
    parser.add_argument(
        "--csv",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="how CSV files are written, where the guess is wrong: separator=';', decimal=',', "
        "header=false, time_column=t, time_unit=ms, rate_hz=100 …; may be repeated",
    )
    parser.add_argument(
        "--time-zone", metavar="ZONE", help="zone of clock times without one, such as Europe/Berlin"
    )
    return parser


def main(arguments: Sequence[str], prog: str = "crossl-app --inspect") -> int:
    """Run the command; returns the exit status."""
    options = make_parser(prog).parse_intermixed_args(arguments)
    if options.repair and len(options.files) != 1:
        raise ConfigError("--repair writes a copy of one file: give one FILE.")
    csv = csv_config(options.csv)
    paths = [Path(name) for name in options.files]
    inspections = []
    try:
        for path in paths:
            entry = inspect_file(path, csv, options.time_zone)
            inspections.append(entry)
            if entry.error is not None:
                print(f"crossl-app: {entry.error}", file=sys.stderr)
            elif not options.json:
                print_inspection(entry, _console())
                if entry.format is not None and entry.format.startswith("CSV"):
                    _print_choices(preview_csv(path, csv, time_zone=options.time_zone))
    except KeyboardInterrupt:
        return INTERRUPTED
    if options.json:
        print(json.dumps(as_document(inspections), indent=2, ensure_ascii=False, allow_nan=False))
    failed = sum(entry.error is not None for entry in inspections)
    status = OK if not failed else FAILED if failed == len(paths) else SOME_FAILED
    if options.repair:
        return _repair(paths[0], Path(options.repair), options.force, options.json)
    return status


def _console() -> Console:
    """Figures are never cut short: a narrow terminal wraps the lines instead."""
    width = max(Console().width, _TABLE_WIDTH)
    return Console(highlight=False, markup=False, soft_wrap=True, width=width)


def _repair(path: Path, out: Path, force: bool, quiet: bool) -> int:
    from core.repair import repair_edf

    try:
        changes = repair_edf(path, out, force=force)
    except ConfigError as error:
        print(f"crossl-app: {error}", file=sys.stderr)
        return WRONG_COMMAND
    except CrosslError as error:
        print(f"crossl-app: {error}", file=sys.stderr)
        return FAILED
    if not quiet:
        print(f"Repaired copy: {out}")
        for change in changes:
            print(f"  {change.field}: {change.message}")
        if not changes:
            print("  Nothing had to be changed.")
    return OK


def csv_config(assignments: Sequence[str]) -> CsvConfig:
    """A CsvConfig from `key=value` texts. Raises ConfigError that names every wrong one."""
    values = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"--csv {assignment}: write it as key=value.")
        try:
            values[key.strip()] = json.loads(text)
        except json.JSONDecodeError:
            values[key.strip()] = text
    return make_csv_config(values, "--csv")


# ---------------------------------------------------------------- for people


def print_inspection(entry: Inspection, console: Console) -> None:
    """Everything about one file, in words and tables."""
    console.print(Text(str(entry.path), style="bold"))
    started = "without a clock time" if entry.start is None else f"started {entry.start}"
    console.print(f"  Format: {entry.format}, {started}, lasting {duration_text(entry.duration_s)}")
    lost = sum(gap.duration_s for gap in entry.gaps)
    if entry.gaps:
        console.print(f"  Gaps: {len(entry.gaps)}, {duration_text(lost)} in all")
        for gap in entry.gaps[:_KINDS]:
            console.print(f"    at {gap.start_s:g} s for {gap.duration_s:g} s")
        if len(entry.gaps) > _KINDS:
            console.print(f"    and {len(entry.gaps) - _KINDS} more")
    else:
        console.print("  Gaps: none")
    if entry.channels:
        console.print(_channel_table(entry.channels))
    else:
        console.print("  Channels: none")
    _print_annotations(entry, console)
    if entry.modalities:
        console.print(f"  Likely modalities (preset {entry.preset}):")
        for name, labels in entry.modalities:
            console.print(f"    {name}: {', '.join(labels)}")
    elif entry.channels:
        console.print("  Likely modalities: no preset knows these channels' names")
    console.print("  Findings:" if entry.findings else "  Findings: none")
    for found in entry.findings:
        console.print(f"    {found.severity}, {found.field}: {found.message}")


def _print_choices(preview: CsvPreview) -> None:
    """How the file was read, and which `--csv` setting would say otherwise."""
    print("  Read as:")
    for choice in preview.choices:
        value = json.dumps(choice.value, ensure_ascii=False)
        key = choice.key.removeprefix("csv.")
        shown = f"{choice.name} (set with {key})" if key != choice.name else key
        print(f"    {shown} = {value}, {'guessed' if choice.guessed else 'given'}: {choice.reason}")


def _channel_table(channels: Sequence[ChannelFigures]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    heads = (
        "channel",
        "unit",
        "rate Hz",
        "samples",
        "limits",
        "digital",
        "min",
        "max",
        "mean",
        "flat",
    )
    for head in ("  " + heads[0], *heads[1:], "saturated"):
        table.add_column(head, justify="left" if head.strip() in heads[:2] else "right",
                         no_wrap=True)  # fmt: skip
    for figures in channels:
        channel = figures.channel
        limits = "–"
        if channel.minimum is not None and channel.maximum is not None:
            limits = f"{channel.minimum:.6g} … {channel.maximum:.6g}"
        digital = "–"
        if channel.digital_limits is not None:
            digital = " … ".join(f"{value:.10g}" for value in channel.digital_limits)
        unit = channel.unit if channel.calibrated else "not calibrated"
        table.add_row(
            Text(f"  {channel.label or '(no label)'}"),
            Text(unit),
            f"{channel.rate_hz:g}",
            str(figures.samples),
            limits,
            digital,
            *(_figure(value) for value in (figures.minimum, figures.maximum, figures.mean)),
            *(_share(value) for value in (figures.flat, figures.saturated)),
        )
    return table


def _print_annotations(entry: Inspection, console: Console) -> None:
    if not entry.annotations:
        console.print("  Annotations: none")
        return
    counts = entry.annotation_counts
    console.print(f"  Annotations: {len(entry.annotations)} of {len(counts)} kinds")
    for text, count in list(counts.items())[:_KINDS]:
        console.print(f"    {count} × {_one_line(text)}")
    if len(counts) > _KINDS:
        console.print(f"    and {len(counts) - _KINDS} more kinds")
    console.print("    The first:")
    for annotation in entry.annotations[:_FIRST_ANNOTATIONS]:
        console.print(f"      {_annotation_text(annotation)}")


def _annotation_text(annotation: Annotation) -> str:
    lasting = f", {annotation.duration_s:g} s long" if annotation.duration_s else ""
    return f"at {annotation.onset_s:g} s{lasting}: {_one_line(annotation.text)}"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else f"{line[:99]}…"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.5g}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.3g} %"


def duration_text(seconds: float | None) -> str:
    """`8 h 0 min 12.5 s (28812.5 s)`; seconds alone below a minute."""
    seconds = seconds or 0.0
    if seconds < 60:
        return f"{seconds:g} s"
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    words = f"{minutes:.0f} min {round(rest, 3):g} s"
    if hours:
        words = f"{hours:.0f} h {words}"
    return f"{words} ({seconds:.10g} s)"
