"""A folder that is thrown away, together with what the program and torch keep for later."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """A new folder among the temporary files, removed at the end with all that is in it.

    As long as the block lasts, unpacked recordings go into it instead of the user's cache, and so
    does the folder that torch makes for compiled code, of which this program has none, when the
    first optimiser is made.
    """
    with tempfile.TemporaryDirectory(prefix=f"crossl-{name}-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        places = {
            "CROSSL_CACHE_DIR": str(folder / ".cache"),
            "TORCHINDUCTOR_CACHE_DIR": os.environ.get(
                "TORCHINDUCTOR_CACHE_DIR", str(folder / ".torch")
            ),
        }
        before = {variable: os.environ.get(variable) for variable in places}
        os.environ.update(places)
        try:
            yield folder
        finally:
            for variable, value in before.items():
                if value is None:
                    os.environ.pop(variable, None)
                else:
                    os.environ[variable] = value
