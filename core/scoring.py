"""Applying a saved model to new recordings, a stretch at a time, without a run file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.classifier import (
    Classifier,
    Embedded,
    embed,
    global_embeddings,
    neighbours_in_time,
)
from core.config import Device, RecordingsConfig, RunConfig, dump_config
from core.dataset import WindowBlock, iterate_windows
from core.device import choose_device, torch_session
from core.errors import ConfigError, CrosslError, DataError, ModelError
from core.find_recordings import (
    SOURCE_FIELDS,
    FoundFile,
    FoundRecording,
    field_names,
    find_recordings,
    open_recording,
)
from core.labels import label_columns
from core.modalities import resolve
from core.predict import WindowPredictions, write_predictions
from core.progress import RunContext
from core.recording import Finding, Recording
from core.robustness import (
    SubsetPredictions,
    fragility,
    plan_subsets,
    pool,
    predict_subsets,
    robustness_report,
    shapley,
)
from core.run_folder import RunFolder
from core.saved_model import SavedModel, load_model
from core.scaling import Moments, Scaling, moments_of
from core.study_data import finding_entry, recording_entry
from core.typical import unlike, window_levels
from core.window_store import FINAL, RecordingWindows, write_windows


def score_files(
    model: Path,
    files: Sequence[Path],
    folder: RunFolder,
    report: dict[str, Any],
    context: RunContext,
    *,
    device: Device | None = None,
) -> None:
    """Score recordings with a saved model: predictions, robustness, and what is unlike.

    Fills `report` and writes predictions into `folder`. Files that the model's own path patterns
    put together (a phone's and a watch's) make up one recording; any other file is one by itself.
    Raises ModelError for an unusable model and DataError when no recording could be scored.
    """
    saved = load_model(model)
    bare = saved.config.recordings
    score_recordings(
        saved,
        model,
        [
            (found, partial(open_recording, found, bare))
            for found in group_files(files, saved.config)
        ],
        folder,
        report,
        context,
        device=device,
    )


def score_recordings(
    saved: SavedModel,
    model: Path,
    found: Sequence[tuple[FoundRecording, Callable[[], Recording]]],
    folder: RunFolder,
    report: dict[str, Any],
    context: RunContext,
    *,
    device: Device | None = None,
) -> None:
    """Score recordings that are opened by a function each; otherwise as `score_files`."""
    if saved.classifier is None:
        raise ModelError(
            f"{model}: this model was pretrained only and knows no classes. Fine-tune it first, "
            "with finetune.from in a run file."
        )
    choice = choose_device(device or "auto")
    report.update(
        name=f"scored with {saved.about.get('name', model.name)}",
        classes=list(saved.classes),
        modalities=list(saved.scheme.names),
        model=str(model),
        config=dump_config(saved.config),
        simulated=saved.about.get("simulated", False),
    )
    done: list[SubsetPredictions] = []
    with torch_session(saved.config.threads, choice.device):
        saved.classifier.model.to(choice.device)
        opened: list[tuple[dict[str, Any], Recording]] = []
        for one, open_it in found:
            entry = recording_entry(one)
            report["recordings"].append(entry)
            try:
                opened.append((entry, open_it()))
            except CrosslError as error:
                entry.update(status="failed", error=str(error))
        for entry, recording in opened:
            try:
                scaling = saved.scaling
                note: list[Finding] = []
                if saved.config.predict.adapt_to_subject:
                    own = [other for _, other in opened if other.subject == recording.subject]
                    scaling, note = own_scaling(own, saved, context)
                done.append(_score(recording, saved, scaling, note, entry, folder, context))
            except CrosslError as error:
                entry.update(status="failed", error=str(error))
    if not done:
        first = report["recordings"][0]
        raise DataError(f"None of the recordings could be scored. The first: {first['error']}")
    subsets = pool(done)
    report["robustness"] = robustness_report(
        subsets,
        saved.scheme.names,
        shapley_values=shapley(subsets, saved.classifier.class_shares.numpy()),
        fragilities=fragility(subsets),
    )


def group_files(files: Sequence[Path], config: RunConfig) -> list[FoundRecording]:
    """Recordings that given files make up.

    Where the path patterns of the model's run file fit, they tell which files belong together;
    then the patterns' file names alone do, within a folder; any other file is a recording by
    itself, named after it.
    """
    left = {path.resolve(): path for path in files}
    bare = config.recordings.model_copy(update={"exclude": []})
    columns = label_columns(config.labels)
    taken: set[str] = set()
    groups: list[FoundRecording] = []
    for recordings, root, folder_name in _places_to_look(list(left), bare):
        try:
            found = find_recordings(recordings, root, columns)
        except (ConfigError, DataError):
            continue  # files of another naming: the next place, or each by itself, below
        for one in found:
            given = tuple(file for file in one.files if file.path.resolve() in left)
            if given:
                name = _free_name(folder_name or one.id, taken)
                groups.append(replace(one, id=name, files=given, error=None))
                for file in given:
                    del left[file.path.resolve()]
    for path in left.values():
        name = _free_name(path.name.split(".")[0] or "recording", taken)
        source = bare.sources[0]
        file = FoundFile(source.name, path, source, tuple(n for v in columns.values() for n in v))
        groups.append(FoundRecording(name, name, {}, (file,)))
    return groups


def _places_to_look(
    files: Sequence[Path], recordings: RecordingsConfig
) -> Iterator[tuple[RecordingsConfig, Path, str | None]]:
    """Patterns and folders in which they may find the files, and a name for what they find.

    First the patterns as they are. Then their last parts in each file's folder, which is taken
    for the subject, and names the recording where the file names tell no more than the source.
    """
    depth = max(len(Path(source.pattern).parts) for source in recordings.sources)
    for root in sorted({path.parents[min(depth, len(path.parents)) - 1] for path in files}):
        yield recordings, root, None
    sources = [
        source.model_copy(update={"pattern": Path(source.pattern).name})
        for source in recordings.sources
    ]
    fields = {name for source in sources for name in field_names(source.pattern)}
    for folder in sorted({path.parent for path in files}):
        subject = folder.name.replace("{", "{{").replace("}", "}}")
        by_name = recordings.model_copy(update={"sources": sources, "subject": subject})
        yield by_name, folder, None if fields.difference(SOURCE_FIELDS) else folder.name


def _free_name(name: str, taken: set[str]) -> str:
    """A file name that no recording has yet, and note it."""
    name = re.sub(r"[^\w.\-]+", "_", name)
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free


def _score(
    recording: Recording,
    saved: SavedModel,
    scaling: Scaling,
    findings: list[Finding],
    entry: dict[str, Any],
    folder: RunFolder,
    context: RunContext,
) -> SubsetPredictions:
    classifier = saved.classifier
    assert classifier is not None
    z: list[torch.Tensor] = []
    present: list[np.ndarray] = []
    starts: list[np.ndarray] = []
    levels: dict[str, list[np.ndarray]] = {name: [] for name in saved.scheme.names}
    device = next(classifier.model.parameters()).device
    for block in iterate_windows(recording, saved.scheme, saved.config.windows):
        context.step(
            f"scoring {recording.id}", int(block.windows.starts_s[-1]), int(recording.duration_s)
        )
        for rows in _batches(len(block.windows), saved.config.predict.batch_size):
            inputs = _inputs(block, rows, scaling)
            here = block.windows.present[rows]
            for number, name in enumerate(saved.scheme.names):
                levels[name].append(window_levels(inputs[name][here[:, number]]))
            tensors = {name: torch.from_numpy(values) for name, values in inputs.items()}
            z.append(embed(classifier.model, tensors, torch.from_numpy(here)))
            present.append(here)
        starts.append(block.windows.starts_s)
    starts_s = np.concatenate(starts)
    embedded = Embedded(
        torch.cat(z),
        torch.from_numpy(np.concatenate(present)),
        neighbours_in_time(
            np.zeros(len(starts_s), int), starts_s, saved.config.windows.step_s,
            saved.config.finetune.context_windows,
        ),
    )  # fmt: skip
    findings = findings + unlike(saved.typical, {n: np.concatenate(v) for n, v in levels.items()})
    subsets = _subsets(classifier.to("cpu"), embedded, saved)
    embedding = global_embeddings(classifier.model, embedded)
    classifier.model.to(device)
    _describe(entry, recording, saved, embedded, findings)
    predictions = WindowPredictions.from_subsets(subsets, classifier.class_shares.numpy(), FINAL)
    unlabelled = np.full(len(starts_s), -1)
    write_predictions(
        folder.predictions / f"{recording.id}.csv",
        predictions,
        starts_s=starts_s,
        length_s=saved.config.windows.length_s,
        labels=unlabelled,
        classes=saved.classes,
        modalities=saved.scheme.names,
    )
    write_windows(
        folder.windows / f"{recording.id}.safetensors",
        RecordingWindows(
            recording=recording.id,
            subject=recording.subject,
            starts_s=starts_s,
            length_s=saved.config.windows.length_s,
            classes=saved.classes,
            modalities=saved.scheme.names,
            labels=unlabelled,
            fold=predictions.fold,
            subsets=subsets,
            fragility=predictions.fragility,
            shapley=predictions.shapley,
            z=embedded.z.numpy(),
            embedding=embedding,
        ),
    )
    return subsets


def _subsets(classifier: Classifier, embedded: Embedded, saved: SavedModel) -> SubsetPredictions:
    robustness = saved.config.robustness
    plan = plan_subsets(
        len(saved.shapes), robustness.max_modalities, robustness.sampled_subsets, saved.config.seed
    )
    return predict_subsets(
        lambda keep: classifier.probabilities(embedded, keep),
        embedded.present.numpy(),
        len(saved.classes),
        plan,
    )


def _batches(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _inputs(block: WindowBlock, rows: slice, scaling: Scaling) -> dict[str, np.ndarray]:
    return {name: scaling.apply(name, values[rows]) for name, values in block.signals.items()}


def own_scaling(
    recordings: Sequence[Recording], saved: SavedModel, context: RunContext
) -> tuple[Scaling, list[Finding]]:
    """Scaling by all windows of a subject's recordings, read once through; and what to say of it.

    Raises CrosslError where one of them cannot be read.
    """
    parts: dict[str, list[tuple[np.ndarray, ...]]] = {name: [] for name in saved.scheme.names}
    for recording in recordings:
        for block in iterate_windows(recording, saved.scheme, saved.config.windows):
            context.step(f"measuring {recording.subject}", int(block.windows.starts_s[-1]))
            for name, values in block.signals.items():
                parts[name].append(moments_of(values))
    moments = {}
    for name, found in parts.items():
        count, mean, squares = (np.concatenate(one) for one in zip(*found, strict=True))
        moments[name] = Moments(count, mean, squares)
    windows = len(next(iter(moments.values())).count)
    text = (
        f"Adapted to the person: scaled by all windows of {recordings[0].subject} "
        f"({len(recordings)} recordings). Misleading where these hold a single class."
    )
    scaling = Scaling.fit(saved.scaling.kinds, moments, np.arange(windows))
    return scaling, [Finding("note", "scaling", text)]


def _describe(
    entry: dict[str, Any],
    recording: Recording,
    saved: SavedModel,
    embedded: Embedded,
    findings: list[Finding],
) -> None:
    resolved = resolve(saved.scheme, recording)
    everything = [*recording.findings, *resolved.findings, *findings]
    shares = embedded.present.float().mean(0).tolist()
    entry.update(
        duration_s=recording.duration_s,
        windows=len(embedded.present),
        present_share=dict(zip(saved.scheme.names, shares, strict=True)),
        findings=[finding_entry(finding) for finding in dict.fromkeys(everything)],
    )
