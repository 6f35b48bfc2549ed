"""How many labels 'label these 10 next' saves against labels drawn at random.

    python bench_suggest.py [RUN_FOLDER] [--data FOLDER] [--seeds 5] [--most 200]
                            [--within-training]

Labelling is simulated on a run's kept embeddings: in each fold, windows of training subjects are
labelled ten at a time, as `core.suggest` chooses them or at random, a linear head is trained on the
frozen encoders after each ten, and its predictions of the held-out subjects are pooled over the
folds. Encoders of a fold have never seen its test subjects, and nothing of these is used in
choosing. Without RUN_FOLDER, the phone-and-watch example is run first, into `build/suggest_run`
(about a quarter of an hour). Prints tables and writes `build/bench-suggest.json`.

`--within-training` measures inside the training subjects of each fold instead: a third of them in
turn is tested on. The way to choose was itself chosen by these figures.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

# `python -P` leaves the script's own folder out.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench_subsets import EXAMPLE, REPOSITORY, phone_watch_folder

from core.checkpoint import load_tensors
from core.classifier import Embedded, global_embeddings
from core.config import FinetuneConfig
from core.finetune import LabelledWindows, constant_classifier, finetune_frozen
from core.fold_embeddings import read_fold
from core.model import CrosslModel
from core.progress import RunContext
from core.run_results import RunResults
from core.saved_model import load_model
from core.seeding import derive_seed
from core.splits import draw_budget
from core.suggest import Method, Places, suggest

OUTPUT = REPOSITORY / "build" / "bench-suggest.json"
RUN = REPOSITORY / "build" / "suggest_run"
METHODS: tuple[Method, ...] = ("random", "uncertain_diverse", "uncertain")
BATCH = 10
TARGETS = (50, 100, 200)
"""What random labels reach with so many, the others are asked to reach."""
SHARES = (0.01, 0.05, 0.1)
"""The protocol's label budgets, drawn per class, which nobody could who has no labels yet."""
INNER_PARTS = 3


@dataclass(frozen=True, eq=False)
class Simulated:
    """One fold: its windows as its encoders see them, whom to label and whom to test.

    `pool` and `test` are rows that have a label and a recording; `background` those that may be
    seen without labels.
    """

    name: str
    number: int
    model: CrosslModel
    embedded: Embedded
    embedding: np.ndarray
    labels: np.ndarray
    subjects: np.ndarray
    places: Places
    pool: np.ndarray
    test: np.ndarray
    background: np.ndarray


@dataclass(frozen=True, eq=False)
class Curves:
    """What was predicted of the pooled test windows after each batch of labels.

    `confusions`: by method, int (draws, batches, subjects, classes, classes), rows the truth.
    """

    labels: np.ndarray
    confusions: dict[str, np.ndarray]

    def macro_f1(self, method: str) -> np.ndarray:
        """(draws, batches)."""
        return macro_f1(self.confusions[method].sum(axis=2))

    def mean(self, method: str) -> np.ndarray:
        return self.macro_f1(method).mean(axis=0)

    def labels_to_reach(self, method: str, aim: float) -> float | None:
        """Labels at which the mean curve first comes to `aim`, between batches by a straight
        line; None where it does not."""
        curve = self.mean(method)
        reached = np.flatnonzero(curve >= aim - 1e-12)
        if not len(reached):
            return None
        k = int(reached[0])
        if k == 0:
            return float(self.labels[0])
        share = (aim - curve[k - 1]) / (curve[k] - curve[k - 1])
        return float(self.labels[k - 1] + share * (self.labels[k] - self.labels[k - 1]))

    def gain_interval(self, method: str, resamples: int = 1000) -> np.ndarray:
        """95 % interval of the mean gain over random labels, by drawing subjects: (batches, 2)."""
        subjects = self.confusions[method].shape[2]
        rng = np.random.default_rng(0)
        gains = []
        for _ in range(resamples):
            weights = np.bincount(rng.integers(subjects, size=subjects), minlength=subjects)
            one, other = (
                macro_f1(np.einsum("dbsij,s->dbij", self.confusions[name], weights))
                for name in (method, "random")
            )
            gains.append(one.mean(axis=0) - other.mean(axis=0))
        return np.quantile(gains, [0.025, 0.975], axis=0).T


def macro_f1(confusions: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that occur: (..., classes, classes) to (...)."""
    hits = np.einsum("...ii->...i", confusions)
    truly, found = confusions.sum(axis=-1), confusions.sum(axis=-2)
    f1 = 2 * hits / np.maximum(truly + found, 1)
    return np.where(truly > 0, f1, 0).sum(axis=-1) / np.maximum((truly > 0).sum(axis=-1), 1)


def make_run(folder: Path, data: Path) -> None:
    """Run the example with kept embeddings, or go on with it; raises SystemExit if it fails."""
    from crossl_app.cli import run

    settings = ("predict.keep_embeddings=true", "evaluate.opponents=[]", "threads=1")
    options = [part for setting in settings for part in ("--set", setting)]
    command = ["--batch", str(EXAMPLE), "--output", str(folder), "--data-root", str(data)]
    status = run([*command, *options, *(["--resume"] if folder.exists() else [])])
    if status:
        raise SystemExit(status)


def load_folds(folder: Path) -> tuple[list[Simulated], FinetuneConfig, tuple[str, ...]]:
    """The folds of a finished run, the settings of its head, its classes."""
    results = RunResults(folder)
    saved = load_model(folder / "model")
    folds = []
    for number, path in enumerate(sorted((folder / "embeddings").glob("*.safetensors"))):
        kept = read_fold(path)
        windows = [results.windows(name) for name in kept.recordings]
        subjects = np.repeat([part.subject for part in windows], kept.counts)
        labels = np.concatenate([part.labels for part in windows])
        model = CrosslModel.build(saved.config.model, saved.shapes, seed=0)
        tensors, _ = load_tensors(folder / "checkpoints" / f"pretrain-own-{kept.fold}.safetensors")
        weights = {
            key.removeprefix("model/"): value
            for key, value in tensors.items()
            if key.startswith("model/")
        }
        model.load_state_dict({key: weights[key] for key in model.state_dict()})
        model.eval()
        embedded = Embedded(
            torch.from_numpy(kept.z),
            torch.from_numpy(kept.present),
            torch.zeros((len(labels), 0), dtype=torch.long),
        )
        usable = kept.present.any(axis=1)
        scored = usable & (labels >= 0)
        folds.append(
            Simulated(
                name=kept.fold,
                number=number,
                model=model,
                embedded=embedded,
                embedding=global_embeddings(model, embedded),
                labels=labels,
                subjects=subjects,
                places=Places(kept.recording_index, kept.starts_s, windows[0].length_s),
                pool=np.flatnonzero(scored & np.isin(subjects, kept.train_subjects)),
                test=np.flatnonzero(scored & np.isin(subjects, kept.test_subjects)),
                background=np.flatnonzero(usable & np.isin(subjects, kept.pretrain_subjects)),
            )
        )
    return folds, saved.config.finetune, saved.classes


def within_training(folds: list[Simulated]) -> list[list[Simulated]]:
    """Each part is a list of folds in which a third of the training subjects is tested on."""
    parts = []
    for part in range(INNER_PARTS):
        inner = []
        for fold in folds:
            names = np.unique(fold.subjects[fold.pool])
            tested = np.isin(fold.subjects[fold.pool], names[part::INNER_PARTS])
            inner.append(replace(fold, pool=fold.pool[~tested], test=fold.pool[tested]))
        parts.append(inner)
    return parts


def predict(
    fold: Simulated, rows: np.ndarray, config: FinetuneConfig, classes: int, seed: int
) -> tuple[np.ndarray, bool]:
    """Probabilities of all windows by a head trained on these rows, and whether it is one: from
    one class nothing can be learnt but that class."""
    labels = fold.labels[rows]
    if len(np.unique(labels)) < 2:
        constant = constant_classifier(fold.model, config, labels, classes)
        return constant.probabilities(fold.embedded), False
    chosen = LabelledWindows(
        rows, labels, fold.subjects[rows], fold.places.recording_index[rows].astype(str)
    )
    head = finetune_frozen(
        fold.model, fold.embedded, chosen, config, classes,
        background=fold.background, seed=seed, context=RunContext(),
    )  # fmt: skip
    return head.probabilities(fold.embedded), True


def simulate(
    fold: Simulated, method: Method, seed: int, most: int, config: FinetuneConfig, classes: int
) -> list[np.ndarray]:
    """Predicted classes of the test windows after each batch of labels."""
    allowed = np.zeros(len(fold.labels), bool)
    allowed[fold.pool] = True
    labelled = np.zeros(len(fold.labels), bool)
    probabilities: np.ndarray | None = None
    predicted = []
    for batch in range(most // BATCH):
        rows = suggest(
            fold.embedding,
            probabilities,
            labelled,
            allowed,
            BATCH,
            places=fold.places,
            method=method,
            seed=derive_seed(seed, fold.name, batch),
        )
        labelled[rows] = True
        found, learnt = predict(fold, np.flatnonzero(labelled), config, classes, seed)
        probabilities = found if learnt else None
        predicted.append(found[fold.test].argmax(axis=1))
    return predicted


def confusion(folds: list[Simulated], predicted: list[np.ndarray], classes: int) -> np.ndarray:
    """Of the pooled test windows by subject, int (subjects, classes, classes)."""
    truth = np.concatenate([fold.labels[fold.test] for fold in folds])
    names = np.concatenate([fold.subjects[fold.test] for fold in folds])
    subjects, subject = np.unique(names, return_inverse=True)
    counts = np.zeros((len(subjects), classes, classes), np.int64)
    np.add.at(counts, (subject, truth, np.concatenate(predicted)), 1)
    return counts


def measure(
    folds: list[Simulated], config: FinetuneConfig, classes: int, seeds: int, most: int
) -> Curves:
    """Curves of all methods, pooled over the folds."""
    confusions: dict[str, np.ndarray] = {}
    for method in METHODS:
        draws = []
        for seed in range(seeds):
            found = [simulate(fold, method, seed, most, config, classes) for fold in folds]
            batches = zip(*found, strict=True)
            draws.append([confusion(folds, list(batch), classes) for batch in batches])
        confusions[method] = np.array(draws)
    return Curves(np.arange(BATCH, most + 1, BATCH), confusions)


def pooled_parts(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Parts of the training subjects, each of which was tested in its turn, put together."""
    return {method: np.concatenate([part[method] for part in parts], axis=2) for method in METHODS}


def drawn_per_class(
    folds: list[Simulated], config: FinetuneConfig, classes: int, seeds: int
) -> list[dict[str, float]]:
    """The protocol's budgets with the same head: rows of labels, mean and deviation."""
    rows = []
    for share in SHARES:
        figures, counts = [], []
        for seed in range(seeds):
            predicted = []
            for fold in folds:
                drawn = draw_budget(fold.labels, fold.pool, share, seed, classes, fold=fold.number)
                counts.append(len(drawn))
                predicted.append(
                    predict(fold, drawn, config, classes, seed)[0][fold.test].argmax(axis=1)
                )
            figures.append(float(macro_f1(confusion(folds, predicted, classes).sum(axis=0))))
        rows.append(
            {
                "share": share,
                "labels": float(np.mean(counts)),
                "macro_f1": float(np.mean(figures)),
                "macro_f1_sd": float(np.std(figures, ddof=1)) if seeds > 1 else 0.0,
            }
        )
    return rows


def savings(curves: Curves) -> list[dict[str, object]]:
    """Labels that each method needs for what random ones reach."""
    rows: list[dict[str, object]] = []
    for target in TARGETS:
        if target > curves.labels[-1]:
            continue
        aim = float(curves.mean("random")[target // BATCH - 1])
        needs = {method: curves.labels_to_reach(method, aim) for method in METHODS[1:]}
        rows.append({"random_labels": target, "macro_f1": aim, "labels_needed": needs})
    return rows


def show(curves: Curves, stratified: list[dict[str, float]], console: Console) -> None:
    heads = ("labels", *METHODS, "uncertain_diverse − random, 95 %")
    table = Table(*heads, title="macro F1, mean ± sd over draws")
    draws = {method: curves.macro_f1(method) for method in METHODS}
    interval = curves.gain_interval("uncertain_diverse")
    for k, labels in enumerate(curves.labels):
        cells = []
        for method in METHODS:
            values = draws[method][:, k]
            deviation = values.std(ddof=1) if len(values) > 1 else 0.0
            cells.append(f"{values.mean():.3f} ± {deviation:.3f}")
        gain = draws["uncertain_diverse"][:, k].mean() - draws["random"][:, k].mean()
        low, high = interval[k]
        table.add_row(str(labels), *cells, f"{gain:+.3f} ({low:+.3f} to {high:+.3f})")
    console.print(table)
    needed = Table("random labels", "their macro F1", *METHODS[1:], title="labels needed for it")
    for row in savings(curves):
        counts = row["labels_needed"]
        assert isinstance(counts, dict)
        cells = ["not reached" if n is None else f"{n:.0f}" for n in counts.values()]
        needed.add_row(str(row["random_labels"]), f"{row['macro_f1']:.3f}", *cells)
    console.print(needed)
    if stratified:
        drawn = Table("share", "labels", "macro F1", title="drawn per class, as in the protocol")
        for line in stratified:
            figure = f"{line['macro_f1']:.3f} ± {line['macro_f1_sd']:.3f}"
            drawn.add_row(f"{line['share']:.0%}", f"{line['labels']:.0f}", figure)
        console.print(drawn)


def main() -> None:
    parser = argparse.ArgumentParser(description="Labels that suggestions save.")
    parser.add_argument("run", nargs="?", type=Path, help="a run with kept embeddings")
    parser.add_argument("--data", type=Path, help="folder of har_phone_watch")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--most", type=int, default=200, help="labels at the end")
    parser.add_argument("--within-training", action="store_true")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120, soft_wrap=False)
    started = time.perf_counter()
    run = options.run
    if run is None:
        data = options.data or phone_watch_folder()
        if data is None:
            parser.error("there is no har_phone_watch here: name its folder with --data")
        run = RUN
        if not (run / "report.json").exists():
            make_run(run, data)
    torch.set_num_threads(1)
    folds, config, classes = load_folds(run)
    count = len(classes)
    stratified: list[dict[str, float]] = []
    if options.within_training:
        parts = [
            measure(part, config, count, options.seeds, options.most)
            for part in within_training(folds)
        ]
        curves = Curves(parts[0].labels, pooled_parts([part.confusions for part in parts]))
    else:
        curves = measure(folds, config, count, options.seeds, options.most)
        stratified = drawn_per_class(folds, config, count, options.seeds)
    show(curves, stratified, console)
    document = {
        "run": run.name,
        "within_training": options.within_training,
        "seeds": options.seeds,
        "labels": curves.labels.tolist(),
        "macro_f1": {method: curves.macro_f1(method).tolist() for method in METHODS},
        "gain_interval": curves.gain_interval("uncertain_diverse").tolist(),
        "savings": savings(curves),
        "drawn_per_class": stratified,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "seconds": round(time.perf_counter() - started),
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    console.print(f"{document['seconds']} s; written to {OUTPUT}")


if __name__ == "__main__":
    main()
