"""Start of the program, as the command `crossl-app` and as `python -m crossl_app`."""

from __future__ import annotations

import multiprocessing
import os
import sys


def main() -> int:
    """Run the command line; the console script exits with what this returns."""
    # First, so that a packed binary's child processes do not start the program again.
    multiprocessing.freeze_support()
    give_missing_streams()
    from crossl_app.cli import command_of, run
    from crossl_app.crash_log import watching

    arguments = sys.argv[1:]
    command = command_of(arguments)
    if command is None:
        return run(arguments)
    with watching(command):
        return run(arguments)


def give_missing_streams() -> None:
    """A program without a console has no stdout and stderr; what it prints goes to nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (until the end)
            setattr(sys, name, nowhere)


if __name__ == "__main__":
    sys.exit(main())
