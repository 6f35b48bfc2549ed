"""Labels are found where they lie, with what each text becomes, and classes follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from edfio import Edf, EdfAnnotation, EdfSignal

from core.config import FileLabels, RecordingsConfig, TableLabels
from core.errors import DataError
from core.guess_labels import (
    guess_labels,
    guess_scheme,
    label_counts,
    offered_columns,
    offered_fields,
    pattern_beside,
    table_columns,
)
from core.guess_patterns import patterns_for
from core.guess_study import guess_study
from core.look_into import OpenedRecordings, open_some
from core.study_plan import preview_recordings, recordings_to_take

STAGES = ("Sleep stage W", "Sleep stage 1", "Sleep stage 2", "Sleep stage 3", "Sleep stage R")


def night(path: Path, texts: Sequence[str] = (), each_s: float = 30, signals: bool = True) -> Path:
    """150 s of an EEG and an EMG, if any, with one annotation after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    annotations = [EdfAnnotation(k * each_s, each_s, text) for k, text in enumerate(texts)]
    rng = np.random.default_rng(0)
    channels = [
        EdfSignal(rng.normal(size=150 * 100), 100, label=label, physical_dimension="uV")
        for label in ("EEG C3-M2", "EMG chin")
    ]
    Edf(channels if signals else [], annotations=annotations or None).write(path)
    return path


def opened(root: Path) -> tuple[OpenedRecordings, RecordingsConfig]:
    guess = patterns_for([root])
    found = preview_recordings(guess.recordings, root).found
    return open_some(found, guess.recordings), guess.recordings


def table(path: Path, rows: dict[str, Sequence[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(rows)] + [",".join(map(str, row)) for row in zip(*rows.values(), strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


def motion(path: Path, **columns: Sequence[object]) -> Path:
    time = np.arange(200) / 20
    rng = np.random.default_rng(1)
    signals = {"time": time, "ax": rng.normal(size=200).round(3), "ay": rng.normal(size=200)}
    return table(path, {**signals, **columns})


# ---------------------------------------------------------------- in the recording


def test_stages_in_annotations_are_mapped_to_aasm(tmp_path: Path) -> None:
    for name in ("a", "b"):
        night(tmp_path / f"{name}.edf", [*STAGES])
    some, config = opened(tmp_path)
    guess = guess_labels(some, tmp_path)
    assert guess.labels is not None
    assert (guess.labels.kind, guess.epoch_s) == ("annotations", 30.0)
    assert guess.labels.mapping["Sleep stage 3"] == "N3"
    assert "sleep stages" in guess.reason
    counts = label_counts(some, guess.labels, tmp_path, config)
    assert {row.text: (row.count, row.became) for row in counts.rows} == dict(
        zip(STAGES, [(2, "W"), (2, "N1"), (2, "N2"), (2, "N3"), (2, "R")], strict=True)
    )
    assert (counts.labelled, counts.recordings) == (2, 2)


def test_other_annotations_that_last_are_labels_as_they_are(tmp_path: Path) -> None:
    night(tmp_path / "a.edf", ["rest", "task", "rest", "task", "rest"])
    some, _ = opened(tmp_path)
    guess = guess_labels(some, tmp_path)
    assert guess.labels is not None
    assert guess.labels.mapping == {}


def test_notes_and_moments_are_no_labels_and_that_is_said(tmp_path: Path) -> None:
    night(tmp_path / "a.edf", ["start of test", "electrode fixed"], each_s=0)
    some, _ = opened(tmp_path)
    guess = guess_labels(some, tmp_path)
    assert guess.labels is None
    assert "notes or moments" in guess.reason


def test_a_column_of_texts_is_a_label_on_every_sample(tmp_path: Path) -> None:
    for name in ("p1", "p2"):
        motion(tmp_path / f"{name}.csv", what=["rest"] * 100 + ["walk"] * 100)
    some, _ = opened(tmp_path)
    guess = guess_labels(some, tmp_path)
    assert guess.labels is not None
    assert (guess.labels.kind, guess.labels.column) == ("column", "what")
    assert offered_columns(*some.opened[0]) == ("what", "ax", "ay")


def test_whole_numbers_under_a_name_for_labels_are_no_channel(tmp_path: Path) -> None:
    motion(tmp_path / "p1.csv", activity=[1] * 100 + [4] * 100)
    some, config = opened(tmp_path)
    guess = guess_study(some.found, config, tmp_path)
    assert guess.labels.labels is not None
    assert guess.labels.labels.column == "activity"
    assert [row.label for row in guess.channels] == ["ax", "ay"]
    assert guess.counts is not None
    assert {(row.text, row.count) for row in guess.counts.rows} == {("1", 100), ("4", 100)}
    found = recordings_to_take(config, tmp_path, guess.labels.labels)
    assert found[0].files[0].label_columns == ("activity",)


def test_a_signal_with_a_name_for_labels_is_none_if_it_is_no_whole_number(tmp_path: Path) -> None:
    motion(tmp_path / "p1.csv", state=np.random.default_rng(2).normal(size=200).round(3))
    some, _ = opened(tmp_path)
    assert guess_labels(some, tmp_path).labels is None


# ---------------------------------------------------------------- beside it


def test_a_hypnogram_beside_each_night_is_found_by_a_pattern(tmp_path: Path) -> None:
    for subject, number, scorer in (("00", 1, "C"), ("00", 2, "H"), ("01", 1, "C")):
        night(tmp_path / f"SC4{subject}{number}E0-PSG.edf")
        night(tmp_path / f"SC4{subject}{number}E{scorer}-Hypnogram.edf", STAGES, signals=False)
    some, config = opened(tmp_path)
    assert len(some.opened) == 3
    guess = guess_labels(some, tmp_path)
    assert guess.labels is not None
    assert guess.labels.kind == "annotations"
    assert guess.labels.pattern == "SC4{subject}{night}E*-Hypnogram.edf"
    counts = label_counts(some, guess.labels, tmp_path, config)
    assert (counts.labelled, len(counts.rows)) == (3, 5)


def test_a_single_night_takes_its_own_hypnogram_and_no_other(tmp_path: Path) -> None:
    night(tmp_path / "SC4001E0-PSG.edf")
    night(tmp_path / "SC4001EC-Hypnogram.edf", STAGES, signals=False)
    night(tmp_path / "SC4112EC-Hypnogram.edf", STAGES, signals=False)
    guess = patterns_for([tmp_path / "SC4001E0-PSG.edf"])
    found = preview_recordings(guess.recordings, tmp_path).found
    labels = guess_labels(open_some(found, guess.recordings), tmp_path).labels
    assert labels is not None
    assert labels.pattern == "SC4001EC-Hypnogram.edf"


@pytest.mark.parametrize(
    ("name", "content", "format", "epoch_s"),
    [
        ("p1_stages_30s.txt", "W\nN1\nN2\nN3\nR\n", None, 30.0),
        ("p1.txt", "W\nN1\nN2\nN3\nR\n", None, 30.0),
        ("p1_scoring.csv", "onset,duration,label\n0,30,W\n30,60,N2\n90,60,R\n", None, 30.0),
        ("p1.tsv", "onset\tduration\ttrial_type\n0\t30\tW\n30\t120\tN2\n", "bids", 30.0),
    ],
)
def test_a_file_of_labels_with_the_same_stem_is_read_whatever_its_format(
    tmp_path: Path, name: str, content: str, format: str | None, epoch_s: float
) -> None:
    night(tmp_path / "p1.edf")
    night(tmp_path / "p2.edf")
    for number in (1, 2):
        (tmp_path / name.replace("p1", f"p{number}")).write_text(content)
    some, config = opened(tmp_path)
    guess = guess_labels(some, tmp_path, "sleep")
    assert isinstance(guess.labels, FileLabels)
    assert guess.labels.pattern == name.replace("p1", "{subject}")
    assert guess.labels.format in (format, None)
    assert guess.epoch_s == epoch_s
    counts = label_counts(some, guess.labels, tmp_path, config)
    assert counts.labelled == 2
    assert "W" in counts.classes


def test_bare_numbers_of_stages_are_mapped_with_a_warning(tmp_path: Path) -> None:
    night(tmp_path / "p1.edf")
    (tmp_path / "p1_hypnogram.txt").write_text("0\n1\n2\n3\n5\n")
    some, _ = opened(tmp_path)
    guess = guess_labels(some, tmp_path, "sleep")
    assert guess.labels is not None
    assert guess.labels.mapping["5"] == "R"
    assert "differs between sites" in guess.reason
    (tmp_path / "p1_hypnogram.txt").write_text("5\n5\n2\n1\n4\n")
    again = guess_labels(some, tmp_path, "sleep")
    assert again.labels is not None
    assert again.labels.mapping["5"] == "W"


def test_a_file_beside_that_holds_no_labels_is_named(tmp_path: Path) -> None:
    night(tmp_path / "p1.edf")
    lines = "\n".join(f"sentence number {k} of a letter" for k in range(60))
    (tmp_path / "p1_scores.txt").write_text(lines)
    some, _ = opened(tmp_path)
    guess = guess_labels(some, tmp_path)
    assert guess.labels is None
    assert "p1_scores.txt" in guess.reason


def test_a_chosen_file_leads_to_a_pattern_with_fields(tmp_path: Path) -> None:
    for number in (1, 2):
        night(tmp_path / "data" / f"p{number}_n1.edf")
        night(tmp_path / "data" / f"p{number}_n2.edf")
    (tmp_path / "data" / "scores").mkdir()
    chosen = tmp_path / "data" / "scores" / "p1_n2.txt"
    chosen.write_text("W\n")
    some, _ = opened(tmp_path / "data")
    found = next(one for one, _ in some.opened if one.paths[0].name == "p1_n2.edf")
    pattern = pattern_beside(found, chosen, tmp_path / "data")
    assert pattern == "scores/{subject}_{part}.txt"
    assert offered_fields(some.found)[0] == "subject"


# ---------------------------------------------------------------- tables and names


def test_a_table_with_numbers_for_people_is_matched_to_their_folders(tmp_path: Path) -> None:
    for number in (2, 3):
        for name in ("ACC", "EDA", "TEMP"):
            path = tmp_path / "signals" / f"S{number:02d}" / f"{name}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            cells = "0,0,64" if name == "ACC" else "1.5"
            head = "1644226600.0" if name != "ACC" else ", ".join(["1644226600.0"] * 3)
            rate = "4.0" if name != "ACC" else ", ".join(["4.0"] * 3)
            path.write_text("\n".join([head, rate, *[cells] * 400]) + "\n")
    table(
        tmp_path / "labels_1hz.csv",
        {
            "participant": [2] * 100 + [3] * 100,
            "unix_time_s": [1644226600 + k for k in range(100)] * 2,
            "label": ([0] * 50 + [1] * 50) * 2,
        },
    )
    some, config = opened(tmp_path)
    guess = guess_labels(some, tmp_path, "wearable_stress")
    assert isinstance(guess.labels, TableLabels)
    assert guess.key_map == {"2": "S02", "3": "S03"}
    labels = guess.labels
    assert (labels.pattern, labels.key_column, labels.clock) == (
        "labels_1hz.csv", "participant", "absolute",
    )  # fmt: skip
    assert (labels.period_s, labels.label_column) == (1.0, "label")
    assert "check it" in guess.reason
    named = config.model_copy(update={"key_map": dict(guess.key_map)})
    counts = label_counts(some, labels, tmp_path, named)
    assert counts.labelled == 2
    assert {(row.text, row.became) for row in counts.rows} == {("0", "no_stress"), ("1", "stress")}
    assert table_columns(labels, tmp_path, {}) == ("participant", "unix_time_s", "label")


def test_a_table_of_people_without_times_is_no_table_of_labels(tmp_path: Path) -> None:
    for number in (1, 2):
        motion(tmp_path / f"p{number}.csv")
    table(tmp_path / "subjects.csv", {"subject": ["p1", "p2"], "group": ["a", "b"]})
    some, _ = opened(tmp_path)
    assert guess_labels(some, tmp_path).labels is None


def test_a_field_of_the_names_is_a_label_but_not_for_nights(tmp_path: Path) -> None:
    for subject in range(1, 6):
        for task in (1, 2):
            night(tmp_path / f"Subject{subject:02d}_{task}.edf")
    some, config = opened(tmp_path)
    guess = guess_labels(some, tmp_path)
    assert guess.labels is not None
    assert (guess.labels.kind, guess.labels.field) == ("field", "task")
    assert guess_labels(some, tmp_path, "sleep").labels is None
    counts = label_counts(some, guess.labels, tmp_path, config)
    assert {row.text for row in counts.rows} == {"1", "2"}
    mapped = guess.labels.model_copy(update={"mapping": {"1": "rest", "2": None}})
    assert {row.text: row.became for row in counts.under(mapped).rows} == {"1": "rest", "2": None}


def test_settings_that_fit_no_recording_are_an_error_with_the_reason(tmp_path: Path) -> None:
    motion(tmp_path / "p1.csv")
    some, _ = opened(tmp_path)
    wrong = TableLabels(kind="table", pattern="p1.csv", time_column="when", label_column="what")
    with pytest.raises(DataError, match="no column 'when'"):
        label_counts(some, wrong, tmp_path)


# ---------------------------------------------------------------- classes


def test_classes_that_a_preset_knows_take_its_look(tmp_path: Path) -> None:
    guess = guess_scheme(["N2", "W"], None, "sleep", 20.0)
    assert (guess.preset, guess.scheme.epoch_s) == ("sleep_aasm", 20.0)
    assert guess.scheme.ordered


def test_other_classes_get_colours_and_keys(tmp_path: Path) -> None:
    scheme = guess_scheme(["walk", "rest"], None, "body_motion").scheme
    assert [entry.name for entry in scheme.states] == ["rest", "walk"]
    assert len({entry.colour for entry in scheme.states}) == 2
    assert scheme.by_key("w").name == "walk"
    assert scheme.epoch_s == 1.0


def test_without_labels_the_channels_decide_and_a_study_can_always_be_labelled() -> None:
    assert guess_scheme([], None, "sleep").preset == "sleep_aasm"
    assert guess_scheme([], None, "wearable_stress").preset == "stress"
    bare = guess_scheme([], None, ())
    assert [entry.name for entry in bare.scheme.states] == ["A", "B"]
    assert "until you name them" in bare.reason


# ---------------------------------------------------------------- the real sets


def test_labels_of_the_real_sets_are_found(shared: Path) -> None:
    data = shared / "data"
    for folder, kind, classes in (
        ("har_phone_watch", "column",
         {"SEATED", "STANDING_UP", "WALKING", "TURNING", "SITTING_DOWN"}),
        ("stress_wristband", "table", {"no_stress", "stress"}),
        ("eeg_arithmetic", "field", {"1", "2"}),
    ):  # fmt: skip
        guess = patterns_for([data / folder])
        found = preview_recordings(guess.recordings, guess.root).found
        study = guess_study(found, guess.recordings, guess.root, most=3)
        assert study.problem == ""
        assert study.labels.labels is not None, folder
        assert study.labels.labels.kind == kind
        assert study.counts is not None
        assert set(study.counts.classes) == classes
        assert study.scheme is not None
        assert {entry.name for entry in study.scheme.scheme.states} == classes
        assert study.modalities is not None
        assert study.windows is not None


def test_recordings_as_they_come_are_guessed_or_the_reason_said(shared: Path) -> None:
    folder = shared / "data" / "recordings"
    kinds = {}
    for name in ("psg_dreams_excerpt3.edf", "short_psg.edf", "evt.bdf", "test_edfann.edf"):
        guess = patterns_for([folder / name])
        found = preview_recordings(guess.recordings, guess.root).found
        study = guess_study(found, guess.recordings, guess.root)
        assert study.labels.reason
        kinds[name] = study.labels.labels.kind if study.labels.labels is not None else None
    assert kinds == {
        "psg_dreams_excerpt3.edf": "column",
        "short_psg.edf": None,
        "evt.bdf": None,
        "test_edfann.edf": "annotations",
    }
