"""Versions and licences of the program's parts, as they are read while it runs."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.resources import files

SHOWN = (
    *("PySide6-Essentials", "pyqtgraph", "torch", "numpy", "scipy", "scikit-learn", "duckdb"),
    *("pyedflib", "edfio"),
)
"""Distributions whose versions the About box names."""

LONGEST_NAME = 120
"""Of a licence, in letters; what is longer is its text."""

THIRD_PARTY = "THIRD_PARTY.txt"
"""Made by `installer/licences.py`; a source install has none."""

_FROM_SOURCE = """\
crossl-app was installed from source. The parts below were installed beside it, each under its own
licence; their texts are in the folders *.dist-info beside them.

"""


@dataclass(frozen=True)
class Installed:
    """A distribution that is installed; `licence` is empty where it does not say."""

    name: str
    version: str
    licence: str


def versions() -> list[tuple[str, str]]:
    """Names and versions of Python and of the larger parts; nothing is imported for it.

    Parts of which no metadata is installed are left out.
    """
    return [("Python", platform.python_version()), *versions_of(SHOWN)]


def versions_of(names: Iterable[str]) -> list[tuple[str, str]]:
    """Names and versions of distributions, without those that are not installed."""
    found = []
    for name in names:
        try:
            found.append((name, distribution(name).version))
        except PackageNotFoundError:
            continue
    return found


def own_text() -> str:
    """The licence of the program itself; empty where its metadata is not installed."""
    try:
        return distribution("crossl-app").read_text("licenses/LICENSE") or ""
    except PackageNotFoundError:
        return ""


def third_party_text() -> str:
    """Licences of all parts of others: of the binary their texts, else a list of what is
    installed."""
    texts = files("resources") / "licences" / THIRD_PARTY
    if texts.is_file():
        return texts.read_text(encoding="utf-8")
    lines = [f"{part.name} {part.version}: {part.licence or 'see its folder'}"
             for part in installed_parts()]  # fmt: skip
    return _FROM_SOURCE + "\n".join(lines) + "\n"


def installed_parts(name: str = "crossl-app") -> list[Installed]:
    """What a distribution needs to run and what that needs in turn, sorted by name.

    Extras are left out, and so is what is not installed, since another system needs it.
    """
    found: dict[str, Installed] = {}
    seen = {normal_name(name)}
    waiting = [name]
    while waiting:
        try:
            part = distribution(waiting.pop())
        except PackageNotFoundError:
            continue
        found[normal_name(part.name)] = Installed(part.name, part.version, said_licence(part))
        for text in part.requires or ():
            wanted, _, marker = text.partition(";")
            match = re.match(r"[A-Za-z0-9._-]+", wanted)
            if match is None or "extra" in marker or normal_name(match.group()) in seen:
                continue
            seen.add(normal_name(match.group()))
            waiting.append(match.group())
    found.pop(normal_name(name), None)
    return [found[key] for key in sorted(found)]


def normal_name(name: str) -> str:
    """A distribution's name as PyPI compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def said_licence(part: Distribution) -> str:
    """What a distribution's metadata says in a line; empty where it says nothing, or prose."""
    for field in ("License-Expression", "License"):
        said = part.metadata.get_all(field) or [""]
        if said[0] and "\n" not in said[0] and len(said[0]) < LONGEST_NAME:
            return said[0]
    kinds = part.metadata.get_all("Classifier") or []
    return ", ".join(kind.rsplit("::", 1)[-1].strip() for kind in kinds if "License ::" in kind)
