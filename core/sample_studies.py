"""Studies to try the program with: the real sample study, and a simulated night."""

from __future__ import annotations

import shutil
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

from core.config import AnnotationLabels, RecordingsConfig, SourceConfig, WindowsConfig
from core.label_scheme import load_scheme
from core.progress import RunContext
from core.simulate import simulate_night
from core.study_creation import RECORDINGS_FOLDER, Creation, create_study
from core.study_plan import StudyPlan, plan_from_run_file, recordings_to_take

SAMPLE_EPOCH_S = 2.0
NIGHT_NAME = "Simulated night"
NIGHT_RATER = "simulation"


def create_sample_study(folder: Path, context: RunContext) -> Creation:
    """The sample study as a study, its recordings copied into `folder`.

    Raises StudyError or OutputError where it cannot be made there.
    """
    with as_file(files("resources") / "sample_study") as source:
        plan = plan_from_run_file(source / "run.json", folder, context=context)
        scheme = replace(plan.scheme, epoch_s=SAMPLE_EPOCH_S, page_s=30.0)
        return create_study(
            replace(plan, scheme=scheme, rater="sample study", copy_recordings=True), context
        )


def create_night_study(
    folder: Path, context: RunContext, hours: float = 8.0, seed: int = 0
) -> Creation:
    """A night that no one slept, simulated into `folder`, with its true hypnogram.

    Raises StudyError or OutputError where it cannot be made there.
    """
    made = not folder.exists()
    recordings = folder / RECORDINGS_FOLDER
    try:
        recordings.mkdir(parents=True, exist_ok=True)
        simulate_night(recordings / "night.edf", hours=hours, seed=seed, context=context)
        config = RecordingsConfig(sources=[SourceConfig(pattern="night.edf")], subject="simulated")
        labels = AnnotationLabels(kind="annotations", mapping="aasm_from_rk")
        plan = StudyPlan(
            folder=folder,
            name=NIGHT_NAME,
            notes="simulated",
            root=recordings,
            recordings=config,
            found=recordings_to_take(config, recordings, labels),
            modalities="sleep",
            windows=WindowsConfig(length_s=30),
            scheme=load_scheme("sleep_aasm"),
            labels=labels,
            rater=NIGHT_RATER,
        )
        return create_study(plan, context)
    except BaseException:
        if made:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            (recordings / "night.edf").unlink(missing_ok=True)
        raise
