"""Peak anonymous memory while a long EDF file is scored with a saved model, over the file's size.

Counted is what the process holds above its value after imports and model load; pages of the
mapped file are not counted, for the system can drop them at any time. Linux only: elsewhere there
is no such figure. Scoring happens in a process of its own, `python bench_memory.py MODEL NIGHT`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from figures import Figure, at_most, night_config

from core.classifier import Classifier
from core.modalities import choose_scheme
from core.model import CrosslModel
from core.open_recording import open_file
from core.progress import RunContext
from core.run_folder import RunFolder
from core.saved_model import SavedModel, load_model, save_model
from core.scaling import Scaling
from core.scoring import score_files
from core.study_data import model_shapes

STATUS = Path("/proc/self/status")
SAMPLING_S = 0.002


def anonymous_bytes() -> int:
    for line in STATUS.read_text().splitlines():
        if line.startswith("RssAnon:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"{STATUS} does not tell the anonymous memory")


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """The list's only entry is the largest anonymous memory seen so far, in bytes."""
    peak = [anonymous_bytes()]
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(SAMPLING_S):
            peak[0] = max(peak[0], anonymous_bytes())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def save_fresh_model(night: Path, folder: Path) -> Path:
    """A `recommended` model for such nights that has learned nothing: memory is the same."""
    config = night_config()
    scheme = choose_scheme(config.modalities, [open_file(night)])
    shapes = model_shapes(scheme, config.windows.length_s)
    assert config.labels is not None
    classes = tuple(config.labels.classes)
    model = CrosslModel.build(config.model, shapes, seed=0)
    scaling = Scaling(
        {shape.name: "train" for shape in shapes},
        {shape.name: np.zeros(shape.channels) for shape in shapes},
        {shape.name: np.ones(shape.channels) for shape in shapes},
    )
    classifier = Classifier(model, config.finetune, len(classes))
    saved = SavedModel(
        config,
        scheme,
        shapes,
        scaling,
        classes,
        model,
        classifier,
        typical={},
        about={"data": {"files": []}},
    )
    save_model(folder, saved)
    return folder


def score(model: Path, night: Path, folder: Path) -> int:
    """Score a night in this process; returns the growth of anonymous memory in bytes."""
    import pyedflib  # noqa: F401  # imported on first use otherwise

    saved = load_model(model)
    output = RunFolder(folder)
    output.prepare(resume=False, force=False)
    before = anonymous_bytes()
    with peak_memory() as peak:
        score_files(model, [night], output, {"recordings": []}, RunContext())
    del saved  # kept till here: it belongs to the value before
    return peak[0] - before


def memory_over_file_size(night: Path) -> Figure:
    name, unit, aim = "scoring_memory_over_file_size", "bytes over bytes", 1.0
    if not STATUS.exists() or "RssAnon:" not in STATUS.read_text():
        return at_most(name, None, unit, aim)
    with tempfile.TemporaryDirectory() as folder:
        model = save_fresh_model(night, Path(folder) / "model")
        done = subprocess.run(
            [sys.executable, "-P", __file__, str(model), str(night)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            # The program itself may not be installed: the child finds it where this process did.
            env=os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        )
    return at_most(name, int(done.stdout) / night.stat().st_size, unit, aim)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scored:
        print(score(Path(sys.argv[1]), Path(sys.argv[2]), Path(scored) / "output"))
