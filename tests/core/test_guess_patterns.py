"""Names of files are turned into patterns that find just those files, and people are told apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core.errors import DataError
from core.find_recordings import find_recordings
from core.guess_patterns import patterns_for, with_recordings, with_source
from core.progress import Cancelled, RunContext


def touch(root: Path, *names: str) -> list[Path]:
    paths = [root / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1644226583.0\n4.0\n1.0\n" if path.suffix == ".csv" else "")
    return paths


@pytest.mark.parametrize(
    ("names", "pattern", "subjects", "recordings"),
    [
        (
            [f"s{k:02d}/s{k:02d}_{run:02d}_{d}.csv"
             for k in (1, 2, 3) for run in (1, 2, 3, 4, 5) for d in ("sp", "sw")],
            "{subject}/{subject}_{run}_{device}.csv", {"s01", "s02", "s03"}, 15,
        ),
        (
            [f"Subject{k:02d}_{task}.edf" for k in range(12) for task in (1, 2)],
            "Subject{subject}_{task}.edf", {f"{k:02d}" for k in range(12)}, 24,
        ),
        (
            [f"sub-{k:03d}/ses-{s}/sub-{k:03d}_ses-{s}_eeg.edf" for k in (1, 2) for s in (1, 2)],
            "sub-{subject}/ses-{session}/sub-{subject}_ses-{session}_eeg.edf",
            {"001", "002"}, 4,
        ),
        (
            [f"SC4{k:02d}{n}E0-PSG.edf" for k in (0, 1) for n in (1, 2)]
            + [f"SC4{k:02d}{n}EC-Hypnogram.edf" for k in (0, 1) for n in (1, 2)],
            "SC4{subject:02d}{night:d}?0-PSG.edf", {"SC400", "SC401"}, 4,
        ),
        (
            [f"{group}/p{k}.edf" for group in ("control", "patients") for k in range(1, 7)],
            "{task}/{subject}.edf", {f"p{k}" for k in range(1, 7)}, 12,
        ),
        (
            [f"phone/{k}.csv" for k in "abc"] + [f"watch/{k}.csv" for k in "abc"],
            "{device}/{subject}.csv", {"a", "b", "c"}, 3,
        ),
        (["night.edf"], "night.edf", {"night"}, 1),
        (["one night.edf", "another.edf", "third_one.edf"], "{subject}.edf",
         {"one night", "another", "third_one"}, 3),
    ],
)  # fmt: skip
def test_a_folder_of_like_names_becomes_a_pattern(
    tmp_path: Path, names: list[str], pattern: str, subjects: set[str], recordings: int
) -> None:
    touch(tmp_path, *names)
    guess = patterns_for([tmp_path])
    assert guess.root == tmp_path
    assert guess.recordings.listed is None
    assert guess.recordings.sources[0].pattern == pattern
    found = find_recordings(guess.recordings, tmp_path)
    assert len(found) == recordings
    assert {one.subject for one in found} == subjects
    assert guess.reason


def test_a_folder_that_is_one_subject_keeps_its_runs_together(tmp_path: Path) -> None:
    touch(tmp_path, *(f"s01_{run:02d}_{d}.csv" for run in range(1, 5) for d in ("sp", "sw")))
    guess = patterns_for([tmp_path])
    assert guess.recordings.sources[0].pattern == "s01_{run}_{device}.csv"
    found = find_recordings(guess.recordings, tmp_path)
    assert len(found) == 4
    assert {one.subject for one in found} == {"s01"}


def test_chosen_files_are_found_and_their_neighbours_are_not(tmp_path: Path) -> None:
    paths = touch(tmp_path, *(f"P{k}_{run}.edf" for k in (1, 2, 3) for run in (1, 2)))
    chosen = [path for path in paths if not path.name.startswith("P3")]
    guess = patterns_for(chosen)
    assert guess.recordings.sources[0].pattern == "{subject}_{run}.edf"
    assert guess.recordings.sources[0].values == {"subject": ["P1", "P2"]}
    found = find_recordings(guess.recordings, guess.root)
    assert sorted(p for one in found for p in one.paths) == chosen


def test_files_that_no_pattern_finds_are_listed_one_by_one(tmp_path: Path) -> None:
    paths = touch(tmp_path, "a/one.edf", "two.bdf", "b/c/{three}.csv", "b/one.csv")
    guess = patterns_for(paths)
    listed = guess.recordings.listed
    assert listed is not None
    assert sorted(entry.id for entry in listed) == ["_three_", "one", "one_2", "two"]
    found = find_recordings(guess.recordings, guess.root)
    assert sorted(p for one in found for p in one.paths) == sorted(paths)
    assert len({one.subject for one in found}) == 4


def test_wristband_folders_are_one_recording_each(tmp_path: Path) -> None:
    touch(
        tmp_path,
        *(f"signals/S{k:02d}/{name}" for k in (1, 2)
          for name in ("ACC.csv", "BVP.csv", "EDA.csv", "TEMP.csv", "HR.csv", "IBI.csv")),
        "labels.csv",
    )  # fmt: skip
    guess = patterns_for([tmp_path])
    source = guess.recordings.sources[0]
    assert source.pattern == "signals/{subject}/{signal}.csv"
    assert source.values == {"signal": ["ACC", "BVP", "EDA", "TEMP"]}
    assert source.csv.layout == "e4"
    found = find_recordings(guess.recordings, tmp_path)
    assert [(one.id, one.subject, len(one.files)) for one in found] == [
        ("S01", "S01", 4), ("S02", "S02", 4),
    ]  # fmt: skip
    assert {path.name for path in guess.passed_over} == {"HR.csv", "IBI.csv", "labels.csv"}


def test_one_wristband_folder_is_found_without_its_neighbours(tmp_path: Path) -> None:
    touch(tmp_path, *(f"S{k}/{name}.csv" for k in (1, 2) for name in ("ACC", "BVP")))
    guess = patterns_for([tmp_path / "S1"])
    found = find_recordings(guess.recordings, guess.root)
    assert [(one.id, one.subject) for one in found] == [("S1", "S1")]


def test_labels_tables_and_hidden_files_are_no_recordings(tmp_path: Path) -> None:
    touch(
        tmp_path, "p1.csv", "p2.csv", "p3.csv", "subjects_info.csv", "p1_labels.csv", ".p4.csv",
        "participants.csv", "notes/readme.txt",
    )  # fmt: skip
    guess = patterns_for([tmp_path])
    found = find_recordings(guess.recordings, tmp_path)
    assert [one.id for one in found] == ["p1", "p2", "p3"]
    assert {path.name for path in guess.passed_over} == {
        "subjects_info.csv", "p1_labels.csv", "participants.csv", "readme.txt",
    }  # fmt: skip


def test_other_studies_are_not_searched(tmp_path: Path) -> None:
    touch(tmp_path, "p1.csv", "p2.csv", "study/study.sqlite", "study/p3.csv")
    found = find_recordings(patterns_for([tmp_path]).recordings, tmp_path)
    assert [one.id for one in found] == ["p1", "p2"]


def test_a_folder_without_recordings_says_what_is_read(tmp_path: Path) -> None:
    touch(tmp_path, "picture.png")
    with pytest.raises(DataError, match=r"no recording in .*EDF, BDF and CSV"):
        patterns_for([tmp_path])


def test_looking_can_be_stopped(tmp_path: Path) -> None:
    touch(tmp_path, "a.edf")
    with pytest.raises(Cancelled):
        patterns_for([tmp_path], RunContext(should_stop=lambda: True))


def test_another_device_joins_the_recordings(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{d}/p{k}.csv" for d in ("first", "second") for k in (1, 2)))
    first = patterns_for([tmp_path / "first"])
    both, root = with_source(first.recordings, first.root, patterns_for([tmp_path / "second"]))
    assert root == tmp_path
    assert [source.name for source in both.sources] == ["main", "main2"]
    found = find_recordings(both, root)
    assert [(one.id, len(one.files), one.error) for one in found] == [
        ("p1", 2, None), ("p2", 2, None),
    ]  # fmt: skip


def test_further_recordings_are_listed_beside_the_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "set/p1.csv", "set/p2.csv", "elsewhere/p1.csv")
    first = patterns_for([tmp_path / "set"])
    more = patterns_for([tmp_path / "elsewhere", tmp_path / "set" / "p2.csv"])
    both, root = with_recordings(first.recordings, first.root, more)
    found = find_recordings(both, root)
    assert sorted(path.relative_to(root).as_posix() for one in found for path in one.paths) == [
        "elsewhere/p1.csv", "set/p1.csv", "set/p2.csv",
    ]  # fmt: skip
    assert len({one.id for one in found}) == 3


def test_the_real_sets_are_found_as_their_examples_say(shared: Path, tmp_path: Path) -> None:
    data = shared / "data"
    for folder, pattern, people, recordings in (
        ("har_phone_watch", "{subject}/{subject}_{run}_{device}.csv", 15, 145),
        ("stress_wristband", "signals/{subject}/{signal}.csv", 20, 20),
        ("eeg_arithmetic", "Subject{subject}_{task}.edf", 12, 24),
    ):
        guess = patterns_for([data / folder])
        assert guess.recordings.sources[0].pattern == pattern, folder
        found = find_recordings(guess.recordings, guess.root)
        assert (len({one.subject for one in found}), len(found)) == (people, recordings), folder
    shutil.copy(data / "recordings" / "short_psg.edf", tmp_path / "short_psg.edf")
    assert patterns_for([tmp_path]).recordings.sources[0].pattern == "short_psg.edf"
