"""People of a run who turn out to be one person later."""

from __future__ import annotations

from typing import Any

import pytest

from core.run_results import RunResults
from core.same_people import PeopleNow
from core.subject_figures import who_was_tested

THEN = {"night 1": "A", "night 2": "A", "night 3": "B", "night 4": "C"}


def run_report(**changes: Any) -> dict[str, Any]:
    """A was tested by a model of B and C, C by one of A and B."""
    folds = (("0", "A", ["B", "C"]), ("1", "C", ["A", "B"]))
    return {
        "recordings": [{"id": name, "subject": subject} for name, subject in THEN.items()],
        "evaluation": {
            "windows": 20,
            "folds": [
                {
                    "fold": fold,
                    "test_subjects": [tested],
                    "train_subjects": known,
                    "pretrain_subjects": known,
                }
                for fold, tested, known in folds
            ],
            "per_subject": {name: {"windows": 10, "macro_f1": 0.5} for name in ("A", "C")},
        },
        **changes,
    }


@pytest.mark.parametrize(
    ("now", "seen"),
    [
        ({}, ()),
        ({"night 1": "someone", "night 2": "someone"}, ()),
        ({"night 4": "D"}, ()),
        ({"night 1": "B", "night 3": "A", "night 2": "B"}, ()),  # names exchanged
        ({"night 3": "A"}, ("A",)),
        ({"night 2": "B"}, ("A",)),  # one of two recordings is enough
        ({"night 1": "C"}, ("A", "C")),
        ({"night 1": "X", "night 4": "X"}, ("A", "C")),
    ],
)
def test_whom_a_fold_has_seen_under_another_name_is_no_test(
    now: dict[str, str], seen: tuple[str, ...]
) -> None:
    report = run_report()
    tested = who_was_tested(report, PeopleNow.of(report, THEN | now))
    assert tested.seen == seen
    assert tested.is_test == (not seen)


def test_without_a_study_names_are_those_of_the_run() -> None:
    assert who_was_tested(run_report()).is_test
    assert who_was_tested(run_report(), PeopleNow.of(run_report(), {})).is_test


def test_windows_of_a_person_who_was_seen_are_not_held_out(finished_run) -> None:
    results = RunResults(finished_run[1])
    names = results.recordings()
    windows = {name: results.windows(name) for name in names}
    subjects = {name: part.subject for name, part in windows.items()}
    assert all(results.held_out(part).all() for part in windows.values())
    assert not results.set_subjects(subjects)
    assert not results.set_subjects(subjects | {names[0]: "someone"})
    assert all(results.held_out(part).all() for part in windows.values())
    # Two people who were never tested in the same fold turn out to be one.
    first = names[0]
    other = next(n for n in names if windows[n].fold[0] != windows[first].fold[0])
    assert results.set_subjects(subjects | {other: subjects[first]})
    assert not results.held_out(windows[first]).any()
    assert not results.held_out(windows[other]).any()
    unaffected = [n for n in names if subjects[n] not in (subjects[first], subjects[other])]
    assert all(results.held_out(windows[name]).all() for name in unaffected)
