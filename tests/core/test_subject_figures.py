"""Who was tested is read from the folds, and people whom a model has seen are never a test."""

from __future__ import annotations

from typing import Any

import pytest

from core.subject_figures import who_was_tested


def fold(name: str, test: str, train: str, extra: str = "") -> dict[str, Any]:
    return {
        "fold": name,
        "test_subjects": list(test),
        "train_subjects": list(train),
        "pretrain_subjects": [*train, *extra],
    }


def report(*folds: dict[str, Any], **figures: float) -> dict[str, Any]:
    """Macro F1 by person; other keys of the evaluation as in a report."""
    return {
        "config": {"steps": ["finetune", "evaluate"]},
        "evaluation": {
            "windows": 10 * len(figures),
            "folds": list(folds),
            "per_subject": {
                name: {"macro_f1": value, "accuracy": value, "windows": 10, "fold": "0"}
                for name, value in figures.items()
            },
        },
    }


def test_held_out_people_are_a_test_and_the_weakest_comes_first() -> None:
    found = who_was_tested(
        report(fold("0", "ac", "b", "u"), fold("1", "b", "ac", "u"), a=0.9, b=0.5, c=0.7)
    )
    assert found.is_test
    assert [row.subject for row in found.rows] == ["b", "c", "a"]
    assert (found.folds, found.locked, found.trained) == (2, False, (1, 2))


def test_locked_people_are_a_test() -> None:
    found = who_was_tested(report(fold("locked", "a", "bc"), a=0.9))
    assert found.is_test
    assert found.locked


def test_one_tested_person_that_was_seen_makes_it_no_test() -> None:
    unlabelled = report(fold("0", "a", "b", "a"), fold("1", "b", "a"), a=0.9, b=0.5)
    assert who_was_tested(unlabelled).seen == ("a",), "seen without labels is seen"
    learned = report(fold("0", "a", "ab"), fold("1", "b", "a"), a=0.9, b=0.5)
    assert who_was_tested(learned).why_not == "seen"
    nowhere = report(fold("0", "a", "b"), a=0.9, b=0.5)
    assert who_was_tested(nowhere).seen == ("b",), "no fold has held b out"
    assert not who_was_tested(nowhere).rows


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (None, "nothing"),
        ({}, "nothing"),
        ({"config": None, "evaluation": None, "model": "m"}, "scored"),
        ({"config": {"steps": ["finetune", "predict"]}, "evaluation": None}, "not_asked"),
        ({"config": {"steps": ["finetune", "evaluate"]}, "evaluation": None}, "unfinished"),
        (report(fold("0", "a", "b")), "unlabelled"),
    ],
)
def test_why_there_is_no_test_is_told(document: dict[str, Any] | None, expected: str) -> None:
    assert who_was_tested(document).why_not == expected


def test_a_real_report_is_a_test(finished_run) -> None:
    import json

    document = json.loads((finished_run[1] / "report.json").read_text())
    found = who_was_tested(document)
    assert found.is_test
    assert len(found.rows) == len(document["evaluation"]["per_subject"])
