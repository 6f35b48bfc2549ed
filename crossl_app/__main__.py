"""Start of the program, as the command `crossl-app` and as `python -m crossl_app`."""

from __future__ import annotations

import multiprocessing
import sys


def main() -> int:
    """Run the command line; the console script exits with what this returns."""
    # First, so that a packed binary's child processes do not start the program again.
    multiprocessing.freeze_support()
    from crossl_app.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
