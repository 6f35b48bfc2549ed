"""`crossl-app --convert-labels`: labels from one file format to another, mapped in the open.

Prints what was read, what the mapping did to each text, every finding, and what was written.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from core.errors import ConfigError, CrosslError
from core.label_files import (
    FORMAT_NAMES,
    FORMATS,
    WRITTEN,
    LabelFormat,
    read_labels,
    write_labels,
    written_format,
    written_paths,
)
from core.label_mapping import (
    MappedText,
    apply_mapping,
    mapping_about,
    mapping_names,
    read_mapping,
)
from core.label_set import LabelSet, counted, listed, shown
from core.recording import Finding
from crossl_app.exit_status import FAILED, INTERRUPTED, OK, WRONG_COMMAND

_LONGEST_EPOCH_S = 86400.0


def _epilog() -> str:
    formats = "\n".join(f"  {name:12} {FORMAT_NAMES[name]}" for name in FORMATS)
    maps = "\n".join(
        f"  {name:24} {mapping_about(name).split('. ')[0]}" for name in mapping_names()
    )
    return f"""formats (predictions can only be read):
{formats}

mapping presets:
{maps}

examples:
  hypnogram.edf stages.csv --map aasm_from_rk
  stages.txt hypnogram.edf --epoch 30 --map aasm_from_profusion --start '2024-03-01 22:30:00'
  hypnogram.edf stages.xml --map aasm_from_rk --map nsrr_from_aasm
  results/predictions/n1.csv n1.annot

exit status: 0 written; 2 the command is wrong; 4 nothing could be written
"""


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Convert a file of labels, or the annotations of an EDF+ recording, to another "
        "format. What a format cannot hold is said.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("input", type=Path, metavar="IN", help="labels, predictions or a recording")
    parser.add_argument("output", type=Path, metavar="OUT", help="file to write")
    parser.add_argument(
        "--from", dest="read_as", choices=FORMATS, metavar="FORMAT",
        help="format of IN; left out: by ending and content",
    )  # fmt: skip
    parser.add_argument(
        "--to", dest="write_as", choices=WRITTEN, metavar="FORMAT",
        help="format of OUT; left out: by its ending",
    )  # fmt: skip
    parser.add_argument(
        "--map", dest="maps", action="append", default=[], metavar="PRESET|FILE.json",
        help="names to change; may be repeated, one after the other",
    )  # fmt: skip
    parser.add_argument(
        "--epoch", type=float, metavar="S",
        help="length of an epoch, for one value per epoch and for tables without durations",
    )  # fmt: skip
    parser.add_argument(
        "--offset", type=float, metavar="S",
        help="start of the first epoch in seconds from the recording's start",
    )  # fmt: skip
    parser.add_argument(
        "--start", metavar="'YYYY-MM-DD HH:MM:SS'",
        help="clock time at the recording's start, for files with clock times",
    )  # fmt: skip
    parser.add_argument(
        "--time-zone", metavar="ZONE", help="zone of the clock times, such as Europe/Berlin"
    )
    parser.add_argument(
        "--classes", nargs="+", metavar="NAME",
        help="write only labels with these names (after the mapping)",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    return parser


def main(arguments: Sequence[str], prog: str = "crossl-app --convert-labels") -> int:
    """Run the command; returns the exit status: 0, 2 wrong command, 4 not written, 130 interrupted.

    Like every argparse command it leaves through `SystemExit` for `--help` and for arguments that
    cannot be parsed.
    """
    options = _parser(prog).parse_args(list(arguments))
    try:
        _convert(options)
    except ConfigError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return WRONG_COMMAND
    except CrosslError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(f"{prog}: interrupted; nothing was written.", file=sys.stderr)
        return INTERRUPTED
    return OK


def _convert(options: argparse.Namespace) -> None:
    start = _start(options.start)
    _check(options)
    mappings = [(name, read_mapping(name)) for name in options.maps]
    labels = read_labels(
        options.input,
        options.read_as,
        epoch_s=options.epoch,
        offset_s=options.offset or 0.0,
        start=start,
        time_zone=options.time_zone,
    )
    target: LabelFormat = written_format(options.output, options.write_as)
    if options.offset is not None and "epochs" not in (labels.format, target):
        raise ConfigError(
            "--offset is the start of the first epoch in a file with one value per epoch, and "
            f"neither {options.input} nor {options.output} is one."
        )
    _print_read(options.input, labels)
    if start is not None and labels.start != start:
        print(f"  note: the file has its own start, {labels.start}; --start was not used.")
    for name, mapping in mappings:
        labels, table = apply_mapping(labels, mapping)
        print(f"  {shown(name)}:")
        _print_table(table)
    _print_findings(labels.findings)
    if options.classes:
        labels = _only(labels, options.classes)
    findings = write_labels(
        options.output,
        labels,
        target,
        epoch_s=options.epoch if target in ("epochs", "nsrr", "profusion") else None,
        offset_s=options.offset,
    )
    _print_findings(findings)
    held = FORMAT_NAMES[target]
    print(f"{options.output}: written, {counted(len(labels), 'label')} given to {held}")


def _check(options: argparse.Namespace) -> None:
    """What can be found wrong before anything is read."""
    for name in ("epoch", "offset"):
        value = getattr(options, name)
        if value is not None and not abs(value) <= _LONGEST_EPOCH_S:
            raise ConfigError(f"--{name} {value:g}: give a number of seconds within a day.")
    if options.epoch is not None and options.epoch <= 0:
        raise ConfigError(f"--epoch {options.epoch:g}: give a length above 0.")
    source: Path = options.input
    for path in written_paths(options.output, options.write_as):
        if path.exists() and source.exists() and os.path.samefile(path, source):
            raise ConfigError(f"{path}: this is the file to be read; name another one to write.")
        if path.is_dir():
            raise ConfigError(f"{path}: this is a folder; name a file.")
        if path.exists() and not options.force:
            raise ConfigError(f"{path}: exists already; say --force to replace it.")


def _start(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        start = datetime.fromisoformat(text.strip())
    except ValueError:
        start = None
    if start is None or len(text.strip()) <= 10 or start.tzinfo is not None:
        raise ConfigError(
            f"--start '{text}': write it as 'YYYY-MM-DD HH:MM:SS', without a time zone."
        )
    return start


def _only(labels: LabelSet, classes: Sequence[str]) -> LabelSet:
    kept = tuple(label for label in labels.labels if label.text in classes)
    lost = [label.text for label in labels.labels if label.text not in classes]
    if lost:
        print(f"  left out: {counted(len(lost), 'label')} not among --classes: {listed(lost, 20)}")
    return replace(labels, labels=kept)


def _print_read(path: Path, labels: LabelSet) -> None:
    name = next((FORMAT_NAMES[f] for f in FORMATS if f == labels.format), labels.format)
    raters = f", scored by {', '.join(map(shown, labels.raters))}" if labels.raters else ""
    start = f", start {labels.start}" if labels.start is not None else ""
    print(f"{path}: {counted(len(labels), 'label')}, {name}{start}{raters}")


def _print_table(table: Sequence[MappedText]) -> None:
    width = max([len(shown(row.text)) for row in table], default=0)
    for row in table:
        print(f"    {shown(row.text):{width}}  {row.count:6d}  {row.outcome}")


def _print_findings(findings: Sequence[Finding]) -> None:
    for finding in dict.fromkeys(findings):
        word = "note" if finding.severity == "note" else "changed"
        print(f"  {word}: {finding.message}")
