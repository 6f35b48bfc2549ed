"""Network shares are told from local disks, and files from each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core import file_system
from core.file_system import file_fingerprint, is_network_folder, parse_mountinfo

MOUNTINFO = r"""
22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
28 0 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
40 28 0:40 / /mnt/share rw,relatime shared:9 master:1 - cifs //server/share rw,vers=3.0
41 28 0:41 / /mnt/with\040blank rw - nfs4 server:/export rw
42 40 254:2 / /mnt/share/local rw - ext4 /dev/vdb1 rw
43 28 0:43 / /home/a/ssh rw shared:3 - fuse.sshfs a@b:/ rw
44 28 0:44 / /over rw - ext4 /dev/vdc rw
45 28 0:45 / /over rw - nfs server:/x rw
a line that is cut short
46 28 0:46 / /odd rw -
"""

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's table")


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table above in place of the system's."""
    read_text = Path.read_text

    def read(path: Path, *args: object, **options: object) -> str:
        if path == Path("/proc/self/mountinfo"):
            return MOUNTINFO
        return read_text(path, *args, **options)

    monkeypatch.setattr(Path, "read_text", read)


def test_the_table_of_mounts_is_read() -> None:
    mounts = parse_mountinfo(MOUNTINFO)
    assert mounts["/"] == "ext4"
    assert mounts["/mnt/share"] == "cifs"
    assert mounts["/mnt/with blank"] == "nfs4"
    assert mounts["/over"] == "nfs"  # the last mount of a place hides the others
    assert "/odd" not in mounts
    assert parse_mountinfo("") == {}


@LINUX
@pytest.mark.usefixtures("mounts")
@pytest.mark.parametrize(
    ("folder", "network"),
    [
        ("/mnt/share", True),
        ("/mnt/share/deep/er", True),
        ("/mnt/share2", False),
        ("/mnt/share/local/x", False),
        ("/mnt/with blank/study", True),
        ("/home/a/ssh/study", True),
        ("/home/a", False),
        ("/over/study", True),
        ("/", False),
    ],
)
def test_a_folder_takes_the_type_of_the_mount_it_lies_in(folder: str, network: bool) -> None:
    assert is_network_folder(Path(folder)) is network


@LINUX
def test_a_system_that_does_not_tell_counts_as_local(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError("no")

    monkeypatch.setattr(Path, "read_text", refuse)
    assert is_network_folder(tmp_path) is False


@pytest.mark.skipif(sys.platform == "win32", reason="paths of macOS")
def test_macos_tells_it_by_its_list_of_mounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = (
        "/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)\n"
        f"//a@server/share on {tmp_path.resolve()}/my share (smbfs, nodev, nosuid)\n"
        f"server:/x on {tmp_path.resolve()}/on (nfs)\n"
    )

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, listed, "")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", run)
    assert is_network_folder(tmp_path / "my share" / "study")
    assert is_network_folder(tmp_path / "on")
    assert not is_network_folder(tmp_path / "my")

    def refuse(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", refuse)
    assert not is_network_folder(tmp_path / "on")


def test_a_share_of_windows_is_told_by_its_name() -> None:
    assert file_system._is_remote_drive(Path("\\\\server\\share\\study"))


def test_this_machine_can_be_asked(tmp_path: Path) -> None:
    assert is_network_folder(tmp_path) in (True, False)
    assert is_network_folder(tmp_path / "not" / "there") == is_network_folder(tmp_path)


def test_fingerprints_tell_files_apart(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    block = bytes(1 << 20)
    for content, other in (
        (b"", b"x"),
        (b"ab", b"ac"),
        (block * 3, block * 3 + b"\0"),
        (block * 3 + b"a", block * 3 + b"b"),
        (b"a" + block * 3, b"b" + block * 3),
    ):
        one.write_bytes(content)
        two.write_bytes(other)
        assert file_fingerprint(one) != file_fingerprint(two)
        two.write_bytes(content)
        assert file_fingerprint(one) == file_fingerprint(two)
    with pytest.raises(OSError, match="No such file"):
        file_fingerprint(tmp_path / "none")
