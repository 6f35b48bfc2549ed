"""The label-budget curve that grows while somebody labels: one point after each list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.config import RunConfig
from core.errors import DataError
from core.progress import RunContext

TESTED_ON = (
    "Tested on the windows labelled so far: suggested ones are harder than most, so the curve may "
    "fall while heads get better."
)


@dataclass(frozen=True)
class GrowthPoint:
    """How good heads were with the labels at a time.

    Attributes
    ----------
    labels: labelled windows that were learned from, mean over folds.
    macro_f1: on people whom neither encoders nor head had seen; None where undefined.
    people: how many of them had labels to be tested on.
    notes: sentences on what the figure depends on.
    """

    labels: float
    macro_f1: float | None
    people: int
    notes: tuple[str, ...]

    def to_row(self) -> dict[str, float | None]:
        """As a row of a report's `label_efficiency`."""
        return {"labels": self.labels, "macro_f1": self.macro_f1, "macro_f1_sd": None}


def growth_point(
    folder: Path,
    config: RunConfig,
    labels: Mapping[str, np.ndarray],
    subjects: Mapping[str, str],
    classes: Sequence[str],
    context: RunContext,
) -> GrowthPoint:
    """Train a head in every fold from all labels there are, and test it on the fold's people.

    `labels` by recording, int64 (windows,), -1 unlabelled. Raises DataError where the labels are
    of one person only, so that nobody is left to be tested, ModelError where the run has kept no
    embeddings.
    """
    from core.budget_curve import budget_curve

    with_labels = {
        subjects[name]
        for name, values in labels.items()
        if name in subjects and (values >= 0).any()
    }
    if len(with_labels) < 2:
        raise DataError(
            "The labels are of one person only, so nobody is left to test heads on. Label windows "
            "of at least two people."
        )
    curve = budget_curve(folder, config, labels, subjects, classes, [1.0], 1, context)
    row = curve.rows[-1]
    notes = (*curve.notes, TESTED_ON)
    return GrowthPoint(float(row["labels"]), row["macro_f1"], curve.people, notes)
