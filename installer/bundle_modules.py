"""The Python parts of a bundle: distributions, Python itself, PyInstaller's start program."""

from __future__ import annotations

import json
import platform
import re
import sys
import sysconfig
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path, PurePosixPath

from licence_part import Part, stored

from core.licences import normal_name, said_licence

OWN = frozenset({"crossl_app", "core", "ui", "resources", "__main__"})
OF_PYTHON_OR_PYINSTALLER = re.compile(r"_sysconfigdata_|_pyi_|pyi|_struct$")

LICENCES = {
    # Where the metadata has prose, a heading of the licence's text, or nothing.
    "colorama": "BSD-3-Clause",
    "defusedxml": "PSF-2.0",
    "duckdb": "MIT",
    "jinja2": "BSD-3-Clause",
    "markdown-it-py": "MIT",
    "mdurl": "MIT",
    "mpmath": "BSD-3-Clause",
    "networkx": "BSD-3-Clause",
    "numpy": "BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0 AND GPL-3.0-or-later WITH "
    "GCC-exception-3.1 AND LGPL-2.1-or-later",
    "pyedflib": "BSD-3-Clause",
    "safetensors": "Apache-2.0",
    "scipy": "BSD-3-Clause AND GPL-3.0-or-later WITH GCC-exception-3.1 AND LGPL-2.1-or-later",
    "scikit-learn": "BSD-3-Clause AND GPL-3.0-or-later WITH GCC-exception-3.1",
    "sympy": "BSD-3-Clause",
}

_QT_TEXTS = ("LGPL-3.0", "GPL-3.0", "qt-third-party", "Apache-2.0")
STORED_TEXTS = {
    # The wheels have no texts of their own, or refer to these.
    "pyside6-essentials": _QT_TEXTS,
    "shiboken6": ("LGPL-3.0", "GPL-3.0"),
    "numpy": ("LGPL-2.1",),
    "scipy": ("LGPL-2.1",),
    "scikit-learn": ("GPL-3.0", "GCC-exception-3.1"),
    "torch": ("GPL-3.0", "GCC-exception-3.1", "Intel-Simplified-2022-10"),
    "tqdm": ("MPL-2.0",),
}

NOTES = {
    "torch": "Builds for Intel processors contain the oneAPI Math Kernel Library, unchanged, under "
    "the Intel Simplified Software License. libgomp is a part of GCC.",
    "pyside6-essentials": "Qt for Python, with the libraries of Qt of the same version.",
}

_TEXT_NAME = re.compile(r"(licen[sc]e|copying|notice|copyright|authors|eula)", re.IGNORECASE)


def required_distributions(name: str) -> list[str]:
    """Everything that a distribution needs to run, without itself and without extras."""
    from packaging.requirements import Requirement

    found: set[str] = set()
    waiting = [name]
    while waiting:
        for text in distribution(waiting.pop()).requires or ():
            wanted = Requirement(text)
            key = normal_name(wanted.name)
            if key in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
                continue
            found.add(key)
            waiting.append(key)
    return sorted(found)


def bundled_distributions(bundle: Path) -> tuple[list[str], list[str]]:
    """The distributions whose modules lie in a bundle, and a line for each module of nobody."""
    owners = _owners()
    names, strangers = set(), []
    for top in sorted(bundled_modules(bundle)):
        if top in OWN or top in sys.stdlib_module_names or OF_PYTHON_OR_PYINSTALLER.match(top):
            continue
        if top in owners:
            names |= owners[top]
        else:
            strangers.append(f"{top}: no installed distribution says that this module is its own.")
    return sorted(names - {"crossl-app"}), strangers


def bundled_modules(bundle: Path) -> set[str]:
    """Top-level names of the Python modules inside the program and beside it."""
    from PyInstaller.archive.readers import CArchiveReader

    suffix = ".exe" if sys.platform == "win32" else ""
    archive = CArchiveReader(str(bundle / f"crossl-app{suffix}"))
    tops = {name.split(".")[0] for name in archive.open_embedded_archive("PYZ.pyz").toc}
    inside = bundle / "_internal"
    for path in inside.glob("*"):
        # Modules in C that belong to no package, such as `_duckdb`.
        if path.is_symlink() or not path.is_file():
            continue
        if re.search(r"\.(cpython-\d|abi3\.|pyd$|cp\d)", path.name):
            tops.add(path.name.split(".")[0])
    return tops


def _owners() -> dict[str, set[str]]:
    """Distributions by the top-level modules that they install."""
    owners: dict[str, set[str]] = {}
    for found in distributions():
        name = normal_name(found.name)  # each look at it reads the metadata anew
        for file in found.files or ():
            top = PurePosixPath(str(file)).parts[0]
            if top != ".." and not top.endswith((".dist-info", ".libs", ".pth")):
                owners.setdefault(top.split(".")[0], set()).add(name)
    return owners


def distribution_part(name: str) -> Part:
    """Name, version, licence and all texts of an installed distribution."""
    found = distribution(name)
    key = normal_name(found.name)
    texts = [
        (relative, path.read_text(encoding="utf-8", errors="replace"))
        for relative, path in _text_files(found)
    ]
    texts += [stored(text) for text in STORED_TEXTS.get(key, ())]
    notes = [NOTES[key]] if key in NOTES else []
    inner = _components(found)
    if inner:
        notes.append("Its wheel names these parts inside it:\n  " + "\n  ".join(inner))
    return Part(
        found.name,
        found.version,
        _licence(found),
        _home_page(found),
        tuple(texts),
        "\n\n".join(notes),
    )


def _text_files(found: Distribution) -> list[tuple[str, Path]]:
    """Files with licences or notices in a distribution's metadata folder."""
    files = []
    for file in found.files or ():
        parts = PurePosixPath(str(file)).parts
        if not parts[0].endswith(".dist-info") or len(parts) < 2 or parts[1] == "sboms":
            continue
        below = parts[1:]
        if below[0] in ("licenses", "license_files") or _TEXT_NAME.search(below[-1]):
            path = Path(str(found.locate_file(file)))
            if path.is_file():
                files.append(("/".join(below), path))
    return sorted(files)


def _components(found: Distribution) -> list[str]:
    """Parts that a wheel's bill of materials names, such as crates: name, version, licence."""
    lines = set()
    for file in found.files or ():
        if "/sboms/" not in str(file) or not str(file).endswith(".json"):
            continue
        bill = json.loads(Path(str(found.locate_file(file))).read_text(encoding="utf-8"))
        for part in bill.get("components", ()):
            if normal_name(part["name"]) == normal_name(found.name):
                continue
            said = [
                entry.get("expression") or entry.get("license", {}).get("id")
                for entry in part.get("licenses", ())
            ]
            licence = " AND ".join(text for text in said if text)
            lines.add(f"{part['name']} {part.get('version', '')}: {licence}".rstrip(": "))
    return sorted(lines)


def _licence(found: Distribution) -> str:
    return LICENCES.get(normal_name(found.name)) or said_licence(found)


def _home_page(found: Distribution) -> str:
    pages = {}
    for line in found.metadata.get_all("Project-URL") or ():
        label, _, page = line.partition(",")
        pages[label.strip().lower().replace("-", "")] = page.strip()
    for label in ("homepage", "home", "source", "sourcecode", "repository"):
        if label in pages:
            return pages[label]
    return found.metadata.get("Home-page") or next(iter(pages.values()), "")


def python_part() -> Part:
    """Python and its standard library, from the text that lies beside the interpreter."""
    places = [
        Path(sysconfig.get_path("stdlib")) / "LICENSE.txt",
        Path(sys.base_prefix) / "LICENSE.txt",
    ]
    texts = [("LICENSE.txt", path.read_text(encoding="utf-8")) for path in places if path.is_file()]
    version = platform.python_version()
    return Part("Python", version, "PSF-2.0", "https://www.python.org", tuple(texts[:1]))


def bootloader_part() -> Part:
    """PyInstaller's start program; its exception lets it be part of any program."""
    try:
        part = distribution_part("pyinstaller")
    except PackageNotFoundError:
        sys.exit("pyinstaller is not installed in this environment.")
    return Part(
        "PyInstaller's bootloader",
        part.version,
        "GPL-2.0-or-later WITH Bootloader-exception",
        part.home_page,
        part.texts,
    )
