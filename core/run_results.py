"""The results of a run, read for looking at: recordings one by one, or all windows at once."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.config import LabelsBase, RunConfig, dump_config, make_config
from core.errors import ConfigError, DataError, ModelError
from core.evaluate import Evaluation, score
from core.plain_json import as_list, as_map
from core.progress import RunContext
from core.robustness import SubsetPredictions, pool
from core.same_people import PeopleNow
from core.subject_figures import known_in
from core.window_store import FINAL, RecordingWindows, read_windows

KEPT_RECORDINGS = 6
"""Recordings whose windows stay in memory."""
SCORED = "scored.json"
"""Recordings that the finished model has scored later, as in a report's `recordings`."""


@dataclass(frozen=True, eq=False)
class AllWindows:
    """The windows of all recordings of a run, one recording after the other.

    Attributes
    ----------
    recordings, subjects: names of the recordings and whose they are, by number.
    recording_index: int64 (windows,), into both. starts_s: float64 (windows,).
    labels: int64 (windows,), -1 unlabelled. fold: object (windows,).
    held_out: bool (windows,), predicted by a model that had not seen the subject.
    subsets, fragility, shapley, embedding: as in RecordingWindows.
    """

    recordings: tuple[str, ...]
    subjects: tuple[str, ...]
    classes: tuple[str, ...]
    modalities: tuple[str, ...]
    length_s: float
    recording_index: np.ndarray
    starts_s: np.ndarray
    labels: np.ndarray
    fold: np.ndarray
    held_out: np.ndarray
    subsets: SubsetPredictions
    fragility: np.ndarray
    shapley: np.ndarray
    embedding: np.ndarray
    left_out: tuple[str, ...] = ()
    """Why recordings are not among them: their files are damaged."""

    def __len__(self) -> int:
        return len(self.starts_s)

    @property
    def subject(self) -> np.ndarray:
        """Whose each window is, str (windows,)."""
        return np.array(self.subjects, dtype=str)[self.recording_index]

    def place(self, row: int) -> tuple[str, float]:
        """Recording and start in seconds of a window."""
        return self.recordings[int(self.recording_index[row])], float(self.starts_s[row])

    def evaluation(
        self, kept: tuple[int, ...] | None = None, seed: int = 0, resamples: int = 1000
    ) -> Evaluation:
        """Figures of the held-out windows under a subset of the modalities (None: all).

        Raises DataError where no labelled window was held out: figures of people that the model
        has seen are no test. KeyError where the subset was not asked.
        """
        tested = self.held_out & (self.labels >= 0)
        if not tested.any():
            raise DataError(
                "The model has seen every labelled person: figures on them would be no test. Run "
                "with the step 'evaluate', or label a person who was not trained on."
            )
        row = 0 if kept is None else self.subsets.kept.index(tuple(sorted(kept)))
        return score(
            self.labels[tested],
            self.subject[tested],
            self.classes,
            probabilities=self.subsets.probabilities[row, tested],
            seed=seed,
            resamples=resamples,
        )


class RunResults:
    """A folder that a run has written into: report, windows, model.

    Attributes
    ----------
    report: the report's document; empty for a model that was brought in.
    config: the settings; None where there are none that can be read.
    classes, modalities: names, in the order of all arrays.
    train_subjects, seen_subjects: whose labels, and whose signals, the final model has seen.
    seen_files: fingerprints of the files that it has seen.
    people: who they are by now; `set_subjects` changes it.
    """

    def __init__(self, folder: Path) -> None:
        """Raises ModelError where the folder holds neither report nor model, or damaged ones."""
        self.folder = folder
        self._stamps = self._stamped()
        self.report: dict[str, Any] = _document(folder / "report.json") or {}
        model = _document(folder / "model" / "model.json") or {}
        if not self.report and not model:
            raise ModelError(f"{folder}: neither a report nor a model is here.")
        try:
            self._take(model)
        except (AttributeError, TypeError, ValueError) as error:
            raise ModelError(f"{folder}: the report or the model is damaged ({error}).") from None
        self._windows: OrderedDict[str, RecordingWindows] = OrderedDict()

    def _take(self, model: dict[str, Any]) -> None:
        """Take over what report and model say. Raises what damaged ones lead to."""
        self.config = _config(self.report.get("config") or model.get("config"))
        self.classes: tuple[str, ...] = tuple(
            model.get("classes") or self.report.get("classes") or ()
        )
        named = [str(m.get("name")) for m in model.get("modalities") or ()]
        self.modalities: tuple[str, ...] = tuple(named or self.report.get("modalities") or ())
        final = self.report.get("final") or {}
        self.train_subjects = frozenset(final.get("train_subjects") or ())
        self.seen_subjects = frozenset(final.get("pretrain_subjects") or ())
        folds = (self.report.get("evaluation") or {}).get("folds") or ()
        self._seen_in = {str(fold.get("fold")): frozenset(known_in(fold)) for fold in folds}
        self._seen_in[FINAL] = self.seen_subjects
        self._take_people(PeopleNow())
        self.seen_files = frozenset((model.get("data") or {}).get("files") or ())
        self.has_model = bool(model)
        self.has_classifier = bool(model.get("fine_tuned"))

    def _stamped(self) -> tuple[object, ...]:
        """When report and model were written, and how many recordings have windows."""
        return (
            *(_written(self.folder / name) for name in ("report.json", "model/model.json")),
            len(self.recordings()),
        )

    @property
    def is_outdated(self) -> bool:
        """Whether the folder holds something else than was read of it."""
        return self._stamped() != self._stamps

    @property
    def scored(self) -> dict[str, dict[str, Any]]:
        """Entries of recordings that were scored later, by id."""
        return _document(self.folder / SCORED) or {}

    def path_of(self, recording: str) -> Path:
        """File with the windows of a recording, whether it is there or not."""
        return self.folder / "windows" / f"{recording}.safetensors"

    def recordings(self) -> tuple[str, ...]:
        """Ids of the recordings that have windows, sorted."""
        return tuple(sorted(path.stem for path in self.path_of("*").parent.glob("*.safetensors")))

    def has(self, recording: str) -> bool:
        return self.path_of(recording).is_file()

    def windows(self, recording: str) -> RecordingWindows:
        """The windows of a recording. Raises ModelError where there are none."""
        if recording in self._windows:
            self._windows.move_to_end(recording)
            return self._windows[recording]
        windows = read_windows(self.path_of(recording))
        self.keep(windows)
        return windows

    def bytes_of(self, recording: str) -> int:
        """Size of the file with the windows of a recording; 0 where there is none."""
        try:
            return self.path_of(recording).stat().st_size
        except OSError:
            return 0

    def is_in_memory(self, recording: str) -> bool:
        """Whether the windows of a recording need not be read."""
        return recording in self._windows

    def keep(self, windows: RecordingWindows) -> None:
        """Keep windows that were read elsewhere."""
        self._windows[windows.recording] = windows
        self._windows.move_to_end(windows.recording)
        while len(self._windows) > KEPT_RECORDINGS:
            self._windows.popitem(last=False)

    def forget_all(self) -> None:
        """Read all windows anew next time: some were written again."""
        self._windows.clear()

    def set_subjects(self, subjects: Mapping[str, str]) -> bool:
        """Say whose the recordings are by now, by recording; whether figures change by that.

        Two people of the run may turn out to be one, whom a model has seen under the other name.
        """
        before = self._known_recordings()
        self._take_people(PeopleNow.of(self.report, subjects))
        return self._known_recordings() != before

    def _take_people(self, people: PeopleNow) -> None:
        self.people = people
        self._seen_now = {fold: people.all_names(known) for fold, known in self._seen_in.items()}

    def held_out(self, windows: RecordingWindows, files: Sequence[str] = ()) -> np.ndarray:
        """Windows whose subject the model that predicted them has not seen, bool (windows,).

        `files`: fingerprints of the recording's files, which tell of models from elsewhere.
        Without evaluation, nobody is held out but locked subjects and people added later.
        """
        knowing = self._knowing(windows.recording, windows.subject)
        known = FINAL in knowing or bool(self.seen_files & set(files))
        if not self.seen_subjects and not files:
            known = True  # nothing is known of whom the model has seen
        return (windows.held_out & ~np.isin(windows.fold.astype(str), knowing)) | (not known)

    def _knowing(self, recording: str, subject: str) -> list[str]:
        """Names of the folds whose models have seen the person of a recording, by whatever name."""
        now = self.people.of_recording(recording, subject)
        return [
            fold
            for fold, known in self._seen_in.items()
            if subject in known or not now.isdisjoint(self._seen_now[fold])
        ]

    def _known_recordings(self) -> set[tuple[str, str]]:
        """Recordings of the run, each with the folds whose models have seen its person."""
        recordings = map(as_map, as_list(self.report.get("recordings")))
        pairs = [(str(one.get("id")), str(one.get("subject"))) for one in recordings]
        return {(name, fold) for name, who in pairs for fold in self._knowing(name, who)}

    def everything(
        self,
        context: RunContext,
        lay: Mapping[str, Callable[[RecordingWindows], np.ndarray]] | None = None,
        files: Mapping[str, tuple[str, ...]] | None = None,
    ) -> AllWindows:
        """All windows of all recordings, for figures over subjects and for maps.

        `lay`: by recording, what gives its windows labels, int64 (windows,), in place of those that
        the run saw. `files`: by recording, fingerprints of its files. Files that are damaged are
        left out, and said to be. Raises DataError where there are no windows, ModelError where all
        are damaged.
        """
        parts: list[RecordingWindows] = []
        damaged: list[ModelError] = []
        names = self.recordings()
        for number, name in enumerate(names):
            context.step("reading predictions", number, len(names))
            try:
                part = read_windows(self.path_of(name))
            except ModelError as error:
                damaged.append(error)
                continue
            if not parts or (
                part.subsets.plan == parts[0].subsets.plan and part.classes == parts[0].classes
            ):
                parts.append(part)
        if damaged and not parts:
            raise damaged[0]
        if not parts:
            raise DataError("This run has no predictions yet.")
        own = lay or {}
        prints = files or {}
        return AllWindows(
            recordings=tuple(part.recording for part in parts),
            subjects=tuple(part.subject for part in parts),
            classes=parts[0].classes,
            modalities=parts[0].modalities,
            length_s=parts[0].length_s,
            recording_index=np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
            starts_s=np.concatenate([part.starts_s for part in parts]),
            labels=np.concatenate(
                [
                    own[part.recording](part) if part.recording in own else part.labels
                    for part in parts
                ]
            ),
            fold=np.concatenate([part.fold for part in parts]),
            held_out=np.concatenate(
                [self.held_out(part, prints.get(part.recording, ())) for part in parts]
            ),
            subsets=pool([part.subsets for part in parts]),
            fragility=np.concatenate([part.fragility for part in parts]),
            shapley=np.concatenate([part.shapley for part in parts]),
            embedding=np.concatenate([part.embedding for part in parts]),
            left_out=tuple(map(str, damaged)),
        )

    def min_cover(self) -> float:
        """Share of a window that labels must cover, as the run had it."""
        labels = self.config.labels if self.config is not None else None
        return labels.min_cover if labels is not None else LabelsBase().min_cover


def settings_document(config: RunConfig) -> dict[str, Any]:
    """All settings of a run without what names its recordings and labels, to be compared."""
    document = dump_config(config)
    for key in ("recordings", "labels", "name", "notes", "data_root", "schema_version"):
        document.pop(key, None)
    return document


def _document(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: cannot be read ({error}).") from None
    if not isinstance(document, dict):
        raise ModelError(f"{path}: not a file of crossl-app.")
    return document


def _config(document: Any) -> RunConfig | None:
    if not isinstance(document, dict):
        return None
    try:
        return make_config(document)
    except ConfigError:
        return None  # of another version: the results are still there to be looked at


def _written(path: Path) -> tuple[int, int] | None:
    """When a file was written, and its size; None where it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
