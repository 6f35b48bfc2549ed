"""Does this installation come to the right figures? The sample study in small, beside gold figures.

The run file and the gold figures lie in `resources/selftest`. Counts must be the same; other
figures may differ by the tolerance that stands beside each, since processors add up in other
orders, and a window at the border between two classes then falls on the other side.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from core.errors import ConfigError, DataError
from core.progress import RunContext
from core.scratch import scratch_folder

SCHEMA_VERSION = 1
COUNT, SHARE, LOSS = 0.0, 0.02, 0.02
"""Tolerances of new gold figures: counts; shares such as F1, between 0 and 1; losses, some 20."""


@dataclass(frozen=True)
class GoldFigure:
    """What a figure should be, and by how much it may differ."""

    value: float
    tolerance: float


@dataclass(frozen=True)
class Gold:
    """Stored figures by name, and a note on how they were made."""

    figures: Mapping[str, GoldFigure]
    note: str
    made: Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """A figure as stored and as found; None where one side does not have it."""

    name: str
    gold: float | None
    found: float | None
    tolerance: float

    @property
    def difference(self) -> float | None:
        """Found minus gold."""
        return None if self.gold is None or self.found is None else self.found - self.gold

    @property
    def agrees(self) -> bool:
        difference = self.difference
        # The small part is what decimals cannot say exactly.
        return difference is not None and abs(difference) <= self.tolerance * (1 + 1e-9)


# ---------------------------------------------------------------- the run


def run_sample(context: RunContext, run_file: Path | None = None) -> dict[str, Any]:
    """Run the sample study in small, or with another run file, in a folder that is thrown away.

    Returns what stands in its `report.json`. Raises DataError where the run does not end well,
    Cancelled or KeyboardInterrupt where it is stopped.
    """
    from core.carry_out import Outcome, carry_out, write_report
    from core.config import load_run_file
    from core.pipeline import run_study, start_report
    from core.run_folder import RunFolder

    with (
        as_file(files("resources") / "sample_study") as recordings,
        as_file(files("resources") / "selftest" / "run.json") as ours,
        scratch_folder("selftest") as scratch,
    ):
        config = load_run_file(run_file or ours)
        folder = RunFolder(scratch / "out")
        folder.prepare(resume=False, force=False)
        report: dict[str, Any] = {}
        start_report(report, config)
        outcome = carry_out(
            lambda: run_study(config, recordings, folder, report, context), report, folder
        )
        if outcome is Outcome.INTERRUPTED:
            raise KeyboardInterrupt
        write_report(report, folder)
        if outcome is not Outcome.SUCCESS:
            raise DataError(f"The run of the sample study failed: {_reason(report)}")
        written: dict[str, Any] = json.loads(folder.report.read_text("utf-8"))
        return written


def _reason(report: Mapping[str, Any]) -> str:
    failed = [entry for entry in report["recordings"] if entry["status"] == "failed"]
    return str(report["error"] or "; ".join(str(entry["error"]) for entry in failed))


# ---------------------------------------------------------------- figures


def figures_of(report: Mapping[str, Any]) -> dict[str, GoldFigure]:
    """The figures of a report that are compared, with the tolerance of their kind."""
    return {
        name: GoldFigure(float(value), tolerance)
        for name, value, tolerance in (*_counts(report), *_shares(report), *_losses(report))
    }


def _counts(report: Mapping[str, Any]) -> Iterator[tuple[str, float, float]]:
    recordings, evaluation = report["recordings"], report["evaluation"]
    yield "recordings", sum(entry["status"] == "ok" for entry in recordings), COUNT
    yield "windows", sum(entry["windows"] for entry in recordings), COUNT
    yield "labelled windows", sum(entry["labelled_windows"] for entry in recordings), COUNT
    yield "tested windows", evaluation["windows"], COUNT
    for name, row in evaluation["per_class"].items():
        yield f"tested windows, {name}", row["support"], COUNT


def _shares(report: Mapping[str, Any]) -> Iterator[tuple[str, float, float]]:
    evaluation, robustness = report["evaluation"], report["robustness"]
    yield "macro F1", evaluation["macro_f1"], SHARE
    yield "balanced accuracy", evaluation["balanced_accuracy"], SHARE
    yield "calibration error", evaluation["ece"], SHARE
    for row in evaluation["opponents"]:
        yield f"macro F1, {str(row['name']).replace('_', ' ')}", row["macro_f1"], SHARE
    for row in robustness["subsets"]:
        if len(row["kept"]) < len(report["modalities"]):
            kept = " + ".join(row["kept"])
            yield f"macro F1, {kept}", row["macro_f1"], SHARE
            yield f"agreement, {kept}", row["agreement"], SHARE
    for name, value in robustness["shapley"].items():
        yield f"Shapley value, {name}", value, SHARE


def _losses(report: Mapping[str, Any]) -> Iterator[tuple[str, float, float]]:
    for run in report["pretraining"]["runs"]:
        yield f"first loss, {run['name']}", run["epochs"][0]["loss"], LOSS
        yield f"last loss, {run['name']}", run["epochs"][-1]["loss"], LOSS


def compare(gold: Gold, found: Mapping[str, GoldFigure]) -> tuple[Comparison, ...]:
    """Every figure of either side, in the gold's order."""
    names = [*gold.figures, *(name for name in found if name not in gold.figures)]
    comparisons = []
    for name in names:
        stored, here = gold.figures.get(name), found.get(name)
        comparisons.append(
            Comparison(
                name,
                None if stored is None else stored.value,
                # A figure that is no number agrees with nothing.
                None if here is None or not math.isfinite(here.value) else here.value,
                0.0 if stored is None else stored.tolerance,
            )
        )
    return tuple(comparisons)


# ---------------------------------------------------------------- the stored figures


def read_gold(path: Path | None = None) -> Gold:
    """Gold figures from a file, or those that the program brings along.

    Raises ConfigError where the file cannot be used.
    """
    try:
        if path is None:
            text = (files("resources") / "selftest" / "gold.json").read_text("utf-8")
        else:
            text = path.read_text("utf-8")
        document = json.loads(text)
        if document["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema version {document['schema_version']}")
        figures = {
            str(name): GoldFigure(float(entry["value"]), float(entry["tolerance"]))
            for name, entry in document["figures"].items()
        }
        if not figures:
            raise ValueError("no figures")
        return Gold(figures, str(document["note"]), dict(document["made"]))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error}).") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path or 'gold.json'}: these are no figures to compare with ({error})."
        ) from None


def gold_document(report: Mapping[str, Any], note: str, processor: str) -> dict[str, Any]:
    """The figures of a report as a new gold file."""
    return {
        "schema_version": SCHEMA_VERSION,
        "note": note,
        "made": {
            "on": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "processor": processor,
            "versions": report["versions"],
        },
        "figures": {
            name: {"value": figure.value, "tolerance": figure.tolerance}
            for name, figure in figures_of(report).items()
        },
    }


def all_agree(comparisons: Sequence[Comparison]) -> bool:
    """Whether there is something to compare, and nothing differs."""
    return bool(comparisons) and all(one.agrees for one in comparisons)
