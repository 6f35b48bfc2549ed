"""A packed study comes out whole, with its recordings, or not at all; traps are refused."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
import zipfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from core.config import RecordingsConfig
from core.errors import OutputError, StudyError
from core.find_recordings import find_recordings, open_recording
from core.progress import Cancelled, Progress, RunContext
from core.study import Study
from core.study_archive import ENDING, archive_name, pack, plan_pack, unpack
from tests.core.study_makers import label, make_study, put, stage_labels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a study with labels, a run, and files that do not go along."""
    study = make_study(tmp_path)
    for recording in study.recordings():
        put(study, recording, study.rater("AB"), stage_labels())
    study.close()
    folder = tmp_path / "study"
    for name in ("runs/first/report.json", "runs/first/cache/large", "cache/envelope.bin",
                 "deidentification.json"):  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def members(archive: Path) -> dict[str, zipfile.ZipInfo]:
    with zipfile.ZipFile(archive) as packed:
        return {entry.filename: entry for entry in packed.infolist()}


def all_labels(study: Study) -> list:
    return [
        list(study.labels(recording.id, rater.id))
        for recording in study.recordings()
        for rater in study.raters()
    ]


def test_a_packed_study_works_elsewhere_with_its_recordings(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "out" / archive_name(folder)
    assert archive.name == f"study{ENDING}"
    before = Study.open(folder)
    labels = all_labels(before)
    put(before, before.recordings()[0], before.rater("C"), [label(0, 30, "W")])  # in the log yet
    plan = pack(folder, archive, True)
    labels = all_labels(before)
    before.close()
    assert sorted(members(archive)) == [
        "recordings/n1/n1.edf", "recordings/n2/n2.edf", "runs/first/report.json", "study.sqlite"
    ]  # fmt: skip
    assert not plan.missing
    os.rename(tmp_path / "data", tmp_path / "gone")
    target = tmp_path / "new place" / "mine"
    unpack(archive, target)
    assert sorted(p.name for p in target.iterdir()) == [
        "backups", "cache", "recordings", "runs", "study.sqlite"
    ]  # fmt: skip
    after = Study.open(target)
    assert all_labels(after) == labels
    for recording in after.recordings():
        path = after.path_of(recording.files[0])
        assert path == target / "recordings" / recording.name / f"{recording.name}.edf"
        assert recording.files[0].absolute_path == str(path)
        assert after.open_recording(recording).duration_s == 600
    after.close()
    assert [p.name for p in target.parent.iterdir()] == ["mine"]


def test_without_recordings_they_are_left_where_they_are(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    pack(folder, archive, False)
    assert sorted(members(archive)) == ["runs/first/report.json", "study.sqlite"]
    unpack(archive, tmp_path / "mine")
    study = Study.open(tmp_path / "mine")
    # Beside the old study's folder or at the same absolute place, they are found as before.
    assert not study.missing_files(study.recordings()[0])
    study.close()


def test_missing_files_are_named_and_the_rest_is_packed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "n2.edf").unlink()
    plan = plan_pack(folder, True)
    assert len(plan.missing) == 1
    assert plan.missing[0].startswith("n2: ")
    assert plan.size_bytes > 10_000
    assert pack(folder, tmp_path / "a.zip", True).missing == plan.missing
    assert "recordings/n1/n1.edf" in members(tmp_path / "a.zip")


def test_files_of_one_name_lie_apart_and_one_file_is_packed_once(tmp_path: Path) -> None:
    study = make_study(tmp_path, ("n1",))
    config = RecordingsConfig.model_validate({"sources": [{"pattern": "data/{subject}.edf"}]})
    (one,) = find_recordings(config, tmp_path)
    (file,) = one.files
    other = tmp_path / "more" / "n1.edf"
    other.parent.mkdir()
    other.write_bytes(file.path.read_bytes())
    two = replace(one, id="n2", files=(file, replace(file, name="b", path=other)))
    study.add_recordings([(two, open_recording(two, config))])
    study.close()
    pack(tmp_path / "study", tmp_path / "a.zip", True)
    assert sorted(members(tmp_path / "a.zip"))[:2] == [
        "recordings/n1/n1.edf", "recordings/n2/n1.edf"
    ]  # fmt: skip


def test_what_is_packed_already_is_stored_and_the_rest_deflated(folder: Path, tmp_path) -> None:
    for name in ("weights.safetensors", "table.csv.gz", "table.csv"):
        (folder / "runs" / name).write_bytes(b"0" * 1000)
    pack(folder, tmp_path / "a.zip", False)
    kinds = {name: entry.compress_type for name, entry in members(tmp_path / "a.zip").items()}
    assert kinds["runs/weights.safetensors"] == kinds["runs/table.csv.gz"] == zipfile.ZIP_STORED
    assert kinds["runs/table.csv"] == kinds["study.sqlite"] == zipfile.ZIP_DEFLATED


def test_what_is_cancelled_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    steps: list[Progress] = []
    stopped = RunContext(steps.append, lambda: len(steps) > 2)
    with pytest.raises(Cancelled):
        pack(folder, tmp_path / "a.zip", True, stopped)
    assert not list(tmp_path.glob("*a.zip*"))
    pack(folder, tmp_path / "a.zip", True)
    steps.clear()
    with pytest.raises(Cancelled):
        unpack(tmp_path / "a.zip", tmp_path / "mine", stopped)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "home") == [
        "a.zip", "data", "study"
    ]  # fmt: skip
    steps.clear()
    unpack(tmp_path / "a.zip", tmp_path / "mine", RunContext(steps.append))
    assert (steps[-1].done, steps[-1].stage) == (steps[-1].total, "unpacking")


def test_nothing_is_replaced_without_being_told(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_text("mine")
    with pytest.raises(OutputError, match="there already"):
        pack(folder, archive, False)
    assert archive.read_text() == "mine"
    pack(folder, archive, False, force=True)
    with pytest.raises(StudyError, match="a study in it already"):
        unpack(archive, folder)
    full = tmp_path / "full"
    full.mkdir()
    unpack(archive, full)  # an empty folder will do
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").touch()
    with pytest.raises(StudyError, match="something there already"):
        unpack(archive, tmp_path / "other")
    with pytest.raises(OutputError, match="among the runs"):
        pack(folder, folder / "runs" / "a.zip", False)


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../evil", "leads out"),
        ("runs/../../evil", "leads out"),
        ("/etc/evil", "leads out"),
        ("C:/evil", "leads out"),
        ("C:evil", "leads out"),
        ("runs\\..\\..\\evil", "leads out"),
        ("//server/evil", "leads out"),
        ("runs//evil", "leads out"),
        ("runs/a\x00b", ""),
        ("runs/con.txt", "every computer"),
        ("runs/a.", "every computer"),
        ("study.sqlite/evil", "belongs"),
        ("study.sqlite-wal", "belongs"),
        ("cache/x", "belongs"),
        ("evil.sh", "belongs"),
        ("RUNS/FIRST/REPORT.JSON", "belongs"),
        ("runs/first/Report.json", "twice"),
        ("runs/first/report.json/more", "a file and a folder"),
        (link("runs/link"), "link"),
    ],
)
def test_what_would_lead_elsewhere_is_refused(folder: Path, tmp_path: Path, name, why) -> None:
    archive = tmp_path / "a.zip"
    pack(folder, archive, False)
    if isinstance(name, str):
        entry = zipfile.ZipInfo("x")
        entry.filename = name
    else:
        entry = name
    with zipfile.ZipFile(archive, "a") as packed:
        packed.writestr(entry, "../../evil")
    if "\x00" in str(getattr(name, "filename", name)):
        # The zip library cuts names at such a sign; whichever it gives must not come out.
        unpack_or_refuse(archive, tmp_path / "mine")
        return
    with pytest.raises(StudyError, match=why):
        unpack(archive, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "data", "study"]


def unpack_or_refuse(archive: Path, target: Path) -> None:
    try:
        unpack(archive, target)
    except StudyError:
        assert not target.exists()


def test_an_archive_that_would_fill_the_disk_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "a.zip"
    (folder / "runs" / "zeros").write_bytes(bytes(3_000_000))
    pack(folder, archive, False)
    monkeypatch.setattr("core.study_archive._LARGE", 1_000_000)
    with pytest.raises(StudyError, match="would grow"):
        unpack(archive, tmp_path / "mine")
    monkeypatch.setattr("core.study_archive._LARGEST_RATIO", 10**6)
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("core.study_archive.shutil.disk_usage", lambda _: usage)
    with pytest.raises(OutputError, match="make room"):
        unpack(archive, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_damaged_archives_and_other_files_say_so(folder: Path, tmp_path: Path) -> None:
    good = tmp_path / "good.zip"
    pack(folder, good, True)
    content = good.read_bytes()
    bad = tmp_path / "bad.zip"
    target = tmp_path / "mine"
    for damaged in (b"", b"hello" * 100, content[: len(content) // 2]):
        bad.write_bytes(damaged)
        with pytest.raises(StudyError, match="no archive of a study"):
            unpack(bad, target)
    middle = len(content) // 2
    bad.write_bytes(content[:middle] + bytes(50) + content[middle + 50 :])
    with pytest.raises(StudyError, match="damaged"):
        unpack(bad, target)
    with pytest.raises(StudyError, match="no such archive"):
        unpack(tmp_path / "none.zip", target)
    with zipfile.ZipFile(bad, "w") as packed:
        packed.writestr("runs/x", "y")
    with pytest.raises(StudyError, match="holds no study"):
        unpack(bad, target)
    assert not target.exists()


def test_a_database_that_is_no_study_is_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE a (b)")
    archive = tmp_path / "a.zip"
    for content in (other.read_bytes(), b"SQLite format 3\0" + bytes(2000), b"text"):
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("study.sqlite", content)
        with pytest.raises(StudyError) as caught:
            unpack(archive, tmp_path / "mine")
        assert "mine" in str(caught.value)
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "a.zip", "data", "other.sqlite", "study"
        ]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="no such names can be made there")
def test_run_files_under_names_for_this_computer_alone_are_named(folder: Path, tmp_path) -> None:
    (folder / "runs" / "a:b.txt").write_text("x")
    os.symlink("/etc/hostname", folder / "runs" / "link")
    plan = pack(folder, tmp_path / "a.zip", False)
    assert plan.left_out == ("runs/a:b.txt",)
    assert "runs/link" not in members(tmp_path / "a.zip")
    unpack(tmp_path / "a.zip", tmp_path / "mine")
