"""A run file that a study writes says everything: batch mode repeats the study without it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.config import RecordingsConfig, load_run_file
from core.errors import ConfigError, OutputError, StudyError
from core.find_recordings import find_recordings, open_recording
from core.label_scheme import LabelScheme, bad_signal_class
from core.label_sources import ImportItem, ImportSource, read_for_import
from core.study import Study, StudySettings
from core.study_import import keep_import, label_change
from core.study_labels import RecordingLabels
from core.study_run_file import export_run_file
from tests.conftest import SmallStudy
from tests.core.study_makers import label, make_study, put, stage_labels

WALKS = LabelScheme((bad_signal_class(),), 10).with_classes(["rest", "walk", "run"])


def study_of(small: SmallStudy, folder: Path) -> Study:
    """A study with the recordings of a run file, and the labels that the run file names."""
    config = RecordingsConfig.model_validate(small.document["recordings"])
    engine = {
        key: value
        for key, value in small.document.items()
        if key not in ("recordings", "labels", "name", "schema_version")
    }
    settings = StudySettings("small", "Random numbers", engine, {"join": "overlap"})
    study = Study.create(folder, settings, WALKS)
    found = find_recordings(config, small.folder, {"*": ["activity"]})
    study.add_recordings([(one, open_recording(one, config)) for one in found])
    rater = study.rater("import", "file")
    items = [ImportItem(r, study.opener(r)) for r in study.recordings()]
    for read in read_for_import(items, ImportSource("column", column="activity")):
        plan = label_change(
            read.labels, {}, study.scheme, RecordingLabels(), duration_s=read.recording.duration_s
        )
        keep_import(study, read.recording, rater, plan, "import")
    return study


def figures(report: dict[str, Any]) -> dict[str, Any]:
    """What a report measured, without times and places."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: bare(v) for k, v in value.items() if "seconds" not in k}
        return [bare(entry) for entry in value] if isinstance(value, list) else value

    kept = {key: report[key] for key in ("evaluation", "robustness", "pretraining", "modalities")}
    recordings = [
        {k: entry[k] for k in ("id", "subject", "windows", "labelled_windows", "present_share")}
        for entry in report["recordings"]
    ]
    return bare({**kept, "recordings": recordings})


@pytest.mark.slow
def test_batch_mode_repeats_the_study_without_it_and_gets_the_same_numbers(
    small_study: SmallStudy, tmp_path: Path
) -> None:
    assert small_study.run(tmp_path / "before") == 0
    study = study_of(small_study, tmp_path / "study")
    study.change_scheme(replace(WALKS, classes=WALKS.classes[:3]))
    written = export_run_file(study, tmp_path / "exported" / "run.json", ["import"])
    study.close()
    from crossl_app.cli import run

    assert run(["--batch", str(written.path), "--output", str(tmp_path / "after")]) == 0
    before, after = (
        json.loads((tmp_path / name / "report.json").read_text()) for name in ("before", "after")
    )
    assert figures(after) == figures(before)
    assert after["classes"] == ["rest", "walk"]
    assert after["notes" if "notes" in after else "name"] in ("small", "Random numbers")


def test_paths_settings_and_classes_stand_in_the_run_file(
    small_study: SmallStudy, tmp_path: Path
) -> None:
    study = study_of(small_study, tmp_path / "study")
    written = export_run_file(study, tmp_path / "exported" / "run.json", ["import"])
    study.close()
    assert [path.name for path in written.paths] == [
        "run.json", "run_labels.csv", "run_events.csv"
    ]  # fmt: skip
    document = json.loads(written.path.read_text())
    recordings = document["recordings"]
    assert recordings["sources"] == [
        {
            "name": "main",
            "csv": {
                "time_column": "time",
                "time_unit": "s",
                "rate_hz": 20,
                "ignore_columns": ["activity"],
            },
        }
    ]
    assert recordings["listed"][0] == {
        "id": "s1",
        "subject": "s1",
        "files": {"main": {"path": "../study/s1.csv", "source": "main"}},
    }
    assert document["labels"]["classes"] == ["rest", "walk", "run"]
    assert document["windows"] == {"length_s": 2}
    assert document["model"]["encoder"]["code"] == 8
    config = load_run_file(written.path)
    assert config.labels.kind == "table"
    assert written.raters == {f"s{k}": "import" for k in range(1, 6)}
    assert written.command.startswith("crossl-app --batch ")
    with written.paths[1].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "recording": "s1", "onset_s": "0", "duration_s": "10", "label": "rest",
        "rater": "import", "source": "imported", "confidence": "",
    }  # fmt: skip


def test_times_are_written_as_exactly_as_the_study_holds_them(tmp_path: Path) -> None:
    with_times = [(0.1, 0.3), (0.333333333, 30.000000001), (100.2, 599.7)]
    study = make_study(tmp_path, ("n1",))
    put(study, study.recordings()[0], study.rater("A"), [label(a, b, "W") for a, b in with_times])
    written = export_run_file(study, tmp_path / "r.json", ["a"])
    study.close()
    lines = written.paths[1].read_text().splitlines()
    assert lines[1:] == [
        "n1,0.1,0.2,W,A,human,",
        "n1,0.333333333,29.666666668,W,A,human,",
        "n1,100.2,499.5,W,A,human,",
    ]


def test_bad_signal_is_excluded_in_its_modality_or_as_a_stretch(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    first, second = study.recordings()
    a, b = study.rater("A"), study.rater("B")
    put(study, first, a, [*stage_labels(), label(10, 20, "Bad signal", "event", "emg"),
                          label(5, 9, "Arousal", "event", "eeg")])  # fmt: skip
    put(study, first, b, [label(15, 30.5, "Bad signal", "event", "emg"),
                          label(60, 70, "Bad signal", "event"),
                          label(61, 61, "Lights off", "mark")])  # fmt: skip
    put(study, second, b, [*stage_labels(), label(0, 600, "Bad signal", "event")])
    written = export_run_file(study, tmp_path / "run.json", ["A", "B"])
    config = load_run_file(written.path)
    assert [
        (e.recording, e.start_s, e.end_s, e.modality) for e in config.recordings.exclude
    ] == [
        ("n1", 60, 70, None), ("n1", 10, 30.5, "emg"), ("n2", None, None, None)
    ]  # fmt: skip
    assert written.raters == {"n1": "A", "n2": "B"}
    with written.paths[2].open(newline="") as file:
        events = list(csv.DictReader(file))
    assert {(e["recording"], e["event"], e["kind"], e["modality"], e["rater"]) for e in events} >= {
        ("n1", "Arousal", "event", "eeg", "A"), ("n1", "Lights off", "mark", "", "B"),
    }  # fmt: skip
    found = find_recordings(config.recordings, tmp_path)
    opened = open_recording(found[0], config.recordings)
    assert [(s.start_s, s.end_s, s.modality) for s in opened.excluded] == [
        (10, 30.5, "emg"), (60, 70, None)
    ]  # fmt: skip
    study.close()


def test_a_consensus_brings_the_bad_signal_of_everybody(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    first = study.recordings()[0]
    put(study, first, study.rater("A"), [label(10, 20, "Bad signal", "event", "emg")])
    put(study, first, study.rater("both", "consensus"), stage_labels())
    written = export_run_file(study, tmp_path / "run.json", ["both"])
    study.close()
    assert [e.modality for e in load_run_file(written.path).recordings.exclude] == ["emg"]
    assert "1 recording without labels of these raters" in written.findings[0].message
    assert "'n2'" in written.findings[0].message


def test_files_with_other_settings_have_a_source_of_their_own(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    second = study.recordings()[1]
    config = RecordingsConfig.model_validate(
        {"sources": [{"pattern": "data/{subject}.edf", "clock_offset_s": 1.5, "optional": True}]}
    )
    found = [replace(f, id="n3") for f in find_recordings(config, tmp_path) if f.id == "n2"]
    study.add_recordings([(f, open_recording(f, config)) for f in found])
    put(study, second, study.rater("A"), stage_labels())
    written = export_run_file(study, tmp_path / "run.json", ["A"])
    study.close()
    document = json.loads(written.path.read_text())["recordings"]
    assert document["sources"] == [
        {"name": "main"}, {"name": "main_2", "clock_offset_s": 1.5, "optional": True}
    ]  # fmt: skip
    assert [e["files"]["main"]["source"] for e in document["listed"]] == ["main", "main", "main_2"]
    found = find_recordings(load_run_file(written.path).recordings, tmp_path)
    assert [f.files[0].config.clock_offset_s for f in found] == [0, 0, 1.5]


def test_a_model_to_start_from_is_found_from_the_run_files_place(tmp_path: Path) -> None:
    study = make_study(tmp_path, ("n1",))
    put(study, study.recordings()[0], study.rater("A"), stage_labels())
    engine = {**study.settings.engine, "finetune": {"from": "runs/first/model"}}
    study.change_settings(replace(study.settings, engine=engine))
    (tmp_path / "elsewhere").mkdir()
    written = export_run_file(study, tmp_path / "elsewhere" / "run.json", ["A"])
    study.close()
    assert json.loads(written.path.read_text())["finetune"]["from"] == ("../study/runs/first/model")


def test_exclusions_that_the_study_came_with_stay_where_they_fit(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    put(study, study.recordings()[0], study.rater("A"), stage_labels())
    exclude = [{"recording": "n*", "start_s": 168}, {"recording": "gone"}]
    study.change_settings(replace(study.settings, recordings={"exclude": exclude, "join": "union"}))
    written = export_run_file(study, tmp_path / "run.json", ["A"])
    study.close()
    document = json.loads(written.path.read_text())["recordings"]
    assert document["exclude"] == exclude[:1]
    assert document["join"] == "union"


def test_nothing_is_written_where_it_cannot_be_right(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    out = tmp_path / "run.json"
    study.rater("A")
    with pytest.raises(StudyError, match="labelled no recording"):
        export_run_file(study, out, ["A"])
    with pytest.raises(StudyError, match="no rater 'B'"):
        export_run_file(study, out, ["B"])
    put(study, study.recordings()[0], study.rater("A"),
        [*stage_labels(), label(1, 2, "Bad signal", "event", "ecg")])  # fmt: skip
    with pytest.raises(ConfigError, match="no modality 'ecg'"):
        export_run_file(study, out, ["A"])
    assert not list(tmp_path.glob("run*"))
    (tmp_path / "run_events.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"run_events\.csv"):
        export_run_file(study, out, ["A"])
    assert (tmp_path / "run_events.csv").read_text() == "mine"
    with pytest.raises(ConfigError, match="braces"):
        export_run_file(study, tmp_path / "{a}.json", ["A"])
    study.close()


def test_recordings_that_are_one_number_in_a_table_are_refused(tmp_path: Path) -> None:
    study = make_study(tmp_path, ("1", "01"))
    put(study, study.recordings()[0], study.rater("A"), stage_labels())
    with pytest.raises(StudyError, match="same number"):
        export_run_file(study, tmp_path / "run.json", ["A"])
    study.close()
