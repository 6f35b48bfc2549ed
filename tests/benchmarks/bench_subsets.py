"""Class probabilities under all subsets of the modalities over one plain prediction pass.

Plain pass: scaling, encoding and head for every window. All subsets: scaling and encoding once,
then the head for each of the subsets, the full one included. Reading is not counted. The
`recommended` model on the phone-and-watch recordings, with fresh weights: time does not depend on
them.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch
from bench_encoder import side_by_side
from figures import WINDOW_S, Figure, at_most, night_config, write_night

from core.classifier import Classifier, Embedded, embed, neighbours_in_time
from core.config import RunConfig, load_run_file
from core.model import CrosslModel
from core.progress import RunContext
from core.robustness import SubsetPredictions, plan_subsets, predict_subsets
from core.scaling import Scaling
from core.study_data import StudyData, load_study

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "resources" / "examples" / "har_phone_watch.json"


def phone_watch_folder() -> Path | None:
    """`data/har_phone_watch` below `CROSSL_SHARED`, else below `shared` beside the checkout."""
    shared = Path(os.environ.get("CROSSL_SHARED") or REPOSITORY.parent / "shared")
    folder = shared / "data" / "har_phone_watch"
    return folder if folder.is_dir() else None


def load_data(cache: Path) -> tuple[str, RunConfig, StudyData]:
    """What is predicted: the phone-and-watch recordings, or else a simulated night."""
    folder = phone_watch_folder()
    if folder is None:
        write_night(cache / "night.edf", hours=2.0)
        config = night_config()
        assert config.windows.length_s == WINDOW_S
        name = "all_subsets_over_plain_pass (simulated night: no har_phone_watch here)"
        return name, config, load_study(config, cache, cache, [], RunContext())
    config = load_run_file(EXAMPLE)
    data = load_study(config, folder, cache, [], RunContext())
    return "all_subsets_over_plain_pass", config, data


def embed_all(model: CrosslModel, data: StudyData, scaling: Scaling, config: RunConfig) -> Embedded:
    """Embeddings of all windows, scaled and encoded."""
    windows = data.windows
    size = config.predict.batch_size
    z = []
    for start in range(0, len(windows), size):
        rows = np.arange(start, min(start + size, len(windows)))
        batch = windows.batch(rows, scaling)
        inputs = {name: torch.from_numpy(values) for name, values in batch.items()}
        z.append(embed(model, inputs, torch.from_numpy(windows.present[rows])))
    neighbours = neighbours_in_time(
        windows.recording_index,
        windows.starts_s,
        config.windows.step_s,
        config.finetune.context_windows,
    )
    return Embedded(torch.cat(z), torch.from_numpy(windows.present), neighbours)


def subsets_over_plain(rounds: int) -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        name, config, data = load_data(Path(folder))
        scaling = data.windows.fit_scaling(np.arange(len(data.windows)))
        model = CrosslModel.build(config.model, data.shapes, seed=0)
        classifier = Classifier(model, config.finetune, len(data.classes))
        plan = plan_subsets(len(data.shapes))

        def plain() -> np.ndarray:
            return classifier.probabilities(embed_all(model, data, scaling, config))

        def all_subsets() -> SubsetPredictions:
            embedded = embed_all(model, data, scaling, config)
            return predict_subsets(
                lambda keep: classifier.probabilities(embedded, keep),
                embedded.present.numpy(),
                len(data.classes),
                plan,
            )

        times = side_by_side(all_subsets, plain, rounds)
    ratio = statistics.median(ours / theirs for ours, theirs in times)
    return at_most(name, ratio, "s over s", 1.3)
