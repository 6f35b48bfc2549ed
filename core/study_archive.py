"""A study as one file, to move it, keep it or hand it on: `<name>.crossl.zip`.

An archive holds a consistent copy of the study file, the runs, and the recordings if asked. Left
out are what can be made again (cache), backups, and the shift of dates by which de-identified
recordings could be dated. What comes out of an archive is checked before it takes its place.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from core.atomic_file import UMASK, replacing
from core.config import safe_file_name
from core.errors import OutputError, StudyError
from core.progress import RunContext
from core.study import Study
from core.study_file import BACKUP_FOLDER, HOLDER_FILE, LOCK_FILE, STUDY_FILE, StudyFile, is_study

ENDING = ".crossl.zip"
RUNS, RECORDINGS = "runs", "recordings"

_BLOCK = 1 << 20
_MOST_ENTRIES = 1_000_000
_LARGE = 1 << 30
_LARGEST_RATIO = 100  # recordings shrink to a half or a tenth; a trap, a thousandfold
# These are packed already: deflating them again only takes time.
_PACKED_ENDINGS = frozenset(
    (".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".png", ".jpg", ".jpeg", ".webp", ".safetensors")
)
_NO_WINDOWS_NAME = re.compile(r'[<>:"|?*\x00-\x1f\\]|[. ]$')
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class PackedFile:
    """A file that goes into an archive, under a name with slashes."""

    path: Path
    name: str
    size_bytes: int


@dataclass(frozen=True)
class PackPlan:
    """What an archive would hold besides the study file.

    Attributes
    ----------
    places: the name in the archive of each recording's file, by recording id and source.
    missing: files of recordings that are not where the study saw them last.
    left_out: files of runs under names that not every computer takes.
    """

    files: tuple[PackedFile, ...]
    places: dict[tuple[int, str], str]
    missing: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


def archive_name(folder: Path) -> str:
    """How a study's archive is called."""
    return f"{safe_file_name(folder.resolve().name)}{ENDING}"


def plan_pack(study_folder: Path, with_recordings: bool) -> PackPlan:
    """What packing a study would put into the archive. Raises StudyError."""
    study = Study.open(study_folder, read_only=True)
    try:
        return _plan(study, with_recordings)
    finally:
        study.close()


def pack(
    study_folder: Path,
    archive: Path,
    with_recordings: bool,
    context: RunContext | None = None,
    force: bool = False,
) -> PackPlan:
    """Write a study as one archive, whole or not at all; it may be open meanwhile.

    With recordings, the packed study finds them inside; those that are missing stay as they were
    and are named in the result. Raises StudyError where the study or a file cannot be read, and
    OutputError where the archive is there already, without `force`, or cannot be written.
    """
    context = context or RunContext()
    if archive.exists() and not force:
        raise OutputError(f"{archive}: there already; choose another name, or let it be replaced.")
    inside = (study_folder / RUNS).resolve()
    if archive.resolve().is_relative_to(inside):
        raise OutputError(f"{archive}: an archive cannot lie among the runs that go into it.")
    study = Study.open(study_folder, read_only=True)
    try:
        plan = _plan(study, with_recordings)
        with tempfile.TemporaryDirectory(prefix="crossl-pack-") as folder:
            copy = Path(folder) / STUDY_FILE
            study.file.copy_to(copy)
            _point_inside(copy, plan)
            own = PackedFile(copy, STUDY_FILE, copy.stat().st_size)
            try:
                archive.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"{archive}: cannot be written ({error.strerror}).") from error
            with replacing(archive) as stream:
                _write_zip(stream, (own, *plan.files), context)
    finally:
        study.close()
    return plan


def unpack(archive: Path, folder: Path, context: RunContext | None = None) -> None:
    """Unpack a study into a new folder, whole or not at all.

    Raises StudyError where the archive is damaged, holds no study, or holds what no archive of a
    study does, and where `folder` holds anything already; OutputError where it cannot be written.
    """
    context = context or RunContext()
    if is_study(folder):
        raise StudyError(f"{folder}: there is a study in it already; choose another folder.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StudyError(f"{folder}: there is something there already; choose a new folder.")
    staging: Path | None = None
    try:
        with _opened(archive) as packed:
            entries = _checked(archive, packed)
            folder.parent.mkdir(parents=True, exist_ok=True)
            _refuse_too_large(archive, entries, folder.parent)
            staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:80]}."))
            _extract(archive, packed, entries, staging, context)
        _settle(staging, folder)
        os.chmod(staging, 0o777 & ~UMASK)
        if folder.exists():
            folder.rmdir()
        os.replace(staging, folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{folder}: the study cannot be unpacked there ({reason}).") from error
    finally:
        if staging is not None and staging.exists():
            shutil.rmtree(staging, ignore_errors=True)


# ---------------------------------------------------------------- packing


def _plan(study: Study, with_recordings: bool) -> PackPlan:
    files: list[PackedFile] = []
    left_out: list[str] = []
    seen: set[str] = set()
    for file in _files_of_runs(study.folder):
        if _wrong_name(file.name) or file.name.casefold() in seen:
            left_out.append(file.name)
        else:
            seen.add(file.name.casefold())
            files.append(file)
    places: dict[tuple[int, str], str] = {}
    missing: list[str] = []
    if with_recordings:
        names: dict[Path, str] = {}
        taken: set[str] = set()
        for recording in study.recordings():
            for entry in recording.files:
                path = study.path_of(entry)
                try:
                    size = path.stat().st_size
                except OSError:
                    missing.append(f"{recording.name}: {path}")
                    continue
                if path not in names:
                    names[path] = _free_name(recording.name, entry.source, path.name, taken)
                    files.append(PackedFile(path, names[path], size))
                places[recording.id, entry.source] = names[path]
    return PackPlan(tuple(files), places, tuple(missing), tuple(left_out))


def _files_of_runs(folder: Path) -> Iterator[PackedFile]:
    """The files below `runs/`, but for caches, links, and files that are being written."""
    top = folder / RUNS
    for place, folders, names in os.walk(top):
        folders[:] = sorted(x for x in folders if not x.startswith(".") and x != "cache")
        for name in sorted(names):
            path = Path(place, name)
            if name.startswith(".") or path.is_symlink() or not path.is_file():
                continue
            inside = path.relative_to(folder).as_posix()
            yield PackedFile(path, inside, path.stat().st_size)


def _free_name(recording: str, source: str, file: str, taken: set[str]) -> str:
    """Where a recording's file lies in the archive; its own name says how it is read."""
    if _NO_WINDOWS_NAME.search(file) or _DEVICE.fullmatch(file):
        file = safe_file_name(file)
    start = f"{RECORDINGS}/{safe_file_name(recording)}"
    name, number = f"{start}/{file}", 1
    while name.casefold() in taken:
        more = safe_file_name(source) if number == 1 else f"{safe_file_name(source)}_{number}"
        name = f"{start}/{more}/{file}"
        number += 1
    taken.add(name.casefold())
    return name


def _point_inside(copy: Path, plan: PackPlan) -> None:
    """Let the packed study find its recordings in the archive, and forget where they were."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.executemany(
            "UPDATE recording_file SET relative_path = ?, absolute_path = ? "
            "WHERE recording_id = ? AND source = ?",
            [(name, name, recording, source) for (recording, source), name in plan.places.items()],
        )
        connection.execute("COMMIT")
        connection.execute("VACUUM")


def _write_zip(stream: IO[bytes], files: Sequence[PackedFile], context: RunContext) -> None:
    total = sum(file.size_bytes for file in files)
    done = 0
    with zipfile.ZipFile(stream, "w", allowZip64=True) as packed:
        for file in files:
            try:
                entry = zipfile.ZipInfo.from_file(file.path, file.name, strict_timestamps=False)
            except OSError as error:
                raise _cannot_be_read(file, error) from error
            ending = file.path.suffix.casefold()
            entry.compress_type = (
                zipfile.ZIP_STORED if ending in _PACKED_ENDINGS else zipfile.ZIP_DEFLATED
            )
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            with packed.open(entry, "w", force_zip64=file.size_bytes > _LARGE) as out:
                for block in _blocks(file):
                    context.step("packing", done, total)
                    out.write(block)
                    done += len(block)
    context.step("packing", total, total)


def _blocks(file: PackedFile) -> Iterator[bytes]:
    try:
        with file.path.open("rb") as source:
            # A run that goes on may write longer files meanwhile: what there was is packed.
            left = file.size_bytes
            while left and (block := source.read(min(_BLOCK, left))):
                left -= len(block)
                yield block
    except OSError as error:
        raise _cannot_be_read(file, error) from error


def _cannot_be_read(file: PackedFile, error: OSError) -> StudyError:
    return StudyError(f"{file.path}: cannot be read for the archive ({error.strerror}).")


# ---------------------------------------------------------------- unpacking


def _opened(archive: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except FileNotFoundError:
        raise StudyError(f"{archive}: there is no such archive.") from None
    except zipfile.BadZipFile:
        raise StudyError(
            f"{archive}: this is no archive of a study, or was cut short on its way here."
        ) from None
    except (OSError, NotImplementedError) as error:
        raise StudyError(f"{archive}: cannot be read ({error}).") from None


def _checked(archive: Path, packed: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The entries to extract. Raises StudyError for any that no archive of a study has."""
    entries = []
    seen: set[str] = set()
    every = packed.infolist()
    if len(every) > _MOST_ENTRIES:
        raise _unsafe(archive, f"it has {len(every)} entries")
    for entry in every:
        if entry.filename.startswith("__MACOSX/") or entry.filename.endswith("/.DS_Store"):
            continue
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _unsafe(archive, f"'{_shown(entry)}' is a link or no plain file")
        problem = _wrong_name(entry.orig_filename) or _wrong_name(entry.filename)
        if problem:
            raise _unsafe(archive, f"'{_shown(entry)}' {problem}")
        if entry.is_dir():
            continue
        if entry.flag_bits & 1:
            raise _unsafe(archive, f"'{_shown(entry)}' is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _unsafe(archive, f"'{_shown(entry)}' is packed in an unusual way")
        if entry.filename.casefold() in seen:
            raise _unsafe(archive, f"'{_shown(entry)}' is there twice")
        seen.add(entry.filename.casefold())
        entries.append(entry)
    if STUDY_FILE not in seen:
        raise StudyError(f"{archive}: this archive holds no study ({STUDY_FILE}).")
    files = {name for name in seen if any(other.startswith(f"{name}/") for other in _parents(seen))}
    if files:
        raise _unsafe(archive, f"'{sorted(files)[0]}' is a file and a folder")
    return entries


def _parents(names: set[str]) -> set[str]:
    return {f"{parent}/" for name in names for parent in map(str, PurePosixPath(name).parents)}


def _wrong_name(name: str) -> str:
    """Why a name may not come out of an archive; empty where it may."""
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or "\\" in name or re.match(r"[A-Za-z]:", name):
        return "leads out of the study's folder"
    if any(part in ("", ".", "..") for part in parts):
        return "leads out of the study's folder"
    if any(_NO_WINDOWS_NAME.search(part) or _DEVICE.fullmatch(part) for part in parts):
        return "is no name for a file on every computer"
    if name != STUDY_FILE and parts[0] not in (RUNS, RECORDINGS):
        return "is nothing that belongs to a study"
    return ""


def _refuse_too_large(archive: Path, entries: Sequence[zipfile.ZipInfo], folder: Path) -> None:
    total = sum(entry.file_size for entry in entries)
    free = shutil.disk_usage(folder).free
    packed = max(archive.stat().st_size, 1)
    if total > _LARGE and total > _LARGEST_RATIO * packed:
        raise _unsafe(archive, f"it would grow from {packed:,} to {total:,} bytes")
    if total > free:
        raise OutputError(
            f"{folder}: unpacking takes {total / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; "
            "make room, or choose another disk."
        )


def _extract(
    archive: Path,
    packed: zipfile.ZipFile,
    entries: Sequence[zipfile.ZipInfo],
    staging: Path,
    context: RunContext,
) -> None:
    total = sum(entry.file_size for entry in entries)
    done = 0
    for entry in entries:
        target = staging.joinpath(*entry.filename.split("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            written = 0
            for block in _unpacked(archive, packed, entry):
                context.step("unpacking", done + written, total)
                written += len(block)
                if written > entry.file_size:
                    raise _unsafe(archive, f"'{_shown(entry)}' is longer than it says")
                out.write(block)
        done += entry.file_size
    context.step("unpacking", total, total)


def _unpacked(archive: Path, packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content of an entry, with errors of the archive told apart from those of the disk."""
    try:
        with packed.open(entry) as source:
            while block := source.read(_BLOCK):
                yield block
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise StudyError(
            f"{archive}: '{_shown(entry)}' in it is damaged ({error}); get the archive again."
        ) from error


def _settle(staging: Path, folder: Path) -> None:
    """Check the study, and say where its recordings will lie."""
    try:
        study = StudyFile.open(staging)
    except StudyError as error:
        raise StudyError(str(error).replace(str(staging), str(folder))) from None
    try:
        if study.read_only:
            raise OutputError(f"{folder}: {study.why_read_only}")
        rows = study.connection.execute(
            "SELECT recording_id, source, relative_path FROM recording_file"
        ).fetchall()
        there = [
            (str(folder.resolve() / PurePosixPath(place)), recording, source)
            for recording, source, place in rows
            if place is not None
            and place.startswith(f"{RECORDINGS}/")
            and not _wrong_name(place)
            and (staging / PurePosixPath(place)).is_file()
        ]
        with study.writing() as connection:
            connection.executemany(
                "UPDATE recording_file SET absolute_path = ? WHERE recording_id = ? AND source = ?",
                there,
            )
    except sqlite3.Error as error:
        raise StudyError(f"{folder}: the study in the archive is damaged ({error}).") from error
    finally:
        study.close()
    shutil.rmtree(staging / BACKUP_FOLDER, ignore_errors=True)
    for name in (LOCK_FILE, HOLDER_FILE):
        (staging / name).unlink(missing_ok=True)
    for name in (RUNS, "cache", BACKUP_FOLDER):
        (staging / name).mkdir(exist_ok=True)


def _shown(entry: zipfile.ZipInfo) -> str:
    return "".join(sign if sign.isprintable() else "�" for sign in entry.orig_filename)[:80]


def _unsafe(archive: Path, why: str) -> StudyError:
    return StudyError(
        f"{archive}: {why}. No archive of a study is like that, so nothing was unpacked; it may "
        "be damaged, or made to do harm."
    )
