"""gzip-compressed recordings, unpacked once into the user's cache.

Memory maps and readers that jump about need plain files. An unpacked copy lies in the cache folder
under a name made from the packed file's place, size and time of change, so that a changed file is
unpacked anew and no name of a person appears there. The folder is `crossl-app` among the user's
caches, or CROSSL_CACHE_DIR; it is kept below CROSSL_CACHE_LIMIT_MB (4096) by removing what was
used longest ago. Where it cannot be written, a temporary copy serves.
"""

from __future__ import annotations

import atexit
import errno
import gzip
import hashlib
import os
import re
import shutil
import tempfile
import threading
import time
import weakref
import zlib
from collections import Counter, deque
from pathlib import Path
from typing import BinaryIO

import platformdirs

from core.errors import ConfigError, RecordingError

_LIMIT_MB = 4096.0
_MAGIC = b"\x1f\x8b"
_AT_ONCE = 1 << 20
_LARGEST_RATIO = 1000
_RATIO_COUNTS_FROM = 1 << 24  # bytes: below, a bomb does no harm
_SPARE_BYTES = 64 << 20  # of the disk, left to others
_FRESH_S = 60.0  # another process may be about to open a copy that it was just given
_STALE_S = 86400.0  # a half-written copy of that age was left behind by a process that ended
_PART = ".part"
_COPY = re.compile(r"[0-9a-f]{32}-(\d+)(\.\w*)?")


class _KeyLock:
    """A lock that can be held weakly: it is gone when no thread unpacks that file."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


_lock = threading.Lock()
_key_locks: weakref.WeakValueDictionary[str, _KeyLock] = weakref.WeakValueDictionary()
_in_use: Counter[Path] = Counter()  # copies that this process was given and has not released
_temporary: set[Path] = set()
_released: deque[Path] = deque()


def unpacked(path: Path) -> Path:
    """The file itself, or an unpacked copy of it if it is gzip-compressed, whatever its name.

    The copy is made once and serves every later call, also of other processes. It is not removed
    while this process uses it: pass what this returns to `release` when it is no longer needed.
    Where the cache folder cannot be written the copy is a temporary file of its own, removed when
    it is released or the process ends. Raises RecordingError where the file cannot be read or
    unpacked or the disk is too small for it, ConfigError where CROSSL_CACHE_LIMIT_MB is no number.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            if stream.read(2) != _MAGIC:
                return path
        status = path.stat()
        place = path.resolve()
    except OSError as error:
        raise RecordingError(cannot_read(path, error)) from None
    limit = _limit_bytes()
    named = f"{place}|{status.st_size}|{status.st_mtime_ns}"
    key = hashlib.sha256(named.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    folder = cache_folder()
    with _lock:
        key_lock = _key_locks.setdefault(key, _KeyLock())
    with key_lock.lock:
        copy = _find(folder, key)
        if copy is not None:
            return copy
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f"{key}-", suffix=_PART, dir=folder)
        except OSError:  # the folder cannot be written
            return _temporary_copy(path)
        copy = _make(path, handle, Path(name), folder, key)
    _make_room(folder, limit)
    return copy


def release(path: Path) -> None:
    """Say that a copy that `unpacked` gave is no longer used; every other path is left alone."""
    _released.append(path)
    # Garbage collection may call this at any moment, also where this very thread holds the lock:
    # what is not put down now is with the next call.
    if _lock.acquire(blocking=False):
        try:
            _put_down_released()
        finally:
            _lock.release()


def _put_down_released() -> None:
    """Forget and remove what was released. Called with the lock held."""
    for _ in range(len(_released)):
        path = _released.popleft()
        if path in _in_use:
            _in_use[path] -= 1
            if _in_use[path] <= 0:
                del _in_use[path]
        # Windows removes no file that is still mapped: it is tried again when the process ends.
        if path in _temporary and _try_to_remove(path):
            _temporary.discard(path)


def cache_folder() -> Path:
    """Where unpacked copies lie: CROSSL_CACHE_DIR, or `crossl-app` among the user's caches."""
    named = os.environ.get("CROSSL_CACHE_DIR")
    if named:
        return Path(named).expanduser()
    return Path(platformdirs.user_cache_dir("crossl-app", appauthor=False))


def cannot_read(path: Path, error: OSError) -> str:
    """The sentence for a file that the system does not hand out."""
    if isinstance(error, FileNotFoundError):
        return f"{path}: there is no such file."
    if isinstance(error, IsADirectoryError) or path.is_dir():
        return f"{path}: this is a folder, not a recording."
    return f"{path}: the file cannot be read ({error.strerror or error})."


def _limit_bytes() -> int:
    text = os.environ.get("CROSSL_CACHE_LIMIT_MB", "")
    try:
        limit = float(text) if text else _LIMIT_MB
        return int(limit * (1 << 20))
    except (ValueError, OverflowError):
        raise ConfigError(
            f"CROSSL_CACHE_LIMIT_MB is '{text}', which is not a number of megabytes."
        ) from None


def _find(folder: Path, key: str) -> Path | None:
    """A whole copy that is there already, marked as used now."""
    try:
        names = [name for name in os.listdir(folder) if name.startswith(f"{key}-")]
    except OSError:  # no such folder yet
        return None
    for name in names:
        match = _COPY.fullmatch(name)
        copy = folder / name
        if match is None:
            continue
        with _lock:  # in use from here on, so that `_make_room` of another thread leaves it
            _in_use[copy] += 1
        try:
            os.utime(copy)
            if copy.stat().st_size == int(match.group(1)):  # it may have been cut off since
                return copy
        except OSError:  # removed by another process, or another user's: a copy of its own is made
            pass
        release(copy)
    return None


def _make(path: Path, handle: int, part: Path, folder: Path, key: str) -> Path:
    """Unpack into the open file `part` of the cache folder, and rename that when it is whole."""
    try:
        with os.fdopen(handle, "wb") as out:
            size = _unpack(path, out, folder)
        ending = Path(path.stem).suffix
        ending = ending if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", ending) else ""
        copy = folder / f"{key}-{size}{ending}"
        with _lock:
            _in_use[copy] += 1
        try:
            os.replace(part, copy)
        except OSError as error:
            release(copy)
            # Windows replaces no file that is open: then another process has made the same copy.
            found = _find(folder, key)
            if found is None:
                raise RecordingError(
                    f"{path}: the unpacked copy cannot be put into {folder} "
                    f"({error.strerror or error})."
                ) from None
            copy = found
    finally:
        part.unlink(missing_ok=True)
    return copy


def _temporary_copy(path: Path) -> Path:
    """A copy for this process alone, in the system's folder for temporary files."""
    try:
        handle, name = tempfile.mkstemp(prefix="crossl_", suffix=".edf")
    except OSError as error:
        raise RecordingError(
            f"{path}: there is no place to unpack it to ({error.strerror or error}); set "
            "CROSSL_CACHE_DIR to a folder that can be written."
        ) from None
    copy = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            _unpack(path, out, copy.parent)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    with _lock:
        _temporary.add(copy)
    return copy


@atexit.register
def _remove_temporary() -> None:
    for path in list(_temporary):
        release(path)


def _unpack(path: Path, out: BinaryIO, folder: Path) -> int:
    """Unpack into `out`, which lies in `folder`; returns the bytes written."""
    written = 0
    try:
        packed_bytes = path.stat().st_size
        room = max(shutil.disk_usage(folder).free - _SPARE_BYTES, 0)
        with gzip.open(path) as packed:
            while data := packed.read(_AT_ONCE):
                written += len(data)
                if written > max(_LARGEST_RATIO * packed_bytes, _RATIO_COUNTS_FROM):
                    raise RecordingError(
                        f"{path}: the file unpacks to more than {_LARGEST_RATIO} times its size, "
                        "as no recording does; it was not unpacked any further."
                    )
                if written > room:
                    raise RecordingError(_too_small(path, folder))
                _write(path, out, data, folder)
    except (OSError, EOFError, zlib.error) as error:
        raise RecordingError(f"{path}: the file cannot be unpacked ({error}).") from None
    return written


def _write(path: Path, out: BinaryIO, data: bytes, folder: Path) -> None:
    try:
        out.write(data)
        out.flush()
    except OSError as error:
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):  # no EDQUOT on Windows
            raise RecordingError(_too_small(path, folder)) from None
        raise


def _too_small(path: Path, folder: Path) -> str:
    return (
        f"{path}: the disk of {folder} has too little space left for the unpacked recording; make "
        "room there, or set CROSSL_CACHE_DIR to a folder on another disk."
    )


def _make_room(folder: Path, limit: int) -> None:
    """Remove what was used longest ago until the copies take at most `limit` bytes."""
    now = time.time()
    copies: list[tuple[float, int, Path]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            is_copy = _COPY.fullmatch(entry.name) is not None
            if not is_copy and not entry.name.endswith(_PART):
                continue
            try:
                status = entry.stat()
            except FileNotFoundError:  # another process was faster
                continue
            if is_copy:
                copies.append((status.st_mtime, status.st_size, Path(entry.path)))
            elif now - status.st_mtime > _STALE_S:
                _try_to_remove(Path(entry.path))
    total = sum(size for _, size, _ in copies)
    for used, size, copy in sorted(copies):
        if total <= limit:
            return
        with _lock:
            _put_down_released()
            # Under the lock: no thread may be given this copy between the question and the end.
            if copy not in _in_use and now - used > _FRESH_S and _try_to_remove(copy):
                total -= size


def _try_to_remove(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # in use by another process, or another user's: it stays
        return False
    return True
