"""The card says what the model is, from whom it learnt, how it did, and what it cannot do."""

from __future__ import annotations

import copy
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from core.model_card import ModelCard, model_card

FINE_TUNED: dict[str, Any] = {
    "name": "Naps",
    "created": "2026-11-20T10:00:00+00:00",
    "fine_tuned": True,
    "classes": ["W", "N2"],
    "modalities": [
        {"name": "eeg", "kind": "eeg", "channels": [1, 2], "rate_hz": 100.0, "unit": "uV",
         "filter": {"low_hz": 0.3, "high_hz": 35.0, "notch_hz": 50.0}},
        {"name": "emg", "kind": "emg", "channels": [1], "filter": {"low_hz": 10.0}},
    ],
    "shapes": [{"name": "eeg", "channels": 2, "rate_hz": 100.0}],
    "data": {"recordings": 12, "subjects": 6, "windows": 4321, "files": ["0d2d"]},
    "versions": {"crossl_app": "0.1.0"},
    "config": {
        "steps": ["pretrain", "finetune", "evaluate"],
        "notes": "From the lab.",
        "windows": {"length_s": 30.0, "hop_s": 30.0},
        "model": {"preset": "recommended"},
        "finetune": {"mode": "frozen", "head": "linear"},
        "seed": 7,
    },
}  # fmt: skip
TESTED: dict[str, Any] = {
    "classes": ["W", "N2"],
    "modalities": ["eeg", "emg"],
    "recordings": [
        {"id": "Anna_1", "subject": "Anna", "status": "ok", "labelled_windows": 40,
         "duration_s": 7200.0, "present_share": {"eeg": 1.0, "emg": 0.5}},
        {"id": "Bert_1", "subject": "Bert", "status": "failed"},
    ],
    "final": {"train_subjects": ["Anna", "Bert"], "locked_subjects": ["Cleo"]},
    "evaluation": {
        "windows": 900, "left_out": 11, "macro_f1": 0.71, "balanced_accuracy": 0.7,
        "cohen_kappa": 0.6, "ece": 0.12, "macro_f1_subject_sd": 0.1,
        "ci95_by_figure": {"macro_f1": [0.6, 0.8]},
        "per_class": {
            "W": {"f1": 0.9, "precision": 0.9, "recall": 0.9, "support": 870},
            "N2": {"f1": 0.4, "precision": 0.5, "recall": 0.3, "support": 30},
        },
        "per_subject": {"Anna": {"macro_f1": 0.9}, "Bert": {"macro_f1": 0.5}},
        "folds": [{"fold": "0", "test_subjects": ["Anna"]}, {"fold": "1"}],
        "opponents": [
            {"title": "Forest", "macro_f1": 0.75},
            {"title": "Cheat", "macro_f1": 0.99, "transductive": True},
        ],
    },
    "robustness": {
        "worst_single_removal": {"removed": "eeg", "macro_f1": 0.31, "drop": 0.4},
        "subsets": [
            {"kept": ["eeg", "emg"], "macro_f1": 0.71},
            {"kept": ["eeg"], "macro_f1": 0.7},
            {"kept": ["emg"], "macro_f1": 0.31},
        ],
    },
}  # fmt: skip


def section(card: ModelCard, title: str) -> str:
    found = next(x for x in card.sections if x.title == title)
    rows = [" | ".join(row) for row in found.table.rows] if found.table is not None else []
    return "\n".join([*found.lines, *rows])


def test_the_card_says_what_the_model_is_and_what_it_is_not_for() -> None:
    card = model_card(FINE_TUNED, TESTED)
    assert card.title == "Model card: Naps"
    said = section(card, "What it is")
    assert "windows of 30 s of eeg and emg one of 2 classes: W and N2" in said
    assert "frozen encoders" in said
    use = section(card, "Intended use")
    assert "Not for diagnosis" in use
    assert "no medical device" in use


def test_the_data_are_told_in_numbers() -> None:
    card = model_card(FINE_TUNED, TESTED)
    said = section(card, "Data")
    assert "12 files of 6 people: 4,321 windows" in said
    assert "labels of 2 people were learnt from" in said
    assert "1 person was kept aside" in said
    assert "N2 | 30" in said
    assert "From the lab." in said
    assert "From the lab." not in section(model_card(FINE_TUNED, TESTED, with_notes=False), "Data")
    sensors = section(card, "Sensors")
    assert "eeg | eeg | 2 | 100 Hz | uV | 0.3–35 Hz, without 50 Hz | 100 %" in sensors
    assert "emg | emg | 1 | – | – | from 10 Hz | 50 %" in sensors


def test_the_result_stands_with_its_interval_beside_the_best_opponent() -> None:
    said = section(model_card(FINE_TUNED, TESTED), "How it was tested")
    assert "On 2 people, in 2 folds by person: 900 labelled windows" in said
    assert "Macro F1 0.710 (95 % interval 0.60–0.80)" in said
    assert "Forest, macro F1 0.750, which is better" in said
    assert "Cheat" not in said


def test_limits_are_named() -> None:
    said = section(model_card(FINE_TUNED, TESTED), "Known limits")
    assert "6 people only" in said
    assert "from 0.500 for one person to 0.900 for another, standard deviation 0.100" in said
    assert "figures are uncertain: N2 (30)" in said
    assert "wrong more often than right, by F1: N2 (0.40)" in said
    assert "11 labelled windows had nothing recorded" in said
    assert "without it macro F1 falls by 0.400, to 0.310" in said
    assert "0.310 at worst (emg)" in said
    assert "off by 12 percentage points" in said


def test_no_person_is_named_anywhere() -> None:
    card = model_card(FINE_TUNED, TESTED)
    for text in (card.to_html(), card.to_markdown()):
        assert not [name for name in ("Anna", "Bert", "Cleo") if name in text]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"simulated": True}, "simulated"),
        ({"fine_tuned": False}, "knows no classes"),
        ({"classes": []}, "knows no classes"),
    ],
)
def test_what_is_special_is_said(change: dict[str, Any], says: str) -> None:
    assert says in model_card({**FINE_TUNED, **change}, {}).to_markdown()


def test_without_a_test_nothing_is_claimed() -> None:
    untested = {**TESTED, "evaluation": None, "robustness": None}
    assert "was not tested on people" in model_card(FINE_TUNED, untested).to_markdown()
    assert "no report of how it was tested" in model_card(FINE_TUNED).to_markdown()


def test_one_modality_and_one_person_are_limits_of_their_own() -> None:
    report = copy.deepcopy(TESTED)
    report["modalities"] = ["eeg"]
    report["evaluation"]["per_subject"] = {"Anna": {"macro_f1": 0.9}}
    said = section(model_card(FINE_TUNED, report), "Known limits")
    assert "one modality: without it there is no answer" in said
    assert "tested on one person" in said
    small = copy.deepcopy(TESTED)
    small["robustness"]["worst_single_removal"] = {"removed": "emg", "macro_f1": 0.7, "drop": 0.01}
    assert "Any one modality can go" in section(model_card(FINE_TUNED, small), "Known limits")


@pytest.mark.parametrize("part", [*FINE_TUNED, *TESTED])
def test_any_part_may_be_missing_or_null(part: str) -> None:
    for value in (None, [], {}, "?"):
        made = model_card({**FINE_TUNED, part: value}, {**TESTED, part: value})
        made.to_html()
        made.to_markdown()
    model_card({}, {}).to_markdown()


def test_names_are_no_markup() -> None:
    document = {**FINE_TUNED, "classes": ["<b>x</b>", "a|b*"]}
    report = copy.deepcopy(TESTED)
    row = report["evaluation"]["per_class"]["W"]
    report["evaluation"]["per_class"] = {"<b>x</b>": row, "a|b*": row}
    card = model_card(document, report)
    assert "<b>" not in card.to_html()
    assert "a\\|b\\*" in card.to_markdown()
    parser = HTMLParser()
    parser.feed(card.to_html())
    parser.close()


def test_the_card_of_a_real_model(finished_run: Any) -> None:
    output: Path = finished_run[1]
    document = json.loads((output / "model" / "model.json").read_text())
    report = json.loads((output / "report.json").read_text())
    text = model_card(document, report).to_markdown()
    assert "5 files of 5 people: 150 windows" in text
    assert "| acc | acc | 2 | 20 Hz |" in text
    assert "Macro F1 " in text
