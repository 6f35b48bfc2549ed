"""`crossl-app --doctor`: whether this installation works on this machine, in words or as JSON."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from core.build_info import build_info
from core.doctor import Check, Question, as_document, check_all, core_questions
from crossl_app.exit_status import CHECK_FAILED, INTERRUPTED, OK
from crossl_app.plain_output import any_text, nothing_but_json, plain_console, print_json

_STYLES = {"ok": "green", "note": "yellow", "failed": "bold red"}
_STATUS_WIDTH = 6
_BESIDE_WIDTH = 60
"""Terminals narrower than this get the answer below its question."""


def make_parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Look whether this installation works on this machine: program, processor and "
        "memory, libraries, folders, files, torch and GPU, a little training, and the window. "
        "Nothing is sent anywhere.",
        epilog="exit status: 0 all that is essential works; 1 something essential does not; "
        "2 the command is wrong",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    return parser


def main(arguments: Sequence[str], prog: str = "crossl-app --doctor") -> int:
    """Run the command; returns the exit status."""
    options = make_parser(prog).parse_args(arguments)
    try:
        with any_text():
            return _as_json() if options.json else _in_words()
    except KeyboardInterrupt:
        return INTERRUPTED


def qt_child(arguments: Sequence[str]) -> int:
    """`--doctor-qt FILE`, which the doctor starts: Qt's part, in a process that it may end."""
    from ui.qt_check import tell

    parser = argparse.ArgumentParser(prog="crossl-app --doctor-qt", allow_abbrev=False)
    parser.add_argument("out", type=Path)
    return tell(parser.parse_args(arguments).out)


def all_questions() -> tuple[Question, ...]:
    """Everything that the doctor asks, in its order."""
    from ui.qt_check import questions

    return (*core_questions(), *questions())


def _as_json() -> int:
    with nothing_but_json():
        checks = list(check_all(all_questions()))
    print_json(as_document(checks))
    return _status(checks)


def _in_words() -> int:
    questions = all_questions()
    console = plain_console()
    width = max(len(question.name) for question in questions)
    console.print(build_info().title(), style="bold")
    checks: list[Check] = []
    group = ""
    for found in check_all(questions):
        if found.group != group:
            group = found.group
            console.print(f"\n{group}", style="bold")
        print_check(found, console, width)
        checks.append(found)
    _print_verdict(checks, console)
    return _status(checks)


def _status(checks: Sequence[Check]) -> int:
    return CHECK_FAILED if any(found.is_fault for found in checks) else OK


def print_check(found: Check, console: Console, name_width: int) -> None:
    """One line, or more where it is long: status, name, answer; advice below."""
    status = Text(found.status, style=_STYLES[found.status])
    beside = console.width >= _BESIDE_WIDTH
    table = Table.grid(padding=(0, 1), expand=False)
    table.add_column(width=_STATUS_WIDTH, no_wrap=True)
    table.add_column(width=name_width if beside else None, overflow="fold")
    answer = Text(found.value)
    if found.advice:
        answer.append(f"\n{found.advice}", style="italic")
    if beside:
        table.add_column(overflow="fold")
        table.add_row(status, Text(found.name), answer)
        console.print(table)
        return
    table.add_row(status, Text(found.name))
    console.print(table)
    console.print(Padding(answer, (0, 0, 0, 2)), overflow="fold")


def _print_verdict(checks: Sequence[Check], console: Console) -> None:
    faults = [found.name for found in checks if found.is_fault]
    others = [found.name for found in checks if found.status == "failed" and not found.is_fault]
    console.print()
    if faults:
        console.print(f"Does not work here: {', '.join(faults)}.", style="bold red")
    else:
        console.print("All that is essential works here.", style="bold")
    if others:
        console.print(f"Failed, though the program can do without: {', '.join(others)}.")
