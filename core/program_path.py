"""Names of program files as they may be shown: without the folders that they lie in."""

from __future__ import annotations

import re
from pathlib import PurePath, PurePosixPath, PureWindowsPath

PROGRAM = ("crossl_app", "core", "ui", "resources")


def program_path(filename: str) -> str:
    """Where a program file lies, from its package on; what lies before names the user's folder."""
    if filename.startswith("<"):
        return filename
    path: PurePath = PureWindowsPath(filename) if "\\" in filename else PurePosixPath(filename)
    parts = path.parts
    for mark in ("site-packages", "dist-packages"):
        if mark in parts:
            return "/".join(parts[parts.index(mark) + 1 :])
    for place in range(len(parts) - 1, -1, -1):
        if parts[place] in PROGRAM:
            return "/".join(parts[place:])
    for place in range(len(parts) - 1, -1, -1):
        if re.fullmatch(r"[Pp]ython[\d.]*|[Ll]ib", parts[place]):
            return "/".join(parts[place:])
    return path.name
