"""`make installer` on Linux: the built folder as a .deb and as a .tar.xz for a home folder.

    python -P installer/linux_packages.py dist/crossl-app dist

Needs dpkg, binutils and xz. Files are linked, not copied, since the folder is large.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE)]

import icons  # noqa: E402

from core.version import __version__  # noqa: E402

OPENED_WHILE_RUNNING = (
    # Qt opens these by name, or a desktop without them has no window; what is linked is
    # found by itself.
    *("libegl1", "libgl1", "libdbus-1-3", "libxcb-cursor0", "libxkbcommon-x11-0"),
    # Without any font there is no text.
    "fonts-dejavu-core | fonts-liberation | fonts-noto-core",
)
OPTIONAL_LIBRARIES = {"libcups.so.2"}
"""Of plugins that simply are not there without them: printing on paper."""
DESCRIPTION = """\
label biosignals, learn from them without labels, test sensors
 crossl-app reads EDF, BDF and CSV recordings, lets one label them, pretrains
 and fine-tunes CroSSL on them, and shows what happens to every prediction
 when sensors are taken away. With a window, and without one by --batch.
 .
 For research, not for diagnosis."""


def main() -> None:
    bundle, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    variant = json.loads((bundle / "_internal" / "resources" / "build.json").read_text())["torch"]
    name = "crossl-app" if variant == "cpu" else f"crossl-app-{variant}"
    architecture = _answer("dpkg", "--print-architecture")
    with tempfile.TemporaryDirectory(dir=out, prefix="packing-") as folder:
        share = Path(folder) / "share"
        make_share(share)
        deb = make_deb(bundle, share, out, name, architecture, Path(folder) / "deb")
        tar = make_tar(bundle, share, out, name, architecture, Path(folder) / "tar")
    print(f"{bundle}: {unpacked_bytes(bundle) / 1e6:.0f} MB")
    for package in (deb, tar):
        print(f"{package}: {package.stat().st_size / 1e6:.0f} MB")


def make_share(share: Path) -> None:
    """What the desktop needs: entry, icons, MIME types."""
    (share / "applications").mkdir(parents=True)
    shutil.copy(HERE / "linux" / "crossl-app.desktop", share / "applications")
    (share / "mime" / "packages").mkdir(parents=True)
    shutil.copy(HERE / "linux" / "crossl-app.xml", share / "mime" / "packages")
    with tempfile.TemporaryDirectory() as folder:
        icons.render(Path(folder))
        shutil.copytree(Path(folder) / "hicolor", share / "icons" / "hicolor")


def make_deb(
    bundle: Path, share: Path, out: Path, name: str, architecture: str, root: Path
) -> Path:
    """The package for Debian and Ubuntu: into /opt, the command on the path."""
    shutil.copytree(bundle, root / "opt" / "crossl-app", symlinks=True, copy_function=os.link)
    shutil.copytree(share, root / "usr" / "share")
    (root / "usr" / "bin").mkdir(parents=True)
    (root / "usr" / "bin" / "crossl-app").symlink_to("/opt/crossl-app/crossl-app")
    _write_documents(bundle, root / "usr" / "share" / "doc" / name)
    _set_modes(root)
    control = root / "DEBIAN"
    control.mkdir(mode=0o755)
    other = "crossl-app-cuda" if name == "crossl-app" else "crossl-app"
    depends = sorted({*linked_packages(bundle), *OPENED_WHILE_RUNNING})
    fields = {
        "Package": name,
        "Version": __version__,
        "Architecture": architecture,
        "Maintainer": "The crossl-app developers",
        "Installed-Size": str(unpacked_bytes(root) // 1024),
        "Depends": ", ".join(depends),
        "Recommends": "shared-mime-info, desktop-file-utils, hicolor-icon-theme, libcups2",
        "Conflicts": other,
        "Replaces": other,
        "Section": "science",
        "Priority": "optional",
        "Description": DESCRIPTION,
    }
    text = "".join(f"{key}: {value}\n" for key, value in fields.items())
    (control / "control").write_text(text, encoding="utf-8")
    (control / "md5sums").write_text("".join(_md5_lines(root)), encoding="utf-8")
    deb = out / f"{name}_{__version__}_{architecture}.deb"
    subprocess.run(
        [
            *("dpkg-deb", "--root-owner-group", "-Zxz", f"--threads-max={os.cpu_count()}"),
            *("--build", str(root), str(deb)),
        ],
        check=True,
    )
    return deb


def linked_packages(bundle: Path) -> list[str]:
    """Packages with the libraries that the folder links to and does not bring.

    Of libc also the version: a program that was built for a newer one does not start. Exits in
    words where this system has no package with such a library.
    """
    binaries = [path for path in bundle.rglob("*") if _is_elf(path)]
    described = [_answer("objdump", "-p", str(path)) for path in binaries]
    there = {path.name for path in bundle.rglob("*")}
    linked = {name for text in described for name in re.findall(r"NEEDED\s+(\S+)", text)}
    packages, missing = set[str](), []
    for name in sorted(linked - there - OPTIONAL_LIBRARIES):
        found = subprocess.run(
            ["dpkg-query", "--search", f"*/{name}"], capture_output=True, text=True
        ).stdout
        if not found:
            missing.append(name)
            continue
        packages.add(found.split(":")[0])
    if missing:
        sys.exit(f"No installed package has {', '.join(missing)}. Install what has them.")
    versions = {
        tuple(map(int, version.split(".")))
        for text in described
        for version in re.findall(r"\bGLIBC_(\d+\.\d+)\b", text)
    }
    newest = ".".join(map(str, max(versions)))
    return sorted({f"libc6 (>= {newest})", *(packages - {"libc6"})})


def make_tar(
    bundle: Path, share: Path, out: Path, name: str, architecture: str, root: Path
) -> Path:
    """The archive that is unpacked anywhere and run from there."""
    folder = root / "crossl-app"
    shutil.copytree(bundle, folder, symlinks=True, copy_function=os.link)
    shutil.copytree(share, folder / "share")
    shutil.copy(HERE / "linux" / "add-to-menu.sh", folder)
    _write_documents(bundle, folder / "doc")
    _set_modes(folder)
    tar = out / f"{name}-{__version__}-linux-{architecture}.tar.xz"
    subprocess.run(
        [
            *("tar", "--create", "--file", str(tar), "--use-compress-program=xz -T0 -6"),
            *("--owner=0", "--group=0", "--numeric-owner", "--sort=name"),
            *("--directory", str(root), "crossl-app"),
        ],
        check=True,
    )
    return tar


def unpacked_bytes(folder: Path) -> int:
    """Bytes of all files below a folder; links count nothing."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def _write_documents(bundle: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    parts = bundle / "_internal" / "resources" / "licences" / "THIRD_PARTY.txt"
    own = (ROOT / "LICENSE").read_text(encoding="utf-8")
    (folder / "copyright").write_text(
        own + "\n\n" + parts.read_text(encoding="utf-8"), encoding="utf-8"
    )
    changes = (ROOT / "CHANGELOG.md").read_bytes()
    (folder / "changelog.gz").write_bytes(gzip.compress(changes, 9, mtime=0))


def _set_modes(root: Path) -> None:
    """The same rights for all, whatever the umask of the builder was."""
    for path in root.rglob("*"):
        if path.is_symlink():
            continue
        runs = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if runs else 0o644)
    root.chmod(0o755)


def _md5_lines(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if path.is_file() and not path.is_symlink() and inside.parts[0] != "DEBIAN":
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False))
            yield f"{digest.hexdigest()}  {inside}\n"


def _is_elf(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) == b"\x7fELF"


def _answer(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
