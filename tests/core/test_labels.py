"""Labels from every place they are kept, and which one a window gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import (
    AnnotationLabels,
    ColumnLabels,
    EpochLabels,
    FieldLabels,
    TableLabels,
)
from core.errors import DataError, RecordingError
from core.labels import (
    LabelReader,
    class_names,
    first_label_s,
    make_track,
    unmapped,
    window_labels,
)
from core.recording import Annotation
from tests.core.memory_file import MemoryFile, make_recording

FIELD = FieldLabels(kind="field", field="task")
SLEEP = AnnotationLabels(
    kind="annotations",
    classes=["W", "N1", "N2", "N3", "R"],
    mapping={
        "Sleep stage W": "W",
        "Sleep stage 1": "N1",
        "Sleep stage 2": "N2",
        "Sleep stage 3": "N3",
        "Sleep stage 4": "N3",
        "Sleep stage R": "R",
        "Sleep stage ?": None,
        "Movement time": None,
    },
)


def _file(seconds: float = 100, **more) -> MemoryFile:
    return MemoryFile({"a": (10.0, np.zeros(round(seconds * 10)))}, **more)


def _labels(track, starts, length_s, classes=("A", "B"), **config):
    field = FieldLabels(kind="field", field="x", **config)
    return window_labels(track, np.array(starts, float), length_s, classes, field).tolist()


def test_the_class_with_the_most_time_wins_and_the_first_wins_a_tie() -> None:
    track = make_track("intervals", [0, 4, 10], [4, 6, 10], ["A", "B", "A"])
    assert _labels(track, [0, 3, 6, 8], 8) == [0, 1, 0, 0]
    assert _labels(track, [6], 8, ("B", "A")) == [0]


def test_a_window_needs_enough_cover() -> None:
    track = make_track("intervals", [0], [6], ["B"])
    assert _labels(track, [0, 1, 2, 6], 10) == [1, 1, -1, -1]
    assert _labels(track, [0], 10, min_cover=0.61) == [-1]
    seconds = make_track("intervals", np.arange(60) + 0.1, 1.0, ["B"] * 60)
    assert _labels(seconds, [0.1, 0.2], 60, min_cover=1.0) == [1, -1]


def test_overlapping_intervals_cover_once() -> None:
    track = make_track("intervals", [0, 0, 2], [4, 4, 1], ["A", "A", "B"])
    assert _labels(track, [0], 10, min_cover=0.4) == [0]
    assert _labels(track, [0], 10, min_cover=0.5) == [-1]


def test_samples_count_inside_the_half_open_window() -> None:
    times = np.arange(0, 4, 0.01) + 1e-7  # as two clock times differ
    texts = ["A"] * 100 + ["B"] * 300
    track = make_track("samples", times, 0.0, texts)
    assert _labels(track, [0, 0.01, 1], 2) == [0, 1, 1]  # 100 against 100, then 99 against 101


def test_a_gap_in_the_label_column_is_not_cover() -> None:
    times = np.concatenate([np.arange(0, 0.5, 0.01), np.arange(2, 4, 0.01)])
    track = make_track("samples", times, 0.0, ["A"] * len(times))
    assert _labels(track, [0, 2], 2) == [-1, 0]


@given(
    edges=st.lists(st.integers(0, 200), min_size=2, max_size=30, unique=True),
    codes=st.lists(st.integers(0, 3), min_size=30, max_size=30),
    starts=st.lists(st.integers(0, 150), min_size=1, max_size=10),
    length=st.integers(1, 50),
)
@settings(max_examples=60, deadline=None)
def test_labels_agree_with_counting_tenths_of_a_second(edges, codes, starts, length) -> None:
    edges = sorted(edges)
    texts = ["ABC?"[c] for c in codes[: len(edges) - 1]]
    seconds = np.full(300, -1)
    for low, high, text in zip(edges[:-1], edges[1:], texts, strict=True):
        seconds[low:high] = "ABC?".index(text) if text != "?" else -1
    track = make_track("intervals", np.array(edges[:-1]) / 10, np.diff(edges) / 10, texts)
    expected = []
    for start in starts:
        part = seconds[start : start + length]
        counts = [int((part == k).sum()) for k in range(3)]
        expected.append(int(np.argmax(counts)) if 2 * sum(counts) >= length else -1)
    found = window_labels(
        track,
        np.array(starts) / 10,
        length / 10,
        "ABC",
        FieldLabels(kind="field", field="x", classes=list("ABC")),
    )
    assert found.tolist() == expected


def test_classes_left_out_are_every_label_met_sorted() -> None:
    tracks = [make_track("intervals", [0, 1], 1.0, ["b", "?"]), None]
    tracks.append(make_track("intervals", [0, 1], 1.0, ["a", "c"]))
    config = FieldLabels(kind="field", field="x", mapping={"?": None, "c": "b"})
    assert class_names(tracks, config) == ("a", "b")


def test_unlabelled_is_never_a_class_and_unknown_texts_are_listed() -> None:
    track = make_track(
        "intervals",
        np.arange(6) * 30,
        30.0,
        ["Sleep stage ?", "Sleep stage 4", "Sleep stage W", "Movement time", "lights off", ""],
    )
    labels = window_labels(track, np.arange(6) * 30.0, 30.0, SLEEP.classes, SLEEP)
    assert labels.tolist() == [-1, 3, 0, -1, -1, -1]
    assert first_label_s(track, SLEEP) == 30
    (finding,) = unmapped(track, SLEEP)
    assert "'lights off' (1 times)" in finding.message
    assert "?" not in finding.message


def test_annotations_of_the_recording_itself() -> None:
    file = _file(
        annotations=(
            Annotation(0, 30, "Sleep stage W"),
            Annotation(10, 0, "arousal"),
            Annotation(30, 60, "Sleep stage 2"),
        )
    )
    track = LabelReader(SLEEP, Path()).read(make_recording(file, offsets_s=(5.0,)))
    assert track.onsets_s.tolist() == [5, 15, 35]
    labels = window_labels(track, np.array([5.0, 35.0, 65.0]), 30.0, SLEEP.classes, SLEEP)
    assert labels.tolist() == [0, 2, 2]


def test_annotations_without_durations_last_until_the_next() -> None:
    file = _file(annotations=tuple(Annotation(t, 0, "Sleep stage W") for t in (0, 30, 60)))
    track = LabelReader(SLEEP, Path()).read(make_recording(file))
    assert track.durations_s.tolist() == [30, 30, 30]
    assert any("no duration" in f.message for f in track.findings)


def test_a_column_on_every_sample_follows_its_source() -> None:
    columns = {"label": (np.array([0.0, 0.1, 0.2]), ["A", "B", ""])}
    recording = make_recording(
        _file(), _file(columns=columns), names=("watch", "phone"), offsets_s=(0.0, -0.05)
    )
    config = ColumnLabels(kind="column", column="label", source="Phone")
    track = LabelReader(config, Path()).read(recording)
    assert track.kind == "samples"
    np.testing.assert_allclose(track.onsets_s, [-0.05, 0.05])
    none = LabelReader(ColumnLabels(kind="column", column="stage"), Path()).read(recording)
    assert len(none) == 0
    assert "no column 'stage'. The recording is unlabelled." in none.findings[0].message
    elsewhere = ColumnLabels(kind="column", column="label", source="ring")
    none = LabelReader(elsewhere, Path()).read(recording)
    assert "no source 'ring' with labels, only watch, phone" in none.findings[0].message


def test_a_hypnogram_kept_as_a_signal() -> None:
    file = MemoryFile({"EEG": (10.0, np.zeros(60)), "hypnogram": (1.0, [5, 5, 5, 2, 2, np.nan])})
    config = ColumnLabels(kind="column", column="Hypnogram", mapping={"5": "W", "2": "N1"})
    track = LabelReader(config, Path()).read(make_recording(file))
    assert track.names == ("5", "2")
    labels = window_labels(track, np.array([0.0, 3.0]), 3.0, ("N1", "W"), config)
    assert labels.tolist() == [1, 0]


def test_a_table_for_all_recordings_by_key_and_clock(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "participant,time,label\n"
        + "".join(f"2,{1000 + t},{int(t >= 5)}\n" for t in range(10))
        + "3,1000,1\n"
    )
    config = TableLabels(
        kind="table",
        pattern="labels.csv",
        key_column="participant",
        time_column="time",
        clock="absolute",
        period_s=1,
        label_column="label",
    )
    reader = LabelReader(config, tmp_path)
    track = reader.read(make_recording(_file(), subject="02", start_s=998.0))
    assert track.onsets_s.tolist() == list(range(2, 12))
    assert track.names == ("0", "1")
    none = reader.read(make_recording(_file(), subject="04", start_s=998.0))
    assert len(none) == 0
    assert "no row for subject 04" in none.findings[0].message
    named = LabelReader(config, tmp_path, {"2": "S02"})
    assert len(named.read(make_recording(_file(), subject="S02", start_s=998.0))) == 10
    with pytest.raises(RecordingError, match="has no clock"):
        reader.read(make_recording(_file(), subject="02"))


def test_tables_say_which_column_is_missing_or_unreadable(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("t;label\nnoon;A\n")
    base = {"kind": "table", "pattern": "labels.csv", "label_column": "label"}
    with pytest.raises(DataError, match="no column 'time'; columns: t, label"):
        LabelReader(TableLabels(**base, time_column="time"), tmp_path).read(make_recording(_file()))
    with pytest.raises(RecordingError, match=r"unit 's'.*time_unit"):
        LabelReader(TableLabels(**base, time_column="t"), tmp_path).read(make_recording(_file()))


def test_a_table_per_recording_with_words_for_times(tmp_path: Path) -> None:
    (tmp_path / "p7.csv").write_text(
        "from,seconds,what\n1970-01-01T00:16:40,5,A\n1970-01-01T01:16:45+01:00,5,B\n"
    )
    config = TableLabels(
        kind="table",
        pattern="p{person:d}.csv",
        time_column="from",
        time_unit="iso",
        clock="absolute",
        duration_column="seconds",
        label_column="what",
    )
    recording = make_recording(_file(), fields={"person": "7"}, start_s=1000.0)
    track = LabelReader(config, tmp_path).read(recording)
    assert track.onsets_s.tolist() == [0, 5]
    assert track.durations_s.tolist() == [5, 5]


def test_one_value_per_epoch(tmp_path: Path) -> None:
    (tmp_path / "a_stages.txt").write_text("[Hypnogram]\n5\n5\n\n2\n\n")
    (tmp_path / "b_stages.txt").write_text("time,epoch,stage\n0,0,W\n10,1,NR\n")
    config = EpochLabels(
        kind="epochs", pattern="{id}_stages.txt", epoch_s=5, offset_s=2, skip_rows=1
    )
    track = LabelReader(config, tmp_path).read(make_recording(_file(), fields={"id": "a"}))
    assert track.onsets_s.tolist() == [2, 7, 17]
    assert [track.names[c] for c in track.codes] == ["5", "5", "2"]
    for column, skip in ((2, 1), ("stage", 0)):
        config = EpochLabels(
            kind="epochs", pattern="b*.txt", epoch_s=10, column=column, skip_rows=skip
        )
        track = LabelReader(config, tmp_path).read(make_recording(_file()))
        assert track.names == ("W", "NR")


def test_the_file_name_labels_the_whole_recording() -> None:
    track = LabelReader(FIELD, Path()).read(make_recording(_file(), fields={"task": "rest"}))
    assert (track.onsets_s[0], track.durations_s[0], track.names) == (0, 100, ("rest",))
    with pytest.raises(DataError, match="no field 'task'; fields: run"):
        LabelReader(FIELD, Path()).read(make_recording(_file(), fields={"run": "1"}))


def test_a_missing_label_file_leaves_the_recording_unlabelled(tmp_path: Path) -> None:
    config = EpochLabels(kind="epochs", pattern="{id}.txt", epoch_s=5)
    track = LabelReader(config, tmp_path).read(make_recording(_file(), fields={"id": "z"}))
    assert "z.txt. The recording is unlabelled" in track.findings[0].message
    assert first_label_s(track, config) is None
    assert window_labels(track, np.array([0.0]), 5, ["A"], config).tolist() == [-1]
    assert window_labels(None, np.array([0.0]), 5, ["A"], config).tolist() == [-1]


def test_a_separate_hypnogram_file(shared: Path) -> None:
    config = SLEEP.model_copy(update={"pattern": "{night}E?-Hypnogram.edf"})
    recording = make_recording(_file(9000), fields={"night": "SC4001"})
    track = LabelReader(config, shared / "data" / "recordings").read(recording)
    assert first_label_s(track, config) == 0
    starts = np.array([0.0, 30630.0, 30750.0, 31140.0])
    labels = window_labels(track, starts, 30.0, SLEEP.classes, config)
    assert labels.tolist() == [0, 1, 2, 3]


def test_texts_that_say_there_is_no_label_are_no_class_unless_listed() -> None:
    track = make_track("intervals", [0, 10, 20], 10, ["calm", "NA", "?"])
    anything = EpochLabels(kind="epochs", pattern="x", epoch_s=10)
    assert class_names([track], anything) == ("calm",)
    listed = anything.model_copy(update={"classes": ["calm", "NA"]})
    starts = np.array([0.0, 10.0, 20.0])
    assert window_labels(track, starts, 10, ["calm", "NA"], listed).tolist() == [0, 1, -1]
