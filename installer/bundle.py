"""What `build_installer.spec` puts into the binary's folder, and what it leaves out.

Sizes are those of a Linux build with torch 2.13 for CPUs.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path, PurePath

Entry = tuple[str, str, str]
"""Of PyInstaller: path in the folder, path of the source, kind."""

STRIPPED = ("libtorch_cpu.so", "libtorch_python.so", "libpython3")
"""Stripping everything breaks numpy's OpenBLAS; these three gain by it."""

EXCLUDED_MODULES = [
    *("tkinter", "matplotlib", "IPython", "PIL", "pytest", "hypothesis", "mne", "mypy"),
    *("setuptools", "pkg_resources", "pip", "tensorboard", "torchvision"),
    # GNU readline and gdbm are under the GPL alone. No part of the program has a prompt.
    *("readline", "_gdbm", "_dbm"),
    # torch's own tests. `torch.utils.checkpoint` needs a small part of the package, which stays.
    *(
        f"torch.testing._internal.{name}"
        for name in (
            *("opinfo", "distributed", "generated", "codegen", "optests", "data"),
            *("common_methods_invocations", "common_modules", "common_nn", "common_optimizers"),
        )
    ),
    # The program never reaches for a network.
    *("PySide6.QtNetwork", "torch.utils.tensorboard"),
    *("requests", "urllib3", "certifi", "charset_normalizer", "pooch"),
]

SHOWN_DISTRIBUTIONS = (
    *("PySide6-Essentials", "shiboken6", "pyqtgraph", "numpy", "scipy", "scikit-learn", "torch"),
    *("duckdb", "pyedflib", "edfio", "pydantic", "safetensors", "rich", "platformdirs"),
    *("filelock", "defusedxml", "psutil", "crossl-app"),
)
"""Whose versions the About box, the doctor and reports name: their metadata comes along."""

QT_PLUGINS_LEFT_OUT = (
    # 35 MB with GTK, TLS and what they link to. The desktop's own file dialogs come through
    # xdgdesktopportal.
    *("platformthemes/*gtk3*", "tls/*", "networkinformation/*"),
    # Screens without a window system.
    *("egldeviceintegrations/*", "generic/*", "platforms/*eglfs*", "platforms/*linuxfb*"),
    *("platforms/*vkkhrdisplay*", "platforms/*vnc*", "platforms/*minimalegl*"),
    *("imageformats/*qtga*", "imageformats/*qtiff*", "imageformats/*qwbmp*"),
    *("imageformats/*qwebp*", "imageformats/*qicns*", "imageformats/*qpdf*"),
)

SYSTEM_LIBRARIES_LEFT_OUT = (
    # Newer than ours on any system that is newer than the one that builds; drivers need their own.
    *("libstdc++.so.*", "libgcc_s.so.*"),
    # They read the system's own configuration, in the system's own version of it.
    *("libfontconfig.so.*", "libfreetype.so.*", "libdbus-1.so.*", "libsystemd.so.*"),
    # Printing on paper, with a dozen libraries behind it. Without it there is printing into files.
    "libcups.so.*",
)

OPENED_BY_NAME = ("libshm.so", "libtorch_global_deps.so", "libgomp*")
"""Shared libraries that no header names: what cannot be reached is kept all the same."""


def torch_variant() -> str:
    """`cpu` or `cuda`, as CROSSL_TORCH asks; exits in words where another torch is installed."""
    wanted = os.environ.get("CROSSL_TORCH", "cpu")
    if wanted not in ("cpu", "cuda"):
        sys.exit(f"CROSSL_TORCH={wanted}: it is cpu or cuda.")
    found = find_spec("torch")
    if found is None or found.origin is None:
        sys.exit("torch is not installed in this environment.")
    # Without importing it: the file that names the build stands alone.
    cuda = runpy.run_path(str(Path(found.origin).parent / "version.py"))["cuda"]
    installed = "cpu" if cuda is None else "cuda"
    if installed != wanted:
        sys.exit(
            f"CROSSL_TORCH={wanted}, but torch for {installed} is installed. Install the other "
            "build of torch into this environment, as pytorch.org's installation page shows."
        )
    return wanted


def resource_files(root: Path) -> list[tuple[str, str]]:
    """Everything below `resources` that is data, at the place `importlib.resources` looks for."""
    return [
        (str(path), str(path.parent.relative_to(root)))
        for path in sorted((root / "resources").rglob("*"))
        if path.is_file() and path.suffix not in (".py", ".pyc")
    ]


def write_build_note(folder: Path, variant: str) -> tuple[str, str]:
    """The file by which `core.build_info` knows the binary; returns it as an entry of data."""
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "build.json"
    note.write_text(json.dumps({"torch": variant}) + "\n", encoding="utf-8")
    return str(note), "resources"


def is_needed(name: str) -> bool:
    """Whether a file belongs into the folder; `name` is its path there."""
    path = PurePath(name)
    parts = path.parts
    if parts[:2] == ("torch", "bin"):
        return path.name.startswith("torch_shm_manager")
    if parts[:2] in {("torch", "include"), ("torch", "test"), ("torch", "share")}:
        return False
    if parts[:2] == ("torch", "lib") and fnmatch(path.name, "*_test.*"):
        return False
    if "PySide6" in parts and "plugins" in parts:
        plugin = "/".join(parts[parts.index("plugins") + 1 :])
        return not any(fnmatch(plugin, pattern) for pattern in QT_PLUGINS_LEFT_OUT)
    if parts[0] == "PySide6" and path.name.startswith(("libQt6Network.", "Qt6Network.")):
        return False
    if len(parts) == 1:
        return not any(fnmatch(path.name, pattern) for pattern in SYSTEM_LIBRARIES_LEFT_OUT)
    return True


def reachable(
    entries: Iterable[Entry], imports: Callable[[str], Iterable[str]]
) -> tuple[list[Entry], list[str]]:
    """Leave out system libraries that nothing needs any more; returns what stays, and their names.

    PyInstaller finds what libraries link to before plugins are left out. `imports` gives the names
    of the libraries that a file links to. Only files that lie beside the program's own are
    questioned, which is where libraries of the system are put.
    """
    entries = list(entries)
    by_name = {PurePath(entry[0]).name: entry for entry in entries if entry[2] != "SYMLINK"}
    waiting = [
        entry
        for entry in entries
        if len(PurePath(entry[0]).parts) > 1
        or entry[2] == "SYMLINK"
        or ".so" not in entry[0]
        or entry[2] == "EXTENSION"
        or entry[0].startswith("libpython")
        or any(fnmatch(entry[0], pattern) for pattern in OPENED_BY_NAME)
    ]
    kept = {entry[0] for entry in waiting}
    while waiting:
        _, source, kind = waiting.pop()
        if kind == "SYMLINK":
            continue
        for name in imports(source):
            linked = by_name.get(PurePath(name).name)
            if linked is not None and linked[0] not in kept:
                kept.add(linked[0])
                waiting.append(linked)
    left_out = sorted(entry[0] for entry in entries if entry[0] not in kept)
    return [entry for entry in entries if entry[0] in kept], left_out


def linked_libraries(path: str) -> list[str]:
    """Names of the libraries that an ELF file itself links to.

    PyInstaller's own question, `ldd`, also names what those link to, and so would keep everything
    behind a library that is left out. `objdump` is part of binutils, which PyInstaller needs.
    """
    asked = subprocess.run(["objdump", "-p", path], capture_output=True, text=True)
    if asked.returncode != 0:  # a script, or another program than an ELF file
        return []
    lines = (line.split() for line in asked.stdout.splitlines())
    return [words[1] for words in lines if len(words) == 2 and words[0] == "NEEDED"]


def without_dangling_links(entries: Iterable[Entry]) -> list[Entry]:
    """Leave out symbolic links whose target was left out; their source is relative to them."""
    entries = list(entries)
    names = {os.path.normpath(entry[0]) for entry in entries}
    return [
        entry
        for entry in entries
        if entry[2] != "SYMLINK"
        or os.path.normpath(os.path.join(os.path.dirname(entry[0]), entry[1])) in names
    ]


def strip_large(folder: Path) -> None:
    """Strip the libraries that gain by it, where the system has a `strip`."""
    if not sys.platform.startswith("linux") or shutil.which("strip") is None:
        return
    for library in folder.rglob("*.so*"):
        if library.name.startswith(STRIPPED) and not library.is_symlink():
            subprocess.run(["strip", "--strip-unneeded", str(library)], check=True)
