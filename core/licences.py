"""Versions and licences of the program's parts, as they are read while it runs."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.resources import files

SHOWN = (
    *("PySide6-Essentials", "pyqtgraph", "torch", "numpy", "scipy", "scikit-learn", "duckdb"),
    *("pyedflib", "edfio"),
)
"""Distributions whose versions the About box names."""

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
    found = [("Python", platform.python_version())]
    for name in SHOWN:
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
    seen = {_normal(name)}
    waiting = [name]
    while waiting:
        try:
            part = distribution(waiting.pop())
        except PackageNotFoundError:
            continue
        found[_normal(part.name)] = Installed(part.name, part.version, _licence(part))
        for text in part.requires or ():
            wanted, _, marker = text.partition(";")
            match = re.match(r"[A-Za-z0-9._-]+", wanted)
            if match is None or "extra" in marker or _normal(match.group()) in seen:
                continue
            seen.add(_normal(match.group()))
            waiting.append(match.group())
    found.pop(_normal(name), None)
    return [found[key] for key in sorted(found)]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _licence(part: Distribution) -> str:
    for field in ("License-Expression", "License"):
        said = part.metadata.get_all(field) or [""]
        if said[0] and "\n" not in said[0]:
            return said[0]
    kinds = part.metadata.get_all("Classifier") or []
    return ", ".join(kind.rsplit("::", 1)[-1].strip() for kind in kinds if "License ::" in kind)
