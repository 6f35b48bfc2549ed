"""Are the figures of two batch reports the same, to the last digit?

    python -P installer/compare_reports.py SOURCE.json BINARY.json

What may differ is named in MAY_DIFFER: times, places, versions of the installation. Exit status 1
with the first differences where anything else does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAY_DIFFER = {"created", "timing", "seconds", "path", "paths"}
"""When, how long, and where the files lie."""
SHOWN = 20


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Where two values of JSON differ, in words."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            if key in MAY_DIFFER:
                continue
            if key not in one or key not in other:
                yield f"{place}/{key} is only in {'the first' if key in one else 'the second'}"
            else:
                yield from differences(one[key], other[key], f"{place}/{key}")
    elif isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            yield f"{place}: {len(one)} and {len(other)} entries"
        for number, (left, right) in enumerate(zip(one, other, strict=False)):
            yield from differences(left, right, f"{place}/{number}")
    elif one != other:
        yield f"{place}: {one!r} and {other!r}"


def main() -> int:
    one, other = (json.loads(Path(name).read_text("utf-8")) for name in sys.argv[1:3])
    found = list(differences(one, other))
    for line in found[:SHOWN]:
        print(line)
    if found:
        print(f"The reports differ in {len(found)} places.")
        return 1
    print("The reports agree to the last digit.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
