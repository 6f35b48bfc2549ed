"""Make the sample study out of the seglearn 1.2.5 wheel: one gzip-compressed CSV per person.

    pip download --no-deps seglearn==1.2.5
    python resources/sample_study/convert_seglearn.py seglearn-1.2.5-py3-none-any.whl

A tool for whoever wants to check or renew the files in this folder; the program never runs it.
The data lie in the wheel as a pickled dict. It is read with an unpickler that knows the four numpy
and codecs functions which rebuild arrays, and nothing else, so that no code of the file is run.
"""

from __future__ import annotations

import argparse
import codecs
import gzip
import io
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

RATE_HZ = 50
# Between two series: longer than any sampling jitter, so that readers see a gap and no window
# spans two series.
GAP_S = 5.0
DECIMALS = 3
MEMBER = "seglearn/data/watch_dataset.npy"
COLUMNS = {
    "ax": "acc_x",
    "ay": "acc_y",
    "az": "acc_z",
    "wx": "gyro_x",
    "wy": "gyro_y",
    "wz": "gyro_z",
}


class _ArrayUnpickler(pickle.Unpickler):
    """Rebuilds dicts, lists and numpy arrays; refuses every other name with `UnpicklingError`."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if (module, name) == ("_codecs", "encode"):
            return codecs.encode
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name in (
            "_reconstruct",
            "scalar",
        ):
            return getattr(np._core.multiarray, name)
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of arrays")


def read_object_npy(raw: bytes) -> dict[str, Any]:
    """The dict inside a `.npy` file of one pickled object; `ValueError` for any other `.npy`."""
    stream = io.BytesIO(raw)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"expected npy format 1.0, found {version}")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    if shape != () or dtype != np.dtype(object):
        raise ValueError(f"expected one pickled object, found {dtype} of shape {shape}")
    # numpy writes the array of objects: a 0-d array that holds the dict.
    content = _ArrayUnpickler(stream, encoding="latin1").load()
    return content.item() if isinstance(content, np.ndarray) else content


def person_csv(series: list[np.ndarray], labels: list[str], names: list[str]) -> bytes:
    """CSV text of one person: elapsed time, six signals and the exercise on every sample.

    `series` holds arrays (samples, 6) at `RATE_HZ`, `names` their columns in order.
    """
    header = ",".join(["time_s", *(COLUMNS[name] for name in names), "label"])
    lines = [header]
    start_sample = 0
    for values, label in zip(series, labels, strict=True):
        for offset, row in enumerate(values):
            # Adding zero turns -0.000 into 0.000.
            numbers = ",".join(f"{round(x, DECIMALS) + 0.0:.{DECIMALS}f}" for x in row)
            lines.append(f"{(start_sample + offset) / RATE_HZ:.2f},{numbers},{label}")
        start_sample += len(values) + round(GAP_S * RATE_HZ)
    return ("\n".join(lines) + "\n").encode("ascii")


def write_gzip(path: Path, content: bytes) -> None:
    """Compressed without name and time, so that the same data give the same file."""
    with (
        path.open("wb") as out,
        gzip.GzipFile(filename="", mode="wb", fileobj=out, compresslevel=9, mtime=0) as packed,
    ):
        packed.write(content)


def convert(wheel: Path, folder: Path) -> list[Path]:
    """Write `subject_01.csv.gz` ... into `folder` and return the paths."""
    with zipfile.ZipFile(wheel) as archive:
        data = read_object_npy(archive.read(MEMBER))
    written = []
    for subject in np.unique(data["subject"]):
        (chosen,) = np.nonzero(data["subject"] == subject)
        content = person_csv(
            [data["X"][i] for i in chosen],
            [data["y_labels"][data["y"][i]] for i in chosen],
            list(data["X_labels"]),
        )
        path = folder / f"subject_{subject:02d}.csv.gz"
        write_gzip(path, content)
        written.append(path)
    return written


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="the file seglearn-1.2.5-py3-none-any.whl")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent, help="default: this folder"
    )
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for path in convert(arguments.wheel, arguments.output):
        print(f"{path}  {path.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
