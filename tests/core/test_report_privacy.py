"""Names and places are taken out of a report wherever it holds them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.report_privacy import Aliases, aliases_of, anonymous, without_folders, without_paths

REPORT: dict[str, Any] = {
    "name": "Naps",
    "error": "/data/lab a/Anna/night.edf: it is empty.",
    "model": "/data/models/m1",
    "classes": ["W", "N2"],
    "recordings": [
        {
            "id": "Anna_1",
            "path": "/data/lab a/Anna/night.edf",
            "paths": {"main": "/data/lab a/Anna/night.edf"},
            "subject": "Anna",
            "status": "failed",
            "error": "/data/lab a/Anna/night.edf: it is empty.",
            "findings": [{"message": "Scaled by all windows of Anna (2 recordings), not Annabel."}],
        },
        {"id": "02", "path": "x\\02.csv", "paths": ["x\\02.csv"], "subject": "02", "findings": []},
    ],
    "final": {"train_subjects": ["Anna", "02"], "locked_subjects": []},
    "evaluation": {
        "per_subject": {"Anna": {"macro_f1": 0.5}, "02": {"macro_f1": 0.7}},
        "folds": [{"fold": "0", "test_subjects": ["Anna"], "train_subjects": ["02"]}],
        "notes": ["Anna has one class."],
        "macro_f1": 0.6,
    },
    "config": {
        "name": "Naps",
        "notes": "Anna was ill.",
        "data_root": "/data",
        "recordings": {
            "sources": [{"pattern": "/data/{subject}/night.edf", "values": {"site": "Bonn"}}],
            "listed": [{"id": "Anna_1", "files": {"main": {"path": "/data/x.edf"}}}],
            "exclude": [{"recording": "Anna_1"}],
            "key_map": {"Anna": "1"},
        },
        "labels": {"pattern": "/data/labels/{id}.csv"},
        "finetune": {"from": "../other/model"},
        "evaluate": {"test_subjects": ["Anna"]},
        "seed": 0,
    },
}


def test_paths_lose_their_folders_and_names_stay() -> None:
    clean = without_paths(REPORT)
    text = json.dumps(clean)
    assert "/data" not in text
    assert "lab a" not in text
    assert clean["error"] == "night.edf: it is empty."
    assert clean["recordings"][0]["error"] == "night.edf: it is empty."
    assert clean["recordings"][0]["paths"] == {"main": "night.edf"}
    assert clean["recordings"][1]["paths"] == ["02.csv"]
    assert clean["recordings"][0]["subject"] == "Anna"
    assert clean["config"]["recordings"]["listed"] == "1 recording"
    assert clean["config"]["finetune"]["from"] == "model"
    assert clean["config"]["labels"]["pattern"] == "{id}.csv"
    assert clean["config"]["notes"] == "Anna was ill."
    assert REPORT["error"].startswith("/data")  # the report itself is as it was


def test_an_anonymous_report_names_nobody() -> None:
    clean = anonymous(REPORT, aliases_of(REPORT, {}))
    text = json.dumps(clean)
    for name in (
        "Anna_1",
        '"Anna"',
        "Anna ",
        "night",
        "Bonn",
        "was ill",
        '"02"',
        "/data",
        "02.csv",
    ):
        assert name not in text, name
    first = clean["recordings"][0]
    assert (first["id"], first["subject"]) == ("recording 1", "subject 1")
    assert first["findings"][0]["message"] == (
        "Scaled by all windows of subject 1 (2 recordings), not Annabel."
    )
    assert first["error"] == "recording 1: it is empty."
    assert list(clean["evaluation"]["per_subject"]) == ["subject 1", "subject 2"]
    assert clean["evaluation"]["folds"][0]["test_subjects"] == ["subject 1"]
    assert clean["evaluation"]["notes"] == ["subject 1 has one class."]
    assert clean["final"]["train_subjects"] == ["subject 1", "subject 2"]
    assert clean["config"]["evaluate"]["test_subjects"] == ["subject 1"]
    assert clean["config"]["seed"] == 0
    assert clean["evaluation"]["macro_f1"] == 0.6


def test_names_that_nobody_told_of_are_not_shown_either() -> None:
    aliases = Aliases.of(["a"], ["b"])
    assert (aliases.recording("x"), aliases.subject("x"), aliases.rater("x")) == (
        "a recording",
        "a subject",
        "a rater",
    )


def test_numbers_stand_in_the_order_given_and_sort_as_text() -> None:
    aliases = Aliases.of([f"r{k}" for k in range(12)], ["p", "p", ""])
    assert aliases.recording("r0") == "recording 01"
    assert aliases.recording("r11") == "recording 12"
    assert aliases.subjects == {"p": "subject 1"}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/My Name/x.csv: it is empty.", "x.csv: it is empty."),
        (r"C:\Users\Me\x.csv: it is empty.", "x.csv: it is empty."),
        (r"\\server\share\x.csv: it is empty.", "x.csv: it is empty."),
        ("The file '/a/b/c.csv' is like /d/e.csv.", "The file 'c.csv' is like e.csv."),
        ("Speed in km/h and yes/no stay.", "Speed in km/h and yes/no stay."),
        ("Line 1 names the columns.", "Line 1 names the columns."),
    ],
)
def test_only_the_last_part_of_a_path_is_left_in_a_message(text: str, left: str) -> None:
    assert without_folders(text) == left


def test_any_part_may_be_missing() -> None:
    for key in REPORT:
        for value in (None, [], {}):
            report = {**REPORT, key: value}
            anonymous(report, aliases_of(report, {}))
    anonymous({}, aliases_of({}, {}))
