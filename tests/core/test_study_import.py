"""Labels that come into a study: what becomes of each, and what does not fit is said."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from core.config import ModalityConfig, RecordingsConfig
from core.errors import DataError, StudyError
from core.find_recordings import find_recordings, open_recording
from core.label_files import write_labels
from core.label_mapping import load_mapping
from core.label_scheme import load_scheme
from core.label_set import Label, LabelSet, make_label_set
from core.label_sources import (
    ImportItem,
    ImportSource,
    annotations_of,
    match_label_files,
    read_for_import,
)
from core.labels import make_track
from core.study import Study, StudySettings
from core.study_import import ImportPlan, keep_import, label_change, modalities_of
from core.study_labels import NS, RecordingLabels, make_recording_labels
from tests.core.study_makers import START, label, make_study, write_edf

AASM = load_scheme("sleep_aasm")
MODALITIES = (
    ModalityConfig(name="eeg", channels=["C3-M2", "C4-M1"]),
    ModalityConfig(name="emg", channels=["EMG chin"]),
)


def plan(labels, mapping=None, current=None, scheme=AASM, duration_s=600.0, **more) -> ImportPlan:
    return label_change(
        labels, mapping or {}, scheme, current or RecordingLabels(), duration_s=duration_s, **more
    )


def labelled(*entries: tuple) -> LabelSet:
    return make_label_set([Label(*entry) for entry in entries])


def spans(plan: ImportPlan, kind: str = "state") -> list[tuple]:
    return [
        (x.start_ns / NS, x.end_ns / NS, x.class_name) for x in plan.change.added if x.kind == kind
    ]


def said(plan: ImportPlan) -> str:
    return "\n".join(found.message for found in plan.findings)


def test_texts_become_classes_by_the_mapping_and_the_table_says_how() -> None:
    labels = labelled(
        (0, 30, "Sleep stage W"), (30, 30, "Sleep stage 4"), (60, 30, "Sleep stage 4"),
        (90, 30, "Sleep stage ?"), (120, 30, "N2"), (150, 5, "Snoring, loud"),
    )  # fmt: skip
    made = plan(labels, load_mapping("aasm_from_rk"))
    assert spans(made) == [(0, 30, "W"), (30, 60, "N3"), (60, 90, "N3"), (120, 150, "N2")]
    rows = {row.text: (row.count, row.became, row.known) for row in made.texts}
    assert rows == {
        "Sleep stage 4": (2, "N3", True),
        "Sleep stage W": (1, "W", True),
        "Sleep stage ?": (1, None, True),
        "N2": (1, "N2", True),
        "Snoring, loud": (1, None, False),
    }
    assert [row.text for row in made.left_out] == ["Snoring, loud"]
    assert "1 text without a class, 1 label left out: 'Snoring, loud'" in said(made)
    assert all(x.source == "imported" for x in made.change.added)


def test_unknown_texts_become_classes_only_where_that_is_asked_for() -> None:
    labels = labelled((0, 30, "Sleep stage W"), (30, 4, "Snore"), (60, 30, "unscored"))
    mapping = {"Sleep stage W": "W"}
    made = plan(labels, mapping, unknown="event")
    assert made.new_classes == ("Snore",)
    assert made.scheme.find("Snore").kind == "event"
    assert spans(made, "event") == [(30, 34, "Snore")]
    assert [row.became for row in made.texts if row.text == "unscored"] == [None]
    assert plan(labels, mapping, unknown="state").scheme.find("Snore").kind == "state"
    assert plan(labels, mapping).scheme == AASM


def test_a_mapping_to_a_class_that_the_scheme_lacks_leaves_the_text_out() -> None:
    made = plan(labelled((0, 30, "S4")), {"S4": "N4"})
    assert not made.change
    assert made.left_out[0].text == "S4"


def test_of_states_that_overlap_the_first_keeps_the_time_and_that_is_said() -> None:
    made = plan(labelled((0, 60, "W"), (30, 60, "N1"), (40, 10, "N2"), (80, 40, "N1")))
    assert spans(made) == [(0, 60, "W"), (60, 90, "N1"), (90, 120, "N1")]
    assert "2 states overlap another of a different class, the first at 30 s" in said(made)
    same = plan(labelled((0, 60, "W"), (30, 60, "W")))
    assert spans(same) == [(0, 60, "W"), (60, 90, "W")]
    assert "overlap" not in said(same)


def test_neighbours_that_overlap_by_a_rounded_millisecond_are_cut_without_a_word() -> None:
    made = plan(labelled((0, 30.0005, "W"), (30, 30, "N1")))
    assert spans(made) == [(0, 30.0005, "W"), (30.0005, 60, "N1")]
    assert "overlap" not in said(made)


def test_what_reaches_beyond_the_recording_is_cut_and_what_lies_outside_left_out() -> None:
    labels = labelled(
        (-10, 30, "W"), (570, 60, "N1"), (700, 30, "N2"), (-50, 20, "Arousal"),
        (-5, 0, "Lights off"),
    )  # fmt: skip
    made = plan(labels)
    assert spans(made) == [(0, 20, "W"), (570, 600, "N1")]
    assert not spans(made, "event")
    assert not spans(made, "mark")
    assert "2 states outside the recording (0 s to 600 s): were cut to it" in said(made)
    assert "1 mark outside" in said(made)


def test_the_last_epoch_may_reach_beyond_the_end_as_it_does_on_the_grid() -> None:
    made = plan(labelled((570, 30, "W"), (600, 30, "N1")), duration_s=620)
    assert spans(made) == [(570, 600, "W"), (600, 630, "N1")]
    assert not made.findings


def test_events_overlap_and_know_their_modality_marks_are_moments() -> None:
    labels = labelled(
        (10, 5, "Arousal", "C4-M1"), (12, 9, "Arousal"), (20, 5, "Bad signal", "EMG"),
        (30, 2, "Bad signal", "ECG"), (40, 7, "Lights off"), (90, 0, "Lights off"),
    )  # fmt: skip
    made = plan(labels, modalities=MODALITIES)
    events = [x for x in made.change.added if x.kind == "event"]
    assert [(x.class_name, x.modality) for x in events] == [
        ("Arousal", "eeg"), ("Arousal", ""), ("Bad signal", "emg"), ("Bad signal", ""),
    ]  # fmt: skip
    assert spans(made, "mark") == [(40, 40, "Lights off")]
    assert "'ECG'" in said(made)
    assert "1 further one left out: 'Lights off'" in said(made)
    assert (made.states, made.events, made.marks) == (0, 4, 1)


def test_states_without_durations_last_until_the_next_label() -> None:
    labels = labelled((0, 0, "W"), (60, 0, "N1"), (90, 0, "?"), (120, 0, "N2"), (130, 5, "Arousal"))
    made = plan(labels)
    assert spans(made) == [(0, 60, "W"), (60, 90, "N1"), (120, 150, "N2")]
    assert "each lasts until the next" in said(made)
    some = plan(labelled((0, 30, "W"), (60, 0, "N1")))
    assert spans(some) == [(0, 30, "W")]
    assert "1 label of states without a duration" in said(some)


def test_samples_become_stretches_whose_last_sample_lasts_one_period() -> None:
    times = np.concatenate((np.arange(100), np.arange(150, 200))) / 20
    texts = ["W"] * 40 + ["N1"] * 60 + ["N1"] * 20 + [""] * 10 + ["N2"] * 20
    made = plan(make_track("samples", times, 0.0, texts), duration_s=10)
    assert spans(made) == [(0, 2, "W"), (2, 5, "N1"), (7.5, 8.5, "N1"), (9, 10, "N2")]
    assert {row.text: row.count for row in made.texts} == {"N1": 80, "W": 40, "N2": 20}
    assert "2 gaps" in said(made)


def test_samples_a_little_uneven_leave_no_holes() -> None:
    rng = np.random.default_rng(1)
    times = np.sort(np.arange(400) * 0.1 + rng.uniform(-0.02, 0.02, 400) + 0.02)
    texts = ["W" if (k // 50) % 2 else "N1" for k in range(400)]
    found = spans(plan(make_track("samples", times, 0.0, texts), duration_s=41))
    assert len(found) == 8
    assert all(a[1] == b[0] for a, b in pairwise(found))


def test_epochs_off_the_grid_propose_where_it_should_start() -> None:
    labels = labelled(*((12 + 30 * k, 30, "N2") for k in range(18)), (552, 48, "W"))
    made = plan(labels)
    assert made.grid_offset_ns == 12 * NS
    assert "start 12 s after the recording" in said(made)
    assert plan(labels, grid_offset_ns=12 * NS).grid_offset_ns is None
    assert plan(labelled((0, 30, "W"), (30, 60, "N1"))).grid_offset_ns is None
    other = plan(labelled((0, 20, "W"), (20, 20, "N1")))
    assert other.grid_offset_ns is None
    assert "last 20 s each; the study's epochs are 30 s long" in said(other)


def test_replace_takes_all_labels_of_the_rater_away_and_fill_none() -> None:
    before = make_recording_labels(
        [
            label(0, 30, "R"), label(90, 120, "W"), label(3, 5, "Arousal", "event"),
            label(7, 7, "Lights off", "mark"),
        ]
    )  # fmt: skip
    labels = labelled(
        (0, 60, "N1"), (60, 60, "N2"), (3, 2, "Arousal"), (8, 2, "Apnea"),
        (9, 0, "Lights off"), (500, 0, "Lights on"),
    )  # fmt: skip
    after = before.apply(plan(labels, current=before).change)
    assert [(x.start_s, x.end_s, x.class_name) for x in after.states] == [
        (0, 60, "N1"), (60, 120, "N2")
    ]  # fmt: skip
    assert len(after) == 6
    filled = plan(labels, current=before, how="fill")
    assert not filled.change.removed
    after = before.apply(filled.change)
    assert [(x.start_s, x.end_s, x.class_name) for x in after.states] == [
        (0, 30, "R"), (30, 60, "N1"), (60, 90, "N2"), (90, 120, "W"),
    ]  # fmt: skip
    assert [x.class_name for x in after.events] == ["Arousal", "Apnea"]
    assert [(x.class_name, x.start_s) for x in after.marks] == [
        ("Lights off", 7),
        ("Lights on", 500),
    ]


def test_importing_the_same_again_changes_nothing() -> None:
    labels = labelled((0, 30, "W"), (30, 30, "N1", "", "AB", 0.75))
    first = plan(labels)
    after = RecordingLabels().apply(first.change)
    assert [x.confidence for x in after.states] == [None, 0.75]
    assert not plan(labels, current=after).change
    assert not plan(labels, current=after, how="fill").change


def test_thirty_thousand_labels_are_planned_at_once() -> None:
    labels = make_label_set(
        [Label(k, 1, f"N{1 + k % 3}") for k in range(30_000)]
        + [Label(k + 0.5, 0.2, "Arousal") for k in range(0, 30_000, 3)]
    )
    begun = time.perf_counter()
    first = plan(labels, duration_s=30_000)
    filled = plan(labels, current=RecordingLabels().apply(first.change), how="fill",
                  duration_s=30_000)  # fmt: skip
    assert time.perf_counter() - begun < 3
    assert (first.states, first.events) == (30_000, 10_000)
    assert not filled.change


# ---------------------------------------------------------------- reading, keeping


@pytest.fixture
def study(tmp_path: Path):
    made = make_study(tmp_path)
    yield made
    made.close()


def read(study, path, source=None, name="n1"):
    recording = next(r for r in study.recordings() if r.name == name)
    item = ImportItem(recording, study.opener(recording), path)
    (found,) = read_for_import([item], source or ImportSource())
    return found


def test_a_hypnogram_with_its_own_start_is_laid_by_its_clock(study, tmp_path: Path) -> None:
    labels = [Label(0, 30, "W"), Label(30, 30, "N1")]
    path = tmp_path / "hypnogram.edf"
    write_labels(path, make_label_set(labels, START + timedelta(seconds=90, microseconds=500_000)))
    found = read(study, path)
    assert [x.onset_s for x in found.labels.labels] == [90.5, 120.5]
    write_labels(path, make_label_set(labels, START + timedelta(days=3)))
    far = read(study, path)
    assert [x.onset_s for x in far.labels.labels] == [0, 30]
    assert any("outside the recording" in x.message for x in far.labels.findings)


def test_clock_times_in_a_table_count_from_the_recordings_start(study, tmp_path: Path) -> None:
    path = tmp_path / "stages.csv"
    path.write_text("clock,duration,stage\n22:31:00,30,W\n22:31:30,30,N2\n")
    assert [x.onset_s for x in read(study, path).labels.labels] == [60, 90]


def test_a_file_that_cannot_be_read_is_noted_and_the_next_one_read(study, tmp_path: Path) -> None:
    good, bad = tmp_path / "n1.txt", tmp_path / "n2.edf"
    good.write_text("W\nN1\n\nN2\n")
    bad.write_bytes(b"0       " + b"nothing" * 60)
    first, second = study.recordings()
    wanted = [
        ImportItem(first, study.opener(first), bad), ImportItem(second, study.opener(second), good)
    ]  # fmt: skip
    a, b = read_for_import(wanted, ImportSource(epoch_s=30))
    assert a.labels is None
    assert "n2.edf" in a.error
    assert [x.onset_s for x in b.labels.labels] == [0, 30, 90]


def test_labels_of_one_rater_are_taken_from_a_file_of_several(study, tmp_path: Path) -> None:
    path = tmp_path / "both.csv"
    path.write_text("onset,duration,label,rater\n0,30,W,AB\n0,30,N1,CD\n")
    assert read(study, path).raters == ("AB", "CD")
    only = read(study, path, ImportSource(rater="CD"))
    assert [x.text for x in only.labels.labels] == ["N1"]
    assert "'EF'" in read(study, path, ImportSource(rater="EF")).error


def test_a_recordings_own_annotations_and_columns_are_labels_too(
    tmp_path: Path, small_study
) -> None:
    path = write_edf(tmp_path / "a.edf", annotations=[(3, 4, "Arousal@@EEG C3-M2"), (0, 30, "W")])
    labels = annotations_of(opened(tmp_path, {"pattern": path.name})[0][1])
    assert [(x.text, x.channel) for x in labels.labels] == [("W", ""), ("Arousal", "EEG C3-M2")]

    scheme = replace(AASM, classes=(), epoch_s=10).with_classes(["rest", "walk"])
    study = Study.create(tmp_path / "other", StudySettings("x"), scheme)
    source = small_study.document["recordings"]["sources"][0]
    study.add_recordings(opened(small_study.folder, source))
    got = read(study, None, ImportSource("column", column="activity"), "s1")
    study.close()
    made = plan(got.labels, scheme=scheme, duration_s=60)
    assert spans(made)[:2] == [(0, 10, "rest"), (10, 20, "walk")]


def opened(folder: Path, source: dict) -> list:
    config = RecordingsConfig.model_validate({"sources": [source]})
    found = find_recordings(config, folder, {"*": ["activity"]})
    return [(one, open_recording(one, config)) for one in found]


def test_a_pattern_matches_each_recording_with_its_file(study, tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    for name in ("n1-hyp.txt", "n2-hyp.txt", "n2-hyp2.txt"):
        (folder / name).write_text("W\n")
    found = match_label_files(folder, "{recording}-hyp*.txt", study.recordings())
    assert [[p.name for p in x.paths] for x in found] == [
        ["n1-hyp.txt"], ["n2-hyp.txt", "n2-hyp2.txt"]
    ]  # fmt: skip
    # A recording is no file of labels of its own.
    found = match_label_files(tmp_path / "data", "{subject}.edf", study.recordings())
    assert all(not x.paths for x in found)
    with pytest.raises(DataError, match="night"):
        match_label_files(folder, "{night}.txt", study.recordings())


def test_an_import_is_kept_as_one_edit_with_its_classes_and_its_grid(study) -> None:
    recording = study.recordings()[0]
    rater = study.rater("AB")
    labels = labelled((10, 30, "W"), (40, 30, "N1"), (45, 3, "Snore"))
    made = plan(labels, scheme=study.scheme, unknown="event", duration_s=recording.duration_s)
    edit = keep_import(study, recording, rater, made, "import of x.csv", take_grid_offset=True)
    assert study.scheme.find("Snore").kind == "event"
    assert study.recording(recording.id).grid_offset_ns == 10 * NS
    assert len(study.labels(recording.id, rater.id)) == 3
    assert [e.what for e in study.edits(recording.id, rater.id)] == ["import of x.csv"]
    study.write_undo(recording.id, rater.id, edit)
    assert not len(study.labels(recording.id, rater.id))
    study.sign_off(recording.id, rater.id)
    with pytest.raises(StudyError, match="signed off"):
        keep_import(study, recording, rater, made, "again")


def test_modalities_of_the_settings_are_those_that_events_can_be_about(study) -> None:
    assert [m.name for m in modalities_of(study.settings.engine)] == ["eeg", "emg"]
    assert modalities_of({"modalities": "auto"}) == ()
    assert "emg" in [m.name for m in modalities_of({"modalities": "sleep"})]
