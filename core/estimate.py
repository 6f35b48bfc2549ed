"""How long a run will take, from trying each kind of its work for a moment on random data.

What is measured is the run's own code: the configured networks in their sizes, with the run's
threads, on windows of the right shapes. The rest is counting: epochs, batches, folds, label draws.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from core.classifier import Classifier, Embedded, embed, neighbours_in_time
from core.config import FinetuneConfig, Kind, ModelConfig, PretrainConfig, RunConfig
from core.dataset import iterate_windows
from core.device import choose_device, torch_session
from core.errors import CrosslError, DataError
from core.features import window_features
from core.find_recordings import FoundRecording, find_recordings, open_recording
from core.finetune import LabelledWindows, finetune_end_to_end, finetune_frozen
from core.fold import reference_config, supervised_config
from core.labels import label_columns, without_label_files
from core.modalities import choose_scheme, kind_of
from core.model import CrosslModel, ModalityShape
from core.opponents import FEATURE_OPPONENTS, TREES, FeatureOpponent, fit
from core.pretrain import DIAGNOSED_WINDOWS, Batch, pretrain
from core.progress import Cancelled, Progress, RunContext
from core.recording import Recording
from core.robustness import plan_subsets
from core.saved_model import load_model
from core.scaling import Scaling
from core.study_data import model_shapes, watched
from core.training_plan import TrainingPlan

MEASURED_S = 1.0
"""Seconds of pretraining that are tried; everything else is tried for less."""
SHORTLY_S = 0.3
SLOW_BATCH_S = 0.5
"""Batches that take longer are tried with fewer windows."""
MANY_LABELS, FEW_LABELS = 1500, 60
"""Labelled windows with which the training of heads and opponents is tried."""
TRIED_TREES = (4, 20)
ROUNDS = 100
"""Of gradient boosting, the library's own number."""
BLOCK_S = 120.0
"""Stretch of a recording that is read to see how long reading takes."""
FULL = 1.0
SCORE_S = 0.01
"""Of the figures of one model under one draw of labels, with their intervals."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class StudySize:
    """How much a run has to do.

    Attributes
    ----------
    recordings: number of them. windows: of all recordings, labelled or not.
    pretrain_windows: on the grid of pretraining. labelled: windows with a label. classes: number.
    fold_shares: of the windows, the share that each fold of the evaluation trains on.
    final_share: the share that the saved model is trained on.
    """

    recordings: int
    windows: int
    pretrain_windows: int
    labelled: int
    classes: int
    fold_shares: tuple[float, ...]
    final_share: float = 1.0

    @staticmethod
    def of_plan(plan: TrainingPlan, config: RunConfig) -> StudySize:
        """From a plan, which has counted windows and labels and dealt out the subjects."""
        windows = {subject.name: subject.windows for subject in plan.subjects}
        total = sum(windows.values())
        locked = sum(windows.get(name, 0) for name in config.evaluate.test_subjects)

        def share(names: Sequence[str]) -> float:
            return sum(windows.get(name, 0) for name in names) / max(total, 1)

        return StudySize(
            recordings=sum(subject.recordings for subject in plan.subjects),
            windows=total,
            pretrain_windows=_on_dense_grid(total, config),
            labelled=sum(sum(subject.labelled.values()) for subject in plan.subjects),
            classes=len(plan.classes),
            fold_shares=tuple(share(fold.pretrain_subjects) for fold in plan.folds),
            final_share=1.0 - locked / max(total, 1),
        )


@dataclass(frozen=True)
class Estimate:
    """Seconds by stage, in the order of a run; a stage that takes no time is left out."""

    stages: Mapping[str, float]

    @property
    def total_s(self) -> float:
        return sum(self.stages.values())

    def sentence(self) -> str:
        """How long, and what takes longest, in words."""
        if not self.stages:
            return "There is nothing to do."
        name, seconds = max(self.stages.items(), key=lambda item: item[1])
        return (
            f"About {rough_time(self.total_s)}, of which {name} about {rough_time(seconds)}. This "
            "is an estimate, from trying each step for a moment on this machine as busy as it is."
        )


def rough_time(seconds: float) -> str:
    """A time as one says it: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    hours, minutes = divmod(10 * round(seconds / 600), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def estimate_run(
    config: RunConfig,
    root: Path,
    context: RunContext,
    *,
    size: StudySize | None = None,
    pretraining_done: bool = False,
) -> Estimate:
    """How long the run of `config` on the recordings below `root` will take.

    Opens the first recording only (the next ones too where it lacks a modality). Without `size`
    the recordings are taken to be as long as their files are large, and all of them labelled.
    `pretraining_done`: every pretraining is there from an earlier run. Takes some seconds; raises
    Cancelled when asked to stop, CrosslError for what would stop the run itself.
    """
    bare = config.recordings.model_copy(update={"exclude": []})
    found = without_label_files(
        find_recordings(bare, root, label_columns(config.labels)),
        config.labels,
        root,
        listed={entry.id for entry in config.recordings.listed or ()},
    )
    if not found:
        raise DataError("There is no recording to estimate from.")
    if config.finetune.start_from is not None:
        start = load_model(Path(config.finetune.start_from))
        config = config.model_copy(update={"model": start.config.model})
        began = time.perf_counter()
        recording = watched(open_recording(found[0], config.recordings), context)
        scheme = start.scheme
    else:
        began = time.perf_counter()
        opened = _first_that_fit(found, config, context)
        scheme, recording = choose_scheme(config.modalities, opened), opened[0]
    opening_s = time.perf_counter() - began
    shapes = model_shapes(scheme, config.windows.length_s)
    kinds = {modality.name: kind_of(modality) for modality in scheme.modalities}
    share = _bytes(found[:1]) / max(_bytes(found), 1)
    stretches = []
    for block in iterate_windows(recording, scheme, config.windows, block_s=BLOCK_S):
        stretches.append((time.perf_counter(), len(block.windows)))
        if len(stretches) == 2:
            break
    # A text file is parsed as a whole by its first read.
    first_s = stretches[0][0] - began - opening_s
    block_s = stretches[-1][0] - stretches[0][0] if len(stretches) > 1 else first_s
    windows_s = block_s / max(stretches[-1][1], 1)
    if size is None:
        step = config.windows.step_s
        own = max(1, int((recording.duration_s - config.windows.length_s) / step) + 1)
        size = guessed_size(config, round(own / share), [one.subject for one in found])
    reading_s = len(found) * (opening_s + max(first_s - block_s, 0.0)) + size.windows * windows_s
    estimate = estimate_seconds(
        config, shapes, size, context, kinds=kinds, pretraining_done=pretraining_done
    )
    return Estimate({"reading": reading_s, **estimate.stages})


def guessed_size(config: RunConfig, windows: int, subjects: Sequence[str]) -> StudySize:
    """Numbers of windows where nothing but their total is known: all labelled, and as many of each
    recording, whose subjects are `subjects`."""
    people = sorted(set(subjects))
    locked = sum(name in config.evaluate.test_subjects for name in subjects) / len(subjects)
    folds = min(config.evaluate.folds, len(people))
    shares = (1.0 - 1.0 / max(folds, 2),) * folds if not locked else (1.0 - locked,)
    return StudySize(
        recordings=len(subjects),
        windows=windows,
        pretrain_windows=_on_dense_grid(windows, config),
        labelled=windows,
        classes=len(config.labels.classes) if config.labels and config.labels.classes else 5,
        fold_shares=shares if "evaluate" in config.steps else (),
        final_share=1.0 - locked,
    )


def estimate_seconds(
    config: RunConfig,
    shapes: Sequence[ModalityShape],
    size: StudySize,
    context: RunContext,
    *,
    kinds: Mapping[str, Kind] | None = None,
    pretraining_done: bool = False,
    clock: Clock = time.perf_counter,
) -> Estimate:
    """How long everything but reading will take on windows of these shapes.

    `kinds`: what modalities measure, by name. `pretraining_done`: every pretraining is there from
    an earlier run. `clock` in seconds. Raises Cancelled when asked to stop.
    """
    choice = choose_device(config.device)
    with torch_session(config.threads, choice.device), torch.random.fork_rng(devices=[]):
        return _Trial(config, shapes, size, context, kinds or {}, choice.device, clock).estimate(
            pretraining_done
        )


def _on_dense_grid(windows: int, config: RunConfig) -> int:
    hop = config.windows.pretrain_hop_s
    return windows if hop is None else round(windows * config.windows.step_s / hop)


def _bytes(found: Sequence[FoundRecording]) -> int:
    return sum(path.stat().st_size for one in found for path in one.paths if path.exists())


def _first_that_fit(
    found: Sequence[FoundRecording], config: RunConfig, context: RunContext
) -> list[Recording]:
    """The first recordings that can be opened and have every modality between them."""
    opened: list[Recording] = []
    problem: CrosslError | None = None
    for one in found:
        context.look()
        try:
            opened.append(watched(open_recording(one, config.recordings), context))
            choose_scheme(config.modalities, opened)
            return opened
        except CrosslError as error:
            problem = error
    assert problem is not None
    raise problem


# ---------------------------------------------------------------- trying


class _RandomWindows:
    """Windows of random numbers that are cut out and scaled as those of recordings are."""

    def __init__(self, shapes: Sequence[ModalityShape], seed: int = 0) -> None:
        generator = np.random.default_rng(seed)
        self.shapes = shapes
        self._signals = [
            generator.standard_normal((shape.channels, 2 * shape.samples), np.float32)
            for shape in shapes
        ]
        ones = {shape.name: np.ones(shape.channels) for shape in shapes}
        zeros = {shape.name: np.zeros(shape.channels) for shape in shapes}
        self._scaling = Scaling({shape.name: "train" for shape in shapes}, zeros, ones)

    def gather(self, indices: np.ndarray, number: int) -> np.ndarray:
        """float32 (windows, channels, samples) of a modality."""
        shape, signal = self.shapes[number], self._signals[number]
        views = sliding_window_view(signal, shape.samples, axis=1).swapaxes(0, 1)
        return views[(indices * 7919) % len(views)]

    def fetch(self, indices: np.ndarray) -> tuple[Batch, torch.Tensor]:
        """As `fold.fetcher` gives them."""
        batch = {}
        for number, shape in enumerate(self.shapes):
            values = self.gather(indices, number)
            batch[shape.name] = torch.from_numpy(self._scaling.apply(shape.name, values, values))
        return batch, torch.ones(len(indices), len(self.shapes), dtype=torch.bool)


class _Trial:
    """Measures the parts of a run, and adds them up."""

    def __init__(
        self,
        config: RunConfig,
        shapes: Sequence[ModalityShape],
        size: StudySize,
        context: RunContext,
        kinds: Mapping[str, Kind],
        device: torch.device,
        clock: Clock,
    ) -> None:
        self.config = config
        self.shapes = shapes
        self.size = size
        self.context = context
        self.kinds = kinds
        self.device = device
        self.clock = clock
        self.windows = _RandomWindows(shapes)
        self.stages: dict[str, float] = {}
        self._tried = 0

    def estimate(self, pretraining_done: bool) -> Estimate:
        config, size = self.config, self.size
        trainings = [*size.fold_shares, size.final_share]
        model = self._model(config.model)
        encoding_s = self._encoding(model)
        if "pretrain" in config.steps and not pretraining_done:
            self._add("pretraining", self._pretraining(config, trainings, encoding_s))
        self._add("encoding", len(trainings) * size.windows * encoding_s)
        if "finetune" not in config.steps:
            return Estimate(self.stages)
        self._add("fine-tuning", self._fine_tuning(model, encoding_s, trainings))
        subset_s = self._subsets(model)
        tested = size.windows if size.fold_shares else 0
        self._add("predictions", subset_s * (size.windows + tested))
        if size.fold_shares:
            self._opponents(model, encoding_s)
            models = 1 + len(config.evaluate.opponents) + 2 * config.evaluate.adapt
            self._add("evaluation", SCORE_S * models * len(self._draws(FULL)))
        return Estimate(self.stages)

    def _add(self, stage: str, seconds: float) -> None:
        if seconds > 0:
            self.stages[stage] = self.stages.get(stage, 0.0) + seconds

    def _note(self) -> None:
        """Tell that something else is tried now, and look whether to stop."""
        self._tried += 1
        self.context.step("trying how long it takes", self._tried)

    def _model(self, config: ModelConfig, pretraining: PretrainConfig | None = None) -> CrosslModel:
        return CrosslModel.build(config, self.shapes, 0, pretraining)

    def _draws(self, share: float) -> list[int]:
        """Labelled windows of every draw of a training that sees a share of all windows."""
        evaluate = self.config.evaluate
        labels = share * self.size.labelled
        return [
            max(2 * self.size.classes, round(budget * labels))
            for budget in sorted({*evaluate.budgets, FULL})
            for _ in range(1 if budget == FULL else evaluate.budget_seeds)
        ]

    # -- networks

    def _pretraining(self, run: RunConfig, shares: Sequence[float], encoding_s: float) -> float:
        """Of all trainings; after each epoch some windows are encoded to be looked at."""
        config, total = run.pretrain, 0.0
        batch_s: dict[int, float] = {}
        for share in shares:
            windows = int(share * self.size.pretrain_windows)
            batch = max(2, min(config.batch_size, windows))
            if batch not in batch_s:
                batch_s[batch] = self._pretraining_batch(run.model, config, batch)
            epoch_s = max(1, windows // batch) * batch_s[batch]
            total += config.epochs * (epoch_s + min(windows, DIAGNOSED_WINDOWS) * encoding_s)
        return total

    def _pretraining_batch(self, model: ModelConfig, config: PretrainConfig, batch: int) -> float:
        """Seconds of one batch; of fewer windows where a batch is slow, and more then counted."""

        def train(windows: int, budget_s: float) -> float:
            def work(context: RunContext) -> None:
                endless = config.model_copy(
                    update={"epochs": 10**6, "batch_size": windows, "patience": None}
                )
                pretrain(
                    self._model(model, endless), self.windows.fetch, np.arange(10**4 * windows),
                    endless, seed=0, device=self.device, context=context,
                )  # fmt: skip

            return self._step_s(work, budget_s)

        few = min(batch, 16)
        tried = train(few, SHORTLY_S)
        if tried * batch / few > SLOW_BATCH_S:
            windows = max(few, min(batch, int(few * SLOW_BATCH_S / tried)))
            if windows > few:
                few, tried = windows, train(windows, MEASURED_S)
            return tried * batch / few
        return train(batch, MEASURED_S) if batch > few else tried

    def _step_s(self, work: Callable[[RunContext], None], budget_s: float) -> float:
        """Median seconds between two reports of work that goes on until it is stopped.

        The first step is left out: memory is taken and kernels are chosen in it.
        """
        stamps: list[float] = []

        def report(progress: Progress) -> None:
            if progress.stage and not progress.milestone:
                stamps.append(self.clock())

        return self._stopped_after(work, budget_s, report, stamps)

    def _look_s(self, work: Callable[[RunContext], object]) -> float:
        """Median seconds between two looks of work that looks once in every step."""
        stamps: list[float] = []

        def looked() -> bool:
            stamps.append(self.clock())
            return False

        return self._stopped_after(work, SHORTLY_S, lambda progress: None, stamps, looked)

    def _stopped_after(
        self,
        work: Callable[[RunContext], object],
        budget_s: float,
        report: Callable[[Progress], None],
        stamps: list[float],
        looked: Callable[[], bool] = lambda: False,
    ) -> float:
        self._note()

        def enough() -> bool:
            looked()
            if len(stamps) > 2 and stamps[-1] - stamps[0] >= budget_s:
                return True
            return self.context.should_stop()

        try:
            work(RunContext(report, enough))
        except Cancelled:
            self.context.look()
        steps = np.diff(stamps)
        return float(np.median(steps[1:] if len(steps) > 1 else steps)) if len(steps) else 0.0

    def _encoding(self, model: CrosslModel) -> float:
        """Seconds to encode a window."""
        return self._each_s(lambda rows: embed(model, *self.windows.fetch(rows)))

    def _each_s(self, work: Callable[[np.ndarray], object]) -> float:
        """Seconds that work takes for each of the windows whose numbers it gets."""
        self._note()
        work(np.arange(2))
        count = 4
        while True:
            self.context.look()
            began = self.clock()
            work(np.arange(count))
            seconds = self.clock() - began
            if seconds >= SHORTLY_S / 2 or count >= self.config.predict.batch_size:
                return seconds / count
            count = min(4 * count, self.config.predict.batch_size)

    def _end_to_end(self, model: CrosslModel, config: FinetuneConfig, labels: int) -> float:
        """Training with `labels` labels, half of the epochs: it mostly stops early."""
        batch = max(2, min(config.batch_size, labels))
        endless = config.model_copy(
            update={"epochs": 10**6, "validation_share": 0.5, "patience": 10**6}
        )
        chosen = self._labelled(max(4 * batch, 4 * self.size.classes))

        def work(context: RunContext) -> None:
            finetune_end_to_end(
                model, self.windows.fetch, chosen, endless, self.size.classes,
                seed=0, device=self.device, context=context,
            )  # fmt: skip

        return 0.5 * config.epochs * (labels / batch) * self._step_s(work, SHORTLY_S)

    # -- heads and opponents

    def _labelled(self, count: int) -> LabelledWindows:
        """So many windows of five people, all classes in turn."""
        numbers = np.arange(count)
        people = numbers * 5 // count
        return LabelledWindows(
            numbers, numbers % self.size.classes, np.array([f"s{k}" for k in people]), people
        )

    def _embedded(self, model: CrosslModel, count: int) -> Embedded:
        """Embeddings in which the classes differ, though not without errors."""
        generator = torch.Generator().manual_seed(0)
        shape = (len(self.shapes), model.code)
        centres = torch.randn(self.size.classes, *shape, generator=generator)
        labels = torch.arange(count) % self.size.classes
        z = 0.3 * centres[labels] + torch.randn(count, *shape, generator=generator)
        reach = self.config.finetune.context_windows
        neighbours = neighbours_in_time(
            np.zeros(count, int), np.arange(count, dtype=float), 1, reach
        )
        return Embedded(z, torch.ones(count, len(self.shapes), dtype=torch.bool), neighbours)

    def _line(self, seconds_of: Callable[[int], float]) -> Callable[[int], float]:
        """Seconds of a training by its number of labels: a straight line through two trials."""
        few, many = FEW_LABELS, max(2 * FEW_LABELS, min(MANY_LABELS, self.size.labelled))
        self._note()
        first = seconds_of(few)
        self._note()
        slope = max(seconds_of(many) - first, 0.0) / (many - few)
        return lambda count: first + slope * max(count - few, 0)

    def _heads(self, model: CrosslModel, config: FinetuneConfig) -> Callable[[int], float]:
        """Seconds of a head on frozen encoders by its number of labels."""

        quiet = RunContext(should_stop=self.context.should_stop)

        def once(count: int) -> float:
            embedded, chosen = self._embedded(model, count), self._labelled(count)
            began = self.clock()
            finetune_frozen(
                model, embedded, chosen, config, self.size.classes,
                background=np.arange(count), seed=0, context=quiet,
            )  # fmt: skip
            return self.clock() - began

        return self._line(once)

    def _fine_tuning(
        self, model: CrosslModel, encoding_s: float, trainings: Sequence[float]
    ) -> float:
        config, size = self.config, self.size
        draws = [
            *(labels for share in size.fold_shares for labels in self._draws(share)),
            round(size.final_share * size.labelled),
        ]
        times = 2 if config.evaluate.adapt or config.predict.adapt_to_subject else 1
        if config.finetune.mode == "end_to_end":
            # Each tuned network encodes all windows anew.
            seconds = sum(self._end_to_end(model, config.finetune, labels) for labels in draws)
            return times * (seconds + len(draws) * size.windows * encoding_s)
        head = self._heads(model, config.finetune)
        seconds = sum(head(labels) for labels in draws)
        if config.robustness.dedicated:
            full = (round(share * size.labelled) for share in size.fold_shares)
            seconds += self._removals() * sum(map(head, full))
        return times * seconds + (times - 1) * len(trainings) * size.windows * encoding_s

    def _subsets(self, model: CrosslModel) -> float:
        """Seconds to answer for a window under all asked subsets."""
        robustness = self.config.robustness
        plan = plan_subsets(len(self.shapes), robustness.max_modalities, robustness.sampled_subsets)
        count = min(max(self.size.windows, 2), 4096)
        embedded = self._embedded(model, count)
        classifier = Classifier(model, self.config.finetune, self.size.classes).eval()
        self._note()
        began = self.clock()
        classifier.probabilities(embedded)
        return len(plan.kept) * (self.clock() - began) / count

    def _opponents(self, model: CrosslModel, encoding_s: float) -> None:
        config, size = self.config, self.size
        names = config.evaluate.opponents
        on_features = [name for name in names if name in FEATURE_OPPONENTS]
        columns = self._features() if on_features else 0
        draws = [labels for share in size.fold_shares for labels in self._draws(share)]
        folds = len(size.fold_shares)
        for name in names:
            if name in FEATURE_OPPONENTS:
                self._feature_opponent(name, columns, draws)
            elif name == "reference":
                self._reference()
            elif name == "random_encoders":
                head = self._heads(model, config.finetune.model_copy(update={"mode": "frozen"}))
                settling = sum(size.fold_shares) * size.windows
                seconds = encoding_s * (folds * size.windows + settling) + sum(map(head, draws))
                self._add(name, seconds)
            else:
                finetune = supervised_config(config, with_dropout=name == "supervised_dropout")
                seconds = sum(self._end_to_end(model, finetune, labels) for labels in draws)
                self._add(name, seconds + (folds + len(draws)) * size.windows * encoding_s)

    def _features(self) -> int:
        """Adds the time of hand-made features; returns their number."""
        total, columns = 0.0, 0
        for number, shape in enumerate(self.shapes):
            kind = self.kinds.get(shape.name, "other")

            def work(rows: np.ndarray, number: int = number, kind: Kind = kind) -> int:
                values = self.windows.gather(rows, number)
                return len(window_features(values, self.shapes[number].rate_hz, kind)[1])

            columns += work(np.arange(1))
            total += self._each_s(work)
        self._add("hand-made features", total * self.size.windows)
        return columns

    def _feature_opponent(self, name: FeatureOpponent, columns: int, draws: Sequence[int]) -> None:
        if name == "majority":
            return
        tested = max(2, min(self.size.windows // max(len(self.size.fold_shares), 1), 2000))
        generator = np.random.default_rng(0)
        centres = generator.normal(size=(self.size.classes, columns))

        def values(count: int) -> tuple[np.ndarray, np.ndarray]:
            labels = np.arange(count) % self.size.classes
            return 0.3 * centres[labels] + generator.normal(size=(count, columns)), labels

        def once(count: int, trees: int, context: RunContext) -> float:
            features, labels = values(count)
            began = self.clock()
            fitted = fit(
                name, features, labels, self.size.classes,
                n_jobs=torch.get_num_threads(), trees=trees, context=context,
            )  # fmt: skip
            fitted.predict(values(tested)[0], context)
            return self.clock() - began

        quiet = RunContext(should_stop=self.context.should_stop)

        def whole(count: int) -> float:
            if name == "random_forest":
                few, more = (once(count, trees, quiet) for trees in TRIED_TREES)
                each = max(more - few, 0.0) / (TRIED_TREES[1] - TRIED_TREES[0])
                return few + each * (TREES - TRIED_TREES[0])
            if name == "gradient_boosting":
                return ROUNDS * self._look_s(lambda context: once(count, TREES, context))
            return once(count, TREES, quiet)

        tried = self._line(whole)
        versions = 2 if name == "random_forest" and self.config.evaluate.adapt else 1
        self._add(name, versions * sum(map(tried, draws)))
        if name == "random_forest" and self.config.robustness.dedicated:
            full = (round(share * self.size.labelled) for share in self.size.fold_shares)
            # With fewer columns, of which each branch looks at the root.
            self._add(name, 0.7 * self._removals() * sum(map(tried, full)))

    def _removals(self) -> int:
        """Subsets that dedicated models are trained for."""
        return len(self.shapes) * (2 if len(self.shapes) > 2 else 1)

    def _reference(self) -> None:
        config = reference_config(self.config)
        model = self._model(config.model)
        shares = self.size.fold_shares
        encoding_s = self._encoding(model)
        seconds = self._pretraining(config, shares, encoding_s)
        seconds += len(shares) * self.size.windows * encoding_s
        head = self._heads(model, config.finetune)
        draws = [labels for share in shares for labels in self._draws(share)]
        self._add("reference", seconds + sum(map(head, draws)))
