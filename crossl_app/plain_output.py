"""Standard output as commands find it: narrow, in an old encoding, or not there at all."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console


@contextlib.contextmanager
def any_text() -> Iterator[None]:
    """Signs that the output's encoding lacks are written as `?` instead of ending the program.

    A windowed program on Windows has no output; rich and `print` then write nothing.
    """
    stream = sys.stdout
    if not isinstance(stream, io.TextIOWrapper):
        yield
        return
    before = stream.errors
    stream.reconfigure(errors="replace")
    try:
        yield
    finally:
        stream.reconfigure(errors=before)


@contextlib.contextmanager
def nothing_but_json() -> Iterator[None]:
    """What libraries print while something is found out goes to the error output."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document in ASCII, which every encoding has."""
    print(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False))


def plain_console(least_width: int = 0) -> Console:
    """Texts as they are: no markup, no colours guessed from words."""
    console = Console(highlight=False, markup=False, emoji=False)
    if console.width < least_width:
        console.width = least_width
    return console
