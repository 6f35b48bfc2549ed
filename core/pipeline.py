"""The steps of a run in order: recordings, folds, final fit, predictions, robustness, report.

Batch mode and window call the same function; the report is filled in as steps end, so that an
interrupted run leaves what it has.
"""

from __future__ import annotations

import datetime
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.classifier import global_embeddings
from core.config import SCHEMA_VERSION, RunConfig, check_steps, dump_config
from core.device import choose_device, torch_session
from core.errors import DataError, ModelError
from core.features import FeatureTable, study_features
from core.file_system import file_fingerprint
from core.find_recordings import without_names
from core.finetune import check_classes
from core.fold import (
    FinalFit,
    Fingerprints,
    Run,
    StartingModel,
    final_fit,
    labelled,
    run_fold,
    subset_plan,
    subset_predictions,
)
from core.opponents import FEATURE_OPPONENTS
from core.predict import WindowPredictions, write_predictions
from core.progress import RunContext
from core.robustness import SubsetPlan, SubsetPredictions, robustness_report
from core.run_folder import RunFolder, array_fingerprint, fingerprint
from core.saved_model import SavedModel, load_model, save_model
from core.splits import Fold, make_folds
from core.study_data import StudyData, load_study
from core.summary import PooledFolds, evaluation_part, robustness_part
from core.typical import typical_figures
from core.version import __version__
from core.window_store import FINAL, RecordingWindows, write_windows

# Samples, and windows, whose hand-made features are worked out between two looks.
FEATURE_SAMPLES = 250_000
FEATURE_WINDOWS = 200


def start_report(report: dict[str, Any], config: RunConfig | None) -> None:
    """Fill in what every report has, whatever happens later."""
    report.update(
        schema_version=SCHEMA_VERSION,
        status="error",
        error=None,
        name=config.name if config is not None else "scoring",
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        config=dump_config(config) if config is not None else None,
        versions=versions(),
        recordings=[],
        classes=[],
        modalities=[],
        simulated=False,
        final=None,
        evaluation=None,
        robustness=None,
        pretraining=None,
        timing={},
        data_fingerprint=None,
    )


def versions() -> dict[str, str]:
    """Versions of the program and of the libraries that numbers come from."""
    names = ("torch", "numpy", "scipy", "scikit-learn", "pyedflib", "duckdb")
    return {
        "crossl_app": __version__,
        "python": platform.python_version(),
        **{name.replace("-", "_"): version(name) for name in names},
    }


def run_study(
    config: RunConfig,
    root: Path,
    folder: RunFolder,
    report: dict[str, Any],
    context: RunContext,
) -> None:
    """Run the steps named in `config` on the recordings below `root`.

    Fills `report` and writes predictions and model into `folder`. Raises CrosslError when nothing
    can be done, Cancelled when asked to stop; what was finished by then is in the report.
    """
    check_steps(config)
    choice = choose_device(config.device)
    context.say(f"Device: {choice.reason}.")
    with torch_session(config.threads, choice.device):
        try:
            _run(config, root, folder, report, context, choice.device)
        finally:
            folder.drop_cache()


def _run(
    config: RunConfig,
    root: Path,
    folder: RunFolder,
    report: dict[str, Any],
    context: RunContext,
    device: torch.device,
) -> None:
    timing = report["timing"]
    start = load_model(Path(config.finetune.start_from)) if config.finetune.start_from else None
    if start is not None:
        config = _as_started(config, start, context)
    with _timed(timing, "reading"):
        data = load_study(config, root, folder.cache, report["recordings"], context, start)
    report["classes"] = list(data.classes)
    report["modalities"] = list(data.modalities)
    report["simulated"] = data.simulated
    if "finetune" in config.steps:
        # Before hours of pretraining, not after.
        train = everybody(config, data).train_windows(data.windows.subject)
        check_classes(labelled(data.windows, train).labels)
    prints: dict[str, str] = {}
    for path in data.paths:
        context.look()
        prints[str(path)] = file_fingerprint(path)
    report["data_fingerprint"] = data_fingerprint(data, prints)
    run = Run(
        data=data,
        config=config,
        folder=folder,
        context=context,
        device=device,
        features=None,
        start=_starting_model(start),
        fingerprints=_fingerprints(
            config, [*sorted(prints.values()), *_start_prints(config)], data
        ),
    )
    pretraining: list[dict[str, Any]] = []
    pooled: PooledFolds | None = None
    everyone = everybody(config, data)
    unlearnable = _unlearnable(config, data, everyone)
    for note in unlearnable.notes:
        context.say(note)
    report["final"] = {
        "train_subjects": list(everyone.train_subjects) if "finetune" in config.steps else [],
        "pretrain_subjects": list(everyone.pretrain_subjects),
        "locked_subjects": list(everyone.test_subjects),
    }
    if "evaluate" in config.steps:
        _check_unseen(start, prints, config, data)
        folds = _folds(config, data)
        if any(name in FEATURE_OPPONENTS for name in config.evaluate.opponents):
            with _timed(timing, "features"):
                run = replace(run, features=_features(data, context))
        results = []
        for fold in folds:
            with _timed(timing, f"fold {fold.name}"):
                results.append(run_fold(run, fold))
            pretraining += results[-1].pretraining
            report["pretraining"] = {"runs": list(pretraining)}
        pooled = PooledFolds(data, config, results, context)
        with _timed(timing, "evaluation"):
            report["evaluation"] = evaluation_part(pooled, unlearnable.classes)
        report["evaluation"]["notes"] += unlearnable.notes
    with _timed(timing, "final fit"):
        final = final_fit(run, everyone)
    report["pretraining"] = {"runs": [*pretraining, *final.pretraining]}
    save_model(folder.model, _saved(run, final, prints))
    if final.classifier is None:
        return
    with _timed(timing, "predictions"):
        subsets = _all_subsets(run, final, pooled)
        predictions = _predictions(run, final, pooled, subsets)
        if "predict" in config.steps:
            _write_all(run, predictions, subsets, final)
    if "robustness" in config.steps:
        with _timed(timing, "robustness"):
            report["robustness"] = _robustness(run, pooled, subsets, predictions)


def _as_started(config: RunConfig, start: SavedModel, context: RunContext) -> RunConfig:
    """The run's settings with the network of the model that is started from."""
    length_s = start.config.windows.length_s
    if config.windows.length_s != length_s:
        raise ModelError(
            f"finetune.from: that model was trained on windows of {length_s:g} s, this run asks "
            f"for {config.windows.length_s:g} s. Set windows.length_s to {length_s:g}."
        )
    context.say(
        "Started from a saved model: network, modalities and scaling are its own; `model` and "
        "`modalities` of the run file are not used."
    )
    return config.model_copy(update={"model": start.config.model})


def everybody(config: RunConfig, data: StudyData) -> Fold:
    """The final fit as a fold: it learns from all but the locked subjects, and predicts those."""
    locked = set(config.evaluate.test_subjects)
    subjects = set(data.windows.subject.tolist()) - locked
    with_labels = set(data.windows.subject[data.windows.labels >= 0].tolist()) & subjects
    return Fold(
        index=-1,
        name="final",
        train_subjects=tuple(sorted(with_labels)),
        test_subjects=tuple(sorted(locked)),
        pretrain_subjects=tuple(sorted(subjects)),
    )


def _folds(config: RunConfig, data: StudyData) -> list[Fold]:
    windows = data.windows
    with_labels = np.unique(windows.subject[windows.labels >= 0]).tolist()
    others = sorted(set(windows.subject.tolist()) - set(with_labels))
    locked = config.evaluate.test_subjects
    return make_folds(with_labels, config.evaluate.folds, locked, others)


def _features(data: StudyData, context: RunContext) -> FeatureTable:
    """Hand-made features of all windows, for the opponents."""
    windows = data.windows
    total = len(windows.starts_s)
    samples_of_all = sum(shape.channels * shape.samples for shape in data.shapes)
    size = max(1, min(FEATURE_WINDOWS, FEATURE_SAMPLES // samples_of_all))
    tables = []
    for start in range(0, total, size):
        rows = np.arange(start, min(start + size, total))
        samples = {name: windows.gather(rows, name) for name in data.modalities}
        tables.append(
            study_features(
                samples,
                {shape.name: shape.rate_hz for shape in data.shapes},
                data.kinds,
                windows.present[rows],
            )
        )
        context.step("hand-made features", int(rows[-1]) + 1, total)
    first = tables[0]
    values = np.concatenate([table.values for table in tables])
    return FeatureTable(values, first.names, first.modality, first.modalities)


def data_fingerprint(data: StudyData, prints: Mapping[str, str]) -> str:
    """Hash of what a run learns from: the content of the recordings' files, whose they are, the
    windows and their labels. Whatever the model and the order of recordings and classes are, runs
    with the same hash have learnt from the same data.

    `prints`: fingerprints of the files by path.
    """
    names = np.array([*data.classes, ""], dtype=str)  # -1, unlabelled, is the last
    parts = []
    for recording in data.recordings:
        labels = names[recording.windows.labels].tolist()
        parts.append(
            fingerprint(
                sorted(prints[str(path)] for path in recording.paths),
                recording.subject,
                recording.length_s,
                array_fingerprint(recording.windows.starts_s),
                labels,
            )
        )
    return fingerprint(sorted(parts))


@dataclass(frozen=True)
class _Unlearnable:
    """Classes that neither the saved model nor any fold can know; a sentence for each kind."""

    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _unlearnable(config: RunConfig, data: StudyData, everyone: Fold) -> _Unlearnable:
    """Which classes have no window to learn from, whatever the fold."""
    if "finetune" not in config.steps:
        return _Unlearnable()
    windows = data.windows
    learnt = set(labelled(windows, everyone.train_windows(windows.subject)).labels.tolist())
    there = set(windows.labels[windows.present.any(1)].tolist())
    nowhere = [name for k, name in enumerate(data.classes) if k not in there]
    untrained = [name for k, name in enumerate(data.classes) if k in there and k not in learnt]
    notes = []
    if nowhere:
        notes.append(
            f"No window has the label {_or(nowhere)}: it can be neither learnt nor predicted."
        )
    if untrained:
        notes.append(
            f"Only locked test subjects have the label {_or(untrained)}: it cannot be learnt, and "
            "is counted as an error in the test."
        )
    return _Unlearnable((*nowhere, *untrained), tuple(notes))


def _or(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _fingerprints(config: RunConfig, files: list[str], data: StudyData) -> Fingerprints:
    """What kept work depends on: not the name, the notes, or the order of steps.

    Windows and labels are hashed as they came out, whatever files they came from.
    """
    document = dump_config(config)
    for key in ("name", "notes", "data_root", "steps"):
        document.pop(key)
    later = ("labels", "finetune", "evaluate", "predict", "robustness")
    early = {key: value for key, value in document.items() if key not in later}
    machine = [versions(), torch.get_num_threads(), _start_prints(config)]
    dense, windows = data.dense, data.windows
    seen = [array_fingerprint(dense.starts_s), array_fingerprint(dense.present)]
    labelled = [array_fingerprint(windows.labels), array_fingerprint(windows.starts_s)]
    return Fingerprints(
        pretraining=fingerprint(early, files, machine, seen),
        everything=fingerprint(document, files, machine, seen, labelled, data.classes),
    )


def _start_prints(config: RunConfig) -> list[str]:
    start = config.finetune.start_from
    return [] if start is None else [file_fingerprint(Path(start) / "weights.safetensors")]


def _starting_model(start: SavedModel | None) -> StartingModel | None:
    if start is None:
        return None
    return StartingModel(start.model, start.scaling, tuple(start.about["data"]["files"]))


def _check_unseen(
    start: SavedModel | None, prints: dict[str, str], config: RunConfig, data: StudyData
) -> None:
    """DataError when the model that is started from has seen recordings that would be tested."""
    if start is None:
        return
    seen = set(start.about["data"]["files"])
    locked = set(config.evaluate.test_subjects)
    leaked = sorted(
        {
            recording.subject
            for recording in data.recordings
            for path in recording.paths
            if prints[str(path)] in seen and (not locked or recording.subject in locked)
        }
    )
    if leaked:
        raise DataError(
            f"finetune.from: this model was trained on recordings of {', '.join(leaked)}; its "
            "accuracy on them would not be a test. Leave 'evaluate' out of the steps, or name "
            "test subjects that the model has not seen in evaluate.test_subjects."
        )


def _saved(run: Run, final: FinalFit, prints: dict[str, str]) -> SavedModel:
    data = run.data
    seen = everybody(run.config, data).pretrain_subjects
    used = [
        prints[str(path)]
        for recording in data.recordings
        if recording.subject in seen
        for path in recording.paths
    ]
    earlier = () if run.start is None else run.start.files
    return SavedModel(
        config=_without_people(run.config),
        scheme=data.scheme,
        shapes=data.shapes,
        scaling=final.scaling,
        classes=data.classes,
        model=final.model,
        classifier=final.classifier,
        typical=typical_figures(
            data.windows, final.scaling, everybody(run.config, data), run.context
        ),
        about={
            "name": run.config.name,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "versions": versions(),
            "intended_use": "Research. Not for diagnosis.",
            "simulated": data.simulated,
            "data": {
                "recordings": len(used),
                "subjects": len(seen),
                "windows": int(np.isin(data.windows.subject, seen).sum()),
                "files": sorted({*used, *earlier}),
                "fingerprint": fingerprint(sorted(used)),
            },
        },
    )


def _without_people(config: RunConfig) -> RunConfig:
    """The settings without what names persons or places of the study: a model may be given away."""
    return config.model_copy(
        update={
            "data_root": None,
            "recordings": without_names(config.recordings),
            "evaluate": config.evaluate.model_copy(update={"test_subjects": []}),
            "finetune": config.finetune.model_copy(update={"start_from": None}),
        }
    )


def _all_subsets(run: Run, final: FinalFit, pooled: PooledFolds | None) -> SubsetPredictions:
    """All windows under every asked subset: by the fold that held the subject out, else by the
    final fit. Without the robustness step the one subset is everything that is present."""
    assert final.classifier is not None
    windows = np.arange(len(run.data.windows.starts_s))
    plan = subset_plan(run)
    if "robustness" not in run.config.steps:
        plan = SubsetPlan(plan.n_modalities, plan.kept[:1])
    subsets = subset_predictions(final.classifier, final.embedded, windows, plan, run.context)
    if pooled is not None:
        held_out = pooled.predicted().probabilities[: len(plan.kept)]
        subsets.probabilities[:, pooled.windows] = held_out
    return subsets


def _predictions(
    run: Run, final: FinalFit, pooled: PooledFolds | None, subsets: SubsetPredictions
) -> WindowPredictions:
    assert final.classifier is not None
    if "robustness" in run.config.steps:
        shares = np.tile(final.classifier.class_shares.numpy(), (len(subsets.present), 1))
        if pooled is not None:
            shares[pooled.windows] = pooled.class_shares()
        predictions = WindowPredictions.from_subsets(subsets, shares, FINAL)
    else:
        predictions = WindowPredictions.plain(subsets.full, subsets.present, FINAL)
    if pooled is not None:
        predictions.fold[pooled.windows] = pooled.folds()
    return predictions


def _write_all(
    run: Run, predictions: WindowPredictions, subsets: SubsetPredictions, final: FinalFit
) -> None:
    windows, data = run.data.windows, run.data
    embedding = global_embeddings(final.model, final.embedded)
    for number, recording in enumerate(data.recordings):
        rows = np.flatnonzero(windows.recording_index == number)
        part = predictions.take(rows)
        write_predictions(
            run.folder.predictions / f"{recording.id}.csv",
            part,
            starts_s=windows.starts_s[rows],
            length_s=run.config.windows.length_s,
            labels=windows.labels[rows],
            classes=data.classes,
            modalities=data.modalities,
        )
        write_windows(
            run.folder.windows / f"{recording.id}.safetensors",
            RecordingWindows(
                recording=recording.id,
                subject=recording.subject,
                starts_s=windows.starts_s[rows],
                length_s=run.config.windows.length_s,
                classes=data.classes,
                modalities=data.modalities,
                labels=windows.labels[rows],
                fold=part.fold,
                subsets=subsets.select(rows),
                fragility=part.fragility,
                shapley=part.shapley,
                z=final.embedded.z[torch.from_numpy(rows)].numpy(),
                embedding=embedding[rows],
            ),
        )
        run.context.step("writing predictions", number + 1, len(data.recordings))


def _robustness(
    run: Run,
    pooled: PooledFolds | None,
    subsets: SubsetPredictions,
    predictions: WindowPredictions,
) -> dict[str, Any]:
    """Pooled over held-out folds; without evaluation, agreement on all windows alone."""
    if pooled is not None:
        return robustness_part(pooled, predictions.take(pooled.windows))
    return robustness_report(
        subsets,
        run.data.modalities,
        shapley_values=predictions.shapley,
        fragilities=predictions.fragility,
        seed=run.config.seed,
        context=run.context,
    )


@contextmanager
def _timed(timing: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        timing[name] = timing.get(name, 0.0) + time.perf_counter() - started
