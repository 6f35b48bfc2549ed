"""The report reads well whatever is missing, and shows nothing but what it was given."""

from __future__ import annotations

import copy
import csv
import io
import json
import re
from html import unescape
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from core.errors import CrosslError, OutputError
from core.prediction_table import read_prediction_table
from core.report import SECTIONS, console_tables, render_html, report_sections, write_html
from core.report_charts import clock, runs, ticks, time_ticks

CLASSES = ["W", "N1", "N2", "N3", "REM"]
MODALITIES = ["eeg", "eog", "emg", "breathing"]
VOID = {"meta", "br", "hr", "img", "input"}


def write_predictions(path: Path, seed: int = 0, labelled: bool = True, windows: int = 240) -> None:
    """A night in small: runs of stages, some errors, a gap, and a stretch with nothing present."""
    rng = np.random.default_rng(seed)
    stages = np.repeat(rng.integers(0, len(CLASSES), windows // 12 + 1), 12)[:windows]
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(
            ["start_s", "end_s", "fold", "label", "predicted", "confidence"]
            + [f"p_{c}" for c in CLASSES]
            + ["present", "fragility"]
            + [f"shapley_{m}" for m in MODALITIES]
        )
        for k in range(windows):
            if 100 <= k < 115:
                continue  # a gap: no windows
            label = CLASSES[stages[k]] if labelled and k % 17 else ""
            row = [30.0 * k, 30.0 * k + 30.0, k % 5, label]
            if 60 <= k < 70:
                out.writerow([*row, "", "", *[""] * 5, "", "", *[""] * 4])
                continue
            wrong = rng.random() < 0.15
            predicted = CLASSES[rng.integers(5)] if wrong else CLASSES[stages[k]]
            sure = 0.45 if wrong else 0.6 + 0.4 * rng.random()
            out.writerow(
                [
                    *(*row, predicted, f"{sure:.4f}", *([f"{sure:.3f}"] * 5), "eeg;eog;emg"),
                    f"{rng.random() ** 3:.3f}",
                    *(f"{v:.4f}" for v in rng.normal(0, 0.1, 4)),
                ]
            )


def make_report() -> dict[str, Any]:
    """A rich report with figures made up for this test."""
    rng = np.random.default_rng(1)
    budgets = [(0.01, 12), (0.05, 60), (0.1, 120), (1.0, 1200)]

    def efficiency(start: float, end: float) -> list[dict[str, Any]]:
        return [
            {
                "budget": budget,
                "labels": float(labels),
                "macro_f1": start + (end - start) * k / 3,
                "macro_f1_sd": 0.04 / (k + 1) if k < 3 else None,
                "seeds": 3,
                "balanced_accuracy": 0.5,
            }
            for k, (budget, labels) in enumerate(budgets)
        ]

    def opponent(name: str, title: str, start: float, end: float) -> dict[str, Any]:
        return {
            "name": name,
            "title": title,
            "transductive": False,
            "macro_f1": end,
            "balanced_accuracy": end + 0.01,
            "accuracy": end + 0.05,
            "ci95": {"macro_f1": [end - 0.05, end + 0.04]},
            "label_efficiency": efficiency(start, end),
            "note": "",
        }

    subsets = []
    for size in range(1, 5):
        for kept in combinations(MODALITIES, size):
            subsets.append(
                {
                    "kept": list(kept),
                    "windows": 1180 + size,
                    "macro_f1": 0.3 + 0.12 * size + (0.05 if "eeg" in kept else 0.0),
                    "balanced_accuracy": 0.3 + 0.12 * size,
                    "agreement": 0.4 + 0.15 * size,
                }
            )
    recordings = [
        {
            "id": f"S{k:02d}_night1",
            "path": f"signals/S{k:02d}.edf",
            "paths": [f"signals/S{k:02d}.edf"],
            "subject": f"S{k:02d}",
            "status": "ok",
            "error": None,
            "findings": [
                {"severity": "note", "field": "labels", "message": "'?' is left unlabelled"}
            ],
            "windows": 225,
            "labelled_windows": 211,
            "present_share": {"eeg": 1.0, "eog": 0.97, "emg": 0.9, "breathing": 0.0},
            "duration_s": 7200.0,
        }
        for k in range(4)
    ]
    recordings[3] |= {
        "status": "failed",
        "error": "signals/S03.edf: the header is cut short after 112 bytes; copy the file again.",
        "windows": None,
        "labelled_windows": None,
        "present_share": {},
        "duration_s": None,
    }
    confusion = (np.eye(5) * 80 + rng.integers(0, 18, (5, 5))).astype(int).tolist()
    evaluation = {
        "macro_f1": 0.812,
        "balanced_accuracy": 0.82,
        "accuracy": 0.85,
        "cohen_kappa": 0.79,
        "ece": 0.031,
        "macro_f1_subject_sd": 0.062,
        "per_class": {
            c: {"precision": 0.8, "recall": 0.7, "f1": 0.75, "support": 240} for c in CLASSES
        },
        "confusion": confusion,
        "per_subject": {
            f"S{k:02d}": {"macro_f1": 0.8, "accuracy": 0.84, "windows": 211, "fold": k}
            for k in range(3)
        },
        "ci95": {"macro_f1": [0.76, 0.85], "accuracy": [0.8, 0.9]},
        "reliability": [
            {"confidence": x, "accuracy": x - 0.03, "windows": 100} for x in (0.3, 0.5, 0.7, 0.9)
        ],
        "folds": [{"fold": 0, "test_subjects": ["S00"]}],
        "left_out": 10,
        "notes": ["The class 'N1' does not occur in fold 2."],
        "label_efficiency": efficiency(0.55, 0.812),
        "opponents": [
            opponent("majority", "Majority class", 0.14, 0.14),
            opponent("random_forest", "Random forest", 0.5, 0.78),
            opponent("supervised", "Supervised from scratch", 0.38, 0.79),
            opponent("random_encoders", "Frozen random encoders", 0.42, 0.7),
            opponent("reference", "Reference preset", 0.5, 0.74),
        ],
        "adapted": None,
    }
    epochs = [
        {
            "epoch": e,
            "loss": 30 * np.exp(-e / 6) + 12,
            "invariance": 0.2 + 0.5 * np.exp(-e / 5),
            "variance": 0.5 * np.exp(-e / 8) + 0.1,
            "covariance": 0.3 * np.exp(-e / 9),
            "deviation": 1 - 0.9 * np.exp(-e / 6),
            "effective_rank": 30 - 25 * np.exp(-e / 5),
            "cosine": 0.4 * np.exp(-e / 4),
            "seconds": 1.2,
        }
        for e in range(30)
    ]
    return {
        "schema_version": 1,
        "status": "partial",
        "error": None,
        "name": "Sleep stages",
        "created": "2026-11-22T10:00:00+00:00",
        "config": {"name": "Sleep stages", "notes": "A simulated night.", "seed": 0},
        "versions": {"crossl_app": "0.1.0", "python": "3.11.2", "torch": "2.13.0"},
        "recordings": recordings,
        "classes": CLASSES,
        "modalities": MODALITIES,
        "evaluation": evaluation,
        "robustness": {
            "subsets": subsets,
            "mean_macro_f1": 0.61,
            "worst_single_removal": {"removed": "eeg", "macro_f1": 0.66, "drop": 0.17},
            "shapley": {"eeg": 0.21, "eog": 0.12, "emg": 0.08, "breathing": -0.012},
            "sampled": False,
            "dedicated": [{"kept": ["eeg"], "macro_f1": 0.515, "forest_macro_f1": 0.479}],
        },
        "pretraining": {
            "runs": [
                {"name": n, "epochs": epochs[: 20 + k], "verdict": "healthy", "stopped": "all done"}
                for k, n in enumerate(("fold 0", "fold 1", "final"))
            ]
        },
        "timing": {"pretrain": 62.0, "finetune": 3.2, "evaluate": 20.5},
    }


@pytest.fixture
def predictions(tmp_path: Path) -> dict[str, Path]:
    found = {}
    for k in range(3):
        path = tmp_path / f"S{k:02d}_night1.csv"
        write_predictions(path, seed=k, labelled=k != 2)
        found[f"S{k:02d}_night1"] = path
    return found


class Checker(HTMLParser):
    """Fails on tags that do not pair up; collects what a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data") and value:
                self.references.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def check(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


def test_a_full_report_is_one_well_formed_file_without_network_or_script(predictions):
    page = render_html(make_report(), predictions)
    checker = check(page)
    assert checker.references == []
    assert "script" not in checker.tags
    assert not re.search(r"url\((?!#hatch)", page)
    for text in (
        "Confusion matrix",
        "How many labels does it take?",
        "Which modalities can one lose?",
        "without eeg",
        "Predictions over time",
        "Effective rank",
        "For research, not for diagnosis",
        "S03.edf: the header is cut short",
        "Simulated data.",
        "macro F1 0.660 (0.170 lower)",
        "own forest for it",
        "<td>0.515</td><td>0.479</td>",
    ):
        assert text in page, text
    assert page.count('class="chart strip"') == 3


def test_every_part_may_be_null_or_missing(predictions):
    full = make_report()
    for key in full:
        without = copy.deepcopy(full)
        without[key] = None
        check(render_html(without, predictions))
        del without[key]
        check(render_html(without, predictions))
    for part in ("evaluation", "robustness", "pretraining"):
        for key in full[part]:
            without = copy.deepcopy(full)
            without[part][key] = None
            check(render_html(without, predictions))
    check(render_html({}, {}))


def test_an_error_report_shows_its_message():
    page = render_html(
        {"name": "x", "status": "error", "error": "No recording: nothing matches 'S*.edf'."}, {}
    )
    check(page)
    assert "No recording: nothing matches &#x27;S*.edf&#x27;." in page


def test_a_report_of_predictions_alone_has_strips_and_no_evaluation(predictions):
    report = make_report() | {"evaluation": None, "robustness": None, "pretraining": None}
    page = render_html(report, predictions)
    check(page)
    assert page.count('class="chart strip"') == 3
    assert "<h2>Evaluation" not in page


def test_names_from_the_data_cannot_become_markup(tmp_path: Path):
    evil = '<script>alert("x")</script>'
    path = tmp_path / "r.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["start_s", "end_s", "label", "predicted", "confidence"])
        out.writerow([0, 30, evil, evil, 0.5])

    def poison(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                (k if k.islower() else evil + k): (v if k == "status" else poison(v))
                for k, v in value.items()
            }
        if isinstance(value, list):
            return [poison(v) for v in value]
        return evil if isinstance(value, str) else value

    page = render_html(poison(make_report()), {evil: path})
    assert "<script" not in page
    check(page)


def test_a_recording_without_readable_predictions_is_said_in_its_place(tmp_path: Path):
    page = render_html(make_report(), {"S00_night1": tmp_path / "gone.csv"})
    check(page)
    assert "S00_night1: there is no such predictions file." in page
    assert "gone.csv" not in page
    assert str(tmp_path) not in page


def test_a_report_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path):
    with pytest.raises(OutputError, match=r"report\.html"):
        write_html(make_report(), {}, tmp_path / "missing" / "report.html")
    target = tmp_path / "report.html"
    write_html(make_report(), {}, target)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("width", [80, 120])
def test_terminal_tables_keep_every_figure_within_the_width(terminal: bool, width: int):
    report = make_report()
    report["evaluation"]["opponents"][3]["title"] = "Frozen encoders with a very long [title] " * 2
    report["evaluation"]["adapted"] = {"macro_f1": 0.84, "label_efficiency": []}
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=terminal, color_system=None)
    console_tables(report, console)
    lines = text.getvalue().splitlines()
    assert max(len(line) for line in lines) <= width
    assert any("0.812" in line and "CroSSL" in line and "0.76–0.85" in line for line in lines)
    assert any(re.search(r"Supervised.*0\.380 ± 0\.04.*0\.790", line) for line in lines)
    assert any(re.search(r"Frozen.*0\.700.*0\.65–0\.74.*0\.710.*0\.750", line) for line in lines)
    assert any(re.search(r"Frozen.*0\.420.*0\.70[05]", line) for line in lines)
    assert any("without eeg" in line and "0.660" in line for line in lines)
    assert any(line.startswith("failed: S03_night1") for line in lines)


def test_terminal_tables_do_without_signs_that_the_output_lacks():
    raw = io.BytesIO()
    text = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    console_tables(make_report(), Console(file=text, width=80))
    assert b"0.380 +- 0.04" in raw.getvalue()


def test_terminal_tables_of_an_empty_report_print_nothing():
    text = io.StringIO()
    console_tables({"status": "error"}, Console(file=text, width=80))
    assert text.getvalue() == ""


def test_predictions_are_sorted_by_time_and_keep_what_is_empty(tmp_path: Path):
    path = tmp_path / "p.csv"
    path.write_text("start_s,end_s,label,predicted,confidence\n2,4,,a,0.5\n0,3,b,,\n")
    table = read_prediction_table(path)
    assert table.start_s.tolist() == [0, 2]
    assert table.label == ("b", "")
    assert table.predicted == ("", "a")
    assert np.isnan(table.confidence[0])
    assert np.isnan(table.fragility).all()
    assert table.shown_until_s().tolist() == [2, 4]  # overlapping windows share the time


@pytest.mark.parametrize(
    ("text", "message"),
    [("a,b\n1,2\n", "start_s"), ("start_s,end_s,predicted\nx,1,a\n", "not a number")],
)
def test_a_file_that_is_no_predictions_table_is_refused(tmp_path: Path, text: str, message: str):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(CrosslError, match=message):
        read_prediction_table(path)


def test_very_many_windows_become_as_many_columns_as_the_strip_has():
    n = 40_000
    start = np.arange(n, dtype=float)
    found = runs(start, start + 1, np.arange(n) % 2, float(n))
    assert len(found) <= 900
    few = runs(start[:9], start[:9] + 1, np.array([0, 0, 1, 1, -1, 1, 1, 0, 0]), 9.0)
    assert [(r.start_s, r.end_s, r.value) for r in few] == [
        (0, 2, 0),
        (2, 4, 1),
        (5, 7, 1),
        (7, 9, 0),
    ]


def test_ticks_are_round_and_inside():
    assert ticks(0, 1, 5) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert time_ticks(7200.0) == [k * 900.0 for k in range(9)]
    assert clock(3725.4) == "1:02:05"


# ---------------------------------------------------------------- parts


def test_parts_are_made_by_name_and_empty_ones_are_left_out() -> None:
    report = make_report()
    made = report_sections(report, {})
    assert list(made) == [name for name in SECTIONS if name != "predictions"]
    assert list(report_sections(report, {}, {"settings", "evaluation"})) == [
        "evaluation",
        "settings",
    ]
    assert list(report_sections({}, {})) == ["summary"]


def test_the_path_of_least_loss_is_told_step_by_step() -> None:
    report = make_report()
    report["robustness"]["least_loss_path"] = [
        {"removed": "emg", "kept": ["eeg", "eog", "breathing"], "macro_f1": 0.7, "agreement": 0.9},
        {"removed": "eog", "kept": ["eeg", "breathing"], "macro_f1": 0.65, "agreement": 0.8},
    ]
    html = report_sections(report, {}, {"robustness"})["robustness"]
    rows = re.findall(r"<tr><td class=\"t\">(\w+)</td><td class=\"t\">([^<]+)</td>", html)
    assert rows == [("emg", "without emg"), ("eog", "eeg + breathing")]


def test_settings_are_json_with_short_values_on_one_line() -> None:
    config = {
        "name": "Naps",
        "windows": {"length_s": 30.0, "hop_s": None},
        "steps": ["pretrain", "finetune"],
        "long": ["x" * 40, "y" * 40, "z" * 40, {"deep": ["w" * 60, "v" * 60]}],
        "empty": {},
    }
    html = report_sections({"config": config}, {}, {"settings"})["settings"]
    text = unescape(re.search(r"<pre>(.*?)</pre>", html, re.DOTALL)[1])
    assert json.loads(text) == config
    assert '  "windows": {"length_s": 30.0, "hop_s": null},' in text.splitlines()
    assert max(map(len, text.splitlines())) < 130
