"""Runs stand side by side with what differs, and a comparison that is not fair says why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.progress import Cancelled, Progress, RunContext
from core.run_comparison import (
    MISSING,
    FigureRow,
    RunComparison,
    compare_runs,
    run_row,
    run_rows,
)
from core.study import Study
from core.study_runs import StudyRun, create_run, export_model, import_model, read_run, runs_of
from tests.conftest import RATER

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def first(study_copy: Path) -> StudyRun:
    return runs_of(study_copy)[0]


def edit(path: Path, change: Change) -> None:
    """Change a JSON file in place."""
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def nothing(_: dict[str, Any]) -> None:
    return None


def another(
    run: StudyRun,
    title: str = "other",
    report: Change = nothing,
    settings: Change = nothing,
    about: Change = nothing,
) -> StudyRun:
    """A copy of a run in which some of it is otherwise."""
    folder = Path(shutil.copytree(run.folder, run.folder.with_name(f"009_{title}")))
    edit(folder / "report.json", report)
    edit(folder / "run.json", settings)
    edit(folder / "study_run.json", lambda d: (d.update(title=title), about(d)))
    found = read_run(folder)
    assert found is not None
    return found


def figure(comparison: RunComparison, group: str, name: str) -> FigureRow:
    (found,) = (row for row in comparison.figures if (row.group, row.name) == (group, name))
    return found


# ---------------------------------------------------------------- rows


def test_a_row_holds_the_figures_of_the_report(first: StudyRun) -> None:
    row = run_row(first)
    report = first.report()
    evaluation, robustness = report["evaluation"], report["robustness"]
    assert (row.name, row.title, row.state, row.kind) == (
        "001_First_run", "First run", "finished", "train"
    )  # fmt: skip
    assert row.macro_f1 == evaluation["macro_f1"]
    assert row.ci95 == tuple(evaluation["ci95"])
    assert row.balanced_accuracy == evaluation["balanced_accuracy"]
    assert row.cohen_kappa == evaluation["cohen_kappa"]
    assert row.worst_removed == robustness["worst_single_removal"]["removed"]
    assert row.worst_macro_f1 == robustness["worst_single_removal"]["macro_f1"]
    assert row.mean_macro_f1 == robustness["mean_macro_f1"]
    assert (row.windows, row.subjects) == (150, 5)
    assert (row.preset, row.pretrained_from, row.raters) == ("fast", "", (RATER,))
    assert row.seconds == pytest.approx(sum(report["timing"].values()))
    assert row.has_windows
    assert row.has_model
    assert row.has_report
    assert not row.can_resume
    assert row.problem == ""


def test_a_run_that_waits_has_settings_but_no_figures(study_copy: Path, first: StudyRun) -> None:
    study = Study.open(study_copy)
    engine = {**study.settings.engine, "steps": ["finetune"]}
    engine["finetune"] = {"from": str(first.model)}
    row = run_row(create_run(study, "young", engine, [RATER]))
    study.close()
    assert (row.state, row.preset, row.problem) == ("waiting", "fast", "")
    assert row.pretrained_from == first.name
    assert (row.macro_f1, row.windows, row.seconds) == (None, None, None)
    assert row.can_resume
    assert not row.has_report


def test_a_model_from_elsewhere_tells_its_preset(study_copy: Path, first: StudyRun) -> None:
    study = Study.open(study_copy)
    brought = import_model(study, export_model(first, study_copy.parent / "given"), "given")
    study.close()
    row = run_row(brought)
    assert (row.kind, row.preset, row.problem) == ("model", "fast", "")
    (brought.model / "model.json").write_text("[")
    assert "model.json" in run_row(brought).problem


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 100_000])
def test_a_damaged_report_is_a_row_with_the_problem_in_words(
    first: StudyRun, content: bytes
) -> None:
    first.report_path.write_bytes(content)
    row = run_row(first)
    assert "report.json" in row.problem
    assert "cannot be read" in row.problem
    assert row.preset == "fast"
    assert row.macro_f1 is None
    assert not row.has_report


def test_a_report_of_other_types_than_expected_is_no_crash(first: StudyRun) -> None:
    def spoil(report: dict[str, Any]) -> None:
        report.update(evaluation=[1], robustness="no", recordings={"a": 1}, timing=None)
        report.update(pretraining={"runs": [3, {"epochs": "x"}]}, versions=[], modalities=None)

    spoilt = another(first, report=spoil)
    row = run_row(spoilt)
    assert (row.macro_f1, row.windows, row.seconds) == (None, None, None)
    compare_runs([first, spoilt])


def test_the_reason_of_a_failure_is_the_rows_problem(first: StudyRun) -> None:
    failed = another(first, about=lambda d: d.update(state="failed", error="The disk is full."))
    assert run_row(failed).problem == "The disk is full."


def test_a_run_file_of_another_version_is_told_from_the_report(first: StudyRun) -> None:
    newer = another(first, settings=lambda d: d.update(later_key=1))
    row = run_row(newer)
    assert (row.preset, row.problem) == ("fast", "")
    newer.report_path.unlink()
    assert "later_key" in run_row(newer).problem


def test_many_rows_are_read_in_order_and_can_be_stopped(first: StudyRun) -> None:
    runs = [first, another(first)]
    seen: list[Progress] = []
    rows = run_rows(runs, {}, RunContext(seen.append))
    assert [row.title for row in rows] == ["First run", "other"]
    assert [(p.done, p.total) for p in seen] == [(0, 2), (1, 2)]
    with pytest.raises(Cancelled):
        run_rows(runs, {}, RunContext(should_stop=lambda: True))


def test_figures_on_people_who_turned_out_to_be_one_are_not_shown(first: StudyRun) -> None:
    second = another(first)
    subjects = {str(e["id"]): str(e["subject"]) for e in (first.report() or {})["recordings"]}
    assert run_row(first, subjects) == run_row(first)
    assert run_row(first, subjects).macro_f1 is not None
    names = sorted(subjects)
    subjects[names[1]] = subjects[names[0]]
    row = run_row(first, subjects)
    assert (row.macro_f1, row.mean_macro_f1) == (None, None)
    assert "no test" in row.problem
    assert row.seen == tuple(names[:2])
    comparison = compare_runs([first, second], subjects)
    assert any("has no figures: The model has seen" in text for text in comparison.unfair)
    assert not [one for one in comparison.figures if one.group in ("evaluation", "subsets")]


# ---------------------------------------------------------------- settings and figures


def test_only_settings_that_differ_are_listed_by_their_paths(first: StudyRun) -> None:
    def change(document: dict[str, Any]) -> None:
        document["name"] = "another name"  # says nothing about the numbers
        document["pretrain"]["loss"]["covariance"] = 4.0
        document["pretrain"]["patience"] = 3
        document["modalities"][0]["scaling"] = "none"
        document["modalities"].append({"name": "more", "channels": ["gx"]})

    other = another(first, settings=change, about=lambda d: d.update(raters=[RATER, "EF"]))
    found = {x.path: x.values for x in compare_runs([first, other]).settings}
    assert found.pop("modalities.more")[0] == MISSING
    assert found == {
        "pretrain.loss.covariance": ("1.0", "4.0"),
        "pretrain.patience": ("none", "3"),
        "modalities.acc.scaling": ("train", "none"),
        "raters": (f'["{RATER}"]', f'["{RATER}", "EF"]'),
    }


def test_three_runs_are_compared_at_once(first: StudyRun) -> None:
    runs = [
        first,
        another(first, "b", settings=lambda d: d.update(seed=1)),
        another(first, "c", settings=lambda d: d.update(seed=2)),
    ]
    comparison = compare_runs(runs)
    assert [(x.path, x.values) for x in comparison.settings] == [("seed", ("0", "1", "2"))]
    assert all(len(row.values) == len(row.intervals) == 3 for row in comparison.figures)
    assert [row.title for row in comparison.rows] == ["First run", "b", "c"]


def test_equal_runs_differ_in_nothing(first: StudyRun) -> None:
    comparison = compare_runs([first, another(first)])
    assert comparison.settings == ()
    assert comparison.is_fair
    assert comparison.same_folds
    assert not any(row.best for row in comparison.figures)
    assert any("same macro F1" in note for note in comparison.notes)


def test_figures_of_every_kind_stand_side_by_side(first: StudyRun) -> None:
    def change(report: dict[str, Any]) -> None:
        report["evaluation"]["macro_f1"] = 0.5
        report["evaluation"]["ci95_by_figure"]["macro_f1"] = [0.4, 0.6]
        report["evaluation"]["ece"] = 0.0
        report["evaluation"]["per_class"]["walk"]["f1"] = None
        del report["evaluation"]["per_subject"]["s5"]
        report["evaluation"]["label_efficiency"].append({"budget": 0.1, "macro_f1": 0.3})
        report["robustness"]["subsets"][1]["macro_f1"] = 1.0
        report["timing"]["extra"] = 1.5

    comparison = compare_runs([first, another(first, report=change)])
    report = first.report()
    macro_f1 = figure(comparison, "evaluation", "macro F1")
    assert macro_f1.values == (report["evaluation"]["macro_f1"], 0.5)
    assert macro_f1.intervals == (tuple(report["evaluation"]["ci95"]), (0.4, 0.6))
    assert macro_f1.best == (0,)
    assert not macro_f1.is_count
    ece = figure(comparison, "evaluation", "calibration error (ECE)")
    assert ece.best == (1,), "a smaller error is better"
    assert figure(comparison, "evaluation", "windows that were scored").is_count
    assert figure(comparison, "classes", "walk: F1").values[1] is None
    assert figure(comparison, "subjects", "s5").values[1] is None
    budgets = [row.name for row in comparison.figures if row.group == "budgets"]
    assert budgets[0] == "10 % of the labels: macro F1", "in order of the budgets"
    assert figure(comparison, "opponents", "Majority class").best == ()
    kept = report["robustness"]["subsets"][1]["kept"][0]
    assert figure(comparison, "subsets", f"{kept} alone: macro F1").best == (1,)
    assert figure(comparison, "subsets", "all modalities: macro F1").intervals[0] is not None
    assert figure(comparison, "pretraining", "final fit: epochs").values == (2, 2)
    assert figure(comparison, "seconds", "extra").values == (None, 1.5)
    groups = [row.group for row in comparison.figures]
    assert groups == sorted(groups, key=list(dict.fromkeys(groups)).index), "group by group"


# ---------------------------------------------------------------- fairness


def test_a_run_without_held_out_evaluation_is_not_compared_in_silence(first: StudyRun) -> None:
    bare = another(first, "bare", report=lambda d: d.update(evaluation=None))
    comparison = compare_runs([first, bare])
    assert not comparison.is_fair
    (sentence,) = comparison.unfair
    assert "'bare'" in sentence
    assert "held out" in sentence
    assert comparison.same_folds is None


def test_runs_without_figures_yet_and_brought_in_models_are_named(
    study_copy: Path, first: StudyRun
) -> None:
    study = Study.open(study_copy)
    young = create_run(study, "young", study.settings.engine, [RATER])
    brought = import_model(study, first.model, "brought")
    study.close()
    stopped = another(
        first,
        "half",
        report=lambda d: d.update(evaluation=None),
        about=lambda d: d.update(state="stopped"),
    )
    damaged = another(first, "damaged")
    damaged.report_path.write_text("{")
    said = compare_runs([first, young, brought, stopped, damaged]).unfair
    assert len(said) == 4
    assert "'young' has no figures yet: it is waiting." in said
    assert "brought in" in said[1]
    assert "it is stopped" in said[2]
    assert "cannot be read" in said[3]


def test_other_recordings_are_named(first: StudyRun) -> None:
    def fewer(report: dict[str, Any]) -> None:
        report["recordings"] = report["recordings"][:-1]
        report["recordings"][0]["duration_s"] = 10.0

    comparison = compare_runs([first, another(first, report=fewer)])
    assert comparison.same_data is False
    (sentence,) = comparison.unfair
    assert "only 'First run' has 's5'" in sentence
    assert "other lengths of 's1'" in sentence


def test_a_recording_that_failed_is_named(first: StudyRun) -> None:
    partial = another(
        first,
        report=lambda d: d["recordings"][2].update(status="failed"),
        about=lambda d: d.update(state="partial"),
    )
    said = " ".join(compare_runs([first, partial]).unfair)
    assert "went without 1 recording that could not be read: 's3'" in said


def test_the_fingerprint_of_the_data_tells_changed_files_and_labels(first: StudyRun) -> None:
    edit(first.report_path, lambda d: d.update(data_fingerprint="a"))
    same = another(first, "same")
    changed = another(first, "changed", report=lambda d: d.update(data_fingerprint="b"))
    assert compare_runs([first, same]).same_data is True
    comparison = compare_runs([first, changed])
    assert comparison.same_data is False
    assert "files or labels have changed" in comparison.unfair[0]


def test_without_fingerprints_it_is_said_that_nobody_knows(first: StudyRun) -> None:
    edit(first.report_path, lambda d: d.pop("data_fingerprint", None))
    comparison = compare_runs([first, another(first)])
    assert comparison.same_data is None
    assert comparison.is_fair
    assert any("do not say whether files and labels" in note for note in comparison.notes)


def test_other_windows_classes_raters_and_folds_are_not_fair(first: StudyRun) -> None:
    def other_people(report: dict[str, Any]) -> None:
        (kept,) = report["evaluation"]["folds"] = report["evaluation"]["folds"][:1]
        figures = report["evaluation"]["per_subject"]
        report["evaluation"]["per_subject"] = {
            name: figures[name] for name in kept["test_subjects"]
        }

    def other_folds(report: dict[str, Any]) -> None:
        tested = [name for x in report["evaluation"]["folds"] for name in x["test_subjects"]]
        report["evaluation"]["folds"] = [{"test_subjects": [name]} for name in tested]

    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"settings": lambda d: d["windows"].update(length_s=4.0)}, "length: 'First run' 2 s"),
        ({"settings": lambda d: d["windows"].update(hop_s=1.0)}, "hop: 'First run' as the length"),
        ({"report": lambda d: d["evaluation"].update(classes=["rest", "run"])}, "classes"),
        ({"about": lambda d: d.update(raters=["EF"])}, "not by the same people"),
        ({"report": other_people}, "not tested on the same people: 5 and"),
        ({"report": other_folds}, "in other folds"),
    )
    for number, (changes, expected) in enumerate(cases):
        comparison = compare_runs([first, another(first, f"case {number}", **changes)])
        assert len(comparison.unfair) == 1, expected
        assert expected in comparison.unfair[0]
    assert comparison.same_folds is False


def test_a_small_difference_is_said_to_be_small_and_people_are_counted(first: StudyRun) -> None:
    def worse(report: dict[str, Any]) -> None:
        report["evaluation"]["macro_f1"] -= 0.01
        people = report["evaluation"]["per_subject"]
        for row in people.values():
            row["macro_f1"] = 0.5
        people["s1"]["macro_f1"] = 1.1

    edit(first.report_path, lambda d: d["evaluation"].update(ci95=[0.5, 1.0]))
    comparison = compare_runs([another(first, "worse", report=worse), first])
    notes = " ".join(comparison.notes)
    assert "'First run' has the higher macro F1 for 4 of 5 people, 'worse' for 1." in notes
    assert "may be chance" in notes


def test_other_versions_are_said_but_not_unfair(first: StudyRun) -> None:
    other = another(first, report=lambda d: d["versions"].update(torch="1.0"))
    comparison = compare_runs([first, other])
    assert comparison.is_fair
    assert any("'torch'" in note for note in comparison.notes)
