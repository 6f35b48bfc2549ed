"""The version resource of the programs on Windows: what Explorer and virus scanners show."""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.version import __version__

# Tables of the format: U.S. English, Unicode.
_LANGUAGE, _CHARSET = 0x0409, 0x04B0


def four_numbers(version: str) -> tuple[int, int, int, int]:
    """A version as Windows counts it; what follows the numbers, such as `rc1`, is left out."""
    found = re.match(r"\d+(\.\d+){0,3}", version)
    if found is None:
        raise ValueError(f"'{version}' does not begin with a number.")
    numbers = [int(part) for part in found.group().split(".")]
    if max(numbers) > 65535:
        raise ValueError(f"'{version}': Windows knows no number above 65535 in a version.")
    padded = (*numbers, 0, 0, 0, 0)
    return padded[0], padded[1], padded[2], padded[3]


def text(program: str = "crossl-app", version: str = __version__) -> str:
    """The resource in the notation that PyInstaller reads."""
    numbers = four_numbers(version)
    strings = {
        "CompanyName": "The crossl-app developers",
        "FileDescription": "Self-supervised learning on biomedical time series",
        "FileVersion": version,
        "InternalName": program,
        "LegalCopyright": "The crossl-app developers. BSD-3-Clause.",
        "OriginalFilename": f"{program}.exe",
        "ProductName": "crossl-app",
        "ProductVersion": version,
    }
    entries = ", ".join(f"StringStruct({key!r}, {value!r})" for key, value in strings.items())
    return (
        "VSVersionInfo(\n"
        f"  ffi=FixedFileInfo(filevers={numbers}, prodvers={numbers}, mask=0x3F, flags=0x0,\n"
        "    OS=0x40004, fileType=0x1, subtype=0x0, date=(0, 0)),\n"
        "  kids=[\n"
        f"    StringFileInfo([StringTable('{_LANGUAGE:04X}{_CHARSET:04X}', [{entries}])]),\n"
        f"    VarFileInfo([VarStruct('Translation', [{_LANGUAGE}, {_CHARSET}])]),\n"
        "  ],\n"
        ")\n"
    )


def write(path: Path, program: str = "crossl-app") -> Path:
    """Write the resource of a program; returns `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(program), encoding="utf-8")
    return path
