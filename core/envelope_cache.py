"""Pyramids of channels kept on disk, so that a recording opens the second time without building.

A pyramid lies under a name made from the content of its files, the readers' settings, derivation
and filter, so that a change of any of them finds nothing, and a moved file finds its pyramids; no
name of a person appears there. The folder is a study's `cache`, or `envelopes` in the user's cache
folder (see `unpack_cache`). It is kept below CROSSL_ENVELOPE_LIMIT_MB (4096) by removing what was
used longest ago. Where it cannot be written, pyramids stay in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from core.envelope import FACTOR, LEVELS, Pyramid
from core.errors import ConfigError
from core.montage import DisplayChannel
from core.recording import SignalFile
from core.unpack_cache import cache_folder
from core.version import __version__

FORMAT = 1
LIMIT_MB = 4096.0
_MAGIC = b"CROSSLEN"
_HEADER_BYTES = 4096
_ENDING = ".envelope"
_PART = ".part"
_NAME = re.compile(r"[0-9a-f]{32}\.envelope")
_AT_ONCE = 1 << 20
_SPARE_BYTES = 64 << 20  # of the disk, left to others
_FRESH_S = 60.0  # another process may be about to map what it has just found
_STALE_S = 86400.0  # a half-written file of that age was left behind by a process that ended
_TASTE = 4096  # samples


class EnvelopeCache:
    """A folder of pyramids. Raises ConfigError where CROSSL_ENVELOPE_LIMIT_MB is no number."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder() / "envelopes"
        self.limit_bytes = _limit_bytes()
        self._prints: dict[tuple[str, int, int], str] = {}
        self._tastes: dict[tuple[int, int], tuple[SignalFile, list[object]]] = {}
        self._in_use: weakref.WeakValueDictionary[str, Pyramid] = weakref.WeakValueDictionary()

    def key(self, channel: DisplayChannel) -> str | None:
        """The name under which a channel's pyramid is kept; None where its file is gone."""
        try:
            inputs = [
                (self._print(source.file), source.offset_s, self._taste(source.file, number))
                for source, number in channel.inputs
            ]
        except OSError:
            return None
        parts = [FORMAT, __version__, inputs, channel.reads, channel.unit]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()

    def load(self, key: str, samples: int) -> Pyramid | None:
        """A whole pyramid for a channel of so many samples, mapped into memory; None if there is
        none. A damaged one is removed."""
        path = self.folder / f"{key}{_ENDING}"
        try:
            with path.open("rb") as file:
                whole = _is_whole(file, key, samples)
        except OSError:  # none, or one that cannot be read
            return None
        if not whole:
            _try_to_remove(path)
            return None
        with suppress(OSError):  # a folder that cannot be written is still good to read
            os.utime(path)
        return self._mapped(path, samples)

    def store(self, key: str, pyramid: Pyramid) -> Pyramid | None:
        """Keep a pyramid; returns it mapped into memory. None where there is no place for it."""
        size = _HEADER_BYTES + sum(level.nbytes for level in pyramid.levels)
        if size > self.limit_bytes:
            return None
        path = self.folder / f"{key}{_ENDING}"
        part: str | None = None
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if shutil.disk_usage(self.folder).free < size + _SPARE_BYTES:
                return None
            handle, part = tempfile.mkstemp(prefix=f"{key}-", suffix=_PART, dir=self.folder)
            with os.fdopen(handle, "wb") as file:
                _write(file, key, pyramid)
            os.replace(part, path)
        except OSError:  # no error for the user: the pyramid stays in memory
            if part is not None:
                Path(part).unlink(missing_ok=True)
            return None
        mapped = self._mapped(path, _samples(pyramid))
        self._make_room()
        return mapped

    def _mapped(self, path: Path, samples: int) -> Pyramid | None:
        try:
            values = np.memmap(path, "<f4", "r", offset=_HEADER_BYTES).view(np.ndarray)
        except (OSError, ValueError):  # removed by another process
            return None
        pyramid = Pyramid.cut(values, samples)
        self._in_use[path.name] = pyramid
        return pyramid

    def _taste(self, file: SignalFile, number: int) -> list[object]:
        # Channels with an average reference have all the others as inputs, each of them.
        known = self._tastes.get((id(file), number))
        if known is None:
            self._tastes[id(file), number] = known = (file, _taste(file, number))
        return known[1]

    def _print(self, file: SignalFile) -> str:
        """Hash of a file's size, time of change, and first and last MiB: cheap for long files."""
        status = file.path.stat()
        known = (str(file.path), status.st_size, status.st_mtime_ns)
        if known not in self._prints:
            digest = hashlib.blake2b(f"{status.st_size} {status.st_mtime_ns}".encode())
            with file.path.open("rb") as stream:
                digest.update(stream.read(_AT_ONCE))
                stream.seek(max(0, status.st_size - _AT_ONCE))
                digest.update(stream.read(_AT_ONCE))
            self._prints[known] = digest.hexdigest()
        return self._prints[known]

    def _make_room(self) -> None:
        """Remove what was used longest ago until the pyramids take at most the limit."""
        now = time.time()
        kept: list[tuple[float, int, Path]] = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if _NAME.fullmatch(entry.name):
                        status = entry.stat()
                        kept.append((status.st_mtime, status.st_size, Path(entry.path)))
                    elif entry.name.endswith(_PART) and now - entry.stat().st_mtime > _STALE_S:
                        _try_to_remove(Path(entry.path))
        except OSError:  # another process was faster; the next pyramid makes room
            return
        total = sum(size for _, size, _ in kept)
        for used, size, path in sorted(kept):
            if total <= self.limit_bytes:
                return
            in_use = path.name in self._in_use or now - used <= _FRESH_S
            if not in_use and _try_to_remove(path):
                total -= size


def _limit_bytes() -> int:
    text = os.environ.get("CROSSL_ENVELOPE_LIMIT_MB", "")
    try:
        return int((float(text) if text else LIMIT_MB) * (1 << 20))
    except (ValueError, OverflowError):
        raise ConfigError(
            f"CROSSL_ENVELOPE_LIMIT_MB is '{text}', which is not a number of megabytes."
        ) from None


def _taste(file: SignalFile, number: int) -> list[object]:
    """What the reader makes of a channel, with a few of its samples: they change with the
    settings that the file is read with, whatever these are."""
    channel = file.channels[number]
    digest = hashlib.blake2b(digest_size=16)
    for start in np.linspace(0, max(0, channel.samples - _TASTE), 3).astype(int):
        digest.update(file.read(number, int(start), int(start) + _TASTE).tobytes())
    return [file.format, channel.label, channel.unit, channel.rate_hz, channel.samples,
            channel.calibrated, digest.hexdigest()]  # fmt: skip


# ---------------------------------------------------------------- the file


def _samples(pyramid: Pyramid) -> int:
    """A number of samples that has as many bins."""
    return int(pyramid.levels[0].shape[1]) * FACTOR


def _write(file: BinaryIO, key: str, pyramid: Pyramid) -> None:
    levels = [np.ascontiguousarray(level, "<f4") for level in pyramid.levels]
    digest = hashlib.blake2b(digest_size=16)
    for level in levels:
        digest.update(level.data)
    header = json.dumps(
        {
            "format": FORMAT,
            "key": key,
            "factor": FACTOR,
            "levels": LEVELS,
            "bins": [int(level.shape[1]) for level in levels],
            "digest": digest.hexdigest(),
        }
    ).encode()
    file.write((_MAGIC + len(header).to_bytes(4, "little") + header).ljust(_HEADER_BYTES, b"\0"))
    for level in levels:
        file.write(level.data)


def _is_whole(file: BinaryIO, key: str, samples: int) -> bool:
    """Whether a file is what was written under that key. Reads all of it, but keeps nothing."""
    head = file.read(_HEADER_BYTES)
    length = int.from_bytes(head[len(_MAGIC) : len(_MAGIC) + 4], "little")
    begin = len(_MAGIC) + 4
    try:
        header = json.loads(head[begin : begin + length])
    except ValueError:
        return False
    bins = list(Pyramid.bins(samples))
    wanted = {"format": FORMAT, "key": key, "factor": FACTOR, "levels": LEVELS, "bins": bins}
    if head[: len(_MAGIC)] != _MAGIC or not isinstance(header, dict):
        return False
    if {name: header.get(name) for name in wanted} != wanted:
        return False
    digest = hashlib.blake2b(digest_size=16)
    size = 0
    while data := file.read(_AT_ONCE):
        digest.update(data)
        size += len(data)
    return size == 8 * sum(bins) and digest.hexdigest() == header.get("digest")


def _try_to_remove(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # in use by another process, or another user's: it stays
        return False
    return True
