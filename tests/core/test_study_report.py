"""The study report stands alone, holds what was asked for, and names nobody when it must not."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from core.errors import ModelError, OutputError
from core.progress import Cancelled, RunContext
from core.run_results import RunResults
from core.study_report import (
    PARTS,
    ExtraTable,
    LabelCount,
    ReportOptions,
    StudySummary,
    study_report,
    summarise_study,
    write_study_report,
)
from core.study_runs import StudyRun
from tests.core.study_makers import label, make_study, put, stage_labels

STUDY = StudySummary(
    name="Walks & rests",
    notes="Ask <Karl>.",
    recordings=("s1", "s2", "s3", "s4", "s5"),
    subjects=("s1", "s2", "s3", "s4", "s5"),
    duration_s=300.0,
    epoch_s=2.0,
    labels=(
        LabelCount("rest", "state", "Karl", 15, 150.0),
        LabelCount("walk", "state", "Karl", 1200, 9000.0),
        LabelCount("walk", "state", "Lena", 3, 6.0),
        LabelCount("Lights off", "mark", "Lena", 1, 0.0),
    ),
)
SLEEP = ExtraTable(
    "Sleep",
    ("recording", "who", "TST"),
    (("s1", "Karl", "6:10"), ("s1", "<model>", "6:00")),
    note="From lights off.",
    text_columns=(0, 1),
    recording_column=0,
    rater_column=1,
)
HEADS = {
    "study": "The study",
    "evaluation": "Evaluation",
    "robustness": "Which modalities can one lose?",
    "tables": "Sleep",
    "predictions": "Predictions over time",
    "recordings": "Recordings",
    "pretraining": "Pretraining",
    "model_card": "Model card: small",
    "settings": "How it was made",
}


@pytest.fixture
def results(finished_run: Any) -> RunResults:
    return RunResults(finished_run[1])


@pytest.fixture
def run(finished_run: Any) -> StudyRun:
    return StudyRun(
        finished_run[1], "First", "train", "finished", ended_at="2026-11-25T02:10:11.8+00:00",
        raters=("Karl",),
    )  # fmt: skip


def heads(html: str) -> list[str]:
    found: list[str] = []

    class Heads(HTMLParser):
        inside = False

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            if tag == "h2":
                self.inside = True
                found.append("")

        def handle_endtag(self, tag: str) -> None:
            self.inside = self.inside and tag != "h2"

        def handle_data(self, data: str) -> None:
            if self.inside:
                found[-1] += data

    Heads().feed(html)
    return found


def test_the_report_stands_alone_and_holds_all_parts_in_order(
    results: RunResults, run: StudyRun
) -> None:
    html = study_report(STUDY, run, results.report, results, extra_tables=[SLEEP])
    found = heads(html)
    assert [head for head in found if head in HEADS.values()] == list(HEADS.values())
    assert "<script" not in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert 'src="' not in html
    assert "Walks &amp; rests" in html
    assert "Run: First · 2026-11-25 02:10 UTC · labels of Karl" in html
    assert "<td>1,200 (2:30:00)</td><td>3 (0:00:06)</td>" in html
    assert "&lt;model&gt;" in html
    assert "Ask &lt;Karl&gt;." in html
    assert "research, not for diagnosis" in html.replace("\n", " ")


@pytest.mark.parametrize("part", PARTS)
def test_only_the_parts_that_were_asked_for_go_in(
    part: str, results: RunResults, run: StudyRun
) -> None:
    options = ReportOptions(parts=(part,))
    html = study_report(STUDY, run, results.report, results, options, [SLEEP])
    assert [head for head in heads(html) if head in HEADS.values()] == [HEADS[part]]
    assert "macro F1, held-out subjects" in html  # the summary is always there


def test_folders_are_shown_only_when_asked_for(
    results: RunResults, run: StudyRun, finished_run: Any
) -> None:
    place = str(finished_run[0].folder)
    assert place in json.dumps(results.report)
    without = study_report(STUDY, run, results.report, results)
    assert place not in without
    assert str(Path.home()) not in without
    with_paths = study_report(STUDY, run, results.report, results, ReportOptions(with_paths=True))
    assert f"{place}/s1.csv" in with_paths


def test_an_anonymous_report_has_numbers_for_names(results: RunResults, run: StudyRun) -> None:
    options = ReportOptions(anonymous=True, with_paths=True)
    html = study_report(STUDY, run, results.report, results, options, [SLEEP])
    for name in (">s1<", "s1.csv", "Karl", "Lena", "Ask", str(run.folder), "Predictions of s1"):
        assert name not in html, name
    assert '<td class="t">rater 1</td>' in html
    assert "&lt;model&gt;" in html
    assert "labels of rater 1" in html
    assert "<h3>recording 1</h3>" in html
    assert '<td class="t">subject 3</td>' in html
    assert '<td class="t">recording 1</td>' in html


def test_figures_on_people_who_turned_out_to_be_one_are_left_out(
    finished_run: Any, run: StudyRun
) -> None:
    results = RunResults(finished_run[1])
    subjects = {name: results.windows(name).subject for name in results.recordings()}
    first, second = sorted(subjects)[:2]
    page = study_report(None, run, results.report, results)
    assert "no test and are left out" not in page
    results.set_subjects(subjects | {second: subjects[first]})
    page = study_report(None, run, results.report, results)
    assert f"{subjects[first]}" in page
    assert "no test and are left out" in page
    assert "Evaluation" in "".join(
        heads(study_report(None, run, results.report, RunResults(finished_run[1])))
    )
    assert "Evaluation" not in "".join(heads(page))


def test_recordings_that_were_scored_later_stand_apart(
    finished_run: Any, run: StudyRun, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished_run[1], folder)
    shutil.copy(folder / "predictions" / "s1.csv", folder / "predictions" / "anna.csv")
    entry = {
        "id": "anna", "subject": "Anna B", "status": "ok", "windows": 30, "duration_s": 60.0,
        "findings": [{"message": "acc is unlike the training data of Anna B."}], "paths": {},
    }  # fmt: skip
    (folder / "scored.json").write_text(json.dumps({"anna": entry}))
    results = RunResults(folder)
    html = study_report(STUDY, run, results.report, results)
    assert "Scored later" in html
    assert "<h3>anna</h3>" in html
    hidden = study_report(STUDY, run, results.report, results, ReportOptions(anonymous=True))
    assert "anna" not in hidden
    assert "Anna" not in hidden
    assert "unlike the training data of subject 6" in hidden


def test_a_model_that_was_brought_in_has_a_report_of_its_card(
    finished_run: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "002_theirs"
    shutil.copytree(finished_run[1] / "model", folder / "model")
    run = StudyRun(folder, "Theirs", "model", "finished", created_at="2026-11-25T02:10")
    html = study_report(STUDY, run, {}, RunResults(folder))
    assert "its model was brought in" in html
    assert heads(html) == ["The study", "Model card: small"]


def test_a_results_folder_without_a_study_has_a_report_too(results: RunResults) -> None:
    html = study_report(None, None, results.report, results)
    assert "<h1>small" in html
    assert "The study" not in heads(html)


def test_a_study_without_labels_says_so(results: RunResults, run: StudyRun) -> None:
    bare = StudySummary("Bare", "", (), (), 0.0, 30.0, ())
    assert "no labels yet" in study_report(bare, run, {}, results)


def test_a_damaged_model_is_told(finished_run: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished_run[1], folder)
    results = RunResults(folder)
    (folder / "model" / "model.json").write_text("{")
    with pytest.raises(ModelError, match=r"model\.json"):
        study_report(None, None, results.report, results)


def test_it_stops_when_asked_to(results: RunResults) -> None:
    with pytest.raises(Cancelled):
        study_report(
            None, None, results.report, results, context=RunContext(should_stop=lambda: True)
        )


def test_a_report_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    write_study_report(path, "<p>ä</p>")
    assert path.read_text(encoding="utf-8") == "<p>ä</p>"
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_study_report(tmp_path / "file" / "report.html", "x")


def test_the_numbers_of_a_study_are_counted(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    try:
        recordings = study.recordings()
        for recording in recordings:
            put(study, recording, study.rater("AB"),
                [*stage_labels(), label(3, 5, "Arousal", "event", "eeg")])  # fmt: skip
        put(study, recordings[0], study.rater("CD"), [label(0, 30, "W")])
        summary = summarise_study(study)
        assert summary.recordings == tuple(x.name for x in recordings)
        assert summary.duration_s == sum(x.duration_s for x in recordings)
        counts = {(x.class_name, x.rater): x for x in summary.labels}
        assert counts["Arousal", "AB"].labels == 2
        assert counts["Arousal", "AB"].duration_s == pytest.approx(4.0)
        assert counts["W", "CD"] == LabelCount("W", "state", "CD", 1, 30.0)
        assert sum(x.labels for x in summary.labels if x.rater == "AB") == 2 * (
            len(stage_labels()) + 1
        )
    finally:
        study.close()
