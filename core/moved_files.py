"""Recordings that are not where the study saw them last: found again by what is in them.

A file is known by its size and the fingerprint of its content, never by its name alone. Where only
the name and the folders above it are the same, that is offered too, and said.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.errors import StudyError
from core.file_system import file_fingerprint
from core.label_set import counted, listed
from core.progress import RunContext
from core.study import Study, StudyFileEntry

Match = Literal["same", "differs", "none"]
"""The same content; the same place under another folder, but other content; nothing."""


@dataclass(frozen=True)
class MissingFile:
    """A file of a recording that is in neither place. `path`: where it was last."""

    recording_id: int
    recording: str
    entry: StudyFileEntry
    path: Path


@dataclass(frozen=True)
class FoundAgain:
    """What was found for a missing file.

    Attributes
    ----------
    path: where it lies now; None for nothing.
    copies: further files with the same content.
    """

    missing: MissingFile
    match: Match = "none"
    path: Path | None = None
    copies: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Search:
    """What was found in folders, one entry for each missing file.

    `unreadable`: folders that could not be looked into.
    """

    found: tuple[FoundAgain, ...]
    looked_at: int
    unreadable: tuple[Path, ...] = ()

    @property
    def same(self) -> tuple[FoundAgain, ...]:
        """Those that are certain."""
        return tuple(entry for entry in self.found if entry.match == "same")


def missing_files(study: Study) -> tuple[MissingFile, ...]:
    """Files of a study that are not where they were seen last, by recording."""
    return tuple(
        MissingFile(recording.id, recording.name, entry, Path(entry.absolute_path))
        for recording in study.recordings()
        for entry in study.missing_files(recording)
    )


def find_moved(
    missing: Sequence[MissingFile], roots: Sequence[Path], context: RunContext | None = None
) -> Search:
    """Look for missing files in folders and all that lie below them; each is walked once.

    Knows no study and may run in any thread.
    """
    context = context or RunContext()
    found: list[list[Path]] = [[] for _ in missing]
    near: list[Path | None] = [None] * len(missing)
    for number, file in enumerate(missing):
        context.step("looking in the same place", number, len(missing))
        for path in _same_place(file.path, roots):
            if _is_same(path, file.entry):
                found[number].append(path)
                break
            near[number] = near[number] or path
    looked_at = 0
    unreadable: list[Path] = []
    if not all(found):
        by_size: dict[int, list[int]] = {}
        for number, file in enumerate(missing):
            by_size.setdefault(file.entry.size_bytes, []).append(number)
        seen: set[tuple[int, int]] = set()
        for path, size in _files_below(roots, unreadable, context):
            looked_at += 1
            wanted = by_size.get(size, [])
            if not wanted or _seen_before(path, seen):
                continue
            print_ = _fingerprint(path)
            for number in wanted:
                if print_ == missing[number].entry.fingerprint and path not in found[number]:
                    found[number].append(path)
    results = tuple(map(_best, missing, found, near))
    return Search(results, looked_at, tuple(unreadable))


def accept_moved(
    study: Study, accepted: Iterable[FoundAgain], who: str = "", *, insist: bool = False
) -> int:
    """Tell the study where files lie now; returns how many.

    A file whose content differs is refused unless the user insists, which the audit notes. Raises
    StudyError, before anything is changed, where one differs or is gone; NotSavedError where the
    study cannot be written.
    """
    chosen = [(entry.missing, entry.path) for entry in accepted if entry.path is not None]
    others = set()
    for missing, path in chosen:
        if not path.is_file():
            raise StudyError(f"{path}: is no longer there; search again.")
        if not _is_same(path, missing.entry):
            others.add((missing.recording_id, missing.entry.source))
    if others and not insist:
        names = [path.name for m, path in chosen if (m.recording_id, m.entry.source) in others]
        raise StudyError(
            f"The content of {counted(len(names), 'file')} is not what the study took in: "
            f"{listed(names)}. Labels may no longer fit such a file; take it only if you know why "
            "it differs."
        )
    for missing, path in chosen:
        study.relocate(missing.recording_id, missing.entry.source, path, who)
        if (missing.recording_id, missing.entry.source) in others:
            study.note(
                who,
                missing.recording,
                "file replaced",
                f"{path.name} differs from the file that was taken in; accepted all the same",
            )
    return len(chosen)


# ---------------------------------------------------------------- parts


def _same_place(path: Path, roots: Iterable[Path]) -> Iterator[Path]:
    """Files below a root that end in the same folders and name, the longest way first."""
    # A study made on Windows may be looked at elsewhere, and the other way round.
    parts = [part for part in re.split(r"[\\/]", str(path)) if part and not part.endswith(":")]
    for first in range(len(parts)):
        for root in roots:
            place = root.joinpath(*parts[first:])
            try:
                if place.is_file():
                    yield place
            except OSError:  # such as a name that is too long
                continue


def _files_below(
    roots: Sequence[Path], unreadable: list[Path], context: RunContext
) -> Iterator[tuple[Path, int]]:
    """All files below folders with their sizes, each folder once; links to folders are passed."""
    waiting = [Path(root) for root in reversed(roots)]
    walked: set[str] = set()
    looked = 0
    while waiting:
        folder = waiting.pop()
        real = os.path.normcase(os.path.realpath(folder))
        if real in walked:
            continue
        walked.add(real)
        context.step(f"looking in {folder}", looked)
        try:
            with os.scandir(folder) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            unreadable.append(folder)
            continue
        for entry in inside:
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif entry.is_file():
                    looked += 1
                    yield Path(entry.path), entry.stat().st_size
            except OSError:
                unreadable.append(Path(entry.path))


def _seen_before(path: Path, seen: set[tuple[int, int]]) -> bool:
    """Whether this very file was met under another name."""
    try:
        status = path.stat()
    except OSError:
        return True
    key = (status.st_dev, status.st_ino)
    if key in seen and status.st_ino:
        return True
    seen.add(key)
    return False


def _is_same(path: Path, entry: StudyFileEntry) -> bool:
    try:
        if path.stat().st_size != entry.size_bytes:
            return False
    except OSError:
        return False
    return _fingerprint(path) == entry.fingerprint


def _fingerprint(path: Path) -> str:
    """Empty where the file cannot be read."""
    try:
        return file_fingerprint(path)
    except OSError:
        return ""


def _best(file: MissingFile, paths: Sequence[Path], near: Path | None) -> FoundAgain:
    if not paths:
        return FoundAgain(file, "none" if near is None else "differs", near)
    old = _parts(file.path)

    def likeness(path: Path) -> int:
        """How many names at the end of the path are as they were."""
        pairs = zip(reversed(old), reversed(_parts(path)), strict=False)
        return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(old), 999))

    best, *rest = sorted(paths, key=lambda path: (-likeness(path), len(path.parts), str(path)))
    return FoundAgain(file, "same", best, tuple(rest))


def _parts(path: Path) -> list[str]:
    return [part.casefold() for part in re.split(r"[\\/]", str(path)) if part]
