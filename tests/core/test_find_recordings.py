"""Patterns find what they say and no more; files of one recording share a clock."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.config import RecordingsConfig, TableLabels
from core.errors import ConfigError, DataError, RecordingError
from core.find_recordings import (
    FoundRecording,
    field_names,
    find_recordings,
    match_pattern,
    open_recording,
    same_name,
    table_key_means,
    without_names,
)
from core.labels import LabelReader
from core.recording import Stretch


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def find(
    root: Path,
    *patterns: str | dict[str, Any],
    label_columns: Mapping[str, Sequence[str]] | None = None,
    **options: Any,
) -> tuple[list[FoundRecording], RecordingsConfig]:
    sources = [{"pattern": p} if isinstance(p, str) else p for p in patterns]
    config = RecordingsConfig.model_validate({"sources": sources, **options})
    return find_recordings(config, root, label_columns), config


def write_csv(path: Path, start: float, seconds: int, channel: str = "a") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{start + k},{k}\n" for k in range(seconds))
    path.write_text(f"time,{channel}\n{rows}", encoding="utf-8")


# ---------------------------------------------------------------- patterns


def test_fields_give_id_subject_and_sources(tmp_path: Path) -> None:
    touch(tmp_path, *(f"s0{s}/s0{s}_0{r}_{d}.csv" for s in (1, 2) for r in (1, 2)
                      for d in ("sp", "sw")))  # fmt: skip
    touch(tmp_path, "s01/s02_01_sp.csv", "s01/notes.csv", "s01/._s01_01_sp.csv")
    found, _ = find(
        tmp_path, "{subject}/{subject}_{run}_{device}.csv", label_columns={"sp": ["label"]}
    )
    assert [recording.id for recording in found] == ["s01_01", "s01_02", "s02_01", "s02_02"]
    first = found[0]
    assert (first.subject, first.fields) == ("s01", {"subject": "s01", "run": "01"})
    assert [(file.name, file.path.name) for file in first.files] == [
        ("sp", "s01_01_sp.csv"), ("sw", "s01_01_sw.csv"),
    ]  # fmt: skip
    assert [file.label_columns for file in first.files] == [("label",), ()]
    assert all(recording.error is None for recording in found)


def test_a_field_never_spans_a_path_separator(tmp_path: Path) -> None:
    touch(tmp_path, "a/b.edf", "a/c/b.edf", "b.edf")
    assert [path.relative_to(tmp_path).as_posix() for path, _ in
            match_pattern("{x}/{y}.edf", tmp_path)] == ["a/b.edf"]  # fmt: skip


def test_digit_fields_take_only_digits_of_that_width(tmp_path: Path) -> None:
    touch(tmp_path, "S01.edf", "S2.edf", "Sxx.edf", "S103.edf")
    found, _ = find(tmp_path, "S{subject:02d}.edf", subject="P{subject}")
    assert [(r.id, r.subject) for r in found] == [("01", "P01"), ("103", "P103")]


def test_wildcards_and_absolute_patterns_are_understood(tmp_path: Path) -> None:
    touch(tmp_path, "x/S1_eeg_v2.edf", "y/S2_eeg_v1.edf")
    found, _ = find(Path("/nowhere"), f"{tmp_path.as_posix()}/*/{{subject}}_eeg_v?.edf")
    assert [recording.id for recording in found] == ["S1", "S2"]


def test_a_name_that_can_be_read_in_two_ways_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "night_1_p01.csv", "night_2_p01.csv")
    with pytest.raises(ConfigError, match=r"two ways: night=night, subject=1_p01 or night=night_1"):
        find(tmp_path, "{night}_{subject}.csv")
    found, _ = find(tmp_path, "night_{night:d}_{subject}.csv")
    assert {recording.subject for recording in found} == {"p01"}
    # Known values tell which way is meant.
    values = {"night": ["night_1", "night_2"]}
    found, _ = find(tmp_path, {"pattern": "{night}_{subject}.csv", "values": values})
    assert [recording.subject for recording in found] == ["p01", "p01"]


def test_a_key_of_a_table_that_is_mapped_means_that_alone() -> None:
    renumbered = {"1": "02", "2": "03", "3": "01"}
    meant = {k: [n for n in ("01", "02", "03") if table_key_means(k, n, renumbered)] for k in "123"}
    assert meant == {"1": ["02"], "2": ["03"], "3": ["01"]}
    assert table_key_means("2", "02", {})


def test_values_restrict_and_order_sources(tmp_path: Path) -> None:
    touch(tmp_path, *(f"S01/{n}.csv" for n in ("ACC", "BVP", "IBI", "tags")))
    found, _ = find(
        tmp_path, {"pattern": "S{subject}/{signal}.csv", "values": {"signal": ["BVP", "ACC"]}}
    )
    assert [file.name for file in found[0].files] == ["BVP", "ACC"]
    with pytest.raises(ConfigError, match="has no field 'device'"):
        find(tmp_path, {"pattern": "S{subject}/{signal}.csv", "values": {"device": ["x"]}})
    with pytest.raises(DataError, match="none has the values asked for; there are signal=ACC"):
        find(tmp_path, {"pattern": "S{subject}/{signal}.csv", "values": {"signal": ["EDA"]}})


def test_ids_are_safe_and_unique(tmp_path: Path) -> None:
    touch(tmp_path, "a b_c.edf", "a_b/c.edf", "con.edf")
    safe, _ = find(tmp_path, "{subject}.edf")
    assert [recording.id for recording in safe] == ["a_b_c", "con_"]
    touch(tmp_path, "x/a_b-c.edf", "x/a-b_c.edf")
    twice, _ = find(tmp_path, {"pattern": "x/{subject}-{run}.edf"})
    assert [recording.id for recording in twice] == ["a_b_c", "a_b_c_2"]
    assert [recording.subject for recording in twice] == ["a", "a_b"]


def test_a_pattern_without_fields_is_one_recording(tmp_path: Path) -> None:
    touch(tmp_path, "night.edf")
    found, _ = find(tmp_path, "night.edf")
    assert [(r.id, r.subject, r.fields) for r in found] == [("night", "night", {})]


@pytest.mark.parametrize("pattern", ["{subject.edf", "{a b}.edf", "{n:02x}.edf", "}x{.edf", "{}"])
def test_impossible_patterns_are_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(ConfigError, match="pattern"):
        find(tmp_path, pattern)


def test_a_subject_that_no_field_gives_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "night1.edf")
    with pytest.raises(ConfigError, match=r"'\{subject\}' cannot be made from the fields name"):
        find(tmp_path, "{name}.edf")
    found, _ = find(tmp_path, "{name}.edf", subject="{name}")
    assert found[0].subject == "night1"


def test_a_pattern_that_matches_nothing_says_what_was_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"signals/S\{subject\}.*folder .* is empty"):
        find(tmp_path, "signals/S{subject}.edf")
    touch(tmp_path, "signals/P01.edf", "signals/P02.edf")
    with pytest.raises(DataError, match=r"folder \S*signals holds P01\.edf, P02\.edf"):
        find(tmp_path, "signals/S{subject}.edf")
    with pytest.raises(DataError, match="does not exist"):
        find(tmp_path / "none", "S{subject}.edf")


def test_field_names_come_in_order_without_repeats() -> None:
    assert field_names("{subject}/{subject}_{run:02d}_{device}.csv") == ("subject", "run", "device")


# ---------------------------------------------------------------- joining


def test_sources_join_on_their_common_fields(tmp_path: Path) -> None:
    touch(tmp_path, "eeg/S01_1.edf", "eeg/S01_2.edf", "eeg/S02_1.edf", "watch/1.csv", "watch/3.csv")
    found, _ = find(
        tmp_path,
        {"pattern": "eeg/{subject}_{run}.edf", "name": "eeg"},
        {"pattern": "watch/{subject}.csv", "name": "watch"},
        key_map={"1": "S01"},
    )
    assert [(r.id, [file.name for file in r.files]) for r in found] == [
        ("3", ["watch"]), ("S01_1", ["eeg", "watch"]), ("S01_2", ["eeg", "watch"]),
        ("S02_1", ["eeg"]),
    ]  # fmt: skip
    assert [recording.error is None for recording in found] == [False, True, True, False]
    assert "no file for 'watch'" in str(found[3].error)
    with pytest.raises(RecordingError, match="no file for 'watch'"):
        open_recording(found[3], RecordingsConfig.model_validate({"sources": [{"pattern": "x"}]}))


def test_an_optional_source_may_be_missing(tmp_path: Path) -> None:
    touch(tmp_path, "S01.edf", "S02.edf", "S01.csv")
    found, _ = find(
        tmp_path,
        {"pattern": "{subject}.edf", "name": "psg"},
        {"pattern": "{subject}.csv", "name": "watch", "optional": True},
        {"pattern": "{subject}.txt", "name": "notes", "optional": True},
    )
    assert [recording.error for recording in found] == [None, None]
    assert [len(recording.files) for recording in found] == [2, 1]


def test_a_missing_file_of_one_source_is_an_error_of_that_recording(tmp_path: Path) -> None:
    touch(tmp_path, *(f"S{k}_{d}.csv" for k in range(4) for d in ("sp", "sw")))
    os.remove(tmp_path / "S2_sw.csv")
    found, _ = find(tmp_path, "{subject}_{device}.csv")
    assert [recording.error is None for recording in found] == [True, True, False, True]
    assert "S2: there is no file for 'sw'" in str(found[2].error)


def test_two_files_for_one_place_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a/S1.edf", "b/S1.edf")
    with pytest.raises(ConfigError, match="several files for one recording"):
        find(tmp_path, "*/{subject}.edf")
    with pytest.raises(ConfigError, match="both called 'main'"):
        find(tmp_path, "a/{subject}.edf", "b/{subject}.edf")


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("2", "02", True), ("2", "S02", True), ("S02", "2", True), ("02", "S02", True),
        ("S02", "S02", True), ("3", "S02", False), ("a", "A", False), ("0", "00", True),
        ("2.0", "S02", True), ("x", "S02", False),
    ],
)  # fmt: skip
def test_names_are_the_same_by_number_or_by_the_map(a: str, b: str, same: bool) -> None:
    assert same_name(a, b, {"2": "S02"}) is same


# ---------------------------------------------------------------- listed recordings


def entry(id: str, subject: str = "s", /, **files: Any) -> dict[str, Any]:
    return {"id": id, "subject": subject, "files": files}


def test_listed_recordings_need_no_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "a/one.csv", "a/two.csv", "other.csv")
    elsewhere = tmp_path / "other.csv"
    listed = [
        {**entry("b_2", "s2", sp="a/one.csv", sw={"path": "a/two.csv", "source": "second"}),
         "fields": {"run": "02", "recording": "its own"}},
        entry("A_1", "s1", sp=str(elsewhere)),
    ]  # fmt: skip
    found, _ = find(
        tmp_path,
        {"name": "first", "time_zone": "Europe/Berlin"},
        {"name": "second", "clock_offset_s": 3},
        label_columns={"sw": ["label"], "*": ["other"]},
        listed=listed,
    )
    assert [(r.id, r.subject, r.error) for r in found] == [("A_1", "s1", None), ("b_2", "s2", None)]
    assert found[0].paths == (elsewhere,)
    assert found[0].fields == {"subject": "s1", "recording": "A_1"}
    assert found[1].fields == {"subject": "s2", "recording": "its own", "run": "02"}
    assert [file.name for file in found[1].files] == ["sp", "sw"]
    assert [file.config.name for file in found[1].files] == ["first", "second"]
    assert [file.label_columns for file in found[1].files] == [("other",), ("label", "other")]


def test_a_listed_path_is_no_pattern_and_may_come_from_windows(tmp_path: Path) -> None:
    touch(tmp_path, "x/{a}*[1].csv")
    found, _ = find(tmp_path, {}, listed=[entry("a", main="x\\{a}*[1].csv")])
    assert (found[0].error, found[0].paths) == (None, (tmp_path / "x/{a}*[1].csv",))


def test_a_listed_file_that_is_missing_fails_its_recording_alone(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", 0, 10)
    write_csv(tmp_path / "watch.csv", 0, 10)
    (tmp_path / "folder").mkdir()
    sources = [{"name": "main"}, {"name": "watch", "optional": True}]
    listed = [
        entry("a", main="a.csv", watch="gone.csv"),
        entry("b", main="gone.csv", watch="watch.csv"),
        entry("c", watch="gone.csv"),
        entry("d", main="folder"),
        entry("e", main="x" * 5000),
    ]
    found, config = find(tmp_path, *sources, listed=listed)
    assert [recording.error is None for recording in found] == [True, False, False, False, False]
    assert [file.name for file in found[0].files] == ["main"]
    assert open_recording(found[0], config).duration_s == 10
    assert "gone.csv: there is no such file; correct its path in recordings.listed, or" in str(
        found[1].error
    )
    assert str(found[2].error).endswith("recordings.listed.")
    with pytest.raises(RecordingError, match=r"gone\.csv: there is no such file"):
        open_recording(found[1], config)


def test_patterns_find_what_is_not_listed_and_ids_stay_distinct(tmp_path: Path) -> None:
    touch(tmp_path, "s1.csv", "s2.csv", "x/s2.csv", "night_1_p.csv")
    listed = [entry("S2", "anna", main="x/s2.csv"), entry("one", "berta", main="./x/../s1.csv")]
    found, _ = find(tmp_path, "s{subject:d}.csv", subject="s{subject}", listed=listed)
    assert [(r.id, r.subject) for r in found] == [("2", "s2"), ("S2", "anna"), ("one", "berta")]
    found, _ = find(tmp_path, {"pattern": "{subject}.csv", "values": {"subject": ["s1", "s2"]}},
                    listed=listed)  # fmt: skip
    assert [(r.id, r.subject) for r in found] == [("S2", "anna"), ("one", "berta"), ("s2_2", "s2")]
    # All that a pattern finds may be listed, and a name that reads in two ways is settled by it.
    found, _ = find(
        tmp_path, "{night}_{subject}.csv", listed=[entry("p", "p", main="night_1_p.csv")]
    )
    assert [(r.id, r.subject) for r in found] == [("p", "p")]


def test_a_listed_file_joins_no_other_and_other_sources_join_as_ever(tmp_path: Path) -> None:
    touch(tmp_path, "eeg/S1.edf", "eeg/S2.edf", "watch/S1.csv", "watch/S2.csv", "extra.edf")
    found, _ = find(
        tmp_path,
        {"name": "spare"},
        {"pattern": "eeg/{subject}.edf", "name": "eeg"},
        {"pattern": "watch/{subject}.csv", "name": "watch"},
        listed=[entry("extra", eeg="extra.edf")],
    )
    assert [(r.id, [file.name for file in r.files], r.error) for r in found] == [
        ("S1", ["eeg", "watch"], None), ("S2", ["eeg", "watch"], None), ("extra", ["eeg"], None),
    ]  # fmt: skip


def test_an_empty_list_without_a_pattern_finds_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no entry of `sources` has a pattern"):
        find(tmp_path, {}, listed=[])


def test_listed_recordings_can_be_excluded(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv", "b.csv")
    listed = [entry("a", main="a.csv"), entry("b", main="b.csv")]
    found, _ = find(tmp_path, {}, listed=listed, exclude=[{"recording": "b"}])
    assert [recording.id for recording in found] == ["a"]
    with pytest.raises(DataError, match="All 2 recordings"):
        find(tmp_path, {}, listed=listed, exclude=[{"recording": "*"}])


@pytest.mark.parametrize(
    ("names", "patterns"),
    [
        ({"main": ("a1.edf", "b1.edf")}, ["{subject}.edf"]),
        ({"main": ("a/anna_1.edf.gz", "b/berta_1.edf.gz")}, ["{subject}.edf.gz"]),
        ({"Night": ("night-a.edf", "night-b.edf")}, ["night-{subject}.edf"]),
        ({"main": ("night-a.edf", "night-b.edf")}, ["{subject}.edf"]),
        ({"main": ("_.edf", "x_.edf")}, ["{subject}.edf"]),
        ({"main": (".edf", "x.edf")}, [""]),
        ({"main": ("a.edf", "b.csv")}, [""]),
        ({"main": ("a.meier", "b.meier")}, [""]),
        (
            {"sp": ("1/a_sp.csv", "2/b_sp.csv"), "sw": ("1/a_sw.csv", "2/b_sw.csv")},
            ["{subject}_sp.csv", "{subject}_sw.csv"],
        ),
        (
            {"ACC": ("S1/ACC.csv", "S2\\ACC.csv"), "BVP": ("S1/BVP.csv", "S2/BVP.csv")},
            ["{subject}/ACC.csv", "{subject}/BVP.csv"],
        ),
        # A pattern that fits the other's files, too, puts nothing together.
        ({"sp": ("a.csv", "b.csv"), "sw": ("c.csv", "d.csv")}, ["", ""]),
        ({"main": ("a.csv", "b.csv"), "sw": ("a_sw.csv", "b_sw.csv")}, ["", ""]),
    ],
)
def test_settings_without_names_know_files_by_what_their_names_have_in_common(
    names: dict[str, tuple[str, str]], patterns: list[str]
) -> None:
    listed = [
        entry(f"r{number}", f"s{number}", **{name: paths[number] for name, paths in names.items()})
        for number in (0, 1)
    ]
    config = RecordingsConfig.model_validate(
        {"sources": [{"name": "any", "csv": {"separator": ";"}}], "listed": listed,
         "key_map": {"1": "anna"}, "exclude": [{"recording": "anna"}]}
    )  # fmt: skip
    bare = without_names(config)
    assert (bare.listed, bare.key_map, bare.exclude) == ([], {}, [])
    assert [source.name for source in bare.sources] == list(names)
    assert [source.pattern for source in bare.sources] == patterns
    assert {source.csv.separator for source in bare.sources} == {";"}
    assert RecordingsConfig.model_validate(bare.model_dump()) == bare


def test_settings_without_names_hold_no_word_of_a_file_that_may_be_somebodys() -> None:
    for paths in (
        ("anna_meier_1.csv", "anna_meier_2.csv"), ("Meier-1.csv", "Meier-2.csv"),
        ("1_meier.csv", "2_meier.csv"), ("meier/4711.csv", "meier/4711.csv"), ("meier.csv",),
    ):  # fmt: skip
        listed = [entry(f"r{n}", "anna", main=path) for n, path in enumerate(paths)]
        config = RecordingsConfig.model_validate({"sources": [{"name": "x"}], "listed": listed})
        text = without_names(config).model_dump_json().casefold()
        assert not [word for word in ("anna", "meier", "4711") if word in text]
    # Patterns that were there before are kept.
    sources: list[dict[str, Any]] = [{"pattern": "{subject}.csv"}, {"name": "x"}]
    config = RecordingsConfig.model_validate({"sources": sources, "listed": listed})
    assert without_names(config).sources == config.sources
    assert "meier" not in without_names(config).model_dump_json()


# ---------------------------------------------------------------- exclusion


def test_recordings_and_stretches_are_excluded(tmp_path: Path) -> None:
    for name in ("s1", "s2", "x1"):
        write_csv(tmp_path / f"{name}.csv", 0, 100)
    found, config = find(
        tmp_path,
        "{subject}.csv",
        exclude=[
            {"recording": "x*"},
            {"recording": "s?", "start_s": 90},
            {"recording": "s1", "end_s": 10, "reason": "calibration"},
            {"recording": "s1", "start_s": 500, "end_s": 600},
        ],
    )
    assert [recording.id for recording in found] == ["s1", "s2"]
    stretches = open_recording(found[0], config).excluded
    assert [(s.start_s, s.end_s) for s in stretches] == [(0, 10), (90, 100)]
    assert len(open_recording(found[1], config).excluded) == 1
    with pytest.raises(DataError, match="excluded"):
        find(tmp_path, "{subject}.csv", exclude=[{"recording": "*"}])


def test_a_bad_modality_excludes_no_recording_and_keeps_its_name(tmp_path: Path) -> None:
    write_csv(tmp_path / "s1.csv", 0, 100)
    found, config = find(
        tmp_path,
        "{subject}.csv",
        exclude=[
            {"recording": "*", "modality": "gyro"},
            {"recording": "s1", "modality": "acc", "start_s": 20, "end_s": 30},
            {"recording": "s1", "start_s": 90},
        ],
    )
    assert [recording.id for recording in found] == ["s1"]
    assert open_recording(found[0], config).excluded == (
        Stretch(0, 100, "gyro"), Stretch(20, 30, "acc"), Stretch(90, 100),
    )  # fmt: skip


# ---------------------------------------------------------------- clocks

CLOCK = 1_600_000_000


@pytest.mark.parametrize(
    ("join", "start", "duration", "offsets"),
    [("overlap", CLOCK + 30, 70, (-30, 0)), ("union", CLOCK, 160, (0, 30))],
)
def test_files_lie_on_one_clock(
    tmp_path: Path, join: str, start: float, duration: float, offsets: tuple[float, float]
) -> None:
    write_csv(tmp_path / "S1_a.csv", CLOCK, 100)
    write_csv(tmp_path / "S1_b.csv", CLOCK + 30, 130)
    found, config = find(tmp_path, "{subject}_{device}.csv", join=join)
    recording = open_recording(found[0], config)
    assert recording.has_clock
    assert (recording.start_s, recording.duration_s) == (start, duration)
    assert tuple(source.offset_s for source in recording.sources) == offsets
    assert all(finding.field.startswith(("a: ", "b: ")) for finding in recording.findings)
    assert recording.paths == (tmp_path / "S1_a.csv", tmp_path / "S1_b.csv")


def test_clock_offset_and_zone_move_a_source(tmp_path: Path) -> None:
    write_csv(tmp_path / "S1_a.csv", CLOCK, 100)
    rows = "".join(f"2020-09-13T14:26:{k:02d},{k}\n" for k in range(40, 60))  # CLOCK in Berlin
    (tmp_path / "S1.csv").write_text("time,b\n" + rows, encoding="utf-8")
    found, config = find(
        tmp_path,
        {"pattern": "{subject}_a.csv", "name": "a", "clock_offset_s": -2.5},
        {"pattern": "S{subject:01d}.csv", "name": "b",
         "time_zone": "Europe/Berlin"},
        key_map={"1": "S1"},
    )  # fmt: skip
    recording = open_recording(found[0], config)
    assert recording.start_s == CLOCK
    assert [source.offset_s for source in recording.sources] == [-2.5, 0]
    assert recording.duration_s == 20
    assert [(source.clock_offset_s, source.time_zone) for source in recording.sources] == [
        (-2.5, None), (0, "Europe/Berlin"),
    ]  # fmt: skip


def test_labels_beside_a_recording_are_on_its_clock_and_in_its_zone(tmp_path: Path) -> None:
    rows = "".join(f"2020-09-13T14:26:{k:02d},{k}\n" for k in range(40, 60))  # CLOCK in Berlin
    (tmp_path / "S1.csv").write_text("time,b\n" + rows, encoding="utf-8")
    (tmp_path / "labels.csv").write_text(
        "subject,time,label\nS1,2020-09-13T14:26:45,A\n", encoding="utf-8"
    )
    source = {"pattern": "{subject}.csv", "time_zone": "Europe/Berlin"}
    found, config = find(tmp_path, source)
    labels = TableLabels(
        kind="table", pattern="labels.csv", key_column="subject", time_column="time",
        time_unit="iso", clock="absolute", period_s=1, label_column="label",
    )  # fmt: skip
    track = LabelReader(labels, tmp_path).read(open_recording(found[0], config))
    assert track.onsets_s.tolist() == [5]


def test_sources_without_overlap_are_refused_with_their_times(tmp_path: Path) -> None:
    write_csv(tmp_path / "S1_a.csv", CLOCK, 100)
    write_csv(tmp_path / "S1_b.csv", CLOCK + 3600, 100)
    for join in ("overlap", "union"):
        found, config = find(tmp_path, "{subject}_{device}.csv", join=join)
        with pytest.raises(
            RecordingError, match=r"do not overlap in time \(a from 2020-09-13 12:26"
        ):
            open_recording(found[0], config)


def test_sources_without_a_clock_start_together(tmp_path: Path) -> None:
    write_csv(tmp_path / "S1_a.csv", 5, 100)
    write_csv(tmp_path / "S1_b.csv", 0, 80)
    found, config = find(tmp_path, "{subject}_{device}.csv")
    recording = open_recording(found[0], config)
    assert not recording.has_clock
    assert (recording.start_s, recording.duration_s) == (0, 80)
    assert [source.offset_s for source in recording.sources] == [0, 0]
    assert any(finding.field == "clock" for finding in recording.findings)


def test_a_damaged_optional_file_is_a_finding_and_another_an_error(tmp_path: Path) -> None:
    write_csv(tmp_path / "S1_a.csv", CLOCK, 100)
    touch(tmp_path, "S1_b.csv")
    sources = [{"pattern": "{subject}_a.csv", "name": "a"},
               {"pattern": "{subject}_b.csv", "name": "b", "optional": True}]  # fmt: skip
    found, config = find(tmp_path, *sources)
    recording = open_recording(found[0], config)
    assert [source.name for source in recording.sources] == ["a"]
    assert [f.field for f in recording.findings if f.severity == "unreadable"] == ["b"]
    found, config = find(tmp_path, sources[0], {**sources[1], "optional": False})
    with pytest.raises(RecordingError, match=r"S1_b\.csv: the file is empty"):
        open_recording(found[0], config)


# ---------------------------------------------------------------- real data


def test_the_shared_studies_are_found_whole(shared: Path) -> None:
    data = shared / "data"
    har, config = find(data / "har_phone_watch", "{subject}/{subject}_{run}_{device}.csv",
                       label_columns={"*": ["label"]})  # fmt: skip
    assert len(har) == 145
    assert {tuple(file.name for file in recording.files) for recording in har} == {("sp", "sw")}
    assert len({recording.subject for recording in har}) == 15
    recording = open_recording(har[0], config)
    assert (recording.id, recording.has_clock) == ("s01_01", True)
    assert [len(source.file.channels) for source in recording.sources] == [6, 6]

    signals = ["ACC", "BVP", "EDA", "TEMP"]
    stress, config = find(
        data / "stress_wristband",
        {"pattern": "signals/{subject}/{signal}.csv", "values": {"signal": signals},
         "csv": {"layout": "e4"}},
    )  # fmt: skip
    assert [recording.id for recording in stress] == [f"S{k:02d}" for k in range(1, 21)]
    recording = open_recording(stress[0], config)
    assert [source.name for source in recording.sources] == signals
    assert recording.duration_s == 3258

    eeg, config = find(data / "eeg_arithmetic", "Subject{subject}_{task}.edf")
    assert len(eeg) == 24
    assert eeg[0].fields == {"subject": "00", "task": "1"}
    assert len(open_recording(eeg[0], config).sources[0].file.channels) == 21
