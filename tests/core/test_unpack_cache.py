"""Unpacked copies: made once, never half, never too many, and never taken from under a reader."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import pytest

from core import unpack_cache
from core.errors import ConfigError, RecordingError
from core.read_edf import open_edf
from core.unpack_cache import cache_folder, release, unpacked
from tests.core.edf_bytes import make_file, make_signal, ramp

Usage = namedtuple("Usage", "total used free")


def pack(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data, 1))
    return path


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def copies() -> list[Path]:
    folder = cache_folder()
    return sorted(folder.iterdir()) if folder.is_dir() else []


def test_a_plain_file_is_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.edf.gz"  # the name does not matter
    path.write_bytes(b"plain")
    assert unpacked(path) == path
    assert copies() == []


def test_a_packed_file_is_unpacked_once_into_the_cache(tmp_path: Path) -> None:
    path = pack(tmp_path / "Somebody.csv.gz", b"a,b\n1,2\n")
    copy = unpacked(path)
    assert copy.parent == cache_folder()
    assert copy.suffix == ".csv"
    assert "Somebody" not in copy.name
    assert copy.read_bytes() == b"a,b\n1,2\n"
    before = copy.stat().st_ino
    assert unpacked(path) == copy
    assert copy.stat().st_ino == before
    assert copies() == [copy]
    if os.name == "posix":
        assert copy.stat().st_mode & 0o077 == 0


def test_a_changed_file_is_unpacked_anew(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.csv.gz", b"one")
    first = unpacked(path)
    pack(path, b"two, longer")
    assert unpacked(path).read_bytes() == b"two, longer"
    assert first.read_bytes() == b"one"


def test_a_copy_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.csv.gz", b"whole contents")
    unpacked(path).write_bytes(b"whole")
    assert unpacked(path).read_bytes() == b"whole contents"


def test_threads_unpack_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(tmp_path / "a.csv.gz", b"x" * 100_000)
    made: list[Path] = []
    real = unpack_cache._make
    monkeypatch.setattr(unpack_cache, "_make", lambda *a: made.append(path) or real(*a))
    got: list[Path] = []
    threads = [threading.Thread(target=lambda: got.append(unpacked(path))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(got)) == 1
    assert len(got) == 12
    assert len(made) == 1


def test_processes_share_the_copy(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.csv.gz", b"x" * 3_000_000)
    program = f"from core.unpack_cache import unpacked; print(unpacked({str(path)!r}))"
    running = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    names = {process.communicate(timeout=60)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0] * 4
    assert names == {str(unpacked(path))}
    assert copies()[0].stat().st_size == 3_000_000
    assert len(copies()) == 1


# ---------------------------------------------------------------- the limit


def test_what_was_used_longest_ago_is_removed_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSL_CACHE_LIMIT_MB", "2.5")
    made = []
    for number in range(4):
        copy = unpacked(pack(tmp_path / f"{number}.csv.gz", os.urandom(1 << 20)))
        release(copy)
        age(copy, 1000 - 100 * number)
        made.append(copy)
    assert unpacked(tmp_path / "2.csv.gz") == made[2]  # used again
    release(made[2])
    age(made[2], 500)
    unpacked(pack(tmp_path / "4.csv.gz", os.urandom(1 << 20)))
    left = [copy for copy in made if copy.exists()]
    assert left == [made[2]]


def test_what_this_process_uses_is_never_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSL_CACHE_LIMIT_MB", "0")
    used = unpacked(pack(tmp_path / "a.csv.gz", b"used"))
    age(used, 9999)
    fresh = unpacked(pack(tmp_path / "b.csv.gz", b"fresh"))
    release(fresh)  # just now: another process may be about to open it
    unpacked(pack(tmp_path / "c.csv.gz", b"other"))
    assert used.exists()
    assert fresh.exists()
    age(fresh, 9999)
    release(used)
    unpacked(pack(tmp_path / "d.csv.gz", b"one more"))
    assert not used.exists()
    assert not fresh.exists()


def test_an_open_edf_file_keeps_its_copy_and_gives_it_free_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSL_CACHE_LIMIT_MB", "0")
    path = pack(tmp_path / "a.edf.gz", make_file([make_signal()], [[ramp(0)]]))
    file = open_edf(path)
    (copy,) = copies()
    age(copy, 9999)
    unpacked(pack(tmp_path / "b.csv.gz", b"x"))
    assert copy.exists()
    del file
    unpacked(pack(tmp_path / "c.csv.gz", b"y"))
    assert not copy.exists()


def test_a_copy_that_is_gone_is_made_again_under_an_open_file(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.edf.gz", make_file([make_signal()], [[ramp(0)]]))
    file = open_edf(path)
    (copy,) = copies()
    copy.unlink()
    assert file.read(0, 9, 10)[0] == pytest.approx(0.9)
    assert copies() == [copy]
    copy.unlink()
    pack(path, make_file([make_signal()], [[ramp(0)], [ramp(1)]]))
    with pytest.raises(RecordingError, match="no longer be read"):
        file.read(0, 0, 1)


def test_half_written_copies_of_ended_processes_are_cleared_away(tmp_path: Path) -> None:
    cache_folder().mkdir(parents=True)
    old, new, other = (cache_folder() / name for name in ("a-1.part", "b-2.part", "notes.txt"))
    for path in (old, new, other):
        path.write_bytes(b"x")
    age(old, 200_000)
    age(other, 200_000)
    unpacked(pack(tmp_path / "a.csv.gz", b"x"))
    assert not old.exists()
    assert new.exists()
    assert other.exists()


def test_a_limit_that_is_no_number_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSL_CACHE_LIMIT_MB", "much")
    with pytest.raises(ConfigError, match="CROSSL_CACHE_LIMIT_MB is 'much'"):
        unpacked(pack(tmp_path / "a.csv.gz", b"x"))


# ---------------------------------------------------------------- refusals


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.edf.gz", bytes(30 << 20))
    inner = gzip.compress(bytes(60 << 20), 9)
    path.write_bytes(inner)
    with pytest.raises(RecordingError, match="more than 1000 times its size"):
        unpacked(path)
    assert copies() == []


@pytest.mark.parametrize("damage", ["cut", "flip", "tail"])
def test_a_damaged_file_is_refused_and_leaves_nothing(tmp_path: Path, damage: str) -> None:
    path = pack(tmp_path / "a.edf.gz", os.urandom(5000))
    data = bytearray(path.read_bytes())
    if damage == "cut":
        del data[3000:]
    elif damage == "flip":
        data[-6] ^= 1
    else:
        data += b"rubbish"
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=r"a\.edf\.gz: the file cannot be unpacked"):
        unpacked(path)
    assert copies() == []


def test_a_disk_that_is_too_small_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(tmp_path / "a.edf.gz", os.urandom(5000))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 30, 1 << 30, 1000))
    with pytest.raises(RecordingError, match=r"too little space left .* CROSSL_CACHE_DIR"):
        unpacked(path)
    assert copies() == []


def test_a_disk_that_fills_up_meanwhile_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(tmp_path / "a.edf.gz", os.urandom(5000))

    class Full:
        def write(self, data: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def flush(self) -> None: ...

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None: ...

    def full(handle: int, mode: str) -> Full:
        os.close(handle)
        return Full()

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(RecordingError, match="too little space left"):
        unpacked(path)
    assert copies() == []


def test_without_a_cache_folder_a_temporary_copy_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    monkeypatch.setenv("CROSSL_CACHE_DIR", str(blocked / "below"))
    path = pack(tmp_path / "a.edf.gz", make_file([make_signal()], [[ramp(0)]]))
    copy = unpacked(path)
    assert copy.exists()
    release(copy)
    assert not copy.exists()
    file = open_edf(path)
    copy = file._plain
    assert copy.exists()
    assert file.read(0, 9, 10)[0] == pytest.approx(0.9)
    del file
    assert not copy.exists()


def test_the_packed_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no such file"):
        unpacked(tmp_path / "none.edf.gz")
    with pytest.raises(RecordingError, match="folder"):
        unpacked(tmp_path)


def test_releasing_inside_a_locked_stretch_waits_for_nobody(tmp_path: Path) -> None:
    """Garbage collection may release a copy in the very thread that holds the lock."""
    copy = unpacked(pack(tmp_path / "a.csv.gz", b"x"))
    with unpack_cache._lock:
        release(copy)
    assert unpack_cache._in_use[copy] == 1
    release(tmp_path)  # the next call puts down what is waiting
    assert copy not in unpack_cache._in_use
