"""The file that a study lies in: opened safely, locked, migrated, backed up.

One program writes a study at a time; whoever comes second gets it read-only, with the reason. On
local disks a commit is on the disk when it returns (write-ahead log, `synchronous=FULL`); network
shares get the slower journal that they can be trusted with.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote_from_bytes

from filelock import BaseFileLock, FileLock, Timeout

from core.atomic_file import write_atomically
from core.errors import NotSavedError, OutputError, StudyError
from core.file_system import is_network_folder
from core.study_schema import APPLICATION_ID, STEPS

STUDY_FILE = "study.sqlite"
BACKUP_FOLDER = "backups"
LOCK_FILE = "study.lock"
HOLDER_FILE = "study.open"
KEPT_BACKUPS = 10
_BUSY_MS = 3000
_COPY_TRIES = 20
_ROOM_BYTES = 1 << 20
"""With less on the disk, SQLite may have no room for what it keeps beside a file."""
_PARTIAL = f".{STUDY_FILE}.new"
_MAGIC = b"SQLite format 3\0"
_DISK_ERRORS = (sqlite3.OperationalError, sqlite3.DatabaseError)
"""What the disk may be at fault for; errors below these are mistakes of the program."""
_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file; it means nothing beside any other file."""


def is_study(folder: Path) -> bool:
    """Whether a folder holds a study file."""
    return (folder / STUDY_FILE).is_file()


def now_text() -> str:
    """The time, UTC, to the millisecond, as the study keeps it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class StudyFile:
    """An open study file. Used by one thread at a time; `close` it at the end.

    Attributes
    ----------
    folder: the study's folder.
    read_only: whether nothing can be written.
    why_read_only: the reason, for people; empty where it can be written.
    """

    def __init__(
        self,
        folder: Path,
        connection: sqlite3.Connection,
        lock: BaseFileLock | None,
        why_read_only: str = "",
        copy: tempfile.TemporaryDirectory[str] | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.why_read_only = why_read_only
        self.connection = connection
        self._lock = lock
        self._copy = copy
        self._is_stuck = False
        self._path = folder.resolve() / STUDY_FILE
        self._is_shared = lock is not None and is_network_folder(folder)
        self._identity = self._identify() if lock is not None else None

    @property
    def read_only(self) -> bool:
        return bool(self.why_read_only)

    # -- opening

    @classmethod
    def create(cls, folder: Path, fill: Callable[[StudyFile], None] | None = None) -> StudyFile:
        """A new study in a folder, which is made where it is not there.

        `fill` writes what a study must have; a crash before its end leaves no study behind. Raises
        StudyError where there is a study already, OutputError where nothing can be written.
        """
        path = folder / STUDY_FILE
        _refuse_to_replace(path)
        try:
            for name in ("runs", "cache", BACKUP_FOLDER):
                (folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written ({error.strerror}).") from error
        lock = _take_lock(folder)
        if isinstance(lock, str):
            raise StudyError(f"{folder}: {lock}")
        # Under another name until it is whole.
        partial = folder / _PARTIAL
        connection = None
        try:
            _refuse_to_replace(path)  # by another program, before the lock was ours
            _remove(partial)
            with closing(_connect(partial)) as new:
                new.execute("PRAGMA journal_mode=DELETE")
                new.execute(f"PRAGMA application_id={APPLICATION_ID}")
                _migrate(new, 0)
                if fill is not None:
                    fill(cls(folder, new, None))
            _set_aside(path)  # the log of a study that was deleted would be read into this one
            os.replace(partial, path)
            connection = _connect(path)
            _set_up(connection, folder)
        except BaseException as error:
            if connection is not None:
                connection.close()
            with suppress(OSError):
                _remove(partial)
            _let_go(folder, lock)
            if isinstance(error, sqlite3.Error | OSError):
                raise OutputError(f"{folder}: the study cannot be made ({error}).") from error
            raise
        return cls(folder, connection, lock)

    @classmethod
    def open(cls, folder: Path, read_only: bool = False) -> StudyFile:
        """Open the study in a folder; read-only where it is open elsewhere or cannot be written.

        An older study is migrated, after a backup. Raises StudyError for what is no study, is
        damaged, or was made by a newer version.
        """
        path = folder / STUDY_FILE
        _check_file(path)
        lock: BaseFileLock | str = "It was opened for reading only."
        if not read_only:
            lock = _take_lock(folder)
        if isinstance(lock, str):
            return cls._open_read_only(folder, lock)
        connection = None
        try:
            connection = _connect(path)
            version = _check_content(connection, path)
            _set_up(connection, folder)
            if version < max(STEPS):
                copy = _backup(connection, folder, f"before-version-{max(STEPS)}-{_stamp()}")
                _bring_up_to_date(connection, version, copy)
            study = cls(folder, connection, lock)
            study._daily_backup()
            return study
        except BaseException as error:
            if connection is not None:
                connection.close()
            _let_go(folder, lock)
            if isinstance(error, sqlite3.Error):
                if _is_full(folder):
                    # SQLite wants room beside the file even to read it.
                    return cls._open_read_only(folder, "The disk is full.")
                raise _unreadable(path, error) from error
            raise

    @classmethod
    def _open_read_only(cls, folder: Path, why: str) -> StudyFile:
        path = folder / STUDY_FILE
        copy: tempfile.TemporaryDirectory[str] | None = None
        connection = None
        try:
            if _is_full(folder) or not _can_write(folder):
                # SQLite wants to write beside the file even to read its log: a copy is read.
                copy = tempfile.TemporaryDirectory(prefix="crossl-study-")
                _copy_with_log(path, Path(copy.name))
                connection = _connect(Path(copy.name) / path.name)
            else:
                # Not "ro": that could not finish what a crash left, and leaves its log behind.
                connection = _connect(path, "rw")
            version = _check_content(connection, path)
            if version < max(STEPS):
                raise StudyError(
                    f"{folder}: this study was made by an older version and must be brought up to "
                    f"date, but it cannot be written now: {why}"
                )
            connection.execute("PRAGMA query_only=ON")
            return cls(folder, connection, None, why, copy)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if copy is not None:
                copy.cleanup()
            if isinstance(error, sqlite3.Error):
                raise _unreadable(path, error) from error
            if isinstance(error, OSError):
                raise StudyError(f"{path}: cannot be read ({error.strerror}).") from error
            raise

    def close(self) -> None:
        """Close the file; nothing is left beside it but the study."""
        try:
            if not self.read_only:
                self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:
            pass  # the log stays beside the file, and is read at the next opening
        finally:
            self.connection.close()
            if self._lock is not None:
                _let_go(self.folder, self._lock)
                self._lock = None  # closed twice, it must not let go of somebody else's
            if self._copy is not None:
                self._copy.cleanup()

    # -- reading and writing

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """The rows of a query. Raises StudyError where the disk does not give them."""
        try:
            return self.connection.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            if type(error) not in _DISK_ERRORS:
                raise
            raise StudyError(
                f"The study in {self.folder} cannot be read: {_in_words(error)}."
            ) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: when the block ends well, all of it is on the disk; else nothing is.

        Raises NotSavedError where the disk is full, read-only or broken, or the study is.
        """
        if self.read_only:
            raise NotSavedError(f"The study is open for reading only. {self.why_read_only}")
        if self._identity is not None and self._identify() != self._identity:
            # SQLite would go on writing to a file that nobody finds any more.
            raise NotSavedError(
                f"The study in {self.folder} could not be saved: {STUDY_FILE} was moved, deleted "
                "or replaced. Put it back; what is not saved stays in memory until then."
            )
        try:
            if self._is_stuck:
                self._roll_back()
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
        except sqlite3.DatabaseError as error:
            if type(error) not in _DISK_ERRORS:
                raise
            raise NotSavedError(
                f"The study in {self.folder} could not be saved: {_in_words(error)}."
            ) from error

    def _roll_back(self) -> None:
        # A disk that fails may refuse this, too: then it is done before anything else is written.
        self._is_stuck = self.connection.in_transaction
        if self._is_stuck:
            self.connection.execute("ROLLBACK")
            self._is_stuck = False

    def _identify(self) -> tuple[int, int] | None:
        """What tells the file in the study's folder from another of its name; None for no file."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        # The numbers of a network share may change from one look to the next.
        return (0, 0) if self._is_shared else (found.st_dev, found.st_ino)

    # -- backups

    def backup(self, name: str) -> Path:
        """Write a copy of the study file into `backups/`, whole or not at all."""
        return _backup(self.connection, self.folder, name)

    def copy_to(self, path: Path) -> None:
        """Write a copy of the study file, with all that is committed, to a new place."""
        _copy(self.connection, path)

    def _daily_backup(self) -> None:
        name = f"daily-{date.today().isoformat()}"
        if (self.folder / BACKUP_FOLDER / f"{name}.sqlite").exists():
            return
        try:
            self.backup(name)
        except OutputError:
            # A full disk must not keep anybody from opening the study; writing will tell.
            return
        kept = sorted((self.folder / BACKUP_FOLDER).glob("daily-*.sqlite"))
        for old in kept[:-KEPT_BACKUPS]:
            old.unlink(missing_ok=True)


def backups_of(folder: Path) -> list[Path]:
    """The backups of a study, the newest first."""
    found = (folder / BACKUP_FOLDER).glob("*.sqlite")
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def restore_backup(folder: Path, backup: Path) -> Path:
    """Put a backup in the place of the study file, which is kept aside; returns where.

    Raises StudyError where the study is open or the backup is damaged.
    """
    try:
        if not backup.is_file():
            raise StudyError(f"{backup}: there is no such backup.")
        with closing(_connect(backup, "ro")) as connection:
            _check_content(connection, backup)
    except sqlite3.Error as error:
        raise _damaged(backup, error) from error
    lock = _take_lock(folder)
    if isinstance(lock, str):
        raise StudyError(f"{folder}: {lock}")
    try:
        path = folder / STUDY_FILE
        write_atomically(folder / _PARTIAL, backup.read_bytes())
        aside = _set_aside(path)
        os.replace(folder / _PARTIAL, path)
        return aside
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}).") from error
    finally:
        _let_go(folder, lock)


# ---------------------------------------------------------------- connection


def _connect(path: Path, mode: str = "rwc") -> sqlite3.Connection:
    uri = _uri(path.resolve(), mode)
    # A window opens it in the background and then uses it in its own thread: never in both at once.
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=_BUSY_MS / 1000, check_same_thread=False
    )
    connection.execute("PRAGMA foreign_keys=ON")
    return connection


def _uri(path: PurePath, mode: str) -> str:
    """As SQLite wants it. `Path.as_uri` puts a share's server where SQLite takes none."""
    text = quote_from_bytes(os.fsencode(path.as_posix()), safe="/:")
    return f"file://{text if text.startswith('/') else '/' + text}?mode={mode}"


def _set_up(connection: sqlite3.Connection, folder: Path) -> None:
    journal = "DELETE" if is_network_folder(folder) else "WAL"
    got = connection.execute(f"PRAGMA journal_mode={journal}").fetchone()[0]
    if str(got).upper() != journal:  # a file system without shared memory
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA fullfsync=ON")  # macOS: through the drive's own cache


def _bring_up_to_date(connection: sqlite3.Connection, version: int, copy: Path) -> None:
    try:
        _migrate(connection, version)
    except sqlite3.Error as error:
        raise StudyError(
            f"{copy.parent.parent}: the study could not be brought up to date and is as it was "
            f"({error}). There is a backup of it in {BACKUP_FOLDER}/{copy.name}; open it with the "
            "version of crossl-app that made it."
        ) from error


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a file to the newest version, all steps or none."""
    # A step may put a new table in an old one's place, which must not take the rows along that
    # lead to the old one. Whether all rows lead somewhere is checked at the end.
    connection.execute("PRAGMA foreign_keys=OFF")
    try:
        connection.execute("BEGIN IMMEDIATE")
        for number in sorted(step for step in STEPS if step > version):
            for statement in _statements(STEPS[number]):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={number}")
        wrong = connection.execute("PRAGMA foreign_key_check").fetchone()
        if wrong is not None:
            raise sqlite3.DatabaseError(f"a row of {wrong[0]} leads nowhere")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.execute("PRAGMA foreign_keys=ON")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; a trigger holds semicolons of its own."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        raise ValueError("the last statement has no end")


# ---------------------------------------------------------------- checks


def _refuse_to_replace(path: Path) -> None:
    if path.exists():
        raise StudyError(
            f"{path.parent}: there is a study in it already; open that, or choose another."
        )


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(len(_MAGIC))
    except FileNotFoundError:
        raise StudyError(
            f"{path.parent}: there is no study in this folder ({path.name})."
        ) from None
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror}).") from error
    if start != _MAGIC:
        raise _damaged(path, None)


def _check_content(connection: sqlite3.Connection, path: Path) -> int:
    """The version of the file. Raises StudyError for what is no sound study."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StudyError(f"{path}: this is a database, but no study of crossl-app.")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > max(STEPS):
        raise StudyError(
            f"{path}: this study was made by a newer version of crossl-app (format {version}; "
            f"this one knows up to {max(STEPS)}). Install the newer version to open it."
        )
    if version < 1 or connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise _damaged(path, None)
    return version


def _unreadable(path: Path, error: sqlite3.Error) -> StudyError:
    """Damage, or what passes: a file that another program holds must not be replaced."""
    passing = {
        sqlite3.SQLITE_BUSY: "another program holds it",
        sqlite3.SQLITE_LOCKED: "another program holds it",
        sqlite3.SQLITE_FULL: "the disk is full",
        sqlite3.SQLITE_READONLY: "it cannot be written",
        sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    }
    why = passing.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if why is None:
        return _damaged(path, error)
    return StudyError(f"{path}: the study cannot be opened now: {why} ({error}).")


def _damaged(path: Path, error: Exception | None) -> StudyError:
    reason = f" ({error})" if error is not None else ""
    if path.name != STUDY_FILE:
        return StudyError(f"{path}: this backup cannot be read{reason}. Choose an older one.")
    backups = backups_of(path.parent)
    hint = (
        f"The newest backup is {BACKUP_FOLDER}/{backups[0].name}: File → Restore backup puts it in "
        "the study's place and keeps the damaged file."
        if backups
        else f"There is no backup in {BACKUP_FOLDER}/."
    )
    return StudyError(f"{path}: the study file cannot be read{reason}. {hint}")


def _in_words(error: sqlite3.DatabaseError) -> str:
    text = str(error)
    if "full" in text:
        text = "the disk is full"
    elif "readonly" in text:
        text = "it cannot be written"
    elif "locked" in text:
        text = "another program holds it"
    return text


# ---------------------------------------------------------------- lock


def _take_lock(folder: Path) -> BaseFileLock | str:
    """The lock of a study's folder, or why it cannot be had."""
    if not _can_write(folder):
        return "The folder cannot be written."
    # A lock of the system: it ends with its program, however that ends. Opened in one thread, it
    # may be closed in another.
    lock = FileLock(folder / LOCK_FILE, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return _held_by(folder)
    except (OSError, NotImplementedError) as error:
        return f"The folder cannot be locked ({error})."
    here, shared = socket.gethostname(), is_network_folder(folder)
    holder = _holder(folder)
    if (shared or holder.get("shared")) and holder.get("computer", here) != here:
        # Not every network carries locks from one computer to another; every one carries files.
        lock.release(force=True)
        return (
            f"{_held_by(folder)} If that computer has crashed, delete {HOLDER_FILE} in the study's "
            "folder."
        )
    holder = {"computer": here, "process": os.getpid(), "since": now_text(), "shared": shared}
    # It mostly tells others whom to ask: a full disk must not keep anybody from opening the study.
    with suppress(OutputError):
        write_atomically(folder / HOLDER_FILE, json.dumps(holder).encode())
    return lock


def _holder(folder: Path) -> dict[str, Any]:
    """Who has the study open, or had it when the computer crashed; empty where it is not told."""
    try:
        holder = json.loads((folder / HOLDER_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _held_by(folder: Path) -> str:
    holder = _holder(folder)
    try:
        since = datetime.fromisoformat(holder["since"]).astimezone().strftime("%Y-%m-%d %H:%M")
        return f"It is open in another window, on {holder['computer']} since {since}."
    except (ValueError, KeyError, TypeError):
        return "It is open in another window."


def _let_go(folder: Path, lock: BaseFileLock) -> None:
    with suppress(OSError):  # the next holder writes over it
        (folder / HOLDER_FILE).unlink(missing_ok=True)
    lock.release(force=True)


def _can_write(folder: Path) -> bool:
    """Whether a file can be made in a folder: permissions alone do not tell (a read-only disk)."""
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=".crossl-")
    except OSError as error:
        # A full disk can still be read from, and written again later.
        return error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
    os.close(handle)
    os.unlink(name)
    return True


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _ROOM_BYTES
    except OSError:  # then something else is wrong
        return False


# ---------------------------------------------------------------- copies


def _stamp() -> str:
    return datetime.now().strftime("%Y-%m-%d-%H%M%S-%f")


def _remove(path: Path) -> None:
    for ending in ("", *_BESIDE):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _set_aside(path: Path) -> Path:
    """Give a study file, and what lies beside it, another name; returns that."""
    aside = path.with_name(f"study-replaced-{_stamp()}.sqlite")
    # The file first: alone it would be read, without its log, as if that had never been.
    for ending in ("", *_BESIDE):
        beside = path.with_name(path.name + ending)
        if beside.exists():
            os.replace(beside, aside.with_name(aside.name + ending))
    return aside


def _copy_with_log(path: Path, folder: Path) -> None:
    """Copy a study file and its log as they are at one moment, while others may write them."""
    present = [path.with_name(path.name + ending) for ending in ("", "-wal", "-journal")]

    def look() -> list[tuple[int, int] | None]:
        found = [file.stat() if file.exists() else None for file in present]
        return [None if one is None else (one.st_size, one.st_mtime_ns) for one in found]

    for _ in range(_COPY_TRIES):
        before = look()
        for file in present:
            (folder / file.name).unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                shutil.copyfile(file, folder / file.name)
        if look() == before:
            return
    raise StudyError(
        f"{path}: the study is being written without pause and could not be copied to be read; try "
        "again."
    )


def _backup(connection: sqlite3.Connection, folder: Path, name: str) -> Path:
    path = folder / BACKUP_FOLDER / f"{name}.sqlite"
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot be made ({error.strerror}).") from error
    _copy(connection, path)
    return path


def _copy(connection: sqlite3.Connection, path: Path) -> None:
    partial = path.with_name(f".{path.name}.new")
    try:
        _remove(partial)
        with closing(sqlite3.connect(partial)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        os.replace(partial, path)
    except (sqlite3.Error, OSError) as error:
        with suppress(OSError):
            _remove(partial)
        raise OutputError(f"{path}: the copy cannot be written ({error}).") from error
