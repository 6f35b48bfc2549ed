"""Shared libraries in a bundle that come neither from a wheel nor from Python itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from licence_part import Part, stored

LIBRARIES = {
    # Beginning of the file's name: name, licence of the library itself (a package's file lists
    # those of tests and build scripts too, which nobody bundles). Each has been looked at.
    "libX11-xcb": ("libX11", "MIT"),
    "libX11": ("libX11", "MIT"),
    "libXau": ("libXau", "MIT"),
    "libXdmcp": ("libXdmcp", "MIT"),
    "libXext": ("libXext", "MIT"),
    "libXrender": ("libXrender", "MIT"),
    "libICE": ("libICE", "MIT"),
    "libSM": ("libSM", "MIT"),
    "libxcb-cursor": ("xcb-util-cursor", "MIT"),
    "libxcb-icccm": ("xcb-util-wm", "MIT"),
    "libxcb-image": ("xcb-util-image", "MIT"),
    "libxcb-keysyms": ("xcb-util-keysyms", "MIT"),
    "libxcb-render-util": ("xcb-util-renderutil", "MIT"),
    "libxcb-util": ("xcb-util", "MIT"),
    "libxcb": ("libxcb", "MIT"),
    "libxkbcommon": ("libxkbcommon", "MIT"),
    "libwayland": ("Wayland", "MIT"),
    "libdrm": ("libdrm", "MIT"),
    "libbrotlicommon": ("Brotli", "MIT"),
    "libbrotlidec": ("Brotli", "MIT"),
    "libbsd": ("libbsd", "BSD-3-Clause AND BSD-2-Clause AND ISC AND Beerware"),
    "libmd": ("libmd", "BSD-3-Clause AND BSD-2-Clause AND ISC AND Beerware"),
    "libbz2": ("bzip2", "bzip2-1.0.6"),
    "libcap": ("libcap", "BSD-3-Clause OR GPL-2.0-only"),
    "libcom_err": ("e2fsprogs, libcom_err", "MIT"),
    "libcrypto": ("OpenSSL", "Apache-2.0"),
    "libssl": ("OpenSSL", "Apache-2.0"),
    "libexpat": ("Expat", "MIT"),
    "libffi": ("libffi", "MIT"),
    "libgcrypt": ("Libgcrypt", "LGPL-2.1-or-later"),
    "libglib": ("GLib", "LGPL-2.1-or-later"),
    "libgthread": ("GLib", "LGPL-2.1-or-later"),
    "libgomp": ("GCC runtime libraries", "GPL-3.0-or-later WITH GCC-exception-3.1"),
    "libgcc_s": ("GCC runtime libraries", "GPL-3.0-or-later WITH GCC-exception-3.1"),
    "libstdc++": ("GCC runtime libraries", "GPL-3.0-or-later WITH GCC-exception-3.1"),
    "libgpg-error": ("libgpg-error", "LGPL-2.1-or-later"),
    "libgssapi_krb5": ("MIT Kerberos", "MIT"),
    "libk5crypto": ("MIT Kerberos", "MIT"),
    "libkrb5": ("MIT Kerberos", "MIT"),
    "libkrb5support": ("MIT Kerberos", "MIT"),
    "libkeyutils": ("keyutils", "LGPL-2.1-or-later"),
    "liblz4": ("LZ4", "BSD-2-Clause"),
    "liblzma": ("XZ Utils, liblzma", "0BSD"),
    "libmpdec": ("mpdecimal", "BSD-2-Clause"),
    "libncursesw": ("ncurses", "X11-distribute-modifications-variant"),
    "libpanelw": ("ncurses", "X11-distribute-modifications-variant"),
    "libtinfo": ("ncurses", "X11-distribute-modifications-variant"),
    "libpcre2": ("PCRE2", "BSD-3-Clause WITH PCRE2-exception"),
    "libpng16": ("libpng", "libpng-2.0"),
    "libsqlite3": ("SQLite", "blessing"),
    "libuuid": ("libuuid", "BSD-3-Clause"),
    "libzstd": ("Zstandard", "BSD-3-Clause OR GPL-2.0-only"),
    "libz": ("zlib", "Zlib"),
    "libreadline": ("GNU Readline", "GPL-3.0-or-later"),
    "libgdbm": ("GNU gdbm", "GPL-3.0-or-later"),
}

COMMON = {
    # As Debian's files point to them: our copy.
    "Apache-2.0": "Apache-2.0",
    "GPL-2": "GPL-2.0",
    "GPL-3": "GPL-3.0",
    "LGPL-2": "LGPL-2.0",
    "LGPL-2.1": "LGPL-2.1",
    "LGPL-3": "LGPL-3.0",
    "MPL-2.0": "MPL-2.0",
}

_STORED = {
    # Where no package of a Linux system has the text: builds on macOS with OpenSSL beside Python.
    "OpenSSL": ("Apache-2.0",),
}

_LIBRARY = re.compile(r"\.(so(\.\d+)*|dylib|dll|pyd)$", re.IGNORECASE)
_OF_PYTHON = re.compile(r"(lib)?python\d.*|vcruntime\d.*|msvcp\d.*|ucrtbase.*|api-ms-win.*")


def foreign_libraries(bundle: Path, names: Iterable[str]) -> list[Path]:
    """Shared libraries of a bundle that neither a distribution of `names` nor Python brought."""
    inside = bundle / "_internal"
    owned = {
        os.path.normcase(os.path.normpath(str(file)))
        for name in names
        for file in distribution(name).files or ()
    }
    # PyInstaller moves libraries of some wheels to the top.
    owned_names = {os.path.basename(path) for path in owned}
    found = []
    for path in sorted(inside.rglob("*")):
        relative = path.relative_to(inside)
        if path.is_symlink() or not path.is_file() or not _LIBRARY.search(path.name):
            continue
        if "lib-dynload" in relative.parts or _OF_PYTHON.match(path.name.lower()):
            continue
        text = os.path.normcase(str(relative))
        if text in owned or (len(relative.parts) == 1 and path.name in owned_names):
            continue
        if sys.platform == "win32" and len(relative.parts) == 1 and _beside_python(path.name):
            continue
        found.append(path)
    return found


def _beside_python(name: str) -> bool:
    """Whether Python's own folder on Windows brings a file; its LICENSE.txt covers those."""
    base = Path(sys.base_prefix)
    return any((folder / name).is_file() for folder in (base, base / "DLLs"))


def library_parts(bundle: Path, names: Iterable[str]) -> tuple[list[Part], list[str]]:
    """Parts of the libraries that are the system's, and a line for each that is in no table."""
    foreign = foreign_libraries(bundle, names)
    packages = _debian_packages(path.name for path in foreign)
    files: dict[tuple[str, str], list[str]] = {}
    strangers = []
    for path in foreign:
        known = _look_up(path.name)
        if known is None:
            strangers.append(
                f"{path.name}: nobody has looked at its licence. Leave it out of the bundle, or "
                "add it to LIBRARIES in installer/bundle_libraries.py."
            )
        else:
            files.setdefault(known, []).append(path.name)
    parts = [_part(name, licence, names, packages) for (name, licence), names in files.items()]
    return parts, strangers


def _part(name: str, licence: str, files: list[str], packages: dict[str, str]) -> Part:
    """A library, which may be several files from several packages of one source."""
    found = sorted({packages[file] for file in files if file in packages})
    texts = [_copyright_text(package) for package in found]
    if not texts:
        texts = [stored(text) for text in _STORED.get(name, ())]
    if "GCC-exception" in licence:
        texts += [stored("GPL-3.0"), stored("GCC-exception-3.1")]
    said = [f"Files: {', '.join(files)}"]
    if found:
        said.append(f"From the system that built the bundle: {', '.join(map(_versioned, found))}")
    if "LGPL" in licence:
        said.append(
            "The library is a file of its own and can be replaced by another build of it; its "
            "source is that of the package named here, which the system's archive holds."
        )
    version = _version(found[0]) if found else ""
    return Part(name, version, licence, "", tuple(texts), "\n".join(said))


def _look_up(name: str) -> tuple[str, str] | None:
    stem = re.split(r"\.(so|dylib|dll)", name)[0]
    fitting = [key for key in LIBRARIES if re.match(re.escape(key) + r"(?![A-Za-z])", stem)]
    return LIBRARIES[max(fitting, key=len)] if fitting else None


def _debian_packages(names: Iterable[str]) -> dict[str, str]:
    """The package of each library that dpkg knows; empty on systems without dpkg."""
    patterns = [f"*/{name}" for name in names]
    if not patterns or shutil.which("dpkg-query") is None:
        return {}
    answer = subprocess.run(
        ["dpkg-query", "--search", *patterns], capture_output=True, text=True, check=False
    ).stdout
    found: dict[str, str] = {}
    for line in answer.splitlines():
        packages, _, path = line.partition(": ")
        package = packages.split(",")[0].strip()
        if not line.startswith("diversion") and _copyright(package).is_file():
            found.setdefault(path.rsplit("/", 1)[-1], package)
    return found


def _version(package: str) -> str:
    return subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Version}", package],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def _versioned(package: str) -> str:
    return f"{package.split(':')[0]} {_version(package)}"


def _copyright_text(package: str) -> tuple[str, str]:
    text = _copyright(package).read_text(encoding="utf-8", errors="replace")
    return f"copyright of {package.split(':')[0]}", text


def _copyright(package: str) -> Path:
    return Path("/usr/share/doc") / package.split(":")[0] / "copyright"
