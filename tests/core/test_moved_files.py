"""Moved recordings are found by their content, and nothing else is taken for them in silence."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import StudyError
from core.moved_files import accept_moved, find_moved, missing_files
from core.progress import Cancelled, RunContext
from tests.core.study_makers import make_study, write_edf


@pytest.fixture
def study(tmp_path: Path):
    made = make_study(tmp_path, ("n1", "n2", "n3"))
    yield made
    made.close()


def test_nothing_is_missing_while_all_is_in_place(study, tmp_path: Path) -> None:
    assert missing_files(study) == ()
    os.rename(tmp_path / "data" / "n2.edf", tmp_path / "n2.edf")
    (missing,) = missing_files(study)
    assert (missing.recording, missing.path.name) == ("n2", "n2.edf")


def test_files_are_found_under_other_names_by_their_content(study, tmp_path: Path) -> None:
    new = tmp_path / "disk" / "deep" / "down"
    new.mkdir(parents=True)
    # Their names are exchanged, and another file has the name that is looked for.
    os.rename(tmp_path / "data" / "n1.edf", new / "n2.edf")
    os.rename(tmp_path / "data" / "n2.edf", new / "x.edf")
    write_edf(tmp_path / "disk" / "n1.edf", seed=9)
    search = find_moved(missing_files(study), [tmp_path / "disk"])
    assert [(f.missing.recording, f.match, f.path.name) for f in search.found] == [
        ("n1", "same", "n2.edf"), ("n2", "same", "x.edf")
    ]  # fmt: skip
    assert search.looked_at == 3
    assert accept_moved(study, search.same, "AB") == 2
    assert missing_files(study) == ()
    assert study.path_of(study.recordings()[1].files[0]) == new / "x.edf"
    entry = study.audit("n1")[0]
    assert (entry.who, entry.action) == ("AB", "file moved")


def test_the_same_place_under_another_folder_is_looked_at_before_anything(
    study, tmp_path: Path
) -> None:
    new = tmp_path / "new disk"
    new.mkdir()
    os.rename(tmp_path / "data", new / "data")
    search = find_moved(missing_files(study), [new])
    assert [f.match for f in search.found] == ["same"] * 3
    assert search.looked_at == 0


def test_other_content_in_the_same_place_is_offered_and_taken_only_on_insisting(
    study, tmp_path: Path
) -> None:
    os.unlink(tmp_path / "data" / "n1.edf")
    write_edf(tmp_path / "new" / "data" / "n1.edf", seed=9)
    (found,) = find_moved(missing_files(study), [tmp_path / "new"]).found
    assert (found.match, found.path) == ("differs", tmp_path / "new" / "data" / "n1.edf")
    with pytest.raises(StudyError, match="The content of 1 file is not"):
        accept_moved(study, [found])
    assert len(missing_files(study)) == 1
    accept_moved(study, [found], "AB", insist=True)
    assert missing_files(study) == ()
    assert [e.action for e in study.audit("n1")][:2] == ["file replaced", "file moved"]


def test_several_copies_are_named_and_the_likeliest_comes_first(study, tmp_path: Path) -> None:
    content = (tmp_path / "data" / "n1.edf").read_bytes()
    os.unlink(tmp_path / "data" / "n1.edf")
    for name in ("a/z.edf", "b/data/n1 copy.edf", "c/data/n1.edf"):
        path = tmp_path / "new" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (found,) = find_moved(missing_files(study), [tmp_path / "new"]).found
    assert found.path == tmp_path / "new" / "c" / "data" / "n1.edf"
    assert len(found.copies) == 2


def test_what_is_not_there_is_said_and_what_went_away_since_is_refused(
    study, tmp_path: Path
) -> None:
    os.rename(tmp_path / "data", tmp_path / "elsewhere")
    (tmp_path / "empty").mkdir()
    search = find_moved(missing_files(study), [tmp_path / "empty", tmp_path / "none"])
    assert [f.match for f in search.found] == ["none"] * 3
    assert search.unreadable == (tmp_path / "none",)
    assert accept_moved(study, search.found) == 0
    search = find_moved(missing_files(study), [tmp_path / "elsewhere"])
    os.unlink(tmp_path / "elsewhere" / "n2.edf")
    with pytest.raises(StudyError, match="no longer there"):
        accept_moved(study, search.found)
    assert len(missing_files(study)) == 3


def test_folders_are_walked_once_and_the_search_stops_when_asked(study, tmp_path: Path) -> None:
    os.rename(tmp_path / "data", tmp_path / "x")
    os.rename(tmp_path / "x" / "n1.edf", tmp_path / "x" / "renamed.edf")
    os.symlink(tmp_path / "x", tmp_path / "x" / "loop")
    search = find_moved(missing_files(study), [tmp_path, tmp_path / "x", tmp_path])
    assert [f.match for f in search.found] == ["same"] * 3
    assert search.found[0].copies == ()
    with pytest.raises(Cancelled):
        find_moved(missing_files(study), [tmp_path], RunContext(should_stop=lambda: True))


def test_paths_of_windows_are_understood_elsewhere(study, tmp_path: Path) -> None:
    os.rename(tmp_path / "data", tmp_path / "nights")
    missing = [
        replace(m, path=Path(f"C:\\Users\\me\\nights\\{m.recording}.edf"))
        for m in missing_files(study)
    ]
    search = find_moved(missing, [tmp_path])
    assert [f.match for f in search.found] == ["same"] * 3
    assert search.looked_at == 0
