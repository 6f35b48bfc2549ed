"""What there is to know about files beside their content: whether a folder lies on a network share,
where files are locked and flushed less dependably, and whether a file is the one seen before."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

NETWORK_TYPES = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afpfs", "webdav", "davfs"),
        *("9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "ncpfs", "virtiofs"),
        *("vboxsf", "fuse.sshfs", "fuse.glusterfs", "fuse.davfs2", "fuse.rclone"),
        *("fuse.gvfsd-fuse", "fuse.vmhgfs-fuse"),
    )
)
"""Types of file systems, as Linux and macOS name them, that lie on another machine."""
_OCTAL = re.compile(r"\\([0-7]{3})")


def is_network_folder(folder: Path) -> bool:
    """Whether a folder lies on a network share. False where the system does not tell."""
    resolved = folder.resolve()
    if sys.platform == "win32":
        return _is_remote_drive(resolved)
    if sys.platform == "darwin":
        return _type_of(resolved, _macos_mounts()) in NETWORK_TYPES
    try:
        text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return False
    return _type_of(resolved, parse_mountinfo(text)) in NETWORK_TYPES


def parse_mountinfo(text: str) -> dict[str, str]:
    """Type of file system by mount point, from Linux's table; the last mount of a place counts."""
    mounts = {}
    for line in text.splitlines():
        fields = line.split(" ")
        if "-" in fields[6:] and len(fields) > fields.index("-", 6) + 1:
            place = _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), fields[4])
            mounts[place] = fields[fields.index("-", 6) + 1]
    return mounts


def file_fingerprint(path: Path) -> str:
    """Hash of a file's size and of its first and last MiB: cheap for long recordings."""
    block = 1 << 20
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        digest.update(str(size).encode())
        file.seek(0)
        digest.update(file.read(block))
        if size > 2 * block:
            file.seek(size - block)
        digest.update(file.read(block))
    return digest.hexdigest()


def _type_of(folder: Path, mounts: dict[str, str]) -> str:
    for place in (folder, *folder.parents):
        if str(place) in mounts:
            return mounts[str(place)]
    return ""


def _macos_mounts() -> dict[str, str]:
    try:
        listed = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found = re.findall(r"^.* on (.+) \((\w+)[,)]", listed.stdout, re.MULTILINE)
    return {str(place): str(kind) for place, kind in found}


def _is_remote_drive(folder: Path) -> bool:
    if str(folder).startswith("\\\\"):
        return True
    import ctypes

    remote = 4  # DRIVE_REMOTE
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    return bool(kernel.GetDriveTypeW(os.path.splitdrive(folder)[0] + "\\") == remote)
