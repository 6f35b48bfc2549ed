"""Who was tested in a report, and whether that was a test at all.

Figures on people that a model has learned from, or has seen without labels, say how well it
remembers them. They are no test, whatever a file calls them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from core.plain_json import as_list, as_map
from core.same_people import PeopleNow
from core.splits import LOCKED

NoTest = Literal["nothing", "scored", "not_asked", "unfinished", "unlabelled", "seen"]
"""Why there is no test: there is no report; a saved model was applied; the step `evaluate` was not
asked for; the run has not come to it; nobody held out has a label; the tested were seen."""


@dataclass(frozen=True)
class SubjectRow:
    """Figures of one person who was held out; None where undefined. `fold`: who held them out."""

    subject: str
    fold: str
    windows: int
    macro_f1: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Tested:
    """What a report's evaluation stands on.

    Attributes
    ----------
    why_not: why it is no test; None where it is one. seen: the people that make it none.
    rows: the tested people, the one with the lowest macro F1 first.
    folds: how many rounds there were. locked: whether people were locked away for the test.
    trained: how many people were learned from, at least and at most in a fold.
    """

    why_not: NoTest | None
    seen: tuple[str, ...] = ()
    rows: tuple[SubjectRow, ...] = ()
    folds: int = 0
    locked: bool = False
    trained: tuple[int, int] = (0, 0)

    @property
    def is_test(self) -> bool:
        return self.why_not is None


def who_was_tested(report: Mapping[str, Any] | None, people: PeopleNow | None = None) -> Tested:
    """Look through a report, as it is in `report.json`, for who was tested and how.

    A person counts as held out where a fold tests them that has neither learned from them nor seen
    them unlabelled, under this name or another: `people` says who is who by now. If only one of the
    tested was not, the pooled figures are no test.
    """
    if not report:
        return Tested("nothing")
    evaluation = as_map(report.get("evaluation"))
    if not evaluation:
        return Tested(_why_none(report))
    figures = as_map(evaluation.get("per_subject"))
    folds = [as_map(fold) for fold in as_list(evaluation.get("folds"))]
    who = people or PeopleNow()
    held_out: set[str] = set()
    leaked: set[str] = set()
    for fold in folds:
        tested = set(fold.get("test_subjects") or ())
        known = who.among(tested, known_in(fold))
        held_out |= tested - known
        leaked |= known
    seen = tuple(sorted({name for name in figures if name not in held_out or name in leaked}))
    if seen:
        return Tested("seen", seen)
    if not figures or not evaluation.get("windows"):
        return Tested("unlabelled")
    rows = [
        SubjectRow(
            name,
            str(row.get("fold", "")),
            int(row.get("windows") or 0),
            row.get("macro_f1"),
            row.get("accuracy"),
        )
        for name, row in figures.items()
    ]
    sizes = [len(fold.get("train_subjects") or ()) for fold in folds]
    return Tested(
        why_not=None,
        rows=tuple(sorted(rows, key=_weakest_first)),
        folds=len(folds),
        locked=any(str(fold.get("fold")) == LOCKED for fold in folds),
        trained=(min(sizes), max(sizes)),
    )


def without_leaks(
    report: Mapping[str, Any], people: PeopleNow | None = None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A report without the figures that are no test since the tested were seen, and those people;
    as it is, and nobody, where they were not. `people`: who is who by now."""
    seen = who_was_tested(report, people).seen
    left_out = ("evaluation", "robustness") if seen else ()
    return {key: value for key, value in report.items() if key not in left_out}, seen


def known_in(fold: Mapping[str, Any]) -> set[str]:
    """People whose labels or signals a fold has learned from, by an entry of the report."""
    return {*(fold.get("train_subjects") or ()), *(fold.get("pretrain_subjects") or ())}


def _why_none(report: Mapping[str, Any]) -> NoTest:
    config = report.get("config")
    if not isinstance(config, Mapping):
        return "scored"
    return "unfinished" if "evaluate" in (config.get("steps") or ()) else "not_asked"


def _weakest_first(row: SubjectRow) -> tuple[bool, float, str]:
    return row.macro_f1 is None, row.macro_f1 or 0.0, row.subject
