"""The study file is opened by one writer, survives crashes, and what cannot be opened or saved says
why and leads to the backup."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from core import study_file, study_schema
from core.errors import NotSavedError, OutputError, StudyError
from core.study_file import (
    HOLDER_FILE,
    KEPT_BACKUPS,
    LOCK_FILE,
    STUDY_FILE,
    StudyFile,
    backups_of,
    is_study,
    restore_backup,
)
from core.study_schema import APPLICATION_ID, STEPS

NOT_ON_WINDOWS = pytest.mark.skipif(sys.platform == "win32", reason="sends signals of POSIX")
AT_REST = {"backups", "cache", "runs", LOCK_FILE, STUDY_FILE}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def put(file: StudyFile, key: str, value: str = "1") -> None:
    with file.writing() as connection:
        connection.execute("INSERT INTO setting VALUES (?, ?)", (key, value))


def keys(file: StudyFile) -> list[str]:
    return [row[0] for row in file.connection.execute("SELECT name FROM setting ORDER BY name")]


def pragma(file: StudyFile, name: str) -> object:
    return file.connection.execute(f"PRAGMA {name}").fetchone()[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a study that is closed, with one setting."""
    folder = tmp_path / "study"
    file = StudyFile.create(folder)
    put(file, "first")
    file.close()
    return folder


@pytest.fixture
def file(folder: Path) -> Iterator[StudyFile]:
    """That study, open for writing."""
    file = StudyFile.open(folder)
    yield file
    file.close()


@pytest.fixture
def cannot_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that the system lets nobody write in; the tests may run as root."""
    monkeypatch.setattr(study_file, "_can_write", lambda _: False)


@pytest.fixture
def on_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_file, "is_network_folder", lambda _: True)


OPENER = """
import sys
from pathlib import Path
from core import study_file
from core.study_file import StudyFile
if "share" in sys.argv[2:]:
    study_file.is_network_folder = lambda _: True
file = StudyFile.open(Path(sys.argv[1]))
print(file.why_read_only or "writable", flush=True)
for line in sys.stdin:
    key = line.strip()
    if key == "open":
        file.connection.execute("BEGIN IMMEDIATE")
        file.connection.execute("INSERT INTO setting VALUES ('half', '1')")
        file.connection.execute("PRAGMA cache_spill=1")
    elif key == "read":
        print(",".join(r[0] for r in file.connection.execute("SELECT name FROM setting")), flush=1)
        continue
    else:
        with file.writing() as connection:
            connection.execute("INSERT INTO setting VALUES (?, '1')", (key,))
    print("done", flush=True)
file.close()
print("closed", flush=True)
"""


class Other:
    """Another program that has the study open."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", OPENER, str(folder), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(study_file.__file__).parent.parent)},
        )
        self.said = self._answer()

    def ask(self, line: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.communicate()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


# ---------------------------------------------------------------- create, open, close


def test_a_closed_study_is_one_file_and_its_lock(folder: Path) -> None:
    assert is_study(folder)
    assert not is_study(folder.parent)
    assert names(folder) == AT_REST
    file = StudyFile.open(folder)
    assert not file.read_only
    assert HOLDER_FILE in names(folder)
    put(file, "second")
    file.close()
    assert names(folder) == AT_REST
    assert names(folder / "backups") == {backups_of(folder)[0].name}


def test_a_study_is_marked_as_ours_and_durable(file: StudyFile) -> None:
    assert pragma(file, "application_id") == APPLICATION_ID
    assert pragma(file, "user_version") == max(STEPS)
    assert pragma(file, "foreign_keys") == 1
    assert pragma(file, "journal_mode") == "wal"
    assert pragma(file, "synchronous") == 2  # FULL
    with file.writing() as connection, pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        connection.execute("INSERT INTO sign_off VALUES (1, 1, '')")


def test_a_share_gets_the_journal_that_it_can_be_trusted_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_file, "is_network_folder", lambda _: True)
    file = StudyFile.open(folder)
    assert not file.read_only, file.why_read_only
    assert pragma(file, "journal_mode") == "delete"
    assert pragma(file, "synchronous") == 2
    put(file, "second")
    assert not {STUDY_FILE + "-wal", STUDY_FILE + "-shm"} & names(folder)
    other = StudyFile.open(folder)
    assert "another window" in other.why_read_only
    assert keys(other) == ["first", "second"]
    other.close()
    file.close()
    assert names(folder) == AT_REST
    # Copied back to a local disk, it gets the quicker one again.
    monkeypatch.setattr(study_file, "is_network_folder", lambda _: False)
    again = StudyFile.open(folder)
    assert pragma(again, "journal_mode") == "wal"
    again.close()


def test_a_study_does_not_take_another_ones_place(folder: Path) -> None:
    before = (folder / STUDY_FILE).read_bytes()
    with pytest.raises(StudyError, match="there is a study in it already"):
        StudyFile.create(folder)
    assert (folder / STUDY_FILE).read_bytes() == before
    assert names(folder) == AT_REST


def test_a_study_that_came_while_the_lock_was_waited_for_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (folder / STUDY_FILE).read_bytes()
    (folder / STUDY_FILE).unlink()
    take = study_file._take_lock

    def take_late(where: Path) -> object:
        (where / STUDY_FILE).write_bytes(content)
        return take(where)

    monkeypatch.setattr(study_file, "_take_lock", take_late)
    with pytest.raises(StudyError, match="already"):
        StudyFile.create(folder)
    assert (folder / STUDY_FILE).read_bytes() == content


def test_nothing_is_left_of_a_study_that_could_not_be_filled(tmp_path: Path) -> None:
    def fill(file: StudyFile) -> None:
        put(file, "half")
        raise StudyError("no")

    with pytest.raises(StudyError, match="no"):
        StudyFile.create(tmp_path / "s", fill)
    assert names(tmp_path / "s") == {"backups", "cache", "runs", LOCK_FILE}
    file = StudyFile.create(tmp_path / "s", lambda file: put(file, "whole"))
    assert keys(file) == ["whole"]
    file.close()


def test_a_study_cannot_be_made_where_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        StudyFile.create(tmp_path / "file" / "study")


def test_a_new_study_does_not_read_the_log_of_a_deleted_one(folder: Path) -> None:
    file = StudyFile.open(folder)
    for number in range(50):
        put(file, f"old{number}")
    log = (folder / (STUDY_FILE + "-wal")).read_bytes()
    assert log
    file.close()
    (folder / STUDY_FILE).unlink()
    (folder / (STUDY_FILE + "-wal")).write_bytes(log)
    fresh = StudyFile.create(folder)
    assert keys(fresh) == []
    assert pragma(fresh, "integrity_check") == "ok"
    fresh.close()
    kept = [name for name in names(folder) if name.startswith("study-replaced-")]
    assert [(folder / name).read_bytes() for name in kept] == [log]


@pytest.mark.parametrize("name", ["a?b#c%41", "with blank", "ü·睡", "mode=ro"])
def test_any_name_of_a_folder_will_do(tmp_path: Path, name: str) -> None:
    file = StudyFile.create(tmp_path / name)
    put(file, "first")
    file.close()
    file = StudyFile.open(tmp_path / name)
    assert keys(file) == ["first"]
    file.close()
    assert names(tmp_path) == {name}


def test_addresses_are_such_as_sqlite_takes() -> None:
    # A server after the second slash would be refused by it.
    assert (
        study_file._uri(PureWindowsPath(r"\\server\share\a b\study.sqlite"), "rw")
        == "file:////server/share/a%20b/study.sqlite?mode=rw"
    )
    assert study_file._uri(PureWindowsPath(r"C:\s\x"), "ro") == "file:///C:/s/x?mode=ro"
    assert study_file._uri(PurePosixPath("/s/x"), "ro") == "file:///s/x?mode=ro"


def test_a_study_can_be_closed_twice(folder: Path) -> None:
    file = StudyFile.open(folder)
    file.close()
    other = StudyFile.open(folder)
    file.close()
    assert HOLDER_FILE in names(folder)
    assert StudyFile.open(folder).why_read_only
    other.close()


def test_a_study_is_opened_in_one_thread_and_closed_in_another(folder: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        file = pool.submit(StudyFile.open, folder).result()
    second = StudyFile.open(folder)
    assert second.read_only  # the lock did not end with the thread
    second.close()
    put(file, "second")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(file.close).result()
    file = StudyFile.open(folder)
    assert not file.read_only
    assert keys(file) == ["first", "second"]
    file.close()


# ---------------------------------------------------------------- two at a time


def test_the_second_in_this_program_reads_what_the_first_writes(
    file: StudyFile, folder: Path
) -> None:
    second = StudyFile.open(folder)
    assert second.read_only
    assert f"open in another window, on {socket.gethostname()} since 20" in second.why_read_only
    put(file, "second")
    assert keys(second) == ["first", "second"]
    with pytest.raises(NotSavedError, match=r"reading only.*another window"):
        put(second, "third")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        second.connection.execute("DELETE FROM setting")
    second.close()
    put(file, "third")  # the second took nothing away
    assert keys(file) == ["first", "second", "third"]


def test_the_second_program_reads_what_the_first_writes(file: StudyFile, folder: Path) -> None:
    other = Other(folder)
    assert "another window" in other.said
    put(file, "second")
    assert other.ask("read") == "first,second"
    other.close()
    put(file, "third")


def test_who_reads_may_close_last(folder: Path) -> None:
    first = StudyFile.open(folder)
    second = StudyFile.open(folder)
    put(first, "second")
    first.close()
    assert keys(second) == ["first", "second"]
    second.close()
    assert names(folder) == AT_REST


def test_reading_only_can_be_asked_for(folder: Path) -> None:
    reader = StudyFile.open(folder, read_only=True)
    assert reader.why_read_only == "It was opened for reading only."
    assert HOLDER_FILE not in names(folder)
    writer = StudyFile.open(folder)
    assert not writer.read_only
    put(writer, "second")
    assert keys(reader) == ["first", "second"]
    reader.close()
    writer.close()
    assert names(folder) == AT_REST


def test_a_holder_that_cannot_be_read_is_somebody_all_the_same(
    file: StudyFile, folder: Path
) -> None:
    (folder / HOLDER_FILE).write_text("{")
    second = StudyFile.open(folder)
    assert second.why_read_only == "It is open in another window."
    second.close()


def test_a_folder_that_one_computer_shares_is_written_from_one_side(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on(computer: str, shared: bool) -> None:
        monkeypatch.setattr(socket, "gethostname", lambda: computer)
        monkeypatch.setattr(study_file, "is_network_folder", lambda _: shared)
        # A network that does not carry the lock from one to the other.
        monkeypatch.setattr(study_file, "LOCK_FILE", f"lock of {computer}")

    on("ward", False)
    inside = StudyFile.open(folder)
    on("office", True)
    outside = StudyFile.open(folder)
    assert "another window, on ward" in outside.why_read_only
    assert f"delete {HOLDER_FILE}" in outside.why_read_only
    outside.close()
    put(inside, "second")
    inside.close()
    outside = StudyFile.open(folder)
    assert not outside.read_only
    on("ward", False)
    inside = StudyFile.open(folder)
    assert "another window, on office" in inside.why_read_only
    assert f"delete {HOLDER_FILE}" in inside.why_read_only
    inside.close()
    outside.close()
    assert names(folder) == AT_REST | {"lock of ward", "lock of office"}


def test_a_crash_on_the_same_computer_and_a_copy_to_another_need_no_clearing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for shared, computer in ((True, socket.gethostname()), (False, "the old laptop")):
        monkeypatch.setattr(study_file, "is_network_folder", lambda _, shared=shared: shared)
        holder = {"computer": computer, "process": 1, "since": "2020-01-01T00:00:00+00:00"}
        (folder / HOLDER_FILE).write_text(json.dumps({**holder, "shared": shared}))
        file = StudyFile.open(folder)
        assert not file.read_only, file.why_read_only
        file.close()


def test_what_a_crashed_computer_left_is_cleared_as_the_message_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_file, "is_network_folder", lambda _: True)
    holder = {"computer": "far-away", "since": "2020-01-01T00:00:00+00:00", "shared": True}
    (folder / HOLDER_FILE).write_text(json.dumps(holder))
    file = StudyFile.open(folder)
    assert "on far-away since 20" in file.why_read_only
    assert file.why_read_only.endswith(
        "If that computer has crashed, delete study.open in the study's folder."
    )
    file.close()
    (folder / HOLDER_FILE).unlink()
    file = StudyFile.open(folder)
    assert not file.read_only
    file.close()


@NOT_ON_WINDOWS
@pytest.mark.parametrize("place", ["local", "share"])
def test_who_comes_after_a_killed_program_writes_and_finds_all(
    folder: Path, place: str, request: pytest.FixtureRequest
) -> None:
    if place == "share":
        request.getfixturevalue("on_a_share")
    other = Other(folder, place)
    assert other.said == "writable"
    assert other.ask("second") == "done"
    assert other.ask("open") == "done"  # dies within a transaction
    second = StudyFile.open(folder)
    assert second.read_only
    second.close()
    other.kill()
    file = StudyFile.open(folder)
    assert not file.read_only, file.why_read_only
    assert keys(file) == ["first", "second"]
    put(file, "third")
    assert pragma(file, "integrity_check") == "ok"
    file.close()
    assert HOLDER_FILE not in names(folder)


@NOT_ON_WINDOWS
@pytest.mark.parametrize("place", ["local", "share"])
def test_what_a_killed_program_left_is_read_without_writing(
    folder: Path, place: str, request: pytest.FixtureRequest
) -> None:
    if place == "share":
        request.getfixturevalue("on_a_share")
    other = Other(folder, place)
    other.ask("second")
    other.ask("open")
    other.kill()
    for _ in range(2):
        reader = StudyFile.open(folder, read_only=True)
        assert keys(reader) == ["first", "second"]
        reader.close()


# ---------------------------------------------------------------- folders that cannot be written


def test_a_folder_that_cannot_be_written_is_read(folder: Path, cannot_write: None) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    file = StudyFile.open(folder)
    assert file.why_read_only == "The folder cannot be written."
    assert keys(file) == ["first"]
    with pytest.raises(NotSavedError, match="The folder cannot be written"):
        put(file, "second")
    file.close()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    with pytest.raises(StudyError, match="The folder cannot be written"):
        restore_backup(folder, folder / STUDY_FILE)


@NOT_ON_WINDOWS
@pytest.mark.parametrize("place", ["local", "share"])
def test_all_of_it_is_read_with_the_log_that_a_killed_program_left(
    folder: Path, place: str, cannot_write: None
) -> None:
    other = Other(folder, place)
    other.ask("second")
    other.ask("open")
    other.kill()
    log = STUDY_FILE + ("-wal" if place == "local" else "-journal")
    if place == "local":
        assert (folder / log).stat().st_size > 0
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    file = StudyFile.open(folder)
    assert keys(file) == ["first", "second"]
    assert pragma(file, "integrity_check") == "ok"
    file.close()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_journal_that_was_not_rolled_back_counts_for_the_copy(
    folder: Path, tmp_path: Path, cannot_write: None
) -> None:
    # As a share is left by a program that died after it had begun to write into the file.
    (work := tmp_path / "work").mkdir()
    shutil.copyfile(folder / STUDY_FILE, work / STUDY_FILE)
    with closing(sqlite3.connect(work / STUDY_FILE, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA cache_size=1")
        connection.execute("BEGIN")
        connection.execute("UPDATE setting SET name = 'changed'")
        connection.executemany(
            "INSERT INTO setting VALUES (?, ?)", [(f"n{n}", "x" * 900) for n in range(200)]
        )
        for ending in ("", "-journal"):
            shutil.copyfile(work / (STUDY_FILE + ending), folder / (STUDY_FILE + ending))
        connection.execute("ROLLBACK")
    assert b"changed" in (folder / STUDY_FILE).read_bytes()
    file = StudyFile.open(folder)
    assert keys(file) == ["first"]
    file.close()


def test_a_study_that_is_written_meanwhile_is_copied_as_of_one_moment(
    folder: Path, monkeypatch: pytest.MonkeyPatch, cannot_write: None
) -> None:
    copyfile = shutil.copyfile
    touched = iter(range(3))

    def copy(source: Path, target: Path) -> None:
        copyfile(source, target)
        if next(touched, None) is not None:
            stamp = source.stat().st_mtime_ns + 10**9
            os.utime(source, ns=(stamp, stamp))

    monkeypatch.setattr(study_file.shutil, "copyfile", copy)
    file = StudyFile.open(folder)
    assert keys(file) == ["first"]
    assert next(touched, None) is None
    file.close()
    touched = iter(range(1000))
    with pytest.raises(StudyError, match="written without pause"):
        StudyFile.open(folder)


def test_a_full_disk_is_no_reason_not_to_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
        raise error

    monkeypatch.setattr(study_file, "_set_up", refuse)
    monkeypatch.setattr(study_file, "_is_full", lambda _: True)
    file = StudyFile.open(folder)
    assert file.why_read_only == "The disk is full."
    assert keys(file) == ["first"]
    file.close()
    assert names(folder) == AT_REST


def test_a_holder_file_and_a_backup_that_find_no_room_keep_nobody_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OutputError("No space left on device")

    monkeypatch.setattr(study_file, "write_atomically", refuse)
    monkeypatch.setattr(study_file, "_backup", refuse)
    file = StudyFile.open(folder)
    assert not file.read_only
    put(file, "second")
    file.close()


# ---------------------------------------------------------------- what cannot be opened


def test_a_folder_without_a_study_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no study in this folder"):
        StudyFile.open(tmp_path)
    with pytest.raises(StudyError, match="there is no study in this folder"):
        StudyFile.open(tmp_path / "none")
    assert names(tmp_path) == set()


def other_database(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")


def newer_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version={max(STEPS) + 7}")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: path.write_text("a,b\n1,2\n"), "cannot be read"),
        (lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(4000)), "cannot be read"),
        (lambda path: os.truncate(path, 100), "cannot be read"),
        (lambda path: os.truncate(path, path.stat().st_size // 2), "cannot be read"),
        (lambda path: os.truncate(path, path.stat().st_size - 4096), "cannot be read"),
        (other_database, "a database, but no study"),
        (newer_version, rf"newer version of crossl-app \(format {max(STEPS) + 7}.*Install"),
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_what_is_no_sound_study_is_refused_in_words_and_not_touched(
    folder: Path, damage: object, says: str, read_only: bool
) -> None:
    StudyFile.open(folder).close()
    backup = backups_of(folder)[0].name
    assert callable(damage)
    damage(folder / STUDY_FILE)
    before = (folder / STUDY_FILE).read_bytes()
    with pytest.raises(StudyError, match=says) as caught:
        StudyFile.open(folder, read_only)
    message = str(caught.value)
    if "cannot be read" in message:
        assert f"backups/{backup}" in message
        assert "Restore backup" in message
    assert (folder / STUDY_FILE).read_bytes() == before
    assert HOLDER_FILE not in names(folder)
    # Nobody is locked out by an opening that failed.
    lock = study_file._take_lock(folder)
    assert not isinstance(lock, str)
    study_file._let_go(folder, lock)


def test_garbage_in_the_middle_is_noticed_and_named(folder: Path) -> None:
    file = StudyFile.open(folder)
    with file.writing() as connection:
        connection.executemany(
            "INSERT INTO audit (at, who, recording, action, detail) VALUES ('', '', '', '', ?)",
            [("x" * 200,)] * 2000,
        )
    file.close()
    path = folder / STUDY_FILE
    sound = path.read_bytes()
    pages = len(sound) // 4096
    for page in (1, 2, pages // 3, pages // 2, pages - 1):
        path.write_bytes(sound[: page * 4096] + os.urandom(4096) + sound[(page + 1) * 4096 :])
        with pytest.raises(StudyError, match=r"cannot be read.*backups/daily-"):
            StudyFile.open(folder)
    for backup in backups_of(folder):
        backup.unlink()
    with pytest.raises(StudyError, match="There is no backup in backups/"):
        StudyFile.open(folder)
    path.write_bytes(sound)
    StudyFile.open(folder).close()


def test_a_file_that_another_program_holds_is_not_called_damaged(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_file, "_BUSY_MS", 20)
    StudyFile.open(folder).close()
    with closing(sqlite3.connect(folder / STUDY_FILE, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StudyError, match="opened now: another program holds it") as caught:
            StudyFile.open(folder)
        assert "backup" not in str(caught.value)
        holder.execute("ROLLBACK")


# ---------------------------------------------------------------- migration


VERSION_2 = """
CREATE TABLE note (id INTEGER PRIMARY KEY, recording_id INTEGER NOT NULL REFERENCES recording);
CREATE TRIGGER upper AFTER INSERT ON note BEGIN
    UPDATE setting SET value = 'x;y' WHERE name = 'none';
END;
INSERT INTO setting VALUES ('migrated', 'a;b');
"""


def test_an_older_study_is_brought_up_to_date_after_a_backup(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(study_schema.STEPS, 2, VERSION_2)
    file = StudyFile.open(folder)
    assert pragma(file, "user_version") == 2
    assert pragma(file, "foreign_keys") == 1
    assert keys(file) == ["first", "migrated"]
    file.close()
    before = next(path for path in backups_of(folder) if path.name.startswith("before-version-2-"))
    with closing(sqlite3.connect(before)) as copy:
        assert copy.execute("PRAGMA user_version").fetchone()[0] == 1
        assert copy.execute("SELECT name FROM setting").fetchall() == [("first",)]
    again = StudyFile.open(folder)
    again.close()
    assert len([p for p in backups_of(folder) if p.name.startswith("before-version")]) == 1


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (VERSION_2 + "INSERT INTO no_table VALUES (1);", "no such table"),
        (VERSION_2 + "INSERT INTO note VALUES (1, 99);", "leads nowhere"),
    ],
)
def test_a_migration_that_fails_changes_nothing_and_names_the_backup(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: str, why: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(study_schema.STEPS, 2, step)
        with pytest.raises(StudyError, match=rf"is as it was \(.*{why}.*backups/before-version-2-"):
            StudyFile.open(folder)
        assert HOLDER_FILE not in names(folder)
    file = StudyFile.open(folder)
    assert pragma(file, "user_version") == 1
    assert keys(file) == ["first"]
    tables = {row[0] for row in file.connection.execute("SELECT name FROM sqlite_master")}
    assert "note" not in tables
    file.close()


def test_a_step_that_rebuilds_a_table_keeps_what_leads_to_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = StudyFile.open(folder)
    with file.writing() as connection:
        connection.execute("INSERT INTO subject VALUES (1, 's')")
        connection.execute("INSERT INTO recording VALUES (1, 'r', 1, '{}', 0, 0, 60, 0, '')")
        connection.execute("INSERT INTO rater VALUES (1, 'AB', 'person')")
        connection.execute("INSERT INTO sign_off VALUES (1, 1, '')")
    file.close()
    rebuild = """
CREATE TABLE recording_2 (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO recording_2 SELECT id, name FROM recording;
DROP TABLE recording;
ALTER TABLE recording_2 RENAME TO recording;
"""
    monkeypatch.setitem(study_schema.STEPS, 2, rebuild)
    file = StudyFile.open(folder)
    assert file.connection.execute("SELECT count(*) FROM sign_off").fetchone()[0] == 1
    assert file.connection.execute("PRAGMA foreign_key_check").fetchall() == []
    with file.writing() as connection:
        connection.execute("DELETE FROM recording")
    assert file.connection.execute("SELECT count(*) FROM sign_off").fetchone()[0] == 0
    file.close()


def test_an_older_study_is_not_opened_for_reading_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch, cannot_write: None
) -> None:
    monkeypatch.setitem(study_schema.STEPS, 2, VERSION_2)
    with pytest.raises(StudyError, match=r"older version.*The folder cannot be written"):
        StudyFile.open(folder)


# ---------------------------------------------------------------- backups


def test_there_is_one_backup_a_day_and_ten_are_kept(folder: Path) -> None:
    backups = folder / "backups"
    for day in range(1, 16):
        (backups / f"daily-2020-01-{day:02d}.sqlite").write_bytes(b"old")
    (backups / "mine.sqlite").write_bytes(b"mine")
    StudyFile.open(folder).close()
    kept = sorted(path.name for path in backups.glob("daily-*"))
    assert len(kept) == KEPT_BACKUPS
    assert kept[:2] == ["daily-2020-01-07.sqlite", "daily-2020-01-08.sqlite"]
    assert (backups / "mine.sqlite").exists()
    today = backups / kept[-1]
    before = today.read_bytes()
    file = StudyFile.open(folder)
    put(file, "later")
    file.close()
    StudyFile.open(folder).close()
    assert today.read_bytes() == before  # of how the day began
    assert sorted(path.name for path in backups.glob("daily-*")) == kept


def test_a_backup_is_the_study_as_it_was(file: StudyFile, folder: Path, tmp_path: Path) -> None:
    path = file.backup("before something")
    put(file, "later")
    file.copy_to(tmp_path / "copy.sqlite")
    assert backups_of(folder)[0] == path
    for copy, expected in ((path, ["first"]), (tmp_path / "copy.sqlite", ["first", "later"])):
        with closing(sqlite3.connect(copy)) as connection:
            rows = connection.execute("SELECT name FROM setting").fetchall()
            assert [row[0] for row in rows] == expected
            assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
            assert connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    assert {p.name for p in tmp_path.iterdir()} == {"study", "copy.sqlite"}


def test_a_backup_that_fails_leaves_the_older_one(file: StudyFile, tmp_path: Path) -> None:
    file.copy_to(tmp_path / "copy.sqlite")
    before = (tmp_path / "copy.sqlite").read_bytes()
    put(file, "later")
    (tmp_path / ".copy.sqlite.new").mkdir()
    with pytest.raises(OutputError, match="the copy cannot be written"):
        file.copy_to(tmp_path / "copy.sqlite")
    assert (tmp_path / "copy.sqlite").read_bytes() == before
    with pytest.raises(OutputError, match="cannot be written"):
        file.copy_to(tmp_path / "none" / "copy.sqlite")


def test_a_restored_backup_takes_the_place_of_a_damaged_study(folder: Path) -> None:
    file = StudyFile.open(folder)
    backup = file.backup("good")
    put(file, "lost")
    with pytest.raises(StudyError, match="another window"):
        restore_backup(folder, backup)
    file.close()
    asides = set()
    for _ in range(3):  # within one second, too
        (folder / STUDY_FILE).write_bytes(b"SQLite format 3\0 and no more")
        (folder / (STUDY_FILE + "-wal")).write_bytes(b"the log of another file")
        asides.add(aside := restore_backup(folder, backup))
        assert aside.read_bytes() == b"SQLite format 3\0 and no more"
        assert aside.with_name(aside.name + "-wal").read_bytes() == b"the log of another file"
    assert len(asides) == 3
    file = StudyFile.open(folder)
    assert keys(file) == ["first"]
    put(file, "found")
    file.close()
    assert backup.exists()


def test_a_backup_that_finds_no_room_leaves_the_study_in_its_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = StudyFile.open(folder)
    backup = file.backup("good")
    file.close()
    before = (folder / STUDY_FILE).read_bytes()
    write = study_file.write_atomically

    def refuse(path: Path, content: bytes) -> None:
        if len(content) > 1000:
            raise OutputError(f"{path}: cannot be written (No space left on device).")
        write(path, content)

    monkeypatch.setattr(study_file, "write_atomically", refuse)
    with pytest.raises(OutputError, match="No space left"):
        restore_backup(folder, backup)
    assert (folder / STUDY_FILE).read_bytes() == before
    assert names(folder) == AT_REST


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + bytes(1000), b"x" * 5000, None])
def test_a_damaged_backup_is_not_restored(folder: Path, content: bytes | None) -> None:
    backup = folder / "backups" / "bad.sqlite"
    if content is not None:
        backup.write_bytes(content)
    before = (folder / STUDY_FILE).read_bytes()
    with pytest.raises(StudyError, match=r"bad\.sqlite: "):
        restore_backup(folder, backup)
    assert (folder / STUDY_FILE).read_bytes() == before
    assert names(folder) == AT_REST


# ---------------------------------------------------------------- writing


def test_a_block_that_fails_leaves_nothing(file: StudyFile) -> None:
    def half(error: BaseException | None) -> None:
        with file.writing() as connection:
            connection.execute("INSERT INTO setting VALUES ('half', '1')")
            if error is not None:
                raise error
            connection.execute("INSERT INTO setting VALUES ('half', '1')")

    for error in (ZeroDivisionError(), StudyError("signed off"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            half(error)
    with pytest.raises(sqlite3.IntegrityError):
        half(None)
    assert keys(file) == ["first"]
    put(file, "second")
    assert keys(file) == ["first", "second"]


def test_a_full_disk_is_said_and_saving_goes_on_when_there_is_room(file: StudyFile) -> None:
    pages = pragma(file, "page_count")
    file.connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(NotSavedError, match="could not be saved: the disk is full"):
        put(file, "long", "x" * 40_000)
    assert not file.connection.in_transaction
    before = keys(file)
    file.connection.execute("PRAGMA max_page_count=100000")
    put(file, "short")
    assert keys(file) == sorted([*before, "short"])
    assert pragma(file, "integrity_check") == "ok"


def test_a_file_that_turned_read_only_is_said(file: StudyFile) -> None:
    file.connection.execute("PRAGMA query_only=ON")
    with pytest.raises(NotSavedError, match="could not be saved: it cannot be written"):
        put(file, "second")
    file.connection.execute("PRAGMA query_only=OFF")
    put(file, "second")


def test_a_program_that_holds_the_file_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_file, "_BUSY_MS", 20)
    file = StudyFile.open(folder)
    with closing(sqlite3.connect(folder / STUDY_FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(NotSavedError, match="another program holds it"):
            put(file, "second")
        other.execute("ROLLBACK")
    put(file, "second")
    file.close()


def test_a_disk_that_fails_is_said_when_reading_and_when_writing(file: StudyFile) -> None:
    file.connection.set_progress_handler(lambda: 1, 1)  # every statement breaks off
    with pytest.raises(NotSavedError, match="could not be saved: interrupted"):
        put(file, "second")
    with pytest.raises(StudyError, match="cannot be read: interrupted"):
        file.read("SELECT * FROM setting")
    file.connection.set_progress_handler(None, 1)
    assert [row[0] for row in file.read("SELECT name FROM setting")] == ["first"]
    with pytest.raises(sqlite3.ProgrammingError):  # a mistake of the program stays one
        file.read("SELECT ?", (1, 2))


@NOT_ON_WINDOWS
def test_saved_is_not_said_of_a_file_that_is_no_longer_there(folder: Path) -> None:
    file = StudyFile.open(folder)
    moved = folder / "moved.sqlite"
    os.rename(folder / STUDY_FILE, moved)
    with pytest.raises(NotSavedError, match="moved, deleted or replaced"):
        put(file, "second")
    shutil.copyfile(moved, folder / STUDY_FILE)  # as programs that synchronise folders do
    with pytest.raises(NotSavedError, match="moved, deleted or replaced"):
        put(file, "second")
    os.rename(moved, folder / STUDY_FILE)
    put(file, "second")
    file.close()
    file = StudyFile.open(folder)
    assert keys(file) == ["first", "second"]
    file.close()


def test_a_relative_folder_stays_the_same_when_the_program_goes_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(folder.parent)
    file = StudyFile.open(Path(folder.name))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    put(file, "second")
    file.close()
    assert HOLDER_FILE not in names(folder)
