"""The runs of a study: one folder each, below `runs/`, that stands by itself.

A run's folder is what batch mode writes (see `run_folder`), with the run file and the labels it
learnt from, as they were when it was made, and `study_run.json` beside them. The study file knows
nothing of runs: a folder that is copied in is a run, and one that is taken away is gone.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from core.atomic_file import write_atomically
from core.config import RunConfig, check_steps, load_run_file, safe_file_name
from core.errors import ModelError, OutputError, StudyError
from core.study import Study
from core.study_file import now_text
from core.study_run_file import export_run_file, shell_quoted

RUNS = "runs"
DESCRIPTION = "study_run.json"
MODEL_FILES = ("model.json", "weights.safetensors")

RunKind = Literal["train", "model"]
RunState = Literal["waiting", "running", "finished", "partial", "stopped", "failed"]
"""`partial`: some recordings failed. `stopped`: by the user, or with the program; goes on."""
CAN_RESUME: tuple[RunState, ...] = ("waiting", "stopped", "failed")


@dataclass(frozen=True)
class StudyRun:
    """A run as its folder describes it.

    Attributes
    ----------
    kind: `train`: made here from a run file; `model`: a model folder that was brought in.
    created_at, began_at, ended_at: UTC, empty where it has not come to that.
    raters: whose labels it learns from, in order of preference.
    """

    folder: Path
    title: str
    kind: RunKind
    state: RunState
    error: str = ""
    created_at: str = ""
    began_at: str = ""
    ended_at: str = ""
    created_by: str = ""
    raters: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of its folder; never changes."""
        return self.folder.name

    @property
    def run_file(self) -> Path:
        return self.folder / "run.json"

    @property
    def report_path(self) -> Path:
        return self.folder / "report.json"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def has_model(self) -> bool:
        return all((self.model / name).is_file() for name in MODEL_FILES)

    @property
    def has_windows(self) -> bool:
        """Whether there are predictions to be looked at."""
        return any((self.folder / "windows").glob("*.safetensors"))

    @property
    def can_resume(self) -> bool:
        return self.kind == "train" and self.state in CAN_RESUME

    def config(self) -> RunConfig:
        """Its settings. Raises ConfigError."""
        config = load_run_file(self.run_file)
        if config.finetune.start_from is None:
            return config
        start = (self.folder / Path(config.finetune.start_from).expanduser()).resolve()
        finetune = config.finetune.model_copy(update={"start_from": str(start)})
        return config.model_copy(update={"finetune": finetune})

    def report(self) -> dict[str, Any] | None:
        """Its report; None where there is none yet. Raises ModelError where it is damaged."""
        path = self.report_path
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise ModelError(f"{path}: the report cannot be read ({error}).") from None
        if not isinstance(document, dict):
            raise ModelError(f"{path}: the report cannot be read (no report of crossl-app).")
        return document

    def batch_command(self, output: Path | None = None) -> str:
        """How batch mode repeats it: the same numbers on the same machine."""
        if output is None:
            output = self.folder.with_name(f"{self.name}_batch")
        return f"crossl-app --batch {shell_quoted(self.run_file)} --output {shell_quoted(output)}"


def runs_of(study_folder: Path) -> tuple[StudyRun, ...]:
    """All runs of a study, the newest first; folders that are none are passed over."""
    found = []
    for path in sorted((study_folder / RUNS).glob(f"*/{DESCRIPTION}")):
        # A hidden folder is one whose removal was cut short.
        run = read_run(path.parent) if not path.parent.name.startswith(".") else None
        if run is not None:
            found.append(run)
    return tuple(sorted(found, key=lambda run: (run.created_at, run.name), reverse=True))


def read_run(folder: Path) -> StudyRun | None:
    """The run in a folder; None where it holds no readable description of one."""
    try:
        document = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        state, kind = document["state"], document["kind"]
        if state not in get_args(RunState) or kind not in get_args(RunKind):
            return None
        return StudyRun(
            folder=folder,
            title=str(document["title"]),
            kind=kind,
            state=state,
            error=str(document.get("error") or ""),
            created_at=str(document.get("created_at") or ""),
            began_at=str(document.get("began_at") or ""),
            ended_at=str(document.get("ended_at") or ""),
            created_by=str(document.get("created_by") or ""),
            raters=tuple(map(str, document.get("raters") or ())),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def create_run(
    study: Study,
    title: str,
    engine: dict[str, Any],
    raters: Sequence[str],
    *,
    only: Collection[str] | None = None,
    who: str = "",
    reuse: StudyRun | None = None,
) -> StudyRun:
    """Make a run, to be carried out by `train_run.train`.

    Parameters
    ----------
    engine: the run file without recordings and labels, as `StudySettings.engine`.
    raters: whose labels count, in order of preference; may be empty where `steps` is pretraining
        alone.
    only: names of the recordings that take part; all when None.
    reuse: a run whose pretraining is taken over wherever settings, recordings and folds are the
        same, so that only heads are trained; where they are not, it is done anew.

    Raises StudyError or ConfigError where the study or the settings do not allow it, OutputError
    where the folder cannot be written.
    """
    _refuse_read_only(study)
    folder = _new_folder(study.folder, title)
    run = StudyRun(
        folder, title.strip() or folder.name, "train", "waiting",
        created_at=now_text(), created_by=who, raters=tuple(raters),
    )  # fmt: skip
    try:
        export_run_file(study, run.run_file, raters, engine=engine, only=only)
        check_steps(run.config())
        if reuse is not None:
            _take_over_pretraining(reuse, run)
        _write(run)
        study.note(who, "", "run made", run.title)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return run


def find_model(source: Path) -> Path:
    """The folder of a model that can be read: `source`, or the model of the run whose folder
    `source` is. Raises ModelError. It is loaded, which takes seconds the first time."""
    from core.saved_model import load_model

    place = source if (source / MODEL_FILES[0]).is_file() else source / "model"
    load_model(place)
    return place


def import_model(study: Study, place: Path, title: str, who: str = "") -> StudyRun:
    """Bring a model folder in as a run.

    `place`: as from `find_model`. Raises StudyError where the study is read-only, OutputError where
    it cannot be written.
    """
    _refuse_read_only(study)
    folder = _new_folder(study.folder, title)
    run = StudyRun(
        folder, title.strip() or folder.name, "model", "finished",
        created_at=now_text(), created_by=who,
    )  # fmt: skip
    try:
        run.model.mkdir()
        for name in MODEL_FILES:
            write_atomically(run.model / name, (place / name).read_bytes())
        _write(run)
        study.note(who, "", "model brought in", f"{run.title}: {place}")
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise OutputError(f"{folder}: cannot be written ({error.strerror}).") from error
        raise
    return run


def export_model(run: StudyRun, target: Path, force: bool = False) -> Path:
    """Copy the model folder of a run to `target`. Raises ModelError where it has none."""
    if not run.has_model:
        raise ModelError(f"{run.title}: this run has no model yet.")
    there = [target / name for name in MODEL_FILES if (target / name).exists()]
    if there and not force:
        raise OutputError(f"{there[0]}: there already; choose another folder.")
    for name in MODEL_FILES:
        write_atomically(target / name, (run.model / name).read_bytes())
    return target


def set_state(run: StudyRun, state: RunState, error: str = "") -> StudyRun:
    """Note how far a run is. Raises OutputError."""
    now = now_text()
    run = read_run(run.folder) or run  # it may have been given another title meanwhile
    changed = replace(
        run,
        state=state,
        error=error,
        began_at=now if state == "running" and not run.began_at else run.began_at,
        ended_at="" if state in ("waiting", "running") else now,
    )
    _write(changed)
    return changed


def rename_run(run: StudyRun, title: str) -> StudyRun:
    """Give a run another title; its folder keeps its name. Raises OutputError."""
    run = read_run(run.folder) or run  # it may be further meanwhile
    renamed = replace(run, title=title.strip() or run.title)
    _write(renamed)
    return renamed


def delete_run(study: Study, run: StudyRun, who: str = "") -> None:
    """Remove a run with everything in it. Raises StudyError, OutputError."""
    _refuse_read_only(study)
    now = read_run(run.folder)
    if now is not None and now.state == "running":
        raise StudyError(f"{now.title}: this run is going on; stop it before it is deleted.")
    gone = run.folder.with_name(f".{run.name}.gone")
    try:
        # Renamed first: a removal that is cut short leaves no half run in the list.
        os.replace(run.folder, gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise OutputError(f"{run.folder}: cannot be removed ({error.strerror}).") from error
    study.note(who, "", "run deleted", run.title)


def recover_runs(study_folder: Path) -> tuple[StudyRun, ...]:
    """Runs that were going on when the program ended are stopped now; returns those.

    Called by whoever has the study open for writing, before a run is started.
    """
    return tuple(
        set_state(run, "stopped", "The program ended while it was running.")
        for run in runs_of(study_folder)
        if run.state == "running"
    )


def _refuse_read_only(study: Study) -> None:
    if study.read_only:
        raise StudyError(study.why_read_only)


def _take_over_pretraining(reuse: StudyRun, run: StudyRun) -> None:
    """Checkpoints of pretraining; each holds the fingerprint that tells whether it fits."""
    for path in sorted((reuse.folder / "checkpoints").glob("pretrain-*.safetensors")):
        place = run.folder / "checkpoints" / path.name
        place.parent.mkdir(exist_ok=True)
        try:
            os.link(path, place)  # checkpoints are replaced, never changed in place
        except OSError:
            shutil.copyfile(path, place)


def _new_folder(study_folder: Path, title: str) -> Path:
    """A new empty folder for a run."""
    runs = study_folder / RUNS
    numbers = [path.name.split("_")[0] for path in runs.glob("*")]
    taken = [int(number) for number in numbers if number.isdecimal()]
    name = f"{max(taken, default=0) + 1:03d}_{safe_file_name(title.strip() or 'run')[:60]}"
    try:
        (runs / name).mkdir(parents=True)
    except OSError as error:
        raise OutputError(f"{runs / name}: cannot be made ({error.strerror}).") from error
    return runs / name


def _write(run: StudyRun) -> None:
    document = {
        "title": run.title,
        "kind": run.kind,
        "state": run.state,
        "error": run.error,
        "created_at": run.created_at,
        "began_at": run.began_at,
        "ended_at": run.ended_at,
        "created_by": run.created_by,
        "raters": list(run.raters),
    }
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    write_atomically(run.folder / DESCRIPTION, text.encode("utf-8"))
