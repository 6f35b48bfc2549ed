"""Scoring recordings with a run's finished model, so that their predictions lie in the run.

What the run itself has predicted is left alone: there a model answered that had not seen the
person. Each recording is kept as soon as it is done, so that stopping loses nothing.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open

from core.atomic_file import write_atomically
from core.config import Device
from core.errors import CrosslError, DataError, ModelError
from core.find_recordings import FoundRecording, open_recording
from core.plain_json import as_list, as_map
from core.progress import Cancelled, Progress, RunContext
from core.recording import Recording
from core.run_results import SCORED
from core.window_store import FINAL, KEY, RecordingWindows, read_windows

ScoreState = Literal["scored", "failed", "predicted already"]


@dataclass(frozen=True)
class ToScore:
    """A recording to be scored. `open`: opens its files, from any thread."""

    name: str
    subject: str
    found: FoundRecording
    open: Callable[[], Recording]


@dataclass(frozen=True)
class ScoreSummary:
    """What a model says of a recording, in few figures; shares from 0 to 1.

    Attributes
    ----------
    windows: all; answered: those with anything recorded.
    shares: by class, of the answered windows.
    confidence: mean; None without answers. unsure: share of the answers below the threshold.
    """

    windows: int
    answered: int
    shares: dict[str, float]
    confidence: float | None
    unsure: float | None


@dataclass(frozen=True)
class ScoredRecording:
    """What became of one recording.

    Attributes
    ----------
    error: why it failed, or why it was left alone.
    findings: what was met on the way, in words; also where it is unlike the training data.
    entry: as in a report's `recordings`; empty where it was left alone.
    """

    name: str
    subject: str
    state: ScoreState
    error: str = ""
    findings: tuple[str, ...] = ()
    summary: ScoreSummary | None = None
    entry: dict[str, Any] | None = None


Done = Callable[[ScoredRecording], object]


def score_study_recordings(
    run_folder: Path,
    items: Sequence[ToScore],
    context: RunContext,
    *,
    device: Device | None = None,
    threshold: float = 0.0,
    done: Done | None = None,
) -> list[ScoredRecording]:
    """Score recordings with the model in a run's folder, one after the other.

    Writes `windows/` and `predictions/` of the folder, and `scored.json` after each recording.
    `done` is told of each as it is finished. One that fails does not stop the others.

    Raises ModelError where there is no model with classes, OutputError where `scored.json` cannot
    be written, and Cancelled between two windows; what was finished is kept.
    """
    # The window starts without torch.
    from core.saved_model import load_model

    context.step("model", 0, 0)
    saved = load_model(run_folder / "model")
    if saved.classifier is None:
        raise ModelError(
            f"{run_folder / 'model'}: this model was pretrained only and knows no classes. "
            "Fine-tune it first."
        )
    own = predicted_by_run(run_folder)
    results: list[ScoredRecording] = []

    def finish(result: ScoredRecording) -> None:
        results.append(result)
        if done is not None:
            done(result)

    left: list[ToScore] = []
    for item in items:
        if item.name in own:
            finish(_left_alone(item))
        else:
            left.append(item)
    # Adapting takes all recordings of a person together, as batch mode does.
    together = saved.config.predict.adapt_to_subject
    for group in _groups(left, together):
        number = len(results)
        context.step("recordings", number, len(items))
        entries = _score(saved, run_folder, group, _within(context, number, len(items)), device)
        for item, entry in zip(group, entries, strict=True):
            result = _result(item, entry, run_folder, threshold)
            _keep(run_folder, item.name, entry)
            finish(result)
    context.step("recordings", len(items), len(items))
    return results


def items_of_files(run_folder: Path, files: Iterable[Path]) -> list[ToScore]:
    """Recordings that files make up which are in no study, as the run's model sees them.

    A recording gets a name that none of the run's own has. Raises ModelError for a model that
    cannot be read, DataError where there are no files.
    """
    from core.saved_model import load_model
    from core.scoring import group_files

    paths = list(files)
    if not paths:
        raise DataError("There are no files to score.")
    config = load_model(run_folder / "model").config
    taken = set(_names_of_run(run_folder))
    known = scored_entries(run_folder)
    items = []
    for found in group_files(paths, config):
        name, number = found.id, 1
        while name in taken or (name in known and not _same_files(known[name], found)):
            number += 1
            name = f"{found.id}_{number}"
        taken.add(name)
        found = replace(found, id=name)
        items.append(
            ToScore(name, found.subject, found, partial(open_recording, found, config.recordings))
        )
    return items


def score_files_with_run(
    run_folder: Path,
    files: Sequence[Path],
    context: RunContext,
    *,
    device: Device | None = None,
    threshold: float = 0.0,
    done: Done | None = None,
) -> list[ScoredRecording]:
    """Score files that are in no study; otherwise as `score_study_recordings`."""
    items = items_of_files(run_folder, files)
    return score_study_recordings(
        run_folder, items, context, device=device, threshold=threshold, done=done
    )


def predicted_by_run(run_folder: Path) -> frozenset[str]:
    """Recordings whose predictions the run itself has made, and that are therefore left alone."""
    later = scored_entries(run_folder)
    found = set()
    for path in (run_folder / "windows").glob("*.safetensors"):
        if path.stem not in later or _any_held_out(path):
            found.add(path.stem)
    return frozenset(found)


def scored_entries(run_folder: Path) -> dict[str, dict[str, Any]]:
    """Entries of recordings that were scored later, by id. Raises ModelError where the file is
    damaged."""
    path = run_folder / SCORED
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}).") from None
    return {name: as_map(entry) for name, entry in as_map(document).items()}


def scored_recordings(run_folder: Path, threshold: float = 0.0) -> list[ScoredRecording]:
    """What became of all recordings that were scored later, by name. Raises ModelError."""
    found = []
    for name, entry in sorted(scored_entries(run_folder).items()):
        path = _windows_path(run_folder, name)
        summary = None
        if entry.get("status") == "ok" and path.is_file():
            summary = summarise(read_windows(path), threshold)
        found.append(_described(name, str(entry.get("subject") or ""), entry, summary))
    return found


def summarise(windows: RecordingWindows, threshold: float = 0.0) -> ScoreSummary:
    """The figures of a recording's predictions with all that is present."""
    predicted = windows.predicted()
    answered = predicted >= 0
    count = int(answered.sum())
    best = windows.probabilities()[np.flatnonzero(answered), predicted[answered]]
    shares = np.bincount(predicted[answered], minlength=len(windows.classes)) / max(count, 1)
    return ScoreSummary(
        windows=len(windows),
        answered=count,
        shares=dict(zip(windows.classes, map(float, shares), strict=True)),
        confidence=float(best.mean()) if count else None,
        unsure=float((best < threshold).mean()) if count else None,
    )


# ---------------------------------------------------------------- parts


def _groups(items: Sequence[ToScore], by_subject: bool) -> list[list[ToScore]]:
    if not by_subject:
        return [[item] for item in items]
    groups: dict[str, list[ToScore]] = {}
    for item in items:
        groups.setdefault(item.subject, []).append(item)
    return list(groups.values())


def _within(context: RunContext, number: int, total: int) -> RunContext:
    """A context that tells, with every report, which recording it is about."""

    def report(progress: Progress) -> None:
        values = {**progress.values, "recording": float(number), "recordings": float(total)}
        context.report(replace(progress, values=values))

    return RunContext(report, context.should_stop)


def _score(
    saved: Any,
    run_folder: Path,
    group: Sequence[ToScore],
    context: RunContext,
    device: Device | None,
) -> list[dict[str, Any]]:
    """The report's entries of recordings that are scored together."""
    from core.run_folder import RunFolder
    from core.scoring import score_recordings
    from core.study_data import recording_entry

    folder = RunFolder(run_folder)
    report: dict[str, Any] = {"recordings": []}
    found = [(replace(item.found, id=item.name, subject=item.subject), item.open) for item in group]
    try:
        score_recordings(saved, folder.model, found, folder, report, context, device=device)
    except Cancelled:
        raise
    except DataError:
        pass  # none could be scored: each entry says why
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        report["recordings"] = [recording_entry(one) for one, _ in found]
        for entry in report["recordings"]:
            entry.update(
                status="failed",
                error=f"{entry['id']}: the memory does not suffice. Close other programs, or set "
                "'predict.batch_size' to less.",
            )
    return report["recordings"]


def _is_out_of_memory(error: BaseException) -> bool:
    import torch

    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        "can't allocate memory" in str(error)
    )


def _result(
    item: ToScore, entry: dict[str, Any], run_folder: Path, threshold: float
) -> ScoredRecording:
    summary = None
    if entry["status"] == "ok":
        try:
            summary = summarise(read_windows(_windows_path(run_folder, item.name)), threshold)
        except CrosslError as error:
            entry.update(status="failed", error=str(error))
    entry["scored_at"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return _described(item.name, item.subject, entry, summary)


def _described(
    name: str, subject: str, entry: dict[str, Any], summary: ScoreSummary | None
) -> ScoredRecording:
    return ScoredRecording(
        name=name,
        subject=subject,
        state="scored" if entry.get("status") == "ok" else "failed",
        error=str(entry.get("error") or ""),
        findings=tuple(str(as_map(x).get("message") or "") for x in as_list(entry.get("findings"))),
        summary=summary,
        entry=entry,
    )


def _left_alone(item: ToScore) -> ScoredRecording:
    return ScoredRecording(
        item.name,
        item.subject,
        "predicted already",
        "The run has predicted it itself, and is left as it is.",
    )


def _windows_path(run_folder: Path, name: str) -> Path:
    return run_folder / "windows" / f"{name}.safetensors"


def _keep(run_folder: Path, name: str, entry: dict[str, Any]) -> None:
    """Put an entry into `scored.json`, unless a recording failed that was scored before."""
    entries = scored_entries(run_folder)
    before = entries.get(name)
    if entry["status"] != "ok" and before is not None and before.get("status") == "ok":
        return  # its predictions of then are still there
    entries[name] = entry
    text = json.dumps(entries, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(run_folder / SCORED, text.encode("utf-8"))


def _any_held_out(path: Path) -> bool:
    """Whether a fold has predicted any of the windows; only the head of the file is read."""
    try:
        with safe_open(path, framework="np") as file:
            document = json.loads((file.metadata() or {})[KEY])
        return any(fold != FINAL for fold in document["folds"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        return False  # damaged: scoring it again mends it


def _names_of_run(run_folder: Path) -> set[str]:
    """Names of all recordings that the run's own report knows, with predictions or without."""
    names = set(predicted_by_run(run_folder))
    try:
        report = json.loads((run_folder / "report.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return names
    except (OSError, ValueError) as error:
        raise ModelError(f"{run_folder / 'report.json'}: cannot be read ({error}).") from None
    return names | {str(as_map(entry).get("id")) for entry in as_list(report.get("recordings"))}


def _same_files(entry: dict[str, Any], found: FoundRecording) -> bool:
    paths = as_map(entry.get("paths")).values()
    return sorted(map(str, paths)) == sorted(map(str, found.paths))
