"""A folder that is thrown away, together with what the program keeps for later."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """A new folder among the temporary files, removed at the end with all that is in it.

    As long as the block lasts, unpacked recordings go into it instead of the user's cache.
    """
    with tempfile.TemporaryDirectory(prefix=f"crossl-{name}-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        before = os.environ.get("CROSSL_CACHE_DIR")
        os.environ["CROSSL_CACHE_DIR"] = str(folder / ".cache")
        try:
            yield folder
        finally:
            if before is None:
                os.environ.pop("CROSSL_CACHE_DIR", None)
            else:
                os.environ["CROSSL_CACHE_DIR"] = before
