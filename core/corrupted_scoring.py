"""What a model says of a recording with a sensor that fails, beside the same sensor taken away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from core.classifier import Classifier, Embedded, embed, neighbours_in_time
from core.corruption import STRENGTHS, Corruption, Measures, corrupted, reached
from core.dataset import iterate_windows
from core.errors import ConfigError, DataError, ModelError
from core.evaluate import predicted_classes
from core.modalities import ModalityScheme
from core.progress import RunContext
from core.recording import Recording
from core.saved_model import SavedModel
from core.scaling import Scaling
from core.window_store import RecordingWindows
from core.window_view import LiveFigures, WindowView, live_figures

SWEPT_DB = (20.0, 10.0, 5.0, 0.0, -5.0)
"""Ratios of signal to noise that a sweep tries."""


@dataclass(frozen=True, eq=False)
class CorruptedResult:
    """What corruptions do to one recording, as the final model sees it.

    All figures stand on the windows that the corruptions touch, so that a short failure in a long
    recording shows. They are no test where the model has seen the person (`LiveFigures.is_test`).

    Attributes
    ----------
    corruptions: what was tried. modalities: those that it reached, in scheme order.
    touched: bool (windows, modalities), windows in which a modality was present and is corrupted.
    caught: bool (windows, modalities), those of them that the search for missing signals found:
        there the modality counts as absent.
    probabilities: float32 (windows, classes) of the corrupted recording, NaN where nothing is left.
    clean, corrupted, removed: figures as recorded, corrupted, and with the touched modalities taken
        away instead.
    """

    corruptions: tuple[Corruption, ...]
    modalities: tuple[str, ...]
    touched: np.ndarray
    caught: np.ndarray
    probabilities: np.ndarray
    clean: LiveFigures
    corrupted: LiveFigures
    removed: LiveFigures

    @property
    def windows(self) -> int:
        """Windows that are touched."""
        return int(self.touched.any(axis=1).sum())

    @property
    def through(self) -> np.ndarray:
        """bool (windows, modalities): corrupted, and taken for good."""
        return self.touched & ~self.caught

    @property
    def caught_share(self) -> float | None:
        """Of the corrupted pieces of the windows' modalities, those that were found out."""
        count = int(self.touched.sum())
        return float(self.caught.sum() / count) if count else None


@dataclass(frozen=True, eq=False)
class Sweep:
    """One kind of noise at several strengths, the strongest signal first.

    clean, removed: as in `CorruptedResult`; they are the same for all.
    """

    results: tuple[CorruptedResult, ...]

    @property
    def strengths_db(self) -> tuple[float, ...]:
        return tuple(result.corruptions[0].strength for result in self.results)

    @property
    def clean(self) -> LiveFigures:
        return self.results[0].clean

    @property
    def removed(self) -> LiveFigures:
        return self.results[0].removed

    @property
    def has_test(self) -> bool:
        """Whether scores of people whom the model has not seen can be compared."""
        figures = (self.removed, *(result.corrupted for result in self.results))
        return all(one.is_test and one.macro_f1 is not None for one in figures)

    @property
    def better_without_db(self) -> float | None:
        """The highest ratio tried from which on, down to the lowest, one does better without the
        modalities: by macro F1 where it is a test, else by windows that keep their class. None
        where even the strongest noise does less harm, or nothing is left without them."""
        found = None
        for result in reversed(self.results):
            if not self._harms_more(result.corrupted):
                break
            found = result.corruptions[0].strength
        return found

    def _harms_more(self, figures: LiveFigures) -> bool:
        if self.has_test:
            return (figures.macro_f1 or 0.0) < (self.removed.macro_f1 or 0.0)
        if not self.removed.windows:
            return False
        return (figures.changed or 0.0) > (self.removed.changed or 0.0)


def score_corrupted(
    saved: SavedModel,
    recording: Recording,
    corruptions: Sequence[Corruption],
    clean: RecordingWindows,
    context: RunContext,
    *,
    labels: np.ndarray | None = None,
    is_test: bool = False,
    scaling: Scaling | None = None,
    measures: Measures | None = None,
) -> CorruptedResult:
    """Score a recording with failures, and with the failing modalities taken away.

    Only the modalities that the failures reach are read and encoded again; the rest is taken from
    `clean.z`, embeddings of the same recording by the same model. It runs where the model lies.

    Parameters
    ----------
    clean: windows of the recording; what its folds predicted is not used.
    labels: int64 (windows,), those of `clean` where not given.
    is_test: whether the saved model has seen nothing of the recording's subject.
    scaling: the one that `clean.z` was made with; the model's own where not given, which a model
        that adapts to the person does not allow.
    measures: of the recording, to be shared by several calls.

    Raises ModelError for a model without classes or of other modalities, DataError where a
    corruption cannot be made or touches no window, and what reading raises.
    """
    bench = _Bench(saved, recording, clean, labels, is_test, scaling, measures)
    return bench.result(tuple(corruptions), context)


def sweep_noise(
    saved: SavedModel,
    recording: Recording,
    corruption: Corruption,
    clean: RecordingWindows,
    context: RunContext,
    *,
    strengths_db: Sequence[float] = SWEPT_DB,
    labels: np.ndarray | None = None,
    is_test: bool = False,
    scaling: Scaling | None = None,
) -> Sweep:
    """The same noise or hum at several ratios of signal to noise; else as `score_corrupted`.

    Raises ConfigError for a corruption without such a ratio.
    """
    limits = STRENGTHS[corruption.kind]
    if limits is None or limits.unit != "dB":
        raise ConfigError(f"There is no ratio of signal to noise for {corruption.words}.")
    bench = _Bench(saved, recording, clean, labels, is_test, scaling, None)
    results = []
    for number, strength in enumerate(sorted(strengths_db, reverse=True)):
        part = (replace(corruption, strength=strength),)
        results.append(bench.result(part, context, number, len(strengths_db)))
    return Sweep(tuple(results))


class _Bench:
    """One recording and one model, to try corruptions on."""

    def __init__(
        self,
        saved: SavedModel,
        recording: Recording,
        clean: RecordingWindows,
        labels: np.ndarray | None,
        is_test: bool,
        scaling: Scaling | None,
        measures: Measures | None,
    ) -> None:
        if saved.classifier is None:
            raise ModelError("This model was pretrained only and knows no classes.")
        if clean.modalities != saved.scheme.names or clean.classes != saved.classes:
            raise ModelError(
                f"{recording.id}: these predictions were made by another model. Score the "
                "recording again."
            )
        if scaling is None and saved.config.predict.adapt_to_subject:
            raise ModelError(
                f"{recording.id}: this model adapts its scaling to the person, so that failures "
                "cannot be tried without that person's scaling."
            )
        self._saved = saved
        self._classifier: Classifier = saved.classifier
        self._recording = recording
        self._clean = clean
        self._labels = clean.labels if labels is None else labels
        self._is_test = is_test
        self._scaling = saved.scaling if scaling is None else scaling
        self._measures = measures if measures is not None else Measures(recording)
        self._neighbours = neighbours_in_time(
            np.zeros(len(clean), int),
            clean.starts_s,
            saved.config.windows.step_s,
            saved.config.finetune.context_windows,
        )
        self._z = torch.from_numpy(clean.z)
        self._full = self._probabilities(self._z, clean.present)
        self._full_classes = predicted_classes(self._full)

    def result(
        self,
        corruptions: tuple[Corruption, ...],
        context: RunContext,
        number: int = 0,
        of: int = 1,
    ) -> CorruptedResult:
        clean, scheme = self._clean, self._saved.scheme
        context.step("corrupting", number * len(clean), of * len(clean))
        worse = corrupted(self._recording, scheme, corruptions, self._measures)
        hit, touched = self._touched(corruptions)
        if not touched.any():
            raise DataError(
                f"{self._recording.id}: in this stretch no window has a signal of "
                f"{', '.join(scheme.names[m] for m in hit)} to corrupt."
            )
        z, present = self._embed(worse, hit, context, number * len(clean), of * len(clean))
        probabilities = self._probabilities(z, present)
        rows: np.ndarray = np.any(touched, axis=1)
        taken_away = self._probabilities(self._z, clean.present & ~touched)
        return CorruptedResult(
            corruptions=corruptions,
            modalities=tuple(scheme.names[m] for m in hit),
            touched=touched,
            caught=touched & ~present,
            probabilities=probabilities,
            clean=self._figures(self._full, rows),
            corrupted=self._figures(probabilities, rows),
            removed=self._figures(taken_away, rows),
        )

    def _touched(self, corruptions: tuple[Corruption, ...]) -> tuple[tuple[int, ...], np.ndarray]:
        """Modalities that fail, and the windows in which each does."""
        scheme, clean = self._saved.scheme, self._clean
        touched = np.zeros_like(clean.present)
        hit: set[int] = set()
        names = reached(scheme, self._recording, corruptions)
        for corruption, reached_names in zip(corruptions, names, strict=True):
            overlaps = (clean.starts_s < corruption.end_s) & (
                clean.starts_s + clean.length_s > corruption.start_s
            )
            for name in reached_names:
                modality = scheme.index(name)
                hit.add(modality)
                touched[:, modality] |= overlaps & clean.present[:, modality]
        return tuple(sorted(hit)), touched

    def _embed(
        self, worse: Recording, hit: tuple[int, ...], context: RunContext, done: int, total: int
    ) -> tuple[torch.Tensor, np.ndarray]:
        """Embeddings and presence with these modalities read anew."""
        saved, clean = self._saved, self._clean
        part = ModalityScheme(tuple(saved.scheme.modalities[m] for m in hit))
        z, present = self._z.clone(), clean.present.copy()
        size = saved.config.predict.batch_size
        position = 0
        for block in iterate_windows(worse, part, saved.config.windows, starts_s=clean.starts_s):
            for low in range(0, len(block.windows), size):
                context.step("corrupting", done + position, total)
                rows = slice(low, min(low + size, len(block.windows)))
                here = block.windows.present[rows]
                seen = np.zeros((len(here), len(saved.shapes)), bool)
                seen[:, hit] = here
                inputs = {
                    name: torch.from_numpy(self._scaling.apply(name, values[rows]))
                    for name, values in block.signals.items()
                }
                # Of the others nothing is encoded: they count as absent here.
                found = embed(self._classifier.model, inputs, torch.from_numpy(seen))
                place = slice(position, position + len(here))
                for modality in hit:
                    z[place, modality] = found[:, modality]
                present[place, hit] = here
                position += len(here)
        return z, present

    def _probabilities(self, z: torch.Tensor, present: np.ndarray) -> np.ndarray:
        embedded = Embedded(z, torch.from_numpy(present), self._neighbours)
        return self._classifier.probabilities(embedded)

    def _figures(self, probabilities: np.ndarray, rows: np.ndarray) -> LiveFigures:
        """Figures of some windows, compared with the recording as it is."""
        clean = self._clean
        whole = tuple(range(len(clean.modalities)))
        view = WindowView(
            starts_s=clean.starts_s[rows],
            ends_s=clean.ends_shown_s()[rows],
            length_s=clean.length_s,
            classes=clean.classes,
            modalities=clean.modalities,
            probabilities=probabilities[rows],
            full=self._full_classes[rows],
            labels=self._labels[rows],
            present=clean.present[rows],
            fragility=clean.fragility[rows],
            shapley=clean.shapley[rows],
            held_out=np.full(int(rows.sum()), self._is_test),
            kept=whole,
        )
        return live_figures(view)
