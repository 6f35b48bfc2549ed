"""Labels that leave a study are found again by this program and by others, at the same times."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import edfio
import mne
import pytest

from core.errors import ConfigError, OutputError
from core.label_clock import RecordingClock, read_placed_labels
from core.label_files import WRITTEN
from core.label_mapping import load_mapping
from core.study import Study
from core.study_export import (
    ENDINGS,
    HOLDS,
    ExportItem,
    ExportOptions,
    existing_paths,
    export_labels,
    items_of,
    joined_states,
    note_exports,
    states_on_epochs,
)
from core.study_import import label_change, modalities_of
from core.study_labels import NS, RecordingLabels, make_recording_labels, to_ns
from tests.core.study_makers import START, label, make_study, put, stage_labels


def more_labels() -> list:
    return [
        label(3.25, 9.5, "Arousal", "event", "eeg"),
        label(8, 31.125, "Apnea", "event"),
        label(15, 15, "Lights off", "mark"),
    ]


@pytest.fixture
def study(tmp_path: Path):
    made = make_study(tmp_path)
    for recording in made.recordings():
        put(made, recording, made.rater("AB"), stage_labels() + more_labels())
    put(made, made.recordings()[0], made.rater("C D"), [label(0, 60, "W"), label(60, 90, "N1")])
    yield made
    made.close()


def export(study: Study, folder: Path, options: ExportOptions, raters=("AB",), **more):
    folder.mkdir(exist_ok=True)
    chosen = [study.rater(name) for name in raters]
    return export_labels(items_of(study, study.recordings(), chosen), folder, options, **more)


def texts(labels) -> list[tuple]:
    return sorted((x.start_s, x.end_s - x.start_s, x.class_name) for x in labels)


@pytest.mark.parametrize("format", ["edf", "csv", "tsv", "bids", "luna"])
def test_what_is_exported_is_imported_again_as_it_was(study, tmp_path: Path, format) -> None:
    written = export(study, tmp_path / "out", ExportOptions(format=format))
    assert [file.path.name for file in written] == [
        f"n1_AB{ENDINGS[format]}", f"n2_AB{ENDINGS[format]}"
    ]  # fmt: skip
    recording = study.recordings()[0]
    found = read_placed_labels(written[0].path, RecordingClock.of_study(recording))
    plan = label_change(
        found, {}, study.scheme, RecordingLabels(), duration_s=recording.duration_s,
        modalities=modalities_of(study.settings.engine),
    )  # fmt: skip
    again = RecordingLabels().apply(plan.change)
    before = study.labels(recording.id, study.rater("AB").id)
    assert texts(again) == texts(before)
    assert {x.modality for x in again.events} == {"eeg", ""}
    assert not plan.left_out


def test_edfio_and_mne_read_the_exported_annotations_at_the_same_times(study, tmp_path) -> None:
    options = ExportOptions(format="edf", mappings=(load_mapping("edf_from_aasm"),))
    path = export(study, tmp_path / "out", options)[0].path
    labels = study.labels(study.recordings()[0].id, study.rater("AB").id)
    names = load_mapping("edf_from_aasm")

    def text(x) -> str:
        name = names.get(x.class_name, x.class_name)
        return f"{name}@@{x.modality}" if x.modality else name

    wanted = sorted((x.start_s, x.end_s - x.start_s, text(x)) for x in labels)
    edf = edfio.read_edf(path)
    assert sorted((a.onset, a.duration or 0.0, a.text) for a in edf.annotations) == wanted
    assert (edf.startdate, edf.starttime) == (START.date(), START.time())
    found = mne.read_annotations(path)
    assert sorted(zip(found.onset, found.duration, found.description, strict=True)) == wanted
    assert not any("?" in text for *_, text in wanted)


def test_a_start_between_two_seconds_comes_back_to_the_nanosecond(tmp_path: Path) -> None:
    study = make_study(tmp_path, ("n1",))
    (recording,) = study.recordings()
    recording = replace(recording, start_s=recording.start_s + 0.654321)
    states = [label(30 * k + 1 / 3, 30 * k + 30, "N2") for k in range(5)]
    item = ExportItem(recording, study.rater("AB"), make_recording_labels(states), 30)
    (file,) = export_labels([item], tmp_path, ExportOptions(format="edf"))
    found = read_placed_labels(file.path, RecordingClock.of_study(recording))
    assert [to_ns(x.onset_s) for x in found.labels] == [x.start_ns for x in states]
    moment = edfio.read_edf(file.path)
    assert moment.starttime.microsecond == 654321
    study.close()


def test_the_csv_module_reads_the_table_with_all_columns(study, tmp_path: Path) -> None:
    path = export(study, tmp_path / "out", ExportOptions())[0].path
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    labels = study.labels(study.recordings()[0].id, study.rater("AB").id)
    found = sorted((float(r["onset"]), float(r["duration"]), r["label"]) for r in rows)
    assert found == texts(labels)
    assert {r["rater"] for r in rows} == {"AB"}
    assert {r["channel"] for r in rows if r["label"] == "Arousal"} == {"eeg"}


@pytest.mark.parametrize("format", WRITTEN)
def test_every_format_is_written_and_says_what_it_cannot_hold(study, tmp_path, format) -> None:
    mapping = {"profusion": "profusion_from_aasm", "nsrr": "nsrr_from_aasm"}.get(format)
    options = ExportOptions(format=format, mappings=(load_mapping(mapping),) if mapping else ())
    (file, _) = export(study, tmp_path / "out", options)
    assert file.written, file.error
    said = "\n".join(x.message for x in file.findings)
    if HOLDS[format].only_epochs:
        assert "3 labels left out" in said
    found = read_placed_labels(
        file.path, RecordingClock.of_study(study.recordings()[0]), epoch_s=30
    )
    unscored = {"epochs": "?", "profusion": "9"}.get(format)
    inside = [x.text for x in found.labels if x.onset_s == 120 and x.duration_s == 30]
    assert inside == ([unscored] if unscored else [])


def test_unlabelled_epochs_are_filled_from_the_start_of_the_grid(study, tmp_path: Path) -> None:
    recording = study.recordings()[0]
    study.set_grid_offset(recording.id, 10 * NS)
    rater = study.rater("E")
    put(study, recording, rater, [label(70, 100, "N1"), label(100, 130, "N2")])
    (file,) = export(study, tmp_path / "out", ExportOptions(format="epochs"), ("E",))
    assert file.path.read_text().split() == ["?", "?", "N1", "N2"]
    assert "an epoch of 30 s and an offset of 10 s" in file.findings[-1].message


def test_epochs_get_the_class_that_holds_most_and_intervals_join_neighbours() -> None:
    labels = make_recording_labels(
        [label(0, 20, "W"), label(20, 35, "N1"), label(35, 90, "N1"), label(90, 100, "N2")]
    )
    states, mixed = states_on_epochs(labels, 30)
    assert texts(states) == [(0, 30, "W"), (30, 30, "N1"), (60, 30, "N1")]
    assert mixed == 2
    assert texts(joined_states(labels.states)) == [
        (0, 20, "W"), (20, 70, "N1"), (90, 10, "N2")
    ]  # fmt: skip
    assert states_on_epochs(RecordingLabels(), 30) == ((), 0)


def test_nothing_is_replaced_without_being_told(study, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(study, out, ExportOptions())
    (out / "n1_AB.csv").write_text("mine")
    (out / "n2_AB.csv").unlink()
    chosen = items_of(study, study.recordings(), [study.rater("AB")])
    assert [p.name for p in existing_paths(chosen, out, ExportOptions())] == ["n1_AB.csv"]
    with pytest.raises(OutputError, match=r"n1_AB\.csv"):
        export(study, out, ExportOptions())
    assert not (out / "n2_AB.csv").exists()
    assert (out / "n1_AB.csv").read_text() == "mine"
    export(study, out, ExportOptions(), force=True)
    assert (out / "n1_AB.csv").read_text().startswith("onset,")


def test_raters_share_a_file_only_where_the_format_tells_them_apart(study, tmp_path) -> None:
    both = ("AB", "C D")
    files = export(study, tmp_path / "out", ExportOptions(naming="{recording}"), both)
    assert [(x.path.name, x.raters) for x in files] == [("n1.csv", both), ("n2.csv", ("AB",))]
    with pytest.raises(ConfigError, match="rater"):
        export(study, tmp_path / "out", ExportOptions(format="edf", naming="{recording}"), both)
    with pytest.raises(ConfigError, match="recording"):
        export(study, tmp_path / "out", ExportOptions(naming="{rater}"))
    for naming in ("{night}", "a/{recording}", "{recording.id}", ""):
        with pytest.raises(ConfigError):
            export(study, tmp_path / "out", ExportOptions(naming=naming))
    files = export(study, tmp_path / "out", ExportOptions(), both)
    assert [x.path.name for x in files] == ["n1_AB.csv", "n1_C_D.csv", "n2_AB.csv"]


def test_a_file_that_cannot_be_written_does_not_stop_the_others(study, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "n1_AB.csv").mkdir(parents=True)
    first, second = export(study, out, ExportOptions(), force=True)
    assert "n1_AB.csv" in first.error
    assert not first.written
    assert second.written


def test_only_the_kinds_asked_for_are_written_and_the_audit_knows(study, tmp_path) -> None:
    files = export(study, tmp_path / "out", ExportOptions(kinds=("event",)))
    assert files[0].labels == 2
    note_exports(study, files)
    entry = study.audit("n1")[0]
    assert (entry.who, entry.action, entry.detail) == ("AB", "export", "2 labels to n1_AB.csv")


def test_the_start_is_the_clock_of_the_recordings_place(tmp_path: Path) -> None:
    study = make_study(tmp_path, ("n1",))
    (recording,) = study.recordings()
    first = recording.files[0]
    settings = first.settings.model_copy(
        update={"time_zone": "Europe/Berlin", "clock_offset_s": 2.0}
    )
    there = replace(
        recording,
        files=(replace(first, settings=settings),),
        start_s=(START - timedelta(hours=1)).replace(tzinfo=UTC).timestamp() + 2,
    )
    assert RecordingClock.of_study(there).start == START
    assert RecordingClock.of_study(there).seconds_at(START + timedelta(minutes=1)) == 60
    study.close()
