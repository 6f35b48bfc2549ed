"""A study: recordings, subjects, classes, raters and labels, kept in one file.

Every method that changes something is one transaction that is on the disk when it returns, and
leaves a line in the audit. Values handed out are frozen: a changed study is asked again.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from core.config import RecordingsConfig, RunConfig, SourceConfig, dump_config, make_config
from core.errors import ConfigError, RecordingError, StudyError
from core.file_system import file_fingerprint
from core.find_recordings import FoundFile, FoundRecording, open_recording
from core.label_scheme import LabelClass, LabelScheme
from core.recording import Recording
from core.study_file import StudyFile, now_text
from core.study_labels import Change, RecordingLabels, StudyLabel, make_recording_labels

RaterKind = Literal["person", "file", "model", "consensus"]
EditState = Literal["done", "undone", "dropped"]
_FOUND = "recordings"  # of the run file: the study lists its recordings itself


@dataclass(frozen=True)
class StudyFileEntry:
    """A file of a recording, and where it was seen last.

    Attributes
    ----------
    source: what modalities call it.
    relative_path: from the study's folder, with slashes; None where there is no way.
    fingerprint: of size and content; see `file_system.file_fingerprint`.
    settings: how the file is read.
    """

    source: str
    relative_path: str | None
    absolute_path: str
    size_bytes: int
    fingerprint: str
    settings: SourceConfig
    label_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudyRecording:
    """A recording of a study. `grid_offset_ns`: where its first epoch starts."""

    id: int
    name: str
    subject: str
    fields: dict[str, str]
    files: tuple[StudyFileEntry, ...]
    start_s: float
    has_clock: bool
    duration_s: float
    grid_offset_ns: int = 0


@dataclass(frozen=True)
class Rater:
    """Somebody, or something, that labels."""

    id: int
    name: str
    kind: RaterKind


@dataclass(frozen=True)
class Edit:
    """One step of labelling, as it is undone and redone."""

    id: int
    what: str
    change: Change
    made_at: str
    state: EditState = "done"


@dataclass(frozen=True)
class AuditEntry:
    """Who did what and when; `recording` is empty for the study as a whole."""

    at: str
    who: str
    recording: str
    action: str
    detail: str


@dataclass(frozen=True)
class StudySettings:
    """What a study is learnt from, beside its recordings and labels.

    Attributes
    ----------
    engine: the run file's document without recordings and labels (windows, modalities, model …).
    recordings: the run file's `join`, `subject`, `key_map` and patterns, for adding more.
    montage: how traces are drawn, as its own document; None for the usual way.
    blinded: whether raters do not see each other's labels, nor predictions.
    min_cover: share of a window for learning that labels must cover; see `LabelsBase.min_cover`.
    """

    name: str
    notes: str = ""
    engine: dict[str, Any] = field(default_factory=dict)
    recordings: dict[str, Any] = field(default_factory=dict)
    montage: dict[str, Any] | None = None
    blinded: bool = False
    min_cover: float = 0.5


class Study:
    """An open study. Used by one thread at a time; `close` it at the end."""

    def __init__(self, file: StudyFile) -> None:
        self._file = file
        self.folder = file.folder
        self._scheme: LabelScheme | None = None

    @classmethod
    def create(cls, folder: Path, settings: StudySettings, scheme: LabelScheme) -> Study:
        """A new study. Raises StudyError, ConfigError or OutputError where it cannot be made; there
        is none then."""

        def fill(file: StudyFile) -> None:
            study = cls(file)
            study.change_settings(settings)
            study.change_scheme(scheme)

        return cls(StudyFile.create(folder, fill))

    @classmethod
    def open(cls, folder: Path, read_only: bool = False) -> Study:
        """Open a study; read-only where it is open elsewhere or cannot be written. Raises
        StudyError."""
        return cls(StudyFile.open(folder, read_only))

    @property
    def file(self) -> StudyFile:
        return self._file

    @property
    def read_only(self) -> bool:
        return self._file.read_only

    @property
    def why_read_only(self) -> str:
        return self._file.why_read_only

    def close(self) -> None:
        self._file.close()

    # -- settings

    @property
    def settings(self) -> StudySettings:
        rows = dict(self._all("SELECT name, value FROM setting WHERE name <> 'scheme'"))
        values = {name: json.loads(value) for name, value in rows.items()}
        known = {key: values[key] for key in StudySettings.__dataclass_fields__ if key in values}
        return StudySettings(**{"name": self.folder.name, **known})

    def change_settings(self, settings: StudySettings, who: str = "") -> None:
        """Keep other settings. Raises ConfigError where the engine could not use them."""
        check_engine_settings(settings.engine)
        _recordings_config(settings.recordings)
        before = asdict(self.settings)
        after = asdict(settings)
        changed = [key for key in after if after[key] != before[key]]
        with self._file.writing() as connection:
            for key, value in after.items():
                connection.execute(
                    "INSERT INTO setting VALUES (?, ?) "
                    "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    (key, json.dumps(value)),
                )
            if changed:
                _note(connection, who, "", "settings", ", ".join(changed))

    @property
    def scheme(self) -> LabelScheme:
        # Another window may change it under one that only reads.
        if self._scheme is None or self.read_only:
            row = self._one("SELECT value FROM setting WHERE name = 'scheme'")
            values = json.loads(row[0])
            classes = tuple(
                LabelClass(name, colour, tuple(json.loads(keys)), kind)
                for name, colour, keys, kind in self._all(
                    "SELECT name, colour, keys, kind FROM label_class ORDER BY position"
                )
            )
            self._scheme = LabelScheme(classes, **values)
        return self._scheme

    def change_scheme(
        self, scheme: LabelScheme, renamed: dict[str, str] | None = None, who: str = ""
    ) -> None:
        """Keep another label scheme.

        `renamed` leads from old names of classes to new ones; their labels go along. A class whose
        name goes to another one is taken to be removed. Raises StudyError where a class goes, or
        changes its kind, that still has labels, and where two would become one.
        """
        names = renamed or {}
        twice = [new for new in names.values() if list(names.values()).count(new) > 1]
        if twice:
            raise StudyError(f"Two classes cannot both become '{twice[0]}'.")
        with self._file.writing() as connection:
            rows = connection.execute("SELECT id, name, kind FROM label_class").fetchall()
            used = {
                class_id: count
                for class_id, count in connection.execute(
                    "SELECT class_id, count(*) FROM label GROUP BY class_id"
                )
            }
            wanted = {entry.name: entry for entry in scheme.classes}
            kept: dict[str, int] = {}
            for class_id, name, kind in rows:
                # Its name may be another's from now on.
                gone = name not in names and name in names.values()
                now = None if gone else wanted.get(names.get(name, name))
                if class_id in used and (now is None or now.kind != kind):
                    raise StudyError(
                        f"'{name}' has labels ({used[class_id]}): give them another class before "
                        "it is removed or becomes another kind of class."
                    )
                if now is None or now.kind != kind:
                    connection.execute("DELETE FROM label_class WHERE id = ?", (class_id,))
                else:
                    kept[now.name] = class_id
                    # Two classes may swap their names.
                    connection.execute(
                        "UPDATE label_class SET name = ? WHERE id = ?", (f"\0{class_id}", class_id)
                    )
            for position, entry in enumerate(scheme.classes):
                values = (entry.name, entry.kind, entry.colour, json.dumps(entry.keys), position)
                if entry.name in kept:
                    connection.execute(
                        "UPDATE label_class SET name = ?, kind = ?, colour = ?, keys = ?, "
                        "position = ? WHERE id = ?",
                        (*values, kept[entry.name]),
                    )
                else:
                    connection.execute(
                        "INSERT INTO label_class (name, kind, colour, keys, position) "
                        "VALUES (?, ?, ?, ?, ?)",
                        values,
                    )
            rest = {
                "epoch_s": scheme.epoch_s,
                "ordered": scheme.ordered,
                "page_s": scheme.page_s,
                "guide_uv": scheme.guide_uv,
            }
            connection.execute(
                "INSERT INTO setting VALUES ('scheme', ?) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (json.dumps(rest),),
            )
            _note(connection, who, "", "label scheme", ", ".join(wanted))
        self._scheme = scheme

    # -- recordings

    def recordings(self) -> tuple[StudyRecording, ...]:
        """All recordings, by name."""
        files: dict[int, list[StudyFileEntry]] = {}
        for row in self._all(
            "SELECT recording_id, source, relative_path, absolute_path, size_bytes, fingerprint, "
            "settings, label_columns FROM recording_file ORDER BY recording_id, position"
        ):
            entry = StudyFileEntry(
                row[1],
                row[2],
                row[3],
                row[4],
                row[5],
                SourceConfig.model_validate_json(row[6]),
                tuple(json.loads(row[7])),
            )
            files.setdefault(row[0], []).append(entry)
        return tuple(
            StudyRecording(
                row[0],
                row[1],
                row[2],
                json.loads(row[3]),
                tuple(files.get(row[0], ())),
                row[4],
                bool(row[5]),
                row[6],
                row[7],
            )
            for row in self._all(
                "SELECT recording.id, recording.name, subject.name, fields, start_s, has_clock, "
                "duration_s, grid_offset_ns FROM recording JOIN subject ON subject.id = subject_id "
                "ORDER BY recording.name"
            )
        )

    def recording(self, recording_id: int) -> StudyRecording:
        """KeyError where there is none."""
        for recording in self.recordings():
            if recording.id == recording_id:
                return recording
        raise KeyError(recording_id)

    def add_recordings(
        self, opened: Iterable[tuple[FoundRecording, Recording]], who: str = ""
    ) -> list[int]:
        """Take recordings in, all or none; returns their ids.

        Raises StudyError where a recording of that name is there already.
        """
        ids = []
        entries = [(found, recording, self._entries(found)) for found, recording in opened]
        with self._file.writing() as connection:
            for found, recording, files in entries:
                try:
                    added = connection.execute(
                        "INSERT INTO recording (name, subject_id, fields, start_s, has_clock, "
                        "duration_s, added_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                        (
                            found.id,
                            _subject_id(connection, found.subject),
                            json.dumps(found.fields),
                            recording.start_s,
                            recording.has_clock,
                            recording.duration_s,
                            now_text(),
                        ),
                    ).lastrowid
                except sqlite3.IntegrityError:
                    raise StudyError(
                        f"The study has a recording '{found.id}' already; add a field to the "
                        "pattern that tells them apart."
                    ) from None
                assert added is not None
                for position, entry in enumerate(files):
                    _insert_file(connection, added, entry, position)
                ids.append(added)
                _note(connection, who, found.id, "recording added", "")
        return ids

    def remove_recording(self, recording_id: int, who: str = "") -> None:
        """Take a recording and all its labels out of the study; its files stay.

        Raises StudyError where a rater has signed it off.
        """
        name = self.recording(recording_id).name
        with self._file.writing() as connection:
            _refuse_any_sign_off(connection, recording_id, name)
            count = connection.execute(
                "SELECT count(*) FROM label WHERE recording_id = ?", (recording_id,)
            ).fetchone()[0]
            connection.execute("DELETE FROM recording WHERE id = ?", (recording_id,))
            connection.execute(
                "DELETE FROM subject WHERE id NOT IN (SELECT subject_id FROM recording)"
            )
            _note(connection, who, name, "recording removed", f"{count} labels")

    def rename_subject(self, recording_id: int, subject: str, who: str = "") -> None:
        """Say whose recording it is."""
        subject = subject.strip()
        if not subject:
            raise StudyError("A subject needs a name; a code will do.")
        recording = self.recording(recording_id)
        with self._file.writing() as connection:
            connection.execute(
                "UPDATE recording SET subject_id = ? WHERE id = ?",
                (_subject_id(connection, subject), recording_id),
            )
            connection.execute(
                "DELETE FROM subject WHERE id NOT IN (SELECT subject_id FROM recording)"
            )
            _note(connection, who, recording.name, "subject", f"{recording.subject} → {subject}")

    def set_grid_offset(self, recording_id: int, offset_ns: int, who: str = "") -> None:
        """Say where the first epoch of a recording starts. Raises StudyError where a rater has
        signed it off."""
        name = self.recording(recording_id).name
        with self._file.writing() as connection:
            _refuse_any_sign_off(connection, recording_id, name)
            connection.execute(
                "UPDATE recording SET grid_offset_ns = ? WHERE id = ?", (offset_ns, recording_id)
            )
            _note(connection, who, name, "epochs start at", f"{offset_ns / 1e9:g} s")

    def relocate(self, recording_id: int, source: str, path: Path, who: str = "") -> None:
        """Say where a file lies now."""
        name = self.recording(recording_id).name
        entry = self._entry(source, path, self._file_of(recording_id, source))
        with self._file.writing() as connection:
            connection.execute(
                "UPDATE recording_file SET relative_path = ?, absolute_path = ?, size_bytes = ?, "
                "fingerprint = ? WHERE recording_id = ? AND source = ?",
                (
                    entry.relative_path,
                    entry.absolute_path,
                    entry.size_bytes,
                    entry.fingerprint,
                    recording_id,
                    source,
                ),
            )
            _note(connection, who, name, "file moved", Path(path).name)

    def path_of(self, entry: StudyFileEntry) -> Path:
        """Where a file lies: beside the study as when it was added, else where it was.

        The absolute place is given where neither is there, for messages.
        """
        return _path_of(self.folder, entry)

    def found(self, recording: StudyRecording) -> FoundRecording:
        """A recording as the readers take it."""
        return found_recording(self.folder, recording)

    def recordings_config(self) -> RecordingsConfig:
        """How files of a recording are joined, whatever the patterns."""
        return _recordings_config(self.settings.recordings)

    def open_recording(self, recording: StudyRecording) -> Recording:
        """Open the files of a recording. Raises RecordingError, which names a missing file."""
        return self.opener(recording)()

    def opener(self, recording: StudyRecording) -> Callable[[], Recording]:
        """A call that opens a recording, from any thread: it never touches the study file."""
        return partial(_open, self.folder, recording, self.recordings_config())

    def missing_files(self, recording: StudyRecording) -> tuple[StudyFileEntry, ...]:
        """Files of a recording that are in neither place."""
        return tuple(entry for entry in recording.files if not self.path_of(entry).is_file())

    # -- raters

    def raters(self) -> tuple[Rater, ...]:
        """Everybody who labels, in the order they came."""
        return tuple(
            Rater(*row) for row in self._all("SELECT id, name, kind FROM rater ORDER BY id")
        )

    def rater(self, name: str, kind: RaterKind = "person") -> Rater:
        """The rater of that name, who is added where there is none."""
        name = name.strip()
        if not name:
            raise StudyError("A rater needs a name; initials will do.")
        for rater in self.raters():
            if rater.name.casefold() == name.casefold():
                return rater
        with self._file.writing() as connection:
            connection.execute("INSERT INTO rater (name, kind) VALUES (?, ?)", (name, kind))
            _note(connection, name, "", "rater added", kind)
        return self.rater(name, kind)

    # -- labels

    def labels(self, recording_id: int, rater_id: int) -> RecordingLabels:
        """All labels of a rater in a recording."""
        return make_recording_labels(
            StudyLabel(*row)
            for row in self._all(
                "SELECT label.id, start_ns, end_ns, label_class.name, label.kind, modality, "
                "source, confidence FROM label JOIN label_class ON label_class.id = class_id "
                "WHERE recording_id = ? AND rater_id = ?",
                (recording_id, rater_id),
            )
        )

    def edits(self, recording_id: int, rater_id: int, most: int = 1000) -> tuple[Edit, ...]:
        """The edits that can be undone or redone, in order; of very many the last ones."""
        # Nothing reaches beyond an edit with a class that is gone: neither back nor forth.
        done = self._edits(recording_id, rater_id, "done", "DESC", most)
        undone = self._edits(recording_id, rater_id, "undone", "ASC", most)
        return (*reversed(done), *undone)

    def write_edit(self, recording_id: int, rater_id: int, edit: Edit) -> None:
        """Make an edit. What was undone before it can no longer be redone.

        Raises NotSavedError where it could not be written, StudyError where the recording is
        signed off.
        """
        with self._file.writing() as connection:
            recording, rater = _names(connection, recording_id, rater_id)
            class_ids = _class_ids(connection)
            _refuse_signed(connection, recording_id, rater_id, recording)
            connection.execute(
                "UPDATE edit SET state = 'dropped' WHERE recording_id = ? AND rater_id = ? AND "
                "state = 'undone'",
                (recording_id, rater_id),
            )
            connection.execute(
                "INSERT INTO edit SELECT ?, ?, ?, coalesce(max(place), 0) + 1, ?, ?, ?, ?, 'done' "
                "FROM edit WHERE recording_id = ? AND rater_id = ?",
                (
                    edit.id,
                    recording_id,
                    rater_id,
                    edit.made_at,
                    edit.what,
                    _packed(edit.change.removed, class_ids),
                    _packed(edit.change.added, class_ids),
                    recording_id,
                    rater_id,
                ),
            )
            _apply(connection, recording_id, rater_id, edit.id, edit.change, class_ids)
            _note(connection, rater, recording, "edit", edit.what)

    def write_undo(self, recording_id: int, rater_id: int, edit: Edit) -> None:
        """Take an edit back. Raises as `write_edit` does."""
        self._switch(recording_id, rater_id, edit, "undone")

    def write_redo(self, recording_id: int, rater_id: int, edit: Edit) -> None:
        """Make an edit again that was taken back. Raises as `write_edit` does."""
        self._switch(recording_id, rater_id, edit, "done")

    def _switch(self, recording_id: int, rater_id: int, edit: Edit, state: EditState) -> None:
        change = edit.change if state == "done" else edit.change.reversed
        with self._file.writing() as connection:
            recording, rater = _names(connection, recording_id, rater_id)
            _refuse_signed(connection, recording_id, rater_id, recording)
            connection.execute("UPDATE edit SET state = ? WHERE id = ?", (state, edit.id))
            _apply(connection, recording_id, rater_id, edit.id, change, _class_ids(connection))
            _note(connection, rater, recording, "redo" if state == "done" else "undo", edit.what)

    def labelled_ns(self) -> dict[tuple[int, int], int]:
        """How long the states of each recording and rater last together."""
        return {
            (row[0], row[1]): row[2]
            for row in self._all(
                "SELECT recording_id, rater_id, sum(end_ns - start_ns) FROM label "
                "WHERE kind = 'state' GROUP BY recording_id, rater_id"
            )
        }

    def label_counts(self) -> dict[str, int]:
        """How many labels of all raters each class has, by name."""
        return dict(
            self._all(
                "SELECT label_class.name, count(*) FROM label "
                "JOIN label_class ON label_class.id = class_id GROUP BY class_id"
            )
        )

    # -- signing off

    def signed_off(self, recording_id: int, rater_id: int) -> str | None:
        """When a rater signed a recording off, UTC; None where it is open."""
        row = self._one(
            "SELECT signed_at FROM sign_off WHERE recording_id = ? AND rater_id = ?",
            (recording_id, rater_id),
        )
        return row[0] if row else None

    def all_signed_off(self) -> set[tuple[int, int]]:
        """Recording and rater of all that is signed off."""
        return set(self._all("SELECT recording_id, rater_id FROM sign_off"))

    def sign_off(self, recording_id: int, rater_id: int) -> None:
        """Lock a rater's labels of a recording until they are reopened."""
        with self._file.writing() as connection:
            recording, rater = _names(connection, recording_id, rater_id)
            connection.execute(
                "INSERT OR IGNORE INTO sign_off VALUES (?, ?, ?)",
                (recording_id, rater_id, now_text()),
            )
            _note(connection, rater, recording, "signed off", "")

    def reopen(self, recording_id: int, rater_id: int) -> None:
        """Unlock a rater's labels of a recording."""
        with self._file.writing() as connection:
            recording, rater = _names(connection, recording_id, rater_id)
            connection.execute(
                "DELETE FROM sign_off WHERE recording_id = ? AND rater_id = ?",
                (recording_id, rater_id),
            )
            _note(connection, rater, recording, "reopened", "")

    # -- audit

    def audit(self, recording: str = "", most: int = 5000) -> tuple[AuditEntry, ...]:
        """What was done, the newest first; of one recording by its name, or of all."""
        return tuple(
            AuditEntry(*row)
            for row in self._all(
                "SELECT at, who, recording, action, detail FROM audit "
                "WHERE ? IN ('', recording) ORDER BY id DESC LIMIT ?",
                (recording, most),
            )
        )

    def note(self, who: str, recording: str, action: str, detail: str) -> None:
        """Put a line into the audit, for what changes no row (an export)."""
        with self._file.writing() as connection:
            _note(connection, who, recording, action, detail)

    # -- parts

    def _all(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._file.read(sql, values)

    def _one(self, sql: str, values: Sequence[Any] = ()) -> Any:
        rows = self._file.read(sql, values)
        return rows[0] if rows else None

    def _edits(
        self, recording_id: int, rater_id: int, state: EditState, order: str, most: int
    ) -> list[Edit]:
        names = dict(self._all("SELECT id, name FROM label_class"))
        edits = []
        for row in self._all(
            "SELECT id, what, removed, added, made_at, state FROM edit WHERE recording_id = ? AND "
            f"rater_id = ? AND state = ? ORDER BY place {order} LIMIT ?",
            (recording_id, rater_id, state, most),
        ):
            edit = _edit(row, names)
            if edit is None:
                break
            edits.append(edit)
        return edits

    def _file_of(self, recording_id: int, source: str) -> StudyFileEntry:
        files = self.recording(recording_id).files
        return next(entry for entry in files if entry.source == source)

    def _entries(self, found: FoundRecording) -> list[StudyFileEntry]:
        return [
            self._entry(
                file.name,
                file.path,
                StudyFileEntry(file.name, None, "", 0, "", file.config, file.label_columns),
            )
            for file in found.files
        ]

    def _entry(self, source: str, path: Path, known: StudyFileEntry) -> StudyFileEntry:
        absolute = path.resolve()
        try:
            size, print_ = absolute.stat().st_size, file_fingerprint(absolute)
        except OSError as error:
            raise RecordingError(f"{path}: cannot be read ({error.strerror}).") from error
        try:
            relative = os.path.relpath(absolute, self.folder.resolve()).replace(os.sep, "/")
        except ValueError:  # another drive
            relative = None
        return StudyFileEntry(
            source, relative, str(absolute), size, print_, known.settings, known.label_columns
        )


def check_engine_settings(engine: dict[str, Any]) -> None:
    """ConfigError where a run file could not hold these settings."""
    engine_config(engine)


def _recordings_config(recordings: dict[str, Any]) -> RecordingsConfig:
    defaults = {"sources": [{"pattern": "{subject}"}], "listed": []}
    document = {"recordings": {**defaults, **recordings}, "windows": {"length_s": 30}}
    return make_config(document, "study settings").recordings


def engine_config(engine: dict[str, Any]) -> RunConfig:
    """The settings as a run's, with a recording put in that stands for all."""
    document = {"windows": {"length_s": 30}, **engine}
    unwanted = sorted({"recordings", "labels"} & set(engine))
    if unwanted:
        raise ConfigError(f"The study itself says what its {unwanted[0]} are.")
    return make_config(
        {**document, "recordings": {"sources": [{"pattern": "{subject}"}]}}, "study settings"
    )


# ---------------------------------------------------------------- files


def found_recording(folder: Path, recording: StudyRecording) -> FoundRecording:
    """A recording of the study in `folder` as the readers take it."""
    files = tuple(
        FoundFile(entry.source, _path_of(folder, entry), entry.settings, entry.label_columns)
        for entry in recording.files
    )
    return FoundRecording(recording.name, recording.subject, dict(recording.fields), files)


def missing_paths(folder: Path, recording: StudyRecording) -> list[Path]:
    """Files of a recording that are neither beside the study in `folder` nor where they were."""
    paths = (_path_of(folder, entry) for entry in recording.files)
    return [path for path in paths if not path.is_file()]


def _path_of(folder: Path, entry: StudyFileEntry) -> Path:
    if entry.relative_path is not None:
        # Resolved: `..` behind a link does not lead back to the folder with the link.
        near = folder.resolve() / PurePosixPath(entry.relative_path)
        if near.is_file():
            return Path(os.path.normpath(near))
    return Path(entry.absolute_path)


def _open(folder: Path, recording: StudyRecording, config: RecordingsConfig) -> Recording:
    for entry in recording.files:
        path = _path_of(folder, entry)
        if not path.is_file() and not entry.settings.optional:
            raise RecordingError(
                f"{recording.name}: {path} is not there; say where it lies now with Study → Find "
                "moved files."
            )
    return open_recording(found_recording(folder, recording), config)


# ---------------------------------------------------------------- rows


def _note(
    connection: sqlite3.Connection, who: str, recording: str, action: str, detail: str
) -> None:
    connection.execute(
        "INSERT INTO audit (at, who, recording, action, detail) VALUES (?, ?, ?, ?, ?)",
        (now_text(), who, recording, action, detail),
    )


def _names(connection: sqlite3.Connection, recording_id: int, rater_id: int) -> tuple[str, str]:
    recording = connection.execute("SELECT name FROM recording WHERE id = ?", (recording_id,))
    rater = connection.execute("SELECT name FROM rater WHERE id = ?", (rater_id,))
    return str(recording.fetchone()[0]), str(rater.fetchone()[0])


def _class_ids(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT name, id FROM label_class"))


def _subject_id(connection: sqlite3.Connection, name: str) -> int:
    connection.execute("INSERT OR IGNORE INTO subject (name) VALUES (?)", (name,))
    row = connection.execute("SELECT id FROM subject WHERE name = ?", (name,)).fetchone()
    return int(row[0])


def _insert_file(
    connection: sqlite3.Connection, recording_id: int, entry: StudyFileEntry, position: int
) -> None:
    connection.execute(
        "INSERT INTO recording_file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            recording_id,
            entry.source,
            entry.relative_path,
            entry.absolute_path,
            entry.size_bytes,
            entry.fingerprint,
            json.dumps(dump_config(entry.settings)),
            json.dumps(entry.label_columns),
            position,
        ),
    )


def _refuse_signed(
    connection: sqlite3.Connection, recording_id: int, rater_id: int, name: str
) -> None:
    signed = connection.execute(
        "SELECT 1 FROM sign_off WHERE recording_id = ? AND rater_id = ?", (recording_id, rater_id)
    ).fetchone()
    if signed:
        raise StudyError(f"{name} is signed off: reopen it before its labels are changed.")


def _refuse_any_sign_off(connection: sqlite3.Connection, recording_id: int, name: str) -> None:
    """For what concerns every rater of a recording."""
    signed = connection.execute(
        "SELECT rater.name FROM sign_off JOIN rater ON rater.id = rater_id WHERE recording_id = ?",
        (recording_id,),
    ).fetchall()
    if signed:
        raise StudyError(
            f"{name} is signed off by {', '.join(row[0] for row in signed)}: it has to be reopened "
            "first."
        )


def _apply(
    connection: sqlite3.Connection,
    recording_id: int,
    rater_id: int,
    edit_id: int,
    change: Change,
    class_ids: dict[str, int],
) -> None:
    gone = connection.executemany(
        "DELETE FROM label WHERE id = ? AND recording_id = ? AND rater_id = ?",
        [(label.id, recording_id, rater_id) for label in change.removed],
    ).rowcount
    if change.removed and gone != len(change.removed):
        raise ValueError(f"{len(change.removed)} labels were to go, {gone} were there")
    connection.executemany(
        "INSERT INTO label VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                label.id,
                recording_id,
                rater_id,
                class_ids[label.class_name],
                label.kind,
                label.start_ns,
                label.end_ns,
                label.modality,
                label.source,
                label.confidence,
                edit_id,
            )
            for label in change.added
        ],
    )


def _packed(labels: Iterable[StudyLabel], class_ids: dict[str, int]) -> str:
    """Labels as JSON, with the class by its id, which outlives its name."""
    rows = [
        [
            label.id,
            label.start_ns,
            label.end_ns,
            class_ids[label.class_name],
            label.kind,
            label.modality,
            label.source,
            label.confidence,
        ]
        for label in labels
    ]
    return json.dumps(rows, separators=(",", ":"))


def _edit(row: Sequence[Any], names: dict[int, str]) -> Edit | None:
    """None where a class of it is gone."""
    try:
        change = Change(_unpacked(row[2], names), _unpacked(row[3], names))
    except KeyError:
        return None
    return Edit(row[0], row[1], change, row[4], row[5])


def _unpacked(text: str, names: dict[int, str]) -> tuple[StudyLabel, ...]:
    return tuple(
        StudyLabel(row[0], row[1], row[2], names[row[3]], *row[4:]) for row in json.loads(text)
    )
