"""One file with the licences of everything that is bundled: `THIRD_PARTY.txt`.

    python -P installer/licences.py OUT.txt [--bundle DIST_FOLDER]

With a bundle, what lies in it is listed: the modules inside the program, and every shared library.
Without one, the distributions that crossl-app depends on. A part without a licence text, a part
that nobody has looked at, and a part under the GPL alone end the program with status 1, named.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE)]

import bundle_libraries  # noqa: E402
import bundle_modules  # noqa: E402
from licence_part import Part, stored, without_permission  # noqa: E402

from core.version import __version__  # noqa: E402

RULE = "=" * 100

QT_NOTE = """\
Qt and Qt for Python (PySide6, shiboken6) are used under the GNU Lesser General Public License,
version 3. They are not changed. Their libraries are files of their own in the program's folder,
below _internal/PySide6 and _internal/shiboken6 (on macOS Contents/Frameworks instead of
_internal), and are loaded when the program starts: they can be replaced by any other build of the
same version series that has the same interface. You may take the program apart as far as that
replacing and finding errors in it need. The source of Qt is at
https://download.qt.io/official_releases/qt/ and https://code.qt.io, that of Qt for Python at
https://download.qt.io/official_releases/QtForPython/pyside6/, each under the version given below.
"""


class LicenceProblem(Exception):
    """Parts that may not be given on as they are; one line each."""


def collect(bundle: Path | None) -> list[Part]:
    """The parts of a folder made by PyInstaller, or of an installation if None.

    Raises LicenceProblem, which names every part that is at fault.
    """
    if bundle is None:
        names, strangers = bundle_modules.required_distributions("crossl-app"), []
    else:
        names, strangers = bundle_modules.bundled_distributions(bundle)
    parts = [bundle_modules.distribution_part(name) for name in names]
    parts.append(bundle_modules.python_part())
    if bundle is not None:
        parts.append(bundle_modules.bootloader_part())
        libraries, unknown = bundle_libraries.library_parts(bundle, names)
        parts += libraries
        strangers = [*strangers, *unknown]
    problems = [*strangers, *faults(parts)]
    if problems:
        raise LicenceProblem("\n".join(problems))
    return sorted(parts, key=lambda part: part.name.lower())


def faults(parts: Iterable[Part]) -> list[str]:
    """What keeps parts from being given on, a line each."""
    found = []
    for part in parts:
        if not any(text.strip() for _, text in part.texts):
            found.append(f"{part.name} {part.version}: there is no licence text.")
        if not part.licence:
            found.append(f"{part.name} {part.version}: it does not say what its licence is.")
        elif without_permission(part.licence):
            found.append(
                f"{part.name} {part.version}: {part.licence} does not go with a program under "
                "another licence. Leave it out of the bundle."
            )
    return found


def write(parts: Sequence[Part], out: Path) -> None:
    """Write the parts, first as a list, then with their texts; the same text is written once."""
    lines = [
        f"Parts of others in crossl-app {__version__}, and their licences",
        RULE,
        "",
        "crossl-app itself is under the BSD-3-Clause licence; its text is in the file LICENSE.",
        "",
        QT_NOTE,
        *(f"{part.name} {part.version}: {part.licence}" for part in parts),
        "",
    ]
    seen: dict[str, str] = {}
    for part in parts:
        lines += [RULE, f"{part.name} {part.version}", f"Licence: {part.licence}"]
        lines += [f"Home page: {part.home_page}"] if part.home_page else []
        lines += [RULE, ""]
        lines += [part.note, ""] if part.note else []
        for title, text in part.texts:
            body = text.strip("\n")
            if body in seen:
                lines += [f"--- {title}: the same as {seen[body]} ---", ""]
                continue
            seen[body] = f"{title} of {part.name}"
            lines += [f"--- {title} ---", "", body, ""]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(lines) + _common_texts("\n".join(seen)), encoding="utf-8")


def _common_texts(texts: str) -> str:
    """Texts that Debian's files only point to."""
    lines = []
    for pointed, name in bundle_libraries.COMMON.items():
        if f"common-licenses/{pointed}" in texts and stored(name)[1].strip("\n") not in texts:
            title = f"The text that is called /usr/share/common-licenses/{pointed} above"
            lines += ["", RULE, title, RULE, "", stored(name)[1].strip("\n"), ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="OUT.txt")
    parser.add_argument("--bundle", type=Path, metavar="DIST_FOLDER")
    options = parser.parse_args()
    try:
        parts = collect(options.bundle)
    except LicenceProblem as problem:
        sys.exit(str(problem))
    write(parts, options.out)
    print(f"{options.out}: {len(parts)} parts, {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
