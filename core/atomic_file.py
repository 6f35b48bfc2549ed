"""Files that are written whole or not at all: a reader sees the old content or the new."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from core.errors import OutputError

# The mask can only be read by setting it; done once, before there are threads.
UMASK = os.umask(0)
os.umask(UMASK)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A stream to a temporary file beside `path` that takes its place when the block ends well.

    Raises OutputError when the folder cannot be written or the disk is full.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~UMASK)
        os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        reason = error.strerror or str(error)
        raise OutputError(f"{path}: cannot be written ({reason}).") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file, and the folders it lies in. Raises OutputError as `replacing` does."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}).") from error
    with replacing(path) as stream:
        stream.write(content)


def refuse_to_replace(path: Path, force: bool) -> None:
    """OutputError when `path` is there already and `force` was not said."""
    if path.exists() and not force:
        raise OutputError(f"{path}: it is there already; choose another name, or say --force.")
